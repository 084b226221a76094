//! What agents and scripts do by shell is enforced, seen from outside: real commands behind the
//! real guard, the built program, and the files afterwards.

use std::process::Command as Process;

use benchdog::engine::boot::{Boot, boot};
use benchdog::engine::command::{Command, Reply};
use benchdog::engine::event::{Event, ToClient, ToEngine};
use serde_json::json;

use crate::support::PATIENCE;
use crate::support::bench_process::{Bench, Ran, Running};
use crate::support::engine::{QUICK, kill, serve, shut_down, wait_until};
use crate::support::guard::kernel_asks;
use crate::support::workspace::Workspace;

/// Runs a shell line as a process of `name`.
fn shell(bench: &Bench, name: &str, line: &str) -> Ran {
    bench.run(&["exec", "--as", name, "--", "sh", "-c", line])
}

/// Uses a tool as `name`; its code.
fn tool(bench: &Bench, name: &str, tool: &str, input: &serde_json::Value) -> String {
    let ran = bench.run(&["call", "--as", name, tool, &input.to_string()]);
    let result: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    result["code"].as_str().unwrap_or_default().to_owned()
}

/// Blue has written a.rs just now, in a repository.
fn held_by_blue() -> Bench {
    let bench = Bench::in_workspace(
        Workspace::with(&[
            ("src/a.rs", "one\n"),
            ("src/b.rs", "b\n"),
            (".gitignore", "out/\n*.log\n"),
        ])
        .git(),
    );
    bench.workspace.write("out/built", "1");
    bench
}

/// Likewise, with an engine on it; nothing where nothing can be guarded.
fn guarded_and_written_by_blue() -> Option<(Bench, Running)> {
    if !kernel_asks() {
        return None;
    }
    let bench = held_by_blue();
    let engine = serve(&bench, &[]);
    blue_writes(&bench);
    Some((bench, engine))
}

fn blue_writes(bench: &Bench) {
    tool(bench, "blue", "read_file", &json!({ "path": "src/a.rs" }));
    let edit = json!({ "path": "src/a.rs", "old": "one", "new": "one\nblue's" });
    assert_eq!(tool(bench, "blue", "edit_file", &edit), "OK");
}

#[test]
fn what_another_one_has_stays_and_the_reason_is_told() {
    let Some((bench, engine)) = guarded_and_written_by_blue() else { return };
    let mine = json!({ "paths": ["src/a.rs"], "mode": "write", "reason": "mine", "minutes": 5 });
    assert_eq!(tool(&bench, "blue", "reserve_files", &mine), "OK");
    for line in [
        "sed -i s/one/two/ src/a.rs",
        "echo two > src/a.rs",
        "python3 -c \"open('src/a.rs','w').write('x')\"",
        "mv src/a.rs src/c.rs",
        "mv src elsewhere",
        "cp src/b.rs src/a.rs",
        "truncate -s 0 src/a.rs",
        "ln src/a.rs name.log; echo two > name.log",
    ] {
        let ran = shell(&bench, "red", line);
        assert_ne!(ran.code, Some(0), "{line}: {ran:#?}");
        assert!(ran.stderr.contains("NOT WRITTEN (pinned)"), "{line}: {ran:#?}");
        assert!(ran.stderr.contains("\"blue\""), "{line}: {ran:#?}");
        assert_eq!(bench.workspace.read("src/a.rs"), "one\nblue's\n", "{line}");
    }
    let ran = shell(&bench, "red", "rm -rf .git");
    assert!(ran.stderr.contains("NOT WRITTEN"), "{ran:#?}");
    assert!(bench.workspace.has(".git/HEAD"));
    let ran = shell(&bench, "red", "rm -rf src; echo new > fresh.rs; echo built > out/built");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(!bench.workspace.has("src/b.rs"), "what is red's to remove is removed");
    assert_eq!(bench.workspace.read("src/a.rs"), "one\nblue's\n");
    assert_eq!(bench.workspace.read("fresh.rs"), "new\n");
    assert_eq!(bench.workspace.read("out/built"), "built\n");
    shut_down(&bench, engine);
}

#[test]
fn what_another_one_wrote_is_not_destroyed_unseen_once_it_is_free() {
    let Some((bench, engine)) = guarded_and_written_by_blue() else { return };
    let ran = shell(&bench, "red", "echo two > src/a.rs");
    assert!(ran.stderr.contains("NOT WRITTEN (unread)"), "{ran:#?}");
    assert_eq!(bench.workspace.read("src/a.rs"), "one\nblue's\n");
    // Adding to it destroys nothing, and whoever has seen it may replace it.
    let ran = shell(&bench, "red", "echo red >> src/a.rs");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    tool(&bench, "red", "read_file", &json!({ "path": "src/a.rs" }));
    let ran = shell(&bench, "red", "echo two > src/a.rs");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(bench.workspace.read("src/a.rs"), "two\n");
    shut_down(&bench, engine);
}

#[test]
fn a_file_is_free_when_the_command_is_over_and_not_before() {
    if !kernel_asks() {
        return;
    }
    let bench = held_by_blue();
    let engine = serve(&bench, &[]);
    let line = "exec 3>>src/b.rs; echo ready; read line < go; echo late >&3";
    let go = bench.workspace.at("go");
    assert!(Process::new("mkfifo").arg(&go).status().unwrap().success());
    let mut slow = bench.start(&["exec", "--as", "red", "--", "sh", "-c", line]);
    assert_eq!(slow.stdout.next().as_deref(), Some("ready"));
    let ran = shell(&bench, "blue", "echo x > src/b.rs");
    assert!(
        ran.stderr.contains("NOT WRITTEN (held)") && ran.stderr.contains("\"red\""),
        "{ran:#?}"
    );
    std::fs::write(&go, "go\n").unwrap();
    assert_eq!(slow.wait_exit().0, Some(0));
    let free = || {
        let locks = bench.json(&["locks", "--json"]);
        locks.as_array().is_some_and(Vec::is_empty).then_some(())
    };
    wait_until("the file to be free", free);
    assert_eq!(bench.workspace.read("src/b.rs"), "b\nlate\n");
    shut_down(&bench, engine);
}

#[test]
fn a_process_that_waits_goes_on_when_the_lease_has_run_out() {
    if !kernel_asks() {
        return;
    }
    let bench = held_by_blue();
    let engine = serve(&bench, &QUICK);
    // Its command goes on, so that nothing but time ends the lease.
    let go = bench.workspace.at("go");
    assert!(Process::new("mkfifo").arg(&go).status().unwrap().success());
    let line = "echo one >> src/b.rs; echo ready; read line < go";
    let mut blue = bench.start(&["exec", "--as", "blue", "--", "sh", "-c", line]);
    assert_eq!(blue.stdout.next().as_deref(), Some("ready"));
    let ran = shell(&bench, "red", "echo two >> src/b.rs");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(bench.workspace.read("src/b.rs"), "b\none\ntwo\n");
    std::fs::write(&go, "go\n").unwrap();
    assert_eq!(blue.wait_exit().0, Some(0));
    shut_down(&bench, engine);
}

#[test]
fn the_command_keeps_its_exit_code_its_output_and_its_folder() {
    if !kernel_asks() {
        return;
    }
    let bench = held_by_blue();
    let engine = serve(&bench, &[]);
    let ran = shell(&bench, "user", "cd src && pwd && echo told >&2 && exit 7");
    let folder = bench.workspace.at("src");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(7), folder.to_str().unwrap()));
    assert_eq!(ran.stderr, "told\n");
    let ran = bench.run(&["exec", "--as", "user", "--", "/nowhere/program"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("`/nowhere/program` does not start"), "{ran:#?}");
    shut_down(&bench, engine);
    let ran = shell(&bench, "user", "true");
    assert_eq!(ran.code, Some(7), "no engine: {ran:#?}");
}

#[test]
fn where_the_guard_is_switched_off_a_command_runs_without_and_it_is_said() {
    let bench = held_by_blue();
    let engine = serve(&bench, &["--set", "agent.guard=off"]);
    blue_writes(&bench);
    let ran = shell(&bench, "red", "echo two > src/a.rs");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert!(ran.stderr.contains("not guarded"), "{ran:#?}");
    assert_eq!(bench.workspace.read("src/a.rs"), "two\n");
    shut_down(&bench, engine);
}

#[test]
fn what_the_person_saves_outside_is_a_change_of_somebody_outside() {
    let Some((bench, engine)) = guarded_and_written_by_blue() else { return };
    // An editor that had the old text saves it over blue's line.
    bench.workspace.write("src/a.rs", "one\nthe person's\n");
    bench.workspace.write("src/new/deep/x.rs", "x\n");
    let known = |path: &str, by: &str| {
        let ran = bench.run(&[
            "call",
            "--as",
            "blue",
            "who_has",
            &json!({ "paths": [path] }).to_string(),
        ]);
        let result: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        (result["data"]["items"][0]["last_writer"] == by).then_some(())
    };
    wait_until("the save to be seen", || known("src/a.rs", "somebody outside"));
    wait_until("a file in new folders to be seen", || {
        known("src/new/deep/x.rs", "somebody outside")
    });
    let ran = shell(&bench, "blue", "echo mine > src/a.rs");
    assert!(ran.stderr.contains("NOT WRITTEN (unread)"), "{ran:#?}");
    shut_down(&bench, engine);
}

#[test]
fn whatever_a_process_destroys_can_be_brought_back_byte_for_byte() {
    if !kernel_asks() {
        return;
    }
    let bench = held_by_blue();
    let noise: Vec<u8> =
        (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let files: [(&str, &[u8]); 6] = [
        ("removed.bin", &noise),
        ("emptied.txt", b"emptied\r\n\xff\n"),
        ("replaced.txt", b"replaced\n"),
        ("in/place.txt", b"in place\n"),
        ("in/deep.txt", b"deep\n"),
        ("tool.sh", b"#!/bin/sh\n"),
    ];
    for (path, bytes) in files {
        let full = bench.workspace.at(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(full, bytes).unwrap();
    }
    let line = "rm removed.bin tool.sh && : > emptied.txt && echo new > new && mv -f new replaced.txt \
                && echo IN 1<> in/place.txt && rm -rf in/deep.txt";
    let engine = serve(&bench, &[]);
    let ran = shell(&bench, "red", line);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let listed = || {
        let changes = bench.json(&["changes", "--json", "--limit", "100"]);
        let text = changes.to_string();
        files.iter().all(|(path, _)| text.contains(path)).then_some(())
    };
    wait_until("the changes to be listed", listed);
    for (path, bytes) in files {
        let ran = bench.run(&["restore", path]);
        assert_eq!(ran.code, Some(0), "{path}: {ran:#?}");
        assert!(std::fs::read(bench.workspace.at(path)).unwrap() == bytes, "{path}");
    }
    shut_down(&bench, engine);
}

#[test]
fn what_was_destroyed_before_the_engine_was_killed_can_be_brought_back() {
    if !kernel_asks() {
        return;
    }
    let bench = held_by_blue();
    for number in 0..40 {
        bench.workspace.write(&format!("many/{number}.txt"), &format!("{number}\n"));
    }
    let engine = serve(&bench, &[]);
    let ran = shell(&bench, "red", "rm -r many");
    kill(engine);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let engine = serve(&bench, &[]);
    for number in 0..40 {
        let path = format!("many/{number}.txt");
        let ran = bench.run(&["restore", &path]);
        assert_eq!(ran.code, Some(0), "{path}: {ran:#?}");
        assert_eq!(bench.workspace.read(&path), format!("{number}\n"));
    }
    shut_down(&bench, engine);
}

#[test]
fn a_save_from_outside_that_drops_an_agents_lines_is_said_with_the_way_back() {
    let bench = held_by_blue();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let text = runtime.block_on(async {
        let wish = Boot::new(bench.workspace.path(), &bench.at_home("history.db"));
        let mut engine = boot(wish).unwrap();
        let mut link = engine.connector().connect();
        let ask = |id, command| link.commands.try_send(ToEngine { id, command }).unwrap();
        let call = |tool: &str, input| Command::CallTool {
            name: "blue".to_owned(),
            tool: tool.to_owned(),
            input,
        };
        ask(1, Command::Subscribe);
        ask(2, call("read_file", json!({ "path": "src/a.rs" })));
        let edit = json!({ "path": "src/a.rs", "old": "one", "new": "one\nblue's\nand more" });
        ask(3, call("edit_file", edit));
        let mut said = None;
        while said.is_none() {
            let next = tokio::time::timeout(PATIENCE, link.events.recv()).await;
            match next.expect("an event in time").expect("the engine lives") {
                ToClient::Reply { id: 3, reply } => {
                    assert!(matches!(reply, Reply::Tool(ref result) if result["ok"] == true));
                    // An editor had opened the file before, and saves it now.
                    bench.workspace.write("src/a.rs", "one\nthe person's\n");
                }
                ToClient::Event { event: Event::Noticed { text, .. }, .. }
                    if text.contains("without") =>
                {
                    said = Some(text);
                }
                _ => {}
            }
        }
        link.commands.send(ToEngine { id: 4, command: Command::Shutdown }).await.unwrap();
        engine.ended().await.unwrap();
        said.unwrap()
    });
    assert!(
        text.contains("src/a.rs was saved by somebody outside without 2 lines of blue"),
        "{text}"
    );
    assert!(text.contains("`benchdog undo "), "{text}");
}

#[test]
fn permissions_that_a_shell_changes_are_shown_and_come_back() {
    use std::os::unix::fs::PermissionsExt;
    if !kernel_asks() {
        return;
    }
    let bench = held_by_blue();
    let script = bench.workspace.write("run.sh", "#!/bin/sh\n");
    let chmod = |mode| std::fs::set_permissions(&script, std::fs::Permissions::from_mode(mode));
    let mode = || std::fs::metadata(&script).unwrap().permissions().mode() & 0o777;
    let newest = |count: usize| {
        wait_until("the change", || {
            let rows = bench.json(&["changes", "run.sh", "--json"]);
            let rows = rows.as_array()?;
            (rows.len() == count).then(|| rows[0].clone())
        })
    };
    chmod(0o755).unwrap();
    let engine = serve(&bench, &[]);
    assert_eq!(shell(&bench, "red", "chmod 640 run.sh").code, Some(0));
    let row = newest(1);
    assert_eq!((&row["owner"], &row["op"]), (&json!("red"), &json!("edited")), "{row:#}");
    assert_eq!((&row["before_mode"], &row["after_mode"]), (&json!(0o100_755), &json!(0o100_640)));
    let listed = bench.run(&["changes", "run.sh"]).stdout;
    assert!(listed.contains("mode 755 to 640"), "{listed}");
    let shown = bench.run(&["diff", &row["id"].to_string()]).stdout;
    assert!(shown.ends_with("old mode 100755\nnew mode 100640"), "{shown}");
    assert_eq!(bench.run(&["undo", "--agent", "red"]).code, Some(0));
    assert_eq!(mode(), 0o755);

    // A file that is put in the place of a program does not run; with its text comes the right to.
    let line = "echo new > .new && mv -f .new run.sh";
    assert_eq!(shell(&bench, "red", line).code, Some(0));
    let row = newest(3);
    assert_eq!(mode(), 0o644);
    assert_eq!(bench.run(&["undo", &row["id"].to_string()]).code, Some(0));
    assert_eq!((mode(), bench.workspace.read("run.sh").as_str()), (0o755, "#!/bin/sh\n"));

    // And over a crash.
    let ran = shell(&bench, "red", "chmod 600 run.sh; rm src/b.rs");
    kill(engine);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let engine = serve(&bench, &[]);
    assert_eq!(bench.run(&["restore", "run.sh"]).code, Some(0));
    assert_eq!(mode(), 0o755);
    shut_down(&bench, engine);
}
