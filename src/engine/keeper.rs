//! Looks at files and keeps what they hold, so that a change can be shown and taken back later.
//!
//! - Kept is what was found by every look at a file that somebody writes or reads: text or not, up
//!   to [`MOST`] bytes. Larger ones are known by their hashes only.
//! - Secrets and what git ignores are never kept, only hashed.
//! - What was kept a while ago is not stored again.
//! - Everything here blocks; it runs where files are worked on, never in the engine's loop. While
//!   the disk is slower than the writers, they wait here.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::disk::{self, Closed};
use super::door::build_output::BuildOutput;
use super::effect::Proposed;
use super::texts::Texts;
use crate::arbiter::{Disk, Edit, edited};
use crate::history::contents::Contents;
use crate::history::record::{ProposalRow, Record};
use crate::history::{Reader, Store, StoreError};
use crate::model::path::{Hash, WorkPath};

/// Larger files are hashed but not kept.
pub(super) const MOST: u64 = 32 * 1024 * 1024;

/// Up to so many bytes a content goes into the database with the other records; a larger one is
/// compressed into a file of its own first, which takes some milliseconds.
const INLINE: usize = 256 * 1024;

/// How long a content counts as stored. It is stored as new again long before it is so old that
/// the history would forget it if nothing named it.
const FRESH: Duration = Duration::from_secs(30 * 60);

/// Contents that are known to be stored; beyond it all are forgotten and stored once more.
const KNOWN: usize = 100_000;

/// Keeps contents of the files of a workspace.
pub(super) struct Keeper {
    root: PathBuf,
    store: Arc<Store>,
    contents: Contents,
    texts: Texts,
    output: Arc<BuildOutput>,
    stored: Mutex<HashMap<Hash, Instant>>,
    /// The text of the last refused write of each owner at each file.
    rejected: Mutex<HashMap<(String, WorkPath), Hash>>,
    reader: Mutex<Option<Reader>>,
}

impl Keeper {
    pub(super) fn new(root: PathBuf, store: Arc<Store>, output: Arc<BuildOutput>) -> Self {
        let history = store.path().to_owned();
        Self {
            contents: Contents::beside(&history),
            texts: Texts::new(history),
            output,
            root,
            store,
            stored: Mutex::default(),
            rejected: Mutex::default(),
            reader: Mutex::default(),
        }
    }

    /// What is at `path`; it is kept.
    pub(super) fn look(&self, path: &WorkPath) -> Disk {
        let (found, bytes) = disk::look_closely(&self.root, path);
        self.keep(path, found, bytes)
    }

    /// The same, unless somebody can write it just now.
    pub(super) fn look_if_closed(&self, path: &WorkPath) -> Closed<Disk> {
        disk::look_if_closed(&self.root, path).map(|(found, bytes)| self.keep(path, found, bytes))
    }

    /// Keeps what was found at `path`. Says what is there if that is another one by now.
    pub(super) fn keep(&self, path: &WorkPath, found: Disk, bytes: Option<Vec<u8>>) -> Disk {
        let Disk::File { hash, text } = &found else { return found };
        if let Some(text) = text {
            self.texts.remember(*hash, text);
        }
        if self.is_fresh(*hash) || !self.may_keep(path) {
            return found;
        }
        let done = match (text, bytes) {
            (Some(text), _) => self.put(path, *hash, text.as_bytes().into()),
            (None, Some(bytes)) => self.put(path, *hash, bytes),
            (None, None) => self.put_large(path, *hash),
        };
        match done {
            Ok(now) if now == *hash => found,
            Ok(now) => Disk::File { hash: now, text: None },
            Err(error) => {
                // The write goes on: without its content a change can be listed, but not undone.
                tracing::warn!(%error, "what {path} holds is not kept");
                found
            }
        }
    }

    /// Keeps what a refused write wanted to write. The same text refused again is no news.
    pub(super) fn keep_proposal(&self, mut row: Box<ProposalRow>, wanted: &Proposed) {
        let now = disk::look(&self.root, &row.path);
        if row.base.is_none()
            && let Disk::File { hash, .. } = &now
        {
            row.base = Some(*hash);
        }
        let known = row.base.and_then(|hash| self.texts.find(hash));
        let text = match wanted {
            Proposed::Whole(text) => Some(text.to_string()),
            Proposed::Edits(edits) => known.as_deref().and_then(|known| edited_all(edits, known)),
        };
        // An edit of a text that nobody knows cannot be told.
        let Some(text) = text else { return };
        row.hash = Hash::of(text.as_bytes());
        let place = (row.owner.key(), row.path.clone());
        let former = lock(&self.rejected).insert(place, row.hash);
        if former == Some(row.hash) {
            return;
        }
        let kept = match known {
            Some(base) => self.keep_text(&row.path, &base),
            None => Ok(()),
        };
        let kept = kept.and_then(|()| self.keep_text(&row.path, &text));
        let stored = kept.and_then(|()| self.store.blocking_queue(vec![Record::Proposal(row)]));
        if let Err(error) = stored {
            tracing::warn!(%error, "a refused write is not kept");
        }
    }

    fn keep_text(&self, path: &WorkPath, text: &str) -> Result<(), StoreError> {
        let hash = Hash::of(text.as_bytes());
        if self.is_fresh(hash) || !self.may_keep(path) {
            return Ok(());
        }
        self.put(path, hash, text.as_bytes().into()).map(drop)
    }

    /// Keeps what is at `path` in case it changes later. The content, if there is one to be kept.
    pub(super) fn keep_early(&self, path: &WorkPath, most: u64) -> Option<Hash> {
        if path.may_be_secret() {
            return None;
        }
        let full = path.below(&self.root);
        let small = fs::metadata(&full).is_ok_and(|meta| meta.is_file() && meta.len() <= most);
        let bytes = fs::read(full).ok().filter(|_| small)?;
        let hash = Hash::of(&bytes);
        let done = if self.is_fresh(hash) { Ok(hash) } else { self.put_again(path, hash, bytes) };
        done.ok()
    }

    /// The text with this hash, if it is still known.
    pub(super) fn text(&self, hash: Hash) -> Option<Arc<str>> {
        self.texts.find(hash)
    }

    /// Whether the content of a file may lie in the history at all.
    fn may_keep(&self, path: &WorkPath) -> bool {
        !path.may_be_secret() && !self.output.is_ignored(path)
    }

    fn put(&self, path: &WorkPath, hash: Hash, bytes: Vec<u8>) -> Result<Hash, StoreError> {
        let record = if bytes.len() <= INLINE {
            Some(Record::Blob { hash, bytes })
        } else if self.is_stored(hash) {
            Some(Record::Fresh { hash })
        } else {
            self.contents.take(path, &mut Cursor::new(bytes))?.record
        };
        self.queue(hash, record)
    }

    /// The same for a content that is probably stored since an earlier start.
    fn put_again(&self, path: &WorkPath, hash: Hash, bytes: Vec<u8>) -> Result<Hash, StoreError> {
        if self.is_stored(hash) {
            return self.queue(hash, Some(Record::Fresh { hash }));
        }
        self.put(path, hash, bytes)
    }

    /// Keeps a file that was too large to be held in memory. What is kept is what counts: it may
    /// have changed since it was looked at.
    fn put_large(&self, path: &WorkPath, hash: Hash) -> Result<Hash, StoreError> {
        if self.is_stored(hash) {
            return self.queue(hash, Some(Record::Fresh { hash }));
        }
        let mut file = match File::open(path.below(&self.root)) {
            Ok(file) if file.metadata().is_ok_and(|meta| meta.len() <= MOST) => file,
            // Too large, or gone by now: it is known by its hash.
            Ok(_) | Err(_) => return Ok(hash),
        };
        let taken = self.contents.take(path, &mut file)?;
        self.queue(taken.hash, taken.record)
    }

    fn queue(&self, hash: Hash, record: Option<Record>) -> Result<Hash, StoreError> {
        self.store.blocking_queue(record.into_iter().collect())?;
        let mut stored = lock(&self.stored);
        if stored.len() >= KNOWN {
            stored.clear();
        }
        stored.insert(hash, Instant::now());
        Ok(hash)
    }

    fn is_fresh(&self, hash: Hash) -> bool {
        let stored = lock(&self.stored);
        stored.get(&hash).is_some_and(|at| at.elapsed() < FRESH)
    }

    /// Whether the history has this content already.
    fn is_stored(&self, hash: Hash) -> bool {
        let mut reader = lock(&self.reader);
        if reader.is_none() {
            *reader = self.store.reader().ok();
        }
        reader.as_ref().is_some_and(|reader| reader.has_content(hash).unwrap_or(false))
    }
}

/// A text with replacements made, one after the other.
fn edited_all(edits: &[Edit], text: &str) -> Option<String> {
    let mut text = text.to_owned();
    for edit in edits {
        text = edited(edit, &text).ok()?;
    }
    Some(text)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tree {
        folder: tempfile::TempDir,
        keeper: Keeper,
    }

    impl Tree {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let root = folder.path().join("tree");
            fs::create_dir(&root).expect("the tree");
            let store = Store::open(&folder.path().join("history.db")).expect("a history");
            let output = Arc::new(BuildOutput::new(&root));
            let keeper = Keeper::new(root, Arc::new(store), output);
            Self { folder, keeper }
        }

        fn write(&self, name: &str, bytes: &[u8]) -> WorkPath {
            fs::write(self.keeper.root.join(name), bytes).expect("a file");
            WorkPath::parse(name).expect("a path inside")
        }

        /// What is kept of a content once everything is stored.
        fn kept(&self, hash: Hash) -> Option<Vec<u8>> {
            self.keeper.store.flush().wait().expect("stored");
            let reader = Reader::open(&self.folder.path().join("history.db")).expect("a reader");
            reader.blob(hash).expect("a whole history")
        }
    }

    #[test]
    fn whatever_a_file_holds_is_kept_byte_for_byte() {
        let tree = Tree::new();
        let noise = |count: u32| -> Vec<u8> {
            (0..count).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect()
        };
        for (name, bytes) in [
            ("empty", Vec::new()),
            ("text", b"one\r\ntwo".to_vec()),
            ("binary", noise(9_000)),
            ("larger", noise(700_000)),
            ("huge", noise(5_000_000)),
        ] {
            let path = tree.write(name, &bytes);
            let found = tree.keeper.look(&path);
            let hash = Hash::of(&bytes);
            assert!(matches!(found, Disk::File { hash: found, .. } if found == hash), "{name}");
            assert!(tree.kept(hash) == Some(bytes), "{name}");
        }
    }

    #[test]
    fn secrets_and_what_git_ignores_are_hashed_and_never_kept() {
        let tree = Tree::new();
        tree.write(".gitignore", b"out/\n*.cache\n");
        for name in [".env", "server.pem", "id_ed25519", "x.cache"] {
            let bytes = format!("the content of {name}").into_bytes();
            let path = tree.write(name, &bytes);
            let hash = Hash::of(&bytes);
            let found = tree.keeper.look(&path);
            assert!(matches!(found, Disk::File { hash: found, .. } if found == hash), "{name}");
            let text = String::from_utf8(bytes).expect("text");
            tree.keeper.keep_text(&path, &text).expect("stored");
            assert_eq!(tree.keeper.keep_early(&path, 0), None, "{name}");
            assert_eq!(tree.kept(hash), None, "{name}");
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_known_by_its_hash() {
        let tree = Tree::new();
        let path = tree.write("sparse", b"");
        let file = File::options().write(true).open(path.below(&tree.keeper.root)).expect("it");
        file.set_len(MOST + 1).expect("room");
        let Disk::File { hash, .. } = tree.keeper.look(&path) else { panic!("a file") };
        assert_eq!(tree.kept(hash), None);
    }
}
