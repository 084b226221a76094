//! Drawing the prompt editor.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::Widget;

use super::Prompt;
use crate::ui::text::harmless;
use crate::ui::theme::Theme;

/// The sign in front of the first row, with the room it takes.
const SIGN: &str = "> ";

/// The prompt as it is drawn.
pub struct PromptView<'a> {
    /// What is written.
    pub prompt: &'a Prompt,
    /// What stands there while nothing is written.
    pub placeholder: &'a str,
    /// Whether it has the keys.
    pub focused: bool,
    /// The colours.
    pub theme: &'a Theme,
}

impl Prompt {
    /// Where the cursor is when the editor is drawn in `area`.
    pub fn cursor_in(&self, area: Rect) -> Option<Position> {
        let (row, cell) = self.cursor_row();
        let below = u16::try_from(row.checked_sub(self.first)?).ok()?;
        let x = area.x + 2 + u16::try_from(cell).ok()?;
        let inside = below < area.height && area.width > 2;
        inside.then(|| Position { x: x.min(area.right() - 1), y: area.y + below })
    }
}

impl Widget for PromptView<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        if area.width <= 2 || area.height == 0 {
            return;
        }
        let sign = if self.focused { self.theme.accent } else { self.theme.dim };
        if self.prompt.first == 0 {
            buf.set_string(area.x, area.y, SIGN, sign);
        }
        let room = usize::from(area.width - 2);
        if self.prompt.is_empty() {
            buf.set_stringn(area.x + 2, area.y, self.placeholder, room, self.theme.dim);
            return;
        }
        let rows = self.prompt.rows.iter().skip(self.prompt.first);
        for (row, y) in rows.zip(area.top()..area.bottom()) {
            let Some(text) =
                self.prompt.area.lines().get(row.line).and_then(|line| line.get(row.bytes.clone()))
            else {
                continue;
            };
            let text = text.replace('\t', " ");
            buf.set_stringn(area.x + 2, y, harmless(&text), room, self.theme.text);
        }
    }
}
