//! The arbiter's table, for all who decide by it: the engine's loop, and the threads of the guard.
//!
//! A process that is about to write waits in the kernel for its answer; a way round through the
//! loop would take longer than the write. So the guard's threads decide themselves.
//!
//! - Everything is decided under one lock, one after the other.
//! - What follows from a decision that was not the loop's waits here, in order, and the loop takes
//!   it before it decides anything more.
//! - Nobody is woken for each decision: the loop takes many at a time, and so does the lookout. Only
//!   what somebody waits for goes at once.
//! - A lock that somebody broke is never decided by again: whatever the guard asks is refused.
//! - When something has become free, calls that wait for it in the kernel are asked about anew.

mod waits;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

pub(super) use self::waits::Waits;
use super::bell::Bell;
use super::input::Taken;
use crate::arbiter::{Effect, Input, Table, Touch};
use crate::guard::supervisor::Supervisor;
use crate::model::id::OpId;
use crate::model::lease::{LeaseState, Owner, Refusal};
use crate::model::path::WorkPath;
use crate::model::time::Mono;

/// Numbers of touches begin here; those of requests count from 1.
const TOUCHES: u64 = 1 << 63;

/// Decisions that may wait for the loop; whoever decides more waits until it has taken them. So many
/// are worked off in a fraction of a second.
const WAITING: usize = 4 * 1024;

/// Passes that hold at the same time; an older one is asked for again.
const PASSES: usize = 1024;

/// How long the loop may be busy with other things; then what is asked is refused.
const PATIENCE: Duration = Duration::from_secs(5);

/// The table and what its decisions lead to.
#[derive(Debug)]
pub(super) struct Desk {
    book: Mutex<Book>,
    room: Condvar,
    /// Something was decided; and something that somebody waits for.
    news: Notify,
    urgent: Notify,
    last_touch: AtomicU64,
    lookout: Sender<Look>,
    bell: Arc<Bell>,
    supervisors: Mutex<Vec<(Weak<Supervisor>, Arc<Waits>)>>,
    /// What those show who have asked whose work git would touch, and whose processes they are.
    passes: Mutex<VecDeque<(String, Owner)>>,
    start: Instant,
}

#[derive(Debug)]
struct Book {
    table: Table,
    beside: Vec<Decided>,
    /// How many wait for room.
    crowd: usize,
}

/// A decision that was not the loop's.
#[derive(Debug)]
pub(super) struct Decided {
    /// Whose call it was, if it was one.
    pub(super) attempt: Option<Attempt>,
    /// What the file was before, where the decision is what became of it.
    pub(super) was: Option<Taken>,
    /// What follows from it.
    pub(super) effects: Vec<Effect>,
}

impl Decided {
    /// Whether somebody waits for what follows from it.
    fn is_urgent(&self) -> bool {
        self.effects.iter().any(|effect| match effect {
            Effect::Granted { .. }
            | Effect::Refused { .. }
            | Effect::Inspect { .. }
            | Effect::Waiting { .. }
            | Effect::Tell { .. } => true,
            Effect::LookAfter { .. }
            | Effect::Moved { .. }
            | Effect::Lapsed { .. }
            | Effect::Knows { .. }
            | Effect::Changed { .. }
            | Effect::WakeAt(_) => false,
        })
    }
}

/// A call of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    /// Whose process.
    pub(super) owner: Owner,
    /// The program's name.
    pub(super) program: String,
}

/// What the lookout is to do.
#[derive(Debug)]
pub(super) enum Look {
    /// Look at this file once no process can write it.
    After { op: OpId, path: WorkPath },
    /// Somebody waits for this file.
    Soon(WorkPath),
    /// A folder got another name.
    Moved { by: Owner, from: WorkPath, to: WorkPath },
}

/// What the lookout has to look after, and the bell that wakes it.
#[derive(Debug)]
pub(super) struct Looks {
    pub(super) queue: Receiver<Look>,
    pub(super) bell: Arc<Bell>,
}

/// Why the guard gets no answer: it must refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unanswered;

/// Whether this is the number of a touch.
pub(super) fn is_touch(op: OpId) -> bool {
    op.0 >= TOUCHES
}

impl Desk {
    /// A desk with this table, and what the lookout has to look after.
    pub(super) fn new(table: Table) -> (Arc<Self>, Looks) {
        let (lookout, looks) = channel();
        let bell = Arc::<Bell>::default();
        let looks = Looks { queue: looks, bell: Arc::clone(&bell) };
        let desk = Self {
            book: Mutex::new(Book { table, beside: Vec::new(), crowd: 0 }),
            room: Condvar::new(),
            news: Notify::new(),
            urgent: Notify::new(),
            last_touch: AtomicU64::new(TOUCHES),
            lookout,
            bell,
            supervisors: Mutex::default(),
            passes: Mutex::default(),
            start: Instant::now(),
        };
        (Arc::new(desk), looks)
    }

    /// The moment that is 0 on the monotonic clock.
    pub(super) fn start(&self) -> Instant {
        self.start
    }

    /// The loop decides. It gets what was decided before by others, and what follows from its own.
    pub(super) fn decide(&self, now: Mono, input: Input) -> (Vec<Decided>, Vec<Effect>) {
        let mut book = self.lock();
        let effects = book.table.decide(now, input);
        let beside = self.clear(book);
        (beside, self.spread(effects))
    }

    /// What others have decided since the loop looked last.
    pub(super) fn take(&self) -> Vec<Decided> {
        self.clear(self.lock())
    }

    fn clear(&self, mut book: MutexGuard<'_, Book>) -> Vec<Decided> {
        if book.crowd > 0 {
            self.room.notify_all();
        }
        std::mem::take(&mut book.beside)
    }

    /// Looks something up.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Table) -> T) -> T {
        look(&self.lock().table)
    }

    /// Comes back when others have decided something, but not before `from`, unless somebody waits
    /// for it.
    pub(super) async fn news(&self, from: tokio::time::Instant) {
        let later = async {
            tokio::time::sleep_until(from).await;
            self.news.notified().await;
        };
        tokio::select! {
            () = self.urgent.notified() => {}
            () = later => {}
        }
    }

    /// A number for a touch.
    pub(super) fn next_touch(&self) -> OpId {
        OpId(self.last_touch.fetch_add(1, Ordering::Relaxed))
    }

    /// Somebody else than the loop decides. It gets the answer to its own question; the loop gets
    /// all the rest.
    pub(super) fn decide_beside(&self, input: Input) -> Result<Option<Effect>, Unanswered> {
        self.decide_noting(input, None, None)
    }

    /// The same for a process that may have to wait: what for is noted among what its agent's
    /// processes wait for.
    pub(super) fn decide_touch(
        &self,
        touch: Touch,
        waits: &Waits,
    ) -> Result<Option<Effect>, Unanswered> {
        self.decide_noting(Input::Touch(touch), None, Some(waits))
    }

    /// The same for who has looked what became of a file that was something else before.
    pub(super) fn decide_looking(
        &self,
        input: Input,
        was: Option<Taken>,
    ) -> Result<Option<Effect>, Unanswered> {
        self.decide_noting(input, was, None)
    }

    fn decide_noting(
        &self,
        input: Input,
        was: Option<Taken>,
        waits: Option<&Waits>,
    ) -> Result<Option<Effect>, Unanswered> {
        let mut book = self.lock_with_room()?;
        let now = Mono(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX));
        // Whoever waits is woken in the order of the decisions, so still under the lock.
        let effects = self.spread(book.table.decide(now, input));
        let (mut answer, effects): (Vec<_>, Vec<_>) = effects.into_iter().partition(is_answer);
        // Still under the lock, so that nothing becomes free in between.
        if let (Some(waits), Some(Effect::Waiting { path, .. })) = (waits, answer.last()) {
            waits.note(path);
        }
        self.leave(book, Decided { attempt: None, was, effects });
        Ok(answer.pop())
    }

    /// A call was refused: the loop shows it.
    pub(super) fn tell_refused(&self, attempt: Attempt, refusal: Refusal) {
        let effects = vec![Effect::Refused { op: OpId(TOUCHES), refusal }];
        // It is refused in any case; if the loop is too busy to show it, that is all that is lost.
        if let Ok(book) = self.lock_with_room() {
            self.leave(book, Decided { attempt: Some(attempt), was: None, effects });
        }
    }

    /// Gives a git of this owner something to show.
    pub(super) fn let_pass(&self, owner: &Owner) -> String {
        let pass = uuid::Uuid::new_v4().to_string();
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        if passes.len() == PASSES {
            passes.pop_front();
        }
        passes.push_back((pass.clone(), owner.clone()));
        pass
    }

    /// Whether this was given to a process of this owner.
    pub(super) fn has_let_pass(&self, pass: &str, owner: &Owner) -> bool {
        let passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        passes.iter().any(|(known, to)| known == pass && to.session() == owner.session())
    }

    /// Gives the lookout something to do.
    pub(super) fn look(&self, look: Look) {
        let soon = matches!(look, Look::Soon(_) | Look::Moved { .. });
        // Without a lookout nothing is let go, and nobody writes meanwhile.
        let _ = self.lookout.send(look);
        self.bell.ring(soon);
    }

    fn lock_with_room(&self) -> Result<MutexGuard<'_, Book>, Unanswered> {
        let mut book = self.book.lock().map_err(|_| Unanswered)?;
        if book.beside.len() < WAITING {
            return Ok(book);
        }
        book.crowd += 1;
        self.urgent.notify_one();
        let full = |book: &mut Book| book.beside.len() >= WAITING;
        let waited = self.room.wait_timeout_while(book, PATIENCE, full);
        let (mut book, waited) = waited.map_err(|_| Unanswered)?;
        book.crowd -= 1;
        if waited.timed_out() { Err(Unanswered) } else { Ok(book) }
    }

    /// Leaves something for the loop.
    fn leave(&self, mut book: MutexGuard<'_, Book>, decided: Decided) {
        if decided.effects.is_empty() && decided.was.is_none() {
            return;
        }
        let urgent = decided.is_urgent();
        let first = book.beside.is_empty();
        book.beside.push(decided);
        drop(book);
        if urgent {
            self.urgent.notify_one();
        } else if first {
            self.news.notify_one();
        }
    }

    /// Calls that this one has parked are asked about when something becomes free that they wait
    /// for.
    pub(super) fn watch(&self, supervisor: &Arc<Supervisor>, waits: Arc<Waits>) {
        let mut supervisors = self.supervisors.lock().unwrap_or_else(PoisonError::into_inner);
        supervisors.retain(|(known, _)| known.strong_count() > 0);
        supervisors.push((Arc::downgrade(supervisor), waits));
    }

    /// Gives the lookout its part, and wakes who waits.
    fn spread(&self, mut effects: Vec<Effect>) -> Vec<Effect> {
        let mut freed = Vec::new();
        effects.retain(|effect| {
            if let Effect::LookAfter { op, path } = effect {
                self.look(Look::After { op: *op, path: path.clone() });
                return false;
            }
            if let Effect::Waiting { path, .. } = effect {
                self.look(Look::Soon(path.clone()));
            }
            if let Effect::Lapsed { path } = effect {
                freed.push(path.as_str().to_owned());
                return false;
            }
            if let Effect::Moved { path, lease } = effect {
                let taken = |state| state == LeaseState::Inflight;
                if !lease.as_ref().is_some_and(|lease| taken(lease.state)) {
                    freed.push(path.clone());
                }
            }
            true
        });
        if !freed.is_empty() {
            let supervisors = self.supervisors.lock().unwrap_or_else(PoisonError::into_inner);
            let concerned = supervisors.iter().filter(|(_, waits)| waits.end_with(&freed));
            concerned
                .filter_map(|(supervisor, _)| supervisor.upgrade())
                .for_each(|supervisor| supervisor.wake());
        }
        effects
    }

    /// Has all parked calls asked about again.
    pub(super) fn wake(&self) {
        let supervisors = self.supervisors.lock().unwrap_or_else(PoisonError::into_inner);
        let all = supervisors.iter().filter_map(|(supervisor, _)| supervisor.upgrade());
        all.for_each(|supervisor| supervisor.wake());
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // The lookout sees that nobody sits here any more.
        self.bell.ring(true);
    }
}

/// Whether it answers a touch.
fn is_answer(effect: &Effect) -> bool {
    match effect {
        Effect::Granted { op, .. } | Effect::Refused { op, .. } | Effect::Waiting { op, .. } => {
            is_touch(*op)
        }
        Effect::Inspect { .. }
        | Effect::LookAfter { .. }
        | Effect::Lapsed { .. }
        | Effect::Moved { .. }
        | Effect::Knows { .. }
        | Effect::Changed { .. }
        | Effect::Tell { .. }
        | Effect::WakeAt(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arbiter::{Deed, Mark, Settings, Touch};
    use crate::model::id::SessionId;

    fn touch(desk: &Desk, who: &str) -> Input {
        let path = WorkPath::parse("a").unwrap();
        Input::Touch(Touch {
            op: desk.next_touch(),
            owner: Owner::Session(SessionId::from(who), None),
            itself: false,
            safe: false,
            marks: vec![Mark { path, deed: Deed::Appear }],
            wait_ms: 0,
        })
    }

    #[test]
    fn what_others_decided_comes_to_the_loop_before_what_it_decides_itself() {
        let (desk, _looks) = Desk::new(Table::new(Settings::default()));
        let granted = desk.decide_beside(touch(&desk, "blue")).unwrap();
        assert!(matches!(granted, Some(Effect::Granted { .. })));
        let refused = desk.decide_beside(touch(&desk, "red")).unwrap();
        assert!(matches!(refused, Some(Effect::Refused { .. })));
        let (before, own) = desk.decide(Mono(1), Input::Tick);
        let moved = |effect: &Effect| matches!(effect, Effect::Moved { path, .. } if path == "a");
        assert!(before[0].effects.iter().any(moved), "{before:?}");
        assert!(own.is_empty(), "{own:?}");
        assert!(desk.take().is_empty());
    }

    #[test]
    fn by_a_broken_lock_nothing_is_decided() {
        let (desk, _looks) = Desk::new(Table::new(Settings::default()));
        let held = Arc::clone(&desk);
        let broken = std::thread::spawn(move || {
            let _book = held.book.lock();
            panic!("a mistake under the lock");
        });
        assert!(broken.join().is_err());
        let tick = desk.decide_beside(Input::Tick);
        assert_eq!(tick, Err(Unanswered));
    }
}
