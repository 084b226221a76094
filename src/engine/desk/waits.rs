//! What the parked calls of an agent wait for.
//!
//! Something becomes free with every write, and each question about a parked call costs as much as
//! the first one: only those are asked about that may be granted now. Whoever asks again notes
//! again what it waits for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::path::WorkPath;

/// Paths that the parked calls of one agent wait for.
#[derive(Debug, Default)]
pub(in crate::engine) struct Waits(Mutex<Vec<WorkPath>>);

impl Waits {
    /// A call waits for this path.
    pub(super) fn note(&self, path: &WorkPath) {
        let mut paths = self.lock();
        if !paths.contains(path) {
            paths.push(path.clone());
        }
    }

    /// Whether a wait may end because these files, folders or patterns have become free. Then
    /// nothing is waited for any more.
    pub(super) fn end_with(&self, freed: &[String]) -> bool {
        let mut paths = self.lock();
        let concerned = paths.iter().any(|path| freed.iter().any(|freed| concerns(path, freed)));
        if concerned {
            paths.clear();
        }
        concerned
    }

    fn lock(&self) -> MutexGuard<'_, Vec<WorkPath>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a path can be had, perhaps, when something is free: because it is that, or lies below
/// it, or is a folder above it.
fn concerns(path: &WorkPath, freed: &str) -> bool {
    // What a pattern covers is not found out here.
    let is_pattern = freed.contains(['*', '?', '[', '{']);
    match WorkPath::parse(freed.trim_end_matches('/')).filter(|_| !is_pattern) {
        Some(freed) => path.is_within(&freed) || freed.is_within(path),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_what_it_is_for_and_once() {
        for (freed, ends) in [
            ("src/a.rs", true),
            ("src/a.rs/x", true),
            ("src", true),
            ("src/", true),
            ("src/*.rs", true),
            ("src/b.rs", false),
            ("src/a", false),
            ("srcs", false),
        ] {
            let waits = Waits::default();
            waits.note(&WorkPath::parse("src/a.rs").expect("a path inside"));
            assert_eq!(waits.end_with(&["other".to_owned(), freed.to_owned()]), ends, "{freed}");
            assert_eq!(waits.end_with(&["src/a.rs".to_owned()]), !ends, "{freed}");
        }
    }
}
