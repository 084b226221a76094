//! Agents, leases and asks for tests.

use serde_json::{Value, json};

use super::bench::Bench;
use crate::engine::event::{AgentSnapshot, RefusedAttempt, Snapshot, WorkspaceInfo};
use crate::model::agent::{AgentInfo, AgentState, Backend, GuardLevel};
use crate::model::id::{AgentId, AskId, ItemId, SessionId};
use crate::model::lease::{LeaseInfo, LeaseState, Owner, RefusalCode};
use crate::model::permission::{Ask, AskKind, Choice, PermissionMode, Question, Suggestion};
use crate::model::time::Wall;
use crate::model::transcript::{Body, Item, Speaker, TodoEntry, TodoState};
use crate::model::usage::Usage;

/// The moment of all samples.
pub(crate) const WALL: i64 = 1_700_000_000_000;

fn session(name: &str) -> SessionId {
    SessionId(format!("session-of-{name}"))
}

/// An idle agent.
pub(crate) fn info(number: u32, name: &str) -> AgentInfo {
    AgentInfo {
        id: AgentId(number),
        name: name.to_owned(),
        session_id: session(name),
        backend_session_id: None,
        backend: Backend::Claude,
        state: AgentState::Idle,
        model: None,
        permission_mode: PermissionMode::Default,
        guard: GuardLevel::Advisory,
        usage: Usage::default(),
        holds: Vec::new(),
        waits_for: None,
        pid: Some(1),
        title: String::new(),
        queue: Vec::new(),
        activity: None,
        background: Vec::new(),
        commands: [].into(),
        models: [].into(),
        trouble: None,
    }
}

fn workspace() -> WorkspaceInfo {
    WorkspaceInfo {
        root: "/home/me/src/parser".into(),
        branch: "main*".into(),
        guard: GuardLevel::Advisory,
    }
}

fn three() -> Vec<AgentInfo> {
    let mut agents = vec![info(1, "blue"), info(2, "red"), info(3, "gray")];
    agents[0].state = AgentState::Working;
    agents[0].model = Some("claude-sonnet-4-5-20250929".into());
    agents[0].usage.cost_usd = 1.50;
    agents[0].usage.context_percent = Some(41);
    agents[0].holds = vec!["src/lex.rs".into(), "src/token.rs".into()];
    agents[1].state = AgentState::NeedsYou;
    agents[1].model = Some("claude-opus-4-1-20250805".into());
    agents[1].permission_mode = PermissionMode::AcceptEdits;
    agents[1].usage.cost_usd = 0.34;
    agents
}

/// A bench of three agents.
pub(crate) fn bench() -> Bench {
    Bench { workspace: Some(workspace()), agents: three(), ..Bench::default() }
}

/// A held file.
pub(crate) fn lease(path: &str, _number: u32, name: &str) -> LeaseInfo {
    LeaseInfo {
        path: path.to_owned(),
        owner: Owner::Session(session(name), None),
        owner_name: name.to_owned(),
        state: LeaseState::Held,
        since: Wall(WALL - 12_000),
        until: Some(Wall(WALL + 20_000)),
        reason: "the lexer returns spans".into(),
        queue: vec!["red".into()],
    }
}

/// A refused write.
pub(crate) fn refused(path: &str, who: &str, holder: &str) -> RefusedAttempt {
    RefusedAttempt {
        at: Wall(WALL - 8_000),
        who: who.to_owned(),
        path: path.to_owned(),
        tool: "Edit".into(),
        code: RefusalCode::Held,
        holder: Some(holder.to_owned()),
    }
}

/// A permission ask.
pub(crate) fn ask(number: u64, agent: u32, tool: &str, input: Value) -> Ask {
    Ask {
        id: AskId(number),
        agent: AgentId(agent),
        sub: None,
        call: None,
        tool: tool.to_owned(),
        input,
        kind: AskKind::Permission,
        suggestions: Vec::new(),
        reason: None,
        at: Wall(WALL - 5_000),
    }
}

/// An ask for a command, with a rule.
pub(crate) fn bash(number: u64, agent: u32) -> Ask {
    let rule = Suggestion { label: "Bash(cargo doc *)".into(), raw: json!({}) };
    let input = json!({"command": "cargo doc --no-deps", "description": "Build the docs"});
    Ask { suggestions: vec![rule], ..ask(number, agent, "Bash", input) }
}

/// An ask for an edit.
pub(crate) fn edit(number: u64, agent: u32) -> Ask {
    let input = json!({
        "file_path": "/home/me/src/parser/src/lex.rs",
        "old_string": "pub struct Token {\n    kind: Kind,\n}\n",
        "new_string": "pub struct Token {\n    kind: Kind,\n    span: Span,\n}\n",
    });
    ask(number, agent, "Edit", input)
}

/// An ask with two questions.
pub(crate) fn questions(number: u64, agent: u32) -> Ask {
    let choice = |label: &str, description: &str| Choice {
        label: label.to_owned(),
        description: description.to_owned(),
    };
    let questions = vec![
        Question {
            question: "Which database?".into(),
            header: "Database".into(),
            multi_select: false,
            options: vec![choice("SQLite", "one file"), choice("Postgres", "a server")],
        },
        Question {
            question: "Which platforms?".into(),
            header: "Platforms".into(),
            multi_select: true,
            options: vec![choice("Linux", ""), choice("macOS", ""), choice("Windows", "")],
        },
    ];
    let kind = AskKind::Questions(questions);
    Ask { kind, ..ask(number, agent, "AskUserQuestion", Value::Null) }
}

/// An ask with a plan.
pub(crate) fn plan(number: u64, agent: u32) -> Ask {
    let kind = AskKind::Plan("1. Read the lexer\n2. Add spans\n3. Run the tests".into());
    Ask { kind, ..ask(number, agent, "ExitPlanMode", Value::Null) }
}

/// An item of a transcript.
pub(crate) fn item(number: u64, body: Body) -> Item {
    Item { id: ItemId(number), at: Wall(WALL), parent: None, sub: None, open: false, body }
}

/// A short conversation.
pub(crate) fn items() -> Vec<Item> {
    let entry = |text: &str, state| TodoEntry { text: text.to_owned(), state };
    vec![
        item(1, Body::Prompt { text: "Make the lexer return spans".into(), from: Speaker::Person }),
        item(
            2,
            Body::Text {
                text: "I'll start with the token type, then thread the span through `Lexer::next`."
                    .into(),
            },
        ),
        item(
            3,
            Body::Todo {
                entries: vec![
                    entry("token type", TodoState::Done),
                    entry("lexer", TodoState::Doing),
                    entry("parser", TodoState::Open),
                ],
            },
        ),
    ]
}

/// A snapshot of `count` agents, with the first three as in [`bench`].
pub(crate) fn snapshot(count: usize) -> Snapshot {
    let names = ["blue", "red", "gray", "gold", "pink", "teal", "navy", "lime"];
    let mut agents = three();
    agents.truncate(count);
    for (number, name) in (1..).zip(names).skip(agents.len()).take(count.saturating_sub(3)) {
        agents.push(info(number, name));
    }
    let agents = agents.into_iter().map(|info| AgentSnapshot {
        items: if info.id.0 <= 2 { items() } else { Vec::new() },
        info,
        more_before: false,
    });
    Snapshot {
        seq: 1,
        workspace: workspace(),
        agents: agents.collect(),
        asks: Vec::new(),
        leases: Vec::new(),
        refused: Vec::new(),
        layout: None,
    }
}
