//! Who belongs to a run, as Linux tells it: `/proc`, and handles of processes to kill by.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::PoisonError;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpgrp, pidfd_open, pidfd_send_signal, waitpid,
};

use super::Swept;
use crate::agent::process::OURS;
use crate::agent::process::lineage::Ancestor;
use crate::model::agent::{ENGINE_MARK, GUARD_MARK, RUN_MARK};

/// Between two looks; killed processes go within it as a rule.
const PAUSE: Duration = Duration::from_millis(5);

/// Ancestors that a process may have; more are not looked at.
const GENERATIONS: usize = 256;

/// One process, as the kernel describes it. Its number may be used again; with its start it
/// names one process only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    parent: u32,
    group: u32,
    session: u32,
    start: u64,
    dead: bool,
}

/// Processes of a run, as seen at one moment: by number, with their starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kin(BTreeMap<u32, u64>);

/// The first process of a run and who descends from it. To be taken while it lives: once it is
/// gone, its orphans are no longer known by their parents.
pub fn kin(first: u32) -> Kin {
    let table = table();
    let Some(row) = table.get(&first).filter(|row| !row.dead) else { return Kin::default() };
    let mut found = BTreeMap::from([(first, row.start)]);
    spread(&table, &mut found);
    Kin(found)
}

/// Who is known of a run whose first process has ended: nobody, for its number may belong to a
/// stranger now. They are found by their mark.
pub fn orphans(_first: u32) -> Kin {
    Kin::default()
}

/// The process `pid` and its ancestors, nearest first; nobody if it is gone.
pub fn ancestors(pid: u32) -> Vec<Ancestor> {
    let mut line = Vec::new();
    let mut next = pid;
    while next > 0 && line.len() < GENERATIONS {
        let stat = fs::read_to_string(format!("/proc/{next}/stat")).ok();
        let Some(row) = stat.and_then(|stat| row(&stat)).filter(|row| !row.dead) else {
            // Who ends while we look leaves its children to another parent: look again.
            match line.pop() {
                Some(Ancestor { pid, run: _ }) => next = pid,
                None => return line,
            }
            continue;
        };
        line.push(Ancestor { pid: next, run: run_of(next) });
        next = row.parent;
    }
    line
}

/// The mark of the run that a process carries.
fn run_of(pid: u32) -> Option<OsString> {
    let prefix = format!("{RUN_MARK}=").into_bytes();
    let environ = environ(pid)?;
    let run = variables(&environ).find_map(|variable| variable.strip_prefix(&prefix[..]))?;
    Some(OsStr::from_bytes(run).to_owned())
}

/// Kills all processes of the run `mark` and of `known`, until none is left or `patience` ends.
/// Blocks: not for a runtime's worker.
pub fn sweep(mark: &str, known: Kin, patience: Duration) -> Swept {
    let mark = format!("{RUN_MARK}={mark}").into_bytes();
    hunt(known, patience, Reach::Kin, |pid, _| {
        environ(pid).is_some_and(|environ| variables(&environ).any(|variable| variable == mark))
    })
}

/// What processes of our agents carry besides the mark of their run: which process we are.
pub fn our_mark() -> String {
    let start = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| row(&stat));
    format!("{}-{}", std::process::id(), start.map_or(0, |row| row.start))
}

/// Kills what agents of an engine left behind that is dead by now, and what it has guarded for
/// others. Blocks: not for a runtime's worker.
pub fn sweep_abandoned(patience: Duration) -> Swept {
    let agents = hunt(Kin::default(), patience, Reach::Kin, abandoned(ENGINE_MARK));
    // Such a command shares a session with whoever has started it: only what carries the mark goes.
    let guarded = hunt(Kin::default(), patience, Reach::Found, abandoned(GUARD_MARK));
    let left = agents.left.into_iter().chain(guarded.left).collect();
    Swept { killed: agents.killed + guarded.killed, left }
}

/// Tells which processes carry the mark of an engine that is dead.
fn abandoned(mark: &str) -> impl Fn(u32, &BTreeMap<u32, Row>) -> bool {
    let prefix = format!("{mark}=").into_bytes();
    let here = fs::read_link("/proc/self/ns/pid").ok();
    // Somebody started us from what such an engine left behind, and sits there.
    let ours = std::env::var_os(mark).map(OsStringExt::into_vec);
    move |pid, table| {
        let Some(environ) = environ(pid) else { return false };
        let engine = variables(&environ).find_map(|variable| variable.strip_prefix(&prefix[..]));
        let engine = engine.filter(|engine| ours.as_deref() != Some(*engine));
        let Some((engine, start)) = engine.and_then(process) else { return false };
        let alive = table.get(&engine).is_some_and(|row| row.start == start && !row.dead);
        // A number that is given in another container says nothing here.
        !alive && here.is_some() && fs::read_link(format!("/proc/{pid}/ns/pid")).ok() == here
    }
}

/// Reads a mark of [`our_mark`].
fn process(mark: &[u8]) -> Option<(u32, u64)> {
    let (pid, start) = std::str::from_utf8(mark).ok()?.split_once('-')?;
    Some((pid.parse().ok()?, start.parse().ok()?))
}

/// Who goes along with those who are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Nobody.
    Found,
    /// Who shares a session with one of them, and who descends from one.
    Kin,
}

/// Kills `known`, who `belongs`, and whom `reach` says, until none is left or `patience` ends.
fn hunt(
    known: Kin,
    patience: Duration,
    reach: Reach,
    belongs: impl Fn(u32, &BTreeMap<u32, Row>) -> bool,
) -> Swept {
    let until = Instant::now() + patience;
    let me = std::process::id();
    let mut found = known.0;
    let mut killed = BTreeSet::new();
    loop {
        let table = table();
        // Whoever is gone takes nobody else along: its number may belong to a stranger now.
        found.retain(|pid, start| {
            table.get(pid).is_some_and(|row| row.start == *start && !row.dead)
        });
        for (pid, row) in &table {
            if !row.dead && *pid != me && !found.contains_key(pid) && belongs(*pid, &table) {
                found.insert(*pid, row.start);
            }
        }
        if reach == Reach::Kin {
            spread(&table, &mut found);
        }
        if found.is_empty() {
            reap_strays();
            return Swept { killed: killed.len(), left: Vec::new() };
        }
        if Instant::now() >= until {
            return Swept { killed: killed.len(), left: found.into_keys().collect() };
        }
        for (pid, start) in &found {
            if kill(*pid, *start).is_ok() {
                killed.insert(*pid);
            }
        }
        thread::sleep(PAUSE);
    }
}

/// Takes leave of orphans that have ended, so that their numbers are free again. Cheap enough
/// to be called whenever a child has ended.
pub fn reap_strays() {
    let ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
    let me = std::process::id();
    let group = u32::try_from(getpgrp().as_raw_nonzero().get()).unwrap_or(0);
    for pid in adopted(me) {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
        let Some(row) = stat.ok().and_then(|stat| row(&stat)) else { continue };
        // What we started for other purposes is in our own group, and somebody waits for it.
        let stray = row.dead && row.parent == me && row.group != group && !ours.contains(&pid);
        if let Some(pid) = number(pid).filter(|_| stray) {
            let _gone = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

/// Who may have been born of others: Linux gives orphans to the first thread, and what other
/// threads have started is not listed there. Where it does not tell that, everybody.
fn adopted(me: u32) -> Vec<u32> {
    match fs::read_to_string(format!("/proc/self/task/{me}/children")) {
        Ok(list) => list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect(),
        Err(_) => table().into_keys().collect(),
    }
}

/// Adds who shares a session with one of `found`, and who descends from one.
fn spread(table: &BTreeMap<u32, Row>, found: &mut BTreeMap<u32, u64>) {
    let me = std::process::id();
    let mine = table.get(&me).map(|row| row.session);
    loop {
        let before = found.len();
        let sessions: BTreeSet<u32> = found
            .keys()
            .filter_map(|pid| table.get(pid).map(|row| row.session))
            .filter(|session| *session != 0 && Some(*session) != mine)
            .collect();
        for (pid, row) in table {
            let kin = found.contains_key(&row.parent) || sessions.contains(&row.session);
            if kin && !row.dead && *pid != me {
                found.entry(*pid).or_insert(row.start);
            }
        }
        if found.len() == before {
            return;
        }
    }
}

/// Kills the process that began at `start`, and no other one that has its number by now.
fn kill(pid: u32, start: u64) -> io::Result<()> {
    let pid = number(pid).ok_or(io::ErrorKind::InvalidInput)?;
    let handle = pidfd_open(pid, PidfdFlags::empty())?;
    let same = row(&fs::read_to_string(format!("/proc/{pid}/stat"))?)
        .is_some_and(|row| row.start == start);
    if !same {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(pidfd_send_signal(handle, Signal::KILL)?)
}

fn number(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok().filter(|pid| *pid > 1)?)
}

fn environ(pid: u32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/environ")).ok()
}

fn variables(environ: &[u8]) -> impl Iterator<Item = &[u8]> {
    environ.split(|byte| *byte == 0)
}

fn table() -> BTreeMap<u32, Row> {
    let Ok(entries) = fs::read_dir("/proc") else { return BTreeMap::new() };
    entries
        .filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some((pid, row(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))
        })
        .collect()
}

/// Reads a line of `/proc/PID/stat`. The name in it may hold anything, brackets too.
fn row(stat: &str) -> Option<Row> {
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(Row {
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start: fields.get(19)?.parse().ok()?,
        dead: matches!(*fields.first()?, "Z" | "X" | "x"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_full_of_brackets_does_not_shift_the_fields() {
        let stat = "42 (a) R 9 (b) S 7 42 41 0 -1 1 2 3 4 5 6 7 8 9 20 0 1 0 555 0";
        let expected = Row { parent: 7, group: 42, session: 41, start: 555, dead: false };
        assert_eq!(row(stat), Some(expected));
        assert_eq!(row("no process"), None);
    }

    #[test]
    fn descendants_and_session_mates_are_kin_and_strangers_are_not() {
        let row = |parent, session| Row { parent, group: session, session, start: 1, dead: false };
        let table = BTreeMap::from([
            (10, row(1, 10)),
            (11, row(10, 10)),
            (12, row(11, 12)),
            (13, row(1, 12)),
            (14, Row { dead: true, ..row(10, 10) }),
            (20, row(1, 20)),
        ]);
        let mut found = BTreeMap::from([(10, 1)]);
        spread(&table, &mut found);
        assert_eq!(found.into_keys().collect::<Vec<_>>(), [10, 11, 12, 13]);
    }

    #[test]
    fn a_process_that_took_over_a_number_is_not_killed() {
        let me = std::process::id();
        assert!(kill(me, 1).is_err());
    }

    #[test]
    fn what_a_dead_engine_left_behind_is_killed_and_what_a_living_one_has_is_not() {
        let start = |engine: &str| {
            let mut command = std::process::Command::new("sleep");
            command.arg("300").env(ENGINE_MARK, engine).spawn().unwrap()
        };
        let mut left = start("999999999-1");
        let mut busy = start(&our_mark());
        let swept = sweep_abandoned(Duration::from_secs(10));
        assert!(swept.killed >= 1 && swept.left.is_empty(), "{swept:?}");
        assert!(!left.wait().unwrap().success());
        let alive = busy.try_wait().unwrap().is_none();
        busy.kill().unwrap();
        busy.wait().unwrap();
        assert!(alive);
    }
}
