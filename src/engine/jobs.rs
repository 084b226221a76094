//! A few threads for short work on files: resolving a path, reading, writing.
//!
//! Jobs start in the order they came in. There are few threads, and one that is awake takes the
//! next job before another is woken: at thousands of jobs a second the runtime's pool, which wakes
//! a thread for each, spends most of the time on switching between them. What may take long (a
//! walk over the tree, a search) does not belong here: it would stand in the way of writes.
//!
//! The queue needs no bound of its own: each request to the arbiter has at most one job here.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::model::failure::{Failure, FailureKind};

/// Threads at least, so that one slow file does not stop all others, and at most.
const THREADS: std::ops::RangeInclusive<usize> = 2..=8;

type Job = Box<dyn FnOnce() + Send>;

/// The threads and their queue. Dropping it lets the jobs that wait be done, then ends them.
#[derive(Debug)]
pub(super) struct Jobs {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    idle: usize,
    ending: bool,
}

impl Jobs {
    /// Starts the threads: as many as there are processors, within bounds.
    pub(super) fn start() -> Result<Self, Failure> {
        let wished = thread::available_parallelism().map_or(*THREADS.start(), usize::from);
        let shared = Arc::new(Shared::default());
        for _ in 0..wished.clamp(*THREADS.start(), *THREADS.end()) {
            let shared = Arc::clone(&shared);
            let started = thread::Builder::new().name("files".to_owned()).spawn(move || {
                shared.work();
            });
            started.map_err(|error| {
                Failure::new(FailureKind::Internal, "a thread for work on files cannot be started")
                    .cause(error)
            })?;
        }
        Ok(Self { shared })
    }

    /// Has `job` done by the next free thread.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut queue = self.shared.lock();
        queue.jobs.push_back(Box::new(job));
        if queue.idle > 0 {
            drop(queue);
            self.shared.more.notify_one();
        }
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.shared.lock().ending = true;
        self.shared.more.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            // A job that panics must not take the thread with it. What it was to answer stays
            // unanswered: nothing is granted by it.
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!("work on a file ended with a panic");
            }
        }
    }

    /// The next job, once there is one; nothing when all are done and no more will come.
    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.ending {
                return None;
            }
            queue.idle += 1;
            queue = self.more.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn every_job_is_done_once_and_a_panic_stops_no_other() {
        let jobs = Jobs::start().expect("threads");
        let (sender, results) = mpsc::channel();
        for number in 0..1000 {
            let sender = sender.clone();
            jobs.run(move || {
                assert!(number % 100 != 7, "some jobs panic");
                sender.send(number).expect("somebody listens");
            });
        }
        drop(sender);
        let mut done: Vec<i32> = results.iter().collect();
        done.sort_unstable();
        let expected: Vec<i32> = (0..1000).filter(|number| number % 100 != 7).collect();
        assert_eq!(done, expected);
    }

    #[test]
    fn what_waits_is_done_after_the_owner_is_gone() {
        let (sender, results) = mpsc::channel();
        let (go, gate) = mpsc::channel::<()>();
        {
            let jobs = Jobs::start().expect("threads");
            let gate = Arc::new(Mutex::new(gate));
            for number in 0..32 {
                let (sender, gate) = (sender.clone(), Arc::clone(&gate));
                jobs.run(move || {
                    gate.lock().expect("the gate").recv().expect("a go");
                    sender.send(number).expect("somebody listens");
                });
            }
        }
        drop(sender);
        for _ in 0..32 {
            go.send(()).expect("the jobs wait");
        }
        assert_eq!(results.iter().count(), 32);
    }
}
