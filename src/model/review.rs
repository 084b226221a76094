//! What can be asked about changes of files, and what comes back: lists, differences, who wrote
//! which line, and plans.
//!
//! These are questions and answers of front ends; what is kept, and how a plan is made, is
//! elsewhere.

use serde::{Deserialize, Serialize};

use super::change::Change;
use super::id::ChangeId;
use super::path::WorkPath;
use super::time::Wall;
use super::transcript::Hunk;

/// A question. Nothing changes by asking it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Changes, newest first.
    Changes(Wanted),
    /// Writes that were refused, newest first.
    Rejected(Wanted),
    /// The difference that something made.
    Difference(Compared),
    /// Who wrote each line of a file.
    Blame(WorkPath),
    /// What a revision would do.
    Plan(Revision),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Changes.
    Changes(ChangesPage),
    /// Refused writes.
    Rejected(Vec<RejectedLine>),
    /// A difference.
    Difference(FileDifference),
    /// Who wrote each line.
    Blame(FileBlame),
    /// What was taken back, or would be.
    Revised(Revised),
}

/// Which changes are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Wanted {
    /// Of this file, or of the files below this folder.
    #[serde(default)]
    pub path: Option<WorkPath>,
    /// By whoever was called this, `user` and `external` among them.
    #[serde(default)]
    pub agent: Option<String>,
    /// In this turn.
    #[serde(default)]
    pub turn: Option<u32>,
    /// Only those that deleted a file which is still gone, or ran over somebody's work.
    #[serde(default)]
    pub lost: bool,
    /// Only those before this one.
    #[serde(default)]
    pub before: Option<ChangeId>,
    /// So many at most.
    pub limit: usize,
}

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compared {
    /// A file before and after a change.
    Change(ChangeId),
    /// A file after one change and after another; without the first, before all that is known;
    /// without the second, as it is on disk.
    File {
        /// Which file.
        path: WorkPath,
        /// After this change.
        from: Option<ChangeId>,
        /// After this one.
        to: Option<ChangeId>,
    },
    /// What a refused write would have made of its file.
    Rejected(i64),
}

/// A wish to take something back. Carried out, it is the person's own write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revision {
    /// Take one change out of what is there now.
    UndoChange(ChangeId),
    /// Take out all changes of an agent, or those of one of its turns.
    UndoAgent {
        /// The agent's name.
        agent: String,
        /// The turn.
        turn: Option<u32>,
    },
    /// Put a file back as it was, whole.
    Restore {
        /// Which file.
        path: WorkPath,
        /// As it was when.
        moment: Moment,
    },
    /// Write what a refused write wanted to write.
    Accept {
        /// The refused write.
        rejected: i64,
        /// Where; its own file without.
        path: Option<WorkPath>,
    },
}

/// A state of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Before this change.
    Before(ChangeId),
    /// After this change.
    After(ChangeId),
    /// The last content that differs from what is there now.
    Last,
}

/// A change as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeLine {
    /// The change.
    pub change: Change,
    /// The name of the one whose lease or unseen work it ran into.
    pub over: Option<String>,
    /// How many lines came and went; `None`: it is no text, or it is not kept.
    pub lines: Option<(usize, usize)>,
    /// Whether what was there before can be brought back.
    pub before_kept: bool,
    /// The change that has taken this one back.
    pub undone_by: Option<ChangeId>,
}

/// A page of changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChangesPage {
    /// The changes, newest first.
    pub changes: Vec<ChangeLine>,
    /// Whether there are older ones.
    pub more: bool,
}

/// A refused write as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedLine {
    /// Its number.
    pub number: i64,
    /// When.
    pub at: Wall,
    /// Who wanted to write, by name.
    pub agent: String,
    /// Which file.
    pub path: WorkPath,
    /// The tool.
    pub tool: String,
    /// The code of the refusal.
    pub code: String,
    /// How many lines would have come and gone, against what it was made from.
    pub lines: Option<(usize, usize)>,
}

/// A difference for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDifference {
    /// Which file.
    pub path: WorkPath,
    /// What the old side is.
    pub from: String,
    /// What the new side is.
    pub to: String,
    /// The type and permissions of both sides (`st_mode`), if they are known and differ.
    #[serde(default)]
    pub modes: Option<(u32, u32)>,
    /// The places that differ; empty if there are none, or if `note` says why not.
    pub hunks: Vec<Hunk>,
    /// What is to be said instead of, or besides, the lines.
    pub note: Option<String>,
}

/// Who wrote each line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileBlame {
    /// Which file.
    pub path: WorkPath,
    /// Its lines, without their ends.
    pub lines: Vec<String>,
    /// Neighbouring lines of one origin. Together they are all lines.
    pub runs: Vec<BlameRun>,
}

/// Neighbouring lines of one origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlameRun {
    /// The first line, from 1.
    pub first: usize,
    /// How many.
    pub count: usize,
    /// Where they come from; `None`: they were there before, or nobody saw who wrote them.
    pub origin: Option<LineOrigin>,
}

/// Where a line comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineOrigin {
    /// The change that brought it.
    pub change: ChangeId,
    /// Its writer's name at that time.
    pub agent: String,
    /// When.
    pub at: Wall,
}

/// What a revision does, or did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Revised {
    /// The plan in words.
    pub text: String,
    /// The files, in the order in which they are done.
    pub files: Vec<RevisedFile>,
}

/// What becomes of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisedFile {
    /// Which file.
    pub path: WorkPath,
    /// How it went.
    pub outcome: Outcome,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It would be done.
    Planned,
    /// It is done.
    Done,
    /// It is left alone, for this reason.
    LeftAlone(String),
}

impl Revised {
    /// How many files have this outcome: planned or done ones, and those left alone.
    pub fn counts(&self) -> (usize, usize) {
        let alone =
            self.files.iter().filter(|file| matches!(file.outcome, Outcome::LeftAlone(_))).count();
        (self.files.len() - alone, alone)
    }
}
