//! The last words of a process: what it wrote to stderr before it ended.

use std::collections::VecDeque;

use super::lines::{Lines, Piece};

/// Lines that are kept.
const LINES: usize = 40;
/// Bytes that are kept.
const BYTES: usize = 8 << 10;

/// The last lines of a stream.
#[derive(Debug)]
pub struct Tail {
    lines: Lines,
    kept: VecDeque<String>,
    bytes: usize,
}

impl Default for Tail {
    fn default() -> Self {
        Self { lines: Lines::new(BYTES), kept: VecDeque::new(), bytes: 0 }
    }
}

impl Tail {
    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        for piece in self.lines.push(bytes) {
            self.keep(piece);
        }
    }

    /// The last lines, in their order.
    pub fn text(mut self) -> String {
        if let Some(rest) = self.lines.finish() {
            self.keep(rest);
        }
        Vec::from(self.kept).join("\n")
    }

    fn keep(&mut self, piece: Piece) {
        let line = match piece {
            Piece::Line(line) => line,
            Piece::TooLong { head, .. } => format!("{head}…"),
        };
        self.bytes += line.len() + 1;
        self.kept.push_back(line);
        while self.kept.len() > LINES || (self.bytes > BYTES && self.kept.len() > 1) {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.bytes -= oldest.len() + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(text: &str) -> String {
        let mut tail = Tail::default();
        tail.push(text.as_bytes());
        tail.text()
    }

    #[test]
    fn the_last_forty_lines_are_kept() {
        let all: Vec<String> = (0..100).map(|n| format!("line {n}")).collect();
        assert_eq!(tail(&all.join("\n")), all[60..].join("\n"));
    }

    #[test]
    fn long_lines_push_out_more_and_one_always_stays() {
        let long = "x".repeat(5000);
        assert_eq!(tail(&format!("a\n{long}\nb\n{long}\n")), format!("b\n{long}"));
        let endless = tail(&"y".repeat(1 << 20));
        assert!(endless.len() < 8 << 10 && endless.ends_with('…'));
    }
}
