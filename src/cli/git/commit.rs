//! A commit of an agent's own files, whatever else is staged or committed meanwhile.
//!
//! git itself makes the commit, so hooks, messages, editors, `--amend` and signatures are as ever.
//! What is different: it works on a copy of the index, so that it locks nobody out, and is told to
//! take the agent's files only, which it does on top of the last commit of that moment. Agents
//! take turns; if a commit of somebody else comes between, git does not move the branch, and it is
//! tried again on top of that one.
//! Afterwards the shared index learns of exactly the files that were committed.
//!
//! Where only a part of a file is staged, git cannot be told to take just that. Then the copy is
//! made to hold the last commit and what is staged of the agent's files, and it is looked after
//! the fact whether that was still the last commit; if not, the branch goes back and it is tried
//! again.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use rustix::fs::FlockOperation;

use super::real::{FATAL, Git, INDEX_PAUSE, INDEX_TRIES, index_is_taken};
use super::survey::Survey;
use crate::git::deed::{Commits, Content};
use crate::model::failure::{Failure, FailureKind};

/// The beginning of the names of private indexes; the number of the process follows.
const PRIVATE: &str = "benchdog-index-";

/// How often a commit is tried while others come between. Each time one of those got through.
const TRIES: u32 = 200;

/// Letters of an object's name, unless there is one to be asked.
const OBJECT_LETTERS: usize = 40;

/// Paths in one call.
const CHUNK: usize = 500;

/// Commits `paths` (below the workspace) and gives git's exit code.
pub(super) fn commit(
    git: &Git,
    survey: &Survey,
    commits: &Commits,
    paths: &[Vec<u8>],
) -> Result<u8, Failure> {
    let _turn = turn(survey)?;
    let private = Private::new(survey);
    let desk = Desk { git, survey };
    let paths: Vec<Vec<u8>> = paths.iter().filter_map(|path| desk.below_top(path)).collect();
    // Without any file git would take all that is staged.
    let piecewise = paths.is_empty() || desk.is_piecewise(commits, &paths);
    for _ in 0..TRIES {
        let base = desk.head();
        private.copy(survey);
        if piecewise {
            desk.build(&private, base.as_deref(), commits, &paths)?;
        }
        let only = if piecewise { &[][..] } else { &paths };
        let (code, complaint) = desk.make(&private, commits, only)?;
        let between = match code {
            0 => (piecewise || commits.amend) && desk.went_astray(base.as_deref(), commits)?,
            FATAL => desk.came_between(base.as_deref(), &complaint),
            _ => false,
        };
        if between && commits.amend {
            let message = "another commit came between, so the one to be amended is not the last";
            return Err(Failure::new(FailureKind::Failed, message)
                .hint("make a commit of its own, without --amend"));
        }
        if between {
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

/// Waits until no other agent commits here: git writes the message of each commit into one file.
/// It is our turn until what is given is dropped.
fn turn(survey: &Survey) -> Result<File, Failure> {
    let folder = File::open(&survey.git_dir);
    let locked = folder.and_then(|folder| {
        rustix::fs::flock(&folder, FlockOperation::LockExclusive)?;
        Ok(folder)
    });
    locked.map_err(|error| {
        let message = format!("{} cannot be locked", survey.git_dir.display());
        Failure::new(FailureKind::Failed, message).cause(error)
    })
}

/// Takes `paths` (below the workspace) out of what is staged; gives the exit code.
pub(super) fn unstage(git: &Git, survey: &Survey, paths: &[Vec<u8>]) -> Result<u8, Failure> {
    let desk = Desk { git, survey };
    let paths: Vec<Vec<u8>> = paths.iter().filter_map(|path| desk.below_top(path)).collect();
    desk.index_as_committed(&paths).map(|()| 0)
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

    /// Has it say what the shared index says.
    fn copy(&self, survey: &Survey) {
        if fs::copy(survey.git_dir.join("index"), &self.path).is_err() {
            let _gone = fs::remove_file(&self.path);
        }
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
        command.env_remove("GIT_INDEX_FILE");
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
    fn aside(&self, private: &Private) -> Command {
        let mut command = self.plumbing();
        command.env("GIT_INDEX_FILE", &private.path);
        command
    }

    /// The last commit, if there is one.
    fn head(&self) -> Option<String> {
        let mut command = self.plumbing();
        command.args(["rev-parse", "--quiet", "--verify", "HEAD^{commit}"]);
        let printed = self.git.output(&mut command).ok()?;
        Some(String::from_utf8_lossy(&printed).trim().to_owned())
    }

    /// Whether a part of a file is to be committed.
    fn is_piecewise(&self, commits: &Commits, paths: &[Vec<u8>]) -> bool {
        match &commits.what {
            Content::Tracked | Content::Only(_) => false,
            Content::Staged => paths.iter().any(|path| self.survey.is_half_staged(path)),
            Content::Also(_) => {
                let (staged, _) = self.survey.split_matched(paths);
                staged.iter().any(|path| self.survey.is_half_staged(path))
            }
        }
    }

    /// Builds the private index: the last commit, and `paths` as they are to be committed.
    fn build(
        &self,
        private: &Private,
        base: Option<&str>,
        commits: &Commits,
        paths: &[Vec<u8>],
    ) -> Result<(), Failure> {
        let mut command = self.aside(private);
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
            let rows = self.staged_rows(base, &staged)?;
            let mut command = self.aside(private);
            command.args(["update-index", "-z", "--index-info"]);
            self.git.answer(&mut command, &rows)?;
        }
        if !as_they_are.is_empty() {
            let mut command = self.aside(private);
            command.args(["update-index", "--add", "--remove", "-z", "--stdin"]);
            self.git.answer(&mut command, &joined(&as_they_are))?;
        }
        Ok(())
    }

    /// What the shared index has of `paths`, as rows for `update-index --index-info`.
    fn staged_rows(&self, base: Option<&str>, paths: &[Vec<u8>]) -> Result<Vec<u8>, Failure> {
        let mut rows = Vec::new();
        for chunk in paths.chunks(CHUNK) {
            // First out, then in again if it is there: what was removed stays out.
            rows.extend(removals(base, chunk));
            let mut command = self.plumbing();
            command.args(["ls-files", "--stage", "-z", "--"]).args(words(chunk));
            rows.extend(self.git.output(&mut command)?);
        }
        Ok(rows)
    }

    /// Has git make the commit; gives its exit code and what it complains of, if that is not shown
    /// yet.
    fn make(
        &self,
        private: &Private,
        commits: &Commits,
        only: &[Vec<u8>],
    ) -> Result<(u8, Vec<u8>), Failure> {
        let mut command = self.git.plain(&self.survey.globals);
        command.env("GIT_INDEX_FILE", &private.path).arg("commit").args(&commits.options);
        if !only.is_empty() {
            command.args(["--only", "--"]).args(only.iter().map(|path| exactly(path)));
        }
        self.git.run(&mut command)
    }

    /// Whether the commit that was just made stands on another one than was thought, and so undoes
    /// that one; then the branch goes back.
    fn went_astray(&self, base: Option<&str>, commits: &Commits) -> Result<bool, Failure> {
        let parent = if commits.amend { "HEAD@{1}" } else { "HEAD^" };
        let ask = |what: &str| {
            let mut command = self.plumbing();
            command.args(["rev-parse", "--quiet", "--verify", what]);
            let printed = self.git.output(&mut command).ok()?;
            Some(String::from_utf8_lossy(&printed).trim().to_owned())
        };
        let (Some(made), Some(stands_on)) = (ask("HEAD"), ask(parent)) else { return Ok(false) };
        if Some(stands_on.as_str()) == base {
            return Ok(false);
        }
        let mut command = self.plumbing();
        command.args(["update-ref", "-m", "benchdog: commit again", "HEAD", &stands_on, &made]);
        self.git.output(&mut command)?;
        Ok(true)
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
        if let Err(failure) = self.index_as_committed(&paths) {
            let text = format!(
                "benchdog: the commit is made, but the index still shows its files as changed \
                 ({}); `git reset -q` mends that",
                failure.message
            );
            let _gone = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Has the shared index say of `paths` what the last commit says.
    fn index_as_committed(&self, paths: &[Vec<u8>]) -> Result<(), Failure> {
        loop {
            let head = self.head();
            for chunk in paths.chunks(CHUNK) {
                let mut rows = removals(head.as_deref(), chunk);
                if let Some(head) = &head {
                    let mut command = self.plumbing();
                    command.args(["ls-tree", "-r", "-z", "--full-tree", head, "--"]);
                    rows.extend(self.git.output(command.args(words(chunk)))?);
                }
                self.write_shared_index(&rows)?;
            }
            // Whoever commits the same file meanwhile does the same: the last one to look is right.
            if self.head() == head {
                return Ok(());
            }
        }
    }

    /// Changes rows of the shared index. It is read under its lock, so that nothing of others goes.
    fn write_shared_index(&self, rows: &[u8]) -> Result<(), Failure> {
        for _ in 0..INDEX_TRIES {
            let mut command = self.plumbing();
            command.args(["update-index", "-z", "--index-info"]);
            match self.git.answer(&mut command, rows) {
                Err(failure) if index_is_taken(failure.message.as_bytes()) => {
                    thread::sleep(INDEX_PAUSE);
                }
                done => return done.map(|_| ()),
            }
        }
        Err(Failure::new(FailureKind::Failed, "another git keeps it locked"))
    }
}

/// Rows for `update-index --index-info` that take `paths` out.
fn removals(commit: Option<&str>, paths: &[Vec<u8>]) -> Vec<u8> {
    let nothing = "0".repeat(commit.map_or(OBJECT_LETTERS, str::len));
    let mut rows = Vec::new();
    for path in paths {
        rows.extend_from_slice(format!("0 {nothing}\t").as_bytes());
        rows.extend_from_slice(path);
        rows.push(0);
    }
    rows
}

/// The pattern that matches this file of the work tree and nothing else.
fn exactly(path: &[u8]) -> OsString {
    let mut pattern = OsString::from(":(top,literal)");
    pattern.push(OsString::from_vec(path.to_vec()));
    pattern
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
