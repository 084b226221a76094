//! Any items and deeds in any order.

use super::*;

fn any_text() -> impl Strategy<Value = String> {
    r"(\PC|[a-z ]{0,9}|漢字|🙂|e\u{301}|\u{200d}|\n|\n\n|- |1\. |```\n|\| a \|\n|\|--\|\n|> |\x1b\[31m|\x07|\t|\r){0,25}"
}

fn any_item() -> impl Strategy<Value = Item> {
    (1u64..12, any_text(), any_text(), 0usize..14, any::<bool>(), 0u64..14).prop_map(
        |(id, one, two, kind, open, parent)| {
            let call = |name: &str, input, status| tool(id, name, input, status, &two);
            let path = json!({"file_path": one, "old_string": one, "new_string": two});
            let mut item = match kind {
                0 => prompt(id, &one),
                1 | 2 => text(id, &one),
                3 => item(id, Body::Thinking { text: one }),
                4 => call("Edit", path, ToolStatus::Done),
                5 => call("Bash", json!({"command": one}), ToolStatus::Failed),
                6 => call("Write", json!({"file_path": one, "content": two}), ToolStatus::Asking),
                7 => call(&two, json!({"x": one, "y": [1, {"z": one}]}), ToolStatus::Done),
                8 => item(id, Body::Notice { level: Level::Error, text: one }),
                9 => item(id, Body::Raw { line: one }),
                10 => item(id, Body::Todo { entries: vec![todo(&one, TodoState::Doing)] }),
                11 => call("Agent", json!({"description": one}), ToolStatus::Running),
                12 => call(
                    "Read",
                    json!({"file_path": one}),
                    ToolStatus::Waiting { holder: two.clone() },
                ),
                _ => item(
                    id,
                    Body::TurnEnd(TurnEnd {
                        is_error: open,
                        message: Some(one),
                        reason: two,
                        ..TurnEnd::default()
                    }),
                ),
            };
            item.open = open;
            item.parent =
                (parent > 0 && parent < 12).then(|| format!("call{parent}").as_str().into());
            item
        },
    )
}

/// What a person does.
fn act(transcript: &mut Transcript, action: u8) {
    match action {
        0 => transcript.scroll(-3),
        1 => transcript.scroll(2),
        2 => transcript.page_up(),
        3 => transcript.to_start(),
        4 => transcript.to_end(),
        5 => transcript.prev_prompt(),
        6 => transcript.next_prompt(),
        7 => drop(transcript.select_prev()),
        8 => drop(transcript.select_next()),
        9 => drop(transcript.toggle_fold()),
        10 => transcript.unfold_all(),
        11 => drop(transcript.search("a")),
        12 => drop(transcript.next_match()),
        13 => drop(transcript.prev_match()),
        14 => drop(transcript.copy_selected()),
        _ => transcript.fold_all(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_happens_panics_at_any_size(
        steps in prop::collection::vec((any_item(), 0u8..16, 0u16..60, 0u16..20), 1..25),
    ) {
        let mut transcript = Transcript::new();
        for (item, action, width, height) in steps {
            let id = item.id;
            transcript.apply(Change::Item(item));
            transcript.apply(Change::Append { item: id, text: "x".to_owned() });
            act(&mut transcript, action);
            let buffer = drawn(&mut transcript, width, height);
            for cell in buffer.content() {
                prop_assert!(!cell.symbol().contains(char::is_control));
            }
            // What has been measured once is the same when nothing has changed.
            let again = drawn(&mut transcript, width, height);
            prop_assert_eq!(lines(&buffer), lines(&again));
        }
    }

    #[test]
    fn the_way_to_a_state_does_not_show(
        items in prop::collection::vec(any_item(), 1..12),
        order in prop::collection::vec(0usize..100, 0..12),
        cut in 0usize..40,
        width in 1u16..60,
    ) {
        let mut last = std::collections::BTreeMap::new();
        for item in items {
            last.insert(item.id, item);
        }
        let items: Vec<Item> = last.into_values().collect();
        let mut whole = loaded(items.clone());
        let mut pieces = Transcript::new();
        pieces.set_root("/ws");
        let mut shuffled = items.clone();
        for (at, swap) in order.into_iter().enumerate().take(shuffled.len()) {
            let other = swap % shuffled.len();
            shuffled.swap(at, other);
        }
        for item in shuffled {
            let id = item.id;
            let mut begun = item.clone();
            let mut rest = String::new();
            match &mut begun.body {
                Body::Text { text } | Body::Thinking { text } => {
                    rest = text.split_off(text.floor_char_boundary(cut));
                }
                Body::Prompt { .. } | Body::Tool(_) | Body::Todo { .. } | Body::Notice { .. }
                | Body::TurnEnd(_) | Body::Raw { .. } => {}
            }
            pieces.apply(Change::Item(begun));
            drawn(&mut pieces, width, 10);
            for c in rest.chars() {
                pieces.apply(Change::Append { item: id, text: c.to_string() });
                drawn(&mut pieces, width.max(20) - 3, 10);
            }
            pieces.apply(Change::Item(item));
        }
        prop_assert_eq!(shown(&mut pieces, width, 40), shown(&mut whole, width, 40));
    }

    #[test]
    fn output_never_moves_a_window_that_is_not_at_the_end(
        start in 1i32..60,
        more in prop::collection::vec(any_item(), 1..6),
    ) {
        let mut transcript = loaded(numbered(40));
        shown(&mut transcript, 30, 8);
        transcript.scroll(-start);
        let before = shown(&mut transcript, 30, 8);
        for mut item in more {
            item.id = ItemId(item.id.0 + 100);
            item.parent = None;
            let id = item.id;
            transcript.apply(Change::Item(item));
            transcript.apply(Change::Append { item: id, text: "\n\nmore".to_owned() });
            let after = shown(&mut transcript, 30, 8);
            // The last row may have the count in it.
            prop_assert_eq!(&before[..7], &after[..7]);
        }
    }
}
