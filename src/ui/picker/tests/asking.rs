//! What is asked of the engine, and what becomes of the answers.

use super::*;

#[test]
fn at_first_it_asks_for_the_workspace_and_the_bench_and_then_for_a_preview() {
    let mut desk = Desk::new(typical());
    let asked: Vec<_> = desk.asked.iter().map(|(_, tag)| tag.clone()).collect();
    assert_eq!(asked, [Tag::PickerRows(1), Tag::PickerBench]);
    let (command, tag) = desk.asked.pop_front().unwrap();
    let reply = desk.reply(command);
    let wishes = desk.picker.answered(Answered { tag, reply });
    let [Wish::Ask { tag, .. }] = &wishes[..] else { panic!("{wishes:?}") };
    assert_eq!(*tag, Tag::PickerPreview("s1".into()));
}

#[test]
fn a_query_from_the_command_line_filters_at_once_and_searches_the_full_text() {
    let (picker, wishes) = Picker::new(HOME.to_owned(), true, Some("span".to_owned()));
    assert_eq!(picker.query.text(), "span");
    let [_, _, Wish::Ask { command, .. }] = &wishes[..] else { panic!("{wishes:?}") };
    let query = SessionQuery { workspace: None, text: Some("span".to_owned()), limit: TEXT_HITS };
    assert_eq!(**command, Command::ListSessions { query });
}

#[test]
fn while_a_search_is_under_way_only_the_last_query_is_searched_next() {
    let mut desk = Desk::new(typical()).answered();
    desk.type_keys("sp");
    desk.type_keys("a");
    desk.type_keys("n");
    let searched = |desk: &Desk| -> Vec<String> {
        let text = |(command, _): &(Command, Tag)| match command {
            Command::ListSessions { query } => query.text.clone(),
            _ => None,
        };
        desk.asked.iter().filter_map(text).collect()
    };
    assert_eq!(searched(&desk), ["sp"]);
    let at = desk.asked.iter().position(|(_, tag)| matches!(tag, Tag::PickerRows(_))).unwrap();
    let (_, tag) = desk.asked.remove(at).unwrap();
    // The late answer to "sp" is not shown for "span", and "span" is asked now.
    let stale = Reply::Sessions(vec![session("s9", "late", "blue", 1)]);
    let wishes = desk.picker.answered(Answered { tag: tag.clone(), reply: stale.clone() });
    desk.note(wishes);
    assert_eq!(searched(&desk), ["span"]);
    assert!(!desk.titles().iter().any(|title| title.contains("late")));
    assert_eq!(desk.picker.answered(Answered { tag, reply: stale }), []);
    desk.answer();
    assert_eq!(desk.titles(), [">Make the lexer return spans", "Fix span off by one"]);
}

#[test]
fn a_late_preview_is_not_shown_for_another_session() {
    let mut desk = Desk::new(typical()).answered();
    desk.type_keys("<Down><Down>");
    let previews: Vec<_> = desk.asked.iter().map(|(_, tag)| tag.clone()).collect();
    assert_eq!(previews, [Tag::PickerPreview("s2".into())], "one at a time");
    let (command, tag) = desk.asked.pop_front().unwrap();
    let reply = desk.reply(command);
    let wishes = desk.picker.answered(Answered { tag, reply });
    assert!(!desk.screen(160, 50).contains("(s2)"));
    desk.note(wishes);
    desk.answer();
    assert!(desk.screen(160, 50).contains("(s3)"));
}

#[test]
fn answers_that_nobody_waits_for_change_nothing() {
    let mut desk = Desk::new(typical()).answered();
    let before = desk.screen(160, 50);
    let rows = || Reply::Sessions(vec![session("s9", "late", "blue", 1)]);
    for (tag, reply) in [
        (Tag::PickerRows(1), rows()),
        (Tag::PickerRows(99), rows()),
        (Tag::PickerPreview("s1".into()), Reply::Transcript(TranscriptPage::default())),
        (Tag::PickerResume, Reply::Agent(AgentId(1))),
        (Tag::PickerRename("s1".into()), Reply::Done),
        (Tag::Nobody, Reply::Done),
    ] {
        assert_eq!(desk.picker.answered(Answered { tag, reply }), []);
    }
    assert_eq!(desk.screen(160, 50), before);
}

#[test]
fn a_failed_list_is_said_and_keeps_the_rows() {
    let mut desk = Desk::new(typical()).answered();
    desk.type_keys("<C-a>");
    let (_, tag) = desk.asked.pop_front().unwrap();
    let reply = failed("the history cannot be read", "`benchdog doctor` says more");
    desk.picker.answered(Answered { tag, reply });
    assert_eq!(desk.titles().len(), 4);
    assert_eq!(desk.notice(), "✗ the history cannot be read\n  `benchdog doctor` says more");
    assert!(desk.screen(160, 50).contains("this workspace"));
}

#[test]
fn a_list_that_never_came_is_asked_for_again_by_enter() {
    let mut desk = Desk::new(typical());
    let (_, tag) = desk.asked.pop_front().unwrap();
    desk.picker.answered(Answered { tag, reply: failed("the history is locked", "wait") });
    assert!(desk.screen(80, 24).contains("Enter asks again"));
    desk.press("<Enter>");
    assert_eq!(desk.titles().len(), 4);
    assert_eq!(desk.notice(), "");
}

#[test]
fn the_preview_is_toggled_while_something_is_looked_for() {
    for key in ["<C-/>", "<C-7>", "<C-_>"] {
        let mut desk = Desk::new(typical()).answered();
        desk.screen(160, 20);
        desk.press("span");
        assert!(desk.picker.screen.preview.is_some());
        desk.press(key);
        desk.screen(160, 20);
        assert!(desk.picker.screen.preview.is_none(), "{key}");
        assert_eq!(desk.picker.query.text(), "span");
    }
}
