//! What Enter and its neighbours do with the chosen session.

use super::*;

#[test]
fn enter_resumes_the_chosen_session_and_shows_its_agent() {
    let mut desk = Desk::new(typical()).with_bench().answered();
    desk.press("<Down><Enter>");
    assert_eq!(desk.log, ["resume s1", "close", "focus 7"]);
}

#[test]
fn enter_on_the_first_row_resumes_the_whole_bench() {
    let mut desk = Desk::new(typical()).with_bench().answered();
    desk.press("<Enter>");
    assert_eq!(desk.log, ["resume the bench of 26 h ago", "close", "focus 1"]);
}

#[test]
fn a_bench_that_is_open_as_a_whole_is_not_resumed() {
    let mut stored = typical();
    stored.iter_mut().for_each(|hit| hit.open = true);
    let mut desk = Desk::new(stored).with_bench().answered();
    desk.press("<Enter>");
    assert_eq!(desk.log, Vec::<String>::new());
    assert_eq!(desk.notice(), "every session of the bench is open already");
}

#[test]
fn an_open_session_is_not_resumed_and_the_reason_is_said() {
    let mut desk = Desk::new(typical()).answered();
    let why = "“Update the docs for tokens” is open already: it goes on in its pane";
    desk.press("<Down><Enter>");
    assert_eq!((desk.notice().as_str(), desk.log.len()), (why, 0));
    desk.press("<Up><Down><Tab>");
    assert_eq!(desk.notice(), why);
    assert_eq!(desk.titles()[1], ">Update the docs for tokens");
    desk.press("<C-f>");
    assert_eq!(desk.log, ["resume s2 fork", "close", "focus 7"]);
}

#[test]
fn a_session_with_an_obstacle_begins_anew_only_after_a_yes() {
    let mut desk = Desk::new(typical()).answered();
    desk.press("<Down><Down><Enter>");
    assert!(desk.log.is_empty());
    desk.press("<Esc>");
    assert_eq!(desk.titles().len(), 4);
    desk.press("<Enter>x<Enter>");
    assert_eq!(desk.log, ["resume s3 from history", "close", "focus 7"]);
}

#[test]
fn a_session_of_another_workspace_is_not_offered_anew_but_the_way_to_it_is_said() {
    let mut stored = typical();
    let command = "benchdog --workspace /home/ann/src/other resume s1";
    stored[0].resumable = false;
    stored[0].obstacle = Some("it belongs to the workspace /home/ann/src/other".to_owned());
    stored[0].elsewhere = Some(command.to_owned());
    let mut desk = Desk::new(stored).answered();
    for key in ["<Enter>", "<C-f>"] {
        desk.press(key);
        assert_eq!(desk.log, Vec::<String>::new());
        assert!(desk.notice().contains(command), "{}", desk.notice());
    }
    desk.press("<Enter>y");
    assert_eq!(desk.log, Vec::<String>::new(), "nothing is confirmed that cannot be had");
}

#[test]
fn marked_sessions_are_resumed_one_after_the_other_in_the_order_of_their_marks() {
    let mut desk = Desk::new(typical()).answered();
    desk.press("<End><Tab><Home><Tab>");
    let titles = desk.titles();
    assert_eq!(
        (titles[0].as_str(), titles[3].as_str()),
        ("*Make the lexer return spans", "*Fix span off by one")
    );
    desk.type_keys("<Enter>");
    let resumes = desk.asked.iter().filter(|(_, tag)| *tag == Tag::PickerResume).count();
    assert_eq!(resumes, 1);
    desk.answer();
    assert_eq!(desk.log, ["resume s4", "resume s1", "close", "focus 7"]);
}

#[test]
fn marks_survive_another_query_and_go_by_the_same_key() {
    let mut desk = Desk::new(typical()).answered();
    desk.press("fix<Tab><Esc><Tab><Up>");
    assert_eq!(
        desk.titles(),
        [
            ">*Make the lexer return spans",
            "Update the docs for tokens",
            "Try a table-driven lexer",
            "*Fix span off by one"
        ]
    );
    desk.press("<Tab>");
    assert_eq!(desk.picker.marked, [SessionId::from("s4")]);
}

#[test]
fn a_failed_resume_is_shown_and_takes_nothing_away() {
    let mut desk = Desk::new(typical()).answered();
    desk.replies.push_back(failed("`claude` is not installed", "`benchdog install claude`"));
    desk.press("lexer ret");
    let before = desk.titles();
    desk.press("<Enter>");
    assert_eq!(desk.notice(), "✗ `claude` is not installed\n  `benchdog install claude`");
    assert_eq!(desk.titles(), before);
    assert_eq!(desk.picker.query.text(), "lexer ret");
    // The message stays while the person looks around, and the session can be tried again.
    desk.press("<BS>");
    assert!(!desk.notice().is_empty());
    desk.press("<Enter>");
    assert_eq!(desk.log, ["resume s1", "resume s1", "close", "focus 7"]);
}

#[test]
fn one_failure_of_several_leaves_the_others_running_and_names_itself() {
    let mut desk = Desk::new(typical()).answered();
    desk.replies.push_back(failed("no such conversation", "start anew"));
    desk.press("<Tab><End><Tab><Enter>");
    assert_eq!(desk.log, ["resume s1", "resume s4", "focus 7"]);
    assert_eq!(
        desk.notice(),
        "✗ Make the lexer return spans: no such conversation\n  start anew\n1 agent resumed, 1 not"
    );
    assert_eq!(desk.picker.marked, [SessionId::from("s1")]);
    assert!(desk.screen(160, 50).contains("Fix span off by one  (open here)"));
}

#[test]
fn escape_takes_back_the_resumes_that_have_not_begun() {
    let mut desk = Desk::new(typical()).answered();
    desk.press("<Tab><End><Tab>");
    desk.type_keys("<Enter><Enter><Esc>");
    assert_eq!(desk.notice(), "those not begun stay as they are");
    desk.answer();
    assert_eq!(desk.log, ["resume s1", "close", "focus 7"]);
}

#[test]
fn a_rename_is_shown_once_the_engine_has_it() {
    let mut desk = Desk::new(typical()).answered();
    desk.press("<C-r><C-u>Spans<Home>My <Enter>");
    assert_eq!(desk.log, ["rename s1 to My Spans"]);
    assert_eq!(desk.titles()[0], ">My Spans");
    desk.replies.push_back(failed("the disk is full", "make room"));
    desk.press("<C-r>!<Enter>");
    assert_eq!(desk.titles()[0], ">My Spans");
    assert_eq!(desk.notice(), "✗ the disk is full\n  make room");
    desk.press("<C-r><C-u><Enter>");
    assert_eq!(desk.notice(), "a title has at least one letter");
    desk.press("<Esc><C-r><Enter>");
    assert_eq!(desk.log.len(), 2, "a title that is the same is not sent");
}
