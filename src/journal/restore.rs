//! Restore: puts a content that is kept back at its path, whole.
//!
//! Other than an undo it replaces what is there, because that is what was asked for; the plan says
//! whose lines go.

use std::sync::Arc;

use super::blame::Blame;
use super::losses::losses;
use super::plan::{File, Plan, Step};
use crate::model::change::Change;
use crate::model::path::{Hash, WorkPath};

/// Plans to make `then` of the file at `path`, where `now` is on disk. `changes` are those of the
/// file, oldest first.
pub fn restore(
    path: &WorkPath,
    now: Option<File>,
    then: Option<File>,
    changes: &[Change],
    find: &dyn Fn(Hash) -> Option<Arc<str>>,
) -> Plan {
    let same = now.as_ref().map(|file| &file.bytes) == then.as_ref().map(|file| &file.bytes);
    if same {
        return Plan::default();
    }
    let mut lost = Vec::new();
    let text = match &then {
        Some(file) => file.text(),
        None => Some(""),
    };
    if let (Some(on_disk), Some(text)) = (now.as_ref().and_then(File::text), text) {
        let mut blame = Blame::absent();
        changes.iter().for_each(|change| blame.push(change, find));
        blame.settle(Arc::from(on_disk));
        lost = losses(&blame, text);
    }
    let step = Step { path: path.clone(), now, then, reverts: Vec::new(), losses: lost };
    Plan { steps: vec![step], conflicts: Vec::new() }
}
