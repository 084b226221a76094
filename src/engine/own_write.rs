//! A write of the bench's own, from its grant to its end: first what was there is safe, then the file
//! changes.
//!
//! Whatever the step at which the engine dies, the image says that the write was begun and what it
//! replaced. It blocks.

use std::path::Path;

use super::disk;
use super::door::images::BeforeImages;
use super::effect::Content;
use super::input::{Input, WriteTrouble};
use super::keeper::Keeper;
use crate::arbiter::Disk;
use crate::fault;
use crate::model::id::OpId;
use crate::model::lease::Owner;
use crate::model::path::WorkPath;

/// What is written where, and for whom.
#[derive(Debug)]
pub(super) struct OwnWrite {
    pub(super) op: OpId,
    pub(super) owner: Owner,
    pub(super) path: WorkPath,
    /// What was there when it was granted.
    pub(super) checked: Disk,
    pub(super) content: Content,
}

impl OwnWrite {
    /// Writes, and says what became of it.
    pub(super) fn carry_out(self, root: &Path, keeper: &Keeper, images: &BeforeImages) -> Input {
        let Self { op, owner, path, checked, content } = self;
        let place = (root, &path);
        let kept = fault::at("write-granted")
            .and_then(|()| images.keep_for_bench((op, &owner), place, &checked));
        let (disk, result) = match kept {
            Ok(()) => disk::write(root, &path, &checked, &content, op.0),
            Err(error) => {
                let why = format!("{path}: what it was cannot be kept ({error})");
                (disk::look(root, &path), Err(WriteTrouble::Io(why)))
            }
        };
        let disk = keeper.keep(&path, disk, None);
        let was = match result {
            Ok(()) => images.take_checked(op, place, &checked, &disk),
            Err(_) => {
                images.unmade(op);
                None
            }
        };
        // It is over and cannot fail any more.
        let _ = fault::at("write-done");
        Input::Written { op, disk, was, result }
    }
}
