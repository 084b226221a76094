//! Many scripted writers on few files, through the whole engine: arbiter, history, disk.
//!
//! `cargo bench --bench writes -- [WRITES] [WRITERS] [FILES] [off]` writes that many acknowledged
//! lines (100,000 by 16 writers on 20 files without arguments), then judges by the files and the
//! writers' own logs alone: an acknowledged line that is missing is lost. With `off` the arbiter
//! is out of the way, and lines must be lost, or the measurement means nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on should panic, and prints its figures"
)]

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use benchdog::engine::boot::{Boot, boot};
use benchdog::engine::command::{Command, Reply};
use benchdog::engine::event::{ToClient, ToEngine};
use benchdog::engine::link::Link;
use serde_json::{Value, json};

struct Plan {
    writes: u64,
    writers: u64,
    files: u64,
    arbitrate: bool,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let number = |index: usize, default: u64| {
        words.get(index).and_then(|word| word.parse().ok()).unwrap_or(default)
    };
    let arbitrate = !words.iter().any(|word| word == "off");
    let plan = Plan {
        writes: number(0, 100_000),
        writers: number(1, 16),
        files: number(2, 20),
        arbitrate,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(plan));
}

/// One writer's own record of what was acknowledged.
#[derive(Default)]
struct Log {
    acknowledged: Vec<(PathBuf, String)>,
    calls: Vec<Duration>,
    refused: u64,
}

async fn measure(plan: Plan) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap().join("tree");
    std::fs::create_dir(&root).unwrap();
    for file in 0..plan.files {
        let anchors: String = (0..8).map(|n| format!("== part {n} ==\n")).collect();
        std::fs::write(root.join(format!("f{file}.txt")), anchors).unwrap();
    }
    let wish = Boot { arbitrate: plan.arbitrate, ..Boot::new(&root, &folder.path().join("h.db")) };
    let mut engine = boot(wish).unwrap();
    let left = Arc::new(AtomicU64::new(plan.writes));
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..plan.writers {
        let link = engine.connector().connect();
        tasks.spawn(write(
            link,
            writer,
            plan.files,
            plan.arbitrate,
            root.clone(),
            Arc::clone(&left),
        ));
    }
    let logs = tasks.join_all().await;
    let took = begun.elapsed();
    let mut link = engine.connector().connect();
    call(&mut link, 1, Command::Shutdown).await;
    engine.ended().await.unwrap();
    report(&plan, &root, &logs, took);
}

async fn write(
    mut link: Link,
    writer: u64,
    files: u64,
    arbitrate: bool,
    root: PathBuf,
    left: Arc<AtomicU64>,
) -> Log {
    let mut log = Log::default();
    let mut random = writer.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let name = format!("w{writer}");
    let mut seq = 0;
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
        seq += 1;
        let file = format!("f{}.txt", next(&mut random) % files);
        let marker = format!("@{name}:{seq}:{:x}", next(&mut random));
        let whole = next(&mut random).is_multiple_of(2);
        loop {
            let begun = Instant::now();
            let done = if arbitrate {
                let part = next(&mut random) % 8;
                arbitrated(&mut link, &name, &file, &marker, whole.then_some(()), part).await
            } else {
                unprotected(&root.join(&file), &marker).await
            };
            log.calls.push(begun.elapsed());
            if done {
                log.acknowledged.push((root.join(&file), marker));
                break;
            }
            log.refused += 1;
        }
    }
    log
}

/// A careful writer: it reads, then writes the whole file or a small edit.
async fn arbitrated(
    link: &mut Link,
    name: &str,
    file: &str,
    marker: &str,
    whole: Option<()>,
    part: u64,
) -> bool {
    let (tool, input) = match whole {
        Some(()) => {
            let read = tool(link, name, "read_file", json!({ "path": file })).await;
            let text = read["data"]["content"].as_str().unwrap().to_owned();
            ("write_file", json!({ "path": file, "content": format!("{text}{marker}\n") }))
        }
        None => {
            let old = format!("== part {part} ==\n");
            let new = format!("{old}{marker}\n");
            ("edit_file", json!({ "path": file, "old": old, "new": new }))
        }
    };
    let result = self::tool(link, name, tool, input).await;
    match (result["ok"].as_bool(), result["code"].as_str()) {
        (Some(true), _) => true,
        (_, Some("STALE" | "UNREAD")) => {
            // As a sensible model does: it reads again before it tries again.
            self::tool(link, name, "read_file", json!({ "path": file })).await;
            false
        }
        (_, Some("HELD" | "TIMEOUT")) => false,
        _ => panic!("{result}"),
    }
}

/// What every tool does that nobody stops: read, change, write.
async fn unprotected(path: &Path, marker: &str) -> bool {
    let path = path.to_owned();
    let marker = marker.to_owned();
    let text = tokio::fs::read_to_string(&path).await.unwrap_or_default();
    tokio::task::yield_now().await;
    tokio::fs::write(&path, format!("{text}{marker}\n")).await.unwrap();
    true
}

async fn tool(link: &mut Link, name: &str, tool: &str, input: Value) -> Value {
    let (name, tool) = (name.to_owned(), tool.to_owned());
    let reply = call(link, 1, Command::CallTool { name, tool, input }).await;
    let Reply::Tool(value) = reply else { panic!("{reply:?}") };
    value
}

async fn call(link: &mut Link, id: u64, command: Command) -> Reply {
    link.commands.send(ToEngine { id, command }).await.unwrap();
    loop {
        if let ToClient::Reply { reply, .. } = link.events.recv().await.expect("the engine lives") {
            return reply;
        }
    }
}

fn next(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random
}

fn report(plan: &Plan, root: &Path, logs: &[Log], took: Duration) {
    let mut lines = HashSet::new();
    for file in 0..plan.files {
        let path = root.join(format!("f{file}.txt"));
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        lines.extend(text.lines().map(|line| (path.clone(), line.to_owned())));
    }
    let acknowledged: Vec<_> = logs.iter().flat_map(|log| &log.acknowledged).collect();
    let lost = acknowledged.iter().filter(|marker| !lines.contains(**marker)).count();
    let refused: u64 = logs.iter().map(|log| log.refused).sum();
    let mut calls: Vec<_> = logs.iter().flat_map(|log| log.calls.iter().copied()).collect();
    calls.sort();
    let at = |share: f64| calls[((calls.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let decisions = acknowledged.len() as u64 + refused;
    println!("arbiter            {}", if plan.arbitrate { "on" } else { "off" });
    println!("acknowledged       {}", acknowledged.len());
    println!("refused, redone    {refused}");
    println!("lost               {lost}");
    println!("seconds            {:.1}", took.as_secs_f64());
    println!("decisions/s        {:.0}", decisions as f64 / took.as_secs_f64());
    println!("whole call, ms     p50 {:.2}  p99 {:.2}  max {:.2}", at(0.5), at(0.99), at(1.0));
}
