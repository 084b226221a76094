//! Restore: puts a content that is kept back at its path, whole.
//!
//! Other than an undo it replaces what is there, because that is what was asked for; the plan says
//! whose lines go.

use std::sync::Arc;

use super::blame::Blame;
use super::losses::losses;
use super::plan::{File, Plan, Step};
use crate::model::change::{Change, Image};
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
    let same = match (&now, &then) {
        (Some(now), Some(then)) => now.bytes == then.bytes && !differ(now.image, then.image),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
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

/// Whether two images of a path are not the same: other contents, or other permissions where both
/// are known.
pub fn differ(one: Image, other: Image) -> bool {
    let modes = one.mode.zip(other.mode);
    one.hash != other.hash || modes.is_some_and(|(one, other)| one != other)
}
