//! Output of programs: colours are kept, every other escape sequence is dropped.
//!
//! What comes out holds no control character but newlines, whatever came in, so it can be put into
//! the screen's cells.

use std::borrow::Cow;

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use unicode_segmentation::UnicodeSegmentation;

use super::wrap::Runs;
use super::{cluster_cells, harmless};

/// How far the end of a string sequence is looked for before its start counts as noise.
const STRING_LIMIT: usize = 4_096;
/// Tab stops of program output.
const TAB: usize = 8;

/// Whether the colours of a program are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// As the program wrote them.
    Keep,
    /// Bold, underlined and the like only.
    Drop,
}

/// Drops the escape sequences of `text` and keeps everything else.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains('\x1b') {
        return Cow::Borrowed(text);
    }
    let mut rest = text;
    let mut out = String::with_capacity(text.len());
    while let Some(piece) = take(&mut rest) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Control(c) => out.push(c),
            Piece::Sgr(_) | Piece::Dropped => {}
        }
    }
    Cow::Owned(out)
}

/// The lines of a program's output. A line that was written over (`\r`) is shown as it ended.
pub fn lines(text: &str, base: Style, colours: Colours) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut line = Runs::default();
    let mut column = 0;
    let mut style = base;
    let mut rest = text.strip_suffix('\n').unwrap_or(text);
    while let Some(piece) = take(&mut rest) {
        match piece {
            Piece::Text(text) => {
                let text = harmless(text);
                column += text.graphemes(true).map(cluster_cells).sum::<usize>();
                line.push(&text, style);
            }
            Piece::Sgr(parameters) => style = sgr(parameters, style, base, colours),
            Piece::Control('\n') => {
                lines.push(line.take());
                column = 0;
            }
            Piece::Control('\t') => {
                let spaces = TAB - column % TAB;
                line.push(&"        "[..spaces], style);
                column += spaces;
            }
            Piece::Control('\r') if !rest.is_empty() && !rest.starts_with('\n') => {
                line.take();
                column = 0;
            }
            Piece::Control(_) | Piece::Dropped => {}
        }
    }
    lines.push(line.take());
    lines
}

enum Piece<'a> {
    Text(&'a str),
    Control(char),
    Sgr(&'a str),
    Dropped,
}

/// Takes the next piece off `rest`; never takes nothing unless nothing is left.
fn take<'a>(rest: &mut &'a str) -> Option<Piece<'a>> {
    let first = rest.chars().next()?;
    if first == '\x1b' {
        let (piece, length) = escape(rest);
        *rest = &rest[length..];
        return Some(piece);
    }
    if first.is_control() {
        *rest = &rest[first.len_utf8()..];
        return Some(Piece::Control(first));
    }
    let end = rest.find(char::is_control).unwrap_or(rest.len());
    let (text, behind) = rest.split_at(end);
    *rest = behind;
    Some(Piece::Text(text))
}

/// Reads the sequence that `text` begins with, and says how long it is.
fn escape(text: &str) -> (Piece<'_>, usize) {
    let bytes = text.as_bytes();
    match bytes.get(1) {
        Some(b'[') => {
            let end = bytes[2..].iter().position(|b| !(0x20..=0x3f).contains(b));
            match end.map(|at| at + 2) {
                Some(end) if bytes[end] == b'm' => (Piece::Sgr(&text[2..end]), end + 1),
                Some(end) if (0x40..=0x7e).contains(&bytes[end]) => (Piece::Dropped, end + 1),
                Some(end) => (Piece::Dropped, end),
                None => (Piece::Dropped, text.len()),
            }
        }
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let within = &bytes[..bytes.len().min(STRING_LIMIT)];
            let line = within.iter().position(|b| *b == b'\n').unwrap_or(within.len());
            let within = &within[..line];
            let bell = within.iter().position(|b| *b == 0x07).map(|at| (at, 1));
            let string = within.windows(2).skip(2).position(|pair| pair == b"\x1b\\");
            let string = string.map(|at| (at + 2, 2));
            let end = match (bell, string) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            (Piece::Dropped, end.map_or(2, |(at, length)| at + length))
        }
        Some(0x20..=0x2f) => {
            let end = bytes[1..].iter().position(|b| !(0x20..=0x2f).contains(b));
            match end.map(|at| at + 1) {
                Some(end) if bytes[end].is_ascii_graphic() => (Piece::Dropped, end + 1),
                Some(end) => (Piece::Dropped, end),
                None => (Piece::Dropped, text.len()),
            }
        }
        Some(0x30..=0x7e) => (Piece::Dropped, 2),
        Some(_) | None => (Piece::Dropped, 1),
    }
}

/// The style after the parameters of one `ESC [ … m`.
fn sgr(parameters: &str, mut style: Style, base: Style, colours: Colours) -> Style {
    if !parameters.bytes().all(|b| b.is_ascii_digit() || matches!(b, b';' | b':')) {
        return style;
    }
    let mut numbers = parameters
        .split([';', ':'])
        .map(|number| if number.is_empty() { Some(0) } else { number.parse::<u8>().ok() });
    let keep = colours == Colours::Keep;
    while let Some(number) = numbers.next() {
        let Some(number) = number else { continue };
        style = match number {
            0 => base,
            1 => style.add_modifier(Modifier::BOLD),
            2 => style.add_modifier(Modifier::DIM),
            3 => style.add_modifier(Modifier::ITALIC),
            4 => style.add_modifier(Modifier::UNDERLINED),
            7 => style.add_modifier(Modifier::REVERSED),
            9 => style.add_modifier(Modifier::CROSSED_OUT),
            22 => style.remove_modifier(Modifier::BOLD | Modifier::DIM),
            23 => style.remove_modifier(Modifier::ITALIC),
            24 => style.remove_modifier(Modifier::UNDERLINED),
            27 => style.remove_modifier(Modifier::REVERSED),
            29 => style.remove_modifier(Modifier::CROSSED_OUT),
            30..=37 if keep => style.fg(palette(number - 30)),
            90..=97 if keep => style.fg(palette(number - 90 + 8)),
            40..=47 if keep => style.bg(palette(number - 40)),
            100..=107 if keep => style.bg(palette(number - 100 + 8)),
            39 => Style { fg: base.fg, ..style },
            49 => Style { bg: base.bg, ..style },
            38 | 48 => match extended(&mut numbers) {
                Some(colour) if keep && number == 38 => style.fg(colour),
                Some(colour) if keep => style.bg(colour),
                Some(_) | None => style,
            },
            _ => style,
        };
    }
    style
}

fn extended(numbers: &mut impl Iterator<Item = Option<u8>>) -> Option<Color> {
    match numbers.next()?? {
        5 => numbers.next()?.map(Color::Indexed),
        2 => Some(Color::Rgb(numbers.next()??, numbers.next()??, numbers.next()??)),
        _ => None,
    }
}

fn palette(number: u8) -> Color {
    const NAMED: [Color; 16] = [
        Color::Black,
        Color::Red,
        Color::Green,
        Color::Yellow,
        Color::Blue,
        Color::Magenta,
        Color::Cyan,
        Color::Gray,
        Color::DarkGray,
        Color::LightRed,
        Color::LightGreen,
        Color::LightYellow,
        Color::LightBlue,
        Color::LightMagenta,
        Color::LightCyan,
        Color::White,
    ];
    NAMED[usize::from(number) % NAMED.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> Vec<String> {
        lines(text, Style::new(), Colours::Keep).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn colours_stay_and_every_other_sequence_goes() {
        let text =
            "\x1b[1;31mred\x1b[0m \x1b[2Kplain\x1b]0;title\x07 \x1b]8;;http://x\x1b\\link\x1b(B";
        assert_eq!(shown(text), ["red plain link"]);
        let line = &lines(text, Style::new(), Colours::Keep)[0];
        assert_eq!(line.spans[0].style, Style::new().fg(Color::Red).add_modifier(Modifier::BOLD));
        assert_eq!(line.spans[1].style, Style::new());
        let line = &lines(text, Style::new(), Colours::Drop)[0];
        assert_eq!(line.spans[0].style, Style::new().add_modifier(Modifier::BOLD));
    }

    #[test]
    fn both_forms_of_extended_colours_are_read() {
        let colour = |text| lines(text, Style::new(), Colours::Keep)[0].spans[0].style.fg;
        assert_eq!(colour("\x1b[38;5;208mx"), Some(Color::Indexed(208)));
        assert_eq!(colour("\x1b[38;2;1;2;3mx"), Some(Color::Rgb(1, 2, 3)));
        assert_eq!(colour("\x1b[38:2:1:2:3mx"), Some(Color::Rgb(1, 2, 3)));
        assert_eq!(colour("\x1b[38;2;1mx"), None);
    }

    #[test]
    fn a_progress_line_is_shown_as_it_ended() {
        assert_eq!(shown("10%\r50%\r100%\ndone\r\n"), ["100%", "done"]);
        assert_eq!(shown("a\tb\n漢\tc\n"), ["a       b", "漢      c"]);
    }

    #[test]
    fn a_sequence_that_never_ends_takes_little_with_it() {
        assert_eq!(shown("a\x1b]0;title\nb"), ["a0;title", "b"]);
        assert_eq!(shown("a\x1b[31\nb"), ["a", "b"]);
        assert_eq!(shown("a\x1b"), ["a"]);
        assert_eq!(plain("a\x1b[31mb\x1b[0m\n"), "ab\n");
    }

    proptest! {
        #[test]
        fn no_control_character_comes_out(
            text in r"(\x1b|\x1b\[|\x1b\]|[0-9;:m]|\r|\n|\t|\x07|\x1b\\|\PC|[\x00-\xff]){0,40}",
        ) {
            for line in lines(&text, Style::new(), Colours::Keep) {
                prop_assert!(!line.to_string().contains(char::is_control), "{line:?}");
            }
        }
    }
}
