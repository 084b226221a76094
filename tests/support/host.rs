//! A small host of the stream-json protocol, to drive an agent over its standard streams.
//!
//! It is written against the protocol's description, not against benchdog's driver: where the two
//! disagree, a test shows it.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use super::PATIENCE;
use super::lines::Lines;

/// An agent process and this side of its pipe.
#[derive(Debug)]
pub(crate) struct Host {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines,
    stderr: mpsc::Receiver<String>,
    requests: u32,
    /// Everything that came, in its order.
    pub(crate) frames: Vec<Value>,
}

impl Host {
    /// Starts an agent.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdin = child.stdin.take();
        let lines = Lines::of(child.stdout.take().unwrap());
        let mut errors = child.stderr.take().unwrap();
        let (to, stderr) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text);
            let _ = to.send(text);
        });
        Self { child, stdin, lines, stderr, requests: 0, frames: Vec::new() }
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a line as it is.
    pub(crate) fn send_raw(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("the input is closed");
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
    }

    /// Sends a frame.
    pub(crate) fn send(&mut self, frame: &Value) {
        self.send_raw(&frame.to_string());
    }

    /// Sends a prompt.
    pub(crate) fn prompt(&mut self, text: &str) {
        self.send(&user(text));
    }

    /// Sends a request without waiting; returns its id.
    pub(crate) fn ask(&mut self, mut request: Value, subtype: &str) -> String {
        self.requests += 1;
        let id = format!("req_{}", self.requests);
        request["subtype"] = json!(subtype);
        self.send(&json!({ "type": "control_request", "request_id": id, "request": request }));
        id
    }

    /// Sends a request and waits for its answer: `response` of a success, else the error.
    pub(crate) fn request(&mut self, subtype: &str, request: Value) -> Result<Value, String> {
        let id = self.ask(request, subtype);
        let frame = self.wait(&format!("the answer to {subtype}"), |frame| {
            frame["type"] == "control_response" && frame["response"]["request_id"] == *id
        });
        let response = &frame["response"];
        match response["subtype"].as_str() {
            Some("success") => Ok(response["response"].clone()),
            _ => Err(response["error"].as_str().unwrap_or_default().to_owned()),
        }
    }

    /// Registers hooks: events that are sent to this host, for all tools.
    pub(crate) fn initialize(&mut self, events: &[&str]) -> Value {
        let hooks: serde_json::Map<_, _> = events
            .iter()
            .map(|event| {
                let hook = json!([{ "matcher": null, "hookCallbackIds": [event],
                                    "timeout": 3600, "onFailure": "block" }]);
                ((*event).to_owned(), hook)
            })
            .collect();
        self.request("initialize", json!({ "hooks": hooks })).unwrap()
    }

    /// Answers a request of the agent.
    pub(crate) fn answer(&mut self, request: &Value, response: &Value) {
        self.send(&json!({
            "type": "control_response",
            "response": { "subtype": "success", "request_id": request["request_id"],
                          "response": response },
        }));
    }

    /// The next frame; `None` at the end.
    pub(crate) fn next(&mut self) -> Option<Value> {
        let line = self.lines.next()?;
        let frame: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("not a frame ({error}): {line}"));
        self.frames.push(frame.clone());
        Some(frame)
    }

    /// The next frame that `fits`; panics if there is none.
    pub(crate) fn wait(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            match self.next() {
                Some(frame) if fits(&frame) => return frame,
                Some(_) => {}
                None => panic!("the end came before {what}: {:#?}", self.tail()),
            }
        }
    }

    /// The next request of the agent with this subtype.
    pub(crate) fn wait_request(&mut self, subtype: &str) -> Value {
        self.wait(subtype, |frame| frame["request"]["subtype"] == subtype)
    }

    /// Goes on to the end of the turn; `answer` has a word for each request of the agent, or
    /// nothing (which is `{}`). Returns the result frame.
    pub(crate) fn finish(&mut self, mut answer: impl FnMut(&Value) -> Option<Value>) -> Value {
        loop {
            let Some(frame) = self.next() else {
                panic!("the end came before the result: {:#?}", self.tail());
            };
            match frame["type"].as_str() {
                Some("result") => return frame,
                Some("control_request") => {
                    let response = answer(&frame).unwrap_or_else(|| allow(&frame));
                    self.answer(&frame, &response);
                }
                _ => {}
            }
        }
    }

    /// A whole turn in which everything is allowed.
    pub(crate) fn turn(&mut self, prompt: &str) -> Value {
        self.prompt(prompt);
        self.finish(|_| None)
    }

    /// Closes the agent's input.
    pub(crate) fn close(&mut self) {
        self.stdin = None;
    }

    /// Kills the process, as a crash would.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// Waits for the process; its exit code and what it wrote to stderr.
    pub(crate) fn wait_exit(&mut self) -> (Option<i32>, String) {
        let end = Instant::now() + PATIENCE;
        // The end of stderr is the end of the process; there is nothing to poll.
        let stderr = self.stderr.recv_timeout(end - Instant::now()).expect("the process stays");
        (self.child.wait().unwrap().code(), stderr)
    }

    /// All frames of one type.
    pub(crate) fn of_type(&self, kind: &str) -> Vec<&Value> {
        self.frames.iter().filter(|frame| frame["type"] == kind).collect()
    }

    /// All frames `system` of one subtype.
    pub(crate) fn of_system(&self, subtype: &str) -> Vec<&Value> {
        let system = self.frames.iter().filter(|frame| frame["type"] == "system");
        system.filter(|frame| frame["subtype"] == subtype).collect()
    }

    /// All requests of the agent for hooks of one event.
    pub(crate) fn hooks(&self, event: &str) -> Vec<&Value> {
        let requests = self.frames.iter().map(|frame| &frame["request"]["input"]);
        requests.filter(|input| input["hook_event_name"] == event).collect()
    }

    /// The content blocks of all assistant frames.
    pub(crate) fn blocks(&self) -> Vec<Value> {
        let frames = self.of_type("assistant");
        let blocks = frames.iter().filter_map(|frame| frame["message"]["content"].as_array());
        blocks.flatten().cloned().collect()
    }

    /// All texts that the agent said.
    pub(crate) fn said(&self) -> String {
        let blocks = self.blocks();
        let texts = blocks.iter().filter_map(|block| block["text"].as_str());
        texts.collect::<Vec<_>>().join("\n")
    }

    /// The tool results: what the agent read, and whether it was an error.
    pub(crate) fn results(&self) -> Vec<(String, bool)> {
        let frames = self.of_type("user");
        let blocks = frames.iter().filter_map(|frame| frame["message"]["content"].as_array());
        blocks
            .flatten()
            .filter(|block| block["type"] == "tool_result")
            .map(|block| {
                let content = &block["content"];
                let text = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
                (text, block["is_error"] == true)
            })
            .collect()
    }

    fn tail(&self) -> Vec<&Value> {
        self.frames.iter().rev().take(12).rev().collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A prompt as a frame.
pub(crate) fn user(text: &str) -> Value {
    json!({ "type": "user", "session_id": "", "parent_tool_use_id": null,
            "message": { "role": "user", "content": text } })
}

/// "Yes" to any request of an agent.
pub(crate) fn allow(request: &Value) -> Value {
    match request["request"]["subtype"].as_str() {
        Some("can_use_tool") => {
            json!({ "behavior": "allow", "updatedInput": request["request"]["input"] })
        }
        _ => json!({}),
    }
}

/// "No" to a hook before a tool.
pub(crate) fn deny(reason: &str) -> Value {
    json!({ "hookSpecificOutput": { "hookEventName": "PreToolUse", "permissionDecision": "deny",
                                    "permissionDecisionReason": reason } })
}

/// Whether a frame asks for the word before a tool runs, of this tool.
pub(crate) fn is_gate(frame: &Value, tool: &str) -> bool {
    let input = &frame["request"]["input"];
    input["hook_event_name"] == "PreToolUse" && input["tool_name"] == tool
}
