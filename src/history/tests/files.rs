//! What is found at the path of the history, and what becomes of it.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rusqlite::Connection;

use super::*;
use crate::history::{StoreError, check_whole};
use crate::model::failure::Failure;
use crate::model::session::SessionQuery;

/// The history as version 1 wrote it.
const VERSION_1: &str = include_str!("../../../tests/fixtures/history/v1.sql");

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn error(place: &Place) -> StoreError {
    match Store::open(&place.path()) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

/// Asserts that opening fails, leaves the file as it is and says what to do.
fn refused(place: &Place) -> StoreError {
    let before = std::fs::read(place.path()).unwrap();
    let error = error(place);
    assert!(std::fs::read(place.path()).unwrap() == before, "the file was changed: {error}");
    assert!(Failure::from(&error).hint.is_some(), "{error} leaves people alone");
    error
}

fn schema(path: &Path) -> Vec<String> {
    let conn = Connection::open(path).unwrap();
    let mut all = conn.prepare("SELECT sql FROM sqlite_schema WHERE sql NOT NULL").unwrap();
    let mut all: Vec<String> =
        all.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    all.sort();
    all
}

#[test]
fn a_new_history_is_readable_for_its_owner_only() {
    let place = Place::new();
    let store = place.open();
    store.blocking_queue(vec![stored_session("a", 1)]).unwrap();
    store.flush().wait().unwrap();
    assert_eq!(mode(place.path().parent().unwrap()), 0o700);
    let mut names = Vec::new();
    for file in std::fs::read_dir(place.path().parent().unwrap()).unwrap() {
        let file = file.unwrap();
        assert_eq!(mode(&file.path()), 0o600, "{file:?}");
        names.push(file.file_name().into_string().unwrap());
    }
    names.sort();
    let all = ["history.db", "history.db-shm", "history.db-wal", "history.db.lock"];
    assert_eq!(names, all);
    drop(store);
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o644)).unwrap();
    drop(place.open());
    assert_eq!(mode(&place.path()), 0o600);
}

#[test]
fn an_empty_file_becomes_a_history() {
    let place = Place::new();
    std::fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    std::fs::write(place.path(), b"").unwrap();
    place.store(vec![stored_session("a", 1)]);
    assert!(place.read().session(&id("a")).unwrap().is_some());
}

#[test]
fn a_history_of_version_1_is_brought_up_to_date_with_everything_in_it() {
    let place = Place::new();
    std::fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    Connection::open(place.path()).unwrap().execute_batch(VERSION_1).unwrap();
    drop(place.open());
    let fresh = Place::new();
    drop(fresh.open());
    assert_eq!(schema(&place.path()), schema(&fresh.path()));
    let reader = place.read();
    let row = reader.session(&id("0190-old")).unwrap().unwrap();
    assert_eq!((row.title.as_str(), row.turns), ("my own title", 3));
    let items = reader.page(&id("0190-old"), None, 0).unwrap().items;
    assert_eq!(items, [prompt(1, "find the needle"), open_text(2, "it is here")]);
    let query = SessionQuery { text: Some("needle".to_owned()), ..SessionQuery::default() };
    assert_eq!(reader.sessions(&query, |_, _| false).unwrap().len(), 1);
    assert_eq!(reader.leases("/w").unwrap().len(), 1);
    check_whole(&place.path()).unwrap();
}

#[test]
fn a_history_of_a_newer_version_is_refused_and_kept() {
    let place = Place::new();
    drop(place.open());
    let conn = Connection::open(place.path()).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    let known = crate::history::schema::known();
    let newer = StoreError::NewerSchema { path: place.path(), found: 99, known };
    // While the newer one has it open, its version is only in the log.
    assert_eq!(refused(&place), newer);
    assert!(matches!(Reader::open(&place.path()), Err(StoreError::NewerSchema { .. })));
    drop(conn);
    assert_eq!(refused(&place), newer);
    assert!(matches!(Reader::open(&place.path()), Err(StoreError::NewerSchema { .. })));
}

#[test]
fn what_is_no_history_is_refused_and_kept() {
    let place = Place::new();
    std::fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    std::fs::write(place.path(), "a letter to somebody, ".repeat(500)).unwrap();
    assert_eq!(refused(&place), StoreError::NotADatabase { path: place.path() });
    std::fs::write(place.path(), "short").unwrap();
    assert_eq!(refused(&place), StoreError::NotADatabase { path: place.path() });

    std::fs::remove_file(place.path()).unwrap();
    let conn = Connection::open(place.path()).unwrap();
    conn.execute_batch("CREATE TABLE bookmarks (url)").unwrap();
    drop(conn);
    assert_eq!(refused(&place), StoreError::Foreign { path: place.path() });

    std::fs::remove_file(place.path()).unwrap();
    std::fs::create_dir(place.path()).unwrap();
    assert_eq!(error(&place), StoreError::NotAFile { path: place.path() });
    assert!(matches!(Reader::open(&place.path()), Err(StoreError::NotAFile { .. })));
}

#[test]
fn a_damaged_history_is_refused_and_kept() {
    let place = Place::new();
    let words = |n: u64| text(n, &format!("{n} ").repeat(300));
    place.store((1..200).map(|n| stored("s", words(n))).collect());
    let mut bytes = std::fs::read(place.path()).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xA5);
    std::fs::write(place.path(), &bytes).unwrap();
    assert!(matches!(refused(&place), StoreError::Damaged { .. }));
    assert!(matches!(check_whole(&place.path()), Err(StoreError::Damaged { .. })));

    // Cut off in the middle.
    std::fs::write(place.path(), &bytes[..middle]).unwrap();
    assert!(matches!(refused(&place), StoreError::Damaged { .. }));
}

#[test]
fn a_history_that_was_closed_properly_is_not_looked_through_again() {
    let place = Place::new();
    place.store((1..200).map(|n| stored("s", text(n, &"word ".repeat(300)))).collect());
    let mark = std::fs::read_to_string(place.path().with_file_name("history.db.lock")).unwrap();
    assert!(mark.starts_with("closed "), "{mark}");
    // With the same mark on a changed file the damage goes unnoticed, which shows that the look
    // was left out; without the mark it is found.
    let mut bytes = std::fs::read(place.path()).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xA5);
    let times = std::fs::File::open(place.path()).unwrap().metadata().unwrap().modified().unwrap();
    std::fs::write(place.path(), &bytes).unwrap();
    let file = std::fs::File::options().write(true).open(place.path()).unwrap();
    file.set_modified(times).unwrap();
    drop(file);
    drop(place.open());
    std::fs::remove_file(place.path().with_file_name("history.db.lock")).unwrap();
    assert!(matches!(error(&place), StoreError::Damaged { .. }));
}

#[test]
fn a_missing_history_is_missing_for_a_reader_and_made_by_nobody() {
    let place = Place::new();
    let path = place.path();
    assert_eq!(Reader::open(&path).err(), Some(StoreError::Missing { path: path.clone() }));
    assert!(!path.exists());
}

#[test]
fn a_reader_works_without_a_writer_and_through_a_link() {
    let place = Place::new();
    place.store(vec![stored_session("a", 1)]);
    let link = place.folder.path().join("a link with ?#% signs");
    symlink(place.path(), &link).unwrap();
    for path in [place.path(), link.clone()] {
        let reader = Reader::open(&path).unwrap();
        assert!(reader.session(&id("a")).unwrap().is_some());
    }
    drop(Store::open(&link).unwrap());
}

#[test]
fn a_file_that_may_not_be_written_is_named_as_such() {
    // Root may write everything, so the error itself is looked at as well.
    let path = Path::new("/h/history.db");
    for kind in [std::io::ErrorKind::ReadOnlyFilesystem, std::io::ErrorKind::PermissionDenied] {
        let error = StoreError::of_io(&kind.into(), path);
        assert!(matches!(error, StoreError::ReadOnly { .. }));
        assert!(Failure::from(error).hint.unwrap().contains("BENCHDOG_HOME"));
    }
    if rustix::process::geteuid().is_root() {
        return;
    }
    let place = Place::new();
    drop(place.open());
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o400)).unwrap();
    assert!(matches!(error(&place), StoreError::ReadOnly { .. }));
}

#[test]
fn a_locked_history_is_named_as_such_and_stored_into_later() {
    let place = Place::new();
    let store = place.open();
    let short = store.ask(|pen| {
        pen.conn.busy_timeout(std::time::Duration::from_millis(5)).unwrap();
        Ok(())
    });
    short.wait().unwrap();
    let other = Connection::open(place.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.blocking_queue(vec![stored_session("a", 1)]).unwrap();
    assert_eq!(store.flush().wait(), Err(StoreError::Locked { path: place.path() }));
    assert!(store.health().trouble.is_some());
    other.execute_batch("ROLLBACK").unwrap();
    store.flush().wait().unwrap();
    assert_eq!(store.health().trouble, None);
    assert!(place.read().session(&id("a")).unwrap().is_some());
}

#[test]
fn what_is_in_the_queue_at_the_end_of_a_disk_is_counted_as_lost() {
    let place = Place::new();
    let store = place.open();
    let stuck = store.ask(|pen| {
        pen.conn.busy_timeout(std::time::Duration::ZERO).unwrap();
        Ok(())
    });
    stuck.wait().unwrap();
    let other = Connection::open(place.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    store.blocking_queue(vec![stored_session("a", 1), stored_session("b", 1)]).unwrap();
    let closed = store.close();
    assert!(matches!(&closed, Err(StoreError::Lost { records: 2, .. })), "{closed:?}");
    assert_eq!(store.health().lost, 2);
}

#[test]
fn a_history_that_an_older_benchdog_writes_is_not_brought_up_to_date_under_it() {
    let place = Place::new();
    std::fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    Connection::open(place.path()).unwrap().execute_batch(VERSION_1).unwrap();
    let older = std::fs::File::create(place.path().with_extension("db.lock")).unwrap();
    older.lock_shared().unwrap();
    assert_eq!(refused(&place), StoreError::InUse { path: place.path() });
    drop(older);
    place.open().close().unwrap();
}

#[test]
fn what_cannot_be_found_again_is_not_said_to_be_stored() {
    let place = Place::new();
    let store = place.open();
    let away = place.path().with_file_name("away.db");
    let store_now = |n| {
        let (sender, answer) = std::sync::mpsc::channel();
        let done = move |result| drop(sender.send(result));
        store.queue_now(vec![stored("s", text(n, "word"))], Box::new(done));
        answer.recv().unwrap()
    };
    assert_eq!(store_now(1), Ok(()));
    std::fs::rename(place.path(), &away).unwrap();
    let failure = store_now(2).unwrap_err();
    assert!(failure.message.contains("deleted or moved away"), "{failure:?}");
    // Something else in its place is not it either.
    std::fs::write(place.path(), b"").unwrap();
    assert!(store_now(3).is_err());
    assert!(store.health().trouble.is_some());
    std::fs::rename(&away, place.path()).unwrap();
    assert_eq!(store_now(4), Ok(()));
    assert_eq!(store.health().trouble, None);
}
