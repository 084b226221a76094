//! Requests of the agent, and its replies to ours.
//!
//! A request that the engine must answer becomes a report with its id. Every other one is answered
//! here at once, so that the CLI never waits for somebody who will not speak. A gate or an ask that
//! cannot be read is refused.

use serde_json::{Value, json};

use super::{Decoder, Phase, message, notice, unknown};
use crate::agent::claude::encode;
use crate::agent::claude::wire::{self, CanUse, Head, Hello, Hook, Reply, Request};
use crate::agent::{AskVerdict, Verdict};
use crate::model::id::{CallId, RequestId, SubId};
use crate::model::report::{ModelInfo, Ready, Report, SlashCommand};
use crate::model::transcript::Level;

/// What an agent reads when its own words could not be read.
const UNREADABLE: &str = "benchdog cannot read this tool call, so it does not let it through";

impl Decoder {
    /// Takes a request of the agent.
    pub(super) fn request(&mut self, frame: Request, line: &str) -> Vec<Report> {
        let Request { request_id: raw, request } = frame;
        if raw.is_empty() {
            return vec![unknown("control_request", line)];
        }
        let subtype = request["subtype"].as_str().unwrap_or_default().to_owned();
        match subtype.as_str() {
            "hook_callback" => self.hook(&raw, wire::shape(request), line),
            "can_use_tool" => self.can_use(&raw, wire::shape(request), line),
            _ => {
                let why = format!("benchdog does not answer requests of type `{subtype}`");
                self.replies.push(encode::refuse(&raw, &why));
                vec![unknown(&format!("control_request/{subtype}"), line)]
            }
        }
    }

    /// Refuses a request of which no more than its type could be read.
    pub(super) fn refuse_unread(&mut self, head: &Head) {
        let Head { request_id, request } = head;
        let refusal = match request.subtype.as_str() {
            "hook_callback" => {
                encode::gate(request_id, &Verdict::Deny { reason: UNREADABLE.to_owned() })
            }
            "can_use_tool" => {
                let message = UNREADABLE.to_owned();
                encode::ask(request_id, &AskVerdict::Deny { message, interrupt: false })
            }
            "" => return,
            _ => encode::refuse(request_id, UNREADABLE),
        };
        self.replies.push(refusal);
    }

    fn hook(&mut self, raw: &str, hook: Hook, line: &str) -> Vec<Report> {
        let input = hook.input;
        let call = if input.tool_use_id.is_empty() { hook.tool_use_id } else { input.tool_use_id };
        let (call, tool) = (CallId(call), input.tool_name);
        let sub = input.agent_id.map(SubId);
        let event = input.hook_event_name.as_str();
        let gate = event == "PreToolUse" || hook.callback_id == encode::GATE;
        if gate && (tool.is_empty() || call.0.is_empty()) {
            self.replies.push(encode::gate(raw, &Verdict::Deny { reason: UNREADABLE.to_owned() }));
            return vec![
                notice(Level::Error, "a tool call could not be read and was refused"),
                unknown("control_request/hook_callback", line),
            ];
        }
        if gate {
            let request = RequestId(raw.to_owned());
            return vec![Report::Gate { request, call, sub, tool, input: input.tool_input }];
        }
        let failed = event == "PostToolUseFailure";
        if !failed && event != "PostToolUse" {
            // Nobody asked for it; the answer lets the CLI go on as if there were no hook.
            self.replies.push(encode::no_opinion(raw));
            return Vec::new();
        }
        let request = encode::done_id(raw, failed);
        if failed {
            self.renamed.put(raw.to_owned(), request.clone());
        }
        let response = if failed {
            json!({"error": input.error, "is_interrupt": input.is_interrupt})
        } else {
            let hunks = message::hunks(&input.tool_response);
            if !hunks.is_empty() {
                self.changes.put(call.clone(), hunks);
            }
            input.tool_response
        };
        vec![Report::ToolDone {
            request,
            call,
            sub,
            tool,
            input: input.tool_input,
            response,
            failed,
            took_ms: input.duration_ms.map(|count| count.0),
        }]
    }

    fn can_use(&mut self, raw: &str, ask: CanUse, line: &str) -> Vec<Report> {
        if ask.tool_name.is_empty() || !ask.input.is_object() {
            let message = UNREADABLE.to_owned();
            self.replies.push(encode::ask(raw, &AskVerdict::Deny { message, interrupt: false }));
            return vec![
                notice(Level::Error, "a permission request could not be read and was refused"),
                unknown("control_request/can_use_tool", line),
            ];
        }
        let request = RequestId(raw.to_owned());
        let outside = ask.blocked_path.map(|path| format!("it is about {path}"));
        vec![Report::Ask {
            request,
            call: ask.tool_use_id.map(CallId),
            sub: ask.agent_id.map(SubId),
            tool: ask.tool_name,
            input: ask.input,
            suggestions: ask.permission_suggestions.0,
            reason: ask.decision_reason.filter(|reason| !reason.is_empty()).or(outside),
        }]
    }

    /// Takes the reply to a request of ours.
    pub(super) fn response(&mut self, reply: Reply) -> Vec<Report> {
        let id = reply.request_id.as_str();
        let failed = reply.subtype == "error";
        let hello = reply.response["commands"].is_array();
        if self.phase == Phase::Starting && (id == encode::INITIALIZE || hello) {
            return if failed { self.doom(reply.error) } else { self.hello(reply.response) };
        }
        if id.starts_with(encode::MODE) {
            if !failed {
                let mode = reply.response["mode"].as_str().unwrap_or_default();
                return self.changed_mode(mode).into_iter().collect();
            }
            let mut reports = vec![warning("the permission mode stays as it is", &reply.error)];
            reports.extend(self.mode.map(Report::Mode));
            return reports;
        }
        if id.starts_with(encode::MODEL) {
            if failed {
                return vec![warning("the model stays as it is", &reply.error)];
            }
            let model = reply.response["model"].as_str().map(str::to_owned);
            return model.map(Report::Model).into_iter().collect();
        }
        if failed && id.starts_with(encode::INTERRUPT) {
            return vec![warning("the agent does not break its turn off", &reply.error)];
        }
        if failed && id.starts_with(encode::STOP_TASK) {
            return vec![warning("the task does not stop", &reply.error)];
        }
        Vec::new()
    }

    fn hello(&mut self, response: Value) -> Vec<Report> {
        let hello: Hello = wire::shape(response);
        if hello.hooks_applied == Some(false) {
            return self.doom("it did not install the hooks that guard its file writes".to_owned());
        }
        self.phase = Phase::Idle;
        let commands = hello.commands.0.into_iter().map(|command| SlashCommand {
            name: command.name,
            description: command.description,
            hint: command.argument_hint,
        });
        let models = hello
            .models
            .0
            .into_iter()
            .map(|model| ModelInfo { value: model.value, name: model.display_name });
        let mut reports = vec![Report::Ready(Ready {
            pid: hello.pid,
            version: hello.claude_code_version,
            capabilities: hello.capabilities.0,
            gate_fails_closed: hello.hook_on_failure_supported,
            commands: commands.collect(),
            models: models.collect(),
        })];
        reports.extend(self.changed_mode(&hello.current_permission_mode));
        reports
    }

    /// Notes that the process will never work, and says why.
    pub(super) fn doom(&mut self, why: String) -> Vec<Report> {
        let why = if why.is_empty() { "it does not say why".to_owned() } else { why };
        let text = format!("the agent does not start: {why}");
        self.phase = Phase::Doomed(why);
        vec![notice(Level::Error, text)]
    }
}

fn warning(what: &str, error: &str) -> Report {
    notice(Level::Warn, if error.is_empty() { what.to_owned() } else { format!("{what}: {error}") })
}
