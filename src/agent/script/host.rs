//! What the host may ask of the agent, and what it hears.
//!
//! Every request gets exactly one answer; one that is not known gets an error, as in the real
//! program, so that hosts find out what there is by asking.

use serde_json::{Value, json};

use super::account::CONTEXT_WINDOW;
use super::gate::read_hooks;
use super::halt::Halt;
use super::options::strings;
use super::session::Session;
use super::slash::COMMANDS;
use crate::model::permission::PermissionMode;

/// What the agent can do.
pub(super) const CAPABILITIES: &[&str] =
    &["interrupt_receipt_v1", "interrupt_cancel_queued_v1", "msg_lifecycle_v1"];

/// Its version, for people.
pub(super) const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (benchdog script)");

/// Its sub-agents.
pub(super) const AGENTS: &[&str] = &["general-purpose", "Explore"];

impl Session<'_> {
    /// Does what the host asks.
    pub(super) fn obey(&mut self, line: &Value) -> Result<(), Halt> {
        let id = &line["request_id"];
        let request = &line["request"];
        let subtype = request["subtype"].as_str().unwrap_or_default();
        match subtype {
            "initialize" => self.initialize(id, request),
            "interrupt" => self.obey_interrupt(id, request),
            "set_permission_mode" => self.obey_mode(id, request),
            "set_model" => {
                self.model = match request["model"].as_str() {
                    None | Some("default") => self.program.model.clone(),
                    Some(model) => model.to_owned(),
                };
                self.out.answer(id, &json!({ "model": self.model }))
            }
            "set_max_thinking_tokens" => self.out.answer(id, &Value::Null),
            "cancel_async_message" => {
                let uuid = request["message_uuid"].as_str().unwrap_or_default();
                let before = self.queue.len();
                self.queue.retain(|prompt| prompt.uuid.as_deref() != Some(uuid));
                let cancelled = self.queue.len() < before;
                if cancelled {
                    self.lifecycle(Some(uuid), "cancelled")?;
                }
                let answer = json!({ "cancelled": cancelled, "message_uuid": uuid });
                self.out.answer(id, &answer)
            }
            "apply_flag_settings" => {
                self.rules.pushed = strings(&request["settings"]["permissions"]["deny"]);
                self.out.answer(id, &Value::Null)
            }
            "stop_task" => {
                self.stop_task(request["task_id"].as_str().unwrap_or_default())?;
                self.out.answer(id, &json!({}))
            }
            "get_task_output" => {
                let text = self.shells.output_of(request["task_id"].as_str().unwrap_or_default());
                let answer =
                    json!({ "output": text, "total_bytes": text.len(), "truncated": false });
                self.out.answer(id, &answer)
            }
            "rename_session" => {
                let title = request["title"].as_str().unwrap_or_default().to_owned();
                self.memory.title = Some(title.clone());
                self.out.system("session_title_changed", json!({ "title": title }))?;
                self.out.answer(id, &Value::Null)
            }
            "get_context_usage" => {
                let used = self.memory.account.context;
                let answer = json!({
                    "categories": [{ "id": "messages", "name": "Messages", "tokens": used,
                                     "kind": "used" }],
                    "totalTokens": used, "maxTokens": CONTEXT_WINDOW,
                    "percentage": used * 100 / CONTEXT_WINDOW, "model": self.model,
                });
                self.out.answer(id, &answer)
            }
            "get_session_cost" => {
                let text = self.memory.account.table();
                self.out.answer(id, &json!({ "text": text }))
            }
            "get_binary_version" => self.out.answer(id, &json!({ "version": VERSION })),
            "list_models" => {
                let models = self.models();
                self.out.answer(id, &json!({ "models": models }))
            }
            "mcp_status" => self.out.answer(id, &json!({ "mcpServers": [] })),
            "background_tasks" => {
                let tasks = self.shells.background();
                self.out.answer(id, &json!({ "tasks": tasks }))
            }
            "end_session" => {
                self.out.answer(id, &Value::Null)?;
                Err(Halt::Exit(0))
            }
            unknown => {
                let error = format!("Unsupported control request subtype: {unknown}");
                self.out.refuse(id, &error, "unsupported_request")
            }
        }
    }

    fn initialize(&mut self, id: &Value, request: &Value) -> Result<(), Halt> {
        self.hooks = read_hooks(&request["hooks"]);
        if let Some(title) = request["title"].as_str() {
            self.memory.title = Some(title.to_owned());
        }
        let commands: Vec<_> = COMMANDS
            .iter()
            .map(|(name, description, hint)| {
                json!({ "name": name, "description": description, "argumentHint": hint,
                        "builtin": true })
            })
            .collect();
        let agents: Vec<_> = AGENTS
            .iter()
            .map(|name| json!({ "name": name, "description": "A scripted sub-agent." }))
            .collect();
        let answer = json!({
            "commands": commands,
            "agents": agents,
            "output_style": "default",
            "available_output_styles": ["default"],
            "models": self.models(),
            "account": { "tokenSource": "none", "apiKeySource": "none", "apiProvider": "script" },
            "pid": std::process::id(),
            "claude_code_version": VERSION,
            "current_permission_mode": self.mode.as_str(),
            "hooks_applied": true,
            "hook_on_failure_supported": true,
            "session_state": if self.turn.running { "running" } else { "idle" },
            "capabilities": CAPABILITIES,
        });
        self.out.bare(&json!({
            "type": "control_response",
            "response": {
                "subtype": "success", "request_id": id, "response": answer,
                "pending_permission_requests": [], "pending_user_dialog_requests": [],
            },
        }))
    }

    fn models(&self) -> Value {
        json!([
            { "value": "default", "resolvedModel": self.program.model, "displayName": "Script",
              "description": "Plays its script" },
            { "value": "sonnet", "resolvedModel": "sonnet", "displayName": "Sonnet (played)",
              "description": "Plays its script under another name" },
        ])
    }

    fn obey_interrupt(&mut self, id: &Value, request: &Value) -> Result<(), Halt> {
        if request["cancel_queued"].as_bool().unwrap_or(false) {
            for prompt in std::mem::take(&mut self.queue) {
                self.lifecycle(prompt.uuid.as_deref(), "cancelled")?;
            }
        }
        self.interrupt();
        let queued: Vec<_> = self.queue.iter().filter_map(|prompt| prompt.uuid.clone()).collect();
        self.out.answer(id, &json!({ "still_queued": queued }))
    }

    fn obey_mode(&mut self, id: &Value, request: &Value) -> Result<(), Halt> {
        let raw = request["mode"].as_str().unwrap_or_default();
        match PermissionMode::parse(raw) {
            None => {
                let error = format!("Invalid permission mode: {raw}");
                self.out.refuse(id, &error, "invalid_mode")
            }
            Some(PermissionMode::BypassPermissions) if !self.options.may_bypass => {
                let error = "Cannot set permission mode to bypassPermissions because the session \
                             was not launched with --dangerously-skip-permissions";
                self.out.refuse(id, error, "bypass_not_launched")
            }
            Some(mode) => {
                self.out.answer(id, &json!({ "mode": raw }))?;
                self.enter_mode(mode)
            }
        }
    }

    /// Goes on in another permission mode and says so.
    pub(super) fn enter_mode(&mut self, mode: PermissionMode) -> Result<(), Halt> {
        self.mode = mode;
        let more = json!({ "status": null, "permissionMode": mode.as_str() });
        self.out.system("status", more)
    }

    /// Tells whether it runs, waits for the person or idles, if the host wants to know.
    pub(super) fn tell_state(&mut self, state: &str) -> Result<(), Halt> {
        if !self.place.tells_state {
            return Ok(());
        }
        self.out.system("session_state_changed", json!({ "state": state }))
    }
}
