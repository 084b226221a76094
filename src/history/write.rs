//! The pen: applies records to the database, on the one connection that writes.
//!
//! Statements are prepared once. A record is either applied whole or not at all, if the caller
//! puts it into a transaction or savepoint of its own.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{Fault, StoreError};
use super::items::{self, Encoded};
use super::mask::mask;
use super::record::{ChangeRow, DecisionRow, LeaseRow, OpenRow, Record};
use super::words::words;
use crate::model::id::{ItemId, SessionId};
use crate::model::permission::{Ask, AskAnswer, AskOutcome};
use crate::model::report::Way;
use crate::model::session::{BenchRow, SessionRow};
use crate::model::time::Wall;
use crate::model::transcript::Item;

/// Costs are kept per quarter of an hour, because that divides the days of every time zone.
pub(super) const SLOT_MS: i64 = 15 * 60 * 1000;

/// Session numbers that are kept in memory; beyond it they are looked up anew.
const NUMBERS: usize = 4096;

/// Lines that are deleted in one transaction.
const PRUNE_LINES: i64 = 5_000;

/// The connection that writes, and what is remembered between two records.
pub(super) struct Pen {
    pub(super) conn: Connection,
    path: PathBuf,
    numbers: HashMap<SessionId, i64>,
    unsearched: usize,
}

impl Pen {
    /// A pen for an open connection.
    pub(super) fn new(conn: Connection, path: &Path) -> Self {
        conn.set_prepared_statement_cache_capacity(64);
        // An engine that died may have left some, so there is something to do at first.
        Self { conn, path: path.to_owned(), numbers: HashMap::new(), unsearched: 1 }
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
        self.transaction(|pen| records.into_iter().try_for_each(|record| pen.apply(record)))
    }

    /// Runs `work` in a transaction of its own; an error undoes it.
    pub(super) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let done = self.run("BEGIN IMMEDIATE", []).and_then(|()| {
            let done = work(self)?;
            self.run("COMMIT", [])?;
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
                self.numbers.clear();
                self.conn.execute_batch("ROLLBACK TO attempt; RELEASE attempt")?;
                Ok(Err(error))
            }
        }
    }

    fn undo(&mut self) {
        self.numbers.clear();
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
            Record::Knows { workspace, owner, path, knows: Some((hash, seen)) } => self.run(
                "INSERT INTO knows (workspace, owner, path, hash, seen) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET hash = excluded.hash, seen = excluded.seen",
                params![workspace, owner.key(), path.as_str(), hash.to_hex(), seen],
            ),
            Record::Knows { workspace, owner, path, knows: None } => self.run(
                "DELETE FROM knows WHERE workspace = ?1 AND owner = ?2 AND path = ?3",
                params![workspace, owner.key(), path.as_str()],
            ),
            Record::Decision(row) => self.decision(row),
            Record::Change(row) => self.change(row),
            Record::Blob { hash, bytes } => self.run(
                "INSERT INTO blob (hash, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                params![hash.to_hex(), bytes],
            ),
            Record::Bench(row) => self.bench(row),
            Record::Open(row) => self.opened(row),
            Record::Close { session } => {
                let n = self.number(session)?;
                self.run("DELETE FROM opened WHERE session = ?1", [n])
            }
        }
    }

    fn run(&self, sql: &str, params: impl rusqlite::Params) -> Result<(), Fault> {
        self.conn.prepare_cached(sql)?.execute(params)?;
        Ok(())
    }

    /// The number of a session, which it gets with the first record that names it.
    fn number(&mut self, session: &SessionId) -> Result<i64, Fault> {
        if let Some(n) = self.numbers.get(session) {
            return Ok(*n);
        }
        let n = match self.known_number(session)? {
            Some(n) => n,
            None => {
                self.run("INSERT INTO session_id (id) VALUES (?1)", [session.as_str()])?;
                self.conn.last_insert_rowid()
            }
        };
        if self.numbers.len() >= NUMBERS {
            self.numbers.clear();
        }
        self.numbers.insert(session.clone(), n);
        Ok(n)
    }

    fn known_number(&self, session: &SessionId) -> Result<Option<i64>, Fault> {
        let mut find = self.conn.prepare_cached("SELECT n FROM session_id WHERE id = ?1")?;
        Ok(find.query_row([session.as_str()], |row| row.get(0)).optional()?)
    }

    fn session(&mut self, row: &SessionRow) -> Result<(), Fault> {
        let n = self.number(&row.id)?;
        // The back end's id is never cleared once known; `own_title` is the person's.
        self.run(
            "INSERT INTO session (n, backend_session_id, title, workspace, cwd, branch, spec, backend,
                                  agent, started_at, updated_at, turns, messages, usage, last_state,
                                  forked_from)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
             ON CONFLICT DO UPDATE SET
                 backend_session_id = coalesce(excluded.backend_session_id, backend_session_id),
                 title = excluded.title, workspace = excluded.workspace, cwd = excluded.cwd,
                 branch = excluded.branch, spec = excluded.spec, backend = excluded.backend,
                 agent = excluded.agent, started_at = excluded.started_at,
                 updated_at = excluded.updated_at, turns = excluded.turns,
                 messages = excluded.messages, usage = excluded.usage,
                 last_state = excluded.last_state, forked_from = excluded.forked_from",
            params![
                n,
                row.backend_session_id,
                row.title,
                row.workspace,
                row.cwd,
                row.branch,
                serde_json::to_string(&row.spec)?,
                row.backend.as_str(),
                row.agent,
                row.started_at.0,
                row.updated_at.0,
                row.turns,
                int(row.messages)?,
                serde_json::to_string(&row.usage)?,
                row.last_state,
                row.forked_from.as_ref().map(SessionId::as_str),
            ],
        )?;
        if row.usage.cost_usd > 0.0 {
            self.run(
                "INSERT INTO spend (session, slot, cost) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET cost = excluded.cost",
                params![n, row.updated_at.0.div_euclid(SLOT_MS), row.usage.cost_usd],
            )?;
        }
        Ok(())
    }

    fn line(&mut self, session: &SessionId, at: Wall, way: Way, line: &str) -> Result<(), Fault> {
        let n = self.number(session)?;
        let way = match way {
            Way::In => 0,
            Way::Out => 1,
        };
        self.run(
            "INSERT INTO line (session, at, way, line) VALUES (?1, ?2, ?3, ?4)",
            params![n, at.0, way, mask(line)],
        )
    }

    fn key(&mut self, session: &SessionId, item: ItemId) -> Result<i64, Fault> {
        let n = self.number(session)?;
        items::key(n, item)
            .ok_or_else(|| Fault::Value(format!("item {item} of {session} has too large a number")))
    }

    fn item(&mut self, session: &SessionId, item: &Item) -> Result<(), Fault> {
        let key = self.key(session, item.id)?;
        let encoded = items::encode(item)?;
        let doc = if item.open { None } else { self.doc(key, item, &encoded)? };
        self.run(
            "INSERT INTO item (key, open, doc, body) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET open = excluded.open, doc = coalesce(excluded.doc, doc),
                                       body = excluded.body",
            params![key, item.open, doc, encoded.json],
        )?;
        self.run("DELETE FROM tail WHERE key = ?1", [key])
    }

    /// Notes the words of an item and returns its row in `doc`; `None` if it has no words.
    fn doc(&mut self, key: i64, item: &Item, encoded: &Encoded) -> Result<Option<i64>, Fault> {
        let words = words(encoded.changed.as_ref().unwrap_or(item));
        let old: Option<(i64, String)> = self
            .conn
            .prepare_cached(
                "SELECT doc.n, doc.words FROM item JOIN doc ON doc.n = item.doc WHERE item.key = ?1",
            )?
            .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        match old {
            None if words.is_empty() => Ok(None),
            None => {
                self.run("INSERT INTO doc (key, words) VALUES (?1, ?2)", params![key, words])?;
                self.unsearched += 1;
                Ok(Some(self.conn.last_insert_rowid()))
            }
            Some((n, old)) if old == words => Ok(Some(n)),
            Some((n, old)) => {
                let searched = n <= self.indexed()?;
                if searched {
                    self.run(
                        "INSERT INTO search (search, rowid, words) VALUES ('delete', ?1, ?2)",
                        params![n, old],
                    )?;
                    self.run(
                        "INSERT INTO search (rowid, words) VALUES (?1, ?2)",
                        params![n, words],
                    )?;
                }
                self.run("UPDATE doc SET words = ?2 WHERE n = ?1", params![n, words])?;
                Ok(Some(n))
            }
        }
    }

    fn indexed(&self) -> Result<i64, Fault> {
        let mut find = self.conn.prepare_cached("SELECT upto FROM indexed")?;
        Ok(find.query_row([], |row| row.get(0))?)
    }

    /// How many items were closed since the last call of [`Pen::index`] left none.
    pub(super) fn unsearched(&self) -> usize {
        self.unsearched
    }

    /// Makes the next `most` closed items searchable.
    pub(super) fn index(&mut self, most: usize) -> Result<(), StoreError> {
        self.transaction(|pen| {
            let from = pen.indexed()?;
            let limit = i64::try_from(most).unwrap_or(i64::MAX);
            let (count, to): (i64, Option<i64>) = pen
                .conn
                .prepare_cached(
                    "SELECT count(*), max(n) FROM (
                         SELECT n FROM doc WHERE n > ?1 ORDER BY n LIMIT ?2)",
                )?
                .query_row([from, limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
            if let Some(to) = to {
                pen.run(
                    "INSERT INTO search (rowid, words)
                     SELECT n, words FROM doc WHERE n > ?1 AND n <= ?2 ORDER BY n",
                    [from, to],
                )?;
                pen.run("UPDATE indexed SET upto = ?1", [to])?;
            }
            let left = pen.unsearched.saturating_sub(usize::try_from(count).unwrap_or(0));
            pen.unsearched = if count < limit { 0 } else { left.max(1) };
            Ok(())
        })
    }

    /// Makes items searchable that an engine left open when it died: those of one session, or of
    /// all when no engine is alive.
    pub(super) fn index_left_open(&mut self, session: Option<i64>) -> Result<(), Fault> {
        let (first, end) = session.map_or((0, i64::MAX), items::keys);
        let left: Vec<(i64, String)> = self
            .conn
            .prepare_cached(
                "SELECT key, body FROM item
                 WHERE open = 1 AND doc IS NULL AND key >= ?1 AND key < ?2 LIMIT 10000",
            )?
            .query_map([first, end], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (key, json) in left {
            let tails: Vec<String> = self
                .conn
                .prepare_cached("SELECT text FROM tail WHERE key = ?1 ORDER BY seq")?
                .query_map([key], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            let item = items::decode(key, &json, tails.iter().map(String::as_str));
            if let Some(doc) = self.doc(key, &item, &Encoded { json, changed: None })? {
                self.run("UPDATE item SET doc = ?2 WHERE key = ?1", [key, doc])?;
            }
        }
        Ok(())
    }

    fn tail(&mut self, session: &SessionId, item: ItemId, text: &str) -> Result<(), Fault> {
        let key = self.key(session, item)?;
        self.run(
            "INSERT INTO tail (key, seq, text)
             VALUES (?1, (SELECT coalesce(max(seq), 0) + 1 FROM tail WHERE key = ?1), ?2)",
            params![key, text],
        )
    }

    fn ask(
        &mut self,
        session: &SessionId,
        ask: &Ask,
        end: Option<(Wall, AskOutcome, Option<&AskAnswer>)>,
    ) -> Result<(), Fault> {
        let n = self.number(session)?;
        let body = serde_json::to_string(ask)?;
        let (at, outcome, answer) = match end {
            None => (None, None, None),
            Some((at, outcome, answer)) => {
                let answer = answer.map(serde_json::to_string).transpose()?;
                (Some(at.0), Some(word(&outcome)?), answer)
            }
        };
        self.run(
            "INSERT INTO ask (session, asked_at, id, body, ended_at, outcome, answer)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT DO UPDATE SET body = excluded.body, ended_at = excluded.ended_at,
                                       outcome = excluded.outcome, answer = excluded.answer",
            params![
                n,
                ask.at.0,
                int(ask.id.0)?,
                mask(&body),
                at,
                outcome,
                answer.as_deref().map(mask)
            ],
        )
    }

    fn lease(&self, row: &LeaseRow) -> Result<(), Fault> {
        self.run(
            "INSERT INTO lease (workspace, path, owner, state, since, until, reason, pid)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT DO UPDATE SET owner = excluded.owner, state = excluded.state,
                 since = excluded.since, until = excluded.until, reason = excluded.reason,
                 pid = excluded.pid",
            params![
                row.workspace,
                row.path,
                row.owner.key(),
                word(&row.state)?,
                row.since.0,
                row.until.map(|until| until.0),
                row.reason,
                row.pid,
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

    fn change(&self, row: &ChangeRow) -> Result<(), Fault> {
        self.run(
            "INSERT INTO change (workspace, at, owner, path, before, after, over)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                row.workspace,
                row.at.0,
                row.owner.key(),
                row.path.as_str(),
                row.before.map(|hash| hash.to_hex()),
                row.after.map(|hash| hash.to_hex()),
                row.over.as_ref().map(|owner| owner.key()),
            ],
        )
    }

    fn bench(&self, row: &BenchRow) -> Result<(), Fault> {
        self.run(
            "INSERT INTO bench (workspace, saved_at, sessions, layout) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET saved_at = excluded.saved_at, sessions = excluded.sessions,
                                       layout = excluded.layout",
            params![
                row.workspace,
                row.saved_at.0,
                serde_json::to_string(&row.sessions)?,
                serde_json::to_string(&row.layout)?,
            ],
        )
    }

    /// Notes that a session is open; the row of another engine stays untouched.
    fn opened(&mut self, row: &OpenRow) -> Result<(), Fault> {
        let n = self.number(&row.session)?;
        if let Some(there) = self.open_row(n, &row.session)?
            && (there.engine_pid, there.engine_started) != (row.engine_pid, row.engine_started)
        {
            return Err(already_open(there).into());
        }
        self.write_open_row(n, row)
    }

    /// Opens a session for one engine, unless another one that is alive has it open.
    pub(super) fn open_session(
        &mut self,
        row: &OpenRow,
        alive: impl FnOnce(u32, u64) -> bool,
    ) -> Result<(), StoreError> {
        self.transaction(|pen| {
            let n = pen.number(&row.session)?;
            if let Some(there) = pen.open_row(n, &row.session)? {
                if alive(there.engine_pid, there.engine_started) {
                    return Err(already_open(there).into());
                }
                pen.index_left_open(Some(n))?;
            }
            pen.write_open_row(n, row)
        })
    }

    fn open_row(&self, n: i64, session: &SessionId) -> Result<Option<OpenRow>, Fault> {
        let mut find = self.conn.prepare_cached(
            "SELECT engine_pid, engine_started, agent_pid, at FROM opened WHERE session = ?1",
        )?;
        let row = find.query_row([n], |row| {
            Ok(OpenRow {
                session: session.clone(),
                engine_pid: row.get(0)?,
                engine_started: row.get::<_, i64>(1)?.cast_unsigned(),
                agent_pid: row.get(2)?,
                at: Wall(row.get(3)?),
            })
        });
        Ok(row.optional()?)
    }

    fn write_open_row(&self, n: i64, row: &OpenRow) -> Result<(), Fault> {
        self.run(
            "INSERT INTO opened (session, engine_pid, engine_started, agent_pid, at)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET engine_pid = excluded.engine_pid,
                 engine_started = excluded.engine_started, agent_pid = excluded.agent_pid,
                 at = excluded.at",
            params![n, row.engine_pid, row.engine_started.cast_signed(), row.agent_pid, row.at.0],
        )
    }

    /// Gives a session the person's title; an empty one gives it back to the back end.
    pub(super) fn rename_session(
        &mut self,
        session: &SessionId,
        title: &str,
    ) -> Result<(), StoreError> {
        self.transaction(|pen| {
            let title = Some(title.trim()).filter(|title| !title.is_empty());
            let n = pen.known_number(session)?;
            let renamed = pen
                .conn
                .prepare_cached("UPDATE session SET own_title = ?2 WHERE n = ?1")?
                .execute(params![n, title])?;
            if renamed == 0 { Err(StoreError::NoSession(session.clone()).into()) } else { Ok(()) }
        })
    }

    /// Deletes some of the raw lines older than `before`; zero once none is left.
    pub(super) fn prune_lines(&mut self, before: Wall) -> Result<usize, StoreError> {
        self.transaction(|pen| {
            // Lines come in the order of time, so that the first younger one ends the search.
            let mut prune = pen.conn.prepare_cached(
                "DELETE FROM line WHERE n IN (
                     SELECT n FROM line
                     WHERE n < coalesce((SELECT n FROM line WHERE at >= ?1 ORDER BY n LIMIT 1),
                                        9223372036854775807)
                     ORDER BY n LIMIT ?2)",
            )?;
            Ok(prune.execute([before.0, PRUNE_LINES])?)
        })
    }
}

fn already_open(row: OpenRow) -> StoreError {
    StoreError::AlreadyOpen { session: row.session, engine_pid: row.engine_pid, at: row.at }
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
