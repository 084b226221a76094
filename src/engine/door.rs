//! The guard's door, and who answers there for the arbiter.
//!
//! The guard says what a process is about to do to which entry; the [`porter`] of its agent says
//! what that means for the arbiter, and has it decided at the [desk](super::desk).
//!
//! - Build output passes: what git ignores, unless it may hold secrets or was a source before.
//! - What a file was is kept before it is destroyed ([`images`]).
//! - What git keeps for itself passes, but for what only git, or only the person, may do there. A
//!   git that takes the index without having asked is met there.
//! - A file with several names is at stake under each that is known.
//! - An error here is a refusal.
//!
//! When a file that was let go is free of writers, the [`lookout`] looks what has become of it.

pub(super) mod aliases;
pub(super) mod build_output;
pub(super) mod guards;
pub(super) mod images;
mod index;
pub(super) mod lookout;
pub(super) mod porter;
pub(super) mod unfinished;
mod wish;
