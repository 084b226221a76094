//! Keys that wait in the terminal although nobody is told of them.
//!
//! The reader of events is told of keys once, when they arrive. If a new size is told of at the same
//! time, or if more has come than it reads at once, it forgets what is left until the next key is
//! pressed: a prompt typed while the terminal changes its size would lie there. Setting the terminal
//! to what it is already makes the kernel tell of the keys again.

use std::fs::File;
use std::io::{IsTerminal, stdin};
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// Has the reader of events told of the keys that wait, if any do. Must come after the reader said
/// that it has none, from the only task that changes the terminal.
pub fn tell_of_keys() -> std::io::Result<()> {
    if stdin().is_terminal() {
        return tell(stdin().as_fd());
    }
    tell(File::open("/dev/tty")?.as_fd())
}

fn tell(tty: BorrowedFd<'_>) -> std::io::Result<()> {
    let mut fds = [PollFd::from_borrowed_fd(tty, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    if poll(&mut fds, Some(&now))? > 0 && fds[0].revents().contains(PollFlags::IN) {
        tcsetattr(tty, OptionalActions::Now, &tcgetattr(tty)?)?;
    }
    Ok(())
}
