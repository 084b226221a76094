//! The workspace's files as the engine touches them: resolving, looking, writing.
//!
//! Everything here blocks and runs on a thread of its own kind. What cannot be found out is said;
//! it never counts as "nothing there".

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, RenameFlags};
use serde_json::Value;

use super::effect::Content;
use super::input::{Extent, Place, WriteTrouble};
use crate::arbiter::{Disk, edited};
use crate::model::path::{Hash, WorkPath};
use crate::model::time::Wall;

/// Files larger than this are hashed but not held as text: no rebase, no difference.
const TEXT_BYTES: u64 = 2 * 1024 * 1024;

/// The time of a change may be so far behind the clock.
const CLOCK_MS: i64 = 20;

/// Where `raw`, written by somebody who stands in `cwd`, leads. `root` is canonical.
pub(super) fn resolve(root: &Path, cwd: &Path, raw: &str) -> Place {
    if raw.is_empty() || raw.contains('\0') {
        return Place::Unclear(format!("`{}` is no path", raw.escape_default()));
    }
    let full = cwd.join(raw);
    let real = match real_path(&full) {
        Ok(real) => real,
        Err(error) => return Place::Unclear(format!("{raw} cannot be resolved ({error})")),
    };
    let Ok(below) = real.strip_prefix(root) else { return Place::Outside(raw.to_owned()) };
    match below.to_str().map(|below| (below, WorkPath::parse(below))) {
        Some((_, Some(path))) => Place::Inside(path),
        Some(("", None)) => Place::Unclear(format!("{raw} is the workspace itself")),
        Some((_, None)) => Place::Unclear(format!("{raw} is no path inside the workspace")),
        None => Place::Unclear(format!("{raw} is not UTF-8")),
    }
}

/// The path with every link resolved; what does not exist yet is taken as it is written.
fn real_path(full: &Path) -> io::Result<PathBuf> {
    let mut missing: Vec<OsString> = Vec::new();
    let mut known = full.to_owned();
    loop {
        match fs::canonicalize(&known) {
            Ok(mut real) => {
                real.extend(missing.iter().rev());
                return Ok(real);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if fs::symlink_metadata(&known).is_ok() {
                    let text = "a link on the way leads nowhere";
                    return Err(io::Error::new(io::ErrorKind::NotFound, text));
                }
                match known.components().next_back() {
                    Some(Component::Normal(name)) => missing.push(name.to_owned()),
                    _ => {
                        let text = "`..` behind something that does not exist";
                        return Err(io::Error::new(io::ErrorKind::NotFound, text));
                    }
                }
                known.pop();
            }
            Err(error) => return Err(error),
        }
    }
}

/// What is at `path` below `root`.
pub(super) fn look(root: &Path, path: &WorkPath) -> Disk {
    look_closely(root, path).0
}

/// What is at `path` below `root`, with its bytes if it is no text and not large.
pub(super) fn look_closely(root: &Path, path: &WorkPath) -> (Disk, Option<Vec<u8>>) {
    read_closely(&path.below(root)).unwrap_or_else(|error| {
        (Disk::Unreadable(format!("{path} cannot be read ({error})")), None)
    })
}

fn read(full: &Path) -> io::Result<Disk> {
    read_closely(full).map(|(disk, _)| disk)
}

fn read_closely(full: &Path) -> io::Result<(Disk, Option<Vec<u8>>)> {
    let meta = match fs::metadata(full) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Disk::Absent, None)),
        Err(error) => return Err(error),
    };
    if !meta.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let mut file = File::open(full)?;
    if meta.len() > TEXT_BYTES {
        let mut hasher = Hash::stream();
        hasher.read_all(&mut file)?;
        return Ok((Disk::File { hash: hasher.finish(), text: None }, None));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0) + 1);
    file.read_to_end(&mut bytes)?;
    let hash = Hash::of(&bytes);
    Ok(match String::from_utf8(bytes) {
        Ok(text) => (Disk::File { hash, text: Some(Arc::from(text)) }, None),
        Err(error) => (Disk::File { hash, text: None }, Some(error.into_bytes())),
    })
}

/// Writes a file whole, if it still is what was checked. Says what is there afterwards.
pub(super) fn write(
    root: &Path,
    path: &WorkPath,
    checked: &Disk,
    content: &Content,
    unique: u64,
) -> (Disk, Result<(), WriteTrouble>) {
    match write_checked(root, path, checked, content, unique) {
        Ok(written) => (written, Ok(())),
        Err(trouble) => (look(root, path), Err(trouble)),
    }
}

/// What stands in the names of our temporary files, and in no others.
fn temporary() -> String {
    format!(".benchdog-{}-", std::process::id())
}

/// Whether it is a file that is made here and gone in a moment.
pub(super) fn is_temporary(path: &WorkPath) -> bool {
    let (name, ours) = (path.name(), temporary());
    name.starts_with('.')
        && name.rsplit_once(&ours).is_some_and(|(_, number)| number.parse::<u64>().is_ok())
}

fn write_checked(
    root: &Path,
    path: &WorkPath,
    checked: &Disk,
    content: &Content,
    unique: u64,
) -> Result<Disk, WriteTrouble> {
    let full = path.below(root);
    let before = look(root, path);
    if !same(&before, checked) {
        return Err(WriteTrouble::Changed);
    }
    let io = |error: io::Error| WriteTrouble::Io(format!("{path}: {error}"));
    let folder = full.parent().unwrap_or(root);
    let temp = folder.join(format!(".{}{}{unique}", path.name(), temporary()));
    let edited_text;
    let (bytes, mode): (&[u8], Option<u32>) = match (content, &before) {
        (Content::Whole(text), _) => (text.as_bytes(), None),
        (Content::Bytes { bytes, mode }, _) => (bytes, *mode),
        (Content::Edited(edit), Disk::File { text: Some(text), .. }) => {
            edited_text =
                edited(edit, text).map_err(|why| WriteTrouble::NoAnchor(why.to_owned()))?;
            (edited_text.as_bytes(), None)
        }
        (Content::Edited(edit), Disk::Absent) if edit.old.is_empty() => (edit.new.as_bytes(), None),
        (Content::Edited(_), _) => {
            return Err(WriteTrouble::NoAnchor("there is no text to edit".to_owned()));
        }
        (Content::Gone, Disk::Absent) => return Ok(Disk::Absent),
        (Content::Gone, _) => return take_away(&temp, &full, checked, path),
    };
    fs::create_dir_all(folder).map_err(io)?;
    fill(&temp, &full, bytes, mode).map_err(io)?;
    let result = put(&temp, &full, checked, path);
    if result.is_err() {
        discard(&temp, bytes);
    }
    // It was so at the moment of the exchange; what changes later is found by the next look.
    result.map(|()| {
        let text = std::str::from_utf8(bytes).ok().filter(|_| bytes.len() as u64 <= TEXT_BYTES);
        Disk::File { hash: Hash::of(bytes), text: text.map(Arc::from) }
    })
}

/// Removes a file, if it still is what was checked.
fn take_away(
    temp: &Path,
    full: &Path,
    checked: &Disk,
    path: &WorkPath,
) -> Result<Disk, WriteTrouble> {
    fs::rename(full, temp).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return WriteTrouble::Changed;
        }
        WriteTrouble::Io(format!("{path}: {error}"))
    })?;
    let displaced = read(temp).unwrap_or(Disk::Absent);
    if same(&displaced, checked) {
        // What it was is journaled and may lie about.
        let _ = fs::remove_file(temp);
        return Ok(Disk::Absent);
    }
    put_back(temp, full, path).map(|()| Disk::Absent)
}

/// Makes the temporary file. It may be read by nobody who may not read the file that it replaces.
fn fill(temp: &Path, like: &Path, bytes: &[u8], mode: Option<u32>) -> io::Result<()> {
    let permissions = match mode {
        Some(mode) => Some(Permissions::from_mode(mode & 0o7777)),
        None => fs::metadata(like).ok().map(|meta| meta.permissions()),
    };
    let mut options = File::options();
    options.write(true).create_new(true);
    if permissions.is_some() {
        options.mode(0o600);
    }
    let mut file = options.open(temp)?;
    let filled = file.write_all(bytes).and_then(|()| match permissions {
        Some(permissions) => file.set_permissions(permissions),
        None => Ok(()),
    });
    if filled.is_err() {
        // It was made here and nobody knows it; a failure to remove it changes nothing else.
        let _ = fs::remove_file(temp);
    }
    filled
}

/// Removes the temporary file, unless it is somebody else's content by now.
fn discard(temp: &Path, bytes: &[u8]) {
    if fs::read(temp).is_ok_and(|here| here == bytes) {
        // A failure to remove it changes nothing else.
        let _ = fs::remove_file(temp);
    }
}

/// Puts the temporary file in its place. What it displaces is looked at; if that is not what was
/// checked, it is put back.
fn put(temp: &Path, full: &Path, checked: &Disk, path: &WorkPath) -> Result<(), WriteTrouble> {
    let io = |error: rustix::io::Errno| WriteTrouble::Io(format!("{path}: {error}"));
    let flags = match checked {
        Disk::Absent => RenameFlags::NOREPLACE,
        Disk::File { .. } | Disk::Unreadable(_) => RenameFlags::EXCHANGE,
    };
    match rustix::fs::renameat_with(CWD, temp, CWD, full, flags) {
        Ok(()) if *checked == Disk::Absent => Ok(()),
        Ok(()) => {
            let displaced = read(temp).unwrap_or(Disk::Absent);
            if same(&displaced, checked) {
                // The write is done; what it replaced is journaled and may lie about.
                let _ = fs::remove_file(temp);
                return Ok(());
            }
            put_back(temp, full, path)
        }
        Err(rustix::io::Errno::EXIST | rustix::io::Errno::NOENT) => Err(WriteTrouble::Changed),
        // File systems without these flags: the check just before is all there is.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            let now = read(full).unwrap_or(Disk::Absent);
            if !same(&now, checked) {
                return Err(WriteTrouble::Changed);
            }
            fs::rename(temp, full).map_err(|error| WriteTrouble::Io(format!("{path}: {error}")))
        }
        Err(error) => Err(io(error)),
    }
}

/// Gives somebody's newer version its place again, which the temporary file had taken.
fn put_back(temp: &Path, full: &Path, path: &WorkPath) -> Result<(), WriteTrouble> {
    let rename = |flags| rustix::fs::renameat_with(CWD, temp, CWD, full, flags);
    // Whoever removed or replaced ours meanwhile keeps what is there now.
    let back = rename(RenameFlags::EXCHANGE).or_else(|_| rename(RenameFlags::NOREPLACE));
    match back {
        Ok(()) => Err(WriteTrouble::Changed),
        Err(error) => Err(WriteTrouble::Io(format!(
            "{path}: somebody outside changed it at the same moment, and that version could not be \
             put back ({error}); it is kept as {}",
            temp.display(),
        ))),
    }
}

fn same(now: &Disk, checked: &Disk) -> bool {
    match (now, checked) {
        (Disk::Absent, Disk::Absent) => true,
        (Disk::File { hash: now, .. }, Disk::File { hash: checked, .. }) => now == checked,
        _ => false,
    }
}

/// What a read of Claude's `Read` tool showed, if it is what is on disk now.
///
/// What is shown of a file that is no text cannot be compared with it: all of it was shown if it
/// has not changed since before the read `began`.
pub(super) fn shown(
    root: &Path,
    cwd: &Path,
    raw: &str,
    response: &Value,
    began: Option<Wall>,
) -> Option<(WorkPath, Disk, Extent)> {
    let Place::Inside(path) = resolve(root, cwd, raw) else { return None };
    let unchanged = began.is_some_and(|began| is_older(&path.below(root), began));
    let disk = look(root, &path);
    let Disk::File { text, .. } = &disk else { return None };
    let file = response.get("file")?;
    let number = |key: &str| file.get(key).and_then(Value::as_u64);
    let (start, lines) = (number("startLine").unwrap_or(1), number("numLines"));
    let whole = start <= 1 && lines.is_none_or(|lines| number("totalLines") == Some(lines));
    let extent = match (file.get("content").and_then(Value::as_str), text) {
        (Some(content), Some(text)) if whole => {
            (plain(content) == plain(text)).then_some(Extent::Whole)
        }
        (Some(content), Some(text)) => {
            let skip = usize::try_from(start.saturating_sub(1)).ok()?;
            let all = plain(text);
            let mut rest = all.split('\n').skip(skip);
            let same = plain(content).split('\n').all(|line| rest.next() == Some(line));
            same.then_some(Extent::Part)
        }
        (Some(_), None) => Some(if whole && unchanged { Extent::Whole } else { Extent::Part }),
        (None, _) => match response.get("type").and_then(Value::as_str) {
            Some("image" | "notebook") if unchanged => Some(Extent::Whole),
            Some("image" | "notebook") => Some(Extent::Part),
            _ => None,
        },
    };
    extent.map(|extent| (path, disk, extent))
}

/// Whether a file was last changed before `then`, for certain.
fn is_older(full: &Path, then: Wall) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(full).is_ok_and(|meta| {
        let changed =
            meta.ctime().saturating_mul(1000).saturating_add(meta.ctime_nsec() / 1_000_000);
        changed.saturating_add(CLOCK_MS) < then.0
    })
}

/// A text without what reading tools leave out: byte order mark, carriage returns, last newline.
fn plain(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    text.strip_suffix('\n').map_or(text.clone(), str::to_owned)
}

/// The branch that is checked out, the short commit without one, or nothing outside git.
pub(super) fn branch(root: &Path) -> String {
    let dot_git = root.join(".git");
    let folder = match fs::read_to_string(&dot_git) {
        // A linked work tree: the file names the folder.
        Ok(text) => match text.trim().strip_prefix("gitdir: ") {
            Some(folder) => root.join(folder),
            None => return String::new(),
        },
        Err(_) => dot_git,
    };
    let head = fs::read_to_string(folder.join("HEAD")).unwrap_or_default();
    match head.trim().strip_prefix("ref: refs/heads/") {
        Some(branch) => branch.to_owned(),
        None => head.trim().chars().take(8).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arbiter::Edit;

    fn tree() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("its real path");
        (folder, root)
    }

    fn path(raw: &str) -> WorkPath {
        WorkPath::parse(raw).expect("a path inside")
    }

    #[test]
    fn every_spelling_of_a_file_leads_to_one_path() {
        let (_keep, root) = tree();
        fs::create_dir(root.join("src")).expect("src");
        fs::write(root.join("src/a.rs"), "x").expect("a.rs");
        std::os::unix::fs::symlink("src", root.join("link")).expect("a link");
        std::os::unix::fs::symlink("src/a.rs", root.join("alias.rs")).expect("a link");
        let absolute = root.join("src/a.rs");
        let spellings = [
            "src/a.rs",
            "./src/../src/a.rs",
            "link/a.rs",
            "alias.rs",
            absolute.to_str().expect("UTF-8"),
        ];
        for raw in spellings {
            assert_eq!(resolve(&root, &root, raw), Place::Inside(path("src/a.rs")), "{raw}");
        }
        assert_eq!(
            resolve(&root, &root.join("src"), "new/b.rs"),
            Place::Inside(path("src/new/b.rs"))
        );
    }

    #[test]
    fn what_leads_out_or_nowhere_is_said() {
        let (_keep, root) = tree();
        std::os::unix::fs::symlink("/", root.join("out")).expect("a link");
        std::os::unix::fs::symlink("gone", root.join("dangling")).expect("a link");
        assert!(matches!(resolve(&root, &root, "../x"), Place::Outside(_)));
        assert!(matches!(resolve(&root, &root, "out/etc/passwd"), Place::Outside(_)));
        assert!(matches!(resolve(&root, &root, "dangling"), Place::Unclear(_)));
        assert!(matches!(resolve(&root, &root, "."), Place::Unclear(_)));
        assert!(matches!(resolve(&root, &root, "new/../../x"), Place::Unclear(_)));
    }

    #[test]
    fn a_write_replaces_what_was_checked_and_nothing_else() {
        let (_keep, root) = tree();
        let file = path("a.txt");
        let content = Content::Whole("one\n".to_owned());
        let (disk, result) = write(&root, &file, &Disk::Absent, &content, 1);
        assert_eq!(result, Ok(()));
        let edit = Edit { old: "one".to_owned(), new: "two".to_owned(), all: false };
        let (after, result) = write(&root, &file, &disk, &Content::Edited(edit), 2);
        assert_eq!(result, Ok(()));
        assert_eq!(fs::read_to_string(root.join("a.txt")).expect("text"), "two\n");
        let (_, result) = write(&root, &file, &disk, &content, 3);
        assert_eq!(result, Err(WriteTrouble::Changed), "it is not what was checked any more");
        let (_, result) = write(&root, &file, &Disk::Absent, &content, 4);
        assert_eq!(result, Err(WriteTrouble::Changed), "it exists meanwhile");
        assert!(same(&look(&root, &file), &after));
        assert_eq!(fs::read_dir(&root).expect("the folder").count(), 1, "no temporary file stays");
    }

    #[test]
    fn the_content_of_others_is_put_back_and_never_removed() {
        let (_keep, root) = tree();
        let (temp, full, file) = (root.join(".temp"), root.join("a"), path("a"));
        let text = |at: &Path| fs::read_to_string(at).ok();
        let checked = Disk::File { hash: Hash::of(b"checked"), text: None };
        // It is not what was checked: theirs comes back.
        fs::write(&temp, "ours").expect("temp");
        fs::write(&full, "theirs").expect("a");
        assert_eq!(put(&temp, &full, &checked, &file), Err(WriteTrouble::Changed));
        assert_eq!(
            (text(&full).as_deref(), text(&temp).as_deref()),
            (Some("theirs"), Some("ours"))
        );
        // Ours was removed before theirs could come back.
        fs::rename(&full, &temp).expect("exchanged, then removed");
        assert_eq!(put_back(&temp, &full, &file), Err(WriteTrouble::Changed));
        assert_eq!((text(&full).as_deref(), text(&temp)), (Some("theirs"), None));
        // What cannot come back is kept and named.
        fs::rename(&full, &temp).expect("exchanged");
        let nowhere = root.join("gone/a");
        let kept = put_back(&temp, &nowhere, &file);
        let named = |why: &String| why.contains(temp.to_str().expect("UTF-8"));
        assert!(matches!(&kept, Err(WriteTrouble::Io(why)) if named(why)), "{kept:?}");
        discard(&temp, b"ours");
        assert_eq!(text(&temp).as_deref(), Some("theirs"));
        fs::write(&temp, "ours").expect("temp");
        discard(&temp, b"ours");
        assert_eq!(text(&temp), None);
    }

    #[test]
    fn an_edit_is_made_as_it_was_decided_about() {
        let (_keep, root) = tree();
        fs::write(root.join("a"), "one\r\ntwo\r\nthree\r\n").expect("a");
        let checked = look(&root, &path("a"));
        let edit = |old: &str, new: &str| {
            Content::Edited(Edit { old: old.to_owned(), new: new.to_owned(), all: false })
        };
        let (_, result) = write(&root, &path("a"), &checked, &edit("one\ntwo\n", "1\n2\n"), 1);
        assert_eq!(result, Ok(()));
        assert_eq!(fs::read_to_string(root.join("a")).expect("text"), "1\r\n2\r\nthree\r\n");
        fs::write(root.join("b"), "aaa").expect("b");
        let checked = look(&root, &path("b"));
        let (_, result) = write(&root, &path("b"), &checked, &edit("aa", "b"), 2);
        assert!(
            matches!(result, Err(WriteTrouble::NoAnchor(_))),
            "two places that overlap are two"
        );
    }

    #[test]
    fn a_file_keeps_its_permissions() {
        let (_keep, root) = tree();
        fs::write(root.join("run"), "#!/bin/sh\n").expect("a script");
        fs::set_permissions(root.join("run"), Permissions::from_mode(0o750)).expect("mode");
        let checked = look(&root, &path("run"));
        let (_, result) = write(&root, &path("run"), &checked, &Content::Whole("x".to_owned()), 1);
        assert_eq!(result, Ok(()));
        let mode = fs::metadata(root.join("run")).expect("meta").permissions().mode();
        assert_eq!(mode & 0o777, 0o750);
    }

    #[test]
    fn a_read_counts_only_if_it_showed_what_is_there() {
        let (_keep, root) = tree();
        fs::write(root.join("a"), "one\ntwo\nthree\n").expect("a");
        let response = |content: &str, start: u64, lines: u64| {
            serde_json::json!({"type": "text", "file": {"content": content, "startLine": start,
                               "numLines": lines, "totalLines": 4}})
        };
        let extent = |response: &Value| shown(&root, &root, "a", response, None).map(|seen| seen.2);
        assert_eq!(extent(&response("one\ntwo\nthree\n", 1, 4)), Some(Extent::Whole));
        assert_eq!(extent(&response("two\nthree", 2, 2)), Some(Extent::Part));
        assert_eq!(extent(&response("one\nTWO\nthree\n", 1, 4)), None);
        assert_eq!(extent(&response("TWO", 2, 1)), None);
    }

    #[test]
    fn what_is_no_text_was_shown_if_it_has_not_changed_since_before_the_read() {
        let (_keep, root) = tree();
        fs::write(root.join("a"), b"caf\xe9\n").expect("a");
        fs::write(root.join("n.ipynb"), "{}").expect("a notebook");
        let text = serde_json::json!({"type": "text", "file": {"content": "caf?", "startLine": 1,
                                      "numLines": 2, "totalLines": 2}});
        let part = serde_json::json!({"type": "text", "file": {"content": "", "startLine": 2,
                                      "numLines": 1, "totalLines": 2}});
        let cells = serde_json::json!({"type": "notebook", "file": {"cells": []}});
        let other = serde_json::json!({"type": "file_unchanged", "file": {"filePath": "a"}});
        let extent = |name: &str, response: &Value, began: Option<i64>| {
            shown(&root, &root, name, response, began.map(Wall)).map(|seen| seen.2)
        };
        let (before, after) = (Some(1_000), Some(i64::MAX));
        assert_eq!(extent("a", &text, after), Some(Extent::Whole));
        assert_eq!(extent("a", &text, before), Some(Extent::Part));
        assert_eq!(extent("a", &text, None), Some(Extent::Part));
        assert_eq!(extent("a", &part, after), Some(Extent::Part));
        assert_eq!(extent("a", &other, after), None);
        assert_eq!(extent("n.ipynb", &cells, after), Some(Extent::Whole));
        assert_eq!(extent("n.ipynb", &cells, before), Some(Extent::Part));
    }

    #[test]
    fn the_branch_is_read_without_git() {
        let (_keep, root) = tree();
        assert_eq!(branch(&root), "");
        fs::create_dir(root.join(".git")).expect(".git");
        fs::write(root.join(".git/HEAD"), "ref: refs/heads/fix/span\n").expect("HEAD");
        assert_eq!(branch(&root), "fix/span");
        fs::write(root.join(".git/HEAD"), "0123456789abcdef\n").expect("HEAD");
        assert_eq!(branch(&root), "01234567");
    }
}
