//! One line that the person types: a filter, a reason, a name.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use tui_textarea::{CursorMove, TextArea};

use super::keymap::Chord;
use super::text::{harmless, width};

/// A line of text with a cursor.
#[derive(Debug, Clone, Default)]
pub struct Field {
    area: TextArea<'static>,
    /// Whether what is written was only offered: the first letter takes its place.
    offered: bool,
}

impl Field {
    /// A line that begins as `text`, with the cursor behind it.
    pub fn new(text: &str) -> Self {
        let mut area = TextArea::from([text.replace('\n', " ")]);
        area.move_cursor(CursorMove::End);
        Self { area, offered: false }
    }

    /// A line that offers `text`: a letter takes its place; a blank or any other key goes on with
    /// it.
    pub fn offering(text: &str) -> Self {
        Self { offered: true, ..Self::new(text) }
    }

    /// What is written.
    pub fn text(&self) -> &str {
        self.area.lines().first().map_or("", String::as_str)
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    /// Takes a key; says whether it meant anything here.
    pub fn key(&mut self, chord: Chord) -> bool {
        let other_line = matches!(
            chord.code(),
            KeyCode::Enter
                | KeyCode::Tab
                | KeyCode::BackTab
                | KeyCode::Esc
                | KeyCode::Up
                | KeyCode::Down
                | KeyCode::PageUp
                | KeyCode::PageDown
        ) || chord
            == Chord::new(KeyCode::Char('m'), crossterm::event::KeyModifiers::CONTROL);
        if other_line {
            return false;
        }
        let offered = std::mem::take(&mut self.offered);
        if let Some(c) = chord.typed() {
            if offered && c != ' ' {
                self.area = TextArea::default();
            }
            self.area.insert_char(c);
            return true;
        }
        let before = (self.text().to_owned(), self.area.cursor());
        self.area.input(KeyEvent::new(chord.code(), chord.mods()));
        before != (self.text().to_owned(), self.area.cursor())
    }

    /// Takes a pasted text; its lines become one.
    pub fn paste(&mut self, text: &str) {
        let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if std::mem::take(&mut self.offered) && !text.starts_with(char::is_whitespace) {
            self.area = TextArea::default();
        }
        self.area.insert_str(harmless(&line));
    }

    /// Draws the end of the line that the cursor is in and says where the cursor is.
    pub fn draw(&self, area: Rect, buf: &mut Buffer, style: Style) -> Option<Position> {
        if area.is_empty() {
            return None;
        }
        let text = self.text();
        let before: String = text.chars().take(self.area.cursor().1).collect();
        let room = usize::from(area.width);
        let mut skip = 0;
        let mut rest = before.as_str();
        while width(rest) + 1 > room {
            let step = rest.chars().next().map_or(1, char::len_utf8);
            skip += step;
            rest = &rest[step..];
        }
        let cursor = u16::try_from(width(rest)).unwrap_or(0);
        buf.set_stringn(area.x, area.y, harmless(&text[skip..]), room, style);
        Some(Position { x: area.x + cursor, y: area.y })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_shows_the_part_around_the_cursor() {
        let area = Rect { x: 1, y: 0, width: 6, height: 1 };
        let mut buf = Buffer::empty(Rect { x: 0, y: 0, width: 8, height: 1 });
        let mut field = Field::new("abcdefgh");
        let cursor = field.draw(area, &mut buf, Style::new());
        assert_eq!(cursor, Some(Position { x: 6, y: 0 }));
        assert_eq!(buf, Buffer::with_lines([" defgh  "]));
        assert!(!field.key(Chord::parse("enter").unwrap()));
        assert!(field.key(Chord::parse("ctrl+a").unwrap()));
        assert!(field.key(Chord::parse("x").unwrap()));
        assert_eq!(field.text(), "xabcdefgh");
        field.paste("1\n2");
        assert_eq!(field.text(), "x1 2abcdefgh");
    }
}
