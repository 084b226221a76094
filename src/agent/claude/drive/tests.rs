//! The driver with shell scripts as agents.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for the reports that it is about, and panics if it cannot go on"
)]

use std::path::Path;

use serde_json::Value;

use super::*;
use crate::agent::{Order, OrderError, Verdict};
use crate::model::report::Way;

/// How a script answers the first line.
const HELLO: &str = r#"read -r first; echo '{"type":"control_response","response":{"subtype":"success","request_id":"benchdog-initialize","response":{"commands":[]}}}'; "#;

/// Room for what a script says.
const ROOM: usize = 4096;

fn hasty() -> Patience {
    let (short, long) = (Duration::from_millis(200), Duration::from_secs(20));
    Patience { start: long, doomed: long, turn: long, polite: long, quiet: short }
}

fn script(text: &str) -> Launch {
    let program = ["/bin/sh", "-c", text, "agent"].map(str::to_owned).to_vec();
    Launch { program, ..Launch::default() }
}

struct Run {
    driver: Driver,
    heard: mpsc::Receiver<Said>,
}

async fn run_with(text: &str, patience: Patience, room: usize) -> Run {
    process::become_subreaper().unwrap();
    let (said, heard) = mpsc::channel(room);
    let voice = Voice::new(AgentId(1), 1, said);
    let driver = start_with(&script(text), None, voice, patience).await.unwrap();
    Run { driver, heard }
}

async fn run(text: &str) -> Run {
    run_with(text, hasty(), ROOM).await
}

impl Run {
    async fn next(&mut self) -> Option<Report> {
        timeout(Duration::from_secs(60), self.heard.recv()).await.unwrap().map(|said| said.report)
    }

    async fn until(&mut self, wanted: impl Fn(&Report) -> bool) -> Report {
        loop {
            let report = self.next().await.expect("the report comes");
            if wanted(&report) {
                return report;
            }
        }
    }

    /// All reports but raw lines, to the end.
    async fn rest(mut self) -> Vec<Report> {
        let mut reports = Vec::new();
        while let Some(report) = self.next().await {
            if !matches!(report, Report::Line { .. }) {
                reports.push(report);
            }
        }
        reports
    }

    async fn exit(self) -> (Option<i32>, Option<i32>, String) {
        match self.rest().await.pop() {
            Some(Report::Exited { code, signal, stderr }) => (code, signal, stderr),
            other => panic!("{other:?}"),
        }
    }
}

fn alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn living(pids: &[u32]) -> Vec<u32> {
    pids.iter().copied().filter(|pid| alive(*pid)).collect()
}

/// Numbers that a script printed as a line that nobody understands.
fn numbers(report: &Report) -> Vec<u32> {
    let Report::Unknown { line, .. } = report else { return Vec::new() };
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

#[tokio::test]
async fn a_process_is_ready_when_it_answers_and_its_end_is_told() {
    let run = run(&format!("{HELLO} echo last words >&2; exit 3")).await;
    let pid = run.driver.pid;
    let reports = run.rest().await;
    assert!(matches!(&reports[0], Report::Ready(ready) if ready.pid == Some(pid)), "{reports:?}");
    let exited = Report::Exited { code: Some(3), signal: None, stderr: "last words".into() };
    assert_eq!(reports[1..], [exited]);
}

#[tokio::test]
async fn lines_are_told_both_ways_but_for_pieces() {
    let piece = r#"{"type":"stream_event","event":{"type":"ping"}}"#;
    let mut run = run(&format!("{HELLO} echo '{piece}'; echo; echo plain")).await;
    let mut lines = Vec::new();
    while let Some(report) = run.next().await {
        if let Report::Line { way, line } = report {
            lines.push((way, line));
        }
    }
    assert_eq!(lines[0], (Way::In, encode::initialize()));
    let ways: Vec<Way> = lines.iter().map(|(way, _)| *way).collect();
    assert_eq!(ways, [Way::In, Way::Out, Way::Out]);
    assert_eq!(lines[2].1, "plain");
}

#[tokio::test]
async fn a_gate_waits_for_its_answer() {
    let gate = r#"{"type":"control_request","request_id":"r1","request":{"subtype":"hook_callback","callback_id":"benchdog-gate","input":{"hook_event_name":"PreToolUse","tool_name":"Write","tool_input":{},"tool_use_id":"t1"}}}"#;
    let mut run =
        run(&format!("{HELLO} echo '{gate}'; read -r answer; echo \"$answer\" >&2")).await;
    let asked = run.until(|report| matches!(report, Report::Gate { .. })).await;
    let Report::Gate { request, .. } = asked else { panic!() };
    let verdict = Verdict::Deny { reason: "held by bob".into() };
    run.driver.try_order(Order::Gate { request, verdict }).unwrap();
    let (_, _, stderr) = run.exit().await;
    let answer: Value = serde_json::from_str(&stderr).unwrap();
    assert_eq!(answer["response"]["request_id"], "r1");
    assert_eq!(answer["response"]["response"]["hookSpecificOutput"]["permissionDecision"], "deny");
}

#[tokio::test]
async fn requests_that_nobody_knows_are_answered_without_the_engine() {
    let odd = r#"{"type":"control_request","request_id":"r2","request":{"subtype":"elicitation"}}"#;
    let run = run(&format!("{HELLO} echo '{odd}'; read -r answer; echo \"$answer\" >&2")).await;
    let (_, _, stderr) = run.exit().await;
    assert!(
        stderr.contains(r#""request_id":"r2""#) && stderr.contains(r#""subtype":"error""#),
        "{stderr}"
    );
}

#[tokio::test]
async fn a_stop_leaves_no_process_however_it_hid() {
    // One in a session of its own, one that also took the mark off, one orphan.
    let text = format!(
        "{HELLO} trap '' TERM
         setsid sleep 300 & a=$!
         env -i /usr/bin/setsid sleep 300 & b=$!
         c=$(setsid sh -c 'sleep 300 >/dev/null 2>&1 & echo $!')
         echo $$ $a $b $c; while :; do sleep 300; done"
    );
    let patience = Patience { polite: Duration::from_millis(50), ..hasty() };
    let mut run = run_with(&text, patience, ROOM).await;
    let told = run.until(|report| matches!(report, Report::Unknown { .. })).await;
    let pids = numbers(&told);
    assert_eq!(pids.len(), 4, "{told:?}");
    assert_eq!(living(&pids), pids);
    run.driver.try_order(Order::Stop).unwrap();
    let (code, signal, _) = run.exit().await;
    assert_eq!((code, signal), (None, Some(9)));
    assert_eq!(living(&pids), Vec::<u32>::new());
}

#[tokio::test]
async fn orphans_of_a_process_that_died_are_killed_and_reaped() {
    let mut run = run(&format!(
        "{HELLO} setsid sleep 300 & echo $!; setsid sh -c 'sleep 300 & echo $!; exit'; kill -9 $$"
    ))
    .await;
    let mut pids = Vec::new();
    while pids.len() < 2 {
        let told = run.until(|report| matches!(report, Report::Unknown { .. })).await;
        pids.extend(numbers(&told));
    }
    let (code, signal, _) = run.exit().await;
    assert_eq!((code, signal), (None, Some(9)));
    assert_eq!(living(&pids), Vec::<u32>::new());
}

#[tokio::test]
async fn somebody_who_got_away_does_not_hold_up_the_end() {
    let mut run = run(&format!(
        "{HELLO} (env -i /usr/bin/setsid /bin/sh -c 'echo $$; exec sleep 300' &) ; read -r go; exit 0"
    ))
    .await;
    let told = run.until(|report| matches!(report, Report::Unknown { .. })).await;
    let away = numbers(&told)[0];
    run.driver.try_order(Order::Interrupt).unwrap();
    let (code, ..) = run.exit().await;
    let here = alive(away);
    let _ended = kill_process(Pid::from_raw(i32::try_from(away).unwrap()).unwrap(), Signal::KILL);
    assert_eq!((code, here), (Some(0), true));
}

#[tokio::test]
async fn a_turn_is_broken_off_before_the_process_is_asked_to_end() {
    let init = r#"{"type":"system","subtype":"init","session_id":"s"}"#;
    let result = r#"{"type":"result","subtype":"error_during_execution","is_error":true,"terminal_reason":"aborted_tools"}"#;
    let mut run = run(&format!(
        "{HELLO} trap 'echo asked to end >&2; exit 0' TERM; echo '{init}'
         read -r line; echo \"$line\" >&2; echo '{result}'; while :; do sleep 300 & wait; done"
    ))
    .await;
    run.until(|report| matches!(report, Report::Session { .. })).await;
    run.driver.try_order(Order::Stop).unwrap();
    let mut reports = run.rest().await;
    let Some(Report::Exited { code: Some(0), stderr, .. }) = reports.pop() else { panic!() };
    let (interrupt, end) = stderr.split_once('\n').unwrap();
    assert!(interrupt.contains(r#""subtype":"interrupt""#) && interrupt.contains("cancel_queued"));
    assert_eq!(end, "asked to end");
    assert!(matches!(&reports[..], [.., Report::TurnEnded { end, .. }] if end.interrupted));
}

#[tokio::test]
async fn a_start_that_fails_says_why() {
    let result = r#"{"type":"result","subtype":"error_during_execution","is_error":true,"errors":["No conversation found with session ID: x"]}"#;
    let (code, _, stderr) =
        run(&format!("read -r first; echo '{result}'; exit 1")).await.exit().await;
    assert_eq!((code, stderr.as_str()), (Some(1), "No conversation found with session ID: x"));
    let (code, _, stderr) =
        run("echo 'Error: Session ID x is already in use.' >&2; exit 1").await.exit().await;
    assert_eq!((code, stderr.as_str()), (Some(1), "Error: Session ID x is already in use."));
}

#[tokio::test]
async fn a_process_that_does_not_answer_is_ended() {
    let patience = Patience { start: Duration::from_millis(50), ..hasty() };
    let run = run_with("exec sleep 300", patience, ROOM).await;
    let (code, signal, stderr) = run.exit().await;
    assert_eq!((code, signal), (None, Some(15)));
    assert!(stderr.starts_with("the agent does not answer within"), "{stderr}");
}

#[tokio::test]
async fn a_process_that_closed_its_output_is_ended() {
    let patience = Patience { doomed: Duration::from_millis(50), ..hasty() };
    let run = run_with(&format!("{HELLO} exec sleep 300 >&-"), patience, ROOM).await;
    assert_eq!(run.exit().await.1, Some(15));
}

#[tokio::test]
async fn a_slow_listener_loses_nothing() {
    let run = run_with(&format!("{HELLO} seq 1 20000"), hasty(), 1).await;
    let lines: Vec<u32> = run.rest().await.iter().flat_map(numbers).collect();
    assert_eq!(lines, (1..=20_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn orders_to_a_process_that_reads_nothing_are_given_back() {
    let mut run = run(&format!("{HELLO} exec sleep 300")).await;
    run.until(|report| matches!(report, Report::Ready(_))).await;
    let order = Order::Prompt { text: "x".repeat(200_000), uuid: String::new(), composed: false };
    let refused = (0..=Driver::ORDERS + 2)
        .find_map(|_| run.driver.try_order(order.clone()).err())
        .expect("the queue ends");
    assert_eq!(refused, OrderError::Full(Box::new(order)));
    run.driver.try_order(Order::Stop).unwrap();
    assert_eq!(run.exit().await.1, Some(15));
}

#[tokio::test]
async fn orders_to_a_process_that_has_ended_are_given_back() {
    let mut run = run("exit 0").await;
    run.until(|report| matches!(report, Report::Exited { .. })).await;
    assert_eq!(run.next().await, None);
    let refused = run.driver.try_order(Order::Interrupt);
    assert_eq!(refused, Err(OrderError::Gone(Box::new(Order::Interrupt))));
}

#[tokio::test]
async fn an_agent_ends_with_its_driver_and_with_its_listener() {
    let first = run(&format!("{HELLO} exec sleep 300")).await;
    let Run { driver, heard } = first;
    drop(driver);
    let mut heard = heard;
    let mut last = None;
    while let Some(said) = heard.recv().await {
        last = Some(said.report);
    }
    assert!(matches!(last, Some(Report::Exited { signal: Some(15), .. })), "{last:?}");

    let Run { driver, heard } = run(&format!("{HELLO} exec sleep 300")).await;
    drop(heard);
    let pid = driver.pid;
    driver.stopped().await;
    assert!(!alive(pid));
}

#[tokio::test]
async fn a_missing_program_or_folder_says_what_to_do() {
    let (said, _heard) = mpsc::channel(1);
    let missing = Launch { program: vec!["/nowhere/claude".into()], ..Launch::default() };
    let failure = start(&missing, None, AgentId(1), 1, said.clone()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::AgentStart);
    assert_eq!(failure.message, "`/nowhere/claude` is not installed");
    assert!(failure.hint.unwrap().contains("benchdog install claude"));
    let folder = Launch { cwd: "/nowhere".into(), ..script("exit 0") };
    let failure = start(&folder, None, AgentId(1), 1, said).await.unwrap_err();
    assert_eq!(failure.message, "the folder `/nowhere` does not exist");
}
