//! Leases: how a file gets a holder, keeps it, and passes on.
//!
//! A lease that has run out is kept until somebody wants the file. A write in flight is never
//! taken from its owner here; only the functions of `writes` end it.

use super::input::{Effect, Lease};
use super::news::GIVEN;
use super::owners::{FileId, Who};
use super::pins::Pin;
use super::refusal::{Obstruction, Person};
use super::table::{Right, Stage, Table, Timer, Want, Write};
use super::versions::{Content, Ground};
use crate::model::id::OpId;
use crate::model::lease::LeaseState;
use crate::model::time::Mono;

/// What keeps an owner from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
    /// Somebody's lease or write in flight.
    Right,
    /// Somebody's reservation; its pattern.
    Pin(String),
}

impl Table {
    /// What keeps `who` from the file now.
    pub(super) fn block(&self, file: FileId, who: Who) -> Option<Block> {
        #[cfg(test)]
        if self.settings.is(super::settings::Mutant::NoLease) {
            return None;
        }
        if self.is_being_moved(file, who) {
            return Some(Block::Right);
        }
        if let Some(right) = &self.at(file).right {
            let blocks = match right.state {
                LeaseState::Inflight => true,
                LeaseState::Held => !self.same_clan(right.who, who) && !self.has_lapsed(file),
                LeaseState::Reserved | LeaseState::Pinned => !self.same_clan(right.who, who),
            };
            if blocks {
                return Some(Block::Right);
            }
        }
        self.foreign_pin(file, who).map(|pattern| Block::Pin(pattern.to_owned()))
    }

    /// A reservation of somebody else that covers the file.
    pub(super) fn foreign_pin(&self, file: FileId, who: Who) -> Option<&str> {
        let mut pins = self.pins.covering(self.path(file));
        pins.find(|(_, pin)| !self.same_clan(pin.who, who)).map(|(pattern, _)| pattern)
    }

    /// Whether a held file is the next one's: its time is over, or too many wait.
    pub(super) fn has_lapsed(&self, file: FileId) -> bool {
        let slot = self.at(file);
        slot.queue.len() > self.settings.crowd
            || slot
                .right
                .as_ref()
                .and_then(|right| right.until)
                .is_some_and(|until| until <= self.now)
    }

    /// Gives the file to a request and has it looked at.
    pub(super) fn begin(&mut self, id: OpId) {
        let Some((who, _, write)) = self.write_of(id) else { return };
        let file = write.file;
        let old = self.at_mut(file).right.take();
        let reason = self.owners.task(self.owners.owner(who)).to_owned();
        let mut since = self.now;
        let mut before = None;
        if let Some(old) = old {
            if old.who == who {
                since = old.since;
            }
            if self.same_clan(old.who, who) {
                before = Some(old);
            } else {
                self.tell_passed(file, old.who, who);
            }
        }
        self.at_mut(file).right = Some(Right {
            who,
            state: LeaseState::Inflight,
            op: Some(id),
            since,
            until: None,
            reason,
        });
        self.busy.insert(file);
        if let Some((stage, write)) = self.write_mut(id) {
            *stage = Stage::Inspecting;
            write.before = before;
        }
        self.arm(file);
        self.inspect(id);
    }

    /// Asks for a look at the file, with the owner's base if that is known to be outdated.
    pub(super) fn inspect(&mut self, id: OpId) {
        let Some((who, _, write)) = self.write_of(id) else { return };
        let file = write.file;
        let base = match self.ground(who, write) {
            Ground::Seen(seen) => Some(seen.hash),
            Ground::Absent | Ground::Nothing => None,
        };
        let current = self.at(file).disk.and_then(Content::hash);
        let base = base.filter(|base| current != Some(*base));
        if let Some((_, write)) = self.write_mut(id) {
            write.asked = base;
        }
        self.out.push(Effect::Inspect { op: id, path: self.path(file).clone(), base });
    }

    /// Ends whatever right there is on the file; `next` is what follows, unless the person gave
    /// the file away or somebody has reserved it.
    pub(super) fn settle(&mut self, file: FileId, next: Option<Right>) {
        if let Some(right) = self.right_of_touch(file) {
            // A process is changing it; the end of that settles it.
            self.busy.insert(file);
            self.at_mut(file).right = Some(right);
            return self.after_queue(file);
        }
        let mut next = next;
        if let Some(heir) = self.at_mut(file).heir.take() {
            next = Some(self.ticket(heir, self.settings.hold_max_ms, GIVEN));
            let slot = self.at_mut(file);
            if let Some(place) = slot.queue.iter().position(|waiter| waiter.who == heir) {
                let waiter = slot.queue.remove(place);
                slot.queue.insert(0, waiter);
            } else {
                let path = self.path(file).to_string();
                self.tell_given(&path, heir);
            }
        }
        if next.as_ref().is_some_and(|next| self.foreign_pin(file, next.who).is_some()) {
            next = None;
        }
        let holder = next.as_ref().map(|next| next.who);
        if next.is_some() {
            self.busy.insert(file);
        } else {
            self.busy.remove(&file);
        }
        self.at_mut(file).right = next;
        self.freed = true;
        if self.at(file).queue.iter().any(|waiter| waiter.op.is_some()) {
            self.set_fence(file);
        }
        if let Some(holder) = holder
            && !self.at(file).queue.is_empty()
        {
            self.break_circles(self.owners.clan(holder));
        }
        self.pump(file);
    }

    /// A short reservation of a file.
    pub(super) fn ticket(&self, who: Who, ms: u64, reason: &str) -> Right {
        Right {
            who,
            state: LeaseState::Reserved,
            op: None,
            since: self.now,
            until: Some(self.now.after(ms)),
            reason: reason.to_owned(),
        }
    }

    /// The lease that follows a write, or that stands while the person is asked.
    pub(super) fn hold(&self, file: FileId, right: &Right, op: Option<OpId>) -> Right {
        let until = self.now.after(self.hold_ms(right.who));
        let until = self.at(file).fence.map_or(until, |fence| fence.min(until));
        Right { state: LeaseState::Held, op, until: Some(until), ..right.clone() }
    }

    /// Lets the next one have the file, if it is to be had; then tells how it stands.
    pub(super) fn pump(&mut self, file: FileId) {
        while let Some(place) = self.next_in(file) {
            let waiter = self.at_mut(file).queue.remove(place);
            let Some(id) = waiter.op else { continue };
            self.stop_waiting(id);
            if matches!(self.ops.get(&id).map(|op| &op.want), Some(Want::Turn(_))) {
                self.give_turn(id, file, waiter.who);
            } else {
                self.begin(id);
            }
        }
        self.after_queue(file);
    }

    /// The first in the queue whom nothing keeps from the file.
    fn next_in(&self, file: FileId) -> Option<usize> {
        let slot = self.at(file);
        if slot.queue.is_empty()
            || slot.right.as_ref().is_some_and(|right| right.state == LeaseState::Inflight)
        {
            return None;
        }
        slot.queue
            .iter()
            .position(|waiter| waiter.op.is_some() && self.block(file, waiter.who).is_none())
    }

    /// What follows from another queue or another right: fence, timer, what others are told.
    pub(super) fn after_queue(&mut self, file: FileId) {
        if !self.at(file).queue.iter().any(|waiter| waiter.op.is_some()) {
            self.at_mut(file).fence = None;
            self.call_back(file);
        }
        self.arm(file);
        // Nobody is told of a request before it is decided; but a write that has ended is not to
        // be seen any longer, and not to be found by the next engine.
        let shown = self.shown.get(self.path(file).as_str());
        let over = shown.is_some_and(|shown| shown.state == LeaseState::Inflight);
        if over || self.inspected_write(file).is_none() {
            self.announce(file);
        }
    }

    /// The request that has the file while it is being looked at.
    fn inspected_write(&self, file: FileId) -> Option<&Write> {
        let right = self.at(file).right.as_ref();
        let right = right.filter(|right| right.state == LeaseState::Inflight)?;
        match self.write_of(right.op?)? {
            (_, Stage::Inspecting, write) => Some(write),
            (_, Stage::Waiting | Stage::Granted | Stage::Asked, _) => None,
        }
    }

    /// Tells the one whose place was kept that the file is free.
    fn call_back(&mut self, file: FileId) {
        if self.at(file).right.is_some() || self.at(file).queue.is_empty() {
            return;
        }
        let who = self.at(file).queue[0].who;
        if self.foreign_pin(file, who).is_none() {
            self.at_mut(file).queue.remove(0);
            self.tell_free(file, who);
        }
    }

    pub(super) fn give_turn(&mut self, id: OpId, file: FileId, who: Who) {
        self.ops.remove(&id);
        // What its own session has serves it as well, and stays as it is: whoever waits for the
        // end of it, and the person who is asked about it, notice nothing.
        let own = self.at(file).right.as_ref().is_some_and(|right| self.same_clan(right.who, who));
        if !own || self.has_lapsed(file) {
            if let Some(old) = self.at_mut(file).right.take()
                && !own
            {
                self.tell_passed(file, old.who, who);
            }
            let ticket = self.ticket(who, self.settings.ticket_ms, "waited for it");
            self.at_mut(file).right = Some(ticket);
            self.busy.insert(file);
        }
        self.arm(file);
        self.announce(file);
        let seen = self.seen(who, file).map(|seen| seen.hash);
        let outdated = seen
            .is_some_and(|seen| self.at(file).disk.is_some_and(|disk| disk.hash() != Some(seen)));
        let note = outdated
            .then(|| format!("{} has changed since you read it: read it again.", self.path(file)));
        self.out.push(Effect::Granted { op: id, note });
        if !self.at(file).queue.is_empty() {
            // It has now what others wait for, and may wait for something of theirs elsewhere.
            self.break_circles(self.owners.clan(who));
        }
    }

    /// The timer of a file: for a short reservation, and for a lease that somebody waits for.
    pub(super) fn arm(&mut self, file: FileId) {
        let slot = self.at(file);
        let waited = slot.awaited || slot.queue.iter().any(|waiter| waiter.op.is_some());
        let due = slot.right.as_ref().and_then(|right| match right.state {
            LeaseState::Inflight => self.breaking_point(right.since),
            // A lease that has run out and passes to nobody (a reservation keeps them from it) is
            // not due again: the end of the reservation wakes them.
            LeaseState::Held if waited => {
                right.until.filter(|until| *until > self.now || self.next_in(file).is_some())
            }
            LeaseState::Held | LeaseState::Pinned => None,
            LeaseState::Reserved => right.until,
        });
        if due != slot.timer {
            if let Some(old) = slot.timer {
                self.timers.remove(&(old, Timer::File(file)));
            }
            self.at_mut(file).timer = due;
            self.timers.extend(due.map(|due| (due, Timer::File(file))));
        }
    }

    /// When a write in flight loses its file: never.
    #[cfg(not(test))]
    fn breaking_point(&self, _since: Mono) -> Option<Mono> {
        None
    }

    /// When a write in flight loses its file: never, but in a mutant.
    #[cfg(test)]
    fn breaking_point(&self, since: Mono) -> Option<Mono> {
        let breaks = self.settings.is(super::settings::Mutant::TimeoutBreaksInflight);
        breaks.then(|| since.after(self.settings.hold_max_ms))
    }

    /// The timer of a file has rung.
    pub(super) fn lease_due(&mut self, file: FileId) {
        let Some(right) = &self.at(file).right else { return };
        match right.state {
            LeaseState::Held => {
                if std::mem::take(&mut self.at_mut(file).awaited) {
                    self.out.push(Effect::Lapsed { path: self.path(file).clone() });
                }
                self.pump(file);
            }
            LeaseState::Reserved if right.until.is_some_and(|until| until <= self.now) => {
                self.settle(file, None);
            }
            LeaseState::Inflight if self.breaking_point(right.since).is_some() => {
                self.settle(file, None);
            }
            LeaseState::Reserved | LeaseState::Inflight | LeaseState::Pinned => self.arm(file),
        }
    }

    /// Tells how the lease of a file stands, if that is news.
    pub(super) fn announce(&mut self, file: FileId) {
        let lease = self.public(file);
        let path = self.path(file).as_str();
        if self.shown.get(path) != lease.as_ref() {
            self.show(path.to_owned(), lease);
        }
    }

    /// Tells how a reservation stands.
    pub(super) fn announce_pin(&mut self, pattern: &str) {
        if let Some(file) = crate::model::path::WorkPath::parse(pattern)
            .and_then(|path| self.owners.find_file(&path))
        {
            return self.announce(file);
        }
        let lease = self.pins.get(pattern).map(|pin| self.public_pin(pin));
        if self.shown.get(pattern) != lease.as_ref() {
            self.show(pattern.to_owned(), lease);
        }
    }

    fn show(&mut self, path: String, lease: Option<Lease>) {
        match &lease {
            Some(lease) => self.shown.insert(path.clone(), lease.clone()),
            None => self.shown.remove(&path),
        };
        self.out.push(Effect::Moved { path, lease });
    }

    /// The lease of a file as others see it: a write in flight or a lease before a reservation of
    /// the same file, because it ends sooner.
    fn public(&self, file: FileId) -> Option<Lease> {
        let slot = self.at(file);
        let queue = slot.queue.iter().filter(|waiter| waiter.op.is_some());
        let queue = queue.map(|waiter| self.owners.owner(waiter.who).clone()).collect();
        let pin = self.pins.get(self.path(file).as_str()).map(|pin| self.public_pin(pin));
        // While a request is being looked at, what it took the place of is what is seen.
        let right = match self.inspected_write(file) {
            Some(write) => self.right_before(write),
            None => slot.right.clone(),
        };
        match (right, pin) {
            (Some(right), pin) if pin.is_none() || right.state == LeaseState::Inflight => {
                Some(Lease {
                    owner: self.owners.owner(right.who).clone(),
                    state: right.state,
                    op: right.op.filter(|_| right.state == LeaseState::Inflight),
                    since: right.since,
                    until: right.until,
                    reason: right.reason,
                    queue,
                    behind: pin.map(Box::new),
                })
            }
            (_, pin) => pin.map(|pin| Lease { queue, ..pin }),
        }
    }

    fn public_pin(&self, pin: &Pin) -> Lease {
        Lease {
            owner: self.owners.owner(pin.who).clone(),
            state: LeaseState::Pinned,
            op: None,
            since: pin.since,
            until: pin.until,
            reason: pin.reason.clone(),
            queue: Vec::new(),
            behind: None,
        }
    }

    /// Who is in the way, in words.
    pub(super) fn obstruction(
        &self,
        file: FileId,
        block: &Block,
        place: Option<usize>,
    ) -> Obstruction {
        let slot = self.at(file);
        let (who, state, since, until, reason, pattern) = match (block, &slot.right) {
            (Block::Pin(pattern), _) => match self.pins.get(pattern) {
                Some(pin) => {
                    let whole = (pattern != self.path(file).as_str()).then(|| pattern.clone());
                    (pin.who, LeaseState::Pinned, pin.since, pin.until, pin.reason.as_str(), whole)
                }
                None => return self.nobody(),
            },
            (Block::Right, Some(right)) => {
                (right.who, right.state, right.since, right.until, right.reason.as_str(), None)
            }
            (Block::Right, None) => return self.nobody(),
        };
        let wrote = slot.changes.iter().rev().find(|change| change.who == who);
        let owner = self.owners.owner(who);
        Obstruction {
            person: self.person(who),
            task: self.owners.task(owner).to_owned(),
            pattern,
            state,
            reason: reason.to_owned(),
            since_ms: self.now.since(since),
            last_write_ms: wrote.map(|change| self.now.since(change.at)),
            free_in_ms: until.map(|until| until.since(self.now).max(1_000)),
            place,
        }
    }

    fn nobody(&self) -> Obstruction {
        Obstruction {
            person: Person::other("somebody"),
            task: String::new(),
            pattern: None,
            state: LeaseState::Held,
            reason: String::new(),
            since_ms: 0,
            last_write_ms: None,
            free_in_ms: None,
            place: None,
        }
    }

    /// The right that a withdrawn write gives back.
    pub(super) fn right_before(&self, write: &Write) -> Option<Right> {
        let before = write.before.clone()?;
        let over = before.until.is_some_and(|until| until <= self.now);
        match before.state {
            LeaseState::Reserved if over => None,
            LeaseState::Reserved | LeaseState::Held => Some(before),
            LeaseState::Inflight | LeaseState::Pinned => None,
        }
    }
}
