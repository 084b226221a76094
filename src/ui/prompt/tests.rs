//! Scenarios of this part of the screen: what is done to it, and what is seen then.

use proptest::prelude::*;

use super::*;

fn prompt(text: &str) -> Prompt {
    let mut prompt = Prompt::new();
    prompt.paste(text);
    prompt
}

#[test]
fn a_backslash_before_enter_is_a_new_line() {
    let mut prompt = prompt("one\\");
    assert_eq!(prompt.edit(PromptAction::Send), Edit::Done);
    prompt.type_char('2');
    assert_eq!(prompt.edit(PromptAction::Send), Edit::Send("one\n2".into()));
    assert!(prompt.is_empty());
}

#[test]
fn a_blank_prompt_is_not_sent() {
    assert_eq!(prompt("  \n ").edit(PromptAction::Send), Edit::Nothing);
}

#[test]
fn a_big_paste_is_a_mark_until_it_is_sent() {
    let big = "line\r\n".repeat(1_204);
    let mut prompt = prompt("see ");
    prompt.paste(&big);
    prompt.paste(&big);
    assert_eq!(prompt.text(), "see [pasted 1,204 lines][pasted 1,204 lines #2]");
    assert_eq!(prompt.edit(PromptAction::DeleteBack), Edit::Done);
    assert_eq!(prompt.text(), "see [pasted 1,204 lines]");
    let sent = format!("see {}", "line\n".repeat(1_204));
    assert_eq!(prompt.edit(PromptAction::Send), Edit::Send(sent));
}

#[test]
fn ten_megabytes_are_pasted_in_one_piece() {
    let big = "x".repeat(10 * 1024 * 1024);
    let mut prompt = prompt(&big);
    assert_eq!(prompt.text(), "[pasted 10,240 KB]");
    assert_eq!(prompt.edit(PromptAction::Send), Edit::Send(big));
}

#[test]
fn a_small_paste_is_written_without_what_moves_the_cursor() {
    assert_eq!(prompt("a\x1b[201~\tb\rc").text(), "a[201~\tb\nc");
}

#[test]
fn up_and_down_walk_rows_and_at_the_edges_the_history() {
    let mut prompt = Prompt::new();
    prompt.remember("first");
    prompt.remember("second");
    prompt.paste("draft of two rows");
    prompt.measure(9, 5);
    assert_eq!(prompt.edit(PromptAction::Up), Edit::Done);
    assert_eq!(prompt.text(), "draft of two rows");
    assert_eq!(prompt.edit(PromptAction::Up), Edit::Done);
    assert_eq!(prompt.text(), "second");
    assert_eq!(prompt.edit(PromptAction::Up), Edit::Done);
    assert_eq!(prompt.edit(PromptAction::Up), Edit::Top);
    assert_eq!(prompt.text(), "first");
    prompt.edit(PromptAction::Down);
    prompt.edit(PromptAction::Down);
    assert_eq!(prompt.text(), "draft of two rows");
    prompt.edit(PromptAction::Down);
    assert_eq!(prompt.text(), "draft of two rows");
}

#[test]
fn a_cleared_draft_is_in_the_history() {
    let mut prompt = prompt("precious");
    prompt.clear();
    assert!(prompt.is_empty());
    prompt.edit(PromptAction::Up);
    assert_eq!(prompt.text(), "precious");
}

#[test]
fn slash_commands_complete_as_far_as_it_is_clear() {
    let commands = ["compact", "context", "cost"]
        .map(|name| SlashCommand { name: name.into(), ..SlashCommand::default() });
    let mut prompt = prompt("/c");
    assert!(prompt.complete(&commands));
    assert_eq!(prompt.text(), "/co");
    prompt.type_char('m');
    assert!(prompt.complete(&commands));
    assert_eq!(prompt.text(), "/compact ");
    assert!(!prompt.complete(&commands));
}

#[test]
fn the_view_follows_the_cursor_and_comes_back_when_text_goes() {
    let mut prompt = prompt("1\n2\n3\n4\n5\n6");
    assert_eq!(prompt.measure(20, 3), 3);
    assert_eq!(prompt.first, 3);
    for _ in 0..8 {
        prompt.edit(PromptAction::DeleteBack);
    }
    assert_eq!(prompt.text(), "1\n2");
    assert_eq!(prompt.measure(20, 3), 2);
    assert_eq!(prompt.first, 0);
}

proptest! {
    #[test]
    fn no_sequence_of_keys_breaks_the_editor(
        steps in prop::collection::vec((0usize..PromptAction::ALL.len(), "[a /\\\\漢\n]{0,4}"), 0..40),
        width in 1u16..20,
    ) {
        let mut prompt = Prompt::new();
        for (action, text) in steps {
            prompt.paste(&text);
            prompt.edit(PromptAction::ALL[action]);
            let rows = prompt.measure(width, 4);
            prop_assert!((1..=4).contains(&rows));
            let (row, _) = prompt.cursor_row();
            prop_assert!(prompt.first <= row && row < prompt.first + prompt.height);
        }
    }
}
