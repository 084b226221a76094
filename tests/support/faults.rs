//! Orders to a running engine to die at a step, or to have the disk fail there.
//!
//! Only a program that is built for tests obeys; see `benchdog::fault`.

use std::fs;
use std::path::PathBuf;

use super::bench_process::{Bench, Running};
use super::engine::{serve_with, wait_until};

/// Whether the program that is tested can be told to die.
pub(crate) const POSSIBLE: bool = cfg!(debug_assertions);

/// The orders of one engine.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    file: PathBuf,
}

impl Orders {
    /// Starts an engine that waits for orders.
    pub(crate) fn serve(bench: &Bench, flags: &[&str]) -> (Running, Self) {
        let file = bench.at_home("orders");
        let engine =
            serve_with(bench, flags, &[("BENCHDOG_FAULTS", file.to_str().expect("a path"))]);
        (engine, Self { file })
    }

    /// Gives orders, a line each; they replace those before.
    pub(crate) fn give(&self, orders: &str) {
        let _ = fs::remove_file(self.trace_file());
        // In one piece: half an order is none.
        let new = self.file.with_extension("new");
        fs::write(&new, orders).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    /// From now on everything goes well again.
    pub(crate) fn lift(&self) {
        let _ = fs::remove_file(&self.file);
    }

    /// The steps that were passed since the orders were given, if `trace` is among them.
    pub(crate) fn passed(&self) -> Vec<String> {
        let text = fs::read_to_string(self.trace_file()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until a step is passed.
    pub(crate) fn wait_passed(&self, step: &str) {
        wait_until(step, || self.passed().iter().any(|passed| passed == step).then_some(()));
    }

    fn trace_file(&self) -> PathBuf {
        let mut name = self.file.as_os_str().to_owned();
        name.push(".passed");
        PathBuf::from(name)
    }
}
