//! Everything that the engine's state wants done.

use std::path::PathBuf;
use std::sync::Arc;

use super::command::Reply;
use super::event::Event;
use super::input::{Asker, Resume, Ticket};
use crate::agent::{Launch, Order};
use crate::arbiter::{Disk, Edit};
use crate::history::images::ImageName;
use crate::history::record::{ProposalRow, Record};
use crate::model::agent::Backend;
use crate::model::id::{AgentId, CallId, ItemId, OpId, SessionId};
use crate::model::lease::Owner;
use crate::model::path::{Hash, WorkPath};
use crate::model::review::{Question, Revision};
use crate::model::session::SessionQuery;
use crate::model::time::{Mono, Wall};

/// One thing to be done, in the order in which they stand.
#[derive(Debug)]
pub enum Effect {
    /// Tell every front end.
    Publish(Event),
    /// Send a front end the state of things, and every event from now on.
    Subscribe(Asker),
    /// Answer a command.
    Reply {
        /// To whom.
        to: Asker,
        /// The answer.
        reply: Reply,
    },
    /// Answer a command once everything is stored that was said before.
    ReplyStored {
        /// To whom.
        to: Asker,
        /// The answer.
        reply: Reply,
    },
    /// Store something soon.
    Store(Record),
    /// Store something at once and come back with [`Input::Stored`](super::input::Input::Stored).
    StoreNow {
        /// Names the answer.
        ticket: Ticket,
        /// What.
        records: Vec<Record>,
    },
    /// Claim a session for an agent, then come back with `SessionOpened`.
    OpenSession {
        /// For which agent.
        agent: AgentId,
        /// The claim; the engine's own process is filled in.
        session: SessionId,
    },
    /// Give up a session that was claimed; the engine's own process is filled in.
    CloseSession {
        /// Which one.
        session: SessionId,
    },
    /// Start an agent's process.
    Spawn {
        /// Which agent.
        agent: AgentId,
        /// Which start of it.
        run: u64,
        /// By which driver.
        backend: Backend,
        /// Whose processes it and its children are; `None`: it is not put behind the guard.
        guarded: Option<Owner>,
        /// How.
        launch: Box<Launch>,
    },
    /// An agent's process is gone: let go of what belonged to it.
    Release {
        /// Whose.
        agent: AgentId,
    },
    /// Find out whose lines went with the last change of a file, which nobody was asked about.
    LookForLosses(WorkPath),
    /// A before-image is of no use any more once everything that was said until now is stored.
    SpendImage(ImageName),
    /// Guard a command that somebody else starts.
    Exec {
        /// Names the answer.
        exec: u64,
        /// Whose it is.
        owner: Owner,
        /// Where its starter waits.
        socket: PathBuf,
    },
    /// Keep what these files hold, so that a crash could not undo it, then come back with
    /// `TreeKept`.
    KeepTree(Vec<WorkPath>),
    /// Come back with `GitGone` when a process is gone.
    AwaitGit(u32),
    /// Look what has become of these files once nothing of `owner` is in flight there, then come
    /// back with `TreeLooked`.
    LookOverTree {
        /// Whose git has run.
        owner: Owner,
        /// The files.
        paths: Vec<WorkPath>,
    },
    /// Give an agent an order.
    Order {
        /// Which agent.
        agent: AgentId,
        /// The order.
        order: Order,
    },
    /// Find out where a path leads; relative ones start at `cwd`.
    Resolve {
        /// Which request.
        op: OpId,
        /// As the agent wrote it.
        raw: String,
        /// Where it stands.
        cwd: String,
    },
    /// Look at a file, and at the stored text of another state of it.
    Inspect {
        /// Which request.
        op: OpId,
        /// Which file.
        path: WorkPath,
        /// Which other state.
        base: Option<Hash>,
    },
    /// Compare what an agent was shown with what is on disk.
    CheckShown {
        /// Which agent.
        agent: AgentId,
        /// Which call.
        call: CallId,
        /// The path as the agent wrote it.
        raw: String,
        /// Where it stands.
        cwd: String,
        /// What the tool answered.
        response: Box<serde_json::Value>,
        /// When the tool had not begun yet, if that is known.
        began: Option<Wall>,
    },
    /// Read a file for one of the bench's tools.
    ReadFile {
        /// Which request.
        op: OpId,
        /// Which file.
        path: WorkPath,
    },
    /// Write a file for one of the bench's tools.
    WriteFile {
        /// Which request.
        op: OpId,
        /// Which file.
        path: WorkPath,
        /// What was checked; anything else is left alone.
        checked: Disk,
        /// What it becomes.
        content: Content,
    },
    /// Look over the tree around a shell command.
    Scan {
        /// Whose command.
        agent: AgentId,
        /// Which call.
        call: CallId,
        /// Whether it has run already.
        after: bool,
    },
    /// Look up a stored session.
    Load {
        /// Who asked.
        from: Asker,
        /// Which one.
        session: SessionId,
        /// How it is to go on.
        how: Resume,
    },
    /// Look up a bench as it was.
    LoadBench {
        /// Who asked.
        from: Asker,
        /// The one that was begun then; the last one without.
        begun: Option<Wall>,
    },
    /// Keep what a refused write wanted to write.
    KeepProposal {
        /// The refusal; the hash of the text is filled in, and its base if it is not known.
        row: Box<ProposalRow>,
        /// What was to be written.
        wanted: Proposed,
    },
    /// Find out how changes can be taken back.
    Plan {
        /// Who asked.
        from: Asker,
        /// What is wished.
        revision: Revision,
    },
    /// Ask the history and answer the front end.
    Query {
        /// Who asked.
        from: Asker,
        /// What.
        query: Query,
    },
    /// Look up the branch.
    LookUpBranch,
    /// Come back with a tick at this time.
    WakeAt(Mono),
    /// Everything is done: end.
    End,
}

/// What a file becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Whole(String),
    /// Its text with a replacement made.
    Edited(Edit),
    /// These bytes, with these permissions if they are known.
    Bytes {
        /// The bytes.
        bytes: Arc<[u8]>,
        /// The permissions (`st_mode`).
        mode: Option<u32>,
    },
    /// Nothing: it is removed.
    Gone,
}

/// What a refused write wanted to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposed {
    /// This text.
    Whole(Arc<str>),
    /// What its owner had seen, with these replacements made.
    Edits(Vec<Edit>),
}

/// A question to the history.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    /// Rows of sessions.
    Sessions(SessionQuery),
    /// The benches as they were.
    Benches,
    /// A question about changes.
    Review(Question),
    /// A stretch of a transcript.
    Transcript {
        /// Which session.
        session: SessionId,
        /// Only items older than this.
        before: Option<ItemId>,
        /// At most so many.
        limit: usize,
    },
    /// Another title for a session.
    Rename {
        /// Which session.
        session: SessionId,
        /// The title.
        title: String,
    },
}
