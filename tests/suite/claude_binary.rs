//! The built binary with the real agent: one prompt without a screen, and a bench on a socket.

use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::bench_process::{Bench, Ran, Running};
use crate::support::claude_cli;
use crate::support::model_api::{ModelApi, text, tool};

/// The program, with the real agent in its reach.
fn command(bench: &Bench, api: &ModelApi, args: &[&str]) -> Command {
    let mut command = bench.command(args);
    let environment = claude_cli::environment(&bench.at_home("agent"), api.url());
    let theirs = ["PATH", "HOME", "TMPDIR", "LANG"];
    command.envs(environment.into_iter().filter(|(name, _)| !theirs.contains(&name.as_str())));
    command.env("BENCHDOG_CLAUDE_COMMAND", claude_cli::find().unwrap());
    command
}

fn ran(bench: &Bench, api: &ModelApi, args: &[&str]) -> Ran {
    let mut running = Running::of(command(bench, api, args));
    let stdout = running.stdout.rest().join("\n");
    let (code, stderr) = running.wait_exit();
    Ran { code, stdout, stderr }
}

#[test]
fn run_does_one_prompt_and_prints_the_answer() {
    if claude_cli::find().is_none() {
        return;
    }
    let bench = Bench::new();
    let write =
        tool("Write", &json!({ "file_path": bench.workspace.at("a.txt"), "content": "one\n" }));
    let api = ModelApi::start(&json!({ "write": [write, text("It is written.")] }));
    let done = ran(&bench, &api, &["run", "[[script:write]]", "--permission-mode", "acceptEdits"]);
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.stdout.contains("It is written."), "{done:#?}");
    assert_eq!(bench.workspace.read("a.txt"), "one\n");
    let sessions = ran(&bench, &api, &["sessions", "--json"]).json();
    assert!(sessions.to_string().contains("[[script:write]]"), "{sessions}");
}

#[test]
fn run_without_anybody_to_answer_ends_with_the_question() {
    if claude_cli::find().is_none() {
        return;
    }
    let bench = Bench::new();
    let write =
        tool("Write", &json!({ "file_path": bench.workspace.at("a.txt"), "content": "one\n" }));
    let api = ModelApi::start(&json!({ "write": [write, text("It is written.")] }));
    let done = ran(&bench, &api, &["run", "[[script:write]]"]);
    assert_eq!(done.code, Some(5), "{done:#?}");
    assert!(!bench.workspace.has("a.txt"));
}

#[test]
fn a_served_bench_is_worked_by_commands_and_survives_a_kill() {
    if claude_cli::find().is_none() {
        return;
    }
    let bench = Bench::new();
    let write =
        tool("Write", &json!({ "file_path": bench.workspace.at("a.txt"), "content": "one\n" }));
    let api = ModelApi::start(&json!({
        "one": [text("The word is heron.")], "write": [write, text("Written.")],
        "two": [text("Heron it was.")] }));
    let serve = || {
        let mut engine = Running::of(command(&bench, &api, &["serve", "--foreground"]));
        engine.wait_line("ready");
        engine
    };
    let mut engine = serve();
    let ok = |args: &[&str]| {
        let done = ran(&bench, &api, args);
        assert_eq!(done.code, Some(0), "{args:?}: {done:#?}");
        done.stdout
    };
    ok(&["spawn", "blue", "--prompt", "[[script:one]] remember"]);
    let state = |wanted: &str| {
        crate::support::bench_engine::until(&format!("an agent that is {wanted}"), || {
            let rows = ran(&bench, &api, &["agents", "--json"]);
            rows.stdout.contains(&format!("\"{wanted}\""))
        });
    };
    state("finished");
    ok(&["send", "blue", "[[script:write]]"]);
    state("needs_you");
    ok(&["answer", "blue", "allow"]);
    state("finished");
    assert_eq!(bench.workspace.read("a.txt"), "one\n");
    engine.signal(Signal::KILL);
    engine.wait_exit();
    let mut engine = serve();
    let sessions: Value = ran(&bench, &api, &["sessions", "--json"]).json();
    assert_eq!(sessions[0]["resumable"], true, "{sessions}");
    engine.signal(Signal::TERM);
    assert_eq!(engine.wait_exit().0, Some(0));
}
