//! Who wrote each line of a file: changes are pushed one after the other, and the line difference
//! says which lines came with each.
//!
//! - There are always as many origins as the text has lines.
//! - A line keeps its origin as long as the differences see it as the same line.
//! - What lies between two changes and is not in the journal belongs to nobody.
//! - Lines that an undo brings back belong to who wrote them, not to who undid.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::change::Change;
use crate::model::difference::Difference;
use crate::model::id::ChangeId;
use crate::model::lease::Owner;
use crate::model::path::Hash;
use crate::model::time::Wall;

/// Where a line comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The change that brought it.
    pub change: ChangeId,
    /// Who wrote it.
    pub owner: Owner,
    /// The owner's name at that time.
    pub agent: String,
    /// When.
    pub at: Wall,
}

/// Neighbouring lines of one origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Which lines, from 0.
    pub lines: Range<usize>,
    /// Where they come from; `None`: they were there before, or nobody saw who wrote them.
    pub origin: Option<Origin>,
}

/// The origin of each line of one file.
#[derive(Debug, Clone)]
pub struct Blame {
    text: Arc<str>,
    hash: Option<Hash>,
    /// For each line the place of its origin in `origins`.
    lines: Vec<Option<usize>>,
    origins: Vec<Origin>,
    /// The origins of lines that are gone, the last one last.
    gone: HashMap<Hash, Vec<Option<usize>>>,
    /// Changes were pushed whose text is not known.
    blind: Option<Blind>,
}

/// Whose changes could not be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Blind {
    One(Owner),
    Several,
}

impl Blame {
    /// No file yet.
    pub fn absent() -> Self {
        Self {
            text: Arc::from(""),
            hash: None,
            lines: Vec::new(),
            origins: Vec::new(),
            gone: HashMap::new(),
            blind: None,
        }
    }

    /// A text that was there before the first change.
    pub fn of(text: Arc<str>) -> Self {
        let mut blame = Self::absent();
        blame.settle(text);
        blame
    }

    /// Pushes a change. `find` knows texts by their hashes, as far as they are kept.
    pub fn push(&mut self, change: &Change, find: &dyn Fn(Hash) -> Option<Arc<str>>) {
        let before = change.before.map(|image| image.hash);
        if before != self.hash {
            match before.map(find) {
                // It was not there: whatever was known is gone.
                None => self.settle(Arc::from("")),
                Some(Some(text)) => self.settle(text),
                Some(None) => self.lose_sight(None),
            }
            self.hash = before;
        }
        let after = change.after.map(|image| image.hash);
        match after.map(find) {
            None => self.step(Arc::from(""), Some(change)),
            Some(Some(text)) => self.step(text, Some(change)),
            Some(None) => self.lose_sight(Some(&change.owner)),
        }
        self.hash = after;
    }

    /// Goes on to a text that nobody in the journal wrote.
    pub fn settle(&mut self, text: Arc<str>) {
        if text != self.text {
            self.lose_sight(None);
        }
        self.step(text, None);
    }

    /// The text that it speaks of.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Whether it speaks of the file as the last change left it. If not, that text was not kept.
    pub fn is_current(&self) -> bool {
        self.blind.is_none()
    }

    /// The origin of each line.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = Option<&Origin>> {
        self.lines.iter().map(|place| place.and_then(|place| self.origins.get(place)))
    }

    /// Neighbouring lines of one origin, together.
    pub fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut last = None;
        for (line, place) in self.lines.iter().enumerate() {
            match runs.last_mut() {
                Some(run) if last == Some(place) => run.lines.end = line + 1,
                Some(_) | None => runs.push(Run {
                    lines: line..line + 1,
                    origin: place.and_then(|place| self.origins.get(place).cloned()),
                }),
            }
            last = Some(place);
        }
        runs
    }

    /// Goes on to `text`; what is new in it comes from `change`.
    fn step(&mut self, text: Arc<str>, change: Option<&Change>) {
        let place = match (&self.blind, change) {
            (None, Some(change)) => Some(self.remember(change)),
            (Some(Blind::One(owner)), Some(change)) if *owner == change.owner => {
                Some(self.remember(change))
            }
            (Some(Blind::One(_) | Blind::Several), Some(_)) | (_, None) => None,
        };
        let undoes = change.is_some_and(|change| !change.reverts.is_empty());
        let old = Arc::clone(&self.text);
        let difference = Difference::fine(&old, &text);
        // What went is noted first: an undo may bring back what moved.
        for stretch in difference.changes() {
            for line in stretch.old.clone() {
                let key = Hash::of(difference.old_lines()[line].as_bytes());
                self.gone.entry(key).or_default().push(self.lines[line]);
            }
        }
        let mut lines = Vec::with_capacity(difference.new_lines().len());
        let mut at = 0;
        for stretch in difference.changes() {
            lines.extend_from_slice(&self.lines[at..stretch.old.start]);
            for line in stretch.new.clone() {
                let known = undoes
                    .then(|| Hash::of(difference.new_lines()[line].as_bytes()))
                    .and_then(|key| self.gone.get_mut(&key)?.pop());
                lines.push(known.unwrap_or(place));
            }
            at = stretch.old.end;
        }
        lines.extend_from_slice(&self.lines[at..]);
        self.lines = lines;
        self.hash = Some(Hash::of(text.as_bytes()));
        self.text = text;
        self.blind = None;
    }

    fn remember(&mut self, change: &Change) -> usize {
        self.origins.push(Origin {
            change: change.id,
            owner: change.owner.clone(),
            agent: change.agent.clone(),
            at: change.at,
        });
        self.origins.len() - 1
    }

    fn lose_sight(&mut self, of: Option<&Owner>) {
        self.blind = match (self.blind.take(), of) {
            (None, Some(owner)) => Some(Blind::One(owner.clone())),
            (Some(Blind::One(known)), Some(owner)) if known == *owner => Some(Blind::One(known)),
            (Some(Blind::One(_) | Blind::Several), Some(_)) | (_, None) => Some(Blind::Several),
        };
    }
}
