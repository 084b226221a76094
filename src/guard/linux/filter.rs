//! The filter that runs in the kernel at each call of an agent: what is handed to us, what fails,
//! what passes.
//!
//! - A call of another processor mode ends the process: our numbers mean nothing there.
//! - Calls that open a door behind the guard fail ([`FORBIDDEN`]).
//! - Opens that only read pass untouched, like everything that is not in the table.
//!
//! The kernel notes which numbers always pass and does not run the filter for those; only calls
//! whose arguments decide cost anything.

use libc::{c_long, sock_filter};

use crate::guard::linux::calls;

/// Size and place of what a filter may look at (`struct seccomp_data`).
const NUMBER: u32 = 0;
const PROCESSOR: u32 = 4;
const ARGUMENTS: u32 = 16;

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;
/// No table for this processor: see [`supported`].
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const NATIVE: u32 = 0;

/// The first number of the x32 mode; the processor says x86_64 there.
const X32: u32 = 0x4000_0000;

const OPEN_TREE_ATTR: c_long = 467;
const FILE_SETATTR: c_long = 469;
const OPEN_TREE_CLONE: u32 = 1;

/// Calls that fail as if the kernel did not have them; programs then take another way.
/// `clone3` hides its flags behind a pointer, so a process could become another user unseen.
const ABSENT: &[c_long] = &[
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_clone3,
    FILE_SETATTR,
];

/// Calls that would change what a path means, or who asks.
const FORBIDDEN: &[c_long] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    OPEN_TREE_ATTR,
];

/// Requests to devices and files that change something behind the guard: pushing bytes into a
/// terminal, flags of a file, sealing it.
const FORBIDDEN_REQUESTS: &[u32] = &[
    0x5412,      // TIOCSTI
    0x541c,      // TIOCLINUX
    0x4008_6602, // FS_IOC_SETFLAGS
    0x401c_5820, // FS_IOC_FSSETXATTR
    0x4080_6685, // FS_IOC_ENABLE_VERITY
    0x4004_6602, // FS_IOC32_SETFLAGS
];

/// Any of these in an open means that it may write.
const WRITES: u32 = (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC) as u32;
const PATH_ONLY: u32 = libc::O_PATH as u32;
const NEW_USER: u32 = libc::CLONE_NEWUSER as u32;

const PASS: u32 = libc::SECCOMP_RET_ALLOW;
const ASK: u32 = libc::SECCOMP_RET_USER_NOTIF;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

/// Whether there is a table for this processor.
pub(super) const fn supported() -> bool {
    NATIVE != 0
}

/// The filter.
pub(super) fn program() -> Vec<sock_filter> {
    let mut program = Program::default();
    program.load(PROCESSOR);
    program.unless_equal(NATIVE, KILL);
    program.load(NUMBER);
    program.if_at_least(X32, fail(libc::EPERM));
    let looked_at = [
        Looked::any(libc::SYS_openat, 2, WRITES, PATH_ONLY, ASK),
        #[cfg(target_arch = "x86_64")]
        Looked::any(libc::SYS_open, 1, WRITES, PATH_ONLY, ASK),
        Looked::any(libc::SYS_clone, 0, NEW_USER, 0, ASK),
        Looked::any(libc::SYS_unshare, 0, NEW_USER, 0, ASK),
        Looked::any(libc::SYS_open_tree, 2, OPEN_TREE_CLONE, 0, fail(libc::EPERM)),
        Looked::any(libc::SYS_open_by_handle_at, 2, WRITES, PATH_ONLY, fail(libc::EPERM)),
    ];
    for call in &looked_at {
        program.look(call);
    }
    program.requests(libc::SYS_ioctl, 1, FORBIDDEN_REQUESTS, fail(libc::EPERM));
    for number in calls::numbers().filter(|n| looked_at.iter().all(|l| l.number != *n)) {
        program.if_equal(number, ASK);
    }
    for number in ABSENT {
        program.if_equal(*number, fail(libc::ENOSYS));
    }
    for number in FORBIDDEN {
        program.if_equal(*number, fail(libc::EPERM));
    }
    program.end(PASS);
    program.0
}

const fn fail(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()
}

/// A call whose argument decides: with any bit of `bits`, and none of `but`, `action`.
struct Looked {
    number: c_long,
    argument: u32,
    bits: u32,
    but: u32,
    action: u32,
}

impl Looked {
    const fn any(number: c_long, argument: u32, bits: u32, but: u32, action: u32) -> Self {
        Self { number, argument, bits, but, action }
    }
}

#[derive(Default)]
struct Program(Vec<sock_filter>);

impl Program {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    const ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

    fn push(&mut self, code: u32, yes: u8, no: u8, k: u32) {
        let code = u16::try_from(code).unwrap_or_default();
        self.0.push(sock_filter { code, jt: yes, jf: no, k });
    }

    fn load(&mut self, place: u32) {
        self.push(Self::LOAD, 0, 0, place);
    }

    fn end(&mut self, action: u32) {
        self.push(Self::RETURN, 0, 0, action);
    }

    fn unless_equal(&mut self, value: u32, action: u32) {
        self.push(Self::EQUAL, 1, 0, value);
        self.end(action);
    }

    fn if_equal(&mut self, number: c_long, action: u32) {
        self.push(Self::EQUAL, 0, 1, plain(number));
        self.end(action);
    }

    fn if_at_least(&mut self, value: u32, action: u32) {
        self.push(Self::AT_LEAST, 0, 1, value);
        self.end(action);
    }

    /// The lower half of the argument, which is what the kernel takes of an `int`.
    fn load_argument(&mut self, argument: u32) {
        self.load(ARGUMENTS + 8 * argument);
    }

    fn look(&mut self, call: &Looked) {
        self.push(Self::EQUAL, 0, 5, plain(call.number));
        self.load_argument(call.argument);
        self.push(Self::ANY_BIT, 2, 0, call.but);
        self.push(Self::ANY_BIT, 0, 1, call.bits);
        self.end(call.action);
        self.end(PASS);
    }

    fn requests(&mut self, number: c_long, argument: u32, requests: &[u32], action: u32) {
        let length = u8::try_from(requests.len() * 2 + 2).unwrap_or(u8::MAX);
        self.push(Self::EQUAL, 0, length, plain(number));
        self.load_argument(argument);
        for request in requests {
            self.push(Self::EQUAL, 0, 1, *request);
            self.end(action);
        }
        self.end(PASS);
    }
}

/// Numbers of calls are small and positive.
fn plain(number: c_long) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would do, by running the program.
    fn run(processor: u32, number: c_long, arguments: [u64; 6]) -> u32 {
        let program = program();
        let word = |place: u32| match place {
            NUMBER => number as u32,
            PROCESSOR => processor,
            _ => {
                let argument = arguments[((place - ARGUMENTS) / 8) as usize];
                assert_eq!((place - ARGUMENTS) % 8, 0);
                argument as u32
            }
        };
        let (mut at, mut value) = (0, 0);
        loop {
            let line = program[at];
            let jump = |yes| at + 1 + usize::from(if yes { line.jt } else { line.jf });
            at = match u32::from(line.code) {
                Program::LOAD => {
                    value = word(line.k);
                    at + 1
                }
                Program::EQUAL => jump(value == line.k),
                Program::AT_LEAST => jump(value >= line.k),
                Program::ANY_BIT => jump(value & line.k != 0),
                Program::RETURN => return line.k,
                other => panic!("{other}"),
            };
        }
    }

    fn open(flags: i32) -> u32 {
        run(NATIVE, libc::SYS_openat, [0, 0, flags as u64, 0, 0, 0])
    }

    #[test]
    fn opens_that_write_are_asked_about_and_others_pass() {
        for flags in [libc::O_WRONLY, libc::O_RDWR, libc::O_CREAT, libc::O_TRUNC] {
            assert_eq!(open(flags), ASK);
        }
        for flags in [0, libc::O_DIRECTORY, libc::O_PATH | libc::O_RDWR] {
            assert_eq!(open(flags), PASS);
        }
    }

    #[test]
    fn every_number_of_the_table_is_asked_about() {
        for number in calls::numbers() {
            assert_eq!(run(NATIVE, number, [0x1000_0241; 6]), ASK, "{number}");
        }
    }

    #[test]
    fn doors_behind_the_guard_are_shut() {
        assert_eq!(run(0x4000_0003, libc::SYS_read, [0; 6]), KILL);
        assert_eq!(run(NATIVE, 0x4000_0002, [0; 6]), fail(libc::EPERM));
        assert_eq!(run(NATIVE, libc::SYS_io_uring_setup, [0; 6]), fail(libc::ENOSYS));
        assert_eq!(run(NATIVE, libc::SYS_ioctl, [0, 0x5412, 0, 0, 0, 0]), fail(libc::EPERM));
        assert_eq!(run(NATIVE, libc::SYS_ioctl, [0, 0x5401, 0, 0, 0, 0]), PASS);
        assert_eq!(run(NATIVE, libc::SYS_setns, [0; 6]), fail(libc::EPERM));
        assert_eq!(run(NATIVE, libc::SYS_clone, [0x11, 0, 0, 0, 0, 0]), PASS);
    }
}
