//! A disk that fills up under the running program: what the person sees, and how it ends.
//!
//! No real disk is filled: the kernel is told that files of this process may not grow, which its
//! writes meet as they meet a full disk.
#![cfg(target_os = "linux")]

use pty_process::blocking::Command;
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::support::bench_process::{Bench, PROGRAM};
use crate::support::terminal::Screen;

/// An agent that answers.
const TALKER: &str = "
[[turn]]
on = '.*'
step = [{ text = 'I say ${prompt}.' }]
";

/// The program on a screen, with one agent; it lives through a write that is too long.
fn open(bench: &Bench) -> Screen {
    let script = bench.script("talker", TALKER);
    let file = format!(
        "[[agent]]\nname = 'blue'\nbackend = 'script'\ncommand = ['{PROGRAM}', 'agent-script', '{}']\n",
        script.display()
    );
    let file = bench.script("bench", &file);
    let command = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", PROGRAM, "--bench"])
        .arg(file)
        .current_dir(bench.workspace.path())
        .env_clear()
        .envs(bench.environment());
    let mut screen = Screen::of(command, 100, 30);
    screen.wait_text("blue");
    screen.wait_text("INPUT");
    screen
}

/// From now on no file of the program may be longer than `bytes`; without a number, any length.
fn limit(screen: &Screen, bytes: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(screen.pid()).unwrap()).unwrap();
    let maximum = getrlimit(Resource::Fsize).maximum;
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).unwrap();
}

#[test]
fn a_disk_that_stays_full_is_said_and_what_it_cost_is_counted_at_the_end() {
    let bench = Bench::new();
    let mut screen = open(&bench);
    screen.send_keys("good day<enter>");
    screen.wait_text("I say good day.");
    screen.wait_gone("●");
    limit(&screen, Some(0));
    screen.send_keys("goodbye<enter>");
    screen.wait_text("✗ the history");
    // If something else was to be stored first, the prompt is not taken and stands there still.
    screen.wait_for("the prompt or its answer", |screen| {
        let text = screen.contents();
        text.contains("I say goodbye.") || text.contains("> goodbye")
    });
    screen.wait_gone("●");
    screen.send_keys("<c-space>q");
    let code = screen.wait_exit();
    let seen = screen.screen();
    assert!(!seen.alternate_screen() && !seen.hide_cursor() && !seen.bracketed_paste());
    assert_eq!(seen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    let text = screen.text();
    assert_eq!(code, Some(1), "{text}");
    let lost = text.lines().find_map(|line| line.split_once(" records of the history are lost"));
    let count = lost.and_then(|(before, _)| before.rsplit(' ').next()?.parse::<u64>().ok());
    assert!(count.is_some_and(|count| count > 0), "{text}");
}
