//! The cursor of a list: which row it is on and which rows are on the screen.
//!
//! It knows how many rows there are only when it is told, so the list behind it may change freely.

use std::ops::Range;

use super::action::ListAction;

/// A cursor in a list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rows {
    at: usize,
    first: usize,
    height: usize,
}

impl Rows {
    /// The row under the cursor.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Puts the cursor on a row.
    pub fn go(&mut self, at: usize) {
        self.at = at;
    }

    /// Moves the cursor in a list of `count` rows; choosing and closing are the list's.
    pub fn act(&mut self, action: ListAction, count: usize) {
        let page = self.height.saturating_sub(1).max(1);
        self.at = match action {
            ListAction::Up => self.at.saturating_sub(1),
            ListAction::Down => self.at + 1,
            ListAction::PageUp => self.at.saturating_sub(page),
            ListAction::PageDown => self.at + page,
            ListAction::First => 0,
            ListAction::Last => count,
            ListAction::Choose | ListAction::Close => self.at,
        }
        .min(count.saturating_sub(1));
    }

    /// Moves by rows of the mouse wheel.
    pub fn wheel(&mut self, rows: i32, count: usize) {
        self.at = self.at.saturating_add_signed(rows as isize).min(count.saturating_sub(1));
    }

    /// Learns the size of the list and of its window; keeps the cursor in view.
    pub fn measure(&mut self, count: usize, height: u16) {
        self.height = usize::from(height);
        self.at = self.at.min(count.saturating_sub(1));
        let last = count.saturating_sub(self.height);
        self.first =
            self.first.clamp((self.at + 1).saturating_sub(self.height.max(1)), self.at).min(last);
    }

    /// The rows on the screen.
    pub fn visible(&self, count: usize) -> Range<usize> {
        self.first.min(count)..(self.first + self.height).min(count)
    }

    /// The row that is drawn at this line of the window.
    pub fn row_at(&self, line: u16) -> usize {
        self.first + usize::from(line)
    }
}
