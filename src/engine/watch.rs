//! Watches the tree for changes that nobody was asked about: the person's editor, programs outside.
//!
//! The kernel names each entry that has changed (inotify(7)); it is looked at a moment later, when
//! the change has settled. Folders that git ignores are not watched. Whether a change is news, and
//! whose it is, is decided by the loop, which knows what the arbiter has granted.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use tokio::sync::mpsc;

use super::desk::Desk;
use super::disk;
use super::door::build_output::BuildOutput;
use super::input::Input;
use super::keeper::Keeper;

/// What the watch needs.
pub(super) struct Watch {
    pub(super) root: PathBuf,
    pub(super) desk: Weak<Desk>,
    pub(super) output: Arc<BuildOutput>,
    pub(super) keeper: Arc<Keeper>,
    pub(super) inputs: mpsc::Sender<Input>,
}

/// Ends the watch when it is dropped.
#[derive(Debug)]
pub(super) struct Watching {
    #[cfg(target_os = "linux")]
    _stop: std::os::fd::OwnedFd,
}

#[cfg(not(target_os = "linux"))]
impl Watch {
    /// Nothing is watched here: changes are found when commands are over.
    pub(super) fn begin(self) -> std::io::Result<Watching> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::{BTreeMap, HashMap};
    use std::io;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::time::{Duration, Instant};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
    use rustix::io::Errno;
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::{Input, Watch, Watching, disk};
    use crate::arbiter::Disk;
    use crate::model::path::WorkPath;

    /// A change is looked at so long after its last sign.
    const SETTLED: Duration = Duration::from_millis(60);

    /// Entries that may wait to be looked at; with more, the tree is looked through as a whole.
    const PENDING: usize = 50_000;

    /// Bytes of signs that are read at once.
    const SIGNS: usize = 16 * 1024;

    impl Watch {
        /// Begins on a thread of its own. Nothing that happens after this returns is missed, but in
        /// folders for which the system has no watch left.
        pub(in crate::engine) fn begin(self) -> io::Result<Watching> {
            let signs = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            let (stopped, stop) = pipe_with(PipeFlags::CLOEXEC)?;
            let mut eye = Eye { watch: self, signs, folders: HashMap::new(), due: BTreeMap::new() };
            eye.add("", false)?;
            std::thread::Builder::new()
                .name("watch".to_owned())
                .spawn(move || eye.keep(&stopped))?;
            Ok(Watching { _stop: stop })
        }
    }

    struct Eye {
        watch: Watch,
        signs: OwnedFd,
        /// The folder behind each number of a watch, relative to the workspace; empty for its root.
        folders: HashMap<i32, String>,
        /// When each entry is to be looked at.
        due: BTreeMap<WorkPath, Instant>,
    }

    impl Eye {
        fn keep(mut self, stopped: &OwnedFd) {
            loop {
                let next = self.due.values().min().copied();
                let left = next.map(|at| at.saturating_duration_since(Instant::now()));
                let left = left.and_then(|left| Timespec::try_from(left).ok());
                let mut ready =
                    [PollFd::new(&self.signs, PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
                match poll(&mut ready, left.as_ref()) {
                    Ok(_) if !ready[1].revents().is_empty() => return,
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => {
                        tracing::error!(%error, "the tree is not watched any more");
                        return;
                    }
                }
                self.read();
                if !self.look() {
                    return;
                }
            }
        }

        /// Watches a folder and those below it. What lies in it is looked at if it is `new`.
        fn add(&mut self, folder: &str, new: bool) -> io::Result<()> {
            let flags = WatchFlags::CREATE
                | WatchFlags::CLOSE_WRITE
                | WatchFlags::DELETE
                | WatchFlags::MOVED_FROM
                | WatchFlags::MOVED_TO
                | WatchFlags::ONLYDIR
                | WatchFlags::DONT_FOLLOW;
            let mut left = vec![folder.to_owned()];
            while let Some(folder) = left.pop() {
                let full = self.watch.root.join(&folder);
                match inotify::add_watch(&self.signs, &full, flags) {
                    Ok(number) => drop(self.folders.insert(number, folder.clone())),
                    // It has gone again.
                    Err(Errno::NOENT | Errno::NOTDIR) => continue,
                    Err(error) => {
                        tracing::warn!(%error, "{} is not watched", full.display());
                        return Err(error.into());
                    }
                }
                let Ok(entries) = std::fs::read_dir(&full) else { continue };
                for entry in entries.filter_map(Result::ok) {
                    let name = entry.file_name();
                    let Some(path) = name.to_str().and_then(|name| below(&folder, name)) else {
                        continue;
                    };
                    if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                        if new && !disk::is_temporary(&path) {
                            self.note(path);
                        }
                    } else if self.is_watched(&path) {
                        left.push(path.as_str().to_owned());
                    }
                }
            }
            Ok(())
        }

        fn is_watched(&self, folder: &WorkPath) -> bool {
            folder.name() != ".git" && !self.watch.output.covers_folder(folder)
        }

        fn note(&mut self, path: WorkPath) {
            self.due.insert(path, Instant::now() + SETTLED);
        }

        fn read(&mut self) {
            let mut space = [MaybeUninit::uninit(); SIGNS];
            let mut seen = Vec::new();
            let mut lost = false;
            {
                let mut reader = inotify::Reader::new(&self.signs, &mut space);
                while let Ok(sign) = reader.next() {
                    let name = sign.file_name().and_then(|name| name.to_str().ok());
                    lost |= sign.events().contains(ReadFlags::QUEUE_OVERFLOW);
                    seen.push((sign.wd(), sign.events(), name.map(str::to_owned)));
                }
            }
            for (number, what, name) in seen {
                if what.contains(ReadFlags::IGNORED) {
                    self.folders.remove(&number);
                    continue;
                }
                let path = self.folders.get(&number).zip(name);
                let Some(path) = path.and_then(|(folder, name)| below(folder, &name)) else {
                    continue;
                };
                self.sign(path, what);
            }
            if lost || self.due.len() > PENDING {
                self.everything();
            }
        }

        fn sign(&mut self, path: WorkPath, what: ReadFlags) {
            if !what.contains(ReadFlags::ISDIR) {
                if !disk::is_temporary(&path) {
                    self.note(path);
                }
                return;
            }
            if what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) && self.is_watched(&path) {
                // Without a watch its changes are missed; that was said.
                let _ = self.add(path.as_str(), true);
            }
            if what.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
                let known = self
                    .watch
                    .desk
                    .upgrade()
                    .map(|desk| desk.read(|table| table.known_below(&path)));
                for path in known.into_iter().flatten() {
                    self.note(path);
                }
            }
        }

        /// Signs were lost: all that anybody has spoken of is looked at.
        fn everything(&mut self) {
            tracing::warn!("the tree changes faster than it can be watched: it is looked through");
            let root = String::new();
            let _ = self.add(&root, true);
        }

        /// Looks at what is due; false if nobody wants to know any more.
        fn look(&mut self) -> bool {
            let now = Instant::now();
            let due: Vec<WorkPath> = self
                .due
                .iter()
                .filter(|(_, at)| **at <= now)
                .map(|(path, _)| path.clone())
                .collect();
            for path in due {
                self.due.remove(&path);
                if self.watch.output.covers(&path) {
                    continue;
                }
                let Some(desk) = self.watch.desk.upgrade() else { return false };
                let Some(before) = desk.read(|table| table.settled(&path)) else {
                    // Somebody is writing it, and will be looked after; then comes a sign again.
                    continue;
                };
                drop(desk);
                let disk = self.watch.keeper.look(&path);
                if matches!(disk, Disk::Unreadable(_)) || before.is(&disk) {
                    continue;
                }
                self.watch.output.written(&path);
                if disk != Disk::Absent {
                    self.watch.output.met([&path]);
                }
                if self.watch.inputs.blocking_send(Input::Seen { path, disk, before }).is_err() {
                    return false;
                }
            }
            true
        }
    }

    fn below(folder: &str, name: &str) -> Option<WorkPath> {
        if folder.is_empty() {
            WorkPath::parse(name)
        } else {
            WorkPath::parse(&format!("{folder}/{name}"))
        }
    }
}
