//! Plain data that every floor shares: ids, paths, reports, transcripts, leases, changes, failures.
//!
//! Nothing here performs I/O, reads a clock, or knows tokio or a terminal. Everything that crosses
//! the socket or reaches the database is `serde` data defined here.

pub mod agent;
pub mod change;
pub mod difference;
pub mod failure;
pub mod id;
pub mod lease;
pub mod path;
pub mod permission;
pub mod report;
pub mod review;
pub mod session;
pub mod time;
pub mod transcript;
pub mod usage;
