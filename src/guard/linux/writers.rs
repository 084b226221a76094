//! Whether anybody can write a file just now, by a descriptor or a writable mapping.
//!
//! These cannot be taken away, but the kernel counts them: it grants a read lease only when there
//! are none. A file that changes hands must have no writer.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::guard::linux::kernel;

/// Whether a file has writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Writers {
    /// Nobody can write it without opening it anew.
    None,
    /// Somebody can.
    Some,
    /// This file system does not tell, or the file is another user's.
    Unknown,
}

/// Looks at a regular file. One that is missing has no writers.
pub fn at(path: &Path) -> io::Result<Writers> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
    match fs::open(path, flags | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => of(&file),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(Writers::None),
        Err(error) => Err(error.into()),
    }
}

/// Looks at a regular file that is open for reading, and only for that.
pub fn of(file: impl AsFd) -> io::Result<Writers> {
    let file = file.as_fd();
    if FileType::from_raw_mode(fs::fstat(file)?.st_mode) != FileType::RegularFile {
        return Ok(Writers::Unknown);
    }
    Ok(match kernel::try_read_lease(file) {
        Ok(()) => Writers::None,
        Err(Errno::AGAIN) => Writers::Some,
        Err(_) => Writers::Unknown,
    })
}
