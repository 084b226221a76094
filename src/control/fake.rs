//! An engine for tests: it answers commands from a script and says what it is told to say.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::lock::WorkspaceLock;
use super::peer::Peer;
use super::server::Endpoint;
use crate::engine::command::{Command, Reply};
use crate::engine::event::{Event, Snapshot, ToClient, ToEngine, WorkspaceInfo};
use crate::engine::link::{COMMANDS, EventSender, Link, events};
use crate::model::agent::{AgentInfo, AgentState, Backend, GuardLevel};
use crate::model::id::AgentId;
use crate::model::permission::PermissionMode;
use crate::model::usage::Usage;

/// What a fake engine does with a command: answers it, and says things.
pub(crate) type Script = dyn Fn(&Command, &Mouth) -> Reply + Send + Sync;

/// The front end of one link, to be spoken to.
pub(crate) struct Mouth {
    sender: EventSender,
    seq: Mutex<u64>,
}

impl Mouth {
    /// Says an event.
    pub(crate) fn say(&self, event: Event) {
        let mut seq = self.seq.lock().expect("no panic");
        *seq += 1;
        self.send(ToClient::Event { seq: *seq, event });
    }

    /// Sends a message as it is.
    pub(crate) fn send(&self, message: ToClient) {
        let _gone = self.sender.send(message, 1);
    }
}

/// Answers each command with `script`, and remembers it.
#[derive(Clone)]
pub(crate) struct FakeEngine {
    pub(crate) script: Arc<Script>,
    pub(crate) heard: Arc<Mutex<Vec<Command>>>,
    /// Cancelled once it was told to shut down.
    pub(crate) ended: CancellationToken,
}

impl FakeEngine {
    pub(crate) fn new(script: impl Fn(&Command, &Mouth) -> Reply + Send + Sync + 'static) -> Self {
        Self { script: Arc::new(script), heard: Arc::default(), ended: CancellationToken::new() }
    }

    /// The commands so far.
    pub(crate) fn heard(&self) -> Vec<Command> {
        self.heard.lock().expect("no panic").clone()
    }

    /// A link to it; needs a runtime around.
    pub(crate) fn connect(&self) -> Link {
        let (commands, mut wanted) = mpsc::channel::<ToEngine>(COMMANDS);
        let (sender, events) = events();
        let engine = self.clone();
        tokio::spawn(async move {
            let mouth = Mouth { sender, seq: Mutex::new(0) };
            loop {
                let asked = tokio::select! {
                    asked = wanted.recv() => asked,
                    () = engine.ended.cancelled() => None,
                };
                let Some(ToEngine { id, command }) = asked else {
                    return;
                };
                engine.heard.lock().expect("no panic").push(command.clone());
                let reply = (engine.script)(&command, &mouth);
                mouth.send(ToClient::Reply { id, reply });
                if command == Command::Shutdown {
                    engine.ended.cancel();
                }
            }
        });
        Link { commands, events }
    }

    /// Serves it on a socket in `folder`, as the engine of `workspace`.
    pub(crate) fn serve(&self, lock_file: &Path, workspace: &Path, socket: &Path) -> Served {
        self.serve_whose(lock_file, workspace, socket, |_| Peer::Person(Vec::new()))
    }

    /// The same, where `whose` tells who a process works for.
    pub(crate) fn serve_whose(
        &self,
        lock_file: &Path,
        workspace: &Path,
        socket: &Path,
        whose: fn(u32) -> Peer,
    ) -> Served {
        let lock = WorkspaceLock::take(lock_file, workspace, socket).expect("the lock");
        let endpoint = Endpoint::bind(lock).expect("a socket");
        let stop = CancellationToken::new();
        let engine = self.clone();
        let (name, token) = (workspace.display().to_string(), stop.clone());
        let task = tokio::spawn(async move {
            endpoint.serve(&name, move || engine.connect(), whose, token).await;
        });
        Served { socket: socket.to_owned(), stop, task }
    }
}

/// A fake engine on a socket.
pub(crate) struct Served {
    pub(crate) socket: PathBuf,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Served {
    /// Ends it.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.task.await.expect("no panic");
    }
}

/// An agent's row.
pub(crate) fn agent(id: u32, name: &str, state: AgentState) -> AgentInfo {
    AgentInfo {
        id: AgentId(id),
        name: name.to_owned(),
        session_id: format!("session-{name}").as_str().into(),
        backend_session_id: None,
        backend: Backend::Script,
        state,
        model: Some("demo".to_owned()),
        permission_mode: PermissionMode::Default,
        guard: GuardLevel::Advisory,
        usage: Usage { cost_usd: 0.25, ..Usage::default() },
        holds: vec!["src/a.rs".to_owned()],
        waits_for: None,
        pid: Some(4242),
        title: "a title".to_owned(),
        queue: vec![],
        activity: None,
        background: vec![],
        commands: [].into(),
        models: [].into(),
        trouble: None,
    }
}

/// A snapshot without agents.
pub(crate) fn empty_snapshot() -> Snapshot {
    Snapshot {
        seq: 0,
        workspace: WorkspaceInfo {
            root: "/w".to_owned(),
            branch: "main".to_owned(),
            guard: GuardLevel::Advisory,
        },
        agents: vec![],
        asks: vec![],
        leases: vec![],
        refused: vec![],
        layout: None,
    }
}
