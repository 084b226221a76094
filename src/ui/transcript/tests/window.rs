//! What stays in view while items come and sizes change.

use super::*;

#[test]
fn the_window_follows_the_end_until_it_is_moved() {
    let mut transcript = loaded(numbered(20));
    assert_eq!(shown(&mut transcript, 20, 3), ["item 19", "", "item 20"]);
    transcript.apply(Change::Item(text(21, "more")));
    assert_eq!(shown(&mut transcript, 20, 3), ["item 20", "", "more"]);
    transcript.scroll(-2);
    let before = shown(&mut transcript, 20, 4);
    transcript.apply(Change::Append { item: ItemId(21), text: "\n\nnew\nnewer".to_owned() });
    transcript.apply(Change::Item(text(22, "newest")));
    let after = shown(&mut transcript, 20, 4);
    assert_eq!(before[..3], after[..3]);
    assert_eq!(transcript.new_below(), 5, "two blank rows, new, newer, newest");
    assert!(after[3].ends_with("↓ 5 new"), "{after:?}");
    transcript.scroll(2);
    shown(&mut transcript, 20, 4);
    assert_eq!(transcript.new_below(), 4);
    transcript.to_end();
    assert_eq!(shown(&mut transcript, 20, 3), ["newer", "", "newest"]);
    assert_eq!(transcript.new_below(), 0);
}

#[test]
fn what_was_seen_is_not_counted_again() {
    let mut transcript = loaded(numbered(20));
    shown(&mut transcript, 20, 4);
    transcript.scroll(-6);
    shown(&mut transcript, 20, 4);
    transcript.apply(Change::Item(text(21, "a\nb\nc\nd\ne\nf")));
    shown(&mut transcript, 20, 4);
    assert_eq!(transcript.new_below(), 7);
    transcript.scroll(9);
    shown(&mut transcript, 20, 4);
    assert_eq!(transcript.new_below(), 4);
    transcript.scroll(-9);
    shown(&mut transcript, 20, 4);
    assert_eq!(transcript.new_below(), 4);
}

#[test]
fn another_width_keeps_the_place() {
    let long = (1..=40).map(|n| format!("word{n:02}")).collect::<Vec<_>>().join(" ");
    let mut items = numbered(30);
    items[14] = text(15, &long);
    let mut transcript = loaded(items);
    shown(&mut transcript, 30, 5);
    for _ in 0..60 {
        if shown(&mut transcript, 30, 5)[0].contains("word17") {
            break;
        }
        transcript.scroll(-1);
    }
    assert!(shown(&mut transcript, 30, 5)[0].contains("word17"));
    let narrow = shown(&mut transcript, 14, 5);
    assert!(narrow[0].contains("word17") || narrow[1].contains("word17"), "{narrow:?}");
    let wide = shown(&mut transcript, 60, 5);
    assert!(wide[0].contains("word17") || wide[1].contains("word17"), "{wide:?}");
}

#[test]
fn older_items_appear_above_without_moving_the_window() {
    let mut items = numbered(30);
    let older = items.drain(..15).collect();
    let mut transcript = Transcript::new();
    transcript.apply(Change::Reset { items, more_before: true });
    shown(&mut transcript, 20, 5);
    assert!(!transcript.wants_older());
    transcript.to_start();
    let before = shown(&mut transcript, 20, 5);
    assert!(transcript.wants_older());
    assert_eq!(transcript.first_id(), Some(ItemId(16)));
    transcript.asked_older();
    assert!(!transcript.wants_older());
    // An item that is not loaded yet comes with the others.
    transcript.apply(Change::Item(text(3, "late")));
    assert_eq!(transcript.first_id(), Some(ItemId(16)));
    transcript.apply(Change::Older { items: older, more_before: false });
    let after = shown(&mut transcript, 20, 5);
    assert_eq!((before[0].as_str(), after[0].as_str()), ("item 16", ""));
    assert_eq!(after[1], "item 16");
    assert!(!transcript.wants_older());
    transcript.to_start();
    assert_eq!(shown(&mut transcript, 20, 5)[0], "item 1");
}
