//! The preview: the facts of the chosen session and the end of what was said in it.
//!
//! It never shows the words of another session than the chosen one, and holds at most
//! [`LARGEST`] bytes of them however large the transcript is.

use ratatui::style::Style;

use super::words;
use crate::model::id::SessionId;
use crate::model::session::{SessionHit, TranscriptPage};
use crate::model::time::Wall;
use crate::model::transcript::{Body, Item, Level, Speaker, TodoState, TurnEnd};
use crate::ui::text;
use crate::ui::text::wrap::{Break, wrapped};
use crate::ui::transcript::{brief, is_interrupt_mark};

/// Items that are asked for.
pub(super) const ITEMS: usize = 60;

/// Bytes of a transcript that are kept for the preview.
const LARGEST: usize = 64 * 1024;

/// Characters of one paragraph that are kept.
const PARAGRAPH: usize = 2_000;

/// What a line means; the theme gives it its colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Title,
    Prompt,
    Text,
    Dim,
    Warn,
    Bad,
}

/// A line and its meaning.
pub(super) type Toned = (Tone, String);

/// What is known of the chosen session's transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Words {
    /// Nothing is chosen.
    None,
    /// They are on their way.
    Coming,
    /// The end of the transcript, one entry per paragraph.
    Here(Vec<Toned>),
    /// They did not come.
    Failed(String),
}

/// The preview of one session.
#[derive(Debug, Clone)]
pub(super) struct Preview {
    session: Option<SessionId>,
    words: Words,
    wrapped: Vec<Toned>,
    /// For which width `wrapped` was made.
    width: Option<usize>,
    /// Lines between the end and the last line on the screen.
    back: usize,
    height: usize,
}

impl Preview {
    pub(super) fn new() -> Self {
        Self {
            session: None,
            words: Words::None,
            wrapped: Vec::new(),
            width: None,
            back: 0,
            height: 0,
        }
    }

    /// Turns to another session; says whether it is another one.
    pub(super) fn choose(&mut self, session: Option<SessionId>) -> bool {
        if self.session == session {
            return false;
        }
        let words = if session.is_some() { Words::Coming } else { Words::None };
        *self = Self { session, words, ..Self::new() };
        true
    }

    /// Whether the words of the chosen session are still to come.
    pub(super) fn wants(&self) -> Option<&SessionId> {
        self.session.as_ref().filter(|_| self.words == Words::Coming)
    }

    /// Takes what came, if it is of the chosen session, whose workspace is `root`.
    pub(super) fn take(
        &mut self,
        session: &SessionId,
        root: &str,
        came: Result<&TranscriptPage, String>,
    ) {
        if self.session.as_ref() == Some(session) {
            self.words = match came {
                Ok(page) => Words::Here(paragraphs(page, root)),
                Err(why) => Words::Failed(why),
            };
            self.width = None;
        }
    }

    /// Wraps for this size, if it was not done.
    pub(super) fn measure(&mut self, width: usize, height: usize) {
        if self.width != Some(width) {
            self.width = Some(width);
            let dim = |text: &str| vec![(Tone::Dim, text.to_owned())];
            self.wrapped = match &self.words {
                Words::None => Vec::new(),
                Words::Coming => dim("…"),
                Words::Here(said) if said.is_empty() => dim("nothing was said in it"),
                Words::Here(said) => wrap_all(said, width),
                Words::Failed(why) => wrap_all(&[(Tone::Bad, format!("✗ {why}"))], width),
            };
        }
        self.height = height;
        self.back = self.back.min(self.wrapped.len().saturating_sub(height));
    }

    /// Goes back (or, below zero, on) by so many lines.
    pub(super) fn scroll(&mut self, lines: isize) {
        let most = self.wrapped.len().saturating_sub(self.height);
        self.back = self.back.saturating_add_signed(lines).min(most);
    }

    /// A screenful less one line, to scroll by.
    pub(super) fn page(&self) -> isize {
        isize::try_from(self.height.saturating_sub(1).max(1)).unwrap_or(1)
    }

    /// The lines on the screen.
    pub(super) fn lines(&self) -> &[Toned] {
        let end = self.wrapped.len().saturating_sub(self.back);
        &self.wrapped[end.saturating_sub(self.height)..end]
    }

    /// How many lines lie below.
    pub(super) fn back(&self) -> usize {
        self.back
    }
}

/// The facts of a session above its words; few of them if there is little room.
pub(super) fn facts(hit: &SessionHit, title: &str, now: Wall, room: usize) -> Vec<Toned> {
    let row = &hit.row;
    let dim = |text: String| (Tone::Dim, words::one_line(&text, PARAGRAPH));
    let mut lines = vec![(Tone::Title, title.to_owned())];
    if hit.open {
        lines.push((Tone::Warn, "open here, it goes on in its pane".to_owned()));
    } else if !hit.resumable {
        lines.push((Tone::Bad, format!("✗ {}", obstacle(hit))));
    }
    let model = row.spec.model.as_deref().unwrap_or("default model");
    lines.push(dim(format!(
        "{} · {model} · {} · {} · {}",
        row.agent,
        row.spec.permission_mode.as_str(),
        words::some(row.turns as usize, "turn"),
        words::money(row.usage.cost_usd)
    )));
    if room < 14 {
        return lines;
    }
    let branch = if row.branch.is_empty() { "no branch" } else { &row.branch };
    lines.push(dim(format!("{} · {branch}", row.cwd)));
    for (word, at) in [("began  ", row.started_at), ("changed", row.updated_at)] {
        lines.push(dim(format!("{word} {} · {}", words::moment(at), words::ago(now, at))));
    }
    let theirs = row.backend_session_id.as_deref().unwrap_or("never told");
    lines.push(dim(format!("session {}", row.id)));
    lines.push(dim(format!("{} session {theirs}", row.backend.as_str())));
    if let Some(parent) = &row.forked_from {
        lines.push(dim(format!("forked from {parent}")));
    }
    lines
}

/// Why a session cannot go on where it stopped.
pub(super) fn obstacle(hit: &SessionHit) -> String {
    let why = hit.obstacle.as_deref().unwrap_or("it cannot go on where it stopped");
    words::one_line(why, PARAGRAPH)
}

fn last_said(lines: &[Toned]) -> Option<&Toned> {
    lines.iter().rev().find(|(_, text)| !text.is_empty())
}

/// The end of a transcript in paragraphs, oldest first; paths below `root` are relative to it.
fn paragraphs(page: &TranscriptPage, root: &str) -> Vec<Toned> {
    let mut newest_first: Vec<Toned> = Vec::new();
    let mut bytes = 0;
    for item in page.items.iter().rev().filter(|item| item.parent.is_none()) {
        let mut said = said(item, root);
        // The back end's mark and the end of the turn say the same.
        if said == [interrupted()] && last_said(&newest_first) == said.first() {
            said.clear();
        }
        bytes += said.iter().map(|(_, text)| text.len()).sum::<usize>();
        if bytes > LARGEST {
            break;
        }
        let gap = !said.is_empty() && !matches!(item.body, Body::Tool(_));
        newest_first.extend(said.into_iter().rev());
        if gap {
            newest_first.push((Tone::Text, String::new()));
        }
    }
    if newest_first.last().is_some_and(|(_, text)| text.is_empty()) {
        newest_first.pop();
    }
    newest_first.reverse();
    newest_first
}

/// An item in a few paragraphs; nothing if a preview can do without it.
fn said(item: &Item, root: &str) -> Vec<Toned> {
    let lines = |tone, mark: &str, text: &str| {
        text.trim()
            .lines()
            .enumerate()
            .map(|(place, line)| {
                let start: String = line.chars().take(PARAGRAPH).collect();
                let lead = if place == 0 { mark } else { "" };
                (tone, format!("{lead}{}", text::harmless(start.trim_end())))
            })
            .collect()
    };
    match &item.body {
        Body::Prompt { .. } if is_interrupt_mark(&item.body) => vec![interrupted()],
        Body::Prompt { text, from: Speaker::Person } => lines(Tone::Prompt, "› ", text),
        Body::Prompt { text, .. } => {
            let first = text.trim().lines().next().unwrap_or_default();
            vec![(Tone::Dim, format!("› {}", words::one_line(first, PARAGRAPH)))]
        }
        Body::Text { text } => lines(Tone::Text, "", text),
        Body::Thinking { .. } | Body::Raw { .. } => Vec::new(),
        Body::Tool(call) => {
            let (line, wrong) = brief(call, root);
            vec![(if wrong { Tone::Bad } else { Tone::Dim }, line)]
        }
        Body::Todo { entries } => {
            let done = entries.iter().filter(|entry| entry.state == TodoState::Done).count();
            vec![(Tone::Dim, format!("☑ {done} of {} done", entries.len()))]
        }
        Body::Notice { level: Level::Info, text } => lines(Tone::Dim, "", text),
        Body::Notice { level: Level::Warn, text } => lines(Tone::Warn, "", text),
        Body::Notice { level: Level::Error, text } => lines(Tone::Bad, "✗ ", text),
        Body::TurnEnd(end) => turn_end(end).into_iter().collect(),
    }
}

/// What stands for a turn that the person broke off.
fn interrupted() -> Toned {
    (Tone::Dim, "interrupted by you".to_owned())
}

fn turn_end(end: &TurnEnd) -> Option<Toned> {
    if end.interrupted {
        return Some(interrupted());
    }
    let why = end.message.as_deref().unwrap_or(&end.reason);
    end.is_error.then(|| (Tone::Bad, format!("✗ {}", words::one_line(why, PARAGRAPH))))
}

fn wrap_all(paragraphs: &[Toned], width: usize) -> Vec<Toned> {
    let mut lines = Vec::new();
    for (tone, text) in paragraphs {
        match tone {
            // Tool lines stay one line, so that the words between them stand out.
            Tone::Dim => lines.push((*tone, text::fit(text, width))),
            Tone::Title | Tone::Prompt | Tone::Text | Tone::Warn | Tone::Bad => {
                lines.extend(wrap(text, width).into_iter().map(|line| (*tone, line)));
            }
        }
    }
    lines
}

/// Breaks a paragraph between words, and words that are too long anywhere.
pub(super) fn wrap(paragraph: &str, width: usize) -> Vec<String> {
    let rows = wrapped(paragraph, Style::new(), width, Break::Words);
    if rows.is_empty() {
        return vec![String::new()];
    }
    rows.iter().map(|row| row.to_string().trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_break_between_words_and_never_exceed_the_width() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("漢字漢字", 5), ["漢字", "漢字"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("  indented", 20), ["  indented"]);
    }
}
