//! What changed between two texts, by lines.
//!
//! There is no clock here, so no time-out either: beyond a number of differing lines everything
//! between two places that are known to be the same counts as changed. That errs on the careful
//! side only. [`Difference::of`] knows the common beginning and the common end; the slower
//! [`Difference::fine`] also lines that occur once in each text.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;

use similar::{Algorithm, DiffTag, capture_diff_slices};

use super::transcript::Hunk;

/// Up to so many differing lines the difference is exact.
const EXACT_LINES: usize = 2_000;
/// A longer line is cut in what people and agents are shown.
const SHOWN_LINE: usize = 160;

/// The difference between two texts.
#[derive(Debug)]
pub struct Difference<'a> {
    old: Vec<&'a str>,
    new: Vec<&'a str>,
    changes: Vec<Stretch>,
}

/// One place where the texts differ, in lines from 0. One of the ranges may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The lines of the old text that went.
    pub old: Range<usize>,
    /// The lines of the new text that came.
    pub new: Range<usize>,
}

/// A difference as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Hunks with a line of context.
    pub text: String,
    /// Whether each changed line is in `text`, in full.
    pub complete: bool,
}

impl<'a> Difference<'a> {
    /// Compares two texts line by line.
    pub fn of(old: &'a str, new: &'a str) -> Self {
        let (old, new) = (lines(old), lines(new));
        let mut changes = Vec::new();
        compare(&old, &new, (0, 0), &mut changes);
        Self { old, new, changes }
    }

    /// Compares two texts line by line. Unlike [`Difference::of`] it sees two small changes at the
    /// two ends of a long file as two.
    pub fn fine(old: &'a str, new: &'a str) -> Self {
        let (old, new) = (lines(old), lines(new));
        let mut changes = Vec::new();
        let (mut a, mut b) = (0, 0);
        for (next_a, next_b) in anchors(&old, &new) {
            compare(&old[a..next_a], &new[b..next_b], (a, b), &mut changes);
            (a, b) = (next_a + 1, next_b + 1);
        }
        compare(&old[a..], &new[b..], (a, b), &mut changes);
        Self { old, new, changes }
    }

    /// The same places, seen from the new text.
    pub fn reversed(self) -> Self {
        let turn = |stretch: Stretch| Stretch { old: stretch.new, new: stretch.old };
        Self { old: self.new, new: self.old, changes: self.changes.into_iter().map(turn).collect() }
    }

    /// The places that differ, in order.
    pub fn changes(&self) -> &[Stretch] {
        &self.changes
    }

    /// The lines of the old text, each with its end.
    pub fn old_lines(&self) -> &[&'a str] {
        &self.old
    }

    /// The lines of the new text, each with its end.
    pub fn new_lines(&self) -> &[&'a str] {
        &self.new
    }

    /// How many lines came and how many went.
    pub fn counts(&self) -> (usize, usize) {
        self.changes.iter().fold((0, 0), |(came, went), c| (came + c.new.len(), went + c.old.len()))
    }

    /// The places that differ with up to `context` lines around them, as in a unified diff.
    pub fn hunks(&self, context: usize) -> Vec<Hunk> {
        let mut hunks: Vec<Hunk> = Vec::new();
        let mut rest = self.changes.as_slice();
        while let Some(first) = rest.first() {
            // What lies so near that the lines around would meet is one hunk.
            let near = rest
                .windows(2)
                .take_while(|pair| pair[1].old.start <= pair[0].old.end + 2 * context);
            let count = near.count() + 1;
            let (group, others) = rest.split_at(count);
            let last = group.last().unwrap_or(first);
            let lead = first.old.start.min(context);
            let (old_start, new_start) = (first.old.start - lead, first.new.start - lead);
            let tail = (self.old.len() - last.old.end).min(context);
            let mut lines = Vec::new();
            let mut at = old_start;
            for change in group {
                lines.extend(self.old[at..change.old.start].iter().map(|line| (' ', *line)));
                lines.extend(self.old[change.old.clone()].iter().map(|line| ('-', *line)));
                lines.extend(self.new[change.new.clone()].iter().map(|line| ('+', *line)));
                at = change.old.end;
            }
            lines.extend(self.old[at..at + tail].iter().map(|line| (' ', *line)));
            let (old_end, new_end) = (last.old.end + tail, last.new.end + tail);
            hunks.push(Hunk {
                old_start: line_number(old_start, old_end),
                old_lines: number(old_end - old_start),
                new_start: line_number(new_start, new_end),
                new_lines: number(new_end - new_start),
                lines: lines.into_iter().flat_map(|(sign, line)| unified(sign, line)).collect(),
            });
            rest = others;
        }
        hunks
    }

    /// The difference in at most `budget` characters, whole lines only.
    pub fn show(&self, budget: usize) -> Shown {
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

/// Adds where two runs of lines differ; `at` is where they begin in their texts.
fn compare(old: &[&str], new: &[&str], at: (usize, usize), changes: &mut Vec<Stretch>) {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tail =
        old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let (from_a, from_b) = (at.0 + head, at.1 + head);
    if a.is_empty() && b.is_empty() {
        return;
    }
    if a.len() + b.len() > EXACT_LINES {
        changes.push(Stretch { old: from_a..from_a + a.len(), new: from_b..from_b + b.len() });
        return;
    }
    let moved = |range: Range<usize>, by: usize| range.start + by..range.end + by;
    let all = capture_diff_slices(Algorithm::Myers, a, b);
    changes.extend(all.iter().filter(|op| op.tag() != DiffTag::Equal).map(|op| Stretch {
        old: moved(op.old_range(), from_a),
        new: moved(op.new_range(), from_b),
    }));
}

/// Lines that occur once in each text and in the same order in both: as many as there can be.
fn anchors(old: &[&str], new: &[&str]) -> Vec<(usize, usize)> {
    if old.len() + new.len() <= EXACT_LINES {
        return Vec::new();
    }
    // Where a line is in each text, as long as it is there once.
    let mut places: HashMap<&str, (Option<usize>, Option<usize>, bool)> = HashMap::new();
    for (at, line) in old.iter().enumerate() {
        let place = places.entry(line).or_default();
        place.2 |= place.0.replace(at).is_some();
    }
    for (at, line) in new.iter().enumerate() {
        let place = places.entry(line).or_default();
        place.2 |= place.1.replace(at).is_some();
    }
    let mut pairs: Vec<(usize, usize)> =
        places.into_values().filter_map(|(a, b, twice)| a.zip(b).filter(|_| !twice)).collect();
    pairs.sort_unstable();
    longest_rising(&pairs)
}

/// The longest run of pairs (sorted by the first number) whose second number rises as well.
fn longest_rising(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(pairs.len());
    for (at, (_, b)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| pairs[*end].1 < *b);
        before.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        if length == ends.len() {
            ends.push(at);
        } else {
            ends[length] = at;
        }
    }
    let mut run = Vec::with_capacity(ends.len());
    let mut next = ends.last().copied();
    while let Some(at) = next {
        run.push(pairs[at]);
        next = before[at];
    }
    run.reverse();
    run
}

/// The lines of a text, each with its end.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// A line of a unified diff; one without an end says so.
fn unified(sign: char, line: &str) -> Vec<String> {
    match line.strip_suffix('\n') {
        Some(line) => vec![format!("{sign}{line}")],
        None => vec![format!("{sign}{line}"), "\\ No newline at end of file".to_owned()],
    }
}

/// Where a stretch of lines begins, as a unified diff counts: from 1, and 0 before the first line.
fn line_number(start: usize, end: usize) -> u32 {
    number(if start == end { start } else { start + 1 })
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
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
    fn hunks_are_those_of_a_unified_diff() {
        let shown = |old: &str, new: &str| -> Vec<String> {
            let hunks = Difference::fine(old, new).hunks(1);
            let head = |hunk: &Hunk| {
                let (old, new) =
                    ((hunk.old_start, hunk.old_lines), (hunk.new_start, hunk.new_lines));
                format!("@@ -{},{} +{},{} @@", old.0, old.1, new.0, new.1)
            };
            hunks.iter().flat_map(|hunk| [vec![head(hunk)], hunk.lines.clone()].concat()).collect()
        };
        assert_eq!(shown("", "a\n"), ["@@ -0,0 +1,1 @@", "+a"]);
        assert_eq!(shown("a\n", ""), ["@@ -1,1 +0,0 @@", "-a"]);
        assert_eq!(
            shown("1\n2\n3\n4\n5\n6\n7\n8\n9", "1\nB\n3\n4\n5\nF\n7\n8\nI\n"),
            [
                "@@ -1,3 +1,3 @@",
                " 1",
                "-2",
                "+B",
                " 3",
                "@@ -5,5 +5,5 @@",
                " 5",
                "-6",
                "+F",
                " 7",
                " 8",
                "-9",
                "\\ No newline at end of file",
                "+I"
            ]
        );
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

    #[test]
    fn a_fine_difference_sees_the_two_ends_of_a_long_file_apart() {
        let old: String = (0..3_000).map(|n| format!("{n}\n")).collect();
        let new = old.replacen("1\n", "one\n", 1).replace("2998\n", "last\nbut one\n");
        assert_eq!(Difference::of(&old, &new).changes().len(), 1);
        let fine = Difference::fine(&old, &new);
        let stretch = |old, new| Stretch { old, new };
        assert_eq!(fine.changes(), [stretch(1..2, 1..2), stretch(2998..2999, 2998..3000)]);
        assert_eq!(fine.reversed().changes()[1], stretch(2998..3000, 2998..2999));
    }

    #[test]
    fn a_fine_difference_of_lines_that_changed_places_still_leads_from_one_to_the_other() {
        let old: Vec<String> = (0..2_500).map(|n| format!("{}\n", n * 7 % 2_500)).collect();
        let new: Vec<String> = (0..2_500).map(|n| format!("{}\n", n * 11 % 2_500)).collect();
        let (old, new) = (old.concat(), new.concat());
        let fine = Difference::fine(&old, &new);
        let mut at = 0;
        let mut made: Vec<&str> = Vec::new();
        for stretch in fine.changes() {
            made.extend(&fine.old_lines()[at..stretch.old.start]);
            made.extend(&fine.new_lines()[stretch.new.clone()]);
            at = stretch.old.end;
        }
        made.extend(&fine.old_lines()[at..]);
        assert!(made.concat() == new);
    }
}
