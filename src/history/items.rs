//! Items as they are stored: JSON without secrets, and tails that grow an open one.
//!
//! What is read is the stored item with its tails appended. An item that cannot be read any more
//! is shown raw instead of being left out.

use std::borrow::Cow;

use super::mask::mask;
use crate::model::id::ItemId;
use crate::model::time::Wall;
use crate::model::transcript::{Body, Item, ToolResult};

/// How many bits of a key are the item's id; the others are its session's number.
const ID_BITS: u32 = 40;

/// The key of an item; `None` if a number is too large for it.
pub(super) fn key(session: i64, item: ItemId) -> Option<i64> {
    let id = i64::try_from(item.0).ok().filter(|id| *id < 1 << ID_BITS)?;
    (0..1 << (63 - ID_BITS)).contains(&session).then_some((session << ID_BITS) | id)
}

/// The keys of all items of a session: the first, and the one after the last.
pub(super) fn keys(session: i64) -> (i64, i64) {
    let first = session << ID_BITS;
    (first, first.saturating_add(1 << ID_BITS))
}

/// The number of the session that a key belongs to.
pub(super) fn session_of(key: i64) -> i64 {
    key >> ID_BITS
}

/// The item's id in a key.
pub(super) fn id_of(key: i64) -> ItemId {
    ItemId(u64::try_from(key & ((1 << ID_BITS) - 1)).unwrap_or(0))
}

/// An item as JSON. Tool calls and raw lines have their secrets masked; what was said has not.
pub(super) fn encode(item: &Item) -> serde_json::Result<Encoded> {
    let json = serde_json::to_string(item)?;
    let masked = match &item.body {
        Body::Tool(_) | Body::Raw { .. } => match mask(&json) {
            Cow::Borrowed(_) => None,
            Cow::Owned(masked) => Some(masked),
        },
        Body::Prompt { .. }
        | Body::Text { .. }
        | Body::Thinking { .. }
        | Body::Todo { .. }
        | Body::Notice { .. }
        | Body::TurnEnd(_) => None,
    };
    Ok(match masked {
        Some(masked) => Encoded { changed: serde_json::from_str(&masked).ok(), json: masked },
        None => Encoded { changed: None, json },
    })
}

/// What [`encode`] makes.
pub(super) struct Encoded {
    /// What is stored.
    pub(super) json: String,
    /// The item as it will be read, if masking changed it.
    pub(super) changed: Option<Item>,
}

/// The item of a stored row and its tails, oldest first.
pub(super) fn decode<'t>(key: i64, json: &str, tails: impl Iterator<Item = &'t str>) -> Item {
    let mut item = serde_json::from_str(json).unwrap_or_else(|_| Item {
        id: id_of(key),
        at: Wall(0),
        parent: None,
        sub: None,
        open: false,
        body: Body::Raw { line: json.to_owned() },
    });
    let mut tails = tails.peekable();
    if tails.peek().is_some()
        && let Some(text) = growing(&mut item.body)
    {
        text.extend(tails);
    }
    item
}

/// The text of a body that grows while the item is open.
fn growing(body: &mut Body) -> Option<&mut String> {
    match body {
        Body::Prompt { text, .. }
        | Body::Text { text }
        | Body::Thinking { text }
        | Body::Notice { text, .. }
        | Body::Raw { line: text } => Some(text),
        Body::Tool(call) => Some(&mut call.result.get_or_insert_with(ToolResult::default).text),
        Body::Todo { .. } | Body::TurnEnd(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Item {
        let body = Body::Text { text: text.to_owned() };
        Item { id: ItemId(3), at: Wall(1), parent: None, sub: None, open: true, body }
    }

    #[test]
    fn an_item_is_read_with_its_tails() {
        let encoded = encode(&text("a")).unwrap();
        assert_eq!(decode(3, &encoded.json, ["b", "c"].into_iter()), text("abc"));
    }

    #[test]
    fn an_item_that_cannot_be_read_is_shown_raw() {
        let item = decode(key(2, ItemId(9)).unwrap(), "{\"new\":1}", std::iter::empty());
        assert_eq!(item.id, ItemId(9));
        assert_eq!(item.body, Body::Raw { line: "{\"new\":1}".to_owned() });
    }

    #[test]
    fn keys_hold_a_session_and_an_item_and_refuse_what_does_not_fit() {
        let (first, end) = keys(5);
        let one = key(5, ItemId(77)).unwrap();
        assert!(first < one && one < end);
        assert_eq!((session_of(one), id_of(one)), (5, ItemId(77)));
        assert_eq!(key(5, ItemId(1 << ID_BITS)), None);
        assert_eq!(key(1 << 23, ItemId(1)), None);
    }
}
