//! Asks: what waits for the person, and what its answer does.

use serde_json::Value;

use super::writes::{Purpose, Yes};
use crate::agent::{AskVerdict, Order};
use crate::arbiter;
use crate::engine::effect::Effect;
use crate::engine::event::Event;
use crate::engine::state::{State, Step};
use crate::history::record::Record;
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::{AgentId, AskId, CallId, OpId, RequestId, SubId};
use crate::model::permission::{Ask, AskAnswer, AskKind, AskOutcome, DENIAL, Question, Suggestion};
use crate::model::transcript::ToolStatus;
use crate::supervisor::life;

/// An ask that waits.
#[derive(Debug)]
pub(in crate::engine) struct OpenAsk {
    pub(in crate::engine) ask: Ask,
    request: RequestId,
    /// Whether a yes is being checked by the arbiter.
    answered: bool,
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
        let Some(agent) = self.agents.get_mut(&id) else { return };
        let session = agent.session();
        let changes = match &wanted.call {
            Some(call) => agent.fold.tool_status(call, ToolStatus::Asking),
            None => Vec::new(),
        };
        self.tell_changes(step, id, changes);
        step.store(Record::Asked { session, ask: Box::new(ask.clone()) });
        step.publish(Event::AskOpened { ask: Box::new(ask.clone()) });
        let open = OpenAsk { ask, request: wanted.request, answered: false };
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
        let (agent, request) = (open.ask.agent, open.request.clone());
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
                self.allow(step, id, input, Vec::new(), AskOutcome::Allowed);
                Ok(())
            }
            AskAnswer::AllowAlways { suggestion } => {
                let permissions = chosen(&open.ask.suggestions, suggestion)?;
                self.allow(step, id, None, permissions, AskOutcome::AllowedAlways);
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
    ) {
        let Some(open) = self.asks.get_mut(&id) else { return };
        let (agent, request) = (open.ask.agent, open.request.clone());
        let edited = changed.is_some();
        let input = changed.unwrap_or_else(|| open.ask.input.clone());
        let call = open.ask.call.clone();
        let tool = open.ask.tool.clone();
        open.answered = true;
        let Some(op) = self.op_of(agent, call.as_ref()) else {
            if let Some(call) = &call
                && let Some(found) = self.agents.get_mut(&agent)
            {
                let changes = found.fold.tool_status(call, ToolStatus::Running);
                self.tell_changes(step, agent, changes);
            }
            self.reply_ask(step, agent, request, AskVerdict::Allow { input, permissions });
            return self.close_ask(step, id, outcome, None);
        };
        let yes = Yes { ask: id, request, input: input.clone(), permissions, outcome };
        if edited {
            return self.allow_edited(step, op, &tool, yes);
        }
        if let Some(found) = self.ops.get_mut(&op)
            && let Purpose::Gate { ask, .. } = &mut found.purpose
        {
            *ask = Some(yes);
        }
        self.decide(step, arbiter::Input::Answered { op });
    }

    /// The person changed what is written: that is another request.
    fn allow_edited(&mut self, step: &mut Step, op: OpId, tool: &str, yes: Yes) {
        let Some(old) = self.ops.remove(&op) else { return };
        self.decide(step, arbiter::Input::Withdrawn { op });
        let Purpose::Gate { agent, call, .. } = old.purpose else { return };
        let claim = arbiter::claim::Claim::of(tool, &yes.input);
        let (raw, proposal) = match claim {
            arbiter::claim::Claim::Write { raw_path, proposal } => (raw_path, proposal),
            // Whatever it is now, it is checked as the write that it was.
            arbiter::claim::Claim::Malformed(_)
            | arbiter::claim::Claim::Shell { .. }
            | arbiter::claim::Claim::Read { .. }
            | arbiter::claim::Claim::None => (old.raw, arbiter::Proposal::Opaque),
        };
        let cwd = self.agents.get(&agent).map(|agent| agent.row.cwd.clone()).unwrap_or_default();
        let purpose = Purpose::Gate { agent, call: call.clone(), request: None, ask: Some(yes) };
        let new = self.new_op(old.owner, raw, proposal, tool, purpose);
        self.calls.insert((agent, call), new);
        self.resolve(step, new, cwd);
    }

    fn reply_ask(&self, step: &mut Step, agent: AgentId, request: RequestId, answer: AskVerdict) {
        step.out.push(Effect::Order { agent, order: Order::Ask { request, answer } });
    }

    fn withdraw_op(&mut self, step: &mut Step, ask: AskId) {
        let Some(open) = self.asks.get(&ask) else { return };
        let (agent, call) = (open.ask.agent, open.ask.call.clone());
        let Some(op) = self.op_of(agent, call.as_ref()) else { return };
        self.ops.remove(&op);
        if let Some(call) = call {
            self.calls.remove(&(agent, call));
        }
        self.decide(step, arbiter::Input::Withdrawn { op });
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
        let ask = self.asks.values().find(|open| open.ask.agent == id && open.request == *request);
        if let Some(ask) = ask.map(|open| open.ask.id) {
            self.withdraw_op(step, ask);
            return self.close_ask(step, ask, AskOutcome::Withdrawn, None);
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
