//! Prompts that were sent or cleared, to go back to.

/// Prompts kept per pane.
const KEPT: usize = 200;

/// The prompts of one pane, oldest first, and where the person is in them.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    entries: Vec<String>,
    at: Option<usize>,
    draft: String,
}

impl History {
    /// Adds a prompt; blank ones and repetitions are not kept.
    pub(super) fn push(&mut self, text: &str) {
        if text.trim().is_empty() || self.entries.last().is_some_and(|last| last == text) {
            return;
        }
        self.entries.push(text.to_owned());
        if self.entries.len() > KEPT {
            self.entries.remove(0);
        }
    }

    /// The entry before; what is being written now is kept to come back to.
    pub(super) fn older(&mut self, now: &str) -> Option<String> {
        let at = self.at.unwrap_or(self.entries.len()).checked_sub(1)?;
        if self.at.is_none() {
            now.clone_into(&mut self.draft);
        }
        self.at = Some(at);
        self.entries.get(at).cloned()
    }

    /// The entry after, in the end what was being written.
    pub(super) fn newer(&mut self) -> Option<String> {
        let at = self.at? + 1;
        if let Some(entry) = self.entries.get(at) {
            self.at = Some(at);
            return Some(entry.clone());
        }
        self.at = None;
        Some(std::mem::take(&mut self.draft))
    }

    /// What is written now is a draft of its own.
    pub(super) fn leave(&mut self) {
        self.at = None;
    }
}
