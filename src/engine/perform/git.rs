//! What a git over the whole tree wants done: files kept, its end awaited, the tree looked at.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Performer;
use crate::engine::identity;
use crate::engine::input::Input;
use crate::engine::snapshot;
use crate::model::lease::Owner;
use crate::model::path::WorkPath;

/// The time between two looks whether a git still runs of which nobody tells the end.
const LOOKS: Duration = Duration::from_millis(100);

impl Performer {
    /// Keeps files before git may destroy them.
    pub(super) async fn keep_tree(&mut self, paths: Vec<WorkPath>) {
        self.flush().await;
        let (root, store) = (self.root.clone(), Arc::clone(&self.store));
        self.job(move || Some(Input::TreeKept(snapshot::keep(&root, &store, &paths))));
    }

    /// Waits, without hurry, until a git is gone.
    pub(super) fn await_git(&self, process: u32) {
        let inputs = self.inputs.clone();
        let began = identity::of(process);
        tokio::spawn(async move {
            while identity::lives(&began) {
                tokio::time::sleep(LOOKS).await;
            }
            // The loop may have ended meanwhile; then nobody wants to know.
            let _ = inputs.send(Input::GitGone(process)).await;
        });
    }

    /// Looks what a git has left, once nothing of its owner is at these files.
    pub(super) fn look_over_tree(&self, owner: Owner, paths: Vec<WorkPath>) {
        let (desk, keeper) = (Weak::clone(&self.desk), Arc::clone(&self.keeper));
        self.job(move || {
            snapshot::settle(&desk, &owner, &paths);
            let looked = paths.into_iter().map(|path| {
                let disk = keeper.look(&path);
                (path, disk)
            });
            Some(Input::TreeLooked(looked.collect()))
        });
    }
}
