//! The history as its users see it: through the store and the reader.

mod crash;
mod files;
mod images;
mod journal;
mod leases;
mod pruning;
mod queueing;
mod records;
mod searching;
mod upgrades;

use std::path::PathBuf;

use tempfile::TempDir;

use super::record::Record;
use super::{Reader, Store};
use crate::model::agent::{AgentSpec, Backend};
use crate::model::id::{ItemId, SessionId};
use crate::model::session::SessionRow;
use crate::model::time::Wall;
use crate::model::transcript::{Body, Item, Speaker, ToolCall, ToolStatus};
use crate::model::usage::Usage;

/// A history in a folder of its own.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("data/history.db")
    }

    fn open(&self) -> Store {
        Store::open(&self.path()).unwrap()
    }

    fn read(&self) -> Reader {
        Reader::open(&self.path()).unwrap()
    }

    /// Stores records and closes the history again.
    fn store(&self, records: Vec<Record>) {
        let store = self.open();
        store.blocking_queue(records).unwrap();
        store.close().unwrap();
        assert_eq!(store.health(), super::Health::default());
    }
}

fn id(name: &str) -> SessionId {
    SessionId::from(name)
}

fn session(name: &str, updated_at: i64) -> SessionRow {
    SessionRow {
        id: id(name),
        backend_session_id: Some(format!("backend-{name}")),
        title: format!("title of {name}"),
        workspace: "/w".to_owned(),
        cwd: "/w/sub".to_owned(),
        branch: "main".to_owned(),
        spec: AgentSpec { name: "blue".to_owned(), ..AgentSpec::default() },
        backend: Backend::Script,
        agent: "blue".to_owned(),
        started_at: Wall(5),
        updated_at: Wall(updated_at),
        turns: 2,
        messages: 9,
        usage: Usage::default(),
        last_state: "idle".to_owned(),
        forked_from: Some(id("mother")),
    }
}

fn stored_session(name: &str, updated_at: i64) -> Record {
    Record::Session(Box::new(session(name, updated_at)))
}

fn item(number: u64, body: Body) -> Item {
    Item { id: ItemId(number), at: Wall(7), parent: None, sub: None, open: false, body }
}

fn text(number: u64, text: &str) -> Item {
    item(number, Body::Text { text: text.to_owned() })
}

fn open_text(number: u64, words: &str) -> Item {
    Item { open: true, ..text(number, words) }
}

fn prompt(number: u64, text: &str) -> Item {
    item(number, Body::Prompt { text: text.to_owned(), from: Speaker::Person })
}

fn tool(number: u64, input: serde_json::Value) -> Item {
    item(
        number,
        Body::Tool(ToolCall {
            call: "toolu_1".into(),
            name: "Edit".to_owned(),
            input,
            status: ToolStatus::Running,
            result: None,
            took_ms: None,
        }),
    )
}

fn stored(session: &str, item: Item) -> Record {
    Record::Item { session: id(session), item: Box::new(item) }
}

fn tail(session: &str, item: u64, text: &str) -> Record {
    Record::Tail { session: id(session), item: ItemId(item), text: text.to_owned() }
}
