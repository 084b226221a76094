//! Reading: a connection of its own that can change nothing.
//!
//! Each call blocks for the time of a query and sees what was committed when it began. A row that
//! cannot be understood is left out and logged where the others are worth showing, and is an
//! error where leaving it out would allow something (leases).

mod journal;
mod sessions;

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::{Fault, StoreError};
use super::items;
use super::open::open_to_read;
use super::record::{DecisionRow, LeaseRow, Process};
use super::write::{SLOT_MS, from_word};
use crate::model::id::{ItemId, SessionId};
use crate::model::lease::Owner;
use crate::model::path::{Hash, WorkPath};
use crate::model::permission::{Ask, AskAnswer, AskOutcome};
use crate::model::report::Way;
use crate::model::session::{BenchRow, TranscriptPage};
use crate::model::time::Wall;
use crate::model::transcript::Item;

pub use self::journal::{ChangePage, ChangeQuery, Scope};

/// What an owner knows of a file, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnowsRow {
    /// Who.
    pub owner: Owner,
    /// Which file.
    pub path: WorkPath,
    /// What it was shown.
    pub hash: Hash,
    /// How (`Seen` in snake case).
    pub seen: String,
}

/// An ask, as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct AskRow {
    /// The question.
    pub ask: Ask,
    /// When and how it ended, and what the person answered; `None` while it waits.
    pub end: Option<(Wall, AskOutcome, Option<AskAnswer>)>,
}

/// A line of the protocol, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineRow {
    /// Its place among all lines; grows with time.
    pub n: i64,
    /// When.
    pub at: Wall,
    /// Which way it went.
    pub way: Way,
    /// The line.
    pub line: String,
}

/// A connection that reads.
pub struct Reader {
    conn: Connection,
    path: PathBuf,
}

impl Reader {
    /// Opens the history at `path` for reading.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let conn = open_to_read(path)?;
        conn.set_prepared_statement_cache_capacity(32);
        Ok(Self { conn, path: path.to_owned() })
    }

    /// A stretch of a transcript: the last `limit` items before `before`, or of all. A limit of 0
    /// is none.
    pub fn page(
        &self,
        session: &SessionId,
        before: Option<ItemId>,
        limit: usize,
    ) -> Result<TranscriptPage, StoreError> {
        self.done(|reader| {
            let Some(n) = reader.number(session)? else { return Ok(TranscriptPage::default()) };
            let (first, mut end) = items::keys(n);
            if let Some(before) = before {
                end = items::key(n, before).unwrap_or(end);
            }
            let wanted = if limit == 0 { usize::MAX } else { limit };
            let mut newest = reader.conn.prepare_cached(
                "SELECT key, body FROM item WHERE key >= ?1 AND key < ?2 ORDER BY key DESC LIMIT ?3",
            )?;
            // One more than wanted tells whether there are more.
            let most = i64::try_from(wanted).unwrap_or(i64::MAX).saturating_add(1);
            let mut rows: Vec<(i64, String)> = newest
                .query_map([first, end, most], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            let more_before = rows.len() > wanted;
            rows.truncate(wanted);
            rows.reverse();
            let Some(oldest) = rows.first().map(|row| row.0) else {
                return Ok(TranscriptPage::default());
            };
            let tails = reader.tails(oldest, end)?;
            let items = rows.iter().map(|(key, json)| decode(*key, json, &tails)).collect();
            Ok(TranscriptPage { items, more_before })
        })
    }

    /// The tails of the items from `first` up to `end`, in the order of their items.
    fn tails(&self, first: i64, end: i64) -> Result<Vec<(i64, String)>, Fault> {
        let mut tails = self.conn.prepare_cached(
            "SELECT key, text FROM tail WHERE key >= ?1 AND key < ?2 ORDER BY key, seq",
        )?;
        let rows = tails.query_map([first, end], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The highest item of a session.
    pub fn max_item(&self, session: &SessionId) -> Result<Option<ItemId>, StoreError> {
        self.done(|reader| {
            let Some(n) = reader.number(session)? else { return Ok(None) };
            let (first, end) = items::keys(n);
            let mut last = reader
                .conn
                .prepare_cached("SELECT max(key) FROM item WHERE key >= ?1 AND key < ?2")?;
            let key: Option<i64> = last.query_row([first, end], |row| row.get(0))?;
            Ok(key.map(items::id_of))
        })
    }

    /// The raw lines of a session that follow line `after` (0: from the first), oldest first.
    pub fn lines(
        &self,
        session: &SessionId,
        after: i64,
        limit: usize,
    ) -> Result<Vec<LineRow>, StoreError> {
        self.done(|reader| {
            let Some(number) = reader.number(session)? else { return Ok(Vec::new()) };
            reader.rows(
                "SELECT n, at, way, line FROM line WHERE session = ?1 AND n > ?2 ORDER BY n LIMIT ?3",
                params![number, after, i64::try_from(limit).unwrap_or(i64::MAX)],
                |row| {
                    let way = if row.get::<_, i64>(2)? == 0 { Way::In } else { Way::Out };
                    Ok(LineRow { n: row.get(0)?, at: Wall(row.get(1)?), way, line: row.get(3)? })
                },
            )
        })
    }

    /// The asks of a session, oldest first.
    pub fn asks(&self, session: &SessionId) -> Result<Vec<AskRow>, StoreError> {
        self.done(|reader| {
            let Some(number) = reader.number(session)? else { return Ok(Vec::new()) };
            reader.rows(
                "SELECT body, ended_at, outcome, answer FROM ask WHERE session = ?1
                 ORDER BY asked_at, id",
                [number],
                |row| {
                    let answer: Option<String> = row.get(3)?;
                    let answer = answer.map(|json| serde_json::from_str(&json)).transpose()?;
                    let end =
                        match (row.get::<_, Option<i64>>(1)?, row.get::<_, Option<String>>(2)?) {
                            (Some(at), Some(outcome)) => {
                                Some((Wall(at), from_word(&outcome)?, answer))
                            }
                            (None, _) | (_, None) => None,
                        };
                    let ask = serde_json::from_str(&row.get::<_, String>(0)?)?;
                    Ok(AskRow { ask, end })
                },
            )
        })
    }

    /// The benches of a workspace as they were, the one that was saved last first.
    pub fn benches(&self, workspace: &str) -> Result<Vec<BenchRow>, StoreError> {
        self.done(|reader| {
            reader.rows(
                "SELECT begun, saved_at, sessions, layout FROM bench WHERE workspace = ?1
                 ORDER BY saved_at DESC",
                [workspace],
                |row| {
                    Ok(BenchRow {
                        workspace: workspace.to_owned(),
                        begun: Wall(row.get(0)?),
                        saved_at: Wall(row.get(1)?),
                        sessions: serde_json::from_str(&row.get::<_, String>(2)?)?,
                        layout: serde_json::from_str(&row.get::<_, String>(3)?)?,
                    })
                },
            )
        })
    }

    /// The leases of a workspace. One that cannot be understood is an error: forgetting it would
    /// give its file away.
    pub fn leases(&self, workspace: &str) -> Result<Vec<LeaseRow>, StoreError> {
        self.done(|reader| {
            let mut leases = reader.conn.prepare_cached(
                "SELECT path, owner, state, since, until, reason, pid, began, boot FROM lease
                 WHERE workspace = ?1 ORDER BY path",
            )?;
            let mut rows = leases.query([workspace])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(LeaseRow {
                    workspace: workspace.to_owned(),
                    path: row.get(0)?,
                    owner: owner(row, 1)?,
                    state: from_word(&row.get::<_, String>(2)?)?,
                    since: Wall(row.get(3)?),
                    until: row.get::<_, Option<i64>>(4)?.map(Wall),
                    reason: row.get(5)?,
                    process: process(row)?,
                });
            }
            Ok(found)
        })
    }

    /// What the owners of a workspace know of its files. One that cannot be understood is left
    /// out: who knows nothing of a file may not write it.
    pub fn observations(&self, workspace: &str) -> Result<Vec<KnowsRow>, StoreError> {
        self.done(|reader| {
            reader.rows(
                "SELECT owner.text, path.text, content.hash, seen FROM knows
                 JOIN name AS owner ON owner.n = knows.owner
                 JOIN name AS path ON path.n = knows.path
                 JOIN content ON content.n = knows.content
                 WHERE knows.workspace = (SELECT n FROM name WHERE text = ?1)
                 ORDER BY owner.text, path.text",
                [workspace],
                |row| {
                    Ok(KnowsRow {
                        owner: owner(row, 0)?,
                        path: work_path(row, 1)?,
                        hash: hash(row, 2)?,
                        seen: row.get(3)?,
                    })
                },
            )
        })
    }

    /// The last decisions of the arbiter in a workspace, newest first.
    pub fn decisions(&self, workspace: &str, limit: usize) -> Result<Vec<DecisionRow>, StoreError> {
        self.done(|reader| {
            reader.rows(
                "SELECT at, owner, path, tool, code, text FROM decision WHERE workspace = ?1
                 ORDER BY n DESC LIMIT ?2",
                params![workspace, i64::try_from(limit).unwrap_or(i64::MAX)],
                |row| {
                    Ok(DecisionRow {
                        workspace: workspace.to_owned(),
                        at: Wall(row.get(0)?),
                        owner: owner(row, 1)?,
                        path: row.get(2)?,
                        tool: row.get(3)?,
                        code: row.get(4)?,
                        text: row.get(5)?,
                    })
                },
            )
        })
    }

    /// US dollars that sessions have cost since a moment (in steps of 15 minutes), those of one
    /// workspace or of all. With the local midnight these are today's.
    pub fn cost_since(&self, since: Wall, workspace: Option<&str>) -> Result<f64, StoreError> {
        self.done(|reader| {
            // Costs are totals: what a session has now, less what it had before.
            let mut sum = reader.conn.prepare_cached(
                "SELECT coalesce(sum(max(0.0, now - before)), 0.0) FROM (
                     SELECT (SELECT cost FROM spend WHERE session = active.session
                             ORDER BY slot DESC LIMIT 1) AS now,
                            coalesce((SELECT cost FROM spend
                                      WHERE session = active.session AND slot < ?1
                                      ORDER BY slot DESC LIMIT 1), 0.0) AS before
                     FROM (SELECT DISTINCT session FROM spend WHERE slot >= ?1) AS active
                     JOIN session ON session.n = active.session
                     WHERE ?2 IS NULL OR session.workspace = ?2)",
            )?;
            let slot = since.0.div_euclid(SLOT_MS);
            Ok(sum.query_row(params![slot, workspace], |row| row.get(0))?)
        })
    }

    fn number(&self, session: &SessionId) -> Result<Option<i64>, Fault> {
        let mut find = self.conn.prepare_cached("SELECT n FROM session_id WHERE id = ?1")?;
        Ok(find.query_row([session.as_str()], |row| row.get(0)).optional()?)
    }

    /// The rows of a query; those that cannot be understood are logged and left out.
    fn rows<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl Fn(&Row<'_>) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            match read(row) {
                Ok(value) => found.push(value),
                Err(Fault::Value(detail)) => tracing::warn!(detail, "a stored row is left out"),
                Err(fault @ (Fault::Sqlite(_) | Fault::Store(_))) => return Err(fault),
            }
        }
        Ok(found)
    }

    fn done<T>(&self, read: impl FnOnce(&Self) -> Result<T, Fault>) -> Result<T, StoreError> {
        read(self).map_err(|fault| fault.at(&self.path))
    }
}

/// An item with its share of the sorted tails.
fn decode(key: i64, json: &str, tails: &[(i64, String)]) -> Item {
    let from = tails.partition_point(|(other, _)| *other < key);
    let own = tails[from..].iter().take_while(|(other, _)| *other == key);
    items::decode(key, json, own.map(|(_, text)| text.as_str()))
}

/// The process of a lease. A row without its beginning is of nobody who could be found again.
fn process(row: &Row<'_>) -> rusqlite::Result<Option<Process>> {
    let (pid, began) = (row.get::<_, Option<u32>>(6)?, row.get::<_, Option<i64>>(7)?);
    let boot = row.get::<_, Option<String>>(8)?;
    let began = began.and_then(|began| u64::try_from(began).ok());
    Ok(pid.zip(began).zip(boot).map(|((pid, began), boot)| Process { pid, began, boot }))
}

fn owner(row: &Row<'_>, column: usize) -> Result<Owner, Fault> {
    Ok(Owner::from_key(&row.get::<_, String>(column)?))
}

fn work_path(row: &Row<'_>, column: usize) -> Result<WorkPath, Fault> {
    WorkPath::try_from(row.get::<_, String>(column)?).map_err(Fault::Value)
}

fn hash(row: &Row<'_>, column: usize) -> Result<Hash, Fault> {
    optional_hash(row, column)?
        .ok_or_else(|| Fault::Value(format!("column {column} should be a hash, not nothing")))
}

fn optional_hash(row: &Row<'_>, column: usize) -> Result<Option<Hash>, Fault> {
    let bytes: Option<Vec<u8>> = row.get(column)?;
    let whole = |bytes: Vec<u8>| {
        Hash::from_slice(&bytes)
            .ok_or_else(|| Fault::Value(format!("{} bytes are no BLAKE3 hash", bytes.len())))
    };
    bytes.map(whole).transpose()
}
