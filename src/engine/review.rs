//! Answers questions about changes: lists, differences, who wrote which line.
//!
//! It reads the history and the files of the workspace and changes neither, so it works with an
//! engine and without one. It blocks.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::keeper::MOST;
use super::revise;
use crate::history::Reader;
use crate::history::read::{ChangeQuery, Scope};
use crate::history::record::ProposalRow;
use crate::journal::blame::Blame;
use crate::journal::losses;
use crate::model::change::{Change, Image};
use crate::model::difference::Difference;
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::ChangeId;
use crate::model::lease::Owner;
use crate::model::path::{Hash, WorkPath};
use crate::model::review::{
    Answer, BlameRun, ChangeLine, ChangesPage, Compared, FileBlame, FileDifference, LineOrigin,
    Question, RejectedLine, Wanted,
};

/// Changes that are read from the history at a time.
const CHUNK: usize = 200;

/// Lines around a difference.
const CONTEXT: usize = 3;

/// Texts beyond this are not compared for a list.
const COUNTED: usize = 2 * 1024 * 1024;

/// Answers a question.
pub fn answer(history: &Path, root: &Path, question: &Question) -> Result<Answer, Failure> {
    let review = Review::open(history, root)?;
    match question {
        Question::Changes(wanted) => review.changes(wanted).map(Answer::Changes),
        Question::Rejected(wanted) => review.rejected(wanted).map(Answer::Rejected),
        Question::Difference(compared) => review.difference(compared).map(Answer::Difference),
        Question::Blame(path) => review.blame(path).map(Answer::Blame),
        Question::Plan(revision) => {
            revise::plan(&review, revision).map(|planned| Answer::Revised(planned.revised))
        }
    }
}

/// The history of a workspace, and its files.
pub(super) struct Review<'a> {
    pub(super) reader: Reader,
    pub(super) workspace: String,
    pub(super) root: &'a Path,
}

/// One side of a difference.
enum Side {
    Nothing,
    Bytes(Vec<u8>, Option<u32>),
    NotKept,
}

/// Lines of agents that a change has left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Which change.
    pub change: ChangeId,
    /// Whose lines, by name, and how many.
    pub lines: Vec<(String, usize)>,
}

impl<'a> Review<'a> {
    pub(super) fn open(history: &Path, root: &'a Path) -> Result<Self, Failure> {
        let reader = Reader::open(history)?;
        Ok(Self { reader, workspace: root.to_string_lossy().into_owned(), root })
    }

    /// A change by its number.
    pub(super) fn change(&self, id: ChangeId) -> Result<Change, Failure> {
        self.reader.change(&self.workspace, id)?.ok_or_else(|| {
            Failure::new(FailureKind::Usage, format!("there is no change {id} here"))
                .hint("`benchdog changes` lists them; those older than journal.keep_days are gone")
        })
    }

    /// A refused write by its number.
    pub(super) fn proposal(&self, number: i64) -> Result<ProposalRow, Failure> {
        let before = Some(number.saturating_add(1));
        let row = self.reader.proposals(&self.workspace, None, before, 1)?.pop();
        row.filter(|row| row.n == number).ok_or_else(|| {
            let text = format!("there is no rejected write {number} here");
            Failure::new(FailureKind::Usage, text).hint("`benchdog changes --rejected` lists them")
        })
    }

    /// A content, if it is kept.
    pub(super) fn content(&self, hash: Hash) -> Result<Option<Vec<u8>>, Failure> {
        if hash == Hash::UNSEEN {
            return Ok(None);
        }
        Ok(self.reader.blob(hash)?)
    }

    /// All changes that `wanted` means, newest first, until `take` has enough.
    pub(super) fn walk(
        &self,
        wanted: &Wanted,
        take: &mut dyn FnMut(Change) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let scope = match &wanted.path {
            Some(path) if !self.is_folder(path)? => Scope::File(path.clone()),
            Some(_) | None => Scope::All,
        };
        let mut before = wanted.before;
        loop {
            let query = ChangeQuery { scope: scope.clone(), before, limit: CHUNK };
            let page = self.reader.changes(&self.workspace, &query)?;
            before = page.changes.last().map(|change| change.id);
            for change in page.changes {
                if !take(change)? {
                    return Ok(());
                }
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    /// Whether a path is a folder, or was one and is gone.
    fn is_folder(&self, path: &WorkPath) -> Result<bool, Failure> {
        if path.below(self.root).is_dir() {
            return Ok(true);
        }
        let query = ChangeQuery { scope: Scope::File(path.clone()), before: None, limit: 1 };
        let known = !self.reader.changes(&self.workspace, &query)?.changes.is_empty();
        Ok(!known && !path.below(self.root).exists())
    }

    fn changes(&self, wanted: &Wanted) -> Result<ChangesPage, Failure> {
        let limit = if wanted.limit == 0 { usize::MAX } else { wanted.limit };
        let mut page = ChangesPage::default();
        let mut undone: HashMap<ChangeId, ChangeId> = HashMap::new();
        self.walk(wanted, &mut |change| {
            if !undone.contains_key(&change.id) {
                undone.extend(change.reverts.iter().map(|id| (*id, change.id)));
            }
            if !fits(wanted, &change) || (wanted.lost && !self.is_lost(&change)) {
                return Ok(true);
            }
            page.more = page.changes.len() == limit;
            if !page.more {
                page.changes.push(self.line(change, &undone)?);
            }
            Ok(!page.more)
        })?;
        Ok(page)
    }

    fn line(
        &self,
        change: Change,
        undone: &HashMap<ChangeId, ChangeId>,
    ) -> Result<ChangeLine, Failure> {
        let before_kept = match change.before {
            Some(image) => self.reader.has_content(image.hash)?,
            None => false,
        };
        Ok(ChangeLine {
            over: change.over.as_ref().map(|owner| self.name_of(owner)),
            lines: self.counts(
                change.before.map(|image| image.hash),
                change.after.map(|image| image.hash),
            )?,
            before_kept,
            undone_by: undone.get(&change.id).copied(),
            change,
        })
    }

    /// How many lines came and went between two contents, as far as they are texts.
    fn counts(
        &self,
        before: Option<Hash>,
        after: Option<Hash>,
    ) -> Result<Option<(usize, usize)>, Failure> {
        let text = |hash: Option<Hash>| -> Result<Option<String>, Failure> {
            let Some(hash) = hash else { return Ok(Some(String::new())) };
            let bytes = self.content(hash)?.filter(|bytes| bytes.len() <= COUNTED);
            Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
        };
        let (Some(before), Some(after)) = (text(before)?, text(after)?) else { return Ok(None) };
        Ok(Some(Difference::fine(&before, &after).counts()))
    }

    /// Whether a change took away what somebody may want back.
    fn is_lost(&self, change: &Change) -> bool {
        let gone = change.after.is_none() && !change.path.below(self.root).exists();
        gone || (change.over.is_some() && change.before.is_some())
    }

    fn rejected(&self, wanted: &Wanted) -> Result<Vec<RejectedLine>, Failure> {
        let limit = if wanted.limit == 0 { usize::MAX } else { wanted.limit };
        let before = wanted.before.and_then(|id| i64::try_from(id.0).ok());
        let mut lines = Vec::new();
        for row in self.reader.proposals(&self.workspace, None, before, usize::MAX)? {
            let within = wanted.path.as_ref().is_none_or(|path| row.path.is_within(path));
            let named =
                wanted.agent.as_ref().is_none_or(|name| is_called(name, &row.owner, &row.agent));
            if !within || !named {
                continue;
            }
            if lines.len() == limit {
                break;
            }
            lines.push(RejectedLine {
                number: row.n,
                at: row.at,
                lines: self.counts(row.base, Some(row.hash))?,
                agent: row.agent,
                path: row.path,
                tool: row.tool,
                code: row.code,
            });
        }
        Ok(lines)
    }

    fn difference(&self, compared: &Compared) -> Result<FileDifference, Failure> {
        match compared {
            Compared::Change(id) => {
                let change = self.change(*id)?;
                let sides = (self.image(change.before)?, self.image(change.after)?);
                let labels = (format!("before change {id}"), format!("after change {id}"));
                Ok(between(change.path, labels, &sides.0, &sides.1))
            }
            Compared::File { path, from, to } => {
                let (old, from) = match from {
                    Some(id) => (self.after(path, *id)?, format!("after change {id}")),
                    None => self.oldest(path)?,
                };
                let (new, to) = match to {
                    Some(id) => (self.after(path, *id)?, format!("after change {id}")),
                    None => (self.on_disk(path)?, "now".to_owned()),
                };
                Ok(between(path.clone(), (from, to), &old, &new))
            }
            Compared::Rejected(number) => {
                let row = self.proposal(*number)?;
                let base = self.image(row.base.map(Image::from))?;
                let wanted = self.image(Some(row.hash.into()))?;
                let labels = ("what was there".to_owned(), format!("rejected write {number}"));
                Ok(between(row.path, labels, &base, &wanted))
            }
        }
    }

    fn image(&self, image: Option<Image>) -> Result<Side, Failure> {
        let Some(image) = image else { return Ok(Side::Nothing) };
        Ok(self.content(image.hash)?.map_or(Side::NotKept, |bytes| Side::Bytes(bytes, image.mode)))
    }

    /// A file as a change of it left it.
    fn after(&self, path: &WorkPath, id: ChangeId) -> Result<Side, Failure> {
        let change = self.change(id)?;
        if change.path != *path {
            let text = format!("change {id} is of {}, not of {path}", change.path);
            return Err(Failure::new(FailureKind::Usage, text)
                .hint(format!("`benchdog changes {path}` lists those of {path}")));
        }
        self.image(change.after)
    }

    /// A file as the first change that is known of it found it.
    fn oldest(&self, path: &WorkPath) -> Result<(Side, String), Failure> {
        let changes = self.reader.involved(&self.workspace, [path])?;
        let first = changes.iter().find(|change| change.path == *path).ok_or_else(|| {
            Failure::new(FailureKind::Usage, format!("no change of {path} is known"))
                .hint("`benchdog changes` lists what is known")
        })?;
        Ok((self.image(first.before)?, format!("before change {}", first.id)))
    }

    fn on_disk(&self, path: &WorkPath) -> Result<Side, Failure> {
        let file = revise::read(self.root, path)?;
        Ok(file.map_or(Side::Nothing, |file| Side::Bytes(file.bytes.to_vec(), file.image.mode)))
    }

    fn blame(&self, path: &WorkPath) -> Result<FileBlame, Failure> {
        let changes = self.reader.involved(&self.workspace, [path])?;
        let file = revise::read(self.root, path)?.ok_or_else(|| {
            Failure::new(FailureKind::Usage, format!("{path} does not exist"))
                .hint(format!("`benchdog changes {path}` tells what became of it"))
        })?;
        let text: Arc<str> = file.text().map(Arc::from).ok_or_else(|| {
            Failure::new(FailureKind::Failed, format!("{path} is no text, so it has no lines"))
                .hint(format!("`benchdog changes {path}` tells who changed it"))
        })?;
        let find = |hash| self.text(hash);
        let mut blames: BTreeMap<WorkPath, Blame> = BTreeMap::new();
        for change in &changes {
            let mut blame = blames.remove(change.path_before()).unwrap_or_else(Blame::absent);
            blame.push(change, &find);
            blames.insert(change.path.clone(), blame);
        }
        let mut blame = blames.remove(path).unwrap_or_else(Blame::absent);
        blame.settle(Arc::clone(&text));
        let runs = blame.runs().into_iter().map(|run| BlameRun {
            first: run.lines.start + 1,
            count: run.lines.len(),
            origin: run.origin.map(|origin| LineOrigin {
                change: origin.change,
                agent: origin.agent,
                at: origin.at,
            }),
        });
        let lines = text.split_inclusive('\n').map(|line| line.trim_end_matches('\n').to_owned());
        Ok(FileBlame { path: path.clone(), lines: lines.collect(), runs: runs.collect() })
    }

    /// Whose lines went with the last change of a file, and how many of each. Only agents' count.
    pub(super) fn lost_last(&self, path: &WorkPath) -> Result<Option<Lost>, Failure> {
        let changes = self.reader.involved(&self.workspace, [path])?;
        let Some((last, before)) = changes.split_last() else { return Ok(None) };
        let Some(text) = last.after.and_then(|image| self.text(image.hash)) else {
            return Ok(None);
        };
        let find = |hash| self.text(hash);
        let blame = before.iter().fold(Blame::absent(), |mut blame, change| {
            blame.push(change, &find);
            blame
        });
        let lost = losses(&blame, &text).into_iter().filter_map(|loss| {
            let owner = loss.owner.filter(|owner| owner.session().is_some())?;
            Some((self.name_of(&owner), loss.lines))
        });
        let lost: Vec<(String, usize)> = lost.collect();
        Ok((!lost.is_empty()).then_some(Lost { change: last.id, lines: lost }))
    }

    /// A kept text.
    pub(super) fn text(&self, hash: Hash) -> Option<Arc<str>> {
        let bytes = self.content(hash).ok()??;
        String::from_utf8(bytes).ok().map(Arc::from)
    }

    /// What people call an owner.
    pub(super) fn name_of(&self, owner: &Owner) -> String {
        let Some(session) = owner.session() else {
            return if *owner == Owner::User { "you" } else { "somebody outside" }.to_owned();
        };
        if let Some(script) = session.as_str().strip_prefix("call:") {
            return script.to_owned();
        }
        let row = self.reader.session(session).ok().flatten();
        row.map_or_else(|| "a former session".to_owned(), |row| row.agent)
    }
}

/// Whether a change is one of those that are wanted, as far as it tells by itself.
fn fits(wanted: &Wanted, change: &Change) -> bool {
    wanted
        .path
        .as_ref()
        .is_none_or(|path| change.path.is_within(path) || change.path_before().is_within(path))
        && wanted.agent.as_ref().is_none_or(|name| is_called(name, &change.owner, &change.agent))
        && wanted.turn.is_none_or(|turn| change.turn == Some(turn))
}

/// Whether an owner is meant by a name: its own, or that of the agent whose sub-agent it is.
pub(super) fn is_called(name: &str, owner: &Owner, called: &str) -> bool {
    match (name, owner) {
        ("user" | "you", owner) => *owner == Owner::User,
        ("external", owner) => *owner == Owner::External,
        (name, Owner::Session(..)) => {
            called == name || called.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'))
        }
        (_, Owner::User | Owner::External) => false,
    }
}

/// Why a content is not there.
pub(super) fn not_kept(what: &str) -> String {
    format!(
        "{what} is not kept: it is a secret, ignored by git, larger than {} MiB, or it was there \
         before anybody looked",
        MOST >> 20
    )
}

fn between(path: WorkPath, (from, to): (String, String), old: &Side, new: &Side) -> FileDifference {
    let (mut hunks, mut note) = (Vec::new(), None);
    let modes = match (old, new) {
        (Side::Bytes(_, Some(old)), Side::Bytes(_, Some(new))) if old != new => Some((*old, *new)),
        _ => None,
    };
    match (side(old), side(new)) {
        (Ok(old), Ok(new)) => match (std::str::from_utf8(old), std::str::from_utf8(new)) {
            (Ok(before), Ok(after)) => {
                hunks = Difference::fine(before, after).hunks(CONTEXT);
            }
            _ if old == new => {}
            _ => note = Some(format!("no text: {} bytes, then {}", old.len(), new.len())),
        },
        (Err(()), _) => note = Some(not_kept("the former content")),
        (_, Err(())) => note = Some(not_kept("the later content")),
    }
    if hunks.is_empty() && note.is_none() && modes.is_none() {
        note = Some("no difference".to_owned());
    }
    FileDifference { path, from, to, modes, hunks, note }
}

fn side(side: &Side) -> Result<&[u8], ()> {
    match side {
        Side::Nothing => Ok(&[]),
        Side::Bytes(bytes, _) => Ok(bytes),
        Side::NotKept => Err(()),
    }
}

/// Reads a file whole.
pub(super) fn whole(full: &Path) -> std::io::Result<Option<Vec<u8>>> {
    match fs::read(full) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
