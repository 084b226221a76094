//! The real Claude Code CLI against the scripted API: the ground that the other tests stand on.

use serde_json::{Value, json};

use crate::support::claude_cli;
use crate::support::host::{Host, deny, is_gate};
use crate::support::model_api::{ModelApi, text, tool};
use crate::support::workspace::Workspace;

#[test]
fn a_turn_of_the_real_program_goes_through_our_hooks() {
    let Some(program) = claude_cli::find() else { return };
    let workspace = Workspace::new().git();
    let home = tempfile::tempdir().unwrap();
    let write =
        |name: &str| tool("Write", &json!({ "file_path": workspace.at(name), "content": "one\n" }));
    let api = ModelApi::start(&json!({
        "write": [write("a.txt"), write("b.txt"), text("Both tried.")],
    }));
    let mut host = Host::start(claude_cli::command(program, &workspace, home.path(), api.url()));
    let answer = host.initialize(&["PreToolUse", "PostToolUse", "PostToolUseFailure"]);
    assert_eq!(answer["claude_code_version"], claude_cli::VERSION);
    assert_eq!(answer["hook_on_failure_supported"], true);
    host.prompt("[[script:write]] go");
    let result = host.finish(|request| {
        let path = request["request"]["input"]["tool_input"]["file_path"].as_str();
        let held = path.is_some_and(|path| path.ends_with("b.txt"));
        (is_gate(request, "Write") && held).then(|| deny("it is held"))
    });
    assert_eq!(result["result"], "Both tried.");
    assert_eq!(workspace.read("a.txt"), "one\n");
    assert!(!workspace.has("b.txt"));
    let results = host.results();
    assert_eq!(results[1], ("PreToolUse:Write hook error: it is held".to_owned(), true));
    let requests = api.of_script("write");
    assert_eq!(requests.len(), 3);
    assert!(requests[2].conversation().contains("it is held"));
    host.close();
    assert_eq!(host.wait_exit().0, Some(0));
}

/// What a host sees of a turn, in words that do not depend on ids, times and folders.
#[derive(Debug, PartialEq)]
struct Seen {
    /// The frames without the model's stream. The real program sends both side by side, so only
    /// the order within each is given.
    frames: Vec<String>,
    /// The model's stream; a text that comes in several pieces counts as one.
    stream: Vec<String>,
    /// What the model reads of its tools.
    results: Vec<(String, bool)>,
    /// What a hook learns of each tool that ran.
    responses: Vec<(String, Value)>,
}

fn seen(host: &Host, workspace: &Workspace) -> Seen {
    let mut seen = Seen { frames: vec![], stream: vec![], results: vec![], responses: vec![] };
    let place = workspace.path().to_string_lossy().into_owned();
    for frame in &host.frames {
        let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
        match frame["type"].as_str().unwrap_or_default() {
            "assistant" => seen.frames.push(word(&frame["message"]["content"][0]["type"])),
            "control_request" => {
                let event = &frame["request"]["input"]["hook_event_name"];
                let asks = event.is_null();
                let kind = if asks { &frame["request"]["subtype"] } else { event };
                seen.frames.push(word(kind));
            }
            "user" => seen.frames.push("user".to_owned()),
            "result" => {
                seen.frames.push(format!("{} {}", frame["subtype"], frame["terminal_reason"]))
            }
            "system" if frame["subtype"] == "init" => seen.frames.push("init".to_owned()),
            "stream_event" if seen.stream.last() != Some(&word(&frame["event"]["type"])) => {
                seen.stream.push(word(&frame["event"]["type"]));
            }
            _ => {}
        }
    }
    for (text, is_error) in host.results() {
        seen.results.push((text.replace(&place, "/ws"), is_error));
    }
    for hook in host.hooks("PostToolUse") {
        let text = hook["tool_response"].to_string().replace(&place, "/ws");
        let response = serde_json::from_str(&text).unwrap();
        seen.responses.push((hook["tool_name"].as_str().unwrap().to_owned(), response));
    }
    seen
}

#[test]
fn the_scripted_agent_speaks_as_the_real_program_does() {
    let Some(program) = claude_cli::find() else { return };
    let hooks = ["PreToolUse", "PostToolUse", "PostToolUseFailure"];
    let real = {
        let workspace = Workspace::with(&[("a.txt", "one\ntwo\n")]);
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| workspace.at(name);
        let said = |words: &str, name: &str, input: Value| {
            json!({ "blocks": [{ "type": "text", "text": words },
                               { "type": "tool_use", "name": name, "input": input }] })
        };
        let api = ModelApi::start(&json!({ "go": [
            said("I look.", "Read", json!({ "file_path": at("a.txt") })),
            tool("Edit", &json!({ "file_path": at("a.txt"), "old_string": "two", "new_string": "2" })),
            tool("Write", &json!({ "file_path": at("b.txt"), "content": "b\n" })),
            tool("Write", &json!({ "file_path": at("a.txt"), "content": "one\n2\nthree" })),
            tool("Edit", &json!({ "file_path": at("a.txt"), "old_string": "nine", "new_string": "9" })),
            tool("Bash", &json!({ "command": "cat a.txt > c.txt; echo x; echo y >&2", "description": "c" })),
            tool("Bash", &json!({ "command": "cat a.txt > c.txt; echo x; exit 3", "description": "d" })),
            text("End."),
        ] }));
        let mut host =
            Host::start(claude_cli::command(program, &workspace, home.path(), api.url()));
        host.initialize(&hooks);
        host.turn("[[script:go]]");
        seen(&host, &workspace)
    };
    let played = {
        let bench = crate::support::bench_process::Bench::in_workspace(Workspace::with(&[(
            "a.txt",
            "one\ntwo\n",
        )]));
        let script = crate::script_agent::steps(
            "{ text = 'I look.' }, { read = 'a.txt' }, { edit = 'a.txt', old = 'two', new = '2' },\n\
             { write = 'b.txt', content = \"b\\n\" },\n\
             { write = 'a.txt', content = \"one\\n2\\nthree\" }, { edit = 'a.txt', old = 'nine', new = '9' },\n\
             { bash = 'cat a.txt > c.txt; echo x; echo y >&2', description = 'c' },\n\
             { bash = 'cat a.txt > c.txt; echo x; exit 3', description = 'd' }, { text = 'End.' }",
        );
        let mut host = crate::script_agent::start(&bench, &script, &[]);
        host.initialize(&hooks);
        host.turn("go");
        seen(&host, &bench.workspace)
    };
    assert_eq!(played, real);
}
