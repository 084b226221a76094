//! What the arbiter decides, and what follows from it for agents, front ends and the history.

use std::collections::BTreeMap;

use super::writes::{Phase, Purpose};
use crate::agent::Verdict;
use crate::arbiter;
use crate::engine::desk::{Attempt, Decided};
use crate::engine::effect::Effect;
use crate::engine::event::{Event, RefusedAttempt};
use crate::engine::input::{Before, Ticket};
use crate::engine::review::Lost;
use crate::engine::state::{AfterStore, Doing, KEPT_REFUSALS, State, Step};
use crate::history::images::{ImageName, moded};
use crate::history::record::{ChangeRow, DecisionRow, LeaseRow, Process, Record};
use crate::model::agent::Wait;
use crate::model::change::{Change, Image};
use crate::model::failure::Failure;
use crate::model::id::{AgentId, OpId};
use crate::model::lease::{LeaseState, Owner, Refusal, RefusalCode};
use crate::model::path::{Hash, WorkPath};
use crate::model::transcript::{Level, ToolStatus};
use crate::supervisor::life;

/// What stands before the path in the stored row of a reservation whose file is being written: a
/// file has one row under its own path, and that one speaks of the write.
pub(in crate::engine) const BEHIND: &str = "./";

impl State {
    /// Asks the arbiter and does what it says. The only way to it.
    pub(in crate::engine) fn decide(&mut self, step: &mut Step, input: arbiter::Input) {
        let (before, effects) = self.desk.decide(step.now.mono, input);
        self.decided_beside(step, before);
        self.follow(step, None, effects);
    }

    /// Does what follows from decisions that the guard's threads have made.
    pub(in crate::engine) fn decided_beside(&mut self, step: &mut Step, all: Vec<Decided>) {
        // Somebody else's doing is not what the loop is about just now.
        let doing = std::mem::take(&mut self.doing);
        let mut moves = BTreeMap::new();
        for Decided { attempt, was, mut effects } in all {
            self.doing = Doing { taken: was, by_process: true, ..Doing::default() };
            if effects.iter().any(|effect| matches!(effect, arbiter::Effect::Granted { .. })) {
                // A grant is stored together with its lease, after what was before it.
                self.moved_beside(step, std::mem::take(&mut moves));
            } else {
                effects = gather_moves(effects, &mut moves);
            }
            self.follow(step, attempt.as_ref(), effects);
            self.done_with_image(step);
            self.doing = Doing::default();
        }
        self.moved_beside(step, moves);
        self.doing = doing;
    }

    /// Leases moved by what processes did: what each came to counts. They end with the engine, for
    /// without it no guarded process writes, so that no row is needed where there was none.
    fn moved_beside(&mut self, step: &mut Step, moves: Moves) {
        for (path, lease) in moves {
            let is_stored = self.stored_leases.contains(&path);
            let records = self.moved(step, path.clone(), lease.as_ref());
            if is_stored {
                records.into_iter().for_each(|record| step.store(record));
            } else {
                self.stored_leases.remove(&path);
            }
        }
    }

    fn follow(
        &mut self,
        step: &mut Step,
        attempt: Option<&Attempt>,
        effects: Vec<arbiter::Effect>,
    ) {
        let mut leases = Vec::new();
        for effect in effects {
            match effect {
                arbiter::Effect::Inspect { op, path, base } => {
                    step.out.push(Effect::Inspect { op, path, base });
                }
                arbiter::Effect::Granted { op, note } => {
                    self.store_grant(step, op, note, std::mem::take(&mut leases));
                }
                arbiter::Effect::Refused { op, refusal } => match attempt {
                    Some(Attempt { owner, program }) => {
                        self.note_refusal(step, owner, program, None, &refusal);
                        // The arbiter has told about its own; git was met before it.
                        if refusal.code == RefusalCode::TreeBusy {
                            let shown = format!("{program} was stopped before it touched anything");
                            self.tell(step, owner, refusal.text, shown);
                        }
                    }
                    None => self.refuse(step, op, refusal),
                },
                arbiter::Effect::Waiting { op, path, holder, place } => {
                    self.waits(step, op, &path, &holder, place);
                }
                arbiter::Effect::Moved { path, lease } => {
                    leases.extend(self.moved(step, path, lease.as_ref()));
                }
                arbiter::Effect::Knows { owner, path, observation } => {
                    let knows =
                        observation.map(|known| (known.hash, known.seen.as_str().to_owned()));
                    let workspace = self.setup.workspace.root.clone();
                    step.store(Record::Knows { workspace, owner, path, knows });
                }
                arbiter::Effect::Changed { path, owner, before, after, over } => {
                    self.changed(step, path, owner, (before, after), over);
                }
                arbiter::Effect::Tell { owner, text, shown } => {
                    self.tell(step, &owner, text, shown);
                }
                // The lookout, and who waits, have it from the desk.
                arbiter::Effect::LookAfter { .. } | arbiter::Effect::Lapsed { .. } => {}
                // `State::arm` asks for the earliest wake-up of all parts at once.
                arbiter::Effect::WakeAt(_) => {}
            }
        }
        for record in leases {
            step.store(record);
        }
    }

    /// A lease moved: front ends see it, and the records of it are the caller's to store.
    fn moved(
        &mut self,
        step: &mut Step,
        path: String,
        lease: Option<&arbiter::Lease>,
    ) -> Vec<Record> {
        let info = lease.map(|lease| self.lease_info(&path, lease));
        self.refresh_holds(&path, lease.map(|lease| &lease.owner));
        let mut records = vec![self.lease_record(&path, lease)];
        if lease.is_some() {
            self.stored_leases.insert(path.clone());
        } else {
            self.stored_leases.remove(&path);
        }
        let behind = lease.and_then(|lease| lease.behind.as_deref());
        let was_behind = match behind {
            Some(_) => !self.behind.insert(path.clone()),
            None => self.behind.remove(&path),
        };
        if behind.is_some() || was_behind {
            records.push(self.lease_record(&format!("{BEHIND}{path}"), behind));
        }
        step.publish(Event::LeaseMoved { path, lease: info });
        records
    }

    fn lease_record(&self, path: &str, lease: Option<&arbiter::Lease>) -> Record {
        let (workspace, path) = (self.setup.workspace.root.clone(), path.to_owned());
        let Some(lease) = lease else { return Record::Free { workspace, path } };
        Record::Lease(LeaseRow {
            workspace,
            path,
            owner: lease.owner.clone(),
            state: lease.state,
            since: self.wall_of(lease.since),
            until: lease.until.map(|until| self.wall_of(until)),
            reason: lease.reason.clone(),
            process: self.process_of(&lease.owner).filter(|_| lease.state == LeaseState::Inflight),
        })
    }

    fn process_of(&self, owner: &Owner) -> Option<Process> {
        self.agents.get(&self.agent_of(owner)?)?.process.clone()
    }

    /// Keeps the list of held files right for the owner of a path, and for its former owner. The
    /// end of the step shows it.
    fn refresh_holds(&mut self, path: &str, owner: Option<&Owner>) {
        let holder = owner.and_then(|owner| self.agent_of(owner));
        for (id, agent) in &mut self.agents {
            let moved = if holder == Some(*id) {
                agent.holds.insert(path.to_owned())
            } else {
                agent.holds.remove(path)
            };
            agent.holds_moved |= moved;
        }
    }

    /// Shows what agents hold now, once for everything that moved in a step.
    pub(in crate::engine) fn show_holds(&mut self, step: &mut Step) {
        let moved = self.agents.iter_mut().filter(|(_, agent)| agent.holds_moved);
        let moved: Vec<_> = moved
            .map(|(id, agent)| {
                agent.holds_moved = false;
                agent.info.holds = agent.holds.iter().cloned().collect();
                *id
            })
            .collect();
        for id in moved {
            self.show(step, id);
        }
    }

    /// Makes a grant durable; it is carried out when that is done.
    fn store_grant(
        &mut self,
        step: &mut Step,
        op: OpId,
        note: Option<String>,
        leases: Vec<Record>,
    ) {
        let Some(found) = self.ops.get_mut(&op) else {
            leases.into_iter().for_each(|record| step.store(record));
            return self.decide(step, arbiter::Input::Withdrawn { op });
        };
        found.phase = Phase::Storing;
        let mut records = leases;
        if !matches!(found.purpose, Purpose::Reserve { .. }) {
            records.push(Record::Decision(DecisionRow {
                workspace: self.setup.workspace.root.clone(),
                at: step.now.wall,
                owner: found.owner.clone(),
                path: found.path.as_ref().map_or(&*found.raw, |path| path.as_str()).to_owned(),
                tool: found.tool.clone(),
                code: "OK".to_owned(),
                text: note.clone().unwrap_or_default(),
            }));
        }
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        self.tickets.insert(ticket, AfterStore::Grant { op, note });
        step.out.push(Effect::StoreNow { ticket, records });
    }

    /// A grant is durable, or is not: then it is none.
    pub(in crate::engine) fn granted(
        &mut self,
        step: &mut Step,
        op: OpId,
        note: Option<String>,
        stored: Result<(), Failure>,
    ) {
        if let Err(failure) = stored {
            self.decide(step, arbiter::Input::Withdrawn { op });
            let text = format!(
                "NOT WRITTEN (failed): the lock could not be recorded ({}). Nothing was changed. \
                 Tell the person.",
                failure.message
            );
            let code = RefusalCode::Failed;
            return self.refuse(step, op, Refusal { code, path: None, holder: None, text });
        }
        self.stop_waiting(step, op);
        let goes_on = self.desk.read(|table| table.is_open(op));
        let Some(found) = self.ops.get_mut(&op) else {
            return self.decide(step, arbiter::Input::Withdrawn { op });
        };
        if !goes_on && !matches!(found.purpose, Purpose::Reserve { .. } | Purpose::Tree) {
            let text = "NOT WRITTEN (failed): the lock was lost before the write began. Nothing \
                        was changed. Try again."
                .to_owned();
            let code = RefusalCode::Failed;
            return self.refuse(step, op, Refusal { code, path: None, holder: None, text });
        }
        found.phase = Phase::Granted;
        match &mut found.purpose {
            Purpose::Gate { agent, call, request, ask } => {
                let (agent, call) = (*agent, call.clone());
                if let Some(yes) = ask.take() {
                    return self.say_yes(step, agent, Some(&call), yes);
                }
                if let Some(request) = request.take() {
                    let context = self.with_tells(agent, note);
                    self.verdict(step, agent, request, Verdict::Pass { context });
                }
            }
            Purpose::Write { content, .. } | Purpose::Revise { content, .. } => {
                let content = content.clone();
                if let Purpose::Write { rebased, .. } = &mut found.purpose {
                    *rebased = note;
                }
                if let (Some(path), Some(checked)) = (found.path.clone(), found.checked.clone()) {
                    step.out.push(Effect::WriteFile { op, path, checked, content });
                }
            }
            Purpose::Reserve { .. } => self.reserved(step, op, note),
            Purpose::Tree => self.tree_taken(step, op),
            Purpose::Read { .. } => {}
        }
    }

    fn waits(&mut self, step: &mut Step, op: OpId, path: &WorkPath, holder: &Owner, place: usize) {
        let holder = self.owner_name(holder);
        let Some(found) = self.ops.get_mut(&op) else { return };
        let first = !std::mem::replace(&mut found.waiting, true);
        let Purpose::Gate { agent: id, call, .. } = &found.purpose else { return };
        let (id, call) = (*id, call.clone());
        let Some(agent) = self.agents.get_mut(&id) else { return };
        agent.info.waits_for = Some(Wait { path: path.to_string(), holder: holder.clone(), place });
        let changes = agent.fold.tool_status(&call, ToolStatus::Waiting { holder });
        self.tell_changes(step, id, changes);
        if first {
            self.live(step, id, life::Event::WaitBegan);
        }
        self.show(step, id);
    }

    pub(super) fn stop_waiting(&mut self, step: &mut Step, op: OpId) {
        let Some(found) = self.ops.get_mut(&op).filter(|found| found.waiting) else { return };
        found.waiting = false;
        let Purpose::Gate { agent: id, call, .. } = &found.purpose else { return };
        let (id, call) = (*id, call.clone());
        let Some(agent) = self.agents.get_mut(&id) else { return };
        agent.info.waits_for = None;
        let changes = agent.fold.tool_status(&call, ToolStatus::Running);
        self.tell_changes(step, id, changes);
        self.live(step, id, life::Event::WaitEnded);
    }

    /// Ends a request with a refusal, in words to whoever asked.
    pub(super) fn refuse(&mut self, step: &mut Step, op: OpId, refusal: Refusal) {
        self.stop_waiting(step, op);
        let Some(found) = self.ops.remove(&op) else { return };
        let path = found.path.as_ref().map_or(&*found.raw, |path| path.as_str()).to_owned();
        self.keep_proposal(step, &found, refusal.code);
        if !matches!(found.purpose, Purpose::Reserve { .. } | Purpose::Tree) {
            self.note_refusal(step, &found.owner, &found.tool, Some(path), &refusal);
        }
        match found.purpose {
            Purpose::Gate { agent: id, call, request, ask } => {
                self.calls.remove(&(id, call.clone()));
                if let Some(agent) = self.agents.get_mut(&id) {
                    let changes = agent.fold.refused(&call, refusal.clone());
                    self.tell_changes(step, id, changes);
                }
                if let Some(request) = request {
                    let reason = refusal.text.clone();
                    self.verdict(step, id, request, Verdict::Deny { reason });
                }
                if let Some(yes) = ask {
                    self.deny_yes(step, id, yes, refusal.text);
                }
            }
            Purpose::Write { to, .. } | Purpose::Read { to } | Purpose::Reserve { to, .. } => {
                self.tool_refused(step, to, &refusal);
            }
            Purpose::Revise { to, .. } => self.step_refused(step, to, &found.raw, &refusal),
            Purpose::Tree => self.tree_refused(step, &refusal),
        }
    }

    fn note_refusal(
        &mut self,
        step: &mut Step,
        owner: &Owner,
        tool: &str,
        path: Option<String>,
        refusal: &Refusal,
    ) {
        let path = path.or_else(|| refusal.path.as_ref().map(ToString::to_string));
        let path = path.unwrap_or_default();
        let attempt = RefusedAttempt {
            at: step.now.wall,
            who: self.owner_name(owner),
            path: path.clone(),
            tool: tool.to_owned(),
            code: refusal.code,
            holder: refusal.holder.clone(),
        };
        self.refused.push_back(attempt.clone());
        if self.refused.len() > KEPT_REFUSALS {
            self.refused.pop_front();
        }
        step.publish(Event::WriteRefused { attempt });
        step.store(Record::Decision(DecisionRow {
            workspace: self.setup.workspace.root.clone(),
            at: step.now.wall,
            owner: owner.clone(),
            path,
            tool: tool.to_owned(),
            code: refusal.code.as_str().to_owned(),
            text: refusal.text.clone(),
        }));
    }

    fn changed(
        &mut self,
        step: &mut Step,
        path: WorkPath,
        owner: Owner,
        (before, after): (arbiter::Was, Option<Hash>),
        over: Option<Owner>,
    ) {
        match after {
            Some(_) => drop(self.versions.insert(path.clone(), after)),
            // The arbiter knows that it is gone; names that come and go are not kept here.
            None => drop(self.versions.remove(&path)),
        }
        let with_word = self.over_in_tree(&owner, &path);
        if let Some(victim) = over.as_ref().filter(|_| with_word.is_none()) {
            let text = format!(
                "{path} was changed by {} outside the arbiter while {} had it",
                self.owner_name(&owner),
                self.owner_name(victim),
            );
            step.publish(Event::Noticed { level: Level::Warn, text });
        }
        let saved = owner == Owner::External && before != arbiter::Was::Absent && after.is_some();
        let saved = saved.then(|| path.clone());
        let taken = self.doing.taken.as_ref().filter(|taken| taken.name.path == path);
        let known = self.doing.kept.or_else(|| image(before, self.doing.was));
        let was = match taken.map(|taken| taken.before) {
            Some(Before::Image(image)) => Some(image),
            Some(Before::Absent) => known.filter(|image| image.hash != Hash::UNSEEN),
            Some(Before::Mode(mode)) => known.map(|image| moded(image, mode)),
            Some(Before::Unknown) | None => known,
        };
        let is = taken.and_then(|taken| taken.after).filter(|is| Some(is.hash) == after);
        let serial = taken.map(|taken| taken.name.serial);
        let over = with_word.or(over);
        let change = Change { over, serial, ..Change::of(path, owner, was, None) };
        let after = is.or_else(|| after.map(Image::from));
        self.store_change(step, Change { after, ..change });
        step.out.extend(saved.map(Effect::LookForLosses));
    }

    /// Stores a change, with all that is known of who made it and how.
    fn store_change(&mut self, step: &mut Step, change: Change) {
        self.doing.told = true;
        let owner = &change.owner;
        let change = Change {
            at: step.now.wall,
            agent: self.owner_name(owner),
            turn: self.turn_of(owner),
            tool: self.tool_of(owner),
            reverts: self.doing.reverts.clone(),
            ..change
        };
        let workspace = self.setup.workspace.root.clone();
        step.store(Record::Change(Box::new(ChangeRow { workspace, change })));
    }

    /// What was kept of a file is told by now, but for what is no matter of the arbiter: other
    /// permissions of the same content.
    pub(super) fn done_with_image(&mut self, step: &mut Step) {
        let Some(taken) = self.doing.taken.clone() else { return };
        if let (false, Some((before, after))) = (self.doing.told, taken.mode_change()) {
            let ImageName { path, owner, serial, .. } = taken.name.clone();
            let change = Change::of(path, owner, Some(before), Some(after));
            self.store_change(step, Change { serial: Some(serial), ..change });
        }
        step.out.push(Effect::SpendImage(taken.name));
    }

    /// A save from outside has left out lines of agents: the person may not have seen them.
    pub(in crate::engine) fn lines_lost(&mut self, step: &mut Step, path: &WorkPath, lost: &Lost) {
        let lines: Vec<String> = lost
            .lines
            .iter()
            .map(|(name, lines)| {
                let word = if *lines == 1 { "line" } else { "lines" };
                format!("{lines} {word} of {name}")
            })
            .collect();
        let text = format!(
            "{path} was saved by somebody outside without {}; `benchdog undo {}` or the changes \
             view bring them back",
            lines.join(", "),
            lost.change
        );
        step.publish(Event::Noticed { level: Level::Warn, text });
    }

    /// With what an owner makes the change that is told just now: of a process the command that its
    /// agent runs or ran last, if that is known.
    fn tool_of(&self, owner: &Owner) -> String {
        if !self.doing.by_process {
            return self.doing.tool.clone();
        }
        if let Some(line) = self.line_in_tree(owner) {
            return line;
        }
        let Some(agent) = self.agent_of(owner) else { return String::new() };
        let mut shells = self.shells.iter().filter(|((of, _), _)| *of == agent);
        let running = shells.next().map(|(_, shell)| &shell.command);
        let last = || self.agents.get(&agent).map(|agent| &agent.last_command);
        running.or_else(last).cloned().unwrap_or_default()
    }

    /// The turn in which an agent is, counted from 1.
    fn turn_of(&self, owner: &Owner) -> Option<u32> {
        let agent = self.agents.get(&self.agent_of(owner)?)?;
        if agent.life.in_turn() {
            return Some(agent.row.turns.saturating_add(1));
        }
        // What its command has done may be seen a moment after the turn.
        (self.doing.by_process && agent.row.turns > 0).then_some(agent.row.turns)
    }

    /// Keeps a sentence for an agent's next step, and shows it to the person now.
    pub(super) fn tell(&mut self, step: &mut Step, owner: &Owner, text: String, shown: String) {
        let Some(id) = self.agent_of(owner) else { return };
        let Some(agent) = self.agents.get_mut(&id) else { return };
        // A git that tries file by file is told once.
        if agent.tells.contains(&text) {
            return;
        }
        let changes = agent.fold.notice(step.now.wall, Level::Info, shown);
        agent.tells.push(text);
        self.tell_changes(step, id, changes);
    }

    /// What an agent is told now: what came up for it, and `more`.
    pub(super) fn with_tells(&mut self, id: AgentId, more: Option<String>) -> Option<String> {
        let agent = self.agents.get_mut(&id)?;
        let mut all = std::mem::take(&mut agent.tells);
        all.extend(more);
        (!all.is_empty()).then(|| all.join("\n"))
    }
}

/// Leases that have moved, by path, as they are now.
type Moves = BTreeMap<String, Option<arbiter::Lease>>;

/// Takes the moves of leases out of `effects`; a later one takes the place of an earlier one.
fn gather_moves(effects: Vec<arbiter::Effect>, moves: &mut Moves) -> Vec<arbiter::Effect> {
    let mut others = Vec::with_capacity(effects.len());
    for effect in effects {
        if let arbiter::Effect::Moved { path, lease } = effect {
            moves.insert(path, lease);
        } else {
            others.push(effect);
        }
    }
    others
}

/// What was there before a change: the arbiter's word counts, else what the last look saw. Where
/// nobody looked a file is taken to have been there: undoing that must not remove it.
fn image(before: arbiter::Was, seen: arbiter::Was) -> Option<Image> {
    let was = if before == arbiter::Was::Unknown { seen } else { before };
    match was {
        arbiter::Was::Absent => None,
        arbiter::Was::Is(hash) => Some(hash.into()),
        arbiter::Was::Unknown => Some(Hash::UNSEEN.into()),
    }
}
