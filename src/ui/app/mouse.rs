//! The mouse: clicking gives the keys to what was clicked, the wheel scrolls what is under it.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::{App, Redraw};
use crate::model::id::AgentId;
use crate::ui::action::BenchAction;
use crate::ui::layout::Slot;
use crate::ui::status::{Target, counters};
use crate::ui::wish::Wish;

/// Rows that one step of the wheel scrolls.
const WHEEL: i32 = 3;

impl App {
    /// Takes a mouse event. Moving alone does nothing and draws nothing.
    pub(super) fn mouse(&mut self, event: MouseEvent) {
        let at = Position { x: event.column, y: event.row };
        let rows = match event.kind {
            MouseEventKind::ScrollUp => -WHEEL,
            MouseEventKind::ScrollDown => WHEEL,
            MouseEventKind::Down(MouseButton::Left) => {
                self.redraw = Redraw::Now;
                self.click(at);
                return;
            }
            MouseEventKind::Down(_)
            | MouseEventKind::Up(_)
            | MouseEventKind::Drag(_)
            | MouseEventKind::Moved
            | MouseEventKind::ScrollLeft
            | MouseEventKind::ScrollRight => return,
        };
        self.redraw = Redraw::Now;
        if let Some((layer, scene)) = self.top_layer() {
            layer.wheel(rows, &scene);
            return;
        }
        if let Some(pane) = self.agent_at(at).and_then(|agent| self.panes.get_mut(&agent)) {
            pane.wheel(at.y, rows);
        }
    }

    fn click(&mut self, at: Position) {
        let bottom = counters(&self.bench, self.chrome.bottom);
        let spots = self.chrome.tabs.iter().flatten().chain(&bottom);
        let target = spots.filter(|(rect, _)| rect.contains(at)).map(|(_, target)| *target).next();
        match target {
            Some(Target::Inbox) => self.act_bench(BenchAction::Inbox),
            Some(Target::Locks) => self.act_bench(BenchAction::Locks),
            Some(Target::Agent(agent)) => {
                self.layers.clear();
                self.grant(vec![Wish::Focus(agent)]);
            }
            None if self.layers.is_empty() => {
                let hit = |(_, rect): &&(Slot, Rect)| rect.contains(at);
                if let Some((slot, _)) = self.chrome.panes.iter().find(hit) {
                    self.layout.focus_on(*slot);
                    self.layout_changed();
                }
                if let Some(pane) = self.agent_at(at).and_then(|agent| self.panes.get_mut(&agent)) {
                    pane.click(at.y);
                }
            }
            None => {}
        }
    }

    fn agent_at(&self, at: Position) -> Option<AgentId> {
        let (slot, _) = self.chrome.panes.iter().find(|(_, rect)| rect.contains(at))?;
        match slot {
            Slot::Agent(agent) => Some(*agent),
            Slot::Empty(_) => None,
        }
    }
}
