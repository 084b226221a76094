//! What git may touch: whose work lies uncommitted in the tree, as an agent's git asks for it.
//!
//! Nothing changes by the question, and git itself is not run here: which files differ from the
//! last commit is said by the one who asks.

use crate::engine::state::State;
use crate::git::{Answer, Asker, Content, FileQuestion, Known, OthersLease, Party};
use crate::model::failure::Failure;
use crate::model::id::AgentId;
use crate::model::lease::Owner;
use crate::model::path::Hash;

impl State {
    /// What is known about these files, for an agent or the person.
    pub(in crate::engine) fn git_facts(
        &self,
        agent: Option<AgentId>,
        files: &[FileQuestion],
    ) -> Result<Answer, Failure> {
        let me = self.owner_of(agent)?;
        let asker = match agent {
            None => Asker::Person,
            Some(_) => Asker::Agent,
        };
        let leases = self.table.leases().filter(|(_, lease)| !same_session(&lease.owner, &me));
        let leases = leases
            .map(|(path, lease)| OthersLease {
                path: path.to_owned(),
                owner: self.table.name_of(&lease.owner),
            })
            .collect();
        let files = files.iter().map(|file| self.git_file(&me, file)).collect();
        Ok(Answer { asker, files, leases })
    }

    fn git_file(&self, me: &Owner, file: &FileQuestion) -> Known {
        let (saved, disk) = (hash(file.committed), hash(file.disk));
        let unsaved = self.table.unsaved(&file.path, saved.flatten(), disk.flatten());
        let name = |owner: &Owner| self.table.name_of(owner);
        let others = unsaved.authors.iter().filter(|author| !same_session(author, me));
        Known {
            last: unsaved.last.map(|last| match same_session(last, me) {
                true => Party::Own,
                false => Party::Other(name(last)),
            }),
            others: others.map(|author| name(author)).collect(),
            complete: unsaved.complete && saved.is_some() && disk.is_some(),
            leased: unsaved.holder.filter(|holder| !same_session(holder, me)).map(name),
        }
    }
}

/// Whether two owners are one session; what its sub-agents did is its own too.
fn same_session(one: &Owner, other: &Owner) -> bool {
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
