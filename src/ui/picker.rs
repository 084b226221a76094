//! A plain stand-in for the picker of stored sessions.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use super::theme::Theme;
use super::wish::{Answered, Tag, Wish};
use crate::engine::command::Command;
use crate::model::session::SessionQuery;
use crate::model::time::Wall;

/// The picker.
pub struct Picker {
    query: String,
}

impl Picker {
    /// A picker for a workspace, or for all of them.
    pub fn new(workspace_root: String, all: bool, query: Option<String>) -> (Self, Vec<Wish>) {
        let workspace = (!all).then_some(workspace_root);
        let query = SessionQuery { workspace, text: query, limit: 0 };
        let text = query.text.clone().unwrap_or_default();
        let command = Box::new(Command::ListSessions { query });
        (Self { query: text }, vec![Wish::Ask { command, tag: Tag::PickerRows(0) }])
    }

    /// Tells the time.
    pub fn set_now(&mut self, _now: Wall) {}

    /// Takes a pasted text.
    pub fn paste(&mut self, text: &str) -> Vec<Wish> {
        self.query.push_str(text);
        Vec::new()
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> Vec<Wish> {
        if key.code == KeyCode::Esc { vec![Wish::Close] } else { Vec::new() }
    }

    /// Takes an answer.
    pub fn answered(&mut self, _answered: Answered) -> Vec<Wish> {
        Vec::new()
    }

    /// Learns its size.
    pub fn measure(&mut self, _area: Rect) {}
}

/// The picker as it is drawn.
pub struct PickerView<'a> {
    /// The picker.
    pub picker: &'a Picker,
    /// The colours.
    pub theme: &'a Theme,
}

impl Widget for PickerView<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let line = format!(" resume › {}", self.picker.query);
        buf.set_stringn(area.x, area.y, line, usize::from(area.width), self.theme.text);
    }
}
