//! What enters the arbiter and what it wants done.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::id::{OpId, SessionId};
use crate::model::lease::{LeaseState, Owner, Refusal};
use crate::model::path::{Hash, WorkPath};
use crate::model::time::Mono;

/// How the whole tree is listed among leases and reservations.
pub const TREE: &str = "**";

/// Everything that the arbiter can be told.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A session has this name from now on; refusals speak of it by name.
    Named {
        /// Whose name it is.
        session: SessionId,
        /// The name.
        name: String,
        /// What it works on, in a few words; empty if unknown.
        task: String,
    },
    /// Somebody wants to write. Answered with [`Effect::Inspect`] once the file is its, then with
    /// [`Effect::Granted`] or [`Effect::Refused`]; [`Effect::Waiting`] may come before.
    Request(Wish),
    /// What is on disk, as [`Effect::Inspect`] asked.
    Inspected {
        /// Which request.
        op: OpId,
        /// The file now.
        disk: Disk,
        /// The text that the owner last observed, if it was asked for and is still known.
        base: Option<Arc<str>>,
    },
    /// The person is asked about a granted request: it becomes an ordinary lease meanwhile.
    Asked {
        /// Which request.
        op: OpId,
    },
    /// The person said yes: it is checked again, and granted or refused again.
    Answered {
        /// Which request.
        op: OpId,
    },
    /// The request will not be carried out (the person said no, it was interrupted).
    Withdrawn {
        /// Which request.
        op: OpId,
    },
    /// A granted write has ended; this is on disk now.
    Finished {
        /// Which request.
        op: OpId,
        /// What its tool says of it.
        end: WriteEnd,
        /// The file now.
        disk: Disk,
    },
    /// A process of an owner is about to change files by a system call, and waits for the answer:
    /// in the effects of this very call stands [`Effect::Granted`], [`Effect::Refused`] or
    /// [`Effect::Waiting`]; after the last the process is to ask again.
    Touch(Touch),
    /// A touch that was granted was not carried out after all.
    Untouched {
        /// Which touch.
        op: OpId,
    },
    /// A touch that was granted was carried out. What became of its files is answered to
    /// [`Effect::LookAfter`].
    Touched {
        /// Which touch.
        op: OpId,
    },
    /// Nobody can write the file any more that a touch was about; this is on disk now.
    LookedAfter {
        /// Which touch.
        op: OpId,
        /// Which of its files.
        path: WorkPath,
        /// The file now.
        disk: Disk,
        /// What was there before the touch, if that was looked at.
        before: Was,
    },
    /// An owner was shown a file's content (it read it).
    Observed {
        /// Who.
        owner: Owner,
        /// Which file.
        path: WorkPath,
        /// What it was shown.
        hash: Hash,
        /// How.
        seen: Seen,
    },
    /// A file was found changed by a way that was not gated (a shell command, an editor).
    Found {
        /// Who did it, as far as known.
        by: Owner,
        /// Which file.
        path: WorkPath,
        /// The file now.
        disk: Disk,
    },
    /// An owner's turn is over: what it waits for and what it holds ends. A write that is being
    /// carried out goes on until it is said to have ended. A sub-agent's go on unless it is named.
    TurnEnded {
        /// Whose turn.
        owner: Owner,
    },
    /// A session's process and all its children are gone: everything of it ends, but for writes
    /// that the bench itself carries out.
    Gone {
        /// Which session.
        session: SessionId,
    },
    /// The processes that a session had under a former engine are gone: their writes in flight,
    /// which came back with [`Table::restore`](super::table::Table::restore), end.
    Buried {
        /// Which session.
        session: SessionId,
    },
    /// An owner has no more use for a file: its lease ends. What it reserved on purpose and what
    /// is in flight stays.
    Done {
        /// Who.
        owner: Owner,
        /// Which file.
        path: WorkPath,
    },
    /// Somebody wants to reserve files on purpose, all or nothing. Answered like a request,
    /// without inspection.
    Reserve {
        /// Names it in the answer.
        op: OpId,
        /// For whom.
        owner: Owner,
        /// Files, folders (`src/`) and globs.
        patterns: Vec<String>,
        /// How long without activity; `None`: no end (the person only).
        for_ms: Option<u64>,
        /// What for.
        reason: String,
        /// How long it may wait.
        wait_ms: u64,
    },
    /// The person lets an owner have the whole tree for the length of one command. Leases of others
    /// end at once, a write in flight is waited for, a reservation of somebody else stays and
    /// refuses it. Answered like a request, without inspection. It has no end but
    /// [`Input::Release`] of `**`, and that of its session.
    TakeTree {
        /// Names it in the answer.
        op: OpId,
        /// For whom.
        owner: Owner,
        /// What for.
        reason: String,
        /// How long it may wait.
        wait_ms: u64,
    },
    /// An owner gives back what it holds or reserved; all of it without paths.
    Release {
        /// Who.
        owner: Owner,
        /// Which; empty: all.
        paths: Vec<String>,
    },
    /// Somebody wants to know when a file is free, and to be the next one then. Answered with
    /// granted (the file is reserved for it briefly) or refused.
    WaitFor {
        /// Names it in the answer.
        op: OpId,
        /// Who.
        owner: Owner,
        /// Which file.
        path: WorkPath,
        /// How long it may wait.
        wait_ms: u64,
    },
    /// The person takes a lease from its holder and gives it to another owner (or keeps it).
    /// A write in flight is not stopped by it: the new owner is next.
    Steal {
        /// Which file or pin.
        path: String,
        /// For whom.
        to: Owner,
    },
    /// The person frees a file or pin. A write in flight stays.
    Free {
        /// Which file or pin.
        path: String,
    },
    /// Time has passed.
    Tick,
}

/// How a write ended, as its tool says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteEnd {
    /// It was carried out, or the tool did not say.
    Done,
    /// The tool failed: whatever changed meanwhile is not its doing, unless it is exactly what the
    /// write was to make.
    Failed,
}

/// A change that a process of an owner is about to make by itself: all of it, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// Names it in the answer.
    pub op: OpId,
    /// Whose process it is.
    pub owner: Owner,
    /// Whether it is the agent's own process, which carries out the writes of its tools, and not
    /// one that it has started.
    pub itself: bool,
    /// Whether what it destroys unseen is safe elsewhere: git has asked whose work is not.
    pub safe: bool,
    /// What would change.
    pub marks: Vec<Mark>,
    /// How much longer the process can wait.
    pub wait_ms: u64,
}

/// What a touch does to one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Which path, resolved.
    pub path: WorkPath,
    /// What happens to it.
    pub deed: Deed,
}

/// What happens to a path by a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Deed {
    /// It comes to be; if it is there already, nothing happens.
    Appear,
    /// What it was goes: it is emptied, replaced or removed.
    Destroy,
    /// It is opened so that any of it may be changed in place. How much is, is not known before.
    Overwrite,
    /// It grows at its end, or what is known about it changes.
    Alter,
    /// A folder gets another name, with everything below.
    MoveFolder,
    /// Anything, and only the person may do it.
    Forbidden,
}

/// A wish to write one file.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// Names it in the answers.
    pub op: OpId,
    /// Who wants it.
    pub owner: Owner,
    /// Which file, resolved.
    pub path: WorkPath,
    /// What it would become.
    pub proposal: Proposal,
    /// What the owner says it builds on, instead of what it last observed.
    pub base: Option<Base>,
    /// How long it may wait for the file.
    pub wait_ms: u64,
    /// Who carries it out.
    pub hand: Hand,
}

/// Who carries a write out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hand {
    /// The owner's own process: with it the write is over.
    Owner,
    /// The bench, whatever becomes of the owner.
    Bench,
}

/// What a writer says it builds on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// The file must not exist.
    Absent,
    /// The file must be this.
    Is(Hash),
}

/// What a file would become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposal {
    /// Exactly these bytes.
    Whole(Hash),
    /// The text with these replacements made, one after the other.
    Edits(Vec<Edit>),
    /// Nobody knows before it is done (a notebook cell, a formatter). Needs a current observation.
    Opaque,
}

/// One replacement in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced; empty: the file is created with `new`.
    pub old: String,
    /// What comes instead.
    pub new: String,
    /// Whether every occurrence is meant.
    pub all: bool,
}

/// What is on disk at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disk {
    /// Nothing.
    Absent,
    /// A file.
    File {
        /// Its content.
        hash: Hash,
        /// Its text, if it is text and not too large.
        text: Option<Arc<str>>,
    },
    /// It cannot be read, or is no plain file; the sentence says why. Never an "allow".
    Unreadable(String),
}

/// What was at a path before it changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Was {
    /// Nobody had looked.
    Unknown,
    /// Nothing.
    Absent,
    /// A file with this content.
    Is(Hash),
}

impl Was {
    /// A file, with its content if that is known.
    pub fn of(content: Option<Hash>) -> Self {
        content.map_or(Self::Unknown, Self::Is)
    }
}

/// What an owner knows about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// What it was shown.
    pub hash: Hash,
    /// How.
    pub seen: Seen,
}

/// How an owner came to know a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// It read all of it.
    Full,
    /// It read a part of it.
    Range,
    /// It wrote it.
    OwnWrite,
    /// A refusal showed it the difference.
    Refusal,
}

impl Seen {
    /// The word for it in stored rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Range => "range",
            Self::OwnWrite => "own_write",
            Self::Refusal => "refusal",
        }
    }

    /// Reads a word of [`Seen::as_str`].
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Full, Self::Range, Self::OwnWrite, Self::Refusal]
            .into_iter()
            .find(|seen| seen.as_str() == word)
    }
}

/// A lease as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who has it.
    pub owner: Owner,
    /// What kind of right it is.
    pub state: LeaseState,
    /// The request behind it, while in flight.
    pub op: Option<OpId>,
    /// Since when.
    pub since: Mono,
    /// Until when, if it ends by itself.
    pub until: Option<Mono>,
    /// What for.
    pub reason: String,
    /// Who waits, first come first.
    pub queue: Vec<Owner>,
    /// The reservation of the very same file that stands behind a write in flight.
    pub behind: Option<Box<Lease>>,
}

/// Something that the arbiter wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Look at the file and answer with [`Input::Inspected`]. The file is already the owner's, so
    /// no other arbitrated writer changes it meanwhile.
    Inspect {
        /// Which request.
        op: OpId,
        /// Which file.
        path: WorkPath,
        /// The text of this content is wanted as well, for a rebase or a difference.
        base: Option<Hash>,
    },
    /// The request may be carried out. What [`Effect::Moved`] said before it must be durable
    /// before the grant is sent.
    Granted {
        /// Which request.
        op: OpId,
        /// What the owner should know (what it was rebased on).
        note: Option<String>,
    },
    /// The request is refused.
    Refused {
        /// Which request.
        op: OpId,
        /// Why, in words.
        refusal: Refusal,
    },
    /// The request waits for the file.
    Waiting {
        /// Which request.
        op: OpId,
        /// Which file.
        path: WorkPath,
        /// Who has it.
        holder: Owner,
        /// Its place in the queue, from 1.
        place: usize,
    },
    /// Once no process can write the file any more, look at it and answer with
    /// [`Input::LookedAfter`]. A touch that was refused may want this too.
    LookAfter {
        /// Which touch.
        op: OpId,
        /// Which of its files.
        path: WorkPath,
    },
    /// The lease of a file has run out, and a process has been told to wait for it: it may ask
    /// again. Whoever has the lease keeps it until then.
    Lapsed {
        /// Which file.
        path: WorkPath,
    },
    /// The lease of a path is this now (`None`: free).
    Moved {
        /// Which file, folder or glob.
        path: String,
        /// The lease.
        lease: Option<Lease>,
    },
    /// What an owner knows about a file is this now (`None`: nothing).
    Knows {
        /// Who.
        owner: Owner,
        /// Which file.
        path: WorkPath,
        /// What.
        observation: Option<Observation>,
    },
    /// A file has another content now.
    Changed {
        /// Which file.
        path: WorkPath,
        /// Whose change it is.
        owner: Owner,
        /// What it was.
        before: Was,
        /// What it is; `None`: gone.
        after: Option<Hash>,
        /// Whose lease or unseen work it ran into, if it was not gated.
        over: Option<Owner>,
    },
    /// An owner should be told something at its next step.
    Tell {
        /// Who.
        owner: Owner,
        /// The sentence, in which "you" is that owner.
        text: String,
        /// The same for the person, who reads it in that owner's pane.
        shown: String,
    },
    /// Call again with [`Input::Tick`] at this time; replaces the last wish of this kind.
    WakeAt(Mono),
}
