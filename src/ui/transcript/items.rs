//! What each kind of item looks like. Tool calls have a floor of their own: [`tool`](super::tool).
//!
//! Nothing here is longer than the screen needs it: long prompts, thoughts and raw lines are shown
//! by their beginning until they are unfolded.

use ratatui::style::Modifier;
use ratatui::text::Span;

use super::layout::Look;
use super::tool;
use crate::model::transcript::{
    Body, Item, Level, Speaker, TodoEntry, TodoState, ToolCall, ToolResult, TurnEnd,
};
use crate::ui::markdown::{self, Segment};
use crate::ui::text::wrap::{Break, Row, Wrap};
use crate::ui::text::{
    ansi, cells, counted, dollars, duration, fit, harmless, head, one_line, tail,
};

/// A prompt of the person with more lines than this can be folded.
const PROMPT_LINES: usize = 12;
/// Lines of other prompts that are shown at first.
const ASIDE_LINES: usize = 2;
/// Bytes per line that a folded text shows at most.
const LINE_BYTES: usize = 200;
/// Rows of a thought under way.
const THOUGHT_ROWS: usize = 4;
/// Bytes that these rows are taken from.
const THOUGHT_BYTES: usize = 2_048;
/// Bytes of a prompt that are shown when it is unfolded.
const PROMPT_BYTES: usize = 131_072;
/// Bytes of a notice that are shown.
const NOTICE_BYTES: usize = 16_384;
/// Bytes of a raw line that are shown when it is unfolded.
const RAW_BYTES: usize = 32_768;
/// A turn that cost less is shown without its cost: it would read as nothing.
const LEAST_USD: f64 = 0.000_5;
/// How a back end notes in the conversation that the person ended the turn.
const INTERRUPTED: &str = "[Request interrupted by user";

/// What the rows of an item say about the rest of the transcript.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) folded: bool,
    /// Tool calls of the sub-agent that it started.
    pub(super) steps: usize,
    /// What that sub-agent does now.
    pub(super) activity: Option<String>,
    /// Dollars of the turn that ends here.
    pub(super) turn_cost: Option<f64>,
}

/// Whether the item is markdown that is laid out by segments.
pub(super) fn flows(body: &Body) -> bool {
    matches!(body, Body::Text { .. } | Body::Thinking { .. })
}

/// Whether an item has something that can be put out of sight.
pub(super) fn foldable(item: &Item) -> bool {
    match &item.body {
        Body::Prompt { text, from } => is_long(text, shown_lines(*from)),
        Body::Thinking { text } => !text.is_empty(),
        Body::Tool(_) | Body::Todo { .. } | Body::Raw { .. } => true,
        Body::Text { .. } | Body::Notice { .. } | Body::TurnEnd(_) => false,
    }
}

/// Whether it is out of sight until the person asks for it.
pub(super) fn folded_at_first(item: &Item) -> bool {
    match &item.body {
        Body::Tool(call) => tool::folded_at_first(call),
        Body::Prompt { .. }
        | Body::Text { .. }
        | Body::Thinking { .. }
        | Body::Todo { .. }
        | Body::Notice { .. }
        | Body::TurnEnd(_)
        | Body::Raw { .. } => true,
    }
}

/// Whether nothing of it is on the screen.
pub(super) fn is_empty(item: &Item) -> bool {
    match &item.body {
        Body::Text { text } | Body::Thinking { text } => text.trim_start().is_empty(),
        // The end of the turn says it already, and the person did not write it.
        Body::Prompt { .. } => is_interrupt_mark(&item.body),
        Body::Tool(_)
        | Body::Todo { .. }
        | Body::Notice { .. }
        | Body::TurnEnd(_)
        | Body::Raw { .. } => false,
    }
}

/// Whether an item is how the back end notes that the person ended the turn.
pub(super) fn is_interrupt_mark(body: &Body) -> bool {
    matches!(body, Body::Prompt { text, from: Speaker::Backend } if text.starts_with(INTERRUPTED))
}

/// Whether it stands close to others of its kind, without a blank row.
pub(super) fn dense(item: &Item, folded: bool) -> bool {
    match &item.body {
        Body::Tool(_) | Body::Notice { .. } | Body::Raw { .. } => true,
        Body::Thinking { .. } => folded && !item.open,
        Body::Todo { .. } => folded,
        Body::Prompt { .. } | Body::Text { .. } | Body::TurnEnd(_) => false,
    }
}

/// Adds to the text of an item; says whether it has one.
pub(super) fn append(body: &mut Body, more: &str) -> bool {
    match body {
        Body::Prompt { text, .. }
        | Body::Text { text }
        | Body::Thinking { text }
        | Body::Notice { text, .. }
        | Body::Raw { line: text } => text.push_str(more),
        Body::Tool(call) => {
            call.result.get_or_insert_with(ToolResult::default).text.push_str(more);
        }
        Body::Todo { .. } | Body::TurnEnd(_) => return false,
    }
    true
}

/// Roughly what an item takes in memory.
pub(super) fn weight(item: &Item) -> usize {
    const OVERHEAD: usize = 400;
    OVERHEAD
        + match &item.body {
            Body::Prompt { text, .. }
            | Body::Text { text }
            | Body::Thinking { text }
            | Body::Notice { text, .. }
            | Body::Raw { line: text } => text.len(),
            Body::Tool(call) => {
                let result = call.result.as_ref().map_or(0, |result| {
                    let hunks = result.hunks.iter().flat_map(|hunk| &hunk.lines);
                    result.text.len() + hunks.map(|line| line.len() + 24).sum::<usize>()
                });
                result + json_weight(&call.input)
            }
            Body::Todo { entries } => entries.iter().map(|entry| entry.text.len() + 32).sum(),
            Body::TurnEnd(_) => 0,
        }
}

fn json_weight(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    32 + match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(json_weight).sum(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() + json_weight(value)).sum()
        }
    }
}

/// The list of things to do that a tool call writes, if it is one.
pub(super) fn todo_of(call: &ToolCall) -> Option<Vec<TodoEntry>> {
    if call.name != "TodoWrite" {
        return None;
    }
    let entries = call.input.get("todos")?.as_array()?;
    let entry = |entry: &serde_json::Value| {
        let state = match entry.get("status").and_then(serde_json::Value::as_str) {
            Some("completed") => TodoState::Done,
            Some("in_progress") => TodoState::Doing,
            Some(_) | None => TodoState::Open,
        };
        Some(TodoEntry { text: entry.get("content")?.as_str()?.to_owned(), state })
    };
    Some(entries.iter().filter_map(entry).collect())
}

/// What a sub-agent does, in a few words.
pub(super) fn activity(call: &ToolCall, root: &str) -> String {
    let words = tool::words(call, root);
    format!("{} {}", words.name, words.argument).trim_end().to_owned()
}

/// The rows of an item that is not laid out by segments.
pub(super) fn rows(item: &Item, facts: &Facts, width: usize, look: &Look) -> Vec<Row> {
    match &item.body {
        Body::Prompt { .. } if is_empty(item) => Vec::new(),
        Body::Prompt { text, from } => prompt(text, *from, facts.folded, width, look),
        Body::Text { .. } => Vec::new(),
        Body::Thinking { text } if item.open => thought_under_way(text, width, look),
        Body::Thinking { text } => thought(text, width, look),
        Body::Tool(call) => match todo_of(call) {
            Some(entries) if !tool::went_wrong(call) => todo(&entries, facts.folded, width, look),
            Some(_) | None => tool::rows(call, facts, width, look),
        },
        Body::Todo { entries } => todo(entries, facts.folded, width, look),
        Body::Notice { level, text } => notice(*level, text, width, look),
        Body::TurnEnd(end) => turn_end(end, facts.turn_cost, width, look),
        Body::Raw { line } => raw(line, facts.folded, width, look),
    }
}

/// The rows of one segment of an item that is.
pub(super) fn flowing(
    body: &Body,
    segment: Option<&Segment>,
    first: bool,
    width: usize,
    look: &Look,
) -> Vec<Row> {
    let Some(segment) = segment else { return Vec::new() };
    let text = super::entry::text_of(body);
    let theme = &look.theme;
    if !matches!(body, Body::Thinking { .. }) {
        let style = markdown::Look { theme, base: theme.text };
        return markdown::segment(text, segment, width, style);
    }
    let style = markdown::Look { theme, base: theme.dim };
    let narrow = width <= 4;
    let room = if narrow { width } else { width - 2 };
    let mut rows = markdown::segment(text, segment, room, style);
    for (at, row) in rows.iter_mut().enumerate().filter(|_| !narrow) {
        let mark = if first && at == 0 { "▾ " } else { "  " };
        row.spans.insert(0, Span::styled(mark, theme.dim));
    }
    rows
}

fn shown_lines(from: Speaker) -> usize {
    match from {
        Speaker::Person => PROMPT_LINES,
        Speaker::Bench | Speaker::Parent | Speaker::Backend => ASIDE_LINES,
    }
}

/// Whether a text has more than `lines` lines, looking no further than it must.
fn is_long(text: &str, lines: usize) -> bool {
    let text = text.trim_end();
    text.len() > lines * LINE_BYTES || text.bytes().filter(|b| *b == b'\n').count() >= lines
}

fn prompt(text: &str, from: Speaker, folded: bool, width: usize, look: &Look) -> Vec<Row> {
    let theme = &look.theme;
    let (mark, style) = match from {
        Speaker::Person => (theme.accent.add_modifier(Modifier::BOLD), theme.prompt),
        Speaker::Bench | Speaker::Parent | Speaker::Backend => (theme.dim, theme.dim),
    };
    let text = text.trim_end();
    let mut shown = head(text, PROMPT_BYTES);
    if folded {
        let lines = shown_lines(from);
        let end = text.match_indices('\n').nth(lines - 1).map_or(text.len(), |(at, _)| at);
        shown = head(&text[..end], lines * LINE_BYTES);
    }
    let mut wrap = Wrap::new(width, Break::Words)
        .prefixed(vec![Span::styled("› ", mark)], vec![Span::raw("  ")]);
    wrap.push(&harmless(&ansi::plain(shown)), style);
    wrap.newline();
    let mut rows = wrap.finish();
    if shown.len() < text.len() {
        let hidden = text[shown.len()..].trim_start_matches('\n');
        let more = match hidden.lines().count() {
            0 | 1 => "… more".to_owned(),
            lines => format!("… {}", counted(lines, "more line")),
        };
        rows.push(set_in(&more, width, look));
    }
    rows
}

fn set_in(text: &str, width: usize, look: &Look) -> Row {
    Row::from(Span::styled(fit(&format!("  {text}"), width), look.theme.dim))
}

fn thought_under_way(text: &str, width: usize, look: &Look) -> Vec<Row> {
    let style = look.theme.dim.add_modifier(Modifier::ITALIC);
    let recent = tail(text.trim_end(), THOUGHT_BYTES);
    let mut wrap = Wrap::new(width, Break::Words).prefixed(
        vec![Span::styled("  ", look.theme.dim)],
        vec![Span::styled("  ", look.theme.dim)],
    );
    wrap.push(&harmless(&ansi::plain(recent)), style);
    let mut rows = wrap.finish();
    rows.drain(..rows.len().saturating_sub(THOUGHT_ROWS));
    if let Some(mark) = rows.first_mut().and_then(|row| row.spans.first_mut())
        && mark.content == "  "
    {
        mark.content = "◌ ".into();
    }
    rows
}

fn thought(text: &str, width: usize, look: &Look) -> Vec<Row> {
    let style = look.theme.dim.add_modifier(Modifier::ITALIC);
    let line = one_line(text.trim_start().lines().next().unwrap_or_default());
    if line.is_empty() {
        return Vec::new();
    }
    let line = line.trim_matches('*');
    vec![Row::from(vec![
        Span::styled(fit("▸ ", width), look.theme.dim),
        Span::styled(fit(line, width.saturating_sub(2)), style),
    ])]
}

/// A list of things to do: all of it, or how far it is and what is under way.
fn todo(entries: &[TodoEntry], folded: bool, width: usize, look: &Look) -> Vec<Row> {
    if folded {
        let done = entries.iter().filter(|entry| entry.state == TodoState::Done).count();
        let now = entries.iter().find(|entry| entry.state == TodoState::Doing);
        let now = now.map_or(String::new(), |entry| one_line(&entry.text));
        let line = format!("▸ Todo  {done}/{} done  {now}", entries.len());
        return vec![Row::from(Span::styled(fit(line.trim_end(), width), look.theme.dim))];
    }
    entries.iter().flat_map(|entry| todo_entry(entry, width, look)).collect()
}

fn todo_entry(entry: &TodoEntry, width: usize, look: &Look) -> Vec<Row> {
    let theme = &look.theme;
    let (mark, style) = match entry.state {
        TodoState::Open => (Span::styled("☐ ", theme.text), theme.text),
        TodoState::Doing => (Span::styled("◐ ", theme.accent), theme.accent),
        TodoState::Done => (Span::styled("☑ ", theme.good), theme.dim),
    };
    let mut wrap = Wrap::new(width, Break::Words).prefixed(vec![mark], vec![Span::raw("  ")]);
    wrap.push(&one_line(&entry.text), style);
    wrap.newline();
    wrap.finish()
}

fn notice(level: Level, text: &str, width: usize, look: &Look) -> Vec<Row> {
    let theme = &look.theme;
    let (mark, style) = match level {
        Level::Info => ("· ", theme.dim),
        Level::Warn => ("! ", theme.warn),
        Level::Error => ("✗ ", theme.bad),
    };
    let mut wrap = Wrap::new(width, Break::Words)
        .prefixed(vec![Span::styled(mark, style)], vec![Span::raw("  ")]);
    wrap.push(&harmless(&ansi::plain(head(text.trim_end(), NOTICE_BYTES))), style);
    wrap.newline();
    wrap.finish()
}

/// A thin line; at its right end what the turn took, in front of it what went wrong.
fn turn_end(end: &TurnEnd, cost: Option<f64>, width: usize, look: &Look) -> Vec<Row> {
    let theme = &look.theme;
    let mut rows = Vec::new();
    if let Some(message) = end.message.as_deref().filter(|_| end.is_error) {
        rows.extend(notice(Level::Error, message, width, look));
    }
    let ordinary = matches!(end.reason.as_str(), "" | "completed" | "success" | "end_turn");
    let mut words = Vec::new();
    if end.interrupted {
        words.push("interrupted".to_owned());
    } else if !ordinary || end.is_error {
        words.push(one_line(if end.reason.is_empty() { "failed" } else { &end.reason }));
    }
    words.push(duration(end.duration_ms));
    if let Some(cost) = cost.filter(|cost| *cost >= LEAST_USD) {
        words.push(dollars(cost));
    }
    let words = fit(&words.join(" · "), width);
    let line = "─".repeat(width.saturating_sub(cells(&words) + 1));
    let style = if end.is_error { theme.bad } else { theme.dim };
    let mut spans = Vec::new();
    if !line.is_empty() {
        spans.push(Span::styled(line + " ", theme.border));
    }
    spans.push(Span::styled(words, style));
    rows.push(Row::from(spans));
    rows
}

fn raw(line: &str, folded: bool, width: usize, look: &Look) -> Vec<Row> {
    if folded {
        let line = fit(&one_line(line), width.saturating_sub(2));
        let mark = Span::styled(fit("▸ ", width), look.theme.dim);
        return vec![Row::from(vec![mark, Span::styled(line, look.theme.dim)])];
    }
    let mut wrap = Wrap::new(width, Break::Anywhere)
        .prefixed(vec![Span::styled("▾ ", look.theme.dim)], vec![Span::raw("  ")]);
    wrap.push(&harmless(&ansi::plain(head(line, RAW_BYTES))), look.theme.dim);
    wrap.newline();
    let mut rows = wrap.finish();
    if line.len() > RAW_BYTES {
        rows.push(set_in("… more", width, look));
    }
    rows
}
