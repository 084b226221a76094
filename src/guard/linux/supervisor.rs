//! The door: a thread that answers for one agent, and one that keeps its parked calls.
//!
//! The first waits for calls, and answers each before it takes the next. A call that is told to
//! wait goes to the second, which asks again when it is woken, and answers `EBUSY` when time is
//! up. Both live as long as any process of the agent; if the first one ends for another reason,
//! the listener closes with it, and all writing calls of the agent fail.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use libc::{seccomp_notif_addfd, seccomp_notif_resp};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use rustix::path::DecInt;

use crate::guard::linux::ground::{Cover, Workspace};
use crate::guard::linux::perform::{Job, Performer, Verdict};
use crate::guard::linux::{calls, kernel};
use crate::guard::request::{Answer, Arbitrate, Outcome, Request, Victim};

/// The longest that a call is parked. A parked process cannot be interrupted, only killed.
pub const LONGEST_PARK: Duration = Duration::from_secs(5);
/// Calls that may be parked at once, per agent; more fail with `EBUSY`.
const PARKED: usize = 256;
/// How often a parked call is looked at: whether its process lives.
const LOOK: Duration = Duration::from_millis(100);
/// How often an open is tried that waits for another process.
const OPEN: Duration = Duration::from_millis(10);

/// The first kernel that tells a waiting listener that its last process has ended.
const TELLS_THE_END: (u32, u32) = (6, 11);

/// Answers for one agent. Dropping it changes nothing: it ends with the agent.
#[derive(Debug)]
pub struct Supervisor {
    shared: Arc<Shared>,
    door: Mutex<Option<JoinHandle<()>>>,
}

/// What both threads know.
pub(super) struct Shared {
    listener: OwnedFd,
    /// `/`, and the folder of our own descriptors.
    pub(super) root: Arc<OwnedFd>,
    descriptors: OwnedFd,
    pub(super) workspace: Arc<Workspace>,
    pub(super) cover: Cover,
    arbiter: Arc<dyn Arbitrate>,
    longest_park: Duration,
    /// Something of the agent may have a root of its own.
    pub(super) other_roots: AtomicBool,
    /// Something of the agent may be another user, or have fewer rights.
    pub(super) other_users: AtomicBool,
    /// How often something of the agent changed its mask.
    pub(super) masks: AtomicU64,
    parks: Mutex<Parks>,
    changed: Condvar,
    /// How often something has become free, and how many calls are parked or being parked.
    freed: AtomicU64,
    parked: AtomicUsize,
}

#[derive(Default)]
struct Parks {
    list: Vec<Parked>,
    cancelled: bool,
    ended: bool,
}

struct Parked {
    job: Job,
    since: Instant,
    /// What [`Shared::freed`] was before it was asked about: with another number it is asked again.
    asked_at: u64,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("workspace", &self.workspace).finish_non_exhaustive()
    }
}

impl Supervisor {
    pub(super) fn start(
        name: &str,
        listener: OwnedFd,
        workspace: Arc<Workspace>,
        cover: Cover,
        arbiter: Arc<dyn Arbitrate>,
        longest_park: Duration,
    ) -> io::Result<Self> {
        // An older kernel wakes us a little later; nothing else changes.
        let _ = kernel::wake_at_once(listener.as_fd());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = |path| fs::open(path, flags, Mode::empty());
        let shared = Arc::new(Shared {
            listener,
            root: Arc::new(folder("/")?),
            descriptors: folder("/proc/self/fd")?,
            workspace,
            cover,
            arbiter,
            longest_park,
            other_roots: AtomicBool::new(false),
            other_users: AtomicBool::new(false),
            masks: AtomicU64::new(0),
            parks: Mutex::default(),
            changed: Condvar::new(),
            freed: AtomicU64::new(0),
            parked: AtomicUsize::new(0),
        });
        let keeper = shared.clone();
        let door = shared.clone();
        thread::Builder::new().name(format!("parks {name}")).spawn(move || keep_parks(&keeper))?;
        let door = thread::Builder::new().name(format!("guard {name}")).spawn(move || {
            let ending = Ending(&door);
            keep_door(ending.0);
        });
        let door = door.inspect_err(|_| shared.end())?;
        Ok(Self { shared, door: Mutex::new(Some(door)) })
    }

    /// Asks again about all parked calls, and about one that is being parked just now. To be called
    /// when something has become free; costs next to nothing when nobody waits.
    pub fn wake(&self) {
        self.shared.freed.fetch_add(1, Ordering::SeqCst);
        if self.shared.parked.load(Ordering::SeqCst) > 0 {
            // Whoever looks at the number holds this, so that the news cannot come in between.
            let _parks = self.shared.parks();
            self.shared.changed.notify_all();
        }
    }

    /// Lets all parked calls fail: the person interrupts the agent.
    pub fn cancel_parks(&self) {
        let mut parks = self.shared.parks();
        parks.cancelled = true;
        self.shared.changed.notify_all();
    }

    /// How many calls are parked.
    pub fn parked(&self) -> usize {
        self.shared.parked.load(Ordering::SeqCst)
    }

    /// Whether anything of the agent still lives.
    pub fn is_running(&self) -> bool {
        self.door().as_ref().is_some_and(|door| !door.is_finished())
    }

    /// Waits until nothing of the agent lives. Only the first one who asks waits.
    pub fn wait(&self) {
        let door = self.door().take();
        // If the thread panicked, the listener is closed all the same.
        let _ = door.map(JoinHandle::join);
    }

    fn door(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the keeper of parks with the door, whatever ended that one.
struct Ending<'a>(&'a Arc<Shared>);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Shared {
    /// Whether the caller still waits for an answer.
    pub(super) fn waits(&self, id: u64) -> bool {
        kernel::still_waits(self.listener.as_fd(), id)
    }

    /// The path of an open file as the kernel knows it.
    pub(super) fn path_of(&self, file: &OwnedFd) -> rustix::io::Result<Vec<u8>> {
        let link = DecInt::new(file.as_raw_fd());
        Ok(fs::readlinkat(&self.descriptors, link, Vec::with_capacity(256))?.into_bytes())
    }

    /// Asks the arbiter; if it fails, the answer is no.
    pub(super) fn ask(&self, request: &Request) -> Answer {
        catch_unwind(AssertUnwindSafe(|| self.arbiter.ask(request)))
            .unwrap_or(Answer::Refuse(Errno::IO))
    }

    pub(super) fn before(&self, request: &Request, victim: &Victim<'_>) -> Result<(), Errno> {
        catch_unwind(AssertUnwindSafe(|| self.arbiter.before(request, victim)))
            .unwrap_or(Err(Errno::IO))
    }

    pub(super) fn done(&self, request: &Request, outcome: Outcome) {
        let _ = catch_unwind(AssertUnwindSafe(|| self.arbiter.done(request, outcome)));
    }

    fn parks(&self) -> MutexGuard<'_, Parks> {
        self.parks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        self.parks().ended = true;
        self.changed.notify_all();
    }

    /// Answers a call; one that has to wait comes back.
    fn answer(&self, job: Job, verdict: Verdict) -> Option<Job> {
        let mut response = seccomp_notif_resp { id: job.id, val: 0, error: 0, flags: 0 };
        match verdict {
            Verdict::Continue => {
                response.flags = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or(1);
            }
            Verdict::Value(value) => response.val = value,
            Verdict::Fail(error) => response.error = -error.raw_os_error(),
            Verdict::File { file, close_on_exec, lent } => {
                // The caller's next call goes to the other thread, perhaps before this one has
                // closed what it had to wait for.
                let alone = lent.is_some() || !job.waited.is_zero();
                // `lent` lives to the end of this arm, and so longer than the file.
                match self.give(job.id, file, close_on_exec, alone) {
                    Ok(Given::Answered) => return None,
                    Ok(Given::As(number)) => response.val = number.into(),
                    Err(error) => response.error = -error.raw_os_error(),
                }
            }
            Verdict::Park(request) => return Some(Job { parked: Some(request), ..job }),
            Verdict::AwaitOther => return Some(job),
        }
        // It fails if the caller is dead, and then nobody wants to know.
        let _ = kernel::answer(self.listener.as_fd(), response);
        None
    }

    /// Gives the caller a file. Ours is closed before the caller goes on if it must be the only
    /// one by then; for others handing over and answering are one step.
    fn give(
        &self,
        id: u64,
        file: OwnedFd,
        close_on_exec: bool,
        alone: bool,
    ) -> Result<Given, Errno> {
        let send = if alone { 0 } else { libc::SECCOMP_ADDFD_FLAG_SEND };
        let added = seccomp_notif_addfd {
            id,
            flags: u32::try_from(send).unwrap_or(0),
            srcfd: file.as_raw_fd().cast_unsigned(),
            newfd: 0,
            newfd_flags: if close_on_exec { libc::O_CLOEXEC.cast_unsigned() } else { 0 },
        };
        let number = kernel::add_fd(self.listener.as_fd(), added)?;
        drop(file);
        Ok(if alone { Given::As(number) } else { Given::Answered })
    }

    fn park(&self, job: Job, since: Instant, asked_at: u64) {
        let mut parks = self.parks();
        if parks.ended || parks.list.len() >= PARKED {
            drop(parks);
            self.give_up(job, Outcome::Expired);
            return;
        }
        parks.list.push(Parked { job, since, asked_at });
        self.parked.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_all();
    }

    fn freed(&self) -> u64 {
        self.freed.load(Ordering::SeqCst)
    }

    /// Answers a parked call with `EBUSY`.
    fn give_up(&self, mut job: Job, outcome: Outcome) {
        if let Some(request) = job.parked.take() {
            self.done(&request, outcome);
        }
        self.answer(job, Verdict::Fail(Errno::BUSY));
    }
}

enum Given {
    Answered,
    As(i32),
}

/// The life of the first thread.
fn keep_door(shared: &Arc<Shared>) {
    let Ok(mut performer) = Performer::new(shared.clone()) else { return };
    let patient = kernel_version().is_some_and(|version| version >= TELLS_THE_END);
    loop {
        if !patient && !wait(shared) {
            return;
        }
        let call = match kernel::receive(shared.listener.as_fd()) {
            Ok(call) => call,
            // The caller died before we came, or all have.
            Err(Errno::NOENT) => {
                if wait(shared) {
                    continue;
                }
                return;
            }
            Err(_) => return,
        };
        let Some(decoded) = calls::decode(call.data.nr, &call.data.args) else {
            // The filter sends nothing that the table does not know.
            let response =
                seccomp_notif_resp { id: call.id, val: 0, error: -libc::EPERM, flags: 0 };
            let _ = kernel::answer(shared.listener.as_fd(), response);
            continue;
        };
        let mut job = Job {
            id: call.id,
            thread: call.pid,
            call: decoded,
            waited: Duration::ZERO,
            parked: None,
        };
        let freed = shared.freed();
        let verdict = handle(&mut performer, &mut job);
        if let Some(job) = shared.answer(job, verdict) {
            shared.park(job, Instant::now(), freed);
        }
    }
}

/// An error of ours is a refusal.
fn handle(performer: &mut Performer, job: &mut Job) -> Verdict {
    catch_unwind(AssertUnwindSafe(|| performer.handle(job))).unwrap_or(Verdict::Fail(Errno::IO))
}

/// Waits for a call; false if there will be none any more.
fn wait(shared: &Shared) -> bool {
    let mut ready = [PollFd::new(&shared.listener, PollFlags::IN)];
    match poll(&mut ready, None) {
        Ok(_) => !ready[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
        Err(error) => error == Errno::INTR,
    }
}

/// The life of the second thread.
fn keep_parks(shared: &Arc<Shared>) {
    let Ok(mut performer) = Performer::new(shared.clone()) else { return };
    let mut parks = shared.parks();
    loop {
        let opens = parks.list.iter().any(|parked| parked.job.parked.is_none());
        let freed = shared.freed();
        let news = parks.list.iter().any(|parked| parked.asked_at != freed);
        parks = if parks.ended || parks.cancelled || news {
            parks
        } else if parks.list.is_empty() {
            shared.changed.wait(parks).unwrap_or_else(PoisonError::into_inner)
        } else {
            let pause = if opens { OPEN } else { LOOK.min(shared.longest_park) };
            let result = shared.changed.wait_timeout(parks, pause);
            result.unwrap_or_else(PoisonError::into_inner).0
        };
        let ended = parks.ended;
        let cancelled = std::mem::take(&mut parks.cancelled) || ended;
        let list = std::mem::take(&mut parks.list);
        drop(parks);
        for Parked { mut job, since, asked_at } in list {
            // It is counted until it is back in the list, so that nobody takes us for idle.
            let _counted = Uncount(&shared.parked);
            let freed = shared.freed();
            job.waited = since.elapsed();
            let asked = job.parked.is_some();
            if !shared.waits(job.id) {
                shared.give_up(job, Outcome::Gone);
            } else if cancelled {
                shared.give_up(job, Outcome::Cancelled);
            } else if asked && job.waited >= shared.longest_park {
                shared.give_up(job, Outcome::Expired);
            } else if asked && asked_at == freed {
                shared.park(job, since, asked_at);
            } else {
                let verdict = handle(&mut performer, &mut job);
                if let Some(job) = shared.answer(job, verdict) {
                    shared.park(job, since, freed);
                }
            }
        }
        if ended {
            return;
        }
        parks = shared.parks();
    }
}

/// Counts one parked call less when dropped.
struct Uncount<'a>(&'a AtomicUsize);

impl Drop for Uncount<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn kernel_version() -> Option<(u32, u32)> {
    let system = rustix::system::uname();
    let mut numbers = system.release().to_str().ok()?.split(['.', '-']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}
