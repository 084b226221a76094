//! Where a process comes from: from an agent, or from the person as far as can be told.
//!
//! It is an agent's if it descends from us, for whatever we start works for an agent, or if it or
//! one of its ancestors carries the mark of a run that we do not carry ourselves. On Linux orphans
//! of agents become our children, so that leaving its session and its parents hides nobody.
//!
//! This is no wall: on Linux a process that another service starts for it, and elsewhere whoever
//! leaves its parents, passes for the person's.

use std::ffi::{OsStr, OsString};

use super::sweep::ancestors;
use crate::model::agent::RUN_MARK;

/// One process of a line of ancestors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ancestor {
    /// Its number.
    pub pid: u32,
    /// The mark of its run, if it carries one that can be read.
    pub run: Option<OsString>,
}

/// Where a process comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lineage {
    /// From the person: its number and those of its ancestors, nearest first.
    Person(Vec<u32>),
    /// From an agent: the same. Nothing is known of a process that has ended already.
    Agent(Vec<u32>),
}

/// Looks where the process `pid` comes from. Reads the disk.
pub fn lineage(pid: u32) -> Lineage {
    judge(&ancestors(pid), std::process::id(), std::env::var_os(RUN_MARK).as_deref())
}

fn judge(line: &[Ancestor], me: u32, my_run: Option<&OsStr>) -> Lineage {
    let below_us = line.iter().position(|ancestor| ancestor.pid == me).is_some_and(|at| at > 0);
    // What we carry ourselves says nothing: then somebody works on a bench from inside another.
    let marked =
        line.iter().any(|ancestor| ancestor.run.is_some() && ancestor.run.as_deref() != my_run);
    let processes = line.iter().map(|ancestor| ancestor.pid).collect();
    if below_us || marked || line.is_empty() {
        return Lineage::Agent(processes);
    }
    Lineage::Person(processes)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn line(of: &[(u32, &str)]) -> Vec<Ancestor> {
        let run = |run: &str| (!run.is_empty()).then(|| run.into());
        of.iter().map(|(pid, mark)| Ancestor { pid: *pid, run: run(mark) }).collect()
    }

    #[test]
    fn descent_and_a_strange_mark_give_an_agent_away() {
        let agent = |pids: &[u32]| Lineage::Agent(pids.to_vec());
        let person = |pids: &[u32]| Lineage::Person(pids.to_vec());
        for (of, my_run, expected) in [
            (&[(30, ""), (20, ""), (1, "")][..], "", person(&[30, 20, 1])),
            (&[(10, ""), (20, "")], "", person(&[10, 20])),
            (&[(30, ""), (10, ""), (1, "")], "", agent(&[30, 10, 1])),
            (&[(30, "a"), (1, "")], "", agent(&[30, 1])),
            (&[(30, ""), (29, "a")], "", agent(&[30, 29])),
            (&[(30, "a"), (29, "a")], "a", person(&[30, 29])),
            (&[(30, "b"), (29, "a")], "a", agent(&[30, 29])),
            (&[], "", agent(&[])),
        ] {
            let my_run = (!my_run.is_empty()).then_some(OsStr::new(my_run));
            assert_eq!(judge(&line(of), 10, my_run), expected, "{of:?}");
        }
    }

    #[test]
    fn we_are_no_agent_and_what_we_start_is_one() {
        assert!(matches!(lineage(std::process::id()), Lineage::Person(_)));
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let found = lineage(child.id());
        drop(child.stdin.take());
        let pid = child.id();
        child.wait().unwrap();
        let Lineage::Agent(line) = found else { panic!("a child is taken for the person") };
        assert_eq!(line[..2], [pid, std::process::id()]);
        assert_eq!(lineage(pid), Lineage::Agent(vec![]), "it has ended");
    }
}
