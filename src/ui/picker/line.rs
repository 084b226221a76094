//! A line that the person edits: the query, or a new title.
//!
//! It never holds a newline or a control character and never grows beyond [`LONGEST`].

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_segmentation::UnicodeSegmentation;

use crate::ui::text;

/// Characters that a line can hold; what is pasted beyond is dropped.
pub(super) const LONGEST: usize = 256;

/// The text and where the next letter goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    text: String,
    at: usize,
}

/// What a key did to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edited {
    /// The text is another one.
    Text,
    /// Only the cursor moved, or there was nothing to do.
    Nothing,
    /// The key means nothing to a line.
    NotMine,
}

impl Line {
    /// A line with the cursor at its end.
    pub(super) fn new(text: &str) -> Self {
        let mut line = Self::default();
        line.insert(text);
        line
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Inserts what was typed or pasted; newlines and tabs become spaces.
    pub(super) fn insert(&mut self, raw: &str) {
        let room = LONGEST.saturating_sub(self.text.chars().count());
        let clean: String = raw
            .chars()
            .map(|c| if c == '\n' || c == '\t' { ' ' } else { c })
            .filter(|c| !text::harmless(c.encode_utf8(&mut [0; 4])).is_empty())
            .take(room)
            .collect();
        let clean = text::harmless(&clean);
        self.text.insert_str(self.at, &clean);
        self.at += clean.len();
    }

    /// Takes a key that edits; `Home` and `End` are the caller's.
    #[expect(clippy::wildcard_enum_match_arm, reason = "a line knows a few keys only")]
    pub(super) fn key(&mut self, key: KeyEvent) -> Edited {
        let before = self.text.len();
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char('u') if control => self.clear(),
            KeyCode::Char('w') if control => self.cut_word(),
            KeyCode::Char('h') if control => self.cut(self.before()),
            KeyCode::Backspace if control || alt => self.cut_word(),
            KeyCode::Backspace => self.cut(self.before()),
            KeyCode::Delete => {
                let end = self.after();
                self.text.replace_range(self.at..end, "");
            }
            KeyCode::Left => self.at = self.before(),
            KeyCode::Right => self.at = self.after(),
            KeyCode::Char(c) if !control && !alt => self.insert(c.encode_utf8(&mut [0; 4])),
            _ => return Edited::NotMine,
        }
        if self.text.len() == before { Edited::Nothing } else { Edited::Text }
    }

    pub(super) fn home(&mut self) {
        self.at = 0;
    }

    pub(super) fn end(&mut self) {
        self.at = self.text.len();
    }

    /// The stretch that fits into `cells` with the cursor in it, and the cursor's cell.
    pub(super) fn window(&self, cells: usize) -> (String, usize) {
        let mut start = 0;
        for cluster in self.text[..self.at].graphemes(true) {
            if text::width(&self.text[start..self.at]) < cells.max(1) {
                break;
            }
            start += cluster.len();
        }
        let column = text::width(&self.text[start..self.at]);
        let mut shown = String::new();
        for cluster in self.text[start..].graphemes(true) {
            if text::width(&shown) + text::width(cluster) > cells {
                break;
            }
            shown.push_str(cluster);
        }
        (shown, column)
    }

    fn before(&self) -> usize {
        self.text[..self.at].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        self.text[self.at..].graphemes(true).next().map_or(self.at, |one| self.at + one.len())
    }

    /// Removes what lies between `from` and the cursor.
    fn cut(&mut self, from: usize) {
        self.text.replace_range(from..self.at, "");
        self.at = from;
    }

    fn cut_word(&mut self) {
        let head = self.text[..self.at].trim_end();
        let from = head
            .rfind(char::is_whitespace)
            .map_or(0, |at| at + head[at..].chars().next().map_or(0, char::len_utf8));
        self.cut(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &mut Line, keys: &[(KeyCode, KeyModifiers)]) {
        for (code, modifiers) in keys {
            line.key(KeyEvent::new(*code, *modifiers));
        }
    }

    #[test]
    fn words_go_as_a_whole_and_letters_as_people_see_them() {
        let mut line = Line::new("one two  ");
        typed(&mut line, &[(KeyCode::Char('w'), KeyModifiers::CONTROL)]);
        assert_eq!(line.text(), "one ");
        line.insert("e\u{301}漢");
        typed(&mut line, &[(KeyCode::Left, KeyModifiers::NONE)]);
        typed(&mut line, &[(KeyCode::Backspace, KeyModifiers::NONE)]);
        assert_eq!(line.text(), "one 漢");
    }

    #[test]
    fn a_large_paste_is_one_bounded_harmless_line() {
        let mut line = Line::default();
        line.insert("a\r\nb\x1b[31m");
        assert_eq!(line.text(), "a b␛[31m");
        line.insert(&"x".repeat(100_000));
        assert_eq!(line.text().chars().count(), LONGEST);
    }

    #[test]
    fn the_window_follows_the_cursor() {
        let mut line = Line::new("abcdefgh");
        assert_eq!(line.window(4), ("fgh".to_owned(), 3));
        line.home();
        assert_eq!(line.window(4), ("abcd".to_owned(), 0));
        assert_eq!(Line::new("漢字").window(4), ("字".to_owned(), 2));
        assert_eq!(Line::new("ab").window(0).0, "");
    }
}
