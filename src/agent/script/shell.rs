//! Commands: each in a session of its own, its output in a file, its end heard in the inbox.
//!
//! As in the real program, a signal to the agent's process group does not reach a command; the
//! agent ends its commands itself, on interrupt, on SIGTERM and at its end.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use super::SHELL;
use super::files::Done;
use super::frame::new_name;
use super::halt::Halt;
use super::inbox::Heard;
use super::session::{Prompt, Session};
use super::tool::Call;

/// After so long a command in the foreground shows as a task.
const TASK_AFTER: Duration = Duration::from_secs(2);

/// How long a command may take unless it says so itself.
const DEFAULT_TIMEOUT_MS: u64 = 120_000;

/// Letters of output that the model gets.
const OUTPUT_LIMIT: usize = 30_000;

/// A command that runs.
#[derive(Debug)]
struct Shell {
    pid: u32,
    task: String,
    call: String,
    description: String,
    background: bool,
    out: PathBuf,
}

/// The commands of a session.
#[derive(Debug)]
pub(super) struct Shells {
    folder: PathBuf,
    launcher: Option<PathBuf>,
    next: u64,
    running: BTreeMap<u64, Shell>,
    ended: BTreeMap<u64, Option<i32>>,
    outputs: BTreeMap<String, PathBuf>,
}

impl Shells {
    /// Keeps output in `folder`; `launcher` is this very program.
    pub(super) fn new(folder: PathBuf, launcher: Option<PathBuf>) -> Self {
        Self {
            folder,
            launcher,
            next: 0,
            running: BTreeMap::new(),
            ended: BTreeMap::new(),
            outputs: BTreeMap::new(),
        }
    }

    fn spawn(&mut self, cwd: &Path, call: &Call<'_>, to: SyncSender<Heard>) -> io::Result<u64> {
        fs::create_dir_all(&self.folder)?;
        let task = new_name("b", 8);
        let out = self.folder.join(format!("{task}.output"));
        let line = call.input["command"].as_str().unwrap_or_default();
        let background = call.input["run_in_background"].as_bool().unwrap_or(false);
        // One file for both, in the order in which the command writes.
        let output = File::create(&out)?;
        let spawn = |mut command: Command| {
            command.current_dir(cwd).stdin(Stdio::null());
            command.stdout(output.try_clone()?).stderr(output.try_clone()?).spawn()
        };
        let alone = || {
            let mut command = Command::new("sh");
            command.args(["-c", line]).process_group(0);
            spawn(command)
        };
        let mut child = match &self.launcher {
            None => alone()?,
            Some(launcher) => {
                let mut command = Command::new(launcher);
                command.args(["agent-script", SHELL, line]);
                // The program may have been replaced while it runs; a group of its own must do.
                spawn(command).or_else(|_| alone())?
            }
        };
        let number = self.next;
        self.next += 1;
        let shell = Shell {
            pid: child.id(),
            task: task.clone(),
            call: call.id.clone(),
            description: call.input["description"].as_str().unwrap_or(line).to_owned(),
            background,
            out: out.clone(),
        };
        self.running.insert(number, shell);
        self.outputs.insert(task, out);
        thread::spawn(move || {
            let code = child.wait().ok().and_then(|status| {
                status.code().or_else(|| status.signal().map(|signal| 128 + signal))
            });
            let _ = to.send(Heard::ShellEnded(number, code));
        });
        Ok(number)
    }

    fn kill(&self, number: u64) {
        let Some(shell) = self.running.get(&number) else { return };
        let Some(pid) = i32::try_from(shell.pid).ok().and_then(Pid::from_raw) else { return };
        // Before its first instruction the command still is in our own group.
        if rustix::process::kill_process_group(pid, Signal::KILL).is_err() {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }

    /// Ends all commands.
    pub(super) fn kill_all(&mut self) {
        for number in self.running.keys() {
            self.kill(*number);
        }
        self.running.clear();
    }

    /// What a task wrote so far.
    pub(super) fn output_of(&self, task: &str) -> String {
        self.outputs.get(task).map(|file| text_of(file)).unwrap_or_default()
    }

    /// The commands in the background.
    pub(super) fn background(&self) -> Value {
        let tasks = self.running.values().filter(|shell| shell.background).map(|shell| {
            json!({ "task_id": shell.task, "task_type": "local_bash",
                    "description": shell.description })
        });
        Value::Array(tasks.collect())
    }
}

/// Becomes `sh -c command` in a session of its own; returns only if that fails.
pub(super) fn become_command(command: &str) -> io::Error {
    if let Err(error) = rustix::process::setsid() {
        return error.into();
    }
    Command::new("sh").args(["-c", command]).exec()
}

impl Session<'_> {
    /// Runs a command, in the foreground until it ends.
    pub(super) fn run_bash(&mut self, call: &Call<'_>) -> Result<Result<Done, String>, Halt> {
        let number = match self.shells.spawn(&self.place.cwd, call, self.inbox.sender()) {
            Ok(number) => number,
            Err(error) => return Ok(Err(format!("cannot run sh: {error}"))),
        };
        let in_background = self.shells.running.get(&number).is_some_and(|shell| shell.background);
        if in_background {
            return self.leave_in_background(number);
        }
        let started = Instant::now();
        let limit = call.input["timeout"].as_u64().unwrap_or(DEFAULT_TIMEOUT_MS);
        let limit = Duration::from_millis(limit);
        let ended = |session: &mut Self| session.shells.ended.remove(&number);
        let mut shown = false;
        let waited = (|| {
            let early = started + TASK_AFTER.min(limit);
            if let Some(code) = self.attend(Some(early), ended)? {
                return Ok(Some(code));
            }
            if started.elapsed() < limit {
                shown = true;
                self.show_task(number)?;
            }
            self.attend(Some(started + limit), ended)
        })();
        let code = match waited {
            Ok(Some(code)) => code,
            Ok(None) => {
                self.shells.kill(number);
                let words = format!("Command timed out after {}s", limit.as_secs_f64());
                let output = self.take_output(number);
                self.end_task(number, shown, "failed")?;
                return Ok(Err(failure(143, &[&words, &output])));
            }
            Err(halt) => {
                self.shells.kill(number);
                if matches!(halt, Halt::Turn(_)) {
                    self.end_task(number, shown, "stopped")?;
                }
                return Err(halt);
            }
        };
        let output = self.take_output(number);
        self.end_task(number, shown, "completed")?;
        Ok(match code {
            Some(0) => Ok(done(&output)),
            code => Err(failure(code.unwrap_or(-1), &[&output])),
        })
    }

    fn leave_in_background(&mut self, number: u64) -> Result<Result<Done, String>, Halt> {
        self.show_task(number)?;
        let Some(shell) = self.shells.running.get(&number) else {
            return Ok(Err("the command is gone".to_owned()));
        };
        let text = format!(
            "Command running in background with ID: {}. Output is being written to: {}. You will \
             be notified when it completes.",
            shell.task,
            shell.out.display()
        );
        let response = json!({
            "stdout": "", "stderr": "", "interrupted": false, "isImage": false,
            "noOutputExpected": false, "backgroundTaskId": shell.task,
        });
        Ok(Ok(Done { text, response }))
    }

    /// Shows a command as a task.
    fn show_task(&mut self, number: u64) -> Result<(), Halt> {
        let Some(shell) = self.shells.running.get(&number) else { return Ok(()) };
        let started = json!({
            "task_id": shell.task, "tool_use_id": shell.call, "description": shell.description,
            "is_backgrounded": shell.background, "task_type": "local_bash",
        });
        if shell.background {
            self.tell_background()?;
        }
        self.out.system("task_started", started)
    }

    fn tell_background(&mut self) -> Result<(), Halt> {
        let tasks = self.shells.background();
        self.out.system("background_tasks_changed", json!({ "tasks": tasks }))
    }

    /// Forgets a command that ended; says so if it was shown as a task.
    fn end_task(&mut self, number: u64, shown: bool, status: &str) -> Result<(), Halt> {
        let Some(shell) = self.shells.running.remove(&number) else { return Ok(()) };
        if !shell.background {
            let _ = fs::remove_file(&shell.out);
            self.shells.outputs.remove(&shell.task);
        }
        if !shown {
            return Ok(());
        }
        if shell.background {
            let patch = json!({ "status": if status == "stopped" { "killed" } else { status } });
            let updated = json!({ "task_id": shell.task, "patch": patch });
            self.out.system("task_updated", updated)?;
        }
        let output_file = if shell.background { json!(shell.out) } else { json!("") };
        let notification = json!({
            "task_id": shell.task, "tool_use_id": shell.call, "status": status,
            "output_file": output_file, "summary": shell.description,
        });
        self.out.system("task_notification", notification)?;
        if shell.background { self.tell_background() } else { Ok(()) }
    }

    /// Hears the end of a command. One in the background sets a turn of its own going.
    pub(super) fn shell_ended(&mut self, number: u64, code: Option<i32>) -> Result<(), Halt> {
        let Some(shell) = self.shells.running.get(&number) else { return Ok(()) };
        if !shell.background {
            self.shells.ended.insert(number, code);
            return Ok(());
        }
        let (task, description) = (shell.task.clone(), shell.description.clone());
        let status = if code == Some(0) { "completed" } else { "failed" };
        self.end_task(number, true, status)?;
        let output = self.shells.output_of(&task);
        let tail: Vec<_> = output.lines().rev().take(3).collect();
        let tail: Vec<_> = tail.into_iter().rev().collect();
        self.queue.push_back(Prompt {
            text: format!("The background command \"{description}\" {status}. {}", tail.join("\n")),
            origin: Some(json!({ "kind": "task-notification", "producer": "session-task" })),
            uuid: None,
            composed: true,
        });
        Ok(())
    }

    /// Stops a command; unknown ones are none.
    pub(super) fn stop_task(&mut self, task: &str) -> Result<(), Halt> {
        let found = self.shells.running.iter().find(|(_, shell)| shell.task == task);
        let Some((&number, shell)) = found else { return Ok(()) };
        let background = shell.background;
        self.shells.kill(number);
        if background { self.end_task(number, true, "stopped") } else { Ok(()) }
    }

    fn take_output(&self, number: u64) -> String {
        let shell = self.shells.running.get(&number);
        shell.map(|shell| text_of(&shell.out).trim_end().to_owned()).unwrap_or_default()
    }
}

fn done(output: &str) -> Done {
    let text = if output.is_empty() { "(Bash completed with no output)" } else { output };
    Done {
        text: text.to_owned(),
        response: json!({
            "stdout": output, "stderr": "", "interrupted": false, "isImage": false,
            "noOutputExpected": false,
        }),
    }
}

/// What the model reads of a command that failed.
fn failure(code: i32, parts: &[&str]) -> String {
    let mut text = format!("Exit code {code}");
    for part in parts.iter().filter(|part| !part.is_empty()) {
        text.push('\n');
        text.push_str(part);
    }
    text
}

/// The text of an output file, cut to what a model gets.
fn text_of(file: &Path) -> String {
    let text = fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let text = text.unwrap_or_default();
    if text.len() <= OUTPUT_LIMIT {
        return text;
    }
    let end = (0..=OUTPUT_LIMIT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}\n… [{} bytes more]", &text[..end], text.len() - end)
}
