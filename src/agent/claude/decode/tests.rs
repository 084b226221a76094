//! Recorded lines in, reports out.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for the reports that it is about")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::agent::claude::encode;
use crate::model::report::{Block, DeltaKind, TaskEvent};
use crate::model::transcript::TurnEnd;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/claude")
}

fn recorded(name: &str) -> Vec<String> {
    let path = folder().join(format!("{name}.out.ndjson"));
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn all_recorded() -> Vec<(String, Vec<String>)> {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".out.ndjson").map(str::to_owned))
        .collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), recorded(&name))).collect()
}

/// A process that has answered.
fn ready() -> Decoder {
    let mut decoder = Decoder::new();
    let id = encode::INITIALIZE;
    decoder.feed(&reply(id, &json!({"subtype": "success", "response": {"commands": []}})));
    assert_eq!(decoder.phase(), &Phase::Idle);
    decoder
}

fn reply(id: &str, body: &Value) -> String {
    let mut body = body.clone();
    body["request_id"] = json!(id);
    json!({"type": "control_response", "response": body}).to_string()
}

fn ask_of(id: &str, request: &Value) -> String {
    json!({"type": "control_request", "request_id": id, "request": request}).to_string()
}

fn pre_tool_use(id: &str) -> String {
    let input = json!({"hook_event_name": "PreToolUse", "tool_name": "Write",
        "tool_input": {"file_path": "/ws/a"}, "tool_use_id": "t1"});
    let request =
        json!({"subtype": "hook_callback", "callback_id": "benchdog-gate", "input": input});
    ask_of(id, &request)
}

/// What the decoder makes of lines, one report a line. Long values are cut: the snapshot is about
/// what becomes of a line, not about every word of it.
fn tell(lines: &[String]) -> String {
    let mut decoder = Decoder::new();
    let mut out = String::new();
    for line in lines {
        for report in decoder.feed(line) {
            let mut value = serde_json::to_value(&report).unwrap();
            shorten(&mut value);
            writeln!(out, "{value}").unwrap();
        }
        for answer in decoder.replies() {
            writeln!(out, "-> {answer}").unwrap();
        }
    }
    writeln!(out, "{:?}", decoder.phase()).unwrap();
    out
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.chars().count() > 160 => {
            let cut: String = text.chars().take(120).collect();
            *text = format!("{cut}… ({} characters)", text.chars().count());
        }
        Value::Array(entries) => {
            let all = entries.len();
            if all > 6 && entries.iter().all(Value::is_object) {
                entries.truncate(2);
                entries.push(json!(format!("… ({all} entries)")));
            }
            entries.iter_mut().for_each(shorten);
        }
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

macro_rules! recordings {
    ($($test:ident: $file:literal,)*) => {$(
        #[test]
        fn $test() {
            insta::assert_snapshot!($file, tell(&recorded($file)));
        }
    )*};
}

recordings! {
    a_first_turn_streams_thinking_and_text: "01_init_hello",
    tools_pass_gates_and_asks_and_bring_diffs: "10_hooks_and_permission_order",
    a_denied_tool_ends_in_an_error_result: "11_hook_deny",
    a_sub_agent_stands_under_the_call_that_started_it: "18_hook_subagent",
    a_refusal_with_interrupt_ends_the_turn: "21_perm_deny_interrupt",
    rules_are_suggested_with_an_ask: "22_perm_updated_permissions",
    questions_come_as_an_ask: "23_perm_ask_user_question",
    a_plan_comes_as_an_ask_and_changes_the_mode: "25_perm_plan_mode",
    an_interrupt_cuts_the_text: "30_interrupt_stream",
    an_interrupt_stops_a_command: "31_interrupt_bash",
    prompts_queue_and_can_be_cancelled: "32_queue_messages",
    modes_and_titles_change_by_request: "33_controls",
    foreign_requests_are_refused_at_once: "34_mcp_sdk_init",
    a_background_command_outlives_its_turn: "35_background_bash",
    a_resumed_session_has_its_title_first: "40_resume_b_resume",
    a_call_that_was_killed_is_not_run_again: "41_kill9_resume_tool_b",
    a_budget_ends_a_turn: "43_limits_budget",
    a_cut_stream_is_repeated_without_pieces: "50_cut_cut",
    a_failed_call_is_an_error_turn: "50_e500_e500",
    an_overloaded_model_is_tried_again: "50_e529_e529x2",
    slash_commands_clear_and_compact: "60_slash",
    a_background_sub_agent_ends_after_its_turn: "63_bg_agent",
}

#[test]
fn every_recorded_line_is_understood() {
    let mut odd = Vec::new();
    for (name, lines) in all_recorded() {
        let mut decoder = Decoder::new();
        for line in &lines {
            for report in decoder.feed(line) {
                if let Report::Unknown { kind, .. } = report {
                    odd.push(format!("{name}: {kind}"));
                }
            }
        }
    }
    odd.dedup();
    // An in-process MCP server is nothing that we offer.
    assert_eq!(odd, ["34_mcp_sdk_init: control_request/mcp_message"]);
}

#[test]
fn pieces_add_up_to_the_block_that_replaces_them() {
    let mut compared = 0;
    for (name, lines) in all_recorded() {
        let mut decoder = Decoder::new();
        let mut pieces = std::collections::HashMap::<BlockAt, String>::new();
        for report in lines.iter().flat_map(|line| decoder.feed(line)) {
            match report {
                Report::Delta { at, text, .. } => pieces.entry(at).or_default().push_str(&text),
                Report::Block { at, block, .. } => {
                    let Some(written) = pieces.remove(&at) else { continue };
                    compared += 1;
                    match block {
                        Block::Text(whole) | Block::Thinking(whole) => {
                            assert_eq!(written, whole, "{name}");
                        }
                        Block::ToolUse { input, .. } => {
                            // The CLI fills in defaults; what was written must be there. Paths
                            // were made neutral in whole lines only, not in pieces.
                            let given: Value = serde_json::from_str(&written).unwrap();
                            for (key, value) in given.as_object().unwrap() {
                                let path = value.as_str().is_some_and(|text| text.starts_with('/'));
                                assert!(path || input.get(key) == Some(value), "{name} {key}");
                            }
                        }
                        Block::ApiError(_) => panic!("an error does not stream"),
                    }
                }
                _ => {}
            }
        }
        assert!(pieces.len() <= 1, "{name}: pieces without a block: {pieces:?}");
    }
    assert!(compared > 60, "only {compared} blocks compared");
}

#[test]
fn gates_that_break_open_are_reported_as_such() {
    let gate = |response: Value| {
        let body = json!({"subtype": "success", "response": response});
        match Decoder::new().feed(&reply(encode::INITIALIZE, &body)).remove(0) {
            Report::Ready(ready) => ready.gate_fails_closed,
            other => panic!("{other:?}"),
        }
    };
    assert!(gate(json!({"commands": [], "hook_on_failure_supported": true})));
    assert!(!gate(json!({"commands": []})));
}

#[test]
fn a_process_without_hooks_is_doomed() {
    let mut decoder = Decoder::new();
    let response = json!({"commands": [], "hooks_applied": false});
    let body = json!({"subtype": "success", "response": response});
    let reports = decoder.feed(&reply(encode::INITIALIZE, &body));
    assert!(matches!(reports[..], [Report::Notice { level: Level::Error, .. }]));
    assert!(matches!(decoder.phase(), Phase::Doomed(_)));
}

#[test]
fn a_result_before_the_first_reply_says_why_it_does_not_start() {
    let mut decoder = Decoder::new();
    let errors = json!(["No conversation found with session ID: x"]);
    let line = json!({"type": "result", "subtype": "error_during_execution", "is_error": true,
        "errors": errors, "num_turns": 0});
    decoder.feed(&line.to_string());
    let why = "No conversation found with session ID: x".to_owned();
    assert_eq!(decoder.phase(), &Phase::Doomed(why));
}

#[test]
fn a_gate_that_cannot_be_read_is_denied_at_once() {
    let deep = format!("{}1{}", "[".repeat(300), "]".repeat(300));
    let too_deep = pre_tool_use("r1").replace(r#""/ws/a""#, &deep);
    let nameless = pre_tool_use("r1").replace("\"Write\"", "7");
    for line in [too_deep, nameless] {
        let mut decoder = ready();
        let reports = decoder.feed(&line);
        assert!(reports.iter().any(|report| matches!(report, Report::Unknown { .. })), "{line}");
        assert!(!reports.iter().any(|report| matches!(report, Report::Gate { .. })));
        let replies = decoder.replies();
        assert!(replies[0].contains(r#""permissionDecision":"deny""#), "{replies:?}");
        assert!(replies[0].contains(r#""request_id":"r1""#));
    }
}

#[test]
fn a_gate_that_is_too_long_is_denied_by_its_head() {
    let mut decoder = ready();
    let head =
        r#"{"type":"control_request","request_id":"r1","request":{"subtype":"hook_callback","inp"#;
    let reports = decoder.too_long(head, 70 << 20);
    assert_eq!(reports[0], notice(Level::Error, "a line of 70 MiB from the agent is skipped"));
    let replies = decoder.replies();
    assert!(replies[0].contains(r#""permissionDecision":"deny""#), "{replies:?}");
    decoder.too_long(r#"{"type":"assistant","message":"#, 70 << 20);
    assert!(decoder.replies().is_empty());
}

#[test]
fn half_characters_do_not_hide_a_gate() {
    let line = pre_tool_use("r1").replace("/ws/a", r"/ws/a\ud83d");
    let reports = ready().feed(&line);
    assert!(
        matches!(&reports[..], [Report::Gate { input, .. }] if input["file_path"] == "/ws/a\u{fffd}")
    );
}

#[test]
fn unknown_requests_are_answered_with_an_error() {
    let mut decoder = ready();
    let reports = decoder.feed(&ask_of("r9", &json!({"subtype": "elicitation"})));
    assert!(
        matches!(&reports[..], [Report::Unknown { kind, .. }] if kind == "control_request/elicitation")
    );
    assert!(decoder.replies()[0].contains(r#""subtype":"error""#));
    assert!(decoder.replies().is_empty());
}

#[test]
fn a_failed_tool_is_told_apart_and_withdrawn_by_the_same_id() {
    let mut decoder = ready();
    let input = json!({"hook_event_name": "PostToolUseFailure", "tool_name": "Write", "error": "EBUSY",
        "tool_input": {}, "tool_use_id": "t1", "duration_ms": 3, "is_interrupt": false});
    let hook =
        json!({"subtype": "hook_callback", "callback_id": "benchdog-failed", "input": input});
    let reports = decoder.feed(&ask_of("r1", &hook));
    let [Report::ToolDone { request, failed: true, response, took_ms: Some(3), .. }] = &reports[..]
    else {
        panic!("{reports:?}");
    };
    assert_eq!(response["error"], "EBUSY");
    let cancel = json!({"type": "control_cancel_request", "request_id": "r1"});
    let withdrawn = decoder.feed(&cancel.to_string());
    assert_eq!(withdrawn, [Report::Withdrawn { request: request.clone() }]);
}

#[test]
fn replies_to_our_requests_tell_what_holds_now() {
    let mut decoder = ready();
    let ok = |what: Value| json!({"subtype": "success", "response": what});
    let mode = decoder.feed(&reply("benchdog-mode-1", &ok(json!({"mode": "plan"}))));
    assert_eq!(mode, [Report::Mode(PermissionMode::Plan)]);
    let model =
        decoder.feed(&reply("benchdog-model-2", &ok(json!({"model": "claude-sonnet-5-5"}))));
    assert_eq!(model, [Report::Model("claude-sonnet-5-5".into())]);
    let refused = json!({"subtype": "error", "error": "not launched with it"});
    let kept = decoder.feed(&reply("benchdog-mode-3", &refused));
    assert!(
        matches!(&kept[0], Report::Notice { level: Level::Warn, text } if text.contains("not launched"))
    );
    assert_eq!(kept[1..], [Report::Mode(PermissionMode::Plan)]);
    assert_eq!(decoder.feed(&reply("benchdog-interrupt-4", &ok(json!({})))), []);
}

#[test]
fn a_hook_that_broke_is_a_warning() {
    let line = json!({"type": "system", "subtype": "informational", "level": "info",
        "tag": "hook_callback_failed", "content": "a hook failed"});
    let reports = ready().feed(&line.to_string());
    assert_eq!(reports, [notice(Level::Warn, "a hook failed")]);
}

#[test]
fn a_limit_is_said_once_for_each_state() {
    let mut decoder = ready();
    let line = |status: &str| {
        let info = json!({"status": status, "rateLimitType": "five_hour", "utilization": 0.91, "resetsAt": 1_795_300_000});
        json!({"type": "rate_limit_event", "rate_limit_info": info}).to_string()
    };
    assert_eq!(decoder.feed(&line("allowed")), []);
    let said = decoder.feed(&line("allowed_warning"));
    let text = "the usage limit is near (five hour), 91 % used, resets at 2026-11-21T22:26:40Z";
    assert_eq!(said, [notice(Level::Warn, text)]);
    assert_eq!(decoder.feed(&line("allowed_warning")), []);
    assert!(matches!(
        decoder.feed(&line("rejected"))[..],
        [Report::Notice { level: Level::Error, .. }]
    ));
}

#[test]
fn an_old_interrupt_without_a_reason_is_known_by_its_mark() {
    let mut decoder = ready();
    let mark = json!({"type": "user", "uuid": "u",
        "message": {"role": "user", "content": [{"type": "text", "text": "[Request interrupted by user]"}]}});
    decoder.feed(&mark.to_string());
    let result = json!({"type": "result", "subtype": "error_during_execution", "is_error": true});
    let ended = |decoder: &mut Decoder| match decoder.feed(&result.to_string()).remove(0) {
        Report::TurnEnded { end: TurnEnd { interrupted, .. }, .. } => interrupted,
        other => panic!("{other:?}"),
    };
    assert!(ended(&mut decoder));
    assert!(!ended(&mut decoder), "the mark holds for one turn");
}

#[test]
fn a_task_that_is_moved_to_the_background_says_so_once_and_ends_once() {
    let mut decoder = ready();
    let system = |body: Value| {
        let mut frame = body;
        frame["type"] = json!("system");
        frame.to_string()
    };
    let mut events = Vec::new();
    for frame in [
        json!({"subtype": "task_started", "task_id": "b1", "tool_use_id": "t1", "task_type": "local_bash",
               "description": "ticker", "is_backgrounded": false}),
        json!({"subtype": "task_updated", "task_id": "b1", "patch": {"is_backgrounded": true}}),
        json!({"subtype": "background_tasks_changed", "tasks": [{"task_id": "b1"}]}),
        json!({"subtype": "task_updated", "task_id": "b1", "patch": {"status": "killed"}}),
        json!({"subtype": "background_tasks_changed", "tasks": []}),
        json!({"subtype": "background_tasks_changed", "tasks": []}),
    ] {
        events.extend(decoder.feed(&system(frame)).into_iter().map(|report| match report {
            Report::Task { event, .. } => event,
            other => panic!("{other:?}"),
        }));
    }
    let started =
        TaskEvent::Started { description: "ticker".into(), is_agent: false, background: false };
    let ended = TaskEvent::Ended { status: "killed".into(), summary: String::new() };
    assert_eq!(events, [started, TaskEvent::Backgrounded, ended]);
}

#[test]
fn pieces_of_a_sub_agent_carry_its_id() {
    let mut decoder = ready();
    let started = json!({"type": "system", "subtype": "task_started", "task_id": "a1", "tool_use_id": "t1",
        "task_type": "local_agent", "description": "sub"});
    decoder.feed(&started.to_string());
    let event = |event: Value| {
        json!({"type": "stream_event", "event": event, "parent_tool_use_id": "t1"}).to_string()
    };
    decoder.feed(&event(json!({"type": "message_start", "message": {"id": "m1"}})));
    decoder.feed(&event(
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text"}}),
    ));
    let piece = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}});
    let reports = decoder.feed(&event(piece));
    let whole = json!({"type": "assistant", "parent_tool_use_id": "t1", "agent_id": "a1",
        "message": {"id": "m1", "content": [{"type": "text", "text": "hi"}]}});
    let replaced = decoder.feed(&whole.to_string());
    let [Report::Delta { at: piece_at, kind: DeltaKind::Text, .. }] = &reports[..] else {
        panic!("{reports:?}");
    };
    let [Report::Block { at, .. }] = &replaced[..] else { panic!("{replaced:?}") };
    assert_eq!(piece_at, at);
    assert_eq!(at.sub, Some(SubId("a1".into())));
}

/// A line that means nothing to anybody must come back whole.
fn nothing_is_lost(line: &str) -> Result<(), TestCaseError> {
    let mut decoder = ready();
    let reports = decoder.feed(line);
    let is_object = serde_json::from_str::<Value>(line).is_ok_and(|value| value.is_object());
    if !is_object && !line.trim().is_empty() && wire::mend_surrogates(line).is_none() {
        prop_assert_eq!(reports.clone(), vec![unknown("text", line)]);
    }
    for report in reports {
        if let Report::Unknown { line: kept, .. } = report {
            prop_assert_eq!(kept.as_str(), line);
        }
    }
    for answer in decoder.replies() {
        let frame: Value = serde_json::from_str(&answer).unwrap();
        prop_assert_eq!(&frame["type"], "control_response");
        prop_assert!(!answer.contains('\n'));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_decoded_or_kept(line in "[^\n]{0,200}") {
        nothing_is_lost(&line)?;
    }

    #[test]
    fn any_bytes_are_decoded_or_kept(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        nothing_is_lost(&String::from_utf8_lossy(&bytes).replace('\n', " "))?;
    }

    #[test]
    fn broken_recordings_are_decoded_or_kept(
        pick in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0u8..4, any::<u8>()), 1..8),
    ) {
        let lines: Vec<String> = SAMPLE.with(Clone::clone);
        let mut bytes = pick.get(&lines).clone().into_bytes();
        for (at, what, byte) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => { bytes.remove(at); }
                2 => bytes.insert(at, byte),
                _ => bytes.truncate(at),
            }
        }
        nothing_is_lost(&String::from_utf8_lossy(&bytes).replace('\n', " "))?;
    }
}

thread_local! {
    /// One short line of each kind that was recorded.
    static SAMPLE: Vec<String> = {
        let mut seen = std::collections::HashSet::new();
        let lines = all_recorded().into_iter().flat_map(|(_, lines)| lines);
        lines
            .filter(|line| {
                let frame: Value = serde_json::from_str(line).unwrap();
                let kind = (frame["type"].to_string(), frame["subtype"].to_string(),
                    frame["request"]["subtype"].to_string(), frame["event"]["type"].to_string());
                line.len() < 6000 && seen.insert(kind)
            })
            .collect()
    };
}
