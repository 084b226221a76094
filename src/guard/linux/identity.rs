//! Who a caller is, when that is not who we are.
//!
//! As an ordinary user it never differs: nothing in an agent can become another user. As root an
//! agent can drop its rights, and a call that we make for it must not be made with ours. It is
//! looked up only after something of the agent has tried to change who it is.

use std::os::unix::ffi::OsStringExt;

use rustix::io::{Errno, Result};

use crate::guard::linux::kernel;

/// As whom a thread touches files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    user: u32,
    group: u32,
    groups: Vec<u32>,
    capabilities: u64,
}

impl Identity {
    /// Our own.
    pub(super) fn own() -> Result<Self> {
        Self::parse(&read("/proc/thread-self/status")?)
    }

    /// That of a thread, unless it is `own`.
    pub(super) fn other(thread: u32, own: &Self) -> Result<Option<Self>> {
        let mut theirs = Self::parse(&read(&format!("/proc/{thread}/status"))?)?;
        // Rights within a user namespace of its own mean nothing on our files.
        let space =
            |path: String| std::fs::read_link(path).map(|link| link.into_os_string().into_vec());
        let same =
            match (space(format!("/proc/{thread}/ns/user")), space("/proc/self/ns/user".into())) {
                (Ok(theirs), Ok(ours)) => theirs == ours,
                _ => false,
            };
        if !same {
            theirs.capabilities = 0;
        }
        theirs.capabilities &= own.capabilities;
        Ok((theirs != *own).then_some(theirs))
    }

    /// The mask of a thread's new files and how many threads its process has.
    pub(super) fn mask(status: &str) -> Option<(u32, u32)> {
        let mask = u32::from_str_radix(field(status, "Umask:")?, 8).ok()?;
        Some((mask, field(status, "Threads:")?.parse().ok()?))
    }

    fn parse(status: &str) -> Result<Self> {
        let words = |name| field(status, name).map(str::split_whitespace);
        let fourth = |name| words(name)?.nth(3)?.parse().ok();
        let parsed = || {
            Some(Self {
                user: fourth("Uid:")?,
                group: fourth("Gid:")?,
                groups: words("Groups:")?
                    .map(str::parse)
                    .collect::<std::result::Result<_, _>>()
                    .ok()?,
                capabilities: u64::from_str_radix(field(status, "CapEff:")?, 16).ok()?,
            })
        };
        parsed().ok_or(Errno::ACCESS)
    }

    /// Acts as this one until the result is dropped.
    pub(super) fn wear<'a>(&self, own: &'a Self) -> Result<Worn<'a>> {
        let full = kernel::capabilities()?;
        let worn = Worn { own, full };
        kernel::set_groups(&self.groups)?;
        kernel::set_file_group(self.group);
        kernel::set_file_user(self.user);
        let mut less = full;
        less.low.effective &= (self.capabilities & u64::from(u32::MAX)) as u32;
        less.high.effective &= (self.capabilities >> 32) as u32;
        kernel::set_capabilities(&less)?;
        Ok(worn)
    }
}

/// Gives us ourselves back when dropped.
#[derive(Debug)]
pub(super) struct Worn<'a> {
    own: &'a Identity,
    full: kernel::Capabilities,
}

impl Drop for Worn<'_> {
    fn drop(&mut self) {
        // What fails here leaves us with fewer rights, never with more: later calls are refused.
        let _ = kernel::set_capabilities(&self.full);
        kernel::set_file_user(self.own.user);
        kernel::set_file_group(self.own.group);
        let _ = kernel::set_groups(&self.own.groups);
        let _ = kernel::set_capabilities(&self.full);
    }
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::ACCESS))
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}
