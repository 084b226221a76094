//! The calls, made by us for the caller.
//!
//! Each goes the same way: find what it is about and pin it; leave it to the kernel where the wall
//! is open; answer at once what needs no permission (a missing file, a name that is taken); else
//! ask, look again, and make the call on what is pinned with the caller's mask and rights. The
//! errors are the kernel's own, of the same call.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use libc::c_int;
use rustix::fs::{self, AtFlags, CWD, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use rustix::process::umask;

use crate::guard::linux::caller::Callers;
use crate::guard::linux::calls::{At, Call};
use crate::guard::linux::ground::Zone;
use crate::guard::linux::identity::Identity;
use crate::guard::linux::kernel;
use crate::guard::linux::lent::Lent;
use crate::guard::linux::locate::{Last, Locator, Pin, Place, Remains, Spot, Stop, memory};
use crate::guard::linux::supervisor::Shared;
use crate::guard::request::{Answer, Kind, Op, Open, Outcome, Renaming, Request, Target, Victim};

mod metadata;
mod opening;

/// How often a call is begun anew because what it is about has changed meanwhile.
const ATTEMPTS: usize = 16;

/// A call that waits for us.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) thread: u32,
    pub(super) call: Call,
    pub(super) waited: Duration,
    /// What was asked when it was parked.
    pub(super) parked: Option<Box<Request>>,
}

/// The answer to a call.
#[derive(Debug)]
pub(super) enum Verdict {
    /// The kernel makes it.
    Continue,
    /// It returns this.
    Value(i64),
    /// It fails.
    Fail(Errno),
    /// It returns this file. If it is lent, nobody may meet ours once the caller goes on.
    File { file: OwnedFd, close_on_exec: bool, lent: Option<Lent> },
    /// It waits until somebody is woken.
    Park(Box<Request>),
    /// It waits for another process.
    AwaitOther,
}

/// Makes calls, one at a time.
pub(super) struct Performer {
    shared: Arc<Shared>,
    callers: Callers,
    own: Identity,
    /// The number of changes when the present call was looked at.
    seen: u64,
}

/// A permission to be asked for.
struct Wish<'a> {
    op: Op,
    target: Target,
    victim: Option<Victim<'a>>,
}

type Done = Result<Verdict, Stop>;

const DONE: Verdict = Verdict::Value(0);

impl Performer {
    /// For one thread, which gets a working folder and a mask of its own, and no signals.
    pub(super) fn new(shared: Arc<Shared>) -> rustix::io::Result<Self> {
        kernel::no_signals()?;
        kernel::own_file_mask()?;
        Ok(Self { shared, callers: Callers::default(), own: Identity::own()?, seen: 0 })
    }

    /// Answers a call.
    pub(super) fn handle(&mut self, job: &mut Job) -> Verdict {
        self.callers.masks_of(self.shared.masks.load(Ordering::SeqCst));
        for _ in 0..ATTEMPTS {
            self.seen = self.shared.workspace.changes();
            let done = match self.make(job) {
                Ok(verdict) => verdict,
                Err(Stop::Again) => continue,
                Err(Stop::Continue) => Verdict::Continue,
                Err(Stop::Fail(error)) => Verdict::Fail(error),
                Err(Stop::Park(request)) => return Verdict::Park(request),
                Err(Stop::AwaitOther) => Verdict::AwaitOther,
            };
            self.supersede(job);
            return done;
        }
        self.supersede(job);
        Verdict::Fail(Errno::BUSY)
    }

    /// Tells the arbiter that what it parked is no longer wanted.
    fn supersede(&self, job: &mut Job) {
        if let Some(request) = job.parked.take() {
            self.shared.done(&request, Outcome::Superseded);
        }
    }

    fn make(&mut self, job: &mut Job) -> Done {
        match job.call {
            Call::Open { at, flags, mode } => self.open(job, at, flags, mode),
            Call::Open2 { at, how, size } => self.open2(job, at, how, size),
            Call::Truncate { path, length } => self.truncate(job, path, length),
            Call::Rename { from, to, flags } => self.rename(job, from, to, flags),
            Call::Unlink { at } => self.remove(job, at, AtFlags::empty()),
            Call::Rmdir { at } => self.remove(job, at, AtFlags::REMOVEDIR),
            Call::Link { from, to, flags } => self.link(job, from, to, flags),
            Call::Symlink { text, at } => self.symlink(job, text, at),
            Call::Mkdir { at, mode } => self.mkdir(job, at, mode),
            Call::Mknod { at, mode, device } => self.mknod(job, at, mode, device),
            Call::Metadata { object, change } => {
                // The wall knows nothing of metadata, so what is not understood is refused here.
                self.metadata(job, object, change).map_err(|stop| match stop {
                    Stop::Continue => Stop::Fail(Errno::ACCESS),
                    Stop::Fail(_) | Stop::Park(_) | Stop::AwaitOther | Stop::Again => stop,
                })
            }
            Call::Bind { socket: _, address, size } => self.bind(job, address, size),
            Call::Mask => {
                self.shared.masks.fetch_add(1, Ordering::SeqCst);
                Ok(Verdict::Continue)
            }
            Call::Identity => {
                self.shared.other_users.store(true, Ordering::SeqCst);
                Ok(Verdict::Continue)
            }
            Call::Root => {
                self.shared.other_roots.store(true, Ordering::SeqCst);
                Ok(Verdict::Continue)
            }
            Call::Senseless => Err(Errno::INVAL.into()),
        }
    }

    /// Finds something for the caller.
    fn find<T>(
        &mut self,
        job: &Job,
        find: impl FnOnce(&mut Locator<'_>) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let other = self.disguise(job)?;
        find(&mut Locator {
            shared: &self.shared,
            callers: &mut self.callers,
            thread: job.thread,
            id: job.id,
            disguise: other.as_ref().map(|other| (other, &self.own)),
            near: None,
        })
    }

    /// Who the caller is, if it is not us.
    fn disguise(&self, job: &Job) -> Result<Option<Identity>, Stop> {
        if !self.shared.other_users.load(Ordering::SeqCst) {
            return Ok(None);
        }
        Ok(Identity::other(job.thread, &self.own)?)
    }

    /// Asks, looks again whether what was found remains, and acts.
    fn settle(
        &mut self,
        job: &mut Job,
        wish: Option<Wish<'_>>,
        found: &impl Remains,
        act: impl FnOnce() -> Done,
    ) -> Done {
        let Some(Wish { op, target, victim }) = wish else { return self.act(job, act) };
        let Job { id, thread, waited, .. } = *job;
        let request = Request { id, thread, waited, op, target };
        if let Some(before) = job
            .parked
            .take_if(|parked| parked.op != request.op || parked.target.path != request.target.path)
        {
            self.shared.done(&before, Outcome::Superseded);
        }
        match self.shared.ask(&request) {
            Answer::Refuse(error) => {
                job.parked = None;
                return Err(Stop::Fail(error));
            }
            Answer::Park => return Err(Stop::Park(Box::new(request))),
            Answer::Allow => job.parked = None,
        }
        let moved = self.shared.workspace.changes() != self.seen && !found.still(&self.shared);
        // Somebody who has waited may have died meanwhile.
        if moved || !waited.is_zero() && !self.shared.waits(id) {
            let outcome = if moved { Outcome::Superseded } else { Outcome::Gone };
            self.shared.done(&request, outcome);
            return Err(if moved { Stop::Again } else { Stop::Continue });
        }
        if let Some(victim) = victim
            && let Err(error) = self.shared.before(&request, &victim)
        {
            self.shared.done(&request, Outcome::Failed(error));
            return Err(Stop::Fail(error));
        }
        if changes_names(&request.op) {
            self.shared.workspace.change();
        }
        let done = self.act(job, act);
        let outcome = match &done {
            Ok(Verdict::Continue) => Outcome::LeftToKernel,
            Ok(Verdict::Fail(error)) | Err(Stop::Fail(error)) => Outcome::Failed(*error),
            Ok(_) => Outcome::Done,
            Err(_) => Outcome::Superseded,
        };
        self.shared.done(&request, outcome);
        done
    }

    fn act(&self, job: &Job, act: impl FnOnce() -> Done) -> Done {
        match self.disguise(job)? {
            None => act(),
            Some(other) => {
                let _worn = other.wear(&self.own)?;
                act()
            }
        }
    }

    fn rename(&mut self, job: &mut Job, from: At, to: At, flags: u32) -> Done {
        let manner = match flags {
            0 => Renaming::Replace,
            libc::RENAME_NOREPLACE => Renaming::NoReplace,
            libc::RENAME_EXCHANGE => Renaming::Exchange,
            _ => return Err(Errno::INVAL.into()),
        };
        let (from, to) =
            self.find(job, |l| Ok((l.entry(from, Last::Keep)?, l.entry(to, Last::Keep)?)))?;
        match (&from.zone, &to.zone) {
            (Zone::Native, Zone::Native) => return Ok(Verdict::Continue),
            (Zone::Protected, _) | (_, Zone::Protected) => return Err(Errno::ACCESS.into()),
            _ => {}
        }
        let Some(source) = from.found else { return Err(Errno::NOENT.into()) };
        match (manner, to.found) {
            (Renaming::NoReplace, Some(_)) => return Err(Errno::EXIST.into()),
            (Renaming::Exchange, None) => return Err(Errno::NOENT.into()),
            _ => {}
        }
        // Before the border is looked at: what cannot cross it is copied and then removed.
        self.may_move(&from, source.kind)?;
        if let Some(found) = to.found {
            self.may_move(&to, found.kind)?;
        }
        if from.zone.inside() != to.zone.inside() {
            return Err(Errno::XDEV.into());
        }
        let exchange = manner == Renaming::Exchange;
        let wish = from.target().zip(to.target()).map(|(from, target)| Wish {
            op: Op::Rename { from, manner },
            target,
            victim: if exchange { None } else { to.victim() },
        });
        let flags = RenameFlags::from_bits_retain(flags);
        self.settle(job, wish, &(&from, &to), || {
            fs::renameat_with(&from.folder, &from.name, &to.folder, &to.name, flags)?;
            Ok(DONE)
        })
    }

    /// Whether an entry may get another name. What holds the workspace or a free folder must not.
    fn may_move(&self, place: &Place, kind: Kind) -> Result<(), Stop> {
        if kind != Kind::Folder {
            return Ok(());
        }
        if self.shared.workspace.holds_wall(&place.full()) {
            return Err(Errno::BUSY.into());
        }
        match &place.zone {
            Zone::Guarded(path) if self.shared.workspace.holds_free(path) => {
                Err(Errno::XDEV.into())
            }
            Zone::Guarded(_) | Zone::Native | Zone::Outside | Zone::Protected => Ok(()),
        }
    }

    /// Removes a folder (`REMOVEDIR`), or anything else.
    fn remove(&mut self, job: &mut Job, at: At, what: AtFlags) -> Done {
        let place = self.find(job, |l| l.entry(at, Last::Keep))?;
        if place.zone.kernel_decides() {
            return Ok(Verdict::Continue);
        }
        let Some(found) = place.found else { return Err(Errno::NOENT.into()) };
        let op = match (what.contains(AtFlags::REMOVEDIR), found.kind == Kind::Folder) {
            (false, true) => return Err(Errno::ISDIR.into()),
            (true, false) => return Err(Errno::NOTDIR.into()),
            (true, true) if self.shared.workspace.holds_wall(&place.full()) => {
                return Err(Errno::BUSY.into());
            }
            (true, true) => Op::Rmdir,
            (false, false) => Op::Unlink,
        };
        self.settle(job, place.wish(op), &place, || {
            fs::unlinkat(&place.folder, &place.name, what)?;
            Ok(DONE)
        })
    }

    fn link(&mut self, job: &mut Job, from: At, to: At, flags: u64) -> Done {
        const FOLLOW: u64 = libc::AT_SYMLINK_FOLLOW as u64;
        const EMPTY: u64 = libc::AT_EMPTY_PATH as u64;
        if flags & !(FOLLOW | EMPTY) != 0 {
            return Err(Errno::INVAL.into());
        }
        let last = if flags & FOLLOW == 0 { Last::Keep } else { Last::Follow };
        let path = self.callers.path(job.thread, from.path).map_err(memory)?;
        let from = self.find(job, |l| {
            if path.is_empty() && flags & EMPTY != 0 {
                l.pin_descriptor(from.folder)
            } else {
                l.pin(from, &path, last)
            }
        })?;
        let to = self.find(job, |l| l.entry(to, Last::Keep))?;
        match (&from.zone, &to.zone) {
            (Zone::Native, Zone::Native) => return Ok(Verdict::Continue),
            (Zone::Protected, _) | (_, Zone::Protected) => return Err(Errno::ACCESS.into()),
            _ => {}
        }
        if to.found.is_some() {
            return Err(Errno::EXIST.into());
        }
        if from.zone.inside() != to.zone.inside() {
            return Err(Errno::XDEV.into());
        }
        if from.found.kind == Kind::Folder {
            return Err(Errno::PERM.into());
        }
        let old = if from.nameless() { None } else { from.target() };
        let wish =
            to.target().map(|target| Wish { op: Op::Link { from: old }, target, victim: None });
        self.settle(job, wish, &(&from, &to), || {
            fs::linkat(CWD, from.through(), &to.folder, &to.name, AtFlags::SYMLINK_FOLLOW)?;
            Ok(DONE)
        })
    }

    /// The way of all calls that make something that is not there yet.
    fn create(
        &mut self,
        job: &mut Job,
        at: At,
        op: Op,
        mask: Option<Mode>,
        make: impl FnOnce(&Place) -> rustix::io::Result<()>,
    ) -> Done {
        let place = self.find(job, |l| l.entry(at, Last::Keep))?;
        if place.zone.kernel_decides() {
            return Ok(Verdict::Continue);
        }
        if place.found.is_some() {
            return Err(Errno::EXIST.into());
        }
        self.settle(job, place.wish(op), &place, || {
            masked(mask, || make(&place))?;
            Ok(DONE)
        })
    }

    fn symlink(&mut self, job: &mut Job, text: u64, at: At) -> Done {
        let text = self.callers.path(job.thread, text).map_err(memory)?;
        self.create(job, at, Op::Symlink, None, |place| {
            fs::symlinkat(&text[..], &place.folder, &place.name)
        })
    }

    fn mkdir(&mut self, job: &mut Job, at: At, mode: u32) -> Done {
        let mask = self.callers.mask(job.thread)?;
        self.create(job, at, Op::Mkdir, Some(mask), |place| {
            fs::mkdirat(&place.folder, &place.name, Mode::from_raw_mode(mode))
        })
    }

    fn mknod(&mut self, job: &mut Job, at: At, mode: u32, device: u64) -> Done {
        let kind = match mode & libc::S_IFMT {
            0 => FileType::RegularFile,
            kind => FileType::from_raw_mode(kind),
        };
        match kind {
            FileType::RegularFile | FileType::Fifo | FileType::Socket => {}
            // The wall refuses devices, and the kernel the rest.
            FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Directory
            | FileType::Symlink
            | FileType::Unknown => return Ok(Verdict::Continue),
        }
        let mask = self.callers.mask(job.thread)?;
        self.create(job, at, Op::Mknod, Some(mask), |place| {
            fs::mknodat(
                &place.folder,
                &place.name,
                kind,
                Mode::from_raw_mode(mode & 0o7777),
                device,
            )
        })
    }

    fn truncate(&mut self, job: &mut Job, path: u64, length: i64) -> Done {
        let length = u64::try_from(length).map_err(|_| Errno::INVAL)?;
        let path = self.callers.path(job.thread, path).map_err(memory)?;
        let at = At { folder: libc::AT_FDCWD, path: 0 };
        let pin = self.find(job, |l| l.pin(at, &path, Last::Follow))?;
        if pin.zone.kernel_decides() {
            return Ok(Verdict::Continue);
        }
        match pin.found.kind {
            Kind::File => {}
            Kind::Folder => return Err(Errno::ISDIR.into()),
            Kind::Symlink | Kind::Pipe | Kind::Other => return Err(Errno::INVAL.into()),
        }
        self.settle(job, pin.wish(Op::Truncate), &pin, || {
            let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
            let file = fs::open(pin.through(), flags, Mode::empty())?;
            fs::ftruncate(&file, length)?;
            Ok(DONE)
        })
    }

    /// A socket with a name overwrites nothing, so once it is allowed the kernel may make it.
    fn bind(&mut self, job: &mut Job, address: u64, size: u64) -> Done {
        const NAME: usize = 2;
        let mut bytes = [0; 110];
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let Some(bytes) = bytes.get_mut(..size).filter(|bytes| bytes.len() > NAME) else {
            return Ok(Verdict::Continue);
        };
        self.callers.bytes(job.thread, address, bytes).map_err(memory)?;
        let family = c_int::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
        let name = &bytes[NAME..];
        let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
        if family != libc::AF_UNIX || end == 0 {
            return Ok(Verdict::Continue);
        }
        let (path, at) = (name[..end].to_vec(), At { folder: libc::AT_FDCWD, path: 0 });
        let place = self.find(job, |l| {
            match l.place(at, path, Last::Keep, fs::ResolveFlags::empty())? {
                Spot::Place(place) => Ok(place),
                Spot::Pin(_) => Err(Stop::Continue),
            }
        })?;
        if place.zone == Zone::Protected {
            return Err(Errno::ACCESS.into());
        }
        let target = place.target().filter(|target| target.found.is_none());
        let wish = target.map(|target| Wish { op: Op::Bind, target, victim: None });
        self.settle(job, wish, &place, || Ok(Verdict::Continue))
    }
}

impl Place {
    /// What a before-image would be made of.
    fn victim(&self) -> Option<Victim<'_>> {
        let file = self.found.is_some_and(|found| found.kind == Kind::File);
        file.then(|| Victim::Entry { folder: self.folder.as_fd(), name: &self.name })
    }

    /// A wish about this entry; none if nobody needs to be asked.
    fn wish(&self, op: Op) -> Option<Wish<'_>> {
        self.target().map(|target| Wish { op, target, victim: self.victim() })
    }
}

impl Pin {
    /// A wish about this file; none if nobody needs to be asked.
    fn wish(&self, op: Op) -> Option<Wish<'_>> {
        let target = if self.nameless() { None } else { self.target() }?;
        let file = self.found.kind == Kind::File;
        Some(Wish { op, target, victim: file.then(|| Victim::File(self.file.as_fd())) })
    }
}

/// Whether afterwards a name may mean something else than before.
fn changes_names(op: &Op) -> bool {
    match op {
        Op::Open(Open::CreateNew | Open::Create)
        | Op::Rename { .. }
        | Op::Unlink
        | Op::Rmdir
        | Op::Link { .. }
        | Op::Symlink
        | Op::Mkdir
        | Op::Mknod
        | Op::Bind => true,
        Op::Open(Open::Truncate | Open::Append | Open::InPlace)
        | Op::Truncate
        | Op::Metadata(_) => false,
    }
}

/// Does something under a caller's mask, which the kernel then treats as its own: where a folder
/// has default permissions, the mask does not count.
fn masked<T>(mask: Option<Mode>, act: impl FnOnce() -> T) -> T {
    let before = mask.map(umask);
    let result = act();
    before.map(umask);
    result
}

/// A name without slashes behind it.
fn bare(name: &CString) -> &[u8] {
    let name = name.to_bytes();
    name.strip_suffix(b"/").unwrap_or(name)
}
