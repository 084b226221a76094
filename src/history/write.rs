//! The pen: applies records to the database, on the one connection that writes.
//!
//! Statements are prepared once. A record is either applied whole or not at all, if the caller
//! puts it into a transaction or savepoint of its own.

mod journal;
mod numbers;
mod prune;
mod sessions;
mod transcripts;

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{Fault, StoreError};
use super::mask::mask;
use super::record::{DecisionRow, LeaseRow, Record};
use crate::fault;
use crate::model::id::SessionId;
use crate::model::path::Hash;
use crate::model::session::BenchRow;

use self::numbers::Numbers;

pub(super) use self::journal::session_key;
pub(super) use self::prune::{Rows, Slice};

/// Costs are kept per quarter of an hour, because that divides the days of every time zone.
pub(super) const SLOT_MS: i64 = 15 * 60 * 1000;

/// Benches that are kept of a workspace.
pub(super) const BENCHES: usize = 5;

/// The connection that writes, and what is remembered between two records.
pub(super) struct Pen {
    pub(super) conn: Connection,
    path: PathBuf,
    /// The file as it was opened: its device and inode.
    file: Option<(u64, u64)>,
    sessions: Numbers<SessionId>,
    names: Numbers<String>,
    contents: Numbers<Hash>,
    /// Which commit of another process was seen last.
    others: i64,
    unsearched: usize,
}

impl Pen {
    /// A pen for an open connection.
    pub(super) fn new(conn: Connection, path: &Path) -> Self {
        conn.set_prepared_statement_cache_capacity(64);
        // An engine that died may have left some, so there is something to do at first.
        Self {
            conn,
            path: path.to_owned(),
            file: identity(path),
            sessions: Numbers::default(),
            names: Numbers::default(),
            contents: Numbers::default(),
            others: 0,
            unsearched: 1,
        }
    }

    /// Which database it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Applies all records in one transaction and makes them durable.
    pub(super) fn store<'r>(
        &mut self,
        records: impl Iterator<Item = &'r Record>,
    ) -> Result<(), StoreError> {
        let records: Vec<&Record> = records.collect();
        let outdated = outdated(&records);
        let current = records.into_iter().zip(outdated).filter(|(_, outdated)| !outdated);
        self.transaction(|pen| current.map(|(record, _)| record).try_for_each(|r| pen.apply(r)))
    }

    /// Runs `work` in a transaction of its own; an error undoes it.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let done = self.still_there().and_then(|()| self.run("BEGIN IMMEDIATE", []));
        let done = done.and_then(|()| {
            self.notice_others()?;
            let done = work(self)?;
            fault::at("history-written").map_err(|error| StoreError::of_io(&error, &self.path))?;
            self.run("COMMIT", [])?;
            // It is stored, and cannot fail any more.
            let _ = fault::at("history-stored");
            Ok(done)
        });
        done.map_err(|fault| {
            self.undo();
            fault.at(&self.path)
        })
    }

    /// Runs `work` inside the present transaction; an error undoes `work` only.
    pub(super) fn attempt(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), Fault>,
    ) -> Result<Result<(), StoreError>, Fault> {
        self.run("SAVEPOINT attempt", [])?;
        match work(self) {
            Ok(()) => {
                self.run("RELEASE attempt", [])?;
                Ok(Ok(()))
            }
            Err(fault) => {
                let error = fault.at(&self.path);
                if !error.concerns_one_record() {
                    return Err(Fault::Store(error));
                }
                self.forget_numbers();
                self.conn.execute_batch("ROLLBACK TO attempt; RELEASE attempt")?;
                Ok(Err(error))
            }
        }
    }

    /// What is written into a file that has lost its name is stored nowhere, and SQLite does not say
    /// so. If it gets its name again, all is well again.
    fn still_there(&self) -> Result<(), Fault> {
        if self.file.is_some() && identity(&self.path) != self.file {
            return Err(StoreError::Gone { path: self.path.clone() }.into());
        }
        Ok(())
    }

    /// Another process may have pruned contents, whose numbers mean something else from then on.
    fn notice_others(&mut self) -> Result<(), Fault> {
        let mut version = self.conn.prepare_cached("PRAGMA data_version")?;
        let others = version.query_row([], |row| row.get(0))?;
        drop(version);
        if std::mem::replace(&mut self.others, others) != others {
            self.forget_contents();
        }
        Ok(())
    }

    fn undo(&mut self) {
        self.forget_numbers();
        if !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "a transaction of the history could not be rolled back");
        }
    }

    /// Applies one record.
    pub(super) fn apply(&mut self, record: &Record) -> Result<(), Fault> {
        match record {
            Record::Session(row) => self.session(row),
            Record::Line { session, at, way, line } => self.line(session, *at, *way, line),
            Record::Item { session, item } => self.item(session, item),
            Record::Tail { session, item, text } => self.tail(session, *item, text),
            Record::Asked { session, ask } => self.ask(session, ask, None),
            Record::AskEnded { session, ask, at, outcome, answer } => {
                self.ask(session, ask, Some((*at, *outcome, answer.as_ref())))
            }
            Record::Lease(row) => self.lease(row),
            Record::Free { workspace, path } => {
                self.run("DELETE FROM lease WHERE workspace = ?1 AND path = ?2", [workspace, path])
            }
            Record::Knows { workspace, owner, path, knows } => {
                self.knows(workspace, owner, path, knows.as_ref())
            }
            Record::Decision(row) => self.decision(row),
            Record::Change(row) => self.change(row),
            Record::Blob { hash, bytes } => self.blob(*hash, bytes),
            Record::BlobFile { hash, room } => self.blob_file(*hash, *room),
            Record::Fresh { hash } => self.fresh(*hash),
            Record::Proposal(row) => self.proposal(row),
            Record::Bench(row) => self.bench(row),
            Record::Open(row) => self.opened(row),
            Record::Close { session, engine_pid, engine_started } => {
                self.closed(session, *engine_pid, *engine_started)
            }
            Record::Waiting { session, prompts } => self.waiting(session, prompts),
        }
    }

    fn run(&self, sql: &str, params: impl rusqlite::Params) -> Result<(), Fault> {
        self.conn.prepare_cached(sql)?.execute(params)?;
        Ok(())
    }

    /// The number of a session, which it gets with the first record that names it.
    fn number(&mut self, session: &SessionId) -> Result<i64, Fault> {
        if let Some(n) = self.sessions.get(session) {
            return Ok(n);
        }
        let n = match self.known_number(session)? {
            Some(n) => n,
            None => {
                self.run("INSERT INTO session_id (id) VALUES (?1)", [session.as_str()])?;
                self.conn.last_insert_rowid()
            }
        };
        self.sessions.keep(session.clone(), n);
        Ok(n)
    }

    fn known_number(&self, session: &SessionId) -> Result<Option<i64>, Fault> {
        let mut find = self.conn.prepare_cached("SELECT n FROM session_id WHERE id = ?1")?;
        Ok(find.query_row([session.as_str()], |row| row.get(0)).optional()?)
    }

    fn lease(&self, row: &LeaseRow) -> Result<(), Fault> {
        let began = row.process.as_ref().map(|process| process.began);
        let began = began.map(|began| i64::try_from(began).unwrap_or(i64::MAX));
        self.run(
            "INSERT INTO lease
                 (workspace, path, owner, state, since, until, reason, pid, began, boot)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT DO UPDATE SET owner = excluded.owner, state = excluded.state,
                 since = excluded.since, until = excluded.until, reason = excluded.reason,
                 pid = excluded.pid, began = excluded.began, boot = excluded.boot",
            params![
                row.workspace,
                row.path,
                row.owner.key(),
                word(&row.state)?,
                row.since.0,
                row.until.map(|until| until.0),
                row.reason,
                row.process.as_ref().map(|process| process.pid),
                began,
                row.process.as_ref().map(|process| process.boot.as_str()),
            ],
        )
    }

    fn decision(&self, row: &DecisionRow) -> Result<(), Fault> {
        self.run(
            "INSERT INTO decision (workspace, at, owner, path, tool, code, text)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                row.workspace,
                row.at.0,
                row.owner.key(),
                row.path,
                mask(&row.tool),
                row.code,
                mask(&row.text),
            ],
        )
    }

    /// Stores a bench. The last ones of the workspace are kept, but none that has come back as a
    /// part of this one.
    fn bench(&self, row: &BenchRow) -> Result<(), Fault> {
        self.run(
            "INSERT INTO bench (workspace, begun, saved_at, sessions, layout)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET saved_at = excluded.saved_at, sessions = excluded.sessions,
                                       layout = excluded.layout",
            params![
                row.workspace,
                row.begun.0,
                row.saved_at.0,
                serde_json::to_string(&row.sessions)?,
                serde_json::to_string(&row.layout)?,
            ],
        )?;
        let mut others = self.conn.prepare_cached(
            "SELECT begun, sessions FROM bench WHERE workspace = ?1 AND begun <> ?2
             ORDER BY saved_at DESC",
        )?;
        let others = others.query_map(params![row.workspace, row.begun.0], |other| {
            Ok((other.get::<_, i64>(0)?, other.get::<_, String>(1)?))
        })?;
        let mut kept = 1;
        for other in others.collect::<Result<Vec<_>, _>>()? {
            let (begun, sessions) = other;
            let sessions: Vec<SessionId> = serde_json::from_str(&sessions).unwrap_or_default();
            if kept < BENCHES && sessions.iter().any(|session| !row.sessions.contains(session)) {
                kept += 1;
            } else {
                self.run(
                    "DELETE FROM bench WHERE workspace = ?1 AND begun = ?2",
                    params![row.workspace, begun],
                )?;
            }
        }
        Ok(())
    }
}

/// The device and inode of a file.
fn identity(path: &Path) -> Option<(u64, u64)> {
    path.metadata().map(|meta| (meta.dev(), meta.ino())).ok()
}

/// Which records need not be applied, since a later one says what is in their place: leases change
/// hands several times in a transaction, and what counts is who has them at its end.
fn outdated(records: &[&Record]) -> Vec<bool> {
    let mut leases = HashSet::new();
    let mut known = HashSet::new();
    let mut outdated = vec![false; records.len()];
    for (record, outdated) in records.iter().zip(&mut outdated).rev() {
        *outdated = match record {
            Record::Lease(LeaseRow { workspace, path, .. }) | Record::Free { workspace, path } => {
                !leases.insert((workspace, path))
            }
            Record::Knows { workspace, owner, path, .. } => !known.insert((workspace, owner, path)),
            Record::Session(_)
            | Record::Line { .. }
            | Record::Item { .. }
            | Record::Tail { .. }
            | Record::Asked { .. }
            | Record::AskEnded { .. }
            | Record::Decision(_)
            | Record::Change(_)
            | Record::Blob { .. }
            | Record::BlobFile { .. }
            | Record::Fresh { .. }
            | Record::Proposal(_)
            | Record::Bench(_)
            | Record::Open(_)
            | Record::Close { .. }
            | Record::Waiting { .. } => false,
        };
    }
    outdated
}

/// A number for a column; SQLite's are signed.
fn int(value: u64) -> Result<i64, Fault> {
    i64::try_from(value).map_err(|_| Fault::Value(format!("{value} is too large a number")))
}

/// A unit variant as its word.
fn word<T: Serialize>(value: &T) -> Result<String, Fault> {
    Ok(serde_json::to_string(value)?.trim_matches('"').to_owned())
}

/// The unit variant of a word.
pub(super) fn from_word<T: DeserializeOwned>(word: &str) -> Result<T, Fault> {
    Ok(serde_json::from_value(serde_json::Value::from(word))?)
}
