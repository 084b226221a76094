//! `run`: one agent, one prompt, no screen.
//!
//! The engine of the workspace does it if one runs; else one runs for as long as this takes. A
//! question of the agent that nobody could answer ends the run.

use std::time::Duration;

use serde_json::json;

use super::args::Run;
use super::host::{Reach, reach};
use super::say::Say;
use super::setup::{agent_spec, words};
use super::{DONE, Desk, large_runtime};
use crate::control::client::{Client, gone};
use crate::engine::command::Command;
use crate::engine::event::{ToClient, ToEngine};
use crate::model::agent::AgentSpec;
use crate::model::failure::{Failure, FailureKind};

mod follow;

use follow::{End, Follow, Out};

/// The id of the one command whose answer does not matter.
const SUBSCRIBED: u64 = u64::MAX;

/// Does one prompt.
pub(super) fn run(desk: &mut Desk<'_>, args: Run) -> Result<u8, Failure> {
    let prompt = words(&args.prompt, desk.stage)?;
    let setup = desk.setup()?;
    let folder = desk.stage.folder.clone();
    let spec = agent_spec(&setup.settings, args.name, Some(prompt), args.agent, &folder)?;
    let Desk { stage, say, parts, common: _ } = desk;
    let parts = *parts;
    large_runtime()?.block_on(async {
        let mut breaks = stage.breaks.listen()?;
        let reach = reach(&setup, parts).await?;
        let alone = matches!(reach, Reach::Own(_));
        let mut client = Client::new(reach.link(&setup).await?);
        // Another front end of a running engine may answer; of this one there is none.
        let spec = AgentSpec { unattended: alone, ..spec };
        let agent = match client.begin(Command::StartAgent { spec }).await {
            Ok(agent) => agent,
            Err(failure) => {
                drop(client);
                reach.leave(&mut breaks).await?;
                return Err(failure);
            }
        };
        let mut follow = Follow::new(agent, say.json);
        let end = tokio::select! {
            end = watch(&mut client, &mut follow, alone, say) => end,
            _ = breaks.wait() => Ok(End::Broken),
            () = expire(args.timeout) => Ok(End::Expired(args.timeout.unwrap_or_default())),
        };
        if !alone && !matches!(end, Err(_) | Ok(End::Removed)) {
            // The bench is somebody else's; the session stays in the history.
            if let Err(failure) = client.request(Command::RemoveAgent { agent }).await {
                tracing::warn!(%failure, "the agent of this run stays on the bench");
            }
        }
        drop(client);
        let left = reach.leave(&mut breaks).await;
        let code = conclude(end?, &follow, say)?;
        left.map(|()| code)
    })
}

/// Shows what happens until the run has an end.
async fn watch(
    client: &mut Client,
    follow: &mut Follow,
    alone: bool,
    say: &mut Say,
) -> Result<End, Failure> {
    let subscribe = ToEngine { id: SUBSCRIBED, command: Command::Subscribe };
    client.link.commands.send(subscribe.clone()).await.map_err(|_| gone())?;
    loop {
        let message = client.link.events.recv().await.ok_or_else(gone)?;
        if message == ToClient::Behind {
            client.link.commands.send(subscribe.clone()).await.map_err(|_| gone())?;
        }
        let end = follow.apply(message);
        for out in follow.take() {
            match out {
                Out::Text(text) => say.text(&text),
                Out::Note(line) => say.note(&line),
                Out::Row(row) => say.value(&row),
            }
        }
        match end {
            // Another front end of a running engine may answer.
            Some(End::Asked(_)) if !alone => {}
            Some(end) => return Ok(end),
            None => {}
        }
    }
}

async fn expire(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}

/// Says how it ended and gives the exit code.
fn conclude(end: End, follow: &Follow, say: &mut Say) -> Result<u8, Failure> {
    let verdict = verdict(end);
    let code = verdict.as_ref().map_or_else(|failure| failure.kind.exit_code(), |()| DONE);
    let info = follow.info();
    if say.json {
        say.value(&json!({
            "event": "run_ended",
            "code": code,
            "error": verdict.as_ref().err(),
            "agent": info.map(|info| &info.name),
            "session_id": info.map(|info| &info.session_id),
            "cost_usd": info.map(|info| info.usage.cost_usd),
        }));
    } else if let Some(info) = info {
        let cost = super::table::dollars(info.usage.cost_usd);
        let id = &info.session_id;
        say.note(&format!("{cost} · `benchdog resume {id}` goes on with it"));
    }
    verdict.map(|()| code)
}

fn verdict(end: End) -> Result<(), Failure> {
    let failed = |kind, message: String| Err(Failure::new(kind, message));
    match end {
        End::Turn(turn) if turn.interrupted => {
            failed(FailureKind::Interrupted, "the turn was interrupted".to_owned())
        }
        End::Turn(turn) if turn.is_error => {
            let failure = Failure::new(
                FailureKind::Failed,
                format!("the turn ended with an error ({})", turn.reason),
            );
            Err(match turn.message {
                Some(message) => failure.cause(message),
                None => failure,
            })
        }
        End::Turn(_) => Ok(()),
        End::Dead { trouble, was_ready } => {
            let failure = match was_ready {
                true => Failure::new(FailureKind::Failed, "the agent has died"),
                false => Failure::new(FailureKind::AgentStart, "the agent does not start")
                    .hint("`benchdog doctor --ping` looks for the reason"),
            };
            Err(match trouble {
                Some(trouble) => failure.cause(trouble),
                None => failure,
            })
        }
        End::Removed => failed(FailureKind::Failed, "the agent was taken off".to_owned()),
        End::Asked(what) => Err(Failure::new(
            FailureKind::NeedsPerson,
            format!("the agent asks for {what}, and nobody can answer"),
        )
        .hint("`--allowed-tools` or `--permission-mode` answer beforehand")),
        End::Expired(after) => {
            failed(FailureKind::Failed, format!("there is no end after {} s", after.as_secs_f64()))
        }
        End::Broken => failed(FailureKind::Interrupted, "interrupted".to_owned()),
    }
}

#[cfg(test)]
mod tests;
