//! Stored sessions, as the picker and `benchdog sessions` show them.

use serde::{Deserialize, Serialize};

use super::agent::{AgentSpec, Backend};
use super::id::SessionId;
use super::time::Wall;
use super::transcript::Item;
use super::usage::Usage;

/// One stored session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Ours.
    pub id: SessionId,
    /// The back end's id, from its own mouth only; never cleared once known.
    pub backend_session_id: Option<String>,
    /// What it is about: the back end's title, else the first prompt.
    pub title: String,
    /// The root of the workspace.
    pub workspace: String,
    /// The folder the agent ran in.
    pub cwd: String,
    /// The branch at its last turn.
    pub branch: String,
    /// How to start it again.
    pub spec: AgentSpec,
    /// Which driver.
    pub backend: Backend,
    /// The agent's name.
    pub agent: String,
    /// When it began.
    pub started_at: Wall,
    /// When it last changed.
    pub updated_at: Wall,
    /// Prompts answered.
    pub turns: u32,
    /// Items of the transcript.
    pub messages: u64,
    /// Tokens and money.
    pub usage: Usage,
    /// The state in which its agent was last seen, in the words of `AgentState`.
    pub last_state: String,
    /// The session it was forked from.
    pub forked_from: Option<SessionId>,
}

/// Which sessions are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionQuery {
    /// Only those of this workspace root.
    pub workspace: Option<String>,
    /// Words to look for in everything that was said.
    pub text: Option<String>,
    /// At most so many; 0: all.
    pub limit: usize,
}

/// A session in the picker: the row, and what cannot be read off it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionHit {
    /// The session.
    #[serde(flatten)]
    pub row: SessionRow,
    /// Whether an engine has it open now.
    pub open: bool,
    /// Whether it can go on where it stopped.
    pub resumable: bool,
    /// Why not, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<String>,
    /// What goes on with it, if it goes on in its own workspace only: a command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<String>,
    /// A piece of text around the words that were looked for, they in `‹›`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snippet: Option<String>,
    /// How many more places in it match.
    #[serde(default)]
    pub more: u32,
}

/// A stretch of a stored transcript.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TranscriptPage {
    /// The items, oldest first.
    pub items: Vec<Item>,
    /// Whether older ones exist.
    pub more_before: bool,
}

/// The bench as it was: which agents were open, in which layout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchRow {
    /// The root of the workspace.
    pub workspace: String,
    /// When it was begun, which tells it from the other benches of the workspace.
    pub begun: Wall,
    /// When it was last saved.
    pub saved_at: Wall,
    /// The sessions that were open, in the order of their agents.
    pub sessions: Vec<SessionId>,
    /// The layout as the front end wrote it.
    pub layout: serde_json::Value,
}
