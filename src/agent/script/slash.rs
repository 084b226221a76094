//! Slash commands: answered by the agent itself, without its script.
//!
//! A word with a slash that is not in [`COMMANDS`] is no command but part of a prompt.

use std::time::Instant;

use serde_json::{Value, json};

use super::account::{CONTEXT_WINDOW, Count};
use super::frame::{new_id, timestamp};
use super::halt::Halt;
use super::memory::Memory;
use super::session::Session;

/// Name, what it does, what it wants behind its name.
pub(super) const COMMANDS: &[(&str, &str, &str)] = &[
    ("clear", "Start a new conversation", ""),
    ("compact", "Keep a summary of the conversation only", ""),
    ("context", "Show how full the context is", ""),
    ("cost", "Show what the session has used", ""),
    ("model", "Go on with another model", "[model]"),
];

impl Session<'_> {
    /// Obeys a slash command, if that is what the prompt is.
    pub(super) fn take_slash(&mut self, prompt: &str, started: Instant) -> Result<bool, Halt> {
        let Some(line) = prompt.trim().strip_prefix('/') else { return Ok(false) };
        let (name, argument) = line.split_once(' ').unwrap_or((line, ""));
        match name {
            "clear" => self.clear()?,
            "compact" => self.compact()?,
            "context" => {
                let used = self.memory.account.context;
                let text = format!(
                    "## Context Usage\n\n**Model:** {}\n**Tokens:** {used} / {CONTEXT_WINDOW}",
                    self.model
                );
                return self.local_answer(name, &text, started).map(|()| true);
            }
            "cost" => {
                let text = self.memory.account.table();
                return self.local_answer(name, &text, started).map(|()| true);
            }
            "model" => {
                if !argument.trim().is_empty() {
                    self.model = argument.trim().to_owned();
                }
                let text = format!("Set model to `{}` for this session only", self.model);
                return self.local_answer(name, &text, started).map(|()| true);
            }
            _ => return Ok(false),
        }
        self.local_result(name, "", started)?;
        Ok(true)
    }

    fn clear(&mut self) -> Result<(), Halt> {
        let id = new_id();
        self.out.frame(json!({
            "type": "conversation_reset", "new_conversation_id": id, "trigger": "clear",
            "timestamp": timestamp(),
        }))?;
        let next_turn = self.memory.next_turn;
        self.memory = Memory { next_turn, ..Memory::new(Some(id)) };
        self.out.session = self.memory.id.clone();
        self.remember();
        self.say_init()
    }

    fn compact(&mut self) -> Result<(), Halt> {
        let before = self.memory.account.context;
        self.out.system("status", json!({ "status": "compacting" }))?;
        self.say_init()?;
        let after = before / 10;
        self.memory.account.context = after;
        let done = json!({ "status": null, "compact_result": "success" });
        self.out.system("status", done)?;
        self.out.system(
            "compact_boundary",
            json!({ "compact_metadata": {
                "trigger": "manual", "pre_tokens": before, "post_tokens": after,
            }}),
        )?;
        let prompts = self.memory.prompts.join("\n- ");
        self.out.frame(json!({
            "type": "user", "parent_tool_use_id": null, "isReplay": false, "isSynthetic": true,
            "message": { "role": "user", "content": format!(
                "This session is being continued from a previous conversation. It was asked:\n- \
                 {prompts}"
            )},
        }))
    }

    /// Answers with words of the program, not of the model.
    fn local_answer(&mut self, name: &str, text: &str, started: Instant) -> Result<(), Halt> {
        self.say_init()?;
        self.out.frame(json!({
            "type": "assistant", "parent_tool_use_id": null, "timestamp": timestamp(),
            "message": {
                "id": new_id(), "type": "message", "role": "assistant", "model": "<synthetic>",
                "content": [{ "type": "text", "text": text }], "stop_reason": "end_turn",
                "stop_sequence": null, "usage": Count::default().usage(),
            },
        }))?;
        self.local_result(name, text, started)
    }

    fn local_result(&mut self, name: &str, text: &str, started: Instant) -> Result<(), Halt> {
        let took = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let frame = json!({
            "type": "result", "subtype": "success", "is_error": false, "duration_ms": took,
            "duration_api_ms": 0, "num_turns": 0, "stop_reason": Value::Null, "result": text,
            "total_cost_usd": self.memory.account.dollars(), "usage": Count::default().usage(),
            "modelUsage": self.memory.account.model_usage(), "permission_denials": [],
            "local_command": name, "queued_turn_count": self.queue.len(),
            "result_index": self.results,
        });
        self.results += 1;
        self.remember();
        self.out.frame(frame)
    }
}
