//! A plain stand-in for the transcript of a pane.

use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::widgets::Widget;

use super::text::harmless;
use super::theme::Theme;
use super::wrap;
use crate::model::id::ItemId;
use crate::model::transcript::{Body, Item, TodoEntry};

/// What changes a transcript.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a change is taken apart where it is made")]
pub enum Change {
    /// An item is new, or is this now.
    Item(Item),
    /// The text of an item has grown.
    Append {
        /// Which item.
        item: ItemId,
        /// What came.
        text: String,
    },
    /// Another transcript.
    Reset {
        /// Its last items.
        items: Vec<Item>,
        /// Whether older ones are stored.
        more_before: bool,
    },
    /// Older items.
    Older {
        /// The items, oldest first.
        items: Vec<Item>,
        /// Whether even older ones are stored.
        more_before: bool,
    },
}

/// The transcript of a pane.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    items: Vec<Item>,
    rows: Vec<String>,
    height: usize,
    up: usize,
    more_before: bool,
    asked_older: bool,
}

impl Transcript {
    /// An empty transcript.
    pub fn new() -> Self {
        Self::default()
    }

    /// Paths below this are shown relative to it.
    pub fn set_root(&mut self, _root: String) {}

    /// Takes in a change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Item(item) => match self.items.iter_mut().find(|old| old.id == item.id) {
                Some(old) => *old = item,
                None => self.items.push(item),
            },
            Change::Append { item, text } => {
                if let Some(old) = self.items.iter_mut().find(|old| old.id == item)
                    && let Body::Text { text: all } | Body::Thinking { text: all } = &mut old.body
                {
                    all.push_str(&text);
                }
            }
            Change::Reset { items, more_before } => {
                self.items = items;
                (self.more_before, self.asked_older) = (more_before, false);
            }
            Change::Older { mut items, more_before } => {
                items.append(&mut self.items);
                self.items = items;
                (self.more_before, self.asked_older) = (more_before, false);
            }
        }
    }

    /// Learns its size.
    pub fn measure(&mut self, size: Size, _theme: &Theme) {
        let Size { width, height } = size;
        self.rows.clear();
        for item in &self.items {
            let text = match &item.body {
                Body::Prompt { text, .. } => format!("› {text}\n "),
                Body::Text { text } | Body::Thinking { text } => format!("{text}\n "),
                Body::Tool(tool) => format!("▸ {}", tool.name),
                Body::Notice { text, .. } => text.clone(),
                Body::Raw { line } => line.clone(),
                Body::Todo { .. } | Body::TurnEnd(_) => continue,
            };
            for line in harmless(&text).lines() {
                let rows = wrap::rows(line, usize::from(width));
                self.rows.extend(rows.into_iter().map(|row| line[row].to_owned()));
            }
        }
        self.height = usize::from(height);
        self.up = self.up.min(self.rows.len().saturating_sub(self.height));
    }

    /// Scrolls down by rows.
    pub fn scroll(&mut self, rows: i32) {
        self.up = self.up.saturating_add_signed(-(rows as isize));
    }

    /// Scrolls a page up.
    pub fn page_up(&mut self) {
        self.up += self.height;
    }

    /// Scrolls a page down.
    pub fn page_down(&mut self) {
        self.up = self.up.saturating_sub(self.height);
    }

    /// Shows the start.
    pub fn to_start(&mut self) {
        self.up = self.rows.len();
    }

    /// Shows the end.
    pub fn to_end(&mut self) {
        self.up = 0;
    }

    /// Shows the prompt before.
    pub fn prev_prompt(&mut self) {
        self.up += self.height;
    }

    /// Shows the prompt after.
    pub fn next_prompt(&mut self) {
        self.up = self.up.saturating_sub(self.height);
    }

    /// Whether the start of what is known is near.
    pub fn wants_older(&self) -> bool {
        let near = self.up > 0 && self.up + self.height >= self.rows.len();
        self.more_before && !self.asked_older && near
    }

    /// Says that older items were asked for.
    pub fn asked_older(&mut self) {
        self.asked_older = true;
    }

    /// The smallest id that is known.
    pub fn first_id(&self) -> Option<ItemId> {
        self.items.first().map(|item| item.id)
    }

    /// What came below the screen.
    pub fn new_below(&self) -> usize {
        self.up
    }

    /// Chooses the entry before.
    pub fn select_prev(&mut self) -> bool {
        self.up += 1;
        true
    }

    /// Chooses the entry after.
    pub fn select_next(&mut self) -> bool {
        self.up = self.up.saturating_sub(1);
        true
    }

    /// Chooses an entry.
    pub fn select(&mut self, _item: ItemId) {}

    /// Chooses nothing.
    pub fn select_none(&mut self) {}

    /// The entry on this row.
    pub fn item_at(&self, _row: u16) -> Option<ItemId> {
        None
    }

    /// Folds or unfolds the chosen entry.
    pub fn toggle_fold(&mut self) -> bool {
        false
    }

    /// Looks for words; says how often they are there.
    pub fn search(&mut self, query: &str) -> usize {
        self.rows.iter().filter(|row| !query.is_empty() && row.contains(query)).count()
    }

    /// The next match.
    pub fn next_match(&mut self) -> bool {
        false
    }

    /// The match before.
    pub fn prev_match(&mut self) -> bool {
        false
    }

    /// The chosen entry's text.
    pub fn copy_selected(&self) -> Option<String> {
        self.rows.last().cloned()
    }

    /// The list of things to do as it stands now.
    pub fn latest_todo(&self) -> Option<&[TodoEntry]> {
        self.items.iter().rev().find_map(|item| match &item.body {
            Body::Todo { entries } => Some(entries.as_slice()),
            Body::Prompt { .. }
            | Body::Text { .. }
            | Body::Thinking { .. }
            | Body::Tool(_)
            | Body::Notice { .. }
            | Body::TurnEnd(_)
            | Body::Raw { .. } => None,
        })
    }
}

/// A transcript as it is drawn.
pub struct TranscriptView<'a> {
    /// The transcript.
    pub transcript: &'a Transcript,
    /// The colours.
    pub theme: &'a Theme,
    /// Whether it has the keys.
    pub focused: bool,
}

impl Widget for TranscriptView<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let all = &self.transcript.rows;
        let end = all.len().saturating_sub(self.transcript.up);
        let start = end.saturating_sub(usize::from(area.height));
        for (row, y) in all[start..end].iter().zip(area.top()..area.bottom()) {
            buf.set_stringn(area.x, y, row, usize::from(area.width), self.theme.text);
        }
    }
}
