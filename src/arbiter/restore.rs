//! The table after a restart of the engine.
//!
//! Writes in flight come back without a request: the process that makes them may still be alive.
//! They end when that process is said to be gone, and nothing else ends them: the session may go on
//! in another process meanwhile.

use super::input::{Effect, Observation};
use super::pins::Pattern;
use super::table::{Change, Right, Table};
use super::versions::Content;
use crate::model::lease::{LeaseState, Owner};
use crate::model::path::{Hash, WorkPath};
use crate::model::time::Mono;

/// What was stored when the last engine ended.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// The leases, those in flight too.
    pub leases: Vec<LeaseRow>,
    /// What each owner knows.
    pub observations: Vec<(Owner, WorkPath, Observation)>,
    /// The last change of each file, as far as it is worth naming its author.
    pub writers: Vec<WriterRow>,
}

/// A stored lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// The file, folder or glob.
    pub path: String,
    /// Who has it.
    pub owner: Owner,
    /// What kind of right it is.
    pub state: LeaseState,
    /// For how long it goes on; `None`: until it is ended.
    pub left_ms: Option<u64>,
    /// What for.
    pub reason: String,
}

/// A stored change.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WriterRow {
    /// Which file.
    pub path: WorkPath,
    /// Whose change it was.
    pub owner: Owner,
    /// What the file was then; `None`: gone.
    pub after: Option<Hash>,
}

/// Whether a right that was stored goes on under the next engine. Leases of use were about who is
/// next, and everybody is gone; a write in flight goes on as long as its process `lives`.
pub fn goes_on(state: LeaseState, left_ms: Option<u64>, lives: bool) -> bool {
    match state {
        LeaseState::Pinned => left_ms != Some(0),
        LeaseState::Inflight => lives,
        LeaseState::Held | LeaseState::Reserved => false,
    }
}

impl Table {
    /// Takes in what was stored. For a table that has not decided anything yet.
    pub fn restore(&mut self, now: Mono, rows: Rows) -> Vec<Effect> {
        self.now = self.now.max(now);
        for (owner, path, observation) in rows.observations {
            let (who, file) = (self.owners.who(&owner), self.file(&path));
            self.learn(who, file, Some(observation));
        }
        for row in rows.writers {
            let (who, file) = (self.owners.who(&row.owner), self.file(&row.path));
            let after = row.after.map_or(Content::Absent, Content::Is);
            let at = self.now;
            let slot = self.at_mut(file);
            slot.changes.push_back(Change { before: None, after, who, at });
            slot.disk = Some(after);
        }
        for row in rows.leases {
            self.restore_lease(row);
        }
        // All of this is stored already.
        self.out.clear();
        self.finish_call()
    }

    fn restore_lease(&mut self, row: LeaseRow) {
        #[cfg(test)]
        if row.state == LeaseState::Inflight
            && self.settings.is(super::settings::Mutant::RestartForgetsInflight)
        {
            return;
        }
        let who = self.owners.who(&row.owner);
        let left = |least: u64| Some(self.now.after(row.left_ms.unwrap_or(least)));
        let until = match row.state {
            LeaseState::Pinned => {
                if let Ok(pattern) = Pattern::parse(&row.path) {
                    self.restore_pin(who, pattern, row.left_ms, row.reason);
                }
                return;
            }
            LeaseState::Inflight => None,
            LeaseState::Held => left(self.settings.hold_min_ms),
            LeaseState::Reserved => left(self.settings.ticket_ms),
        };
        let Some(path) = WorkPath::parse(&row.path) else { return };
        let file = self.file(&path);
        self.at_mut(file).right = Some(Right {
            who,
            state: row.state,
            op: None,
            since: self.now,
            until,
            reason: row.reason,
        });
        self.busy.insert(file);
        self.arm(file);
        self.announce(file);
    }
}
