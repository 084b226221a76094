//! The promise, from outside: real processes on one tree, and a checker that believes nothing but
//! the tree before, the tree after and what each writer wrote down itself.
//!
//! With the arbiter no acknowledged marker is ever missing. Without it the same run loses many, or
//! it would prove nothing. `BENCHDOG_FULL=1` makes the runs larger.

use std::fs;
use std::path::PathBuf;
use std::thread;

use serde_json::{Value, json};

use crate::support::bench_process::Bench;
use crate::support::checker::{Verdict, check};
use crate::support::engine::{QUICK, serve_with, shut_down, spawn, wait_all_finished};
use crate::support::workspace::Workspace;

/// What a run is like.
#[derive(Clone, Copy)]
struct Race {
    agents: usize,
    markers: usize,
    files: usize,
    /// How agents write: `edit`, `write` or `mixed`.
    via: &'static str,
    /// Writers that are no agents, and how much each writes.
    callers: usize,
    calls: usize,
}

impl Race {
    /// As large as the machine is given time for.
    fn sized(self) -> Self {
        match std::env::var_os("BENCHDOG_FULL") {
            Some(_) => Self { markers: self.markers * 10, calls: self.calls * 10, ..self },
            None => self,
        }
    }

    fn expected(&self) -> usize {
        self.agents * self.markers + self.callers * self.calls
    }

    fn file(number: usize) -> String {
        format!("src/part{number}.txt")
    }

    fn script(&self, name: &str) -> String {
        let files: Vec<_> = (0..self.files).map(Self::file).collect();
        format!(
            "name = '{name}'\n[[turn]]\nstep = [{{ repeat = {}, step = [{{ append_marker = {},\n\
             pick = 'random', via = '{}', at = 'random', pause_ms = 2, retries = 100000,\n\
             retry_ms = 1, ask = false }}] }}]\n",
            self.markers,
            json!(files),
            self.via
        )
    }

    /// Lets everybody write at once, with these settings.
    fn run(&self, settings: &[&str]) -> Verdict {
        let workspace = Workspace::new();
        for file in (0..self.files).map(Self::file) {
            workspace.write(&file, "first\nsecond\nthird\nfourth\nfifth\n");
        }
        let bench = Bench::in_workspace(workspace);
        let before = bench.workspace.tree();
        let log = bench.at_home("agents.log");
        // Every agent appends to it in one write per line; what stands there is its own word.
        let environment =
            [("BENCHDOG_SCRIPT_LOG", log.to_str().unwrap()), ("BENCHDOG_SCRIPT_SPEED", "1")];
        let engine = serve_with(&bench, settings, &environment);
        let scripts: Vec<(String, PathBuf)> = (0..self.agents)
            .map(|agent| {
                let name = format!("agent{agent}");
                let script = bench.script(&name, &self.script(&name));
                (name, script)
            })
            .collect();
        for (name, script) in &scripts {
            spawn(&bench, name, script, "go");
        }
        let mut logs: Vec<String> = thread::scope(|scope| {
            let bench = &bench;
            let calling: Vec<_> = (0..self.callers)
                .map(|caller| scope.spawn(move || self.call(bench, caller)))
                .collect();
            calling.into_iter().map(|calls| calls.join().unwrap()).collect()
        });
        let agents = wait_all_finished(&bench);
        for agent in agents.as_array().unwrap() {
            assert!(agent["trouble"].is_null(), "{agent:#}");
        }
        shut_down(&bench, engine);
        logs.push(fs::read_to_string(&log).unwrap_or_default());
        check(bench.workspace.path(), &before, &bench.workspace.tree(), &logs)
    }

    /// A writer that is no agent: one command per read and write, whole files and edits in turn.
    fn call(&self, bench: &Bench, caller: usize) -> String {
        let name = format!("caller{caller}");
        let mut log = String::new();
        let tool = |tool: &str, input: &Value| {
            let ran = bench.run(&["call", "--as", &name, tool, &input.to_string()]);
            serde_json::from_str::<Value>(&ran.stdout).unwrap_or_else(|_| panic!("{ran:#?}"))
        };
        for number in 0..self.calls {
            let path = Self::file((caller + number) % self.files);
            let marker = format!("@{name}:{number}:{:08x}", number * 7919 + caller);
            loop {
                let seen = tool("read_file", &json!({ "path": path }));
                let Some(seen) = seen["data"]["content"].as_str() else { continue };
                let result = if number % 2 == 0 {
                    let content = format!("{seen}{marker}\n");
                    tool("write_file", &json!({ "path": path, "content": content }))
                } else {
                    let last = seen.lines().last().unwrap_or_default();
                    let new = format!("{last}\n{marker}");
                    tool("edit_file", &json!({ "path": path, "old": last, "new": new }))
                };
                let ok = result["ok"] == true;
                let end = if ok { "acknowledged" } else { "refused" };
                let path = bench.workspace.at(&path);
                log += &format!("{}\n", json!({ "marker": marker, "path": path, "end": end }));
                if ok {
                    break;
                }
                let code = result["code"].as_str().unwrap_or_default();
                assert!(["HELD", "STALE", "UNREAD", "DEADLOCK"].contains(&code), "{result}");
            }
        }
        log
    }
}

fn nothing_is_lost(race: Race) {
    let race = race.sized();
    let begun = std::time::Instant::now();
    let verdict = race.run(&QUICK);
    eprintln!(
        "{} {}: {} acknowledged, {} refused, {} failed, {} lost, {:.1} s",
        race.agents,
        race.via,
        verdict.acknowledged,
        verdict.refused,
        verdict.failed,
        verdict.lost.len(),
        begun.elapsed().as_secs_f64()
    );
    verdict.assert_nothing_lost();
    assert_eq!(verdict.acknowledged, race.expected());
    assert_eq!(verdict.unclaimed, 0);
}

#[test]
fn agents_that_edit_lose_nothing() {
    let race = Race { agents: 6, markers: 40, files: 1, via: "edit", callers: 0, calls: 0 };
    nothing_is_lost(race);
}

#[test]
fn agents_that_write_whole_files_lose_nothing() {
    let race = Race { agents: 6, markers: 40, files: 1, via: "write", callers: 0, calls: 0 };
    nothing_is_lost(race);
}

#[test]
fn agents_that_do_both_on_several_files_lose_nothing() {
    let race = Race { agents: 6, markers: 12, files: 3, via: "mixed", callers: 0, calls: 0 };
    nothing_is_lost(race);
}

#[test]
fn agents_and_commands_on_the_same_files_lose_nothing() {
    let race = Race { agents: 6, markers: 10, files: 1, via: "mixed", callers: 2, calls: 8 };
    nothing_is_lost(race);
}

#[test]
fn without_the_arbiter_the_same_agents_lose_much() {
    let race = Race { agents: 6, markers: 40, files: 4, via: "write", callers: 0, calls: 0 };
    let verdict = race.run(&["--set", "arbiter.enabled=false"]);
    let (lost, of) = (verdict.lost.len(), verdict.acknowledged);
    eprintln!("without the arbiter: {lost} of {of} lost");
    assert_eq!(of, race.expected());
    assert!(verdict.lost_share() > 0.1, "only {lost} of {of} lost: the run proves nothing");
}
