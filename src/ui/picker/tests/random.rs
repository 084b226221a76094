//! Any keys and answers in any order.

use super::*;

fn any_key() -> impl Strategy<Value = KeyEvent> {
    let codes = prop_oneof![
        8 => prop::char::any().prop_map(KeyCode::Char),
        8 => prop::sample::select(" abcefhjknprsuw!^'$\\?".chars().collect::<Vec<_>>())
            .prop_map(KeyCode::Char),
        6 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Up,
            KeyCode::Down, KeyCode::Left, KeyCode::Right, KeyCode::PageUp, KeyCode::PageDown,
            KeyCode::Home, KeyCode::End, KeyCode::Backspace, KeyCode::Delete, KeyCode::F(1),
        ]),
    ];
    let modifiers = prop_oneof![
        4 => Just(KeyModifiers::NONE),
        3 => Just(KeyModifiers::CONTROL),
        1 => Just(KeyModifiers::SHIFT),
        1 => Just(KeyModifiers::ALT),
    ];
    (codes, modifiers).prop_map(|(code, modifiers)| KeyEvent::new(code, modifiers))
}

#[derive(Debug, Clone)]
enum Deed {
    Key(KeyEvent),
    Paste(String),
    Draw(u16, u16),
    /// Answers the question with this number of those that wait, well or badly.
    Answer(prop::sample::Index, bool),
}

fn any_deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => any_key().prop_map(Deed::Key),
        1 => ".{0,20}".prop_map(Deed::Paste),
        2 => (0u16..130, 0u16..30).prop_map(|(width, height)| Deed::Draw(width, height)),
        6 => (any::<prop::sample::Index>(), any::<bool>())
            .prop_map(|(which, well)| Deed::Answer(which, well)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_order_of_keys_and_answers_breaks_it(
        titles in prop::collection::vec(".{0,30}", 0..12),
        deeds in prop::collection::vec(any_deed(), 0..60),
    ) {
        let mut stored = typical();
        let rows = titles.iter().enumerate();
        stored.extend(rows.map(|(n, title)| session(&format!("r{n}"), title, title, n as i64)));
        let mut desk = Desk::new(stored).with_bench();
        for deed in deeds {
            match deed {
                Deed::Key(key) => {
                    let wishes = desk.picker.key(key);
                    desk.note(wishes);
                }
                Deed::Paste(text) => {
                    let wishes = desk.picker.paste(&text);
                    desk.note(wishes);
                }
                Deed::Draw(width, height) => {
                    desk.draw(width, height);
                }
                Deed::Answer(which, well) if !desk.asked.is_empty() => {
                    let (command, tag) = desk.asked.remove(which.index(desk.asked.len())).unwrap();
                    let reply = if well { desk.reply(command) } else { failed("no", "never") };
                    let wishes = desk.picker.answered(Answered { tag, reply });
                    desk.note(wishes);
                }
                Deed::Answer(..) => {}
            }
            for tag in [Tag::PickerResume, Tag::PickerBench] {
                prop_assert!(desk.asked.iter().filter(|(_, asked)| *asked == tag).count() <= 1);
            }
            let previews = |(_, tag): &&(Command, Tag)| matches!(tag, Tag::PickerPreview(_));
            prop_assert!(desk.asked.iter().filter(previews).count() <= 1);
            let entries = desk.picker.entries();
            prop_assert!(desk.picker.cursor < entries.max(1));
        }
        // However it went, it comes to rest and still shows what is stored.
        desk.answer();
        desk.draw(80, 24);
        prop_assert!(desk.picker.catalog.len() >= 4 || !desk.picker.list.came);
    }
}
