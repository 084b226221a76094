//! Which changes are meant: one, those of a turn, those of an agent.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use crate::model::change::Change;
use crate::model::id::{ChangeId, SessionId};
use crate::model::path::WorkPath;

/// A choice of changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pick {
    /// One change.
    One(ChangeId),
    /// What an agent and its sub-agents did in one turn.
    Turn(SessionId, u32),
    /// Everything that an agent and its sub-agents did.
    Agent(SessionId),
}

impl Pick {
    /// Whether it means this change.
    pub fn takes(&self, change: &Change) -> bool {
        match self {
            Self::One(id) => change.id == *id,
            Self::Turn(session, turn) => {
                change.session() == Some(session) && change.turn == Some(*turn)
            }
            Self::Agent(session) => change.session() == Some(session),
        }
    }
}

/// The changes of `changes` (oldest first) that are taken back by later ones, which are not taken
/// back themselves.
pub fn reverted(changes: &[Change]) -> HashSet<ChangeId> {
    let mut gone = HashSet::new();
    for change in changes.iter().rev() {
        if !gone.contains(&change.id) {
            gone.extend(&change.reverts);
        }
    }
    gone
}

/// The paths at which somebody has to look before these changes can be undone: those that they
/// name and those to which their files were renamed since.
pub fn places<'a>(changes: impl IntoIterator<Item = &'a Change>) -> BTreeSet<WorkPath> {
    changes
        .into_iter()
        .flat_map(|change| change.from.iter().chain([&change.path]))
        .cloned()
        .collect()
}
