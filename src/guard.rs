//! The guard: the kernel asks before any process of an agent writes a file of the workspace.
//!
//! Two parts of the kernel work together, and only the two together are called *enforced*:
//!
//! - **Landlock is the wall.** In an agent's processes everything is writable but the workspace.
//!   No call, however it is made, passes it.
//! - **seccomp is the door.** Calls that mean to write are handed to a thread of ours, the
//!   [`supervisor`]. It asks [`Arbitrate`](request::Arbitrate), and if the answer is yes it makes
//!   the call itself, on a folder that it has pinned, and gives the agent the result.
//!
//! What always holds:
//!
//! - **Doubt closes.** A call that is not understood goes back to the kernel, and the wall refuses
//!   it. What the wall does not know (modes, owners, times, attributes) is refused instead. An
//!   error of ours is a refusal.
//! - **The workspace is like a file system of its own.** No name and no hard link crosses its
//!   border: `EXDEV`, which `mv` and its like answer with a copy.
//! - **Nothing is asked twice or forgotten.** Each request that was not refused ends in exactly one
//!   [`done`](request::Arbitrate::done).
//! - **Our death closes too.** Without the supervisor each of these calls fails with `ENOSYS`.
//!
//! The order of things: one [`Workspace`](ground::Workspace) for the tree; for each agent
//! [`fence::prepare`], whose [`Fence`](fence::Fence) goes into the child's `pre_exec` and whose
//! [`Gate`](fence::Gate) becomes a [`Supervisor`](supervisor::Supervisor).
//!
//! Not here: who may write what; what becomes of before-images; how agents are started. What the
//! guard cannot do is listed in [`limits`].

use std::{fmt, io};

use thiserror::Error;

pub mod limits;
pub mod request;

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{fence, ground, probe, supervisor, writers};
#[cfg(target_os = "linux")]
pub use linux::{fence, ground, probe, supervisor, writers};

/// How far the agents' writes are under control.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Level {
    /// The kernel asks before each write.
    Enforced,
    /// Nobody can be stopped from writing; it can only be noticed.
    Advisory(Reason),
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enforced => f.write_str("enforced"),
            Self::Advisory(reason) => write!(f, "advisory: {reason}"),
        }
    }
}

/// Why the kernel cannot ask.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Reason {
    /// Not Linux, or a processor whose calls are not in our table.
    #[error("this system has no way to ask before a write")]
    System,
    /// No Landlock, or one that does not know `truncate`.
    #[error("Landlock version {found} is too old, {needed} is needed (Linux 6.2)")]
    Landlock {
        /// The version of the running kernel; 0 if Landlock is off.
        found: u32,
        /// The first version that closes every way.
        needed: u32,
    },
    /// The filter cannot be put in place: an old kernel, or another supervisor is there already.
    #[error("the kernel refuses a seccomp listener: {0}")]
    Listener(String),
    /// Something of the trial did not come out as it must.
    #[error("the trial failed: {0}")]
    Trial(String),
}

/// Why an agent could not be put behind the wall.
#[derive(Debug, Error)]
pub enum FenceError {
    /// This system cannot.
    #[error(transparent)]
    Unavailable(#[from] Reason),
    /// The wall could not be built.
    #[error("the wall around the workspace cannot be built: {0}")]
    Wall(#[source] io::Error),
    /// The child ended, or never came to the hand-over.
    #[error("the process did not hand over its listener: {0}")]
    HandOver(#[source] io::Error),
}
