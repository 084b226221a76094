//! `call`: one of the bench's tools, as an agent.

use serde_json::Value;

use super::setup::words;
use super::{DONE, Desk, small_runtime};
use crate::engine::command::Command;
use crate::model::failure::{Failure, FailureKind};

/// Uses `tool` as the agent `name` and prints what comes out.
pub(super) fn call(
    desk: &mut Desk<'_>,
    name: String,
    tool: String,
    input: &str,
) -> Result<u8, Failure> {
    let input = match input {
        "-" => words(&["-".to_owned()], desk.stage)?,
        input => input.to_owned(),
    };
    let input: Value = serde_json::from_str(&input).map_err(|error| {
        Failure::new(FailureKind::Usage, "the tool's input is not JSON").cause(error)
    })?;
    let place = desk.place()?;
    let result = small_runtime()?.block_on(async {
        let mut client = place.client().await?;
        client.tool(Command::CallTool { name, tool, input }).await
    })?;
    desk.say.value(&result);
    Ok(exit_code(&result))
}

/// A conflict is an answer; its code says whose move it is.
fn exit_code(result: &Value) -> u8 {
    verdict(result).map_or(DONE, FailureKind::exit_code)
}

/// Whose move it is after this result of a tool; nobody's if all is well.
pub(super) fn verdict(result: &Value) -> Option<FailureKind> {
    match result.get("code").and_then(Value::as_str) {
        Some("OK") => None,
        Some("HELD" | "PINNED" | "TREE_BUSY" | "DEADLOCK" | "TIMEOUT") => Some(FailureKind::Held),
        Some("STALE" | "UNREAD") => Some(FailureKind::Stale),
        Some("OUTSIDE") if result["data"]["needs_person"] == true => Some(FailureKind::NeedsPerson),
        Some(_) => Some(FailureKind::Failed),
        None => match result.get("ok").and_then(Value::as_bool) {
            Some(true) => None,
            Some(false) | None => Some(FailureKind::Failed),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_code_of_a_result_is_the_exit_code() {
        for (code, exit) in
            [("OK", 0), ("HELD", 3), ("PINNED", 3), ("STALE", 4), ("UNREAD", 4), ("OUTSIDE", 1)]
        {
            assert_eq!(exit_code(&json!({"ok": code == "OK", "code": code})), exit, "{code}");
        }
        let protected = json!({"code": "OUTSIDE", "data": {"needs_person": true}});
        assert_eq!(exit_code(&protected), 5);
        assert_eq!(exit_code(&json!({"ok": false})), 1);
        assert_eq!(exit_code(&json!({"ok": true})), 0);
        assert_eq!(exit_code(&json!({"text": "neither a code nor a verdict"})), 1);
    }
}
