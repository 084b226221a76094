//! The command line: arguments, exit codes, one file per command.
//!
//! - Results go to stdout, messages to stderr; with `--json` stdout carries JSON only.
//! - Exit codes are those of [`FailureKind::exit_code`](crate::model::failure::FailureKind::exit_code).
//! - What runs here is a front end like any other: it sees the engine through a link.

use std::ffi::OsString;
use std::io::Write;

use clap::Parser;
use clap::error::ErrorKind;
use tokio::runtime::{Builder, Runtime};

use crate::model::failure::{Failure, FailureKind};

mod agents;
mod answer;
mod args;
mod built_in;
mod call;
mod changes;
mod config;
mod demo;
mod doctor;
mod exec;
#[cfg(test)]
pub(crate) mod fake;
mod git;
mod host;
mod install;
mod locks;
mod log;
mod open;
pub mod parts;
mod print;
mod resume;
mod revise;
mod rows;
mod run;
mod say;
mod screen;
mod serve;
mod sessions;
pub mod setup;
pub mod stage;
mod table;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod tests;

use args::{Cli, Command};
use built_in::BuiltIn;
use parts::Parts;
use say::Say;
use setup::Place;
use stage::Stage;

/// The exit code of something that is done.
const DONE: u8 = 0;

/// Runs this process's command line and gives its exit code.
pub fn main() -> u8 {
    if let Some(words) = git::called_as_git() {
        return git::git(&words);
    }
    match Stage::of_process() {
        Ok(stage) => main_with(std::env::args_os(), stage, &BuiltIn),
        Err(failure) => {
            let _gone = writeln!(std::io::stderr(), "{failure}");
            failure.kind.exit_code()
        }
    }
}

/// Runs a command line (the program's name first) and gives its exit code.
pub fn main_with(
    args: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    mut stage: Stage,
    parts: &dyn Parts,
) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return misunderstood(&error, &mut stage),
    };
    let _log = works(cli.command.as_ref()).then(|| log::start(&stage, &cli.common));
    let mut say = Say::new(&mut stage, cli.common.json, cli.common.quiet);
    match dispatch(cli, &mut stage, &mut say, parts) {
        Ok(code) => code,
        Err(failure) => {
            tracing::info!(%failure, "the command has failed");
            say.failure(&failure);
            failure.kind.exit_code()
        }
    }
}

/// Says what clap has to say: help and versions are results, the rest is wrong use.
fn misunderstood(error: &clap::Error, stage: &mut Stage) -> u8 {
    let text = error.render();
    let is_result = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let (stream, is_terminal) = match is_result {
        true => (&mut stage.out, stage.out_is_terminal),
        false => (&mut stage.err, stage.err_is_terminal),
    };
    let colours = is_terminal
        && stage.environment.get("NO_COLOR").is_none()
        && stage.environment.get("TERM") != Some("dumb");
    let text = if colours { text.ansi().to_string() } else { text.to_string() };
    let _gone = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
    if is_result { DONE } else { FailureKind::Usage.exit_code() }
}

/// Whether a command does anything that is worth a line in the log. The others know their answer
/// by heart, or are an agent, whose engine logs.
fn works(command: Option<&Command>) -> bool {
    !matches!(
        command,
        Some(
            Command::AgentScript { .. }
                | Command::GitShim { .. }
                | Command::Keys
                | Command::Completions { .. }
                | Command::Man { .. }
        )
    )
}

fn dispatch(cli: Cli, stage: &mut Stage, say: &mut Say, parts: &dyn Parts) -> Result<u8, Failure> {
    let Cli { command, open, common } = cli;
    if command.is_some() && (open.folder.is_some() || open.bench.is_some()) {
        let message = "a folder or a bench file to open does not go with a command";
        return Err(Failure::new(FailureKind::Usage, message)
            .hint("`--workspace DIR` says where a command works"));
    }
    let desk = &mut Desk { stage, say, parts, common };
    match command {
        None => open::open(desk, &open),
        Some(command) => carry_out(command, desk),
    }
}

fn carry_out(command: Command, desk: &mut Desk<'_>) -> Result<u8, Failure> {
    match command {
        Command::Demo { script, keep } => {
            let after = if keep { demo::After::Keep } else { demo::After::Remove };
            demo::demo(desk, script.as_deref(), after)
        }
        Command::Resume(args) => resume::resume(desk, &args),
        Command::Run(args) => run::run(desk, args),
        Command::Serve { foreground } => serve::serve(desk, foreground),
        Command::Attach => open::attach(desk),
        Command::Shutdown => serve::shutdown(desk),
        Command::Agents => agents::list(desk),
        Command::Spawn { name, prompt, agent } => agents::spawn(desk, name, prompt, agent),
        Command::Send { name, text } => agents::send(desk, &name, &text),
        Command::Interrupt { name } => agents::interrupt(desk, &name),
        Command::Stop { name } => agents::stop(desk, &name),
        Command::Answer(args) => answer::answer(desk, args),
        Command::Call { name, tool, input } => call::call(desk, name, tool, &input),
        Command::Exec { name, command } => exec::exec(desk, name, &command),
        Command::Locks => locks::list(desk),
        Command::Pin { patterns, agent, reason } => {
            locks::pin(desk, patterns, agent.as_deref(), reason)
        }
        Command::Release { paths } => locks::release(desk, &paths),
        Command::Steal { paths, agent } => locks::steal(desk, &paths, agent.as_deref()),
        Command::Changes(wanted) => changes::list(desk, wanted),
        Command::Diff { what, from, to, rejected } => {
            changes::diff(desk, &what, (from, to), rejected)
        }
        Command::Blame { path } => changes::blame(desk, &path),
        Command::Undo(args) => revise::undo(desk, args),
        Command::Restore(args) => revise::restore(desk, &args),
        Command::Sessions(listing) => sessions::list(desk, &listing, None),
        Command::Search { words, listing } => sessions::list(desk, &listing, Some(words.join(" "))),
        Command::Show { session, limit } => sessions::show(desk, &session, limit),
        Command::Doctor { ping } => doctor::doctor(desk, ping),
        Command::Config { action } => config::config(desk, action),
        Command::Install { program } => install::install(desk, program),
        Command::AgentScript { arguments } => desk.parts.agent_script(&arguments),
        Command::GitShim { arguments } => Ok(git::git(&arguments)),
        Command::Keys => print::keys(desk.say, desk.parts),
        Command::Completions { shell } => print::completions(shell, desk.say),
        Command::Man { command } => print::man(command.as_deref(), desk.say),
    }
}

/// What every command works with.
struct Desk<'a> {
    stage: &'a mut Stage,
    say: &'a mut Say,
    parts: &'a dyn Parts,
    common: args::Common,
}

impl Desk<'_> {
    /// Where the command works.
    fn place(&self) -> Result<Place, Failure> {
        Place::find(self.stage, &self.common, None)
    }

    /// Where the command works, with the settings that hold there.
    fn setup(&mut self) -> Result<setup::Setup, Failure> {
        self.place()?.settle(&self.common, self.say)
    }

    /// Refuses where no screen can be opened.
    fn needs_screen(&self) -> Result<(), Failure> {
        if self.stage.can_draw {
            return Ok(());
        }
        Err(Failure::new(FailureKind::Usage, "the screen needs a terminal")
            .hint("`benchdog run` and `benchdog serve` do without one"))
    }
}

/// A runtime for a command that only talks to an engine.
fn small_runtime() -> Result<Runtime, Failure> {
    finish(Builder::new_current_thread().enable_all().build())
}

/// A runtime for an engine.
fn large_runtime() -> Result<Runtime, Failure> {
    finish(Builder::new_multi_thread().enable_all().thread_name("benchdog").build())
}

fn finish(built: std::io::Result<Runtime>) -> Result<Runtime, Failure> {
    built.map_err(|error| {
        Failure::new(FailureKind::Internal, "the runtime does not start").cause(error)
    })
}
