//! The queue in front of the writing thread.
//!
//! - It has a bound ([`QUEUE_BYTES`] unless told otherwise); who brings more waits until the disk
//!   has caught up. While the disk fails nobody waits: what was said is dropped then and counted,
//!   the rest is kept up to twice the bound.
//! - It has two lanes. What the arbiter needs (leases, decisions, what was seen) never waits behind
//!   the lines of a talkative agent or the contents of files. Within a lane the order of arrival is
//!   kept. What was seen names a content by its hash; if a crash comes between the two, the content
//!   is unknown and a write is refused where it might have been rebased.
//! - Records that somebody waits for are bounded separately ([`NOW_BYTES`]) and refused beyond.
//! - Nothing leaves it unanswered: whoever waits for a batch learns its end, whatever happens.

mod entry;

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use self::entry::{Done, Task, Ticket, is_fast, is_talk, size};
use super::error::StoreError;
use super::record::Record;

pub(super) use self::entry::Entry;

/// Bytes of records that may wait to be stored unless the settings say otherwise. Whoever queues
/// more waits.
pub const QUEUE_BYTES: usize = 32 * 1024 * 1024;

/// Bytes of records that may wait while somebody waits for them. More are refused.
pub(super) const NOW_BYTES: usize = 32 * 1024 * 1024;

/// How long records wait for others to be committed with. The commit itself takes a few
/// milliseconds more; together it stays below 50.
const GROUP_DELAY: Duration = Duration::from_millis(40);

/// With so many bytes a commit is worth it at once.
const EAGER_BYTES: usize = 512 * 1024;

/// Bytes of one lane in one transaction at most, give or take one batch. Whoever comes meanwhile
/// waits for the end of it, so it is a matter of some ten milliseconds.
const TURN_BYTES: usize = 512 * 1024;

/// Bytes of the slow lane that go along with records somebody waits for. They do so once there are
/// that many, or once they have waited for [`GROUP_DELAY`]: rows of the journal touch an index page
/// each, and in one transaction many of them share it.
const RIDER_BYTES: usize = 48 * 1024;

/// The part of a longer slow lane that goes along at once, so that it does not grow for ever.
const RIDER_SHARE: usize = 8;

/// But never more than so many bytes: storing them takes some milliseconds, and somebody waits.
const RIDERS_MOST: usize = 128 * 1024;

/// What the writing thread does next.
pub(super) enum Turn {
    /// Store these in one transaction.
    Commit(Vec<Entry>),
    /// Do this.
    Task(Task),
    /// Nothing is due, and the time has come that was asked for.
    Late,
}

/// The queue itself.
pub(super) struct Queue {
    /// Bytes that may wait.
    most: usize,
    state: Mutex<State>,
    filled: Condvar,
    room: Condvar,
    room_async: Notify,
}

#[derive(Default)]
struct State {
    /// What the arbiter needs.
    fast: Lane,
    /// What was said.
    slow: Lane,
    /// Bytes of records that nobody waits for, those that are being stored included.
    bytes: usize,
    /// Bytes of records that somebody waits for, likewise.
    now_bytes: usize,
    /// When the oldest waiting record came.
    since: Option<Instant>,
    /// No attempt before this, unless somebody waits.
    not_before: Option<Instant>,
    /// A task at the head of the slow lane had to let records go first once.
    task_waited: bool,
    closing: bool,
    /// Nothing can be stored now, so that waiting for room is waiting for nothing.
    failing: bool,
    /// Records that were dropped because nothing could be stored and there was no room.
    dropped: u64,
}

#[derive(Default)]
struct Lane {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// How many entries somebody waits for.
    awaited: usize,
    /// Since when something waits, or a part of it was left.
    since: Option<Instant>,
}

/// Why records were not taken.
pub(super) enum NotTaken {
    /// There is no room; here they are again.
    Full(Vec<Record>),
    /// The history is closed.
    Closed,
}

impl Lane {
    fn push(&mut self, entry: Entry) {
        self.since.get_or_insert_with(Instant::now);
        self.count(&entry);
        self.entries.push_back(entry);
    }

    fn put_back(&mut self, entry: Entry) {
        self.since.get_or_insert_with(Instant::now);
        self.count(&entry);
        self.entries.push_front(entry);
    }

    fn count(&mut self, entry: &Entry) {
        self.bytes += entry.bytes();
        self.awaited += usize::from(entry.is_awaited());
    }

    fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.bytes -= entry.bytes();
        self.awaited -= usize::from(entry.is_awaited());
        Some(entry)
    }

    /// Takes the task at the head, if there is one.
    fn pop_task(&mut self) -> Option<Task> {
        matches!(self.entries.front(), Some(Entry::Task(_))).then(|| self.remove_task(0))?
    }

    /// Takes the first task wherever it is.
    fn find_task(&mut self) -> Option<Task> {
        let at = self.entries.iter().position(|entry| matches!(entry, Entry::Task(_)))?;
        self.remove_task(at)
    }

    fn remove_task(&mut self, at: usize) -> Option<Task> {
        match self.entries.remove(at)? {
            Entry::Task(task) => {
                self.awaited -= 1;
                Some(task)
            }
            Entry::One(..) | Entry::Job { .. } => None,
        }
    }

    /// Takes the records that somebody waits for.
    fn remove_jobs(&mut self) -> Vec<Entry> {
        let entries = std::mem::take(&mut self.entries);
        (self.bytes, self.awaited) = (0, 0);
        let mut jobs = Vec::new();
        for entry in entries {
            match entry {
                Entry::Job { .. } => jobs.push(entry),
                Entry::One(..) | Entry::Task(_) => self.push(entry),
            }
        }
        jobs
    }

    /// Moves entries into `turn` up to the next task or about `room` bytes.
    fn take(&mut self, turn: &mut Vec<Entry>, room: usize) {
        let mut taken = 0;
        while taken < room && !matches!(self.entries.front(), Some(Entry::Task(_)) | None) {
            let Some(entry) = self.pop() else { return };
            taken += entry.bytes();
            turn.push(entry);
        }
        self.since = (!self.entries.is_empty()).then(Instant::now);
    }

    /// How much of it goes along with records that somebody waits for.
    fn riders(&self) -> usize {
        let waited = self.since.is_some_and(|since| since.elapsed() >= GROUP_DELAY);
        let ride = waited || self.awaited > 0 || self.bytes >= RIDER_BYTES;
        if ride { (self.bytes / RIDER_SHARE).clamp(RIDER_BYTES, RIDERS_MOST) } else { 0 }
    }
}

impl Queue {
    /// An empty queue in which `most` bytes may wait.
    pub(super) fn holding(most: usize) -> Self {
        Self {
            most,
            state: Mutex::default(),
            filled: Condvar::new(),
            room: Condvar::new(),
            room_async: Notify::new(),
        }
    }

    /// Queues records that nobody waits for, if there is room.
    pub(super) fn push(&self, records: Vec<Record>) -> Result<(), NotTaken> {
        let sizes: Vec<usize> = records.iter().map(size).collect();
        let bytes: usize = sizes.iter().sum();
        let mut state = self.lock();
        if state.closing {
            return Err(NotTaken::Closed);
        }
        // A batch larger than the whole queue goes alone.
        if state.bytes > 0 && state.bytes + bytes > self.most {
            if !state.failing {
                return Err(NotTaken::Full(records));
            }
            for (record, bytes) in records.into_iter().zip(sizes) {
                state.push_or_drop(record, bytes, self.most);
            }
        } else {
            for (record, bytes) in records.into_iter().zip(sizes) {
                state.push(record, bytes);
            }
        }
        self.pushed(state);
        Ok(())
    }

    /// Says whether anything can be stored at all. Nobody waits for room while nothing can.
    pub(super) fn fails(&self, failing: bool) {
        self.lock().failing = failing;
        self.make_room();
    }

    /// How many records were dropped because nothing could be stored.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Queues records that nobody waits for, unless there is no room.
    pub(super) fn push_if_room(&self, records: Vec<Record>) -> Result<(), StoreError> {
        self.push(records).map_err(|not| match not {
            NotTaken::Full(_) => StoreError::Overfull,
            NotTaken::Closed => StoreError::Closed,
        })
    }

    /// Queues records that nobody waits for; blocks while there is no room.
    pub(super) fn push_blocking(&self, mut records: Vec<Record>) -> Result<(), StoreError> {
        loop {
            match self.push(records) {
                Ok(()) => return Ok(()),
                Err(NotTaken::Closed) => return Err(StoreError::Closed),
                Err(NotTaken::Full(back)) => records = back,
            }
            let wanted: usize = records.iter().map(size).sum();
            let state = self.lock();
            let full = |state: &mut State| {
                !state.closing
                    && !state.failing
                    && state.bytes > 0
                    && state.bytes + wanted > self.most
            };
            drop(self.room.wait_while(state, full).unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Queues records that nobody waits for; waits while there is no room.
    pub(super) async fn push_waiting(&self, mut records: Vec<Record>) -> Result<(), StoreError> {
        loop {
            let mut room = std::pin::pin!(self.room_async.notified());
            room.as_mut().enable();
            match self.push(records) {
                Ok(()) => return Ok(()),
                Err(NotTaken::Closed) => return Err(StoreError::Closed),
                Err(NotTaken::Full(back)) => records = back,
            }
            room.await;
        }
    }

    /// Queues records that somebody waits for; `done` is called in any case.
    pub(super) fn push_now(&self, records: Vec<Record>, done: Done) {
        let bytes: usize = records.iter().map(size).sum();
        let (fast, slow): (Vec<Record>, Vec<Record>) = records.into_iter().partition(is_fast);
        let mut state = self.lock();
        let refusal = if state.closing {
            Some(StoreError::Closed)
        } else if state.now_bytes > 0 && state.now_bytes + bytes > NOW_BYTES {
            Some(StoreError::Overfull)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            drop(state);
            done(Err(refusal));
            return;
        }
        state.now_bytes += bytes;
        let (some_fast, some_slow) = (!fast.is_empty() || slow.is_empty(), !slow.is_empty());
        let ticket = Ticket::new(usize::from(some_fast) + usize::from(some_slow), done);
        if some_fast {
            state.fast.push(Entry::job(fast, Arc::clone(&ticket)));
        }
        if some_slow {
            state.slow.push(Entry::job(slow, ticket));
        }
        self.pushed(state);
    }

    /// Calls `done` once everything that was queued before is stored.
    pub(super) fn push_flush(&self, done: Done) {
        let mut state = self.lock();
        if state.closing {
            drop(state);
            done(Err(StoreError::Closed));
            return;
        }
        let ticket = Ticket::new(2, done);
        state.fast.push(Entry::job(Vec::new(), Arc::clone(&ticket)));
        state.slow.push(Entry::job(Vec::new(), ticket));
        self.pushed(state);
    }

    /// Queues a task behind the records of sessions. It is dropped if the history is closed.
    pub(super) fn push_task(&self, task: Task) {
        let mut state = self.lock();
        if state.closing {
            drop(state);
            return;
        }
        state.slow.push(Entry::Task(task));
        self.pushed(state);
    }

    /// Takes nothing new from now on; what is queued is still stored.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.filled.notify_all();
        self.make_room();
    }

    /// What to do next; waits for it, but not beyond `until`. `None` once the queue is closed and
    /// empty.
    pub(super) fn next(&self, until: Option<Instant>) -> Option<Turn> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            let due = state.due();
            if due.is_some_and(|at| at <= now) {
                return Some(state.turn());
            }
            if due.is_none() && state.closing {
                return None;
            }
            if until.is_some_and(|at| at <= now) {
                return Some(Turn::Late);
            }
            let at = [due, until].into_iter().flatten().min();
            state = match at {
                None => self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let waited = self.filled.wait_timeout(state, at - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// The entries are stored, or given up: their room is free again.
    pub(super) fn settled(&self, entries: &[Entry]) {
        let mut state = self.lock();
        for entry in entries {
            match entry {
                Entry::One(_, bytes) => state.bytes = state.bytes.saturating_sub(*bytes),
                Entry::Job { bytes, .. } => {
                    state.now_bytes = state.now_bytes.saturating_sub(*bytes);
                }
                Entry::Task(_) => {}
            }
        }
        drop(state);
        self.make_room();
    }

    /// Puts entries back in front, to be tried again after `pause`. Returns all that somebody waits
    /// for: nothing behind these entries can be stored before them.
    pub(super) fn put_back(&self, entries: Vec<Entry>, pause: Duration) -> Vec<Entry> {
        let mut state = self.lock();
        let mut awaited = state.fast.remove_jobs();
        awaited.append(&mut state.slow.remove_jobs());
        for entry in entries.into_iter().rev() {
            let fast = entry.records().first().is_none_or(is_fast);
            if fast { &mut state.fast } else { &mut state.slow }.put_back(entry);
        }
        let now = Instant::now();
        state.since.get_or_insert(now);
        state.not_before = Some(now + pause);
        awaited
    }

    /// Gives up everything that waits. Tells how many records that were.
    pub(super) fn abandon(&self) -> usize {
        let mut state = self.lock();
        state.closing = true;
        let mut left: Vec<Entry> = state.fast.entries.drain(..).collect();
        left.extend(state.slow.entries.drain(..));
        *state = State { closing: true, dropped: state.dropped, ..State::default() };
        drop(state);
        self.make_room();
        left.iter().map(|entry| entry.records().len()).sum()
    }

    /// Whether somebody waits for the fast lane.
    pub(super) fn is_awaited(&self) -> bool {
        self.lock().fast.awaited > 0
    }

    /// Whether it was closed.
    pub(super) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pushed(&self, mut state: MutexGuard<'_, State>) {
        let first = state.since.is_none();
        state.since.get_or_insert_with(Instant::now);
        let worth_it = state.fast.awaited + state.slow.awaited > 0
            || state.fast.bytes + state.slow.bytes >= EAGER_BYTES;
        drop(state);
        if first || worth_it {
            self.filled.notify_one();
        }
    }

    fn make_room(&self) {
        self.room.notify_all();
        self.room_async.notify_waiters();
    }
}

impl State {
    fn push(&mut self, record: Record, bytes: usize) {
        self.bytes += bytes;
        self.lane(&record).push(Entry::One(record, bytes));
    }

    fn push_or_drop(&mut self, record: Record, bytes: usize, most: usize) {
        let room = if is_talk(&record) { most } else { 2 * most };
        if self.bytes + bytes > room {
            self.dropped += 1;
        } else {
            self.push(record, bytes);
        }
    }

    fn lane(&mut self, record: &Record) -> &mut Lane {
        if is_fast(record) { &mut self.fast } else { &mut self.slow }
    }

    /// When there is something to do; `None` if nothing waits.
    fn due(&self) -> Option<Instant> {
        let since = self.since?;
        if self.fast.awaited + self.slow.awaited > 0 {
            return Some(since);
        }
        if let Some(not_before) = self.not_before {
            return Some(not_before);
        }
        let worth_it = self.closing || self.fast.bytes + self.slow.bytes >= EAGER_BYTES;
        Some(if worth_it { since } else { since + GROUP_DELAY })
    }

    /// Takes what is to be done next; something is there.
    fn turn(&mut self) -> Turn {
        let task = if self.not_before.is_some() {
            // What was said cannot be stored now; a task is no worse off for going first, and one
            // that makes room is welcome.
            self.slow.find_task()
        } else if self.fast.entries.is_empty() || self.task_waited {
            self.slow.pop_task()
        } else {
            None
        };
        let turn = match task {
            Some(task) => {
                self.task_waited = false;
                Turn::Task(task)
            }
            None => {
                let room = if self.fast.awaited > 0 { self.slow.riders() } else { TURN_BYTES };
                let mut turn = Vec::new();
                self.not_before = None;
                self.fast.take(&mut turn, TURN_BYTES);
                self.slow.take(&mut turn, room);
                self.task_waited = matches!(self.slow.entries.front(), Some(Entry::Task(_)));
                Turn::Commit(turn)
            }
        };
        if self.fast.entries.is_empty() && self.slow.entries.is_empty() {
            self.since = None;
        }
        turn
    }
}
