//! Going back to the shell for a while (Ctrl-Z) and coming back.

use std::io;

use rustix::process::{Signal as Posix, getpid, getsid, kill_current_process_group, kill_process};
use tokio::signal::unix::{Signal, SignalKind};

use crate::ui::terminal::Screen;

/// The signal by which a shell suspends a program.
pub(super) fn stop_signal() -> SignalKind {
    SignalKind::from_raw(Posix::TSTP.as_raw())
}

/// The signal by which a shell lets it go on.
pub(super) fn go_on_signal() -> SignalKind {
    SignalKind::from_raw(Posix::CONT.as_raw())
}

/// Whether somebody could bring a stopped program back: the leader of a session has no shell.
pub(super) fn has_shell() -> bool {
    getsid(None).is_ok_and(|leader| leader != getpid())
}

/// Gives the terminal back and stops; returns when the person is back. With `ours`, it is the
/// person's key: the whole job has to stop, and the signal that this sends to ourselves too is
/// awaited first.
pub(super) async fn suspend(
    screen: &mut Screen,
    ours: Option<&mut Signal>,
    go_on: &mut Signal,
) -> io::Result<()> {
    screen.lend();
    if let Some(stop) = ours {
        kill_current_process_group(Posix::TSTP)?;
        stop.recv().await;
    }
    kill_process(getpid(), Posix::STOP)?;
    go_on.recv().await;
    screen.take_back()
}
