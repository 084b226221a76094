//! What a session remembers from one process to the next: a small file per session.
//!
//! As with the real program, no file exists before the first prompt, and a kill in the middle of
//! a turn loses that turn's end but neither its prompt nor anything before it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::frame::new_id;

/// Prompts that are remembered.
const PROMPTS_KEPT: usize = 200;

/// The contents of the file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    /// The session.
    pub(super) id: String,
    /// How many turns without `on` have been used.
    pub(super) next_turn: usize,
    /// How many markers have been written.
    pub(super) markers: u64,
    /// What it used.
    pub(super) account: Account,
    /// What it was asked, the oldest first.
    pub(super) prompts: Vec<String>,
    /// Which files it changed.
    pub(super) changed: BTreeSet<String>,
    /// What hooks told it.
    pub(super) told: Vec<String>,
    /// Its list of things to do, as the protocol has it.
    pub(super) todos: Vec<serde_json::Value>,
    /// Its title.
    pub(super) title: Option<String>,
}

impl Memory {
    /// A new session; without `id` it gets a new one.
    pub(super) fn new(id: Option<String>) -> Self {
        Self { id: id.unwrap_or_else(new_id), ..Self::default() }
    }

    /// Whether there is a session of this id.
    pub(super) fn exists(folder: &Path, id: &str) -> bool {
        file_of(folder, id).is_some_and(|file| file.exists())
    }

    /// Reads what session `id` left, if it exists.
    pub(super) fn load(folder: &Path, id: &str) -> Option<Self> {
        let text = fs::read_to_string(file_of(folder, id)?).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Writes the file, in one piece.
    pub(super) fn save(&self, folder: &Path) -> io::Result<()> {
        let Some(file) = file_of(folder, &self.id) else { return Ok(()) };
        fs::create_dir_all(folder)?;
        let temporary = file.with_extension(format!("tmp{}", std::process::id()));
        fs::write(&temporary, serde_json::to_vec(self)?)?;
        fs::rename(temporary, file)
    }

    /// Remembers a prompt.
    pub(super) fn hear(&mut self, prompt: &str) {
        self.prompts.push(prompt.to_owned());
        if self.prompts.len() > PROMPTS_KEPT {
            self.prompts.remove(0);
        }
    }
}

/// The file of a session; ids that could leave the folder have none.
fn file_of(folder: &Path, id: &str) -> Option<PathBuf> {
    let plain = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    plain.then(|| folder.join(format!("{id}.json")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_remembers_across_processes() {
        let folder = tempfile::tempdir().unwrap();
        let mut memory = Memory::new(None);
        assert!(!Memory::exists(folder.path(), &memory.id));
        memory.hear("make it so");
        memory.next_turn = 2;
        memory.save(folder.path()).unwrap();
        assert_eq!(Memory::load(folder.path(), &memory.id), Some(memory));
    }

    #[test]
    fn an_id_never_leaves_the_folder() {
        assert_eq!(file_of(Path::new("/s"), "../../etc/passwd"), None);
        assert_eq!(Memory::load(Path::new("/"), ""), None);
    }
}
