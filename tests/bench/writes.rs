//! Many scripted writers on few files, through the whole engine: arbiter, history, disk.
//!
//! `cargo bench --bench writes -- [WRITES] [WRITERS] [FILES] [off]` writes that many acknowledged
//! lines (100,000 by 16 writers on 20 files without arguments). Each writer has one line of its own
//! in each file, and judges by the files and its own log alone: when it looks again, and at the
//! end, the line that was acknowledged last must stand there, or it is lost. With `off` the
//! arbiter is out of the way, and lines must be lost, or the measurement means nothing.
//!
//! Two spans are timed. The decision: from the ask to the grant that is stored and may be carried
//! out, or to the refusal; it includes the wait for another's write of the same file, which is most
//! of its tail. The write call: the same, and the file on disk, and the answer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on should panic, and prints its figures"
)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use benchdog::engine::boot::{Boot, boot};
use benchdog::engine::command::{Command, Reply};
use benchdog::engine::event::{ToClient, ToEngine};
use benchdog::engine::link::Link;
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Metadata, Subscriber};

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
    tracing::subscriber::set_global_default(Grants).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(plan));
}

/// One writer's own record of what was acknowledged.
#[derive(Default)]
struct Log {
    /// The last acknowledged line in each file: what must stand there when the writer looks again.
    last: HashMap<PathBuf, String>,
    acknowledged: u64,
    refused: u64,
    lost: u64,
    decisions: Vec<Duration>,
    writes: Vec<Duration>,
    reads: Vec<Duration>,
}

/// A line of a writer before its first write.
fn first_line(writer: u64) -> String {
    format!("w{writer} -")
}

async fn measure(plan: Plan) {
    let folder = tempfile::tempdir().unwrap();
    let tree = tree();
    let root = tree.path().canonicalize().unwrap();
    // A line of its own for each writer, with unchanging text between them: the files keep their
    // size, so that the last write costs what the first did.
    for file in 0..plan.files {
        let text: String = (0..plan.writers)
            .map(|writer| format!("{}\n\n== part {writer} ==\n\n\n", first_line(writer)))
            .collect();
        std::fs::write(root.join(format!("f{file}.txt")), text).unwrap();
    }
    let wish = Boot { arbitrate: plan.arbitrate, ..Boot::new(&root, &folder.path().join("h.db")) };
    let mut engine = boot(wish).unwrap();
    let left = Arc::new(AtomicU64::new(plan.writes));
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..plan.writers {
        let writer = Writer {
            link: engine.connector().connect(),
            number,
            name: format!("w{number}"),
            root: root.clone(),
            log: Log::default(),
            calls: 0,
        };
        tasks.spawn(writer.write(plan.files, plan.arbitrate, Arc::clone(&left)));
    }
    let mut logs = tasks.join_all().await;
    let took = begun.elapsed();
    let mut link = engine.connector().connect();
    call(&mut link, 1, Command::Shutdown).await;
    engine.ended().await.unwrap();
    for log in &mut logs {
        log.lost += log.last.iter().filter(|(path, line)| !stands(path, line)).count() as u64;
    }
    report(&plan, &logs, took);
}

/// The tree lies in memory where there is such a place: ext4 looks at each inode that was deleted
/// in the last minute when it creates a file, so that thousands of replaced files a second would
/// measure its allocator. The history lies on the disk, with its flushes.
fn tree() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn stands(path: &Path, line: &str) -> bool {
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    text.lines().any(|found| found == line)
}

struct Writer {
    link: Link,
    number: u64,
    name: String,
    root: PathBuf,
    log: Log,
    calls: u64,
}

impl Writer {
    async fn write(mut self, files: u64, arbitrate: bool, left: Arc<AtomicU64>) -> Log {
        let mut random = self.number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut seq = 0;
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
        {
            seq += 1;
            let file = format!("f{}.txt", next(&mut random) % files);
            let line = format!("{} {seq}:{:x}", self.name, next(&mut random));
            let whole = next(&mut random).is_multiple_of(2);
            loop {
                let done = match (arbitrate, whole) {
                    (false, _) => self.unprotected(&file, &line).await,
                    (true, true) => self.replace(&file, &line).await,
                    (true, false) => self.edit(&file, &line).await,
                };
                if done {
                    self.log.acknowledged += 1;
                    self.log.last.insert(self.root.join(&file), line);
                    break;
                }
                self.log.refused += 1;
            }
        }
        self.log
    }

    fn own_line(&self, file: &str) -> String {
        let last = self.log.last.get(&self.root.join(file));
        last.cloned().unwrap_or_else(|| first_line(self.number))
    }

    /// Puts a line in the place of the own one. An acknowledged line that is not there is lost.
    fn put(&mut self, file: &str, text: &str, line: &str) -> String {
        let prefix = format!("{} ", self.name);
        if let Some(last) = self.log.last.get(&self.root.join(file))
            && !text.lines().any(|found| found == last)
        {
            self.log.lost += 1;
        }
        let put = |found: &str| {
            if found.starts_with(&prefix) { format!("{line}\n") } else { format!("{found}\n") }
        };
        text.lines().map(put).collect()
    }

    /// A careful writer reads, then writes the whole file.
    async fn replace(&mut self, file: &str, line: &str) -> bool {
        let text = self.read(file).await;
        let content = self.put(file, &text, line);
        self.submit(file, "write_file", json!({ "path": file, "content": content })).await
    }

    /// An anchored edit: the anchor is the own last line, which must be there.
    async fn edit(&mut self, file: &str, line: &str) -> bool {
        let edit = json!({ "path": file, "old": self.own_line(file), "new": line });
        self.submit(file, "edit_file", edit).await
    }

    async fn submit(&mut self, file: &str, tool: &str, input: Value) -> bool {
        self.calls += 1;
        let call = (self.number << 32) | self.calls;
        let begun = Instant::now();
        let result = use_tool(&mut self.link, call, &self.name, tool, input).await;
        let ended = Instant::now();
        // Without a grant the answer was the refusal.
        let granted = GRANTED.lock().unwrap().remove(&call).unwrap_or(ended);
        self.log.decisions.push(granted - begun);
        self.log.writes.push(ended - begun);
        match (result["ok"].as_bool(), result["code"].as_str()) {
            (Some(true), _) => true,
            (_, Some("STALE" | "UNREAD")) => {
                // As a sensible model does: it reads again before it tries again.
                self.read(file).await;
                false
            }
            (_, Some("HELD" | "TIMEOUT")) => false,
            _ => panic!("{result}"),
        }
    }

    async fn read(&mut self, file: &str) -> String {
        let begun = Instant::now();
        let input = json!({ "path": file });
        let read = use_tool(&mut self.link, 0, &self.name, "read_file", input).await;
        self.log.reads.push(begun.elapsed());
        read["data"]["content"].as_str().unwrap().to_owned()
    }

    /// What every tool does that nobody stops: read, change, write.
    async fn unprotected(&mut self, file: &str, line: &str) -> bool {
        let path = self.root.join(file);
        let text = tokio::fs::read_to_string(&path).await.unwrap_or_default();
        let text = self.put(file, &text, line);
        tokio::task::yield_now().await;
        tokio::fs::write(&path, text).await.unwrap();
        true
    }
}

async fn use_tool(link: &mut Link, id: u64, name: &str, tool: &str, input: Value) -> Value {
    let (name, tool) = (name.to_owned(), tool.to_owned());
    let reply = call(link, id, Command::CallTool { name, tool, input }).await;
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

/// When which call was granted: the engine's log says so at the moment when the grant is stored and
/// the write begins.
static GRANTED: LazyLock<Mutex<HashMap<u64, Instant>>> = LazyLock::new(Mutex::default);

/// A log that hears of grants only.
struct Grants;

impl Subscriber for Grants {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "benchdog::grant"
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Call(Instant::now()));
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// Reads the number of a call out of an entry of the log.
struct Call(Instant);

impl Visit for Call {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "id" {
            GRANTED.lock().unwrap().insert(value, self.0);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

fn next(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random
}

fn report(plan: &Plan, logs: &[Log], took: Duration) {
    let sum = |count: fn(&Log) -> u64| logs.iter().map(count).sum::<u64>();
    let (acknowledged, refused) = (sum(|log| log.acknowledged), sum(|log| log.refused));
    println!("arbiter            {}", if plan.arbitrate { "on" } else { "off" });
    println!("acknowledged       {acknowledged}");
    println!("refused, redone    {refused}");
    println!("lost               {}", sum(|log| log.lost));
    println!("seconds            {:.1}", took.as_secs_f64());
    println!("decisions/s        {:.0}", (acknowledged + refused) as f64 / took.as_secs_f64());
    print_times("decision, ms", logs.iter().flat_map(|log| &log.decisions));
    print_times("write call, ms", logs.iter().flat_map(|log| &log.writes));
    print_times("read call, ms", logs.iter().flat_map(|log| &log.reads));
}

fn print_times<'a>(what: &str, times: impl Iterator<Item = &'a Duration>) {
    let mut times: Vec<_> = times.copied().collect();
    times.sort();
    if let Some(last) = times.len().checked_sub(1) {
        let at = |share: f64| times[(last as f64 * share) as usize].as_secs_f64() * 1e3;
        println!("{what:<18} p50 {:.2}  p99 {:.2}  max {:.2}", at(0.5), at(0.99), at(1.0));
    }
}
