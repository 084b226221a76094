//! Agents: what is wished ([`AgentSpec`]), how they fare ([`AgentState`]), and the row that
//! people and scripts see ([`AgentInfo`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::id::{AgentId, SessionId};
use super::permission::PermissionMode;
use super::report::{ModelInfo, SlashCommand};
use super::usage::Usage;

/// The variable that names, in all processes of an agent, the run they belong to.
pub const RUN_MARK: &str = "BENCHDOG_AGENT_RUN";

/// The variable that names the process of the engine that started an agent.
pub const ENGINE_MARK: &str = "BENCHDOG_ENGINE_PROCESS";

/// The variable that names the process of the engine that guards a command for somebody.
pub const GUARD_MARK: &str = "BENCHDOG_GUARDED_BY";

/// The variable by which the agents' git shows that it has asked whose work is at stake: what the
/// engine gave it for that.
pub const GIT_CHECKED: &str = "BENCHDOG_GIT_CHECKED";

/// Which driver speaks to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Claude Code over stream-json.
    #[default]
    Claude,
    /// The built-in demo agent; it speaks the same protocol.
    Script,
}

impl Backend {
    /// The name that bench files and rows use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Script => "script",
        }
    }
}

/// What is wished of an agent: the fields of an `[[agent]]` table in a bench file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentSpec {
    /// The name in the bench; unique among the living. Empty: the engine picks one.
    pub name: String,
    /// Which driver.
    pub backend: Backend,
    /// Another program that speaks the back end's protocol, with its first arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The first prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The model's name or alias; the back end's default without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How much it may do without asking.
    pub permission_mode: PermissionMode,
    /// Tools that need no question (the back end's rule syntax).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_tools: Vec<String>,
    /// Tools that it does not get.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disallowed_tools: Vec<String>,
    /// Model calls per prompt at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_turns: Option<u32>,
    /// US dollars per process at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_budget_usd: Option<f64>,
    /// More environment variables.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The folder it starts in, relative to the workspace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Whether it is put behind the kernel's guard.
    #[serde(skip_serializing_if = "GuardWish::is_auto")]
    pub guard: GuardWish,
    /// Whether nobody is there who could answer it: what needs the person is refused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unattended: bool,
}

/// How an agent fares. Each has a mark by shape on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// Its process does not answer yet.
    Starting,
    /// A turn is under way.
    Working,
    /// An ask waits for the person.
    NeedsYou,
    /// A write waits for a file that another one holds.
    WaitingForFile,
    /// Nothing to do, and the person has seen the last answer.
    Idle,
    /// The last turn is done and not yet seen.
    Finished,
    /// The last turn ended with an error.
    Error,
    /// Its process is gone.
    Dead,
}

/// How far writes of an agent are enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuardLevel {
    /// The kernel asks the arbiter.
    Enforced,
    /// The workspace is mounted read-only for it and writes go through the arbiter.
    EnforcedBind,
    /// Edit tools are gated; shell and git are only watched.
    Advisory,
}

impl GuardLevel {
    /// The word in titles and rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::EnforcedBind => "enforced-bind",
            Self::Advisory => "advisory",
        }
    }
}

/// Whether an agent is put behind the kernel's guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuardWish {
    /// Where the system can.
    #[default]
    Auto,
    /// It is not started without.
    Require,
    /// Never. Its shell, scripts and git then write what they like, and `sudo`, `mount` and
    /// debuggers work in it.
    Off,
}

impl GuardWish {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Require, Self::Off];

    /// The word in settings and bench files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Require => "require",
            Self::Off => "off",
        }
    }

    fn is_auto(&self) -> bool {
        *self == Self::Auto
    }
}

/// One agent of the bench, as front ends see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentInfo {
    /// Its number in the bench.
    pub id: AgentId,
    /// Its name in the bench.
    pub name: String,
    /// Our id of its conversation.
    pub session_id: SessionId,
    /// The back end's id of it, once known.
    pub backend_session_id: Option<String>,
    /// Which driver.
    pub backend: Backend,
    /// How it fares.
    pub state: AgentState,
    /// The model in use, as the back end names it.
    pub model: Option<String>,
    /// How much it may do without asking.
    pub permission_mode: PermissionMode,
    /// How far its writes are enforced.
    pub guard: GuardLevel,
    /// Tokens and money so far.
    pub usage: Usage,
    /// Files it has a lease on.
    pub holds: Vec<String>,
    /// The file it waits for, and who has it.
    pub waits_for: Option<Wait>,
    /// The process, while there is one.
    pub pid: Option<u32>,
    /// The conversation's title.
    pub title: String,
    /// Prompts that wait for their turn, first come first.
    pub queue: Vec<QueuedPrompt>,
    /// What it does right now, in a few words (`requesting`, `compacting`, `retry 2 of 10 in 4 s`).
    pub activity: Option<String>,
    /// Background tasks that run beyond their turn.
    pub background: Vec<String>,
    /// Slash commands that the back end offers.
    pub commands: Arc<[SlashCommand]>,
    /// Models that the back end offers.
    pub models: Arc<[ModelInfo]>,
    /// Why it is in `error` or `dead`.
    pub trouble: Option<String>,
}

/// What an agent waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The file.
    pub path: String,
    /// Who has it, by name.
    pub holder: String,
    /// Its place in the queue, from 1.
    pub place: usize,
}

/// A prompt that waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueuedPrompt {
    /// Names it in commands; unique in its agent.
    pub id: u64,
    /// What was written.
    pub text: String,
}
