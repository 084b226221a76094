//! The promise at its full size: 64 writers on 100 files, shells, scripts and tools mixed, many
//! writes in each command.
//!
//! Each writer keeps its own account; what is refused is not acknowledged, and it goes on with
//! another file. The files are new ones after so many writes, and after each such round everything
//! is judged: what was lost, and which of the refusals that the engine has recorded had no reason.
//! `BENCHDOG_FULL=1` writes a million times; without the guard a short run is enough to lose much.

mod judge;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Barrier, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::bench_process::{Bench, Running};
use crate::support::caller::{Caller, socket};
use crate::support::checker::{Verdict, check};
use crate::support::engine::{QUICK, serve, shut_down};
use crate::support::guard::kernel_asks;
use crate::support::workspace::Workspace;
use judge::{Judgement, Try};

const WRITERS: usize = 64;
const FILES: usize = 100;
const TEXT: &str = "first\nsecond\nthird\nfourth\nfifth\n";

/// A command may be silent so long: some only say something when they look at a file.
const SILENCE: Duration = Duration::from_secs(600);

/// Files that a writer looks at before it changes the first of them.
const AHEAD: &str = "6";

/// How a writer writes, and its part of a round.
struct Means {
    /// A program, its script and the manner; nothing: the bench's tools.
    command: &'static [&'static str],
    writes: usize,
}

const fn means(command: &'static [&'static str], writes: usize) -> Means {
    Means { command, writes }
}

/// Each is that of eight writers. Those that start programs for each write write less.
const MEANS: [Means; 8] = [
    means(&["bash", "writer.sh", "printf"], 480),
    means(&["bash", "writer.sh", "programs"], 60),
    means(&["perl", "writer.pl", "append"], 480),
    means(&["perl", "writer.pl", "truncate"], 240),
    means(&["python3", "writer.py", "append"], 480),
    means(&["python3", "writer.py", "rename"], 320),
    means(&["python3", "writer.py", "in place"], 320),
    means(&[], 120),
];

/// How much is written.
#[derive(Clone, Copy)]
struct Size {
    rounds: usize,
    /// The part of a whole round that each is.
    part: usize,
}

impl Size {
    fn writes(self) -> usize {
        let round: usize = MEANS.iter().map(|means| means.writes.div_ceil(self.part)).sum();
        round * (WRITERS / MEANS.len()) * self.rounds
    }
}

/// As much as the machine is given time for.
fn size() -> Size {
    match std::env::var_os("BENCHDOG_FULL") {
        Some(_) => Size { rounds: 50, part: 1 },
        None => Size { rounds: 1, part: 16 },
    }
}

/// The interpreter itself: what is found first may be a script that looks for it each time.
fn python() -> &'static str {
    static PYTHON: OnceLock<String> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let words = ["-c", "import sys; print(sys.executable)"];
        let said = Command::new("python3").args(words).output().unwrap();
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    })
}

/// A line of text that appears once in each file, and what follows it after an edit.
fn edit_of(path: &str, marker: &str) -> Value {
    json!({ "path": path, "old": "third\n", "new": format!("third\n{marker}\n") })
}

fn now_ms() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis().try_into().unwrap()
}

/// A small random number, another one each time.
fn random(state: &mut u64, below: usize) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap() % below
}

/// One writer, as far as it works here: it looks at files for its commands, or uses tools itself.
struct Writer<'a> {
    bench: &'a Bench,
    socket: &'a Path,
    number: usize,
    round: String,
    writes: usize,
    /// All begin at once.
    begin: &'a Barrier,
}

impl Writer<'_> {
    fn name(&self) -> String {
        format!("w{}", self.number)
    }

    fn log(&self) -> PathBuf {
        self.bench.at_home(&format!("{}-{}.log", self.round, self.name()))
    }

    /// Writes its part of the round; its own account of it.
    fn work(&self) -> String {
        match MEANS[self.number % MEANS.len()].command {
            [] => self.use_tools(),
            [program, script, manner] => {
                self.run(program, script, manner);
                std::fs::read_to_string(self.log()).unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    /// One command, which asks to have files looked at.
    fn run(&self, program: &str, script: &str, manner: &str) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suite/many_writers");
        let script = format!("{folder}/{script}");
        let (name, log) = (self.name(), self.log());
        let (files, writes) = (FILES.to_string(), self.writes.to_string());
        let program = if program == "python3" { python() } else { program };
        let mut command = self.bench.command(&["exec", "--as", &name, "--", program, &script]);
        command
            .args([&name, manner, &self.round])
            .arg(log)
            .args([&files, &writes, &self.round])
            .arg(AHEAD);
        let mut caller = None;
        let (mut running, mut input) = Running::answered(command);
        running.stdout.wait_for("ready", |line| line == "ready");
        self.begin.wait();
        input.write_all(b"go\n").unwrap();
        loop {
            let said = running.stdout.next_within(SILENCE);
            let Some(line) = said.unwrap_or_else(|| panic!("{name} hangs")) else { break };
            let path = line.strip_prefix("look ").unwrap_or_else(|| panic!("{name}: {line}"));
            let caller = caller.get_or_insert_with(|| Caller::connect(self.socket, &name));
            let answer = if caller.read(path).is_some() { "ok\n" } else { "no\n" };
            input.write_all(answer.as_bytes()).unwrap();
        }
        let (code, said) = running.wait_exit();
        assert_eq!(code, Some(0), "{name}: {said}");
    }

    /// Whole files and edits in turn.
    fn use_tools(&self) -> String {
        let mut caller = Caller::connect(self.socket, &self.name());
        let mut state = self.number as u64 + 1;
        let (mut log, mut done) = (String::new(), 0);
        self.begin.wait();
        while done < self.writes {
            let path = format!("{}/part{}.txt", self.round, random(&mut state, FILES));
            let looked = now_ms();
            let Some(seen) = caller.read(&path) else { continue };
            let marker = format!(
                "@{}:{}.{done}:{:08x}",
                self.name(),
                self.round,
                random(&mut state, 1 << 30)
            );
            let from = now_ms();
            let result = if random(&mut state, 2) == 0 {
                let content = format!("{seen}{marker}\n");
                caller.tool("write_file", json!({ "path": path, "content": content }))
            } else {
                caller.tool("edit_file", edit_of(&path, &marker))
            };
            let end = match result["code"].as_str() {
                Some("OK") => "acknowledged",
                Some("HELD" | "STALE" | "UNREAD" | "DEADLOCK" | "TIMEOUT") => "refused",
                _ => "failed",
            };
            let why = result["text"].as_str().unwrap_or_default();
            let entry = json!({ "marker": marker, "path": path, "end": end, "why": why,
                "looked": looked, "from": from, "to": now_ms() });
            log += &format!("{entry}\n");
            done += usize::from(end == "acknowledged");
        }
        log
    }
}

/// What came of a run.
#[derive(Default)]
struct Outcome {
    verdict: Verdict,
    judgement: Judgement,
    /// What failed for another reason than a refusal.
    failed: BTreeMap<String, usize>,
}

/// Lets everybody write, round after round, with these settings.
fn run(size: Size, settings: &[&str]) -> Outcome {
    let workspace = Workspace::new();
    let rounds: Vec<String> = (0..size.rounds).map(|round| format!("round{round}")).collect();
    for (round, file) in rounds.iter().flat_map(|round| (0..FILES).map(move |file| (round, file))) {
        workspace.write(&format!("{round}/part{file}.txt"), TEXT);
    }
    let bench = Bench::in_workspace(workspace);
    let before = bench.workspace.tree();
    let engine = serve(&bench, settings);
    let socket = socket(&bench);
    let (mut outcome, mut left) = (Outcome::default(), BTreeMap::new());
    for round in &rounds {
        let begun = Instant::now();
        let logs = write_round(&bench, &socket, round, size.part);
        let of_round = |tree: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            let here = tree.iter().filter(|(path, _)| path.starts_with(&format!("{round}/")));
            here.map(|(path, text)| (path.clone(), text.clone())).collect()
        };
        let after = of_round(&bench.workspace.tree());
        let verdict = check(bench.workspace.path(), &of_round(&before), &after, &logs);
        left.extend(after);
        let tries: Vec<Try> =
            logs.iter().enumerate().flat_map(|(n, log)| Try::all(n, log)).collect();
        for tried in tries.iter().filter(|tried| tried.end == "failed") {
            *outcome.failed.entry(tried.why.clone()).or_default() += 1;
        }
        let judgement = Judgement::of(&bench, round, &tries);
        say(round, &verdict, &judgement, begun.elapsed(), engine.pid());
        outcome.verdict.add(verdict);
        outcome.judgement.add(judgement);
    }
    shut_down(&bench, engine);
    assert!(bench.workspace.tree() == left, "files of a round have changed after it");
    outcome
}

/// Has all writers write one round; their accounts.
fn write_round(bench: &Bench, socket: &Path, round: &str, part: usize) -> Vec<String> {
    let begin = &Barrier::new(WRITERS);
    std::thread::scope(|scope| {
        let working: Vec<_> = (0..WRITERS)
            .map(|number| {
                let writes = MEANS[number % MEANS.len()].writes.div_ceil(part);
                let round = round.to_owned();
                let writer = Writer { bench, socket, number, round, writes, begin };
                scope.spawn(move || writer.work())
            })
            .collect();
        working.into_iter().map(|writer| writer.join().unwrap()).collect()
    })
}

fn say(what: &str, verdict: &Verdict, judged: &Judgement, took: Duration, engine: u32) {
    let memory = std::fs::read_to_string(format!("/proc/{engine}/status")).unwrap_or_default();
    let memory: Vec<String> = memory
        .lines()
        .filter(|line| line.starts_with("VmHWM") || line.starts_with("VmRSS"))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    eprintln!(
        "{what}: {} acknowledged, {} refused {:?}, {} failed, {} lost, {} unclaimed, {} refused \
         without a reason, {:.1} s, engine {}",
        verdict.acknowledged,
        verdict.refused,
        judged.codes,
        verdict.failed,
        verdict.lost.len() + verdict.lost_before.len(),
        verdict.unclaimed,
        judged.unfounded.len(),
        took.as_secs_f64(),
        memory.join(", ")
    );
    for example in judged.unfounded.iter().take(3) {
        eprintln!("  {example:?}");
    }
}

#[test]
fn many_writers_on_many_files_lose_nothing_and_are_not_refused_without_a_reason() {
    if !kernel_asks() {
        return;
    }
    let (size, begun) = (size(), Instant::now());
    let outcome = run(size, &QUICK);
    let Outcome { verdict, judgement, failed } = &outcome;
    say("in all", verdict, judgement, begun.elapsed(), 0);
    let unfounded = judgement.unfounded.len() + verdict.failed;
    let decisions = verdict.acknowledged + verdict.refused + verdict.failed;
    let share = unfounded as f64 / decisions as f64;
    eprintln!("  {unfounded} false blocks of {decisions} decisions: {:.4} %", share * 100.0);
    verdict.assert_nothing_lost();
    assert_eq!(verdict.acknowledged, size.writes());
    assert_eq!(verdict.unclaimed, 0);
    let examples: Vec<_> = judgement.unfounded.iter().take(5).collect();
    assert!(share <= 0.001, "{failed:?} {examples:#?}");
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn many_writers_without_the_guard_lose_much() {
    // Where the other run proves nothing, nothing needs to be proved of it.
    if !kernel_asks() {
        return;
    }
    let off = ["--set", "agent.guard=off", "--set", "arbiter.enabled=false"];
    // Whoever writes little is through before another one has looked.
    let size = Size { rounds: 1, part: size().part.min(3) };
    let begun = Instant::now();
    let outcome = run(size, &[&QUICK[..], &off].concat());
    say("without the guard", &outcome.verdict, &outcome.judgement, begun.elapsed(), 0);
    let (lost, of) = (outcome.verdict.lost.len(), outcome.verdict.acknowledged);
    assert!(outcome.verdict.lost_share() > 0.1, "only {lost} of {of}: the run proves nothing");
}
