//! The queue is bounded, loses nothing when the disk fails, and answers whoever waits.

use std::future::Future;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Waker};

use super::*;
use crate::history::record::{DecisionRow, LeaseRow};
use crate::history::{Answer, QUEUE_BYTES, StoreError};
use crate::model::failure::Failure;
use crate::model::lease::{LeaseState, Owner};
use crate::model::report::Way;

fn line(number: usize, bytes: usize) -> Record {
    let digits = number.to_string();
    let line = "0".repeat(bytes - digits.len()) + &digits;
    Record::Line { session: id("s"), at: Wall(1), way: Way::Out, line }
}

fn lease(path: &str) -> Record {
    Record::Lease(LeaseRow {
        workspace: "/w".to_owned(),
        path: path.to_owned(),
        owner: Owner::User,
        state: LeaseState::Held,
        since: Wall(1),
        until: None,
        reason: String::new(),
        pid: None,
    })
}

fn decision(number: usize) -> Record {
    Record::Decision(DecisionRow {
        workspace: "/w".to_owned(),
        at: Wall(1),
        owner: Owner::User,
        path: number.to_string(),
        tool: String::new(),
        code: "OK".to_owned(),
        text: String::new(),
    })
}

/// The numbers of the stored lines.
fn lines(place: &Place) -> Vec<usize> {
    let lines = place.read().lines(&id("s"), 0, usize::MAX).unwrap();
    lines.iter().map(|row| row.line.parse().unwrap()).collect()
}

/// Stores records and tells what came of it.
fn now(store: &Store, records: Vec<Record>) -> Result<(), Failure> {
    let (sender, done) = mpsc::channel();
    store.queue_now(records, Box::new(move |result| sender.send(result).unwrap()));
    done.recv().unwrap()
}

/// Keeps the writing thread busy until the sender is dropped.
fn hold(store: &Store) -> mpsc::Sender<()> {
    let (sender, held) = mpsc::channel::<()>();
    let (begun, begin) = mpsc::channel();
    drop(store.ask(move |_| {
        begun.send(()).unwrap();
        let _ = held.recv();
        Ok(())
    }));
    begin.recv().unwrap();
    sender
}

/// Lets the database take so many more pages; `None`: any number.
fn room(store: &Store, pages: Option<i64>) -> Answer<()> {
    store.ask(move |pen| {
        let now: i64 = pen.conn.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let most = pages.map_or(i64::from(i32::MAX), |pages| now + pages);
        let sql = format!("PRAGMA max_page_count = {most}");
        pen.conn.query_row(&sql, [], |_| Ok(())).unwrap();
        Ok(())
    })
}

#[tokio::test]
async fn who_queues_more_than_fits_waits_for_the_disk() {
    let place = Place::new();
    let store = place.open();
    let held = hold(&store);
    let megabyte = 1024 * 1024;
    let fits = QUEUE_BYTES / megabyte - 1;
    for number in 0..fits {
        store.queue(vec![line(number, megabyte)]).await.unwrap();
    }
    let mut more = pin!(store.queue(vec![line(fits, megabyte), line(fits + 1, megabyte)]));
    let waits = more.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(waits.is_pending(), "the queue took more than its bound");
    drop(held);
    more.await.unwrap();
    store.flush().await.unwrap();
    assert_eq!(lines(&place), (0..fits + 2).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_bound_of_the_queue_is_the_one_that_was_wished() {
    let place = Place::new();
    let store = Store::open_holding(&place.path(), 3_000).unwrap();
    let held = hold(&store);
    store.queue(vec![line(0, 1_000)]).await.unwrap();
    store.queue(vec![line(1, 1_000)]).await.unwrap();
    let mut more = pin!(store.queue(vec![line(2, 2_000)]));
    let waits = more.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(waits.is_pending(), "the queue took more than was wished");
    drop(held);
    more.await.unwrap();
    store.flush().await.unwrap();
    assert_eq!(lines(&place), [0, 1, 2]);
}

#[test]
fn a_thread_that_queues_more_than_fits_waits_for_the_disk() {
    let place = Place::new();
    let store = place.open();
    let held = hold(&store);
    store.blocking_queue(vec![line(0, QUEUE_BYTES)]).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| store.blocking_queue(vec![line(1, 10)]));
        // What somebody waits for is taken all the same, and refused beyond its own bound.
        let (sender, done) = mpsc::channel();
        let answer = |sender: mpsc::Sender<_>| Box::new(move |end| sender.send(end).unwrap());
        store.queue_now(vec![lease("a")], answer(sender.clone()));
        store.queue_now(vec![line(7, QUEUE_BYTES)], answer(sender));
        assert_eq!(done.recv().unwrap(), Err(Failure::from(StoreError::Overfull)));
        assert!(!waiting.is_finished());
        drop(held);
        waiting.join().unwrap().unwrap();
        assert_eq!(done.recv().unwrap(), Ok(()));
    });
    store.close().unwrap();
    assert_eq!(lines(&place), [0, 1]);
    assert_eq!(place.read().leases("/w").unwrap().len(), 1);
}

#[test]
fn what_somebody_waits_for_is_stored_when_it_is_answered() {
    let place = Place::new();
    let store = place.open();
    for number in 0..20 {
        let mixed = vec![decision(number), line(number, 5), lease("a")];
        assert_eq!(now(&store, mixed), Ok(()));
        assert_eq!(lines(&place).len(), number + 1);
        assert_eq!(place.read().decisions("/w", 99).unwrap().len(), number + 1);
    }
    assert_eq!(now(&store, vec![]), Ok(()));
}

#[test]
fn a_lease_does_not_wait_behind_what_was_said() {
    let place = Place::new();
    let store = place.open();
    let held = hold(&store);
    for number in 0..30 {
        store.blocking_queue(vec![line(number, 1024 * 1024)]).unwrap();
    }
    let (sender, done) = mpsc::channel();
    let at_its_end = place.path();
    store.queue_now(
        vec![lease("a")],
        Box::new(move |result| {
            let reader = Reader::open(&at_its_end).unwrap();
            sender.send((result, reader.lines(&id("s"), 0, 99).unwrap().len())).unwrap();
        }),
    );
    drop(held);
    let (result, lines_before) = done.recv().unwrap();
    assert_eq!(result, Ok(()));
    assert!(lines_before < 10, "{lines_before} lines were stored before it");
    store.flush().wait().unwrap();
    assert_eq!(lines(&place), (0..30).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_full_disk_refuses_who_waits_and_keeps_what_was_queued() {
    let place = Place::new();
    let store = place.open();
    store.queue(vec![line(0, 10)]).await.unwrap();
    store.flush().await.unwrap();
    let mut health = store.watch();
    room(&store, Some(2)).await.unwrap();
    for number in 1..30 {
        store.queue(vec![line(number, 100_000)]).await.unwrap();
    }
    health.wait_for(|health| health.trouble.is_some()).await.unwrap();
    let full = Failure::from(StoreError::Full { path: place.path() });
    assert_eq!(store.health().trouble, Some(full.clone()));
    let (sender, done) = tokio::sync::oneshot::channel();
    let bytes = vec![7; 100_000];
    let blob = Record::Blob { hash: crate::model::path::Hash::of(&bytes), bytes };
    store.queue_now(vec![blob], Box::new(move |end| sender.send(end).unwrap()));
    assert_eq!(done.await.unwrap(), Err(full));
    // However much is before it.
    let waits = store.flush().await;
    assert_eq!(waits, Err(StoreError::Full { path: place.path() }));
    room(&store, None).await.unwrap();
    store.flush().await.unwrap();
    assert_eq!(store.health(), crate::history::Health::default());
    assert_eq!(lines(&place), (0..30).collect::<Vec<_>>());
}

#[test]
fn a_record_that_can_never_be_stored_stops_no_other_one() {
    let place = Place::new();
    let store = place.open();
    let held = hold(&store);
    store
        .blocking_queue(vec![line(0, 5), stored("s", text(u64::MAX, "too large")), line(1, 5)])
        .unwrap();
    let (sender, done) = mpsc::channel();
    let impossible = vec![line(2, 5), stored("s", text(u64::MAX, "too large"))];
    store.queue_now(impossible, Box::new(move |end| sender.send(end).unwrap()));
    store.blocking_queue(vec![line(3, 5)]).unwrap();
    drop(held);
    assert!(done.recv().unwrap().is_err(), "half a batch was answered as stored");
    store.flush().wait().unwrap();
    assert_eq!(store.health().rejected, 1);
    assert_eq!(lines(&place), [0, 1, 3]);
}

#[test]
fn a_closed_history_refuses_and_has_stored_everything() {
    let place = Place::new();
    let store = place.open();
    for number in 0..1000 {
        store.blocking_queue(vec![line(number, 5)]).unwrap();
    }
    store.close().unwrap();
    assert_eq!(store.close(), Ok(()));
    assert_eq!(store.blocking_queue(vec![line(0, 5)]), Err(StoreError::Closed));
    assert!(now(&store, vec![lease("a")]).is_err());
    assert_eq!(store.flush().wait(), Err(StoreError::Closed));
    let renamed = store.rename_session(id("s"), "x".to_owned()).wait();
    assert_eq!(renamed, Err(StoreError::Closed));
    assert_eq!(lines(&place), (0..1000).collect::<Vec<_>>());
}

#[test]
fn a_callback_that_panics_ends_nothing() {
    let place = Place::new();
    let store = place.open();
    store.queue_now(vec![lease("a")], Box::new(|_| panic!("a callback of a test")));
    assert_eq!(now(&store, vec![lease("b")]), Ok(()));
}
