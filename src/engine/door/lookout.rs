//! Looks after files that processes were let at: once nobody can write such a file any more, what
//! has become of it is told to the arbiter.
//!
//! Whether a process can still write a file is the kernel's word, and there is no way to be woken
//! when that changes: so it is looked at again and again, soon at first, then seldom; at once when
//! somebody waits for the file. Nothing is looked at when no file is open for writing.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::build_output::BuildOutput;
use super::images::BeforeImages;
use crate::arbiter::{Disk, Input, Was};
use crate::engine::desk::{Desk, Look};
use crate::engine::input::Before;
use crate::engine::keeper::Keeper;
use crate::fault;
use crate::guard::writers::{self, Writers};
use crate::history::Store;
use crate::model::change::Image;
use crate::model::id::OpId;
use crate::model::lease::Owner;
use crate::model::path::WorkPath;

/// The time between two looks, first and at most.
const FIRST: Duration = Duration::from_millis(2);
const LAST: Duration = Duration::from_secs(1);

/// A file of which nobody can tell whether it has writers stays in flight so long.
const UNKNOWN: Duration = Duration::from_secs(10);

/// The lookout of one workspace.
pub(in crate::engine) struct Lookout {
    pub(in crate::engine) desk: Weak<Desk>,
    pub(in crate::engine) root: PathBuf,
    pub(in crate::engine) output: Arc<BuildOutput>,
    pub(in crate::engine) keeper: Arc<Keeper>,
    pub(in crate::engine) images: Arc<BeforeImages>,
    pub(in crate::engine) store: Arc<Store>,
}

/// A file that is looked after.
#[derive(Debug)]
struct Open {
    op: OpId,
    path: WorkPath,
    since: Instant,
    pause: Duration,
}

impl Lookout {
    /// The life of its thread; it ends when nobody sits at the desk any more.
    pub(in crate::engine) fn keep(self, looks: &Receiver<Look>) {
        let mut open: BTreeMap<(Instant, u64), Open> = BTreeMap::new();
        let mut last = 0;
        loop {
            let due = open.first_key_value().map(|((at, _), _)| *at);
            let look = match due {
                None => match looks.recv() {
                    Ok(look) => Some(look),
                    Err(_) => return,
                },
                Some(at) => {
                    match looks.recv_timeout(at.saturating_duration_since(Instant::now())) {
                        Ok(look) => Some(look),
                        Err(RecvTimeoutError::Timeout) => None,
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            };
            let now = Instant::now();
            match look {
                Some(Look::After { op, path }) => {
                    last += 1;
                    open.insert((now, last), Open { op, path, since: now, pause: FIRST });
                }
                Some(Look::Soon(path)) => {
                    let all = std::mem::take(&mut open);
                    open.extend(all.into_iter().map(|((at, number), file)| {
                        if file.path == path {
                            ((now, number), Open { pause: FIRST, ..file })
                        } else {
                            ((at, number), file)
                        }
                    }));
                }
                Some(Look::Moved { by, from, to }) => self.moved(&by, &from, &to),
                None => {}
            }
            while let Some(entry) = open.first_entry()
                && entry.key().0 <= Instant::now()
            {
                let ((_, number), file) = entry.remove_entry();
                if self.is_open(&file) {
                    let pause = (file.pause * 2).min(LAST);
                    open.insert((Instant::now() + file.pause, number), Open { pause, ..file });
                } else if !self.look(&file) {
                    return;
                }
            }
        }
    }

    /// Whether a process can still write it.
    fn is_open(&self, file: &Open) -> bool {
        match writers::at(&file.path.below(&self.root)) {
            Ok(Writers::None) => false,
            Ok(Writers::Some) => true,
            // No plain file any more, or one that we may not read: nobody can tell.
            Ok(Writers::Unknown) | Err(_) => {
                let plain = std::fs::symlink_metadata(file.path.below(&self.root))
                    .is_ok_and(|meta| meta.is_file());
                plain && file.since.elapsed() < UNKNOWN
            }
        }
    }

    /// Tells what is there now; false if nobody wants to know any more.
    fn look(&self, Open { op, path, .. }: &Open) -> bool {
        let Some(desk) = self.desk.upgrade() else { return false };
        // Its steps do not fail: what cannot be looked at is said by the look itself.
        let _ = fault::at("look-begun");
        let disk = self.read(path);
        let after = match &disk {
            Disk::File { hash, .. } => Some(Image { hash: *hash, mode: self.mode(path) }),
            Disk::Absent | Disk::Unreadable(_) => None,
        };
        let taken = self.images.take(*op, path, after, &self.store);
        // The image stays, and becomes a change at the next start.
        let missed = |error| tracing::warn!(%error, "what {path} was is not stored yet");
        let was = taken.map_err(missed).ok().flatten();
        let before = match was.as_ref().map(|was| was.before) {
            Some(Before::Image(image)) => Was::Is(image.hash),
            Some(Before::Mode(_)) => after.map_or(Was::Unknown, |now| Was::Is(now.hash)),
            Some(Before::Absent | Before::Unknown) | None => Was::Unknown,
        };
        let input = Input::LookedAfter { op: *op, path: path.clone(), disk, before };
        // Without an answer the file stays in flight.
        drop(desk.decide_looking(input, was));
        let _ = fault::at("look-told");
        true
    }

    /// The type and permissions of a file, as far as they can be told.
    fn mode(&self, path: &WorkPath) -> Option<u32> {
        std::fs::symlink_metadata(path.below(&self.root)).map(|meta| meta.mode()).ok()
    }

    /// A folder has another name: its files are gone from the old one and are below the new one.
    fn moved(&self, by: &Owner, from: &WorkPath, to: &WorkPath) {
        let Some(desk) = self.desk.upgrade() else { return };
        let below = desk.read(|table| table.known_below(from));
        for old in below {
            let new = format!("{to}{}", &old.as_str()[from.as_str().len()..]);
            for path in [Some(old), WorkPath::parse(&new)].into_iter().flatten() {
                let disk = self.read(&path);
                drop(desk.decide_beside(Input::Found { by: by.clone(), path, disk }));
            }
        }
    }

    fn read(&self, path: &WorkPath) -> Disk {
        let disk = self.keeper.look(path);
        self.output.written(path);
        if !matches!(disk, Disk::Absent) {
            self.output.met([path]);
        }
        disk
    }
}
