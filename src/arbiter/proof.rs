//! Proofs that drive the real table: scripts, model checking, random scripts, a simulation.
//!
//! All of them judge by the disk and by what each owner was really shown, never by what the table
//! says about itself.

mod circles;
mod model;
mod properties;
mod scripts;
mod sealed;
mod simulation;
mod texts;
mod world;
