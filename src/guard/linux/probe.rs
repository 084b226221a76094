//! Whether the guard works here: by trying it in a child, not by asking what the kernel is called.
//!
//! The child goes behind a wall around an empty folder and tries what matters: a file that is free
//! can be made, one that is held cannot be opened, and what the door does not see the wall stops.

#![expect(unsafe_code, reason = "the trial needs a child that does not become another program")]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, waitpid};

use crate::guard::linux::fence::{self, Fence};
use crate::guard::linux::ground::Workspace;
use crate::guard::request::{Answer, Arbitrate, Request};
use crate::guard::{FenceError, Level, Reason};

const FREE: &CStr = c"free";
const HELD: &CStr = c"held";
/// A link to the folder of one's own descriptors: the door cannot tell whose.
const BEHIND: &str = "behind";

/// How the child ended.
const WELL: i32 = 0;
const NO_FENCE: i32 = 1;
const FREE_REFUSED: i32 = 2;
const HELD_OPENED: i32 = 3;
const WALL_PASSED: i32 = 4;

/// Tries the guard in a new folder inside `scratch`, which must be writable; the folder is removed
/// again.
pub fn probe(scratch: &Path) -> Level {
    match trial(scratch) {
        Ok(()) => Level::Enforced,
        Err(reason) => Level::Advisory(reason),
    }
}

fn trial(scratch: &Path) -> Result<(), Reason> {
    let failed = |error: io::Error| Reason::Trial(error.to_string());
    let name = format!("guard-probe-{}-{:?}", std::process::id(), std::thread::current().id());
    let folder = scratch.join(name);
    std::fs::create_dir(&folder).map_err(failed)?;
    let result = within(&folder);
    std::fs::remove_dir_all(&folder).map_err(failed)?;
    result
}

fn within(folder: &Path) -> Result<(), Reason> {
    let failed = |error: io::Error| Reason::Trial(error.to_string());
    let unfenced = |error: FenceError| match error {
        FenceError::Unavailable(reason) => reason,
        FenceError::Wall(error) => Reason::Trial(error.to_string()),
        FenceError::HandOver(error) => Reason::Listener(error.to_string()),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let place = fs::open(folder, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    let held = OFlags::CREATE | OFlags::RDONLY | OFlags::CLOEXEC;
    let held =
        fs::openat(&place, HELD, held, Mode::RUSR | Mode::WUSR).map_err(|e| failed(e.into()))?;
    std::os::unix::fs::symlink("/proc/self/fd", folder.join(BEHIND)).map_err(failed)?;
    let behind = std::ffi::CString::new(format!("{BEHIND}/{}", held.as_raw_fd()))
        .map_err(|error| Reason::Trial(error.to_string()))?;
    let workspace = Workspace::open(folder, &[]).map_err(failed)?;
    let (fence, gate) = fence::prepare(&workspace).map_err(unfenced)?;
    let child = fork(&fence, &place, &behind).map_err(|error| failed(error.into()))?;
    drop(fence);
    let supervisor = gate.supervise("probe", Arc::new(Trial)).map_err(unfenced);
    let status = waitpid(Some(child), WaitOptions::empty()).map_err(|e| failed(e.into()))?;
    let code = status.and_then(|(_, status)| status.exit_status());
    let said = |text: &str| Err(Reason::Trial(text.to_owned()));
    match code {
        Some(NO_FENCE) => Err(Reason::Listener("the child could not install it".to_owned())),
        Some(WELL) => supervisor.map(drop),
        Some(FREE_REFUSED) => said("a free file could not be made"),
        Some(HELD_OPENED) => said("a held file was not refused"),
        Some(WALL_PASSED) => said("the wall did not hold"),
        Some(_) | None => said("the child ended early"),
    }
}

fn fork(fence: &Fence, place: &OwnedFd, behind: &CStr) -> rustix::io::Result<Pid> {
    // SAFETY: the child makes bare system calls on what was made before, allocates nothing, takes
    // no lock, and ends without returning from here.
    match unsafe { libc::fork() } {
        0 => {
            let code = child(fence, place, behind);
            // SAFETY: ends the child at once; nothing of the parent's is run.
            unsafe { libc::_exit(code) }
        }
        pid if pid < 0 => Err(Errno::AGAIN),
        pid => Pid::from_raw(pid).ok_or(Errno::CHILD),
    }
}

fn child(fence: &Fence, place: &OwnedFd, behind: &CStr) -> i32 {
    if fence.enter().is_err() {
        return NO_FENCE;
    }
    let make = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
    let write = OFlags::WRONLY | OFlags::CLOEXEC;
    if fs::openat(place, FREE, make, Mode::RUSR | Mode::WUSR).is_err() {
        return FREE_REFUSED;
    }
    if !matches!(fs::openat(place, HELD, write, Mode::empty()), Err(Errno::BUSY)) {
        return HELD_OPENED;
    }
    if !matches!(fs::openat(place, behind, write, Mode::empty()), Err(Errno::ACCESS)) {
        return WALL_PASSED;
    }
    WELL
}

/// Knows one file that is held.
#[derive(Debug)]
struct Trial;

impl Arbitrate for Trial {
    fn ask(&self, request: &Request) -> Answer {
        if request.target.path == HELD.to_bytes() {
            Answer::Refuse(Errno::BUSY)
        } else {
            Answer::Allow
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trial_leaves_nothing_behind() {
        let scratch = tempfile::tempdir().unwrap();
        assert_eq!(probe(scratch.path()), Level::Enforced);
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    }
}
