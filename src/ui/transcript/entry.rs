//! One item with what is known of its rows.

use crate::model::transcript::{Body, Item};
use crate::ui::markdown::Document;
use crate::ui::text::wrap::Row;

/// An item and its layout.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) item: Item,
    /// Counts the changes that the layout cannot follow by itself.
    revision: u32,
    /// The segments of its markdown, if it is shown as such.
    pub(super) document: Document,
    stamp: Option<Stamp>,
    pub(super) parts: Vec<Part>,
}

/// What a layout was made for; under another one it is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Cells in a row.
    pub(super) width: usize,
    /// Theme and root.
    pub(super) look: u32,
    /// Whether it is folded.
    pub(super) folded: bool,
    /// Set by [`Entry::prepare`].
    pub(super) revision: u32,
}

/// The layout of a part of an item.
#[derive(Debug, Default, Clone)]
pub(super) struct Part {
    /// How many rows it has; unknown until it was laid out once.
    pub(super) height: Option<usize>,
    /// The rows, while somebody looks at them.
    pub(super) rows: Option<Vec<Row>>,
}

impl Entry {
    pub(super) fn new(item: Item) -> Self {
        Self { item, revision: 0, document: Document::default(), stamp: None, parts: Vec::new() }
    }

    /// Says that the rows may be others now.
    pub(super) fn touch(&mut self) {
        self.revision = self.revision.wrapping_add(1);
    }

    /// Takes another state of the item; a text that has only grown keeps its layout.
    pub(super) fn replace(&mut self, item: Item) {
        let grown = match (&self.item.body, &item.body) {
            (Body::Text { text: old }, Body::Text { text: new }) => new.starts_with(old.as_str()),
            (Body::Thinking { text: old }, Body::Thinking { text: new }) => {
                self.item.open == item.open && new.starts_with(old.as_str())
            }
            (
                Body::Prompt { .. }
                | Body::Text { .. }
                | Body::Thinking { .. }
                | Body::Tool(_)
                | Body::Todo { .. }
                | Body::Notice { .. }
                | Body::TurnEnd(_)
                | Body::Raw { .. },
                _,
            ) => false,
        };
        self.item = item;
        if !grown {
            self.document = Document::default();
            self.touch();
        }
    }

    /// Voids what does not fit `stamp` or the text as it is now. Returns how many rows went and
    /// how many bytes were read.
    pub(super) fn prepare(&mut self, stamp: Stamp, flows: bool) -> (usize, usize) {
        let stamp = Stamp { revision: self.revision, ..stamp };
        let mut gone = 0;
        if self.stamp != Some(stamp) {
            gone += drop_rows(&mut self.parts, 0);
            self.stamp = Some(stamp);
        }
        let mut read = 0;
        if flows {
            let update = self.document.update(text_of(&self.item.body));
            read = update.read;
            gone += drop_rows(&mut self.parts, update.kept);
        }
        let parts = if flows { self.document.segments().len().max(1) } else { 1 };
        gone += drop_rows(&mut self.parts, parts);
        self.parts.resize(parts, Part::default());
        (gone, read)
    }
}

/// The text of an item that is words.
pub(super) fn text_of(body: &Body) -> &str {
    match body {
        Body::Prompt { text, .. }
        | Body::Text { text }
        | Body::Thinking { text }
        | Body::Notice { text, .. } => text,
        Body::Raw { line } => line,
        Body::Tool(_) | Body::Todo { .. } | Body::TurnEnd(_) => "",
    }
}

fn drop_rows(parts: &mut Vec<Part>, keep: usize) -> usize {
    let keep = keep.min(parts.len());
    let gone = parts[keep..].iter().filter_map(|part| part.rows.as_ref()).map(Vec::len).sum();
    parts.truncate(keep);
    gone
}
