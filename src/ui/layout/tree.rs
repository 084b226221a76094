//! The tree of splits: a leaf is a slot, a split shares its area among its parts by weight.
//!
//! A split has at least two parts, and no part is a split along the same axis.

use ratatui::layout::{Position, Rect};

use super::{Axis, SMALLEST, Slot};

/// The weight of a part that nobody has resized.
pub(super) const WEIGHT: u32 = 100;

/// A border between two parts: the places of the parts that lead to the split, then that of the part
/// before the border.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Border(Vec<usize>);

/// A tree of splits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// One pane.
    Leaf(Slot),
    /// Several parts beside or below one another, each with its weight.
    Split(Axis, Vec<(u32, Node)>),
}

impl Node {
    /// A split of these parts with equal weights; one part alone stays itself.
    pub(super) fn even(axis: Axis, parts: Vec<Self>) -> Option<Self> {
        Self::weighted(axis, parts.into_iter().map(|part| (WEIGHT, part)).collect())
    }

    /// A split of these parts; parts along the same axis become parts of it.
    pub(super) fn weighted(axis: Axis, parts: Vec<(u32, Self)>) -> Option<Self> {
        let mut flat = Vec::with_capacity(parts.len());
        for (weight, part) in parts {
            match part {
                Self::Split(inner, parts) if inner == axis => {
                    let sum: u32 = parts.iter().map(|(weight, _)| *weight).sum();
                    flat.extend(
                        parts
                            .into_iter()
                            .map(|(share, part)| ((share * weight / sum.max(1)).max(1), part)),
                    );
                }
                Self::Leaf(_) | Self::Split(..) => flat.push((weight.max(1), part)),
            }
        }
        match flat.len() {
            0 => None,
            1 => flat.pop().map(|(_, part)| part),
            _ => Some(Self::Split(axis, flat)),
        }
    }

    /// Adds all slots to `slots`, in order.
    pub(super) fn collect(&self, slots: &mut Vec<Slot>) {
        match self {
            Self::Leaf(slot) => slots.push(*slot),
            Self::Split(_, parts) => parts.iter().for_each(|(_, part)| part.collect(slots)),
        }
    }

    /// Adds the area of each slot to `rects`.
    pub(super) fn place(&self, area: Rect, rects: &mut Vec<(Slot, Rect)>) {
        match self {
            Self::Leaf(slot) => rects.push((*slot, area)),
            Self::Split(axis, parts) => {
                for ((_, part), area) in parts.iter().zip(areas(*axis, parts, area)) {
                    part.place(area, rects);
                }
            }
        }
    }

    /// Puts `new` beside or below `at`.
    pub(super) fn split(&mut self, at: Slot, axis: Axis, new: Slot) {
        match self {
            Self::Leaf(slot) if *slot == at => {
                let parts = vec![(WEIGHT, Self::Leaf(at)), (WEIGHT, Self::Leaf(new))];
                *self = Self::Split(axis, parts);
            }
            Self::Leaf(_) => {}
            Self::Split(own, parts) => {
                let here = parts
                    .iter()
                    .position(|(_, part)| matches!(part, Self::Leaf(slot) if *slot == at));
                if let Some(here) = here.filter(|_| *own == axis) {
                    let half = (parts[here].0 / 2).max(1);
                    parts[here].0 = half;
                    parts.insert(here + 1, (half, Self::Leaf(new)));
                } else {
                    parts.iter_mut().for_each(|(_, part)| part.split(at, axis, new));
                }
            }
        }
    }

    /// Puts a slot at the end.
    pub(super) fn append(&mut self, new: Slot) {
        match self {
            Self::Leaf(slot) => {
                let parts = vec![(WEIGHT, Self::Leaf(*slot)), (WEIGHT, Self::Leaf(new))];
                *self = Self::Split(Axis::Right, parts);
            }
            Self::Split(_, parts) => parts.push((WEIGHT, Self::Leaf(new))),
        }
    }

    /// Writes `new` where `old` was.
    pub(super) fn replace(&mut self, old: Slot, new: Slot) {
        match self {
            Self::Leaf(slot) if *slot == old => *slot = new,
            Self::Leaf(_) => {}
            Self::Split(_, parts) => parts.iter_mut().for_each(|(_, part)| part.replace(old, new)),
        }
    }

    /// Exchanges two slots.
    pub(super) fn swap(&mut self, one: Slot, other: Slot) {
        match self {
            Self::Leaf(slot) if *slot == one => *slot = other,
            Self::Leaf(slot) if *slot == other => *slot = one,
            Self::Leaf(_) => {}
            Self::Split(_, parts) => parts.iter_mut().for_each(|(_, part)| part.swap(one, other)),
        }
    }

    /// The tree without a slot; its room goes to its neighbours.
    pub(super) fn without(self, gone: Slot) -> Option<Self> {
        match self {
            Self::Leaf(slot) => (slot != gone).then_some(Self::Leaf(slot)),
            Self::Split(axis, parts) => {
                let rest = parts
                    .into_iter()
                    .filter_map(|(weight, part)| Some((weight, part.without(gone)?)))
                    .collect();
                Self::weighted(axis, rest)
            }
        }
    }

    /// How many cells it needs along an axis, so that each of its panes is worth drawing.
    fn least(&self, axis: Axis) -> u32 {
        match self {
            Self::Leaf(_) => u32::from(match axis {
                Axis::Right => SMALLEST.0,
                Axis::Below => SMALLEST.1,
            }),
            Self::Split(own, parts) => {
                let each = parts.iter().map(|(_, part)| part.least(axis));
                if *own == axis { each.sum() } else { each.max().unwrap_or(0) }
            }
        }
    }

    /// Whether a slot is in it.
    fn holds(&self, slot: Slot) -> bool {
        match self {
            Self::Leaf(own) => *own == slot,
            Self::Split(_, parts) => parts.iter().any(|(_, part)| part.holds(slot)),
        }
    }

    /// Moves the border of `slot` along `axis`: the one behind it, or the one before it if it is the
    /// last. The innermost split along that axis moves. Says whether anything moved.
    pub(super) fn resize(&mut self, area: Rect, slot: Slot, axis: Axis, delta: i32) -> bool {
        let Self::Split(own, parts) = self else {
            return false;
        };
        let areas = areas(*own, parts, area);
        let Some(here) = parts.iter().position(|(_, part)| part.holds(slot)) else {
            return false;
        };
        if parts[here].1.resize(areas[here], slot, axis, delta) {
            return true;
        }
        if *own != axis {
            return false;
        }
        let first = if here + 1 < parts.len() { here } else { here - 1 };
        push(axis, parts, &areas, first, delta)
    }

    /// The border at a cell: the last cell of a part, or the first of the next one. The first row of
    /// a pane is its title, and no border.
    pub(super) fn border_at(&self, area: Rect, at: Position) -> Option<Border> {
        let Self::Split(axis, parts) = self else {
            return None;
        };
        let areas = areas(*axis, parts, area);
        let between = areas.windows(2).position(|pair| match axis {
            Axis::Right => at.x + 1 == pair[0].right() || at.x == pair[1].x,
            Axis::Below => at.y + 1 == pair[0].bottom(),
        });
        if let Some(first) = between.filter(|_| area.contains(at)) {
            return Some(Border(vec![first]));
        }
        let here = areas.iter().position(|area| area.contains(at))?;
        let Border(mut path) = parts[here].1.border_at(areas[here], at)?;
        path.insert(0, here);
        Some(Border(path))
    }

    /// Moves a border to a cell, as far as the parts beside it allow. Says whether anything moved.
    pub(super) fn drag(&mut self, area: Rect, border: &Border, to: Position) -> bool {
        let Self::Split(axis, parts) = self else {
            return false;
        };
        let axis = *axis;
        let areas = areas(axis, parts, area);
        match border.0.as_slice() {
            [first] if first + 1 < parts.len() => {
                let (edge, to) = match axis {
                    Axis::Right => (areas[*first].right(), to.x),
                    Axis::Below => (areas[*first].bottom(), to.y),
                };
                let delta = i32::from(to) + 1 - i32::from(edge);
                push(axis, parts, &areas, *first, delta)
            }
            [here, rest @ ..] if *here < parts.len() => {
                parts[*here].1.drag(areas[*here], &Border(rest.to_vec()), to)
            }
            [..] => false,
        }
    }
}

/// Moves the border behind the part `first`. No pane becomes too small to be drawn.
fn push(axis: Axis, parts: &mut [(u32, Node)], areas: &[Rect], first: usize, delta: i32) -> bool {
    let (from, to) = if delta > 0 { (first + 1, first) } else { (first, first + 1) };
    let spare = u32::from(extent(axis, areas[from])).saturating_sub(parts[from].1.least(axis));
    let moved = delta.unsigned_abs().min(spare);
    if moved == 0 {
        return false;
    }
    for ((weight, _), area) in parts.iter_mut().zip(areas) {
        *weight = u32::from(extent(axis, *area)).max(1);
    }
    parts[from].0 -= moved;
    parts[to].0 += moved;
    true
}

fn extent(axis: Axis, area: Rect) -> u16 {
    match axis {
        Axis::Right => area.width,
        Axis::Below => area.height,
    }
}

/// Shares `area` by weight; every cell goes to somebody.
fn areas(axis: Axis, parts: &[(u32, Node)], area: Rect) -> Vec<Rect> {
    let sum: u64 = parts.iter().map(|(weight, _)| u64::from(*weight)).sum::<u64>().max(1);
    let room = u64::from(extent(axis, area));
    let mut done = 0u64;
    let mut from = 0u16;
    parts
        .iter()
        .map(|(weight, _)| {
            done += u64::from(*weight);
            let until = u16::try_from(room * done / sum).unwrap_or(u16::MAX);
            let (start, size) = (from, until - from);
            from = until;
            match axis {
                Axis::Right => Rect { x: area.x + start, width: size, ..area },
                Axis::Below => Rect { y: area.y + start, height: size, ..area },
            }
        })
        .collect()
}
