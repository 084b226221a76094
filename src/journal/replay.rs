//! Replay: what the files of a tree are after a list of changes.
//!
//! A change always has its say, even if the journal did not see how its file came to be what it
//! found: that is reported as a gap and the replay goes on.

use std::collections::BTreeMap;

use crate::model::change::{Change, Image};
use crate::model::id::ChangeId;
use crate::model::path::{Hash, WorkPath};

/// The files of a tree.
pub type Tree = BTreeMap<WorkPath, Image>;

/// A change found something else than the changes before it left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Which change.
    pub change: ChangeId,
    /// Where it found its file.
    pub path: WorkPath,
    /// What was left there.
    pub left: Option<Hash>,
    /// What it found.
    pub found: Option<Hash>,
}

/// Makes the changes, oldest first, and returns where the journal has gaps.
pub fn replay<'a>(tree: &mut Tree, changes: impl IntoIterator<Item = &'a Change>) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for change in changes {
        let path = change.path_before();
        let left = tree.remove(path).map(|image| image.hash);
        let found = change.before.map(|image| image.hash);
        if left != found {
            gaps.push(Gap { change: change.id, path: path.clone(), left, found });
        }
        match change.after {
            Some(image) => tree.insert(change.path.clone(), image),
            None => tree.remove(&change.path),
        };
    }
    gaps
}
