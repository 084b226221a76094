//! `agents`, `spawn`, `send`, `interrupt`, `stop`: the agents of the running engine.

use super::args::AgentArgs;
use super::setup::{agent_spec, words};
use super::table::{Table, dollars};
use super::{DONE, Desk, rows, small_runtime};
use crate::control::client::Client;
use crate::engine::command::Command;
use crate::model::agent::{AgentInfo, AgentState};
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::AgentId;

/// Lists the agents.
pub(super) fn list(desk: &mut Desk<'_>) -> Result<u8, Failure> {
    let place = desk.place()?;
    let agents = small_runtime()?.block_on(async { place.client().await?.agents().await })?;
    if desk.say.json {
        desk.say.value(&agents.iter().map(rows::agent).collect::<Vec<_>>());
        return Ok(DONE);
    }
    let mut table =
        Table::new(&["", "NAME", "STATE", "MODEL", "MODE", "GUARD", ">COST", ">HOLDS", "TITLE"]);
    for agent in &agents {
        table.row(&[
            mark(agent.state).to_owned(),
            agent.name.clone(),
            state(agent),
            agent.model.clone().unwrap_or_default(),
            agent.permission_mode.as_str().to_owned(),
            agent.guard.as_str().to_owned(),
            dollars(agent.usage.cost_usd),
            agent.holds.len().to_string(),
            agent.title.clone(),
        ]);
    }
    table.print(desk.say, "there are no agents");
    Ok(DONE)
}

/// Starts an agent on the running engine.
pub(super) fn spawn(
    desk: &mut Desk<'_>,
    name: Option<String>,
    prompt: Option<String>,
    args: AgentArgs,
) -> Result<u8, Failure> {
    let setup = desk.setup()?;
    let spec = agent_spec(&setup.settings, name, prompt, args, &desk.stage.folder)?;
    let agents = small_runtime()?.block_on(async {
        let mut client = setup.place.client().await?;
        let id = client.begin(Command::StartAgent { spec }).await?;
        let agents = client.agents().await?;
        Ok::<_, Failure>(agents.into_iter().filter(|agent| agent.id == id).collect::<Vec<_>>())
    })?;
    for agent in &agents {
        if desk.say.json {
            desk.say.value(&rows::agent(agent));
        } else {
            desk.say.line(&agent.name);
        }
    }
    Ok(DONE)
}

/// Gives an agent a prompt.
pub(super) fn send(desk: &mut Desk<'_>, name: &str, text: &[String]) -> Result<u8, Failure> {
    let text = words(text, desk.stage)?;
    tell(desk, name, move |agent| Command::Send { agent, text })
}

/// Breaks off an agent's turn.
pub(super) fn interrupt(desk: &mut Desk<'_>, name: &str) -> Result<u8, Failure> {
    tell(desk, name, |agent| Command::Interrupt { agent })
}

/// Ends an agent's process.
pub(super) fn stop(desk: &mut Desk<'_>, name: &str) -> Result<u8, Failure> {
    tell(desk, name, |agent| Command::StopAgent { agent })
}

/// Asks for something that is about one agent and answers with "done".
fn tell(
    desk: &mut Desk<'_>,
    name: &str,
    command: impl FnOnce(AgentId) -> Command,
) -> Result<u8, Failure> {
    let place = desk.place()?;
    small_runtime()?.block_on(async {
        let mut client = place.client().await?;
        let agent = named(&mut client, name).await?;
        client.done(command(agent.id)).await
    })?;
    if desk.say.json {
        desk.say.value(&serde_json::json!({"ok": true}));
    }
    Ok(DONE)
}

/// The agent with this name.
pub(super) async fn named(client: &mut Client, name: &str) -> Result<AgentInfo, Failure> {
    let agents = client.agents().await?;
    let names = agents.iter().map(|agent| agent.name.as_str()).collect::<Vec<_>>().join(", ");
    agents.into_iter().find(|agent| agent.name == name).ok_or_else(|| {
        let failure = Failure::new(FailureKind::Usage, format!("there is no agent `{name}`"));
        match names.is_empty() {
            true => failure.hint("there are no agents at all; `benchdog spawn` starts one"),
            false => failure.hint(format!("there are {names}")),
        }
    })
}

/// The mark that the screen uses as well.
fn mark(state: AgentState) -> &'static str {
    match state {
        AgentState::Starting => "◌",
        AgentState::Working => "●",
        AgentState::NeedsYou => "◆",
        AgentState::WaitingForFile => "◷",
        AgentState::Idle => "○",
        AgentState::Finished => "✓",
        AgentState::Error => "✗",
        AgentState::Dead => "†",
    }
}

/// The state in words, with what it is about.
fn state(agent: &AgentInfo) -> String {
    match (agent.state, &agent.waits_for, &agent.trouble) {
        (AgentState::Starting, _, _) => "starting".to_owned(),
        (AgentState::Working, _, _) => agent.activity.clone().unwrap_or("working".to_owned()),
        (AgentState::NeedsYou, _, _) => "needs you".to_owned(),
        (AgentState::WaitingForFile, Some(wait), _) => {
            format!("waits for {} ({} has it)", wait.path, wait.holder)
        }
        (AgentState::WaitingForFile, None, _) => "waits for a file".to_owned(),
        (AgentState::Idle, _, _) => "idle".to_owned(),
        (AgentState::Finished, _, _) => "finished".to_owned(),
        (AgentState::Error, _, Some(trouble)) => format!("error: {trouble}"),
        (AgentState::Error, _, None) => "error".to_owned(),
        (AgentState::Dead, _, Some(trouble)) => format!("dead: {trouble}"),
        (AgentState::Dead, _, None) => "dead".to_owned(),
    }
}
