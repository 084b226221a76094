//! Whose uncommitted work it is, as git is told.

use super::*;
use crate::git::{Asker, Content as There, FileQuestion, Known, Party};

/// What an agent's git learns of a file that has `committed` in the last commit and `disk` now.
fn known(bench: &Bench, agent: Option<AgentId>, path: &str, committed: &str, disk: &str) -> Known {
    let there = |text: &str| match text {
        "" => There::Absent,
        text => There::Is(Hash::of(text.as_bytes())),
    };
    let path = WorkPath::parse(path).unwrap();
    let question = FileQuestion { path, committed: there(committed), disk: there(disk) };
    let answer = bench.state.git_facts(agent, &[], &[question]).unwrap();
    assert_eq!(answer.asker == Asker::Person, agent.is_none());
    answer.files[0].clone()
}

fn changed(bench: &mut Bench, name: &str, content: &str) {
    for (tool, input) in [
        ("read_file", json!({"path": "a"})),
        ("write_file", json!({"path": "a", "content": content})),
    ] {
        let (name, tool) = (name.to_owned(), tool.to_owned());
        bench.command(Command::CallTool { name, tool, input });
    }
    assert_eq!(bench.files["a"], content);
    // Its lease is over, so that the next one may write.
    bench.wait(120_000);
}

#[test]
fn all_whose_work_is_not_committed_are_told_and_no_others() {
    let mut bench = Bench::working(&["blue", "red"]).file("a", "0\n");
    changed(&mut bench, "blue", "1\n");
    changed(&mut bench, "red", "2\n");
    changed(&mut bench, "blue", "3\n");
    let whose = |agent, committed, disk| {
        let known = known(&bench, Some(agent), "a", committed, disk);
        (known.last, known.others.join(" "), known.complete)
    };
    let other = |name: &str| Some(Party::Other(name.to_owned()));
    // From the last commit on; what is in it is safe.
    assert_eq!(whose(BLUE, "0\n", "3\n"), (Some(Party::Own), "red".into(), true));
    assert_eq!(whose(RED, "0\n", "3\n"), (other("blue"), "blue".into(), true));
    assert_eq!(whose(BLUE, "2\n", "3\n"), (Some(Party::Own), String::new(), true));
    assert_eq!(whose(RED, "2\n", "3\n"), (other("blue"), "blue".into(), true));
    // A commit that nobody here has seen, a change that nobody here has seen.
    assert_eq!(whose(BLUE, "old\n", "3\n"), (Some(Party::Own), "red".into(), false));
    assert_eq!(whose(BLUE, "2\n", "4\n"), (Some(Party::Own), "red".into(), false));
    assert_eq!(whose(BLUE, "2\n", ""), (Some(Party::Own), "red".into(), false));
    // A file that nobody here has touched.
    assert_eq!(known(&bench, Some(BLUE), "b", "x", "y"), Known::default());
    assert_eq!(known(&bench, None, "a", "0\n", "3\n").others, ["blue", "red"]);
}

#[test]
fn leases_of_others_count_and_the_own_ones_do_not() {
    let mut bench = Bench::working(&["blue", "red"]).file("src/a", "0\n");
    let (patterns, reason) = (vec!["src/".to_owned()], String::new());
    bench.command(Command::Pin { patterns, reason, to: Some(BLUE) });
    let leases = |agent| bench.state.git_facts(agent, &[], &[]).unwrap().leases;
    assert_eq!(leases(Some(BLUE)), []);
    let red = leases(Some(RED));
    assert_eq!((red[0].path.as_str(), red[0].owner.as_str()), ("src/", "blue"));
    assert_eq!(known(&bench, Some(RED), "src/a", "x", "y").leased.as_deref(), Some("blue"));
    assert_eq!(known(&bench, Some(BLUE), "src/a", "x", "y").leased, None);
    assert!(bench.state.git_facts(Some(AgentId(9)), &[], &[]).is_err());
}
