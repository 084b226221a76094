//! The driver: moves lines between the process and the engine, and ends the process.
//!
//! - It decides nothing. Each line goes to the [decoder](super::decode), each order to [`encode`].
//! - **A slow engine slows its agent.** Nothing is read while the engine's queue is full.
//! - **Its input stays open as long as it lives.** Some CLIs let a tool run whose gate is open when
//!   their input ends; so the process is ended first, and its input closes after it.
//! - [`Report::Exited`] is the last report, and comes when no process of the run is left.

mod streams;

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::decode::Phase;
use super::{encode, launch};
use crate::agent::process::sweep::{self, Swept};
use crate::agent::process::{self, Enter, Spec};
use crate::agent::{Driver, Launch, Said};
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::AgentId;
use crate::model::report::Report;
use crate::model::transcript::Level;
use streams::{Part, Voice};

/// Lines that the driver itself has for the process: answers to requests that are no business of
/// the engine. One more is dropped, which the process takes for silence, that is, for a refusal.
const OWN_LINES: usize = 256;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// From the start to the first answer.
    start: Duration,
    /// For a process to end by itself that said that it cannot work.
    doomed: Duration,
    /// For a turn to break off.
    turn: Duration,
    /// From the request to end to the end.
    polite: Duration,
    /// Without output, once the process is gone.
    quiet: Duration,
}

const PATIENCE: Patience = Patience {
    start: Duration::from_secs(30),
    doomed: Duration::from_secs(2),
    turn: Duration::from_secs(1),
    polite: Duration::from_secs(3),
    quiet: Duration::from_millis(300),
};

/// Starts an agent, which goes through `enter` before it runs. What it says goes to `said`; [`Report::Ready`] or [`Report::Exited`] follows.
pub async fn start(
    launch: &Launch,
    enter: Option<Enter>,
    agent: AgentId,
    run: u64,
    said: mpsc::Sender<Said>,
) -> Result<Driver, Failure> {
    start_with(launch, enter, Voice::new(agent, run, said), PATIENCE).await
}

async fn start_with(
    launch: &Launch,
    enter: Option<Enter>,
    voice: Voice,
    patience: Patience,
) -> Result<Driver, Failure> {
    let cwd = &launch.cwd;
    if !cwd.as_os_str().is_empty() && !cwd.is_dir() {
        let message = format!("the folder `{}` does not exist", cwd.display());
        return Err(Failure::new(FailureKind::AgentStart, message)
            .hint("an agent starts in the folder of its session; start a new one elsewhere"));
    }
    let line = launch::command_line(launch);
    let program = line.program.clone();
    let spec = Spec {
        program: line.program,
        args: line.args,
        cwd: cwd.clone(),
        set: line.set,
        unset: line.unset,
        run: uuid::Uuid::new_v4().to_string(),
    };
    let mark = spec.run.clone();
    let mut child =
        process::spawn(spec, enter).await.map_err(|error| not_started(&program, &error))?;
    let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(pid), (Some(stdin), Some(stdout), Some(stderr))) = (child.id(), streams) else {
        return Err(Failure::new(FailureKind::Internal, format!("`{program}` has no streams")));
    };
    let (orders, queue) = mpsc::channel(Driver::ORDERS);
    let (own, own_queue) = mpsc::channel(OWN_LINES);
    let (phase, seen) = watch::channel(Phase::default());
    let (stop, gone) = (CancellationToken::new(), CancellationToken::new());
    let mut parts = JoinSet::new();
    let reader = streams::Reader::new(voice.clone(), own.clone(), phase, pid);
    parts.spawn(reader.read(stdout, gone.clone(), patience.quiet));
    parts.spawn(streams::last_words(stderr, gone.clone(), patience.quiet));
    parts.spawn(streams::write(stdin, queue, own_queue, voice.clone()));
    let keeper =
        Keeper { child, pid, mark, voice, patience, own, seen, stop: stop.clone(), gone, parts };
    Ok(Driver::new(pid, orders, stop, tokio::spawn(keeper.keep())))
}

fn not_started(program: &str, error: &io::Error) -> Failure {
    let kind = FailureKind::AgentStart;
    let what = if error.kind() == io::ErrorKind::NotFound {
        "is not installed"
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        "may not be executed"
    } else {
        "does not start"
    };
    Failure::new(kind, format!("`{program}` {what}"))
        .hint("`benchdog install claude` installs Claude Code; `command` names another program")
        .cause(error)
}

/// Looks after one process from its start to its end. The tasks that move its lines end with it.
struct Keeper {
    child: Child,
    pid: u32,
    mark: String,
    voice: Voice,
    patience: Patience,
    own: mpsc::Sender<String>,
    seen: watch::Receiver<Phase>,
    stop: CancellationToken,
    gone: CancellationToken,
    parts: JoinSet<Part>,
}

impl Keeper {
    async fn keep(mut self) {
        let mut trouble = None;
        let ended = self.until_over(&mut trouble).await;
        let (status, swept) = self.end(ended).await;
        self.gone.cancel();
        let stderr = self.last_lines().await;
        // It may have said why just before it ended.
        if let Phase::Doomed(why) = &*self.seen.borrow() {
            trouble = trouble.or(Some(why.clone()));
        }
        let stderr = match trouble {
            Some(trouble) if !stderr.contains(&trouble) => format!("{trouble}\n{stderr}"),
            Some(_) | None => stderr,
        };
        if !swept.left.is_empty() {
            let left: Vec<String> = swept.left.iter().map(u32::to_string).collect();
            let text = format!("processes of the agent cannot be killed: {}", left.join(", "));
            drop(self.voice.say(Report::Notice { level: Level::Error, text }).await);
        }
        let exited = Report::Exited {
            code: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
            stderr: stderr.trim_end().to_owned(),
        };
        drop(self.voice.say(exited).await);
    }

    /// Waits until the process has ended, or must: then there is no status yet.
    async fn until_over(&mut self, trouble: &mut Option<String>) -> Option<ExitStatus> {
        let start = tokio::time::sleep(self.patience.start);
        tokio::pin!(start);
        loop {
            let starting = *self.seen.borrow_and_update() == Phase::Starting;
            let reading = tokio::select! {
                status = self.child.wait() => return status.ok(),
                () = self.stop.cancelled() => return None,
                () = self.voice.closed() => return None,
                () = &mut start, if starting => {
                    let seconds = self.patience.start.as_secs();
                    *trouble = Some(format!("the agent does not answer within {seconds} s"));
                    return None;
                }
                changed = self.seen.changed() => changed.is_ok(),
            };
            if let Phase::Doomed(why) = &*self.seen.borrow() {
                *trouble = Some(why.clone());
            }
            if !reading || trouble.is_some() {
                // It has said its last word, or cannot work: as a rule it ends by itself.
                let ended = timeout(self.patience.doomed, self.child.wait()).await;
                return ended.ok().and_then(Result::ok);
            }
        }
    }

    /// Ends the process if it has not ended, politely first, and kills what is left of the run.
    async fn end(&mut self, ended: Option<ExitStatus>) -> (Option<ExitStatus>, Swept) {
        let kin = match ended {
            Some(_) => sweep::orphans(self.pid),
            // Whom it started is seen best while it lives.
            None => sweep::kin(self.pid),
        };
        let ended = match ended {
            Some(status) => Some(status),
            None => self.ask_to_end().await,
        };
        let mark = self.mark.clone();
        let sweep = move || sweep::sweep(&mark, kin, sweep::PATIENCE);
        let swept = tokio::task::spawn_blocking(sweep).await.unwrap_or_default();
        let status = match ended {
            Some(status) => Some(status),
            None => {
                let killed = timeout(sweep::PATIENCE, self.child.wait()).await;
                killed.ok().and_then(Result::ok)
            }
        };
        process::forget(self.pid);
        (status, swept)
    }

    /// Breaks off a turn, so that the conversation is stored as it is, and asks the process to
    /// end. Its input stays open: it could let a tool run whose gate nobody answers any more.
    async fn ask_to_end(&mut self) -> Option<ExitStatus> {
        let working = *self.seen.borrow() == Phase::Turn;
        if working && self.own.try_send(encode::last_interrupt()).is_ok() {
            let (seen, child) = (&mut self.seen, &mut self.child);
            let idle = async { seen.wait_for(|phase| *phase != Phase::Turn).await.is_ok() };
            tokio::select! {
                status = child.wait() => return status.ok(),
                _ = timeout(self.patience.turn, idle) => {}
            }
        }
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            // If that fails, what follows does not.
            let _sent = kill_process(pid, Signal::TERM);
        }
        timeout(self.patience.polite, self.child.wait()).await.ok().and_then(Result::ok)
    }

    /// Waits until the streams are read to their end, and says what stood in stderr.
    async fn last_lines(&mut self) -> String {
        let (mut output, mut errors) = (false, None);
        while !output || errors.is_none() {
            match self.parts.join_next().await {
                Some(Ok(Part::Output)) => output = true,
                Some(Ok(Part::Errors(text))) => errors = Some(text),
                Some(Ok(Part::Input)) => {}
                Some(Err(_)) | None => break,
            }
        }
        self.parts.shutdown().await;
        errors.unwrap_or_default()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
