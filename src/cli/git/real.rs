//! The real git: where it is, and how it is run.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, IsTerminal, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use super::fail;
use crate::config::shim::GIT;
use crate::model::agent::GIT_CHECKED;
use crate::model::failure::{Failure, FailureKind};

/// The exit code of a shell when a program is not there.
const NOT_FOUND: u8 = 127;

/// What git exits with when it cannot do what it was asked.
pub(super) const FATAL: u8 = 128;

/// How often the index is asked for while others have it, and the pause between.
pub(super) const INDEX_TRIES: u32 = 1000;
pub(super) const INDEX_PAUSE: Duration = Duration::from_millis(10);

/// Variables that change what patterns mean.
const PATTERN_VARIABLES: [&str; 4] =
    ["GIT_LITERAL_PATHSPECS", "GIT_GLOB_PATHSPECS", "GIT_NOGLOB_PATHSPECS", "GIT_ICASE_PATHSPECS"];

/// The real git of this process's search path.
#[derive(Debug, Clone)]
pub(super) struct Git {
    program: PathBuf,
    /// The folder through which we were called, if it is on the search path.
    pub(super) shim: Option<PathBuf>,
    /// The search path without us, if the real git is a script that might call us again.
    path: Option<OsString>,
    /// What the engine gave us when we asked whose work is at stake.
    pass: Option<String>,
}

impl Git {
    /// The next `git` on the search path that is not benchdog.
    pub(super) fn find() -> Result<Self, Failure> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let us = std::env::current_exe().ok();
        let (program, shim) = search(&path, us.as_deref());
        let program = program.ok_or_else(|| {
            Failure::new(FailureKind::Failed, "there is no git on the search path but this one")
                .hint("install git, or put its folder into PATH")
        })?;
        let path = is_script(&program).then(|| without_us(&path, us.as_deref()));
        Ok(Self { program, shim, path, pass: None })
    }

    /// From now on git is run for somebody who has asked.
    pub(super) fn with_pass(self, pass: String) -> Self {
        Self { pass: Some(pass), ..self }
    }

    /// The real git with these arguments, in the environment as it is.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(path) = &self.path {
            command.env("PATH", path);
        }
        if let Some(pass) = &self.pass {
            command.env(GIT_CHECKED, pass);
        }
        command
    }

    /// The real git with `globals`, but patterns mean what they usually mean.
    pub(super) fn plain(&self, globals: &[String]) -> Command {
        let mut command = self.command();
        for name in PATTERN_VARIABLES {
            command.env_remove(name);
        }
        command.args(globals.iter().filter(|word| !word.ends_with("-pathspecs")));
        command
    }

    /// The same, but every pattern is the plain name of a file.
    pub(super) fn literal(&self, globals: &[String]) -> Command {
        let mut command = self.plain(globals);
        command.arg("--literal-pathspecs");
        command
    }

    /// Becomes the real git.
    pub(super) fn become_it(&self, words: &[OsString]) -> u8 {
        let error = self.command().args(words).exec();
        fail(&cannot_run(&self.program, &error));
        NOT_FOUND
    }

    /// Starts the real git, with our input and output.
    pub(super) fn start(&self, words: &[OsString]) -> Result<Child, Failure> {
        let started = self.command().args(words).spawn();
        started.map_err(|error| cannot_run(&self.program, &error))
    }

    /// Waits for the end of what was started; gives its exit code.
    pub(super) fn wait(&self, child: &mut Child) -> Result<u8, Failure> {
        child.wait().map(code).map_err(|error| cannot_run(&self.program, &error))
    }

    /// Runs `command` to its end, with our input and output; gives its exit code. As long as
    /// another git has the index, it is tried again: git takes the index before anything else.
    pub(super) fn run_patiently(&self, command: &mut Command) -> u8 {
        for _ in 0..INDEX_TRIES {
            match self.run(command) {
                Ok((FATAL, complaint)) if index_is_taken(&complaint) => thread::sleep(INDEX_PAUSE),
                Ok((code, complaint)) => {
                    let _gone = io::stderr().write_all(&complaint);
                    return code;
                }
                Err(failure) => {
                    fail(&failure);
                    return NOT_FOUND;
                }
            }
        }
        fail(&Failure::new(FailureKind::Failed, "another git keeps the index locked"))
    }

    /// Runs `command` to its end, with our input and output; gives its exit code and what it
    /// complains of, if that is not shown yet.
    pub(super) fn run(&self, command: &mut Command) -> Result<(u8, Vec<u8>), Failure> {
        let broken = |error: io::Error| cannot_run(&self.program, &error);
        // An editor wants the terminal, if there is one.
        if io::stderr().is_terminal() {
            return Ok((code(command.status().map_err(broken)?), Vec::new()));
        }
        let mut child = command.stderr(Stdio::piped()).spawn().map_err(broken)?;
        let mut complaint = Vec::new();
        if let Some(mut errors) = child.stderr.take() {
            errors.read_to_end(&mut complaint).map_err(broken)?;
        }
        Ok((code(child.wait().map_err(broken)?), complaint))
    }

    /// What `command` prints; an error carries what it complains of.
    pub(super) fn output(&self, command: &mut Command) -> Result<Vec<u8>, Failure> {
        self.answer(command, &[])
    }

    /// What `command` prints when it reads `input`.
    pub(super) fn answer(&self, command: &mut Command, input: &[u8]) -> Result<Vec<u8>, Failure> {
        let mut printed = Vec::new();
        self.stream(command, input, |out| out.read_to_end(&mut printed).map(|_| ()))?;
        Ok(printed)
    }

    /// Has `take` read what `command` prints when it reads `input`.
    pub(super) fn stream(
        &self,
        command: &mut Command,
        input: &[u8],
        take: impl FnOnce(&mut dyn Read) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let broken = |error: io::Error| cannot_run(&self.program, &error);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(broken)?;
        let (to, from, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (taken, complaint) = thread::scope(|scope| {
            scope.spawn(move || {
                // It may end before it has read everything.
                let _ended = to.map(|mut to| to.write_all(input));
            });
            let complaint = scope.spawn(move || {
                let mut text = Vec::new();
                let _ended = errors.map(|mut errors| errors.read_to_end(&mut text));
                text
            });
            let taken = from.map_or(Ok(()), |mut from| {
                let taken = take(&mut from);
                let _rest = io::copy(&mut from, &mut io::sink());
                taken
            });
            (taken, complaint.join().unwrap_or_default())
        });
        let status = child.wait().map_err(broken)?;
        if !status.success() {
            let complaint = String::from_utf8_lossy(&complaint);
            let first = complaint.lines().next().unwrap_or("git does not say why").to_owned();
            return Err(Failure::new(FailureKind::Failed, first));
        }
        taken.map_err(broken)
    }
}

/// Whether git complains that another one has the index.
pub(super) fn index_is_taken(complaint: &[u8]) -> bool {
    let complaint = String::from_utf8_lossy(complaint);
    complaint.contains("index.lock")
}

/// The exit code of a process, as a shell tells it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn cannot_run(program: &Path, error: &io::Error) -> Failure {
    Failure::new(FailureKind::Failed, format!("{} cannot be run", program.display())).cause(error)
}

/// The real git on `path`, and the folder that leads to `us`.
fn search(path: &OsStr, us: Option<&Path>) -> (Option<PathBuf>, Option<PathBuf>) {
    let mut shim = None;
    for folder in std::env::split_paths(path) {
        let found = folder.join(GIT);
        if is_us(&found, us) {
            shim = shim.or(Some(folder));
        } else if is_program(&found) {
            return (Some(found), shim);
        }
    }
    (None, shim)
}

fn without_us(path: &OsStr, us: Option<&Path>) -> OsString {
    let kept = std::env::split_paths(path).filter(|folder| !is_us(&folder.join(GIT), us));
    std::env::join_paths(kept).unwrap_or_else(|_| path.to_owned())
}

/// Whether a file is this very program, whatever it is called; another benchdog counts as well.
fn is_us(found: &Path, us: Option<&Path>) -> bool {
    let same = |us: &Path| match (fs::metadata(found), fs::metadata(us)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    };
    let leads = fs::canonicalize(found).unwrap_or_default();
    us.is_some_and(same) || leads.file_name().is_some_and(|name| name == env!("CARGO_PKG_NAME"))
}

fn is_program(found: &Path) -> bool {
    fs::metadata(found).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn is_script(program: &Path) -> bool {
    let mut start = [0; 2];
    let read = fs::File::open(program).and_then(|mut file| file.read_exact(&mut start));
    read.is_ok() && &start == b"#!"
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn program(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_next_git_that_is_not_benchdog_is_the_real_one() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        program(&at("us/benchdog"), "\x7fELF");
        program(&at("other/benchdog"), "\x7fELF");
        program(&at("real/git"), "\x7fELF");
        program(&at("script/git"), "#!/bin/sh\nexec git \"$@\"\n");
        for (shim, target) in [("one", "us"), ("two", "us"), ("older", "other")] {
            fs::create_dir(at(shim)).unwrap();
            symlink(at(&format!("{target}/benchdog")), at(shim).join("git")).unwrap();
        }
        fs::create_dir_all(at("folder/git")).unwrap();
        fs::create_dir(at("plain")).unwrap();
        fs::write(at("plain/git"), "no program").unwrap();
        let path =
            |names: &[&str]| std::env::join_paths(names.iter().map(|name| at(name))).unwrap();
        let us = at("us/benchdog");
        let all = path(&["plain", "one", "two", "older", "folder", "real", "script"]);
        assert_eq!(search(&all, Some(&us)), (Some(at("real/git")), Some(at("one"))));
        assert_eq!(search(&path(&["one", "two"]), Some(&us)), (None, Some(at("one"))));
        // A script may look for git again: it does not find us.
        assert!(is_script(&at("script/git")) && !is_script(&at("real/git")));
        let left = without_us(&path(&["one", "script", "two", "real"]), Some(&us));
        assert_eq!(left, path(&["script", "real"]));
    }
}
