//! What other systems offer: the group of a process.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::Swept;

/// The group of a run's first process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kin(Option<u32>);

/// The group of the process `first`, which leads it.
pub fn kin(first: u32) -> Kin {
    Kin(Some(first))
}

/// Who may be left of a run whose first process has ended: the rest of its group.
pub fn orphans(first: u32) -> Kin {
    kin(first)
}

/// Kills the group. Who left it is not found.
pub fn sweep(_mark: &str, known: Kin, _patience: Duration) -> Swept {
    let group = known.0.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    let killed = group.is_some_and(|pid| kill_process_group(pid, Signal::KILL).is_ok());
    Swept { killed: usize::from(killed), left: Vec::new() }
}

/// Orphans are not ours here.
pub fn reap_strays() {}

/// What processes of our agents carry besides the mark of their run: which process we are.
pub fn our_mark() -> String {
    std::process::id().to_string()
}

/// Nobody can be found by a mark here.
pub fn sweep_abandoned(_patience: Duration) -> Swept {
    Swept::default()
}
