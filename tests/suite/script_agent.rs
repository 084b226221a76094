//! The scripted agent as its host sees it: tools, hooks, asks, modes, the person's words.

use serde_json::{Value, json};

use crate::support::bench_process::Bench;
use crate::support::host::{Host, deny, is_gate};

/// Hooks that the engine registers.
pub(crate) const HOOKS: &[&str] = &["PreToolUse", "PostToolUse", "PostToolUseFailure"];

/// Starts an agent with this script.
pub(crate) fn start(bench: &Bench, script: &str, args: &[&str]) -> Host {
    let file = bench.script("agent", script);
    let mut all = vec!["agent-script", file.to_str().unwrap(), "--include-partial-messages"];
    all.extend(args);
    Host::start(bench.command(&all))
}

/// A script of one turn with these steps.
pub(crate) fn steps(steps: &str) -> String {
    format!("name = 'agent'\n[[turn]]\nstep = [\n{steps}\n]\n")
}

fn kinds(frames: &[Value]) -> Vec<String> {
    let kind = |frame: &Value| {
        let word = |value: &Value| value.as_str().map(str::to_owned);
        match frame["type"].as_str().unwrap_or_default() {
            "system" => word(&frame["subtype"]),
            "stream_event" => None,
            "assistant" => word(&frame["message"]["content"][0]["type"]),
            "control_request" => word(&frame["request"]["input"]["hook_event_name"])
                .or_else(|| word(&frame["request"]["subtype"])),
            other => Some(other.to_owned()),
        }
    };
    frames.iter().filter_map(kind).collect()
}

#[test]
fn it_says_what_it_can_do_before_the_first_prompt() {
    let bench = Bench::new();
    let mut host = start(&bench, &steps("{ text = 'hi' }"), &["--permission-mode=plan"]);
    let answer = host.initialize(HOOKS);
    assert_eq!(answer["hook_on_failure_supported"], true);
    assert_eq!(answer["current_permission_mode"], "plan");
    assert_eq!(answer["pid"], host.pid());
    for list in ["commands", "models", "capabilities", "agents"] {
        assert!(!answer[list].as_array().unwrap().is_empty(), "{list}");
    }
    assert_eq!(host.frames.len(), 1, "nothing but the answer is written before a prompt");
    host.close();
    assert_eq!(host.wait_exit(), (Some(0), String::new()));
}

#[test]
fn a_write_goes_through_hook_ask_tool_hook_and_result_in_that_order() {
    let bench = Bench::new();
    let script = steps(
        "{ text = 'I write.' },\n{ write = 'a/b.txt', content = \"one\\n\" },\n{ text = 'Written.' }",
    );
    let mut host = start(&bench, &script, &[]);
    host.initialize(HOOKS);
    let result = host.turn("go");
    assert_eq!(
        kinds(&host.frames),
        [
            "control_response",
            "init",
            "status",
            "text",
            "tool_use",
            "PreToolUse",
            "can_use_tool",
            "PostToolUse",
            "user",
            "status",
            "text",
            "result"
        ]
    );
    assert_eq!(bench.workspace.read("a/b.txt"), "one\n");
    let path = bench.workspace.at("a/b.txt");
    let post = host.hooks("PostToolUse")[0];
    assert_eq!(post["tool_response"]["type"], "create");
    assert_eq!(post["tool_response"]["filePath"], path.to_str().unwrap());
    let user = host.of_type("user")[0];
    assert_eq!(user["tool_use_result"], post["tool_response"]);
    assert_eq!(result["subtype"], "success");
    assert_eq!(result["result"], "Written.");
    assert_eq!(result["terminal_reason"], "completed");
    assert_eq!(result["num_turns"], 2);
    assert!(result["total_cost_usd"].as_f64().unwrap() > 0.0);
    let session = &host.of_system("init")[0]["session_id"];
    assert!(
        host.frames
            .iter()
            .skip(1)
            .all(|frame| { frame["type"] == "control_request" || frame["session_id"] == *session })
    );
}

#[test]
fn the_pieces_of_a_block_make_up_the_block() {
    let bench = Bench::new();
    let text = "One two three four five six seven eight nine ten, and ünïcode.";
    let script =
        steps(&format!("{{ think = 'Hm, so.' }},\n{{ text = '{text}' }},\n{{ read = 'x' }}"));
    let mut host = start(&bench, &script, &["--speed=1000000"]);
    host.turn("go");
    let mut message = String::new();
    let mut pieces = [String::new(), String::new(), String::new()];
    for frame in host.of_type("stream_event") {
        let event = &frame["event"];
        match event["type"].as_str().unwrap() {
            "message_start" => message = event["message"]["id"].as_str().unwrap().to_owned(),
            "content_block_delta" if pieces[2].is_empty() || event["index"] == 2 => {
                let delta = &event["delta"];
                let piece = ["text", "thinking", "partial_json"].map(|key| delta[key].as_str());
                let index = usize::try_from(event["index"].as_u64().unwrap()).unwrap();
                pieces[index].push_str(piece.into_iter().flatten().next().unwrap());
            }
            _ => {}
        }
        assert_eq!(frame["api_message_id"], message);
    }
    assert_eq!(pieces[0], "Hm, so.");
    assert_eq!(pieces[1], text);
    assert!(pieces[2].contains("file_path"), "{pieces:?}");
    let first = &host.of_type("assistant")[..3];
    assert!(first.iter().all(|frame| frame["message"]["id"] == first[0]["message"]["id"]));
}

#[test]
fn a_refused_write_changes_nothing_and_the_agent_reads_why() {
    let bench = Bench::new();
    bench.workspace.write("a.txt", "old\n");
    let script = steps("{ write = 'a.txt', content = 'new' },\n{ text = 'after' }");
    for mode in ["default", "bypassPermissions"] {
        let mut host = start(&bench, &script, &[&format!("--permission-mode={mode}")]);
        host.initialize(HOOKS);
        host.prompt("go");
        let result = host.finish(|request| is_gate(request, "Write").then(|| deny("it is held")));
        let (text, is_error) = host.results()[0].clone();
        assert_eq!((text.as_str(), is_error), ("PreToolUse:Write hook error: it is held", true));
        assert_eq!(result["permission_denials"][0]["tool_name"], "Write");
        assert_eq!(result["is_error"], false);
        assert!(host.hooks("PostToolUse").is_empty());
        assert!(host.said().contains("it is held"), "{}", host.said());
        assert_eq!(bench.workspace.read("a.txt"), "old\n");
    }
}

#[test]
fn a_hook_that_fails_blocks_if_it_is_marked_so_and_lets_pass_if_not() {
    let bench = Bench::new();
    let script = steps("{ write = 'a.txt', content = 'x', ask = false }");
    for (on_failure, expected) in [("block", false), ("allow", true)] {
        let mut host = start(&bench, &script, &[]);
        let hooks = json!({ "PreToolUse": [{ "matcher": "Write|Edit", "hookCallbackIds": ["h"],
                                             "onFailure": on_failure }] });
        host.request("initialize", json!({ "hooks": hooks })).unwrap();
        host.prompt("go");
        let request = host.wait_request("hook_callback");
        assert_eq!(request["request"]["callback_id"], "h");
        host.send(&json!({ "type": "control_response", "response": {
            "subtype": "error", "request_id": request["request_id"], "error": "broken" } }));
        host.finish(|_| None);
        assert_eq!(bench.workspace.has("a.txt"), expected, "{on_failure}");
    }
}

#[test]
fn a_hook_that_is_too_slow_never_lets_the_tool_run() {
    let bench = Bench::new();
    let mut host = start(&bench, &steps("{ write = 'a.txt', content = 'x' }"), &[]);
    let hooks = json!({ "PreToolUse": [{ "hookCallbackIds": ["h"], "timeout": 0.05 }] });
    host.request("initialize", json!({ "hooks": hooks })).unwrap();
    host.prompt("go");
    let request = host.wait_request("hook_callback");
    let cancel = host.wait("the withdrawal", |frame| frame["type"] == "control_cancel_request");
    assert_eq!(cancel["request_id"], request["request_id"]);
    host.finish(|_| None);
    assert!(host.results()[0].0.contains("did not respond before its timeout"));
    assert!(!bench.workspace.has("a.txt"));
}

#[test]
fn the_person_may_say_no_and_may_change_what_is_written() {
    let bench = Bench::new();
    let script = "[[turn]]\nstep = [{ write = 'a.txt', content = 'mine' }]\n[[turn]]\n\
                  step = [{ write = 'a.txt', content = 'mine' }]\n";
    let mut host = start(&bench, script, &[]);
    host.prompt("one");
    let result = host.finish(|_| Some(json!({ "behavior": "deny", "message": "not this file" })));
    assert_eq!(host.results()[0], ("not this file".to_owned(), true));
    assert_eq!(result["permission_denials"].as_array().unwrap().len(), 1);
    assert!(!bench.workspace.has("a.txt"));
    host.prompt("two");
    host.finish(|request| {
        let mut input = request["request"]["input"].clone();
        input["content"] = json!("yours");
        Some(json!({ "behavior": "allow", "updatedInput": input }))
    });
    assert_eq!(bench.workspace.read("a.txt"), "yours");
}

#[test]
fn a_no_that_interrupts_ends_the_turn_and_the_next_one_works() {
    let bench = Bench::new();
    let script = "[[turn]]\nstep = [{ write = 'a', content = 'x' }, { text = 'never' }]\n\
                  [[turn]]\nstep = [{ text = 'again' }]\n";
    let mut host = start(&bench, script, &[]);
    host.prompt("one");
    let no = json!({ "behavior": "deny", "message": "stop", "interrupt": true });
    let result = host.finish(|_| Some(no.clone()));
    assert_eq!(result["subtype"], "error_during_execution");
    assert_eq!(result["terminal_reason"], "aborted_tools");
    assert!(!host.said().contains("never"));
    assert_eq!(host.turn("two")["result"], "again");
}

#[test]
fn modes_rules_and_steps_decide_what_is_asked() {
    let bench = Bench::new();
    let asked = |script: &str, args: &[&str]| {
        let mut host = start(&bench, &steps(script), args);
        host.turn("go");
        let requests = host.of_type("control_request");
        requests.iter().filter(|frame| frame["request"]["subtype"] == "can_use_tool").count()
    };
    let write = "{ write = 'a', content = 'x' }";
    let both = "{ write = 'a', content = 'x' }, { bash = 'touch b; touch c' }";
    assert_eq!(asked(write, &[]), 1);
    assert_eq!(asked(both, &["--permission-mode=acceptEdits"]), 1);
    assert_eq!(asked(both, &["--permission-mode=bypassPermissions"]), 0);
    assert_eq!(asked(both, &["--allowedTools", "Edit,Bash(touch *)"]), 0);
    assert_eq!(asked("{ write = 'a', content = 'x', ask = false }", &[]), 0);
    assert_eq!(asked("{ bash = 'wc -c a', ask = true }", &["--permission-mode=acceptEdits"]), 1);
    assert_eq!(asked(write, &["--permission-mode=dontAsk"]), 0);
}

#[test]
fn yes_always_is_the_last_question() {
    let bench = Bench::new();
    let script = steps(
        "{ write = 'a', content = 'x' }, { write = 'b', content = 'y' }, { bash = 'touch c d' }, { bash = 'touch c e' }",
    );
    let mut host = start(&bench, &script, &[]);
    host.prompt("go");
    let mut asked = Vec::new();
    host.finish(|request| {
        let request = &request["request"];
        asked.push(request["tool_name"].as_str().unwrap().to_owned());
        Some(json!({ "behavior": "allow", "updatedInput": request["input"],
                     "updatedPermissions": request["permission_suggestions"] }))
    });
    // The first yes switches to acceptEdits, which covers simple commands too.
    assert_eq!(asked, ["Write"]);
    let modes = host.of_system("status");
    assert!(modes.iter().any(|frame| frame["permissionMode"] == "acceptEdits"));
    assert!(["a", "b", "d", "e"].iter().all(|file| bench.workspace.has(file)));
}

#[test]
fn rules_that_the_host_pushes_bind_at_once_and_are_released_at_once() {
    let bench = Bench::new();
    let script =
        "cycle = true\nask = false\n[[turn]]\nstep = [{ write = 'dir/a', content = 'x' }]\n";
    let mut host = start(&bench, script, &[]);
    let rule = format!("Edit(/{}/**)", bench.workspace.at("dir").display());
    let push = |host: &mut Host, rules: Value| {
        let settings = json!({ "settings": { "permissions": { "deny": rules } } });
        host.request("apply_flag_settings", settings).unwrap();
    };
    push(&mut host, json!([rule]));
    host.turn("one");
    assert!(
        host.results()[0].0.contains("denied by your permission settings"),
        "{:?}",
        host.results()
    );
    push(&mut host, json!([]));
    host.turn("two");
    assert!(bench.workspace.has("dir/a"));
}

#[test]
fn files_are_really_edited_and_the_host_gets_the_difference() {
    let bench = Bench::new();
    bench.workspace.write("a.txt", "one\ntwo\nthree\n");
    let script = steps(
        "{ read = 'a.txt' }, { edit = 'a.txt', old = 'two', new = 'TWO' },\n\
         { edit = 'a.txt', edits = [{ old = 'one', new = '1' }, { old = 'three', new = '3' }] },\n\
         { append = 'a.txt', content = 'four' }, { append = 'new.txt', content = 'first' },\n\
         { edit = 'a.txt', old = 'nowhere', new = 'x' }, { text = 'failed: ${last}', only_if = 'failed' }",
    );
    let mut host = start(&bench, &script, &["--permission-mode=acceptEdits"]);
    host.initialize(HOOKS);
    host.turn("go");
    assert_eq!(bench.workspace.read("a.txt"), "1\nTWO\n3\nfour\n");
    assert_eq!(bench.workspace.read("new.txt"), "first\n");
    let posts = host.hooks("PostToolUse");
    let tools: Vec<_> = posts.iter().map(|post| post["tool_name"].as_str().unwrap()).collect();
    assert_eq!(tools, ["Read", "Edit", "MultiEdit", "Read", "Edit", "Write"]);
    assert_eq!(posts[0]["tool_response"]["file"]["content"], "one\ntwo\nthree\n");
    assert_eq!(posts[1]["tool_response"]["originalFile"], "one\ntwo\nthree\n");
    assert_eq!(
        posts[1]["tool_response"]["structuredPatch"][0]["lines"],
        json!([" one", "-two", "+TWO", " three"])
    );
    // The file that the append would have read. The anchor that is nowhere is seen before any hook.
    let failures = host.hooks("PostToolUseFailure");
    assert_eq!(failures.len(), 1);
    assert!(failures[0]["error"].as_str().unwrap().starts_with("File does not exist."));
    assert!(host.said().contains("failed: <tool_use_error>String to replace"));
}

#[test]
fn questions_plans_lists_and_thoughts_have_their_frames() {
    let bench = Bench::new();
    let script = steps(
        "{ todo = ['x look', '> do', 'check'] },\n\
         { ask_user = 'Which colour?', header = 'Colour', options = ['Red', 'Blue'] },\n\
         { text = 'So ${answer}.' }, { plan = '1. do it' }",
    );
    let mut host = start(&bench, &script, &["--permission-mode=plan"]);
    host.prompt("go");
    host.finish(|request| {
        let request = &request["request"];
        assert_eq!(request["requires_user_interaction"], true);
        let mut input = request["input"].clone();
        if request["tool_name"] == "AskUserQuestion" {
            input["answers"] = json!({ "Which colour?": "Blue" });
        }
        Some(json!({ "behavior": "allow", "updatedInput": input }))
    });
    assert!(host.said().contains("So Blue."), "{}", host.said());
    let todo = &host.blocks()[0]["input"]["todos"];
    let states: Vec<_> =
        todo.as_array().unwrap().iter().map(|entry| entry["status"].clone()).collect();
    assert_eq!(states, ["completed", "in_progress", "pending"]);
    assert!(host.results()[1].0.contains("\"Which colour?\"=\"Blue\""));
    let modes = host.of_system("status");
    assert_eq!(modes.last().unwrap()["status"], "requesting");
    assert!(modes.iter().any(|frame| frame["permissionMode"] == "default"), "plan mode is left");
}

#[test]
fn a_sub_agent_shows_whose_words_and_tools_they_are() {
    let bench = Bench::new();
    let script = steps(
        "{ sub = 'write the sub file', step = [{ text = 'sub speaks' },\n\
         { write = 'sub.txt', content = 'x' }, { text = 'Sub done.' }] }, { text = 'It is back.' }",
    );
    let mut host = start(&bench, &script, &[]);
    host.initialize(&["PreToolUse", "PostToolUse", "SubagentStart", "SubagentStop"]);
    host.turn("go");
    assert_eq!(bench.workspace.read("sub.txt"), "x");
    let started = host.of_system("task_started")[0];
    let (id, call) = (&started["task_id"], &started["tool_use_id"]);
    assert_eq!(started["task_type"], "local_agent");
    let gates = host.hooks("PreToolUse");
    assert_eq!(gates[0]["tool_name"], "Agent");
    assert_eq!(gates[0]["agent_id"], Value::Null);
    assert_eq!((&gates[1]["tool_name"], &gates[1]["agent_id"]), (&json!("Write"), id));
    let ask = host.frames.iter().find(|frame| frame["request"]["subtype"] == "can_use_tool");
    assert_eq!(ask.unwrap()["request"]["agent_id"], *id);
    let frames = host.of_type("assistant");
    let of_sub: Vec<_> = frames.iter().filter(|frame| frame["agent_id"] == *id).collect();
    assert_eq!(of_sub.len(), 3);
    assert!(of_sub.iter().all(|frame| frame["parent_tool_use_id"] == *call));
    assert!(
        frames
            .iter()
            .all(|frame| frame["agent_id"] == *id || frame["parent_tool_use_id"].is_null())
    );
    assert_eq!(host.hooks("SubagentStart").len() + host.hooks("SubagentStop").len(), 2);
    let end = host.of_system("task_notification")[0];
    assert_eq!(
        (&end["task_id"], &end["status"], &end["summary"]),
        (id, &json!("completed"), &json!("Sub done."))
    );
    assert!(host.results().last().unwrap().0.contains("Sub done."));
}

#[test]
fn what_a_hook_tells_is_remembered() {
    let bench = Bench::new();
    let script = steps(
        "{ write = 'a', content = 'x', ask = false }, { text = 'Told: ${told}', only_if = 'told' }, { text = 'end' }",
    );
    let mut host = start(&bench, &script, &[]);
    host.initialize(HOOKS);
    host.prompt("go");
    host.finish(|request| {
        let input = &request["request"]["input"];
        (input["hook_event_name"] == "PostToolUse").then(|| {
            json!({ "hookSpecificOutput": { "hookEventName": "PostToolUse",
                    "additionalContext": "applied on top of red's change" } })
        })
    });
    assert!(host.said().contains("Told: applied on top of red's change"), "{}", host.said());
    host.turn("status");
    assert!(host.said().contains("The last thing that I was told: applied on top"));
}

#[test]
fn refusals_are_taken_as_the_script_says() {
    let bench = Bench::new();
    for (policy, expected) in [
        ("tell", vec!["a", "b"]),
        ("skip", vec!["a", "b"]),
        ("retry", vec!["a", "a", "a", "b"]),
        ("later", vec!["a", "b", "a", "a"]),
        ("stop", vec!["a"]),
    ] {
        bench.workspace.write("a", "x");
        let script = steps(&format!(
            "{{ edit = 'a', old = 'x', new = 'y', on_refused = '{policy}', ask = false }}, {{ write = 'b', content = 'b', ask = false }}"
        ));
        let mut host = start(&bench, &script, &[]);
        host.initialize(HOOKS);
        host.prompt("go");
        let mut written = Vec::new();
        let mut refused = 0;
        let result = host.finish(|request| {
            let input = &request["request"]["input"];
            let tool = input["tool_name"].as_str().unwrap_or_default();
            let gate = input["hook_event_name"] == "PreToolUse" && tool != "Read";
            let path = input["tool_input"]["file_path"].as_str().unwrap_or_default();
            if gate {
                written.push(path.rsplit('/').next().unwrap().to_owned());
            }
            refused += u32::from(is_gate(request, "Edit"));
            (is_gate(request, "Edit") && refused <= 2).then(|| deny("held"))
        });
        assert_eq!(written, expected, "{policy}");
        assert_eq!(result["subtype"], "success", "{policy}");
        let done = matches!(policy, "retry" | "later");
        assert_eq!(bench.workspace.read("a"), if done { "y" } else { "x" }, "{policy}");
    }
}

#[test]
fn whoever_writes_to_it_is_answered_and_small_commands_do_something() {
    let bench = Bench::new();
    bench.workspace.write("src/a.rs", "fn a() {}\n");
    let mut host = start(&bench, "name = 'blue'\n", &["--permission-mode=acceptEdits"]);
    for (prompt, expected) in [
        ("help", "edit FILE"),
        ("edit src/a.rs", "I added a remark to `src/a.rs`."),
        ("run echo $((6 * 7))", "42"),
        ("todo one, two", "That is my list."),
        ("why is the sky blue?", "scripted agent"),
        ("status", "- `src/a.rs`"),
        ("history", "1. edit src/a.rs"),
    ] {
        let result = host.turn(prompt);
        let text = result["result"].as_str().unwrap();
        assert!(text.contains(expected), "{prompt}: {text}");
    }
    assert_eq!(bench.workspace.read("src/a.rs"), "fn a() {}\n// blue was here.\n");
}
