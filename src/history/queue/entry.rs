//! What waits in the queue: records, who waits for them, and how much room they take.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::history::error::StoreError;
use crate::history::record::Record;
use crate::history::write::Pen;
use crate::model::transcript::Body;

/// Called with the end of a batch.
pub(in crate::history) type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Something that the writing thread does between two commits.
pub(in crate::history) type Task = Box<dyn FnOnce(&mut Pen) + Send>;

/// What waits for the writing thread.
pub(in crate::history) enum Entry {
    /// A record that nobody waits for, and its size.
    One(Record, usize),
    /// Records that somebody waits for.
    Job {
        /// Stored all together or not at all.
        records: Vec<Record>,
        /// Their size.
        bytes: usize,
        /// Who waits.
        ticket: Arc<Ticket>,
    },
    /// Something else than a record.
    Task(Task),
}

/// One wait for one batch, which may have a part in each lane.
pub(in crate::history) struct Ticket {
    parts: AtomicUsize,
    done: Mutex<Option<Done>>,
}

impl Ticket {
    pub(super) fn new(parts: usize, done: Done) -> Arc<Self> {
        Arc::new(Self { parts: AtomicUsize::new(parts), done: Mutex::new(Some(done)) })
    }

    /// One part is stored; the last one ends the wait.
    pub(in crate::history) fn stored(&self) {
        if self.parts.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.end(Ok(()));
        }
    }

    /// One part cannot be stored.
    pub(in crate::history) fn failed(&self, error: StoreError) {
        self.end(Err(error));
    }

    fn end(&self, result: Result<(), StoreError>) {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(done) = done {
            let call = std::panic::AssertUnwindSafe(|| done(result));
            if std::panic::catch_unwind(call).is_err() {
                tracing::error!("a callback of the history panicked");
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end(Err(StoreError::Closed));
    }
}

impl Entry {
    /// The records in it.
    pub(in crate::history) fn records(&self) -> &[Record] {
        match self {
            Self::One(record, _) => std::slice::from_ref(record),
            Self::Job { records, .. } => records,
            Self::Task(_) => &[],
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::One(_, bytes) | Self::Job { bytes, .. } => *bytes,
            Self::Task(_) => 0,
        }
    }

    pub(super) fn is_awaited(&self) -> bool {
        match self {
            Self::One(..) => false,
            Self::Job { .. } | Self::Task(_) => true,
        }
    }

    /// Records that somebody waits for.
    pub(super) fn job(records: Vec<Record>, ticket: Arc<Ticket>) -> Self {
        let bytes = records.iter().map(size).sum();
        Self::Job { records, bytes, ticket }
    }
}

/// Whether a record belongs to the fast lane.
pub(super) fn is_fast(record: &Record) -> bool {
    match record {
        Record::Lease(_) | Record::Free { .. } | Record::Knows { .. } | Record::Decision(_) => true,
        Record::Change(_)
        | Record::Blob { .. }
        | Record::BlobFile { .. }
        | Record::Fresh { .. }
        | Record::Proposal(_)
        | Record::Session(_)
        | Record::Line { .. }
        | Record::Item { .. }
        | Record::Tail { .. }
        | Record::Asked { .. }
        | Record::AskEnded { .. }
        | Record::Bench(_)
        | Record::Open(_)
        | Record::Close { .. }
        | Record::Waiting { .. } => false,
    }
}

/// Whether a record is what was said, of which a piece can be missing: the lines are for looking
/// things up, and an item is stored whole when it is closed.
pub(super) fn is_talk(record: &Record) -> bool {
    match record {
        Record::Line { .. } | Record::Tail { .. } | Record::Blob { .. } => true,
        Record::Session(_)
        | Record::Item { .. }
        | Record::Asked { .. }
        | Record::AskEnded { .. }
        | Record::Lease(_)
        | Record::Free { .. }
        | Record::Knows { .. }
        | Record::Decision(_)
        | Record::Change(_)
        | Record::Proposal(_)
        | Record::BlobFile { .. }
        | Record::Fresh { .. }
        | Record::Bench(_)
        | Record::Open(_)
        | Record::Close { .. }
        | Record::Waiting { .. } => false,
    }
}

/// About how much memory a record takes.
pub(super) fn size(record: &Record) -> usize {
    let texts = match record {
        Record::Session(row) => 1024 + row.title.len(),
        Record::Line { line, .. } => line.len(),
        Record::Item { item, .. } => match &item.body {
            Body::Prompt { text, .. }
            | Body::Text { text }
            | Body::Thinking { text }
            | Body::Notice { text, .. }
            | Body::Raw { line: text } => text.len(),
            Body::Tool(call) => {
                let result = call.result.as_ref().map_or(0, |result| {
                    let hunks = result.hunks.iter().flat_map(|hunk| &hunk.lines);
                    result.text.len() + hunks.map(|line| 24 + line.len()).sum::<usize>()
                });
                value_size(&call.input) + result
            }
            Body::Todo { entries } => entries.iter().map(|entry| 32 + entry.text.len()).sum(),
            Body::TurnEnd(_) => 128,
        },
        Record::Tail { text, .. } => text.len(),
        Record::Asked { ask, .. } | Record::AskEnded { ask, .. } => 256 + value_size(&ask.input),
        Record::Lease(row) => row.path.len() + row.workspace.len() + row.reason.len(),
        Record::Free { workspace, path } => workspace.len() + path.len(),
        Record::Knows { workspace, path, .. } => workspace.len() + path.as_str().len(),
        Record::Decision(row) => row.workspace.len() + row.tool.len() + row.text.len(),
        Record::Change(row) => {
            let change = &row.change;
            size_of_val(row.as_ref())
                + row.workspace.len()
                + change.path.as_str().len()
                + change.tool.len()
        }
        Record::Proposal(row) => {
            size_of_val(row.as_ref()) + row.workspace.len() + row.path.as_str().len()
        }
        Record::BlobFile { .. } | Record::Fresh { .. } => 0,
        Record::Blob { bytes, .. } => bytes.len(),
        Record::Bench(row) => 64 * row.sessions.len() + value_size(&row.layout),
        Record::Open(_) | Record::Close { .. } => 0,
        Record::Waiting { prompts, .. } => prompts.iter().map(|prompt| 24 + prompt.len()).sum(),
    };
    size_of::<Record>() + 64 + texts
}

fn value_size(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(value_size).sum(),
            Value::Object(fields) => {
                fields.iter().map(|(name, value)| 24 + name.len() + value_size(value)).sum()
            }
        }
}
