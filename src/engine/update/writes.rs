//! Writes of agents: from the gate, through the arbiter, to the end of the tool.
//!
//! A request goes resolve → decide → store → carry out → look again. Each step that fails ends in
//! a refusal, and each request that was granted is told to the arbiter as ended.

use std::sync::Arc;

use serde_json::Value;

use crate::agent::{Order, Verdict};
use crate::arbiter::claim::{self, Claim};
use crate::arbiter::input::Hand;
use crate::arbiter::{self, Disk, Proposal, Wish, WriteEnd};
use crate::engine::effect::{Content, Effect};
use crate::engine::input::{Asker, Place};
use crate::engine::state::{State, Step};
use crate::model::id::{AgentId, AskId, CallId, ChangeId, OpId, RequestId, SubId};
use crate::model::lease::{Owner, Refusal, RefusalCode};
use crate::model::path::{Hash, WorkPath};
use crate::model::permission::{AskAnswer, AskOutcome, PermissionMode};
use crate::model::time::Mono;

/// A request to the arbiter, from its first question to its end.
#[derive(Debug)]
pub(in crate::engine) struct Op {
    pub(super) owner: Owner,
    /// As it was written.
    pub(super) raw: String,
    /// Where it leads, once known.
    pub(super) path: Option<WorkPath>,
    pub(super) proposal: Proposal,
    pub(super) base: Option<arbiter::input::Base>,
    pub(super) tool: String,
    pub(super) purpose: Purpose,
    pub(super) phase: Phase,
    /// The whole text that a tool wants to write.
    pub(super) text: Option<Arc<str>>,
    /// What its owner had seen of the file when it asked.
    pub(super) knew: Option<Hash>,
    /// What was on disk when it was checked.
    pub(super) checked: Option<Disk>,
    /// Whether it is in the arbiter's hands.
    pub(super) submitted: bool,
    /// Whether its agent is shown as waiting.
    pub(super) waiting: bool,
}

/// What a request is for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// A tool of an agent.
    Gate {
        agent: AgentId,
        call: CallId,
        /// The gate that waits for a verdict.
        request: Option<RequestId>,
        /// The ask that is answered with yes once the request is granted again.
        ask: Option<Yes>,
    },
    /// A writing tool of the bench.
    Write {
        to: Asker,
        content: Content,
        /// What the grant says about changes that the writer had not seen, and that stay.
        rebased: Option<String>,
    },
    /// A step of taking something back.
    Revise {
        to: Asker,
        content: Content,
        /// The changes that it takes back.
        reverts: Vec<ChangeId>,
    },
    /// A reading tool of the bench.
    Read { to: Asker },
    /// A reservation or a wait.
    Reserve { to: Asker, since: Mono },
    /// A git of an agent wants the whole tree; which one says the state.
    Tree,
}

/// The person's yes that waits for a repeated check.
#[derive(Debug)]
pub(super) struct Yes {
    pub(super) ask: AskId,
    pub(super) request: RequestId,
    pub(super) input: Value,
    pub(super) permissions: Vec<Value>,
    pub(super) outcome: AskOutcome,
    /// As the person gave it.
    pub(super) answer: AskAnswer,
}

/// Where a request stands.
#[derive(Debug, PartialEq)]
pub(super) enum Phase {
    /// It is being decided.
    Deciding,
    /// It may be carried out, as soon as that is stored.
    Storing,
    /// It is being carried out.
    Granted,
    /// It is over; the disk is being looked at. The tool's end waits for our answer.
    Ending(WriteEnd, Option<RequestId>),
}

/// The end of a tool, as the back end reports it.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) request: RequestId,
    pub(super) call: CallId,
    pub(super) sub: Option<SubId>,
    pub(super) tool: String,
    pub(super) input: Value,
    pub(super) response: Value,
    pub(super) failed: bool,
}

impl State {
    /// A tool wants to run.
    #[expect(clippy::too_many_arguments, reason = "the fields of one report")]
    pub(super) fn gate(
        &mut self,
        step: &mut Step,
        id: AgentId,
        request: RequestId,
        call: CallId,
        sub: Option<SubId>,
        tool: &str,
        input: &Value,
    ) {
        let Some(agent) = self.agents.get(&id) else { return };
        let owner = Owner::Session(agent.session(), sub);
        let claim = if self.setup.arbitrate { Claim::of(tool, input) } else { Claim::None };
        match claim {
            Claim::None => self.verdict(step, id, request, pass(None)),
            Claim::Read { .. } => {
                self.reading.insert((id, call), step.now.wall);
                self.verdict(step, id, request, pass(None));
            }
            Claim::Malformed(reason) => {
                let reason = format!("NOT RUN: {reason}. Correct the call and send it again.");
                self.verdict(step, id, request, Verdict::Deny { reason });
            }
            Claim::Shell { command } => {
                self.shell_gate(step, id, request, call, (owner, &command));
            }
            Claim::Write { raw_path, proposal } => {
                let cwd = agent.row.cwd.clone();
                let purpose = Purpose::Gate {
                    agent: id,
                    call: call.clone(),
                    request: Some(request),
                    ask: None,
                };
                let op = self.new_op(owner, raw_path, proposal, tool, purpose);
                if let Some(new) = self.ops.get_mut(&op) {
                    let content = input.get("content").and_then(Value::as_str);
                    new.text = content.map(Arc::from);
                }
                self.calls.insert((id, call), op);
                self.resolve(step, op, cwd);
            }
        }
    }

    pub(super) fn new_op(
        &mut self,
        owner: Owner,
        raw: String,
        proposal: Proposal,
        tool: &str,
        purpose: Purpose,
    ) -> OpId {
        let op = self.next_op();
        let new = Op {
            owner,
            raw,
            path: None,
            proposal,
            base: None,
            tool: tool.to_owned(),
            purpose,
            phase: Phase::Deciding,
            text: None,
            knew: None,
            checked: None,
            submitted: false,
            waiting: false,
        };
        self.ops.insert(op, new);
        op
    }

    /// Who asked for a write with a tool of the bench.
    pub(in crate::engine) fn asker_of(&self, op: OpId) -> Option<Asker> {
        match &self.ops.get(&op)?.purpose {
            Purpose::Write { to, .. } | Purpose::Revise { to, .. } => Some(*to),
            Purpose::Gate { .. }
            | Purpose::Read { .. }
            | Purpose::Reserve { .. }
            | Purpose::Tree => None,
        }
    }

    /// Whose request it is.
    pub(in crate::engine) fn writer_of(&self, op: OpId) -> Option<&Owner> {
        self.ops.get(&op).map(|found| &found.owner)
    }

    pub(super) fn resolve(&mut self, step: &mut Step, op: OpId, cwd: String) {
        let Some(found) = self.ops.get(&op) else { return };
        step.out.push(Effect::Resolve { op, raw: found.raw.clone(), cwd });
    }

    pub(in crate::engine) fn resolved(&mut self, step: &mut Step, op: OpId, place: Place) {
        let Some(found) = self.ops.get_mut(&op) else { return };
        let path = match place {
            Place::Inside(path) => path,
            Place::Outside(raw) => return self.outside(step, op, &raw),
            Place::Unclear(reason) => {
                let text = format!("NOT WRITTEN (failed): {reason}. Nothing was changed.");
                return self.refuse(
                    step,
                    op,
                    Refusal { code: RefusalCode::Failed, path: None, holder: None, text },
                );
            }
        };
        found.path = Some(path.clone());
        if let Purpose::Read { .. } = found.purpose {
            step.out.push(Effect::ReadFile { op, path });
            return;
        }
        if let Purpose::Revise { .. } = found.purpose
            && found.raw != path.as_str()
        {
            let text = format!("{} is a link now, and {path} is what it leads to", found.raw);
            let code = RefusalCode::Failed;
            return self.refuse(step, op, Refusal { code, path: None, holder: None, text });
        }
        let own = self.setup.settings.as_ref().map(|settings| &settings.arbiter.protected);
        let by_person = matches!(found.purpose, Purpose::Revise { .. });
        let protected = claim::is_protected(&path) || own.is_some_and(|own| covers(own, &path));
        if protected && !by_person {
            return self.protected(step, op, &path);
        }
        found.submitted = true;
        found.knew = match found.base {
            Some(arbiter::input::Base::Is(hash)) => Some(hash),
            Some(arbiter::input::Base::Absent) => None,
            None => {
                self.desk.read(|table| table.knows(&found.owner, &path)).map(|known| known.hash)
            }
        };
        let wish = Wish {
            op,
            owner: found.owner.clone(),
            path,
            proposal: found.proposal.clone(),
            base: found.base,
            wait_ms: self.setup.wait_ms,
            hand: match found.purpose {
                Purpose::Write { .. } | Purpose::Revise { .. } => Hand::Bench,
                Purpose::Gate { .. }
                | Purpose::Read { .. }
                | Purpose::Reserve { .. }
                | Purpose::Tree => Hand::Owner,
            },
        };
        self.decide(step, arbiter::Input::Request(wish));
    }

    /// A write outside the workspace is no business of the bench; the agent's own rules hold.
    fn outside(&mut self, step: &mut Step, op: OpId, raw: &str) {
        let gate = match self.ops.get(&op).map(|found| &found.purpose) {
            Some(Purpose::Gate { agent, .. }) => Some(*agent),
            _ => None,
        };
        let bypass = gate
            .and_then(|id| self.agents.get(&id))
            .is_some_and(|agent| agent.info.permission_mode == PermissionMode::BypassPermissions);
        match (gate, bypass) {
            (Some(_), true) => self.pass_without_lease(step, op, pass(None)),
            (Some(_), false) => {
                let reason = format!("{raw} lies outside the workspace");
                self.pass_without_lease(step, op, Verdict::Ask { reason });
            }
            (None, _) => {
                let text = format!(
                    "NOT WRITTEN (outside): {raw} lies outside the workspace. Use a path below its root."
                );
                let code = RefusalCode::Outside;
                self.refuse(step, op, Refusal { code, path: None, holder: None, text });
            }
        }
    }

    /// A protected path needs the person, and nobody else may say yes.
    fn protected(&mut self, step: &mut Step, op: OpId, path: &WorkPath) {
        let asks = match self.ops.get(&op).map(|found| &found.purpose) {
            Some(Purpose::Gate { agent, .. }) => self.agents.get(agent).is_some_and(|agent| {
                agent.info.permission_mode != PermissionMode::BypassPermissions
            }),
            _ => false,
        };
        if asks {
            let reason = format!("{path} is protected: it changes what agents or git may do");
            return self.pass_without_lease(step, op, Verdict::Ask { reason });
        }
        let text = format!(
            "NOT WRITTEN (outside): {path} is protected: it changes what agents or git may do, so \
             only the person writes it. Tell the person what should stand there, and go on."
        );
        let code = RefusalCode::Outside;
        self.refuse(step, op, Refusal { code, path: Some(path.clone()), holder: None, text });
    }

    fn pass_without_lease(&mut self, step: &mut Step, op: OpId, verdict: Verdict) {
        let Some(found) = self.ops.remove(&op) else { return };
        if let Purpose::Gate { agent, call, request, ask } = found.purpose {
            self.calls.remove(&(agent, call.clone()));
            if let Some(request) = request {
                self.verdict(step, agent, request, verdict);
            }
            if let Some(yes) = ask {
                // The person has said yes to exactly this.
                self.say_yes(step, agent, Some(&call), yes);
            }
        }
    }

    pub(super) fn verdict(
        &self,
        step: &mut Step,
        agent: AgentId,
        request: RequestId,
        verdict: Verdict,
    ) {
        step.out.push(Effect::Order { agent, order: Order::Gate { request, verdict } });
    }

    pub(super) fn pass(&self, step: &mut Step, agent: AgentId, request: RequestId) {
        self.verdict(step, agent, request, pass(None));
    }

    pub(in crate::engine) fn inspected(
        &mut self,
        step: &mut Step,
        op: OpId,
        disk: Disk,
        base: Option<Arc<str>>,
    ) {
        let Some(found) = self.ops.get_mut(&op) else {
            // Its owner is gone meanwhile; the arbiter has forgotten it too.
            return;
        };
        if let Phase::Ending(end, request) = &mut found.phase {
            let (end, request) = (*end, request.take());
            return self.finish(step, op, end, disk, request);
        }
        found.checked = Some(disk.clone());
        self.decide(step, arbiter::Input::Inspected { op, disk, base });
    }
}

/// Whether one of the patterns (a file, or a folder with `/` at its end) covers the path.
fn covers(patterns: &[String], path: &WorkPath) -> bool {
    let within = |pattern: &str| {
        WorkPath::parse(pattern.trim_end_matches('/')).is_some_and(|found| path.is_within(&found))
    };
    patterns.iter().any(|pattern| within(pattern))
}

fn pass(context: Option<String>) -> Verdict {
    Verdict::Pass { context }
}
