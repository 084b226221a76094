//! Going on with stored sessions.

use super::*;
use crate::model::agent::Backend;
use crate::model::id::ItemId;
use crate::model::session::SessionRow;
use crate::model::transcript::{Body, Item, Speaker};
use crate::model::usage::Usage;

fn stored() -> Loaded {
    let item = |id, body| Item { id, at: Wall(1), sub: None, parent: None, body, open: false };
    let spec = AgentSpec { name: "blue".to_owned(), ..AgentSpec::default() };
    let row = SessionRow {
        id: "s1".into(),
        backend_session_id: Some("b1".to_owned()),
        title: "a long story".to_owned(),
        workspace: "/w".to_owned(),
        cwd: "/w".to_owned(),
        branch: "main".to_owned(),
        backend: Backend::Claude,
        agent: "blue".to_owned(),
        started_at: Wall(0),
        updated_at: Wall(1),
        turns: 1,
        messages: 2,
        usage: Usage::default(),
        last_state: "finished".to_owned(),
        forked_from: None,
        spec,
    };
    let prompt = Body::Prompt { text: "tell me".to_owned(), from: Speaker::Person };
    let text = Body::Text { text: "once upon a time".to_owned() };
    let items = vec![item(ItemId(6), prompt), item(ItemId(7), text)];
    Loaded { row, items, more_before: true, last_item: 7, waiting: Vec::new() }
}

fn resumed(fork: bool, from_history: bool) -> Vec<String> {
    let mut bench = Bench::new();
    bench.stored = Some(stored());
    let session = "s1".into();
    bench.command(Command::ResumeSession { session, fork, from_history });
    bench.log().into_iter().map(|line| line.chars().take(60).collect()).collect()
}

#[test]
fn who_watches_gets_what_was_said_before_with_the_agent() {
    assert_eq!(
        resumed(false, false),
        ["1 begins with 2 items and more before", "reply agent 1 once stored"]
    );
    assert_eq!(resumed(true, false), ["1 begins with 2 items", "reply agent 1 once stored"]);
    let retold = resumed(false, true);
    assert_eq!(retold[0], "1 begins with 2 items");
    assert!(retold[2].starts_with("1 < prompt This goes on with an earlier"), "{retold:?}");
}

#[test]
fn a_session_that_is_open_or_unknown_is_not_resumed() {
    let mut bench = Bench::new();
    let resume = |session: &str| Command::ResumeSession {
        session: session.into(),
        fork: false,
        from_history: false,
    };
    bench.command(resume("s1"));
    assert_eq!(bench.log(), ["reply failed no such session"]);
    bench.stored = Some(stored());
    bench.command(resume("s1"));
    bench.log();
    bench.command(resume("s1"));
    assert_eq!(bench.log(), ["reply failed that session is open here, as blue"]);
}

#[test]
fn the_newest_words_are_retold_even_if_they_are_long() {
    let mut bench = Bench::new();
    let mut long = stored();
    let text = format!("{}the very end", "é".repeat(40_000));
    long.items.last_mut().unwrap().body = Body::Text { text };
    bench.stored = Some(long);
    let (session, fork, from_history) = ("s1".into(), false, true);
    bench.command(Command::ResumeSession { session, fork, from_history });
    let log = bench.log();
    let told = log.iter().find(|line| line.contains("< prompt")).unwrap();
    assert!(told.contains("the very end") && !told.contains("tell me"), "{}", told.len());
    assert!(told.len() < 50 * 1024 && told.contains("left out"));
}
