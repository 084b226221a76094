//! Writes of agents through the gate: granted, waiting, refused, asked about, broken off.

use super::*;

#[test]
fn a_write_is_granted_and_the_agent_goes_on_after_its_end() {
    let mut bench = Bench::working(&["blue"]);
    bench.gate(BLUE, "c1", "Write", write("a", "one"));
    assert_eq!(bench.log(), ["1 < gate-c1 pass"]);
    bench.done(BLUE, "c1", "Write", write("a", "one"), "one");
    assert_eq!(bench.log(), ["1 < done-c1 seen"]);
    assert_eq!(bench.state.agents[&BLUE].info.holds, ["a"]);
    bench.turn_ends(BLUE);
    assert!(bench.state.agents[&BLUE].info.holds.is_empty(), "the end of the turn frees it");
}

#[test]
fn a_second_writer_waits_and_is_refused_in_words_when_the_wait_is_over() {
    let mut bench = Bench::working(&["blue", "red"]);
    bench.gate(BLUE, "c1", "Write", write("a", "one"));
    bench.gate(RED, "c2", "Write", write("a", "two"));
    assert_eq!(bench.log(), ["1 < gate-c1 pass"]);
    assert_eq!(bench.states(), "blue:working red:waiting_for_file");
    bench.wait(20_001);
    assert_eq!(bench.log(), ["red refused a HELD", "2 < gate-c2 deny NOT WRITTEN (held)"]);
    assert_eq!(bench.states(), "blue:working red:working");
}

#[test]
fn a_waiter_goes_on_when_the_holder_dies() {
    let mut bench = Bench::working(&["blue", "red"]).file("a", "x\n");
    bench.read(RED, "a");
    bench.gate(BLUE, "c1", "Edit", edit("a", "x", "y"));
    bench.gate(RED, "c2", "Edit", edit("a", "x", "z"));
    bench.log();
    bench.dies(BLUE);
    assert_eq!(bench.log(), ["2 < gate-c2 pass"]);
    assert_eq!(bench.states(), "blue:dead red:working");
}

#[test]
fn a_write_over_something_unseen_is_stale() {
    let mut bench = Bench::working(&["blue", "red"]).file("a", "x\n");
    bench.read(BLUE, "a");
    bench.gate(RED, "c1", "Edit", edit("a", "x", "y"));
    bench.done(RED, "c1", "Edit", edit("a", "x", "y"), "y\n");
    bench.turn_ends(RED);
    bench.log();
    bench.gate(BLUE, "c2", "Write", write("a", "x and more\n"));
    assert_eq!(bench.log(), ["blue refused a STALE", "1 < gate-c2 deny NOT WRITTEN (stale)"]);
    // The refusal showed it the change, so what it writes next is on top of that.
    bench.gate(BLUE, "c3", "Write", write("a", "y and more\n"));
    assert_eq!(bench.log(), ["1 < gate-c3 pass"]);
}

#[test]
fn while_the_person_thinks_the_file_can_be_lost_and_the_yes_becomes_a_no() {
    let mut bench = Bench::working(&["blue"]).file("a", "x\n");
    bench.read(BLUE, "a");
    bench.gate(BLUE, "c1", "Write", write("a", "blue\n"));
    bench.ask(BLUE, "c1", "Write", write("a", "blue\n"));
    bench.files.insert("a".to_owned(), "the person's own edit\n".to_owned());
    bench.log();
    let answer = AskAnswer::AllowOnce { input: None };
    bench.command(Command::AnswerAsk { ask: AskId(1), answer });
    let log = bench.log();
    assert!(log.contains(&"1 < ask-c1 deny NOT WRITTEN (stale)".to_owned()), "{log:?}");
    assert!(log.contains(&"ask 1 closes Refused".to_owned()), "{log:?}");
}

#[test]
fn a_yes_is_checked_once_more_and_then_sent() {
    let mut bench = Bench::working(&["blue"]);
    bench.gate(BLUE, "c1", "Write", write("a", "blue\n"));
    bench.ask(BLUE, "c1", "Write", write("a", "blue\n"));
    assert_eq!(bench.states(), "blue:needs_you");
    bench.log();
    let answer = AskAnswer::AllowOnce { input: None };
    bench.command(Command::AnswerAsk { ask: AskId(1), answer });
    assert_eq!(bench.log(), ["reply Done", "1 < ask-c1 allow", "ask 1 closes Allowed"]);
    bench.done(BLUE, "c1", "Write", write("a", "blue\n"), "blue\n");
    assert_eq!(bench.log(), ["1 < done-c1 seen"]);
}

#[test]
fn a_no_frees_the_file_at_once() {
    let mut bench = Bench::working(&["blue", "red"]);
    bench.gate(BLUE, "c1", "Write", write("a", "blue\n"));
    bench.ask(BLUE, "c1", "Write", write("a", "blue\n"));
    bench.gate(RED, "c2", "Write", write("a", "red\n"));
    bench.log();
    let answer = AskAnswer::Deny { reason: "no".to_owned(), interrupt: false };
    bench.command(Command::AnswerAsk { ask: AskId(1), answer });
    let log = bench.log();
    assert!(log.contains(&"2 < gate-c2 pass".to_owned()), "{log:?}");
}

#[test]
fn what_cannot_be_recorded_is_not_granted() {
    let mut bench = Bench::working(&["blue"]);
    bench.history_broken = true;
    bench.gate(BLUE, "c1", "Write", write("a", "one"));
    assert_eq!(bench.log(), ["blue refused a FAILED", "1 < gate-c1 deny NOT WRITTEN (failed)"]);
    bench.history_broken = false;
    bench.gate(BLUE, "c2", "Write", write("a", "one"));
    assert_eq!(bench.log(), ["1 < gate-c2 pass"]);
}

#[test]
fn malformed_writes_and_protected_paths_are_not_let_through() {
    let mut bench = Bench::working(&["blue"]);
    bench.gate(BLUE, "c1", "Write", json!({ "file_path": 7 }));
    bench.gate(BLUE, "c2", "Write", write(".git/hooks/pre-commit", "x"));
    bench.gate(BLUE, "c3", "Write", json!({ "file_path": "/etc/passwd", "content": "x" }));
    assert_eq!(bench.log(), ["1 < gate-c1 deny NOT RUN", "1 < gate-c2 ask", "1 < gate-c3 ask"]);
}

#[test]
fn an_interrupted_wait_is_over_and_leaves_nothing_behind() {
    let mut bench = Bench::working(&["blue", "red"]);
    bench.gate(BLUE, "c1", "Write", write("a", "one"));
    bench.gate(RED, "c2", "Write", write("a", "two"));
    bench.says(RED, Report::Withdrawn { request: "gate-c2".into() });
    bench.turn_ends(RED);
    bench.log();
    bench.done(BLUE, "c1", "Write", write("a", "one"), "one");
    bench.turn_ends(BLUE);
    bench.wait(120_000);
    assert_eq!(bench.log(), ["1 < done-c1 seen"], "red is not woken any more");
    assert!(bench.state.ops.is_empty() && bench.state.calls.is_empty());
}

#[test]
fn a_call_that_the_agents_own_rules_refuse_frees_its_file() {
    let mut bench = Bench::working(&["blue", "red"]);
    bench.gate(BLUE, "c1", "Write", write("a", "one"));
    bench.says(
        BLUE,
        Report::ToolResult {
            call: CallId::from("c1"),
            sub: None,
            text: "denied by a rule".to_owned(),
            is_error: true,
            hunks: Vec::new(),
        },
    );
    bench.turn_ends(BLUE);
    bench.log();
    bench.gate(RED, "c2", "Write", write("a", "two"));
    assert_eq!(bench.log(), ["2 < gate-c2 pass"]);
}
