//! The engine's state: a plain value that [`State::update`] changes and that never acts itself.
//!
//! The arbiter's table is not in it but at the desk, where the guard's threads decide as well.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::desk::Desk;
use super::effect::Effect;
use super::event::{AgentSnapshot, Event, RefusedAttempt, Snapshot, WorkspaceInfo};
use super::fold::{Change, Fold};
use super::input::{Asker, Input, Taken, Ticket};
use super::update::asks::OpenAsk;
use super::update::revisions::Revising;
use super::update::tree::Tree;
use super::update::writes::Op;
use crate::arbiter::Was;
use crate::config::settings::Settings;
use crate::history::record::{Process, Record};
use crate::model::agent::{AgentInfo, AgentSpec, QueuedPrompt};
use crate::model::change::Image;
use crate::model::failure::Failure;
use crate::model::id::{AgentId, AskId, CallId, ChangeId, IdSource, OpId, RequestId, SessionId};
use crate::model::lease::{LeaseInfo, Owner};
use crate::model::path::{Hash, WorkPath};
use crate::model::session::{BenchRow, SessionRow};
use crate::model::time::{Mono, Now, Wall};
use crate::supervisor::life::Life;

/// Refused writes that are kept for the locks view.
pub(super) const KEPT_REFUSALS: usize = 100;

/// What the engine is told once, at its start.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The workspace.
    pub workspace: WorkspaceInfo,
    /// Where ids begin.
    pub seed: u64,
    /// The program of the Claude back end; empty: not found.
    pub claude: Vec<String>,
    /// The program of the demo agent; a script's path follows it.
    pub script: Vec<String>,
    /// What agents are told about the bench, behind their system prompt.
    pub appendix: Option<String>,
    /// How long a write may wait inside a tool call, in milliseconds.
    pub wait_ms: u64,
    /// How long the person has to say whether an agent's git may change the whole tree, in
    /// milliseconds.
    pub git_ask_ms: u64,
    /// The search path of agents; `None`: as it is.
    pub path: Option<String>,
    /// Why there is no guard here, if there is none.
    pub no_guard: String,
    /// Whether writes are arbitrated at all. Without it agents overwrite each other: it exists to
    /// show that, and for nothing else.
    pub arbitrate: bool,
    /// What the person's and the project's settings say of new agents; without them an agent gets
    /// what it is wished.
    pub settings: Option<Settings>,
}

/// An agent as the engine knows it.
#[derive(Debug)]
pub(super) struct Agent {
    pub(super) info: AgentInfo,
    pub(super) spec: AgentSpec,
    pub(super) row: SessionRow,
    pub(super) fold: Fold,
    /// Whether its title is the person's, which no title of the back end replaces.
    pub(super) own_title: bool,
    /// What it holds, and whether that is other than what is shown.
    pub(super) holds: BTreeSet<String>,
    pub(super) holds_moved: bool,
    /// The shell command that ended last.
    pub(super) last_command: String,
    /// Its process, to be found again by a later engine.
    pub(super) process: Option<Process>,
    pub(super) life: Life,
    /// Which start of the process counts; what a former one says late is ignored.
    pub(super) run: u64,
    /// What it is to be told at its next step.
    pub(super) tells: Vec<String>,
    pub(super) next_prompt: u64,
    /// Background tasks by their id; sub-agents among them are owners of their own.
    pub(super) background: BTreeMap<String, String>,
    /// Who waits to hear that it started.
    pub(super) starter: Option<Asker>,
    /// Whether its session was opened for it here, so that it is its own to close.
    pub(super) opened: bool,
    /// The prompt that it was given and that it has not shown to have read.
    pub(super) sent: Option<QueuedPrompt>,
    /// Whether it goes off the bench once its process is gone.
    pub(super) leaving: bool,
    /// The cost that this run of its process reported last.
    pub(super) reported_usd: Option<f64>,
    /// When its life wants to be told that time has passed.
    pub(super) wake: Option<Mono>,
    /// Whether the back end's conversation is branched off at the start.
    pub(super) fork: bool,
    /// The row as front ends last saw it, so that only changes are published.
    pub(super) shown: Option<AgentInfo>,
}

/// What became of the sessions of a bench that is being resumed.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// How many are not known yet.
    pub(super) left: usize,
    pub(super) agents: Vec<AgentId>,
    pub(super) failures: Vec<Failure>,
}

/// What happens once records are durable.
#[derive(Debug)]
pub(super) enum AfterStore {
    /// The grant of this request is carried out.
    Grant { op: OpId, note: Option<String> },
}

/// What is known of the change that the arbiter is about to tell, besides what the arbiter knows.
#[derive(Debug)]
pub(super) struct Doing {
    /// The tool, or the command line.
    pub(super) tool: String,
    /// What was there at the last look over the tree.
    pub(super) was: Was,
    /// What was kept of the file before a git that has the tree began.
    pub(super) kept: Option<Image>,
    /// What was kept of the file at the moment of the change, which counts more than all else.
    pub(super) taken: Option<Taken>,
    /// Whether a change was told meanwhile.
    pub(super) told: bool,
    /// The changes that it takes back.
    pub(super) reverts: Vec<ChangeId>,
    /// Whether a process made it by itself.
    pub(super) by_process: bool,
}

impl Default for Doing {
    fn default() -> Self {
        Self {
            tool: String::new(),
            was: Was::Unknown,
            kept: None,
            taken: None,
            told: false,
            reverts: Vec::new(),
            by_process: false,
        }
    }
}

/// A guarded command beside the agents.
#[derive(Debug)]
pub(super) struct Exec {
    pub(super) owner: Owner,
    /// Who started it, if that was seen.
    pub(super) process: Option<u32>,
}

/// Time and effects of one step.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) now: Now,
    pub(super) out: Vec<Effect>,
}

impl Step {
    pub(super) fn publish(&mut self, event: Event) {
        self.out.push(Effect::Publish(event));
    }

    pub(super) fn store(&mut self, record: Record) {
        self.out.push(Effect::Store(record));
    }
}

/// Everything that the engine knows.
#[derive(Debug)]
pub struct State {
    pub(super) setup: Setup,
    pub(super) ids: IdSource,
    pub(super) agents: BTreeMap<AgentId, Agent>,
    pub(super) last_agent: u32,
    pub(super) last_run: u64,
    pub(super) asks: BTreeMap<AskId, OpenAsk>,
    pub(super) last_ask: u64,
    pub(super) desk: Arc<Desk>,
    pub(super) ops: HashMap<OpId, Op>,
    pub(super) last_op: u64,
    pub(super) calls: HashMap<(AgentId, CallId), OpId>,
    /// Shell commands that run now, by call.
    pub(super) shells: HashMap<(AgentId, CallId), super::update::shell::Shell>,
    /// Reads of agents that are being compared with the disk.
    pub(super) reads: HashMap<(AgentId, CallId), (Owner, RequestId)>,
    /// When reads of agents were let through: before they began.
    pub(super) reading: HashMap<(AgentId, CallId), Wall>,
    pub(super) tickets: HashMap<Ticket, AfterStore>,
    pub(super) last_ticket: u64,
    pub(super) doing: Doing,
    /// The content that each file had after its last change that we know of.
    pub(super) versions: HashMap<WorkPath, Option<Hash>>,
    /// Files and patterns of which the history has a lease.
    pub(super) stored_leases: HashSet<String>,
    /// Files with a reservation behind the write in flight that is shown.
    pub(super) behind: BTreeSet<String>,
    pub(super) refused: VecDeque<RefusedAttempt>,
    /// Names of owners that are no agents of the bench (any more).
    pub(super) names: HashMap<SessionId, String>,
    pub(super) layout: Option<serde_json::Value>,
    pub(super) closing: bool,
    /// Whether it was said that the tree is too large to be looked over.
    pub(super) blind: bool,
    /// Benches that are being resumed, by who asked.
    pub(super) gathering: HashMap<Asker, Gathering>,
    /// Guarded commands that run beside the agents.
    pub(super) execs: BTreeMap<u64, Exec>,
    pub(super) last_exec: u64,
    /// The git that has the whole tree, or is about to get it.
    pub(super) tree: Option<Tree>,
    /// Plans that are being carried out, by who asked.
    pub(super) revising: HashMap<Asker, Revising>,
    /// Why the history cannot be written now.
    pub(super) trouble: Option<Failure>,
    /// Monotonic and wall time of one moment, to turn one into the other.
    pub(super) epoch: Now,
    pub(super) wake_at: Option<Mono>,
}

impl State {
    /// An empty bench at the moment `now`, with the leases and observations that are at the desk.
    pub(super) fn new(setup: Setup, desk: Arc<Desk>, now: Now) -> Self {
        Self {
            ids: IdSource::new(setup.seed),
            behind: desk.read(|table| {
                let behind = table.leases().filter(|(_, lease)| lease.behind.is_some());
                behind.map(|(path, _)| path.to_owned()).collect()
            }),
            stored_leases: desk
                .read(|table| table.leases().map(|(path, _)| path.to_owned()).collect()),
            setup,
            agents: BTreeMap::new(),
            last_agent: 0,
            last_run: 0,
            asks: BTreeMap::new(),
            last_ask: 0,
            desk,
            ops: HashMap::new(),
            last_op: 0,
            calls: HashMap::new(),
            shells: HashMap::new(),
            reads: HashMap::new(),
            reading: HashMap::new(),
            tickets: HashMap::new(),
            last_ticket: 0,
            doing: Doing::default(),
            versions: HashMap::new(),
            refused: VecDeque::new(),
            names: HashMap::new(),
            layout: None,
            closing: false,
            blind: false,
            gathering: HashMap::new(),
            execs: BTreeMap::new(),
            last_exec: 0,
            tree: None,
            revising: HashMap::new(),
            trouble: None,
            epoch: now,
            wake_at: None,
        }
    }

    /// Whether the engine is on its way to its end.
    pub fn closing(&self) -> bool {
        self.closing
    }

    /// Takes in what happened and says what is to be done. It cannot fail: a refusal is an effect.
    pub fn update(&mut self, now: Now, input: Input) -> Vec<Effect> {
        let mut step = Step { now, out: Vec::new() };
        self.dispatch(&mut step, input);
        self.show_holds(&mut step);
        self.arm(&mut step);
        step.out
    }

    /// Asks to be woken at the earliest time at which something is due.
    fn arm(&mut self, step: &mut Step) {
        let lives = self.agents.values().filter_map(|agent| agent.wake);
        let asks = self.asks.values().filter_map(OpenAsk::until);
        let due = lives.chain(asks).chain(self.desk.read(crate::arbiter::Table::next_wake)).min();
        if due != self.wake_at {
            self.wake_at = due;
            if let Some(at) = due {
                step.out.push(Effect::WakeAt(at));
            }
        }
    }

    /// The state as a front end sees it first.
    pub fn snapshot(&self, seq: u64) -> Snapshot {
        let agents = self.agents.values().map(|agent| {
            let (items, more_before) = agent.fold.items();
            AgentSnapshot { info: agent.info.clone(), items, more_before }
        });
        Snapshot {
            seq,
            workspace: self.setup.workspace.clone(),
            agents: agents.collect(),
            asks: self.asks.values().map(|open| open.ask.clone()).collect(),
            leases: self.leases(),
            refused: self.refused.iter().cloned().collect(),
            layout: self.layout.clone(),
        }
    }

    /// The leases as rows.
    pub(super) fn leases(&self) -> Vec<LeaseInfo> {
        self.desk.read(|table| {
            table.leases().map(|(path, lease)| self.lease_info(path, lease)).collect()
        })
    }

    pub(super) fn lease_info(&self, path: &str, lease: &crate::arbiter::Lease) -> LeaseInfo {
        LeaseInfo {
            path: path.to_owned(),
            owner: lease.owner.clone(),
            owner_name: self.owner_name(&lease.owner),
            state: lease.state,
            since: self.wall_of(lease.since),
            until: lease.until.map(|until| self.wall_of(until)),
            reason: lease.reason.clone(),
            queue: lease.queue.iter().map(|owner| self.owner_name(owner)).collect(),
        }
    }

    /// What people call an owner.
    pub(super) fn owner_name(&self, owner: &Owner) -> String {
        match owner {
            Owner::User => "you".to_owned(),
            Owner::External => "somebody outside".to_owned(),
            Owner::Session(session, sub) => {
                let agent = self.agents.values().find(|agent| agent.row.id == *session);
                let name = agent
                    .map(|agent| agent.info.name.clone())
                    .or_else(|| self.names.get(session).cloned())
                    .unwrap_or_else(|| "a former session".to_owned());
                match sub {
                    Some(sub) => format!("{name}/{}", short(sub.as_str())),
                    None => name,
                }
            }
        }
    }

    /// The wall time of a moment of the monotonic clock.
    pub(super) fn wall_of(&self, at: Mono) -> Wall {
        let ahead = i64::try_from(at.0).unwrap_or(i64::MAX);
        let epoch = i64::try_from(self.epoch.mono.0).unwrap_or(0);
        Wall(self.epoch.wall.0.saturating_add(ahead.saturating_sub(epoch)))
    }

    pub(super) fn next_op(&mut self) -> OpId {
        self.last_op += 1;
        OpId(self.last_op)
    }

    /// The agent whose session this is.
    pub(super) fn agent_of(&self, owner: &Owner) -> Option<AgentId> {
        let session = owner.session()?;
        self.agents.iter().find(|(_, agent)| agent.row.id == *session).map(|(id, _)| *id)
    }

    /// Publishes and stores what became of an agent's transcript.
    pub(super) fn tell_changes(&self, step: &mut Step, id: AgentId, changes: Vec<Change>) {
        let Some(agent) = self.agents.get(&id) else { return };
        let session = agent.row.id.clone();
        for change in changes {
            match change {
                Change::Item(item) => {
                    step.store(Record::Item { session: session.clone(), item: item.clone() });
                    step.publish(Event::ItemChanged { agent: id, item });
                }
                Change::Grown { item, text } => {
                    let session = session.clone();
                    step.store(Record::Tail { session, item, text: text.clone() });
                    step.publish(Event::TextAppended { agent: id, item, text });
                }
            }
        }
    }

    /// Publishes an agent's row if it changed since it was last published.
    pub(super) fn show(&mut self, step: &mut Step, id: AgentId) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        agent.info.state = agent.life.state();
        agent.info.trouble = agent.life.trouble().map(str::to_owned);
        if agent.shown.as_ref() != Some(&agent.info) {
            agent.shown = Some(agent.info.clone());
            step.publish(Event::AgentChanged { agent: Box::new(agent.info.clone()) });
        }
    }

    /// Stores an agent's session as it is now.
    pub(super) fn store_session(&mut self, step: &mut Step, id: AgentId) {
        let branch = self.setup.workspace.branch.clone();
        let Some(agent) = self.agents.get_mut(&id) else { return };
        agent.row.updated_at = step.now.wall;
        agent.row.branch = branch;
        agent.row.messages = agent.fold.count();
        agent.row.usage = agent.info.usage;
        agent.row.agent.clone_from(&agent.info.name);
        agent.row.title.clone_from(&agent.info.title);
        agent.row.backend_session_id.clone_from(&agent.info.backend_session_id);
        agent.row.last_state = match serde_json::to_value(agent.life.state()) {
            Ok(serde_json::Value::String(word)) => word,
            _ => String::new(),
        };
        step.store(Record::Session(Box::new(agent.row.clone())));
    }

    /// Stores which sessions the bench has, so that it can be resumed as a whole.
    pub(super) fn store_bench(&self, step: &mut Step) {
        if self.agents.is_empty() || self.closing {
            return;
        }
        step.store(Record::Bench(BenchRow {
            workspace: self.setup.workspace.root.clone(),
            begun: self.epoch.wall,
            saved_at: step.now.wall,
            sessions: self.agents.values().map(|agent| agent.row.id.clone()).collect(),
            layout: self.layout.clone().unwrap_or_default(),
        }));
    }
}

fn short(id: &str) -> &str {
    &id[..id.floor_char_boundary(6)]
}
