//! One engine per workspace.
//!
//! An engine keeps a file locked as long as it lives; the kernel frees it with the process, so
//! that no death leaves a lock behind. The file says who holds it and where it listens. The folder
//! of the workspace itself is locked as well: that meets engines with other homes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::model::failure::{Failure, FailureKind};

/// Who holds a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The engine's process.
    pub pid: u32,
    /// Where it listens.
    pub socket: PathBuf,
    /// The root of its workspace.
    pub workspace: PathBuf,
}

/// Why a workspace cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another engine has it.
    #[error("an engine runs on this workspace already")]
    Held(Option<Holder>),
    /// An engine of another home has it.
    #[error("an engine with another home runs on this workspace")]
    HeldElsewhere,
    /// An engine has a folder above or below: both would write the same files.
    #[error("an engine runs on {}, which shares files with {}", holder.workspace.display(), root.display())]
    Nested {
        /// Who has it.
        holder: Holder,
        /// What was wanted.
        root: PathBuf,
    },
    /// The file cannot be used.
    #[error("the lock file {0} cannot be used")]
    Broken(PathBuf, #[source] io::Error),
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let failure = Self::new(FailureKind::Failed, error.to_string());
        match error {
            LockError::Held(holder) => {
                let hint = "`benchdog attach` opens it, `benchdog shutdown` ends it";
                match holder {
                    Some(Holder { pid, .. }) => failure.hint(format!("{hint} (process {pid})")),
                    None => failure.hint(hint),
                }
            }
            LockError::HeldElsewhere => {
                failure.hint("it was started with another BENCHDOG_HOME; end that one first")
            }
            LockError::Nested { holder: Holder { pid, workspace, .. }, root: _ } => {
                failure.hint(format!(
                    "`benchdog --workspace {0} attach` opens it, `benchdog --workspace {0} \
                     shutdown` ends it (process {pid})",
                    workspace.display()
                ))
            }
            LockError::Broken(_, cause) => failure.cause(cause),
        }
    }
}

/// How often a lock is tried again whose holder does not say who he is.
const NAMELESS_TRIES: u32 = 30;

/// The pause between two tries.
const NAMELESS_PAUSE: Duration = Duration::from_millis(10);

/// The right to be the engine of a workspace. It ends when this is dropped.
#[derive(Debug)]
pub struct WorkspaceLock {
    file: File,
    socket: PathBuf,
    _root: Option<File>,
}

impl WorkspaceLock {
    /// Takes the workspace at `root`, or says who has it. The engine will listen at `socket`.
    /// The folder of `lock_file` must exist.
    ///
    /// Somebody who has it and does not say who he is, is about to say so, or is a process between
    /// its fork and its exec: that is waited for, a moment.
    pub fn take(lock_file: &Path, root: &Path, socket: &Path) -> Result<Self, LockError> {
        for _ in 0..NAMELESS_TRIES {
            match Self::try_take(lock_file, root, socket) {
                Err(LockError::Held(None)) => std::thread::sleep(NAMELESS_PAUSE),
                taken => return taken,
            }
        }
        Self::try_take(lock_file, root, socket)
    }

    fn try_take(lock_file: &Path, root: &Path, socket: &Path) -> Result<Self, LockError> {
        let broken = |error: io::Error| LockError::Broken(lock_file.to_owned(), error);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(lock_file)
            .map_err(broken)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(LockError::Held(holder(lock_file))),
            Err(errno) => return Err(broken(errno.into())),
        }
        let root_lock = lock_root(root)?;
        let holder = Holder {
            pid: std::process::id(),
            socket: socket.to_owned(),
            workspace: root.to_owned(),
        };
        // The file is never removed: a second engine could then lock another one of this name.
        let text = serde_json::to_string(&holder).map_err(|error| broken(error.into()))?;
        file.set_len(0).map_err(broken)?;
        file.seek(SeekFrom::Start(0)).map_err(broken)?;
        file.write_all(text.as_bytes()).map_err(broken)?;
        let taken = Self { file, socket: socket.to_owned(), _root: root_lock };
        // Only now, so that of two that come at the same time each can see the other.
        match nested(lock_file, root) {
            Some(holder) => Err(LockError::Nested { holder, root: root.to_owned() }),
            None => Ok(taken),
        }
    }

    /// Where the engine listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for WorkspaceLock {
    fn drop(&mut self) {
        if let Err(error) = self.file.set_len(0) {
            tracing::warn!(%error, "the lock file keeps its last holder");
        }
    }
}

/// Who wrote itself into the lock file last. It may be dead: only a connection can tell.
pub fn holder(lock_file: &Path) -> Option<Holder> {
    let mut text = String::new();
    File::open(lock_file).ok()?.take(64 * 1024).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// An engine of this home that lives and has a folder above or below `root`.
fn nested(lock_file: &Path, root: &Path) -> Option<Holder> {
    let files = std::fs::read_dir(lock_file.parent()?).ok()?.flatten().map(|entry| entry.path());
    files
        .filter(|file| file != lock_file && file.extension().is_some_and(|end| end == "lock"))
        .filter_map(|file| Some((holder(&file)?, file)))
        .filter(|(holder, _)| {
            let other = &holder.workspace;
            other != root && (other.starts_with(root) || root.starts_with(other))
        })
        .find(|(_, file)| is_held(file))
        .map(|(holder, _)| holder)
}

/// Whether somebody keeps the file locked. What a dead engine left in it says nothing.
fn is_held(file: &Path) -> bool {
    let Ok(file) = File::open(file) else { return false };
    matches!(flock(&file, FlockOperation::NonBlockingLockShared), Err(Errno::WOULDBLOCK))
}

/// Locks the folder itself. Where the file system cannot do that, the lock file has to do.
fn lock_root(root: &Path) -> Result<Option<File>, LockError> {
    let Ok(folder) = File::open(root) else {
        return Ok(None);
    };
    match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(folder)),
        Err(Errno::WOULDBLOCK) => Err(LockError::HeldElsewhere),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_workspace_has_one_engine_at_a_time() {
        let dir = tempfile::tempdir().expect("a folder");
        let (file, socket) = (dir.path().join("w.lock"), dir.path().join("w.sock"));
        let lock = WorkspaceLock::take(&file, dir.path(), &socket).expect("the lock");
        let mine = Holder {
            pid: std::process::id(),
            socket: socket.clone(),
            workspace: dir.path().to_owned(),
        };
        assert_eq!(holder(&file), Some(mine.clone()));
        match WorkspaceLock::take(&file, dir.path(), &socket) {
            Err(LockError::Held(Some(holder))) => assert_eq!(holder, mine),
            other => panic!("{other:?}"),
        }
        drop(lock);
        assert_eq!(holder(&file), None);
        WorkspaceLock::take(&file, dir.path(), &socket).expect("the lock is free again");
    }

    #[test]
    fn an_engine_of_another_home_is_met_at_the_folder() {
        let dir = tempfile::tempdir().expect("a folder");
        let take = |name: &str| {
            WorkspaceLock::take(&dir.path().join(name), dir.path(), Path::new("/x.sock"))
        };
        let _lock = take("one.lock").expect("the lock");
        assert!(matches!(take("two.lock"), Err(LockError::HeldElsewhere)));
    }

    #[test]
    fn of_folders_that_contain_each_other_one_has_an_engine() {
        let home = tempfile::tempdir().expect("a folder");
        let tree = tempfile::tempdir().expect("a folder");
        let take = |name: &str, below: &str| {
            let root = tree.path().join(below);
            std::fs::create_dir_all(&root).expect("a folder");
            WorkspaceLock::take(&home.path().join(name), &root, Path::new("/x.sock"))
        };
        let inner = take("inner.lock", "repo/src").expect("the lock");
        let _beside = take("beside.lock", "repo/src2").expect("a folder beside it");
        match take("outer.lock", "repo") {
            Err(LockError::Nested { holder, .. }) => {
                assert!(holder.workspace.starts_with(tree.path().join("repo")));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(take("deep.lock", "repo/src/a"), Err(LockError::Nested { .. })));
        let left = std::fs::read(home.path().join("inner.lock")).expect("a file");
        drop((inner, _beside));
        // As an engine leaves it that is killed.
        std::fs::write(home.path().join("inner.lock"), left).expect("a file");
        take("outer.lock", "repo").expect("nobody is there any more");
    }

    #[test]
    fn what_a_dead_engine_left_behind_is_no_obstacle() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("w.lock");
        std::fs::write(&file, r#"{"pid":1,"socket":"/s","workspace":"/w"} and more"#)
            .expect("a file");
        let lock = WorkspaceLock::take(&file, dir.path(), Path::new("/x.sock")).expect("the lock");
        assert_eq!(lock.socket(), Path::new("/x.sock"));
        assert_eq!(holder(&file).map(|holder| holder.pid), Some(std::process::id()));
        let fresh = dir.path().join("fresh.lock");
        drop(lock);
        let _lock =
            WorkspaceLock::take(&fresh, dir.path(), Path::new("/x.sock")).expect("the lock");
        let mode = std::fs::metadata(&fresh).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_refusal_says_who_has_it_and_what_to_do() {
        let holder = Holder { pid: 42, socket: "/s".into(), workspace: "/w".into() };
        let failure = Failure::from(LockError::Held(Some(holder)));
        assert_eq!(
            failure.to_string(),
            "an engine runs on this workspace already\n  \
             `benchdog attach` opens it, `benchdog shutdown` ends it (process 42)"
        );
    }
}
