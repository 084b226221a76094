//! The guard from outside: real programs behind it, and everything that tries to get round it.
//!
//! These tests need a kernel that can ask (Landlock and seccomp notifications), and run only where
//! somebody wants them: `BENCHDOG_GUARD=require cargo test --test guard`.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    reason = "tests may panic, print, look at one case, and act between fork and exec"
)]

#[cfg(target_os = "linux")]
mod door;
#[cfg(target_os = "linux")]
mod field;
#[cfg(target_os = "linux")]
mod gauntlet;
#[cfg(target_os = "linux")]
mod handover;
#[cfg(target_os = "linux")]
mod kernel;
#[cfg(target_os = "linux")]
mod races;
#[cfg(target_os = "linux")]
mod same;
#[cfg(target_os = "linux")]
mod script;
#[cfg(target_os = "linux")]
mod ways;
