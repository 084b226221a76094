//! What fails under the running program: the disk, the history, an agent, the agreement of two
//! people at two screens. Each ends as it was promised: refused or kept, said, and over when the
//! cause is.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use serde_json::{Value, json};

use crate::support::bench_process::{Bench, Ran};
use crate::support::engine::{agent, kill, serve, shut_down, spawn, wait_state, wait_until};
use crate::support::faults::{Orders, POSSIBLE};
use crate::support::guard::kernel_asks;
use crate::support::workspace::Workspace;

const FILE: &str = "src/a.txt";
const TEXT: &str = "one\ntwo\n";

fn bench() -> Bench {
    Bench::in_workspace(Workspace::with(&[(FILE, TEXT), ("src/b.txt", "b\n"), ("run.sh", "x\n")]))
}

fn call(bench: &Bench, name: &str, tool: &str, input: &Value) -> Value {
    let ran = bench.run(&["call", "--as", name, tool, &input.to_string()]);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:#?}"))
}

/// Reads the file as `name` and replaces all of it; the code.
fn write(bench: &Bench, name: &str, text: &str) -> String {
    call(bench, name, "read_file", &json!({ "path": FILE }));
    let done = call(bench, name, "write_file", &json!({ "path": FILE, "content": text }));
    done["code"].as_str().unwrap().to_owned()
}

fn shell(bench: &Bench, name: &str, line: &str) -> Ran {
    bench.run(&["exec", "--as", name, "--", "sh", "-c", line])
}

/// The files of the tree and nothing else.
fn untouched(bench: &Bench) {
    let tree = bench.workspace.tree();
    assert_eq!(tree.keys().collect::<Vec<_>>(), ["run.sh", FILE, "src/b.txt"]);
    assert_eq!(bench.workspace.read(FILE), TEXT);
}

#[test]
fn while_the_folder_of_images_fails_nothing_is_destroyed() {
    if !POSSIBLE {
        return;
    }
    let bench = bench();
    let (engine, orders) = Orders::serve(&bench, &[]);
    orders.give("fail image-kept\n");
    assert_eq!(write(&bench, "red", "red's\n"), "FAILED");
    assert_eq!(
        call(&bench, "red", "write_file", &json!({ "path": "new", "content": "n\n" }))["code"],
        "FAILED"
    );
    untouched(&bench);
    if kernel_asks() {
        for line in [
            "echo two > src/a.txt",
            "echo two >> src/a.txt",
            "rm src/a.txt",
            "mv src/b.txt src/a.txt",
            "echo new > new",
            "chmod 600 src/a.txt",
        ] {
            let ran = shell(&bench, "red", line);
            assert_ne!(ran.code, Some(0), "{line}: {ran:#?}");
            assert!(ran.stderr.contains("Input/output error"), "{line}: {ran:#?}");
            untouched(&bench);
        }
    }
    orders.lift();
    assert_eq!(write(&bench, "red", "red's\n"), "OK", "it goes on as soon as the disk does");
    shut_down(&bench, engine);
}

#[test]
fn while_the_history_fails_no_tool_is_granted_a_write() {
    if !POSSIBLE {
        return;
    }
    let bench = bench();
    let (engine, orders) = Orders::serve(&bench, &[]);
    orders.give("fail history-written\n");
    let refused = call(&bench, "red", "write_file", &json!({ "path": "new", "content": "n\n" }));
    assert_eq!(refused["code"], "FAILED", "{refused}");
    let text = refused["text"].as_str().unwrap();
    assert!(text.contains("could not be recorded") && text.contains("Tell the person"), "{text}");
    untouched(&bench);
    orders.lift();
    wait_until("the history", || (write(&bench, "red", "red's\n") == "OK").then_some(()));
    shut_down(&bench, engine);
}

#[test]
fn a_history_that_is_deleted_under_the_engine_refuses_writes_and_loses_none() {
    let bench = bench();
    let mut engine = serve(&bench, &[]);
    assert_eq!(write(&bench, "red", "red's\n"), "OK");
    let history = bench.json(&["config", "path", "--json"])["history"].as_str().unwrap().to_owned();
    for ending in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{history}{ending}"));
    }
    let refused = call(&bench, "blue", "write_file", &json!({ "path": "new", "content": "n\n" }));
    assert_eq!(refused["code"], "FAILED", "{refused}");
    assert!(refused["text"].as_str().unwrap().contains("was deleted or moved away"), "{refused}");
    assert!(!bench.workspace.has("new"));
    if kernel_asks() {
        // What a process destroys meanwhile waits beside the history for the next start.
        assert_eq!(shell(&bench, "red", "rm src/b.txt").code, Some(0));
    }
    engine.signal(Signal::TERM);
    let (code, messages) = engine.wait_exit();
    assert_eq!(code, Some(1), "{messages}");
    assert!(messages.contains("records of the history are lost"), "{messages}");
    assert_eq!(bench.workspace.read(FILE), "red's\n");
    let engine = serve(&bench, &[]);
    if kernel_asks() {
        assert_eq!(bench.run(&["restore", "src/b.txt"]).code, Some(0));
        assert_eq!(bench.workspace.read("src/b.txt"), "b\n");
    }
    assert_eq!(write(&bench, "blue", "blue's\n"), "OK");
    shut_down(&bench, engine);
}

#[test]
fn a_history_that_is_none_is_said_at_the_start_and_left_alone() {
    let bench = bench();
    let history = bench.json(&["config", "path", "--json"])["history"].as_str().unwrap().to_owned();
    fs::create_dir_all(std::path::Path::new(&history).parent().unwrap()).unwrap();
    let garbage = "this is my shopping list, not a database\n".repeat(200);
    fs::write(&history, &garbage).unwrap();
    for args in [&["serve", "--foreground"][..], &["changes"], &["sessions"]] {
        let ran = bench.run(args);
        assert_eq!(ran.code, Some(1), "{args:?}: {ran:#?}");
        assert!(ran.stderr.contains("is not a database"), "{args:?}: {ran:#?}");
        assert!(ran.stderr.contains("aside"), "{args:?}: it says what to do: {ran:#?}");
        assert_eq!(fs::read_to_string(&history).unwrap(), garbage, "{args:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_full_disk_what_cannot_be_kept_is_not_destroyed() {
    if !kernel_asks() {
        return;
    }
    let bench = bench();
    let mut command = std::process::Command::new("sh");
    // It lives through a write that is too long.
    command.args(["-c", "trap '' XFSZ; exec \"$0\" serve --foreground"]);
    command.arg(bench.command(&[]).get_program()).current_dir(bench.workspace.path());
    command.env_clear().envs(bench.environment());
    let mut engine = crate::support::bench_process::Running::of(command);
    assert_eq!(engine.stdout.next().as_deref(), Some("ready"));
    // The history has taken everything in before the disk is full.
    assert_eq!(write(&bench, "red", TEXT), "OK");
    let pid = Pid::from_raw(i32::try_from(engine.pid()).unwrap()).unwrap();
    let maximum = getrlimit(Resource::Fsize).maximum;
    let limit = |bytes| {
        prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes, maximum }).unwrap();
    };
    limit(Some(0));
    for line in ["echo two > src/a.txt", "echo two 1<> src/a.txt"] {
        let ran = shell(&bench, "red", line);
        assert_ne!(ran.code, Some(0), "{line}: {ran:#?}");
        untouched(&bench);
    }
    let refused = call(&bench, "red", "write_file", &json!({ "path": FILE, "content": "x\n" }));
    assert_eq!(refused["code"], "FAILED", "{refused}");
    untouched(&bench);
    limit(maximum);
    wait_until("room", || {
        (shell(&bench, "red", "echo two > src/a.txt").code == Some(0)).then_some(())
    });
    kill(engine);
    let engine = serve(&bench, &[]);
    assert_eq!(bench.run(&["restore", FILE]).code, Some(0));
    untouched(&bench);
    shut_down(&bench, engine);
}

#[test]
fn a_folder_that_cannot_be_written_refuses_and_is_as_it_was() {
    if rustix::process::geteuid().is_root() {
        // Root writes there all the same.
        return;
    }
    let bench = bench();
    let engine = serve(&bench, &[]);
    let chmod = |mode| {
        let folder = fs::Permissions::from_mode(mode);
        fs::set_permissions(bench.workspace.at("src"), folder).unwrap();
    };
    chmod(0o555);
    let code = write(&bench, "red", "red's\n");
    let locks = bench.json(&["locks", "--json"]);
    chmod(0o755);
    assert_eq!(code, "FAILED");
    assert_eq!(locks, json!([]), "what failed holds nothing");
    untouched(&bench);
    assert_eq!(write(&bench, "red", "red's\n"), "OK");
    shut_down(&bench, engine);
}

/// An agent that waits in each of its states until it is told to go on.
const HOLDER: &str = "
[[turn]]
step = [
  { read = 'src/a.txt' },
  { write = 'src/a.txt', content = \"one\\ntwo\\nblue's\\n\", ask = false },
  { bash = 'echo $$ > pid.log; exec sleep 1000', ask = false },
]
";

fn process_of(bench: &Bench, name: &str) -> Pid {
    let pid = agent(bench, name)["pid"].as_i64().unwrap();
    Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

#[test]
fn an_agent_that_is_stopped_keeps_what_it_has_for_its_time_and_one_that_is_killed_nothing() {
    let bench = bench();
    let engine = serve(
        &bench,
        &["--set", "arbiter.held_min_seconds=2", "--set", "arbiter.held_max_seconds=2"],
    );
    for signal in [Signal::STOP, Signal::KILL] {
        let name = if signal == Signal::STOP { "stopped" } else { "killed" };
        bench.workspace.write(FILE, TEXT);
        let script = bench.script(name, HOLDER);
        spawn(&bench, name, &script, "go");
        wait_until("its write", || {
            let locks = bench.json(&["locks", "--json"]);
            let own =
                locks.as_array()?.iter().any(|row| row["path"] == FILE && row["owner"] == name);
            own.then_some(())
        });
        kill_process(process_of(&bench, name), signal).unwrap();
        // The lease goes with its time, or at once with its process.
        let text = format!("{name} is over\n");
        wait_until("the file to be free", || (write(&bench, "green", &text) == "OK").then_some(()));
        assert_eq!(bench.workspace.read(FILE), text);
        if signal == Signal::KILL {
            wait_state(&bench, name, "dead");
        }
    }
    // A stopped process is ended like any other.
    let ran = bench.run(&["stop", "stopped"]);
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    shut_down(&bench, engine);
}

#[test]
fn of_two_people_who_answer_at_once_one_is_heard_and_the_other_is_told() {
    let bench = bench();
    let engine = serve(&bench, &[]);
    for round in 0..4 {
        let name = format!("blue{round}");
        let file = format!("asked{round}.txt");
        let text =
            format!("[[turn]]\nstep = [{{ write = '{file}', content = 'yes', ask = true }}]\n");
        spawn(&bench, &name, &bench.script(&name, &text), "go");
        wait_state(&bench, &name, "needs_you");
        let mut running: Vec<_> = ["allow", "deny", "allow", "deny"]
            .iter()
            .map(|verdict| (*verdict, bench.start(&["answer", &name, verdict])))
            .collect();
        let ended = running.iter_mut().map(|(verdict, running)| (*verdict, running.wait_exit()));
        let ended: Vec<_> = ended.collect();
        let heard: Vec<&str> =
            ended.iter().filter(|(_, end)| end.0 == Some(0)).map(|(verdict, _)| *verdict).collect();
        let [heard] = heard[..] else { panic!("one of them is heard: {ended:#?}") };
        let late = ended.iter().filter(|(_, end)| end.0 != Some(0));
        for (_, (_, messages)) in late {
            let said = ["that question is closed already", "there is no question"];
            assert!(said.iter().any(|words| messages.contains(words)), "{messages}");
        }
        wait_state(&bench, &name, "finished");
        assert_eq!(bench.workspace.has(&file), heard == "allow");
    }
    shut_down(&bench, engine);
}
