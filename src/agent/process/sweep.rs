//! The end of a run: no process of it is left.
//!
//! A process belongs to a run if it carries the run's mark, if it descends from the run's first
//! process, or if it shares a session with one that does. Who belongs is looked up again until
//! nobody is found, so that a child that is born meanwhile does not get away. Nothing of this
//! happens while an agent works.
//!
//! A process that took the mark off, began its own session *and* lost its parents before we looked
//! is not found. What outlives *us* (a kill that we cannot catch leaves the children of agents
//! behind) carries our own mark, and is swept when we start again. Elsewhere than on Linux only the group of the first process is killed.

use std::time::Duration;

/// How long killed processes may take to go.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What a sweep did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Swept {
    /// Processes that were killed.
    pub killed: usize,
    /// Processes that did not go.
    pub left: Vec<u32>,
}

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Kin, ancestors, kin, orphans, our_mark, reap_strays, sweep, sweep_abandoned};
#[cfg(target_os = "linux")]
pub use linux::{Kin, ancestors, kin, orphans, our_mark, reap_strays, sweep, sweep_abandoned};
