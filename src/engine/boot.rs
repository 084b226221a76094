//! Starts an engine on a workspace: opens the history, takes over what former engines left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::desk::Desk;
use super::door::aliases::Aliases;
use super::door::build_output::BuildOutput;
use super::door::guards::Guards;
use super::door::images::{self, BeforeImages};
use super::door::porter::Ground;
use super::event::WorkspaceInfo;
use super::identity;
use super::jobs::Jobs;
use super::retention::Retention;
use super::run::{Engine, Parts};
use super::state::Setup;
use super::update::decisions::BEHIND;
use crate::agent::process;
use crate::arbiter::{Observation, Rows, Seen, Settings, TREE, Table, WriterRow, restore};
use crate::config;
use crate::guard::Level;
use crate::guard::probe::probe;
use crate::history::Store;
use crate::history::record::{LeaseRow, Process, Record};
use crate::model::agent::GuardLevel;
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::SessionId;
use crate::model::time::Mono;

/// What agents are told about the tree that they share.
const SHARED_TREE: &str = include_str!("../../assets/prompts/shared-tree.md");

/// Of so many files it is known after a start who changed them last.
const WRITERS: usize = 20_000;

/// What an engine is started with.
#[derive(Debug, Clone)]
pub struct Boot {
    /// The root of the workspace.
    pub root: PathBuf,
    /// The database.
    pub history: PathBuf,
    /// The program of the Claude back end; empty: not found.
    pub claude: Vec<String>,
    /// The program of the demo agent.
    pub script: Vec<String>,
    /// How long a write may wait inside a tool call, in milliseconds.
    pub wait_ms: u64,
    /// How long the person has to say whether an agent's git may change the whole tree, in
    /// milliseconds.
    pub git_ask_ms: u64,
    /// Whether writes are arbitrated at all.
    pub arbitrate: bool,
    /// How the arbiter deals with time.
    pub arbiter: Settings,
    /// What the settings say of new agents.
    pub settings: Option<config::settings::Settings>,
    /// The search path of agents; `None`: as it is.
    pub path: Option<String>,
    /// Whether agents may be put behind the kernel's guard.
    pub guard: bool,
    /// Folders outside the workspace in which no agent that is guarded may write.
    pub closed: Vec<PathBuf>,
}

impl Boot {
    /// An engine as it is without any settings.
    pub fn new(root: &Path, history: &Path) -> Self {
        Self {
            root: root.to_owned(),
            history: history.to_owned(),
            claude: Vec::new(),
            script: Vec::new(),
            wait_ms: 20_000,
            git_ask_ms: 100_000,
            arbitrate: true,
            arbiter: Settings::default(),
            settings: None,
            path: None,
            guard: true,
            closed: Vec::new(),
        }
    }
}

/// Starts an engine on the current runtime.
pub fn boot(wish: Boot) -> Result<Engine, Failure> {
    assemble(wish).map(Engine::start)
}

/// Opens and takes over everything that an engine needs.
pub(super) fn assemble(wish: Boot) -> Result<Parts, Failure> {
    let root = wish.root.canonicalize().map_err(|error| {
        Failure::new(
            FailureKind::Failed,
            format!("the workspace {} cannot be opened", wish.root.display()),
        )
        .hint("name a folder that exists")
        .cause(error)
    })?;
    let root = root.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::new(FailureKind::Failed, format!("{} is not UTF-8", root.display()))
            .hint("rename the folder, or open it by another name")
    })?;
    process::become_subreaper().map_err(|error| {
        Failure::new(FailureKind::Internal, "orphans of agents could not be reaped").cause(error)
    })?;
    let store = match &wish.settings {
        Some(settings) => Store::open_holding(&wish.history, settings.history.queue_bytes())?,
        None => Store::open(&wish.history)?,
    };
    let store = Arc::new(store);
    // What a crash left behind becomes changes first: whose they are the table must know.
    let images = open_images(&wish.history, Path::new(&root), &store)?;
    let (table, left_behind) = take_over(&wish.arbiter, &store, &root)?;
    let (desk, looks) = Desk::new(table);
    let output = Arc::new(BuildOutput::new(Path::new(&root)));
    let (guards, no_guard) = wall(&wish, Path::new(&root), &desk, &output, &images)?;
    let level = if guards.is_some() { GuardLevel::Enforced } else { GuardLevel::Advisory };
    let setup = Setup {
        workspace: WorkspaceInfo {
            branch: super::disk::branch(Path::new(&root)),
            root,
            guard: level,
        },
        seed: seed(),
        claude: wish.claude,
        script: wish.script,
        appendix: Some(SHARED_TREE.to_owned()),
        wait_ms: wish.wait_ms,
        git_ask_ms: wish.git_ask_ms,
        path: wish.path,
        no_guard,
        arbitrate: wish.arbitrate,
        settings: wish.settings,
    };
    let jobs = Jobs::start()?;
    let retention = setup.settings.as_ref().map(Retention::of);
    let history = wish.history;
    Ok(Parts {
        setup,
        store,
        images,
        jobs,
        desk,
        looks,
        output,
        guards,
        history,
        left_behind,
        retention,
    })
}

/// Whether the kernel can be made to ask before an agent writes; if not, why.
pub fn can_guard() -> Result<(), String> {
    match probe(&std::env::temp_dir()) {
        Level::Enforced => Ok(()),
        Level::Advisory(reason) => Err(reason.to_string()),
    }
}

/// Opens the folder of before-images, and has them forgotten beside everything else.
fn open_images(
    history: &Path,
    root: &Path,
    store: &Arc<Store>,
) -> Result<Arc<BeforeImages>, Failure> {
    let folder = images::folder(history, root);
    // It waits for the disk, which nobody may do on a thread of the runtime.
    let opened =
        std::thread::scope(|scope| scope.spawn(|| BeforeImages::open(&folder, root, store)).join());
    let (images, spent) = opened.map_err(|_| {
        Failure::new(FailureKind::Internal, "what a crash left behind cannot be looked through")
    })??;
    let images = Arc::new(images);
    let (kept, store) = (Arc::downgrade(&images), Arc::clone(store));
    let thread = std::thread::Builder::new().name("images".to_owned());
    let begun = thread.spawn(move || BeforeImages::forget_spent(&kept, &spent, &store));
    begun.map_err(|error| {
        Failure::new(FailureKind::Internal, "a thread for before-images cannot be started")
            .cause(error)
    })?;
    Ok(images)
}

/// The wall around the workspace; without one, why there is none.
fn wall(
    wish: &Boot,
    root: &Path,
    desk: &Arc<Desk>,
    output: &Arc<BuildOutput>,
    images: &Arc<BeforeImages>,
) -> Result<(Option<Guards>, String), Failure> {
    if !wish.guard || !wish.arbitrate {
        return Ok((None, "it is switched off".to_owned()));
    }
    if let Err(why) = can_guard() {
        return Ok((None, why));
    }
    let settings = wish.settings.as_ref();
    let ground = Ground {
        root: root.to_owned(),
        output: Arc::clone(output),
        aliases: Aliases::new(root),
        images: Arc::clone(images),
        protected: settings.map(|all| all.arbiter.protected.clone()).unwrap_or_default(),
    };
    let guards = Guards::open(Arc::new(ground), Arc::clone(desk), &wish.closed)?;
    Ok((Some(guards), String::new()))
}

/// The arbiter as the former engine left it, and the processes that it left behind.
///
/// Observations hold on, and what [`restore::goes_on`] says. The rows of the rest are deleted.
fn take_over(
    settings: &Settings,
    store: &Store,
    root: &str,
) -> Result<(Table, BTreeMap<SessionId, Vec<Process>>), Failure> {
    let reader = store.reader()?;
    let now = identity::wall();
    // A clock that was set back makes nothing last longer than it was to last.
    let left_ms = |row: &LeaseRow| {
        row.until.map(|until| {
            let (left, whole) =
                (until.0.saturating_sub(now.0), until.0.saturating_sub(row.since.0));
            u64::try_from(left.min(whole)).unwrap_or(0)
        })
    };
    let free = |path: &str| Record::Free { workspace: root.to_owned(), path: path.to_owned() };
    let mut left_behind: BTreeMap<SessionId, Vec<Process>> = BTreeMap::new();
    let mut leases = Vec::new();
    let mut behind = Vec::new();
    let mut records = Vec::new();
    for row in reader.leases(root)? {
        let left_ms = left_ms(&row);
        let lives = row.process.clone().filter(identity::lives);
        let of_agent = lives.is_some() && row.owner.session().is_some();
        // A git that had the whole tree has ended with the engine that let it in.
        let of_git = row.path == TREE && row.owner.session().is_some();
        if of_git || !restore::goes_on(row.state, left_ms, of_agent) {
            records.push(free(&row.path));
            continue;
        }
        if let Some(path) = row.path.strip_prefix(BEHIND) {
            let path = path.to_owned();
            behind.push(LeaseRow { path, ..row });
            continue;
        }
        if let (Some(process), Some(session)) = (lives, row.owner.session()) {
            left_behind.entry(session.clone()).or_default().push(process);
        }
        let (path, owner, state, reason) = (row.path, row.owner, row.state, row.reason);
        leases.push(restore::LeaseRow { path, owner, state, left_ms, reason });
    }
    for row in behind {
        let path = row.path.clone();
        // Without the write before it, the reservation is the one row of its file again.
        if !leases.iter().any(|lease| lease.path == path) {
            records.push(free(&format!("{BEHIND}{path}")));
            records.push(Record::Lease(row.clone()));
        }
        let left_ms = left_ms(&row);
        let (owner, state, reason) = (row.owner, row.state, row.reason);
        leases.push(restore::LeaseRow { path, owner, state, left_ms, reason });
    }
    store.blocking_queue(records)?;
    let observations = reader.observations(root)?.into_iter().filter_map(|row| {
        let seen = Seen::parse(&row.seen)?;
        Some((row.owner, row.path, Observation { hash: row.hash, seen }))
    });
    let writers = reader.last_changes(root, WRITERS)?.into_iter().map(|change| WriterRow {
        path: change.path,
        owner: change.owner,
        after: change.after.map(|image| image.hash),
    });
    let rows = Rows { leases, observations: observations.collect(), writers: writers.collect() };
    let mut table = Table::new(settings.clone());
    // What is to be done about them is known already: nothing, until they are gone.
    drop(table.restore(Mono(0), rows));
    Ok((table, left_behind))
}

fn seed() -> u64 {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanos = u64::try_from(clock.as_nanos() % u128::from(u64::MAX)).unwrap_or(0);
    nanos ^ (u64::from(std::process::id()) << 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::record::ChangeRow;
    use crate::model::change::Change;
    use crate::model::lease::{LeaseState, Owner};
    use crate::model::time::Wall;

    fn row(path: &str, owner: Owner, state: LeaseState, process: Option<Process>) -> LeaseRow {
        let (workspace, path) = ("/w".to_owned(), path.to_owned());
        let (since, until, reason) = (Wall(0), None, "a big change".to_owned());
        LeaseRow { workspace, path, owner, state, since, until, reason, process }
    }

    /// The table that is made of these rows, and the paths that are stored afterwards.
    fn taken_over(rows: Vec<LeaseRow>) -> (Table, Vec<SessionId>, Vec<String>) {
        taken_over_from(rows.into_iter().map(Record::Lease).collect())
    }

    fn taken_over_from(records: Vec<Record>) -> (Table, Vec<SessionId>, Vec<String>) {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("history.db")).unwrap();
        store.blocking_queue(records).unwrap();
        store.flush().wait().unwrap();
        let (table, left) = take_over(&Settings::default(), &store, "/w").unwrap();
        store.flush().wait().unwrap();
        let stored = store.reader().unwrap().leases("/w").unwrap();
        (table, left.into_keys().collect(), stored.into_iter().map(|row| row.path).collect())
    }

    fn agent() -> Owner {
        Owner::Session("s".into(), None)
    }

    #[test]
    fn a_reservation_behind_a_write_is_taken_over() {
        let me = identity::of(std::process::id());
        for (process, first, rows) in [
            (None, LeaseState::Pinned, vec!["a"]),
            (Some(me), LeaseState::Inflight, vec!["./a", "a"]),
        ] {
            let lives = process.is_some();
            let (mut table, left, stored) = taken_over(vec![
                row("a", agent(), LeaseState::Inflight, process),
                row("./a", Owner::User, LeaseState::Pinned, None),
            ]);
            assert_eq!(left.len(), usize::from(lives));
            assert_eq!(table.lease_of("a").map(|lease| lease.state), Some(first));
            let gone = crate::arbiter::Input::Buried { session: "s".into() };
            table.decide(Mono(1), gone);
            let left = table.lease_of("a").unwrap();
            assert_eq!((left.state, &left.owner), (LeaseState::Pinned, &Owner::User));
            assert_eq!(stored, rows);
        }
    }

    #[test]
    fn a_write_in_flight_is_taken_over_only_if_its_very_process_lives() {
        let me = identity::of(std::process::id());
        let reused = Process { began: me.began + 1, ..me.clone() };
        let rebooted = Process { boot: "before".to_owned(), ..me.clone() };
        let inflight = |path, process| row(path, agent(), LeaseState::Inflight, process);
        let (table, left, stored) = taken_over(vec![
            inflight("a", Some(me)),
            inflight("b", Some(reused)),
            inflight("c", Some(rebooted)),
            inflight("d", None),
            row("e", agent(), LeaseState::Held, None),
        ]);
        assert_eq!(left, ["s".into()]);
        assert_eq!(table.leases().map(|(path, _)| path).collect::<Vec<_>>(), ["a"]);
        assert_eq!(stored, ["a"], "the rows of the others are deleted");
    }

    #[test]
    fn who_wrote_a_file_last_is_known_after_a_start() {
        let path = crate::model::path::WorkPath::parse("a").unwrap();
        let (workspace, hash) = ("/w".to_owned(), crate::model::path::Hash::of(b"x"));
        let change = Change::of(path.clone(), agent(), None, Some(hash.into()));
        let change = Box::new(ChangeRow { workspace, change });
        let (table, _, _) = taken_over_from(vec![Record::Change(change)]);
        let known = table.who_has(&Owner::User, &path);
        assert_eq!(known.last_writer.map(|(owner, _)| owner), Some(&agent()));
    }

    #[test]
    fn the_tree_that_a_git_had_is_free_after_a_start_and_the_persons_is_not() {
        let whole = |owner| row(TREE, owner, LeaseState::Pinned, None);
        let (_, _, stored) = taken_over(vec![whole(agent())]);
        assert_eq!(stored, [""; 0]);
        let (table, _, stored) = taken_over(vec![whole(Owner::User)]);
        assert_eq!(stored, [TREE]);
        assert_eq!(table.lease_of(TREE).map(|lease| lease.owner.clone()), Some(Owner::User));
    }

    #[test]
    fn a_reservation_ends_when_it_was_to_end() {
        let now = identity::wall().0;
        let until = |path, until: Option<i64>| {
            let owner = if until.is_some() { agent() } else { Owner::User };
            LeaseRow { until: until.map(Wall), ..row(path, owner, LeaseState::Pinned, None) }
        };
        let (mut table, _, stored) = taken_over(vec![
            until("long/", Some(now + 600_000)),
            until("over/", Some(now - 1)),
            until("short/", Some(now + 60_000)),
            until("yours/", None),
        ]);
        assert_eq!(stored, ["long/", "short/", "yours/"]);
        table.decide(Mono(60_001), crate::arbiter::Input::Tick);
        assert_eq!(table.leases().map(|(path, _)| path).collect::<Vec<_>>(), ["long/", "yours/"]);
    }

    #[test]
    fn a_clock_that_was_set_back_lets_no_reservation_last_longer() {
        let hour_ahead = identity::wall().0 + 3_600_000;
        let mut pinned = row("a", agent(), LeaseState::Pinned, None);
        (pinned.since, pinned.until) = (Wall(hour_ahead), Some(Wall(hour_ahead + 60_000)));
        let (mut table, _, stored) = taken_over(vec![pinned]);
        assert_eq!(stored, ["a"]);
        table.decide(Mono(60_001), crate::arbiter::Input::Tick);
        assert_eq!(table.leases().count(), 0);
    }
}
