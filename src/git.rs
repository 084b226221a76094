//! git for agents: what a command line of git would do, and whether it may, with several agents in
//! one tree.
//!
//! - **Whose work it is decides.** What may destroy uncommitted work of others needs the person's
//!   word, before anything is touched; what stages or commits is narrowed to the agent's own files.
//! - **Doubt is a refusal.** A command line that is not understood counts as one that changes the
//!   whole tree; a file whose author is not known counts as somebody else's.
//! - **A refusal says what to do now.** What happened; whose files are at stake; the ways out.
//!
//! Everything here is a function of values. Running git, asking the engine and building the index
//! of a commit are the shim's work.

pub mod ask;
pub mod deed;
pub mod door;
pub mod facts;
pub mod line;
mod options;
pub mod verdict;
mod words;

pub use deed::Deed;
pub use door::{Passage, at_the_door};
pub use facts::{
    Answer, Asker, Content, Dirty, FileQuestion, Known, OthersLease, Party, Scene, Tree,
};
pub use line::Line;
pub use verdict::{Decision, decide};
