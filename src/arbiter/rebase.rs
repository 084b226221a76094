//! Whether edits that were made for an older text can be made on the current one.
//!
//! They can if each anchor occurs exactly once (or all occurrences are meant) and none of them
//! touches a line that others changed, or the line before or after one. Then the result holds
//! both contributions: nothing outside the anchors is replaced, and the anchors are what the
//! editor itself quoted.

use std::borrow::Cow;
use std::ops::Range;

use super::input::Edit;
use crate::model::difference::Difference;

/// Why edits cannot be made on a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The text that an edit replaces does not occur.
    Lost,
    /// It occurs more than once and one is meant.
    Twice,
    /// It touches what others changed.
    Near,
    /// It would create a file that has content.
    Exists,
}

/// Makes the edits of `base` on `disk`, where others have changed something meanwhile.
pub(super) fn rebase(
    edits: &[Edit],
    difference: &Difference,
    disk: &str,
) -> Result<String, Obstacle> {
    place(edits, disk, zones(difference))
}

/// Makes the edits on a text without looking at who wrote what.
pub(super) fn apply(edits: &[Edit], text: &str) -> Result<String, Obstacle> {
    place(edits, text, Vec::new())
}

/// Makes an edit on a text exactly as it was decided about. The error is for whoever wants it.
pub fn edited(edit: &Edit, text: &str) -> Result<String, &'static str> {
    apply(std::slice::from_ref(edit), text).map_err(|obstacle| match obstacle {
        Obstacle::Lost => "the text to replace is not there",
        Obstacle::Twice => "the text to replace is there more than once",
        Obstacle::Near => "the text to replace is next to what others changed",
        Obstacle::Exists => "the text to replace is empty, and the file is not",
    })
}

/// Whether `after` is what these edits make of `before`.
///
/// Editors differ in one habit: some take the line's end along when a text is deleted.
pub(super) fn explains(edits: &[Edit], before: &str, after: &str) -> bool {
    if apply(edits, before).as_deref() == Ok(after) {
        return true;
    }
    let mut wider = edits.to_vec();
    for edit in &mut wider {
        if edit.new.is_empty() && !edit.old.is_empty() && !edit.old.ends_with('\n') {
            edit.old.push('\n');
        }
    }
    wider != edits && apply(&wider, before).as_deref() == Ok(after)
}

/// The bytes of the new text that others changed, with the line before and after each.
fn zones(difference: &Difference) -> Vec<Range<usize>> {
    let mut starts = Vec::with_capacity(difference.new_lines().len() + 1);
    let mut at = 0;
    for line in difference.new_lines() {
        starts.push(at);
        at += line.len();
    }
    starts.push(at);
    let last = starts.len() - 1;
    difference
        .changes()
        .iter()
        .map(|change| {
            let first = change.new.start.saturating_sub(1).min(last);
            let end = (change.new.end + 1).min(last);
            starts[first]..starts[end]
        })
        .collect()
}

fn place(edits: &[Edit], text: &str, mut zones: Vec<Range<usize>>) -> Result<String, Obstacle> {
    let mut text = text.to_owned();
    for edit in edits {
        let (old, new) = fitted(edit, &text);
        if old.is_empty() {
            if !text.is_empty() {
                return Err(Obstacle::Exists);
            }
            text = new.into_owned();
            continue;
        }
        let places = if edit.all { all(&text, &old) } else { vec![only(&text, &old)?] };
        if places.is_empty() {
            return Err(Obstacle::Lost);
        }
        // From the end, so that earlier places stay where they are.
        for at in places.into_iter().rev() {
            let lines = whole_lines(&text, at..at + old.len());
            if zones.iter().any(|zone| zone.start < lines.end && lines.start < zone.end) {
                return Err(Obstacle::Near);
            }
            for zone in &mut zones {
                if zone.start >= lines.end {
                    zone.start = zone.start + new.len() - old.len();
                    zone.end = zone.end + new.len() - old.len();
                }
            }
            text.replace_range(at..at + old.len(), &new);
        }
    }
    Ok(text)
}

/// The edit with the line ends of the text.
fn fitted<'a>(edit: &'a Edit, text: &str) -> (Cow<'a, str>, Cow<'a, str>) {
    let bare = edit.old.contains('\n') || edit.new.contains('\n');
    if bare && !edit.old.contains('\r') && !edit.new.contains('\r') && text.contains("\r\n") {
        (edit.old.replace('\n', "\r\n").into(), edit.new.replace('\n', "\r\n").into())
    } else {
        (edit.old.as_str().into(), edit.new.as_str().into())
    }
}

fn all(text: &str, old: &str) -> Vec<usize> {
    text.match_indices(old).map(|(at, _)| at).collect()
}

/// The only place where `old` begins; two places that overlap are two.
fn only(text: &str, old: &str) -> Result<usize, Obstacle> {
    let at = text.find(old).ok_or(Obstacle::Lost)?;
    let next = at + old.chars().next().map_or(1, char::len_utf8);
    let again = text.get(next..).is_some_and(|rest| rest.contains(old));
    if again { Err(Obstacle::Twice) } else { Ok(at) }
}

/// The lines that a range of bytes touches, as bytes.
fn whole_lines(text: &str, range: Range<usize>) -> Range<usize> {
    let start = text[..range.start].rfind('\n').map_or(0, |at| at + 1);
    let last = range.end.max(range.start + 1) - 1;
    let end = text.as_bytes()[last..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(text.len(), |at| last + at + 1);
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(old: &str, new: &str) -> Edit {
        Edit { old: old.into(), new: new.into(), all: false }
    }

    fn check(base: &str, disk: &str, edits: &[Edit], expected: Result<&str, Obstacle>) {
        let got = rebase(edits, &Difference::of(base, disk), disk);
        assert_eq!(got.as_deref().map_err(|e| *e), expected, "{base:?} -> {disk:?} with {edits:?}");
    }

    const BASE: &str = "one\ntwo\nthree\nfour\nfive\n";

    #[test]
    fn an_edit_far_from_the_change_is_made_on_top_of_it() {
        check(
            BASE,
            "ONE\ntwo\nthree\nfour\nfive\n",
            &[edit("four", "FOUR")],
            Ok("ONE\ntwo\nthree\nFOUR\nfive\n"),
        );
        check(
            BASE,
            "zero\none\ntwo\nthree\nfour\nfive\n",
            &[edit("three", "3"), edit("3\nfour", "3\n4")],
            Ok("zero\none\ntwo\n3\n4\nfive\n"),
        );
    }

    #[test]
    fn an_edit_on_a_changed_line_or_next_to_one_is_not() {
        let disk = "one\ntwo\nTHREE\nfour\nfive\n";
        check(BASE, disk, &[edit("two", "2")], Err(Obstacle::Near));
        check(BASE, disk, &[edit("THREE", "3")], Err(Obstacle::Near));
        check(BASE, disk, &[edit("four", "4")], Err(Obstacle::Near));
        check(BASE, disk, &[edit("five", "5")], Ok("one\ntwo\nTHREE\nfour\n5\n"));
        check(BASE, disk, &[edit("one", "1")], Ok("1\ntwo\nTHREE\nfour\nfive\n"));
    }

    #[test]
    fn a_deleted_line_is_a_change_of_its_neighbours() {
        let disk = "one\ntwo\nfour\nfive\n";
        check(BASE, disk, &[edit("two", "2")], Err(Obstacle::Near));
        check(BASE, disk, &[edit("four", "4")], Err(Obstacle::Near));
        check(BASE, disk, &[edit("one", "1")], Ok("1\ntwo\nfour\nfive\n"));
        check(BASE, disk, &[edit("three", "3")], Err(Obstacle::Lost));
    }

    #[test]
    fn an_anchor_that_occurs_twice_is_refused_unless_all_are_meant() {
        let disk = "x\na\nb\nc\nx\nd\ne\nf\nnew\n";
        let base = "x\na\nb\nc\nx\nd\ne\nf\n";
        check(base, disk, &[edit("x", "y")], Err(Obstacle::Twice));
        let all = Edit { all: true, ..edit("x", "longer") };
        check(base, disk, &[all], Ok("longer\na\nb\nc\nlonger\nd\ne\nf\nnew\n"));
        check("aaa\n", "aaa\n", &[edit("aa", "b")], Err(Obstacle::Twice));
    }

    #[test]
    fn a_second_edit_sees_zones_where_the_first_one_moved_them() {
        let base = "a\nb\nc\nd\ne\nf\ng\n";
        let disk = "a\nb\nc\nd\nE\nf\ng\n";
        check(base, disk, &[edit("a\n", ""), edit("g", "G")], Ok("b\nc\nd\nE\nf\nG\n"));
        check(base, disk, &[edit("a", "a\nlong\nlines"), edit("d", "D")], Err(Obstacle::Near));
        check(base, disk, &[edit("a\n", ""), edit("f", "F")], Err(Obstacle::Near));
    }

    #[test]
    fn line_ends_of_the_file_are_kept() {
        assert_eq!(
            apply(&[edit("a\nb", "a\nx\nb")], "a\r\nb\r\n").as_deref(),
            Ok("a\r\nx\r\nb\r\n")
        );
    }

    #[test]
    fn a_deletion_may_take_the_line_end_along() {
        let edits = [edit("b", "")];
        assert!(explains(&edits, "a\nb\nc\n", "a\n\nc\n"));
        assert!(explains(&edits, "a\nb\nc\n", "a\nc\n"));
        assert!(!explains(&edits, "a\nb\nc\n", "a\nb\n"));
    }

    #[test]
    fn an_edit_without_anchor_creates_a_file_and_replaces_none() {
        assert_eq!(apply(&[edit("", "x\n")], "").as_deref(), Ok("x\n"));
        assert_eq!(apply(&[edit("", "x\n")], "y"), Err(Obstacle::Exists));
    }
}
