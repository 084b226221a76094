//! `benchdog`, `attach`: the workbench on the screen.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::args::Open;
use super::host::{Reach, reach};
use super::parts::Opening;
use super::setup::{Place, Setup};
use super::{DONE, Desk, large_runtime, small_runtime};
use crate::config::bench::{self, Bench};
use crate::config::settings::Settings;
use crate::control::client::Client;
use crate::engine::command::Command;
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::SessionId;

/// What is done on the bench before the screen shows it.
pub(super) enum Plan {
    /// Nothing.
    Nothing,
    /// Start these agents.
    Bench(Box<Bench>),
    /// Go on with a session.
    Resume {
        /// Which one.
        session: SessionId,
        /// Branch off instead.
        fork: bool,
    },
    /// Let the person choose.
    Pick {
        /// Words for the filter.
        query: String,
        /// Sessions of every workspace.
        all: bool,
    },
}

/// Opens the workbench.
pub(super) fn open(desk: &mut Desk<'_>, args: &Open) -> Result<u8, Failure> {
    let place = Place::find(desk.stage, &desk.common, args.folder.as_deref())
        .map_err(|failure| perhaps_a_command(failure, args.folder.as_deref()))?;
    desk.needs_screen()?;
    let setup = place.settle(&desk.common, desk.say)?;
    let plan = match &args.bench {
        Some(file) => {
            let path = desk.stage.folder.join(file);
            Plan::Bench(Box::new(read_bench(&path, file, &setup.settings, desk)?))
        }
        None => Plan::Nothing,
    };
    on_screen(desk, &setup, plan)
}

/// Opens the screen on an engine that runs already.
pub(super) fn attach(desk: &mut Desk<'_>) -> Result<u8, Failure> {
    desk.needs_screen()?;
    let setup = desk.setup()?;
    let (parts, breaks) = (desk.parts, desk.stage.breaks.clone());
    small_runtime()?.block_on(async {
        let (_, link) = setup.place.attach().await?;
        let mut breaks = breaks.listen()?;
        tokio::select! {
            seen = parts.open_screen(&setup, link, Opening::Bench(None), true) => seen.map(|()| DONE),
            _ = breaks.wait() => Ok(FailureKind::Interrupted.exit_code()),
        }
    })
}

/// Reaches the engine, starting one if none runs, carries out `plan`, and shows the screen.
pub(super) fn on_screen(desk: &mut Desk<'_>, setup: &Setup, plan: Plan) -> Result<u8, Failure> {
    let Desk { stage, say, parts, common: _ } = desk;
    let parts = *parts;
    large_runtime()?.block_on(async {
        let mut breaks = stage.breaks.listen()?;
        let reach = reach(setup, parts).await?;
        if let Reach::Running(introduction) = &reach {
            say.note(&format!("this is the running engine of process {}", introduction.pid));
        }
        let seen = async {
            let mut client = Client::new(reach.link(setup).await?);
            let (opening, notes) = carry_out(plan, setup, &mut client).await?;
            for note in notes {
                say.note(&note);
            }
            drop(client);
            let attached = matches!(reach, Reach::Running(_));
            let link = reach.link(setup).await?;
            parts.open_screen(setup, link, opening, attached).await.map(|()| DONE)
        };
        let outcome = tokio::select! {
            seen = seen => seen,
            _ = breaks.wait() => Ok(FailureKind::Interrupted.exit_code()),
        };
        let left = reach.leave(&mut breaks).await;
        outcome.and_then(|code| left.map(|()| code))
    })
}

/// Does what the plan says; gives what the screen shows first, and what went wrong on the way.
async fn carry_out(
    plan: Plan,
    setup: &Setup,
    client: &mut Client,
) -> Result<(Opening, Vec<String>), Failure> {
    match plan {
        Plan::Nothing => Ok((Opening::Bench(None), Vec::new())),
        Plan::Pick { query, all } => Ok((Opening::Picker { query, all }, Vec::new())),
        Plan::Resume { session, fork } => {
            let command = Command::ResumeSession { session, fork, from_history: false };
            Ok((Opening::Agent(client.begin(command).await?), Vec::new()))
        }
        Plan::Bench(bench) => {
            let mut failures = Vec::new();
            let wanted = bench.agents.len();
            for spec in bench.agents {
                let spec = setup.settings.complete(spec);
                let name = spec.name.clone();
                match client.begin(Command::StartAgent { spec }).await {
                    Ok(_) => {}
                    Err(failure) if failures.len() + 1 == wanted => return Err(failure),
                    Err(failure) => failures.push(format!("agent `{name}`: {failure}")),
                }
            }
            let layout: Option<Value> = serde_json::to_value(&bench.layout).ok();
            Ok((Opening::Bench(layout), failures))
        }
    }
}

fn read_bench(
    path: &Path,
    named: &Path,
    settings: &Settings,
    desk: &mut Desk<'_>,
) -> Result<Bench, Failure> {
    let name = named.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::new(FailureKind::Usage, format!("the bench file {name} cannot be read"))
            .cause(error)
    })?;
    bench::parse(&text, &name, &settings.agent).map_err(|problems| {
        let mut problems = problems.into_iter();
        let first = problems.next().map_or_else(
            || Failure::new(FailureKind::Config, format!("{name} is no bench file")),
            Failure::from,
        );
        for problem in problems {
            desk.say.note(&problem.to_string());
        }
        first
    })
}

/// A word that is no folder is often a command with a slip in it.
fn perhaps_a_command(failure: Failure, folder: Option<&Path>) -> Failure {
    use clap::CommandFactory;
    let Some(word) = folder.and_then(Path::to_str).filter(|word| !word.contains('/')) else {
        return failure;
    };
    let command = super::args::Cli::command();
    let names: Vec<&str> = command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .map(clap::Command::get_name)
        .collect();
    match similar::get_close_matches(word, &names, 1, 0.6).first() {
        Some(near) => failure.hint(format!("perhaps the command `benchdog {near}` is meant")),
        None => failure.hint("`benchdog help` lists the commands"),
    }
}
