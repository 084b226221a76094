//! The gate in front of the real agent's writes: who is refused, in which words, and what gets
//! through.

use benchdog::engine::boot::Boot;
use benchdog::engine::command::{Command, Reply};
use benchdog::engine::event::Event;
use benchdog::history::read::{ChangeQuery, Scope};
use benchdog::model::id::AgentId;
use benchdog::model::lease::RefusalCode;
use benchdog::model::permission::PermissionMode;
use benchdog::model::transcript::{Level, ToolStatus};
use serde_json::{Value, json};

use crate::support::bench_engine::BenchEngine;
use crate::support::model_api::{ModelApi, text, tool};
use crate::support::workspace::Workspace;

fn read(workspace: &Workspace, name: &str) -> Value {
    tool("Read", &json!({ "file_path": workspace.at(name) }))
}

fn write(workspace: &Workspace, name: &str, content: &str) -> Value {
    tool("Write", &json!({ "file_path": workspace.at(name), "content": content }))
}

fn edit(workspace: &Workspace, name: &str, old: &str, new: &str) -> Value {
    let input = json!({ "file_path": workspace.at(name), "old_string": old, "new_string": new });
    tool("Edit", &input)
}

/// The same step, once a gate of the API is open.
fn after(gate: &str, mut step: Value) -> Value {
    step["wait"] = json!(gate);
    step
}

/// What the model read as the result of its last tool.
fn last_result(api: &ModelApi, script: &str, step: usize) -> String {
    let requests = api.of_script(script);
    let messages = requests[step].body["messages"].as_array().unwrap();
    let blocks = messages.iter().filter_map(|message| message["content"].as_array()).flatten();
    let mut results = blocks.filter(|block| block["type"] == "tool_result");
    results.next_back().unwrap()["content"].to_string()
}

/// Another one writes the file, as a tool of the bench.
fn somebody_writes(bench: &mut BenchEngine, path: &str, old: &str, new: &str) {
    for (tool, input) in [
        ("read_file", json!({ "path": path })),
        ("edit_file", json!({ "path": path, "old": old, "new": new })),
    ] {
        let call = Command::CallTool { name: "red".to_owned(), tool: tool.to_owned(), input };
        let Reply::Tool(result) = bench.ask(call) else { panic!("no result of {tool}") };
        assert_eq!(result["ok"], true, "{result}");
    }
}

/// A pinned file is refused in words and stays as it is, in this mode.
fn pinned_in(mode: PermissionMode) {
    let workspace = Workspace::with(&[("a.txt", "one\n")]);
    let api = ModelApi::start(&json!({ "write": [
        read(&workspace, "a.txt"), write(&workspace, "a.txt", "two\n"), text("Well.") ] }));
    let fast = |boot: &mut Boot| boot.wait_ms = 50;
    let Some(mut bench) = BenchEngine::start_with(workspace, &api, fast) else { return };
    let patterns = vec!["a.txt".to_owned()];
    let pin = Command::Pin { patterns, reason: "by hand".to_owned(), to: None };
    assert!(!matches!(bench.ask(pin), Reply::Failed(_)));
    let agent = bench.agent("blue", mode);
    bench.turn(agent, "[[script:write]]");
    assert_eq!(bench.workspace.read("a.txt"), "one\n");
    let words = last_result(&api, "write", 2);
    assert!(words.contains("NOT WRITTEN (pinned)") && words.contains("by hand"), "{words}");
    bench.tool(agent, "Write", |status| {
        matches!(status, ToolStatus::Refused(refusal) if refusal.code == RefusalCode::Pinned)
    });
    bench.wait_for("the attempt", |event| match event {
        Event::WriteRefused { attempt } => (attempt.code == RefusalCode::Pinned).then_some(()),
        _ => None,
    });
}

#[test]
fn a_file_that_the_person_pinned_is_refused_where_edits_are_accepted() {
    pinned_in(PermissionMode::AcceptEdits);
}

#[test]
fn a_file_that_the_person_pinned_is_refused_where_nothing_is_asked() {
    pinned_in(PermissionMode::BypassPermissions);
}

#[test]
fn a_file_that_another_agent_is_at_is_refused_with_its_name() {
    let workspace = Workspace::with(&[("a.txt", "one\n")]);
    let api = ModelApi::start(&json!({
        "red": [read(&workspace, "a.txt"), write(&workspace, "a.txt", "two\n"),
                after("go", text("Done."))],
        "blue": [read(&workspace, "a.txt"), write(&workspace, "a.txt", "three\n"), text("Well.")],
    }));
    let fast = |boot: &mut Boot| boot.wait_ms = 50;
    let Some(mut bench) = BenchEngine::start_with(workspace, &api, fast) else { return };
    let red = bench.agent("red", PermissionMode::AcceptEdits);
    let blue = bench.agent("blue", PermissionMode::AcceptEdits);
    bench.send(red, "[[script:red]] counting");
    bench.row(red, "its lease", |row| row.holds == ["a.txt"]);
    bench.tool(red, "Write", |status| *status == ToolStatus::Done);
    bench.turn(blue, "[[script:blue]]");
    let words = last_result(&api, "blue", 2);
    assert!(words.contains("NOT WRITTEN (held)") && words.contains("red"), "{words}");
    assert_eq!(bench.workspace.read("a.txt"), "two\n");
    api.open("go");
    bench.row(red, "nothing held after its turn", |row| row.holds.is_empty());
}

#[test]
fn a_write_that_waits_for_a_file_goes_on_when_the_other_turn_ends() {
    let workspace = Workspace::with(&[("a.txt", "one\n")]);
    let api = ModelApi::start(&json!({
        "red": [read(&workspace, "a.txt"), edit(&workspace, "a.txt", "one", "one\nred"),
                after("go", text("Done."))],
        "blue": [edit(&workspace, "a.txt", "one", "blue\none"), text("Well.")],
    }));
    let Some(mut bench) = BenchEngine::start(workspace, &api) else { return };
    let red = bench.agent("red", PermissionMode::AcceptEdits);
    let blue = bench.agent("blue", PermissionMode::AcceptEdits);
    bench.send(red, "[[script:red]]");
    bench.row(red, "its lease", |row| row.holds == ["a.txt"]);
    bench.tool(red, "Edit", |status| *status == ToolStatus::Done);
    bench.send(blue, "[[script:blue]]");
    let waits = bench.row(blue, "a wait", |row| row.waits_for.is_some()).waits_for.unwrap();
    assert_eq!((waits.path.as_str(), waits.holder.as_str()), ("a.txt", "red"));
    api.open("go");
    bench.turn_end(blue);
    assert_eq!(bench.now(blue).waits_for, None);
}

/// The agent itself refuses a whole write of a file that changed before it asks us. What it cannot
/// see is a change that comes while the write waits for the file.
#[test]
fn a_write_that_went_stale_while_it_waited_is_refused_with_the_difference_and_the_next_is_done() {
    let workspace = Workspace::with(&[("a.txt", "one\ntwo\n")]);
    let api = ModelApi::start(&json!({
        "red": [
            read(&workspace, "a.txt"),
            write(&workspace, "a.txt", "one\ntwo\nred\n"),
            after("more", edit(&workspace, "a.txt", "red\n", "red\nlate\n")),
            after("end", text("Done.")),
        ],
        "blue": [
            read(&workspace, "a.txt"),
            write(&workspace, "a.txt", "blue\none\ntwo\nred\n"),
            read(&workspace, "a.txt"),
            write(&workspace, "a.txt", "blue\none\ntwo\nred\nlate\n"),
            text("Done."),
        ],
    }));
    let Some(mut bench) = BenchEngine::start(workspace, &api) else { return };
    let red = bench.agent("red", PermissionMode::AcceptEdits);
    let blue = bench.agent("blue", PermissionMode::AcceptEdits);
    bench.send(red, "[[script:red]]");
    bench.tool(red, "Write", |status| *status == ToolStatus::Done);
    bench.send(blue, "[[script:blue]]");
    bench.row(blue, "a wait", |row| row.waits_for.is_some());
    api.open("more");
    bench.tool(red, "Edit", |status| *status == ToolStatus::Done);
    api.open("end");
    bench.turn_end(blue);
    let words = last_result(&api, "blue", 2);
    assert!(words.contains("NOT WRITTEN (stale)") && words.contains("+late"), "{words}");
    assert_eq!(bench.workspace.read("a.txt"), "blue\none\ntwo\nred\nlate\n");
}

#[test]
fn a_whole_write_of_a_file_that_changed_since_it_was_read_never_gets_through() {
    let workspace = Workspace::with(&[("a.txt", "one\ntwo\n")]);
    let api = ModelApi::start(&json!({ "write": [
        read(&workspace, "a.txt"),
        after("go", write(&workspace, "a.txt", "one\ntwo\nblue\n")),
        text("Done."),
    ] }));
    let Some(mut bench) = BenchEngine::start(workspace, &api) else { return };
    let agent = bench.agent("blue", PermissionMode::AcceptEdits);
    bench.send(agent, "[[script:write]]");
    bench.tool(agent, "Read", |status| *status == ToolStatus::Done);
    somebody_writes(&mut bench, "a.txt", "one\n", "red\none\n");
    api.open("go");
    bench.turn_end(agent);
    assert_eq!(bench.workspace.read("a.txt"), "red\none\ntwo\n");
}

#[test]
fn an_edit_elsewhere_in_a_changed_file_is_done_on_top_of_the_change() {
    let lines: String = (1..=20).map(|n| format!("line {n}\n")).collect();
    let workspace = Workspace::with(&[("a.txt", &lines)]);
    let api = ModelApi::start(&json!({ "edit": [
        read(&workspace, "a.txt"),
        after("go", edit(&workspace, "a.txt", "line 18\n", "line 18\nblue\n")),
        text("Done."),
    ] }));
    let Some(mut bench) = BenchEngine::start(workspace, &api) else { return };
    let agent = bench.agent("blue", PermissionMode::AcceptEdits);
    bench.send(agent, "[[script:edit]]");
    bench.tool(agent, "Read", |status| *status == ToolStatus::Done);
    somebody_writes(&mut bench, "a.txt", "line 2\n", "line 2\nred\n");
    api.open("go");
    bench.turn_end(agent);
    let now = bench.workspace.read("a.txt");
    assert!(now.contains("line 2\nred\n") && now.contains("line 18\nblue\n"), "{now}");
    assert_eq!(now.lines().count(), 22);
}

/// An agent that may do anything runs a command.
fn shell(bench: &mut BenchEngine, api: &ModelApi, command: &str) -> AgentId {
    let run = tool("Bash", &json!({ "command": command }));
    api.script("shell", vec![run, text("Done.")]);
    let agent = bench.agent("blue", PermissionMode::BypassPermissions);
    bench.turn(agent, "[[script:shell]]");
    agent
}

#[test]
fn what_a_command_changes_is_attributed_to_its_agent() {
    let api = ModelApi::start(&json!({}));
    let workspace = Workspace::with(&[("old.txt", "one\n"), ("same.txt", "same\n")]);
    let Some(mut bench) = BenchEngine::start(workspace, &api) else { return };
    shell(&mut bench, &api, "echo two > old.txt; echo new > new.txt");
    bench.close();
    let session = bench.sessions()[0].id.clone();
    let query = ChangeQuery { scope: Scope::All, before: None, limit: 100 };
    let changes = bench.history().changes(&bench.root(), &query).unwrap().changes;
    for path in ["old.txt", "new.txt"] {
        let change = changes.iter().find(|row| row.path.as_str() == path);
        let change = change.unwrap_or_else(|| panic!("{path} is not in {changes:#?}"));
        assert_eq!(change.owner.session(), Some(&session), "{change:#?}");
    }
    assert!(!changes.iter().any(|row| row.path.as_str() == "same.txt"), "{changes:#?}");
}

#[test]
fn without_the_guard_a_command_that_changes_a_file_of_somebody_else_is_flagged() {
    let api = ModelApi::start(&json!({}));
    let workspace = Workspace::with(&[("mine.txt", "one\n")]);
    let unguarded = |boot: &mut Boot| boot.guard = false;
    let Some(mut bench) = BenchEngine::start_with(workspace, &api, unguarded) else { return };
    let patterns = vec!["mine.txt".to_owned()];
    bench.ask(Command::Pin { patterns, reason: String::new(), to: None });
    shell(&mut bench, &api, "echo two > mine.txt");
    bench.wait_for("a warning", |event| match event {
        Event::Noticed { level: Level::Warn, text } => {
            (text.contains("mine.txt") && text.contains("blue")).then_some(())
        }
        _ => None,
    });
}
