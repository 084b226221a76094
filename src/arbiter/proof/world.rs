//! A workspace in memory with owners that call tools, and the table between them.
//!
//! A contribution is a word that begins with `@`. What an owner was shown is kept apart from what
//! the table believes: a contribution is lost if a write of somebody takes it away who was never
//! shown it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::texts::edit;
pub(super) use super::texts::marks;
use crate::arbiter::input::{
    Deed, Disk, Edit, Effect, Hand, Input, Lease, Mark, Observation, Proposal, Seen, TREE, Touch,
    Was, Wish, WriteEnd,
};
use crate::arbiter::pins::Pattern;
use crate::arbiter::restore::{LeaseRow, Rows, WriterRow, goes_on};
use crate::arbiter::settings::Settings;
use crate::arbiter::table::{Table, Timer};
use crate::model::id::OpId;
use crate::model::lease::{LeaseState, Owner, Refusal};
use crate::model::path::{Hash, WorkPath};
use crate::model::time::Mono;

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) table: Table,
    settings: Settings,
    pub(super) now: Mono,
    pub(super) disk: BTreeMap<String, Arc<str>>,
    blobs: BTreeMap<Hash, Arc<str>>,
    pub(super) calls: BTreeMap<OpId, Call>,
    /// Whether looks at files are answered at once.
    pub(super) quick: bool,
    pub(super) shown: BTreeMap<Owner, BTreeSet<String>>,
    /// What an owner takes a file for.
    pub(super) memory: BTreeMap<(Owner, String), String>,
    /// The leases as the effects told.
    pub(super) leases: BTreeMap<String, Lease>,
    pub(super) knows: BTreeMap<(Owner, WorkPath), Observation>,
    /// The last change of each file.
    pub(super) writers: BTreeMap<WorkPath, WriterRow>,
    pub(super) lost: Vec<String>,
    /// Two tools wrote one file at the same time.
    pub(super) clash: bool,
    pub(super) effects: Vec<Effect>,
    next_op: u64,
}

/// A tool call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Call {
    pub(super) owner: Owner,
    pub(super) path: String,
    pub(super) action: Action,
    pub(super) stage: Stage,
    pub(super) hand: Hand,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Action {
    Whole(String),
    Edits(Vec<(String, String, bool)>),
    Opaque(String),
    /// A process of the owner destroys what is there and writes this, or adds it at the end.
    Shell(Deed, String),
    Turn,
    Set,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    Waiting,
    /// A look at the file is wanted, and perhaps the text with this hash.
    Looking(Option<Hash>),
    Granted,
    /// The tool has written.
    Ran,
    Asked,
}

pub(super) fn owner(name: &str) -> Owner {
    match name {
        "user" => Owner::User,
        "editor" => Owner::External,
        _ => match name.split_once('/') {
            Some((session, sub)) => Owner::Session(session.into(), Some(sub.into())),
            None => Owner::Session(name.into(), None),
        },
    }
}

pub(super) fn path(raw: &str) -> WorkPath {
    WorkPath::parse(raw).unwrap_or_else(|| panic!("{raw:?} is no path"))
}

impl Call {
    /// Whether both are at the same file at once, and must not be.
    pub(super) fn clashes_with(&self, other: &Self) -> bool {
        let writing = matches!(other.stage, Stage::Granted | Stage::Ran);
        let shells = [self, other].iter().all(|call| matches!(call.action, Action::Shell(..)));
        let joined = shells && self.owner.session() == other.owner.session();
        writing && self.path == other.path && !joined
    }
}

impl World {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            table: Table::new(settings.clone()),
            settings,
            now: Mono(1_000),
            disk: BTreeMap::new(),
            blobs: BTreeMap::new(),
            calls: BTreeMap::new(),
            quick: true,
            shown: BTreeMap::new(),
            memory: BTreeMap::new(),
            leases: BTreeMap::new(),
            knows: BTreeMap::new(),
            writers: BTreeMap::new(),
            lost: Vec::new(),
            clash: false,
            effects: Vec::new(),
            next_op: 1,
        }
    }

    pub(super) fn put(&mut self, path: &str, text: &str) {
        self.disk.insert(path.to_owned(), Arc::from(text));
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.disk.get(path).map(AsRef::as_ref)
    }

    pub(super) fn look(&self, path: &str) -> Disk {
        match self.disk.get(path) {
            Some(text) => Disk::File { hash: Hash::of(text.as_bytes()), text: Some(text.clone()) },
            None => Disk::Absent,
        }
    }

    pub(super) fn new_op(&mut self) -> OpId {
        self.next_op += 1;
        OpId(self.next_op)
    }

    /// Tells the table something, and does what it wants done.
    pub(super) fn tell(&mut self, input: Input) {
        let effects = self.table.decide(self.now, input);
        self.take_in(effects);
    }

    fn take_in(&mut self, effects: Vec<Effect>) {
        let (mut looks, mut after) = (Vec::new(), Vec::new());
        for effect in effects {
            match &effect {
                Effect::Inspect { op, base, .. } => {
                    self.set(*op, Stage::Looking(*base));
                    looks.push(*op);
                }
                Effect::Granted { op, note } => self.granted(*op, note.as_deref()),
                Effect::Refused { op, refusal } => self.refused(*op, refusal),
                Effect::Moved { path, lease } => {
                    match lease {
                        Some(lease) => self.leases.insert(path.clone(), lease.clone()),
                        None => self.leases.remove(path),
                    };
                }
                Effect::Knows { owner, path, observation } => {
                    let key = (owner.clone(), path.clone());
                    match observation {
                        Some(observation) => self.knows.insert(key, *observation),
                        None => self.knows.remove(&key),
                    };
                }
                // A process waits a few seconds at most, then its call fails.
                Effect::Waiting { op, .. } if self.is_shell(*op) => {
                    self.calls.remove(op);
                }
                Effect::Changed { path, owner, after, .. } => {
                    let (path, owner, after) = (path.clone(), owner.clone(), *after);
                    self.writers.insert(path.clone(), WriterRow { path, owner, after });
                }
                Effect::LookAfter { op, path } if !self.calls.contains_key(op) => {
                    after.push((*op, path.clone()));
                }
                Effect::Waiting { .. }
                | Effect::LookAfter { .. }
                | Effect::Lapsed { .. }
                | Effect::Tell { .. }
                | Effect::WakeAt(_) => {}
            }
            self.effects.push(effect);
        }
        for (op, path) in after {
            // The touch was refused, and so removed, by one of these effects.
            let disk = self.look(path.as_str());
            self.tell(Input::LookedAfter { op, path, disk, before: Was::Unknown });
        }
        if self.quick {
            for op in looks {
                self.inspect(op);
            }
        }
    }

    pub(super) fn is_shell(&self, op: OpId) -> bool {
        self.calls.get(&op).is_some_and(|call| matches!(call.action, Action::Shell(..)))
    }

    fn set(&mut self, op: OpId, stage: Stage) {
        if let Some(call) = self.calls.get_mut(&op) {
            call.stage = stage;
        }
    }

    fn granted(&mut self, op: OpId, note: Option<&str>) {
        let Some(call) = self.calls.get(&op) else { return };
        match call.action {
            Action::Turn | Action::Set => {
                self.calls.remove(&op);
            }
            // A folder is being moved until its call is over.
            Action::Shell(Deed::MoveFolder, _) => self.set(op, Stage::Granted),
            Action::Shell(..) => {
                // The file is open now; the process writes later.
                self.set(op, Stage::Granted);
                self.tell(Input::Touched { op });
            }
            Action::Whole(_) | Action::Edits(_) | Action::Opaque(_) => {
                let (owner, path) = (call.owner.clone(), call.path.clone());
                self.set(op, Stage::Granted);
                if let Some(note) = note {
                    self.was_told(&owner, &path, note);
                }
            }
        }
    }

    fn refused(&mut self, op: OpId, refusal: &Refusal) {
        assert!(refusal.text.chars().count() <= 700, "too long: {}", refusal.text);
        if let Some(call) = self.calls.remove(&op) {
            self.was_told(&call.owner, &call.path, &refusal.text);
        }
    }

    /// An owner is told a difference: it knows what it reads there, and not more.
    fn was_told(&mut self, owner: &Owner, path: &str, text: &str) {
        let lines = text.lines().filter_map(|line| line.strip_prefix('+'));
        let memory = self.memory.entry((owner.clone(), path.to_owned())).or_default();
        for line in lines {
            self.shown.entry(owner.clone()).or_default().extend(marks(line));
            if !memory.lines().any(|old| old == line) {
                memory.push_str(line);
                memory.push('\n');
            }
        }
    }

    pub(super) fn read(&mut self, owner: &Owner, at: &str, seen: Seen) {
        let Some(text) = self.disk.get(at).cloned() else { return };
        let hash = Hash::of(text.as_bytes());
        self.blobs.insert(hash, text.clone());
        if seen == Seen::Full {
            self.shown.entry(owner.clone()).or_default().extend(marks(&text));
            self.memory.insert((owner.clone(), at.to_owned()), text.to_string());
        }
        self.tell(Input::Observed { owner: owner.clone(), path: path(at), hash, seen });
    }

    pub(super) fn remembered(&self, owner: &Owner, at: &str) -> &str {
        self.memory.get(&(owner.clone(), at.to_owned())).map_or("", String::as_str)
    }

    /// A tool asks for its file.
    pub(super) fn call(&mut self, owner: &Owner, at: &str, action: Action, wait_ms: u64) -> OpId {
        self.call_by(Hand::Owner, owner, at, action, wait_ms)
    }

    /// A tool asks for its file; it runs in the owner's process or in the bench itself.
    pub(super) fn call_by(
        &mut self,
        hand: Hand,
        owner: &Owner,
        at: &str,
        action: Action,
        wait_ms: u64,
    ) -> OpId {
        let op = self.new_op();
        let call = Call {
            owner: owner.clone(),
            path: at.to_owned(),
            action: action.clone(),
            stage: Stage::Waiting,
            hand,
        };
        self.calls.insert(op, call);
        let proposal = match action {
            Action::Whole(text) => Proposal::Whole(Hash::of(text.as_bytes())),
            Action::Edits(edits) => Proposal::Edits(
                edits.into_iter().map(|(old, new, all)| Edit { old, new, all }).collect(),
            ),
            Action::Shell(deed, _) => {
                let marks = vec![Mark { path: path(at), deed }];
                let (owner, itself) = (owner.clone(), false);
                self.tell(Input::Touch(Touch {
                    op,
                    owner,
                    itself,
                    safe: false,
                    marks,
                    wait_ms: 2_000,
                }));
                return op;
            }
            Action::Opaque(_) | Action::Set => Proposal::Opaque,
            Action::Turn => {
                let input = Input::WaitFor { op, owner: owner.clone(), path: path(at), wait_ms };
                self.tell(input);
                return op;
            }
        };
        let (owner, path) = (owner.clone(), path(at));
        let wish = Wish { op, owner, path, proposal, base: None, wait_ms, hand };
        self.tell(Input::Request(wish));
        op
    }

    pub(super) fn reserve(
        &mut self,
        owner: &Owner,
        patterns: Vec<String>,
        for_ms: Option<u64>,
        wait_ms: u64,
    ) -> OpId {
        let op = self.several(owner, patterns.first().cloned().unwrap_or_default());
        let (owner, reason) = (owner.clone(), "a big change".to_owned());
        self.tell(Input::Reserve { op, owner, patterns, for_ms, reason, wait_ms });
        op
    }

    /// The person lets an owner have the whole tree.
    pub(super) fn take_tree(&mut self, owner: &Owner, wait_ms: u64) -> OpId {
        let op = self.several(owner, TREE.to_owned());
        let (owner, reason) = (owner.clone(), "git stash".to_owned());
        self.tell(Input::TakeTree { op, owner, reason, wait_ms });
        op
    }

    /// A call for several files.
    fn several(&mut self, owner: &Owner, path: String) -> OpId {
        let op = self.new_op();
        let (action, stage, hand) = (Action::Set, Stage::Waiting, Hand::Owner);
        self.calls.insert(op, Call { owner: owner.clone(), path, action, stage, hand });
        op
    }

    /// Looks at a file as the table asked.
    pub(super) fn inspect(&mut self, op: OpId) {
        let Some(call) = self.calls.get(&op) else { return };
        let Stage::Looking(base) = call.stage else { return };
        let disk = self.look(&call.path);
        if let Some(text) = self.disk.get(&call.path) {
            self.blobs.insert(Hash::of(text.as_bytes()), text.clone());
        }
        let base = base.and_then(|base| self.blobs.get(&base).cloned());
        self.tell(Input::Inspected { op, disk, base });
    }

    /// The tool or process does what it was called for.
    pub(super) fn run(&mut self, op: OpId) {
        let Some(call) = self.calls.get(&op).cloned() else { return };
        let old = self.disk.get(&call.path).cloned();
        let now = old.as_deref().unwrap_or("");
        let new = match &call.action {
            Action::Whole(text) | Action::Opaque(text) | Action::Shell(Deed::Destroy, text) => {
                Some(text.clone())
            }
            Action::Shell(_, line) => Some(format!("{now}{line}")),
            Action::Edits(edits) => edit(edits, now),
            Action::Turn | Action::Set => None,
        };
        let others = self.calls.iter().filter(|(id, _)| **id != op).map(|(_, other)| other);
        self.clash |= others.filter(|other| call.clashes_with(other)).count() > 0;
        self.set(op, Stage::Ran);
        let Some(new) = new else { return };
        let mut seen = self.shown.remove(&call.owner).unwrap_or_default();
        let kept = marks(&new);
        let gone: Vec<String> =
            marks(now).into_iter().filter(|mark| !kept.contains(mark)).collect();
        // Which of a session's agents began a process is not known to anybody.
        let session = self.shown.iter().filter(|(owner, _)| {
            matches!(call.action, Action::Shell(..)) && owner.session() == call.owner.session()
        });
        let known: BTreeSet<&String> = session.flat_map(|(_, shown)| shown).chain(&seen).collect();
        self.lost.extend(gone.iter().filter(|mark| !known.contains(mark)).cloned());
        seen.extend(match &call.action {
            Action::Edits(edits) => edits.iter().flat_map(|(_, new, _)| marks(new)).collect(),
            Action::Shell(Deed::Destroy, _) | Action::Whole(_) | Action::Opaque(_) => kept,
            Action::Shell(_, line) => marks(line),
            Action::Turn | Action::Set => BTreeSet::new(),
        });
        self.shown.insert(call.owner.clone(), seen);
        let memory = self.memory.entry((call.owner.clone(), call.path.clone())).or_default();
        match &call.action {
            Action::Edits(edits) => {
                if let Some(next) = edit(edits, memory) {
                    *memory = next;
                }
            }
            Action::Shell(Deed::Destroy, _) | Action::Whole(_) | Action::Opaque(_) => {
                memory.clone_from(&new);
            }
            Action::Shell(..) | Action::Turn | Action::Set => {}
        }
        self.disk.insert(call.path, Arc::from(new));
    }

    /// The tool's end is seen.
    pub(super) fn finish(&mut self, op: OpId) {
        self.end(op, WriteEnd::Done);
    }

    /// The tool says that it failed.
    pub(super) fn fail(&mut self, op: OpId) {
        self.end(op, WriteEnd::Failed);
    }

    fn end(&mut self, op: OpId, end: WriteEnd) {
        if let Some(call) = self.calls.remove(&op) {
            let disk = self.look(&call.path);
            if let Some(text) = self.disk.get(&call.path) {
                self.blobs.insert(Hash::of(text.as_bytes()), text.clone());
            }
            self.tell(match call.action {
                Action::Shell(..) => {
                    Input::LookedAfter { op, path: path(&call.path), disk, before: Was::Unknown }
                }
                _ => Input::Finished { op, end, disk },
            });
        }
    }

    pub(super) fn ask(&mut self, op: OpId) {
        self.set(op, Stage::Asked);
        self.tell(Input::Asked { op });
    }

    pub(super) fn answer(&mut self, op: OpId) {
        self.set(op, Stage::Waiting);
        self.tell(Input::Answered { op });
    }

    pub(super) fn withdraw(&mut self, op: OpId) {
        self.calls.remove(&op);
        self.tell(Input::Withdrawn { op });
    }

    /// The agent's own process does what its tool was granted.
    pub(super) fn carry_out(&mut self, owner: &Owner, tool: OpId, at: &str) {
        let op = self.new_op();
        let marks = vec![Mark { path: path(at), deed: Deed::Destroy }];
        let owner = owner.clone();
        self.tell(Input::Touch(Touch { op, owner, itself: true, safe: false, marks, wait_ms: 0 }));
        self.run(tool);
        self.tell(Input::Touched { op });
        let disk = self.look(at);
        self.tell(Input::LookedAfter { op, path: path(at), disk, before: Was::Unknown });
    }

    /// A call of a process is not carried out after all.
    pub(super) fn let_go(&mut self, op: OpId) {
        self.calls.remove(&op);
        self.tell(Input::Untouched { op });
    }

    pub(super) fn die(&mut self, owner: &Owner) {
        let runs = |stage| matches!(stage, Stage::Granted | Stage::Ran);
        let theirs = |call: &Call| call.owner.session() == owner.session();
        let shells = self.calls.iter().filter(|(_, call)| theirs(call));
        let shells = shells.filter(|(_, call)| matches!(call.action, Action::Shell(..)));
        let shells: Vec<OpId> = shells.map(|(op, _)| *op).collect();
        self.calls.retain(|op, call| {
            !theirs(call) || shells.contains(op) || (call.hand == Hand::Bench && runs(call.stage))
        });
        if let Some(session) = owner.session() {
            self.tell(Input::Gone { session: session.clone() });
        }
        // Its processes are gone with it, which is seen in their files.
        for op in shells {
            self.finish(op);
        }
    }

    /// Everything that a session ran under a former engine is seen to be gone.
    pub(super) fn bury(&mut self, owner: &Owner) {
        self.calls.retain(|_, call| call.owner.session() != owner.session());
        if let Some(session) = owner.session() {
            self.tell(Input::Buried { session: session.clone() });
        }
    }

    /// A turn ends. What is put to the person is over with it; tools that run go on.
    pub(super) fn end_turn(&mut self, owner: &Owner) {
        self.calls.retain(|_, call| call.owner != *owner || call.stage != Stage::Asked);
        self.tell(Input::TurnEnded { owner: owner.clone() });
    }

    /// Time passes, with a tick whenever the table wanted one.
    pub(super) fn pass(&mut self, ms: u64) {
        let end = self.now.after(ms);
        while let Some(wake) = self.table.next_wake().filter(|wake| *wake <= end) {
            self.now = self.now.max(wake);
            self.tell(Input::Tick);
        }
        self.now = end;
        self.tell(Input::Tick);
    }

    /// The engine ends and begins anew. Calls that were not granted are over; tools that were
    /// granted may still run, but nobody will tell how they ended.
    pub(super) fn restart(&mut self) {
        self.calls.retain(|_, call| matches!(call.stage, Stage::Granted | Stage::Ran));
        let left = |lease: &Lease| lease.until.map(|until| until.since(self.now));
        let behind = |lease: &Lease| lease.behind.as_deref().cloned();
        let leases = self.leases.iter().flat_map(|(path, lease)| {
            std::iter::once((path, lease.clone())).chain(behind(lease).map(|pin| (path, pin)))
        });
        let lives = |path: &str| self.calls.values().any(|call| call.path == path);
        let leases = leases.filter(|(path, lease)| goes_on(lease.state, left(lease), lives(path)));
        let leases = leases.map(|(path, lease)| LeaseRow {
            path: path.clone(),
            owner: lease.owner.clone(),
            state: lease.state,
            left_ms: left(&lease),
            reason: lease.reason.clone(),
        });
        let knows = self.knows.iter();
        let rows = Rows {
            leases: leases.collect(),
            observations: knows.map(|((o, p), seen)| (o.clone(), p.clone(), *seen)).collect(),
            writers: self.writers.values().cloned().collect(),
        };
        let mut table = Table::new(self.settings.clone());
        self.now = Mono(1_000);
        let effects = table.restore(self.now, rows);
        self.table = table;
        self.leases = self.table.leases().map(|(p, lease)| (p.to_owned(), lease.clone())).collect();
        self.take_in(effects);
    }

    /// What has to hold after each step, whatever happened.
    pub(super) fn check(&self) {
        assert_eq!(self.lost, Vec::<String>::new(), "lost");
        assert!(!self.clash, "two writers at once");
        assert!(self.leases_agree(), "the leases are not what was told");
        assert!(self.waiters_have_an_end(), "a waiter without an end");
        let idle = |path: &str| {
            let mut calls = self.calls.values().filter(|call| call.path == path);
            !calls.any(|call| matches!(call.stage, Stage::Granted | Stage::Ran))
        };
        for (path, lease) in self.table.leases() {
            if lease.state == LeaseState::Inflight {
                assert!(lease.op.is_none() || !idle(path), "{path} is in flight for nobody");
            }
            assert!(Pattern::parse(path).is_ok());
        }
    }

    pub(super) fn leases_agree(&self) -> bool {
        let told = self.leases.iter().map(|(path, lease)| (path.as_str(), lease));
        self.table.leases().eq(told)
    }

    /// Whether each call that waits will be waked, by a timer of its own.
    pub(super) fn waiters_have_an_end(&self) -> bool {
        let mut waits = self.calls.iter().filter(|(_, call)| call.stage == Stage::Waiting);
        waits.all(|(op, _)| {
            let deadline = self.table.ops.get(op).map(|found| found.deadline);
            deadline.is_some_and(|at| self.table.timers.contains(&(at, Timer::Wait(*op))))
        })
    }
}
