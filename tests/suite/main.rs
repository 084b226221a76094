//! The tests that need more than one module: the built binary, real agents, whole engines.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    reason = "a test that cannot go on should panic, and one that cannot run should say so"
)]

#[path = "../support/support.rs"]
mod support;

mod agent_processes;
mod claude_asks;
mod claude_binary;
mod claude_contention;
mod claude_gate;
mod claude_resume;
mod claude_steering;
mod claude_turns;
mod command_line;
mod crash;
mod crash_moments;
mod crash_steps;
mod demo;
mod enforced;
mod faults;
mod full_disk;
mod gauntlet;
mod git;
mod git_tree;
mod journal;
mod many_writers;
mod model_api;
mod no_lost_updates;
mod races;
mod real_cli;
mod restart;
mod screen;
mod script_agent;
mod script_flow;
mod script_races;
mod sessions;
mod shell_writers;
mod tidy;
