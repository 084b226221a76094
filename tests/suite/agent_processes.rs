//! What agents' own processes can do over the socket of their bench: look, and be themselves.

use std::path::Path;

use serde_json::Value;

use crate::support::bench_process::{Bench, PROGRAM};
use crate::support::engine::{serve, shut_down, spawn, wait_state};

/// What an agent's shell tries: the words of the command, and the exit code that it gets.
const TRIES: [(&str, i32); 14] = [
    ("agents --json", 0),
    ("locks --json", 0),
    ("answer --json", 0),
    ("call --as blue who_has '{\"paths\":[\"a.txt\"]}'", 0),
    ("call --as user who_has '{\"paths\":[\"a.txt\"]}'", 5),
    ("call --as red who_has '{\"paths\":[\"a.txt\"]}'", 5),
    ("answer red allow", 5),
    ("steal a.txt", 5),
    ("release a.txt", 5),
    ("pin a.txt", 5),
    ("spawn green --backend script --permission-mode bypassPermissions", 5),
    ("send red 'do it'", 5),
    ("stop red", 5),
    ("shutdown", 5),
];

/// A script whose shell tries all of it and writes down how each try ended.
fn tries(file: &str, before: &str) -> String {
    let lines: Vec<String> = TRIES
        .iter()
        .map(|(words, _)| {
            format!("{before} {PROGRAM} {words} >>said.txt 2>&1; echo $? >>{file}.part")
        })
        .collect();
    format!("{}\nmv {file}.part {file}\n", lines.join("\n"))
}

#[test]
fn a_process_of_an_agent_cannot_act_for_the_person_or_as_another_agent() {
    let bench = Bench::new();
    bench.workspace.write("a.txt", "one\n");
    let engine = serve(&bench, &[]);
    let red =
        bench.script("red", "[[turn]]\nstep = [{ bash = 'echo hi > asked.txt', ask = true }]\n");
    spawn(&bench, "red", &red, "go");
    wait_state(&bench, "red", "needs_you");
    // Directly, and with an environment that says nothing; on Linux in a session of its own.
    let session = if cfg!(target_os = "linux") { "setsid -w" } else { "" };
    let clean = format!("env -u BENCHDOG_AGENT_RUN -u BENCHDOG_ENGINE_PROCESS {session}");
    let plain = tries("plain.txt", "");
    let hidden = tries("hidden.txt", &clean);
    bench.workspace.write("try.sh", &format!("{plain}{hidden}"));
    let blue = bench.script("blue", "[[turn]]\nstep = [{ bash = 'sh try.sh', ask = false }]\n");
    spawn(&bench, "blue", &blue, "go");
    wait_state(&bench, "blue", "finished");
    for file in ["plain.txt", "hidden.txt"] {
        let codes = bench.workspace.read(file);
        let codes: Vec<i32> = codes.lines().map(|code| code.parse().unwrap()).collect();
        let got: Vec<(&str, i32)> = TRIES.iter().map(|(words, _)| *words).zip(codes).collect();
        assert_eq!(got, TRIES, "{file}: {}", bench.workspace.read("said.txt"));
    }
    // Nothing of it has happened; and the person still may.
    let rows = bench.json(&["agents", "--json"]);
    assert_eq!(rows.as_array().map(Vec::len), Some(2), "{rows:#}");
    let locks = bench.json(&["locks", "--json"]);
    let taken = |row: &Value| row["path"] == "a.txt" || row["owner"] == "you";
    assert!(!locks.as_array().unwrap().iter().any(taken), "{locks:#}");
    assert!(!bench.workspace.has("asked.txt"), "an agent has answered for the person");
    assert_eq!(bench.run(&["answer", "red", "allow"]).code, Some(0));
    wait_state(&bench, "red", "finished");
    assert!(Path::new(&bench.workspace.at("asked.txt")).exists());
    shut_down(&bench, engine);
}
