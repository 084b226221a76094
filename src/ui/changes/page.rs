//! Something to read in the changes view: a difference, a blame, a plan. It is wrapped when the
//! size is learned, and drawn from that.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::Changes;
use crate::model::review::{FileBlame, FileDifference, Outcome, Revised};
use crate::ui::action::ListAction;
use crate::ui::age::age;
use crate::ui::diff;
use crate::ui::layer::Scene;
use crate::ui::text::wrap::{Break, Row, Wrap, wrapped};
use crate::ui::text::{counted, fit, harmless, width};

/// Cells of a writer's name in a blame.
const NAME: usize = 10;

/// What is shown.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Difference(FileDifference),
    Blame(FileBlame),
    Plan(Revised),
}

/// A text with a place in it.
#[derive(Debug, Clone)]
pub(super) struct Page {
    content: Content,
    rows: Vec<Row>,
    /// The width for which the rows were made.
    width: Option<u16>,
    first: usize,
    height: usize,
}

impl Page {
    pub(super) fn of(content: Content) -> Self {
        Self { content, rows: Vec::new(), width: None, first: 0, height: 0 }
    }

    /// What it is, in a few words.
    pub(super) fn title(&self) -> String {
        match &self.content {
            Content::Difference(difference) => {
                format!("{} · {} → {}", difference.path, difference.from, difference.to)
            }
            Content::Blame(blame) => format!("{} · who wrote which line", blame.path),
            Content::Plan(revised) => match revised.counts() {
                (0, 0) => "nothing to do".to_owned(),
                (planned, 0) => format!("what would be done · {}", counted(planned, "file")),
                (planned, alone) => {
                    format!("what would be done · {}, {alone} left alone", counted(planned, "file"))
                }
            },
        }
    }

    /// Whether it tells who wrote which line.
    pub(super) fn is_blame(&self) -> bool {
        matches!(self.content, Content::Blame(_))
    }

    pub(super) fn scroll(&mut self, action: ListAction) {
        let page = self.height.saturating_sub(1).max(1);
        self.first = match action {
            ListAction::Up => self.first.saturating_sub(1),
            ListAction::Down => self.first + 1,
            ListAction::PageUp => self.first.saturating_sub(page),
            ListAction::PageDown => self.first + page,
            ListAction::First => 0,
            ListAction::Last => self.rows.len(),
            ListAction::Choose | ListAction::Close => self.first,
        };
        self.settle();
    }

    pub(super) fn wheel(&mut self, rows: i32) {
        self.first = self.first.saturating_add_signed(rows as isize);
        self.settle();
    }

    pub(super) fn measure(&mut self, area: Rect, scene: &Scene<'_>) {
        self.height = usize::from(area.height);
        if self.width != Some(area.width) {
            self.width = Some(area.width);
            let room = usize::from(area.width).max(4);
            self.rows = match &self.content {
                Content::Difference(difference) => differing(difference, room, scene),
                Content::Blame(blame) => blamed(blame, room, scene),
                Content::Plan(revised) => planned(revised, room, scene),
            };
        }
        self.settle();
    }

    pub(super) fn draw(&self, area: Rect, buf: &mut Buffer) {
        let rows = self.rows.iter().skip(self.first);
        for (row, y) in rows.zip(area.top()..area.bottom()) {
            buf.set_line(area.x, y, row, area.width);
        }
    }

    fn settle(&mut self) {
        self.first = self.first.min(self.rows.len().saturating_sub(self.height));
    }
}

fn differing(difference: &FileDifference, room: usize, scene: &Scene<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some((old, new)) = difference.modes {
        let text = format!("old mode {old:o}, new mode {new:o}");
        rows.extend(wrapped(&text, scene.theme.text, room, Break::Words));
    }
    rows.extend(diff::rows(&difference.hunks, room, scene.theme));
    if let Some(note) = &difference.note {
        rows.extend(wrapped(&harmless(note), scene.theme.dim, room, Break::Words));
    }
    rows
}

fn blamed(blame: &FileBlame, room: usize, scene: &Scene<'_>) -> Vec<Row> {
    let theme = scene.theme;
    let digits = blame.lines.len().to_string().len();
    let names = blame.runs.iter().filter_map(|run| run.origin.as_ref());
    let wide = names.map(|origin| width(&origin.agent)).max().unwrap_or(0).clamp(1, NAME);
    let mut rows = Vec::new();
    for run in &blame.runs {
        let (name, style, when) = match &run.origin {
            Some(origin) => {
                let style = Changes::agent_style(theme, scene.bench, &origin.agent);
                let when = format!("#{} {}", origin.change, age(scene.now.wall, origin.at));
                (harmless(&origin.agent).into_owned(), style, when)
            }
            None => (String::new(), theme.dim, String::new()),
        };
        let lines = blame.lines.iter().enumerate().skip(run.first.saturating_sub(1));
        for (at, (number, line)) in lines.take(run.count).enumerate() {
            // Who and when stand at the first line of a stretch, the colour at each.
            let who = if at == 0 { padded(&name, wide) } else { " ".repeat(wide) };
            let when = if at == 0 { when.as_str() } else { "" };
            let mark = if run.origin.is_some() { "▎" } else { " " };
            let mut gutter = vec![Span::styled(mark, style), Span::styled(who, style)];
            if room >= 60 {
                gutter.push(Span::styled(format!(" {}", padded(when, 14)), theme.dim));
            }
            gutter.push(Span::styled(format!(" {:>digits$} ", number + 1), theme.gutter));
            rows.extend(line_row(line, gutter, room, theme.text));
        }
    }
    rows
}

fn line_row(line: &str, gutter: Vec<Span<'static>>, room: usize, style: Style) -> Vec<Row> {
    let used: usize = gutter.iter().map(|span| width(&span.content)).sum();
    if used + 4 > room {
        return vec![Line::from(gutter)];
    }
    let mut row =
        Wrap::new(room, Break::Anywhere).prefixed(gutter, vec![Span::raw(" ".repeat(used))]);
    // Without any text there would be no row, and no gutter.
    let text = if line.is_empty() { " ".to_owned() } else { line.replace('\t', "    ") };
    row.push(&harmless(&text), style);
    row.finish()
}

fn padded(text: &str, wide: usize) -> String {
    let text = fit(text, wide);
    let blank = " ".repeat(wide.saturating_sub(width(&text)));
    text + &blank
}

fn planned(revised: &Revised, room: usize, scene: &Scene<'_>) -> Vec<Row> {
    let theme = scene.theme;
    let mut rows = Vec::new();
    for file in &revised.files {
        if let Outcome::LeftAlone(why) = &file.outcome {
            let text = format!("✗ {} is left alone: {why}", file.path);
            rows.extend(wrapped(&harmless(&text), theme.warn, room, Break::Words));
        }
    }
    for line in harmless(&revised.text).lines() {
        let style = match line.as_bytes().first() {
            Some(b'+') => theme.added,
            Some(b'-') => theme.removed,
            Some(b'@') => theme.gutter,
            Some(b' ') => theme.text,
            Some(_) | None => theme.heading,
        };
        rows.extend(wrapped(line, style, room, Break::Anywhere));
    }
    rows
}
