//! Tokens and money.

use serde::{Deserialize, Serialize};

/// Tokens counted by the back end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tokens {
    /// Sent and not cached.
    pub input: u64,
    /// Written by the model.
    pub output: u64,
    /// Read from the cache.
    pub cache_read: u64,
    /// Written to the cache.
    pub cache_write: u64,
}

/// What a session has used up so far. Totals, never differences.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// US dollars, as the back end counts them. Cumulative over resumes.
    pub cost_usd: f64,
    /// Tokens of all models of the session.
    pub tokens: Tokens,
    /// How much of the model's context window is filled, in percent, if known.
    pub context_percent: Option<u8>,
}
