//! Sessions are found by age, by name and by what was said in them.

use serde_json::json;

use super::*;
use crate::history::record::OpenRow;
use crate::model::session::{SessionHit, SessionQuery};

fn search(place: &Place, text: &str) -> Vec<SessionHit> {
    let query = SessionQuery { text: Some(text.to_owned()), ..SessionQuery::default() };
    place.read().sessions(&query, |_, _| false).unwrap()
}

/// Which sessions are found, each with its snippet and how many more places match.
fn found(place: &Place, text: &str) -> String {
    let hits = search(place, text);
    let rows = hits.iter().map(|hit| {
        format!("{} {} +{}", hit.row.id, hit.snippet.as_deref().unwrap_or("-"), hit.more)
    });
    rows.collect::<Vec<_>>().join("\n")
}

#[test]
fn words_are_found_in_prompts_answers_tool_inputs_and_file_names() {
    let place = Place::new();
    place.store(vec![
        stored_session("a", 1),
        stored_session("b", 2),
        stored("a", prompt(1, "please fix the lexer")),
        stored("a", text(2, "The lexer returns spans now")),
        stored("b", tool(1, json!({ "file_path": "src/lex.rs", "old_string": "fn old() {}" }))),
        stored("b", item(2, Body::Thinking { text: "the lexer again".to_owned() })),
    ]);
    assert_eq!(found(&place, "lexer"), "a The ‹lexer› returns spans now +1");
    assert_eq!(
        found(&place, "lex"),
        "b src/‹lex›.rs\nfn old() {} +0\na The ‹lexer› returns spans now +1"
    );
    assert_eq!(found(&place, "src/lex.rs"), "b ‹src/lex.rs›\nfn old() {} +0");
    assert_eq!(found(&place, "lexer fix"), "a please ‹fix› the ‹lexer› +0");
    assert_eq!(found(&place, "\"fix lexer\""), "");
    assert_eq!(
        found(&place, "\"the lexer\""),
        "a please fix ‹the lexer› +1"
            .replace("please fix ‹the lexer›", "‹The lexer› returns spans now")
    );
    assert_eq!(found(&place, "nothing"), "");
}

#[test]
fn letters_of_all_scripts_and_signs_of_all_kinds_can_be_looked_for() {
    let place = Place::new();
    place.store(vec![
        stored_session("a", 1),
        stored(
            "a",
            text(1, "Größe und Café, Привет мир, 検索エンジン, say \"hi\" -- NOT foo:bar*"),
        ),
    ]);
    for text in [
        "größe",
        "GRÖSSE café",
        "cafe",
        "привет",
        "検索",
        "\"привет мир\"",
        "say \"hi\"",
        "foo:bar*",
        "-- NOT",
        "\"",
        "hi\" (",
        "NOT foo",
        "NEAR(a b)",
        "^Größe",
        "{x}",
        "foo AND",
        "'; DROP TABLE",
    ] {
        // None of them is an error; which ones match is told below.
        search(&place, text);
    }
    for text in ["größe", "cafe", "ПРИВЕТ", "検索", "\"привет мир\"", "foo:bar*", "NOT foo"]
    {
        assert_eq!(search(&place, text).len(), 1, "{text}");
    }
    for text in ["foo OR nothing", "hi NEAR foo", "DROP", "エンジン"] {
        assert_eq!(search(&place, text).len(), 0, "{text}");
    }
}

#[test]
fn an_item_is_found_once_however_often_it_is_stored() {
    let place = Place::new();
    place.store(vec![
        stored_session("a", 1),
        stored("a", open_text(1, "alpha")),
        stored("a", text(1, "alpha beta")),
        stored("a", text(1, "alpha beta")),
        stored("a", text(2, "gamma")),
    ]);
    assert_eq!(found(&place, "alpha"), "a ‹alpha› beta +0");
    // A closed item that changes after all is found by its new words only.
    place.store(vec![stored("a", text(1, "alpha delta"))]);
    assert_eq!(found(&place, "alpha"), "a ‹alpha› delta +0");
    assert_eq!(found(&place, "beta"), "");
    crate::history::check_whole(&place.path()).unwrap();
}

#[test]
fn open_items_are_found_once_they_close_or_their_engine_is_gone() {
    let place = Place::new();
    let store = place.open();
    store
        .blocking_queue(vec![
            stored_session("a", 1),
            stored("a", open_text(1, "half a sen")),
            tail("a", 1, "tence"),
        ])
        .unwrap();
    store.flush().wait().unwrap();
    assert_eq!(found(&place, "sentence"), "");
    // The engine ends without closing it.
    drop(store);
    place.store(vec![]);
    assert_eq!(found(&place, "sentence"), "a half a ‹sentence› +0");
    place.store(vec![stored("a", text(1, "half a sentence is whole"))]);
    assert_eq!(found(&place, "sentence"), "a half a ‹sentence› is whole +0");
}

#[test]
fn closed_items_become_searchable_while_the_history_stays_open() {
    let place = Place::new();
    let store = place.open();
    let closed = |n: u64, words: &str| stored("a", text(n, words));
    store.blocking_queue(vec![stored_session("a", 1), closed(1, "before")]).unwrap();
    // Changed before it can be searched.
    store.blocking_queue(vec![closed(1, "after"), closed(2, "besides")]).unwrap();
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while found(&place, "besides").is_empty() {
        assert!(std::time::Instant::now() < patience, "it never became searchable");
        std::thread::yield_now();
    }
    assert_eq!(found(&place, "after"), "a ‹after› +0");
    assert_eq!(found(&place, "before"), "");
}

#[test]
fn titles_are_searched_too_those_of_the_person_included() {
    let place = Place::new();
    let store = place.open();
    store.blocking_queue(vec![stored_session("a", 1), stored_session("b", 2)]).unwrap();
    store.rename_session(id("a"), "Überarbeitung des Parsers".to_owned()).wait().unwrap();
    assert_eq!(found(&place, "parser überarbeitung"), "a - +0");
    assert_eq!(found(&place, "title of"), "b - +0");
}

#[test]
fn the_newest_sessions_come_first_those_of_one_workspace_or_of_all() {
    let place = Place::new();
    let elsewhere = SessionRow { workspace: "/x".to_owned(), ..session("c", 2) };
    place.store(vec![
        stored_session("a", 1),
        stored_session("b", 3),
        Record::Session(Box::new(elsewhere)),
        stored("a", text(1, "needle")),
        stored("b", text(1, "needle")),
        stored("c", text(1, "needle")),
    ]);
    let names = |workspace: Option<&str>, text: Option<&str>, limit| {
        let (workspace, text) = (workspace.map(str::to_owned), text.map(str::to_owned));
        let query = SessionQuery { workspace, text, limit };
        let hits = place.read().sessions(&query, |_, _| false).unwrap();
        hits.iter().map(|hit| hit.row.id.0.clone()).collect::<String>()
    };
    for text in [None, Some("needle"), Some("  ")] {
        let text = text.filter(|text| !text.is_empty());
        assert_eq!(names(None, text, 0), "bca", "{text:?}");
        assert_eq!(names(Some("/w"), text, 0), "ba", "{text:?}");
        assert_eq!(names(Some("/x"), text, 0), "c", "{text:?}");
        assert_eq!(names(None, text, 2).len(), 2, "{text:?}");
    }
    assert_eq!(names(None, None, 2), "bc");
    assert_eq!(names(Some("/none"), None, 0), "");
}

#[test]
fn a_hit_says_whether_an_engine_that_lives_has_it_open() {
    let place = Place::new();
    let open = |name: &str, engine_pid| {
        Record::Open(OpenRow {
            session: id(name),
            engine_pid,
            engine_started: u64::MAX,
            agent_pid: None,
            at: Wall(1),
        })
    };
    place.store(vec![
        stored_session("a", 1),
        stored_session("b", 2),
        stored_session("c", 3),
        open("a", 10),
        open("b", 20),
    ]);
    let alive = |pid, started| pid == 10 && started == u64::MAX;
    let hits = place.read().sessions(&SessionQuery::default(), alive).unwrap();
    let open: Vec<bool> = hits.iter().map(|hit| hit.open).collect();
    assert_eq!(open, [false, false, true]);
}

#[test]
fn a_person_may_name_a_session_by_id_beginning_or_title() {
    let place = Place::new();
    let titled = |name: &str, at, title: &str| {
        Record::Session(Box::new(SessionRow { title: title.to_owned(), ..session(name, at) }))
    };
    place.store(vec![
        titled("0190-aa", 1, "fix 100% of it"),
        titled("0190-ab", 2, "fix"),
        titled("0290-cc", 3, "refix"),
    ]);
    let named = |text: &str| {
        let rows = place.read().session_by_prefix_or_title(text, None).unwrap();
        rows.iter().map(|row| row.id.0.as_str().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(named("0190-aa"), "0190-aa");
    assert_eq!(named("0190"), "0190-ab 0190-aa");
    assert_eq!(named("backend-0290-cc"), "0290-cc");
    assert_eq!(named("FIX"), "0190-ab");
    assert_eq!(named("100%"), "0190-aa");
    assert_eq!(named("ix"), "0290-cc 0190-ab 0190-aa");
    assert_eq!(named("0_90"), "");
    assert_eq!(named(" "), "");
    let elsewhere = place.read().session_by_prefix_or_title("0190", Some("/x")).unwrap();
    assert_eq!(elsewhere, []);
}

#[test]
fn however_many_items_were_left_open_their_words_are_found_and_the_wordless_are_let_be() {
    let place = Place::new();
    let wordless = |number| stored("a", open_text(number, ""));
    let mut records = vec![stored_session("a", 1)];
    records.extend((1..3000).map(wordless));
    records.push(stored("a", open_text(3000, "the heron")));
    place.store(records);
    let store = place.open();
    let unseen = store.ask(|pen| {
        let count = "SELECT count(*) FROM item WHERE open = 1 AND doc IS NULL";
        Ok(pen.conn.query_row(count, [], |row| row.get::<_, i64>(0)).unwrap())
    });
    assert_eq!(unseen.wait().unwrap(), 0);
    store.close().unwrap();
    assert_eq!(found(&place, "heron"), "a the ‹heron› +0");
    place.store(vec![stored("a", text(1, "an egret"))]);
    assert_eq!(found(&place, "egret"), "a an ‹egret› +0");
}
