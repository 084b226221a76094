//! Sessions and engines: a session goes on in one place, a whole bench is answered for, and a tree
//! has one engine.

use benchdog::control::client::Client;
use benchdog::engine::boot::{Boot, boot};
use benchdog::engine::command::{Command, Reply};
use benchdog::engine::run::Engine;
use benchdog::model::agent::{AgentSpec, Backend};
use benchdog::model::failure::Failure;
use benchdog::model::id::SessionId;
use rustix::process::Signal;

use crate::support::bench_process::{Bench, PROGRAM};
use crate::support::engine::{agent, kill, serve, serve_with, shut_down, spawn, wait_until};

/// An engine in this process, and a front end of it.
async fn engine(bench: &Bench) -> (Engine, Client) {
    let mut wish = Boot::new(bench.workspace.path(), &bench.at_home("history.db"));
    wish.script = vec![PROGRAM.to_owned(), "agent-script".to_owned()];
    let engine = boot(wish).unwrap();
    let client = Client::new(engine.connector().connect());
    (engine, client)
}

async fn end((mut engine, mut client): (Engine, Client)) {
    client.done(Command::Shutdown).await.unwrap();
    engine.ended().await.unwrap();
}

/// Starts an agent that has nothing to do; its session is stored by then.
async fn start(bench: &Bench, client: &mut Client, name: &str) -> SessionId {
    let script = bench.script("idle", "[[turn]]\nstep = [{ text = 'so' }]\n");
    let spec = AgentSpec {
        name: name.to_owned(),
        backend: Backend::Script,
        command: vec![script.to_str().unwrap().to_owned()],
        env: bench.environment().into_iter().collect(),
        ..AgentSpec::default()
    };
    let id = client.begin(Command::StartAgent { spec }).await.unwrap();
    let rows = client.agents().await.unwrap();
    rows.into_iter().find(|row| row.id == id).unwrap().session_id
}

async fn resume_bench(client: &mut Client) -> (usize, Vec<Failure>) {
    match client.request(Command::ResumeBench { begun: None }).await.unwrap() {
        Reply::Resumed { agents, failures } => (agents.len(), failures),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_bench_goes_on_as_a_whole_and_in_one_engine_only() {
    let bench = Bench::new();
    let mut first = engine(&bench).await;
    let blue = start(&bench, &mut first.1, "blue").await;
    start(&bench, &mut first.1, "red").await;
    end(first).await;

    let mut second = engine(&bench).await;
    assert_eq!(resume_bench(&mut second.1).await, (2, Vec::new()));
    let rows = second.1.agents().await.unwrap();
    assert!(rows.iter().all(|row| row.pid.is_some()), "not all of them run: {rows:#?}");
    assert_eq!(resume_bench(&mut second.1).await, (0, Vec::new()));

    // However often another engine asks, the sessions stay where they are.
    let mut third = engine(&bench).await;
    for _ in 0..3 {
        let (agents, failures) = resume_bench(&mut third.1).await;
        assert_eq!((agents, failures.len()), (0, 2), "{failures:#?}");
        assert!(failures[0].message.contains("is open in another benchdog"), "{failures:#?}");
        let command =
            Command::ResumeSession { session: blue.clone(), fork: false, from_history: false };
        third.1.begin(command).await.unwrap_err();
    }
    end(third).await;
    assert!(second.1.agents().await.unwrap().iter().all(|row| row.pid.is_some()));
    end(second).await;
}

#[test]
fn an_engine_keeps_others_out_of_the_folders_in_its_tree() {
    let bench = Bench::new();
    bench.workspace.write("src/a", "");
    let outer = serve(&bench, &[]);
    let inner = bench.run(&["--workspace", "src", "serve", "--foreground"]);
    assert_eq!(inner.code, Some(1), "{inner:#?}");
    assert!(inner.stderr.contains("shares files with"), "{inner:#?}");
    shut_down(&bench, outer);
    let mut inner = bench.start(&["--workspace", "src", "serve", "--foreground"]);
    assert_eq!(inner.stdout.next().as_deref(), Some("ready"));
    inner.signal(Signal::TERM);
    assert_eq!(inner.wait_exit().0, Some(0));
}

#[test]
fn prompts_that_wait_outlive_the_engine() {
    let bench = Bench::new();
    let script =
        bench.script("slow", "cycle = true\n[[turn]]\nstep = [{ sleep_ms = 100000000 }]\n");
    let engine = serve_with(&bench, &[], &[("BENCHDOG_SCRIPT_SPEED", "1")]);
    spawn(&bench, "blue", &script, "one");
    let sent = bench.run(&["send", "blue", "two"]);
    assert_eq!(sent.code, Some(0), "{sent:#?}");
    wait_until("the queue", || {
        let queue = agent(&bench, "blue")["queue"].as_array().unwrap().len();
        (queue == 1).then_some(())
    });
    let path = bench.json(&["config", "path", "--json"])["history"].as_str().unwrap().to_owned();
    let stored = || {
        let reader = benchdog::history::Reader::open(path.as_ref()).ok()?;
        let rows = reader.sessions(&Default::default(), |_, _| false).ok()?;
        let waiting = reader.waiting(&rows.first()?.row.id).ok()?;
        (waiting.last().map(String::as_str) == Some("two")).then_some(())
    };
    wait_until("the stored prompt", stored);
    kill(engine);
    assert!(stored().is_some(), "forgotten");
}
