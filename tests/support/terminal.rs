//! The binary in a real terminal, judged by an emulator that shares no code with its drawing.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::AsFd;
use std::process::Child;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command, Pty, open};

use super::PATIENCE;
use super::bench_process::{Bench, PROGRAM};

/// Rows of scrollback that the emulator keeps.
const SCROLLBACK: usize = 1_000;

/// What programs ask a terminal, and what it says: device attributes, cursor place.
const QUERIES: &[(&[u8], &[u8])] = &[(b"\x1b[c", b"\x1b[?6c"), (b"\x1b[6n", b"\x1b[1;1R")];

/// A program on a screen.
pub(crate) struct Screen {
    child: Child,
    pty: Pty,
    bytes: Receiver<Vec<u8>>,
    parser: vt100::Parser,
    /// How many bytes came, to see what idling costs.
    pub(crate) received: usize,
    bells: usize,
}

impl Screen {
    /// Runs `benchdog ARGS` in a terminal of this size.
    pub(crate) fn open(bench: &Bench, args: &[&str], cols: u16, rows: u16) -> Self {
        let command = Command::new(PROGRAM)
            .args(args)
            .current_dir(bench.workspace.path())
            .env_clear()
            .envs(bench.environment());
        Self::of(command, cols, rows)
    }

    /// Runs any program in a terminal of this size.
    pub(crate) fn of(command: Command, cols: u16, rows: u16) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(rows, cols)).unwrap();
        let child = command.spawn(pts).unwrap();
        let mut reader = File::from(pty.as_fd().try_clone_to_owned().unwrap());
        let (to, bytes) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            // A terminal whose program has left reads as an error on Linux.
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if to.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        let parser = vt100::Parser::new(size(rows), size(cols), SCROLLBACK);
        Self { child, pty, bytes, parser, received: 0, bells: 0 }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types: letters as they are, other keys as `<enter>`, `<esc>`, `<c-space>`, `<a-enter>`,
    /// `<s-tab>`, `<up>`, `<lt>` (which is `<`).
    pub(crate) fn send_keys(&mut self, keys: &str) {
        self.send_bytes(&key_bytes(keys));
    }

    /// Pastes in one piece.
    pub(crate) fn paste(&mut self, text: &str) {
        self.send_bytes(format!("\x1b[200~{text}\x1b[201~").as_bytes());
    }

    /// Sends bytes as they are.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.pty.write_all(bytes).unwrap();
        self.pty.flush().unwrap();
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&mut self, cols: u16, rows: u16) {
        self.pty.resize(Size::new(rows, cols)).unwrap();
        self.parser.screen_mut().set_size(size(rows), size(cols));
    }

    /// What is to be seen.
    pub(crate) fn text(&self) -> String {
        self.parser.screen().contents()
    }

    /// How often the bell rang.
    pub(crate) fn bells(&self) -> usize {
        self.bells
    }

    /// The emulator's screen, for colours, cursor and modes.
    pub(crate) fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    /// Waits until the screen `fits`; panics with the screen if it never does.
    pub(crate) fn wait_for(&mut self, what: &str, fits: impl Fn(&vt100::Screen) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !fits(self.parser.screen()) {
            let left = end.saturating_duration_since(Instant::now());
            match self.bytes.recv_timeout(left) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{what} did not come within {PATIENCE:?}; the screen:\n{}", self.frame())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the program left before {what}; the screen:\n{}", self.frame())
                }
            }
        }
    }

    /// Waits until the screen shows `words`.
    pub(crate) fn wait_text(&mut self, words: &str) {
        self.wait_for(&format!("\"{words}\""), |screen| screen.contents().contains(words));
    }

    /// Waits until the screen shows `words` no more.
    pub(crate) fn wait_gone(&mut self, words: &str) {
        let what = format!("the end of \"{words}\"");
        self.wait_for(&what, |screen| !screen.contents().contains(words));
    }

    /// Takes what comes within `window` and returns how many bytes that were.
    pub(crate) fn drain(&mut self, window: Duration) -> usize {
        let (before, end) = (self.received, Instant::now() + window);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.bytes.recv_timeout(left) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    return self.received - before;
                }
            }
        }
    }

    /// Waits for the program to leave; its exit code.
    pub(crate) fn wait_exit(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.bytes.recv_timeout(left) {
                Ok(bytes) => self.take(&bytes),
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap().code(),
                Err(RecvTimeoutError::Timeout) => {
                    panic!("the program stays; the screen:\n{}", self.frame())
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.received += bytes.len();
        // No sequence that the program writes on these screens ends with a bell.
        self.bells += bytes.iter().filter(|byte| **byte == 7).count();
        self.parser.process(bytes);
        for (query, reply) in QUERIES {
            if bytes.windows(query.len()).any(|window| window == *query) {
                // The program may have left meanwhile.
                let _ = self.pty.write_all(reply);
            }
        }
    }

    /// The screen with a line above and below, for a message.
    fn frame(&self) -> String {
        let (_, cols) = self.parser.screen().size();
        let line = "─".repeat(usize::from(cols.get()));
        let rows: Vec<_> = self.parser.screen().rows(0, cols.get()).collect();
        format!("{line}\n{}\n{line}", rows.join("\n"))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn size(value: u16) -> NonZeroU16 {
    NonZeroU16::new(value).unwrap()
}

/// What a terminal sends for these keys.
fn key_bytes(keys: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = keys;
    while let Some((before, behind)) = rest.split_once('<') {
        bytes.extend(before.bytes());
        let (name, after) = behind.split_once('>').unwrap_or_else(|| panic!("no `>` in {keys:?}"));
        bytes.extend(key(name).unwrap_or_else(|| panic!("no key <{name}>")));
        rest = after;
    }
    bytes.extend(rest.bytes());
    bytes
}

fn key(name: &str) -> Option<Vec<u8>> {
    if let Some(base) = name.strip_prefix("a-") {
        return Some([b"\x1b".to_vec(), key(base)?].concat());
    }
    if let Some(base) = name.strip_prefix("c-") {
        return match (base, base.as_bytes()) {
            ("space", _) => Some(vec![0]),
            (_, [letter @ b'a'..=b'z']) => Some(vec![letter - b'a' + 1]),
            (_, [letter @ b'['..=b'_']) => Some(vec![letter - b'@']),
            _ => None,
        };
    }
    let text = match name {
        "enter" => "\r",
        "esc" => "\x1b",
        "tab" => "\t",
        "s-tab" => "\x1b[Z",
        "bs" => "\x7f",
        "space" => " ",
        "lt" => "<",
        "up" => "\x1b[A",
        "down" => "\x1b[B",
        "right" => "\x1b[C",
        "left" => "\x1b[D",
        "home" => "\x1b[H",
        "end" => "\x1b[F",
        "ins" => "\x1b[2~",
        "del" => "\x1b[3~",
        "pgup" => "\x1b[5~",
        "pgdn" => "\x1b[6~",
        "f1" => "\x1bOP",
        "f2" => "\x1bOQ",
        "f3" => "\x1bOR",
        "f4" => "\x1bOS",
        "f5" => "\x1b[15~",
        letter if letter.chars().count() == 1 => letter,
        _ => return None,
    };
    Some(text.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_a_terminal_sends() {
        assert_eq!(key_bytes("hi<enter><c-space>q<a-x><lt>"), b"hi\r\0q\x1bx<");
        assert_eq!(key_bytes("<c-a><s-tab><up>"), b"\x01\x1b[Z\x1b[A");
    }

    #[test]
    fn a_program_is_seen_as_it_draws() {
        let command = Command::new("sh").args([
            "-c",
            "printf 'one\\033[2;5Htwo'; read line; printf \"\\033[31m$line\"; exit 3",
        ]);
        let mut screen = Screen::of(command, 20, 4);
        screen.wait_text("two");
        assert!(screen.text().starts_with("one\n    two"), "{}", screen.text());
        screen.send_keys("three<enter>");
        screen.wait_for("red words", |screen| {
            let cells = (0..20).filter_map(|col| screen.cell(2, col));
            cells.filter(|cell| cell.fgcolor() == vt100::Color::Idx(1)).count() >= 5
        });
        assert_eq!(screen.wait_exit(), Some(3));
    }
}
