//! The built binary with the real agent: one prompt without a screen, and a bench on a socket.

use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::bench_process::{Bench, PROGRAM, Ran, Running};
use crate::support::claude_cli;
use crate::support::model_api::{ModelApi, text, tool};
use crate::support::terminal::Screen;

/// What puts the real agent in the program's reach.
fn environment(bench: &Bench, api: &ModelApi) -> Vec<(String, String)> {
    let mut environment = claude_cli::environment(&bench.at_home("agent"), api.url());
    let theirs = ["PATH", "HOME", "TMPDIR", "LANG"];
    environment.retain(|(name, _)| !theirs.contains(&name.as_str()));
    let program = claude_cli::find().unwrap().to_str().unwrap().to_owned();
    environment.push(("BENCHDOG_CLAUDE_COMMAND".to_owned(), program));
    environment
}

/// The program, with the real agent in its reach.
fn command(bench: &Bench, api: &ModelApi, args: &[&str]) -> Command {
    let mut command = bench.command(args);
    command.envs(environment(bench, api));
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
    // The conversation goes on: the model sees what was said before the kill.
    let id = sessions[0]["id"].as_str().unwrap();
    let resume = pty_process::blocking::Command::new(PROGRAM)
        .args(["resume", id])
        .current_dir(bench.workspace.path())
        .env_clear()
        .envs(bench.environment())
        .envs(environment(&bench, &api));
    let mut screen = Screen::of(resume, 80, 24);
    screen.wait_text("The word is heron.");
    screen.send_keys("[[script:two]] which word was it?<enter>");
    screen.wait_text("Heron it was.");
    let request = api.of_script("two")[0].conversation();
    for words in ["[[script:one]] remember", "The word is heron.", "Written."] {
        assert!(request.contains(words), "{words}: {request}");
    }
    screen.send_keys("<c-space>q");
    assert_eq!(screen.wait_exit(), Some(0));
    engine.signal(Signal::TERM);
    assert_eq!(engine.wait_exit().0, Some(0));
}
