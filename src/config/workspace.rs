//! Which folder is the workspace.

use std::path::{Path, PathBuf};

use crate::model::failure::{Failure, FailureKind};

/// The workspace for somebody who stands in `folder`: the root of the repository around it, else
/// the folder itself. Links are resolved.
pub fn around(folder: &Path) -> Result<PathBuf, Failure> {
    let folder = exactly(folder)?;
    let root = folder.ancestors().find(|above| above.join(".git").exists());
    Ok(root.unwrap_or(&folder).to_owned())
}

/// The workspace that somebody named. Links are resolved.
pub fn exactly(folder: &Path) -> Result<PathBuf, Failure> {
    let wrong = |why: &str| Failure::new(FailureKind::Usage, format!("{} {why}", folder.display()));
    let found = folder.canonicalize().map_err(|_| wrong("does not exist"))?;
    if found.is_dir() { Ok(found) } else { Err(wrong("is not a folder")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_above_is_the_workspace() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().canonicalize().expect("it is there");
        let deep = root.join("repo/src/deep");
        std::fs::create_dir_all(&deep).expect("folders");
        assert_eq!(around(&deep), Ok(deep.clone()));
        // A file, not a folder, in a worktree of git.
        std::fs::write(root.join("repo/.git"), "gitdir: elsewhere").expect("a file");
        assert_eq!(around(&deep), Ok(root.join("repo")));
        assert_eq!(exactly(&deep), Ok(deep));
    }

    #[test]
    fn a_folder_that_is_none_is_wrong_use() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("file");
        std::fs::write(&file, "").expect("a file");
        for (path, why) in
            [(dir.path().join("nowhere"), "does not exist"), (file, "is not a folder")]
        {
            let failure = exactly(&path).expect_err("refused");
            assert_eq!(failure.kind, FailureKind::Usage);
            assert!(failure.message.ends_with(why), "{failure}");
        }
    }
}
