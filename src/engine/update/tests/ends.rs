//! What ends with a turn, a process or an answer, and what goes on.

use super::*;

#[test]
fn a_script_that_has_written_one_file_keeps_the_other_that_it_writes() {
    let mut bench = Bench::working(&["blue"]).file("b", "x\n");
    bench.call("ci", "read_file", json!({"path": "b"}));
    bench.read(BLUE, "b");
    bench.log();
    bench.history_slow = true;
    bench.call("ci", "write_file", json!({"path": "b", "content": "x\nci\n"}));
    bench.history_slow = false;
    bench.call("ci", "write_file", json!({"path": "a", "content": "ci\n"}));
    assert_eq!(bench.log(), ["reply OK true"]);
    bench.gate(BLUE, "c1", "Write", write("b", "x\nblue\n"));
    assert!(bench.log().is_empty(), "b is ci's until it is written");
    bench.arrive();
    assert_eq!(
        bench.log(),
        ["reply OK true", "blue refused b STALE", "1 < gate-c1 deny NOT WRITTEN (stale)"]
    );
    assert_eq!(bench.files["b"], "x\nci\n");
}

#[test]
fn a_tool_of_the_bench_writes_on_although_its_agent_has_died() {
    let mut bench = Bench::working(&["blue", "red"]).file("b", "x\n");
    bench.read(BLUE, "b");
    bench.read(RED, "b");
    bench.history_slow = true;
    bench.call("blue", "write_file", json!({"path": "b", "content": "x\nblue\n"}));
    bench.history_slow = false;
    bench.dies(BLUE);
    bench.log();
    bench.gate(RED, "c1", "Write", write("b", "x\nred\n"));
    assert!(bench.log().is_empty(), "b is blue's until it is written");
    bench.arrive();
    assert_eq!(bench.files["b"], "x\nblue\n");
    bench.wait(16_000);
    assert!(bench.log().contains(&"red refused b STALE".to_owned()));
}

#[test]
fn a_grant_that_the_arbiter_took_back_is_not_carried_out() {
    let mut bench = Bench::working(&["blue"]);
    bench.history_slow = true;
    bench.call("ci", "write_file", json!({"path": "b", "content": "ci\n"}));
    let op = *bench.state.ops.keys().next().unwrap();
    let now = bench.state.epoch.mono;
    bench.state.desk.decide(now, crate::arbiter::Input::Withdrawn { op });
    bench.arrive();
    assert_eq!(bench.log(), ["ci refused b FAILED", "reply FAILED false"]);
    assert!(!bench.files.contains_key("b"));
}

#[test]
fn an_interrupt_ends_the_wait_of_a_write_that_the_person_allowed() {
    let mut bench = Bench::working(&["blue", "red"]);
    bench.gate(BLUE, "c1", "Write", write("a", "blue\n"));
    bench.ask(BLUE, "c1", "Write", write("a", "blue\n"));
    // While the person thinks, the file passes on.
    bench.wait(61_000);
    bench.gate(RED, "c2", "Write", write("a", "red\n"));
    let answer = AskAnswer::AllowOnce { input: None };
    bench.command(Command::AnswerAsk { ask: AskId(1), answer });
    assert!(bench.state.agents[&BLUE].info.waits_for.is_some());
    bench.says(BLUE, Report::Withdrawn { request: "ask-c1".into() });
    assert_eq!(bench.states(), "blue:working red:working");
    assert_eq!(bench.state.agents[&BLUE].info.waits_for, None);
    assert!(bench.state.calls.keys().all(|(agent, _)| *agent == RED));
}

#[test]
fn an_agent_that_does_not_read_its_orders_is_stopped_in_words() {
    let mut bench = Bench::working(&["blue"]);
    let run = bench.runs[&BLUE];
    bench.feed(Input::OrderFailed { agent: BLUE, run: run + 1 });
    assert!(bench.log().is_empty(), "another start of it is meant");
    for _ in 0..2 {
        bench.feed(Input::OrderFailed { agent: BLUE, run });
    }
    assert_eq!(bench.log(), ["1 < stop"]);
    let (items, _) = bench.state.agents[&BLUE].fold.items();
    assert!(format!("{:?}", items.last()).contains("does not read"), "{items:?}");
}

#[test]
fn what_a_front_end_waited_for_ends_with_it() {
    let mut bench = Bench::working(&["blue"]);
    bench.gate(BLUE, "c1", "Write", write("a", "one"));
    bench.call("ci", "reserve_files", json!({"paths": ["a"], "wait_s": 60}));
    bench.call("ci", "wait_for", json!({"path": "a", "timeout_s": 60}));
    bench.call("ci", "write_file", json!({"path": "a", "content": "ci"}));
    bench.feed(Input::ClientGone(ClientId(2)));
    assert_eq!(bench.state.ops.len(), 4, "another one is gone");
    bench.feed(Input::ClientGone(ME.client));
    assert_eq!(bench.state.ops.len(), 1);
    bench.done(BLUE, "c1", "Write", write("a", "one"), "one");
    bench.turn_ends(BLUE);
    assert!(bench.state.desk.read(|table| table.lease_of("a").is_none()));
    assert_eq!(bench.files["a"], "one");
}

#[test]
fn an_agent_that_lets_many_files_go_is_shown_once() {
    let mut bench = Bench::working(&["blue"]);
    for at in 0..40 {
        let (call, input) = (format!("c{at}"), write(&format!("f{at:02}"), "x"));
        bench.gate(BLUE, &call, "Write", input.clone());
        bench.done(BLUE, &call, "Write", input, "x");
    }
    assert_eq!(bench.state.agents[&BLUE].info.holds.len(), 40);
    let run = bench.runs[&BLUE];
    let end = TurnEnd { reason: "completed".to_owned(), ..TurnEnd::default() };
    let report = Report::TurnEnded { end, tokens: Tokens::default(), context: None };
    let said = Input::Said(Said { agent: BLUE, run, report });
    let effects = bench.state.update(Now { mono: Mono(1), wall: Wall(1) }, said);
    let rows: Vec<_> = effects
        .iter()
        .filter_map(|effect| {
            let Effect::Publish(Event::AgentChanged { agent }) = effect else { return None };
            Some(agent.holds.len())
        })
        .collect();
    assert!(rows.len() <= 3 && rows.last() == Some(&0), "{rows:?}");
}

#[test]
fn when_a_read_began_is_known_at_its_end() {
    let mut bench = Bench::working(&["blue"]).file("a", "x\n");
    let input = json!({ "file_path": "/w/a" });
    bench.now = 5;
    bench.gate(BLUE, "c1", "Read", input.clone());
    bench.now = 9;
    bench.ended(BLUE, "c1", "Read", input.clone(), false);
    bench.ended(BLUE, "c2", "Read", input.clone(), false);
    assert_eq!(bench.reads_began, [Some(Wall(5)), None]);
    bench.gate(BLUE, "c3", "Read", input);
    bench.turn_ends(BLUE);
    assert!(bench.state.reading.is_empty());
}
