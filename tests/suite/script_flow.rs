//! The scripted agent over time: interrupts, queues, commands, sessions, ends.

use rustix::process::{Pid, Signal, getsid, kill_process};
use serde_json::{Value, json};

use crate::script_agent::{HOOKS, start, steps};
use crate::support::bench_process::Bench;
use crate::support::host::{Host, user};

fn is_result(frame: &Value) -> bool {
    frame["type"] == "result"
}

/// Interrupts the running turn and goes on to its result.
fn interrupt(host: &mut Host) -> Value {
    let id = host.ask(json!({}), "interrupt");
    let result = host.wait("the result", is_result);
    let answers = host.of_type("control_response");
    assert!(answers.iter().any(|frame| frame["response"]["request_id"] == *id));
    result
}

#[test]
fn an_interrupt_cuts_words_short_and_keeps_what_was_said() {
    let bench = Bench::new();
    let script = "pace_ms = 1000000\n[[turn]]\nstep = [{ text = 'This is a very long answer indeed.' }]\n\
                  [[turn]]\nstep = [{ think = '' }]\n";
    let mut host = start(&bench, script, &["--speed=1"]);
    host.prompt("go");
    host.wait("a piece", |frame| frame["event"]["type"] == "content_block_delta");
    let result = interrupt(&mut host);
    assert_eq!(result["terminal_reason"], "aborted_streaming");
    assert_eq!(
        (&result["is_error"], &result["subtype"]),
        (&json!(true), &json!("error_during_execution"))
    );
    let cut = host.of_type("assistant")[0];
    assert_eq!(cut["aborted"], true);
    assert_eq!(cut["message"]["content"][0]["text"], "This is a very");
    let events: Vec<_> =
        host.of_type("stream_event").iter().map(|frame| frame["event"]["type"].clone()).collect();
    assert_eq!(events.last().unwrap(), "message_stop");
    let mark = host.of_type("user")[0];
    assert_eq!(mark["message"]["content"][0]["text"], "[Request interrupted by user]");
}

#[test]
fn an_interrupt_reaches_open_hooks_asks_pauses_and_commands() {
    let bench = Bench::new();
    let script = "cycle = true\n[[turn]]\nstep = [{ write = 'a', content = 'x' }]\n";
    let mut host = start(&bench, script, &[]);
    host.initialize(HOOKS);
    // While the hook is open.
    host.prompt("one");
    let gate = host.wait_request("hook_callback");
    let result = interrupt(&mut host);
    assert_eq!(result["terminal_reason"], "aborted_tools");
    let cancels = host.of_type("control_cancel_request");
    assert_eq!(cancels[0]["request_id"], gate["request_id"]);
    // While the person is asked.
    host.prompt("two");
    let gate = host.wait_request("hook_callback");
    host.answer(&gate, &json!({}));
    host.wait_request("can_use_tool");
    assert_eq!(interrupt(&mut host)["terminal_reason"], "aborted_tools");
    assert!(!bench.workspace.has("a"));
    // A late answer harms nothing, and the agent still works.
    host.answer(&gate, &json!({}));
    host.turn("three");
    assert_eq!(bench.workspace.read("a"), "x");

    let mut host =
        start(&bench, &steps("{ text = 'so' }, { sleep_ms = 100000000 }"), &["--speed=1"]);
    host.prompt("go");
    host.wait("words", |frame| frame["type"] == "assistant");
    assert_eq!(interrupt(&mut host)["terminal_reason"], "aborted_streaming");
}

/// A script that leaves the process id of a command behind.
fn long_command() -> String {
    steps(
        "{ bash = 'echo $$ > pid.tmp; mv pid.tmp pid; sleep 1000 & wait', ask = false }, { text = 'end' }",
    )
}

/// Waits until the command says its process id.
fn pid_of_command(bench: &Bench, host: &mut Host) -> Pid {
    // The task shows after two seconds; by then the file is there, or it comes at any moment.
    host.wait("the task", |frame| frame["subtype"] == "task_started");
    let end = std::time::Instant::now() + crate::support::PATIENCE;
    while !bench.workspace.has("pid") {
        assert!(std::time::Instant::now() < end, "the command does not start");
        std::thread::yield_now();
    }
    Pid::from_raw(bench.workspace.read("pid").trim().parse().unwrap()).unwrap()
}

/// Waits until a process is gone.
fn wait_gone(pid: Pid) {
    let end = std::time::Instant::now() + crate::support::PATIENCE;
    // A process that has ended and that nobody has waited for yet is gone as well.
    let lives = || benchdog::engine::identity::started(pid.as_raw_nonzero().get() as u32).is_some();
    while lives() {
        assert!(std::time::Instant::now() < end, "{pid:?} stays");
        std::thread::yield_now();
    }
}

#[test]
fn a_command_has_a_session_of_its_own_and_ends_with_an_interrupt() {
    let bench = Bench::new();
    let mut host = start(&bench, &long_command(), &[]);
    host.prompt("go");
    let pid = pid_of_command(&bench, &mut host);
    assert_eq!(getsid(Some(pid)).unwrap(), pid, "it leads its session");
    let result = interrupt(&mut host);
    assert_eq!(result["terminal_reason"], "aborted_tools");
    assert_eq!(host.of_system("task_notification")[0]["status"], "stopped");
    assert!(host.results()[0].1);
    wait_gone(pid);
}

#[test]
fn sigterm_ends_the_agent_and_its_commands() {
    let bench = Bench::new();
    let mut host = start(&bench, &long_command(), &[]);
    host.prompt("go");
    let pid = pid_of_command(&bench, &mut host);
    let agent = Pid::from_raw(i32::try_from(host.pid()).unwrap()).unwrap();
    kill_process(agent, Signal::TERM).unwrap();
    assert_eq!(host.wait_exit().0, Some(143));
    assert!(host.of_type("result").is_empty());
    wait_gone(pid);
}

#[test]
fn a_command_says_what_it_wrote_and_how_it_ended() {
    let bench = Bench::new();
    let script = steps(
        "{ bash = 'echo out; echo err >&2' }, { bash = 'echo half; echo bad >&2; exit 3' },\n\
         { bash = 'true' }",
    );
    let mut host = start(&bench, &script, &["--permission-mode=bypassPermissions"]);
    host.initialize(HOOKS);
    host.turn("go");
    assert_eq!(
        host.results(),
        [
            ("out\nerr".to_owned(), false),
            ("Exit code 3\nhalf\nbad".to_owned(), true),
            ("(Bash completed with no output)".to_owned(), false)
        ]
    );
    let post = host.hooks("PostToolUse")[0];
    assert_eq!(
        (&post["tool_response"]["stdout"], &post["tool_response"]["stderr"]),
        (&json!("out\nerr"), &json!(""))
    );
    assert_eq!(host.hooks("PostToolUseFailure").len(), 1);
}

#[test]
fn a_background_command_reports_its_end_in_a_turn_of_its_own() {
    let bench = Bench::new();
    let script = steps(
        "{ bash = 'read line < fifo; echo got $line', background = true, ask = false }, { text = 'Started.' }",
    );
    let made =
        std::process::Command::new("mkfifo").arg(bench.workspace.at("fifo")).status().unwrap();
    assert!(made.success());
    let mut host = start(&bench, &script, &[]);
    let result = host.turn("go");
    assert_eq!(result["result"], "Started.");
    let started = host.of_system("task_started")[0].clone();
    assert_eq!(
        (&started["task_type"], &started["is_backgrounded"]),
        (&json!("local_bash"), &json!(true))
    );
    std::fs::write(bench.workspace.at("fifo"), "word\n").unwrap();
    let result = host.wait("the second result", is_result);
    assert_eq!(result["origin"]["kind"], "task-notification");
    let output = host.request("get_task_output", json!({ "task_id": started["task_id"] })).unwrap();
    assert_eq!(output["output"], "got word\n");
    let end = host.of_system("task_notification")[0];
    assert_eq!(end["status"], "completed");
}

#[test]
fn a_background_command_can_be_stopped() {
    let bench = Bench::new();
    let script = steps("{ bash = 'sleep 1000', background = true, ask = false }");
    let mut host = start(&bench, &script, &[]);
    host.turn("go");
    let task = host.of_system("task_started")[0]["task_id"].clone();
    host.request("stop_task", json!({ "task_id": task })).unwrap();
    assert_eq!(host.of_system("task_notification")[0]["status"], "stopped");
    assert_eq!(host.request("stop_task", json!({ "task_id": "nope" })), Ok(json!({})));
    host.close();
    assert_eq!(host.wait_exit().0, Some(0));
}

#[test]
fn prompts_queue_and_survive_an_interrupt_unless_they_are_taken_back() {
    let bench = Bench::new();
    let script = "[[turn]]\non = 'slow'\nstep = [{ text = 'so' }, { sleep_ms = 100000000 }]\n\
                  [[turn]]\non = 'say (.*)'\nstep = [{ text = '${1}' }]\n";
    let mut host = start(&bench, script, &["--speed=1"]);
    host.prompt("slow");
    host.wait("words", |frame| frame["type"] == "assistant");
    for (text, uuid) in [("say two", "u2"), ("say three", "u3")] {
        let mut frame = user(text);
        frame["uuid"] = json!(uuid);
        host.send(&frame);
    }
    let taken = host.request("cancel_async_message", json!({ "message_uuid": "u3" })).unwrap();
    assert_eq!(taken["cancelled"], true);
    let receipt = host.request("interrupt", json!({})).unwrap();
    assert_eq!(receipt["still_queued"], json!(["u2"]));
    host.wait("the first result", is_result);
    let result = host.wait("the second result", is_result);
    assert_eq!(result["result"], "two");
    assert_eq!(result["user_message_uuids"], json!(["u2"]));
    let states: Vec<_> = host
        .of_type("command_lifecycle")
        .iter()
        .map(|frame| format!("{} {}", frame["command_uuid"], frame["state"]).replace('"', ""))
        .collect();
    assert_eq!(states[..4], ["u2 queued", "u3 queued", "u3 cancelled", "u2 started"]);
}

#[test]
fn a_resumed_session_goes_on_where_it_was() {
    let bench = Bench::new();
    let script = "[[turn]]\nstep = [{ text = 'one' }]\n[[turn]]\nstep = [{ text = 'two' }]\n\
                  [[turn]]\nstep = [{ text = 'three' }]\n";
    let mut host = start(&bench, script, &[]);
    let first = host.turn("first words");
    let id = first["session_id"].as_str().unwrap().to_owned();
    host.close();
    assert_eq!(host.wait_exit().0, Some(0));

    let resume = format!("--resume={id}");
    let mut host = start(&bench, script, &[&resume]);
    let second = host.turn("more");
    assert_eq!((&second["result"], &second["session_id"]), (&json!("two"), &json!(id)));
    assert!(
        second["total_cost_usd"].as_f64() > first["total_cost_usd"].as_f64(),
        "the cost goes on"
    );

    let mut fork = start(&bench, script, &[&resume, "--fork-session"]);
    let third = fork.turn("elsewhere");
    assert_eq!(third["result"], "three");
    assert_ne!(third["session_id"], json!(id));

    let mut taken = start(&bench, script, &[&format!("--session-id={id}")]);
    let (code, stderr) = taken.wait_exit();
    assert_eq!(code, Some(1));
    assert!(stderr.contains("already in use"), "{stderr}");
}

#[test]
fn a_session_that_does_not_exist_is_said_and_not_made_up() {
    let bench = Bench::new();
    let mut host = start(&bench, "", &["--resume=00000000-0000-4000-8000-000000000000"]);
    let result = host.wait("the result", is_result);
    assert_eq!((&result["is_error"], &result["num_turns"]), (&json!(true), &json!(0)));
    assert!(result["errors"][0].as_str().unwrap().contains("No conversation found"));
    assert_eq!(host.wait_exit().0, Some(1));
}

#[test]
fn a_killed_agent_resumes_with_its_prompt_and_without_the_lost_answer() {
    let bench = Bench::new();
    let script = "[[turn]]\nstep = [{ text = 'so' }, { sleep_ms = 100000000 }]\n";
    let mut host = start(&bench, script, &["--speed=1"]);
    host.prompt("do the big thing");
    let frame = host.wait("words", |frame| frame["type"] == "assistant");
    host.kill();
    host.wait_exit();
    let id = frame["session_id"].as_str().unwrap();
    let mut host = start(&bench, script, &[&format!("--resume={id}")]);
    let result = host.turn("history");
    assert!(result["result"].as_str().unwrap().contains("do the big thing"));
    assert_eq!(result["session_id"], id);
}

#[test]
fn slash_commands_answer_without_the_script_and_clear_begins_anew() {
    let bench = Bench::new();
    let script = "[[turn]]\nstep = [{ text = 'one' }]\n[[turn]]\nstep = [{ text = 'two' }]\n";
    let mut host = start(&bench, script, &[]);
    let first = host.turn("go");
    let cost = host.turn("/cost");
    assert_eq!((&cost["num_turns"], &cost["local_command"]), (&json!(0), &json!("cost")));
    assert!(cost["result"].as_str().unwrap().contains("Estimated cost"));
    host.turn("/compact");
    assert_eq!(host.of_system("compact_boundary").len(), 1);
    let cleared = host.turn("/clear");
    assert_eq!(cleared["total_cost_usd"], 0.0);
    assert_ne!(cleared["session_id"], first["session_id"]);
    let reset = host.of_type("conversation_reset")[0];
    assert_eq!(reset["session_id"], first["session_id"]);
    let next = host.turn("/unknown word");
    assert_eq!((&next["result"], &next["session_id"]), (&json!("two"), &cleared["session_id"]));
    assert_eq!(host.of_system("init").last().unwrap()["session_id"], cleared["session_id"]);
}

#[test]
fn modes_and_models_can_be_changed_while_it_runs() {
    let bench = Bench::new();
    let script = "cycle = true\n[[turn]]\nstep = [{ text = 'so' }]\n";
    let mut host = start(&bench, script, &[]);
    assert_eq!(host.request("set_model", json!({ "model": "sonnet" })).unwrap()["model"], "sonnet");
    assert_eq!(
        host.request("set_permission_mode", json!({ "mode": "plan" })).unwrap()["mode"],
        "plan"
    );
    host.turn("go");
    let init = host.of_system("init")[0];
    assert_eq!((&init["model"], &init["permissionMode"]), (&json!("sonnet"), &json!("plan")));
    let refused = host.request("set_permission_mode", json!({ "mode": "bypassPermissions" }));
    assert!(refused.unwrap_err().contains("not launched with"));
    let unknown = host.request("nonsense", json!({})).unwrap_err();
    assert_eq!(unknown, "Unsupported control request subtype: nonsense");
}

#[test]
fn limits_end_a_turn_and_not_the_agent() {
    let bench = Bench::new();
    let script = "cycle = true\n[[turn]]\nstep = [{ repeat = 5, step = [{ bash = 'true' }] }]\n";
    let mut host = start(&bench, script, &["--max-turns=2"]);
    for _ in 0..2 {
        let result = host.turn("go");
        assert_eq!(
            (&result["subtype"], &result["terminal_reason"]),
            (&json!("error_max_turns"), &json!("max_turns"))
        );
        assert_eq!(result["num_turns"], 2);
    }
    let mut host = start(&bench, script, &["--max-budget-usd=0.0000001"]);
    assert_eq!(host.turn("go")["subtype"], "error_max_budget_usd");
}

#[test]
fn failed_calls_to_the_model_are_repeated_and_may_fail_for_good() {
    let bench = Bench::new();
    let script = "[[turn]]\nstep = [{ api_error = 529, times = 2 }, { text = 'fine' }]\n\
                  [[turn]]\nstep = [{ api_error = 500, recovers = false }, { text = 'never' }]\n";
    let mut host = start(&bench, script, &[]);
    assert_eq!(host.turn("one")["result"], "fine");
    let retries = host.of_system("api_retry");
    assert_eq!(retries.len(), 2);
    assert_eq!((&retries[1]["attempt"], &retries[1]["error"]), (&json!(2), &json!("overloaded")));
    let result = host.turn("two");
    assert_eq!((&result["subtype"], &result["is_error"]), (&json!("success"), &json!(true)));
    assert_eq!(
        (&result["terminal_reason"], &result["api_error_status"]),
        (&json!("api_error"), &json!(500))
    );
}

#[test]
fn when_its_input_ends_it_finishes_the_turn_and_writes_nothing_unallowed() {
    let bench = Bench::new();
    let script = steps("{ write = 'a', content = 'x', ask = false }, { text = 'end' }");
    let mut host = start(&bench, &script, &[]);
    host.initialize(HOOKS);
    host.prompt("go");
    host.wait_request("hook_callback");
    host.close();
    let result = host.wait("the result", is_result);
    assert_eq!(result["result"], "end");
    assert_eq!(host.wait_exit().0, Some(0));
    assert!(!bench.workspace.has("a"), "a hook without an answer is no yes");
}

#[test]
fn lines_that_are_no_protocol_end_it_with_a_word() {
    let bench = Bench::new();
    for line in ["{nonsense", "{\"type\":\"user\"}", "{\"type\":\"control_request\"}"] {
        let mut host = start(&bench, "", &[]);
        host.send_raw(line);
        let (code, stderr) = host.wait_exit();
        assert_eq!(code, Some(1), "{line}");
        assert!(stderr.starts_with("Error"), "{line}: {stderr}");
    }
    let mut host = start(&bench, "", &[]);
    host.send_raw("{\"type\":\"something_new\"}\n\n{\"type\":\"keep_alive\"}");
    assert_eq!(host.turn("hi")["subtype"], "success");
}

#[test]
fn raw_lines_and_ends_come_as_the_script_says() {
    let bench = Bench::new();
    let script =
        steps("{ raw = '{\"type\":\"brand_new\",\"x\":1}' }, { exit = 7, stderr = 'it broke' }");
    let mut host = start(&bench, &script, &[]);
    host.prompt("go");
    host.wait("the raw line", |frame| frame["type"] == "brand_new" && frame["x"] == 1);
    assert_eq!(host.wait_exit(), (Some(7), "it broke\n".to_owned()));
}

#[test]
fn a_bad_script_is_said_with_its_place() {
    let bench = Bench::new();
    let mut host = start(&bench, "name = 'x'\n[[turn]]\nstep = [{ raed = 'x' }]\n", &[]);
    let (code, stderr) = host.wait_exit();
    assert_eq!(code, Some(2));
    assert!(stderr.contains("agent.toml:3:11: unknown field `raed`"), "{stderr}");
    let ran = bench.run(&["agent-script", "/nowhere.toml"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("/nowhere.toml: cannot read the script"), "{ran:?}");
}
