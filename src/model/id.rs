//! Names for things that live longer than one call: agents, sessions, items, asks, tool calls.
//!
//! Ids are opaque: nobody outside the floor that made one takes it apart.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(raw: &str) -> Self {
                Self(raw.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id!(
    /// An agent of the running bench; counts up and is never reused while the engine lives.
    AgentId, u32
);
number_id!(
    /// The place of an item in its session's transcript; counts up from 1.
    ItemId, u64
);
number_id!(
    /// A question that waits for the person; counts up and is never reused while the engine lives.
    AskId, u64
);
number_id!(
    /// One request to the arbiter, from its first question to its end.
    OpId, u64
);
number_id!(
    /// A change in the journal; grows with time and is never reused. 0 until it is stored.
    ChangeId, u64
);
text_id!(
    /// A stored conversation of ours (a UUID version 7). The back end has its own id for it.
    SessionId
);
text_id!(
    /// The id that a back end gave to one tool call (`toolu_…` for Claude).
    CallId
);
text_id!(
    /// The id that a back end gave to a sub-agent (`agent_id` for Claude).
    SubId
);
text_id!(
    /// The id of a request that a back end made of us and that waits for our answer.
    RequestId
);

/// Makes ids that do not repeat, without a clock or randomness of its own.
///
/// The seed comes from outside, so that the same seed gives the same ids in a test.
#[derive(Debug, Clone)]
pub struct IdSource {
    state: u64,
}

impl IdSource {
    /// A source whose ids follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next session id for the moment `unix_ms`, in the form of a UUID version 7.
    pub fn session(&mut self, unix_ms: i64) -> SessionId {
        let ms = u64::try_from(unix_ms).unwrap_or(0);
        let (a, b) = (self.number(), self.number());
        let bytes = uuid::Builder::from_unix_timestamp_millis(ms, &{
            let mut random = [0u8; 10];
            random[..8].copy_from_slice(&a.to_le_bytes());
            random[8..].copy_from_slice(&b.to_le_bytes()[..2]);
            random
        });
        SessionId(bytes.into_uuid().to_string())
    }

    /// The next random number (splitmix64, public domain, Vigna 2015).
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_ids_sort_by_time_and_do_not_repeat() {
        let mut ids = IdSource::new(7);
        let first = ids.session(1_000);
        let second = ids.session(2_000);
        let again = ids.session(2_000);
        assert!(first < second);
        assert_ne!(second, again);
    }
}
