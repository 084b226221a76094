//! The list of what can follow the keys pressed so far.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

use crate::ui::action::{Action, BenchAction, Context};
use crate::ui::keymap::{Chord, Keymap};
use crate::ui::text::width;
use crate::ui::theme::Theme;

/// Cells of a column on wide and on narrow screens.
const COLUMN: (u16, u16) = (26, 19);

/// Rows at most.
const ROWS: u16 = 12;

/// What can follow.
pub struct WhichKey {
    rows: Vec<(String, &'static str)>,
}

impl WhichKey {
    /// What can follow `keys` in a place. Panes by number become one row, so do swaps by direction,
    /// and an action with several keys has its first.
    pub fn of(keymap: &Keymap, place: Context, keys: &[Chord]) -> Self {
        let mut seen: Vec<Action> = Vec::new();
        let mut rows = Vec::new();
        for binding in keymap.of(place) {
            let Some(rest) = binding.keys.strip_prefix(keys).filter(|rest| !rest.is_empty()) else {
                continue;
            };
            if seen.contains(&binding.action) {
                continue;
            }
            seen.push(binding.action);
            let numbered =
                matches!(binding.action, Action::Bench(action) if action.pane_number().is_some());
            if numbered && binding.action != Action::Bench(BenchAction::Pane1) {
                continue;
            }
            let swapped =
                matches!(binding.action, Action::Bench(action) if action.swaps_by_direction());
            if swapped && binding.action != Action::Bench(BenchAction::SwapLeft) {
                continue;
            }
            let keys = rest.iter().map(Chord::to_string).collect::<Vec<_>>().join(" ");
            if numbered {
                rows.push((format!("{keys}…"), "pane by number"));
            } else if swapped {
                rows.push((format!("{keys}…"), "swap by direction"));
            } else {
                rows.push((keys, binding.action.what()));
            }
        }
        Self { rows }
    }

    /// How many rows it takes above the bottom line of `screen`.
    pub fn height(&self, screen: Rect) -> u16 {
        let columns = columns(screen.width);
        let rows = u16::try_from(self.rows.len()).unwrap_or(u16::MAX).div_ceil(columns);
        rows.min(ROWS).min(screen.height / 2)
    }

    /// Draws it; what does not fit is in the help.
    pub fn draw(&self, area: Rect, buf: &mut Buffer, theme: &Theme) {
        if area.is_empty() {
            return;
        }
        Clear.render(area, buf);
        let columns = columns(area.width);
        let each = area.width / columns;
        for (index, (keys, what)) in self.rows.iter().enumerate() {
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            let (column, row) = (index / area.height, index % area.height);
            if column >= columns {
                break;
            }
            let (x, y) = (area.x + column * each + 1, area.y + row);
            let room = usize::from(each.saturating_sub(2));
            let end = buf.set_stringn(x, y, keys, room, theme.accent).0;
            let left = room.saturating_sub(width(keys) + 1);
            buf.set_stringn(end + 1, y, what, left, theme.bar);
        }
    }
}

fn columns(width: u16) -> u16 {
    let column = if width < 2 * COLUMN.0 { COLUMN.1 } else { COLUMN.0 };
    (width / column).max(1)
}
