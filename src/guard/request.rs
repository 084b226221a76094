//! What the guard asks and what can be answered.
//!
//! Paths are bytes relative to the workspace with all symbolic links resolved, so a path is the
//! name of one entry. The empty path is the workspace itself.
//!
//! For each [`Request`] the order is: [`ask`](Arbitrate::ask); if it is allowed,
//! [`before`](Arbitrate::before) when a file that exists is at stake; the call;
//! [`done`](Arbitrate::done). While a request is between `ask` and `done`, whoever answers must
//! not allow another owner anything on the same name, and for a folder that is moved or removed on
//! nothing below it: the guard relies on that to know that a name still means the same file.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;

/// Who decides. Called by one thread for each agent, while the agent's process waits: an answer
/// should take microseconds.
pub trait Arbitrate: Send + Sync {
    /// Whether this may be done.
    fn ask(&self, request: &Request) -> Answer;

    /// Called when it may be done and a file exists that it will change, replace or remove: the last
    /// moment for a before-image. An error refuses the call.
    fn before(&self, request: &Request, victim: &Victim<'_>) -> Result<(), Errno> {
        let _ = (request, victim);
        Ok(())
    }

    /// The end of a request that was allowed or parked.
    fn done(&self, request: &Request, outcome: Outcome) {
        let _ = (request, outcome);
    }
}

/// One call of an agent's process that would change the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The same for each time this call is asked about; never used again for another call of this
    /// agent.
    pub id: u64,
    /// The thread that makes the call.
    pub thread: u32,
    /// How long it has been parked.
    pub waited: Duration,
    /// What it wants to do.
    pub op: Op,
    /// The entry it wants to do it to; of a rename or link, the new name.
    pub target: Target,
}

/// What a process wants to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Open a regular file so that it can be written.
    Open(Open),
    /// Give `from` the name of the target.
    Rename {
        /// The old name. It exists.
        from: Target,
        /// What happens to a target that exists.
        manner: Renaming,
    },
    /// Remove a name that is not a folder.
    Unlink,
    /// Remove a folder.
    Rmdir,
    /// Give the file `from` a second name; that name then leads to the same bytes.
    Link {
        /// The old name; none if the file has had no name so far.
        from: Option<Target>,
    },
    /// Make a symbolic link.
    Symlink,
    /// Make a folder.
    Mkdir,
    /// Make a pipe, a socket, a device or an empty file.
    Mknod,
    /// Cut a file or lengthen it.
    Truncate,
    /// Change what is known about a file, not its bytes.
    Metadata(Metadata),
    /// Make a socket with a name. The kernel makes it, so the outcome is not known.
    Bind,
}

/// How a file is opened for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Open {
    /// Only if it does not exist (`O_EXCL`). The target may exist: then the call fails.
    CreateNew,
    /// It does not exist and will be made.
    Create,
    /// It exists and is emptied.
    Truncate,
    /// It exists and grows at its end.
    Append,
    /// It exists and is changed in place.
    InPlace,
}

/// What a rename does to a target that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Renaming {
    /// It goes.
    Replace,
    /// The rename fails.
    NoReplace,
    /// Both change their names.
    Exchange,
}

/// Which knowledge about a file changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metadata {
    /// Permissions.
    Mode,
    /// User and group.
    Owner,
    /// Time stamps.
    Times,
    /// Extended attributes and flags.
    Attribute,
}

/// An entry of the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its path.
    pub path: Vec<u8>,
    /// What is there now.
    pub found: Option<Found>,
}

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub kind: Kind,
    /// How many names it has.
    pub links: u64,
    /// Its device; with `inode` it tells whether two names are the same file *now*.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// Its length.
    pub size: u64,
    /// Its permissions.
    pub mode: u32,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Pipe,
    /// A socket or a device.
    Other,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The guard makes the call.
    Allow,
    /// The call fails with this.
    Refuse(Errno),
    /// The process waits and it is asked again when the supervisor is woken, until time is up; then
    /// the call fails with `EBUSY`.
    Park,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The call was made.
    Done,
    /// It was tried and failed.
    Failed(Errno),
    /// The kernel makes it, and it is not known whether it worked.
    LeftToKernel,
    /// It waited too long.
    Expired,
    /// Its wait was cancelled.
    Cancelled,
    /// The process died while it waited.
    Gone,
    /// The file changed its name or its identity before the call could be made. The call is asked
    /// about again if it still makes sense.
    Superseded,
}

/// A file at stake.
#[derive(Debug, Clone, Copy)]
pub enum Victim<'a> {
    /// An entry of a pinned folder.
    Entry {
        /// The folder.
        folder: BorrowedFd<'a>,
        /// The name in it.
        name: &'a CStr,
    },
    /// A file that is pinned itself (`O_PATH`).
    File(BorrowedFd<'a>),
}

impl Victim<'_> {
    /// Opens it for reading; never waits for a pipe.
    pub fn read(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        Ok(match self {
            Self::Entry { folder, name } => {
                fs::openat(folder, *name, flags | OFlags::NOFOLLOW, Mode::empty())?
            }
            Self::File(file) => fs::open(through(*file), flags, Mode::empty())?,
        })
    }

    /// Gives it another name, in a folder of the same file system.
    pub fn link(&self, folder: impl AsFd, name: &CStr) -> io::Result<()> {
        match self {
            Self::Entry { folder: from, name: old } => {
                fs::linkat(from, *old, folder, name, AtFlags::empty())?;
            }
            Self::File(file) => {
                let from = through(*file);
                fs::linkat(fs::CWD, from, folder, name, AtFlags::SYMLINK_FOLLOW)?;
            }
        }
        Ok(())
    }
}

/// A path that leads to an open file of ours.
pub(super) fn through(file: BorrowedFd<'_>) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// The command line of the process that a thread belongs to, its words separated by zero bytes;
/// empty if it cannot be told.
pub fn command_line(thread: u32) -> Vec<u8> {
    std::fs::read(format!("/proc/{thread}/cmdline")).unwrap_or_default()
}
