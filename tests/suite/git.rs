//! git in the hands of several agents on one tree.

use std::fs;
use std::process::Command;

use crate::support::bench_process::Bench;
use crate::support::engine::shut_down;
use crate::support::git_bench::{GitBench, shim_path};
use crate::support::guard::kernel_asks;
use crate::support::workspace::Workspace;

const FILES: [(&str, &str); 4] =
    [("a.txt", "a\n"), ("b.txt", "b\n"), ("src/c.txt", "c\n"), ("p.txt", "p\n")];

/// Has blue change `a.txt` and make `blue.txt`, green `b.txt` and `src/green.txt`, and somebody
/// change `p.txt`.
fn change(git: &GitBench) {
    git.git(&["branch", "other"]);
    git.write("blue", "a.txt", "a\nby blue\n");
    git.write("blue", "blue.txt", "new\n");
    git.write("green", "b.txt", "b\nby green\n");
    git.write("green", "src/green.txt", "new\n");
    git.bench.workspace.write("p.txt", "p\nby the person\n");
}

#[test]
fn what_would_destroy_the_work_of_others_is_refused_and_nothing_is_touched() {
    let git = GitBench::with(&FILES);
    let mut blue = git.shell("blue");
    let _green = git.shell("green");
    change(&git);
    let before = git.picture();
    for (line, names) in [
        ("git stash", "green"),
        ("git stash -u", "green"),
        ("git stash push -- b.txt", "green"),
        ("git stash drop", "the person"),
        ("git clean -fd", "green"),
        ("git clean -fdx", "the person"),
        ("git clean -f src", "green"),
        ("git reset --hard", "green"),
        ("git reset --har", "green"),
        ("git reset --keep HEAD", "green"),
        ("git checkout other", "green"),
        ("git checkout -f", "green"),
        ("git checkout -b mine", "green"),
        ("git switch other", "green"),
        ("git checkout -- .", "green"),
        ("git checkout .", "green"),
        ("git checkout HEAD -- b.txt", "green"),
        ("git checkout a.txt b.txt", "green"),
        ("git checkout -- '*.txt'", "green"),
        ("git -C src checkout -- ../b.txt", "green"),
        ("cd src && git restore ..", "green"),
        ("git restore -s HEAD -SW b.txt", "green"),
        ("git restore p.txt", "not known whose"),
        ("git rm -f b.txt", "green"),
        ("git rm -rf src", "green"),
        ("git mv b.txt d.txt", "green"),
        ("git mv -f a.txt b.txt", "green"),
        ("git mv -f a.txt ./src/../b.txt", "green"),
        ("git merge other", "green"),
        ("git rebase other", "green"),
        ("git pull . other", "green"),
        ("git cherry-pick other", "green"),
        ("git revert --no-edit HEAD", "green"),
        ("git read-tree -u --reset HEAD", "green"),
        ("git checkout-index -fa", "green"),
        ("git apply nothing.patch", "green"),
        ("git am nothing.patch", "green"),
        ("git bisect start", "green"),
        ("git sparse-checkout set src", "green"),
        ("git submodule update", "green"),
        ("git filter-branch -f --tree-filter true HEAD", "green"),
        ("git symbolic-ref HEAD refs/heads/other", "green"),
        ("git update-index --assume-unchanged b.txt", "green"),
        ("git -c alias.x='!rm -rf .' x", "green"),
        ("git -c alias.x='reset --hard' x", "green"),
        ("git --exec-path=/tmp status", "green"),
        ("cd .git && git symbolic-ref HEAD refs/heads/other", "the person"),
        ("git --bare --git-dir=.git symbolic-ref HEAD refs/heads/other", "the person"),
        ("GIT_INDEX_FILE=.git/other git reset --hard", "the person"),
        ("GIT_INDEX_FILE=.git/other git commit -am all", "the person"),
        ("git diff --output=b.txt", "green"),
        ("git --work-tree=/tmp --git-dir=.git checkout other", "the person"),
        ("git commit -m theirs -- b.txt", "green"),
        ("git add b.txt", "green"),
        ("git add src", "green"),
    ] {
        let told = blue.refused(line);
        assert!(told.contains(names), "{line}: {told}");
        assert!(told.contains("the person"), "{line}: {told}");
        let after = git.picture();
        for (what, then) in &before {
            assert_eq!(Some(then), after.get(what), "{line} changed {what}");
        }
        assert_eq!(before.len(), after.len(), "{line} left something behind");
    }
    drop(blue);
    end(git);
}

fn end(mut git: GitBench) {
    if let Some(engine) = git.engine.take() {
        shut_down(&git.bench, engine);
    }
}

#[test]
fn a_git_that_does_not_ask_is_stopped_before_it_touches_anything() {
    if !kernel_asks() {
        return;
    }
    let git = GitBench::with(&FILES);
    let (mut blue, mut green) = (git.shell("blue"), git.shell("green"));
    change(&git);
    green.done("true");
    let before = git.picture();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let real = std::env::split_paths(&path).map(|folder| folder.join("git"));
    let real = real.into_iter().find(|git| git.is_file()).unwrap();
    for verb in ["stash -u", "checkout -f", "reset --hard", "commit -qam all"] {
        let line = format!("{} {verb}", real.display());
        let ran = blue.run(&line);
        assert_ne!(ran.code, Some(0), "{line}: {ran:#?}");
        assert!(ran.stderr.contains("index"), "{line}: {ran:#?}");
        let after = git.picture();
        for (what, then) in &before {
            assert_eq!(Some(then), after.get(what), "{line} changed {what}");
        }
    }
    let ran = blue.run(&format!("{} status --short", real.display()));
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    drop((blue, green));
    end(git);
}

#[test]
fn what_is_staged_and_committed_is_narrowed_to_the_own_files() {
    let git = GitBench::with(&FILES);
    let (mut blue, mut green) = (git.shell("blue"), git.shell("green"));
    change(&git);
    for line in ["git add -A", "git add .", "git add --all -v", "git stage -u"] {
        let told = blue.done(line).stderr;
        assert!(told.contains("b.txt (green)"), "{line}: {told}");
        assert!(told.contains("p.txt (not known"), "{line}: {told}");
        let staged = git.git(&["diff", "--cached", "--name-only"]);
        let own = if line.ends_with('u') { "a.txt\n" } else { "a.txt\nblue.txt\n" };
        assert_eq!(staged, own, "{line}");
        blue.done("git reset -q");
    }
    // All that is changed and tracked, then what is staged, then by name.
    let told = blue.done("git commit -qam 'by blue'").stderr;
    assert!(told.starts_with("benchdog: narrowed"), "{told}");
    assert!(told.contains("b.txt (green)") && told.contains("p.txt (not known"), "{told}");
    assert_eq!(git.commit("HEAD"), ["by blue", "a.txt"]);
    blue.done("git add blue.txt");
    let told = green.done("git add b.txt && git commit -qm 'by green'").stderr;
    assert!(told.contains("blue.txt (blue)"), "{told}");
    assert_eq!(git.commit("HEAD"), ["by green", "b.txt"]);
    assert_eq!(git.git(&["diff", "--cached", "--name-only"]), "blue.txt\n", "still staged");
    blue.done("git commit -qm 'new by blue'");
    assert_eq!(git.commit("HEAD"), ["new by blue", "blue.txt"]);
    let told = green.refused("git commit -qam 'nothing'");
    assert!(told.contains("p.txt (not known"), "{told}");
    // A file of nobody's goes along by its very name only.
    green.done("git add src && git commit -q -m named -- src p.txt");
    assert_eq!(git.commit("HEAD"), ["named", "p.txt", "src/green.txt"]);
    assert_eq!(git.git(&["status", "--porcelain"]), "");
    // Nothing is left behind.
    let left = fs::read_dir(git.bench.workspace.at(".git")).unwrap().map(Result::unwrap);
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("benchdog")), "{left:?}");
    drop((blue, green));
    end(git);
}

#[test]
fn hooks_messages_and_amends_are_as_ever() {
    let git = GitBench::with(&FILES);
    let (mut blue, mut green) = (git.shell("blue"), git.shell("green"));
    change(&git);
    let hook = git.bench.workspace.write(
        ".git/hooks/pre-commit",
        "#!/bin/sh\ngit diff --cached --name-only > .git/seen\ntest ! -e .git/closed || exit 7\n\
         echo hooked > hooked.txt\ngit add hooked.txt\n",
    );
    assert!(Command::new("chmod").arg("+x").arg(hook).status().unwrap().success());
    git.bench.workspace.write(".git/closed", "");
    let index = fs::read(git.bench.workspace.at(".git/index")).unwrap();
    let ran = blue.run("git commit -qam refused");
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert_eq!(fs::read(git.bench.workspace.at(".git/index")).unwrap(), index);
    fs::remove_file(git.bench.workspace.at(".git/closed")).unwrap();
    blue.done("printf '%s\\n' 'from a file' > .git/words && git commit -qa -F .git/words");
    assert_eq!(git.bench.workspace.read(".git/seen"), "a.txt\n");
    assert_eq!(git.commit("HEAD"), ["from a file", "a.txt", "hooked.txt"]);
    // What the hook has put into the commit is not left as changed.
    let rest = git.git(&["status", "--porcelain", "--", "a.txt", "hooked.txt"]);
    assert_eq!(rest, "");
    blue.done("git add blue.txt && GIT_EDITOR='echo edited >' git commit -q --no-verify --amend");
    assert_eq!(git.commit("HEAD"), ["edited", "a.txt", "blue.txt", "hooked.txt"]);
    assert_eq!(git.git(&["rev-list", "--count", "HEAD"]), "2\n");
    let told = green.refused("git commit -a --amend -m mine");
    assert!(told.contains("a.txt (blue)"), "{told}");
    // Half of a file may be staged; the other half stays.
    git.write("green", "b.txt", "0\nb\nby green\n");
    green.done("printf 's\\ny\\nn\\n' | git add -p b.txt > /dev/null");
    green.done("git commit --no-verify -qm half");
    assert_eq!(git.commit("HEAD"), ["half", "b.txt"]);
    assert_eq!(git.git(&["status", "--porcelain", "b.txt"]), " M b.txt\n");
    drop((blue, green));
    end(git);
}

#[test]
fn without_anybody_else_at_stake_everything_runs() {
    let git = GitBench::with(&FILES);
    let mut blue = git.shell("blue");
    git.git(&["branch", "other"]);
    git.write("blue", "a.txt", "a\nby blue\n");
    blue.done("git checkout -- a.txt");
    assert_eq!(git.bench.workspace.read("a.txt"), "a\n");
    git.write("blue", "a.txt", "a\nagain\n");
    blue.done("git stash && git stash pop && git reset --hard && git switch -q other");
    assert_eq!(git.bench.workspace.read("a.txt"), "a\n");
    git.write("blue", "n.txt", "n\n");
    blue.done("git add n.txt && git rm -qf n.txt && git switch -q main");
    assert!(!git.bench.workspace.has("n.txt"));
    // Another agent has had the file in between.
    git.write("green", "a.txt", "a\nby green\n");
    git.write("blue", "a.txt", "a\nby green\nby blue\n");
    assert!(blue.refused("git checkout -- a.txt").contains("a.txt (green"));
    let told = blue.done("git commit -qam both && git status --porcelain").stdout;
    assert_eq!(told, "");
    drop(blue);
    end(git);
}

#[test]
fn two_agents_commit_at_once_each_its_own_files() {
    const ROUNDS: usize = 20;
    let git = GitBench::with(&FILES);
    let (mut blue, mut green) = (git.shell("blue"), git.shell("green"));
    for round in 0..ROUNDS {
        for name in ["blue", "green"] {
            git.write(name, &format!("{name}.txt"), &format!("{round}\n"));
            git.write(name, &format!("{name}-{round}.txt"), "new\n");
        }
        for (name, shell) in [("blue", &mut blue), ("green", &mut green)] {
            let line = match round % 2 {
                0 => format!("git add -A && git commit -qm '{name} {round}'"),
                _ => format!(
                    "git add {name}-{round}.txt && git commit -qm '{name} {round}' -i {name}.txt"
                ),
            };
            shell.start(&line);
        }
        for shell in [&mut blue, &mut green] {
            let ran = shell.finish();
            assert_eq!(ran.code, Some(0), "round {round}: {ran:#?}");
        }
        let mut last = [git.commit("HEAD"), git.commit("HEAD~1")];
        last.sort();
        for (name, told) in ["blue", "green"].iter().zip(last) {
            let (subject, of_round) = (format!("{name} {round}"), format!("{name}-{round}.txt"));
            assert_eq!(told, [subject, of_round, format!("{name}.txt")], "round {round}");
        }
        assert_eq!(git.git(&["status", "--porcelain"]), "", "round {round}");
    }
    drop((blue, green));
    end(git);
}

#[test]
fn other_trees_and_repositories_get_a_sane_answer() {
    let git = GitBench::with(&FILES);
    let mut blue = git.shell("blue");
    let away = git.bench.at_home("away");
    let away = away.display();
    let user = "-c user.name=x -c user.email=x@localhost";
    blue.done(&format!(
        "git init -q {away}/lib && cd {away}/lib && git {user} commit -q --allow-empty -m lib"
    ));
    blue.done(&format!("git -c protocol.file.allow=always clone -q --bare . {away}/bare.git"));
    // A submodule is somebody's as well; a clone or a work tree elsewhere is not.
    git.git(&[
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "add",
        "-q",
        &format!("{away}/lib"),
        "lib",
    ]);
    git.git(&["commit", "-qm", "lib"]);
    git.write("green", "lib/l.txt", "by green\n");
    assert!(blue.refused("git -C lib clean -fd").contains("lib/l.txt (green)"));
    assert!(blue.refused("git reset --hard").contains("lib"));
    assert!(blue.refused("git submodule update --init").contains("lib"));
    blue.done(&format!("git worktree add -q {away}/tree -b side && cd {away}/tree && echo x > x && git add -A && git commit -qm x && git switch -qc third && git reset -q --hard"));
    assert_eq!(git.git(&["log", "-1", "--format=%s", "side"]), "x\n");
    blue.done(&format!(
        "git --git-dir={away}/bare.git branch -q new && git -C {away}/bare.git branch"
    ));
    blue.done(&format!("cd {away} && git init -q fresh && cd fresh && git commit -q --allow-empty -m a && git reset -q --hard"));
    let nowhere = blue.run(&format!("cd {away} && git stash"));
    assert_eq!(nowhere.code, Some(128), "git says it itself: {nowhere:#?}");
    // The work tree of another agent inside this one.
    blue.done("git worktree add -q inner -b inner");
    git.write("green", "inner/a.txt", "a\nby green\n");
    assert!(blue.refused("cd inner && git reset --hard").contains("inner/a.txt (green)"));
    git.write("blue", "inner/b.txt", "b\nby blue\n");
    blue.done("cd inner && git commit -qam 'in a tree'");
    assert_eq!(git.commit("refs/heads/inner"), ["in a tree", "b.txt"]);
    drop(blue);
    end(git);
}

#[test]
fn without_an_engine_only_what_reads_runs() {
    let bench = Bench::in_workspace(Workspace::with(&FILES).git());
    bench.workspace.write("a.txt", "changed\n");
    let path = shim_path(&bench);
    let before = bench.workspace.tree();
    for (line, code) in [
        ("git status --porcelain", 0),
        ("git log --oneline", 0),
        ("git branch new", 0),
        ("git stash", 1),
        ("git checkout -- a.txt", 1),
        ("git commit -qam x", 1),
        ("git add a.txt", 1),
        ("git reset --hard", 1),
        ("git unheard-of", 1),
    ] {
        let mut command = Command::new("sh");
        command.args(["-c", line]).current_dir(bench.workspace.path());
        command.env_clear().envs(bench.environment()).env("PATH", &path);
        let ran = command.output().unwrap();
        assert_eq!(ran.status.code(), Some(code), "{line}: {ran:?}");
        let told = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(told.starts_with("NOT RUN (nobody to ask)"), code == 1, "{line}: {told}");
        assert_eq!(bench.workspace.tree(), before, "{line}");
    }
}

#[test]
fn the_real_git_runs_in_the_same_environment() {
    let bench = Bench::in_workspace(Workspace::with(&FILES).git());
    let path = shim_path(&bench);
    let environment = |program: &str| {
        let mut command = Command::new(program);
        // What a pager sees is what git saw, and what git adds itself.
        command.args(["-c", "core.pager=env", "-p", "log"]).current_dir(bench.workspace.path());
        command.env_clear().envs(bench.environment()).env("PATH", &path);
        let ran = command.output().unwrap();
        let mut lines: Vec<String> =
            String::from_utf8(ran.stdout).unwrap().lines().map(str::to_owned).collect();
        lines.retain(|line| !line.starts_with("_="));
        lines.sort();
        lines
    };
    let shim = std::env::split_paths(&path).next().unwrap().join("git");
    let real = std::env::split_paths(&path).skip(1).map(|folder| folder.join("git"));
    let real = real.into_iter().find(|git| git.is_file()).unwrap();
    assert_eq!(environment(shim.to_str().unwrap()), environment(real.to_str().unwrap()));
    // By its own name it does the same.
    let told = bench.run(&["git-shim", "--", "log", "--format=%s"]);
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), "start"), "{told:#?}");
}

/// A `git` in front of the real one, which runs `before` when a commit is made for the first time.
fn meddling(git: &GitBench, before: &str) -> String {
    let folder = git.bench.at_home("meddling");
    fs::create_dir(&folder).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let real = std::env::split_paths(&path).map(|folder| folder.join("git"));
    let real = real.into_iter().find(|git| git.is_file()).unwrap();
    let (real, mark) = (real.display(), folder.join("done"));
    let mark = mark.display();
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in *' -m '*) test -e {mark} || {{ : > {mark}; \
         (unset GIT_INDEX_FILE; git() {{ {real} \"$@\"; }}; {before}); }};; esac\n\
         exec {real} \"$@\"\n"
    );
    let program = folder.join("git");
    fs::write(&program, text).unwrap();
    assert!(Command::new("chmod").arg("+x").arg(&program).status().unwrap().success());
    // Behind the shim, before the real one.
    format!("PATH=\"${{PATH%%:*}}:{}:${{PATH#*:}}\"", folder.display())
}

#[test]
fn a_commit_of_somebody_else_in_between_is_built_upon_and_not_undone() {
    for staged in ["git add a.txt", "printf 's\\ny\\nn\\n' | git add -p a.txt >/dev/null"] {
        let git = GitBench::with(&FILES);
        let mut blue = git.shell("blue");
        git.write("blue", "a.txt", "0\na\nby blue\n");
        git.bench.workspace.write("p.txt", "by the person\n");
        blue.done(staged);
        let path = meddling(&git, "git commit -q -F /dev/null --allow-empty-message p.txt");
        blue.done(&format!("{path} git commit -q -m 'by blue'"));
        assert_eq!(git.commit("HEAD"), ["by blue", "a.txt"], "{staged}");
        assert_eq!(git.commit("HEAD~1"), ["p.txt"], "{staged}");
        let half = if staged.ends_with("a.txt") { "" } else { " M a.txt\n" };
        assert_eq!(git.git(&["status", "--porcelain"]), half, "{staged}");
        drop(blue);
        end(git);
    }
}

#[test]
fn a_merge_that_an_agent_has_begun_can_be_ended_or_taken_back() {
    let git = GitBench::with(&FILES);
    let mut blue = git.shell("blue");
    git.git(&["switch", "-qc", "other"]);
    git.bench.workspace.write("a.txt", "other\n");
    git.git(&["commit", "-qam", "other"]);
    git.git(&["switch", "-q", "main"]);
    git.bench.workspace.write("a.txt", "main\n");
    git.git(&["commit", "-qam", "main"]);
    assert_eq!(blue.run("git merge -q other").code, Some(1));
    blue.done("git merge --abort");
    assert_eq!(git.git(&["status", "--porcelain"]), "");
    assert_eq!(blue.run("git merge -q other").code, Some(1));
    git.write("green", "b.txt", "b\nby green\n");
    assert!(blue.refused("git merge --abort").contains("b.txt (green)"));
    blue.done("echo both > a.txt && git add a.txt && git commit -qm merged");
    assert_eq!(git.git(&["log", "-1", "--format=%s %p"]).split_whitespace().count(), 3);
    assert_eq!(git.git(&["status", "--porcelain"]), " M b.txt\n");
    drop(blue);
    end(git);
}

#[test]
fn a_repository_of_ones_own_beside_the_tree_has_an_index_of_its_own() {
    let git = GitBench::with(&FILES);
    git.write("green", "b.txt", "b\nby green\n");
    let mut blue = git.shell("blue");
    // So does the real program before and after each command, to see what it has changed.
    blue.done(
        "GIT_DIR=$(mktemp -d)/own && export GIT_DIR GIT_WORK_TREE=$PWD && git init -q && \
         printf 'a.txt\\0b.txt\\0' | git update-index --add -z --stdin && git write-tree && \
         unset GIT_DIR GIT_WORK_TREE",
    );
    assert_eq!(git.git(&["status", "--porcelain"]), " M b.txt\n");
    for own in ["--git-dir=.git", "--git-dir=.git --work-tree=."] {
        blue.refused(&format!("git {own} update-index --assume-unchanged b.txt"));
    }
    drop(blue);
    end(git);
}
