//! Panes that are moved, resized and zoomed, by keys and by the mouse.

use super::*;

fn mouse(stage: &mut Stage, kind: MouseEventKind, column: u16, row: u16) {
    let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
    stage.input(Input::Mouse(event));
}

fn drag(stage: &mut Stage, from: (u16, u16), to: (u16, u16)) {
    let left = MouseButton::Left;
    mouse(stage, MouseEventKind::Down(left), from.0, from.1);
    mouse(stage, MouseEventKind::Drag(left), to.0, to.1);
    mouse(stage, MouseEventKind::Up(left), to.0, to.1);
}

/// The agents of the panes, each with its column, row, width and height.
fn panes(stage: &Stage) -> Vec<(String, [u16; 4])> {
    let name = |slot: &Slot| match slot {
        Slot::Agent(agent) => stage.app.bench.agent(*agent).unwrap().name.clone(),
        Slot::Empty(_) => "-".to_owned(),
    };
    let all = stage.app.chrome.panes.iter();
    all.map(|(slot, rect)| (name(slot), [rect.x, rect.y, rect.width, rect.height])).collect()
}

fn names(stage: &Stage) -> Vec<String> {
    panes(stage).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_dragged_border_follows_the_mouse_and_the_focus_stays() {
    let mut stage = Stage::new(160, 50, 2);
    assert_eq!(panes(&stage)[1].1, [80, 1, 80, 48]);
    drag(&mut stage, (79, 20), (59, 22));
    assert_eq!(panes(&stage)[0].1, [0, 1, 60, 48]);
    drag(&mut stage, (60, 20), (99, 22));
    assert_eq!(panes(&stage)[0].1, [0, 1, 100, 48]);
    assert_eq!(stage.focus(), 1);
    mouse(&mut stage, MouseEventKind::Drag(MouseButton::Left), 10, 10);
    assert_eq!(panes(&stage)[0].1, [0, 1, 100, 48], "nothing is held any more");
}

#[test]
fn a_title_dropped_on_another_pane_swaps_the_two() {
    let mut stage = Stage::new(160, 50, 3);
    let before = names(&stage);
    let [_, y, ..] = panes(&stage)[0].1;
    let [x, below, ..] = panes(&stage)[2].1;
    drag(&mut stage, (10, y), (x + 10, below + 5));
    assert_eq!(names(&stage), [before[2].clone(), before[1].clone(), before[0].clone()]);
    assert_eq!(stage.focus(), 1);
    let after = names(&stage);
    drag(&mut stage, (x + 10, below), (x + 12, below + 2));
    assert_eq!(names(&stage), after, "dropped where it was");
    drag(&mut stage, (20, 20), (x + 12, below + 2));
    assert_eq!(names(&stage), after, "text is no handle");
}

#[test]
fn panes_are_swapped_by_direction() {
    let mut stage = Stage::new(160, 50, 2);
    let before = names(&stage);
    stage.command("shift+right");
    assert_eq!(names(&stage), [before[1].clone(), before[0].clone()]);
    assert_eq!(stage.focus(), 1);
}

#[test]
fn a_resize_is_repeated_for_a_moment_and_then_the_key_is_text_again() {
    let mut stage = Stage::new(160, 50, 2);
    stage.command("L").keys("L");
    assert_eq!(panes(&stage)[0].1[2], 84);
    assert!(stage.screen().contains("H J K L again, without the prefix"), "{}", stage.screen());
    stage.wait(600).keys("L");
    assert_eq!(panes(&stage)[0].1[2], 86);
    stage.wait(800);
    assert!(!stage.screen().contains("without the prefix"), "{}", stage.screen());
    stage.write("Later");
    assert_eq!(panes(&stage)[0].1[2], 86);
    assert!(stage.screen().contains("> Later"), "{}", stage.screen());
}

#[test]
fn keys_that_cannot_change_anything_say_so() {
    let mut stage = Stage::new(80, 24, 3);
    stage.command("z");
    let said = "only one pane fits here in this layout; Ctrl-Space Space is the next one";
    assert!(stage.screen().contains(said), "{}", stage.screen());
    stage.command("H");
    assert!(stage.screen().contains("there is no border to move"), "{}", stage.screen());
    let mut wide = Stage::new(160, 50, 3);
    wide.command("z");
    assert_eq!(names(&wide).len(), 1);
    wide.command("x");
    assert!(wide.screen().contains("Ctrl-Space g brings it back"), "{}", wide.screen());
}
