//! Back ends: the programs that think. A driver starts one, decodes what it says into
//! [`Report`]s, and carries [`Order`]s to it.
//!
//! - A driver decides nothing: every request of the agent waits for an order.
//! - It never grants a write, and when it breaks, nothing is granted.
//! - When it reports [`Report::Exited`], no process of the agent's tree is left.

pub mod claude;
pub mod process;

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::model::id::{AgentId, RequestId};
use crate::model::permission::PermissionMode;
use crate::model::report::Report;

pub mod script;

/// How to start an agent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Launch {
    /// The program and its first arguments; the protocol's own arguments follow.
    pub program: Vec<String>,
    /// Where it starts.
    pub cwd: PathBuf,
    /// More environment variables.
    pub env: BTreeMap<String, String>,
    /// The model, if not the back end's default.
    pub model: Option<String>,
    /// How much it may do without asking.
    pub mode: PermissionMode,
    /// Tools that need no question.
    pub allowed_tools: Vec<String>,
    /// Tools that it does not get.
    pub disallowed_tools: Vec<String>,
    /// Model calls per prompt at most.
    pub max_turns: Option<u32>,
    /// US dollars per process at most.
    pub max_budget_usd: Option<f64>,
    /// The back end's conversation to go on with.
    pub resume: Option<String>,
    /// Whether to branch off from it instead.
    pub fork: bool,
    /// Text put behind the system prompt.
    pub system_appendix: Option<String>,
}

/// What a running agent is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// A prompt. Sent during a turn, it runs as the next one.
    Prompt {
        /// The words.
        text: String,
        /// Names it for the back end (a UUID).
        uuid: String,
        /// Whether benchdog wrote it: no file or command expansion then.
        composed: bool,
    },
    /// Break off the turn.
    Interrupt,
    /// Another permission mode.
    Mode(PermissionMode),
    /// Another model.
    Model(String),
    /// The answer to a gate.
    Gate {
        /// Which one.
        request: RequestId,
        /// The verdict.
        verdict: Verdict,
    },
    /// The answer to a finished tool: what the agent is told on top of the result.
    ToolSeen {
        /// Which one.
        request: RequestId,
        /// The words, if any.
        context: Option<String>,
    },
    /// The answer to an ask, in the protocol's terms.
    Ask {
        /// Which one.
        request: RequestId,
        /// The answer.
        answer: AskVerdict,
    },
    /// Stop a background task.
    StopTask(String),
    /// End: politely first, then by force, with every child.
    Stop,
}

/// Whether a tool may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As far as we are concerned; the agent's own rules still apply.
    Pass {
        /// What the agent is told besides.
        context: Option<String>,
    },
    /// Only if the person says so.
    Ask {
        /// What the person reads.
        reason: String,
    },
    /// No.
    Deny {
        /// What the agent reads.
        reason: String,
    },
}

/// The answer to an ask.
#[derive(Debug, Clone, PartialEq)]
pub enum AskVerdict {
    /// Yes.
    Allow {
        /// What the tool gets.
        input: serde_json::Value,
        /// Rules that hold from now on, as the back end suggested them.
        permissions: Vec<serde_json::Value>,
    },
    /// No.
    Deny {
        /// What the agent reads.
        message: String,
        /// Whether the turn ends as well.
        interrupt: bool,
    },
}

/// A report and whose it is. Each start of a process has its own `run`, so that late words of a
/// former process are not taken for those of its successor.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// Which agent.
    pub agent: AgentId,
    /// Which start of it.
    pub run: u64,
    /// What it said.
    pub report: Report,
}

/// A running agent. It ends when it is told to, and when this is dropped.
#[derive(Debug)]
pub struct Driver {
    /// Its process.
    pub pid: u32,
    orders: mpsc::Sender<Order>,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Driver {
    /// Orders that may wait until the agent reads them. When they are more, the agent has stopped
    /// reading: the order is given back, and whoever gave it decides.
    pub const ORDERS: usize = 1024;

    pub(crate) fn new(
        pid: u32,
        orders: mpsc::Sender<Order>,
        stop: CancellationToken,
        task: JoinHandle<()>,
    ) -> Self {
        Self { pid, orders, stop, task: Some(task) }
    }

    /// Gives an order without waiting. [`Order::Stop`] never waits behind others.
    pub fn try_order(&self, order: Order) -> Result<(), OrderError> {
        if order == Order::Stop {
            self.stop.cancel();
            return Ok(());
        }
        self.orders.try_send(order).map_err(|error| match error {
            TrySendError::Full(order) => OrderError::Full(Box::new(order)),
            TrySendError::Closed(order) => OrderError::Gone(Box::new(order)),
        })
    }

    /// Tells the agent to stop, and waits until it has ended and nothing is left of it. Its last
    /// reports must be taken meanwhile, or their receiver dropped.
    pub async fn stopped(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // A task that panicked has ended as well, and its process with it.
            drop(task.await);
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An order that did not get through.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OrderError {
    /// The agent has not read the last orders.
    #[error("the agent does not read what it is told")]
    Full(Box<Order>),
    /// The agent has ended.
    #[error("the agent has ended")]
    Gone(Box<Order>),
}
