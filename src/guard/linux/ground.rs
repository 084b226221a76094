//! Where things are: what belongs to the workspace, what the kernel may decide alone, what nobody
//! may touch.
//!
//! A place is told by the path that the kernel gives for a pinned folder, never by a path that an
//! agent wrote. A folder of the workspace that is also mounted elsewhere counts as what it is.
//!
//! - **Free folders** (build output) are folders inside that an agent writes without being asked.
//!   They are known by identity: once such a folder is replaced, its successor is not free.
//! - **The border** runs around the workspace without its free folders.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rustix::fs::{self, AtFlags, Mode, OFlags};

use crate::guard::request::through;

/// The tree that agents share.
#[derive(Debug)]
pub struct Workspace {
    root: Vec<u8>,
    folder: OwnedFd,
    aliases: Vec<Alias>,
    protected: Vec<Vec<u8>>,
    free: RwLock<Vec<Arc<Free>>>,
    changes: AtomicU64,
}

/// A second place where a part of the workspace is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Alias {
    place: Vec<u8>,
    /// What is there, relative to the workspace.
    inside: Vec<u8>,
}

/// A folder whose content agents write freely.
#[derive(Debug)]
pub(super) struct Free {
    /// Relative to the workspace.
    path: Vec<u8>,
    /// Pinned, so that its inode is not used again.
    pub(super) folder: OwnedFd,
    device: u64,
    inode: u64,
}

/// What one agent's wall leaves open.
#[derive(Debug, Default)]
pub(super) struct Cover {
    /// Folders outside: the kernel decides on everything *below* them.
    pub(super) folders: HashSet<Vec<u8>>,
    /// Folders inside, likewise.
    pub(super) free: Vec<Arc<Free>>,
}

/// Who decides on an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Zone {
    /// The arbiter; the path is relative to the workspace.
    Guarded(Vec<u8>),
    /// The kernel; the wall leaves it open.
    Native,
    /// Nobody, but the wall is shut there: a new entry beside the way to the workspace.
    Outside,
    /// Nobody may write it.
    Protected,
}

impl Zone {
    pub(super) fn inside(&self) -> bool {
        matches!(self, Self::Guarded(_))
    }

    /// Whether a call is left to the kernel, which makes it or finds the wall shut.
    pub(super) fn kernel_decides(&self) -> bool {
        matches!(self, Self::Native | Self::Protected)
    }
}

impl Workspace {
    /// The workspace at `root`. Agents may write nothing in the `protected` folders, wherever they are; those must exist.
    pub fn open(root: &Path, protected: &[PathBuf]) -> io::Result<Arc<Self>> {
        let root = root.canonicalize()?;
        if root.parent().is_none() {
            return Err(io::Error::other("the root folder cannot be a workspace"));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = fs::open(&root, flags, Mode::empty())?;
        let protected = protected
            .iter()
            .map(|path| Ok(path.canonicalize()?.into_os_string().into_vec()))
            .collect::<io::Result<Vec<_>>>()?;
        let root = root.into_os_string().into_vec();
        let mounts = std::fs::read("/proc/self/mountinfo")?;
        let aliases = aliases(&mounts, &root);
        let (free, changes) = (RwLock::default(), AtomicU64::new(0));
        Ok(Arc::new(Self { root, folder, aliases, protected, free, changes }))
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.root))
    }

    /// Lets agents that are prepared from now on write freely below `path`, a folder that exists
    /// and is relative to the workspace.
    pub fn free(&self, path: &Path) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let ways = fs::ResolveFlags::BENEATH | fs::ResolveFlags::NO_SYMLINKS;
        let folder = fs::openat2(&self.folder, path, flags, Mode::empty(), ways)?;
        let stat = fs::fstat(&folder)?;
        let own = fs::fstat(&self.folder)?;
        if (stat.st_dev, stat.st_ino) == (own.st_dev, own.st_ino) {
            return Err(io::Error::other("the workspace itself cannot be free"));
        }
        let full = path_of(&folder)?;
        let path = below(&full, &self.root).ok_or(io::ErrorKind::InvalidInput)?.to_vec();
        let free = Free { path, folder, device: stat.st_dev, inode: stat.st_ino };
        self.free.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(free));
        Ok(())
    }

    /// The folders in which agents write freely, relative to the workspace.
    pub fn free_paths(&self) -> Vec<PathBuf> {
        let free = self.free_folders();
        free.iter().map(|free| PathBuf::from(OsStr::from_bytes(&free.path))).collect()
    }

    pub(super) fn free_folders(&self) -> Vec<Arc<Free>> {
        let mut free = self.free.read().unwrap_or_else(PoisonError::into_inner).clone();
        free.retain(|free| self.lives(free));
        free
    }

    /// The folders around which the wall stands.
    pub(super) fn walls(&self) -> impl Iterator<Item = &[u8]> {
        let aliases = self.aliases.iter().map(|alias| &alias.place[..]);
        let protected = self.protected.iter().map(|path| &path[..]);
        std::iter::once(&self.root[..]).chain(aliases).chain(protected)
    }

    /// Who decides on the entry `full`.
    pub(super) fn zone(&self, cover: &Cover, full: &[u8]) -> Zone {
        if self.protected.iter().any(|path| below(full, path).is_some()) {
            return Zone::Protected;
        }
        let Some(inside) = self.inside(full) else {
            return if cover.has(full) { Zone::Native } else { Zone::Outside };
        };
        let free = self.free.read().unwrap_or_else(PoisonError::into_inner);
        let within = free.iter().find(|free| {
            below(&inside, &free.path).is_some_and(|rest| !rest.is_empty()) && self.lives(free)
        });
        match within {
            None => Zone::Guarded(inside),
            Some(free) if cover.free.iter().any(|own| Arc::ptr_eq(own, free)) => Zone::Native,
            Some(_) => Zone::Outside,
        }
    }

    fn inside(&self, full: &[u8]) -> Option<Vec<u8>> {
        for alias in &self.aliases {
            if let Some(rest) = below(full, &alias.place) {
                return Some(join(&alias.inside, rest));
            }
        }
        below(full, &self.root).map(<[u8]>::to_vec)
    }

    /// Whether a wall stands in or below the folder `full`: it must not be moved.
    pub(super) fn holds_wall(&self, full: &[u8]) -> bool {
        self.walls().any(|wall| below(wall, full).is_some())
    }

    /// Whether `path` (relative) is or holds a free folder.
    pub(super) fn holds_free(&self, path: &[u8]) -> bool {
        let free = self.free.read().unwrap_or_else(PoisonError::into_inner);
        free.iter().any(|free| below(&free.path, path).is_some() && self.lives(free))
    }

    fn lives(&self, free: &Free) -> bool {
        let path = OsStr::from_bytes(&free.path);
        fs::statat(&self.folder, path, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (free.device, free.inode))
    }

    /// A number that grows before each change of names that we make. While it stands still, no
    /// agent has changed what a name means.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    pub(super) fn change(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }
}

impl Cover {
    /// Whether `full` lies below a folder that the wall leaves open.
    fn has(&self, full: &[u8]) -> bool {
        let ends = full.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/');
        ends.into_iter().any(|(end, _)| self.folders.contains(&full[..end]))
    }
}

/// The path of an open file as the kernel knows it.
fn path_of(file: &OwnedFd) -> rustix::io::Result<Vec<u8>> {
    let link = through(file.as_fd());
    Ok(fs::readlink(link, Vec::with_capacity(256))?.into_bytes())
}

/// What is left of `path` below `folder`; empty for the folder itself.
pub(super) fn below<'a>(path: &'a [u8], folder: &[u8]) -> Option<&'a [u8]> {
    let rest = path.strip_prefix(folder)?;
    match (folder.last(), rest.first()) {
        (_, None) | (None | Some(b'/'), _) => Some(rest),
        (_, Some(b'/')) => Some(&rest[1..]),
        _ => None,
    }
}

pub(super) fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let slash: &[u8] = match folder.last() {
        None | Some(b'/') => b"",
        Some(_) if name.is_empty() => b"",
        Some(_) => b"/",
    };
    [folder, slash, name].concat()
}

struct Mount {
    device: Vec<u8>,
    root: Vec<u8>,
    place: Vec<u8>,
}

/// The other places of the workspace, the deepest first.
fn aliases(mountinfo: &[u8], root: &[u8]) -> Vec<Alias> {
    let mounts: Vec<Mount> = mountinfo.split(|byte| *byte == b'\n').filter_map(mount).collect();
    let home = mounts.iter().rev().filter(|mount| below(root, &mount.place).is_some());
    let Some(home) = home.max_by_key(|mount| mount.place.len()) else { return Vec::new() };
    let Some(rest) = below(root, &home.place) else { return Vec::new() };
    let own = join(&home.root, rest);
    let mut found = Vec::new();
    for mount in mounts.iter().filter(|mount| mount.device == home.device) {
        let (place, inside) = if let Some(rest) = below(&own, &mount.root) {
            (join(&mount.place, rest), Vec::new())
        } else if let Some(inside) = below(&mount.root, &own) {
            (mount.place.clone(), inside.to_vec())
        } else {
            continue;
        };
        if place != root && !found.iter().any(|alias: &Alias| alias.place == place) {
            found.push(Alias { place, inside });
        }
    }
    found.sort_by_key(|alias| std::cmp::Reverse(alias.place.len()));
    found
}

fn mount(line: &[u8]) -> Option<Mount> {
    let mut words = line.split(|byte| *byte == b' ').skip(2);
    let device = words.next()?.to_vec();
    Some(Mount { device, root: unescape(words.next()?), place: unescape(words.next()?) })
}

/// Blanks stand as `\040` there.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let code = text.get(at + 1..at + 4).filter(|_| text[at] == b'\\');
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                at += 4;
            }
            None => {
                plain.push(text[at]);
                at += 1;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(mounts: &str, root: &str) -> Vec<(String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let aliases = aliases(mounts.as_bytes(), root.as_bytes()).into_iter();
        aliases.map(|alias| (text(alias.place), text(alias.inside))).collect()
    }

    #[test]
    fn below_respects_whole_names() {
        assert_eq!(below(b"/a/b/c", b"/a/b"), Some(&b"c"[..]));
        assert_eq!(below(b"/a/b", b"/a/b"), Some(&b""[..]));
        assert_eq!(below(b"/a/bc", b"/a/b"), None);
        assert_eq!(below(b"/a", b"/"), Some(&b"a"[..]));
        assert_eq!(below(b"a", b""), Some(&b"a"[..]));
    }

    #[test]
    fn other_places_of_the_workspace_are_found() {
        let mounts = "1 0 8:1 / / rw - ext4 x rw\n\
                      2 1 8:2 / /home rw - ext4 x rw\n\
                      3 1 8:2 /u/ws /mnt/a\\040b rw - ext4 x rw\n\
                      4 1 8:2 /u/ws/src /srv rw - ext4 x rw\n\
                      5 1 8:2 /u /mnt/u rw - ext4 x rw\n\
                      6 1 8:1 /other /x rw - ext4 x rw\n";
        let pair = |place: &str, inside: &str| (place.to_owned(), inside.to_owned());
        assert_eq!(
            found(mounts, "/home/u/ws"),
            [pair("/mnt/u/ws", ""), pair("/mnt/a b", ""), pair("/srv", "src")]
        );
        assert_eq!(found(mounts, "/home/v"), []);
    }
}
