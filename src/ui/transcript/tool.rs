//! A tool call in one line: what it is, what it is about, what came out; below it what went wrong.

use std::borrow::Cow;

use ratatui::style::Style;
use ratatui::text::Span;
use serde_json::Value;

use super::items::{self, Facts};
use super::layout::Look;
use super::tool_body;
use crate::model::lease::{PERSON, Refusal, RefusalCode};
use crate::model::permission::DENIAL;
use crate::model::transcript::{TodoState, ToolCall, ToolStatus};
use crate::ui::diff;
use crate::ui::text::wrap::{Break, Row, Wrap};
use crate::ui::text::{ansi, cells, counted, duration, fit, fit_end, harmless, head, one_line};

/// Rows of a refusal or an error that a folded call shows.
const REASON_ROWS: usize = 4;
/// Bytes of an error that these rows are taken from.
const REASON_BYTES: usize = 2_048;
/// Bytes of each part of a call in one line.
const BRIEF_BYTES: usize = 200;
/// What the argument keeps of the row when the outcome is long.
const ARGUMENT_ROOM: usize = 10;
/// An outcome that went well is not worth its time below this.
const WORTH_SAYING_MS: u64 = 1_000;

/// A tool call in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// The tool.
    pub(super) name: String,
    /// What it is about.
    pub(super) argument: String,
    /// Which end of the argument is kept where both do not fit.
    keep: Keep,
}

#[derive(Debug, PartialEq, Eq)]
enum Keep {
    Start,
    End,
}

/// Whether the call shows only its line until it is unfolded. Plans and questions are for the
/// person, so they are open.
pub(super) fn folded_at_first(call: &ToolCall) -> bool {
    !matches!(call.name.as_str(), "ExitPlanMode" | "AskUserQuestion")
}

/// Whether it failed or was refused.
pub(super) fn went_wrong(call: &ToolCall) -> bool {
    matches!(call.status, ToolStatus::Failed | ToolStatus::Refused(_))
}

/// A field of the input that is text.
pub(super) fn field<'a>(call: &'a ToolCall, name: &str) -> Option<&'a str> {
    call.input.get(name).and_then(Value::as_str)
}

/// A path as seen from the root of the workspace.
pub(super) fn relative<'a>(path: &'a str, root: &str) -> &'a str {
    match path.strip_prefix(root) {
        Some("") | None => path,
        Some(rest) => rest,
    }
}

/// The call in words.
pub(super) fn words(call: &ToolCall, root: &str) -> Words {
    let get = |names: &[&str]| names.iter().find_map(|name| field(call, name));
    let mut keep = Keep::Start;
    let mut name = Cow::Borrowed(call.name.as_str());
    let argument = match call.name.as_str() {
        "Read" | "Write" | "Edit" | "MultiEdit" | "NotebookEdit" | "LS" => {
            keep = Keep::End;
            let path = get(&["file_path", "notebook_path", "path"]).unwrap_or_default();
            format!("{}{}", relative(path, root), lines_read(call))
        }
        "Bash" => {
            let command = get(&["command", "description"]).unwrap_or_default().trim();
            let mut lines = command.lines();
            let first = lines.next().unwrap_or_default();
            if lines.next().is_some() { format!("{first} …") } else { first.to_owned() }
        }
        "Grep" | "Glob" => {
            let pattern = get(&["pattern"]).unwrap_or_default();
            match get(&["path", "glob"]).map(|path| relative(path, root)) {
                Some(place) => format!("{pattern}  in {place}"),
                None => pattern.to_owned(),
            }
        }
        "Agent" | "Task" => get(&["description", "prompt"]).unwrap_or_default().to_owned(),
        "TodoWrite" => todo_words(call),
        "ExitPlanMode" => String::new(),
        "AskUserQuestion" => {
            name = Cow::Borrowed("Question");
            let question = call.input.pointer("/questions/0/question").and_then(Value::as_str);
            question.unwrap_or_default().to_owned()
        }
        other => {
            if let Some((server, tool)) =
                other.strip_prefix("mcp__").and_then(|rest| rest.split_once("__"))
            {
                name = Cow::Owned(format!("{server} {tool}"));
            }
            let known = ["file_path", "path", "url", "query", "pattern", "command", "description"];
            let text = get(&known).or_else(|| {
                let fields = call.input.as_object()?;
                fields.values().find_map(Value::as_str)
            });
            match text {
                Some(text) => relative(text, root).to_owned(),
                None if call.input.as_object().is_none_or(serde_json::Map::is_empty) => {
                    String::new()
                }
                None => call.input.to_string(),
            }
        }
    };
    Words { name: one_line(&name), argument: one_line(&argument), keep }
}

fn lines_read(call: &ToolCall) -> String {
    let number = |name| call.input.get(name).and_then(Value::as_u64);
    match (number("offset"), number("limit")) {
        (Some(first), Some(count)) => {
            format!(":{first}-{}", first.saturating_add(count).saturating_sub(1))
        }
        (Some(first), None) => format!(":{first}-"),
        (None, Some(count)) => format!(":1-{count}"),
        (None, None) => String::new(),
    }
}

fn todo_words(call: &ToolCall) -> String {
    let entries = items::todo_of(call).unwrap_or_default();
    let done = entries.iter().filter(|entry| entry.state == TodoState::Done).count();
    format!("{done}/{} done", entries.len())
}

/// The rows of a call.
pub(super) fn rows(call: &ToolCall, facts: &Facts, width: usize, look: &Look) -> Vec<Row> {
    let mut rows = vec![line(call, facts, width, look)];
    match &call.status {
        ToolStatus::Refused(refusal) => {
            reason(&refusal.text, facts.folded, width, look, &mut rows);
        }
        ToolStatus::Failed if denial(call).is_some() => {
            reason(denial(call).unwrap_or_default(), facts.folded, width, look, &mut rows);
        }
        ToolStatus::Failed => {
            let text = call.result.as_ref().map_or("", |result| result.text.as_str());
            if call.name != "Bash" || facts.folded {
                reason(failure(call, text), facts.folded, width, look, &mut rows);
            }
        }
        ToolStatus::Announced
        | ToolStatus::Waiting { .. }
        | ToolStatus::Asking
        | ToolStatus::Running
        | ToolStatus::Done => {}
    }
    if let Some(activity) = facts.activity.as_ref().filter(|_| facts.folded) {
        let text = fit(&format!("  └ {activity}"), width);
        rows.push(Row::from(Span::styled(text, look.theme.dim)));
    }
    if !facts.folded {
        let has_kids = facts.steps > 0;
        rows.extend(tool_body::rows(call, has_kids, width, look));
    }
    rows
}

/// The one line.
fn line(call: &ToolCall, facts: &Facts, width: usize, look: &Look) -> Row {
    let theme = &look.theme;
    let (mark, mark_style) = match &call.status {
        ToolStatus::Announced => ("… ", theme.dim),
        ToolStatus::Running => ("◌ ", theme.accent),
        ToolStatus::Waiting { .. } => ("◷ ", theme.warn),
        ToolStatus::Asking => ("◆ ", theme.warn),
        ToolStatus::Failed | ToolStatus::Refused(_) => ("✗ ", theme.bad),
        ToolStatus::Done if facts.folded => ("▸ ", theme.dim),
        ToolStatus::Done => ("▾ ", theme.dim),
    };
    let words = words(call, &look.root);
    let (outcome, outcome_style) = (outcome(call, facts), outcome_style(&call.status, look));
    let mark = fit(mark, width);
    let name = fit(&words.name, width.saturating_sub(2));
    let free = width.saturating_sub(cells(&mark) + cells(&name));
    let mut right = fit(&outcome, free.saturating_sub(2));
    if !words.argument.is_empty()
        && free < cells(&right) + 4 + ARGUMENT_ROOM.min(cells(&words.argument))
    {
        // In a narrow pane what the call is about says more than what came out, unless it is bad.
        let room = free.saturating_sub(ARGUMENT_ROOM.min(cells(&words.argument)) + 4);
        right = shorten(&right, room, went_wrong(call));
    }
    let taken = if right.is_empty() { 0 } else { cells(&right) + 2 };
    let room = free.saturating_sub(taken + 2);
    let argument = match words.keep {
        Keep::Start => fit(&words.argument, room),
        Keep::End => fit_end(&words.argument, room),
    };
    let argument_style = if facts.folded { theme.dim } else { theme.text };
    let mut spans = vec![Span::styled(mark, mark_style), Span::styled(name, theme.text)];
    let mut used = 0;
    if !argument.is_empty() {
        used = 2 + cells(&argument);
        spans.push(Span::styled(format!("  {argument}"), argument_style));
    }
    if !right.is_empty() {
        let between = free.saturating_sub(used + cells(&right));
        spans.push(Span::raw(" ".repeat(between)));
        spans.push(Span::styled(right, outcome_style));
    }
    Row::from(spans)
}

/// The first parts of an outcome that fit; a cut one only if it `must` be said.
fn shorten(outcome: &str, room: usize, must: bool) -> String {
    let ends = [": ", " · "].map(|sign| outcome.find(sign));
    let first = &outcome[..ends.into_iter().flatten().min().unwrap_or(outcome.len())];
    match [outcome, first].into_iter().find(|part| cells(part) <= room) {
        Some(part) => part.to_owned(),
        None if must => fit(first, room),
        None => String::new(),
    }
}

/// A call in one line where there is no room for more, and whether it went wrong.
pub(super) fn brief(call: &ToolCall, root: &str) -> (String, bool) {
    let words = words(call, root);
    let wrong = went_wrong(call);
    let text = call.result.as_ref().map_or("", |result| result.text.as_str());
    let outcome = match &call.status {
        ToolStatus::Refused(refusal) => one_line(&refusal.text),
        ToolStatus::Failed if denial(call).is_some() => outcome(call, &Facts::default()),
        ToolStatus::Failed if exit_code(call).is_none() && !text.trim().is_empty() => {
            one_line(failure(call, text).lines().next().unwrap_or_default())
        }
        ToolStatus::Announced
        | ToolStatus::Waiting { .. }
        | ToolStatus::Asking
        | ToolStatus::Running => "not finished".to_owned(),
        ToolStatus::Failed | ToolStatus::Done => outcome(call, &Facts::default()),
    };
    let mark = if wrong { "✗" } else { "▸" };
    let parts = [format!("{mark} {}", words.name), words.argument, outcome];
    let parts = parts.iter().filter(|part| !part.is_empty());
    (parts.map(|part| head(part, BRIEF_BYTES)).collect::<Vec<_>>().join("  "), wrong)
}

/// How what stands at the right edge is drawn.
fn outcome_style(status: &ToolStatus, look: &Look) -> Style {
    let theme = &look.theme;
    match status {
        ToolStatus::Announced | ToolStatus::Running | ToolStatus::Done => theme.dim,
        ToolStatus::Waiting { .. } | ToolStatus::Asking => theme.warn,
        ToolStatus::Refused(_) | ToolStatus::Failed => theme.bad,
    }
}

/// What stands at the right edge.
fn outcome(call: &ToolCall, facts: &Facts) -> String {
    let took = call.took_ms.map(duration);
    match &call.status {
        ToolStatus::Announced => String::new(),
        ToolStatus::Waiting { holder } => format!("waits for {}", one_line(holder)),
        ToolStatus::Asking => "asks you".to_owned(),
        ToolStatus::Running => {
            let steps = (facts.steps > 0).then(|| counted(facts.steps, "step"));
            join([steps, took])
        }
        ToolStatus::Refused(refusal) => refused(refusal),
        ToolStatus::Failed => {
            let words = match exit_code(call) {
                Some(code) => format!("exit {code}"),
                None if denial(call).is_some() => "you said no".to_owned(),
                None => "failed".to_owned(),
            };
            join([Some(words), took])
        }
        ToolStatus::Done => join([summary(call, facts), time_worth_saying(call)]),
    }
}

/// Why a write was refused, in a few words.
fn refused(refusal: &Refusal) -> String {
    let who = refusal.holder.as_deref().map(one_line);
    let why = match (refusal.code, who) {
        (RefusalCode::Unread, _) => "not read before".to_owned(),
        (RefusalCode::Stale, Some(who)) if who == PERSON => "you changed it".to_owned(),
        (RefusalCode::Stale, Some(who)) => format!("{who} changed it"),
        (
            RefusalCode::Held
            | RefusalCode::Pinned
            | RefusalCode::Timeout
            | RefusalCode::Deadlock
            | RefusalCode::TreeBusy,
            Some(who),
        ) => {
            if who == PERSON {
                "you hold it".to_owned()
            } else {
                format!("{who} holds it")
            }
        }
        (RefusalCode::TooWide | RefusalCode::Outside | RefusalCode::Failed, _) | (_, None) => {
            return "not written".to_owned();
        }
    };
    format!("not written: {why}")
}

fn join(parts: [Option<String>; 2]) -> String {
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
}

fn time_worth_saying(call: &ToolCall) -> Option<String> {
    let least = if call.name == "Bash" { 0 } else { WORTH_SAYING_MS };
    call.took_ms.filter(|ms| *ms >= least).map(duration)
}

/// What came out of a call that went well.
fn summary(call: &ToolCall, facts: &Facts) -> Option<String> {
    if facts.steps > 0 {
        return Some(counted(facts.steps, "step"));
    }
    let result = call.result.as_ref()?;
    let changed = result.changed.or_else(|| {
        let counts = diff::counts(&result.hunks);
        (!result.hunks.is_empty()).then_some(counts)
    });
    if let Some((added, removed)) = changed {
        return Some(format!("+{added} −{removed}"));
    }
    match call.name.as_str() {
        "Bash" | "Write" | "Edit" | "MultiEdit" | "NotebookEdit" | "Agent" | "Task"
        | "ExitPlanMode" | "AskUserQuestion" => None,
        "Grep" | "Glob" => Some(found(&result.text)),
        "Read" => {
            let text = tool_body::without_reminder(&result.text);
            let numbered = text.lines().filter(|line| is_numbered(line)).count();
            Some(counted(if numbered > 0 { numbered } else { text.lines().count() }, "line"))
        }
        _ => {
            let lines = result.text.trim_end().lines().count();
            (lines > 0).then(|| counted(lines, "line"))
        }
    }
}

/// Whether a line is a line of a file with its number in front, as agents get them.
fn is_numbered(line: &str) -> bool {
    let line = line.trim_start();
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && line[digits..].starts_with(['\t', '→'])
}

fn found(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    if first.is_empty() || first.starts_with("No ") {
        return "nothing".to_owned();
    }
    match first.strip_prefix("Found ").and_then(|rest| rest.split(' ').next()?.parse().ok()) {
        Some(files) => counted(files, "file"),
        None => counted(text.trim_end().lines().count(), "line"),
    }
}

/// The reason with which the person said no to a call, empty if they gave none.
fn denial(call: &ToolCall) -> Option<&str> {
    let told = call.result.as_ref()?.text.trim().strip_prefix(DENIAL)?;
    Some(told.strip_prefix(':').unwrap_or_default().trim())
}

/// The exit code that a failed shell command reports.
fn exit_code(call: &ToolCall) -> Option<i32> {
    let text = &call.result.as_ref()?.text;
    let first = text.lines().next()?;
    first.strip_prefix("Exit code ")?.trim().parse().ok()
}

/// What is worth reading of a failure: without the marks around it, and of a shell's output the
/// end.
fn failure<'a>(call: &ToolCall, text: &'a str) -> &'a str {
    let text = text.trim();
    let text = text.strip_prefix("<tool_use_error>").unwrap_or(text);
    let text = text.strip_suffix("</tool_use_error>").unwrap_or(text);
    if call.name != "Bash" {
        return text;
    }
    let output = match exit_code(call) {
        Some(_) => text.split_once('\n').map_or("", |(_, output)| output),
        None => text,
    };
    let start = output.rmatch_indices('\n').nth(1).map_or(0, |(at, _)| at + 1);
    &output[start..]
}

fn reason(text: &str, folded: bool, width: usize, look: &Look, rows: &mut Vec<Row>) {
    if text.trim().is_empty() {
        return;
    }
    let blank = vec![Span::raw("  ")];
    let mut wrap = Wrap::new(width, Break::Words).prefixed(blank.clone(), blank);
    wrap.push(&harmless(&ansi::plain(head(text.trim(), REASON_BYTES))), look.theme.text);
    wrap.newline();
    let mut reason = wrap.finish();
    if folded && reason.len() > REASON_ROWS {
        reason.truncate(REASON_ROWS);
        if let Some(last) = reason.last_mut() {
            let text = fit(&format!("{last} …"), width);
            *last = Row::from(Span::styled(text, look.theme.text));
        }
    }
    rows.extend(reason);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_write_was_refused_is_said_in_a_few_words() {
        let said = |code, holder: Option<&str>| {
            let holder = holder.map(str::to_owned);
            refused(&Refusal { code, path: None, holder, text: String::new() })
        };
        for (code, holder, words) in [
            (RefusalCode::Held, Some("blue"), "not written: blue holds it"),
            (RefusalCode::Pinned, Some(PERSON), "not written: you hold it"),
            (RefusalCode::Stale, Some("blue"), "not written: blue changed it"),
            (RefusalCode::Stale, Some(PERSON), "not written: you changed it"),
            (RefusalCode::Unread, Some("blue"), "not written: not read before"),
            (RefusalCode::Stale, None, "not written"),
            (RefusalCode::Failed, Some("blue"), "not written"),
        ] {
            assert_eq!(said(code, holder), words);
        }
    }
}
