//! Permission modes, and the questions that wait for the person.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::{AgentId, AskId, CallId, SubId};
use super::time::Wall;

/// How the agent is told that the person said no; a reason may follow behind a colon.
pub const DENIAL: &str = "The person does not want this";

/// How much an agent may do without asking. The names are Claude Code's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PermissionMode {
    /// Ask for everything that changes something.
    #[default]
    Default,
    /// File edits need no question.
    AcceptEdits,
    /// Read and plan, change nothing.
    Plan,
    /// A classifier of the agent decides.
    Auto,
    /// Never ask, refuse instead.
    DontAsk,
    /// Never ask, allow.
    BypassPermissions,
}

impl PermissionMode {
    /// All modes, the most careful of everyday use first. A key cycles through the first three only;
    /// the others are chosen with care, when an agent is started.
    pub const ALL: [Self; 6] = [
        Self::Default,
        Self::AcceptEdits,
        Self::Plan,
        Self::Auto,
        Self::DontAsk,
        Self::BypassPermissions,
    ];

    /// The name that the protocol and the command line use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::AcceptEdits => "acceptEdits",
            Self::Plan => "plan",
            Self::Auto => "auto",
            Self::DontAsk => "dontAsk",
            Self::BypassPermissions => "bypassPermissions",
        }
    }

    /// Reads a name of [`PermissionMode::as_str`].
    pub fn parse(raw: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == raw)
    }
}

/// What kind of answer an ask wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskKind {
    /// May this tool run?
    Permission,
    /// The agent asks questions with options (Claude's `AskUserQuestion`).
    Questions(Vec<Question>),
    /// The agent shows a plan and wants to leave plan mode (Claude's `ExitPlanMode`).
    Plan(String),
}

/// One question with options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// The question itself; it is also the key of its answer.
    pub question: String,
    /// A word or two for a heading.
    #[serde(default)]
    pub header: String,
    /// Whether more than one option may be chosen.
    #[serde(default)]
    pub multi_select: bool,
    /// What can be chosen.
    #[serde(default)]
    pub options: Vec<Choice>,
}

/// One option of a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The answer.
    pub label: String,
    /// What it means.
    #[serde(default)]
    pub description: String,
}

/// A question that waits for the person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// Ours.
    pub id: AskId,
    /// Whose question it is.
    pub agent: AgentId,
    /// The sub-agent behind it.
    pub sub: Option<SubId>,
    /// The tool call it is about.
    pub call: Option<CallId>,
    /// The tool.
    pub tool: String,
    /// What the tool would get.
    pub input: Value,
    /// What kind of answer is wanted.
    pub kind: AskKind,
    /// The rules that "always" would add, as the back end suggests them.
    pub suggestions: Vec<Suggestion>,
    /// Why it asks, if the back end says so.
    pub reason: Option<String>,
    /// Since when it waits.
    pub at: Wall,
}

/// What "allow always" would change, for the person and for the back end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suggestion {
    /// For the person: `Bash(cargo doc *)`, `mode acceptEdits`, `folder /tmp/x`.
    pub label: String,
    /// For the back end, unchanged.
    pub raw: Value,
}

/// The person's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskAnswer {
    /// Yes, this time. With `input`, the tool gets that instead.
    AllowOnce {
        /// The input as the person changed it.
        #[serde(default)]
        input: Option<Value>,
    },
    /// Yes, and the suggestion with this index (or all, without one) from now on.
    AllowAlways {
        /// Which suggestion.
        #[serde(default)]
        suggestion: Option<usize>,
    },
    /// No, and why.
    Deny {
        /// What the agent reads.
        #[serde(default)]
        reason: String,
        /// Whether the turn ends as well.
        #[serde(default)]
        interrupt: bool,
    },
    /// The chosen labels (or own words), in the order of the questions.
    Answers(Vec<String>),
}

/// How an ask ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskOutcome {
    /// The person said yes.
    Allowed,
    /// The person said yes, from now on.
    AllowedAlways,
    /// The person said no.
    Denied,
    /// The person answered the questions.
    Answered,
    /// The agent took it back (interrupt, end of the agent).
    Withdrawn,
    /// The person said yes and the file was lost to somebody else meanwhile.
    Refused,
}
