//! Lines to Claude Code: what [`Order`]s look like in its stream-json protocol.
//!
//! - Pure: an order and a serial number in, a line without its newline out.
//! - **Each line is one JSON object of a known shape.** The CLI ends its process on any other.
//! - An answer is always a success with an explicit decision: older CLIs let a tool run when a
//!   hook answers with an error.
//!
//! The ids of our requests say what they are about, so that nobody has to remember them until
//! the reply comes.

use serde_json::{Value, json};

use crate::agent::{AskVerdict, Order, Verdict};
use crate::model::id::RequestId;

/// The id of the request that begins a conversation with the process.
pub const INITIALIZE: &str = "benchdog-initialize";
/// What ids of mode changes begin with.
pub(super) const MODE: &str = "benchdog-mode-";
/// What ids of model changes begin with.
pub(super) const MODEL: &str = "benchdog-model-";
/// What ids of interrupts begin with.
pub(super) const INTERRUPT: &str = "benchdog-interrupt-";
/// What ids of requests to stop a task begin with.
pub(super) const STOP_TASK: &str = "benchdog-stop-task-";

/// The hook that may refuse a tool.
pub(super) const GATE: &str = "benchdog-gate";
/// The hook that hears of tools that ended well.
pub(super) const DONE: &str = "benchdog-done";
/// The hook that hears of tools that failed.
pub(super) const FAILED: &str = "benchdog-failed";

/// Tools that change files, or may.
const GATED_TOOLS: &str = "Write|Edit|MultiEdit|NotebookEdit|Bash|Read";
/// Seconds that the CLI waits for an answer at a gate. Without a number it gives up after 600;
/// waits end on our side long before this one.
const GATE_TIMEOUT: u32 = 3600;

/// What the requests of failed tools begin with in our ids: their answer must name another event.
const FAILED_MARK: &str = "failed:";

/// Our id of a request about a finished tool.
pub(super) fn done_id(raw: &str, failed: bool) -> RequestId {
    if failed { RequestId(format!("{FAILED_MARK}{raw}")) } else { RequestId(raw.to_owned()) }
}

/// The first line to each process: asks for gates and for news of finished tools.
pub fn initialize() -> String {
    request(
        INITIALIZE,
        &json!({
            "subtype": "initialize",
            "hooks": {
                "PreToolUse": [{
                    "matcher": GATED_TOOLS,
                    "hookCallbackIds": [GATE],
                    "timeout": GATE_TIMEOUT,
                    "onFailure": "block",
                }],
                "PostToolUse": [{"matcher": null, "hookCallbackIds": [DONE]}],
                "PostToolUseFailure": [{"matcher": null, "hookCallbackIds": [FAILED]}],
            },
            "forwardSubagentText": true,
        }),
    )
}

/// The line for `order`; `None` for [`Order::Stop`], which no line can say.
pub fn order(order: &Order, serial: u64) -> Option<String> {
    Some(match order {
        Order::Prompt { text, uuid, composed } => prompt(text, uuid, *composed),
        Order::Interrupt => {
            request(&format!("{INTERRUPT}{serial}"), &json!({"subtype": "interrupt"}))
        }
        Order::Mode(mode) => request(
            &format!("{MODE}{serial}"),
            &json!({"subtype": "set_permission_mode", "mode": mode.as_str()}),
        ),
        Order::Model(model) => {
            let model = if model.is_empty() { "default" } else { model };
            request(&format!("{MODEL}{serial}"), &json!({"subtype": "set_model", "model": model}))
        }
        Order::Gate { request, verdict } => gate(request.as_str(), verdict),
        Order::ToolSeen { request, context } => seen(request.as_str(), context.as_deref()),
        Order::Ask { request, answer: verdict } => ask(request.as_str(), verdict),
        Order::StopTask(task) => request(
            &format!("{STOP_TASK}{serial}"),
            &json!({"subtype": "stop_task", "task_id": task}),
        ),
        Order::Stop => return None,
    })
}

/// An interrupt that also drops the prompts that wait inside the CLI.
pub(super) fn last_interrupt() -> String {
    request(&format!("{INTERRUPT}last"), &json!({"subtype": "interrupt", "cancel_queued": true}))
}

/// The answer to a hook that we have nothing to say to.
pub(super) fn no_opinion(request: &str) -> String {
    answer(request, &json!({}))
}

/// The answer to a request that we do not know.
pub(super) fn refuse(request: &str, why: &str) -> String {
    line(&json!({
        "type": "control_response",
        "response": {"subtype": "error", "request_id": request, "error": why},
    }))
}

/// The answer to a gate.
pub(super) fn gate(request: &str, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Pass { context: None } => no_opinion(request),
        Verdict::Pass { context: Some(context) } => {
            answer(request, &hook_output("PreToolUse", "additionalContext", context))
        }
        Verdict::Ask { reason } => decision(request, "ask", reason),
        Verdict::Deny { reason } if reason.is_empty() => {
            decision(request, "deny", "benchdog refuses this tool call")
        }
        Verdict::Deny { reason } => decision(request, "deny", reason),
    }
}

fn decision(request: &str, decision: &str, reason: &str) -> String {
    let mut output = hook_output("PreToolUse", "permissionDecisionReason", reason);
    output["hookSpecificOutput"]["permissionDecision"] = json!(decision);
    answer(request, &output)
}

/// The answer to an ask.
pub(super) fn ask(request: &str, verdict: &AskVerdict) -> String {
    let body = match verdict {
        AskVerdict::Allow { input, permissions } if input.is_object() => {
            let mut body = json!({"behavior": "allow", "updatedInput": input});
            if !permissions.is_empty() {
                body["updatedPermissions"] = Value::Array(permissions.clone());
            }
            body
        }
        // Without an input there is nothing that could be allowed.
        AskVerdict::Allow { .. } => {
            json!({"behavior": "deny", "message": "benchdog has lost the input of this tool call"})
        }
        AskVerdict::Deny { message, interrupt } => {
            let message =
                if message.is_empty() { "The user refuses this tool call." } else { message };
            let mut body = json!({"behavior": "deny", "message": message});
            if *interrupt {
                body["interrupt"] = json!(true);
            }
            body
        }
    };
    answer(request, &body)
}

fn seen(request: &str, context: Option<&str>) -> String {
    let (request, event) = match request.strip_prefix(FAILED_MARK) {
        Some(raw) => (raw, "PostToolUseFailure"),
        None => (request, "PostToolUse"),
    };
    match context {
        None => no_opinion(request),
        Some(context) => answer(request, &hook_output(event, "additionalContext", context)),
    }
}

fn prompt(text: &str, uuid: &str, composed: bool) -> String {
    let mut frame = json!({
        "type": "user",
        "message": {"role": "user", "content": text},
        "parent_tool_use_id": null,
        "session_id": "",
    });
    // The CLI keeps the id as its own, so it gets only what is one.
    if uuid::Uuid::try_parse(uuid).is_ok() {
        frame["uuid"] = json!(uuid);
    }
    if composed {
        frame["client_composed"] = json!(true);
    }
    line(&frame)
}

fn hook_output(event: &str, key: &str, text: &str) -> Value {
    json!({"hookSpecificOutput": {"hookEventName": event, key: text}})
}

fn request(id: &str, body: &Value) -> String {
    line(&json!({"type": "control_request", "request_id": id, "request": body}))
}

fn answer(request: &str, body: &Value) -> String {
    line(&json!({
        "type": "control_response",
        "response": {"subtype": "success", "request_id": request, "response": body},
    }))
}

/// One line, whatever reads lines on the other side: JSON escapes the newlines of texts, but
/// leaves two characters that JavaScript's line reader takes for ends of lines.
fn line(frame: &Value) -> String {
    let text = frame.to_string();
    if text.contains(['\u{2028}', '\u{2029}']) {
        text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::permission::PermissionMode;

    fn id(raw: &str) -> RequestId {
        RequestId(raw.to_owned())
    }

    fn check(given: &Order, expected: &str) {
        let written: Value = serde_json::from_str(&order(given, 7).unwrap()).unwrap();
        assert_eq!(written, serde_json::from_str::<Value>(expected).unwrap());
    }

    #[test]
    fn every_order_has_its_line() {
        let uuid = "5d3e0f76-e87e-4896-9762-d11074d684c1";
        let prompt = |uuid: &str, composed| Order::Prompt {
            text: "say \"hi\"\nnow".into(),
            uuid: uuid.into(),
            composed,
        };
        check(
            &prompt(uuid, true),
            r#"{"type":"user","message":{"role":"user","content":"say \"hi\"\nnow"},"parent_tool_use_id":null,
               "session_id":"","uuid":"5d3e0f76-e87e-4896-9762-d11074d684c1","client_composed":true}"#,
        );
        check(
            &prompt("p1", false),
            r#"{"type":"user","message":{"role":"user","content":"say \"hi\"\nnow"},"parent_tool_use_id":null,
               "session_id":""}"#,
        );
        check(
            &Order::Interrupt,
            r#"{"type":"control_request","request_id":"benchdog-interrupt-7","request":{"subtype":"interrupt"}}"#,
        );
        check(
            &Order::Mode(PermissionMode::AcceptEdits),
            r#"{"type":"control_request","request_id":"benchdog-mode-7",
               "request":{"subtype":"set_permission_mode","mode":"acceptEdits"}}"#,
        );
        check(
            &Order::Model("sonnet".into()),
            r#"{"type":"control_request","request_id":"benchdog-model-7",
               "request":{"subtype":"set_model","model":"sonnet"}}"#,
        );
        check(
            &Order::StopTask("b1".into()),
            r#"{"type":"control_request","request_id":"benchdog-stop-task-7",
               "request":{"subtype":"stop_task","task_id":"b1"}}"#,
        );
        assert_eq!(order(&Order::Stop, 7), None);
    }

    #[test]
    fn every_answer_is_a_success_with_a_decision() {
        let gate = |verdict| Order::Gate { request: id("r"), verdict };
        check(
            &gate(Verdict::Pass { context: None }),
            r#"{"type":"control_response","response":{"subtype":"success","request_id":"r","response":{}}}"#,
        );
        check(
            &gate(Verdict::Pass { context: Some("b.txt changed".into()) }),
            r#"{"type":"control_response","response":{"subtype":"success","request_id":"r","response":
               {"hookSpecificOutput":{"hookEventName":"PreToolUse","additionalContext":"b.txt changed"}}}}"#,
        );
        check(
            &gate(Verdict::Deny { reason: "held by bob".into() }),
            r#"{"type":"control_response","response":{"subtype":"success","request_id":"r","response":
               {"hookSpecificOutput":{"hookEventName":"PreToolUse","permissionDecision":"deny",
                "permissionDecisionReason":"held by bob"}}}}"#,
        );
        let ask = |answer| Order::Ask { request: id("r"), answer };
        check(
            &ask(AskVerdict::Allow {
                input: json!({"command": "ls"}),
                permissions: vec![json!({"type": "setMode"})],
            }),
            r#"{"type":"control_response","response":{"subtype":"success","request_id":"r","response":
               {"behavior":"allow","updatedInput":{"command":"ls"},"updatedPermissions":[{"type":"setMode"}]}}}"#,
        );
        check(
            &ask(AskVerdict::Deny { message: "no".into(), interrupt: true }),
            r#"{"type":"control_response","response":{"subtype":"success","request_id":"r","response":
               {"behavior":"deny","message":"no","interrupt":true}}}"#,
        );
    }

    #[test]
    fn an_allowed_call_without_its_input_is_denied() {
        let line = ask("r", &AskVerdict::Allow { input: Value::Null, permissions: Vec::new() });
        assert!(line.contains(r#""behavior":"deny""#));
    }

    #[test]
    fn words_about_a_finished_tool_name_the_event_that_asked() {
        let seen = |request: RequestId| {
            let given = Order::ToolSeen { request, context: Some("note".into()) };
            let line: Value = serde_json::from_str(&order(&given, 1).unwrap()).unwrap();
            let response = &line["response"];
            (
                response["request_id"].as_str().unwrap().to_owned(),
                response["response"]["hookSpecificOutput"]["hookEventName"].clone(),
            )
        };
        assert_eq!(seen(done_id("r", false)), ("r".into(), json!("PostToolUse")));
        assert_eq!(seen(done_id("r", true)), ("r".into(), json!("PostToolUseFailure")));
    }

    proptest! {
        #[test]
        fn no_text_breaks_a_line(text in any::<String>(), extra in "[\u{2028}\u{2029}\u{85}\r\n]{0,3}") {
            let text = format!("{text}{extra}");
            let orders = [
                Order::Prompt { text: text.clone(), uuid: text.clone(), composed: false },
                Order::Model(text.clone()),
                Order::StopTask(text.clone()),
                Order::Gate { request: id(&text), verdict: Verdict::Deny { reason: text.clone() } },
                Order::ToolSeen { request: id(&text), context: Some(text.clone()) },
                Order::Ask {
                    request: id(&text),
                    answer: AskVerdict::Deny { message: text.clone(), interrupt: false },
                },
            ];
            for given in &orders {
                let line = order(given, 1).unwrap();
                let ends = ['\n', '\r', '\u{2028}', '\u{2029}'];
                prop_assert!(!line.contains(ends));
                let frame: Value = serde_json::from_str(&line).unwrap();
                prop_assert!(frame["type"].is_string());
            }
            let prompt: Value = serde_json::from_str(&order(&orders[0], 1).unwrap()).unwrap();
            prop_assert_eq!(prompt["message"]["content"].as_str(), Some(text.as_str()));
        }
    }
}
