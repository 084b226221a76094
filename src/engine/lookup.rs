//! Questions to the history, and whether a stored session can go on.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::command::Reply;
use super::effect::Query;
use super::identity;
use super::input::{Loaded, Resume};
use super::review;
use super::revise::{self, Planned};
use crate::history::{Reader, Store};
use crate::model::agent::Backend;
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::SessionId;
use crate::model::review::Revision;
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
pub(super) fn session(
    history: &Path,
    root: &Path,
    session: &SessionId,
    how: Resume,
) -> Result<Loaded, Failure> {
    let reader = Reader::open(history)?;
    let mut row = reader.session(session)?.ok_or_else(|| {
        Failure::new(FailureKind::Failed, format!("no session {session} is stored"))
            .hint("`benchdog sessions` lists them")
    })?;
    let place = Place::of(&row, root);
    if place == Place::Elsewhere {
        // Its agent would write where nobody arbitrates.
        let hint = format!("`{}`", command(&row));
        return Err(Failure::new(FailureKind::Failed, belongs(&row)).hint(hint));
    }
    if how == Resume::FromHistory {
        if place == Place::Gone || !Path::new(&row.cwd).is_dir() {
            row.cwd = root.to_string_lossy().into_owned();
            row.workspace.clone_from(&row.cwd);
        }
    } else if let Some(obstacle) =
        place.obstacle(&row).or_else(|| obstacle(&row, &mut Transcripts::default()))
    {
        let hint = "a new session can be fed from the stored history";
        return Err(Failure::new(FailureKind::Failed, obstacle).hint(hint));
    }
    let page = reader.page(session, None, ITEMS)?;
    let last_item = reader.max_item(session)?.map_or(0, |item| item.0);
    let waiting = reader.waiting(session)?;
    Ok(Loaded { row, items: page.items, more_before: page.more_before, last_item, waiting })
}

/// Answers a front end's question.
pub(super) fn answer(
    history: &Path,
    root: &Path,
    store: &Store,
    query: Query,
) -> Result<Reply, Failure> {
    match query {
        Query::Sessions(query) => {
            let mut hits = sessions(history, &query)?;
            for hit in &mut hits {
                let place = Place::of(&hit.row, root);
                if let Some(obstacle) = place.obstacle(&hit.row) {
                    (hit.resumable, hit.obstacle) = (false, Some(obstacle));
                }
                hit.elsewhere = (place == Place::Elsewhere).then(|| command(&hit.row));
            }
            Ok(Reply::Sessions(hits))
        }
        Query::Review(question) => review::answer(history, root, &question).map(Reply::Reviewed),
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

/// How changes can be taken back.
pub(super) fn plan(history: &Path, root: &Path, wish: &Revision) -> Result<Planned, Failure> {
    revise::plan(&review::Review::open(history, root)?, wish)
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

/// Where the workspace of a session is, seen from that of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is the engine's own.
    Here,
    /// It is another one, whose sessions are no business of this engine.
    Elsewhere,
    /// It was another one, and there is none any more: what was said can go on here.
    Gone,
}

impl Place {
    fn of(row: &SessionRow, root: &Path) -> Self {
        let workspace = Path::new(&row.workspace);
        match (workspace == root, workspace.is_dir()) {
            (true, _) => Self::Here,
            (false, true) => Self::Elsewhere,
            (false, false) => Self::Gone,
        }
    }

    /// Why a session does not go on where it stopped, as far as its workspace is the reason.
    fn obstacle(self, row: &SessionRow) -> Option<String> {
        match self {
            Self::Here => None,
            Self::Elsewhere => Some(belongs(row)),
            Self::Gone => Some(format!("its workspace {} is gone", row.workspace)),
        }
    }
}

fn belongs(row: &SessionRow) -> String {
    format!("it belongs to the workspace {}", row.workspace)
}

/// What goes on with a session in its own workspace.
fn command(row: &SessionRow) -> String {
    format!("benchdog --workspace {} resume {}", row.workspace, row.id)
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::history::record::Record;
    use crate::model::agent::AgentSpec;
    use crate::model::time::Wall;
    use crate::model::usage::Usage;

    /// A session as it would be stored.
    pub(in crate::engine) fn row(workspace: &Path, cwd: &Path) -> SessionRow {
        SessionRow {
            id: "s".into(),
            backend_session_id: None,
            title: String::new(),
            workspace: workspace.to_string_lossy().into_owned(),
            cwd: cwd.to_string_lossy().into_owned(),
            branch: String::new(),
            spec: AgentSpec::default(),
            backend: Backend::Script,
            agent: "blue".to_owned(),
            started_at: Wall(0),
            updated_at: Wall(0),
            turns: 0,
            messages: 0,
            usage: Usage::default(),
            last_state: String::new(),
            forked_from: None,
        }
    }

    fn stored(workspace: &Path, cwd: &Path) -> (tempfile::TempDir, PathBuf, SessionId) {
        let home = tempfile::tempdir().unwrap();
        let history = home.path().join("history.db");
        let row = row(workspace, cwd);
        let store = Store::open(&history).unwrap();
        store.blocking_queue(vec![Record::Session(Box::new(row))]).unwrap();
        store.close().unwrap();
        (home, history, "s".into())
    }

    #[test]
    fn a_session_of_another_workspace_does_not_go_on_here() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (_home, history, id) = stored(there.path(), there.path());
        for how in [Resume::Continue, Resume::Fork, Resume::FromHistory] {
            assert!(session(&history, there.path(), &id, how).is_ok());
            let hint = session(&history, here.path(), &id, how).unwrap_err().hint.unwrap();
            assert!(hint.contains(&there.path().display().to_string()), "{hint}");
        }
        let store = Store::open(&history).unwrap();
        let rows = |root: &Path| match answer(
            &history,
            root,
            &store,
            Query::Sessions(SessionQuery::default()),
        ) {
            Ok(Reply::Sessions(rows)) => rows,
            other => panic!("{other:?}"),
        };
        assert!(rows(there.path())[0].resumable);
        let row = &rows(here.path())[0];
        assert!(!row.resumable);
        assert!(row.obstacle.as_ref().unwrap().contains("belongs to the workspace"), "{row:?}");
        let command = row.elsewhere.as_ref().unwrap();
        assert!(command.contains(&there.path().display().to_string()), "{command}");
        assert_eq!(rows(there.path())[0].elsewhere, None);
        // A workspace that is gone has no engine: what was said there can go on here.
        let gone = there.path().to_owned();
        there.close().unwrap();
        let row = &rows(here.path())[0];
        assert_eq!(row.obstacle, Some(format!("its workspace {} is gone", gone.display())));
        assert_eq!(row.elsewhere, None);
        assert!(session(&history, here.path(), &id, Resume::Continue).is_err());
        let loaded = session(&history, here.path(), &id, Resume::FromHistory).unwrap();
        assert_eq!(Path::new(&loaded.row.workspace), here.path());
        assert_eq!(Path::new(&loaded.row.cwd), here.path());
    }

    #[test]
    fn a_session_whose_folder_is_gone_goes_on_from_history_at_the_root() {
        let here = tempfile::tempdir().unwrap();
        let (_home, history, id) = stored(here.path(), &here.path().join("gone"));
        assert!(session(&history, here.path(), &id, Resume::Continue).is_err());
        let loaded = session(&history, here.path(), &id, Resume::FromHistory).unwrap();
        assert_eq!(Path::new(&loaded.row.cwd), here.path());
    }
}
