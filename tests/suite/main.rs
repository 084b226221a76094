//! The tests that need more than one module: the built binary, real agents, whole engines.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should panic"
)]

mod tidy;
