//! Everything that reaches a scripted agent, in one queue: the host's lines, signals, and the
//! ends of commands.
//!
//! Because there is one queue, the agent can wait for any of them at any time, and an interrupt
//! is never stuck behind a wait for something else.

use std::io::BufRead;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Instant;

use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

/// How many things may wait to be heard. A full inbox makes the host wait, as a full pipe does.
const INBOX_SIZE: usize = 256;

/// One thing that the agent hears.
#[derive(Debug)]
pub(super) enum Heard {
    /// A line of the host.
    Host(Value),
    /// A line that is no JSON.
    Garbage(String),
    /// The host closed our input.
    Closed,
    /// Somebody wants the process to end with this code.
    Signal(u8),
    /// A command ended: its number and its exit code.
    ShellEnded(u64, Option<i32>),
}

/// The queue.
#[derive(Debug)]
pub(super) struct Inbox {
    to: SyncSender<Heard>,
    from: Receiver<Heard>,
}

impl Inbox {
    /// Reads `input` to its end.
    pub(super) fn listen(input: impl BufRead + Send + 'static) -> Self {
        let (to, from) = mpsc::sync_channel(INBOX_SIZE);
        let reader = to.clone();
        thread::spawn(move || {
            for line in input.lines() {
                let Ok(line) = line else { break };
                if line.trim().is_empty() {
                    continue;
                }
                let heard = match serde_json::from_str(&line) {
                    Ok(value) => Heard::Host(value),
                    Err(_) => Heard::Garbage(line),
                };
                if reader.send(heard).is_err() {
                    return;
                }
            }
            let _ = reader.send(Heard::Closed);
        });
        Self { to, from }
    }

    /// Hears SIGTERM and SIGINT from now on, so that no command outlives the agent.
    pub(super) fn listen_for_signals(&self) {
        let to = self.to.clone();
        thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build()
            else {
                return;
            };
            let code = runtime.block_on(async {
                let mut terminate = signal(SignalKind::terminate()).ok()?;
                let mut interrupt = signal(SignalKind::interrupt()).ok()?;
                tokio::select! {
                    _ = terminate.recv() => Some(143),
                    _ = interrupt.recv() => Some(0),
                }
            });
            if let Some(code) = code {
                let _ = to.send(Heard::Signal(code));
            }
        });
    }

    /// A way into the queue.
    pub(super) fn sender(&self) -> SyncSender<Heard> {
        self.to.clone()
    }

    /// What there is already.
    pub(super) fn poll(&self) -> Option<Heard> {
        self.from.try_recv().ok()
    }

    /// The next thing, or nothing until `deadline`.
    pub(super) fn next(&self, deadline: Option<Instant>) -> Option<Heard> {
        match deadline {
            None => self.from.recv().ok(),
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                self.from.recv_timeout(left).ok()
            }
        }
    }
}
