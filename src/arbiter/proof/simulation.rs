//! A simulation of a working day: eight agents, a hundred files, the real table, a clock that
//! is only a number.
//!
//! Loss is measured on the final texts: each edit carries a word of its own, and the word of an
//! edit that was acknowledged must be there at the end. Two other policies run in the same
//! simulation, so that the figures mean something: files locked to the end of a turn, which is
//! slower, and no protection at all, which loses work.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::world::{marks, owner, path};
use crate::arbiter::input::{Disk, Edit, Effect, Input, Lease, Proposal, Seen, Wish, WriteEnd};
use crate::arbiter::settings::Settings;
use crate::arbiter::table::Table;
use crate::model::id::OpId;
use crate::model::lease::{Owner, RefusalCode};
use crate::model::path::{Hash, WorkPath};
use crate::model::time::Mono;

const AGENTS: usize = 8;
const FILES: usize = 100;
const TURNS: usize = 300;
const LINES: usize = 48;
const THINK_MS: f64 = 8_000.0;
const READ_MS: u64 = 500;
const TOOL_MS: u64 = 150;
const WAIT_MS: u64 = 20_000;

/// What stands between the agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// The rules as they are.
    Ours,
    /// A file stays with its writer until its turn ends.
    LockToTurnEnd,
    /// Every write goes through.
    NoProtection,
}

impl Policy {
    fn table(self) -> Option<Table> {
        const FOR_EVER: u64 = 30 * 24 * 3_600_000;
        match self {
            Self::Ours => Some(Table::new(Settings::default())),
            Self::LockToTurnEnd => Some(Table::new(Settings {
                crowd: usize::MAX,
                ..Settings::with_times(FOR_EVER, FOR_EVER, 60_000)
            })),
            Self::NoProtection => None,
        }
    }
}

/// Numbers that look random and are the same each time.
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n).unwrap()).unwrap()
    }

    /// From 0 up to 1.
    fn part(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap()) / (f64::from(u32::MAX) + 1.0)
    }

    fn think(&mut self) -> u64 {
        (-THINK_MS * (1.0 - self.part()).ln()) as u64
    }
}

/// One edit that somebody has to make.
#[derive(Debug, Clone, Copy)]
struct Job {
    file: usize,
    kind: Kind,
    think_ms: u64,
    line: usize,
    mark: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A new line after a line.
    Insert,
    /// A line is replaced by a longer one.
    Replace,
    /// The file is read, and written as a whole.
    Whole,
}

/// The work of the day: turns of several edits in few files.
fn work(seed: u64) -> VecDeque<VecDeque<Job>> {
    let mut dice = Dice(seed);
    let weights: Vec<f64> = (1..=FILES).map(|rank| (rank as f64).powf(-0.8)).collect();
    let sum: f64 = weights.iter().sum();
    let file = |dice: &mut Dice| {
        let mut at = dice.part() * sum;
        weights
            .iter()
            .position(|weight| {
                at -= weight;
                at < 0.0
            })
            .unwrap_or(FILES - 1)
    };
    let mut mark = 0;
    let mut turn = |dice: &mut Dice| {
        let files: Vec<usize> = (0..=dice.below(4)).map(|_| file(dice)).collect();
        let edits = 3 + dice.below(6);
        (0..edits)
            .map(|_| {
                mark += 1;
                let kind = match dice.below(20) {
                    0..=9 => Kind::Insert,
                    10..=16 => Kind::Replace,
                    _ => Kind::Whole,
                };
                let file = files[dice.below(files.len())];
                Job { file, kind, think_ms: dice.think(), line: dice.below(1 << 20), mark }
            })
            .collect()
    };
    (0..TURNS).map(|_| turn(&mut dice)).collect()
}

#[derive(Debug)]
struct Agent {
    owner: Owner,
    dice: Dice,
    turn: VecDeque<Job>,
    /// What it takes the files of its turn for.
    memory: HashMap<usize, Arc<str>>,
    draft: Draft,
    op: OpId,
}

#[derive(Debug, Clone)]
enum Draft {
    Whole(String),
    Edit(String, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Ask,
    Run,
    Finish,
}

/// The figures of one run.
#[derive(Debug, Default)]
struct Figures {
    edits: usize,
    makespan_ms: u64,
    requests: usize,
    rebased: usize,
    waited: usize,
    refused: BTreeMap<String, usize>,
    false_blocks: usize,
    /// Edits whose tool found no anchor.
    failed: usize,
    lost: usize,
}

impl Figures {
    fn lost_share(&self) -> f64 {
        self.lost as f64 / self.edits as f64
    }
}

struct Day {
    table: Option<Table>,
    now: u64,
    disk: Vec<Arc<str>>,
    paths: Vec<WorkPath>,
    blobs: HashMap<Hash, Arc<str>>,
    agents: Vec<Agent>,
    work: VecDeque<VecDeque<Job>>,
    steps: BinaryHeap<Reverse<(u64, usize, Step)>>,
    leases: HashMap<String, Lease>,
    calls: HashMap<OpId, usize>,
    /// What the table is to be told next, each after the effects of the one before.
    inbox: VecDeque<Input>,
    telling: bool,
    next_op: u64,
    done: Vec<usize>,
    figures: Figures,
}

impl Day {
    fn new(policy: Policy, agents: usize, seed: u64) -> Self {
        let text = |file: usize| -> Arc<str> {
            let lines = (0..LINES).map(|line| format!("file {file:03} line {line:03};\n"));
            lines.collect::<String>().into()
        };
        let agent = |at: usize| Agent {
            owner: owner(&format!("agent{at}")),
            dice: Dice(seed ^ (u64::try_from(at).unwrap() + 1) << 32),
            turn: VecDeque::new(),
            memory: HashMap::new(),
            draft: Draft::Whole(String::new()),
            op: OpId(0),
        };
        Self {
            table: policy.table(),
            now: 0,
            disk: (0..FILES).map(text).collect(),
            paths: (0..FILES).map(|file| path(&format!("src/f{file:03}.rs"))).collect(),
            blobs: HashMap::new(),
            agents: (0..agents).map(agent).collect(),
            work: work(seed),
            steps: BinaryHeap::new(),
            leases: HashMap::new(),
            calls: HashMap::new(),
            inbox: VecDeque::new(),
            telling: false,
            next_op: 0,
            done: Vec::new(),
            figures: Figures::default(),
        }
    }

    fn run(mut self) -> Figures {
        for at in 0..self.agents.len() {
            self.next_turn(at);
        }
        loop {
            let step = self.steps.peek().map(|Reverse((time, ..))| *time);
            let wake = self.table.as_ref().and_then(Table::next_wake).map(|wake| wake.0);
            match (step, wake) {
                (step, Some(wake)) if step.is_none_or(|step| wake < step) => {
                    // A day is over when nobody works or waits; a lease may still run out.
                    if step.is_none() && self.calls.is_empty() {
                        break;
                    }
                    self.now = self.now.max(wake);
                    self.tell(Input::Tick);
                }
                (Some(_), _) => {
                    let Some(Reverse((time, at, step))) = self.steps.pop() else { break };
                    self.now = time;
                    match step {
                        Step::Ask => self.ask(at),
                        Step::Run => self.write(at),
                        Step::Finish => self.finish(at),
                    }
                }
                (None, _) => break,
            }
        }
        assert!(self.work.is_empty() && self.calls.is_empty(), "somebody was forgotten");
        let left: HashSet<String> = self.disk.iter().flat_map(|text| marks(text)).collect();
        let here = |mark: &&usize| !left.contains(&format!("@{mark}"));
        self.figures.lost = self.done.iter().filter(here).count();
        self.figures.edits = self.done.len();
        self.figures
    }

    fn later(&mut self, at: usize, ms: u64, step: Step) {
        self.steps.push(Reverse((self.now + ms, at, step)));
    }

    fn next_turn(&mut self, at: usize) {
        let Some(turn) = self.work.pop_front() else {
            self.figures.makespan_ms = self.figures.makespan_ms.max(self.now);
            return;
        };
        self.agents[at].turn = turn;
        self.agents[at].memory.clear();
        self.prepare(at, None);
    }

    /// An agent reads what it has to and thinks about its next edit.
    fn prepare(&mut self, at: usize, think: Option<u64>) {
        let job = self.agents[at].turn[0];
        let mut ms = think.unwrap_or(job.think_ms);
        if job.kind == Kind::Whole || !self.agents[at].memory.contains_key(&job.file) {
            ms += READ_MS;
            self.read(at, job.file);
        }
        self.later(at, ms, Step::Ask);
    }

    fn read(&mut self, at: usize, file: usize) {
        let text = self.disk[file].clone();
        let hash = self.store(&text);
        self.agents[at].memory.insert(file, text);
        let (owner, path) = (self.agents[at].owner.clone(), self.paths[file].clone());
        self.tell(Input::Observed { owner, path, hash, seen: Seen::Full });
    }

    fn store(&mut self, text: &Arc<str>) -> Hash {
        let hash = Hash::of(text.as_bytes());
        self.blobs.insert(hash, text.clone());
        hash
    }

    fn look(&mut self, file: usize) -> Disk {
        let text = self.disk[file].clone();
        Disk::File { hash: self.store(&text), text: Some(text) }
    }

    /// An agent calls its tool.
    fn ask(&mut self, at: usize) {
        let agent = &mut self.agents[at];
        let job = agent.turn[0];
        let memory = &agent.memory[&job.file];
        let lines: Vec<&str> = memory.split_inclusive('\n').collect();
        let chosen = job.line % lines.len();
        let (old, bare) = (lines[chosen], lines[chosen].trim_end());
        agent.draft = match job.kind {
            Kind::Insert => Draft::Edit(old.to_owned(), format!("{old}new @{}\n", job.mark)),
            Kind::Replace => Draft::Edit(old.to_owned(), format!("{bare} @{}\n", job.mark)),
            Kind::Whole => {
                let (head, tail) = (lines[..chosen].concat(), lines[chosen..].concat());
                Draft::Whole(format!("{head}whole @{}\n{tail}", job.mark))
            }
        };
        let proposal = match &agent.draft {
            Draft::Whole(text) => Proposal::Whole(Hash::of(text.as_bytes())),
            Draft::Edit(old, new) => {
                Proposal::Edits(vec![Edit { old: old.clone(), new: new.clone(), all: false }])
            }
        };
        self.next_op += 1;
        let op = OpId(self.next_op);
        agent.op = op;
        let (owner, path) = (agent.owner.clone(), self.paths[job.file].clone());
        self.calls.insert(op, at);
        self.figures.requests += 1;
        if self.table.is_none() {
            return self.later(at, TOOL_MS, Step::Run);
        }
        let hand = crate::arbiter::input::Hand::Owner;
        let wish = Wish { op, owner, path, proposal, base: None, wait_ms: WAIT_MS, hand };
        self.tell(Input::Request(wish));
    }

    /// The tool writes.
    fn write(&mut self, at: usize) {
        let agent = &mut self.agents[at];
        let job = agent.turn[0];
        let now = &self.disk[job.file];
        let memory = &agent.memory[&job.file];
        let (new, mine) = match &agent.draft {
            Draft::Whole(text) => (text.clone(), text.clone()),
            Draft::Edit(old, new) if now.matches(old.as_str()).count() == 1 => {
                (now.replacen(old.as_str(), new, 1), memory.replacen(old.as_str(), new, 1))
            }
            Draft::Edit(..) => {
                assert!(self.table.is_none(), "an edit was granted that the tool cannot make");
                self.figures.failed += 1;
                let op = agent.op;
                self.calls.remove(&op);
                return self.redo(at, false);
            }
        };
        agent.memory.insert(job.file, mine.into());
        self.disk[job.file] = new.into();
        self.later(at, TOOL_MS, Step::Finish);
    }

    /// The tool's end is seen.
    fn finish(&mut self, at: usize) {
        let Some(job) = self.agents[at].turn.pop_front() else { return };
        let op = self.agents[at].op;
        self.calls.remove(&op);
        self.done.push(job.mark);
        let disk = self.look(job.file);
        self.tell(Input::Finished { op, end: WriteEnd::Done, disk });
        if self.agents[at].turn.is_empty() {
            let owner = self.agents[at].owner.clone();
            self.tell(Input::TurnEnded { owner });
            self.next_turn(at);
        } else {
            self.prepare(at, None);
        }
    }

    /// A refused agent reads again and thinks again, about another edit first if that is what it
    /// was advised to do.
    fn redo(&mut self, at: usize, elsewhere: bool) {
        let agent = &mut self.agents[at];
        let file = agent.turn[0].file;
        let think = agent.dice.think();
        agent.memory.remove(&file);
        if elsewhere {
            let other = agent.turn.iter().position(|job| job.file != file);
            agent.turn.rotate_left(other.unwrap_or(0));
        }
        self.prepare(at, Some(think));
    }

    fn tell(&mut self, input: Input) {
        self.inbox.push_back(input);
        if self.telling {
            return;
        }
        self.telling = true;
        while let Some(input) = self.inbox.pop_front() {
            self.decide(input);
        }
        self.telling = false;
    }

    fn decide(&mut self, input: Input) {
        let now = Mono(self.now);
        let Some(table) = &mut self.table else { return };
        let effects = table.decide(now, input);
        // Who is in the way is judged by how things stood before these effects.
        let blocked: Vec<(OpId, bool)> = effects
            .iter()
            .filter_map(|effect| match effect {
                Effect::Refused { op, .. } => Some((*op, self.is_in_the_way(*op))),
                _ => None,
            })
            .collect();
        for effect in effects {
            match effect {
                Effect::Inspect { op, base, .. } => {
                    let Some(at) = self.calls.get(&op) else { continue };
                    let disk = self.look(self.agents[*at].turn[0].file);
                    let base = base.and_then(|base| self.blobs.get(&base).cloned());
                    self.tell(Input::Inspected { op, disk, base });
                }
                Effect::Granted { op, note } => {
                    let Some(at) = self.calls.get(&op).copied() else { continue };
                    if let Some(note) = note {
                        self.figures.rebased += 1;
                        self.learn(at, &note);
                    }
                    self.later(at, TOOL_MS, Step::Run);
                }
                Effect::Refused { op, refusal } => {
                    let Some(at) = self.calls.remove(&op) else { continue };
                    assert!(refusal.text.chars().count() <= 700);
                    *self.figures.refused.entry(refusal.code.to_string()).or_default() += 1;
                    let in_the_way = blocked.iter().any(|(id, way)| *id == op && *way);
                    self.figures.false_blocks += usize::from(!in_the_way);
                    self.redo(at, refusal.code != RefusalCode::Stale);
                }
                Effect::Waiting { .. } => self.figures.waited += 1,
                Effect::Moved { path, lease: Some(lease) } => {
                    self.leases.insert(path, lease);
                }
                Effect::Moved { path, lease: None } => {
                    self.leases.remove(&path);
                }
                Effect::Knows { .. }
                | Effect::Changed { .. }
                | Effect::Tell { .. }
                | Effect::LookAfter { .. }
                | Effect::Lapsed { .. }
                | Effect::WakeAt(_) => {}
            }
        }
    }

    /// Whether somebody else has the file of a request, or has changed it unseen.
    fn is_in_the_way(&self, op: OpId) -> bool {
        let Some(at) = self.calls.get(&op) else { return true };
        let agent = &self.agents[*at];
        let file = agent.turn[0].file;
        let unseen = agent.memory.get(&file) != Some(&self.disk[file]);
        let lease = self.leases.get(self.paths[file].as_str());
        unseen || lease.is_some_and(|lease| lease.owner != agent.owner)
    }

    /// An agent is shown a difference: it knows the file if all that is new to it stands there.
    fn learn(&mut self, at: usize, note: &str) {
        let file = self.agents[at].turn[0].file;
        let known = marks(&self.agents[at].memory[&file]);
        let told = marks(note);
        let all = marks(&self.disk[file]);
        if all.iter().all(|mark| known.contains(mark) || told.contains(mark)) {
            let text = self.disk[file].clone();
            self.agents[at].memory.insert(file, text);
        }
    }
}

/// One day with all agents, and how much faster it was than one agent alone.
fn day(policy: Policy, seed: u64) -> (Figures, f64) {
    let alone = Day::new(policy, 1, seed).run();
    let together = Day::new(policy, AGENTS, seed).run();
    assert_eq!(alone.lost, 0, "an agent alone loses nothing");
    let ratio = alone.makespan_ms as f64 / together.makespan_ms as f64;
    let hours = together.makespan_ms as f64 / 3_600_000.0;
    println!(
        "{policy:?} seed {seed}: x{ratio:.2} of serial, {:.0} edits per hour (alone {:.0}), lost {} \
         of {} ({:.2} %), {together:?}",
        together.edits as f64 / hours,
        alone.edits as f64 / (alone.makespan_ms as f64 / 3_600_000.0),
        together.lost,
        together.edits,
        100.0 * together.lost_share(),
    );
    (together, ratio)
}

#[test]
fn eight_agents_are_fast_and_lose_nothing() {
    for seed in [1, 2, 3] {
        let (ours, ratio) = day(Policy::Ours, seed);
        assert!(ratio >= 5.0, "x{ratio:.2}");
        assert_eq!(ours.lost, 0);
        assert!(ours.false_blocks * 1_000 <= ours.requests, "{ours:?}");
        let (locked, locked_ratio) = day(Policy::LockToTurnEnd, seed);
        assert!(locked_ratio < ratio, "locked x{locked_ratio:.2}, ours x{ratio:.2}");
        assert_eq!(locked.lost, 0);
        let (open, _) = day(Policy::NoProtection, seed);
        assert!(open.lost_share() > 0.01, "without protection the day must lose: {open:?}");
    }
}
