//! Reading the journal: changes by agent, turn, file and time; what a file went through; refused
//! proposals; contents.
//!
//! Each query goes through an index; a test holds this. So the first page takes as long with a
//! hundred thousand changes as with a hundred.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::Value;
use rusqlite::{OptionalExtension, Row, params};

use super::{Reader, hash, optional_hash, owner, work_path};
use crate::history::contents::Contents;
use crate::history::error::{Fault, StoreError};
use crate::history::record::ProposalRow;
use crate::history::write::session_key;
use crate::model::change::{Change, Image};
use crate::model::id::{ChangeId, SessionId};
use crate::model::lease::Owner;
use crate::model::path::{Hash, WorkPath};
use crate::model::time::Wall;

/// The columns of a change, in the order in which [`change`] reads them. A number that leads
/// nowhere is something that cannot be understood, and not "nothing".
const COLUMNS: &str = "n, at,
    (SELECT text FROM name WHERE name.n = changes.owner),
    (SELECT text FROM name WHERE name.n = changes.agent), turn, tool,
    (SELECT text FROM name WHERE name.n = changes.path),
    iif(origin IS NULL, NULL, ifnull((SELECT text FROM name WHERE name.n = changes.origin), '')),
    iif(before IS NULL, NULL, ifnull((SELECT hash FROM content WHERE content.n = changes.before), x'')),
    before_mode,
    iif(after IS NULL, NULL, ifnull((SELECT hash FROM content WHERE content.n = changes.after), x'')),
    after_mode,
    (SELECT text FROM name WHERE name.n = changes.over), reverts, serial";

/// The number of the workspace that is the first parameter, and of other names.
const WORKSPACE: &str = "(SELECT n FROM name WHERE text = ?1)";
const FOURTH: &str = "(SELECT n FROM name WHERE text = ?4)";
const FIFTH: &str = "(SELECT n FROM name WHERE text = ?5)";

/// Which changes are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of the workspace.
    All,
    /// Those of an owner; those of a session with its sub-agents.
    By(Owner),
    /// Those of a session in one turn.
    Turn(SessionId, u32),
    /// Those that left or found a file at this path.
    File(WorkPath),
    /// Those from the first moment up to the second.
    Between(Wall, Wall),
}

/// A page of changes that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeQuery {
    /// Which changes.
    pub scope: Scope,
    /// Only those before this one; `None`: from the newest.
    pub before: Option<ChangeId>,
    /// How many at most.
    pub limit: usize,
}

/// A page of changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangePage {
    /// The changes, newest first.
    pub changes: Vec<Change>,
    /// Whether there are older ones.
    pub more: bool,
}

impl Reader {
    /// A page of the changes of a workspace, newest first.
    pub fn changes(&self, workspace: &str, query: &ChangeQuery) -> Result<ChangePage, StoreError> {
        self.done(|reader| {
            let (sql, params) = page(workspace, query);
            let mut changes = reader.rows(&sql, rusqlite::params_from_iter(params), change)?;
            let more = changes.len() > query.limit;
            changes.truncate(query.limit);
            Ok(ChangePage { changes, more })
        })
    }

    /// One change.
    pub fn change(&self, workspace: &str, id: ChangeId) -> Result<Option<Change>, StoreError> {
        self.done(|reader| {
            let sql =
                format!("SELECT {COLUMNS} FROM changes WHERE workspace = {WORKSPACE} AND n = ?2");
            let id = i64::try_from(id.0).unwrap_or(i64::MAX);
            Ok(reader.rows(&sql, params![workspace, id], change)?.into_iter().next())
        })
    }

    /// All changes of the files that `changes` concern, oldest first, followed through renames in
    /// both directions: what a blame or an undo needs.
    pub fn involved<'c>(
        &self,
        workspace: &str,
        paths: impl IntoIterator<Item = &'c WorkPath>,
    ) -> Result<Vec<Change>, StoreError> {
        self.done(|reader| {
            let mut open: Vec<WorkPath> = paths.into_iter().cloned().collect();
            let mut known: BTreeSet<WorkPath> = open.iter().cloned().collect();
            let mut found: BTreeMap<ChangeId, Change> = BTreeMap::new();
            while let Some(path) = open.pop() {
                let query =
                    ChangeQuery { scope: Scope::File(path), before: None, limit: usize::MAX };
                let (sql, params) = page(workspace, &query);
                for change in reader.rows(&sql, rusqlite::params_from_iter(params), change)? {
                    for path in change.from.iter().chain([&change.path]) {
                        if known.insert(path.clone()) {
                            open.push(path.clone());
                        }
                    }
                    found.insert(change.id, change);
                }
            }
            Ok(found.into_values().collect())
        })
    }

    /// The last change of each file of a workspace, oldest first; of the `files` changed last.
    pub fn last_changes(&self, workspace: &str, files: usize) -> Result<Vec<Change>, StoreError> {
        self.done(|reader| {
            let sql = format!(
                "SELECT {COLUMNS} FROM changes WHERE n IN (
                     SELECT max(n) FROM changes WHERE workspace = {WORKSPACE}
                     GROUP BY path ORDER BY max(n) DESC LIMIT ?2)
                 ORDER BY n"
            );
            let files = i64::try_from(files).unwrap_or(i64::MAX);
            reader.rows(&sql, params![workspace, files], change)
        })
    }

    /// The highest serial number of a workspace's changes.
    pub fn last_serial(&self, workspace: &str) -> Result<Option<u64>, StoreError> {
        self.done(|reader| {
            let mut last = reader.conn.prepare_cached(LAST_SERIAL)?;
            let serial: Option<i64> = last.query_row([workspace], |row| row.get(0))?;
            Ok(serial.and_then(|serial| u64::try_from(serial).ok()))
        })
    }

    /// Refused writes of a workspace, or of one file, before number `before`; newest first.
    pub fn proposals(
        &self,
        workspace: &str,
        path: Option<&WorkPath>,
        before: Option<i64>,
        limit: usize,
    ) -> Result<Vec<ProposalRow>, StoreError> {
        self.done(|reader| {
            let by_path = if path.is_some() {
                "AND path = (SELECT n FROM name WHERE text = ?4)"
            } else {
                "AND ?4 IS NULL"
            };
            let sql = format!(
                "SELECT n, at, (SELECT text FROM name WHERE name.n = proposal.owner),
                     (SELECT text FROM name WHERE name.n = proposal.agent),
                     (SELECT text FROM name WHERE name.n = proposal.path), tool, code,
                     (SELECT hash FROM content WHERE content.n = proposal.content),
                     iif(base IS NULL, NULL,
                         ifnull((SELECT hash FROM content WHERE content.n = proposal.base), x''))
                 FROM proposal
                 WHERE workspace = {WORKSPACE} AND n < ?2 {by_path} ORDER BY n DESC LIMIT ?3"
            );
            let (before, limit) =
                (before.unwrap_or(i64::MAX), i64::try_from(limit).unwrap_or(i64::MAX));
            let params = params![workspace, before, limit, path.map(WorkPath::as_str)];
            reader.rows(&sql, params, |row| {
                Ok(ProposalRow {
                    n: row.get(0)?,
                    workspace: workspace.to_owned(),
                    at: Wall(row.get(1)?),
                    owner: owner(row, 2)?,
                    agent: row.get(3)?,
                    path: work_path(row, 4)?,
                    tool: row.get(5)?,
                    code: row.get(6)?,
                    hash: hash(row, 7)?,
                    base: optional_hash(row, 8)?,
                })
            })
        })
    }

    /// Whether a row names the file of this content.
    pub(in crate::history) fn has_file(&self, hash: Hash) -> Result<bool, StoreError> {
        self.done(|reader| {
            let mut find = reader.conn.prepare_cached(
                "SELECT 1 FROM blob
                 WHERE content = (SELECT n FROM content WHERE hash = ?1) AND form = 1",
            )?;
            Ok(find.exists([hash.as_bytes()])?)
        })
    }

    /// Whether a content is stored, in whatever form.
    pub fn has_content(&self, hash: Hash) -> Result<bool, StoreError> {
        self.done(|reader| {
            let mut find = reader.conn.prepare_cached(
                "SELECT 1 FROM blob WHERE content = (SELECT n FROM content WHERE hash = ?1)",
            )?;
            Ok(find.exists([hash.as_bytes()])?)
        })
    }

    /// The content with this hash. Content that does not have it any more is damage.
    pub fn blob(&self, hash: Hash) -> Result<Option<Vec<u8>>, StoreError> {
        self.done(|reader| {
            let mut find = reader.conn.prepare_cached(
                "SELECT form, bytes FROM blob
                 WHERE content = (SELECT n FROM content WHERE hash = ?1)",
            )?;
            let row: Option<(i64, Vec<u8>)> = find
                .query_row([hash.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((form, bytes)) = row else { return Ok(None) };
            let bytes =
                if form == 0 { bytes } else { Contents::beside(&reader.path).read(hash)? };
            if Hash::of(&bytes) != hash {
                let detail = format!("the content of {} is another one", hash.to_hex());
                return Err(StoreError::Damaged { path: reader.path.clone(), detail }.into());
            }
            Ok(Some(bytes))
        })
    }
}

const LAST_SERIAL: &str = "SELECT max(serial) FROM changes
    WHERE workspace = (SELECT n FROM name WHERE text = ?1) AND serial IS NOT NULL";

/// The query for a page, one row longer than asked for, and its parameters.
fn page(workspace: &str, query: &ChangeQuery) -> (String, Vec<Value>) {
    let before = query.before.and_then(|id| i64::try_from(id.0).ok()).unwrap_or(i64::MAX);
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut params: Vec<Value> = vec![workspace.to_owned().into(), before.into(), limit.into()];
    let select = format!("SELECT {COLUMNS} FROM changes WHERE workspace = {WORKSPACE} AND n < ?2");
    let order = "ORDER BY n DESC LIMIT ?3";
    let sql = match &query.scope {
        Scope::All => format!("{select} {order}"),
        Scope::By(by) => {
            params.push(session_key(by).into());
            match by {
                Owner::Session(_, Some(_)) => {
                    params.push(by.key().into());
                    format!("{select} AND session = {FOURTH} AND owner = {FIFTH} {order}")
                }
                Owner::Session(_, None) | Owner::User | Owner::External => {
                    format!("{select} AND session = {FOURTH} {order}")
                }
            }
        }
        Scope::Turn(session, turn) => {
            params.push(session.0.clone().into());
            params.push(i64::from(*turn).into());
            format!("{select} AND session = {FOURTH} AND turn = ?5 {order}")
        }
        Scope::File(path) => {
            params.push(path.as_str().to_owned().into());
            // Each half through its own index; a rename within the path's own name counts once.
            format!(
                "SELECT * FROM ({select} AND path = {FOURTH} {order})
                 UNION SELECT * FROM ({select} AND origin = {FOURTH} {order}) {order}"
            )
        }
        Scope::Between(from, to) => {
            params.push(from.0.into());
            params.push(to.0.into());
            // Clocks jump, so the order is that of the moments and only then of the numbers.
            format!(
                "SELECT {COLUMNS} FROM changes
                 WHERE workspace = {WORKSPACE} AND at >= ?4
                   AND at <= min(?5 - 1, coalesce((SELECT at FROM changes WHERE n = ?2), ?5))
                   AND (at, n) < (coalesce((SELECT at FROM changes WHERE n = ?2), ?5), ?2)
                 ORDER BY at DESC, n DESC LIMIT ?3"
            )
        }
    };
    (sql, params)
}

/// A change from a row of [`COLUMNS`].
fn change(row: &Row<'_>) -> Result<Change, Fault> {
    let image = |hash, mode| -> Result<Option<Image>, Fault> {
        let found = optional_hash(row, hash)?;
        let mode = row.get(mode)?;
        Ok(found.map(|hash| Image { hash, mode }))
    };
    let from: Option<String> = row.get(7)?;
    let over: Option<String> = row.get(12)?;
    let reverts: Option<String> = row.get(13)?;
    let number = |number: i64| u64::try_from(number).unwrap_or(0);
    Ok(Change {
        id: ChangeId(number(row.get(0)?)),
        at: Wall(row.get(1)?),
        owner: owner(row, 2)?,
        agent: row.get(3)?,
        turn: row.get(4)?,
        tool: row.get(5)?,
        path: work_path(row, 6)?,
        from: from.map(|from| WorkPath::try_from(from).map_err(Fault::Value)).transpose()?,
        before: image(8, 9)?,
        after: image(10, 11)?,
        over: over.as_deref().map(Owner::from_key),
        reverts: reverts.map_or(Ok(Vec::new()), |json| serde_json::from_str(&json))?,
        serial: row.get::<_, Option<i64>>(14)?.map(number),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use rusqlite::Connection;

    use super::*;
    use crate::history::Store;

    /// Steps of SQLite's machine that a page of ten rows may take.
    const STEPS: u64 = 5_000;

    #[test]
    fn with_a_hundred_thousand_changes_a_page_costs_no_more_than_with_few() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.db");
        drop(Store::open(&path).unwrap());
        let writer = Connection::open(&path).unwrap();
        writer
            .execute_batch(
                "INSERT INTO name (n, text) VALUES (1, '/w'), (2, 'blue');
                 WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 8999)
                 INSERT INTO name (n, text) SELECT 1000 + n, 'src/' || n FROM n
                 UNION ALL SELECT 10 + n, 's' || n FROM n WHERE n < 8;
                 WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100001)
                 INSERT INTO content (n, hash) SELECT n, unhex(printf('%064x', n)) FROM n;
                 INSERT INTO changes (workspace, at, session, owner, agent, turn, tool, path,
                                      before, after, serial)
                 SELECT 1, n, 10 + n % 8, 10 + n % 8, 2, n / 100, 'Edit', 1000 + n % 9000, n, n + 1,
                        n FROM content WHERE n <= 100000",
            )
            .unwrap();
        let mut reader = Reader::open(&path).unwrap();
        let steps = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&steps);
        let handler = move || {
            count.fetch_add(1, Ordering::Relaxed);
            false
        };
        reader.conn.progress_handler(1, Some(handler)).unwrap();
        let cheap = |what: &str, rows: usize| {
            let taken = steps.swap(0, Ordering::Relaxed);
            assert!(taken < STEPS, "{what} took {taken} steps");
            assert!(rows > 0, "{what} found nothing");
        };
        let session = SessionId::from("s1");
        let owner = Owner::Session(session.clone(), None);
        let file = WorkPath::parse("src/7").unwrap();
        for before in [None, Some(ChangeId(50_000))] {
            for scope in [
                Scope::All,
                Scope::By(owner.clone()),
                Scope::Turn(session.clone(), 400),
                Scope::File(file.clone()),
                Scope::Between(Wall(1_000), Wall(60_000)),
            ] {
                let what = format!("{scope:?} before {before:?}");
                let page = reader.changes("/w", &ChangeQuery { scope, before, limit: 10 });
                cheap(&what, page.unwrap().changes.len());
            }
        }
        cheap("one change", usize::from(reader.change("/w", ChangeId(9)).unwrap().is_some()));
        cheap("a file's changes", reader.involved("/w", [&file]).unwrap().len());
        let last = reader.last_serial("/w").unwrap();
        cheap("the last serial number", usize::from(last == Some(100_000)));
        reader.leases("/w").unwrap();
        reader.observations("/w").unwrap();
        reader.decisions("/w", 10).unwrap();
        cheap("what an engine asks at start", 1);
    }
}
