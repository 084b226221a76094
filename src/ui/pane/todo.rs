//! The agent's list of things to do, pinned below its transcript: one line, or a line for each.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::model::transcript::{TodoEntry, TodoState};
use crate::ui::text::{fit, harmless, width};
use crate::ui::theme::Theme;

/// Lines of an unfolded list at most.
const LINES: usize = 8;

/// Rows of the transcript that an unfolded list leaves at least.
const LEAVES: u16 = 16;

/// How many rows the list wants of `left`.
pub(super) fn rows(entries: &[TodoEntry], folded: bool, left: u16, room: u16) -> u16 {
    let all_done = entries.iter().all(|entry| entry.state == TodoState::Done);
    if entries.is_empty() || left < 4 || (all_done && left < LEAVES) {
        return 0;
    }
    let lines = u16::try_from(entries.len().min(LINES)).unwrap_or(1);
    let fits_one = width(&one_line(entries)) <= usize::from(room);
    if folded || all_done || fits_one || left < LEAVES + lines { 1 } else { lines }
}

/// Draws the list in as many rows as it got.
pub(super) fn draw(entries: &[TodoEntry], area: Rect, buf: &mut Buffer, theme: &Theme) {
    let room = usize::from(area.width);
    if area.height == 1 {
        let line = one_line(entries);
        buf.set_stringn(area.x, area.y, fit(&line, room), room, theme.dim);
        return;
    }
    // The entry under way stays in view, with what was just done above it.
    let doing = entries.iter().position(|entry| entry.state != TodoState::Done).unwrap_or(0);
    let height = usize::from(area.height);
    let first = doing.saturating_sub(1).min(entries.len().saturating_sub(height));
    for (entry, y) in entries.iter().skip(first).zip(area.top()..area.bottom()) {
        let style = match entry.state {
            TodoState::Done => theme.dim,
            TodoState::Doing => theme.accent,
            TodoState::Open => theme.text,
        };
        buf.set_stringn(area.x, y, fit(&one(entry), room), room, style);
    }
}

/// All in one line, beginning with what is under way if there is much done already.
fn one_line(entries: &[TodoEntry]) -> String {
    let done = entries.iter().filter(|entry| entry.state == TodoState::Done).count();
    if done == entries.len() {
        return format!("☑ all {done} done");
    }
    let head = format!("{done}/{}  ", entries.len());
    let rest = entries.iter().filter(|entry| entry.state != TodoState::Done);
    head + &rest.map(one).collect::<Vec<_>>().join("  ")
}

fn one(entry: &TodoEntry) -> String {
    let sign = match entry.state {
        TodoState::Done => "☑",
        TodoState::Doing => "◐",
        TodoState::Open => "☐",
    };
    format!("{sign} {}", harmless(&entry.text).replace('\n', " "))
}
