//! Changes made and taken back through a whole engine, on real files.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test looks for one answer of many")]

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::engine::boot::{Boot, boot};
use crate::engine::command::{Command, Reply};
use crate::engine::event::{ToClient, ToEngine};
use crate::engine::link::Link;
use crate::engine::run::Engine;
use crate::history::Reader;
use crate::model::review::{Answer, ChangesPage, Compared, Question};

/// A running engine on a tree, and a link to it.
struct Tree {
    home: TempDir,
    engine: Engine,
    link: Link,
    asked: u64,
}

impl Tree {
    fn with(files: &[(&str, &[u8])]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("tree");
        fs::create_dir(&root).unwrap();
        for (name, bytes) in files {
            fs::write(root.join(name), bytes).unwrap();
        }
        let wish = Boot { wait_ms: 0, ..Boot::new(&root, &home.path().join("history.db")) };
        let engine = boot(wish).unwrap();
        let link = engine.connector().connect();
        Self { home, engine, link, asked: 0 }
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.home.path().join("tree").join(name)
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.at(name)).ok()
    }

    async fn ask(&mut self, command: Command) -> Reply {
        self.asked += 1;
        let id = self.asked;
        self.link.commands.send(ToEngine { id, command }).await.unwrap();
        loop {
            match self.link.events.recv().await.unwrap() {
                ToClient::Reply { id: of, reply } if of == id => return reply,
                ToClient::Reply { .. }
                | ToClient::Hello { .. }
                | ToClient::Snapshot(_)
                | ToClient::Behind
                | ToClient::Event { .. } => {}
            }
        }
    }

    async fn call(&mut self, name: &str, tool: &str, input: Value) -> Value {
        let (name, tool) = (name.to_owned(), tool.to_owned());
        match self.ask(Command::CallTool { name, tool, input }).await {
            Reply::Tool(result) => result,
            other => panic!("{other:?}"),
        }
    }

    /// An agent reads a file and edits it.
    async fn edit(&mut self, name: &str, path: &str, old: &str, new: &str) {
        self.call(name, "read_file", json!({ "path": path })).await;
        let edit = json!({ "path": path, "old": old, "new": new });
        let done = self.call(name, "edit_file", edit).await;
        assert_eq!(done["code"], "OK", "{done}");
    }

    async fn changes(&mut self) -> ChangesPage {
        match self.question(Question::Changes(Wanted::default())).await {
            Ok(Answer::Changes(page)) => page,
            other => panic!("{other:?}"),
        }
    }

    async fn question(&mut self, question: Question) -> Result<Answer, Failure> {
        answered(self.ask(Command::AskJournal { question }).await)
    }

    /// Carries something out; the files with what became of them.
    async fn revise(&mut self, revision: Revision) -> Result<Vec<(String, Outcome)>, Failure> {
        match answered(self.ask(Command::Revise { revision }).await)? {
            Answer::Revised(done) => Ok(done
                .files
                .into_iter()
                .map(|file| (file.path.to_string(), file.outcome))
                .collect()),
            other => panic!("{other:?}"),
        }
    }

    /// Everything that the history holds, as bytes on the disk.
    async fn end(mut self) -> TempDir {
        self.ask(Command::Shutdown).await;
        drop(self.link);
        self.engine.ended().await.unwrap();
        self.home
    }
}

fn answered(reply: Reply) -> Result<Answer, Failure> {
    match reply {
        Reply::Reviewed(answer) => Ok(answer),
        Reply::Failed(failure) => Err(failure),
        other => panic!("{other:?}"),
    }
}

fn path(raw: &str) -> WorkPath {
    WorkPath::parse(raw).unwrap()
}

fn done(name: &str) -> Vec<(String, Outcome)> {
    vec![(name.to_owned(), Outcome::Done)]
}

#[tokio::test]
async fn undoing_what_was_done_leaves_the_tree_as_it_was() {
    let mut tree = Tree::with(&[("a", b"one\ntwo\nthree\n")]);
    tree.edit("blue", "a", "two", "TWO").await;
    tree.call("blue", "write_file", json!({ "path": "b", "content": "new\n" })).await;
    let revision = Revision::UndoAgent { agent: "blue".to_owned(), turn: None };
    let plan = tree.question(Question::Plan(revision.clone())).await.unwrap();
    let Answer::Revised(plan) = plan else { panic!("{plan:?}") };
    assert_eq!(plan.counts(), (2, 0));
    assert_eq!(tree.read("a").unwrap(), b"one\nTWO\nthree\n", "a dry run touches nothing");
    let files = tree.revise(revision).await.unwrap();
    assert!(files.iter().all(|(_, outcome)| *outcome == Outcome::Done), "{files:?}");
    assert_eq!(tree.read("a").unwrap(), b"one\ntwo\nthree\n");
    assert_eq!(tree.read("b"), None);
    let page = tree.changes().await;
    let own = page.changes.iter().filter(|line| line.change.owner == Owner::User).count();
    assert_eq!((own, page.changes.len()), (2, 4), "what was undone is journaled too: {page:#?}");
    assert_eq!(tree.changes().await.changes.iter().filter(|l| l.undone_by.is_some()).count(), 2);
    // And an undo is taken back like anything else.
    let undo = page.changes.iter().find(|line| line.change.path == path("a")).unwrap().change.id;
    assert_eq!(tree.revise(Revision::UndoChange(undo)).await.unwrap(), done("a"));
    assert_eq!(tree.read("a").unwrap(), b"one\nTWO\nthree\n");
    tree.end().await;
}

#[tokio::test]
async fn what_others_wrote_since_stays() {
    let mut tree = Tree::with(&[("a", b"1\n2\n3\n4\n5\n")]);
    tree.edit("blue", "a", "1", "one").await;
    tree.edit("red", "a", "5", "five").await;
    tree.edit("red", "a", "4", "four").await;
    assert_eq!(tree.revise(Revision::UndoChange(ChangeId(1))).await.unwrap(), done("a"));
    assert_eq!(tree.read("a").unwrap(), b"1\n2\n3\nfour\nfive\n");
    tree.edit("blue", "a", "four", "vier").await;
    let left = tree.revise(Revision::UndoChange(ChangeId(3))).await.unwrap();
    assert!(matches!(&left[..], [(_, Outcome::LeftAlone(_))]), "{left:?}");
    assert_eq!(tree.read("a").unwrap(), b"1\n2\n3\nvier\nfive\n");
    tree.end().await;
}

#[tokio::test]
async fn a_file_that_is_no_text_comes_back_byte_for_byte() {
    let bytes: Vec<u8> =
        (0..400_000u32).flat_map(|n| n.wrapping_mul(747_796_405).to_be_bytes()).collect();
    let mut tree = Tree::with(&[("picture", &bytes)]);
    let base = Hash::of(&bytes).to_hex();
    let write = json!({ "path": "picture", "content": "gone\n", "base": base });
    assert_eq!(tree.call("user", "write_file", write).await["code"], "OK");
    let restore = Revision::Restore { path: path("picture"), moment: Moment::Before(ChangeId(1)) };
    assert_eq!(tree.revise(restore).await.unwrap(), done("picture"));
    assert!(tree.read("picture").unwrap() == bytes);
    let undo = tree.changes().await.changes[0].change.id;
    assert_eq!(tree.revise(Revision::UndoChange(undo)).await.unwrap(), done("picture"));
    assert_eq!(tree.read("picture").unwrap(), b"gone\n");
    tree.end().await;
}

#[tokio::test]
async fn a_file_that_was_deleted_comes_back() {
    let mut tree = Tree::with(&[]);
    let write = json!({ "path": "src/a", "content": "fn a() {}" });
    assert_eq!(tree.call("blue", "write_file", write).await["code"], "OK");
    assert_eq!(tree.revise(Revision::UndoChange(ChangeId(1))).await.unwrap(), done("src/a"));
    assert_eq!(tree.read("src/a"), None);
    let lost = Wanted { lost: true, ..Wanted::default() };
    let Ok(Answer::Changes(lost)) = tree.question(Question::Changes(lost)).await else {
        panic!("no list")
    };
    assert_eq!(lost.changes.len(), 1);
    let restore = Revision::Restore { path: path("src/a"), moment: Moment::Last };
    assert_eq!(tree.revise(restore).await.unwrap(), done("src/a"));
    assert_eq!(tree.read("src/a").unwrap(), b"fn a() {}");
    tree.end().await;
}

#[tokio::test]
async fn a_file_that_somebody_holds_is_left_alone() {
    let mut tree = Tree::with(&[("a", b"one\n")]);
    tree.edit("blue", "a", "one", "two").await;
    let reserve = json!({ "paths": ["a"], "minutes": 5 });
    assert_eq!(tree.call("red", "reserve_files", reserve).await["code"], "OK");
    let left = tree.revise(Revision::UndoChange(ChangeId(1))).await.unwrap();
    assert!(matches!(&left[..], [(_, Outcome::LeftAlone(why))] if why.contains("red")), "{left:?}");
    assert_eq!(tree.read("a").unwrap(), b"two\n");
    tree.end().await;
}

#[tokio::test]
async fn a_secret_is_never_stored() {
    let mut tree = Tree::with(&[(".env", b"PASSWORD=correct-horse\n")]);
    tree.edit("blue", ".env", "correct-horse", "battery-staple").await;
    let difference = Question::Difference(Compared::Change(ChangeId(1)));
    let Ok(Answer::Difference(difference)) = tree.question(difference).await else {
        panic!("no difference")
    };
    assert!(difference.hunks.is_empty() && difference.note.unwrap().contains("secret"));
    let left = tree.revise(Revision::UndoChange(ChangeId(1))).await.unwrap();
    assert!(matches!(&left[..], [(_, Outcome::LeftAlone(_))]), "{left:?}");
    let home = tree.end().await;
    let reader = Reader::open(&home.path().join("history.db")).unwrap();
    for text in ["PASSWORD=correct-horse\n", "PASSWORD=battery-staple\n"] {
        assert_eq!(reader.blob(Hash::of(text.as_bytes())).unwrap(), None);
    }
    for entry in fs::read_dir(home.path()).unwrap().map(Result::unwrap) {
        let Ok(bytes) = fs::read(entry.path()) else { continue };
        for word in ["correct-horse", "battery-staple"] {
            let found = bytes.windows(word.len()).any(|part| part == word.as_bytes());
            assert!(!found, "{word} is in {}", entry.path().display());
        }
    }
}

#[tokio::test]
async fn a_number_that_means_nothing_says_what_to_do() {
    let mut tree = Tree::with(&[("a", b"one\n"), ("b", b"one\n")]);
    tree.edit("blue", "a", "one", "two").await;
    for revision in [
        Revision::UndoChange(ChangeId(99)),
        Revision::UndoAgent { agent: "nobody".to_owned(), turn: None },
        Revision::UndoAgent { agent: "blue".to_owned(), turn: Some(7) },
        Revision::Restore { path: path("b"), moment: Moment::Before(ChangeId(1)) },
        Revision::Restore { path: path("b"), moment: Moment::Last },
        Revision::Accept { rejected: 4, path: None },
    ] {
        let failure = tree.revise(revision.clone()).await.unwrap_err();
        assert!(failure.hint.is_some_and(|hint| hint.contains("benchdog")), "{revision:?}");
    }
    tree.end().await;
}

#[tokio::test]
async fn a_rejected_write_can_be_shown_and_written_after_all() {
    let mut tree = Tree::with(&[("a", b"one\ntwo\n")]);
    for name in ["blue", "red"] {
        tree.call(name, "read_file", json!({ "path": "a" })).await;
    }
    tree.edit("blue", "a", "two", "TWO").await;
    let write = json!({ "path": "a", "content": "one\n2\n" });
    assert_eq!(tree.call("red", "write_file", write).await["code"], "STALE");
    // It is kept beside the loop.
    let rejected = loop {
        match tree.question(Question::Rejected(Wanted::default())).await {
            Ok(Answer::Rejected(lines)) if lines.is_empty() => {}
            Ok(Answer::Rejected(mut lines)) => break lines.remove(0),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((rejected.agent.as_str(), rejected.code.as_str()), ("red", "STALE"));
    assert_eq!(rejected.lines, Some((1, 1)), "against what red had seen");
    let question = Question::Difference(Compared::Rejected(rejected.number));
    let Ok(Answer::Difference(shown)) = tree.question(question).await else {
        panic!("no difference")
    };
    assert_eq!(shown.hunks[0].lines, [" one", "-two", "+2"]);
    let elsewhere = Revision::Accept { rejected: rejected.number, path: Some(path("b")) };
    assert_eq!(tree.revise(elsewhere).await.unwrap(), done("b"));
    assert_eq!(tree.read("b").unwrap(), b"one\n2\n");
    assert_eq!(tree.read("a").unwrap(), b"one\nTWO\n");
    // After a stale write the file is kept for its writer a while.
    assert_eq!(tree.call("red", "release_files", json!({})).await["code"], "OK");
    let here = Revision::Accept { rejected: rejected.number, path: None };
    assert_eq!(tree.revise(here).await.unwrap(), done("a"));
    assert_eq!(tree.read("a").unwrap(), b"one\n2\n");
    tree.end().await;
}

/// A history with these changes: the session, its name, the file, and what it became.
fn history_of(changes: &[(&str, &str, &str, &str)]) -> (TempDir, std::path::PathBuf) {
    use crate::history::Store;
    use crate::history::record::{ChangeRow, Record};
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("tree");
    fs::create_dir(&root).unwrap();
    let store = Store::open(&home.path().join("history.db")).unwrap();
    for (session, agent, file, text) in changes {
        let hash = Hash::of(text.as_bytes());
        fs::write(root.join(file), text).unwrap();
        let owner = Owner::Session((*session).into(), None);
        let change = Change {
            agent: (*agent).to_owned(),
            ..Change::of(path(file), owner, None, Some(hash.into()))
        };
        let workspace = root.to_str().unwrap().to_owned();
        let blob = Record::Blob { hash, bytes: text.as_bytes().into() };
        let change = Record::Change(Box::new(ChangeRow { workspace, change }));
        store.blocking_queue(vec![blob, change]).unwrap();
    }
    store.close().unwrap();
    (home, root)
}

#[test]
fn of_several_sessions_of_one_name_the_person_names_one() {
    let (first, second) = ("0190aaaa-1111", "0190bbbb-2222");
    let (home, root) = history_of(&[
        (first, "blue", "a", "one\n"),
        (first, "blue", "b", "one\n"),
        (second, "blue", "c", "two\n"),
        ("0190cccc-3333", "red", "d", "three\n"),
    ]);
    let review = Review::open(&home.path().join("history.db"), &root).unwrap();
    let undo = |agent: &str, turn| {
        let planned = plan(&review, &Revision::UndoAgent { agent: agent.to_owned(), turn })?;
        let files = planned.steps.iter().map(|step| step.path.to_string());
        Ok::<_, Failure>(files.collect::<Vec<_>>())
    };
    let failure = undo("blue", None).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Usage);
    let listed = format!("{second} (1 change, the last is 3), {first} (2 changes, the last is 2)");
    assert!(failure.message.contains(&listed), "{failure:?}");
    assert!(failure.hint.is_some_and(|hint| hint.contains("undo --agent ID")));
    assert_eq!(undo(first, None).unwrap(), ["a", "b"]);
    assert_eq!(undo("0190bbbb", None).unwrap(), ["c"], "the beginning of an id is enough");
    assert_eq!(undo("red", None).unwrap(), ["d"]);
    let failure = undo("0190", None).unwrap_err();
    assert!(failure.message.contains("no change of an agent called 0190"), "{failure:?}");
}

#[tokio::test]
async fn permissions_come_back_and_are_a_change_of_their_own() {
    let mut tree = Tree::with(&[("run.sh", b"#!/bin/sh\n")]);
    let mode = |tree: &Tree| fs::metadata(tree.at("run.sh")).unwrap().permissions().mode() & 0o777;
    let chmod = |tree: &Tree, mode| {
        fs::set_permissions(tree.at("run.sh"), fs::Permissions::from_mode(mode)).unwrap();
    };
    chmod(&tree, 0o755);
    tree.edit("blue", "run.sh", "sh", "bash").await;
    assert_eq!(mode(&tree), 0o755, "a write keeps them");
    // Somebody outside takes them away, as a copy over the file does.
    chmod(&tree, 0o644);
    let moment = Moment::Before(tree.changes().await.changes[0].change.id);
    tree.revise(Revision::Restore { path: path("run.sh"), moment }).await.unwrap();
    assert_eq!((mode(&tree), &tree.read("run.sh").unwrap()[..]), (0o755, &b"#!/bin/sh\n"[..]));
    // The same content with other permissions is something to bring back, too.
    chmod(&tree, 0o644);
    tree.revise(Revision::Restore { path: path("run.sh"), moment }).await.unwrap();
    assert_eq!(mode(&tree), 0o755);
    let page = tree.changes().await;
    let last = &page.changes[0].change;
    assert_eq!(last.only_modes(), Some((0o100_644, 0o100_755)), "{last:?}");
    let shown = tree.question(Question::Difference(Compared::Change(last.id))).await.unwrap();
    let Answer::Difference(shown) = shown else { panic!("{shown:?}") };
    assert_eq!(shown.modes, Some((0o100_644, 0o100_755)));
    let undone = tree.revise(Revision::UndoChange(last.id)).await.unwrap();
    assert_eq!((undone, mode(&tree)), (done("run.sh"), 0o644));
    let again = tree.revise(Revision::UndoChange(last.id)).await;
    assert!(again.is_err_and(|failure| failure.message.contains("taken back already")));
    tree.end().await;
}
