//! The engine's loop: one task that owns the state and does what it says.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::desk::{Desk, Looks};
use super::door::build_output::BuildOutput;
use super::door::guards::Guards;
use super::door::images::BeforeImages;
use super::event::ToEngine;
use super::input::{Asker, ClientId, Input};
use super::jobs::Jobs;
use super::link::{self, COMMANDS, EventSender, Link, Outlook};
use super::perform::{Performer, Queues};
use super::retention::Retention;
use super::state::{Setup, State};
use crate::agent::Said;
use crate::agent::process::sweep;
use crate::history::Store;
use crate::history::record::Process;
use crate::model::failure::Failure;
use crate::model::id::SessionId;
use crate::model::time::{Mono, Now, Wall};

/// Front ends that may wait to be let in; one more finds its link closed.
const DOORS: usize = 64;

/// Results of jobs that may wait for the loop; a job that has more waits.
const INPUTS: usize = 1024;

/// Words of agents that may wait for the loop; an agent that says more waits.
const SAID: usize = 512;

/// Commands of all front ends that may wait for the loop; a front end that sends more waits.
const ALL_COMMANDS: usize = 256;

/// Durable writes that may be under way; more grants than this are refused.
pub(super) const TICKETS: usize = 4096;

/// Decisions of the guard are taken no more often than this, unless somebody waits for one.
const BETWEEN_NEWS: Duration = Duration::from_millis(10);

/// What the loop takes in before it looks at the other queues again.
const TURN: usize = 256;

/// How long agents get to end before the engine ends without them.
const FAREWELL: Duration = Duration::from_secs(10);

/// Ended orphans may wait so long for the next ones.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// Everything that an engine needs.
pub struct Parts {
    /// What the state is told.
    pub setup: Setup,
    /// Where everything is kept.
    pub store: Arc<Store>,
    /// What files were before they were destroyed.
    pub(super) images: Arc<BeforeImages>,
    /// Who works on files.
    pub(super) jobs: Jobs,
    /// Where it is decided, with the leases and observations of former engines.
    pub(super) desk: Arc<Desk>,
    /// What the lookout has to look after.
    pub(super) looks: Looks,
    /// What git ignores here.
    pub(super) output: Arc<BuildOutput>,
    /// The wall around the workspace; `None`: there is none.
    pub(super) guards: Option<Guards>,
    /// Where the history lies, for readers.
    pub history: PathBuf,
    /// Processes of a former engine that may still write.
    pub left_behind: BTreeMap<SessionId, Vec<Process>>,
    /// What the history is to forget; `None`: nothing.
    pub(super) retention: Option<Retention>,
}

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    doors: mpsc::Sender<Door>,
    ended: Option<oneshot::Receiver<Result<(), Failure>>>,
}

/// Makes links to a running engine; can be cloned and sent.
#[derive(Debug, Clone)]
pub struct Connector {
    doors: mpsc::Sender<Door>,
}

#[derive(Debug)]
struct Door {
    events: EventSender,
    commands: mpsc::Receiver<ToEngine>,
}

impl Engine {
    /// Starts an engine on the current runtime.
    pub fn start(parts: Parts) -> Self {
        let (doors, incoming) = mpsc::channel(DOORS);
        let (done, ended) = oneshot::channel();
        tokio::spawn(async move {
            let end = serve(parts, incoming).await;
            // Nobody may be waiting for the end, which is fine.
            let _ = done.send(end);
        });
        Self { doors, ended: Some(ended) }
    }

    /// Something that makes links.
    pub fn connector(&self) -> Connector {
        Connector { doors: self.doors.clone() }
    }

    /// Waits until the engine has ended. An error says what could not be stored.
    pub async fn ended(&mut self) -> Result<(), Failure> {
        match self.ended.take() {
            // Without a word the task is gone, which is an end as well.
            Some(ended) => ended.await.unwrap_or(Ok(())),
            None => Ok(()),
        }
    }
}

impl Connector {
    /// A new front end's link. If the engine has ended, or is buried in new front ends, both ends
    /// of it are closed.
    pub fn connect(&self) -> Link {
        let (sender, events) = link::events();
        let (commands, incoming) = mpsc::channel(COMMANDS);
        let door = Door { events: sender, commands: incoming };
        // What is not delivered is dropped, and the link with it.
        drop(self.doors.try_send(door));
        Link { commands, events }
    }
}

struct Clock {
    start: Instant,
}

impl Clock {
    fn now(&self) -> Now {
        let mono = Mono(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX));
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let wall = Wall(i64::try_from(unix.as_millis()).unwrap_or(i64::MAX));
        Now { mono, wall }
    }
}

async fn serve(parts: Parts, mut doors: mpsc::Receiver<Door>) -> Result<(), Failure> {
    let clock = Clock { start: parts.desk.start() };
    let (inputs, mut results) = mpsc::channel::<Input>(INPUTS);
    let (said, mut words) = mpsc::channel::<Said>(SAID);
    let (stored, mut durable) = mpsc::channel::<Input>(TICKETS);
    let (asked, mut commands) = mpsc::channel::<(ClientId, Option<ToEngine>)>(ALL_COMMANDS);
    let mut clients = JoinSet::new();
    let mut next_client = 1;
    let root = PathBuf::from(&parts.setup.workspace.root);
    let desk = parts.desk;
    let mut state = State::new(parts.setup, Arc::clone(&desk), clock.now());
    let queues = Queues { inputs, said, stored };
    let kept = (parts.store, parts.images);
    let mut performer = Performer::new(root, parts.output, kept, parts.jobs, parts.history, queues);
    performer.guard(&desk, parts.looks, parts.guards)?;
    performer.begin(parts.left_behind);
    let mut upkeep = JoinSet::new();
    upkeep.spawn(reap());
    if let Some(retention) = parts.retention {
        upkeep.spawn(retention.hold(performer.store(), performer.early()));
    }
    let mut farewell = None;
    let mut next_news = Instant::now();
    loop {
        let due = performer.wake_at().map(|at| clock.start + Duration::from_millis(at.0));
        let mut batch = Vec::new();
        // The queues may never be empty; what is due is due all the same.
        match overdue(Instant::now(), due, farewell) {
            Overdue::Farewell => break,
            Overdue::Tick => {
                performer.woken();
                batch.push(Input::Tick);
            }
            Overdue::Nothing => {}
        }
        tokio::select! {
            biased;
            () = std::future::ready(()), if !batch.is_empty() => {}
            Some(door) = doors.recv() => {
                let id = ClientId(next_client);
                next_client += 1;
                let room = door.events.outlook();
                performer.publisher.add(id, door.events);
                clients.spawn(forward(id, door.commands, room, asked.clone()));
            }
            Some(input) = durable.recv() => batch.push(input),
            () = desk.news(next_news.into()) => {
                next_news = Instant::now() + BETWEEN_NEWS;
                batch.push(Input::Decided);
            }
            Some((client, command)) = commands.recv() => match command {
                Some(ToEngine { id, command }) => {
                    batch.push(Input::Command { from: Asker { client, id }, command });
                }
                None => {
                    performer.publisher.remove(client);
                    batch.push(Input::ClientGone(client));
                }
            },
            Some(input) = results.recv() => batch.push(input),
            Some(said) = words.recv() => batch.push(Input::Said(said)),
            () = sleep_until(due), if due.is_some() => {
                performer.woken();
                batch.push(Input::Tick);
            }
            () = sleep_until(farewell), if farewell.is_some() => break,
        }
        while batch.len() < TURN
            && let Ok(input) = durable.try_recv()
        {
            batch.push(input);
        }
        while batch.len() < TURN
            && let Ok(input) = results.try_recv()
        {
            batch.push(input);
        }
        while batch.len() < TURN
            && let Ok(said) = words.try_recv()
        {
            batch.push(Input::Said(said));
        }
        for input in batch {
            for effect in state.update(clock.now(), input) {
                performer.perform(effect, &state).await;
            }
        }
        performer.flush().await;
        if performer.ended() {
            break;
        }
        if state.closing() && farewell.is_none() {
            farewell = Some(Instant::now() + FAREWELL);
        }
    }
    performer.close().await
}

/// What is due before anything else is looked at.
#[derive(Debug, PartialEq, Eq)]
enum Overdue {
    Farewell,
    Tick,
    Nothing,
}

fn overdue(now: Instant, tick: Option<Instant>, farewell: Option<Instant>) -> Overdue {
    if farewell.is_some_and(|at| at <= now) {
        Overdue::Farewell
    } else if tick.is_some_and(|at| at <= now) {
        Overdue::Tick
    } else {
        Overdue::Nothing
    }
}

/// Takes leave of processes that agents left to us, whenever one of our children has ended.
async fn reap() {
    let Ok(mut ended) = signal(SignalKind::child()) else { return };
    while ended.recv().await.is_some() {
        if tokio::task::spawn_blocking(sweep::reap_strays).await.is_err() {
            return;
        }
        // Many that end together are one look.
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

/// Carries one front end's commands into the loop, and word of its end. A front end that does not
/// read its answers is not asked for more.
async fn forward(
    id: ClientId,
    mut commands: mpsc::Receiver<ToEngine>,
    room: Outlook,
    asked: mpsc::Sender<(ClientId, Option<ToEngine>)>,
) {
    while let Some(command) = commands.recv().await {
        room.wait().await;
        if asked.send((id, Some(command))).await.is_err() {
            return;
        }
    }
    // The loop may have ended first.
    let _ = asked.send((id, None)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::boot::{Boot, boot};
    use crate::engine::command::Command;
    use crate::engine::event::{Event, ToClient};

    #[test]
    fn what_is_due_does_not_wait_for_empty_queues() {
        let now = Instant::now();
        let later = Some(now + Duration::from_secs(1));
        assert_eq!(overdue(now, None, None), Overdue::Nothing);
        assert_eq!(overdue(now, later, later), Overdue::Nothing);
        assert_eq!(overdue(now, Some(now), later), Overdue::Tick);
        assert_eq!(overdue(now, Some(now), Some(now)), Overdue::Farewell);
    }

    #[tokio::test]
    async fn the_end_is_announced_once() {
        let home = tempfile::tempdir().unwrap();
        let mut engine = boot(Boot::new(home.path(), &home.path().join("history.db"))).unwrap();
        let mut link = engine.connector().connect();
        for (id, command) in [Command::Subscribe, Command::Shutdown].into_iter().enumerate() {
            link.commands.send(ToEngine { id: id as u64, command }).await.unwrap();
        }
        let mut ends = 0;
        while let Some(message) = link.events.recv().await {
            ends += usize::from(matches!(message, ToClient::Event { event: Event::Closing, .. }));
        }
        engine.ended().await.unwrap();
        assert_eq!(ends, 1);
    }
}
