//! `answer`: the questions of agents that wait for the person.

use serde_json::Value;

use super::args::{Answer, Verdict};
use super::table::{Table, ago};
use super::{DONE, Desk, small_runtime};
use crate::engine::command::Command;
use crate::model::agent::AgentInfo;
use crate::model::failure::{Failure, FailureKind};
use crate::model::permission::{Ask, AskAnswer, AskKind};

/// Answers a question, or lists those that wait.
pub(super) fn answer(desk: &mut Desk<'_>, args: Answer) -> Result<u8, Failure> {
    let place = desk.place()?;
    let verdict = args.verdict.map(verdict).transpose()?;
    let runtime = small_runtime()?;
    let (mut client, asks, agents) = runtime.block_on(async {
        let mut client = place.client().await?;
        let asks = client.asks().await?;
        let agents = client.agents().await?;
        Ok::<_, Failure>((client, asks, agents))
    })?;
    let wanted = args.ask.as_deref();
    let Some(verdict) = verdict else {
        let chosen: Vec<Ask> = match wanted {
            Some(wanted) => vec![choose(&asks, &agents, Some(wanted))?.clone()],
            None => asks,
        };
        list(desk, &chosen, &agents);
        return Ok(DONE);
    };
    let ask = choose(&asks, &agents, wanted)?;
    fits(ask, &verdict)?;
    let command = Command::AnswerAsk { ask: ask.id, answer: verdict };
    runtime.block_on(client.done(command))?;
    if desk.say.json {
        desk.say.value(&serde_json::json!({"ok": true}));
    }
    Ok(DONE)
}

fn list(desk: &mut Desk<'_>, asks: &[Ask], agents: &[AgentInfo]) {
    if desk.say.json {
        desk.say.value(&asks);
        return;
    }
    let now = (desk.stage.clock)();
    let mut table = Table::new(&[">ASK", "AGENT", "SINCE", "TOOL", "WANTS", "ALWAYS WOULD ADD"]);
    for ask in asks {
        let always: Vec<&str> =
            ask.suggestions.iter().map(|suggestion| suggestion.label.as_str()).collect();
        table.row(&[
            ask.id.to_string(),
            name_of(ask, agents).to_owned(),
            ago(now.0 - ask.at.0),
            ask.tool.clone(),
            wants(ask),
            always.join(", "),
        ]);
    }
    table.print(desk.say, "no agent asks anything");
}

/// What it is about, in a line.
pub(super) fn wants(ask: &Ask) -> String {
    match &ask.kind {
        AskKind::Permission => gist(&ask.input),
        AskKind::Questions(questions) => {
            let texts: Vec<String> = questions
                .iter()
                .map(|question| {
                    let labels: Vec<&str> =
                        question.options.iter().map(|option| option.label.as_str()).collect();
                    format!("{} [{}]", question.question, labels.join(" | "))
                })
                .collect();
            texts.join(" / ")
        }
        AskKind::Plan(plan) => plan.lines().next().unwrap_or_default().to_owned(),
    }
}

/// The one field of a tool's input that says the most.
pub(super) fn gist(input: &Value) -> String {
    const TELLING: [&str; 9] = [
        "file_path",
        "notebook_path",
        "command",
        "pattern",
        "path",
        "url",
        "query",
        "description",
        "prompt",
    ];
    let told = TELLING.iter().find_map(|name| input.get(name)?.as_str());
    told.map_or_else(|| input.to_string(), |text| text.lines().next().unwrap_or(text).to_owned())
}

fn name_of<'a>(ask: &Ask, agents: &'a [AgentInfo]) -> &'a str {
    agents.iter().find(|agent| agent.id == ask.agent).map_or("?", |agent| agent.name.as_str())
}

/// The question that is meant: by its number, by its agent, or the only one.
fn choose<'a>(
    asks: &'a [Ask],
    agents: &[AgentInfo],
    wanted: Option<&str>,
) -> Result<&'a Ask, Failure> {
    let usage = |message: String| {
        Failure::new(FailureKind::Usage, message).hint("`benchdog answer` lists the questions")
    };
    let meant: Vec<&Ask> = match wanted {
        None => asks.iter().collect(),
        Some(wanted) => asks
            .iter()
            .filter(|ask| ask.id.to_string() == wanted || name_of(ask, agents) == wanted)
            .collect(),
    };
    match (&meant[..], wanted) {
        ([ask], _) => Ok(ask),
        ([], None) => Err(usage("no agent asks anything".to_owned())),
        ([], Some(wanted)) => Err(usage(format!("there is no question `{wanted}`"))),
        (many, _) => Err(usage(format!("{} questions wait: say which", many.len()))),
    }
}

/// Refuses an answer that is none to this question.
fn fits(ask: &Ask, answer: &AskAnswer) -> Result<(), Failure> {
    let usage = |message: String| Err(Failure::new(FailureKind::Usage, message));
    match (&ask.kind, answer) {
        (AskKind::Questions(questions), AskAnswer::Answers(answers)) => {
            if questions.len() == answers.len() {
                return Ok(());
            }
            usage(format!("{} answers are wanted, not {}", questions.len(), answers.len()))
        }
        (AskKind::Questions(_), AskAnswer::AllowOnce { .. } | AskAnswer::AllowAlways { .. }) => {
            usage("this is a question with options: `benchdog answer ASK choose …`".to_owned())
        }
        (AskKind::Permission | AskKind::Plan(_), AskAnswer::Answers(_)) => {
            usage("this wants allow, always or deny".to_owned())
        }
        (AskKind::Permission | AskKind::Plan(_), AskAnswer::AllowAlways { suggestion }) => {
            let known = ask.suggestions.len();
            match suggestion {
                Some(index) if *index >= known => {
                    usage(format!("there are {known} suggestions, no number {}", index + 1))
                }
                Some(_) | None => Ok(()),
            }
        }
        (AskKind::Permission | AskKind::Plan(_), AskAnswer::AllowOnce { .. })
        | (_, AskAnswer::Deny { .. }) => Ok(()),
    }
}

fn verdict(verdict: Verdict) -> Result<AskAnswer, Failure> {
    Ok(match verdict {
        Verdict::Allow { input: None } => AskAnswer::AllowOnce { input: None },
        Verdict::Allow { input: Some(input) } => {
            let input = serde_json::from_str(&input).map_err(|error| {
                Failure::new(FailureKind::Usage, "the tool's input is not JSON").cause(error)
            })?;
            AskAnswer::AllowOnce { input: Some(input) }
        }
        Verdict::Always { suggestion } => {
            AskAnswer::AllowAlways { suggestion: suggestion.map(|number| usize::from(number) - 1) }
        }
        Verdict::Deny { reason, interrupt } => {
            AskAnswer::Deny { reason: reason.join(" "), interrupt }
        }
        Verdict::Choose { answers } => AskAnswer::Answers(answers),
    })
}
