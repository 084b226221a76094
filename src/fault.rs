//! Steps at which a test has this program die, or has the disk fail.
//!
//! Whatever must survive a crash passes such steps by name. In a program that is built for use
//! [`at`] is empty and nothing of this exists. In one that is built for tests the variable
//! [`ORDERS`] names a file; while that is there, each of its lines is an order:
//!
//! - `die STEP N`: at the Nth pass of the step, counted since the order is known, the process is
//!   killed as the system would do it.
//! - `fail STEP`: each pass of the step is an I/O error.
//! - `trace`: each pass is written into a file of the same name and `.passed`.

use std::io;

/// The variable that names the file of orders.
#[cfg(debug_assertions)]
pub const ORDERS: &str = "BENCHDOG_FAULTS";

/// Passes a step. An error says that a test wants it to fail.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn at(_step: &str) -> io::Result<()> {
    Ok(())
}

/// Passes a step. An error says that a test wants it to fail.
#[cfg(debug_assertions)]
pub fn at(step: &str) -> io::Result<()> {
    orders::passed(step)
}

#[cfg(debug_assertions)]
mod orders {
    use std::collections::HashMap;
    use std::fs::{self, File};
    use std::io::{self, Write};
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, OnceLock, PoisonError};

    /// How often each step was passed under one text of orders.
    #[derive(Default)]
    struct Passes {
        text: String,
        counts: HashMap<String, u64>,
    }

    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    static PASSES: Mutex<Option<Passes>> = Mutex::new(None);

    pub(super) fn passed(step: &str) -> io::Result<()> {
        let file = FILE.get_or_init(|| std::env::var_os(super::ORDERS).map(PathBuf::from));
        let Some(file) = file else { return Ok(()) };
        // Without the file there are no orders just now.
        let Ok(text) = fs::read_to_string(file) else { return Ok(()) };
        let pass = count(&text, step);
        obey(&text, step, pass, file)
    }

    /// The number of this pass, counted since these orders are known.
    fn count(text: &str, step: &str) -> u64 {
        let mut passes = PASSES.lock().unwrap_or_else(PoisonError::into_inner);
        let passes = passes.get_or_insert_with(Passes::default);
        if passes.text != text {
            *passes = Passes { text: text.to_owned(), counts: HashMap::new() };
        }
        let count = passes.counts.entry(step.to_owned()).or_default();
        *count += 1;
        *count
    }

    fn obey(text: &str, step: &str, pass: u64, file: &Path) -> io::Result<()> {
        for order in text.lines() {
            let words: Vec<&str> = order.split_whitespace().collect();
            match words[..] {
                ["trace"] => {
                    let mut name = file.as_os_str().to_owned();
                    name.push(".passed");
                    let mut trace = File::options().append(true).create(true).open(name)?;
                    trace.write_all(format!("{step}\n").as_bytes())?;
                }
                ["die", at, number] if at == step && number.parse() == Ok(pass) => die(),
                ["fail", at] if at == step => {
                    return Err(rustix::io::Errno::IO.into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn die() -> ! {
        // It cannot fail for one's own process; should it, the process stops here all the same.
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn only_the_step_that_is_named_fails() {
            let orders = "trace\nfail image-kept\ndie image-kept 7\n";
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().join("orders");
            assert!(obey(orders, "image-made", 7, &file).is_ok());
            let error = obey(orders, "image-kept", 6, &file).map_err(|error| error.raw_os_error());
            assert_eq!(error, Err(Some(rustix::io::Errno::IO.raw_os_error())));
            let passed = fs::read_to_string(folder.path().join("orders.passed"));
            assert_eq!(passed.expect("the trace"), "image-made\nimage-kept\n");
        }

        #[test]
        fn passes_are_counted_anew_with_other_orders() {
            assert_eq!((count("a", "one"), count("a", "one"), count("a", "two")), (1, 2, 1));
            assert_eq!(count("b", "one"), 1);
        }
    }
}
