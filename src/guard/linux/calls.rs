//! The calls that mean to write, as numbers and as what they mean.
//!
//! One table serves both sides: the filter hands over exactly the numbers that [`decode`] knows.
//! A call that only reads is not here. Numbers that both processors share come first; those that
//! only x86_64 has (everything that newer calls replaced) follow.

use libc::{AT_FDCWD, c_int, c_long};

/// Where a path begins: a descriptor of the caller, or its working folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct At {
    /// The descriptor or `AT_FDCWD`.
    pub(super) folder: c_int,
    /// The address of the path in the caller's memory.
    pub(super) path: u64,
}

/// What a change of metadata is made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Object {
    /// A path. `empty_too`: an empty path means the descriptor itself.
    Path { at: At, follow: bool, empty_too: bool },
    /// An open file.
    Fd(c_int),
}

/// A change of metadata; numbers called `address` lead into the caller's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Mode(u32),
    Owner {
        user: u32,
        group: u32,
    },
    /// Two `timespec`; none: now.
    Times {
        address: u64,
    },
    /// One `utimbuf`; none: now.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "an old call"))]
    OldTimes {
        address: u64,
    },
    /// Two `timeval`; none: now.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "an old call"))]
    MicroTimes {
        address: u64,
    },
    SetAttribute {
        name: u64,
        value: u64,
        size: u64,
        flags: u64,
    },
    /// The value and its size stand in a structure.
    SetAttributeAt {
        name: u64,
        arguments: u64,
        size: u64,
    },
    RemoveAttribute {
        name: u64,
    },
}

/// A call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Open {
        at: At,
        flags: u64,
        mode: u64,
    },
    /// Flags, mode and ways of resolving stand in a structure.
    Open2 {
        at: At,
        how: u64,
        size: u64,
    },
    Truncate {
        path: u64,
        length: i64,
    },
    Rename {
        from: At,
        to: At,
        flags: u32,
    },
    Unlink {
        at: At,
    },
    Rmdir {
        at: At,
    },
    Link {
        from: At,
        to: At,
        flags: u64,
    },
    Symlink {
        text: u64,
        at: At,
    },
    Mkdir {
        at: At,
        mode: u32,
    },
    Mknod {
        at: At,
        mode: u32,
        device: u64,
    },
    Metadata {
        object: Object,
        change: Change,
    },
    Bind {
        socket: c_int,
        address: u64,
        size: u64,
    },
    /// The mask for new files changes.
    Mask,
    /// The caller becomes somebody else.
    Identity,
    /// The caller's root changes.
    Root,
    /// A combination of flags that no kernel knows.
    Senseless,
}

type Decode = fn(&[u64; 6]) -> Call;

/// `setxattrat`; its number is the same everywhere.
const SETXATTRAT: c_long = 463;
/// `removexattrat`.
const REMOVEXATTRAT: c_long = 466;
/// `fchmodat2`.
const FCHMODAT2: c_long = 452;

const COMMON: &[(c_long, Decode)] = &[
    (libc::SYS_openat, |a| Call::Open { at: at(a[0], a[1]), flags: a[2], mode: a[3] }),
    (libc::SYS_openat2, |a| Call::Open2 { at: at(a[0], a[1]), how: a[2], size: a[3] }),
    (libc::SYS_truncate, |a| Call::Truncate { path: a[0], length: a[1].cast_signed() }),
    (libc::SYS_renameat2, |a| Call::Rename {
        from: at(a[0], a[1]),
        to: at(a[2], a[3]),
        flags: int(a[4]).cast_unsigned(),
    }),
    (libc::SYS_renameat, |a| Call::Rename { from: at(a[0], a[1]), to: at(a[2], a[3]), flags: 0 }),
    (libc::SYS_unlinkat, |a| match int(a[2]) {
        0 => Call::Unlink { at: at(a[0], a[1]) },
        libc::AT_REMOVEDIR => Call::Rmdir { at: at(a[0], a[1]) },
        _ => Call::Senseless,
    }),
    (libc::SYS_linkat, |a| Call::Link {
        from: at(a[0], a[1]),
        to: at(a[2], a[3]),
        flags: low(a[4]),
    }),
    (libc::SYS_symlinkat, |a| Call::Symlink { text: a[0], at: at(a[1], a[2]) }),
    (libc::SYS_mkdirat, |a| Call::Mkdir { at: at(a[0], a[1]), mode: mode(a[2]) }),
    (libc::SYS_mknodat, |a| Call::Mknod { at: at(a[0], a[1]), mode: mode(a[2]), device: a[3] }),
    (libc::SYS_fchmodat, |a| meta(path(a[0], a[1], 0), Change::Mode(mode(a[2])))),
    (FCHMODAT2, |a| meta(path(a[0], a[1], a[3]), Change::Mode(mode(a[2])))),
    (libc::SYS_fchmod, |a| meta(Object::Fd(int(a[0])), Change::Mode(mode(a[1])))),
    (libc::SYS_fchownat, |a| meta(path(a[0], a[1], a[4]), owner(a[2], a[3]))),
    (libc::SYS_fchown, |a| meta(Object::Fd(int(a[0])), owner(a[1], a[2]))),
    (libc::SYS_utimensat, |a| {
        let object = if a[1] == 0 { Object::Fd(int(a[0])) } else { path(a[0], a[1], a[3]) };
        meta(object, Change::Times { address: a[2] })
    }),
    (libc::SYS_setxattr, |a| meta(path(CWD, a[0], 0), set_attribute(a))),
    (libc::SYS_lsetxattr, |a| meta(path(CWD, a[0], NOFOLLOW), set_attribute(a))),
    (libc::SYS_fsetxattr, |a| meta(Object::Fd(int(a[0])), set_attribute(a))),
    (libc::SYS_removexattr, |a| meta(path(CWD, a[0], 0), Change::RemoveAttribute { name: a[1] })),
    (libc::SYS_lremovexattr, |a| {
        meta(path(CWD, a[0], NOFOLLOW), Change::RemoveAttribute { name: a[1] })
    }),
    (libc::SYS_fremovexattr, |a| {
        meta(Object::Fd(int(a[0])), Change::RemoveAttribute { name: a[1] })
    }),
    (SETXATTRAT, |a| {
        let change = Change::SetAttributeAt { name: a[3], arguments: a[4], size: a[5] };
        meta(path(a[0], a[1], a[2]), change)
    }),
    (REMOVEXATTRAT, |a| meta(path(a[0], a[1], a[2]), Change::RemoveAttribute { name: a[3] })),
    (libc::SYS_bind, |a| Call::Bind { socket: int(a[0]), address: a[1], size: low(a[2]) }),
    (libc::SYS_umask, |_| Call::Mask),
    (libc::SYS_setuid, |_| Call::Identity),
    (libc::SYS_setgid, |_| Call::Identity),
    (libc::SYS_setreuid, |_| Call::Identity),
    (libc::SYS_setregid, |_| Call::Identity),
    (libc::SYS_setresuid, |_| Call::Identity),
    (libc::SYS_setresgid, |_| Call::Identity),
    (libc::SYS_setfsuid, |_| Call::Identity),
    (libc::SYS_setfsgid, |_| Call::Identity),
    (libc::SYS_setgroups, |_| Call::Identity),
    (libc::SYS_capset, |_| Call::Identity),
    (libc::SYS_unshare, |_| Call::Identity),
    (libc::SYS_clone, |_| Call::Identity),
    (libc::SYS_chroot, |_| Call::Root),
];

#[cfg(target_arch = "x86_64")]
const OLD: &[(c_long, Decode)] = &[
    (libc::SYS_open, |a| Call::Open { at: at(CWD, a[0]), flags: a[1], mode: a[2] }),
    (libc::SYS_creat, |a| Call::Open {
        at: at(CWD, a[0]),
        flags: (libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC) as u64,
        mode: a[1],
    }),
    (libc::SYS_rename, |a| Call::Rename { from: at(CWD, a[0]), to: at(CWD, a[1]), flags: 0 }),
    (libc::SYS_unlink, |a| Call::Unlink { at: at(CWD, a[0]) }),
    (libc::SYS_rmdir, |a| Call::Rmdir { at: at(CWD, a[0]) }),
    (libc::SYS_link, |a| Call::Link { from: at(CWD, a[0]), to: at(CWD, a[1]), flags: 0 }),
    (libc::SYS_symlink, |a| Call::Symlink { text: a[0], at: at(CWD, a[1]) }),
    (libc::SYS_mkdir, |a| Call::Mkdir { at: at(CWD, a[0]), mode: mode(a[1]) }),
    (libc::SYS_mknod, |a| Call::Mknod { at: at(CWD, a[0]), mode: mode(a[1]), device: a[2] }),
    (libc::SYS_chmod, |a| meta(path(CWD, a[0], 0), Change::Mode(mode(a[1])))),
    (libc::SYS_chown, |a| meta(path(CWD, a[0], 0), owner(a[1], a[2]))),
    (libc::SYS_lchown, |a| meta(path(CWD, a[0], NOFOLLOW), owner(a[1], a[2]))),
    (libc::SYS_utime, |a| meta(path(CWD, a[0], 0), Change::OldTimes { address: a[1] })),
    (libc::SYS_utimes, |a| meta(path(CWD, a[0], 0), Change::MicroTimes { address: a[1] })),
    (libc::SYS_futimesat, |a| {
        let object = if a[1] == 0 { Object::Fd(int(a[0])) } else { path(a[0], a[1], 0) };
        meta(object, Change::MicroTimes { address: a[2] })
    }),
];

#[cfg(not(target_arch = "x86_64"))]
const OLD: &[(c_long, Decode)] = &[];

const CWD: u64 = AT_FDCWD as u64;
const NOFOLLOW: u64 = libc::AT_SYMLINK_NOFOLLOW as u64;

/// All numbers that are handed over, those with an argument to look at first among them.
pub(super) fn numbers() -> impl Iterator<Item = c_long> {
    COMMON.iter().chain(OLD).map(|(number, _)| *number)
}

/// What a call means.
pub(super) fn decode(number: c_int, arguments: &[u64; 6]) -> Option<Call> {
    let (_, decode) = COMMON.iter().chain(OLD).find(|(known, _)| *known == c_long::from(number))?;
    Some(decode(arguments))
}

fn at(folder: u64, path: u64) -> At {
    At { folder: int(folder), path }
}

/// The kernel looks at the lower half of an argument that is an `int`.
#[expect(clippy::cast_possible_truncation, reason = "that is what the kernel does")]
fn int(argument: u64) -> c_int {
    argument as c_int
}

fn low(argument: u64) -> u64 {
    argument & u64::from(u32::MAX)
}

fn mode(argument: u64) -> u32 {
    int(argument).cast_unsigned() & 0xffff
}

fn path(folder: u64, address: u64, flags: u64) -> Object {
    let flags = int(flags);
    Object::Path {
        at: at(folder, address),
        follow: flags & libc::AT_SYMLINK_NOFOLLOW == 0,
        empty_too: flags & libc::AT_EMPTY_PATH != 0,
    }
}

fn meta(object: Object, change: Change) -> Call {
    Call::Metadata { object, change }
}

fn owner(user: u64, group: u64) -> Change {
    Change::Owner { user: int(user).cast_unsigned(), group: int(group).cast_unsigned() }
}

fn set_attribute(a: &[u64; 6]) -> Change {
    Change::SetAttribute { name: a[1], value: a[2], size: a[3], flags: low(a[4]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_stands_twice() {
        let mut all: Vec<c_long> = numbers().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn the_upper_half_of_an_int_is_ignored() {
        let number = c_int::try_from(libc::SYS_unlinkat).unwrap();
        let call = decode(number, &[0xdead_0000_0003, 7, 0xbeef_0000_0200, 0, 0, 0]);
        assert_eq!(call, Some(Call::Rmdir { at: At { folder: 3, path: 7 } }));
    }

    #[test]
    fn a_call_that_only_reads_is_not_known() {
        assert_eq!(decode(c_int::try_from(libc::SYS_read).unwrap(), &[0; 6]), None);
    }
}
