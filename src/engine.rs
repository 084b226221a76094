//! The engine: the only place that joins agents, arbiter, supervisor and history.
//!
//! - Its heart, [`State::update`](state::State::update), is pure: input in, effects out. It cannot
//!   fail.
//! - Front ends see [`Command`](command::Command), [`Event`](event::Event) and
//!   [`Snapshot`](event::Snapshot), and nothing else. The engine runs without any of them.
//! - A front end that does not read fast enough is dropped to a new snapshot; it never blocks.

mod bell;
pub mod boot;
mod census;
pub mod command;
mod desk;
mod disk;
mod door;
mod drivers;
pub mod effect;
pub mod event;
pub mod exec;
mod fold;
pub mod identity;
pub mod input;
mod jobs;
mod keeper;
pub mod link;
pub mod lookup;
mod own_write;
mod perform;
mod publish;
mod retention;
pub mod review;
mod revise;
pub mod run;
mod snapshot;
pub mod state;
mod texts;
mod update;
mod watch;
