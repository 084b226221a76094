//! Whole runs against a fake engine, in this process and over its socket.
#![expect(clippy::wildcard_enum_match_arm, reason = "a script answers what it is about")]

use std::sync::Arc;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::cli::fake::{FakeParts, Scene};
use crate::control::fake::{FakeEngine, Mouth, agent, empty_snapshot};
use crate::engine::command::{Command, Reply};
use crate::engine::event::{AgentSnapshot, Event, Snapshot, ToClient};
use crate::model::agent::AgentState;
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::{AgentId, AskId, ItemId};
use crate::model::permission::{Ask, AskKind, PermissionMode};
use crate::model::time::Wall;
use crate::model::transcript::{Body, Item, Speaker, TurnEnd};

/// An engine that starts agent 1 and then, once it is subscribed to, says this.
fn engine(then: impl Fn(&Mouth) + Send + Sync + 'static) -> FakeEngine {
    FakeEngine::new(move |command, mouth| match command {
        Command::StartAgent { .. } => Reply::Agent(AgentId(1)),
        Command::Subscribe => {
            let info = agent(1, "blue", AgentState::Starting);
            let agents = vec![AgentSnapshot { info, items: vec![], more_before: false }];
            let snapshot = Snapshot { agents, ..empty_snapshot() };
            mouth.send(ToClient::Snapshot(Box::new(snapshot)));
            then(mouth);
            Reply::Done
        }
        Command::Shutdown | Command::RemoveAgent { .. } => Reply::Done,
        other => Reply::Failed(Failure::new(FailureKind::Failed, format!("{other:?}"))),
    })
}

fn item(id: u64, body: Body) -> Event {
    let item = Item { id: ItemId(id), at: Wall(0), parent: None, sub: None, open: false, body };
    Event::ItemChanged { agent: AgentId(1), item: Box::new(item) }
}

fn state(state: AgentState) -> Event {
    Event::AgentChanged { agent: Box::new(agent(1, "blue", state)) }
}

fn answers(mouth: &Mouth) {
    mouth.say(state(AgentState::Working));
    mouth.say(item(1, Body::Text { text: "Done it.".to_owned() }));
    mouth.say(item(2, Body::TurnEnd(TurnEnd { cost_usd: 0.25, ..TurnEnd::default() })));
}

fn scene(engine: &FakeEngine) -> Scene {
    Scene::new(FakeParts { engine: Some(engine.clone()), ..FakeParts::default() })
}

#[test]
fn the_answer_goes_to_stdout_and_the_engine_ends_with_the_run() {
    let engine = engine(answers);
    let scene = scene(&engine);
    let ran = scene.run(&[
        "run",
        "--agent",
        "blue",
        "--model",
        "opus",
        "--permission-mode",
        "acceptEdits",
        "--max-turns",
        "3",
        "--max-budget-usd",
        "0.5",
        "--allowed-tools",
        "Read",
        "--allowed-tools",
        "Bash(ls, *)",
        "do",
        "it",
    ]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "Done it.\n"), "{}", ran.err);
    assert_eq!(ran.err, "$0.25 · `benchdog resume session-blue` goes on with it\n");
    let heard = engine.heard();
    let [Command::StartAgent { spec }, Command::Subscribe, Command::Shutdown] = &heard[..] else {
        panic!("{heard:?}");
    };
    assert_eq!(spec.prompt.as_deref(), Some("do it"));
    assert_eq!((spec.name.as_str(), spec.model.as_deref()), ("blue", Some("opus")));
    assert_eq!(spec.permission_mode, PermissionMode::AcceptEdits);
    assert_eq!((spec.max_turns, spec.max_budget_usd), (Some(3), Some(0.5)));
    assert_eq!(spec.allowed_tools, ["Read", "Bash(ls, *)"]);
    let socket = scene.folders().socket(&scene.workspace());
    assert!(!socket.exists(), "the socket is gone");
}

#[test]
fn a_script_reads_one_event_per_line_and_the_end_last() {
    let engine = engine(answers);
    let ran = scene(&engine).run(&["run", "--json", "do it"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let rows: Vec<Value> =
        ran.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let events: Vec<&str> =
        rows.iter().map(|row| row["event"].as_str().expect("an event")).collect();
    assert_eq!(
        events,
        ["agent_changed", "agent_changed", "item_changed", "item_changed", "run_ended"]
    );
    assert_eq!(
        rows[4],
        json!({
            "event": "run_ended", "code": 0, "error": null, "agent": "blue",
            "session_id": "session-blue", "cost_usd": 0.25,
        })
    );
}

#[test]
fn a_turn_that_ends_badly_is_a_failure() {
    let engine = engine(|mouth| {
        let message = Some("overloaded".to_owned());
        let end = TurnEnd {
            is_error: true,
            reason: "api_error".to_owned(),
            message,
            ..TurnEnd::default()
        };
        mouth.say(item(1, Body::TurnEnd(end)));
    });
    let ran = scene(&engine).run(&["run", "do it"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.ends_with("the turn ended with an error (api_error): overloaded\n"),
        "{}",
        ran.err
    );
}

#[test]
fn an_agent_that_does_not_start_is_told_apart() {
    let engine = engine(|mouth| {
        let mut info = agent(1, "blue", AgentState::Dead);
        info.trouble = Some("no such program".to_owned());
        mouth.say(Event::AgentChanged { agent: Box::new(info) });
    });
    let ran = scene(&engine).run(&["run", "do it"]);
    assert_eq!(ran.code, 6);
    assert!(ran.err.contains("the agent does not start: no such program"), "{}", ran.err);
    let refuses = FakeEngine::new(|command, _| match command {
        Command::Shutdown => Reply::Done,
        _ => Reply::Failed(Failure::new(FailureKind::AgentStart, "claude is not installed")),
    });
    let ran = scene(&refuses).run(&["run", "do it"]);
    assert_eq!((ran.code, ran.err.as_str()), (6, "claude is not installed\n"));
}

#[test]
fn an_agent_that_died_before_anybody_looked_had_started_if_it_was_given_its_prompt() {
    let engine = engine(|mouth| {
        let prompt = Body::Prompt { text: "do it".to_owned(), from: Speaker::Person };
        mouth.say(item(1, prompt));
        mouth.say(state(AgentState::Dead));
    });
    let ran = scene(&engine).run(&["run", "do it"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("the agent has died"), "{}", ran.err);
}

fn asks(mouth: &Mouth) {
    let ask = Ask {
        id: AskId(1),
        agent: AgentId(1),
        sub: None,
        call: None,
        tool: "Bash".to_owned(),
        input: json!({"command": "make"}),
        kind: AskKind::Permission,
        suggestions: vec![],
        reason: None,
        at: Wall(0),
    };
    mouth.say(Event::AskOpened { ask: Box::new(ask) });
}

#[test]
fn a_question_that_nobody_can_answer_ends_the_run() {
    let engine = engine(asks);
    let ran = scene(&engine).run(&["run", "do it"]);
    assert_eq!(ran.code, 5);
    assert!(ran.err.contains("◆ needs you: Bash (make)\n"), "{}", ran.err);
    assert!(ran.err.contains("asks for Bash (make), and nobody can answer"), "{}", ran.err);
    assert_eq!(engine.heard().last(), Some(&Command::Shutdown));
}

#[test]
fn at_a_running_engine_a_question_waits_and_the_bench_is_left_tidy() {
    let engine = engine(|mouth| {
        asks(mouth);
        answers(mouth);
    });
    let scene = Scene::new(FakeParts::default());
    let ran = scene.run_against(&engine, &["run", "do it"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "Done it.\n"), "{}", ran.err);
    let heard = engine.heard();
    assert_eq!(heard.last(), Some(&Command::RemoveAgent { agent: AgentId(1) }), "{heard:?}");
    assert!(!heard.contains(&Command::Shutdown));
}

#[test]
fn time_is_up_and_the_person_has_the_last_word() {
    let silent = engine(|_| {});
    let ran = scene(&silent).run(&["run", "--timeout", "0.01", "do it"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("there is no end after 0.01 s"), "{}", ran.err);
    assert_eq!(silent.heard().last(), Some(&Command::Shutdown));

    let wish = Arc::new(tokio::sync::Notify::new());
    let other = Arc::clone(&wish);
    let silent = engine(move |_| other.notify_one());
    let scene = Scene { wish, ..scene(&silent) };
    let ran = scene.run(&["run", "do it"]);
    assert_eq!(ran.code, 130, "{}", ran.err);
    assert_eq!(silent.heard().last(), Some(&Command::Shutdown));
}

#[test]
fn an_engine_that_vanishes_is_unreachable() {
    let ended = CancellationToken::new();
    let dies = ended.clone();
    let engine = FakeEngine::new(move |command, _| match command {
        Command::StartAgent { .. } => Reply::Agent(AgentId(1)),
        _ => {
            dies.cancel();
            Reply::Done
        }
    });
    let engine = FakeEngine { ended, ..engine };
    let ran = scene(&engine).run(&["run", "do it"]);
    assert_eq!(ran.code, 7, "{}", ran.err);
    assert!(ran.err.starts_with("the engine has gone"), "{}", ran.err);
}

#[test]
fn a_prompt_may_come_from_the_input() {
    let engine = engine(answers);
    let scene = Scene { input: "from a pipe\n", ..scene(&engine) };
    assert_eq!(scene.run(&["run", "-q", "-"]).code, 0);
    match &engine.heard()[0] {
        Command::StartAgent { spec } => assert_eq!(spec.prompt.as_deref(), Some("from a pipe\n")),
        other => panic!("{other:?}"),
    }
    let empty = Scene { input: " ", ..scene };
    let ran = empty.run(&["run", "-"]);
    assert_eq!((ran.code, ran.err.as_str()), (2, "there are no words to send\n"));
}
