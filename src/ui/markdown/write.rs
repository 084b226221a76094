//! Writes one segment of markdown as rows.
//!
//! Blank rows stand where the source has blank lines, and nowhere else.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

use super::Look;
use super::table::Table;
use crate::ui::text::wrap::{Break, Row, Runs, Wrap};
use crate::ui::text::{ansi, fit, harmless, one_line};

/// Marks of lists by depth.
const BULLETS: [&str; 3] = ["• ", "– ", "· "];
/// How far code is set in.
const CODE_INDENT: &str = "  ";
/// Panes narrower than this do without it.
const NARROW: usize = 24;

/// Rows of markdown.
pub(super) fn prose(source: &str, width: usize, look: Look<'_>) -> Vec<Row> {
    let source = &*ansi::plain(source);
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut writer = Writer::new(source, width, look);
    for (event, range) in Parser::new_ext(source, options).into_offset_iter() {
        writer.event(event, range);
    }
    writer.flush();
    writer.rows
}

/// Rows of a fenced code block; the label is its language.
pub(super) fn fenced(
    source: &str,
    label: Option<&str>,
    indent: usize,
    width: usize,
    look: Look<'_>,
) -> Vec<Row> {
    let mut rows = Vec::new();
    let set_in = if width < NARROW { "" } else { CODE_INDENT };
    if let Some(label) = label.and_then(language) {
        rows.push(Row::from(vec![
            Span::raw(set_in),
            Span::styled(fit(&label, width - set_in.len()), look.base.patch(look.theme.dim)),
        ]));
    }
    if source.is_empty() {
        return rows;
    }
    let stripped: String;
    let mut source = source;
    if indent > 0 {
        let unindented = source.split('\n').map(|line| {
            let blanks = line.bytes().take_while(|b| *b == b' ').count();
            &line[blanks.min(indent)..]
        });
        stripped = unindented.collect::<Vec<_>>().join("\n");
        source = &stripped;
    }
    code(source, width, set_in, look, &mut rows);
    rows
}

fn language(label: &str) -> Option<String> {
    let word = label.split([' ', ',', '{']).find(|word| !word.is_empty())?;
    Some(one_line(word))
}

fn code(source: &str, width: usize, set_in: &'static str, look: Look<'_>, rows: &mut Vec<Row>) {
    let style = look.base.patch(look.theme.code);
    let source = ansi::plain(source);
    let mut wrap = Wrap::new(width, Break::Anywhere)
        .prefixed(vec![Span::raw(set_in)], vec![Span::raw(set_in)]);
    wrap.push(&harmless(&source), style);
    wrap.newline();
    rows.extend(wrap.finish());
}

/// What a quote or a list item puts in front of its rows.
struct Level {
    /// In front of its first row, until that is written.
    first: Option<Span<'static>>,
    /// In front of the others.
    rest: Span<'static>,
}

struct Writer<'a> {
    source: &'a str,
    width: usize,
    look: Look<'a>,
    rows: Vec<Row>,
    levels: Vec<Level>,
    /// The next number of each list, none for bullets.
    lists: Vec<Option<u64>>,
    styles: Vec<Style>,
    inline: Runs,
    /// The address of each open link, and its text so far.
    links: Vec<(String, String)>,
    table: Option<Table>,
    code: Option<(String, String)>,
    /// Where in the source the last thing ended that is on the screen.
    last: usize,
}

impl<'a> Writer<'a> {
    fn new(source: &'a str, width: usize, look: Look<'a>) -> Self {
        Self {
            source,
            width,
            look,
            rows: Vec::new(),
            levels: Vec::new(),
            lists: Vec::new(),
            styles: vec![look.base],
            inline: Runs::default(),
            links: Vec::new(),
            table: None,
            code: None,
            last: 0,
        }
    }

    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        let end = range.end;
        match event {
            Event::Start(tag) => {
                self.start(tag, range.start);
                return;
            }
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some((_, code)) => code.push_str(&text),
                None => self.inline(&text, self.style()),
            },
            Event::Code(text) => {
                let style = self.style().patch(self.look.theme.code);
                self.inline(&text, style);
            }
            Event::InlineHtml(html) if html.starts_with("<br") => self.inline("\n", self.style()),
            Event::Html(text) | Event::InlineHtml(text) => {
                let style = self.style().patch(self.look.theme.dim);
                self.inline(&text, style);
            }
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.inline(&text, self.style());
            }
            Event::SoftBreak | Event::HardBreak => self.inline("\n", self.style()),
            Event::Rule => {
                self.gap(range.start);
                let rule = "─".repeat(self.room());
                let style = self.look.base.patch(self.look.theme.dim);
                self.write([Row::from(Span::styled(rule, style))]);
            }
            Event::TaskListMarker(done) => {
                if let Some(level) = self.levels.last_mut() {
                    let style = if done { self.look.theme.good } else { self.look.base };
                    level.first = Some(Span::styled(if done { "☑ " } else { "☐ " }, style));
                }
            }
        }
        let end = self.source[..end.min(self.source.len())].trim_end().len();
        self.last = self.last.max(end);
    }

    fn start(&mut self, tag: Tag<'_>, at: usize) {
        let (base, theme) = (self.look.base, self.look.theme);
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.block(at),
            Tag::Heading { level, .. } => {
                self.block(at);
                let style = base.patch(theme.heading);
                self.styles.push(match level {
                    HeadingLevel::H1 => style.add_modifier(Modifier::UNDERLINED),
                    HeadingLevel::H2 => style,
                    HeadingLevel::H3 | HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => {
                        style.add_modifier(Modifier::ITALIC)
                    }
                });
            }
            Tag::BlockQuote(_) => {
                self.block(at);
                let bar = Span::styled("▎ ", base.patch(theme.dim));
                self.levels.push(Level { first: None, rest: bar });
                self.styles.push(self.style().add_modifier(Modifier::ITALIC));
            }
            Tag::CodeBlock(kind) => {
                self.block(at);
                let label = match kind {
                    CodeBlockKind::Indented => String::new(),
                    CodeBlockKind::Fenced(label) => label.into_string(),
                };
                self.code = Some((label, String::new()));
            }
            Tag::List(number) => {
                self.flush();
                self.lists.push(number);
            }
            Tag::Item => {
                self.block(at);
                self.item();
            }
            Tag::Table(columns) => {
                self.block(at);
                self.table = Some(Table::new(columns));
            }
            Tag::TableHead | Tag::TableRow => {
                if let Some(table) = &mut self.table {
                    table.row();
                }
            }
            Tag::TableCell => {}
            Tag::Emphasis => self.styles.push(self.style().add_modifier(Modifier::ITALIC)),
            Tag::Strong => self.styles.push(self.style().add_modifier(Modifier::BOLD)),
            Tag::Strikethrough => {
                self.styles.push(self.style().add_modifier(Modifier::CROSSED_OUT));
            }
            Tag::Superscript | Tag::Subscript => self.styles.push(self.style()),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.links.push((dest_url.into_string(), String::new()));
                self.styles.push(self.style().add_modifier(Modifier::UNDERLINED));
            }
            Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::MetadataBlock(_) => self.block(at),
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.flush(),
            TagEnd::Heading(_) => {
                self.flush();
                self.styles.pop();
            }
            TagEnd::BlockQuote(_) => {
                self.flush();
                self.levels.pop();
                self.styles.pop();
            }
            TagEnd::CodeBlock => {
                if let Some((label, source)) = self.code.take() {
                    let source = source.strip_suffix('\n').unwrap_or(&source);
                    let rows = fenced(source, Some(&label), 0, self.room(), self.look);
                    self.write(rows);
                }
            }
            TagEnd::List(_) => {
                self.lists.pop();
            }
            TagEnd::Item => {
                self.flush();
                if self.levels.last().is_some_and(|level| level.first.is_some()) {
                    self.write([Row::default()]);
                }
                self.levels.pop();
            }
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    let rows = table.rows(self.room(), self.look);
                    self.write(rows);
                }
            }
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.inline);
                if let Some(table) = &mut self.table {
                    table.cell(cell);
                }
            }
            TagEnd::TableHead | TagEnd::TableRow => {}
            TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Strikethrough
            | TagEnd::Superscript
            | TagEnd::Subscript => {
                self.styles.pop();
            }
            TagEnd::Link | TagEnd::Image => {
                self.styles.pop();
                if let Some((url, text)) = self.links.pop()
                    && !url.is_empty()
                    && url != text
                    && url.strip_prefix("mailto:") != Some(text.as_str())
                {
                    let style = self.style().patch(self.look.theme.dim);
                    self.inline(&format!(" {url}"), style);
                }
            }
            TagEnd::FootnoteDefinition
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::MetadataBlock(_) => self.flush(),
        }
    }

    fn style(&self) -> Style {
        self.styles.last().copied().unwrap_or(self.look.base)
    }

    fn inline(&mut self, text: &str, style: Style) {
        if let Some((_, shown)) = self.links.last_mut() {
            shown.push_str(text);
        }
        // A cell of a table is one line.
        let text = if self.table.is_some() && text == "\n" { " " } else { text };
        self.inline.push(&harmless(text), style);
    }

    /// A new block begins at `at` in the source.
    fn block(&mut self, at: usize) {
        self.flush();
        self.gap(at);
    }

    /// Writes a blank row if the source has a blank line between the last block and `at`.
    fn gap(&mut self, at: usize) {
        let between = self.source.get(self.last..at).unwrap_or_default();
        if !self.rows.is_empty() && between.bytes().filter(|b| *b == b'\n').count() >= 2 {
            let (_, prefix) = self.prefix();
            self.rows.push(Row::from(prefix));
        }
        self.last = self.last.max(at);
    }

    fn item(&mut self) {
        let depth = self.lists.len().saturating_sub(1);
        let style = self.look.base.patch(self.look.theme.dim);
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                let mark = format!("{number}. ");
                *number = number.saturating_add(1);
                mark
            }
            Some(None) | None => BULLETS[depth.min(BULLETS.len() - 1)].to_owned(),
        };
        let rest = Span::raw(" ".repeat(mark.chars().count()));
        self.levels.push(Level { first: Some(Span::styled(mark, style)), rest });
    }

    /// What stands in front of the next row, and of the ones behind it.
    fn prefix(&self) -> (Vec<Span<'static>>, Vec<Span<'static>>) {
        let first =
            self.levels.iter().map(|level| level.first.as_ref().unwrap_or(&level.rest).clone());
        (first.collect(), self.levels.iter().map(|level| level.rest.clone()).collect())
    }

    fn room(&self) -> usize {
        let (_, prefix) = self.prefix();
        let taken: usize = prefix.iter().map(Span::width).sum();
        self.width.saturating_sub(taken).max(1)
    }

    /// Writes the text that was collected.
    fn flush(&mut self) {
        if self.inline.is_empty() {
            return;
        }
        let (first, rest) = self.prefix();
        let mut wrap = Wrap::new(self.width, Break::Words).prefixed(first, rest);
        for (text, style) in std::mem::take(&mut self.inline).iter() {
            wrap.push(text, style);
        }
        let rows = wrap.finish();
        if !rows.is_empty() {
            self.marks_are_written();
        }
        self.rows.extend(rows);
    }

    /// Writes rows that are already broken, behind the prefix.
    fn write(&mut self, rows: impl IntoIterator<Item = Row>) {
        for row in rows {
            let (mut spans, rest) = self.prefix();
            let taken: usize = rest.iter().map(Span::width).sum();
            if taken >= self.width {
                spans.clear();
            }
            spans.extend(row.spans);
            self.rows.push(Row::from(spans));
            self.marks_are_written();
        }
    }

    fn marks_are_written(&mut self) {
        for level in &mut self.levels {
            level.first = None;
        }
    }
}
