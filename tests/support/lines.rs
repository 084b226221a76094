//! Lines of a process, as they come.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// A stream that is read to its end in the background.
#[derive(Debug)]
pub(crate) struct Lines {
    from: Receiver<String>,
    /// What has been read, for the message of a wait that gives up.
    seen: VecDeque<String>,
}

impl Lines {
    /// Reads `stream`.
    pub(crate) fn of(stream: impl Read + Send + 'static) -> Self {
        // A test keeps all that a process says, so there is nothing to bound here.
        let (to, from) = mpsc::channel();
        thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                if to.send(text).is_err() {
                    return;
                }
                line.clear();
            }
        });
        Self { from, seen: VecDeque::new() }
    }

    /// The next line; `None` at the end of the stream. Panics if neither comes in time.
    pub(crate) fn next(&mut self) -> Option<String> {
        self.next_within(PATIENCE)
            .unwrap_or_else(|| panic!("no line came within {PATIENCE:?}; before: {:#?}", self.seen))
    }

    /// The next line or the end of the stream (`Some(None)`), if it comes in time.
    pub(crate) fn next_within(&mut self, patience: Duration) -> Option<Option<String>> {
        match self.from.recv_timeout(patience) {
            Ok(line) => {
                self.seen.push_back(line.clone());
                if self.seen.len() > 200 {
                    self.seen.pop_front();
                }
                Some(Some(line))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => Some(None),
            Err(mpsc::RecvTimeoutError::Timeout) => None,
        }
    }

    /// The next line that `fits`; panics if there is none.
    pub(crate) fn wait_for(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.next_within(left) {
                Some(Some(line)) if fits(&line) => return line,
                Some(Some(_)) => {}
                Some(None) => panic!("the end came before {what}; seen: {:#?}", self.seen),
                None => panic!("{what} did not come within {PATIENCE:?}; seen: {:#?}", self.seen),
            }
        }
    }

    /// All lines to the end of the stream.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).collect()
    }
}
