//! The slices of pruning, each one a short transaction.
//!
//! A slice ends soon after [`SLICE`], wherever it is, and says where the next one goes on. Grants
//! are stored in between.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rusqlite::params;

use super::Pen;
use crate::history::error::{Fault, StoreError};
use crate::history::prune::Pruned;
use crate::model::path::Hash;
use crate::model::time::Wall;

/// How long a slice works before it ends with the next chunk. Its commit comes on top.
const SLICE: Duration = Duration::from_millis(5);

/// Rows that are looked at, or forgotten, between two looks at the clock.
const CHUNK: i64 = 50;

/// Holds for a content, whose number goes into the place of `?1`, that nothing names.
const UNNAMED: &str = "NOT EXISTS (SELECT 1 FROM changes WHERE before = ?1)
    AND NOT EXISTS (SELECT 1 FROM changes WHERE after = ?1)
    AND NOT EXISTS (SELECT 1 FROM proposal WHERE proposal.content = ?1)
    AND NOT EXISTS (SELECT 1 FROM proposal WHERE base = ?1)
    AND NOT EXISTS (SELECT 1 FROM knows WHERE knows.content = ?1)";

/// Rows of the journal, which are numbered in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::history) enum Rows {
    Changes,
    Proposals,
}

/// What a slice did.
#[derive(Debug, Default)]
pub(in crate::history) struct Slice {
    /// The row that the next slice follows; `None`: there is nothing left to be done.
    pub(in crate::history) next: Option<i64>,
    pub(in crate::history) pruned: Pruned,
    /// Contents whose files nobody needs any more. One that stays all the same goes with the next
    /// pruning.
    pub(in crate::history) files: Vec<Hash>,
    /// Bytes of the contents that were looked at and stay for the sake of changes.
    pub(in crate::history) kept: u64,
}

impl Pen {
    /// Forgets those from before `old` among the rows that follow number `after`.
    pub(in crate::history) fn forget_old(
        &mut self,
        rows: Rows,
        after: i64,
        old: Wall,
    ) -> Result<Slice, StoreError> {
        self.slice(after, |pen, done, after| {
            let (last, gone) = pen.forget(rows, after, old, &mut BTreeSet::new())?;
            done.pruned.add(gone);
            Ok(last)
        })
    }

    /// Removes the contents that nothing names among those that follow number `after`.
    pub(in crate::history) fn sweep(
        &mut self,
        after: i64,
        young: Wall,
    ) -> Result<Slice, StoreError> {
        self.slice(after, |pen, done, after| {
            let numbers: Vec<i64> = {
                let sql = "SELECT n FROM content WHERE n > ?1 ORDER BY n LIMIT ?2";
                let mut some = pen.conn.prepare_cached(sql)?;
                let some = some.query_map([after, CHUNK], |row| row.get(0))?;
                some.collect::<Result<_, _>>()?
            };
            for number in &numbers {
                pen.remove_content(*number, young, done)?;
            }
            if let (Some(first), Some(last)) = (numbers.first(), numbers.last()) {
                let mut kept = pen.conn.prepare_cached(
                    "SELECT coalesce(sum(room), 0) FROM blob
                     WHERE content BETWEEN ?1 AND ?2 AND at < ?3
                       AND NOT EXISTS (SELECT 1 FROM knows WHERE knows.content = blob.content)",
                )?;
                let kept: i64 = kept.query_row(params![first, last, young.0], |row| row.get(0))?;
                done.kept += u64::try_from(kept).unwrap_or(0);
            }
            Ok(numbers.last().copied())
        })
    }

    /// Forgets the oldest of the rows that follow number `after`, with their contents, until
    /// `wanted` bytes are free.
    pub(in crate::history) fn make_room(
        &mut self,
        rows: Rows,
        after: i64,
        young: Wall,
        wanted: u64,
    ) -> Result<Slice, StoreError> {
        self.slice(after, |pen, done, after| {
            let mut contents = BTreeSet::new();
            let (last, gone) = pen.forget(rows, after, young, &mut contents)?;
            done.pruned.add(gone);
            if rows == Rows::Changes
                && let Some(last) = last
            {
                // Proposals go along with the changes of their time.
                let time: Option<i64> = pen
                    .conn
                    .prepare_cached("SELECT min(at) FROM changes WHERE n > ?1 AND n <= ?1 + ?2")?
                    .query_row([last, CHUNK], |row| row.get(0))?;
                let time = Wall(time.unwrap_or(i64::MAX).min(young.0));
                let (_, gone) = pen.forget(Rows::Proposals, 0, time, &mut contents)?;
                done.pruned.add(gone);
            }
            for content in contents {
                pen.remove_content(content, young, done)?;
            }
            Ok(last.filter(|_| done.pruned.bytes < wanted))
        })
    }

    /// Deletes raw lines older than `before`. Tells how many, and nothing once there are no more.
    pub(in crate::history) fn prune_lines(&mut self, before: Wall) -> Result<u64, StoreError> {
        let mut pruned = 0;
        self.slice(0, |pen, _, _| {
            // Lines come in the order of time, so the first younger one ends the search.
            let mut first =
                pen.conn.prepare_cached("SELECT n, at FROM line ORDER BY n LIMIT ?1")?;
            let mut rows = first.query([CHUNK])?;
            let mut last = None;
            while let Some(row) = rows.next()? {
                if row.get::<_, i64>(1)? >= before.0 {
                    break;
                }
                last = Some(row.get::<_, i64>(0)?);
            }
            drop(rows);
            let Some(last) = last else { return Ok(None) };
            pruned +=
                count(pen.conn.prepare_cached("DELETE FROM line WHERE n <= ?1")?.execute([last])?);
            Ok(Some(last))
        })?;
        Ok(pruned)
    }

    /// Does `chunk` after chunk until the time is over or it says that there is nothing left.
    fn slice(
        &mut self,
        after: i64,
        mut chunk: impl FnMut(&mut Self, &mut Slice, i64) -> Result<Option<i64>, Fault>,
    ) -> Result<Slice, StoreError> {
        let end = Instant::now() + SLICE;
        self.transaction(|pen| {
            let mut done = Slice { next: Some(after), ..Slice::default() };
            while let Some(after) = done.next {
                done.next = chunk(pen, &mut done, after)?;
                if Instant::now() >= end {
                    break;
                }
            }
            Ok(done)
        })
    }

    /// Forgets those from before `old` among a few rows that follow number `after`, and notes
    /// which contents they named. Returns the last one that was looked at.
    fn forget(
        &self,
        rows: Rows,
        after: i64,
        old: Wall,
        contents: &mut BTreeSet<i64>,
    ) -> Result<(Option<i64>, Pruned), Fault> {
        let (table, named) = match rows {
            Rows::Changes => ("changes", "before, after"),
            Rows::Proposals => ("proposal", "content, base"),
        };
        let sql =
            format!("SELECT max(n) FROM (SELECT n FROM {table} WHERE n > ?1 ORDER BY n LIMIT ?2)");
        let last: Option<i64> =
            self.conn.prepare_cached(&sql)?.query_row([after, CHUNK], |row| row.get(0))?;
        let Some(last) = last else { return Ok((None, Pruned::default())) };
        let sql =
            format!("DELETE FROM {table} WHERE n > ?1 AND n <= ?2 AND at < ?3 RETURNING {named}");
        let mut delete = self.conn.prepare_cached(&sql)?;
        let mut gone = delete.query(params![after, last, old.0])?;
        let mut number = 0;
        while let Some(row) = gone.next()? {
            contents.extend(row.get::<_, Option<i64>>(0)?);
            contents.extend(row.get::<_, Option<i64>>(1)?);
            number += 1;
        }
        let pruned = match rows {
            Rows::Changes => Pruned { changes: number, ..Pruned::default() },
            Rows::Proposals => Pruned { proposals: number, ..Pruned::default() },
        };
        Ok((Some(last), pruned))
    }

    /// Removes a content, and its number with it, if nothing names it and it is not young.
    fn remove_content(&mut self, number: i64, young: Wall, done: &mut Slice) -> Result<(), Fault> {
        let sql = format!(
            "DELETE FROM content WHERE n = ?1 AND {UNNAMED}
                 AND NOT EXISTS (SELECT 1 FROM blob WHERE blob.content = ?1 AND at >= ?2)
             RETURNING hash"
        );
        let hash: Vec<u8> = {
            let mut delete = self.conn.prepare_cached(&sql)?;
            let mut rows = delete.query(params![number, young.0])?;
            let Some(row) = rows.next()? else { return Ok(()) };
            let hash = row.get(0)?;
            // To its end, so that no statement is left open when the transaction ends.
            while rows.next()?.is_some() {}
            hash
        };
        // It may get another number, or another content this one.
        self.forget_contents();
        let mut delete =
            self.conn.prepare_cached("DELETE FROM blob WHERE content = ?1 RETURNING room, form")?;
        let mut rows = delete.query([number])?;
        while let Some(row) = rows.next()? {
            done.pruned.contents += 1;
            done.pruned.bytes += u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
            if row.get::<_, i64>(1)? == 1 {
                done.files.extend(Hash::from_slice(&hash));
            }
        }
        Ok(())
    }
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
