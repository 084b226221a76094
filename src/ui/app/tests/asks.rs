//! Who gets the keys while an ask waits, and what they answer.

use super::*;

#[test]
fn a_key_typed_before_the_ask_appeared_answers_nothing() {
    let mut stage = Stage::new(80, 24, 1);
    stage.write("al");
    stage.ask(sample::bash(1, 1));
    stage.write("a").wait(250).write("a").wait(5_000).write("a");
    assert_eq!(stage.answered(), None);
    assert_eq!(stage.place(), Some(Context::Prompt));
    assert!(stage.screen().contains("> alaaa"), "{}", stage.screen());
}

#[test]
fn an_ask_takes_the_keys_of_an_empty_prompt_after_a_moment() {
    let mut stage = Stage::new(80, 24, 1);
    stage.ask(sample::bash(1, 1));
    stage.wait(299).keys("a");
    assert_eq!(stage.answered(), None);
    stage.keys("backspace").wait(1_500);
    assert_eq!(stage.place(), Some(Context::Ask));
    stage.keys("a");
    assert_eq!(stage.answered(), Some(AskAnswer::AllowOnce { input: None }));
}

#[test]
fn a_prompt_typed_right_after_a_change_of_panes_answers_nothing() {
    let mut stage = Stage::new(200, 50, 2);
    stage.command("1").ask(sample::bash(1, 2));
    stage.wait(5_000).command("2").write("all of it");
    assert_eq!(stage.answered(), None);
    assert!(stage.screen().contains("> all of it"), "{}", stage.screen());
    stage.keys("ctrl+u").wait(1_500);
    assert_eq!(stage.place(), Some(Context::Ask));
    stage.command("1").command("2").keys("a");
    assert_eq!(stage.answered(), None);
    stage.keys("backspace").command("1").command("a").keys("a");
    assert!(stage.answered().is_some());
}

#[test]
fn a_double_press_does_not_answer_the_next_ask() {
    let mut stage = Stage::new(80, 24, 1);
    stage.ask(sample::bash(1, 1));
    stage.ask(sample::edit(2, 1));
    stage.wait(1_000).keys("a");
    assert_eq!(stage.answered(), Some(AskAnswer::AllowOnce { input: None }));
    stage.event(Event::AskClosed { ask: AskId(1), outcome: AskOutcome::Allowed });
    stage.keys("a");
    assert_eq!(stage.answered(), None);
    assert!(stage.screen().contains("just appeared: press again"), "{}", stage.screen());
    assert_eq!(stage.place(), Some(Context::Ask));
    stage.wait(300).keys("n");
    let denied = AskAnswer::Deny { reason: String::new(), interrupt: false };
    assert_eq!(stage.answered(), Some(denied));
}

#[test]
fn an_ask_that_was_hidden_has_to_be_seen_anew() {
    let mut stage = Stage::new(80, 24, 1);
    stage.ask(sample::bash(1, 1));
    stage.wait(1_000);
    assert_eq!(stage.place(), Some(Context::Ask));
    stage.command("?").keys("esc a");
    assert_eq!(stage.answered(), None);
    stage.wait(300).keys("a");
    assert!(stage.answered().is_some());
}

#[test]
fn a_person_can_go_on_writing_beside_an_ask() {
    let mut stage = Stage::new(80, 24, 1);
    stage.ask(sample::bash(1, 1));
    stage.wait(1_000).keys("tab").wait(5_000).write("a word");
    assert_eq!(stage.answered(), None);
    assert!(stage.screen().contains("> a word"));
    stage.keys("tab A");
    assert_eq!(stage.answered(), Some(AskAnswer::AllowAlways { suggestion: Some(0) }));
}

#[test]
fn a_word_begun_over_an_ask_goes_to_the_prompt_as_a_whole() {
    let mut stage = Stage::new(80, 24, 1);
    stage.ask(sample::bash(1, 1));
    stage.wait(2_000).write("make it faster");
    assert_eq!(stage.answered(), None);
    assert!(stage.screen().contains("> make it faster"), "{}", stage.screen());
}

#[test]
fn an_answer_that_failed_can_be_given_again() {
    let mut stage = Stage::new(80, 24, 1);
    stage.ask(sample::bash(1, 1));
    stage.wait(1_000).keys("a a");
    assert_eq!(stage.sent.len(), 1, "one answer is enough");
    assert!(!stage.screen().contains("press again"), "{}", stage.screen());
    stage.reply(Reply::Failed(Failure::new(FailureKind::Failed, "the agent is gone")));
    assert!(stage.screen().contains("the agent is gone"));
    stage.sent.clear();
    stage.keys("a");
    assert!(stage.answered().is_some());
}

#[test]
fn the_next_that_needs_you_is_found_wherever_it_is() {
    let mut stage = Stage::new(80, 24, 3);
    stage.agent(3, |info| info.state = AgentState::Finished);
    stage.ask(sample::bash(1, 2));
    stage.command("a");
    assert_eq!(stage.focus(), 2);
    assert_eq!(stage.place(), Some(Context::Ask));
    stage.command("a");
    assert_eq!(stage.focus(), 3);
    assert_eq!(stage.sent().last(), Some(&Command::MarkSeen { agent: AgentId(3) }));
}

#[test]
fn what_finishes_behind_the_back_is_seen_when_the_person_comes() {
    let mut stage = Stage::new(80, 24, 1);
    stage.input(Input::Focus(false));
    stage.agent(1, |info| info.state = AgentState::Finished);
    assert_eq!(stage.sent(), []);
    stage.ask(sample::bash(1, 1));
    assert_eq!(stage.other, [Effect::Bell]);
    stage.input(Input::Focus(true));
    assert_eq!(stage.sent(), [Command::MarkSeen { agent: AgentId(1) }]);
}

#[test]
fn a_mute_bell_never_rings() {
    let mut stage = Stage::new(80, 24, 1);
    stage.app.options.bell = Bell::Mute;
    stage.input(Input::Focus(false));
    stage.ask(sample::bash(1, 1));
    assert_eq!(stage.other, []);
}

#[test]
fn the_inbox_answers_permissions_and_leads_to_questions() {
    let mut stage = Stage::new(160, 50, 3);
    stage.ask(sample::bash(1, 2));
    stage.ask(sample::questions(2, 3));
    stage.command("i").keys("a");
    assert_eq!(stage.answered(), None, "it was not on the screen yet");
    assert!(stage.screen().contains("just appeared: press again"), "{}", stage.screen());
    stage.wait(300).keys("A");
    assert_eq!(stage.answered(), Some(AskAnswer::AllowAlways { suggestion: Some(0) }));
    stage.keys("down").wait(300).keys("a");
    assert_eq!(stage.focus(), 3);
    assert_eq!(stage.place(), Some(Context::Questions));
}
