//! From items to rows: which are laid out, and which rows are kept.
//!
//! A block of the strip is an item, or one segment of an item that is markdown: a window over a
//! text of a megabyte lays out the segments that it shows.

use super::content::Content;
use super::entry::Stamp;
use super::items::{self, Facts};
use crate::model::id::ItemId;
use crate::model::transcript::{Body, ToolStatus};
use crate::ui::scroll::{Slice, Strip};
use crate::ui::text::wrap::Row;
use crate::ui::theme::Theme;

/// Rows that are kept beyond those on the screen; heights are kept of all.
const KEPT_ROWS: usize = 4_000;
/// What a sub-agent's items are set in by.
pub(super) const INDENT: &str = "│ ";
/// Its width.
const INDENT_CELLS: usize = 2;

/// A block: an item, and which of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) item: ItemId,
    pub(super) part: usize,
}

/// How much was done since the beginning, for tests and measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Bytes of markdown that were read or written as rows.
    pub bytes: usize,
    /// Blocks that were laid out.
    pub blocks: usize,
}

/// How everything looks.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) theme: Theme,
    /// The root of the workspace, with a slash behind it.
    pub(super) root: String,
    pub(super) width: usize,
    /// Grows with each change of theme or root.
    number: u32,
}

/// The items and their rows.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) content: Content,
    pub(super) look: Look,
    pub(super) work: Work,
    /// The blocks whose rows are kept, and how many rows these are.
    cached: Vec<Key>,
    cached_rows: usize,
}

impl Layout {
    pub(super) fn new() -> Self {
        Self {
            content: Content::default(),
            look: Look { theme: Theme::night(), root: String::new(), width: 0, number: 0 },
            work: Work::default(),
            cached: Vec::new(),
            cached_rows: 0,
        }
    }

    /// Forgets all items.
    pub(super) fn clear(&mut self) {
        self.content = Content::default();
        self.cached.clear();
        self.cached_rows = 0;
    }

    pub(super) fn set_theme(&mut self, theme: &Theme) {
        if self.look.theme != *theme {
            self.look.theme = theme.clone();
            self.look.number += 1;
        }
    }

    pub(super) fn set_root(&mut self, root: String) {
        self.look.root = root;
        self.look.number += 1;
    }

    /// Cells that rows of this item have.
    pub(super) fn room(&self, item: ItemId) -> usize {
        self.look.width - self.indent(item)
    }

    /// Cells that this item is set in by.
    pub(super) fn indent(&self, item: ItemId) -> usize {
        (self.content.depth(item) * INDENT_CELLS).min(self.look.width / 2 / INDENT_CELLS * 2)
    }

    /// The first block of an item.
    pub(super) fn head(item: ItemId) -> Key {
        Key { item, part: 0 }
    }

    /// Voids what is stale in an item's layout; says how many parts it has.
    fn prepare(&mut self, item: ItemId) -> usize {
        let folded = self.content.is_folded(item);
        let stamp = Stamp { width: self.room(item), look: self.look.number, folded, revision: 0 };
        let Some(entry) = self.content.entries.get_mut(&item) else { return 0 };
        let flows = items::flows(&entry.item.body) && !folded;
        let (gone, read) = entry.prepare(stamp, flows);
        self.cached_rows = self.cached_rows.saturating_sub(gone);
        self.work.bytes += read;
        entry.parts.len()
    }

    /// The rows of a block without the blank row before it; laid out now if they are not kept.
    pub(super) fn rows(&mut self, key: Key) -> &[Row] {
        if key.part >= self.prepare(key.item) {
            return &[];
        }
        let kept = self.content.entries.get(&key.item);
        if kept.is_none_or(|entry| entry.parts[key.part].rows.is_none()) {
            self.lay_out(key);
        }
        self.kept(key)
    }

    /// The rows of a block if they are kept.
    pub(super) fn kept(&self, key: Key) -> &[Row] {
        let entry = self.content.entries.get(&key.item);
        let rows = entry.and_then(|entry| entry.parts.get(key.part)?.rows.as_deref());
        rows.unwrap_or_default()
    }

    fn lay_out(&mut self, key: Key) {
        let width = self.room(key.item);
        let facts = self.facts(key.item);
        let Some(entry) = self.content.entries.get_mut(&key.item) else { return };
        let rows = if items::flows(&entry.item.body) && !facts.folded {
            let segment = entry.document.segments().get(key.part);
            self.work.bytes += segment.map_or(0, |segment| segment.end - segment.start);
            items::flowing(&entry.item.body, segment, key.part == 0, width, &self.look)
        } else {
            items::rows(&entry.item, &facts, width, &self.look)
        };
        self.work.blocks += 1;
        self.cached_rows += rows.len();
        self.cached.push(key);
        let part = &mut entry.parts[key.part];
        part.height = Some(rows.len());
        part.rows = Some(rows);
    }

    /// What the rows of an item say about others.
    fn facts(&self, item: ItemId) -> Facts {
        let content = &self.content;
        let kids = content.kids_of(item);
        let steps = kids.iter().filter(|kid| content.call(**kid).is_some()).count();
        let running =
            content.call(item).is_some_and(|call| matches!(call.status, ToolStatus::Running));
        let activity = kids
            .iter()
            .rev()
            .take(16)
            .find_map(|kid| content.call(*kid))
            .filter(|_| running)
            .map(|call| items::activity(call, &self.look.root));
        Facts {
            folded: content.is_folded(item),
            steps,
            activity,
            turn_cost: content.turn_cost(item),
        }
    }

    /// Blank rows before a block.
    pub(super) fn gap(&mut self, key: Key) -> usize {
        if key.part > 0 {
            let entry = self.content.entries.get(&key.item);
            let segment = entry.and_then(|entry| entry.document.segments().get(key.part));
            return usize::from(segment.is_some_and(|segment| segment.blank_before));
        }
        let content = &self.content;
        let mut before = content.prev_item(key.item);
        while let Some(id) = before
            && content.entries.get(&id).is_some_and(|entry| items::is_empty(&entry.item))
        {
            before = content.prev_item(id);
        }
        let Some(before) = before else { return 0 };
        if content.parent(key.item) == Some(before) {
            return 0;
        }
        let dense = |id: ItemId| {
            let folded = content.is_folded(id);
            content.entries.get(&id).is_some_and(|entry| items::dense(&entry.item, folded))
        };
        let ended = |id: ItemId| {
            let body = content.entries.get(&id).map(|entry| &entry.item.body);
            matches!(body, Some(Body::TurnEnd(_)))
        };
        usize::from(!(dense(before) && dense(key.item) || ended(before)))
    }

    /// Drops rows beyond the budget, except those of these blocks.
    pub(super) fn evict(&mut self, visible: &[Slice<Key>]) {
        if self.cached_rows <= KEPT_ROWS {
            return;
        }
        self.cached_rows = 0;
        for key in std::mem::take(&mut self.cached) {
            let entry = self.content.entries.get_mut(&key.item);
            let Some(part) = entry.and_then(|entry| entry.parts.get_mut(key.part)) else {
                continue;
            };
            if !visible.iter().any(|slice| slice.key == key) {
                part.rows = None;
            } else if let Some(rows) = part.rows.as_ref().filter(|_| !self.cached.contains(&key)) {
                self.cached_rows += rows.len();
                self.cached.push(key);
            }
        }
    }
}

impl Strip for Layout {
    type Key = Key;

    fn first(&mut self) -> Option<Key> {
        self.content.first_item().map(Self::head)
    }

    fn last(&mut self) -> Option<Key> {
        let item = self.content.last_item()?;
        Some(Key { item, part: self.prepare(item).saturating_sub(1) })
    }

    fn next(&mut self, key: Key) -> Option<Key> {
        if key.part + 1 < self.prepare(key.item) {
            return Some(Key { item: key.item, part: key.part + 1 });
        }
        self.content.next_item(key.item).map(Self::head)
    }

    fn prev(&mut self, key: Key) -> Option<Key> {
        if let Some(part) = key.part.checked_sub(1) {
            return Some(Key { item: key.item, part });
        }
        let item = self.content.prev_item(key.item)?;
        Some(Key { item, part: self.prepare(item).saturating_sub(1) })
    }

    fn height(&mut self, key: Key) -> usize {
        if key.part >= self.prepare(key.item) {
            return 0;
        }
        let entry = self.content.entries.get(&key.item);
        let known = entry.and_then(|entry| entry.parts[key.part].height);
        let rows = known.unwrap_or_else(|| self.rows(key).len());
        if rows == 0 { 0 } else { rows + self.gap(key) }
    }

    fn nearest(&mut self, key: Key) -> Option<Key> {
        let item = self.content.shown(key.item)?;
        let last = self.prepare(item).saturating_sub(1);
        Some(if item == key.item {
            Key { item, part: key.part.min(last) }
        } else {
            Self::head(item)
        })
    }
}
