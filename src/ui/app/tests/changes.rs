//! The changes view: the list, what a change did, who wrote what, and the way back.

use super::*;
use crate::model::change::Change;
use crate::model::difference::Difference;
use crate::model::id::ChangeId;
use crate::model::lease::Owner;
use crate::model::path::{Hash, WorkPath};
use crate::model::review::{
    Answer, BlameRun, ChangeLine, ChangesPage, FileBlame, FileDifference, LineOrigin, Moment,
    Outcome, Question, RejectedLine, Revised, RevisedFile, Revision,
};

const OLD: &str = "pub struct Token {\n    kind: Kind,\n}\n\nimpl Token {\n    fn len(&self) -> usize {\n        self.text.len()\n    }\n}\n";

fn path(raw: &str) -> WorkPath {
    WorkPath::parse(raw).unwrap()
}

fn line(id: u64, name: &str, of: &str, seconds: i64) -> ChangeLine {
    let session = format!("session-of-{name}");
    let owner = if name == "you" { Owner::User } else { Owner::Session((&*session).into(), None) };
    let (before, after) = (Hash::of(b"1").into(), Hash::of(b"2").into());
    let change = Change {
        id: ChangeId(id),
        at: Wall(sample::WALL - seconds * 1000),
        agent: name.to_owned(),
        turn: Some(2),
        ..Change::of(path(of), owner, Some(before), Some(after))
    };
    ChangeLine { change, over: None, lines: Some((4, 2)), before_kept: true, undone_by: None }
}

fn list() -> ChangesPage {
    let mut changes = vec![
        line(23, "you", "src/lex.rs", 3),
        line(22, "blue", "src/lex.rs", 40),
        line(21, "red", "docs/tokens.md", 95),
        line(20, "blue/a1", "src/token.rs", 400),
        line(19, "gone", "assets/logo.png", 9_000),
    ];
    changes[0].change.reverts = vec![ChangeId(22)];
    changes[1].undone_by = Some(ChangeId(23));
    changes[2].over = Some("blue".to_owned());
    changes[3].change.before = None;
    changes[4].change.after = None;
    changes[4].lines = None;
    ChangesPage { changes, more: false }
}

fn difference() -> FileDifference {
    let new = OLD.replace("Kind,\n", "Kind,\n    span: Span,\n").replace("self.text", "self.span");
    FileDifference {
        path: path("docs/tokens.md"),
        from: "before change 21".to_owned(),
        to: "after change 21".to_owned(),
        modes: None,
        hunks: Difference::fine(OLD, &new).hunks(3),
        note: None,
    }
}

impl Stage {
    /// Answers the last question that was asked about changes.
    fn reviewed(&mut self, answer: Answer) {
        let id = self.sent.last().unwrap().id;
        self.message(ToClient::Reply { id, reply: Reply::Reviewed(answer) });
    }

    fn last_question(&self) -> Question {
        let last = &self.sent.last().unwrap().command;
        let Command::AskJournal { question } = last else { panic!("{last:?}") };
        question.clone()
    }

    /// The view with its list, the cursor at red's change and what that did.
    fn with_changes(&mut self) {
        self.command("c");
        self.reviewed(Answer::Changes(list()));
        self.keys("down down");
        self.reviewed(Answer::Difference(difference()));
    }
}

#[test]
fn the_list_with_what_the_chosen_change_did() {
    picture("changes", 3, Stage::with_changes);
    picture("changes_read", 3, |stage| {
        stage.with_changes();
        stage.keys("enter");
    });
    picture("changes_filter", 3, |stage| {
        stage.with_changes();
        stage.keys("/").write("lex");
    });
    picture("changes_empty", 3, |stage| {
        stage.command("c");
        stage.reviewed(Answer::Changes(ChangesPage::default()));
    });
}

#[test]
fn who_wrote_which_line() {
    let origin = |change, agent: &str| {
        let at = Wall(sample::WALL - 90_000);
        Some(LineOrigin { change: ChangeId(change), agent: agent.to_owned(), at })
    };
    let blame = FileBlame {
        path: path("docs/tokens.md"),
        lines: OLD.lines().map(str::to_owned).collect(),
        runs: vec![
            BlameRun { first: 1, count: 1, origin: None },
            BlameRun { first: 2, count: 2, origin: origin(20, "blue") },
            BlameRun { first: 4, count: 5, origin: origin(21, "red") },
            BlameRun { first: 9, count: 1, origin: origin(19, "gone") },
        ],
    };
    picture("changes_blame", 3, |stage| {
        stage.with_changes();
        stage.keys("b");
        stage.reviewed(Answer::Blame(blame.clone()));
    });
}

#[test]
fn rejected_writes_have_a_list_of_their_own() {
    let rejected = RejectedLine {
        number: 4,
        at: Wall(sample::WALL - 61_000),
        agent: "red".to_owned(),
        path: path("src/lex.rs"),
        tool: "Edit".to_owned(),
        code: "STALE".to_owned(),
        lines: Some((3, 1)),
    };
    picture("changes_rejected", 3, |stage| {
        stage.command("c").keys("tab tab");
        stage.reviewed(Answer::Rejected(vec![rejected.clone()]));
    });
    let mut stage = Stage::new(80, 24, 3);
    stage.command("c").keys("tab tab");
    stage.reviewed(Answer::Rejected(vec![rejected]));
    stage.keys("r");
    let accept = Revision::Accept { rejected: 4, path: None };
    assert_eq!(stage.last_question(), Question::Plan(accept));
}

#[test]
fn nothing_is_taken_back_before_its_plan_was_seen() {
    let plan = |outcome: Outcome| Revised {
        text: "changes docs/tokens.md +1 -1 (takes away 1 of red)\n@@ -2,1 +2,1 @@\n-a\n+b\n"
            .into(),
        files: vec![
            RevisedFile { path: path("docs/tokens.md"), outcome },
            RevisedFile {
                path: path("src/lex.rs"),
                outcome: Outcome::LeftAlone("the same lines were changed since (line 3)".into()),
            },
        ],
    };
    let undo_all = Revision::UndoAgent { agent: "session-of-red".to_owned(), turn: None };
    picture("changes_plan", 3, |stage| {
        stage.with_changes();
        stage.keys("U");
        stage.reviewed(Answer::Revised(plan(Outcome::Planned)));
    });
    let mut stage = Stage::new(80, 24, 3);
    stage.with_changes();
    for (key, revision) in [
        ("u", Revision::UndoChange(ChangeId(21))),
        ("t", Revision::UndoAgent { agent: "session-of-red".to_owned(), turn: Some(2) }),
        (
            "r",
            Revision::Restore {
                path: path("docs/tokens.md"),
                moment: Moment::Before(ChangeId(21)),
            },
        ),
        ("U", undo_all.clone()),
    ] {
        stage.keys(key);
        assert_eq!(stage.last_question(), Question::Plan(revision));
    }
    stage.reviewed(Answer::Revised(plan(Outcome::Planned)));
    let asked = stage.sent.len();
    stage.keys("esc");
    assert_eq!(stage.sent.len(), asked, "it can be left");
    stage.keys("U");
    stage.reviewed(Answer::Revised(plan(Outcome::Planned)));
    stage.keys("enter");
    assert_eq!(stage.sent.last().unwrap().command, Command::Revise { revision: undo_all });
    stage.reviewed(Answer::Revised(plan(Outcome::Done)));
    assert!(stage.screen().contains("1 done, 1 left alone"), "{}", stage.screen());
    assert!(matches!(stage.last_question(), Question::Changes(_)), "the list is asked for anew");
}

#[test]
fn the_list_follows_what_happens() {
    let mut stage = Stage::new(80, 24, 3);
    stage.with_changes();
    stage.sent.clear();
    let lease = Some(sample::lease("src/lex.rs", 1, "blue"));
    for _ in 0..3 {
        let lease = lease.clone();
        stage.event(Event::LeaseMoved { path: "src/lex.rs".into(), lease });
    }
    assert_eq!(stage.sent.len(), 1, "one question at a time");
    let mut page = list();
    page.changes.insert(0, line(24, "red", "src/new.rs", 0));
    stage.reviewed(Answer::Changes(page));
    assert!(stage.screen().contains("src/new.rs"));
    stage.keys("u");
    let chosen = Revision::UndoChange(ChangeId(21));
    assert_eq!(stage.last_question(), Question::Plan(chosen), "the cursor stays at its row");
}
