//! What processes of agents write by themselves.

use super::*;
use crate::arbiter::input::{Disk, Mark, Touch, Was};
use crate::arbiter::query::Settled;
use crate::arbiter::table::Table;
use crate::model::path::Hash;
use crate::model::time::Mono;

#[test]
fn a_process_gets_no_file_that_another_has_and_its_owner_is_told_once() {
    check(
        "a reads f; b reads f; a edits f two 2 slowly; b shells f all; a is done;
         b shells f all; b appends f more; 6 pass; b appends f more",
        "a may
         b waits for a on f at 0
         tell b: A command of yours
         b may not: HELD
         b may not: HELD
         tell b: A command of yours
         b may not: HELD",
    );
}

#[test]
fn a_tool_waits_for_a_process() {
    check(
        "a reads f; b reads f; a appends f more slowly; b edits f two 2; a is done; a ends turn",
        "a may
         b waits for a on f at 1
         b may with a note",
    );
}

#[test]
fn a_process_that_goes_on_after_the_turn_keeps_its_file() {
    check_moves(
        "a reads f; a appends f more slowly; a ends turn; b appends f more; a is done",
        "f: a inflight
         f: free",
    );
}

#[test]
fn what_nobody_of_the_session_has_seen_is_not_destroyed() {
    check(
        "a reads f; a edits f two 2; a ends turn; b shells f all; b reads f; b shells f all",
        "a may
         tell b: A command of yours
         b may not: UNREAD
         b may",
    );
    check(
        "a reads f; a edits f two 2; a ends turn; b/x reads f; b shells f all",
        "a may
         b may",
    );
}

#[test]
fn what_nobody_of_the_session_has_seen_is_not_changed_in_place_either() {
    check(
        "a reads f; a edits f two 2; a ends turn; b pokes f x; b reads f; b pokes f x",
        "a may
         tell b: A command of yours
         b may not: UNREAD
         b may",
    );
}

#[test]
fn who_changes_a_file_in_place_knows_of_it_what_it_knew_before() {
    check_knowledge("b pokes f x", "b changed f");
    check_knowledge(
        "b shells f all; b pokes f x",
        "b changed f
         b knows f: OwnWrite
         b changed f
         b knows f: OwnWrite",
    );
}

#[test]
fn a_folder_is_not_carried_away_with_what_nobody_of_the_session_has_seen() {
    check(
        "a reads src/x; a edits src/x two 2; a ends turn; b moves src; b reads src/x; b moves src",
        "a may
         tell b: A command of yours
         b may not: UNREAD
         b may",
    );
    check(
        "b moves src; a reads f; a edits f two 2; a ends turn; b moves src",
        "b may\na may\nb may",
    );
}

#[test]
fn a_file_that_a_process_removes_is_made_anew_by_nobody_else_meanwhile() {
    check(
        "a shells f all slowly; f is written; f removes f; a is over; b appends f more; a appends f new;
         a ends turn; b appends f more",
        "a may
         tell b: A command of yours
         b may not: HELD
         a may
         b may",
    );
    // Also where its text was known before.
    check(
        "a reads f; a edits f two 2; a shells f all slowly; f is written; f removes f; a is over; b appends f x",
        "a may
         a may
         tell b: A command of yours
         b may not: HELD",
    );
}

#[test]
fn a_name_that_only_its_maker_knew_is_free_when_it_is_gone() {
    check_moves(
        "a creates t slowly; a is done; a shells t x slowly; t is written; t removes t; a is over",
        "t: a inflight
         t: a held
         t: a inflight
         t: free",
    );
}

#[test]
fn what_was_there_before_the_bench_may_be_destroyed() {
    check("b shells f all; b shells g all; b shells new all", "b may\nb may\nb may");
}

#[test]
fn two_processes_of_a_session_may_have_a_file_and_the_last_one_gives_it_back() {
    check_moves(
        "a appends f one slowly; a appends f two slowly; a is done; b appends f more;
         a is done; a ends turn; b appends f more",
        "f: a inflight",
    );
}

#[test]
fn a_write_of_a_tool_is_carried_out_by_its_own_process_and_no_other_one() {
    check_knowledge(
        "a reads f; a writes f all slowly; a carries out f; a is over",
        "a knows f: Full
         a changed f
         a knows f: OwnWrite",
    );
    check(
        "a reads f; a writes f all slowly; a carries out f; a is over; a shells f more",
        "a may
         3 may
         a may",
    );
    check("a reads f; a writes f all slowly; a shells f more", "a may\na waits for a on f at 0");
}

#[test]
fn a_write_on_top_of_an_unseen_change_is_carried_out() {
    check(
        "a reads f; b reads f; b edits f two 2; b ends turn; a edits f six 6 slowly;
         a carries out f; a is over",
        "b may
         a may with a note
         4 may",
    );
}

#[test]
fn what_a_process_wrote_is_its_owners() {
    check_knowledge(
        "a shells f all; b reads f; a appends f more",
        "a changed f
         a knows f: OwnWrite
         b knows f: Full
         a changed f
         a knows f: OwnWrite",
    );
}

#[test]
fn what_is_found_while_a_process_is_at_it_is_the_processs() {
    check_knowledge(
        "a shells f all; a appends f more slowly; f is written; b is found in f; a is over",
        "a changed f
         a knows f: OwnWrite
         a changed f
         a knows f: OwnWrite",
    );
}

#[test]
fn a_touch_that_is_not_carried_out_leaves_everything_as_it_was() {
    check_moves(
        "a reads f; a edits f two 2; a appends f more slowly; a lets go; b appends f more",
        "f: a inflight
         f: a held
         f: a inflight
         f: a held",
    );
}

#[test]
fn nothing_below_a_folder_that_another_one_moves_is_touched_meanwhile() {
    check(
        "a moves src slowly; b appends src/x more; b tries src/x two 2; a lets go;
         b appends src/x more",
        "a may
         b waits for a on src/x at 0
         b may not: HELD
         tell b: src/x is free now;
         b may",
    );
}

#[test]
fn a_file_that_one_session_alone_has_changed_ever_so_often_is_its_own() {
    let often = ["b appends f more"; 12].join("; ");
    let granted = "b may\n".repeat(12);
    check(&format!("{often}; b shells f all"), &format!("{granted}b may"));
    check(
        &format!("a reads f; a edits f two 2; a ends turn; {often}; b shells f all"),
        &format!("a may\n{granted}tell b: A command of yours\nb may not: UNREAD"),
    );
}

/// A process of `who` does this to `f`, and goes on; what was answered.
fn touches(table: &mut Table, (number, who): (u64, &str), deed: Deed, safe: bool) -> bool {
    let owner = owner(who);
    let marks = vec![Mark { path: path("f"), deed }];
    let op = OpId(number);
    let touch = Touch { op, owner, itself: false, safe, marks, wait_ms: 0 };
    let effects = table.decide(Mono(number), Input::Touch(touch));
    let granted = effects.iter().any(|effect| matches!(effect, Effect::Granted { .. }));
    if granted {
        table.decide(Mono(number), Input::Touched { op });
    }
    granted
}

/// A table in which a process of `a` has made `f` and is done.
fn made_by_a() -> Table {
    let mut table = Table::new(Settings::default());
    assert!(touches(&mut table, (1, "a"), Deed::Appear, false));
    let (path, disk) = (path("f"), Disk::File { hash: Hash::of(b"1"), text: None });
    let looked = Input::LookedAfter { op: OpId(1), path, disk, before: Was::Unknown };
    table.decide(Mono(2), looked);
    table.decide(Mono(2), Input::TurnEnded { owner: owner("a") });
    table
}

#[test]
fn what_a_session_has_just_put_there_is_its_own_before_anybody_has_looked() {
    let mut table = made_by_a();
    // What is not safe elsewhere is to be seen first; a merge of git's puts there what is.
    assert!(!touches(&mut table, (3, "b"), Deed::Destroy, false));
    assert!(touches(&mut table, (4, "b"), Deed::Destroy, true));
    assert!(touches(&mut table, (5, "b"), Deed::Destroy, false));
    assert!(!touches(&mut table, (6, "c"), Deed::Destroy, true));
    let b = owner("b");
    let unsaved = table.unsaved(&path("f"), Some(Hash::of(b"1")), Some(Hash::of(b"2")));
    assert_eq!((unsaved.last, unsaved.complete), (Some(&b), true));
    assert_eq!(unsaved.authors[0], &b);
}

#[test]
fn who_has_only_added_to_a_file_has_not_put_it_there() {
    let mut table = made_by_a();
    assert!(touches(&mut table, (3, "b"), Deed::Alter, false));
    assert!(!touches(&mut table, (4, "b"), Deed::Destroy, false));
}

/// Processes that come to the table one call at a time, whose ends are told apart from what is
/// seen of their files.
struct Calls {
    table: Table,
    last: u64,
}

impl Calls {
    fn new() -> Self {
        Self { table: Table::new(Settings::default()), last: 0 }
    }

    fn touch(&mut self, at: u64, who: &str, name: &str, deed: Deed) -> (OpId, Vec<Effect>) {
        self.last += 1;
        let op = OpId(self.last);
        let marks = vec![Mark { path: path(name), deed }];
        let (owner, itself, safe, wait_ms) = (owner(who), false, false, 5_000);
        let touch = Touch { op, owner, itself, safe, marks, wait_ms };
        (op, self.table.decide(Mono(at), Input::Touch(touch)))
    }

    /// A call that must be granted, and is made.
    fn made(&mut self, at: u64, who: &str, name: &str, deed: Deed) -> OpId {
        let (op, effects) = self.touch(at, who, name, deed);
        assert!(effects.contains(&Effect::Granted { op, note: None }), "{effects:?}");
        self.table.decide(Mono(at), Input::Touched { op });
        op
    }

    /// What is seen once nobody can write the file any more; an empty text: nothing.
    fn looked(&mut self, at: u64, op: OpId, name: &str, text: &str) {
        let disk = match text {
            "" => Disk::Absent,
            text => Disk::File { hash: Hash::of(text.as_bytes()), text: None },
        };
        let (path, before) = (path(name), Was::Unknown);
        self.table.decide(Mono(at), Input::LookedAfter { op, path, disk, before });
    }

    fn read(&mut self, who: &str, name: &str, text: &str) {
        let (owner, path, hash) = (owner(who), path(name), Hash::of(text.as_bytes()));
        let seen = Seen::Full;
        self.table.decide(Mono(0), Input::Observed { owner, path, hash, seen });
    }

    fn settled(&self, name: &str) -> Option<Settled> {
        self.table.settled(&path(name))
    }
}

#[test]
fn a_process_that_waits_may_ask_again_when_the_lease_has_run_out() {
    let mut calls = Calls::new();
    let op = calls.made(0, "a", "f", Deed::Alter);
    calls.looked(0, op, "f", "a's");
    let (_, waits) = calls.touch(11_000, "b", "f", Deed::Alter);
    assert!(waits.contains(&Effect::WakeAt(Mono(15_000))), "{waits:?}");
    let lapsed = calls.table.decide(Mono(15_000), Input::Tick);
    assert_eq!(lapsed, [Effect::Lapsed { path: path("f") }]);
    calls.made(15_000, "b", "f", Deed::Alter);
}

#[test]
fn a_name_that_came_and_went_is_known_to_be_gone() {
    let mut calls = Calls::new();
    let made = calls.made(0, "a", "never seen", Deed::Appear);
    let gone = calls.made(0, "a", "never seen", Deed::Destroy);
    calls.looked(0, made, "never seen", "");
    calls.looked(0, gone, "never seen", "");
    assert_eq!(calls.settled("never seen"), Some(Settled::Absent));
    // What is seen of the first call may be from before the second one.
    let made = calls.made(0, "a", "seen between", Deed::Appear);
    let gone = calls.made(0, "a", "seen between", Deed::Destroy);
    calls.looked(0, made, "seen between", "x");
    calls.looked(0, gone, "seen between", "");
    assert_eq!(calls.settled("seen between"), Some(Settled::Absent));
}

#[test]
fn however_often_a_session_saves_its_own_work_is_not_new_to_it() {
    let mut calls = Calls::new();
    let op = calls.made(0, "b", "f", Deed::Destroy);
    calls.looked(0, op, "f", "b's");
    calls.table.decide(Mono(0), Input::TurnEnded { owner: owner("b") });
    calls.read("a", "f", "b's");
    // Each save begins before anybody has looked at the one before.
    let mut before = calls.made(1, "a", "f", Deed::Destroy);
    for number in 0..20 {
        let next = calls.made(1, "a", "f", Deed::Destroy);
        calls.looked(1, before, "f", &format!("a's {number}"));
        before = next;
    }
    calls.looked(1, before, "f", "a's last");
    calls.table.decide(Mono(1), Input::TurnEnded { owner: owner("a") });
    let op = calls.made(2, "b", "f", Deed::Alter);
    calls.looked(2, op, "f", "a's last and b's");
    calls.table.decide(Mono(2), Input::TurnEnded { owner: owner("b") });
    let (_, effects) = calls.touch(3, "a", "f", Deed::Destroy);
    let refused = |effect: &Effect| matches!(effect, Effect::Refused { .. });
    assert!(effects.iter().any(refused), "b's is new to a: {effects:?}");
}

#[test]
fn names_that_come_and_go_are_forgotten_and_what_is_of_interest_is_not() {
    let mut calls = Calls::new();
    let kept = calls.made(0, "a", "kept", Deed::Appear);
    calls.looked(0, kept, "kept", "x");
    let mut pass = |name: &str| {
        let made = calls.made(1, "a", name, Deed::Appear);
        calls.looked(1, made, name, "x");
        let gone = calls.made(1, "a", name, Deed::Destroy);
        calls.looked(1, gone, name, "");
    };
    (0..20_000).for_each(|number| pass(&format!("temp{number}")));
    assert!(calls.table.files.len() < 5_000, "{} are remembered", calls.table.files.len());
    assert_eq!(calls.settled("temp19999"), Some(Settled::Absent));
    assert_eq!(calls.settled("temp0"), Some(Settled::Unknown));
    assert_eq!(calls.settled("kept"), Some(Settled::Is(Hash::of(b"x"))));
}
