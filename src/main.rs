//! The program. Everything it does is in the library.

use std::io::{BufReader, stderr, stdin, stdout};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [command, file, rest @ ..] if command == "agent-script" => {
            let input = BufReader::new(stdin());
            let script = benchdog::agent::script::run;
            ExitCode::from(script(Path::new(file), rest, input, stdout(), stderr()))
        }
        _ => ExitCode::from(2),
    }
}
