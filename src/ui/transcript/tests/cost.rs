//! What large transcripts cost.

use super::*;

#[test]
fn appending_costs_what_is_appended() {
    // Twice the text may cost twice the work, plus a little, but not four times.
    let work = |paragraphs: usize| {
        let mut transcript = Transcript::new();
        let mut first = text(1, "");
        first.open = true;
        transcript.apply(Change::Item(first));
        for _ in 0..paragraphs {
            for _ in 0..10 {
                transcript.apply(Change::Append {
                    item: ItemId(1),
                    text: "some words of `code` ".to_owned(),
                });
                transcript.measure(Size::new(80, 24), &Theme::night());
            }
            transcript.apply(Change::Append { item: ItemId(1), text: "\n\n".to_owned() });
        }
        transcript.work()
    };
    let (small, large) = (work(50), work(200));
    assert!(large.bytes < small.bytes * 5, "{small:?} {large:?}");
    assert!(large.blocks < small.blocks * 5, "{small:?} {large:?}");
    let appended = 200 * 10 * 21;
    assert!(large.bytes < appended * 15, "{large:?}");
}

#[test]
fn a_line_that_never_ends_is_not_read_again_and_again() {
    let mut transcript = Transcript::new();
    transcript.apply(Change::Item(text(1, "")));
    let (mut appended, step) = (0, 4_000);
    while appended < 1_000_000 {
        transcript.apply(Change::Append { item: ItemId(1), text: "x".repeat(step) });
        appended += step;
        transcript.measure(Size::new(80, 24), &Theme::night());
    }
    assert!(transcript.work().bytes < appended * 12, "{:?}", transcript.work());
}

#[test]
fn a_resize_of_a_long_transcript_lays_out_what_is_on_the_screen() {
    let items: Vec<Item> = (0..25_000)
        .flat_map(|turn| {
            let id = turn * 4 + 1;
            let read = json!({"file_path": "/ws/a"});
            [
                prompt(id, "go on"),
                text(id + 1, "some **words**\n\n- a\n- b"),
                tool(id + 2, "Read", read, ToolStatus::Done, "1\ta\n"),
                item(id + 3, Body::TurnEnd(TurnEnd::default())),
            ]
        })
        .collect();
    let mut transcript = Transcript::new();
    for item in items {
        transcript.layout.content.put(item);
    }
    assert_eq!(transcript.layout.content.entries.len(), 100_000);
    transcript.layout.content.bytes = 0;
    shown(&mut transcript, 160, 50);
    let first = transcript.work();
    assert!(first.blocks < 120, "{first:?}");
    shown(&mut transcript, 120, 40);
    let second = transcript.work();
    assert!(second.blocks - first.blocks < 120, "{second:?}");
    transcript.to_start();
    shown(&mut transcript, 120, 40);
    shown(&mut transcript, 80, 40);
    let third = transcript.work();
    assert!(third.blocks - second.blocks < 250, "{third:?}");
    transcript.scroll(100);
    shown(&mut transcript, 80, 40);
    assert!(transcript.work().blocks - third.blocks < 250);
}

#[test]
fn rows_beyond_the_screen_are_let_go() {
    let body = "- words\n".repeat(100);
    let mut transcript = loaded((1..=300).map(|id| text(id, &body)).collect());
    shown(&mut transcript, 40, 20);
    for _ in 0..1_000 {
        transcript.scroll(-20);
        shown(&mut transcript, 40, 20);
        let entries = transcript.layout.content.entries.values();
        let kept: usize = entries
            .flat_map(|entry| &entry.parts)
            .filter_map(|part| part.rows.as_ref().map(Vec::len))
            .sum();
        assert!(kept < 5_000, "{kept}");
    }
}

#[test]
fn what_the_history_has_is_dropped_while_nobody_looks() {
    let mut transcript = Transcript::new();
    for id in 1..=3_000 {
        transcript.apply(Change::Item(text(id, &"x".repeat(10_000))));
        transcript.measure(Size::new(40, 10), &Theme::night());
    }
    assert!(transcript.layout.content.bytes <= KEPT_BYTES + 20_000);
    assert!(transcript.first_id() > Some(ItemId(1)));
    transcript.to_start();
    transcript.measure(Size::new(40, 10), &Theme::night());
    assert!(transcript.wants_older());
}

#[test]
fn huge_items_are_harmless() {
    let megabyte = "x".repeat(1_000_000);
    let output = "line of output\n".repeat(70_000);
    let mut transcript = loaded(vec![
        prompt(1, &megabyte),
        text(2, &megabyte),
        item(3, Body::Raw { line: megabyte.clone() }),
        tool(4, "Bash", json!({"command": megabyte}), ToolStatus::Done, &output),
        tool(5, "Custom", json!({"x": megabyte}), ToolStatus::Failed, &megabyte),
        tool(6, "Write", json!({"file_path": "/a", "content": output}), ToolStatus::Asking, ""),
        item(7, Body::Notice { level: Level::Info, text: "漢".repeat(1_000) }),
    ]);
    transcript.unfold_all();
    for size in [(80, 24), (20, 5), (1, 1)] {
        shown(&mut transcript, size.0, size.1);
        transcript.scroll(-500);
        shown(&mut transcript, size.0, size.1);
        for _ in 0..10 {
            transcript.prev_prompt();
            transcript.select_next();
            shown(&mut transcript, size.0, size.1);
        }
        transcript.to_start();
        shown(&mut transcript, size.0, size.1);
        transcript.to_end();
    }
    assert!(transcript.work().bytes < 10_000_000, "{:?}", transcript.work());
}
