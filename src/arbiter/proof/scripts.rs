//! Each rule as a little script: what happens on the left, what is answered on the right.
//!
//! `a`, `b`, ... are agents, `a/x` is a sub-agent of `a`, `user` is the person and `editor` a
//! program outside. Tools run at once when they are granted unless the script says `slowly`.

use super::world::{Action, Stage, World, owner, path};
use crate::arbiter::input::{Effect, Input, Seen};
use crate::arbiter::settings::Settings;
use crate::model::id::OpId;
use crate::model::lease::Owner;

/// Grants, refusals, waits and what owners are told.
fn check(script: &str, expected: &str) {
    let world = run(script);
    let got: Vec<String> = world.1.iter().filter_map(|effect| answer(&world.0, effect)).collect();
    assert_eq!(got.join("\n"), trimmed(expected), "after: {script}");
}

/// How leases move.
fn check_moves(script: &str, expected: &str) {
    let world = run(script);
    let moves = world.1.iter().filter_map(|effect| match effect {
        Effect::Moved { path, lease: Some(lease) } => {
            let state = format!("{:?}", lease.state).to_lowercase();
            let queue: Vec<String> = lease.queue.iter().map(Owner::key).collect();
            let queue =
                if queue.is_empty() { String::new() } else { format!(" < {}", queue.join(" ")) };
            Some(format!("{path}: {} {state}{queue}", lease.owner.key()))
        }
        Effect::Moved { path, lease: None } => Some(format!("{path}: free")),
        _ => None,
    });
    assert_eq!(moves.collect::<Vec<_>>().join("\n"), trimmed(expected), "after: {script}");
}

/// What owners know and who changed what.
fn check_knowledge(script: &str, expected: &str) {
    let world = run(script);
    let lines = world.1.iter().filter_map(|effect| match effect {
        Effect::Knows { owner, path, observation } => {
            let seen = observation.map_or("nothing".to_owned(), |o| format!("{:?}", o.seen));
            Some(format!("{} knows {path}: {seen}", owner.key()))
        }
        Effect::Changed { path, owner, over, after, .. } => {
            let over = over.as_ref().map_or(String::new(), |over| format!(" over {}", over.key()));
            let did = if after.is_some() { "changed" } else { "deleted" };
            Some(format!("{} {did} {path}{over}", owner.key()))
        }
        _ => None,
    });
    assert_eq!(lines.collect::<Vec<_>>().join("\n"), trimmed(expected), "after: {script}");
}

fn trimmed(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn answer(names: &[(OpId, String)], effect: &Effect) -> Option<String> {
    let who = |op: &OpId| {
        names.iter().find(|(id, _)| id == op).map_or_else(|| format!("{op}"), |(_, n)| n.clone())
    };
    match effect {
        Effect::Granted { op, note } => {
            let note = if note.is_some() { " with a note" } else { "" };
            Some(format!("{} may{note}", who(op)))
        }
        Effect::Refused { op, refusal } => Some(format!("{} may not: {}", who(op), refusal.code)),
        Effect::Waiting { op, path, holder, place } => {
            Some(format!("{} waits for {} on {path} at {place}", who(op), holder.key()))
        }
        Effect::Tell { owner, text } => {
            let head: Vec<&str> = text.split(' ').take(4).collect();
            Some(format!("tell {}: {}", owner.key(), head.join(" ")))
        }
        Effect::Inspect { .. }
        | Effect::Moved { .. }
        | Effect::Knows { .. }
        | Effect::Changed { .. }
        | Effect::WakeAt(_) => None,
    }
}

const TEXT: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n";

/// Runs a script; returns the names of its calls and all effects.
fn run(script: &str) -> (Vec<(OpId, String)>, Vec<Effect>) {
    let mut world = World::new(Settings::default());
    let mut names: Vec<(OpId, String)> = Vec::new();
    for at in ["f", "g", "src/x", "src/y"] {
        world.put(at, TEXT);
    }
    for step in script.split([';', '\n']).map(str::trim).filter(|step| !step.is_empty()) {
        let (step, slow) = match step.strip_suffix(" slowly") {
            Some(step) => (step, true),
            None => (step, false),
        };
        let words: Vec<&str> = step.split(' ').collect();
        let who = owner(words[0]);
        let last = names.iter().rev().find(|(_, name)| name == words[0]).map(|(op, _)| *op);
        let first = names.len();
        match words[1..] {
            ["reads", at] => world.read(&who, at, Seen::Full),
            ["reads", "part", "of", at] => world.read(&who, at, Seen::Range),
            ["writes", at, text] => {
                let op = world.call(&who, at, Action::Whole(lines(text)), 20_000);
                names.push((op, words[0].into()));
            }
            ["edits", at, old, new] => {
                let edits = vec![(lines(old), lines(new), false)];
                let op = world.call(&who, at, Action::Edits(edits), 20_000);
                names.push((op, words[0].into()));
            }
            ["tries", at, old, new] => {
                let edits = vec![(lines(old), lines(new), false)];
                let op = world.call(&who, at, Action::Edits(edits), 0);
                names.push((op, words[0].into()));
            }
            ["formats", at, text] => {
                let op = world.call(&who, at, Action::Opaque(lines(text)), 20_000);
                names.push((op, words[0].into()));
            }
            ["waits", "for", at] => {
                let op = world.call(&who, at, Action::Turn, 60_000);
                names.push((op, words[0].into()));
            }
            ["reserves", patterns] => {
                let patterns = patterns.split(',').map(str::to_owned).collect();
                let for_ms = (who != Owner::User).then_some(600_000);
                let op = world.reserve(&who, patterns, for_ms, 30_000);
                names.push((op, words[0].into()));
            }
            ["asks"] => world.ask(last.unwrap()),
            ["is", "allowed"] => world.answer(last.unwrap()),
            ["is", "denied"] => world.withdraw(last.unwrap()),
            ["is", "done"] => {
                world.run(last.unwrap());
                world.finish(last.unwrap());
            }
            ["fails"] => world.finish(last.unwrap()),
            ["ends", "turn"] => world.tell(Input::TurnEnded { owner: who }),
            ["runs", "and", "ends", "turn"] => {
                world.run(last.unwrap());
                world.calls.remove(&last.unwrap());
                world.tell(Input::TurnEnded { owner: who });
            }
            ["dies"] => world.die(&who),
            ["releases"] => world.tell(Input::Release { owner: who, paths: vec![] }),
            ["releases", at] => {
                world.tell(Input::Release { owner: who, paths: vec![at.to_owned()] });
            }
            ["steals", at, "for", to] => {
                world.tell(Input::Steal { path: at.into(), to: owner(to) });
            }
            ["frees", at] => world.tell(Input::Free { path: at.into() }),
            ["changes", at, old, new] => {
                let text = world.text(at).unwrap().replace(&lines(old), &lines(new));
                world.put(at, &text);
            }
            ["removes", at] => {
                world.disk.remove(at);
            }
            ["is", "found", "in", at] => {
                let disk = world.look(at);
                world.tell(Input::Found { by: who, path: path(at), disk });
            }
            ["pass"] => world.pass(words[0].parse::<u64>().unwrap() * 1_000),
            _ => panic!("the script says {step:?}"),
        }
        if !slow && let Some((op, _)) = names.get(first) {
            let op = *op;
            if world.calls.get(&op).is_some_and(|call| call.stage == Stage::Granted) {
                world.run(op);
                world.finish(op);
            }
        }
        world.check();
    }
    (names, world.effects)
}

fn lines(text: &str) -> String {
    text.replace('|', "\n").replace('_', "")
}

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
fn a_whole_write_over_a_change_is_stale_and_the_second_try_is_granted() {
    check(
        "a reads f; b reads f; a edits f two 2; a ends turn; b writes f x|; b writes f y|",
        "a may
         b may not: STALE
         b may",
    );
    check_knowledge(
        "a reads f; b reads f; a edits f two 2; a ends turn; b writes f x|; b writes f y|",
        "a knows f: Full
         b knows f: Full
         a changed f
         a knows f: OwnWrite
         b knows f: Refusal
         b changed f
         b knows f: OwnWrite",
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
fn who_never_read_may_make_an_anchored_edit_and_nothing_else() {
    check(
        "a writes f x|; a edits f two 2; a writes f x|; a formats f x|; a edits f 2 two; a reads f
         a writes f x|",
        "a may not: UNREAD
         a may
         a may not: UNREAD
         a may not: UNREAD
         a may
         a may",
    );
    check("a reads part of f; a writes f x|; a edits f two 2", "a may not: UNREAD\n a may");
    check("a edits f e E", "a may not: UNREAD");
}

#[test]
fn a_new_file_is_created_and_a_deleted_one_is_said() {
    check(
        "a writes new x|; a writes new y|; a ends turn; b writes new z|",
        "a may\na may\nb may not: UNREAD",
    );
    check("a edits new _ x|; a edits new x y", "a may\na may");
    check("a reads f; user removes f; a writes f x|; a writes f x|", "a may not: STALE\n a may");
}

#[test]
fn identical_bytes_are_never_stale() {
    check(
        "a reads f; b reads f; b writes f x|; b ends turn; a writes f x|; a writes f y|",
        "b may
         a may
         a may",
    );
}

#[test]
fn an_edit_next_to_a_change_is_stale() {
    check(
        "a reads f; b reads f; a edits f three 3; a ends turn; b edits f four 4; b edits f four 4",
        "a may
         b may not: STALE
         b may",
    );
}

#[test]
fn who_was_rebased_on_a_change_that_fits_the_note_has_seen_it() {
    check(
        "a reads f; b reads f; a edits f two 2; a ends turn; b edits f six 6; b writes f x|",
        "a may
         b may with a note
         b may",
    );
}

#[test]
fn a_change_by_an_editor_is_noticed_and_told_as_such() {
    check_knowledge(
        "a reads f; a edits f two 2; editor changes f six 6; a edits f four 4; a writes f x|",
        "a knows f: Full
         a changed f
         a knows f: OwnWrite
         external changed f
         a changed f
         a knows f: OwnWrite
         a changed f
         a knows f: OwnWrite",
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
fn a_wait_ends_with_a_refusal_and_the_place_is_kept() {
    check(
        "a reads f; a edits f two 2 slowly; b edits f six 6 slowly; 1 pass; c edits f four 4 slowly
         20 pass; b edits f six 6 slowly; c edits f four 4 slowly; a is done; 16 pass",
        "a may
         b waits for a on f at 1
         c waits for a on f at 2
         b may not: HELD
         c may not: HELD
         b waits for a on f at 1
         c waits for a on f at 2
         tell a: f has passed to
         b may",
    );
    check(
        "a edits f two 2 slowly; b tries f six 6; a is done; a ends turn",
        "a may
         b may not: HELD
         tell b: f is free now;",
    );
}

#[test]
fn with_more_than_three_waiting_a_lease_ends_with_its_write() {
    check(
        "a edits f one 1; b edits f two 2 slowly; c edits f three 3 slowly; d edits f four 4 slowly
         e edits f five 5 slowly; b is done",
        "a may
         b waits for a on f at 1
         c waits for a on f at 2
         d waits for a on f at 3
         tell a: f has passed to
         e waits for b on f at 3
         b may",
    );
}

#[test]
fn writes_do_not_prolong_a_lease_that_somebody_waits_for() {
    check(
        "a reads f; a edits f one 1; b edits f six 6 slowly; 10 pass; a edits f 1 uno; 6 pass",
        "a may
         b waits for a on f at 1
         a may
         tell a: f has passed to
         b may",
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
         g: free
         src/: free
         f: b inflight",
    );
}

#[test]
fn the_end_of_a_turn_ends_a_wait_with_an_answer() {
    check(
        "a edits f two 2 slowly; b edits f six 6 slowly; b ends turn",
        "a may
         b waits for a on f at 1
         b may not: TIMEOUT",
    );
}

#[test]
fn a_write_whose_end_was_lost_is_still_known_as_its_writers() {
    check_knowledge(
        "a reads f; a writes f x| slowly; a runs and ends turn; b reads f; b writes f y|; b ends turn
         a writes f z|",
        "a knows f: Full
         b knows f: Full
         a changed f
         a knows f: OwnWrite
         b changed f
         b knows f: OwnWrite
         a knows f: Refusal",
    );
}

#[test]
fn a_circle_of_waiters_is_opened_at_once() {
    // The younger lease passes on; whose it is gets no refusal.
    check(
        "a edits f two 2; 1 pass; b edits g two 2; a edits g six 6 slowly; b edits f six 6 slowly",
        "a may
         b may
         a waits for b on g at 1
         tell b: g has passed to
         b waits for a on f at 1
         a may",
    );
    check(
        "b edits g two 2; 1 pass; a edits f two 2; a edits g six 6 slowly; b edits f six 6 slowly",
        "b may
         a may
         a waits for b on g at 1
         tell a: f has passed to
         b may",
    );
}

#[test]
fn a_circle_through_a_write_in_flight_opens_when_it_ends() {
    check(
        "a edits f two 2 slowly; b edits g two 2; a edits g six 6 slowly; b edits f six 6 slowly",
        "a may
         b may
         a waits for b on g at 1
         tell b: g has passed to
         b waits for a on f at 1
         a may",
    );
}

#[test]
fn a_circle_of_promises_is_refused() {
    check(
        "a reserves src/; b reserves g,f; a edits g two 2 slowly; b edits src/x two 2 slowly",
        "a may
         b may
         a waits for b on g at 1
         b may not: DEADLOCK",
    );
}

#[test]
fn a_set_is_reserved_as_a_whole_or_not_at_all() {
    check_moves(
        "a edits f two 2; b reserves g,f; a ends turn",
        "f: a inflight
         f: a held
         f: free
         f: b pinned
         g: b pinned",
    );
    check(
        "a edits f two 2; b reserves g,f; 16 pass; a edits g two 2 slowly",
        "a may
         b waits for a on f at 1
         tell a: f has passed to
         b may
         a waits for b on g at 1",
    );
}

#[test]
fn a_reservation_covers_folders_and_globs_and_its_owner_may_write_there() {
    check(
        "a reserves src/,*.md; a edits src/x two 2; b tries src/y two 2; b tries x.md two 2
         b reserves src/x; b edits f two 2; a releases src/; b edits src/y two 2",
        "a may
         a may
         b may not: PINNED
         b may not: PINNED
         b waits for a on src/x at 1
         b may
         b may
         b may",
    );
}

#[test]
fn a_lease_that_runs_out_under_a_reservation_does_not_stop_the_clock() {
    check(
        "a reserves src/; a edits src/x two 2; b edits src/x six 6 slowly; 16 pass; a releases src/",
        "a may
         a may
         b waits for a on src/x at 1
         tell a: src/x has passed to
         b may",
    );
}

#[test]
fn too_wide_and_broken_patterns_are_refused() {
    check(
        "a reserves **; a reserves **/*.rs; a reserves ../x; a reserves f,/etc/; user reserves **
         a edits f two 2",
        "a may not: TOO_WIDE
         a may not: TOO_WIDE
         a may not: FAILED
         a may not: FAILED
         user may
         a may not: PINNED",
    );
}

#[test]
fn an_agents_reservation_ends_without_activity_and_goes_on_with_it() {
    check_moves(
        "a reserves f; 590 pass; a reads g; 100 pass; 600 pass",
        "f: a pinned
         f: a pinned
         f: free",
    );
}

#[test]
fn the_persons_reservation_goes_at_once_and_has_no_end() {
    check(
        "a edits f two 2; user reserves f; a edits f six 6; 3600 pass; a edits f six 6; user frees f
         a edits f six 6",
        "a may
         tell a: f was taken from
         user may
         a may not: PINNED
         a may not: PINNED
         a may",
    );
}

#[test]
fn the_person_gives_a_file_to_somebody_after_the_write_in_flight() {
    check(
        "a edits f two 2 slowly; b edits f six 6 slowly; c edits f four 4 slowly; user steals f for c
         a is done",
        "a may
         b waits for a on f at 1
         c waits for a on f at 2
         tell a: f was taken from
         c may",
    );
    check_moves(
        "a edits f two 2; user steals f for b; a tries f two 2; user frees f; user steals f for user",
        "f: a inflight
         f: a held
         f: b reserved
         f: free
         f: user pinned",
    );
    check_moves(
        "a edits f two 2 slowly; user frees f; user steals f for user; a is done",
        "f: a inflight
         f: user pinned",
    );
}

#[test]
fn who_waits_for_a_file_has_it_reserved_for_a_while() {
    check_moves(
        "a edits f two 2; b waits for f; 16 pass; b edits f six 6; b ends turn; c waits for f; 21 pass",
        "f: a inflight
         f: a held
         f: a held < b
         f: b reserved
         f: b inflight
         f: b held
         f: free
         f: c reserved
         f: free",
    );
    check(
        "a edits f two 2 slowly; b waits for f; 61 pass",
        "a may
         b waits for a on f at 1
         b may not: TIMEOUT",
    );
}

#[test]
fn an_ungated_change_is_attributed_and_flagged() {
    check_knowledge(
        "a reads f; b reads f; a edits f two 2; b changes f six 6; b is found in f
         b changes f 2 two; b is found in f; b is found in f",
        "a knows f: Full
         b knows f: Full
         a changed f
         a knows f: OwnWrite
         b changed f over a
         b changed f over a",
    );
    check_knowledge(
        "b reads f; b edits f one 1; b ends turn; b changes f six 6; b is found in f; b removes f
         b is found in f",
        "b knows f: Full
         b changed f
         b knows f: OwnWrite
         b changed f
         b knows f: Range
         b deleted f
         b knows f: nothing",
    );
}

#[test]
fn a_write_in_flight_is_not_taken_for_somebody_elses() {
    let mut world = World::new(Settings::default());
    world.put("f", TEXT);
    let (a, b) = (owner("a"), owner("b"));
    world.read(&a, "f", Seen::Full);
    let edits = vec![("two".to_owned(), "2".to_owned(), false)];
    let op = world.call(&a, "f", Action::Edits(edits), 0);
    world.run(op);
    let disk = world.look("f");
    world.tell(Input::Found { by: b, path: path("f"), disk });
    world.finish(op);
    let authors: Vec<String> = world
        .effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Changed { owner, .. } => Some(owner.key()),
            _ => None,
        })
        .collect();
    assert_eq!(authors, ["a"]);
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
