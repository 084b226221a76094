//! Retention: the journal forgets what is too old, and the oldest if it takes too much room.
//!
//! - A content goes only when no kept change, no kept proposal and nobody's knowledge names it.
//! - What is younger than an hour stays in any case: it may be about to be named.
//! - The limit of room concerns contents that are there for the sake of changes only; what agents
//!   were shown is not counted, since forgetting changes would not free it.
//!
//! It works in short slices with rests in between, so that grants are stored meanwhile; files are
//! removed beside the writing thread.

use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::contents::Contents;
use super::error::StoreError;
use super::read::Reader;
use super::store::Store;
use super::write::{Pen, Rows, Slice};
use crate::model::time::Wall;

/// What is younger is not pruned.
const YOUNG: Duration = Duration::from_secs(60 * 60);

/// The writing thread's time for others between two slices.
const REST: Duration = Duration::from_millis(20);

/// How much of the journal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// How old a change may become.
    pub age: Duration,
    /// How many bytes the contents of changes may take.
    pub bytes: u64,
}

/// What was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Changes.
    pub changes: u64,
    /// Refused writes.
    pub proposals: u64,
    /// Contents.
    pub contents: u64,
    /// The room that these took.
    pub bytes: u64,
}

impl Pruned {
    pub(super) fn add(&mut self, more: Self) {
        self.changes += more.changes;
        self.proposals += more.proposals;
        self.contents += more.contents;
        self.bytes += more.bytes;
    }
}

impl Store {
    /// Forgets what `keep` does not keep, and tells how much that was. Others can write meanwhile.
    /// Needs a runtime with timers.
    pub async fn prune_journal(&self, keep: Keep, now: Wall) -> Result<Pruned, StoreError> {
        let (old, young) = (before(now, keep.age.max(YOUNG)), before(now, YOUNG));
        let both = [Rows::Changes, Rows::Proposals];
        let mut all = Pruned::default();
        for rows in both {
            let forget = move |pen: &mut Pen, after, _| pen.forget_old(rows, after, old);
            all.add(self.in_slices(young, forget).await?.pruned);
        }
        let swept = self.in_slices(young, move |pen, after, _| pen.sweep(after, young)).await?;
        all.add(swept.pruned);
        let mut taken = swept.kept;
        for rows in both {
            let wanted = taken.saturating_sub(keep.bytes);
            if wanted > 0 {
                let make = move |pen: &mut Pen, after, freed| {
                    pen.make_room(rows, after, young, wanted.saturating_sub(freed))
                };
                let freed = self.in_slices(young, make).await?.pruned;
                taken = taken.saturating_sub(freed.bytes);
                all.add(freed);
            }
        }
        let path = self.path().to_owned();
        apart(&path.clone(), move || remove_unnamed(&path, young)).await?;
        Ok(all)
    }

    /// Deletes raw lines older than `before` and tells how many. Others can write meanwhile. Needs
    /// a runtime with timers.
    pub async fn prune_lines(&self, before: Wall) -> Result<u64, StoreError> {
        let mut pruned = 0;
        loop {
            let some = self.ask(move |pen| pen.prune_lines(before)).await?;
            if some == 0 {
                return Ok(pruned);
            }
            pruned += some;
            sleep(REST).await;
        }
    }

    /// Has `work` done slice by slice, each told the row that it follows and the bytes that are
    /// free so far, with rests in between. The files of what was removed go after each slice,
    /// beside the writing thread.
    async fn in_slices<W>(&self, young: Wall, work: W) -> Result<Slice, StoreError>
    where
        W: Fn(&mut Pen, i64, u64) -> Result<Slice, StoreError> + Copy + Send + 'static,
    {
        let mut all = Slice::default();
        let mut next = Some(0);
        while let Some(after) = next {
            let freed = all.pruned.bytes;
            let done = self.ask(move |pen| work(pen, after, freed)).await?;
            all.pruned.add(done.pruned);
            all.kept += done.kept;
            next = done.next;
            let (contents, files) = (Contents::beside(self.path()), done.files);
            if !files.is_empty() {
                let remove = move || {
                    // One that stays is nobody's any more and goes with the next pruning.
                    if let Err(error) = contents.remove(&files, system_time(young)) {
                        tracing::warn!(%error, "files of forgotten contents could not be removed");
                    }
                    Ok(())
                };
                apart(self.path(), remove).await?;
            }
            if next.is_some() {
                sleep(REST).await;
            }
        }
        Ok(all)
    }
}

/// Does what may take long, beside the writing thread.
async fn apart(
    path: &Path,
    work: impl FnOnce() -> Result<(), StoreError> + Send + 'static,
) -> Result<(), StoreError> {
    spawn_blocking(work).await.unwrap_or_else(|error| {
        let detail = format!("pruning ended early ({error})");
        Err(StoreError::Io { path: path.to_owned(), detail })
    })
}

/// Removes the files of contents that no row names: a crash may have left some. Whoever takes a
/// content in makes its file young before there is a row for it, so none of these goes.
fn remove_unnamed(path: &Path, young: Wall) -> Result<(), StoreError> {
    let contents = Contents::beside(path);
    let fail = |error: std::io::Error| StoreError::of_io(&error, path);
    let reader = Reader::open(path)?;
    for part in 0..=u8::MAX {
        let mut unnamed = Vec::new();
        for hash in contents.list(part, system_time(young)).map_err(fail)? {
            if !reader.has_file(hash)? {
                unnamed.push(hash);
            }
        }
        contents.remove(&unnamed, system_time(young)).map_err(fail)?;
    }
    Ok(())
}

fn before(now: Wall, span: Duration) -> Wall {
    Wall(now.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
}

/// A moment as file systems count it.
fn system_time(at: Wall) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0))
}
