//! A commit of an agent's own files, whatever else is staged or committed meanwhile.
//!
//! git itself makes the commit, so hooks, messages, editors, `--amend` and signatures are as ever.
//! What is different is its index: a private one, built from the last commit of that moment, with
//! the agent's files and nothing else. If another commit comes between, git does not move the
//! branch, and it is tried again on top of that one. Afterwards the shared index learns of exactly
//! the files that were committed.

use std::ffi::OsString;
use std::fs;
use std::io::{IsTerminal, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use super::real::{Git, code};
use super::survey::Survey;
use crate::git::deed::{Commits, Content};
use crate::model::failure::{Failure, FailureKind};

/// The beginning of the names of private indexes; the number of the process follows.
const PRIVATE: &str = "benchdog-index-";

/// How often a commit is tried while others come between. Each time one of those got through.
const TRIES: u32 = 200;

/// How often the shared index is asked for while others have it, and the pause between.
const INDEX_TRIES: u32 = 1000;
const INDEX_PAUSE: Duration = Duration::from_millis(10);

/// What git exits with when it cannot do what it was asked.
const FATAL: u8 = 128;

/// Paths in one call.
const CHUNK: usize = 500;

/// Commits `paths` (below the workspace) and gives git's exit code.
pub(super) fn commit(
    git: &Git,
    survey: &Survey,
    commits: &Commits,
    paths: &[Vec<u8>],
) -> Result<u8, Failure> {
    let private = Private::new(survey);
    let desk = Desk { git, survey, private: &private };
    let paths: Vec<Vec<u8>> = paths.iter().filter_map(|path| desk.below_top(path)).collect();
    for _ in 0..TRIES {
        let base = desk.head();
        desk.build(base.as_deref(), commits, &paths)?;
        let (code, complaint) = desk.make(commits)?;
        if code == FATAL && desk.came_between(base.as_deref(), &complaint) && !commits.amend {
            continue;
        }
        let _gone = std::io::stderr().write_all(&complaint);
        if code == 0 {
            desk.tell_shared_index(base.as_deref(), paths);
        }
        return Ok(code);
    }
    Err(Failure::new(FailureKind::Failed, "others commit all the time, and yours found no gap")
        .hint("nothing is lost; try again"))
}

/// A private index; gone when dropped.
struct Private {
    path: PathBuf,
}

impl Private {
    fn new(survey: &Survey) -> Self {
        sweep(&survey.git_dir);
        let name = format!("{PRIVATE}{}", std::process::id());
        Self { path: survey.git_dir.join(name) }
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.path);
    }
}

/// Removes private indexes of processes that are gone.
fn sweep(git_dir: &Path) {
    let Ok(entries) = fs::read_dir(git_dir) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix(PRIVATE));
        let digits = digits.map(|digits| digits.trim_end_matches(".lock"));
        let pid = digits.and_then(|digits| digits.parse().ok());
        let pid = pid.and_then(rustix::process::Pid::from_raw);
        let gone = pid.is_some_and(|pid| {
            rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
        });
        if gone {
            let _gone = fs::remove_file(entry.path());
        }
    }
}

/// What a commit works with.
struct Desk<'a> {
    git: &'a Git,
    survey: &'a Survey,
    private: &'a Private,
}

impl Desk<'_> {
    /// A path below the workspace as one below the work tree.
    fn below_top(&self, path: &[u8]) -> Option<Vec<u8>> {
        let full = self.survey.full(path);
        let below = full.strip_prefix(&self.survey.top).ok()?;
        Some(below.to_owned().into_os_string().into_vec())
    }

    /// git at the root of the work tree, whatever the command line says, with its settings.
    fn plumbing(&self) -> Command {
        let mut command = self.git.literal(&[]);
        command.arg("--git-dir").arg(&self.survey.git_dir);
        command.arg("--work-tree").arg(&self.survey.top).current_dir(&self.survey.top);
        let mut words = self.survey.globals.iter();
        while let Some(word) = words.next() {
            if word == "-c" || word == "--config-env" {
                command.arg(word).args(words.next());
            } else if word.starts_with("--config-env=") {
                command.arg(word);
            }
        }
        command
    }

    /// The same, on the private index.
    fn aside(&self) -> Command {
        let mut command = self.plumbing();
        command.env("GIT_INDEX_FILE", &self.private.path);
        command
    }

    /// The last commit, if there is one.
    fn head(&self) -> Option<String> {
        let mut command = self.plumbing();
        command.args(["rev-parse", "--quiet", "--verify", "HEAD^{commit}"]);
        let printed = self.git.output(&mut command).ok()?;
        Some(String::from_utf8_lossy(&printed).trim().to_owned())
    }

    /// Builds the private index: the last commit, and `paths` as they are to be committed.
    fn build(
        &self,
        base: Option<&str>,
        commits: &Commits,
        paths: &[Vec<u8>],
    ) -> Result<(), Failure> {
        // What the shared index knows of unchanged files saves reading them.
        if fs::copy(self.survey.git_dir.join("index"), &self.private.path).is_err() {
            let _gone = fs::remove_file(&self.private.path);
        }
        let mut command = self.aside();
        command.arg("read-tree");
        match base {
            Some(base) => command.args(["--reset", base]),
            None => command.arg("--empty"),
        };
        self.git.output(&mut command)?;
        let (staged, as_they_are) = match &commits.what {
            Content::Staged => (paths.to_vec(), Vec::new()),
            Content::Tracked | Content::Only(_) => (Vec::new(), paths.to_vec()),
            Content::Also(_) => self.survey.split_matched(paths),
        };
        if !staged.is_empty() {
            let rows = self.staged_rows(&staged)?;
            let mut command = self.aside();
            command.args(["update-index", "-z", "--index-info"]);
            self.git.answer(&mut command, &rows)?;
        }
        if !as_they_are.is_empty() {
            let mut command = self.aside();
            command.args(["update-index", "--add", "--remove", "-z", "--stdin"]);
            self.git.answer(&mut command, &joined(&as_they_are))?;
        }
        Ok(())
    }

    /// What the shared index has of `paths`, as rows for `update-index --index-info`.
    fn staged_rows(&self, paths: &[Vec<u8>]) -> Result<Vec<u8>, Failure> {
        let mut rows = Vec::new();
        for chunk in paths.chunks(CHUNK) {
            for path in chunk {
                // First out, then in again if it is there: what was removed stays out.
                rows.extend_from_slice(b"0 0000000000000000000000000000000000000000\t");
                rows.extend_from_slice(path);
                rows.push(0);
            }
            let mut command = self.plumbing();
            command.args(["ls-files", "--stage", "-z", "--"]).args(words(chunk));
            rows.extend(self.git.output(&mut command)?);
        }
        Ok(rows)
    }

    /// Has git make the commit; gives its exit code and what it complains of, if that is not shown
    /// yet.
    fn make(&self, commits: &Commits) -> Result<(u8, Vec<u8>), Failure> {
        let mut command = self.git.command();
        command.env("GIT_INDEX_FILE", &self.private.path);
        command.args(&self.survey.globals).arg("commit").args(&commits.options);
        let broken = |error: std::io::Error| {
            Failure::new(FailureKind::Failed, "git cannot be run").cause(error)
        };
        // An editor wants the terminal, if there is one.
        if std::io::stderr().is_terminal() {
            return Ok((code(command.status().map_err(broken)?), Vec::new()));
        }
        let mut child = command.stderr(Stdio::piped()).spawn().map_err(broken)?;
        let mut complaint = Vec::new();
        if let Some(mut errors) = child.stderr.take() {
            errors.read_to_end(&mut complaint).map_err(broken)?;
        }
        Ok((code(child.wait().map_err(broken)?), complaint))
    }

    /// Whether the commit was not made because of another one.
    fn came_between(&self, base: Option<&str>, complaint: &[u8]) -> bool {
        let complaint = String::from_utf8_lossy(complaint);
        self.head().as_deref() != base || complaint.contains("cannot lock ref")
    }

    /// Tells the shared index what the files of the commit are now: as they were committed.
    fn tell_shared_index(&self, base: Option<&str>, mut paths: Vec<Vec<u8>>) {
        // A hook may have put more into the commit.
        if let Some(base) = base {
            let mut command = self.plumbing();
            command.args(["diff-tree", "--name-only", "-r", "-z", base, "HEAD"]);
            if let Ok(rows) = self.git.output(&mut command) {
                let all = rows.split(|byte| *byte == 0).filter(|path| !path.is_empty());
                paths.extend(all.map(<[u8]>::to_vec));
            }
        }
        paths.sort_unstable();
        paths.dedup();
        for chunk in paths.chunks(CHUNK) {
            if let Err(failure) = self.reset(chunk) {
                let text = format!(
                    "benchdog: the commit is made, but the index still shows its files as changed \
                     ({}); `git reset -q` mends that",
                    failure.message
                );
                let _gone = writeln!(std::io::stderr(), "{text}");
                return;
            }
        }
    }

    fn reset(&self, paths: &[Vec<u8>]) -> Result<(), Failure> {
        for _ in 1..INDEX_TRIES {
            let mut command = self.plumbing();
            command.env_remove("GIT_INDEX_FILE").args(["reset", "-q", "--"]).args(words(paths));
            match self.git.output(&mut command) {
                Err(failure) if failure.message.contains("index.lock") => {
                    thread::sleep(INDEX_PAUSE);
                }
                done => return done.map(|_| ()),
            }
        }
        Err(Failure::new(FailureKind::Failed, "another git keeps it locked"))
    }
}

fn words(paths: &[Vec<u8>]) -> impl Iterator<Item = OsString> {
    paths.iter().map(|path| OsString::from_vec(path.clone()))
}

fn joined(paths: &[Vec<u8>]) -> Vec<u8> {
    let mut all = Vec::new();
    for path in paths {
        all.extend_from_slice(path);
        all.push(0);
    }
    all
}
