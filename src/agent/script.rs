//! The built-in scripted agent: a subprocess that speaks Claude Code's stream-json protocol, so
//! that one driver serves both.
//!
//! It thinks nothing and does everything else for real: it reads and writes files, runs commands
//! in a session of their own, asks before it does so, waits for hooks, and can be interrupted at
//! any moment. The demo, the tests and the benchmarks work with it, without network or key.
//!
//! - Every tool call goes through the host's hooks and asks, in the order of the real program.
//! - A refused or denied tool call changes nothing on the disk.
//! - Two runs of one script at speed 0 say the same, but for ids, times and nonces.
//!
//! It does not know the engine; what it is told comes through its standard input.
//!
//! # A script
//!
//! A script is a TOML file. Turns without `on` answer prompts in their order, once each; turns
//! with `on` answer every prompt that their regular expression matches, and come first. A prompt
//! that no turn is left for gets a canned answer (`help` lists the small commands it knows).
//!
//! ```toml
//! name = "blue"                # who speaks; markers carry it (env BENCHDOG_SCRIPT_NAME wins)
//! model = "script"             # what it calls its model until the host says otherwise
//! pace_ms = 30                 # pause between two pieces of text, at speed 1
//! ask = false                  # optional: whether tool calls ask where the step does not say it
//! cycle = false                # whether the turns without `on` start over after the last
//!
//! [[turn]]
//! on = '(?i)rename (\w+)'      # optional; its groups are ${1}, ${2}, … in all strings below
//! step = [
//!   { think = "Which files are there?" },
//!   { text = "I rename ${1}." },
//!   { read = "src/lex.rs" },
//!   { edit = "src/lex.rs", old = "kind: Kind", new = "kind: TokenKind", on_refused = "retry" },
//! ]
//! ```
//!
//! Each step has one verb and its arguments:
//!
//! | verb | arguments | what happens |
//! | --- | --- | --- |
//! | `text`, `think` | | words, thoughts |
//! | `read` | | Read |
//! | `write` | `content` | Write of the whole file |
//! | `edit` | `old`, `new`, `all`; or `edits = [{ old, new, all }]` | Edit; MultiEdit |
//! | `append` | `content` | Read, then Edit (or Write) that adds lines at the end |
//! | `append_marker` | a path or a list; `pick`, `skew`, `via`, `at` | Read, then adds `@name:seq:nonce` |
//! | `bash` | `description`, `background` | Bash |
//! | `todo` | | TodoWrite; `"x done"`, `"> doing"`, `"open"` |
//! | `ask_user` | `options`, `header`, `multi` | AskUserQuestion |
//! | `plan` | | ExitPlanMode |
//! | `sub` | `kind`, `step` | Agent: a sub-agent that does the nested steps |
//! | `sleep_ms` | | nothing, for so long |
//! | `repeat` | `step` | the nested steps, so many times; `${n}` counts from 1 |
//! | `api_error` | `times`, `recovers` | retries of a failed call to the model, then the end or not |
//! | `raw` | | this very line on stdout |
//! | `exit` | `stderr` | the process ends with this code |
//!
//! Arguments that every step takes: `ask` (`false`: never ask, `true`: always), `pause_ms` (before
//! the tool call; of a read-and-write step, between the two), `only_if` (`ok`, `refused`, `denied`,
//! `failed`, `told`; how the last tool call ended) and `on_refused`:
//!
//! | `on_refused` | after a refusal by a hook |
//! | --- | --- |
//! | `tell` (default) | says so and goes on |
//! | `skip` | goes on |
//! | `retry` | reads the file again and redoes the step, `retries` times (20), each `retry_ms` (400) later |
//! | `later` | does the rest of the turn first, then as `retry` |
//! | `stop` | ends the turn |
//!
//! `append_marker` retries unless told otherwise. `pick` is `next` (in turn), `random` or `zipf`
//! (with `skew`, 0.8); `via` is `edit`, `write` or `mixed`; `at` is `end` or `random`.
//!
//! Strings may hold `${name}`, `${prompt}`, `${last}` (what the last tool said), `${answer}` (to
//! `ask_user`), `${told}` (what a hook told the agent), `${n}` and the groups of `on`.
//!
//! # From outside
//!
//! | | |
//! | --- | --- |
//! | `--speed N`, `BENCHDOG_SCRIPT_SPEED` | 0: no pauses; 2: twice as fast |
//! | `BENCHDOG_SCRIPT_STATE` | folder for what a resumed session remembers; else the temp folder |
//! | `BENCHDOG_SCRIPT_LOG` | gets one JSON line per acknowledged or refused marker |
//! | `BENCHDOG_SCRIPT_NAME`, `BENCHDOG_SCRIPT_SEED` | another name; repeatable picks and nonces |

mod account;
mod anchor;
pub mod demo;
mod files;
mod frame;
mod gate;
mod halt;
mod host;
mod inbox;
mod marker;
mod memory;
mod message;
mod options;
mod patch;
mod perform;
mod place;
mod program;
mod rules;
mod session;
mod shell;
mod slash;
mod step;
mod talk;
mod tool;
mod turn;

use std::io::{BufRead, Write};
use std::path::Path;

use self::inbox::Inbox;
use self::options::Options;
use self::place::Place;
use self::program::Program;
use self::session::Session;

/// In the place of a script's file: runs the one argument with `sh -c`, in a session of its own.
pub const SHELL: &str = "@shell";

/// Exit code of a script that does not parse.
const BAD_SCRIPT: u8 = 2;

/// Plays the script in `file` on `input` and `output` until the host leaves, and returns the exit
/// code of the process. `args` are those of the protocol, as the real program gets them.
pub fn run(
    file: &Path,
    args: &[String],
    input: impl BufRead + Send + 'static,
    mut output: impl Write,
    mut errors: impl Write,
) -> u8 {
    if file == Path::new(SHELL) {
        let error = shell::become_command(args.first().map_or("", String::as_str));
        let _ = writeln!(errors, "cannot run sh: {error}");
        return 127;
    }
    let program = match Program::load(file) {
        Ok(program) => program,
        Err(error) => {
            let _ = writeln!(errors, "{}:{error}", file.display());
            return BAD_SCRIPT;
        }
    };
    let options = match Options::parse(args) {
        Ok(options) => options,
        Err(error) => {
            let _ = writeln!(errors, "{error}");
            return BAD_SCRIPT;
        }
    };
    let place = match Place::of_process(&options) {
        Ok(place) => place,
        Err(error) => {
            let _ = writeln!(errors, "{error}");
            return BAD_SCRIPT;
        }
    };
    let inbox = Inbox::listen(input);
    inbox.listen_for_signals();
    let session = Session::open(&program, &place, options, inbox, &mut output, &mut errors);
    session.live()
}
