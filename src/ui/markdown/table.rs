//! Tables of markdown: columns as wide as they need to be, narrower where there is no room.

use pulldown_cmark::Alignment;
use ratatui::style::Modifier;
use ratatui::text::Span;

use super::Look;
use crate::ui::text::cells;
use crate::ui::text::wrap::{Break, Row, Runs, Wrap};

/// Cells between two columns.
const BETWEEN: usize = 2;
/// A column is not made narrower than this; a table that needs it is written as a list.
const NARROWEST: usize = 4;

/// A table on its way to the screen.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Alignment>,
    rows: Vec<Vec<Runs>>,
}

impl Table {
    /// An empty table with these columns.
    pub(super) fn new(columns: Vec<Alignment>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Begins a row; the first one is the head.
    pub(super) fn row(&mut self) {
        self.rows.push(Vec::new());
    }

    /// Adds a cell to the row.
    pub(super) fn cell(&mut self, cell: Runs) {
        if let Some(row) = self.rows.last_mut() {
            row.push(cell);
        }
    }

    /// The table in rows of at most `width` cells.
    pub(super) fn rows(&self, width: usize, look: Look<'_>) -> Vec<Row> {
        let wanted: Vec<usize> = (0..self.columns.len())
            .map(|column| self.column(column).map(Runs::cells).max().unwrap_or(0).max(1))
            .collect();
        let gaps = BETWEEN * wanted.len().saturating_sub(1);
        match shrink(wanted, width.saturating_sub(gaps)) {
            Some(widths) => self.grid(&widths, look),
            None => self.list(width, look),
        }
    }

    fn column(&self, column: usize) -> impl Iterator<Item = &Runs> {
        self.rows.iter().filter_map(move |row| row.get(column))
    }

    fn grid(&self, widths: &[usize], look: Look<'_>) -> Vec<Row> {
        let rule = look.base.patch(look.theme.dim);
        let mut rows = Vec::new();
        for (number, row) in self.rows.iter().enumerate() {
            let wrapped: Vec<Vec<Row>> = widths
                .iter()
                .enumerate()
                .map(|(column, width)| {
                    row.get(column).map_or_else(Vec::new, |cell| wrap(cell, *width, number == 0))
                })
                .collect();
            let height = wrapped.iter().map(Vec::len).max().unwrap_or(0).max(1);
            for line in 0..height {
                let mut spans = Vec::new();
                for (column, width) in widths.iter().enumerate() {
                    let cell = wrapped[column].get(line).cloned().unwrap_or_default();
                    let taken: usize = cell.spans.iter().map(|span| cells(&span.content)).sum();
                    let free = width.saturating_sub(taken);
                    let left = match self.columns[column] {
                        Alignment::None | Alignment::Left => 0,
                        Alignment::Center => free / 2,
                        Alignment::Right => free,
                    };
                    let last = column + 1 == widths.len();
                    let right = if last { 0 } else { free - left + BETWEEN };
                    spans.push(Span::raw(" ".repeat(left)));
                    spans.extend(cell.spans);
                    spans.push(Span::raw(" ".repeat(right)));
                }
                rows.push(Row::from(spans));
            }
            if number == 0 {
                let lines = widths.iter().map(|width| "─".repeat(*width)).collect::<Vec<_>>();
                rows.push(Row::from(Span::styled(lines.join(&" ".repeat(BETWEEN)), rule)));
            }
        }
        rows
    }

    /// Each row as lines `head: cell`, where columns would be too narrow to read.
    fn list(&self, width: usize, look: Look<'_>) -> Vec<Row> {
        let dim = look.base.patch(look.theme.dim);
        let mut rows = Vec::new();
        let Some((head, body)) = self.rows.split_first() else { return rows };
        for (number, row) in body.iter().enumerate() {
            if number > 0 {
                rows.push(Row::from(Span::styled("─".repeat(width.min(8)), dim)));
            }
            for (column, cell) in row.iter().enumerate() {
                let mut wrap = Wrap::new(width, Break::Words);
                for (text, _) in head.get(column).into_iter().flat_map(Runs::iter) {
                    wrap.push(text, dim);
                }
                wrap.push(": ", dim);
                for (text, style) in cell.iter() {
                    wrap.push(text, style);
                }
                rows.extend(wrap.finish());
            }
        }
        rows
    }
}

fn wrap(cell: &Runs, width: usize, head: bool) -> Vec<Row> {
    let mut wrap = Wrap::new(width, Break::Words);
    for (text, style) in cell.iter() {
        wrap.push(text, if head { style.add_modifier(Modifier::BOLD) } else { style });
    }
    wrap.finish()
}

/// Takes cells from the widest columns until all of them fit; `None` if they cannot.
fn shrink(mut widths: Vec<usize>, room: usize) -> Option<Vec<usize>> {
    let least: usize = widths.iter().map(|width| NARROWEST.min(*width)).sum();
    if least > room {
        return None;
    }
    let total: usize = widths.iter().sum();
    if total <= room {
        return Some(widths);
    }
    // The limit that the widest columns are cut to: the largest that fits.
    let (mut low, mut high) = (NARROWEST, room.max(NARROWEST));
    while low < high {
        let middle = (low + high).div_ceil(2);
        if widths.iter().map(|width| middle.min(*width)).sum::<usize>() <= room {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    let mut spare = room - widths.iter().map(|width| low.min(*width)).sum::<usize>();
    for width in &mut widths {
        let more = usize::from(*width > low && spare > 0);
        spare -= more;
        *width = (*width).min(low + more);
    }
    Some(widths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_columns_give_way_first() {
        assert_eq!(shrink(vec![5, 10], 20), Some(vec![5, 10]));
        assert_eq!(shrink(vec![5, 40, 30], 35), Some(vec![5, 15, 15]));
        assert_eq!(shrink(vec![5, 40, 30], 36), Some(vec![5, 16, 15]));
        assert_eq!(shrink(vec![2, 40], 6), Some(vec![2, 4]));
        assert_eq!(shrink(vec![9, 9], 7), None);
    }
}
