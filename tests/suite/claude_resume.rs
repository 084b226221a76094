//! Going on with conversations of the real agent: after a crash, in another engine, in a branch,
//! and when its own record is gone.

use std::fs;
use std::path::PathBuf;

use benchdog::engine::command::{Command, Reply};
use benchdog::model::agent::AgentState;
use benchdog::model::id::SessionId;
use benchdog::model::permission::PermissionMode;
use benchdog::model::transcript::Body;
use serde_json::{Value, json};

use crate::support::bench_engine::BenchEngine;
use crate::support::model_api::{ModelApi, text, tool};
use crate::support::workspace::Workspace;

fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

fn hanging() -> Value {
    json!({ "hang": true, "blocks": [] })
}

fn scripts() -> ModelApi {
    ModelApi::start(&json!({
        "one": [text("The word is heron.")], "hang": [hanging()], "two": [text("Heron it was.")],
    }))
}

/// Goes on with a session.
fn resume(session: &SessionId, fork: bool, from_history: bool) -> Command {
    Command::ResumeSession { session: session.clone(), fork, from_history }
}

/// The records that the agent keeps of its conversations, by their ids.
fn records(home: &std::path::Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(home.join("projects")).unwrap().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).unwrap().flatten());
    let files = files.map(|file| file.path());
    files.filter(|path| path.extension().is_some_and(|end| end == "jsonl")).collect()
}

#[test]
fn an_agent_that_was_killed_is_dead_and_goes_on_in_its_conversation() {
    let api = scripts();
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.turn(agent, "[[script:one]] remember");
    let before = bench.now(agent);
    bench.send(agent, "[[script:hang]]");
    api.wait_for("the request", |request| request.script.as_deref() == Some("hang"));
    kill(before.pid.unwrap());
    let dead = bench.state(agent, AgentState::Dead);
    assert!(dead.trouble.as_ref().is_some_and(|words| words.contains("signal 9")), "{dead:#?}");
    assert_eq!(dead.backend_session_id, before.backend_session_id);
    bench.mark();
    bench.done(Command::RestartAgent { agent });
    bench.row(agent, "another process", |row| row.pid.is_some() && row.pid != before.pid);
    bench.turn(agent, "[[script:two]]");
    let request = &api.of_script("two")[0];
    assert!(request.conversation().contains("The word is heron."), "{}", request.conversation());
    let after = bench.now(agent);
    assert_eq!(after.session_id, before.session_id);
    assert_eq!(after.backend_session_id, before.backend_session_id);
    assert_ne!(after.pid, before.pid);
}

#[test]
fn an_agent_that_was_killed_while_a_command_runs_leaves_no_command_behind() {
    let run = tool("Bash", &json!({ "command": "echo $$ > pid.txt; sleep 600" }));
    let api = ModelApi::start(&json!({ "run": [run, text("Done.")], "two": [text("Two.")] }));
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::BypassPermissions);
    bench.send(agent, "[[script:run]]");
    crate::support::bench_engine::until("the number of the process", || {
        bench.workspace.read("pid.txt").ends_with('\n')
    });
    let child: i32 = bench.workspace.read("pid.txt").trim().parse().unwrap();
    let pid = bench.now(agent).pid.unwrap();
    kill(pid);
    bench.state(agent, AgentState::Dead);
    let child = rustix::process::Pid::from_raw(child).unwrap();
    assert!(rustix::process::test_kill_process(child).is_err(), "the command lives on");
    // Who writes to a dead agent wants it to go on.
    assert!(!bench.turn(agent, "[[script:two]]").is_error);
    assert!(api.of_script("two")[0].conversation().contains("pid.txt"));
}

#[test]
fn a_session_goes_on_in_another_engine() {
    let api = scripts();
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.turn(agent, "[[script:one]] remember");
    let before = bench.now(agent);
    let twice = bench.ask(resume(&before.session_id, false, false));
    assert!(matches!(twice, Reply::Failed(_)), "it is open: {twice:?}");
    bench.close();
    bench.boot(|_| {});
    let agent = bench.agent_of(resume(&before.session_id, false, false));
    bench.turn(agent, "[[script:two]]");
    assert!(api.of_script("two")[0].conversation().contains("The word is heron."));
    let after = bench.now(agent);
    assert_eq!(
        (&after.session_id, &after.backend_session_id, after.name.as_str()),
        (&before.session_id, &before.backend_session_id, "blue")
    );
    assert!(after.usage.cost_usd > before.usage.cost_usd, "the cost is of the whole session");
    bench.close();
    let items = bench.history().page(&before.session_id, None, 100).unwrap().items;
    let texts: Vec<_> = items
        .iter()
        .filter_map(|item| match &item.body {
            Body::Text { text } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(texts, ["The word is heron.", "Heron it was."]);
}

#[test]
fn a_fork_has_the_past_and_an_id_of_its_own() {
    let api = scripts();
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.turn(agent, "[[script:one]] remember");
    let first = bench.now(agent);
    let fork = bench.agent_of(resume(&first.session_id, true, false));
    bench.turn(fork, "[[script:two]]");
    assert!(api.of_script("two")[0].conversation().contains("The word is heron."));
    let second = bench.now(fork);
    assert_ne!(second.session_id, first.session_id);
    assert_ne!(second.backend_session_id, first.backend_session_id);
    assert!(second.backend_session_id.is_some());
    assert_eq!(bench.now(agent).backend_session_id, first.backend_session_id);
    bench.close();
    let stored = bench.sessions();
    let row = stored.iter().find(|row| row.id == second.session_id).unwrap();
    assert_eq!(row.forked_from.as_ref(), Some(&first.session_id));
}

#[test]
fn a_session_whose_record_is_gone_says_so_and_a_new_one_is_fed_from_the_history() {
    let api = scripts();
    let Some(mut bench) = BenchEngine::start(Workspace::new(), &api) else { return };
    let agent = bench.agent("blue", PermissionMode::Default);
    bench.turn(agent, "[[script:one]] remember");
    let before = bench.now(agent);
    bench.done(Command::RemoveAgent { agent });
    bench.wait_for("its end", |event| match event {
        benchdog::engine::event::Event::AgentRemoved { agent: of } => (*of == agent).then_some(()),
        _ => None,
    });
    for record in records(&bench.home.path().join(".claude")) {
        fs::remove_file(record).unwrap();
    }
    let Reply::Failed(failure) = bench.ask(resume(&before.session_id, false, false)) else {
        panic!("there is nothing to go on with");
    };
    assert!(failure.hint.as_ref().is_some_and(|hint| hint.contains("history")), "{failure:?}");
    let kept = bench.sessions();
    assert_eq!(kept[0].backend_session_id, before.backend_session_id, "no id is lost");
    let agent = bench.agent_of(resume(&before.session_id, false, true));
    let end = bench.turn_end(agent);
    assert!(!end.is_error, "{end:?}");
    let requests = api.of_script("one");
    let request = requests.last().unwrap().conversation();
    assert!(request.contains("earlier conversation") && request.contains("The word is heron."));
    let after = bench.now(agent);
    assert_ne!(after.session_id, before.session_id);
    bench.close();
    let stored = bench.sessions();
    let old = stored.iter().find(|row| row.id == before.session_id).unwrap();
    assert_eq!(old.backend_session_id, before.backend_session_id);
}
