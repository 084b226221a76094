//! Asks: what waits for the person, and what its answer does.

use serde_json::Value;

use super::writes::{Purpose, Yes};
use crate::agent::{AskVerdict, Order};
use crate::arbiter;
use crate::arbiter::claim::Claim;
use crate::engine::command::Reply;
use crate::engine::effect::Effect;
use crate::engine::event::Event;
use crate::engine::input::Asker;
use crate::engine::state::{State, Step};
use crate::git::ask::{Wish, Word, withdrawn};
use crate::history::record::Record;
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::{AgentId, AskId, CallId, OpId, RequestId, SubId};
use crate::model::lease::Owner;
use crate::model::permission::{Ask, AskAnswer, AskKind, AskOutcome, DENIAL, Question, Suggestion};
use crate::model::time::Mono;
use crate::model::transcript::ToolStatus;
use crate::supervisor::life;

/// An ask that waits.
#[derive(Debug)]
pub(in crate::engine) struct OpenAsk {
    pub(in crate::engine) ask: Ask,
    behind: Behind,
    /// Whether a yes is being checked by the arbiter.
    answered: bool,
}

/// Who waits for the answer.
#[derive(Debug)]
pub(super) enum Behind {
    /// The back end of the agent.
    BackEnd(RequestId),
    /// A git of the agent.
    Git {
        /// Who waits with it.
        to: Asker,
        /// What it wants.
        wish: Wish,
        /// When it is too late.
        until: Mono,
    },
}

impl OpenAsk {
    /// The back end's name for the ask, if it is one of the back end.
    fn request(&self) -> Option<&RequestId> {
        match &self.behind {
            Behind::BackEnd(request) => Some(request),
            Behind::Git { .. } => None,
        }
    }

    /// Whose git asks, who waits with it, and for what, if it is an ask of a git.
    pub(super) fn behind_git(&self) -> Option<(AgentId, Asker, Wish)> {
        match &self.behind {
            Behind::BackEnd(_) => None,
            Behind::Git { to, wish, .. } => Some((self.ask.agent, *to, wish.clone())),
        }
    }

    /// When it is withdrawn, if it does not wait for ever.
    pub(in crate::engine) fn until(&self) -> Option<Mono> {
        match self.behind {
            Behind::BackEnd(_) => None,
            Behind::Git { until, .. } => Some(until),
        }
    }
}

/// What a back end wants to know.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) request: RequestId,
    pub(super) call: Option<CallId>,
    pub(super) sub: Option<SubId>,
    pub(super) tool: String,
    pub(super) input: Value,
    pub(super) reason: Option<String>,
}

impl State {
    pub(super) fn open_ask(
        &mut self,
        step: &mut Step,
        id: AgentId,
        wanted: Wanted,
        suggestions: Vec<Value>,
    ) {
        self.last_ask += 1;
        let kind = self.ask_kind(id, &wanted);
        let ask = Ask {
            id: AskId(self.last_ask),
            agent: id,
            sub: wanted.sub,
            call: wanted.call.clone(),
            kind,
            tool: wanted.tool,
            input: wanted.input,
            suggestions: suggestions.into_iter().map(suggestion).collect(),
            reason: wanted.reason,
            at: step.now.wall,
        };
        if let Some(op) = self.op_of(id, ask.call.as_ref()) {
            self.decide(step, arbiter::Input::Asked { op });
        }
        self.put_ask(step, ask, Behind::BackEnd(wanted.request));
    }

    /// Puts an ask before the person.
    pub(super) fn put_ask(&mut self, step: &mut Step, ask: Ask, behind: Behind) {
        let id = ask.agent;
        let Some(agent) = self.agents.get_mut(&id) else { return };
        let session = agent.session();
        let changes = match &ask.call {
            Some(call) => agent.fold.tool_status(call, ToolStatus::Asking),
            None => Vec::new(),
        };
        self.tell_changes(step, id, changes);
        step.store(Record::Asked { session, ask: Box::new(ask.clone()) });
        step.publish(Event::AskOpened { ask: Box::new(ask.clone()) });
        let open = OpenAsk { ask, behind, answered: false };
        self.asks.insert(open.ask.id, open);
        self.live(step, id, life::Event::AskOpened);
    }

    /// What kind of answer is wanted. A plan may stand in the call only, not in the ask.
    fn ask_kind(&self, id: AgentId, wanted: &Wanted) -> AskKind {
        let kind = kind_of(&wanted.tool, &wanted.input);
        if kind != AskKind::Plan(String::new()) {
            return kind;
        }
        let call = wanted.call.as_ref();
        let tool = call.and_then(|call| self.agents.get(&id)?.fold.tool_input(call));
        tool.map_or(kind, |tool| kind_of(&tool.name, &tool.input))
    }

    pub(super) fn answer_ask(
        &mut self,
        step: &mut Step,
        id: AskId,
        answer: AskAnswer,
    ) -> Result<(), Failure> {
        let Some(open) = self.asks.get_mut(&id).filter(|open| !open.answered) else {
            return Err(Failure::new(FailureKind::Failed, "that question is closed already"));
        };
        let Some(request) = open.request().cloned() else {
            return self.answer_git(step, id, answer);
        };
        let agent = open.ask.agent;
        match answer.clone() {
            AskAnswer::Deny { reason, interrupt } => {
                let message = denial(&reason);
                let verdict = AskVerdict::Deny { message, interrupt };
                self.withdraw_op(step, id);
                self.reply_ask(step, agent, request, verdict);
                self.close_ask(step, id, AskOutcome::Denied, Some(answer));
                Ok(())
            }
            AskAnswer::Answers(labels) => {
                let input = answered_input(&open.ask, &labels)?;
                let verdict = AskVerdict::Allow { input, permissions: Vec::new() };
                self.reply_ask(step, agent, request, verdict);
                self.close_ask(step, id, AskOutcome::Answered, Some(answer));
                Ok(())
            }
            AskAnswer::AllowOnce { input } => {
                if matches!(open.ask.kind, AskKind::Questions(_)) {
                    return Err(Failure::new(FailureKind::Usage, "questions want answers")
                        .hint("choose an option for each"));
                }
                self.allow(step, id, input, Vec::new(), AskOutcome::Allowed, answer);
                Ok(())
            }
            AskAnswer::AllowAlways { suggestion } => {
                let permissions = chosen(&open.ask.suggestions, suggestion)?;
                self.allow(step, id, None, permissions, AskOutcome::AllowedAlways, answer);
                Ok(())
            }
        }
    }

    /// A yes. If a write is behind it, the arbiter checks once more before the tool hears it.
    fn allow(
        &mut self,
        step: &mut Step,
        id: AskId,
        changed: Option<Value>,
        permissions: Vec<Value>,
        outcome: AskOutcome,
        answer: AskAnswer,
    ) {
        let Some(open) = self.asks.get_mut(&id) else { return };
        let Some(request) = open.request().cloned() else { return };
        let agent = open.ask.agent;
        let edited = changed.is_some();
        let input = changed.unwrap_or_else(|| open.ask.input.clone());
        let call = open.ask.call.clone();
        let tool = open.ask.tool.clone();
        open.answered = true;
        let op = self.op_of(agent, call.as_ref());
        let yes = Yes { ask: id, request, input, permissions, outcome, answer };
        if edited && self.setup.arbitrate {
            return self.allow_edited(step, agent, op, call, &tool, yes);
        }
        let Some(op) = op else { return self.say_yes(step, agent, call.as_ref(), yes) };
        if let Some(found) = self.ops.get_mut(&op)
            && let Purpose::Gate { ask, .. } = &mut found.purpose
        {
            *ask = Some(yes);
        }
        self.decide(step, arbiter::Input::Answered { op });
    }

    /// The person changed what the tool is to do: if that writes, it is another request.
    fn allow_edited(
        &mut self,
        step: &mut Step,
        agent: AgentId,
        op: Option<OpId>,
        call: Option<CallId>,
        tool: &str,
        yes: Yes,
    ) {
        let old = op.and_then(|op| self.ops.remove(&op));
        if let Some(op) = op {
            self.decide(step, arbiter::Input::Withdrawn { op });
        }
        let (raw, proposal) = match (Claim::of(tool, &yes.input), &old) {
            (Claim::Write { raw_path, proposal }, _) => (raw_path, proposal),
            // Whatever it is now, it is checked as the write that it was.
            (_, Some(old)) => (old.raw.clone(), arbiter::Proposal::Opaque),
            (Claim::Malformed(reason), None) => {
                let text = format!("NOT RUN: {reason}. Correct the call and send it again.");
                return self.deny_yes(step, agent, yes, text);
            }
            (Claim::Shell { .. } | Claim::Read { .. } | Claim::None, None) => {
                return self.say_yes(step, agent, call.as_ref(), yes);
            }
        };
        let (Some(call), Some(found)) = (call, self.agents.get(&agent)) else {
            let text = "NOT WRITTEN (failed): nobody knows which call this is. Nothing was \
                        changed. Send the call again."
                .to_owned();
            return self.deny_yes(step, agent, yes, text);
        };
        let (cwd, sub) = (found.row.cwd.clone(), self.asks.get(&yes.ask));
        let sub = sub.and_then(|open| open.ask.sub.clone());
        let owner = old.map_or_else(|| Owner::Session(found.session(), sub), |old| old.owner);
        let purpose = Purpose::Gate { agent, call: call.clone(), request: None, ask: Some(yes) };
        let new = self.new_op(owner, raw, proposal, tool, purpose);
        self.calls.insert((agent, call), new);
        self.resolve(step, new, cwd);
    }

    /// The person's yes reaches the tool.
    pub(super) fn say_yes(
        &mut self,
        step: &mut Step,
        agent: AgentId,
        call: Option<&CallId>,
        yes: Yes,
    ) {
        let Yes { ask, request, input, permissions, outcome, answer } = yes;
        self.reply_ask(step, agent, request, AskVerdict::Allow { input, permissions });
        if let (Some(call), Some(found)) = (call, self.agents.get_mut(&agent)) {
            let changes = found.fold.tool_status(call, ToolStatus::Running);
            self.tell_changes(step, agent, changes);
        }
        self.close_ask(step, ask, outcome, Some(answer));
    }

    /// The person's yes becomes a no, in words.
    pub(super) fn deny_yes(&mut self, step: &mut Step, agent: AgentId, yes: Yes, message: String) {
        let verdict = AskVerdict::Deny { message, interrupt: false };
        self.reply_ask(step, agent, yes.request, verdict);
        self.close_ask(step, yes.ask, AskOutcome::Refused, Some(yes.answer));
    }

    fn reply_ask(&self, step: &mut Step, agent: AgentId, request: RequestId, answer: AskVerdict) {
        step.out.push(Effect::Order { agent, order: Order::Ask { request, answer } });
    }

    fn withdraw_op(&mut self, step: &mut Step, ask: AskId) {
        let Some(open) = self.asks.get(&ask) else { return };
        let (agent, call) = (open.ask.agent, open.ask.call.clone());
        if let Some(op) = self.op_of(agent, call.as_ref()) {
            self.give_up(step, op);
        }
    }

    fn op_of(&self, agent: AgentId, call: Option<&CallId>) -> Option<OpId> {
        self.calls.get(&(agent, call?.clone())).copied()
    }

    /// Takes an ask off the list and tells everybody how it ended.
    pub(super) fn close_ask(
        &mut self,
        step: &mut Step,
        id: AskId,
        outcome: AskOutcome,
        answer: Option<AskAnswer>,
    ) {
        let Some(open) = self.asks.remove(&id) else { return };
        let agent = open.ask.agent;
        step.publish(Event::AskClosed { ask: id, outcome });
        if let Some(found) = self.agents.get(&agent) {
            let (session, at) = (found.session(), step.now.wall);
            let ask = Box::new(open.ask);
            step.store(Record::AskEnded { session, ask, at, outcome, answer });
        }
        self.live(step, agent, life::Event::AskClosed);
    }

    /// The back end needs no answer any more.
    pub(super) fn withdrawn(&mut self, step: &mut Step, id: AgentId, request: &RequestId) {
        let ask =
            self.asks.values().find(|open| open.ask.agent == id && open.request() == Some(request));
        if let Some(ask) = ask.map(|open| open.ask.id) {
            self.withdraw_op(step, ask);
            return self.close_ask(step, ask, AskOutcome::Withdrawn, None);
        }
        if self.shell_withdrawn(id, request) {
            return;
        }
        let waits = |purpose: &Purpose| {
            matches!(purpose, Purpose::Gate { agent, request: Some(waiting), .. }
                if *agent == id && waiting == request)
        };
        let op = self.ops.iter().find(|(_, op)| waits(&op.purpose));
        if let Some(op) = op.map(|(op, _)| *op) {
            self.give_up(step, op);
        }
    }

    /// An agent's process is gone, and with it whatever it asked.
    pub(super) fn close_asks_of(&mut self, step: &mut Step, id: AgentId) {
        let ids: Vec<_> = self
            .asks
            .values()
            .filter(|open| open.ask.agent == id)
            .map(|open| open.ask.id)
            .collect();
        for ask in ids {
            if let Some((_, to, wish)) = self.asks.get(&ask).and_then(OpenAsk::behind_git) {
                let word = Word::No(withdrawn(&wish.name));
                step.out.push(Effect::Reply { to, reply: Reply::GitTree(word) });
            }
            self.close_ask(step, ask, AskOutcome::Withdrawn, None);
        }
    }
}

fn kind_of(tool: &str, input: &Value) -> AskKind {
    match tool {
        "AskUserQuestion" => {
            let questions = input.get("questions").cloned().unwrap_or_default();
            match serde_json::from_value::<Vec<Question>>(questions) {
                Ok(questions) if !questions.is_empty() => AskKind::Questions(questions),
                _ => AskKind::Permission,
            }
        }
        "ExitPlanMode" => {
            let plan = input.get("plan").and_then(Value::as_str).unwrap_or_default();
            AskKind::Plan(plan.to_owned())
        }
        _ => AskKind::Permission,
    }
}

/// The label of what "always" would change, from the back end's words.
fn suggestion(raw: Value) -> Suggestion {
    let text = |key: &str| raw.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |key: &str| raw.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let label = match text("type").as_str() {
        "addRules" | "replaceRules" => {
            let rules = list("rules").iter().map(rule).collect::<Vec<_>>().join(", ");
            format!("{} {rules}", text("behavior"))
        }
        "setMode" => format!("mode {}", text("mode")),
        "addDirectories" => {
            let folders = list("directories");
            let names: Vec<_> = folders.iter().filter_map(Value::as_str).collect();
            format!("folder {}", names.join(", "))
        }
        other => other.to_owned(),
    };
    let label = match text("destination").as_str() {
        "" => label,
        "session" => format!("{label} (this session)"),
        "localSettings" => format!("{label} (this project, for you)"),
        "projectSettings" => format!("{label} (this project, for all)"),
        "userSettings" => format!("{label} (everywhere)"),
        other => format!("{label} ({other})"),
    };
    Suggestion { label, raw }
}

fn rule(raw: &Value) -> String {
    let tool = raw.get("toolName").and_then(Value::as_str).unwrap_or("?");
    match raw.get("ruleContent").and_then(Value::as_str) {
        Some(content) => format!("{tool}({content})"),
        None => tool.to_owned(),
    }
}

fn chosen(suggestions: &[Suggestion], which: Option<usize>) -> Result<Vec<Value>, Failure> {
    match which {
        None if suggestions.is_empty() => Err(nothing_to_add()),
        None => Ok(suggestions.iter().take(1).map(|one| one.raw.clone()).collect()),
        Some(index) => match suggestions.get(index) {
            Some(one) => Ok(vec![one.raw.clone()]),
            None => Err(nothing_to_add()),
        },
    }
}

fn nothing_to_add() -> Failure {
    Failure::new(FailureKind::Usage, "the agent suggests no such rule")
        .hint("allow it once, or deny it")
}

fn denial(reason: &str) -> String {
    match reason.trim() {
        "" => format!("{DENIAL}. Ask what to do instead."),
        reason => format!("{DENIAL}: {reason}"),
    }
}

/// The input of an `AskUserQuestion` with the answers in it, as Claude Code reads them.
fn answered_input(ask: &Ask, labels: &[String]) -> Result<Value, Failure> {
    let AskKind::Questions(questions) = &ask.kind else {
        return Err(
            Failure::new(FailureKind::Usage, "that ask has no questions").hint("allow or deny it")
        );
    };
    if labels.len() != questions.len() {
        let text = format!("{} questions want {} answers", questions.len(), questions.len());
        return Err(Failure::new(FailureKind::Usage, text));
    }
    let answers: serde_json::Map<String, Value> = questions
        .iter()
        .zip(labels)
        .map(|(question, label)| (question.question.clone(), Value::from(label.clone())))
        .collect();
    let mut input = ask.input.clone();
    if let Some(fields) = input.as_object_mut() {
        fields.insert("answers".to_owned(), Value::Object(answers));
    }
    Ok(input)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn suggestions_read_as_the_rules_that_they_add() {
        let label = |raw: Value| suggestion(raw).label;
        let rules = json!([{"toolName": "Bash", "ruleContent": "touch x"}]);
        assert_eq!(
            label(json!({"type": "addRules", "rules": rules, "behavior": "allow",
                         "destination": "localSettings"})),
            "allow Bash(touch x) (this project, for you)"
        );
        assert_eq!(
            label(json!({"type": "setMode", "mode": "acceptEdits", "destination": "session"})),
            "mode acceptEdits (this session)"
        );
    }

    #[test]
    fn always_takes_the_first_suggestion_and_refuses_where_there_is_none() {
        assert!(chosen(&[], None).is_err());
        let one = suggestion(json!({"type": "setMode", "mode": "plan"}));
        assert_eq!(chosen(std::slice::from_ref(&one), None).ok(), Some(vec![one.raw.clone()]));
        assert!(chosen(&[one], Some(1)).is_err());
    }

    #[test]
    fn answers_stand_under_their_questions() {
        let input = json!({"questions": [{"question": "Which?", "options": [{"label": "Red"}]}]});
        let ask = Ask {
            id: AskId(1),
            agent: AgentId(1),
            sub: None,
            call: None,
            tool: "AskUserQuestion".to_owned(),
            kind: kind_of("AskUserQuestion", &input),
            input,
            suggestions: Vec::new(),
            reason: None,
            at: crate::model::time::Wall(0),
        };
        let answered = answered_input(&ask, &["Red".to_owned()]).expect("one answer");
        assert_eq!(answered["answers"]["Which?"], "Red");
        assert!(answered_input(&ask, &[]).is_err());
    }
}
