//! What scripts rely on and no command of its own shows: colours, and words of refusal.

use serde_json::json;

use super::fake::{FakeParts, Scene, said, stage};
use super::main_with;
use crate::config::bench::{Bench, Layout};
use crate::control::fake::FakeEngine;
use crate::engine::command::{Command, Reply};
use crate::model::agent::AgentSpec;
use crate::model::id::AgentId;

/// What a wrong command line says: on a terminal for results, and on one for messages.
fn complaint(out_is_terminal: bool, err_is_terminal: bool) -> String {
    let (mut stage, _, err) = stage();
    (stage.out_is_terminal, stage.err_is_terminal) = (out_is_terminal, err_is_terminal);
    assert_eq!(main_with(["benchdog", "--nonsense"], stage, &FakeParts::default()), 2);
    said(&err)
}

#[test]
fn a_complaint_about_the_command_line_has_colours_where_it_is_read_on_a_terminal() {
    assert!(complaint(false, true).contains('\x1b'));
    assert!(!complaint(true, false).contains('\x1b'));
}

#[test]
fn an_end_in_json_is_said_in_json() {
    let engine = FakeEngine::new(|_, _| Reply::Done);
    let ran = Scene::new(FakeParts::default()).run_against(&engine, &["shutdown", "--json"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "{\"ok\":true}\n"), "{}", ran.err);
}

#[test]
fn a_reservation_that_is_refused_is_a_failure_with_its_exit_code() {
    let refusals = [("HELD", 3), ("TOO_WIDE", 1), ("OK", 0)];
    for (code, exit) in refusals {
        let engine = FakeEngine::new(move |command, _| match command {
            Command::Pin { .. } => {
                Reply::Tool(json!({"ok": code == "OK", "code": code, "text": "blue has it"}))
            }
            Command::Subscribe | Command::ListAgents => Reply::Agents(vec![]),
            other => panic!("{other:?}"),
        });
        let ran = Scene::new(FakeParts::default()).run_against(&engine, &["pin", "src/"]);
        assert_eq!(ran.code, exit, "{code}: {}", ran.err);
        assert_eq!(ran.err.contains("blue has it"), exit != 0, "{code}: {}", ran.err);
    }
}

#[test]
fn the_folder_of_a_demo_goes_with_it_unless_it_is_kept() {
    for (args, stays) in [(&["demo"][..], false), (&["demo", "--keep"], true)] {
        let engine = FakeEngine::new(|command, _| match command {
            Command::StartAgent { .. } => Reply::Agent(AgentId(1)),
            Command::Shutdown | Command::Subscribe => Reply::Done,
            other => panic!("{other:?}"),
        });
        let agents = vec![AgentSpec { name: "ada".into(), ..AgentSpec::default() }];
        let demo = Some(Bench { layout: Layout::Even, agents });
        let parts = FakeParts { engine: Some(engine), demo, ..FakeParts::default() };
        let scene = Scene { can_draw: true, ..Scene::new(parts) };
        let ran = scene.run(args);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let folder = scene.parts.shown.lock().expect("no panic")[0].0.clone();
        assert!(ran.err.contains(&folder.display().to_string()), "{}", ran.err);
        assert_eq!(folder.join("seed").exists(), stays, "{args:?}");
    }
}
