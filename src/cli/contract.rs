//! What scripts rely on and no command of its own shows: colours, and words of refusal.

use serde_json::json;

use super::fake::{FakeParts, Scene, said, stage};
use super::main_with;
use crate::control::fake::FakeEngine;
use crate::engine::command::{Command, Reply};

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
