//! kill -9 of the engine at any moment: nothing that was acknowledged or shown is missing, no
//! process stays, and the next engine goes on at once.
//!
//! The moments come from a seed, so that a failure can be repeated: `BENCHDOG_SEED=N`.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::bench_process::Bench;
use crate::support::checker::check;
use crate::support::engine::{kill, serve, serve_with, shut_down, spawn, wait_state, wait_until};
use crate::support::workspace::Workspace;

const AGENTS: usize = 3;
const ROUNDS: u64 = 5;

/// What is shown may be this much younger than what is stored.
const UNSTORED: Duration = Duration::from_millis(400);

/// Files of a crash test change hands quickly.
const QUICK: [&str; 4] =
    ["--set", "arbiter.held_min_seconds=1", "--set", "arbiter.held_max_seconds=1"];

fn seed() -> u64 {
    std::env::var("BENCHDOG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20)
}

/// Scrambles a number (splitmix64).
fn scramble(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn acknowledges(line: &str) -> bool {
    line.contains("\"acknowledged\"")
}

fn database(bench: &Bench) -> rusqlite::Connection {
    let path = bench.json(&["config", "path", "--json"])["history"].as_str().unwrap().to_owned();
    rusqlite::Connection::open(path).unwrap()
}

/// Waits until no process of this home runs but this test's own.
#[cfg(target_os = "linux")]
fn wait_no_process(bench: &Bench) {
    use crate::support::engine::processes_with;
    let mark = format!("BENCHDOG_HOME={}", bench.at_home("bench").display());
    let mut last = Vec::new();
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        last = processes_with(&mark);
        if last.is_empty() {
            return;
        }
        std::thread::yield_now();
    }
    panic!("processes stay behind: {last:#?}");
}

/// Elsewhere an environment cannot be read, and only a group of processes is ended: what these tests
/// say of processes, they say of Linux.
#[cfg(not(target_os = "linux"))]
fn wait_no_process(_bench: &Bench) {}

#[test]
fn at_whatever_moment_the_engine_is_killed_nothing_acknowledged_is_lost() {
    let files = ["one.txt", "two.txt"];
    let start = "first\nsecond\nthird\n";
    let bench = Bench::in_workspace(Workspace::with(&files.map(|file| (file, start))));
    let before = bench.workspace.tree();
    let log = bench.at_home("agents.log");
    let environment =
        [("BENCHDOG_SCRIPT_LOG", log.to_str().unwrap()), ("BENCHDOG_SCRIPT_SPEED", "1")];
    let mut sessions = 0;
    let mut slowest = Duration::ZERO;
    for round in 0..ROUNDS {
        let engine = serve_with(&bench, &QUICK, &environment);
        for agent in 0..AGENTS {
            let name = format!("r{round}a{agent}");
            let via = ["edit", "write", "mixed"][agent % 3];
            let script = bench.script(
                &name,
                &format!(
                    "name = '{name}'\n[[turn]]\nstep = [{{ repeat = 100000, step = [{{\n\
                     append_marker = ['{}', '{}'], pick = 'random', via = '{via}', at = 'random',\n\
                     pause_ms = 1, retries = 100000, retry_ms = 1, ask = false }}] }}]\n",
                    files[0], files[1]
                ),
            );
            spawn(&bench, &name, &script, "go");
        }
        sessions += AGENTS;
        // The moment: after so many acknowledged markers, and a few milliseconds more.
        let chance = scramble(seed().wrapping_add(round));
        let wanted = 1 + (chance % 20) as usize;
        wait_until("markers of everybody", || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            let done = |name: &str| {
                let mark = format!("\"@{name}:");
                text.lines().filter(|line| line.contains(&mark) && acknowledges(line)).count()
            };
            let all: Vec<_> = (0..AGENTS).map(|agent| done(&format!("r{round}a{agent}"))).collect();
            (all.iter().all(|count| *count > 0) && all.iter().sum::<usize>() >= wanted)
                .then_some(())
        });
        let until = Instant::now() + Duration::from_micros(chance % 30_000);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        kill(engine);
        wait_no_process(&bench);

        let verdict = check(
            bench.workspace.path(),
            &before,
            &bench.workspace.tree(),
            &[fs::read_to_string(&log).unwrap()],
        );
        verdict.assert_nothing_lost();
        let whole: String =
            database(&bench).query_row("PRAGMA quick_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok", "round {round}");
        let rows = bench.json(&["sessions", "--json"]);
        let rows = rows.as_array().unwrap();
        assert_eq!(rows.len(), sessions, "round {round}");
        for row in rows {
            assert_eq!(
                (&row["resumable"], &row["open"]),
                (&true.into(), &false.into()),
                "round {round}: {row:#}"
            );
        }

        // The next engine serves at once; what was in flight blocks nobody.
        let begun = Instant::now();
        let engine = serve(&bench, &QUICK);
        for file in files {
            let input = serde_json::json!({ "path": file }).to_string();
            let seen = bench.json(&["call", "--as", "me", "read_file", &input]);
            let text = seen["data"]["content"].as_str().unwrap().to_owned();
            let input = serde_json::json!({ "path": file, "content": text }).to_string();
            let done = bench.json(&["call", "--as", "me", "write_file", &input]);
            assert_eq!(done["code"], "OK", "round {round}");
        }
        slowest = slowest.max(begun.elapsed());
        shut_down(&bench, engine);
    }
    assert!(slowest < Duration::from_secs(10), "the first grants took {slowest:?}");
    let text = fs::read_to_string(&log).unwrap();
    eprintln!(
        "{} lines in the log; restart and grants in at most {slowest:?}",
        text.lines().count()
    );
}

#[cfg(target_os = "linux")]
#[test]
fn what_an_agents_shell_started_is_gone_once_an_engine_runs_again() {
    let bench = Bench::new();
    let script = bench.script(
        "shell",
        "[[turn]]\nstep = [{ bash = 'echo $$ > pid.txt; exec setsid sleep 1000', ask = false }]\n",
    );
    let engine = serve(&bench, &[]);
    spawn(&bench, "blue", &script, "go");
    wait_until("the child", || bench.workspace.read("pid.txt").trim().parse::<u32>().ok());
    kill(engine);
    let mut engine = serve(&bench, &[]);
    engine.signal(Signal::TERM);
    assert_eq!(engine.wait_exit().0, Some(0));
    wait_no_process(&bench);
}

#[test]
fn a_session_of_a_killed_engine_goes_on_in_the_next_one() {
    let bench = Bench::new();
    let script = bench.script(
        "talker",
        "[[turn]]\nstep = [{ text = 'One.' }]\n[[turn]]\nstep = [{ text = 'Two.' }]\n\
         [[turn]]\nstep = [{ text = 'Three.' }]\n",
    );
    let engine = serve(&bench, &[]);
    spawn(&bench, "blue", &script, "first");
    let id = wait_until("the stored answer", || {
        let rows: Value =
            serde_json::from_str(&bench.run(&["sessions", "--json"]).stdout).unwrap_or_default();
        let id = rows[0]["id"].as_str()?.to_owned();
        bench.run(&["show", &id]).stdout.contains("One.").then_some(id)
    });
    kill(engine);
    wait_no_process(&bench);
    let mut screen = crate::support::terminal::Screen::open(&bench, &["resume", &id], 80, 24);
    screen.wait_text("One.");
    screen.send_keys("second<enter>");
    screen.wait_text("Two.");
    screen.wait_gone("●");
    screen.send_keys("<c-space>q");
    assert_eq!(screen.wait_exit(), Some(0));
    wait_no_process(&bench);
    let shown = bench.run(&["show", &id]).stdout;
    assert!(shown.contains("One.") && shown.contains("Two."), "{shown}");
}

#[test]
fn what_a_run_has_shown_400_ms_before_the_kill_is_stored() {
    let bench = Bench::new();
    let words: Vec<String> = (0..4_000).map(|number| format!("w{number}")).collect();
    let script = format!("pace_ms = 1\n[[turn]]\nstep = [{{ text = '{}' }}]\n", words.join(" "));
    let script = bench.script("writer", &script);
    for round in 0..3 {
        let args = ["run", "--json", "--script", script.to_str().unwrap(), "go"];
        let mut command = bench.command(&args);
        command.env("BENCHDOG_SCRIPT_SPEED", "1");
        let mut run = crate::support::bench_process::Running::of(command);
        let wanted = 20 + scramble(seed() + round) % 200;
        let mut shown: Vec<(Instant, String)> = Vec::new();
        // Some words must be old enough by then, or nothing is proved.
        let long_enough = |shown: &Vec<(Instant, String)>| {
            let due = shown.iter().filter(|(at, _)| at.elapsed() > UNSTORED * 2);
            due.flat_map(|(_, text)| text.split_whitespace()).nth(2).is_some()
        };
        while (shown.len() as u64) < wanted || !long_enough(&shown) {
            // On a busy machine it may have said everything before it is killed.
            let Some(line) = run.stdout.next() else { break };
            let row: Value = serde_json::from_str(&line).unwrap();
            let text = match row["event"].as_str() {
                Some("text_appended") => row["text"].as_str().unwrap(),
                Some("item_changed") => row["item"]["body"]["text"].as_str().unwrap_or_default(),
                _ => continue,
            };
            shown.push((Instant::now(), text.to_owned()));
        }
        let killed = Instant::now();
        run.signal(Signal::KILL);
        run.wait_exit();
        wait_no_process(&bench);
        let rows = bench.json(&["sessions", "--json"]);
        assert_eq!(rows.as_array().unwrap().len() as u64, round + 1);
        let id = rows[0]["id"].as_str().unwrap();
        let stored = bench.json(&["show", "--json", id]);
        let stored: String = stored["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|item| item["body"]["type"] == "text")
            .map(|item| item["body"]["text"].as_str().unwrap())
            .collect();
        let due = shown.iter().filter(|(at, _)| killed.duration_since(*at) > UNSTORED);
        // The last word may have been cut; the one before it is whole.
        let due: Vec<&str> = due.flat_map(|(_, text)| text.split_whitespace()).collect();
        let [.., before, _] = due[..] else { panic!("round {round}: killed too early: {due:?}") };
        assert!(
            stored.split_whitespace().any(|word| word == before),
            "round {round}: `{before}` was shown and is not stored: …{}",
            &stored[stored.len().saturating_sub(80)..]
        );
    }
}

#[test]
fn what_was_acknowledged_a_moment_before_the_kill_is_there_afterwards() {
    let bench = Bench::new();
    bench.workspace.write("a.txt", "x\n");
    let script = bench.script("idle", "[[turn]]\nstep = [{ text = 'One.' }]\n");
    for round in 0..ROUNDS {
        let engine = serve(&bench, &QUICK);
        spawn(&bench, &format!("r{round}"), &script, "go");
        kill(engine);
        wait_no_process(&bench);
        let rows = bench.json(&["sessions", "--json"]);
        assert_eq!(rows.as_array().unwrap().len() as u64, round + 1, "after round {round}");
    }
    for round in 0..ROUNDS {
        let file = format!("f{round}.txt");
        let engine = serve(&bench, &QUICK);
        let pinned = bench.run(&["pin", &file]);
        assert_eq!(pinned.code, Some(0), "{pinned:#?}");
        kill(engine);
        let engine = serve(&bench, &QUICK);
        let locks = bench.json(&["locks", "--json"]);
        let held = |locks: &Value| locks.as_array().unwrap().iter().any(|row| row["path"] == *file);
        assert!(held(&locks), "{file} was reserved: {locks:#}");
        let freed = bench.run(&["release", &file]);
        assert_eq!(freed.code, Some(0), "{freed:#?}");
        kill(engine);
        let engine = serve(&bench, &QUICK);
        let locks = bench.json(&["locks", "--json"]);
        assert!(!held(&locks), "{file} was freed: {locks:#}");
        kill(engine);
    }
}

/// Whatever an agent's commands leave to the engine is taken leave of while it works on.
#[cfg(target_os = "linux")]
#[test]
fn an_orphan_that_ends_while_its_agent_lives_is_no_zombie() {
    let bench = Bench::new();
    let script = bench.script(
        "orphans",
        "[[turn]]\nstep = [{ bash = '(setsid sh -c \"echo \\$\\$ > pid.txt\" &)', ask = false }]\n",
    );
    let engine = serve(&bench, &[]);
    spawn(&bench, "blue", &script, "go");
    let orphan = wait_until("the orphan", || bench.workspace.read("pid.txt").trim().parse().ok());
    let orphan: u32 = orphan;
    wait_until("its end", || {
        let stat = fs::read_to_string(format!("/proc/{orphan}/stat")).ok();
        (!stat.is_some_and(|stat| stat.contains(" (sh) "))).then_some(())
    });
    wait_state(&bench, "blue", "finished");
    shut_down(&bench, engine);
}
