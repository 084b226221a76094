//! A front end's side of the socket: the same [`Link`] as in the engine's own process.
//!
//! When the front end is slow, the socket is not read, so the engine sees it and drops it to a
//! snapshot; nothing is dropped on this side.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio_util::codec::{FramedRead, FramedWrite, LinesCodec};

use super::wire;
use crate::engine::command::{Command, Reply};
use crate::engine::event::{PROTOCOL, ToClient, ToEngine};
use crate::engine::link::{COMMANDS, EVENT_BYTES, EventSender, Link, Sent, events};
use crate::git::ask::{Request, Word};
use crate::git::{Answer, FileQuestion};
use crate::model::agent::AgentInfo;
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::AgentId;
use crate::model::lease::LeaseInfo;
use crate::model::permission::Ask;

/// How long an engine may take to say its first word.
const HELLO: Duration = Duration::from_secs(5);

/// How long an engine may take to answer a command. A tool of the bench may wait for a file within
/// it, and a start for a slow disk; beyond it something is broken.
const ANSWER: Duration = Duration::from_secs(300);

/// How long an engine may take to say what git may touch; git waits for it.
const FACTS: Duration = Duration::from_secs(20);

/// How long an engine may take to let a git go on that may change the whole tree. Beyond the longest
/// time that the settings give the person, something is broken.
const WORD: Duration = Duration::from_secs(2 * 3600);

/// The engine as it introduced itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    /// Its process.
    pub pid: u32,
    /// The root of its workspace.
    pub workspace: String,
}

/// A front end that asks one thing after the other.
#[derive(Debug)]
pub struct Client {
    /// The link.
    pub link: Link,
    next: u64,
}

impl Client {
    /// Asks over `link`, which nobody else may use.
    pub fn new(link: Link) -> Self {
        Self { link, next: 1 }
    }

    /// Asks the engine and waits for the answer; a failed one is an error. What else the engine
    /// says meanwhile is dropped, so this is for front ends that have not subscribed.
    pub async fn request(&mut self, command: Command) -> Result<Reply, Failure> {
        self.request_within(command, ANSWER).await
    }

    async fn request_within(
        &mut self,
        command: Command,
        patience: Duration,
    ) -> Result<Reply, Failure> {
        match tokio::time::timeout(patience, self.answer(command)).await {
            Ok(reply) => reply,
            Err(_) => Err(Failure::new(FailureKind::Unreachable, "the engine does not answer")
                .hint("benchdog.log in the state folder may say why")),
        }
    }

    async fn answer(&mut self, command: Command) -> Result<Reply, Failure> {
        let id = self.next;
        self.next += 1;
        self.link.commands.send(ToEngine { id, command }).await.map_err(|_| gone())?;
        loop {
            match self.link.events.recv().await {
                Some(ToClient::Reply { id: answered, reply }) if answered == id => {
                    let Reply::Failed(failure) = reply else {
                        return Ok(reply);
                    };
                    return Err(failure);
                }
                // Under this id the engine says that it did not understand a line at all.
                Some(ToClient::Reply { id: 0, reply: Reply::Failed(failure) }) => {
                    return Err(failure);
                }
                Some(_) => {}
                None => return Err(gone()),
            }
        }
    }
}

impl Client {
    /// Asks for something that is answered with "done".
    pub async fn done(&mut self, command: Command) -> Result<(), Failure> {
        let reply = self.request(command).await?;
        if reply == Reply::Done { Ok(()) } else { Err(unexpected(&reply)) }
    }

    /// Asks for an agent to be started or resumed.
    pub async fn begin(&mut self, command: Command) -> Result<AgentId, Failure> {
        let reply = self.request(command).await?;
        if let Reply::Agent(agent) = reply { Ok(agent) } else { Err(unexpected(&reply)) }
    }

    /// Uses one of the bench's tools.
    pub async fn tool(&mut self, command: Command) -> Result<Value, Failure> {
        let reply = self.request(command).await?;
        if let Reply::Tool(result) = reply { Ok(result) } else { Err(unexpected(&reply)) }
    }

    /// Has a command guarded; an error in the answer is the settings' word that it is not.
    pub async fn exec(&mut self, command: Command) -> Result<Result<(), String>, Failure> {
        let reply = self.request(command).await?;
        if let Reply::Exec { guarded } = reply { Ok(guarded) } else { Err(unexpected(&reply)) }
    }

    /// The agents of the bench.
    pub async fn agents(&mut self) -> Result<Vec<AgentInfo>, Failure> {
        let reply = self.request(Command::ListAgents).await?;
        if let Reply::Agents(agents) = reply { Ok(agents) } else { Err(unexpected(&reply)) }
    }

    /// The leases of the workspace.
    pub async fn locks(&mut self) -> Result<Vec<LeaseInfo>, Failure> {
        let reply = self.request(Command::ListLocks).await?;
        if let Reply::Locks(leases) = reply { Ok(leases) } else { Err(unexpected(&reply)) }
    }

    /// What git may touch, for whoever asks.
    pub async fn git_facts(&mut self, files: Vec<FileQuestion>) -> Result<Answer, Failure> {
        let command = Command::GitFacts { agent: None, processes: Vec::new(), files };
        let reply = self.request_within(command, FACTS).await?;
        if let Reply::GitFacts(answer) = reply { Ok(answer) } else { Err(unexpected(&reply)) }
    }

    /// A step of a git that may change the whole tree. The person may take their time; how long
    /// is for the engine to say.
    pub async fn git_tree(&mut self, request: Request) -> Result<Word, Failure> {
        let command = Command::GitTree { agent: None, processes: Vec::new(), request };
        let reply = self.request_within(command, WORD).await?;
        if let Reply::GitTree(word) = reply { Ok(word) } else { Err(unexpected(&reply)) }
    }

    /// The asks that wait.
    pub async fn asks(&mut self) -> Result<Vec<Ask>, Failure> {
        let reply = self.request(Command::ListAsks).await?;
        if let Reply::Asks(asks) = reply { Ok(asks) } else { Err(unexpected(&reply)) }
    }
}

/// The engine went away in the middle of something.
pub fn gone() -> Failure {
    Failure::new(FailureKind::Unreachable, "the engine has gone")
        .hint("benchdog.log in the state folder says why")
}

/// The engine answered with something else than was asked for.
fn unexpected(reply: &Reply) -> Failure {
    Failure::new(FailureKind::Internal, "the engine gave an answer that does not fit")
        .cause(format!("{reply:?}"))
}

/// Connects to the engine that listens at `socket`.
pub async fn connect(socket: &Path) -> Result<(Introduction, Link), Failure> {
    let stream = UnixStream::connect(socket).await.map_err(|error| nobody(&error))?;
    let peer = stream.peer_cred().map_err(|error| nobody(&error))?;
    if peer.uid() != rustix::process::geteuid().as_raw() {
        let message = format!("{} belongs to another user", socket.display());
        return Err(Failure::new(FailureKind::Unreachable, message));
    }
    let (read, write) = stream.into_split();
    let mut lines = FramedRead::new(read, wire::codec());
    let sink = FramedWrite::new(write, wire::codec());
    let first = match tokio::time::timeout(HELLO, lines.next()).await {
        Ok(Some(Ok(line))) => line,
        Ok(Some(Err(error))) => return Err(silent().cause(error)),
        Ok(None) => return Err(silent().cause("it closed the connection")),
        Err(_) => return Err(silent().cause("it says nothing")),
    };
    let introduction = introduce(&first)?;
    let (commands, wanted) = mpsc::channel(COMMANDS);
    let (said, events) = events();
    // Ends by itself as soon as either side is gone.
    tokio::spawn(bridge(lines, sink, wanted, said));
    Ok((introduction, Link { commands, events }))
}

/// Reads the first word of an engine.
fn introduce(line: &str) -> Result<Introduction, Failure> {
    // Another version may have another shape, so only the number is looked at first.
    let raw: Value = serde_json::from_str(line).map_err(|error| silent().cause(error))?;
    match raw.get("protocol").and_then(Value::as_u64) {
        Some(protocol) if protocol == u64::from(PROTOCOL) => {}
        Some(protocol) => {
            let message = format!(
                "the running engine speaks protocol {protocol}, this benchdog speaks {PROTOCOL}"
            );
            return Err(Failure::new(FailureKind::Unreachable, message)
                .hint("use the benchdog that started it, or end it and start anew"));
        }
        None => {}
    }
    match wire::message(line) {
        Ok(ToClient::Hello { protocol: _, pid, workspace }) => Ok(Introduction { pid, workspace }),
        Ok(ToClient::Reply { id: _, reply: Reply::Failed(failure) }) => {
            Err(Failure { kind: FailureKind::Unreachable, ..failure })
        }
        Ok(_) => Err(silent().cause("its first word is no hello")),
        Err(error) => Err(silent().cause(error)),
    }
}

fn nobody(error: &io::Error) -> Failure {
    let is_absent = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused);
    let failure = if is_absent {
        Failure::new(FailureKind::Unreachable, "no engine runs for this workspace")
    } else {
        Failure::new(FailureKind::Unreachable, "the engine cannot be reached").cause(error)
    };
    failure.hint("`benchdog` opens the workbench, `benchdog serve` runs the engine alone")
}

fn silent() -> Failure {
    Failure::new(FailureKind::Unreachable, "what listens on the socket is no benchdog engine")
}

/// Carries lines until the front end or the engine is gone.
async fn bridge(
    lines: FramedRead<OwnedReadHalf, LinesCodec>,
    mut sink: FramedWrite<OwnedWriteHalf, LinesCodec>,
    mut wanted: mpsc::Receiver<ToEngine>,
    said: EventSender,
) {
    let hear = hear(lines, said);
    let ask = async {
        while let Some(command) = wanted.recv().await {
            let Some(line) = wire::line(&command) else {
                continue;
            };
            if sink.send(line).await.is_err() {
                return;
            }
        }
    };
    tokio::pin!(hear);
    // The front end may stop asking and still listen: only the end of listening ends it all.
    tokio::select! {
        () = &mut hear => {}
        () = ask => hear.await,
    }
}

/// Hands what the engine says to the front end, not faster than it takes it.
async fn hear(mut lines: FramedRead<OwnedReadHalf, LinesCodec>, said: EventSender) {
    loop {
        let line = tokio::select! {
            line = lines.next() => line,
            () = said.gone() => return,
        };
        let line = match line {
            Some(Ok(line)) => line,
            Some(Err(error)) => {
                tracing::warn!(%error, "the engine's line cannot be read");
                return;
            }
            None => return,
        };
        let message = match wire::message(&line) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(%error, "the engine said something unknown");
                continue;
            }
        };
        said.room().await;
        if said.send(message, line.len().min(EVENT_BYTES / 2)) == Sent::Closed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_engine_that_does_not_answer_is_not_waited_for_without_end() {
        let (commands, _taken) = mpsc::channel(1);
        let (_said, events) = events();
        let mut client = Client::new(Link { commands, events });
        let answer = client.request_within(Command::ListAgents, Duration::from_millis(1)).await;
        assert_eq!(answer.expect_err("no answer").kind, FailureKind::Unreachable);
    }

    #[tokio::test]
    async fn who_drops_a_link_has_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("s");
        let listener = tokio::net::UnixListener::bind(&socket).expect("a socket");
        let engine = async {
            let (mut stream, _) = listener.accept().await.expect("a front end");
            let hello = ToClient::Hello { protocol: PROTOCOL, pid: 1, workspace: "/w".to_owned() };
            let line = wire::line(&hello).expect("a line") + "\n";
            tokio::io::AsyncWriteExt::write_all(&mut stream, line.as_bytes()).await.expect("said");
            let mut rest = Vec::new();
            tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await
        };
        let front_end = async { drop(connect(&socket).await.expect("a link")) };
        let ended = async { tokio::join!(engine, front_end).0 };
        let ended = tokio::time::timeout(HELLO, ended).await.expect("the engine hears of the end");
        assert_eq!(ended.expect("an end"), 0);
    }

    #[test]
    fn an_engine_of_another_version_is_told_apart_from_something_else() {
        let hello = |protocol: u32| {
            format!(r#"{{"type":"hello","protocol":{protocol},"pid":4,"workspace":"/w","more":1}}"#)
        };
        assert_eq!(
            introduce(&hello(PROTOCOL)),
            Ok(Introduction { pid: 4, workspace: "/w".to_owned() })
        );
        for (line, said) in [
            (hello(PROTOCOL + 1), "the running engine speaks protocol 2, this benchdog speaks 1"),
            ("HTTP/1.1 400".to_owned(), "what listens on the socket is no benchdog engine"),
            ("{}".to_owned(), "what listens on the socket is no benchdog engine"),
            (
                r#"{"type":"reply","id":0,"reply":{"reply":"failed","value":{"kind":"failed","message":"too many front ends are connected"}}}"#
                    .to_owned(),
                "too many front ends are connected",
            ),
        ] {
            let failure = introduce(&line).expect_err("refused");
            assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Unreachable, said));
        }
    }
}
