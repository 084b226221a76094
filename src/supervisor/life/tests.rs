//! Scripts of one agent's life, and random ones.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it is about")]

use proptest::prelude::*;

use super::*;

/// Runs `script` (events, `12s` lets time pass) and compares what each event brought, one line
/// per event that brought something.
fn check(script: &str, expected: &str) {
    let mut life = Life::new(Limits::default());
    let mut now = Mono(0);
    let mut seen = Vec::new();
    for word in script.split(';').map(str::trim) {
        let event = match word.strip_suffix('s').and_then(|n| n.parse::<u64>().ok()) {
            Some(seconds) => {
                now = now.after(seconds * 1_000);
                Event::Tick
            }
            None => event(word),
        };
        let effects: Vec<String> = life.update(now, event).iter().map(show).collect();
        if !effects.is_empty() {
            seen.push(format!("{word}: {}", effects.join(", ")));
        }
    }
    if let Some(trouble) = life.trouble() {
        seen.push(format!("trouble: {trouble}"));
    }
    let expected: Vec<&str> = expected.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    assert_eq!(seen, expected, "{script}");
}

fn event(word: &str) -> Event {
    match word {
        "start" => Event::RestartWanted,
        "started" => Event::Started,
        "ready" => Event::Ready,
        "prompt" => Event::PromptQueued,
        "take back" => Event::PromptTaken,
        "turn" => Event::TurnBegan,
        "done" => Event::TurnEnded { error: None },
        "failed" => Event::TurnEnded { error: Some("the model is overloaded".to_owned()) },
        "ask" => Event::AskOpened,
        "answer" => Event::AskClosed,
        "wait" => Event::WaitBegan,
        "go" => Event::WaitEnded,
        "background" => Event::BackgroundBegan,
        "background ended" => Event::BackgroundEnded,
        "seen" => Event::Seen,
        "stop" => Event::StopWanted,
        "exit" => Event::Exited { expected: true, trouble: String::new() },
        "crash" => Event::Exited { expected: false, trouble: "killed by signal 9".to_owned() },
        other => panic!("no event is called {other}"),
    }
}

fn show(effect: &Effect) -> String {
    match effect {
        Effect::Changed(state) => format!("{state:?}"),
        Effect::WakeAt(at) => format!("wake at {}", at.0 / 1_000),
        Effect::Start => "START".to_owned(),
        Effect::Stop => "STOP".to_owned(),
        Effect::Kill => "KILL".to_owned(),
        Effect::SendNext => "SEND".to_owned(),
    }
}

#[test]
fn a_prompt_goes_out_once_the_agent_answers_and_the_next_one_after_the_turn() {
    check(
        "prompt; prompt; start; started; ready; turn; done; turn; done; seen; prompt; turn",
        "start: START, wake at 60
         started: wake at 60
         ready: SEND, Working
         done: SEND
         done: Finished
         seen: Idle
         prompt: SEND, Working",
    );
}

#[test]
fn a_prompt_that_is_taken_back_is_not_sent() {
    check("start; prompt; take back; ready", "start: START, wake at 60\nready: Idle");
}

#[test]
fn an_ask_outranks_a_wait_and_a_wait_outranks_work() {
    check(
        "start; ready; turn; wait; ask; ask; answer; answer; go; done; ask; seen; answer",
        "start: START, wake at 60
         ready: Idle
         turn: Working
         wait: WaitingForFile
         ask: NeedsYou
         answer: WaitingForFile
         go: Working
         done: Finished
         ask: NeedsYou
         answer: Idle",
    );
}

#[test]
fn a_failed_turn_shows_its_reason_until_the_next_turn_begins() {
    check(
        "start; ready; turn; failed; seen",
        "start: START, wake at 60
         ready: Idle
         turn: Working
         failed: Error
         trouble: the model is overloaded",
    );
    check(
        "start; ready; turn; failed; turn; done",
        "start: START, wake at 60
         ready: Idle
         turn: Working
         failed: Error
         turn: Working
         done: Finished",
    );
}

#[test]
fn an_agent_that_does_not_answer_in_time_is_in_error_and_may_still_come() {
    check(
        "start; 2s; started; 59s; 1s; prompt",
        "start: START, wake at 60
         started: wake at 62
         1s: Error
         trouble: it has not answered for 60 s since its start",
    );
    check(
        "start; 60s; prompt; ready",
        "start: START, wake at 60\n60s: Error\nready: SEND, Working",
    );
}

#[test]
fn a_crash_ends_what_was_open_and_keeps_the_prompts_that_wait() {
    check(
        "start; ready; turn; ask; wait; prompt; crash; answer; go; turn; ask; 99s",
        "start: START, wake at 60
         ready: Idle
         turn: Working
         ask: NeedsYou
         crash: Dead
         trouble: killed by signal 9",
    );
    check(
        "start; ready; turn; ask; prompt; crash; start; started; ready",
        "start: START, wake at 60
         ready: Idle
         turn: Working
         ask: NeedsYou
         crash: Dead
         start: START, wake at 60, Starting
         started: wake at 60
         ready: SEND, Working",
    );
}

#[test]
fn a_program_that_cannot_be_started_is_dead_with_its_reason() {
    check("start; crash", "start: START, wake at 60\ncrash: Dead\ntrouble: killed by signal 9");
}

#[test]
fn stopping_is_polite_then_forceful_then_admits_defeat() {
    check(
        "start; ready; stop; prompt; 14s; 1s; 5s; 50s",
        "start: START, wake at 60
         ready: Idle
         stop: STOP, wake at 15
         1s: KILL, wake at 20
         5s: Error
         trouble: its process does not end, even by force",
    );
    check(
        "start; ready; stop; 3s; stop; stop; crash",
        "start: START, wake at 60
         ready: Idle
         stop: STOP, wake at 15
         stop: KILL, wake at 8
         crash: Dead",
    );
}

#[test]
fn a_restart_of_a_running_agent_waits_for_its_end() {
    check(
        "start; ready; turn; start; crash; ready",
        "start: START, wake at 60
         ready: Idle
         turn: Working
         start: STOP, wake at 15
         crash: START, wake at 60, Starting
         ready: Idle",
    );
    check(
        "start; ready; start; start; stop; crash",
        "start: START, wake at 60
         ready: Idle
         start: STOP, wake at 15
         stop: KILL, wake at 5
         crash: Dead",
    );
}

#[test]
fn a_quiet_agent_with_a_background_task_does_not_rest() {
    let mut life = Life::new(Limits::default());
    let mut rests = |script: &str| {
        for (at, word) in script.split("; ").enumerate() {
            life.update(Mono(at as u64), event(word));
        }
        (life.state(), life.resting_since())
    };
    let quiet = rests("start; ready; turn; background; done; seen");
    assert_eq!(quiet, (AgentState::Idle, None));
    assert_eq!(rests("seen; background ended; seen"), (AgentState::Idle, Some(Mono(1))));
    assert_eq!(rests("crash").1, None);
}

fn any_event() -> impl Strategy<Value = Event> {
    let text = || Just(Some("broken".to_owned()));
    prop_oneof![
        1 => Just(Event::Started),
        3 => Just(Event::Ready),
        2 => Just(Event::PromptQueued),
        1 => Just(Event::PromptTaken),
        2 => Just(Event::TurnBegan),
        2 => prop_oneof![Just(None), text()].prop_map(|error| Event::TurnEnded { error }),
        1 => Just(Event::AskOpened),
        1 => Just(Event::AskClosed),
        1 => Just(Event::WaitBegan),
        1 => Just(Event::WaitEnded),
        1 => Just(Event::BackgroundBegan),
        1 => Just(Event::BackgroundEnded),
        1 => any::<bool>()
            .prop_map(|expected| Event::Exited { expected, trouble: "broken".to_owned() }),
        1 => Just(Event::Seen),
        1 => Just(Event::StopWanted),
        2 => Just(Event::RestartWanted),
        1 => Just(Event::Tick),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_state_is_lost_and_the_end_ends_everything(
        script in proptest::collection::vec((any_event(), 0u64..20_000), 0..80)
    ) {
        let mut life = Life::new(Limits::default());
        let (mut now, mut shown, mut queued) = (Mono(0), life.state(), 0usize);
        let (mut processes, mut sending) = (0usize, false);
        for (event, passes) in script {
            now = now.after(passes);
            match &event {
                Event::PromptQueued => queued += 1,
                Event::PromptTaken => queued = queued.saturating_sub(1),
                Event::TurnEnded { .. } => sending = false,
                Event::Exited { .. } => (processes, sending) = (0, false),
                _ => {}
            }
            let exited = matches!(event, Event::Exited { .. });
            let effects = life.update(now, event.clone());
            let mut changes = 0;
            for effect in &effects {
                match effect {
                    Effect::Changed(state) => (shown, changes) = (*state, changes + 1),
                    Effect::SendNext => {
                        prop_assert!(queued > 0, "sent a prompt that nobody wrote");
                        prop_assert!(!sending, "sent two prompts at once");
                        (queued, sending) = (queued - 1, true);
                    }
                    Effect::Start => {
                        prop_assert_eq!(processes, 0, "two processes of one agent");
                        processes = 1;
                    }
                    Effect::Stop | Effect::Kill => {}
                    Effect::WakeAt(at) => prop_assert!(*at >= now),
                }
            }
            prop_assert!(changes <= 1);
            prop_assert_eq!(shown, life.state(), "after {:?}", event);
            prop_assert_eq!(queued, life.prompts(), "prompts after {:?}", event);
            if exited {
                prop_assert_eq!((life.asks, life.waits, life.background), (0, 0, 0));
                prop_assert_eq!(life.turn, Turn::None);
            }
            prop_assert_eq!(
                life.state() == AgentState::Dead, life.phase == Phase::Gone, "dead is gone"
            );
        }
    }
}
