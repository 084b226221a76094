//! Whose lines a new text of a file leaves out.

use std::collections::{BTreeMap, HashMap};

use super::blame::{Blame, Origin};
use super::plan::Loss;
use crate::model::difference::Difference;
use crate::model::lease::Owner;

/// The lines that go when `text` takes the place of the blamed one, by owner.
pub fn losses(blame: &Blame, text: &str) -> Vec<Loss> {
    let owners: Vec<Option<&Owner>> =
        blame.lines().map(|origin| origin.map(|origin| &origin.owner)).collect();
    let mut lost: BTreeMap<Option<&Owner>, usize> = BTreeMap::new();
    for stretch in Difference::fine(blame.text(), text).changes() {
        for owner in &owners[stretch.old.clone()] {
            *lost.entry(*owner).or_default() += 1;
        }
    }
    lost.into_iter().map(|(owner, lines)| Loss { owner: owner.cloned(), lines }).collect()
}

/// The lines that `spare` protects and that `text` does not hold any more. Where they stand does
/// not matter, only how often: a line that moves is not lost.
pub(super) fn missing(
    blame: &Blame,
    text: &str,
    spare: impl Fn(Option<&Origin>) -> bool,
) -> Vec<(Option<Owner>, String)> {
    let mut there: HashMap<&str, usize> = HashMap::new();
    for line in text.split_inclusive('\n') {
        *there.entry(bare(line)).or_default() += 1;
    }
    let mut missing = Vec::new();
    for (line, origin) in blame.text().split_inclusive('\n').zip(blame.lines()) {
        if !spare(origin) {
            continue;
        }
        match there.get_mut(bare(line)) {
            Some(left) if *left > 0 => *left -= 1,
            Some(_) | None => {
                missing.push((origin.map(|origin| origin.owner.clone()), line.to_owned()));
            }
        }
    }
    missing
}

/// The line without its end: the last one of a text may gain or lose it.
fn bare(line: &str) -> &str {
    line.strip_suffix('\n').unwrap_or(line)
}
