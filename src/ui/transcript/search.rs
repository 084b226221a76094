//! Search within the loaded items: plain text, and upper case only matters if it is written.

use std::ops::Range;

use serde_json::Value;

use super::Transcript;
use super::layout::{Key, Layout};
use crate::model::id::ItemId;
use crate::model::transcript::{Body, Item};
use crate::ui::scroll::Strip;

/// What is searched, and where it was found.
#[derive(Debug, Default)]
pub(super) struct Search {
    needle: Needle,
    /// Items that hold it, as they are shown from top to bottom.
    hits: Vec<ItemId>,
    /// The row that was jumped to last.
    at: Option<(Key, usize)>,
}

/// The text that is looked for.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Needle {
    text: String,
    exact: bool,
}

impl Needle {
    /// A query without capitals finds all spellings.
    pub(super) fn new(query: &str) -> Self {
        let exact = query.chars().any(char::is_uppercase);
        Self { text: if exact { query.to_owned() } else { query.to_lowercase() }, exact }
    }

    /// The places where it stands in `text`, as byte ranges.
    pub(super) fn find(&self, text: &str) -> Vec<Range<usize>> {
        if self.text.is_empty() {
            return Vec::new();
        }
        let length = self.text.len();
        if self.exact {
            return text.match_indices(&self.text).map(|(at, _)| at..at + length).collect();
        }
        let lower = text.to_ascii_lowercase();
        if self.text.is_ascii() || !has_other_capitals(text) {
            return lower.match_indices(&self.text).map(|(at, _)| at..at + length).collect();
        }
        // Lower case may take another number of bytes: each byte remembers where it came from.
        let mut folded = String::new();
        let mut origin = Vec::new();
        for (at, c) in text.char_indices() {
            for lower in c.to_lowercase() {
                folded.push(lower);
                origin.resize(folded.len(), at);
            }
        }
        origin.push(text.len());
        let end_of = |at: usize| {
            let last = origin[at.saturating_sub(1)];
            text[last..].chars().next().map_or(text.len(), |c| last + c.len_utf8())
        };
        folded.match_indices(&self.text).map(|(at, _)| origin[at]..end_of(at + length)).collect()
    }

    fn count(&self, text: &str) -> usize {
        self.find(text).len()
    }
}

fn has_other_capitals(text: &str) -> bool {
    !text.is_ascii() && text.chars().any(|c| !c.is_ascii() && c.is_uppercase())
}

impl Search {
    /// What the rows on the screen are searched for.
    pub(super) fn needle(&self) -> Option<&Needle> {
        (!self.needle.text.is_empty()).then_some(&self.needle)
    }
}

impl Transcript {
    /// Looks for `query` in the loaded items and says how often it is there; an empty one ends the
    /// search.
    pub fn search(&mut self, query: &str) -> usize {
        let needle = Needle::new(query);
        let mut total = 0;
        let mut hits = Vec::new();
        if !query.is_empty() {
            for entry in self.layout.content.entries.values() {
                let count = count_in(&entry.item, &needle);
                total += count;
                if count > 0 {
                    hits.push(entry.item.id);
                }
            }
        }
        self.search = Search { needle, hits, at: None };
        total
    }

    /// Brings the next match below onto the screen. Returns whether there is one.
    pub fn next_match(&mut self) -> bool {
        self.step_match(true)
    }

    /// Brings the match above onto the screen. Returns whether there is one.
    pub fn prev_match(&mut self) -> bool {
        self.step_match(false)
    }

    fn step_match(&mut self, forward: bool) -> bool {
        let start = self.search.at;
        let from = match start {
            Some((key, _)) => key.item,
            None => match (forward, self.visible.first(), self.visible.last()) {
                (true, Some(shown), _) | (false, _, Some(shown)) => shown.slice.key.item,
                (true, None, _) | (false, _, None) => return false,
            },
        };
        let hits = self.search.hits.clone();
        let split = hits.partition_point(|hit| *hit < from);
        let candidates: Vec<ItemId> = if forward {
            hits[split..].to_vec()
        } else {
            let end = hits.partition_point(|hit| *hit <= from);
            hits[..end].iter().rev().copied().collect()
        };
        for item in candidates {
            let after = start.filter(|(key, _)| key.item == item);
            self.open_up(item);
            if let Some((key, row)) = self.match_in(item, after, forward) {
                self.search.at = Some((key, row));
                let line = usize::from(self.size.height) / 3;
                self.put(key, row, line);
                return true;
            }
        }
        false
    }

    /// Unfolds what hides an item or a part of it.
    fn open_up(&mut self, item: ItemId) {
        let content = &mut self.layout.content;
        let mut at = Some(item);
        while let Some(id) = at {
            if content.is_folded(id) {
                content.flip(id);
            }
            at = content.parent(id);
        }
    }

    /// The first row of `item` with a match beyond `after`.
    fn match_in(
        &mut self,
        item: ItemId,
        after: Option<(Key, usize)>,
        forward: bool,
    ) -> Option<(Key, usize)> {
        let needle = self.search.needle.clone();
        let beyond = |key: Key, row: usize| match after {
            Some((last, at)) if forward => (key.part, row) > (last.part, at),
            Some((last, at)) => (key.part, row) < (last.part, at),
            None => true,
        };
        let mut parts = vec![Layout::head(item)];
        while let Some(last) = parts.last().copied()
            && let Some(next) = self.layout.next(last).filter(|next| next.item == item)
        {
            parts.push(next);
        }
        if !forward {
            parts.reverse();
        }
        for key in parts {
            let rows = self.layout.rows(key);
            let hit = |row: &usize| beyond(key, *row) && needle.count(&rows[*row].to_string()) > 0;
            let found =
                if forward { (0..rows.len()).find(hit) } else { (0..rows.len()).rev().find(hit) };
            if let Some(row) = found {
                return Some((key, row));
            }
        }
        None
    }
}

fn count_in(item: &Item, needle: &Needle) -> usize {
    match &item.body {
        Body::Prompt { text, .. }
        | Body::Text { text }
        | Body::Thinking { text }
        | Body::Notice { text, .. }
        | Body::Raw { line: text } => needle.count(text),
        Body::Tool(call) => {
            let result = call.result.as_ref();
            let hunks = result.into_iter().flat_map(|result| &result.hunks);
            let lines: usize =
                hunks.flat_map(|hunk| &hunk.lines).map(|line| needle.count(line)).sum();
            let text = result.map_or(0, |result| needle.count(&result.text));
            needle.count(&call.name) + count_json(&call.input, needle) + text.max(lines)
        }
        Body::Todo { entries } => entries.iter().map(|entry| needle.count(&entry.text)).sum(),
        Body::TurnEnd(end) => end.message.as_ref().map_or(0, |text| needle.count(text)),
    }
}

fn count_json(value: &Value, needle: &Needle) -> usize {
    match value {
        Value::String(text) => needle.count(text),
        Value::Array(values) => values.iter().map(|value| count_json(value, needle)).sum(),
        Value::Object(fields) => fields.values().map(|value| count_json(value, needle)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_query_with_capitals_minds_them() {
        assert_eq!(Needle::new("span").find("Span span SPAN").len(), 3);
        assert_eq!(Needle::new("Span").find("Span span SPAN"), vec![(0..4)]);
        assert_eq!(Needle::new("über").find("ÜBER über"), [0..5, 6..11]);
        assert_eq!(Needle::new("i\u{307}x").find("xİx"), vec![(1..4)]);
        assert!(Needle::new("").find("x").is_empty());
    }
}
