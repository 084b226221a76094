//! Plans how to take changes back, or to bring back what was: what is kept meets what is on disk.
//!
//! A plan is only made here. It is carried out file by file as the person's own writes, through the
//! arbiter, and each only if the file still is what the plan was made for.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use super::review::{Review, is_called, not_kept, whole};
use crate::history::read::{ChangeQuery, Scope};
use crate::journal::pick::{Pick, places, reverted};
use crate::journal::plan::{File, Plan, Step};
use crate::journal::restore::{differ, restore};
use crate::journal::undo::{Case, undo};
use crate::model::change::{Change, Image};
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::{ChangeId, SessionId};
use crate::model::lease::Owner;
use crate::model::path::{Hash, WorkPath};
use crate::model::review::{Moment, Outcome, Revised, RevisedFile, Revision, Wanted};

/// The beginning of a session's id is taken for it from so many characters on.
const SHORTEST_ID: usize = 8;

/// A plan, ready to be carried out.
#[derive(Debug)]
pub struct Planned {
    /// The files that are to be written, in this order.
    pub steps: Vec<Step>,
    /// The plan for people.
    pub revised: Revised,
}

/// Makes a plan.
pub(super) fn plan(review: &Review<'_>, revision: &Revision) -> Result<Planned, Failure> {
    let plan = match revision {
        Revision::UndoChange(id) => {
            let change = review.change(*id)?;
            let changes = review.reader.involved(&review.workspace, places([&change]).iter())?;
            if reverted(&changes).contains(id) {
                let text = format!("change {id} is taken back already");
                return Err(Failure::new(FailureKind::Failed, text)
                    .hint(format!("`benchdog changes {}` tells by which one", change.path)));
            }
            undone(review, &Pick::One(*id), &changes)
        }
        Revision::UndoAgent { agent, turn } => undo_agent(review, agent, *turn)?,
        Revision::Restore { path, moment } => restored(review, path, *moment)?,
        Revision::Accept { rejected, path } => {
            let row = review.proposal(*rejected)?;
            let what = format!("the text of rejected write {rejected}");
            let then = kept(review, &what, row.hash.into())?;
            put(review, path.as_ref().unwrap_or(&row.path), then)?
        }
    };
    Ok(told(review, plan))
}

/// The plan in words, and its steps apart.
fn told(review: &Review<'_>, plan: Plan) -> Planned {
    let text = plan.show(&|owner: &Owner| review.name_of(owner));
    let planned = plan
        .steps
        .iter()
        .map(|step| RevisedFile { path: step.path.clone(), outcome: Outcome::Planned });
    let alone = plan.conflicts.iter().map(|conflict| RevisedFile {
        path: conflict.path.clone(),
        outcome: Outcome::LeftAlone(conflict.why.reason()),
    });
    let files = planned.chain(alone).collect();
    Planned { revised: Revised { text, files }, steps: plan.steps }
}

fn undone(review: &Review<'_>, pick: &Pick, changes: &[Change]) -> Plan {
    let mut disk = BTreeMap::new();
    for path in places(changes) {
        // What cannot be read is left out, and the plan leaves it alone.
        if let Ok(file) = read(review.root, &path) {
            disk.insert(path, file);
        }
    }
    let find = |hash: Hash| review.content(hash).ok().flatten().map(Arc::from);
    undo(&Case { pick, changes, disk: &disk, find: &find })
}

fn undo_agent(review: &Review<'_>, agent: &str, turn: Option<u32>) -> Result<Plan, Failure> {
    let session = session_of(review, agent, turn)?;
    let (pick, scope) = match turn {
        Some(turn) => (Pick::Turn(session.clone(), turn), Scope::Turn(session, turn)),
        None => (Pick::Agent(session.clone()), Scope::By(Owner::Session(session, None))),
    };
    let query = ChangeQuery { scope, before: None, limit: usize::MAX };
    let own = review.reader.changes(&review.workspace, &query)?.changes;
    if own.is_empty() {
        let turn = turn.map_or(String::new(), |turn| format!(" in turn {turn}"));
        let text = format!("{agent} has changed nothing{turn}");
        return Err(Failure::new(FailureKind::Usage, text)
            .hint(format!("`benchdog changes --agent {agent}` lists its changes")));
    }
    let changes = review.reader.involved(&review.workspace, places(&own).iter())?;
    Ok(undone(review, &pick, &changes))
}

/// The session that is meant by the name of an agent or by its id. Sessions whose changes are all
/// taken back are not meant; of several others the person has to name one.
fn session_of(review: &Review<'_>, agent: &str, turn: Option<u32>) -> Result<SessionId, Failure> {
    let mut known = Vec::new();
    let mut sessions: Vec<(SessionId, usize, ChangeId)> = Vec::new();
    let mut undone: HashSet<ChangeId> = HashSet::new();
    review.walk(&Wanted::default(), &mut |change| {
        if !undone.contains(&change.id) {
            undone.extend(&change.reverts);
        }
        let id = change.owner.session().filter(|session| is_id(agent, session));
        if id.is_none() && !is_called(agent, &change.owner, &change.agent) {
            return Ok(true);
        }
        let left =
            !undone.contains(&change.id) && turn.is_none_or(|turn| change.turn == Some(turn));
        if let Some(session) = change.owner.session().filter(|_| left) {
            match sessions.iter_mut().find(|(of, ..)| of == session) {
                Some((_, count, _)) => *count += 1,
                None => sessions.push((session.clone(), 1, change.id)),
            }
        }
        if known.is_empty() {
            known.push(change.owner);
        }
        Ok(true)
    })?;
    match (&sessions[..], known.pop()) {
        ([(session, ..)], _) => Ok(session.clone()),
        ([_, _, ..], _) => {
            let each = sessions.iter().map(|(session, count, last)| {
                let word = if *count == 1 { "change" } else { "changes" };
                format!("{session} ({count} {word}, the last is {last})")
            });
            let each: Vec<String> = each.collect();
            let text = format!(
                "{} sessions called {agent} have changed files here: {}",
                each.len(),
                each.join(", ")
            );
            Err(Failure::new(FailureKind::Usage, text)
                .hint("`benchdog undo --agent ID` takes back what one of them did"))
        }
        // All is taken back, or there is nothing in this turn: the plan says so.
        ([], Some(Owner::Session(session, _))) => Ok(session),
        ([], Some(Owner::User | Owner::External)) => {
            let text = "only the changes of an agent can be undone together";
            Err(Failure::new(FailureKind::Usage, text)
                .hint("`benchdog undo CHANGE` takes back one change, whoever made it"))
        }
        ([], None) => {
            let text = format!("no change of an agent called {agent} is known");
            Err(Failure::new(FailureKind::Usage, text)
                .hint("`benchdog changes` names who changed what"))
        }
    }
}

/// Whether this is the id of a session, or how it begins.
fn is_id(text: &str, session: &SessionId) -> bool {
    let begins = text.len() >= SHORTEST_ID && session.as_str().starts_with(text);
    begins || session.as_str() == text
}

fn restored(review: &Review<'_>, path: &WorkPath, moment: Moment) -> Result<Plan, Failure> {
    let (id, image) = match moment {
        Moment::Before(id) => (id, of(review, path, id)?.before),
        Moment::After(id) => (id, of(review, path, id)?.after),
        Moment::Last => return last(review, path),
    };
    let Some(image) = image else {
        let text = match moment {
            Moment::Before(_) | Moment::Last => format!("there was no {path} before change {id}"),
            Moment::After(_) => format!("there was no {path} after change {id}"),
        };
        return Err(Failure::new(FailureKind::Usage, text)
            .hint(format!("`benchdog changes {path}` lists what it went through")));
    };
    let when = if matches!(moment, Moment::After(_)) { "after" } else { "before" };
    let then = kept(review, &format!("what {path} was {when} change {id}"), image)?;
    put(review, path, then)
}

/// A change of this very file.
fn of(review: &Review<'_>, path: &WorkPath, id: ChangeId) -> Result<Change, Failure> {
    let change = review.change(id)?;
    if change.path == *path || change.path_before() == path {
        return Ok(change);
    }
    let text = format!("change {id} is of {}, not of {path}", change.path);
    Err(Failure::new(FailureKind::Usage, text)
        .hint(format!("`benchdog changes {path}` lists those of {path}")))
}

/// Brings back the last content that is other than what is there now.
fn last(review: &Review<'_>, path: &WorkPath) -> Result<Plan, Failure> {
    let now = read(review.root, path)?.map(|file| file.image);
    let changes = review.reader.involved(&review.workspace, [path])?;
    let images = changes.iter().rev().filter(|change| change.path == *path);
    let images = images.flat_map(|change| [change.after, change.before]).flatten();
    for image in images.filter(|image| now.is_none_or(|now| differ(*image, now))) {
        if let Some(bytes) = review.content(image.hash)? {
            return put(review, path, File { image, bytes: bytes.into() });
        }
    }
    let text = format!("nothing else that {path} was is kept");
    Err(Failure::new(FailureKind::Failed, text)
        .hint(format!("`benchdog changes {path}` lists what it went through")))
}

fn kept(review: &Review<'_>, what: &str, image: Image) -> Result<File, Failure> {
    match review.content(image.hash)? {
        Some(bytes) => Ok(File { image, bytes: bytes.into() }),
        None => Err(Failure::new(FailureKind::Failed, not_kept(what))
            .hint("`benchdog changes` lists what else there is")),
    }
}

/// Puts a content at a path, whole.
fn put(review: &Review<'_>, path: &WorkPath, then: File) -> Result<Plan, Failure> {
    let now = read(review.root, path)?;
    let mut changes = review.reader.involved(&review.workspace, [path])?;
    changes.retain(|change| change.path == *path);
    Ok(restore(path, now, Some(then), &changes, &|hash| review.text(hash)))
}

/// What is at a path; an error if nobody can tell.
pub(super) fn read(root: &Path, path: &WorkPath) -> Result<Option<File>, Failure> {
    let full = path.below(root);
    let unreadable = |error: std::io::Error| {
        Failure::new(FailureKind::Failed, format!("{path} cannot be read")).cause(error)
    };
    let Some(bytes) = whole(&full).map_err(unreadable)? else { return Ok(None) };
    let mode = fs::metadata(&full).map_err(unreadable)?.permissions().mode();
    Ok(Some(File::of(bytes, Some(mode))))
}

#[cfg(test)]
mod tests;
