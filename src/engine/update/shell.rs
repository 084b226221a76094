//! Shell commands of agents: nobody gates what they write yet, so the tree is looked over before
//! and after, and what changed is attributed to them.

use crate::arbiter::{self, Disk};
use crate::engine::effect::Effect;
use crate::engine::state::{State, Step};
use crate::model::id::{AgentId, CallId, RequestId};
use crate::model::lease::Owner;
use crate::model::path::WorkPath;

/// A shell command that runs, or is about to.
#[derive(Debug)]
pub(in crate::engine) struct Shell {
    owner: Owner,
    /// What waits for the look: the gate before, the tool's end after.
    request: Option<RequestId>,
}

impl State {
    pub(super) fn shell_gate(
        &mut self,
        step: &mut Step,
        agent: AgentId,
        request: RequestId,
        call: CallId,
        owner: Owner,
    ) {
        let shell = Shell { owner, request: Some(request) };
        self.shells.insert((agent, call.clone()), shell);
        step.out.push(Effect::Scan { agent, call, after: false });
    }

    pub(super) fn shell_done(
        &mut self,
        step: &mut Step,
        agent: AgentId,
        call: &CallId,
        request: RequestId,
    ) {
        if let Some(shell) = self.shells.get_mut(&(agent, call.clone())) {
            shell.request = Some(request);
        }
        step.out.push(Effect::Scan { agent, call: call.clone(), after: true });
    }

    pub(in crate::engine) fn scanned(
        &mut self,
        step: &mut Step,
        agent: AgentId,
        call: &CallId,
        after: bool,
        found: Vec<(WorkPath, Disk)>,
    ) {
        let key = (agent, call.clone());
        let owner = match self.shells.get(&key) {
            Some(shell) if after => shell.owner.clone(),
            // Before a command: whoever has a command running, else somebody outside.
            _ => self
                .shells
                .iter()
                .find(|(other, shell)| **other != key && shell.request.is_none())
                .map_or(Owner::External, |(_, shell)| shell.owner.clone()),
        };
        for (path, disk) in found {
            if self.is_news(&path, &disk) {
                self.decide(step, arbiter::Input::Found { by: owner.clone(), path, disk });
            }
        }
        let Some(shell) = self.shells.get_mut(&key) else { return };
        let Some(request) = shell.request.take() else { return };
        if after {
            self.shells.remove(&key);
            self.tool_seen(step, agent, request);
        } else {
            self.pass(step, agent, request);
        }
    }

    /// Whether a file is other than the last arbitrated change left it, and nobody writes it now.
    fn is_news(&self, path: &WorkPath, disk: &Disk) -> bool {
        let now = match disk {
            Disk::Absent => None,
            Disk::File { hash, .. } => Some(*hash),
            Disk::Unreadable(_) => return false,
        };
        let in_flight = self
            .table
            .lease_of(path.as_str())
            .is_some_and(|lease| lease.state == crate::model::lease::LeaseState::Inflight);
        !in_flight && self.versions.get(path) != Some(&now)
    }
}
