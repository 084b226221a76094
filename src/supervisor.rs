//! The life of agents as a pure state machine: starts, ends, idle, limits.
