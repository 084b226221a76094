//! Reservations of agents, and what the person may do with them.

use super::*;

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
         tell a: The person has taken
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
         tell a: The person has given
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
         f: a inflight before user
         f: user pinned",
    );
}

#[test]
fn a_reservation_of_a_file_that_is_being_written_outlives_the_engine() {
    for who in ["a", "user"] {
        let mut world = World::new(Settings::default());
        world.put("f", TEXT);
        let edit = Action::Edits(vec![("two".to_owned(), "@x".to_owned(), false)]);
        let op = world.call(&owner("a"), "f", edit, 0);
        let for_ms = (who != "user").then_some(600_000);
        world.reserve(&owner(who), vec!["f".into()], for_ms, 0);
        assert_eq!(world.leases["f"].state, LeaseState::Inflight, "the write is what is shown");
        world.restart();
        world.check();
        assert_eq!(world.leases["f"].state, LeaseState::Inflight, "its end was not seen");
        world.run(op);
        world.bury(&owner("a"));
        let left = &world.leases["f"];
        assert_eq!((left.state, &left.owner), (LeaseState::Pinned, &owner(who)));
        world.check();
    }
}

#[test]
fn who_may_have_the_whole_tree_has_it_alone_until_it_is_given_back() {
    // Leases end without a word; what is not seen is not destroyed because of it.
    check(
        "a edits f two 2; b takes the tree; a tries f 2 3; a tries g two 2; a shells src/x y|
         b edits g two 2; b shells f z|; b releases **; a edits g 2 3",
        "a may
         b may
         a may not: PINNED
         a may not: PINNED
         tell a: A command of yours
         a may not: PINNED
         b may
         tell b: A command of yours
         b may not: UNREAD
         a may",
    );
    check_moves(
        "a edits f two 2 slowly; b takes the tree; a is done; b dies",
        "f: a inflight
         f: a held
         f: free
         **: b pinned
         **: free",
    );
    // It has no end of its own, and does not end with the turn.
    check(
        "b takes the tree; b ends turn; 3600 pass; a tries f two 2; b dies; a tries f two 2",
        "b may\n a may not: PINNED\n a may",
    );
}

#[test]
fn the_tree_is_not_to_be_had_while_somebody_writes_or_has_reserved_something() {
    check(
        "a edits f two 2 slowly; b takes the tree; 9 pass; 1 pass; a is done; c tries f 2 3",
        "a may
         b waits for a on f at 1
         b may not: HELD
         c may not: HELD",
    );
    check("user reserves src/; b takes the tree; 10 pass", "user may\n b may not: PINNED");
    check("a takes the tree; b takes the tree; 10 pass", "a may\n b may not: PINNED");
}
