//! Scenarios of this part of the screen: what is done to it, and what is seen then.

use super::*;
use crate::model::permission::AskAnswer;
use crate::ui::sample;

const ROOT: &str = "/home/me/src/parser";

fn shown(panel: &mut AskPanel) -> Vec<String> {
    panel.measure(Mono(0), Stand::Pane, (60, 20), &Keymap::default());
    panel.rows.iter().map(|(_, text)| text.clone()).collect()
}

fn answer(panel: &AskPanel, answer: AskAnswer) -> Vec<Wish> {
    let ask = panel.id();
    vec![Wish::Ask { command: Box::new(Command::AnswerAsk { ask, answer }), tag: Tag::Answer(ask) }]
}

#[test]
fn an_edit_shows_its_change_and_a_write_its_content() {
    let mut edit = AskPanel::new(&sample::edit(1, 1), ROOT);
    let expected = [
        "Edit  src/lex.rs",
        "  pub struct Token {",
        "      kind: Kind,",
        "+     span: Span,",
        "  }",
    ];
    assert_eq!(shown(&mut edit), expected);
    let input = serde_json::json!({"file_path": "/tmp/a", "content": "one\ntwo\n"});
    let mut write = AskPanel::new(&sample::ask(1, 1, "Write", input), ROOT);
    assert_eq!(shown(&mut write), ["Write  /tmp/a  2 lines", "+ one", "+ two"]);
}

#[test]
fn a_git_shows_its_line_each_file_at_stake_and_why_it_is_asked() {
    let stakes = ["src/lex.rs (green)", "notes.md (not known whose)"];
    let input = serde_json::json!({"command": "git reset --hard", "at_stake": stakes});
    let mut ask = sample::ask(1, 1, "git", input);
    ask.reason = Some("it may change any file".to_owned());
    assert_eq!(headline(&ask, ROOT), "git reset --hard");
    let expected = [
        "git reset --hard",
        "at stake, uncommitted:",
        "  src/lex.rs (green)",
        "  notes.md (not known whose)",
        "it may change any file",
    ];
    assert_eq!(shown(&mut AskPanel::new(&ask, ROOT)), expected);
}

#[test]
fn what_an_agent_sends_cannot_move_the_cursor_nor_fill_the_screen() {
    let input = serde_json::json!({"command": format!("a\x1b[2J\n{}", "x\n".repeat(5_000))});
    let mut panel = AskPanel::new(&sample::ask(1, 1, "Bash", input), ROOT);
    let rows = shown(&mut panel);
    assert_eq!(rows[0], "Bash  a␛[2J");
    assert_eq!(rows.last().map(String::as_str), Some("… 3001 more lines"));
    assert_eq!(panel.measure(Mono(0), Stand::Pane, (60, 12), &Keymap::default()), 12);
}

#[test]
fn always_uses_the_rule_that_is_shown() {
    let mut ask = sample::bash(1, 1);
    let second = crate::model::permission::Suggestion {
        label: "mode acceptEdits".into(),
        raw: serde_json::Value::Null,
    };
    ask.suggestions.push(second);
    let mut panel = AskPanel::new(&ask, ROOT);
    let labels: Vec<_> = (0..4)
        .map(|_| {
            let label = panel.rule_label();
            panel.act(AskAction::NextRule);
            label
        })
        .collect();
    assert_eq!(labels, ["all 2 rules", "Bash(cargo doc *)", "mode acceptEdits", "all 2 rules"]);
    panel.act(AskAction::NextRule);
    let wishes = panel.act(AskAction::AllowAlways);
    assert_eq!(wishes, answer(&panel, AskAnswer::AllowAlways { suggestion: Some(1) }));
}

#[test]
fn without_a_rule_always_is_explained_and_nothing_is_answered() {
    let mut panel = AskPanel::new(&sample::edit(1, 1), ROOT);
    let wishes = panel.act(AskAction::AllowAlways);
    assert!(matches!(wishes.as_slice(), [Wish::Tell(_, _)]));
    panel.measure(Mono(0), Stand::Pane, (60, 12), &Keymap::default());
    assert!(panel.is_armed(Mono(ARM_MS)));
}

#[test]
fn a_denial_takes_a_reason() {
    let mut panel = AskPanel::new(&sample::bash(1, 1), ROOT);
    assert_eq!(panel.act(AskAction::Reason), []);
    assert_eq!(panel.place(), Context::Field);
    panel.paste("not now");
    let wishes = panel.act_field(FieldAction::Accept);
    let reason = "not now".to_owned();
    assert_eq!(wishes, answer(&panel, AskAnswer::Deny { reason, interrupt: false }));
}

#[test]
fn questions_take_options_marks_and_own_words() {
    let mut panel = AskPanel::new(&sample::questions(1, 1), ROOT);
    assert_eq!(
        shown(&mut panel),
        [
            "1 of 2  Which database?",
            "› 1 SQLite  — one file",
            "  2 Postgres  — a server",
            "  3 own words …"
        ]
    );
    assert_eq!(panel.act_question(QuestionAction::Pick2), []);
    panel.act_question(QuestionAction::Toggle);
    panel.act_question(QuestionAction::Pick3);
    panel.act_question(QuestionAction::Own);
    panel.paste("BSD");
    let wishes = panel.act_field(FieldAction::Accept);
    let answers = vec!["Postgres".to_owned(), "Linux, Windows, BSD".to_owned()];
    assert_eq!(wishes, answer(&panel, AskAnswer::Answers(answers)));
}

#[test]
fn questions_can_be_answered_in_any_order() {
    let mut panel = AskPanel::new(&sample::questions(1, 1), ROOT);
    panel.act_question(QuestionAction::Next);
    assert_eq!(panel.act_question(QuestionAction::Choose), []);
    let wishes = panel.act_question(QuestionAction::Choose);
    let answers = vec!["SQLite".to_owned(), "Linux".to_owned()];
    assert_eq!(wishes, answer(&panel, AskAnswer::Answers(answers)));
}

#[test]
fn a_plan_is_approved_or_sent_back_with_words() {
    let mut panel = AskPanel::new(&sample::plan(1, 1), ROOT);
    assert_eq!(shown(&mut panel)[..2], ["Is this plan good?", "1. Read the lexer"]);
    let wishes = panel.act(AskAction::AllowOnce);
    assert_eq!(wishes, answer(&panel, AskAnswer::AllowOnce { input: None }));
    assert!(!panel.is_armed(Mono(10_000)), "an answered ask takes no more keys");
    panel.answer_failed();
    assert!(panel.is_armed(Mono(10_000)));
}
