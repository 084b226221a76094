//! Markdown as agents write it, in rows of the screen.
//!
//! - **Growth is cheap.** A [`Document`] cuts a growing text into segments that can be laid out one
//!   by one. All but the last few are frozen: no later byte changes them, so their rows can be kept.
//! - **How it came does not matter.** A text that arrived in pieces has the segments of the same
//!   text that arrived at once.
//! - **Bounded.** No segment is longer than some ten kilobytes, whatever the text looks like.
//!
//! Lines are kept as they were written: agents break lines for a terminal, not for a page.

mod split;
mod table;
mod write;

use ratatui::style::Style;

use super::text::wrap::Row;
use super::theme::Theme;

pub use split::{Document, Kind, Segment, Update};

/// How markdown looks.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The colours.
    pub theme: &'a Theme,
    /// Ordinary text in it.
    pub base: Style,
}

/// The rows of one segment of `text`, none wider than `width`.
pub fn segment(text: &str, segment: &Segment, width: usize, look: Look<'_>) -> Vec<Row> {
    let source = text.get(segment.start..segment.end).unwrap_or_default();
    match &segment.kind {
        Kind::Prose => write::prose(source, width, look),
        Kind::Code { label, indent } => {
            let label = label.clone().and_then(|range| text.get(range));
            write::fenced(source, label, *indent, width, look)
        }
    }
}

/// The rows of a whole text, for those who show it once.
pub fn rows(text: &str, width: usize, look: Look<'_>) -> Vec<Row> {
    let mut document = Document::default();
    document.update(text);
    let mut rows = Vec::new();
    for part in document.segments() {
        if part.blank_before && !rows.is_empty() {
            rows.push(Row::default());
        }
        rows.extend(segment(text, part, width, look));
    }
    rows
}

#[cfg(test)]
mod tests;
