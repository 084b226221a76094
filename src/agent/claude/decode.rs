//! Lines of Claude Code, decoded into [`Report`]s.
//!
//! - **It never fails and loses no line.** A line that it does not understand becomes
//!   [`Report::Unknown`]; one that says nothing new to anybody becomes no report at all.
//! - **It decides nothing.** What must be answered and is no business of the engine is answered
//!   here at once ([`Decoder::replies`]), always with "no opinion" or with a refusal.
//! - No clock, no I/O. What it remembers is bounded.

mod message;
mod recent;
mod request;
mod stream;
mod system;
mod turn;

use serde_json::Value;

use super::wire::{self, Head, HeadRequest, RateLimit};
use crate::model::id::{CallId, RequestId, SubId};
use crate::model::permission::PermissionMode;
use crate::model::report::{BlockAt, Report};
use crate::model::transcript::{Hunk, Level};
use recent::Recent;
use stream::Streams;
use system::Tasks;

/// Requests with an id of our own that may be withdrawn.
const RENAMED: usize = 256;
/// Changes of files that wait for the frame of their result.
const CHANGES: usize = 64;
/// Sub-agents whose starting call is remembered.
const SUB_AGENTS: usize = 1024;

/// Where the process stands, as far as its lines tell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Phase {
    /// It has not answered yet.
    #[default]
    Starting,
    /// It waits for a prompt.
    Idle,
    /// A turn is under way.
    Turn,
    /// It will never work: the reason, for people.
    Doomed(String),
}

/// Reads the lines of one process, in their order.
#[derive(Debug, Default)]
pub struct Decoder {
    phase: Phase,
    mode: Option<PermissionMode>,
    /// The main conversation's model and how much of its window is filled, with the message that
    /// says so.
    model: String,
    filled: Option<(String, u64)>,
    active: bool,
    interrupted: bool,
    limit: Option<(String, String)>,
    streams: Streams,
    subs: Recent<String, SubId>,
    renamed: Recent<String, RequestId>,
    /// By call: results of sub-agents' tools come without their structure, hooks do not.
    changes: Recent<CallId, Vec<Hunk>>,
    tasks: Tasks,
    replies: Vec<String>,
}

impl Decoder {
    /// A decoder for a process that has not said anything yet.
    pub fn new() -> Self {
        Self {
            subs: Recent::new(SUB_AGENTS),
            renamed: Recent::new(RENAMED),
            changes: Recent::new(CHANGES),
            ..Self::default()
        }
    }

    /// Where the process stands.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Takes the lines that must go back to the process at once.
    pub fn replies(&mut self) -> Vec<String> {
        std::mem::take(&mut self.replies)
    }

    /// Takes the next line, and says what it means.
    pub fn feed(&mut self, line: &str) -> Vec<Report> {
        if line.trim().is_empty() {
            return Vec::new();
        }
        let parsed = serde_json::from_str::<Value>(line).or_else(|error| {
            wire::mend_surrogates(line).map_or(Err(error), |mended| serde_json::from_str(&mended))
        });
        match parsed {
            Ok(frame @ Value::Object(_)) => self.frame(frame, line),
            Ok(_) => vec![unknown("text", line)],
            Err(_) => self.unreadable(line),
        }
    }

    fn frame(&mut self, mut frame: Value, line: &str) -> Vec<Report> {
        let kind = frame["type"].as_str().unwrap_or_default().to_owned();
        match kind.as_str() {
            "stream_event" => self.partial(wire::shape(frame)),
            "assistant" => self.assistant(wire::shape(frame)),
            "user" => self.user(wire::shape(frame)),
            "system" => {
                let subtype = frame["subtype"].as_str().unwrap_or_default().to_owned();
                self.system(&subtype, wire::shape(frame), line)
            }
            "result" => self.result(&wire::shape(frame)),
            "control_request" => self.request(wire::shape(frame), line),
            "control_response" => self.response(wire::shape(frame["response"].take())),
            "control_cancel_request" => {
                let raw = frame["request_id"].as_str().unwrap_or_default().to_owned();
                let request = self.renamed.take(&raw).unwrap_or(RequestId(raw));
                vec![Report::Withdrawn { request }]
            }
            "conversation_reset" => {
                self.filled = None;
                vec![Report::SessionReset]
            }
            "rate_limit_event" => self.rate_limit(&wire::shape(frame)),
            "session_writes_lost" => vec![notice(
                Level::Error,
                "the agent cannot store its conversation; it may not be possible to resume it",
            )],
            // What nobody needs: signs of life, and what other frames say again.
            "keep_alive" | "tool_progress" | "command_lifecycle" | "tool_use_summary"
            | "prompt_suggestion" | "attachment" | "active_goal" | "memory_recall" => Vec::new(),
            "" => vec![unknown("object", line)],
            _ => vec![unknown(&kind, line)],
        }
    }

    /// A line that is not JSON, or nested deeper than we read. A request among them would hang the
    /// process, so it is refused.
    fn unreadable(&mut self, line: &str) -> Vec<Report> {
        let head = serde_json::from_str::<Head>(line).unwrap_or_default();
        if !head.request_id.is_empty() {
            self.refuse_unread(&head);
        }
        vec![unknown("text", line)]
    }

    /// Takes a line that was too long to be kept: how it began, and how long it was.
    pub fn too_long(&mut self, head: &str, bytes: usize) -> Vec<Report> {
        let field = |name: &str| {
            let (_, rest) = head.split_once(&format!("\"{name}\":\""))?;
            rest.split_once('"').map(|(value, _)| value.to_owned())
        };
        if field("type").as_deref() == Some("control_request") {
            let request_id = field("request_id").unwrap_or_default();
            let subtype = field("subtype").unwrap_or_default();
            self.refuse_unread(&Head { request_id, request: HeadRequest { subtype } });
        }
        let text = format!("a line of {} MiB from the agent is skipped", bytes >> 20);
        vec![notice(Level::Error, text), unknown("line too long", head)]
    }

    fn rate_limit(&mut self, frame: &RateLimit) -> Vec<Report> {
        let info = &frame.rate_limit_info;
        let now = (info.status.clone(), info.kind.clone());
        if info.status == "allowed" || info.status.is_empty() || self.limit.as_ref() == Some(&now) {
            return Vec::new();
        }
        self.limit = Some(now);
        let (level, word) = if info.status == "rejected" {
            (Level::Error, "is reached")
        } else {
            (Level::Warn, "is near")
        };
        let mut text = format!("the usage limit {word}");
        if !info.kind.is_empty() {
            text.push_str(&format!(" ({})", info.kind.replace('_', " ")));
        }
        if let Some(part) = info.utilization {
            text.push_str(&format!(", {:.0} % used", part * 100.0));
        }
        let resets = info.resets_at.and_then(|at| i64::try_from(at.0).ok());
        if let Some(at) = resets.and_then(|at| jiff::Timestamp::from_second(at).ok()) {
            text.push_str(&format!(", resets at {at}"));
        }
        vec![notice(level, text)]
    }

    /// The sub-agent that a frame belongs to.
    fn sub(&self, agent: Option<String>, parent: Option<&String>) -> Option<SubId> {
        agent.map(SubId).or_else(|| self.subs.get(parent?).cloned())
    }

    /// Says that nothing special is under way, if something was.
    fn calm(&mut self, reports: &mut Vec<Report>) {
        if std::mem::take(&mut self.active) {
            reports.push(Report::Activity(None));
        }
    }

    fn changed_mode(&mut self, raw: &str) -> Option<Report> {
        let mode = PermissionMode::parse(raw)?;
        (self.mode.replace(mode) != Some(mode)).then_some(Report::Mode(mode))
    }
}

fn unknown(kind: &str, line: &str) -> Report {
    Report::Unknown { kind: kind.to_owned(), line: line.to_owned() }
}

fn notice(level: Level, text: impl Into<String>) -> Report {
    Report::Notice { level, text: text.into() }
}

/// A place whose message the protocol does not number.
fn place(sub: Option<SubId>, parent: Option<String>, message: String) -> BlockAt {
    BlockAt { sub, parent: parent.map(CallId), message, index: None }
}

#[cfg(test)]
mod tests;
