//! Races against the whole product: what a call is about changes while an engine answers it.
//!
//! Blue has written the held file and reserved it. Red's command is this program again, behind
//! `benchdog exec`; it writes a free file and the held one, as it comes. Each race must have had
//! both outcomes, and must succeed where nothing is guarded, or it proves nothing; and the held
//! file must be as before. `BENCHDOG_FULL=1` makes all tries of all attacks.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::time::Instant;

use serde_json::json;

use crate::support::attacker::{
    BARE_PART, BARE_ROUNDS, Counts, HELD, RACES, attack, environment, fingerprint, prepare,
    while_links_change,
};
use crate::support::bench_process::{Bench, Running};
use crate::support::engine::{serve, shut_down};
use crate::support::guard::kernel_asks;
use crate::support::workspace::Workspace;

/// What is attacked where there is little time, and with which part of the tries.
const SHORT: [&str; 2] = ["path", "symlink"];
const PART: usize = 50;

const ATTACKER: [&str; 3] = ["--exact", "races::attacker", "--nocapture"];

/// Not a test unless the test below starts it: the attacker.
#[test]
fn attacker() {
    attack();
}

fn field(attack: &str) -> Bench {
    let workspace = Workspace::with_outside();
    workspace.write(HELD, "one\n");
    prepare(attack, workspace.path(), &workspace.outside());
    Bench::in_workspace(workspace)
}

/// Whether the attack succeeds where nothing is guarded.
fn proves(attack: &str, tries: usize) -> bool {
    let bench = field(attack);
    let before = fingerprint(&bench.workspace.at(HELD));
    // On a busy machine all tries may fall between two changes.
    (0..BARE_ROUNDS).any(|_| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(ATTACKER).current_dir(bench.workspace.path());
        command.envs(environment(attack, tries, false));
        let done = while_links_change(attack, &bench.workspace.outside(), || command.output());
        assert!(done.unwrap().status.success());
        fingerprint(&bench.workspace.at(HELD)) != before
    })
}

fn race(attack: &str, tries: usize) -> Counts {
    let bench = field(attack);
    let engine = serve(&bench, &[]);
    let blue = |tool: &str, input: serde_json::Value| {
        let done = bench.json(&["call", "--as", "blue", tool, &input.to_string()]);
        assert_eq!(done["code"], "OK", "{done:#}");
    };
    blue("read_file", json!({ "path": HELD }));
    blue("edit_file", json!({ "path": HELD, "old": "one", "new": "one\nblue's" }));
    let mine = json!({ "paths": [HELD], "mode": "write", "reason": "mine", "minutes": 30 });
    blue("reserve_files", mine);
    let before = fingerprint(&bench.workspace.at(HELD));
    let test = std::env::current_exe().unwrap();
    let mut command = bench.command(&["exec", "--as", "red", "--", test.to_str().unwrap()]);
    command.args(ATTACKER).envs(environment(attack, tries, true));
    let (code, said, told) = while_links_change(attack, &bench.workspace.outside(), || {
        let mut running = Running::of(command);
        let said =
            std::iter::from_fn(|| running.stdout.next_within(crate::support::PATIENCE * 10)?);
        let said = said.collect::<Vec<_>>().join("\n");
        let (code, told) = running.wait_exit();
        (code, said, told)
    });
    assert_eq!(code, Some(0), "{said}\n{told}");
    assert_eq!(before, fingerprint(&bench.workspace.at(HELD)), "{attack} got through: {said}");
    assert_eq!(bench.workspace.read(HELD), "one\nblue's\n");
    let counts = Counts::read(&said);
    counts.assert_a_race(attack);
    assert!(told.contains("NOT WRITTEN (pinned)"), "{told}");
    shut_down(&bench, engine);
    counts
}

#[test]
fn no_race_against_the_engine_reaches_what_another_one_has() {
    if !kernel_asks() {
        return;
    }
    let full = std::env::var_os("BENCHDOG_FULL").is_some();
    let only = std::env::var("WAY").ok();
    let races = RACES.iter().filter(|(name, _)| match &only {
        Some(only) => only == name,
        None => full || SHORT.contains(name),
    });
    for (attack, tries) in races {
        assert!(proves(attack, tries / BARE_PART), "{attack} proves nothing");
        let tries = if full { *tries } else { tries / PART };
        let begun = Instant::now();
        let counts = race(attack, tries);
        let took = begun.elapsed().as_secs_f64();
        eprintln!("{attack}, {tries} tries: {counts:?}, none through, {took:.1} s");
    }
}
