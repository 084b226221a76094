//! What the engine says, applied to the screen: a snapshot, events, answers.
//!
//! Only what is visible asks for a new picture.

use super::app::{App, Bell, Effect, Redraw};
use super::bench::Bench;
use super::layer::Layer;
use super::layout::Layout;
use super::pane::Pane;
use super::wish::Tag;
use crate::engine::command::{Command, Reply};
use crate::engine::event::{Event, Snapshot, ToClient};
use crate::model::failure::Failure;
use crate::model::id::AgentId;
use crate::model::transcript::Level;

impl App {
    /// Takes in a message of the engine.
    pub(super) fn message(&mut self, message: ToClient) {
        match message {
            ToClient::Hello { .. } => {}
            // Events were dropped: only a new snapshot tells how things stand.
            ToClient::Behind => self.send(Command::Subscribe, Tag::Nobody),
            ToClient::Snapshot(snapshot) => self.snapshot(*snapshot),
            ToClient::Event { seq, event } => {
                // What is in the snapshot already must not be applied again.
                if seq > self.seq {
                    self.seq = seq;
                    self.event(event);
                }
            }
            ToClient::Reply { id, reply } => self.reply(id, reply),
        }
    }

    fn snapshot(&mut self, mut snapshot: Snapshot) {
        self.redraw = Redraw::Now;
        self.seq = snapshot.seq;
        self.bench = Bench::of(&snapshot);
        let root = self.bench.root().to_owned();
        let known: Vec<_> = snapshot.agents.iter().map(|agent| agent.info.id).collect();
        let gone: Vec<_> =
            self.panes.keys().copied().filter(|agent| !known.contains(agent)).collect();
        for agent in gone {
            self.panes.remove(&agent);
            self.layout.remove(agent);
        }
        for agent in std::mem::take(&mut snapshot.agents) {
            let id = agent.info.id;
            let pane = self.panes.entry(id).or_insert_with(|| Pane::new(id, &root));
            pane.set_root(&root);
            pane.reset(agent.items, agent.more_before);
            pane.set_asks(self.bench.asks_of(id), &root);
        }
        if self.ready {
            known.into_iter().for_each(|agent| self.layout.add(agent));
        } else {
            self.layout = Layout::load(snapshot.layout.as_ref(), &self.bench.agents);
            self.saved = snapshot.layout;
            self.ready = true;
        }
    }

    fn event(&mut self, event: Event) {
        self.bench.apply(&event);
        match event {
            Event::AgentChanged { agent } => {
                if !self.panes.contains_key(&agent.id) {
                    self.welcome(agent.id);
                }
                self.soon(Redraw::Lazy);
                self.changed(agent.id);
            }
            Event::AgentRemoved { agent } => {
                self.panes.remove(&agent);
                self.layout.remove(agent);
                self.layout_changed();
            }
            Event::ItemChanged { agent, item } => {
                self.with_pane(agent, |pane| pane.item(*item));
            }
            Event::TextAppended { agent, item, text } => {
                self.with_pane(agent, |pane| pane.append(item, text));
            }
            Event::TranscriptReset { agent, items, more_before } => {
                self.with_pane(agent, |pane| pane.reset(items, more_before));
            }
            Event::AskOpened { ask } => {
                self.refresh_asks(ask.agent);
                if !self.in_front && self.options.bell == Bell::Rings {
                    self.effects.push(Effect::Bell);
                }
                self.soon(Redraw::Soon);
            }
            Event::AskClosed { .. } => {
                let agents: Vec<_> = self.panes.keys().copied().collect();
                agents.into_iter().for_each(|agent| self.refresh_asks(agent));
                self.soon(Redraw::Soon);
            }
            Event::LeaseMoved { .. } | Event::WriteRefused { .. } => {
                self.soon(Redraw::Lazy);
                // Whoever writes or is refused moves a lease.
                if let Some(Layer::Changes(changes)) = self.layers.last_mut() {
                    let wishes = changes.outdated();
                    self.grant(wishes);
                }
            }
            Event::WorkspaceChanged { .. } => self.soon(Redraw::Lazy),
            // The layout of another screen; it counts when this one starts anew.
            Event::LayoutSaved { .. } => {}
            Event::Noticed { level, text } => self.tell(level, &text),
            Event::Closing => self.tell(Level::Info, "the engine ends"),
        }
    }

    fn reply(&mut self, id: u64, reply: Reply) {
        let here = self.awaited.iter().position(|(awaited, _)| *awaited == id);
        let Some((_, tag)) = here.and_then(|here| self.awaited.remove(here)) else {
            if let Reply::Failed(failure) = reply {
                self.failed(&failure);
            }
            return;
        };
        self.redraw = Redraw::Now;
        match (tag, reply) {
            (Tag::Older(agent), Reply::Transcript(page)) => {
                if let Some(pane) = self.panes.get_mut(&agent) {
                    pane.older(page.items, page.more_before);
                }
            }
            (Tag::Older(agent), Reply::Failed(failure)) => {
                if let Some(pane) = self.panes.get_mut(&agent) {
                    pane.older(Vec::new(), false);
                }
                self.failed(&failure);
            }
            (Tag::Answer(ask), Reply::Failed(failure)) => {
                self.panes.values_mut().for_each(|pane| pane.answer_failed(ask));
                for layer in &mut self.layers {
                    if let Layer::Inbox(inbox) = layer {
                        inbox.answer_failed(ask);
                    }
                }
                self.failed(&failure);
            }
            (Tag::Prompt(agent, text), Reply::Failed(failure)) => {
                self.with_pane(agent, |pane| pane.not_sent(&text));
                self.failed(&failure);
            }
            (tag, reply) => {
                let waiting = self.layers.iter_mut().rev().find(|layer| layer.awaits(&tag));
                match (waiting, reply) {
                    (Some(layer), reply) => {
                        let wishes = layer.answered(tag, reply);
                        self.grant(wishes);
                    }
                    (None, Reply::Failed(failure)) => self.failed(&failure),
                    (None, Reply::Agent(agent)) => self.show(agent),
                    (None, _) => {}
                }
            }
        }
    }

    fn failed(&mut self, failure: &Failure) {
        let hint = failure.hint.as_ref().map(|hint| format!("\n{hint}")).unwrap_or_default();
        self.tell(Level::Error, &format!("{}{hint}", failure.message));
    }

    /// A pane for an agent that has none yet.
    fn welcome(&mut self, agent: AgentId) {
        let pane = Pane::new(agent, self.bench.root());
        self.panes.insert(agent, pane);
        self.layout.add(agent);
        self.layout_changed();
    }

    fn refresh_asks(&mut self, agent: AgentId) {
        let root = self.bench.root().to_owned();
        if let Some(pane) = self.panes.get_mut(&agent) {
            pane.set_asks(self.bench.asks_of(agent), &root);
        }
    }

    fn with_pane(&mut self, agent: AgentId, change: impl FnOnce(&mut Pane)) {
        if let Some(pane) = self.panes.get_mut(&agent) {
            change(pane);
            self.changed(agent);
        }
    }

    /// The pane of an agent changed: the focused one follows at once, others when it is convenient,
    /// those that nobody sees not at all.
    fn changed(&mut self, agent: AgentId) {
        let covered = self.layers.last().is_some_and(Layer::covers);
        let on_screen = self.is_on_screen(agent);
        if covered || !on_screen {
            return;
        }
        let focused = self.layout.focused_agent() == Some(agent);
        self.soon(if focused { Redraw::Soon } else { Redraw::Lazy });
    }

    fn soon(&mut self, redraw: Redraw) {
        self.redraw = self.redraw.max(redraw);
    }
}
