//! Shell commands of agents. Of an agent that is guarded each write is asked about. Where it is not,
//! the tree is looked over before and after, and what changed is attributed to its command.
//!
//! Each command that is let through has an end: its tool's, its turn's, its agent's. A command
//! that never ended would be blamed for whatever changes later.

use crate::arbiter::{self, Disk, Settled};
use crate::engine::effect::Effect;
use crate::engine::event::Event;
use crate::engine::input::Found;
use crate::engine::state::{Doing, State, Step};
use crate::model::agent::GuardLevel;
use crate::model::id::{AgentId, CallId, RequestId};
use crate::model::lease::{LeaseState, Owner};
use crate::model::path::WorkPath;
use crate::model::transcript::Level;

/// Letters of a command line that a change names as its tool.
const COMMAND: usize = 200;

/// A shell command that runs, or is about to.
#[derive(Debug)]
pub(in crate::engine) struct Shell {
    owner: Owner,
    /// The beginning of its line.
    pub(super) command: String,
    stage: Stage,
}

/// How far a command is.
#[derive(Debug, Clone, PartialEq)]
enum Stage {
    /// The tree is looked over before it; the gate waits.
    Before(RequestId),
    /// It may run.
    Running,
    /// It is over, the tree is looked over once more. The tool's end may wait for that.
    After(Option<RequestId>),
}

impl State {
    pub(super) fn shell_gate(
        &mut self,
        step: &mut Step,
        agent: AgentId,
        request: RequestId,
        call: CallId,
        (owner, command): (Owner, &str),
    ) {
        let guarded = self.is_guarded(agent);
        let stage = if guarded { Stage::Running } else { Stage::Before(request.clone()) };
        let command = command.chars().take(COMMAND).collect();
        self.shells.insert((agent, call.clone()), Shell { owner, command, stage });
        if guarded {
            self.pass(step, agent, request);
        } else {
            step.out.push(Effect::Scan { agent, call, after: false });
        }
    }

    /// Whether the kernel asks before a process of this agent writes.
    fn is_guarded(&self, agent: AgentId) -> bool {
        let level = self.agents.get(&agent).map(|agent| agent.info.guard);
        level.is_some_and(|level| level != GuardLevel::Advisory)
    }

    /// A command is over, or will never run. The tool's end waits for our answer, if it says so
    /// itself.
    pub(super) fn shell_over(
        &mut self,
        step: &mut Step,
        agent: AgentId,
        call: &CallId,
        request: Option<RequestId>,
    ) {
        let key = (agent, call.clone());
        let guarded = self.is_guarded(agent);
        let Some(shell) = self.shells.get_mut(&key) else { return };
        match &mut shell.stage {
            Stage::Running if guarded => {
                // What it has written was asked about, each time; what came of that may be seen a
                // moment later.
                let over = self.shells.remove(&key);
                if let (Some(agent), Some(over)) = (self.agents.get_mut(&agent), over) {
                    agent.last_command = over.command;
                }
                if let Some(request) = request {
                    self.tool_seen(step, agent, request);
                }
            }
            Stage::Before(_) => {
                self.shells.remove(&key);
                if let Some(request) = request {
                    self.tool_seen(step, agent, request);
                }
            }
            Stage::Running => {
                shell.stage = Stage::After(request);
                step.out.push(Effect::Scan { agent, call: call.clone(), after: true });
            }
            Stage::After(waits) => {
                if let Some(request) = request {
                    *waits = Some(request);
                }
            }
        }
    }

    /// The commands of an agent whose owner is meant are over.
    pub(super) fn shells_over(
        &mut self,
        step: &mut Step,
        agent: AgentId,
        is_meant: impl Fn(&Owner) -> bool,
    ) {
        let over =
            self.shells.iter().filter(|((of, _), shell)| *of == agent && is_meant(&shell.owner));
        let mut over: Vec<CallId> = over.map(|((_, call), _)| call.clone()).collect();
        over.sort_unstable();
        for call in over {
            self.shell_over(step, agent, &call, None);
        }
    }

    /// The back end does not wait for this answer any more. Says whether it was about a command.
    pub(super) fn shell_withdrawn(&mut self, agent: AgentId, request: &RequestId) -> bool {
        let found = self.shells.iter_mut().find(|((of, _), shell)| {
            *of == agent
                && match &shell.stage {
                    Stage::Before(waits) | Stage::After(Some(waits)) => waits == request,
                    Stage::Running | Stage::After(None) => false,
                }
        });
        let Some((key, shell)) = found else { return false };
        match shell.stage {
            Stage::Before(_) => {
                let key = key.clone();
                self.shells.remove(&key);
            }
            Stage::Running | Stage::After(_) => shell.stage = Stage::After(None),
        }
        true
    }

    pub(in crate::engine) fn scanned(
        &mut self,
        step: &mut Step,
        agent: AgentId,
        call: &CallId,
        after: bool,
        found: Option<Vec<Found>>,
    ) {
        if found.is_none() && !std::mem::replace(&mut self.blind, true) {
            let text = "the tree has too many files to be looked over: what shell commands change \
                        is noticed only when somebody writes there"
                .to_owned();
            step.publish(Event::Noticed { level: Level::Warn, text });
        }
        let key = (agent, call.clone());
        let by = match self.shells.get(&key) {
            Some(shell) if after => Some(shell),
            // Before a command: whoever has a command running, else somebody outside.
            _ => self
                .shells
                .iter()
                .find(|(other, shell)| **other != key && shell.may_have_written())
                .map(|(_, shell)| shell),
        };
        let (owner, tool) = by.map_or((Owner::External, String::new()), |shell| {
            (shell.owner.clone(), shell.command.clone())
        });
        for Found { path, was, disk } in found.unwrap_or_default() {
            if self.is_news(&path, &disk) {
                self.doing = Doing { tool: tool.clone(), was, ..Doing::default() };
                self.decide(step, arbiter::Input::Found { by: owner.clone(), path, disk });
            }
        }
        self.doing = Doing::default();
        let Some(shell) = self.shells.get_mut(&key) else { return };
        match (shell.stage.clone(), after) {
            (Stage::Before(request), false) => {
                shell.stage = Stage::Running;
                self.pass(step, agent, request);
            }
            (Stage::After(request), true) => {
                self.shells.remove(&key);
                if let Some(request) = request {
                    self.tool_seen(step, agent, request);
                }
            }
            (Stage::Before(_) | Stage::Running, true)
            | (Stage::Running | Stage::After(_), false) => {}
        }
    }

    /// An entry of the tree has changed. If nobody was granted that, it is the doing of somebody
    /// outside. While a command runs that is not guarded, it may as well be that one's: then the
    /// look over the tree at its end decides.
    pub(in crate::engine) fn seen_changed(
        &mut self,
        step: &mut Step,
        path: WorkPath,
        disk: Disk,
        before: Settled,
    ) {
        // What was decided since then knows better; and what came after that is seen again.
        if before.is(&disk) || self.desk.read(|table| table.settled(&path)) != Some(before) {
            return;
        }
        let mut shells = self.shells.iter();
        if shells.any(|((agent, _), shell)| shell.may_have_written() && !self.is_guarded(*agent)) {
            return;
        }
        self.decide(step, arbiter::Input::Found { by: Owner::External, path, disk });
    }

    /// Whether a file is other than the last arbitrated change left it, and nobody writes it now.
    pub(super) fn is_news(&self, path: &WorkPath, disk: &Disk) -> bool {
        let now = match disk {
            Disk::Absent => None,
            Disk::File { hash, .. } => Some(*hash),
            Disk::Unreadable(_) => return false,
        };
        let in_flight = self.desk.read(|table| {
            let lease = table.lease_of(path.as_str());
            lease.is_some_and(|lease| lease.state == LeaseState::Inflight)
        });
        !in_flight && self.versions.get(path) != Some(&now)
    }
}

impl Shell {
    fn may_have_written(&self) -> bool {
        match self.stage {
            Stage::Before(_) => false,
            Stage::Running | Stage::After(_) => true,
        }
    }
}
