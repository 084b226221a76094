//! Who has a file, how it passes on, and what is left of it after an end or a restart.

use super::*;

#[test]
fn a_file_that_was_read_may_be_written_and_a_second_writer_waits() {
    check(
        "a reads f; b reads f; a edits f two 2 slowly; b edits f six 6 slowly; a is done",
        "a may
         b waits for a on f at 1",
    );
    check(
        "a reads f; b reads f; a edits f two 2; b edits f six 6 slowly; 15 pass",
        "a may
         b waits for a on f at 1
         tell a: f has passed to
         b may with a note",
    );
}

#[test]
fn a_turn_that_ends_lets_the_next_one_in() {
    check(
        "a reads f; b reads f; a edits f two 2; b edits f six 6 slowly; a ends turn",
        "a may
         b waits for a on f at 1
         b may with a note",
    );
}

#[test]
fn a_lease_that_has_run_out_is_kept_until_somebody_wants_the_file() {
    check_moves(
        "a reads f; a edits f two 2; 300 pass; b edits f six 6",
        "f: a inflight
         f: a held
         f: b inflight
         f: b held",
    );
}

#[test]
fn a_stale_refusal_reserves_the_file_for_the_refused_one() {
    check(
        "a reads f; b reads f; a edits f two 2; a ends turn; b writes f x| ; a edits f six 6 slowly
         20 pass; 40 pass; a edits f six 6",
        "a may
         b may not: STALE
         a waits for b on f at 1
         a may not: HELD
         tell a: f is free now;
         a may",
    );
}

#[test]
fn a_failed_write_leaves_the_lease_as_it_was() {
    check_moves(
        "a reads f; a edits f two 2 slowly; a fails; a edits f two 2; a edits f six 6 slowly; a fails",
        "f: a inflight
         f: free
         f: a inflight
         f: a held
         f: a inflight
         f: a held",
    );
}

#[test]
fn while_the_person_thinks_the_lease_is_an_ordinary_one() {
    check_moves(
        "a reads f; a edits f two 2 slowly; a asks; a is allowed; a is done",
        "f: a inflight
         f: a held
         f: a inflight
         f: a held",
    );
    check(
        "a reads f; b reads f; a writes f x| slowly; a asks; b edits f two 2 slowly; 16 pass
         b is done; a is allowed; b ends turn",
        "a may
         b waits for a on f at 1
         tell a: f has passed to
         b may
         a waits for b on f at 1
         a may not: STALE",
    );
    check_moves(
        "a reads f; a edits f two 2 slowly; a asks; a is denied",
        "f: a inflight
         f: a held
         f: free",
    );
}

#[test]
fn a_parent_and_its_sub_agent_share_leases_but_not_what_they_have_seen() {
    check(
        "a reads f; a edits f two 2; a/x writes f x|; a/x edits f six 6 slowly; a edits f one 1 slowly
         a/x is done",
        "a may
         a/x may not: UNREAD
         a/x may
         a waits for a/x on f at 1
         a may with a note",
    );
    check_moves(
        "a edits f two 2; a/x edits f six 6; a ends turn; a/x ends turn",
        "f: a inflight
         f: a held
         f: a/x inflight
         f: a/x held
         f: free",
    );
}

#[test]
fn death_frees_everything_of_a_session() {
    check_moves(
        "a edits f two 2 slowly; a/x edits g two 2; a reserves src/; b edits f six 6 slowly; a dies",
        "f: a inflight
         g: a/x inflight
         g: a/x held
         src/: a pinned
         f: a inflight < b
         f: free
         g: free
         src/: free
         f: b inflight",
    );
}

#[test]
fn what_an_owner_may_ask_is_answered() {
    let mut world = World::new(Settings::default());
    world.put("src/x", TEXT);
    let (a, b, at) = (owner("a"), owner("b"), path("src/x"));
    world.read(&b, "src/x", Seen::Full);
    world.reserve(&a, vec!["src/".into()], None, 0);
    let edits = vec![("two".to_owned(), "2".to_owned(), false)];
    let op = world.call(&a, "src/x", Action::Edits(edits.clone()), 0);
    let session = "a".into();
    assert_eq!(world.table.in_flight(&session), [(op, &at)]);
    world.run(op);
    world.finish(op);
    world.call(&b, "src/x", Action::Edits(edits), 5_000);
    let table = &world.table;
    assert_eq!(table.holds(&session).collect::<Vec<_>>(), ["src/", "src/x"]);
    assert_eq!(table.waits(&"b".into()), [&at]);
    assert_eq!(table.outdated(&at), [&b]);
    assert_eq!(table.last_writer(&at), Some((&a, world.now)));
    let standing = table.who_has(&b, &at);
    assert_eq!(standing.changed_since_seen, Some(true));
    assert_eq!(standing.changed_by, [&a]);
    assert_eq!(standing.pin.map(|(pattern, _)| pattern), Some("src/"));
    assert_eq!(standing.lease.map(|lease| lease.queue.clone()), Some(vec![b.clone()]));
    assert_eq!(table.who_has(&a, &at).changed_since_seen, Some(false));
    assert_eq!(table.knows(&a, &at).map(|known| known.seen), Some(Seen::Range));
}

#[test]
fn a_restart_keeps_leases_reservations_and_knowledge() {
    let mut world = World::new(Settings::default());
    for at in ["f", "g"] {
        world.put(at, TEXT);
    }
    let (a, b) = (owner("a"), owner("b"));
    let edit = |old: &str| Action::Edits(vec![(old.to_owned(), "@x".to_owned(), false)]);
    world.read(&a, "f", Seen::Full);
    world.read(&b, "f", Seen::Full);
    world.reserve(&a, vec!["src/".into()], None, 0);
    let op = world.call(&a, "f", edit("two"), 0);
    world.restart();
    world.check();
    // The tool of the old engine's time may still run: nobody gets the file.
    let waits = world.call(&b, "f", edit("six"), 20_000);
    world.pass(19_000);
    assert!(world.table.is_open(waits));
    world.run(op);
    world.die(&a);
    assert_eq!(world.calls.get(&waits).map(|call| call.stage), Some(Stage::Granted));
    world.check();
    assert_eq!(world.table.lease_of("src/"), None);
}

#[test]
fn two_requests_with_one_number_get_nothing() {
    let mut world = World::new(Settings::default());
    let wish = |owner| crate::arbiter::input::Wish {
        op: OpId(1),
        owner,
        path: path("f"),
        proposal: crate::arbiter::input::Proposal::Opaque,
        base: None,
        wait_ms: 0,
    };
    world.tell(Input::Request(wish(owner("a"))));
    world.tell(Input::Request(wish(owner("b"))));
    assert!(matches!(world.effects.last(), Some(Effect::Refused { .. })));
    assert!(!world.table.is_open(OpId(1)));
    world.tell(Input::Answered { op: OpId(9) });
    assert!(matches!(world.effects.last(), Some(Effect::Refused { op: OpId(9), .. })));
}

#[test]
fn a_write_that_has_ended_is_not_shown_while_the_next_one_is_looked_at() {
    for (second, left) in [("a", Some(LeaseState::Held)), ("b", None)] {
        let mut world = World::new(Settings::default());
        world.put("f", TEXT);
        let edit = |old: &str| Action::Edits(vec![(old.to_owned(), "@x".to_owned(), false)]);
        let first = world.call(&owner("a"), "f", edit("two"), 0);
        world.quick = false;
        let next = world.call(&owner(second), "f", edit("six"), 20_000);
        if second == "a" {
            world.run(first);
            world.finish(first);
        } else {
            world.die(&owner("a"));
        }
        assert_eq!(world.calls[&next].stage, Stage::Looking(None), "{second}");
        let shown = world.leases.get("f").map(|lease| lease.state);
        assert_eq!(shown, left, "what an engine that is killed now would find for {second}");
        world.check();
        world.inspect(next);
        assert_eq!(world.leases.get("f").and_then(|lease| lease.op), Some(next));
        world.check();
    }
}

#[test]
fn nothing_waits_for_a_session_that_is_gone() {
    // What the person gave to b, or to a sub-agent of it, goes to nobody.
    for heir in ["b", "b/x"] {
        check_moves(
            &format!("a edits f two 2 slowly; user steals f for {heir}; b dies; a is done"),
            "f: a inflight
             f: a held",
        );
    }
    // Its places are gone before its files are freed: the next one is told, not one of the dead.
    check(
        "a edits f two 2 slowly; a/x tries f six 6; b tries f six 6; a dies",
        "a may
         a/x may not: HELD
         b may not: HELD
         tell b: f is free now;",
    );
}

#[test]
fn no_call_of_a_session_begins_while_it_ends() {
    let mut world = World::new(Settings::default());
    world.put("f", TEXT);
    let edit = |old: &str| Action::Edits(vec![(old.to_owned(), "@x".to_owned(), false)]);
    world.call(&owner("a"), "f", edit("two"), 0);
    world.call(&owner("a/x"), "f", edit("six"), 20_000);
    world.effects.clear();
    world.die(&owner("a"));
    let looks = world.effects.iter().filter(|effect| matches!(effect, Effect::Inspect { .. }));
    assert_eq!(looks.count(), 0);
}
