//! The session: one value that holds all of a scripted agent, and the only place where it waits.
//!
//! - **It is always reachable.** Whatever it waits for, it hears the host meanwhile: requests are
//!   answered, prompts are queued, an interrupt ends the wait.
//! - **It leaves nothing behind.** When it ends, so do the commands it started.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::account::Account;
use super::frame::{Out, new_id};
use super::gate::Hook;
use super::halt::{Ending, Halt};
use super::inbox::{Heard, Inbox};
use super::marker::Dice;
use super::memory::Memory;
use super::options::Options;
use super::place::Place;
use super::program::Program;
use super::rules::Rules;
use super::shell::Shells;
use super::turn::TurnState;
use crate::model::permission::PermissionMode;

/// How often an open hook shows that it is still open.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Prompts that may wait. More than that are answered with an error and dropped.
const QUEUE_SIZE: usize = 256;

/// The answer of the host to a request of ours.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum HostAnswer {
    /// What it says.
    Success(Value),
    /// It could not answer.
    Error(String),
    /// It was too slow.
    Late,
    /// It has left.
    Gone,
}

/// A prompt that waits for its turn.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Prompt {
    /// The words.
    pub(super) text: String,
    /// Its id, if the host gave it one.
    pub(super) uuid: Option<String>,
    /// Whether slash commands are only words in it.
    pub(super) composed: bool,
    /// Set if nobody gave it: the end of a background command.
    pub(super) origin: Option<Value>,
}

/// All of a running scripted agent.
pub(super) struct Session<'a> {
    pub(super) program: &'a Program,
    pub(super) place: &'a Place,
    pub(super) options: Options,
    pub(super) out: Out<'a>,
    pub(super) inbox: Inbox,
    pub(super) memory: Memory,
    pub(super) hooks: Vec<Hook>,
    pub(super) rules: Rules,
    pub(super) mode: PermissionMode,
    pub(super) model: String,
    pub(super) name: String,
    pub(super) queue: VecDeque<Prompt>,
    pub(super) shells: Shells,
    pub(super) dice: Dice,
    pub(super) turn: TurnState,
    pub(super) closed: bool,
    pub(super) results: u64,
    interrupted: bool,
    awaited: BTreeSet<String>,
    answers: BTreeMap<String, HostAnswer>,
    problem: Option<String>,
}

impl<'a> Session<'a> {
    /// Gets ready to live: finds what there is to go on with.
    pub(super) fn open(
        program: &'a Program,
        place: &'a Place,
        options: Options,
        inbox: Inbox,
        output: &'a mut dyn Write,
        errors: &'a mut dyn Write,
    ) -> Self {
        let (memory, problem) = find_memory(place, &options);
        let name = place.name.clone().unwrap_or_else(|| program.name.clone());
        let rules = Rules {
            allow: options.allowed.clone(),
            deny: options.disallowed.clone(),
            pushed: Vec::new(),
        };
        Self {
            out: Out::new(output, errors, &memory.id),
            model: options.model.clone().unwrap_or_else(|| program.model.clone()),
            mode: options.mode,
            shells: Shells::new(place.state.join("tasks"), place.launcher.clone()),
            dice: Dice::new(&name, place.seed),
            name,
            program,
            place,
            options,
            inbox,
            memory,
            hooks: Vec::new(),
            rules,
            queue: VecDeque::new(),
            turn: TurnState::default(),
            closed: false,
            results: 0,
            interrupted: false,
            awaited: BTreeSet::new(),
            answers: BTreeMap::new(),
            problem,
        }
    }

    /// Lives until the host leaves; returns the exit code.
    pub(super) fn live(mut self) -> u8 {
        let halt = match self.problem.take() {
            None => self.answer_prompts(),
            Some(problem) => self.fail_to_start(&problem),
        };
        self.shells.kill_all();
        match halt {
            Halt::Exit(code) => code,
            Halt::Turn(_) | Halt::Gone => 0,
        }
    }

    fn answer_prompts(&mut self) -> Halt {
        loop {
            while let Some(prompt) = self.queue.pop_front() {
                match self.take_turn(&prompt) {
                    Ok(()) | Err(Halt::Turn(_)) => {}
                    Err(halt @ (Halt::Exit(_) | Halt::Gone)) => return halt,
                }
            }
            if self.closed {
                return Halt::Exit(0);
            }
            let more =
                |session: &mut Self| (session.closed || !session.queue.is_empty()).then_some(());
            if let Err(halt @ (Halt::Exit(_) | Halt::Gone)) = self.attend(None, more) {
                return halt;
            }
        }
    }

    /// Says why there is no session, as the real program does.
    fn fail_to_start(&mut self, problem: &str) -> Halt {
        self.out.complain(problem);
        if self.options.resume.is_some() {
            let frame = json!({
                "type": "result", "subtype": "error_during_execution", "is_error": true,
                "duration_ms": 0, "duration_api_ms": 0, "num_turns": 0, "stop_reason": null,
                "total_cost_usd": 0, "usage": super::account::Count::default().usage(),
                "modelUsage": Account::default().model_usage(), "permission_denials": [],
                "errors": [problem], "result_index": 0,
            });
            if let Err(halt) = self.out.frame(frame) {
                return halt;
            }
        }
        Halt::Exit(1)
    }

    /// Waits until `ready` has something, at most until `deadline`, hearing the host meanwhile.
    pub(super) fn attend<T>(
        &mut self,
        deadline: Option<Instant>,
        mut ready: impl FnMut(&mut Self) -> Option<T>,
    ) -> Result<Option<T>, Halt> {
        loop {
            if let Some(value) = ready(self) {
                return Ok(Some(value));
            }
            if let Some(heard) = self.inbox.next(deadline) {
                self.hear(heard)?;
                self.check_interrupt()?;
            } else {
                return Ok(None);
            }
        }
    }

    /// Pauses for `ms` of the script's clock.
    pub(super) fn pause(&mut self, ms: u64) -> Result<(), Halt> {
        let length = self.place.pause(ms);
        if length.is_zero() {
            while let Some(heard) = self.inbox.poll() {
                self.hear(heard)?;
            }
            return self.check_interrupt();
        }
        self.attend(Some(Instant::now() + length), |_| None::<()>).map(drop)
    }

    /// Asks the host something and waits for its answer, at most for `limit`. `call` names the
    /// tool call whose hook this is; it gets heartbeats.
    pub(super) fn ask_host(
        &mut self,
        request: &Value,
        limit: Option<Duration>,
        call: Option<&str>,
    ) -> Result<HostAnswer, Halt> {
        if self.closed {
            return Ok(HostAnswer::Gone);
        }
        let id = new_id();
        self.awaited.insert(id.clone());
        let frame = json!({ "type": "control_request", "request_id": id, "request": request });
        self.out.bare(&frame)?;
        let answer = self.await_answer(&id, limit, call);
        self.awaited.remove(&id);
        self.answers.remove(&id);
        if matches!(answer, Ok(HostAnswer::Late) | Err(Halt::Turn(_))) {
            self.out.bare(&json!({ "type": "control_cancel_request", "request_id": id }))?;
        }
        answer
    }

    fn await_answer(
        &mut self,
        id: &str,
        limit: Option<Duration>,
        call: Option<&str>,
    ) -> Result<HostAnswer, Halt> {
        let started = Instant::now();
        let end = limit.map(|limit| started + limit);
        let mut beats = 0_u32;
        loop {
            let beat = call.map(|_| started + HEARTBEAT * (beats + 1));
            let deadline = [end, beat].into_iter().flatten().min();
            let answer = self.attend(deadline, |session| {
                let gone = session.closed.then_some(HostAnswer::Gone);
                session.answers.remove(id).or(gone)
            })?;
            if let Some(answer) = answer {
                return Ok(answer);
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                return Ok(HostAnswer::Late);
            }
            beats += 1;
            self.out.frame(json!({
                "type": "tool_progress",
                "tool_use_id": format!("hook-PreToolUse-{id}-heartbeat-{beats}"),
                "parent_tool_use_id": call,
                "elapsed_time_seconds": started.elapsed().as_secs(),
            }))?;
        }
    }

    /// Breaks off the running turn at the next wait.
    pub(super) fn interrupt(&mut self) {
        self.interrupted = self.turn.running;
    }

    fn check_interrupt(&mut self) -> Result<(), Halt> {
        if std::mem::take(&mut self.interrupted) {
            return Err(Halt::Turn(Ending::InterruptedSpeaking));
        }
        Ok(())
    }

    fn hear(&mut self, heard: Heard) -> Result<(), Halt> {
        match heard {
            Heard::Host(line) => self.hear_host(&line),
            Heard::Garbage(line) => {
                let start: String = line.chars().take(80).collect();
                self.out.complain(&format!("Error parsing streaming input line: {start}"));
                Err(Halt::Exit(1))
            }
            Heard::Closed => {
                self.closed = true;
                Ok(())
            }
            Heard::Signal(code) => Err(Halt::Exit(code)),
            Heard::ShellEnded(number, code) => self.shell_ended(number, code),
        }
    }

    fn hear_host(&mut self, line: &Value) -> Result<(), Halt> {
        match line["type"].as_str() {
            Some("control_request") if line["request"].is_object() => self.obey(line),
            Some("control_request") => {
                self.out.complain("Error: control_request without request");
                Err(Halt::Exit(1))
            }
            Some("control_response") => {
                let response = &line["response"];
                let id = response["request_id"].as_str().unwrap_or_default();
                if self.awaited.contains(id) {
                    let answer = match response["subtype"].as_str() {
                        Some("success") => HostAnswer::Success(response["response"].clone()),
                        _ => HostAnswer::Error(
                            response["error"].as_str().unwrap_or("no reason given").to_owned(),
                        ),
                    };
                    self.answers.insert(id.to_owned(), answer);
                }
                Ok(())
            }
            Some("user") => self.queue_prompt(line),
            _ => Ok(()),
        }
    }

    fn queue_prompt(&mut self, line: &Value) -> Result<(), Halt> {
        let content = &line["message"]["content"];
        let text = if let Some(text) = content.as_str() {
            text.to_owned()
        } else if let Some(blocks) = content.as_array() {
            let texts = blocks.iter().filter_map(|block| block["text"].as_str());
            texts.collect::<Vec<_>>().join("\n")
        } else {
            self.out.complain("Error: user message without content");
            return Err(Halt::Exit(1));
        };
        if self.queue.len() >= QUEUE_SIZE {
            let content = format!("a prompt was dropped: {QUEUE_SIZE} are waiting already");
            let more = json!({ "content": content, "level": "error" });
            return self.out.system("informational", more);
        }
        let uuid = line["uuid"].as_str().map(str::to_owned);
        self.lifecycle(uuid.as_deref(), "queued")?;
        let composed = line["client_composed"].as_bool().unwrap_or(false);
        self.queue.push_back(Prompt { text, uuid, composed, origin: None });
        Ok(())
    }

    /// Tells what becomes of a prompt that has an id.
    pub(super) fn lifecycle(&mut self, uuid: Option<&str>, state: &str) -> Result<(), Halt> {
        let Some(uuid) = uuid else { return Ok(()) };
        let frame = json!({ "type": "command_lifecycle", "command_uuid": uuid, "state": state });
        self.out.frame(frame)
    }

    /// Writes the memory; a disk that is full must not end the work.
    pub(super) fn remember(&mut self) {
        if let Err(error) = self.memory.save(&self.place.state) {
            self.out.complain(&format!("cannot remember the session: {error}"));
        }
    }
}

/// The session to go on with, and what is wrong with it.
fn find_memory(place: &Place, options: &Options) -> (Memory, Option<String>) {
    let taken = |id: &String| Memory::exists(&place.state, id);
    if let Some(id) = options.session_id.as_ref().filter(|id| taken(id)) {
        let problem = format!("Error: Session ID {id} is already in use.");
        return (Memory::new(Some(id.clone())), Some(problem));
    }
    let Some(id) = &options.resume else {
        return (Memory::new(options.session_id.clone()), None);
    };
    match Memory::load(&place.state, id) {
        None => {
            let problem = format!("No conversation found with session ID: {id}");
            (Memory::new(Some(id.clone())), Some(problem))
        }
        Some(mut memory) => {
            if options.fork {
                memory.id = options.session_id.clone().unwrap_or_else(new_id);
            }
            (memory, None)
        }
    }
}
