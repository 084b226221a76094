//! From a path in a caller's memory to a pinned entry: what the kernel would have found, found by
//! us and held fast.
//!
//! The folder is resolved by the kernel in one step and kept open; the last name is looked at and
//! used in that folder without following anything. Links that lead through a process (`/proc/self/fd/7`, `/dev/fd/7`, `/proc/self/cwd`) mean the *caller's* process. Any other such
//! link, and a caller with another root, is left to the kernel and so to the wall.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use libc::c_int;
use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use self::path::{Through, plain, split, through};
use crate::guard::linux::caller::Callers;
use crate::guard::linux::calls::At;
use crate::guard::linux::ground::{self, Zone};
use crate::guard::linux::identity::Identity;
use crate::guard::linux::supervisor::Shared;
use crate::guard::request::{Found, Kind, Request, Target};

mod path;

/// Symbolic links that are followed at the end of a path, as many as the kernel follows.
const LINKS: usize = 40;

/// Why a call is not made by us now.
#[derive(Debug)]
pub(super) enum Stop {
    /// The kernel shall decide.
    Continue,
    /// It fails.
    Fail(Errno),
    /// It waits for an answer.
    Park(Box<Request>),
    /// It waits for another process: one that reads from the pipe, or gives back its lease.
    AwaitOther,
    /// What was looked at is no longer true.
    Again,
}

impl From<Errno> for Stop {
    fn from(error: Errno) -> Self {
        Self::Fail(error)
    }
}

/// A pinned folder. Two names of one call often stand in the same one.
type Folder = Arc<OwnedFd>;

/// An entry, there or not.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) folder: Folder,
    folder_path: Vec<u8>,
    /// With its slashes, if some were written behind it.
    pub(super) name: CString,
    pub(super) zone: Zone,
    pub(super) found: Option<Found>,
}

/// A file that is pinned itself.
#[derive(Debug)]
pub(super) struct Pin {
    pub(super) file: OwnedFd,
    path: Vec<u8>,
    pub(super) zone: Zone,
    pub(super) found: Found,
}

/// What a path led to.
#[derive(Debug)]
pub(super) enum Spot {
    Place(Place),
    /// The path ended at a descriptor of the caller.
    Pin(Pin),
}

/// Whether a symbolic link at the end is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    Follow,
    Keep,
}

/// Finds things for one caller.
#[derive(Debug)]
pub(super) struct Locator<'a> {
    pub(super) shared: &'a Shared,
    pub(super) callers: &'a mut Callers,
    pub(super) thread: u32,
    /// The number of its call.
    pub(super) id: u64,
    /// Who the caller is, and who we are, if that differs.
    pub(super) disguise: Option<(&'a Identity, &'a Identity)>,
    /// The folder of the name before.
    pub(super) near: Option<Near>,
}

/// A folder and how it was named.
#[derive(Debug)]
pub(super) struct Near {
    at: c_int,
    parent: Vec<u8>,
    folder: Folder,
    path: Vec<u8>,
}

impl Locator<'_> {
    /// Finds the entry that a path names.
    pub(super) fn place(
        &mut self,
        at: At,
        mut path: Vec<u8>,
        last: Last,
        mut ways: ResolveFlags,
    ) -> Result<Spot, Stop> {
        let mut base = None;
        for _ in 0..LINKS {
            if path.is_empty() {
                return Err(Errno::NOENT.into());
            }
            let whole = path;
            let (parent, name, slashes) = split(&whole);
            let near = self
                .near
                .take()
                .filter(|near| base.is_none() && near.at == at.folder && near.parent == parent);
            let (folder, folder_path) = match near {
                Some(near) if ways.is_empty() => (near.folder, near.path),
                _ => {
                    let (start, rest) = match base.take() {
                        Some(folder) if whole[0] != b'/' => (folder, &whole[..]),
                        _ => self.start(at, &whole, ways)?,
                    };
                    if rest.is_empty() {
                        return self.pin_of(owned(start)?).map(Spot::Pin);
                    }
                    self.folder(start, split(rest).0, ways)?
                }
            };
            if matches!(name, b"" | b"." | b"..") {
                return Err(Stop::Continue);
            }
            // What is in there depends on who looks, and we are not the caller.
            if ground::below(&folder_path, b"/proc").is_some() {
                return Err(Stop::Continue);
            }
            let full = ground::join(&folder_path, name);
            let zone = self.zone(&full);
            let bare = CString::new(name).map_err(|_| Errno::INVAL)?;
            let found = {
                let _worn = self.disguise.map(|(them, us)| them.wear(us)).transpose()?;
                found(&folder, &bare)?
            };
            let link = found.is_some_and(|found| found.kind == Kind::Symlink);
            if link && last == Last::Follow {
                if ways.contains(ResolveFlags::NO_SYMLINKS) {
                    return Err(Errno::LOOP.into());
                }
                if ways.intersects(ResolveFlags::BENEATH | ResolveFlags::IN_ROOT) {
                    // Only the kernel knows how far this link may lead.
                    let start = self.callers.open(self.thread, &descriptor(at.folder)?)?;
                    let end = self.open(&start, &whole, OFlags::PATH, ways)?;
                    path = self.shared.path_of(&end)?;
                    ways = ResolveFlags::NO_SYMLINKS;
                    continue;
                }
                let text = fs::readlinkat(&folder, &bare, Vec::with_capacity(256));
                path = text.map_err(|_| Stop::Again)?.into_bytes();
                if slashes {
                    path.push(b'/');
                }
                base = Some(folder);
                continue;
            }
            if zone == Zone::Outside {
                self.verify(&folder, &folder_path)?;
            }
            self.near = ways.is_empty().then(|| Near {
                at: at.folder,
                parent: parent.to_vec(),
                folder: folder.clone(),
                path: folder_path.clone(),
            });
            let name = if slashes { [name, b"/"].concat() } else { name.to_vec() };
            let name = CString::new(name).map_err(|_| Errno::INVAL)?;
            return Ok(Spot::Place(Place { folder, folder_path, name, zone, found }));
        }
        Err(Errno::LOOP.into())
    }

    /// Finds an entry and nothing else.
    pub(super) fn entry(&mut self, at: At, last: Last) -> Result<Place, Stop> {
        let path = self.callers.path(self.thread, at.path).map_err(memory)?;
        match self.place(at, path, last, ResolveFlags::empty())? {
            Spot::Place(place) => Ok(place),
            Spot::Pin(_) => Err(Stop::Continue),
        }
    }

    /// Finds and pins what a path leads to; it must be there.
    pub(super) fn pin(&mut self, at: At, path: &[u8], last: Last) -> Result<Pin, Stop> {
        if path.is_empty() {
            return Err(Errno::NOENT.into());
        }
        let (start, rest) = self.start(at, path, ResolveFlags::empty())?;
        if rest.is_empty() {
            return match last {
                Last::Follow => self.pin_of(owned(start)?),
                Last::Keep => Err(Stop::Continue),
            };
        }
        let flags = match last {
            Last::Follow => OFlags::PATH,
            Last::Keep => OFlags::PATH | OFlags::NOFOLLOW,
        };
        let file = self.open(&start, rest, flags, ResolveFlags::empty())?;
        self.pin_of(file)
    }

    /// Pins what an open descriptor of the caller leads to.
    pub(super) fn pin_descriptor(&mut self, number: i32) -> Result<Pin, Stop> {
        let link = descriptor(number)?;
        let file = self.callers.open(self.thread, &link).map_err(|error| match error {
            Errno::NOENT => Errno::BADF,
            other => other,
        })?;
        self.waiting()?;
        self.pin_of(file)
    }

    fn pin_of(&self, file: OwnedFd) -> Result<Pin, Stop> {
        let path = self.shared.path_of(&file)?;
        let found = describe(&fs::fstat(&file)?);
        let zone = if path.first() == Some(&b'/') { self.zone(&path) } else { Zone::Native };
        let pin = Pin { file, path, zone, found };
        // A file may have lost the name by which it was opened and still have another one; the
        // kernel then says so behind the path. A name that ends like that is looked at.
        let lost = pin.path.ends_with(b" (deleted)") && pin.found.links > 0;
        if lost && pin.zone != Zone::Native && !pin.still(self.shared) {
            return Err(Errno::BUSY.into());
        }
        if pin.zone == Zone::Outside && !pin.still(self.shared) {
            return Err(Stop::Continue);
        }
        Ok(pin)
    }

    /// Who decides on an entry.
    pub(super) fn zone(&self, full: &[u8]) -> Zone {
        self.shared.workspace.zone(&self.shared.cover, full)
    }

    /// Where a path begins, and what of it is left.
    fn start<'p>(
        &mut self,
        at: At,
        path: &'p [u8],
        ways: ResolveFlags,
    ) -> Result<(Folder, &'p [u8]), Stop> {
        let bounded = ways.intersects(ResolveFlags::BENEATH | ResolveFlags::IN_ROOT);
        if self.shared.other_roots.load(Ordering::Relaxed) && !self.callers.same_root(self.thread) {
            return Err(Stop::Continue);
        }
        let (start, rest) = if path[0] != b'/' || bounded {
            let link = descriptor(at.folder)?;
            let missing = if at.folder == libc::AT_FDCWD { Errno::NOENT } else { Errno::BADF };
            let open = self.callers.open(self.thread, &link);
            let folder =
                open.map_err(|error| if error == Errno::NOENT { missing } else { error })?;
            (Arc::new(folder), path)
        } else {
            match through(path) {
                None => (self.shared.root.clone(), path),
                Some(_) if ways.contains(ResolveFlags::NO_MAGICLINKS) => {
                    return Err(Errno::LOOP.into());
                }
                Some(Through::Descriptor { process, number, rest }) => {
                    (self.link(process, &format!("fd/{number}"))?, rest)
                }
                Some(Through::Folder { process, rest }) => (self.link(process, "cwd")?, rest),
                Some(Through::Root { process, rest }) => (self.link(process, "root")?, rest),
                Some(Through::Else) => return Err(Stop::Continue),
            }
        };
        self.waiting()?;
        Ok((start, rest))
    }

    /// A link of the caller's process.
    fn link(&mut self, process: Option<u32>, what: &str) -> Result<Folder, Stop> {
        let thread = match process {
            None => self.thread,
            Some(number) if self.callers.same_process(self.thread, number) => number,
            Some(_) => return Err(Stop::Continue),
        };
        Ok(Arc::new(self.callers.open(thread, what).map_err(memory)?))
    }

    /// What was learned by the caller's number is about the caller only if it still waits.
    fn waiting(&self) -> Result<(), Stop> {
        if self.shared.waits(self.id) { Ok(()) } else { Err(Stop::Continue) }
    }

    /// The folder that a path leads to, and the folder's own path.
    fn folder(
        &self,
        start: Folder,
        path: &[u8],
        ways: ResolveFlags,
    ) -> Result<(Folder, Vec<u8>), Stop> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        // A path from the root on which no link is met is the folder's own; asking the kernel for
        // that one costs as much as the rest of the search.
        let from_root = ways.is_empty() && Arc::ptr_eq(&start, &self.shared.root);
        if let Some(own) = plain(path).filter(|_| from_root)
            && let Ok(folder) = self.open(&start, path, flags, ResolveFlags::NO_SYMLINKS)
        {
            return Ok((Arc::new(folder), own.to_vec()));
        }
        let folder =
            if path.is_empty() { start } else { Arc::new(self.open(&start, path, flags, ways)?) };
        let own = self.shared.path_of(&folder)?;
        Ok((folder, own))
    }

    fn open(
        &self,
        start: &OwnedFd,
        path: &[u8],
        flags: OFlags,
        ways: ResolveFlags,
    ) -> Result<OwnedFd, Stop> {
        let _worn = self.disguise.map(|(them, us)| them.wear(us)).transpose()?;
        let ways = ways.difference(ResolveFlags::CACHED) | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::CLOEXEC;
        fs::openat2(start, path, flags, Mode::empty(), ways).map_err(|error| match error {
            // Perhaps a link that leads through a process.
            Errno::LOOP => Stop::Continue,
            // Something was moved meanwhile.
            Errno::AGAIN => Stop::Again,
            error => Stop::Fail(error),
        })
    }

    /// Where neither the arbiter nor the wall decides, the path must lead where we are.
    fn verify(&self, folder: &OwnedFd, path: &[u8]) -> Result<(), Stop> {
        let (here, there) = (fs::fstat(folder)?, fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW));
        match there {
            Ok(there) if same(&here, &there) => Ok(()),
            _ => Err(Stop::Continue),
        }
    }
}

/// Something that was found and may have changed since.
pub(super) trait Remains {
    /// Whether it is still what it was.
    fn still(&self, shared: &Shared) -> bool;
}

impl<A: Remains, B: Remains> Remains for (&A, &B) {
    fn still(&self, shared: &Shared) -> bool {
        self.0.still(shared) && self.1.still(shared)
    }
}

impl Remains for Place {
    /// Whether the folder still has its path and the entry still is what it was.
    fn still(&self, shared: &Shared) -> bool {
        let bare = self.name.to_bytes();
        let bare = bare.strip_suffix(b"/").unwrap_or(bare);
        let Ok(bare) = CString::new(bare) else { return false };
        let same = |now: Option<Found>| match (now, self.found) {
            (Some(now), Some(then)) => now.kind == then.kind && identity(&now) == identity(&then),
            (None, None) => true,
            _ => false,
        };
        shared.path_of(&self.folder).is_ok_and(|path| path == self.folder_path)
            && found(&self.folder, &bare).is_ok_and(same)
    }
}

impl Place {
    /// The entry for a question, if it is one of the workspace.
    pub(super) fn target(&self) -> Option<Target> {
        target(&self.zone, self.found)
    }

    /// Its path as the kernel knows it.
    pub(super) fn full(&self) -> Vec<u8> {
        let name = self.name.to_bytes();
        ground::join(&self.folder_path, name.strip_suffix(b"/").unwrap_or(name))
    }
}

impl Remains for Pin {
    /// Whether its path still leads to it; without a name it stays what it is.
    fn still(&self, shared: &Shared) -> bool {
        let leads = || {
            fs::statat(CWD, &self.path[..], AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| identity(&describe(&stat)) == identity(&self.found))
        };
        self.nameless() || shared.path_of(&self.file).is_ok_and(|path| path == self.path) && leads()
    }
}

impl Pin {
    pub(super) fn target(&self) -> Option<Target> {
        target(&self.zone, Some(self.found))
    }

    /// Whether the file has no name at all.
    pub(super) fn nameless(&self) -> bool {
        self.found.links == 0
    }

    /// The path of something in this folder.
    pub(super) fn below(&self, name: &[u8]) -> Vec<u8> {
        ground::join(&self.path, name)
    }

    /// A path of ours that leads to it.
    pub(super) fn through(&self) -> String {
        crate::guard::request::through(self.file.as_fd())
    }
}

/// If *we* may not look at the caller, the kernel shall decide; else the mistake is the caller's.
pub(super) fn memory(error: Errno) -> Stop {
    match error {
        Errno::PERM | Errno::ACCESS | Errno::SRCH => Stop::Continue,
        error => Stop::Fail(error),
    }
}

fn target(zone: &Zone, found: Option<Found>) -> Option<Target> {
    match zone {
        Zone::Guarded(path) => Some(Target { path: path.clone(), found }),
        Zone::Native | Zone::Outside | Zone::Protected => None,
    }
}

fn identity(found: &Found) -> (u64, u64) {
    (found.device, found.inode)
}

fn same(a: &Stat, b: &Stat) -> bool {
    (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
}

/// A folder that nobody shares.
fn owned(folder: Folder) -> Result<OwnedFd, Stop> {
    match Arc::try_unwrap(folder) {
        Ok(folder) => Ok(folder),
        Err(shared) => Ok(shared.try_clone().map_err(|_| Errno::MFILE)?),
    }
}

fn found(folder: &OwnedFd, name: &CString) -> Result<Option<Found>, Stop> {
    match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(describe(&stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn describe(stat: &Stat) -> Found {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Pipe,
        FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Kind::Other,
    };
    Found {
        kind,
        #[cfg_attr(
            target_arch = "x86_64",
            expect(clippy::useless_conversion, reason = "shorter elsewhere")
        )]
        links: u64::from(stat.st_nlink),
        device: stat.st_dev,
        inode: stat.st_ino,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mode: stat.st_mode & 0o7777,
    }
}

/// The link in `/proc` for where a path begins.
fn descriptor(number: i32) -> Result<String, Stop> {
    match number {
        libc::AT_FDCWD => Ok("cwd".to_owned()),
        0.. => Ok(format!("fd/{number}")),
        _ => Err(Errno::BADF.into()),
    }
}
