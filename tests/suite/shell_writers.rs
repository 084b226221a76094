//! The promise, for writers that are plain processes: shells, scripts, `sed`, `cp` and git, mixed
//! with tools, on the same few files.
//!
//! Each writer keeps its own account. What was refused is not acknowledged; before it tries again
//! it looks at the file with a tool, for nobody sees what a process reads. With the guard nothing
//! acknowledged is missing, and nobody is refused without a reason; without it the same run loses
//! much, or it would prove nothing. `BENCHDOG_FULL=1` makes the runs larger.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, SystemTime};

use serde_json::{Value, json};

use crate::support::bench_process::Bench;
use crate::support::checker::{Verdict, check};
use crate::support::engine::{QUICK, serve, shut_down};
use crate::support::guard::kernel_asks;
use crate::support::workspace::Workspace;

/// All but the last of [`MEANS`], which writes nothing.
const WRITERS: usize = 9;
const FILES: usize = 3;
const TEXT: &str = "first\nsecond\nthird\nfourth\nfifth\n";

/// The longest time for which a file stays somebody's with these settings, and how far two clocks
/// of this test may be apart.
const KEPT_MS: i64 = 3_000;
const SLACK_MS: i64 = 500;

/// How a writer writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    /// It adds a line and needs to have seen nothing.
    Append(&'static str),
    /// It puts another text in the place of the file.
    Replace(&'static str),
    /// With the bench's tools, whole files and edits in turn.
    Tool,
    /// It would undo all that is not in git, and has seen nothing.
    Undo(&'static str),
}

/// `$F` is the file, `$M` the marker, `$T` a name of its own outside, `$S` what was seen of the
/// file with the marker behind it.
const MEANS: [Means; WRITERS + 1] = [
    Means::Append("printf '%s\\n' $M >> $F"),
    Means::Append("echo $M | tee -a $F > $T"),
    Means::Replace("sed -i \"\\$a $M\" $F"),
    Means::Replace("cp $S $F"),
    Means::Replace("mv $S $F"),
    Means::Replace(
        "python3 -c 'import os,sys,tempfile
f,s=sys.argv[1:]
d,n=tempfile.mkstemp(dir=\"src\")
os.write(d,open(s,\"rb\").read()); os.close(d)
os.rename(n,f)' $F $S || { rm -f src/tmp*; false; }",
    ),
    Means::Replace(
        "git diff --no-index $F $S > $T; perl -e 'open my $to, q(>), $ARGV[0] or die qq($!\\n);
open my $from, q(<), $ARGV[1] or die qq($!\\n); print {$to} <$from>' $F $S",
    ),
    Means::Tool,
    Means::Tool,
    Means::Undo("git reset -q --hard"),
];

/// A try of a writer, by its own account.
#[derive(Debug, Clone)]
struct Try {
    writer: usize,
    path: String,
    /// When it began to look at the file for the last time before; 0: never.
    looked: i64,
    from: i64,
    to: i64,
    /// `OK`, the code of a refusal, or `FAILED`.
    code: String,
    said: String,
}

struct Outcome {
    verdict: Verdict,
    tries: Vec<Try>,
}

fn now_ms() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis().try_into().unwrap()
}

/// One writer at work.
struct Writer<'a> {
    bench: &'a Bench,
    number: usize,
    means: Means,
    log: String,
    tries: Vec<Try>,
}

impl Writer<'_> {
    fn name(&self) -> String {
        format!("writer{}", self.number)
    }

    fn tool(&self, tool: &str, input: &Value) -> Value {
        let ran = self.bench.run(&["call", "--as", &self.name(), tool, &input.to_string()]);
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:#?}"))
    }

    fn look(&self, path: &str) -> Option<String> {
        let seen = self.tool("read_file", &json!({ "path": path }));
        seen["data"]["content"].as_str().map(str::to_owned)
    }

    /// Runs a script; the code of what came of it, and what it was told.
    fn shell(&self, path: &str, marker: &str, script: &str) -> (String, String) {
        let own = self.bench.at_home(&format!("own{}", self.number));
        let own = own.to_str().unwrap();
        let words = format!("F={path}; M='{marker}'; T={own}; S={own}.seen; {script}");
        let ran = self.bench.run(&["exec", "--as", &self.name(), "--", "bash", "-c", &words]);
        let code = match ran.stderr.split("NOT WRITTEN (").nth(1).and_then(|r| r.split(')').next())
        {
            Some(code) => code.to_uppercase(),
            None if ran.code == Some(0) => "OK".to_owned(),
            None => "FAILED".to_owned(),
        };
        // A program may have met a refusal and have got through at last.
        if ran.code == Some(0) { ("OK".to_owned(), ran.stderr) } else { (code, ran.stderr) }
    }

    /// One try, and whether it was acknowledged.
    fn write(&mut self, path: &str, marker: &str, number: usize) -> bool {
        let mut looked = 0;
        let mut from = now_ms();
        let (code, said) = match self.means {
            Means::Append(script) | Means::Undo(script) => self.shell(path, marker, script),
            Means::Replace(script) => {
                looked = from;
                let Some(seen) = self.look(path) else { return false };
                let own = self.bench.at_home(&format!("own{}.seen", self.number));
                std::fs::write(own, format!("{seen}{marker}\n")).unwrap();
                from = now_ms();
                self.shell(path, marker, script)
            }
            Means::Tool => {
                looked = from;
                let Some(seen) = self.look(path) else { return false };
                from = now_ms();
                let result = if number.is_multiple_of(2) {
                    let content = format!("{seen}{marker}\n");
                    self.tool("write_file", &json!({ "path": path, "content": content }))
                } else {
                    let new = format!("third\n{marker}\n");
                    let edit = json!({ "path": path, "old": "third\n", "new": new });
                    self.tool("edit_file", &edit)
                };
                (result["code"].as_str().unwrap_or("FAILED").to_owned(), result.to_string())
            }
        };
        let (writer, done) = (self.number, code == "OK");
        let to = now_ms();
        self.tries.push(Try { writer, path: path.to_owned(), looked, from, to, code, said });
        done
    }

    /// Writes so many markers, each until it is acknowledged.
    fn work(&mut self, markers: usize, busy: &AtomicUsize) {
        if let Means::Undo(_) = self.means {
            // As long as anybody else works.
            while busy.load(Ordering::Relaxed) > 0 {
                self.write("src/part0.txt", "", 0);
            }
            return;
        }
        let _working = Working(busy);
        for number in 0..markers {
            let path = format!("src/part{}.txt", (self.number + number) % FILES);
            let marker = format!("@{}:{number}:{:08x}", self.name(), number * 7919 + self.number);
            loop {
                let done = self.write(&path, &marker, number);
                let end = if done { "acknowledged" } else { "refused" };
                let full = self.bench.workspace.at(&path);
                self.log += &format!("{}\n", json!({ "marker": marker, "path": full, "end": end }));
                if done {
                    break;
                }
                assert!(self.tries.len() < 2_000, "it never ends: {:#?}", self.tries.last());
            }
        }
    }
}

/// One who works; also whoever gives up with a panic does so no longer.
struct Working<'a>(&'a AtomicUsize);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets everybody write at once, with these settings.
fn run(means: &[Means], settings: &[&str]) -> Outcome {
    let workspace = Workspace::new();
    for file in 0..FILES {
        workspace.write(&format!("src/part{file}.txt"), TEXT);
    }
    let bench = Bench::in_workspace(workspace.git());
    let before = bench.workspace.tree();
    let engine = serve(&bench, settings);
    let busy = AtomicUsize::new(WRITERS);
    let (mut logs, mut tries) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let (bench, busy) = (&bench, &busy);
        let working: Vec<_> = means
            .iter()
            .enumerate()
            .map(|(number, &means)| {
                scope.spawn(move || {
                    let (log, tries) = (String::new(), Vec::new());
                    let mut writer = Writer { bench, number, means, log, tries };
                    writer.work(markers(), busy);
                    (writer.log, writer.tries)
                })
            })
            .collect();
        for writer in working {
            let (log, tried) = writer.join().unwrap();
            logs.push(log);
            tries.extend(tried);
        }
    });
    shut_down(&bench, engine);
    let verdict = check(bench.workspace.path(), &before, &bench.workspace.tree(), &logs);
    Outcome { verdict, tries }
}

/// Refusals without a reason: nobody else was at the file or had it kept, or nothing of anybody
/// else's was new to who was refused. Any file will do for who is at all of them.
fn false_blocks(tries: &[Try]) -> Vec<&Try> {
    let has_reason = |refused: &&Try| {
        let everywhere = matches!(MEANS[refused.writer], Means::Undo(_));
        let others = || {
            tries.iter().filter(|other| {
                let same = other.path == refused.path || everywhere;
                let undoes = matches!(MEANS[other.writer], Means::Undo(_));
                other.writer != refused.writer
                    && (same || undoes)
                    && other.from <= refused.to + SLACK_MS
            })
        };
        match refused.code.as_str() {
            "HELD" | "DEADLOCK" | "TIMEOUT" => {
                others().any(|other| other.to + KEPT_MS + SLACK_MS >= refused.from)
            }
            "STALE" | "UNREAD" => {
                others().any(|other| other.code == "OK" && other.to + SLACK_MS >= refused.looked)
            }
            _ => false,
        }
    };
    let refused = tries.iter().filter(|tried| !["OK", "FAILED"].contains(&tried.code.as_str()));
    refused.filter(|tried| !has_reason(tried)).collect()
}

fn markers() -> usize {
    if std::env::var_os("BENCHDOG_FULL").is_some() { 150 } else { 10 }
}

fn say(kind: &str, outcome: &Outcome, begun: Instant) {
    let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
    for tried in &outcome.tries {
        *codes.entry(&tried.code).or_default() += 1;
    }
    eprintln!(
        "{kind}: {} acknowledged, {} lost, {} lines lost from the start, tries {codes:?}, {} refused \
         without a reason, {:.1} s",
        outcome.verdict.acknowledged,
        outcome.verdict.lost.len(),
        outcome.verdict.lost_before.len(),
        false_blocks(&outcome.tries).len(),
        begun.elapsed().as_secs_f64()
    );
    let failed = outcome.tries.iter().filter(|tried| tried.code == "FAILED");
    let said: BTreeMap<&str, usize> = failed.fold(BTreeMap::new(), |mut said, tried| {
        *said.entry(tried.said.lines().next().unwrap_or_default()).or_default() += 1;
        said
    });
    eprintln!("  failed otherwise: {said:?}");
}

#[test]
fn shells_scripts_git_and_tools_on_the_same_files_lose_nothing() {
    if !kernel_asks() {
        return;
    }
    let begun = Instant::now();
    let outcome = run(&MEANS, &QUICK);
    say("with the guard", &outcome, begun);
    outcome.verdict.assert_nothing_lost();
    assert_eq!(outcome.verdict.acknowledged, WRITERS * markers());
    assert_eq!(outcome.verdict.unclaimed, 0);
    let unfounded = false_blocks(&outcome.tries);
    let told: Vec<&str> = unfounded.iter().map(|tried| tried.said.as_str()).collect();
    assert!(unfounded.is_empty(), "{unfounded:#?}\n{told:#?}");
}

#[test]
fn without_the_guard_the_same_processes_lose_much() {
    let off = ["--set", "agent.guard=off", "--set", "arbiter.enabled=false"];
    // The one that undoes everything alone would be enough.
    for means in [&MEANS[..WRITERS], &MEANS] {
        let begun = Instant::now();
        let outcome = run(means, &off);
        say("without the guard", &outcome, begun);
        let (lost, of) = (outcome.verdict.lost.len(), outcome.verdict.acknowledged);
        assert!(outcome.verdict.lost_share() > 0.1, "only {lost} of {of}: the run proves nothing");
    }
}
