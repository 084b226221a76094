//! How fast the history is: writing, answering, finding. `cargo bench --bench history`
//!
//! Everything goes through the public interface, at `synchronous=FULL`, into a new database.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on should panic, and its table goes to the terminal"
)]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use benchdog::history::record::{DecisionRow, LeaseRow, Record};
use benchdog::history::{Reader, Store};
use benchdog::model::agent::{AgentSpec, Backend};
use benchdog::model::id::{ItemId, SessionId};
use benchdog::model::lease::{LeaseState, Owner};
use benchdog::model::report::Way;
use benchdog::model::session::{SessionQuery, SessionRow};
use benchdog::model::time::Wall;
use benchdog::model::transcript::{Body, Item, Speaker, ToolCall, ToolStatus};
use benchdog::model::usage::Usage;

/// How long each measurement of writing lasts.
const SPAN: Duration = Duration::from_secs(10);

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let texts = Texts::new();
    println!("| sustained writing, 16 sessions, synchronous=FULL | events/s | MB/s of records |");
    println!("| --- | --- | --- |");
    for (name, mix) in [
        ("6 lines, 3 items (1 open, 2 closed and searched), 1 tail", Mix::Typical),
        ("lines only", Mix::Lines),
        ("closed items only, all searched", Mix::Closed),
    ] {
        sustained(&at(&format!("{mix:?}.db")), name, mix, &texts);
    }
    println!("\n| 16 callers of queue_now at once | answers/s | p50 ms | p99 ms | max ms |");
    println!("| --- | --- | --- | --- | --- |");
    answers(&at("idle.db"), "nothing else", None, &texts);
    answers(&at("busy.db"), "beside 1,200 events/s", Some(1_200), &texts);
    answers(&at("full.db"), "beside as many events as fit", Some(usize::MAX), &texts);
    finding(&at("find.db"), &texts);
}

/// Texts of about 250 bytes, made beforehand so that making them is not measured.
struct Texts {
    prose: Vec<String>,
    lines: Vec<String>,
}

impl Texts {
    fn new() -> Self {
        let mut seed = 1;
        let word = |seed: &mut u64| {
            let (a, b) = (random(seed) % 60, random(seed) % 60);
            // Small numbers are frequent, like the words of a language.
            format!("{}{}", SYLLABLES[(a * b / 60) as usize % 20], SYLLABLES[(b % 20) as usize])
        };
        let prose: Vec<String> = (0..5_000)
            .map(|number| {
                let words = 8 + random(&mut seed) % 60;
                let mut text: Vec<String> = (0..words).map(|_| word(&mut seed)).collect();
                text.push(format!("id{number:x}"));
                text.join(" ")
            })
            .collect();
        let lines = prose
            .iter()
            .map(|text| {
                let value = serde_json::json!({
                    "type": "stream_event", "session_id": "0192f0c1-2345-7abc-8def-0123456789ab",
                    "event": { "type": "content_block_delta", "index": 0,
                               "delta": { "type": "text_delta", "text": text } },
                });
                value.to_string()
            })
            .collect();
        Self { prose, lines }
    }

    fn prose(&self, number: usize) -> String {
        self.prose[number % self.prose.len()].clone()
    }
}

const SYLLABLES: [&str; 20] = [
    "ar", "bi", "ter", "re", "su", "me", "lo", "ck", "pa", "ne", "ti", "ve", "ro", "da", "ken",
    "wor", "li", "fa", "gu", "zo",
];

fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 33
}

#[derive(Debug, Clone, Copy)]
enum Mix {
    Typical,
    Lines,
    Closed,
}

fn session(number: usize) -> SessionId {
    SessionId(format!("0192f0c1-2345-7abc-8def-{number:012}"))
}

/// The event with this number, in one of 16 sessions.
fn event(number: usize, mix: Mix, texts: &Texts) -> Record {
    let (agent, step) = (number % 16, number / 16);
    let id = step as u64 + 1;
    let line = || Record::Line {
        session: session(agent),
        at: Wall(step as i64),
        way: Way::Out,
        line: texts.lines[number % texts.lines.len()].clone(),
    };
    let item = |id: u64, open: bool| {
        let body = match step % 3 {
            0 => Body::Prompt { text: texts.prose(number), from: Speaker::Person },
            1 => Body::Text { text: texts.prose(number) },
            _ => Body::Tool(ToolCall {
                call: "toolu_0123456789".into(),
                name: "Edit".to_owned(),
                input: serde_json::json!({ "file_path": "src/a.rs", "new": texts.prose(number) }),
                status: ToolStatus::Done,
                result: None,
                took_ms: Some(3),
            }),
        };
        let (at, parent, sub) = (Wall(step as i64), None, None);
        let item = Item { id: ItemId(id), at, parent, sub, open, body };
        Record::Item { session: session(agent), item: Box::new(item) }
    };
    match (mix, step % 10) {
        (Mix::Lines, _) => line(),
        (Mix::Closed, _) => item(id, false),
        // Opened, grown, closed; and one that comes closed.
        (Mix::Typical, 0) => item(id, true),
        (Mix::Typical, 1) => {
            let text = "and some words".to_owned();
            Record::Tail { session: session(agent), item: ItemId(id - 1), text }
        }
        (Mix::Typical, 2) => item(id - 2, false),
        (Mix::Typical, 3) => item(id, false),
        (Mix::Typical, _) => line(),
    }
}

fn weight(record: &Record) -> usize {
    if let Record::Line { line, .. } = record {
        line.len()
    } else if let Record::Item { item, .. } = record {
        serde_json::to_string(item).unwrap().len()
    } else {
        16 // A tail.
    }
}

fn sustained(path: &Path, name: &str, mix: Mix, texts: &Texts) {
    let store = Store::open(path).unwrap();
    let bytes: usize = (0..16_000).map(|number| weight(&event(number, mix, texts))).sum();
    let begin = Instant::now();
    let mut number = 0;
    while begin.elapsed() < SPAN {
        let batch = (number..number + 64).map(|number| event(number, mix, texts)).collect();
        store.blocking_queue(batch).unwrap();
        number += 64;
    }
    // What was queued counts only once it is stored.
    store.flush().wait().unwrap();
    let rate = number as f64 / begin.elapsed().as_secs_f64();
    println!("| {name} | {rate:.0} | {:.1} |", rate * bytes as f64 / 16_000.0 / 1e6);
    assert_eq!((store.health().rejected, store.health().trouble), (0, None));
}

/// A lease and the decision behind it, as they are stored before a grant.
fn grant(number: usize) -> Vec<Record> {
    let owner = Owner::Session(session(number % 16), None);
    let path = format!("src/file{}.rs", number % 320);
    let lease = LeaseRow {
        workspace: "/home/somebody/project".to_owned(),
        path: path.clone(),
        owner: owner.clone(),
        state: LeaseState::Inflight,
        since: Wall(number as i64),
        until: None,
        reason: "edit".to_owned(),
        process: None,
    };
    let decision = DecisionRow {
        workspace: lease.workspace.clone(),
        at: Wall(number as i64),
        owner,
        path,
        tool: "Edit".to_owned(),
        code: "OK".to_owned(),
        text: String::new(),
    };
    vec![Record::Lease(lease), Record::Decision(decision)]
}

fn answers(path: &Path, name: &str, beside: Option<usize>, texts: &Texts) {
    let store = Store::open(path).unwrap();
    let over = AtomicBool::new(false);
    let begin = Instant::now();
    let mut times = std::thread::scope(|scope| {
        if let Some(rate) = beside {
            let (store, over) = (&store, &over);
            scope.spawn(move || {
                let mut number = 0;
                while !over.load(Ordering::Relaxed) {
                    let records = (number..number + 12).map(|n| event(n, Mix::Typical, texts));
                    store.blocking_queue(records.collect()).unwrap();
                    number += 12;
                    if rate < usize::MAX {
                        std::thread::sleep(Duration::from_secs(12) / rate as u32);
                    }
                }
            });
        }
        let callers: Vec<_> = (0..16)
            .map(|caller| {
                let store = &store;
                scope.spawn(move || {
                    let mut times = Vec::new();
                    let mut number = caller;
                    while begin.elapsed() < SPAN {
                        let (sender, done) = mpsc::channel();
                        let asked = Instant::now();
                        store.queue_now(
                            grant(number),
                            Box::new(move |end| sender.send(end).unwrap()),
                        );
                        done.recv().unwrap().unwrap();
                        times.push(asked.elapsed().as_secs_f64() * 1e3);
                        number += 16;
                    }
                    times
                })
            })
            .collect();
        let times: Vec<f64> =
            callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        times
    });
    let rate = times.len() as f64 / begin.elapsed().as_secs_f64();
    let (p50, p99, max) = spread(&mut times);
    println!("| {name} | {rate:.0} | {p50:.2} | {p99:.2} | {max:.2} |");
}

fn spread(times: &mut [f64]) -> (f64, f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    (at(0.5), at(0.99), at(1.0))
}

fn finding(path: &Path, texts: &Texts) {
    let (sessions, items) = (10_000, 30);
    let store = Store::open(path).unwrap();
    for number in 0..sessions {
        let id = session(number);
        let row = SessionRow {
            id: id.clone(),
            backend_session_id: Some(format!("backend-{number}")),
            title: texts.prose(number).chars().take(60).collect(),
            workspace: format!("/home/somebody/project{}", number % 37),
            cwd: "/home/somebody/project".to_owned(),
            branch: "main".to_owned(),
            spec: AgentSpec::default(),
            backend: Backend::Claude,
            agent: "blue".to_owned(),
            started_at: Wall(number as i64),
            updated_at: Wall((number as i64 * 7_919) % 1_000_003),
            turns: 5,
            messages: items,
            usage: Usage { cost_usd: 0.5, ..Usage::default() },
            last_state: "idle".to_owned(),
            forked_from: None,
        };
        let mut records = vec![Record::Session(Box::new(row))];
        for item in 1..=items {
            let mut text = texts.prose(number * 31 + item as usize * 17);
            if item == 7 && number % 1_000 == 0 {
                text.push_str(" zanzibar");
            }
            let (body, at) = (Body::Text { text }, Wall(item as i64));
            let id = ItemId(item);
            let item = Item { id, at, parent: None, sub: None, open: false, body };
            records.push(Record::Item { session: session(number), item: Box::new(item) });
        }
        store.blocking_queue(records).unwrap();
    }
    store.close().unwrap();
    let size = path.metadata().unwrap().len() as f64 / 1e6;
    println!(
        "\n| finding in {sessions} sessions, {} searched items, {size:.0} MB | first ms | p50 ms | rows |",
        sessions as u64 * items
    );
    println!("| --- | --- | --- | --- |");
    let open = || {
        Store::open(path).unwrap().close().unwrap();
        1
    };
    measure("open and close the store", open);
    let query = |workspace: Option<&str>, text: Option<&str>, limit| SessionQuery {
        workspace: workspace.map(str::to_owned),
        text: text.map(str::to_owned),
        limit,
    };
    let here = Some("/home/somebody/project3");
    measure("open a reader and read the newest 60", || {
        let reader = Reader::open(path).unwrap();
        reader.sessions(&query(None, None, 60), |_, _| false).unwrap().len()
    });
    let reader = Reader::open(path).unwrap();
    for (name, wanted) in [
        ("the newest 60", query(None, None, 60)),
        ("the newest 60 of one workspace", query(here, None, 60)),
        ("all sessions", query(None, None, 0)),
        ("a rare word", query(None, Some("zanzibar"), 60)),
        ("a common word", query(None, Some("arar "), 60)),
        ("a common word in one workspace", query(here, Some("arar"), 60)),
        ("two common words", query(None, Some("arar biar"), 60)),
        ("the beginning of a word, 3 letters", query(None, Some("arb"), 60)),
        ("no match", query(None, Some("nowhere at all"), 60)),
    ] {
        measure(name, || reader.sessions(&wanted, |_, _| false).unwrap().len());
    }
    measure("the last 200 items of a session", || {
        reader.page(&session(77), None, 200).unwrap().items.len()
    });
    measure("by the beginning of an id", || {
        reader.session_by_prefix_or_title("0192f0c1-2345-7abc-8def-0000000099", None).unwrap().len()
    });
    measure("by a part of a title", || {
        reader.session_by_prefix_or_title("no such title", None).unwrap().len()
    });
}

fn measure(name: &str, work: impl Fn() -> usize) {
    let mut times = Vec::new();
    let mut rows = 0;
    for _ in 0..15 {
        let begin = Instant::now();
        rows = work();
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    let first = times[0];
    let (p50, _, _) = spread(&mut times);
    println!("| {name} | {first:.1} | {p50:.1} | {rows} |");
}
