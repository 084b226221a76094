//! The three-way merge: two texts that were made from one, joined into one text.
//!
//! - What only one side changed is taken from that side; what both changed in the same way is
//!   taken once.
//! - Changes clash if they share a line of the common text, or if both put something at the same
//!   place. Changes that only lie side by side do not: their order is beyond doubt.
//! - With a clash there is no text. Half a merge with marks in it is of no use to a compiler.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::model::difference::{Difference, Stretch};

/// A place that both sides changed, each in its own way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clash {
    /// The line of our text where it begins, counted from 1.
    pub line: usize,
    /// What both started from.
    pub base: String,
    /// What we have.
    pub ours: String,
    /// What they have.
    pub theirs: String,
}

/// Joins two texts that were made from `base`.
pub fn merge(base: &str, ours: &str, theirs: &str) -> Result<String, Vec<Clash>> {
    join(&Difference::fine(base, ours), &Difference::fine(base, theirs))
}

/// Joins two differences from the same text.
pub(super) fn join(ours: &Difference<'_>, theirs: &Difference<'_>) -> Result<String, Vec<Clash>> {
    let (mut text, mut clashes) = (Text::default(), Vec::new());
    let mut at = 0;
    for group in groups(ours.changes(), theirs.changes()) {
        let base = group.base();
        text.add(&ours.old_lines()[at..base.start]);
        let mine = applied(ours, &ours.changes()[group.ours.clone()], &base);
        let other = applied(theirs, &theirs.changes()[group.theirs.clone()], &base);
        if group.theirs.is_empty() || mine == other {
            text.add(&mine);
        } else if group.ours.is_empty() {
            text.add(&other);
        } else {
            clashes.push(Clash {
                line: line_of(ours, &group) + 1,
                base: ours.old_lines()[base.clone()].concat(),
                ours: mine.concat(),
                theirs: other.concat(),
            });
        }
        at = base.end;
    }
    text.add(&ours.old_lines()[at..]);
    if !clashes.is_empty() {
        return Err(clashes);
    }
    if text.torn {
        // Each side ends another line without a line end; joining them would make one of two.
        return Err(vec![Clash {
            line: 1,
            base: ours.old_lines().concat(),
            ours: ours.new_lines().concat(),
            theirs: theirs.new_lines().concat(),
        }]);
    }
    Ok(text.text)
}

/// A text that grows by lines.
#[derive(Default)]
struct Text {
    text: String,
    /// A line came behind one that has no end.
    torn: bool,
}

impl Text {
    fn add(&mut self, lines: &[&str]) {
        for line in lines {
            self.torn |= !self.text.is_empty() && !self.text.ends_with('\n');
            self.text.push_str(line);
        }
    }
}

/// Changes of both sides that have to do with one another, as places in the two lists.
#[derive(Debug)]
struct Group {
    ours: Range<usize>,
    theirs: Range<usize>,
    first: usize,
    end: usize,
}

impl Group {
    /// The lines of the common text that it concerns.
    fn base(&self) -> Range<usize> {
        self.first..self.end
    }
}

/// The groups of changes in the order of the common text.
fn groups(ours: &[Stretch], theirs: &[Stretch]) -> Vec<Group> {
    let mut all: Vec<Group> = Vec::new();
    let (mut a, mut b) = (0, 0);
    loop {
        let (is_ours, stretch) = match (ours.get(a), theirs.get(b)) {
            (None, None) => return all,
            (Some(mine), None) => (true, mine),
            (None, Some(other)) => (false, other),
            (Some(mine), Some(other)) => {
                // What is put before a line comes before what happens to the line.
                let mine_first = (mine.old.start, mine.old.end) <= (other.old.start, other.old.end);
                if mine_first { (true, mine) } else { (false, other) }
            }
        };
        let belongs = all.last().is_some_and(|group| {
            let against =
                if is_ours { &theirs[group.theirs.clone()] } else { &ours[group.ours.clone()] };
            // The last one reaches furthest.
            against.last().is_some_and(|other| collide(&stretch.old, &other.old))
        });
        if !belongs {
            let (first, end) = (stretch.old.start, stretch.old.end);
            all.push(Group { ours: a..a, theirs: b..b, first, end });
        }
        if let Some(group) = all.last_mut() {
            group.end = group.end.max(stretch.old.end);
            if is_ours {
                group.ours.end = a + 1;
            } else {
                group.theirs.end = b + 1;
            }
        }
        if is_ours {
            a += 1;
        } else {
            b += 1;
        }
    }
}

/// Whether two changes share a line, or a place where both put something.
fn collide(a: &Range<usize>, b: &Range<usize>) -> bool {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => a.start == b.start,
        (true, false) => b.start < a.start && a.start < b.end,
        (false, true) => a.start < b.start && b.start < a.end,
        (false, false) => a.start < b.end && b.start < a.end,
    }
}

/// The lines of `base` with some changes made.
fn applied<'a>(side: &Difference<'a>, changes: &[Stretch], base: &Range<usize>) -> Vec<&'a str> {
    let mut lines = Vec::new();
    let mut at = base.start;
    for change in changes {
        lines.extend(&side.old_lines()[at..change.old.start]);
        lines.extend(&side.new_lines()[change.new.clone()]);
        at = change.old.end;
    }
    lines.extend(&side.old_lines()[at..base.end]);
    lines
}

/// Where a group begins in our text, in lines from 0.
fn line_of(ours: &Difference<'_>, group: &Group) -> usize {
    match ours.changes().get(group.ours.start) {
        Some(first) => (group.first + first.new.start).saturating_sub(first.old.start),
        None => group.first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: &str, ours: &str, theirs: &str, expected: Option<&str>) {
        // Letters are lines.
        let lines = |text: &str| text.chars().map(|c| format!("{c}\n")).collect::<String>();
        let merged = merge(&lines(base), &lines(ours), &lines(theirs)).ok();
        assert_eq!(merged, expected.map(lines), "{base} -> {ours} and {theirs}");
        let turned = merge(&lines(base), &lines(theirs), &lines(ours)).ok();
        assert_eq!(turned, merged, "{base}: the sides are not alike");
    }

    #[test]
    fn what_one_side_changed_is_taken() {
        check("abcde", "abcde", "abXde", Some("abXde"));
        check("abcde", "Xbcde", "abcdY", Some("XbcdY"));
        check("abcde", "bcde", "abcdeY", Some("bcdeY"));
        check("", "", "ab", Some("ab"));
        check("ab", "ab", "", Some(""));
    }

    #[test]
    fn what_both_changed_alike_is_taken_once() {
        check("abc", "aXc", "aXc", Some("aXc"));
        check("abc", "abXc", "abXc", Some("abXc"));
        check("abc", "", "", Some(""));
    }

    #[test]
    fn changes_side_by_side_keep_their_order() {
        check("abcd", "aXcd", "abYd", Some("aXYd"));
        check("abcd", "abXcd", "abYd", Some("abXYd"));
        check("abcd", "abcXd", "abYd", Some("abYXd"));
        check("abcd", "abXcd", "abd", Some("abXd"));
    }

    #[test]
    fn one_place_with_two_wishes_clashes() {
        check("abc", "aXc", "aYc", None);
        check("abc", "abXc", "abYc", None);
        check("", "X", "Y", None);
        check("abcd", "abXcd", "ad", None);
        check("abcd", "aXXd", "abYd", None);
    }

    #[test]
    fn a_clash_says_what_each_side_has_and_where() {
        let clashes = merge("a\nb\nc\nd\n", "0\na\nB\nc\nd\n", "a\nx\ny\nd\n").unwrap_err();
        assert_eq!(
            clashes,
            [Clash {
                line: 3,
                base: "b\nc\n".to_owned(),
                ours: "B\nc\n".to_owned(),
                theirs: "x\ny\n".to_owned(),
            }]
        );
    }

    #[test]
    fn two_lines_never_become_one() {
        assert!(merge("a\n", "a\nb", "z").is_err());
        assert_eq!(merge("a\nb", "x\nb", "a\nb\nc"), Ok("x\nb\nc".to_owned()));
    }
}
