//! Writes: the decision once the file has been looked at, and what follows from their end.

use super::input::{Disk, Effect, Observation, Proposal, Seen, WriteEnd};
use super::owners::{FileId, Who};
use super::rebase;
use super::refusal::{self, Person, Unseen};
use super::table::{Stage, Table, Write};
use super::versions::{BaseText, Case, Content, Extent, Ground, Verdict, judge};
use crate::model::difference::Difference;
use crate::model::id::OpId;
use crate::model::lease::{Owner, Refusal};

impl Table {
    /// The file of a request has been looked at: decides about it.
    pub(super) fn inspected(&mut self, id: OpId, disk: &Disk, base: Option<&str>) {
        let Some((who, Stage::Inspecting, write)) = self.write_of(id) else { return };
        let (file, asked) = (write.file, write.asked);
        self.notice(file, disk);
        let Some((_, _, write)) = self.write_of(id) else { return };
        let ground = self.ground(who, write);
        let base_text = match (ground, base) {
            (Ground::Seen(seen), Some(text)) if asked == Some(seen.hash) => BaseText::Is(text),
            (Ground::Seen(seen), None) if asked == Some(seen.hash) => BaseText::Unknown,
            (Ground::Seen(_) | Ground::Nothing | Ground::Absent, _) => BaseText::NotAsked,
        };
        // The proposal is lent to the decision, so that nothing has to be copied.
        let Some((_, write)) = self.write_mut(id) else { return };
        let proposal = std::mem::replace(&mut write.proposal, Proposal::Opaque);
        let verdict = judge(&Case { proposal: &proposal, ground, disk, base_text });
        let verdict = self.broken(verdict);
        let seen = match ground {
            Ground::Seen(seen) => Some(Content::Is(seen.hash)),
            Ground::Absent | Ground::Nothing => None,
        };
        let path = self.path(file).clone();
        match verdict {
            Verdict::Fits(extent) => self.grant(id, proposal, disk, extent, None),
            Verdict::Rebased { extent, unseen } => {
                let (note, shown) =
                    refusal::rebased(&self.unseen(file, who, seen, Some(&unseen)), extent);
                let extent = self.extent_after_rebase(shown);
                self.grant(id, proposal, disk, extent, Some(note));
            }
            Verdict::Stale { cause, extent, unseen } => {
                let ms = self.stale_ms(who);
                let told = self.unseen(file, who, seen, unseen.as_ref());
                let (refusal, shown) = refusal::stale(&path, cause, &told, Some(ms));
                if self.counts_as_seen(shown) {
                    self.learn_current(who, file, extent);
                }
                self.refuse_and_reserve(id, who, ms, refusal);
            }
            Verdict::Deleted => {
                let ms = self.stale_ms(who);
                let refusal = refusal::deleted(&path, &self.unseen(file, who, seen, None), ms);
                self.learn(who, file, None);
                self.refuse_and_reserve(id, who, ms, refusal);
            }
            Verdict::Unread(extent) => {
                let last = self.at(file).changes.back();
                let last = last.map(|last| (self.author(last.who, who), self.now.since(last.at)));
                let last = last.as_ref().map(|(person, ago)| (person, *ago));
                let refusal = refusal::unread(&path, extent, last);
                self.refuse_and_give_back(id, refusal);
            }
            Verdict::Exists => {
                let refusal = refusal::exists(&path, &self.unseen(file, who, None, None));
                self.refuse_and_give_back(id, refusal);
            }
            Verdict::Unreadable(why) => {
                self.refuse_and_give_back(id, refusal::failed(Some(&path), why));
            }
            Verdict::WantsBase(hash) => {
                if let Some((_, write)) = self.write_mut(id) {
                    write.proposal = proposal;
                    write.asked = Some(hash);
                }
                self.out.push(Effect::Inspect { op: id, path, base: Some(hash) });
            }
        }
    }

    /// An owner has been shown what it had not seen of the file as it is now.
    fn learn_current(&mut self, who: Who, file: FileId, extent: Extent) {
        let seen = match extent {
            Extent::All => Seen::Refusal,
            Extent::Part => Seen::Range,
        };
        if let Some(Content::Is(hash)) = self.at(file).disk {
            self.learn(who, file, Some(Observation { hash, seen }));
        }
    }

    /// A refused owner has the file to itself for a while, so that it can do its write again.
    fn refuse_and_reserve(&mut self, id: OpId, who: Who, ms: u64, refusal: Refusal) {
        let ticket = self.ticket(who, ms, "its last write there was refused as stale");
        self.give_back(id, Some(ticket));
        self.refuse(id, refusal);
    }

    fn refuse_and_give_back(&mut self, id: OpId, refusal: Refusal) {
        let before = self.write_of(id).and_then(|(_, _, write)| self.right_before(write));
        self.give_back(id, before);
        self.refuse(id, refusal);
    }

    /// How long a file is kept for an owner that was refused: long enough for a slow one, but
    /// never for a whole pause.
    fn stale_ms(&self, who: Who) -> u64 {
        let least = self.settings.stale_ms;
        (3 * self.owners.gap(who)).clamp(least, 3 * least)
    }

    fn grant(
        &mut self,
        id: OpId,
        proposal: Proposal,
        disk: &Disk,
        extent: Extent,
        note: Option<String>,
    ) {
        let Some((stage, write)) = self.write_mut(id) else { return };
        *stage = Stage::Granted;
        write.proposal = proposal;
        write.extent = extent;
        write.at_grant = Content::of(disk);
        write.text = match disk {
            Disk::File { text, .. } => text.clone(),
            Disk::Absent | Disk::Unreadable(_) => None,
        };
        let file = write.file;
        self.announce(file);
        self.out.push(Effect::Granted { op: id, note });
    }

    /// A write has ended.
    pub(super) fn finished(&mut self, id: OpId, end: WriteEnd, disk: &Disk) {
        let Some((who, stage, write)) = self.write_of(id) else { return };
        let file = write.file;
        match stage {
            Stage::Granted => {}
            Stage::Waiting | Stage::Inspecting | Stage::Asked => {
                // It ran without a grant: what it did is a change that was not gated.
                self.cancel(id);
                return self.found(who, file, disk);
            }
        }
        let explained = write.explains(disk);
        if end == WriteEnd::Failed && explained != Some(true) {
            // What has changed is somebody else's, and is found as theirs. The owner knows what it
            // knew before, so that it is shown all of that.
            self.touch(who);
            return self.cancel(id);
        }
        let (extent, at_grant) = (write.extent, write.at_grant);
        // If a change was found meanwhile, what is there now may be somebody else's.
        let explained = explained.or_else(|| (self.at(file).disk != at_grant).then_some(false));
        let before = self.right_before(write);
        let after = Content::of(disk);
        let wrote = after.is_none() || after != at_grant;
        let right = self.right_of(file, id);
        self.touch(who);
        match after {
            None => self.at_mut(file).disk = None,
            Some(after) => {
                if self.at(file).disk != Some(after) {
                    let over = self.holder(file).filter(|_| right.is_none());
                    self.changed(file, who, after, over.filter(|over| *over != who));
                }
                if wrote || explained == Some(true) {
                    // A part is known only if somebody else's text may be in it.
                    let seen = match (explained, extent) {
                        (Some(true) | None, Extent::All) => Seen::OwnWrite,
                        (Some(false), _) | (_, Extent::Part) => Seen::Range,
                    };
                    let known = after.hash().map(|hash| Observation { hash, seen });
                    self.learn(who, file, known);
                }
            }
        }
        if wrote {
            self.owners.wrote(who, self.now);
        }
        let next = match right {
            Some(right) if wrote => Some(self.hold(file, &right, None)),
            Some(_) | None => before,
        };
        self.give_back(id, next);
    }

    /// Compares what is on disk with what is known of it, before a decision.
    pub(super) fn notice(&mut self, file: FileId, disk: &Disk) {
        let Some(now) = Content::of(disk) else { return };
        let unsure = self.at_mut(file).unsure.take();
        match (self.at(file).disk, unsure) {
            (None, None) => self.at_mut(file).disk = Some(now),
            // What it was before is not known any more: this may be its doing.
            (None, Some((who, _))) => self.attribute(who, file, now, None),
            (Some(old), _) if old == now => {}
            (Some(_), None) => {
                let outside = self.owners.who(&Owner::External);
                self.changed(file, outside, now, None);
            }
            (Some(_), Some((who, Some(expected)))) if expected == now => {
                self.changed(file, who, now, None);
                let known = now.hash().map(|hash| Observation { hash, seen: Seen::OwnWrite });
                self.learn(who, file, known);
            }
            (Some(_), Some((who, _))) => self.attribute(who, file, now, None),
        }
    }

    /// A change that `who` has not seen, with those who made it.
    fn unseen<'a>(
        &self,
        file: FileId,
        who: Who,
        seen: Option<Content>,
        difference: Option<&'a Difference<'a>>,
    ) -> Unseen<'a> {
        let authors = self.authors_since(file, seen);
        let people = authors.into_iter().map(|author| self.author(author, who)).collect();
        let last = self.at(file).changes.back();
        Unseen { people, ago_ms: last.map(|last| self.now.since(last.at)), difference }
    }

    /// How `who` is told about an author.
    fn author(&self, author: Who, who: Who) -> Person {
        if author == who { Person::other("a command of yours") } else { self.person(author) }
    }

    #[cfg(not(test))]
    fn broken<'a>(&self, verdict: Verdict<'a>) -> Verdict<'a> {
        verdict
    }

    #[cfg(test)]
    fn broken<'a>(&self, verdict: Verdict<'a>) -> Verdict<'a> {
        let broken = self.settings.is(super::settings::Mutant::NoContentCheck);
        if broken { Verdict::Fits(Extent::All) } else { verdict }
    }

    fn extent_after_rebase(&self, shown: bool) -> Extent {
        #[cfg(test)]
        if self.settings.is(super::settings::Mutant::RebaseCountsAsSeen) {
            return Extent::All;
        }
        if shown { Extent::All } else { Extent::Part }
    }

    fn counts_as_seen(&self, shown: bool) -> bool {
        #[cfg(test)]
        if self.settings.is(super::settings::Mutant::CutRefusalCountsAsSeen) {
            return true;
        }
        shown
    }
}

impl Write {
    /// Whether what is on disk is what this write was to make; `None` if only its tool knows.
    ///
    /// An edit that cannot be followed (its anchor was found only by a forgiving tool, or the file
    /// is too large) explains nothing: somebody else may have written meanwhile.
    pub(super) fn explains(&self, disk: &Disk) -> Option<bool> {
        match (&self.proposal, disk) {
            (Proposal::Whole(hash), disk) => Some(Content::of(disk) == Some(Content::Is(*hash))),
            (Proposal::Edits(edits), Disk::File { text: Some(after), .. }) => {
                let before = match self.at_grant {
                    Some(Content::Absent) => Some(""),
                    Some(Content::Is(_)) => self.text.as_deref(),
                    None => None,
                };
                Some(before.is_some_and(|before| rebase::explains(edits, before, after)))
            }
            (
                Proposal::Edits(_),
                Disk::File { text: None, .. } | Disk::Absent | Disk::Unreadable(_),
            ) => Some(false),
            (Proposal::Opaque, _) => None,
        }
    }
}
