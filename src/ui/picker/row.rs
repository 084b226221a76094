//! The rows of the list, those on the screen only.
//!
//! The title has the room that the other columns leave; columns that do not fit are not drawn.

use std::collections::BTreeSet;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line as Spans, Span};
use ratatui::widgets::Widget;
use unicode_segmentation::UnicodeSegmentation;

use super::catalog::Order;
use super::filter::Haystack;
use super::view::cursor;
use super::{Entry, Mode, Picker, bench_title, preview, words};
use crate::model::session::SessionHit;
use crate::ui::text;
use crate::ui::theme::Theme;

/// Cells before the title: cursor, mark, state, a space.
const LEAD: u16 = 4;

/// Cells between columns.
const GAP: u16 = 2;

/// The columns behind the title.
const COLUMNS: usize = 5;
const AGENT: usize = 0;
const AGE: usize = 1;
const TURNS: usize = 2;
const COST: usize = 3;
const PLACE: usize = 4;

/// Draws the rows of a measured picker.
pub(super) struct Rows<'a> {
    pub(super) picker: &'a Picker,
    pub(super) theme: &'a Theme,
}

/// A row on the screen, as words.
struct Row<'a> {
    area: Rect,
    place: usize,
    entry: Entry,
    hit: Option<&'a SessionHit>,
    cells: [String; COLUMNS],
}

impl Widget for Rows<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let rows = self.visible(area);
        let columns = self.columns(&rows, area.width);
        for row in &rows {
            self.draw(row, &columns, buf);
        }
    }
}

impl<'a> Rows<'a> {
    fn visible(&self, area: Rect) -> Vec<Row<'a>> {
        let mut rows = Vec::new();
        let mut y = area.y;
        for place in self.picker.first..self.picker.entries() {
            let Some(entry) = self.picker.entry(place) else { break };
            let height = u16::try_from(self.picker.lines_of(place)).unwrap_or(1);
            let height = height.min(area.bottom().saturating_sub(y));
            if height == 0 {
                break;
            }
            let hit = match entry {
                Entry::Bench(_) => None,
                Entry::Session(number) => self.picker.catalog.row(number),
            };
            let cells = self.cells(entry, hit);
            rows.push(Row { area: Rect { y, height, ..area }, place, entry, hit, cells });
            y += height;
        }
        rows
    }

    fn cells(&self, entry: Entry, hit: Option<&SessionHit>) -> [String; COLUMNS] {
        let mut cells = [const { String::new() }; COLUMNS];
        let bench = match entry {
            Entry::Bench(place) => self.picker.benches.get(place),
            Entry::Session(_) => None,
        };
        match (entry, hit, bench) {
            (Entry::Session(number), Some(hit), _) => {
                let haystack = self.haystack(Entry::Session(number));
                let field = |field| haystack.map_or("", |row| row.field(field));
                cells[AGENT] = text::fit(field(1), 12);
                cells[AGE] = words::age(self.picker.now, hit.row.updated_at);
                cells[TURNS] = words::some(hit.row.turns as usize, "turn");
                cells[COST] = words::money(hit.row.usage.cost_usd);
                cells[PLACE] = match (field(2), field(3)) {
                    (branch, "") => text::fit(branch, 16),
                    (branch, workspace) => text::fit(&format!("{workspace} {branch}"), 22),
                };
            }
            (Entry::Bench(_), _, Some(bench)) => {
                cells[AGE] = words::age(self.picker.now, bench.saved_at);
            }
            (Entry::Bench(_) | Entry::Session(_), _, _) => {}
        }
        cells
    }

    /// How wide each column is on this screen; zero if it has no room.
    fn columns(&self, rows: &[Row<'_>], width: u16) -> [u16; COLUMNS] {
        let wanted: [usize; COLUMNS] = std::array::from_fn(|column| {
            rows.iter().map(|row| text::width(&row.cells[column])).max().unwrap_or(0)
        });
        let mut columns = [0; COLUMNS];
        let title = if width < 60 { 22 } else { 36 };
        let mut room = width.saturating_sub(LEAD + 1 + title);
        let sorted = match self.picker.order {
            Order::Cost => Some(COST),
            Order::Turns => Some(TURNS),
            Order::Best | Order::Newest | Order::Oldest | Order::Title => None,
        };
        for column in sorted.into_iter().chain([AGE, AGENT, PLACE, COST, TURNS]) {
            let wide = u16::try_from(wanted[column]).unwrap_or(u16::MAX);
            if wide > 0 && columns[column] == 0 && wide + GAP <= room {
                columns[column] = wide;
                room -= wide + GAP;
            }
        }
        columns
    }

    fn draw(&self, row: &Row<'_>, columns: &[u16; COLUMNS], buf: &mut Buffer) {
        let picker = self.picker;
        let selected = row.place == picker.cursor;
        let line = Rect { height: 1, ..row.area };
        let style = |style: Style| if selected { self.theme.selected } else { style };
        let matched = style(Style::new()).patch(self.theme.matched);
        if selected {
            buf.set_style(line, self.theme.selected);
        }
        let (none, mut marked) = (BTreeSet::new(), " ");
        let (mark, letters) = match (row.entry, row.hit) {
            (Entry::Session(number), Some(hit)) => {
                if picker.marked.contains(&hit.row.id) {
                    marked = "*";
                }
                let letters = picker.letters.get(&number).unwrap_or(&none);
                let mark = match hit.resumable || hit.open {
                    true => words::state_mark(&hit.row.last_state, hit.open),
                    false => "†",
                };
                (mark, letters)
            }
            (Entry::Bench(_) | Entry::Session(_), _) => ("⧉", &none),
        };
        let pointer = if selected { "▌" } else { " " };
        let lead = [
            Span::styled(pointer, style(self.theme.accent)),
            Span::styled(marked, style(self.theme.accent)),
            Span::styled(mark, style(self.theme.dim)),
        ];
        put(buf, line, 0, &Spans::from_iter(lead));

        let taken: u16 = columns.iter().filter(|wide| **wide > 0).map(|wide| wide + GAP).sum();
        let title = Rect {
            x: line.x + LEAD.min(line.width),
            width: line.width.saturating_sub(LEAD + 1 + taken),
            ..line
        };
        self.title(row, title, letters, selected, buf);
        let mut x = title.right();
        for (column, wide) in columns.iter().enumerate().filter(|(_, wide)| **wide > 0) {
            let (cell, cells) = (&row.cells[column], usize::from(*wide));
            let dim = style(self.theme.dim);
            let spans = match (column, self.haystack(row.entry)) {
                (AGENT, Some(words)) => {
                    let base = style(self.theme.text);
                    painted(words.field(1), cells, words.start(1), letters, base, matched)
                }
                (PLACE, Some(words)) => {
                    let (away, start) = (words.field(3), words.start(3));
                    let mut spans = painted(away, cells, start, letters, dim, matched);
                    let gap = usize::from(!away.is_empty());
                    spans.push(Span::styled(" ".repeat(gap), dim));
                    let left = cells.saturating_sub(text::width(away) + gap);
                    let (branch, start) = (words.field(2), words.start(2));
                    spans.extend(painted(branch, left, start, letters, dim, matched));
                    spans
                }
                _ => vec![Span::styled(format!("{cell:>cells$}"), dim)],
            };
            put(buf, line, x + GAP - line.x, &Spans::from(spans));
            x += wide + GAP;
        }
        if row.area.height > 1 {
            self.snippet(row, buf);
        }
    }

    fn haystack(&self, entry: Entry) -> Option<&'a Haystack> {
        match entry {
            Entry::Bench(_) => None,
            Entry::Session(number) => self.picker.catalog.haystack(number),
        }
    }

    fn title(
        &self,
        row: &Row<'_>,
        area: Rect,
        letters: &BTreeSet<usize>,
        selected: bool,
        buf: &mut Buffer,
    ) {
        let picker = self.picker;
        let style = |style: Style| if selected { self.theme.selected } else { style };
        let room = usize::from(area.width);
        let (title, long, short, flag_style) = match (row.entry, row.hit) {
            (Entry::Session(number), Some(hit)) => {
                if let Mode::Rename { session, title } = &picker.mode
                    && *session == hit.row.id
                {
                    let (shown, column) = title.window(room.saturating_sub(1));
                    put(buf, area, 0, &Spans::styled(shown, self.theme.text));
                    cursor(buf, area, column);
                    return;
                }
                let title = picker.catalog.haystack(number).map_or("", |row| row.field(0));
                if hit.open {
                    let here = hit.row.workspace == picker.home;
                    let long = if here { "(open here)" } else { "(open)" };
                    (title, long.to_owned(), "(open)".to_owned(), self.theme.warn)
                } else if hit.resumable {
                    (title, String::new(), String::new(), self.theme.text)
                } else {
                    let long = format!("✗ {}", preview::obstacle(hit));
                    (title, long, "✗".to_owned(), self.theme.bad)
                }
            }
            (Entry::Bench(place), _) => {
                let agents = picker.benches.get(place).map_or(0, |bench| bench.sessions.len());
                let long = words::some(agents, "agent");
                (bench_title(place), long, format!("({agents})"), self.theme.dim)
            }
            (Entry::Session(_), None) => ("", String::new(), String::new(), self.theme.dim),
        };
        // The title comes first; what is said about it is cut or said shorter.
        let left = room.saturating_sub(text::width(title) + 2);
        let flag = if left >= text::width(&long).min(14) { text::fit(&long, left) } else { short };
        let gap = if flag.is_empty() { 0 } else { text::width(&flag) + 2 };
        let dull = row.hit.is_some_and(|hit| hit.open || !hit.resumable);
        let base = style(if dull { self.theme.dim } else { self.theme.text });
        let matched = base.patch(self.theme.matched);
        let mut spans = painted(title, room.saturating_sub(gap), 0, letters, base, matched);
        if !flag.is_empty() {
            spans.push(Span::styled(format!("  {flag}"), style(flag_style)));
        }
        put(buf, area, 0, &Spans::from(spans));
    }

    /// What the full text found in a session, below its title.
    fn snippet(&self, row: &Row<'_>, buf: &mut Buffer) {
        let Entry::Session(number) = row.entry else { return };
        let Some(hit) = self.picker.text_hit(number) else { return };
        let area = Rect { y: row.area.y + 1, height: 1, ..row.area };
        let room = usize::from(area.width.saturating_sub(LEAD + 1));
        let note = match hit.more {
            0 => "full text".to_owned(),
            more => format!("full text, {} more in this session", words::count(more as usize)),
        };
        let note_fits = room >= text::width(&note) + 30;
        let room = if note_fits { room - text::width(&note) - 2 } else { room };
        let snippet = words::one_line(hit.snippet.as_deref().unwrap_or_default(), 1_000);
        let mut spans = Vec::new();
        let (mut left, mut inside) = (room, false);
        for piece in snippet.split_inclusive(['‹', '›']) {
            let shown = text::fit(piece.trim_end_matches(['‹', '›']), left);
            left -= text::width(&shown);
            let style = if inside { self.theme.matched } else { self.theme.dim };
            spans.push(Span::styled(shown, style));
            inside = piece.ends_with('‹');
        }
        if note_fits {
            spans.push(Span::styled(format!("  {note}"), self.theme.dim));
        }
        put(buf, area, LEAD, &Spans::from(spans));
    }
}

fn put(buf: &mut Buffer, area: Rect, column: u16, line: &Spans<'_>) {
    let column = column.min(area.width);
    if !area.intersection(buf.area).is_empty() {
        buf.set_line(area.x + column, area.y, line, area.width - column);
    }
}

/// `text` cut to `cells`, the letters that matched in another style. `start` is where the text
/// begins in what was searched.
fn painted(
    text: &str,
    cells: usize,
    start: usize,
    letters: &BTreeSet<usize>,
    base: Style,
    matched: Style,
) -> Vec<Span<'static>> {
    let shown = text::fit(text, cells);
    let mut spans: Vec<Span<'static>> = Vec::new();
    let (mut run, mut run_matched) = (String::new(), false);
    for (at, cluster) in shown.grapheme_indices(true) {
        let from = start.saturating_add(at);
        let is_matched = letters.range(from..from.saturating_add(cluster.len())).next().is_some();
        // The sign of a cut stands where another letter was.
        let is_matched = is_matched && text.get(at..at + cluster.len()) == Some(cluster);
        if is_matched != run_matched && !run.is_empty() {
            let style = if run_matched { matched } else { base };
            spans.push(Span::styled(std::mem::take(&mut run), style));
        }
        run_matched = is_matched;
        run.push_str(cluster);
    }
    if !run.is_empty() {
        spans.push(Span::styled(run, if run_matched { matched } else { base }));
    }
    spans
}
