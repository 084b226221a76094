//! Texts of file states that agents were shown: needed to tell what changed since.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::history::Reader;
use crate::model::path::Hash;

/// Bytes of texts that are kept in memory; those that nobody wanted for longest go first.
const MEMORY: usize = 32 * 1024 * 1024;

/// Texts by their hash.
#[derive(Debug)]
pub(super) struct Texts {
    kept: Mutex<Kept>,
    history: PathBuf,
}

#[derive(Debug, Default)]
struct Kept {
    texts: HashMap<Hash, (Arc<str>, u64)>,
    /// By when they were wanted last.
    order: BTreeMap<u64, Hash>,
    wanted: u64,
    bytes: usize,
}

impl Kept {
    fn find(&mut self, hash: Hash) -> Option<Arc<str>> {
        let (text, at) = self.texts.get_mut(&hash)?;
        self.wanted += 1;
        self.order.remove(at);
        self.order.insert(self.wanted, hash);
        *at = self.wanted;
        Some(Arc::clone(text))
    }

    fn add(&mut self, hash: Hash, text: &Arc<str>) {
        self.wanted += 1;
        self.texts.insert(hash, (Arc::clone(text), self.wanted));
        self.order.insert(self.wanted, hash);
        self.bytes += text.len();
        while self.bytes > MEMORY
            && let Some((_, old)) = self.order.pop_first()
        {
            self.bytes -= self.texts.remove(&old).map_or(0, |(text, _)| text.len());
        }
    }
}

impl Texts {
    pub(super) fn new(history: PathBuf) -> Self {
        Self { kept: Mutex::default(), history }
    }

    /// Remembers the text of a file.
    pub(super) fn remember(&self, hash: Hash, text: &Arc<str>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.find(hash).is_none() {
            kept.add(hash, text);
        }
    }

    /// The text with this hash, if it is still known.
    pub(super) fn find(&self, hash: Hash) -> Option<Arc<str>> {
        let known = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.find(hash)
        };
        known.or_else(|| {
            let bytes = Reader::open(&self.history).ok()?.blob(hash).ok()??;
            String::from_utf8(bytes).ok().map(Arc::from)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_again_and_again_stays() {
        let mut kept = Kept::default();
        let text: Arc<str> = "x".repeat(MEMORY / 4).into();
        let hash = |n: u8| Hash::of(&[n]);
        for n in 0..10 {
            kept.add(hash(n), &text);
            assert!(kept.find(hash(0)).is_some(), "forgotten after {n} others");
        }
        assert!(kept.find(hash(5)).is_none());
        assert!(kept.bytes <= MEMORY && kept.order.len() == kept.texts.len());
    }
}
