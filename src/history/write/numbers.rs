//! Numbers for what many rows name: sessions, names, contents.
//!
//! A row and the indexes over it hold a small number that grows with time, so that rows written
//! together share their pages. Those looked up last are kept in memory. They are looked up anew
//! after anything that takes rows back, and contents also after another process has written: only
//! they are ever removed.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash;

use rusqlite::{OptionalExtension, params};

use super::Pen;
use crate::history::error::Fault;
use crate::model::path::Hash;

/// Numbers of one kind that are kept in memory; beyond it they are looked up anew.
const KEPT: usize = 8192;

/// Numbers that are known without a look.
#[derive(Debug)]
pub(super) struct Numbers<K>(HashMap<K, i64>);

impl<K> Default for Numbers<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: hash::Hash + Eq> Numbers<K> {
    pub(super) fn get<Q: hash::Hash + Eq + ?Sized>(&self, key: &Q) -> Option<i64>
    where
        K: Borrow<Q>,
    {
        self.0.get(key).copied()
    }

    pub(super) fn keep(&mut self, key: K, n: i64) {
        if self.0.len() >= KEPT {
            self.0.clear();
        }
        self.0.insert(key, n);
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

impl Pen {
    /// The rows behind the numbers may be gone.
    pub(super) fn forget_numbers(&mut self) {
        self.sessions.clear();
        self.names.clear();
        self.contents.clear();
    }

    /// Contents were removed.
    pub(super) fn forget_contents(&mut self) {
        self.contents.clear();
    }

    /// The number of a name, which it gets with the first row that holds it.
    pub(super) fn name(&mut self, text: &str) -> Result<i64, Fault> {
        if let Some(n) = self.names.get(text) {
            return Ok(n);
        }
        let find = |pen: &Self| -> rusqlite::Result<Option<i64>> {
            let mut find = pen.conn.prepare_cached("SELECT n FROM name WHERE text = ?1")?;
            find.query_row([text], |row| row.get(0)).optional()
        };
        let n = match find(self)? {
            Some(n) => n,
            None => {
                self.run("INSERT INTO name (text) VALUES (?1)", [text])?;
                self.conn.last_insert_rowid()
            }
        };
        self.names.keep(text.to_owned(), n);
        Ok(n)
    }

    /// The number of a content, whether it is stored or not; new ones get the next.
    pub(super) fn content_number(&mut self, hash: Hash) -> Result<i64, Fault> {
        if let Some(n) = self.contents.get(&hash) {
            return Ok(n);
        }
        // Most are new, so it is tried before it is looked for.
        let new = "INSERT INTO content (hash) VALUES (?1) ON CONFLICT DO NOTHING";
        let n = if self.conn.prepare_cached(new)?.execute(params![hash.as_bytes()])? == 1 {
            self.conn.last_insert_rowid()
        } else {
            let mut find = self.conn.prepare_cached("SELECT n FROM content WHERE hash = ?1")?;
            find.query_row(params![hash.as_bytes()], |row| row.get(0))?
        };
        self.contents.keep(hash, n);
        Ok(n)
    }
}
