//! The mouse: clicking gives the keys to what was clicked, the wheel scrolls what is under it, a
//! border that is dragged moves, and a pane whose title is dropped on another one takes its place.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::{App, Redraw};
use crate::model::id::AgentId;
use crate::ui::action::BenchAction;
use crate::ui::layout::{Border, Slot};
use crate::ui::status::{Target, counters};
use crate::ui::wish::Wish;

/// Rows that one step of the wheel scrolls.
const WHEEL: i32 = 3;

/// What the mouse has hold of while its button is down.
#[derive(Debug, Clone)]
pub(super) enum Grip {
    /// A border between panes.
    Border(Border),
    /// The title of this pane.
    Title(Slot),
}

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
            MouseEventKind::Drag(MouseButton::Left) => return self.drag(at),
            MouseEventKind::Up(MouseButton::Left) => return self.drop_at(at),
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
        self.grip = None;
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
                let border = || self.layout.border_at(self.chrome.bench, at);
                if let Some(border) = self.chrome.tabs.is_none().then(border).flatten() {
                    self.grip = Some(Grip::Border(border));
                    return;
                }
                if let Some((slot, rect)) = self.pane_at(at) {
                    self.grip = (at.y == rect.y).then_some(Grip::Title(slot));
                    self.layout.focus_on(slot);
                    self.layout_changed();
                }
                if let Some(pane) = self.agent_at(at).and_then(|agent| self.panes.get_mut(&agent)) {
                    pane.click(at.y);
                }
            }
            None => {}
        }
    }

    /// Moves what the mouse has hold of.
    fn drag(&mut self, at: Position) {
        if let Some(Grip::Border(border)) = &self.grip {
            self.layout.drag(self.chrome.bench, border, at);
            self.layout_changed();
        }
    }

    /// Lets go of what the mouse had hold of.
    fn drop_at(&mut self, at: Position) {
        let Some(Grip::Title(slot)) = self.grip.take() else { return };
        if let Some((other, _)) = self.pane_at(at).filter(|(other, _)| *other != slot) {
            self.layout.swap(slot, other);
            self.layout_changed();
        }
    }

    fn pane_at(&self, at: Position) -> Option<(Slot, Rect)> {
        self.chrome.panes.iter().find(|(_, rect)| rect.contains(at)).copied()
    }

    fn agent_at(&self, at: Position) -> Option<AgentId> {
        match self.pane_at(at)?.0 {
            Slot::Agent(agent) => Some(agent),
            Slot::Empty(_) => None,
        }
    }
}
