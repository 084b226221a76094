//! Does what the engine's state wants done. The only place of the engine that acts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::mpsc;

use super::census::Census;
use super::command::Reply;
use super::desk::{Desk, Looks};
use super::disk;
use super::door::build_output::BuildOutput;
use super::door::guards::Guards;
use super::door::images::BeforeImages;
use super::door::lookout::Lookout;
use super::drivers::Drivers;
use super::effect::Effect;
use super::event::Event;
use super::exec;
use super::identity;
use super::input::{Asker, Input, Ticket};
use super::jobs::Jobs;
use super::keeper::Keeper;
use super::lookup;
use super::own_write::OwnWrite;
use super::publish::Publisher;
use super::review::Review;
use super::state::State;
use super::watch::{Watch, Watching};
use crate::agent::claude::drive;
use crate::agent::process::sweep;
use crate::agent::{Driver, Launch, Order, Said};
use crate::arbiter::Disk;
use crate::fault;
use crate::history::Store;
use crate::history::images::ImageName;
use crate::history::record::{OpenRow, Process, Record};
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::{AgentId, CallId, OpId, SessionId};
use crate::model::lease::Owner;
use crate::model::path::{Hash, WorkPath};
use crate::model::time::{Mono, Wall};
use crate::model::transcript::Level;

mod git;

/// Everything that effects need.
pub(super) struct Performer {
    pub(super) publisher: Publisher,
    root: PathBuf,
    store: Arc<Store>,
    history: PathBuf,
    inputs: mpsc::Sender<Input>,
    said: mpsc::Sender<Said>,
    stored: mpsc::Sender<Input>,
    drivers: Drivers,
    census: Arc<Mutex<Census>>,
    output: Arc<BuildOutput>,
    guards: Option<Arc<Guards>>,
    desk: Weak<Desk>,
    watching: Option<Watching>,
    keeper: Arc<Keeper>,
    images: Arc<BeforeImages>,
    files: Jobs,
    /// Images that are spent once the records are queued.
    spent: Vec<ImageName>,
    /// Records that wait for the end of the step, to be queued in one piece.
    records: Vec<Record>,
    wake_at: Option<Mono>,
    ended: bool,
}

/// The queues of the loop.
pub(super) struct Queues {
    /// Results of jobs.
    pub(super) inputs: mpsc::Sender<Input>,
    /// Words of agents.
    pub(super) said: mpsc::Sender<Said>,
    /// What is durable.
    pub(super) stored: mpsc::Sender<Input>,
}

impl Performer {
    pub(super) fn new(
        root: PathBuf,
        output: Arc<BuildOutput>,
        (store, images): (Arc<Store>, Arc<BeforeImages>),
        files: Jobs,
        history: PathBuf,
        queues: Queues,
    ) -> Self {
        let Queues { inputs, said, stored } = queues;
        let keeper = Keeper::new(root.clone(), Arc::clone(&store), Arc::clone(&output));
        let keeper = Arc::new(keeper);
        Self {
            publisher: Publisher::default(),
            root,
            store,
            history,
            inputs,
            said,
            stored,
            drivers: Drivers::default(),
            census: Arc::default(),
            output,
            guards: None,
            desk: Weak::new(),
            watching: None,
            keeper,
            images,
            files,
            spent: Vec::new(),
            records: Vec::new(),
            wake_at: None,
            ended: false,
        }
    }

    /// Has files looked after that processes were let at, and agents put behind the wall.
    pub(super) fn guard(
        &mut self,
        desk: &Arc<Desk>,
        looks: Looks,
        guards: Option<Guards>,
    ) -> Result<(), Failure> {
        let lookout = Lookout {
            desk: Arc::downgrade(desk),
            root: self.root.clone(),
            output: Arc::clone(&self.output),
            keeper: Arc::clone(&self.keeper),
            images: Arc::clone(&self.images),
            store: Arc::clone(&self.store),
        };
        let thread = std::thread::Builder::new().name("lookout".to_owned());
        thread.spawn(move || lookout.keep(&looks)).map_err(|error| {
            Failure::new(FailureKind::Internal, "a thread to look after files cannot be started")
                .cause(error)
        })?;
        let watch = Watch {
            root: self.root.clone(),
            desk: Arc::downgrade(desk),
            output: Arc::clone(&self.output),
            keeper: Arc::clone(&self.keeper),
            inputs: self.inputs.clone(),
        };
        self.watching = watch
            .begin()
            .inspect_err(|error| tracing::warn!(%error, "the tree is not watched"))
            .ok();
        self.guards = guards.map(Arc::new);
        self.desk = Arc::downgrade(desk);
        Ok(())
    }

    /// The first look at the tree and the branch.
    pub(super) fn begin(&mut self, left_behind: BTreeMap<SessionId, Vec<Process>>) {
        if !left_behind.is_empty() {
            self.bury(left_behind);
        }
        // After a crash of the engine commands of its agents may live on: nobody waits for them.
        tokio::task::spawn_blocking(|| drop(sweep::sweep_abandoned(sweep::PATIENCE)));
        let (root, census) = (self.root.clone(), Arc::clone(&self.census));
        let keeper = Arc::clone(&self.keeper);
        let output = Arc::clone(&self.output);
        let guarded = self.guards.is_some();
        tokio::task::spawn_blocking(move || {
            let mut census = census.lock().unwrap_or_else(PoisonError::into_inner);
            if guarded {
                census.spare_contents();
            }
            census.look(&root, &keeper);
            output.met(census.files());
        });
        self.look_up_branch();
        self.watch_history();
    }

    /// Tells the state when the history cannot be written, and when it can again.
    fn watch_history(&self) {
        let (mut health, inputs) = (self.store.watch(), self.inputs.clone());
        tokio::spawn(async move {
            let mut told = None;
            // It ends with the history's thread.
            while health.changed().await.is_ok() {
                let now = health.borrow_and_update().clone();
                if now.trouble != told {
                    told.clone_from(&now.trouble);
                    let input = Input::Health(now.trouble.map_or(Ok(now.lost), Err));
                    if inputs.send(input).await.is_err() {
                        return;
                    }
                }
            }
        });
    }

    /// The history, for what goes on beside the loop.
    pub(super) fn store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }

    /// Tells the contents that are kept in case their files change: no change names them yet.
    pub(super) fn early(&self) -> impl Fn() -> Vec<Hash> + Send + 'static {
        let census = Arc::clone(&self.census);
        move || census.lock().unwrap_or_else(PoisonError::into_inner).contents()
    }

    pub(super) fn wake_at(&self) -> Option<Mono> {
        self.wake_at
    }

    /// The wish to be woken is fulfilled; the next tick asks for the next one.
    pub(super) fn woken(&mut self) {
        self.wake_at = None;
    }

    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    pub(super) async fn perform(&mut self, effect: Effect, state: &State) {
        match effect {
            Effect::Publish(event) => self.publisher.publish(&event),
            Effect::Subscribe(asker) => {
                let snapshot = state.snapshot(self.publisher.seq());
                self.publisher.subscribe(asker.client, snapshot);
            }
            Effect::Reply { to, reply } => {
                let of_tool = matches!(reply, Reply::Tool(_));
                self.publisher.reply(to, reply);
                // It is said, and cannot fail any more.
                let _ = of_tool.then(|| fault::at("tool-answered"));
            }
            Effect::ReplyStored { to, reply } => self.reply_stored(to, reply).await,
            Effect::Store(record) => self.records.push(record),
            Effect::StoreNow { ticket, records } => self.store_now(ticket, records).await,
            Effect::OpenSession { agent, session } => self.open_session(agent, session),
            Effect::CloseSession { session } => {
                let (engine_pid, engine_started) = this_engine();
                self.records.push(Record::Close { session, engine_pid, engine_started });
            }
            Effect::Release { agent } => {
                self.drivers.release(agent);
                if let Some(guards) = &self.guards {
                    guards.release(agent);
                }
            }
            Effect::Spawn { agent, run, backend: _, guarded, launch } => {
                self.spawn(agent, run, guarded, launch);
            }
            Effect::LookForLosses(path) => {
                self.flush().await;
                let stored = self.store.flush();
                let (history, root) = (self.history.clone(), self.root.clone());
                self.job(move || {
                    stored.wait().ok()?;
                    let review = Review::open(&history, &root).ok()?;
                    let lost = review.lost_last(&path).ok()??;
                    Some(Input::LinesLost { path, lost })
                });
            }
            Effect::SpendImage(name) => self.spent.push(name),
            Effect::Exec { exec, owner, socket } => self.exec(exec, owner, socket),
            Effect::KeepTree(paths) => self.keep_tree(paths).await,
            Effect::AwaitGit(process) => self.await_git(process),
            Effect::LookOverTree { owner, paths } => self.look_over_tree(owner, paths),
            Effect::Order { agent, order } => self.order(agent, order),
            Effect::Resolve { op, raw, cwd } => {
                let root = self.root.clone();
                self.file_job(move || {
                    let place = disk::resolve(&root, Path::new(&cwd), &raw);
                    Some(Input::Resolved { op, place })
                });
            }
            Effect::Inspect { op, path, base } => self.inspect(op, path, base),
            Effect::CheckShown { agent, call, raw, cwd, response, began } => {
                self.check_shown(agent, call, (raw, cwd), response, began);
            }
            Effect::ReadFile { op, path } => {
                let keeper = Arc::clone(&self.keeper);
                self.file_job(move || Some(Input::FileRead { op, disk: keeper.look(&path) }));
            }
            Effect::WriteFile { op, path, checked, content } => {
                if let Some(asker) = state.asker_of(op) {
                    tracing::trace!(target: "benchdog::grant", id = asker.id, "{path} is granted");
                }
                let Some(owner) = state.writer_of(op).cloned() else { return };
                let (root, keeper) = (self.root.clone(), Arc::clone(&self.keeper));
                let images = Arc::clone(&self.images);
                let write = OwnWrite { op, owner, path, checked, content };
                self.file_job(move || Some(write.carry_out(&root, &keeper, &images)));
            }
            Effect::Scan { agent, call, after } => {
                let (root, census) = (self.root.clone(), Arc::clone(&self.census));
                let keeper = Arc::clone(&self.keeper);
                self.job(move || {
                    let mut census = census.lock().unwrap_or_else(PoisonError::into_inner);
                    let found = census.look(&root, &keeper);
                    Some(Input::Scanned { agent, call, after, found })
                });
            }
            Effect::Load { from, session, how } => {
                self.look_up(move |history, root, _, stored| {
                    let loaded =
                        stored.and_then(|()| lookup::session(history, root, &session, how));
                    Input::Loaded { from, how, result: loaded.map(Box::new) }
                })
                .await;
            }
            Effect::LoadBench { from, begun } => {
                self.look_up(move |history, root, _, stored| {
                    let result = stored.and_then(|()| lookup::bench(history, root, begun));
                    Input::BenchLoaded { from, result }
                })
                .await;
            }
            Effect::KeepProposal { row, wanted } => {
                let keeper = Arc::clone(&self.keeper);
                self.file_job(move || {
                    keeper.keep_proposal(row, &wanted);
                    None
                });
            }
            Effect::Plan { from, revision } => {
                self.look_up(move |history, root, _, stored| {
                    let planned = stored.and_then(|()| lookup::plan(history, root, &revision));
                    Input::Planned { from, result: planned.map(Box::new) }
                })
                .await;
            }
            Effect::Query { from, query } => {
                // Where nothing can be stored, what was stored before can still be read.
                self.look_up(move |history, root, store, _| {
                    let reply = lookup::answer(history, root, store, query);
                    Input::Answered { from, reply: reply.unwrap_or_else(Reply::Failed) }
                })
                .await;
            }
            Effect::LookUpBranch => self.look_up_branch(),
            Effect::WakeAt(at) => self.wake_at = Some(at),
            Effect::End => self.ended = true,
        }
    }

    /// Hands the records of this step to the history; waits while its queue is full.
    pub(super) async fn flush(&mut self) {
        let records = std::mem::take(&mut self.records);
        if !records.is_empty()
            && let Err(error) = self.store.queue(records).await
        {
            // What is not stored stays as images, for the next start.
            self.spent.clear();
            let text = Failure::from(error).to_string();
            self.publisher.publish(&Event::Noticed { level: Level::Error, text });
        }
        self.spent.drain(..).for_each(|name| self.images.spend(name));
    }

    /// The history takes everything in, then its thread ends.
    pub(super) async fn close(mut self) -> Result<(), Failure> {
        self.flush().await;
        self.publisher.publish(&Event::Closing);
        let store = self.store;
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        let Ok(Err(error)) = closed else { return Ok(()) };
        let failure = Failure::from(error);
        tracing::error!(%failure, "the history did not close well");
        Err(failure)
    }

    /// Answers once a crash could not undo what the answer acknowledges.
    async fn reply_stored(&mut self, from: Asker, reply: Reply) {
        self.flush().await;
        let stored = self.store.flush();
        self.job(move || {
            let stored = stored.wait().map_err(|error| Reply::Failed(Failure::from(error)));
            Some(Input::Answered { from, reply: stored.map_or_else(|failed| failed, |()| reply) })
        });
    }

    async fn store_now(&mut self, ticket: Ticket, records: Vec<Record>) {
        self.flush().await;
        // A place for the answer, before it is asked for: an answer that is lost is a write that
        // stays in flight for good.
        let Ok(place) = self.stored.clone().try_reserve_owned() else {
            // Fail closed: what cannot be recorded is not granted.
            let failure =
                Failure::new(FailureKind::Internal, "too many writes wait to be recorded");
            return self.send(Input::Stored { ticket, result: Err(failure) });
        };
        let done = move |result| drop(place.send(Input::Stored { ticket, result }));
        self.store.queue_now(records, Box::new(done));
    }

    fn open_session(&self, agent: AgentId, session: SessionId) {
        let store = Arc::clone(&self.store);
        self.job(move || {
            let (engine_pid, engine_started) = this_engine();
            let row = OpenRow {
                session: session.clone(),
                engine_pid,
                engine_started,
                agent_pid: None,
                at: identity::wall(),
            };
            let result = store.open_session(row, identity::is_alive).wait().map_err(Failure::from);
            Some(Input::SessionOpened { agent, session, result })
        });
    }

    /// Starts a process beside the loop, which goes on deciding meanwhile.
    fn spawn(&self, agent: AgentId, run: u64, guarded: Option<Owner>, launch: Box<Launch>) {
        self.drivers.begin(agent, run);
        let (drivers, said, inputs) =
            (self.drivers.clone(), self.said.clone(), self.inputs.clone());
        let guards = self.guards.clone();
        tokio::spawn(async move {
            let started = start(&launch, guarded, guards, agent, run, said).await;
            let result = match started {
                Ok(driver) => Ok(Some(identity::of(drivers.started(agent, run, driver)))),
                Err(failure) => {
                    drivers.failed(agent, run);
                    Err(failure)
                }
            };
            let _ = inputs.send(Input::Spawned { agent, run, result }).await;
        });
    }

    /// Guards a command beside the loop, on a thread of its own: it may run for days.
    fn exec(&self, exec: u64, owner: Owner, socket: PathBuf) {
        let Some(guards) = self.guards.clone() else { return };
        let inputs = self.inputs.clone();
        let thread = std::thread::Builder::new().name("exec".to_owned());
        let begun = thread.spawn(move || {
            let result = exec::attend(&guards, owner, &socket);
            answer(&inputs, Some(Input::ExecEnded { exec, result }));
        });
        if let Err(error) = begun {
            // Its starter waits in vain and says so.
            tracing::error!(%error, "a thread for a guarded command cannot be started");
        }
    }

    fn order(&self, agent: AgentId, order: Order) {
        if let (Order::Interrupt | Order::Stop, Some(guards)) = (&order, &self.guards) {
            guards.cancel_parks(agent);
        }
        if let Some(run) = self.drivers.order(agent, order) {
            self.send(Input::OrderFailed { agent, run });
        }
    }

    fn inspect(&self, op: OpId, path: WorkPath, base: Option<Hash>) {
        let keeper = Arc::clone(&self.keeper);
        self.file_job(move || {
            let disk = keeper.look(&path);
            let base = base.and_then(|hash| keeper.text(hash));
            Some(Input::Inspected { op, disk, base })
        });
    }

    fn check_shown(
        &self,
        agent: AgentId,
        call: CallId,
        (raw, cwd): (String, String),
        response: Box<serde_json::Value>,
        began: Option<Wall>,
    ) {
        let (root, keeper) = (self.root.clone(), Arc::clone(&self.keeper));
        self.file_job(move || {
            let seen = disk::shown(&root, Path::new(&cwd), &raw, &response, began);
            let seen = seen.and_then(|(path, disk, extent)| match keeper.keep(&path, disk, None) {
                Disk::File { hash, .. } => Some((path, hash, extent)),
                Disk::Absent | Disk::Unreadable(_) => None,
            });
            Some(Input::Shown { agent, call, seen })
        });
    }

    /// Has `answer` look into the history once all that was said until now is stored, or cannot be.
    ///
    /// The history stores in groups: whoever looked at once would miss what the last moments
    /// brought, and a branch of a conversation that began just now would know nothing of it.
    async fn look_up(
        &mut self,
        answer: impl FnOnce(&Path, &Path, &Store, Result<(), Failure>) -> Input + Send + 'static,
    ) {
        self.flush().await;
        let stored = self.store.flush();
        let (history, root, store) =
            (self.history.clone(), self.root.clone(), Arc::clone(&self.store));
        self.job(move || {
            let stored = stored.wait().map_err(Failure::from);
            Some(answer(&history, &root, &store, stored))
        });
    }

    fn look_up_branch(&self) {
        let root = self.root.clone();
        self.job(move || Some(Input::Branch(disk::branch(&root))));
    }

    /// Waits, without hurry, until processes that a former engine left behind are gone.
    fn bury(&self, mut processes: BTreeMap<SessionId, Vec<Process>>) {
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            while !processes.is_empty() {
                let (alive, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
                    processes.into_iter().partition(|(_, all)| all.iter().any(identity::lives));
                if !gone.is_empty() {
                    let _ = inputs.send(Input::Buried(gone.into_keys().collect())).await;
                }
                processes = alive;
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
        });
    }

    /// Does short `work` on a file; its result comes back as an input.
    fn file_job(&self, work: impl FnOnce() -> Option<Input> + Send + 'static) {
        let inputs = self.inputs.clone();
        self.files.run(move || answer(&inputs, work()));
    }

    /// Runs `work` that may take long; its result comes back as an input.
    fn job(&self, work: impl FnOnce() -> Option<Input> + Send + 'static) {
        let inputs = self.inputs.clone();
        tokio::task::spawn_blocking(move || answer(&inputs, work()));
    }

    /// Puts an input of this very step behind what waits already.
    fn send(&self, input: Input) {
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let _ = inputs.send(input).await;
        });
    }
}

/// Starts an agent, behind the wall if it is to be guarded.
async fn start(
    launch: &Launch,
    guarded: Option<Owner>,
    guards: Option<Arc<Guards>>,
    agent: AgentId,
    run: u64,
    said: mpsc::Sender<Said>,
) -> Result<Driver, Failure> {
    let Some(owner) = guarded else { return drive::start(launch, None, agent, run, said).await };
    let Some(guards) = guards else {
        return Err(Failure::new(FailureKind::Internal, "there is no guard for the agent"));
    };
    let name = agent.to_string();
    let (enter, entrance) = guards.prepare(owner, &name)?;
    let driver = drive::start(launch, Some(enter), agent, run, said).await?;
    let process = driver.pid;
    // It waits for the process for a moment, if at all. Without an answer the driver is dropped,
    // and the agent ends with it.
    let begun = tokio::task::spawn_blocking(move || guards.begin(agent, process, entrance)).await;
    begun.unwrap_or_else(|_| {
        Err(Failure::new(FailureKind::Internal, "the guard of the agent could not begin"))
    })?;
    Ok(driver)
}

/// The process of this engine, and when it began.
fn this_engine() -> (u32, u64) {
    let pid = std::process::id();
    (pid, identity::started(pid).unwrap_or(0))
}

fn answer(inputs: &mpsc::Sender<Input>, input: Option<Input>) {
    if let Some(input) = input {
        // The loop may have ended meanwhile; then nobody wants to know.
        let _ = inputs.blocking_send(input);
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::agent::Driver;
    use crate::engine::input::{ClientId, Resume};
    use crate::model::session::SessionRow;

    fn performer(places: usize) -> (Performer, mpsc::Receiver<Input>, mpsc::Receiver<Input>) {
        let home = tempfile::tempdir().unwrap().keep();
        let history = home.join("history.db");
        let (inputs, results) = mpsc::channel(8);
        let (stored, durable) = mpsc::channel(places);
        let store = Arc::new(Store::open(&history).unwrap());
        let output = Arc::new(BuildOutput::new(&home));
        let said = mpsc::channel(1).0;
        let queues = Queues { inputs, said, stored };
        let opened = BeforeImages::open(&home.join("images"), &home, &store).unwrap();
        let kept = (store, Arc::new(opened.0));
        (
            Performer::new(home, output, kept, Jobs::start().unwrap(), history, queues),
            results,
            durable,
        )
    }

    #[tokio::test]
    async fn a_grant_whose_answer_has_no_place_is_refused_and_none_is_lost() {
        let (mut performer, mut results, mut durable) = performer(1);
        for ticket in [1, 2] {
            performer.store_now(Ticket(ticket), Vec::new()).await;
        }
        let refused = results.recv().await;
        assert!(matches!(refused, Some(Input::Stored { ticket: Ticket(2), result: Err(_) })));
        let stored = durable.recv().await;
        assert!(matches!(stored, Some(Input::Stored { ticket: Ticket(1), result: Ok(()) })));
    }

    #[tokio::test]
    async fn what_was_said_a_moment_ago_is_found() {
        let (mut performer, mut results, _durable) = performer(1);
        let root = performer.root.clone();
        for conversation in 1..=5 {
            // The group of this record is stored some milliseconds later.
            let backend_session_id = Some(conversation.to_string());
            let row = SessionRow { backend_session_id, ..lookup::tests::row(&root, &root) };
            performer.records.push(Record::Session(Box::new(row)));
            let branch = move |history: &Path, root: &Path, _: &Store, stored| {
                let loaded = lookup::session(history, root, &"s".into(), Resume::Fork);
                let result = Result::and(stored, loaded).map(Box::new);
                Input::Loaded {
                    from: Asker { client: ClientId(1), id: 1 },
                    how: Resume::Fork,
                    result,
                }
            };
            performer.look_up(branch).await;
            let found = results.recv().await;
            let Some(Input::Loaded { result: Ok(loaded), .. }) = found else {
                panic!("{found:?}");
            };
            assert_eq!(loaded.row.backend_session_id, Some(conversation.to_string()));
        }
    }

    #[tokio::test]
    async fn an_order_that_an_agent_does_not_read_is_told() {
        let (performer, mut results, _durable) = performer(1);
        let (orders, _unread) = mpsc::channel(1);
        let driver = Driver::new(1, orders, CancellationToken::new(), tokio::spawn(async {}));
        performer.drivers.begin(AgentId(1), 7);
        performer.drivers.started(AgentId(1), 7, driver);
        for _ in 0..2 {
            performer.order(AgentId(1), Order::Interrupt);
        }
        let told = results.recv().await;
        assert!(matches!(told, Some(Input::OrderFailed { agent: AgentId(1), run: 7 })));
    }
}
