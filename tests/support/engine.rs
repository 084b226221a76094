//! An engine without a screen: `benchdog serve`, its agents, and what is left of them.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::PATIENCE;
use super::bench_process::{Bench, Running};

/// Files change hands quickly, so that a run is about who overwrites whom and not about waiting.
/// And there is room for many agents.
pub(crate) const QUICK: [&str; 8] = [
    "--set",
    "arbiter.held_min_seconds=1",
    "--set",
    "arbiter.held_max_seconds=1",
    "--set",
    "arbiter.reserve_seconds=1",
    "--set",
    "limits.agents=64",
];

/// Asks until there is an answer; panics if none comes in time.
pub(crate) fn wait_until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    wait_within(PATIENCE, what, ask)
}

fn wait_within<T>(patience: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "{what} did not come within {patience:?}");
        std::thread::yield_now();
    }
}

/// Starts `benchdog serve` and waits until it accepts clients.
pub(crate) fn serve(bench: &Bench, flags: &[&str]) -> Running {
    serve_with(bench, flags, &[])
}

/// The same with more in the environment of the engine and so of its agents.
pub(crate) fn serve_with(bench: &Bench, flags: &[&str], environment: &[(&str, &str)]) -> Running {
    let mut command = bench.command(&[&["serve", "--foreground"], flags].concat());
    command.envs(environment.iter().copied());
    let mut engine = Running::of(command);
    assert_eq!(engine.stdout.next().as_deref(), Some("ready"));
    engine
}

/// Ends an engine in order.
pub(crate) fn shut_down(bench: &Bench, mut engine: Running) {
    let done = bench.run(&["shutdown"]);
    assert_eq!(done.code, Some(0), "{done:#?}");
    let (code, messages) = engine.wait_exit();
    assert_eq!((code, messages.as_str()), (Some(0), ""));
}

/// Ends an engine in the worst way.
pub(crate) fn kill(mut engine: Running) {
    engine.signal(Signal::KILL);
    assert_eq!(engine.wait_exit().0, None);
}

/// Starts an agent.
pub(crate) fn spawn(bench: &Bench, name: &str, script: &Path, prompt: &str) -> Value {
    let script = script.to_str().unwrap();
    bench.json(&["spawn", name, "--script", script, "--prompt", prompt, "--json"])
}

/// The row of an agent.
pub(crate) fn agent(bench: &Bench, name: &str) -> Value {
    let rows = bench.json(&["agents", "--json"]);
    let found = rows.as_array().unwrap().iter().find(|row| row["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {rows:#}")).clone()
}

/// Waits until an agent is in this state.
pub(crate) fn wait_state(bench: &Bench, name: &str, state: &str) -> Value {
    wait_until(&format!("{name} {state}"), || {
        Some(agent(bench, name)).filter(|row| row["state"] == state)
    })
}

/// Waits until no agent has anything to do.
pub(crate) fn wait_all_finished(bench: &Bench) -> Value {
    let patience = match std::env::var_os("BENCHDOG_FULL") {
        Some(_) => PATIENCE * 10,
        None => PATIENCE,
    };
    wait_within(patience, "the end of all work", || {
        let rows = bench.json(&["agents", "--json"]);
        let over = |row: &Value| row["state"] == "finished" && row["queue"] == Value::Array(vec![]);
        rows.as_array().unwrap().iter().all(over).then_some(rows)
    })
}

/// Processes whose environment names this home: engines, agents and all that they started.
#[cfg(target_os = "linux")]
pub(crate) fn processes_with(mark: &str) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.windows(mark.len()).any(|window| window == mark.as_bytes()) {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push((pid, String::from_utf8_lossy(&line).replace('\0', " ")));
        }
    }
    found
}
