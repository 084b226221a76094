//! Tables for people: aligned by cells, cut at the edge of the terminal.

use super::say::{Say, Tint};
use crate::ui::text::{fit, harmless, width};

/// Cells between two columns.
const GAP: usize = 2;

/// Rows under headings.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table. A heading that begins with `>` stands over a column of numbers, which is
    /// aligned at its right.
    pub(super) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: &[String]) {
        self.rows.push(cells.iter().map(|cell| harmless(cell).replace('\n', " ")).collect());
    }

    /// Says it. Without rows it says `nothing` instead, as a message.
    pub(super) fn print(&self, say: &mut Say, nothing: &str) {
        if self.rows.is_empty() {
            say.note(nothing);
            return;
        }
        let headings: Vec<String> =
            self.headings.iter().map(|name| name.trim_start_matches('>').to_owned()).collect();
        let widths: Vec<usize> = (0..headings.len())
            .map(|column| {
                self.rows
                    .iter()
                    .chain([&headings])
                    .map(|row| row.get(column).map_or(0, |cell| width(cell)))
                    .max()
                    .unwrap_or_default()
            })
            .collect();
        let top = say.tint(Tint::Faint, &self.line(&headings, &widths, say.columns()));
        say.line(&top);
        for row in &self.rows {
            say.line(&self.line(row, &widths, say.columns()));
        }
    }

    fn line(&self, cells: &[String], widths: &[usize], columns: Option<usize>) -> String {
        let mut line = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let wide = widths.get(column).copied().unwrap_or_default();
            let room = " ".repeat(wide.saturating_sub(width(cell)));
            if self.headings.get(column).is_some_and(|name| name.starts_with('>')) {
                line.push_str(&room);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&room);
            }
            line.push_str(&" ".repeat(GAP));
        }
        let line = line.trim_end();
        columns.map_or_else(|| line.to_owned(), |columns| fit(line, columns))
    }
}

/// How long ago something was, as people say it: `now`, `4 min`, `2 h`, `3 d`.
pub(super) fn ago(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..60 => "now".to_owned(),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// An amount of money.
pub(super) fn dollars(usd: f64) -> String {
    format!("${usd:.2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["NAME", ">COST", "TITLE"]);
        table.row(&["漢字".into(), "$0.10".into(), "a\nb\x1b[31m".into()]);
        table.row(&["blue".into(), "$12.00".into(), String::new()]);
        let widths = [4, 6, 10];
        let lines: Vec<String> =
            table.rows.iter().map(|row| table.line(row, &widths, None)).collect();
        assert_eq!(lines, ["漢字   $0.10  a b␛[31m", "blue  $12.00"]);
        assert_eq!(table.line(&table.rows[0], &widths, Some(12)), "漢字   $0.1…");
    }

    #[test]
    fn ages_are_told_in_the_unit_that_matters() {
        for (seconds, said) in
            [(5, "now"), (61, "1 min"), (7200, "2 h"), (90_000, "25 h"), (259_200, "3 d")]
        {
            assert_eq!(ago(seconds * 1000), said);
        }
    }
}
