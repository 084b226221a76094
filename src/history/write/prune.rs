//! The steps of pruning the journal, each one a short transaction.

use std::collections::BTreeSet;
use std::io;

use rusqlite::{OptionalExtension, params};

use super::Pen;
use crate::history::contents::Contents;
use crate::history::error::{Fault, StoreError};
use crate::history::prune::{Pruned, system_time};
use crate::model::path::Hash;
use crate::model::time::Wall;

/// Rows that one step looks at.
const STEP: i64 = 500;

/// Changes that one step forgets to make room.
const FEW: i64 = 50;

/// Holds for a content that nothing names.
const UNNAMED: &str = "NOT EXISTS (SELECT 1 FROM changes WHERE before = blob.hash)
    AND NOT EXISTS (SELECT 1 FROM changes WHERE after = blob.hash)
    AND NOT EXISTS (SELECT 1 FROM proposal WHERE hash = blob.hash)
    AND NOT EXISTS (SELECT 1 FROM proposal WHERE base = blob.hash)
    AND NOT EXISTS (SELECT 1 FROM knows WHERE hash = blob.hash)";

impl Pen {
    /// Forgets some changes and proposals from before `old`.
    pub(in crate::history) fn forget_old(&mut self, old: Wall) -> Result<Pruned, StoreError> {
        self.transaction(|pen| {
            let delete = |table: &str| -> Result<u64, Fault> {
                let sql = format!(
                    "DELETE FROM {table} WHERE n IN
                         (SELECT n FROM {table} WHERE at < ?1 ORDER BY at LIMIT ?2)"
                );
                Ok(count(pen.conn.prepare_cached(&sql)?.execute(params![old.0, STEP])?))
            };
            let (changes, proposals) = (delete("changes")?, delete("proposal")?);
            Ok(Pruned { changes, proposals, ..Pruned::default() })
        })
    }

    /// Removes what nothing names among some contents that follow row `after`. Returns the last
    /// row looked at; `None` at the end.
    pub(in crate::history) fn sweep(
        &mut self,
        after: i64,
        young: Wall,
        contents: &Contents,
    ) -> Result<Option<(i64, Pruned)>, StoreError> {
        let (last, gone) = self.transaction(|pen| {
            let mut rows = pen.conn.prepare_cached(
                "SELECT max(rowid) FROM
                     (SELECT rowid FROM blob WHERE rowid > ?1 ORDER BY rowid LIMIT ?2)",
            )?;
            let last: Option<i64> = rows.query_row([after, STEP], |row| row.get(0))?;
            let Some(last) = last else { return Ok((None, Gone::default())) };
            let sql = format!(
                "DELETE FROM blob WHERE rowid > ?1 AND rowid <= ?2 AND at < ?3 AND {UNNAMED}
                 RETURNING hash, room, form"
            );
            let gone = pen.delete_contents(&sql, params![after, last, young.0])?;
            Ok((Some(last), gone))
        })?;
        gone.files(contents, young);
        Ok(last.map(|last| (last, gone.pruned)))
    }

    /// Forgets some of the oldest changes and proposals, with their contents, if the contents of
    /// changes take more than `most` bytes.
    pub(in crate::history) fn make_room(
        &mut self,
        most: u64,
        young: Wall,
        contents: &Contents,
    ) -> Result<Pruned, StoreError> {
        let gone = self.transaction(|pen| {
            let mut taken = pen.conn.prepare_cached(
                "SELECT coalesce(sum(room), 0) FROM blob
                 WHERE at < ?1 AND NOT EXISTS (SELECT 1 FROM knows WHERE hash = blob.hash)",
            )?;
            let taken: i64 = taken.query_row([young.0], |row| row.get(0))?;
            let mut gone = Gone::default();
            if u64::try_from(taken).unwrap_or(0) <= most {
                return Ok(gone);
            }
            let mut hashes: BTreeSet<String> = BTreeSet::new();
            let mut forget = |sql: &str, until: i64| -> Result<u64, Fault> {
                let mut delete = pen.conn.prepare_cached(sql)?;
                let mut rows = delete.query(params![until, FEW])?;
                let mut number = 0;
                while let Some(row) = rows.next()? {
                    hashes.extend(row.get::<_, Option<String>>(0)?);
                    hashes.extend(row.get::<_, Option<String>>(1)?);
                    number += 1;
                }
                Ok(number)
            };
            gone.pruned.changes = forget(
                "DELETE FROM changes WHERE n IN
                     (SELECT n FROM changes WHERE at < ?1 ORDER BY at LIMIT ?2)
                 RETURNING before, after",
                young.0,
            )?;
            // Proposals go along with the changes of their time.
            let oldest = pen
                .conn
                .prepare_cached("SELECT at FROM changes ORDER BY at LIMIT 1")?
                .query_row([], |row| row.get::<_, i64>(0))
                .optional()?;
            gone.pruned.proposals = forget(
                "DELETE FROM proposal WHERE n IN
                     (SELECT n FROM proposal WHERE at < ?1 ORDER BY at LIMIT ?2)
                 RETURNING hash, base",
                oldest.unwrap_or(i64::MAX).min(young.0),
            )?;
            let sql = format!(
                "DELETE FROM blob WHERE hash = ?1 AND at < ?2 AND {UNNAMED}
                 RETURNING hash, room, form"
            );
            for hash in hashes {
                gone.join(pen.delete_contents(&sql, params![hash, young.0])?);
            }
            Ok(gone)
        })?;
        gone.files(contents, young);
        Ok(gone.pruned)
    }

    /// Removes the files of one folder that no row names: a crash may have left some.
    pub(in crate::history) fn remove_unnamed(
        &mut self,
        part: u8,
        young: Wall,
        contents: &Contents,
    ) -> Result<(), StoreError> {
        let fail = |error: io::Error| StoreError::of_io(&error, self.path());
        let there = contents.list(part, system_time(young)).map_err(fail)?;
        let mut unnamed = Vec::new();
        for hash in there {
            let known = || -> rusqlite::Result<bool> {
                let sql = "SELECT 1 FROM blob WHERE hash = ?1 AND form = 1";
                self.conn.prepare_cached(sql)?.exists([hash.to_hex()])
            };
            if !known().map_err(|error| StoreError::of_sqlite(&error, self.path()))? {
                unnamed.push(hash);
            }
        }
        contents.remove(&unnamed, system_time(young)).map_err(fail)?;
        Ok(())
    }

    fn delete_contents(&self, sql: &str, params: impl rusqlite::Params) -> Result<Gone, Fault> {
        let mut delete = self.conn.prepare_cached(sql)?;
        let mut rows = delete.query(params)?;
        let mut gone = Gone::default();
        while let Some(row) = rows.next()? {
            gone.pruned.contents += 1;
            gone.pruned.bytes += u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
            if row.get::<_, i64>(2)? == 1 {
                gone.hashes.extend(Hash::parse(&row.get::<_, String>(0)?));
            }
        }
        Ok(gone)
    }
}

/// What a step removed, and whose files go once that is committed.
#[derive(Debug, Default)]
struct Gone {
    pruned: Pruned,
    hashes: Vec<Hash>,
}

impl Gone {
    fn join(&mut self, mut more: Self) {
        self.pruned.add(more.pruned);
        self.hashes.append(&mut more.hashes);
    }

    /// Removes the files. One that stays is nobody's any more and goes with the next pruning.
    fn files(&self, contents: &Contents, young: Wall) {
        if let Err(error) = contents.remove(&self.hashes, system_time(young)) {
            tracing::warn!(%error, "files of forgotten contents could not be removed");
        }
    }
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
