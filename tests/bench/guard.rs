//! What a guarded program pays: single calls, each timed on its own.
//!
//! `cargo bench --bench guard -- [PAIRS] [CALLS]` makes that many rounds (9 without arguments) of a
//! run without the guard, one with the guard alone, and one as a command of an engine, each with
//! that many calls of a kind (2,000), all on one processor. Of each run the median call counts, of
//! all runs their median.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on should panic, prints its figures, and enters a fence"
)]

#[cfg(target_os = "linux")]
#[path = "engine.rs"]
mod engine;

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::{self, OpenOptions};
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::sync::Arc;
    use std::time::Instant;

    use benchdog::guard::fence;
    use benchdog::guard::ground::Workspace;
    use benchdog::guard::request::{Answer, Arbitrate, Request};
    use rustix::thread::{CpuSet, sched_setaffinity};

    use super::engine::{Engine, argument, median};

    /// The calls, in the order in which they are printed.
    const CALLS: [&str; 6] =
        ["open to write", "create", "unlink", "rename", "open to read", "no file at all"];
    /// Set for the program that makes the calls.
    const INSIDE: &str = "BENCH_GUARD_INSIDE";

    /// Says yes.
    struct Yes;

    impl Arbitrate for Yes {
        fn ask(&self, _request: &Request) -> Answer {
            Answer::Allow
        }
    }

    pub(super) fn main() {
        if std::env::var_os(INSIDE).is_some() {
            return inside(argument(1, 2000));
        }
        let mut processors = CpuSet::new();
        processors.set(1);
        // Where there is only one, all is on it already.
        let _ = sched_setaffinity(None, &processors);
        let (mut bare, mut guarded, mut whole) = (vec![], vec![], vec![]);
        for _ in 0..argument(0, 9) {
            bare.push(medians(caller(tempfile::tempdir().unwrap().path())));
            guarded.push(under_the_guard());
            let engine = Engine::start();
            whole.push(medians(engine.exec(&caller(engine.root()))));
        }
        println!(
            "{:<16} {:>10} {:>16} {:>20}",
            "", "without", "guard alone", "command of an engine"
        );
        for (index, call) in CALLS.iter().enumerate() {
            let all = |runs: &[Vec<u64>]| median(runs.iter().map(|run| run[index]).collect());
            let without = all(&bare);
            let more = |runs| all(runs).abs_diff(without);
            println!(
                "{call:<16} {without:>7} ns {:>+13} ns {:>+17} ns",
                more(&guarded),
                more(&whole)
            );
        }
    }

    /// This program as the one that makes the calls.
    fn caller(folder: &Path) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(std::env::args().skip(1)).env(INSIDE, "1");
        command.current_dir(folder);
        command
    }

    /// Runs the program that makes the calls; the median of each kind.
    fn medians(mut command: Command) -> Vec<u64> {
        let output = command.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success());
        numbers(&output.stdout)
    }

    fn numbers(output: &[u8]) -> Vec<u64> {
        let text = std::str::from_utf8(output).unwrap();
        text.split_whitespace().map(|word| word.parse().unwrap()).collect()
    }

    fn under_the_guard() -> Vec<u64> {
        let folder = tempfile::tempdir().unwrap();
        let mut command = caller(folder.path());
        let workspace = Workspace::open(folder.path(), &[]).unwrap();
        let (fence, gate) = fence::prepare(&workspace).unwrap();
        // SAFETY: `enter` is made for this place.
        unsafe { command.pre_exec(move || fence.enter()) };
        let child = command.stdout(Stdio::piped()).spawn().unwrap();
        let supervisor = gate.supervise("bench", Arc::new(Yes)).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        supervisor.wait();
        numbers(&output.stdout)
    }

    /// The program that makes the calls.
    fn inside(calls: usize) {
        fs::create_dir("src").unwrap();
        let root = std::env::current_dir().unwrap();
        let names: Vec<_> = (0..calls).map(|n| root.join(format!("src/file{n}.rs"))).collect();
        let renamed: Vec<_> = (0..calls).map(|n| root.join(format!("src/other{n}.rs"))).collect();
        let new = OpenOptions::new().write(true).create_new(true).to_owned();
        let write = OpenOptions::new().write(true).to_owned();
        let times = |act: &dyn Fn(usize)| -> u64 {
            let time = |index| {
                let start = Instant::now();
                act(index);
                u64::try_from(start.elapsed().as_nanos()).unwrap()
            };
            median((0..calls).map(time).collect())
        };
        let create = times(&|n| drop(new.open(&names[n]).unwrap()));
        let open = times(&|n| drop(write.open(&names[n]).unwrap()));
        let read = times(&|n| drop(fs::File::open(&names[n]).unwrap()));
        let rename = times(&|n| fs::rename(&names[n], &renamed[n]).unwrap());
        let unlink = times(&|n| fs::remove_file(Path::new(&renamed[n])).unwrap());
        let none = times(&|_| assert!(rustix::process::getppid().is_some()));
        println!("{open} {create} {unlink} {rename} {read} {none}");
    }
}

fn main() {
    #[cfg(target_os = "linux")]
    linux::main();
}
