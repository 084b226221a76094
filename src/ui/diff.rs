//! Changes of files: computed, counted, and drawn with line numbers and the changed words marked.
//!
//! Drawing is bounded: a change of a whole file shows its first lines and says how many follow.

use ratatui::style::{Modifier, Style};
use ratatui::text::Span;
use similar::{ChangeTag, TextDiff};

use super::text::wrap::{Break, Row, Wrap};
use super::text::{ansi, cells, counted, harmless, head};
use super::theme::Theme;
use crate::model::transcript::Hunk;

/// Lines of context around a change.
const CONTEXT: usize = 3;
/// More lines than this are not drawn.
const MOST_LINES: usize = 600;
/// More of a line than this is not drawn.
const MOST_BYTES: usize = 4_096;
/// Words are compared in blocks of at most so many lines.
const WORD_LINES: usize = 40;
/// Words are compared in blocks of at most so many bytes.
const WORD_BYTES: usize = 8_192;
/// Below this width there is no room for line numbers.
const NARROW: usize = 24;

/// The change from `old` to `new`, with line numbers from 1.
pub fn between(old: &str, new: &str) -> Vec<Hunk> {
    let diff = TextDiff::from_lines(old, new);
    diff.grouped_ops(CONTEXT)
        .iter()
        .filter_map(|group| {
            let (first, last) = (group.first()?, group.last()?);
            let (old, new) = (
                first.old_range().start..last.old_range().end,
                first.new_range().start..last.new_range().end,
            );
            let mut lines = Vec::new();
            for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                let sign = match change.tag() {
                    ChangeTag::Equal => ' ',
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                };
                lines.push(format!("{sign}{}", change.value().trim_end_matches(['\n', '\r'])));
            }
            Some(Hunk {
                old_start: number(old.start + 1),
                old_lines: number(old.len()),
                new_start: number(new.start + 1),
                new_lines: number(new.len()),
                lines,
            })
        })
        .collect()
}

/// How many lines the hunks add, and how many they remove.
pub fn counts(hunks: &[Hunk]) -> (u32, u32) {
    let signed =
        |sign| hunks.iter().flat_map(|hunk| &hunk.lines).filter(move |line| line.starts_with(sign));
    (number(signed('+').count()), number(signed('-').count()))
}

/// The hunks as a unified diff, for the clipboard.
pub fn unified(hunks: &[Hunk]) -> String {
    let mut text = String::new();
    for hunk in hunks {
        text.push_str(&format!(
            "@@ -{},{} +{},{} @@\n",
            hunk.old_start, hunk.old_lines, hunk.new_start, hunk.new_lines
        ));
        for line in &hunk.lines {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// Says that it is not known where in the file the hunks lie; they are drawn without numbers.
pub fn unplaced(mut hunks: Vec<Hunk>) -> Vec<Hunk> {
    for hunk in &mut hunks {
        (hunk.old_start, hunk.new_start) = (0, 0);
    }
    hunks
}

/// The hunks in rows of at most `width` cells.
pub fn rows(hunks: &[Hunk], width: usize, theme: &Theme) -> Vec<Row> {
    let largest = hunks
        .iter()
        .filter(|hunk| is_placed(hunk))
        .map(|hunk| {
            hunk.old_start.max(hunk.new_start).saturating_add(hunk.old_lines.max(hunk.new_lines))
        })
        .max()
        .unwrap_or(0);
    let digits = if width < NARROW || largest == 0 { 0 } else { largest.to_string().len().max(3) };
    let mut painter = Painter { width, digits, theme, rows: Vec::new() };
    let total: usize = hunks.iter().map(|hunk| hunk.lines.len()).sum();
    let mut left = MOST_LINES;
    for (at, hunk) in hunks.iter().enumerate() {
        if left == 0 {
            break;
        }
        if at > 0 {
            painter.rows.push(Row::from(Span::styled("⋯", theme.gutter)));
        }
        let lines = &hunk.lines[..hunk.lines.len().min(left)];
        left -= lines.len();
        painter.hunk(hunk, lines);
    }
    if total > MOST_LINES {
        let more = format!("… {}", counted(total - MOST_LINES, "more line"));
        painter.rows.push(Row::from(Span::styled(more, theme.dim)));
    }
    painter.rows
}

/// Whether it is known where in the file a hunk lies: lines are counted from 1.
fn is_placed(hunk: &Hunk) -> bool {
    hunk.old_start > 0 || hunk.new_start > 0
}

struct Painter<'a> {
    width: usize,
    digits: usize,
    theme: &'a Theme,
    rows: Vec<Row>,
}

/// Pieces of a line, and whether each is what changed in it.
type Words<'a> = Vec<(bool, &'a str)>;

impl Painter<'_> {
    fn hunk(&mut self, hunk: &Hunk, lines: &[String]) {
        let (mut old, mut new) = (hunk.old_start, hunk.new_start);
        let placed = is_placed(hunk);
        let known = |number: u32| placed.then_some(number);
        let mut rest = lines;
        while let Some(line) = rest.first() {
            let removed = run(rest, '-');
            let added = run(&rest[removed.len()..], '+');
            if removed.is_empty() && added.is_empty() {
                let (sign, text) = split(line);
                if sign == "\\" {
                    self.line(None, " ", vec![(false, text)], self.theme.dim);
                } else {
                    self.line(known(new), " ", vec![(false, text)], self.theme.text);
                    (old, new) = (old.saturating_add(1), new.saturating_add(1));
                }
                rest = &rest[1..];
                continue;
            }
            let (before, after) = words(removed, added);
            for pieces in before {
                self.line(known(old), "-", pieces, self.theme.removed);
                old = old.saturating_add(1);
            }
            for pieces in after {
                self.line(known(new), "+", pieces, self.theme.added);
                new = new.saturating_add(1);
            }
            rest = &rest[removed.len() + added.len()..];
        }
    }

    fn line(&mut self, number: Option<u32>, sign: &'static str, pieces: Words<'_>, style: Style) {
        let gutter = |number: Option<u32>| match (self.digits, number) {
            (0, _) => String::new(),
            (digits, Some(number)) => format!("{number:>digits$} "),
            (digits, None) => " ".repeat(digits + 1),
        };
        let first = vec![
            Span::styled(gutter(number), self.theme.gutter),
            Span::styled(format!("{sign} "), style),
        ];
        let rest = vec![Span::raw(" ".repeat(cells(&gutter(None)) + 2))];
        let mut wrap = Wrap::new(self.width, Break::Anywhere).prefixed(first, rest);
        let mut left = MOST_BYTES;
        for (changed, text) in pieces {
            let shown = head(text, left);
            left -= shown.len();
            let style = if changed {
                style.add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
            } else {
                style
            };
            wrap.push(&harmless(&ansi::plain(shown)), style);
            if shown.len() < text.len() {
                wrap.push("…", self.theme.dim);
                break;
            }
        }
        wrap.newline();
        self.rows.extend(wrap.finish());
    }
}

/// The lines at the front that begin with `sign`.
fn run(lines: &[String], sign: char) -> &[String] {
    let length = lines.iter().take_while(|line| line.starts_with(sign)).count();
    &lines[..length]
}

fn split(line: &str) -> (&str, &str) {
    line.split_at(line.ceil_char_boundary(line.len().min(1)))
}

/// What changed within the lines of a block; whole lines if they are not alike or too many.
fn words<'a>(removed: &'a [String], added: &'a [String]) -> (Vec<Words<'a>>, Vec<Words<'a>>) {
    let text = |lines: &'a [String]| lines.iter().map(|line| split(line).1).collect::<Vec<_>>();
    let (old, new) = (text(removed), text(added));
    let plain = |lines: &[&'a str]| lines.iter().map(|line| vec![(false, *line)]).collect();
    let (mut before, mut after): (Vec<Words<'a>>, Vec<Words<'a>>) = (plain(&old), plain(&new));
    let lines = old.len().max(new.len());
    let bytes: usize = old.iter().chain(&new).map(|line| line.len()).sum();
    if old.is_empty() || new.is_empty() || lines > WORD_LINES || bytes > WORD_BYTES {
        return (before, after);
    }
    let diff = TextDiff::from_slices(&old, &new);
    for change in diff.ops().iter().flat_map(|op| diff.iter_inline_changes(op)) {
        let (slot, line) = match (change.tag(), change.old_index(), change.new_index()) {
            (ChangeTag::Delete, Some(at), _) => (before.get_mut(at), old.get(at)),
            (ChangeTag::Insert, _, Some(at)) => (after.get_mut(at), new.get(at)),
            (ChangeTag::Equal | ChangeTag::Delete | ChangeTag::Insert, _, _) => continue,
        };
        let (Some(slot), Some(line)) = (slot, line) else { continue };
        // The pieces are taken from the line itself, so that they live as long as it does.
        let mut at = 0;
        let mut pieces = Vec::new();
        for (changed, piece) in change.values() {
            let Some(piece) = line.get(at..at + piece.len()) else { continue };
            pieces.push((*changed, piece));
            at += piece.len();
        }
        if at == line.len() && !pieces.iter().all(|(changed, _)| *changed) {
            *slot = pieces;
        }
    }
    (before, after)
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(old: &str, new: &str, width: usize) -> Vec<String> {
        let rows = rows(&between(old, new), width, &Theme::night());
        rows.iter().map(|row| row.to_string().trim_end().to_owned()).collect()
    }

    #[test]
    fn lines_are_numbered_as_in_the_old_and_the_new_file() {
        assert_eq!(
            shown("a\nb\nc\nd\n", "a\nB\nC\nc\nd\n", 40),
            ["  1   a", "  2 - b", "  2 + B", "  3 + C", "  4   c", "  5   d"]
        );
        assert_eq!(counts(&between("a\nb\n", "a\nc\nd\n")), (2, 1));
    }

    #[test]
    fn hunks_are_set_apart_and_can_be_copied() {
        let old: String = (1..30).map(|line| format!("{line}\n")).collect();
        let new = old.replace("\n3\n", "\nthree\n").replace("\n27\n", "\n");
        let hunks = between(&old, &new);
        assert_eq!(hunks.len(), 2);
        assert!(shown(&old, &new, 40).contains(&"⋯".to_owned()));
        assert!(unified(&hunks).starts_with("@@ -1,6 +1,6 @@\n 1\n 2\n-3\n+three\n"));
    }

    #[test]
    fn changed_words_are_marked_in_lines_that_are_alike() {
        let marked = |old: &str, new: &str| {
            rows(&between(old, new), 60, &Theme::night())
                .iter()
                .flat_map(|row| row.spans.clone())
                .filter(|span| span.style.add_modifier.contains(Modifier::UNDERLINED))
                .map(|span| span.content.into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(marked("let kind = 1;\n", "let span = 1;\n"), ["kind", "span"]);
        assert!(marked("entirely\n", "different words\n").is_empty());
    }

    #[test]
    fn long_lines_hang_and_narrow_panes_do_without_numbers() {
        assert_eq!(shown("", &"x".repeat(40), 30)[1], format!("      {}", "x".repeat(16)));
        assert_eq!(shown("", "abcdefghijkl", 10), ["+ abcdefgh", "  ijkl"]);
    }

    #[test]
    fn lines_of_an_unknown_place_have_no_numbers() {
        let hunks = unplaced(between("a\n", "b\n"));
        let rows = rows(&hunks, 40, &Theme::night());
        assert_eq!(rows.iter().map(ToString::to_string).collect::<Vec<_>>(), ["- a", "+ b"]);
    }

    #[test]
    fn a_change_of_a_whole_file_is_cut() {
        let rows = shown("", &"line\n".repeat(1_000), 40);
        assert_eq!(rows.len(), MOST_LINES + 1);
        assert_eq!(rows[MOST_LINES], "… 400 more lines");
        assert!(shown("", &"x".repeat(1_000_000), 80).len() < 70);
    }

    proptest! {
        #[test]
        fn any_hunk_fits_any_width(
            lines in prop::collection::vec(r"[-+ \\]?(\PC|\t|\x1b|漢){0,20}", 0..12),
            start: u32,
            width in 2usize..60,
        ) {
            let hunk = Hunk { old_start: start / 2, old_lines: 1, new_start: start / 2, new_lines: 2, lines };
            for row in rows(&[hunk], width, &Theme::night()) {
                prop_assert!(cells(&row.to_string()) <= width, "{row:?}");
            }
        }
    }
}
