//! `changes`, `diff`, `blame`, `undo`, `restore` against an engine that says what is wanted.

use super::*;
use crate::model::change::Change;
use crate::model::id::ChangeId;
use crate::model::path::{Hash, WorkPath};
use crate::model::review::{
    Answer as Reviewed, BlameRun, ChangeLine, ChangesPage, Compared, FileBlame, FileDifference,
    LineOrigin, Moment, Outcome, Question as Asked, RejectedLine, Revised, RevisedFile, Revision,
};
use crate::model::transcript::Hunk;

fn path() -> WorkPath {
    WorkPath::parse("src/a.rs").unwrap()
}

fn revised(outcome: Outcome) -> Revised {
    let text = "changes src/a.rs +1 -1\n-a\n+b\n".to_owned();
    Revised { text, files: vec![RevisedFile { path: path(), outcome }] }
}

fn line() -> ChangeLine {
    let (before, after) = (Hash::of(b"1").into(), Hash::of(b"2").into());
    let change = Change {
        id: ChangeId(7),
        at: Wall(10_000_000 - 120_000),
        agent: "blue".to_owned(),
        turn: Some(3),
        tool: "Edit".to_owned(),
        ..Change::of(path(), Owner::Session("s".into(), None), Some(before), Some(after))
    };
    let over = Some("red".to_owned());
    ChangeLine { change, over, lines: Some((4, 2)), before_kept: true, undone_by: None }
}

/// What a question is answered with.
fn review(question: &Asked) -> Reviewed {
    match question {
        Asked::Changes(_) => Reviewed::Changes(ChangesPage { changes: vec![line()], more: true }),
        Asked::Rejected(_) => Reviewed::Rejected(vec![RejectedLine {
            number: 3,
            at: Wall(10_000_000),
            agent: "red".to_owned(),
            path: path(),
            tool: "Write".to_owned(),
            code: "STALE".to_owned(),
            lines: Some((1, 0)),
        }]),
        Asked::Difference(_) => {
            let lines = vec!["-a".to_owned(), "+b\x1b[31m".to_owned()];
            let hunk = Hunk { old_start: 1, old_lines: 1, new_start: 1, new_lines: 1, lines };
            Reviewed::Difference(FileDifference {
                path: path(),
                from: "before change 7".to_owned(),
                to: "after change 7".to_owned(),
                modes: None,
                hunks: vec![hunk],
                note: None,
            })
        }
        Asked::Blame(_) => {
            let origin = LineOrigin {
                change: ChangeId(7),
                agent: "blue".to_owned(),
                at: Wall(10_000_000 - 120_000),
            };
            Reviewed::Blame(FileBlame {
                path: path(),
                lines: vec!["old".to_owned(), "new".to_owned()],
                runs: vec![
                    BlameRun { first: 1, count: 1, origin: None },
                    BlameRun { first: 2, count: 1, origin: Some(origin) },
                ],
            })
        }
        Asked::Plan(_) => Reviewed::Revised(revised(Outcome::Planned)),
    }
}

/// Runs a command against an engine on whose files `outcome` is what becomes of a revision.
fn run(outcome: Outcome, args: &[&str]) -> (Ran, Vec<Command>) {
    let engine = FakeEngine::new(move |command, _| match command {
        Command::AskJournal { question } => Reply::Reviewed(review(question)),
        Command::Revise { .. } => Reply::Reviewed(Reviewed::Revised(revised(outcome.clone()))),
        other => panic!("{other:?}"),
    });
    let ran = scene().run_against(&engine, args);
    (ran, engine.heard())
}

fn asked(args: &[&str]) -> Command {
    let (ran, mut heard) = run(Outcome::Done, args);
    assert_eq!(ran.code, 0, "{args:?}: {}", ran.err);
    heard.pop().unwrap()
}

#[test]
fn changes_say_who_did_what_to_which_file_and_over_whom() {
    let (ran, _) = run(Outcome::Done, &["changes"]);
    assert_eq!(
        ran.out,
        "ID  WHEN   WHO   TURN  OP       LINES  PATH      OVER  WITH\n 7  2 min  blue     3  \
         changed  +4 −2  src/a.rs  red   Edit\n"
    );
    assert!(ran.err.contains("there are older ones"), "{}", ran.err);
    let row = &json_of(&run(Outcome::Done, &["changes", "--json"]).0)[0];
    for field in [
        "id", "path", "owner", "op", "at", "before", "after", "added", "removed", "turn", "refused",
    ] {
        assert!(!row[field].is_null(), "{field} is missing in {row}");
    }
    let rejected = &json_of(&run(Outcome::Done, &["changes", "--rejected", "--json"]).0)[0];
    assert_eq!((&rejected["rejected"], &rejected["refused"]), (&json!(3), &json!(true)));
}

#[test]
fn a_difference_is_a_unified_one_without_control_letters() {
    let (ran, heard) = run(Outcome::Done, &["diff", "7"]);
    assert_eq!(
        ran.out,
        "--- src/a.rs\t(before change 7)\n+++ src/a.rs\t(after change 7)\n@@ -1,1 +1,1 @@\n-a\n+b␛[31m\n"
    );
    let question = Asked::Difference(Compared::Change(ChangeId(7)));
    assert_eq!(heard, [Command::AskJournal { question }]);
    let file = asked(&["diff", "./../src/a.rs", "--from", "2"]);
    let (from, to) = (Some(ChangeId(2)), None);
    let question = Asked::Difference(Compared::File { path: path(), from, to });
    assert_eq!(file, Command::AskJournal { question });
    let (blame, _) = run(Outcome::Done, &["blame", "a.rs"]);
    assert_eq!(blame.out, "- before       1 old\n7 blue   2 min 2 new\n");
}

#[test]
fn a_revision_is_asked_for_as_it_is_meant() {
    let undo = |agent: &str, turn| Revision::UndoAgent { agent: agent.to_owned(), turn };
    let restore = |moment| Revision::Restore { path: path(), moment };
    for (args, revision) in [
        (&["undo", "7"][..], Revision::UndoChange(ChangeId(7))),
        (&["undo", "--agent", "blue"], undo("blue", None)),
        (&["undo", "--agent", "blue", "--turn", "3"], undo("blue", Some(3))),
        (&["restore", "a.rs"], restore(Moment::Last)),
        (&["restore", "a.rs", "--change", "7"], restore(Moment::Before(ChangeId(7)))),
        (&["restore", "a.rs", "--at", "7"], restore(Moment::After(ChangeId(7)))),
        (&["restore", "--rejected", "3"], Revision::Accept { rejected: 3, path: None }),
    ] {
        assert_eq!(asked(args), Command::Revise { revision: revision.clone() });
        let dry: Vec<&str> = args.iter().chain(&["--dry-run"]).copied().collect();
        let question = Asked::Plan(revision);
        assert_eq!(asked(&dry), Command::AskJournal { question }, "a dry run only asks");
    }
    for wrong in [&["undo"][..], &["undo", "7", "--turn", "2"], &["restore"], &["undo", "x"]] {
        assert_eq!(run(Outcome::Done, wrong).0.code, 2, "{wrong:?}");
    }
    let outside = run(Outcome::Done, &["blame", "../../x"]).0;
    assert_eq!(outside.code, 2);
    assert!(outside.err.contains("outside the workspace"), "{}", outside.err);
}

#[test]
fn a_file_that_is_left_alone_makes_the_exit_code_of_something_stale() {
    let why = Outcome::LeftAlone("the same lines were changed since (line 3)".to_owned());
    let (ran, _) = run(why, &["undo", "7"]);
    assert_eq!(ran.code, 4);
    assert!(ran.out.contains("src/a.rs is left alone: the same lines"), "{}", ran.out);
    let (done, _) = run(Outcome::Done, &["undo", "7"]);
    assert_eq!((done.code, done.out.as_str()), (0, "src/a.rs is done\n"));
}
