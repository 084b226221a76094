//! The history: everything that was said and decided, in one SQLite database.
//!
//! - One thread owns the connection that writes; readers have connections of their own.
//! - A write is durable (WAL, `synchronous=FULL`) at most 50 ms after it was queued.
//! - The queue is bounded in bytes; who writes faster than the disk waits.
//! - Nothing here decides anything, and nothing that was stored is changed by opening it.

pub mod record;
mod stub;
pub use stub::{Reader, Store};
