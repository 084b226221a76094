//! A workspace with one file at stake, and ways to let a command loose in it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use benchdog::guard::fence;
use benchdog::guard::ground::Workspace;
use benchdog::guard::request::{Answer, Arbitrate, Found, Op, Outcome, Request, Target};
use benchdog::guard::supervisor::Supervisor;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::kernel::PATH;
pub(crate) use crate::support::attacker::HELD;
use crate::support::attacker::fingerprint;

/// What the file at stake says before.
pub(crate) const ORIGINAL: &str = "original\n";
/// How long a command may take that does not hang.
const PATIENCE: Duration = Duration::from_secs(300);

/// Another owner holds these paths.
#[derive(Debug, Default)]
pub(crate) struct Others {
    pub held: Mutex<BTreeSet<Vec<u8>>>,
    pub inodes: Mutex<BTreeSet<(u64, u64)>>,
    pub log: Mutex<Vec<(Request, Option<Outcome>)>>,
}

impl Others {
    pub(crate) fn hold(&self, root: &Path, path: &str) {
        self.held.lock().unwrap().insert(path.as_bytes().to_vec());
        let meta = fs::symlink_metadata(root.join(path)).unwrap();
        self.inodes.lock().unwrap().insert((meta.dev(), meta.ino()));
    }

    /// There were questions, and each that was allowed has ended.
    pub(crate) fn all_ended(&self) {
        let log = self.log.lock().unwrap();
        let open: Vec<_> = log.iter().filter(|(_, outcome)| outcome.is_none()).collect();
        assert!(!log.is_empty() && open.is_empty(), "questions without an end: {open:?}");
    }

    fn clash(&self, target: &Target) -> bool {
        let held = self.held.lock().unwrap();
        let alias =
            |found: Found| self.inodes.lock().unwrap().contains(&(found.device, found.inode));
        let below = |path: &Vec<u8>| {
            target.path.is_empty()
                || path
                    .strip_prefix(&target.path[..])
                    .is_some_and(|rest| rest.first() == Some(&b'/'))
        };
        held.contains(&target.path) || held.iter().any(below) || target.found.is_some_and(alias)
    }
}

impl Arbitrate for Others {
    fn ask(&self, request: &Request) -> Answer {
        let from = match &request.op {
            Op::Rename { from, .. } | Op::Link { from: Some(from) } => Some(from),
            _ => None,
        };
        let tree = matches!(request.op, Op::Rename { .. } | Op::Rmdir | Op::Unlink);
        let clash = |target: &Target| {
            if tree {
                self.clash(target)
            } else {
                self.held.lock().unwrap().contains(&target.path)
                    || target.found.is_some_and(|found| {
                        self.inodes.lock().unwrap().contains(&(found.device, found.inode))
                    })
            }
        };
        let held = clash(&request.target) || from.is_some_and(clash);
        // A refusal is the end.
        let end = held.then_some(Outcome::Failed(Errno::BUSY));
        self.log.lock().unwrap().push((request.clone(), end));
        if held { Answer::Refuse(Errno::BUSY) } else { Answer::Allow }
    }

    fn done(&self, request: &Request, outcome: Outcome) {
        let mut log = self.log.lock().unwrap();
        let open =
            log.iter_mut().rev().find(|(asked, end)| asked.id == request.id && end.is_none());
        open.expect("an end without a question").1 = Some(outcome);
    }
}

/// A fresh workspace.
pub(crate) struct Field {
    base: tempfile::TempDir,
}

/// What a command came to.
pub(crate) struct Ended {
    pub code: Option<i32>,
    pub text: String,
}

impl Field {
    pub(crate) fn new() -> Self {
        let base = tempfile::Builder::new().prefix("guard-").tempdir().unwrap();
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let field = Self { base };
        for folder in ["ws/src", "out/home"] {
            fs::create_dir_all(field.base.path().join(folder)).unwrap();
        }
        fs::write(field.root().join(HELD), ORIGINAL).unwrap();
        fs::write(field.root().join("mine.txt"), "mine\n").unwrap();
        field
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.base.path().join("ws")
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.base.path().join("out")
    }

    pub(crate) fn command(&self, script: &str) -> Command {
        let mut command = Command::new("/bin/bash");
        let out = self.out();
        command
            .args(["-c", script])
            .current_dir(self.root())
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", out.join("home"))
            .env("TMPDIR", &out)
            .env("LC_ALL", "C")
            .env("WS", self.root())
            .env("OUT", &out)
            .env("H", HELD)
            .env("ABS", self.root().join(HELD))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_AUTHOR_NAME", "a")
            .env("GIT_AUTHOR_EMAIL", "a@b")
            .env("GIT_COMMITTER_NAME", "a")
            .env("GIT_COMMITTER_EMAIL", "a@b")
            .stdin(Stdio::null())
            .stdout(Stdio::from(fs::File::create(out.join("stdout")).unwrap()))
            .stderr(Stdio::from(fs::File::create(out.join("stderr")).unwrap()))
            .process_group(0);
        command
    }

    pub(crate) fn end(&self, mut child: Child) -> Ended {
        exited(&child, PATIENCE);
        kill_group(&child);
        let code = child.wait().unwrap().code();
        let read = |name| {
            String::from_utf8_lossy(&fs::read(self.out().join(name)).unwrap_or_default())
                .into_owned()
        };
        Ended { code, text: read("stdout") + &read("stderr") }
    }

    pub(crate) fn bare(&self, script: &str) -> Ended {
        let mut command = self.command(script);
        let child = fence::start(|| command.spawn()).unwrap();
        self.end(child)
    }

    /// Starts a command behind the guard.
    #[allow(unsafe_code, reason = "pre_exec")]
    pub(crate) fn start(
        &self,
        script: &str,
        free: &[&str],
        others: &Arc<Others>,
    ) -> (Child, Supervisor) {
        let workspace = Workspace::open(&self.root(), &[]).unwrap();
        for path in free {
            workspace.free(Path::new(path)).unwrap();
        }
        self.start_in(&workspace, script, others)
    }

    #[allow(unsafe_code, reason = "pre_exec")]
    pub(crate) fn start_in(
        &self,
        workspace: &Arc<Workspace>,
        script: &str,
        arbiter: &Arc<impl Arbitrate + 'static>,
    ) -> (Child, Supervisor) {
        let (fence, gate) = fence::prepare(workspace).unwrap();
        let mut command = self.command(script);
        // SAFETY: `enter` is made for this place.
        unsafe { command.pre_exec(move || fence.enter()) };
        let child = fence::start(|| command.spawn()).unwrap();
        let supervisor = gate.supervise("field", arbiter.clone()).unwrap();
        (child, supervisor)
    }

    pub(crate) fn guarded(&self, script: &str, others: &Arc<Others>) -> Ended {
        self.guarded_but(&[], script, others)
    }

    /// Runs a command behind the guard, with folders that it writes freely.
    pub(crate) fn guarded_but(&self, free: &[&str], script: &str, others: &Arc<Others>) -> Ended {
        let (child, supervisor) = self.start(script, free, others);
        let ended = self.end(child);
        drop(supervisor);
        ended
    }

    /// Everything about the file at stake that must not change.
    pub(crate) fn fingerprint(&self) -> String {
        fingerprint(&self.root().join(HELD))
    }
}

/// Waits for the end of a process; whether it came in time.
pub(crate) fn exited(child: &Child, patience: Duration) -> bool {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let mut end = [PollFd::new(&process, PollFlags::IN)];
    let patience = Timespec::try_from(patience).unwrap();
    loop {
        match poll(&mut end, Some(&patience)) {
            Err(Errno::INTR) => {}
            result => break result.unwrap() == 1,
        }
    }
}

pub(crate) fn kill_group(child: &Child) {
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let _ = kill_process_group(group, Signal::KILL);
}
