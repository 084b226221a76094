//! Writing sessions: what they are, what the person calls them, and who has them open.

use rusqlite::{OptionalExtension, params};

use super::{Pen, SLOT_MS, int};
use crate::history::error::{Fault, StoreError};
use crate::history::record::OpenRow;
use crate::model::id::SessionId;
use crate::model::session::SessionRow;
use crate::model::time::Wall;

impl Pen {
    pub(super) fn session(&mut self, row: &SessionRow) -> Result<(), Fault> {
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

    /// Notes that a session is open; the row of another engine stays untouched.
    pub(super) fn opened(&mut self, row: &OpenRow) -> Result<(), Fault> {
        let n = self.number(&row.session)?;
        if let Some(there) = self.open_row(n, &row.session)?
            && (there.engine_pid, there.engine_started) != (row.engine_pid, row.engine_started)
        {
            return Err(already_open(there).into());
        }
        self.write_open_row(n, row)
    }

    /// Opens a session for one engine, unless another one that is alive has it open.
    pub(in crate::history) fn open_session(
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

    /// Notes that an engine has closed a session; the row of another engine stays.
    pub(super) fn closed(
        &mut self,
        session: &SessionId,
        engine_pid: u32,
        engine_started: u64,
    ) -> Result<(), Fault> {
        let n = self.number(session)?;
        self.run(
            "DELETE FROM opened WHERE session = ?1 AND engine_pid = ?2 AND engine_started = ?3",
            params![n, engine_pid, engine_started.cast_signed()],
        )
    }

    pub(super) fn waiting(&mut self, session: &SessionId, prompts: &[String]) -> Result<(), Fault> {
        let n = self.number(session)?;
        if prompts.is_empty() {
            return self.run("DELETE FROM waiting WHERE session = ?1", [n]);
        }
        // As they are, without a mask: the agent is to read what the person wrote.
        self.run(
            "INSERT INTO waiting (session, prompts) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET prompts = excluded.prompts",
            params![n, serde_json::to_string(prompts)?],
        )
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
    pub(in crate::history) fn rename_session(
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
}

fn already_open(row: OpenRow) -> StoreError {
    StoreError::AlreadyOpen { session: row.session, engine_pid: row.engine_pid, at: row.at }
}
