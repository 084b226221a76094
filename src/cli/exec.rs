//! `exec`: a command of the person or a script, behind the guard, under the arbiter.
//!
//! A `git` in it is the agents' git, and asks as the one for whom the command runs; only the person's
//! own commands have git as it is.
//!
//! The command is our child and has our terminal. Its calls are answered by the engine: the
//! engine comes to a socket of ours, which the child then hands its listener over, and says there
//! in words why something was refused.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{self, ExitStatus};
use std::time::Duration;

use super::setup::Place;
use super::{Desk, large_runtime};
use crate::config::shim;
use crate::engine::command::Command;
use crate::engine::exec::Terms;
use crate::guard::fence::{self, Fence};
use crate::guard::ground::Workspace;
use crate::model::agent::GUARD_MARK;
use crate::model::failure::{Failure, FailureKind};

/// The name of the person among those who act.
const PERSON: &str = "user";

/// How long the engine may take to come to our socket.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs `words` as a process of `name`.
pub(super) fn exec(desk: &mut Desk<'_>, name: String, words: &[OsString]) -> Result<u8, Failure> {
    let place = desk.place()?;
    let mut command = command(words)?;
    command.current_dir(&desk.stage.folder);
    large_runtime()?.block_on(async {
        // Ctrl-C is for the command, which is in our group; we wait for what it makes of it.
        let _breaks = desk.stage.breaks.listen()?;
        let mut client = place.client().await?;
        let meeting = Meeting::prepare()?;
        let socket = meeting.socket.clone();
        let path = agents_path(&place, &name)?;
        let process = None;
        let answer = client.exec(Command::Exec { name, socket, process }).await?;
        // The command may run for days, and need no place among the front ends.
        drop(client);
        let Err(why_not) = answer else {
            command.envs(path.map(|path| ("PATH", path)));
            let stream = tokio::task::spawn_blocking(move || meeting.meet()).await;
            let stream = stream.map_err(|error| lost(&error.to_string()))??;
            return tokio::task::spawn_blocking(move || run_guarded(command, &stream))
                .await
                .map_err(|error| lost(&error.to_string()))?;
        };
        desk.say.note(&format!("the command is not guarded: {why_not}"));
        let status = command.status().map_err(|error| not_started(&command, &error))?;
        Ok(exit_code(status))
    })
}

/// The search path with the agents' git first; the person's own command has the path as it is.
fn agents_path(place: &Place, name: &str) -> Result<Option<OsString>, Failure> {
    if name == PERSON {
        return Ok(None);
    }
    let me = std::env::current_exe().map_err(|error| {
        Failure::new(FailureKind::Internal, "benchdog does not find itself").cause(error)
    })?;
    let folder = shim::prepare(&place.folders, &place.workspace, &me)?;
    Ok(Some(shim::path_with(&folder, std::env::var_os("PATH").as_deref())))
}

fn command(words: &[OsString]) -> Result<process::Command, Failure> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(Failure::new(FailureKind::Usage, "there is no command to run"));
    };
    let mut command = process::Command::new(program);
    command.args(arguments);
    Ok(command)
}

/// Runs a command whose calls the engine at the other end of `stream` answers.
fn run_guarded(mut command: process::Command, stream: &UnixStream) -> Result<u8, Failure> {
    let copy = |stream: &UnixStream| stream.try_clone().map_err(|error| lost(&error.to_string()));
    let mut lines = BufReader::new(copy(stream)?).lines();
    let terms: Terms = match lines.next() {
        Some(Ok(line)) => serde_json::from_str(&line).map_err(|error| lost(&error.to_string()))?,
        Some(Err(error)) => return Err(lost(&error.to_string())),
        None => return Err(lost("it has hung up")),
    };
    // What outlives the engine is found by it.
    command.env(GUARD_MARK, &terms.mark);
    fence(&terms, copy(stream)?.into())?.around(&mut command);
    let mut child =
        fence::start(|| command.spawn()).map_err(|error| not_started(&command, &error))?;
    // The child has been through the fence; what holds this end open now is only we.
    let spoken = std::thread::spawn(move || {
        for text in lines.map_while(Result::ok) {
            if let Ok(text) = serde_json::from_str::<String>(&text) {
                // Without anybody who reads it, that is all that is lost.
                let _ = writeln!(std::io::stderr(), "benchdog: {text}");
            }
        }
    });
    let status = child.wait().map_err(|error| not_started(&command, &error))?;
    // What was said before its end is in the socket by now, and is still read. What it has left
    // behind goes on, unheard.
    drop(stream.shutdown(std::net::Shutdown::Read));
    drop(spoken.join());
    Ok(exit_code(status))
}

fn fence(terms: &Terms, sender: OwnedFd) -> Result<Fence, Failure> {
    let broken = |error: &dyn std::error::Error| {
        Failure::new(FailureKind::Failed, format!("the command cannot be guarded: {error}"))
            .hint("`benchdog doctor` says what is missing")
    };
    let workspace = Workspace::open(&terms.root, &terms.closed).map_err(|error| broken(&error))?;
    for folder in &terms.free {
        // One that has just gone is no loss: what comes in its place is asked about.
        drop(workspace.free(folder));
    }
    Fence::through(&workspace, sender).map_err(|error| broken(&error))
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn not_started(command: &process::Command, error: &std::io::Error) -> Failure {
    let program = Path::new(command.get_program()).display();
    Failure::new(FailureKind::Failed, format!("`{program}` does not start: {error}"))
}

fn lost(why: &str) -> Failure {
    Failure::new(FailureKind::Unreachable, format!("the engine did not guard the command: {why}"))
        .hint("look at its log, or try again")
}

/// A socket in a folder of its own, where the engine comes to.
struct Meeting {
    folder: PathBuf,
    socket: PathBuf,
    listener: UnixListener,
}

impl Meeting {
    fn prepare() -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("benchdog-{}", uuid::Uuid::new_v4()));
        let made = |error: std::io::Error| {
            let text = format!("the folder {} cannot be used", folder.display());
            Failure::new(FailureKind::Failed, text).hint("TMPDIR names another one").cause(error)
        };
        fs::DirBuilder::new().mode(0o700).create(&folder).map_err(made)?;
        let socket = folder.join("exec");
        let listener = UnixListener::bind(&socket).map_err(made)?;
        Ok(Self { folder, socket, listener })
    }

    /// Waits for the engine.
    fn meet(self) -> Result<UnixStream, Failure> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let patience = Timespec::try_from(PATIENCE).ok();
        let mut ready = [PollFd::new(&self.listener, PollFlags::IN)];
        match poll(&mut ready, patience.as_ref()) {
            Ok(0) => Err(lost("it did not come")),
            Ok(_) => {
                let (stream, _) =
                    self.listener.accept().map_err(|error| lost(&error.to_string()))?;
                Ok(stream)
            }
            Err(error) => Err(lost(&error.to_string())),
        }
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        // Nobody else knows this folder; what cannot be removed is empty and in the way of nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
