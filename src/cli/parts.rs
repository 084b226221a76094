//! What the command line needs of the other floors, in one place.
//!
//! Commands know these parts by what they do, so that a test can put others in their place.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::setup::Setup;
use crate::config::bench::Bench;
use crate::engine::link::Link;
use crate::model::failure::Failure;
use crate::model::id::{AgentId, ItemId, SessionId};
use crate::model::review::{Answer, Question};
use crate::model::session::{SessionHit, SessionQuery, TranscriptPage};

/// An engine that runs in this process.
pub struct Engine {
    /// Makes a link to it.
    pub connect: Arc<dyn Fn() -> Link + Send + Sync>,
    /// Resolves once it has ended: every agent gone, everything stored. An error says what is not.
    pub ended: BoxFuture<'static, Result<(), Failure>>,
}

/// What the screen shows first.
#[derive(Debug, Clone, PartialEq)]
pub enum Opening {
    /// The bench as it is; with a layout, in that one (`config::bench::Layout` as JSON).
    Bench(Option<Value>),
    /// The pane of this agent.
    Agent(AgentId),
    /// The resume picker.
    Picker {
        /// The words in its filter.
        query: String,
        /// Whether sessions of every workspace are listed.
        all: bool,
    },
}

/// The history, to be read.
pub trait Stored {
    /// Stored sessions, newest first, or best first with words to look for.
    fn sessions(&self, query: &SessionQuery) -> Result<Vec<SessionHit>, Failure>;

    /// The end of a transcript, or what is before an item.
    fn transcript(
        &self,
        session: &SessionId,
        before: Option<ItemId>,
        limit: usize,
    ) -> Result<TranscriptPage, Failure>;

    /// Answers a question about the changes of the workspace at `root`.
    fn review(&self, root: &Path, question: &Question) -> Result<Answer, Failure>;
}

/// What the command line needs of the other floors.
pub trait Parts: Send + Sync {
    /// Starts the engine of a workspace. Called inside a runtime; the workspace is ours already.
    fn start_engine(&self, setup: &Setup) -> Result<Engine, Failure>;

    /// Shows the screen until the person leaves it or the engine ends. `attached`: the engine runs in
    /// another process and can go on without this screen.
    fn open_screen<'a>(
        &'a self,
        setup: &'a Setup,
        link: Link,
        opening: Opening,
        attached: bool,
    ) -> BoxFuture<'a, Result<(), Failure>>;

    /// Opens the history for reading.
    fn history(&self, setup: &Setup) -> Result<Box<dyn Stored>, Failure>;

    /// Looks whether the history can be used, in a sentence; `None` if that cannot be told.
    fn check_history(&self, database: &Path) -> Option<Result<String, String>>;

    /// Fills `folder` as the workspace of the demo, and says which agents to open.
    fn prepare_demo(&self, script: Option<&Path>, folder: &Path) -> Result<Bench, Failure>;

    /// Is the built-in demo agent until its end; gives the exit code.
    fn agent_script(&self, arguments: &[String]) -> Result<u8, Failure>;

    /// The table of keys, for people.
    fn key_table(&self) -> Result<String, Failure>;

    /// Whether the kernel can enforce leases here; if not, why.
    fn guard(&self) -> Result<(), String>;
}
