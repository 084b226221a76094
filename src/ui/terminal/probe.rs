//! Asking the terminal whether it knows the newer keyboard protocol.
//!
//! The question is bounded in time and asked before anybody else reads the terminal. An answer that
//! comes too late is swallowed by the reader of events. What was typed or pasted meanwhile is given
//! back; nothing of it is lost, and no key is cut in two where the time is over.

use std::fs::File;
use std::io::{self, IsTerminal, Write, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use crossterm::event::Event;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::typed::Typed;

/// The flags of the keyboard, then what every terminal answers: its attributes.
const QUESTION: &[u8] = b"\x1b[?u\x1b[c";

/// Bytes that are read at most, but for a paste that has begun; nobody types so much so soon.
const MOST: usize = 4096;

/// How long the rest of a key or a paste may take that has begun.
const REST: Duration = Duration::from_millis(50);

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Probe {
    /// Whether the terminal knows the protocol.
    pub clear_keys: bool,
    /// What was typed meanwhile.
    pub typed: Vec<Event>,
}

/// Asks, and waits at most `patience` for the answer. Blocks.
pub fn probe(patience: Duration) -> io::Result<Probe> {
    let mut out = stdout();
    out.write_all(QUESTION)?;
    out.flush()?;
    if stdin().is_terminal() {
        return listen(stdin().as_fd(), patience);
    }
    let tty = File::open("/dev/tty")?;
    listen(tty.as_fd(), patience)
}

fn listen(tty: BorrowedFd<'_>, patience: Duration) -> io::Result<Probe> {
    let until = Instant::now() + patience;
    let mut typed = Typed::default();
    let mut read = 0;
    while typed.is_cut() || (!typed.has_attributes && read < MOST) {
        let mut left = until.saturating_duration_since(Instant::now());
        if typed.is_cut() {
            left = left.max(REST);
        }
        let Ok(left) = Timespec::try_from(left) else {
            break;
        };
        let mut fds = [PollFd::from_borrowed_fd(tty, PollFlags::IN)];
        match poll(&mut fds, Some(&left)) {
            Ok(0) => break,
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let mut chunk = [0; MOST];
        match rustix::io::read(tty, &mut chunk) {
            Ok(0) => break,
            Ok(count) => {
                read += count;
                typed.take(&chunk[..count]);
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    typed.finish();
    Ok(Probe { clear_keys: typed.has_flags, typed: typed.events })
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyEvent};

    use super::*;

    fn asked(sent: &[u8]) -> Probe {
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        rustix::io::write(&writer, sent).unwrap();
        listen(reader.as_fd(), Duration::from_millis(5)).unwrap()
    }

    fn keys(codes: &[KeyCode]) -> Vec<Event> {
        codes.iter().map(|code| Event::Key(KeyEvent::from(*code))).collect()
    }

    #[test]
    fn answers_are_told_from_keys() {
        let probe = asked(b"a\x1b[A\x1b[?1u\xc3\xa9\x1b[?62;4c\r");
        assert!(probe.clear_keys);
        let typed = [KeyCode::Char('a'), KeyCode::Up, KeyCode::Char('é'), KeyCode::Enter];
        assert_eq!(probe.typed, keys(&typed));
        assert!(!asked(b"\x1b[?62c").clear_keys);
    }

    #[test]
    fn what_is_typed_behind_the_answer_is_read_to_the_end_of_a_key() {
        assert_eq!(asked(b"\x1b[?62c\x1b[B").typed, keys(&[KeyCode::Down]));
        assert_eq!(asked(b"\x1b[?62c\x1b").typed, keys(&[KeyCode::Esc]));
    }

    #[test]
    fn a_mute_terminal_costs_no_more_than_the_patience() {
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        let probe = listen(reader.as_fd(), Duration::from_millis(5)).unwrap();
        assert_eq!(probe, Probe::default());
    }
}
