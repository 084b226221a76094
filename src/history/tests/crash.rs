//! What is left after `kill -9`, and who gets a session that two processes want.
//!
//! When the processes are killed comes from a seed, so that a failure can be repeated:
//! `BENCHDOG_SEED=N`. The test starts its own binary once more; with a variable set, one test of it becomes the
//! child that writes and is killed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::history::check_whole;
use crate::history::record::{DecisionRow, OpenRow};
use crate::model::lease::Owner;
use crate::model::report::Way;

/// Says to the child which database to write to, and what else it is to do.
const CHILD: &str = "BENCHDOG_TEST_HISTORY_CHILD";

/// The name of a session ends so if its child waits for nothing, so that only the queue's own
/// clock commits.
const UNHURRIED: &str = "unhurried";

/// What may be missing after a kill, in milliseconds.
const BAR_MS: u128 = 100;

/// What a machine that is busy with other tests may take on top, in milliseconds; the bar itself
/// is for a machine that is not (`BENCHDOG_FULL=1`).
const BUSY_MS: u128 = 1_500;

fn now_ms() -> u128 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()
}

fn child(test: &str, path: &Path, extra: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([&format!("history::tests::crash::{test}"), "--exact", "--nocapture"])
        .env(CHILD, format!("{}\n{extra}", path.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// In the child: the path and the extra word. `None` in the test run itself.
fn order() -> Option<(PathBuf, String)> {
    let order = std::env::var(CHILD).ok()?;
    let (path, extra) = order.split_once('\n').unwrap();
    Some((PathBuf::from(path), extra.to_owned()))
}

/// Says something to the parent, at once and in one piece.
fn say(words: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{words}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

fn decision(number: u64) -> Record {
    Record::Decision(DecisionRow {
        workspace: "/w".to_owned(),
        at: Wall(1),
        owner: Owner::User,
        path: number.to_string(),
        tool: "Edit".to_owned(),
        code: "OK".to_owned(),
        text: String::new(),
    })
}

#[test]
fn the_child_that_writes_until_it_is_killed() {
    let Some((path, name)) = order() else { return };
    let store = Store::open(&path).unwrap();
    // The yardstick: how long this machine takes now for a pause of 5 ms and a synced write.
    let scratch = path.with_extension("scratch");
    std::thread::spawn(move || {
        let mut file = std::fs::File::create(scratch).unwrap();
        loop {
            let begin = Instant::now();
            std::thread::sleep(Duration::from_millis(5));
            file.write_all(&[0; 4096]).unwrap();
            file.sync_data().unwrap();
            say(&format!("yardstick {}", begin.elapsed().as_millis()));
        }
    });
    store.blocking_queue(vec![stored(&name, open_text(1, ""))]).unwrap();
    for number in 1u64.. {
        let line = Record::Line {
            session: id(&name),
            at: Wall(1),
            way: Way::Out,
            line: number.to_string(),
        };
        let answer = text(number + 1, &format!("answer {number}"));
        let records = vec![line, tail(&name, 1, "x"), stored(&name, answer)];
        store.blocking_queue(records).unwrap();
        say(&format!("queued {number} {}", now_ms()));
        if number % 7 == 0 && !name.ends_with(UNHURRIED) {
            let done = move |result: Result<(), _>| {
                result.unwrap();
                say(&format!("stored {number}"));
            };
            store.queue_now(vec![decision(number)], Box::new(done));
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// The seed of this run; who fails says it.
fn seed() -> u64 {
    let given = std::env::var("BENCHDOG_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or(now_ms() as u64);
    println!("BENCHDOG_SEED={seed}");
    seed
}

/// What may be missing of the rest is [`BAR_MS`] with `BENCHDOG_FULL=1`, else [`BUSY_MS`] more, each
/// beyond what the machine itself takes for a synced write at that time.
#[test]
fn after_kill_9_nothing_acknowledged_is_missing_and_of_the_rest_only_the_last_moments() {
    if order().is_some() {
        return;
    }
    let place = Place::new();
    drop(place.open());
    let full = std::env::var_os("BENCHDOG_FULL").is_some();
    let (bar, rounds) = if full { (BAR_MS, 8) } else { (BAR_MS + BUSY_MS, 4) };
    let mut seed = seed();
    for round in 0..rounds {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let hurried = round % 2 == 0;
        let name = format!("{round}-{}", if hurried { "hurried" } else { UNHURRIED });
        let before = place.read().decisions("/w", usize::MAX).unwrap().len();
        let mut child = child("the_child_that_writes_until_it_is_killed", &place.path(), &name);
        let mut words = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        // Killed at a random place, some while after the first commit.
        let enough = 150 + (seed >> 33) % 500;
        let mut queued: Vec<(usize, u128)> = Vec::new();
        let (mut acknowledged, mut yardstick) = (Vec::new(), 0);
        let mut killed_at = None;
        loop {
            let ran = queued.last().zip(queued.first()).map_or(0, |(now, begin)| now.1 - begin.1);
            let far = queued.len() as u64 >= enough && ran > bar + yardstick + 50;
            if killed_at.is_none() && far {
                killed_at = Some(now_ms());
                child.kill().unwrap();
            }
            // What the child said before its end is read to the end.
            let Some(line) = words.next() else { break };
            let parts: Vec<&str> = line.split_whitespace().collect();
            match parts[..] {
                ["queued", number, at] => {
                    queued.push((number.parse::<usize>().unwrap(), at.parse::<u128>().unwrap()));
                }
                ["stored", number] => acknowledged.push(number.to_owned()),
                ["yardstick", ms] => yardstick = yardstick.max(ms.parse::<u128>().unwrap()),
                _ => {}
            }
        }
        child.wait().unwrap();
        let killed_at = killed_at.expect("the child ended by itself");

        check_whole(&place.path()).unwrap();
        drop(place.open());
        let reader = place.read();
        let lines = reader.lines(&id(&name), 0, usize::MAX).unwrap();
        let lines: Vec<usize> = lines.iter().map(|row| row.line.parse().unwrap()).collect();
        assert_eq!(lines, (1..=lines.len()).collect::<Vec<_>>(), "a line in the middle is missing");
        let old = |at: u128| at + bar + yardstick < killed_at;
        let must = queued.iter().rfind(|(_, at)| old(*at)).map_or(0, |(number, _)| *number);
        assert!(lines.len() >= must, "{} of {must} (yardstick {yardstick} ms)", lines.len());

        let items = reader.page(&id(&name), None, 0).unwrap().items;
        let Some(Body::Text { text }) = items.first().map(|item| &item.body) else {
            panic!("the first item is missing")
        };
        assert!(text.len() >= must, "{} of {must} pieces", text.len());
        assert!(items.len() > must, "{} of {must} items", items.len());

        let decisions = reader.decisions("/w", usize::MAX).unwrap();
        let mine = &decisions[..decisions.len() - before];
        for number in &acknowledged {
            assert!(mine.iter().any(|row| row.path == *number), "decision {number} is missing");
        }
        assert_eq!(hurried, acknowledged.len() > 5, "{} decisions", acknowledged.len());
        assert!(must > 0, "killed too early to tell anything (yardstick {yardstick} ms)");
    }
}

#[test]
fn the_child_that_opens_a_session() {
    let Some((path, number)) = order() else { return };
    let store = Store::open(&path).unwrap();
    say("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let engine_pid = number.parse().unwrap();
    let row =
        OpenRow { session: id("s"), engine_pid, engine_started: 1, agent_pid: None, at: Wall(1) };
    let result = store.open_session(row, |_, _| true).wait();
    say(if result.is_ok() { "won" } else { "lost" });
}

#[test]
fn of_two_processes_that_race_for_a_session_one_gets_it() {
    if order().is_some() {
        return;
    }
    for _ in 0..3 {
        let place = Place::new();
        let mut children: Vec<Child> = ["1", "2"]
            .map(|number| child("the_child_that_opens_a_session", &place.path(), number))
            .into();
        let mut outputs: Vec<_> = children
            .iter_mut()
            .map(|child| BufReader::new(child.stdout.take().unwrap()).lines())
            .collect();
        for output in &mut outputs {
            assert!(output.any(|line| line.unwrap() == "ready"));
        }
        for child in &mut children {
            child.stdin.take().unwrap().write_all(b"go\n").unwrap();
        }
        let mut ends = Vec::new();
        for (child, output) in children.iter_mut().zip(outputs) {
            ends.extend(output.map(Result::unwrap).filter(|line| line == "won" || line == "lost"));
            assert!(child.wait().unwrap().success());
        }
        ends.sort();
        assert_eq!(ends, ["lost", "won"]);
    }
}
