//! The command line from outside: what scripts rely on, with the built binary and real agents.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::support::bench_process::{Bench, Running};
use crate::support::engine::{
    agent, kill, serve, shut_down, spawn, wait_all_finished, wait_state, wait_until,
};

/// An agent that says what it hears, asks when told so, and can be slow.
const TALKER: &str = "
[[turn]]
on = '^ask$'
step = [{ bash = 'echo hi > asked.txt', ask = true }, { text = 'asked' }]
[[turn]]
on = '^broken$'
step = [{ api_error = 500, times = 1, recovers = false }]
[[turn]]
on = '^slow$'
step = [{ text = 'I begin.' }, { bash = 'echo $$ > started.txt; exec sleep 1000', ask = false }]
[[turn]]
on = '.*'
step = [{ text = 'I say ${prompt}.' }]
";

fn talker(bench: &Bench) -> String {
    bench.script("talker", TALKER).to_str().unwrap().to_owned()
}

#[track_caller]
fn has(row: &Value, fields: &[&str]) {
    for field in fields {
        assert!(row.get(field).is_some(), "`{field}` is missing in {row:#}");
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A path that `benchdog config path` names.
fn place(bench: &Bench, name: &str) -> std::path::PathBuf {
    bench.json(&["config", "path", "--json"])[name].as_str().unwrap().into()
}

#[test]
fn a_run_prints_the_answer_and_leaves_with_zero() {
    let bench = Bench::new();
    let ran = bench.run(&["run", "--script", &talker(&bench), "good", "day"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "I say good day."), "{ran:#?}");
    assert!(ran.stderr.contains("benchdog resume"), "{ran:#?}");
    let quiet = bench.run(&["run", "-q", "--script", &talker(&bench), "good day"]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""), "{quiet:#?}");
}

#[test]
fn a_home_without_a_past_has_no_sessions() {
    let bench = Bench::new();
    assert_eq!(bench.json(&["sessions", "--json"]), Value::Array(vec![]));
    assert_eq!(bench.json(&["search", "--json", "heron"]), Value::Array(vec![]));
    let people = bench.run(&["sessions", "--all"]);
    assert_eq!((people.code, people.stdout.as_str()), (Some(0), ""), "{people:#?}");
}

#[test]
fn a_filter_of_the_log_that_is_none_is_said() {
    let bench = Bench::new();
    let mut command = bench.command(&["sessions"]);
    command.env("BENCHDOG_LOG", "loud");
    let (code, messages) = Running::of(command).wait_exit();
    assert_eq!(code, Some(0), "{messages}");
    assert!(messages.contains("BENCHDOG_LOG: `loud` is no filter"), "{messages}");
}

#[test]
fn a_run_with_json_writes_rows_that_end_in_run_ended() {
    let bench = Bench::new();
    for (prompt, code) in [("hello", 0), ("ask", 5), ("broken", 1)] {
        let ran = bench.run(&["run", "--json", "--script", &talker(&bench), prompt]);
        assert_eq!(ran.code, Some(code), "{ran:#?}");
        let rows: Vec<Value> =
            ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(rows.iter().all(|row| row["event"].is_string()), "{rows:#?}");
        let last = rows.last().unwrap();
        assert_eq!((&last["event"], &last["code"]), (&"run_ended".into(), &code.into()));
        has(last, &["error", "agent", "session_id", "cost_usd"]);
        assert_eq!(last["error"].is_null(), code == 0, "{last}");
        let asks = rows.iter().filter(|row| row["event"] == "ask_opened").count();
        assert_eq!(asks, usize::from(prompt == "ask"), "{rows:#?}");
    }
    assert!(!bench.workspace.has("asked.txt"), "nobody allowed it");
}

#[test]
fn a_run_leaves_with_the_code_of_its_end() {
    let bench = Bench::new();
    let script = talker(&bench);
    let wrong = bench.run(&["run", "--script", "there-is-none.toml", "hi"]);
    assert_eq!(wrong.code, Some(2), "{wrong:#?}");
    let broken = bench.script("broken", "[[turn]]\nstep = [{ nonsense = 1 }]\n");
    let broken = bench.run(&["run", "--script", broken.to_str().unwrap(), "hi"]);
    assert_eq!(broken.code, Some(6), "{broken:#?}");
    assert!(broken.stderr.contains("nonsense"), "{broken:#?}");
    let dies = bench.script("dies", "[[turn]]\nstep = [{ exit = 3, stderr = 'I am ill' }]\n");
    let dies = bench.run(&["run", "--script", dies.to_str().unwrap(), "hi"]);
    assert_eq!(dies.code, Some(1), "{dies:#?}");
    assert!(dies.stderr.contains("I am ill"), "{dies:#?}");
    let late = bench.run(&["run", "--timeout", "0.3", "--script", &script, "slow"]);
    assert_eq!(late.code, Some(1), "{late:#?}");
    assert!(late.stderr.contains("0.3 s"), "{late:#?}");
}

#[test]
fn a_run_that_is_broken_off_leaves_with_130_and_no_process() {
    let bench = Bench::new();
    let mut run = bench.start(&["run", "--script", &talker(&bench), "slow"]);
    run.wait_line("I begin.");
    let child =
        wait_until("the child", || bench.workspace.read("started.txt").trim().parse::<i32>().ok());
    run.signal(Signal::INT);
    let (code, messages) = run.wait_exit();
    assert_eq!(code, Some(130), "{messages}");
    let child = rustix::process::Pid::from_raw(child).unwrap();
    let found = rustix::process::test_kill_process(child);
    assert_eq!(found, Err(rustix::io::Errno::SRCH), "the command of the agent survived");
}

#[test]
fn without_an_engine_commands_leave_with_seven() {
    let bench = Bench::new();
    for args in [
        &["agents"][..],
        &["spawn", "x"],
        &["send", "x", "hi"],
        &["answer"],
        &["interrupt", "x"],
        &["stop", "x"],
        &["call", "--as", "x", "list_agents"],
        &["locks"],
        &["pin", "a"],
        &["release", "a"],
        &["steal", "a"],
        &["shutdown"],
    ] {
        let ran = bench.run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(7), ""), "{args:?} {ran:#?}");
        assert!(ran.stderr.contains("no engine"), "{args:?} {ran:#?}");
    }
}

/// How far agents are guarded on this machine.
fn guard_level() -> &'static str {
    match benchdog::engine::boot::can_guard() {
        Ok(()) => "enforced",
        Err(_) => "advisory",
    }
}

#[test]
fn agents_are_started_talked_to_answered_interrupted_and_stopped() {
    let bench = Bench::new();
    let engine = serve(&bench, &[]);
    let script = talker(&bench);
    let row = spawn(&bench, "blue", Path::new(&script), "hello");
    let fields = [
        "name",
        "session_id",
        "backend",
        "state",
        "model",
        "permission_mode",
        "guard",
        "cost_usd",
        "tokens",
        "holds",
        "pid",
    ];
    has(&row, &fields);
    let row = wait_state(&bench, "blue", "finished");
    has(&row, &fields);
    has(&row["tokens"], &["input", "output", "cache_read", "cache_write"]);
    assert_eq!((&row["backend"], &row["guard"]), (&"script".into(), &guard_level().into()));
    assert!(row["cost_usd"].as_f64().unwrap() > 0.0, "{row:#}");
    let again = bench.run(&["spawn", "blue", "--script", &script]);
    assert_eq!(again.code, Some(2), "a name is given once: {again:#?}");

    let asks = || bench.json(&["answer", "--json"]);
    assert_eq!(asks(), Value::Array(vec![]));
    assert_eq!(bench.run(&["send", "blue", "ask"]).code, Some(0));
    wait_state(&bench, "blue", "needs_you");
    assert_eq!(asks()[0]["tool"], "Bash");
    assert_eq!(bench.run(&["answer", "red", "allow"]).code, Some(2));
    assert_eq!(bench.run(&["answer", "blue", "deny", "not", "now"]).code, Some(0));
    wait_state(&bench, "blue", "finished");
    assert!(!bench.workspace.has("asked.txt"));
    assert_eq!(bench.run(&["send", "blue", "ask"]).code, Some(0));
    wait_state(&bench, "blue", "needs_you");
    let ask = asks()[0]["id"].to_string();
    assert_eq!(bench.run(&["answer", &ask, "allow"]).code, Some(0));
    wait_state(&bench, "blue", "finished");
    assert_eq!(bench.workspace.read("asked.txt"), "hi\n");

    assert_eq!(bench.run(&["interrupt", "blue"]).code, Some(1), "it does nothing");
    assert_eq!(bench.run(&["send", "blue", "slow"]).code, Some(0));
    wait_until("the child", || bench.workspace.read("started.txt").trim().parse::<u32>().ok());
    assert_eq!(bench.run(&["send", "blue", "queued"]).code, Some(0));
    assert_eq!(agent(&bench, "blue")["queue"][0]["text"], "queued");
    assert_eq!(bench.run(&["interrupt", "blue"]).code, Some(0));
    wait_all_finished(&bench);
    assert_eq!(bench.run(&["stop", "blue"]).code, Some(0));
    wait_state(&bench, "blue", "dead");
    assert_eq!(bench.run(&["send", "nobody", "hi"]).code, Some(2));
    assert_eq!(bench.run(&["agents"]).stdout.lines().count(), 2);
    shut_down(&bench, engine);

    let rows = bench.json(&["sessions", "--json"]);
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows:#}");
    let row = &rows[0];
    has(
        row,
        &[
            "id",
            "backend_session_id",
            "title",
            "workspace",
            "backend",
            "agent",
            "started_at",
            "updated_at",
            "turns",
            "messages",
            "cost_usd",
            "resumable",
            "open",
        ],
    );
    assert_eq!((&row["resumable"], &row["open"]), (&true.into(), &false.into()), "{row:#}");
    let id = row["id"].as_str().unwrap();
    let shown = bench.json(&["show", "--json", id]);
    assert_eq!(shown["session"]["id"], id);
    assert!(shown["items"].as_array().unwrap().len() >= 5, "{shown:#}");
    let short = bench.run(&["show", &id[id.len() - 8..]]);
    assert!(short.stdout.contains("I say hello."), "{short:#?}");
    let found = bench.json(&["search", "--json", "queued"]);
    assert_eq!(found[0]["id"], id);
    assert_eq!(bench.json(&["search", "--json", "absent"]), Value::Array(vec![]));
}

#[test]
fn the_tools_answer_with_their_codes() {
    let bench = Bench::new();
    bench.workspace.write("a.txt", "one\n");
    let engine = serve(&bench, &["--set", "arbiter.wait_seconds=0"]);
    let call = |name: &str, tool: &str, input: &str| {
        let ran = bench.run(&["call", "--as", name, tool, input]);
        let result: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        let code = result["code"].as_str().unwrap_or_default().to_owned();
        assert!(result["text"].as_str().unwrap_or_default().chars().count() <= 700, "{ran:#?}");
        (ran.code.unwrap_or(-1), code, result["data"].clone())
    };
    let code = |name: &str, tool: &str, input: &str| {
        let (exit, code, _) = call(name, tool, input);
        (exit, code)
    };
    let is = |exit: i32, word: &str| (exit, word.to_owned());
    let whole = r#"{"path":"a.txt","content":"two\n"}"#;
    assert_eq!(code("me", "write_file", whole), is(4, "UNREAD"));
    assert_eq!(bench.workspace.read("a.txt"), "one\n");
    assert_eq!(call("me", "read_file", r#"{"path":"a.txt"}"#).2["content"], "one\n");
    assert_eq!(code("me", "write_file", whole), is(0, "OK"));
    assert_eq!(code("me", "write_file", whole), is(0, "OK"));
    let edit = r#"{"path":"a.txt","old":"two","new":"three"}"#;
    assert_eq!(code("other", "edit_file", edit), is(0, "OK"));
    assert_eq!(code("other", "edit_file", edit), is(4, "STALE"));
    assert_eq!(code("me", "write_file", r#"{"path":"a.txt","content":"x\n"}"#).0, 4);
    assert_eq!(bench.workspace.read("a.txt"), "three\n");
    let absolute = bench.workspace.at("new/b.txt");
    let input = serde_json::json!({"path": absolute, "content": "b\n"}).to_string();
    assert_eq!(code("me", "write_file", &input), is(0, "OK"));
    assert_eq!(bench.workspace.read("new/b.txt"), "b\n");
    assert_eq!(code("me", "read_file", r#"{"path":"none.txt"}"#), is(1, "NOT_FOUND"));
    let outside = code("me", "write_file", r#"{"path":"../out.txt","content":"x"}"#);
    assert_eq!(outside.0, 1, "{outside:?}");
    assert!(!bench.workspace.path().parent().unwrap().join("out.txt").exists());

    let (exit, word, data) = call("me", "write_file", r#"{"path":".git/config","content":"x"}"#);
    assert_eq!((exit, word.as_str()), (5, "OUTSIDE"), "what is protected is the person's: {data}");

    let (exit, word, data) = call("me", "reserve_files", r#"{"paths":["pin.txt"],"minutes":5}"#);
    assert_eq!((exit, word.as_str(), &data["granted"]), (0, "OK", &true.into()));
    let pinned = r#"{"path":"pin.txt","content":"x"}"#;
    assert_eq!(code("other", "write_file", pinned), is(3, "PINNED"));
    let has = call("other", "who_has", r#"{"paths":["pin.txt","free.txt"]}"#).2;
    assert_eq!(
        (&has["items"][0]["owner"], &has["items"][0]["state"]),
        (&"me".into(), &"pinned".into())
    );
    assert_eq!(has["items"][1]["state"], "free");
    assert_eq!(code("me", "release_files", r#"{"paths":["pin.txt"]}"#), is(0, "OK"));
    assert_eq!(code("other", "write_file", pinned), is(0, "OK"));
    for wrong in [("bogus", "{}"), ("read_file", "{}"), ("read_file", "no json")] {
        let ran = bench.run(&["call", "--as", "me", wrong.0, wrong.1]);
        assert_eq!(ran.code, Some(2), "{ran:#?}");
    }
    shut_down(&bench, engine);
}

#[test]
fn a_script_that_waits_for_a_file_is_told_when_it_may_write_and_what_has_changed() {
    let bench = Bench::new();
    bench.workspace.write("a.txt", "one\ntwo\nthree\nfour\nfive\n");
    let engine = serve(&bench, &[]);
    let call = |name: &str, tool: &str, input: Value| {
        let ran = bench.run(&["call", "--as", name, tool, &input.to_string()]);
        let result: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        (ran.code, result["data"].clone(), result["text"].as_str().unwrap_or_default().to_owned())
    };
    let path = serde_json::json!({ "path": "a.txt" });
    call("me", "read_file", path.clone());
    let (code, data, _) = call("me", "wait_for", path.clone());
    assert_eq!((code, &data["granted"], &data["waited_s"]), (Some(0), &true.into(), &0.into()));
    assert_eq!(data["changed_since_you_read"], false, "{data}");
    assert_eq!(call("me", "release_files", serde_json::json!({})).0, Some(0));

    // Somebody else has it: the wait ends when it is free, and says that the file is another.
    let reserve = serde_json::json!({ "paths": ["a.txt"], "mode": "hold_still", "minutes": 5 });
    assert_eq!(call("red", "reserve_files", reserve).0, Some(0));
    let none = serde_json::json!({ "path": "a.txt", "timeout_s": 0 });
    assert_eq!(call("me", "wait_for", none).0, Some(3), "it is taken");
    let wait = serde_json::json!({ "path": "a.txt", "timeout_s": 60 }).to_string();
    let mut waiting = bench.start(&["call", "--as", "me", "wait_for", &wait]);
    wait_until("a place in the queue", || {
        let rows = bench.json(&["locks", "--json"]);
        rows.as_array().unwrap().iter().any(|row| row["queue"][0] == "me").then_some(())
    });
    let edit =
        |old: &str, new: &str| serde_json::json!({ "path": "a.txt", "old": old, "new": new });
    call("red", "read_file", path.clone());
    let (code, data, text) = call("red", "edit_file", edit("one", "1"));
    assert_eq!((code, &data["rebased"]), (Some(0), &false.into()), "{text}");
    assert_eq!(call("red", "release_files", serde_json::json!({})).0, Some(0));
    let got: Value = serde_json::from_str(&waiting.stdout.rest().join("\n")).unwrap();
    assert_eq!((waiting.wait_exit().0, &got["code"]), (Some(0), &"OK".into()), "{got}");
    assert!(got["data"]["waited_s"].is_u64(), "{got}");
    assert_eq!(got["data"]["changed_since_you_read"], true, "{got}");

    // An edit elsewhere in it still fits, on top of what was not seen.
    let (code, data, text) = call("me", "edit_file", edit("five", "5"));
    assert_eq!((code, &data["rebased"]), (Some(0), &true.into()), "{text}");
    assert_eq!(bench.workspace.read("a.txt"), "1\ntwo\nthree\nfour\n5\n");
    let wrong = serde_json::json!({ "paths": ["a.txt"], "mode": "read" });
    assert_eq!(call("me", "reserve_files", wrong).0, Some(2));
    assert_eq!(call("me", "wait_for", serde_json::json!({ "agent": "red" })).0, Some(2));
    shut_down(&bench, engine);
}

#[test]
fn a_file_in_the_hands_of_an_agent_is_held_until_the_person_takes_it() {
    let bench = Bench::new();
    bench.workspace.write("a.txt", "one\n");
    let engine = serve(&bench, &["--set", "arbiter.wait_seconds=0"]);
    let script = bench.script(
        "holder",
        "[[turn]]\nstep = [{ append = 'a.txt', content = \"mine\\n\", ask = false },\n\
         { bash = 'exec sleep 1000', ask = false }]\n",
    );
    spawn(&bench, "blue", &script, "go");
    let lock = wait_until("the lease", || {
        let rows = bench.json(&["locks", "--json"]);
        rows.as_array().unwrap().iter().find(|row| row["state"] == "held").cloned()
    });
    has(&lock, &["path", "owner", "state", "since_ms", "reason", "queue"]);
    assert_eq!((&lock["path"], &lock["owner"]), (&"a.txt".into(), &"blue".into()));
    assert_eq!(wait_state(&bench, "blue", "working")["holds"][0], "a.txt");
    let edit = r#"{"path":"a.txt","old":"one","new":"two"}"#;
    let held = bench.run(&["call", "--as", "me", "edit_file", edit]);
    assert_eq!(held.code, Some(3), "{held:#?}");
    let result: Value = serde_json::from_str(&held.stdout).unwrap();
    assert_eq!((&result["code"], &result["data"]["holder"]), (&"HELD".into(), &"blue".into()));
    assert_eq!(bench.run(&["steal", "a.txt"]).code, Some(0));
    let owner = bench.json(&["locks", "--json"]);
    assert_eq!(owner[0]["owner"], "you", "{owner:#}");
    assert_eq!(bench.run(&["release", "a.txt"]).code, Some(0));
    assert_eq!(bench.json(&["locks", "--json"]), Value::Array(vec![]));
    assert_eq!(bench.run(&["pin", "docs/", "--reason", "mine"]).code, Some(0));
    let pins = bench.json(&["locks", "--json"]);
    assert_eq!((&pins[0]["path"], &pins[0]["reason"]), (&"docs/".into(), &"mine".into()));
    let inside = r#"{"path":"docs/x.md","content":"x"}"#;
    assert_eq!(bench.run(&["call", "--as", "me", "write_file", inside]).code, Some(3));
    assert_eq!(bench.run(&["release", "docs/"]).code, Some(0));
    assert_eq!(bench.run(&["call", "--as", "me", "write_file", inside]).code, Some(0));
    shut_down(&bench, engine);
}

#[test]
fn one_workspace_has_one_engine_and_nobody_else_reaches_it() {
    let bench = Bench::new();
    let engine = serve(&bench, &[]);
    let second = bench.run(&["serve", "--foreground"]);
    assert_eq!(second.code, Some(1), "{second:#?}");
    assert!(second.stderr.contains(&format!("process {}", engine.pid())), "{second:#?}");
    let socket = place(&bench, "socket");
    assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
    assert_eq!((mode(&socket), mode(socket.parent().unwrap())), (0o600, 0o700));
    let history = place(&bench, "history");
    assert_eq!((mode(&history), mode(history.parent().unwrap())), (0o600, 0o700));
    kill(engine);
    assert!(socket.exists(), "a killed engine leaves its socket behind");
    assert_eq!(bench.run(&["agents"]).code, Some(7));
    let engine = serve(&bench, &[]);
    assert_eq!(bench.json(&["agents", "--json"]), Value::Array(vec![]));
    shut_down(&bench, engine);
    assert!(!socket.exists(), "an engine that ends takes its socket away");
}

#[test]
fn a_polite_signal_ends_the_engine_in_order() {
    let bench = Bench::new();
    for (signal, code) in [(Signal::TERM, 0), (Signal::INT, 130)] {
        let mut engine = serve(&bench, &[]);
        spawn(&bench, "blue", Path::new(&talker(&bench)), "slow");
        wait_until("the child", || bench.workspace.read("started.txt").trim().parse::<u32>().ok());
        engine.signal(signal);
        assert_eq!(engine.wait_exit().0, Some(code));
        assert_eq!(bench.run(&["agents"]).code, Some(7));
        let open = bench.json(&["sessions", "--json"]);
        assert!(open.as_array().unwrap().iter().all(|row| row["open"] == false), "{open:#}");
    }
}

#[test]
fn what_explains_the_program_can_be_read() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = bench.run(&["completions", shell]);
        assert_eq!(script.code, Some(0));
        assert!(script.stdout.contains("shutdown"), "{shell}");
    }
    let manual = bench.run(&["man"]);
    assert!(manual.stdout.contains(".TH benchdog"), "{}", manual.stdout);
    let keys = bench.run(&["keys"]);
    assert_eq!(keys.code, Some(0));
    assert!(keys.stdout.contains("Ctrl-Space n"), "{}", keys.stdout);
    let settings = bench.json(&["config", "show", "--json"]);
    assert_eq!(settings["arbiter.enabled"]["value"], true);
    assert_eq!(bench.json(&["config", "check", "--json"])["ok"], true);
    let file = place(&bench, "settings");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "[arbiter]\nwait_seconds = 'long'\n").unwrap();
    let check = bench.run(&["config", "check", "--json"]);
    assert_eq!(check.code, Some(1), "{check:#?}");
    let check: Value = serde_json::from_str(&check.stdout).unwrap();
    assert_eq!(check["problems"].as_array().unwrap().len(), 1, "{check:#}");
    fs::remove_file(&file).unwrap();
    let doctor = bench.run(&["doctor", "--json"]);
    let doctor: Value = serde_json::from_str(&doctor.stdout).unwrap();
    assert!(doctor["ok"].is_boolean());
    for check in doctor["checks"].as_array().unwrap() {
        has(check, &["name", "ok", "level", "found", "hint"]);
    }
    assert_eq!(bench.run(&["no-such-command"]).code, Some(2));
    let screen = bench.run(&["demo"]);
    assert_eq!(screen.code, Some(2), "no terminal, no screen: {screen:#?}");
}
