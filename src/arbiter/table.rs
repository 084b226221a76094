//! The lease table: who may write what, who waits for whom, who has seen what.
//!
//! Three things always hold after a call:
//!
//! - **One writer.** No file has two writes in flight.
//! - **No forgotten waiter.** Whoever waits has a deadline among the timers, and is in the queue
//!   of a file that somebody has, or of a set that somebody has a part of.
//! - **What was told is what is.** Replaying each [`Effect::Moved`] gives [`Table::leases`].
//!
//! The rules live in the neighbours: requests and their ends in `requests` and `writes`, leases
//! in `leases`, queues and circles in `waits`, reservations in `reserve`, contents in `versions`,
//! what processes do by themselves in `touches`, what ends with a turn or a process in `ends`.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::input::{Base, Disk, Effect, Hand, Input, Lease, Observation, Proposal, Seen};
use super::owners::{FileId, Owners, Who};
use super::pins::{Pattern, Pins};
use super::refusal::Person;
use super::reserve::By;
use super::settings::Settings;
use super::touches::Touching;
use super::versions::{Content, Extent, better};
use crate::model::id::OpId;
use crate::model::lease::{LeaseState, Owner, Refusal};
use crate::model::path::{Hash, WorkPath};
use crate::model::time::Mono;

/// How many changes of a file are remembered, to say who made them.
pub(super) const CHANGES: usize = 8;

/// Who may write what. See the module for what it promises.
#[derive(Debug, Clone)]
pub struct Table {
    pub(super) settings: Settings,
    pub(super) now: Mono,
    pub(super) owners: Owners,
    pub(super) files: Vec<File>,
    pub(super) pins: Pins,
    pub(super) ops: HashMap<OpId, Op>,
    /// What processes change by themselves, until it is known what came of it.
    pub(super) touches: HashMap<OpId, Touching>,
    /// Folders that get another name right now, and by whom.
    pub(super) moves: Vec<(OpId, FileId, Who)>,
    /// Names that came and went and were nobody else's, oldest first.
    pub(super) passed: VecDeque<FileId>,
    /// Files that somebody has.
    pub(super) busy: BTreeSet<FileId>,
    /// Requests that wait, by the clan of their owner: the edges of the wait-for graph.
    pub(super) waiting: BTreeSet<(Who, OpId)>,
    /// Reservations that wait, first come first.
    pub(super) reserving: Vec<OpId>,
    /// Whether something became free, so that waiting reservations are to be tried again.
    pub(super) freed: bool,
    pub(super) timers: BTreeSet<(Mono, Timer)>,
    /// The leases as they were told.
    pub(super) shown: BTreeMap<String, Lease>,
    told_wake: Option<Mono>,
    pub(super) out: Vec<Effect>,
}

/// What a timer is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A wait ends.
    Wait(OpId),
    /// A lease ends, or somebody waits for its end.
    File(FileId),
    /// The places in a queue that are kept without a wait.
    Places(FileId),
    /// A reservation ends.
    Pin(String),
    /// Something that a reservation waits for ends.
    Set(OpId),
}

/// One file.
#[derive(Debug, Clone, Default)]
pub(super) struct File {
    pub(super) right: Option<Right>,
    pub(super) queue: Vec<Waiter>,
    /// To whom the person gave it while another was writing.
    pub(super) heir: Option<Who>,
    /// What is on disk as far as is known.
    pub(super) disk: Option<Content>,
    /// The last changes, oldest first.
    pub(super) changes: VecDeque<Change>,
    /// Whose changes were more than are remembered, by session.
    pub(super) forgotten: Vec<Who>,
    /// The sessions to which nothing in it is new, whatever the changes say that are remembered.
    pub(super) caught_up: Vec<Who>,
    /// Who was writing when its end was lost, and what it would have written.
    pub(super) unsure: Option<(Who, Option<Content>)>,
    /// With somebody waiting, the holder keeps it no longer than this.
    pub(super) fence: Option<Mono>,
    /// Whether a process was told to wait for it and ask again.
    pub(super) awaited: bool,
    /// When its timer rings.
    pub(super) timer: Option<Mono>,
    /// Touches that were granted and have not ended, all of one clan.
    pub(super) touched: Vec<OpId>,
    /// Whose process made it, if nobody knew of the name before.
    pub(super) born: Option<Who>,
    /// Whose process was last refused it, and when its owner was told.
    pub(super) told: Option<(Who, Mono)>,
}

/// Somebody's right on a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Right {
    pub(super) who: Who,
    pub(super) state: LeaseState,
    /// The request behind it: in flight, or put to the person.
    pub(super) op: Option<OpId>,
    pub(super) since: Mono,
    pub(super) until: Option<Mono>,
    pub(super) reason: String,
}

/// A place in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiter {
    pub(super) who: Who,
    /// The request that waits; `None`: its wait has run out and the place is kept.
    pub(super) op: Option<OpId>,
    /// Until when the place is kept.
    pub(super) until: Mono,
}

/// A change of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// What was there before, if known.
    pub(super) before: Option<Content>,
    pub(super) after: Content,
    pub(super) who: Who,
    pub(super) at: Mono,
}

/// A request that has not ended.
#[derive(Debug, Clone)]
pub(super) struct Op {
    pub(super) who: Who,
    pub(super) want: Want,
    pub(super) stage: Stage,
    pub(super) wait_ms: u64,
    pub(super) deadline: Mono,
}

/// What a request wants.
#[derive(Debug, Clone)]
pub(super) enum Want {
    /// To write a file.
    Write(Box<Write>),
    /// To be the next one on a file.
    Turn(FileId),
    /// To reserve several at once.
    Set(Set),
}

/// A write that is asked for.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) file: FileId,
    pub(super) hand: Hand,
    pub(super) proposal: Proposal,
    pub(super) base: Option<Base>,
    /// The right of the owner's clan that this write took the place of.
    pub(super) before: Option<Right>,
    /// The content whose text was asked for, to compare with.
    pub(super) asked: Option<Hash>,
    /// What was on disk at the grant.
    pub(super) at_grant: Option<Content>,
    pub(super) text: Option<Arc<str>>,
    /// How much of the file the owner knows after the write.
    pub(super) extent: Extent,
}

/// A reservation that is asked for.
#[derive(Debug, Clone)]
pub(super) struct Set {
    pub(super) patterns: Vec<Pattern>,
    pub(super) for_ms: Option<u64>,
    pub(super) reason: String,
    pub(super) by: By,
    pub(super) retry: Option<Mono>,
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// It is in a queue.
    Waiting,
    /// The file is its; what is on disk is looked at.
    Inspecting,
    /// It is being carried out.
    Granted,
    /// The person is asked.
    Asked,
}

impl Table {
    /// An empty table.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            now: Mono(0),
            owners: Owners::default(),
            files: Vec::new(),
            pins: Pins::default(),
            ops: HashMap::new(),
            touches: HashMap::new(),
            moves: Vec::new(),
            passed: VecDeque::new(),
            busy: BTreeSet::new(),
            waiting: BTreeSet::new(),
            reserving: Vec::new(),
            freed: false,
            timers: BTreeSet::new(),
            shown: BTreeMap::new(),
            told_wake: None,
            out: Vec::new(),
        }
    }

    /// Takes in what happened and returns what should be done, in this order.
    pub fn decide(&mut self, now: Mono, input: Input) -> Vec<Effect> {
        self.now = self.now.max(now);
        self.ring();
        match input {
            Input::Named { session, name, task } => self.owners.rename(session, name, task),
            Input::Request(wish) => self.request(wish),
            Input::Inspected { op, disk, base } => self.inspected(op, &disk, base.as_deref()),
            Input::Asked { op } => self.asked(op),
            Input::Answered { op } => self.answered(op),
            Input::Withdrawn { op } => self.withdrawn(op),
            Input::Finished { op, end, disk } => self.finished(op, end, &disk),
            Input::Touch(touch) => self.touch_files(&touch),
            Input::Untouched { op } => self.untouched(op),
            Input::Touched { op } => self.touched(op),
            Input::LookedAfter { op, path, disk, before } => {
                self.looked_after(op, &path, &disk, before);
            }
            Input::Observed { owner, path, hash, seen } => {
                self.observed(&owner, &path, Observation { hash, seen });
            }
            Input::Found { by, path, disk } => {
                let (who, file) = (self.owners.who(&by), self.file(&path));
                self.found(who, file, &disk);
            }
            Input::TurnEnded { owner } => self.turn_ended(&owner),
            Input::Gone { session } => self.gone(&session),
            Input::Buried { session } => self.buried(&session),
            Input::Done { owner, path } => self.done_with(&owner, &path),
            Input::Reserve { op, owner, patterns, for_ms, reason, wait_ms } => {
                self.reserve(op, &owner, &patterns, for_ms, reason, wait_ms);
            }
            Input::TakeTree { op, owner, reason, wait_ms } => {
                self.take_tree(op, &owner, reason, wait_ms);
            }
            Input::Release { owner, paths } => self.release(&owner, &paths),
            Input::WaitFor { op, owner, path, wait_ms } => {
                self.wait_for(op, &owner, &path, wait_ms);
            }
            Input::Steal { path, to } => self.steal(&path, &to),
            Input::Free { path } => self.free(&path),
            Input::Tick => {}
        }
        self.finish_call()
    }

    /// When [`Input::Tick`] is due, if nothing else happens before.
    pub fn next_wake(&self) -> Option<Mono> {
        self.timers.first().map(|(at, _)| *at)
    }

    pub(super) fn finish_call(&mut self) -> Vec<Effect> {
        self.retry_sets();
        let wake = self.next_wake();
        if wake != self.told_wake {
            self.told_wake = wake;
            self.out.extend(wake.map(Effect::WakeAt));
        }
        std::mem::take(&mut self.out)
    }

    /// Does what is due.
    fn ring(&mut self) {
        while let Some((at, _)) = self.timers.first()
            && *at <= self.now
        {
            let Some((_, timer)) = self.timers.pop_first() else { return };
            match timer {
                Timer::Wait(op) => self.wait_ended(op),
                Timer::File(file) => {
                    self.at_mut(file).timer = None;
                    self.lease_due(file);
                }
                Timer::Places(file) => self.drop_old_places(file),
                Timer::Pin(pattern) => self.pin_due(&pattern),
                Timer::Set(op) => {
                    if let Some(Op { want: Want::Set(set), .. }) = self.ops.get_mut(&op) {
                        set.retry = None;
                    }
                    self.freed = true;
                }
            }
        }
        self.retry_sets();
    }

    pub(super) fn file(&mut self, path: &WorkPath) -> FileId {
        let (file, new) = self.owners.file(path);
        if new {
            self.files.push(File::default());
        }
        file
    }

    pub(super) fn at(&self, file: FileId) -> &File {
        &self.files[file.0 as usize]
    }

    pub(super) fn at_mut(&mut self, file: FileId) -> &mut File {
        &mut self.files[file.0 as usize]
    }

    pub(super) fn path(&self, file: FileId) -> &WorkPath {
        self.owners.path(file)
    }

    pub(super) fn same_clan(&self, a: Who, b: Who) -> bool {
        self.owners.clan(a) == self.owners.clan(b)
    }

    pub(super) fn is_person(&self, who: Who) -> bool {
        matches!(self.owners.owner(who), Owner::User)
    }

    /// How refusals speak of an owner.
    pub(super) fn person(&self, who: Who) -> Person {
        let owner = self.owners.owner(who);
        let name = self.owners.name(owner);
        match owner {
            Owner::Session(..) => Person::agent(&name),
            Owner::User | Owner::External => Person::other(&name),
        }
    }

    pub(super) fn write_of(&self, op: OpId) -> Option<(Who, Stage, &Write)> {
        match self.ops.get(&op) {
            Some(Op { who, stage, want: Want::Write(write), .. }) => Some((*who, *stage, write)),
            Some(Op { want: Want::Turn(_) | Want::Set(_), .. }) | None => None,
        }
    }

    pub(super) fn write_mut(&mut self, op: OpId) -> Option<(&mut Stage, &mut Write)> {
        match self.ops.get_mut(&op) {
            Some(Op { stage, want: Want::Write(write), .. }) => Some((stage, write)),
            Some(Op { want: Want::Turn(_) | Want::Set(_), .. }) | None => None,
        }
    }

    /// How long a file stays an owner's after a write.
    pub(super) fn hold_ms(&self, who: Who) -> u64 {
        let (min, max) = (self.settings.hold_min_ms, self.settings.hold_max_ms);
        (2 * self.owners.gap(who)).clamp(min, max.max(min))
    }

    pub(super) fn refuse(&mut self, op: OpId, refusal: Refusal) {
        self.out.push(Effect::Refused { op, refusal });
    }

    /// What an owner knows of a file, for the decision.
    pub(super) fn seen(&self, who: Who, file: FileId) -> Option<Observation> {
        self.owners.at(who).observed.get(&file).copied()
    }

    pub(super) fn learn(&mut self, who: Who, file: FileId, observation: Option<Observation>) {
        let observed = &mut self.owners.at_mut(who).observed;
        let old = match observation {
            Some(new) => observed.insert(file, new),
            None => observed.remove(&file),
        };
        if old != observation {
            let owner = self.owners.owner(who).clone();
            let path = self.path(file).clone();
            self.out.push(Effect::Knows { owner, path, observation });
        }
    }

    /// An owner is active: its reservations go on.
    pub(super) fn touch(&mut self, who: Who) {
        let clan = self.owners.clan(who);
        self.owners.at_mut(clan).active = self.now;
    }

    fn observed(&mut self, owner: &Owner, path: &WorkPath, new: Observation) {
        let (who, file) = (self.owners.who(owner), self.file(path));
        self.touch(who);
        let new = better(self.seen(who, file), new);
        self.learn(who, file, Some(new));
    }

    /// A file has changed: remembers by whom and tells it.
    pub(super) fn changed(&mut self, file: FileId, who: Who, after: Content, over: Option<Who>) {
        let (now, clan) = (self.now, self.owners.clan(who));
        let slot = self.at_mut(file);
        slot.caught_up.retain(|session| *session == clan);
        let before = slot.disk;
        slot.disk = Some(after);
        slot.unsure = None;
        let oldest = if slot.changes.len() == CHANGES { slot.changes.pop_front() } else { None };
        slot.changes.push_back(Change { before, after, who, at: now });
        if let Some(clan) = oldest.map(|oldest| self.owners.clan(oldest.who)) {
            let forgotten = &mut self.at_mut(file).forgotten;
            if !forgotten.contains(&clan) {
                forgotten.push(clan);
            }
        }
        self.out.push(Effect::Changed {
            path: self.path(file).clone(),
            owner: self.owners.owner(who).clone(),
            before: Content::was(before),
            after: after.hash(),
            over: over.map(|over| self.owners.owner(over).clone()),
        });
    }

    /// A file was found changed by a way that was not gated.
    ///
    /// The guess who did it may be wrong, so nobody counts as having seen the whole new content:
    /// at most as having seen a part, if it knew what was there before.
    pub(super) fn found(&mut self, by: Who, file: FileId, disk: &Disk) {
        let Some(after) = Content::of(disk) else { return };
        let slot = self.at(file);
        // While a process is at it, the end of that tells whose change it is.
        let touched = !slot.touched.is_empty();
        if touched || slot.disk == Some(after) || self.is_expected(file, disk) {
            return;
        }
        let knew = self.knew(by, file);
        let over = self
            .holder(file)
            .filter(|holder| !self.same_clan(*holder, by))
            .or_else(|| self.unseen_author(by, file, knew));
        self.attribute(by, file, after, over);
    }

    /// Whether an owner has seen what a file was until now.
    fn knew(&self, who: Who, file: FileId) -> bool {
        let known = self.seen(who, file).map(|known| Content::Is(known.hash));
        known.is_some() && known == self.at(file).disk
    }

    /// A file has changed and `by` did it, as far as can be told.
    pub(super) fn attribute(&mut self, by: Who, file: FileId, after: Content, over: Option<Who>) {
        let knew = self.knew(by, file);
        self.changed(file, by, after, over);
        if knew {
            let next = after.hash().map(|hash| Observation { hash, seen: Seen::Range });
            self.learn(by, file, next);
        }
    }

    /// Whose work a change by `by` went over without having seen it.
    fn unseen_author(&self, by: Who, file: FileId, knew: bool) -> Option<Who> {
        let agent = matches!(self.owners.owner(by), Owner::Session(..));
        let last = self.at(file).changes.back()?;
        (agent && !knew && !self.same_clan(last.who, by)).then_some(last.who)
    }

    /// Whether what was found is what the write in flight was to make.
    fn is_expected(&self, file: FileId, disk: &Disk) -> bool {
        let op = self.at(file).right.as_ref().and_then(|right| right.op);
        match op.and_then(|op| self.write_of(op)) {
            Some((_, Stage::Granted, write)) => write.explains(disk) == Some(true),
            Some((_, Stage::Waiting | Stage::Inspecting | Stage::Asked, _)) | None => false,
        }
    }

    /// Who has a file, by lease or by reservation.
    pub(super) fn holder(&self, file: FileId) -> Option<Who> {
        let right = self.at(file).right.as_ref().map(|right| right.who);
        right.or_else(|| self.pins.covering(self.path(file)).next().map(|(_, pin)| pin.who))
    }

    /// Who changed a file since `who` saw it, last first, without repetition.
    pub(super) fn authors_since(&self, file: FileId, seen: Option<Content>) -> Vec<Who> {
        let mut authors = Vec::new();
        for change in self.at(file).changes.iter().rev() {
            if Some(change.after) == seen {
                break;
            }
            if !authors.contains(&change.who) {
                authors.push(change.who);
            }
        }
        authors
    }

    /// The files on which an owner has a right, reservations apart.
    pub(super) fn rights_of(&self, who: Who) -> Vec<FileId> {
        let has = |file: &FileId| self.at(*file).right.as_ref().is_some_and(|r| r.who == who);
        self.busy.iter().copied().filter(has).collect()
    }
}

impl Want {
    /// The one file that is wanted.
    pub(super) fn file(&self) -> Option<FileId> {
        match self {
            Self::Write(write) => Some(write.file),
            Self::Turn(file) => Some(*file),
            Self::Set(_) => None,
        }
    }
}
