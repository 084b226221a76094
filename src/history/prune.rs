//! Retention: the journal forgets what is too old, and the oldest if it takes too much room.
//!
//! - A content goes only when no kept change, no kept proposal and nobody's knowledge names it.
//! - What is younger than an hour stays in any case: it may be about to be named.
//! - The limit of room concerns contents that are there for the sake of changes only; what agents
//!   were shown is not counted, since forgetting changes would not free it.
//!
//! It works in small steps, so that others can write meanwhile.

use std::time::{Duration, SystemTime};

use super::contents::Contents;
use super::error::StoreError;
use super::store::Store;
use crate::model::time::Wall;

/// What is younger is not pruned.
pub(super) const YOUNG: Duration = Duration::from_secs(60 * 60);

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
    pub async fn prune_journal(&self, keep: Keep, now: Wall) -> Result<Pruned, StoreError> {
        let before = |span: Duration| {
            Wall(now.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
        };
        let (old, young) = (before(keep.age.max(YOUNG)), before(YOUNG));
        let contents = Contents::beside(self.path());
        let mut all = Pruned::default();
        loop {
            let some = self.ask(move |pen| pen.forget_old(old)).await?;
            all.add(some);
            if some == Pruned::default() {
                break;
            }
        }
        let mut after = 0;
        while let Some((last, some)) = {
            let contents = contents.clone();
            self.ask(move |pen| pen.sweep(after, young, &contents)).await?
        } {
            all.add(some);
            after = last;
        }
        loop {
            let contents = contents.clone();
            let most = keep.bytes;
            let some = self.ask(move |pen| pen.make_room(most, young, &contents)).await?;
            all.add(some);
            if some == Pruned::default() {
                break;
            }
        }
        for part in 0..=u8::MAX {
            let contents = contents.clone();
            self.ask(move |pen| pen.remove_unnamed(part, young, &contents)).await?;
        }
        Ok(all)
    }
}

/// A moment as file systems count it.
pub(super) fn system_time(at: Wall) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or(0))
}
