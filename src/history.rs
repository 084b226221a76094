//! The history: everything that was said and decided, in one SQLite database.
//!
//! - One thread owns the connection that writes; readers have connections of their own.
//! - A write is durable (WAL, `synchronous=FULL`) at most 50 ms after it was queued, or as soon as
//!   the disk allows with [`Store::queue_now`].
//! - The queue is bounded in bytes; who writes faster than the disk waits.
//! - Nothing is dropped silently: what cannot be stored stays queued or is reported.
//! - Nothing here decides anything, and nothing that was stored is changed by opening it.
//! - A content that a kept change or an agent's knowledge needs is never removed.
//! - What looks like a secret in tool calls and raw lines is masked before it reaches the disk.

mod checkpoint;
pub mod contents;
mod error;
pub mod images;
mod items;
pub mod mask;
mod open;
mod prune;
mod queue;
pub mod read;
pub mod record;
mod schema;
mod store;
mod thread;
mod words;
mod write;

pub use error::StoreError;
pub use open::check_whole;
pub use prune::{Keep, Pruned};
pub use queue::QUEUE_BYTES;
pub use read::Reader;
pub use store::{Answer, Store};
pub use thread::Health;

#[cfg(test)]
mod tests;
