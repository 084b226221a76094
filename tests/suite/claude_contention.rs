//! Real sessions at work on the same files at the same time.
//!
//! Each agent adds marker lines and never removes any. A marker whose tool result was no error is
//! acknowledged, and must be in its file at the end. With `BENCHDOG_FULL=1` there are 400 edits, and
//! 2,000 where half of them are made by shell.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use benchdog::engine::event::Event;
use benchdog::history::record::DecisionRow;
use benchdog::model::agent::AgentInfo;
use benchdog::model::id::AgentId;
use benchdog::model::id::SessionId;
use benchdog::model::lease::Owner;
use benchdog::model::permission::PermissionMode;
use benchdog::model::time::Wall;
use benchdog::model::transcript::Body;
use serde_json::{Value, json};

use crate::support::bench_engine::BenchEngine;
use crate::support::checker::{self, Verdict};
use crate::support::guard::kernel_asks;
use crate::support::model_api::{Gates, ModelApi, Request, open_gate, text, tool};
use crate::support::workspace::Workspace;

const AGENTS: usize = 4;
const SHARED: usize = 5;
/// What the real agent says when a file is replaced while it reads it.
const REPLACED_MEANWHILE: &str = "symlink resolution changed after permission was checked";
/// Two of a turn's edits are of a shared file, two of a file of its own.
const EDITS_PER_TURN: usize = 4;
/// Tries of one edit; more mean that it can never be done.
const TRIES: u32 = 40;

/// The longest time for which a file stays its writer's, or is kept for one who was refused.
const KEPT_MS: i64 = 60_000;
/// How far the clocks of a log and of the arbiter's record may be apart.
const SLACK_MS: i64 = 250;

/// One step of an agent's work.
#[derive(Debug, Clone)]
enum Step {
    /// Read a file.
    Look(String),
    /// Add a marker by replacing a line.
    Edit(String, String),
    /// Add a marker by writing the whole file, as it was last read.
    Write(String, String),
    /// Add a marker by a command: behind everything, or by replacing the file.
    Shell(String, String, Means),
    /// Wait until all agents are here, so that what follows comes at the same moment.
    Meet(usize),
    /// Say that the turn is over.
    End,
}

/// How a command writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    Append,
    Sed,
}

/// With what agents write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum With {
    Tools,
    /// Every other write is made by a command.
    ToolsAndShell,
}

/// A write that an agent tried, by its own account.
#[derive(Debug, Clone, PartialEq)]
struct Attempt {
    path: String,
    /// When its owner began to read the file for the last time before.
    looked: i64,
    /// When it began, and when its result came.
    from: i64,
    to: i64,
    acknowledged: bool,
    /// When the turn was over in which it was.
    turn_end: Option<i64>,
}

fn now_ms() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis().try_into().unwrap()
}

/// What an agent plays, and its own account of it.
struct Player {
    name: String,
    workspace: std::path::PathBuf,
    todo: VecDeque<Step>,
    pending: Option<Step>,
    known: BTreeMap<String, String>,
    /// What it has changed by a command, and must read again before a tool writes it.
    changed: BTreeSet<String>,
    /// When each file was last looked at.
    looked: BTreeMap<String, i64>,
    /// When the pending step began.
    issued: i64,
    attempts: Vec<Attempt>,
    tries: u32,
    /// For the checker: a line of JSON for each edit that ended.
    log: String,
    acknowledged: usize,
    refused: usize,
    own_checks: usize,
    failures: Vec<String>,
    meeting: Meeting,
}

/// Where agents meet: how many have come to each turn's place.
#[derive(Clone)]
struct Meeting {
    come: Arc<Mutex<BTreeMap<usize, usize>>>,
    gates: Gates,
}

impl Meeting {
    /// One more is here; the name of the gate that opens when all are.
    fn join(&self, turn: usize) -> String {
        let gate = format!("turn-{turn}");
        let mut come = self.come.lock().unwrap();
        let here = come.entry(turn).or_default();
        *here += 1;
        if *here == AGENTS {
            open_gate(&self.gates, &gate);
        }
        gate
    }
}

fn anchor(agent: usize) -> String {
    format!("== place of agent {agent} ==")
}

impl Player {
    fn new(
        number: usize,
        workspace: &std::path::Path,
        turns: usize,
        with: With,
        meeting: Meeting,
    ) -> Self {
        let mut todo = VecDeque::new();
        for turn in 0..turns {
            let shared = format!("shared-{}.txt", turn % SHARED);
            let own = format!("own-{number}.txt");
            let mark = |place: usize| format!("@{number}:{turn}:{place}");
            let whole = turn % 2 == 0;
            let change = |whole: bool, path: &str, place: usize| {
                if with == With::ToolsAndShell && (place + turn).is_multiple_of(2) {
                    let means = if whole { Means::Sed } else { Means::Append };
                    return Step::Shell(path.to_owned(), mark(place), means);
                }
                let kind = if whole { Step::Write } else { Step::Edit };
                kind(path.to_owned(), mark(place))
            };
            todo.extend([
                Step::Look(shared.clone()),
                Step::Look(own.clone()),
                change(false, &own, 0),
                Step::Meet(turn),
                change(whole, &shared, 1),
                change(true, &own, 2),
                change(false, &shared, 3),
                Step::End,
            ]);
        }
        Self {
            name: number.to_string(),
            workspace: workspace.to_owned(),
            todo,
            pending: None,
            known: BTreeMap::new(),
            changed: BTreeSet::new(),
            looked: BTreeMap::new(),
            issued: 0,
            attempts: Vec::new(),
            tries: 0,
            log: String::new(),
            acknowledged: 0,
            refused: 0,
            own_checks: 0,
            failures: Vec::new(),
            meeting,
        }
    }

    fn end(&mut self, path: &str, marker: &str, end: &str) {
        let path = self.workspace.join(path);
        let line = json!({ "marker": marker, "path": path, "end": end });
        self.log.push_str(&format!("{line}\n"));
    }

    /// The place of this agent in a text, with a marker behind it.
    fn marked(&self, text: &str, marker: &str) -> String {
        let place = anchor(self.name.parse().unwrap());
        text.replace(&place, &format!("{place}\n{marker}"))
    }

    /// Takes the result of the last tool, and says what comes next.
    fn next(&mut self, request: &Request) -> Value {
        if let Some(step) = self.pending.take() {
            let (result, is_error) = last_result(request);
            self.settle(step, &result, is_error);
        }
        let mut next = self.todo.pop_front();
        let mut gate = None;
        while let Some(Step::Meet(turn)) = next {
            gate = Some(self.meeting.join(turn));
            next = self.todo.pop_front();
        }
        if let Some(Step::Edit(path, _) | Step::Write(path, _) | Step::Shell(path, _, Means::Sed)) =
            &next
            && self.changed.contains(path)
        {
            let look = Step::Look(path.clone());
            if let Some(step) = next.replace(look) {
                self.todo.push_front(step);
            }
        }
        let Some(step) = next else { return text("All is done.") };
        let mut call = match &step {
            Step::Meet(_) | Step::End => return text("The turn is over."),
            Step::Shell(..) => json!(null),
            Step::Look(path) => tool("Read", &json!({ "file_path": self.workspace.join(path) })),
            Step::Edit(path, marker) => {
                let place = anchor(self.name.parse().unwrap());
                let new = format!("{place}\n{marker}");
                tool(
                    "Edit",
                    &json!({ "file_path": self.workspace.join(path),
                                      "old_string": place, "new_string": new }),
                )
            }
            Step::Write(path, marker) => {
                let known = self.known.get(path).cloned().unwrap_or_default();
                let content = self.marked(&known, marker);
                tool(
                    "Write",
                    &json!({ "file_path": self.workspace.join(path), "content": content }),
                )
            }
        };
        if let Step::Shell(path, marker, means) = &step {
            let path = self.workspace.join(path).display().to_string();
            let command = match means {
                Means::Append => format!("printf '%s\\n' '{marker}' >> {path}"),
                Means::Sed => {
                    let place = anchor(self.name.parse().unwrap());
                    format!("sed -i 's/^{place}$/&\\n{marker}/' {path}")
                }
            };
            call = tool("Bash", &json!({ "command": command }));
        }
        self.issued = now_ms();
        self.pending = Some(step);
        call["wait"] = json!(gate);
        call
    }

    /// The end of a turn: what was held in it is held no more.
    fn turn_over(&mut self) {
        for attempt in self.attempts.iter_mut().rev() {
            if attempt.turn_end.is_some() {
                break;
            }
            attempt.turn_end = Some(now_ms());
        }
    }

    fn settle(&mut self, step: Step, result: &str, is_error: bool) {
        if let Step::Edit(path, _) | Step::Write(path, _) | Step::Shell(path, ..) = &step {
            self.attempts.push(Attempt {
                path: path.clone(),
                looked: self.looked.get(path).copied().unwrap_or_default(),
                from: self.issued,
                to: now_ms(),
                acknowledged: !is_error,
                turn_end: None,
            });
        }
        match &step {
            Step::Look(path) if !is_error => {
                self.looked.insert(path.clone(), self.issued);
                self.changed.remove(path);
                self.known.insert(path.clone(), shown(result));
            }
            // Somebody gave the file a new content, by a rename, between the agent's open and its own
            // look at what it had opened. It reads once more.
            Step::Look(_) if result.contains(REPLACED_MEANWHILE) => {}
            Step::Look(_) => self.failures.push(format!("Read: {result}")),
            Step::Meet(_) | Step::End => {}
            Step::Shell(path, marker, _) if !is_error => {
                self.end(path, marker, "acknowledged");
                self.acknowledged += 1;
                self.tries = 0;
                self.changed.insert(path.clone());
            }
            Step::Edit(path, marker) | Step::Write(path, marker) if !is_error => {
                self.end(path, marker, "acknowledged");
                self.acknowledged += 1;
                self.tries = 0;
                let known = self.known.get(path).cloned().unwrap_or_default();
                let now = self.marked(&known, marker);
                self.known.insert(path.clone(), now);
            }
            Step::Edit(path, marker) | Step::Write(path, marker) | Step::Shell(path, marker, _) => {
                let refused = result.contains("NOT WRITTEN") || result.contains("resource busy");
                self.end(path, marker, if refused { "refused" } else { "failed" });
                self.refused += usize::from(refused);
                // The agent's own check, which sees a change that is older than its question.
                let own_check = result.contains("modified since read");
                self.own_checks += usize::from(own_check);
                if !refused && !own_check {
                    self.failures.push(format!("{step:?}: {result}"));
                }
                self.tries += 1;
                assert!(self.tries < TRIES, "{step:?} is never done: {result}");
                let path = path.clone();
                self.todo.push_front(step);
                self.todo.push_front(Step::Look(path));
                if refused && !result.contains("(stale)") && !result.contains("(unread)") {
                    // Somebody else has it: give back what we hold, and try in the next turn.
                    self.todo.push_front(Step::End);
                }
            }
        }
    }
}

/// The text of the last tool result, and whether it is an error.
fn last_result(request: &Request) -> (String, bool) {
    let messages = request.body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut blocks = messages.iter().filter_map(|message| message["content"].as_array()).flatten();
    let last = blocks.rfind(|block| block["type"] == "tool_result").unwrap();
    let content = &last["content"];
    let text = match content.as_array() {
        Some(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        None => content.as_str().unwrap_or_default().to_owned(),
    };
    (text, last["is_error"] == true)
}

/// The text of a file as the tool `Read` shows it: each line behind its number.
fn shown(result: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in result.lines() {
        let Some((number, rest)) = line.split_once(['\t', '→']) else { continue };
        if number.trim().parse::<usize>().is_ok_and(|number| number == lines.len() + 1) {
            lines.push(rest);
        }
    }
    while lines.last() == Some(&"") {
        lines.pop();
    }
    lines.join("\n") + "\n"
}

struct Figures {
    verdict: Verdict,
    took: Duration,
    decisions: Vec<DecisionRow>,
    false_blocks: Vec<DecisionRow>,
    own_checks: usize,
    failures: Vec<String>,
}

/// All agents do their work; `None` without the real agent.
fn work(edits: usize, with: With, arbitrate: bool) -> Option<Figures> {
    let places: String = (0..AGENTS)
        .map(|agent| format!("{}\n{}", anchor(agent), format!("text of {agent}\n").repeat(6)))
        .collect();
    let shared: Vec<String> = (0..SHARED).map(|n| format!("shared-{n}.txt")).collect();
    let own: Vec<String> = (0..AGENTS).map(|n| format!("own-{n}.txt")).collect();
    let files: Vec<(&str, &str)> =
        shared.iter().chain(&own).map(|path| (path.as_str(), places.as_str())).collect();
    let workspace = Workspace::with(&files);
    let before = workspace.tree();
    let api = ModelApi::start(&json!({}));
    let turns = edits.div_ceil(AGENTS * EDITS_PER_TURN);
    let meeting = Meeting { come: Arc::default(), gates: api.gates() };
    let players: Vec<_> = (0..AGENTS)
        .map(|n| Player::new(n, workspace.path(), turns, with, meeting.clone()))
        .map(|player| Arc::new(Mutex::new(player)))
        .collect();
    for (number, player) in players.iter().enumerate() {
        let player = Arc::clone(player);
        api.answer(&format!("agent-{number}"), move |request| player.lock().unwrap().next(request));
    }
    let mut bench = BenchEngine::start_with(workspace, &api, |boot| boot.arbitrate = arbitrate)?;
    let mode = match with {
        With::Tools => PermissionMode::AcceptEdits,
        With::ToolsAndShell => PermissionMode::BypassPermissions,
    };
    let agents: Vec<AgentId> =
        (0..AGENTS).map(|n| bench.agent(&format!("agent-{n}"), mode)).collect();
    let sessions: Vec<SessionId> = agents
        .iter()
        .map(|agent| {
            let ready = |row: &AgentInfo| !row.commands.is_empty();
            bench.row(*agent, "an agent that is ready", ready).session_id
        })
        .collect();
    let start = Instant::now();
    let prompt = |n: usize| format!("[[script:agent-{n}]] go on");
    for (number, agent) in agents.iter().enumerate() {
        bench.send_more(*agent, &prompt(number));
    }
    let mut busy = AGENTS;
    let mut from = 0;
    while busy > 0 {
        let (at, agent) = bench.next_from(from, "the end of a turn", |event| match event {
            Event::ItemChanged { agent, item } => {
                matches!(&item.body, Body::TurnEnd(_)).then_some(*agent)
            }
            _ => None,
        });
        from = at + 1;
        let number = agents.iter().position(|other| *other == agent).unwrap();
        players[number].lock().unwrap().turn_over();
        if players[number].lock().unwrap().todo.is_empty() {
            busy -= 1;
        } else {
            bench.send_more(agent, &prompt(number));
        }
    }
    let took = start.elapsed();
    bench.close();
    let decisions = bench.history().decisions(&bench.root(), 100_000).unwrap();
    let logs: Vec<String> = players.iter().map(|p| p.lock().unwrap().log.clone()).collect();
    let verdict = checker::check(bench.workspace.path(), &before, &bench.workspace.tree(), &logs);
    let failures = players.iter().flat_map(|p| p.lock().unwrap().failures.clone()).collect();
    let own_checks = players.iter().map(|p| p.lock().unwrap().own_checks).sum();
    let attempts: Vec<_> = players.iter().map(|p| p.lock().unwrap().attempts.clone()).collect();
    let false_blocks = false_blocks(&decisions, &sessions, &attempts);
    Some(Figures { verdict, took, decisions, false_blocks, own_checks, failures })
}

/// Refusals without a reason. A file is rightly refused as held while another agent writes it, until
/// that one's turn is over or the file was kept for it for long enough; and as stale if another one's
/// write of it ended after the refused agent had begun to read it for the last time.
fn false_blocks(
    decisions: &[DecisionRow],
    sessions: &[SessionId],
    attempts: &[Vec<Attempt>],
) -> Vec<DecisionRow> {
    let has_reason = |row: &DecisionRow| {
        let at = row.at.0;
        let Owner::Session(session, _) = &row.owner else { return false };
        let Some(me) = sessions.iter().position(|other| other == session) else { return false };
        let of_file = |number: usize| attempts[number].iter().filter(|mine| mine.path == row.path);
        let mut others = (0..attempts.len())
            .filter(|number| *number != me)
            .flat_map(of_file)
            .filter(|other| other.from <= at + SLACK_MS);
        match row.code.as_str() {
            "STALE" | "UNREAD" => {
                let mine =
                    of_file(me).find(|mine| mine.from - SLACK_MS <= at && at <= mine.to + SLACK_MS);
                let Some(mine) = mine else { return false };
                others.any(|other| other.acknowledged && other.to + SLACK_MS >= mine.looked)
            }
            "HELD" | "PINNED" | "DEADLOCK" | "TIMEOUT" => others.any(|other| {
                let end = match (other.acknowledged, other.turn_end) {
                    (true, Some(end)) => end.min(other.to + KEPT_MS),
                    (true, None) | (false, _) => other.to + KEPT_MS,
                };
                at <= end + SLACK_MS
            }),
            _ => false,
        }
    };
    let refused = decisions.iter().filter(|row| row.code != "OK");
    refused.filter(|row| !has_reason(row)).cloned().collect()
}

fn edits() -> usize {
    if std::env::var_os("BENCHDOG_FULL").is_some() { 400 } else { 120 }
}

fn say(kind: &str, figures: &Figures) {
    let mut codes: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &figures.decisions {
        *codes.entry(&row.code).or_default() += 1;
    }
    eprintln!(
        "{kind}: {} edits acknowledged in {:.1} s, {} lost, {} lines lost from the start, decisions \
         {codes:?}, {} refused without a reason, {} stopped by the agents' own check, other failures {}",
        figures.verdict.acknowledged,
        figures.took.as_secs_f64(),
        figures.verdict.lost.len(),
        figures.verdict.lost_before.len(),
        figures.false_blocks.len(),
        figures.own_checks,
        figures.failures.len(),
    );
}

#[test]
fn a_refusal_counts_as_false_unless_somebody_had_the_file_then() {
    let sessions: [SessionId; 2] = ["s0".into(), "s1".into()];
    let attempt = |looked: i64, from: i64, to: i64, acknowledged: bool, turn_end: i64| Attempt {
        path: "f".to_owned(),
        looked,
        from,
        to,
        acknowledged,
        turn_end: Some(turn_end),
    };
    let refused = |code: &str, at: i64, path: &str| DecisionRow {
        workspace: "/w".to_owned(),
        at: Wall(at),
        owner: Owner::Session(sessions[0].clone(), None),
        path: path.to_owned(),
        tool: "Edit".to_owned(),
        code: code.to_owned(),
        text: String::new(),
    };
    // The other one wrote from 100,000 to 101,000, and its turn was over at 105,000.
    let other = |acknowledged| vec![attempt(99_000, 100_000, 101_000, acknowledged, 105_000)];
    for (code, at, path, looked, acknowledged, is_false) in [
        ("HELD", 104_000, "f", 0, true, false),
        ("HELD", 110_000, "f", 0, true, true),
        ("HELD", 90_000, "f", 0, true, true),
        ("HELD", 104_000, "g", 0, true, true),
        // Who was refused has the file kept for it.
        ("HELD", 110_000, "f", 0, false, false),
        ("HELD", 170_000, "f", 0, false, true),
        ("STALE", 150_000, "f", 100_500, true, false),
        ("STALE", 150_000, "f", 110_000, true, true),
        ("STALE", 150_000, "f", 100_500, false, true),
        ("FAILED", 104_000, "f", 0, true, true),
    ] {
        let mine = vec![attempt(looked, at - 10, at + 10, false, at + 20)];
        let row = refused(code, at, path);
        let found = false_blocks(&[row], &sessions, &[mine, other(acknowledged)]);
        assert_eq!(!found.is_empty(), is_false, "{code} at {at} of {path}, looked at {looked}");
    }
}

#[test]
fn four_real_sessions_on_the_same_files_lose_nothing_and_are_not_blocked_without_reason() {
    let Some(figures) = work(edits(), With::Tools, true) else { return };
    say("with the arbiter", &figures);
    assert!(figures.verdict.acknowledged >= edits(), "{:?}", figures.verdict);
    figures.verdict.assert_nothing_lost();
    assert_eq!(figures.failures, Vec::<String>::new());
    assert!(figures.false_blocks.is_empty(), "{:#?}", figures.false_blocks);
    let refused = figures.decisions.iter().filter(|row| row.code != "OK").count();
    assert!(refused > 0, "nobody was in anybody's way: the run proves little");
}

#[test]
fn real_sessions_that_write_by_tool_and_by_shell_lose_nothing() {
    if !kernel_asks() {
        return;
    }
    let edits = if std::env::var_os("BENCHDOG_FULL").is_some() { 2_000 } else { 64 };
    let Some(figures) = work(edits, With::ToolsAndShell, true) else { return };
    say("by tool and by shell", &figures);
    assert!(figures.verdict.acknowledged >= edits, "{:?}", figures.verdict);
    figures.verdict.assert_nothing_lost();
    assert_eq!(figures.failures, Vec::<String>::new());
    assert!(figures.false_blocks.is_empty(), "{:#?}", figures.false_blocks);
}

#[test]
fn without_the_arbiter_the_same_work_loses_edits() {
    // Who overtakes whom is up to the machine, so a run may be lucky; not several in a row.
    for _ in 0..4 {
        let Some(figures) = work(edits(), With::Tools, false) else { return };
        say("without the arbiter", &figures);
        assert!(figures.decisions.is_empty());
        if !figures.verdict.lost.is_empty() {
            return;
        }
    }
    panic!("nothing is lost without the arbiter: the other test proves nothing");
}
