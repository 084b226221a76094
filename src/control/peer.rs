//! Who is at the other end of a connection, and what it may ask.
//!
//! The person may ask for everything. A process of an agent may look, and use the bench's tools
//! under its own agent's name; what it asks for git is asked as its agent, whatever it says. What
//! decides for the person, or works on others, is refused. It is a hand rail, not a wall: a process
//! that gets itself started by somebody else is not known.
//!
//! Which processes ask for git, or for a guarded command, is put into the command here: a git inside
//! a guarded command is not the person's.

use super::client::Client;
use crate::engine::command::Command;
use crate::model::agent::AgentInfo;
use crate::model::failure::{Failure, FailureKind};

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// The person: the number of the process and those of its ancestors.
    Person(Vec<u32>),
    /// A process of an agent: its number and those of its ancestors.
    Agent(Vec<u32>),
}

/// Looks at each command of one connection before the engine hears it.
#[derive(Debug)]
pub(super) enum Door {
    /// Everything passes.
    Open {
        /// The number of the process outside and those of its ancestors.
        processes: Vec<u32>,
    },
    /// An agent's process is outside.
    Guarded {
        /// Its number and those of its ancestors.
        processes: Vec<u32>,
        /// A link of its own, to ask who the agents are.
        engine: Client,
    },
}

impl Door {
    /// Passes `command`, or says why not. Where it counts who asks, it is put into the command.
    pub(super) async fn check(&mut self, command: &mut Command) -> Result<(), Failure> {
        let (processes, engine) = match self {
            Self::Open { processes } => {
                sign(command, processes);
                return Ok(());
            }
            Self::Guarded { processes, engine } => (processes, engine),
        };
        match command {
            Command::Subscribe
            | Command::ListAgents
            | Command::ListLocks
            | Command::ListAsks
            | Command::ListSessions { .. }
            | Command::ShowBenches
            | Command::ReadTranscript { .. }
            | Command::AskJournal { .. } => Ok(()),
            Command::CallTool { name, .. } => match its_agent(engine, processes).await? {
                Some(agent) if agent.name == *name => Ok(()),
                Some(agent) => Err(refused().hint(format!(
                    "it may use the tools as itself: `benchdog call --as {}`",
                    agent.name
                ))),
                None => Err(refused()),
            },
            Command::GitFacts { agent, .. } | Command::GitTree { agent, .. } => {
                let of = its_agent(engine, processes).await?;
                *agent = Some(of.ok_or_else(refused)?.id);
                Ok(())
            }
            Command::StartAgent { .. }
            | Command::ResumeSession { .. }
            | Command::ResumeBench { .. }
            | Command::Send { .. }
            | Command::Unqueue { .. }
            | Command::Interrupt { .. }
            | Command::StopAgent { .. }
            | Command::RestartAgent { .. }
            | Command::RemoveAgent { .. }
            | Command::SetMode { .. }
            | Command::SetModel { .. }
            | Command::MarkSeen { .. }
            | Command::AnswerAsk { .. }
            | Command::Steal { .. }
            | Command::Release { .. }
            | Command::Pin { .. }
            | Command::SaveLayout { .. }
            | Command::Exec { .. }
            | Command::Revise { .. }
            | Command::RenameSession { .. }
            | Command::Shutdown => Err(refused()),
        }
    }
}

/// Puts into a command of the person which processes it comes from, where that counts.
fn sign(command: &mut Command, from: &[u32]) {
    if let Command::GitFacts { processes, .. } | Command::GitTree { processes, .. } = command {
        *processes = from.to_vec();
    }
    if let Command::Exec { process, .. } = command {
        *process = from.first().copied();
    }
}

/// The agent to which one of these processes belongs.
async fn its_agent(engine: &mut Client, processes: &[u32]) -> Result<Option<AgentInfo>, Failure> {
    let agents = engine.agents().await?;
    let is_its = |agent: &AgentInfo| agent.pid.is_some_and(|pid| processes.contains(&pid));
    Ok(agents.into_iter().find(is_its))
}

fn refused() -> Failure {
    let message = "only the person may ask for this, and it came from a process of an agent";
    Failure::new(FailureKind::NeedsPerson, message)
        .hint("an agent may look, and use the tools as itself; ask the person for the rest")
}
