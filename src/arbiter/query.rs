//! What others may want to know of the table. Nothing here changes it.

use super::input::{Disk, Lease, Observation};
use super::table::{Stage, Table};
use super::versions::Content;
use crate::model::id::{OpId, SessionId};
use crate::model::lease::{LeaseState, Owner};
use crate::model::path::{Hash, WorkPath};
use crate::model::time::Mono;

/// How a file stands, for one who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing<'a> {
    /// The lease on the file, if any.
    pub lease: Option<&'a Lease>,
    /// The folder or glob of a reservation that covers it, and that reservation.
    pub pin: Option<(&'a str, &'a Lease)>,
    /// Who changed it last, and when, as far as is remembered.
    pub last_writer: Option<(&'a Owner, Mono)>,
    /// Whether it has changed since the one who asks saw it; `None`: it never saw it.
    pub changed_since_seen: Option<bool>,
    /// Who changed it since then, last first.
    pub changed_by: Vec<&'a Owner>,
}

/// What is known of a file that nobody is writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Nobody has spoken of its content.
    Unknown,
    /// It is not there.
    Absent,
    /// It holds this.
    Is(Hash),
}

impl Settled {
    /// Whether this is on disk.
    pub fn is(self, disk: &Disk) -> bool {
        match (self, disk) {
            (Self::Absent, Disk::Absent) => true,
            (Self::Is(known), Disk::File { hash, .. }) => known == *hash,
            _ => false,
        }
    }
}

/// Whose work a file holds beyond a content that is safe elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsaved<'a> {
    /// Who changed the file last, as far as is remembered.
    pub last: Option<&'a Owner>,
    /// Whose work is in it, last first.
    pub authors: Vec<&'a Owner>,
    /// Whether these are all.
    pub complete: bool,
    /// Whose lease or reservation it is under.
    pub holder: Option<&'a Owner>,
}

impl Table {
    /// Whose work `path` holds beyond the content `saved`, with `disk` in it now; of each `None`:
    /// nothing is there.
    pub fn unsaved(&self, path: &WorkPath, saved: Option<Hash>, disk: Option<Hash>) -> Unsaved<'_> {
        let content = |hash: Option<Hash>| hash.map_or(Content::Absent, Content::Is);
        let (saved, disk) = (content(saved), content(disk));
        let lease = self.shown.get(path.as_str()).or_else(|| {
            let (pattern, _) = self.pins.covering(path).next()?;
            self.shown.get(pattern)
        });
        let mut unsaved = Unsaved {
            last: self.last_writer(path).map(|(owner, _)| owner),
            authors: Vec::new(),
            complete: false,
            holder: lease.map(|lease| &lease.owner),
        };
        let Some(file) = self.owners.find_file(path) else { return unsaved };
        // Each change must begin where the one before it ended, from the disk down to what is safe.
        let mut now = disk;
        if let Some((who, was)) = self.unlooked(file) {
            let author = self.owners.owner(who);
            unsaved.last = Some(author);
            unsaved.authors.push(author);
            unsaved.complete = was == Some(saved);
            now = was.unwrap_or(now);
        }
        for change in self.at(file).changes.iter().rev() {
            let author = self.owners.owner(change.who);
            if !unsaved.authors.contains(&author) {
                unsaved.authors.push(author);
            }
            if change.after != now {
                // Somebody changed it unseen; who else did so before is told all the same.
                continue;
            }
            match change.before {
                Some(before) if before == saved => {
                    unsaved.complete = true;
                    break;
                }
                Some(before) => now = before,
                None => {}
            }
        }
        // Nobody has looked yet what came of a write whose owner has died.
        unsaved.complete &= self.at(file).unsure.is_none();
        unsaved
    }

    /// All leases and reservations, by path or pattern. This is what the `Moved` effects told.
    pub fn leases(&self) -> impl Iterator<Item = (&str, &Lease)> {
        self.shown.iter().map(|(path, lease)| (path.as_str(), lease))
    }

    /// The lease of exactly this path or pattern.
    pub fn lease_of(&self, path: &str) -> Option<&Lease> {
        self.shown.get(path)
    }

    /// What an owner is called: an agent's name, `the person`, `a program outside`.
    pub fn name_of(&self, owner: &Owner) -> String {
        self.owners.name(owner)
    }

    /// What an owner knows of a file.
    pub fn knows(&self, owner: &Owner, path: &WorkPath) -> Option<Observation> {
        self.seen(self.owners.find(owner)?, self.owners.find_file(path)?)
    }

    /// Who changed a file last, and when.
    pub fn last_writer(&self, path: &WorkPath) -> Option<(&Owner, Mono)> {
        let change = self.at(self.owners.find_file(path)?).changes.back()?;
        Some((self.owners.owner(change.who), change.at))
    }

    /// How a file stands for `asker`.
    pub fn who_has(&self, asker: &Owner, path: &WorkPath) -> Standing<'_> {
        let mut standing = Standing {
            lease: self.shown.get(path.as_str()),
            pin: None,
            last_writer: self.last_writer(path),
            changed_since_seen: None,
            changed_by: Vec::new(),
        };
        let covering = self.pins.covering(path).find(|(pattern, _)| *pattern != path.as_str());
        if let Some((pattern, _)) = covering {
            let shown = self.shown.get_key_value(pattern);
            standing.pin = shown.map(|(pattern, lease)| (pattern.as_str(), lease));
        }
        if let (Some(seen), Some(file)) = (self.knows(asker, path), self.owners.find_file(path)) {
            let seen = Content::Is(seen.hash);
            let changed = self.at(file).disk.is_some_and(|disk| disk != seen);
            standing.changed_since_seen = Some(changed);
            if changed {
                let authors = self.authors_since(file, Some(seen));
                standing.changed_by =
                    authors.into_iter().map(|author| self.owners.owner(author)).collect();
            }
        }
        standing
    }

    /// The owners that saw a file in another state than it is now.
    pub fn outdated(&self, path: &WorkPath) -> Vec<&Owner> {
        let Some(file) = self.owners.find_file(path) else { return Vec::new() };
        let Some(now) = self.at(file).disk else { return Vec::new() };
        self.owners
            .iter()
            .filter(|record| {
                record.observed.get(&file).is_some_and(|seen| Content::Is(seen.hash) != now)
            })
            .map(|record| &record.owner)
            .collect()
    }

    /// The paths and patterns that a session and its sub-agents have.
    pub fn holds<'a>(&'a self, session: &'a SessionId) -> impl Iterator<Item = &'a str> {
        self.leases()
            .filter(move |(_, lease)| lease.owner.session() == Some(session))
            .map(|(path, _)| path)
    }

    /// What a file holds as far as is known (`None` inside: it is not there), unless somebody is
    /// writing it just now.
    pub fn settled(&self, path: &WorkPath) -> Option<Settled> {
        let Some(file) = self.owners.find_file(path) else { return Some(Settled::Unknown) };
        let slot = self.at(file);
        let right = slot.right.as_ref();
        if !slot.touched.is_empty()
            || right.is_some_and(|right| right.state == LeaseState::Inflight)
        {
            return None;
        }
        Some(match slot.disk {
            None => Settled::Unknown,
            Some(Content::Absent) => Settled::Absent,
            Some(Content::Is(hash)) => Settled::Is(hash),
        })
    }

    /// The files below a folder that were ever spoken of.
    pub fn known_below(&self, folder: &WorkPath) -> Vec<WorkPath> {
        self.owners
            .paths()
            .iter()
            .filter(|path| path.is_within(folder) && *path != folder)
            .cloned()
            .collect()
    }

    /// The files that a session and its sub-agents wait for.
    pub fn waits(&self, session: &SessionId) -> Vec<&WorkPath> {
        let Some(clan) = self.owners.find(&Owner::Session(session.clone(), None)) else {
            return Vec::new();
        };
        self.waiting
            .range((clan, OpId(0))..=(clan, OpId(u64::MAX)))
            .filter_map(|(_, id)| self.ops.get(id).and_then(|op| op.want.file()))
            .map(|file| self.path(file))
            .collect()
    }

    /// The writes of a session and its sub-agents that are being carried out: what has to be
    /// finished before its turn is said to be over.
    pub fn in_flight(&self, session: &SessionId) -> Vec<(OpId, &WorkPath)> {
        let mut ops: Vec<_> = self
            .ops
            .iter()
            .filter(|(_, op)| op.stage == Stage::Granted)
            .filter(|(_, op)| self.owners.owner(op.who).session() == Some(session))
            .filter_map(|(id, op)| op.want.file().map(|file| (*id, self.path(file))))
            .collect();
        ops.sort_unstable();
        ops
    }

    /// Whether a request has not ended.
    pub fn is_open(&self, op: OpId) -> bool {
        self.ops.contains_key(&op)
    }
}
