//! Agents: starting, prompting, interrupting, stopping, removing.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::prompts::title_of;
use crate::agent::{Launch, Order};
use crate::arbiter;
use crate::engine::effect::Effect;
use crate::engine::event::Event;
use crate::engine::fold::Fold;
use crate::engine::input::Asker;
use crate::engine::state::{Agent, State, Step};
use crate::history::record::Process;
use crate::model::agent::{AgentInfo, AgentSpec, AgentState, Backend, GuardLevel, GuardWish};
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::{AgentId, SessionId};
use crate::model::lease::Owner;
use crate::model::permission::PermissionMode;
use crate::model::session::SessionRow;
use crate::model::transcript::Level;
use crate::model::usage::Usage;
use crate::supervisor::life::{self, Life, Limits};

/// Names for agents that get none, in this order.
const NAMES: [&str; 16] = [
    "blue", "red", "green", "amber", "violet", "teal", "rose", "lime", "coral", "slate", "gold",
    "mint", "plum", "rust", "sky", "moss",
];

impl State {
    pub(in crate::engine) fn agent(&self, id: AgentId) -> Result<&Agent, Failure> {
        self.agents.get(&id).ok_or_else(|| no_agent(id))
    }

    pub(super) fn agent_mut(&mut self, id: AgentId) -> Result<&mut Agent, Failure> {
        self.agents.get_mut(&id).ok_or_else(|| no_agent(id))
    }

    pub(super) fn start_agent(
        &mut self,
        step: &mut Step,
        from: Asker,
        mut spec: AgentSpec,
    ) -> Result<(), Failure> {
        self.check_history()?;
        if let Some(settings) = &self.setup.settings {
            spec = settings.complete(spec);
            let most = settings.limits.agents;
            if most > 0 && self.agents.len() >= most {
                let text = format!("{most} agents are on the bench already");
                return Err(Failure::new(FailureKind::Failed, text)
                    .hint("remove one first, or set `limits.agents`"));
            }
        }
        if spec.name.is_empty() {
            spec.name = self.free_name();
        }
        self.check_name(&spec.name)?;
        let session = self.ids.session(step.now.wall.0);
        let title = spec.prompt.as_deref().map(title_of).unwrap_or_default();
        let row = SessionRow {
            id: session,
            backend_session_id: None,
            title,
            workspace: self.setup.workspace.root.clone(),
            cwd: self.cwd_of(&spec),
            branch: self.setup.workspace.branch.clone(),
            backend: spec.backend,
            agent: spec.name.clone(),
            started_at: step.now.wall,
            updated_at: step.now.wall,
            turns: 0,
            messages: 0,
            usage: Usage::default(),
            last_state: String::new(),
            forked_from: None,
            spec: AgentSpec { prompt: None, ..spec.clone() },
        };
        let prompt = spec.prompt.take();
        let id = self.add_agent(step, row, Fold::default(), Some(from));
        if let Some(text) = prompt {
            self.enqueue(step, id, text);
        }
        self.show(step, id);
        Ok(())
    }

    /// Puts an agent on the bench and claims its session; its process starts once that is done.
    pub(super) fn add_agent(
        &mut self,
        step: &mut Step,
        row: SessionRow,
        fold: Fold,
        starter: Option<Asker>,
    ) -> AgentId {
        self.last_agent += 1;
        let id = AgentId(self.last_agent);
        let info = AgentInfo {
            id,
            name: row.agent.clone(),
            session_id: row.id.clone(),
            backend_session_id: row.backend_session_id.clone(),
            backend: row.backend,
            state: AgentState::Starting,
            model: row.spec.model.clone(),
            permission_mode: row.spec.permission_mode,
            guard: self.setup.workspace.guard,
            usage: row.usage,
            holds: Vec::new(),
            waits_for: None,
            pid: None,
            title: row.title.clone(),
            queue: Vec::new(),
            activity: None,
            background: Vec::new(),
            commands: Arc::from([]),
            models: Arc::from([]),
            trouble: None,
        };
        let session = row.id.clone();
        let (name, task) = (row.agent.clone(), row.title.clone());
        let agent = Agent {
            info,
            spec: row.spec.clone(),
            row,
            fold,
            own_title: false,
            holds: BTreeSet::new(),
            holds_moved: false,
            last_command: String::new(),
            process: None,
            life: Life::new(Limits::default()),
            run: 0,
            tells: Vec::new(),
            next_prompt: 0,
            background: std::collections::BTreeMap::new(),
            starter,
            opened: false,
            sent: None,
            leaving: false,
            reported_usd: None,
            wake: None,
            fork: false,
            shown: None,
        };
        self.agents.insert(id, agent);
        self.decide(step, arbiter::Input::Named { session: session.clone(), name, task });
        step.out.push(Effect::OpenSession { agent: id, session });
        id
    }

    pub(in crate::engine) fn session_opened(
        &mut self,
        step: &mut Step,
        id: AgentId,
        session: SessionId,
        result: Result<(), Failure>,
    ) {
        let agent = self.agents.get_mut(&id).filter(|agent| agent.row.id == session);
        let Some(agent) = agent else {
            // Whom it was opened for is off the bench, or in another conversation.
            if result.is_ok() {
                step.out.push(Effect::CloseSession { session });
            }
            return;
        };
        let running = agent.life.lives();
        match result {
            Ok(()) => {
                agent.opened = true;
                if self.closing && !running {
                    return self.drop_unstarted(step, id, shutting_down());
                }
                self.store_session(step, id);
                self.store_bench(step);
                if !running {
                    self.live(step, id, life::Event::RestartWanted);
                }
            }
            Err(failure) if running => {
                step.publish(Event::Noticed { level: Level::Error, text: failure.to_string() });
            }
            Err(failure) => self.drop_unstarted(step, id, failure),
        }
    }

    /// Lets other engines have an agent's session, if this one opened it for that agent.
    pub(super) fn close_session(&mut self, step: &mut Step, id: AgentId) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        if std::mem::take(&mut agent.opened) {
            step.out.push(Effect::CloseSession { session: agent.row.id.clone() });
        }
    }

    /// Starts an agent's process.
    fn spawn(&mut self, step: &mut Step, id: AgentId) {
        let ready =
            self.agent(id).and_then(|agent| Ok((self.launch(agent)?, self.guard_of(agent)?)));
        let (launch, guard) = match ready {
            Ok(ready) => ready,
            Err(failure) => return self.drop_unstarted(step, id, failure),
        };
        self.last_run += 1;
        let run = self.last_run;
        let Some(agent) = self.agents.get_mut(&id) else { return };
        agent.run = run;
        agent.reported_usd = None;
        agent.info.guard = guard;
        let backend = agent.row.backend;
        let owner = Owner::Session(agent.session(), None);
        let guarded = (guard == GuardLevel::Enforced).then_some(owner);
        step.out.push(Effect::Spawn { agent: id, run, backend, guarded, launch: Box::new(launch) });
        self.show(step, id);
    }

    /// How far an agent will be guarded, or why it cannot be as it must.
    fn guard_of(&self, agent: &Agent) -> Result<GuardLevel, Failure> {
        let level = self.setup.workspace.guard;
        match agent.spec.guard {
            GuardWish::Off => Ok(GuardLevel::Advisory),
            GuardWish::Require if level == GuardLevel::Advisory => {
                let text = format!(
                    "the kernel's guard is required for {} and cannot be had: {}",
                    agent.info.name, self.setup.no_guard
                );
                Err(Failure::new(FailureKind::AgentStart, text)
                    .hint("`agent.guard = \"auto\"` starts it with edit tools gated only"))
            }
            GuardWish::Auto | GuardWish::Require => Ok(level),
        }
    }

    fn launch(&self, agent: &Agent) -> Result<Launch, Failure> {
        let spec = &agent.spec;
        let program = match (agent.row.backend, spec.command.as_slice()) {
            (Backend::Claude, []) if self.setup.claude.is_empty() => {
                return Err(Failure::new(FailureKind::AgentStart, "Claude Code is not installed")
                    .hint("`benchdog install claude` installs it, or set `claude.command`"));
            }
            (Backend::Claude, []) => self.setup.claude.clone(),
            (Backend::Script, []) => self.setup.script.clone(),
            (Backend::Script, [script]) if script.ends_with(".toml") => {
                let mut program = self.setup.script.clone();
                program.push(script.clone());
                program
            }
            (_, command) => command.to_vec(),
        };
        let mut env = spec.env.clone();
        if let Some(path) = &self.setup.path {
            env.entry("PATH".to_owned()).or_insert_with(|| path.clone());
        }
        Ok(Launch {
            program,
            cwd: agent.row.cwd.clone().into(),
            env,
            model: agent.info.model.clone().or_else(|| spec.model.clone()),
            mode: agent.info.permission_mode,
            allowed_tools: spec.allowed_tools.clone(),
            disallowed_tools: spec.disallowed_tools.clone(),
            max_turns: spec.max_turns,
            max_budget_usd: spec.max_budget_usd,
            resume: agent.info.backend_session_id.clone(),
            fork: agent.fork,
            system_appendix: self.setup.appendix.clone(),
        })
    }

    pub(in crate::engine) fn spawned(
        &mut self,
        step: &mut Step,
        id: AgentId,
        run: u64,
        result: Result<Option<Process>, Failure>,
    ) {
        let Some(agent) = self.agents.get_mut(&id).filter(|agent| agent.run == run) else { return };
        match result {
            Ok(process) => {
                // It may have ended already.
                let process = process.filter(|_| agent.life.lives());
                agent.info.pid = process.as_ref().map(|process| process.pid);
                agent.process = process;
                if let Some(to) = agent.starter.take() {
                    self.answer_starter(step, to, Ok(id));
                }
                self.show(step, id);
            }
            Err(failure) if agent.starter.is_some() => self.drop_unstarted(step, id, failure),
            Err(failure) => {
                let trouble = failure.to_string();
                self.live(step, id, life::Event::Exited { expected: false, trouble });
                self.without_process(step, id);
            }
        }
    }

    /// An order is lost, perhaps a verdict that a tool waits for: such an agent cannot go on.
    pub(in crate::engine) fn order_failed(&mut self, step: &mut Step, id: AgentId, run: u64) {
        let Some(agent) = self.agents.get_mut(&id).filter(|agent| agent.run == run) else { return };
        if agent.life.stop_wanted() {
            return;
        }
        let text = "the agent does not read what it is told, so it is stopped; start it again to \
                    go on"
            .to_owned();
        let changes = agent.fold.notice(step.now.wall, Level::Error, text);
        self.tell_changes(step, id, changes);
        self.live(step, id, life::Event::StopWanted);
    }

    /// Takes an agent off the bench that never ran, and says why. Its session is left alone if it
    /// was not opened here: another agent, or another engine, may be working in it.
    pub(super) fn drop_unstarted(&mut self, step: &mut Step, id: AgentId, failure: Failure) {
        let opened = self.agents.get(&id).is_some_and(|agent| agent.opened);
        self.close_session(step, id);
        let Some(agent) = self.agents.remove(&id) else { return };
        if opened {
            self.decide(step, arbiter::Input::Gone { session: agent.row.id });
        }
        if agent.shown.is_some() {
            step.publish(Event::AgentRemoved { agent: id });
        }
        match agent.starter {
            Some(to) => self.answer_starter(step, to, Err(failure)),
            None => {
                let text = failure.to_string();
                step.publish(Event::Noticed { level: Level::Error, text });
            }
        }
        self.end_if_done(step);
    }

    /// What follows once an agent has no process any more.
    pub(super) fn without_process(&mut self, step: &mut Step, id: AgentId) {
        let Some(agent) = self.agents.get(&id) else { return };
        if agent.leaving {
            self.take_off(step, id);
        } else if self.closing {
            self.close_session(step, id);
        }
        self.end_if_done(step);
    }

    pub(super) fn interrupt(&mut self, step: &mut Step, id: AgentId) -> Result<(), Failure> {
        let agent = self.agent(id)?;
        if !agent.life.in_turn() && agent.background.is_empty() {
            let text = format!("{} is not working", agent.info.name);
            return Err(Failure::new(FailureKind::Failed, text));
        }
        step.out.push(Effect::Order { agent: id, order: Order::Interrupt });
        Ok(())
    }

    pub(super) fn stop(&mut self, step: &mut Step, id: AgentId) -> Result<(), Failure> {
        let agent = self.agent(id)?;
        if !agent.life.lives() {
            let text = format!("{} is not running", agent.info.name);
            return Err(Failure::new(FailureKind::Failed, text));
        }
        self.live(step, id, life::Event::StopWanted);
        self.show(step, id);
        Ok(())
    }

    pub(super) fn restart(&mut self, step: &mut Step, id: AgentId) -> Result<(), Failure> {
        if self.agent(id)?.leaving {
            return Err(Failure::new(FailureKind::Failed, "that agent is being removed"));
        }
        self.live(step, id, life::Event::RestartWanted);
        Ok(())
    }

    pub(super) fn remove(&mut self, step: &mut Step, id: AgentId) -> Result<(), Failure> {
        let agent = self.agent_mut(id)?;
        agent.leaving = true;
        if agent.life.lives() {
            return self.stop(step, id);
        }
        self.take_off(step, id);
        Ok(())
    }

    /// Takes an agent without a process off the bench.
    pub(super) fn take_off(&mut self, step: &mut Step, id: AgentId) {
        if self.agents.get(&id).is_some_and(|agent| agent.opened) {
            self.store_session(step, id);
        }
        self.close_session(step, id);
        let Some(agent) = self.agents.remove(&id) else { return };
        self.names.insert(agent.row.id, agent.info.name);
        step.publish(Event::AgentRemoved { agent: id });
        if let Some(to) = agent.starter {
            let text = "the agent was removed before it had started";
            self.answer_starter(step, to, Err(Failure::new(FailureKind::Failed, text)));
        }
        self.store_bench(step);
    }

    pub(super) fn set_mode(
        &mut self,
        step: &mut Step,
        id: AgentId,
        mode: PermissionMode,
    ) -> Result<(), Failure> {
        let agent = self.agent_mut(id)?;
        if mode == PermissionMode::BypassPermissions
            && agent.spec.permission_mode != PermissionMode::BypassPermissions
        {
            let text = format!("{} was not started with bypassPermissions", agent.info.name);
            return Err(
                Failure::new(FailureKind::NeedsPerson, text).hint("start a new agent in that mode")
            );
        }
        if agent.life.lives() {
            step.out.push(Effect::Order { agent: id, order: Order::Mode(mode) });
        }
        // Shown at once: a front end that cycles through the modes needs the next one now. If the
        // agent says no, its report puts it right.
        agent.info.permission_mode = mode;
        self.show(step, id);
        Ok(())
    }

    pub(super) fn set_model(
        &mut self,
        step: &mut Step,
        id: AgentId,
        model: String,
    ) -> Result<(), Failure> {
        let agent = self.agent_mut(id)?;
        agent.info.model = Some(model.clone());
        if agent.life.lives() {
            step.out.push(Effect::Order { agent: id, order: Order::Model(model) });
        }
        self.show(step, id);
        Ok(())
    }

    pub(super) fn mark_seen(&mut self, step: &mut Step, id: AgentId) -> Result<(), Failure> {
        self.agent(id)?;
        self.live(step, id, life::Event::Seen);
        self.show(step, id);
        Ok(())
    }

    /// Tells an agent's life what happened and does what follows from it.
    pub(super) fn live(&mut self, step: &mut Step, id: AgentId, event: life::Event) {
        let Some(agent) = self.agents.get_mut(&id) else { return };
        for effect in agent.life.update(step.now.mono, event) {
            match effect {
                life::Effect::Start => self.spawn(step, id),
                // The driver's own way leads from politeness to force; asking twice hurts nobody.
                life::Effect::Stop | life::Effect::Kill => {
                    step.out.push(Effect::Order { agent: id, order: Order::Stop });
                }
                life::Effect::SendNext => self.send_next(step, id),
                // Published below, with everything else that changed about the agent.
                life::Effect::Changed(_) => {}
                life::Effect::WakeAt(at) => {
                    if let Some(agent) = self.agents.get_mut(&id) {
                        agent.wake = Some(at);
                    }
                }
            }
        }
        self.show(step, id);
    }

    fn free_name(&self) -> String {
        let taken = |name: &str| self.agents.values().any(|agent| agent.info.name == name);
        let free = NAMES.into_iter().find(|name| !taken(name));
        free.map_or_else(|| format!("agent-{}", self.last_agent + 1), str::to_owned)
    }

    /// Accepts a name that no other agent has and that a command line can carry.
    pub(super) fn check_name(&self, name: &str) -> Result<(), Failure> {
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.chars().count() > 32 || !name.chars().all(plain) {
            let text = format!("`{name}` is no name for an agent");
            return Err(Failure::new(FailureKind::Usage, text)
                .hint("at most 32 letters, digits, `-`, `_` and `.`"));
        }
        if name == "user" || name == "you" || name == "external" {
            let text = format!("`{name}` is taken by the bench itself");
            return Err(Failure::new(FailureKind::Usage, text));
        }
        if self.agents.values().any(|agent| agent.info.name == name) {
            let text = format!("an agent called `{name}` is on the bench already");
            return Err(Failure::new(FailureKind::Usage, text).hint("choose another name"));
        }
        Ok(())
    }

    /// A free name that resembles `wanted`.
    pub(super) fn name_like(&self, wanted: &str) -> String {
        if self.check_name(wanted).is_ok() {
            return wanted.to_owned();
        }
        let numbered = (2..100).map(|n| format!("{wanted}-{n}"));
        numbered
            .into_iter()
            .find(|name| self.check_name(name).is_ok())
            .unwrap_or_else(|| self.free_name())
    }

    fn cwd_of(&self, spec: &AgentSpec) -> String {
        let root = &self.setup.workspace.root;
        match spec.cwd.as_deref() {
            None | Some("" | ".") => root.clone(),
            Some(below) if below.starts_with('/') => below.to_owned(),
            Some(below) => format!("{root}/{below}"),
        }
    }
}

impl Agent {
    /// The session's owner id for the arbiter.
    pub(super) fn session(&self) -> SessionId {
        self.row.id.clone()
    }
}

pub(super) fn shutting_down() -> Failure {
    Failure::new(FailureKind::Unreachable, "the engine is shutting down")
}

fn no_agent(id: AgentId) -> Failure {
    Failure::new(FailureKind::Failed, format!("there is no agent {id} on the bench"))
        .hint("`benchdog agents` lists them")
}
