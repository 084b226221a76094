//! Whole blocks: what the agent says, and what it is told besides the person's prompts.

use serde_json::Value;

use super::{Decoder, notice, place};
use crate::agent::claude::wire::{self, ContentBlock, Many, Spoken, Usage};
use crate::model::id::CallId;
use crate::model::report::{Block, Report};
use crate::model::transcript::{Hunk, Level};

/// The model's name in messages that no model wrote.
const SYNTHETIC: &str = "<synthetic>";
/// How the CLI tells the conversation that the person broke a turn off.
const INTERRUPT_MARK: &str = "[Request interrupted by user";

impl Decoder {
    /// Takes a frame with one block, or more, of what the agent says.
    pub(super) fn assistant(&mut self, frame: Spoken) -> Vec<Report> {
        let mut reports = Vec::new();
        self.calm(&mut reports);
        let Spoken { message, parent_tool_use_id: parent, agent_id, .. } = frame;
        let failed = frame.is_api_error_message || frame.error.is_string();
        let sub = self.sub(agent_id, parent.as_ref());
        if parent.is_none() && message.model != SYNTHETIC {
            let tokens = message.usage.as_ref().map_or(0, Usage::filled);
            self.fill(&message.id, &message.model, tokens);
        }
        let id = if message.id.is_empty() { frame.uuid } else { message.id };
        for block in blocks(message.content) {
            let index = self.streams.place_of(&parent, &id, &block.kind, &block.id);
            let mut at = place(sub.clone(), parent.clone(), id.clone());
            at.index = Some(index);
            let block = match block.kind.as_str() {
                "text" if failed => Block::ApiError(block.text),
                "text" if block.text.is_empty() => continue,
                "text" => Block::Text(block.text),
                "thinking" if block.thinking.is_empty() => continue,
                "thinking" => Block::Thinking(block.thinking),
                // What the model thought is not for us to read.
                "redacted_thinking" => continue,
                kind if kind.ends_with("tool_use") => {
                    Block::ToolUse { call: CallId(block.id), tool: block.name, input: block.input }
                }
                kind if kind.ends_with("tool_result") => {
                    reports.push(Report::ToolResult {
                        call: CallId(block.tool_use_id),
                        sub: sub.clone(),
                        text: text_of(block.content),
                        is_error: block.is_error,
                        hunks: Vec::new(),
                    });
                    continue;
                }
                kind => Block::Text(format!("[{kind}]")),
            };
            reports.push(Report::Block { at, block, aborted: frame.aborted });
        }
        reports
    }

    /// Takes a frame of the user's side: results of tools, and texts.
    pub(super) fn user(&mut self, frame: Spoken) -> Vec<Report> {
        let Spoken { message, parent_tool_use_id: parent, agent_id, uuid, .. } = frame;
        let sub = self.sub(agent_id, parent.as_ref());
        let blocks = blocks(message.content);
        let results = blocks.iter().filter(|block| block.kind == "tool_result").count();
        // The structured result does not say which call it belongs to.
        let mut change = (results == 1).then_some(frame.tool_use_result);
        let mut reports = Vec::new();
        for block in blocks {
            match block.kind.as_str() {
                "tool_result" => {
                    let call = CallId(block.tool_use_id);
                    let known = self.changes.take(&call).unwrap_or_default();
                    let told = change.take().map(|change| hunks(&change)).unwrap_or_default();
                    reports.push(Report::ToolResult {
                        call,
                        sub: sub.clone(),
                        text: text_of(block.content),
                        is_error: block.is_error,
                        hunks: if told.is_empty() { known } else { told },
                    });
                }
                "text" => {
                    if parent.is_none() && block.text.starts_with(INTERRUPT_MARK) {
                        self.interrupted = true;
                    }
                    if let Some(report) = command_output(&block.text) {
                        reports.push(report);
                    } else if !frame.is_replay && !block.text.is_empty() {
                        let at = place(sub.clone(), parent.clone(), uuid.clone());
                        reports.push(Report::UserText { at, text: block.text });
                    }
                }
                _ if frame.is_replay => {}
                kind => {
                    let at = place(sub.clone(), parent.clone(), uuid.clone());
                    reports.push(Report::UserText { at, text: format!("[{kind}]") });
                }
            }
        }
        reports
    }
}

/// What a command of the CLI itself printed, if `text` is that.
fn command_output(text: &str) -> Option<Report> {
    let inner = |tag: &str| {
        let rest = text.strip_prefix(&format!("<{tag}>"))?;
        Some(rest.strip_suffix(&format!("</{tag}>")).unwrap_or(rest).trim().to_owned())
    };
    let (level, said) = match inner("local-command-stdout") {
        Some(said) => (Level::Info, said),
        None => (Level::Warn, inner("local-command-stderr")?),
    };
    Some(notice(level, said))
}

/// The blocks of a message's content, which may also be a bare text.
fn blocks(content: Value) -> Vec<ContentBlock> {
    match content {
        Value::String(text) => {
            vec![ContentBlock { kind: "text".to_owned(), text, ..ContentBlock::default() }]
        }
        blocks @ (Value::Array(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Object(_)) => wire::shape::<Many<ContentBlock>>(blocks).0,
    }
}

/// The text of a tool's result; what is no text is named in brackets.
fn text_of(content: Value) -> String {
    match content {
        Value::String(text) => text,
        Value::Null => String::new(),
        Value::Array(parts) => {
            let parts = parts.into_iter().map(|part| match part["text"].as_str() {
                Some(text) => text.to_owned(),
                None => format!("[{}]", part["type"].as_str().unwrap_or("data")),
            });
            parts.collect::<Vec<_>>().join("\n")
        }
        other @ (Value::Bool(_) | Value::Number(_) | Value::Object(_)) => other.to_string(),
    }
}

/// The change of a file that a structured result describes.
pub(super) fn hunks(result: &Value) -> Vec<Hunk> {
    if !result["structuredPatch"].is_array() {
        return Vec::new();
    }
    let patch: Many<Hunk> = wire::shape(result["structuredPatch"].clone());
    if !patch.0.is_empty() || result["type"] != "create" {
        return patch.0;
    }
    // A new file comes without a patch.
    let text = result["content"].as_str().unwrap_or_default();
    let lines: Vec<String> = text.lines().map(|line| format!("+{line}")).collect();
    let new_lines = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    if lines.is_empty() {
        return Vec::new();
    }
    vec![Hunk { old_start: 0, old_lines: 0, new_start: 1, new_lines, lines }]
}
