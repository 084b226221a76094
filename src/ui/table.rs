//! Rows of cells below a head: the first column takes the room that the others leave.
//!
//! What is least needed goes first when there is little room: a view names its columns for several
//! widths, and one of width 0 is left out.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::text::{fit, harmless};
use super::theme::Theme;

/// A cell of a row: what it says, and in which style.
pub type Cell = (String, Style);

/// The columns that a table has when there is at least this much room; that of the first one is
/// what is left.
pub type Plan<const N: usize> = (usize, [usize; N]);

/// The widths of the columns of a table that is on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Columns<const N: usize>([usize; N]);

impl<const N: usize> Columns<N> {
    /// The first plan for which there is room; the last one for less.
    pub fn of(room: usize, plans: &[Plan<N>]) -> Self {
        let plan = plans.iter().find(|(least, _)| room >= *least).or(plans.last());
        let mut widths = plan.map_or([0; N], |(_, widths)| *widths);
        let used: usize = widths.iter().map(|wide| wide + usize::from(*wide > 0)).sum();
        if let Some(first) = widths.first_mut() {
            *first = room.saturating_sub(used);
        }
        Self(widths)
    }

    /// Draws the names of the columns.
    pub fn draw_head(&self, heads: [&str; N], area: Rect, buf: &mut Buffer, theme: &Theme) {
        let cells = heads.map(|head| (head.to_owned(), theme.dim));
        self.draw(&cells, Rect { height: 1, ..area }, false, buf, theme);
    }

    /// Draws a row; `here` is the one under the cursor.
    pub fn draw(&self, cells: &[Cell], area: Rect, here: bool, buf: &mut Buffer, theme: &Theme) {
        if here {
            let blank = " ".repeat(usize::from(area.width));
            buf.set_stringn(area.x, area.y, blank, usize::from(area.width), theme.selected);
        }
        let mut x = area.x;
        for ((text, style), wide) in cells.iter().zip(self.0) {
            if wide == 0 {
                continue;
            }
            let style = if here { theme.selected } else { *style };
            let text = harmless(text).replace('\n', " ");
            buf.set_stringn(x, area.y, fit(&text, wide), wide, style);
            x = x.saturating_add(u16::try_from(wide + 1).unwrap_or(0)).min(area.right());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_column_takes_what_is_left_and_never_less_than_nothing() {
        let plans = [(40, [0, 10, 5]), (20, [0, 10, 0]), (0, [0, 4, 0])];
        for (room, expected) in [
            (80, [63, 10, 5]),
            (40, [23, 10, 5]),
            (39, [28, 10, 0]),
            (20, [9, 10, 0]),
            (19, [14, 4, 0]),
            (3, [0, 4, 0]),
        ] {
            assert_eq!(Columns::of(room, &plans), Columns(expected), "{room}");
        }
        assert_eq!(Columns::of(9, &[]), Columns([9, 0]));
    }
}
