//! The screen: everything that is drawn and every key.
//!
//! - It sees the engine through a [`Link`](crate::engine::link::Link) and nothing else: no process,
//!   no workspace file, no database.
//! - A turn is `update`, `measure`, `draw`. Drawing takes `&self` and computes no more than the
//!   screen shows.
//! - Nothing is drawn without a change.

pub mod diff;
pub mod markdown;
pub mod picker;
pub mod scroll;
pub mod text;
pub mod theme;
pub mod transcript;
pub mod wish;
