//! The arbiter: who may write what, and why.
//!
//! [`Table`] is a plain value. It takes the time as an argument, returns what should happen as
//! [`Effect`]s, and never sleeps, logs or touches a file. The rules:
//!
//! - **Versions make it safe.** A write is granted only if what is on disk is what its owner last
//!   observed, or if it is an anchored edit that can be rebased. No clock takes part in that.
//! - **Leases make it fair.** They say who writes now and who is next. Losing one loses no work.
//! - **In-flight is sacred.** Nothing but the end of the write frees a file that is being written.
//! - **No forgotten waiter.** Each request ends in exactly one of granted, refused, withdrawn.
//!
//! A session and its sub-agents share what they hold and reserve; only a write in flight keeps
//! them apart. What each of them has *seen* is its own.
//!
//! Which tool calls need a lease, where a path really leads, and what is on disk is found out by
//! the caller. Here a path is a path.

pub mod claim;
pub mod input;
pub mod query;
pub mod refusal;
pub mod restore;
pub mod settings;
pub mod table;

mod ends;
mod leases;
mod news;
mod owners;
mod pins;
mod rebase;
mod requests;
mod reserve;
mod touches;
mod versions;
mod waits;
mod writes;

#[cfg(test)]
#[allow(clippy::wildcard_enum_match_arm, reason = "a proof looks at one kind of effect of many")]
mod proof;

pub use claim::{Claim, is_protected};
pub use input::{
    Deed, Disk, Edit, Effect, Input, Lease, Mark, Observation, Proposal, Seen, TREE, Touch, Was,
    Wish, WriteEnd,
};
pub use query::{Settled, Standing, Unsaved};
pub use rebase::edited;
pub use restore::{LeaseRow, Rows, WriterRow};
pub use settings::Settings;
pub use table::Table;
