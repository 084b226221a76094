//! What front ends ask for.

use std::path::PathBuf;

use super::agents::shutting_down;
use crate::arbiter;
use crate::engine::command::{Command, Reply};
use crate::engine::effect::{Effect, Query};
use crate::engine::event::Event;
use crate::engine::input::{Asker, Resume};
use crate::engine::state::{Exec, State, Step};
use crate::model::agent::{GuardLevel, GuardWish};
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::AgentId;
use crate::model::lease::Owner;
use crate::model::transcript::Level;

impl State {
    pub(in crate::engine) fn command(&mut self, step: &mut Step, from: Asker, command: Command) {
        if self.closing && !matches!(command, Command::Subscribe | Command::Shutdown) {
            return answer(step, from, Reply::Failed(shutting_down()));
        }
        let reply = match command {
            Command::Subscribe => {
                step.out.push(Effect::Subscribe(from));
                Ok(Some(Reply::Done))
            }
            Command::StartAgent { spec } => self.start_agent(step, from, spec).map(|()| None),
            Command::ResumeSession { session, fork, from_history } => {
                let how = match (fork, from_history) {
                    (_, true) => Resume::FromHistory,
                    (true, false) => Resume::Fork,
                    (false, false) => Resume::Continue,
                };
                self.resume(step, from, session, how).map(|()| None)
            }
            Command::ResumeBench { begun } => {
                step.out.push(Effect::LoadBench { from, begun });
                Ok(None)
            }
            Command::Send { agent, text } => self.send(step, agent, text).map(done),
            Command::Unqueue { agent, prompt } => self.unqueue(step, agent, prompt).map(done),
            Command::Interrupt { agent } => self.interrupt(step, agent).map(done),
            Command::StopAgent { agent } => self.stop(step, agent).map(done),
            Command::RestartAgent { agent } => self.restart(step, agent).map(done),
            Command::RemoveAgent { agent } => self.remove(step, agent).map(done),
            Command::SetMode { agent, mode } => self.set_mode(step, agent, mode).map(done),
            Command::SetModel { agent, model } => self.set_model(step, agent, model).map(done),
            Command::MarkSeen { agent } => self.mark_seen(step, agent).map(done),
            Command::AnswerAsk { ask, answer } => self.answer_ask(step, ask, answer).map(done),
            Command::Steal { path, to } => self.owner_of(to).and_then(|to| {
                self.check_path(&path)?;
                self.decide(step, arbiter::Input::Steal { path, to });
                done_once_stored(step, from)
            }),
            Command::Release { path } => self.check_path(&path).and_then(|()| {
                self.decide(step, arbiter::Input::Free { path });
                done_once_stored(step, from)
            }),
            Command::Pin { patterns, reason, to } => self
                .owner_of(to)
                .map(|owner| self.pin(step, from, owner, patterns, reason))
                .map(|()| None),
            Command::SaveLayout { layout } => {
                self.layout = Some(layout.clone());
                self.store_bench(step);
                step.publish(Event::LayoutSaved { layout });
                Ok(Some(Reply::Done))
            }
            Command::CallTool { name, tool, input } => {
                self.call_tool(step, from, &name, &tool, &input).map(|()| None)
            }
            Command::Exec { name, socket, process } => self.exec(step, &name, socket, process),
            Command::GitFacts { agent, processes, files } => {
                let answer = self.git_facts(agent, &processes, &files);
                answer.map(|answer| Some(Reply::GitFacts(answer)))
            }
            Command::GitTree { agent, processes, request } => {
                self.git_tree(step, from, agent, &processes, request)
            }
            Command::ListAgents => {
                let rows = self.agents.values().map(|agent| agent.info.clone()).collect();
                Ok(Some(Reply::Agents(rows)))
            }
            Command::ListLocks => Ok(Some(Reply::Locks(self.leases()))),
            Command::ListAsks => {
                let asks = self.asks.values().map(|open| open.ask.clone()).collect();
                Ok(Some(Reply::Asks(asks)))
            }
            Command::ListSessions { query } => ask_history(step, from, Query::Sessions(query)),
            Command::ShowBenches => ask_history(step, from, Query::Benches),
            Command::ReadTranscript { session, before, limit } => {
                ask_history(step, from, Query::Transcript { session, before, limit })
            }
            Command::AskJournal { question } => ask_history(step, from, Query::Review(question)),
            Command::Revise { revision } => {
                step.out.push(Effect::Plan { from, revision });
                Ok(None)
            }
            Command::RenameSession { session, title } => {
                let open = self.agents.iter().find(|(_, agent)| agent.row.id == session);
                if let Some(id) = open.map(|(id, _)| *id) {
                    if let Some(agent) = self.agents.get_mut(&id) {
                        agent.info.title.clone_from(&title);
                        agent.own_title = !title.is_empty();
                    }
                    self.show(step, id);
                }
                ask_history(step, from, Query::Rename { session, title })
            }
            Command::Shutdown => {
                self.shut_down(step);
                Ok(Some(Reply::Done))
            }
        };
        match reply {
            Ok(Some(reply)) => answer(step, from, reply),
            Ok(None) => {}
            Err(failure) => answer(step, from, Reply::Failed(failure)),
        }
    }

    /// A command is about to be started behind the guard.
    fn exec(
        &mut self,
        step: &mut Step,
        name: &str,
        socket: PathBuf,
        process: Option<u32>,
    ) -> Result<Option<Reply>, Failure> {
        let wish = self.setup.settings.as_ref().map(|settings| settings.agent.guard);
        if !self.setup.arbitrate || wish == Some(GuardWish::Off) {
            return Ok(Some(Reply::Exec { guarded: Err(self.setup.no_guard.clone()) }));
        }
        if self.setup.workspace.guard != GuardLevel::Enforced {
            let text = format!("the command cannot be guarded: {}", self.setup.no_guard);
            return Err(Failure::new(FailureKind::Failed, text)
                .hint("with `agent.guard = \"off\"` the engine lets it run without"));
        }
        let owner = self.caller(step, name)?;
        self.last_exec += 1;
        let exec = self.last_exec;
        self.execs.insert(exec, Exec { owner: owner.clone(), process });
        step.out.push(Effect::Exec { exec, owner, socket });
        Ok(Some(Reply::Exec { guarded: Ok(()) }))
    }

    /// A command that was guarded is over, with all that it started, or never began.
    pub(in crate::engine) fn exec_ended(
        &mut self,
        step: &mut Step,
        exec: u64,
        result: Result<(), Failure>,
    ) {
        if let Err(failure) = result {
            step.publish(Event::Noticed { level: Level::Warn, text: failure.to_string() });
        }
        let Some(Exec { owner, .. }) = self.execs.remove(&exec) else { return };
        let last = !self.execs.values().any(|running| running.owner == owner);
        // What an agent holds ends with its turn; nobody else has turns.
        if last && self.agent_of(&owner).is_none() && owner != Owner::User {
            self.decide(step, arbiter::Input::TurnEnded { owner });
        }
    }

    /// The owner that a front end means: an agent, or the person.
    pub(super) fn owner_of(&self, agent: Option<AgentId>) -> Result<Owner, Failure> {
        match agent {
            None => Ok(Owner::User),
            Some(id) => self.agent(id).map(|agent| Owner::Session(agent.row.id.clone(), None)),
        }
    }

    fn check_path(&self, path: &str) -> Result<(), Failure> {
        if self.desk.read(|table| table.lease_of(path).is_some()) {
            return Ok(());
        }
        Err(Failure::new(FailureKind::Failed, format!("nobody holds `{path}`"))
            .hint("`benchdog locks` lists what is held"))
    }

    fn shut_down(&mut self, step: &mut Step) {
        if self.closing {
            return;
        }
        self.store_bench(step);
        let unborn = self.agents.iter().filter(|(_, agent)| agent.life.is_new());
        for id in unborn.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.drop_unstarted(step, id, shutting_down());
        }
        self.closing = true;
        let ids: Vec<_> = self.agents.keys().copied().collect();
        for id in ids {
            if self.agents.get(&id).is_some_and(|agent| agent.life.lives()) {
                self.live(step, id, crate::supervisor::life::Event::StopWanted);
            } else {
                self.close_session(step, id);
            }
        }
        self.end_if_done(step);
    }

    /// Ends the engine once it is closing and no agent runs any more.
    pub(in crate::engine) fn end_if_done(&mut self, step: &mut Step) {
        if self.closing && !self.agents.values().any(|agent| agent.life.lives()) {
            step.out.push(Effect::End);
        }
    }
}

fn done((): ()) -> Option<Reply> {
    Some(Reply::Done)
}

fn answer(step: &mut Step, to: Asker, reply: Reply) {
    step.out.push(Effect::Reply { to, reply });
}

/// What must outlive a crash from the moment at which it is acknowledged.
fn done_once_stored(step: &mut Step, to: Asker) -> Result<Option<Reply>, Failure> {
    step.out.push(Effect::ReplyStored { to, reply: Reply::Done });
    Ok(None)
}

fn ask_history(step: &mut Step, from: Asker, query: Query) -> Result<Option<Reply>, Failure> {
    step.out.push(Effect::Query { from, query });
    Ok(None)
}
