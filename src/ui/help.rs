//! All keys, made from the keymap, filtered by what is typed.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::action::{Context, ListAction};
use super::field::Field;
use super::keymap::{Chord, Keymap};
use super::layer::{Scene, frame};
use super::rows::Rows;
use super::text::{fit, width};
use super::wish::Wish;

/// Cells of the keys' column.
const KEYS: usize = 22;

/// The help view.
#[derive(Debug, Clone, Default)]
pub struct Help {
    filter: Field,
    rows: Rows,
}

enum Line {
    Title(String),
    Key { keys: String, what: String },
    Blank,
}

impl Help {
    /// Does what an action means.
    pub fn act(&mut self, action: ListAction, keymap: &Keymap) -> Vec<Wish> {
        match action {
            ListAction::Close | ListAction::Choose => return vec![Wish::Close],
            ListAction::Up => self.wheel(-1, keymap),
            ListAction::Down => self.wheel(1, keymap),
            ListAction::PageUp | ListAction::PageDown | ListAction::First | ListAction::Last => {
                let count = self.lines(keymap).len();
                self.rows.act(action, count);
            }
        }
        Vec::new()
    }

    /// Types into the filter.
    pub fn key(&mut self, chord: Chord) {
        if self.filter.key(chord) {
            self.rows.go(0);
        }
    }

    /// Pastes into the filter.
    pub fn paste(&mut self, text: &str) {
        self.filter.paste(text);
        self.rows.go(0);
    }

    /// Scrolls. The cursor of the list is not shown: it is the line at the top or the bottom.
    pub fn wheel(&mut self, rows: i32, keymap: &Keymap) {
        let count = self.lines(keymap).len();
        let visible = self.rows.visible(count);
        let from = if rows < 0 { visible.start } else { visible.end.saturating_sub(1) };
        self.rows.go(from);
        self.rows.wheel(rows, count);
    }

    /// Learns the size of the screen.
    pub fn measure(&mut self, screen: Rect, keymap: &Keymap) {
        let count = self.lines(keymap).len();
        self.rows.measure(count, list(frame::inner(area(screen))).height);
    }

    /// Draws it.
    pub fn draw(&self, screen: Rect, buf: &mut Buffer, scene: &Scene<'_>) {
        let theme = scene.theme;
        let inner = frame::draw(area(screen), buf, "help", theme);
        if inner.is_empty() {
            return;
        }
        buf.set_stringn(inner.x, inner.y, "› ", 2, theme.accent);
        if self.filter.is_empty() {
            let place = field(inner);
            buf.set_stringn(
                place.x,
                place.y,
                "type to filter",
                usize::from(place.width),
                theme.dim,
            );
        }
        self.filter.draw(field(inner), buf, theme.text);
        let list = list(inner);
        let lines = self.lines(scene.keymap);
        let room = usize::from(list.width);
        let keys_room = KEYS.min(room / 2);
        for (row, y) in self.rows.visible(lines.len()).zip(list.top()..list.bottom()) {
            match &lines[row] {
                Line::Title(title) => {
                    buf.set_stringn(list.x, y, title, room, theme.heading);
                }
                Line::Key { keys, what } => {
                    let column = width(keys).max(keys_room) + 2;
                    buf.set_stringn(list.x, y, keys, room, theme.accent);
                    let x = list.x + u16::try_from(column.min(room)).unwrap_or(0);
                    let left = room.saturating_sub(column);
                    buf.set_stringn(x, y, fit(what, left), left, theme.text);
                }
                Line::Blank => {}
            }
        }
        if lines.is_empty() && list.height > 0 {
            buf.set_stringn(list.x, list.y, "no key does that", room, theme.dim);
        }
    }

    /// Where the cursor is.
    pub fn cursor_in(&self, screen: Rect) -> Option<Position> {
        let place = field(frame::inner(area(screen)));
        self.filter.draw(place, &mut Buffer::empty(place), Style::new())
    }

    /// A line for each action, with all of its keys, under the name of its place.
    fn lines(&self, keymap: &Keymap) -> Vec<Line> {
        let wanted = self.filter.text().to_lowercase();
        let mut lines = Vec::new();
        for place in Context::ALL {
            let mut rows: Vec<(super::action::Action, Vec<String>)> = Vec::new();
            for binding in keymap.of(place) {
                let keys: Vec<_> = binding.keys.iter().map(ToString::to_string).collect();
                let keys = keys.join(" ");
                match rows.iter_mut().find(|(action, _)| *action == binding.action) {
                    Some((_, all)) => all.push(keys),
                    None => rows.push((binding.action, vec![keys])),
                }
            }
            let rows: Vec<_> = rows
                .into_iter()
                .map(|(action, keys)| (action, keys.join(", ")))
                .filter(|(action, keys)| {
                    let text =
                        format!("{} {} {keys} {}", action.name(), action.what(), place.title());
                    let text = text.to_lowercase();
                    wanted.split_whitespace().all(|word| text.contains(word))
                })
                .collect();
            if rows.is_empty() {
                continue;
            }
            if !lines.is_empty() {
                lines.push(Line::Blank);
            }
            let title = if place == Context::Command {
                format!("After {}", keymap.prefix())
            } else {
                place.title().to_owned()
            };
            lines.push(Line::Title(title));
            lines.extend(
                rows.into_iter()
                    .map(|(action, keys)| Line::Key { keys, what: action.what().to_owned() }),
            );
        }
        lines
    }
}

fn area(screen: Rect) -> Rect {
    frame::middle(screen, 84, screen.height)
}

fn field(inner: Rect) -> Rect {
    let used = 2.min(inner.width);
    Rect { x: inner.x + used, width: inner.width - used, height: 1.min(inner.height), ..inner }
}

fn list(inner: Rect) -> Rect {
    let used = 2.min(inner.height);
    Rect { y: inner.y + used, height: inner.height - used, ..inner }
}
