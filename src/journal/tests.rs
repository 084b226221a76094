//! The journal as its users see it: a small world of owners and files, and what an undo, a blame
//! or a replay makes of it.

mod examples;
mod properties;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::pick::Pick;
use super::plan::{File, Plan};
use super::undo::{Case, Disk, undo};
use crate::model::change::{Change, Image};
use crate::model::id::{ChangeId, SessionId};
use crate::model::lease::Owner;
use crate::model::path::{Hash, WorkPath};

fn path(raw: &str) -> WorkPath {
    WorkPath::parse(raw).unwrap()
}

fn agent(name: &str) -> Owner {
    Owner::Session(SessionId::from(name), None)
}

/// A tree, its journal and what is kept.
#[derive(Default, Clone)]
struct World {
    files: BTreeMap<WorkPath, File>,
    changes: Vec<Change>,
    kept: HashMap<Hash, Arc<[u8]>>,
    /// Paths that were ever there.
    seen: Vec<WorkPath>,
}

impl World {
    /// Puts a file there that the journal did not see coming.
    fn put(&mut self, name: &str, text: &str) {
        let file = File::of(text.as_bytes(), None);
        self.kept.insert(file.image.hash, Arc::clone(&file.bytes));
        self.files.insert(path(name), file);
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.files.get(&path(name)).map(|file| file.text().unwrap())
    }

    /// An owner makes `text` of a file; `None` deletes it.
    fn write(&mut self, owner: &str, turn: u32, name: &str, text: Option<&str>) -> ChangeId {
        let file = text.map(|text| File::of(text.as_bytes(), None));
        self.record(owner, turn, None, name, file)
    }

    fn rename(&mut self, owner: &str, turn: u32, from: &str, to: &str) -> ChangeId {
        let file = self.files.get(&path(from)).cloned();
        self.record(owner, turn, Some(from), to, file)
    }

    fn record(
        &mut self,
        owner: &str,
        turn: u32,
        from: Option<&str>,
        name: &str,
        file: Option<File>,
    ) -> ChangeId {
        let before = self.files.remove(&path(from.unwrap_or(name)));
        let id = ChangeId(self.changes.len() as u64 + 1);
        let image = |file: &Option<File>| file.as_ref().map(|file| file.image);
        let mut change = Change::of(path(name), agent(owner), image(&before), image(&file));
        change.id = id;
        change.turn = Some(turn);
        change.from = from.map(path);
        self.changes.push(change);
        self.seen.extend(from.into_iter().chain([name]).map(path));
        for file in before.iter().chain(&file) {
            self.kept.insert(file.image.hash, Arc::clone(&file.bytes));
        }
        if let Some(file) = file {
            self.files.insert(path(name), file);
        }
        id
    }

    fn disk(&self) -> Disk {
        let seen = self.seen.iter().chain(self.files.keys());
        seen.map(|path| (path.clone(), self.files.get(path).cloned())).collect()
    }

    fn plan(&self, pick: &Pick) -> Plan {
        let find = |hash: Hash| self.kept.get(&hash).cloned();
        undo(&Case { pick, changes: &self.changes, disk: &self.disk(), find: &find })
    }

    /// Carries a plan out and records it.
    fn perform(&mut self, plan: &Plan) {
        for step in &plan.steps {
            let now = self.files.get(&step.path).cloned();
            assert_eq!(now, step.now, "{} is not what the plan builds on", step.path);
            let name = step.path.as_str().to_owned();
            self.record("person", 0, None, &name, step.then.clone());
            self.changes.last_mut().unwrap().reverts = step.reverts.clone();
        }
    }

    /// Undoes what can be undone.
    fn undo(&mut self, pick: &Pick) -> Plan {
        let plan = self.plan(pick);
        self.perform(&plan);
        plan
    }

    fn find_text(&self) -> impl Fn(Hash) -> Option<Arc<str>> + '_ {
        |hash| std::str::from_utf8(self.kept.get(&hash)?).ok().map(Arc::from)
    }

    fn images(&self) -> BTreeMap<WorkPath, Image> {
        self.files.iter().map(|(path, file)| (path.clone(), file.image)).collect()
    }
}
