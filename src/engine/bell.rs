//! Wakes one thread that sleeps for long, and costs next to nothing while it is awake or sleeps
//! lightly.
//!
//! Whoever puts something into a queue rings afterwards; whoever empties the queue sleeps by the
//! bell. A sleeper that will look at the queue in a moment by itself is not woken, for a wake-up
//! costs more than what it is told: only who is in a hurry wakes it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// A sleeper that sleeps no longer than this is not woken.
const LIGHT: Duration = Duration::from_millis(10);

const AWAKE: u8 = 0;
const LIGHTLY: u8 = 1;
const DEEPLY: u8 = 2;

/// The bell of one thread.
#[derive(Debug, Default)]
pub(super) struct Bell {
    sleep: AtomicU8,
    sleeper: OnceLock<Thread>,
}

impl Bell {
    /// Wakes the thread if it sleeps for long; with `hurry`, in any case.
    pub(super) fn ring(&self, hurry: bool) {
        let least = if hurry { LIGHTLY } else { DEEPLY };
        if self.sleep.load(Ordering::SeqCst) >= least
            && self.sleep.swap(AWAKE, Ordering::SeqCst) >= least
            && let Some(sleeper) = self.sleeper.get()
        {
            sleeper.unpark();
        }
    }

    /// Sleeps until then, or until the bell is rung; not at all if there is something to do by now.
    /// Only one thread ever sleeps by a bell.
    pub(super) fn sleep(&self, until: Option<Instant>, nothing_to_do: impl FnOnce() -> bool) {
        self.sleeper.get_or_init(thread::current);
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let depth = if left.is_some_and(|left| left <= LIGHT) { LIGHTLY } else { DEEPLY };
        self.sleep.store(depth, Ordering::SeqCst);
        // Whoever comes after this sees that the thread sleeps; who came before is seen here.
        if nothing_to_do() {
            match left {
                Some(left) => thread::park_timeout(left),
                None => thread::park(),
            }
        }
        self.sleep.store(AWAKE, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// A thread that takes numbers from a queue until it gets a 0, and says which it got.
    fn sleeper(queue: Receiver<u32>, bell: Arc<Bell>) -> thread::JoinHandle<Vec<u32>> {
        thread::spawn(move || {
            let mut got = Vec::new();
            loop {
                let mut next = queue.try_recv().ok();
                if next.is_none() {
                    bell.sleep(None, || {
                        next = queue.try_recv().ok();
                        next.is_none()
                    });
                }
                match next {
                    Some(0) => return got,
                    Some(number) => got.push(number),
                    None => {}
                }
            }
        })
    }

    #[test]
    fn nothing_is_slept_through() {
        let (sender, queue) = channel();
        let bell = Arc::<Bell>::default();
        let sleeper = sleeper(queue, Arc::clone(&bell));
        for number in (0..20_000_u32).rev() {
            sender.send(number).unwrap();
            bell.ring(false);
            if number % 1000 == 0 {
                thread::yield_now();
            }
        }
        let all: Vec<u32> = (1..20_000).rev().collect();
        assert_eq!(sleeper.join().unwrap(), all);
    }

    #[test]
    fn who_sleeps_lightly_is_woken_only_in_a_hurry() {
        for (hurry, depth, expected) in [
            (false, LIGHTLY, LIGHTLY),
            (true, LIGHTLY, AWAKE),
            (false, DEEPLY, AWAKE),
            (true, DEEPLY, AWAKE),
            (true, AWAKE, AWAKE),
        ] {
            let bell = Bell { sleep: AtomicU8::new(depth), sleeper: OnceLock::new() };
            bell.ring(hurry);
            assert_eq!(bell.sleep.load(Ordering::SeqCst), expected, "{hurry} {depth}");
        }
    }
}
