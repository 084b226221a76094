//! The writing thread: takes turns from the queue, commits them, and says how it went.
//!
//! - What somebody waits for is answered after COMMIT, with an error if there was none.
//! - What nobody waits for stays queued while the disk fails and is tried again.
//! - A record that can never be stored is left out, counted and logged; it stops no other one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::watch;

use super::checkpoint::{Checkpointer, TOO_MANY_PAGES, WORTH_PAGES};
use super::error::{Fault, StoreError};
use super::queue::{Entry, Queue, Turn};
use super::write::Pen;
use crate::model::failure::Failure;

/// The first pause after a failed commit; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Closed items that are made searchable in one transaction at most: larger steps are cheaper.
const INDEX_ITEMS: usize = 1_000;

/// The same while somebody waits for a grant.
const INDEX_FEW: usize = 50;

/// How long a closed item may stay unsearchable, if nothing else is to be done.
const INDEX_DELAY: Duration = Duration::from_millis(200);

/// How long closing goes on trying to store what is left.
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);

/// How the history fares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Why nothing can be stored now. What was queued waits.
    pub trouble: Option<Failure>,
    /// Records that could not be stored as they are and were left out.
    pub rejected: u64,
    /// Records that were dropped while nothing could be stored, or were still waiting when the
    /// history was closed.
    pub lost: u64,
}

/// The writing thread's own state.
pub(super) struct Scribe {
    pen: Pen,
    queue: Arc<Queue>,
    health: watch::Sender<Health>,
    checkpoints: Checkpointer,
    log_pages: Arc<AtomicUsize>,
    /// Pages in the log when a checkpoint was asked for last.
    asked_pages: usize,
    pause: Duration,
    closing_since: Option<Instant>,
    index_at: Option<Instant>,
    index_failed: bool,
}

impl Scribe {
    /// A scribe with a pen and a queue to empty.
    pub(super) fn new(
        mut pen: Pen,
        queue: Arc<Queue>,
        health: watch::Sender<Health>,
    ) -> Result<Self, StoreError> {
        let checkpoints = Checkpointer::start(pen.path())?;
        let log_pages = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&log_pages);
        // The hook takes the place of SQLite's own checkpoints after a commit.
        let hook = move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            counted.store(usize::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        };
        let hooked = pen.conn.wal_hook(Some(hook));
        hooked.map_err(|error| StoreError::of_sqlite(&error, pen.path()))?;
        Ok(Self {
            pen,
            queue,
            health,
            checkpoints,
            log_pages,
            asked_pages: 0,
            pause: FIRST_PAUSE,
            closing_since: None,
            index_at: None,
            index_failed: false,
        })
    }

    /// Works until the queue is closed and empty, and gives the connection back.
    pub(super) fn run(mut self) -> Connection {
        // Whatever ends this thread, nobody waits for it any longer.
        let _abandon = Abandon(Arc::clone(&self.queue), self.health.clone());
        self.plan_index();
        while let Some(turn) = self.queue.next(self.index_at) {
            match turn {
                Turn::Task(task) => task(&mut self.pen),
                Turn::Commit(entries) => self.commit(entries),
                Turn::Late => {}
            }
            if self.out_of_patience() {
                break;
            }
            self.plan_index();
            self.tend_log();
        }
        while self.pen.unsearched() > 0 && self.pen.index(INDEX_ITEMS).is_ok() {}
        let Self { pen, checkpoints, .. } = self;
        drop(checkpoints);
        pen.conn
    }

    fn commit(&mut self, entries: Vec<Entry>) {
        match self.pen.store(entries.iter().flat_map(Entry::records)) {
            Ok(()) => {
                self.well();
                self.queue.settled(&entries);
                for entry in &entries {
                    if let Entry::Job { ticket, .. } = entry {
                        ticket.stored();
                    }
                }
            }
            Err(error) if error.concerns_one_record() => self.commit_one_by_one(entries),
            Err(error) => self.hold(entries, &error),
        }
    }

    /// Commits what can be stored and leaves out what cannot.
    fn commit_one_by_one(&mut self, entries: Vec<Entry>) {
        let done = self.pen.transaction(|pen| {
            let attempts = entries.iter().map(|entry| {
                pen.attempt(|pen| entry.records().iter().try_for_each(|record| pen.apply(record)))
            });
            attempts.collect::<Result<Vec<_>, Fault>>()
        });
        let results = match done {
            Ok(results) => results,
            Err(error) => return self.hold(entries, &error),
        };
        self.well();
        self.queue.settled(&entries);
        for (entry, result) in entries.iter().zip(results) {
            match (entry, result) {
                (Entry::Job { ticket, .. }, Ok(())) => ticket.stored(),
                (Entry::Job { ticket, .. }, Err(error)) => ticket.failed(error),
                (Entry::One(..), Err(error)) => {
                    let failure = Failure::from(error);
                    tracing::error!(%failure, "a record of the history was left out");
                    self.health.send_modify(|health| health.rejected += 1);
                }
                (Entry::One(..), Ok(())) | (Entry::Task(_), _) => {}
            }
        }
    }

    /// Nothing can be stored now: refuses what somebody waits for and keeps the rest.
    fn hold(&mut self, entries: Vec<Entry>, error: &StoreError) {
        let failure = Failure::from(error);
        let (mut jobs, rest): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| matches!(entry, Entry::Job { .. }));
        if !rest.is_empty() {
            jobs.append(&mut self.queue.put_back(rest, self.pause));
        }
        self.queue.settled(&jobs);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        self.queue.fails(true);
        self.health.send_if_modified(|health| {
            let news = health.trouble.as_ref() != Some(&failure);
            if news {
                tracing::error!(%failure, "the history cannot be written");
                health.trouble = Some(failure.clone());
            }
            news
        });
        for job in &jobs {
            if let Entry::Job { ticket, .. } = job {
                ticket.failed(error.clone());
            }
        }
    }

    fn well(&mut self) {
        self.pause = FIRST_PAUSE;
        if self.health.borrow().trouble.is_none() {
            return;
        }
        self.queue.fails(false);
        let lost = self.queue.dropped();
        self.health.send_modify(|health| {
            health.trouble = None;
            health.lost = lost;
        });
    }

    /// Whether closing has tried long enough on a disk that does not take it.
    fn out_of_patience(&mut self) -> bool {
        if self.health.borrow().trouble.is_none() || !self.queue.is_closing() {
            return false;
        }
        self.pause = FIRST_PAUSE;
        self.closing_since.get_or_insert_with(Instant::now).elapsed() > CLOSE_PATIENCE
    }

    /// Makes closed items searchable when there are enough of them or time has passed. Until then
    /// they are stored all the same.
    fn plan_index(&mut self) {
        let waiting = self.pen.unsearched();
        if waiting == 0 {
            self.index_at = None;
            return;
        }
        let now = Instant::now();
        let at = *self.index_at.get_or_insert(now + INDEX_DELAY);
        if at > now && (waiting < INDEX_ITEMS || self.index_failed) {
            return;
        }
        let most = if self.queue.is_awaited() { INDEX_FEW } else { INDEX_ITEMS };
        let done = self.pen.index(most);
        self.index_failed = done.is_err();
        let pause = if self.index_failed { LONGEST_PAUSE } else { INDEX_DELAY };
        self.index_at = (self.pen.unsearched() > 0).then(|| now + pause);
        if let Err(error) = done {
            tracing::warn!(%error, "what was said last cannot be searched yet");
        }
    }

    fn tend_log(&mut self) {
        let pages = self.log_pages.load(Ordering::Relaxed);
        if pages >= TOO_MANY_PAGES {
            // Without waiting for readers: a busy one only means that the log grows on.
            let _ = self.pen.conn.execute_batch("PRAGMA busy_timeout = 0");
            let restart = "PRAGMA wal_checkpoint(RESTART)";
            let done = self.pen.conn.query_row(restart, [], |row| row.get::<_, bool>(0));
            let _ = self.pen.conn.busy_timeout(super::open::BUSY);
            match done {
                Ok(true) => self.checkpoints.nudge(),
                Ok(false) => {
                    self.log_pages.store(0, Ordering::Relaxed);
                    self.asked_pages = 0;
                }
                Err(error) => tracing::warn!(%error, "a checkpoint of the history failed"),
            }
        } else if pages < self.asked_pages {
            // It has begun anew by itself.
            self.asked_pages = 0;
        } else if pages >= self.asked_pages + WORTH_PAGES {
            self.asked_pages = pages;
            self.checkpoints.nudge();
        }
    }
}

/// Gives up what is queued when the thread ends.
struct Abandon(Arc<Queue>, watch::Sender<Health>);

impl Drop for Abandon {
    fn drop(&mut self) {
        let lost = self.0.abandon();
        self.1.send_modify(|health| health.lost = self.0.dropped());
        if lost > 0 {
            tracing::error!(lost, "records of the history could not be stored before its end");
            let lost = u64::try_from(lost).unwrap_or(u64::MAX);
            self.1.send_modify(|health| health.lost += lost);
        }
    }
}
