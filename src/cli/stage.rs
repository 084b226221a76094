//! What surrounds a run of the program: streams, environment, clock, signals.
//!
//! The real one is made in one place; a test makes its own and so runs whole commands without a
//! process.

use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::config::environment::Environment;
use crate::model::failure::{Failure, FailureKind};
use crate::model::time::Wall;

/// What surrounds a run of the program.
pub struct Stage {
    /// Where results go.
    pub out: Box<dyn Write + Send>,
    /// Where messages go.
    pub err: Box<dyn Write + Send>,
    /// What somebody may type or pipe in.
    pub input: Box<dyn Read + Send>,
    /// Whether results go to a terminal.
    pub out_is_terminal: bool,
    /// Whether messages go to a terminal.
    pub err_is_terminal: bool,
    /// Whether a screen can be opened: there is a terminal to draw on and to read keys from.
    pub can_draw: bool,
    /// Columns and rows of the terminal.
    pub size: Option<(u16, u16)>,
    /// The environment.
    pub environment: Environment,
    /// The current folder.
    pub folder: PathBuf,
    /// What time it is.
    pub clock: fn() -> Wall,
    /// The wish of the person or the system that it ends.
    pub breaks: Breaks,
    /// Whether a log file is written.
    pub log: bool,
}

impl Stage {
    /// What surrounds this process.
    pub fn of_process() -> Result<Self, Failure> {
        let folder = std::env::current_dir().map_err(|error| {
            Failure::new(FailureKind::Failed, "the current folder is gone").cause(error)
        })?;
        let out_is_terminal = io::stdout().is_terminal();
        Ok(Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            input: Box::new(io::stdin()),
            out_is_terminal,
            err_is_terminal: io::stderr().is_terminal(),
            can_draw: out_is_terminal && io::stdin().is_terminal(),
            size: rustix::termios::tcgetwinsize(io::stdout())
                .ok()
                .filter(|size| size.ws_col > 0 && size.ws_row > 0)
                .map(|size| (size.ws_col, size.ws_row)),
            environment: Environment::of_process(),
            folder,
            clock: wall,
            breaks: Breaks::Signals,
            log: true,
        })
    }
}

fn wall() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Where the wish to end comes from.
#[derive(Debug, Clone)]
pub enum Breaks {
    /// From signals to this process.
    Signals,
    /// From a test.
    Wish(Arc<Notify>),
}

/// Who wants it to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// The person, by Ctrl-C.
    Person,
    /// The system, or a terminal that was closed.
    System,
}

impl Breaks {
    /// Begins to listen. From now on a signal no longer ends the process by itself. Must be called
    /// inside a runtime.
    pub fn listen(&self) -> Result<Listener, Failure> {
        let get = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(FailureKind::Internal, "signals cannot be received").cause(error)
            })
        };
        Ok(match self {
            Self::Wish(wish) => Listener::Wish(Arc::clone(wish)),
            Self::Signals => Listener::Signals {
                person: get(SignalKind::interrupt())?,
                system: get(SignalKind::terminate())?,
                hangup: get(SignalKind::hangup())?,
            },
        })
    }
}

/// Listens for the wish to end.
#[derive(Debug)]
pub enum Listener {
    /// To signals.
    Signals {
        /// Ctrl-C.
        person: Signal,
        /// The system's polite request.
        system: Signal,
        /// The terminal was closed.
        hangup: Signal,
    },
    /// To a test.
    Wish(Arc<Notify>),
}

impl Listener {
    /// Waits until somebody wants it to end. Can be called again for the next wish.
    pub async fn wait(&mut self) -> Break {
        match self {
            Self::Wish(wish) => {
                wish.notified().await;
                Break::Person
            }
            Self::Signals { person, system, hangup } => tokio::select! {
                _ = person.recv() => Break::Person,
                _ = system.recv() => Break::System,
                _ = hangup.recv() => Break::System,
            },
        }
    }
}
