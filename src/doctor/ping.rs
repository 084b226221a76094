//! Starts the agent's program, asks it for itself, and ends it again.
//!
//! It costs nothing: no prompt is sent, so no model is called. Whatever happens, the process and
//! its children are gone afterwards.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use super::facts::Pong;

/// How long the agent may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much of its complaints is read.
const COMPLAINT_BYTES: u64 = 4096;

/// The id of the one question.
const QUESTION: &str = "ping";

/// Starts `command` (the program found, with its first arguments) and waits for its answer.
pub async fn ping(command: &[String]) -> Result<Pong, String> {
    let (program, arguments) = command.split_first().ok_or("there is no command")?;
    let begun = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .args(["-p", "--input-format", "stream-json", "--output-format", "stream-json"])
        .args(["--verbose", "--permission-prompt-tool", "stdio"])
        .env_remove("CLAUDECODE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| error.to_string())?;
    let group = child.id();
    let answer = tokio::time::timeout(PATIENCE, talk(&mut child)).await;
    end(&mut child, group).await;
    let response = answer.map_err(|_| format!("nothing after {} s", PATIENCE.as_secs()))??;
    Ok(Pong {
        version: response.get("claude_code_version").and_then(Value::as_str).map(str::to_owned),
        gate_fails_closed: response.get("hook_on_failure_supported") == Some(&Value::Bool(true)),
        took: begun.elapsed(),
    })
}

/// Asks and waits for the answer, or for the reason why there is none.
async fn talk(child: &mut Child) -> Result<Value, String> {
    let (Some(mut input), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err("it has no pipes".to_owned());
    };
    let question = json!({
        "type": "control_request",
        "request_id": QUESTION,
        "request": {"subtype": "initialize", "hooks": {}},
    });
    // It may be dead already; then its output says why.
    let _dead = input.write_all(format!("{question}\n").as_bytes()).await;
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(frame) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        match frame.get("type").and_then(Value::as_str) {
            Some("control_response") => {
                let Some(response) = frame.get("response") else {
                    continue;
                };
                if response.get("subtype").and_then(Value::as_str) == Some("success") {
                    return Ok(response.get("response").cloned().unwrap_or_default());
                }
                return Err(text(response.get("error")));
            }
            Some("result") => return Err(text(frame.get("errors").or(frame.get("result")))),
            _ => {}
        }
    }
    let mut complaint = Vec::new();
    let _read = errors.take(COMPLAINT_BYTES).read_to_end(&mut complaint).await;
    let complaint = String::from_utf8_lossy(&complaint).trim().replace('\n', ", ");
    Err(if complaint.is_empty() { "it ended without a word".to_owned() } else { complaint })
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "it says no reason".to_owned(),
    }
}

/// Ends the process with its group.
async fn end(child: &mut Child, group: Option<u32>) {
    let group =
        group.and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        let _gone = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _reaped = child.wait().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Vec<String> {
        ["sh", "-c", script, "sh"].map(str::to_owned).to_vec()
    }

    #[tokio::test]
    async fn an_agent_that_answers_is_measured() {
        let answer = r#"{"type":"control_response","response":{"subtype":"success","request_id":"ping","response":{"claude_code_version":"2.1.329","hook_on_failure_supported":true}}}"#;
        let script = format!("read line; echo noise; echo '{answer}'; sleep 1000 & wait");
        let pong = ping(&sh(&script)).await.expect("an answer");
        assert_eq!(pong.version.as_deref(), Some("2.1.329"));
        assert!(pong.gate_fails_closed);
    }

    #[tokio::test]
    async fn an_agent_that_does_not_answer_is_quoted() {
        for (script, said) in [
            ("echo 'please log in' >&2; exit 1", "please log in"),
            ("exit 0", "it ended without a word"),
            (r#"echo '{"type":"result","is_error":true,"errors":["no key"]}'"#, r#"["no key"]"#),
        ] {
            assert_eq!(ping(&sh(script)).await, Err(said.to_owned()));
        }
        assert!(ping(&["/does/not/exist".to_owned()]).await.is_err());
    }
}
