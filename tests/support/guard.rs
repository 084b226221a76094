//! Whether the kernel can ask here, without which tests of the guard prove nothing.

use std::io::Write;

/// Says it loudly where it cannot. `BENCHDOG_GUARD=require` makes that a failure.
pub(crate) fn kernel_asks() -> bool {
    match benchdog::engine::boot::can_guard() {
        Ok(()) => true,
        Err(why) => {
            assert!(std::env::var_os("BENCHDOG_GUARD").is_none(), "no guard here: {why}");
            let _ = writeln!(std::io::stderr(), "\n*** SKIPPED: a test of the guard: {why} ***\n");
            false
        }
    }
}
