//! The door: what the arbiter is asked and told, and what becomes of a call that has to wait.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use benchdog::guard::fence;
use benchdog::guard::ground::Workspace;
use benchdog::guard::request::{Answer, Kind, Outcome, command_line};
use benchdog::guard::supervisor::Supervisor;
use benchdog::guard::writers::{self, Writers};
use rustix::io::Errno;

use crate::field::Field;
use crate::kernel::kernel_asks;
use crate::script::{Heard, Script, asked, before, done, heard, script, workspace};

#[test]
fn each_change_is_asked_about_once_and_ends_once() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    let script = "echo a > new; echo b >> new; echo c 1<> new; : > new; mkdir d; mv new d/n; \
        ln d/n l; ln -s l s; chmod 600 s; rm l; truncate -s 3 d/n; rm d/n; rmdir d";
    let (heard, text) = heard(&field, script);
    assert_eq!(text, "");
    let ok = Outcome::Done;
    let expected = vec![
        asked("Create new"),
        done("Create new", ok),
        asked("Append new"),
        before("a"),
        done("Append new", ok),
        asked("InPlace new"),
        before("a\nb"),
        done("InPlace new", ok),
        asked("Truncate new"),
        before("c\nb"),
        done("Truncate new", ok),
        asked("Mkdir d"),
        done("Mkdir d", ok),
        asked("NoReplace new by d/n"),
        done("NoReplace new by d/n", ok),
        asked("Link d/n as l"),
        done("Link d/n as l", ok),
        asked("Symlink s"),
        done("Symlink s", ok),
        asked("Metadata(Mode) l"),
        before(""),
        done("Metadata(Mode) l", ok),
        asked("Unlink l"),
        before(""),
        done("Unlink l", ok),
        asked("InPlace d/n"),
        before(""),
        done("InPlace d/n", ok),
        asked("Unlink d/n"),
        before("\0\0\0"),
        done("Unlink d/n", ok),
        asked("Rmdir d"),
        done("Rmdir d", ok),
    ];
    assert_eq!(heard, expected);
}

#[test]
fn what_cannot_succeed_is_not_asked_about() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    let script = "exec 2>$OUT/errors; rm nothing; mkdir src; rmdir mine.txt; ln mine.txt $H; \
        mv nothing x; mv -n mine.txt $H; cat < mine.txt > /dev/null; : > src; truncate -cs0 no; \
        exec 3<>/dev/null; ls > $OUT/list; true";
    assert_eq!(heard(&field, script), (vec![], String::new()));
}

#[test]
fn a_failing_call_ends_with_its_error() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    let script = "mkdir d; touch d/x; rmdir d 2>/dev/null; \
        set -C; (echo > mine.txt) 2>/dev/null; python3 -c \"open('mine.txt','x')\" 2>/dev/null";
    let (heard, _) = heard(&field, script);
    assert!(heard.contains(&done("Rmdir d", Outcome::Failed(Errno::NOTEMPTY))), "{heard:?}");
    assert!(heard.contains(&done("CreateNew mine.txt", Outcome::Failed(Errno::EXIST))));
}

#[test]
fn a_before_image_that_cannot_be_made_refuses() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    std::fs::write(field.root().join("precious"), "gold").unwrap();
    let (heard, text) = heard(&field, "rm -f precious; mv mine.txt precious");
    assert!(text.contains("No space left on device"), "{text}");
    assert!(heard.contains(&done("Unlink precious", Outcome::Failed(Errno::NOSPC))));
    assert_eq!(std::fs::read_to_string(field.root().join("precious")).unwrap(), "gold");
}

#[test]
fn what_is_found_is_told() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    let (arbiter, _heard) = script();
    let seen = Arc::new(Mutex::new(vec![]));
    let (told, list) = (seen.clone(), "python3");
    *arbiter.meanwhile.lock().unwrap() = Some(Box::new(move |request| {
        let found = request.target.found.map(|found| (found.kind, found.links, found.size));
        told.lock()
            .unwrap()
            .push((found, command_line(request.thread).starts_with(list.as_bytes())));
    }));
    let text = "ln mine.txt l; exec python3 -c \"open('l','a'); open('n','w')\"";
    let (child, supervisor) = field.start_in(&workspace(&field), text, &arbiter);
    field.end(child);
    supervisor.wait();
    let file = Some((Kind::File, 2, 5));
    assert_eq!(*seen.lock().unwrap(), [(None, false), (file, true), (None, true)]);
}

/// Starts a script whose first write is told to wait.
fn parked(
    field: &Field,
    text: &str,
    limit: Duration,
) -> (Child, Supervisor, Arc<Script>, Receiver<Heard>) {
    let (arbiter, heard) = script();
    arbiter.answer("Append mine.txt", Answer::Park);
    let (fence, gate) = fence::prepare(&workspace(field)).unwrap();
    let mut command = field.command(text);
    // SAFETY: `enter` is made for this place.
    unsafe { command.pre_exec(move || fence.enter()) };
    let child = fence::start(|| command.spawn()).unwrap();
    let supervisor = gate.longest_park(limit).supervise("x", arbiter.clone()).unwrap();
    while heard.recv().unwrap() != asked("Append mine.txt") {}
    while supervisor.parked() == 0 {
        std::thread::yield_now();
    }
    (child, supervisor, arbiter, heard)
}

const LONG: Duration = Duration::from_secs(5);

#[test]
fn a_parked_call_goes_on_when_it_may() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    let (child, supervisor, arbiter, heard) = parked(&field, "echo x >> mine.txt", LONG);
    supervisor.wake();
    assert_eq!(heard.recv().unwrap(), asked("Append mine.txt"));
    arbiter.answer("Append mine.txt", Answer::Allow);
    while supervisor.parked() == 0 {
        std::thread::yield_now();
    }
    supervisor.wake();
    assert_eq!(field.end(child).text, "");
    supervisor.wait();
    let rest: Vec<_> = heard.try_iter().collect();
    let end = done("Append mine.txt", Outcome::Done);
    assert_eq!(rest, [asked("Append mine.txt"), before("mine"), end]);
    assert_eq!(std::fs::read_to_string(field.root().join("mine.txt")).unwrap(), "mine\nx\n");
}

#[test]
fn other_calls_of_the_agent_go_on_meanwhile() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    let text = "echo x >> mine.txt & echo y > other; cat other; wait";
    let (child, supervisor, _arbiter, _heard) = parked(&field, text, LONG);
    let other = field.root().join("other");
    while std::fs::read_to_string(&other).unwrap_or_default() != "y\n" {
        std::thread::yield_now();
    }
    supervisor.cancel_parks();
    assert!(field.end(child).text.contains("Device or resource busy"));
}

#[test]
fn a_park_ends_when_time_is_up_or_it_is_cancelled() {
    if !kernel_asks() {
        return;
    }
    for cancel in [false, true] {
        let field = Field::new();
        let limit = if cancel { LONG } else { Duration::from_millis(50) };
        let (child, supervisor, _arbiter, heard) = parked(&field, "echo x >> mine.txt", limit);
        if cancel {
            supervisor.cancel_parks();
        }
        assert!(field.end(child).text.contains("Device or resource busy"));
        let outcome = if cancel { Outcome::Cancelled } else { Outcome::Expired };
        assert_eq!(heard.recv().unwrap(), done("Append mine.txt", outcome));
    }
}

#[test]
fn a_process_that_dies_while_it_waits_is_told() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    let (child, _supervisor, _arbiter, heard) = parked(&field, "echo x >> mine.txt", LONG);
    crate::field::kill_group(&child);
    assert_eq!(heard.recv().unwrap(), done("Append mine.txt", Outcome::Gone));
    field.end(child);
    assert_eq!(std::fs::read_to_string(field.root().join("mine.txt")).unwrap(), "mine\n");
}

#[test]
fn a_lock_file_of_another_is_waited_for() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    let lock = field.root().join("index.lock");
    std::fs::write(&lock, "").unwrap();
    let (arbiter, heard) = script();
    arbiter.answer("CreateNew index.lock", Answer::Park);
    let text = "python3 -c \"open('index.lock','x').write('mine')\"";
    let (child, supervisor) = field.start_in(&workspace(&field), text, &arbiter);
    assert_eq!(heard.recv().unwrap(), asked("CreateNew index.lock"));
    while supervisor.parked() == 0 {
        std::thread::yield_now();
    }
    std::fs::remove_file(&lock).unwrap();
    arbiter.answer("CreateNew index.lock", Answer::Allow);
    supervisor.wake();
    assert_eq!(field.end(child).text, "");
    assert_eq!(std::fs::read_to_string(lock).unwrap(), "mine");
}

#[test]
fn a_panic_while_deciding_is_a_refusal() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    let (arbiter, _heard) = script();
    *arbiter.meanwhile.lock().unwrap() = Some(Box::new(|_| panic!("on purpose")));
    let text = "echo x > mine.txt; cat mine.txt";
    let (child, supervisor) = field.start_in(&workspace(&field), text, &arbiter);
    let ended = field.end(child);
    assert!(ended.text.starts_with("mine\n") && ended.text.contains("error"), "{}", ended.text);
    supervisor.wait();
}

#[test]
fn a_folder_that_moves_while_its_file_is_asked_about_is_asked_about_anew() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    let root = field.root();
    let workspace = workspace(&field);
    let (arbiter, heard) = script();
    let (mover, mover_heard) = script();
    // Another agent moves the folder between the question and the call.
    let (other, ground) = (field.command("mv src else"), workspace.clone());
    let mut other = Some(other);
    *arbiter.meanwhile.lock().unwrap() = Some(Box::new(move |_| {
        let Some(mut command) = other.take() else { return };
        let (fence, gate) = fence::prepare(&ground).unwrap();
        // SAFETY: `enter` is made for this place.
        unsafe { command.pre_exec(move || fence.enter()) };
        let mut child = fence::start(|| command.spawn()).unwrap();
        let supervisor = gate.supervise("mover", mover.clone()).unwrap();
        child.wait().unwrap();
        supervisor.wait();
    }));
    let (child, supervisor) = field.start_in(&workspace, "cd src && echo x > new", &arbiter);
    assert_eq!(field.end(child).text, "");
    supervisor.wait();
    assert!(
        mover_heard.try_iter().any(|heard| heard == done("NoReplace src by else", Outcome::Done))
    );
    let heard: Vec<_> = heard.try_iter().collect();
    let expected = [
        asked("Create src/new"),
        done("Create src/new", Outcome::Superseded),
        asked("Create else/new"),
        done("Create else/new", Outcome::Done),
    ];
    assert_eq!(heard, expected);
    assert!(root.join("else/new").exists());
}

#[test]
fn free_folders_are_written_without_a_question_until_they_are_replaced() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    std::fs::create_dir_all(field.root().join("target/debug")).unwrap();
    let workspace = workspace(&field);
    workspace.free(Path::new("target")).unwrap();
    let (arbiter, heard) = script();
    let text = "echo x > target/debug/x; mv target/debug target/release; ln target/release/x target/y; \
        mkdir target/d; rm -r target/d; ln mine.txt target/l; ln target/y l; mv mine.txt target/m; mv target/m m; \
        python3 -c \"import os; os.rename('target','else')\"; mkdir up; mv target up/; echo last > up/target/x; \
        mkdir target; echo new > target/z";
    let (child, supervisor) = field.start_in(&workspace, text, &arbiter);
    let text = field.end(child).text;
    supervisor.wait();
    let cross = text.matches("Invalid cross-device link").count();
    assert_eq!(cross, 3, "two links and one rename: {text}");
    let heard: Vec<_> = heard.try_iter().collect();
    let about = |heard: &Heard| match heard {
        Heard::Asked(words) => words.contains("target/"),
        _ => false,
    };
    let asked_about: Vec<_> = heard.iter().filter(|heard| about(heard)).collect();
    // `mv` made a copy, and that one is not free; nor is what came in its place.
    let later =
        |heard: &&Heard| ["up/target", "target/z"].iter().any(|p| format!("{heard:?}").contains(p));
    assert!(asked_about.iter().all(later), "{asked_about:?}");
    assert!(heard.contains(&done("Create target/z", Outcome::Done)), "{text}");
    assert!(heard.contains(&asked("Rmdir target")));
    assert!(
        heard.contains(&asked("Truncate up/target/x"))
            || heard.contains(&asked("Create up/target/x"))
    );
}

#[test]
fn protected_folders_are_shut_wherever_they_are() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    for path in [field.root().join("state"), field.out().join("state")] {
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("x"), "safe").unwrap();
    }
    let protected = [field.root().join("state"), field.out().join("state")];
    let workspace = Workspace::open(&field.root(), &protected).unwrap();
    let (arbiter, heard) = script();
    let text = "for s in state $OUT/state; do echo y > $s/x; echo y > $s/n; rm -f $s/x; chmod 0 $s/x; \
        mv $s/x y; mv $s else; mv mine.txt $s/m; ln mine.txt $s/l; python3 -c \
        \"import socket; socket.socket(socket.AF_UNIX).bind('$s/sock')\"; done; echo z > $OUT/z";
    let (child, supervisor) = field.start_in(&workspace, text, &arbiter);
    let text = field.end(child).text;
    supervisor.wait();
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), [], "{text}");
    for path in protected {
        assert_eq!(std::fs::read_to_string(path.join("x")).unwrap(), "safe", "{text}");
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1, "{text}");
    }
    assert_eq!(std::fs::read_to_string(field.out().join("z")).unwrap(), "z\n");
}

#[test]
fn the_workspace_itself_stays_where_it_is() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    let (heard, text) =
        heard(&field, "cd ..; mv ws other; rmdir ws; mv ../${PWD##*/} ../other; ls ws");
    assert!(text.contains("mine.txt") && text.contains("busy"), "{text}");
    assert_eq!(heard, []);
}

#[test]
fn a_lease_of_another_process_stops_one_call_and_not_the_door() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    // Outside the guard, and in no hurry to give the lease back.
    let text = "import fcntl,os,signal,sys; signal.signal(signal.SIGIO,signal.SIG_IGN); \
        f=os.open('mine.txt',os.O_RDONLY); fcntl.fcntl(f,fcntl.F_SETLEASE,fcntl.F_RDLCK); \
        print(flush=True); sys.stdin.read()";
    let mut command = field.command("exec python3 -c \"$TEXT\"");
    command.env("TEXT", text).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut holder = fence::start(|| command.spawn()).unwrap();
    holder.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    let (arbiter, heard) = script();
    let text = "echo x >> mine.txt & echo y > other; wait";
    let (child, supervisor) = field.start_in(&workspace(&field), text, &arbiter);
    let superseded = done("Append mine.txt", Outcome::Superseded);
    let mut waits = false;
    while !(waits && field.root().join("other").exists()) {
        waits |= heard.recv().unwrap() == superseded;
    }
    drop(holder.stdin.take());
    holder.wait().unwrap();
    assert_eq!(field.end(child).text, "");
    supervisor.wait();
    assert_eq!(std::fs::read_to_string(field.root().join("mine.txt")).unwrap(), "mine\nx\n");
}

#[test]
fn a_file_that_lost_its_name_is_not_taken_for_another() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    let (first, second) = (field.root().join("mine.txt"), field.root().join("second"));
    std::fs::hard_link(&first, &second).unwrap();
    let (arbiter, heard) = script();
    let (fence, gate) = fence::prepare(&workspace(&field)).unwrap();
    let mut command =
        field.command("exec 3<mine.txt; echo open; read -r; echo x > /proc/self/fd/3");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    // SAFETY: `enter` is made for this place.
    unsafe { command.pre_exec(move || fence.enter()) };
    let mut child = fence::start(|| command.spawn()).unwrap();
    let supervisor = gate.supervise("x", arbiter).unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 5]).unwrap();
    std::fs::remove_file(first).unwrap();
    drop(child.stdin.take());
    assert!(field.end(child).text.contains("Device or resource busy"));
    supervisor.wait();
    assert_eq!(heard.try_iter().collect::<Vec<_>>(), []);
    assert_eq!(std::fs::read_to_string(second).unwrap(), "mine\n");
}

#[test]
fn writers_are_seen() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    let path = field.root().join("mine.txt");
    assert_eq!(writers::at(&path).unwrap(), Writers::None);
    let file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    assert_eq!(writers::at(&path).unwrap(), Writers::Some);
    drop(file);
    assert_eq!(writers::at(&path).unwrap(), Writers::None);
    assert_eq!(writers::at(&field.root().join("nothing")).unwrap(), Writers::None);
    // A mapping outlives its descriptor.
    let text = "import mmap,os,sys; f=open('mine.txt','r+b'); m=mmap.mmap(f.fileno(),0); f.close(); \
        [os.close(n) for n in range(3,20) if os.path.exists(f'/proc/self/fd/{n}')]; \
        print(flush=True); sys.stdin.read()";
    let mut command = field.command("exec python3 -c \"$TEXT\"");
    command.env("TEXT", text).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = fence::start(|| command.spawn()).unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0]).unwrap();
    assert_eq!(writers::at(&path).unwrap(), Writers::Some);
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_eq!(writers::at(&path).unwrap(), Writers::None);
}

#[test]
fn the_supervisor_ends_with_the_last_process_of_the_agent() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    let (arbiter, _heard) = script();
    let text = "(read -r line < $OUT/pipe; echo $line > late) & true";
    rustix::fs::mknodat(
        rustix::fs::CWD,
        field.out().join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let (mut child, supervisor) = field.start_in(&workspace(&field), text, &arbiter);
    child.wait().unwrap();
    assert!(supervisor.is_running());
    std::fs::OpenOptions::new()
        .write(true)
        .open(field.out().join("pipe"))
        .unwrap()
        .write_all(b"go\n")
        .unwrap();
    supervisor.wait();
    assert_eq!(std::fs::read_to_string(field.root().join("late")).unwrap(), "go\n");
}

const HOST: &str = "GUARD_HOST";

/// Not a test unless the next one starts it: hosts a supervisor until it is killed.
#[test]
fn host() {
    if std::env::var_os(HOST).is_none() {
        return;
    }
    let root = std::env::current_dir().unwrap();
    let workspace = Workspace::open(&root, &[]).unwrap();
    let (fence, gate) = fence::prepare(&workspace).unwrap();
    let mut command = Command::new("/bin/bash");
    // The child's input ends when we do.
    let text =
        "echo a > a; echo ready; cat; echo b > b; rm -f mine.txt; echo c > $OUT/c; echo ended";
    command.args(["-c", text]).stdin(Stdio::piped());
    // SAFETY: `enter` is made for this place.
    unsafe { command.pre_exec(move || fence.enter()) };
    let mut child = fence::start(|| command.spawn()).unwrap();
    let _supervisor = gate.supervise("host", script().0).unwrap();
    // Taken, because waiting would close it.
    let _input = child.stdin.take();
    child.wait().unwrap();
}

#[test]
fn nothing_can_be_written_after_our_death() {
    if !kernel_asks() {
        return;
    }
    let field = Field::new();
    let test = std::env::current_exe().unwrap();
    let text = format!("{HOST}=1 exec {} --exact door::host --nocapture", test.to_str().unwrap());
    let mut command = field.command(&text);
    command.stdout(Stdio::piped());
    let mut child = fence::start(|| command.spawn()).unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut said = String::new();
    let mut byte = [0];
    while !said.contains("ready\n") && output.read(&mut byte).unwrap() == 1 {
        said.push(char::from(byte[0]));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The agent's process goes on until it has said so.
    output.read_to_string(&mut said).unwrap();
    assert!(said.contains("ended"), "{said}");
    let errors = std::fs::read_to_string(field.out().join("stderr")).unwrap();
    assert!(field.root().join("a").exists(), "{errors}");
    assert!(field.root().join("mine.txt").exists(), "{errors}");
    assert!(!field.root().join("b").exists() && !field.out().join("c").exists());
    assert!(errors.contains("Function not implemented"), "{errors}");
}
