//! Changes from outside: what the built binary lists, shows and takes back.

use std::fs;

use serde_json::Value;

use crate::support::bench_process::Bench;
use crate::support::engine::{serve, shut_down, spawn, wait_all_finished};

/// An agent that writes with a tool, and with commands over files that nobody has read.
const WRITER: &str = "
[[turn]]
step = [
  { write = 'src/new.rs', content = \"fn new() {}\\n\", ask = false },
  { bash = 'printf hello > picture.png; rm notes.txt', ask = false },
]
";

/// The one change of this file.
#[track_caller]
fn change_of<'a>(changes: &'a Value, path: &str) -> &'a Value {
    let rows = changes.as_array().unwrap();
    let found: Vec<_> = rows.iter().filter(|row| row["path"] == path).collect();
    assert_eq!(found.len(), 1, "{path}: {changes:#}");
    found[0]
}

#[test]
fn what_a_command_of_an_agent_overwrote_and_deleted_comes_back() {
    let picture: Vec<u8> =
        (0..50_000u32).flat_map(|n| n.wrapping_mul(40_503).to_be_bytes()).collect();
    let bench = Bench::new();
    let file = |name: &str| bench.workspace.path().join(name);
    fs::write(file("picture.png"), &picture).unwrap();
    fs::write(file("notes.txt"), "one\ntwo\n").unwrap();
    let script = bench.script("writer", WRITER);
    let engine = serve(&bench, &[]);
    spawn(&bench, "blue", &script, "go");
    wait_all_finished(&bench);
    assert_eq!(fs::read(file("picture.png")).unwrap(), b"hello");

    let changes = bench.json(&["changes", "--agent", "blue", "--json"]);
    for (path, op, kept) in [
        ("src/new.rs", "created", false),
        ("picture.png", "edited", true),
        ("notes.txt", "deleted", true),
    ] {
        let row = change_of(&changes, path);
        assert_eq!((&row["op"], &row["turn"]), (&op.into(), &1.into()), "{row:#}");
        assert_eq!(row["before_kept"], kept, "{row:#}");
    }
    let lost = bench.json(&["changes", "--lost", "--json"]);
    change_of(&lost, "notes.txt");

    let back = bench.run(&["restore", "notes.txt"]);
    assert_eq!(back.code, Some(0), "{back:#?}");
    assert_eq!(fs::read_to_string(file("notes.txt")).unwrap(), "one\ntwo\n");
    let id = change_of(&changes, "picture.png")["id"].to_string();
    assert_eq!(bench.run(&["undo", &id]).code, Some(0));
    assert!(fs::read(file("picture.png")).unwrap() == picture);
    let again = bench.run(&["undo", &id]);
    assert_eq!(again.code, Some(1), "it is taken back already: {again:#?}");
    let wrong = bench.run(&["undo", "9999"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("`benchdog changes` lists them"), "{wrong:#?}");
    shut_down(&bench, engine);

    // What only looks needs no engine.
    let blame = bench.run(&["blame", "src/new.rs"]);
    assert!(blame.stdout.contains("blue") && blame.stdout.contains("fn new() {}"), "{blame:#?}");
    let number = change_of(&changes, "src/new.rs")["id"].to_string();
    let diff = bench.run(&["diff", &number]);
    assert!(diff.stdout.ends_with("@@ -0,0 +1,1 @@\n+fn new() {}"), "{diff:#?}");
    let plan = bench.run(&["undo", &number, "--dry-run"]);
    assert!(plan.stdout.starts_with("removes src/new.rs"), "{plan:#?}");
    assert!(file("src/new.rs").exists());
    assert_eq!(bench.run(&["undo", &number]).code, Some(7), "what writes needs the engine");
}
