//! How the agent speaks: messages of blocks, streamed in pieces, each block complete in the end.
//!
//! - One assistant frame per block; it comes just before the end of the block's stream.
//! - A message holds thoughts and words and ends with a tool call or with the turn.
//! - What an interrupt cuts is sent as far as it got, marked as such.
//!
//! Sub-agents speak without pieces, as in the real program.

use serde_json::{Value, json};

use super::account::{Count, tokens_of};
use super::frame::{new_name, timestamp};
use super::halt::{Ending, Halt};
use super::session::Session;

/// Letters in a piece of text, about.
const PIECE: usize = 14;

/// Who speaks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Who {
    /// The sub-agent, if it is one.
    pub(super) sub: Option<Sub>,
}

/// A sub-agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sub {
    /// Its id.
    pub(super) id: String,
    /// The call that started it.
    pub(super) parent: String,
    /// Its kind.
    pub(super) kind: String,
    /// What it is to do.
    pub(super) task: String,
}

impl Who {
    /// Adds whose frame it is.
    pub(super) fn mark(&self, frame: &mut Value) {
        frame["parent_tool_use_id"] = json!(self.sub.as_ref().map(|sub| &sub.parent));
        frame["timestamp"] = json!(timestamp());
        if let Some(sub) = &self.sub {
            frame["agent_id"] = json!(sub.id);
            frame["subagent_type"] = json!(sub.kind);
            frame["task_description"] = json!(sub.task);
        }
    }
}

/// A message that is being spoken.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OpenMessage {
    id: String,
    blocks: u32,
    count: Count,
}

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    /// Words to the person.
    Text,
    /// Thoughts.
    Thinking,
}

impl Speech {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Thinking => "thinking",
        }
    }

    fn block(self, text: &str) -> Value {
        match self {
            Self::Text => json!({ "type": "text", "text": text }),
            Self::Thinking => json!({ "type": "thinking", "thinking": text, "signature": "" }),
        }
    }
}

impl Session<'_> {
    /// Says or thinks something.
    pub(super) fn speak(&mut self, who: &Who, speech: Speech, text: &str) -> Result<(), Halt> {
        self.open_message(who)?;
        self.start_block(who, &speech.block(""))?;
        let mut said = String::new();
        for piece in pieces(text, self.place.speed) {
            let mut delta = json!({ "type": format!("{}_delta", speech.name()) });
            delta[speech.name()] = json!(piece);
            self.stream_delta(who, &delta)?;
            said.push_str(piece);
            if let Err(halt) = self.pause(self.program.pace_ms) {
                if matches!(&halt, Halt::Turn(ending) if ending.is_interrupt()) {
                    self.finish_block(who, &speech.block(&said), true)?;
                    self.close_message(who, None)?;
                }
                return Err(halt);
            }
        }
        if speech == Speech::Text && who.sub.is_none() {
            self.turn.last_text = text.to_owned();
        }
        self.spend(text);
        self.turn.ends_with_tool = false;
        self.finish_block(who, &speech.block(text), false)
    }

    /// Calls a tool: the last block of its message. Returns the call's id.
    pub(super) fn announce(
        &mut self,
        who: &Who,
        tool: &str,
        input: &Value,
    ) -> Result<String, Halt> {
        self.open_message(who)?;
        let id = new_name("toolu_", 24);
        let block =
            |input: &Value| json!({ "type": "tool_use", "id": id, "name": tool, "input": input });
        self.start_block(who, &block(&json!({})))?;
        let text = input.to_string();
        for piece in halves(&text) {
            let delta = json!({ "type": "input_json_delta", "partial_json": piece });
            self.stream_delta(who, &delta)?;
        }
        self.spend(&text);
        self.turn.ends_with_tool = true;
        self.finish_block(who, &block(input), false)?;
        self.close_message(who, Some("tool_use"))?;
        Ok(id)
    }

    /// Begins a message unless one is open: a call to the model.
    fn open_message(&mut self, who: &Who) -> Result<(), Halt> {
        if self.turn.open.is_some() {
            return Ok(());
        }
        if who.sub.is_none() {
            if let Some(limit) = self.options.max_turns.filter(|max| self.turn.calls >= *max) {
                return Err(Halt::Turn(Ending::MaxTurns(limit)));
            }
            let spent = self.memory.account.dollars();
            if let Some(limit) = self.options.max_budget.filter(|max| spent >= *max) {
                let reason = format!("Reached maximum budget (${limit})");
                return Err(Halt::Turn(Ending::Budget(reason)));
            }
            self.turn.calls += 1;
            self.out.system("status", json!({ "status": "requesting" }))?;
        }
        let fresh = std::mem::take(&mut self.turn.heard_tokens);
        let cached = self.memory.account.context;
        self.memory.account.fill(fresh);
        let message = OpenMessage {
            id: new_name("msg_", 24),
            blocks: 0,
            count: Count { input: fresh, output: 1, cached },
        };
        let start = self.envelope(&message, &json!([]));
        self.turn.open = Some(message);
        self.stream(who, &json!({ "type": "message_start", "message": start }))
    }

    /// Ends the open message, if there is one.
    pub(super) fn close_message(
        &mut self,
        who: &Who,
        stop_reason: Option<&str>,
    ) -> Result<(), Halt> {
        let Some(message) = &self.turn.open else { return Ok(()) };
        let count = message.count;
        self.stream(
            who,
            &json!({
                "type": "message_delta",
                "delta": { "stop_reason": stop_reason, "stop_sequence": null },
                "usage": { "output_tokens": count.output },
            }),
        )?;
        self.stream(who, &json!({ "type": "message_stop" }))?;
        self.turn.open = None;
        self.memory.account.fill(count.output);
        self.memory.account.book(&self.model, count);
        if who.sub.is_none() {
            self.turn.spent.add(count);
        }
        Ok(())
    }

    /// Counts what the agent reads: it is in the context of the next call to the model.
    pub(super) fn count_heard(&mut self, text: &str) {
        self.turn.heard_tokens += tokens_of(text);
    }

    fn spend(&mut self, text: &str) {
        if let Some(message) = &mut self.turn.open {
            message.count.output += tokens_of(text);
        }
    }

    fn start_block(&mut self, who: &Who, block: &Value) -> Result<(), Halt> {
        let index = self.index();
        self.stream(
            who,
            &json!({
                "type": "content_block_start", "index": index, "content_block": block,
            }),
        )
    }

    fn stream_delta(&mut self, who: &Who, delta: &Value) -> Result<(), Halt> {
        let index = self.index();
        self.stream(who, &json!({ "type": "content_block_delta", "index": index, "delta": delta }))
    }

    fn finish_block(&mut self, who: &Who, block: &Value, aborted: bool) -> Result<(), Halt> {
        let Some(message) = self.turn.open.clone() else { return Ok(()) };
        let envelope = self.envelope(&message, &json!([block]));
        let mut frame = json!({ "type": "assistant", "message": envelope });
        who.mark(&mut frame);
        if aborted {
            frame["aborted"] = json!(true);
        }
        self.out.frame(frame)?;
        let index = self.index();
        self.stream(who, &json!({ "type": "content_block_stop", "index": index }))?;
        if let Some(message) = &mut self.turn.open {
            message.blocks += 1;
        }
        Ok(())
    }

    fn index(&self) -> u32 {
        self.turn.open.as_ref().map_or(0, |message| message.blocks)
    }

    fn envelope(&self, message: &OpenMessage, content: &Value) -> Value {
        let usage = Count { output: 1, ..message.count }.usage();
        json!({
            "id": message.id, "type": "message", "role": "assistant", "model": self.model,
            "content": content, "stop_reason": null, "stop_sequence": null, "usage": usage,
        })
    }

    /// Sends a raw event of the model's stream, if the host wants them.
    fn stream(&mut self, who: &Who, event: &Value) -> Result<(), Halt> {
        if !self.options.partial || who.sub.is_some() {
            return Ok(());
        }
        let message = self.turn.open.as_ref().map(|message| message.id.clone());
        self.out.frame(json!({
            "type": "stream_event", "event": event, "parent_tool_use_id": null,
            "api_message_id": message,
        }))
    }
}

/// Cuts a text at its spaces; in two where there is no time to watch it grow.
fn pieces(text: &str, speed: f64) -> Vec<&str> {
    if speed <= 0.0 {
        return halves(text);
    }
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, letter) in text.char_indices() {
        if at - start >= PIECE && letter.is_whitespace() {
            pieces.push(&text[start..at]);
            start = at;
        }
    }
    pieces.push(&text[start..]);
    pieces
}

fn halves(text: &str) -> Vec<&str> {
    let middle = (text.len() / 2..text.len()).find(|at| text.is_char_boundary(*at));
    match middle.filter(|at| *at > 0) {
        Some(middle) => vec![&text[..middle], &text[middle..]],
        None => vec![text],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_put_together_are_the_text() {
        for text in ["", "a", "é", "one two three four five six", "ééééé ééééééé éééééé é\n\nx"]
        {
            for speed in [0.0, 1.0] {
                assert_eq!(pieces(text, speed).concat(), text);
            }
        }
        assert_eq!(pieces("one two three four five six", 1.0).len(), 2);
    }
}
