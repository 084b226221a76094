//! Undo, restore and blame, case by case.

use super::*;
use crate::journal::blame::Blame;
use crate::journal::plan::{Loss, Why};
use crate::journal::restore::restore;

/// Letters are lines.
fn lines(letters: &str) -> String {
    letters.chars().map(|c| format!("{c}\n")).collect()
}

/// Writes of one file, `owner:letters` one after the other; the first is there from the start.
fn world(script: &str) -> World {
    let mut world = World::default();
    for (turn, write) in script.split_whitespace().enumerate() {
        let (owner, letters) = write.split_once(':').unwrap();
        let text = (letters != "-").then(|| lines(letters));
        if owner.is_empty() {
            world.put("f", text.as_deref().unwrap());
        } else {
            world.write(owner, turn as u32, "f", text.as_deref());
        }
    }
    world
}

/// Undoes what agent `a` did; what is left of the file, or why it is left alone.
fn check(script: &str, expected: &str) {
    let mut world = world(script);
    let was = world.text("f").map(str::to_owned);
    let plan = world.undo(&Pick::Agent(SessionId::from("a")));
    let got = match plan.conflicts.first() {
        Some(conflict) => {
            assert_eq!(world.text("f"), was.as_deref(), "a file with a conflict was touched");
            match &conflict.why {
                Why::Clashes(_) => "clash".to_owned(),
                Why::OthersLines(_) => "others".to_owned(),
                Why::Gone => "gone".to_owned(),
                Why::Taken(path) => format!("taken {path}"),
                Why::NotKept(_) => "not kept".to_owned(),
                Why::NotText => "no text".to_owned(),
                Why::NotSeen => "not seen".to_owned(),
            }
        }
        None => world.text("f").map_or("-".to_owned(), |text| text.replace('\n', "")),
    };
    assert_eq!(got, expected, "{script}");
}

#[test]
fn an_undo_takes_out_what_the_agent_put_in() {
    check(":abc a:abXc", "abc");
    check(":abc a:aXc", "abc");
    check(":abc a:ac", "abc");
    check(":abc a:aXbc a:aXbYc", "abc");
    check("a:xyz", "-");
    check(":abc a:-", "abc");
    check(":abc a:- a:xyz", "abc");
    check("a:x a:-", "-");
    // What came to nothing in the end stands in nobody's way.
    check(":abc a:aXbc a:abc b:aBbc", "aBbc");
}

#[test]
fn what_others_did_since_stays() {
    check(":abcde a:Xabcde b:XabcdeY", "abcdeY");
    check(":abcde b:abcdeY a:XabcdeY", "abcdeY");
    check(":abcde a:Xabcde b:XabcdeY a:XabcZdeY", "abcdeY");
    check(":abc a:abcX b:abcXY", "abcY");
    check(":abc a:ac b:acY", "abcY");
    check("a:xyz b:xyzB", "B");
}

#[test]
fn what_cannot_be_told_apart_is_left_alone() {
    check(":abc a:aXc b:aYc", "clash");
    check(":abc a:aXXc b:aXBXc", "clash");
    check(":abc a:abXc b:-", "gone");
    check(":abc a:- b:z", "taken f");
    check("a:xyz b:xBz", "clash");
}

#[test]
fn a_line_that_others_wrote_anew_is_theirs() {
    // The agent's line went with the file; the one that looks like it is somebody else's.
    check(":abc a:abcX b:- b:abcX", "others");
}

#[test]
fn what_is_undone_is_not_undone_again_and_an_undo_can_be_undone() {
    let mut world = world(":abc a:abXc");
    let all = Pick::Agent(SessionId::from("a"));
    world.undo(&all);
    assert_eq!(world.text("f"), Some("a\nb\nc\n"));
    assert!(world.plan(&all).is_empty());
    let undo = world.changes.last().unwrap().id;
    world.undo(&Pick::One(undo));
    assert_eq!(world.text("f"), Some("a\nb\nX\nc\n"));
    assert_eq!(world.plan(&all).steps.len(), 1, "what was done again can be undone again");
}

#[test]
fn what_others_did_again_after_an_undo_is_theirs() {
    let mut world = world(":abc a:ac");
    let all = Pick::Agent(SessionId::from("a"));
    world.undo(&all);
    world.write("b", 9, "f", Some(&lines("ac")));
    assert!(world.plan(&all).is_empty());
}

#[test]
fn a_turn_is_undone_and_the_next_one_stays() {
    let mut world = World::default();
    world.put("f", "a\nb\nc\nd\n");
    world.write("a", 1, "f", Some("A\nb\nc\nd\n"));
    world.write("a", 1, "new", Some("n\n"));
    world.write("a", 2, "f", Some("A\nb\nc\nD\n"));
    let plan = world.undo(&Pick::Turn(SessionId::from("a"), 1));
    assert_eq!(plan.conflicts, []);
    assert_eq!((world.text("f"), world.text("new")), (Some("a\nb\nc\nD\n"), None));
}

#[test]
fn a_rename_is_taken_back_with_what_others_wrote_since() {
    let mut world = World::default();
    world.put("old", "a\nb\nc\n");
    world.write("a", 1, "old", Some("A\nb\nc\n"));
    world.rename("a", 1, "old", "new");
    world.write("b", 1, "new", Some("A\nb\nc\nB\n"));
    let plan = world.undo(&Pick::Agent(SessionId::from("a")));
    assert_eq!(plan.conflicts, []);
    assert_eq!((world.text("old"), world.text("new")), (Some("a\nb\nc\nB\n"), None));
}

#[test]
fn a_file_that_went_back_is_found_where_it_was() {
    let mut world = World::default();
    world.put("old", "a\nb\nc\n");
    world.write("a", 1, "old", Some("A\nb\nc\n"));
    world.write("b", 1, "old", Some("A\nb\nc\nB\n"));
    world.rename("a", 1, "old", "new");
    let plan = world.undo(&Pick::Agent(SessionId::from("a")));
    assert_eq!(plan.conflicts, []);
    assert_eq!((world.text("old"), world.text("new")), (Some("a\nb\nc\nB\n"), None));
}

#[test]
fn a_file_is_followed_where_others_renamed_it() {
    let mut world = World::default();
    world.put("old", "a\nb\nc\n");
    world.write("a", 1, "old", Some("A\nb\nc\n"));
    world.rename("a", 1, "old", "mid");
    world.rename("b", 1, "mid", "new");
    let plan = world.undo(&Pick::Agent(SessionId::from("a")));
    assert_eq!(plan.conflicts, []);
    assert_eq!(world.text("new"), Some("a\nb\nc\n"));
    assert_eq!(world.files.len(), 1);
}

#[test]
fn a_rename_whose_old_place_is_taken_is_left_alone_at_both_ends() {
    let mut world = World::default();
    world.put("old", "a\n");
    world.rename("a", 1, "old", "new");
    world.write("b", 1, "old", Some("b\n"));
    let plan = world.undo(&Pick::Agent(SessionId::from("a")));
    assert_eq!(plan.steps, []);
    assert_eq!(plan.conflicts[0].why, Why::Taken(path("old")));
}

#[test]
fn a_file_that_others_wrote_anew_makes_no_room_for_one_that_goes_back() {
    let mut world = World::default();
    world.put("h", "");
    world.rename("a", 1, "h", "f");
    world.write("a", 1, "h", Some("x\n"));
    world.write("b", 1, "h", None);
    world.write("b", 1, "h", Some("x\n"));
    let plan = world.undo(&Pick::Agent(SessionId::from("a")));
    assert_eq!(plan.steps, []);
    assert!(matches!(plan.conflicts[0].why, Why::OthersLines(_)), "{plan:?}");
    assert_eq!((world.text("h"), world.text("f")), (Some("x\n"), Some("")));
}

#[test]
fn a_place_that_was_used_twice_is_freed_before_a_file_goes_back_to_it() {
    let mut world = World::default();
    world.put("g", "");
    world.rename("a", 1, "g", "f");
    world.write("a", 1, "g", Some("x\n"));
    world.write("a", 1, "f", Some("y\n"));
    let plan = world.undo(&Pick::Agent(SessionId::from("a")));
    assert_eq!(plan.conflicts, []);
    assert_eq!((world.text("g"), world.text("f")), (Some(""), None));
}

#[test]
fn permissions_come_back_with_the_content() {
    let mut world = World::default();
    let file = |text: &str, mode| Some(File::of(text.as_bytes(), Some(mode)));
    world.record("b", 1, None, "run", file("x\n", 0o755));
    world.record("a", 1, None, "run", file("x\n", 0o644));
    world.undo(&Pick::Agent(SessionId::from("a")));
    assert_eq!(world.files[&path("run")].image.mode, Some(0o755));
    world.record("a", 1, None, "run", None);
    world.undo(&Pick::Agent(SessionId::from("a")));
    assert_eq!(world.files[&path("run")], file("x\n", 0o755).unwrap());
}

#[test]
fn what_is_not_kept_is_undone_only_where_nothing_is_needed() {
    let mut world = world(":abc a:abXc");
    world.kept.clear();
    let plan = world.plan(&Pick::Agent(SessionId::from("a")));
    assert!(matches!(plan.conflicts[0].why, Why::NotKept(_)), "{plan:?}");
    // A secret that an agent made can go without being known.
    let mut world = World::default();
    world.write("a", 1, ".env", Some("KEY=1\n"));
    world.kept.clear();
    world.undo(&Pick::Agent(SessionId::from("a")));
    assert_eq!(world.text(".env"), None);
}

#[test]
fn what_is_no_text_comes_back_whole_or_not_at_all() {
    let bytes = |n: u8| Some(File::of(vec![0xff, n], None));
    let mut world = World::default();
    world.record("b", 1, None, "p.png", bytes(1));
    world.record("a", 1, None, "p.png", bytes(2));
    let whole = world.clone().undo(&Pick::Agent(SessionId::from("a")));
    assert_eq!(whole.steps[0].then, bytes(1));
    world.record("b", 1, None, "p.png", bytes(3));
    let plan = world.undo(&Pick::Agent(SessionId::from("a")));
    assert_eq!(plan.conflicts[0].why, Why::NotText);
}

#[test]
fn what_nobody_could_look_at_is_left_alone() {
    let world = world(":abc a:abXc");
    let find = |hash: Hash| world.kept.get(&hash).cloned();
    let pick = Pick::Agent(SessionId::from("a"));
    let case = Case { pick: &pick, changes: &world.changes, disk: &Disk::new(), find: &find };
    assert_eq!(undo(&case).conflicts[0].why, Why::NotSeen);
}

#[test]
fn a_restore_says_whose_lines_go() {
    let world = world("a:ab b:aXYb");
    let find = world.find_text();
    let now = world.files.get(&path("f")).cloned();
    let then = File::of(lines("ab").into_bytes(), None);
    let plan = restore(&path("f"), now.clone(), Some(then), &world.changes, &find);
    assert_eq!(plan.steps[0].losses, [Loss { owner: Some(agent("b")), lines: 2 }]);
    assert!(restore(&path("f"), now.clone(), now, &world.changes, &find).is_empty());
}

#[test]
fn a_plan_reads_well() {
    let name = |owner: &Owner| owner.key();
    let a = Pick::Agent(SessionId::from("a"));
    assert_eq!(
        world(":abc a:abXc b:abXcY").plan(&a).show(&name),
        "changes f +0 -1 (takes away 1 of a)\n@@ -3,1 +3,0 @@\n b\n-X\n c\n"
    );
    assert_eq!(
        world(":abc a:aXc b:aYc").plan(&a).show(&name),
        "leaves f alone: the same lines were changed since\n@@ line 2 @@\nnow    Y\nbefore b\n"
    );
    assert_eq!(
        world(":abc a:abcX b:- b:abcX").plan(&a).show(&name),
        "leaves f alone: lines of others would go\nb: X\n"
    );
    assert_eq!(world(":abc").plan(&a).show(&name), "Nothing to do.\n");
}

/// The owners of the lines of the file, `.` for nobody.
fn blamed(world: &World) -> String {
    let mut blame = Blame::absent();
    world.changes.iter().for_each(|change| blame.push(change, &world.find_text()));
    let owner = |owner: &Owner| owner.key();
    blame.lines().map(|line| line.map_or(".".to_owned(), |line| owner(&line.owner))).collect()
}

#[test]
fn a_line_is_blamed_on_who_wrote_it_last() {
    assert_eq!(blamed(&world(":abc a:aXc b:YaXc")), "b.a.");
    assert_eq!(blamed(&world("a:abc b:abc a:-")), "");
    assert_eq!(blamed(&world("a:ab b:abc b:- a:abc")), "aaa");
}

#[test]
fn what_nobody_saw_belongs_to_nobody() {
    let mut world = world("a:abc");
    world.put("f", &lines("abZc"));
    world.write("b", 2, "f", Some(&lines("BabZc")));
    assert_eq!(blamed(&world), "baa.a");
}

#[test]
fn a_text_that_is_lost_is_bridged_if_one_owner_was_at_work() {
    for (script, expected) in [("a:abc b:abXc b:aYXc", "abba"), ("a:abc b:abXc c:aYXc", "a..a")] {
        let mut world = world(script);
        let middle = world.changes[1].after.unwrap().hash;
        world.kept.remove(&middle);
        assert_eq!(blamed(&world), expected, "{script}");
    }
}

#[test]
fn an_undo_gives_lines_back_to_who_wrote_them() {
    let mut world = world("b:abcd a:aXd");
    assert_eq!(blamed(&world), "bab");
    world.undo(&Pick::Agent(SessionId::from("a")));
    assert_eq!(blamed(&world), "bbbb");
}
