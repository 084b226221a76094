//! Questions to the history, and whether a stored session can go on.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::command::Reply;
use super::effect::Query;
use super::identity;
use super::input::{Loaded, Resume};
use crate::history::{Reader, Store};
use crate::model::agent::Backend;
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::SessionId;
use crate::model::session::{BenchRow, SessionHit, SessionQuery, SessionRow};
use crate::model::time::Wall;

/// Items of a transcript that are loaded when a session goes on.
const ITEMS: usize = 200;

/// Items of a transcript that one question may bring.
const PAGE: usize = 1000;

/// The rows that a question wants, each with whether and why not it can go on.
pub fn sessions(history: &Path, query: &SessionQuery) -> Result<Vec<SessionHit>, Failure> {
    let reader = Reader::open(history)?;
    let mut hits = reader.sessions(query, identity::is_alive)?;
    let mut transcripts = Transcripts::default();
    for hit in &mut hits {
        hit.obstacle = obstacle(&hit.row, &mut transcripts);
        hit.resumable = hit.obstacle.is_none();
    }
    Ok(hits)
}

/// The benches as they were in this workspace, the last one first.
fn benches(history: &Path, root: &Path) -> Result<Vec<BenchRow>, Failure> {
    Ok(Reader::open(history)?.benches(&root.to_string_lossy())?)
}

/// The bench that was `begun` then, or the last one.
pub(super) fn bench(
    history: &Path,
    root: &Path,
    begun: Option<Wall>,
) -> Result<Option<BenchRow>, Failure> {
    let wanted = |row: &BenchRow| begun.is_none_or(|begun| row.begun == begun);
    Ok(benches(history, root)?.into_iter().find(wanted))
}

/// A stored session, ready to go on in the way that is wanted.
pub(super) fn session(history: &Path, session: &SessionId, how: Resume) -> Result<Loaded, Failure> {
    let reader = Reader::open(history)?;
    let row = reader.session(session)?.ok_or_else(|| {
        Failure::new(FailureKind::Failed, format!("no session {session} is stored"))
            .hint("`benchdog sessions` lists them")
    })?;
    if let Some(obstacle) = obstacle(&row, &mut Transcripts::default())
        && how != Resume::FromHistory
    {
        let hint = "a new session can be fed from the stored history";
        return Err(Failure::new(FailureKind::Failed, obstacle).hint(hint));
    }
    if !Path::new(&row.cwd).is_dir() {
        let text = format!("the folder {} is gone", row.cwd);
        return Err(Failure::new(FailureKind::Failed, text).hint("put it back, then resume"));
    }
    let page = reader.page(session, None, ITEMS)?;
    let last_item = reader.max_item(session)?.map_or(0, |item| item.0);
    Ok(Loaded { row, items: page.items, more_before: page.more_before, last_item })
}

/// Answers a front end's question.
pub(super) fn answer(
    history: &Path,
    root: &Path,
    store: &Store,
    query: Query,
) -> Result<Reply, Failure> {
    match query {
        Query::Sessions(query) => sessions(history, &query).map(Reply::Sessions),
        Query::Benches => benches(history, root).map(Reply::Benches),
        Query::Transcript { session, before, limit } => {
            let page = Reader::open(history)?.page(&session, before, limit.min(PAGE))?;
            Ok(Reply::Transcript(page))
        }
        Query::Rename { session, title } => {
            store.rename_session(session, title).wait()?;
            Ok(Reply::Done)
        }
    }
}

/// The conversations that Claude Code still has, by the folder in which it keeps them.
#[derive(Default)]
struct Transcripts {
    found: HashMap<PathBuf, HashSet<String>>,
}

impl Transcripts {
    /// Whether there is one with this id: `projects/<folder>/<id>.jsonl` below `claude`. A folder
    /// is looked through once.
    fn has(&mut self, claude: PathBuf, id: &str) -> bool {
        self.found.entry(claude).or_insert_with_key(|claude| ids_below(claude)).contains(id)
    }
}

fn ids_below(claude: &Path) -> HashSet<String> {
    let folders = std::fs::read_dir(claude.join("projects"));
    let folders = folders.into_iter().flatten().flatten();
    let files =
        folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten());
    let ids = files.filter_map(|file| {
        let name = file.file_name().into_string().ok()?;
        name.strip_suffix(".jsonl").map(str::to_owned)
    });
    ids.collect()
}

/// Where Claude Code keeps what it knows of a session; variables of its agent count first.
fn claude_folder(row: &SessionRow) -> Option<PathBuf> {
    let own = |name: &str| row.spec.env.get(name).map(OsString::from);
    let variable = |name: &str| own(name).or_else(|| std::env::var_os(name));
    if let Some(folder) = variable("CLAUDE_CONFIG_DIR") {
        return Some(folder.into());
    }
    variable("HOME").map(|home| Path::new(&home).join(".claude"))
}

/// Why a session cannot go on where it stopped.
fn obstacle(row: &SessionRow, transcripts: &mut Transcripts) -> Option<String> {
    if !Path::new(&row.cwd).is_dir() {
        return Some(format!("the folder {} is gone", row.cwd));
    }
    let id = row.backend_session_id.as_deref()?;
    if row.backend != Backend::Claude || !row.spec.command.is_empty() {
        return None;
    }
    // Without any folder nothing can be said against it.
    let kept = claude_folder(row).is_none_or(|folder| transcripts.has(folder, id));
    (!kept).then(|| "Claude Code has deleted its record of this conversation".to_owned())
}
