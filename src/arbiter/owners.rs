//! Owners and paths under small numbers, and what is remembered of each owner.
//!
//! The number of an owner is given once and never reused, so that a row about somebody who has gone
//! still says the right name. That of a path is free again once nothing is known of it any more.

use std::collections::HashMap;

use super::input::{Observation, Seen};
use super::versions::Content;
use crate::model::id::SessionId;
use crate::model::lease::{Owner, PERSON};
use crate::model::path::WorkPath;
use crate::model::time::Mono;

/// How many gaps between an owner's writes are remembered.
const GAPS: usize = 9;

/// An owner, as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Who(pub(super) u32);

/// A file, as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FileId(pub(super) u32);

/// Everything that has a number.
#[derive(Debug, Clone, Default)]
pub(super) struct Owners {
    owners: Vec<Record>,
    by_owner: HashMap<Owner, Who>,
    sessions: HashMap<SessionId, Named>,
    /// By number; of a number that is free, the path that had it last.
    paths: Vec<WorkPath>,
    free: Vec<FileId>,
    by_path: HashMap<WorkPath, FileId>,
}

/// What is remembered of one owner.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) owner: Owner,
    /// The session's main agent: who shares leases with this owner.
    pub(super) clan: Who,
    /// When it or one of its sub-agents last asked, read or wrote; kept for whole clans.
    pub(super) active: Mono,
    pub(super) observed: HashMap<FileId, Observation>,
    last_write: Option<Mono>,
    gaps: Vec<u64>,
}

#[derive(Debug, Clone, Default)]
struct Named {
    name: String,
    task: String,
}

impl Record {
    /// Whether it has seen all of a file as it was then.
    pub(super) fn saw(&self, file: FileId, then: Content) -> bool {
        let known = self.observed.get(&file).filter(|known| known.seen != Seen::Range);
        known.is_some_and(|known| then == Content::Is(known.hash))
    }
}

impl Owners {
    /// The number of `owner`, a new one if it has none.
    pub(super) fn who(&mut self, owner: &Owner) -> Who {
        if let Some(who) = self.by_owner.get(owner) {
            return *who;
        }
        let clan = match owner {
            Owner::Session(session, Some(_)) => {
                Some(self.who(&Owner::Session(session.clone(), None)))
            }
            Owner::Session(_, None) | Owner::User | Owner::External => None,
        };
        let who = Who(u32::try_from(self.owners.len()).unwrap_or(u32::MAX));
        self.by_owner.insert(owner.clone(), who);
        self.owners.push(Record {
            owner: owner.clone(),
            clan: clan.unwrap_or(who),
            active: Mono(0),
            observed: HashMap::new(),
            last_write: None,
            gaps: Vec::new(),
        });
        who
    }

    pub(super) fn find(&self, owner: &Owner) -> Option<Who> {
        self.by_owner.get(owner).copied()
    }

    /// The number of `path`, and whether there was no such number before.
    pub(super) fn file(&mut self, path: &WorkPath) -> (FileId, bool) {
        if let Some(file) = self.by_path.get(path) {
            return (*file, false);
        }
        if let Some(file) = self.free.pop() {
            self.by_path.insert(path.clone(), file);
            self.paths[file.0 as usize] = path.clone();
            return (file, false);
        }
        let file = FileId(u32::try_from(self.paths.len()).unwrap_or(u32::MAX));
        self.by_path.insert(path.clone(), file);
        self.paths.push(path.clone());
        (file, true)
    }

    /// The number of a path of which nothing is known any more is free.
    pub(super) fn forget_file(&mut self, file: FileId) {
        let path = &self.paths[file.0 as usize];
        if self.by_path.get(path) == Some(&file) {
            self.by_path.remove(path);
            self.free.push(file);
        }
    }

    pub(super) fn find_file(&self, path: &WorkPath) -> Option<FileId> {
        self.by_path.get(path).copied()
    }

    pub(super) fn path(&self, file: FileId) -> &WorkPath {
        &self.paths[file.0 as usize]
    }

    pub(super) fn paths(&self) -> &[WorkPath] {
        &self.paths
    }

    pub(super) fn at(&self, who: Who) -> &Record {
        &self.owners[who.0 as usize]
    }

    pub(super) fn at_mut(&mut self, who: Who) -> &mut Record {
        &mut self.owners[who.0 as usize]
    }

    pub(super) fn owner(&self, who: Who) -> &Owner {
        &self.at(who).owner
    }

    pub(super) fn clan(&self, who: Who) -> Who {
        self.at(who).clan
    }

    /// All owners of a session: it and its sub-agents.
    pub(super) fn members(&self, session: &SessionId) -> Vec<Who> {
        (0..self.owners.len())
            .filter(|at| self.owners[*at].owner.session() == Some(session))
            .map(|at| Who(u32::try_from(at).unwrap_or(u32::MAX)))
            .collect()
    }

    /// Who has been shown a file.
    pub(super) fn who_observed(&self, file: FileId) -> Vec<Who> {
        let all = (0..).map(Who).zip(&self.owners);
        let seen = all.filter(|(_, record)| record.observed.contains_key(&file));
        seen.map(|(who, _)| who).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.owners.iter()
    }

    pub(super) fn rename(&mut self, session: SessionId, name: String, task: String) {
        self.sessions.insert(session, Named { name, task });
    }

    /// The bare name: `blue`, `the person`.
    pub(super) fn name(&self, owner: &Owner) -> String {
        match owner {
            Owner::Session(session, sub) => {
                let name = match self.sessions.get(session) {
                    Some(named) if !named.name.is_empty() => named.name.clone(),
                    Some(_) | None => session.as_str().chars().take(8).collect(),
                };
                match sub {
                    Some(_) => format!("{name} (sub-agent)"),
                    None => name,
                }
            }
            Owner::User => PERSON.to_owned(),
            Owner::External => "a program outside".to_owned(),
        }
    }

    /// What a session works on, empty if unknown.
    pub(super) fn task(&self, owner: &Owner) -> &str {
        owner
            .session()
            .and_then(|session| self.sessions.get(session))
            .map_or("", |named| named.task.as_str())
    }

    /// Remembers a write, for the pace of its owner.
    pub(super) fn wrote(&mut self, who: Who, now: Mono) {
        let record = self.at_mut(who);
        if let Some(last) = record.last_write {
            if record.gaps.len() == GAPS {
                record.gaps.remove(0);
            }
            record.gaps.push(now.since(last));
        }
        record.last_write = Some(now);
    }

    /// The median time between an owner's writes, zero before there are two.
    pub(super) fn gap(&self, who: Who) -> u64 {
        let mut gaps = self.at(who).gaps.clone();
        gaps.sort_unstable();
        gaps.get(gaps.len() / 2).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sub_agent_belongs_to_its_session_and_is_another_owner() {
        let mut owners = Owners::default();
        let sub = owners.who(&Owner::Session("s".into(), Some("x".into())));
        let parent = owners.who(&Owner::Session("s".into(), None));
        let user = owners.who(&Owner::User);
        assert_ne!(sub, parent);
        assert_eq!(owners.clan(sub), parent);
        assert_eq!(owners.clan(user), user);
        assert_eq!(owners.members(&"s".into()), [parent, sub]);
    }

    #[test]
    fn the_pace_is_the_median_so_that_a_pause_does_not_count() {
        let mut owners = Owners::default();
        let who = owners.who(&Owner::User);
        assert_eq!(owners.gap(who), 0);
        for at in [0, 8, 16, 3_600, 3_608, 3_616] {
            owners.wrote(who, Mono(at * 1_000));
        }
        assert_eq!(owners.gap(who), 8_000);
    }
}
