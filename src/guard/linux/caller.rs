//! The processes that make calls: their folders, descriptors, memory and file mask.
//!
//! A thread is known by a pinned `/proc` folder: when its number is used again for another one,
//! the old folder leads nowhere, so what is remembered of a thread is never taken for another's.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::{Errno, Result, pread, read};

use crate::guard::linux::identity::Identity;
use crate::guard::linux::kernel;

/// Threads that are remembered; beyond that all are forgotten and met anew. Each costs a descriptor
/// of ours, and each agent has two that remember.
const KNOWN: usize = 32;
/// The longest path, with its end.
const LONGEST: usize = 4096;
/// As much of a path as is read at once: nearly always all of it.
const PIECE: usize = 512;

/// Those that we met.
#[derive(Debug, Default)]
pub(super) struct Callers {
    known: HashMap<u32, Known>,
    epoch: u64,
}

#[derive(Debug)]
struct Known {
    folder: OwnedFd,
    mask: Option<u32>,
}

impl Callers {
    /// Forgets all masks if one has changed since `epoch` was another number.
    pub(super) fn masks_of(&mut self, epoch: u64) {
        if self.epoch != epoch {
            self.epoch = epoch;
            for known in self.known.values_mut() {
                known.mask = None;
            }
        }
    }

    /// Pins what a link in the thread's `/proc` folder leads to.
    pub(super) fn open(&mut self, thread: u32, what: &str) -> Result<OwnedFd> {
        self.with(thread, |known| {
            fs::openat(&known.folder, what, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        })
    }

    /// Whether the thread's root is ours.
    pub(super) fn same_root(&mut self, thread: u32) -> bool {
        let own = fs::stat("/");
        let theirs = self.with(thread, |known| fs::statat(&known.folder, "root", AtFlags::empty()));
        match (own, theirs) {
            (Ok(own), Ok(theirs)) => (own.st_dev, own.st_ino) == (theirs.st_dev, theirs.st_ino),
            _ => false,
        }
    }

    /// Whether a number found in a path names the caller's own process.
    pub(super) fn same_process(&mut self, thread: u32, number: u32) -> bool {
        thread == number || fs::stat(format!("/proc/{number}/task/{thread}")).is_ok()
    }

    /// The mask for new files.
    pub(super) fn mask(&mut self, thread: u32) -> Result<Mode> {
        let mask = self.with(thread, |known| {
            if let Some(mask) = known.mask {
                // Fails if it is another thread that has this number now.
                fs::statat(&known.folder, "cwd", AtFlags::SYMLINK_NOFOLLOW)?;
                return Ok(mask);
            }
            let file = fs::openat(
                &known.folder,
                "status",
                OFlags::RDONLY | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            let mut text = [0; 4096];
            let length = read(&file, &mut text)?;
            let text = std::str::from_utf8(&text[..length]).map_err(|_| Errno::IO)?;
            let (mask, threads) = Identity::mask(text).ok_or(Errno::IO)?;
            // We hear of a change before it happens. A single thread cannot call us in between;
            // of several another one may be about to change it.
            known.mask = (threads == 1).then_some(mask);
            Ok(mask)
        })?;
        Ok(Mode::from_raw_mode(mask))
    }

    /// Reads a path. Never empty-handed: a path without an end is an error.
    pub(super) fn path(&mut self, thread: u32, mut address: u64) -> Result<Vec<u8>> {
        let mut path = Vec::new();
        let mut piece = [0; PIECE];
        while path.len() < LONGEST {
            let read = self.memory(thread, address, &mut piece)?;
            let read = &piece[..read];
            if let Some(end) = read.iter().position(|byte| *byte == 0) {
                path.extend_from_slice(&read[..end]);
                return if path.len() < LONGEST { Ok(path) } else { Err(Errno::NAMETOOLONG) };
            }
            path.extend_from_slice(read);
            address = address.checked_add(read.len() as u64).ok_or(Errno::FAULT)?;
        }
        Err(Errno::NAMETOOLONG)
    }

    /// Reads exactly that much.
    pub(super) fn bytes(&mut self, thread: u32, address: u64, buffer: &mut [u8]) -> Result<()> {
        if buffer.is_empty() || self.memory(thread, address, buffer)? == buffer.len() {
            Ok(())
        } else {
            Err(Errno::FAULT)
        }
    }

    fn memory(&mut self, thread: u32, address: u64, buffer: &mut [u8]) -> Result<usize> {
        match kernel::read_memory(thread, address, buffer) {
            Ok(0) => Err(Errno::FAULT),
            Ok(read) => Ok(read),
            // Some containers forbid that call and nothing else.
            Err(Errno::PERM | Errno::NOSYS) => self.with(thread, |known| {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                let memory = fs::openat(&known.folder, "mem", flags, Mode::empty())?;
                match pread(&memory, &mut *buffer, address) {
                    Ok(0) | Err(Errno::IO) => Err(Errno::FAULT),
                    other => other,
                }
            }),
            Err(error) => Err(error),
        }
    }

    /// Does something with a thread's folder; once more with a fresh one if the remembered one has
    /// lost its thread.
    fn with<T>(&mut self, thread: u32, mut act: impl FnMut(&mut Known) -> Result<T>) -> Result<T> {
        if let Some(known) = self.known.get_mut(&thread) {
            match act(known) {
                Err(Errno::NOENT | Errno::SRCH) => self.known.remove(&thread),
                other => return other,
            };
        }
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = fs::open(format!("/proc/{thread}"), flags, Mode::empty())?;
        act(self.known.entry(thread).or_insert(Known { folder, mask: None }))
    }
}
