//! Opening files for writing.
//!
//! A file that exists is opened without `O_CREAT`, one that does not with `O_EXCL`: so what was
//! asked about is what happens, or it is begun anew. Nothing is ever waited for: what cannot be had
//! at once is tried again later.

use std::os::fd::OwnedFd;

use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::{Done, Job, Performer, Verdict, Wish, bare, masked};
use crate::guard::linux::calls::At;
use crate::guard::linux::lent::{Lent, lend};
use crate::guard::linux::locate::{Last, Pin, Place, Spot, Stop, memory};
use crate::guard::request::{Found, Kind, Op, Open};

/// The size of `struct open_how` that we know.
const HOW: u64 = 24;
/// The kernel takes no more than a page.
const LARGEST_HOW: u64 = 4096;

/// All ways of resolving that we know: `RESOLVE_NO_XDEV` up to `RESOLVE_CACHED`.
const WAYS: u64 = 0x3f;

/// What the kernel adds to each `open` of a 64-bit program, but not to `openat2`.
#[cfg(target_arch = "aarch64")]
const LARGE: u32 = 0o400_000;
#[cfg(not(target_arch = "aarch64"))]
const LARGE: u32 = 0o100_000;
/// Flags that mean something; `open` ignores others, `openat2` does not.
const MEANING: OFlags = OFlags::ACCMODE
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOCTTY)
    .union(OFlags::TRUNC)
    .union(OFlags::APPEND)
    .union(OFlags::NONBLOCK)
    .union(OFlags::SYNC)
    .union(OFlags::from_bits_retain(libc::O_ASYNC.cast_unsigned()))
    .union(OFlags::DIRECT)
    .union(OFlags::from_bits_retain(LARGE))
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NOATIME)
    .union(OFlags::CLOEXEC)
    .union(OFlags::TMPFILE);

/// Devices that are opened all the time and are never in a workspace.
const DEVICES: [&[u8]; 4] = [b"/dev/null", b"/dev/tty", b"/dev/zero", b"/dev/ptmx"];

/// How a file is to be opened.
#[derive(Debug, Clone, Copy)]
struct Way {
    flags: OFlags,
    mode: u64,
}

impl Way {
    fn has(self, flags: OFlags) -> bool {
        self.flags.contains(flags)
    }

    fn exclusive(self) -> bool {
        self.has(OFlags::CREATE | OFlags::EXCL)
    }

    fn reads_only(self) -> bool {
        self.flags.intersection(OFlags::ACCMODE) == OFlags::RDONLY && !self.has(OFlags::TRUNC)
    }

    fn class(self) -> Open {
        if self.has(OFlags::TRUNC) {
            Open::Truncate
        } else if self.has(OFlags::APPEND) {
            Open::Append
        } else {
            Open::InPlace
        }
    }

    /// The flags for a file that is there.
    fn existing(self) -> OFlags {
        self.flags.difference(OFlags::CREATE | OFlags::EXCL) | OFlags::CLOEXEC
    }

    fn mode(self) -> Mode {
        Mode::from_raw_mode(u32::try_from(self.mode & 0o7777).unwrap_or(0))
    }

    /// To be called before the file is opened. As long as ours is open too, a program cannot be run
    /// and a pipe has one more writer: its reader would find somebody there and then nobody. Other
    /// files do not care; to become programs they must pass this door again.
    fn lend(kind: Kind, mode: u32) -> Option<Lent> {
        (kind != Kind::File || mode & 0o111 != 0).then(lend)
    }

    fn give(self, file: OwnedFd, lent: Option<Lent>) -> Verdict {
        Verdict::File { file, close_on_exec: self.has(OFlags::CLOEXEC), lent }
    }
}

impl Performer {
    pub(super) fn open(&mut self, job: &mut Job, at: At, flags: u64, mode: u64) -> Done {
        let flags = u32::try_from(flags & u64::from(u32::MAX)).unwrap_or(0);
        let flags = OFlags::from_bits_retain(flags | LARGE).intersection(MEANING);
        let way = Way { flags, mode };
        self.open_in(job, at, way, ResolveFlags::empty())
    }

    /// What is unknown here is unknown to the kernel too, or newer than we are: it fails as on a
    /// kernel that does not know it.
    pub(super) fn open2(&mut self, job: &mut Job, at: At, how: u64, size: u64) -> Done {
        if size < HOW {
            return Err(Errno::INVAL.into());
        }
        if size > LARGEST_HOW {
            return Err(Errno::TOOBIG.into());
        }
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        self.callers.bytes(job.thread, how, &mut bytes).map_err(memory)?;
        let (known, rest) = bytes.split_at(24);
        if rest.iter().any(|byte| *byte != 0) {
            return Err(Errno::TOOBIG.into());
        }
        let word = |index: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&known[index * 8..index * 8 + 8]);
            u64::from_ne_bytes(word)
        };
        let flags = OFlags::from_bits_retain(u32::try_from(word(0)).map_err(|_| Errno::INVAL)?);
        let writes = OFlags::WRONLY | OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC;
        if flags.contains(OFlags::PATH) || !flags.intersects(writes) {
            return Ok(Verdict::Continue);
        }
        let ways = ResolveFlags::from_bits_retain(word(2) & WAYS);
        if word(2) & !WAYS != 0 || flags.difference(MEANING) != OFlags::empty() {
            return Err(Errno::INVAL.into());
        }
        if word(1) & !0o7777 != 0 || word(1) != 0 && !makes(flags) {
            return Err(Errno::INVAL.into());
        }
        self.open_in(job, at, Way { flags, mode: word(1) }, ways)
    }

    fn open_in(&mut self, job: &mut Job, at: At, way: Way, ways: ResolveFlags) -> Done {
        let path = self.callers.path(job.thread, at.path).map_err(memory)?;
        if DEVICES.contains(&&path[..]) || path.starts_with(b"/dev/pts/") {
            return Ok(Verdict::Continue);
        }
        if way.has(OFlags::TMPFILE) {
            return self.open_nameless(job, at, &path, way);
        }
        if way.has(OFlags::CREATE | OFlags::DIRECTORY) {
            return Err(Errno::INVAL.into());
        }
        let keep = way.has(OFlags::NOFOLLOW) || way.exclusive();
        let last = if keep { Last::Keep } else { Last::Follow };
        match self.find(job, |l| l.place(at, path, last, ways))? {
            Spot::Pin(pin) => self.reopen(job, &pin, way),
            Spot::Place(place) => {
                if place.zone.kernel_decides() {
                    return Ok(Verdict::Continue);
                }
                match place.found {
                    Some(found) => self.open_existing(job, &place, found, way),
                    None => self.open_new(job, &place, way),
                }
            }
        }
    }

    fn open_new(&mut self, job: &mut Job, place: &Place, way: Way) -> Done {
        if !way.has(OFlags::CREATE) {
            return Err(Errno::NOENT.into());
        }
        if bare(&place.name).len() != place.name.as_bytes().len() {
            return Err(Errno::ISDIR.into());
        }
        let mask = self.callers.mask(job.thread)?;
        let class = if way.exclusive() { Open::CreateNew } else { Open::Create };
        let flags = way.flags | OFlags::EXCL | OFlags::CLOEXEC;
        self.settle(job, place.wish(Op::Open(class)), place, || {
            let lent = Way::lend(Kind::File, way.mode().as_raw_mode());
            let open = || exactly(place, flags, way.mode());
            match masked(Some(mask), open) {
                Ok(file) => Ok(way.give(file, lent)),
                Err(Errno::EXIST) if !way.exclusive() => Err(Stop::Again),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn open_existing(&mut self, job: &mut Job, place: &Place, found: Found, way: Way) -> Done {
        let open = || {
            let done = at_once(way, &found, |flags| exactly(place, flags, Mode::empty()));
            match done {
                Err(Stop::Fail(Errno::NOENT)) => Err(Stop::Again),
                done => done,
            }
        };
        if way.exclusive() {
            // It fails, unless the answer takes so long that the file is gone by then.
            let op = Op::Open(Open::CreateNew);
            let wish = place.target().map(|target| Wish { op, target, victim: None });
            return self.settle(job, wish, place, || Err(Errno::EXIST.into()));
        }
        match found.kind {
            Kind::File if way.reads_only() => self.act(job, open),
            Kind::File => self.settle(job, place.wish(Op::Open(way.class())), place, open),
            Kind::Folder => Err(Errno::ISDIR.into()),
            Kind::Symlink => Err(Errno::LOOP.into()),
            // The wall does not stand before readers, and they may wait.
            Kind::Pipe if way.reads_only() => Ok(Verdict::Continue),
            Kind::Pipe => self.act(job, open),
            Kind::Other => Ok(Verdict::Continue),
        }
    }

    /// Opens anew what the caller has open: the file itself, whatever its name is by now.
    fn reopen(&mut self, job: &mut Job, pin: &Pin, way: Way) -> Done {
        if pin.zone.kernel_decides() {
            return Ok(Verdict::Continue);
        }
        if way.exclusive() {
            return Err(Errno::EXIST.into());
        }
        let open = || {
            at_once(way, &pin.found, |flags| {
                fs::open(pin.through(), flags.difference(OFlags::NOFOLLOW), Mode::empty())
            })
        };
        match pin.found.kind {
            Kind::File => {
                let wish = if way.reads_only() { None } else { pin.wish(Op::Open(way.class())) };
                self.settle(job, wish, pin, open)
            }
            Kind::Folder => Err(Errno::ISDIR.into()),
            Kind::Pipe if way.reads_only() => Ok(Verdict::Continue),
            Kind::Pipe => self.act(job, open),
            Kind::Symlink | Kind::Other => Ok(Verdict::Continue),
        }
    }

    /// A file without a name is nobody's.
    fn open_nameless(&mut self, job: &mut Job, at: At, path: &[u8], way: Way) -> Done {
        let folder = self.find(job, |l| l.pin(at, path, Last::Follow))?;
        // The file would be *below* this folder.
        let zone = self.find(job, |l| Ok(l.zone(&folder.below(b"x"))))?;
        if zone.kernel_decides() {
            return Ok(Verdict::Continue);
        }
        let mask = self.callers.mask(job.thread)?;
        self.act(job, || {
            let lent = Way::lend(Kind::File, way.mode().as_raw_mode());
            let flags = way.flags | OFlags::CLOEXEC;
            let file = masked(Some(mask), || fs::openat(&folder.file, ".", flags, way.mode()))?;
            Ok(way.give(file, lent))
        })
    }
}

/// Opens an entry and nothing that it leads to. `O_NOFOLLOW` would do, but the caller could see it.
fn exactly(place: &Place, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
    fs::openat2(&place.folder, &place.name, flags, mode, ResolveFlags::NO_SYMLINKS)
}

/// Whether the flags make a file, so that a mode means something.
fn makes(flags: OFlags) -> bool {
    flags.contains(OFlags::CREATE) || flags.contains(OFlags::TMPFILE)
}

/// Opens something without waiting: for the other end of a pipe, or for somebody who holds a lease
/// on a file. Waiting is done elsewhere, by trying again.
fn at_once(
    way: Way,
    found: &Found,
    open: impl FnOnce(OFlags) -> rustix::io::Result<OwnedFd>,
) -> Done {
    let waits = !way.has(OFlags::NONBLOCK);
    let lent = Way::lend(found.kind, found.mode);
    match open(way.existing() | OFlags::NONBLOCK) {
        Ok(file) => {
            if waits {
                // All that can be changed stays as it was opened, but for this flag.
                fs::fcntl_setfl(&file, way.existing())?;
            }
            Ok(way.give(file, lent))
        }
        Err(Errno::NXIO | Errno::AGAIN) if waits => Err(Stop::AwaitOther),
        Err(error) => Err(error.into()),
    }
}
