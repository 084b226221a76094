//! Full text: which words of an item are searched, and what a person's words mean.
//!
//! Searched are prompts, answers, and every string that a tool gets (file names among them).

use std::fmt::Write as _;

use serde_json::Value;

use crate::model::transcript::{Body, Item};

/// So much of one item is searched; a file of megabytes is not read for its last words.
const ITEM_BYTES: usize = 64 * 1024;

/// A string up to this length is a name rather than a content.
const SHORT_BYTES: usize = 1024;

/// So many pieces of a query count.
const PIECES: usize = 24;

/// The words of an item; empty if it is not searched.
pub(super) fn words(item: &Item) -> String {
    let mut words = String::new();
    match &item.body {
        Body::Prompt { text, .. } | Body::Text { text } => push(&mut words, text),
        Body::Tool(call) => {
            let mut found = Vec::new();
            strings(&mut found, &call.input);
            // A file's name comes before its content, which may fill all the room.
            found.sort_by_key(|text| text.len() > SHORT_BYTES);
            found.into_iter().for_each(|text| push(&mut words, text));
        }
        Body::Thinking { .. }
        | Body::Todo { .. }
        | Body::Notice { .. }
        | Body::TurnEnd(_)
        | Body::Raw { .. } => {}
    }
    words
}

fn strings<'v>(found: &mut Vec<&'v str>, value: &'v Value) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(values) => values.iter().for_each(|value| strings(found, value)),
        Value::Object(fields) => fields.values().for_each(|value| strings(found, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn push(words: &mut String, text: &str) {
    let room = ITEM_BYTES.saturating_sub(words.len() + 1);
    if text.is_empty() || room == 0 {
        return;
    }
    if !words.is_empty() {
        words.push('\n');
    }
    words.push_str(&text[..text.floor_char_boundary(room)]);
}

/// What a person looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Query {
    /// Each must be found; several words in one piece must follow one another.
    pieces: Vec<String>,
    /// Whether the last piece is still being typed.
    unfinished: bool,
}

impl Query {
    /// Reads a person's words: blanks separate, double quotes keep words together, nothing else
    /// has a meaning. `None` if nothing is left to look for.
    pub(super) fn parse(raw: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut unfinished = false;
        for (number, part) in raw.split('"').enumerate() {
            let quoted = number % 2 == 1;
            let before = pieces.len();
            if quoted {
                pieces.push(part.to_owned());
            } else {
                pieces.extend(part.split_whitespace().map(str::to_owned));
            }
            pieces.retain(|piece| piece.chars().any(char::is_alphanumeric));
            if pieces.len() > before {
                unfinished = !quoted;
            }
        }
        for piece in &mut pieces {
            *piece = piece.replace(|c: char| c.is_control(), " ");
        }
        pieces.truncate(PIECES);
        (!pieces.is_empty()).then_some(Self { pieces, unfinished })
    }

    /// The query in the language of FTS5, in which only quoted words have no meaning of their own.
    pub(super) fn fts(&self) -> String {
        let mut query = String::new();
        for piece in &self.pieces {
            let _ = write!(query, "\"{}\" ", piece.replace('"', "\"\""));
        }
        // One or two letters begin a good part of all words; a sign of a syllable or word does not.
        let last = self.pieces.last().map_or("", String::as_str);
        let begun = last.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or(last);
        let long = begun.len() >= 3;
        if self.unfinished && long {
            query.push('*');
        }
        query
    }

    /// Whether a title has all pieces, in any case of letters.
    pub(super) fn is_in(&self, title: &str) -> bool {
        let title = title.to_lowercase();
        self.pieces.iter().all(|piece| title.contains(&piece.to_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::ItemId;
    use crate::model::time::Wall;
    use crate::model::transcript::{ToolCall, ToolStatus};

    fn fts(raw: &str) -> Option<String> {
        Query::parse(raw).map(|query| query.fts())
    }

    #[test]
    fn words_of_a_person_never_mean_anything_to_the_search_engine() {
        for (raw, query) in [
            ("foo", "\"foo\" *"),
            ("foo bar", "\"foo\" \"bar\" *"),
            ("foo OR -bar*", "\"foo\" \"OR\" \"-bar*\" "),
            ("col:x (y) ^z", "\"col:x\" \"(y)\" \"^z\" "),
            ("src/lex", "\"src/lex\" *"),
            ("src/le", "\"src/le\" "),
            ("検", "\"検\" *"),
            ("\"two words\" x", "\"two words\" \"x\" "),
            ("say \"hello wor", "\"say\" \"hello wor\" "),
            ("\"done\"", "\"done\" "),
            ("naïve Łódź", "\"naïve\" \"Łódź\" *"),
            ("a -- b", "\"a\" \"b\" "),
            ("nul\0inside", "\"nul inside\" *"),
        ] {
            assert_eq!(fts(raw).as_deref(), Some(query), "{raw}");
        }
        for nothing in ["", "  ", "\"\"", "-- * ()"] {
            assert_eq!(fts(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn every_string_that_a_tool_gets_is_searched_up_to_a_limit() {
        let input = serde_json::json!({
            "file_path": "src/a.rs", "edits": [{"old": "x", "n": 7}], "big": "é".repeat(ITEM_BYTES),
        });
        let call = ToolCall {
            call: "c".into(),
            name: "Edit".to_owned(),
            input,
            status: ToolStatus::Done,
            result: None,
            took_ms: None,
        };
        let body = Body::Tool(call);
        let item = Item { id: ItemId(1), at: Wall(0), parent: None, sub: None, open: false, body };
        let words = words(&item);
        assert!(words.starts_with("x\nsrc/a.rs\n"), "{}", &words[..20]);
        assert!(words.len() <= ITEM_BYTES && words.len() > ITEM_BYTES - 4, "{}", words.len());
    }
}
