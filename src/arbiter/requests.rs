//! Requests: how they come in, wait, are put to the person, and are taken back.

use super::input::Wish;
use super::leases::Block;
use super::owners::{FileId, Who};
use super::refusal;
use super::table::{Op, Right, Stage, Table, Timer, Want, Write};
use super::versions::{Extent, Ground, ground};
use crate::model::id::OpId;
use crate::model::lease::{LeaseState, Owner};
use crate::model::path::WorkPath;
use crate::model::time::Mono;

impl Table {
    /// Somebody wants to write.
    pub(super) fn request(&mut self, wish: Wish) {
        let (who, file) = (self.owners.who(&wish.owner), self.file(&wish.path));
        let want = Want::Write(Box::new(Write {
            file,
            hand: wish.hand,
            proposal: wish.proposal,
            base: wish.base,
            before: None,
            asked: None,
            at_grant: None,
            text: None,
            extent: Extent::Part,
        }));
        let wait_ms = wish.wait_ms.min(self.settings.request_wait_ms);
        if self.open(wish.op, who, want, wait_ms) {
            self.admit(wish.op, file, who);
        }
    }

    /// Somebody wants to be the next one on a file.
    pub(super) fn wait_for(&mut self, id: OpId, owner: &Owner, path: &WorkPath, wait_ms: u64) {
        let (who, file) = (self.owners.who(owner), self.file(path));
        let wait_ms = wait_ms.min(self.settings.turn_wait_ms);
        if self.open(id, who, Want::Turn(file), wait_ms) {
            self.admit(id, file, who);
        }
    }

    /// Registers a request. A number that is in use is a mistake of the caller, and nobody gets
    /// anything then.
    pub(super) fn open(&mut self, id: OpId, who: Who, want: Want, wait_ms: u64) -> bool {
        self.touch(who);
        if let Some(old) = self.ops.get(&id) {
            let path = old.want.file().map(|file| self.path(file).clone());
            self.cancel(id);
            let refusal = refusal::failed(path.as_ref(), "two requests had the same number");
            self.refuse(id, refusal);
            return false;
        }
        let op = Op { who, want, stage: Stage::Waiting, wait_ms, deadline: Mono(0) };
        self.ops.insert(id, op);
        true
    }

    /// Lets a request have its file, wait for it, or go.
    fn admit(&mut self, id: OpId, file: FileId, who: Who) {
        let Some(op) = self.ops.get(&id) else { return };
        let (write, wait_ms) = (matches!(op.want, Want::Write(_)), op.wait_ms);
        let Some(block) = self.block(file, who) else {
            self.leave_place(file, who);
            return if write { self.begin(id) } else { self.give_turn(id, file, who) };
        };
        let endless = match &block {
            Block::Pin(pattern) => self.pins.get(pattern).is_some_and(|pin| pin.until.is_none()),
            Block::Right => false,
        };
        let full = self.at(file).queue.len() >= self.settings.queue_limit;
        if endless || full || wait_ms == 0 {
            if !endless && !full {
                self.keep_place(file, who);
            }
            self.ops.remove(&id);
            self.refuse_blocked(id, file, who, &block, write);
            self.pump(file);
        } else {
            self.enqueue(id, file, &block);
        }
    }

    /// The person is asked about a granted request.
    pub(super) fn asked(&mut self, id: OpId) {
        let Some((_, Stage::Granted, write)) = self.write_of(id) else { return };
        let file = write.file;
        if let Some((stage, _)) = self.write_mut(id) {
            *stage = Stage::Asked;
        }
        if let Some(right) = self.right_of(file, id) {
            let held = self.hold(file, &right, Some(id));
            self.settle(file, Some(held));
        }
    }

    /// The person said yes: everything is checked again.
    pub(super) fn answered(&mut self, id: OpId) {
        let Some(op) = self.ops.get(&id) else {
            let refusal = refusal::failed(None, "the request that was allowed is not known");
            return self.refuse(id, refusal);
        };
        let who = op.who;
        let Some(file) = op.want.file() else { return };
        match op.stage {
            Stage::Waiting | Stage::Inspecting => return,
            Stage::Granted | Stage::Asked => {}
        }
        self.touch(who);
        let kept = self.right_of(file, id);
        match kept.filter(|_| self.foreign_pin(file, who).is_none()) {
            Some(right) => {
                let right =
                    Right { state: LeaseState::Inflight, until: None, op: Some(id), ..right };
                self.at_mut(file).right = Some(right);
                if let Some((stage, _)) = self.write_mut(id) {
                    *stage = Stage::Inspecting;
                }
                self.arm(file);
                self.inspect(id);
            }
            None => {
                if self.right_of(file, id).is_some() {
                    self.settle(file, None);
                }
                if let Some((stage, write)) = self.write_mut(id) {
                    *stage = Stage::Waiting;
                    write.before = None;
                }
                self.admit(id, file, who);
            }
        }
    }

    /// A request will not be carried out.
    pub(super) fn withdrawn(&mut self, id: OpId) {
        self.cancel(id);
    }

    /// Ends a request without a word, and gives back what it had.
    pub(super) fn cancel(&mut self, id: OpId) {
        let Some(op) = self.ops.get(&id) else { return };
        let (stage, file) = (op.stage, op.want.file());
        match (stage, file) {
            (Stage::Waiting, Some(file)) => {
                self.leave_queue(id, file);
                self.ops.remove(&id);
                self.pump(file);
            }
            (Stage::Waiting, None) => {
                self.stop_waiting(id);
                self.drop_set(id);
            }
            (Stage::Inspecting | Stage::Granted | Stage::Asked, _) => {
                let next = self.write_of(id).and_then(|(_, _, write)| self.right_before(write));
                self.give_back(id, next);
            }
        }
    }

    /// Ends a request that has its file; `next` is the right that follows.
    pub(super) fn give_back(&mut self, id: OpId, next: Option<Right>) {
        let file = self.ops.remove(&id).and_then(|op| op.want.file());
        if let Some(file) = file
            && self.right_of(file, id).is_some()
        {
            self.settle(file, next);
        }
    }

    /// The right on a file, if it is this request's.
    pub(super) fn right_of(&self, file: FileId, id: OpId) -> Option<Right> {
        self.at(file).right.clone().filter(|right| right.op == Some(id))
    }

    /// What a write builds on.
    pub(super) fn ground(&self, who: Who, write: &Write) -> Ground {
        ground(write.base, self.seen(who, write.file), self.is_person(who))
    }

    /// A reservation waits no more.
    pub(super) fn drop_set(&mut self, id: OpId) {
        self.reserving.retain(|op| *op != id);
        if let Some(Op { want: Want::Set(set), .. }) = self.ops.remove(&id)
            && let Some(retry) = set.retry
        {
            self.timers.remove(&(retry, Timer::Set(id)));
        }
    }
}
