//! What git may touch: whose work lies uncommitted in the tree, as an agent's git asks for it.
//!
//! Nothing changes by the question, and git itself is not run here: which files differ from the
//! last commit is said by the one who asks.

use crate::arbiter::Table;
use crate::engine::state::State;
use crate::git::{Answer, Asker, Content, FileQuestion, Known, OthersLease, Party};
use crate::model::failure::Failure;
use crate::model::id::AgentId;
use crate::model::lease::Owner;
use crate::model::path::Hash;

impl State {
    /// Whose a git is: that of an agent, of a guarded command, or the person's.
    pub(super) fn git_owner(
        &self,
        agent: Option<AgentId>,
        processes: &[u32],
    ) -> Result<Owner, Failure> {
        if agent.is_some() {
            return self.owner_of(agent);
        }
        // Of commands within commands, the innermost counts.
        let of = |process: &u32| {
            let mut execs = self.execs.values();
            execs.find(|exec| exec.process == Some(*process)).map(|exec| exec.owner.clone())
        };
        Ok(processes.iter().find_map(of).unwrap_or(Owner::User))
    }

    /// What is known about these files, for an agent, a guarded command or the person.
    pub(in crate::engine) fn git_facts(
        &self,
        agent: Option<AgentId>,
        processes: &[u32],
        files: &[FileQuestion],
    ) -> Result<Answer, Failure> {
        let me = self.git_owner(agent, processes)?;
        let asker = if me == Owner::User { Asker::Person } else { Asker::Agent };
        let pass = self.desk.let_pass(&me);
        Ok(self.desk.read(|table| {
            let leases = table.leases().filter(|(_, lease)| !same_session(&lease.owner, &me));
            let leases = leases
                .map(|(path, lease)| OthersLease {
                    path: path.to_owned(),
                    owner: table.name_of(&lease.owner),
                })
                .collect();
            let files = files.iter().map(|file| git_file(table, &me, file)).collect();
            Answer { asker, files, leases, pass: pass.clone() }
        }))
    }
}

fn git_file(table: &Table, me: &Owner, file: &FileQuestion) -> Known {
    let (saved, disk) = (hash(file.committed), hash(file.disk));
    let unsaved = table.unsaved(&file.path, saved.flatten(), disk.flatten());
    let name = |owner: &Owner| table.name_of(owner);
    let is_outside = |owner: &Owner| *owner == Owner::External;
    let others = unsaved.authors.iter().filter(|author| !same_session(author, me));
    let (outside, others): (Vec<&Owner>, Vec<&Owner>) =
        others.copied().partition(|author| is_outside(author));
    // What a program outside did may be anybody's work.
    let known = unsaved.complete && outside.is_empty();
    Known {
        last: unsaved.last.filter(|last| !is_outside(last)).map(|last| {
            match same_session(last, me) {
                true => Party::Own,
                false => Party::Other(name(last)),
            }
        }),
        others: others.into_iter().map(name).collect(),
        complete: known && saved.is_some() && disk.is_some(),
        leased: unsaved.holder.filter(|holder| !same_session(holder, me)).map(name),
    }
}

/// Others whose uncommitted work is in a file, the last one first. What nobody is known to have
/// written may be anybody's.
pub(super) fn unsaved_of_others(table: &Table, me: &Owner, file: &FileQuestion) -> Vec<Owner> {
    let (saved, disk) = (hash(file.committed), hash(file.disk));
    let unsaved = table.unsaved(&file.path, saved.flatten(), disk.flatten());
    let others = unsaved.authors.into_iter().filter(|author| !same_session(author, me));
    let mut others: Vec<Owner> = others.cloned().collect();
    let known = unsaved.complete && saved.is_some() && disk.is_some();
    if others.is_empty() && !known {
        others.push(Owner::External);
    }
    others
}

/// Whether two owners are one session; what its sub-agents did is its own too.
pub(super) fn same_session(one: &Owner, other: &Owner) -> bool {
    match (one.session(), other.session()) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one == other,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// The hash of a content that is known; the inner `None`: nothing is there.
fn hash(content: Content) -> Option<Option<Hash>> {
    match content {
        Content::Absent => Some(None),
        Content::Is(hash) => Some(Some(hash)),
        Content::Unknown => None,
    }
}
