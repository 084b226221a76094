//! Asking the terminal whether it knows the newer keyboard protocol.
//!
//! The question is bounded in time and asked before anybody else reads the terminal. An answer that
//! comes too late is swallowed by the reader of events. Keys that were pressed meanwhile are given
//! back; they are not lost.

use std::fs::File;
use std::io::{self, IsTerminal, Write, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// The flags of the keyboard, then what every terminal answers: its attributes.
const QUESTION: &[u8] = b"\x1b[?u\x1b[c";

/// Bytes that are read at most; nobody types so much so soon.
const MOST: usize = 4096;

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Probe {
    /// Whether the terminal knows the protocol.
    pub clear_keys: bool,
    /// What was typed meanwhile.
    pub typed: Vec<KeyEvent>,
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
    let mut bytes = Vec::new();
    while !judge(&bytes).1 && bytes.len() < MOST {
        let left = until.saturating_duration_since(Instant::now());
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
        let mut chunk = [0; 256];
        match rustix::io::read(tty, &mut chunk) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(judge(&bytes).0)
}

/// Reads what came so far; also says whether the last answer is among it.
fn judge(bytes: &[u8]) -> (Probe, bool) {
    let (mut probe, mut last) = (Probe::default(), false);
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        if let Some(body) = rest.strip_prefix(b"\x1b[") {
            let Some(end) = body.iter().position(|b| (0x40..=0x7e).contains(b)) else {
                break;
            };
            let answer = body.first() == Some(&b'?');
            probe.clear_keys |= answer && body[end] == b'u';
            last |= answer && body[end] == b'c';
            rest = &body[end + 1..];
            continue;
        }
        let width = match byte {
            0..=0x7f => 1,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            _ => 4,
        };
        let character = rest.get(..width).and_then(|bytes| std::str::from_utf8(bytes).ok());
        match character.and_then(|text| text.chars().next()) {
            Some(c) => {
                probe.typed.push(key(c));
                rest = &rest[width..];
            }
            None => rest = after,
        }
    }
    (probe, last)
}

fn key(c: char) -> KeyEvent {
    let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
    match c {
        '\r' => plain(KeyCode::Enter),
        '\t' => plain(KeyCode::Tab),
        '\x1b' => plain(KeyCode::Esc),
        '\x7f' => plain(KeyCode::Backspace),
        '\0' => KeyEvent::new(KeyCode::Char(' '), KeyModifiers::CONTROL),
        c @ '\x01'..='\x1a' => {
            let letter = char::from(b'a' + (c as u8) - 1);
            KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)
        }
        c => plain(KeyCode::Char(c)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_from_keys() {
        let (probe, last) = judge(b"a\x1b[?1u\x00\xc3\xa9\x1b[?62;4c\r");
        assert!(last && probe.clear_keys);
        let codes: Vec<_> = probe.typed.iter().map(|event| event.code).collect();
        let expected = [KeyCode::Char('a'), KeyCode::Char(' '), KeyCode::Char('é'), KeyCode::Enter];
        assert_eq!(codes, expected);
        let (plain, last) = judge(b"\x1b[?62c");
        assert!(last && !plain.clear_keys);
        assert!(!judge(b"\x1b[?6").1);
    }

    #[test]
    fn a_mute_terminal_costs_no_more_than_the_patience() {
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        let probe = listen(reader.as_fd(), Duration::from_millis(5)).unwrap();
        assert_eq!(probe, Probe::default());
    }
}
