//! What the tests stand on: workspaces, processes, a terminal, a model, a checker.
//!
//! Everything waits for an event, never for time; every wait has an end, and says what it saw when
//! it gives up. Nothing reaches further than the loopback device, but for the installation of the
//! real agent, which happens once per checkout.
#![allow(dead_code, reason = "not every test uses all of it")]

#[cfg(target_os = "linux")]
#[allow(unsafe_code, clippy::print_stdout, reason = "an attacker does as it likes, and says so")]
pub(crate) mod attacker;
pub(crate) mod bench_engine;
pub(crate) mod bench_process;
pub(crate) mod caller;
pub(crate) mod checker;
pub(crate) mod claude_cli;
pub(crate) mod engine;
pub(crate) mod faults;
pub(crate) mod git_bench;
pub(crate) mod guard;
pub(crate) mod host;
pub(crate) mod lines;
pub(crate) mod model_api;
pub(crate) mod terminal;
pub(crate) mod workspace;

use std::time::Duration;

/// How long anything may take that does not hang. Generous, for machines that do much at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
