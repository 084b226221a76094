//! A tool call from its announcement to its result, with everything in between that may stop it.
//!
//! The order is that of the real program: announcement, a look whether it can work at all,
//! PreToolUse, rules and the person, the tool, PostToolUse or PostToolUseFailure, result. Nothing is changed on the disk before the
//! last yes, and every announced call gets exactly one result, also when an interrupt cuts it.

use std::time::Instant;

use serde_json::{Value, json};

use super::files::{self, Done};
use super::gate::{Hooked, Says, Subject};
use super::halt::{Ending, Halt};
use super::message::Who;
use super::rules::{Decision, suggestions};
use super::session::{HostAnswer, Session};
use super::step::Step;
use crate::model::permission::PermissionMode;

/// What the model reads after an interrupt, or after a "no" that ends the turn.
const REJECTED: &str = "The user doesn't want to proceed with this tool use. The tool use was \
    rejected (eg. if it was a file edit, the new_string was NOT written to the file). STOP what \
    you are doing and wait for the user to tell you how to proceed.";

/// How a tool call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Well.
    Done,
    /// A hook refused it.
    Refused,
    /// The person, a rule or a mode denied it.
    Denied,
    /// It ran and failed.
    Failed,
}

/// What came out of a tool call.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    /// How it ended.
    pub(super) end: End,
    /// What the model reads.
    pub(super) text: String,
    /// What the host gets.
    pub(super) response: Value,
}

/// A tool call on its way.
pub(super) struct Call<'a> {
    pub(super) id: String,
    pub(super) tool: &'a str,
    pub(super) input: Value,
    pub(super) who: &'a Who,
    /// What a sub-agent does.
    pub(super) steps: &'a [Step],
}

/// An outcome and what the frames say about how it came to be.
struct Ended {
    outcome: Outcome,
    /// The content of the result, if it is more than the text.
    content: Option<Value>,
    /// Who decided.
    meta: Value,
    /// Whether the turn ends with it.
    halt: Option<Ending>,
}

impl Session<'_> {
    /// Calls a tool.
    pub(super) fn use_tool(
        &mut self,
        who: &Who,
        tool: &str,
        input: Value,
        ask: Option<bool>,
    ) -> Result<Outcome, Halt> {
        self.use_tool_for(who, tool, input, ask, &[])
    }

    /// Calls a tool; `steps` are what a sub-agent does.
    pub(super) fn use_tool_for(
        &mut self,
        who: &Who,
        tool: &str,
        input: Value,
        ask: Option<bool>,
        steps: &[Step],
    ) -> Result<Outcome, Halt> {
        let id = self.announce(who, tool, &input)?;
        let mut call = Call { id, tool, input, who, steps };
        self.turn.told_now = false;
        let ended = match self.run_call(&mut call, ask) {
            Ok(ended) => ended,
            Err(Halt::Turn(ending)) if ending.is_interrupt() => {
                self.give_result(&call, &rejected())?;
                return Err(Halt::Turn(Ending::InterruptedTool));
            }
            Err(halt) => return Err(halt),
        };
        self.give_result(&call, &ended)?;
        self.turn.vars.insert("last".to_owned(), ended.outcome.text.clone());
        match ended.halt {
            Some(ending) => Err(Halt::Turn(ending)),
            None => Ok(ended.outcome),
        }
    }

    fn run_call(&mut self, call: &mut Call<'_>, ask: Option<bool>) -> Result<Ended, Halt> {
        if self.rules.lacks(call.tool) {
            let text = format!("<tool_use_error>Error: No such tool available: {}", call.tool);
            return Ok(stopped(End::Failed, format!("{text}</tool_use_error>"), "config"));
        }
        if let Err(error) = files::look_at(call.tool, &call.input, &self.place.cwd) {
            let text = format!("<tool_use_error>{error}</tool_use_error>");
            return Ok(stopped(End::Failed, text, "config"));
        }
        let more = json!({
            "tool_name": call.tool, "tool_input": call.input, "tool_use_id": call.id,
        });
        let subject = Subject { who: call.who, tool: Some(call.tool), id: &call.id.clone(), more };
        let hooked = self.run_hooks("PreToolUse", &subject)?;
        self.take_context(&hooked);
        if let Says::Deny(reason) = hooked.says {
            self.deny(call);
            return Ok(stopped(End::Refused, reason, "hook"));
        }
        if let Some(input) = hooked.input.clone() {
            call.input = input;
        }
        let source = match self.permit(call, &hooked, ask)? {
            Ok(source) => source,
            Err(ended) => {
                self.deny(call);
                return Ok(ended);
            }
        };
        let started = Instant::now();
        let done = self.execute(call)?;
        let took = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut ended = self.after(call, done, took)?;
        ended.meta = json!({ "decision": "accept", "source": source });
        if hooked.stops {
            ended.halt = Some(Ending::HookStopped);
        }
        Ok(ended)
    }

    /// Whether the call may run by rules, mode and person; by whose word, or what it ends with.
    fn permit(
        &mut self,
        call: &mut Call<'_>,
        hooked: &Hooked,
        ask: Option<bool>,
    ) -> Result<Result<&'static str, Ended>, Halt> {
        let interactive = matches!(call.tool, "AskUserQuestion" | "ExitPlanMode");
        let decision = self.rules.decide(self.mode, &self.place.cwd, call.tool, &call.input);
        let bypass = self.mode == PermissionMode::BypassPermissions;
        let (asks, reason) = match (&hooked.says, decision) {
            (_, Decision::Deny(text)) => {
                let text = format!("<tool_use_error>{text}</tool_use_error>");
                return Ok(Err(stopped(End::Denied, text, "config")));
            }
            (Says::Ask(reason), _) => (true, reason.clone()),
            (Says::Allow, _) => (interactive, None),
            (Says::Nothing | Says::Deny(_), decision) => match ask {
                Some(ask) => (interactive || (ask && !bypass), None),
                None => (interactive || decision == Decision::Ask, None),
            },
        };
        if !asks {
            return Ok(Ok(if hooked.says == Says::Allow { "hook" } else { "config" }));
        }
        let answer = self.ask_person(call, interactive, reason)?;
        self.take_answer(call, answer)
    }

    fn ask_person(
        &mut self,
        call: &Call<'_>,
        interactive: bool,
        reason: Option<String>,
    ) -> Result<HostAnswer, Halt> {
        let path = call.input["file_path"].as_str().map(std::path::Path::new);
        let name = path.and_then(|path| path.file_name()).map(|name| name.to_string_lossy());
        let mut request = json!({
            "subtype": "can_use_tool", "tool_name": call.tool, "display_name": call.tool,
            "input": call.input, "tool_use_id": call.id,
        });
        if let Some(sub) = &call.who.sub {
            request["agent_id"] = json!(sub.id);
        }
        if interactive {
            request["requires_user_interaction"] = json!(true);
        } else {
            request["description"] = match name {
                Some(name) => json!(name),
                None => call.input["description"].clone(),
            };
            request["permission_suggestions"] = suggestions(call.tool, &call.input);
        }
        if let Some(reason) = reason {
            request["decision_reason"] = json!(reason);
            request["decision_reason_type"] = json!("hook");
        }
        self.tell_state("requires_action")?;
        let answer = self.ask_host(&request, None, None);
        self.tell_state("running")?;
        answer
    }

    fn take_answer(
        &mut self,
        call: &mut Call<'_>,
        answer: HostAnswer,
    ) -> Result<Result<&'static str, Ended>, Halt> {
        let answer = match answer {
            HostAnswer::Success(answer) => answer,
            HostAnswer::Error(error) => {
                let text = format!("Tool permission request failed: {error}");
                return Ok(Err(stopped(End::Denied, text, "user_reject")));
            }
            HostAnswer::Gone | HostAnswer::Late => {
                let text = "Tool permission stream closed before response received".to_owned();
                return Ok(Err(stopped(End::Denied, text, "user_reject")));
            }
        };
        if answer["behavior"].as_str() != Some("allow") {
            let text = answer["message"].as_str().unwrap_or("The user said no.").to_owned();
            if answer["interrupt"].as_bool().unwrap_or(false) {
                let mut ended = rejected();
                ended.outcome.end = End::Denied;
                ended.halt = Some(Ending::InterruptedTool);
                return Ok(Err(ended));
            }
            return Ok(Err(stopped(End::Denied, text, "user_reject")));
        }
        if answer["updatedInput"].is_object() {
            call.input = answer["updatedInput"].clone();
        }
        let lasting = answer["updatedPermissions"].as_array().is_some_and(|list| !list.is_empty());
        if let Some(mode) = self.rules.learn(&answer["updatedPermissions"]) {
            self.enter_mode(mode)?;
        }
        Ok(Ok(if lasting { "user_permanent" } else { "user_temporary" }))
    }

    /// Runs the tool itself.
    fn execute(&mut self, call: &Call<'_>) -> Result<Result<Done, String>, Halt> {
        if let Some(done) = files::run(call.tool, &call.input, &self.place.cwd) {
            return Ok(done);
        }
        match call.tool {
            "Bash" => self.run_bash(call),
            "Agent" => self.run_sub(call).map(Ok),
            "TodoWrite" => Ok(Ok(self.write_todos(&call.input))),
            "AskUserQuestion" => Ok(Ok(answered(&call.input))),
            "ExitPlanMode" => {
                self.enter_mode(PermissionMode::Default)?;
                let text = "User has approved exiting plan mode. You can now proceed.".to_owned();
                Ok(Ok(Done { text, response: json!({ "plan": null, "isAgent": false }) }))
            }
            other => Ok(Err(format!("No such tool available: {other}"))),
        }
    }

    fn write_todos(&mut self, input: &Value) -> Done {
        let new = input["todos"].as_array().cloned().unwrap_or_default();
        let old = std::mem::replace(&mut self.memory.todos, new.clone());
        Done {
            text: "Todos have been modified successfully. Ensure that you continue to use the \
                   todo list to track your progress."
                .to_owned(),
            response: json!({ "oldTodos": old, "newTodos": new }),
        }
    }

    /// Tells the host what came out, and hears what it has to say about it.
    fn after(
        &mut self,
        call: &Call<'_>,
        done: Result<Done, String>,
        took: u64,
    ) -> Result<Ended, Halt> {
        let (event, mut more) = match &done {
            Ok(done) => ("PostToolUse", json!({ "tool_response": done.response })),
            Err(error) => ("PostToolUseFailure", json!({ "error": error, "is_interrupt": false })),
        };
        more["tool_name"] = json!(call.tool);
        more["tool_input"] = call.input.clone();
        more["tool_use_id"] = json!(call.id);
        more["duration_ms"] = json!(took);
        let subject = Subject { who: call.who, tool: Some(call.tool), id: &call.id, more };
        let hooked = self.run_hooks(event, &subject)?;
        self.take_context(&hooked);
        let halt = hooked.stops.then_some(Ending::HookStopped);
        Ok(match done {
            Ok(done) => {
                if let (true, Some(path)) = (changes(call.tool), call.input["file_path"].as_str()) {
                    self.memory.changed.insert(path.to_owned());
                }
                let content = (call.tool == "Agent")
                    .then(|| json!([{ "type": "text", "text": done.text.clone() }]));
                let outcome = Outcome { end: End::Done, text: done.text, response: done.response };
                Ended { outcome, content, meta: Value::Null, halt }
            }
            Err(error) => {
                let outcome = Outcome { end: End::Failed, text: error, response: Value::Null };
                Ended { outcome, content: None, meta: Value::Null, halt }
            }
        })
    }

    /// Remembers what a hook told the agent.
    pub(super) fn take_context(&mut self, hooked: &Hooked) {
        for told in &hooked.context {
            self.turn.told_now = true;
            self.turn.vars.insert("told".to_owned(), told.clone());
            self.memory.told.push(told.clone());
            self.count_heard(told);
        }
        let surplus = self.memory.told.len().saturating_sub(50);
        self.memory.told.drain(..surplus);
    }

    fn deny(&mut self, call: &Call<'_>) {
        self.turn.denials.push(json!({
            "tool_name": call.tool, "tool_use_id": call.id, "tool_input": call.input,
        }));
    }

    /// Sends the result of a call.
    fn give_result(&mut self, call: &Call<'_>, ended: &Ended) -> Result<(), Halt> {
        let outcome = &ended.outcome;
        let content = ended.content.clone().unwrap_or_else(|| json!(outcome.text));
        let mut block = json!({
            "type": "tool_result", "tool_use_id": call.id, "content": content,
        });
        if outcome.end != End::Done || call.tool == "Bash" {
            block["is_error"] = json!(outcome.end != End::Done);
        }
        let mut frame =
            json!({ "type": "user", "message": { "role": "user", "content": [block] } });
        call.who.mark(&mut frame);
        if call.who.sub.is_none() {
            frame["tool_use_result"] = match outcome.end {
                End::Done => outcome.response.clone(),
                End::Refused | End::Denied | End::Failed if ended.meta["interrupted"] == true => {
                    json!("User rejected tool use")
                }
                End::Refused | End::Denied | End::Failed => {
                    json!(format!("Error: {}", outcome.text))
                }
            };
        }
        let mut meta = json!({ "id": call.id });
        if ended.meta["interrupted"] == true {
            meta["non_execution_kind"] = json!("user-rejected");
        } else {
            meta["permission_decision"] = ended.meta.clone();
            if matches!(outcome.end, End::Refused | End::Denied) {
                meta["non_execution_kind"] = json!("permission-rule");
            }
        }
        frame["tool_result_meta"] = json!([meta]);
        self.count_heard(&outcome.text);
        self.out.frame(frame)
    }
}

/// Whether a tool changes a file.
fn changes(tool: &str) -> bool {
    matches!(tool, "Write" | "Edit" | "MultiEdit")
}

fn stopped(end: End, text: String, source: &str) -> Ended {
    let outcome = Outcome { end, text, response: Value::Null };
    let meta = json!({ "decision": "reject", "source": source });
    Ended { outcome, content: None, meta, halt: None }
}

fn rejected() -> Ended {
    let mut ended = stopped(End::Failed, REJECTED.to_owned(), "user_reject");
    ended.meta = json!({ "interrupted": true });
    ended
}

fn answered(input: &Value) -> Done {
    let answers = input["answers"].as_object().cloned().unwrap_or_default();
    let list: Vec<_> = answers
        .iter()
        .map(|(question, answer)| match answer.as_str() {
            Some(answer) => format!("\"{question}\"=\"{answer}\""),
            None => format!("\"{question}\"={answer}"),
        })
        .collect();
    let text = match list.is_empty() {
        true => "The user did not answer the questions.".to_owned(),
        false => format!(
            "Your questions have been answered: {}. You can now continue with these answers in \
             mind.",
            list.join(", ")
        ),
    };
    Done { text, response: json!({ "questions": input["questions"], "answers": answers }) }
}
