//! Where the panes are: a tree of splits over one area, the focus in it, and one pane zoomed.
//!
//! - A slot shows one agent or waits for one; no agent is in two slots.
//! - The focus is a slot of the tree whenever the tree has any.
//! - An arrangement other than [`Arrangement::Own`] is laid out anew whenever slots or area change;
//!   the first change by hand makes the layout the person's own.
//! - Where a pane would become too small to use, only the focused one is placed, under a line of
//!   tabs.

mod build;
mod saved;
mod tree;

use ratatui::layout::{Position, Rect};

pub use self::tree::Border;
use self::tree::Node;
use crate::model::id::AgentId;

/// The smallest pane that is worth drawing beside others, in cells.
pub const SMALLEST: (u16, u16) = (24, 7);

/// How far one resize moves a border.
const STEP: i32 = 2;

/// What a pane shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// This agent.
    Agent(AgentId),
    /// Nobody yet.
    Empty(u32),
}

/// In which direction the parts of a split follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// From left to right.
    Right,
    /// From top to bottom.
    Below,
}

/// Where something lies, seen from a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the left.
    Left,
    /// Below.
    Down,
    /// Above.
    Up,
    /// To the right.
    Right,
}

/// Who decides where the panes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arrangement {
    /// All of the same size, as far as possible.
    #[default]
    Even,
    /// The first at the left, the others stacked at the right.
    MainLeft,
    /// The first at the top, the others side by side below it.
    MainTop,
    /// The person.
    Own,
}

impl Arrangement {
    /// The name in bench files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Even => "even",
            Self::MainLeft => "main-left",
            Self::MainTop => "main-top",
            Self::Own => "own",
        }
    }

    /// Reads a name of [`Arrangement::as_str`].
    pub fn parse(raw: &str) -> Option<Self> {
        [Self::Even, Self::MainLeft, Self::MainTop, Self::Own]
            .into_iter()
            .find(|arrangement| arrangement.as_str() == raw)
    }

    fn next(self) -> Self {
        match self {
            Self::Even => Self::MainLeft,
            Self::MainLeft => Self::MainTop,
            Self::MainTop | Self::Own => Self::Even,
        }
    }
}

/// Where everything is in one area.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// The panes on the screen.
    pub panes: Vec<(Slot, Rect)>,
    /// Whether there are more than that, so that tabs are wanted.
    pub tabs: bool,
}

/// The panes of the bench.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layout {
    root: Option<Node>,
    focus: Option<Slot>,
    before: Option<Slot>,
    zoomed: bool,
    arrangement: Arrangement,
    next_empty: u32,
}

impl Layout {
    /// The slot that has the keys.
    pub fn focus(&self) -> Option<Slot> {
        self.focus
    }

    /// The agent in the focused slot.
    pub fn focused_agent(&self) -> Option<AgentId> {
        match self.focus? {
            Slot::Agent(agent) => Some(agent),
            Slot::Empty(_) => None,
        }
    }

    /// All slots, from the first to the last.
    pub fn slots(&self) -> Vec<Slot> {
        let mut slots = Vec::new();
        if let Some(root) = &self.root {
            root.collect(&mut slots);
        }
        slots
    }

    /// Whether one pane fills the area by the person's wish.
    pub fn is_zoomed(&self) -> bool {
        self.zoomed
    }

    /// Who decides where the panes are.
    pub fn arrangement(&self) -> Arrangement {
        self.arrangement
    }

    /// Gives an agent a pane if it has none: an empty one, else a new one.
    pub fn add(&mut self, agent: AgentId) {
        let slots = self.slots();
        if slots.contains(&Slot::Agent(agent)) {
            return;
        }
        let empty = self
            .focus
            .filter(|slot| matches!(slot, Slot::Empty(_)))
            .or_else(|| slots.into_iter().find(|slot| matches!(slot, Slot::Empty(_))));
        match empty {
            Some(empty) => self.replace(empty, Slot::Agent(agent)),
            None => self.append(Slot::Agent(agent)),
        }
    }

    /// Puts the focus on an agent's pane and makes one if it has none.
    pub fn show(&mut self, agent: AgentId) {
        self.add(agent);
        self.focus_on(Slot::Agent(agent));
    }

    /// Takes an agent's pane away.
    pub fn remove(&mut self, agent: AgentId) {
        self.close(Slot::Agent(agent));
    }

    /// Takes the focused pane away.
    pub fn close_focused(&mut self) {
        if let Some(focus) = self.focus {
            self.close(focus);
        }
    }

    /// Opens an empty pane beside the focused one and puts the focus on it.
    pub fn split(&mut self, axis: Axis) {
        self.next_empty += 1;
        let new = Slot::Empty(self.next_empty);
        match (&mut self.root, self.focus) {
            (Some(root), Some(focus)) => root.split(focus, axis, new),
            (root, _) => *root = Some(Node::Leaf(new)),
        }
        self.arrangement = Arrangement::Own;
        self.zoomed = false;
        self.focus_on(new);
    }

    /// Puts the focus on a slot, if it exists.
    pub fn focus_on(&mut self, slot: Slot) {
        if self.focus != Some(slot) && self.slots().contains(&slot) {
            self.before = self.focus;
            self.focus = Some(slot);
        }
    }

    /// Puts the focus on the next or the previous pane, around the end.
    pub fn focus_by(&mut self, step: isize) {
        if let Some(slot) = self.neighbour(step) {
            self.focus_on(slot);
        }
    }

    /// Puts the focus on the pane with this number, from 1.
    pub fn focus_number(&mut self, number: usize) {
        if let Some(slot) = self.slots().get(number.wrapping_sub(1)) {
            self.focus_on(*slot);
        }
    }

    /// Puts the focus on the nearest pane in a direction.
    pub fn focus_towards(&mut self, direction: Direction, area: Rect) {
        if let Some(slot) = self.towards(direction, area) {
            self.focus_on(slot);
        }
    }

    fn towards(&self, direction: Direction, area: Rect) -> Option<Slot> {
        let all = self.rects(area);
        let from = rect_of(&all, self.focus?)?;
        let nearest = all
            .iter()
            .filter(|(slot, _)| Some(*slot) != self.focus)
            .filter_map(|(slot, rect)| Some((distance(from, *rect, direction)?, *slot)))
            .min();
        nearest.map(|(_, slot)| slot)
    }

    /// Moves the border of the focused pane.
    pub fn resize(&mut self, direction: Direction, area: Rect) {
        let (axis, delta) = match direction {
            Direction::Left => (Axis::Right, -STEP),
            Direction::Right => (Axis::Right, STEP),
            Direction::Up => (Axis::Below, -STEP),
            Direction::Down => (Axis::Below, STEP),
        };
        if let (Some(root), Some(focus)) = (&mut self.root, self.focus)
            && root.resize(area, focus, axis, delta)
        {
            self.arrangement = Arrangement::Own;
        }
    }

    /// Exchanges the focused pane with the next or the previous one; the focus goes along.
    pub fn swap_by(&mut self, step: isize) {
        if let (Some(focus), Some(other)) = (self.focus, self.neighbour(step)) {
            self.swap(focus, other);
        }
    }

    /// Exchanges the focused pane with the nearest one in a direction; the focus goes along.
    pub fn swap_towards(&mut self, direction: Direction, area: Rect) {
        if let (Some(focus), Some(other)) = (self.focus, self.towards(direction, area)) {
            self.swap(focus, other);
        }
    }

    /// Exchanges two panes.
    pub fn swap(&mut self, one: Slot, other: Slot) {
        if let Some(root) = &mut self.root {
            root.swap(one, other);
        }
    }

    /// The border between panes at a cell, if one is there.
    pub fn border_at(&self, area: Rect, at: Position) -> Option<Border> {
        self.root.as_ref()?.border_at(area, at)
    }

    /// Moves a border to a cell, as far as the panes beside it allow.
    pub fn drag(&mut self, area: Rect, border: &Border, to: Position) {
        if let Some(root) = &mut self.root
            && root.drag(area, border, to)
        {
            self.arrangement = Arrangement::Own;
        }
    }

    /// Makes the focused pane fill the area, or ends that. A lone pane fills it anyway.
    pub fn toggle_zoom(&mut self) {
        self.zoomed = !self.zoomed && self.slots().len() > 1;
    }

    /// Lays the panes out anew.
    pub fn arrange(&mut self, arrangement: Arrangement) {
        self.arrangement = arrangement;
        self.zoomed = false;
    }

    /// The next of the built-in arrangements.
    pub fn next_arrangement(&mut self) {
        self.arrange(self.arrangement.next());
    }

    /// Lays out what is not the person's own for this area. Belongs before [`Layout::places`].
    pub fn fit(&mut self, area: Rect) {
        if self.arrangement != Arrangement::Own {
            self.root = build::build(self.arrangement, &self.slots(), area);
        }
    }

    /// Where the panes are in `area`, whose first line is for tabs if they are needed.
    pub fn places(&self, area: Rect) -> Places {
        let all = self.rects(area);
        let least = match self.arrangement {
            Arrangement::Even => build::COMFORT,
            Arrangement::MainLeft | Arrangement::MainTop | Arrangement::Own => SMALLEST,
        };
        let crowded = all.iter().any(|(_, rect)| rect.width < least.0 || rect.height < least.1);
        let alone = all.len() > 1 && (self.zoomed || crowded);
        if !alone {
            return Places { panes: all, tabs: false };
        }
        let below =
            Rect { y: area.y + 1.min(area.height), height: area.height.saturating_sub(1), ..area };
        let panes = self.focus.map(|focus| (focus, below)).into_iter().collect();
        Places { panes, tabs: true }
    }

    fn rects(&self, area: Rect) -> Vec<(Slot, Rect)> {
        let mut rects = Vec::new();
        if let Some(root) = &self.root {
            root.place(area, &mut rects);
        }
        rects
    }

    fn neighbour(&self, step: isize) -> Option<Slot> {
        let slots = self.slots();
        let here = slots.iter().position(|slot| Some(*slot) == self.focus)?;
        let count = isize::try_from(slots.len()).ok()?;
        let there = (isize::try_from(here).ok()? + step).rem_euclid(count);
        slots.get(usize::try_from(there).ok()?).copied()
    }

    fn append(&mut self, slot: Slot) {
        match (&mut self.root, self.focus) {
            (Some(root), Some(focus)) if self.arrangement == Arrangement::Own => {
                root.split(focus, Axis::Right, slot);
            }
            (Some(root), _) => root.append(slot),
            (root, _) => *root = Some(Node::Leaf(slot)),
        }
        self.focus.get_or_insert(slot);
    }

    fn replace(&mut self, old: Slot, new: Slot) {
        if let Some(root) = &mut self.root {
            root.replace(old, new);
        }
        if self.focus == Some(old) {
            self.focus = Some(new);
        }
    }

    fn close(&mut self, slot: Slot) {
        let slots = self.slots();
        let Some(here) = slots.iter().position(|other| *other == slot) else {
            return;
        };
        self.root = self.root.take().and_then(|root| root.without(slot));
        if self.focus == Some(slot) {
            let rest = self.slots();
            self.focus = self
                .before
                .filter(|before| rest.contains(before))
                .or_else(|| rest.get(here.min(rest.len().saturating_sub(1))).copied());
        }
        if self.slots().len() < 2 {
            self.zoomed = false;
        }
    }
}

fn rect_of(all: &[(Slot, Rect)], slot: Slot) -> Option<Rect> {
    all.iter().find(|(other, _)| *other == slot).map(|(_, rect)| *rect)
}

/// How far `to` is from `from` in a direction: the gap first, then how far aside.
fn distance(from: Rect, to: Rect, direction: Direction) -> Option<(u16, u16)> {
    let gap = match direction {
        Direction::Left => from.x.checked_sub(to.right())?,
        Direction::Right => to.x.checked_sub(from.right())?,
        Direction::Up => from.y.checked_sub(to.bottom())?,
        Direction::Down => to.y.checked_sub(from.bottom())?,
    };
    let aside = match direction {
        Direction::Left | Direction::Right => {
            apart((from.y, from.bottom()), (to.y, to.bottom())) * 2 + from.y.abs_diff(to.y)
        }
        Direction::Up | Direction::Down => {
            apart((from.x, from.right()), (to.x, to.right())) * 2 + from.x.abs_diff(to.x)
        }
    };
    Some((gap, aside))
}

/// The gap between two stretches, zero if they overlap.
fn apart(a: (u16, u16), b: (u16, u16)) -> u16 {
    if a.1 <= b.0 {
        b.0 - a.1 + 1
    } else if b.1 <= a.0 {
        a.0 - b.1 + 1
    } else {
        0
    }
}

#[cfg(test)]
mod tests;
