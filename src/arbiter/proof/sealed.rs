//! States of a model, told from one another by a digest of what can make a difference later.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::world::World;
use crate::arbiter::input::Proposal;
use crate::arbiter::table::Want;
use crate::model::id::OpId;
use crate::model::time::Mono;

/// A world and what else counts of a state.
#[derive(Debug, Clone)]
pub(super) struct Sealed<More> {
    pub(super) world: World,
    pub(super) more: More,
    digest: u64,
}

impl<More: Hash> Sealed<More> {
    /// To be made anew from its parts after each step.
    pub(super) fn new(mut world: World, more: More) -> Self {
        world.effects.clear();
        let mut hasher = DefaultHasher::new();
        more.hash(&mut hasher);
        shape(&world, &mut hasher);
        Self { world, more, digest: hasher.finish() }
    }
}

impl<More> Hash for Sealed<More> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl<More> PartialEq for Sealed<More> {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

/// Everything in a world that can make a difference later, with times counted from now.
fn shape(world: &World, hasher: &mut DefaultHasher) {
    let now = world.now;
    let ahead = |at: Option<Mono>| at.map(|at| at.since(now));
    let table = &world.table;
    // Each owner has one call at most, so the owner names it.
    let name = |op: OpId| {
        let touch = || table.touches.get(&op).map(|touch| touch.who);
        table.ops.get(&op).map(|op| op.who).or_else(touch)
    };
    for file in &table.files {
        let right = file.right.as_ref();
        right.map(|r| (r.who, r.state, r.op.map(name), ahead(r.until))).hash(hasher);
        for waiter in &file.queue {
            (waiter.who, waiter.op.is_some(), waiter.until.since(now)).hash(hasher);
        }
        (file.heir, file.disk, file.unsure, ahead(file.fence)).hash(hasher);
        file.touched.iter().map(|op| name(*op)).collect::<Vec<_>>().hash(hasher);
        for change in &file.changes {
            (change.after, change.who).hash(hasher);
        }
    }
    let mut ops: Vec<_> = table.ops.values().collect();
    ops.sort_by_key(|op| op.who);
    for op in ops {
        (op.who, op.stage, op.deadline.since(now)).hash(hasher);
        if let Want::Write(write) = &op.want {
            let before = write.before.as_ref().map(|r| (r.who, r.state, ahead(r.until)));
            (before, write.asked, write.at_grant, write.extent).hash(hasher);
            matches!(write.proposal, Proposal::Opaque).hash(hasher);
        }
    }
    for record in table.owners.iter() {
        let mut observed: Vec<_> =
            record.observed.iter().map(|(f, o)| (*f, o.hash, o.seen)).collect();
        observed.sort_unstable_by_key(|(file, _, _)| *file);
        observed.hash(hasher);
    }
    ahead(table.next_wake()).hash(hasher);
    world.disk.hash(hasher);
    world.writers.hash(hasher);
    for call in world.calls.values() {
        call.hash(hasher);
    }
    (&world.shown, &world.memory, &world.lost, world.clash).hash(hasher);
}
