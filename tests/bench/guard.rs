//! What a guarded program pays: single calls, each timed on its own, with and without the guard.
//!
//! `cargo bench --bench guard -- [PAIRS] [CALLS]` measures that many pairs (9 without arguments) of
//! a run without and a run with the guard, each with that many calls of a kind (2,000), on one
//! processor. Of each run the median call counts, of all runs their median.
#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on should panic, prints its figures, and enters a fence"
)]

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
        let number = |index: usize, default: usize| {
            let words = std::env::args().skip(1).filter(|word| word != "--bench");
            words.skip(index).find_map(|word| word.parse().ok()).unwrap_or(default)
        };
        if std::env::var_os(INSIDE).is_some() {
            return inside(number(1, 2000));
        }
        let mut processors = CpuSet::new();
        processors.set(1);
        // Where there is only one, all is on it already.
        let _ = sched_setaffinity(None, &processors);
        let (mut bare, mut guarded) = (vec![], vec![]);
        for _ in 0..number(0, 9) {
            bare.push(run(None));
            guarded.push(run(Some(Arc::new(Yes))));
        }
        println!("{:<16} {:>10} {:>10} {:>10}", "", "without", "with", "more");
        for (index, call) in CALLS.iter().enumerate() {
            let all = |runs: &[Vec<u64>]| median(runs.iter().map(|run| run[index]).collect());
            let (without, with) = (all(&bare), all(&guarded));
            println!("{call:<16} {without:>7} ns {with:>7} ns {:>7} ns", with.abs_diff(without));
        }
    }

    fn median(mut all: Vec<u64>) -> u64 {
        all.sort_unstable();
        all[all.len() / 2]
    }

    /// Runs the program that makes the calls; the median of each kind.
    fn run(arbiter: Option<Arc<Yes>>) -> Vec<u64> {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(std::env::args().skip(1)).env(INSIDE, "1");
        command.current_dir(folder.path()).stdout(Stdio::piped());
        let workspace = Workspace::open(folder.path(), &[]).unwrap();
        let gate = arbiter.is_some().then(|| {
            let (fence, gate) = fence::prepare(&workspace).unwrap();
            // SAFETY: `enter` is made for this place.
            unsafe { command.pre_exec(move || fence.enter()) };
            gate
        });
        let child = command.spawn().unwrap();
        let arbiter = arbiter.unwrap_or_else(|| Arc::new(Yes));
        let supervisor = gate.map(|gate| gate.supervise("bench", arbiter).unwrap());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        if let Some(supervisor) = supervisor {
            supervisor.wait();
        }
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().map(|word| word.parse().unwrap()).collect()
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
