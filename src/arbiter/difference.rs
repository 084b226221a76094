//! What changed between two texts, by lines.
//!
//! There is no clock here, so no time-out either: beyond [`EXACT_LINES`] everything between the
//! common beginning and the common end counts as changed. That errs on the careful side only.

use std::fmt::Write as _;
use std::ops::Range;

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices};

/// Up to so many differing lines the difference is exact.
const EXACT_LINES: usize = 2_000;
/// A longer line is cut in what people and agents are shown.
const SHOWN_LINE: usize = 160;

/// The difference between two texts.
#[derive(Debug)]
pub(super) struct Difference<'a> {
    old: Vec<&'a str>,
    new: Vec<&'a str>,
    changes: Vec<Change>,
}

/// One place where the texts differ, in lines from 0. One of the ranges may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) old: Range<usize>,
    pub(super) new: Range<usize>,
}

/// A difference as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    /// Hunks with a line of context.
    pub(super) text: String,
    /// Whether each changed line is in `text`, in full.
    pub(super) complete: bool,
}

impl<'a> Difference<'a> {
    /// Compares two texts line by line.
    pub(super) fn of(old: &'a str, new: &'a str) -> Self {
        let old: Vec<&str> = old.split_inclusive('\n').collect();
        let new: Vec<&str> = new.split_inclusive('\n').collect();
        let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        let tail = old[head..]
            .iter()
            .rev()
            .zip(new[head..].iter().rev())
            .take_while(|(a, b)| a == b)
            .count();
        let (a, b) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
        let changes = if a.is_empty() && b.is_empty() {
            Vec::new()
        } else if a.len() + b.len() > EXACT_LINES {
            vec![Change { old: head..head + a.len(), new: head..head + b.len() }]
        } else {
            capture_diff_slices(Algorithm::Myers, a, b)
                .iter()
                .filter(|op| op.tag() != DiffTag::Equal)
                .map(|op| Change::shifted(op, head))
                .collect()
        };
        Self { old, new, changes }
    }

    /// The places that differ, in order.
    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The lines of the new text.
    pub(super) fn new_lines(&self) -> &[&'a str] {
        &self.new
    }

    /// How many lines came and how many went.
    pub(super) fn counts(&self) -> (usize, usize) {
        self.changes.iter().fold((0, 0), |(came, went), c| (came + c.new.len(), went + c.old.len()))
    }

    /// The difference in at most `budget` characters, whole lines only.
    pub(super) fn show(&self, budget: usize) -> Shown {
        let mut text = String::new();
        let mut left = budget;
        let mut complete = true;
        for change in &self.changes {
            let before = change.new.start.saturating_sub(1)..change.new.start;
            let after = change.new.end..(change.new.end + 1).min(self.new.len());
            let mut head = String::new();
            let _ = writeln!(
                head,
                "@@ -{},{} +{},{} @@",
                change.old.start + 1,
                change.old.len(),
                change.new.start + 1,
                change.new.len()
            );
            let mut lines = vec![(head, true)];
            lines.extend(self.new[before].iter().map(|line| shown(' ', line)));
            lines.extend(self.old[change.old.clone()].iter().map(|line| shown('-', line)));
            lines.extend(self.new[change.new.clone()].iter().map(|line| shown('+', line)));
            lines.extend(self.new[after].iter().map(|line| shown(' ', line)));
            for (line, whole) in lines {
                let length = line.chars().count();
                let context = line.starts_with(' ');
                if length > left {
                    if context {
                        continue;
                    }
                    return Shown { text, complete: false };
                }
                left -= length;
                text.push_str(&line);
                complete &= whole || context;
            }
        }
        Shown { text, complete }
    }
}

impl Change {
    fn shifted(op: &DiffOp, by: usize) -> Self {
        let (old, new) = (op.old_range(), op.new_range());
        Self { old: old.start + by..old.end + by, new: new.start + by..new.end + by }
    }
}

/// A line for reading, and whether it is all there.
fn shown(mark: char, line: &str) -> (String, bool) {
    let bare = line.trim_end_matches(['\n', '\r']);
    let mut text = String::from(mark);
    let whole = bare.chars().count() <= SHOWN_LINE;
    if whole {
        text.push_str(bare);
    } else {
        text.extend(bare.chars().take(SHOWN_LINE));
        text.push('…');
    }
    text.push('\n');
    (text, whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_what_came_and_went_with_a_line_around_it() {
        let difference = Difference::of("a\nb\nc\nd\n", "a\nB\nc\nd\ne\n");
        assert_eq!(difference.counts(), (2, 1));
        assert_eq!(
            difference.show(500),
            Shown {
                text: "@@ -2,1 +2,1 @@\n a\n-b\n+B\n c\n@@ -5,0 +5,1 @@\n d\n+e\n".to_owned(),
                complete: true
            }
        );
    }

    #[test]
    fn a_difference_that_does_not_fit_says_so() {
        let difference = Difference::of("a\n", "b\nc\nd\n");
        let shown = difference.show(22);
        assert!(!shown.complete);
        assert!(shown.text.chars().count() <= 22, "{}", shown.text);
        let long = format!("{}\n", "x".repeat(500));
        assert!(!Difference::of("", &long).show(600).complete);
    }

    #[test]
    fn equal_texts_differ_nowhere() {
        assert_eq!(Difference::of("a\nb", "a\nb").changes(), []);
        assert_eq!(Difference::of("", "").counts(), (0, 0));
    }

    #[test]
    fn a_huge_difference_counts_as_one_change() {
        let old: String = (0..3_000).map(|n| format!("{n}\n")).collect();
        let new: String = (0..3_000).map(|n| format!("{}\n", n / 2 * 3)).collect();
        assert_eq!(Difference::of(&old, &new).changes().len(), 1);
    }
}
