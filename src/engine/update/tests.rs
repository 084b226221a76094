//! The engine's step, driven by what happens and judged by what it wants done.
//!
//! A [`Bench`] answers what the loop would answer (files, the history, processes) at once from
//! memory, and writes down the rest in one line each.

mod asks;
mod commands;
mod ends;
mod git;
mod lives;
mod resume;
mod sessions;
mod shell;
mod tree;
mod writes;

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use crate::agent::{AskVerdict, Order, Said, Verdict};
use crate::arbiter::{Disk, Settings, Table, Was, edited};
use crate::engine::command::{Command, Reply};
use crate::engine::desk::Desk;
use crate::engine::effect::{Content, Effect};
use crate::engine::event::{Event, WorkspaceInfo};
use crate::engine::input::{Asker, ClientId, Extent, Found, Input, Loaded, Place, WriteTrouble};
use crate::engine::state::{Setup, State};
use crate::git::ask::Word;
use crate::history::record::{Process, Record};
use crate::model::agent::{AgentSpec, GuardLevel};
use crate::model::change::Image;
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::{AgentId, AskId, CallId, RequestId};
use crate::model::lease::Owner;
use crate::model::path::{Hash, WorkPath};
use crate::model::permission::AskAnswer;
use crate::model::report::{Ready, Report};
use crate::model::time::{Mono, Now, Wall};
use crate::model::transcript::TurnEnd;
use crate::model::usage::Tokens;

const ME: Asker = Asker { client: ClientId(1), id: 1 };
const BLUE: AgentId = AgentId(1);
const RED: AgentId = AgentId(2);

struct Bench {
    state: State,
    now: u64,
    files: BTreeMap<String, String>,
    texts: BTreeMap<Hash, String>,
    runs: BTreeMap<AgentId, u64>,
    history_broken: bool,
    /// Whether what is to be durable takes its time, and what has come of it so far.
    /// The tree at the last look around a shell command, and whether looks take their time.
    census: BTreeMap<String, String>,
    looks_slow: bool,
    /// When reads had not begun yet, as far as is known.
    reads_began: Vec<Option<Wall>>,
    /// What the person answered, as it was stored.
    answers: Vec<Option<AskAnswer>>,
    /// Whether the tree is too large to be looked over.
    huge: bool,
    /// Changes as they were stored: whose and of what; and those that went over work of others.
    changes: Vec<String>,
    over: Vec<String>,
    history_slow: bool,
    late: Vec<Input>,
    /// The one session that can be resumed.
    stored: Option<Loaded>,
    /// The stored leases, by path.
    rows: BTreeMap<String, String>,
    log: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let setup = Setup {
            workspace: WorkspaceInfo {
                root: "/w".to_owned(),
                branch: "main".to_owned(),
                guard: GuardLevel::Advisory,
            },
            seed: 7,
            claude: vec!["claude".to_owned()],
            script: vec!["benchdog".to_owned(), "agent-script".to_owned()],
            appendix: None,
            wait_ms: 20_000,
            git_ask_ms: 100_000,
            path: None,
            no_guard: "this system has none".to_owned(),
            arbitrate: true,
            settings: None,
        };
        let now = Now { mono: Mono(0), wall: Wall(0) };
        Self {
            state: State::new(setup, Desk::new(Table::new(Settings::default())).0, now),
            now: 0,
            files: BTreeMap::new(),
            texts: BTreeMap::new(),
            runs: BTreeMap::new(),
            history_broken: false,
            census: BTreeMap::new(),
            looks_slow: false,
            reads_began: Vec::new(),
            answers: Vec::new(),
            huge: false,
            changes: Vec::new(),
            over: Vec::new(),
            history_slow: false,
            late: Vec::new(),
            stored: None,
            rows: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    /// A bench with agents that are ready and in a turn.
    fn working(names: &[&str]) -> Self {
        let mut bench = Self::new();
        for name in names {
            let spec = AgentSpec {
                name: (*name).to_owned(),
                prompt: Some(format!("{name}'s task")),
                ..AgentSpec::default()
            };
            bench.command(Command::StartAgent { spec });
        }
        lives::read_prompts(&mut bench);
        bench.log.clear();
        bench
    }

    fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    fn command(&mut self, command: Command) {
        self.feed(Input::Command { from: ME, command });
    }

    fn says(&mut self, agent: AgentId, report: Report) {
        let run = self.runs[&agent];
        self.feed(Input::Said(Said { agent, run, report }));
    }

    /// An agent wants to run a tool.
    fn gate(&mut self, agent: AgentId, call: &str, tool: &str, input: Value) {
        self.says(
            agent,
            Report::Gate {
                request: RequestId(format!("gate-{call}")),
                call: call.into(),
                sub: None,
                tool: tool.to_owned(),
                input,
            },
        );
    }

    /// The tool has run, and the file is now `text`.
    fn done(&mut self, agent: AgentId, call: &str, tool: &str, input: Value, text: &str) {
        let path = input["file_path"].as_str().unwrap().trim_start_matches("/w/").to_owned();
        self.files.insert(path, text.to_owned());
        self.ended(agent, call, tool, input, false);
    }

    fn ended(&mut self, agent: AgentId, call: &str, tool: &str, input: Value, failed: bool) {
        self.says(
            agent,
            Report::ToolDone {
                request: RequestId(format!("done-{call}")),
                call: call.into(),
                sub: None,
                tool: tool.to_owned(),
                input,
                response: Value::Null,
                failed,
                took_ms: Some(1),
            },
        );
    }

    fn read(&mut self, agent: AgentId, path: &str) {
        let input = json!({ "file_path": format!("/w/{path}") });
        self.ended(agent, &format!("read-{path}-{}", self.now), "Read", input, false);
    }

    fn ask(&mut self, agent: AgentId, call: &str, tool: &str, input: Value) {
        self.says(
            agent,
            Report::Ask {
                request: RequestId(format!("ask-{call}")),
                call: Some(call.into()),
                sub: None,
                tool: tool.to_owned(),
                input,
                suggestions: Vec::new(),
                reason: None,
            },
        );
    }

    fn turn_ends(&mut self, agent: AgentId) {
        let end = TurnEnd { reason: "completed".to_owned(), ..TurnEnd::default() };
        self.says(agent, Report::TurnEnded { end, tokens: Tokens::default(), context: None });
    }

    fn dies(&mut self, agent: AgentId) {
        let stderr = "out of memory".to_owned();
        self.says(agent, Report::Exited { code: Some(1), signal: None, stderr });
    }

    fn wait(&mut self, ms: u64) {
        self.now += ms;
        self.feed(Input::Tick);
    }

    fn feed(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let wall = Wall(i64::try_from(self.now).unwrap());
            let now = Now { mono: Mono(self.now), wall };
            for effect in self.state.update(now, input) {
                inputs.extend(self.perform(effect));
            }
        }
    }

    /// What took its time arrives.
    fn arrive(&mut self) {
        (self.history_slow, self.looks_slow) = (false, false);
        for input in std::mem::take(&mut self.late) {
            self.feed(input);
        }
    }

    fn call(&mut self, name: &str, tool: &str, input: Value) {
        let (name, tool) = (name.to_owned(), tool.to_owned());
        self.command(Command::CallTool { name, tool, input });
    }

    /// What is different from the last look.
    fn scan(&mut self) -> Vec<Found> {
        let names = self.files.keys().chain(self.census.keys());
        let differs = |name: &&String| self.files.get(*name) != self.census.get(*name);
        let mut paths: Vec<_> = names.filter(differs).cloned().collect();
        paths.dedup();
        let before = std::mem::replace(&mut self.census, self.files.clone());
        let found = paths.iter().map(|name| {
            let path = WorkPath::parse(name).unwrap();
            let was = before.get(name).map(|text| Was::Is(Hash::of(text.as_bytes())));
            let (was, disk) = (was.unwrap_or(Was::Absent), self.look(&path));
            Found { path, was, disk }
        });
        found.collect()
    }

    fn look(&mut self, path: &WorkPath) -> Disk {
        match self.files.get(path.as_str()) {
            None => Disk::Absent,
            Some(text) => {
                let hash = Hash::of(text.as_bytes());
                self.texts.insert(hash, text.clone());
                Disk::File { hash, text: Some(text.as_str().into()) }
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Vec<Input> {
        match effect {
            Effect::OpenSession { agent, session } => {
                vec![Input::SessionOpened { agent, session, result: Ok(()) }]
            }
            Effect::Spawn { agent, run, .. } => {
                self.runs.insert(agent, run);
                let process = Process { pid: 100 + agent.0, began: run, boot: String::new() };
                let ready = Report::Ready(Ready { gate_fails_closed: true, ..Ready::default() });
                vec![
                    Input::Spawned { agent, run, result: Ok(Some(process)) },
                    Input::Said(Said { agent, run, report: ready }),
                ]
            }
            Effect::StoreNow { ticket, .. } if self.history_broken => {
                let failure = Failure::new(FailureKind::Failed, "the disk is full");
                vec![Input::Stored { ticket, result: Err(failure) }]
            }
            Effect::StoreNow { ticket, records } => {
                records.iter().for_each(|record| self.store(record));
                let stored = Input::Stored { ticket, result: Ok(()) };
                if self.history_slow {
                    self.late.push(stored);
                    return Vec::new();
                }
                vec![stored]
            }
            Effect::Store(record) => {
                self.store(&record);
                Vec::new()
            }
            Effect::KeepTree(paths) => {
                if self.history_broken {
                    return vec![Input::TreeKept(Err("the disk is full".to_owned()))];
                }
                let image = |text: &String| Image::from(Hash::of(text.as_bytes()));
                let there =
                    |path: WorkPath| Some((path.clone(), image(self.files.get(path.as_str())?)));
                vec![Input::TreeKept(Ok(paths.into_iter().filter_map(there).collect()))]
            }
            Effect::LookOverTree { paths, .. } => {
                let look = |path: WorkPath| (path.clone(), self.look(&path));
                vec![Input::TreeLooked(paths.into_iter().map(look).collect())]
            }
            Effect::Exec { .. }
            | Effect::AwaitGit(_)
            | Effect::SpendImage(_)
            | Effect::LookForLosses(_) => Vec::new(),
            Effect::Resolve { op, raw, .. } => {
                let place = match raw.strip_prefix("/w/").unwrap_or(&raw) {
                    outside if outside.starts_with('/') => Place::Outside(raw),
                    inside => Place::Inside(WorkPath::parse(inside).unwrap()),
                };
                vec![Input::Resolved { op, place }]
            }
            Effect::Inspect { op, path, base } => {
                let disk = self.look(&path);
                let base =
                    base.and_then(|hash| self.texts.get(&hash)).map(|text| text.as_str().into());
                vec![Input::Inspected { op, disk, base }]
            }
            Effect::CheckShown { agent, call, raw, began, .. } => {
                self.reads_began.push(began);
                let path = WorkPath::parse(raw.trim_start_matches("/w/")).unwrap();
                let seen = match self.look(&path) {
                    Disk::File { hash, .. } => Some((path, hash, Extent::Whole)),
                    Disk::Absent | Disk::Unreadable(_) => None,
                };
                vec![Input::Shown { agent, call, seen }]
            }
            Effect::ReadFile { op, path } => {
                let disk = self.look(&path);
                vec![Input::FileRead { op, disk }]
            }
            Effect::WriteFile { op, path, content, .. } => {
                let before = self.files.get(path.as_str()).cloned().unwrap_or_default();
                if content == Content::Gone {
                    self.files.remove(path.as_str());
                    return vec![Input::Written {
                        op,
                        disk: Disk::Absent,
                        was: None,
                        result: Ok(()),
                    }];
                }
                let written = match content {
                    Content::Whole(text) => Ok(text),
                    Content::Edited(edit) => edited(&edit, &before).map_err(str::to_owned),
                    Content::Bytes { bytes, .. } => Ok(String::from_utf8(bytes.to_vec()).unwrap()),
                    Content::Gone => unreachable!("it is dealt with above"),
                };
                let result = written.map_err(WriteTrouble::NoAnchor).map(|text| {
                    self.files.insert(path.to_string(), text);
                });
                let disk = self.look(&path);
                vec![Input::Written { op, disk, was: None, result }]
            }
            Effect::Scan { agent, call, after } => {
                let found = (!self.huge).then(|| self.scan());
                let scanned = Input::Scanned { agent, call, after, found };
                if self.looks_slow {
                    self.late.push(scanned);
                    return Vec::new();
                }
                vec![scanned]
            }
            Effect::Order { agent, order } => {
                let line = told(&order);
                self.log.push(format!("{agent} < {line}"));
                Vec::new()
            }
            Effect::Reply { reply, .. } => {
                self.log.push(format!("reply {}", answered(&reply)));
                Vec::new()
            }
            Effect::ReplyStored { reply, .. } => {
                self.log.push(format!("reply {} once stored", answered(&reply)));
                Vec::new()
            }
            Effect::Load { from, how, .. } => {
                let result = self.stored.take().map(Box::new);
                let missing = Failure::new(FailureKind::Failed, "no such session");
                vec![Input::Loaded { from, how, result: result.ok_or(missing) }]
            }
            Effect::Publish(event) => {
                self.log.extend(noticed(&event));
                Vec::new()
            }
            Effect::End => {
                self.log.push("end".to_owned());
                Vec::new()
            }
            Effect::Subscribe(_)
            | Effect::CloseSession { .. }
            | Effect::Release { .. }
            | Effect::LoadBench { .. }
            | Effect::Query { .. }
            | Effect::Plan { .. }
            | Effect::KeepProposal { .. }
            | Effect::LookUpBranch
            | Effect::WakeAt(_) => Vec::new(),
        }
    }

    /// What was written down since the last look.
    fn log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// The stored rows of leases.
    fn lease_rows(&self) -> Vec<String> {
        self.rows.iter().map(|(path, state)| format!("{path} {state}")).collect()
    }

    fn store(&mut self, record: &Record) {
        if let Record::Lease(row) = record {
            let state = format!("{:?}", row.state).to_lowercase();
            self.rows.insert(row.path.clone(), state);
        } else if let Record::Free { path, .. } = record {
            self.rows.remove(path);
        } else if let Record::AskEnded { answer, .. } = record {
            self.answers.push(answer.clone());
        } else if let Record::Change(row) = record {
            let name = |owner: &Owner| self.state.owner_name(owner);
            let (who, path) = (name(&row.change.owner), &row.change.path);
            self.changes.push(format!("{who} {path}"));
            self.over
                .extend(row.change.over.as_ref().map(|over| format!("{path} of {}", name(over))));
        }
    }

    fn states(&self) -> String {
        let rows = self.state.agents.values().map(|agent| {
            format!("{}:{}", agent.info.name, serde_json::to_string(&agent.life.state()).unwrap())
        });
        rows.collect::<Vec<_>>().join(" ").replace('"', "")
    }
}

/// An order in a few words: the first ones of a text are enough.
fn told(order: &Order) -> String {
    match order {
        Order::Prompt { text, .. } => format!("prompt {text}"),
        Order::Gate { request, verdict: Verdict::Pass { context } } => {
            format!("{request} pass{}", if context.is_some() { " and hear" } else { "" })
        }
        Order::Gate { request, verdict: Verdict::Ask { .. } } => format!("{request} ask"),
        Order::Gate { request, verdict: Verdict::Deny { reason } } => {
            format!("{request} deny {}", reason.split(':').next().unwrap())
        }
        Order::ToolSeen { request, context } => {
            format!("{request} seen{}", if context.is_some() { " and hear" } else { "" })
        }
        Order::Ask { request, answer: AskVerdict::Allow { .. } } => format!("{request} allow"),
        Order::Ask { request, answer: AskVerdict::Deny { message, .. } } => {
            format!("{request} deny {}", message.split(':').next().unwrap())
        }
        Order::Interrupt => "interrupt".to_owned(),
        Order::Mode(mode) => format!("mode {}", mode.as_str()),
        Order::Model(model) => format!("model {model}"),
        Order::StopTask(task) => format!("stop task {task}"),
        Order::Stop => "stop".to_owned(),
    }
}

fn answered(reply: &Reply) -> String {
    if let Reply::Tool(value) = reply {
        format!("{} {}", value["code"].as_str().unwrap(), value["ok"])
    } else if let Reply::Failed(failure) = reply {
        format!("failed {}", failure.message)
    } else if let Reply::GitTree(word) = reply {
        match word {
            Word::Go => "go".to_owned(),
            Word::No(text) => format!("no {}", text.split(':').next().unwrap()),
        }
    } else if let Reply::Agent(id) = reply {
        format!("agent {id}")
    } else {
        format!("{reply:?}").chars().take(40).collect()
    }
}

fn noticed(event: &Event) -> Option<String> {
    match event {
        Event::AskOpened { ask } => Some(format!("ask {} opens", ask.id)),
        Event::AskClosed { ask, outcome } => Some(format!("ask {ask} closes {outcome:?}")),
        Event::WriteRefused { attempt } => {
            Some(format!("{} refused {} {}", attempt.who, attempt.path, attempt.code))
        }
        Event::Noticed { text, .. } => Some(format!("notice {text}")),
        Event::AgentRemoved { agent } => Some(format!("{agent} leaves")),
        Event::Closing => Some("closing".to_owned()),
        Event::TranscriptReset { agent, items, more_before } => {
            let more = if *more_before { " and more before" } else { "" };
            Some(format!("{agent} begins with {} items{more}", items.len()))
        }
        Event::AgentChanged { .. }
        | Event::ItemChanged { .. }
        | Event::TextAppended { .. }
        | Event::LeaseMoved { .. }
        | Event::LayoutSaved { .. }
        | Event::WorkspaceChanged { .. } => None,
    }
}

fn write(path: &str, content: &str) -> Value {
    json!({ "file_path": format!("/w/{path}"), "content": content })
}

fn edit(path: &str, old: &str, new: &str) -> Value {
    json!({ "file_path": format!("/w/{path}"), "old_string": old, "new_string": new })
}

#[test]
fn an_agent_starts_and_gets_its_first_prompt_once_it_is_ready() {
    let mut bench = Bench::new();
    let spec = AgentSpec { prompt: Some("go".to_owned()), ..AgentSpec::default() };
    bench.command(Command::StartAgent { spec });
    assert_eq!(bench.log(), ["reply agent 1 once stored", "1 < prompt go"]);
    assert_eq!(bench.states(), "blue:working");
}

#[test]
fn prompts_to_a_busy_agent_wait_their_turn_and_can_be_taken_back() {
    let mut bench = Bench::working(&["blue"]);
    for text in ["second", "third"] {
        bench.command(Command::Send { agent: BLUE, text: text.to_owned() });
    }
    let waiting = bench.state.agents[&BLUE].info.queue.clone();
    assert_eq!(
        waiting.iter().map(|one| one.text.as_str()).collect::<Vec<_>>(),
        ["second", "third"]
    );
    bench.command(Command::Unqueue { agent: BLUE, prompt: waiting[0].id });
    bench.log();
    bench.turn_ends(BLUE);
    assert_eq!(bench.log(), ["1 < prompt third"]);
}

#[test]
fn words_of_a_former_process_are_not_heard() {
    let mut bench = Bench::working(&["blue"]);
    let former = bench.runs[&BLUE];
    bench.dies(BLUE);
    bench.command(Command::RestartAgent { agent: BLUE });
    bench.log();
    let exited = Report::Exited { code: None, signal: Some(9), stderr: String::new() };
    bench.feed(Input::Said(Said { agent: BLUE, run: former, report: exited }));
    assert_eq!(bench.states(), "blue:idle");
}

#[test]
fn an_agent_that_dies_says_its_last_words_and_keeps_its_queue() {
    let mut bench = Bench::working(&["blue"]);
    bench.command(Command::Send { agent: BLUE, text: "later".to_owned() });
    bench.dies(BLUE);
    let info = &bench.state.agents[&BLUE].info;
    assert!(info.trouble.as_ref().is_some_and(|text| text.contains("out of memory")), "{info:?}");
    bench.log();
    bench.command(Command::RestartAgent { agent: BLUE });
    assert!(bench.log().contains(&"1 < prompt later".to_owned()));
}
