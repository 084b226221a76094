//! The `git` that agents get: a folder of its own for each workspace, first on their `PATH`.
//!
//! In it lies a link to benchdog itself, which behaves as git when it is called so. The folder
//! lies in the state folder, outside the workspace; which engine belongs to it follows from its
//! name alone, so that nothing but `PATH` is different for the real git.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::folders::{Folders, private_folder};
use crate::model::failure::{Failure, FailureKind};

/// The name of the program.
pub const GIT: &str = "git";

/// Where programs are when nobody says so.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Makes the folder for the agents of `workspace`; its `git` leads to `program`, which is benchdog.
pub fn prepare(folders: &Folders, workspace: &Path, program: &Path) -> Result<PathBuf, Failure> {
    let folder = folders.git_folder(workspace);
    private_folder(&folder)?;
    link(&folder, program).map_err(|error| {
        let message = format!("the agents' git cannot be put into {}", folder.display());
        Failure::new(FailureKind::Failed, message).cause(error)
    })?;
    Ok(folder)
}

/// Has `git` lead to `program`, without a moment in which there is none.
fn link(folder: &Path, program: &Path) -> io::Result<()> {
    let git = folder.join(GIT);
    if fs::read_link(&git).is_ok_and(|found| found == program) {
        return Ok(());
    }
    let fresh = folder.join(format!("{GIT}.{}", std::process::id()));
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    symlink(program, &fresh)?;
    fs::rename(&fresh, &git)
}

/// The search path `path` with `folder` before everything else.
pub fn path_with(folder: &Path, path: Option<&OsStr>) -> OsString {
    let mut all = folder.as_os_str().to_owned();
    let rest = path.filter(|path| !path.is_empty()).unwrap_or(OsStr::new(USUAL_PATH));
    for part in std::env::split_paths(rest).filter(|part| part != folder) {
        all.push(":");
        all.push(part);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_holds_a_link_to_benchdog_and_comes_first() {
        let home = tempfile::tempdir().unwrap();
        let folders = Folders::below(home.path());
        let workspace = Path::new("/w");
        let folder = prepare(&folders, workspace, Path::new("/old/benchdog")).unwrap();
        assert_eq!(fs::read_link(folder.join("git")).unwrap(), Path::new("/old/benchdog"));
        assert_eq!(prepare(&folders, workspace, Path::new("/new/benchdog")).unwrap(), folder);
        assert_eq!(fs::read_link(folder.join("git")).unwrap(), Path::new("/new/benchdog"));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left there");
        assert_eq!(Folders::lock_file_beside(&folder), Some(folders.lock_file(workspace)));
        assert_ne!(prepare(&folders, Path::new("/v"), Path::new("/b")).unwrap(), folder);

        let path = |path: Option<&str>| {
            path_with(Path::new("/s"), path.map(OsStr::new)).into_string().unwrap()
        };
        assert_eq!(path(Some("/a:/b")), "/s:/a:/b");
        assert_eq!(path(Some("/a:/s:/b")), "/s:/a:/b", "never twice");
        assert_eq!(path(None), format!("/s:{USUAL_PATH}"));
    }
}
