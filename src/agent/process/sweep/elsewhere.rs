//! What other systems offer: the group of a process, and what `ps` knows.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::Swept;
use crate::agent::process::lineage::Ancestor;

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

/// The process `pid` and its ancestors, nearest first; nobody if it is gone. Marks cannot be read.
pub fn ancestors(pid: u32) -> Vec<Ancestor> {
    let listed = Command::new("ps")
        .args(["-A", "-o", "pid=", "-o", "ppid="])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let listed = listed.map(|listed| listed.stdout).unwrap_or_default();
    let parents: BTreeMap<u32, u32> = String::from_utf8_lossy(&listed)
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map_while(|number| number.parse().ok());
            Some((numbers.next()?, numbers.next()?))
        })
        .collect();
    let mut line = Vec::new();
    let mut next = pid;
    while let Some(parent) = parents.get(&next).filter(|_| line.len() < parents.len()) {
        line.push(Ancestor { pid: next, run: None });
        next = *parent;
    }
    line
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
