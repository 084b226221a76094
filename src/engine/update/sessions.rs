//! Going on with stored sessions: one, or the whole bench.

use super::agents::shutting_down;
use crate::engine::command::Reply;
use crate::engine::effect::Effect;
use crate::engine::event::Event;
use crate::engine::fold::Fold;
use crate::engine::input::{Asker, Loaded, Resume};
use crate::engine::state::{Gathering, State, Step};
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::{AgentId, SessionId};
use crate::model::session::{BenchRow, SessionRow};
use crate::model::transcript::{Body, Item, Level, Speaker};

/// Bytes of a stored history that a new conversation is fed with.
const RETOLD_BYTES: usize = 48 * 1024;

impl State {
    pub(super) fn resume(
        &mut self,
        step: &mut Step,
        from: Asker,
        session: SessionId,
        how: Resume,
    ) -> Result<(), Failure> {
        self.check_history()?;
        if how == Resume::Continue {
            self.check_not_here(&session)?;
        }
        step.out.push(Effect::Load { from, session, how });
        Ok(())
    }

    pub(in crate::engine) fn loaded(
        &mut self,
        step: &mut Step,
        from: Asker,
        how: Resume,
        result: Result<Box<Loaded>, Failure>,
    ) {
        // Meanwhile the engine may have begun to end, or the session may have come by another way.
        let result = result.and_then(|loaded| {
            if self.closing {
                return Err(shutting_down());
            }
            if how == Resume::Continue {
                self.check_not_here(&loaded.row.id)?;
            }
            Ok(loaded)
        });
        let loaded = match result {
            // Whoever resumes it is there, even if nobody was when it began.
            Ok(loaded) => {
                let mut loaded = *loaded;
                loaded.row.spec.unattended = false;
                loaded
            }
            Err(failure) => return self.answer_starter(step, from, Err(failure)),
        };
        let starter = Some(from);
        let id = match how {
            Resume::Continue => self.go_on(step, loaded, starter),
            Resume::Fork => self.branch_off(step, loaded, starter),
            Resume::FromHistory => self.retell(step, loaded, starter),
        };
        self.show(step, id);
        // Who watches has not seen what was said before; an agent begins with an empty transcript.
        if let Some(agent) = self.agents.get(&id) {
            let (items, more_before) = agent.fold.items();
            step.publish(Event::TranscriptReset { agent: id, items, more_before });
        }
    }

    fn go_on(&mut self, step: &mut Step, loaded: Loaded, starter: Option<Asker>) -> AgentId {
        let Loaded { mut row, items, more_before, last_item, waiting } = loaded;
        row.agent = self.name_like(&row.agent);
        let fold = Fold::resumed(items, more_before, last_item);
        let id = self.add_agent(step, row, fold, starter);
        self.queue_again(step, id, waiting);
        id
    }

    fn branch_off(&mut self, step: &mut Step, loaded: Loaded, starter: Option<Asker>) -> AgentId {
        let Loaded { row, items, .. } = loaded;
        let has_conversation = row.backend_session_id.is_some();
        let row = self.successor(step, row);
        let fold = self.copied(step, &row, items);
        let id = self.add_agent(step, row, fold, starter);
        if let Some(agent) = self.agents.get_mut(&id) {
            agent.fork = has_conversation;
        }
        id
    }

    /// A new conversation that is told what the former one said.
    fn retell(&mut self, step: &mut Step, loaded: Loaded, starter: Option<Asker>) -> AgentId {
        let Loaded { row, items, .. } = loaded;
        let story = retold(&items);
        let row = SessionRow { backend_session_id: None, ..self.successor(step, row) };
        let fold = self.copied(step, &row, items);
        let id = self.add_agent(step, row, fold, starter);
        self.enqueue(step, id, story);
        id
    }

    /// The row of a session that comes out of another one.
    fn successor(&mut self, step: &Step, row: SessionRow) -> SessionRow {
        let id = self.ids.session(step.now.wall.0);
        SessionRow {
            forked_from: Some(row.id),
            id,
            agent: self.name_like(&row.agent),
            started_at: step.now.wall,
            updated_at: step.now.wall,
            ..row
        }
    }

    /// The end of the former transcript, stored as the beginning of the new one.
    fn copied(&self, step: &mut Step, row: &SessionRow, items: Vec<Item>) -> Fold {
        for item in &items {
            let (session, item) = (row.id.clone(), Box::new(item.clone()));
            step.store(crate::history::record::Record::Item { session, item });
        }
        Fold::resumed(items, false, 0)
    }

    pub(in crate::engine) fn bench_loaded(
        &mut self,
        step: &mut Step,
        from: Asker,
        result: Result<Option<BenchRow>, Failure>,
    ) {
        let failure = match result {
            Err(failure) => failure,
            Ok(_) if self.closing => shutting_down(),
            Ok(None) => Failure::new(FailureKind::Failed, "no bench is stored for this workspace")
                .hint("start agents; the bench is stored as you go"),
            Ok(Some(bench)) => return self.resume_bench(step, from, bench),
        };
        step.out.push(Effect::Reply { to: from, reply: Reply::Failed(failure) });
    }

    fn resume_bench(&mut self, step: &mut Step, from: Asker, bench: BenchRow) {
        if !bench.layout.is_null() {
            self.layout = Some(bench.layout.clone());
            step.publish(Event::LayoutSaved { layout: bench.layout });
        }
        let open = |id: &SessionId| self.agents.values().any(|agent| agent.row.id == *id);
        let wanted: Vec<_> = bench.sessions.into_iter().filter(|id| !open(id)).collect();
        if wanted.is_empty() {
            let reply = Reply::Resumed { agents: Vec::new(), failures: Vec::new() };
            return step.out.push(Effect::Reply { to: from, reply });
        }
        self.gathering.insert(from, Gathering { left: wanted.len(), ..Gathering::default() });
        for session in wanted {
            step.out.push(Effect::Load { from, session, how: Resume::Continue });
        }
    }

    /// Answers who wanted an agent, or one of the agents of a bench, to start.
    pub(super) fn answer_starter(
        &mut self,
        step: &mut Step,
        to: Asker,
        result: Result<AgentId, Failure>,
    ) {
        let Some(gathering) = self.gathering.get_mut(&to) else {
            return step.out.push(match result {
                Ok(agent) => Effect::ReplyStored { to, reply: Reply::Agent(agent) },
                Err(failure) => Effect::Reply { to, reply: Reply::Failed(failure) },
            });
        };
        match result {
            Ok(agent) => gathering.agents.push(agent),
            Err(failure) => gathering.failures.push(failure),
        }
        gathering.left -= 1;
        if gathering.left == 0
            && let Some(Gathering { agents, failures, .. }) = self.gathering.remove(&to)
        {
            let reply = Reply::Resumed { agents, failures };
            step.out.push(Effect::ReplyStored { to, reply });
        }
    }

    /// A session goes on in one agent at a time.
    fn check_not_here(&self, session: &SessionId) -> Result<(), Failure> {
        let Some(open) = self.agents.values().find(|agent| agent.row.id == *session) else {
            return Ok(());
        };
        let text = format!("that session is open here, as {}", open.info.name);
        Err(Failure::new(FailureKind::Failed, text).hint("go to its pane"))
    }

    /// Nothing new begins while nothing can be recorded.
    pub(super) fn check_history(&self) -> Result<(), Failure> {
        self.trouble.clone().map_or(Ok(()), Err)
    }

    pub(in crate::engine) fn health(&mut self, step: &mut Step, health: Result<u64, Failure>) {
        let (level, text) = match &health {
            Err(failure) => (Level::Error, failure.to_string()),
            Ok(0) => (Level::Info, "the history can be written again".to_owned()),
            Ok(lost) => {
                let text = format!("the history can be written again; {lost} records are lost");
                (Level::Error, text)
            }
        };
        step.publish(Event::Noticed { level, text });
        self.trouble = health.err();
    }
}

/// What was said, as one prompt. The newest words count most, so the oldest are left out first.
fn retold(items: &[Item]) -> String {
    let mut pieces = Vec::new();
    let mut bytes = 0;
    let mut cut = false;
    for item in items.iter().rev().filter(|item| item.sub.is_none()) {
        let piece = match &item.body {
            Body::Prompt { text, from: Speaker::Person } => format!("Person: {text}"),
            Body::Text { text } => format!("You: {text}"),
            Body::Tool(tool) => {
                let path = tool.input.get("file_path").or_else(|| tool.input.get("command"));
                let what = path.and_then(|value| value.as_str()).unwrap_or_default();
                format!("(you used {} {what})", tool.name)
            }
            Body::Prompt { .. }
            | Body::Thinking { .. }
            | Body::Todo { .. }
            | Body::Notice { .. }
            | Body::TurnEnd(_)
            | Body::Raw { .. } => continue,
        };
        let left = RETOLD_BYTES - bytes;
        if piece.len() > left {
            cut = true;
            if pieces.is_empty() {
                // The end of the newest words is better than none.
                pieces.push(piece[piece.ceil_char_boundary(piece.len() - left)..].to_owned());
            }
            break;
        }
        bytes += piece.len();
        pieces.push(piece);
    }
    pieces.reverse();
    let left_out = if cut { "\n(The beginning is left out.)" } else { "" };
    format!(
        "This goes on with an earlier conversation whose own record is gone. What was said:\
         {left_out}\n\n{}\n\nFiles may have changed since: read before you write. Say in two \
         sentences where we stand, and wait.",
        pieces.join("\n\n")
    )
}
