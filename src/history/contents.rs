//! Contents of files, kept by their hashes: small ones in the database, others in files beside it.
//!
//! - A file is written under another name, synced and renamed before any row names it, so a row
//!   never names half a content. A crash in between leaves a file that nobody names; pruning
//!   removes it.
//! - A content of a secret class is hashed and goes nowhere.
//! - Whoever stores a content that is there already makes it young again. Pruning spares what is
//!   young, so it cannot take away what is about to be named.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::error::StoreError;
use super::record::Record;
use crate::model::path::{Hash, WorkPath};

/// Up to so many bytes a content is stored in the database.
const INLINE: usize = 16 * 1024;

/// How hard contents are compressed.
const LEVEL: i32 = 3;

/// Where contents are that have files of their own.
#[derive(Debug, Clone)]
pub struct Contents {
    folder: PathBuf,
}

/// A content that was taken in.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// Its hash.
    pub hash: Hash,
    /// What makes it findable; to be queued before the change that names it. `None`: it is a
    /// secret.
    pub record: Option<Record>,
}

/// The steps of taking in a content that gets a file, for tests that stop between two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The file under its other name is there and empty.
    Begun,
    /// It is complete.
    Written,
    /// It has reached the disk.
    Synced,
    /// It has its name.
    Named,
}

impl Contents {
    /// The contents that belong to the database at `path`.
    pub fn beside(path: &Path) -> Self {
        let mut name = path.as_os_str().to_owned();
        name.push("-blobs");
        Self { folder: PathBuf::from(name) }
    }

    /// Takes in what a file at `path` holds or held. Blocks; a large content is on the disk when
    /// this returns.
    pub fn take(&self, path: &WorkPath, source: &mut impl Read) -> Result<Taken, StoreError> {
        self.take_until(path, source, &mut |_| Ok(()))
    }

    /// Like [`Contents::take`]; gives up where `at` fails, as a crash would.
    pub(super) fn take_until(
        &self,
        path: &WorkPath,
        source: &mut impl Read,
        at: &mut dyn FnMut(Point) -> io::Result<()>,
    ) -> Result<Taken, StoreError> {
        let fail = |error: io::Error| StoreError::of_io(&error, &self.folder);
        if path.may_be_secret() {
            let mut hasher = Hash::stream();
            hasher.read_all(source).map_err(fail)?;
            return Ok(Taken { hash: hasher.finish(), record: None });
        }
        let mut head = Vec::new();
        let most = u64::try_from(INLINE).unwrap_or(u64::MAX) + 1;
        source.by_ref().take(most).read_to_end(&mut head).map_err(fail)?;
        if head.len() <= INLINE {
            let hash = Hash::of(&head);
            return Ok(Taken { hash, record: Some(Record::Blob { hash, bytes: head }) });
        }
        let mut whole = io::Cursor::new(head).chain(source);
        let (hash, room) = self.write(&mut whole, at).map_err(fail)?;
        Ok(Taken { hash, record: Some(Record::BlobFile { hash, room }) })
    }

    /// The file of a content.
    pub(super) fn file(&self, hash: Hash) -> PathBuf {
        let hex = hash.to_hex();
        self.folder.join(&hex[..2]).join(format!("{hex}.zst"))
    }

    /// The content of a file. Whether it has its hash is for the caller to check.
    pub(super) fn read(&self, hash: Hash) -> Result<Vec<u8>, StoreError> {
        let path = self.file(hash);
        let damaged = |error: io::Error| StoreError::Damaged {
            path: path.clone(),
            detail: format!("a content cannot be read: {error}"),
        };
        let file = File::open(&path).map_err(damaged)?;
        zstd::decode_all(file).map_err(damaged)
    }

    /// Removes the files of contents that `unknown` names, unless somebody stored them since
    /// `young`. Tells how many went.
    pub(super) fn remove(&self, unknown: &[Hash], young: SystemTime) -> io::Result<usize> {
        if unknown.is_empty() {
            return Ok(0);
        }
        let lock = self.lock_file()?;
        lock.lock()?;
        let mut removed = 0;
        for hash in unknown {
            let path = self.file(*hash);
            let Ok(meta) = path.metadata() else { continue };
            if meta.modified()? < young {
                fs::remove_file(&path)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// The contents that have files in the folder number `part` of 256, and removes what writers
    /// left there half done before `young`.
    pub(super) fn list(&self, part: u8, young: SystemTime) -> io::Result<Vec<Hash>> {
        let mut found = Vec::new();
        let entries = match fs::read_dir(self.folder.join(format!("{part:02x}"))) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            match name.to_str().and_then(|name| Hash::parse(name.strip_suffix(".zst")?)) {
                Some(hash) => found.push(hash),
                None => {
                    if entry.metadata()?.modified()? < young {
                        fs::remove_file(entry.path())?;
                    }
                }
            }
        }
        Ok(found)
    }

    fn write(
        &self,
        source: &mut impl Read,
        at: &mut dyn FnMut(Point) -> io::Result<()>,
    ) -> io::Result<(Hash, u64)> {
        // The half-done file lies where its hash would have it if it were known.
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let begun = self.folder.join(&unique[..2]).join(format!("{unique}.part"));
        private(begun.parent().unwrap_or(&self.folder))?;
        let made = self.fill(&begun, source, at);
        let (hash, room) = match made {
            Ok(made) => made,
            Err(error) => {
                // After a crash nobody would tidy up either; pruning does.
                if error.kind() != io::ErrorKind::Interrupted {
                    let _ = fs::remove_file(&begun);
                }
                return Err(error);
            }
        };
        let path = self.file(hash);
        let folder = path.parent().unwrap_or(&self.folder);
        private(folder)?;
        let lock = self.lock_file()?;
        lock.lock_shared()?;
        // A new file even if there is one: it costs no more than looking whether that is whole.
        fs::rename(&begun, &path)?;
        drop(lock);
        at(Point::Named)?;
        File::open(folder)?.sync_all()?;
        Ok((hash, room))
    }

    fn fill(
        &self,
        begun: &Path,
        source: &mut impl Read,
        at: &mut dyn FnMut(Point) -> io::Result<()>,
    ) -> io::Result<(Hash, u64)> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(begun)?;
        at(Point::Begun)?;
        let mut encoder = zstd::Encoder::new(file, LEVEL)?;
        let mut hasher = Hash::stream();
        hasher.read_all(&mut Tee { source, into: &mut encoder })?;
        let file = encoder.finish()?;
        at(Point::Written)?;
        file.sync_all()?;
        at(Point::Synced)?;
        Ok((hasher.finish(), file.metadata()?.len()))
    }

    fn lock_file(&self) -> io::Result<File> {
        private(&self.folder)?;
        let path = self.folder.join("lock");
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
    }
}

/// Makes a folder that is readable for its owner only.
fn private(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    match folder.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Passes on what is read, and writes it down.
struct Tee<'a, R, W> {
    source: &'a mut R,
    into: &'a mut W,
}

impl<R: Read, W: Write> Read for Tee<'_, R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.into.write_all(&buffer[..read])?;
        Ok(read)
    }
}
