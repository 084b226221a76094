//! The black-box checker of lost updates.
//!
//! It reads three things and believes nothing else: the tree before, the tree after, and each
//! agent's own log. Agents only ever add lines, so whatever is missing was lost: an acknowledged
//! marker that is not in its file any more, or a line that was there from the start.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

/// What the checker found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Markers that an agent was told are written.
    pub(crate) acknowledged: usize,
    /// Acknowledged markers that are not in their file: path and marker.
    pub(crate) lost: Vec<(String, String)>,
    /// Lines of the tree before that are gone: path and line.
    pub(crate) lost_before: Vec<(String, String)>,
    /// Markers that stand in their file more than once: path and marker.
    pub(crate) doubled: Vec<(String, String)>,
    /// Markers in the tree that no log acknowledges (a crash between write and log).
    pub(crate) unclaimed: usize,
    /// Writes that were refused.
    pub(crate) refused: usize,
    /// Writes that failed for another reason.
    pub(crate) failed: usize,
}

impl Verdict {
    /// The share of acknowledged markers that are lost.
    pub(crate) fn lost_share(&self) -> f64 {
        self.lost.len() as f64 / self.acknowledged.max(1) as f64
    }

    /// Takes in what was found of another part of the tree.
    pub(crate) fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.lost.extend(other.lost);
        self.lost_before.extend(other.lost_before);
        self.doubled.extend(other.doubled);
        self.unclaimed += other.unclaimed;
        self.refused += other.refused;
        self.failed += other.failed;
    }

    /// Panics unless nothing is lost and there was something to lose.
    pub(crate) fn assert_nothing_lost(&self) {
        assert!(self.acknowledged > 0, "no marker was acknowledged: the run proves nothing");
        assert!(self.lost.is_empty(), "lost {} updates: {:#?}", self.lost.len(), self.lost);
        assert!(self.lost_before.is_empty(), "lost from the start: {:#?}", self.lost_before);
        assert!(self.doubled.is_empty(), "written twice: {:#?}", self.doubled);
    }
}

/// Compares the logs with the trees. Paths in the logs are absolute, below `root`.
pub(crate) fn check(
    root: &Path,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
    logs: &[String],
) -> Verdict {
    let mut verdict = Verdict::default();
    let mut claimed = BTreeSet::new();
    let now: BTreeMap<&str, BTreeMap<&str, usize>> =
        after.iter().map(|(path, text)| (path.as_str(), count_lines(text))).collect();
    let count = |path: &str, line: &str| {
        now.get(path).and_then(|lines| lines.get(line)).copied().unwrap_or(0)
    };
    for entry in logs.iter().flat_map(|log| log.lines()) {
        // The last line of a killed agent may be torn; it acknowledges nothing.
        let Ok(entry) = serde_json::from_str::<Value>(entry) else { continue };
        match entry["end"].as_str() {
            Some("acknowledged") => {}
            Some("refused") => {
                verdict.refused += 1;
                continue;
            }
            _ => {
                verdict.failed += 1;
                continue;
            }
        }
        verdict.acknowledged += 1;
        let marker = entry["marker"].as_str().unwrap_or_default().to_owned();
        let path = Path::new(entry["path"].as_str().unwrap_or_default());
        let path = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        match count(&path, &marker) {
            0 => verdict.lost.push((path, marker.clone())),
            1 => {}
            _ => verdict.doubled.push((path, marker.clone())),
        }
        claimed.insert(marker);
    }
    for (path, text) in before {
        for (line, were) in count_lines(text) {
            if count(path, line) < were {
                verdict.lost_before.push((path.clone(), line.to_owned()));
            }
        }
    }
    let is_marker = |line: &&str| line.starts_with('@') && line.matches(':').count() == 2;
    let present = after.values().flat_map(|text| text.lines()).filter(is_marker);
    verdict.unclaimed = present.filter(|line| !claimed.contains(*line)).count();
    verdict
}

fn count_lines(text: &str) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        *counts.entry(line).or_insert(0) += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("a".to_owned(), text.to_owned())])
    }

    fn entry(marker: &str, end: &str) -> String {
        format!("{{\"marker\":\"{marker}\",\"path\":\"/ws/a\",\"end\":\"{end}\"}}\n")
    }

    fn verdict(before: &str, after: &str, log: &str) -> Verdict {
        check(Path::new("/ws"), &tree(before), &tree(after), &[log.to_owned()])
    }

    #[test]
    fn an_acknowledged_marker_that_is_missing_is_lost() {
        let log = entry("@b:0:1", "acknowledged") + &entry("@b:1:2", "acknowledged");
        let found = verdict("x\n", "x\n@b:1:2\n", &log);
        assert_eq!(found.lost, [("a".to_owned(), "@b:0:1".to_owned())]);
        assert!((found.lost_share() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn refused_and_torn_entries_acknowledge_nothing() {
        let log = entry("@b:0:1", "refused") + &entry("@b:0:2", "failed") + "{\"marker\":\"@b:";
        let found = verdict("x\n", "x\n", &log);
        assert_eq!((found.acknowledged, found.refused, found.failed), (0, 1, 1));
        assert!(found.lost.is_empty());
    }

    #[test]
    fn lines_from_the_start_and_doubles_and_strays_are_seen() {
        let found =
            verdict("x\ny\ny\n", "y\n@b:0:1\n@b:0:1\n@c:5:5\n", &entry("@b:0:1", "acknowledged"));
        assert_eq!(found.lost_before, [("a".into(), "x".into()), ("a".into(), "y".into())]);
        assert_eq!(found.doubled.len(), 1);
        assert_eq!(found.unclaimed, 1);
    }
}
