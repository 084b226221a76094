//! Text on its way to the screen: widths, cutting, and making control characters harmless.

pub mod ansi;
pub mod wrap;

use std::borrow::Cow;

use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// How many cells `text` takes.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// How many cells `text` takes when it is drawn cluster by cluster, as the screen does it.
///
/// It differs from [`width`] where two clusters would share a cell in a proportional font; layout
/// counts with this one, so that a row never turns out wider than it was planned.
pub fn cells(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.graphemes(true).map(cluster_cells).sum()
}

/// How many cells one grapheme cluster takes; none if the screen leaves it out.
pub fn cluster_cells(cluster: &str) -> usize {
    if cluster.contains(char::is_control) { 0 } else { usize::from(cluster.cell_width()) }
}

/// The first `limit` bytes of `text` at most, never within a character.
pub fn head(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

/// The last `limit` bytes of `text` at most, never within a character.
pub fn tail(text: &str, limit: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(limit))..]
}

/// The beginning of `text` as one harmless line: no escape sequence, no line break.
pub fn one_line(text: &str) -> String {
    const ENOUGH: usize = 2_048;
    let plain = ansi::plain(head(text.trim_start(), ENOUGH));
    harmless(&plain).replace('\n', " ").trim_end().to_owned()
}

/// Cuts `text` to at most `width` cells, with `…` in front if something is missing: of a path the
/// end says more than the beginning.
pub fn fit_end(text: &str, width: usize) -> String {
    if cells(text) <= width {
        return text.to_owned();
    }
    if width == 0 {
        return String::new();
    }
    let mut from = text.len();
    let mut used = 1;
    for (at, cluster) in text.grapheme_indices(true).rev() {
        used += cluster_cells(cluster);
        if used > width {
            break;
        }
        from = at;
    }
    format!("…{}", &text[from..])
}

/// A length of time for people: `0.4 s`, `42 s`, `2 m 05 s`, `1 h 02 m`.
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..10 => format!("{}.{} s", seconds, ms % 1_000 / 100),
        10..60 => format!("{seconds} s"),
        60..3_600 => format!("{} m {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} m", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// A number with its noun: `1 line`, `214 lines`, `10,431 lines`.
pub fn counted(number: usize, noun: &str) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let plural = if number == 1 { "" } else { "s" };
    format!("{grouped} {noun}{plural}")
}

/// US dollars for people: cents, and tenths of a cent below a dime.
pub fn dollars(usd: f64) -> String {
    if usd < 0.1 { format!("${usd:.3}") } else { format!("${usd:.2}") }
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

    #[test]
    fn a_path_keeps_its_end() {
        assert_eq!(fit_end("src/ui/lex.rs", 7), "…lex.rs");
        assert_eq!(fit_end("src/漢字", 4), "…字");
        assert_eq!(fit_end("abc", 3), "abc");
        assert_eq!(fit_end("abc", 0), "");
    }

    #[test]
    fn a_cut_never_falls_into_a_character() {
        assert_eq!((head("aé", 2), tail("éa", 2)), ("a", "a"));
        assert_eq!((head("ab", 9), tail("ab", 9)), ("ab", "ab"));
    }

    #[test]
    fn times_and_numbers_read_well() {
        let times = [0, 3_140, 42_000, 125_000, 3_720_000].map(duration);
        assert_eq!(times, ["0.0 s", "3.1 s", "42 s", "2 m 05 s", "1 h 02 m"]);
        let numbers = [1, 214, 10_431].map(|number| counted(number, "line"));
        assert_eq!(numbers, ["1 line", "214 lines", "10,431 lines"]);
        assert_eq!([0.004, 1.841].map(dollars), ["$0.004", "$1.84"]);
    }

    #[test]
    fn one_line_has_no_break_and_no_sequence() {
        assert_eq!(one_line("  a\x1b[31m\nb\tc\n"), "a b    c");
    }
}
