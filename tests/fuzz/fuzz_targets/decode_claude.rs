//! Whatever an agent writes, its decoder neither panics nor loses a line.
//!
//! The input is what comes through the pipe. A line that is no JSON object must come back whole;
//! what goes back to the agent must be JSON objects of one line each.

#![no_main]

use benchdog::agent::claude::decode::Decoder;
use benchdog::agent::process::lines::{Lines, Piece};
use benchdog::model::report::Report;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut lines = Lines::new(1 << 16);
    let mut decoder = Decoder::new();
    let mut pieces = lines.push(bytes);
    pieces.extend(lines.finish());
    for piece in pieces {
        let (reports, line) = match piece {
            Piece::Line(line) => (decoder.feed(&line), line),
            Piece::TooLong { head, bytes } => (decoder.too_long(&head, bytes), head),
        };
        if !line.trim().is_empty() && !line.contains('{') {
            assert!(matches!(&reports[..], [.., Report::Unknown { line: kept, .. }] if *kept == line));
        }
        for answer in decoder.replies() {
            assert!(answer.starts_with('{') && answer.ends_with('}') && !answer.contains('\n'));
        }
    }
});
