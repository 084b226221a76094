//! The census: size and time of every file of the tree, to find out what a shell command changed.
//!
//! It is a stand-in for the kernel's word: it finds changes after they happened, and files that
//! git ignores are not looked at.

use std::collections::HashMap;
use std::path::Path;
use std::time::SystemTime;

use ignore::WalkBuilder;

use super::disk;
use crate::arbiter::Disk;
use crate::model::path::WorkPath;

/// Trees with more files than this are not looked over.
const FILES: usize = 200_000;

/// What tells a file from its former state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

/// The files of a tree as they were at the last look.
#[derive(Debug, Default)]
pub(super) struct Census {
    files: HashMap<WorkPath, Stamp>,
    begun: bool,
}

impl Census {
    /// Looks again; says what is different from the last look. The first look finds nothing, and
    /// so does the first one after the tree was too large to be looked over (`None`).
    pub(super) fn look(&mut self, root: &Path) -> Option<Vec<(WorkPath, Disk)>> {
        self.look_at_most(root, FILES)
    }

    /// The files at the last look.
    pub(super) fn files(&self) -> impl Iterator<Item = &WorkPath> {
        self.files.keys()
    }

    fn look_at_most(&mut self, root: &Path, most: usize) -> Option<Vec<(WorkPath, Disk)>> {
        let Some(now) = walk(root, most) else {
            self.begun = false;
            return None;
        };
        let mut found = Vec::new();
        if self.begun {
            let changed = now.iter().filter(|(path, stamp)| self.files.get(path) != Some(stamp));
            found.extend(changed.map(|(path, _)| (path.clone(), disk::look(root, path))));
            let gone = self.files.keys().filter(|path| !now.contains_key(path));
            found.extend(gone.map(|path| (path.clone(), disk::look(root, path))));
            found.sort_by(|a, b| a.0.cmp(&b.0));
        }
        self.files = now;
        self.begun = true;
        Some(found)
    }
}

/// Every file; `None` if there are more than `most`.
fn walk(root: &Path, most: usize) -> Option<HashMap<WorkPath, Stamp>> {
    use std::os::unix::fs::MetadataExt;
    let mut files = HashMap::new();
    let tree = WalkBuilder::new(root)
        .hidden(false)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    for entry in tree.filter_map(Result::ok) {
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        let below = entry.path().strip_prefix(root).ok().and_then(Path::to_str);
        let (Some(path), Ok(meta)) = (below.and_then(WorkPath::parse), entry.metadata()) else {
            continue;
        };
        let (size, modified, inode) = (meta.len(), meta.modified().ok(), meta.ino());
        files.insert(path, Stamp { size, modified, inode });
        if files.len() > most {
            return None;
        }
    }
    Some(files)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn changes_additions_and_removals_are_found_and_ignored_files_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        for (name, text) in
            [("keep", "1"), ("change", "1"), ("remove", "1"), (".gitignore", "out/\n")]
        {
            fs::write(root.join(name), text).expect("a file");
        }
        let mut census = Census::default();
        assert_eq!(census.look(root), Some(vec![]));
        fs::write(root.join("change"), "22").expect("a change");
        fs::write(root.join("add"), "1").expect("an addition");
        fs::remove_file(root.join("remove")).expect("a removal");
        fs::create_dir(root.join("out")).expect("out");
        fs::write(root.join("out/built"), "1").expect("build output");
        let found = census.look(root).expect("a small tree");
        let names: Vec<_> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(names, ["add", "change", "remove"]);
        assert_eq!(found[2].1, Disk::Absent);
        assert_eq!(census.look(root), Some(vec![]));
    }

    #[test]
    fn in_a_tree_that_is_too_large_nothing_has_come_or_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let mut census = Census::default();
        fs::write(root.join("a"), "1").expect("a file");
        assert_eq!(census.look_at_most(root, 1), Some(vec![]));
        fs::write(root.join("b"), "1").expect("one too many");
        assert_eq!(census.look_at_most(root, 1), None);
        fs::remove_file(root.join("b")).expect("it goes again");
        assert_eq!(census.look_at_most(root, 1), Some(vec![]), "as at the first look");
        fs::write(root.join("a"), "22").expect("a change");
        assert_eq!(census.look_at_most(root, 1).map(|found| found.len()), Some(1));
    }
}
