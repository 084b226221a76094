//! Breaking one line into rows of a width: at spaces where there are any, else anywhere.
//!
//! The rows are ranges of the line that follow one another without a gap, so a place in the text
//! and a place on the screen can be turned into each other.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::text::width;

/// The rows of `line`, at least one. No row is wider than `room`, unless one character is.
pub fn rows(line: &str, room: usize) -> Vec<Range<usize>> {
    let room = room.max(1);
    let mut rows = Vec::new();
    let (mut start, mut used) = (0, 0);
    let mut after_space = None;
    for (at, cluster) in line.grapheme_indices(true) {
        let wide = width(cluster);
        while used + wide > room && at > start {
            let end = after_space.filter(|end| *end > start).unwrap_or(at);
            rows.push(start..end);
            start = end;
            used = width(&line[start..at]);
            after_space = None;
        }
        used += wide;
        if cluster.starts_with(' ') {
            after_space = Some(at + cluster.len());
        }
    }
    rows.push(start..line.len());
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(line: &str, room: usize) -> Vec<&str> {
        rows(line, room).into_iter().map(|row| &line[row]).collect()
    }

    #[test]
    fn rows_end_at_spaces_and_long_words_anywhere() {
        assert_eq!(shown("one two three", 8), ["one two ", "three"]);
        assert_eq!(shown("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(shown("漢字漢字", 5), ["漢字", "漢字"]);
        assert_eq!(shown("", 5), [""]);
        assert_eq!(shown("漢", 1), ["漢"]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_row_is_too_wide(line in "[a-c 漢é\u{301}]{0,40}", room in 2usize..12) {
            let rows = shown(&line, room);
            prop_assert_eq!(rows.concat(), line.clone());
            prop_assert!(rows.iter().all(|row| width(row) <= room));
        }
    }
}
