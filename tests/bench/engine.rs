//! An engine of the built program for a measurement from outside, and commands that it guards.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The program.
const PROGRAM: &str = env!("CARGO_BIN_EXE_benchdog");

/// A running engine with a home and a workspace of its own; it ends with this.
pub(crate) struct Engine {
    home: TempDir,
    workspace: TempDir,
    process: Child,
}

impl Engine {
    /// Starts one in a new repository.
    pub(crate) fn start() -> Self {
        Self::start_in(|_| ())
    }

    /// The same where this has been put before.
    pub(crate) fn start_in(put: impl FnOnce(&Path)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let workspace = tempfile::tempdir().unwrap();
        let made = Command::new("git").args(["init", "-q"]).current_dir(workspace.path()).status();
        assert!(made.unwrap().success());
        put(workspace.path());
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--foreground"]).current_dir(workspace.path());
        command.env("BENCHDOG_HOME", home.path()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready");
        Self { home, workspace, process }
    }

    /// The workspace.
    pub(crate) fn root(&self) -> &Path {
        self.workspace.path()
    }

    /// A command as one that the engine guards; its folder and what was set for it stay.
    pub(crate) fn exec(&self, command: &Command) -> Command {
        let mut guarded = Command::new(PROGRAM);
        guarded.args(["exec", "--as", "bench", "--"]);
        guarded.arg(command.get_program()).args(command.get_args());
        let set = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
        guarded.envs(set.map(|(name, value)| (OsString::from(name), OsString::from(value))));
        guarded.env("BENCHDOG_HOME", self.home.path());
        guarded.current_dir(command.get_current_dir().unwrap_or(self.root()));
        guarded
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Whatever the measurement came to, nothing of it may stay.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A number of the command line, or what holds without it.
pub(crate) fn argument(index: usize, default: usize) -> usize {
    let words = std::env::args().skip(1).filter(|word| word != "--bench");
    words.skip(index).find_map(|word| word.parse().ok()).unwrap_or(default)
}

/// The middle one.
pub(crate) fn median(mut all: Vec<u64>) -> u64 {
    all.sort_unstable();
    all[all.len() / 2]
}
