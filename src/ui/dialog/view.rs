//! Drawing the new-agent dialog.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::Widget;

use super::{Dialog, Entry};
use crate::model::permission::PermissionMode;
use crate::ui::layer::{frame, hints};
use crate::ui::prompt::PromptView;
use crate::ui::text::{fit, harmless};
use crate::ui::theme::Theme;

/// Cells of a label.
const LABEL: u16 = 16;

/// Rows of the first prompt.
const PROMPT: u16 = 4;

/// The dialog as it is drawn.
pub struct DialogView<'a> {
    /// The dialog.
    pub dialog: &'a Dialog,
    /// The keys that matter, as they are written in the last row.
    pub keys: &'a [(String, String)],
    /// The colours.
    pub theme: &'a Theme,
}

impl Dialog {
    /// Where the dialog goes.
    pub fn area(&self, screen: Rect) -> Rect {
        let rows = u16::try_from(self.entries().count()).unwrap_or(8) + PROMPT + 4;
        let (width, height) = (screen.width.min(78), screen.height.min(rows));
        Rect {
            x: screen.x + (screen.width - width) / 2,
            y: screen.y + (screen.height - height) / 2,
            width,
            height,
        }
    }

    /// Learns the width of its editor.
    pub fn measure(&mut self, screen: Rect) {
        let inner = frame::inner(self.area(screen));
        let room = inner.width.saturating_sub(label(inner) + 2);
        let most = prompt_rows(inner);
        self.prompt.measure(room, most);
    }

    /// Where the cursor is.
    pub fn cursor_in(&self, screen: Rect) -> Option<Position> {
        let inner = frame::inner(self.area(screen));
        let (_, value) = self.places(inner).into_iter().find(|(entry, _)| *entry == self.at)?;
        let mut scratch = Buffer::empty(value);
        let draw = |field: &crate::ui::field::Field, scratch: &mut Buffer| {
            field.draw(value, scratch, ratatui::style::Style::new())
        };
        match self.at {
            Entry::Name => draw(&self.name, &mut scratch),
            Entry::Program => draw(&self.program, &mut scratch),
            Entry::Model => draw(&self.model, &mut scratch),
            Entry::Allowed => draw(&self.allowed, &mut scratch),
            Entry::Disallowed => draw(&self.disallowed, &mut scratch),
            Entry::Prompt => self.prompt.cursor_in(value),
            Entry::Backend | Entry::Mode => None,
        }
    }

    /// Where the value of each entry goes. What does not fit is scrolled away at the top.
    fn places(&self, inner: Rect) -> Vec<(Entry, Rect)> {
        let entries: Vec<_> = self.entries().collect();
        let room = inner.height.saturating_sub(2);
        let height = |entry: Entry| if entry == Entry::Prompt { prompt_rows(inner) } else { 1 };
        let until: u16 = entries
            .iter()
            .take_while(|entry| **entry != self.at)
            .map(|entry| height(*entry))
            .sum::<u16>()
            + height(self.at);
        let skip = until.saturating_sub(room);
        let mut y = 0;
        let mut places = Vec::new();
        for entry in entries {
            let rows = height(entry);
            if y >= skip && y + rows <= skip + room {
                let used = label(inner);
                let value = Rect {
                    x: inner.x + used,
                    y: inner.y + y - skip,
                    width: inner.width.saturating_sub(used),
                    height: rows,
                };
                places.push((entry, value));
            }
            y += rows;
        }
        places
    }
}

fn label(inner: Rect) -> u16 {
    LABEL.min(inner.width / 2)
}

fn prompt_rows(inner: Rect) -> u16 {
    if inner.height < 14 { 1 } else { PROMPT }
}

impl Widget for DialogView<'_> {
    fn render(self, screen: Rect, buf: &mut Buffer) {
        let (dialog, theme) = (self.dialog, self.theme);
        let area = dialog.area(screen);
        let inner = frame::draw(area, buf, "new agent", theme);
        if inner.is_empty() {
            return;
        }
        for (entry, value) in dialog.places(inner) {
            let here = entry == dialog.at;
            let style = if here { theme.accent } else { theme.dim };
            buf.set_stringn(inner.x, value.y, entry.label(), usize::from(label(inner)), style);
            let room = usize::from(value.width);
            let text = match entry {
                Entry::Name => dialog.name.text(),
                Entry::Program => dialog.program.text(),
                Entry::Model => dialog.model.text(),
                Entry::Allowed => dialog.allowed.text(),
                Entry::Disallowed => dialog.disallowed.text(),
                Entry::Backend => dialog.backend.as_str(),
                Entry::Mode => dialog.mode.as_str(),
                Entry::Prompt => "",
            };
            if entry == Entry::Prompt {
                let prompt = &dialog.prompt;
                let placeholder = if here { entry.help() } else { "" };
                PromptView { prompt, placeholder, focused: here, theme }.render(value, buf);
                continue;
            }
            if text.is_empty() {
                buf.set_stringn(value.x, value.y, fit(entry.help(), room), room, theme.dim);
                continue;
            }
            let field = match entry {
                Entry::Name => Some(&dialog.name),
                Entry::Program => Some(&dialog.program),
                Entry::Model => Some(&dialog.model),
                Entry::Allowed => Some(&dialog.allowed),
                Entry::Disallowed => Some(&dialog.disallowed),
                Entry::Backend | Entry::Mode | Entry::Prompt => None,
            };
            let end = match field {
                Some(field) if here => {
                    field.draw(value, buf, theme.text);
                    continue;
                }
                _ => buf.set_stringn(value.x, value.y, fit(text, room), room, theme.text).0,
            };
            let left = usize::from(value.right().saturating_sub(end + 2));
            let note = match (entry, dialog.mode) {
                (Entry::Mode, PermissionMode::BypassPermissions) => "it asks for nothing at all",
                (Entry::Mode | Entry::Backend, _) if here => entry.help(),
                _ => "",
            };
            if left > 0 {
                buf.set_stringn(end + 2, value.y, note, left, theme.dim);
            }
        }
        let last = Rect { y: inner.bottom() - 1, height: 1, ..inner };
        if let Some((_, message)) = &dialog.wrong {
            let text = harmless(message).replace('\n', " ");
            let above = if inner.height > 2 { last.y - 1 } else { last.y };
            let room = usize::from(inner.width);
            buf.set_stringn(inner.x, above, fit(&text, room), room, theme.bad);
        }
        if dialog.waiting {
            buf.set_stringn(last.x, last.y, "starting …", usize::from(last.width), theme.dim);
        } else {
            hints(last, buf, self.keys, theme);
        }
    }
}
