//! The resumes under way: one after the other, so that each answer belongs to one session.
//!
//! A failure is kept with the name of what failed and does not stop the others.

use std::collections::VecDeque;

use crate::engine::command::{Command, Reply};
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::{AgentId, SessionId};
use crate::model::time::Wall;
use crate::ui::wish::{Tag, Wish};

/// What is to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Goal {
    /// A whole bench, the one that was begun then.
    Bench { begun: Wall },
    /// One session.
    Session {
        session: SessionId,
        /// For messages.
        title: String,
        how: How,
    },
}

/// How a session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Where it stopped.
    On,
    /// In a branch of its own.
    Fork,
    /// As a new conversation fed from what is stored.
    FromHistory,
}

impl Goal {
    /// How messages call it.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Bench { .. } => "the whole bench",
            Self::Session { title, .. } => title,
        }
    }

    fn command(&self) -> Command {
        match self {
            Self::Bench { begun } => Command::ResumeBench { begun: Some(*begun) },
            Self::Session { session, how, .. } => Command::ResumeSession {
                session: session.clone(),
                fork: *how == How::Fork,
                from_history: *how == How::FromHistory,
            },
        }
    }
}

/// Resumes under way and what became of the earlier ones.
#[derive(Debug, Clone)]
pub(super) struct Resuming {
    current: Goal,
    next: VecDeque<Goal>,
    total: usize,
    agents: Vec<AgentId>,
    failures: Vec<(String, Failure)>,
}

/// What an answer led to.
#[derive(Debug)]
pub(super) enum Step {
    /// The next one is asked for.
    Next(Wish),
    /// All are answered.
    Over {
        agents: Vec<AgentId>,
        /// What failed, each with the session's title (empty for the bench).
        failures: Vec<(String, Failure)>,
        total: usize,
    },
}

impl Resuming {
    /// Begins with the first of `goals`.
    pub(super) fn begin(goals: Vec<Goal>) -> Option<(Self, Wish)> {
        let (total, mut next) = (goals.len(), VecDeque::from(goals));
        let current = next.pop_front()?;
        let wish = ask(&current);
        Some((Self { current, next, total, agents: Vec::new(), failures: Vec::new() }, wish))
    }

    /// What is being resumed.
    pub(super) fn current(&self) -> &Goal {
        &self.current
    }

    /// Its place and how many there are.
    pub(super) fn place(&self) -> (usize, usize) {
        (self.total - self.next.len(), self.total)
    }

    /// Takes those back that are not asked for yet; says how many.
    pub(super) fn stop(&mut self) -> usize {
        let dropped = self.next.len();
        self.total -= dropped;
        self.next.clear();
        dropped
    }

    /// The first agent that runs already.
    pub(super) fn first_agent(&self) -> Option<AgentId> {
        self.agents.first().copied()
    }

    /// Takes the answer to the current one.
    pub(super) fn answered(&mut self, reply: Reply) -> Step {
        let name = match &self.current {
            // Its failures say themselves which session they are about.
            Goal::Bench { .. } => String::new(),
            Goal::Session { title, .. } => title.clone(),
        };
        match reply {
            Reply::Agent(agent) => self.agents.push(agent),
            Reply::Resumed { agents, failures } => {
                self.agents.extend(agents);
                self.failures.extend(failures.into_iter().map(|one| (name.clone(), one)));
            }
            Reply::Failed(failure) => self.failures.push((name, failure)),
            Reply::Done
            | Reply::Tool(_)
            | Reply::Exec { .. }
            | Reply::GitFacts(_)
            | Reply::GitTree(_)
            | Reply::Agents(_)
            | Reply::Locks(_)
            | Reply::Asks(_)
            | Reply::Sessions(_)
            | Reply::Benches(_)
            | Reply::Reviewed(_)
            | Reply::Transcript(_) => {
                let odd = "the engine gave an answer that does not fit";
                self.failures.push((name, Failure::new(FailureKind::Internal, odd)));
            }
        }
        if let Some(next) = self.next.pop_front() {
            self.current = next;
            return Step::Next(ask(&self.current));
        }
        let agents = std::mem::take(&mut self.agents);
        let failures = std::mem::take(&mut self.failures);
        Step::Over { agents, failures, total: self.total }
    }
}

fn ask(goal: &Goal) -> Wish {
    Wish::Ask { command: Box::new(goal.command()), tag: Tag::PickerResume }
}
