//! What is to be done to files, and what stands in the way: the answer to a wish to undo or to
//! restore something. Data; whoever carries it out is elsewhere.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::merge::Clash;
use crate::model::change::Image;
use crate::model::id::ChangeId;
use crate::model::lease::Owner;
use crate::model::path::{Hash, WorkPath};

/// The content of a file, with its image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its hash and permissions.
    pub image: Image,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

impl File {
    /// A file with these bytes.
    pub fn of(bytes: impl Into<Arc<[u8]>>, mode: Option<u32>) -> Self {
        let bytes = bytes.into();
        Self { image: Image { hash: Hash::of(&bytes), mode }, bytes }
    }

    /// Its bytes as text, if they are text.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }
}

/// One file that is to be written, made or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which file.
    pub path: WorkPath,
    /// What must be there; `None`: nothing. If anything else is, the step must not be done.
    pub now: Option<File>,
    /// What is there afterwards; `None`: nothing. Without a mode: that of `now`.
    pub then: Option<File>,
    /// The changes that it takes back, oldest first.
    pub reverts: Vec<ChangeId>,
    /// Whose lines go.
    pub losses: Vec<Loss>,
}

/// Lines that go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Whose; `None`: nobody saw who wrote them.
    pub owner: Option<Owner>,
    /// How many.
    pub lines: usize,
}

/// Why a file is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Which file, as it is called now.
    pub path: WorkPath,
    /// The changes that cannot be taken back, oldest first.
    pub changes: Vec<ChangeId>,
    /// Why.
    pub why: Why,
}

/// What stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The same lines were changed since.
    Clashes(Vec<Clash>),
    /// Lines of others would go, and these are they.
    OthersLines(Vec<(Option<Owner>, String)>),
    /// A content is not kept (any more): it may be a secret, or too old.
    NotKept(Hash),
    /// It changed since, and it is no text.
    NotText,
    /// It was deleted since.
    Gone,
    /// Something else is at the path to which it would go back.
    Taken(WorkPath),
    /// Nobody could look at what is there.
    NotSeen,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// The files, in the order of their paths, but first what makes room for another.
    pub steps: Vec<Step>,
    /// The files that are left alone.
    pub conflicts: Vec<Conflict>,
}

impl Plan {
    /// Whether there is nothing to do and nothing in the way.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.conflicts.is_empty()
    }
}
