//! The engine's step: input in, effects out. Each file below deals with one kind of input.

mod agents;
pub(super) mod asks;
mod calls;
mod commands;
pub(super) mod decisions;
mod git;
mod locks;
mod prompts;
mod reports;
pub(super) mod revisions;
mod sessions;
pub(super) mod shell;
mod tools;
pub(super) mod tree;
pub(super) mod writes;

use super::effect::Effect;
use super::event::Event;
use super::input::Input;
use super::state::{AfterStore, State, Step};
use crate::arbiter;
use crate::supervisor::life;

impl State {
    pub(super) fn dispatch(&mut self, step: &mut Step, input: Input) {
        // What a process was refused must be known before its tool's end is answered.
        let beside = self.desk.take();
        self.decided_beside(step, beside);
        match input {
            Input::Command { from, command } => self.command(step, from, command),
            Input::ClientGone(client) => self.client_gone(step, client),
            Input::Said(said) => self.said(step, said),
            Input::Spawned { agent, run, result } => self.spawned(step, agent, run, result),
            Input::OrderFailed { agent, run } => self.order_failed(step, agent, run),
            Input::Resolved { op, place } => self.resolved(step, op, place),
            Input::Inspected { op, disk, base } => self.inspected(step, op, disk, base),
            Input::Shown { agent, call, seen } => self.shown(step, agent, &call, seen),
            Input::Written { op, disk, was, result } => self.written(step, op, disk, was, result),
            Input::FileRead { op, disk } => self.file_read(step, op, disk),
            Input::Scanned { agent, call, after, found } => {
                self.scanned(step, agent, &call, after, found);
            }
            Input::Stored { ticket, result } => match self.tickets.remove(&ticket) {
                Some(AfterStore::Grant { op, note }) => self.granted(step, op, note, result),
                None => {}
            },
            Input::Loaded { from, how, result } => self.loaded(step, from, how, result),
            Input::Planned { from, result } => self.planned(step, from, result),
            Input::BenchLoaded { from, result } => self.bench_loaded(step, from, result),
            Input::SessionOpened { agent, session, result } => {
                self.session_opened(step, agent, session, result);
            }
            Input::Health(health) => self.health(step, health),
            Input::Answered { from, reply } => step.out.push(Effect::Reply { to: from, reply }),
            Input::Branch(branch) => {
                if self.setup.workspace.branch != branch {
                    self.setup.workspace.branch = branch;
                    let workspace = self.setup.workspace.clone();
                    step.publish(Event::WorkspaceChanged { workspace });
                }
            }
            Input::Buried(sessions) => {
                for session in sessions {
                    self.decide(step, arbiter::Input::Buried { session });
                }
            }
            Input::LinesLost { path, lost } => self.lines_lost(step, &path, &lost),
            Input::TreeKept(result) => self.tree_kept(step, result),
            Input::GitGone(process) => self.git_gone(step, process),
            Input::TreeLooked(found) => self.tree_looked(step, found),
            Input::ExecEnded { exec, result } => self.exec_ended(step, exec, result),
            Input::Seen { path, disk, before } => self.seen_changed(step, path, disk, before),
            // What they led to is done already.
            Input::Decided => {}
            Input::Tick => self.tick(step),
        }
    }

    fn tick(&mut self, step: &mut Step) {
        self.wake_at = None;
        self.decide(step, arbiter::Input::Tick);
        self.end_unanswered(step);
        let now = step.now.mono;
        let due =
            self.agents.iter_mut().filter(|(_, agent)| agent.wake.is_some_and(|at| at <= now));
        let due: Vec<_> = due
            .map(|(id, agent)| {
                agent.wake = None;
                *id
            })
            .collect();
        for id in due {
            self.live(step, id, life::Event::Tick);
        }
    }
}

#[cfg(test)]
mod tests;
