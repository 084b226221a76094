//! Queues, their ends, and circles of those who wait.

use super::*;

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
fn the_end_of_a_turn_ends_a_wait_with_an_answer() {
    check(
        "a edits f two 2 slowly; b edits f six 6 slowly; b ends turn",
        "a may
         b waits for a on f at 1
         b may not: TIMEOUT",
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
fn a_kept_place_ends_with_the_turn() {
    check(
        "a edits f two 2 slowly; b tries f six 6; c tries f one 1; b ends turn; a is done
         a ends turn",
        "a may
         b may not: HELD
         c may not: HELD
         tell c: f is free now;",
    );
}

#[test]
fn who_waits_for_what_its_own_session_has_gets_it_at_once_and_prolongs_nothing() {
    // The parent's lease stays as it is, and whoever waits for its end does not wait longer.
    check_moves(
        "a edits f two 2; b edits f six 6 slowly; 10 pass; a/x waits for f; a waits for f; 6 pass",
        "f: a inflight
         f: a held
         f: a held < b
         f: b inflight",
    );
    check(
        "a edits f two 2; a/x waits for f; a/x edits f six 6",
        "a may
         a/x may
         a/x may",
    );
    // A question that the person thinks about keeps its lease.
    check_moves(
        "a reads f; a edits f two 2 slowly; a asks; a/x waits for f; a is allowed; a is done",
        "f: a inflight
         f: a held
         f: a inflight
         f: a held",
    );
    // A lease that has run out is worth nothing, so the wait is.
    check_moves(
        "a edits f two 2; 16 pass; a/x waits for f",
        "f: a inflight
         f: a held
         f: a/x reserved",
    );
}

#[test]
fn a_sub_agent_waits_only_for_the_end_of_its_parents_write() {
    check(
        "a edits f two 2 slowly; a/x waits for f; a is done; a/x writes f x|",
        "a may
         a/x waits for a on f at 1
         a/x may
         a/x may not: UNREAD",
    );
    check(
        "a reserves src/; a/x waits for src/x; b waits for src/x",
        "a may
         a/x may
         b waits for a/x on src/x at 1",
    );
}

#[test]
fn a_circle_that_opens_by_itself_does_not_hide_another_one() {
    // a waits for b, which writes and waits for a: that ends by itself. But a waits for c as well,
    // which only holds and waits for a too.
    check(
        "a edits src/x two 2 slowly; b edits f two 2 slowly; b edits src/x six 6 slowly
         c edits g two 2; c edits src/x one 1 slowly; a edits f one 1 slowly
         a edits g six 6 slowly",
        "a may
         b may
         b waits for a on src/x at 1
         c may
         c waits for a on src/x at 2
         a waits for b on f at 1
         tell c: g has passed to
         a may",
    );
}
