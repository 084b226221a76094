//! The link between the engine and one front end: commands in, events out.
//!
//! The same pair serves the screen in the same process, a socket and a test. Both directions are
//! bounded: commands by their number (the front end waits), events by their bytes (the front end
//! is dropped to a new snapshot).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc};

use super::event::{Event, ToClient, ToEngine};

/// Commands that may wait for the engine, per front end. A front end that sends more waits.
pub const COMMANDS: usize = 256;

/// Bytes of events that may wait for a front end; beyond that it gets a snapshot instead.
pub const EVENT_BYTES: usize = 8 * 1024 * 1024;

/// Bytes that may wait for a front end in any case: replies, which are never dropped, included.
/// Beyond that it is taken for gone.
pub const HARD_BYTES: usize = 8 * EVENT_BYTES;

/// The front end's side.
#[derive(Debug)]
pub struct Link {
    /// What is asked of the engine.
    pub commands: mpsc::Sender<ToEngine>,
    /// What the engine says.
    pub events: EventReceiver,
}

/// The front end's end of the events.
#[derive(Debug)]
pub struct EventReceiver {
    shared: Arc<Shared>,
}

/// The engine's end of the events. Sending never waits.
#[derive(Debug)]
pub struct EventSender {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Outbox>,
    filled: Notify,
    drained: Notify,
}

#[derive(Debug, Default)]
struct Outbox {
    waiting: VecDeque<(usize, ToClient)>,
    bytes: usize,
    closed: bool,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It waits for the front end.
    Queued,
    /// The front end is too far behind: everything was dropped, it needs a snapshot.
    Overflowed,
    /// The front end is gone.
    Closed,
}

/// A pair of ends for one front end's events.
pub fn events() -> (EventSender, EventReceiver) {
    let shared = Arc::new(Shared::default());
    (EventSender { shared: Arc::clone(&shared) }, EventReceiver { shared })
}

impl EventSender {
    /// Queues `message`, whose size is about `bytes`. Pieces of text of one item become one.
    pub fn send(&self, message: ToClient, bytes: usize) -> Sent {
        let mut outbox = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if outbox.closed {
            return Sent::Closed;
        }
        // One event alone always fits, however large: a snapshot would be larger still.
        let full = outbox.bytes > 0 && outbox.bytes + bytes > EVENT_BYTES;
        if full && matches!(message, ToClient::Event { .. }) {
            // Replies are kept: each command has exactly one, whatever else is dropped. So is a
            // snapshot, or a bench that is larger than the queue could never be shown.
            outbox.keep(|kept| matches!(kept, ToClient::Reply { .. } | ToClient::Snapshot(_)));
            return Sent::Overflowed;
        }
        if outbox.bytes > 0 && outbox.bytes + bytes > HARD_BYTES {
            *outbox = Outbox { closed: true, ..Outbox::default() };
            drop(outbox);
            self.shared.filled.notify_one();
            self.shared.drained.notify_one();
            return Sent::Closed;
        }
        outbox.bytes += bytes;
        let merged = outbox.waiting.back_mut().is_some_and(|(size, last)| {
            let merged = merge(last, &message);
            *size += if merged { bytes } else { 0 };
            merged
        });
        if !merged {
            outbox.waiting.push_back((bytes, message));
        }
        drop(outbox);
        self.shared.filled.notify_one();
        Sent::Queued
    }

    /// Queues a snapshot; it takes the place of every event before it, and no room of its own.
    pub fn restart(&self, snapshot: ToClient) -> Sent {
        let mut outbox = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        outbox.keep(|kept| matches!(kept, ToClient::Reply { .. }));
        drop(outbox);
        self.send(snapshot, 0)
    }

    /// Waits until half of [`EVENT_BYTES`] is free or the front end is gone. For a sender that can
    /// hold its own source back (the client of a socket); the engine never waits.
    pub async fn room(&self) {
        self.outlook().wait().await;
    }

    /// Waits until the front end is gone. Not beside somebody who waits for room.
    pub async fn gone(&self) {
        while !self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).closed {
            self.shared.drained.notified().await;
        }
    }

    /// Something that can wait for room. Of those of one link one may wait at a time.
    pub fn outlook(&self) -> Outlook {
        Outlook { shared: Arc::clone(&self.shared) }
    }
}

/// Waits for a front end to read.
#[derive(Debug)]
pub struct Outlook {
    shared: Arc<Shared>,
}

impl Outlook {
    /// Waits until half of [`EVENT_BYTES`] is free or either end is gone.
    pub async fn wait(&self) {
        loop {
            {
                let outbox = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
                if outbox.closed || outbox.bytes <= EVENT_BYTES / 2 {
                    return;
                }
            }
            self.shared.drained.notified().await;
        }
    }
}

impl Outbox {
    fn keep(&mut self, keeps: impl Fn(&ToClient) -> bool) {
        self.waiting.retain(|(_, message)| keeps(message));
        self.bytes = self.waiting.iter().map(|(size, _)| size).sum();
    }
}

impl Drop for EventSender {
    fn drop(&mut self) {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.shared.filled.notify_one();
        self.shared.drained.notify_one();
    }
}

impl EventReceiver {
    /// The next message; `None` once the engine is gone and everything is read.
    pub async fn recv(&mut self) -> Option<ToClient> {
        loop {
            {
                let mut outbox = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((size, message)) = outbox.waiting.pop_front() {
                    outbox.bytes -= size;
                    drop(outbox);
                    self.shared.drained.notify_one();
                    return Some(message);
                }
                if outbox.closed {
                    return None;
                }
            }
            self.shared.filled.notified().await;
        }
    }

    /// The next message if one waits.
    pub fn try_recv(&mut self) -> Option<ToClient> {
        let mut outbox = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let (size, message) = outbox.waiting.pop_front()?;
        outbox.bytes -= size;
        drop(outbox);
        self.shared.drained.notify_one();
        Some(message)
    }
}

impl Drop for EventReceiver {
    fn drop(&mut self) {
        let mut outbox = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        outbox.closed = true;
        outbox.waiting.clear();
        outbox.bytes = 0;
        drop(outbox);
        self.shared.drained.notify_one();
    }
}

/// Appends a piece of text to the last message if both belong to the same item.
fn merge(last: &mut ToClient, next: &ToClient) -> bool {
    if let ToClient::Event {
        seq: last_seq,
        event: Event::TextAppended { agent: last_agent, item: last_item, text: last_text },
    } = last
        && let ToClient::Event { seq, event: Event::TextAppended { agent, item, text } } = next
        && (agent, item) == (&*last_agent, &*last_item)
    {
        last_text.push_str(text);
        *last_seq = *seq;
        return true;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::command::Reply;
    use crate::model::id::{AgentId, ItemId};

    fn text(seq: u64, item: u64, text: &str) -> ToClient {
        let (agent, item, text) = (AgentId(1), ItemId(item), text.to_owned());
        ToClient::Event { seq, event: Event::TextAppended { agent, item, text } }
    }

    #[test]
    fn pieces_of_one_item_become_one_message() {
        let (sender, mut receiver) = events();
        for (seq, item, piece) in [(1, 1, "a"), (2, 1, "b"), (3, 2, "c")] {
            assert_eq!(sender.send(text(seq, item, piece), 1), Sent::Queued);
        }
        assert_eq!(receiver.try_recv(), Some(text(2, 1, "ab")));
        assert_eq!(receiver.try_recv(), Some(text(3, 2, "c")));
        assert_eq!(receiver.try_recv(), None);
    }

    #[test]
    fn a_front_end_that_falls_behind_loses_events_and_keeps_replies() {
        let (sender, mut receiver) = events();
        let reply = ToClient::Reply { id: 7, reply: Reply::Done };
        assert_eq!(sender.send(text(1, 1, "a"), EVENT_BYTES - 10), Sent::Queued);
        assert_eq!(sender.send(reply.clone(), 10), Sent::Queued);
        assert_eq!(sender.send(text(2, 2, "b"), 1), Sent::Overflowed);
        assert_eq!(receiver.try_recv(), Some(reply));
        assert_eq!(receiver.try_recv(), None);
        assert_eq!(sender.send(text(3, 2, "c"), 1), Sent::Queued);
    }

    fn snapshot() -> ToClient {
        let workspace = crate::engine::event::WorkspaceInfo {
            root: "/w".to_owned(),
            branch: String::new(),
            guard: crate::model::agent::GuardLevel::Advisory,
        };
        ToClient::Snapshot(Box::new(crate::engine::event::Snapshot {
            seq: 2,
            workspace,
            agents: Vec::new(),
            asks: Vec::new(),
            leases: Vec::new(),
            refused: Vec::new(),
            layout: None,
        }))
    }

    #[test]
    fn a_snapshot_of_any_size_reaches_the_front_end() {
        let (sender, mut receiver) = events();
        assert_eq!(sender.send(text(1, 1, "a"), EVENT_BYTES), Sent::Queued);
        assert_eq!(sender.restart(snapshot()), Sent::Queued);
        assert_eq!(sender.send(text(3, 1, "b"), EVENT_BYTES), Sent::Queued);
        assert_eq!(sender.send(text(4, 2, "c"), 1), Sent::Overflowed);
        assert_eq!(receiver.try_recv(), Some(snapshot()));
        assert_eq!(receiver.try_recv(), None);
    }

    #[tokio::test]
    async fn a_front_end_that_never_reads_its_replies_is_gone() {
        let (sender, mut receiver) = events();
        let reply = || ToClient::Reply { id: 7, reply: Reply::Done };
        let room = sender.outlook();
        for _ in 0..HARD_BYTES / EVENT_BYTES {
            assert_eq!(sender.send(reply(), EVENT_BYTES), Sent::Queued);
        }
        assert_eq!(sender.send(reply(), EVENT_BYTES), Sent::Closed);
        room.wait().await;
        assert_eq!(receiver.recv().await, None);
    }

    #[tokio::test]
    async fn a_sender_that_can_wait_goes_on_when_there_is_room() {
        let (sender, mut receiver) = events();
        sender.room().await;
        assert_eq!(sender.send(text(1, 1, "a"), EVENT_BYTES - 1), Sent::Queued);
        let waiting = async {
            sender.room().await;
            sender.send(text(2, 2, "b"), EVENT_BYTES / 2)
        };
        let (sent, first) = tokio::join!(waiting, receiver.recv());
        assert_eq!((sent, first), (Sent::Queued, Some(text(1, 1, "a"))));
        drop(receiver);
        sender.room().await;
    }

    #[test]
    fn a_front_end_that_is_gone_is_noticed() {
        let (sender, receiver) = events();
        drop(receiver);
        assert_eq!(sender.send(text(1, 1, "a"), 1), Sent::Closed);
    }
}
