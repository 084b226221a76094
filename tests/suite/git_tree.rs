//! git over the whole tree with the person's word: what is asked, what is kept, who is told.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::engine::{agent, shut_down, wait_until};
use crate::support::git_bench::GitBench;
use crate::support::guard::kernel_asks;

const FILES: [(&str, &str); 5] = [
    ("a.txt", "a\n"),
    ("b.txt", "b\n"),
    ("src/c.txt", "c\n"),
    ("p.txt", "p\n"),
    (".gitignore", "*.log\n"),
];

/// Uncommitted work of blue, of green and of the person.
fn change(git: &GitBench) {
    git.git(&["branch", "other"]);
    git.write("blue", "a.txt", "a\nby blue\n");
    git.write("green", "b.txt", "b\nby green\n");
    git.write("green", "src/green.txt", "new by green\n");
    git.bench.workspace.write("p.txt", "p\nby the person\n");
    git.bench.workspace.write("bytes.bin", "by the person, untracked\r\n\u{0}");
}

fn end(mut git: GitBench) {
    if let Some(engine) = git.engine.take() {
        shut_down(&git.bench, engine);
    }
}

/// The git that has no idea of us.
fn real_git() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let mut real = std::env::split_paths(&path).map(|folder| folder.join("git"));
    real.find(|git| git.is_file()).unwrap()
}

#[track_caller]
fn untouched(git: &GitBench, before: &BTreeMap<String, String>, why: &str) {
    let after = git.picture();
    for (what, then) in before {
        assert_eq!(Some(then), after.get(what), "{why} changed {what}");
    }
    assert_eq!(before.len(), after.len(), "{why} left something behind");
}

/// Nobody has the tree, and nobody is asked anything.
fn is_free(git: &GitBench) {
    wait_until("the end of the hold", || {
        let locks = git.bench.json(&["locks", "--json"]);
        let held = locks.as_array().unwrap().iter().any(|lock| lock["path"] == "**");
        (!held).then_some(())
    });
    assert_eq!(git.bench.json(&["answer", "--json"]), json!([]));
}

fn files(tree: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    tree.iter()
        .filter(|(path, _)| !path.starts_with(".git/"))
        .map(|(p, t)| (p.clone(), t.clone()))
        .collect()
}

#[test]
fn with_a_yes_git_runs_and_whatever_it_destroys_comes_back_byte_for_byte() {
    for (line, gone) in [
        ("git reset --hard", &["a.txt", "b.txt", "p.txt"][..]),
        ("git stash -u", &["a.txt", "b.txt", "p.txt", "src/green.txt", "bytes.bin"]),
        ("git clean -fd", &["src/green.txt", "bytes.bin"]),
        ("git clean -fdx", &["src/green.txt", "bytes.bin", "old.log"]),
        ("git checkout -f other", &["a.txt", "b.txt", "p.txt"]),
    ] {
        let git = GitBench::with(&FILES);
        let mut blue = git.asking_shell("blue");
        let _green = git.shell("green");
        change(&git);
        git.bench.workspace.write("old.log", "ignored\n");
        let before = files(&git.bench.workspace.tree());
        blue.start(line);
        let ask = git.wait_ask("blue");
        assert_eq!(ask["input"]["command"], line, "{ask:#}");
        let stakes = ask["input"]["at_stake"].to_string();
        let of_green = if line.contains("clean") { "src/green.txt" } else { "b.txt" };
        assert!(stakes.contains(&format!("{of_green} (green)")), "{line}: {stakes}");
        assert!(!stakes.contains("a.txt"), "{line}: {stakes}");
        git.answer("blue", &["allow"]);
        let ran = blue.finish();
        assert_eq!(ran.code, Some(0), "{line}: {ran:#?}");
        let after = files(&git.bench.workspace.tree());
        let differs = |path: &&String| before.get(*path) != after.get(*path);
        let changed: Vec<&String> = before.keys().filter(differs).collect();
        let mut expected = gone.to_vec();
        expected.sort_unstable();
        assert_eq!(changed, expected, "{line}");
        // The list of what went has each file of others, and each comes back.
        let lost = git.bench.json(&["changes", "--lost", "--json"]);
        let lost = lost.as_array().unwrap_or_else(|| panic!("{lost:#}")).clone();
        for path in &expected {
            let own = *path == "a.txt";
            let listed = lost.iter().any(|line| line["path"] == *path);
            assert!(listed || own, "{line}: {path} is not among {lost:#?}");
            let done = git.bench.run(&["restore", path]);
            assert_eq!(done.code, Some(0), "{line} {path}: {done:#?}");
        }
        assert_eq!(files(&git.bench.workspace.tree()), before, "{line}");
        // Others are told in words.
        let session = agent(&git.bench, "green")["session_id"].clone();
        let told = git.bench.run(&["show", session.as_str().unwrap()]);
        assert!(told.stdout.contains(&format!("blue ran `{line}`")), "{line}: {told:#?}");
        is_free(&git);
        drop(blue);
        end(git);
    }
}

#[test]
fn with_a_no_nothing_is_touched_and_the_reason_is_told() {
    let git = GitBench::with(&FILES);
    let mut blue = git.asking_shell("blue");
    change(&git);
    let before = git.picture();
    for line in [
        "git stash -u",
        "git reset --hard",
        "git switch other",
        "git clean -fdx",
        "git rebase other",
        "git merge other",
        "git pull . other",
        "git stash drop",
        "git -c alias.x='!rm -rf .' x",
    ] {
        blue.start(line);
        git.answer("blue", &["deny", "green", "is", "not", "done"]);
        let ran = blue.finish();
        assert_eq!(ran.code, Some(1), "{line}: {ran:#?}");
        assert!(ran.stderr.starts_with("NOT RUN (denied)"), "{line}: {ran:#?}");
        assert!(ran.stderr.contains("green is not done"), "{line}: {ran:#?}");
        untouched(&git, &before, line);
    }
    is_free(&git);
    drop(blue);
    end(git);
}

#[test]
fn silence_is_a_no_and_a_git_that_is_killed_takes_its_ask_along() {
    let git = GitBench::set(&FILES, &["--set", "arbiter.git_ask_seconds=1"]);
    let mut blue = git.asking_shell("blue");
    change(&git);
    let before = git.picture();
    let told = blue.refused("git reset --hard");
    assert!(told.starts_with("NOT RUN (no answer)") && told.contains("1 s"), "{told}");
    untouched(&git, &before, "silence");
    is_free(&git);
    drop(blue);
    end(git);

    let git = GitBench::with(&FILES);
    let mut blue = git.asking_shell("blue");
    change(&git);
    let before = git.picture();
    blue.start("git reset --hard & echo $! > $HOME/git.pid; wait $!");
    git.wait_ask("blue");
    let pid = fs::read_to_string(git.bench.at_home("git.pid")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    assert_ne!(blue.finish().code, Some(0));
    wait_until("the end of the ask", || {
        (git.bench.json(&["answer", "--json"]) == json!([])).then_some(())
    });
    untouched(&git, &before, "the killed git");
    is_free(&git);
    drop(blue);
    end(git);
}

#[test]
fn nobody_else_writes_while_git_has_the_tree_and_it_is_free_when_git_has_ended() {
    let git = GitBench::with(&FILES);
    let mut blue = git.asking_shell("blue");
    change(&git);
    // git stays in the middle of its work until it is let go on.
    let pipe = git.bench.at_home("go");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let hook = git.bench.workspace.write(
        ".git/hooks/post-checkout",
        &format!("#!/bin/sh\nread -r line < {}\n", pipe.display()),
    );
    assert!(Command::new("chmod").arg("+x").arg(hook).status().unwrap().success());
    for killed in [false, true] {
        git.write("green", "b.txt", "b\nby green again\n");
        blue.start("git checkout -f other & echo $! > $HOME/git.pid; wait $!");
        git.answer("blue", &["allow"]);
        wait_until("the reset of b.txt", || {
            (git.bench.workspace.read("b.txt") == "b\n").then_some(())
        });
        let write = |path: &str, content: &str| {
            let input = json!({ "path": path, "content": content }).to_string();
            let ran = git.bench.run(&["call", "--as", "green", "write_file", &input]);
            serde_json::from_str::<Value>(&ran.stdout).unwrap()["code"].clone()
        };
        let held = write("fresh.txt", "by green\n");
        assert_eq!(held, "PINNED");
        if killed {
            let pid = fs::read_to_string(git.bench.at_home("git.pid")).unwrap();
            let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
            kill_process(pid, Signal::KILL).unwrap();
            assert_ne!(blue.finish().code, Some(0));
            // The real git goes on, and so does its hold.
            assert_eq!(write("fresh.txt", "by green\n"), "PINNED");
        }
        fs::write(&pipe, "go\n").unwrap();
        if !killed {
            assert_eq!(blue.finish().code, Some(0));
        }
        is_free(&git);
        assert_eq!(write("fresh.txt", &format!("by green {killed}\n")), "OK");
        let lost = git.bench.json(&["changes", "--lost", "--json"]).to_string();
        assert!(lost.contains("b.txt"), "{lost}");
        let restored = git.bench.run(&["restore", "b.txt"]);
        assert_eq!(restored.code, Some(0), "{restored:#?}");
        assert_eq!(git.bench.workspace.read("b.txt"), "b\nby green again\n");
    }
    drop(blue);
    end(git);
}

#[test]
fn what_comes_to_be_at_stake_while_the_person_thinks_is_not_meant_by_the_yes() {
    let git = GitBench::with(&FILES);
    let mut blue = git.asking_shell("blue");
    change(&git);
    blue.start("git reset --hard");
    git.wait_ask("blue");
    git.write("green", "src/c.txt", "c\nby green\n");
    let before = git.picture();
    git.answer("blue", &["allow"]);
    let ran = blue.finish();
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert!(ran.stderr.starts_with("NOT RUN (changed)"), "{ran:#?}");
    assert!(ran.stderr.contains("src/c.txt (green)"), "{ran:#?}");
    untouched(&git, &before, "the outdated yes");
    // A secret is not kept, so what may destroy it does not run.
    git.bench.workspace.write("server.pem", "secret\n");
    let before = git.picture();
    blue.start("git stash -u");
    git.answer("blue", &["allow"]);
    let ran = blue.finish();
    assert!(ran.stderr.starts_with("NOT RUN (not kept)"), "{ran:#?}");
    assert!(ran.stderr.contains("server.pem may be a secret"), "{ran:#?}");
    untouched(&git, &before, "the secret");
    is_free(&git);
    drop(blue);
    end(git);
}

#[test]
fn in_a_guarded_command_git_asks_as_well_and_none_stops_half_way() {
    if !kernel_asks() {
        return;
    }
    let git = GitBench::with(&FILES);
    change(&git);
    let exec =
        |name: &str, line: &str| git.bench.run(&["exec", "--as", name, "--", "sh", "-c", line]);
    let real = real_git();
    let before = git.picture();
    for line in [
        "git reset --hard",
        "git stash -u",
        "git clean -fdx",
        "git checkout -f other",
        "git checkout -- b.txt",
        &format!("{} reset --hard", real.display()),
        &format!("{} stash -u", real.display()),
        &format!("{} clean -fd", real.display()),
        &format!("{} checkout -f other", real.display()),
    ] {
        let ran = exec("ci", line);
        assert_ne!(ran.code, Some(0), "{line}: {ran:#?}");
        assert!(ran.stderr.contains("NOT RUN ("), "{line}: {ran:#?}");
        untouched(&git, &before, line);
    }
    let ran = exec("ci", "git status --short && git log --oneline");
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    // Its own files it may commit, and nobody else's.
    let ran = exec(
        "ci",
        "echo x > ci.txt && git add -A && git -c user.name=x -c user.email=x@localhost commit -qm 'by ci'",
    );
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    assert_eq!(git.commit("HEAD"), ["by ci", "ci.txt"]);
    // As an agent it can be asked for, in its session.
    let blue = git.asking_shell("blue");
    let script = git.bench.start(&["exec", "--as", "blue", "--", "sh", "-c", "git reset --hard"]);
    git.answer("blue", &["allow"]);
    let mut script = script;
    assert_eq!(script.wait_exit().0, Some(0));
    assert_eq!(git.bench.workspace.read("b.txt"), "b\n");
    // The person's own command has git as it is.
    let commit = "echo y > y.txt && git add -A && git -c user.name=x -c user.email=x@localhost \
                  commit -qm all";
    let ran = exec("user", commit);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:#?}");
    assert_eq!(git.git(&["status", "--porcelain"]), "");
    drop(blue);
    end(git);
}
