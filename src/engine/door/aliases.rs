//! Files with several names: who writes one name writes all.
//!
//! The kernel tells how many names a file has, not which. So the tree is looked through when a
//! file has more names than are known, and names that agents make are added as they are made.
//! Names outside the workspace are nobody's here.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ignore::WalkBuilder;

use crate::guard::request::Found;
use crate::model::path::WorkPath;

/// The known names of files that have several.
#[derive(Debug)]
pub(in crate::engine) struct Aliases {
    root: PathBuf,
    known: Mutex<HashMap<(u64, u64), Names>>,
}

#[derive(Debug, Default)]
struct Names {
    paths: Vec<WorkPath>,
    /// How many names the file had when the tree was looked through for them.
    looked_at: u64,
}

impl Aliases {
    pub(in crate::engine) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), known: Mutex::default() }
    }

    /// The other names of a file that is at `path`.
    pub(super) fn of(&self, path: &WorkPath, found: &Found) -> Vec<WorkPath> {
        if found.links < 2 {
            return Vec::new();
        }
        let file = (found.device, found.inode);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let names = known.entry(file).or_default();
        names.paths.retain(|other| self.leads(other, file));
        let count = |names: &Names| names.paths.iter().filter(|other| *other != path).count() + 1;
        if (count(names) as u64) < found.links && names.looked_at != found.links {
            self.look_through(&mut known);
            known.entry(file).or_default().looked_at = found.links;
        }
        let names = known.get(&file).map(|names| &names.paths[..]).unwrap_or_default();
        names.iter().filter(|other| *other != path).cloned().collect()
    }

    /// A file got another name.
    pub(super) fn add(&self, path: &WorkPath) {
        let Ok(meta) = std::fs::symlink_metadata(path.below(&self.root)) else { return };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let names = known.entry((meta.dev(), meta.ino())).or_default();
        if !names.paths.contains(path) {
            names.paths.push(path.clone());
        }
    }

    fn leads(&self, path: &WorkPath, file: (u64, u64)) -> bool {
        std::fs::symlink_metadata(path.below(&self.root))
            .is_ok_and(|meta| (meta.dev(), meta.ino()) == file)
    }

    fn look_through(&self, known: &mut HashMap<(u64, u64), Names>) {
        known.clear();
        let tree = WalkBuilder::new(&self.root)
            .hidden(false)
            .require_git(false)
            .filter_entry(|entry| entry.file_name() != ".git")
            .build();
        for entry in tree.filter_map(Result::ok) {
            let Ok(meta) = entry.metadata() else { continue };
            if !meta.is_file() || meta.nlink() < 2 {
                continue;
            }
            let below = entry.path().strip_prefix(&self.root).ok().and_then(Path::to_str);
            if let Some(path) = below.and_then(WorkPath::parse) {
                known.entry((meta.dev(), meta.ino())).or_default().paths.push(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::guard::request::Kind;

    #[test]
    fn the_other_names_of_a_file_are_found_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join("a"), "1").unwrap();
        fs::hard_link(root.join("a"), root.join("b")).unwrap();
        let aliases = Aliases::new(root);
        let path = |raw| WorkPath::parse(raw).unwrap();
        let found = || {
            let meta = fs::metadata(root.join("a")).unwrap();
            let (device, inode, links) = (meta.dev(), meta.ino(), meta.nlink());
            Found { kind: Kind::File, links, device, inode, size: 1, mode: 0o644 }
        };
        assert_eq!(aliases.of(&path("a"), &found()), [path("b")]);
        fs::hard_link(root.join("a"), root.join("c")).unwrap();
        aliases.add(&path("c"));
        assert_eq!(aliases.of(&path("b"), &found()), [path("a"), path("c")]);
        fs::remove_file(root.join("b")).unwrap();
        assert_eq!(aliases.of(&path("a"), &found()), [path("c")]);
        fs::remove_file(root.join("c")).unwrap();
        assert!(aliases.of(&path("a"), &found()).is_empty());
    }
}
