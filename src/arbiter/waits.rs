//! Queues, and circles of those who wait for one another.
//!
//! A wait has an end, so no circle lasts for ever; but it costs everybody in it the whole wait.
//! So a circle is looked for when it could close: somebody joins a queue, or begins to hold what
//! others wait for. Then the youngest lease in it passes on at once.

use super::input::Effect;
use super::leases::Block;
use super::owners::{FileId, Who};
use super::refusal;
use super::table::{Op, Stage, Table, Timer, Waiter, Want};
use crate::model::id::OpId;
use crate::model::lease::{LeaseState, RefusalCode};
use crate::model::time::Mono;

/// Why one waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edge {
    to: Who,
    grip: Grip,
    since: Mono,
}

/// How firmly somebody has what another waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grip {
    /// By a lease, which can pass on.
    Lease(FileId),
    /// By a write in flight, which ends by itself.
    Inflight,
    /// By a reservation, which is a promise.
    Pin,
}

/// What became of the circles through somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Circles {
    /// There is none left, or one that a write in flight will open.
    Open,
    /// One consists of promises only.
    Closed,
}

impl Table {
    /// Puts a request into the queue of its file, where its place may have been kept.
    pub(super) fn enqueue(&mut self, id: OpId, file: FileId, block: &Block) {
        let Some(op) = self.ops.get_mut(&id) else { return };
        op.stage = Stage::Waiting;
        op.deadline = self.now.after(op.wait_ms);
        let (who, deadline) = (op.who, op.deadline);
        let waiter = Waiter { who, op: Some(id), until: deadline };
        let slot = self.at_mut(file);
        match slot.queue.iter().position(|old| old.who == who && old.op.is_none()) {
            Some(place) => slot.queue[place] = waiter,
            None => slot.queue.push(waiter),
        }
        self.start_waiting(id, who, deadline);
        self.set_fence(file);
        if self.break_circles(self.owners.clan(who)) == Circles::Closed && self.is_waiting(id) {
            self.leave_queue(id, file);
            let by = self.obstruction(file, block, None);
            let refusal =
                refusal::held(&self.settings, self.path(file), RefusalCode::Deadlock, &by);
            self.ops.remove(&id);
            self.after_queue(file);
            return self.refuse(id, refusal);
        }
        self.pump(file);
        if self.is_waiting(id) {
            let place = self.place(file, id).unwrap_or(0);
            let holder = self.block(file, who).and_then(|block| self.blocker(file, &block));
            if let Some(holder) = holder {
                self.out.push(Effect::Waiting {
                    op: id,
                    path: self.path(file).clone(),
                    holder: self.owners.owner(holder).clone(),
                    place,
                });
            }
        }
    }

    pub(super) fn start_waiting(&mut self, id: OpId, who: Who, deadline: Mono) {
        self.waiting.insert((self.owners.clan(who), id));
        #[cfg(test)]
        if self.settings.is(super::settings::Mutant::ForgottenWaiter) {
            return;
        }
        self.timers.insert((deadline, Timer::Wait(id)));
    }

    /// With somebody waiting, further writes of the holder do not prolong its lease.
    pub(super) fn set_fence(&mut self, file: FileId) {
        if self.at(file).fence.is_some() {
            return;
        }
        let fence = match &self.at(file).right {
            Some(right) => match right.state {
                LeaseState::Inflight => Some(self.now.after(self.hold_ms(right.who))),
                LeaseState::Held => right.until,
                LeaseState::Reserved | LeaseState::Pinned => None,
            },
            None => None,
        };
        self.at_mut(file).fence = fence;
    }

    pub(super) fn is_waiting(&self, id: OpId) -> bool {
        self.ops.get(&id).is_some_and(|op| op.stage == Stage::Waiting)
    }

    /// The place in the queue, from 1.
    pub(super) fn place(&self, file: FileId, id: OpId) -> Option<usize> {
        let queue = &self.at(file).queue;
        queue.iter().position(|waiter| waiter.op == Some(id)).map(|at| at + 1)
    }

    /// A request waits no more, for whatever reason.
    pub(super) fn stop_waiting(&mut self, id: OpId) {
        if let Some(op) = self.ops.get(&id) {
            self.timers.remove(&(op.deadline, Timer::Wait(id)));
            self.waiting.remove(&(self.owners.clan(op.who), id));
        }
    }

    pub(super) fn leave_queue(&mut self, id: OpId, file: FileId) {
        self.stop_waiting(id);
        self.at_mut(file).queue.retain(|waiter| waiter.op != Some(id));
    }

    /// Gives up the places that are kept for an owner.
    pub(super) fn leave_queues(&mut self, who: Who) {
        let kept: Vec<FileId> = self
            .timers
            .iter()
            .filter_map(|(_, timer)| match timer {
                Timer::Places(file) => Some(*file),
                Timer::Wait(_) | Timer::File(_) | Timer::Pin(_) | Timer::Set(_) => None,
            })
            .collect();
        for file in kept {
            self.leave_place(file, who);
        }
    }

    /// Gives up the place that is kept for an owner in one queue.
    pub(super) fn leave_place(&mut self, file: FileId, who: Who) {
        self.at_mut(file).queue.retain(|waiter| waiter.who != who || waiter.op.is_some());
    }

    /// Keeps a place in the queue for an owner that does not wait for it.
    pub(super) fn keep_place(&mut self, file: FileId, who: Who) -> usize {
        let until = self.now.after(self.settings.place_ms);
        let waiter = Waiter { who, op: None, until };
        let slot = self.at_mut(file);
        let place = match slot.queue.iter().position(|old| old.who == who && old.op.is_none()) {
            Some(place) => {
                slot.queue[place] = waiter;
                place
            }
            None => {
                slot.queue.push(waiter);
                slot.queue.len() - 1
            }
        };
        self.timers.insert((until, Timer::Places(file)));
        place + 1
    }

    pub(super) fn drop_old_places(&mut self, file: FileId) {
        let now = self.now;
        self.at_mut(file).queue.retain(|waiter| waiter.op.is_some() || waiter.until > now);
        self.after_queue(file);
    }

    /// A wait has run out.
    pub(super) fn wait_ended(&mut self, id: OpId) {
        if !self.is_waiting(id) {
            return;
        }
        let Some(Op { who, want, .. }) = self.ops.get(&id) else { return };
        let who = *who;
        let Some(file) = want.file() else { return self.set_wait_ended(id) };
        let write = matches!(want, Want::Write(_));
        self.stop_waiting(id);
        let until = self.now.after(self.settings.place_ms);
        for waiter in &mut self.at_mut(file).queue {
            if waiter.op == Some(id) {
                waiter.op = None;
                waiter.until = until;
            }
        }
        self.timers.insert((until, Timer::Places(file)));
        self.ops.remove(&id);
        let block = self.block(file, who).unwrap_or(Block::Right);
        self.refuse_blocked(id, file, who, &block, write);
        self.after_queue(file);
    }

    /// Refuses a request because of somebody else's right.
    pub(super) fn refuse_blocked(
        &mut self,
        id: OpId,
        file: FileId,
        who: Who,
        block: &Block,
        write: bool,
    ) {
        let queue = &self.at(file).queue;
        let place = queue.iter().position(|waiter| waiter.who == who && waiter.op.is_none());
        let by = self.obstruction(file, block, place.map(|at| at + 1));
        let code = match (write, block) {
            (false, _) => RefusalCode::Timeout,
            (true, Block::Pin(_)) => RefusalCode::Pinned,
            (true, Block::Right) => RefusalCode::Held,
        };
        let refusal = refusal::held(&self.settings, self.path(file), code, &by);
        self.refuse(id, refusal);
    }

    pub(super) fn blocker(&self, file: FileId, block: &Block) -> Option<Who> {
        match block {
            Block::Right => self.at(file).right.as_ref().map(|right| right.who),
            Block::Pin(pattern) => self.pins.get(pattern).map(|pin| pin.who),
        }
    }

    /// Opens the circles of waiters that lead back to `clan`.
    pub(super) fn break_circles(&mut self, clan: Who) -> Circles {
        #[cfg(test)]
        if self.settings.is(super::settings::Mutant::NoDeadlockCheck) {
            return Circles::Open;
        }
        // Each round takes one lease away, so there is an end.
        while let Some(file) = self.youngest_in_circles(clan) {
            self.wound(file);
        }
        let promises = self.waits_from(clan, |edge| edge.grip == Grip::Pin);
        let closed = promises.iter().any(|(_, edge)| edge.to == clan);
        if closed { Circles::Closed } else { Circles::Open }
    }

    /// Takes a lease away to open a circle.
    fn wound(&mut self, file: FileId) {
        let Some(right) = self.at_mut(file).right.take() else { return };
        self.busy.remove(&file);
        self.tell_wounded(file, right.who);
        self.freed = true;
        self.pump(file);
    }

    /// The youngest lease in any circle that leads through `clan`.
    fn youngest_in_circles(&self, clan: Who) -> Option<FileId> {
        let waits = self.waits_from(clan, |_| true);
        // Those from whom a way leads back.
        let mut back = vec![clan];
        let mut next = 0;
        while let Some(to) = back.get(next).copied() {
            next += 1;
            for (from, edge) in &waits {
                if edge.to == to && !back.contains(from) {
                    back.push(*from);
                }
            }
        }
        let leases = waits.iter().filter_map(|(_, edge)| match edge.grip {
            Grip::Lease(file) if back.contains(&edge.to) => Some((edge.since, file)),
            Grip::Lease(_) | Grip::Inflight | Grip::Pin => None,
        });
        leases.max().map(|(_, file)| file)
    }

    /// The waits to which a way leads from `start`, with those who wait.
    fn waits_from(&self, start: Who, along: impl Fn(&Edge) -> bool) -> Vec<(Who, Edge)> {
        let mut seen = vec![start];
        let mut waits = Vec::new();
        let mut next = 0;
        while let Some(from) = seen.get(next).copied() {
            next += 1;
            for edge in self.edges(from).into_iter().filter(&along) {
                if !seen.contains(&edge.to) {
                    seen.push(edge.to);
                }
                waits.push((from, edge));
            }
        }
        waits
    }

    /// Whom a clan waits for.
    fn edges(&self, clan: Who) -> Vec<Edge> {
        let from = (clan, OpId(0));
        let to = (clan, OpId(u64::MAX));
        let mut edges = Vec::new();
        for (_, id) in self.waiting.range(from..=to) {
            let Some(op) = self.ops.get(id) else { continue };
            match op.want.file() {
                Some(file) => {
                    let block = self.block(file, op.who);
                    edges.extend(block.and_then(|block| self.edge(file, &block)));
                }
                None => {
                    edges.extend(self.conflicts(*id).iter().filter_map(|(file, block)| {
                        match (file, block) {
                            (Some(file), block) => self.edge(*file, block),
                            (None, Block::Pin(pattern)) => self.pin_edge(pattern),
                            (None, Block::Right) => None,
                        }
                    }))
                }
            }
        }
        // Members of one clan do not wait for one another for ever.
        edges.retain(|edge| edge.to != clan);
        edges
    }

    fn edge(&self, file: FileId, block: &Block) -> Option<Edge> {
        match block {
            Block::Pin(pattern) => self.pin_edge(pattern),
            Block::Right => {
                let right = self.at(file).right.as_ref()?;
                let grip = match right.state {
                    LeaseState::Inflight => Grip::Inflight,
                    LeaseState::Held | LeaseState::Reserved => Grip::Lease(file),
                    LeaseState::Pinned => Grip::Pin,
                };
                Some(Edge { to: self.owners.clan(right.who), grip, since: right.since })
            }
        }
    }

    fn pin_edge(&self, pattern: &str) -> Option<Edge> {
        let pin = self.pins.get(pattern)?;
        Some(Edge { to: self.owners.clan(pin.who), grip: Grip::Pin, since: pin.since })
    }
}
