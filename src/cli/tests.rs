//! Whole command lines, without a process: what they print, and their exit codes.
#![expect(clippy::wildcard_enum_match_arm, reason = "a script answers what it is about")]

mod asks;
mod changes;
mod screen;

use serde_json::{Value, json};

use super::fake::{FakeParts, Ran, Scene, hit};
use super::parts::Opening;
use crate::config::bench::{Bench, Layout};
use crate::control::fake::{FakeEngine, agent};
use crate::engine::command::{Command, Reply};
use crate::model::agent::{AgentSpec, AgentState};
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::{AgentId, AskId, CallId, ItemId};
use crate::model::lease::{LeaseInfo, LeaseState, Owner};
use crate::model::permission::{Ask, AskAnswer, AskKind, Choice, Question, Suggestion};
use crate::model::session::TranscriptPage;
use crate::model::time::Wall;
use crate::model::transcript::{Body, Item, Speaker, ToolCall, ToolStatus};

/// An engine with two agents, a lease and an ask, that does what it is told.
fn busy() -> FakeEngine {
    FakeEngine::new(|command, _| match command {
        Command::ListAgents => Reply::Agents(vec![
            agent(1, "blue", AgentState::Working),
            agent(2, "red", AgentState::NeedsYou),
        ]),
        Command::ListLocks => Reply::Locks(vec![LeaseInfo {
            path: "src/a.rs".into(),
            owner: Owner::Session("s".into(), None),
            owner_name: "blue".into(),
            state: LeaseState::Held,
            since: Wall(10_000_000 - 120_000),
            until: None,
            reason: "lexer".into(),
            queue: vec!["red".into()],
        }]),
        Command::ListAsks => Reply::Asks(vec![ask()]),
        Command::StartAgent { .. } => Reply::Agent(AgentId(2)),
        Command::ResumeSession { .. } => Reply::Agent(AgentId(1)),
        Command::CallTool { tool, .. } if tool == "edit_file" => {
            Reply::Tool(json!({"ok": false, "code": "HELD", "text": "blue holds it", "data": {}}))
        }
        Command::CallTool { .. } => Reply::Tool(json!({"ok": true, "code": "OK", "data": {}})),
        Command::Release { path } if path == "nothing" => {
            Reply::Failed(Failure::new(FailureKind::Failed, "nobody holds nothing"))
        }
        _ => Reply::Done,
    })
}

fn ask() -> Ask {
    Ask {
        id: AskId(7),
        agent: AgentId(2),
        sub: None,
        call: None,
        tool: "Bash".to_owned(),
        input: json!({"command": "cargo doc"}),
        kind: AskKind::Permission,
        suggestions: vec![Suggestion { label: "Bash(cargo doc *)".into(), raw: Value::Null }],
        reason: None,
        at: Wall(10_000_000),
    }
}

fn scene() -> Scene {
    Scene::new(FakeParts::default())
}

fn json_of(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{} {}", ran.out, ran.err))
}

/// Runs against a busy engine; gives what happened and what the engine was asked to change.
fn ask_engine(args: &[&str]) -> (Ran, Vec<Command>) {
    let engine = busy();
    let ran = scene().run_against(&engine, args);
    let lists = |command: &Command| {
        matches!(command, Command::ListAgents | Command::ListLocks | Command::ListAsks)
    };
    (ran, engine.heard().into_iter().filter(|command| !lists(command)).collect())
}

#[test]
fn wrong_use_is_code_2_and_help_is_code_0() {
    for args in [
        &["--nonsense"][..],
        &["run"],
        &["call", "read_file"],
        &["spawn", "a b"],
        &["run", "--permission-mode", "wild", "x"],
        &["run", "--timeout", "soon", "x"],
        &["run", "--max-budget-usd", "-1", "x"],
        &["resume", "--last", "x"],
        &["config"],
        &["install", "everything"],
        &["--workspace", "/does/not/exist", "agents"],
        &["somewhere", "agents"],
        &["call", "--as", "blue", "who_has", "{"],
        &["man", "nonsense"],
        &["--workspace", ".", "."],
    ] {
        let ran = scene().run(args);
        assert_eq!(ran.code, 2, "{args:?} {}", ran.err);
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{args:?}");
    }
    for args in [&["--help"][..], &["run", "--help"], &["--version"]] {
        let ran = scene().run(args);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{args:?}");
        assert!(!ran.out.is_empty());
    }
}

#[test]
fn a_slip_in_a_command_is_recognised() {
    let ran = scene().run(&["agnets"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("perhaps the command `benchdog agents` is meant"), "{}", ran.err);
}

#[test]
fn without_an_engine_its_commands_are_code_7_with_a_hint() {
    for args in [
        &["agents"][..],
        &["locks"],
        &["answer"],
        &["send", "blue", "x"],
        &["call", "--as", "blue", "who_has"],
        &["spawn"],
        &["shutdown"],
        &["steal", "a"],
    ] {
        let ran = scene().run(args);
        assert_eq!(ran.code, 7, "{args:?}");
        assert!(ran.err.contains("`benchdog serve` runs the engine alone"), "{}", ran.err);
    }
    let ran = scene().run(&["agents", "--json"]);
    assert_eq!(json_of(&ran)["error"]["kind"], "unreachable");
}

#[test]
fn agents_are_a_table_for_people_and_rows_for_scripts() {
    let (ran, _) = ask_engine(&["agents"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(
        ran.out,
        "   NAME  STATE      MODEL  MODE     GUARD      COST  HOLDS  TITLE\n\
         ●  blue  working    demo   default  advisory  $0.25      1  a title\n\
         ◆  red   needs you  demo   default  advisory  $0.25      1  a title\n"
    );
    let (ran, _) = ask_engine(&["--json", "agents"]);
    assert_eq!(json_of(&ran)[1]["name"], "red");
}

#[test]
fn locks_are_a_table_for_people_and_rows_for_scripts() {
    let (ran, _) = ask_engine(&["locks"]);
    assert_eq!(
        ran.out,
        "PATH      OWNER  STATE  SINCE  WAITING  REASON\n\
         src/a.rs  blue   held   2 min  red      lexer\n"
    );
    let (ran, _) = ask_engine(&["locks", "--json"]);
    assert_eq!(json_of(&ran)[0]["queue"], json!(["red"]));
}

#[test]
fn commands_reach_the_agent_that_was_named() {
    let (blue, red) = (AgentId(1), AgentId(2));
    for (args, command) in [
        (&["send", "blue", "go", "on"][..], Command::Send { agent: blue, text: "go on".into() }),
        (&["interrupt", "red"], Command::Interrupt { agent: red }),
        (&["stop", "red"], Command::StopAgent { agent: red }),
        (
            &["pin", "src/", "*.md", "--reason", "mine"],
            Command::Pin {
                patterns: vec!["src/".into(), "*.md".into()],
                reason: "mine".into(),
                to: None,
            },
        ),
        (&["steal", "a", "--for", "blue"], Command::Steal { path: "a".into(), to: Some(blue) }),
        (&["release", "a"], Command::Release { path: "a".into() }),
    ] {
        let (ran, heard) = ask_engine(args);
        assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{args:?} {}", ran.err);
        assert_eq!(heard, [command]);
    }
}

#[test]
fn a_name_that_nobody_has_is_wrong_use() {
    let (ran, heard) = ask_engine(&["send", "green", "x"]);
    assert_eq!((ran.code, heard), (2, vec![]));
    assert_eq!(ran.err, "there is no agent `green`\n  there are blue, red\n");
}

#[test]
fn the_first_refusal_stops_a_row_of_changes() {
    let (ran, heard) = ask_engine(&["release", "a", "nothing", "b"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, "nobody holds nothing\n"));
    assert_eq!(heard.len(), 2);
}

#[test]
fn spawn_says_the_name_of_the_new_agent() {
    let (ran, heard) = ask_engine(&["spawn", "red", "--prompt", "go", "--model", "opus"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "red\n"), "{}", ran.err);
    let [Command::StartAgent { spec }] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((spec.name.as_str(), spec.prompt.as_deref()), ("red", Some("go")));
}

#[test]
fn a_call_prints_the_result_and_its_code_is_the_exit_code() {
    let input = r#"{"paths":["a"]}"#;
    let (ran, heard) = ask_engine(&["call", "--as", "blue", "who_has", input]);
    assert_eq!((ran.code, json_of(&ran)["code"].as_str()), (0, Some("OK")));
    let call = Command::CallTool {
        name: "blue".into(),
        tool: "who_has".into(),
        input: json!({"paths": ["a"]}),
    };
    assert_eq!(heard, [call]);
    let (ran, _) = ask_engine(&["call", "--as", "red", "edit_file", "{}"]);
    assert_eq!((ran.code, json_of(&ran)["code"].as_str()), (3, Some("HELD")));
}

#[test]
fn shutdown_waits_for_the_end() {
    let engine = busy();
    let ran = scene().run_against(&engine, &["shutdown"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(engine.heard(), [Command::Shutdown]);
}

#[test]
fn serve_says_ready_and_ends_with_its_engine() {
    let engine = busy();
    let scene = Scene::new(FakeParts { engine: Some(engine.clone()), ..FakeParts::default() });
    engine.ended.cancel();
    let ran = scene.run(&["serve", "--foreground"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "ready\n"), "{}", ran.err);
    assert!(!scene.folders().socket(&scene.workspace()).exists());
    let engine = busy();
    let scene = Scene::new(FakeParts { engine: Some(engine.clone()), ..FakeParts::default() });
    scene.wish.notify_one();
    assert_eq!(scene.run(&["serve", "--foreground"]).code, 130);
    assert_eq!(engine.heard(), [Command::Shutdown]);
}

#[test]
fn who_breaks_off_twice_does_not_wait_for_the_end() {
    let wish = std::sync::Arc::new(tokio::sync::Notify::new());
    let again = std::sync::Arc::clone(&wish);
    let engine = FakeEngine::new(move |_, _| {
        again.notify_one();
        Reply::Done
    });
    let parts = FakeParts { engine: Some(engine), never_ends: true, ..FakeParts::default() };
    let scene = Scene { wish, ..Scene::new(parts) };
    scene.wish.notify_one();
    let ran = scene.run(&["serve", "--foreground"]);
    assert_eq!(ran.code, 130);
    assert!(ran.err.contains("the engine did not end in order"), "{}", ran.err);
}

#[test]
fn a_second_engine_is_refused_while_one_runs() {
    let engine = busy();
    let parts = FakeParts { engine: Some(busy()), ..FakeParts::default() };
    let ran = Scene::new(parts).run_against(&engine, &["serve", "--foreground"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("an engine runs on this workspace already"), "{}", ran.err);
    assert!(ran.err.contains(&format!("(process {})", std::process::id())), "{}", ran.err);
}

#[test]
fn sessions_need_no_engine() {
    let mut scene = scene();
    let here = scene.workspace().display().to_string();
    scene.parts.stored = vec![
        hit("0192a3b4-0000-7000-8000-00000000aaaa", "Fix the\nlexer", &here),
        hit("0192a3b4-0000-7000-8000-00000000bbbb", "elsewhere", "/w"),
    ];
    let ran = scene.run(&["sessions"]);
    assert_eq!(
        ran.out,
        "ID        AGENT  STATE      CHANGED  TURNS   COST  BRANCH  TITLE\n\
         0000aaaa  blue   can go on  2 h          3  $1.50  main    Fix the lexer\n"
    );
    let ran = scene.run(&["sessions", "--all", "--json"]);
    assert_eq!(json_of(&ran).as_array().map(Vec::len), Some(2));
    let ran = scene.run(&["search", "--all", "else"]);
    assert!(ran.out.contains("elsewhere") && !ran.out.contains("lexer"), "{}", ran.out);
    let ran = scene.run(&["search", "nothing"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
}

#[test]
fn a_session_whose_agent_was_stopped_is_not_called_open() {
    let mut scene = scene();
    let here = scene.workspace().display().to_string();
    let open = |id: &str, state: &str| {
        let mut open = hit(id, "a title", &here);
        (open.open, open.row.last_state) = (true, state.to_owned());
        open
    };
    scene.parts.stored = vec![open("0000aaaa", "dead"), open("0000bbbb", "idle")];
    let ran = scene.run(&["sessions"]);
    let states: Vec<_> =
        ran.out.lines().skip(1).filter_map(|line| line.split_whitespace().nth(2)).collect();
    assert_eq!(states, ["stopped", "open"], "{}", ran.out);
}

#[test]
fn a_stored_session_is_printed() {
    let item =
        |id, body| Item { id: ItemId(id), at: Wall(0), parent: None, sub: None, open: false, body };
    let mut scene = scene();
    scene.parts.stored = vec![hit("0192-aaaa", "A title", "/w"), hit("0193-aaaa", "B", "/w")];
    scene.parts.page = TranscriptPage {
        items: vec![
            item(1, Body::Prompt { text: "go".into(), from: Speaker::Person }),
            item(2, Body::Text { text: "I \x1b[2Jgo.".into() }),
            item(
                3,
                Body::Tool(ToolCall {
                    call: CallId::from("c"),
                    name: "Bash".into(),
                    input: json!({"command": "ls\n-l"}),
                    status: ToolStatus::Failed,
                    result: None,
                    took_ms: None,
                }),
            ),
        ],
        more_before: true,
    };
    let ran = scene.run(&["show", "0192-aaaa"]);
    assert_eq!(ran.out, "A title\n…\n\n› go\nI ␛[2Jgo.\n✗ Bash  ls\n");
    let ran = scene.run(&["show", "--json", "0193"]);
    assert_eq!(json_of(&ran)["session"]["title"], "B");
    assert_eq!(scene.run(&["show", "aaaa"]).code, 2);
    assert_eq!(scene.run(&["show", "ffff"]).code, 2);
}

#[test]
fn settings_are_shown_with_where_they_come_from() {
    let mut scene = scene();
    scene.variables.push(("BENCHDOG_UI_THEME".into(), "day".into()));
    let ran = scene.run(&["config", "show", "--set", "limits.agents=2"]);
    assert!(
        ran.out.contains("ui.theme                  \"day\"")
            && ran.out.contains("environment BENCHDOG_UI_THEME"),
        "{}",
        ran.out
    );
    let shown = json_of(&scene.run(&["config", "show", "--json", "--set", "limits.agents=2"]));
    assert_eq!(shown["limits.agents"], json!({"value": 2, "from": "--set"}));
    let paths = json_of(&scene.run(&["config", "path", "--json"]));
    let home = scene.dir.path().join("home").display().to_string();
    assert_eq!(paths["settings"], format!("{home}/config/config.toml"));
    assert_eq!(paths["history"], format!("{home}/data/history.db"));
}

#[test]
fn a_check_of_the_settings_tells_everything_that_is_wrong() {
    let scene = scene();
    let ran = scene.run(&["config", "check"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "the settings are in order\n"));
    let folder = scene.workspace().join(".benchdog");
    std::fs::create_dir(&folder).expect("a folder");
    let text = "claude.command = [\"x\"]\nlimits.agents = 99\nnonsense = 1\n";
    std::fs::write(folder.join("config.toml"), text).expect("a file");
    let ran = scene.run(&["config", "check"]);
    assert_eq!(ran.code, 1);
    for said in [
        "config.toml:1:18: a project cannot set `claude.command`",
        "config.toml:2:17: a project cannot set `limits.agents` to 99",
        "config.toml:3:1: there is no setting `nonsense`",
    ] {
        assert!(ran.out.contains(said), "{said} is not in\n{}", ran.out);
    }
    let ran = scene.run(&["config", "check", "--json"]);
    assert_eq!(json_of(&ran)["problems"].as_array().map(Vec::len), Some(3));
}

#[test]
fn settings_on_which_safety_hangs_stop_the_start() {
    let engine = busy();
    let parts = FakeParts { engine: Some(engine.clone()), ..FakeParts::default() };
    let scene = Scene::new(parts);
    let file = scene.folders().settings_file();
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    std::fs::write(&file, "agent.permission_mode = \"plann\"\n").expect("a file");
    let ran = scene.run(&["run", "x"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("config.toml:1:25: `agent.permission_mode` must be"), "{}", ran.err);
    assert_eq!(engine.heard(), []);
    // What needs no engine of its own goes on.
    assert_eq!(scene.run(&["doctor"]).code, 1);
    assert_eq!(scene.run(&["agents"]).code, 7);
}

#[test]
fn doctor_tells_scripts_whether_all_is_well() {
    let mut scene = scene();
    let ran = scene.run(&["doctor", "--json", "--ping"]);
    let told = json_of(&ran);
    assert_eq!((ran.code, told["ok"].as_bool()), (1, Some(false)));
    let row = |name: &str| {
        let rows = told["checks"].as_array().expect("rows");
        rows.iter().find(|row| row["name"] == name).cloned().expect("a row")
    };
    assert_eq!(row("agent")["ok"], false);
    assert_eq!(row("ping")["level"], "error");
    assert_eq!(row("guard")["found"], "advisory: there is no Landlock");
    assert_eq!(row("history")["found"], "in order");
    // With an agent that can be started, all is well.
    let answer = r#"{"type":"control_response","response":{"subtype":"success","response":{"hook_on_failure_supported":true}}}"#;
    let program = format!(
        "#!/bin/sh\ncase \"$*\" in *--version*) echo 9.9;; *) read line; echo '{answer}';; esac\n"
    );
    let bin = scene.dir.path().join("bin");
    write_program(&bin.join("claude"), &program);
    scene.variables.push(("PATH".into(), bin.display().to_string()));
    let ran = scene.run(&["doctor", "--ping"]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.out.contains("9.9 at ") && ran.out.contains("the agent answers after"));
}

fn write_program(path: &std::path::Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    std::fs::write(path, text).expect("a file");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, executable).expect("a program");
}

#[test]
fn an_agent_is_installed_by_npm_where_it_is_found_again() {
    let mut scene = scene();
    let bin = scene.dir.path().join("bin");
    scene.variables.push(("PATH".into(), format!("{}:/usr/bin:/bin", bin.display())));
    let npm = "#!/bin/sh\nfor last in \"$@\"; do :; done\nmkdir -p node_modules/.bin\n\
               echo \"#!/bin/sh\" > node_modules/.bin/claude\n\
               chmod +x node_modules/.bin/claude\necho \"$last\" > asked\n";
    write_program(&bin.join("npm"), npm);
    let ran = scene.run(&["install", "claude"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let folder = scene.folders().programs().join("claude");
    let asked = std::fs::read_to_string(folder.join("asked")).expect("npm was called");
    assert_eq!(asked, "@anthropic-ai/claude-code@2.1.329\n");
    assert!(ran.out.trim_end().ends_with("node_modules/.bin/claude"), "{}", ran.out);
    assert!(json_of(&scene.run(&["doctor", "--json"]))["checks"][1]["ok"].as_bool() == Some(true));
    write_program(&bin.join("npm"), "#!/bin/sh\necho 'E404 not found' >&2\nexit 1\n");
    let ran = scene.run(&["install", "claude"]);
    assert_eq!(ran.code, 6);
    assert!(ran.err.contains("could not be installed: E404 not found"), "{}", ran.err);
}

#[test]
fn texts_need_neither_home_nor_engine() {
    let ran = scene().run(&["completions", "bash"]);
    assert!(ran.code == 0 && ran.out.contains("_benchdog"), "{}", ran.err);
    let ran = scene().run(&["man"]);
    assert!(ran.code == 0 && ran.out.contains(".TH benchdog"), "{}", ran.out);
    let ran = scene().run(&["man", "run"]);
    assert!(ran.code == 0 && ran.out.contains("max\\-budget\\-usd"), "{}", ran.out);
    assert_eq!(scene().run(&["keys"]).out, "prefix s  split\n");
    assert_eq!(scene().run(&["agent-script", "x", "--resume=1", "-p"]).code, 3);
}

#[test]
fn the_settings_know_the_themes_of_the_screen() {
    let kind = crate::config::schema::Key::find("ui.theme").map(|key| key.kind);
    let names = &crate::ui::theme::Theme::NAMES;
    assert_eq!(kind, Some(crate::config::schema::Kind::Word(names)));
}
