//! Turns of the real agent behind the real engine: what is shown, and what is stored.

use benchdog::engine::command::Command;
use benchdog::engine::event::Event;
use benchdog::model::agent::AgentState;
use benchdog::model::permission::PermissionMode;
use benchdog::model::report::Way;
use benchdog::model::transcript::{Body, Level};
use serde_json::json;

use crate::support::bench_engine::BenchEngine;
use crate::support::claude_cli;
use crate::support::model_api::{ModelApi, failing, text, tool};
use crate::support::workspace::Workspace;

#[test]
fn a_turn_streams_its_text_and_is_stored_with_items_lines_and_cost() {
    let api = ModelApi::start(&json!({ "hello": [
        { "blocks": [{ "type": "text", "text": "Hello from the model.", "chunks": 5 }] } ] }));
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.state(agent, AgentState::Idle);
    assert_eq!(bench.now(agent).backend_session_id, None, "the id comes with the first turn only");
    let end = bench.turn(agent, "[[script:hello]] hi");
    assert!(!end.is_error && end.cost_usd > 0.0, "{end:?}");
    bench.wait_for("a piece of text", |event| {
        matches!(event, Event::TextAppended { agent: of, .. } if *of == agent).then_some(())
    });
    bench.item(agent, "the closed text", |item| {
        !item.open && item.body == Body::Text { text: "Hello from the model.".to_owned() }
    });
    let row = bench.state(agent, AgentState::Finished);
    assert!(row.usage.tokens.output > 0);
    bench.close();
    let stored = &bench.sessions()[0];
    assert_eq!((stored.turns, stored.agent.as_str()), (1, "blue"));
    assert!(stored.usage.cost_usd > 0.0);
    let history = bench.history();
    let items = history.page(&stored.id, None, 100).unwrap().items;
    let kinds: Vec<_> = items.iter().map(|item| std::mem::discriminant(&item.body)).collect();
    assert_eq!(kinds.len(), 3, "prompt, text and end: {items:#?}");
    assert!(items.iter().all(|item| !item.open));
    let lines = history.lines(&stored.id, 0, 1000).unwrap();
    assert!(
        lines.iter().any(|row| row.way == Way::In) && lines.iter().any(|row| row.way == Way::Out)
    );
    // The id that is stored is the one that the agent's own `init` said.
    let init = lines.iter().find(|row| row.line.contains(r#""subtype":"init""#)).unwrap();
    let init: serde_json::Value = serde_json::from_str(&init.line).unwrap();
    assert_eq!(stored.backend_session_id.as_deref(), init["session_id"].as_str());
}

#[test]
fn thinking_is_an_item_of_its_own() {
    let api = ModelApi::start(&json!({ "think": [{ "blocks": [
        { "type": "thinking", "thinking": "Let me see." }, { "type": "text", "text": "Seen." } ] }] }));
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.turn(agent, "[[script:think]]");
    let is = |body: Body| {
        move |item: &benchdog::model::transcript::Item| !item.open && item.body == body
    };
    bench.item(agent, "the thought", is(Body::Thinking { text: "Let me see.".to_owned() }));
    bench.item(agent, "the words", is(Body::Text { text: "Seen.".to_owned() }));
}

#[test]
fn a_frame_that_nobody_understands_is_shown_as_it_came() {
    let api = ModelApi::start(&json!({ "hello": [text("Hello.")] }));
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let program = claude_cli::find().unwrap().to_str().unwrap().to_owned();
    let line = r#"{"type":"novelty","what":"nobody knows"}"#;
    let script = format!("echo '{line}'; exec \"$0\" \"$@\"");
    let mut spec = bench.spec("blue", PermissionMode::Default);
    spec.command = vec!["/bin/sh".to_owned(), "-c".to_owned(), script, program];
    let agent = bench.agent_of(Command::StartAgent { spec });
    bench.item(agent, "the raw line", |item| item.body == Body::Raw { line: line.to_owned() });
    assert!(!bench.turn(agent, "[[script:hello]]").is_error, "it was not fatal");
}

/// A turn against an API that fails so, and what the agent's row said meanwhile.
fn after_failures(status: u16) {
    let api = ModelApi::start(&json!({ "fail": [failing(status, 2, "Now it works.")] }));
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    let end = bench.turn(agent, "[[script:fail]]");
    bench.row(agent, "the retry", |row| {
        row.activity
            .as_ref()
            .is_some_and(|words| words.contains(&status.to_string()) && words.contains("retry 1/"))
    });
    assert!(!end.is_error, "{end:?}");
    bench.item(agent, "the words after it", |item| {
        item.body == Body::Text { text: "Now it works.".to_owned() }
    });
    assert_eq!(bench.state(agent, AgentState::Finished).activity, None);
}

#[test]
fn a_rate_limit_is_shown_and_retried() {
    after_failures(429);
}

#[test]
fn an_overloaded_api_is_shown_and_retried() {
    after_failures(529);
}

#[test]
fn a_server_error_is_shown_and_retried() {
    after_failures(500);
}

#[test]
fn an_api_that_stays_broken_ends_the_turn_with_an_error_and_the_next_turn_works() {
    let api =
        ModelApi::start(&json!({ "fail": [failing(500, 99, "")], "hello": [text("Hello.")] }));
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let mut spec = bench.spec("blue", PermissionMode::Default);
    spec.env.insert("CLAUDE_CODE_MAX_RETRIES".to_owned(), "1".to_owned());
    let agent = bench.agent_of(Command::StartAgent { spec });
    let end = bench.turn(agent, "[[script:fail]]");
    assert!(end.is_error && !end.interrupted, "{end:?}");
    let row = bench.state(agent, AgentState::Error);
    assert!(row.trouble.is_some_and(|words| words.contains("500")), "the person reads why");
    assert!(!bench.turn(agent, "[[script:hello]]").is_error);
    bench.state(agent, AgentState::Finished);
}

#[test]
fn a_stream_that_is_cut_does_not_lose_the_turn() {
    let mut step = text("The whole answer.");
    step["cut_after"] = json!(4);
    let api = ModelApi::start(&json!({ "cut": [step] }));
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.send(agent, "[[script:cut]]");
    api.wait_for("the first try", |request| request.script.as_deref() == Some("cut"));
    api.script("cut", vec![text("The whole answer.")]);
    let end = bench.turn_end(agent);
    assert!(!end.is_error, "{end:?}");
    assert!(api.of_script("cut").len() > 1, "it was cut");
    bench.item(agent, "the whole answer", |item| {
        item.body == Body::Text { text: "The whole answer.".to_owned() } && !item.open
    });
    bench.close();
    let stored = &bench.sessions()[0];
    let items = bench.history().page(&stored.id, None, 100).unwrap().items;
    assert!(items.iter().all(|item| !item.open), "{items:#?}");
}

#[test]
fn a_sub_agent_stands_below_its_parent_and_is_an_owner_of_its_own() {
    let workspace = Workspace::with(&[("a.txt", "one\n")]);
    let path = workspace.at("a.txt");
    let spawn = json!({ "description": "sub work", "prompt": "[[script:child]] go",
                        "subagent_type": "general-purpose", "run_in_background": false });
    let api = ModelApi::start(&json!({
        "parent": [tool("Read", &json!({ "file_path": path })), tool("Agent", &spawn), text("Both.")],
        "child": [tool("Write", &json!({ "file_path": path, "content": "two\n" })), text("Child.")],
    }));
    let Some(mut bench) = BenchEngine::start(workspace, &api) else { return };
    let agent = bench.agent("blue", PermissionMode::AcceptEdits);
    assert!(!bench.turn(agent, "[[script:parent]]").is_error);
    let nested = bench.item(agent, "the child's write", |item| {
        matches!(&item.body, Body::Tool(tool) if tool.name == "Write") && item.sub.is_some()
    });
    assert!(nested.parent.is_some(), "{nested:#?}");
    // What the parent read, the child has not read.
    let asked = api.of_script("child");
    assert!(
        asked[1].conversation().contains("NOT WRITTEN (unread)"),
        "{}",
        asked[1].conversation()
    );
    assert_eq!(bench.workspace.read("a.txt"), "one\n");
    bench.close();
    let decisions = bench.history().decisions(&bench.root(), 10).unwrap();
    assert_eq!(decisions[0].code, "UNREAD");
    assert!(decisions[0].owner.key().contains('/'), "{:?}", decisions[0].owner);
}

#[test]
fn a_command_in_the_background_is_shown_until_it_ends() {
    let workspace = Workspace::new();
    let command = "until [ -e go ]; do sleep 0.05; done; echo finished";
    let api = ModelApi::start(&json!({ "back": [
        tool("Bash", &json!({ "command": command, "run_in_background": true })), text("Started.") ] }));
    let Some(mut bench) = BenchEngine::start(workspace, &api) else { return };
    let agent = bench.agent("blue", PermissionMode::BypassPermissions);
    bench.turn(agent, "[[script:back]]");
    bench.row(agent, "the task", |row| !row.background.is_empty());
    bench.mark();
    bench.workspace.write("go", "");
    bench.row(agent, "its end", |row| row.background.is_empty());
    bench.item(agent, "a word about it", |item| {
        matches!(&item.body, Body::Notice { level: Level::Info, text } if text.contains("background task"))
    });
}
