//! The prompt editor of a pane: several lines, a history, big pastes as one mark.
//!
//! Nothing that was written is lost by a slip: a cleared draft goes into the history, and what was
//! pasted stays behind its mark until the prompt is sent. The editor knows no agent; what a key
//! means beyond editing is said as an [`Edit`].

mod history;
mod paste;
mod view;

use tui_textarea::{CursorMove, TextArea};

use self::history::History;
use self::paste::Pastes;
pub use self::view::PromptView;
use super::action::PromptAction;
use super::wrap;
use crate::model::report::SlashCommand;
use crate::ui::text::width;

/// What an editing key came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// It is done.
    Done,
    /// There was nothing to do.
    Nothing,
    /// The prompt is to be sent.
    Send(String),
    /// The cursor is at the top and there is nothing older.
    Top,
}

/// A row on the screen: the line and the bytes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    line: usize,
    bytes: std::ops::Range<usize>,
}

/// A prompt that is being written.
#[derive(Debug, Clone, Default)]
pub struct Prompt {
    area: TextArea<'static>,
    pastes: Pastes,
    history: History,
    rows: Vec<Row>,
    room: usize,
    first: usize,
    height: usize,
}

impl Prompt {
    /// An empty prompt.
    pub fn new() -> Self {
        Self { room: 80, height: 1, ..Self::default() }
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.area.is_empty()
    }

    /// What is written, with marks for big pastes.
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Replaces what is written.
    pub fn set(&mut self, text: &str) {
        self.area = TextArea::default();
        self.pastes.forget();
        self.paste(text);
    }

    /// Adds a prompt that was sent before to the history.
    pub fn remember(&mut self, text: &str) {
        self.history.push(text);
    }

    /// Types a character.
    pub fn type_char(&mut self, c: char) {
        self.history.leave();
        self.area.insert_char(c);
    }

    /// Takes a pasted text in one piece; a big one becomes a mark that is expanded when it is sent.
    pub fn paste(&mut self, text: &str) {
        self.history.leave();
        let shown = self.pastes.fold(text);
        self.area.insert_str(shown);
    }

    /// Throws away what is written; the history keeps it.
    pub fn clear(&mut self) {
        let text = self.expanded();
        self.history.push(&text);
        self.history.leave();
        self.area = TextArea::default();
        self.pastes.forget();
    }

    /// Does what an editing action means. Scrolling and interrupting are not this part's.
    pub fn edit(&mut self, action: PromptAction) -> Edit {
        let area = &mut self.area;
        let done = |changed: bool| if changed { Edit::Done } else { Edit::Nothing };
        let mut step = |to: CursorMove| {
            let before = area.cursor();
            area.move_cursor(to);
            done(before != area.cursor())
        };
        match action {
            PromptAction::Send => self.send(),
            PromptAction::Newline => {
                self.area.insert_newline();
                Edit::Done
            }
            PromptAction::Up => self.up(),
            PromptAction::Down => self.down(),
            PromptAction::Left => step(CursorMove::Back),
            PromptAction::Right => step(CursorMove::Forward),
            PromptAction::WordLeft => step(CursorMove::WordBack),
            PromptAction::WordRight => step(CursorMove::WordForward),
            PromptAction::LineStart => step(CursorMove::Head),
            PromptAction::LineEnd => step(CursorMove::End),
            PromptAction::DeleteBack => self.delete_back(),
            PromptAction::DeleteNext => done(self.area.delete_next_char()),
            PromptAction::DeleteWord => done(self.area.delete_word()),
            PromptAction::DeleteToStart => done(self.area.delete_line_by_head()),
            PromptAction::DeleteToEnd => done(self.area.delete_line_by_end()),
            PromptAction::Undo => done(self.area.undo()),
            PromptAction::Redo => done(self.area.redo()),
            PromptAction::Complete
            | PromptAction::Escape
            | PromptAction::Clear
            | PromptAction::ScrollUp
            | PromptAction::ScrollDown
            | PromptAction::PageUp
            | PromptAction::PageDown
            | PromptAction::ToStart
            | PromptAction::ToEnd
            | PromptAction::PreviousPrompt
            | PromptAction::NextPrompt => Edit::Nothing,
        }
    }

    /// The slash commands that what is written could become; none unless it begins with a slash.
    pub fn candidates<'a>(&self, commands: &'a [SlashCommand]) -> Vec<&'a SlashCommand> {
        let [line] = self.area.lines() else {
            return Vec::new();
        };
        let Some(typed) = line.strip_prefix('/').filter(|rest| !rest.contains(' ')) else {
            return Vec::new();
        };
        commands.iter().filter(|command| command.name.starts_with(typed)).collect()
    }

    /// Completes a slash command as far as it is clear; says whether there was anything to complete.
    pub fn complete(&mut self, commands: &[SlashCommand]) -> bool {
        let candidates = self.candidates(commands);
        let Some(first) = candidates.first() else {
            return false;
        };
        let mut common = first.name.as_str();
        for other in &candidates {
            let same = common
                .char_indices()
                .zip(other.name.chars())
                .find(|((_, a), b)| a != b)
                .map_or(common.len().min(other.name.len()), |((at, _), _)| at);
            common = &common[..same];
        }
        let space = if candidates.len() == 1 { " " } else { "" };
        let completed = format!("/{common}{space}");
        self.area = TextArea::from([completed]);
        self.area.move_cursor(CursorMove::End);
        true
    }

    /// Learns its width and says how many rows it wants, at most `most`.
    pub fn measure(&mut self, room: u16, most: u16) -> u16 {
        self.room = usize::from(room.max(1));
        self.wrap();
        let rows = u16::try_from(self.rows.len()).unwrap_or(u16::MAX).clamp(1, most.max(1));
        self.height = usize::from(rows);
        let cursor = self.cursor_row().0;
        let last = self.rows.len().saturating_sub(self.height);
        self.first = self.first.clamp((cursor + 1).saturating_sub(self.height), cursor).min(last);
        rows
    }

    fn send(&mut self) -> Edit {
        let (row, col) = (self.area.cursor().0, self.area.cursor().1);
        let line = self.area.lines().get(row).map_or("", String::as_str);
        if line.chars().take(col).last() == Some('\\') {
            self.area.delete_char();
            self.area.insert_newline();
            return Edit::Done;
        }
        let text = self.expanded();
        if text.trim().is_empty() {
            return Edit::Nothing;
        }
        self.history.push(&text);
        self.history.leave();
        self.area = TextArea::default();
        self.pastes.forget();
        Edit::Send(text)
    }

    /// What is written, with the contents of all pastes.
    pub fn expanded(&self) -> String {
        self.pastes.expand(&self.text())
    }

    /// Deletes a character, or the whole mark of a paste.
    fn delete_back(&mut self) -> Edit {
        let (row, col) = (self.area.cursor().0, self.area.cursor().1);
        let line = self.area.lines().get(row).map_or("", String::as_str);
        let before: String = line.chars().take(col).collect();
        let count = self.pastes.mark_at_end(&before).map_or(1, |mark| mark.chars().count());
        let mut changed = false;
        for _ in 0..count {
            changed |= self.area.delete_char();
        }
        if changed { Edit::Done } else { Edit::Nothing }
    }

    fn up(&mut self) -> Edit {
        self.wrap();
        let (row, cell) = self.cursor_row();
        if row > 0 {
            self.jump(row - 1, cell);
            return Edit::Done;
        }
        match self.history.older(&self.pastes.expand(&self.text())) {
            Some(text) => self.recall(&text),
            None => Edit::Top,
        }
    }

    fn down(&mut self) -> Edit {
        self.wrap();
        let (row, cell) = self.cursor_row();
        if row + 1 < self.rows.len() {
            self.jump(row + 1, cell);
            return Edit::Done;
        }
        match self.history.newer() {
            Some(text) => self.recall(&text),
            None => Edit::Nothing,
        }
    }

    fn recall(&mut self, text: &str) -> Edit {
        let history = std::mem::take(&mut self.history);
        self.set(text);
        self.history = history;
        Edit::Done
    }

    fn wrap(&mut self) {
        self.rows.clear();
        for (line, text) in self.area.lines().iter().enumerate() {
            let rows = wrap::rows(text, self.room);
            self.rows.extend(rows.into_iter().map(|bytes| Row { line, bytes }));
        }
    }

    /// The row of the cursor and its cell in it.
    fn cursor_row(&self) -> (usize, usize) {
        let cursor = self.area.cursor();
        let line = self.area.lines().get(cursor.0).map_or("", String::as_str);
        let at = line.char_indices().nth(cursor.1).map_or(line.len(), |(at, _)| at);
        let here = |row: &Row| row.line == cursor.0 && row.bytes.start <= at;
        let row = self.rows.iter().rposition(here).unwrap_or(0);
        let start = self.rows.get(row).map_or(0, |row| row.bytes.start.min(at));
        (row, width(&line[start..at]))
    }

    fn jump(&mut self, row: usize, cell: usize) {
        let Some(row) = self.rows.get(row) else {
            return;
        };
        let line = &self.area.lines()[row.line];
        let mut col = line[..row.bytes.start].chars().count();
        let last = row.bytes.end < line.len();
        let inside = &line[row.bytes.clone()];
        let count = inside.chars().count();
        let mut used = 0;
        for (index, c) in inside.chars().enumerate() {
            used += width(c.encode_utf8(&mut [0; 4]));
            if used > cell || (last && index + 1 == count) {
                break;
            }
            col += 1;
        }
        let (line, col) = (u16::try_from(row.line), u16::try_from(col));
        if let (Ok(line), Ok(col)) = (line, col) {
            self.area.move_cursor(CursorMove::Jump(line, col));
        }
    }
}

#[cfg(test)]
mod tests;
