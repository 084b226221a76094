//! Texts of file states that agents were shown: needed to tell what changed since.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::arbiter::Disk;
use crate::history::record::Record;
use crate::history::{Reader, Store};
use crate::model::path::{Hash, WorkPath};

/// Bytes of texts that are kept in memory; the oldest go first.
const MEMORY: usize = 32 * 1024 * 1024;

/// Larger texts are not stored: a rebase after a restart is not worth it.
const STORED: usize = 256 * 1024;

/// Texts by their hash.
#[derive(Debug)]
pub(super) struct Texts {
    kept: Mutex<Kept>,
    history: PathBuf,
}

#[derive(Debug, Default)]
struct Kept {
    texts: HashMap<Hash, Arc<str>>,
    order: VecDeque<Hash>,
    bytes: usize,
}

impl Texts {
    pub(super) fn new(history: PathBuf) -> Self {
        Self { kept: Mutex::default(), history }
    }

    /// Remembers the text of a file, here and in the history. Files that may hold secrets are
    /// remembered here only.
    pub(super) fn keep(&self, store: &Store, path: &WorkPath, disk: &Disk) {
        let Disk::File { hash, text: Some(text) } = disk else { return };
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.texts.contains_key(hash) {
                return;
            }
            kept.texts.insert(*hash, Arc::clone(text));
            kept.order.push_back(*hash);
            kept.bytes += text.len();
            while kept.bytes > MEMORY
                && let Some(old) = kept.order.pop_front()
            {
                kept.bytes -= kept.texts.remove(&old).map_or(0, |text| text.len());
            }
        }
        if text.len() <= STORED && !path.may_be_secret() {
            let bytes = text.as_bytes().to_vec();
            if let Err(error) = store.blocking_queue(vec![Record::Blob { hash: *hash, bytes }]) {
                // Without it a stale write is refused where it might have been rebased.
                tracing::warn!(%error, "the text of {path} is not stored");
            }
        }
    }

    /// The text with this hash, if it is still known.
    pub(super) fn find(&self, hash: Hash) -> Option<Arc<str>> {
        let known = {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.texts.get(&hash).map(Arc::clone)
        };
        known.or_else(|| {
            let bytes = Reader::open(&self.history).ok()?.blob(hash).ok()??;
            String::from_utf8(bytes).ok().map(Arc::from)
        })
    }
}
