//! benchdog: a terminal workbench where several coding agents share one working tree.
//!
//! A bench dog is the peg that holds the workpiece on a carpenter's bench. benchdog runs several
//! coding agents in *one* working tree, a pane per agent, and keeps any of them from overwriting
//! what another one, or the person, wrote.
//!
//! # Floors
//!
//! Each module imports only from modules below it; a test holds this.
//!
//! ```text
//! main
//!  └ cli ───────────────┬──────────────┬─────────────┐
//!    │                  │              │             │
//!    ui   doctor     control           │             │     front ends: they see Command and Event
//!    └──────┴───────────┴── engine ────┘             │     the only place that joins the parts
//!         ┌─────────┬───────┬──┴────┬────────┬─────────┬──────┴─┬───────┐
//!      supervisor arbiter guard   agent   history   journal   config   git   siblings that never
//!         └─────────┴───────┴───────┴────────┴─────────┴────────┴───────┘    see one another
//!                                 model                               plain data
//! ```
//!
//! Beside them lies [`fault`], by which a test has the history or the engine die at a step of its
//! choice. In a program that is built for use it is empty.
//!
//! # What never happens
//!
//! 1. `ui` never touches a process, a workspace file, SQLite or the arbiter. It sees a
//!    [`Link`](engine::link::Link) only.
//! 2. The engine never needs a terminal. Screen, socket and tests are equal front ends.
//! 3. `arbiter`, `supervisor`, `journal` and `git` never read a clock, sleep, log or spawn: the
//!    model checker and the property tests drive the real code.
//! 4. Back ends never grant a write. They report a request and wait for the answer.
//! 5. No queue is unbounded; each has a named size and a policy.
//! 6. Drawing never changes state.
//! 7. An error in the arbiter is never an "allow".

pub mod agent;
pub mod arbiter;
pub mod cli;
pub mod config;
pub mod control;
pub mod doctor;
pub mod engine;
pub mod fault;
pub mod git;
pub mod guard;
pub mod history;
pub mod journal;
pub mod model;
pub mod supervisor;
pub mod ui;
