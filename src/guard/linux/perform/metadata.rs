//! Changing what is known about a file: mode, owner, times, attributes.
//!
//! The wall does not know these calls, so they are always made by us, on a pinned file, outside
//! the workspace too; nothing is left to the kernel, where a path could have changed.

use libc::c_int;
use rustix::fs::{self, AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::{DONE, Done, Job, Performer};
use crate::guard::linux::calls::{Change, Object};
use crate::guard::linux::ground::Zone;
use crate::guard::linux::locate::{Last, Pin, Stop, memory};
use crate::guard::request::{Metadata, Op};

/// Kernel limits of an attribute's name and value.
const LONGEST_NAME: usize = 255;
const LARGEST_VALUE: u64 = 64 << 10;
/// The size of `struct xattr_args`.
const ARGUMENTS: u64 = 16;

/// A change with all its parts read.
enum Prepared {
    Mode(Mode),
    Owner(Option<Uid>, Option<Gid>),
    Times(Timestamps),
    Set(Vec<u8>, Vec<u8>, XattrFlags),
    Remove(Vec<u8>),
}

impl Prepared {
    fn make(self, pin: &Pin) -> rustix::io::Result<()> {
        let file = pin.through();
        let file = file.as_str();
        match self {
            Self::Mode(mode) => fs::chmod(file, mode),
            Self::Owner(user, group) => {
                fs::chownat(&pin.file, "", user, group, AtFlags::EMPTY_PATH)
            }
            Self::Times(times) => fs::utimensat(CWD, file, &times, AtFlags::empty()),
            Self::Set(name, value, flags) => fs::setxattr(file, &name[..], &value, flags),
            Self::Remove(name) => fs::removexattr(file, &name[..]),
        }
    }
}

impl Performer {
    pub(super) fn metadata(&mut self, job: &mut Job, object: Object, change: Change) -> Done {
        let kind = match change {
            Change::Mode(_) => Metadata::Mode,
            Change::Owner { .. } => Metadata::Owner,
            Change::Times { .. } | Change::OldTimes { .. } | Change::MicroTimes { .. } => {
                Metadata::Times
            }
            Change::SetAttribute { .. }
            | Change::SetAttributeAt { .. }
            | Change::RemoveAttribute { .. } => Metadata::Attribute,
        };
        let prepared = self.prepare(job, change)?;
        let pin = match object {
            Object::Fd(number) if number < 0 => return Err(Errno::BADF.into()),
            Object::Fd(number) => self.find(job, |l| l.pin_descriptor(number))?,
            Object::Path { at, follow, empty_too } => {
                let path = self.callers.path(job.thread, at.path).map_err(memory)?;
                let last = if follow { Last::Follow } else { Last::Keep };
                self.find(job, |l| match (path.is_empty() && empty_too, at.folder) {
                    (true, libc::AT_FDCWD) => l.pin(at, b".", last),
                    (true, number) => l.pin_descriptor(number),
                    (false, _) => l.pin(at, &path, last),
                })?
            }
        };
        if pin.zone == Zone::Protected {
            return Err(Errno::ACCESS.into());
        }
        self.settle(job, pin.wish(Op::Metadata(kind)), &pin, || {
            prepared.make(&pin)?;
            Ok(DONE)
        })
    }

    fn prepare(&mut self, job: &Job, change: Change) -> Result<Prepared, Stop> {
        Ok(match change {
            Change::Mode(mode) => Prepared::Mode(Mode::from_raw_mode(mode & 0o7777)),
            Change::Owner { user, group } => Prepared::Owner(
                (user != u32::MAX).then(|| Uid::from_raw(user)),
                (group != u32::MAX).then(|| Gid::from_raw(group)),
            ),
            Change::Times { address } => {
                self.times::<4>(job, address, |[a, b, c, d]| (time(a, b), time(c, d)))?
            }
            Change::OldTimes { address } => self
                .times::<2>(job, address, |[access, change]| (time(access, 0), time(change, 0)))?,
            Change::MicroTimes { address } => {
                self.times::<4>(job, address, |[a, b, c, d]| (micro(a, b), micro(c, d)))?
            }
            Change::SetAttribute { name, value, size, flags } => {
                self.attribute(job, name, value, size, flags)?
            }
            Change::SetAttributeAt { name, arguments, size } => {
                if size != ARGUMENTS {
                    return Err(if size < ARGUMENTS { Errno::INVAL } else { Errno::TOOBIG }.into());
                }
                let mut bytes = [0; ARGUMENTS as usize];
                self.callers.bytes(job.thread, arguments, &mut bytes).map_err(memory)?;
                let [value, sizes] = words(&bytes);
                let (size, flags) = (sizes & u64::from(u32::MAX), sizes >> 32);
                self.attribute(job, name, value, size, flags)?
            }
            Change::RemoveAttribute { name } => Prepared::Remove(self.name(job, name)?),
        })
    }

    fn attribute(
        &mut self,
        job: &Job,
        name: u64,
        value: u64,
        size: u64,
        flags: u64,
    ) -> Result<Prepared, Stop> {
        if size > LARGEST_VALUE {
            return Err(Errno::TOOBIG.into());
        }
        let flags = u32::try_from(flags).map_err(|_| Errno::INVAL)?;
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        self.callers.bytes(job.thread, value, &mut bytes).map_err(memory)?;
        Ok(Prepared::Set(self.name(job, name)?, bytes, XattrFlags::from_bits_retain(flags)))
    }

    fn name(&mut self, job: &Job, address: u64) -> Result<Vec<u8>, Stop> {
        let name = self.callers.path(job.thread, address).map_err(memory)?;
        if name.is_empty() || name.len() > LONGEST_NAME {
            return Err(Errno::RANGE.into());
        }
        Ok(name)
    }

    /// Reads numbers that make two times; without an address it is now.
    fn times<const N: usize>(
        &mut self,
        job: &Job,
        address: u64,
        make: impl FnOnce([u64; N]) -> (Option<Timespec>, Option<Timespec>),
    ) -> Result<Prepared, Stop> {
        let now = Timespec { tv_sec: 0, tv_nsec: fs::UTIME_NOW };
        let (last_access, last_modification) = if address == 0 {
            (now, now)
        } else {
            let mut bytes = vec![0; N * 8];
            self.callers.bytes(job.thread, address, &mut bytes).map_err(memory)?;
            let (access, change) = make(words(&bytes));
            access.zip(change).ok_or(Errno::INVAL)?
        };
        Ok(Prepared::Times(Timestamps { last_access, last_modification }))
    }
}

fn words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut words = [0; N];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        let mut eight = [0; 8];
        eight.copy_from_slice(chunk);
        *word = u64::from_ne_bytes(eight);
    }
    words
}

fn time(seconds: u64, nanoseconds: u64) -> Option<Timespec> {
    Some(Timespec { tv_sec: seconds.cast_signed(), tv_nsec: nanoseconds.cast_signed() as _ })
}

fn micro(seconds: u64, microseconds: u64) -> Option<Timespec> {
    let microseconds = c_int::try_from(microseconds).ok().filter(|micro| *micro < 1_000_000)?;
    time(seconds, u64::try_from(microseconds).ok()? * 1000)
}
