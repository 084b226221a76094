//! Writing what was said: lines, items with their tails, asks, and the words to be searched.

use rusqlite::{OptionalExtension, params};

use super::{Pen, int, word};
use crate::history::error::{Fault, StoreError};
use crate::history::items::{self, Encoded};
use crate::history::mask::mask;
use crate::history::words::words;
use crate::model::id::{ItemId, SessionId};
use crate::model::permission::{Ask, AskAnswer, AskOutcome};
use crate::model::report::Way;
use crate::model::time::Wall;
use crate::model::transcript::Item;

/// Items that are made searchable in one piece after the death of an engine.
const LEFT_OPEN: i64 = 1_000;

impl Pen {
    pub(super) fn line(
        &mut self,
        session: &SessionId,
        at: Wall,
        way: Way,
        line: &str,
    ) -> Result<(), Fault> {
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

    pub(super) fn item(&mut self, session: &SessionId, item: &Item) -> Result<(), Fault> {
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
    pub(in crate::history) fn unsearched(&self) -> usize {
        self.unsearched
    }

    /// Makes the next `most` closed items searchable.
    pub(in crate::history) fn index(&mut self, most: usize) -> Result<(), StoreError> {
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
    pub(in crate::history) fn index_left_open(
        &mut self,
        session: Option<i64>,
    ) -> Result<(), Fault> {
        let (mut first, end) = session.map_or((0, i64::MAX), items::keys);
        loop {
            let left: Vec<(i64, String)> = self
                .conn
                .prepare_cached(
                    "SELECT key, body FROM item
                     WHERE open = 1 AND doc IS NULL AND key >= ?1 AND key < ?2
                     ORDER BY key LIMIT ?3",
                )?
                .query_map(params![first, end, LEFT_OPEN], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            let Some((last, _)) = left.last() else { return Ok(()) };
            first = last + 1;
            for (key, json) in left {
                let tails: Vec<String> = self
                    .conn
                    .prepare_cached("SELECT text FROM tail WHERE key = ?1 ORDER BY seq")?
                    .query_map([key], |row| row.get(0))?
                    .collect::<Result<_, _>>()?;
                let item = items::decode(key, &json, tails.iter().map(String::as_str));
                // One without words is looked at once as well: there is no row 0.
                let doc = self.doc(key, &item, &Encoded { json, changed: None })?.unwrap_or(0);
                self.run("UPDATE item SET doc = ?2 WHERE key = ?1", [key, doc])?;
            }
        }
    }

    pub(super) fn tail(
        &mut self,
        session: &SessionId,
        item: ItemId,
        text: &str,
    ) -> Result<(), Fault> {
        let key = self.key(session, item)?;
        self.run(
            "INSERT INTO tail (key, seq, text)
             VALUES (?1, (SELECT coalesce(max(seq), 0) + 1 FROM tail WHERE key = ?1), ?2)",
            params![key, text],
        )
    }

    pub(super) fn ask(
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
}
