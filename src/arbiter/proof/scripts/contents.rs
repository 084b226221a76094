//! What owners have seen, and what is refused because of it.

use super::*;

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
fn a_failed_write_does_not_own_what_others_wrote_meanwhile() {
    // Its tool says that it failed: the change is whose it is found to be, and c is shown it.
    let script = "c reads f; c edits f eight 8 slowly; a changes f six 6; c fails
                  a is found in f; c writes f x|";
    check(script, "c may\nc may not: STALE");
    check_knowledge(
        script,
        "c knows f: Full
         a changed f
         c knows f: Refusal",
    );
    // The same with the change found before the tool says so, and with nobody who is found.
    check(
        "c reads f; c edits f eight 8 slowly; a changes f six 6; a is found in f; c fails
         c writes f x|",
        "c may\nc may not: STALE",
    );
    check(
        "c reads f; c writes f y| slowly; a changes f six 6; c fails; c writes f x|",
        "c may\nc may not: STALE",
    );
}

#[test]
fn a_write_whose_effect_cannot_be_followed_does_not_own_what_is_there() {
    // Nothing says whether the tool has found its anchor after all.
    check(
        "c reads f; c edits f eight 8 slowly; a changes f six 6; c is over; c writes f x|",
        "c may\nc may not: UNREAD",
    );
    check(
        "c reads f; c formats f y| slowly; a changes f six 6; a is found in f; c is over
         c writes f x|",
        "c may\nc may not: UNREAD",
    );
}

#[test]
fn a_write_that_is_there_though_its_tool_failed_is_its_owners() {
    let mut world = World::new(Settings::default());
    world.put("f", TEXT);
    let c = owner("c");
    world.read(&c, "f", Seen::Full);
    let op = world.call(&c, "f", Action::Whole("@c\n".to_owned()), 0);
    world.run(op);
    world.fail(op);
    assert_eq!(world.table.knows(&c, &path("f")).map(|known| known.seen), Some(Seen::OwnWrite));
    assert_eq!(world.table.last_writer(&path("f")).map(|(who, _)| who), Some(&c));
}
