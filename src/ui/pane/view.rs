//! Drawing a pane.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Block, BorderType, Widget};

use super::notes::Weight;
use super::{Keys, Pane, title, todo};
use crate::model::agent::{AgentInfo, AgentState};
use crate::model::time::Mono;
use crate::ui::ask::{AskView, Focus};
use crate::ui::prompt::PromptView;
use crate::ui::text::{fit, width};
use crate::ui::theme::Theme;
use crate::ui::transcript::TranscriptView;

/// A pane as it is drawn, in the area that it was measured for.
pub struct PaneView<'a> {
    /// The pane.
    pub pane: &'a Pane,
    /// Its agent.
    pub info: &'a AgentInfo,
    /// Whether it has the focus of the bench.
    pub focused: bool,
    /// The key that gives the keys to the ask.
    pub ask_key: &'a str,
    /// The colours.
    pub theme: &'a Theme,
    /// The moment of drawing.
    pub now: Mono,
}

impl PaneView<'_> {
    /// Where the cursor is, if something is typed here.
    pub fn cursor(&self) -> Option<Position> {
        let (pane, parts) = (self.pane, self.pane.parts);
        match (pane.keys, &pane.ask) {
            (Keys::Ask, Some(ask)) => ask.cursor_in(parts.ask),
            (Keys::Prompt, _) | (Keys::Ask, None) => pane.prompt.cursor_in(parts.prompt),
            (Keys::Read, _) => None,
        }
    }

    fn frame(&self, buf: &mut Buffer) {
        let (parts, theme) = (self.pane.parts, self.theme);
        let border = border(self.focused, theme);
        let area = parts.area;
        if parts.framed {
            let block = Block::bordered().border_type(BorderType::Rounded).border_style(border);
            block.render(area, buf);
            for x in parts.rule.left()..parts.rule.right() {
                buf.set_string(x, parts.rule.y, "─", border);
            }
            if !parts.rule.is_empty() {
                buf.set_string(area.x, parts.rule.y, "├", border);
                buf.set_string(area.right() - 1, parts.rule.y, "┤", border);
            }
        } else {
            for y in [area.y, parts.rule.y] {
                let drawn = y == area.y || !parts.rule.is_empty();
                for x in (area.left()..area.right()).filter(|_| drawn) {
                    buf.set_string(x, y, "─", border);
                }
            }
        }
        let room = usize::from(area.width.saturating_sub(4));
        let line = title::title(self.info, room, self.focused, theme);
        let wide = u16::try_from(line.width()).unwrap_or(0);
        if wide > 0 && area.width > 4 {
            buf.set_string(area.x + 1, area.y, " ", Style::new());
            buf.set_line(area.x + 2, area.y, &line, area.width - 4);
            buf.set_string(area.x + 2 + wide, area.y, " ", Style::new());
        }
    }
}

impl Widget for PaneView<'_> {
    fn render(self, _: Rect, buf: &mut Buffer) {
        let (pane, parts, theme) = (self.pane, self.pane.parts, self.theme);
        if parts.area.width < 2 || parts.area.height < 2 {
            return;
        }
        self.frame(buf);
        let reading = self.focused && pane.keys == Keys::Read;
        let view = TranscriptView { transcript: &pane.transcript, theme, focused: reading };
        view.render(parts.transcript, buf);
        if let Some(entries) = pane.transcript.latest_todo().filter(|_| !parts.todo.is_empty()) {
            todo::draw(entries, parts.todo, buf, theme);
        }
        if let Some(panel) = pane.ask.as_ref().filter(|_| !parts.ask.is_empty()) {
            let here = self.focused && pane.keys == Keys::Ask;
            let elsewhere = || Focus::Elsewhere(self.ask_key.to_owned());
            let focus = if here { Focus::Here } else { elsewhere() };
            let view = AskView { panel, behind: pane.asks_behind, focus, theme, now: self.now };
            view.render(parts.ask, buf);
        }
        let skip = pane.notes.len().saturating_sub(usize::from(parts.notes.height));
        for (note, y) in pane.notes.iter().skip(skip).zip(parts.notes.top()..) {
            let style = match note.weight {
                Weight::Bad => theme.bad,
                Weight::Loud => theme.accent,
                Weight::Quiet => theme.dim,
            };
            let room = usize::from(parts.notes.width);
            buf.set_stringn(parts.notes.x, y, fit(&note.text, room), room, style);
        }
        PromptView {
            prompt: &pane.prompt,
            placeholder: placeholder(self.info.state, self.focused),
            focused: self.focused && pane.keys == Keys::Prompt,
            theme,
        }
        .render(parts.prompt, buf);
    }
}

/// A pane without an agent.
pub struct EmptyView<'a> {
    /// What can be done, each with its key.
    pub lines: &'a [String],
    /// Whether it has the focus.
    pub focused: bool,
    /// Whether it has a border.
    pub framed: bool,
    /// The colours.
    pub theme: &'a Theme,
}

impl Widget for EmptyView<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        if area.width < 4 || area.height < 3 {
            return;
        }
        if self.framed {
            Block::bordered()
                .border_type(BorderType::Rounded)
                .border_style(border(self.focused, self.theme))
                .render(area, buf);
        }
        let widest = self.lines.iter().map(|line| width(line)).max().unwrap_or(0);
        let room = usize::from(area.width - 2);
        let left = u16::try_from(room.saturating_sub(widest) / 2).unwrap_or(0);
        let count = u16::try_from(self.lines.len()).unwrap_or(0);
        let top = area.height.saturating_sub(2 + count) / 2;
        for (line, y) in self.lines.iter().zip(area.y + 1 + top..area.bottom() - 1) {
            buf.set_stringn(area.x + 1 + left, y, line, room, self.theme.dim);
        }
    }
}

fn border(focused: bool, theme: &Theme) -> Style {
    if focused { theme.border_focused } else { theme.border }
}

fn placeholder(state: AgentState, focused: bool) -> &'static str {
    match (state, focused) {
        (_, false) => "",
        (AgentState::Dead, true) => "the agent has ended",
        (AgentState::Working | AgentState::WaitingForFile | AgentState::NeedsYou, true) => {
            "steer it, or queue the next prompt"
        }
        (
            AgentState::Starting | AgentState::Idle | AgentState::Finished | AgentState::Error,
            true,
        ) => "what is to be done?",
    }
}
