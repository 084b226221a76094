//! Steps become deeds: words, tool calls, waits, and what a sensible agent does about a refusal.
//!
//! A refused step is never forced: it is redone from a fresh read, put off, or left, as the script
//! says, and what was not written is said.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::anchor;
use super::files::Done;
use super::frame::{new_id, new_name, timestamp};
use super::gate::Subject;
use super::halt::{Ending, Halt};
use super::message::{Speech, Sub, Who};
use super::session::Session;
use super::step::{Act, Change, Condition, OnRefused, Step};
use super::tool::{Call, End, Outcome};

/// Letters of a refusal that the agent repeats.
const REPEATED: usize = 160;

impl Session<'_> {
    /// Does the steps, one after the other.
    pub(super) fn perform(&mut self, steps: &[Step], who: &Who) -> Result<(), Halt> {
        for step in steps {
            if self.holds(step.only_if) {
                self.do_step(step, who)?;
            }
        }
        Ok(())
    }

    fn holds(&self, condition: Option<Condition>) -> bool {
        let last = self.turn.last;
        match condition {
            None => true,
            Some(Condition::Ok) => last == Some(End::Done),
            Some(Condition::Refused) => last == Some(End::Refused),
            Some(Condition::Denied) => last == Some(End::Denied),
            Some(Condition::Failed) => last == Some(End::Failed),
            Some(Condition::Told) => self.turn.told_now,
        }
    }

    fn do_step(&mut self, step: &Step, who: &Who) -> Result<(), Halt> {
        match &step.act {
            Act::Text(text) => {
                let text = self.fill(text);
                self.speak(who, Speech::Text, &text)
            }
            Act::Think(text) => {
                let text = self.fill(text);
                self.speak(who, Speech::Thinking, &text)
            }
            Act::Sleep(ms) => self.pause(*ms),
            Act::Repeat { times, steps } => {
                for n in 1..=*times {
                    self.turn.vars.insert("n".to_owned(), n.to_string());
                    self.perform(steps, who)?;
                }
                Ok(())
            }
            Act::Raw(line) => self.out.raw(line),
            Act::Exit { code, stderr } => {
                if let Some(words) = stderr {
                    let words = self.fill(words);
                    self.out.complain(&words);
                }
                Err(Halt::Exit(*code))
            }
            Act::ApiError { status, times, recovers } => self.fail_call(*status, *times, *recovers),
            Act::Read(_)
            | Act::Write { .. }
            | Act::Edit { .. }
            | Act::Append { .. }
            | Act::Mark(_)
            | Act::Bash { .. }
            | Act::Todo(_)
            | Act::AskUser { .. }
            | Act::Plan(_)
            | Act::Sub { .. } => self.insist(step, who),
        }
    }

    /// Does a tool step, and again if it is refused and the script says so.
    fn insist(&mut self, step: &Step, who: &Who) -> Result<(), Halt> {
        let silent = matches!(step.act, Act::Mark(_));
        let mut attempt = 0;
        loop {
            let outcome = self.attempt(step, who, attempt)?;
            self.turn.last = Some(outcome.end);
            // A marker whose anchor somebody moved is tried again, as a model would.
            let moved = silent && outcome.end == End::Failed;
            if outcome.end != End::Refused && !moved {
                return Ok(());
            }
            let why = essence(&outcome.text);
            let put_off = step.on_refused == OnRefused::Later && who.sub.is_none();
            match step.on_refused {
                OnRefused::Skip => return Ok(()),
                OnRefused::Tell => {
                    let words = format!("Not written. {why} I leave it for now.");
                    return self.speak(who, Speech::Text, &words);
                }
                OnRefused::Stop => {
                    let words = format!("Not written. {why} I stop here.");
                    self.speak(who, Speech::Text, &words)?;
                    self.close_message(who, Some("end_turn"))?;
                    return Err(Halt::Turn(Ending::Completed));
                }
                OnRefused::Later if put_off => {
                    let words = format!("Not written. {why} I do the rest first.");
                    self.speak(who, Speech::Text, &words)?;
                    let again = Step { on_refused: OnRefused::Retry, ..step.clone() };
                    self.turn.later.push(again);
                    return Ok(());
                }
                OnRefused::Retry | OnRefused::Later if attempt < step.retries => {
                    if !silent {
                        let words = format!("Not written. {why} I read it again.");
                        self.speak(who, Speech::Text, &words)?;
                    }
                    self.pause(step.retry_ms)?;
                    attempt += 1;
                }
                OnRefused::Retry | OnRefused::Later => {
                    let words = format!("Still not written after {attempt} more tries. {why}");
                    return self.speak(who, Speech::Text, &words);
                }
            }
        }
    }

    fn attempt(&mut self, step: &Step, who: &Who, attempt: u32) -> Result<Outcome, Halt> {
        let ask = step.ask;
        let waits_inside = matches!(step.act, Act::Mark(_) | Act::Append { .. });
        if !waits_inside && step.pause_ms > 0 {
            self.pause(step.pause_ms)?;
        }
        match &step.act {
            Act::Read(path) => self.read(who, &self.path(path)),
            Act::Write { path, content } => {
                let (path, content) = (self.path(path), self.fill(content));
                if attempt > 0 {
                    self.read(who, &path)?;
                }
                let input = json!({ "file_path": path, "content": content });
                self.use_tool(who, "Write", input, ask)
            }
            Act::Edit { path, edits } => {
                let path = self.path(path);
                let edits: Vec<_> = edits
                    .iter()
                    .map(|edit| Change {
                        old: self.fill(&edit.old),
                        new: self.fill(&edit.new),
                        all: edit.all,
                    })
                    .collect();
                if attempt > 0 && self.is_moot(who, &path, &edits)? {
                    return Ok(nothing_left());
                }
                let (tool, input) = edit_input(&path, &edits);
                self.use_tool(who, tool, input, ask)
            }
            Act::Append { path, content } => {
                let (path, content) = (self.path(path), self.fill(content));
                let seen = self.read(who, &path)?;
                self.pause(step.pause_ms)?;
                let seen = text_of(&seen);
                let (tool, input) = match anchor::at_end(&seen, &content) {
                    Some((old, new)) => (
                        "Edit",
                        json!({ "file_path": path, "old_string": old, "new_string": new,
                                         "replace_all": false }),
                    ),
                    None => {
                        let whole = format!("{seen}{}\n", content.trim_end_matches('\n'));
                        ("Write", json!({ "file_path": path, "content": whole }))
                    }
                };
                self.use_tool(who, tool, input, ask)
            }
            Act::Mark(mark) => self.mark(mark, step, who),
            Act::Bash { command, description, background } => {
                let command = self.fill(command);
                let description = description.as_ref().map(|text| self.fill(text));
                let mut input = json!({
                    "command": command,
                    "description": description.unwrap_or_else(|| command.clone()),
                });
                if *background {
                    input["run_in_background"] = json!(true);
                }
                self.use_tool(who, "Bash", input, ask)
            }
            Act::Todo(entries) => {
                let todos: Vec<_> = entries.iter().map(|entry| todo(&self.fill(entry))).collect();
                self.use_tool(who, "TodoWrite", json!({ "todos": todos }), ask)
            }
            Act::AskUser { question, header, options, multi } => {
                let options: Vec<_> = options
                    .iter()
                    .map(|label| json!({ "label": label, "description": "" }))
                    .collect();
                let question = json!({ "question": self.fill(question), "header": header,
                                       "options": options, "multiSelect": multi });
                let input = json!({ "questions": [question] });
                let outcome = self.use_tool(who, "AskUserQuestion", input, ask)?;
                let answer = outcome.response["answers"].as_object().map(|answers| {
                    answers.values().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
                });
                self.turn.vars.insert("answer".to_owned(), answer.unwrap_or_default());
                Ok(outcome)
            }
            Act::Plan(plan) => {
                let input = json!({ "plan": self.fill(plan) });
                self.use_tool(who, "ExitPlanMode", input, ask)
            }
            Act::Sub { task, kind, steps } => {
                let task = self.fill(task);
                let short: Vec<_> = task.split_whitespace().take(5).collect();
                let input = json!({
                    "description": short.join(" "), "prompt": task, "subagent_type": kind,
                    "run_in_background": false,
                });
                self.use_tool_for(who, "Agent", input, ask, steps)
            }
            Act::Text(_)
            | Act::Think(_)
            | Act::Sleep(_)
            | Act::Repeat { .. }
            | Act::Raw(_)
            | Act::Exit { .. }
            | Act::ApiError { .. } => Ok(nothing_left()),
        }
    }

    /// Reads a file by the Read tool.
    pub(super) fn read(&mut self, who: &Who, path: &str) -> Result<Outcome, Halt> {
        self.use_tool(who, "Read", json!({ "file_path": path }), None)
    }

    /// Reads the file again; whether what was to be changed there is gone.
    fn is_moot(&mut self, who: &Who, path: &str, edits: &[Change]) -> Result<bool, Halt> {
        let seen = text_of(&self.read(who, path)?);
        let gone = edits.iter().any(|edit| !seen.contains(&edit.old));
        if gone {
            let done = edits.iter().all(|edit| seen.contains(&edit.new));
            let words = match done {
                true => "It is in the file already.",
                false => "What I wanted to change is not there any more; I leave it.",
            };
            self.speak(who, Speech::Text, words)?;
        }
        Ok(gone)
    }

    /// Runs a sub-agent.
    pub(super) fn run_sub(&mut self, call: &Call<'_>) -> Result<Done, Halt> {
        let task = call.input["prompt"].as_str().unwrap_or_default().to_owned();
        let kind = call.input["subagent_type"].as_str().unwrap_or("general-purpose").to_owned();
        let description = call.input["description"].as_str().unwrap_or_default().to_owned();
        let id = new_name("a", 16);
        let who = Who {
            sub: Some(Sub {
                id: id.clone(),
                parent: call.id.clone(),
                kind: kind.clone(),
                task: description.clone(),
            }),
        };
        self.turn.subs += 1;
        let base = json!({ "task_id": id, "tool_use_id": call.id });
        let with = |more: Value| merge(&base, &more);
        self.out.system(
            "task_started",
            with(json!({
                "description": description, "subagent_type": kind, "is_backgrounded": false,
                "spawn_depth": 1, "task_type": "local_agent", "prompt": task,
            })),
        )?;
        let subject = Subject { who: &who, tool: None, id: &new_id(), more: json!({}) };
        self.run_hooks("SubagentStart", &subject)?;
        let content = json!([{ "type": "text", "text": task }]);
        let mut frame =
            json!({ "type": "user", "message": { "role": "user", "content": content } });
        who.mark(&mut frame);
        self.out.frame(frame)?;
        let words_before = std::mem::take(&mut self.turn.last_text);
        let performed = self.perform_for_sub(call.steps, &who, &base);
        self.close_message(&who, Some("end_turn"))?;
        self.turn.ends_with_tool = true;
        self.turn.last_text = words_before;
        let report = match performed {
            Ok(report) => report,
            Err(halt) => {
                if matches!(halt, Halt::Turn(_)) {
                    self.end_sub(&base, "stopped", "")?;
                }
                return Err(halt);
            }
        };
        self.run_hooks("SubagentStop", &subject)?;
        self.end_sub(&base, "completed", &report)?;
        Ok(Done {
            text: report.clone(),
            response: json!({
                "status": "completed", "prompt": task, "agentId": id, "agentType": kind,
                "content": [{ "type": "text", "text": report }],
                "totalToolUseCount": call.steps.len(),
            }),
        })
    }

    fn perform_for_sub(&mut self, steps: &[Step], who: &Who, base: &Value) -> Result<String, Halt> {
        let mut report = "Done.".to_owned();
        for step in steps {
            if !self.holds(step.only_if) {
                continue;
            }
            if let Some(what) = progress(&step.act) {
                let more = merge(base, &json!({ "description": self.fill(&what) }));
                self.out.system("task_progress", more)?;
            }
            if let Act::Text(text) = &step.act {
                report = self.fill(text);
            }
            self.do_step(step, who)?;
        }
        if self.turn.ends_with_tool {
            self.speak(who, Speech::Text, &report)?;
        }
        Ok(report)
    }

    fn end_sub(&mut self, base: &Value, status: &str, summary: &str) -> Result<(), Halt> {
        let patch = json!({ "status": if status == "stopped" { "killed" } else { status } });
        self.out.system("task_updated", merge(base, &json!({ "patch": patch })))?;
        let more = json!({ "status": status, "output_file": "", "summary": summary });
        self.out.system("task_notification", merge(base, &more))
    }

    /// Plays a failed call to the model.
    fn fail_call(&mut self, status: u16, times: u32, recovers: bool) -> Result<(), Halt> {
        let error = match status {
            429 => "rate_limit",
            529 => "overloaded",
            500..=599 => "server_error",
            _ => "unknown",
        };
        for attempt in 1..=times {
            let delay = 500_u64 << (attempt - 1).min(6);
            self.out.system(
                "api_retry",
                json!({ "attempt": attempt, "max_retries": 10, "retry_delay_ms": delay,
                        "error_status": status, "error": error }),
            )?;
            self.pause(delay)?;
        }
        if recovers {
            return Ok(());
        }
        self.close_message(&Who::default(), None)?;
        let text = format!("API Error: {status} {error}. This is a script's error.");
        self.turn.last_text = text.clone();
        self.out.frame(json!({
            "type": "assistant", "parent_tool_use_id": null, "timestamp": timestamp(),
            "error": error, "is_api_error_message": true, "api_error_status": status,
            "message": {
                "id": new_id(), "type": "message", "role": "assistant", "model": "<synthetic>",
                "content": [{ "type": "text", "text": text }], "stop_reason": "stop_sequence",
                "stop_sequence": "", "usage": super::account::Count::default().usage(),
            },
        }))?;
        Err(Halt::Turn(Ending::ApiError(status)))
    }

    /// The absolute path of a file of the script.
    pub(super) fn path(&self, raw: &str) -> String {
        self.place.cwd.join(self.fill(raw)).to_string_lossy().into_owned()
    }

    /// Puts in what `${…}` stands for.
    pub(super) fn fill(&self, text: &str) -> String {
        fill(text, &self.turn.vars)
    }
}

fn fill(text: &str, vars: &BTreeMap<String, String>) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        filled.push_str(before);
        let known = behind
            .split_once('}')
            .and_then(|(name, after)| vars.get(name).map(|value| (value, after)));
        if let Some((value, after)) = known {
            filled.push_str(value);
            rest = after;
        } else {
            filled.push_str("${");
            rest = behind;
        }
    }
    filled.push_str(rest);
    filled
}

/// The first sentence or two of a refusal, without the protocol's words.
fn essence(text: &str) -> String {
    let text = text.split_once(" hook error: ").map_or(text, |(_, reason)| reason);
    let text = match text.split_once("): ") {
        Some((code, rest)) if code.starts_with("NOT WRITTEN") => rest,
        _ => text,
    };
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(REPEATED).collect();
    if !short.ends_with(['.', '!', '?']) {
        short.push('.');
    }
    short
}

fn edit_input(path: &str, edits: &[Change]) -> (&'static str, Value) {
    let one = |edit: &Change| json!({ "old_string": edit.old, "new_string": edit.new, "replace_all": edit.all });
    match edits {
        [edit] => {
            let mut input = one(edit);
            input["file_path"] = json!(path);
            ("Edit", input)
        }
        _ => {
            let edits: Vec<_> = edits.iter().map(one).collect();
            ("MultiEdit", json!({ "file_path": path, "edits": edits }))
        }
    }
}

/// The text that a Read showed.
pub(super) fn text_of(seen: &Outcome) -> String {
    seen.response["file"]["content"].as_str().unwrap_or_default().to_owned()
}

fn nothing_left() -> Outcome {
    Outcome { end: End::Done, text: String::new(), response: Value::Null }
}

fn todo(entry: &str) -> Value {
    let (status, text) = match entry.split_once(' ') {
        Some(("x", text)) => ("completed", text),
        Some((">", text)) => ("in_progress", text),
        Some(("-", text)) => ("pending", text),
        _ => ("pending", entry),
    };
    json!({ "content": text, "status": status, "activeForm": text })
}

fn progress(act: &Act) -> Option<String> {
    match act {
        Act::Read(path) => Some(format!("Reading {path}")),
        Act::Write { path, .. } => Some(format!("Writing {path}")),
        Act::Edit { path, .. } | Act::Append { path, .. } => Some(format!("Editing {path}")),
        Act::Bash { command, .. } => Some(format!("Running {command}")),
        Act::Text(_)
        | Act::Think(_)
        | Act::Mark(_)
        | Act::Todo(_)
        | Act::AskUser { .. }
        | Act::Plan(_)
        | Act::Sub { .. }
        | Act::Sleep(_)
        | Act::Repeat { .. }
        | Act::ApiError { .. }
        | Act::Raw(_)
        | Act::Exit { .. } => None,
    }
}

fn merge(base: &Value, more: &Value) -> Value {
    let mut merged = base.clone();
    for (key, value) in more.as_object().into_iter().flatten() {
        merged[key] = value.clone();
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_filled_in_and_others_stay() {
        let vars = BTreeMap::from([("name".to_owned(), "blue".to_owned())]);
        assert_eq!(fill("I am ${name}: ${HOME} ${ {name}", &vars), "I am blue: ${HOME} ${ {name}");
    }

    #[test]
    fn a_refusal_is_repeated_without_the_words_of_the_protocol() {
        let text = "PreToolUse:Edit hook error: NOT WRITTEN (held): a.rs is being edited by red\nx";
        assert_eq!(essence(text), "a.rs is being edited by red.");
    }

    #[test]
    fn entries_of_a_todo_list_show_how_far_they_are() {
        assert_eq!(todo("x lex")["status"], "completed");
        assert_eq!(todo("> parse")["content"], "parse");
        assert_eq!(todo("write docs")["status"], "pending");
    }
}
