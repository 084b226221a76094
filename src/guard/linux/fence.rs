//! What an agent's process goes through before it becomes the agent, and what its parent gets.
//!
//! [`Fence::enter`] is made for `pre_exec`: between fork and exec it allocates nothing, takes no lock and makes bare system calls only. Everything it needs was made before the fork.
//! After it the process, and all that descend from it, are behind the wall for ever.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use crate::guard::linux::ground::{Cover, Workspace};
use crate::guard::linux::supervisor::{LONGEST_PARK, Supervisor};
use crate::guard::linux::{filter, kernel, landlock, lent};
use crate::guard::request::Arbitrate;
use crate::guard::{FenceError, Reason};

/// How long a child may take from its start to the hand-over.
const PATIENCE: Duration = Duration::from_secs(5);

/// The child's half.
#[derive(Debug)]
pub struct Fence {
    ruleset: OwnedFd,
    program: Vec<libc::sock_filter>,
    sender: OwnedFd,
}

/// The parent's half.
#[derive(Debug)]
pub struct Gate {
    receiver: OwnedFd,
    workspace: Arc<Workspace>,
    cover: Cover,
    longest_park: Duration,
}

/// Prepares one agent. The wall knows the neighbours of the workspace as they are now.
pub fn prepare(workspace: &Arc<Workspace>) -> Result<(Fence, Gate), FenceError> {
    let (ruleset, cover) = build(workspace)?;
    let flags = SocketFlags::CLOEXEC;
    let (receiver, sender) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(|error| FenceError::Wall(error.into()))?;
    let fence = Fence { ruleset, program: filter::program(), sender };
    Ok((fence, Gate { receiver, workspace: workspace.clone(), cover, longest_park: LONGEST_PARK }))
}

fn build(workspace: &Workspace) -> Result<(OwnedFd, Cover), FenceError> {
    let version = kernel::landlock_version();
    if !filter::supported() {
        return Err(Reason::System.into());
    }
    if version < landlock::NEEDED {
        return Err(Reason::Landlock { found: version, needed: landlock::NEEDED }.into());
    }
    landlock::build(workspace, version).map_err(|error| FenceError::Wall(error.into()))
}

/// Starts a process, guarded or not, while no file is open here that a caller is to have for
/// itself: a copy of it would live in the child until that becomes another program, and a pipe
/// would have a writer, or a program could not be run. `start` should fork, wait for the `exec` as
/// `spawn` does, and do nothing else.
pub fn start<T>(start: impl FnOnce() -> T) -> T {
    lent::fork(start)
}

impl Fence {
    /// The child's half where the parent's is in another process, which has the other end of
    /// `sender`, a stream socket, and knows the same workspace with the same free folders.
    pub fn through(workspace: &Workspace, sender: OwnedFd) -> Result<Self, FenceError> {
        let (ruleset, _) = build(workspace)?;
        Ok(Self { ruleset, program: filter::program(), sender })
    }

    /// Has a command go through the fence.
    #[expect(unsafe_code, reason = "only between fork and exec can a child enter")]
    pub fn around(self, command: &mut Command) {
        // SAFETY: `enter` is made for this place.
        unsafe {
            command.pre_exec(move || self.enter());
        }
    }

    /// Puts the calling process behind the wall. To be called in `pre_exec`, last of all. The
    /// process must be of the same user as we are: only later changes of who it is are seen.
    pub fn enter(&self) -> io::Result<()> {
        kernel::no_new_privileges()?;
        kernel::restrict(self.ruleset.as_fd())?;
        let listener = kernel::install(&self.program)?;
        let given = [listener.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&given)) {
            return Err(rustix::io::Errno::NOBUFS.into());
        }
        sendmsg(&self.sender, &[IoSlice::new(b"!")], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

impl Gate {
    /// The parent's half of a child that another process starts, with [`Fence::through`] and the
    /// other end of `receiver`.
    pub fn through(workspace: &Arc<Workspace>, receiver: OwnedFd) -> Result<Self, FenceError> {
        let (_, cover) = build(workspace)?;
        Ok(Self { receiver, workspace: workspace.clone(), cover, longest_park: LONGEST_PARK })
    }

    /// Parks calls no longer than that; never longer than [`LONGEST_PARK`].
    #[must_use]
    pub fn longest_park(self, limit: Duration) -> Self {
        Self { longest_park: limit.min(LONGEST_PARK), ..self }
    }

    /// Takes over the listener of the process that entered, and answers for it as long as anything
    /// of it lives. To be called as soon as the process has been started: it waits for us.
    pub fn supervise(
        self,
        name: &str,
        arbiter: Arc<dyn Arbitrate>,
    ) -> Result<Supervisor, FenceError> {
        let listener = receive(&self.receiver).map_err(FenceError::HandOver)?;
        Supervisor::start(name, listener, self.workspace, self.cover, arbiter, self.longest_park)
            .map_err(FenceError::HandOver)
    }
}

fn receive(socket: &OwnedFd) -> io::Result<OwnedFd> {
    let mut ready = [PollFd::new(socket, PollFlags::IN)];
    let patience = rustix::event::Timespec::try_from(PATIENCE).map_err(io::Error::other)?;
    if poll(&mut ready, Some(&patience))? == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let given = control.drain().find_map(|message| {
        if let RecvAncillaryMessage::ScmRights(mut files) = message { files.next() } else { None }
    });
    given.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
