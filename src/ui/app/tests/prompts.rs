//! What is written, sent, queued and taken back.

use super::*;

#[test]
fn a_prompt_is_sent_and_comes_back_by_up() {
    let mut stage = Stage::new(80, 24, 1);
    stage.write("go on").keys("alt+enter").write("now").keys("enter");
    let text = "go on\nnow".to_owned();
    assert_eq!(stage.sent(), [Command::Send { agent: AgentId(1), text }]);
    stage.keys("up");
    assert!(stage.screen().contains("> go on"));
    stage.keys("up up");
    assert!(stage.screen().contains("> Make the lexer return spans"), "{}", stage.screen());
}

#[test]
fn a_prompt_that_is_not_taken_stands_where_it_was_written() {
    let refused = || Reply::Failed(Failure::new(FailureKind::Failed, "the disk is full"));
    let mut stage = Stage::new(80, 24, 1);
    stage.write("go on").keys("enter").reply(refused());
    let screen = stage.screen();
    assert!(screen.contains("> go on") && screen.contains("the disk is full"), "{screen}");
    stage.keys("enter").write("newer").reply(refused());
    assert!(stage.screen().contains("> newer"), "what is being written is not replaced");
}

#[test]
fn drafts_stay_with_their_pane() {
    let mut stage = Stage::new(160, 50, 2);
    stage.write("for blue").command("right").write("for red").command("left");
    assert_eq!(stage.focus(), 1);
    let screen = stage.screen();
    assert!(screen.contains("> for blue") && screen.contains("> for red"), "{screen}");
    stage.keys("enter");
    let text = "for blue".to_owned();
    assert_eq!(stage.sent(), [Command::Send { agent: AgentId(1), text }]);
}

#[test]
fn esc_interrupts_and_twice_clears() {
    let mut stage = Stage::new(80, 24, 1);
    stage.write("draft").keys("esc");
    assert_eq!(stage.sent(), [Command::Interrupt { agent: AgentId(1) }]);
    assert!(stage.screen().contains("draft"));
    stage.keys("esc");
    assert!(!stage.screen().contains("> draft"));
    assert_eq!(stage.sent(), []);
    stage.write("x").wait(5_000).keys("esc").wait(2_000).keys("esc");
    assert!(stage.screen().contains("> x"), "two Escs far apart are not a double one");
}

#[test]
fn esc_and_a_fast_next_key_are_two_keys() {
    let mut stage = Stage::new(80, 24, 1);
    stage.keys("alt+x");
    assert_eq!(stage.sent(), [Command::Interrupt { agent: AgentId(1) }]);
    assert!(stage.screen().contains("> x"));
    stage.input(Input::ClearKeys);
    stage.keys("alt+y");
    assert_eq!(stage.sent(), [], "the newer protocol says what was meant");
}

#[test]
fn queued_prompts_can_be_taken_back() {
    let mut stage = Stage::new(80, 24, 1);
    stage.agent(1, |info| info.queue = vec![QueuedPrompt { id: 7, text: "later".into() }]);
    assert!(stage.screen().contains("queued  later"));
    stage.keys("up");
    assert_eq!(stage.sent(), [Command::Unqueue { agent: AgentId(1), prompt: 7 }]);
    assert!(stage.screen().contains("> later"));
}

#[test]
fn a_paste_of_ten_megabytes_is_one_mark_and_one_prompt() {
    let mut stage = Stage::new(80, 24, 1);
    let big = "0123456789abcde\n".repeat(650_000);
    let began = std::time::Instant::now();
    stage.input(Input::Paste(big.clone()));
    assert!(stage.screen().contains("[pasted 650,000 lines]"));
    stage.keys("enter");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(stage.sent(), [Command::Send { agent: AgentId(1), text: big }]);
}

#[test]
fn a_path_that_is_offered_for_a_pin_gives_way_to_another_one() {
    let mut stage = Stage::new(80, 24, 3);
    with_locks(&mut stage);
    stage.command("l").keys("p").write("src/").keys("enter");
    let pin = |path: &str| Command::Pin {
        patterns: vec![path.to_owned()],
        reason: String::new(),
        to: None,
    };
    assert_eq!(stage.sent(), [pin("src/")]);
    stage.keys("p backspace backspace enter");
    assert_eq!(stage.sent(), [pin("docs/tokens.")], "what is offered can be gone on with");
}
