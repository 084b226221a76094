//! What a part of the screen wants done when a key or an answer reached it.
//!
//! Parts change their own state at once and say the rest as a [`Wish`]; the app carries it out.

use super::changes::Asked;
use crate::engine::command::{Command, Reply};
use crate::model::id::{AgentId, AskId, SessionId};
use crate::model::transcript::Level;

/// Something that a part of the screen wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// Take this layer off the screen.
    Close,
    /// Ask the engine; the answer comes back to the part that `tag` names.
    Ask {
        /// What is asked.
        command: Box<Command>,
        /// Whose question it is.
        tag: Tag,
    },
    /// Tell the person in the bottom line.
    Tell(Level, String),
    /// Put a text on the clipboard.
    Copy(String),
    /// Bring this agent's pane to the front.
    Focus(AgentId),
    /// Bring this agent's pane to the front, with the keys at its ask.
    Answer(AgentId),
    /// Bring this agent's pane to the front, with the keys at its prompt.
    Write(AgentId),
    /// Leave the screen.
    Quit,
}

/// Whose question a command was, so that its [`Reply`] finds the way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tag {
    /// Nobody's: only a failure is shown.
    Nobody,
    /// The picker's list, for the filter with this number.
    PickerRows(u64),
    /// The picker's preview of this session.
    PickerPreview(SessionId),
    /// The picker's bench as it was.
    PickerBench,
    /// The picker's resume.
    PickerResume,
    /// The picker's new title for this session.
    PickerRename(SessionId),
    /// Older items of this agent's transcript.
    Older(AgentId),
    /// The changes view's.
    Changes(Asked),
    /// The new-agent dialog's agent.
    NewAgent,
    /// The answer to this ask.
    Answer(AskId),
    /// This prompt for this agent.
    Prompt(AgentId, String),
}

/// An answer on its way back.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// Whose question it was.
    pub tag: Tag,
    /// The answer.
    pub reply: Reply,
}
