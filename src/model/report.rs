//! What a back end says, in words that do not depend on its protocol.
//!
//! A driver decodes each line of its agent into zero or more [`Report`]s and sends them in order.
//! It decides nothing: what needs an answer carries a [`RequestId`] and waits for the engine.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::{CallId, RequestId, SubId};
use super::permission::PermissionMode;
use super::transcript::{Hunk, Level, TurnEnd};
use super::usage::Tokens;

/// One thing that a back end said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// A line of the protocol as it is, before what it means. For the history.
    Line {
        /// Which way it went.
        way: Way,
        /// The line without its newline.
        line: String,
    },
    /// The agent's process answers.
    Ready(Ready),
    /// A turn begins; says which conversation it is. The only source of the back end's session id.
    Session {
        /// The back end's id of the conversation.
        id: String,
        /// The model in use.
        model: String,
        /// How much it may do without asking.
        mode: Option<PermissionMode>,
        /// Its folder.
        cwd: String,
    },
    /// The conversation was cleared; another id follows.
    SessionReset,
    /// What it does between visible events (`requesting`, `compacting`); `None`: nothing special.
    Activity(Option<String>),
    /// A piece of a block that is being written.
    Delta {
        /// Which block.
        at: BlockAt,
        /// What is being written.
        kind: DeltaKind,
        /// The piece.
        text: String,
    },
    /// A block is complete; it replaces its pieces.
    Block {
        /// Which block.
        at: BlockAt,
        /// The whole of it.
        block: Block,
        /// Whether an interrupt cut it short.
        aborted: bool,
    },
    /// A tool's result as the agent will see it.
    ToolResult {
        /// Which call.
        call: CallId,
        /// Which sub-agent.
        sub: Option<SubId>,
        /// The text.
        text: String,
        /// Whether it is an error.
        is_error: bool,
        /// The change of a file, if it was one.
        hunks: Vec<Hunk>,
    },
    /// A message of the user's side that the person did not write.
    UserText {
        /// Which sub-agent it went to, and the call that started that one.
        at: BlockAt,
        /// The text.
        text: String,
    },
    /// A tool wants to run. Nothing happens until it is answered with a verdict.
    Gate {
        /// To answer with.
        request: RequestId,
        /// Which call.
        call: CallId,
        /// Which sub-agent.
        sub: Option<SubId>,
        /// The tool.
        tool: String,
        /// What it gets.
        input: Value,
    },
    /// A tool has ended. The agent goes on once it is answered.
    ToolDone {
        /// To answer with.
        request: RequestId,
        /// Which call.
        call: CallId,
        /// Which sub-agent.
        sub: Option<SubId>,
        /// The tool.
        tool: String,
        /// What it got.
        input: Value,
        /// What came out, structured.
        response: Value,
        /// Whether it failed.
        failed: bool,
        /// How long it ran.
        took_ms: Option<u64>,
    },
    /// The person is asked.
    Ask {
        /// To answer with.
        request: RequestId,
        /// Which call.
        call: Option<CallId>,
        /// Which sub-agent.
        sub: Option<SubId>,
        /// The tool.
        tool: String,
        /// What it would get.
        input: Value,
        /// What "always" would add.
        suggestions: Vec<Value>,
        /// Why it asks.
        reason: Option<String>,
    },
    /// A request that waited for our answer needs none any more.
    Withdrawn {
        /// Which one.
        request: RequestId,
    },
    /// A turn has ended.
    TurnEnded {
        /// How.
        end: TurnEnd,
        /// Tokens of the whole session so far.
        tokens: Tokens,
        /// The model's context window and how much of it is filled, in tokens, if known.
        context: Option<(u64, u64)>,
    },
    /// A call to the model failed and is repeated.
    Retry {
        /// Which attempt, from 1.
        attempt: u32,
        /// How many there will be.
        of: u32,
        /// Milliseconds until then.
        delay_ms: u64,
        /// Why.
        error: String,
    },
    /// A sub-agent or a background command.
    Task {
        /// The back end's id; of a sub-agent it is also its [`SubId`].
        id: String,
        /// The call that started it.
        call: Option<CallId>,
        /// What happened.
        event: TaskEvent,
    },
    /// The context was compacted.
    Compacted {
        /// Tokens before.
        before: u64,
        /// Tokens after, if known.
        after: Option<u64>,
    },
    /// The permission mode changed.
    Mode(PermissionMode),
    /// The model changed.
    Model(String),
    /// The conversation has a title.
    Title(String),
    /// A sentence for the person.
    Notice {
        /// How much it matters.
        level: Level,
        /// The sentence.
        text: String,
    },
    /// A line that this driver does not understand. Shown raw, never fatal.
    Unknown {
        /// Its type, as far as it has one.
        kind: String,
        /// The line.
        line: String,
    },
    /// The process has ended, and every child of it too.
    Exited {
        /// Its exit code.
        code: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
        /// The last lines it wrote to stderr.
        stderr: String,
    },
}

/// Which way a line went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// To the agent.
    In,
    /// From the agent.
    Out,
}

/// What an agent can do, said once its process answers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ready {
    /// Its process.
    pub pid: Option<u32>,
    /// Its version, for people only: features go by capability.
    pub version: Option<String>,
    /// What it says that it can do.
    pub capabilities: Vec<String>,
    /// Whether a broken gate blocks the tool. If not, only an explicit answer protects.
    pub gate_fails_closed: bool,
    /// Slash commands.
    pub commands: Vec<SlashCommand>,
    /// Models.
    pub models: Vec<ModelInfo>,
}

/// A slash command of a back end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SlashCommand {
    /// Without the slash.
    pub name: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// What it wants behind its name.
    #[serde(default)]
    pub hint: String,
}

/// A model of a back end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ModelInfo {
    /// What to ask for.
    pub value: String,
    /// What people call it.
    #[serde(default)]
    pub name: String,
}

/// Where a block stands: whose it is, in which message, at which place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct BlockAt {
    /// The sub-agent.
    pub sub: Option<SubId>,
    /// The call that started the sub-agent.
    pub parent: Option<CallId>,
    /// The message's id.
    pub message: String,
    /// The block's place in the message; `None` where the protocol does not say it.
    pub index: Option<u32>,
}

/// What a piece belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeltaKind {
    /// Words to the person.
    Text,
    /// Thoughts.
    Thinking,
    /// The JSON of a tool's input.
    ToolInput {
        /// Which call.
        call: CallId,
        /// The tool.
        tool: String,
    },
}

/// A complete block of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// Words to the person.
    Text(String),
    /// Thoughts.
    Thinking(String),
    /// A tool call.
    ToolUse {
        /// Its id.
        call: CallId,
        /// The tool.
        tool: String,
        /// What it gets.
        input: Value,
    },
    /// The text of a failed call to the model.
    ApiError(String),
}

/// What happened to a sub-agent or a background command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskEvent {
    /// It began.
    Started {
        /// What it does.
        description: String,
        /// Whether it is a sub-agent (else a command).
        is_agent: bool,
        /// Whether it outlives its turn.
        background: bool,
    },
    /// It goes on.
    Progress {
        /// What it does now.
        description: String,
    },
    /// It was moved to the background.
    Backgrounded,
    /// It ended.
    Ended {
        /// `completed`, `failed`, `stopped`, …
        status: String,
        /// Its last words.
        summary: String,
    },
}
