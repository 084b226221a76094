//! What the tests of the whole program stand on, as far as it is needed here.
#![allow(dead_code, reason = "the guard's tests use a part of it")]

use std::time::Duration;

#[path = "../support/attacker.rs"]
pub(crate) mod attacker;
#[path = "../support/claude_cli.rs"]
pub(crate) mod claude_cli;
#[path = "../support/host.rs"]
pub(crate) mod host;
#[path = "../support/lines.rs"]
pub(crate) mod lines;
#[path = "../support/model_api.rs"]
pub(crate) mod model_api;
#[path = "../support/workspace.rs"]
pub(crate) mod workspace;

/// How long anything may take that does not hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
