//! Several scripted agents on the same files, judged by the black-box checker.
//!
//! Without an arbiter they must lose updates, or the proof proves nothing; with the smallest
//! arbiter that there can be (one writer at a time, and only on what it has seen) they lose none.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex};
use std::thread;

use serde_json::Value;

use crate::script_agent::HOOKS;
use crate::support::bench_process::Bench;
use crate::support::checker::{Verdict, check};
use crate::support::host::{Host, deny};
use crate::support::workspace::Workspace;

const AGENTS: usize = 4;
const MARKERS: usize = 25;
const FILES: [&str; 2] = ["one.txt", "two.txt"];

fn script(via: &str) -> String {
    format!(
        "[[turn]]\nstep = [{{ repeat = {MARKERS}, step = [{{ append_marker = ['{}', '{}'], pick = 'random',\n\
         via = '{via}', at = 'random', pause_ms = 3, retries = 1000, retry_ms = 1, ask = false }}] }}]\n",
        FILES[0], FILES[1]
    )
}

/// Runs all agents at once; `answer` decides what a hook says to which agent.
fn race(via: &str, answer: impl Fn(usize, &Value) -> Option<Value> + Sync) -> Verdict {
    let files = FILES.map(|file| (file, "first\nsecond\nthird\nfourth\nfifth\n"));
    let bench = Bench::in_workspace(Workspace::with(&files));
    let before = bench.workspace.tree();
    let script = bench.script("race", &script(via));
    let logs: Vec<PathBuf> =
        (0..AGENTS).map(|agent| bench.at_home(&format!("{agent}.log"))).collect();
    thread::scope(|scope| {
        for (agent, log) in logs.iter().enumerate() {
            let (bench, script, answer) = (&bench, &script, &answer);
            scope.spawn(move || {
                let mut command = bench.command(&["agent-script", script.to_str().unwrap()]);
                command.env("BENCHDOG_SCRIPT_NAME", format!("agent{agent}"));
                command.env("BENCHDOG_SCRIPT_LOG", log).env("BENCHDOG_SCRIPT_SPEED", "1");
                let mut host = Host::start(command);
                host.initialize(HOOKS);
                host.prompt("go");
                let result = host.finish(|request| answer(agent, request));
                assert_eq!(result["is_error"], false, "{result}");
            });
        }
    });
    let logs: Vec<_> = logs.iter().map(|log| fs::read_to_string(log).unwrap()).collect();
    check(bench.workspace.path(), &before, &bench.workspace.tree(), &logs)
}

#[test]
fn without_an_arbiter_whole_file_writes_lose_updates() {
    let verdict = race("write", |_, _| None);
    assert_eq!(verdict.acknowledged, AGENTS * MARKERS);
    assert!(
        verdict.lost_share() > 0.1,
        "only {} of {} lost",
        verdict.lost.len(),
        verdict.acknowledged
    );
}

/// Who writes what, and what each agent has last seen of a file.
#[derive(Default)]
struct State {
    writers: HashMap<PathBuf, usize>,
    seen: HashMap<(usize, PathBuf), String>,
}

/// One writer at a time per file, and only on a text that it has seen.
#[derive(Default)]
struct SmallArbiter {
    state: Mutex<State>,
    freed: Condvar,
}

impl SmallArbiter {
    fn answer(&self, agent: usize, request: &Value) -> Option<Value> {
        let input = &request["request"]["input"];
        let path = Path::new(input["tool_input"]["file_path"].as_str()?).to_owned();
        let key = (agent, path.clone());
        let mut state = self.state.lock().unwrap();
        match (input["hook_event_name"].as_str()?, input["tool_name"].as_str()?) {
            ("PostToolUse", "Read") => {
                let seen = input["tool_response"]["file"]["content"].as_str()?.to_owned();
                state.seen.insert(key, seen);
            }
            ("PreToolUse", "Edit" | "Write") => {
                while state.writers.contains_key(&path) {
                    state = self.freed.wait(state).unwrap();
                }
                let now = fs::read_to_string(&path).unwrap();
                if state.seen.get(&key) != Some(&now) {
                    return Some(deny("NOT WRITTEN (stale): it changed after you read it"));
                }
                state.writers.insert(path, agent);
            }
            ("PostToolUse" | "PostToolUseFailure", "Edit" | "Write") => {
                state.writers.remove(&path);
                let now = fs::read_to_string(&path).unwrap();
                state.seen.insert(key, now);
                self.freed.notify_all();
            }
            _ => {}
        }
        None
    }
}

#[test]
fn with_one_writer_that_has_seen_the_file_nothing_is_lost() {
    for via in ["write", "edit", "mixed"] {
        let arbiter = SmallArbiter::default();
        let verdict = race(via, |agent, request| arbiter.answer(agent, request));
        assert_eq!(verdict.acknowledged, AGENTS * MARKERS, "{via}");
        assert_eq!(verdict.unclaimed, 0, "{via}");
        verdict.assert_nothing_lost();
    }
}
