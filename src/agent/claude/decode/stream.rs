//! Messages that are still being written: which block a piece belongs to, and which place the
//! whole block has that replaces the pieces.
//!
//! The CLI sends each block of a message as a frame of its own, without its number, just before it
//! says that the block has ended. Its place is that of the open block of the same kind; without a
//! stream (sub-agents, repeated calls) the frames of a message are counted.

use super::recent::Recent;
use super::{Decoder, place};
use crate::agent::claude::wire::{Event, Partial, Piece, Usage};
use crate::model::id::CallId;
use crate::model::report::{BlockAt, DeltaKind, Report};

/// Messages whose blocks are counted at the same time.
const MESSAGES: usize = 256;
/// Conversations (the main one and its sub-agents) that stream at the same time.
const STREAMS: usize = 256;
/// Blocks of one message that are open at the same time.
const OPEN_BLOCKS: usize = 64;

/// What streams, and how many blocks each message has had.
#[derive(Debug)]
pub(super) struct Streams {
    /// By the call that started the sub-agent; the main conversation has none.
    current: Recent<Option<String>, Stream>,
    counted: Recent<String, u32>,
}

impl Default for Streams {
    fn default() -> Self {
        Self { current: Recent::new(STREAMS), counted: Recent::new(MESSAGES) }
    }
}

#[derive(Debug, Default)]
struct Stream {
    message: String,
    /// Tokens that went into this message.
    sent: u64,
    blocks: Recent<u32, Open>,
}

#[derive(Debug, Clone, PartialEq)]
enum Open {
    Text,
    Thinking,
    Tool { call: CallId, tool: String },
    Other,
}

impl Streams {
    /// The place of a whole block: that of the open block that it completes, else the next one.
    pub(super) fn place_of(
        &mut self,
        parent: &Option<String>,
        message: &str,
        kind: &str,
        call: &str,
    ) -> u32 {
        let wanted = |open: &Open| match open {
            Open::Text => kind == "text",
            Open::Thinking => kind.contains("thinking"),
            Open::Tool { call: open, .. } => open.as_str() == call,
            Open::Other => false,
        };
        let streaming = self.current.get_mut(parent).filter(|stream| stream.message == message);
        let open = streaming.and_then(|stream| {
            let mut matching = stream.blocks.take_if(|_, open| wanted(open));
            let first = (!matching.is_empty()).then(|| matching.remove(0).0);
            matching.into_iter().for_each(|(index, open)| stream.blocks.put(index, open));
            first
        });
        let next = self.counted.get(&message.to_owned()).copied().unwrap_or(0);
        let index = open.unwrap_or(next);
        self.counted.put(message.to_owned(), next.max(index.saturating_add(1)));
        index
    }
}

impl Decoder {
    /// Takes one event of a message that is being written.
    pub(super) fn partial(&mut self, frame: Partial) -> Vec<Report> {
        let Partial { event, parent_tool_use_id: parent, agent_id, api_message_id } = frame;
        let mut reports = Vec::new();
        match event.kind.as_str() {
            "message_start" => {
                self.calm(&mut reports);
                let sent = event.message.usage.as_ref().map_or(0, Usage::filled);
                if parent.is_none() {
                    self.fill(&event.message.id, &event.message.model, sent);
                }
                let stream =
                    Stream { message: event.message.id, sent, blocks: Recent::new(OPEN_BLOCKS) };
                self.streams.current.put(parent, stream);
            }
            "message_delta" => {
                let written = event.usage.map_or(0, |usage| usage.output_tokens.0);
                let stream = self.streams.current.get(&parent);
                if let Some(stream) = stream.filter(|_| parent.is_none()) {
                    let (message, sent) = (stream.message.clone(), stream.sent);
                    self.fill(&message, "", sent.saturating_add(written));
                }
            }
            "message_stop" => {
                self.streams.current.take(&parent);
            }
            "content_block_start" | "content_block_delta" => {
                let message = api_message_id.or_else(|| {
                    self.streams.current.get(&parent).map(|stream| stream.message.clone())
                });
                let sub = self.sub(agent_id, parent.as_ref());
                let at = place(sub, parent, message.unwrap_or_default());
                reports.extend(self.streams.piece(at, event));
            }
            "content_block_stop" => {
                if let Some(stream) = self.streams.current.get_mut(&parent) {
                    stream.blocks.take(&event.index.small());
                }
            }
            // `ping`, and `error`, which comes again as a repeated call or a failed turn.
            _ => {}
        }
        reports
    }

    /// Notes how much of the main model's context a message fills.
    pub(super) fn fill(&mut self, message: &str, model: &str, tokens: u64) {
        if !model.is_empty() {
            self.model = model.to_owned();
        }
        match &mut self.filled {
            Some((known, filled)) if known == message => *filled = tokens.max(*filled),
            Some(_) | None => self.filled = Some((message.to_owned(), tokens)),
        }
    }
}

impl Streams {
    /// What a block's beginning or a piece of it is to the reader.
    fn piece(&mut self, mut at: BlockAt, event: Event) -> Option<Report> {
        let index = event.index.small();
        let parent = at.parent.as_ref().map(|call| call.0.clone());
        at.index = Some(index);
        if event.kind == "content_block_start" {
            let Piece { kind, id, name, text, thinking, .. } = event.content_block;
            let open = match kind.as_str() {
                "text" => Open::Text,
                "thinking" => Open::Thinking,
                kind if kind.ends_with("tool_use") => Open::Tool { call: CallId(id), tool: name },
                _ => Open::Other,
            };
            if self.current.get(&parent).is_none() {
                let message = at.message.clone();
                let stream = Stream { message, sent: 0, blocks: Recent::new(OPEN_BLOCKS) };
                self.current.put(parent.clone(), stream);
            }
            let stream = self.current.get_mut(&parent)?;
            stream.blocks.put(index, open.clone());
            return match open {
                Open::Text => delta(at, DeltaKind::Text, text),
                Open::Thinking => delta(at, DeltaKind::Thinking, thinking),
                // The call is announced before its input is written.
                Open::Tool { call, tool } => {
                    let kind = DeltaKind::ToolInput { call, tool };
                    Some(Report::Delta { at, kind, text: String::new() })
                }
                Open::Other => None,
            };
        }
        let Piece { kind, text, thinking, partial_json, .. } = event.delta;
        match kind.as_str() {
            "text_delta" => delta(at, DeltaKind::Text, text),
            "thinking_delta" => delta(at, DeltaKind::Thinking, thinking),
            "input_json_delta" => {
                let Some(Open::Tool { call, tool }) =
                    self.current.get(&parent).and_then(|stream| stream.blocks.get(&index))
                else {
                    return None;
                };
                let kind = DeltaKind::ToolInput { call: call.clone(), tool: tool.clone() };
                delta(at, kind, partial_json)
            }
            // Signatures and citations are nothing to read.
            _ => None,
        }
    }
}

fn delta(at: BlockAt, kind: DeltaKind, text: String) -> Option<Report> {
    (!text.is_empty()).then_some(Report::Delta { at, kind, text })
}
