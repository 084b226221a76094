//! Looks after files that processes were let at: once nobody can write such a file any more, what
//! has become of it is told to the arbiter.
//!
//! Whether a process can still write a file is the kernel's word, and there is no way to be woken
//! when that changes: so it is looked at again and again, soon at first, then seldom; at once when
//! somebody waits for the file. Nothing is looked at when no file is open for writing.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::build_output::BuildOutput;
use super::images::BeforeImages;
use crate::arbiter::{Disk, Input, Was};
use crate::engine::desk::{Desk, Look, Looks};
use crate::engine::disk::Closed;
use crate::engine::input::Before;
use crate::engine::keeper::Keeper;
use crate::fault;
use crate::history::Store;
use crate::model::change::Image;
use crate::model::id::OpId;
use crate::model::lease::Owner;
use crate::model::path::WorkPath;

/// The time before the first look and between two, first and at most. Programs write what they have
/// opened at once, and close it.
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
    pub(in crate::engine) fn keep(self, looks: &Looks) {
        let mut open = Watched::default();
        while self.desk.strong_count() > 0 {
            looks.queue.try_iter().for_each(|look| self.hear(&mut open, look));
            while let Some(file) = open.next_due() {
                match self.keeper.look_if_closed(&file.path) {
                    Closed::Yes(disk) => self.tell(&file, disk),
                    // No plain file any more, or one that we may not read: nobody can tell.
                    Closed::Unknown if file.since.elapsed() >= UNKNOWN => {
                        self.tell(&file, self.keeper.look(&file.path));
                    }
                    Closed::No | Closed::Unknown => open.again(file),
                }
            }
            let mut next = None;
            looks.bell.sleep(open.due(), || {
                next = looks.queue.try_recv().ok();
                next.is_none() && self.desk.strong_count() > 0
            });
            next.into_iter().for_each(|look| self.hear(&mut open, look));
        }
    }

    fn hear(&self, open: &mut Watched, look: Look) {
        match look {
            Look::After { op, path } => {
                open.put(Open { op, path, since: Instant::now(), pause: FIRST })
            }
            Look::Soon(path) => open.hurry(&path),
            Look::Moved { by, from, to } => self.moved(&by, &from, &to),
        }
    }

    /// Tells what is there now.
    fn tell(&self, Open { op, path, .. }: &Open, disk: Disk) {
        let Some(desk) = self.desk.upgrade() else { return };
        // Its steps do not fail: what cannot be looked at is said by the look itself.
        let _ = fault::at("look-begun");
        self.met(path, &disk);
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
        self.met(path, &disk);
        disk
    }

    fn met(&self, path: &WorkPath, disk: &Disk) {
        self.output.written(path);
        if !matches!(disk, Disk::Absent) {
            self.output.met([path]);
        }
    }
}

/// The files that are looked after, by when they are to be looked at.
#[derive(Debug, Default)]
struct Watched {
    files: BTreeMap<(Instant, u64), Open>,
    last: u64,
}

impl Watched {
    /// When the next one is due.
    fn due(&self) -> Option<Instant> {
        self.files.first_key_value().map(|((at, _), _)| *at)
    }

    /// One that is due by now.
    fn next_due(&mut self) -> Option<Open> {
        let first = self.files.first_entry()?;
        (first.key().0 <= Instant::now()).then(|| first.remove())
    }

    /// A file is to be looked at after its pause.
    fn put(&mut self, file: Open) {
        self.last += 1;
        self.files.insert((Instant::now() + file.pause, self.last), file);
    }

    /// A file is still open: it is looked at again, after a longer pause each time.
    fn again(&mut self, file: Open) {
        let pause = (file.pause * 2).min(LAST);
        self.put(Open { pause, ..file });
    }

    /// Somebody waits for a file.
    fn hurry(&mut self, path: &WorkPath) {
        let waited_for = self.files.extract_if(.., |_, file| file.path == *path);
        let waited_for: Vec<_> = waited_for.collect();
        let now = Instant::now();
        self.files.extend(
            waited_for
                .into_iter()
                .map(|((_, number), file)| ((now, number), Open { pause: FIRST, ..file })),
        );
    }
}
