//! What an unfolded tool call shows below its line: the change, the output, the input.

use ratatui::style::{Color, Style};
use ratatui::text::Span;
use serde_json::Value;

use super::answers;
use super::layout::Look;
use super::tool::{field, went_wrong};
use crate::model::transcript::{Hunk, ToolCall};
use crate::ui::text::ansi::{self, Colours};
use crate::ui::text::wrap::{Break, Row, Wrap};
use crate::ui::text::{cells, counted, fit, harmless, head, one_line, tail};
use crate::ui::{diff, markdown};

/// Lines of output or of a file that are shown.
const MOST_LINES: usize = 200;
/// Bytes of output or of a file that are shown.
const MOST_BYTES: usize = 32_768;
/// Bytes of a change that is compared before it was made.
const MOST_COMPARED: usize = 65_536;
/// A body is set in by this, unless the pane is narrow.
const INDENT: usize = 2;
/// What the line above needs beside the first question: mark, name, and what is said at its end.
const BESIDE_QUESTION: usize = 20;
/// Panes narrower than this do without.
const NARROW: usize = 24;

/// The rows of the body.
pub(super) fn rows(call: &ToolCall, has_kids: bool, width: usize, look: &Look) -> Vec<Row> {
    let indent = if width < NARROW { 0 } else { INDENT };
    let body = Body { call, width: width - indent, look };
    let mut rows = body.rows(has_kids);
    if indent > 0 {
        for row in &mut rows {
            row.spans.insert(0, Span::raw(" ".repeat(indent)));
        }
    }
    rows
}

/// A file's text without what the back end adds for the model.
pub(super) fn without_reminder(text: &str) -> &str {
    let end = text
        .rfind("<system-reminder>")
        .filter(|_| text.ends_with("</system-reminder>\n") || text.ends_with("</system-reminder>"));
    text[..end.unwrap_or(text.len())].trim_end()
}

/// The change that a call has made or would make.
pub(super) fn change(call: &ToolCall) -> Vec<Hunk> {
    let done = call.result.as_ref().map(|result| result.hunks.as_slice()).unwrap_or_default();
    if !done.is_empty() {
        return done.to_vec();
    }
    let edit = |edit: &Value| {
        let text = |name: &str| edit.get(name).and_then(Value::as_str);
        let (old, new) = (text("old_string")?, text("new_string")?);
        let hunks = diff::between(head(old, MOST_COMPARED), head(new, MOST_COMPARED));
        Some(diff::unplaced(hunks))
    };
    match call.name.as_str() {
        "Edit" => edit(&call.input).unwrap_or_default(),
        "MultiEdit" => {
            let edits = call.input.get("edits").and_then(Value::as_array);
            edits.into_iter().flatten().filter_map(edit).flatten().collect()
        }
        "Write" => {
            let content = field(call, "content").unwrap_or_default();
            diff::between("", head(content, MOST_COMPARED))
        }
        "NotebookEdit" => {
            let source = field(call, "new_source").unwrap_or_default();
            diff::unplaced(diff::between("", head(source, MOST_COMPARED)))
        }
        _ => Vec::new(),
    }
}

struct Body<'a> {
    call: &'a ToolCall,
    width: usize,
    look: &'a Look,
}

impl Body<'_> {
    fn rows(&self, has_kids: bool) -> Vec<Row> {
        let output = self.call.result.as_ref().map_or("", |result| result.text.as_str());
        match self.call.name.as_str() {
            "Edit" | "Write" | "MultiEdit" | "NotebookEdit" => {
                diff::rows(&change(self.call), self.width, &self.look.theme)
            }
            "Bash" => {
                let mut rows = Vec::new();
                let command = field(self.call, "command").unwrap_or_default().trim();
                if command.contains('\n') || command.len() > self.width / 2 {
                    rows.extend(self.plain(head(command, MOST_BYTES), self.look.theme.code));
                }
                rows.extend(self.output(output));
                rows
            }
            "Read" => self.file(without_reminder(output)),
            "Grep" | "Glob" | "LS" => self.file(output),
            "ExitPlanMode" => {
                self.markdown(head(field(self.call, "plan").unwrap_or_default(), MOST_BYTES))
            }
            "AskUserQuestion" => self.questions(output),
            "Agent" | "Task" if has_kids => Vec::new(),
            "Agent" | "Task" => {
                let mut rows = self.aside(field(self.call, "prompt").unwrap_or_default());
                rows.extend(self.markdown(head(output, MOST_BYTES)));
                rows
            }
            _ => {
                let mut rows = self.input();
                if !went_wrong(self.call) {
                    rows.extend(self.output(output));
                }
                rows
            }
        }
    }

    fn plain(&self, text: &str, style: Style) -> Vec<Row> {
        let mut wrap = Wrap::new(self.width, Break::Anywhere);
        wrap.push(&harmless(&ansi::plain(text)), style);
        wrap.newline();
        wrap.finish()
    }

    fn aside(&self, text: &str) -> Vec<Row> {
        if text.is_empty() { Vec::new() } else { self.plain(head(text, 400), self.look.theme.dim) }
    }

    fn markdown(&self, text: &str) -> Vec<Row> {
        let theme = &self.look.theme;
        markdown::rows(text, self.width, markdown::Look { theme, base: theme.text })
    }

    fn more(&self, text: &str) -> Row {
        Row::from(Span::styled(fit(text, self.width), self.look.theme.dim))
    }

    /// The beginning of a file or a list.
    fn file(&self, text: &str) -> Vec<Row> {
        let shown = head(text, MOST_BYTES);
        let end = shown.match_indices('\n').nth(MOST_LINES - 1).map(|(at, _)| at);
        let shown = &shown[..end.unwrap_or(shown.len())];
        if shown.is_empty() {
            return Vec::new();
        }
        let mut rows = self.plain(shown, self.look.theme.dim);
        let hidden = text[shown.len()..].trim_start_matches('\n').lines().count();
        if hidden > 0 {
            rows.push(self.more(&format!("… {}", counted(hidden, "more line"))));
        }
        rows
    }

    /// The end of what a program wrote, with its colours.
    fn output(&self, text: &str) -> Vec<Row> {
        let text = text.trim_end();
        if text.is_empty() {
            return Vec::new();
        }
        let mut shown = tail(text, MOST_BYTES);
        if let Some((at, _)) = shown.rmatch_indices('\n').nth(MOST_LINES - 1) {
            shown = &shown[at + 1..];
        }
        let theme = &self.look.theme;
        // A theme whose agents have no colour of their own has no colours at all.
        let colours = if theme.agents.iter().all(|colour| *colour == Color::Reset) {
            Colours::Drop
        } else {
            Colours::Keep
        };
        let mut rows = Vec::new();
        let hidden = text[..text.len() - shown.len()].lines().count();
        if hidden > 0 {
            rows.push(self.more(&format!("… {}", counted(hidden, "earlier line"))));
        }
        for line in ansi::lines(shown, theme.text, colours) {
            let mut wrap = Wrap::new(self.width, Break::Anywhere);
            for span in &line.spans {
                wrap.push(&span.content, span.style);
            }
            wrap.newline();
            rows.extend(wrap.finish());
        }
        rows
    }

    /// The fields of the input, one per line where they are short.
    fn input(&self) -> Vec<Row> {
        let theme = &self.look.theme;
        let Some(fields) = self.call.input.as_object() else {
            return if self.call.input.is_null() {
                Vec::new()
            } else {
                self.plain(head(&self.call.input.to_string(), MOST_BYTES), theme.dim)
            };
        };
        let mut rows = Vec::new();
        for (name, value) in fields {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Array(_) | Value::Object(_) => {
                    serde_json::to_string_pretty(value).unwrap_or_default()
                }
                Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
            };
            let mut wrap = Wrap::new(self.width, Break::Anywhere);
            wrap.push(&one_line(name), theme.dim);
            wrap.push(if text.contains('\n') { ":\n" } else { ": " }, theme.dim);
            wrap.push(&harmless(&ansi::plain(head(&text, MOST_BYTES))), theme.code);
            wrap.newline();
            rows.extend(wrap.finish());
            if rows.len() > MOST_LINES {
                rows.truncate(MOST_LINES);
                rows.push(self.more("… more"));
                break;
            }
        }
        rows
    }

    /// The questions with what was chosen marked; the first one stands in the line above.
    fn questions(&self, answer: &str) -> Vec<Row> {
        let theme = &self.look.theme;
        let asked = answers::of(&self.call.input, answer);
        let mut rows = Vec::new();
        for (at, question) in asked.questions.iter().enumerate() {
            if at > 0 || cells(&question.text) > self.width.saturating_sub(BESIDE_QUESTION) {
                rows.extend(self.words(&question.text, theme.text));
            }
            for option in &question.options {
                let (mark, style) =
                    if option.chosen { ("● ", theme.accent) } else { ("○ ", theme.dim) };
                let label = if option.chosen { theme.accent } else { theme.text };
                let mut wrap = Wrap::new(self.width, Break::Words)
                    .prefixed(vec![Span::styled(mark, style)], vec![Span::raw("  ")]);
                wrap.push(&option.label, label);
                wrap.push(&format!("  {}", option.about), theme.dim);
                rows.extend(wrap.finish());
            }
            if let Some(words) = &question.own_words {
                let mut wrap = Wrap::new(self.width, Break::Words)
                    .prefixed(vec![Span::styled("● ", theme.accent)], vec![Span::raw("  ")]);
                wrap.push(words, theme.accent);
                rows.extend(wrap.finish());
            }
        }
        if !asked.understood && !answer.is_empty() && !went_wrong(self.call) {
            rows.extend(self.words(&one_line(answer), theme.accent));
        }
        rows
    }

    fn words(&self, text: &str, style: Style) -> Vec<Row> {
        crate::ui::text::wrap::wrapped(text, style, self.width, Break::Words)
    }
}
