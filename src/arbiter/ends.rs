//! What ends with a turn or a process of an owner, and what goes on without it.
//!
//! A write that is being carried out goes on until it is said to have ended: with its turn it is
//! not over, and one that the bench itself carries out is not over with its owner's process.

use super::input::{Hand, Proposal};
use super::owners::{FileId, Who};
use super::refusal;
use super::table::{Op, Right, Stage, Table, Want};
use super::versions::Content;
use crate::model::id::{OpId, SessionId};
use crate::model::lease::{LeaseState, Owner};
use crate::model::path::WorkPath;

/// What of an owner has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Its turn.
    Turn,
    /// Its process.
    Process,
}

impl Table {
    pub(super) fn gone(&mut self, session: &SessionId) {
        let members = self.owners.members(session);
        // What it waits for goes first, so that nothing of it begins while the rest ends.
        for file in &mut self.files {
            file.heir = file.heir.filter(|heir| !members.contains(heir));
        }
        for who in &members {
            self.leave_queues(*who);
        }
        self.orphan(&members);
        self.end_ops(&members, End::Process);
        for who in &members {
            self.end_rights(*who, End::Process);
        }
        for pattern in self.pins.of(&members) {
            self.unpin(&pattern);
        }
        for who in members {
            if matches!(self.owners.owner(who), Owner::Session(_, Some(_))) {
                let files: Vec<FileId> = self.owners.at(who).observed.keys().copied().collect();
                for file in files {
                    self.learn(who, file, None);
                }
            }
        }
    }

    pub(super) fn turn_ended(&mut self, owner: &Owner) {
        if let Some(who) = self.owners.find(owner) {
            self.leave_queues(who);
            self.orphan(&[who]);
            self.end_ops(&[who], End::Turn);
            self.end_rights(who, End::Turn);
        }
    }

    /// An owner has no more use for a file.
    pub(super) fn done_with(&mut self, owner: &Owner, path: &WorkPath) {
        let (Some(who), Some(file)) = (self.owners.find(owner), self.owners.find_file(path)) else {
            return;
        };
        let right = self.at(file).right.as_ref();
        if right.is_some_and(|right| right.who == who && right.state != LeaseState::Inflight) {
            self.settle(file, None);
        }
    }

    /// Whether a request goes on although its owner's turn or process has ended.
    fn goes_on(&self, op: &Op, end: End) -> bool {
        let Want::Write(write) = &op.want else { return false };
        #[cfg(test)]
        if self.settings.is(super::settings::Mutant::EndBreaksInflight) {
            return false;
        }
        op.stage == Stage::Granted && (end == End::Turn || write.hand == Hand::Bench)
    }

    /// Ends every request of these owners that does not go on, those that wait first. What was in
    /// flight may have been written or not: the next look at the file tells.
    fn end_ops(&mut self, owners: &[Who], end: End) {
        let theirs =
            self.ops.iter().filter(|(_, op)| owners.contains(&op.who) && !self.goes_on(op, end));
        let mut ops: Vec<(bool, OpId)> =
            theirs.map(|(id, op)| (op.stage != Stage::Waiting, *id)).collect();
        ops.sort_unstable();
        for (_, id) in ops {
            let Some(op) = self.ops.get(&id) else { continue };
            let (who, stage, file) = (op.who, op.stage, op.want.file());
            if let (Stage::Granted, Some((_, _, write))) = (stage, self.write_of(id)) {
                let expected = match &write.proposal {
                    Proposal::Whole(hash) => Some(Content::Is(*hash)),
                    Proposal::Edits(_) | Proposal::Opaque => None,
                };
                let file = write.file;
                self.at_mut(file).unsure = Some((who, expected));
            }
            self.cancel(id);
            match stage {
                Stage::Waiting | Stage::Inspecting => {
                    let refusal = refusal::ended(file.map(|file| self.path(file)));
                    self.refuse(id, refusal);
                }
                Stage::Granted | Stage::Asked => {}
            }
        }
    }

    /// Ends what an owner holds. What it reserved on purpose stays, and what is in flight by a
    /// request that goes on, or by a process of a former engine's time.
    fn end_rights(&mut self, who: Who, end: End) {
        for file in self.rights_of(who) {
            let Some(right) = &self.at(file).right else { continue };
            let goes_on = match right.op.and_then(|op| self.ops.get(&op)) {
                Some(op) => self.goes_on(op, end),
                None => right.is_of_former_engine(),
            };
            if !goes_on {
                self.settle(file, None);
            }
        }
    }

    /// The processes that a session had under a former engine are gone.
    pub(super) fn buried(&mut self, session: &SessionId) {
        for who in self.owners.members(session) {
            for file in self.rights_of(who) {
                if self.at(file).right.as_ref().is_some_and(Right::is_of_former_engine) {
                    // It may have written until now, and nobody has looked since.
                    self.at_mut(file).unsure = Some((who, None));
                    self.settle(file, None);
                }
            }
        }
    }
}

impl Right {
    /// Whether it is a write that was in flight when the former engine ended.
    fn is_of_former_engine(&self) -> bool {
        self.state == LeaseState::Inflight && self.op.is_none()
    }
}
