//! What is forgotten, what stays, and that grants do not wait for it.

use std::sync::mpsc;
use std::time::Duration;

use rusqlite::Connection;

use super::journal::{HOUR, blue, change, noise, now, path, stored};
use super::*;
use crate::history::read::{ChangeQuery, Scope};
use crate::history::record::LeaseRow;
use crate::history::{Keep, Pruned};
use crate::model::change::Change;
use crate::model::lease::LeaseState;
use crate::model::path::Hash;

/// Stores a change of `file` at `at` with a content of its own before and after.
fn edit(place: &Place, file: &str, at: i64, sizes: (usize, usize)) -> (Vec<Record>, [Hash; 2]) {
    let seed = u64::try_from(at).unwrap();
    let (before, first) = place.take(file, &noise(seed * 2, sizes.0));
    let (after, second) = place.take(file, &noise(seed * 2 + 1, sizes.1));
    let change = Change {
        at: Wall(at),
        ..Change::of(path(file), blue(None), Some(before.into()), Some(after.into()))
    };
    let records = first.into_iter().chain(second).chain([stored(change)]);
    (records.collect(), [before, after])
}

#[test]
fn what_is_too_old_is_forgotten_and_what_is_needed_stays() {
    let place = Place::new();
    let (old, old_hashes) = edit(&place, "a", 10 * HOUR, (100, 50_000));
    let (new, new_hashes) = edit(&place, "a", 30 * HOUR, (50_000, 100));
    // The old text is needed once more, and an agent was shown another one.
    let again = Change {
        at: Wall(31 * HOUR),
        ..Change::of(path("b"), blue(None), None, Some(old_hashes[1].into()))
    };
    let (shown, shown_record) = place.take("c", b"shown");
    let knows = Record::Knows {
        workspace: "/w".to_owned(),
        owner: blue(None),
        path: path("c"),
        knows: Some((shown, "full".to_owned())),
    };
    let store = place.open();
    let all = [old, new, vec![stored(again), shown_record.unwrap(), knows]];
    store.blocking_queue(all.concat()).unwrap();
    store.flush().wait().unwrap();
    let conn = Connection::open(place.path()).unwrap();
    conn.execute("UPDATE blob SET at = ?1", [10 * HOUR]).unwrap();
    let keep = Keep { age: Duration::from_secs(12 * 3600), bytes: u64::MAX };
    let pruned = place.prune(&store, keep, 40 * HOUR);
    assert_eq!(pruned, Pruned { changes: 1, proposals: 0, contents: 1, bytes: 100 });
    let reader = place.read();
    assert_eq!(reader.blob(old_hashes[0]).unwrap(), None);
    for hash in [old_hashes[1], new_hashes[0], new_hashes[1], shown] {
        assert!(reader.blob(hash).unwrap().is_some());
    }
    assert_eq!(place.page(Scope::All, None, 9).0, ["b", "a"]);
    assert_eq!(place.prune(&store, keep, 40 * HOUR), Pruned::default());
}

#[test]
fn beyond_the_limit_of_room_the_oldest_go_with_their_files() {
    let place = Place::new();
    let store = place.open();
    let mut hashes = Vec::new();
    // A hundred changes of 2 × 20 kB each, and something large that only an agent's knowledge
    // names.
    for n in 0..100 {
        let (records, both) = edit(&place, &format!("f{n}"), n + 1, (20_000, 20_000));
        store.blocking_queue(records).unwrap();
        hashes.push(both);
    }
    let (shown, record) = place.take("c", &noise(9_999, 5_000_000));
    let knows = Record::Knows {
        workspace: "/w".to_owned(),
        owner: blue(None),
        path: path("c"),
        knows: Some((shown, "full".to_owned())),
    };
    store.blocking_queue(vec![record.unwrap(), knows]).unwrap();
    store.flush().wait().unwrap();
    let keep = Keep { age: Duration::from_secs(1 << 40), bytes: 2_100_000 };
    assert_eq!(place.prune(&store, keep, now()), Pruned::default(), "it is all young");
    let later = now() + 2 * HOUR;
    let pruned = place.prune(&store, keep, later);
    assert_eq!((pruned.changes, pruned.contents), (50, 100), "{pruned:?}");
    assert_eq!(place.files().len(), 101);
    let reader = place.read();
    for (n, both) in hashes.iter().enumerate() {
        for hash in both {
            assert_eq!(reader.blob(*hash).unwrap().is_some(), n >= 50, "{n}");
        }
    }
    assert!(reader.blob(shown).unwrap().is_some());
    assert_eq!(place.prune(&store, keep, later), Pruned::default());
}

#[test]
fn grants_are_stored_between_the_slices() {
    let place = Place::new();
    let store = place.open();
    let many = (0..20_000).map(|n| stored(change(blue(None), 1, &format!("f{n}"), n)));
    store.blocking_queue(many.collect()).unwrap();
    store.flush().wait().unwrap();
    let (sender, ended) = mpsc::channel();
    let keep = Keep { age: Duration::from_secs(3600), bytes: u64::MAX };
    std::thread::scope(|scope| {
        scope.spawn(|| sender.send(place.prune(&store, keep, now())));
        let mut granted = 0;
        let pruned = loop {
            let lease = Record::Lease(LeaseRow {
                workspace: "/w".to_owned(),
                path: "a".to_owned(),
                owner: blue(None),
                state: LeaseState::Inflight,
                since: Wall(0),
                until: None,
                reason: String::new(),
                process: None,
            });
            let (sender, stored) = mpsc::channel();
            store.queue_now(vec![lease], Box::new(move |result| sender.send(result).unwrap()));
            stored.recv().unwrap().unwrap();
            if let Ok(pruned) = ended.try_recv() {
                break pruned;
            }
            granted += 1;
        };
        assert_eq!(pruned.changes, 20_000);
        assert!(granted > 5, "only {granted} grants were stored meanwhile");
    });
}

#[test]
fn a_content_that_another_process_has_forgotten_comes_back_as_itself() {
    let place = Place::new();
    let (mine, other) = (place.open(), place.open());
    let names = |name: &str| {
        let gone = Change { at: Wall(0), ..change(blue(None), 1, name, 0) };
        stored(gone)
    };
    mine.blocking_queue(vec![names("a"), names("b")]).unwrap();
    mine.flush().wait().unwrap();
    let keep = Keep { age: Duration::from_secs(3600), bytes: u64::MAX };
    assert_eq!(place.prune(&other, keep, now()).changes, 2);
    other.blocking_queue(vec![names("c"), names("d")]).unwrap();
    other.flush().wait().unwrap();
    mine.blocking_queue(vec![names("b"), names("a")]).unwrap();
    mine.flush().wait().unwrap();
    let query = ChangeQuery { scope: Scope::All, before: None, limit: 9 };
    for found in place.read().changes("/w", &query).unwrap().changes {
        assert_eq!(found.after.unwrap().hash, Hash::of(found.path.as_str().as_bytes()));
    }
}
