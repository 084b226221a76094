//! Texts as owners see and change them.

use std::collections::BTreeSet;

/// The contributions in a text.
pub(super) fn marks(text: &str) -> BTreeSet<String> {
    text.split_whitespace()
        .filter_map(|word| word.find('@').map(|at| word[at..].to_owned()))
        .collect()
}

/// What edits make of a text, if the tool can make them.
pub(super) fn edit(edits: &[(String, String, bool)], text: &str) -> Option<String> {
    edits.iter().try_fold(text.to_owned(), |text, (old, new, all)| {
        match text.matches(old.as_str()).count() {
            0 => (old.is_empty() && text.is_empty()).then(|| new.clone()),
            1 => Some(text.replacen(old.as_str(), new, 1)),
            _ => all.then(|| text.replace(old.as_str(), new)),
        }
    })
}
