//! The built binary, with a home of its own.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use super::PATIENCE;
use super::lines::Lines;
use super::workspace::Workspace;

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_benchdog");

/// Names another copy of the program, for users who cannot reach the build folder.
pub(crate) const COPY: &str = "BENCHDOG_TEST_PROGRAM";

/// The program, wherever this user can reach it.
fn program() -> PathBuf {
    std::env::var_os(COPY).map_or_else(|| PathBuf::from(PROGRAM), PathBuf::from)
}

/// A home and a workspace for benchdog, and the commands run there.
#[derive(Debug)]
pub(crate) struct Bench {
    home: TempDir,
    /// Where the agents work.
    pub(crate) workspace: Workspace,
}

/// What a command left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ran {
    /// Its exit code.
    pub(crate) code: Option<i32>,
    /// Its output.
    pub(crate) stdout: String,
    /// Its messages.
    pub(crate) stderr: String,
}

impl Ran {
    /// The JSON document on stdout; panics unless the command succeeded.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{self:#?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

impl Bench {
    /// In an empty workspace.
    pub(crate) fn new() -> Self {
        Self::in_workspace(Workspace::new())
    }

    /// In a workspace that is there.
    pub(crate) fn in_workspace(workspace: Workspace) -> Self {
        Self { home: tempfile::tempdir().unwrap(), workspace }
    }

    /// Writes a script for the built-in agent; outside the workspace.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home.path().join(format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A path in the home, for logs and the like.
    pub(crate) fn at_home(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The history, once there is one.
    pub(crate) fn history(&self) -> PathBuf {
        self.at_home("bench/data/history.db")
    }

    /// The program's environment: nothing of the person who runs the tests.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let home = self.home.path().to_string_lossy().into_owned();
        let path = std::env::var("PATH").unwrap_or_default();
        [
            ("PATH", path),
            ("HOME", home.clone()),
            ("BENCHDOG_HOME", format!("{home}/bench")),
            ("BENCHDOG_SCRIPT_STATE", format!("{home}/script-state")),
            ("BENCHDOG_SCRIPT_SPEED", "0".to_owned()),
            ("TMPDIR", home.clone()),
            ("LANG", "C.UTF-8".to_owned()),
            ("TERM", "xterm-256color".to_owned()),
            ("GIT_CONFIG_GLOBAL", "/dev/null".to_owned()),
            ("GIT_CONFIG_SYSTEM", "/dev/null".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// The program with these arguments, not started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(args).current_dir(self.workspace.path());
        command.env_clear().envs(self.environment());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let mut running = self.start(args);
        let stdout = running.stdout.rest().join("\n");
        let (code, stderr) = running.wait_exit();
        Ran { code, stdout, stderr }
    }

    /// Runs a command that prints one JSON document.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.run(args).json()
    }

    /// Starts a command that goes on.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        Running::of(self.command(args))
    }
}

/// A command that goes on; ended with the test.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// Its output, line by line.
    pub(crate) stdout: Lines,
    stderr: mpsc::Receiver<String>,
}

impl Running {
    /// Starts `command`.
    pub(crate) fn of(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self::begin(command)
    }

    /// Starts `command`, which can be spoken to.
    pub(crate) fn answered(mut command: Command) -> (Self, ChildStdin) {
        command.stdin(Stdio::piped());
        let mut running = Self::begin(command);
        let input = running.child.stdin.take().unwrap();
        (running, input)
    }

    fn begin(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Lines::of(child.stdout.take().unwrap());
        let mut errors = child.stderr.take().unwrap();
        let (to, stderr) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text);
            let _ = to.send(text);
        });
        Self { child, stdout, stderr }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line that contains `words`.
    pub(crate) fn wait_line(&mut self, words: &str) -> String {
        self.stdout.wait_for(words, |line| line.contains(words))
    }

    /// Waits for a line that is JSON and `fits`.
    pub(crate) fn wait_json(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let parse = |line: &str| serde_json::from_str::<Value>(line).ok();
        let line = self.stdout.wait_for(what, |line| parse(line).is_some_and(|line| fits(&line)));
        parse(&line).unwrap_or_default()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.unwrap(), signal).unwrap();
    }

    /// Whether it has ended; it is not taken leave of.
    pub(crate) fn is_over(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let state = stat.ok().and_then(|stat| Some(stat.rsplit_once(") ")?.1.chars().next()));
        matches!(state, None | Some(Some('Z' | 'X') | None))
    }

    /// Waits for its end: exit code (none after a signal) and messages.
    pub(crate) fn wait_exit(&mut self) -> (Option<i32>, String) {
        let stderr = self.stderr.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            panic!("process {} does not end", self.child.id());
        });
        (self.child.wait().unwrap().code(), stderr)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
