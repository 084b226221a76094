//! What an ask is about, as lines: the command, the change of the file, the plan.
//!
//! The lines are harmless to the terminal and bounded in number, whatever the agent sent.

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::model::permission::{Ask, AskKind};
use crate::ui::text::{fit, harmless};

/// Lines of content at most; more are counted and left out.
const LINES: usize = 2_000;

/// Texts longer than this are shown as they are instead of being compared.
const COMPARED: usize = 200 * 1024;

/// How long a comparison may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(20);

/// What a line of an ask is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What it is about.
    Head,
    /// Ordinary.
    Plain,
    /// Less important.
    Dim,
    /// A line that would be added.
    Added,
    /// A line that would be removed.
    Removed,
    /// The option under the cursor.
    Cursor,
}

/// A line of an ask, before it is wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BodyLine {
    /// What it is.
    pub(super) kind: Kind,
    /// Its text.
    pub(super) text: String,
}

/// What an ask is about, in one line.
pub(super) fn headline(ask: &Ask, root: &str) -> String {
    let input = &ask.input;
    let about = match &ask.kind {
        AskKind::Questions(questions) => {
            questions.first().map_or("a question", |question| &question.question).to_owned()
        }
        AskKind::Plan(_) => "is this plan good?".to_owned(),
        AskKind::Permission => ["command", "file_path", "notebook_path", "path", "url", "query"]
            .into_iter()
            .find_map(|key| input.get(key)?.as_str())
            .map(|text| relative(text, root).to_owned())
            .or_else(|| {
                Some(input.to_string()).filter(|text| !matches!(text.as_str(), "null" | "{}"))
            })
            .unwrap_or_default(),
    };
    let first = about.lines().next().unwrap_or_default();
    let more = if about.lines().count() > 1 { " …" } else { "" };
    let line = match of_git(ask) {
        // The command line says by itself what runs.
        Some(_) => format!("{}{more}", fit(first, 500)),
        None => format!("{}  {}{more}", ask.tool, fit(first, 500)),
    };
    harmless(&line).trim_end().to_owned()
}

/// The lines of an ask.
pub(super) fn of(ask: &Ask, root: &str) -> Vec<BodyLine> {
    let mut lines = Lines { lines: Vec::new(), left: LINES, missing: 0 };
    match &ask.kind {
        AskKind::Permission => permission(ask, root, &mut lines),
        AskKind::Plan(plan) => {
            lines.add(Kind::Head, "Is this plan good?");
            plan.lines().for_each(|line| lines.add(Kind::Plain, line));
        }
        AskKind::Questions(_) => {}
    }
    if lines.missing > 0 {
        let text = format!("… {} more lines", lines.missing);
        lines.lines.push(BodyLine { kind: Kind::Dim, text });
    }
    lines.lines
}

struct Lines {
    lines: Vec<BodyLine>,
    left: usize,
    missing: usize,
}

impl Lines {
    fn add(&mut self, kind: Kind, text: &str) {
        if self.left == 0 {
            self.missing += 1;
            return;
        }
        self.left -= 1;
        self.lines.push(BodyLine { kind, text: harmless(text).replace('\n', " ") });
    }

    fn block(&mut self, kind: Kind, sign: &str, text: &str) {
        for line in text.lines() {
            self.add(kind, &format!("{sign}{line}"));
        }
    }

    /// The difference of two texts; all of it if comparing would take too long.
    fn change(&mut self, old: &str, new: &str) {
        if old.len() + new.len() > COMPARED {
            self.block(Kind::Removed, "- ", old);
            self.block(Kind::Added, "+ ", new);
            return;
        }
        let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(old, new);
        for change in diff.iter_all_changes() {
            let (kind, sign) = match change.tag() {
                ChangeTag::Equal => (Kind::Plain, "  "),
                ChangeTag::Delete => (Kind::Removed, "- "),
                ChangeTag::Insert => (Kind::Added, "+ "),
            };
            let text = change.to_string_lossy();
            self.add(kind, &format!("{sign}{}", text.trim_end_matches(['\n', '\r'])));
        }
    }
}

/// What is at stake by a git that asks, if it is one that does.
fn of_git(ask: &Ask) -> Option<Vec<&str>> {
    let stakes = ask.input.get("at_stake").filter(|_| ask.tool == "git")?.as_array()?;
    Some(stakes.iter().filter_map(Value::as_str).collect())
}

/// A git over the whole tree: its command line, and each file of others that may go.
fn git(ask: &Ask, root: &str, stakes: &[&str], lines: &mut Lines) {
    lines.add(Kind::Head, &headline(ask, root));
    if !stakes.is_empty() {
        lines.add(Kind::Plain, "at stake, uncommitted:");
    }
    stakes.iter().for_each(|stake| lines.add(Kind::Removed, &format!("  {stake}")));
}

fn permission(ask: &Ask, root: &str, lines: &mut Lines) {
    let input = &ask.input;
    let text = |key: &str| input.get(key).and_then(Value::as_str);
    let path = text("file_path").or_else(|| text("notebook_path")).map(|path| relative(path, root));
    match (ask.tool.as_str(), path) {
        ("git", _) if let Some(stakes) = of_git(ask) => git(ask, root, &stakes, lines),
        ("Bash", _) if text("command").is_some() => {
            let command = text("command").unwrap_or_default();
            let mut rows = command.lines();
            lines.add(Kind::Head, &format!("Bash  {}", rows.next().unwrap_or_default()));
            rows.for_each(|row| lines.add(Kind::Head, &format!("      {row}")));
            text("description").into_iter().for_each(|why| lines.add(Kind::Dim, why));
        }
        ("Edit" | "MultiEdit", Some(path)) => {
            let all = input.get("replace_all").and_then(Value::as_bool) == Some(true);
            let everywhere = if all { "  every place" } else { "" };
            lines.add(Kind::Head, &format!("{}  {path}{everywhere}", ask.tool));
            let several = input.get("edits").and_then(Value::as_array);
            for edit in several.map_or(std::slice::from_ref(input), Vec::as_slice) {
                let part = |key: &str| edit.get(key).and_then(Value::as_str).unwrap_or_default();
                lines.change(part("old_string"), part("new_string"));
            }
        }
        ("Write", Some(path)) => {
            let content = text("content").unwrap_or_default();
            let count = content.lines().count();
            let plural = if count == 1 { "" } else { "s" };
            lines.add(Kind::Head, &format!("Write  {path}  {count} line{plural}"));
            lines.block(Kind::Added, "+ ", content);
        }
        ("NotebookEdit", Some(path)) => {
            lines.add(Kind::Head, &format!("NotebookEdit  {path}"));
            lines.block(Kind::Added, "+ ", text("new_source").unwrap_or_default());
        }
        _ => {
            lines.add(Kind::Head, &headline(ask, root));
            other(input, lines);
        }
    }
    let why = ask.reason.as_deref().filter(|why| !why.trim().is_empty());
    why.into_iter().flat_map(str::lines).for_each(|why| lines.add(Kind::Dim, why));
}

/// The input of a tool that we know nothing about.
fn other(input: &Value, lines: &mut Lines) {
    let Some(fields) = input.as_object().filter(|fields| fields.len() > 1) else {
        return;
    };
    for (key, value) in fields {
        match value.as_str() {
            Some(text) if text.lines().count() > 1 => {
                lines.add(Kind::Dim, &format!("{key}:"));
                lines.block(Kind::Plain, "  ", text);
            }
            Some(text) => lines.add(Kind::Plain, &format!("{key}: {text}")),
            None => lines.add(Kind::Plain, &format!("{key}: {value}")),
        }
    }
}

/// A path without the root in front of it.
fn relative<'a>(path: &'a str, root: &str) -> &'a str {
    path.strip_prefix(root)
        .filter(|_| !root.is_empty())
        .and_then(|rest| rest.strip_prefix('/'))
        .unwrap_or(path)
}
