//! What has to be found out before git may run: where it works, which files differ from the last
//! commit, and which of them the command line means.
//!
//! git itself is asked, with the options of the command line, so that its own rules for patterns
//! hold; no question takes a lock or refreshes the index.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::process::Command;

mod keep;

use super::real::Git;
use crate::cli::args::Common;
use crate::cli::setup::Place;
use crate::cli::stage::Stage;
use crate::config::folders::Folders;
use crate::control::lock::holder;
use crate::git::{Answer, Content, Deed, Dirty, FileQuestion, Known, Line, Scene, Tree};
use crate::model::failure::{Failure, FailureKind};
use crate::model::path::{Hash, WorkPath};

/// What a merge, rebase or the like leaves in the folder of git until it is finished.
const UNFINISHED: [&str; 5] =
    ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply"];

/// What was found out.
#[derive(Debug)]
pub(super) struct Survey {
    /// Where the engine listens.
    pub(super) socket: PathBuf,
    /// The options before the verb.
    pub(super) globals: Vec<String>,
    /// The root of the work tree.
    pub(super) top: PathBuf,
    /// The folder of git.
    pub(super) git_dir: PathBuf,
    /// The root of the workspace.
    root: PathBuf,
    tree: Tree,
    files: Vec<Found>,
    /// Files of the last commit, if it is to be replaced.
    amended: Vec<(Vec<u8>, Option<FileQuestion>)>,
    /// All files that the patterns match, the unchanged too; `None`: any file.
    reach: Option<BTreeSet<Vec<u8>>>,
}

/// A file that differs from the last commit.
#[derive(Debug)]
struct Found {
    /// Below the root of the work tree.
    path: Vec<u8>,
    tracked: bool,
    staged: bool,
    /// Whether it is now something else than what is staged.
    beyond: bool,
    matched: bool,
    named: bool,
    /// The content in the last commit, as git names it.
    head: Head,
    question: Option<FileQuestion>,
}

/// What the last commit has.
#[derive(Debug, PartialEq, Eq)]
enum Head {
    Absent,
    Object(String),
    Unclear,
}

impl Survey {
    /// Looks around; nothing if the command works on no tree that agents share.
    pub(super) fn take(git: &Git, line: &Line) -> Result<Option<Self>, Failure> {
        let (root, socket) = bench(git)?;
        let globals = line.globals.clone();
        let Some(ground) = Ground::find(git, &globals, &root)? else { return Ok(None) };
        let Ground { top, prefix, git_dir, tree } = ground;
        if tree == Tree::Elsewhere {
            return Ok(None);
        }
        if line.stays_in_its_repository() && is_another(git, &globals, &git_dir, &root) {
            return Ok(None);
        }
        let files = Vec::new();
        let (amended, reach) = (Vec::new(), None);
        let mut survey = Self { socket, globals, top, git_dir, root, tree, files, amended, reach };
        if tree == Tree::Shared && std::env::var_os("GIT_INDEX_FILE").is_none() {
            survey.look(git, line, &prefix)?;
        }
        Ok(Some(survey))
    }

    /// A question to git, which must not change anything.
    fn ask(&self, git: &Git) -> Command {
        let mut command = git.command();
        command.env("GIT_OPTIONAL_LOCKS", "0").args(&self.globals);
        command
    }

    fn look(&mut self, git: &Git, line: &Line, prefix: &Path) -> Result<(), Failure> {
        let here = self.top.join(prefix);
        self.files = self.status(git, &[])?;
        let patterns = match &line.deed {
            Deed::Stages(stages) => stages.scope.patterns().to_vec(),
            Deed::Commits(commits) => commits.what.patterns().to_vec(),
            Deed::ChangesPaths(paths) => {
                let mut patterns = paths.patterns.clone();
                if let Some(target) = &paths.target {
                    patterns.extend(targets(&here, target, &paths.patterns));
                }
                patterns
            }
            Deed::WritesFile(file) => match plain(&here.join(file)).strip_prefix(&self.top) {
                Ok(below) => vec![format!(":(top,literal){}", below.display())],
                Err(_) => {
                    self.files.clear();
                    self.reach = Some(BTreeSet::new());
                    return Ok(());
                }
            },
            Deed::Reads
            | Deed::ChangesTree(_)
            | Deed::ChangesRefs
            | Deed::NeedsPerson(_)
            | Deed::Unknown => Vec::new(),
        };
        if !patterns.is_empty() {
            self.match_patterns(git, &here, &patterns);
        }
        let contents = match &line.deed {
            // Nothing of a file is lost when it is staged or committed.
            Deed::Stages(_) | Deed::Commits(_) | Deed::Reads | Deed::ChangesRefs => false,
            Deed::ChangesPaths(_)
            | Deed::WritesFile(_)
            | Deed::ChangesTree(_)
            | Deed::NeedsPerson(_)
            | Deed::Unknown => true,
        };
        self.put_questions(git, contents)?;
        if let Deed::Commits(commits) = &line.deed
            && commits.amend
        {
            self.amended = self.last_commit(git);
        }
        Ok(())
    }

    /// The files that differ from the last commit, and that `patterns` match if there are any.
    fn status(&self, git: &Git, patterns: &[String]) -> Result<Vec<Found>, Failure> {
        let mut command = self.ask(git);
        command.args(["status", "--porcelain=v2", "-z", "--untracked-files=all", "--no-renames"]);
        command.args(["--ignore-submodules=none", "--"]).args(patterns);
        let rows = git.output(&mut command)?;
        Ok(rows.split(|byte| *byte == 0).filter_map(found).collect())
    }

    /// Marks what the patterns match. If git does not understand them, that is everything.
    fn match_patterns(&mut self, git: &Git, here: &Path, patterns: &[String]) {
        let Ok(matched) = self.status(git, patterns) else { return };
        let matched: BTreeSet<Vec<u8>> = matched.into_iter().map(|file| file.path).collect();
        let names: Vec<PathBuf> = patterns.iter().map(|one| plain(&here.join(one))).collect();
        for file in &mut self.files {
            let full = self.top.join(OsStr::from_bytes(&file.path));
            file.matched = matched.contains(&file.path);
            file.named = names.contains(&full);
        }
        let mut command = self.ask(git);
        command.args(["ls-files", "-z", "--full-name", "--cached", "--"]).args(patterns);
        let Ok(rows) = git.output(&mut command) else { return };
        let all = rows.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        self.reach = Some(all.map(<[u8]>::to_vec).chain(matched).collect());
    }

    /// Prepares what the engine is asked; with `contents`, how the files differ counts too.
    fn put_questions(&mut self, git: &Git, contents: bool) -> Result<(), Failure> {
        let committed = if contents { self.committed(git)? } else { Vec::new() };
        let mut committed = committed.into_iter();
        let (root, top) = (self.root.clone(), self.top.clone());
        for file in &mut self.files {
            let full = top.join(OsStr::from_bytes(&file.path));
            let then = match file.head {
                _ if !contents => Content::Unknown,
                Head::Absent => Content::Absent,
                Head::Object(_) => committed.next().unwrap_or(Content::Unknown),
                Head::Unclear => Content::Unknown,
            };
            let disk = if contents { content(&full) } else { Content::Unknown };
            file.question = question(&root, &full, then, disk);
        }
        Ok(())
    }

    /// What the last commit has of each file that has an object there, in their order.
    fn committed(&self, git: &Git) -> Result<Vec<Content>, Failure> {
        let mut input = String::new();
        let mut wanted = 0;
        for file in &self.files {
            if let Head::Object(object) = &file.head {
                input.push_str(object);
                input.push('\n');
                wanted += 1;
            }
        }
        let mut contents = Vec::with_capacity(wanted);
        if wanted > 0 {
            let mut command = self.ask(git);
            command.args(["cat-file", "--batch"]);
            git.stream(&mut command, input.as_bytes(), |out| {
                let mut out = BufReader::new(out);
                while contents.len() < wanted {
                    contents.push(object(&mut out)?);
                }
                Ok(())
            })?;
        }
        Ok(contents)
    }

    /// The files of the last commit.
    fn last_commit(&self, git: &Git) -> Vec<(Vec<u8>, Option<FileQuestion>)> {
        let mut command = self.ask(git);
        command.args(["diff-tree", "--no-commit-id", "--name-only", "--root", "-r", "-z"]);
        // Without a commit there is nothing to amend, and git says so.
        let Ok(rows) = git.output(command.arg("HEAD")) else { return Vec::new() };
        let all = rows.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        all.map(|path| {
            let full = self.top.join(OsStr::from_bytes(path));
            let asked = question(&self.root, &full, Content::Unknown, Content::Unknown);
            (path.to_vec(), asked)
        })
        .collect()
    }

    /// What the engine is to be asked.
    pub(super) fn questions(&self) -> impl Iterator<Item = &FileQuestion> {
        let files = self.files.iter().filter_map(|file| file.question.as_ref());
        files.chain(self.amended.iter().filter_map(|(_, question)| question.as_ref()))
    }

    /// The whole picture, with what the engine answered to the questions.
    pub(super) fn scene(&self, answer: &Answer) -> Scene {
        let mut answers = answer.files.iter().cloned();
        let mut known =
            |asked: bool| if asked { answers.next().unwrap_or_default() } else { Known::default() };
        let dirty = self.files.iter().map(|file| Dirty {
            path: self.shared_path(&file.path),
            tracked: file.tracked,
            staged: file.staged,
            matched: file.matched,
            named: file.named,
            known: known(file.question.is_some()),
        });
        let dirty = dirty.collect();
        let amended = self
            .amended
            .iter()
            .map(|(path, asked)| (self.shared_path(path), known(asked.is_some())));
        let amended = amended.collect();
        let leases = answer.leases.iter().filter(|lease| self.reaches(&lease.path));
        Scene {
            asker: answer.asker,
            tree: self.tree,
            dirty,
            amended,
            leases: leases.cloned().collect(),
            unfinished: UNFINISHED.iter().any(|name| self.git_dir.join(name).exists()),
            other_index: std::env::var_os("GIT_INDEX_FILE").is_some(),
        }
    }

    /// Whether what is meant may lie under a lease of this path, folder or glob.
    fn reaches(&self, lease: &str) -> bool {
        let stem = lease.split(['*', '?', '[', '{']).next().unwrap_or_default();
        let at = self.root.join(stem);
        let exact = stem == lease && !lease.ends_with('/');
        if !at.starts_with(&self.top) && !self.top.starts_with(&at) {
            return false;
        }
        let Some(reach) = &self.reach else { return true };
        let at = at.as_os_str().as_bytes();
        reach.iter().any(|path| {
            let full = self.top.join(OsStr::from_bytes(path));
            let full = full.as_os_str().as_bytes();
            if exact { full == at } else { full.starts_with(at) }
        })
    }

    /// A path below the work tree as one below the workspace, as far as it lies there.
    fn shared_path(&self, path: &[u8]) -> Vec<u8> {
        let full = self.top.join(OsStr::from_bytes(path));
        let below = full.strip_prefix(&self.root).unwrap_or(&full);
        below.as_os_str().as_bytes().to_vec()
    }

    /// Whether a file below the work tree is staged, and has changed since.
    pub(super) fn is_half_staged(&self, path: &[u8]) -> bool {
        self.files.iter().any(|file| file.path == path && file.staged && file.beyond)
    }

    /// Paths below the work tree, those that the patterns do not match first.
    pub(super) fn split_matched(&self, paths: &[Vec<u8>]) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let matched =
            |path: &Vec<u8>| self.files.iter().any(|file| file.matched && file.path == *path);
        let (matched, rest) = paths.iter().cloned().partition(matched);
        (rest, matched)
    }

    /// Where a path of the scene lies.
    pub(super) fn full(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }
}

/// The root of the workspace and the socket of its engine: those of the folder through which we
/// were called, else those of the repository around the current folder.
fn bench(git: &Git) -> Result<(PathBuf, PathBuf), Failure> {
    let lock = git.shim.as_deref().and_then(Folders::lock_file_beside);
    if let Some(holder) = lock.and_then(|lock| holder(&lock)) {
        return Ok((holder.workspace, holder.socket));
    }
    let place = Place::find(&Stage::of_process()?, &Common::default(), None)?;
    let socket = place.socket();
    Ok((place.workspace, socket))
}

/// Where a command line works.
struct Ground {
    top: PathBuf,
    prefix: PathBuf,
    git_dir: PathBuf,
    tree: Tree,
}

impl Ground {
    /// Asks git; nothing if there is no work tree.
    fn find(git: &Git, globals: &[String], root: &Path) -> Result<Option<Self>, Failure> {
        let ask = |questions: &[&str]| {
            let mut command = git.command();
            command.args(globals).arg("rev-parse").args(questions);
            let printed = git.output(&mut command).ok()?;
            Some(printed.split(|byte| *byte == b'\n').map(path_of).collect::<Vec<_>>())
        };
        let real = |path: &Path| {
            fs::canonicalize(path).map_err(|error| {
                let message = format!("{} is gone", path.display());
                Failure::new(FailureKind::Failed, message).cause(error)
            })
        };
        let questions =
            ["--absolute-git-dir", "--git-common-dir", "--show-toplevel", "--show-prefix"];
        let Some(answers) = ask(&questions) else {
            // Without a work tree, but perhaps in the repository of one that is shared.
            let Some(answers) = ask(&questions[..1]) else { return Ok(None) };
            let git_dir = real(&answers[0])?;
            let crossed = git_dir.starts_with(root) && git_dir.ends_with(".git");
            let ground = || Self {
                top: root.to_owned(),
                prefix: PathBuf::new(),
                git_dir,
                tree: Tree::Crossed,
            };
            return Ok(crossed.then(ground));
        };
        let [git_dir, common, top, prefix, ..] = &answers[..] else { return Ok(None) };
        let (git_dir, top) = (real(git_dir)?, real(top)?);
        // In the main work tree it may be told relative to where git stands.
        let linked =
            common.is_absolute() && fs::canonicalize(common).ok().as_ref() != Some(&git_dir);
        let own = git_dir.starts_with(root) && !linked;
        let tree = if top.starts_with(root) {
            Tree::Shared
        } else if own {
            // The repository of the workspace with the files of another folder, which may hold
            // anything.
            Tree::Crossed
        } else if root.starts_with(&top) {
            Tree::Shared
        } else {
            Tree::Elsewhere
        };
        Ok(Some(Self { top, prefix: prefix.clone(), git_dir, tree }))
    }
}

/// Whether a command line or its environment names another repository than the one that the
/// workspace belongs to.
fn is_another(git: &Git, globals: &[String], git_dir: &Path, root: &Path) -> bool {
    let named = globals.iter().any(|word| word.starts_with("--git-dir"))
        || std::env::var_os("GIT_DIR").is_some();
    if !named {
        return false;
    }
    let mut command = git.command();
    command.env_remove("GIT_DIR").env_remove("GIT_WORK_TREE").arg("-C").arg(root);
    command.args(["rev-parse", "--absolute-git-dir"]);
    let Ok(own) = git.output(&mut command) else {
        // It belongs to none, as far as can be told.
        return !git_dir.starts_with(root);
    };
    let own = own.strip_suffix(b"\n").map_or_else(|| path_of(&own), path_of);
    fs::canonicalize(own).is_ok_and(|own| own != git_dir)
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

/// A row of `status`.
fn found(row: &[u8]) -> Option<Found> {
    let mut fields = row.splitn(2, |byte| *byte == b' ');
    let (kind, rest) = (fields.next()?, fields.next()?);
    let mut beyond = false;
    let (tracked, staged, head, path) = match kind {
        b"1" => {
            let fields: Vec<&[u8]> = rest.splitn(8, |byte| *byte == b' ').collect();
            let [state, _, mode, _, _, object, _, path] = fields[..] else { return None };
            let head = match mode {
                b"000000" => Head::Absent,
                b"100644" | b"100755" => Head::Object(String::from_utf8_lossy(object).into_owned()),
                _ => Head::Unclear,
            };
            beyond = state.get(1) != Some(&b'.');
            (true, state.first() != Some(&b'.'), head, path)
        }
        b"u" => (true, true, Head::Unclear, rest.splitn(10, |byte| *byte == b' ').nth(9)?),
        b"?" => (false, false, Head::Absent, rest),
        _ => return None,
    };
    let path = path.strip_suffix(b"/").unwrap_or(path).to_vec();
    let (matched, named) = (true, false);
    Some(Found { path, tracked, staged, beyond, matched, named, head, question: None })
}

/// The next object that `cat-file --batch` prints.
fn object(out: &mut impl BufRead) -> io::Result<Content> {
    let mut head = String::new();
    out.read_line(&mut head)?;
    let mut words = head.split_ascii_whitespace().skip(1);
    let (Some("blob"), Some(length)) = (words.next(), words.next()) else {
        return Err(io::Error::other("git does not have the content of a file"));
    };
    let length: u64 = length.parse().map_err(io::Error::other)?;
    let mut hash = Hash::stream();
    hash.read_all(&mut out.by_ref().take(length))?;
    out.read_exact(&mut [0])?;
    Ok(Content::Is(hash.finish()))
}

/// What is on disk now.
fn content(full: &Path) -> Content {
    match fs::symlink_metadata(full) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Content::Absent,
        Ok(meta) if meta.is_file() => {
            let mut hash = Hash::stream();
            let read = fs::File::open(full).and_then(|mut file| hash.read_all(&mut file));
            read.map_or(Content::Unknown, |()| Content::Is(hash.finish()))
        }
        Ok(_) | Err(_) => Content::Unknown,
    }
}

fn question(root: &Path, full: &Path, committed: Content, disk: Content) -> Option<FileQuestion> {
    let below = full.strip_prefix(root).ok()?.to_str()?;
    Some(FileQuestion { path: WorkPath::parse(below)?, committed, disk })
}

/// What `mv` makes of its last word: a file, or files in a folder.
fn targets(here: &Path, target: &str, sources: &[String]) -> Vec<String> {
    if !here.join(target).is_dir() {
        return vec![target.to_owned()];
    }
    let name = |source: &String| Some(Path::new(source).file_name()?.to_str()?.to_owned());
    let inside = |name: String| format!("{}/{name}", target.trim_end_matches('/'));
    sources.iter().filter_map(name).map(inside).collect()
}

/// A path without `.` and `..`, as it is written.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}
