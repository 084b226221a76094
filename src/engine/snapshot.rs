//! Keeps what files hold before a git may destroy them: all of them, or it is said why not.
//!
//! - What is kept has reached the disk when this is done.
//! - A file that is not there has nothing to be kept.
//! - Nothing is left out: a secret, which never goes into the history, a file that cannot be read,
//!   or more than there is room for, is a no.

use std::fs::{self, File, Metadata};
use std::io::{Cursor, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Weak;
use std::thread;
use std::time::{Duration, Instant};

use super::desk::Desk;
use crate::history::Store;
use crate::history::contents::Contents;
use crate::model::change::Image;
use crate::model::failure::Failure;
use crate::model::lease::{LeaseState, Owner};
use crate::model::path::WorkPath;

/// Files that are kept for one command at most, and their bytes. Beyond that somebody would wait
/// for minutes, and the history would forget older things for it.
const FILES: usize = 20_000;
const BYTES: u64 = 512 * 1024 * 1024;

/// How long files may be open for writing after a git has ended, and the pause between two looks.
const SETTLES: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(5);

/// Keeps these files; or says in words why one of them cannot be kept.
pub(super) fn keep(
    root: &Path,
    store: &Store,
    paths: &[WorkPath],
) -> Result<Vec<(WorkPath, Image)>, String> {
    keep_at_most(root, store, paths, (FILES, BYTES))
}

fn keep_at_most(
    root: &Path,
    store: &Store,
    paths: &[WorkPath],
    (files, bytes): (usize, u64),
) -> Result<Vec<(WorkPath, Image)>, String> {
    if paths.len() > files {
        return Err(format!("there are {} files, and {files} at most are kept", paths.len()));
    }
    let contents = Contents::beside(store.path());
    let mut left = bytes;
    let mut kept = Vec::with_capacity(paths.len());
    for path in paths {
        let full = path.below(root);
        let unreadable = |error: std::io::Error| format!("{path} cannot be read ({error})");
        let meta = match fs::symlink_metadata(&full) {
            Ok(meta) if meta.is_file() || meta.is_symlink() => meta,
            Ok(_) => return Err(format!("{path} is no file")),
            Err(error) if is_absent(&error) => continue,
            Err(error) => return Err(unreadable(error)),
        };
        if path.may_be_secret() {
            return Err(format!("{path} may be a secret, which is never kept"));
        }
        let most = bytes >> 20;
        let too_large =
            || format!("the files are larger than {most} MiB together, which is not kept");
        left = left.checked_sub(meta.len()).ok_or_else(too_large)?;
        let mut source: Box<dyn Read> = if meta.is_symlink() {
            let target = fs::read_link(&full).map_err(unreadable)?;
            Box::new(Cursor::new(target.as_os_str().as_bytes().to_vec()))
        } else {
            Box::new(File::open(&full).map_err(unreadable)?)
        };
        kept.push((path.clone(), take(&contents, store, path, &mut source, &meta)?));
    }
    store.flush().wait().map_err(|error| not_stored(&error.into()))?;
    Ok(kept)
}

/// Waits until no process of `owner` is at one of these files any more, that is until it is known
/// what became of them. A file that one of them keeps open is not waited for long.
pub(super) fn settle(desk: &Weak<Desk>, owner: &Owner, paths: &[WorkPath]) {
    let end = Instant::now() + SETTLES;
    let session = owner.session();
    while Instant::now() < end
        && let Some(desk) = desk.upgrade()
        && desk.read(|table| {
            paths.iter().any(|path| {
                table.lease_of(path.as_str()).is_some_and(|lease| {
                    lease.state == LeaseState::Inflight && lease.owner.session() == session
                })
            })
        })
    {
        thread::sleep(PAUSE);
    }
}

fn take(
    contents: &Contents,
    store: &Store,
    path: &WorkPath,
    source: &mut impl Read,
    meta: &Metadata,
) -> Result<Image, String> {
    let taken = contents.take(path, source).map_err(|error| not_stored(&error.into()))?;
    let record = taken.record.into_iter().collect();
    store.blocking_queue(record).map_err(|error| not_stored(&error.into()))?;
    Ok(Image { hash: taken.hash, mode: Some(meta.mode()) })
}

fn is_absent(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

fn not_stored(failure: &Failure) -> String {
    format!("the history cannot be written ({})", failure.message)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::model::path::Hash;

    fn paths(names: &[&str]) -> Vec<WorkPath> {
        names.iter().filter_map(|name| WorkPath::parse(name)).collect()
    }

    #[test]
    fn all_is_kept_byte_for_byte_or_it_is_said_why_not() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("tree");
        fs::create_dir(&root).unwrap();
        let store = Store::open(&home.path().join("history.db")).unwrap();
        let large: Vec<u8> = (0..700_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        fs::write(root.join("text"), "one\r\ntwo").unwrap();
        fs::write(root.join("large"), &large).unwrap();
        fs::set_permissions(root.join("large"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("text", root.join("link")).unwrap();
        fs::write(root.join(".env"), "secret").unwrap();
        let keep = |names: &[&str], most| keep_at_most(&root, &store, &paths(names), most);
        let most = (FILES, BYTES);
        let kept = keep(&["text", "large", "link", "gone", "text/below"], most).unwrap();
        let names: Vec<&str> = kept.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(names, ["text", "large", "link"]);
        assert_eq!(kept[1].1.mode.map(|mode| mode & 0o777), Some(0o755));
        let reader = store.reader().unwrap();
        for (image, bytes) in kept.iter().map(|(_, image)| image).zip([
            b"one\r\ntwo".to_vec(),
            large.clone(),
            b"text".to_vec(),
        ]) {
            assert_eq!(image.hash, Hash::of(&bytes));
            assert!(reader.blob(image.hash).unwrap() == Some(bytes));
        }
        for (names, most, why) in [
            (&["text", ".env"][..], most, ".env may be a secret"),
            (&["text", "large"], (FILES, 1 << 10), "larger than 0 MiB"),
            (&["text", "large"], (1, BYTES), "there are 2 files"),
        ] {
            let told = keep(names, most).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
