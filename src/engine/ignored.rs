//! What git ignores, asked file by file.
//!
//! It reads the same files as git does: `.gitignore` in each folder of the tree, the repository's
//! own list, the person's. What it read is kept as long as the file is the same.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::model::path::WorkPath;

/// What is ignored in a tree.
#[derive(Debug)]
pub(super) struct Ignored {
    root: PathBuf,
    /// What holds in every folder, the stronger one first.
    everywhere: [Gitignore; 2],
    folders: Mutex<HashMap<PathBuf, Rules>>,
}

/// The rules of one folder, and which state of its file they are.
#[derive(Debug, Clone)]
struct Rules {
    state: Option<(u64, Option<SystemTime>)>,
    rules: Arc<Gitignore>,
}

impl Ignored {
    pub(super) fn below(root: &Path) -> Self {
        let mut own = GitignoreBuilder::new(root);
        // A tree without a repository has no such file.
        let _none = own.add(root.join(".git/info/exclude"));
        let own = own.build().unwrap_or_else(|_| Gitignore::empty());
        let everywhere = [own, Gitignore::global().0];
        Self { root: root.to_owned(), everywhere, folders: Mutex::default() }
    }

    /// Whether git ignores the file at `path`, or a folder that it lies in.
    pub(super) fn has(&self, path: &WorkPath) -> bool {
        let parts: Vec<&str> = path.as_str().split('/').collect();
        let mut folders = vec![self.root.clone()];
        for (depth, part) in parts.iter().enumerate() {
            let Some(full) = folders.last().map(|folder| folder.join(part)) else { return false };
            let is_folder = depth + 1 < parts.len();
            if self.says(&folders, &full, is_folder) {
                return true;
            }
            folders.push(full);
        }
        false
    }

    /// What the nearest rule says that concerns `full`, which lies in the last of `folders`.
    fn says(&self, folders: &[PathBuf], full: &Path, is_folder: bool) -> bool {
        let near = folders.iter().rev().map(|folder| self.rules(folder));
        let verdict = |rules: &Gitignore| match rules.matched(full, is_folder) {
            Match::None => None,
            Match::Ignore(_) => Some(true),
            Match::Whitelist(_) => Some(false),
        };
        near.map(|rules| verdict(&rules))
            .chain(self.everywhere.iter().map(verdict))
            .flatten()
            .next()
            .unwrap_or(false)
    }

    fn rules(&self, folder: &Path) -> Arc<Gitignore> {
        let file = folder.join(".gitignore");
        let state = fs::metadata(&file).ok().map(|meta| (meta.len(), meta.modified().ok()));
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = folders.get(folder).filter(|known| known.state == state) {
            return Arc::clone(&known.rules);
        }
        let mut rules = GitignoreBuilder::new(folder);
        if state.is_some() {
            // A line that is no pattern is left out, as git does.
            let _wrong = rules.add(file);
        }
        let rules = Arc::new(rules.build().unwrap_or_else(|_| Gitignore::empty()));
        let known = Rules { state, rules: Arc::clone(&rules) };
        folders.insert(folder.to_owned(), known);
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_ignored_as_git_ignores_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        fs::create_dir_all(root.join("src/deep")).expect("folders");
        fs::create_dir_all(root.join(".git/info")).expect("a repository");
        fs::write(root.join(".git/info/exclude"), "*.mine\n").expect("exclude");
        fs::write(root.join(".gitignore"), "target/\n*.log\n!keep.log\n").expect("rules");
        fs::write(root.join("src/.gitignore"), "/local\n!*.log\n").expect("rules");
        let ignored = Ignored::below(root);
        let has = |raw| ignored.has(&WorkPath::parse(raw).expect("a good path"));
        for yes in ["target/a/b", "a.log", "deep/a.log", "src/local", "a.mine", "src/target/x"] {
            assert!(has(yes), "{yes}");
        }
        for no in ["target", "keep.log", "src/a.log", "src/deep/local", "src/a.rs"] {
            assert!(!has(no), "{no}");
        }
        fs::write(root.join(".gitignore"), "nothing\n").expect("other rules");
        assert!(!has("a.log"), "the rules that hold now count");
    }
}
