//! The screen: everything that is drawn and every key.
//!
//! - It sees the engine through a [`Link`](crate::engine::link::Link) and nothing else: no process,
//!   no workspace file, no database.
//! - A turn is `update`, `measure`, `draw`. Drawing takes `&self` and computes no more than the
//!   screen shows.
//! - Nothing is drawn without a change.

pub mod action;
pub mod age;
pub mod app;
mod apply;
pub mod ask;
pub mod bench;
pub mod changes;
pub mod confirm;
pub mod dialog;
pub mod diff;
pub mod field;
pub mod help;
pub mod inbox;
pub mod keymap;
pub mod layer;
pub mod layout;
pub mod locks;
pub mod markdown;
pub mod menu;
pub mod notice;
pub mod pane;
pub mod picker;
pub mod prompt;
pub mod rows;
pub mod run;
pub mod scroll;
pub mod status;
pub mod table;
pub mod terminal;
pub mod text;
pub mod theme;
pub mod transcript;
pub mod wish;
pub mod wrap;

#[cfg(test)]
mod sample;
