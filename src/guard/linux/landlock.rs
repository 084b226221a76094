//! The wall: a Landlock ruleset under which everything is writable but what stands behind it.
//!
//! Landlock only knows "allowed below". So each neighbour along the way from `/` to a wall gets a
//! rule, and the folders on the way get none: there a *new* entry can only be made through the
//! supervisor. Sockets may be made anywhere, since they overwrite nothing.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::read_dir;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{self, Mode, OFlags};
use rustix::io::Result;

use crate::guard::linux::ground::{Cover, Workspace};
use crate::guard::linux::kernel::{self, Handled};

/// The first version that knows `truncate`.
pub(super) const NEEDED: u32 = 3;
/// The first version that can shut in signals and abstract sockets.
const WITH_SCOPES: u32 = 6;

const WRITE_FILE: u64 = 1 << 1;
const REMOVE_AND_MAKE: u64 = 0b1_1111_1111 << 4;
const MAKE_SOCKET: u64 = 1 << 9;
const REFER: u64 = 1 << 13;
const TRUNCATE: u64 = 1 << 14;
const WRITES: u64 = WRITE_FILE | REMOVE_AND_MAKE | REFER | TRUNCATE;
/// What can be allowed on something that is not a folder.
const FILE_WRITES: u64 = WRITE_FILE | TRUNCATE;

const ABSTRACT_SOCKETS: u64 = 1;
const SIGNALS: u64 = 2;

/// Single files that get a rule of their own in all. Without one a file is still written through
/// the supervisor.
const FILES: usize = 4096;

/// Builds the wall around the workspace as the file system is now.
pub(super) fn build(workspace: &Workspace, version: u32) -> Result<(OwnedFd, Cover)> {
    let scopes = if version >= WITH_SCOPES { ABSTRACT_SOCKETS | SIGNALS } else { 0 };
    let ruleset = kernel::create_ruleset(&Handled { files: WRITES, network: 0, scopes })?;
    let walls: BTreeSet<&Path> = workspace.walls().map(path).collect();
    let way: BTreeSet<&Path> = walls.iter().flat_map(|wall| wall.ancestors().skip(1)).collect();
    let mut cover = Cover::default();
    let mut files = 0;
    // A wall may stand behind another one.
    let open = way.iter().filter(|folder| !walls.iter().any(|wall| folder.starts_with(wall)));
    for folder in open {
        // A folder that we cannot list is one in which the agent cannot find its way either.
        for entry in read_dir(folder).into_iter().flatten().flatten() {
            let place = entry.path();
            let place = place.as_path();
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_symlink() || walls.contains(place) || way.contains(place) {
                continue;
            }
            if kind.is_dir() {
                if allow(&ruleset, place, WRITES).is_ok() {
                    cover.folders.insert(place.as_os_str().as_bytes().to_vec());
                }
            } else if files < FILES && allow(&ruleset, place, FILE_WRITES).is_ok() {
                files += 1;
            }
        }
    }
    allow(&ruleset, Path::new("/"), MAKE_SOCKET)?;
    for free in workspace.free_folders() {
        kernel::add_rule(ruleset.as_fd(), free.folder.as_fd(), WRITES)?;
        cover.free.push(free);
    }
    Ok((ruleset, cover))
}

fn allow(ruleset: &OwnedFd, place: &Path, rights: u64) -> Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = fs::open(place, flags, Mode::empty())?;
    kernel::add_rule(ruleset.as_fd(), file.as_fd(), rights)
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
