//! Cuts a growing markdown text into segments.
//!
//! A segment ends where its end is certain from what stands before it: at a blank line outside of
//! lists and code, at a fence, or where it has become too long. Code blocks are segments of their
//! own and need no parser.

use std::ops::Range;

/// A segment that is longer than this ends with its line.
const LONG: usize = 8 * 1_024;
/// A list with a fence inside may become this long before it is cut all the same.
const TOO_LONG: usize = 4 * LONG;

/// A part of the text that can be laid out without the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// What it is.
    pub kind: Kind,
    /// Whether a blank line stands before it.
    pub blank_before: bool,
}

/// What a segment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Markdown for the parser.
    Prose,
    /// Lines of a fenced code block, without the fences.
    Code {
        /// Where the language is written; `None` in the continuation of a long block.
        label: Option<Range<usize>>,
        /// How far the fence is indented.
        indent: usize,
    },
}

/// The segments of a growing text. The text itself stays with its owner.
#[derive(Debug, Clone, Default)]
pub struct Document {
    segments: Vec<Segment>,
    frozen: usize,
    scan: Scan,
    seen: usize,
}

impl Document {
    /// Learns the text as it is now; it may only have grown.
    pub fn update(&mut self, text: &str) -> Update {
        if text.len() == self.seen && !self.segments.is_empty() {
            return Update { read: 0, kept: self.segments.len() };
        }
        self.seen = text.len();
        let from = self.scan.at;
        let before = self.segments.split_off(self.frozen);
        let frozen = self.frozen;
        self.scan.advance(text, &mut self.segments);
        self.frozen = self.segments.len();
        let mut rest = self.scan.clone();
        rest.finish(text, &mut self.segments);
        // The same place in a text that has only grown holds the same text.
        let same = before.iter().zip(&self.segments[frozen..]).take_while(|(a, b)| a == b).count();
        Update { read: text.len() - from, kept: frozen + same }
    }

    /// The segments, in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// How many of them no later byte can change.
    pub fn frozen(&self) -> usize {
        self.frozen
    }
}

/// What a growth of the text meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Update {
    /// How many bytes were read.
    pub read: usize,
    /// How many segments, from the first one on, are what they were.
    pub kept: usize,
}

/// How far the text was read and what is open there.
#[derive(Debug, Clone, Default)]
struct Scan {
    at: usize,
    blank: bool,
    open: Open,
}

#[derive(Debug, Clone, Default)]
enum Open {
    #[default]
    Nothing,
    Prose {
        segment: Segment,
        list: bool,
        fence: Option<Fence>,
    },
    Code {
        segment: Segment,
        fence: Fence,
    },
}

#[derive(Debug, Clone, Copy)]
struct Fence {
    sign: u8,
    length: usize,
    indent: usize,
}

impl Scan {
    /// Reads all lines that are complete or too long to wait for.
    fn advance(&mut self, text: &str, done: &mut Vec<Segment>) {
        while let Some((length, whole)) = next_line(&text[self.at..]) {
            let range = self.at..self.at + length;
            self.at = range.end + usize::from(whole);
            self.line(text, range, self.at, done);
            if !whole {
                self.cut(self.at, done);
            }
        }
    }

    /// Reads the rest as if nothing came behind it.
    fn finish(&mut self, text: &str, done: &mut Vec<Segment>) {
        if self.at < text.len() {
            self.line(text, self.at..text.len(), text.len(), done);
        }
        self.close(done);
    }

    /// Reads one line; the one behind it begins at `next`.
    fn line(&mut self, text: &str, range: Range<usize>, next: usize, done: &mut Vec<Segment>) {
        let line = text[range.clone()].trim_end();
        match &mut self.open {
            Open::Code { segment, fence } => {
                if fence.is_closed_by(line) {
                    self.close(done);
                    return;
                }
                segment.end = range.end;
                if segment.end - segment.start >= LONG {
                    self.cut(next, done);
                }
                return;
            }
            Open::Prose { segment, fence: inner @ Some(_), .. } => {
                if !line.is_empty() {
                    segment.end = range.end;
                }
                if inner.is_some_and(|fence| fence.is_closed_by(line)) {
                    *inner = None;
                }
                if segment.end - segment.start >= TOO_LONG {
                    self.cut(next, done);
                }
                return;
            }
            Open::Prose { list, .. } if !line.is_empty() => {
                let list = *list;
                let outer = Fence::read(line).is_some_and(|fence| !list || fence.indent < 2);
                let goes_on = list && (indent(line) >= 2 || marker(line).is_some());
                if outer || (self.blank && !goes_on) {
                    self.close(done);
                }
            }
            Open::Prose { .. } | Open::Nothing => {}
        }
        if line.is_empty() {
            self.blank = true;
            return;
        }
        self.content(line, range, next, done);
    }

    /// A line that is not blank and does not belong to code.
    fn content(&mut self, line: &str, range: Range<usize>, next: usize, done: &mut Vec<Segment>) {
        let blank_before = std::mem::take(&mut self.blank);
        if matches!(self.open, Open::Nothing) {
            if let Some(fence) = Fence::read(line) {
                let label = range.start + fence.indent + fence.length..range.start + line.len();
                self.open = Open::Code {
                    segment: Segment {
                        start: next,
                        end: next,
                        kind: Kind::Code { label: Some(label), indent: fence.indent },
                        blank_before,
                    },
                    fence,
                };
                return;
            }
            let segment =
                Segment { start: range.start, end: range.end, kind: Kind::Prose, blank_before };
            self.open = Open::Prose { segment, list: false, fence: None };
        }
        let Open::Prose { segment, list, fence } = &mut self.open else { return };
        segment.end = range.end;
        let behind = marker(line);
        *list |= behind.is_some();
        if *list {
            *fence = Fence::read(behind.unwrap_or(line).trim_start());
        }
        if fence.is_none() && segment.end - segment.start >= LONG {
            self.cut(next, done);
        }
    }

    /// Ends the open segment; code goes on at `start` in another one.
    fn cut(&mut self, start: usize, done: &mut Vec<Segment>) {
        let code = match &self.open {
            Open::Code { fence, .. } => Some(*fence),
            Open::Prose { .. } | Open::Nothing => None,
        };
        self.close(done);
        if let Some(fence) = code {
            self.open = Open::Code {
                segment: Segment {
                    start,
                    end: start,
                    kind: Kind::Code { label: None, indent: fence.indent },
                    blank_before: false,
                },
                fence,
            };
        }
    }

    fn close(&mut self, done: &mut Vec<Segment>) {
        match std::mem::take(&mut self.open) {
            Open::Nothing => {}
            Open::Prose { segment, .. } => done.push(segment),
            Open::Code { segment, .. } => {
                let continues = matches!(segment.kind, Kind::Code { label: None, .. });
                if !(continues && segment.end <= segment.start) {
                    done.push(segment);
                }
            }
        }
    }
}

impl Fence {
    /// Reads the opening of a fenced code block.
    fn read(line: &str) -> Option<Self> {
        let indent = indent(line);
        let rest = line.get(indent..)?;
        let sign = *rest.as_bytes().first()?;
        let length = rest.bytes().take_while(|b| *b == sign).count();
        let info = rest.get(length..)?;
        let opens = matches!(sign, b'`' | b'~')
            && length >= 3
            && indent <= 3
            && !(sign == b'`' && info.contains('`'));
        opens.then_some(Self { sign, length, indent })
    }

    fn is_closed_by(self, line: &str) -> bool {
        let line = line.trim();
        line.len() >= self.length && line.bytes().all(|b| b == self.sign)
    }
}

/// How long the next line is, and whether a newline follows; `None` if that cannot be said yet.
fn next_line(rest: &str) -> Option<(usize, bool)> {
    let window = &rest.as_bytes()[..rest.len().min(2 * LONG)];
    if let Some(at) = window.iter().position(|b| *b == b'\n') {
        return Some((at, true));
    }
    if rest.len() < 2 * LONG {
        return None;
    }
    let blank = window[LONG..].iter().position(|b| *b == b' ');
    Some((blank.map_or_else(|| rest.floor_char_boundary(2 * LONG), |at| LONG + at + 1), false))
}

fn indent(line: &str) -> usize {
    line.bytes().take_while(|b| *b == b' ').count()
}

/// What stands behind the mark of a list item.
fn marker(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let mark = match line.as_bytes().get(digits)? {
        b'-' | b'*' | b'+' if digits == 0 => 1,
        b'.' | b')' if (1..10).contains(&digits) => digits + 1,
        _ => return None,
    };
    let rest = &line[mark..];
    (rest.is_empty() || rest.starts_with(' ')).then_some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segments(text: &str) -> Vec<Segment> {
        let mut document = Document::default();
        document.update(text);
        document.segments().to_vec()
    }

    /// `text` must fall into these parts; code is written as `label|lines`.
    fn check(text: &str, expected: &[&str]) {
        let parts: Vec<String> = segments(text)
            .iter()
            .map(|part| {
                let source = text.get(part.start..part.end).unwrap_or_default();
                match &part.kind {
                    Kind::Prose => source.to_owned(),
                    Kind::Code { label, .. } => {
                        format!("{}|{source}", label.clone().map_or("", |range| &text[range]))
                    }
                }
            })
            .collect();
        assert_eq!(parts, expected, "{text:?}");
    }

    #[test]
    fn a_blank_line_ends_a_segment() {
        check("a\nb\n\nc\n", &["a\nb", "c"]);
        check("\n\na", &["a"]);
        check("", &[]);
        assert!(segments("a\n\nb")[1].blank_before);
        assert!(!segments("a\n```\nb\n```\nc")[2].blank_before);
    }

    #[test]
    fn a_list_stays_whole_over_blank_lines() {
        check("- a\n\n- b\n\n  more\n\nend", &["- a\n\n- b\n\n  more", "end"]);
        check("1. a\n\n2. b\n", &["1. a\n\n2. b"]);
        check("so:\n- a\n\n- b", &["so:\n- a\n\n- b"]);
        check("-no list\n\n- b", &["-no list", "- b"]);
    }

    #[test]
    fn code_is_a_segment_of_its_own() {
        check("a\n```rust\nfn x() {}\n\n}\n```\nb", &["a", "rust|fn x() {}\n\n}", "b"]);
        check("~~~~\n~~~\n~~~~", &["|~~~"]);
        check("```\nnot closed\n", &["|not closed"]);
        check("1. a\n```sh\nx\n```\n2. b", &["1. a", "sh|x", "2. b"]);
        check(
            "- a\n  ```sh\n  x\n\n  y\n  ```\n\nend",
            &["- a\n  ```sh\n  x\n\n  y\n  ```", "end"],
        );
    }

    #[test]
    fn no_segment_grows_without_bound() {
        for text in [
            "word ".repeat(100_000),
            "x".repeat(500_000),
            "line\n".repeat(100_000),
            format!("```\n{}", "let x = 1;\n".repeat(50_000)),
            format!("- a\n  ```\n{}", "  let x = 1;\n".repeat(50_000)),
            format!("```\n{}", "漢".repeat(200_000)),
        ] {
            let parts = segments(&text);
            assert!(parts.iter().all(|part| part.end - part.start <= TOO_LONG + 2 * LONG));
            assert!(parts.len() >= text.len() / (TOO_LONG + 2 * LONG));
        }
    }

    proptest! {
        #[test]
        fn pieces_give_the_segments_of_the_whole(
            text in r"(a|b |- |1\. |\n|\n\n|```|~~~|  |# |\||> |é|\t|\r){0,60}",
            cuts in prop::collection::vec(0usize..200, 0..20),
        ) {
            let mut document = Document::default();
            let mut cuts: Vec<usize> =
                cuts.into_iter().map(|cut| text.floor_char_boundary(cut)).collect();
            cuts.sort_unstable();
            let mut frozen: Vec<Segment> = Vec::new();
            for cut in cuts {
                document.update(&text[..cut]);
                let now = document.segments()[..document.frozen()].to_vec();
                prop_assert!(now.starts_with(&frozen), "what is frozen stays");
                frozen = now;
            }
            document.update(&text);
            prop_assert_eq!(document.segments(), segments(&text));
            for part in document.segments() {
                prop_assert!(part.start <= part.end);
                prop_assert!(part.end <= text.len() || part.start == part.end);
                prop_assert!(text.get(part.start..part.end).is_some() || part.start == part.end);
            }
        }

        #[test]
        fn long_lines_in_pieces_give_the_segments_of_the_whole(
            lengths in prop::collection::vec((0usize..20_000, 0u8..4), 1..6),
            step in 500usize..9_000,
        ) {
            let text: String = lengths
                .iter()
                .map(|(length, kind)| match kind {
                    0 => "x".repeat(*length),
                    1 => "word ".repeat(*length / 5),
                    2 => "漢".repeat(*length / 3),
                    _ => "\n```\n".to_owned(),
                })
                .collect();
            let mut document = Document::default();
            let mut at = 0;
            while at < text.len() {
                at = text.ceil_char_boundary(at + step);
                document.update(&text[..at]);
            }
            prop_assert_eq!(document.segments(), segments(&text));
        }
    }
}
