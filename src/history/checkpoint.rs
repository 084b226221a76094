//! Moves what was committed from the log into the database file, beside the writing thread.
//!
//! A checkpoint syncs the database file, which takes far longer than a commit. Nobody who waits
//! for a grant should wait for it, so a thread with a connection of its own does it. It writes no
//! record; if it fails, the log grows until the next attempt and nothing is lost.

use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;

/// With so many pages in the log (4 KiB each) a checkpoint is worth it, and again with so many more:
/// pages that change all the time are moved once for all of them. The last one comes shortly before
/// [`TOO_MANY_PAGES`], so that little is left to the writing thread.
pub(super) const WORTH_PAGES: usize = 3_800;

/// With so many pages the writing thread itself makes the log start anew, readers permitting.
pub(super) const TOO_MANY_PAGES: usize = 16_000;

/// The thread that makes checkpoints.
pub(super) struct Checkpointer {
    nudge: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Starts it for the database at `path`.
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let open = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let conn = Connection::open_with_flags(path, flags)?;
            conn.pragma_update(None, "synchronous", "FULL")?;
            conn.pragma_update(None, "checkpoint_fullfsync", "ON")?;
            conn.busy_timeout(std::time::Duration::from_millis(100))?;
            Ok::<_, rusqlite::Error>(conn)
        };
        let conn = open().map_err(|error| StoreError::of_sqlite(&error, path))?;
        let (nudge, nudges) = sync_channel::<()>(1);
        let work = move || {
            while nudges.recv().is_ok() {
                let done = conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
                if let Err(error) = done {
                    tracing::warn!(%error, "a checkpoint of the history failed");
                }
            }
        };
        let thread = Builder::new()
            .name("history-log".to_owned())
            .spawn(work)
            .map_err(|error| StoreError::of_io(&error, path))?;
        Ok(Self { nudge: Some(nudge), thread: Some(thread) })
    }

    /// Asks for a checkpoint; one that is under way or asked for already is enough.
    pub(super) fn nudge(&self) {
        if let Some(nudge) = &self.nudge {
            let _ = nudge.try_send(());
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.nudge = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
