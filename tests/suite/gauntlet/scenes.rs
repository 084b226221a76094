//! Moments: processes that are stopped, killed or left behind, that wait for one another, and a
//! disk that is full.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::field::Field;
use super::{BLUES, code_of};
use crate::support::bench_process::Bench;
use crate::support::engine::{agent, serve, shut_down, spawn, wait_state, wait_until};
use crate::support::workspace::Workspace;

/// Says what was seen, or why it cannot be done here.
type Scene = fn(&Field, usize) -> Result<String, String>;

pub(crate) const SCENES: &[(&str, Scene)] = &[
    ("stopped in the middle, and resumed", stopped),
    ("killed in the middle", killed),
    ("a server that is left behind", left_behind),
    ("a server that writes later", writes_later),
    ("a mapping that outlives its file's descriptor", mapped),
    ("a symlink that is swapped meanwhile", swapped),
    ("four who append at once", appended),
    ("parked, then done", parked),
    ("removed, to be made anew", anew),
    ("two processes that wait for each other", crossed),
    ("two tools that wait for each other", crossed_tools),
    ("a sub-agent and its parent", family),
    ("an agent in its turn", in_its_turn),
    ("a second engine", second_engine),
    ("a full disk", full_disk),
];

const F: &str = "src/f.txt";

/// The folder of a scene.
pub(crate) fn folder(number: usize) -> String {
    format!("m{number}")
}

/// The names of both in a scene, the file at stake and the folder.
fn place(number: usize) -> (String, String, String, String) {
    let folder = folder(number);
    let path = format!("{folder}/{F}");
    (format!("blue-{folder}"), format!("red-{folder}"), path, folder)
}

/// A pipe at which a process waits until it is told to go on.
fn gate(field: &Field, folder: &str) -> PathBuf {
    let gate = field.bench.at_home("out").join(folder).join("go");
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    gate
}

fn open(gate: &PathBuf) {
    fs::write(gate, "go\n").unwrap();
}

fn pid(line: Option<String>) -> Pid {
    Pid::from_raw(line.unwrap().trim().parse().unwrap()).unwrap()
}

/// Blue's whole write from what it read at first, and its code.
fn old_write(field: &Field, blue: &str, path: &str) -> String {
    field.write(blue, path, &format!("// first\n// {BLUES}\n"))
}

fn blue_adds(field: &Field, blue: &str, path: &str) -> String {
    field.edit(blue, path, "// second\n", &format!("// second\n// {BLUES}\n"))
}

/// Red has emptied the file and is about to write it.
const EMPTIED: &str = "exec 3> $F; echo $$; read x < $OUT/go; echo \"red's line\" >&3";

fn stopped(field: &Field, number: usize) -> Result<String, String> {
    let (blue, red, path, folder) = place(number);
    let gate = gate(field, &folder);
    assert_eq!(field.read(&blue, &path), "OK");
    assert_eq!(field.read(&red, &path), "OK");
    let mut running = field.start(&red, &folder, F, EMPTIED);
    let process = pid(running.stdout.next());
    kill_process(process, Signal::STOP).unwrap();
    assert_eq!(old_write(field, &blue, &path), "HELD");
    kill_process(process, Signal::CONT).unwrap();
    open(&gate);
    assert_eq!(running.wait_exit().0, Some(0));
    let code = wait_until("an end of the wait", || {
        Some(old_write(field, &blue, &path)).filter(|code| code != "HELD")
    });
    assert_eq!((code.as_str(), field.text(&path).as_str()), ("STALE", "red's line\n"));
    Ok("HELD while it is stopped, STALE afterwards".to_owned())
}

fn killed(field: &Field, number: usize) -> Result<String, String> {
    let (blue, red, path, folder) = place(number);
    gate(field, &folder);
    assert_eq!(field.read(&blue, &path), "OK");
    assert_eq!(field.read(&red, &path), "OK");
    let mut running = field.start(&red, &folder, F, EMPTIED);
    let process = pid(running.stdout.next());
    assert_eq!(old_write(field, &blue, &path), "HELD");
    kill_process(process, Signal::KILL).unwrap();
    assert_eq!(running.wait_exit().0, Some(137));
    let code = wait_until("an end of the wait", || {
        Some(old_write(field, &blue, &path)).filter(|code| code != "HELD")
    });
    assert_eq!((code.as_str(), field.text(&path).as_str()), ("STALE", ""));
    assert_eq!(field.read(&blue, &path), "OK");
    assert_eq!(old_write(field, &blue, &path), "OK");
    Ok("HELD while it lives, STALE afterwards, then free".to_owned())
}

fn left_behind(field: &Field, number: usize) -> Result<String, String> {
    let (blue, red, path, folder) = place(number);
    let gate = gate(field, &folder);
    let script = "(exec 3>> $F; touch $OUT/up; read x < $OUT/go; echo \"red's line\" >&3) \
                  > /dev/null 2>&1 < /dev/null & until test -e $OUT/up; do :; done";
    let told = field.shell(&red, &folder, F, script);
    assert_eq!(code_of(&told), None, "{told}");
    assert_eq!(blue_adds(field, &blue, &path), "HELD");
    open(&gate);
    wait_until("the server's end", || (blue_adds(field, &blue, &path) == "OK").then_some(()));
    let text = field.text(&path);
    assert!(text.contains(BLUES) && text.contains("red's line"), "{text}");
    Ok("HELD while it has the file open, both kept".to_owned())
}

fn writes_later(field: &Field, number: usize) -> Result<String, String> {
    let (blue, red, path, folder) = place(number);
    let gate = gate(field, &folder);
    assert_eq!(field.read(&red, &path), "OK");
    let script = "(read x < $OUT/go; echo x > $F; echo $? > $OUT/ended) \
                  > /dev/null 2>&1 < /dev/null & true";
    let told = field.shell(&red, &folder, F, script);
    assert_eq!(code_of(&told), None, "{told}");
    assert_eq!(blue_adds(field, &blue, &path), "OK");
    open(&gate);
    let ended = field.bench.at_home("out").join(&folder).join("ended");
    let code = wait_until("the server's write", || {
        fs::read_to_string(&ended).ok().filter(|text| text.ends_with('\n'))
    });
    assert_ne!(code, "0\n");
    assert!(field.text(&path).contains(BLUES));
    Ok("refused, also after its command's end".to_owned())
}

fn mapped(field: &Field, number: usize) -> Result<String, String> {
    if !super::has("python3") {
        return Err("there is no python3".to_owned());
    }
    let (blue, red, path, folder) = place(number);
    let gate = gate(field, &folder);
    let script = "exec python3 -c \"
import mmap,os
f=open('$F','r+b'); m=mmap.mmap(f.fileno(),0); f.close()
print('mapped',flush=True)
open('$OUT/go').read()
m[3:8]=b'RED\\'s'; m.flush()\"";
    let mut running = field.start(&red, &folder, F, script);
    assert_eq!(running.stdout.next().as_deref(), Some("mapped"));
    assert_eq!(blue_adds(field, &blue, &path), "HELD");
    open(&gate);
    let (code, told) = running.wait_exit();
    assert_eq!(code, Some(0), "{told}");
    wait_until("the end of the mapping", || (blue_adds(field, &blue, &path) == "OK").then_some(()));
    let text = field.text(&path);
    assert!(text.contains(BLUES) && text.contains("RED's"), "{text}");
    Ok("HELD while it is mapped, both kept".to_owned())
}

fn swapped(field: &Field, number: usize) -> Result<String, String> {
    let (blue, red, path, folder) = place(number);
    assert_eq!(blue_adds(field, &blue, &path), "OK");
    assert_eq!(field.reserve(&blue, &path), "OK");
    let at = |name: &str| field.bench.workspace.at(&folder).join(name);
    std::os::unix::fs::symlink("mine.txt", at("s")).unwrap();
    let over = AtomicBool::new(false);
    let tries = if std::env::var_os("BENCHDOG_FULL").is_some() { 5_000 } else { 400 };
    let script = format!("for i in $(seq {tries}); do echo x > s; done 2> /dev/null");
    let told = std::thread::scope(|scope| {
        scope.spawn(|| {
            for target in [F, "mine.txt"].into_iter().cycle() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                std::os::unix::fs::symlink(target, at("t")).unwrap();
                fs::rename(at("t"), at("s")).unwrap();
            }
        });
        let told = field.shell(&red, &folder, F, &script);
        over.store(true, Ordering::Relaxed);
        told
    });
    assert!(field.text(&path).contains(BLUES) && field.text(&path).contains("third"), "{told}");
    assert_eq!(field.text(&format!("{folder}/mine.txt")), "x\n", "{told}");
    let refused = told.matches("NOT WRITTEN").count();
    Ok(format!("{refused} of {tries} refused, none through"))
}

fn appended(field: &Field, number: usize) -> Result<String, String> {
    let (_, _, path, folder) = place(number);
    let script = "for i in $(seq 20); do echo $N:$i >> $F && echo $N:$i; done";
    let said: Vec<String> = std::thread::scope(|scope| {
        let folder = &folder;
        let writers: Vec<_> = (0..4)
            .map(|n| {
                let line = format!("N={n}; {script}");
                scope.spawn(move || field.shell(&format!("a{n}-{folder}"), folder, F, &line))
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let text = field.text(&path);
    let written = |line: &&str| line.split(':').count() == 2 && line.len() < 6;
    let acknowledged: Vec<&str> =
        said.iter().flat_map(|said| said.lines()).filter(written).collect();
    assert!(acknowledged.len() > 20, "{said:#?}");
    for line in &acknowledged {
        assert!(text.lines().any(|other| other == *line), "{line} is lost");
    }
    Ok(format!("{} of 80 appended, none lost, the rest refused", acknowledged.len()))
}

fn parked(field: &Field, number: usize) -> Result<String, String> {
    let (blue, red, path, folder) = place(number);
    let gate = gate(field, &folder);
    // It has the file open and writes nothing, so that nothing is kept for it afterwards.
    let script = "exec 3>> $F; echo ready; read x < $OUT/go";
    let mut running = field.start(&red, &folder, F, script);
    assert_eq!(running.stdout.next().as_deref(), Some("ready"));
    let script = format!("echo begins; echo \"{BLUES}\" >> $F && echo written");
    let mut waiting = field.start(&blue, &folder, F, &script);
    assert_eq!(waiting.stdout.next().as_deref(), Some("begins"));
    open(&gate);
    assert_eq!(waiting.stdout.next().as_deref(), Some("written"));
    assert_eq!((running.wait_exit().0, waiting.wait_exit().0), (Some(0), Some(0)));
    let text = field.text(&path);
    assert!(text.ends_with(&format!("{{ }}\n{BLUES}\n")), "{text}");
    Ok("done after the wait".to_owned())
}

/// So do `git apply`, and `mv` from another disk.
fn anew(field: &Field, number: usize) -> Result<String, String> {
    let (blue, red, path, folder) = place(number);
    let gate = gate(field, &folder);
    assert_eq!(field.read(&red, &path), "OK");
    let script = "cp $F $OUT/old; rm $F; echo gone; read x < $OUT/go; set -C; cat $OUT/old > $F";
    let mut running = field.start(&red, &folder, F, script);
    assert_eq!(running.stdout.next().as_deref(), Some("gone"));
    let told = field.shell(&blue, &folder, F, "echo x >> $F");
    assert_eq!(code_of(&told), Some("held"), "{told}");
    assert_eq!(field.write(&blue, &path, "x"), "HELD");
    open(&gate);
    assert_eq!(running.wait_exit().0, Some(0));
    assert!(field.text(&path).contains("third"));
    Ok("nobody else makes it meanwhile".to_owned())
}

fn crossed(field: &Field, number: usize) -> Result<String, String> {
    let (blue, red, path, folder) = place(number);
    let script = |mine: &str, theirs: &str| {
        format!(
            "exec 3>> {mine}; touch $OUT/{mine}; until test -e $OUT/{theirs}; do :; done; \
             echo of-{mine} >> {theirs} && echo through; echo own >> {mine}"
        )
    };
    for file in ["one", "two"] {
        field.bench.workspace.write(&format!("{folder}/{file}"), "start\n");
    }
    let mut first = field.start(&blue, &folder, F, &script("one", "two"));
    let mut second = field.start(&red, &folder, F, &script("two", "one"));
    let (first_said, second_said) = (first.stdout.rest(), second.stdout.rest());
    let told = first.wait_exit().1 + &second.wait_exit().1;
    assert!(told.contains("NOT WRITTEN (held)"), "{told}");
    let through = first_said.len() + second_said.len();
    assert!(through <= 1, "{first_said:?} {second_said:?}");
    for file in ["one", "two"] {
        let text = field.text(&format!("{folder}/{file}"));
        assert!(text.starts_with("start\n") && text.ends_with("own\n"), "{text}");
    }
    drop(path);
    Ok(format!("both go on, {through} of 2 through, the rest refused (held)"))
}

fn crossed_tools(field: &Field, number: usize) -> Result<String, String> {
    let (blue, red, path, folder) = place(number);
    let other = format!("{folder}/mine.txt");
    assert_eq!(field.reserve(&blue, &path), "OK");
    assert_eq!(field.reserve(&red, &other), "OK");
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| field.write(&blue, &other, "x"));
        let two = scope.spawn(|| field.write(&red, &path, "x"));
        (one.join().unwrap(), two.join().unwrap())
    });
    for code in [&one, &two] {
        assert!(["PINNED", "HELD", "DEADLOCK"].contains(&code.as_str()), "{one} {two}");
    }
    assert!(field.text(&path).contains("third"));
    Ok(format!("{one} and {two}"))
}

fn family(field: &Field, number: usize) -> Result<String, String> {
    let (_, _, path, folder) = place(number);
    let text = format!(
        "name = 'p'\n[[turn]]\nstep = [\n{{ read = '{path}' }},\n\
         {{ sub = 'add a line', step = [{{ read = '{path}' }}, {{ edit = '{path}', \
         old = '// second', new = \"// {BLUES}\", ask = false }}] }},\n\
         {{ write = '{path}', content = 'x', ask = false, on_refused = 'skip' }},\n]\n"
    );
    let name = format!("parent-{folder}");
    let script = field.bench.script(&name, &text);
    spawn(&field.bench, &name, &script, "go");
    wait_state(&field.bench, &name, "finished");
    let text = field.text(&path);
    assert!(text.contains(BLUES) && text.contains("third"), "{text}");
    Ok("the parent's old whole write is refused".to_owned())
}

fn in_its_turn(field: &Field, number: usize) -> Result<String, String> {
    let (_, red, path, folder) = place(number);
    let gate = gate(field, &folder);
    let name = format!("turn-{folder}");
    let text = format!(
        "name = 't'\n[[turn]]\nstep = [\n{{ read = '{path}' }},\n{{ edit = '{path}', \
         old = '// second', new = \"// second\\n// {BLUES}\", ask = false }},\n\
         {{ bash = 'touch {out}/up; read x < {out}/go', ask = false }},\n]\n",
        out = gate.parent().unwrap().display()
    );
    let script = field.bench.script(&name, &text);
    spawn(&field.bench, &name, &script, "go");
    let up = gate.parent().unwrap().join("up");
    wait_until("the command", || up.exists().then_some(()));
    assert_eq!(agent(&field.bench, &name)["holds"], json!([path]));
    let told = field.shell(&red, &folder, F, "echo x > $F");
    assert_eq!(code_of(&told), Some("held"), "{told}");
    let appended = field.shell(&red, &folder, F, "echo red >> $F");
    assert_eq!(code_of(&appended), Some("held"), "{appended}");
    assert_eq!(field.write(&red, &path, "x"), "HELD");
    open(&gate);
    wait_state(&field.bench, &name, "finished");
    let told = field.shell(&red, &folder, F, "echo x > $F");
    assert_eq!(code_of(&told), Some("unread"), "{told}");
    assert_eq!(field.read(&red, &path), "OK");
    let told = field.shell(&red, &folder, F, "echo red >> $F");
    assert_eq!(code_of(&told), None, "{told}");
    assert!(field.text(&path).contains(BLUES));
    Ok("held during the turn, unread after it, allowed once seen".to_owned())
}

fn second_engine(field: &Field, _number: usize) -> Result<String, String> {
    let same = field.bench.run(&["serve", "--foreground"]);
    assert_ne!(same.code, Some(0), "{same:#?}");
    let mut command = field.bench.command(&["serve", "--foreground"]);
    command.env("BENCHDOG_HOME", field.bench.at_home("another"));
    let other = command.output().unwrap();
    assert!(!other.status.success(), "an engine of another home: {other:?}");
    Ok(format!("refused with {:?} and {:?}", same.code, other.status.code()))
}

fn full_disk(_field: &Field, _number: usize) -> Result<String, String> {
    let workspace = Workspace::new();
    let at = workspace.at("full");
    fs::create_dir(&at).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k,mode=777", "none"])
        .arg(&at)
        .output()
        .is_ok_and(|done| done.status.success());
    if !mounted {
        return Err("a small disk cannot be mounted".to_owned());
    }
    let bench = Bench::in_workspace(workspace);
    let engine = serve(&bench, &[]);
    let call = |name: &str, tool: &str, input: serde_json::Value| {
        bench.run(&["call", "--as", name, tool, &input.to_string()])
    };
    let text = format!("{BLUES}\n");
    let done = call("blue", "write_file", json!({ "path": "full/f", "content": text }));
    assert_eq!(done.code, Some(0), "{done:#?}");
    call("red", "read_file", json!({ "path": "full/f" }));
    let large = "x".repeat(100_000);
    let tool = call("red", "write_file", json!({ "path": "full/f", "content": large }));
    let by_tool = bench.workspace.read("full/f");
    let unseen = bench.run(&["exec", "--as", "green", "--", "sh", "-c", "yes > full/f"]);
    let by_shell = bench.workspace.read("full/f");
    shut_down(&bench, engine);
    assert!(Command::new("umount").arg(&at).status().unwrap().success());
    assert_ne!(tool.code, Some(0), "{tool:#?}");
    assert_eq!(by_tool, text, "{tool:#?}");
    assert_eq!((code_of(&unseen.stderr), by_shell), (Some("unread"), text));
    Ok("the old text stays whole".to_owned())
}
