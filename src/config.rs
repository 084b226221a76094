//! Settings: defaults, then the person's, then the project's, then environment and flags.
//!
//! - The defaults are `assets/config.toml` itself; no other place in the code knows one.
//! - A project's file can make agents safer, never less safe, and it never names a program to run.
//! - A file that is wrong says so with line and column. What is wrong is not applied, and where
//!   safety hangs on it, nothing starts.
//!
//! Reading and merging are pure; only [`load`], [`folders`], [`program`] and [`workspace`] look at
//! the disk.

pub mod bench;
pub mod environment;
pub mod file;
pub mod folders;
pub mod load;
pub mod merge;
pub mod problem;
pub mod program;
pub mod schema;
pub mod settings;
pub mod shim;
pub mod workspace;
