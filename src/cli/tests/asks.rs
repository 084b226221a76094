//! Questions of agents, answered from the command line.

use super::*;

#[test]
fn questions_are_listed_and_answered() {
    let (ran, _) = ask_engine(&["answer"]);
    assert_eq!(
        ran.out,
        "ASK  AGENT  SINCE  TOOL  WANTS      ALWAYS WOULD ADD\n  \
         7  red    now    Bash  cargo doc  Bash(cargo doc *)\n"
    );
    for (args, answer) in [
        (&["answer", "7", "allow"][..], AskAnswer::AllowOnce { input: None }),
        (&["answer", "allow"], AskAnswer::AllowOnce { input: None }),
        (
            &["answer", "red", "allow", "--input", r#"{"command":"ls"}"#],
            AskAnswer::AllowOnce { input: Some(json!({"command": "ls"})) },
        ),
        (&["answer", "red", "always", "1"], AskAnswer::AllowAlways { suggestion: Some(0) }),
        (
            &["answer", "7", "deny", "not", "now", "--interrupt"],
            AskAnswer::Deny { reason: "not now".into(), interrupt: true },
        ),
    ] {
        let (ran, heard) = ask_engine(args);
        assert_eq!(ran.code, 0, "{args:?} {}", ran.err);
        assert_eq!(heard, [Command::AnswerAsk { ask: AskId(7), answer }], "{args:?}");
    }
    for args in [
        &["answer", "8", "allow"][..],
        &["answer", "blue", "allow"],
        &["answer", "7", "always", "2"],
        &["answer", "7", "choose", "x"],
    ] {
        let (ran, heard) = ask_engine(args);
        assert_eq!((ran.code, heard), (2, vec![]), "{args:?}");
    }
}

#[test]
fn options_are_chosen_in_the_order_of_the_questions() {
    let engine = FakeEngine::new(|command, _| match command {
        Command::ListAsks => {
            let option = |label: &str| Choice { label: label.into(), description: String::new() };
            let question = Question {
                question: "Which?".into(),
                header: String::new(),
                multi_select: false,
                options: vec![option("A"), option("B")],
            };
            let kind = AskKind::Questions(vec![question]);
            Reply::Asks(vec![Ask { kind, ..ask() }])
        }
        Command::ListAgents => Reply::Agents(vec![agent(2, "red", AgentState::NeedsYou)]),
        _ => Reply::Done,
    });
    let ran = scene().run_against(&engine, &["answer", "choose", "B"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let answer = AskAnswer::Answers(vec!["B".into()]);
    assert_eq!(engine.heard().last(), Some(&Command::AnswerAsk { ask: AskId(7), answer }));
    assert_eq!(scene().run_against(&engine, &["answer", "allow"]).code, 2);
    let ran = scene().run_against(&engine, &["answer"]);
    assert!(ran.out.contains("Which? [A | B]"), "{}", ran.out);
}
