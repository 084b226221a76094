//! What is wrong in a settings file: where, what, what to do, and how bad it is.

use std::fmt;

use serde::Serialize;

use crate::model::failure::{Failure, FailureKind};

/// A place in a text, both numbers from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Spot {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl Spot {
    /// The place of byte `offset` in `text`.
    pub fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset.min(text.len())).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// Where a setting was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// In a file.
    File {
        /// Its name as the person knows it.
        file: String,
        /// Where in it, if that is known.
        spot: Option<Spot>,
    },
    /// In an environment variable of this name.
    Variable(String),
    /// In a flag of the command line.
    Flag,
    /// Nowhere: it is the default.
    Default,
}

impl Origin {
    /// The place in the file, if it is one and the place is known.
    pub fn spot(&self) -> Option<Spot> {
        match self {
            Self::File { file: _, spot } => *spot,
            Self::Variable(_) | Self::Flag | Self::Default => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, spot: Some(Spot { line, column }) } => {
                write!(f, "{file}:{line}:{column}")
            }
            Self::File { file, spot: None } => f.write_str(file),
            Self::Variable(name) => write!(f, "environment {name}"),
            Self::Flag => f.write_str("--set"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// What a problem means for the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gravity {
    /// The setting is not applied, everything else goes on.
    Ignored,
    /// Nothing starts: going on could be less safe than the person wanted.
    Fatal,
}

/// Something wrong in the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// What it means.
    pub gravity: Gravity,
    /// What is wrong. Present tense, no full stop.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem after which everything else goes on.
    pub fn ignored(origin: Origin, message: impl Into<String>) -> Self {
        Self { origin, gravity: Gravity::Ignored, message: message.into(), hint: None }
    }

    /// A problem with which nothing starts.
    pub fn fatal(origin: Origin, message: impl Into<String>) -> Self {
        Self { origin, gravity: Gravity::Fatal, message: message.into(), hint: None }
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  {hint}")?;
        }
        Ok(())
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let failure =
            Self::new(FailureKind::Config, format!("{}: {}", problem.origin, problem.message));
        match problem.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let text = "a\nbä = 1\n";
        for (offset, line, column) in [(0, 1, 1), (2, 2, 1), (6, 2, 4), (99, 3, 1)] {
            assert_eq!(Spot::of(text, offset), Spot { line, column }, "{offset}");
        }
    }
}
