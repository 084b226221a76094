//! How soon an engine grants its first write after a kill -9 with a long journal behind it.
//!
//! It takes its time to make the journal, so it runs with `BENCHDOG_FULL` only. The figure is said;
//! it is a bar for a program that is built for use.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use benchdog::history::Store;
use benchdog::history::record::{ChangeRow, Record};
use benchdog::model::change::Change;
use benchdog::model::lease::Owner;
use benchdog::model::path::{Hash, WorkPath};
use benchdog::model::time::Wall;
use serde_json::json;

use crate::support::bench_process::Bench;
use crate::support::engine::{kill, serve, shut_down};

/// Changes in the journal, of so many files by so many sessions.
const ROWS: usize = 100_000;
const FILES: usize = 20_000;
const SESSIONS: usize = 50;

/// The first grant comes within this time.
const BAR: Duration = Duration::from_secs(2);

fn fill(bench: &Bench) {
    let history = bench.json(&["config", "path", "--json"])["history"].as_str().unwrap().to_owned();
    let store = Store::open(std::path::Path::new(&history)).unwrap();
    let workspace = bench.workspace.path().to_str().unwrap().to_owned();
    // What is too old would be forgotten.
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(unix.as_millis()).unwrap();
    for chunk in 0..ROWS / 1000 {
        let mut records = Vec::new();
        for number in chunk * 1000..(chunk + 1) * 1000 {
            let (file, generation) = (number % FILES, number / FILES);
            let text = |generation: usize| format!("file {file}\n{}", "x\n".repeat(generation + 9));
            let (was, is) = (text(generation), text(generation + 1));
            let (before, after) = (Hash::of(was.as_bytes()), Hash::of(is.as_bytes()));
            let owner = Owner::Session((&*format!("session-{}", number % SESSIONS)).into(), None);
            let path = WorkPath::parse(&format!("src/{}/{file}.rs", file % 100)).unwrap();
            for (hash, text) in [(before, was), (after, is)] {
                records.push(Record::Blob { hash, bytes: text.into_bytes() });
            }
            records.push(Record::Knows {
                workspace: workspace.clone(),
                owner: owner.clone(),
                path: path.clone(),
                knows: Some((after, "full".to_owned())),
            });
            let change = Change {
                at: Wall(now - i64::try_from(ROWS - number).unwrap()),
                ..Change::of(path, owner, Some(before.into()), Some(after.into()))
            };
            let workspace = workspace.clone();
            records.push(Record::Change(Box::new(ChangeRow { workspace, change })));
        }
        store.blocking_queue(records).unwrap();
    }
    store.close().unwrap();
}

#[test]
fn the_first_grant_comes_soon_after_a_kill_with_a_long_journal() {
    if std::env::var_os("BENCHDOG_FULL").is_none() {
        return;
    }
    let bench = Bench::new();
    fill(&bench);
    bench.workspace.write("a.txt", "a\n");
    let mut all = Vec::new();
    for round in 0..5 {
        let engine = serve(&bench, &[]);
        let name = format!("before-{round}.txt");
        let input = json!({ "path": name, "content": "x\n" }).to_string();
        assert_eq!(bench.json(&["call", "--as", "red", "write_file", &input])["code"], "OK");
        kill(engine);
        let begun = Instant::now();
        let engine = serve(&bench, &[]);
        let served = begun.elapsed();
        let name = format!("after-{round}.txt");
        let input = json!({ "path": name, "content": "x\n" }).to_string();
        assert_eq!(bench.json(&["call", "--as", "red", "write_file", &input])["code"], "OK");
        all.push((begun.elapsed(), served));
        if round == 4 {
            shut_down(&bench, engine);
        } else {
            kill(engine);
        }
    }
    let (slowest, _) = all.iter().max().unwrap();
    let size =
        std::fs::metadata(bench.json(&["config", "path", "--json"])["history"].as_str().unwrap());
    eprintln!(
        "{ROWS} rows, {} MiB: from the start to the first grant {all:?}",
        size.unwrap().len() >> 20
    );
    assert!(cfg!(debug_assertions) || *slowest <= BAR, "{slowest:?}");
}
