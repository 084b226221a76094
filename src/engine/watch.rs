//! Watches the tree for changes that nobody was asked about: the person's editor, programs outside.
//!
//! The kernel names each entry that has changed (inotify(7)); it is looked at a moment later, when
//! the change has settled. Folders that git ignores are not watched. Whether a change is news, and
//! whose it is, is decided by the loop, which knows what the arbiter has granted.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use tokio::sync::mpsc;

use super::desk::Desk;
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
    use std::collections::{HashMap, VecDeque};
    use std::io;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::time::{Duration, Instant};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
    use rustix::io::Errno;
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::{Input, Watch, Watching};
    use crate::arbiter::Disk;
    use crate::engine::door::unfinished::is_ours;
    use crate::model::path::WorkPath;

    /// A change is looked at so long after its last sign.
    const SETTLED: Duration = Duration::from_millis(60);

    /// Signs are read so often at most.
    const BETWEEN_SIGNS: Duration = Duration::from_millis(20);

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
            let mut eye = Eye { watch: self, signs, folders: HashMap::new(), due: Due::default() };
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
        due: Due,
    }

    /// Entries, in the order in which they are to be looked at.
    #[derive(Default)]
    struct Due {
        at: HashMap<WorkPath, Instant>,
        /// An entry of which there was a later sign goes to the end once more.
        order: VecDeque<(Instant, WorkPath)>,
    }

    impl Due {
        /// There was a sign of an entry.
        fn note(&mut self, path: WorkPath) {
            let at = Instant::now() + SETTLED;
            if self.at.insert(path.clone(), at).is_none() {
                self.order.push_back((at, path));
            }
        }

        /// When somebody should look here again.
        fn next(&self) -> Option<Instant> {
            self.order.front().map(|(at, _)| *at)
        }

        /// An entry that has settled.
        fn pop(&mut self) -> Option<WorkPath> {
            let now = Instant::now();
            while self.next().is_some_and(|at| at <= now) {
                let (_, path) = self.order.pop_front()?;
                match self.at.get(&path) {
                    Some(at) if *at > now => self.order.push_back((*at, path)),
                    Some(_) => {
                        self.at.remove(&path);
                        return Some(path);
                    }
                    None => {}
                }
            }
            None
        }
    }

    impl Eye {
        fn keep(mut self, stopped: &OwnedFd) {
            loop {
                let left = self.due.next().map(|at| at.saturating_duration_since(Instant::now()));
                // While there is something to look at, signs are read many at a time: being woken
                // for each would cost those who write more than we do.
                let left = left.map(|left| left.min(BETWEEN_SIGNS));
                let left = left.and_then(|left| Timespec::try_from(left).ok());
                let mut ready =
                    [PollFd::new(stopped, PollFlags::IN), PollFd::new(&self.signs, PollFlags::IN)];
                let awaited = if left.is_some() { 1 } else { 2 };
                match poll(&mut ready[..awaited], left.as_ref()) {
                    Ok(_) if !ready[0].revents().is_empty() => return,
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
                        if new && !is_ours(&path) {
                            self.due.note(path);
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
            if lost || self.due.at.len() > PENDING {
                self.everything();
            }
        }

        fn sign(&mut self, path: WorkPath, what: ReadFlags) {
            if !what.contains(ReadFlags::ISDIR) {
                if !is_ours(&path) {
                    self.due.note(path);
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
                    self.due.note(path);
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
            while let Some(path) = self.due.pop() {
                let Some(desk) = self.watch.desk.upgrade() else { return false };
                let Some(before) = desk.read(|table| table.settled(&path)) else {
                    // Somebody is writing it, and will be looked after; then comes a sign again.
                    continue;
                };
                drop(desk);
                if self.watch.output.covers(&path) || is_ours(&path) {
                    continue;
                }
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
