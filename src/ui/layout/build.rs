//! The built-in arrangements.

use ratatui::layout::Rect;

use super::tree::{Node, WEIGHT};
use super::{Arrangement, Axis, Slot};

/// The smallest pane of an even grid, in cells: nobody has chosen to have smaller ones.
pub(super) const COMFORT: (u16, u16) = (44, 8);

/// Columns to a row of text that read well: panes come as near to this as they can.
const SHAPE: f64 = 2.6;

/// The tree of an arrangement; `None` without slots.
pub(super) fn build(arrangement: Arrangement, slots: &[Slot], area: Rect) -> Option<Node> {
    let leaves = |slots: &[Slot]| slots.iter().copied().map(Node::Leaf).collect::<Vec<_>>();
    let (main, rest) = match (arrangement, slots.split_first()) {
        (_, None) => return None,
        (Arrangement::MainLeft, Some((main, rest))) => (Axis::Right, (*main, rest)),
        (Arrangement::MainTop, Some((main, rest))) => (Axis::Below, (*main, rest)),
        (Arrangement::Even | Arrangement::Own, Some(_)) => return grid(slots, area),
    };
    let (axis, (first, others)) = (main, rest);
    let across = match axis {
        Axis::Right => Axis::Below,
        Axis::Below => Axis::Right,
    };
    let mut parts = vec![(WEIGHT * 3 / 2, Node::Leaf(first))];
    parts.extend(Node::even(across, leaves(others)).map(|node| (WEIGHT, node)));
    Node::weighted(axis, parts)
}

/// Columns of nearly equal length; the first ones are the shorter ones, so that the first agents
/// have more room.
fn grid(slots: &[Slot], area: Rect) -> Option<Node> {
    let columns = columns(slots.len(), area);
    let (each, more) = (slots.len() / columns, slots.len() % columns);
    let mut rest = slots;
    let parts = (0..columns).filter_map(|column| {
        let rows = each + usize::from(column >= columns - more);
        let (here, after) = rest.split_at(rows.min(rest.len()));
        rest = after;
        Node::even(Axis::Below, here.iter().copied().map(Node::Leaf).collect())
    });
    Node::even(Axis::Right, parts.collect())
}

fn columns(count: usize, area: Rect) -> usize {
    let score = |columns: usize| {
        let rows = count.div_ceil(columns);
        let width = f64::from(area.width) / columns as f64;
        let height = f64::from(area.height) / rows as f64;
        let narrow = columns > 1 && width < f64::from(COMFORT.0);
        let low = height < f64::from(COMFORT.1);
        (u8::from(narrow) + u8::from(low), (width / height.max(0.1) / SHAPE).ln().abs())
    };
    let better = |a: &usize, b: &usize| {
        let (a, b) = (score(*a), score(*b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    };
    (1..=count.max(1)).min_by(better).unwrap_or(1)
}
