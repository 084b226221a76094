//! How the picker looks: one line of query, the list, the preview, one line of keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line as Spans, Span};
use ratatui::widgets::{Clear, Widget};

use super::catalog::Order;
use super::preview::{self, Tone};
use super::row::Rows;
use super::{Entry, KEYS, Mode, Picker, Scope, TEXT_HITS, words};
use crate::model::transcript::Level;
use crate::ui::text;
use crate::ui::theme::Theme;

/// From this width on the preview has its place at the right.
const WIDE: u16 = 100;

/// From this height of the list on the preview has its place below.
const HIGH: u16 = 14;

/// Where the parts of the picker are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Screen {
    pub(super) area: Rect,
    pub(super) top: Rect,
    pub(super) list: Rect,
    /// The line between list and preview: upright at the right, flat below.
    pub(super) rule: Rect,
    pub(super) preview: Option<Rect>,
    pub(super) notice: Rect,
    pub(super) bottom: Rect,
}

/// Draws a [`Picker`] over everything in its area. The picker must have been measured before.
#[derive(Debug)]
pub struct PickerView<'a> {
    /// What is drawn.
    pub picker: &'a Picker,
    /// In which colours.
    pub theme: &'a Theme,
}

impl Picker {
    /// Where the parts go in `area`.
    pub(super) fn arrange(&self, area: Rect) -> Screen {
        let rows = |y: u16, height: u16| Rect { y: area.y + y, height, ..area };
        let (width, height) = (area.width, area.height);
        let top = height.min(1);
        let bottom = u16::from(height >= 4);
        let room = height - top - bottom;
        let messages = self.messages(usize::from(width.saturating_sub(2))).len();
        let most = room - room.min(3);
        let notice = u16::try_from(messages).unwrap_or(u16::MAX).min(most);
        let body = rows(top, room - notice);
        let mut screen = Screen {
            area,
            top: rows(0, top),
            list: body,
            rule: Rect::default(),
            preview: None,
            notice: rows(top + body.height, notice),
            bottom: rows(height - bottom, bottom),
        };
        if self.mode == Mode::Help || !self.preview_wanted.unwrap_or(width >= WIDE) {
            return screen;
        }
        if width >= WIDE {
            let wide = (width * 2 / 5).min(90);
            screen.list.width = width - wide - 2;
            let x = body.x + screen.list.width;
            screen.rule = Rect { x, width: 1, ..body };
            screen.preview = Some(Rect { x: x + 2, width: wide, ..body });
        } else if body.height >= HIGH {
            let below = body.height * 9 / 20;
            screen.list.height = body.height - below - 1;
            let y = body.y + screen.list.height;
            screen.rule = Rect { y, height: 1, ..body };
            let inner = Rect { y: y + 1, height: below, ..body };
            screen.preview = Some(narrowed(inner));
        } else if !matches!(self.mode, Mode::Rename { .. }) {
            screen.list.height = 0;
            screen.preview = Some(narrowed(body));
        }
        screen
    }

    /// What is to be read above the keys, wrapped.
    fn messages(&self, width: usize) -> Vec<(Level, String)> {
        let mut messages = Vec::new();
        let mut say = |level, text: &str| {
            messages.extend(preview::wrap(text, width).into_iter().map(|line| (level, line)));
        };
        if let Mode::Confirm { session } = &self.mode
            && let Some(hit) = self.catalog.get(session)
        {
            let title = self.catalog.title(session);
            say(Level::Warn, &format!("✗ “{title}” cannot go on: {}", preview::obstacle(hit)));
            say(Level::Warn, "  Enter: new session fed from the stored history   Esc: back");
        }
        if let Some(resuming) = &self.resuming {
            let name = resuming.current().name();
            let place = match resuming.place() {
                (_, 1) => String::new(),
                (place, total) => format!("{place} of {total}: "),
            };
            say(Level::Info, &format!("resuming {place}{name} …"));
        }
        if let Some(notice) = &self.notice {
            notice.lines.iter().for_each(|line| say(notice.level, line));
        }
        messages
    }

    /// The counts and what else the first line says at its right, the dearest part first.
    fn status(&self) -> Vec<String> {
        let total = words::count(self.catalog.len());
        let counts = if !self.list.came {
            "…".to_owned()
        } else if self.query.text().trim().is_empty() {
            words::some(self.catalog.len(), "session")
        } else {
            let more = if self.text_hits().len() >= TEXT_HITS { "+" } else { "" };
            let busy = if self.text.asked.is_some() { '…' } else { ' ' };
            format!("{}{more} of {total} {busy}", words::count(self.found.len()))
        };
        let (scope, other) = match self.list.scope {
            Scope::Workspace => ("this workspace", "Ctrl-A all"),
            Scope::All => ("all workspaces", "Ctrl-A this one"),
        };
        let mut parts = vec![counts];
        if !self.marked.is_empty() {
            parts.push(format!("{} marked", words::count(self.marked.len())));
        }
        parts.push(scope.to_owned());
        if self.order != Order::Best {
            parts.push(self.order.name(self.query.is_empty()).to_owned());
        }
        parts.push(other.to_owned());
        parts
    }

    /// The keys that matter now, the dearest first and the help last.
    fn hints(&self) -> Vec<(&'static str, String)> {
        let own = |pairs: &[(&'static str, &str)]| {
            pairs.iter().map(|(key, what)| (*key, (*what).to_owned())).collect()
        };
        let resume = match (self.marked.len(), self.chosen()) {
            (0, Some(Entry::Bench(_))) => "resume all of it".to_owned(),
            (0, _) => "resume".to_owned(),
            (marked, _) => format!("resume {marked}"),
        };
        match (&self.mode, self.query.is_empty()) {
            (Mode::Help, _) => own(&[("any key", "goes back")]),
            (Mode::Confirm { .. }, _) => own(&[("Enter", "new session"), ("Esc", "back")]),
            (Mode::Rename { .. }, _) => own(&[("Enter", "save the title"), ("Esc", "back")]),
            (Mode::Choose, empty) if self.entries() == 0 => {
                let all = match self.list.scope {
                    Scope::Workspace => "all workspaces",
                    Scope::All => "this workspace",
                };
                own(&[("Ctrl-A", all), ("Esc", if empty { "close" } else { "clear" })])
            }
            (Mode::Choose, empty) => {
                let (space, esc) = if empty { ("Space", "close") } else { ("Ctrl-Space", "clear") };
                let mut hints = vec![("Enter", resume), ("Tab", "mark".to_owned())];
                hints.extend::<Vec<_>>(own(&[
                    (space, "preview"),
                    ("Ctrl-F", "fork"),
                    ("Ctrl-R", "rename"),
                    ("Ctrl-S", "sort"),
                    ("Esc", esc),
                ]));
                hints.extend(empty.then(|| ("?", "keys".to_owned())));
                hints
            }
        }
    }
}

fn narrowed(area: Rect) -> Rect {
    let margin = area.width.min(1);
    Rect { x: area.x + margin, width: area.width - margin, ..area }
}

impl Widget for PickerView<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        Clear.render(area, buf);
        buf.set_style(area, self.theme.text);
        let screen = if self.picker.screen.area == area {
            self.picker.screen
        } else {
            self.picker.arrange(area)
        };
        self.top(screen.top, buf);
        if self.picker.mode == Mode::Help {
            self.help(screen.list, buf);
        } else if self.picker.entries() == 0 {
            self.empty(screen.list, buf);
        } else {
            Rows { picker: self.picker, theme: self.theme }.render(screen.list, buf);
        }
        if let Some(preview) = screen.preview {
            self.rule(screen.rule, buf);
            self.preview(preview, buf);
        }
        self.notice(screen.notice, buf);
        self.bottom(screen.bottom, buf);
    }
}

impl PickerView<'_> {
    fn top(&self, area: Rect, buf: &mut Buffer) {
        if area.is_empty() {
            return;
        }
        let width = usize::from(area.width);
        let lead = if width >= 60 { " resume › " } else { " › " };
        let typed = text::width(self.picker.query.text()).clamp(8, 30);
        let mut parts = self.picker.status();
        let length =
            |parts: &[String]| -> usize { parts.iter().map(|part| text::width(part) + 3).sum() };
        while parts.len() > 1 && text::width(lead) + typed + 2 + length(&parts) > width {
            parts.pop();
        }
        let right = parts.join("   ");
        let room = width.saturating_sub(text::width(lead) + 1);
        let right_at = width.saturating_sub(text::width(&right) + 1);
        let query_cells = if right_at > text::width(lead) + 4 {
            let right = [Span::styled(right, self.theme.bar)];
            self.put(buf, area, right_at, &Spans::from_iter(right));
            right_at - text::width(lead) - 2
        } else {
            room
        };
        let (query, column) = self.picker.query.window(query_cells);
        let spans = [Span::styled(lead, self.theme.accent), Span::styled(query, self.theme.text)];
        self.put(buf, area, 0, &Spans::from_iter(spans));
        if self.picker.mode == Mode::Choose {
            cursor(buf, area, text::width(lead) + column);
        }
    }

    fn put(&self, buf: &mut Buffer, area: Rect, column: usize, line: &Spans<'_>) {
        let column = u16::try_from(column).unwrap_or(u16::MAX).min(area.width);
        if !area.is_empty() {
            buf.set_line(area.x + column, area.y, line, area.width - column);
        }
    }

    fn help(&self, area: Rect, buf: &mut Buffer) {
        let wide = KEYS.iter().map(|(key, _)| text::width(key)).max().unwrap_or(0);
        for (row, (key, what)) in area.rows().zip(KEYS) {
            let key = Span::styled(format!(" {key:wide$}  "), self.theme.accent);
            self.put(buf, row, 0, &Spans::from_iter([key, Span::styled(*what, self.theme.text)]));
        }
    }

    fn empty(&self, area: Rect, buf: &mut Buffer) {
        let picker = self.picker;
        let other = match picker.list.scope {
            Scope::Workspace => "Ctrl-A looks in all workspaces.",
            Scope::All => "",
        };
        let lines = if !picker.list.came && picker.list.asked.is_none() {
            ["The sessions did not come.", "Enter asks again.", ""]
        } else if !picker.list.came {
            ["looking …", "", ""]
        } else if picker.catalog.len() == 0 {
            ["No session is stored yet.", "Each agent that you start is kept here.", other]
        } else if picker.text.asked.is_some() {
            ["No title matches; looking through everything that was said …", "", ""]
        } else {
            ["Nothing matches.", "Esc clears the query.", other]
        };
        let width = usize::from(area.width.saturating_sub(4)).max(1);
        let lines = lines.iter().filter(|line| !line.is_empty());
        let wrapped = lines.flat_map(|line| preview::wrap(line, width));
        for (row, line) in area.rows().skip(usize::from(area.height > 4)).zip(wrapped) {
            self.put(buf, row, 3, &Spans::styled(line, self.theme.dim));
        }
    }

    fn rule(&self, area: Rect, buf: &mut Buffer) {
        let symbol = if area.height == 1 && area.width > 1 { "─" } else { "│" };
        for position in area.intersection(buf.area).positions() {
            buf[position].set_symbol(symbol).set_style(self.theme.border);
        }
    }

    fn preview(&self, area: Rect, buf: &mut Buffer) {
        let width = usize::from(area.width);
        let mut facts = self.picker.facts(usize::from(area.height));
        facts.push((Tone::Text, String::new()));
        let lines = facts.iter().chain(self.picker.preview.lines());
        for (row, (tone, line)) in area.rows().zip(lines) {
            self.put(buf, row, 0, &Spans::styled(text::fit(line, width), self.tone(*tone)));
        }
        let back = self.picker.preview.back();
        if back > 0 {
            let mark = format!("↓ {}", words::some(back, "line"));
            let last =
                Rect { y: area.bottom().saturating_sub(1), height: area.height.min(1), ..area };
            let at = width.saturating_sub(text::width(&mark));
            self.put(buf, last, at, &Spans::styled(mark, self.theme.accent));
        }
    }

    fn tone(&self, tone: Tone) -> Style {
        match tone {
            Tone::Title => self.theme.heading,
            Tone::Prompt => self.theme.prompt,
            Tone::Text => self.theme.text,
            Tone::Dim => self.theme.dim,
            Tone::Warn => self.theme.warn,
            Tone::Bad => self.theme.bad,
        }
    }

    fn notice(&self, area: Rect, buf: &mut Buffer) {
        let lines = self.picker.messages(usize::from(area.width.saturating_sub(2)));
        for (row, (level, line)) in area.rows().zip(lines) {
            let style = match level {
                Level::Info => self.theme.dim,
                Level::Warn => self.theme.warn,
                Level::Error => self.theme.bad,
            };
            self.put(buf, row, 1, &Spans::styled(line, style));
        }
    }

    fn bottom(&self, area: Rect, buf: &mut Buffer) {
        let hints = self.picker.hints();
        let length = |(key, what): &(&str, String)| text::width(key) + text::width(what) + 4;
        // The last one, the way to all the others, is kept before those in the middle.
        let Some((last, others)) = hints.split_last() else { return };
        let mut left = usize::from(area.width).saturating_sub(length(last));
        let mut shown = Vec::new();
        for hint in others {
            if length(hint) > left {
                break;
            }
            left -= length(hint);
            shown.push(hint);
        }
        shown.push(last);
        let mut spans = vec![Span::raw(" ")];
        for (number, (key, what)) in shown.into_iter().enumerate() {
            if number > 0 {
                spans.push(Span::styled(" · ", self.theme.dim));
            }
            spans.push(Span::styled(*key, self.theme.accent));
            spans.push(Span::styled(format!(" {what}"), self.theme.bar));
        }
        self.put(buf, area, 0, &Spans::from(spans));
    }
}

/// Shows where the next letter goes.
pub(super) fn cursor(buf: &mut Buffer, area: Rect, column: usize) {
    let x = area.x.saturating_add(u16::try_from(column).unwrap_or(u16::MAX));
    if x < area.right() && !area.is_empty() {
        let cell = &mut buf[(x, area.y)];
        cell.set_style(Style::new().add_modifier(Modifier::REVERSED));
    }
}
