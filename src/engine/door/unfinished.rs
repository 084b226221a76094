//! What a crash left of a write of the bench: its temporary file beside the one it was to replace.
//!
//! Such a file holds either what was about to be written, whole or not, or what was replaced. The
//! image that was made before tells which: if that is still in place nothing was replaced. Neither
//! is needed, and both would look like somebody's file. Anything else is a version of somebody
//! outside who was as quick as the bench; that one is never removed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::history::images::{Deed, ImageName};
use crate::model::path::WorkPath;

/// The name of a temporary file for `path`, up to what makes it the only one.
pub(in crate::engine) fn prefix(path: &WorkPath) -> String {
    format!(".{}.benchdog-", path.name())
}

/// Whether this is a temporary file of this very engine: nobody's work, and gone in a moment.
pub(in crate::engine) fn is_ours(path: &WorkPath) -> bool {
    let ours = || format!(".benchdog-{}-", std::process::id());
    path.name().starts_with('.') && path.name().contains(&ours())
}

/// Clears away what was left of a write of this file, of which `kept` is the image.
pub(super) fn clear(root: &Path, image: &ImageName, kept: &Path) {
    let full = image.path.below(root);
    for left in left_beside(&full, &prefix(&image.path)) {
        let done = match image.deed {
            // Nothing was replaced, or nobody may know what.
            Deed::Made => fs::remove_file(&left),
            Deed::Withheld if full.exists() => fs::remove_file(&left),
            Deed::Unnamed | Deed::Rewritten if same(kept, &full) || same(kept, &left) => {
                fs::remove_file(&left)
            }
            Deed::Unnamed | Deed::Rewritten | Deed::Moded | Deed::Withheld => {
                give_back(&left, &full)
            }
        };
        if let Err(error) = done {
            tracing::warn!(%error, "{} is left from a write of {}", left.display(), image.path);
        }
    }
}

/// A version that is nowhere else gets its name again, if that is free; else it stays as it is.
fn give_back(left: &Path, full: &Path) -> std::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, left, CWD, full, RenameFlags::NOREPLACE)?)
}

fn left_beside(full: &Path, prefix: &str) -> Vec<PathBuf> {
    let Some(folder) = full.parent() else { return Vec::new() };
    // A folder that is gone has nothing left in it.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(prefix));
        rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
    });
    ours.map(|entry| entry.path()).collect()
}

/// Whether two files are one, or hold the same.
fn same(one: &Path, other: &Path) -> bool {
    let (Ok(a), Ok(b)) = (fs::symlink_metadata(one), fs::symlink_metadata(other)) else {
        return false;
    };
    if (a.dev(), a.ino()) == (b.dev(), b.ino()) {
        return true;
    }
    let read = |path: &Path| fs::read(path).ok();
    a.is_file() && b.is_file() && a.len() == b.len() && read(one) == read(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::lease::Owner;
    use crate::model::time::Wall;

    /// What is there once a start has looked at a file, its temporary file and its image.
    fn cleared(deed: Deed, image: &str, disk: Option<&str>, temp: &str) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().expect("a folder");
        let (root, kept) = (folder.path().join("tree"), folder.path().join("image"));
        fs::create_dir(&root).expect("the tree");
        fs::write(&kept, image).expect("the image");
        if let Some(text) = disk {
            fs::write(root.join("a"), text).expect("the file");
        }
        fs::write(root.join(".a.benchdog-7-1"), temp).expect("the temporary file");
        fs::write(root.join(".a.benchdog-mine"), "another's").expect("a file");
        let path = WorkPath::parse("a").expect("a path");
        let name = ImageName { serial: 1, at: Wall(0), deed, owner: Owner::User, path };
        clear(&root, &name, &kept);
        let mut left: Vec<(String, String)> = fs::read_dir(&root)
            .expect("the tree")
            .flatten()
            .map(|entry| {
                let text = fs::read_to_string(entry.path()).expect("text");
                (entry.file_name().to_string_lossy().into_owned(), text)
            })
            .filter(|(name, _)| name != ".a.benchdog-mine")
            .collect();
        left.sort();
        left
    }

    #[test]
    fn what_was_half_written_and_what_was_replaced_go_and_a_third_version_stays() {
        let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let a = |text: &str| vec![file("a", text)];
        for (deed, image, disk, temp, expected) in [
            // Not exchanged yet; exchanged; removed but for the temporary name.
            (Deed::Unnamed, "old", Some("old"), "ne", a("old")),
            (Deed::Unnamed, "old", Some("new"), "old", a("new")),
            (Deed::Unnamed, "old", None, "old", vec![]),
            // Exchanged with what somebody else had just put there; removed likewise.
            (
                Deed::Unnamed,
                "old",
                Some("new"),
                "theirs",
                vec![file(".a.benchdog-7-1", "theirs"), file("a", "new")],
            ),
            (Deed::Unnamed, "old", None, "theirs", a("theirs")),
            (Deed::Made, "", None, "ne", vec![]),
            (Deed::Withheld, "", Some("KEY=2"), "KEY=1", a("KEY=2")),
            (Deed::Withheld, "", None, "KEY=1", a("KEY=1")),
        ] {
            assert_eq!(cleared(deed, image, disk, temp), expected, "{deed:?} {disk:?} {temp}");
        }
    }
}
