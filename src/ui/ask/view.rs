//! Drawing an ask: a box with what it is about, and its keys below.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::widgets::{Block, Widget};

use super::body::Kind;
use super::{AskPanel, Purpose};
use crate::model::permission::AskKind;
use crate::model::time::Mono;
use crate::ui::text::{harmless, width};
use crate::ui::theme::Theme;

/// An ask as it is drawn.
pub struct AskView<'a> {
    /// The ask.
    pub panel: &'a AskPanel,
    /// How many more wait behind it in the same pane.
    pub behind: usize,
    /// Whether it has the keys; what else to press to give them to it.
    pub focus: Focus,
    /// The colours.
    pub theme: &'a Theme,
    /// The moment of drawing.
    pub now: Mono,
}

/// Who has the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Focus {
    /// The ask.
    Here,
    /// Something else; this key gives them to the ask.
    Elsewhere(String),
}

impl AskPanel {
    /// The row of the line that is typed, below the content.
    fn entry_row(&self, area: Rect) -> Option<Rect> {
        self.entry.as_ref()?;
        let hints = u16::try_from(self.hints.len()).unwrap_or(0);
        let y = area.bottom().checked_sub(2 + hints)?;
        let inside = y > area.y && area.width > 6;
        inside.then(|| Rect { x: area.x + 2, y, width: area.width - 4, height: 1 })
    }

    fn entry_label(&self) -> &'static str {
        match (&self.entry, &self.ask.kind) {
            (Some((Purpose::OwnWords, _)), _) => "answer: ",
            (Some((Purpose::Reason { .. }, _)), AskKind::Plan(_)) => "what to change: ",
            (Some((Purpose::Reason { interrupt: true }, _)), _) => "why, and stop: ",
            (Some((Purpose::Reason { interrupt: false }, _)) | None, _) => "why not: ",
        }
    }

    /// Where the cursor is when the panel is drawn in `area`.
    pub fn cursor_in(&self, area: Rect) -> Option<Position> {
        let row = self.entry_row(area)?;
        let (_, field) = self.entry.as_ref()?;
        field.draw(after(row, self.entry_label()), &mut Buffer::empty(row), Style::new())
    }
}

impl Widget for AskView<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        if area.width < 6 || area.height < 3 {
            return;
        }
        let (panel, theme) = (self.panel, self.theme);
        let armed = panel.is_armed(self.now) && self.focus == Focus::Here;
        let border = if self.focus == Focus::Here { theme.warn } else { theme.border };
        let who = match &panel.ask.sub {
            Some(sub) => format!(" needs you · sub-agent {} ", harmless(sub.as_str())),
            None => " needs you ".to_owned(),
        };
        let mut block = Block::bordered().border_style(border).title(who);
        if self.behind > 0 {
            block = block.title(format!(" {} more ", self.behind));
        }
        let hidden = panel.rows.len().saturating_sub(panel.top + panel.seen);
        if hidden > 0 {
            block = block.title_bottom(format!(" ↓ {hidden} more lines "));
        }
        block.render(area, buf);
        let inner =
            Rect { x: area.x + 2, y: area.y + 1, width: area.width - 4, height: area.height - 2 };
        let room = usize::from(inner.width);
        let content = panel.rows.iter().skip(panel.top).take(panel.seen);
        for ((kind, text), y) in content.zip(inner.top()..inner.bottom()) {
            let style = match kind {
                Kind::Head => theme.text.add_modifier(Modifier::BOLD),
                Kind::Plain => theme.text,
                Kind::Dim => theme.dim,
                Kind::Added => theme.added,
                Kind::Removed => theme.removed,
                Kind::Cursor => theme.accent,
            };
            buf.set_stringn(inner.x, y, text, room, style);
        }
        if let (Some(row), Some((_, field))) = (panel.entry_row(area), &panel.entry) {
            buf.set_stringn(row.x, row.y, panel.entry_label(), room, theme.dim);
            field.draw(after(row, panel.entry_label()), buf, theme.text);
        }
        let first = inner.bottom().saturating_sub(u16::try_from(panel.hints.len()).unwrap_or(0));
        if panel.answered {
            buf.set_stringn(inner.x, first.max(inner.y), "answered …", room, theme.dim);
            return;
        }
        if let Focus::Elsewhere(key) = &self.focus {
            let text = format!("{key} to answer");
            buf.set_stringn(inner.x, first.max(inner.y), text, room, theme.dim);
            return;
        }
        let (key_style, label_style) =
            if armed { (theme.accent, theme.text) } else { (theme.dim, theme.dim) };
        for (hints, y) in panel.hints.iter().zip(first.max(inner.y)..inner.bottom()) {
            let mut x = inner.x;
            for (key, label) in hints {
                for (text, style) in
                    [(key.as_str(), key_style), (" ", label_style), (label, label_style)]
                {
                    let left = usize::from(inner.right().saturating_sub(x));
                    x = buf.set_stringn(x, y, text, left, style).0;
                }
                x = (x + 3).min(inner.right());
            }
        }
    }
}

fn after(row: Rect, label: &str) -> Rect {
    let used = u16::try_from(width(label)).unwrap_or(0).min(row.width.saturating_sub(1));
    Rect { x: row.x + used, width: row.width - used, ..row }
}
