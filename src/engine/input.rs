//! Everything that enters the engine's state.

use std::sync::Arc;

use super::command::{Command, Reply};
use super::review::Lost;
use super::revise::Planned;
use crate::agent::Said;
use crate::arbiter::{Disk, Settled, Was};
use crate::history::images::{ImageName, moded};
use crate::history::record::Process;
use crate::model::change::Image;
use crate::model::failure::Failure;
use crate::model::id::{AgentId, CallId, OpId, SessionId};
use crate::model::path::{Hash, WorkPath};
use crate::model::session::{BenchRow, SessionRow};
use crate::model::transcript::Item;

/// A front end of the running engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// Whom an answer goes to: a front end, and which of its commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Asker {
    /// The front end.
    pub client: ClientId,
    /// Its number for the command.
    pub id: u64,
}

/// Names a durable write, so that what waits for it is found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Everything that enters [`State::update`](super::state::State::update).
#[derive(Debug)]
pub enum Input {
    /// A front end asks for something.
    Command {
        /// Who asks.
        from: Asker,
        /// What.
        command: Command,
    },
    /// A front end is gone, and nobody waits for its answers.
    ClientGone(ClientId),
    /// An agent said something.
    Said(Said),
    /// An agent's process was started, or not.
    Spawned {
        /// Which agent.
        agent: AgentId,
        /// Which start of it.
        run: u64,
        /// Its process.
        result: Result<Option<Process>, Failure>,
    },
    /// An order did not reach an agent, because it does not read what it is told.
    OrderFailed {
        /// Which agent.
        agent: AgentId,
        /// Which start of it.
        run: u64,
    },
    /// Where a path that somebody wants to write really leads.
    Resolved {
        /// Which request.
        op: OpId,
        /// The place.
        place: Place,
    },
    /// What is on disk where a request wants to write, before or after the write.
    Inspected {
        /// Which request.
        op: OpId,
        /// The file.
        disk: Disk,
        /// The text that was asked for besides.
        base: Option<Arc<str>>,
    },
    /// A read of an agent was compared with the disk: it was shown this content.
    Shown {
        /// Which agent.
        agent: AgentId,
        /// Which call.
        call: CallId,
        /// The file and its content, if what was shown is what is there.
        seen: Option<(WorkPath, Hash, Extent)>,
    },
    /// A write of the bench's own was done, or not.
    Written {
        /// Which request.
        op: OpId,
        /// The file now.
        disk: Disk,
        /// What it was.
        was: Option<Taken>,
        /// What went wrong.
        result: Result<(), WriteTrouble>,
    },
    /// A file was read for one of the bench's tools.
    FileRead {
        /// Who asked.
        op: OpId,
        /// The file.
        disk: Disk,
    },
    /// The tree was looked over around a shell command.
    Scanned {
        /// Whose command.
        agent: AgentId,
        /// Which call.
        call: CallId,
        /// Whether the command has run already.
        after: bool,
        /// What is different from the last look; `None`: the tree is too large for that.
        found: Option<Vec<Found>>,
    },
    /// Records are durable, or not.
    Stored {
        /// Which ones.
        ticket: Ticket,
        /// Whether they are.
        result: Result<(), Failure>,
    },
    /// A stored session was looked up to go on with it.
    Loaded {
        /// Who asked.
        from: Asker,
        /// How it is to go on.
        how: Resume,
        /// The session, or why it cannot go on.
        result: Result<Box<Loaded>, Failure>,
    },
    /// The bench as it was, looked up to go on with it.
    BenchLoaded {
        /// Who asked.
        from: Asker,
        /// The bench.
        result: Result<Option<BenchRow>, Failure>,
    },
    /// It is known how changes can be taken back, or why not.
    Planned {
        /// Who asked.
        from: Asker,
        /// The plan.
        result: Result<Box<Planned>, Failure>,
    },
    /// A session is opened for an agent, so that nobody else resumes it, or is not.
    SessionOpened {
        /// For which agent.
        agent: AgentId,
        /// Which session.
        session: SessionId,
        /// Why not.
        result: Result<(), Failure>,
    },
    /// A question to the history is answered.
    Answered {
        /// Who asked.
        from: Asker,
        /// The answer.
        reply: Reply,
    },
    /// The history cannot be written, for this reason; or it can again, after so many records were
    /// lost.
    Health(Result<u64, Failure>),
    /// The branch was looked up.
    Branch(String),
    /// Sessions of a former engine whose processes are gone.
    Buried(Vec<SessionId>),
    /// What a git may destroy is kept, with the permissions of the files, or cannot be: why.
    TreeKept(Result<Vec<(WorkPath, Image)>, String>),
    /// The git that has this number is gone.
    GitGone(u32),
    /// What has become of the files that a git might have changed.
    TreeLooked(Vec<(WorkPath, Disk)>),
    /// A guarded command is over, or never began.
    ExecEnded {
        /// Which one.
        exec: u64,
        /// Why it could not begin.
        result: Result<(), Failure>,
    },
    /// An entry of the tree has changed, and this is there now.
    Seen {
        /// Which file.
        path: WorkPath,
        /// The file.
        disk: Disk,
        /// What was known of it just before it was looked at.
        before: Settled,
    },
    /// Lines of agents went with a change that nobody was asked about.
    LinesLost {
        /// Of which file.
        path: WorkPath,
        /// Whose.
        lost: Lost,
    },
    /// The guard's threads have decided something.
    Decided,
    /// Time has passed.
    Tick,
}

/// A file that is other than at the last look over the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which file.
    pub path: WorkPath,
    /// What it was then; a file may be there whose content was not looked at.
    pub was: Was,
    /// What it is now.
    pub disk: Disk,
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Into the workspace.
    Inside(WorkPath),
    /// Out of it.
    Outside(String),
    /// Nowhere that can be found out; the sentence says why.
    Unclear(String),
}

/// How much of a file was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// Some lines.
    Part,
}

/// Why a write of the bench's own was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteTrouble {
    /// The file was not what had been checked; it is as the other one left it.
    Changed,
    /// The text to replace is not there exactly once.
    NoAnchor(String),
    /// The disk said no.
    Io(String),
}

/// How a stored session is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// In the same conversation.
    Continue,
    /// In a branch of it.
    Fork,
    /// In a new conversation that is told what is stored.
    FromHistory,
}

/// A stored session, ready to go on.
#[derive(Debug)]
pub struct Loaded {
    /// The session.
    pub row: SessionRow,
    /// The end of its transcript.
    pub items: Vec<Item>,
    /// Whether older items are stored.
    pub more_before: bool,
    /// The highest item id that was ever used in it.
    pub last_item: u64,
    /// Prompts that its agent had not read when it ended.
    pub waiting: Vec<String>,
}

/// An image whose deed is done and whose content is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// To be forgotten once its change is stored.
    pub name: ImageName,
    /// What the file was.
    pub before: Before,
    /// What it is.
    pub after: Option<Image>,
}

/// What a file was, as far as its image tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// This.
    Image(Image),
    /// Nothing.
    Absent,
    /// What it is, with these permissions.
    Mode(u32),
    /// Something.
    Unknown,
}

impl Taken {
    /// The former and the present state of a file of which nothing but the permissions changed.
    pub fn mode_change(&self) -> Option<(Image, Image)> {
        let after = self.after?;
        let before = match self.before {
            Before::Image(image) => image,
            Before::Mode(mode) => moded(after, mode),
            Before::Absent | Before::Unknown => return None,
        };
        let other = before.mode.is_some() && after.mode.is_some() && before.mode != after.mode;
        (before.hash == after.hash && other).then_some((before, after))
    }
}
