//! Reservations on purpose, and what the person may do with anybody's lease.
//!
//! A set is reserved as a whole or not at all. The person's word goes at once: what others hold
//! or have reserved there is taken, but a write in flight is never stopped.

use std::collections::BTreeSet;

use super::input::Effect;
use super::leases::Block;
use super::news::{GIVEN, Handover};
use super::owners::{FileId, Who};
use super::pins::{Pattern, Pin};
use super::refusal;
use super::table::{Op, Set, Table, Timer, Want};
use super::waits::Circles;
use crate::model::id::OpId;
use crate::model::lease::{LeaseState, Owner, Refusal, RefusalCode};
use crate::model::time::Mono;

/// How a reservation came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// Its owner asked for it, and nothing stood in the way.
    Asking,
    /// The person gave it, whatever stood in the way.
    Force,
    /// Its owner asked the person for the whole tree, and the person said yes.
    Word,
}

impl Table {
    /// Somebody wants to reserve a set.
    pub(super) fn reserve(
        &mut self,
        id: OpId,
        owner: &Owner,
        raw: &[String],
        for_ms: Option<u64>,
        reason: String,
        wait_ms: u64,
    ) {
        let who = self.owners.who(owner);
        let patterns = match self.read_patterns(who, raw) {
            Ok(patterns) => patterns,
            Err(refusal) => return self.refuse(id, refusal),
        };
        let for_ms = if self.is_person(who) {
            for_ms
        } else {
            let most = self.settings.pin_max_ms;
            Some(for_ms.unwrap_or(most).clamp(1, most))
        };
        let set = Set { patterns, for_ms, reason, by: By::Asking, retry: None };
        self.want_set(id, who, set, wait_ms);
    }

    /// The person lets somebody have everything for the length of a command.
    pub(super) fn take_tree(&mut self, id: OpId, owner: &Owner, reason: String, wait_ms: u64) {
        let who = self.owners.who(owner);
        let (patterns, by) = (vec![Pattern::Tree], By::Word);
        self.want_set(id, who, Set { patterns, for_ms: None, reason, by, retry: None }, wait_ms);
    }

    fn want_set(&mut self, id: OpId, who: Who, set: Set, wait_ms: u64) {
        let wait_ms = wait_ms.min(self.settings.reserve_wait_ms);
        if !self.open(id, who, Want::Set(set), wait_ms) {
            return;
        }
        let conflicts = self.conflicts(id);
        if conflicts.is_empty() {
            return self.grant_set(id);
        }
        if wait_ms == 0 {
            return self.refuse_set(id, RefusalCode::Pinned);
        }
        let deadline = self.now.after(wait_ms);
        if let Some(op) = self.ops.get_mut(&id) {
            op.deadline = deadline;
        }
        self.reserving.push(id);
        self.start_waiting(id, who, deadline);
        if self.break_circles(self.owners.clan(who)) == Circles::Closed {
            return self.refuse_set(id, RefusalCode::Deadlock);
        }
        // Opening a circle may have freed what was missing: that is tried at the end of the call.
        self.freed = true;
        if let Some((Some(file), block)) = conflicts.first()
            && let Some(holder) = self.blocker(*file, block)
        {
            self.out.push(Effect::Waiting {
                op: id,
                path: self.path(*file).clone(),
                holder: self.owners.owner(holder).clone(),
                place: 1,
            });
        }
    }

    fn read_patterns(&self, who: Who, raw: &[String]) -> Result<Vec<Pattern>, Refusal> {
        if raw.is_empty() {
            return Err(refusal::bad_pattern("nothing", "there is no pattern"));
        }
        if raw.len() > self.settings.pin_patterns {
            let why = format!("more than {} patterns", self.settings.pin_patterns);
            return Err(refusal::bad_pattern("the list", &why));
        }
        let mut patterns = Vec::with_capacity(raw.len());
        for raw in raw {
            let pattern = Pattern::parse(raw).map_err(|why| refusal::bad_pattern(raw, &why))?;
            if !self.is_person(who) {
                self.check_width(raw, &pattern)?;
            }
            patterns.push(pattern);
        }
        patterns.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        patterns.dedup_by(|a, b| a.as_str() == b.as_str());
        Ok(patterns)
    }

    fn check_width(&self, raw: &str, pattern: &Pattern) -> Result<(), Refusal> {
        if pattern.is_everywhere() {
            return Err(refusal::too_wide(raw, None));
        }
        let limit = self.settings.pin_covers;
        let one = matches!(pattern, Pattern::File(_));
        let covered = self.owners.paths().iter().filter(|path| pattern.covers(path));
        if !one && covered.take(limit + 1).count() > limit {
            return Err(refusal::too_wide(raw, Some(limit)));
        }
        Ok(())
    }

    /// What keeps a set from being reserved.
    pub(super) fn conflicts(&self, id: OpId) -> Vec<(Option<FileId>, Block)> {
        let Some(Op { who, want: Want::Set(set), .. }) = self.ops.get(&id) else {
            return Vec::new();
        };
        if self.is_person(*who) {
            return Vec::new();
        }
        let rights = self.busy.iter().filter(|file| {
            let path = self.path(**file);
            self.right_blocks(**file, *who, set.by) && set.patterns.iter().any(|p| p.covers(path))
        });
        let rights = rights.map(|file| (Some(*file), Block::Right));
        let pins = self.pins.iter().filter(|(_, pin)| {
            !self.same_clan(pin.who, *who) && set.patterns.iter().any(|p| p.overlaps(&pin.pattern))
        });
        let pins = pins.map(|(pattern, _)| (None, Block::Pin(pattern.to_owned())));
        rights.chain(pins).collect()
    }

    fn right_blocks(&self, file: FileId, who: Who, by: By) -> bool {
        self.at(file).right.as_ref().is_some_and(|right| {
            !self.same_clan(right.who, who)
                && match right.state {
                    LeaseState::Inflight => true,
                    LeaseState::Reserved | LeaseState::Pinned => by != By::Word,
                    LeaseState::Held => by != By::Word && !self.has_lapsed(file),
                }
        })
    }

    fn grant_set(&mut self, id: OpId) {
        let Some(Op { who, want: Want::Set(set), .. }) = self.ops.get(&id) else { return };
        let (who, set) = (*who, set.clone());
        self.stop_waiting(id);
        self.drop_set(id);
        for pattern in set.patterns {
            self.pin(who, pattern, set.for_ms, set.reason.clone(), set.by);
        }
        self.out.push(Effect::Granted { op: id, note: None });
        self.break_circles(self.owners.clan(who));
    }

    /// Reserves one pattern and takes the leases below it from others.
    fn pin(&mut self, who: Who, pattern: Pattern, for_ms: Option<u64>, reason: String, by: By) {
        let key = pattern.as_str().to_owned();
        let covered: Vec<FileId> =
            self.busy.iter().copied().filter(|file| pattern.covers(self.path(*file))).collect();
        let until = for_ms.map(|ms| self.now.after(ms));
        let mut since = self.now;
        if let Some(old) = self.take_pin(&key) {
            if self.same_clan(old.who, who) {
                since = old.since;
            } else {
                self.tell_stolen(&key, old.who, who, Handover::Now);
            }
        }
        self.timers.extend(until.map(|until| (until, Timer::Pin(key.clone()))));
        self.pins.insert(Pin { pattern, who, since, until, for_ms, reason });
        for file in covered {
            let Some(right) = &self.at(file).right else { continue };
            let (holder, state) = (right.who, right.state);
            if self.same_clan(holder, who) || state == LeaseState::Inflight {
                continue;
            }
            match by {
                By::Asking if !self.is_person(who) => self.tell_passed(file, holder, who),
                By::Asking | By::Force => {
                    let path = self.path(file).to_string();
                    self.tell_stolen(&path, holder, who, Handover::Now);
                }
                // What becomes of the file is told when the command has ended.
                By::Word => {}
            }
            self.settle(file, None);
        }
        self.announce_pin(&key);
    }

    /// Tries the sets that wait, first come first, after something became free.
    pub(super) fn retry_sets(&mut self) {
        while std::mem::take(&mut self.freed) {
            for id in self.reserving.clone() {
                let conflicts = self.conflicts(id);
                if conflicts.is_empty() {
                    self.grant_set(id);
                } else {
                    self.retry_at(id, &conflicts);
                }
            }
        }
    }

    /// Wakes a waiting set when the first lease in its way has run out.
    fn retry_at(&mut self, id: OpId, conflicts: &[(Option<FileId>, Block)]) {
        let due = conflicts
            .iter()
            .filter_map(|(file, _)| file.and_then(|file| self.at(file).right.as_ref()?.until))
            .filter(|until| *until > self.now)
            .min();
        let Some(Op { want: Want::Set(set), .. }) = self.ops.get_mut(&id) else { return };
        if set.retry != due {
            let old = std::mem::replace(&mut set.retry, due);
            if let Some(old) = old {
                self.timers.remove(&(old, Timer::Set(id)));
            }
            self.timers.extend(due.map(|due| (due, Timer::Set(id))));
        }
    }

    /// A set has waited long enough.
    pub(super) fn set_wait_ended(&mut self, id: OpId) {
        self.refuse_set(id, RefusalCode::Pinned);
    }

    fn refuse_set(&mut self, id: OpId, code: RefusalCode) {
        let conflicts = self.conflicts(id);
        let refusal = match conflicts.first() {
            Some((Some(file), block)) => {
                let code = if code == RefusalCode::Deadlock { code } else { RefusalCode::Held };
                let by = self.obstruction(*file, block, None);
                refusal::held(&self.settings, self.path(*file), code, &by)
            }
            Some((None, Block::Pin(pattern))) => {
                let pin = self.pins.get(pattern);
                let by = pin.map(|pin| self.person(pin.who));
                let free = pin.and_then(|pin| pin.until).map(|until| until.since(self.now));
                refusal::reserved(pattern, code, by.as_ref(), free)
            }
            Some((None, Block::Right)) | None => refusal::failed(None, "the set was not free"),
        };
        self.stop_waiting(id);
        self.drop_set(id);
        self.refuse(id, refusal);
    }

    /// The time of a reservation is over, unless its owner was active.
    pub(super) fn pin_due(&mut self, pattern: &str) {
        let Some(pin) = self.pins.get(pattern) else { return };
        let Some(until) = pin.until.filter(|until| *until <= self.now) else { return };
        let (who, for_ms, since) = (pin.who, pin.for_ms.unwrap_or(0), pin.since);
        let active = self.owners.at(self.owners.clan(who)).active;
        let next = active.after(for_ms);
        if active > since && next > until && next > self.now {
            if let Some(pin) = self.pins.get_mut(pattern) {
                pin.until = Some(next);
            }
            self.timers.insert((next, Timer::Pin(pattern.to_owned())));
            self.announce_pin(pattern);
        } else {
            self.tell_run_out(pattern, who);
            self.unpin(pattern);
        }
    }

    fn take_pin(&mut self, pattern: &str) -> Option<Pin> {
        let pin = self.pins.remove(pattern)?;
        if let Some(until) = pin.until {
            self.timers.remove(&(until, Timer::Pin(pattern.to_owned())));
        }
        Some(pin)
    }

    /// Ends a reservation and lets in who waits below it.
    pub(super) fn unpin(&mut self, pattern: &str) {
        let Some(pin) = self.take_pin(pattern) else { return };
        self.freed = true;
        let waited: BTreeSet<FileId> = self
            .waiting
            .iter()
            .filter_map(|(_, id)| self.ops.get(id).and_then(|op| op.want.file()))
            .filter(|file| pin.pattern.covers(self.path(*file)))
            .collect();
        self.announce_pin(pattern);
        for file in waited {
            self.pump(file);
        }
    }

    /// An owner gives back what it holds or reserved.
    pub(super) fn release(&mut self, owner: &Owner, paths: &[String]) {
        let Some(who) = self.owners.find(owner) else { return };
        let patterns: Vec<Pattern> =
            paths.iter().filter_map(|raw| Pattern::parse(raw).ok()).collect();
        let named = |path: &_| paths.is_empty() || patterns.iter().any(|p| p.covers(path));
        let files: Vec<FileId> =
            self.rights_of(who).into_iter().filter(|file| named(self.path(*file))).collect();
        for pattern in self.pins.of(&[who]) {
            if paths.is_empty() || patterns.iter().any(|p| p.as_str() == pattern) {
                self.unpin(&pattern);
            }
        }
        for file in files {
            let state = self.at(file).right.as_ref().map(|right| right.state);
            if state != Some(LeaseState::Inflight) {
                self.settle(file, None);
            }
        }
        if paths.is_empty() {
            self.leave_queues(who);
        }
        for pattern in patterns {
            if let Pattern::File(path) = pattern
                && let Some(file) = self.owners.find_file(&path)
            {
                self.leave_place(file, who);
            }
        }
    }

    /// The person gives a file or a reservation to somebody.
    pub(super) fn steal(&mut self, raw: &str, to: &Owner) {
        let Ok(pattern) = Pattern::parse(raw) else { return };
        let who = self.owners.who(to);
        let reason = GIVEN.to_owned();
        let for_ms = (!self.is_person(who)).then_some(self.settings.pin_max_ms);
        let pinned = self.pins.get(pattern.as_str()).is_some();
        let path = match &pattern {
            Pattern::File(path) if !pinned && !self.is_person(who) => path.clone(),
            Pattern::File(_) | Pattern::Folder(_) | Pattern::Glob(..) | Pattern::Tree => {
                return self.pin_by_force(who, pattern, for_ms, reason);
            }
        };
        let file = self.file(&path);
        let right = self.at(file).right.as_ref().map(|right| (right.who, right.state));
        match right {
            Some((holder, _)) if self.same_clan(holder, who) => {}
            Some((holder, LeaseState::Inflight)) => {
                self.at_mut(file).heir = Some(who);
                self.tell_stolen(path.as_str(), holder, who, Handover::AfterTheWrite);
            }
            Some((_, LeaseState::Held | LeaseState::Reserved | LeaseState::Pinned)) | None => {
                if let Some((holder, _)) = right {
                    self.tell_stolen(path.as_str(), holder, who, Handover::Now);
                }
                if !self.at(file).queue.iter().any(|waiter| waiter.who == who) {
                    self.tell_given(path.as_str(), who);
                }
                let ticket = self.ticket(who, self.settings.hold_max_ms, &reason);
                self.settle(file, Some(ticket));
            }
        }
    }

    /// The person reserves something for somebody, whoever has it now.
    fn pin_by_force(&mut self, who: Who, pattern: Pattern, for_ms: Option<u64>, reason: String) {
        let below: Vec<FileId> =
            self.busy.iter().copied().filter(|file| pattern.covers(self.path(*file))).collect();
        let key = pattern.as_str().to_owned();
        self.pin(who, pattern, for_ms, reason, By::Force);
        self.tell_given(&key, who);
        for file in below {
            self.at_mut(file).heir = None;
        }
    }

    /// The person frees a file or a reservation.
    pub(super) fn free(&mut self, raw: &str) {
        let Ok(pattern) = Pattern::parse(raw) else { return };
        let key = pattern.as_str();
        if let Some(pin) = self.pins.get(key) {
            let who = pin.who;
            self.tell_unpinned(key, who);
            self.unpin(key);
        }
        let Pattern::File(path) = &pattern else { return };
        let Some(file) = self.owners.find_file(path) else { return };
        self.at_mut(file).heir = None;
        let Some(right) = &self.at(file).right else { return };
        if right.state != LeaseState::Inflight {
            let who = right.who;
            self.tell_released(file, who);
            self.settle(file, None);
        }
    }

    /// When a pin that was stored would end.
    pub(super) fn restore_pin(
        &mut self,
        who: Who,
        pattern: Pattern,
        left: Option<u64>,
        reason: String,
    ) {
        let person = self.is_person(who);
        let left = if person { left } else { Some(left.unwrap_or(self.settings.pin_max_ms)) };
        let for_ms = if person { None } else { left };
        let key = pattern.as_str().to_owned();
        let until: Option<Mono> = left.map(|left| self.now.after(left));
        self.timers.extend(until.map(|until| (until, Timer::Pin(key.clone()))));
        self.pins.insert(Pin { pattern, who, since: self.now, until, for_ms, reason });
        self.announce_pin(&key);
    }
}
