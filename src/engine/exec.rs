//! Commands that the person or a script runs behind the guard, beside the agents.
//!
//! The command is a child of whoever asked for it. The engine comes to a socket of theirs, says
//! under which terms the fence is to be built, receives the listener there, and writes a line, a
//! JSON text, for each refusal.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use super::door::guards::Guards;
use crate::model::failure::{Failure, FailureKind};
use crate::model::lease::Owner;

/// What both sides must know alike about the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Where the workspace is.
    pub root: PathBuf,
    /// Folders in which nobody writes.
    pub closed: Vec<PathBuf>,
    /// Folders of build output, relative to the workspace.
    pub free: Vec<PathBuf>,
    /// What names the engine in the environment of what it guards.
    pub mark: String,
}

/// Guards a command of `owner` from its start until nothing of it lives; blocks so long.
pub(super) fn attend(guards: &Guards, owner: Owner, socket: &Path) -> Result<(), Failure> {
    let lost = |error: std::io::Error| {
        let text = format!("the command that waits at {} is gone", socket.display());
        Failure::new(FailureKind::Failed, text).cause(error)
    };
    let mut stream = UnixStream::connect(socket).map_err(lost)?;
    let mut line = serde_json::to_string(&guards.terms()).map_err(|error| lost(error.into()))?;
    line.push('\n');
    stream.write_all(line.as_bytes()).map_err(lost)?;
    let mouth = Mutex::new(stream.try_clone().map_err(lost)?);
    let hears = Box::new(move |text: &str| {
        let Ok(mut line) = serde_json::to_string(text) else { return };
        line.push('\n');
        // Whoever does not listen any more need not be told.
        let _ = mouth.lock().map(|mut mouth| mouth.write_all(line.as_bytes()));
    });
    guards.attend(owner, stream.into(), hears)
}
