//! What the guard cannot do, said openly; nothing but text.
//!
//! # What gets past it
//!
//! - A file that had a second name outside the workspace before the agent started. The number of
//!   names is told with each question ([`Found::links`](super::request::Found::links)), and no
//!   further one outside can be made.
//! - A second place where somebody mounts the workspace *after* the agent started. Those that are
//!   there before count as the workspace.
//! - A process that does not belong to the agent and writes on its behalf: a container or build
//!   service, `systemd-run`, or one that hands out a descriptor that is open for writing.
//! - Descriptors and writable mappings that the agent opened while it was allowed to. They cannot
//!   be revoked, but [`writers`](super::writers) sees them.
//! - The person's own programs.
//! - An agent that is root and uses raw devices, kernel modules or eBPF.
//! - Names that are no UTF-8 stand for all that look alike: such a file is asked about under a name
//!   that may be another one's as well, and what it holds is not looked at.
//! - In a folder that does not tell upper from lower case, two spellings are two names.
//! - A sandbox that a guarded program builds *for its own children* with Landlock does not bind
//!   the calls that the supervisor makes for them; one built with seccomp does.
//!
//! # What an agent loses
//!
//! - Names and hard links that cross the border of the workspace; moving the workspace, a folder
//!   that holds it, or a free build folder.
//! - io_uring, 32-bit and x32 programs, a seccomp listener of its own, opening by handle for
//!   writing, pushing bytes into a terminal (`TIOCSTI`), flags of files (`chattr`).
//! - Tracing and signalling processes outside its own tree, and their abstract sockets.
//! - Mounts, `setns`, set-user-id programs (`sudo`).
//! - Writing in the workspace, and changing metadata anywhere, from a process that has changed its
//!   root, and for an ordinary user from one that forbids being looked at (`PR_SET_DUMPABLE`).
//! - Device nodes in the workspace; `RLIMIT_FSIZE` does not stop a `truncate` there.
//! - A writer that waits for the reader of a pipe looks for one a hundred times a second: one that
//!   does not wait itself, and leaves between two looks, is missed. A signal that has a handler
//!   does not end this wait.
//!
//! # What depends on the kernel
//!
//! - Before Linux 6.18 (and the stable versions of its time) a caller that gets a signal in the
//!   moment in which it is answered makes its call a second time: a file that was to be new exists
//!   then, a name that was to be removed is gone.
//! - If the machine is frozen in the moment in which a caller takes its descriptor, the caller's
//!   open may return 0, its standard input.
//!
//! # What is not built
//!
//! A second mechanism for agents that need mounts inside (`bwrap`): where Landlock or the listener
//! is missing the level is [`Advisory`](super::Level::Advisory).
