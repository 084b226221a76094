//! `benchdog doctor`: what works here and what does not, each with what to do.
//!
//! [`probe`] looks, [`checks`] judges. Judging is pure: the same facts give the same table. No
//! check changes anything, and only `--ping` starts an agent.

pub mod checks;
pub mod facts;
pub mod ping;
pub mod probe;
