//! What can go wrong with the history, by what a caller can do about it.
//!
//! No variant means that something was lost: what could not be stored is still with its caller
//! or in the queue.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::model::failure::{Failure, FailureKind};
use crate::model::id::SessionId;
use crate::model::time::Wall;

/// Why the history cannot be opened, read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A newer benchdog wrote it.
    #[error("the history {} was written by a newer benchdog (schema {found}, this one knows {known})", path.display())]
    NewerSchema {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version that is known here.
        known: u32,
    },
    /// An older benchdog wrote it, and a reader does not change it.
    #[error("the history {} still has the form of an older benchdog (schema {found}, this one reads {known})", path.display())]
    OlderSchema {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version that is read here.
        known: u32,
    },
    /// There is none yet.
    #[error("there is no history at {}", path.display())]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// It was deleted, moved or replaced while it was open.
    #[error("the history {} was deleted or moved away while it was open", path.display())]
    Gone {
        /// Where it was.
        path: PathBuf,
    },
    /// Its content is broken.
    #[error("the history {} is damaged", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// It is a file of another kind.
    #[error("{} is not a database", path.display())]
    NotADatabase {
        /// Which file.
        path: PathBuf,
    },
    /// It is a database of another program.
    #[error("{} is a database of another program", path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// It is a folder or a device.
    #[error("{} is not a plain file", path.display())]
    NotAFile {
        /// Which path.
        path: PathBuf,
    },
    /// It cannot be written.
    #[error("the history {} cannot be written", path.display())]
    ReadOnly {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// The disk is full.
    #[error("the disk of the history {} is full", path.display())]
    Full {
        /// Which file.
        path: PathBuf,
    },
    /// Another process keeps it locked.
    #[error("the history {} is locked by another process", path.display())]
    Locked {
        /// Which file.
        path: PathBuf,
    },
    /// An older benchdog still writes it, which the new form would break.
    #[error("the history {} is in use by an older benchdog", path.display())]
    InUse {
        /// Which file.
        path: PathBuf,
    },
    /// The disk or the system failed.
    #[error("the history {} cannot be reached", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        detail: String,
    },
    /// Another engine has the session open.
    #[error("the session {session} is open in another benchdog (process {engine_pid})")]
    AlreadyOpen {
        /// Which session.
        session: SessionId,
        /// The engine's process.
        engine_pid: u32,
        /// Since when.
        at: Wall,
    },
    /// No such session is stored.
    #[error("no session {0} is stored")]
    NoSession(SessionId),
    /// One record cannot be stored as it is; others can.
    #[error("a record cannot be stored")]
    Rejected {
        /// Why.
        detail: String,
    },
    /// The history was closed without some of what it should have stored.
    #[error("{records} records of the history are lost")]
    Lost {
        /// How many.
        records: u64,
        /// Why, as far as it is known.
        why: String,
    },
    /// More urgent records wait than the queue may hold.
    #[error("the disk of the history does not keep up")]
    Overfull,
    /// The history was closed.
    #[error("the history is closed")]
    Closed,
}

impl StoreError {
    /// What an I/O error at `path` means.
    pub fn of_io(error: &io::Error, path: &Path) -> Self {
        let (path, detail) = (path.to_owned(), error.to_string());
        #[expect(clippy::wildcard_enum_match_arm, reason = "the kinds are the standard library's")]
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            io::ErrorKind::IsADirectory => Self::NotAFile { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path, detail }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { path, detail },
        }
    }

    /// What an error of SQLite means for the database at `path`.
    pub(super) fn of_sqlite(error: &rusqlite::Error, path: &Path) -> Self {
        let (path, detail) = (path.to_owned(), error.to_string());
        let Some(code) = error.sqlite_error_code() else { return Self::Rejected { detail } };
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the codes are SQLite's; whatever is left concerns one statement"
        )]
        match code {
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed => Self::Locked { path },
            ErrorCode::DiskFull => Self::Full { path },
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Self::ReadOnly { path, detail },
            ErrorCode::DatabaseCorrupt => Self::Damaged { path, detail },
            ErrorCode::NotADatabase => Self::NotADatabase { path },
            ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted
            | ErrorCode::NoLargeFileSupport => Self::Io { path, detail },
            _ => Self::Rejected { detail },
        }
    }

    /// Whether only the one record is at fault, so that the next one may succeed.
    pub(super) fn concerns_one_record(&self) -> bool {
        match self {
            Self::Rejected { .. } | Self::NoSession(_) | Self::AlreadyOpen { .. } => true,
            Self::NewerSchema { .. }
            | Self::OlderSchema { .. }
            | Self::Missing { .. }
            | Self::Gone { .. }
            | Self::Damaged { .. }
            | Self::NotADatabase { .. }
            | Self::Foreign { .. }
            | Self::NotAFile { .. }
            | Self::ReadOnly { .. }
            | Self::Full { .. }
            | Self::Locked { .. }
            | Self::InUse { .. }
            | Self::Io { .. }
            | Self::Lost { .. }
            | Self::Overfull
            | Self::Closed => false,
        }
    }

    /// What to do now, if there is something.
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NewerSchema { .. } => "nothing was changed; update benchdog".to_owned(),
            Self::OlderSchema { .. } => "start benchdog once; it brings it up to date".to_owned(),
            Self::Damaged { path, .. } => format!(
                "the file is kept as it is: look at it with `benchdog doctor`, or move {0}, {0}-wal \
                 and {0}-shm aside and a new history begins",
                path.display()
            ),
            Self::NotADatabase { path } | Self::Foreign { path } => {
                format!("nothing was changed; move {} aside", path.display())
            }
            Self::Gone { .. } => {
                "put it back, and what waits is stored; or end benchdog and start \
                                  it again, which begins a new one"
                    .to_owned()
            }
            Self::NotAFile { path } => {
                format!("move {} aside, or set BENCHDOG_HOME to another folder", path.display())
            }
            Self::ReadOnly { .. } => {
                "make it writable for you, or set BENCHDOG_HOME to another folder".to_owned()
            }
            Self::Full { .. } => "make room; what waits is stored then".to_owned(),
            Self::Locked { .. } => "end the program that has it open, or wait for it".to_owned(),
            Self::InUse { .. } => {
                "end the other engine (`benchdog shutdown` in its workspace), then start again"
                    .to_owned()
            }
            Self::AlreadyOpen { .. } => {
                "`benchdog attach` goes there; a fork can be opened beside it".to_owned()
            }
            Self::NoSession(_) => "`benchdog sessions` lists them".to_owned(),
            Self::Missing { .. }
            | Self::Io { .. }
            | Self::Rejected { .. }
            | Self::Lost { .. }
            | Self::Overfull
            | Self::Closed => return None,
        })
    }

    /// The technical cause, if the sentence does not say it.
    fn detail(&self) -> Option<&str> {
        match self {
            Self::Damaged { detail, .. }
            | Self::ReadOnly { detail, .. }
            | Self::Io { detail, .. }
            | Self::Lost { why: detail, .. }
            | Self::Rejected { detail } => Some(detail),
            Self::NewerSchema { .. }
            | Self::OlderSchema { .. }
            | Self::Missing { .. }
            | Self::Gone { .. }
            | Self::NotADatabase { .. }
            | Self::Foreign { .. }
            | Self::NotAFile { .. }
            | Self::Full { .. }
            | Self::Locked { .. }
            | Self::InUse { .. }
            | Self::AlreadyOpen { .. }
            | Self::NoSession(_)
            | Self::Overfull
            | Self::Closed => None,
        }
    }
}

impl From<&StoreError> for Failure {
    fn from(error: &StoreError) -> Self {
        let kind = match error {
            StoreError::Rejected { .. } => FailureKind::Internal,
            StoreError::NewerSchema { .. }
            | StoreError::OlderSchema { .. }
            | StoreError::Missing { .. }
            | StoreError::Gone { .. }
            | StoreError::Damaged { .. }
            | StoreError::NotADatabase { .. }
            | StoreError::Foreign { .. }
            | StoreError::NotAFile { .. }
            | StoreError::ReadOnly { .. }
            | StoreError::Full { .. }
            | StoreError::Locked { .. }
            | StoreError::InUse { .. }
            | StoreError::Io { .. }
            | StoreError::AlreadyOpen { .. }
            | StoreError::NoSession(_)
            | StoreError::Lost { .. }
            | StoreError::Overfull
            | StoreError::Closed => FailureKind::Failed,
        };
        let mut failure = Self::new(kind, error.to_string());
        failure.hint = error.hint();
        failure.cause = error.detail().map(str::to_owned);
        failure
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::from(&error)
    }
}

/// What goes wrong while one statement runs, before it is known for which file.
#[derive(Debug)]
pub(super) enum Fault {
    /// SQLite says no.
    Sqlite(rusqlite::Error),
    /// A value does not fit into its column, or what a column holds is not such a value.
    Value(String),
    /// The answer is an error in itself.
    Store(StoreError),
}

impl Fault {
    /// The error for the database at `path`.
    pub(super) fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Sqlite(error) => StoreError::of_sqlite(&error, path),
            Self::Value(detail) => StoreError::Rejected { detail },
            Self::Store(error) => error,
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Value(error.to_string())
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(code: i32) -> StoreError {
        let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        StoreError::of_sqlite(&error, Path::new("/h.db"))
    }

    #[test]
    fn what_the_disk_does_is_told_from_what_one_record_does() {
        for (code, of_the_record) in [
            (rusqlite::ffi::SQLITE_FULL, false),
            (rusqlite::ffi::SQLITE_IOERR, false),
            (rusqlite::ffi::SQLITE_BUSY, false),
            (rusqlite::ffi::SQLITE_READONLY, false),
            (rusqlite::ffi::SQLITE_CORRUPT, false),
            (rusqlite::ffi::SQLITE_CONSTRAINT, true),
            (rusqlite::ffi::SQLITE_TOOBIG, true),
        ] {
            assert_eq!(sqlite(code).concerns_one_record(), of_the_record, "{code}");
        }
    }

    #[test]
    fn a_damaged_history_says_the_way_out() {
        let error = StoreError::Damaged { path: "/h.db".into(), detail: "page 3".into() };
        let failure = Failure::from(error);
        let hint = failure.hint.unwrap();
        assert!(hint.contains("move /h.db") && hint.contains("benchdog doctor"), "{hint}");
        assert_eq!(failure.cause.as_deref(), Some("page 3"));
    }
}
