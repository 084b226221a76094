//! The journal of former versions, brought up to date.

use std::time::Duration;

use rusqlite::Connection;

use super::journal::{HOUR, blue, change, hash, path, stored};
use super::*;
use crate::history::Keep;
use crate::history::read::{ChangeQuery, Scope};
use crate::history::schema::{MIGRATIONS, migrate};
use crate::model::change::{Change, Image};
use crate::model::id::ChangeId;
use crate::model::lease::Owner;

#[test]
fn the_changes_of_version_1_are_in_the_journal() {
    let place = Place::new();
    std::fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    let conn = Connection::open(place.path()).unwrap();
    conn.execute_batch(include_str!("../../../assets/migrations/0001_history.sql")).unwrap();
    let text = hash("text").to_hex();
    let sql = format!(
        "PRAGMA user_version = 1;
         INSERT INTO change VALUES (3, '/w', 5, 'blue/sub', 'a', NULL, '{text}', 'user');
         INSERT INTO change VALUES (4, '/w', 6, 'external', 'a', '{text}', NULL, NULL);
         INSERT INTO blob (hash, bytes) VALUES ('{text}', CAST('text' AS BLOB));"
    );
    conn.execute_batch(&sql).unwrap();
    drop(conn);
    let store = place.open();
    let first = Change {
        id: ChangeId(3),
        at: Wall(5),
        over: Some(Owner::User),
        ..Change::of(path("a"), blue(Some("sub")), None, Some(hash("text").into()))
    };
    let query = ChangeQuery { scope: Scope::By(blue(None)), before: None, limit: 9 };
    assert_eq!(place.read().changes("/w", &query).unwrap().changes, [first]);
    assert_eq!(place.page(Scope::By(Owner::External), None, 9).0, ["a"]);
    let keep = Keep { age: Duration::from_secs(3600), bytes: 0 };
    assert_eq!(place.prune(&store, keep, 7 + HOUR).changes, 2);
    assert!(place.read().blob(hash("text")).unwrap().is_some(), "it was stored a moment ago");
    // Numbers are not used again.
    store.blocking_queue(vec![stored(change(blue(None), 1, "b", 9))]).unwrap();
    store.flush().wait().unwrap();
    assert!(place.read().change("/w", ChangeId(5)).unwrap().is_some());
}

#[test]
fn what_version_5_said_in_full_is_there_by_number() {
    let place = Place::new();
    std::fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    let mut conn = Connection::open(place.path()).unwrap();
    migrate(&mut conn, &MIGRATIONS[..5]).unwrap();
    let (text, shown) = (hash("text").to_hex(), hash("shown").to_hex());
    let sql = format!(
        "INSERT INTO changes VALUES (7, '/w', 5, 'blue', 'blue/sub', 'azure', 3, 'mv', 'b', 'a',
                                     '{text}', 33188, '{shown}', 33261, 'user', '[4]', 12);
         INSERT INTO changes (n, workspace, at, session, owner, agent, tool, path, after)
         VALUES (8, '/w', 6, 'user', 'user', 'you', '', 'c', 'no hash'),
                (20, '/w', 6, 'user', 'user', 'you', '', 'c', NULL);
         DELETE FROM changes WHERE n = 20;
         INSERT INTO proposal VALUES (2, '/w', 6, 'blue', 'blue', 'azure', 'b', 'Write', 'STALE',
                                      '{text}', '{shown}');
         INSERT INTO blob (hash, bytes, at, room) VALUES ('{text}', CAST('text' AS BLOB), 4, 4);
         INSERT INTO knows VALUES ('/w', 'blue', 'b', '{shown}', 'full'),
                                  ('/w', 'blue', 'c', 'no hash', 'full');"
    );
    conn.execute_batch(&sql).unwrap();
    drop(conn);
    let store = place.open();
    let reader = place.read();
    let full = Change {
        id: ChangeId(7),
        at: Wall(5),
        owner: blue(Some("sub")),
        agent: "azure".to_owned(),
        turn: Some(3),
        tool: "mv".to_owned(),
        path: path("b"),
        from: Some(path("a")),
        before: Some(Image { hash: hash("text"), mode: Some(0o100644) }),
        after: Some(Image { hash: hash("shown"), mode: Some(0o100755) }),
        over: Some(Owner::User),
        reverts: vec![ChangeId(4)],
        serial: Some(12),
    };
    let query = ChangeQuery { scope: Scope::All, before: None, limit: 9 };
    assert_eq!(reader.changes("/w", &query).unwrap().changes, [full], "no hash is no content");
    let proposal = reader.proposals("/w", None, None, 9).unwrap().remove(0);
    assert_eq!((proposal.n, proposal.hash, proposal.base), (2, hash("text"), Some(hash("shown"))));
    assert_eq!(reader.blob(hash("text")).unwrap().as_deref(), Some(&b"text"[..]));
    let knows = reader.observations("/w").unwrap();
    assert_eq!(knows.iter().map(|row| row.hash).collect::<Vec<_>>(), [hash("shown")]);
    store.blocking_queue(vec![stored(change(blue(None), 1, "d", 9))]).unwrap();
    store.flush().wait().unwrap();
    assert!(place.read().change("/w", ChangeId(21)).unwrap().is_some(), "numbers come once");
}
