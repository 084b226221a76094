//! What the screen costs: from the start to the first frame, and while nothing happens.
//!
//! `cargo bench --bench screen -- [STARTS] [SECONDS]` starts the built program in a terminal that
//! often (20 without arguments) and takes the time to its first frame; then it opens eight demo
//! agents at 160x50, waits until all have said their word, and watches the program do nothing for so
//! long (10 s): processor time and voluntary switches of its process, bytes to the terminal.
//! The agents' own processes do not count. Without `/proc` only the bytes are known.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    reason = "a measurement that cannot go on should panic, and prints its figures"
)]

use std::fs;
use std::time::{Duration, Instant};

#[allow(unused_imports, reason = "its own tests are not built here")]
#[path = "../support/support.rs"]
mod support;

use support::bench_process::Bench;
use support::terminal::Screen;

/// Agents that idle.
const AGENTS: usize = 8;

/// What an agent says before it idles.
const WORD: &str = "I am ready.";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |index: usize, default: u64| {
        words.get(index).and_then(|word| word.parse().ok()).unwrap_or(default)
    };
    starts(number(0, 20));
    idle(Duration::from_secs(number(1, 10)));
}

/// Starts the program again and again, each time in a home of its own.
fn starts(count: u64) {
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let bench = Bench::new();
            let begin = Instant::now();
            let mut screen = Screen::open(&bench, &[], 80, 24);
            screen.wait_for("the first frame", |screen| {
                screen.alternate_screen() && screen.contents().contains("benchdog")
            });
            let took = begin.elapsed();
            screen.send_keys("<c-space>q");
            assert_eq!(screen.wait_exit(), Some(0));
            took
        })
        .collect();
    times.sort();
    if let (Some(median), Some(most)) = (times.get(times.len() / 2), times.last()) {
        println!("start to first frame, {count} starts: median {median:.1?}, max {most:.1?}");
    }
}

/// Watches the program while its agents have nothing to do.
fn idle(window: Duration) {
    let bench = Bench::new();
    let script = bench.script("idle", &format!("[[turn]]\nstep = [{{ text = '{WORD}' }}]\n"));
    let agents: String = (0..AGENTS)
        .map(|number| {
            let script = script.display();
            format!(
                "[[agent]]\nname = 'a{number}'\nbackend = 'script'\ncommand = ['{script}']\n\
                 prompt = 'go'\n"
            )
        })
        .collect();
    let file = bench.at_home("bench.toml");
    fs::write(&file, agents).unwrap();
    let mut screen = Screen::open(&bench, &["--bench", file.to_str().unwrap()], 160, 50);
    screen.wait_for("the word of all agents", |screen| {
        screen.contents().matches(WORD).count() == AGENTS
    });
    // What the ends of the turns have to say is said.
    while screen.drain(Duration::from_secs(2)) > 0 {}
    let before = usage(screen.pid());
    let bytes = screen.drain(window);
    let after = usage(screen.pid());
    let seconds = window.as_secs_f64();
    println!("idle, {AGENTS} panes at 160x50, {seconds:.0} s: {bytes} bytes to the terminal");
    if let (Some(before), Some(after)) = (before, after) {
        let cpu = (after.0 - before.0) / seconds * 100.0;
        // A thread that ended meanwhile takes its count with it.
        let switches = after.1.saturating_sub(before.1);
        println!("  processor {cpu:.2} %, {switches} voluntary switches");
    }
    screen.send_keys("<c-space>q");
    assert_eq!(screen.wait_exit(), Some(0));
}

/// Seconds on a processor and voluntary switches of a process so far, with all its threads.
fn usage(pid: u32) -> Option<(f64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: u32 = fields.get(11)?.parse::<u32>().ok()? + fields.get(12)?.parse::<u32>().ok()?;
    // The kernel tells this in hundredths of a second, whatever its own clock does.
    let seconds = f64::from(ticks) / 100.0;
    let mut switches = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let status = fs::read_to_string(task.ok()?.path().join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        switches += line.trim().parse::<u64>().ok()?;
    }
    Some((seconds, switches))
}
