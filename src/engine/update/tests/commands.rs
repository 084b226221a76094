//! What front ends ask for, and when it counts as done.

use super::*;

#[test]
fn the_tools_of_the_bench_go_to_the_same_arbiter() {
    let mut bench = Bench::working(&["blue"]).file("a", "x\n");
    let call = |bench: &mut Bench, name: &str, tool: &str, input: Value| {
        let (name, tool) = (name.to_owned(), tool.to_owned());
        bench.command(Command::CallTool { name, tool, input });
        bench.log()
    };
    let unread = call(&mut bench, "s", "write_file", json!({"path": "a", "content": "y\n"}));
    assert_eq!(unread, ["s refused a UNREAD", "reply UNREAD false"]);
    call(&mut bench, "s", "read_file", json!({"path": "a"}));
    let written = call(&mut bench, "s", "write_file", json!({"path": "a", "content": "y\n"}));
    assert_eq!(written, ["reply OK true"]);
    assert_eq!(bench.files["a"], "y\n");
    let edited = call(&mut bench, "s", "edit_file", json!({"path": "a", "old": "y", "new": "z"}));
    assert_eq!(edited, ["reply OK true"]);
    bench.gate(BLUE, "c1", "Write", write("b", "one"));
    bench.log();
    let input = json!({"path": "b", "content": "two"});
    assert!(call(&mut bench, "s", "write_file", input).is_empty(), "it waits");
    bench.wait(20_001);
    assert_eq!(bench.log(), ["s refused b HELD", "reply HELD false"]);
}

#[test]
fn an_engine_ends_once_its_agents_have() {
    let mut bench = Bench::working(&["blue"]);
    bench.command(Command::Shutdown);
    assert_eq!(bench.log(), ["1 < stop", "reply Done"]);
    bench.says(BLUE, Report::Exited { code: Some(0), signal: None, stderr: String::new() });
    assert_eq!(bench.log(), ["end"]);
}

#[test]
fn names_are_checked_before_anything_is_started() {
    let mut bench = Bench::working(&["blue"]);
    for name in ["blue", "user", "two words", "../x"] {
        let spec = AgentSpec { name: name.to_owned(), ..AgentSpec::default() };
        bench.command(Command::StartAgent { spec });
        let log = bench.log();
        assert!(log.len() == 1 && log[0].starts_with("reply failed"), "{name}: {log:?}");
    }
}

#[test]
fn what_is_taken_or_freed_is_acknowledged_once_it_is_stored() {
    let mut bench = Bench::working(&["blue", "red"]);
    bench.gate(BLUE, "c1", "Write", write("a", "one"));
    bench.done(BLUE, "c1", "Write", write("a", "one"), "one");
    bench.log();
    bench.command(Command::Steal { path: "a".to_owned(), to: Some(RED) });
    assert_eq!(bench.log(), ["reply Done once stored"]);
    bench.command(Command::Release { path: "a".to_owned() });
    assert_eq!(bench.log(), ["reply Done once stored"]);
    // A reservation is stored before it is granted, and only then answered.
    let (patterns, reason) = (vec!["a".to_owned()], "mine".to_owned());
    bench.history_broken = true;
    bench.command(Command::Pin { patterns: patterns.clone(), reason: reason.clone(), to: None });
    assert_eq!(bench.log(), ["reply FAILED false"]);
    bench.history_broken = false;
    bench.command(Command::Pin { patterns, reason, to: None });
    assert_eq!(bench.log(), ["reply Done"]);
}

#[test]
fn a_reservation_of_a_file_that_is_being_written_has_a_row_of_its_own() {
    let mut bench = Bench::working(&["blue"]);
    bench.gate(BLUE, "c1", "Write", write("a", "one"));
    let pin = |bench: &mut Bench| {
        let (patterns, reason) = (vec!["a".to_owned()], "mine".to_owned());
        bench.command(Command::Pin { patterns, reason, to: None });
    };
    pin(&mut bench);
    assert_eq!(bench.lease_rows(), ["./a pinned", "a inflight"]);
    bench.done(BLUE, "c1", "Write", write("a", "one"), "one");
    assert_eq!(bench.lease_rows(), ["a pinned"]);
    bench.command(Command::Release { path: "a".to_owned() });
    assert_eq!(bench.lease_rows(), [""; 0]);
}

#[test]
fn the_change_that_a_failed_tool_did_not_make_is_not_its_agents() {
    let mut bench = Bench::working(&["blue"]).file("a", "x\n");
    bench.read(BLUE, "a");
    bench.gate(BLUE, "c1", "Edit", edit("a", "y", "z"));
    bench.files.insert("a".to_owned(), "x\nfrom a shell\n".to_owned());
    bench.ended(BLUE, "c1", "Edit", edit("a", "y", "z"), true);
    bench.log();
    bench.gate(BLUE, "c2", "Write", write("a", "x\nand more\n"));
    assert_eq!(bench.log(), ["blue refused a STALE", "1 < gate-c2 deny NOT WRITTEN (stale)"]);
}
