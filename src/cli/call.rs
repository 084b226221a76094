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
    match result.get("code").and_then(Value::as_str) {
        Some("OK") => DONE,
        Some("HELD" | "PINNED" | "TREE_BUSY" | "DEADLOCK" | "TIMEOUT") => {
            FailureKind::Held.exit_code()
        }
        Some("STALE" | "UNREAD") => FailureKind::Stale.exit_code(),
        Some(_) => FailureKind::Failed.exit_code(),
        None => match result.get("ok").and_then(Value::as_bool) {
            Some(false) => FailureKind::Failed.exit_code(),
            Some(true) | None => DONE,
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
        assert_eq!(exit_code(&json!({"ok": false})), 1);
    }
}
