//! A scripted Messages API on the loopback device, for the real agent.
//!
//! How a reply is chosen depends on nothing but the request, so retries, resumes and forks work:
//!
//! - the last `[[script:NAME]]` in a text of the user's side names the script (a sub-agent's
//!   prompt can carry its own);
//! - the step is the number of assistant messages behind that text;
//! - past the last step the reply is the text `done`;
//! - a request without such a name, or without tools (titles, probes), gets a short echo.
//!
//! A step is JSON: `blocks` (`{"type":"text","text"}`, `{"type":"thinking","thinking"}`,
//! `{"type":"tool_use","name","input"}`, each with `chunks` and `delay_ms`), `usage`, `delay_ms`,
//! `headers`, `stop_reason`, `error` (`{"status","type","message","times","headers"}`),
//! `cut_after` (events), `hang`, `hang_after` (events), `sse_error`, `wait` (the name of a gate that
//! [`ModelApi::open`] opens). A script may also be a closure that is asked for each step.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use regex::Regex;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::PATIENCE;

/// One request that came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    /// What was asked for.
    pub(crate) path: String,
    /// The script that answered, if one did.
    pub(crate) script: Option<String>,
    /// Its step.
    pub(crate) step: usize,
    /// The body.
    pub(crate) body: Value,
}

impl Request {
    /// Everything that the model would read of the conversation, as one text.
    pub(crate) fn conversation(&self) -> String {
        self.body["messages"].to_string()
    }
}

/// A running API.
pub(crate) struct ModelApi {
    url: String,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<()>>,
}

/// The gates that are open.
pub(crate) type Gates = watch::Sender<BTreeSet<String>>;

/// Opens one of them.
pub(crate) fn open_gate(gates: &Gates, gate: &str) {
    gates.send_modify(|open| {
        open.insert(gate.to_owned());
    });
}

/// How a script answers.
enum Script {
    /// Step by step.
    Steps(Vec<Value>),
    /// As this says to each request, which is not kept.
    Asked(Arc<dyn Fn(&Request) -> Value + Send + Sync>),
}

struct State {
    scripts: Mutex<BTreeMap<String, Script>>,
    gates: Gates,
    errors_sent: Mutex<HashMap<(String, usize), u64>>,
    requests: Mutex<Vec<Request>>,
    came: Condvar,
    mark: Regex,
}

impl ModelApi {
    /// Starts an API with these scripts: `{"NAME": [STEP, …], …}`.
    pub(crate) fn start(scripts: &Value) -> Self {
        let state = Arc::new(State {
            scripts: Mutex::new(BTreeMap::new()),
            gates: watch::Sender::new(BTreeSet::new()),
            errors_sent: Mutex::new(HashMap::new()),
            requests: Mutex::new(Vec::new()),
            came: Condvar::new(),
            mark: Regex::new(r"\[\[script:([A-Za-z0-9_.-]+)\]\]").unwrap(),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        let server = thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = accept(listener, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        let api = Self { url, state, stop: Some(stop), server: Some(server) };
        for (name, steps) in scripts.as_object().into_iter().flatten() {
            api.script(name, steps.as_array().cloned().unwrap_or_default());
        }
        api
    }

    /// What goes into `ANTHROPIC_BASE_URL`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Adds a script or replaces one.
    pub(crate) fn script(&self, name: &str, steps: Vec<Value>) {
        self.state.scripts.lock().unwrap().insert(name.to_owned(), Script::Steps(steps));
    }

    /// Adds a script that decides each step when it is asked. Its requests are not kept.
    pub(crate) fn answer(
        &self,
        name: &str,
        answer: impl Fn(&Request) -> Value + Send + Sync + 'static,
    ) {
        let script = Script::Asked(Arc::new(answer));
        self.state.scripts.lock().unwrap().insert(name.to_owned(), script);
    }

    /// Lets the steps go on that `wait` for this gate, now and later.
    pub(crate) fn open(&self, gate: &str) {
        open_gate(&self.state.gates, gate);
    }

    /// The gates, for scripts that open them themselves.
    pub(crate) fn gates(&self) -> Gates {
        self.state.gates.clone()
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    /// The requests that a script answered.
    pub(crate) fn of_script(&self, name: &str) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.script.as_deref() == Some(name));
        requests
    }

    /// Waits for a request that `fits`.
    pub(crate) fn wait_for(&self, what: &str, fits: impl Fn(&Request) -> bool) -> Request {
        let end = Instant::now() + PATIENCE;
        let mut requests = self.state.requests.lock().unwrap();
        loop {
            if let Some(found) = requests.iter().find(|request| fits(request)) {
                return found.clone();
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} did not come; there were {} requests", requests.len());
            requests = self.state.came.wait_timeout(requests, left).unwrap().0;
        }
    }
}

impl Drop for ModelApi {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

/// A step that says something.
pub(crate) fn text(text: &str) -> Value {
    json!({ "blocks": [{ "type": "text", "text": text }] })
}

/// A step that calls a tool.
pub(crate) fn tool(name: &str, input: &Value) -> Value {
    json!({ "blocks": [{ "type": "tool_use", "name": name, "input": input }] })
}

/// A step that fails `times` times with this status, and says `then` after that.
pub(crate) fn failing(status: u16, times: u64, then: &str) -> Value {
    let kind = match status {
        429 => "rate_limit_error",
        529 => "overloaded_error",
        _ => "api_error",
    };
    let mut step = text(then);
    step["error"] = json!({ "status": status, "type": kind, "message": "scripted",
                            "times": times, "headers": { "retry-after": "0" } });
    step
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            // A client that leaves is no failure of the API.
            let _ = serve(stream, &state).await;
        });
    }
}

async fn serve(stream: TcpStream, state: &State) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace();
        let method = words.next().unwrap_or_default().to_owned();
        let path = words.next().unwrap_or_default().to_owned();
        let mut headers = HashMap::new();
        loop {
            let mut header = String::new();
            stream.read_line(&mut header).await?;
            let Some((name, value)) = header.trim_end().split_once(':') else { break };
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        let body = read_body(&mut stream, &headers).await?;
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if !handle(&mut stream, state, &method, &path, body).await? {
            return Ok(());
        }
    }
}

async fn read_body(
    stream: &mut BufReader<TcpStream>,
    headers: &HashMap<String, String>,
) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if headers.get("transfer-encoding").is_some_and(|value| value == "chunked") {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size).await?;
            let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).await?;
            body.extend(&chunk[..size]);
            if size == 0 {
                return Ok(body);
            }
        }
    }
    if let Some(length) = headers.get("content-length").and_then(|value| value.parse().ok()) {
        body = vec![0; length];
        stream.read_exact(&mut body).await?;
    }
    Ok(body)
}

/// Answers one request; whether the connection goes on.
async fn handle(
    stream: &mut BufReader<TcpStream>,
    state: &State,
    method: &str,
    path: &str,
    body: Value,
) -> io::Result<bool> {
    let place = path.split('?').next().unwrap_or_default();
    let (script, step) = match (method, place) {
        ("POST", "/v1/messages") => state.choose(&body),
        _ => (None, 0),
    };
    let request = Request { path: path.to_owned(), script: script.clone(), step, body };
    let plan = state.plan(&request);
    let body = request.body.clone();
    state.note(request);
    match (method, place) {
        ("POST", "/v1/messages") => {}
        ("POST", "/v1/messages/count_tokens") => {
            let tokens = (body.to_string().len() / 4).max(1);
            return reply(stream, 200, &json!({ "input_tokens": tokens }), &Value::Null).await;
        }
        ("HEAD", _) | (_, "/") => return reply(stream, 200, &Value::Null, &Value::Null).await,
        _ => {
            let error = json!({ "type": "error", "error": {
                "type": "not_found_error", "message": place } });
            return reply(stream, 404, &error, &Value::Null).await;
        }
    }
    if let Some(gate) = plan["wait"].as_str() {
        // The sender lives as long as the state.
        let _ = state.gates.subscribe().wait_for(|open| open.contains(gate)).await;
    }
    if let Some(delay) = plan["delay_ms"].as_u64() {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    if let Some(error) = state.next_error(script.as_deref(), step, &plan) {
        let status = error["status"].as_u64().unwrap_or(500);
        let body = json!({ "type": "error", "request_id": "req_test", "error": {
            "type": error["type"].as_str().unwrap_or("api_error"),
            "message": error["message"].as_str().unwrap_or("scripted error"),
        }});
        return reply(stream, status, &body, &error["headers"]).await;
    }
    if body["stream"] == true {
        send_stream(stream, &body, &plan).await
    } else {
        reply(stream, 200, &whole_message(&body, &plan), &Value::Null).await
    }
}

impl State {
    /// Which script answers, and at which step.
    fn choose(&self, body: &Value) -> (Option<String>, usize) {
        let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut found = None;
        for (at, message) in messages.iter().enumerate() {
            if message["role"] != "user" {
                continue;
            }
            if let Some(mark) = self.mark.captures_iter(&words_of(message)).last() {
                found = Some((mark[1].to_owned(), at));
            }
        }
        let has_tools = body["tools"].as_array().is_some_and(|tools| !tools.is_empty());
        let Some((name, at)) = found.filter(|_| has_tools) else { return (None, 0) };
        let behind = messages.iter().skip(at + 1);
        let step = behind.filter(|message| message["role"] == "assistant").count();
        (Some(name), step)
    }

    /// What a request is answered with.
    fn plan(&self, request: &Request) -> Value {
        let Some(name) = &request.script else {
            let messages = request.body["messages"].as_array();
            let last = messages.and_then(|messages| messages.last()).map(words_of);
            let last: Vec<_> = last.unwrap_or_default().trim().chars().collect();
            let tail: String = last[last.len().saturating_sub(60)..].iter().collect();
            return text(&format!("echo: {tail}"));
        };
        let asked = match self.scripts.lock().unwrap().get(name) {
            Some(Script::Steps(steps)) => {
                return steps.get(request.step).cloned().unwrap_or_else(|| text("done"));
            }
            Some(Script::Asked(answer)) => Arc::clone(answer),
            None => return text("done"),
        };
        asked(request)
    }

    fn note(&self, request: Request) {
        let scripts = self.scripts.lock().unwrap();
        let script = request.script.as_ref().and_then(|name| scripts.get(name));
        if matches!(script, Some(Script::Asked(_))) {
            return;
        }
        drop(scripts);
        self.requests.lock().unwrap().push(request);
        self.came.notify_all();
    }

    /// The error that is to be sent, as often as the step says.
    fn next_error(&self, script: Option<&str>, step: usize, plan: &Value) -> Option<Value> {
        let error = plan.get("error")?;
        let key = (script.unwrap_or_default().to_owned(), step);
        let mut sent = self.errors_sent.lock().unwrap();
        let sent = sent.entry(key).or_insert(0);
        let more = *sent < error["times"].as_u64().unwrap_or(u64::MAX);
        *sent += u64::from(more);
        more.then(|| error.clone())
    }
}

fn words_of(message: &Value) -> String {
    let content = &message["content"];
    if let Some(text) = content.as_str() {
        return text.to_owned();
    }
    let blocks = content.as_array().map(Vec::as_slice).unwrap_or_default();
    let texts = blocks.iter().filter(|block| block["type"] == "text");
    texts.filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
}

async fn reply(
    stream: &mut BufReader<TcpStream>,
    status: u64,
    body: &Value,
    headers: &Value,
) -> io::Result<bool> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n");
    let _ = write!(head, "content-length: {}\r\nrequest-id: req_test\r\n", body.len());
    add_headers(&mut head, headers);
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).await?;
    stream.flush().await?;
    Ok(true)
}

fn add_headers(head: &mut String, headers: &Value) {
    for (name, value) in headers.as_object().into_iter().flatten() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let _ = write!(head, "{name}: {value}\r\n");
    }
}

fn blocks_of(plan: &Value) -> &[Value] {
    plan["blocks"].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn usage_of(plan: &Value) -> Value {
    let mut usage = json!({
        "input_tokens": 100, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        "output_tokens": 25, "service_tier": "standard",
    });
    for (name, value) in plan["usage"].as_object().into_iter().flatten() {
        usage[name] = value.clone();
    }
    usage
}

fn stop_reason_of(plan: &Value) -> String {
    let calls = blocks_of(plan).iter().any(|block| block["type"] == "tool_use");
    let usual = if calls { "tool_use" } else { "end_turn" };
    plan["stop_reason"].as_str().unwrap_or(usual).to_owned()
}

fn envelope(body: &Value, plan: &Value) -> Value {
    let mut usage = usage_of(plan);
    usage["output_tokens"] = json!(1);
    json!({
        "id": new_id("msg_"), "type": "message", "role": "assistant", "model": body["model"],
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage,
    })
}

fn new_id(prefix: &str) -> String {
    format!("{prefix}{}", &Uuid::new_v4().simple().to_string()[..24])
}

fn whole_message(body: &Value, plan: &Value) -> Value {
    let content: Vec<_> = blocks_of(plan)
        .iter()
        .filter_map(|block| match block["type"].as_str() {
            Some("tool_use") => Some(json!({ "type": "tool_use", "id": new_id("toolu_"),
                                             "name": block["name"], "input": block["input"] })),
            Some("text") => Some(json!({ "type": "text", "text": block["text"] })),
            _ => None,
        })
        .collect();
    let mut message = envelope(body, plan);
    message["content"] = json!(content);
    message["stop_reason"] = json!(stop_reason_of(plan));
    message["usage"] = usage_of(plan);
    message
}

/// Sends a message event by event; whether the connection goes on.
async fn send_stream(
    stream: &mut BufReader<TcpStream>,
    body: &Value,
    plan: &Value,
) -> io::Result<bool> {
    let mut head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                    cache-control: no-cache\r\nrequest-id: req_test\r\n\
                    transfer-encoding: chunked\r\n"
        .to_owned();
    add_headers(&mut head, &plan["headers"]);
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    if plan["hang"] == true {
        let start = json!({ "type": "message_start", "message": envelope(body, plan) });
        send_event(stream, &start).await?;
        return until_left(stream).await;
    }
    let events_of = |key: &str| plan[key].as_u64().and_then(|count| usize::try_from(count).ok());
    let (cut, hang) = (events_of("cut_after"), events_of("hang_after"));
    for (number, (delay, event)) in events(body, plan).into_iter().enumerate() {
        if hang.is_some_and(|hang| number >= hang) {
            return until_left(stream).await;
        }
        if cut.is_some_and(|cut| number >= cut) {
            return Ok(false);
        }
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        send_event(stream, &event).await?;
    }
    stream.write_all(b"0\r\n\r\n").await?;
    stream.flush().await?;
    Ok(true)
}

/// Says nothing more until the client leaves.
async fn until_left(stream: &mut BufReader<TcpStream>) -> io::Result<bool> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await?;
    Ok(false)
}

async fn send_event(stream: &mut BufReader<TcpStream>, event: &Value) -> io::Result<()> {
    let kind = event["type"].as_str().unwrap_or_default();
    let data = format!("event: {kind}\ndata: {event}\n\n");
    stream.write_all(format!("{:x}\r\n{data}\r\n", data.len()).as_bytes()).await?;
    stream.flush().await
}

/// The events of a message, each with the pause before it in milliseconds.
fn events(body: &Value, plan: &Value) -> Vec<(u64, Value)> {
    let mut events = vec![(0, json!({ "type": "message_start", "message": envelope(body, plan) }))];
    for (index, block) in blocks_of(plan).iter().enumerate() {
        let delay = block["delay_ms"].as_u64().unwrap_or(0);
        let chunks = |usual: u64| block["chunks"].as_u64().unwrap_or(usual);
        let (start, kind, key, whole, count) = match block["type"].as_str() {
            Some("tool_use") => (
                json!({ "type": "tool_use", "name": block["name"], "input": {},
                        "id": block["id"].as_str().map_or_else(|| new_id("toolu_"), str::to_owned) }),
                "input_json_delta",
                "partial_json",
                block["input"].to_string(),
                chunks(2),
            ),
            Some("thinking") => (
                json!({ "type": "thinking", "thinking": "", "signature": "" }),
                "thinking_delta",
                "thinking",
                block["thinking"].as_str().unwrap_or_default().to_owned(),
                chunks(2),
            ),
            _ => (
                json!({ "type": "text", "text": "" }),
                "text_delta",
                "text",
                block["text"].as_str().unwrap_or_default().to_owned(),
                chunks(3),
            ),
        };
        events.push((
            0,
            json!({ "type": "content_block_start", "index": index,
                                "content_block": start }),
        ));
        let mut push = |delay: u64, delta: Value| {
            let event = json!({ "type": "content_block_delta", "index": index, "delta": delta });
            events.push((delay, event));
        };
        for part in split(&whole, count) {
            let mut delta = json!({ "type": kind });
            delta[key] = json!(part);
            push(delay, delta);
        }
        if block["type"] == "thinking" {
            push(0, json!({ "type": "signature_delta", "signature": "test" }));
        }
        events.push((0, json!({ "type": "content_block_stop", "index": index })));
    }
    if plan["sse_error"].is_object() {
        events.push((0, json!({ "type": "error", "error": plan["sse_error"] })));
        return events;
    }
    events.push((
        0,
        json!({
            "type": "message_delta", "usage": { "output_tokens": usage_of(plan)["output_tokens"] },
            "delta": { "stop_reason": stop_reason_of(plan), "stop_sequence": null },
        }),
    ));
    events.push((0, json!({ "type": "message_stop" })));
    events
}

/// Cuts a text into about `count` parts.
fn split(text: &str, count: u64) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let count = usize::try_from(count).unwrap_or(1).clamp(1, letters.len().max(1));
    let size = letters.len().div_ceil(count).max(1);
    let parts: Vec<String> = letters.chunks(size).map(|part| part.iter().collect()).collect();
    if parts.is_empty() { vec![String::new()] } else { parts }
}
