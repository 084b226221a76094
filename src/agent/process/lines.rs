//! Bytes into lines. A line may be large, but never as large as memory: one beyond the limit is
//! skipped to its end, and its beginning is handed out instead.

/// Bytes of one line at most.
pub const LONGEST_LINE: usize = 64 << 20;
/// Bytes of a line that is too long which are kept.
const HEAD: usize = 4 << 10;
/// What the buffer may hold on to between lines.
const KEPT_CAPACITY: usize = 1 << 20;

/// A line, or what is left of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A whole line without its end. Bytes that are no UTF-8 are replaced.
    Line(String),
    /// A line beyond the limit.
    TooLong {
        /// How it began.
        head: String,
        /// How long it was.
        bytes: usize,
    },
}

/// Splits a stream of bytes at newlines.
#[derive(Debug)]
pub struct Lines {
    limit: usize,
    buffer: Vec<u8>,
    /// Whether the present line is too long, and how much of it was thrown away.
    over: bool,
    skipped: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self::new(LONGEST_LINE)
    }
}

impl Lines {
    /// A splitter for lines of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, buffer: Vec::new(), over: false, skipped: 0 }
    }

    /// Takes the next bytes and hands out the lines that they complete.
    pub fn push(&mut self, mut bytes: &[u8]) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while let Some(at) = bytes.iter().position(|byte| *byte == b'\n') {
            self.keep(&bytes[..at]);
            pieces.push(self.cut());
            bytes = &bytes[at + 1..];
        }
        self.keep(bytes);
        pieces
    }

    /// Hands out what stands behind the last newline.
    pub fn finish(&mut self) -> Option<Piece> {
        (self.over || !self.buffer.is_empty()).then(|| self.cut())
    }

    fn keep(&mut self, bytes: &[u8]) {
        if !self.over && self.buffer.len() + bytes.len() <= self.limit {
            self.buffer.extend_from_slice(bytes);
            return;
        }
        self.over = true;
        if self.buffer.len() > HEAD {
            self.skipped = self.buffer.len() - HEAD;
            self.buffer.truncate(HEAD);
            self.buffer.shrink_to_fit();
        }
        let (head, rest) = bytes.split_at(bytes.len().min(HEAD - self.buffer.len()));
        self.buffer.extend_from_slice(head);
        self.skipped = self.skipped.saturating_add(rest.len());
    }

    fn cut(&mut self) -> Piece {
        let (over, skipped) = (std::mem::take(&mut self.over), std::mem::take(&mut self.skipped));
        let mut line = std::mem::take(&mut self.buffer);
        if line.capacity() <= KEPT_CAPACITY {
            // The next line is likely to be as long as this one.
            self.buffer = Vec::with_capacity(line.len().min(KEPT_CAPACITY));
        }
        let bytes = line.len() + skipped;
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let text = String::from_utf8(line)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        if over { Piece::TooLong { head: text, bytes } } else { Piece::Line(text) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(text: &str) -> Piece {
        Piece::Line(text.to_owned())
    }

    #[test]
    fn lines_come_out_whole_however_they_arrive() {
        let mut lines = Lines::new(100);
        assert_eq!(lines.push(b"on"), []);
        assert_eq!(lines.push(b"e\r\ntwo\n\nth"), [line("one"), line("two"), line("")]);
        assert_eq!(lines.finish(), Some(line("th")));
        assert_eq!(lines.finish(), None);
    }

    #[test]
    fn a_line_beyond_the_limit_is_skipped_to_its_end() {
        let mut lines = Lines::new(10);
        assert_eq!(lines.push(b"0123456789"), []);
        assert_eq!(lines.push(b"ab"), []);
        assert_eq!(lines.push(&[b'x'; 9000]), []);
        let pieces = lines.push(b"y\nnext\n");
        let [Piece::TooLong { head, bytes: 9013 }, next] = &pieces[..] else {
            panic!("{pieces:?}")
        };
        assert!(head.starts_with("0123456789abxxx") && head.len() == HEAD);
        assert_eq!(next, &line("next"));
    }

    #[test]
    fn only_the_head_of_a_long_line_stays_in_memory() {
        let mut lines = Lines::new(100_000);
        lines.push(&vec![b'x'; 100_000]);
        lines.push(b"!");
        assert!(lines.buffer.capacity() <= HEAD * 2);
        let pieces = lines.push(b"\n");
        let [Piece::TooLong { head, bytes: 100_001 }] = &pieces[..] else { panic!("{pieces:?}") };
        assert_eq!(head.len(), HEAD);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(Lines::new(10).push(b"a\xffb\n"), [line("a\u{fffd}b")]);
    }

    proptest! {
        #[test]
        fn cutting_the_input_anywhere_changes_nothing(
            text in "[a-c\n]{0,80}", cuts in prop::collection::vec(0usize..80, 0..6), limit in 1usize..20,
        ) {
            let mut whole = Lines::new(limit);
            let mut expected = whole.push(text.as_bytes());
            expected.extend(whole.finish());
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let mut parts = Lines::new(limit);
            let (mut got, mut from) = (Vec::new(), 0);
            for cut in cuts.into_iter().chain([text.len()]) {
                got.extend(parts.push(&text.as_bytes()[from..cut]));
                from = cut;
            }
            got.extend(parts.finish());
            prop_assert_eq!(got, expected);
        }
    }
}
