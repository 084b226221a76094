//! `locks`, `pin`, `release`, `steal`: who may write which file.

use serde_json::Value;

use super::agents::named;
use super::call::verdict;
use super::table::{Table, ago};
use super::{DONE, Desk, rows, small_runtime};
use crate::engine::command::{Command, Reply};
use crate::model::failure::Failure;
use crate::model::id::AgentId;
use crate::model::lease::{LeaseInfo, LeaseState};

/// Lists the leases.
pub(super) fn list(desk: &mut Desk<'_>) -> Result<u8, Failure> {
    let place = desk.place()?;
    let leases = small_runtime()?.block_on(async { place.client().await?.locks().await })?;
    if desk.say.json {
        desk.say.value(&leases.iter().map(rows::lock).collect::<Vec<_>>());
        return Ok(DONE);
    }
    let now = (desk.stage.clock)();
    let mut table = Table::new(&["PATH", "OWNER", "STATE", "SINCE", "WAITING", "REASON"]);
    for lease in &leases {
        table.row(&[
            lease.path.clone(),
            lease.owner_name.clone(),
            state(lease).to_owned(),
            ago(now.0 - lease.since.0),
            lease.queue.join(", "),
            lease.reason.clone(),
        ]);
    }
    table.print(desk.say, "no file is held");
    Ok(DONE)
}

/// Reserves files.
pub(super) fn pin(
    desk: &mut Desk<'_>,
    patterns: Vec<String>,
    agent: Option<&str>,
    reason: String,
) -> Result<u8, Failure> {
    let one = |to| vec![Command::Pin { patterns, reason, to }];
    change(desk, agent, one)
}

/// Frees files.
pub(super) fn release(desk: &mut Desk<'_>, paths: &[String]) -> Result<u8, Failure> {
    let each = |path: &String| Command::Release { path: path.clone() };
    change(desk, None, |_| paths.iter().map(each).collect())
}

/// Takes files from whoever holds them.
pub(super) fn steal(
    desk: &mut Desk<'_>,
    paths: &[String],
    agent: Option<&str>,
) -> Result<u8, Failure> {
    change(desk, agent, |to| {
        paths.iter().map(|path| Command::Steal { path: path.clone(), to }).collect()
    })
}

/// Asks for changes one after the other, and stops at the first that fails.
fn change(
    desk: &mut Desk<'_>,
    agent: Option<&str>,
    commands: impl FnOnce(Option<AgentId>) -> Vec<Command>,
) -> Result<u8, Failure> {
    let place = desk.place()?;
    small_runtime()?.block_on(async {
        let mut client = place.client().await?;
        let to = match agent {
            Some(name) => Some(named(&mut client, name).await?.id),
            None => None,
        };
        for command in commands(to) {
            let done = client.request(command).await?;
            if let Reply::Tool(result) = done {
                carried_out(&result)?;
            }
        }
        Ok::<(), Failure>(())
    })?;
    if desk.say.json {
        desk.say.value(&serde_json::json!({"ok": true}));
    }
    Ok(DONE)
}

/// The arbiter's word on a reservation, which may be no.
fn carried_out(result: &Value) -> Result<(), Failure> {
    let kind = verdict(result);
    let text = result["text"].as_str().unwrap_or("the arbiter refused it");
    kind.map_or(Ok(()), |kind| Err(Failure::new(kind, text)))
}

fn state(lease: &LeaseInfo) -> &'static str {
    match lease.state {
        LeaseState::Inflight => "writing",
        LeaseState::Held => "held",
        LeaseState::Reserved => "reserved",
        LeaseState::Pinned => "pinned",
    }
}
