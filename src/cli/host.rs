//! An engine in this process: it takes the workspace, listens on the socket, and ends in order.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::parts::{Engine, Parts};
use super::setup::Setup;
use super::stage::Listener;
use crate::agent::process::lineage::{Lineage, lineage};
use crate::config::folders::private_folder;
use crate::control::client::{Client, Introduction, gone};
use crate::control::lock::{LockError, WorkspaceLock};
use crate::control::peer::Peer;
use crate::control::server::Endpoint;
use crate::engine::command::Command;
use crate::engine::link::Link;
use crate::model::failure::{Failure, FailureKind};

/// How long an engine may take to end its agents and to store everything.
const FAREWELL: Duration = Duration::from_secs(30);

/// An engine in this process, with its socket.
pub(super) struct Host {
    connect: Arc<dyn Fn() -> Link + Send + Sync>,
    ended: BoxFuture<'static, Result<(), Failure>>,
    /// How it ended, if it has.
    end: Option<Result<(), Failure>>,
    stop: CancellationToken,
    serving: JoinHandle<Endpoint>,
}

/// The engine of a workspace, wherever it runs.
pub(super) enum Reach {
    /// In another process.
    Running(Introduction),
    /// In this one; it was just started.
    Own(Host),
}

impl Host {
    /// Takes the workspace, starts its engine and listens. Must be called inside a runtime.
    pub(super) fn start(setup: &Setup, parts: &dyn Parts) -> Result<Self, Failure> {
        Taken::take(setup)?.map_err(Failure::from)?.start(setup, parts)
    }

    /// A link to the engine.
    pub(super) fn link(&self) -> Link {
        (self.connect)()
    }

    /// Waits until the engine ends by itself, because a front end wished it or because it failed.
    pub(super) async fn wait(&mut self) {
        if self.end.is_none() {
            self.end = Some((&mut self.ended).await);
        }
    }

    /// Ends the engine with its agents, then the socket, then frees the workspace. Whoever wants
    /// it to end once more need not wait for that.
    pub(super) async fn shut_down(mut self, breaks: &mut Listener) -> Result<(), Failure> {
        let mut outcome = Ok(());
        if self.end.is_none() {
            // Its answer may get lost in its own end; what counts is that it ends.
            let asked = Client::new(self.link());
            let farewell = async {
                let mut asked = asked;
                let reply = asked.request(Command::Shutdown).await;
                if let Err(failure) = &reply
                    && failure.kind != FailureKind::Unreachable
                {
                    tracing::warn!(%failure, "the engine does not want to end");
                }
                self.wait().await;
            };
            outcome = tokio::select! {
                () = farewell => Ok(()),
                () = tokio::time::sleep(FAREWELL) => {
                    let seconds = FAREWELL.as_secs();
                    let message = format!("the engine has not ended after {seconds} s");
                    Err(Failure::new(FailureKind::Internal, message))
                }
                _ = breaks.wait() => {
                    Err(Failure::new(FailureKind::Interrupted, "the engine did not end in order"))
                }
            };
            outcome = outcome.map_err(|failure| failure.hint("agents may still run; look with ps"));
        }
        let outcome = outcome.and(self.end.unwrap_or(Ok(())));
        self.stop.cancel();
        match self.serving.await {
            Ok(endpoint) => drop(endpoint),
            Err(error) => tracing::error!(%error, "the socket's task has failed"),
        }
        outcome
    }
}

/// Who the process `pid` works for.
fn whose(pid: u32) -> Peer {
    match lineage(pid) {
        Lineage::Person(processes) => Peer::Person(processes),
        Lineage::Agent(processes) => Peer::Agent(processes),
    }
}

/// A workspace that is ours, before its engine runs.
struct Taken {
    endpoint: Endpoint,
}

impl Taken {
    /// Takes it; the inner error says that another engine has it.
    fn take(setup: &Setup) -> Result<Result<Self, LockError>, Failure> {
        let place = &setup.place;
        place.folders.create()?;
        let socket = place.folders.socket(&place.workspace);
        private_folder(socket.parent().unwrap_or(Path::new("/")))?;
        let lock_file = place.folders.lock_file(&place.workspace);
        match WorkspaceLock::take(&lock_file, &place.workspace, &socket) {
            Ok(lock) => Ok(Ok(Self { endpoint: Endpoint::bind(lock)? })),
            Err(error) => Ok(Err(error)),
        }
    }

    fn start(self, setup: &Setup, parts: &dyn Parts) -> Result<Host, Failure> {
        let Engine { connect, ended } = parts.start_engine(setup)?;
        let stop = CancellationToken::new();
        let (links, token) = (Arc::clone(&connect), stop.clone());
        let workspace = setup.place.workspace.display().to_string();
        let endpoint = self.endpoint;
        let serving =
            tokio::spawn(
                async move { endpoint.serve(&workspace, move || links(), whose, token).await },
            );
        Ok(Host { connect, ended, end: None, stop, serving })
    }
}

/// The engine of the workspace: the one that runs, else a new one in this process.
pub(super) async fn reach(setup: &Setup, parts: &dyn Parts) -> Result<Reach, Failure> {
    if let Ok((introduction, _)) = setup.place.attach().await {
        return Ok(Reach::Running(introduction));
    }
    match Taken::take(setup)? {
        Ok(taken) => Ok(Reach::Own(taken.start(setup, parts)?)),
        // Somebody was faster: it may answer by now.
        Err(error) => match setup.place.attach().await {
            Ok((introduction, _)) => Ok(Reach::Running(introduction)),
            Err(_) => Err(error.into()),
        },
    }
}

impl Reach {
    /// Another link to the same engine.
    pub(super) async fn link(&self, setup: &Setup) -> Result<Link, Failure> {
        match self {
            Self::Running(_) => Ok(setup.place.attach().await?.1),
            Self::Own(host) => Ok(host.link()),
        }
    }

    /// Ends the engine if it is ours. Whoever wants it to end once more need not wait.
    pub(super) async fn leave(self, breaks: &mut Listener) -> Result<(), Failure> {
        match self {
            Self::Running(_) => Ok(()),
            Self::Own(host) => host.shut_down(breaks).await,
        }
    }
}

/// Ends an engine in another process and waits until it is gone.
pub(super) async fn shut_down_other(link: Link) -> Result<(), Failure> {
    let mut client = Client::new(link);
    match client.request(Command::Shutdown).await {
        Ok(_) => {}
        Err(failure) if failure == gone() => return Ok(()),
        Err(failure) => return Err(failure),
    }
    let closing = async { while client.link.events.recv().await.is_some() {} };
    tokio::time::timeout(FAREWELL, closing).await.map_err(|_| {
        let seconds = FAREWELL.as_secs();
        Failure::new(FailureKind::Failed, format!("the engine has not ended after {seconds} s"))
    })
}
