//! The engine dies at each step of each kind of write: what was acknowledged is there, no file is
//! torn, what was replaced comes back byte for byte, and the next engine goes on.
//!
//! The steps are not listed here: a first run passes them and says which they are.

use std::collections::BTreeMap;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::bench_process::{Bench, Ran, Running};
use crate::support::engine::{serve, wait_until};
use crate::support::faults::{Orders, POSSIBLE};
use crate::support::guard::kernel_asks;
use crate::support::workspace::Workspace;

/// The file that is written, and what it is before.
const FILE: &str = "src/a.txt";
const BEFORE: &str = "one\ntwo\nthree\n";

/// What a write leaves.
const AFTER: &str = "one\ntwo\nfour\n";

/// Files change hands quickly.
const QUICK: [&str; 4] =
    ["--set", "arbiter.held_min_seconds=1", "--set", "arbiter.held_max_seconds=1"];

/// A step is tried at so many of its passes; with `BENCHDOG_FULL` at more. Of the history's the
/// first is the grant, and others are what came of it.
fn most_passes(step: &str) -> usize {
    match std::env::var_os("BENCHDOG_FULL") {
        Some(_) => 8,
        None if step == "history-stored" => 2,
        None => 1,
    }
}

/// A kind of write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    ToolEdits,
    ToolMakes,
    ShellRewrites,
    ShellReplaces,
    ShellRemoves,
    ShellMakes,
    PersonUndoes,
}

impl Act {
    fn by_shell(self) -> bool {
        match self {
            Self::ToolEdits | Self::ToolMakes | Self::PersonUndoes => false,
            Self::ShellRewrites | Self::ShellReplaces | Self::ShellRemoves | Self::ShellMakes => {
                true
            }
        }
    }

    /// What the file is before and after; `None`: there is none.
    fn states(self) -> (Option<&'static str>, Option<&'static str>) {
        match self {
            Self::ToolEdits | Self::ShellRewrites | Self::ShellReplaces => {
                (Some(BEFORE), Some(AFTER))
            }
            Self::ToolMakes | Self::ShellMakes => (None, Some(AFTER)),
            Self::ShellRemoves => (Some(BEFORE), None),
            Self::PersonUndoes => (Some(AFTER), Some(BEFORE)),
        }
    }

    /// Brings the tree and the history to where the write begins.
    fn prepare(self, bench: &Bench) {
        if self.states().0.is_none() {
            std::fs::remove_file(bench.workspace.at(FILE)).unwrap();
        }
        match self {
            Self::ToolEdits => {
                call(bench, "red", "read_file", &json!({ "path": FILE }));
            }
            Self::PersonUndoes => {
                call(bench, "red", "read_file", &json!({ "path": FILE }));
                let edit = json!({ "path": FILE, "old": "three", "new": "four" });
                assert_eq!(call(bench, "red", "edit_file", &edit).unwrap()["code"], "OK");
            }
            Self::ToolMakes
            | Self::ShellRewrites
            | Self::ShellReplaces
            | Self::ShellRemoves
            | Self::ShellMakes => {}
        }
    }

    /// Writes; whether it was acknowledged.
    fn run(self, bench: &Bench) -> bool {
        let shell = |line: &str| {
            let ran = bench.run(&["exec", "--as", "red", "--", "sh", "-c", line]);
            ran.code == Some(0)
        };
        let tool = |tool: &str, input: Value| {
            call(bench, "red", tool, &input).is_some_and(|result| result["code"] == "OK")
        };
        match self {
            Self::ToolEdits => {
                tool("edit_file", json!({ "path": FILE, "old": "three", "new": "four" }))
            }
            Self::ToolMakes => tool("write_file", json!({ "path": FILE, "content": AFTER })),
            Self::ShellRewrites | Self::ShellMakes => {
                shell(&format!("printf 'one\\ntwo\\nfour\\n' > {FILE}"))
            }
            Self::ShellReplaces => shell(&format!("sed -i s/three/four/ {FILE}")),
            Self::ShellRemoves => shell(&format!("rm {FILE}")),
            Self::PersonUndoes => {
                let ran = bench.run(&["undo", "--agent", "red", "--json"]);
                ran.code == Some(0)
            }
        }
    }
}

/// Uses a tool; nothing if the engine did not answer.
fn call(bench: &Bench, name: &str, tool: &str, input: &Value) -> Option<Value> {
    let Ran { stdout, .. } = bench.run(&["call", "--as", name, tool, &input.to_string()]);
    serde_json::from_str(&stdout).ok()
}

fn bench() -> Bench {
    Bench::in_workspace(Workspace::with(&[(FILE, BEFORE), ("src/other.txt", "other\n")]))
}

/// The steps that this kind of write passes, with the number of the pass.
fn steps(act: Act) -> Vec<(String, usize)> {
    let bench = bench();
    let (engine, orders) = Orders::serve(&bench, &QUICK);
    act.prepare(&bench);
    orders.give("trace\n");
    assert!(act.run(&bench), "{act:?} works when nothing fails");
    orders.wait_passed("image-spent");
    let mut passes: BTreeMap<String, usize> = BTreeMap::new();
    for step in orders.passed() {
        *passes.entry(step).or_default() += 1;
    }
    drop(engine);
    let all = passes.into_iter();
    all.flat_map(|(step, count)| {
        let most = most_passes(&step).min(count);
        (1..=most).map(move |pass| (step.clone(), pass))
    })
    .collect()
}

/// One life that ends at a step, and the next one. Whether it did end there.
fn die_at(act: Act, step: &str, pass: usize) -> bool {
    let what = format!("{act:?} dies at {step} {pass}");
    let bench = bench();
    let (mut engine, orders) = Orders::serve(&bench, &QUICK);
    act.prepare(&bench);
    orders.give(&format!("trace\ndie {step} {pass}\n"));
    let acknowledged = act.run(&bench);
    let died = ended_there(&engine, &orders, (step, pass));
    engine.signal(Signal::KILL);
    assert_eq!(engine.wait_exit().0, None, "{what}");
    orders.lift();

    let (before, after) = act.states();
    let tree = bench.workspace.tree();
    let now = tree.get(FILE).map(String::as_str);
    // A shell empties or makes its file first and writes then: it dies in between as it would
    // without us, and what there was comes back.
    let between = act.by_shell() && !acknowledged && now == Some("") && after.is_some();
    assert!(now == before || now == after || between, "{what}: it is torn: {now:?}");
    assert!(!acknowledged || now == after, "{what}: it was acknowledged and is lost: {now:?}");

    let engine = serve(&bench, &QUICK);
    let tree = bench.workspace.tree();
    assert_eq!(tree.get(FILE).map(String::as_str), now, "{what}: the start has changed it");
    // The temporary file of `sed` is its own.
    let others = tree.keys().filter(|name| *name != FILE && *name != "src/other.txt");
    let others = others.filter(|name| act != Act::ShellReplaces || !name.starts_with("src/sed"));
    assert_eq!(others.collect::<Vec<_>>(), [""; 0], "{what}: something is left in the tree");
    if now != before {
        known_by_all(act, &bench, now, &what);
    }
    // What was in flight is in nobody's way.
    goes_on(&bench, now, &what);
    drop(engine);
    died
}

/// Waits for the end of an engine, or for the last step of a write.
fn ended_there(engine: &Running, orders: &Orders, (step, pass): (&str, usize)) -> bool {
    wait_until("the step", || {
        let dead = engine.is_over();
        let passed = orders.passed();
        let there = passed.iter().filter(|passed| *passed == step).count() >= pass;
        let over = dead || passed.iter().any(|passed| passed == "image-spent");
        (there || over).then_some(there)
    })
}

/// A write that was done is known: it is listed under its owner, what it replaced comes back, and
/// nobody destroys unseen what it left.
fn known_by_all(act: Act, bench: &Bench, now: Option<&str>, what: &str) {
    let (before, _) = act.states();
    let rows = bench.json(&["changes", FILE, "--json"]);
    let rows = rows.as_array().unwrap();
    let owner = if act == Act::PersonUndoes { "you" } else { "red" };
    let own: Vec<&Value> = rows.iter().filter(|row| row["owner"] == owner).collect();
    assert_eq!(own.len(), 1, "{what}: {rows:#?}");
    let op = match (before, now) {
        (None, _) => "created",
        (_, None) => "deleted",
        _ => "edited",
    };
    assert_eq!(own[0]["op"], op, "{what}: {rows:#?}");
    if let Some(now) = now.filter(|_| kernel_asks()) {
        let line = format!("echo mine > {FILE}");
        let ran = bench.run(&["exec", "--as", "green", "--", "sh", "-c", &line]);
        assert_ne!(ran.code, Some(0), "{what}: green has never seen it");
        assert_eq!(bench.workspace.read(FILE), now, "{what}");
    }
    if let Some(before) = before {
        let ran = bench.run(&["restore", FILE]);
        assert_eq!(ran.code, Some(0), "{what}: {ran:#?}");
        assert_eq!(bench.workspace.read(FILE), before, "{what}");
        let ran = bench.run(&["undo", &last_of_you(bench)]);
        assert_eq!(ran.code, Some(0), "{what}: {ran:#?}");
    }
    assert_eq!(bench.workspace.tree().get(FILE).map(String::as_str), now, "{what}");
}

/// The number of the person's last change.
fn last_of_you(bench: &Bench) -> String {
    let rows = bench.json(&["changes", "--agent", "you", "--json"]);
    rows[0]["id"].to_string()
}

fn goes_on(bench: &Bench, now: Option<&str>, what: &str) {
    if now.is_some() {
        call(bench, "green", "read_file", &json!({ "path": FILE }));
    }
    let text = "green's\n";
    let done = call(bench, "green", "write_file", &json!({ "path": FILE, "content": text }));
    assert_eq!(done.unwrap()["code"], "OK", "{what}");
    assert_eq!(bench.workspace.read(FILE), text, "{what}");
}

/// Dies at every step of a kind of write.
fn sweep(act: Act) {
    if !POSSIBLE || (act.by_shell() && !kernel_asks()) {
        return;
    }
    let steps = steps(act);
    let mut ended: Vec<&(String, usize)> = Vec::new();
    for step in &steps {
        if die_at(act, &step.0, step.1) {
            ended.push(step);
        }
    }
    // A later pass may be a matter of chance; the first of each step is not.
    let missed: Vec<_> = steps.iter().filter(|step| step.1 == 1 && !ended.contains(step)).collect();
    assert!(missed.is_empty(), "{act:?} never died at {missed:?}");
    eprintln!("{act:?}: {} lives, of them {} ended at their step", steps.len(), ended.len());
}

#[test]
fn a_tools_edit_survives_the_engines_death_at_any_step() {
    sweep(Act::ToolEdits);
}

#[test]
fn a_file_that_a_tool_makes_survives_the_engines_death_at_any_step() {
    sweep(Act::ToolMakes);
}

#[test]
fn what_a_shell_rewrites_survives_the_engines_death_at_any_step() {
    sweep(Act::ShellRewrites);
}

#[test]
fn what_a_shell_replaces_survives_the_engines_death_at_any_step() {
    sweep(Act::ShellReplaces);
}

#[test]
fn what_a_shell_removes_survives_the_engines_death_at_any_step() {
    sweep(Act::ShellRemoves);
}

#[test]
fn a_file_that_a_shell_makes_survives_the_engines_death_at_any_step() {
    sweep(Act::ShellMakes);
}

#[test]
fn an_undo_survives_the_engines_death_at_any_step() {
    sweep(Act::PersonUndoes);
}
