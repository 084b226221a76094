//! The census: size and time of every file of the tree, to find out what a shell command changed.
//!
//! It is a stand-in for the kernel's word: it finds changes after they happened, and files that
//! git ignores are not looked at.

use std::collections::HashMap;
use std::path::Path;
use std::time::SystemTime;

use ignore::WalkBuilder;

use super::door::unfinished::is_ours;
use super::input::Found;
use super::keeper::Keeper;
use crate::arbiter::{Disk, Was};
use crate::model::path::{Hash, WorkPath};

/// Trees with more files than this are not looked over.
const FILES: usize = 200_000;

/// Files up to this size are kept at the first look, in case a command changes them.
const KEPT_BYTES: u64 = 1024 * 1024;

/// And no more than so many bytes of them all.
const KEPT_TOTAL: u64 = 256 * 1024 * 1024;

/// What tells a file from its former state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

/// A file at the last look.
#[derive(Debug, Clone, Copy)]
struct Known {
    stamp: Stamp,
    /// What it held, if that was looked at.
    hash: Option<Hash>,
}

/// The files of a tree as they were at the last look.
#[derive(Debug, Default)]
pub(super) struct Census {
    files: HashMap<WorkPath, Known>,
    begun: bool,
    /// Whether somebody else keeps what files hold before they change.
    spared: bool,
}

impl Census {
    /// Looks again; says what is different from the last look. The first look finds nothing, and
    /// so does the first one after the tree was too large to be looked over (`None`).
    pub(super) fn look(&mut self, root: &Path, keeper: &Keeper) -> Option<Vec<Found>> {
        self.look_at_most(root, keeper, FILES)
    }

    /// What files hold is kept by somebody else, when it is at stake.
    pub(super) fn spare_contents(&mut self) {
        self.spared = true;
    }

    /// The files at the last look.
    pub(super) fn files(&self) -> impl Iterator<Item = &WorkPath> {
        self.files.keys()
    }

    /// The contents that files had at the last look.
    pub(super) fn contents(&self) -> Vec<Hash> {
        self.files.values().filter_map(|known| known.hash).collect()
    }

    fn look_at_most(&mut self, root: &Path, keeper: &Keeper, most: usize) -> Option<Vec<Found>> {
        let Some(stamps) = walk(root, most) else {
            self.begun = false;
            return None;
        };
        let mut now: HashMap<WorkPath, Known> = HashMap::with_capacity(stamps.len());
        let mut found = Vec::new();
        let mut room = if self.spared { 0 } else { KEPT_TOTAL };
        for (path, stamp) in stamps {
            let known = self.files.remove(&path).filter(|_| self.begun);
            let hash = match known {
                Some(known) if known.stamp == stamp => known.hash,
                Some(_) | None if self.begun => {
                    let was = known.map_or(Was::Absent, |known| Was::of(known.hash));
                    let disk = keeper.look(&path);
                    let hash = hash_of(&disk);
                    found.push(Found { path: path.clone(), was, disk });
                    hash
                }
                Some(_) | None => {
                    let hash = keeper.keep_early(&path, KEPT_BYTES.min(room));
                    room -= hash.map_or(0, |_| stamp.size.min(room));
                    hash
                }
            };
            now.insert(path, Known { stamp, hash });
        }
        if self.begun {
            found.extend(std::mem::take(&mut self.files).into_iter().map(|(path, known)| {
                let disk = keeper.look(&path);
                Found { path, was: Was::of(known.hash), disk }
            }));
            found.sort_by(|a, b| a.path.cmp(&b.path));
        }
        self.files = now;
        self.begun = true;
        Some(found)
    }
}

fn hash_of(disk: &Disk) -> Option<Hash> {
    match disk {
        Disk::File { hash, .. } => Some(*hash),
        Disk::Absent | Disk::Unreadable(_) => None,
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
        if is_ours(&path) {
            continue;
        }
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
    use std::sync::Arc;

    use super::*;
    use crate::engine::door::build_output::BuildOutput;
    use crate::history::Store;

    fn keeper(root: &Path) -> Keeper {
        let home = tempfile::tempdir().expect("a home").keep();
        let store = Store::open(&home.join("history.db")).expect("a history");
        Keeper::new(root.to_owned(), Arc::new(store), Arc::new(BuildOutput::new(root)))
    }

    #[test]
    fn changes_additions_and_removals_are_found_and_ignored_files_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        for (name, text) in
            [("keep", "1"), ("change", "1"), ("remove", "1"), (".gitignore", "out/\n")]
        {
            fs::write(root.join(name), text).expect("a file");
        }
        let (mut census, keeper) = (Census::default(), keeper(root));
        let mut look = || census.look(root, &keeper);
        assert_eq!(look(), Some(vec![]));
        fs::write(root.join("change"), "22").expect("a change");
        fs::write(root.join("add"), "1").expect("an addition");
        fs::remove_file(root.join("remove")).expect("a removal");
        // The bench is writing it just now.
        let temp = format!(".change.benchdog-{}-1", std::process::id());
        fs::write(root.join(temp), "2").expect("a temporary file");
        fs::create_dir(root.join("out")).expect("out");
        fs::write(root.join("out/built"), "1").expect("build output");
        let found = look().expect("a small tree");
        let names: Vec<_> = found.iter().map(|found| found.path.as_str()).collect();
        assert_eq!(names, ["add", "change", "remove"]);
        let was: Vec<_> = found.iter().map(|found| found.was).collect();
        let one = Was::Is(Hash::of(b"1"));
        assert_eq!(was, [Was::Absent, one, one]);
        assert_eq!(found[2].disk, Disk::Absent);
        assert_eq!(look(), Some(vec![]));
    }

    #[test]
    fn in_a_tree_that_is_too_large_nothing_has_come_or_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let (mut census, keeper) = (Census::default(), keeper(root));
        let mut look = || census.look_at_most(root, &keeper, 1);
        fs::write(root.join("a"), "1").expect("a file");
        assert_eq!(look(), Some(vec![]));
        fs::write(root.join("b"), "1").expect("one too many");
        assert_eq!(look(), None);
        fs::remove_file(root.join("b")).expect("it goes again");
        assert_eq!(look(), Some(vec![]), "as at the first look");
        fs::write(root.join("a"), "22").expect("a change");
        assert_eq!(look().map(|found| found.len()), Some(1));
    }
}
