//! Text on its way to the screen: widths, cutting, and making control characters harmless.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// How many cells `text` takes.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Replaces what would move the cursor or change the terminal by visible signs; keeps newlines.
/// Tabs become four spaces.
pub fn harmless(text: &str) -> Cow<'_, str> {
    let bad = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    if !text.chars().any(bad) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => clean.push('\n'),
            '\t' => clean.push_str("    "),
            '\r' => {}
            '\u{0}'..='\u{1f}' => clean.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('�')),
            c if bad(c) => clean.push('�'),
            c => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

/// Cuts `text` to at most `cells` cells, with `…` at the end if something is missing.
pub fn fit(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    if cells == 0 {
        return String::new();
    }
    let mut cut = String::new();
    let mut used = 0;
    for cluster in text.graphemes(true) {
        let wide = width(cluster);
        if used + wide > cells - 1 {
            break;
        }
        used += wide;
        cut.push_str(cluster);
    }
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_become_visible() {
        assert_eq!(harmless("a\x1b[31mb\tc\r\n"), "a␛[31mb    c\n");
        assert_eq!(harmless("plain"), "plain");
        assert_eq!(harmless("a\u{202e}b"), "a�b");
    }

    #[test]
    fn cutting_counts_cells_not_characters() {
        assert_eq!(fit("漢字漢字", 5), "漢字…");
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 3), "ab…");
        assert_eq!(fit("abcd", 0), "");
    }
}
