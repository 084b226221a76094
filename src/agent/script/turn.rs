//! A turn: from a prompt to the one `result` frame that ends it.
//!
//! Every turn begins with `system/init` and ends with exactly one result, whatever happens in
//! between, unless the process itself ends.

use std::collections::BTreeMap;
use std::time::Instant;

use serde_json::{Value, json};

use super::account::Count;
use super::frame::new_id;
use super::gate::{Says, Subject};
use super::halt::{Ending, Halt};
use super::host::{AGENTS, CAPABILITIES, VERSION};
use super::message::{OpenMessage, Speech, Who};
use super::program::Answer;
use super::session::{Prompt, Session};
use super::slash::COMMANDS;
use super::step::Step;
use super::talk::{self, About};
use super::tool::End;

/// The tools that the agent has.
const TOOLS: &[&str] = &[
    "Task",
    "AskUserQuestion",
    "Bash",
    "Edit",
    "ExitPlanMode",
    "MultiEdit",
    "Read",
    "TodoWrite",
    "Write",
];

/// What belongs to one turn.
#[derive(Debug, Clone, Default)]
pub(super) struct TurnState {
    /// Whether a turn runs.
    pub(super) running: bool,
    /// Its id.
    pub(super) id: String,
    /// Calls to the model of the main agent.
    pub(super) calls: u32,
    /// What the main agent used.
    pub(super) spent: Count,
    /// Tool calls that were refused or denied.
    pub(super) denials: Vec<Value>,
    /// What `${…}` stands for.
    pub(super) vars: BTreeMap<String, String>,
    /// How the last tool call ended.
    pub(super) last: Option<End>,
    /// Whether a hook told the agent something about it.
    pub(super) told_now: bool,
    /// Steps that wait for the end of the turn.
    pub(super) later: Vec<Step>,
    /// The message that is being spoken.
    pub(super) open: Option<OpenMessage>,
    /// Whether nothing was said since the last tool call.
    pub(super) ends_with_tool: bool,
    /// The last words.
    pub(super) last_text: String,
    /// Tokens that go into the next call to the model.
    pub(super) heard_tokens: u64,
    /// Sub-agents so far.
    pub(super) subs: u32,
}

impl Session<'_> {
    /// Answers a prompt.
    pub(super) fn take_turn(&mut self, prompt: &Prompt) -> Result<(), Halt> {
        let started = Instant::now();
        let uuid = prompt.uuid.clone();
        self.lifecycle(uuid.as_deref(), "started")?;
        if !prompt.composed && self.take_slash(&prompt.text, started)? {
            return self.lifecycle(uuid.as_deref(), "completed");
        }
        self.turn =
            TurnState { running: true, id: new_id(), ends_with_tool: true, ..TurnState::default() };
        let ending = match self.play(prompt) {
            Ok(()) => Ending::Completed,
            Err(Halt::Turn(ending)) => ending,
            Err(halt) => return Err(halt),
        };
        let done = self.end_turn(prompt, &ending, started);
        self.turn.running = false;
        self.remember();
        done?;
        let state = if ending.is_interrupt() { "cancelled" } else { "completed" };
        self.lifecycle(uuid.as_deref(), state)?;
        self.tell_state("idle")
    }

    fn play(&mut self, prompt: &Prompt) -> Result<(), Halt> {
        self.tell_state("running")?;
        if prompt.origin.is_none() {
            self.memory.hear(&prompt.text);
        }
        let answer = self.choose(prompt);
        // From here on a kill loses the answer, but not the prompt.
        self.remember();
        self.say_init()?;
        if self.options.replay && prompt.origin.is_none() {
            self.out.frame(json!({
                "type": "user", "message": { "role": "user", "content": prompt.text },
                "parent_tool_use_id": null, "isReplay": true, "uuid": prompt.uuid,
            }))?;
        }
        self.count_heard(&prompt.text);
        self.turn.vars.insert("prompt".to_owned(), prompt.text.clone());
        self.turn.vars.insert("name".to_owned(), self.name.clone());
        for (number, group) in answer.groups.iter().enumerate() {
            self.turn.vars.insert(number.to_string(), group.clone());
        }
        let who = Who::default();
        let more = json!({ "prompt": prompt.text });
        let subject = Subject { who: &who, tool: None, id: &new_id(), more };
        let hooked = self.run_hooks("UserPromptSubmit", &subject)?;
        self.take_context(&hooked);
        if let Says::Deny(reason) = hooked.says {
            self.speak(&who, Speech::Text, &format!("The prompt was blocked: {reason}"))?;
            return Ok(());
        }
        self.perform(&answer.steps, &who)?;
        let mut rounds = 0;
        while !self.turn.later.is_empty() && rounds < 2 {
            let later = std::mem::take(&mut self.turn.later);
            self.perform(&later, &who)?;
            rounds += 1;
        }
        if self.turn.ends_with_tool {
            self.speak(&who, Speech::Text, "Done.")?;
        }
        self.close_message(&who, Some("end_turn"))
    }

    fn choose(&mut self, prompt: &Prompt) -> Answer {
        if prompt.origin.is_some() {
            let step = Step::plain(super::step::Act::Text(prompt.text.clone()));
            return Answer { steps: vec![step], groups: Vec::new() };
        }
        let mut next = self.memory.next_turn;
        let answer = self.program.answer(&prompt.text, &mut next);
        self.memory.next_turn = next;
        answer.unwrap_or_else(|| {
            let about = About {
                name: &self.name,
                mode: self.mode.as_str(),
                prompts: &self.memory.prompts,
                changed: &self.memory.changed,
                told: &self.memory.told,
                cwd: &self.place.cwd,
            };
            Answer { steps: talk::reply(&prompt.text, &about), groups: Vec::new() }
        })
    }

    /// Says which session this is.
    pub(super) fn say_init(&mut self) -> Result<(), Halt> {
        let tools: Vec<_> = TOOLS.iter().filter(|tool| !self.rules.lacks(tool)).collect();
        let commands: Vec<_> = COMMANDS.iter().map(|(name, _, _)| name).collect();
        let frame = json!({
            "cwd": self.place.cwd, "tools": tools, "mcp_servers": [], "model": self.model,
            "permissionMode": self.mode.as_str(), "slash_commands": commands,
            "apiKeySource": "none", "claude_code_version": VERSION, "output_style": "default",
            "agents": AGENTS, "skills": [], "plugins": [], "capabilities": CAPABILITIES,
            "additional_directories": [],
        });
        self.out.system("init", frame)
    }

    fn end_turn(&mut self, prompt: &Prompt, ending: &Ending, started: Instant) -> Result<(), Halt> {
        let who = Who::default();
        self.close_message(&who, None)?;
        if ending.is_interrupt() {
            let words = if *ending == Ending::InterruptedTool {
                "[Request interrupted by user for tool use]"
            } else {
                "[Request interrupted by user]"
            };
            let content = json!([{ "type": "text", "text": words }]);
            let mut frame =
                json!({ "type": "user", "message": { "role": "user", "content": content } });
            who.mark(&mut frame);
            self.out.frame(frame)?;
        }
        if *ending == Ending::Completed {
            let more = json!({
                "stop_hook_active": false, "last_assistant_message": self.turn.last_text,
                "background_tasks": [], "session_crons": [],
            });
            let subject = Subject { who: &who, tool: None, id: &new_id(), more };
            // The words are said; a hook that fails now changes nothing.
            match self.run_hooks("Stop", &subject) {
                Ok(_) | Err(Halt::Turn(_)) => {}
                Err(halt) => return Err(halt),
            }
        }
        let mut frame = self.result_frame(ending, started);
        if let Some(uuid) = &prompt.uuid {
            frame["user_message_uuids"] = json!([uuid]);
        }
        if let Some(origin) = &prompt.origin {
            frame["origin"] = origin.clone();
        }
        self.results += 1;
        self.out.frame(frame)
    }

    fn result_frame(&self, ending: &Ending, started: Instant) -> Value {
        let took = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (subtype, reason, is_error, stop) = match ending {
            Ending::Completed => ("success", "completed", false, json!("end_turn")),
            Ending::HookStopped => ("success", "hook_stopped", false, json!("tool_use")),
            Ending::ApiError(_) => ("success", "api_error", true, json!("stop_sequence")),
            Ending::InterruptedSpeaking => {
                ("error_during_execution", "aborted_streaming", true, Value::Null)
            }
            Ending::InterruptedTool => {
                ("error_during_execution", "aborted_tools", true, json!("tool_use"))
            }
            Ending::MaxTurns(_) => ("error_max_turns", "max_turns", true, json!("tool_use")),
            Ending::Budget(_) => {
                ("error_max_budget_usd", "budget_exhausted", true, json!("tool_use"))
            }
        };
        let mut frame = json!({
            "type": "result", "subtype": subtype, "is_error": is_error, "duration_ms": took,
            "duration_api_ms": took, "num_turns": self.turn.calls, "stop_reason": stop,
            "terminal_reason": reason, "total_cost_usd": self.memory.account.dollars(),
            "usage": self.turn.spent.usage(), "modelUsage": self.memory.account.model_usage(),
            "permission_denials": self.turn.denials, "queued_turn_count": self.queue.len(),
            "result_index": self.results,
            "subagent_stats": { "spawned": self.turn.subs, "completed": self.turn.subs },
        });
        match ending {
            Ending::Completed | Ending::HookStopped => {
                frame["result"] = json!(self.turn.last_text);
                frame["api_error_status"] = Value::Null;
            }
            Ending::ApiError(status) => {
                frame["result"] = json!(self.turn.last_text);
                frame["api_error_status"] = json!(status);
            }
            Ending::InterruptedSpeaking | Ending::InterruptedTool => {
                frame["errors"] = json!(["the person broke the turn off"]);
            }
            Ending::MaxTurns(limit) => {
                frame["errors"] = json!([format!("Reached maximum number of turns ({limit})")]);
            }
            Ending::Budget(reason) => frame["errors"] = json!([reason]),
        }
        frame
    }
}
