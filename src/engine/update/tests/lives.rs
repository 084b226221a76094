//! Agents that come, go and come back: who has a session, who is answered, what prompts remain.

use super::*;
use crate::engine::input::{Loaded, Resume};
use crate::history::record::{Process, Record};
use crate::model::id::SessionId;
use crate::model::session::{BenchRow, SessionRow};
use crate::model::usage::Usage;

/// Every agent shows that it has read its prompt.
pub(super) fn read_prompts(bench: &mut Bench) {
    for agent in bench.runs.keys().copied().collect::<Vec<_>>() {
        let (id, model, cwd) = (String::new(), String::new(), String::new());
        bench.says(agent, Report::Session { id, model, mode: None, cwd });
    }
}

/// A state whose every input comes from the test.
struct Rig(State);

impl Rig {
    fn new() -> Self {
        Self(Bench::new().state)
    }

    fn feed(&mut self, input: Input) -> Vec<String> {
        let now = Now { mono: Mono(0), wall: Wall(0) };
        self.0.update(now, input).iter().filter_map(wanted).collect()
    }

    fn command(&mut self, command: Command) -> Vec<String> {
        self.feed(Input::Command { from: ME, command })
    }

    fn start(&mut self, prompt: Option<&str>) -> SessionId {
        let prompt = prompt.map(str::to_owned);
        self.command(Command::StartAgent { spec: AgentSpec { prompt, ..AgentSpec::default() } });
        self.0.agents.values().last().unwrap().row.id.clone()
    }

    fn opened(&mut self, agent: AgentId, session: &SessionId) -> Vec<String> {
        self.feed(Input::SessionOpened { agent, session: session.clone(), result: Ok(()) })
    }

    fn refused(&mut self, agent: AgentId, session: &SessionId) -> Vec<String> {
        let result = Err(Failure::new(FailureKind::Failed, "open elsewhere"));
        self.feed(Input::SessionOpened { agent, session: session.clone(), result })
    }

    fn spawned(&mut self, agent: AgentId, result: Result<Option<u32>, Failure>) -> Vec<String> {
        let run = self.0.agents[&agent].run;
        let process = |pid| Process { pid, began: 1, boot: "this".to_owned() };
        let result = result.map(|pid| pid.map(process));
        self.feed(Input::Spawned { agent, run, result })
    }

    fn says(&mut self, agent: AgentId, report: Report) -> Vec<String> {
        let run = self.0.agents[&agent].run;
        self.feed(Input::Said(Said { agent, run, report }))
    }

    fn ready(&mut self, agent: AgentId) -> Vec<String> {
        self.says(agent, Report::Ready(Ready { gate_fails_closed: true, ..Ready::default() }))
    }

    fn exits(&mut self, agent: AgentId) -> Vec<String> {
        let stderr = String::new();
        self.says(agent, Report::Exited { code: Some(0), signal: None, stderr })
    }

    /// An agent that answers and has nothing to do.
    fn idle(&mut self) -> SessionId {
        let session = self.start(None);
        let agent = *self.0.agents.keys().last().unwrap();
        self.opened(agent, &session);
        self.spawned(agent, Ok(Some(7)));
        self.ready(agent);
        session
    }

    fn resume(&mut self, session: &str) -> Vec<String> {
        self.command(Command::ResumeSession {
            session: session.into(),
            fork: false,
            from_history: false,
        })
    }

    fn loaded(&mut self, from: Asker, session: &str, waiting: &[&str]) -> Vec<String> {
        let loaded = Loaded {
            row: row(session),
            items: Vec::new(),
            more_before: false,
            last_item: 0,
            waiting: waiting.iter().map(|&prompt| prompt.to_owned()).collect(),
        };
        self.feed(Input::Loaded { from, how: Resume::Continue, result: Ok(Box::new(loaded)) })
    }
}

fn row(session: &str) -> SessionRow {
    SessionRow {
        id: session.into(),
        backend_session_id: Some("theirs".to_owned()),
        title: "a title".to_owned(),
        workspace: "/w".to_owned(),
        cwd: "/w".to_owned(),
        branch: String::new(),
        spec: AgentSpec::default(),
        backend: crate::model::agent::Backend::Claude,
        agent: "blue".to_owned(),
        started_at: Wall(0),
        updated_at: Wall(0),
        turns: 1,
        messages: 0,
        usage: Usage::default(),
        last_state: String::new(),
        forked_from: None,
    }
}

fn wanted(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::OpenSession { agent, .. } => format!("{agent} opens"),
        Effect::CloseSession { .. } => "closes".to_owned(),
        Effect::Spawn { agent, .. } => format!("{agent} starts"),
        Effect::Release { agent } => format!("{agent} is gone"),
        Effect::Order { agent, order } => format!("{agent} < {}", told(order)),
        Effect::Load { session, .. } => format!("load {session}"),
        Effect::Store(Record::Waiting { prompts, .. }) => format!("waiting {prompts:?}"),
        Effect::ReplyStored { to, reply: Reply::Resumed { agents, failures } }
        | Effect::Reply { to, reply: Reply::Resumed { agents, failures } } => {
            let failures: Vec<_> = failures.iter().map(|failure| &failure.message).collect();
            format!("reply {} resumed {agents:?} not {failures:?}", to.id)
        }
        Effect::Reply { to, reply } | Effect::ReplyStored { to, reply } => {
            format!("reply {} {}", to.id, answered(reply))
        }
        Effect::Publish(event) => return noticed(event),
        Effect::End => "end".to_owned(),
        Effect::Store(_)
        | Effect::Subscribe(_)
        | Effect::Exec { .. }
        | Effect::KeepTree(_)
        | Effect::AwaitGit(_)
        | Effect::LookOverTree { .. }
        | Effect::SpendImage(_)
        | Effect::LookForLosses(_)
        | Effect::StoreNow { .. }
        | Effect::Resolve { .. }
        | Effect::Inspect { .. }
        | Effect::CheckShown { .. }
        | Effect::ReadFile { .. }
        | Effect::WriteFile { .. }
        | Effect::Scan { .. }
        | Effect::LoadBench { .. }
        | Effect::Plan { .. }
        | Effect::KeepProposal { .. }
        | Effect::Query { .. }
        | Effect::LookUpBranch
        | Effect::WakeAt(_) => return None,
    })
}

#[test]
fn a_session_that_was_not_opened_here_is_not_closed_here() {
    let mut rig = Rig::new();
    rig.resume("s");
    rig.loaded(ME, "s", &[]);
    assert_eq!(rig.refused(BLUE, &"s".into()), ["1 leaves", "reply 1 failed open elsewhere"]);
    rig.resume("s");
    rig.loaded(ME, "s", &[]);
    rig.opened(RED, &"s".into());
    let failure = Failure::new(FailureKind::AgentStart, "no such program");
    let said = rig.spawned(RED, Err(failure));
    assert_eq!(said, ["closes", "2 leaves", "reply 1 failed no such program"]);
}

#[test]
fn a_session_that_is_asked_for_twice_goes_on_once() {
    let mut rig = Rig::new();
    let again = Asker { id: 2, ..ME };
    assert_eq!(rig.resume("s"), ["load s"]);
    let command = Command::ResumeSession { session: "s".into(), fork: false, from_history: false };
    assert_eq!(rig.feed(Input::Command { from: again, command }), ["load s"]);
    assert_eq!(rig.loaded(ME, "s", &[])[0], "1 opens");
    let said = rig.loaded(again, "s", &[]);
    assert_eq!(said, ["reply 2 failed that session is open here, as blue"]);
    assert_eq!(rig.0.agents.len(), 1);
}

#[test]
fn an_agent_that_is_removed_before_it_starts_is_answered_and_leaves_nothing_open() {
    let mut rig = Rig::new();
    let session = rig.start(None);
    let said = rig.feed(Input::Command {
        from: Asker { id: 2, ..ME },
        command: Command::RemoveAgent { agent: BLUE },
    });
    let removed = "reply 1 failed the agent was removed before it had started";
    assert_eq!(said, ["1 leaves", removed, "reply 2 Done"]);
    assert_eq!(rig.opened(BLUE, &session), ["closes"]);
}

#[test]
fn an_agent_that_is_being_removed_does_not_start_again() {
    let mut rig = Rig::new();
    rig.idle();
    assert_eq!(rig.command(Command::RemoveAgent { agent: BLUE }), ["1 < stop", "reply 1 Done"]);
    let refused = "reply 1 failed that agent is being removed";
    assert_eq!(rig.command(Command::RestartAgent { agent: BLUE }), [refused]);
    let text = "go on".to_owned();
    assert_eq!(rig.command(Command::Send { agent: BLUE, text }), [refused]);
    assert_eq!(rig.exits(BLUE), ["1 is gone", "closes", "1 leaves"]);
}

#[test]
fn nothing_starts_once_the_engine_ends() {
    let mut rig = Rig::new();
    let session = rig.start(None);
    let said = rig.command(Command::Shutdown);
    let (leaves, told) = ("1 leaves", "reply 1 failed the engine is shutting down");
    assert_eq!(said, [leaves, told, "end", "reply 1 Done"]);
    assert_eq!(rig.opened(BLUE, &session), ["closes"]);

    let mut rig = Rig::new();
    rig.idle();
    rig.resume("s");
    rig.command(Command::Shutdown);
    assert_eq!(rig.loaded(ME, "s", &[]), [told]);
    assert_eq!(rig.exits(BLUE), ["1 is gone", "closes", "end"]);
}

#[test]
fn an_agent_that_cannot_be_started_again_does_not_hold_up_the_end() {
    let mut rig = Rig::new();
    rig.idle();
    rig.exits(BLUE);
    rig.command(Command::RestartAgent { agent: BLUE });
    rig.command(Command::Shutdown);
    let failure = Failure::new(FailureKind::AgentStart, "no such program");
    assert_eq!(rig.spawned(BLUE, Err(failure)), ["closes", "end"]);
}

#[test]
fn a_bench_is_answered_when_all_of_it_is_known() {
    let mut rig = Rig::new();
    let from = Asker { id: 9, ..ME };
    let bench = BenchRow {
        workspace: "/w".to_owned(),
        begun: Wall(0),
        saved_at: Wall(0),
        sessions: vec!["s".into(), "t".into(), "u".into()],
        layout: Value::Null,
    };
    let said = rig.feed(Input::BenchLoaded { from, result: Ok(Some(bench.clone())) });
    assert_eq!(said, ["load s", "load t", "load u"]);
    let missing = Failure::new(FailureKind::Failed, "no session t");
    assert_eq!(rig.loaded(from, "s", &[])[0], "1 opens");
    let result = Err(missing);
    assert!(rig.feed(Input::Loaded { from, how: Resume::Continue, result }).is_empty());
    assert_eq!(rig.loaded(from, "u", &[])[0], "2 opens");
    assert_eq!(rig.opened(BLUE, &"s".into()), ["1 starts"]);
    assert!(rig.spawned(BLUE, Ok(Some(7))).is_empty(), "answered too early");
    let said = rig.refused(RED, &"u".into());
    let answer = r#"reply 9 resumed [AgentId(1)] not ["no session t", "open elsewhere"]"#;
    assert_eq!(said, ["2 leaves", answer]);
    let nothing_left = BenchRow { sessions: vec!["s".into()], ..bench };
    let said = rig.feed(Input::BenchLoaded { from, result: Ok(Some(nothing_left)) });
    assert_eq!(said, ["reply 9 resumed [] not []"]);
}

#[test]
fn a_prompt_is_kept_until_the_agent_has_read_it() {
    let mut rig = Rig::new();
    let session = rig.start(Some("one"));
    rig.opened(BLUE, &session);
    rig.spawned(BLUE, Ok(Some(7)));
    assert_eq!(rig.ready(BLUE), ["1 < prompt one"]);
    let text = "two".to_owned();
    let said = rig.command(Command::Send { agent: BLUE, text });
    assert_eq!(said, [r#"waiting ["one", "two"]"#, "reply 1 Done"]);
    let last_words = rig.exits(BLUE);
    assert_eq!(last_words, ["1 is gone"]);
    let queue = &rig.0.agents[&BLUE].info.queue;
    assert_eq!(queue.iter().map(|queued| queued.text.as_str()).collect::<Vec<_>>(), ["one", "two"]);

    rig.command(Command::RestartAgent { agent: BLUE });
    rig.spawned(BLUE, Ok(Some(8)));
    assert_eq!(rig.ready(BLUE), ["1 < prompt one"]);
    let session = Report::Session {
        id: "theirs".to_owned(),
        model: String::new(),
        mode: None,
        cwd: String::new(),
    };
    assert_eq!(rig.says(BLUE, session), [r#"waiting ["two"]"#]);
    rig.exits(BLUE);
    assert_eq!(rig.0.agents[&BLUE].info.queue.len(), 1);
}

#[test]
fn prompts_that_waited_at_the_end_of_an_engine_are_sent_when_the_session_goes_on() {
    let mut rig = Rig::new();
    rig.loaded(ME, "s", &["one", "two"]);
    assert_eq!(rig.opened(BLUE, &"s".into()), ["1 starts"]);
    rig.spawned(BLUE, Ok(Some(7)));
    assert_eq!(rig.ready(BLUE), ["1 < prompt one"]);
    let unqueued = rig.command(Command::Unqueue { agent: BLUE, prompt: 2 });
    assert_eq!(unqueued, [r#"waiting ["one"]"#, "reply 1 Done"]);
}

#[test]
fn while_the_history_fails_the_person_knows_and_nothing_new_begins() {
    let mut rig = Rig::new();
    rig.idle();
    let full = || Failure::new(FailureKind::Failed, "the disk is full");
    assert_eq!(rig.feed(Input::Health(Err(full()))), ["notice the disk is full"]);
    let refused = ["reply 1 failed the disk is full"];
    let send = || Command::Send { agent: BLUE, text: "go on".to_owned() };
    assert_eq!(rig.command(send()), refused);
    assert_eq!(rig.command(Command::StartAgent { spec: AgentSpec::default() }), refused);
    assert_eq!(rig.resume("s"), refused);
    let said = rig.feed(Input::Health(Ok(3)));
    assert_eq!(said, ["notice the history can be written again; 3 records are lost"]);
    assert_eq!(rig.command(send())[0], r#"waiting ["go on"]"#);
}
