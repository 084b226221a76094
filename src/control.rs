//! The unix socket that carries a front end's link to an engine in another process.
//!
//! - Only the person gets in: the socket is 0600 in a folder 0700, and both ends check the other's
//!   user id.
//! - A process of an agent may look and use the tools as itself, and no more: see [`peer`].
//! - One engine per workspace: the socket is made, and a stale one removed, only by who holds the
//!   [`lock::WorkspaceLock`].
//! - A front end that does not read never blocks the engine: its link overflows to a snapshot.
//! - A line that nobody understands is answered with a sentence; the connection lives on.

#[cfg(test)]
pub(crate) mod fake;

pub mod client;
pub mod lock;
pub mod peer;
pub mod server;
pub mod wire;
