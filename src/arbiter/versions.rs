//! The decision about a write, once the file is the owner's: does it build on what is there?
//!
//! A pure function of what is proposed, what the owner has seen and what is on disk. No clock and
//! no lease takes part, so nothing that goes wrong with those can lose a write.

use super::input::{Base, Disk, Edit, Observation, Proposal, Seen, Was};
use super::rebase::{self, Obstacle};
use crate::model::difference::Difference;
use crate::model::path::Hash;

/// What is or was at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Content {
    /// Nothing.
    Absent,
    /// A file.
    Is(Hash),
}

impl Content {
    /// The same, for others.
    pub(super) fn was(known: Option<Self>) -> Was {
        match known {
            None => Was::Unknown,
            Some(Self::Absent) => Was::Absent,
            Some(Self::Is(hash)) => Was::Is(hash),
        }
    }

    /// What others know.
    pub(super) fn known(was: Was) -> Option<Self> {
        match was {
            Was::Unknown => None,
            Was::Absent => Some(Self::Absent),
            Was::Is(hash) => Some(Self::Is(hash)),
        }
    }

    /// What was found, unless it could not be read.
    pub(super) fn of(disk: &Disk) -> Option<Self> {
        match disk {
            Disk::Absent => Some(Self::Absent),
            Disk::File { hash, .. } => Some(Self::Is(*hash)),
            Disk::Unreadable(_) => None,
        }
    }

    /// The hash, if there is a file.
    pub(super) fn hash(self) -> Option<Hash> {
        match self {
            Self::Absent => None,
            Self::Is(hash) => Some(hash),
        }
    }
}

/// Everything that the decision looks at.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) proposal: &'a Proposal,
    pub(super) ground: Ground,
    pub(super) disk: &'a Disk,
    pub(super) base_text: BaseText<'a>,
}

/// What a writer builds on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    /// It says that there is no file.
    Absent,
    /// It has seen nothing.
    Nothing,
    /// It has seen this.
    Seen(Observation),
}

/// The text that the owner last saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BaseText<'a> {
    /// It was not asked for yet.
    NotAsked,
    /// It is not stored any more, or is no text.
    Unknown,
    /// This is it.
    Is(&'a str),
}

/// How much of a file its owner has been shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Extent {
    /// All of it.
    All,
    /// A part.
    Part,
}

impl Extent {
    /// What a way of seeing amounts to.
    pub(super) fn of(seen: Seen) -> Self {
        match seen {
            Seen::Full | Seen::OwnWrite | Seen::Refusal => Self::All,
            Seen::Range => Self::Part,
        }
    }
}

/// The decision.
#[derive(Debug)]
pub(super) enum Verdict<'a> {
    /// It may be written; afterwards the owner knows this much of the file.
    Fits(Extent),
    /// It may be written on top of a change that the owner has not seen.
    Rebased {
        /// What the owner knows afterwards, provided that it is shown the whole difference.
        extent: Extent,
        /// The change.
        unseen: Difference<'a>,
    },
    /// The file changed since the owner saw it.
    Stale {
        /// What exactly stands in the way.
        cause: Cause,
        /// How much the owner had seen.
        extent: Extent,
        /// The change, as far as it can be told.
        unseen: Option<Difference<'a>>,
    },
    /// There is a file and the owner has not seen it, or not all of it.
    Unread(Extent),
    /// Somebody has created the file that the owner wanted to create.
    Exists,
    /// Somebody has deleted the file.
    Deleted,
    /// The text that the owner last saw is needed.
    WantsBase(Hash),
    /// What is on disk cannot be told.
    Unreadable(&'a str),
}

/// Why a write does not fit on a changed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// It would replace the whole file.
    Whole,
    /// An edit that would not go on the current text.
    Edit(Obstacle),
    /// One of the texts is not known, so the change cannot be told.
    Blind,
}

/// Decides about a write.
pub(super) fn judge<'a>(case: &Case<'a>) -> Verdict<'a> {
    let (hash, text) = match case.disk {
        Disk::Unreadable(why) => return Verdict::Unreadable(why),
        Disk::Absent => {
            return match case.ground {
                Ground::Absent | Ground::Nothing => Verdict::Fits(Extent::All),
                Ground::Seen(_) => Verdict::Deleted,
            };
        }
        Disk::File { hash, text } => (*hash, text.as_deref()),
    };
    if *case.proposal == Proposal::Whole(hash) {
        return Verdict::Fits(Extent::All);
    }
    match case.ground {
        Ground::Absent => Verdict::Exists,
        Ground::Nothing => match edits(case.proposal) {
            Some(edits) if text.is_some_and(|text| quotes(edits, text)) => {
                Verdict::Fits(Extent::Part)
            }
            Some(_) | None => Verdict::Unread(Extent::All),
        },
        Ground::Seen(seen) if seen.hash == hash => {
            let extent = Extent::of(seen.seen);
            let fits = extent == Extent::All
                || edits(case.proposal).is_some_and(|edits| {
                    !edits.iter().any(|edit| edit.all)
                        || text.is_some_and(|text| quotes(edits, text))
                });
            if fits { Verdict::Fits(extent) } else { Verdict::Unread(Extent::Part) }
        }
        Ground::Seen(seen) => changed(case, seen, text),
    }
}

/// The file is not what the owner saw.
fn changed<'a>(case: &Case<'a>, seen: Observation, text: Option<&'a str>) -> Verdict<'a> {
    let extent = Extent::of(seen.seen);
    let edits = edits(case.proposal);
    let blind = |cause| Verdict::Stale { cause, extent, unseen: None };
    let Some(text) = text else {
        return blind(if edits.is_some() { Cause::Blind } else { Cause::Whole });
    };
    let base = match case.base_text {
        BaseText::NotAsked => return Verdict::WantsBase(seen.hash),
        BaseText::Unknown => {
            return blind(if edits.is_some() { Cause::Blind } else { Cause::Whole });
        }
        BaseText::Is(base) => base,
    };
    let unseen = Difference::of(base, text);
    if extent == Extent::Part && edits.is_some_and(|edits| edits.iter().any(|edit| edit.all)) {
        return Verdict::Stale { cause: Cause::Whole, extent, unseen: Some(unseen) };
    }
    match edits.map(|edits| rebase::rebase(edits, &unseen, text)) {
        Some(Ok(_)) => Verdict::Rebased { extent, unseen },
        Some(Err(obstacle)) => {
            Verdict::Stale { cause: Cause::Edit(obstacle), extent, unseen: Some(unseen) }
        }
        None => Verdict::Stale { cause: Cause::Whole, extent, unseen: Some(unseen) },
    }
}

/// The edits of a proposal that leaves the rest of the file alone.
fn edits(proposal: &Proposal) -> Option<&[Edit]> {
    match proposal {
        Proposal::Edits(edits) if edits.iter().all(|edit| !edit.old.is_empty()) => Some(edits),
        Proposal::Edits(_) | Proposal::Whole(_) | Proposal::Opaque => None,
    }
}

/// Whether the edits replace only what the editor quoted: each anchor occurs once. An edit of all
/// occurrences would else reach into text that the owner was not shown.
fn quotes(edits: &[Edit], text: &str) -> bool {
    let single: Vec<Edit> = edits.iter().map(|edit| Edit { all: false, ..edit.clone() }).collect();
    rebase::apply(&single, text).is_ok()
}

/// What a writer builds on: what it says, as far as it has seen it, else what it last saw.
///
/// A hash alone proves nothing: who names one without having been shown that content can make
/// anchored edits, not replace the file. The person's word counts.
pub(super) fn ground(base: Option<Base>, observed: Option<Observation>, person: bool) -> Ground {
    match (base, observed) {
        (Some(Base::Absent), _) => Ground::Absent,
        (Some(Base::Is(hash)), Some(seen)) if seen.hash == hash => Ground::Seen(seen),
        (Some(Base::Is(hash)), _) => {
            let seen = if person { Seen::Full } else { Seen::Range };
            Ground::Seen(Observation { hash, seen })
        }
        (None, Some(seen)) => Ground::Seen(seen),
        (None, None) => Ground::Nothing,
    }
}

/// Two ways of having seen the same content: the better one.
pub(super) fn better(old: Option<Observation>, new: Observation) -> Observation {
    match old {
        Some(old) if old.hash == new.hash && Extent::of(old.seen) == Extent::All => old,
        Some(_) | None => new,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const OLD: &str = "a\nb\nc\nd\ne\n";
    const NEW: &str = "a\nb\nc\nd\nE\n";

    fn disk(text: &str) -> Disk {
        Disk::File { hash: Hash::of(text.as_bytes()), text: Some(Arc::from(text)) }
    }

    fn whole(text: &str) -> Proposal {
        Proposal::Whole(Hash::of(text.as_bytes()))
    }

    fn edit(old: &str) -> Proposal {
        Proposal::Edits(vec![Edit { old: old.into(), new: "x".into(), all: false }])
    }

    fn seen(text: &str, seen: Seen) -> Ground {
        Ground::Seen(Observation { hash: Hash::of(text.as_bytes()), seen })
    }

    fn check(proposal: &Proposal, ground: Ground, disk: &Disk, base: BaseText, expected: &str) {
        let verdict = judge(&Case { proposal, ground, disk, base_text: base });
        let got = match verdict {
            Verdict::Fits(extent) => format!("fits {extent:?}"),
            Verdict::Rebased { extent, .. } => format!("rebased {extent:?}"),
            Verdict::Stale { cause, extent, unseen } => {
                let told = if unseen.is_some() { "told" } else { "untold" };
                format!("stale {cause:?} {extent:?} {told}")
            }
            Verdict::Unread(extent) => format!("unread {extent:?}"),
            Verdict::Exists => "exists".to_owned(),
            Verdict::Deleted => "deleted".to_owned(),
            Verdict::WantsBase(_) => "wants base".to_owned(),
            Verdict::Unreadable(why) => format!("unreadable {why}"),
        };
        assert_eq!(got, expected, "{proposal:?} on {ground:?}");
    }

    #[test]
    fn each_line_of_the_rule_decides_as_written() {
        let (no, full) = (BaseText::NotAsked, seen(OLD, Seen::Full));
        let at = disk(OLD);
        // Absent.
        check(&whole("x"), Ground::Nothing, &Disk::Absent, no, "fits All");
        check(&whole("x"), Ground::Absent, &Disk::Absent, no, "fits All");
        check(&whole("x"), full, &Disk::Absent, no, "deleted");
        check(&edit("b"), full, &Disk::Absent, no, "deleted");
        // The same.
        check(&whole("x"), full, &at, no, "fits All");
        check(&edit("b"), full, &at, no, "fits All");
        check(&Proposal::Opaque, full, &at, no, "fits All");
        check(&whole(OLD), seen(NEW, Seen::Full), &at, no, "fits All");
        check(&whole(OLD), Ground::Nothing, &at, no, "fits All");
        // Nothing seen.
        check(&whole("x"), Ground::Nothing, &at, no, "unread All");
        check(&Proposal::Opaque, Ground::Nothing, &at, no, "unread All");
        check(&edit("b"), Ground::Nothing, &at, no, "fits Part");
        check(&edit("q"), Ground::Nothing, &at, no, "unread All");
        check(&edit(""), Ground::Nothing, &at, no, "unread All");
        check(&whole("x"), Ground::Absent, &at, no, "exists");
        // Seen in part.
        let part = seen(OLD, Seen::Range);
        check(&whole("x"), part, &at, no, "unread Part");
        check(&Proposal::Opaque, part, &at, no, "unread Part");
        check(&edit("b"), part, &at, no, "fits Part");
        let all =
            |old: &str| Proposal::Edits(vec![Edit { old: old.into(), new: "x".into(), all: true }]);
        check(&all("\n"), part, &at, no, "unread Part");
        check(&all("b"), part, &at, no, "fits Part");
        check(&all("\n"), Ground::Nothing, &at, no, "unread All");
        check(&all("\n"), full, &at, no, "fits All");
        check(&whole("x"), seen(OLD, Seen::Refusal), &at, no, "fits All");
        check(&whole("x"), seen(OLD, Seen::OwnWrite), &at, no, "fits All");
    }

    #[test]
    fn on_a_changed_file_edits_are_rebased_and_whole_writes_are_stale() {
        let (full, at) = (seen(OLD, Seen::Full), disk(NEW));
        check(&edit("b"), full, &at, BaseText::NotAsked, "wants base");
        check(&edit("b"), full, &at, BaseText::Is(OLD), "rebased All");
        check(&edit("b"), seen(OLD, Seen::Range), &at, BaseText::Is(OLD), "rebased Part");
        check(&edit("d"), full, &at, BaseText::Is(OLD), "stale Edit(Near) All told");
        check(&edit("e"), full, &at, BaseText::Is(OLD), "stale Edit(Lost) All told");
        check(&edit("b"), full, &at, BaseText::Unknown, "stale Blind All untold");
        check(&whole("x"), full, &at, BaseText::Is(OLD), "stale Whole All told");
        check(&whole("x"), full, &at, BaseText::Unknown, "stale Whole All untold");
        check(&Proposal::Opaque, full, &at, BaseText::Is(OLD), "stale Whole All told");
        let binary = Disk::File { hash: Hash::of(b"\0"), text: None };
        check(&edit("b"), full, &binary, BaseText::NotAsked, "stale Blind All untold");
        let lost = Disk::Unreadable("it is a folder".into());
        check(&edit("b"), full, &lost, BaseText::NotAsked, "unreadable it is a folder");
    }

    #[test]
    fn a_hash_that_was_never_shown_is_no_reading() {
        let hash = Hash::of(OLD.as_bytes());
        let is = Some(Base::Is(hash));
        let full = Observation { hash, seen: Seen::Full };
        let range = Observation { hash, seen: Seen::Range };
        assert_eq!(ground(is, Some(full), false), Ground::Seen(full));
        assert_eq!(ground(is, Some(range), false), Ground::Seen(range));
        assert_eq!(ground(is, None, false), Ground::Seen(range));
        assert_eq!(ground(is, None, true), Ground::Seen(full));
        assert_eq!(ground(Some(Base::Absent), Some(full), false), Ground::Absent);
    }
}
