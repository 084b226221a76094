//! The numbers behind the rules. Their defaults were measured in simulation.

/// How long leases last, how long one may wait, how much one may reserve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// A file stays its writer's at least so long after the last write.
    pub hold_min_ms: u64,
    /// And at most so long.
    pub hold_max_ms: u64,
    /// A file is kept at least so long for an owner whose write was refused as stale.
    pub stale_ms: u64,
    /// A file is kept so long for an owner that waited for it without a write at hand.
    pub ticket_ms: u64,
    /// A place in a queue is kept so long after its wait has run out.
    pub place_ms: u64,
    /// A request waits at most so long, whatever it asks for.
    pub request_wait_ms: u64,
    /// A reservation waits at most so long.
    pub reserve_wait_ms: u64,
    /// Somebody who only waits does so at most so long.
    pub turn_wait_ms: u64,
    /// With more than so many in the queue, a lease ends with its write.
    pub crowd: usize,
    /// The longest queue of one file; who comes then is refused at once.
    pub queue_limit: usize,
    /// An agent's reservation lasts at most so long without activity.
    pub pin_max_ms: u64,
    /// The most patterns of one reservation.
    pub pin_patterns: usize,
    /// An agent's pattern may cover at most so many known files.
    pub pin_covers: usize,
    /// Whether writes past the arbiter (by shell or git) are refused as well. Decides a sentence.
    pub guarded: bool,
    /// Whether agents have the tools `wait_for` and `send_message`. Decides a sentence.
    pub bench_tools: bool,
    /// A rule that is broken on purpose, to see whether the proofs notice.
    #[cfg(test)]
    pub(super) mutant: Mutant,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hold_min_ms: 15_000,
            hold_max_ms: 60_000,
            stale_ms: 60_000,
            ticket_ms: 20_000,
            place_ms: 60_000,
            request_wait_ms: 20_000,
            reserve_wait_ms: 60_000,
            turn_wait_ms: 120_000,
            crowd: 3,
            queue_limit: 64,
            pin_max_ms: 30 * 60_000,
            pin_patterns: 50,
            pin_covers: 200,
            guarded: false,
            bench_tools: false,
            #[cfg(test)]
            mutant: Mutant::None,
        }
    }
}

impl Settings {
    /// The usual settings with other times for holding a file and for keeping it after a stale
    /// write, in milliseconds.
    pub fn with_times(hold_min_ms: u64, hold_max_ms: u64, stale_ms: u64) -> Self {
        Self { hold_min_ms, hold_max_ms, stale_ms, ..Self::default() }
    }
}

/// Rules that can be broken on purpose.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Mutant {
    /// All rules hold.
    None,
    /// Every inspection ends in a grant.
    NoContentCheck,
    /// A write in flight loses its file after a while.
    TimeoutBreaksInflight,
    /// A restart forgets the writes in flight.
    RestartForgetsInflight,
    /// Nobody is ever in the way of another.
    NoLease,
    /// An edit that was rebased counts as having seen the whole file.
    RebaseCountsAsSeen,
    /// A refusal counts as having seen the change, even if it was cut.
    CutRefusalCountsAsSeen,
    /// The end of a turn or of a process ends writes that are still carried out.
    EndBreaksInflight,
    /// A process may destroy what nobody of its session has seen.
    TouchesAreBlind,
    /// A process's write is over once its call has returned.
    TouchEndsWithItsCall,
    /// Nobody looks for circles of waiters.
    NoDeadlockCheck,
    /// A waiter's deadline is not put into the timers.
    ForgottenWaiter,
}

#[cfg(test)]
impl Settings {
    pub(super) fn broken(mutant: Mutant) -> Self {
        Self { mutant, ..Self::default() }
    }

    pub(super) fn is(&self, mutant: Mutant) -> bool {
        self.mutant == mutant
    }
}
