//! The lines above a prompt: trouble, what the agent does now, what waits, how to go on writing.

use super::{Around, Search};
use crate::model::agent::AgentState;
use crate::ui::prompt::Prompt;
use crate::ui::text::harmless;

/// Queued prompts that are shown; more are counted.
const QUEUED: usize = 3;

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// Something is broken.
    Bad,
    /// The person is at it.
    Loud,
    /// Good to know.
    Quiet,
}

/// A line above the prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    /// How much it matters.
    pub(super) weight: Weight,
    /// The line.
    pub(super) text: String,
}

/// The words that are looked for.
pub(super) fn search(search: &Search) -> Note {
    let found = match (search.found, search.field.is_empty()) {
        (_, true) => String::new(),
        (0, false) => "  nothing".to_owned(),
        (count, false) => format!("  {count} found"),
    };
    let text = format!("/{}{found}", search.field.text());
    Note { weight: Weight::Loud, text: harmless(&text).into_owned() }
}

/// The notes of a pane, the most important last, nearest to the prompt.
pub(super) fn of(around: &Around<'_>, prompt: &Prompt) -> Vec<Note> {
    let info = around.info;
    let mut notes = Vec::new();
    let mut quiet = |text: String| {
        let text = harmless(&text).replace('\n', " ");
        notes.push(Note { weight: Weight::Quiet, text });
    };
    if let Some(activity) = &info.activity {
        quiet(format!("· {activity}"));
    }
    if !info.background.is_empty() {
        quiet(format!("in the background: {}", info.background.join(" · ")));
    }
    for queued in info.queue.iter().take(QUEUED) {
        quiet(format!("queued  {}", queued.text));
    }
    if info.queue.len() > QUEUED {
        quiet(format!("queued  and {} more", info.queue.len() - QUEUED));
    }
    let candidates = prompt.candidates(&info.commands);
    if around.focused
        && let Some(first) = candidates.first()
    {
        if candidates.len() == 1 {
            let hint = if first.hint.is_empty() { "" } else { " " };
            quiet(format!("/{}{hint}{}  {}", first.name, first.hint, first.description));
        } else {
            let names: Vec<_> =
                candidates.iter().map(|command| format!("/{}", command.name)).collect();
            quiet(names.join("  "));
        }
    }
    let broken = matches!(info.state, AgentState::Error | AgentState::Dead);
    if let Some(trouble) = info.trouble.as_ref().filter(|_| broken) {
        for line in trouble.lines().take(3) {
            notes.push(Note { weight: Weight::Bad, text: harmless(line).into_owned() });
        }
    }
    notes
}
