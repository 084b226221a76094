//! kill -9 of the engine at moments that nobody chose, while tools and shells write: by an independent
//! checker nothing acknowledged is lost, and no file is left half written.
//!
//! A moment is the nth pass of a step, both drawn from a seed, so that a failure can be repeated:
//! `BENCHDOG_SEED=N`. With `BENCHDOG_FULL` there are many more.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::bench_process::Bench;
use crate::support::checker::check;
use crate::support::engine::{serve, shut_down, wait_until};
use crate::support::faults::{Orders, POSSIBLE};
use crate::support::guard::kernel_asks;
use crate::support::workspace::Workspace;

const FILES: [&str; 2] = ["one.txt", "two.txt"];
const START: &str = "first\nsecond\nend\n";

/// Files change hands quickly.
const QUICK: [&str; 4] =
    ["--set", "arbiter.held_min_seconds=1", "--set", "arbiter.held_max_seconds=1"];

/// Where an engine may die, and at which pass at most.
const STEPS: [(&str, u64); 12] = [
    ("history-written", 12),
    ("history-stored", 12),
    ("write-granted", 4),
    ("write-begun", 4),
    ("write-filled", 4),
    ("write-exchanged", 4),
    ("tool-answered", 8),
    ("image-kept", 6),
    ("door-performed", 4),
    ("door-told", 4),
    ("look-told", 4),
    ("image-spent", 6),
];

/// Scrambles a number (splitmix64).
fn scramble(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A writer that adds lines, and says which of them it was told are written.
struct Writer<'a> {
    bench: &'a Bench,
    name: &'static str,
    by_shell: bool,
    log: &'a Mutex<File>,
    acknowledged: &'a AtomicUsize,
}

impl Writer<'_> {
    fn work(&self, over: &AtomicBool) {
        let mut number = 0;
        while !over.load(Ordering::SeqCst) {
            let path = FILES[number % FILES.len()];
            number += 1;
            let marker = format!("@{}:{number}:x", self.name);
            let done =
                if self.by_shell { self.shell(path, &marker) } else { self.tool(path, &marker) };
            if done {
                let entry = json!({ "end": "acknowledged", "marker": marker,
                                    "path": self.bench.workspace.at(path) });
                writeln!(self.log.lock().unwrap(), "{entry}").unwrap();
                self.acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    fn shell(&self, path: &str, marker: &str) -> bool {
        let line = format!("echo {marker} >> {path}");
        self.bench.run(&["exec", "--as", self.name, "--", "sh", "-c", &line]).code == Some(0)
    }

    fn tool(&self, path: &str, marker: &str) -> bool {
        let call = |tool: &str, input: Value| {
            let ran = self.bench.run(&["call", "--as", self.name, tool, &input.to_string()]);
            serde_json::from_str::<Value>(&ran.stdout).is_ok_and(|result| result["code"] == "OK")
        };
        let new = format!("first\n{marker}");
        call("read_file", json!({ "path": path }))
            && call("edit_file", json!({ "path": path, "old": "first", "new": new }))
    }
}

#[test]
fn at_any_moment_tools_and_shells_lose_nothing_that_was_acknowledged() {
    if !POSSIBLE || !kernel_asks() {
        return;
    }
    let rounds = if std::env::var_os("BENCHDOG_FULL").is_some() { 120 } else { 8 };
    let seed = std::env::var("BENCHDOG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let bench = Bench::in_workspace(Workspace::with(&FILES.map(|file| (file, START))));
    let before = bench.workspace.tree();
    let path = bench.at_home("writers.log");
    let log = Mutex::new(File::create(&path).unwrap());
    let (over, acknowledged) = (AtomicBool::new(false), AtomicUsize::new(0));
    let writer = |name, by_shell| Writer {
        bench: &bench,
        name,
        by_shell,
        log: &log,
        acknowledged: &acknowledged,
    };
    std::thread::scope(|scope| {
        for (name, by_shell) in [("tool", false), ("red", true), ("blue", true)] {
            let (writer, over) = (writer(name, by_shell), &over);
            scope.spawn(move || writer.work(over));
        }
        // Whatever goes wrong, the writers must come to an end.
        let _end = End(&over);
        for round in 0..rounds {
            let chance = scramble(seed + round);
            let (step, most) = STEPS[chance as usize % STEPS.len()];
            let pass = 1 + (chance >> 32) % most;
            let (mut engine, orders) = Orders::serve(&bench, &QUICK);
            let known = acknowledged.load(Ordering::SeqCst);
            wait_until("a write of this life", || {
                (acknowledged.load(Ordering::SeqCst) > known).then_some(())
            });
            orders.give(&format!("die {step} {pass}\n"));
            assert_eq!(engine.wait_exit().0, None, "round {round}: {step} {pass}");
            orders.lift();
        }
    });
    let engine = serve(&bench, &QUICK);
    let log = fs::read_to_string(&path).unwrap();
    let verdict = check(bench.workspace.path(), &before, &bench.workspace.tree(), &[log]);
    verdict.assert_nothing_lost();
    no_half_line(&bench);
    shut_down(&bench, engine);
    eprintln!("{rounds} deaths, {} acknowledged lines, 0 lost", verdict.acknowledged);
}

/// Whatever stands in the files is whole, and nothing else is in the tree.
fn no_half_line(bench: &Bench) {
    let tree = bench.workspace.tree();
    assert_eq!(tree.keys().collect::<Vec<_>>(), FILES, "something is left in the tree");
    for (file, text) in &tree {
        let plain = ["first", "second", "end"];
        let whole =
            |line: &str| plain.contains(&line) || line.starts_with('@') && line.ends_with(":x");
        let odd: Vec<&str> = text.lines().filter(|line| !whole(line)).collect();
        assert!(odd.is_empty() && text.ends_with('\n'), "{file}: {odd:?}");
    }
}

/// Says at its end that it is over.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A command behind the guard that outlives the engine is ended when the next one begins: nobody
/// else would answer for what it has open.
#[test]
fn a_command_that_outlives_its_engine_is_ended_by_the_next_one() {
    if !kernel_asks() {
        return;
    }
    let bench = Bench::in_workspace(Workspace::with(&[("one.txt", START)]));
    let engine = serve(&bench, &QUICK);
    let line = "exec 3>> one.txt; echo $$; exec sleep 1000";
    let mut left = bench.start(&["exec", "--as", "red", "--", "sh", "-c", line]);
    let pid = left.stdout.next().unwrap();
    engine.signal(Signal::KILL);
    drop(engine);
    assert!(Path::new(&format!("/proc/{pid}")).exists());
    let engine = serve(&bench, &QUICK);
    assert_eq!(left.wait_exit().0, Some(137), "it was killed, and its starter says so");
    shut_down(&bench, engine);
}
