//! The moment in which a file that we opened becomes the caller's.

use std::os::unix::process::CommandExt;
use std::sync::Arc;

use benchdog::guard::fence;
use benchdog::guard::request::Answer;

use crate::field::{Field, Others};
use crate::kernel::kernel_asks;
use crate::script::{asked, script, workspace};

/// Runs a Python script behind the guard; what it prints.
fn python(text: &str) -> String {
    let field = Field::new();
    std::fs::write(field.out().join("script.py"), text).unwrap();
    field.guarded("exec python3 $OUT/script.py", &Arc::new(Others::default())).text
}

#[test]
fn a_pipe_has_no_writer_after_the_caller_has_closed_it() {
    if !kernel_asks() {
        return;
    }
    // Reading is not trapped, so it comes right after the close: with another writer there it
    // would block, and with none it says that the pipe has ended.
    let text = "
import os
os.mkfifo('pipe')
reader = os.open('pipe', os.O_RDONLY | os.O_NONBLOCK)
for path in 'pipe', f'/proc/self/fd/{reader}':
    for flags in os.O_RDWR, os.O_WRONLY:
        ended = 0
        for _ in range(500):
            os.close(os.open(path, flags))
            try:
                ended += os.read(reader, 1) == b''
            except BlockingIOError:
                pass
        print(ended)
";
    assert_eq!(python(text), "500\n500\n500\n500\n");
}

/// The signals that each of our threads of this name leaves to others, as masks.
fn blocked(name: &str) -> Vec<u64> {
    let statuses = std::fs::read_dir("/proc/self/task").unwrap().flatten().map(|task| {
        // A thread of another test may end just now.
        std::fs::read_to_string(task.path().join("status")).unwrap_or_default()
    });
    let name = format!("Name:\t{name}\n");
    let masks = statuses.filter(|status| status.starts_with(&name)).map(|status| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:\t")).unwrap();
        u64::from_str_radix(mask, 16).unwrap()
    });
    masks.collect()
}

#[test]
fn neither_thread_of_a_supervisor_takes_signals() {
    if !kernel_asks() {
        return;
    }
    // One that came while a caller takes its descriptor would let that caller go on without it.
    let field = Field::new();
    let (arbiter, heard) = script();
    arbiter.answer("Create new", Answer::Park);
    let (fence, gate) = fence::prepare(&workspace(&field)).unwrap();
    let mut command = field.command("echo x > new");
    // SAFETY: `enter` is made for this place.
    unsafe { command.pre_exec(move || fence.enter()) };
    let child = fence::start(|| command.spawn()).unwrap();
    let supervisor = gate.supervise("deaf", arbiter).unwrap();
    // Asked by the first thread, then by the second.
    assert_eq!(heard.recv().unwrap(), asked("Create new"));
    while supervisor.parked() == 0 {
        std::thread::yield_now();
    }
    supervisor.wake();
    assert_eq!(heard.recv().unwrap(), asked("Create new"));
    for name in ["guard deaf", "parks deaf"] {
        let masks = blocked(name);
        let signals = [libc::SIGTERM, libc::SIGCHLD, libc::SIGWINCH, libc::SIGURG];
        let deaf = |mask: &u64| signals.iter().all(|signal| mask >> (signal - 1) & 1 == 1);
        assert!(masks.len() == 1 && masks.iter().all(deaf), "{name}: {masks:x?}");
    }
    supervisor.cancel_parks();
    field.end(child);
    supervisor.wait();
}
