//! Shell commands, and whose the changes are that are found around them.

use super::*;

fn bash() -> Value {
    json!({ "command": "make" })
}

/// Agents in a turn and a tree that has been looked over.
fn bench() -> Bench {
    let mut bench = Bench::working(&["blue", "red"]).file("a", "1\n").file("b", "1\n");
    bench.scan();
    bench
}

impl Bench {
    fn changed_by_hand(&mut self, path: &str, text: &str) {
        self.files.insert(path.to_owned(), text.to_owned());
    }

    fn result(&mut self, agent: AgentId, call: &str) {
        let (text, hunks) = ("denied".to_owned(), Vec::new());
        let call = CallId::from(call);
        self.says(agent, Report::ToolResult { call, sub: None, text, is_error: true, hunks });
    }

    /// Whose a change is that red's next command finds before it runs.
    fn blamed(&mut self) -> Vec<String> {
        self.changes.clear();
        self.changed_by_hand("b", "by hand\n");
        self.gate(RED, "look", "Bash", bash());
        std::mem::take(&mut self.changes)
    }
}

#[test]
fn what_a_command_changed_is_its_agents() {
    let mut bench = bench();
    bench.changed_by_hand("a", "before\n");
    bench.gate(BLUE, "c1", "Bash", bash());
    assert_eq!(bench.log(), ["1 < gate-c1 pass"]);
    bench.changed_by_hand("a", "after\n");
    bench.ended(BLUE, "c1", "Bash", bash(), false);
    assert_eq!(bench.log().last().map(String::as_str), Some("1 < done-c1 seen"));
    assert_eq!(bench.changes, ["somebody outside a", "blue a"]);
    assert_eq!(bench.blamed(), ["somebody outside b"]);
}

#[test]
fn while_a_command_runs_it_is_blamed() {
    let mut bench = bench();
    bench.gate(BLUE, "c1", "Bash", bash());
    assert_eq!(bench.blamed(), ["blue b"]);
    let mut bench = self::bench();
    bench.gate(BLUE, "c1", "Bash", bash());
    bench.looks_slow = true;
    bench.changed_by_hand("b", "make\n");
    bench.ended(BLUE, "c1", "Bash", bash(), false);
    bench.census.insert("b".to_owned(), "1\n".to_owned());
    bench.looks_slow = false;
    bench.gate(RED, "c2", "Bash", bash());
    assert_eq!(bench.changes, ["blue b"], "its last look is still under way");
}

#[test]
fn a_command_that_did_not_run_is_not_blamed_for_what_follows() {
    // Denied by the agent's own rules, or by the person: there is a result and no end of the tool.
    let mut bench = bench();
    bench.gate(BLUE, "c1", "Bash", bash());
    bench.result(BLUE, "c1");
    assert_eq!(bench.blamed(), ["somebody outside b"]);
    // The turn ends without a word about it.
    let mut bench = self::bench();
    bench.gate(BLUE, "c1", "Bash", bash());
    bench.turn_ends(BLUE);
    assert_eq!(bench.blamed(), ["somebody outside b"]);
    // Its gate is withdrawn while the tree is looked over: nobody waits for the verdict.
    let mut bench = self::bench();
    bench.looks_slow = true;
    bench.gate(BLUE, "c1", "Bash", bash());
    bench.says(BLUE, Report::Withdrawn { request: "gate-c1".into() });
    bench.log();
    bench.arrive();
    assert!(bench.log().is_empty());
    assert_eq!(bench.blamed(), ["somebody outside b"]);
}

#[test]
fn the_end_of_a_tool_is_answered_whatever_came_before_it() {
    let mut bench = bench();
    bench.gate(BLUE, "c1", "Bash", bash());
    bench.looks_slow = true;
    bench.result(BLUE, "c1");
    bench.ended(BLUE, "c1", "Bash", bash(), false);
    bench.log();
    bench.arrive();
    assert_eq!(bench.log(), ["1 < done-c1 seen"]);
    assert!(bench.state.shells.is_empty());
}

#[test]
fn that_the_tree_is_too_large_is_said_once_and_nobody_is_blamed() {
    let mut bench = bench();
    bench.huge = true;
    bench.gate(BLUE, "c1", "Bash", bash());
    let log = bench.log();
    assert!(log.len() == 2 && log[0].starts_with("notice the tree has too many files"), "{log:?}");
    assert_eq!(log[1], "1 < gate-c1 pass");
    bench.changed_by_hand("a", "2\n");
    bench.ended(BLUE, "c1", "Bash", bash(), false);
    assert_eq!(bench.log(), ["1 < done-c1 seen"]);
    assert!(bench.changes.is_empty());
}
