//! What has to be known about a tree before a command of git may touch it.

use serde::{Deserialize, Serialize};

use crate::model::path::{Hash, WorkPath};

/// A file with uncommitted changes that the engine is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileQuestion {
    /// Which file.
    pub path: WorkPath,
    /// What the last commit has there.
    pub committed: Content,
    /// What is there now.
    pub disk: Content,
}

/// What is or was at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Nothing.
    Absent,
    /// A file with this content.
    Is(Hash),
    /// It could not be told.
    Unknown,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asker {
    /// The person, who may do everything.
    Person,
    /// An agent.
    Agent,
}

/// Whose a change is, as the one who asks sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// Its own.
    Own,
    /// That of somebody else, by name.
    Other(String),
}

/// What the engine knows about a file that has uncommitted changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Known {
    /// Who changed it last.
    #[serde(default)]
    pub last: Option<Party>,
    /// Others whose uncommitted work is in it, by name.
    #[serde(default)]
    pub others: Vec<String>,
    /// Whether everybody is known whose uncommitted work is in it.
    #[serde(default)]
    pub complete: bool,
    /// Who else has a lease on it, by name.
    #[serde(default)]
    pub leased: Option<String>,
}

/// A lease of somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OthersLease {
    /// The file, folder or glob.
    pub path: String,
    /// Whose, by name.
    pub owner: String,
}

/// What the engine answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Who asks, as the engine sees it.
    pub asker: Asker,
    /// What is known of each file, in the order of the questions.
    pub files: Vec<Known>,
    /// The leases of others.
    pub leases: Vec<OthersLease>,
    /// Shown by a git that goes on after this answer.
    #[serde(default)]
    pub pass: String,
}

/// A file with uncommitted changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirty {
    /// Its path below the workspace.
    pub path: Vec<u8>,
    /// Whether git tracks it.
    pub tracked: bool,
    /// Whether the index has something else than the last commit.
    pub staged: bool,
    /// Whether the patterns of the command line match it.
    pub matched: bool,
    /// Whether the command line says its very name.
    pub named: bool,
    /// Whose it is.
    pub known: Known,
}

impl Dirty {
    /// Whether the one who asks changed it last and nobody else has it.
    pub(super) fn is_own(&self) -> bool {
        self.known.last == Some(Party::Own) && self.known.leased.is_none()
    }

    /// Whether nobody at all is known to have changed it.
    pub(super) fn is_nobodys(&self) -> bool {
        self.known.last.is_none() && self.known.others.is_empty() && self.known.leased.is_none()
    }

    /// Whether work of somebody else, or of nobody knows whom, would go with it.
    pub(super) fn is_at_stake(&self) -> bool {
        !self.known.complete || !self.known.others.is_empty() || self.known.leased.is_some()
    }
}

/// The tree that a command works on, as seen from the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tree {
    /// It lies in the workspace.
    Shared,
    /// It lies elsewhere, or there is none.
    Elsewhere,
    /// It lies elsewhere, but its repository is that of the workspace.
    Crossed,
}

/// Everything that a decision looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// Who asks.
    pub asker: Asker,
    /// Where it works.
    pub tree: Tree,
    /// The files with uncommitted changes.
    pub dirty: Vec<Dirty>,
    /// The files of the last commit, if that is to be replaced.
    pub amended: Vec<(Vec<u8>, Known)>,
    /// The leases of others that the command may reach.
    pub leases: Vec<OthersLease>,
    /// Whether a merge, rebase or the like waits to be finished.
    pub unfinished: bool,
    /// Whether the environment names another index.
    pub other_index: bool,
}
