//! The engine: the only place that joins agents, arbiter, supervisor and history.
//!
//! - Its heart is pure: input in, effects out. It cannot fail.
//! - Front ends see [`Command`](command::Command), [`Event`](event::Event) and
//!   [`Snapshot`](event::Snapshot), and nothing else. The engine runs without any of them.
//! - A front end that does not read fast enough is dropped to a new snapshot; it never blocks.

pub mod command;
pub mod event;
pub mod link;
