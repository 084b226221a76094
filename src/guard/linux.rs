//! The guard on Linux, the only system that can ask.
//!
//! A child goes through the [`fence`]; its calls come to the [`supervisor`], which decodes them
//! ([`calls`]), finds what they are about ([`locate`]), and asks and acts ([`perform`]). Only
//! [`kernel`], [`fence`] and [`probe`] touch what no safe function wraps.

mod caller;
mod calls;
pub mod fence;
mod filter;
pub mod ground;
mod identity;
mod kernel;
mod landlock;
mod lent;
mod locate;
mod perform;
pub mod probe;
pub mod supervisor;
pub mod writers;
