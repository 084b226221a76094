//! The folder of before-images: what a file was is safe here before a process is let at it.
//!
//! At the door there is no time for a row in the database. So the victim is linked into this
//! folder, or cloned, or copied, under a name that says whose deed it was; the row follows with
//! the next group of records, and then the image goes. After a crash the folder is read instead:
//!
//! - An image has its name only when it is complete. What is half done has another one.
//! - An image whose file is still what it was tells of nothing: the deed was not done.
//! - Any other image becomes a change. Its serial number goes into the row, so that a crash
//!   between the row and the end of the image makes no second one.
//! - What lies in the folder and is no image is left alone.
//!
//! Who may do what to which file, and which files are worth an image, is decided elsewhere.

mod name;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

pub use self::name::{Deed, ImageName};

use self::name::Parsed;
use super::contents::{Contents, Taken};
use super::error::StoreError;
use super::record::{ChangeRow, Record};
use crate::fault;
use crate::model::change::{Change, Image};
use crate::model::path::{Hash, WorkPath};

/// What an image that is not complete yet is called at the end.
const PART: &str = ".part";

/// The empty file of which notes are further names.
const BLANK: &str = "blank";

const NEW: OFlags = OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::CLOEXEC);

/// The bits of a mode that say who may do what; nobody gets more by an image.
const PERMISSIONS: u32 = 0o777;

/// The steps of an image, for tests that stop between two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The path is written down, if it does not fit into the name.
    Told,
    /// A copy is begun.
    Begun,
    /// A copy is complete but has not its name yet.
    Copied,
    /// The image has its name: the deed may be done.
    Kept,
    /// Its content is where it can be found by its hash.
    Taken,
}

impl Point {
    /// Its name among the steps of the program.
    fn step(self) -> &'static str {
        match self {
            Self::Told => "image-told",
            Self::Begun => "image-begun",
            Self::Copied => "image-copied",
            Self::Kept => "image-kept",
            Self::Taken => "image-adopted",
        }
    }
}

/// Stops where a test wants it; does nothing otherwise.
pub type Probe<'a> = &'a mut dyn FnMut(Point) -> io::Result<()>;

/// The folder of a workspace's images.
#[derive(Debug)]
pub struct Images {
    folder: PathBuf,
    handle: File,
}

/// What was found in the folder.
#[derive(Debug, Default)]
pub struct Scan {
    /// The images, in the order of their numbers.
    pub images: Vec<ImageName>,
    /// Images whose paths are not known: their companions are gone.
    pub nameless: Vec<String>,
    /// The highest number; new ones must be higher than this and than any that is stored.
    pub last_serial: Option<u64>,
}

/// What an image turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Adopted {
    /// The image; to be forgotten once `records` are stored.
    pub image: ImageName,
    /// What is to be stored, contents first. Empty: the deed was not done.
    pub records: Vec<Record>,
}

impl Images {
    /// Opens the folder; makes it if there is none. It should be on the file system of the
    /// workspace, else each image is a copy.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let handle = File::open(folder)?;
        // Without it, or with as many names as it can have, notes are files of their own.
        drop(rustix::fs::openat(&handle, BLANK, NEW, Mode::RUSR | Mode::WUSR));
        Ok(Self { folder: folder.to_owned(), handle })
    }

    /// Keeps what is at `victim` in the folder `dir`. When this returns, the deed may be done. An
    /// error means that nothing is safe, so it must not.
    pub fn keep(&self, image: &ImageName, dir: BorrowedFd<'_>, victim: &OsStr) -> io::Result<()> {
        self.keep_until(image, dir, victim, &mut pass)
    }

    /// Like [`Images::keep`]; gives up where `at` fails and leaves behind what a crash would.
    pub(super) fn keep_until(
        &self,
        image: &ImageName,
        dir: BorrowedFd<'_>,
        victim: &OsStr,
        at: Probe<'_>,
    ) -> io::Result<()> {
        let name = self.begin(image, at)?;
        let linked = match image.deed {
            Deed::Unnamed => rustix::fs::linkat(dir, victim, &self.handle, &name, AtFlags::empty()),
            // A second name would be rewritten along with the first.
            Deed::Rewritten => Err(Errno::XDEV),
            Deed::Made | Deed::Moded | Deed::Withheld => {
                let text = "there is nothing to be kept of it";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
        };
        match linked {
            Ok(()) => {}
            Err(Errno::XDEV | Errno::PERM | Errno::MLINK | Errno::OPNOTSUPP | Errno::NOSYS) => {
                self.copy(&name, dir, victim, at)?;
            }
            Err(error) => return Err(error.into()),
        }
        at(Point::Kept)
    }

    /// Keeps a copy of an open file. When this returns, the deed may be done.
    pub fn keep_copy(&self, image: &ImageName, source: &mut File) -> io::Result<()> {
        let name = self.begin(image, &mut pass)?;
        self.copy_of(&name, source, &mut pass)?;
        pass(Point::Kept)
    }

    /// Keeps in mind that something is about to happen of which no content is kept. When this
    /// returns, the deed may be done.
    pub fn note(&self, image: &ImageName) -> io::Result<()> {
        let name = self.begin(image, &mut pass)?;
        // Another name for a file that is there costs the waiting process less than a new file.
        let linked = rustix::fs::linkat(&self.handle, BLANK, &self.handle, &name, AtFlags::empty());
        if linked.is_err() {
            drop(rustix::fs::openat(&self.handle, &name, NEW, Mode::RUSR | Mode::WUSR)?);
        }
        pass(Point::Kept)
    }

    /// Keeps the permissions that a file has. When this returns, they may be changed.
    pub fn note_mode(&self, image: &ImageName, mode: u32) -> io::Result<()> {
        let name = self.begin(image, &mut pass)?;
        let part = self.part(&name);
        let note = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        note.set_permissions(Permissions::from_mode(mode & PERMISSIONS))?;
        fs::rename(part, self.folder.join(name))?;
        pass(Point::Kept)
    }

    /// Where an image is.
    pub fn path_of(&self, image: &ImageName) -> PathBuf {
        self.folder.join(image.to_file_name().unwrap_or_default())
    }

    /// The name of an image that is about to be made; a path that does not fit is written down.
    fn begin(&self, image: &ImageName, at: Probe<'_>) -> io::Result<String> {
        let Some(name) = image.to_file_name() else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the owner's name is too long",
            ));
        };
        if let Some(companion) = image.companion() {
            self.tell(&companion, &image.path)?;
            at(Point::Told)?;
        }
        Ok(name)
    }

    /// Removes an image: its change is stored, or its deed failed.
    pub fn forget(&self, image: &ImageName) -> io::Result<()> {
        let Some(name) = image.to_file_name() else { return Ok(()) };
        fault::at("image-spent")?;
        match fs::remove_file(self.folder.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// Looks through the folder, at start or when nothing is being kept. What a crash left half
    /// done is removed.
    pub fn scan(&self) -> io::Result<Scan> {
        let mut scan = Scan::default();
        let mut companions = BTreeMap::new();
        let mut short = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.ends_with(PART) {
                fs::remove_file(entry.path())?;
            } else if name.ends_with(".path") {
                companions.insert(name.to_owned(), fs::read_to_string(entry.path())?);
            } else {
                match ImageName::parse(name) {
                    Some(Parsed::Whole(image)) => scan.images.push(image),
                    Some(Parsed::Short { companion, rest }) => {
                        short.push((name.to_owned(), companion, rest));
                    }
                    None => {}
                }
            }
        }
        let mut serials: Vec<u64> = scan.images.iter().map(|image| image.serial).collect();
        for (name, companion, rest) in short {
            serials.push(rest.serial());
            let path = companions.get(&companion).cloned();
            match path.and_then(|path| ImageName::complete(rest, &path)) {
                Some(image) => scan.images.push(image),
                None => scan.nameless.push(name),
            }
        }
        scan.images.sort_by_key(|image| image.serial);
        scan.last_serial = serials.into_iter().max();
        let needed: Vec<String> = scan.images.iter().filter_map(ImageName::companion).collect();
        for companion in companions.keys().filter(|name| !needed.contains(name)) {
            fs::remove_file(self.folder.join(companion))?;
        }
        Ok(scan)
    }

    /// Makes changes of images, in the order given, for the workspace at `root`. What a file was
    /// after a deed is what the next image of it shows, else what is on disk now.
    pub fn adopt(
        &self,
        images: &[ImageName],
        root: &Path,
        contents: &Contents,
    ) -> Result<Vec<Adopted>, StoreError> {
        self.adopt_until(images, root, contents, &mut pass)
    }

    /// Like [`Images::adopt`]; gives up where `at` fails.
    pub(super) fn adopt_until(
        &self,
        images: &[ImageName],
        root: &Path,
        contents: &Contents,
        at: Probe<'_>,
    ) -> Result<Vec<Adopted>, StoreError> {
        let mut adopted = Vec::new();
        // From the newest to the oldest: what comes next is known then.
        let mut next: BTreeMap<&WorkPath, (Option<Found>, Vec<Record>)> = BTreeMap::new();
        for image in images.iter().rev() {
            let kept = self.path_of(image);
            let Ok(meta) = fs::symlink_metadata(&kept) else { continue };
            let (after, more) = match next.remove(&image.path) {
                Some(known) => known,
                None => match found(&image.path.below(root), &image.path, contents)? {
                    Some((after, more)) => (Some(after), more),
                    None => (None, Vec::new()),
                },
            };
            let (before, mut records) = match image.deed {
                Deed::Unnamed | Deed::Rewritten => match found(&kept, &image.path, contents)? {
                    Some((before, own)) => (Some(before), own),
                    None => continue,
                },
                Deed::Made => (None, Vec::new()),
                Deed::Withheld => (Some(Found::of(Hash::UNSEEN.into())), Vec::new()),
                // Its content is what it was before and after.
                Deed::Moded => {
                    let was = after.as_ref().map(|after| moded(after.image, meta.mode()));
                    (was.map(Found::of), more.clone())
                }
            };
            at(Point::Taken).map_err(|error| StoreError::of_io(&error, &self.folder))?;
            let same = match (&before, &after) {
                (None, None) => true,
                (Some(before), Some(after)) => {
                    before.is_same_file(after) || after.image == before.image
                }
                (Some(_), None) | (None, Some(_)) => false,
            };
            let own = records.clone();
            if same {
                records.clear();
            } else {
                records.extend(more);
                let change = Change {
                    at: image.at,
                    serial: Some(image.serial),
                    ..Change::of(
                        image.path.clone(),
                        image.owner.clone(),
                        before.as_ref().map(|before| before.image),
                        after.map(|after| after.image),
                    )
                };
                let workspace = root.to_string_lossy().into_owned();
                records.push(Record::Change(Box::new(ChangeRow { workspace, change })));
            }
            next.insert(&image.path, (before, own));
            adopted.push(Adopted { image: image.clone(), records });
        }
        adopted.reverse();
        Ok(adopted)
    }

    /// Where an image is while it is not complete.
    fn part(&self, name: &str) -> PathBuf {
        // The ending must fit as well.
        let short: String = name.chars().take(200).collect();
        self.folder.join(format!("{short}{PART}"))
    }

    /// Writes down a path that does not fit into a name.
    fn tell(&self, companion: &str, path: &WorkPath) -> io::Result<()> {
        let told = self.folder.join(companion);
        if told.exists() {
            return Ok(());
        }
        let part = self.folder.join(format!("{companion}-{}{PART}", std::process::id()));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(path.as_str().as_bytes())?;
        fs::rename(part, told)
    }

    /// Clones or copies the victim.
    fn copy(
        &self,
        name: &str,
        dir: BorrowedFd<'_>,
        victim: &OsStr,
        at: Probe<'_>,
    ) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let mut source = match rustix::fs::openat(dir, victim, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::LOOP) => {
                // A link has nothing but its target.
                let target = rustix::fs::readlinkat(dir, victim, Vec::new())?;
                rustix::fs::symlinkat(&target, &self.handle, name)?;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        self.copy_of(name, &mut source, at)
    }

    fn copy_of(&self, name: &str, source: &mut File, at: Probe<'_>) -> io::Result<()> {
        let meta = source.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file"));
        }
        let part = self.part(name);
        let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        at(Point::Begun)?;
        if !clone(source, &copy) {
            io::copy(source, &mut copy)?;
        }
        copy.set_permissions(meta.permissions())?;
        at(Point::Copied)?;
        fs::rename(part, self.folder.join(name))
    }
}

/// What is at a path now.
#[derive(Clone, Copy)]
struct Found {
    image: Image,
    /// Its device and inode; `None`: it is known by hearsay.
    inode: Option<(u64, u64)>,
}

impl Found {
    fn of(image: Image) -> Self {
        Self { image, inode: None }
    }

    fn is_same_file(&self, other: &Self) -> bool {
        self.inode.is_some() && self.inode == other.inode
    }
}

/// The image with other permissions.
pub fn moded(image: Image, mode: u32) -> Image {
    let kind = image.mode.map_or(FileType::RegularFile.as_raw_mode(), |mode| mode & !PERMISSIONS);
    Image { mode: Some(kind | (mode & PERMISSIONS)), ..image }
}

/// Passes a step.
fn pass(point: Point) -> io::Result<()> {
    fault::at(point.step())
}

/// What is at `full`, with the record that keeps its content. Nothing, if it is neither a file nor
/// a link.
fn found(
    full: &Path,
    path: &WorkPath,
    contents: &Contents,
) -> Result<Option<(Found, Vec<Record>)>, StoreError> {
    let fail = |error: io::Error| StoreError::of_io(&error, full);
    let meta = match fs::symlink_metadata(full) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    let Some(mut source) = source(full, &meta).map_err(fail)? else { return Ok(None) };
    let Taken { hash, record } = contents.take(path, &mut source)?;
    let image = Image { hash, mode: Some(meta.mode()) };
    let found = Found { image, inode: Some((meta.dev(), meta.ino())) };
    Ok(Some((found, record.into_iter().collect())))
}

/// The content of a file, or where a link leads to.
fn source(full: &Path, meta: &Metadata) -> io::Result<Option<Box<dyn Read>>> {
    if meta.is_file() {
        return Ok(Some(Box::new(File::open(full)?)));
    }
    if meta.is_symlink() {
        let target = fs::read_link(full)?;
        return Ok(Some(Box::new(io::Cursor::new(target.as_os_str().as_bytes().to_vec()))));
    }
    Ok(None)
}

/// Lets two files share their blocks, where the file system can.
#[cfg(target_os = "linux")]
fn clone(source: &File, copy: &File) -> bool {
    rustix::fs::ioctl_ficlone(copy, source).is_ok()
}

/// Lets two files share their blocks, where the file system can.
#[cfg(not(target_os = "linux"))]
fn clone(_source: &File, _copy: &File) -> bool {
    false
}
