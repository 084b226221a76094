//! A git of an agent over the whole tree: the person's word, the hold, and what others are told.

use super::*;
use crate::git::ask::{Request, Stake, Wish};
use crate::git::{Content as There, FileQuestion};
use crate::model::lease::Owner;
use crate::model::permission::PermissionMode;

/// The connection of blue's git.
const GIT: ClientId = ClientId(7);

fn step(bench: &mut Bench, request: Request) -> Vec<String> {
    let from = Asker { client: GIT, id: 1 };
    let command = Command::GitTree { agent: Some(BLUE), processes: Vec::new(), request };
    bench.feed(Input::Command { from, command });
    bench.log()
}

fn asks(bench: &mut Bench) -> Vec<String> {
    let stakes = vec![Stake { what: "a".to_owned(), whose: vec!["red".to_owned()] }];
    let (line, name) = ("git reset --hard".to_owned(), "git reset".to_owned());
    let (why, refusal) = ("it may".to_owned(), "NOT RUN (as ever): ".to_owned());
    step(bench, Request::Ask(Wish { line, name, why, stakes, refusal }))
}

fn answers(bench: &mut Bench, ask: u64, answer: AskAnswer) -> Vec<String> {
    bench.command(Command::AnswerAsk { ask: AskId(ask), answer });
    bench.log()
}

const YES: AskAnswer = AskAnswer::AllowOnce { input: None };

fn no(reason: &str) -> AskAnswer {
    AskAnswer::Deny { reason: reason.to_owned(), interrupt: false }
}

fn keeps(bench: &mut Bench) -> Vec<String> {
    let there = |text: &str| There::Is(Hash::of(text.as_bytes()));
    let path = WorkPath::parse("a").unwrap();
    let disk = there(&bench.files["a"]);
    step(bench, Request::Keep(vec![FileQuestion { path, committed: there("0\n"), disk }]))
}

/// Red has work in `a` that is not committed, and its turn is over.
fn with_work_of_red() -> Bench {
    let mut bench = Bench::working(&["blue", "red"]).file("a", "0\n");
    bench.read(RED, "a");
    bench.gate(RED, "c1", "Write", write("a", "red's\n"));
    bench.done(RED, "c1", "Write", write("a", "red's\n"), "red's\n");
    bench.log();
    bench.changes.clear();
    bench
}

fn holder(bench: &Bench) -> Option<String> {
    let rows = bench.state.leases();
    rows.iter().find(|row| row.path == "**").map(|row| row.owner_name.clone())
}

#[test]
fn with_a_yes_git_has_the_tree_until_it_has_ended_and_others_are_told() {
    let mut bench = with_work_of_red();
    assert_eq!(asks(&mut bench), ["ask 1 opens"]);
    assert_eq!(bench.states(), "blue:needs_you red:working");
    let ask = bench.state.asks[&AskId(1)].ask.clone();
    assert_eq!(ask.input, json!({"command": "git reset --hard", "at_stake": ["a (red)"]}));
    assert_eq!(holder(&bench), None, "nothing is taken while the person thinks");
    assert_eq!(answers(&mut bench, 1, YES), ["ask 1 closes Allowed", "reply Done", "reply go"]);
    assert_eq!(holder(&bench).as_deref(), Some("blue"));
    assert_eq!(bench.lease_rows(), ["** pinned"], "red's lease has ended");
    assert_eq!(keeps(&mut bench), ["reply go"]);
    assert_eq!(step(&mut bench, Request::Began(4711)), ["reply go"]);
    // Nobody else gets a file meanwhile; what blue itself writes is its own business.
    bench.gate(RED, "c2", "Write", write("b", "x\n"));
    bench.wait(20_001);
    assert_eq!(bench.log(), ["red refused b PINNED", "2 < gate-c2 deny NOT WRITTEN (pinned)"]);
    bench.files.insert("a".to_owned(), "0\n".to_owned());
    let log = step(&mut bench, Request::Ended);
    let [notice, go] = &log[..] else { panic!("{log:?}") };
    assert!(notice.starts_with("notice blue ran `git reset --hard`; files"), "{notice}");
    assert_eq!(go, "reply go");
    assert_eq!(
        (&bench.changes[..], &bench.over[..]),
        (&["blue a".to_owned()][..], &["a of red".to_owned()][..])
    );
    assert_eq!(holder(&bench), None);
    assert_eq!(bench.lease_rows(), [""; 0]);
    let told = bench.state.agents[&RED].tells.join("\n");
    assert!(told.contains("The person let blue run `git reset --hard`"), "{told}");
    assert!(told.contains("a (changed)"), "{told}");
}

#[test]
fn a_no_goes_to_git_with_its_reason_and_silence_is_a_no() {
    let mut bench = with_work_of_red();
    asks(&mut bench);
    let denied = answers(&mut bench, 1, no("red is not done"));
    assert_eq!(denied, ["reply no NOT RUN (denied)", "ask 1 closes Denied", "reply Done"]);
    asks(&mut bench);
    bench.wait(99_999);
    assert_eq!(bench.log(), [""; 0]);
    bench.wait(1);
    assert_eq!(bench.log(), ["reply no NOT RUN (no answer)", "ask 2 closes Withdrawn"]);
    // What comes too late has no effect, and what is no answer to this is none.
    let late = answers(&mut bench, 2, YES);
    assert!(late[0].starts_with("reply failed"), "{late:?}");
    asks(&mut bench);
    for odd in [
        AskAnswer::AllowOnce { input: Some(json!({"command": "git status"})) },
        AskAnswer::AllowAlways { suggestion: None },
        AskAnswer::Answers(vec!["yes".to_owned()]),
    ] {
        let failed = answers(&mut bench, 3, odd);
        assert!(failed.len() == 1 && failed[0].starts_with("reply failed"), "{failed:?}");
    }
    assert_eq!(holder(&bench), None);
    let stop = AskAnswer::Deny { reason: String::new(), interrupt: true };
    let log = answers(&mut bench, 3, stop);
    assert!(log.contains(&"1 < interrupt".to_owned()), "{log:?}");
}

#[test]
fn who_cannot_be_asked_is_not_asked() {
    for (mode, unattended, expected) in [
        (PermissionMode::DontAsk, false, "reply no NOT RUN (as ever)"),
        (PermissionMode::Default, true, "reply no NOT RUN (as ever)"),
        (PermissionMode::BypassPermissions, true, "reply no NOT RUN (as ever)"),
        (PermissionMode::BypassPermissions, false, "ask 1 opens"),
    ] {
        let mut bench = with_work_of_red();
        let agent = bench.state.agents.get_mut(&BLUE).unwrap();
        agent.info.permission_mode = mode;
        agent.spec.unattended = unattended;
        assert_eq!(asks(&mut bench), [expected], "{mode:?} {unattended}");
    }
    // A script has no session in which anybody could be asked.
    let mut bench = with_work_of_red();
    let exec = |name: &str| Command::Exec {
        name: name.to_owned(),
        socket: "/nowhere".into(),
        process: Some(99),
    };
    bench.state.setup.workspace.guard = GuardLevel::Enforced;
    bench.command(exec("script"));
    bench.log();
    let stakes = Vec::new();
    let wish = Wish {
        line: "git stash".to_owned(),
        name: "git stash".to_owned(),
        why: String::new(),
        stakes,
        refusal: "NOT RUN (as ever)".to_owned(),
    };
    let request = Request::Ask(wish);
    bench.command(Command::GitTree { agent: None, processes: vec![100, 99, 1], request });
    assert_eq!(bench.log(), ["reply no NOT RUN (as ever)"]);
}

#[test]
fn a_git_in_a_guarded_command_is_not_the_persons() {
    let mut bench = Bench::working(&["blue"]);
    bench.state.setup.workspace.guard = GuardLevel::Enforced;
    for (name, process) in [("script", 50), ("user", 60), ("blue", 70)] {
        let socket = "/nowhere".into();
        bench.command(Command::Exec { name: name.to_owned(), socket, process: Some(process) });
    }
    let owner = |processes: &[u32]| bench.state.git_owner(None, processes).unwrap();
    let blue = Owner::Session(bench.state.agents[&BLUE].session(), None);
    assert_eq!(owner(&[9, 50, 1]), Owner::Session("call:script".into(), None));
    assert_eq!(owner(&[9, 60, 1]), Owner::User);
    assert_eq!(owner(&[9, 70, 1]), blue);
    assert_eq!(owner(&[9, 50, 70, 60]), Owner::Session("call:script".into(), None), "the inner");
    assert_eq!(owner(&[9, 8, 1]), Owner::User);
    bench.feed(Input::ExecEnded { exec: 1, result: Ok(()) });
    assert_eq!(bench.state.git_owner(None, &[9, 50, 1]), Ok(Owner::User), "it is over");
}

#[test]
fn whoever_goes_away_leaves_neither_ask_nor_hold() {
    // While the person thinks.
    let mut bench = with_work_of_red();
    asks(&mut bench);
    bench.feed(Input::ClientGone(GIT));
    assert_eq!(bench.log(), ["ask 1 closes Withdrawn"]);
    // Between the yes and the start.
    asks(&mut bench);
    answers(&mut bench, 2, YES);
    bench.feed(Input::ClientGone(GIT));
    assert_eq!((holder(&bench), bench.state.tree.is_none()), (None, true));
    // While git runs: that goes on, and so does the hold.
    asks(&mut bench);
    answers(&mut bench, 3, YES);
    keeps(&mut bench);
    step(&mut bench, Request::Began(4711));
    bench.feed(Input::ClientGone(GIT));
    assert_eq!(holder(&bench).as_deref(), Some("blue"));
    bench.feed(Input::GitGone(1));
    assert_eq!(holder(&bench).as_deref(), Some("blue"), "it was another one");
    bench.feed(Input::GitGone(4711));
    assert_eq!((holder(&bench), bench.state.tree.is_none()), (None, true));
    // The agent dies: in each of these moments.
    for moment in 0..3 {
        let mut bench = with_work_of_red();
        asks(&mut bench);
        if moment > 0 {
            answers(&mut bench, 1, YES);
        }
        if moment > 1 {
            keeps(&mut bench);
            step(&mut bench, Request::Began(4711));
        }
        bench.log();
        bench.dies(BLUE);
        let log = bench.log();
        assert_eq!((holder(&bench), bench.state.tree.is_none()), (None, true), "{moment}");
        let told = log.contains(&"reply no NOT RUN (withdrawn)".to_owned());
        assert_eq!(told, moment == 0, "{log:?}");
    }
}

#[test]
fn what_stands_in_the_way_or_cannot_be_kept_is_a_refusal() {
    // A write under way is waited for, but not for long.
    let mut bench = with_work_of_red();
    bench.gate(RED, "c2", "Write", write("b", "x\n"));
    asks(&mut bench);
    assert_eq!(answers(&mut bench, 1, YES), ["ask 1 closes Allowed", "reply Done"]);
    bench.wait(10_000);
    assert_eq!(bench.log(), ["reply no NOT RUN (held)"]);
    asks(&mut bench);
    answers(&mut bench, 2, YES);
    bench.done(RED, "c2", "Write", write("b", "x\n"), "x\n");
    assert!(bench.log().contains(&"reply go".to_owned()));
    // Another git has it.
    let from = Asker { client: ClientId(8), id: 1 };
    let request = Request::Ask(Wish {
        line: "git stash".to_owned(),
        name: "git stash".to_owned(),
        why: String::new(),
        stakes: Vec::new(),
        refusal: String::new(),
    });
    let command = Command::GitTree { agent: Some(RED), processes: Vec::new(), request };
    bench.feed(Input::Command { from, command });
    assert_eq!(bench.log(), ["reply no NOT RUN (held)"]);
    // What cannot be kept: the tree is free again.
    bench.history_broken = true;
    assert_eq!(keeps(&mut bench), ["reply no NOT RUN (not kept)"]);
    assert_eq!(holder(&bench), None);
    let odd = step(&mut bench, Request::Began(4711));
    assert!(odd[0].starts_with("reply failed"), "{odd:?}");
    // A reservation of somebody else is its own word.
    bench.history_broken = false;
    let (patterns, reason) = (vec!["src/".to_owned()], "mine".to_owned());
    bench.command(Command::Pin { patterns, reason, to: None });
    bench.log();
    assert_eq!(asks(&mut bench), ["reply no NOT RUN (held)"]);
}
