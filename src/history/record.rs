//! What can be written into the history.

use serde::{Deserialize, Serialize};

use crate::model::change::Change;
use crate::model::id::{ItemId, SessionId};
use crate::model::lease::{LeaseState, Owner};
use crate::model::path::{Hash, WorkPath};
use crate::model::permission::{Ask, AskAnswer, AskOutcome};
use crate::model::report::Way;
use crate::model::session::{BenchRow, SessionRow};
use crate::model::time::Wall;
use crate::model::transcript::Item;

/// One thing to be stored. Records are applied in the order in which they were queued, except that
/// those about files (from `Lease` to `Proposal`) may overtake those about sessions.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A session is this now.
    Session(Box<SessionRow>),
    /// A line of the protocol.
    Line {
        /// Whose.
        session: SessionId,
        /// When.
        at: Wall,
        /// Which way it went.
        way: Way,
        /// The line.
        line: String,
    },
    /// An item of a transcript is this now; it replaces what was stored of it.
    Item {
        /// Whose.
        session: SessionId,
        /// The item.
        item: Box<Item>,
    },
    /// An open item's text has grown by this.
    Tail {
        /// Whose.
        session: SessionId,
        /// Which item.
        item: ItemId,
        /// What came.
        text: String,
    },
    /// The person is asked.
    Asked {
        /// Whose session asks.
        session: SessionId,
        /// The question.
        ask: Box<Ask>,
    },
    /// An ask has ended.
    AskEnded {
        /// Whose session asked.
        session: SessionId,
        /// The question.
        ask: Box<Ask>,
        /// When.
        at: Wall,
        /// How.
        outcome: AskOutcome,
        /// What the person answered, if it did.
        answer: Option<AskAnswer>,
    },
    /// A lease is this now.
    Lease(LeaseRow),
    /// A path is free.
    Free {
        /// The root of the workspace.
        workspace: String,
        /// Which path.
        path: String,
    },
    /// What an owner knows of a file.
    Knows {
        /// The root of the workspace.
        workspace: String,
        /// Who.
        owner: Owner,
        /// Which file.
        path: WorkPath,
        /// What it was shown, and how (`Seen` in snake case); `None`: nothing any more.
        knows: Option<(Hash, String)>,
    },
    /// A decision of the arbiter, for the audit.
    Decision(DecisionRow),
    /// A file changed. With the serial number of a change that is stored already it does nothing.
    Change(Box<ChangeRow>),
    /// The content of a file, to be found by its hash.
    Blob {
        /// The hash of `bytes`.
        hash: Hash,
        /// The content.
        bytes: Vec<u8>,
    },
    /// The content of a file that lies in a file of its own, as [`Contents`] made it.
    ///
    /// [`Contents`]: super::contents::Contents
    BlobFile {
        /// The hash of the content.
        hash: Hash,
        /// The bytes that it takes.
        room: u64,
    },
    /// A content that is stored already is about to be named: it is as good as new.
    Fresh {
        /// Its hash.
        hash: Hash,
    },
    /// A write was refused; its text is a blob.
    Proposal(Box<ProposalRow>),
    /// The bench is this now.
    Bench(BenchRow),
    /// An engine opens a session, so that no other engine resumes it.
    Open(OpenRow),
    /// An engine has closed a session; another one's hold on it stays.
    Close {
        /// Which session.
        session: SessionId,
        /// The engine's process.
        engine_pid: u32,
        /// When that process began.
        engine_started: u64,
    },
    /// The prompts that a session's agent has not read yet are these.
    Waiting {
        /// Whose.
        session: SessionId,
        /// The prompts, the oldest first.
        prompts: Vec<String>,
    },
}

/// A lease as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRow {
    /// The root of the workspace.
    pub workspace: String,
    /// The file, folder or glob.
    pub path: String,
    /// Who has it.
    pub owner: Owner,
    /// What kind of right it is.
    pub state: LeaseState,
    /// Since when.
    pub since: Wall,
    /// Until when, if it ends by itself.
    pub until: Option<Wall>,
    /// What for.
    pub reason: String,
    /// The process behind a write in flight.
    pub process: Option<Process>,
}

/// A process, told from every other one that has or had its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it began, in clock ticks since boot.
    pub began: u64,
    /// Which boot.
    pub boot: String,
}

/// A decision of the arbiter as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRow {
    /// The root of the workspace.
    pub workspace: String,
    /// When.
    pub at: Wall,
    /// Who wanted to write.
    pub owner: Owner,
    /// Which file.
    pub path: String,
    /// The tool or command.
    pub tool: String,
    /// `OK` or the code of the refusal.
    pub code: String,
    /// The text of the refusal, or the note of the grant.
    pub text: String,
}

/// A change of a file as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRow {
    /// The root of the workspace.
    pub workspace: String,
    /// The change; its id is given when it is stored.
    pub change: Change,
}

/// A refused write as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalRow {
    /// Its number, given when it is stored.
    pub n: i64,
    /// The root of the workspace.
    pub workspace: String,
    /// When.
    pub at: Wall,
    /// Who wanted to write.
    pub owner: Owner,
    /// The owner's name at that time, as people know it.
    pub agent: String,
    /// Which file.
    pub path: WorkPath,
    /// The tool.
    pub tool: String,
    /// The code of the refusal.
    pub code: String,
    /// The hash of what was to be written.
    pub hash: Hash,
    /// The hash of what was there; `None`: nothing.
    pub base: Option<Hash>,
}

/// A session that an engine has open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRow {
    /// Which session.
    pub session: SessionId,
    /// The engine's process.
    pub engine_pid: u32,
    /// When that process began, in clock ticks since boot, so that a reused pid is noticed.
    pub engine_started: u64,
    /// The agent's process, once known.
    pub agent_pid: Option<u32>,
    /// When.
    pub at: Wall,
}
