//! What goes wrong, on its way to a person: whose move it is, a sentence, a hint.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose move it is when something failed. Decides the exit code of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// It was tried and did not work.
    Failed,
    /// The command line or an argument is wrong.
    Usage,
    /// A settings file is wrong.
    Config,
    /// Somebody else holds the file.
    Held,
    /// The file changed after it was read, or was never read.
    Stale,
    /// Only the person may decide this.
    NeedsPerson,
    /// The agent's program is missing or did not start.
    AgentStart,
    /// No engine answers for this workspace.
    Unreachable,
    /// The person broke it off.
    Interrupted,
    /// A bug of ours.
    Internal,
}

impl FailureKind {
    /// The exit code that scripts rely on.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed | Self::Config | Self::Internal => 1,
            Self::Usage => 2,
            Self::Held => 3,
            Self::Stale => 4,
            Self::NeedsPerson => 5,
            Self::AgentStart => 6,
            Self::Unreachable => 7,
            Self::Interrupted => 130,
        }
    }
}

/// A failure as a person reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whose move it is.
    pub kind: FailureKind,
    /// What failed, on what. Present tense, no full stop.
    pub message: String,
    /// What to do now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The cause in technical words, for the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

impl Failure {
    /// A failure with a sentence and nothing else yet.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, cause: None }
    }

    /// Says what to do now.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Keeps the technical cause.
    #[must_use]
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(cause) = &self.cause {
            write!(f, ": {cause}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
