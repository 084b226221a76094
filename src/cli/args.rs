//! What can be written on the command line.
//!
//! Only shapes and help texts; each command's work is in the file of its name.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::bench;
use crate::model::agent::Backend;
use crate::model::permission::PermissionMode;

/// Run several coding agents in one working tree without any overwriting another.
#[derive(Debug, Parser)]
#[command(
    name = "benchdog",
    version,
    about,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong use, 3 held, 4 stale or unread, 5 needs the \
                  person, 6 no agent, 7 no engine, 130 interrupted."
)]
pub(super) struct Cli {
    /// What to do; without it, the workbench opens.
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    /// What to open.
    #[command(flatten)]
    pub(super) open: Open,
    /// What every command understands.
    #[command(flatten)]
    pub(super) common: Common,
}

/// What every command understands.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Common {
    /// The workspace [default: the repository around the current folder, else the folder].
    #[arg(long, global = true, value_name = "DIR")]
    pub(super) workspace: Option<PathBuf>,
    /// Write JSON: one document, or a line for each event.
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Write no messages but failures.
    #[arg(short, long, global = true)]
    pub(super) quiet: bool,
    /// Log more (-v debug, -vv trace).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Change a setting for this once.
    #[arg(long, global = true, value_name = "SETTING=VALUE")]
    pub(super) set: Vec<String>,
}

/// What to open.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Open {
    /// The workspace to open.
    #[arg(value_name = "DIR", conflicts_with = "workspace")]
    pub(super) folder: Option<PathBuf>,
    /// Open the agents and the layout of this file.
    #[arg(long, value_name = "FILE")]
    pub(super) bench: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Try it: a scratch workspace with built-in demo agents; no network, no key.
    Demo {
        /// A script for the demo agents, instead of the built-in ones.
        script: Option<PathBuf>,
        /// Keep the scratch workspace, which is removed at the end otherwise.
        #[arg(long)]
        keep: bool,
    },
    /// Go on with a stored session: the picker, or straight into one.
    Resume(Resume),
    /// Let one agent do one prompt, without a screen.
    Run(Run),
    /// Run the engine without a screen; prints `ready` when it accepts front ends.
    Serve {
        /// Stay in the foreground.
        #[arg(long)]
        foreground: bool,
    },
    /// Open the screen on a running engine.
    Attach,
    /// End the running engine with its agents.
    Shutdown,
    /// List the agents.
    Agents,
    /// Start an agent on the running engine.
    Spawn {
        /// Its name; without one it gets one.
        #[arg(value_parser = agent_name)]
        name: Option<String>,
        /// Its first prompt.
        #[arg(long)]
        prompt: Option<String>,
        /// What it is like.
        #[command(flatten)]
        agent: AgentArgs,
    },
    /// Give an agent a prompt.
    Send {
        /// Its name.
        name: String,
        /// The prompt; `-` reads it from the input.
        #[arg(required = true)]
        text: Vec<String>,
    },
    /// Answer an agent's question; without arguments, list the questions that wait.
    Answer(Answer),
    /// Break off an agent's turn.
    Interrupt {
        /// Its name.
        name: String,
    },
    /// End an agent's process. Its session stays.
    Stop {
        /// Its name.
        name: String,
    },
    /// Use one of the bench's tools as an agent; prints the JSON result.
    Call {
        /// The agent's name; `user` is you.
        #[arg(long = "as", value_name = "NAME")]
        name: String,
        /// The tool, such as read_file or who_has.
        tool: String,
        /// Its input as JSON; `-` reads it from the input.
        #[arg(default_value = "{}")]
        input: String,
    },
    /// Run a command behind the guard: it overwrites nothing of the agents', nor they of it.
    Exec {
        /// As whom: an agent, a name of your own for a script, or `user`.
        #[arg(long = "as", value_name = "NAME")]
        name: String,
        /// The command.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// List who may write which file.
    Locks,
    /// Reserve files for yourself or an agent until they are released.
    Pin {
        /// Files, folders (`src/`) and globs.
        #[arg(required = true)]
        patterns: Vec<String>,
        /// For this agent, not for you.
        #[arg(long = "for", value_name = "NAME")]
        agent: Option<String>,
        /// What for.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Free files.
    Release {
        /// Files, or patterns of pins.
        #[arg(required = true)]
        paths: Vec<String>,
    },
    /// Take files from whoever holds them.
    Steal {
        /// Files, or patterns of pins.
        #[arg(required = true)]
        paths: Vec<String>,
        /// For this agent, not for you.
        #[arg(long = "for", value_name = "NAME")]
        agent: Option<String>,
    },
    /// List the changes of files, newest first: who changed what, and over whom.
    Changes(Changes),
    /// Show what a change did, or what became of a file since.
    Diff {
        /// A change's number, or a file.
        what: String,
        /// The file after this change [default: before the first one that is known].
        #[arg(long, value_name = "CHANGE")]
        from: Option<u64>,
        /// The file after this change [default: as it is now].
        #[arg(long, value_name = "CHANGE")]
        to: Option<u64>,
        /// `what` is the number of a rejected write.
        #[arg(long, conflicts_with_all = ["from", "to"])]
        rejected: bool,
    },
    /// Tell who wrote each line of a file.
    Blame {
        /// The file.
        path: String,
    },
    /// Take changes back, and nothing that others wrote since.
    Undo(Undo),
    /// Bring back what a file was, whole; without a change, the last content that is other than now.
    Restore(Restore),
    /// List stored sessions, newest first.
    Sessions(Listing),
    /// Print a stored session.
    Show {
        /// Its id, or the beginning or end of it.
        session: String,
        /// Only the last items.
        #[arg(long, value_name = "N", default_value_t = 1000)]
        limit: usize,
    },
    /// Search everything that was said and done in stored sessions.
    Search {
        /// The words.
        #[arg(required = true)]
        words: Vec<String>,
        /// Which sessions.
        #[command(flatten)]
        listing: Listing,
    },
    /// Tell what works here and what does not, and what to do.
    Doctor {
        /// Start the agent as well and wait for its answer.
        #[arg(long)]
        ping: bool,
    },
    /// Show settings, where they are, or what is wrong with them.
    Config {
        /// What to do.
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Print the keys of the screen.
    Keys,
    /// Print a script that completes commands in a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// Print the manual page.
    Man {
        /// Of this command only.
        command: Option<String>,
    },
    /// Install a program that benchdog can use, for you alone.
    Install {
        /// Which program.
        program: Installable,
    },
    /// The built-in demo agent.
    #[command(hide = true, disable_help_flag = true)]
    AgentScript {
        /// Its script and whatever the protocol adds.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// git, as agents get it.
    #[command(hide = true, disable_help_flag = true)]
    GitShim {
        /// What git is asked.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// `benchdog resume`.
#[derive(Debug, Clone, Args)]
pub(super) struct Resume {
    /// A session's id (or the beginning or end of it), or words to look for.
    pub(super) query: Vec<String>,
    /// The newest session that can go on.
    #[arg(long, conflicts_with = "query")]
    pub(super) last: bool,
    /// Sessions of every workspace.
    #[arg(long)]
    pub(super) all: bool,
    /// Branch off instead of going on.
    #[arg(long)]
    pub(super) fork: bool,
}

/// `benchdog run`.
#[derive(Debug, Clone, Args)]
pub(super) struct Run {
    /// The prompt; `-` reads it from the input.
    #[arg(required = true)]
    pub(super) prompt: Vec<String>,
    /// The agent's name.
    #[arg(long = "agent", value_name = "NAME", value_parser = agent_name)]
    pub(super) name: Option<String>,
    /// Give up after this time (`90`, `90s`, `5m`, `1h`).
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub(super) timeout: Option<Duration>,
    /// What it is like.
    #[command(flatten)]
    pub(super) agent: AgentArgs,
}

/// What an agent is like.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct AgentArgs {
    /// The model's name or alias.
    #[arg(long)]
    pub(super) model: Option<String>,
    /// How much it may do without asking.
    #[arg(long, value_name = "MODE", value_parser = bench::permission_mode)]
    pub(super) permission_mode: Option<PermissionMode>,
    /// A tool that needs no question; may be repeated.
    #[arg(long, value_name = "RULE")]
    pub(super) allowed_tools: Vec<String>,
    /// A tool that it does not get; may be repeated.
    #[arg(long, value_name = "RULE")]
    pub(super) disallowed_tools: Vec<String>,
    /// Model calls at most.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_turns: Option<u32>,
    /// US dollars at most.
    #[arg(long, value_name = "USD", value_parser = dollars)]
    pub(super) max_budget_usd: Option<f64>,
    /// The back end: claude or script.
    #[arg(long, value_parser = bench::backend)]
    pub(super) backend: Option<Backend>,
    /// The built-in demo agent with this script.
    #[arg(long, value_name = "FILE", conflicts_with = "backend")]
    pub(super) script: Option<PathBuf>,
}

/// `benchdog answer`.
#[derive(Debug, Clone, Args)]
pub(super) struct Answer {
    /// The question's number, or the name of the agent that asks.
    pub(super) ask: Option<String>,
    /// The answer.
    #[command(subcommand)]
    pub(super) verdict: Option<Verdict>,
}

/// An answer.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Verdict {
    /// Yes, this time.
    Allow {
        /// The tool gets this JSON instead.
        #[arg(long, value_name = "JSON")]
        input: Option<String>,
    },
    /// Yes, from now on.
    Always {
        /// Only this suggestion, counted from 1.
        #[arg(value_parser = clap::value_parser!(u16).range(1..))]
        suggestion: Option<u16>,
    },
    /// No.
    Deny {
        /// What the agent reads.
        reason: Vec<String>,
        /// End its turn as well.
        #[arg(long)]
        interrupt: bool,
    },
    /// The answers to its questions, in their order.
    Choose {
        /// One for each question.
        #[arg(required = true)]
        answers: Vec<String>,
    },
}

/// `benchdog changes`.
#[derive(Debug, Clone, Args)]
pub(super) struct Changes {
    /// Of this file, or of files below this folder.
    pub(super) path: Option<String>,
    /// Of the agent of this name; `user` is you, `external` is somebody outside.
    #[arg(long, value_name = "NAME")]
    pub(super) agent: Option<String>,
    /// In this turn of an agent.
    #[arg(long, value_name = "N")]
    pub(super) turn: Option<u32>,
    /// Only what may be missed: deleted files, and changes that ran over somebody's work.
    #[arg(long, conflicts_with = "rejected")]
    pub(super) lost: bool,
    /// Writes that were refused, instead of changes.
    #[arg(long)]
    pub(super) rejected: bool,
    /// At most so many; 0: all.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(super) limit: usize,
}

/// `benchdog undo`.
#[derive(Debug, Clone, Args)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["change", "agent"])))]
pub(super) struct Undo {
    /// The change.
    pub(super) change: Option<u64>,
    /// Everything that the agent of this name, or the session of this id, changed.
    #[arg(long, value_name = "NAME")]
    pub(super) agent: Option<String>,
    /// Only what it changed in this turn.
    #[arg(long, value_name = "N", requires = "agent", conflicts_with = "change")]
    pub(super) turn: Option<u32>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// `benchdog restore`.
#[derive(Debug, Clone, Args)]
pub(super) struct Restore {
    /// The file.
    #[arg(required_unless_present = "rejected")]
    pub(super) path: Option<String>,
    /// What this change overwrote or deleted.
    #[arg(long, value_name = "CHANGE", conflicts_with_all = ["at", "rejected"])]
    pub(super) change: Option<u64>,
    /// As it was after this change.
    #[arg(long, value_name = "CHANGE", conflicts_with = "rejected")]
    pub(super) at: Option<u64>,
    /// What the rejected write of this number wanted to write, at its file or the one that is named.
    #[arg(long, value_name = "N")]
    pub(super) rejected: Option<i64>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// Which stored sessions.
#[derive(Debug, Clone, Args)]
pub(super) struct Listing {
    /// Of every workspace.
    #[arg(long)]
    pub(super) all: bool,
    /// At most so many; 0: all.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(super) limit: usize,
}

/// `benchdog config`.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum ConfigAction {
    /// Each setting, its value and where it comes from.
    Show,
    /// The files and folders.
    Path,
    /// What is wrong; the exit code tells whether anything is.
    Check,
}

/// What can be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Installable {
    /// The Claude Code CLI, by npm.
    Claude,
}

fn agent_name(raw: &str) -> Result<String, String> {
    bench::agent_name(raw).map(str::to_owned)
}

fn dollars(raw: &str) -> Result<f64, String> {
    match raw.trim_start_matches('$').parse::<f64>() {
        Ok(usd) if usd.is_finite() && usd > 0.0 => Ok(usd),
        _ => Err("an amount in US dollars, more than 0".to_owned()),
    }
}

/// Reads a length of time: a number of seconds, or one with `s`, `m` or `h`.
fn span(raw: &str) -> Result<Duration, String> {
    let (number, unit) = match raw.char_indices().find(|(_, c)| c.is_ascii_alphabetic()) {
        Some((at, _)) => raw.split_at(at),
        None => (raw, "s"),
    };
    let seconds = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("a time such as 90, 90s, 5m or 1h".to_owned()),
    };
    match number.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 1e6 => {
            Ok(Duration::from_secs_f64(number * seconds))
        }
        _ => Err("a time such as 90, 90s, 5m or 1h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn times_have_units() {
        for (raw, seconds) in [("90", 90), ("90s", 90), ("5m", 300), ("1h", 3600), ("1.5m", 90)] {
            assert_eq!(span(raw), Ok(Duration::from_secs(seconds)), "{raw}");
        }
        for raw in ["", "m", "-1", "0", "5d", "1e9"] {
            assert!(span(raw).is_err(), "{raw}");
        }
    }
}
