//! What was said in a session, as the picker shows it.

use super::*;

#[test]
fn what_agents_wrote_cannot_move_the_cursor_of_the_terminal() {
    let mut evil = session("s1", "a\x1b[2J\u{202e}b\nc", "bl\x07ue", 1);
    (evil.row.branch, evil.resumable) = ("m\tain".to_owned(), false);
    evil.obstacle = Some("gone\x1b[1m".to_owned());
    let mut desk = Desk::new(vec![evil]).answered();
    desk.press("<Enter>");
    let screen = desk.screen(120, 12);
    assert!(!screen.chars().any(|c| c.is_control() && c != '\n'), "{screen}");
}

#[test]
fn an_interruption_is_said_once_and_in_our_words() {
    let mut desk = Desk::new(typical());
    let mark = |text: &str| Body::Prompt { text: text.to_owned(), from: Speaker::Backend };
    let end = TurnEnd { interrupted: true, ..TurnEnd::default() };
    desk.said = Some(vec![
        Body::Prompt { text: "begin".to_owned(), from: Speaker::Person },
        mark("[Request interrupted by user for tool use]"),
        Body::TurnEnd(end),
        mark("This session is being continued.\nIt was about a lexer."),
        Body::Prompt { text: "again".to_owned(), from: Speaker::Person },
        mark("[Request interrupted by user]"),
    ]);
    let mut desk = desk.answered();
    desk.screen(80, 40);
    desk.press("<Space>");
    let screen = desk.screen(80, 40);
    assert!(!screen.contains("Request interrupted"), "{screen}");
    assert_eq!(screen.matches("interrupted by you").count(), 2, "{screen}");
    assert!(screen.contains("› This session is being continued."), "{screen}");
    assert!(!screen.contains("about a lexer"), "{screen}");
}
