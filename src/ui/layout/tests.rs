//! Scenarios of this part of the screen: what is done to it, and what is seen then.

use proptest::prelude::*;

use super::*;
use crate::ui::sample;

const WIDE: Rect = Rect { x: 0, y: 0, width: 160, height: 48 };
const SMALL: Rect = Rect { x: 0, y: 0, width: 80, height: 22 };

fn agents(count: u32) -> Layout {
    let mut layout = Layout::default();
    (1..=count).for_each(|number| layout.add(AgentId(number)));
    layout
}

/// The panes as `1:x,y wxh`, with `*` at the focus.
fn show(layout: &mut Layout, area: Rect) -> String {
    layout.fit(area);
    let places = layout.places(area);
    let panes = places.panes.iter().map(|(slot, rect)| {
        let name = match slot {
            Slot::Agent(agent) => agent.to_string(),
            Slot::Empty(number) => format!("e{number}"),
        };
        let star = if layout.focus() == Some(*slot) { "*" } else { "" };
        format!("{name}{star}:{},{} {}x{}", rect.x, rect.y, rect.width, rect.height)
    });
    let tabs = if places.tabs { " tabs" } else { "" };
    panes.collect::<Vec<_>>().join(" | ") + tabs
}

#[test]
fn an_even_layout_follows_the_area() {
    assert_eq!(show(&mut agents(1), SMALL), "1*:0,0 80x22");
    assert_eq!(show(&mut agents(2), SMALL), "1*:0,0 80x11 | 2:0,11 80x11");
    assert_eq!(show(&mut agents(3), SMALL), "1*:0,1 80x21 tabs");
    assert_eq!(show(&mut agents(2), WIDE), "1*:0,0 80x48 | 2:80,0 80x48");
    let eight = show(&mut agents(8), WIDE);
    assert!(eight.starts_with("1*:0,0 53x24 | 2:0,24 53x24 | 3:53,0 53x16"), "{eight}");
}

#[test]
fn splits_nest_and_closing_gives_the_room_back() {
    let mut layout = agents(1);
    layout.split(Axis::Right);
    layout.split(Axis::Below);
    assert_eq!(show(&mut layout, WIDE), "1:0,0 80x48 | e1:80,0 80x24 | e2*:80,24 80x24");
    layout.add(AgentId(2));
    assert_eq!(show(&mut layout, WIDE), "1:0,0 80x48 | e1:80,0 80x24 | 2*:80,24 80x24");
    layout.remove(AgentId(2));
    assert_eq!(show(&mut layout, WIDE), "1:0,0 80x48 | e1*:80,0 80x48");
    layout.close_focused();
    layout.close_focused();
    assert_eq!(show(&mut layout, WIDE), "");
    assert_eq!(layout.focus(), None);
}

#[test]
fn the_focus_moves_by_direction_number_and_order() {
    let mut layout = agents(4);
    layout.arrange(Arrangement::MainLeft);
    layout.fit(WIDE);
    layout.focus_towards(Direction::Right, WIDE);
    assert_eq!(layout.focused_agent(), Some(AgentId(2)));
    layout.focus_towards(Direction::Down, WIDE);
    assert_eq!(layout.focused_agent(), Some(AgentId(3)));
    layout.focus_towards(Direction::Left, WIDE);
    assert_eq!(layout.focused_agent(), Some(AgentId(1)));
    layout.focus_towards(Direction::Left, WIDE);
    assert_eq!(layout.focused_agent(), Some(AgentId(1)));
    layout.focus_number(4);
    layout.focus_by(1);
    assert_eq!(layout.focused_agent(), Some(AgentId(1)));
    layout.focus_by(-1);
    assert_eq!(layout.focused_agent(), Some(AgentId(4)));
    layout.focus_number(9);
    assert_eq!(layout.focused_agent(), Some(AgentId(4)));
}

#[test]
fn resizing_moves_a_border_and_stops_at_the_least() {
    let mut layout = agents(2);
    layout.fit(WIDE);
    layout.resize(Direction::Right, WIDE);
    assert_eq!(show(&mut layout, WIDE), "1*:0,0 82x48 | 2:82,0 78x48");
    layout.resize(Direction::Down, WIDE);
    assert_eq!(layout.arrangement(), Arrangement::Own);
    (0..100).for_each(|_| layout.resize(Direction::Left, WIDE));
    // Not further than both panes can be drawn: one more step would leave one of them under tabs.
    assert_eq!(show(&mut layout, WIDE), "1*:0,0 24x48 | 2:24,0 136x48");
}

#[test]
fn a_border_follows_the_mouse_as_far_as_the_panes_beside_it_can_be_drawn() {
    let mut layout = agents(3);
    layout.arrange(Arrangement::MainLeft);
    layout.fit(WIDE);
    let before = show(&mut layout, WIDE);
    assert_eq!(before, "1*:0,0 96x48 | 2:96,0 64x24 | 3:96,24 64x24");
    let at = |x, y| Position { x, y };
    assert_eq!(layout.border_at(WIDE, at(50, 20)), None);
    assert_eq!(layout.border_at(WIDE, at(0, 20)), None, "the edge of the screen stays");
    assert_eq!(layout.border_at(WIDE, at(120, 24)), None, "that is the title of a pane");
    let (left, right) = (layout.border_at(WIDE, at(95, 30)), layout.border_at(WIDE, at(96, 30)));
    assert!(left.is_some() && left == right);
    layout.drag(WIDE, &left.unwrap(), at(99, 30));
    let between = layout.border_at(WIDE, at(120, 23)).unwrap();
    layout.drag(WIDE, &between, at(120, 9));
    let dragged = "1*:0,0 100x48 | 2:100,0 60x10 | 3:100,10 60x38";
    assert_eq!(show(&mut layout, WIDE), dragged);
    layout.drag(WIDE, &between, at(120, 0));
    let right = right.unwrap();
    layout.drag(WIDE, &right, at(159, 0));
    assert_eq!(show(&mut layout, WIDE), "1*:0,0 136x48 | 2:136,0 24x7 | 3:136,7 24x41");
}

#[test]
fn swapping_in_a_direction_takes_the_nearest_pane_there() {
    let mut layout = agents(3);
    layout.arrange(Arrangement::MainLeft);
    layout.fit(WIDE);
    layout.swap_towards(Direction::Right, WIDE);
    assert_eq!(layout.slots(), [2, 1, 3].map(|number| Slot::Agent(AgentId(number))));
    layout.swap_towards(Direction::Down, WIDE);
    assert_eq!(layout.slots(), [2, 3, 1].map(|number| Slot::Agent(AgentId(number))));
    layout.swap_towards(Direction::Down, WIDE);
    assert_eq!(layout.slots(), [2, 3, 1].map(|number| Slot::Agent(AgentId(number))));
    assert_eq!(layout.focused_agent(), Some(AgentId(1)));
}

#[test]
fn a_lone_pane_is_not_zoomed_so_that_the_next_one_is_seen() {
    let mut layout = agents(1);
    layout.toggle_zoom();
    layout.add(AgentId(2));
    assert_eq!(show(&mut layout, WIDE), "1*:0,0 80x48 | 2:80,0 80x48");
}

#[test]
fn swapping_keeps_the_focus_on_the_agent() {
    let mut layout = agents(3);
    layout.arrange(Arrangement::MainTop);
    layout.fit(WIDE);
    layout.swap_by(1);
    assert_eq!(layout.slots(), [2, 1, 3].map(|number| Slot::Agent(AgentId(number))));
    assert_eq!(layout.focused_agent(), Some(AgentId(1)));
}

#[test]
fn a_zoomed_pane_is_alone_under_tabs() {
    let mut layout = agents(2);
    layout.toggle_zoom();
    assert_eq!(show(&mut layout, WIDE), "1*:0,1 160x47 tabs");
    layout.toggle_zoom();
    assert_eq!(show(&mut layout, WIDE), "1*:0,0 80x48 | 2:80,0 80x48");
}

#[test]
fn a_stored_layout_comes_back_for_the_same_sessions_under_other_numbers() {
    let mut infos = vec![sample::info(1, "blue"), sample::info(2, "red"), sample::info(3, "gray")];
    let mut layout = agents(3);
    layout.arrange(Arrangement::MainLeft);
    layout.fit(WIDE);
    layout.resize(Direction::Right, WIDE);
    layout.focus_number(2);
    let value = layout.save(&infos);
    for info in &mut infos {
        info.id = AgentId(info.id.0 + 10);
    }
    infos.push(sample::info(20, "new"));
    let gone = infos.remove(2);
    let mut again = Layout::load(Some(&value), &infos);
    assert_eq!(again.focused_agent(), Some(AgentId(12)));
    assert_eq!(again.arrangement(), Arrangement::Own);
    let shown = show(&mut again, WIDE);
    assert!(shown.starts_with("11:0,0 98x48 | 12*:98,0 31x48 | 20:"), "{shown}");
    assert!(!again.slots().contains(&Slot::Agent(gone.id)));
}

#[test]
fn layouts_of_bench_files_are_read() {
    let infos = [sample::info(1, "blue"), sample::info(2, "red"), sample::info(3, "gray")];
    let read = |value: Value| show(&mut Layout::load(Some(&value), &infos), WIDE);
    let top = read("main-top".into());
    assert_eq!(top, "1*:0,0 160x28 | 2:0,28 80x20 | 3:80,28 80x20");
    let tree = serde_json::json!({"right": ["red", {"below": ["blue", "gray"]}]});
    assert_eq!(read(tree), "2*:0,0 80x48 | 1:80,0 80x24 | 3:80,24 80x24");
    let wrong = read(serde_json::json!({"above": 7}));
    assert_eq!(wrong, show(&mut agents(3), WIDE));
}

use serde_json::Value;

#[derive(Debug, Clone)]
enum Step {
    Add(u32),
    Remove(u32),
    Split(bool),
    Close,
    Focus(u8),
    Resize(u8),
    Swap(bool),
    Arrange(u8),
    Zoom,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1u32..12).prop_map(Step::Add),
        (1u32..12).prop_map(Step::Remove),
        any::<bool>().prop_map(Step::Split),
        Just(Step::Close),
        (0u8..4).prop_map(Step::Focus),
        (0u8..4).prop_map(Step::Resize),
        any::<bool>().prop_map(Step::Swap),
        (0u8..3).prop_map(Step::Arrange),
        Just(Step::Zoom),
    ]
}

fn direction(number: u8) -> Direction {
    [Direction::Left, Direction::Down, Direction::Up, Direction::Right][usize::from(number % 4)]
}

proptest! {
    #[test]
    fn panes_always_tile_the_area_and_the_focus_is_one_of_them(
        steps in prop::collection::vec(step(), 0..40),
        (width, height) in (1u16..200, 1u16..80),
    ) {
        let area = Rect { x: 3, y: 2, width, height };
        let mut layout = Layout::default();
        for step in steps {
            match step {
                Step::Add(number) => layout.add(AgentId(number)),
                Step::Remove(number) => layout.remove(AgentId(number)),
                Step::Split(true) => layout.split(Axis::Right),
                Step::Split(false) => layout.split(Axis::Below),
                Step::Close => layout.close_focused(),
                Step::Focus(number) => layout.focus_towards(direction(number), area),
                Step::Resize(number) => layout.resize(direction(number), area),
                Step::Swap(forth) => layout.swap_by(if forth { 1 } else { -1 }),
                Step::Arrange(0) => layout.arrange(Arrangement::Even),
                Step::Arrange(1) => layout.arrange(Arrangement::MainLeft),
                Step::Arrange(_) => layout.arrange(Arrangement::MainTop),
                Step::Zoom => layout.toggle_zoom(),
            }
            layout.fit(area);
            let slots = layout.slots();
            let mut unique = slots.clone();
            unique.sort();
            unique.dedup();
            prop_assert_eq!(unique.len(), slots.len());
            prop_assert_eq!(layout.focus().is_some(), !slots.is_empty());
            prop_assert!(layout.focus().is_none_or(|focus| slots.contains(&focus)));
            let rects = layout.rects(area);
            let cells: u32 = rects.iter().map(|(_, rect)| rect.area()).sum();
            prop_assert_eq!(cells, if slots.is_empty() { 0 } else { area.area() });
            prop_assert!(rects.iter().all(|(_, rect)| area.union(*rect) == area));
            let places = layout.places(area);
            prop_assert_eq!(places.panes.is_empty(), slots.is_empty());
        }
    }
}
