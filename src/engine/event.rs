//! What the engine tells its front ends: a snapshot once, then numbered events.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::command::{Command, Reply};
use crate::model::agent::{AgentInfo, GuardLevel};
use crate::model::id::{AgentId, AskId, ItemId};
use crate::model::lease::{LeaseInfo, RefusalCode};
use crate::model::permission::{Ask, AskOutcome};
use crate::model::time::Wall;
use crate::model::transcript::{Item, Level};

/// The version of the protocol between engine and front ends. A front end of another version is
/// turned away with a sentence.
pub const PROTOCOL: u32 = 1;

/// Something that happened. Applying the events in order to a snapshot gives the next snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// An agent is new on the bench, or something about it changed: this is its row now.
    AgentChanged {
        /// The row.
        agent: Box<AgentInfo>,
    },
    /// An agent is off the bench.
    AgentRemoved {
        /// Which one.
        agent: AgentId,
    },
    /// An item is new, or is this now.
    ItemChanged {
        /// Whose.
        agent: AgentId,
        /// The item.
        item: Box<Item>,
    },
    /// The text of an open item has grown.
    TextAppended {
        /// Whose.
        agent: AgentId,
        /// Which item.
        item: ItemId,
        /// What came.
        text: String,
    },
    /// The agent has another transcript now (it was cleared, or another session was resumed).
    TranscriptReset {
        /// Whose.
        agent: AgentId,
        /// Its last items.
        items: Vec<Item>,
        /// Whether older ones are stored.
        more_before: bool,
    },
    /// The person is asked.
    AskOpened {
        /// The question.
        ask: Box<Ask>,
    },
    /// An ask has ended.
    AskClosed {
        /// Which one.
        ask: AskId,
        /// How.
        outcome: AskOutcome,
    },
    /// The lease of a path is this now (`None`: free).
    LeaseMoved {
        /// The file, folder or glob.
        path: String,
        /// The lease.
        lease: Option<LeaseInfo>,
    },
    /// A write was refused.
    WriteRefused {
        /// The attempt.
        attempt: RefusedAttempt,
    },
    /// The layout was saved by a front end.
    LayoutSaved {
        /// As it was written.
        layout: Value,
    },
    /// The branch or its dirtiness changed.
    WorkspaceChanged {
        /// The workspace.
        workspace: WorkspaceInfo,
    },
    /// A sentence for the person, not of one agent's transcript.
    Noticed {
        /// How much it matters.
        level: Level,
        /// The sentence.
        text: String,
    },
    /// The engine ends.
    Closing,
}

/// A write that was refused, for the locks view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedAttempt {
    /// When.
    pub at: Wall,
    /// Who wanted to write, by name.
    pub who: String,
    /// Which file.
    pub path: String,
    /// The tool.
    pub tool: String,
    /// Why.
    pub code: RefusalCode,
    /// Who stood in the way, by name.
    pub holder: Option<String>,
}

/// The workspace as front ends show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceInfo {
    /// Its root.
    pub root: String,
    /// The branch, or the short commit; empty outside git.
    pub branch: String,
    /// How far writes are enforced for new agents.
    pub guard: GuardLevel,
}

/// Everything that a front end needs to begin with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The number of the last event that is in it.
    pub seq: u64,
    /// The workspace.
    pub workspace: WorkspaceInfo,
    /// The agents, in the order of their start, each with the end of its transcript.
    pub agents: Vec<AgentSnapshot>,
    /// The asks that wait, oldest first.
    pub asks: Vec<Ask>,
    /// The leases.
    pub leases: Vec<LeaseInfo>,
    /// The last refused writes, oldest first.
    pub refused: Vec<RefusedAttempt>,
    /// The layout that was last saved, if any.
    pub layout: Option<Value>,
}

/// An agent in a [`Snapshot`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentSnapshot {
    /// Its row.
    pub info: AgentInfo,
    /// The end of its transcript.
    pub items: Vec<Item>,
    /// Whether older items are stored.
    pub more_before: bool,
}

/// From a front end to the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToEngine {
    /// Names the answer; the front end chooses it.
    pub id: u64,
    /// What is asked.
    #[serde(flatten)]
    pub command: Command,
}

/// From the engine to a front end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToClient {
    /// The first word on a socket.
    Hello {
        /// [`PROTOCOL`] of the engine.
        protocol: u32,
        /// The engine's process.
        pid: u32,
        /// The root of its workspace.
        workspace: String,
    },
    /// The state of things. Comes after each `Subscribe`.
    Snapshot(Box<Snapshot>),
    /// The front end fell behind: events were dropped and no more will come. It asks for a new
    /// snapshot with `Subscribe`.
    Behind,
    /// What happened.
    Event {
        /// Its number; it grows. A snapshot follows if any were dropped, and pieces of text may be
        /// merged into the last of them.
        seq: u64,
        /// The event.
        event: Event,
    },
    /// The answer to a command.
    Reply {
        /// The command's id.
        id: u64,
        /// The answer.
        reply: Reply,
    },
}
