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
