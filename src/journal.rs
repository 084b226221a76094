//! The journal: what can be said and done about changes once they are kept.
//!
//! Changes and contents come in as values, what is on disk too; out come lists, texts and
//! [`Plan`](plan::Plan)s. Nothing here reads a file, a database or a clock. What always holds:
//!
//! - **A plan says what it builds on.** Each step names what must be on disk; whoever carries it
//!   out does so only if that is still there.
//! - **An undo takes away its own.** A line that does not stem from the changes that are undone
//!   stays, or the file is left alone and the plan says why.
//! - **All or nothing per file.** A file with a conflict has no step.
//! - **Blame is complete.** It has as many lines as the file, and a line whose writer is not known
//!   for sure belongs to nobody.
//!
//! Where changes and contents are kept, and for how long, is the history's business.

pub mod blame;
pub mod merge;
pub mod pick;
pub mod plan;
pub mod replay;
pub mod restore;
pub mod undo;

mod losses;
mod show;

pub use losses::losses;

#[cfg(test)]
mod tests;
