//! The handle that everybody has who writes into the history.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::{Builder, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::error::StoreError;
use super::open::{Lock, Opened, open};
use super::queue::{QUEUE_BYTES, Queue};
use super::read::Reader;
use super::record::{OpenRow, Record};
use super::thread::{Health, Scribe};
use super::write::Pen;
use crate::model::failure::Failure;
use crate::model::id::SessionId;

/// An open history. Sharing it (`Arc`) is fine; dropping it stores what is queued.
pub struct Store {
    path: PathBuf,
    queue: Arc<Queue>,
    health: watch::Receiver<Health>,
    thread: Mutex<Option<(JoinHandle<Connection>, Lock)>>,
}

impl Store {
    /// Opens the history at `path`; makes it if there is none. Takes some milliseconds, and longer
    /// after a crash: not for an async task.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_holding(path, QUEUE_BYTES)
    }

    /// The same, with a queue in which so many bytes may wait for the disk.
    pub fn open_holding(path: &Path, bytes: usize) -> Result<Self, StoreError> {
        let Opened { pen, lock } = open(path)?;
        let queue = Arc::new(Queue::holding(bytes));
        let (sender, health) = watch::channel(Health::default());
        let scribe = Scribe::new(pen, Arc::clone(&queue), sender)?;
        let thread = Builder::new()
            .name("history".to_owned())
            .spawn(move || scribe.run())
            .map_err(|error| StoreError::of_io(&error, path))?;
        let thread = Mutex::new(Some((thread, lock)));
        Ok(Self { path: path.to_owned(), queue, health, thread })
    }

    /// Where the database is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A reader of the same database, to be used where blocking is allowed. It sees what is
    /// committed; what is still queued it does not see.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        Reader::open(&self.path)
    }

    /// Queues records to be stored within 50 ms; waits while the queue is full. Dropped before it
    /// is ready, it has queued nothing.
    pub async fn queue(&self, records: Vec<Record>) -> Result<(), StoreError> {
        self.queue.push_waiting(records).await
    }

    /// Like [`Store::queue`] for a thread that may block.
    pub fn blocking_queue(&self, records: Vec<Record>) -> Result<(), StoreError> {
        self.queue.push_blocking(records)
    }

    /// Like [`Store::queue`], but refuses what has no room instead of waiting.
    pub fn queue_if_room(&self, records: Vec<Record>) -> Result<(), StoreError> {
        self.queue.push_if_room(records)
    }

    /// Stores records as soon as the disk allows and then calls `done`, on the writing thread, so
    /// it must be quick. Never waits and never fails silently: if the records cannot be stored
    /// now, `done` gets the reason and they are not stored later.
    ///
    /// Leases, decisions and the like do not wait behind queued transcripts. If `records` hold
    /// both kinds, each kind is stored as a whole, but not necessarily at the same moment.
    pub fn queue_now(
        &self,
        records: Vec<Record>,
        done: Box<dyn FnOnce(Result<(), Failure>) + Send>,
    ) {
        self.queue.push_now(records, Box::new(|result| done(result.map_err(Failure::from))));
    }

    /// Is ready once everything is stored that was queued before. An error says that some of it
    /// could not be stored yet; it stays queued.
    pub fn flush(&self) -> Answer<()> {
        let (sender, answer) = oneshot::channel();
        self.queue.push_flush(Box::new(move |result| {
            let _ = sender.send(result);
        }));
        Answer(answer)
    }

    /// Opens a session for an engine, so that no other one resumes it. `alive` tells whether the
    /// process with this id and start still runs; the row of a dead engine is taken over. What was
    /// queued of sessions before is stored by then.
    pub fn open_session(
        &self,
        row: OpenRow,
        alive: impl FnOnce(u32, u64) -> bool + Send + 'static,
    ) -> Answer<()> {
        self.ask(move |pen| pen.open_session(&row, alive))
    }

    /// Gives a session the person's title, which no title of the back end replaces. An empty one
    /// gives it back to the back end.
    pub fn rename_session(&self, session: SessionId, title: String) -> Answer<()> {
        self.ask(move |pen| pen.rename_session(&session, &title))
    }

    /// How the history fares now.
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// Tells of every change of the health.
    pub fn watch(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// Stores what is queued and closes the database. Blocks while it does so. Whoever queues
    /// afterwards is refused; closing again does nothing.
    pub fn close(&self) -> Result<(), StoreError> {
        self.queue.close();
        let running = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((thread, lock)) = running else { return Ok(()) };
        let Ok(conn) = thread.join() else {
            let detail = "its thread has panicked".to_owned();
            return Err(StoreError::Io { path: self.path.clone(), detail });
        };
        // With the log emptied the next start needs no look through the file.
        let _ = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        let closed = conn.close().map_err(|(_, error)| StoreError::of_sqlite(&error, &self.path));
        lock.leave(&self.path);
        closed?;
        let health = self.health();
        if health.lost > 0 {
            let why = health.trouble.map_or(String::new(), |failure| failure.message);
            return Err(StoreError::Lost { records: health.lost, why });
        }
        Ok(())
    }

    /// Does something on the writing thread and brings back what came out.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Pen) -> Result<T, StoreError> + Send + 'static,
    ) -> Answer<T> {
        let (sender, answer) = oneshot::channel();
        let task = move |pen: &mut Pen| {
            let _ = sender.send(work(pen));
        };
        self.queue.push_task(Box::new(task));
        Answer(answer)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the history was not closed properly");
        }
    }
}

/// What comes back from the writing thread.
#[must_use = "it is done all the same, but nobody learns whether it worked"]
pub struct Answer<T>(oneshot::Receiver<Result<T, StoreError>>);

impl<T> Answer<T> {
    /// Blocks until it is there. Not for async tasks, which await it instead.
    pub fn wait(self) -> Result<T, StoreError> {
        self.0.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|sent| sent.unwrap_or(Err(StoreError::Closed)))
    }
}
