//! Changes of files as the journal keeps them, and what was at a path before and after.
//!
//! A change is one step of one file: there was an [`Image`] before, there is one after. A rename
//! over an existing file is two changes, since two files are concerned: an edit of the one that
//! was replaced and a deletion of the other.

use serde::{Deserialize, Serialize};

use super::id::{ChangeId, SessionId};
use super::lease::Owner;
use super::path::{Hash, WorkPath};
use super::time::Wall;

/// What was at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Image {
    /// The hash of its content; of a symbolic link, of where it points to.
    pub hash: Hash,
    /// Its type and permissions as the system counts them (`st_mode`), if somebody looked.
    pub mode: Option<u32>,
}

impl From<Hash> for Image {
    fn from(hash: Hash) -> Self {
        Self { hash, mode: None }
    }
}

/// What kind of step a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// There was nothing before.
    Created,
    /// It was there before and is there after.
    Edited,
    /// There is nothing after.
    Deleted,
    /// It was at another path before.
    Renamed,
}

/// One change of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its number, given when it is stored.
    pub id: ChangeId,
    /// When.
    pub at: Wall,
    /// Whose.
    pub owner: Owner,
    /// The owner's name at that time, as people know it.
    pub agent: String,
    /// The turn of the session, counted from 1; `None` between turns and for others.
    pub turn: Option<u32>,
    /// The tool, or the command line of a shell.
    pub tool: String,
    /// Where the file is now, or was until it was deleted.
    pub path: WorkPath,
    /// Where it was before, if it was renamed.
    pub from: Option<WorkPath>,
    /// What it was.
    pub before: Option<Image>,
    /// What it is.
    pub after: Option<Image>,
    /// Whose lease it ran into, if it was not gated.
    pub over: Option<Owner>,
    /// The changes that this one takes back.
    pub reverts: Vec<ChangeId>,
    /// The number of the image in the journal's folder that it was made from, if it was.
    pub serial: Option<u64>,
}

impl Change {
    /// A change with nothing known but what happened to the content.
    pub fn of(path: WorkPath, owner: Owner, before: Option<Image>, after: Option<Image>) -> Self {
        Self {
            id: ChangeId(0),
            at: Wall(0),
            agent: owner.key(),
            owner,
            turn: None,
            tool: String::new(),
            path,
            from: None,
            before,
            after,
            over: None,
            reverts: Vec::new(),
            serial: None,
        }
    }

    /// What kind of step it is.
    pub fn kind(&self) -> ChangeKind {
        match (&self.from, self.before, self.after) {
            (Some(_), _, _) => ChangeKind::Renamed,
            (None, None, Some(_)) => ChangeKind::Created,
            (None, _, None) => ChangeKind::Deleted,
            (None, Some(_), Some(_)) => ChangeKind::Edited,
        }
    }

    /// The type and permissions before and after, if they are known and differ.
    pub fn modes(&self) -> Option<(u32, u32)> {
        let (before, after) = (self.before?.mode?, self.after?.mode?);
        (before != after).then_some((before, after))
    }

    /// The same, if that is all that has changed.
    pub fn only_modes(&self) -> Option<(u32, u32)> {
        let same = self.before.map(|image| image.hash) == self.after.map(|image| image.hash);
        self.modes().filter(|_| same && self.from.is_none())
    }

    /// The session behind it, if any.
    pub fn session(&self) -> Option<&SessionId> {
        self.owner.session()
    }

    /// The path at which it found its file.
    pub fn path_before(&self) -> &WorkPath {
        self.from.as_ref().unwrap_or(&self.path)
    }
}
