//! The difference between two texts, in the protocol's form: hunks with three lines around.

use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

/// Unchanged lines around a change.
const CONTEXT: usize = 3;

/// The hunks that turn `old` into `new`.
pub(super) fn structured_patch(old: &str, new: &str) -> Value {
    let diff = TextDiff::from_lines(old, new);
    let hunks = diff.grouped_ops(CONTEXT).into_iter().filter_map(|ops| {
        let (first, last) = (ops.first()?, ops.last()?);
        let old_lines = last.old_range().end - first.old_range().start;
        let new_lines = last.new_range().end - first.new_range().start;
        let mut lines = Vec::new();
        for change in ops.iter().flat_map(|op| diff.iter_changes(op)) {
            let mark = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            lines.push(format!("{mark}{}", change.value().trim_end_matches(['\n', '\r'])));
            if change.missing_newline() {
                lines.push("\\ No newline at end of file".to_owned());
            }
        }
        Some(json!({
            "oldStart": first.old_range().start + 1,
            "oldLines": old_lines,
            "newStart": first.new_range().start + 1,
            "newLines": new_lines,
            "lines": lines,
        }))
    });
    Value::Array(hunks.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_looks_as_the_real_program_writes_it() {
        assert_eq!(
            structured_patch("one\ntwo\nthree\n", "one\nTWO\nthree\n"),
            json!([{ "oldStart": 1, "oldLines": 3, "newStart": 1, "newLines": 3,
                     "lines": [" one", "-two", "+TWO", " three"] }])
        );
        assert_eq!(
            structured_patch("", "a\n"),
            json!([{ "oldStart": 1, "oldLines": 0, "newStart": 1, "newLines": 1, "lines": ["+a"] }])
        );
    }

    #[test]
    fn a_missing_last_newline_is_said() {
        let patch = structured_patch("a", "a\nb\n");
        assert_eq!(patch[0]["lines"], json!(["-a", "\\ No newline at end of file", "+a", "+b"]));
    }

    #[test]
    fn equal_texts_have_no_hunks() {
        assert_eq!(structured_patch("a\n", "a\n"), json!([]));
    }
}
