//! The journal in the history: changes, refused writes, contents, and what is forgotten.

use std::io::ErrorKind;
use std::time::Duration;

use super::*;
use crate::history::contents::{Contents, Point};
use crate::history::read::{ChangeQuery, Scope};
use crate::history::record::{ChangeRow, ProposalRow};
use crate::history::{Keep, Pruned, StoreError};
use crate::model::change::{Change, Image};
use crate::model::id::ChangeId;
use crate::model::lease::Owner;
use crate::model::path::{Hash, WorkPath};

pub(super) const HOUR: i64 = 60 * 60 * 1000;

pub(super) fn path(raw: &str) -> WorkPath {
    WorkPath::parse(raw).unwrap()
}

pub(super) fn blue(sub: Option<&str>) -> Owner {
    Owner::Session(id("blue"), sub.map(Into::into))
}

pub(super) fn hash(text: &str) -> Hash {
    Hash::of(text.as_bytes())
}

/// A change of `file` from nothing to its own name.
pub(super) fn change(owner: Owner, turn: u32, file: &str, at: i64) -> Change {
    Change {
        at: Wall(at),
        turn: Some(turn),
        ..Change::of(path(file), owner, None, Some(hash(file).into()))
    }
}

pub(super) fn stored(change: Change) -> Record {
    Record::Change(Box::new(ChangeRow { workspace: "/w".to_owned(), change }))
}

pub(super) fn now() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

impl Place {
    pub(super) fn contents(&self) -> Contents {
        Contents::beside(&self.path())
    }

    /// The paths of a page of changes, and whether there are more.
    pub(super) fn page(
        &self,
        scope: Scope,
        before: Option<u64>,
        limit: usize,
    ) -> (Vec<String>, bool) {
        let query = ChangeQuery { scope, before: before.map(ChangeId), limit };
        let page = self.read().changes("/w", &query).unwrap();
        let paths = page.changes.iter().map(|change| change.path.to_string());
        (paths.collect(), page.more)
    }

    pub(super) fn take(&self, name: &str, bytes: &[u8]) -> (Hash, Option<Record>) {
        let mut bytes = bytes;
        let taken = self.contents().take(&path(name), &mut bytes).unwrap();
        (taken.hash, taken.record)
    }

    /// The names of all files of contents.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut open = vec![self.path().with_file_name("history.db-blobs")];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => open.push(entry.path()),
                    false if entry.file_name() == "lock" => {}
                    false => found.push(entry.path()),
                }
            }
        }
        found
    }

    pub(super) fn prune(&self, store: &Store, keep: Keep, now: i64) -> Pruned {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(store.prune_journal(keep, Wall(now))).unwrap()
    }
}

/// Bytes that do not get smaller.
pub(super) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut ids = crate::model::id::IdSource::new(seed);
    (0..length).map(|_| ids.number().to_le_bytes()[0]).collect()
}

#[test]
fn the_last_change_of_each_file_is_found() {
    let place = Place::new();
    let again = Change { after: Some(hash("again").into()), ..change(blue(None), 2, "b", 3) };
    place.store(vec![
        stored(change(blue(None), 1, "b", 1)),
        stored(change(Owner::User, 1, "a", 2)),
        stored(again.clone()),
        stored(Change { after: None, ..change(blue(Some("x")), 2, "c", 4) }),
    ]);
    let last = |files| {
        let found = place.read().last_changes("/w", files).unwrap();
        found.into_iter().map(|c| (c.path.to_string(), c.owner.key(), c.after)).collect::<Vec<_>>()
    };
    let row = |file: &str, owner: &str, after| (file.to_owned(), owner.to_owned(), after);
    let (b, c) = (row("b", "blue", again.after), row("c", "blue/x", None));
    assert_eq!(last(9), [row("a", "user", Some(hash("a").into())), b.clone(), c.clone()]);
    assert_eq!(last(2), [b, c]);
    assert_eq!(place.read().last_changes("/x", 9).unwrap(), []);
}

#[test]
fn a_change_comes_back_as_it_was_stored() {
    let place = Place::new();
    let full = Change {
        id: ChangeId(0),
        at: Wall(7),
        owner: blue(Some("sub")),
        agent: "blue".to_owned(),
        turn: Some(3),
        tool: "mv a b".to_owned(),
        path: path("b"),
        from: Some(path("a")),
        before: Some(Image { hash: hash("x"), mode: Some(0o100644) }),
        after: Some(Image { hash: hash("y"), mode: Some(0o100755) }),
        over: Some(Owner::User),
        reverts: vec![ChangeId(4), ChangeId(9)],
        serial: Some(12),
    };
    let bare = Change::of(path("c"), Owner::External, None, Some(hash("z").into()));
    place.store(vec![stored(full.clone()), stored(bare.clone()), stored(full.clone())]);
    let query = ChangeQuery { scope: Scope::All, before: None, limit: 9 };
    let page = place.read().changes("/w", &query).unwrap();
    // The same serial number stands for the same change.
    let (first, second) = (Change { id: ChangeId(1), ..full }, Change { id: ChangeId(2), ..bare });
    assert_eq!(page.changes, [second, first.clone()]);
    assert_eq!(place.read().change("/w", ChangeId(1)).unwrap(), Some(first));
    assert_eq!(place.read().change("/x", ChangeId(1)).unwrap(), None);
    assert_eq!(place.read().changes("/x", &query).unwrap().changes, []);
    assert_eq!(place.read().last_serial("/w").unwrap(), Some(12));
    assert_eq!(place.read().last_serial("/x").unwrap(), None);
}

#[test]
fn what_a_tool_was_called_with_is_masked() {
    let place = Place::new();
    let tool = "API_KEY='a1b2c3d4e5f6' ./deploy";
    let change = Change { tool: tool.to_owned(), ..change(blue(None), 1, "a", 1) };
    place.store(vec![stored(change)]);
    let found = place.read().change("/w", ChangeId(1)).unwrap().unwrap();
    assert!(found.tool.contains(crate::history::mask::MASK), "{}", found.tool);
}

#[test]
fn changes_are_found_by_agent_turn_file_and_time() {
    let place = Place::new();
    let renamed = Change { from: Some(path("old")), ..change(blue(None), 2, "new", 50) };
    place.store(vec![
        stored(change(blue(None), 1, "a", 10)),
        stored(change(blue(Some("sub")), 1, "b", 20)),
        stored(change(Owner::User, 1, "a", 30)),
        stored(change(blue(None), 2, "old", 40)),
        stored(renamed),
    ]);
    let all = |scope| place.page(scope, None, 9).0;
    assert_eq!(all(Scope::All), ["new", "old", "a", "b", "a"]);
    assert_eq!(all(Scope::By(blue(None))), ["new", "old", "b", "a"]);
    assert_eq!(all(Scope::By(blue(Some("sub")))), ["b"]);
    assert_eq!(all(Scope::By(Owner::User)), ["a"]);
    assert_eq!(all(Scope::By(Owner::External)), [""; 0]);
    assert_eq!(all(Scope::Turn(id("blue"), 1)), ["b", "a"]);
    assert_eq!(all(Scope::File(path("old"))), ["new", "old"]);
    assert_eq!(all(Scope::File(path("a"))), ["a", "a"]);
    assert_eq!(all(Scope::Between(Wall(20), Wall(40))), ["a", "b"]);
}

#[test]
fn pages_follow_one_another_without_gap_or_repetition() {
    let place = Place::new();
    // The clock went back once.
    let at = |n: i64| if n == 5 { 1 } else { n };
    let changes = (1..=7).map(|n| stored(change(blue(None), 1, &format!("{n}"), at(n))));
    place.store(changes.collect());
    assert!(!place.page(Scope::All, None, 7).1);
    for scope in [Scope::All, Scope::By(blue(None)), Scope::Between(Wall(0), Wall(9))] {
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let query = ChangeQuery { scope: scope.clone(), before, limit: 3 };
            let page = place.read().changes("/w", &query).unwrap();
            seen.extend(page.changes.iter().map(|change| (change.at.0, change.id.0)));
            before = page.changes.last().map(|change| change.id);
            if !page.more {
                break;
            }
        }
        let mut sorted: Vec<(i64, u64)> = (1..=7).map(|n| (at(n as i64), n)).collect();
        match scope {
            Scope::Between(..) => sorted.sort(),
            Scope::All | Scope::By(_) | Scope::Turn(..) | Scope::File(_) => {}
        }
        sorted.reverse();
        assert_eq!(seen, sorted, "{scope:?}");
    }
}

#[test]
fn a_file_is_followed_through_its_renames() {
    let place = Place::new();
    let rename = |from: &str, to: &str| {
        stored(Change { from: Some(path(from)), ..change(blue(None), 1, to, 1) })
    };
    let edit = |file: &str| stored(change(Owner::User, 1, file, 1));
    place.store(vec![edit("a"), edit("x"), rename("a", "b"), rename("b", "c"), edit("c")]);
    let ids = |file: &str| -> Vec<u64> {
        let found = place.read().involved("/w", [&path(file)]).unwrap();
        found.iter().map(|change| change.id.0).collect()
    };
    assert_eq!(ids("a"), [1, 3, 4, 5]);
    assert_eq!(ids("c"), [1, 3, 4, 5]);
    assert_eq!(ids("x"), [2]);
}

#[test]
fn a_refused_write_is_kept_with_its_text() {
    let place = Place::new();
    let (hash, record) = place.take("a", b"what I meant\n");
    let row = |n: i64, file: &str| ProposalRow {
        n,
        workspace: "/w".to_owned(),
        at: Wall(5),
        owner: blue(None),
        agent: "blue".to_owned(),
        path: path(file),
        tool: "Write".to_owned(),
        code: "STALE".to_owned(),
        hash,
        base: (n == 2).then_some(hash),
    };
    let proposal = |n, file| Record::Proposal(Box::new(row(n, file)));
    place.store(vec![record.unwrap(), proposal(1, "a"), proposal(2, "b"), proposal(3, "a")]);
    let reader = place.read();
    let found = |file: Option<&str>, before, limit| {
        reader.proposals("/w", file.map(path).as_ref(), before, limit).unwrap()
    };
    assert_eq!(found(None, None, 9), [row(3, "a"), row(2, "b"), row(1, "a")]);
    assert_eq!(found(Some("a"), None, 1), [row(3, "a")]);
    assert_eq!(found(Some("a"), Some(3), 9), [row(1, "a")]);
    assert_eq!(reader.proposals("/x", None, None, 9).unwrap(), []);
    assert_eq!(reader.blob(hash).unwrap().as_deref(), Some(&b"what I meant\n"[..]));
}

#[test]
fn contents_of_every_size_come_back() {
    let place = Place::new();
    for length in [0, 1, 16 * 1024, 16 * 1024 + 1, 3_000_000] {
        let bytes = noise(length as u64, length);
        let (hash, record) = place.take("a.bin", &bytes);
        assert_eq!(hash, Hash::of(&bytes));
        let in_file = matches!(record, Some(Record::BlobFile { .. }));
        assert_eq!(in_file, length > 16 * 1024, "{length}");
        assert_eq!(place.files().len(), usize::from(in_file) * (1 + usize::from(length > 20_000)));
        place.store(vec![record.unwrap()]);
        assert!(place.read().blob(hash).unwrap() == Some(bytes), "{length}");
    }
    use std::os::unix::fs::PermissionsExt;
    for file in place.files() {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let folder = file.parent().unwrap().metadata().unwrap();
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn a_secret_is_hashed_and_goes_nowhere() {
    let place = Place::new();
    let bytes = noise(1, 100_000);
    for name in [".env", "deploy/.env.production", "tls.pem", "id_rsa"] {
        assert_eq!(place.take(name, &bytes), (Hash::of(&bytes), None), "{name}");
        assert_eq!(place.files(), Vec::<PathBuf>::new(), "{name}");
    }
}

#[test]
fn a_content_whose_file_is_gone_or_spoilt_is_damage_and_no_row_is_made_for_one() {
    let place = Place::new();
    let (hash, record) = place.take("a", &noise(1, 50_000));
    place.store(vec![record.clone().unwrap()]);
    let file = place.files().remove(0);
    std::fs::write(&file, zstd::encode_all(&b"another"[..], 1).unwrap()).unwrap();
    assert!(matches!(place.read().blob(hash), Err(StoreError::Damaged { .. })));
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(place.read().blob(hash), Err(StoreError::Damaged { .. })));
    let other = Place::new();
    let store = other.open();
    store.blocking_queue(vec![record.unwrap()]).unwrap();
    store.flush().wait().unwrap();
    assert_eq!(store.health().rejected, 1);
    assert_eq!(other.read().blob(hash).unwrap(), None);
}

#[test]
fn a_crash_while_a_content_is_taken_in_leaves_nothing_half_and_pruning_tidies_up() {
    for stop in [Point::Begun, Point::Written, Point::Synced, Point::Named] {
        let place = Place::new();
        let bytes = noise(3, 60_000);
        let contents = place.contents();
        let crash = std::io::Error::from(ErrorKind::Interrupted);
        let mut crash = Some(crash);
        let taken = contents.take_until(&path("a"), &mut &bytes[..], &mut |at| {
            if at == stop { Err(crash.take().unwrap()) } else { Ok(()) }
        });
        assert!(taken.is_err(), "{stop:?}");
        assert_eq!(place.files().len(), 1, "{stop:?}");
        let store = place.open();
        assert_eq!(place.read().blob(Hash::of(&bytes)).unwrap(), None, "{stop:?}");
        let keep = Keep { age: Duration::from_secs(1), bytes: 0 };
        // A young file may be one that is about to be named.
        place.prune(&store, keep, now());
        assert_eq!(place.files().len(), 1, "{stop:?}");
        let (hash, record) = place.take("a", &bytes);
        store.blocking_queue(vec![record.unwrap()]).unwrap();
        store.flush().wait().unwrap();
        assert!(place.read().blob(hash).unwrap() == Some(bytes.clone()), "{stop:?}");
        let file = place.contents().file(hash);
        place.prune(&store, keep, now() + 3 * HOUR);
        assert_eq!(place.files().len(), 0, "{stop:?}: {file:?}");
    }
}
