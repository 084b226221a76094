//! The guard from outside: real programs behind it, and everything that tries to get round it.
//!
//! These tests need a kernel that can ask (Landlock and seccomp notifications). Elsewhere they say
//! that they prove nothing; `BENCHDOG_GUARD=require` makes that a failure.
#![cfg(target_os = "linux")]
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    reason = "tests may panic, print, look at one case, and act between fork and exec"
)]

mod door;
mod field;
mod gauntlet;
mod handover;
mod kernel;
mod races;
mod real;
mod same;
mod script;
mod support;
mod ways;
