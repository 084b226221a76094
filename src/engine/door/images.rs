//! Before-images: what a file was is safe before a process is let at it, or a write of the bench.
//!
//! An image is made while the process waits. It goes once the change that names its content is
//! stored; what a crash leaves behind becomes changes at the next start. Where there is no content
//! to be kept an empty image says who was about to do what, so that no deed is without its change.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use super::unfinished;
use crate::arbiter::Disk;
use crate::engine::identity;
use crate::engine::input::{Before, Taken};
use crate::guard::request::{Metadata, Op, Open, Request, Victim};
use crate::history::contents::Contents;
use crate::history::images::{Deed, ImageName, Images};
use crate::history::record::Record;
use crate::history::{Reader, Store, StoreError};
use crate::model::change::Image;
use crate::model::id::OpId;
use crate::model::lease::Owner;
use crate::model::path::WorkPath;

/// A file that is emptied or rewritten is copied up to this size, which a process can wait for;
/// of a larger one there is an image only where the file system can share its blocks.
const COPIED: u64 = 64 * 1024 * 1024;

/// The images of one workspace.
#[derive(Debug)]
pub(in crate::engine) struct BeforeImages {
    images: Images,
    contents: Contents,
    last: AtomicU64,
    kept: Mutex<HashMap<(OpId, WorkPath), ImageName>>,
    spent: Sender<ImageName>,
}

/// Where the images of the workspace at `root` are: beside the history if that is on the same file
/// system, so that an image can be a link; else inside git's folder.
pub(in crate::engine) fn folder(history: &Path, root: &Path) -> PathBuf {
    let mut name = history.as_os_str().to_owned();
    name.push("-images");
    let hash = crate::model::path::Hash::of(root.as_os_str().as_bytes()).to_hex();
    let beside = PathBuf::from(name).join(&hash[..16]);
    let device = |path: &Path| path.metadata().map(|meta| meta.dev()).ok();
    let git = root.join(".git");
    let near = history.parent().and_then(device);
    if near != device(root) && git.is_dir() && device(&git) == device(root) {
        return git.join(FOLDER);
    }
    beside
}

/// The folder inside git's own, in which agents change nothing.
pub(super) const FOLDER: &str = "benchdog-images";

impl BeforeImages {
    /// Opens the folder. What a crash left there is stored as changes. Images that are spent are to
    /// be forgotten by [`forget_spent`](Self::forget_spent).
    pub(in crate::engine) fn open(
        folder: &Path,
        root: &Path,
        store: &Store,
    ) -> Result<(Self, Receiver<ImageName>), StoreError> {
        let fail = |error: io::Error| StoreError::of_io(&error, folder);
        let contents = Contents::beside(store.path());
        let images = Images::open(folder).map_err(fail)?;
        let scan = images.scan().map_err(fail)?;
        for name in &scan.nameless {
            tracing::warn!(name, "a before-image stays: what it is of is not known any more");
        }
        for image in &scan.images {
            unfinished::clear(root, image, &images.path_of(image));
        }
        let adopted = images.adopt(&scan.images, root, &contents)?;
        if !adopted.is_empty() {
            let reader = store.reader()?;
            let records = adopted.iter().flat_map(|one| one.records.iter());
            let records = records.map(|record| named(record.clone(), &reader)).collect();
            store.blocking_queue(records)?;
            store.flush().wait()?;
            for one in &adopted {
                images.forget(&one.image).map_err(fail)?;
            }
        }
        let workspace = root.to_string_lossy();
        let stored = store.reader()?.last_serial(&workspace)?;
        let last = scan.last_serial.max(stored).unwrap_or(0);
        let (spent, gone) = channel();
        let last = AtomicU64::new(last);
        Ok((Self { images, contents, last, kept: Mutex::default(), spent }, gone))
    }

    /// Keeps what a call is about to destroy or rewrite. Without that it must not be made.
    pub(super) fn keep(
        &self,
        request: &Request,
        op: OpId,
        owner: &Owner,
        path: &WorkPath,
        victim: &Victim<'_>,
    ) -> io::Result<()> {
        let found = request.target.found;
        let size = found.map_or(0, |found| found.size);
        let Some(deed) = deed(request).map(|deed| self.kept_as(deed, path, size)) else {
            return Ok(());
        };
        let name = self.named(deed, owner, path);
        match (deed, victim) {
            (Deed::Unnamed, Victim::Entry { folder, name: entry }) => {
                let entry = entry.to_bytes();
                let entry = entry.strip_suffix(b"/").unwrap_or(entry);
                self.images.keep(&name, *folder, OsStr::from_bytes(entry))?;
            }
            (Deed::Rewritten, _) | (Deed::Unnamed, Victim::File(_)) => {
                self.images.keep_copy(&name, &mut File::from(victim.read()?))?;
            }
            (Deed::Moded, _) => {
                self.images.note_mode(&name, found.map_or(0, |found| found.mode))?;
            }
            (Deed::Made | Deed::Withheld, _) => self.images.note(&name)?,
        }
        self.lock().insert((op, path.clone()), name);
        Ok(())
    }

    /// Keeps in mind that a call is about to make a file.
    pub(super) fn make(&self, op: OpId, owner: &Owner, path: &WorkPath) -> io::Result<()> {
        let name = self.named(Deed::Made, owner, path);
        self.images.note(&name)?;
        self.lock().insert((op, path.clone()), name);
        Ok(())
    }

    /// Keeps what a write of the bench is about to replace, or that it makes a file. Without that
    /// it must not be carried out.
    pub(in crate::engine) fn keep_for_bench(
        &self,
        (op, owner): (OpId, &Owner),
        (root, path): (&Path, &WorkPath),
        checked: &Disk,
    ) -> io::Result<()> {
        if matches!(checked, Disk::Absent) {
            return self.make(op, owner, path);
        }
        let deed = self.kept_as(Deed::Unnamed, path, 0);
        let name = self.named(deed, owner, path);
        if deed == Deed::Unnamed {
            let full = path.below(root);
            let folder = File::open(full.parent().unwrap_or(root))?;
            self.images.keep(&name, folder.as_fd(), OsStr::new(path.name()))?;
        } else {
            self.images.note(&name)?;
        }
        self.lock().insert((op, path.clone()), name);
        Ok(())
    }

    /// How a deed is kept in mind, given what may be kept of it, and what can be.
    fn kept_as(&self, deed: Deed, path: &WorkPath, size: u64) -> Deed {
        match deed {
            Deed::Unnamed | Deed::Rewritten if path.may_be_secret() => Deed::Withheld,
            // Of an empty file nothing can be lost.
            Deed::Rewritten if size == 0 || size > COPIED => Deed::Withheld,
            Deed::Unnamed | Deed::Rewritten | Deed::Made | Deed::Moded | Deed::Withheld => deed,
        }
    }

    fn named(&self, deed: Deed, owner: &Owner, path: &WorkPath) -> ImageName {
        let serial = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (owner, path) = (owner.clone(), path.clone());
        ImageName { serial, at: identity::wall(), deed, owner, path }
    }

    /// A call was not made after all.
    pub(in crate::engine) fn unmade(&self, op: OpId) {
        let names: Vec<ImageName> = {
            let mut kept = self.lock();
            let of: Vec<_> = kept.keys().filter(|(of, _)| *of == op).cloned().collect();
            of.into_iter().filter_map(|key| kept.remove(&key)).collect()
        };
        for name in names {
            self.spend(name);
        }
    }

    /// Whether there is an image of what a call made of a file, which is `after` now.
    pub(super) fn take(
        &self,
        op: OpId,
        path: &WorkPath,
        after: Option<Image>,
        store: &Store,
    ) -> Result<Option<Taken>, StoreError> {
        let name = self.lock().remove(&(op, path.clone()));
        let Some(name) = name else { return Ok(None) };
        let full = self.images.path_of(&name);
        let fail = |error: io::Error| StoreError::of_io(&error, &full);
        let before = match name.deed {
            Deed::Made => Before::Absent,
            Deed::Withheld => Before::Unknown,
            Deed::Moded => Before::Mode(full.metadata().map_err(fail)?.mode()),
            Deed::Unnamed | Deed::Rewritten => {
                let meta = fs::symlink_metadata(&full).map_err(fail)?;
                let taken = if meta.is_symlink() {
                    let target = fs::read_link(&full).map_err(fail)?;
                    self.contents.take(path, &mut target.as_os_str().as_bytes())?
                } else {
                    self.contents.take(path, &mut File::open(&full).map_err(fail)?)?
                };
                store.blocking_queue(taken.record.into_iter().collect())?;
                Before::Image(Image { hash: taken.hash, mode: Some(meta.mode()) })
            }
        };
        Ok(Some(Taken { name, before, after }))
    }

    /// The same for a write of the bench, which knows what it has replaced: that was looked at, and
    /// kept, when it was checked.
    pub(in crate::engine) fn take_checked(
        &self,
        op: OpId,
        (root, path): (&Path, &WorkPath),
        checked: &Disk,
        written: &Disk,
    ) -> Option<Taken> {
        let name = self.lock().remove(&(op, path.clone()))?;
        let mode = |full: PathBuf| fs::symlink_metadata(full).map(|meta| meta.mode()).ok();
        let before = match (name.deed, checked) {
            (Deed::Made, _) => Before::Absent,
            (Deed::Unnamed, Disk::File { hash, .. }) => {
                let mode = mode(self.images.path_of(&name));
                Before::Image(Image { hash: *hash, mode })
            }
            (_, Disk::File { hash, .. }) => Before::Image((*hash).into()),
            (_, Disk::Absent | Disk::Unreadable(_)) => Before::Unknown,
        };
        let after = match written {
            Disk::File { hash, .. } => Some(Image { hash: *hash, mode: mode(path.below(root)) }),
            Disk::Absent | Disk::Unreadable(_) => None,
        };
        Some(Taken { name, before, after })
    }

    /// An image is of no use any more once all that was said until now is stored.
    pub(in crate::engine) fn spend(&self, name: ImageName) {
        // Without a listener it becomes a change, or nothing, at the next start.
        let _ = self.spent.send(name);
    }

    /// The life of a thread that forgets images that are spent; it ends with the last of those who
    /// keep them.
    pub(in crate::engine) fn forget_spent(
        images: &Weak<Self>,
        gone: &Receiver<ImageName>,
        store: &Store,
    ) {
        while let Ok(first) = gone.recv() {
            let all: Vec<ImageName> = std::iter::once(first).chain(gone.try_iter()).collect();
            // What is not stored is adopted at the next start.
            let is_stored = store.flush().wait().is_ok();
            let Some(images) = images.upgrade().filter(|_| is_stored) else { continue };
            for name in all {
                if let Err(error) = images.images.forget(&name) {
                    tracing::warn!(%error, "a before-image of {} stays", name.path);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(OpId, WorkPath), ImageName>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The record with its owner's name, as people know it.
fn named(mut record: Record, reader: &Reader) -> Record {
    if let Record::Change(row) = &mut record {
        let name = match &row.change.owner {
            Owner::User => Some("you".to_owned()),
            Owner::External => Some("somebody outside".to_owned()),
            Owner::Session(session, _) => {
                let script = session.as_str().strip_prefix("call:").map(str::to_owned);
                let known = || reader.session(session).ok().flatten().map(|row| row.agent);
                script.or_else(known)
            }
        };
        if let Some(name) = name {
            row.change.agent = name;
        }
    }
    record
}

/// What a call does to its target, if that must be known after a crash.
fn deed(request: &Request) -> Option<Deed> {
    match &request.op {
        Op::Unlink | Op::Rename { .. } => Some(Deed::Unnamed),
        Op::Open(Open::Truncate | Open::Append | Open::InPlace) | Op::Truncate => {
            Some(Deed::Rewritten)
        }
        Op::Metadata(Metadata::Mode) => Some(Deed::Moded),
        // A call that makes a file has no victim.
        Op::Open(Open::CreateNew | Open::Create)
        | Op::Rmdir
        | Op::Link { .. }
        | Op::Symlink
        | Op::Mkdir
        | Op::Mknod
        | Op::Metadata(Metadata::Owner | Metadata::Times | Metadata::Attribute)
        | Op::Bind => None,
    }
}
