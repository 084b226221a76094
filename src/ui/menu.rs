//! A list to choose from, filtered by what is typed.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::action::ListAction;
use super::field::Field;
use super::keymap::Chord;
use super::layer::frame;
use super::rows::Rows;
use super::text::{fit, harmless, width};
use super::theme::Theme;
use super::wish::Wish;

/// Cells of a menu at most.
const WIDTH: u16 = 70;

/// A row of a menu.
#[derive(Debug, Clone)]
pub struct Choice {
    /// What it is.
    pub text: String,
    /// More about it.
    pub detail: String,
    /// What choosing it wants.
    pub wishes: Vec<Wish>,
}

/// A menu.
#[derive(Debug, Clone)]
pub struct Menu {
    title: String,
    choices: Vec<Choice>,
    filter: Field,
    rows: Rows,
}

impl Menu {
    /// A menu of these choices.
    pub fn new(title: &str, choices: Vec<Choice>) -> Self {
        Self { title: title.to_owned(), choices, filter: Field::default(), rows: Rows::default() }
    }

    /// Does what an action means.
    pub fn act(&mut self, action: ListAction) -> Vec<Wish> {
        let shown = self.shown();
        self.rows.act(action, shown.len());
        match action {
            ListAction::Close => vec![Wish::Close],
            ListAction::Choose => {
                let Some(choice) = shown.get(self.rows.at()).and_then(|at| self.choices.get(*at))
                else {
                    return Vec::new();
                };
                let mut wishes = vec![Wish::Close];
                wishes.extend(choice.wishes.iter().cloned());
                wishes
            }
            ListAction::Up
            | ListAction::Down
            | ListAction::PageUp
            | ListAction::PageDown
            | ListAction::First
            | ListAction::Last => Vec::new(),
        }
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

    /// Moves by rows of the mouse wheel.
    pub fn wheel(&mut self, rows: i32) {
        let count = self.shown().len();
        self.rows.wheel(rows, count);
    }

    /// Learns the size of the screen.
    pub fn measure(&mut self, screen: Rect) {
        let list = list(frame::inner(self.area(screen)));
        let count = self.shown().len();
        self.rows.measure(count, list.height);
    }

    /// Draws it in the middle of the screen.
    pub fn draw(&self, screen: Rect, buf: &mut Buffer, theme: &Theme) {
        let inner = frame::draw(self.area(screen), buf, &self.title, theme);
        if inner.is_empty() {
            return;
        }
        buf.set_stringn(inner.x, inner.y, "› ", 2, theme.accent);
        self.filter.draw(field(inner), buf, theme.text);
        let (list, shown) = (list(inner), self.shown());
        let visible = self.rows.visible(shown.len());
        for (row, y) in visible.zip(list.top()..list.bottom()) {
            let Some(choice) = shown.get(row).and_then(|at| self.choices.get(*at)) else {
                continue;
            };
            let here = row == self.rows.at();
            let style = if here { theme.selected } else { theme.text };
            let room = usize::from(list.width);
            let text = harmless(&choice.text).replace('\n', " ");
            if here {
                buf.set_stringn(list.x, y, " ".repeat(room), room, style);
            }
            let end = buf.set_stringn(list.x, y, fit(&text, room), room, style).0 + 2;
            let detail = harmless(&choice.detail).replace('\n', " ");
            let left = usize::from(list.right().saturating_sub(end));
            let style = if here { style } else { theme.dim };
            buf.set_stringn(end.min(list.right()), y, fit(&detail, left), left, style);
        }
        if shown.is_empty() && list.height > 0 {
            buf.set_stringn(list.x, list.y, "nothing matches", usize::from(list.width), theme.dim);
        }
    }

    /// Where the cursor is.
    pub fn cursor_in(&self, screen: Rect) -> Option<Position> {
        let place = field(frame::inner(self.area(screen)));
        self.filter.draw(place, &mut Buffer::empty(place), Style::new())
    }

    fn area(&self, screen: Rect) -> Rect {
        let widest = self
            .choices
            .iter()
            .map(|choice| width(&choice.text) + width(&choice.detail) + 6)
            .max()
            .unwrap_or(0);
        let wide = u16::try_from(widest).unwrap_or(WIDTH).clamp(30, WIDTH);
        let high = u16::try_from(self.choices.len()).unwrap_or(u16::MAX).saturating_add(4);
        frame::middle(screen, wide, high.clamp(6, 24))
    }

    fn shown(&self) -> Vec<usize> {
        let wanted = self.filter.text().to_lowercase();
        let matches = |choice: &Choice| {
            let text = format!("{} {}", choice.text, choice.detail).to_lowercase();
            wanted.split_whitespace().all(|word| text.contains(word))
        };
        let all = self.choices.iter().enumerate();
        all.filter(|(_, choice)| matches(choice)).map(|(at, _)| at).collect()
    }
}

fn field(inner: Rect) -> Rect {
    let used = 2.min(inner.width);
    Rect { x: inner.x + used, width: inner.width - used, height: 1.min(inner.height), ..inner }
}

fn list(inner: Rect) -> Rect {
    let used = 2.min(inner.height);
    Rect { y: inner.y + used, height: inner.height - used, ..inner }
}
