//! The engine's side of the socket.
//!
//! Each connection gets a link of its own from the engine and does nothing but carry lines. It
//! ends with its front end or with the engine, and takes nobody with it.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::codec::{FramedRead, LinesCodecError};
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::lock::WorkspaceLock;
use super::peer::{Door, Peer};
use super::wire;
use crate::engine::command::Reply;
use crate::engine::event::{PROTOCOL, ToClient, ToEngine};
use crate::engine::link::{EventReceiver, Link};
use crate::model::failure::{Failure, FailureKind};

/// Front ends at the same time; one more is turned away. Each tool call of a script and each start
/// of a guarded command is one for a moment, so there are several for each agent.
pub const CONNECTIONS: usize = 256;

/// Answers to bad lines that may wait for a front end; it is not read any further meanwhile.
const ANSWERS: usize = 8;

/// How long connections may take to say their last words when the engine ends.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long nobody is accepted after the system refused to accept.
const REST: Duration = Duration::from_millis(100);

/// A socket that listens for a workspace. Dropping it removes the socket, then frees the
/// workspace.
#[derive(Debug)]
pub struct Endpoint {
    listener: UnixListener,
    lock: WorkspaceLock,
}

impl Endpoint {
    /// Listens where `lock` says. A socket that is still there belongs to nobody, since the lock
    /// is ours, and is removed. The folder must be private.
    pub fn bind(lock: WorkspaceLock) -> Result<Self, Failure> {
        let path = lock.socket();
        let broken = |error: io::Error| {
            let message = format!("the socket {} cannot be made", path.display());
            Failure::new(FailureKind::Failed, message).cause(error)
        };
        match fs::symlink_metadata(path) {
            Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(broken)?,
            Ok(_) => return Err(broken(ErrorKind::AlreadyExists.into())),
            Err(_) => {}
        }
        let listener = UnixListener::bind(path).map_err(broken)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(broken)?;
        Ok(Self { listener, lock })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        self.lock.socket()
    }

    /// Carries links to front ends until `stop`. `whose` tells who a process works for; it may
    /// block. Gives itself back, so that the workspace stays taken until the engine has ended too.
    pub async fn serve<F>(
        self,
        workspace: &str,
        connect: F,
        whose: fn(u32) -> Peer,
        stop: CancellationToken,
    ) -> Self
    where
        F: Fn() -> Link,
    {
        let user = rustix::process::geteuid().as_raw();
        self.serve_user(user, workspace, connect, whose, stop).await
    }

    async fn serve_user<F>(
        self,
        user: u32,
        workspace: &str,
        connect: F,
        whose: fn(u32) -> Peer,
        stop: CancellationToken,
    ) -> Self
    where
        F: Fn() -> Link,
    {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a front end cannot be accepted");
                    tokio::time::sleep(REST).await;
                    continue;
                }
            };
            let process = match stream.peer_cred() {
                Ok(peer) if peer.uid() == user => peer.pid(),
                Ok(peer) => {
                    tracing::warn!(uid = peer.uid(), "a front end of another user is turned away");
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, "a front end without a user is turned away");
                    continue;
                }
            };
            let process = process.and_then(|pid| u32::try_from(pid).ok());
            if connections.len() >= CONNECTIONS {
                connections.spawn(turn_away(stream));
                continue;
            }
            let hello = ToClient::Hello {
                protocol: PROTOCOL,
                pid: std::process::id(),
                workspace: workspace.to_owned(),
            };
            let looked = tokio::task::spawn_blocking(move || process.map(whose)).await;
            // Who cannot be told is not taken for the person.
            let door = match looked.ok().flatten().unwrap_or(Peer::Agent(Vec::new())) {
                Peer::Person(processes) => Door::Open { processes },
                Peer::Agent(processes) => {
                    Door::Guarded { processes, engine: Client::new(connect()) }
                }
            };
            connections.spawn(carry(stream, hello, connect(), door));
        }
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_WORDS, drained).await.is_err() {
            tracing::info!("front ends that did not read to the end are cut off");
        }
        self
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(self.lock.socket()) {
            tracing::warn!(%error, "the socket is left behind");
        }
    }
}

/// Says that there are too many front ends.
async fn turn_away(stream: UnixStream) {
    let (_, write) = stream.into_split();
    let mut sink = BufWriter::new(write);
    let failure = Failure::new(FailureKind::Failed, "too many front ends are connected");
    let reply = ToClient::Reply { id: 0, reply: Reply::Failed(failure) };
    if put(&mut sink, &reply).await.is_ok() {
        let _gone = sink.flush().await;
    }
}

/// Carries one link until one side is gone.
async fn carry(stream: UnixStream, hello: ToClient, link: Link, door: Door) {
    let (read, write) = stream.into_split();
    let Link { commands, events } = link;
    let (answers, answered) = mpsc::channel(ANSWERS);
    let listen = listen(read, commands, answers, door);
    let speak = speak(write, hello, events, answered);
    tokio::pin!(speak);
    let spoken = tokio::select! {
        // A front end that only stopped sending still gets the answers to what it sent.
        () = listen => tokio::time::timeout(LAST_WORDS, speak).await.unwrap_or(Ok(())),
        spoken = &mut speak => spoken,
    };
    if let Err(error) = spoken {
        tracing::debug!(%error, "a front end is gone");
    }
}

/// Hands the commands of a front end to the engine. Waits when the engine is behind.
async fn listen(
    read: OwnedReadHalf,
    commands: mpsc::Sender<ToEngine>,
    answers: mpsc::Sender<ToClient>,
    mut door: Door,
) {
    let mut lines = FramedRead::new(read, wire::codec());
    let mut after_error = false;
    loop {
        let bad = match lines.next().await {
            Some(Ok(line)) if line.trim().is_empty() => continue,
            Some(Ok(line)) => match wire::command(&line) {
                Ok(mut asked) => match door.check(&mut asked.command).await {
                    Ok(()) => {
                        if commands.send(asked).await.is_err() {
                            return;
                        }
                        continue;
                    }
                    Err(failure) => {
                        let reply = Reply::Failed(failure);
                        ToClient::Reply { id: asked.id, reply }
                    }
                },
                Err(reply) => *reply,
            },
            Some(Err(LinesCodecError::MaxLineLengthExceeded)) => {
                after_error = true;
                bad_line(&format!("the line is longer than {} MiB", wire::LINE_BYTES >> 20))
            }
            Some(Err(LinesCodecError::Io(error))) if error.kind() == ErrorKind::InvalidData => {
                after_error = true;
                bad_line("the line is not UTF-8")
            }
            Some(Err(LinesCodecError::Io(error))) => {
                tracing::debug!(%error, "a front end is gone");
                return;
            }
            // The codec says "end" once after each error and then goes on.
            None if after_error => {
                after_error = false;
                continue;
            }
            None => return,
        };
        if answers.send(bad).await.is_err() {
            return;
        }
    }
}

fn bad_line(why: &str) -> ToClient {
    ToClient::Reply { id: 0, reply: Reply::Failed(Failure::new(FailureKind::Usage, why)) }
}

/// Writes what the engine says. It may wait for the front end as long as it likes: the link in
/// front of it never waits.
async fn speak(
    write: OwnedWriteHalf,
    hello: ToClient,
    mut events: EventReceiver,
    mut answered: mpsc::Receiver<ToClient>,
) -> io::Result<()> {
    let mut sink = BufWriter::new(write);
    put(&mut sink, &hello).await?;
    sink.flush().await?;
    loop {
        let message = tokio::select! {
            message = events.recv() => match message {
                Some(message) => message,
                None => return sink.shutdown().await,
            },
            Some(answer) = answered.recv() => answer,
        };
        put(&mut sink, &message).await?;
        // What waits goes out together.
        while let Some(message) = events.try_recv() {
            put(&mut sink, &message).await?;
        }
        sink.flush().await?;
    }
}

async fn put(sink: &mut BufWriter<OwnedWriteHalf>, message: &ToClient) -> io::Result<()> {
    let Some(mut line) = wire::line(message) else {
        return Ok(());
    };
    line.push('\n');
    sink.write_all(line.as_bytes()).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
    use tokio::sync::Notify;

    use super::super::client::{Client, connect};
    use super::super::fake::{FakeEngine, Mouth, agent, empty_snapshot};
    use super::*;
    use crate::engine::command::Command;
    use crate::engine::event::Event;
    use crate::engine::link::{EVENT_BYTES, Sent, events};
    use crate::model::agent::AgentState;
    use crate::model::id::{AgentId, ItemId};
    use crate::model::permission::PermissionMode;

    fn endpoint(dir: &Path) -> Endpoint {
        let lock = WorkspaceLock::take(&dir.join("w.lock"), dir, &dir.join("w.sock"));
        Endpoint::bind(lock.expect("the lock")).expect("a socket")
    }

    fn facts(agent: Option<AgentId>) -> Command {
        Command::GitFacts { agent, processes: Vec::new(), files: Vec::new() }
    }

    fn lists_agents(command: &Command, _: &Mouth) -> Reply {
        if *command == Command::ListAgents {
            return Reply::Agents(vec![]);
        }
        Reply::Failed(Failure::new(FailureKind::Failed, format!("no {command:?}")))
    }

    #[tokio::test]
    async fn a_command_goes_there_and_its_answer_comes_back() {
        let dir = tempfile::tempdir().expect("a folder");
        let engine = FakeEngine::new(lists_agents);
        let (lock, socket) = (dir.path().join("w.lock"), dir.path().join("w.sock"));
        let served = engine.serve(&lock, dir.path(), &socket);
        let (introduction, link) = connect(&served.socket).await.expect("a link");
        assert_eq!(introduction.pid, std::process::id());
        assert_eq!(introduction.workspace, dir.path().display().to_string());
        let mut client = Client::new(link);
        assert_eq!(client.request(Command::ListAgents).await, Ok(Reply::Agents(vec![])));
        let failure = client.request(Command::ListLocks).await.expect_err("a failure");
        assert_eq!(failure.message, "no ListLocks");
        assert_eq!(engine.heard(), [Command::ListAgents, Command::ListLocks]);
        drop(client);
        served.end().await;
        assert!(!socket.exists(), "the socket is removed");
    }

    #[tokio::test]
    async fn the_socket_is_closed_to_others() {
        let dir = tempfile::tempdir().expect("a folder");
        let endpoint = endpoint(dir.path());
        let mode = fs::metadata(endpoint.path()).expect("a socket").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn another_user_is_turned_away_without_a_word() {
        let dir = tempfile::tempdir().expect("a folder");
        let endpoint = endpoint(dir.path());
        let socket = endpoint.path().to_owned();
        let stop = CancellationToken::new();
        let engine = FakeEngine::new(lists_agents);
        let other = rustix::process::geteuid().as_raw() + 1;
        let token = stop.clone();
        let serving = tokio::spawn(async move {
            endpoint
                .serve_user(
                    other,
                    "/w",
                    move || engine.connect(),
                    |_| Peer::Person(Vec::new()),
                    token,
                )
                .await
        });
        let mut stream = UnixStream::connect(&socket).await.expect("a stream");
        let said = stream.read(&mut [0; 64]).await.expect("the end");
        assert_eq!(said, 0);
        let failure = connect(&socket).await.expect_err("no link");
        assert_eq!(failure.kind, FailureKind::Unreachable);
        stop.cancel();
        serving.await.expect("no panic");
    }

    #[tokio::test]
    async fn a_process_of_an_agent_may_look_and_use_the_tools_as_itself_only() {
        let dir = tempfile::tempdir().expect("a folder");
        let engine = FakeEngine::new(|command, _| {
            if *command == Command::ListAgents {
                return Reply::Agents(vec![agent(1, "blue", AgentState::Working)]);
            }
            match matches!(command, Command::CallTool { .. }) {
                true => Reply::Tool(serde_json::json!({"ok": true})),
                false => Reply::Done,
            }
        });
        let (lock, socket) = (dir.path().join("w.lock"), dir.path().join("w.sock"));
        // The process of the agent `blue` is an ancestor of whoever comes.
        let served =
            engine.serve_whose(&lock, dir.path(), &socket, |pid| Peer::Agent(vec![pid, 4242, 1]));
        let (_, link) = connect(&socket).await.expect("a link");
        let mut client = Client::new(link);
        let call = |name: &str| Command::CallTool {
            name: name.to_owned(),
            tool: "who_has".to_owned(),
            input: serde_json::json!({}),
        };
        let agent = AgentId(1);
        for allowed in [Command::Subscribe, Command::ListLocks, Command::ListAsks, call("blue")] {
            let reply = client.request(allowed.clone()).await;
            assert!(reply.is_ok(), "{allowed:?} {reply:?}");
        }
        // What is asked for git is asked as the agent that it is, whatever is said.
        for claimed in [None, Some(AgentId(7))] {
            let asked = facts(claimed);
            client.request(asked).await.expect("an answer");
            let meant = facts(Some(agent));
            assert_eq!(engine.heard().last(), Some(&meant));
        }
        let refused = [
            call("red"),
            call("user"),
            Command::Shutdown,
            Command::StopAgent { agent },
            Command::Steal { path: "a".to_owned(), to: Some(agent) },
            Command::Release { path: "a".to_owned() },
            Command::Send { agent, text: "do it".to_owned() },
            Command::SetMode { agent, mode: PermissionMode::BypassPermissions },
        ];
        let heard = engine.heard().len();
        for command in refused {
            let failure = client.request(command.clone()).await.expect_err("refused");
            assert_eq!(failure.kind, FailureKind::NeedsPerson, "{command:?}");
        }
        let more = engine.heard().split_off(heard);
        assert!(more.iter().all(|command| *command == Command::ListAgents), "{more:?}");
        drop(client);
        served.end().await;
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_file_is_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("w.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("a dead socket"));
        assert!(path.exists());
        drop(endpoint(dir.path()));
        assert!(!path.exists());
        fs::write(&path, "precious").expect("a file");
        let lock = WorkspaceLock::take(&dir.path().join("w.lock"), dir.path(), &path);
        let failure = Endpoint::bind(lock.expect("the lock")).expect_err("refused");
        assert!(failure.message.ends_with("cannot be made"), "{failure}");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "precious");
    }

    #[tokio::test]
    async fn a_bad_line_is_answered_and_the_connection_lives() {
        let dir = tempfile::tempdir().expect("a folder");
        let engine = FakeEngine::new(lists_agents);
        let (lock, socket) = (dir.path().join("w.lock"), dir.path().join("w.sock"));
        let served = engine.serve(&lock, dir.path(), &socket);
        let stream = UnixStream::connect(&socket).await.expect("a stream");
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        let hello = lines.next_line().await.expect("a line").expect("a line");
        assert!(hello.starts_with(r#"{"type":"hello","protocol":1,"#), "{hello}");
        let sent: [(&[u8], &str); 5] = [
            (b"nonsense\n", "the line is not JSON"),
            (b"\xff\xfe\n", "the line is not UTF-8"),
            (b"{\"id\":3,\"command\":\"dance\"}\n", "not a command of this engine"),
            (b"\n{\"id\":4,\"command\":\"list_agents\"}\n", r#""id":4,"reply":{"reply":"agents""#),
            // Without a newline, and then nothing more: still answered.
            (b"{\"id\":5,\"command\":\"list_agents\"}", r#""id":5,"reply":{"reply":"agents""#),
        ];
        for (line, said) in sent {
            write.write_all(line).await.expect("it is taken");
            if !line.ends_with(b"\n") {
                write.shutdown().await.expect("the end");
            }
            let answer = lines.next_line().await.expect("a line").expect("a line");
            assert!(answer.contains(said), "{answer}");
        }
        served.end().await;
    }

    #[tokio::test]
    async fn a_line_without_end_is_refused_and_the_next_one_is_heard() {
        let dir = tempfile::tempdir().expect("a folder");
        let engine = FakeEngine::new(lists_agents);
        let (lock, socket) = (dir.path().join("w.lock"), dir.path().join("w.sock"));
        let served = engine.serve(&lock, dir.path(), &socket);
        let stream = UnixStream::connect(&socket).await.expect("a stream");
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        lines.next_line().await.expect("hello");
        let piece = vec![b'x'; 1024 * 1024];
        for _ in 0..=(wire::LINE_BYTES >> 20) {
            write.write_all(&piece).await.expect("it is taken");
        }
        write.write_all(b"\n{\"id\":1,\"command\":\"list_agents\"}\n").await.expect("it is taken");
        let first = lines.next_line().await.expect("a line").expect("a line");
        assert!(first.contains("the line is longer than 64 MiB"), "{first}");
        let second = lines.next_line().await.expect("a line").expect("a line");
        assert!(second.contains(r#""id":1"#), "{second}");
        served.end().await;
    }

    /// A front end that reads nothing: its link overflows, the engine's sender is never held up,
    /// and once it reads again a snapshot brings it up to date.
    #[tokio::test]
    async fn a_front_end_that_does_not_read_never_blocks_the_engine() {
        let dir = tempfile::tempdir().expect("a folder");
        let endpoint = endpoint(dir.path());
        let socket = endpoint.path().to_owned();
        let (sender, receiver) = events();
        let (commands, _wanted) = mpsc::channel(1);
        let link = std::sync::Mutex::new(Some(Link { commands, events: receiver }));
        let connected = Arc::new(Notify::new());
        let seen = Arc::clone(&connected);
        let stop = CancellationToken::new();
        let token = stop.clone();
        let serving = tokio::spawn(async move {
            let connect = move || {
                seen.notify_one();
                link.lock().expect("no panic").take().expect("one front end")
            };
            endpoint.serve("/w", connect, |_| Peer::Person(Vec::new()), token).await
        });
        let stream = UnixStream::connect(&socket).await.expect("a stream");
        connected.notified().await;
        let piece = "x".repeat(64 * 1024);
        let mut overflowed = false;
        let mut sent = 0_u64;
        // Twice what a link holds is more than link and socket can hold together.
        while !overflowed && sent < 2 * (EVENT_BYTES as u64) / (64 * 1024) + 64 {
            sent += 1;
            let event =
                Event::TextAppended { agent: AgentId(1), item: ItemId(sent), text: piece.clone() };
            overflowed =
                sender.send(ToClient::Event { seq: sent, event }, piece.len()) == Sent::Overflowed;
            tokio::task::yield_now().await;
        }
        assert!(overflowed, "after {sent} events");
        sender.send(ToClient::Snapshot(Box::new(empty_snapshot())), 1);
        let mut lines = BufReader::new(stream).lines();
        loop {
            let line = lines.next_line().await.expect("a line").expect("a snapshot");
            if line.starts_with(r#"{"type":"snapshot""#) {
                break;
            }
        }
        drop(sender);
        assert_eq!(lines.next_line().await.expect("the end"), None);
        stop.cancel();
        serving.await.expect("no panic");
    }

    #[tokio::test]
    async fn a_slow_client_loses_nothing_on_its_own_side() {
        let dir = tempfile::tempdir().expect("a folder");
        let engine = FakeEngine::new(|command, mouth| {
            if matches!(command, Command::Subscribe) {
                for item in 0..4_000 {
                    let text = "y".repeat(4096);
                    mouth.say(Event::TextAppended { agent: AgentId(1), item: ItemId(item), text });
                }
            }
            Reply::Done
        });
        let (lock, socket) = (dir.path().join("w.lock"), dir.path().join("w.sock"));
        let served = engine.serve(&lock, dir.path(), &socket);
        let (_, mut link) = connect(&socket).await.expect("a link");
        link.commands.send(ToEngine { id: 1, command: Command::Subscribe }).await.expect("sent");
        let mut items = 0;
        // 16 MiB in all, twice what the link holds. The front end lets everybody else go first.
        for _ in 0..5_000 {
            tokio::task::yield_now().await;
        }
        loop {
            match link.events.recv().await {
                Some(ToClient::Event { .. }) => items += 1,
                Some(ToClient::Reply { id: 1, .. }) => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(items, 4_000);
        drop(link);
        served.end().await;
    }
}
