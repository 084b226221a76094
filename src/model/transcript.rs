//! The folded transcript: what a pane shows and what the history stores.
//!
//! A transcript is a list of [`Item`]s with growing ids. An item changes in place while it is open;
//! a closed one changes no more, except that a tool call may get its result late.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::{CallId, ItemId, SubId};
use super::lease::Refusal;
use super::time::Wall;

/// One entry of a transcript.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its place; unique in the session.
    pub id: ItemId,
    /// When it began.
    pub at: Wall,
    /// The tool call of the parent that started the sub-agent it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<CallId>,
    /// The sub-agent it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<SubId>,
    /// Whether more is to come.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
    /// What it is.
    pub body: Body,
}

/// Bytes that an item takes besides its texts, about.
const ITEM_BYTES: usize = 200;

impl Item {
    /// About how many bytes it takes in memory.
    pub fn bytes(&self) -> usize {
        ITEM_BYTES
            + match &self.body {
                Body::Prompt { text, .. }
                | Body::Text { text }
                | Body::Thinking { text }
                | Body::Notice { text, .. } => text.len(),
                Body::Raw { line } => line.len(),
                Body::Tool(tool) => {
                    let result = tool.result.as_ref().map_or(0, |result| {
                        let lines = result.hunks.iter().flat_map(|hunk| &hunk.lines);
                        result.text.len() + lines.map(|line| line.len() + 24).sum::<usize>()
                    });
                    value_bytes(&tool.input) + result
                }
                Body::Todo { entries } => entries.iter().map(|entry| entry.text.len() + 24).sum(),
                Body::TurnEnd(_) => 0,
            }
    }
}

/// About how many bytes a JSON value takes in memory.
pub fn value_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 24,
        Value::Array(all) => all.iter().map(value_bytes).sum(),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| key.len() + 24 + value_bytes(value)).sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 16,
    }
}

/// What an item is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Body {
    /// What somebody told the agent.
    Prompt {
        /// The words.
        text: String,
        /// Who said it.
        from: Speaker,
    },
    /// What the agent says; markdown.
    Text {
        /// The words so far.
        text: String,
    },
    /// What the agent thinks.
    Thinking {
        /// The words so far.
        text: String,
    },
    /// A tool call.
    Tool(ToolCall),
    /// The agent's list of things to do, as it stands now.
    Todo {
        /// The entries.
        entries: Vec<TodoEntry>,
    },
    /// Something that the person should know and that nobody said.
    Notice {
        /// How much it matters.
        level: Level,
        /// The sentence.
        text: String,
    },
    /// The end of a turn.
    TurnEnd(TurnEnd),
    /// A line of the protocol that nobody understands, unchanged.
    Raw {
        /// The line.
        line: String,
    },
}

/// Who gave a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The person.
    Person,
    /// benchdog itself (a history fed to a new session).
    Bench,
    /// The parent agent, to its sub-agent.
    Parent,
    /// The back end (a summary after compaction, an interrupt mark).
    Backend,
}

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Good to know.
    Info,
    /// Look at it some time.
    Warn,
    /// Something is broken.
    Error,
}

/// A tool call from its announcement to its result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The back end's id of it.
    pub call: CallId,
    /// The tool.
    pub name: String,
    /// What it gets. Values that look like secrets are masked where it is stored.
    pub input: Value,
    /// Where it stands.
    pub status: ToolStatus,
    /// What came out, in full while in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<ToolResult>,
    /// How long it ran, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
}

/// Where a tool call stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolStatus {
    /// Its input is still being written.
    Announced,
    /// It waits for a file that another one holds.
    Waiting {
        /// Who has the file.
        holder: String,
    },
    /// It waits for the person.
    Asking,
    /// It runs.
    Running,
    /// It ended well.
    Done,
    /// It ended with an error, or the person refused it.
    Failed,
    /// The arbiter refused it; nothing was written.
    Refused(Refusal),
}

/// What came out of a tool call.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ToolResult {
    /// What the agent got, as text.
    pub text: String,
    /// The change of a file, if it was one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hunks: Vec<Hunk>,
    /// Lines added and removed, if it was a change of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<(u32, u32)>,
}

/// One hunk of a unified diff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hunk {
    /// First line of the old text, from 1.
    pub old_start: u32,
    /// Lines of the old text.
    pub old_lines: u32,
    /// First line of the new text, from 1.
    pub new_start: u32,
    /// Lines of the new text.
    pub new_lines: u32,
    /// The lines, each with ` `, `-`, `+` or `\` in front.
    pub lines: Vec<String>,
}

/// One entry of a list of things to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TodoEntry {
    /// What is to be done.
    pub text: String,
    /// How far it is.
    pub state: TodoState,
}

/// How far an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TodoState {
    /// Not begun.
    Open,
    /// Under way.
    Doing,
    /// Done.
    Done,
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TurnEnd {
    /// Whether it ended badly.
    pub is_error: bool,
    /// Whether the person broke it off.
    pub interrupted: bool,
    /// The back end's word for it (`completed`, `max_turns`, `api_error`, …).
    pub reason: String,
    /// What the back end says about an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Milliseconds from prompt to end.
    pub duration_ms: u64,
    /// Calls to the model.
    pub model_calls: u32,
    /// US dollars of the session so far (cumulative).
    pub cost_usd: f64,
}
