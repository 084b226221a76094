//! The engine's state as this front end knows it: the last snapshot with every event since.
//!
//! It holds what is true, not what is on the screen. Transcripts are with the panes.

use std::collections::{BTreeMap, VecDeque};

use crate::engine::event::{Event, RefusedAttempt, Snapshot, WorkspaceInfo};
use crate::model::agent::{AgentInfo, AgentState};
use crate::model::id::AgentId;
use crate::model::lease::LeaseInfo;
use crate::model::permission::Ask;

/// Refused writes that are kept for the locks view.
const REFUSED: usize = 200;

/// What the engine said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bench {
    /// The workspace; `None` before the first snapshot.
    pub workspace: Option<WorkspaceInfo>,
    /// The agents, in the order of their start.
    pub agents: Vec<AgentInfo>,
    /// The asks that wait, oldest first.
    pub asks: Vec<Ask>,
    /// The leases by path.
    pub leases: BTreeMap<String, LeaseInfo>,
    /// The last refused writes, oldest first.
    pub refused: VecDeque<RefusedAttempt>,
}

impl Bench {
    /// The state of a snapshot, without the transcripts.
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut refused: VecDeque<_> = snapshot.refused.iter().cloned().collect();
        refused.drain(..refused.len().saturating_sub(REFUSED));
        Self {
            workspace: Some(snapshot.workspace.clone()),
            agents: snapshot.agents.iter().map(|agent| agent.info.clone()).collect(),
            asks: snapshot.asks.clone(),
            leases: snapshot
                .leases
                .iter()
                .map(|lease| (lease.path.clone(), lease.clone()))
                .collect(),
            refused,
        }
    }

    /// Takes in what an event says about agents, asks, leases and the workspace.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::AgentChanged { agent } => {
                match self.agents.iter_mut().find(|known| known.id == agent.id) {
                    Some(known) => known.clone_from(agent),
                    None => self.agents.push(agent.as_ref().clone()),
                }
            }
            Event::AgentRemoved { agent } => {
                self.agents.retain(|known| known.id != *agent);
                self.asks.retain(|ask| ask.agent != *agent);
            }
            Event::AskOpened { ask } => {
                self.asks.retain(|known| known.id != ask.id);
                self.asks.push(ask.as_ref().clone());
            }
            Event::AskClosed { ask, .. } => self.asks.retain(|known| known.id != *ask),
            Event::LeaseMoved { path, lease } => {
                match lease {
                    Some(lease) => self.leases.insert(path.clone(), lease.clone()),
                    None => self.leases.remove(path),
                };
            }
            Event::WriteRefused { attempt } => {
                self.refused.push_back(attempt.clone());
                if self.refused.len() > REFUSED {
                    self.refused.pop_front();
                }
            }
            Event::WorkspaceChanged { workspace } => self.workspace = Some(workspace.clone()),
            Event::ItemChanged { .. }
            | Event::TextAppended { .. }
            | Event::TranscriptReset { .. }
            | Event::LayoutSaved { .. }
            | Event::Noticed { .. }
            | Event::Closing => {}
        }
    }

    /// The row of an agent.
    pub fn agent(&self, id: AgentId) -> Option<&AgentInfo> {
        self.agents.iter().find(|agent| agent.id == id)
    }

    /// The asks of an agent, oldest first.
    pub fn asks_of(&self, id: AgentId) -> impl Iterator<Item = &Ask> {
        self.asks.iter().filter(move |ask| ask.agent == id)
    }

    /// The root of the workspace, empty before the first snapshot.
    pub fn root(&self) -> &str {
        self.workspace.as_ref().map_or("", |workspace| &workspace.root)
    }

    /// How many agents are in a turn or about to be, so that ending them breaks something off.
    pub fn busy(&self) -> usize {
        self.agents.iter().filter(|agent| is_busy(agent.state)).count()
    }

    /// How many agents wait for the person.
    pub fn needy(&self) -> usize {
        self.agents.iter().filter(|agent| agent.state == AgentState::NeedsYou).count()
    }
}

/// Whether a turn is under way.
pub fn is_busy(state: AgentState) -> bool {
    match state {
        AgentState::Starting
        | AgentState::Working
        | AgentState::NeedsYou
        | AgentState::WaitingForFile => true,
        AgentState::Idle | AgentState::Finished | AgentState::Error | AgentState::Dead => false,
    }
}

/// The mark of a state; each has its own shape, so that it is clear without colour.
pub fn mark(state: AgentState) -> &'static str {
    match state {
        AgentState::Working => "●",
        AgentState::NeedsYou => "◆",
        AgentState::WaitingForFile => "◷",
        AgentState::Finished => "✓",
        AgentState::Idle => "○",
        AgentState::Error => "✗",
        AgentState::Dead => "†",
        AgentState::Starting => "◌",
    }
}

/// A state in words.
pub fn words(state: AgentState) -> &'static str {
    match state {
        AgentState::Working => "working",
        AgentState::NeedsYou => "needs you",
        AgentState::WaitingForFile => "waits for a file",
        AgentState::Finished => "finished",
        AgentState::Idle => "idle",
        AgentState::Error => "error",
        AgentState::Dead => "dead",
        AgentState::Starting => "starting",
    }
}
