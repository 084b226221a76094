//! Starts an engine on a workspace: opens the history, takes over what former engines left.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::event::WorkspaceInfo;
use super::identity;
use super::jobs::Jobs;
use super::run::{Engine, Parts};
use super::state::Setup;
use super::update::decisions::BEHIND;
use crate::agent::process;
use crate::arbiter::{Observation, Rows, Seen, Settings, Table, restore};
use crate::config;
use crate::history::Store;
use crate::history::record::{LeaseRow, Record};
use crate::model::agent::GuardLevel;
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::SessionId;
use crate::model::lease::LeaseState;
use crate::model::time::Mono;

/// What agents are told about the tree that they share.
const SHARED_TREE: &str = include_str!("../../assets/prompts/shared-tree.md");

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
    /// Whether writes are arbitrated at all.
    pub arbitrate: bool,
    /// How the arbiter deals with time.
    pub arbiter: Settings,
    /// What the settings say of new agents.
    pub settings: Option<config::settings::Settings>,
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
            arbitrate: true,
            arbiter: Settings::default(),
            settings: None,
        }
    }
}

/// Starts an engine on the current runtime.
pub fn boot(wish: Boot) -> Result<Engine, Failure> {
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
    let (table, left_behind) = take_over(&wish.arbiter, &store, &root)?;
    let setup = Setup {
        workspace: WorkspaceInfo {
            branch: super::disk::branch(Path::new(&root)),
            root,
            guard: GuardLevel::Advisory,
        },
        seed: seed(),
        claude: wish.claude,
        script: wish.script,
        appendix: Some(SHARED_TREE.to_owned()),
        wait_ms: wish.wait_ms,
        arbitrate: wish.arbitrate,
        settings: wish.settings,
    };
    let jobs = Jobs::start()?;
    Ok(Engine::start(Parts { setup, store, jobs, table, history: wish.history, left_behind }))
}

/// The arbiter as the former engine left it, and the processes that it left behind.
///
/// Pins and observations hold on. Leases of use were about who is next, and everybody is gone, so
/// they end; but a write in flight ends only when its process is seen to be gone.
fn take_over(
    settings: &Settings,
    store: &Store,
    root: &str,
) -> Result<(Table, BTreeMap<SessionId, u32>), Failure> {
    let reader = store.reader()?;
    let mut left_behind = BTreeMap::new();
    let mut leases = Vec::new();
    let mut behind = Vec::new();
    for row in reader.leases(root)? {
        if let Some(path) = row.path.strip_prefix(BEHIND) {
            let path = path.to_owned();
            behind.push(LeaseRow { path, ..row });
            continue;
        }
        let (path, owner, state) = (row.path, row.owner, row.state);
        match (state, row.pid, owner.session()) {
            (LeaseState::Pinned, _, _) => {}
            (LeaseState::Inflight, Some(pid), Some(session))
                if identity::started(pid).is_some() =>
            {
                left_behind.insert(session.clone(), pid);
            }
            (LeaseState::Inflight | LeaseState::Held | LeaseState::Reserved, _, _) => continue,
        }
        let left_ms = None;
        leases.push(restore::LeaseRow { path, owner, state, left_ms, reason: row.reason });
    }
    let mut records = Vec::new();
    for row in behind {
        let path = row.path.clone();
        // Without the write before it, the reservation is the one row of its file again.
        if !leases.iter().any(|lease| lease.path == path) {
            let workspace = root.to_owned();
            records.push(Record::Free { workspace, path: format!("{BEHIND}{path}") });
            records.push(Record::Lease(row.clone()));
        }
        let (owner, state, reason) = (row.owner, row.state, row.reason);
        leases.push(restore::LeaseRow { path, owner, state, left_ms: None, reason });
    }
    store.blocking_queue(records)?;
    let observations = reader.observations(root)?.into_iter().filter_map(|row| {
        let seen = Seen::parse(&row.seen)?;
        Some((row.owner, row.path, Observation { hash: row.hash, seen }))
    });
    let rows = Rows { leases, observations: observations.collect(), writers: Vec::new() };
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
    use crate::model::lease::Owner;
    use crate::model::time::Wall;

    fn row(path: &str, owner: Owner, state: LeaseState, pid: Option<u32>) -> LeaseRow {
        let (workspace, path) = ("/w".to_owned(), path.to_owned());
        let (since, until, reason) = (Wall(0), None, "a big change".to_owned());
        LeaseRow { workspace, path, owner, state, since, until, reason, pid }
    }

    #[test]
    fn a_reservation_behind_a_write_is_taken_over() {
        let agent = || Owner::Session("s".into(), None);
        let me = std::process::id();
        for (pid, first, rows) in [
            (None, LeaseState::Pinned, vec!["a"]),
            (Some(me), LeaseState::Inflight, vec!["./a", "a"]),
        ] {
            let home = tempfile::tempdir().unwrap();
            let store = Store::open(&home.path().join("history.db")).unwrap();
            let stored = [
                row("a", agent(), LeaseState::Inflight, pid),
                row("./a", Owner::User, LeaseState::Pinned, None),
            ];
            store.blocking_queue(stored.map(Record::Lease).to_vec()).unwrap();
            store.flush().wait().unwrap();
            let (mut table, left) = take_over(&Settings::default(), &store, "/w").unwrap();
            assert_eq!(left.len(), usize::from(pid.is_some()));
            assert_eq!(table.lease_of("a").map(|lease| lease.state), Some(first));
            let gone = crate::arbiter::Input::Gone { session: "s".into() };
            table.decide(Mono(1), gone);
            let left = table.lease_of("a").unwrap();
            assert_eq!((left.state, &left.owner), (LeaseState::Pinned, &Owner::User));
            store.flush().wait().unwrap();
            let stored = store.reader().unwrap().leases("/w").unwrap();
            assert_eq!(stored.iter().map(|row| row.path.as_str()).collect::<Vec<_>>(), rows);
        }
    }
}
