//! The settings as the rest of the program reads them.
//!
//! There is no default in here: each field is filled from the layers, the lowest of which is the
//! file of defaults.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::folders::Folders;
use super::schema::MODES;
use crate::model::agent::{AgentSpec, Backend, GuardWish};
use crate::model::permission::PermissionMode;

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The screen.
    pub ui: Ui,
    /// How the person is called.
    pub notify: Notify,
    /// What a new agent is like.
    pub agent: NewAgent,
    /// The Claude back end.
    pub claude: Claude,
    /// What agents may use up.
    pub limits: Limits,
    /// How writes are arbitrated.
    pub arbiter: Arbiter,
    /// Where things are remembered.
    pub history: History,
    /// How long changes of files are kept.
    pub journal: Journal,
    /// What is logged.
    pub log: Log,
    /// The permission mode that the project does not let an agent go beyond, if it says so.
    #[serde(skip)]
    pub ceiling: Option<PermissionMode>,
}

/// The screen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ui {
    /// The key that begins a command, such as `ctrl+space`.
    pub prefix: String,
    /// The name of the theme.
    pub theme: String,
    /// Whether the mouse is used.
    pub mouse: bool,
}

/// How the person is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// Whether the terminal's bell rings.
    pub bell: bool,
}

/// What a new agent is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAgent {
    /// Which driver.
    pub backend: Backend,
    /// The model; empty: the back end's default.
    pub model: String,
    /// How much it may do without asking.
    pub permission_mode: PermissionMode,
    /// Tools that need no question.
    pub allowed_tools: Vec<String>,
    /// Tools that it does not get.
    pub disallowed_tools: Vec<String>,
    /// Whether it is put behind the kernel's guard.
    pub guard: GuardWish,
}

/// The Claude back end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claude {
    /// The program and its first arguments.
    pub command: Vec<String>,
}

/// What agents may use up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Agents at the same time.
    pub agents: usize,
    /// Model calls per prompt; 0: no limit.
    pub max_turns: u32,
    /// US dollars per process; 0: no limit.
    pub max_budget_usd: f64,
}

/// How writes are arbitrated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arbiter {
    /// Seconds that a write waits for a file.
    pub wait_seconds: u64,
    /// Seconds that a git of an agent waits for the person's word.
    pub git_ask_seconds: u64,
    /// The shortest time for which a file stays with its writer, in seconds.
    pub held_min_seconds: u64,
    /// The longest time for which a file stays with its writer, in seconds.
    pub held_max_seconds: u64,
    /// Seconds, at least, for which a file is kept after a stale write.
    pub reserve_seconds: u64,
    /// Files and folders (`x/`) that an agent writes only with the person's word.
    pub protected: Vec<String>,
    /// Whether writes are arbitrated at all.
    pub enabled: bool,
}

/// Where things are remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// The database; empty: in the data folder.
    pub path: String,
    /// MiB of records that may wait for the disk.
    pub queue_mib: usize,
}

/// How long changes of files are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// Days for which a change is kept.
    pub keep_days: u64,
    /// MiB that the contents of changes may take.
    pub keep_mib: u64,
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// The filter.
    pub level: String,
}

impl Arbiter {
    /// How long a write waits for a file.
    pub fn wait(&self) -> Duration {
        Duration::from_secs(self.wait_seconds)
    }
}

impl Journal {
    /// How old a change may become.
    pub fn age(&self) -> Duration {
        Duration::from_secs(self.keep_days * 24 * 60 * 60)
    }

    /// How many bytes the contents of changes may take.
    pub fn bytes(&self) -> u64 {
        self.keep_mib * 1024 * 1024
    }
}

impl History {
    /// Where the database is.
    pub fn database(&self, folders: &Folders) -> PathBuf {
        match self.path.as_str() {
            "" => folders.data.join("history.db"),
            path => folders.data.join(Path::new(path)),
        }
    }

    /// Bytes of records that may wait for the disk.
    pub fn queue_bytes(&self) -> usize {
        self.queue_mib.saturating_mul(1024 * 1024)
    }
}

impl Settings {
    /// Fills in what `spec` leaves open, and keeps it within the limits and what the project allows.
    pub fn complete(&self, mut spec: AgentSpec) -> AgentSpec {
        if let Some(ceiling) = self.ceiling
            && rank(spec.permission_mode) > rank(ceiling)
        {
            spec.permission_mode = ceiling;
        }
        if spec.guard == GuardWish::Auto {
            spec.guard = self.agent.guard;
        }
        if spec.model.is_none() && !self.agent.model.is_empty() {
            spec.model = Some(self.agent.model.clone());
        }
        for tool in &self.agent.allowed_tools {
            if !spec.allowed_tools.contains(tool) {
                spec.allowed_tools.push(tool.clone());
            }
        }
        for tool in &self.agent.disallowed_tools {
            if !spec.disallowed_tools.contains(tool) {
                spec.disallowed_tools.push(tool.clone());
            }
        }
        let (max_turns, max_budget_usd) = (self.limits.max_turns, self.limits.max_budget_usd);
        if max_turns > 0 {
            spec.max_turns = Some(spec.max_turns.map_or(max_turns, |wish| wish.min(max_turns)));
        }
        if max_budget_usd > 0.0 {
            let wish = spec.max_budget_usd;
            spec.max_budget_usd =
                Some(wish.map_or(max_budget_usd, |wish| wish.min(max_budget_usd)));
        }
        spec
    }

    /// A new agent without a name, as the settings wish it.
    pub fn new_agent(&self) -> AgentSpec {
        self.complete(AgentSpec {
            backend: self.agent.backend,
            permission_mode: self.agent.permission_mode,
            ..AgentSpec::default()
        })
    }
}

/// How much a mode allows, compared with others.
fn rank(mode: PermissionMode) -> Option<usize> {
    MODES.iter().position(|name| *name == mode.as_str())
}
