//! A whole engine in this process, with the real agent behind it and a log of what it says.
//!
//! A wait looks at everything since the last [`BenchEngine::mark`], so what came before it was
//! asked for is seen as well.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use benchdog::engine::boot::{Boot, boot};
use benchdog::engine::command::{Command, Reply};
use benchdog::engine::event::{Event, ToClient, ToEngine};
use benchdog::engine::run::Engine;
use benchdog::history::Reader;
use benchdog::model::agent::{AgentInfo, AgentSpec, AgentState};
use benchdog::model::id::AgentId;
use benchdog::model::permission::{Ask, AskAnswer, AskOutcome, PermissionMode};
use benchdog::model::session::{SessionQuery, SessionRow};
use benchdog::model::transcript::{Body, Item, ToolCall, ToolStatus, TurnEnd};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::model_api::ModelApi;
use super::workspace::Workspace;
use super::{PATIENCE, claude_cli};

/// A running engine and this side of its link.
pub(crate) struct BenchEngine {
    /// Where the agents work.
    pub(crate) workspace: Workspace,
    /// The home of agents and history.
    pub(crate) home: TempDir,
    url: String,
    running: Option<Running>,
    asked: u64,
    mark: usize,
}

struct Running {
    engine: Engine,
    commands: mpsc::Sender<ToEngine>,
    log: Arc<Log>,
    runtime: Runtime,
}

#[derive(Default)]
struct Log {
    kept: Mutex<Kept>,
    came: Condvar,
}

#[derive(Default)]
struct Kept {
    events: Vec<Event>,
    replies: BTreeMap<u64, Reply>,
}

impl BenchEngine {
    /// An engine with the real agent, which talks to `api`. None where the agent cannot be had.
    pub(crate) fn start(workspace: Workspace, api: &ModelApi) -> Option<Self> {
        Self::start_with(workspace, api, |_| {})
    }

    /// The same, booted otherwise.
    pub(crate) fn start_with(
        workspace: Workspace,
        api: &ModelApi,
        change: impl FnOnce(&mut Boot),
    ) -> Option<Self> {
        claude_cli::find()?;
        let home = tempfile::tempdir().unwrap();
        let url = api.url().to_owned();
        let mut bench = Self { workspace, home, url, running: None, asked: 0, mark: 0 };
        bench.boot(change);
        Some(bench)
    }

    /// Starts an engine where another one was.
    pub(crate) fn boot(&mut self, change: impl FnOnce(&mut Boot)) {
        let mut wish = Boot::new(self.workspace.path(), &self.history_file());
        let program = claude_cli::find().unwrap();
        wish.claude = vec![program.to_str().unwrap().to_owned()];
        change(&mut wish);
        let mut building = tokio::runtime::Builder::new_multi_thread();
        let runtime = building.worker_threads(2).enable_all().build().unwrap();
        let (engine, mut link) = runtime.block_on(async {
            let engine = boot(wish).unwrap();
            let link = engine.connector().connect();
            link.commands.send(ToEngine { id: 0, command: Command::Subscribe }).await.unwrap();
            (engine, link)
        });
        let log = Arc::new(Log::default());
        let commands = link.commands.clone();
        let shared = Arc::clone(&log);
        runtime.spawn(async move {
            while let Some(message) = link.events.recv().await {
                let mut kept = shared.kept.lock().unwrap();
                match message {
                    ToClient::Event { event, .. } => kept.events.push(event),
                    ToClient::Reply { id, reply } => {
                        kept.replies.insert(id, reply);
                    }
                    ToClient::Behind => panic!("the log fell behind"),
                    ToClient::Hello { .. } | ToClient::Snapshot(_) => {}
                }
                shared.came.notify_all();
            }
        });
        self.mark = 0;
        self.running = Some(Running { engine, commands, log, runtime });
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the engine is closed")
    }

    fn history_file(&self) -> PathBuf {
        self.home.path().join("history.db")
    }

    /// What is stored. Complete once the engine is closed.
    pub(crate) fn history(&self) -> Reader {
        Reader::open(&self.history_file()).unwrap()
    }

    /// The stored sessions, newest first.
    pub(crate) fn sessions(&self) -> Vec<SessionRow> {
        let hits = self.history().sessions(&SessionQuery::default(), |_, _| false).unwrap();
        hits.into_iter().map(|hit| hit.row).collect()
    }

    /// The workspace as rows name it.
    pub(crate) fn root(&self) -> String {
        self.workspace.path().to_str().unwrap().to_owned()
    }

    /// The wish for an agent of this name: the real one, at home here.
    pub(crate) fn spec(&self, name: &str, mode: PermissionMode) -> AgentSpec {
        AgentSpec {
            name: name.to_owned(),
            permission_mode: mode,
            env: claude_cli::environment(self.home.path(), &self.url).into_iter().collect(),
            ..AgentSpec::default()
        }
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn ask(&mut self, command: Command) -> Reply {
        self.asked += 1;
        let (id, said) = (self.asked, format!("the answer to {command:?}"));
        self.running().commands.blocking_send(ToEngine { id, command }).unwrap();
        self.wait(&said, |kept, _| kept.replies.get(&id).cloned())
    }

    /// Sends a command that must be done.
    pub(crate) fn done(&mut self, command: Command) {
        let said = format!("{command:?}");
        let reply = self.ask(command);
        assert_eq!(reply, Reply::Done, "{said}");
    }

    /// Sends a command that gives an agent.
    pub(crate) fn agent_of(&mut self, command: Command) -> AgentId {
        match self.ask(command) {
            Reply::Agent(id) => id,
            other => panic!("no agent: {other:?}"),
        }
    }

    /// Starts an agent.
    pub(crate) fn agent(&mut self, name: &str, mode: PermissionMode) -> AgentId {
        let spec = self.spec(name, mode);
        self.agent_of(Command::StartAgent { spec })
    }

    /// Gives an agent a prompt. Waits look at what comes from here on.
    pub(crate) fn send(&mut self, agent: AgentId, text: &str) {
        self.mark();
        self.done(Command::Send { agent, text: text.to_owned() });
    }

    /// Gives an agent a prompt and leaves the mark where it is.
    pub(crate) fn send_more(&mut self, agent: AgentId, text: &str) {
        self.done(Command::Send { agent, text: text.to_owned() });
    }

    /// Waits for the first event from this place on (counted from the start of the engine) in
    /// which `find` finds something; says where it is.
    pub(crate) fn next_from<T>(
        &self,
        from: usize,
        what: &str,
        find: impl Fn(&Event) -> Option<T>,
    ) -> (usize, T) {
        self.wait(what, |kept, _| {
            let mut rest = kept.events.iter().enumerate().skip(from);
            rest.find_map(|(at, event)| Some((at, find(event)?)))
        })
    }

    /// A whole turn.
    pub(crate) fn turn(&mut self, agent: AgentId, text: &str) -> TurnEnd {
        self.send(agent, text);
        self.turn_end(agent)
    }

    /// Answers an ask and waits until it is closed.
    pub(crate) fn answer(&mut self, ask: &Ask, answer: AskAnswer) -> AskOutcome {
        self.done(Command::AnswerAsk { ask: ask.id, answer });
        let id = ask.id;
        self.wait_for("the end of the ask", |event| match event {
            Event::AskClosed { ask, outcome } if *ask == id => Some(*outcome),
            _ => None,
        })
    }

    /// Waits look at what comes from here on.
    pub(crate) fn mark(&mut self) {
        let seen = self.running().log.kept.lock().unwrap().events.len();
        self.mark = seen;
    }

    /// What came since the mark.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.running().log.kept.lock().unwrap().events[self.mark..].to_vec()
    }

    fn wait<T>(&self, what: &str, find: impl Fn(&Kept, usize) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let log = &self.running().log;
        let mut kept = log.kept.lock().unwrap();
        loop {
            if let Some(found) = find(&kept, self.mark) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let seen: Vec<_> = kept.events[self.mark..].iter().map(short).collect();
                drop(kept);
                panic!("{what} did not come; since the mark:\n{}", seen.join("\n"));
            }
            kept = log.came.wait_timeout(kept, left).unwrap().0;
        }
    }

    /// Waits for an event since the mark in which `find` finds something.
    pub(crate) fn wait_for<T>(&self, what: &str, find: impl Fn(&Event) -> Option<T>) -> T {
        self.wait(what, |kept, mark| kept.events[mark..].iter().find_map(&find))
    }

    /// Waits for an item of an agent that `fits`.
    pub(crate) fn item(&self, agent: AgentId, what: &str, fits: impl Fn(&Item) -> bool) -> Item {
        self.wait_for(what, |event| match event {
            Event::ItemChanged { agent: of, item } if *of == agent && fits(item) => {
                Some((**item).clone())
            }
            _ => None,
        })
    }

    /// Waits for a call of this tool that stands so.
    pub(crate) fn tool(
        &self,
        agent: AgentId,
        name: &str,
        fits: impl Fn(&ToolStatus) -> bool,
    ) -> ToolCall {
        let is = |item: &Item| matches!(&item.body, Body::Tool(tool) if tool.name == name && fits(&tool.status));
        match self.item(agent, &format!("a call of {name}"), is).body {
            Body::Tool(tool) => tool,
            _ => unreachable!("it is a tool"),
        }
    }

    /// Waits for the end of a turn.
    pub(crate) fn turn_end(&self, agent: AgentId) -> TurnEnd {
        let ended = |item: &Item| matches!(item.body, Body::TurnEnd(_));
        match self.item(agent, "the end of the turn", ended).body {
            Body::TurnEnd(end) => end,
            _ => unreachable!("it is an end"),
        }
    }

    /// Waits for a row of an agent that `fits`.
    pub(crate) fn row(
        &self,
        agent: AgentId,
        what: &str,
        fits: impl Fn(&AgentInfo) -> bool,
    ) -> AgentInfo {
        self.wait_for(what, |event| match event {
            Event::AgentChanged { agent: row } if row.id == agent && fits(row) => {
                Some((**row).clone())
            }
            _ => None,
        })
    }

    /// Waits until an agent fares so.
    pub(crate) fn state(&self, agent: AgentId, state: AgentState) -> AgentInfo {
        self.row(agent, &format!("{state:?}"), |row| row.state == state)
    }

    /// The row of an agent as it is.
    pub(crate) fn now(&mut self, agent: AgentId) -> AgentInfo {
        match self.ask(Command::ListAgents) {
            Reply::Agents(rows) => rows.into_iter().find(|row| row.id == agent).unwrap(),
            other => panic!("no agents: {other:?}"),
        }
    }

    /// Waits for a question of an agent.
    pub(crate) fn asked(&self, agent: AgentId) -> Ask {
        self.wait_for("an ask", |event| match event {
            Event::AskOpened { ask } if ask.agent == agent => Some((**ask).clone()),
            _ => None,
        })
    }

    /// Ends the engine; everything is stored after it.
    pub(crate) fn close(&mut self) {
        let Some(Running { mut engine, commands, runtime, log: _ }) = self.running.take() else {
            return;
        };
        runtime.block_on(async {
            let shutdown = ToEngine { id: u64::MAX, command: Command::Shutdown };
            // It may have ended already.
            let _ = commands.send(shutdown).await;
            let ended = tokio::time::timeout(PATIENCE, engine.ended()).await;
            assert!(ended.is_ok() || thread::panicking(), "the engine does not end");
        });
        runtime.shutdown_timeout(Duration::from_secs(5));
    }
}

impl Drop for BenchEngine {
    fn drop(&mut self) {
        self.close();
    }
}

/// Waits until something is so that nobody tells.
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what} does not come about");
        thread::sleep(Duration::from_millis(10));
    }
}

/// An event in at most some hundred characters.
fn short(event: &impl Debug) -> String {
    let text = format!("{event:?}");
    match text.char_indices().nth(500) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
