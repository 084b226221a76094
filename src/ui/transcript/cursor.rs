//! The cursor of the transcript: what is selected, folded, and copied.

use serde_json::Value;

use super::layout::{Key, Layout};
use super::tool::field;
use super::{Transcript, entry, tool_body};
use crate::model::id::ItemId;
use crate::model::transcript::{Body, TodoState, ToolCall};
use crate::ui::diff;

impl Transcript {
    /// The selected item.
    pub fn selected(&self) -> Option<ItemId> {
        self.selected
    }

    /// Selects the item that can be folded before the selected one; at first the last one on the
    /// screen. Returns whether there is one.
    pub fn select_prev(&mut self) -> bool {
        let from = self.visible.last().map(|shown| shown.slice.key.item);
        self.select_step(from, false)
    }

    /// Selects the item that can be folded behind the selected one; at first the first one on the
    /// screen. Returns whether there is one.
    pub fn select_next(&mut self) -> bool {
        let from = self.visible.first().map(|shown| shown.slice.key.item);
        self.select_step(from, true)
    }

    fn select_step(&mut self, from: Option<ItemId>, forward: bool) -> bool {
        let content = &self.layout.content;
        let step = |id| if forward { content.next_item(id) } else { content.prev_item(id) };
        let mut at = match self.selected.and_then(|id| content.shown(id)) {
            Some(id) => step(id),
            None => from,
        };
        while let Some(id) = at
            && !content.is_foldable(id)
        {
            at = step(id);
        }
        let Some(id) = at else { return false };
        self.selected = Some(id);
        self.reveal(id, forward);
        true
    }

    /// Selects an item, whether it can be folded or not.
    pub fn select(&mut self, item: ItemId) {
        self.selected = self.layout.content.shown(item);
    }

    /// Selects nothing.
    pub fn select_none(&mut self) {
        self.selected = None;
    }

    /// The item on this row of the screen.
    pub fn item_at(&self, row: u16) -> Option<ItemId> {
        let mut left = usize::from(row);
        for shown in &self.visible {
            if left < shown.slice.take {
                return (left + shown.slice.skip >= shown.gap).then_some(shown.slice.key.item);
            }
            left -= shown.slice.take;
        }
        None
    }

    /// On which row of the screen the first row of an item is.
    fn line_of(&self, item: ItemId) -> Option<usize> {
        let mut line = 0;
        for shown in &self.visible {
            let slice = shown.slice;
            if slice.key == Layout::head(item) && slice.skip <= shown.gap {
                let gap = shown.gap - slice.skip;
                return (gap < slice.take).then_some(line + gap);
            }
            line += slice.take;
        }
        None
    }

    /// Scrolls as little as needed to have the first row of an item on the screen.
    fn reveal(&mut self, item: ItemId, forward: bool) {
        if self.line_of(item).is_some() {
            return;
        }
        let height = usize::from(self.size.height);
        let key = Layout::head(item);
        let rows = self.layout.rows(key).len();
        let line = if forward { height.saturating_sub(rows.clamp(1, height.max(1))) } else { 0 };
        self.put(key, 0, line);
    }

    /// Puts a row of a block on a line of the window.
    pub(super) fn put(&mut self, key: Key, row: usize, line: usize) {
        self.note_seen();
        let gap = self.layout.gap(key);
        self.window.put(&mut self.layout, key, gap + row, line);
    }

    /// Folds or unfolds the selected item, its first row staying where it is. Returns whether
    /// there was something to fold.
    pub fn toggle_fold(&mut self) -> bool {
        let Some(id) = self.selected.filter(|id| self.layout.content.is_foldable(*id)) else {
            return false;
        };
        let line = self.line_of(id);
        self.layout.content.flip(id);
        if let Some(line) = line {
            let key = Layout::head(id);
            let gap = self.layout.gap(key);
            self.window.put(&mut self.layout, key, gap, line);
        }
        true
    }

    /// Folds everything that can be folded, what is still to come too.
    pub fn fold_all(&mut self) {
        self.layout.content.fold_all(true);
    }

    /// Unfolds everything, what is still to come too.
    pub fn unfold_all(&mut self) {
        self.layout.content.fold_all(false);
    }

    /// The text of the selected item, or of the agent's last words if none is selected.
    pub fn copy_selected(&self) -> Option<String> {
        let entries = &self.layout.content.entries;
        let body = match self.selected {
            Some(id) => &entries.get(&id)?.item.body,
            None => entries
                .values()
                .rev()
                .filter(|entry| entry.item.parent.is_none())
                .map(|entry| &entry.item.body)
                .find(|body| matches!(body, Body::Text { text } if !text.trim().is_empty()))?,
        };
        Some(match body {
            Body::Prompt { .. }
            | Body::Text { .. }
            | Body::Thinking { .. }
            | Body::Notice { .. }
            | Body::Raw { .. } => entry::text_of(body).to_owned(),
            Body::Tool(call) => call_text(call),
            Body::Todo { entries } => entries
                .iter()
                .map(|entry| {
                    let done = if entry.state == TodoState::Done { "x" } else { " " };
                    format!("- [{done}] {}\n", entry.text)
                })
                .collect(),
            Body::TurnEnd(end) => end.message.clone()?,
        })
    }
}

/// The change of a file, else the output, else the input.
fn call_text(call: &ToolCall) -> String {
    let hunks = tool_body::change(call);
    if !hunks.is_empty() {
        return diff::unified(&hunks);
    }
    if let Some(result) = call.result.as_ref().filter(|result| !result.text.is_empty()) {
        return result.text.clone();
    }
    match (field(call, "command"), &call.input) {
        (Some(command), _) => command.to_owned(),
        (None, Value::Null) => String::new(),
        (None, input) => serde_json::to_string_pretty(input).unwrap_or_default(),
    }
}
