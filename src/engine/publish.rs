//! The front ends of an engine, and what each of them is sent.

use std::collections::BTreeMap;

use super::command::Reply;
use super::event::{Event, Snapshot, ToClient};
use super::input::{Asker, ClientId};
use super::link::{EventSender, Sent};
use crate::model::transcript::{self, Item};

/// Bytes that a message takes besides its texts, about.
const FRAME_BYTES: usize = 200;

/// Everybody who listens.
#[derive(Debug, Default)]
pub(super) struct Publisher {
    clients: BTreeMap<ClientId, Client>,
    seq: u64,
}

#[derive(Debug)]
struct Client {
    events: EventSender,
    /// Whether it gets events. Not before it subscribes, and not after it fell behind.
    listens: bool,
}

impl Publisher {
    /// The number of the last event.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// A front end is new.
    pub(super) fn add(&mut self, id: ClientId, events: EventSender) {
        self.clients.insert(id, Client { events, listens: false });
    }

    /// A front end is gone.
    pub(super) fn remove(&mut self, id: ClientId) {
        self.clients.remove(&id);
    }

    /// Sends an event to everybody who listens.
    pub(super) fn publish(&mut self, event: &Event) {
        self.seq += 1;
        let seq = self.seq;
        let bytes = event_bytes(event);
        self.clients.retain(|_, client| {
            if !client.listens {
                return true;
            }
            match client.events.send(ToClient::Event { seq, event: event.clone() }, bytes) {
                Sent::Queued => true,
                Sent::Overflowed => {
                    client.listens = false;
                    client.events.send(ToClient::Behind, FRAME_BYTES) != Sent::Closed
                }
                Sent::Closed => false,
            }
        });
    }

    /// Sends the state of things to one front end, which listens from now on.
    pub(super) fn subscribe(&mut self, id: ClientId, snapshot: Snapshot) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.listens = true;
            client.events.restart(ToClient::Snapshot(Box::new(snapshot)));
        }
    }

    /// Answers a command.
    pub(super) fn reply(&mut self, to: Asker, reply: Reply) {
        let bytes = if let Reply::Transcript(page) = &reply {
            page.items.iter().map(Item::bytes).sum()
        } else if let Reply::Sessions(rows) = &reply {
            rows.len() * FRAME_BYTES * 3
        } else {
            FRAME_BYTES
        };
        let Some(client) = self.clients.get(&to.client) else { return };
        if client.events.send(ToClient::Reply { id: to.id, reply }, bytes) == Sent::Closed {
            self.clients.remove(&to.client);
        }
    }
}

/// About how many bytes an event takes in memory.
fn event_bytes(event: &Event) -> usize {
    FRAME_BYTES
        + match event {
            Event::ItemChanged { item, .. } => item.bytes(),
            Event::TextAppended { text, .. } | Event::Noticed { text, .. } => text.len(),
            Event::TranscriptReset { items, .. } => items.iter().map(Item::bytes).sum(),
            Event::AskOpened { ask } => transcript::value_bytes(&ask.input),
            Event::LayoutSaved { layout } => transcript::value_bytes(layout),
            Event::AgentChanged { agent } => {
                let queued = agent.queue.iter().map(|queued| queued.text.len());
                let listed = agent.holds.iter().chain(&agent.background).chain(&agent.trouble);
                queued.chain(listed.map(String::len)).sum::<usize>() + FRAME_BYTES
            }
            Event::AgentRemoved { .. }
            | Event::AskClosed { .. }
            | Event::LeaseMoved { .. }
            | Event::WriteRefused { .. }
            | Event::WorkspaceChanged { .. }
            | Event::Closing => 0,
        }
}
