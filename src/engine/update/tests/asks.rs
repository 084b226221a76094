//! What the person allows, as it is or changed.

use super::*;

/// Blue wants to write one thing, the person is asked, and allows another.
fn changes(bench: &mut Bench, wanted: Value, allowed: Value) -> Vec<String> {
    bench.gate(BLUE, "c1", "Write", wanted.clone());
    bench.ask(BLUE, "c1", "Write", wanted);
    bench.log();
    let answer = AskAnswer::AllowOnce { input: Some(allowed) };
    bench.command(Command::AnswerAsk { ask: AskId(1), answer });
    bench.log()
}

fn outside(content: &str) -> Value {
    json!({ "file_path": "/etc/motd", "content": content })
}

#[test]
fn a_changed_write_is_checked_where_it_leads_now() {
    let mut bench = Bench::working(&["blue"]).file("b", "theirs\n");
    let log = changes(&mut bench, write("a", "x\n"), write("b", "x\n"));
    assert!(log.contains(&"1 < ask-c1 deny NOT WRITTEN (unread)".to_owned()), "{log:?}");
}

#[test]
fn a_write_that_is_changed_to_lead_into_the_tree_is_checked() {
    let mut bench = Bench::working(&["blue"]).file("b", "theirs\n");
    let log = changes(&mut bench, outside("x\n"), write("b", "x\n"));
    assert!(log.contains(&"1 < ask-c1 deny NOT WRITTEN (unread)".to_owned()), "{log:?}");
    assert!(log.contains(&"ask 1 closes Refused".to_owned()), "{log:?}");
    let mut bench = Bench::working(&["blue"]);
    let log = changes(&mut bench, write(".git/hooks/x", "x\n"), write("new", "x\n"));
    assert!(log.contains(&"1 < ask-c1 allow".to_owned()), "{log:?}");
    assert_eq!(bench.state.agents[&BLUE].info.holds, ["new"]);
}

#[test]
fn a_write_that_is_changed_to_lead_out_of_the_tree_is_answered() {
    for allowed in [outside("x\n"), write(".git/hooks/x", "x\n")] {
        let mut bench = Bench::working(&["blue"]);
        let log = changes(&mut bench, write("a", "x\n"), allowed);
        assert!(log.contains(&"1 < ask-c1 allow".to_owned()), "{log:?}");
        assert!(log.contains(&"ask 1 closes Allowed".to_owned()), "{log:?}");
        assert!(bench.state.agents[&BLUE].info.holds.is_empty());
    }
}

#[test]
fn a_call_that_is_changed_into_nonsense_is_refused_in_words() {
    let mut bench = Bench::working(&["blue"]);
    let log = changes(&mut bench, outside("x\n"), json!({ "file_path": 7 }));
    assert!(log.contains(&"1 < ask-c1 deny NOT RUN".to_owned()), "{log:?}");
}

#[test]
fn a_yes_is_stored_as_it_was_given() {
    let mut bench = Bench::working(&["blue"]);
    changes(&mut bench, write("a", "x\n"), write("a", "y\n"));
    let once = AskAnswer::AllowOnce { input: Some(write("a", "y\n")) };
    assert_eq!(bench.answers, [Some(once)]);
    let suggestions = vec![json!({"type": "setMode", "mode": "acceptEdits"})];
    bench.says(
        BLUE,
        Report::Ask {
            request: "ask-c2".into(),
            call: None,
            sub: None,
            tool: "WebFetch".to_owned(),
            input: json!({}),
            suggestions,
            reason: None,
        },
    );
    let always = AskAnswer::AllowAlways { suggestion: Some(0) };
    bench.command(Command::AnswerAsk { ask: AskId(2), answer: always.clone() });
    assert_eq!(bench.answers.last(), Some(&Some(always)));
}
