//! The parts that are built into the program.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::parts::{Engine, Opening, Parts, Stored};
use super::screen;
use super::setup::{Place, Setup};
use crate::agent::script;
use crate::agent::script::demo;
use crate::arbiter::Settings;
use crate::config::bench::{Bench, agent_name};
use crate::config::program;
use crate::config::shim;
use crate::engine::boot::{Boot, boot, can_guard};
use crate::engine::command::Command;
use crate::engine::event::ToEngine;
use crate::engine::link::Link;
use crate::engine::lookup;
use crate::engine::review;
use crate::history::{Reader, check_whole};
use crate::model::agent::{AgentSpec, Backend, GuardWish};
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::{ItemId, SessionId};
use crate::model::review::{Answer, ChangesPage, Question};
use crate::model::session::{SessionHit, SessionQuery, TranscriptPage};
use crate::ui;
use crate::ui::app::Exit;

/// Letters of a script's file that its agent is called by.
const NAME: usize = 32;

/// The parts that are built into the program.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BuiltIn;

impl Parts for BuiltIn {
    fn start_engine(&self, setup: &Setup) -> Result<Engine, Failure> {
        let (place, settings) = (&setup.place, &setup.settings);
        let search = place.environment.get("PATH").unwrap_or_default();
        let claude = program::find(&settings.claude.command, search, &place.folders);
        let arbiter = &settings.arbiter;
        let mut engine = boot(Boot {
            root: place.workspace.clone(),
            history: settings.history.database(&place.folders),
            claude: claude.unwrap_or_default(),
            script: script_program()?,
            wait_ms: arbiter.wait_seconds.saturating_mul(1000),
            git_ask_ms: arbiter.git_ask_seconds.saturating_mul(1000),
            arbitrate: arbiter.enabled,
            arbiter: Settings::with_times(
                arbiter.held_min_seconds.saturating_mul(1000),
                arbiter.held_max_seconds.saturating_mul(1000),
                arbiter.reserve_seconds.saturating_mul(1000),
            ),
            settings: Some(settings.clone()),
            path: arbiter.enabled.then(|| search_path(place)).transpose()?,
            guard: settings.agent.guard != GuardWish::Off,
            closed: place.folders.closed(),
        })?;
        let connector = engine.connector();
        Ok(Engine {
            connect: Arc::new(move || connector.connect()),
            ended: Box::pin(async move { engine.ended().await }),
        })
    }

    fn open_screen<'a>(
        &'a self,
        setup: &'a Setup,
        link: Link,
        opening: Opening,
        attached: bool,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let options = screen::options(setup, &opening, attached)?;
            if let Opening::Bench(Some(layout)) = &opening
                && let Some(layout) = screen::layout(layout)
            {
                let wish = ToEngine { id: 0, command: Command::SaveLayout { layout } };
                // If the engine is gone already, the screen will say so.
                drop(link.commands.send(wish).await);
            }
            match ui::run::run(link, options).await? {
                Exit::Quit | Exit::Detached | Exit::Hangup => Ok(()),
                Exit::EngineGone if !attached => Ok(()),
                Exit::EngineGone => {
                    Err(Failure::new(FailureKind::Unreachable, "the engine is gone")
                        .hint("what was shown is stored; `benchdog resume` goes on with it"))
                }
            }
        })
    }

    fn history(&self, setup: &Setup) -> Result<Box<dyn Stored>, Failure> {
        let path = setup.settings.history.database(&setup.place.folders);
        if !path.exists() {
            return Ok(Box::new(NothingYet));
        }
        Ok(Box::new(OnDisk { path }))
    }

    fn check_history(&self, database: &Path) -> Option<Result<String, String>> {
        if !database.exists() {
            return Some(Ok("none yet; it is made at the first start".to_owned()));
        }
        Some(match check_whole(database) {
            Ok(()) => Ok(format!("{} is whole", database.display())),
            Err(error) => Err(Failure::from(error).to_string()),
        })
    }

    fn prepare_demo(&self, script: Option<&Path>, folder: &Path) -> Result<Bench, Failure> {
        write_all(folder, demo::files())?;
        // The demo is nicer with a branch to show; without git it works as well.
        let git = ["init", "--quiet", "--initial-branch=main"];
        drop(
            process::Command::new("git")
                .args(git)
                .current_dir(folder)
                .stderr(Stdio::null())
                .status(),
        );
        let agents = match script {
            Some(script) => vec![scripted(&name_of(script), script, None)],
            None => {
                let scripts = folder.join(".benchdog/demo");
                let mut agents = Vec::new();
                for player in demo::PLAYERS {
                    let name = format!("{}.toml", player.name);
                    write_all(&scripts, &[(&name, player.script)])?;
                    let prompt = Some(player.prompt.to_owned());
                    agents.push(scripted(player.name, &scripts.join(name), prompt));
                }
                agents
            }
        };
        Ok(Bench { agents, ..Bench::default() })
    }

    fn agent_script(&self, arguments: &[String]) -> Result<u8, Failure> {
        let Some((file, rest)) = arguments.split_first() else {
            return Err(Failure::new(FailureKind::Usage, "agent-script wants a file"));
        };
        let input = io::BufReader::new(io::stdin());
        Ok(script::run(Path::new(file), rest, input, io::stdout(), io::stderr()))
    }

    fn key_table(&self) -> Result<String, Failure> {
        Ok(screen::key_table())
    }

    fn guard(&self) -> Result<(), String> {
        can_guard()
    }
}

/// The search path of agents, on which our git comes first.
fn search_path(place: &Place) -> Result<String, Failure> {
    let me = own_program()?;
    let folder = shim::prepare(&place.folders, &place.workspace, Path::new(&me))?;
    let usual = place.environment.get("PATH").map(OsStr::new);
    shim::path_with(&folder, usual).into_string().map_err(|path| {
        let text = format!("the search path {} is not UTF-8", path.display());
        Failure::new(FailureKind::Failed, text).hint("set PATH to folders with plain names")
    })
}

/// How this very program is started as the demo agent.
pub(super) fn script_program() -> Result<Vec<String>, Failure> {
    Ok(vec![own_program()?, "agent-script".to_owned()])
}

/// Where this very program is.
fn own_program() -> Result<String, Failure> {
    let me = std::env::current_exe().map_err(|error| {
        Failure::new(FailureKind::Internal, "benchdog does not find itself").cause(error)
    })?;
    me.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::new(FailureKind::Failed, format!("{} is not UTF-8", me.display()))
            .hint("install benchdog in another folder")
    })
}

fn scripted(name: &str, script: &Path, prompt: Option<String>) -> AgentSpec {
    AgentSpec {
        name: name.to_owned(),
        backend: Backend::Script,
        command: vec![script.to_string_lossy().into_owned()],
        prompt,
        ..AgentSpec::default()
    }
}

/// A name for the agent that plays the script at `path`, near to that of the file.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '_' | '.') { c } else { '-' };
    let name: String = stem.chars().map(plain).take(NAME).collect();
    let name = name.trim_matches(['-', '.']);
    agent_name(name).unwrap_or("demo").to_owned()
}

fn write_all(folder: &Path, files: &[(&str, &str)]) -> Result<(), Failure> {
    for (path, content) in files {
        let full = folder.join(path);
        let parent = full.parent().unwrap_or(folder);
        fs::create_dir_all(parent).and_then(|()| fs::write(&full, content)).map_err(|error| {
            let text = format!("{} cannot be written", full.display());
            Failure::new(FailureKind::Failed, text).hint("is the disk full?").cause(error)
        })?;
    }
    Ok(())
}

/// The history before anything was stored.
struct NothingYet;

impl Stored for NothingYet {
    fn sessions(&self, _query: &SessionQuery) -> Result<Vec<SessionHit>, Failure> {
        Ok(Vec::new())
    }

    fn transcript(
        &self,
        _session: &SessionId,
        _before: Option<ItemId>,
        _limit: usize,
    ) -> Result<TranscriptPage, Failure> {
        Err(nothing_stored())
    }

    fn review(&self, _root: &Path, question: &Question) -> Result<Answer, Failure> {
        match question {
            Question::Changes(_) => Ok(Answer::Changes(ChangesPage::default())),
            Question::Rejected(_) => Ok(Answer::Rejected(Vec::new())),
            Question::Difference(_) | Question::Blame(_) | Question::Plan(_) => {
                Err(nothing_stored())
            }
        }
    }
}

fn nothing_stored() -> Failure {
    Failure::new(FailureKind::Failed, "nothing is stored yet")
        .hint("start an agent; everything it does is stored")
}

/// The history as it lies on the disk.
struct OnDisk {
    path: PathBuf,
}

impl Stored for OnDisk {
    fn sessions(&self, query: &SessionQuery) -> Result<Vec<SessionHit>, Failure> {
        lookup::sessions(&self.path, query)
    }

    fn transcript(
        &self,
        session: &SessionId,
        before: Option<ItemId>,
        limit: usize,
    ) -> Result<TranscriptPage, Failure> {
        Ok(Reader::open(&self.path)?.page(session, before, limit)?)
    }

    fn review(&self, root: &Path, question: &Question) -> Result<Answer, Failure> {
        review::answer(&self.path, root, question)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Store;
    use crate::history::record::Record;
    use crate::model::path::Hash;

    #[test]
    fn a_history_that_is_damaged_anywhere_is_not_said_to_be_in_order() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("history.db");
        assert!(BuiltIn.check_history(&path).unwrap().unwrap().starts_with("none yet"));
        let store = Store::open(&path).unwrap();
        let blobs = (0..50u8).map(|n| vec![n; 9000]);
        let blobs = blobs.map(|bytes| Record::Blob { hash: Hash::of(&bytes), bytes });
        store.blocking_queue(blobs.collect()).unwrap();
        store.close().unwrap();
        assert!(BuiltIn.check_history(&path).unwrap().is_ok());
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2 / 4096 * 4096;
        bytes[middle..middle + 4096].fill(0xA5);
        fs::write(&path, bytes).unwrap();
        let said = BuiltIn.check_history(&path).unwrap().unwrap_err();
        assert!(said.contains("damaged"), "{said}");
    }

    #[test]
    fn whatever_a_script_is_called_its_agent_has_a_name() {
        for (file, name) in [
            ("dir/lexer.toml", "lexer"),
            ("my script.toml", "my-script"),
            ("-v (2).toml", "v--2"),
            (".toml", "toml"),
            ("…", "demo"),
            ("user.toml", "demo"),
        ] {
            assert_eq!(name_of(Path::new(file)), name, "{file}");
        }
        assert!(agent_name(&name_of(Path::new(&"x".repeat(99)))).is_ok());
    }
}
