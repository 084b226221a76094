//! Prompts that come back: one that waits is taken back, one that was not taken stands again where
//! it was written. Nothing that was written is lost.

use super::Pane;
use crate::engine::command::Command;
use crate::model::agent::AgentInfo;
use crate::model::transcript::Level;
use crate::ui::wish::{Tag, Wish};

impl Pane {
    /// Takes the last prompt that waits back, into the editor if that is empty.
    pub fn take_back(&mut self, info: &AgentInfo) -> Vec<Wish> {
        let Some(last) = info.queue.last() else {
            return vec![Wish::Tell(Level::Info, "no prompt waits".to_owned())];
        };
        if self.prompt.is_empty() {
            self.prompt.set(&last.text);
        } else {
            self.prompt.remember(&last.text);
        }
        let command = Box::new(Command::Unqueue { agent: self.agent, prompt: last.id });
        vec![Wish::Ask { command, tag: Tag::Nobody }]
    }

    /// A prompt was not taken: it stands where it was written, unless something else does by now.
    pub fn not_sent(&mut self, text: &str) {
        if self.prompt.is_empty() {
            self.prompt.set(text);
        }
    }
}
