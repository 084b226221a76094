//! The gauntlet: every way we know to write a file that another agent holds.
//!
//! Each way is run three times in a fresh workspace: without the guard it must work, or it proves
//! nothing; with the guard while somebody else holds the file it must leave no trace on it; and
//! with the guard while the file is free it must work, or be lost on purpose.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benchdog::guard::fence;

use crate::field::{Field, HELD, Others, exited, kill_group};
use crate::kernel::{as_ordinary_user, kernel_asks};
use crate::ways::{Free, WAYS, Way};

/// Ways that must prove something here, so that a broken table is noticed.
const AT_LEAST: usize = 65;

enum Guard {
    None,
    Held,
    Free,
}

/// Whether the way changed anything about the file, and what it said.
fn run(way: &Way, guard: &Guard) -> (bool, String) {
    let field = Field::new();
    if !way.prepare.is_empty() {
        let ended = field.bare(way.prepare);
        if ended.code != Some(0) {
            return (false, format!("cannot be prepared: {}", ended.text));
        }
    }
    let beside = (!way.beside.is_empty()).then(|| {
        let mut command = field.command(way.beside);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = fence::start(|| command.spawn()).unwrap();
        let start = Instant::now();
        // Some never get ready here, and those prove nothing.
        while !field.out().join("ready").exists()
            && start.elapsed() < Duration::from_secs(5)
            && !exited(&child, Duration::from_millis(5))
        {}
        child
    });
    let before = field.fingerprint();
    let others = Arc::new(Others::default());
    let ended = match guard {
        Guard::None => field.bare(way.script),
        Guard::Held => {
            others.hold(&field.root(), HELD);
            field.guarded(way.script, &others)
        }
        Guard::Free => field.guarded(way.script, &others),
    };
    if let Some(mut child) = beside {
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = exited(&child, Duration::from_secs(2));
        kill_group(&child);
        child.wait().unwrap();
    }
    let after = field.fingerprint();
    let text = format!("{}\n  before {before}\n  after  {after}", ended.text.trim_end());
    (before != after, text)
}

#[test]
fn no_way_leads_to_a_file_that_another_agent_holds() {
    if !kernel_asks() {
        return;
    }
    let only = std::env::var("WAY").ok();
    let (mut proving, mut blocked, mut working, mut lost) = (0, 0, 0, vec![]);
    let (mut idle, mut wrong) = (vec![], vec![]);
    for way in WAYS.iter().filter(|way| only.as_ref().is_none_or(|name| way.name == name)) {
        let (bare, text) = run(way, &Guard::None);
        if only.is_some() {
            println!("bare: {bare} {text}");
        }
        if !bare {
            idle.push(way.name);
            continue;
        }
        proving += 1;
        let (held, text) = run(way, &Guard::Held);
        if only.is_some() {
            println!("held: {held} {text}");
        }
        if held {
            wrong.push(format!("{} got through: {text}", way.name));
        } else {
            blocked += 1;
        }
        let (free, text) = run(way, &Guard::Free);
        if only.is_some() {
            println!("free: {free} {text}");
        }
        match (way.free, free) {
            (Free::Works, true) => working += 1,
            (Free::Lost(why), false) => lost.push(format!("{} ({why})", way.name)),
            (Free::Works, false) => {
                wrong.push(format!("{} does not work on a free file: {text}", way.name));
            }
            (Free::Lost(_), true) => wrong.push(format!("{} works after all", way.name)),
        }
    }
    println!("{proving} ways prove something: {blocked} blocked, {working} work on a free file");
    println!("lost on purpose: {}", lost.join(", "));
    println!("prove nothing here: {}", idle.join(", "));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(only.is_some() || proving >= AT_LEAST, "only {proving} ways prove something");
}

#[test]
fn it_is_the_same_for_an_ordinary_user() {
    as_ordinary_user("gauntlet::no_way_leads_to_a_file_that_another_agent_holds");
}
