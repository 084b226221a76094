//! The end of tools: what was read counts as seen, what was written is looked at and told to the
//! arbiter, and only then does the agent go on.

use super::writes::{Done, Phase, Purpose};
use crate::agent::Order;
use crate::arbiter::claim::Claim;
use crate::arbiter::{self, Disk, Seen, WriteEnd};
use crate::engine::effect::Effect;
use crate::engine::input::Extent;
use crate::engine::state::{Doing, State, Step};
use crate::model::id::{AgentId, CallId, OpId, RequestId};
use crate::model::lease::Owner;
use crate::model::path::{Hash, WorkPath};

impl State {
    /// A tool has ended: observations are taken, the write is finished, then the agent goes on.
    pub(super) fn tool_done(&mut self, step: &mut Step, id: AgentId, done: Done) {
        let Some(agent) = self.agents.get(&id) else { return };
        if self.calls.contains_key(&(id, done.call.clone())) {
            let end = if done.failed { WriteEnd::Failed } else { WriteEnd::Done };
            return self.call_over(step, id, &done.call, end, Some(done.request));
        }
        if self.shells.contains_key(&(id, done.call.clone())) {
            return self.shell_over(step, id, &done.call, Some(done.request));
        }
        if !done.failed
            && self.setup.arbitrate
            && let Claim::Read { raw_path, range: _ } = Claim::of(&done.tool, &done.input)
        {
            let cwd = agent.row.cwd.clone();
            let owner = Owner::Session(agent.session(), done.sub);
            self.reads.insert((id, done.call.clone()), (owner, done.request));
            let response = Box::new(done.response);
            let began = self.reading.remove(&(id, done.call.clone()));
            step.out.push(Effect::CheckShown {
                agent: id,
                call: done.call,
                raw: raw_path,
                cwd,
                response,
                began,
            });
            return;
        }
        self.tool_seen(step, id, done.request);
    }

    /// Lets an agent go on after a tool, with what it is to be told.
    pub(super) fn tool_seen(&mut self, step: &mut Step, id: AgentId, request: RequestId) {
        let context = self.with_tells(id, None);
        step.out.push(Effect::Order { agent: id, order: Order::ToolSeen { request, context } });
    }

    pub(in crate::engine) fn shown(
        &mut self,
        step: &mut Step,
        id: AgentId,
        call: &CallId,
        seen: Option<(WorkPath, Hash, Extent)>,
    ) {
        let Some((owner, request)) = self.reads.remove(&(id, call.clone())) else { return };
        if let Some((path, hash, extent)) = seen {
            let seen = match extent {
                Extent::Whole => Seen::Full,
                Extent::Part => Seen::Range,
            };
            self.decide(step, arbiter::Input::Observed { owner, path, hash, seen });
        }
        self.tool_seen(step, id, request);
    }

    /// A call of an agent is over, one way or another: if it was a write, the disk tells how.
    pub(super) fn call_over(
        &mut self,
        step: &mut Step,
        id: AgentId,
        call: &CallId,
        end: WriteEnd,
        request: Option<RequestId>,
    ) {
        if self.shells.contains_key(&(id, call.clone())) {
            return self.shell_over(step, id, call, request);
        }
        let found = self.calls.get(&(id, call.clone())).copied();
        let Some((op, found)) = found.and_then(|op| Some((op, self.ops.get_mut(&op)?))) else {
            if let Some(request) = request {
                self.tool_seen(step, id, request);
            }
            return;
        };
        match (&found.phase, &found.path) {
            (Phase::Granted, Some(path)) => {
                let path = path.clone();
                found.phase = Phase::Ending(end, request);
                step.out.push(Effect::Inspect { op, path, base: None });
            }
            (Phase::Ending(said, _), _) => {
                let said = *said;
                // The result and the hook both say that it is over; the hook wants an answer.
                if let Some(request) = request {
                    found.phase = Phase::Ending(said, Some(request));
                }
            }
            (Phase::Deciding | Phase::Storing | Phase::Granted, _) => {
                // It ended before it was granted: it did not run.
                self.stop_waiting(step, op);
                self.ops.remove(&op);
                self.calls.remove(&(id, call.clone()));
                self.decide(step, arbiter::Input::Withdrawn { op });
                if let Some(request) = request {
                    self.tool_seen(step, id, request);
                }
            }
        }
    }

    pub(super) fn finish(
        &mut self,
        step: &mut Step,
        op: OpId,
        end: WriteEnd,
        disk: Disk,
        request: Option<RequestId>,
    ) {
        self.stop_waiting(step, op);
        let Some(found) = self.ops.remove(&op) else { return };
        self.doing.tool.clone_from(&found.tool);
        self.decide(step, arbiter::Input::Finished { op, end, disk });
        self.doing = Doing::default();
        if let Purpose::Gate { agent: id, call, .. } = found.purpose {
            self.calls.remove(&(id, call));
            let between_turns = self.agents.get(&id).is_some_and(|agent| !agent.life.in_turn());
            if between_turns && matches!(found.owner, Owner::Session(_, None)) {
                self.decide(step, arbiter::Input::TurnEnded { owner: found.owner });
            }
            if let Some(request) = request {
                self.tool_seen(step, id, request);
            }
        }
    }

    /// A sub-agent is over, and its calls with it.
    pub(super) fn end_calls_of(&mut self, step: &mut Step, id: AgentId, owner: &Owner) {
        let theirs = |op: &OpId| self.ops.get(op).is_some_and(|op| op.owner == *owner);
        let over = self.calls.iter().filter(|((of, _), op)| *of == id && theirs(op));
        let over: Vec<CallId> = over.map(|((_, call), _)| call.clone()).collect();
        for call in over {
            self.call_over(step, id, &call, WriteEnd::Done, None);
        }
        self.shells_over(step, id, |of| of == owner);
    }

    /// A turn is over: so are its calls, but not those of agents in the background.
    pub(super) fn end_calls_of_turn(&mut self, step: &mut Step, id: AgentId) {
        let Some(agent) = self.agents.get(&id) else { return };
        let background: Vec<String> = agent.background.keys().cloned().collect();
        let goes_on = |owner: &Owner| {
            matches!(owner, Owner::Session(_, Some(sub))
                if background.iter().any(|task| task == sub.as_str()))
        };
        let over: Vec<CallId> = self
            .calls
            .iter()
            .filter(|((of, _), op)| {
                *of == id && self.ops.get(op).is_none_or(|op| !goes_on(&op.owner))
            })
            .map(|((_, call), _)| call.clone())
            .collect();
        for call in over {
            self.call_over(step, id, &call, WriteEnd::Done, None);
        }
        self.shells_over(step, id, |owner| !goes_on(owner));
    }

    /// A process is gone: nothing of its calls will be answered any more.
    pub(super) fn forget_calls(&mut self, id: AgentId) {
        let ops: Vec<OpId> =
            self.calls.iter().filter(|((of, _), _)| *of == id).map(|(_, op)| *op).collect();
        for op in ops {
            self.ops.remove(&op);
        }
        self.calls.retain(|(of, _), _| *of != id);
        self.shells.retain(|(of, _), _| *of != id);
        self.reads.retain(|(of, _), _| *of != id);
        self.reading.retain(|(of, _), _| *of != id);
    }
}
