//! Steering the real agent: breaking it off, queueing, other modes and models, slash commands,
//! and its end.

use std::path::Path;

use benchdog::engine::command::{Command, Reply};
use benchdog::engine::event::Event;
use benchdog::model::agent::AgentState;
use benchdog::model::agent::RUN_MARK;
use benchdog::model::permission::PermissionMode;
use benchdog::model::transcript::{Body, ToolStatus};
use serde_json::{Value, json};

use crate::support::bench_engine::{BenchEngine, until};
use crate::support::model_api::{ModelApi, text, tool};
use crate::support::workspace::Workspace;

fn held(mut step: Value) -> Value {
    step["wait"] = json!("go");
    step
}

/// The process that wrote its number into a file.
fn number_in(bench: &BenchEngine, name: &str) -> u32 {
    until("the number of the process", || bench.workspace.read(name).ends_with('\n'));
    bench.workspace.read(name).trim().parse().unwrap()
}

fn lives(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::test_kill_process(pid).is_ok()
}

#[test]
fn an_interrupt_while_it_speaks_ends_the_turn_and_keeps_what_was_said() {
    let mut step =
        json!({ "blocks": [{ "type": "text", "text": "one two three four", "chunks": 4 }] });
    step["hang_after"] = json!(4);
    let api = ModelApi::start(&json!({ "speak": [step], "hello": [text("Hello.")] }));
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.send(agent, "[[script:speak]]");
    bench.wait_for("the first words", |event| {
        matches!(event, Event::TextAppended { agent: of, .. } if *of == agent).then_some(())
    });
    bench.done(Command::Interrupt { agent });
    let end = bench.turn_end(agent);
    assert!(end.interrupted, "{end:?}");
    bench.item(agent, "the words", |item| {
        !item.open && matches!(&item.body, Body::Text { text } if text.starts_with("one two"))
    });
    assert!(!bench.turn(agent, "[[script:hello]]").is_error);
}

#[test]
fn an_interrupt_while_a_command_runs_ends_the_command() {
    let command = "echo $$ > pid.txt; sleep 600; echo over";
    let api = ModelApi::start(&json!({ "run": [
        tool("Bash", &json!({ "command": command })), text("Done.") ] }));
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::BypassPermissions);
    bench.send(agent, "[[script:run]]");
    let child = number_in(&bench, "pid.txt");
    assert!(lives(child));
    bench.done(Command::Interrupt { agent });
    assert!(bench.turn_end(agent).interrupted);
    until("the end of the command", || !lives(child));
    bench.tool(agent, "Bash", |status| *status == ToolStatus::Failed);
}

#[test]
fn a_prompt_for_a_busy_agent_waits_and_runs_next() {
    let api = ModelApi::start(&json!({ "one": [held(text("One."))], "two": [text("Two.")] }));
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.send(agent, "[[script:one]]");
    api.wait_for("the first request", |request| request.script.as_deref() == Some("one"));
    bench.send(agent, "[[script:two]]");
    let row = bench.row(agent, "the queue", |row| !row.queue.is_empty());
    assert_eq!(row.queue[0].text, "[[script:two]]");
    assert!(api.of_script("two").is_empty());
    api.open("go");
    bench.item(agent, "the second answer", |item| {
        item.body == Body::Text { text: "Two.".to_owned() }
    });
    bench.state(agent, AgentState::Finished);
    assert!(bench.now(agent).queue.is_empty());
}

#[test]
fn a_prompt_that_waits_can_be_taken_back() {
    let api = ModelApi::start(&json!({
        "one": [held(text("One."))], "two": [text("Two.")], "three": [text("Three.")] }));
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.send(agent, "[[script:one]]");
    bench.send(agent, "[[script:two]]");
    bench.send(agent, "[[script:three]]");
    let row = bench.row(agent, "the queue", |row| row.queue.len() == 2);
    bench.done(Command::Unqueue { agent, prompt: row.queue[0].id });
    api.open("go");
    bench.item(agent, "the third answer", |item| {
        item.body == Body::Text { text: "Three.".to_owned() }
    });
    assert!(api.of_script("two").is_empty());
    let again = bench.ask(Command::Unqueue { agent, prompt: row.queue[0].id });
    assert!(matches!(again, Reply::Failed(_)), "{again:?}");
}

#[test]
fn another_mode_holds_from_the_next_tool_on() {
    let workspace = Workspace::new();
    let write = tool("Write", &json!({ "file_path": workspace.at("a.txt"), "content": "one\n" }));
    let api = ModelApi::start(&json!({ "write": [write, text("Done.")] }));
    let Some(mut bench) = BenchEngine::start(workspace, &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.state(agent, AgentState::Idle);
    bench.done(Command::SetMode { agent, mode: PermissionMode::AcceptEdits });
    bench.turn(agent, "[[script:write]]");
    assert!(bench.workspace.has("a.txt"), "it was written without a question");
    assert_eq!(bench.now(agent).permission_mode, PermissionMode::AcceptEdits);
    let bypass = Command::SetMode { agent, mode: PermissionMode::BypassPermissions };
    assert!(matches!(bench.ask(bypass), Reply::Failed(_)), "not in the middle of a life");
}

#[test]
fn another_model_answers_from_the_next_turn_on() {
    let api = ModelApi::start(&json!({ "one": [text("One.")], "two": [text("Two.")] }));
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.turn(agent, "[[script:one]]");
    bench.done(Command::SetModel { agent, model: "haiku".to_owned() });
    bench.turn(agent, "[[script:two]]");
    let model = |script: &str| api.of_script(script)[0].body["model"].as_str().unwrap().to_owned();
    assert!(!model("one").contains("haiku"), "{}", model("one"));
    assert!(model("two").contains("haiku"), "{}", model("two"));
    bench.row(agent, "the model", |row| row.model.as_deref() == Some(&model("two")));
}

#[test]
fn a_clear_begins_another_stored_session() {
    let api = ModelApi::start(&json!({ "one": [text("One.")], "two": [text("Two.")] }));
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.turn(agent, "[[script:one]]");
    let first = bench.now(agent);
    bench.send(agent, "/clear");
    bench.wait_for("an empty transcript", |event| match event {
        Event::TranscriptReset { agent: of, .. } => (*of == agent).then_some(()),
        _ => None,
    });
    bench.row(agent, "an agent at rest", |row| !matches!(row.state, AgentState::Working));
    bench.turn(agent, "[[script:two]]");
    let second = bench.now(agent);
    assert_ne!(first.session_id, second.session_id);
    assert_ne!(first.backend_session_id, second.backend_session_id);
    assert!(!api.of_script("two")[0].conversation().contains("script:one"));
    bench.close();
    let stored = bench.sessions();
    for row in [&first, &second] {
        let found = stored.iter().find(|stored| stored.id == row.session_id).unwrap();
        assert_eq!(found.backend_session_id, row.backend_session_id, "{stored:#?}");
    }
    let items = bench.history().page(&second.session_id, None, 100).unwrap().items;
    let said =
        |words: &str| items.iter().any(|item| item.body == Body::Text { text: words.to_owned() });
    assert!(said("Two.") && !said("One."), "{items:#?}");
}

#[test]
fn a_compact_is_said_and_the_conversation_goes_on() {
    let api = ModelApi::start(&json!({ "one": [text("One.")], "two": [text("Two.")] }));
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.turn(agent, "[[script:one]]");
    let before = bench.now(agent).session_id;
    bench.send(agent, "/compact");
    bench.item(
        agent,
        "a word about it",
        |item| matches!(&item.body, Body::Notice { text, .. } if text.contains("compacted")),
    );
    bench.turn_end(agent);
    assert!(!bench.turn(agent, "[[script:two]]").is_error);
    assert_eq!(bench.now(agent).session_id, before);
}

#[cfg(target_os = "linux")]
fn of_run(mark: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environ.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()) {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push(format!("{:?}: {}", entry.path(), String::from_utf8_lossy(&line)));
        }
    }
    found
}

#[cfg(target_os = "linux")]
#[test]
fn a_stop_leaves_no_process_of_the_run_behind() {
    let command = "setsid sh -c 'echo $$ > far.txt; exec sleep 600' & \
                   echo $$ > near.txt; sleep 600";
    let back = json!({ "command": "echo $$ > back.txt; sleep 600", "run_in_background": true });
    let api = ModelApi::start(&json!({ "run": [
        tool("Bash", &back), tool("Bash", &json!({ "command": command })), text("Done.") ] }));
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::BypassPermissions);
    bench.send(agent, "[[script:run]]");
    let children = ["far.txt", "near.txt", "back.txt"].map(|name| number_in(&bench, name));
    let pid = bench.now(agent).pid.unwrap();
    let environ = std::fs::read(Path::new("/proc").join(pid.to_string()).join("environ")).unwrap();
    let mut variables = environ.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let mark = variables.find(|variable| variable.starts_with(RUN_MARK)).unwrap().into_owned();
    assert!(of_run(&mark).len() >= 4, "{:?}", of_run(&mark));
    bench.done(Command::StopAgent { agent });
    let row = bench.state(agent, AgentState::Dead);
    assert_eq!((row.pid, row.trouble), (None, None), "it was wanted");
    assert_eq!(of_run(&mark), Vec::<String>::new());
    assert!(!children.iter().any(|child| lives(*child)));
}
