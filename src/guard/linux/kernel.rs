//! The kernel's interfaces that no crate of ours wraps: the seccomp listener, Landlock's three
//! calls, memory of another process, leases.
//!
//! Each function is one system call and safe to use: what it needs comes as references and owned
//! descriptors. [`install`] and [`restrict`] bind the calling thread for ever. Those that a child
//! uses between fork and exec allocate nothing; they say so.

#![expect(unsafe_code, reason = "system calls that no crate wraps")]

use std::ffi::c_void;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use libc::{c_int, c_long, c_ulong, seccomp_notif, seccomp_notif_addfd, seccomp_notif_resp};
use rustix::io::{Errno, Result};

/// `LANDLOCK_RULE_PATH_BENEATH`.
const RULE_PATH_BENEATH: c_long = 1;
/// `LANDLOCK_CREATE_RULESET_VERSION`.
const RULESET_VERSION: c_long = 1;
/// `SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`.
const SYNC_WAKE_UP: u64 = 1;

/// What a Landlock ruleset handles.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Handled {
    pub(super) files: u64,
    pub(super) network: u64,
    pub(super) scopes: u64,
}

#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: c_int,
}

/// `F_SETSIG`.
const F_SETSIG: c_int = 10;

/// A call that waits for our answer.
pub(super) type Call = seccomp_notif;

fn check(result: c_long) -> Result<c_long> {
    if result < 0 { Err(last_error()) } else { Ok(result) }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

fn owned(result: c_long) -> Result<OwnedFd> {
    let fd = c_int::try_from(check(result)?).map_err(|_| Errno::BADF)?;
    // SAFETY: the kernel has just made this descriptor for us, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A request that was interrupted is made again: nothing has happened then.
fn control<T>(fd: BorrowedFd<'_>, request: c_ulong, value: &mut T) -> Result<c_int> {
    loop {
        // SAFETY: each caller passes the structure that belongs to the request, and the kernel
        // writes no more than its size, which is part of the request's number.
        let result =
            unsafe { libc::ioctl(fd.as_raw_fd(), request as _, std::ptr::from_mut(value)) };
        match check(c_long::from(result)) {
            Ok(_) => return Ok(result),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits for the next call.
pub(super) fn receive(listener: BorrowedFd<'_>) -> Result<Call> {
    // SAFETY: the structure consists of integers; the kernel demands zeros.
    let mut call: Call = unsafe { MaybeUninit::zeroed().assume_init() };
    control(listener, libc::SECCOMP_IOCTL_NOTIF_RECV as c_ulong, &mut call)?;
    Ok(call)
}

/// Answers a call.
pub(super) fn answer(listener: BorrowedFd<'_>, mut response: seccomp_notif_resp) -> Result<()> {
    control(listener, libc::SECCOMP_IOCTL_NOTIF_SEND as c_ulong, &mut response).map(drop)
}

/// Whether the caller still waits. Only while it does its number is its own.
pub(super) fn still_waits(listener: BorrowedFd<'_>, mut id: u64) -> bool {
    control(listener, libc::SECCOMP_IOCTL_NOTIF_ID_VALID as c_ulong, &mut id).is_ok()
}

/// Gives the caller a descriptor; returns its number there.
pub(super) fn add_fd(listener: BorrowedFd<'_>, mut added: seccomp_notif_addfd) -> Result<c_int> {
    control(listener, libc::SECCOMP_IOCTL_NOTIF_ADDFD as c_ulong, &mut added)
}

/// Asks the kernel to run us on the caller's processor right away. Older kernels cannot.
pub(super) fn wake_at_once(listener: BorrowedFd<'_>) -> Result<()> {
    let request = libc::SECCOMP_IOCTL_NOTIF_SET_FLAGS;
    // SAFETY: the kernel takes these flags as a number; nothing is read or written through it.
    let result = unsafe { libc::ioctl(listener.as_raw_fd(), request as _, SYNC_WAKE_UP) };
    check(c_long::from(result)).map(drop)
}

/// Filters the calling thread's calls from now on; returns the listener. Allocates nothing.
pub(super) fn install(program: &[libc::sock_filter]) -> Result<OwnedFd> {
    let flags =
        libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| Errno::INVAL)?,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the program outlives the call, its length is right, and the kernel only reads it.
    owned(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    })
}

/// The version of Landlock; 0 if there is none.
pub(super) fn landlock_version() -> u32 {
    let none = std::ptr::null::<Handled>();
    // SAFETY: with this flag the kernel wants a null pointer and the size 0.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0usize, RULESET_VERSION) };
    u32::try_from(version).unwrap_or(0)
}

/// Makes an empty ruleset.
pub(super) fn create_ruleset(handled: &Handled) -> Result<OwnedFd> {
    let size = size_of::<Handled>();
    // SAFETY: the structure is valid for reading `size` bytes.
    owned(unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::from_ref(handled), size, 0)
    })
}

/// Allows `allowed` on `parent` and all below it.
pub(super) fn add_rule(
    ruleset: BorrowedFd<'_>,
    parent: BorrowedFd<'_>,
    allowed: u64,
) -> Result<()> {
    let rule = PathBeneath { allowed, parent: parent.as_raw_fd() };
    // SAFETY: the rule is valid for reading, and both descriptors are open.
    check(unsafe {
        libc::syscall(
            libc::SYS_landlock_add_rule,
            ruleset.as_raw_fd(),
            RULE_PATH_BENEATH,
            &raw const rule,
            0,
        )
    })
    .map(drop)
}

/// Puts the calling thread under the ruleset for ever. Allocates nothing.
pub(super) fn restrict(ruleset: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no memory is passed.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) })
        .map(drop)
}

/// Gives up the right to gain privileges. Allocates nothing.
pub(super) fn no_new_privileges() -> Result<()> {
    // SAFETY: no memory is passed.
    check(c_long::from(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })).map(drop)
}

/// The smallest page of memory: what is on one is readable as a whole or not at all.
const PAGE: usize = 4096;

/// Reads memory of another process; may read less than asked for. The end of a page is also the
/// end of what must be readable at once, so the next one may be missing.
pub(super) fn read_memory(thread: u32, address: u64, buffer: &mut [u8]) -> Result<usize> {
    let local =
        libc::iovec { iov_base: buffer.as_mut_ptr().cast::<c_void>(), iov_len: buffer.len() };
    let address = usize::try_from(address).map_err(|_| Errno::FAULT)?;
    let first = buffer.len().min(PAGE - address % PAGE);
    let part = |from: usize, length| libc::iovec {
        iov_base: address.wrapping_add(from) as *mut c_void,
        iov_len: length,
    };
    let remote = [part(0, first), part(first, buffer.len() - first)];
    let pid = libc::pid_t::try_from(thread).map_err(|_| Errno::SRCH)?;
    // SAFETY: the local buffer is ours for writing; the remote addresses are only looked at by the
    // kernel, which checks them.
    let read = unsafe { libc::process_vm_readv(pid, &raw const local, 1, remote.as_ptr(), 2, 0) };
    usize::try_from(read).map_err(|_| last_error())
}

/// Gives the calling thread a working folder and a file mask of its own.
pub(super) fn own_file_mask() -> Result<()> {
    // SAFETY: only the sharing of working folder, root and mask ends, and with it nothing that
    // other threads rely on: they never change what this thread sees, nor this one what they see.
    check(c_long::from(unsafe { libc::unshare(libc::CLONE_FS) })).map(drop)
}

/// Leaves all signals to other threads. One that came while a caller takes its descriptor would
/// let that caller go on without it.
pub(super) fn no_signals() -> Result<()> {
    let mut all = MaybeUninit::uninit();
    // SAFETY: the first call fills the whole set, the second reads it; only this thread's mask
    // changes.
    let result = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_BLOCK, all.as_ptr(), std::ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(Errno::from_raw_os_error(result)) }
}

/// The capabilities of the calling thread as the kernel wants and gives them.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Capabilities {
    pub(super) low: CapabilityHalf,
    pub(super) high: CapabilityHalf,
}

/// 32 of them.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CapabilityHalf {
    pub(super) effective: u32,
    pub(super) permitted: u32,
    pub(super) inheritable: u32,
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: c_int,
}

/// `_LINUX_CAPABILITY_VERSION_3`.
const CAPABILITY_VERSION: u32 = 0x2008_0522;

/// What the calling thread may do.
pub(super) fn capabilities() -> Result<Capabilities> {
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION, pid: 0 };
    let mut found = Capabilities::default();
    // SAFETY: both structures are valid and of the size that this version has.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, &raw mut found) })?;
    Ok(found)
}

/// Sets what the calling thread, and only it, may do.
pub(super) fn set_capabilities(wanted: &Capabilities) -> Result<()> {
    let mut header = CapabilityHeader { version: CAPABILITY_VERSION, pid: 0 };
    // SAFETY: as above; the kernel only reads the capabilities.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw mut header, std::ptr::from_ref(wanted)) })
        .map(drop)
}

/// Sets the user as whom the calling thread, and only it, touches files.
pub(super) fn set_file_user(user: u32) {
    // SAFETY: no memory is passed; the bare call changes this thread only.
    unsafe { libc::syscall(libc::SYS_setfsuid, user) };
}

/// Sets the group as which the calling thread, and only it, touches files.
pub(super) fn set_file_group(group: u32) {
    // SAFETY: as above.
    unsafe { libc::syscall(libc::SYS_setfsgid, group) };
}

/// Sets the further groups of the calling thread, and only of it.
pub(super) fn set_groups(groups: &[u32]) -> Result<()> {
    // SAFETY: the slice is valid for reading as many numbers as are announced.
    check(unsafe { libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) }).map(drop)
}

/// Takes and gives back a read lease on a file that is open for reading: an error of
/// [`Errno::AGAIN`] means that somebody can write it.
pub(super) fn try_read_lease(file: BorrowedFd<'_>) -> Result<()> {
    let fd = file.as_raw_fd();
    // Should somebody open the file just between, the kernel sends a signal. By default that one
    // would end us; this one is ignored unless somebody asks for it.
    // SAFETY: integers only.
    check(c_long::from(unsafe { libc::fcntl(fd, F_SETSIG, libc::SIGURG) }))?;
    // SAFETY: integers only.
    check(c_long::from(unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK) }))?;
    // SAFETY: integers only.
    check(c_long::from(unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK) })).map(drop)
}
