//! Questions of the real agent to the person, and what the answers do.

use benchdog::model::agent::AgentState;
use benchdog::model::permission::{AskAnswer, AskKind, AskOutcome, PermissionMode};
use benchdog::model::transcript::ToolStatus;
use serde_json::{Value, json};

use crate::support::bench_engine::BenchEngine;
use crate::support::model_api::{ModelApi, text, tool};
use crate::support::workspace::Workspace;

fn write(workspace: &Workspace, name: &str) -> Value {
    tool("Write", &json!({ "file_path": workspace.at(name), "content": "one\n" }))
}

fn no(reason: &str) -> AskAnswer {
    AskAnswer::Deny { reason: reason.to_owned(), interrupt: false }
}

#[test]
fn a_write_asks_and_allow_once_writes_it() {
    let workspace = Workspace::new();
    let api = ModelApi::start(&json!({ "write": [write(&workspace, "a.txt"), text("Done.")] }));
    let Some(mut bench) = BenchEngine::start(workspace, &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.send(agent, "[[script:write]]");
    let ask = bench.asked(agent);
    bench.state(agent, AgentState::NeedsYou);
    assert_eq!((ask.tool.as_str(), &ask.kind), ("Write", &AskKind::Permission));
    assert!(!bench.workspace.has("a.txt"), "nothing is written before the answer");
    assert_eq!(bench.answer(&ask, AskAnswer::AllowOnce { input: None }), AskOutcome::Allowed);
    assert!(!bench.turn_end(agent).is_error);
    assert_eq!(bench.workspace.read("a.txt"), "one\n");
    bench.tool(agent, "Write", |status| *status == ToolStatus::Done);
    bench.close();
    let stored = bench.sessions()[0].id.clone();
    let asks = bench.history().asks(&stored).unwrap();
    assert_eq!(asks[0].end.as_ref().unwrap().1, AskOutcome::Allowed);
}

#[test]
fn what_the_person_changes_is_what_is_written() {
    let workspace = Workspace::new();
    let api = ModelApi::start(&json!({ "write": [write(&workspace, "a.txt"), text("Done.")] }));
    let Some(mut bench) = BenchEngine::start(workspace, &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.send(agent, "[[script:write]]");
    let ask = bench.asked(agent);
    let mut input = ask.input.clone();
    input["content"] = json!("two\n");
    bench.answer(&ask, AskAnswer::AllowOnce { input: Some(input) });
    bench.turn_end(agent);
    assert_eq!(bench.workspace.read("a.txt"), "two\n");
}

#[test]
fn the_reason_of_a_no_reaches_the_model() {
    let workspace = Workspace::new();
    let api = ModelApi::start(&json!({ "write": [write(&workspace, "a.txt"), text("Well.")] }));
    let Some(mut bench) = BenchEngine::start(workspace, &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.send(agent, "[[script:write]]");
    let ask = bench.asked(agent);
    assert_eq!(bench.answer(&ask, no("put it into b.txt")), AskOutcome::Denied);
    bench.turn_end(agent);
    assert!(!bench.workspace.has("a.txt"));
    assert!(api.of_script("write")[1].conversation().contains("put it into b.txt"));
    bench.tool(agent, "Write", |status| *status == ToolStatus::Failed);
}

#[test]
fn a_no_that_interrupts_ends_the_turn_and_the_next_one_works() {
    let workspace = Workspace::new();
    let api = ModelApi::start(&json!({
        "write": [write(&workspace, "a.txt"), text("Well.")], "hello": [text("Hello.")] }));
    let Some(mut bench) = BenchEngine::start(workspace, &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.send(agent, "[[script:write]]");
    let ask = bench.asked(agent);
    bench.answer(&ask, AskAnswer::Deny { reason: "stop".to_owned(), interrupt: true });
    assert!(bench.turn_end(agent).interrupted);
    assert_eq!(api.of_script("write").len(), 1, "the model was not asked again");
    assert!(!bench.turn(agent, "[[script:hello]]").is_error);
}

#[test]
fn always_with_the_suggestion_asks_no_more() {
    let workspace = Workspace::new();
    let api = ModelApi::start(&json!({ "write": [
        write(&workspace, "a.txt"), write(&workspace, "b.txt"), text("Done.") ] }));
    let Some(mut bench) = BenchEngine::start(workspace, &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.send(agent, "[[script:write]]");
    let ask = bench.asked(agent);
    assert!(!ask.suggestions.is_empty(), "{ask:#?}");
    let answer = AskAnswer::AllowAlways { suggestion: Some(0) };
    assert_eq!(bench.answer(&ask, answer), AskOutcome::AllowedAlways);
    bench.turn_end(agent);
    assert!(bench.workspace.has("a.txt") && bench.workspace.has("b.txt"));
    let asks = bench
        .events()
        .into_iter()
        .filter(|event| matches!(event, benchdog::engine::event::Event::AskOpened { .. }));
    assert_eq!(asks.count(), 1);
}

#[test]
fn questions_are_answered_with_the_chosen_labels() {
    let question = json!({ "questions": [{ "question": "Which colour?", "header": "Colour",
        "multiSelect": false, "options": [
            { "label": "Red", "description": "like fire" },
            { "label": "Blue", "description": "like the sea" } ] }] });
    let api =
        ModelApi::start(&json!({ "ask": [tool("AskUserQuestion", &question), text("So be it.")] }));
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.send(agent, "[[script:ask]]");
    let ask = bench.asked(agent);
    let AskKind::Questions(questions) = &ask.kind else { panic!("{ask:#?}") };
    assert_eq!(questions[0].options.len(), 2);
    let answer = AskAnswer::Answers(vec!["Blue".to_owned()]);
    assert_eq!(bench.answer(&ask, answer), AskOutcome::Answered);
    assert!(!bench.turn_end(agent).is_error);
    let request = &api.of_script("ask")[1];
    let answer = request.body["messages"].as_array().unwrap().last().unwrap().to_string();
    assert!(answer.contains("Which colour?") && answer.contains("Blue"), "{answer}");
}

#[test]
fn a_plan_is_shown_and_a_yes_leaves_plan_mode() {
    let plan = json!({ "plan": "1. Look\n2. Leap" });
    let api = ModelApi::start(&json!({ "plan": [tool("ExitPlanMode", &plan), text("Off I go.")] }));
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Plan);
    bench.send(agent, "[[script:plan]]");
    let ask = bench.asked(agent);
    let AskKind::Plan(shown) = &ask.kind else { panic!("{ask:#?}") };
    assert!(shown.contains("2. Leap"), "{shown}");
    bench.answer(&ask, AskAnswer::AllowOnce { input: None });
    assert!(!bench.turn_end(agent).is_error);
    bench.row(agent, "another mode", |row| row.permission_mode == PermissionMode::Default);
}
