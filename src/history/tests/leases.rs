//! A session is open in one engine at a time.

use std::sync::Barrier;

use super::*;
use crate::history::StoreError;
use crate::history::record::OpenRow;

fn row(engine_pid: u32) -> OpenRow {
    OpenRow {
        session: id("s"),
        engine_pid,
        engine_started: 100,
        agent_pid: None,
        at: Wall(i64::from(engine_pid)),
    }
}

fn close(session: &str, engine_pid: u32) -> Record {
    Record::Close { session: id(session), engine_pid, engine_started: 100 }
}

#[test]
fn an_engine_closes_what_it_has_opened_itself_only() {
    let place = Place::new();
    let store = place.open();
    store.open_session(row(1), |_, _| true).wait().unwrap();
    store.blocking_queue(vec![close("s", 2)]).unwrap();
    let again = store.open_session(row(2), |_, _| true).wait();
    assert!(matches!(again, Err(StoreError::AlreadyOpen { engine_pid: 1, .. })), "{again:?}");
}

#[test]
fn an_open_session_is_refused_until_it_is_closed() {
    let place = Place::new();
    let store = place.open();
    store.open_session(row(1), |_, _| true).wait().unwrap();
    let again = store.open_session(row(2), |pid, started| (pid, started) == (1, 100)).wait();
    let open = StoreError::AlreadyOpen { session: id("s"), engine_pid: 1, at: Wall(1) };
    assert_eq!(again, Err(open));
    let same = store.open_session(row(1), |_, _| true).wait();
    assert!(matches!(same, Err(StoreError::AlreadyOpen { .. })), "one engine opened it twice");
    store.blocking_queue(vec![close("s", 1)]).unwrap();
    store.open_session(row(2), |_, _| true).wait().unwrap();
}

#[test]
fn the_row_of_a_dead_engine_is_taken_over() {
    let place = Place::new();
    let store = place.open();
    store.open_session(row(1), |_, _| true).wait().unwrap();
    store.open_session(row(2), |_, _| false).wait().unwrap();
    let third = store.open_session(row(3), |pid, _| pid == 2).wait();
    assert!(matches!(third, Err(StoreError::AlreadyOpen { engine_pid: 2, .. })), "{third:?}");
}

#[test]
fn a_record_updates_the_row_of_its_own_engine_only() {
    let place = Place::new();
    let store = place.open();
    store.open_session(row(1), |_, _| true).wait().unwrap();
    let own = OpenRow { agent_pid: Some(5), ..row(1) };
    store.blocking_queue(vec![Record::Open(own), Record::Open(row(2))]).unwrap();
    store.flush().wait().unwrap();
    assert_eq!(store.health().rejected, 1);
    let third = store.open_session(row(3), |pid, _| pid == 1).wait();
    assert!(matches!(third, Err(StoreError::AlreadyOpen { engine_pid: 1, .. })), "{third:?}");
}

#[test]
fn of_two_threads_that_race_for_a_session_one_gets_it() {
    for _ in 0..10 {
        let place = Place::new();
        let stores = [place.open(), place.open()];
        let start = Barrier::new(2);
        let results = std::thread::scope(|scope| {
            let racers = stores.iter().zip([1, 2]).map(|(store, pid)| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    store.open_session(row(pid), |_, _| true).wait()
                })
            });
            let racers: Vec<_> = racers.collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect::<Vec<_>>()
        });
        let won = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(won, 1, "{results:?}");
    }
}
