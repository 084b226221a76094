//! What a command needs to know before it can work: folders, workspace, settings.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::args::{AgentArgs, Common};
use super::say::Say;
use super::stage::Stage;
use crate::config::environment::Environment;
use crate::config::folders::Folders;
use crate::config::load::{Layers, Loaded, load};
use crate::config::settings::Settings;
use crate::config::workspace;
use crate::control::client::{Client, Introduction, connect};
use crate::control::lock::holder;
use crate::engine::link::Link;
use crate::model::agent::{AgentSpec, Backend};
use crate::model::failure::{Failure, FailureKind};

/// The largest prompt or input that is read from a pipe.
const INPUT_BYTES: u64 = 16 * 1024 * 1024;

/// Where we are and whose.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The person's folders.
    pub folders: Folders,
    /// The root of the workspace.
    pub workspace: PathBuf,
    /// The environment.
    pub environment: Environment,
}

/// A place with its settings: enough to start an engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// Where we are.
    pub place: Place,
    /// The settings that hold here.
    pub settings: Settings,
}

impl Setup {
    /// The name of the theme: the setting, unless the environment wants no colours.
    pub fn theme(&self) -> &str {
        match self.place.environment.get("NO_COLOR") {
            Some(_) => "plain",
            None => &self.settings.ui.theme,
        }
    }
}

impl Place {
    /// The place that the command line means; `named` is the folder that it opens, if any.
    pub(super) fn find(
        stage: &Stage,
        common: &Common,
        named: Option<&Path>,
    ) -> Result<Self, Failure> {
        let folders = Folders::find(&stage.environment)?;
        let workspace = match named.or(common.workspace.as_deref()) {
            Some(named) => workspace::exactly(&stage.folder.join(named))?,
            None => workspace::around(&stage.folder)?,
        };
        Ok(Self { folders, workspace, environment: stage.environment.clone() })
    }

    /// The settings with everything that is wrong in them.
    pub(super) fn load(&self, common: &Common) -> Result<Loaded, Failure> {
        load(&Layers {
            folders: &self.folders,
            workspace: Some(&self.workspace),
            environment: &self.environment,
            flags: &common.set,
        })
    }

    /// The settings, or the reason why nothing starts. Lesser problems are said.
    pub(super) fn settle(self, common: &Common, say: &mut Say) -> Result<Setup, Failure> {
        let loaded = self.load(common)?;
        if let Some(problem) = loaded.fatal() {
            return Err(problem.clone().into());
        }
        for problem in &loaded.problems {
            say.note(&problem.to_string());
        }
        Ok(Setup { place: self, settings: loaded.settings })
    }

    /// A link to the engine that runs for this workspace.
    pub(super) async fn attach(&self) -> Result<(Introduction, Link), Failure> {
        connect(&self.socket()).await
    }

    /// The engine that runs for this workspace, to be asked one thing after the other.
    pub(super) async fn client(&self) -> Result<Client, Failure> {
        let (_, link) = self.attach().await?;
        Ok(Client::new(link))
    }

    /// Where the engine of this workspace listens. The engine's own word counts more than a guess:
    /// its environment may have been another one.
    pub fn socket(&self) -> PathBuf {
        holder(&self.folders.lock_file(&self.workspace))
            .map_or_else(|| self.folders.socket(&self.workspace), |holder| holder.socket)
    }
}

/// The words of the command line as one text; `-` alone reads the input.
pub(super) fn words(words: &[String], stage: &mut Stage) -> Result<String, Failure> {
    let text = match words {
        [dash] if dash == "-" => {
            let mut text = String::new();
            let read = (&mut stage.input).take(INPUT_BYTES + 1).read_to_string(&mut text);
            read.map_err(|error| {
                Failure::new(FailureKind::Usage, "the input cannot be read").cause(error)
            })?;
            if text.len() as u64 > INPUT_BYTES {
                let message = format!("the input is larger than {} MiB", INPUT_BYTES >> 20);
                return Err(Failure::new(FailureKind::Usage, message));
            }
            text
        }
        _ => words.join(" "),
    };
    if text.trim().is_empty() {
        return Err(Failure::new(FailureKind::Usage, "there are no words to send"));
    }
    Ok(text)
}

/// The agent that the command line wishes, completed by the settings.
pub(super) fn agent_spec(
    settings: &Settings,
    name: Option<String>,
    prompt: Option<String>,
    args: AgentArgs,
    folder: &Path,
) -> Result<AgentSpec, Failure> {
    let command = match &args.script {
        Some(script) => script_command(&folder.join(script))?,
        None => Vec::new(),
    };
    let backend = match args.script {
        Some(_) => Backend::Script,
        None => args.backend.unwrap_or(settings.agent.backend),
    };
    Ok(settings.complete(AgentSpec {
        name: name.unwrap_or_default(),
        backend,
        command,
        prompt,
        model: args.model,
        permission_mode: args.permission_mode.unwrap_or(settings.agent.permission_mode),
        allowed_tools: args.allowed_tools,
        disallowed_tools: args.disallowed_tools,
        max_turns: args.max_turns,
        max_budget_usd: args.max_budget_usd,
        ..AgentSpec::default()
    }))
}

/// The command of a demo agent: this very program.
fn script_command(script: &Path) -> Result<Vec<String>, Failure> {
    let broken = |what: &Path| {
        let message = format!("{} cannot be a demo agent's script", what.display());
        Failure::new(FailureKind::Usage, message)
    };
    if !script.is_file() {
        return Err(broken(script).hint("it must be a file"));
    }
    let own = std::env::current_exe().map_err(|error| broken(script).cause(error))?;
    let text = |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| broken(path));
    Ok(vec![text(&own)?, "agent-script".to_owned(), text(script)?])
}
