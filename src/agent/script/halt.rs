//! Why the agent stops what it does: the turn is over, or the process is.
//!
//! A [`Halt`] travels up as an error, so that no step can go on after an interrupt by forgetting
//! to look for one.

/// What ends the work at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Halt {
    /// The turn ends, the agent lives on.
    Turn(Ending),
    /// The process ends with this code.
    Exit(u8),
    /// Nobody reads what we write any more.
    Gone,
}

/// How a turn ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// As it should.
    Completed,
    /// The person broke it off while the agent spoke.
    InterruptedSpeaking,
    /// The person broke it off while a tool ran or waited.
    InterruptedTool,
    /// Too many calls to the model.
    MaxTurns(u32),
    /// Too much money.
    Budget(String),
    /// The call to the model failed for good, with this status.
    ApiError(u16),
    /// A hook wanted no more.
    HookStopped,
}

impl Ending {
    /// Whether the person broke the turn off.
    pub(super) fn is_interrupt(&self) -> bool {
        matches!(self, Self::InterruptedSpeaking | Self::InterruptedTool)
    }
}
