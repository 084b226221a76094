//! Prompts: those that wait, the one that is on its way, and what is stored of them.
//!
//! A prompt is stored until its agent shows that it has read it. Whatever ends before that, the
//! process, the engine or the machine, the prompt waits again.

use crate::agent::Order;
use crate::arbiter;
use crate::engine::effect::Effect;
use crate::engine::state::{State, Step};
use crate::history::record::Record;
use crate::model::agent::{AgentState, QueuedPrompt};
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::AgentId;
use crate::model::transcript::Speaker;
use crate::supervisor::life;

/// Characters of a prompt that make a title.
const TITLE: usize = 80;

/// Prompts that may wait for one agent; more are refused.
const QUEUE: usize = 100;

impl State {
    pub(super) fn send(
        &mut self,
        step: &mut Step,
        id: AgentId,
        text: String,
    ) -> Result<(), Failure> {
        if text.trim().is_empty() {
            return Err(Failure::new(FailureKind::Usage, "the prompt is empty"));
        }
        self.check_history()?;
        let agent = self.agent_mut(id)?;
        if agent.leaving {
            return Err(Failure::new(FailureKind::Failed, "that agent is being removed"));
        }
        if agent.info.queue.len() >= QUEUE {
            let text = format!("{QUEUE} prompts wait for {} already", agent.info.name);
            return Err(Failure::new(FailureKind::Failed, text).hint("take some back first"));
        }
        let first = agent.info.title.is_empty();
        if first {
            agent.info.title = title_of(&text);
        }
        let (session, name) = (agent.row.id.clone(), agent.info.name.clone());
        let task = agent.info.title.clone();
        let dead = agent.life.state() == AgentState::Dead;
        self.enqueue(step, id, text);
        if first {
            self.decide(step, arbiter::Input::Named { session, name, task });
            self.store_session(step, id);
        }
        if dead {
            // Somebody who writes to an ended agent wants it to go on.
            self.live(step, id, life::Event::RestartWanted);
        }
        self.show(step, id);
        Ok(())
    }

    /// Puts a prompt behind those that wait; it is sent when the agent is free.
    pub(super) fn enqueue(&mut self, step: &mut Step, id: AgentId, text: String) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        agent.next_prompt += 1;
        agent.info.queue.push(QueuedPrompt { id: agent.next_prompt, text });
        self.store_waiting(step, id);
        self.live(step, id, life::Event::PromptQueued);
    }

    /// Queues prompts that are stored already.
    pub(super) fn queue_again(&mut self, step: &mut Step, id: AgentId, prompts: Vec<String>) {
        for text in prompts {
            let Some(agent) = self.agents.get_mut(&id) else { return };
            agent.next_prompt += 1;
            agent.info.queue.push(QueuedPrompt { id: agent.next_prompt, text });
            self.live(step, id, life::Event::PromptQueued);
        }
    }

    /// The prompt that was on its way did not arrive: it waits again, in front.
    pub(super) fn put_back(&mut self, step: &mut Step, id: AgentId) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        let Some(prompt) = agent.sent.take() else { return };
        agent.info.queue.insert(0, prompt);
        self.live(step, id, life::Event::PromptQueued);
    }

    /// The agent shows that it has read its prompt.
    pub(super) fn arrived(&mut self, step: &mut Step, id: AgentId) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        if agent.sent.take().is_some() {
            self.store_waiting(step, id);
        }
    }

    /// Stores what an agent has still to be told, so that no end of the engine forgets it.
    pub(super) fn store_waiting(&self, step: &mut Step, id: AgentId) {
        let Some(agent) = self.agents.get(&id) else { return };
        let prompts = agent.sent.iter().chain(&agent.info.queue);
        step.store(Record::Waiting {
            session: agent.row.id.clone(),
            prompts: prompts.map(|prompt| prompt.text.clone()).collect(),
        });
    }

    /// Gives an agent the prompt that has waited longest.
    pub(super) fn send_next(&mut self, step: &mut Step, id: AgentId) {
        let uuid = self.ids.session(step.now.wall.0).0;
        let Some(agent) = self.agents.get_mut(&id) else { return };
        if agent.info.queue.is_empty() {
            return;
        }
        let prompt = agent.info.queue.remove(0);
        let changes = agent.fold.prompt(step.now.wall, prompt.text.clone(), Speaker::Person);
        let order = Order::Prompt { text: prompt.text.clone(), uuid, composed: false };
        agent.sent = Some(prompt);
        self.tell_changes(step, id, changes);
        step.out.push(Effect::Order { agent: id, order });
    }

    pub(super) fn unqueue(
        &mut self,
        step: &mut Step,
        id: AgentId,
        prompt: u64,
    ) -> Result<(), Failure> {
        let agent = self.agent_mut(id)?;
        let before = agent.info.queue.len();
        agent.info.queue.retain(|queued| queued.id != prompt);
        if agent.info.queue.len() == before {
            return Err(Failure::new(FailureKind::Failed, "that prompt is on its way already"));
        }
        self.store_waiting(step, id);
        self.live(step, id, life::Event::PromptTaken);
        Ok(())
    }
}

/// The first line of a prompt, cut to the length of a title.
pub(super) fn title_of(prompt: &str) -> String {
    let line = prompt.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    match line.char_indices().nth(TITLE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
