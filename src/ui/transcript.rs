//! The transcript of a pane: everything an agent said and did, and a window onto it.
//!
//! - **A change costs what changed.** Text that grows is laid out again from its last block on;
//!   what is not on the screen is not laid out at all.
//! - **The window stays put.** At the end it follows the end. Anywhere else the row at its top
//!   stays at its top while output streams, items fold elsewhere, or the pane gets another width.
//! - **Anything may come.** Control characters, lines of a megabyte, a pane one cell wide: nothing
//!   here panics or lets through what moves the cursor.
//!
//! Items are not fetched here: [`Transcript::wants_older`] says when the loaded ones run out.

mod answers;
mod content;
mod cursor;
mod entry;
mod items;
mod layout;
mod search;
mod tool;
mod tool_body;
mod view;

use ratatui::layout::Size;

use self::layout::{Key, Layout};
use self::search::Search;
use super::scroll::{Slice, Strip, Window};
use super::theme::Theme;
use crate::model::id::ItemId;
use crate::model::transcript::{Body, Item, TodoEntry, ToolCall};

pub use layout::Work;
pub use view::TranscriptView;

/// A tool call in one line, and whether it went wrong; paths below `root` are relative to it.
pub fn brief(call: &ToolCall, root: &str) -> (String, bool) {
    tool::brief(call, &below(root))
}

/// Whether an item is how the back end notes that the person ended the turn, which the end of the
/// turn says in our words.
pub fn is_interrupt_mark(body: &Body) -> bool {
    items::is_interrupt_mark(body)
}

/// A root as it begins the paths below it.
fn below(root: &str) -> String {
    if root.ends_with('/') { root.to_owned() } else { format!("{root}/") }
}

/// More than this is not kept in memory while the window follows the end; the history has it.
const KEPT_BYTES: usize = 6 * 1_024 * 1_024;
/// What is kept of it then.
const KEPT_AFTER: usize = 3 * 1_024 * 1_024;
/// Items that are kept in any case.
const KEPT_ITEMS: usize = 200;
/// New blocks below the window are counted up to this.
const COUNTED_BLOCKS: usize = 256;
/// Rows that two pages have in common.
const PAGE_OVERLAP: usize = 2;

/// What happens to a transcript.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a change is taken apart where it is made")]
pub enum Change {
    /// An item is new, or is this now.
    Item(Item),
    /// The text of an open item has grown.
    Append {
        /// Which item.
        item: ItemId,
        /// What came.
        text: String,
    },
    /// It is another transcript now.
    Reset {
        /// Its last items.
        items: Vec<Item>,
        /// Whether older ones are stored.
        more_before: bool,
    },
    /// Older items were fetched.
    Older {
        /// Items that stand before the loaded ones.
        items: Vec<Item>,
        /// Whether still older ones are stored.
        more_before: bool,
    },
}

/// The transcript of one agent, where its window stands, and what is selected in it.
#[derive(Debug)]
pub struct Transcript {
    layout: Layout,
    window: Window<Key>,
    size: Size,
    visible: Vec<Shown>,
    selected: Option<ItemId>,
    search: Search,
    /// How far the person has seen the end, while the window is elsewhere.
    seen: Option<(Key, usize)>,
    new_below: usize,
    at_top: bool,
    asked_older: bool,
}

/// A block on the screen.
#[derive(Debug, Clone, Copy)]
struct Shown {
    slice: Slice<Key>,
    /// How many blank rows stand before its own.
    gap: usize,
    /// Cells it is set in by.
    indent: usize,
}

impl Default for Transcript {
    fn default() -> Self {
        Self::new()
    }
}

impl Transcript {
    /// An empty transcript.
    pub fn new() -> Self {
        Self {
            layout: Layout::new(),
            window: Window::default(),
            size: Size::default(),
            visible: Vec::new(),
            selected: None,
            search: Search::default(),
            seen: None,
            new_below: 0,
            at_top: true,
            asked_older: false,
        }
    }

    /// Sets the root of the workspace; paths below it are shown relative to it.
    pub fn set_root(&mut self, root: &str) {
        self.layout.set_root(below(root));
    }

    /// Takes a change. Nothing is laid out before the next [`measure`](Self::measure).
    pub fn apply(&mut self, change: Change) {
        let content = &mut self.layout.content;
        match change {
            Change::Item(item) => content.put(item),
            Change::Append { item, text } => content.append(item, &text),
            Change::Reset { items, more_before } => {
                self.layout.clear();
                let content = &mut self.layout.content;
                content.put_older(items, more_before);
                self.window.to_end();
                self.visible.clear();
                (self.selected, self.seen, self.new_below) = (None, None, 0);
                self.search = Search::default();
                self.asked_older = false;
            }
            Change::Older { items, more_before } => {
                content.put_older(items, more_before);
                self.asked_older = false;
            }
        }
    }

    /// Learns its size and colours, and lays out what is on the screen.
    pub fn measure(&mut self, size: Size, theme: &Theme) {
        self.visible.clear();
        self.layout.set_theme(theme);
        let width = usize::from(size.width);
        if width != self.layout.look.width {
            self.rewrap(width);
        }
        self.size = size;
        if width == 0 || size.height == 0 {
            return;
        }
        if self.window.at_end() {
            self.trim();
        }
        let slices = self.window.settle(&mut self.layout, usize::from(size.height));
        for slice in &slices {
            self.layout.rows(slice.key);
            let gap = self.layout.gap(slice.key);
            let indent = self.layout.indent(slice.key.item);
            self.visible.push(Shown { slice: *slice, gap, indent });
        }
        let first = self.layout.first();
        self.at_top = slices.first().is_none_or(|slice| Some(slice.key) == first);
        self.note_seen();
        self.count_new();
        self.layout.evict(&slices);
    }

    /// Changes the width; a window in the middle of a block stays about there.
    fn rewrap(&mut self, width: usize) {
        let held = if self.window.at_end() || self.layout.look.width == 0 {
            None
        } else {
            self.window.top(&mut self.layout)
        };
        let before = held.map(|(key, _)| self.layout.height(key));
        self.layout.look.width = width;
        if let (Some((key, row)), Some(before)) = (held, before)
            && width > 0
        {
            let now = self.layout.height(key);
            self.window.hold(key, row * now / before.max(1));
        }
    }

    /// Drops the oldest items where there are too many, as long as nobody looks at them.
    fn trim(&mut self) {
        let content = &mut self.layout.content;
        if content.bytes <= KEPT_BYTES || content.entries.len() <= KEPT_ITEMS {
            return;
        }
        let mut kept = 0;
        let from = content.entries.iter().rev().enumerate().find(|(count, (_, entry))| {
            kept += items::weight(&entry.item);
            *count >= KEPT_ITEMS && kept > KEPT_AFTER
        });
        if let Some((_, (id, _))) = from {
            let id = *id;
            content.drop_before(id);
        }
    }

    /// How many rows came below the window while it was not at the end. Counting stops at some
    /// hundreds of blocks.
    pub fn new_below(&self) -> usize {
        self.new_below
    }

    /// Remembers what the end was when the window left it.
    fn note_seen(&mut self) {
        if self.window.at_end() {
            self.seen = None;
        } else if self.seen.is_none() {
            let last = self.layout.last();
            self.seen = last.map(|last| (last, self.layout.height(last)));
        }
    }

    fn count_new(&mut self) {
        self.new_below = 0;
        let Some((mut seen, mut rows)) = self.seen else { return };
        let Some(bottom) = self.visible.last().map(|shown| shown.slice) else { return };
        let end = bottom.skip + bottom.take;
        if bottom.key == seen && end > rows {
            rows = end;
        }
        let mut at = self.layout.last();
        for _ in 0..COUNTED_BLOCKS {
            let Some(key) = at else { break };
            let height = self.layout.height(key);
            if key == seen {
                self.new_below += height.saturating_sub(rows);
                break;
            }
            if key == bottom.key {
                // The window has passed what was seen.
                (seen, rows) = (key, end);
                self.new_below += height.saturating_sub(end);
                break;
            }
            self.new_below += height;
            at = self.layout.prev(key);
        }
        self.seen = Some((seen, rows));
    }

    /// Moves the window by `rows`, down if positive.
    pub fn scroll(&mut self, rows: i32) {
        self.note_seen();
        self.window.scroll(&mut self.layout, i64::from(rows));
    }

    /// Moves the window up by a page.
    pub fn page_up(&mut self) {
        self.scroll(-self.page());
    }

    /// Moves the window down by a page.
    pub fn page_down(&mut self) {
        self.scroll(self.page());
    }

    fn page(&self) -> i32 {
        let height = usize::from(self.size.height);
        i32::try_from(height.saturating_sub(PAGE_OVERLAP).max(1)).unwrap_or(1)
    }

    /// Follows the end from now on.
    pub fn to_end(&mut self) {
        self.window.to_end();
    }

    /// Shows the first of the loaded items.
    pub fn to_start(&mut self) {
        self.note_seen();
        self.window.to_start(&mut self.layout);
    }

    /// Whether the window follows the end.
    pub fn at_end(&self) -> bool {
        self.window.at_end()
    }

    /// Brings the prompt above the window to its top.
    pub fn prev_prompt(&mut self) {
        let Some((key, row)) = self.window.top(&mut self.layout) else { return };
        // A prompt whose first row is at the top is where the person came from.
        let within = key.part > 0 || row > self.layout.gap(key);
        let before = if within { ItemId(key.item.0.saturating_add(1)) } else { key.item };
        match self.layout.content.prompt_near(before, false) {
            Some(prompt) => self.bring_up(prompt),
            None => self.to_start(),
        }
    }

    /// Brings the next prompt below the window's top to its top.
    pub fn next_prompt(&mut self) {
        let Some((key, row)) = self.window.top(&mut self.layout) else { return };
        let shown = key.part > 0 || row >= self.layout.gap(key);
        let after = if shown { key.item } else { ItemId(key.item.0.saturating_sub(1)) };
        match self.layout.content.prompt_near(after, true) {
            Some(prompt) => self.bring_up(prompt),
            None => self.to_end(),
        }
    }

    fn bring_up(&mut self, item: ItemId) {
        self.note_seen();
        let key = Layout::head(item);
        let gap = self.layout.gap(key);
        self.window.put(&mut self.layout, key, gap, 0);
    }

    /// Whether the window shows the first of the loaded items and older ones are stored that
    /// nobody has asked for.
    pub fn wants_older(&self) -> bool {
        self.layout.content.more_before && self.at_top && !self.asked_older
    }

    /// Says that older items were asked for; there is no need to ask again before they come.
    pub fn asked_older(&mut self) {
        self.asked_older = true;
    }

    /// The smallest id that is loaded: older items stand before it.
    pub fn first_id(&self) -> Option<ItemId> {
        self.layout.content.first_id()
    }

    /// The agent's list of things to do as it stands now.
    pub fn latest_todo(&self) -> Option<&[TodoEntry]> {
        self.layout.content.latest_todo().map(|(_, entries)| entries)
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.layout.content.entries.is_empty()
    }

    /// How much was laid out since the beginning.
    pub fn work(&self) -> Work {
        self.layout.work
    }
}

#[cfg(test)]
mod tests;
