//! What git ignores: build output, which agents write without being asked.
//!
//! The rules are read from the disk when they are first needed, and again after one of their files
//! has changed. A rule that comes later does not make a source into build output: whoever writes
//! `src/` into a `.gitignore` gets nothing by it.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::model::path::WorkPath;

/// The names of files that hold rules.
const RULES: &str = ".gitignore";

/// Paths that are known to be sources are remembered by a number of this size each; so many.
const SOURCES: usize = 1_000_000;

/// What git ignores in one workspace.
#[derive(Debug)]
pub(in crate::engine) struct BuildOutput {
    root: PathBuf,
    known: RwLock<Known>,
    hash: RandomState,
}

#[derive(Debug, Default)]
struct Known {
    /// The rules of folders, and whether a folder is ignored with all that is in it.
    folders: HashMap<String, Folder>,
    /// The numbers of paths that were met as sources.
    sources: HashSet<u64>,
}

#[derive(Debug, Clone)]
struct Folder {
    ignored: bool,
    /// Which state of its own file of rules these are.
    state: Option<(u64, Option<SystemTime>)>,
    /// The rules that hold in it, the nearest first.
    rules: Arc<[Gitignore]>,
}

impl BuildOutput {
    /// For the workspace at `root`, where these paths are sources.
    pub(in crate::engine) fn new(root: &Path) -> Self {
        let (known, hash) = (RwLock::default(), RandomState::new());
        Self { root: root.to_owned(), known, hash }
    }

    /// Whether agents write there without being asked.
    pub(in crate::engine) fn covers(&self, path: &WorkPath) -> bool {
        let number = self.hash.hash_one(path);
        if path.may_be_secret() || self.read(|known| known.sources.contains(&number)) {
            return false;
        }
        self.is_ignored(path)
    }

    /// Whether a folder is ignored with all that is in it.
    pub(in crate::engine) fn covers_folder(&self, path: &WorkPath) -> bool {
        let found = self.read(|known| known.folders.get(path.as_str()).cloned());
        found.unwrap_or_else(|| self.learn(path.as_str())).ignored
    }

    /// These files are sources, and stay it.
    pub(in crate::engine) fn met<'a>(&self, paths: impl IntoIterator<Item = &'a WorkPath>) {
        let numbers: Vec<u64> = paths.into_iter().map(|path| self.hash.hash_one(path)).collect();
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for number in numbers {
            if known.sources.len() < SOURCES {
                known.sources.insert(number);
            }
        }
    }

    /// A file was written: if it holds rules, they are read anew.
    pub(in crate::engine) fn written(&self, path: &WorkPath) {
        if path.name() == RULES {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.folders.clear();
        }
    }

    /// Whether git would leave it out.
    pub(in crate::engine) fn is_ignored(&self, path: &WorkPath) -> bool {
        let (folder, _) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
        let full = path.below(&self.root);
        let says = |known: &Folder| known.ignored || is_matched(&known.rules, &full, false);
        let found = self.read(|known| known.folders.get(folder).map(says));
        let ignored = found.unwrap_or_else(|| says(&self.learn(folder)));
        if ignored || !self.is_outdated(folder) {
            return ignored;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.folders.clear();
        drop(known);
        says(&self.learn(folder))
    }

    /// Whether the rules of a folder, or of one above it, are others than those that were read.
    fn is_outdated(&self, folder: &str) -> bool {
        let mut folder = Some(folder);
        while let Some(at) = folder {
            let known = self.read(|known| known.folders.get(at).map(|known| known.state));
            if known.is_some_and(|known| known != state_of(&self.root.join(at))) {
                return true;
            }
            folder = above(at);
        }
        false
    }

    fn read<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the rules of a folder and of those above it.
    fn learn(&self, folder: &str) -> Folder {
        let full = self.root.join(folder);
        let state = state_of(&full);
        let learned = match above(folder) {
            None => Folder { ignored: false, state, rules: Arc::from(self.outermost()) },
            Some(above) => {
                let known = self.read(|known| known.folders.get(above).cloned());
                let above = known.unwrap_or_else(|| self.learn(above));
                if above.ignored || is_matched(&above.rules, &full, true) {
                    Folder { ignored: true, state, rules: Arc::from([]) }
                } else {
                    let own = rules_in(&full);
                    Folder {
                        ignored: false,
                        state,
                        rules: own.into_iter().chain(above.rules.iter().cloned()).collect(),
                    }
                }
            }
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.folders.insert(folder.to_owned(), learned.clone());
        learned
    }

    /// The rules of the root, of this clone and of the person.
    fn outermost(&self) -> Vec<Gitignore> {
        let mut clone = GitignoreBuilder::new(&self.root);
        // A missing file has no rules, and a rule that cannot be read ignores nothing.
        drop(clone.add(self.root.join(".git/info/exclude")));
        let own = rules_in(&self.root).into_iter().chain(clone.build().ok());
        // The person's own rules hold for all repositories; their paths begin nowhere.
        own.chain([GitignoreBuilder::new(&self.root).build_global().0]).collect()
    }

    /// The folders that exist and are ignored as a whole, as far as they are not too deep.
    pub(in crate::engine) fn folders(&self) -> Vec<WorkPath> {
        let mut found = Vec::new();
        let mut left = vec![(String::new(), 0)];
        let mut seen = 0;
        while let Some((folder, depth)) = left.pop() {
            let Ok(entries) = std::fs::read_dir(self.root.join(&folder)) else { continue };
            for entry in entries.filter_map(Result::ok) {
                if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    continue;
                }
                seen += 1;
                let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
                let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                let Some(known) = WorkPath::parse(&path) else { continue };
                if crate::arbiter::is_protected(&known) {
                    continue;
                }
                if self.learn(&path).ignored {
                    found.push(known);
                } else if depth < DEEPEST && seen < MOST {
                    left.push((path, depth + 1));
                }
            }
        }
        found.sort();
        found
    }
}

/// How deep folders are looked for that are ignored, and among how many.
const DEEPEST: usize = 5;
const MOST: usize = 20_000;

/// The folder above one; none above the root.
fn above(folder: &str) -> Option<&str> {
    match folder.rsplit_once('/') {
        _ if folder.is_empty() => None,
        Some((above, _)) => Some(above),
        None => Some(""),
    }
}

/// By what a file of rules is known again.
fn state_of(folder: &Path) -> Option<(u64, Option<SystemTime>)> {
    let meta = std::fs::metadata(folder.join(RULES)).ok()?;
    Some((meta.len(), meta.modified().ok()))
}

/// The rules of one folder, if it has any.
fn rules_in(folder: &Path) -> Option<Gitignore> {
    let file = folder.join(RULES);
    let mut builder = GitignoreBuilder::new(folder);
    if !file.is_file() || builder.add(&file).is_some() {
        // What can be read of it holds; git does the same.
        tracing::debug!("{} is missing or partly unreadable", file.display());
    }
    builder.build().ok().filter(|rules| !rules.is_empty())
}

/// Whether the nearest rule that speaks of a path ignores it.
fn is_matched(rules: &[Gitignore], full: &Path, is_folder: bool) -> bool {
    let said =
        rules.iter().map(|rules| rules.matched(full, is_folder)).find(|said| !said.is_none());
    said.is_some_and(|said| said.is_ignore())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn path(raw: &str) -> WorkPath {
        WorkPath::parse(raw).unwrap()
    }

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let full = root.path().join(name);
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, text).unwrap();
        }
        root
    }

    #[test]
    fn what_git_ignores_is_build_output() {
        let root = tree(&[
            (".gitignore", "/target/\n*.o\n!keep.o\n.env\n"),
            ("web/.gitignore", "dist\n!deep.o\n"),
            (".git/info/exclude", "mine.txt\n"),
        ]);
        let output = BuildOutput::new(root.path());
        for (raw, expected) in [
            ("target/debug/a", true),
            ("sub/target/a", false),
            ("src/a.o", true),
            ("src/keep.o", false),
            ("web/dist/index.html", true),
            ("web/x/dist/y/z", true),
            ("dist/index.html", false),
            ("web/deep.o", false),
            ("mine.txt", true),
            (".env", false),
            ("src/a.rs", false),
        ] {
            assert_eq!(output.covers(&path(raw)), expected, "{raw}");
        }
    }

    #[test]
    fn a_rule_that_comes_later_makes_no_source_free() {
        let root = tree(&[("src/a.rs", "1")]);
        let output = BuildOutput::new(root.path());
        output.met(&[path("src/a.rs")]);
        assert!(!output.covers(&path("src/b.rs")));
        fs::write(root.path().join(".gitignore"), "src/\n").unwrap();
        assert!(output.covers(&path("src/b.rs")));
        assert!(!output.covers(&path("src/a.rs")));
    }

    #[test]
    fn folders_that_exist_and_are_ignored_are_found() {
        let root = tree(&[
            (".gitignore", "target\nnode_modules\n"),
            ("target/debug/x", ""),
            ("web/node_modules/y/z", ""),
            ("src/a.rs", ""),
        ]);
        let found = BuildOutput::new(root.path()).folders();
        assert_eq!(found, [path("target"), path("web/node_modules")]);
    }
}
