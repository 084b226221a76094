//! Undo: takes changes back out of what is on disk now, as a three-way merge.
//!
//! The text after a change is what both sides have in common; one side is what is on disk, the
//! other the text before the change. Changes that follow one another are taken back as one, from
//! the newest to the oldest, and files are followed through renames.
//!
//! The merge alone would do; it is not trusted alone. Each result is held against the blame of
//! the file: if a line that does not stem from the undone changes would go, the file is left
//! alone.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::blame::{Blame, Origin};
use super::losses::{losses, missing};
use super::merge::join;
use super::pick::{Pick, reverted};
use super::plan::{Conflict, File, Loss, Plan, Step, Why};
use crate::model::change::{Change, Image};
use crate::model::difference::Difference;
use crate::model::id::ChangeId;
use crate::model::path::{Hash, WorkPath};

/// What is on disk: each path of [`places`](super::pick::places) with what is there, or nothing.
/// A path that could not be looked at is left out.
pub type Disk = BTreeMap<WorkPath, Option<File>>;

/// Everything that an undo looks at.
pub struct Case<'a> {
    /// What is to be undone.
    pub pick: &'a Pick,
    /// The changes of all files concerned, oldest first: those to be undone and all others.
    pub changes: &'a [Change],
    /// What is on disk.
    pub disk: &'a Disk,
    /// Finds contents by their hashes, as far as they are kept.
    pub find: &'a dyn Fn(Hash) -> Option<Arc<[u8]>>,
}

/// Plans how to take changes back. What was taken back already is left out.
pub fn undo(case: &Case<'_>) -> Plan {
    let gone = reverted(case.changes);
    let picked: Vec<usize> = (0..case.changes.len())
        .filter(|at| {
            let change = &case.changes[*at];
            case.pick.takes(change) && !gone.contains(&change.id)
        })
        .collect();
    let mut work = Work {
        case,
        undone: picked.iter().map(|at| case.changes[*at].id).collect(),
        back: HashSet::new(),
        tree: case.disk.clone(),
        homes: case
            .disk
            .iter()
            .filter(|(_, file)| file.is_some())
            .map(|(path, _)| (path.clone(), path.clone()))
            .collect(),
        touched: BTreeMap::new(),
        linked: Vec::new(),
        conflicts: Vec::new(),
    };
    for job in jobs(case.changes, &picked) {
        work.take_back(&job);
    }
    work.finish()
}

/// Changes of one file that follow one another, as one.
struct Job {
    /// Their places in the list, newest first.
    members: Vec<usize>,
    ids: Vec<ChangeId>,
    /// Where they left the file, and as what.
    path: WorkPath,
    after: Option<Image>,
    /// Where they found it, and as what.
    from: WorkPath,
    before: Option<Image>,
}

/// The jobs, newest first.
fn jobs(changes: &[Change], picked: &[usize]) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for at in picked.iter().rev() {
        let change = &changes[*at];
        let hash = |image: Option<Image>| image.map(|image| image.hash);
        // Not across a job that needs the same places: that one comes first.
        let places = [&change.path, change.path_before()];
        let last =
            jobs.iter_mut().rfind(|job| places.contains(&&job.path) || places.contains(&&job.from));
        let next =
            last.filter(|job| job.from == change.path && hash(job.before) == hash(change.after));
        match next {
            Some(job) => {
                job.members.push(*at);
                job.ids.push(change.id);
                job.from = change.path_before().clone();
                job.before = change.before;
            }
            None => jobs.push(Job {
                members: vec![*at],
                ids: vec![change.id],
                path: change.path.clone(),
                after: change.after,
                from: change.path_before().clone(),
                before: change.before,
            }),
        }
    }
    jobs
}

/// The tree on its way back.
struct Work<'a> {
    case: &'a Case<'a>,
    undone: HashSet<ChangeId>,
    /// The places of changes in the list whose renames were taken back.
    back: HashSet<usize>,
    tree: Disk,
    /// Where on disk the file comes from that is now at a path.
    homes: BTreeMap<WorkPath, WorkPath>,
    /// The changes taken back at each path.
    touched: BTreeMap<WorkPath, Vec<ChangeId>>,
    /// Paths that are done together or not at all.
    linked: Vec<(WorkPath, WorkPath)>,
    conflicts: Vec<Conflict>,
}

impl Work<'_> {
    fn take_back(&mut self, job: &Job) {
        let newest = job.members.first().copied().unwrap_or_default();
        let path = self.place_now(&job.path, newest);
        if let Some(known) = self.conflicts.iter_mut().find(|known| known.path == path) {
            known.changes = oldest_first(known.changes.iter().chain(&job.ids));
            return;
        }
        // A file that others renamed since goes back in content only.
        let to = if path == job.path { job.from.clone() } else { path.clone() };
        let result = self.made(job, &path).and_then(|file| match self.tree.get(&to) {
            _ if to == path || file.is_none() => Ok(file),
            Some(None) => Ok(file),
            Some(Some(_)) => Err(Why::Taken(to.clone())),
            None => Err(Why::NotSeen),
        });
        self.touched.entry(path.clone()).or_default().extend(&job.ids);
        match result {
            Ok(Some(file)) if to != path => {
                self.tree.insert(path.clone(), None);
                self.tree.insert(to.clone(), Some(file));
                if let Some(home) = self.homes.remove(&path) {
                    self.homes.insert(to.clone(), home);
                }
                self.back.extend(&job.members);
                self.touched.entry(to.clone()).or_default().extend(&job.ids);
                self.linked.push((path, to));
            }
            Ok(file) => {
                self.tree.insert(path, file);
            }
            Err(why) => {
                let changes = oldest_first(&job.ids);
                self.conflicts.push(Conflict { path, changes, why });
            }
        }
    }

    /// Where the file is now that was at `path` after the change number `at`.
    fn place_now(&self, path: &WorkPath, at: usize) -> WorkPath {
        let mut place = path;
        for (number, change) in self.case.changes.iter().enumerate().skip(at + 1) {
            if change.from.as_ref() == Some(place) && !self.back.contains(&number) {
                place = &change.path;
            }
        }
        place.clone()
    }

    /// What is at `path` once the job is taken back.
    fn made(&self, job: &Job, path: &WorkPath) -> Result<Option<File>, Why> {
        let now = self.tree.get(path).ok_or(Why::NotSeen)?;
        match (job.before, job.after, now) {
            (None, None, now) => Ok(now.clone()),
            (None, Some(_), None) => Ok(None),
            (None, Some(after), Some(now)) if now.image.hash == after.hash => Ok(None),
            (None, Some(after), Some(now)) => {
                let text = self.merged(after.hash, now, None)?;
                Ok((!text.is_empty()).then(|| File::of(text.into_bytes(), now.image.mode)))
            }
            (Some(before), None, None) => Ok(Some(self.kept(before)?)),
            (Some(before), None, Some(now)) if now.image.hash == before.hash => {
                Ok(Some(now.clone()))
            }
            (Some(_), None, Some(_)) => Err(Why::Taken(path.clone())),
            (Some(_), Some(_), None) => Err(Why::Gone),
            (Some(before), Some(after), Some(now)) => {
                let mode = if now.image.mode == after.mode || after.mode.is_none() {
                    before.mode.or(now.image.mode)
                } else {
                    now.image.mode
                };
                let mut file = if now.image.hash == after.hash && before.hash != after.hash {
                    self.kept(before)?
                } else if now.image.hash == before.hash || before.hash == after.hash {
                    now.clone()
                } else {
                    let text = self.merged(after.hash, now, Some(before.hash))?;
                    File::of(text.into_bytes(), mode)
                };
                file.image.mode = mode;
                Ok(Some(file))
            }
        }
    }

    /// The content of an image.
    fn kept(&self, image: Image) -> Result<File, Why> {
        let bytes = (self.case.find)(image.hash).ok_or(Why::NotKept(image.hash))?;
        Ok(File { image, bytes })
    }

    /// What is on disk without what came between `before` and `after`.
    fn merged(&self, after: Hash, now: &File, before: Option<Hash>) -> Result<String, Why> {
        let text = |hash: Hash| {
            let bytes = (self.case.find)(hash).ok_or(Why::NotKept(hash))?;
            String::from_utf8(bytes.to_vec()).map_err(|_| Why::NotText)
        };
        let now = now.text().ok_or(Why::NotText)?;
        let (after, before) = (text(after)?, before.map(text).transpose()?.unwrap_or_default());
        let ours = Difference::fine(&after, now);
        // The way back is the way there reversed, so that it agrees with the blame.
        let theirs = Difference::fine(&before, &after).reversed();
        join(&ours, &theirs).map_err(Why::Clashes)
    }

    /// The plan, once everything was taken back that can be.
    fn finish(mut self) -> Plan {
        let mut lost = self.check();
        let mut steps = Vec::new();
        for (path, ids) in &self.touched {
            let then = self.tree.get(path).cloned().flatten();
            let now = self.case.disk.get(path).cloned().flatten();
            if now != then {
                let losses = lost.remove(path).unwrap_or_default();
                let reverts = oldest_first(ids);
                steps.push(Step { path: path.clone(), now, then, reverts, losses });
            }
        }
        let blocked = self.blocked();
        steps.retain(|step| !blocked.contains(&step.path));
        // What is removed makes room.
        steps.sort_by_key(|step| step.then.is_some());
        self.conflicts.sort_by(|a, b| a.path.cmp(&b.path));
        Plan { steps, conflicts: self.conflicts }
    }

    /// Holds what becomes of each file on disk against its blame. Returns whose lines go.
    fn check(&mut self) -> BTreeMap<WorkPath, Vec<Loss>> {
        let mut lost = BTreeMap::new();
        let mut conflicts = Vec::new();
        for (home, blame) in self.blames() {
            if self.case.disk.get(&home).is_none_or(Option::is_none) {
                continue;
            }
            let place = self.homes.iter().find(|(_, from)| **from == home).map(|(path, _)| path);
            let then = place.and_then(|place| self.tree.get(place)).and_then(Option::as_ref);
            let text = match then {
                Some(file) => file.text(),
                None => Some(""),
            };
            // What is no text went back whole or not at all.
            let Some(text) = text.filter(|text| **text != **blame.text()) else { continue };
            let others = |origin: Option<&Origin>| {
                origin.is_none_or(|origin| !self.undone.contains(&origin.change))
            };
            let gone = missing(&blame, text, others);
            if gone.is_empty() {
                lost.insert(home, losses(&blame, text));
            } else {
                let changes = oldest_first(self.touched.get(&home).into_iter().flatten());
                conflicts.push(Conflict { path: home, changes, why: Why::OthersLines(gone) });
            }
        }
        self.conflicts.append(&mut conflicts);
        lost
    }

    /// The paths with a conflict, and those that are done together with one of them.
    fn blocked(&self) -> BTreeSet<WorkPath> {
        let mut blocked: BTreeSet<WorkPath> =
            self.conflicts.iter().map(|conflict| conflict.path.clone()).collect();
        loop {
            let more: Vec<WorkPath> = self
                .linked
                .iter()
                .filter(|(a, b)| blocked.contains(a) != blocked.contains(b))
                .flat_map(|(a, b)| [a.clone(), b.clone()])
                .collect();
            if more.is_empty() {
                return blocked;
            }
            blocked.extend(more);
        }
    }

    /// Who wrote each line of the texts on disk.
    fn blames(&self) -> BTreeMap<WorkPath, Blame> {
        // What is on disk is known even if it is not kept.
        let on_disk: HashMap<Hash, &Arc<[u8]>> = (self.case.disk.values().flatten())
            .map(|file| (file.image.hash, &file.bytes))
            .collect();
        let find = |hash: Hash| {
            let bytes = match on_disk.get(&hash) {
                Some(bytes) => Arc::clone(bytes),
                None => (self.case.find)(hash)?,
            };
            std::str::from_utf8(&bytes).ok().map(Arc::from)
        };
        let mut blames: BTreeMap<WorkPath, Blame> = BTreeMap::new();
        for change in self.case.changes {
            let mut blame = blames.remove(change.path_before()).unwrap_or_else(Blame::absent);
            if self.undone.contains(&change.id) && !change.reverts.is_empty() {
                // What an undo brought back goes with it: its lines are its own here.
                blame.push(&Change { reverts: Vec::new(), ..change.clone() }, &find);
            } else {
                blame.push(change, &find);
            }
            blames.insert(change.path.clone(), blame);
        }
        for (path, file) in self.case.disk {
            match file.as_ref().and_then(File::text) {
                Some(text) => {
                    let blame = blames.entry(path.clone()).or_insert_with(Blame::absent);
                    blame.settle(Arc::from(text));
                }
                None => {
                    blames.remove(path);
                }
            }
        }
        blames
    }
}

fn oldest_first<'a>(ids: impl IntoIterator<Item = &'a ChangeId>) -> Vec<ChangeId> {
    let ids: BTreeSet<ChangeId> = ids.into_iter().copied().collect();
    ids.into_iter().collect()
}
