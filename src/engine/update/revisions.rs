//! Taking changes back: the steps of a plan, one after the other, each as the person's own write.
//!
//! A step is asked of the arbiter like any write, with what the plan saw as its base: a file that
//! changed since, or that somebody holds for longer than a write waits, is left alone.

use std::collections::VecDeque;
use std::sync::Arc;

use super::writes::{Op, Purpose};
use crate::arbiter::input::Base;
use crate::arbiter::{self, Disk, Proposal, WriteEnd};
use crate::engine::command::Reply;
use crate::engine::effect::{Content, Effect, Proposed};
use crate::engine::input::{Asker, Taken, WriteTrouble};
use crate::engine::revise::Planned;
use crate::engine::state::{Doing, State, Step};
use crate::history::record::ProposalRow;
use crate::journal::plan;
use crate::model::failure::Failure;
use crate::model::id::OpId;
use crate::model::lease::{Owner, Refusal, RefusalCode};
use crate::model::path::{Hash, WorkPath};
use crate::model::review::{Answer, Outcome, Revised};

/// A plan that is being carried out.
#[derive(Debug)]
pub(in crate::engine) struct Revising {
    rest: VecDeque<plan::Step>,
    revised: Revised,
}

impl State {
    pub(in crate::engine) fn planned(
        &mut self,
        step: &mut Step,
        from: Asker,
        planned: Result<Box<Planned>, Failure>,
    ) {
        match planned {
            Ok(planned) => {
                let Planned { steps, revised } = *planned;
                self.revising.insert(from, Revising { rest: steps.into(), revised });
                self.revise_next(step, from);
            }
            Err(failure) => {
                step.out.push(Effect::Reply { to: from, reply: Reply::Failed(failure) })
            }
        }
    }

    /// Keeps what a refused write wanted to write, as far as it can be told.
    pub(super) fn keep_proposal(&self, step: &mut Step, op: &Op, code: RefusalCode) {
        let text = match &op.purpose {
            Purpose::Gate { .. } => op.text.clone(),
            Purpose::Write { content: Content::Whole(text), .. } => Some(Arc::from(text.as_str())),
            Purpose::Write { .. } => None,
            Purpose::Read { .. }
            | Purpose::Reserve { .. }
            | Purpose::Revise { .. }
            | Purpose::Tree => return,
        };
        let wanted = match (&op.proposal, text) {
            (Proposal::Whole(_), Some(text)) => Proposed::Whole(text),
            (Proposal::Edits(edits), _) => Proposed::Edits(edits.clone()),
            (Proposal::Whole(_), None) | (Proposal::Opaque, _) => return,
        };
        let of_others = match code {
            RefusalCode::Held
            | RefusalCode::Stale
            | RefusalCode::Unread
            | RefusalCode::Pinned
            | RefusalCode::TreeBusy
            | RefusalCode::Deadlock
            | RefusalCode::Timeout => true,
            RefusalCode::TooWide | RefusalCode::Outside | RefusalCode::Failed => false,
        };
        let Some(path) = op.path.clone().filter(|_| of_others) else { return };
        let row = Box::new(ProposalRow {
            n: 0,
            workspace: self.setup.workspace.root.clone(),
            at: step.now.wall,
            agent: self.owner_name(&op.owner),
            owner: op.owner.clone(),
            path,
            tool: op.tool.clone(),
            code: code.as_str().to_owned(),
            hash: Hash::UNSEEN,
            base: op.knew,
        });
        step.out.push(Effect::KeepProposal { row, wanted });
    }

    /// Asks for the next step; answers once there is none.
    fn revise_next(&mut self, step: &mut Step, from: Asker) {
        let Some(revising) = self.revising.get_mut(&from) else { return };
        let Some(next) = revising.rest.pop_front() else {
            if let Some(Revising { revised, .. }) = self.revising.remove(&from) {
                let reply = Reply::Reviewed(Answer::Revised(revised));
                step.out.push(Effect::ReplyStored { to: from, reply });
            }
            return;
        };
        let plan::Step { path, now, then, reverts, losses: _ } = next;
        let proposal = match &then {
            Some(file) => Proposal::Whole(file.image.hash),
            None => Proposal::Opaque,
        };
        let content = match then {
            Some(file) => Content::Bytes { bytes: file.bytes, mode: file.image.mode },
            None => Content::Gone,
        };
        let base = now.map_or(Base::Absent, |file| Base::Is(file.image.hash));
        let tool = if reverts.is_empty() { "restore" } else { "undo" };
        let purpose = Purpose::Revise { to: from, content, reverts };
        let raw = path.to_string();
        let op = self.new_op(Owner::User, raw, proposal, tool, purpose);
        if let Some(found) = self.ops.get_mut(&op) {
            found.base = Some(base);
        }
        let cwd = self.setup.workspace.root.clone();
        self.resolve(step, op, cwd);
    }

    /// A step was carried out, or was not.
    pub(super) fn step_written(
        &mut self,
        step: &mut Step,
        op: OpId,
        disk: Disk,
        was: Option<Taken>,
        result: Result<(), WriteTrouble>,
    ) {
        let Some(found) = self.ops.remove(&op) else { return };
        let Purpose::Revise { to, reverts, .. } = found.purpose else { return };
        let (end, outcome) = match result {
            Ok(()) => (WriteEnd::Done, Outcome::Done),
            Err(WriteTrouble::Changed) => {
                let why = "somebody changed it at the same moment".to_owned();
                (WriteEnd::Failed, Outcome::LeftAlone(why))
            }
            Err(WriteTrouble::NoAnchor(why) | WriteTrouble::Io(why)) => {
                (WriteEnd::Failed, Outcome::LeftAlone(why))
            }
        };
        self.doing = Doing { tool: found.tool, reverts, taken: was, ..Doing::default() };
        self.decide(step, arbiter::Input::Finished { op, end, disk });
        self.done_with_image(step);
        self.doing = Doing::default();
        if let Some(path) = found.path {
            // Nobody waits for the person to go on with this file.
            let (owner, path) = (Owner::User, path);
            self.decide(step, arbiter::Input::Done { owner, path: path.clone() });
            self.step_over(step, to, &path, outcome);
        }
    }

    /// A step is not done: its file is as it was.
    pub(super) fn step_refused(
        &mut self,
        step: &mut Step,
        to: Asker,
        raw: &str,
        refusal: &Refusal,
    ) {
        let Some(path) = WorkPath::parse(raw) else { return };
        let why = match &refusal.holder {
            Some(holder) => {
                format!("{holder} has it ({}); `benchdog steal {path}` takes it", refusal.code)
            }
            None => refusal.text.clone(),
        };
        self.step_over(step, to, &path, Outcome::LeftAlone(why));
    }

    fn step_over(&mut self, step: &mut Step, to: Asker, path: &WorkPath, outcome: Outcome) {
        if let Some(revising) = self.revising.get_mut(&to)
            && let Some(file) = revising
                .revised
                .files
                .iter_mut()
                .find(|file| file.path == *path && file.outcome == Outcome::Planned)
        {
            file.outcome = outcome;
        }
        self.revise_next(step, to);
    }
}
