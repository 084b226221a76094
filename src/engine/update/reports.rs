//! What agents say.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::agent::Said;
use crate::arbiter::{self, WriteEnd};
use crate::engine::effect::Effect;
use crate::engine::event::Event;
use crate::engine::fold::Fold;
use crate::engine::state::{State, Step};
use crate::history::record::Record;
use crate::model::id::{AgentId, CallId, SubId};
use crate::model::lease::Owner;
use crate::model::report::{Ready, Report, TaskEvent};
use crate::model::transcript::{Level, TurnEnd};
use crate::model::usage::{Tokens, Usage};
use crate::supervisor::life;

/// What the transcript says at first after `/clear`.
const BEGINS_ANEW: &str = "a new conversation begins; the former one is in the history";

impl State {
    pub(in crate::engine) fn said(&mut self, step: &mut Step, said: Said) {
        let Said { agent: id, run, report } = said;
        let Some(agent) = self.agents.get_mut(&id).filter(|agent| agent.run == run) else { return };
        if agent.sent.is_some() && shows_work(&report) {
            self.arrived(step, id);
        }
        let Some(agent) = self.agents.get_mut(&id) else { return };
        let now = step.now.wall;
        let changes = match report {
            Report::Line { way, line } => {
                let session = agent.row.id.clone();
                return step.store(Record::Line { session, at: now, way, line });
            }
            Report::Ready(ready) => return self.ready(step, id, ready),
            Report::Session { id: backend, model, mode, cwd: _ } => {
                return self.session_named(step, id, backend, model, mode);
            }
            Report::SessionReset => return self.session_reset(step, id),
            Report::Activity(activity) => {
                agent.info.activity = activity;
                return self.show(step, id);
            }
            Report::Delta { at, kind, text } => agent.fold.delta(now, &at, &kind, text),
            Report::Block { at, block, aborted } => agent.fold.block(now, &at, block, aborted),
            Report::ToolResult { call, sub: _, text, is_error, hunks } => {
                let changes = agent.fold.tool_result(&call, &text, is_error, hunks);
                self.tell_changes(step, id, changes);
                let end = if is_error { WriteEnd::Failed } else { WriteEnd::Done };
                return self.call_over(step, id, &call, end, None);
            }
            Report::UserText { at, text } => agent.fold.user_text(now, &at, text),
            Report::Gate { request, call, sub, tool, input } => {
                return self.gate(step, id, request, call, sub, &tool, &input);
            }
            Report::ToolDone { request, call, sub, tool, input, response, failed, took_ms } => {
                if let Some(took_ms) = took_ms {
                    agent.fold.tool_took(&call, took_ms);
                }
                let done =
                    super::writes::Done { request, call, sub, tool, input, response, failed };
                return self.tool_done(step, id, done);
            }
            Report::Ask { request, call, sub, tool, input, suggestions, reason } => {
                let wish = super::asks::Wanted { request, call, sub, tool, input, reason };
                return self.open_ask(step, id, wish, suggestions);
            }
            Report::Withdrawn { request } => return self.withdrawn(step, id, &request),
            Report::TurnEnded { end, tokens, context } => {
                return self.turn_ended(step, id, end, tokens, context);
            }
            Report::Retry { attempt, of, delay_ms, error } => {
                let seconds = delay_ms.div_ceil(1000);
                agent.info.activity = Some(format!("{error}: retry {attempt}/{of} in {seconds} s"));
                return self.show(step, id);
            }
            Report::Task { id: task, call, event } => {
                return self.task(step, id, task, call.as_ref(), event);
            }
            Report::Compacted { before, after } => {
                let after = after.map(|after| format!(", {after} after")).unwrap_or_default();
                let text = format!("the context was compacted: {before} tokens before{after}");
                agent.fold.notice(now, Level::Info, text)
            }
            Report::Mode(mode) => {
                agent.info.permission_mode = mode;
                return self.show(step, id);
            }
            Report::Model(model) => {
                agent.info.model = Some(model);
                return self.show(step, id);
            }
            Report::Title(title) => {
                if agent.own_title {
                    return;
                }
                agent.info.title = title;
                self.store_session(step, id);
                return self.show(step, id);
            }
            Report::Notice { level, text } => agent.fold.notice(now, level, text),
            Report::Unknown { kind: _, line } => agent.fold.raw(now, line),
            Report::Exited { code, signal, stderr } => {
                return self.exited(step, id, code, signal, &stderr);
            }
        };
        self.tell_changes(step, id, changes);
    }

    fn ready(&mut self, step: &mut Step, id: AgentId, ready: Ready) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        agent.info.pid = ready.pid.or(agent.info.pid);
        agent.info.commands = Arc::from(ready.commands);
        agent.info.models = Arc::from(ready.models);
        if !ready.gate_fails_closed {
            let text = "this version lets a tool run when its gate breaks; benchdog answers each \
                        gate itself, so keep its process alive"
                .to_owned();
            let changes = agent.fold.notice(step.now.wall, Level::Warn, text);
            self.tell_changes(step, id, changes);
        }
        self.live(step, id, life::Event::Ready);
    }

    fn session_named(
        &mut self,
        step: &mut Step,
        id: AgentId,
        backend: String,
        model: String,
        mode: Option<crate::model::permission::PermissionMode>,
    ) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        let new = agent.info.backend_session_id.as_deref() != Some(backend.as_str());
        if !backend.is_empty() {
            agent.info.backend_session_id = Some(backend);
        }
        if !model.is_empty() {
            agent.info.model = Some(model);
        }
        agent.info.permission_mode = mode.unwrap_or(agent.info.permission_mode);
        agent.fork = false;
        if !agent.life.in_turn() {
            // A background task woke it: a turn that nobody prompted.
            self.live(step, id, life::Event::TurnBegan);
        }
        if new {
            self.store_session(step, id);
        }
        self.show(step, id);
    }

    /// `/clear`: what follows is another conversation; the former one stays in the history.
    fn session_reset(&mut self, step: &mut Step, id: AgentId) {
        self.store_session(step, id);
        self.close_session(step, id);
        let fresh = self.ids.session(step.now.wall.0);
        let Some(agent) = self.agents.get_mut(&id) else { return };
        let former = std::mem::replace(&mut agent.row.id, fresh.clone());
        agent.info.session_id = fresh.clone();
        agent.info.backend_session_id = None;
        agent.info.title = String::new();
        agent.info.usage = Usage::default();
        agent.reported_usd = None;
        agent.row.started_at = step.now.wall;
        agent.row.turns = 0;
        agent.fold = Fold::default();
        let name = agent.info.name.clone();
        step.store(Record::Waiting { session: former.clone(), prompts: Vec::new() });
        self.store_waiting(step, id);
        step.out.push(Effect::OpenSession { agent: id, session: fresh.clone() });
        self.git_agent_gone(step, &Owner::Session(former.clone(), None));
        self.decide(step, arbiter::Input::Gone { session: former });
        let task = String::new();
        self.decide(step, arbiter::Input::Named { session: fresh, name, task });
        let items = Vec::new();
        step.publish(Event::TranscriptReset { agent: id, items, more_before: false });
        self.store_session(step, id);
        if let Some(agent) = self.agents.get_mut(&id) {
            let changes = agent.fold.notice(step.now.wall, Level::Info, BEGINS_ANEW.to_owned());
            self.tell_changes(step, id, changes);
        }
        self.show(step, id);
    }

    fn turn_ended(
        &mut self,
        step: &mut Step,
        id: AgentId,
        end: TurnEnd,
        tokens: Tokens,
        context: Option<(u64, u64)>,
    ) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        agent.info.usage.cost_usd = total_cost(agent.info.usage.cost_usd, agent.reported_usd, &end);
        agent.reported_usd = Some(end.cost_usd);
        agent.info.usage.tokens = tokens;
        if let Some((window, used)) = context {
            let percent = used.saturating_mul(100).checked_div(window);
            agent.info.usage.context_percent = percent.and_then(|p| u8::try_from(p.min(100)).ok());
        }
        agent.info.activity = None;
        agent.row.turns += 1;
        let failed = end.is_error && !end.interrupted;
        let error = failed.then(|| end.message.clone().unwrap_or_else(|| end.reason.clone()));
        let changes = agent.fold.turn_end(step.now.wall, end);
        self.tell_changes(step, id, changes);
        self.end_calls_of_turn(step, id);
        self.reading.retain(|(of, _), _| *of != id);
        let owner = self.agents.get(&id).map(|agent| Owner::Session(agent.session(), None));
        if let Some(owner) = owner {
            self.decide(step, arbiter::Input::TurnEnded { owner });
        }
        self.live(step, id, life::Event::TurnEnded { error });
        self.store_session(step, id);
        step.out.push(Effect::LookUpBranch);
    }

    fn task(
        &mut self,
        step: &mut Step,
        id: AgentId,
        task: String,
        call: Option<&CallId>,
        event: TaskEvent,
    ) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        let before = agent.background.len();
        match event {
            TaskEvent::Started { description, is_agent: _, background } => {
                if background {
                    agent.background.insert(task, description);
                }
            }
            TaskEvent::Progress { description } => {
                if let Some(known) = agent.background.get_mut(&task) {
                    *known = description;
                }
            }
            TaskEvent::Backgrounded => {
                let tool = call.and_then(|call| agent.fold.tool_input(call));
                let name = tool.map_or_else(|| task.clone(), |tool| tool.name.clone());
                agent.background.insert(task, name);
            }
            TaskEvent::Ended { status, summary } => {
                let was_background = agent.background.remove(&task).is_some();
                let owner = Owner::Session(agent.session(), Some(SubId(task)));
                let mut changes = Vec::new();
                if was_background {
                    let first = summary.lines().next().unwrap_or_default();
                    let text = format!("background task {status}: {first}");
                    changes = agent.fold.notice(step.now.wall, Level::Info, text);
                }
                self.tell_changes(step, id, changes);
                self.end_calls_of(step, id, &owner);
                self.decide(step, arbiter::Input::TurnEnded { owner });
            }
        }
        if let Some(agent) = self.agents.get_mut(&id) {
            agent.info.background = agent.background.values().cloned().collect();
            match agent.background.len().cmp(&before) {
                Ordering::Greater => self.live(step, id, life::Event::BackgroundBegan),
                Ordering::Less => self.live(step, id, life::Event::BackgroundEnded),
                Ordering::Equal => self.show(step, id),
            }
        }
    }

    fn exited(
        &mut self,
        step: &mut Step,
        id: AgentId,
        code: Option<i32>,
        signal: Option<i32>,
        stderr: &str,
    ) {
        self.close_asks_of(step, id);
        let Some(agent) = self.agents.get_mut(&id) else { return };
        let expected = agent.life.stop_wanted();
        let mut changes = agent.fold.close_open(false);
        let trouble = last_words(code, signal, stderr);
        if !expected {
            changes.extend(agent.fold.notice(step.now.wall, Level::Error, trouble.clone()));
        }
        agent.background.clear();
        agent.info.background.clear();
        agent.info.pid = None;
        agent.process = None;
        agent.info.activity = None;
        agent.info.waits_for = None;
        let session = agent.session();
        self.tell_changes(step, id, changes);
        self.forget_calls(id);
        self.git_agent_gone(step, &Owner::Session(session.clone(), None));
        self.decide(step, arbiter::Input::Gone { session });
        step.out.push(Effect::Release { agent: id });
        self.put_back(step, id);
        self.live(step, id, life::Event::Exited { expected, trouble });
        self.store_session(step, id);
        self.without_process(step, id);
    }
}

/// Whether a report shows that the agent has read the prompt before it.
fn shows_work(report: &Report) -> bool {
    match report {
        Report::Session { .. }
        | Report::SessionReset
        | Report::Delta { .. }
        | Report::Block { .. }
        | Report::ToolResult { .. }
        | Report::UserText { .. }
        | Report::Gate { .. }
        | Report::ToolDone { .. }
        | Report::Ask { .. }
        | Report::TurnEnded { .. }
        | Report::Retry { .. }
        | Report::Compacted { .. } => true,
        Report::Line { .. }
        | Report::Ready(_)
        | Report::Activity(_)
        | Report::Withdrawn { .. }
        | Report::Task { .. }
        | Report::Mode(_)
        | Report::Model(_)
        | Report::Title(_)
        | Report::Notice { .. }
        | Report::Unknown { .. }
        | Report::Exited { .. } => false,
    }
}

/// What a session has cost. The back end's figure is cumulative, but after a crash it goes on
/// from less than was paid already.
fn total_cost(known: f64, reported: Option<f64>, end: &TurnEnd) -> f64 {
    match reported {
        Some(before) => known + (end.cost_usd - before).max(0.0),
        None => known.max(end.cost_usd),
    }
}

/// What a person reads when an agent's process ended by itself.
fn last_words(code: Option<i32>, signal: Option<i32>, stderr: &str) -> String {
    let how = match (code, signal) {
        (_, Some(signal)) => format!("was ended by signal {signal}"),
        (Some(code), None) => format!("ended with exit code {code}"),
        (None, None) => "ended".to_owned(),
    };
    let tail = stderr.trim();
    if tail.is_empty() {
        return format!("the agent's process {how} and wrote nothing to stderr");
    }
    format!("the agent's process {how}; its last words on stderr:\n{tail}")
}
