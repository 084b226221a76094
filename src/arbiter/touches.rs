//! Touches: what processes of agents change by themselves, by shell, script or git.
//!
//! The guard asks for each such call while the process waits for the answer, so that everything
//! is decided at once, from what is known. What always holds:
//!
//! - **The same leases.** A touch gets no file that another one has, and while it lasts nobody
//!   else gets the file: it is in flight like a tool's write. It ends when no process can write
//!   the file any more, and by nothing else.
//! - **Nothing unseen is destroyed.** What another owner wrote and nobody of this session has seen
//!   is not emptied, replaced, removed, changed in place or carried away with its folder, unless it
//!   is safe elsewhere.
//! - **All or nothing.** Of a call that concerns two names, both are free or none is touched.
//!
//! Whose process it is, is known by session; which of its sub-agents began it is not, so the owner
//! is the session's main agent. Processes of one session may be at a file together. A write that a
//! tool was granted is carried out by the agent's own process, and its touch is that write; a
//! process that the agent has started waits for the end of it like everybody else.

use super::input::{Deed, Disk, Effect, Hand, Mark, Observation, Seen, Touch, Was};
use super::leases::Block;
use super::owners::{FileId, Who};
use super::refusal;
use super::table::{Change, File, Right, Stage, Table, Write};
use super::versions::{Content, Extent};
use crate::model::id::OpId;
use crate::model::lease::{LeaseState, Refusal, RefusalCode};
use crate::model::path::WorkPath;

/// An owner whose process fails on the same file again is not told again so soon.
const TOLD_AGAIN_MS: u64 = 5_000;

/// Names that came and went and are still remembered: whoever watches the tree hears of them late.
const PASSED: usize = 4096;

/// A touch that was granted.
#[derive(Debug, Clone)]
pub(super) struct Touching {
    pub(super) who: Who,
    hold: Vec<Hold>,
    /// The turn in which it began is over, or its session gone: no lease follows it.
    orphan: bool,
}

/// One path of a touch.
#[derive(Debug, Clone)]
struct Hold {
    file: FileId,
    deed: Deed,
    /// The right of the owner's clan that stood there before.
    before: Option<Right>,
    /// What was there, as far as is known, and whether the owner itself had seen all of it.
    was: Option<Content>,
    knew: bool,
    /// Whether nobody else of its session was at it at the same time.
    alone: bool,
}

/// Why a touch cannot be had now.
enum Hindrance {
    /// It may be had after a wait for this file, which this one has.
    Later(FileId, Who),
    /// Not without somebody's doing.
    No(Refusal),
}

impl Table {
    /// A process wants to change files.
    pub(super) fn touch_files(&mut self, touch: &Touch) {
        let who = self.owners.who(&touch.owner);
        if self.touches.contains_key(&touch.op) || self.ops.contains_key(&touch.op) {
            let refusal = refusal::failed(None, "two requests had the same number");
            return self.refuse(touch.op, refusal);
        }
        let marks: Vec<(FileId, Deed)> =
            touch.marks.iter().map(|Mark { path, deed }| (self.file(path), *deed)).collect();
        for (file, deed) in &marks {
            match self.hindrance(*file, who, *deed, touch) {
                None => {}
                Some(Hindrance::Later(at, holder)) => {
                    self.at_mut(at).awaited = true;
                    self.arm(at);
                    let (path, holder) =
                        (self.path(*file).clone(), self.owners.owner(holder).clone());
                    let op = touch.op;
                    return self.out.push(Effect::Waiting { op, path, holder, place: 0 });
                }
                Some(Hindrance::No(refusal)) => {
                    self.tell_refused(who, *file, &refusal);
                    self.refuse(touch.op, refusal);
                    if self.at(*file).unsure.is_some() {
                        let path = self.path(*file).clone();
                        self.out.push(Effect::LookAfter { op: touch.op, path });
                    }
                    return;
                }
            }
        }
        self.touch(who);
        let moved = marks.iter().filter(|(_, deed)| *deed == Deed::MoveFolder);
        self.moves.extend(moved.map(|(file, _)| (touch.op, *file, who)));
        let hold = marks
            .into_iter()
            .map(|(file, deed)| self.seize((touch.op, touch.safe), who, file, deed));
        let hold = hold.collect();
        self.touches.insert(touch.op, Touching { who, hold, orphan: false });
        self.out.push(Effect::Granted { op: touch.op, note: None });
    }

    /// What keeps a process of `who` from a path.
    fn hindrance(&self, file: FileId, who: Who, deed: Deed, touch: &Touch) -> Option<Hindrance> {
        let wait_ms = touch.wait_ms;
        if deed == Deed::Forbidden {
            return Some(Hindrance::No(refusal::protected(self.path(file))));
        }
        if let Some((at, block)) = self.touch_block(file, who, deed, touch.itself) {
            let Some(holder) = self.blocker(at, &block).or_else(|| self.mover_of(at, who)) else {
                let refusal = refusal::failed(Some(self.path(at)), "nobody knows who has it");
                return Some(Hindrance::No(refusal));
            };
            let by = self.obstruction(at, &block, None);
            let brief = match (&block, by.state) {
                (Block::Pin(_), _) | (Block::Right, LeaseState::Pinned) => false,
                (Block::Right, LeaseState::Inflight) => true,
                (Block::Right, _) if self.at(at).right.is_none() => true,
                (Block::Right, LeaseState::Held | LeaseState::Reserved) => {
                    by.free_in_ms.is_some_and(|left| left <= wait_ms)
                }
            };
            if brief && wait_ms > 0 {
                return Some(Hindrance::Later(at, holder));
            }
            let code = match block {
                Block::Pin(_) => RefusalCode::Pinned,
                Block::Right => RefusalCode::Held,
            };
            let refusal = refusal::held(&self.settings, self.path(at), code, &by);
            return Some(Hindrance::No(refusal));
        }
        match deed {
            // It was judged, and granted on top of what its owner has not seen.
            Deed::Destroy | Deed::Overwrite if self.carries_out(file, touch.itself) => None,
            _ if touch.safe => None,
            Deed::Destroy | Deed::Overwrite => self.unseen_work(file, who).map(Hindrance::No),
            Deed::MoveFolder => self.unseen_below(file, who).map(Hindrance::No),
            Deed::Appear | Deed::Alter | Deed::Forbidden => None,
        }
    }

    /// What is in the way of a touch, and on which file.
    fn touch_block(
        &self,
        file: FileId,
        who: Who,
        deed: Deed,
        itself: bool,
    ) -> Option<(FileId, Block)> {
        if deed == Deed::MoveFolder {
            let folder = self.path(file);
            let below = self.busy.iter().copied().filter(|at| self.path(*at).is_within(folder));
            let taken = below
                .filter(|at| {
                    let right = self.at(*at).right.as_ref();
                    right.is_some_and(|right| !self.same_clan(right.who, who))
                })
                .find_map(|at| self.block(at, who).map(|block| (at, block)));
            let reserved = || {
                let mut pins = self.pins.iter();
                let theirs = pins.find(|(_, pin)| {
                    !self.same_clan(pin.who, who) && pin.pattern.reaches_into(folder)
                });
                theirs.map(|(pattern, _)| (file, Block::Pin(pattern.to_owned())))
            };
            return taken.or_else(reserved);
        }
        let block = self.block(file, who)?;
        let own = match (&block, &self.at(file).right) {
            (Block::Right, Some(right)) => {
                self.same_clan(right.who, who) && self.may_be_joined(right, itself)
            }
            (Block::Right, None) | (Block::Pin(_), _) => false,
        };
        (!own).then_some((file, block))
    }

    /// Whether a touch may begin while this is in flight for its session.
    fn may_be_joined(&self, right: &Right, itself: bool) -> bool {
        let Some(op) = right.op else { return false };
        self.touches.contains_key(&op) || (itself && self.is_granted_to_its_owner(op))
    }

    /// Whether a touch, of which it is known that nobody else has the file, is a tool's write.
    fn carries_out(&self, file: FileId, itself: bool) -> bool {
        let op = self.at(file).right.as_ref().and_then(|right| right.op);
        itself && op.is_some_and(|op| self.is_granted_to_its_owner(op))
    }

    /// What processes have done to a file of which nobody has looked yet what came of it.
    fn unsettled(&self, file: FileId) -> impl Iterator<Item = (Who, &Hold)> {
        let touches = self.at(file).touched.iter().filter_map(|op| self.touches.get(op));
        touches.flat_map(move |touching| {
            let of_file = touching.hold.iter().filter(move |hold| hold.file == file);
            of_file.map(|hold| (touching.who, hold))
        })
    }

    /// Whose processes a file was left to, what it was before, and nobody has looked yet what came of
    /// it.
    pub(super) fn unlooked(&self, file: FileId) -> Option<(Who, Option<Content>)> {
        self.unsettled(file).next().map(|(who, hold)| (who, hold.was))
    }

    /// Whether this is a write that a tool was granted and carries out itself.
    fn is_granted_to_its_owner(&self, op: OpId) -> bool {
        let granted = |(_, stage, write): (Who, Stage, &Write)| {
            stage == Stage::Granted && write.hand == Hand::Owner
        };
        self.write_of(op).is_some_and(granted)
    }

    /// The refusal of a touch that would destroy what nobody of its session has seen.
    fn unseen_work(&self, file: FileId, who: Who) -> Option<Refusal> {
        #[cfg(test)]
        if self.settings.is(super::settings::Mutant::TouchesAreBlind) {
            return None;
        }
        let slot = self.at(file);
        if slot.disk == Some(Content::Absent) {
            return None;
        }
        let refuse = |change: Option<&Change>| {
            let author = change.map(|change| (self.person(change.who), self.now.since(change.at)));
            let author = author.as_ref().map(|(person, ago)| (person, *ago));
            Some(refusal::unread(self.path(file), Extent::All, author))
        };
        if let Some((writer, _)) = slot.unsure
            && !self.same_clan(writer, who)
        {
            // Nobody has looked yet what came of a write whose owner has died.
            let author = self.person(writer);
            return Some(refusal::unread(self.path(file), Extent::All, Some((&author, 0))));
        }
        let clan = self.owners.clan(who);
        if slot.caught_up.contains(&clan) {
            return None;
        }
        for change in slot.changes.iter().rev() {
            if self.clan_saw(who, file, change.after) {
                return None;
            }
            if !self.same_clan(change.who, who) {
                return refuse(Some(change));
            }
        }
        // Before the changes that are remembered came those of others, too.
        if slot.forgotten.iter().any(|other| *other != clan) { refuse(None) } else { None }
    }

    /// The refusal of another name for a folder, by which files below would lose theirs.
    fn unseen_below(&self, folder: FileId, who: Who) -> Option<Refusal> {
        let folder = self.path(folder);
        let mut known = (0..).map(FileId).take(self.files.len());
        known.find_map(|file| {
            if self.path(file).is_within(folder) { self.unseen_work(file, who) } else { None }
        })
    }

    /// Whether a session, or one of its sub-agents, has seen all of a file as it was then.
    fn clan_saw(&self, who: Who, file: FileId, then: Content) -> bool {
        let clan = self.owners.clan(who);
        self.owners.iter().any(|record| record.clan == clan && record.saw(file, then))
    }

    fn saw(&self, who: Who, file: FileId, then: Content) -> bool {
        self.owners.at(who).saw(file, then)
    }

    /// Tells the owner of a process in words why its call fails; not each time of a loop.
    fn tell_refused(&mut self, who: Who, file: FileId, refusal: &Refusal) {
        let now = self.now;
        let told = self.at(file).told;
        if told.is_some_and(|(to, at)| to == who && now.since(at) < TOLD_AGAIN_MS) {
            return;
        }
        self.at_mut(file).told = Some((who, now));
        let path = self.path(file).clone();
        self.tell_refused_process(&path, who, refusal);
    }

    /// Gives a path to a touch.
    fn seize(&mut self, (op, safe): (OpId, bool), who: Who, file: FileId, deed: Deed) -> Hold {
        let was = self.at(file).disk;
        let knew = was.is_some_and(|now| self.saw(who, file, now));
        let others = self.at(file).touched.clone();
        for other in &others {
            let holds = self.touches.get_mut(other).map(|touching| &mut touching.hold);
            for hold in holds.into_iter().flatten().filter(|hold| hold.file == file) {
                hold.alone = false;
            }
        }
        let alone = others.is_empty();
        // Many saves in a row may each begin before the one before was looked at, so that none of
        // them counts as seen; nobody else's came in between. What is safe elsewhere is left out of
        // account, by a merge of git's for one, and the file is the session's from then on.
        let clan = self.owners.clan(who);
        if matches!(deed, Deed::Destroy | Deed::Overwrite)
            && !self.at(file).caught_up.contains(&clan)
            && (safe || self.unseen_work(file, who).is_none())
        {
            self.at_mut(file).caught_up.push(clan);
        }
        let new = self.at(file).changes.is_empty() && !matches!(was, Some(Content::Is(_)));
        if deed == Deed::Appear && new && self.at(file).born.is_none() {
            self.at_mut(file).born = Some(who);
        }
        self.at_mut(file).touched.push(op);
        let old = self.at(file).right.clone();
        if let Some(right) = &old
            && right.state == LeaseState::Inflight
        {
            // It is what its own session is doing there; that right stays.
            return Hold { file, deed, before: None, was, knew, alone: false };
        }
        if let Some(old) = &old
            && !self.same_clan(old.who, who)
        {
            self.tell_passed(file, old.who, who);
        }
        self.at_mut(file).right = self.right_of_touch_by(op, who);
        self.busy.insert(file);
        self.arm(file);
        self.announce(file);
        let before = old.filter(|old| self.same_clan(old.who, who));
        Hold { file, deed, before, was, knew, alone }
    }

    fn right_of_touch_by(&self, op: OpId, who: Who) -> Option<Right> {
        let reason = self.owners.task(self.owners.owner(who)).to_owned();
        let (state, since) = (LeaseState::Inflight, self.now);
        Some(Right { who, state, op: Some(op), since, until: None, reason })
    }

    /// The right of a touch that lasts on a file.
    pub(super) fn right_of_touch(&self, file: FileId) -> Option<Right> {
        let op = *self.at(file).touched.first()?;
        let touching = self.touches.get(&op)?;
        self.right_of_touch_by(op, touching.who)
    }

    /// Whether another session is giving a folder above the file another name.
    pub(super) fn is_being_moved(&self, file: FileId, who: Who) -> bool {
        self.mover_of(file, who).is_some()
    }

    /// Who else gives a folder above the file another name right now.
    fn mover_of(&self, file: FileId, who: Who) -> Option<Who> {
        let mut moves = self.moves.iter().filter(|(_, _, mover)| !self.same_clan(*mover, who));
        let above = moves.find(|(_, folder, _)| self.path(file).is_within(self.path(*folder)));
        above.map(|(_, _, mover)| *mover)
    }

    /// A touch was not carried out.
    pub(super) fn untouched(&mut self, op: OpId) {
        let Some(touching) = self.touches.remove(&op) else { return };
        for Hold { file, deed, before, .. } in touching.hold {
            if deed == Deed::Appear {
                // It may have been there.
                self.at_mut(file).born = None;
            }
            self.let_go(op, file, before);
        }
        self.moved(op);
    }

    /// A touch was carried out: what came of it is looked at when no process is at it any more.
    pub(super) fn touched(&mut self, op: OpId) {
        #[cfg(test)]
        if self.settings.is(super::settings::Mutant::TouchEndsWithItsCall) {
            return self.untouched(op);
        }
        let Some(touching) = self.touches.get_mut(&op) else { return };
        // A folder has no content, and its new name is another path.
        let all = std::mem::take(&mut touching.hold);
        let (folders, files): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|hold| hold.deed == Deed::MoveFolder);
        let paths: Vec<FileId> = files.iter().map(|hold| hold.file).collect();
        if files.is_empty() {
            self.touches.remove(&op);
        } else {
            touching.hold = files;
        }
        for Hold { file, before, .. } in folders {
            self.let_go(op, file, before);
        }
        self.moved(op);
        for file in paths {
            self.out.push(Effect::LookAfter { op, path: self.path(file).clone() });
        }
    }

    /// Nothing is moved by this touch any more: who waits below may go on.
    fn moved(&mut self, op: OpId) {
        let (over, left): (Vec<_>, Vec<_>) =
            self.moves.drain(..).partition(|(mover, _, _)| *mover == op);
        self.moves = left;
        for (_, folder, _) in over {
            let folder = self.path(folder).clone();
            let known = (0..).map(FileId).zip(&self.files);
            let waited = known.filter(|(_, slot)| !slot.queue.is_empty()).map(|(file, _)| file);
            let below: Vec<FileId> =
                waited.filter(|file| self.path(*file).is_within(&folder)).collect();
            for file in below {
                self.pump(file);
            }
        }
    }

    /// Nobody can write a file any more that a touch was about. Of a touch that was refused: what
    /// a write left that nobody saw the end of.
    pub(super) fn looked_after(&mut self, op: OpId, path: &WorkPath, disk: &Disk, before: Was) {
        let Some(file) = self.owners.find_file(path) else { return };
        let Some(touching) = self.touches.get_mut(&op) else {
            let right = self.at(file).right.as_ref();
            if right.is_none_or(|right| right.state != LeaseState::Inflight) {
                self.notice(file, disk);
            }
            return;
        };
        let (who, orphan) = (touching.who, touching.orphan);
        let Some(at) = touching.hold.iter().position(|hold| hold.file == file) else { return };
        let mut hold = touching.hold.swap_remove(at);
        hold.was = hold.was.or_else(|| Content::known(before));
        if touching.hold.is_empty() {
            self.touches.remove(&op);
        }
        // A write of a tool of the same session says itself what it has done.
        let right = self.at(file).right.clone();
        let tool = right.as_ref().and_then(|right| right.op).and_then(|op| self.write_of(op));
        if tool.is_some() {
            return self.let_go(op, file, hold.before);
        }
        let wrote = match Content::of(disk) {
            Some(after) => self.took_place(file, who, &hold, after),
            None => {
                self.at_mut(file).disk = None;
                true
            }
        };
        if wrote {
            self.owners.wrote(who, self.now);
        }
        let gone = Content::of(disk) == Some(Content::Absent);
        // Programs remove a file to make it anew: nobody else makes it in between.
        let removed = gone && hold.deed == Deed::Destroy;
        let next = match right {
            _ if orphan || (gone && self.is_passing(file, who)) => None,
            Some(right) if wrote || removed => Some(self.hold(file, &right, None)),
            Some(_) | None => hold.before,
        };
        self.let_go(op, file, next);
        if gone && self.is_passing(file, who) {
            self.passed.push_back(file);
            if self.passed.len() > PASSED {
                self.forget_oldest();
            }
        }
    }

    /// Forgets a name that came and went long ago, unless it has been of interest since. Programs
    /// make a new one for each file that they save.
    fn forget_oldest(&mut self) {
        let Some(file) = self.passed.pop_front() else { return };
        let slot = self.at(file);
        let Some(born) = slot.born else { return };
        let clan = self.owners.clan(born);
        let wanted = self.ops.values().any(|op| op.want.file() == Some(file));
        let idle = slot.right.is_none()
            && slot.queue.is_empty()
            && slot.touched.is_empty()
            && (slot.heir.is_none() && slot.unsure.is_none() && slot.timer.is_none())
            && slot.forgotten.iter().all(|other| *other == clan)
            && !self.moves.iter().any(|(_, folder, _)| *folder == file)
            && self.pins.get(self.path(file).as_str()).is_none();
        if wanted || !idle || slot.disk != Some(Content::Absent) || !self.is_passing(file, born) {
            return;
        }
        for who in self.owners.who_observed(file) {
            self.learn(who, file, None);
        }
        self.busy.remove(&file);
        *self.at_mut(file) = File::default();
        self.owners.forget_file(file);
    }

    /// Whether a name has never been of interest to anybody but this session, which made it.
    fn is_passing(&self, file: FileId, who: Who) -> bool {
        let slot = self.at(file);
        slot.born.is_some_and(|born| self.same_clan(born, who))
            && slot.changes.iter().all(|change| self.same_clan(change.who, who))
            && !self.owners.iter().any(|record| {
                record.clan != self.owners.clan(who) && record.observed.contains_key(&file)
            })
    }

    /// What a file became by a touch; whether it has changed.
    fn took_place(&mut self, file: FileId, who: Who, hold: &Hold, after: Content) -> bool {
        // What is destroyed was there, whether anybody knew what it was or not; but for a name that
        // its maker gave up before anybody has looked.
        let unknown = hold.was.is_none() && after == Content::Absent;
        let nothing = unknown && (hold.deed != Deed::Destroy || self.is_passing(file, who));
        // Two touches of a session at once: what the first one made may be gone with the second.
        let known = self.at(file).disk.is_none_or(|now| now == after);
        if known && (hold.was == Some(after) || nothing) {
            self.at_mut(file).disk = Some(after);
            return false;
        }
        if self.at(file).disk != Some(after) {
            self.changed(file, who, after, None);
        }
        match (after, hold.deed) {
            (Content::Is(hash), Deed::Destroy | Deed::Appear | Deed::Overwrite | Deed::Alter)
                if hold.alone && (hold.knew || anew(hold.deed)) =>
            {
                self.learn(who, file, Some(Observation { hash, seen: Seen::OwnWrite }));
            }
            // What it knew before is what it still has to be shown the difference to.
            (Content::Is(_), _) => {}
            (Content::Absent, _) => self.learn(who, file, None),
        }
        true
    }

    /// The turns of these owners are over, or their processes gone.
    pub(super) fn orphan(&mut self, owners: &[Who]) {
        for touching in self.touches.values_mut() {
            touching.orphan |= owners.contains(&touching.who);
        }
    }

    /// A touch has nothing to do with a file any more; `next` is the right that follows.
    fn let_go(&mut self, op: OpId, file: FileId, next: Option<Right>) {
        self.at_mut(file).touched.retain(|other| *other != op);
        if self.right_of(file, op).is_some() {
            self.settle(file, next);
        }
    }
}

/// Whether its doer knows all that a file is afterwards, whatever it was before.
fn anew(deed: Deed) -> bool {
    match deed {
        Deed::Destroy | Deed::Appear => true,
        Deed::Overwrite | Deed::Alter | Deed::MoveFolder | Deed::Forbidden => false,
    }
}
