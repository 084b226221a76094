//! Opening the database: whether it is ours, whole and writable, before anything is changed.
//!
//! - A file that is refused is left as it was, byte for byte.
//! - The file is readable for its owner only, and so is a folder that has to be made for it.
//! - Looking through the whole file takes its time, so it is done only if the last one who had it
//!   open did not close it properly or if it changed since. A lock file beside it knows that.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::StoreError;
use super::schema::{APPLICATION_ID, MIGRATIONS, known, migrate, version};
use super::write::Pen;

/// How long to wait for another process that writes.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// How long the look through the whole file may take at start; a larger file is looked through in
/// part.
const CHECK_BUDGET: Duration = Duration::from_millis(1500);

/// The log file shrinks to this size when it starts anew.
const LOG_BYTES: i64 = 64 * 1024 * 1024;

/// An opened database, and the lock that says so to others.
pub(super) struct Opened {
    pub(super) pen: Pen,
    pub(super) lock: Lock,
}

/// Opens the database at `path` for writing and brings it up to date.
pub(super) fn open(path: &Path) -> Result<Opened, StoreError> {
    let new = make_file(path)?;
    if !new {
        refuse_foreign(path)?;
    }
    let mut lock = Lock::take(path)?;
    let fail = |error: rusqlite::Error| StoreError::of_sqlite(&error, path);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(fail)?;
    conn.busy_timeout(BUSY).map_err(fail)?;
    // Until it is known to be ours and whole, closing it must not move the log into the file.
    let keep = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    conn.set_db_config(keep, true).map_err(fail)?;
    if conn.is_readonly(rusqlite::MAIN_DB).map_err(fail)? {
        let detail = "it can only be read".to_owned();
        return Err(StoreError::ReadOnly { path: path.to_owned(), detail });
    }
    check_identity(&conn, path)?;
    if lock.alone && !lock.was_closed_properly(path) {
        quick_check(&mut conn, path)?;
    }
    let found = version(&conn).map_err(fail)?;
    if (1..known()).contains(&found) && !lock.alone {
        return Err(StoreError::InUse { path: path.to_owned() });
    }
    conn.set_db_config(keep, false).map_err(fail)?;
    settle(&mut conn, path)?;
    let mut pen = Pen::new(conn, path);
    if lock.alone {
        // Nobody else is there, so whatever is open was left by an engine that died.
        pen.transaction(|pen| pen.index_left_open(None))?;
    }
    lock.share(path)?;
    Ok(Opened { pen, lock })
}

/// Opens the database at `path` for reading only.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    match path.metadata() {
        Ok(meta) if !meta.is_file() => return Err(StoreError::NotAFile { path: path.to_owned() }),
        Ok(_) => {}
        Err(error) => return Err(StoreError::of_io(&error, path)),
    }
    let fail = |error: rusqlite::Error| StoreError::of_sqlite(&error, path);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(fail)?;
    conn.busy_timeout(BUSY).map_err(fail)?;
    check_identity(&conn, path)?;
    match version(&conn).map_err(fail)? {
        found if found == known() => Ok(conn),
        0 => Err(StoreError::Missing { path: path.to_owned() }),
        found => Err(StoreError::OlderSchema { path: path.to_owned(), found, known: known() }),
    }
}

/// Looks through the whole database at `path`, however long it takes, and changes nothing.
pub fn check_whole(path: &Path) -> Result<(), StoreError> {
    let conn = open_to_read(path)?;
    verdict(conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)), path)
}

/// Makes the file and its folder if they are missing. Tells whether the file is new or empty.
fn make_file(path: &Path) -> Result<bool, StoreError> {
    let fail = |error: std::io::Error| StoreError::of_io(&error, path);
    if let Ok(meta) = path.metadata() {
        if !meta.is_file() {
            return Err(StoreError::NotAFile { path: path.to_owned() });
        }
        rustix::fs::access(path, rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK)
            .map_err(|error| fail(error.into()))?;
        if meta.permissions().mode() & 0o077 != 0 {
            std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(fail)?;
        }
        return Ok(meta.len() == 0);
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fail)?;
    }
    // SQLite gives the log the same permissions.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match made {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(fail(error)),
    }
}

/// Refuses what is not ours by the bytes of the file alone, without so much as a lock.
///
/// The file is read through SQLite all the same: closing a file by other means would take away
/// the locks that this process may have on it.
fn refuse_foreign(path: &Path) -> Result<(), StoreError> {
    let mut uri = String::from("file:");
    for byte in std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).as_os_str().as_bytes()
    {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                uri.push(char::from(*byte));
            }
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let conn = Connection::open_with_flags(uri, flags)
        .map_err(|error| StoreError::of_sqlite(&error, path))?;
    check_identity(&conn, path)
}

/// Refuses a database of another program or of a newer benchdog.
fn check_identity(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let fail = |error: rusqlite::Error| StoreError::of_sqlite(&error, path);
    let found = version(conn).map_err(fail)?;
    let application: i32 =
        conn.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(fail)?;
    if application == APPLICATION_ID {
        return if found > known() {
            Err(StoreError::NewerSchema { path: path.to_owned(), found, known: known() })
        } else {
            Ok(())
        };
    }
    let tables = "SELECT count(*) FROM sqlite_schema";
    let tables: i64 = conn.query_row(tables, [], |row| row.get(0)).map_err(fail)?;
    if application == 0 && found == 0 && tables == 0 {
        Ok(())
    } else {
        Err(StoreError::Foreign { path: path.to_owned() })
    }
}

/// Looks through the file as far as [`CHECK_BUDGET`] reaches.
fn quick_check(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let end = Instant::now() + CHECK_BUDGET;
    let fail = |error: rusqlite::Error| StoreError::of_sqlite(&error, path);
    conn.progress_handler(1000, Some(move || Instant::now() > end)).map_err(fail)?;
    let found = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    conn.progress_handler(0, None::<fn() -> bool>).map_err(fail)?;
    if let Err(error) = &found
        && error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
    {
        tracing::info!("the history is too large to be looked through at start");
        return Ok(());
    }
    verdict(found, path)
}

fn verdict(found: rusqlite::Result<String>, path: &Path) -> Result<(), StoreError> {
    match found {
        Ok(word) if word == "ok" => Ok(()),
        Ok(detail) => Err(StoreError::Damaged { path: path.to_owned(), detail }),
        Err(error) => Err(StoreError::of_sqlite(&error, path)),
    }
}

/// Sets how the connection writes and runs the migrations.
fn settle(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let fail = |error: rusqlite::Error| StoreError::of_sqlite(&error, path);
    let mode: String = conn
        .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
        .map_err(fail)?;
    if mode != "wal" {
        let detail = "its disk does not support a write-ahead log".to_owned();
        return Err(StoreError::Io { path: path.to_owned(), detail });
    }
    // The second only means something where a plain sync does not reach the disk itself.
    for (name, value) in
        [("synchronous", "FULL"), ("checkpoint_fullfsync", "ON"), ("foreign_keys", "ON")]
    {
        conn.pragma_update(None, name, value).map_err(fail)?;
    }
    conn.pragma_update(None, "cache_size", -16 * 1024).map_err(fail)?;
    conn.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))
        .map_err(fail)?;
    migrate(conn, MIGRATIONS).map_err(fail)
}

/// The lock file beside the database. Everybody who writes holds it, shared; the first one alone
/// until the database is checked. Its content says how the last one left.
pub(super) struct Lock {
    file: File,
    alone: bool,
}

impl Lock {
    fn take(path: &Path) -> Result<Self, StoreError> {
        let beside = beside(path, ".lock");
        let fail = |error: std::io::Error| StoreError::of_io(&error, &beside);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&beside)
            .map_err(fail)?;
        let alone = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => {
                file.lock_shared().map_err(fail)?;
                false
            }
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        };
        Ok(Self { file, alone })
    }

    fn was_closed_properly(&mut self, path: &Path) -> bool {
        let mut left = String::new();
        let _ = self.file.seek(SeekFrom::Start(0));
        let read = self.file.read_to_string(&mut left);
        // A file that nobody has written to yet needs no look either.
        path.metadata().is_ok_and(|meta| meta.len() == 0)
            || (read.is_ok() && properly_closed(path).is_some_and(|mark| mark == left))
    }

    fn share(&mut self, path: &Path) -> Result<(), StoreError> {
        if self.alone {
            self.write("open\n").map_err(|error| StoreError::of_io(&error, path))?;
            self.file.lock_shared().map_err(|error| StoreError::of_io(&error, path))?;
            self.alone = false;
        }
        Ok(())
    }

    /// Notes that the database is closed and complete, if nobody else has it open.
    pub(super) fn leave(mut self, path: &Path) {
        if self.file.try_lock().is_ok()
            && let Some(mark) = properly_closed(path)
        {
            let _ = self.write(&mark);
        }
    }

    fn write(&mut self, mark: &str) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(mark.as_bytes())
    }
}

/// What the lock file says after a proper end, if the database has no log left.
fn properly_closed(path: &Path) -> Option<String> {
    let meta = path.metadata().ok()?;
    let log = beside(path, "-wal").metadata().map_or(0, |log| log.len());
    let mark = format!("closed {} {}.{:09}\n", meta.len(), meta.mtime(), meta.mtime_nsec());
    (log == 0).then_some(mark)
}

/// The path of a file that belongs to the database at `path`.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
