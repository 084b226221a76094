//! The three streams of a process, a task for each.

use std::future;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::agent::claude::decode::{Decoder, Phase};
use crate::agent::claude::{encode, is_partial};
use crate::agent::process::lines::{Lines, Piece};
use crate::agent::process::tail::Tail;
use crate::agent::{Order, Said};
use crate::model::id::AgentId;
use crate::model::report::{Report, Way};
use crate::model::transcript::Level;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// Bytes that a pipe may still hold when everybody who wrote to it is dead. What comes beyond is
/// from somebody who got away.
const LEFT_IN_PIPE: usize = 1 << 20;

/// A stream that has ended.
#[derive(Debug)]
pub(super) enum Part {
    /// What the agent says.
    Output,
    /// What it complains of, and the last of it.
    Errors(String),
    /// What it is told.
    Input,
}

/// How the driver speaks to the engine.
#[derive(Debug, Clone)]
pub(super) struct Voice {
    agent: AgentId,
    run: u64,
    said: mpsc::Sender<Said>,
}

/// Nobody listens any more.
#[derive(Debug)]
pub(super) struct Deaf;

impl Voice {
    pub(super) fn new(agent: AgentId, run: u64, said: mpsc::Sender<Said>) -> Self {
        Self { agent, run, said }
    }

    /// Says something, as soon as the engine has room for it.
    pub(super) async fn say(&self, report: Report) -> Result<(), Deaf> {
        let said = Said { agent: self.agent, run: self.run, report };
        self.said.send(said).await.map_err(|_| Deaf)
    }

    /// Waits until nobody listens any more.
    pub(super) async fn closed(&self) {
        self.said.closed().await;
    }
}

/// Reads what the agent says.
#[derive(Debug)]
pub(super) struct Reader {
    lines: Lines,
    decoder: Decoder,
    voice: Voice,
    own: mpsc::Sender<String>,
    phase: watch::Sender<Phase>,
    pid: u32,
}

impl Reader {
    pub(super) fn new(
        voice: Voice,
        own: mpsc::Sender<String>,
        phase: watch::Sender<Phase>,
        pid: u32,
    ) -> Self {
        let (lines, decoder) = (Lines::default(), Decoder::new());
        Self { lines, decoder, voice, own, phase, pid }
    }

    /// Reads to the end, or until `gone` has come and nothing more does.
    pub(super) async fn read(
        mut self,
        mut stdout: ChildStdout,
        gone: CancellationToken,
        quiet: Duration,
    ) -> Part {
        let mut chunk = vec![0; CHUNK];
        let mut after = 0;
        while let Some(count) = next(&mut stdout, &mut chunk, &gone, quiet, &mut after).await {
            for piece in self.lines.push(&chunk[..count]) {
                if self.take(piece).await.is_err() {
                    return Part::Output;
                }
            }
        }
        if let Some(rest) = self.lines.finish() {
            // Whether anybody hears it makes no difference any more.
            drop(self.take(rest).await);
        }
        Part::Output
    }

    async fn take(&mut self, piece: Piece) -> Result<(), Deaf> {
        let (raw, reports) = match piece {
            Piece::Line(line) => {
                let reports = self.decoder.feed(&line);
                let kept = !line.trim().is_empty() && !is_partial(&line);
                (kept.then_some(line), reports)
            }
            Piece::TooLong { head, bytes } => {
                let reports = self.decoder.too_long(&head, bytes);
                (Some(head), reports)
            }
        };
        for answer in self.decoder.replies() {
            if self.own.try_send(answer).is_err() {
                let text = "the agent asks faster than it reads; a request is not answered";
                let text = text.to_owned();
                self.voice.say(Report::Notice { level: Level::Error, text }).await?;
            }
        }
        self.phase.send_if_modified(|phase| {
            let changed = phase != self.decoder.phase();
            if changed {
                phase.clone_from(self.decoder.phase());
            }
            changed
        });
        if let Some(line) = raw {
            self.voice.say(Report::Line { way: Way::Out, line }).await?;
        }
        for mut report in reports {
            if let Report::Ready(ready) = &mut report {
                ready.pid = ready.pid.or(Some(self.pid));
            }
            self.voice.say(report).await?;
        }
        Ok(())
    }
}

/// Reads what the agent complains of, and keeps the last of it.
pub(super) async fn last_words(
    mut stderr: ChildStderr,
    gone: CancellationToken,
    quiet: Duration,
) -> Part {
    let mut chunk = vec![0; CHUNK];
    let mut tail = Tail::default();
    let mut after = 0;
    while let Some(count) = next(&mut stderr, &mut chunk, &gone, quiet, &mut after).await {
        tail.push(&chunk[..count]);
    }
    Part::Errors(tail.text())
}

/// Writes orders as lines, and lines of the driver's own before them. It holds the input open
/// until the task is ended from outside.
pub(super) async fn write(
    mut stdin: ChildStdin,
    mut orders: mpsc::Receiver<Order>,
    mut own: mpsc::Receiver<String>,
    voice: Voice,
) -> Part {
    let mut next = Some(encode::initialize());
    let mut serial = 0;
    loop {
        if let Some(line) = next.take() {
            let way = Way::In;
            if voice.say(Report::Line { way, line: line.clone() }).await.is_err() {
                break;
            }
            let mut bytes = line.into_bytes();
            bytes.push(b'\n');
            if stdin.write_all(&bytes).await.is_err() {
                // It reads no more; that it has ended, others will see.
                break;
            }
        }
        next = tokio::select! {
            biased;
            Some(line) = own.recv() => Some(line),
            Some(order) = orders.recv() => {
                serial += 1;
                encode::order(&order, serial)
            }
            else => break,
        };
    }
    drop((orders, own));
    future::pending::<()>().await;
    Part::Input
}

/// The next bytes; `None` at the end of the stream, or when it is certain that nobody writes to it
/// any more who should.
async fn next(
    stream: &mut (impl AsyncRead + Unpin),
    chunk: &mut [u8],
    gone: &CancellationToken,
    quiet: Duration,
    after: &mut usize,
) -> Option<usize> {
    let silence = async {
        gone.cancelled().await;
        sleep(quiet).await;
    };
    tokio::select! {
        biased;
        read = stream.read(chunk) => {
            let count = read.ok().filter(|count| *count > 0)?;
            if gone.is_cancelled() {
                *after += count;
            }
            (*after <= LEFT_IN_PIPE).then_some(count)
        }
        () = silence => None,
    }
}
