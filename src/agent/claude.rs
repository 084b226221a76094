//! Claude Code as an agent: one process that speaks stream-json over its standard streams.
//!
//! - [`decode`], [`encode`] and [`launch`] are pure: lines, reports, orders and arguments are
//!   values.
//! - [`drive`] moves the values: it starts the process, reads, writes, and ends it.
//! - What a CLI can do is taken from what it says that it can do, never from its version.

pub mod decode;
pub mod drive;
pub mod encode;
pub mod launch;
mod wire;

pub use wire::is_partial;
