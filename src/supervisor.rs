//! The life of agents as a pure state machine: starts, ends, asks, waits, prompts that wait.
//!
//! - Nothing here reads a clock, sleeps, logs or starts anything: the time comes in, wishes go out.
//! - Nothing is started again by itself: an agent that died waits for the person.

pub mod life;
