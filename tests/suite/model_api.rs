//! The scripted Messages API itself, by a client that knows nothing but HTTP.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::{Value, json};

use crate::support::model_api::{ModelApi, failing, text, tool};

/// Sends one request on a connection of its own.
fn send(api: &ModelApi, body: &Value) -> TcpStream {
    let mut stream = TcpStream::connect(api.url().trim_start_matches("http://")).unwrap();
    let body = body.to_string();
    let length = body.len();
    let head = "POST /v1/messages?beta=true HTTP/1.1\r\nHost: x\r\nConnection: close";
    write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
    stream
}

/// All that comes until the other side closes.
fn receive(mut stream: TcpStream) -> String {
    let mut reply = String::new();
    // A connection that is cut reads as an error or as an end.
    let _ = stream.read_to_string(&mut reply);
    reply
}

/// Asks and hears: the status, and everything behind the headers.
fn post(api: &ModelApi, body: &Value) -> (u32, String) {
    let stream = send(api, body);
    stream.shutdown(Shutdown::Write).unwrap();
    let reply = receive(stream);
    let status = reply.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let body = reply.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    (status, body.unwrap_or_default())
}

fn ask(messages: &Value, stream: bool) -> Value {
    json!({ "model": "m", "stream": stream, "messages": messages, "tools": [{ "name": "Write" }] })
}

fn prompt(text: &str) -> Value {
    json!([{ "role": "user", "content": text }])
}

#[test]
fn the_step_is_the_number_of_answers_behind_the_mark() {
    let api = ModelApi::start(&json!({
        "a": [text("first"), tool("Write", &json!({ "file_path": "/x" }))],
        "b": [text("other")],
    }));
    let said = |messages: &Value| {
        let (status, body) = post(&api, &ask(messages, false));
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Value>(&body).unwrap()
    };
    assert_eq!(said(&prompt("[[script:a]] go"))["content"][0]["text"], "first");
    let answer = json!({ "role": "assistant", "content": "first" });
    let mut messages = prompt("[[script:a]] go");
    messages
        .as_array_mut()
        .unwrap()
        .extend([answer.clone(), json!({ "role": "user", "content": "on" })]);
    let second = said(&messages);
    assert_eq!(second["content"][0]["name"], "Write");
    assert_eq!(second["stop_reason"], "tool_use");
    messages.as_array_mut().unwrap().push(answer);
    assert_eq!(said(&messages)["content"][0]["text"], "done");
    messages.as_array_mut().unwrap().push(json!({ "role": "user", "content": [
        { "type": "text", "text": "[[script:b]]" }] }));
    assert_eq!(said(&messages)["content"][0]["text"], "other");
    let steps: Vec<_> = api.requests().iter().map(|request| request.step).collect();
    assert_eq!(steps, [0, 1, 2, 0]);
    assert_eq!(api.of_script("b").len(), 1);
}

#[test]
fn a_request_without_mark_or_tools_is_echoed() {
    let api = ModelApi::start(&json!({ "a": [text("x")] }));
    let (_, body) = post(&api, &ask(&prompt("title please"), false));
    assert!(body.contains("echo: title please"), "{body}");
    let mut request = ask(&prompt("[[script:a]]"), false);
    request["tools"] = json!([]);
    assert!(post(&api, &request).1.contains("echo: "));
    assert!(api.of_script("a").is_empty());
}

#[test]
fn a_stream_carries_the_whole_message_in_events() {
    let api = ModelApi::start(&json!({ "a": [{ "blocks": [
        { "type": "thinking", "thinking": "hm" },
        { "type": "text", "text": "one two three", "chunks": 4 },
        { "type": "tool_use", "name": "Write", "input": { "a": "ü" } },
    ] }] }));
    let (_, body) = post(&api, &ask(&prompt("[[script:a]]"), true));
    let events: Vec<Value> = body
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let gather = |key: &str| {
        events.iter().filter_map(|event| event["delta"][key].as_str()).collect::<String>()
    };
    assert_eq!(gather("text"), "one two three");
    assert_eq!(gather("thinking"), "hm");
    assert_eq!(gather("partial_json"), "{\"a\":\"ü\"}");
    assert_eq!(events.first().unwrap()["type"], "message_start");
    assert_eq!(events.last().unwrap()["type"], "message_stop");
    assert!(body.ends_with("0\r\n\r\n"));
}

#[test]
fn errors_come_as_often_as_the_step_says() {
    let api = ModelApi::start(&json!({ "a": [failing(529, 2, "fine")] }));
    let request = ask(&prompt("[[script:a]]"), false);
    let statuses: Vec<_> = (0..3).map(|_| post(&api, &request).0).collect();
    assert_eq!(statuses, [529, 529, 200]);
}

#[test]
fn a_cut_stream_ends_in_the_middle() {
    let api = ModelApi::start(&json!({ "a": [{ "cut_after": 3,
        "blocks": [{ "type": "text", "text": "one two three" }] }] }));
    let (status, body) = post(&api, &ask(&prompt("[[script:a]]"), true));
    assert_eq!(status, 200);
    assert_eq!(body.matches("event: ").count(), 3, "{body}");
    assert!(!body.contains("message_stop"));
}

#[test]
fn a_hanging_reply_keeps_nobody_else_waiting() {
    let api = ModelApi::start(&json!({ "slow": [{ "hang": true }], "a": [text("quick")] }));
    let slow = send(&api, &ask(&prompt("[[script:slow]]"), true));
    api.wait_for("the slow request", |request| request.script.as_deref() == Some("slow"));
    assert!(post(&api, &ask(&prompt("[[script:a]]"), false)).1.contains("quick"));
    slow.shutdown(Shutdown::Write).unwrap();
    let reply = receive(slow);
    assert!(reply.contains("message_start") && !reply.contains("message_stop"), "{reply}");
}
