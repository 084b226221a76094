//! Every record comes back as it was stored.

use std::slice;

use serde_json::json;

use super::*;
use crate::history::read::{AskRow, KnowsRow};
use crate::history::record::{DecisionRow, LeaseRow, Process};
use crate::model::agent::AgentSpec;
use crate::model::id::{AgentId, AskId, SubId};
use crate::model::lease::{LeaseState, Owner, Refusal, RefusalCode};
use crate::model::path::{Hash, WorkPath};
use crate::model::permission::{Ask, AskAnswer, AskKind, AskOutcome, Suggestion};
use crate::model::report::Way;
use crate::model::session::{BenchRow, SessionQuery};
use crate::model::transcript::{Hunk, Level, TodoEntry, TodoState, ToolResult, TurnEnd};

fn page(place: &Place, session: &str) -> Vec<Item> {
    place.read().page(&id(session), None, 0).unwrap().items
}

#[test]
fn a_session_comes_back_and_its_ids_are_never_cleared() {
    let place = Place::new();
    let mut row = session("s", 10);
    row.usage.cost_usd = 1.5;
    row.usage.context_percent = Some(40);
    row.spec = AgentSpec { max_budget_usd: Some(2.0), ..row.spec };
    place.store(vec![Record::Session(Box::new(row.clone()))]);
    assert_eq!(place.read().session(&id("s")).unwrap(), Some(row.clone()));
    assert_eq!(place.read().session(&id("other")).unwrap(), None);

    let later = SessionRow { backend_session_id: None, turns: 3, ..row.clone() };
    place.store(vec![Record::Session(Box::new(later.clone()))]);
    let known = SessionRow { backend_session_id: row.backend_session_id, ..later };
    assert_eq!(place.read().session(&id("s")).unwrap(), Some(known));
}

#[test]
fn the_title_of_the_person_wins_over_later_ones_of_the_back_end() {
    let place = Place::new();
    let store = place.open();
    store.blocking_queue(vec![stored_session("s", 10)]).unwrap();
    store.rename_session(id("s"), " mine ".to_owned()).wait().unwrap();
    let renamed = SessionRow { title: "another".to_owned(), ..session("s", 11) };
    store.blocking_queue(vec![Record::Session(Box::new(renamed))]).unwrap();
    store.flush().wait().unwrap();
    let title = |place: &Place| place.read().session(&id("s")).unwrap().unwrap().title;
    assert_eq!(title(&place), "mine");
    store.rename_session(id("s"), String::new()).wait().unwrap();
    assert_eq!(title(&place), "another");
    let nobody = store.rename_session(id("nobody"), "x".to_owned()).wait();
    assert_eq!(nobody, Err(crate::history::StoreError::NoSession(id("nobody"))));
}

#[test]
fn every_kind_of_item_comes_back() {
    let place = Place::new();
    let refusal = Refusal {
        code: RefusalCode::Held,
        path: WorkPath::parse("a"),
        holder: Some("red".to_owned()),
        text: "wait".to_owned(),
    };
    let hunk = Hunk {
        old_start: 1,
        old_lines: 1,
        new_start: 1,
        new_lines: 2,
        lines: vec!["-a".to_owned(), "+ü".to_owned()],
    };
    let mut edit = tool(4, json!({ "file_path": "src/ä.rs", "n": [1, null, true] }));
    if let Body::Tool(call) = &mut edit.body {
        call.status = ToolStatus::Refused(refusal);
        call.result =
            Some(ToolResult { text: "no".to_owned(), hunks: vec![hunk], changed: Some((1, 1)) });
        call.took_ms = Some(12);
    }
    let entry = TodoEntry { text: "do".to_owned(), state: TodoState::Doing };
    let items = vec![
        prompt(1, "¿qué? \"quoted\" \u{1F600}"),
        text(2, "answer\nwith lines"),
        item(3, Body::Thinking { text: "hm".to_owned() }),
        edit,
        item(5, Body::Todo { entries: vec![entry] }),
        item(6, Body::Notice { level: Level::Warn, text: "careful".to_owned() }),
        item(7, Body::TurnEnd(TurnEnd { model_calls: 3, cost_usd: 0.25, ..TurnEnd::default() })),
        item(8, Body::Raw { line: "{\"type\":\"new\"}".to_owned() }),
        Item {
            parent: Some("toolu_1".into()),
            sub: Some(SubId::from("sub")),
            open: true,
            ..text(9, "")
        },
    ];
    place.store(items.iter().cloned().map(|item| stored("s", item)).collect());
    assert_eq!(page(&place, "s"), items);
    assert_eq!(place.read().max_item(&id("s")).unwrap(), Some(ItemId(9)));
    assert_eq!(place.read().max_item(&id("other")).unwrap(), None);
}

#[test]
fn pages_go_back_from_the_newest_item_and_stay_in_their_session() {
    let place = Place::new();
    let mut records: Vec<Record> = (1..=7).map(|n| stored("s", text(n, "x"))).collect();
    records.push(stored("t", text(3, "other")));
    place.store(records);
    let page = |before: Option<u64>, limit| {
        let page = place.read().page(&id("s"), before.map(ItemId), limit).unwrap();
        (page.items.iter().map(|item| item.id.0).collect::<Vec<_>>(), page.more_before)
    };
    assert_eq!(page(None, 3), (vec![5, 6, 7], true));
    assert_eq!(page(Some(5), 3), (vec![2, 3, 4], true));
    assert_eq!(page(Some(2), 3), (vec![1], false));
    assert_eq!(page(Some(1), 3), (vec![], false));
    assert_eq!(page(None, 0), (vec![1, 2, 3, 4, 5, 6, 7], false));
    assert_eq!(page(Some(u64::MAX), 7), (vec![1, 2, 3, 4, 5, 6, 7], false));
}

#[test]
fn tails_grow_an_open_item_and_go_when_it_is_stored_again() {
    let place = Place::new();
    place.store(vec![
        stored("s", open_text(1, "a")),
        tail("s", 1, "b"),
        stored("s", open_text(2, "")),
        tail("s", 2, "x"),
        tail("s", 1, "c"),
    ]);
    assert_eq!(page(&place, "s"), [open_text(1, "abc"), open_text(2, "x")]);
    place.store(vec![tail("s", 2, "y"), stored("s", text(1, "abcd"))]);
    assert_eq!(page(&place, "s"), [text(1, "abcd"), open_text(2, "xy")]);
    place.store(vec![stored("s", open_text(2, "xyz"))]);
    assert_eq!(page(&place, "s"), [text(1, "abcd"), open_text(2, "xyz")]);
}

#[test]
fn secrets_in_tool_calls_and_raw_lines_do_not_reach_the_disk() {
    let place = Place::new();
    let secret = "sk-ant-api03-abcDEF123456_-7890abcdef";
    let mut call = tool(1, json!({ "command": format!("curl -H 'x-api-key: {secret}'") }));
    if let Body::Tool(call) = &mut call.body {
        let text = format!("DB_PASSWORD={secret}");
        call.result = Some(ToolResult { text, ..ToolResult::default() });
    }
    let line = json!({ "message": { "env": format!("KEY is {secret}") } }).to_string();
    place.store(vec![
        stored("s", call),
        stored("s", item(2, Body::Raw { line: line.clone() })),
        Record::Line { session: id("s"), at: Wall(1), way: Way::Out, line },
        Record::Asked { session: id("s"), ask: Box::new(ask(1, json!({ "a": secret }))) },
        Record::Decision(DecisionRow { tool: format!("Bash {secret}"), ..decision("a") }),
    ]);
    let stored = place.read();
    assert!(stored.lines(&id("s"), 0, 9).unwrap()[0].line.contains("‹masked›"));
    let hit = stored.sessions(
        &SessionQuery { text: Some("curl".to_owned()), ..SessionQuery::default() },
        |_, _| false,
    );
    assert!(hit.is_ok());
    for file in std::fs::read_dir(place.path().parent().unwrap()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let piece = secret.as_bytes()[10..].to_vec();
        assert!(!bytes.windows(piece.len()).any(|window| window == piece));
    }
    let Body::Tool(call) = &page(&place, "s")[0].body else { panic!("a tool call was stored") };
    assert_eq!(call.input["command"], "curl -H 'x-api-key: ‹masked›'");
}

#[test]
fn lines_come_back_in_order_and_old_ones_can_be_pruned() {
    let place = Place::new();
    let line = |at: i64, way| Record::Line {
        session: id(if at % 2 == 0 { "even" } else { "odd" }),
        at: Wall(at),
        way,
        line: format!("{{\"at\":{at}}}"),
    };
    let mut records: Vec<Record> = (0..12_000).map(|at| line(at, Way::Out)).collect();
    records.push(line(12_000, Way::In));
    place.store(records);
    let even = place.read().lines(&id("even"), 0, 2).unwrap();
    assert_eq!(even.iter().map(|row| row.at.0).collect::<Vec<_>>(), [0, 2]);
    let next = place.read().lines(&id("even"), even[1].n, 1).unwrap();
    assert_eq!((next[0].at, next[0].line.as_str()), (Wall(4), "{\"at\":4}"));

    let store = place.open();
    let pruned = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(store.prune_lines(Wall(11_999)));
    assert_eq!(pruned, Ok(11_999));
    let left = store.reader().unwrap().lines(&id("even"), 0, 9).unwrap();
    assert_eq!(left.iter().map(|row| (row.at.0, row.way)).collect::<Vec<_>>(), [(12_000, Way::In)]);
}

fn ask(number: u64, input: serde_json::Value) -> Ask {
    Ask {
        id: AskId(number),
        agent: AgentId(1),
        sub: None,
        call: Some("toolu_1".into()),
        tool: "Bash".to_owned(),
        input,
        kind: AskKind::Plan("the plan".to_owned()),
        suggestions: vec![Suggestion { label: "Bash(ls *)".to_owned(), raw: json!({ "x": 1 }) }],
        reason: None,
        at: Wall(i64::try_from(number).unwrap()),
    }
}

#[test]
fn asks_come_back_with_their_ends() {
    let place = Place::new();
    let (first, second) = (ask(1, json!({ "a": 1 })), ask(2, json!({})));
    let answer = AskAnswer::Deny { reason: "no".to_owned(), interrupt: true };
    place.store(vec![
        Record::Asked { session: id("s"), ask: Box::new(first.clone()) },
        Record::Asked { session: id("s"), ask: Box::new(second.clone()) },
        Record::AskEnded {
            session: id("s"),
            ask: Box::new(first.clone()),
            at: Wall(9),
            outcome: AskOutcome::Denied,
            answer: Some(answer.clone()),
        },
    ]);
    let ended = AskRow { ask: first, end: Some((Wall(9), AskOutcome::Denied, Some(answer))) };
    let waits = AskRow { ask: second, end: None };
    assert_eq!(place.read().asks(&id("s")).unwrap(), [ended, waits]);
}

fn decision(path: &str) -> DecisionRow {
    DecisionRow {
        workspace: "/w".to_owned(),
        at: Wall(3),
        owner: Owner::Session(id("s"), Some("sub".into())),
        path: path.to_owned(),
        tool: "Edit".to_owned(),
        code: "OK".to_owned(),
        text: "rebased".to_owned(),
    }
}

#[test]
fn what_the_arbiter_knows_comes_back_by_workspace() {
    let place = Place::new();
    let lease = LeaseRow {
        workspace: "/w".to_owned(),
        path: "src/a.rs".to_owned(),
        owner: Owner::Session(id("s"), None),
        state: LeaseState::Inflight,
        since: Wall(1),
        until: Some(Wall(2)),
        reason: "edit".to_owned(),
        process: Some(Process { pid: 77, began: 8, boot: "b".to_owned() }),
    };
    let pin =
        LeaseRow { path: "docs/".to_owned(), owner: Owner::User, until: None, ..lease.clone() };
    let other = LeaseRow { workspace: "/other".to_owned(), ..lease.clone() };
    let (before, after) = (Hash::of(b"before"), Hash::of(b"after"));
    let path = WorkPath::parse("src/a.rs").unwrap();
    let knows = |owner: Owner, knows: Option<(Hash, String)>| Record::Knows {
        workspace: "/w".to_owned(),
        owner,
        path: path.clone(),
        knows,
    };
    let full = |hash| Some((hash, "full".to_owned()));
    place.store(vec![
        Record::Lease(lease.clone()),
        Record::Lease(pin.clone()),
        Record::Lease(other),
        Record::Lease(LeaseRow { path: "gone".to_owned(), ..lease.clone() }),
        Record::Free { workspace: "/w".to_owned(), path: "gone".to_owned() },
        Record::Lease(LeaseRow { state: LeaseState::Held, ..lease.clone() }),
        knows(Owner::User, full(before)),
        knows(Owner::User, Some((after, "own_write".to_owned()))),
        knows(Owner::External, full(before)),
        knows(Owner::External, None),
        Record::Decision(decision("a")),
        Record::Decision(decision("b")),
        Record::Blob { hash: before, bytes: b"before".to_vec() },
        Record::Blob { hash: before, bytes: b"before".to_vec() },
        Record::Blob { hash: after, bytes: b"damaged".to_vec() },
    ]);
    let reader = place.read();
    let held = LeaseRow { state: LeaseState::Held, ..lease };
    assert_eq!(reader.leases("/w").unwrap(), [pin, held]);
    let known = KnowsRow { owner: Owner::User, path, hash: after, seen: "own_write".to_owned() };
    assert_eq!(reader.observations("/w").unwrap(), [known]);
    assert_eq!(reader.decisions("/w", 9).unwrap(), [decision("b"), decision("a")]);
    assert_eq!(reader.decisions("/w", 1).unwrap(), [decision("b")]);
    assert_eq!(reader.blob(before).unwrap().as_deref(), Some(&b"before"[..]));
    assert_eq!(reader.blob(Hash::of(b"x")).unwrap(), None);
    assert!(reader.blob(after).is_err(), "content that does not have its hash was given out");
}

#[test]
fn the_last_benches_come_back_as_they_were() {
    let place = Place::new();
    let bench = |begun, saved_at, sessions: &[&str], layout| BenchRow {
        workspace: "/w".to_owned(),
        begun: Wall(begun),
        saved_at: Wall(saved_at),
        sessions: sessions.iter().map(|name| id(name)).collect(),
        layout,
    };
    let eight = bench(1, 2, &["b", "a"], json!({ "split": [0.5, { "pane": 1 }] }));
    place
        .store(vec![Record::Bench(bench(1, 1, &["b"], json!(null))), Record::Bench(eight.clone())]);
    assert_eq!(place.read().benches("/w").unwrap(), slice::from_ref(&eight));
    assert_eq!(place.read().benches("/x").unwrap(), []);
    // One agent on a new bench takes nothing away.
    let lone = bench(3, 3, &["c"], json!(null));
    place.store(vec![Record::Bench(lone.clone())]);
    assert_eq!(place.read().benches("/w").unwrap(), [lone, eight]);
    // What has come back as a part of another bench is not kept twice.
    let back = bench(4, 4, &["a", "b", "c"], json!(null));
    place.store(vec![Record::Bench(back.clone())]);
    assert_eq!(place.read().benches("/w").unwrap(), [back]);
    for begun in 5..20 {
        let name = format!("s{begun}");
        place.store(vec![Record::Bench(bench(begun, begun, &[&name], json!(null)))]);
    }
    let kept: Vec<_> = place.read().benches("/w").unwrap().iter().map(|row| row.begun.0).collect();
    assert_eq!(kept, [19, 18, 17, 16, 15]);
}

#[test]
fn the_cost_of_a_day_is_what_its_sessions_added_to_their_totals() {
    let place = Place::new();
    let (day, noon) = (86_400_000, 43_200_000);
    let at = |name: &str, workspace: &str, when: i64, cost: f64| {
        let mut row = SessionRow { workspace: workspace.to_owned(), ..session(name, when) };
        row.usage.cost_usd = cost;
        Record::Session(Box::new(row))
    };
    place.store(vec![
        at("old", "/w", noon, 5.0),
        at("both", "/w", noon, 1.0),
        at("both", "/w", day + noon, 1.5),
        at("both", "/w", day + noon + 1, 1.75),
        at("new", "/x", day, 0.25),
    ]);
    let cost = |since, workspace| place.read().cost_since(Wall(since), workspace).unwrap();
    assert_eq!(cost(day, None), 1.0);
    assert_eq!(cost(day, Some("/w")), 0.75);
    assert_eq!(cost(0, None), 7.0);
    assert_eq!(cost(2 * day, None), 0.0);
}

#[test]
fn prompts_that_wait_are_kept_with_their_session() {
    let place = Place::new();
    let waiting = |prompts: &[&str]| Record::Waiting {
        session: id("s"),
        prompts: prompts.iter().map(|&prompt| prompt.to_owned()).collect(),
    };
    place.store(vec![waiting(&["one"]), waiting(&["one", "two"])]);
    assert_eq!(place.read().waiting(&id("s")).unwrap(), ["one", "two"]);
    assert!(place.read().waiting(&id("other")).unwrap().is_empty());
    place.store(vec![waiting(&[])]);
    assert!(place.read().waiting(&id("s")).unwrap().is_empty());
}
