//! Owners of writes, and the leases and refusals that people and agents see.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::id::{SessionId, SubId};
use super::path::WorkPath;
use super::time::Wall;

/// Who writes: a session, a sub-agent of one, the person, or somebody outside.
///
/// Observations of a sub-agent are not its parent's, so both parts count for equality.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// An agent's session, and which of its sub-agents.
    Session(SessionId, Option<SubId>),
    /// The person at the keyboard.
    User,
    /// A program that benchdog did not start.
    External,
}

impl Owner {
    /// The session behind it, if any.
    pub fn session(&self) -> Option<&SessionId> {
        match self {
            Self::Session(session, _) => Some(session),
            Self::User | Self::External => None,
        }
    }

    /// The owner as one text, for rows: `session/sub`, `user`, `external`.
    pub fn key(&self) -> String {
        match self {
            Self::Session(session, None) => session.0.clone(),
            Self::Session(session, Some(sub)) => format!("{session}/{sub}"),
            Self::User => "user".to_owned(),
            Self::External => "external".to_owned(),
        }
    }

    /// Reads what [`Owner::key`] wrote.
    pub fn from_key(key: &str) -> Self {
        match key {
            "user" => Self::User,
            "external" => Self::External,
            _ => match key.split_once('/') {
                Some((session, sub)) => Self::Session(session.into(), Some(sub.into())),
                None => Self::Session(key.into(), None),
            },
        }
    }
}

/// The name of [`Owner::User`] in what agents are told; who reads it on the screen is that person.
pub const PERSON: &str = "the person";

/// What kind of right a lease gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeaseState {
    /// A write is under way. Nothing but its end frees the file.
    Inflight,
    /// Written a moment ago; more is expected.
    Held,
    /// Kept for an agent whose write was refused as stale.
    Reserved,
    /// Reserved on purpose, by an agent or by the person.
    Pinned,
}

/// One row of the locks view and of `benchdog locks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseInfo {
    /// The file, or the folder or glob of a pin.
    pub path: String,
    /// Who has it.
    pub owner: Owner,
    /// The owner's name as people know it.
    pub owner_name: String,
    /// What kind of right it is.
    pub state: LeaseState,
    /// When it began.
    pub since: Wall,
    /// When it ends by itself, if it does.
    pub until: Option<Wall>,
    /// What it is for, in the owner's words.
    pub reason: String,
    /// The names of those who wait, first come first.
    pub queue: Vec<String>,
}

/// Why a write was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefusalCode {
    /// Another owner writes it or has it reserved by use.
    Held,
    /// It changed after this owner read it.
    Stale,
    /// It exists and this owner never read it.
    Unread,
    /// It is reserved on purpose.
    Pinned,
    /// An operation over the whole tree is under way.
    TreeBusy,
    /// Waiting would have closed a circle.
    Deadlock,
    /// The wait ended without the file.
    Timeout,
    /// The pattern covers too much.
    TooWide,
    /// The path lies outside the workspace or is protected.
    Outside,
    /// The arbiter could not decide; nothing is allowed then.
    Failed,
}

impl RefusalCode {
    /// The code as agents and scripts see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "HELD",
            Self::Stale => "STALE",
            Self::Unread => "UNREAD",
            Self::Pinned => "PINNED",
            Self::TreeBusy => "TREE_BUSY",
            Self::Deadlock => "DEADLOCK",
            Self::Timeout => "TIMEOUT",
            Self::TooWide => "TOO_WIDE",
            Self::Outside => "OUTSIDE",
            Self::Failed => "FAILED",
        }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal in words: what happened; who, since when, why; what to do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why.
    pub code: RefusalCode,
    /// The file that was to be written, as far as it could be resolved.
    pub path: Option<WorkPath>,
    /// Who stood in the way, by name.
    pub holder: Option<String>,
    /// The text for the agent, at most 700 characters.
    pub text: String,
}
