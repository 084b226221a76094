//! Finding sessions: the newest, by id, by title, and by what was said in them.

use std::collections::{HashMap, HashSet};

use rusqlite::{OptionalExtension, Row, params};

use super::Reader;
use crate::history::error::{Fault, StoreError};
use crate::history::items;
use crate::history::words::Query;
use crate::model::agent::{AgentSpec, Backend};
use crate::model::id::SessionId;
use crate::model::session::{SessionHit, SessionQuery, SessionRow};
use crate::model::time::Wall;

/// So many of the newest places that match are looked at. Sorting all of them by how well they
/// match would take longer than a person waits.
const PLACES: i64 = 5_000;

/// So many sessions are looked through for one that a person names.
const NAMED: usize = 50;

const COLUMNS: &str = "
    session_id.id, session.backend_session_id, coalesce(session.own_title, session.title),
    session.workspace, session.cwd, session.branch, session.spec, session.backend, session.agent,
    session.started_at, session.updated_at, session.turns, session.messages, session.usage,
    session.last_state, session.forked_from, opened.engine_pid, opened.engine_started, session.n
    FROM session JOIN session_id ON session_id.n = session.n
                 LEFT JOIN opened ON opened.session = session.n";

/// Where a session matches.
#[derive(Debug, Default)]
struct Places {
    /// The newest matching place, if what was said matches and not only the title.
    newest: Option<i64>,
    /// How many others.
    more: u32,
}

impl Reader {
    /// The sessions that are wanted, newest first. `alive` tells whether the process with this id
    /// and start still runs. Whether a session can go on is left to the caller to find out.
    ///
    /// With words to look for: the sessions of the newest places that match, and those whose
    /// title does.
    pub fn sessions(
        &self,
        query: &SessionQuery,
        alive: impl Fn(u32, u64) -> bool,
    ) -> Result<Vec<SessionHit>, StoreError> {
        self.done(|reader| match &query.text {
            Some(text) if !text.trim().is_empty() => match Query::parse(text) {
                Some(words) => reader.found(query, &words, alive),
                None => Ok(Vec::new()),
            },
            Some(_) | None => reader.newest(query, alive),
        })
    }

    /// The session with this id.
    pub fn session(&self, id: &SessionId) -> Result<Option<SessionRow>, StoreError> {
        self.done(|reader| {
            let rows = reader.rows(
                &format!("SELECT {COLUMNS} WHERE session_id.id = ?1"),
                [id.as_str()],
                |row| Ok(read(row)?.row),
            )?;
            Ok(rows.into_iter().next())
        })
    }

    /// Prompts of a session that its agent has not read, the oldest first.
    pub fn waiting(&self, id: &SessionId) -> Result<Vec<String>, StoreError> {
        self.done(|reader| {
            let mut find = reader.conn.prepare_cached(
                "SELECT prompts FROM waiting JOIN session_id ON n = session WHERE id = ?1",
            )?;
            let prompts: Option<String> =
                find.query_row([id.as_str()], |row| row.get(0)).optional()?;
            Ok(prompts.map(|json| serde_json::from_str(&json)).transpose()?.unwrap_or_default())
        })
    }

    /// The sessions that a person may mean: the one with this id (ours or the back end's), else
    /// those whose id begins so, else those with this title, else those whose title has it
    /// somewhere. Newest first, some dozens at most.
    pub fn session_by_prefix_or_title(
        &self,
        named: &str,
        workspace: Option<&str>,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let named = named.trim();
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let like = named.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let title = "coalesce(session.own_title, session.title)";
        let ways = [
            ("session_id.id = ?1 OR session.backend_session_id = ?1".to_owned(), named.to_owned()),
            (
                "session_id.id LIKE ?1 ESCAPE '\\'
                 OR session.backend_session_id LIKE ?1 ESCAPE '\\'"
                    .to_owned(),
                format!("{like}%"),
            ),
            (format!("{title} = ?1 COLLATE NOCASE"), named.to_owned()),
            (format!("{title} LIKE ?1 ESCAPE '\\'"), format!("%{like}%")),
        ];
        self.done(|reader| {
            for (way, value) in ways {
                let found = reader.rows(
                    &format!(
                        "SELECT {COLUMNS} WHERE ({way}) AND (?2 IS NULL OR session.workspace = ?2)
                         ORDER BY session.updated_at DESC LIMIT {NAMED}"
                    ),
                    params![value, workspace],
                    |row| Ok(read(row)?.row),
                )?;
                if !found.is_empty() {
                    return Ok(found);
                }
            }
            Ok(Vec::new())
        })
    }

    fn newest(
        &self,
        query: &SessionQuery,
        alive: impl Fn(u32, u64) -> bool,
    ) -> Result<Vec<SessionHit>, Fault> {
        let limit = match query.limit {
            0 => -1,
            limit => i64::try_from(limit).unwrap_or(-1),
        };
        let hit = |row: &Row<'_>| Ok(read(row)?.hit(&alive));
        match &query.workspace {
            Some(workspace) => self.rows(
                &format!(
                    "SELECT {COLUMNS} WHERE session.workspace = ?1
                     ORDER BY session.updated_at DESC LIMIT ?2"
                ),
                params![workspace, limit],
                hit,
            ),
            None => self.rows(
                &format!("SELECT {COLUMNS} ORDER BY session.updated_at DESC LIMIT ?1"),
                [limit],
                hit,
            ),
        }
    }

    fn found(
        &self,
        query: &SessionQuery,
        words: &Query,
        alive: impl Fn(u32, u64) -> bool,
    ) -> Result<Vec<SessionHit>, Fault> {
        let wanted = if query.limit == 0 { usize::MAX } else { query.limit };
        // One moment for all the queries, or a place could vanish between two of them.
        let _moment = self.conn.unchecked_transaction()?;
        let titles = self.titles(query.workspace.as_deref())?;
        let eligible: HashSet<i64> = titles.iter().map(|(n, _)| *n).collect();
        let mut places: HashMap<i64, Places> = HashMap::new();
        for (place, session) in self.places(words)? {
            if let Some(found) = places.get_mut(&session) {
                found.more += 1;
            } else if places.len() < wanted && eligible.contains(&session) {
                places.insert(session, Places { newest: Some(place), more: 0 });
            }
        }
        for (n, _) in titles.iter().filter(|(_, title)| words.is_in(title)).take(wanted) {
            places.entry(*n).or_default();
        }
        let mut snippets = self.snippets(words, &places)?;
        let mut hits = Vec::with_capacity(places.len());
        for (n, found) in &places {
            let Some(stored) = self.numbered(*n)? else { continue };
            let mut hit = stored.hit(&alive);
            hit.snippet = found.newest.and_then(|place| snippets.remove(&place));
            hit.more = found.more;
            hits.push(hit);
        }
        hits.sort_by(|a, b| {
            b.row.updated_at.cmp(&a.row.updated_at).then_with(|| a.row.id.cmp(&b.row.id))
        });
        hits.truncate(wanted);
        Ok(hits)
    }

    /// The newest places that match, and the sessions they are in.
    fn places(&self, words: &Query) -> Result<Vec<(i64, i64)>, Fault> {
        let mut places = self.conn.prepare_cached(
            "SELECT doc.n, doc.key FROM search CROSS JOIN doc ON doc.n = search.rowid
             WHERE search MATCH ?1 ORDER BY search.rowid DESC LIMIT ?2",
        )?;
        let rows = places.query_map(params![words.fts(), PLACES], |row| {
            Ok((row.get(0)?, items::session_of(row.get(1)?)))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The titles of all sessions of a workspace (or of all), newest first.
    fn titles(&self, workspace: Option<&str>) -> Result<Vec<(i64, String)>, Fault> {
        let mut titles = self.conn.prepare_cached(
            "SELECT n, coalesce(own_title, title) FROM session
             WHERE ?1 IS NULL OR workspace = ?1 ORDER BY updated_at DESC",
        )?;
        let rows = titles.query_map([workspace], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The text around the words at the newest place of each session.
    fn snippets(
        &self,
        words: &Query,
        places: &HashMap<i64, Places>,
    ) -> Result<HashMap<i64, String>, Fault> {
        let wanted: HashSet<i64> = places.values().filter_map(|found| found.newest).collect();
        let Some(oldest) = wanted.iter().min() else { return Ok(HashMap::new()) };
        // The plus keeps SQLite from asking the index anew for each place.
        let mut snippets = self.conn.prepare_cached(
            "SELECT rowid, snippet(search, 0, '‹', '›', '…', 12) FROM search
             WHERE search MATCH ?1 AND rowid >= ?2
               AND +rowid IN (SELECT value FROM json_each(?3))",
        )?;
        let list = serde_json::to_string(&wanted)?;
        let rows = snippets
            .query_map(params![words.fts(), oldest, list], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn numbered(&self, n: i64) -> Result<Option<Stored>, Fault> {
        let mut find =
            self.conn.prepare_cached(&format!("SELECT {COLUMNS} WHERE session.n = ?1"))?;
        let stored = find.query_row([n], |row| Ok(read(row))).optional()?;
        stored.transpose()
    }
}

/// A session as it is stored, and which engine has it open.
struct Stored {
    row: SessionRow,
    engine: Option<(u32, u64)>,
}

impl Stored {
    fn hit(self, alive: &impl Fn(u32, u64) -> bool) -> SessionHit {
        let open = self.engine.is_some_and(|(pid, started)| alive(pid, started));
        let Self { row, .. } = self;
        SessionHit {
            row,
            open,
            resumable: false,
            obstacle: None,
            elsewhere: None,
            snippet: None,
            more: 0,
        }
    }
}

/// Reads a row of [`COLUMNS`]. Settings that cannot be understood any more hide no session: it is
/// started like a new one then.
fn read(row: &Row<'_>) -> Result<Stored, Fault> {
    let agent: String = row.get(8)?;
    let backend = match row.get_ref(7)?.as_str().unwrap_or_default() {
        "script" => Backend::Script,
        _ => Backend::Claude,
    };
    let spec = serde_json::from_str(&row.get::<_, String>(6)?).unwrap_or_else(|error| {
        tracing::warn!(%error, agent, "the settings of a session cannot be read");
        AgentSpec { name: agent.clone(), backend, ..AgentSpec::default() }
    });
    let engine: (Option<u32>, Option<i64>) = (row.get(16)?, row.get(17)?);
    Ok(Stored {
        row: SessionRow {
            id: SessionId(row.get(0)?),
            backend_session_id: row.get(1)?,
            title: row.get(2)?,
            workspace: row.get(3)?,
            cwd: row.get(4)?,
            branch: row.get(5)?,
            spec,
            backend,
            agent,
            started_at: Wall(row.get(9)?),
            updated_at: Wall(row.get(10)?),
            turns: row.get(11)?,
            messages: row.get::<_, i64>(12)?.cast_unsigned(),
            usage: serde_json::from_str(&row.get::<_, String>(13)?).unwrap_or_default(),
            last_state: row.get(14)?,
            forked_from: row.get::<_, Option<String>>(15)?.map(SessionId),
        },
        engine: engine.0.zip(engine.1.map(i64::cast_unsigned)),
    })
}
