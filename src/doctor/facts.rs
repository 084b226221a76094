//! What was found out about this machine, before anybody judges it.

use std::path::PathBuf;
use std::time::Duration;

/// Everything that was found out.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The operating system as the compiler calls it.
    pub system: String,
    /// The agent's program.
    pub agent: Program,
    /// git.
    pub git: Program,
    /// The answer of the agent, if it was started.
    pub ping: Option<Result<Pong, String>>,
    /// The terminal.
    pub terminal: Terminal,
    /// Folders that must be writable.
    pub folders: Vec<Folder>,
    /// Problems in the settings, and whether nothing starts because of them.
    pub settings: Vec<(bool, String)>,
    /// The socket.
    pub socket: PathBuf,
    /// How long its path may be.
    pub socket_limit: usize,
    /// The history: a sentence on how it is, or why it cannot be used. `None`: not looked at.
    pub database: Option<Result<String, String>>,
    /// Where the history is, and how many bytes are free there.
    pub disk: Option<(PathBuf, u64)>,
    /// Whether the kernel can enforce leases; if not, why.
    pub guard: Result<(), String>,
    /// The workspace.
    pub workspace: Option<Workspace>,
}

/// A program that is needed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Program {
    /// What was looked for.
    pub command: Vec<String>,
    /// Where it is.
    pub path: Option<String>,
    /// What it says when asked for its version, or why it says nothing.
    pub version: Option<Result<String, String>>,
}

/// The answer of an agent that was started and asked for nothing but itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pong {
    /// Its version, if it says one.
    pub version: Option<String>,
    /// Whether a broken gate of ours stops its tools.
    pub gate_fails_closed: bool,
    /// How long it took.
    pub took: Duration,
}

/// The terminal as the environment describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terminal {
    /// Whether there is one.
    pub present: bool,
    /// TERM.
    pub term: Option<String>,
    /// COLORTERM.
    pub color_term: Option<String>,
    /// Whether NO_COLOR is set.
    pub no_color: bool,
    /// Columns and rows.
    pub size: Option<(u16, u16)>,
    /// Whether the locale speaks UTF-8.
    pub utf8: bool,
}

/// A folder that must be writable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// What is kept in it.
    pub name: &'static str,
    /// Where it is.
    pub path: PathBuf,
    /// Why nothing can be written into it.
    pub obstacle: Option<String>,
}

/// The workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its root.
    pub root: PathBuf,
    /// Whether it is a repository.
    pub is_repository: bool,
    /// The process of its engine, if one answers.
    pub engine: Option<u32>,
}
