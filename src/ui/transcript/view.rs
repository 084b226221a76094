//! Draws what [`Transcript::measure`] has laid out, and changes nothing.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::Widget;

use super::layout::INDENT;
use super::search::Needle;
use super::{Shown, Transcript};
use crate::ui::text::{cells, fit};
use crate::ui::theme::Theme;

/// A transcript on the screen.
#[derive(Debug, Clone, Copy)]
pub struct TranscriptView<'a> {
    /// What is drawn.
    pub transcript: &'a Transcript,
    /// The colours; those it was measured with.
    pub theme: &'a Theme,
    /// Whether keys go to it: only then its selection stands out.
    pub focused: bool,
}

impl Widget for TranscriptView<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        let mut y = area.y;
        for shown in &self.transcript.visible {
            for row in shown.slice.skip..shown.slice.skip + shown.slice.take {
                if y >= area.bottom() {
                    break;
                }
                self.row(shown, row, Rect { y, height: 1, ..area }, buf);
                y += 1;
            }
        }
        self.new_below(area, buf);
    }
}

impl TranscriptView<'_> {
    fn row(&self, shown: &Shown, row: usize, area: Rect, buf: &mut Buffer) {
        let transcript = self.transcript;
        let mut x = area.x;
        for _ in 0..shown.indent / cells(INDENT) {
            let room = usize::from(area.right().saturating_sub(x));
            (x, _) = buf.set_stringn(x, area.y, INDENT, room, self.theme.dim);
        }
        let Some(row) = row.checked_sub(shown.gap) else { return };
        let rows = transcript.layout.kept(shown.slice.key);
        let Some(line) = rows.get(row) else { return };
        let room = area.right().saturating_sub(x);
        buf.set_line(x, area.y, line, room);
        let text = Rect { x, width: room, ..area };
        if let Some(needle) = transcript.search.needle() {
            mark(needle, line, text, self.theme.matched, buf);
        }
        let head = shown.slice.key.part == 0 && row == 0;
        if head && self.focused && transcript.selected == Some(shown.slice.key.item) {
            buf.set_style(text, self.theme.selected);
        }
    }

    /// Says at the bottom right what came below.
    fn new_below(&self, area: Rect, buf: &mut Buffer) {
        let count = self.transcript.new_below;
        if count == 0 || area.is_empty() {
            return;
        }
        let text = fit(&format!(" ↓ {count} new"), usize::from(area.width));
        let width = u16::try_from(cells(&text)).unwrap_or(area.width);
        let x = area.right().saturating_sub(width);
        buf.set_string(x, area.bottom() - 1, text, self.theme.accent);
    }
}

/// Gives the letters that match a style.
fn mark(needle: &Needle, line: &Line<'_>, area: Rect, style: Style, buf: &mut Buffer) {
    let text = line.to_string();
    for range in needle.find(&text) {
        let at = |byte| u16::try_from(cells(&text[..byte])).unwrap_or(u16::MAX);
        let (from, to) = (at(range.start), at(range.end));
        let x = area.x.saturating_add(from);
        let width = (to - from.min(to)).min(area.right().saturating_sub(x));
        buf.set_style(Rect { x, width, ..area }, style);
    }
}
