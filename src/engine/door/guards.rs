//! The guards of a workspace's agents: one wall, and a supervisor for each agent.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::porter::{Ground, Hears, Porter};
use crate::agent::process::{Enter, fork_in, sweep};
use crate::engine::desk::Desk;
use crate::engine::exec::Terms;
use crate::guard::fence::{self, Gate};
use crate::guard::ground::Workspace;
use crate::guard::supervisor::Supervisor;
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::AgentId;
use crate::model::lease::Owner;

/// Puts agents behind the wall.
#[derive(Debug)]
pub(in crate::engine) struct Guards {
    workspace: Arc<Workspace>,
    ground: Arc<Ground>,
    desk: Arc<Desk>,
    closed: Vec<PathBuf>,
    supervisors: Mutex<HashMap<AgentId, Arc<Supervisor>>>,
}

/// An agent that is being started behind the wall.
pub(in crate::engine) struct Entrance {
    gate: Gate,
    porter: Porter,
    name: String,
}

impl Guards {
    /// For a workspace; nothing of an agent may write in the `closed` folders.
    pub(in crate::engine) fn open(
        ground: Arc<Ground>,
        desk: Arc<Desk>,
        closed: &[PathBuf],
    ) -> Result<Self, Failure> {
        let root = &ground.root;
        let closed: Vec<PathBuf> =
            closed.iter().filter(|folder| !holds(folder, root)).cloned().collect();
        let workspace = Workspace::open(root, &closed).map_err(|error| {
            let text = format!("the guard cannot be put around {}", root.display());
            Failure::new(FailureKind::Internal, text)
                .hint("`--set agent.guard=off` starts agents without it")
                .cause(error)
        })?;
        for folder in ground.output.folders() {
            // One that has just gone is no loss: what comes in its place is asked about.
            drop(workspace.free(Path::new(folder.as_str())));
        }
        fork_in(|start| fence::start(start));
        Ok(Self { workspace, ground, desk, closed, supervisors: Mutex::default() })
    }

    /// What a process of this owner goes through, and what is to be done once it has started.
    pub(in crate::engine) fn prepare(
        &self,
        owner: Owner,
        name: &str,
    ) -> Result<(Enter, Entrance), Failure> {
        let (fence, gate) = fence::prepare(&self.workspace).map_err(|error| not_guarded(&error))?;
        let porter = Porter::new(Arc::clone(&self.desk), Arc::clone(&self.ground), owner);
        let enter: Enter = Box::new(move || fence.enter());
        Ok((enter, Entrance { gate, porter, name: name.to_owned() }))
    }

    /// The process has started: from now on it is answered.
    pub(in crate::engine) fn begin(
        &self,
        agent: AgentId,
        process: u32,
        entrance: Entrance,
    ) -> Result<(), Failure> {
        let Entrance { gate, mut porter, name } = entrance;
        porter.itself = Some(process);
        let waits = Arc::clone(&porter.waits);
        let supervisor = gate.supervise(&name, Arc::new(porter));
        let supervisor = Arc::new(supervisor.map_err(|error| not_guarded(&error))?);
        self.desk.watch(&supervisor, waits);
        self.lock().insert(agent, supervisor);
        Ok(())
    }

    /// What another process must know to build a fence.
    pub(in crate::engine) fn terms(&self) -> Terms {
        let root = self.ground.root.clone();
        Terms {
            root,
            closed: self.closed.clone(),
            free: self.workspace.free_paths(),
            mark: sweep::our_mark(),
        }
    }

    /// Answers for a command that another process starts, which hands it over through `receiver`.
    /// Comes back when nothing of the command lives any more.
    pub(in crate::engine) fn attend(
        &self,
        owner: Owner,
        receiver: OwnedFd,
        hears: Hears,
    ) -> Result<(), Failure> {
        let gate = Gate::through(&self.workspace, receiver);
        let gate = gate.map_err(|error| not_guarded(&error))?;
        let mut porter = Porter::new(Arc::clone(&self.desk), Arc::clone(&self.ground), owner);
        porter.hears = Some(hears);
        let waits = Arc::clone(&porter.waits);
        let supervisor = gate.supervise("exec", Arc::new(porter));
        let supervisor = Arc::new(supervisor.map_err(|error| not_guarded(&error))?);
        self.desk.watch(&supervisor, waits);
        supervisor.wait();
        Ok(())
    }

    /// What an agent waits for in the kernel fails now: it is interrupted.
    pub(in crate::engine) fn cancel_parks(&self, agent: AgentId) {
        if let Some(supervisor) = self.lock().get(&agent) {
            supervisor.cancel_parks();
        }
    }

    /// The agent's process is gone. What is left of it is answered as long as it lives.
    pub(in crate::engine) fn release(&self, agent: AgentId) {
        self.lock().remove(&agent);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgentId, Arc<Supervisor>>> {
        self.supervisors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a folder is, or holds, the workspace. Then it cannot be closed.
fn holds(folder: &Path, root: &Path) -> bool {
    folder.canonicalize().is_ok_and(|folder| root.starts_with(folder))
}

fn not_guarded(error: &crate::guard::FenceError) -> Failure {
    Failure::new(FailureKind::AgentStart, format!("the agent cannot be guarded: {error}"))
        .hint("`benchdog doctor` says what is missing; `agent.guard = \"off\"` starts it without")
}
