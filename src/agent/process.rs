//! Processes of agents: how they begin, and that nothing of them is left when they have ended.
//!
//! - **They die with us.** All are started by one thread that lives as long as the program, because
//!   Linux sends a child its parent-death signal when the *thread* that forked it ends.
//! - **They stand alone.** Each has its own session: no terminal to write to, and a group that can
//!   be killed without hitting us.
//! - **They can be found.** Each carries a mark in its environment that its children inherit,
//!   even those that start a session of their own.
//!
//! On systems other than Linux a process is only killed with its group, which is the best they
//! offer.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::model::agent::{ENGINE_MARK, RUN_MARK};

pub mod lineage;
pub mod lines;
pub mod sweep;
pub mod tail;

/// Starts that may wait for the thread that forks. More at once is a mistake and is refused.
const STARTS: usize = 256;

/// Processes that we started and whose end somebody waits for.
static OURS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

/// What to start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Spec {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Where it starts; empty: where we are.
    pub cwd: PathBuf,
    /// Variables that are set, after those of `unset` are taken away.
    pub set: Vec<(String, String)>,
    /// Variables that are taken away.
    pub unset: Vec<String>,
    /// The mark of this run: what [`RUN_MARK`] is set to.
    pub run: String,
}

/// What the child does last before it becomes the program. It runs between fork and exec, so it may
/// allocate nothing and take no lock. An error ends the child.
pub type Enter = Box<dyn Fn() -> io::Result<()> + Send + Sync>;

/// Does a fork, which is handed over, in a moment that suits somebody else.
pub type ForkIn = fn(&mut dyn FnMut());

/// Who chooses the moment in which we fork.
static FORK_IN: OnceLock<ForkIn> = OnceLock::new();

/// From now on each process is started within `around`, which must call what it is given once. The
/// first one that is named stays.
pub fn fork_in(around: ForkIn) {
    // A second wish is the same one: there is one engine in a program, but for tests.
    let _ = FORK_IN.set(around);
}

/// Makes this process the parent of orphans among its descendants, so that they can be found and
/// reaped. To be called once, before the first agent.
pub fn become_subreaper() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    Ok(())
}

/// Starts a process whose standard streams are pipes, and which goes through `enter` first.
pub async fn spawn(spec: Spec, enter: Option<Enter>) -> io::Result<Child> {
    static SPAWNER: OnceLock<Result<Spawner, String>> = OnceLock::new();
    match SPAWNER.get_or_init(|| Spawner::start().map_err(|error| error.to_string())) {
        Ok(spawner) => spawner.spawn(spec, enter).await,
        Err(error) => Err(io::Error::other(error.as_str())),
    }
}

/// Says that somebody has waited for the end of a process, so that its number may be used again.
pub fn forget(pid: u32) {
    OURS.lock().unwrap_or_else(PoisonError::into_inner).remove(&pid);
}

/// A thread that forks. What it started dies when the thread ends.
#[derive(Debug)]
struct Spawner {
    jobs: SyncSender<Job>,
}

struct Job {
    spec: Spec,
    enter: Option<Enter>,
    runtime: Handle,
    answer: oneshot::Sender<io::Result<Child>>,
}

impl Spawner {
    fn start() -> io::Result<Self> {
        let (jobs, queue) = sync_channel(STARTS);
        std::thread::Builder::new().name("agents".to_owned()).spawn(move || fork(&queue))?;
        Ok(Self { jobs })
    }

    async fn spawn(&self, spec: Spec, enter: Option<Enter>) -> io::Result<Child> {
        let (answer, child) = oneshot::channel();
        let job = Job { spec, enter, runtime: Handle::current(), answer };
        self.jobs.try_send(job).map_err(|error| {
            io::Error::other(match error {
                TrySendError::Full(_) => "too many agents are being started at once",
                TrySendError::Disconnected(_) => "the thread that starts agents has ended",
            })
        })?;
        child.await.map_err(|_| io::Error::other("the thread that starts agents has ended"))?
    }
}

/// The life of the thread.
fn fork(queue: &Receiver<Job>) {
    for Job { spec, enter, runtime, answer } in queue {
        let mut command = command(&spec);
        if let Some(enter) = enter {
            enter_last(&mut command, enter);
        }
        let _inside = runtime.enter();
        // Held while the child is not listed yet, so that nobody takes it for a stray.
        let mut ours = OURS.lock().unwrap_or_else(PoisonError::into_inner);
        let child = spawn_in_time(&mut command);
        if let Ok(child) = &child {
            ours.extend(child.id());
        }
        drop(ours);
        // If nobody wants it any more, the child dies with the answer.
        drop(answer.send(child));
    }
}

fn command(spec: &Spec) -> Command {
    let mut command = Command::new(&spec.program);
    command.args(&spec.args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if !spec.cwd.as_os_str().is_empty() {
        command.current_dir(&spec.cwd);
    }
    for name in &spec.unset {
        command.env_remove(name);
    }
    command.envs(spec.set.iter().map(|(name, value)| (name, value)));
    command.env(RUN_MARK, &spec.run).env(ENGINE_MARK, sweep::our_mark()).kill_on_drop(true);
    stand_alone(&mut command);
    command
}

/// Forks when whoever asked for it lets us.
fn spawn_in_time(command: &mut Command) -> io::Result<Child> {
    let Some(around) = FORK_IN.get() else { return command.spawn() };
    let mut child = None;
    around(&mut || child = Some(command.spawn()));
    child.unwrap_or_else(|| Err(io::Error::other("the fork was not let happen")))
}

/// Has the child go through `enter` after everything else.
#[expect(unsafe_code, reason = "only between fork and exec can a child be put behind a wall")]
fn enter_last(command: &mut Command, enter: Enter) {
    // SAFETY: whoever made `enter` promises what is asked of it: that it allocates nothing and
    // takes no lock.
    unsafe {
        command.pre_exec(enter);
    }
}

/// Has the child begin its own session and die with the thread that forks it.
#[expect(unsafe_code, reason = "only between fork and exec can a child ask for these")]
fn stand_alone(command: &mut Command) {
    let parent = rustix::process::getpid();
    let prepare = move || {
        rustix::process::setsid()?;
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{Signal, set_parent_process_death_signal};
            set_parent_process_death_signal(Some(Signal::KILL))?;
        }
        // If the parent died before that, no signal will come.
        if rustix::process::getppid() != Some(parent) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    };
    // SAFETY: the closure runs in the child between fork and exec, where only async-signal-safe
    // things are allowed. It makes three bare system calls, allocates nothing and takes no lock;
    // its errors are plain codes.
    unsafe {
        command.pre_exec(prepare);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use tokio::io::AsyncReadExt;

    use super::*;

    fn sh(script: &str) -> Spec {
        let args = vec!["-c".to_owned(), script.to_owned()];
        Spec { program: "/bin/sh".to_owned(), args, run: "test-run".to_owned(), ..Spec::default() }
    }

    async fn printed(spec: Spec) -> String {
        let mut child = spawn(spec, None).await.unwrap();
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).await.unwrap();
        child.wait().await.unwrap();
        forget(child.id().unwrap_or_default());
        text
    }

    #[tokio::test]
    async fn a_process_leads_its_own_session_and_carries_the_mark() {
        let spec = Spec {
            set: vec![("A".into(), "b".into())],
            ..sh("ps -o sid= -p $$; echo $$ $A $BENCHDOG_AGENT_RUN")
        };
        let text = printed(spec).await;
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(words[0], words[1], "{text}");
        assert_eq!(words[2..], ["b", "test-run"]);
    }

    #[tokio::test]
    async fn variables_are_taken_away_before_others_are_set() {
        let spec = Spec {
            unset: vec!["HOME".into(), "A".into()],
            set: vec![("A".into(), "1".into())],
            ..sh("echo [$HOME] [$A]")
        };
        assert_eq!(printed(spec).await, "[] [1]\n");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_process_dies_with_the_thread_that_started_it() {
        let spawner = Spawner::start().unwrap();
        let mut child =
            spawner.spawn(sh("trap '' TERM HUP; while :; do sleep 60; done"), None).await.unwrap();
        drop(spawner);
        let status = child.wait().await.unwrap();
        assert_eq!(status.signal(), Some(9));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_end_of_a_process_is_left_to_whoever_waits_for_it() {
        let mut child = spawn(sh("exit 7"), None).await.unwrap();
        let stat = format!("/proc/{}/stat", child.id().unwrap());
        while !std::fs::read_to_string(&stat).unwrap().contains(") Z ") {
            std::thread::yield_now();
        }
        sweep::reap_strays();
        assert_eq!(child.wait().await.unwrap().code(), Some(7));
    }

    #[tokio::test]
    async fn a_missing_program_is_an_error() {
        let spec = Spec { program: "/nowhere/agent".into(), ..Spec::default() };
        assert_eq!(spawn(spec, None).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
