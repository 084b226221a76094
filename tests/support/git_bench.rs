//! A repository that agents share, each with a shell that has benchdog's git first on its path.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use benchdog::config::folders::Folders;
use benchdog::config::shim;
use serde_json::{Value, json};

use super::PATIENCE;
use super::bench_process::{Bench, PROGRAM, Ran, Running};
use super::engine::{serve_with, wait_until};
use super::workspace::Workspace;

/// A bench over a repository.
pub(crate) struct GitBench {
    pub(crate) bench: Bench,
    pub(crate) engine: Option<Running>,
}

/// The shell of an agent: a process of its own, in the middle of a command.
pub(crate) struct Shell {
    folder: PathBuf,
    orders: File,
    ends: mpsc::Receiver<String>,
    count: u32,
}

/// The search path with the agents' git first.
pub(crate) fn shim_path(bench: &Bench) -> OsString {
    let folders = Folders::below(&bench.at_home("bench"));
    let program = Path::new(PROGRAM);
    let folder = shim::prepare(&folders, bench.workspace.path(), program).unwrap();
    shim::path_with(&folder, std::env::var_os("PATH").as_deref())
}

impl GitBench {
    /// With these files in one commit, and an engine.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        Self::set(files, &[])
    }

    /// The same with other settings.
    pub(crate) fn set(files: &[(&str, &str)], flags: &[&str]) -> Self {
        let bench = Bench::in_workspace(Workspace::with(files).git());
        let path = shim_path(&bench).into_string().unwrap();
        let mut environment = vec![("PATH", path.as_str())];
        for name in ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"] {
            environment.push((name, "test"));
        }
        for name in ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"] {
            environment.push((name, "test@localhost"));
        }
        let engine = serve_with(&bench, flags, &environment);
        Self { bench, engine: Some(engine) }
    }

    /// Starts an agent and gives its shell. The person is never asked for it.
    pub(crate) fn shell(&self, name: &str) -> Shell {
        self.shell_in("dontAsk", name)
    }

    /// Starts an agent for which the person is asked, and gives its shell.
    pub(crate) fn asking_shell(&self, name: &str) -> Shell {
        self.shell_in("bypassPermissions", name)
    }

    fn shell_in(&self, mode: &str, name: &str) -> Shell {
        let folder = self.bench.at_home(&format!("{name}.shell"));
        fs::create_dir(&folder).unwrap();
        for pipe in ["orders", "ends"] {
            let made = Command::new("mkfifo").arg(folder.join(pipe)).status().unwrap();
            assert!(made.success());
        }
        let at = folder.display();
        let line = format!(
            "exec 3<{at}/orders 4>{at}/ends; while read -r n <&3; do sh {at}/$n.sh >{at}/$n.out \
             2>{at}/$n.err 3<&- 4>&-; echo $? >&4; done"
        );
        let step = format!("[[turn]]\nstep = [{{ bash = '{line}', ask = false }}]\n");
        let script = self.bench.script(name, &step);
        let spawn = ["spawn", name, "--script", script.to_str().unwrap(), "--prompt", "go"];
        self.bench.json(
            &[&spawn[..], &["--permission-mode", mode, "--allowed-tools", "Bash", "--json"]]
                .concat(),
        );
        let (to, opened) = mpsc::channel();
        let pipes = folder.clone();
        thread::spawn(move || {
            let orders = File::options().write(true).open(pipes.join("orders")).unwrap();
            let ends = File::open(pipes.join("ends")).unwrap();
            let _ = to.send((orders, ends));
        });
        let (orders, ends) = opened.recv_timeout(PATIENCE).expect("the shell starts");
        let (to, codes) = mpsc::channel();
        thread::spawn(move || {
            for code in BufReader::new(ends).lines().map_while(Result::ok) {
                let _ = to.send(code);
            }
        });
        Shell { folder, orders, ends: codes, count: 0 }
    }

    /// Writes a file as an agent, by a tool of the bench.
    pub(crate) fn write(&self, name: &str, path: &str, content: &str) {
        let read = json!({ "path": path }).to_string();
        self.bench.run(&["call", "--as", name, "read_file", &read]);
        let input = json!({ "path": path, "content": content }).to_string();
        let done = self.bench.run(&["call", "--as", name, "write_file", &input]);
        assert_eq!(done.code, Some(0), "{done:#?}");
    }

    /// The real git, as the person.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=person", "-c", "user.email=person@localhost"]);
        command.args(args).current_dir(self.bench.workspace.path());
        command.env_clear().envs(self.bench.environment()).env("GIT_OPTIONAL_LOCKS", "0");
        let done = command.output().unwrap();
        assert!(done.status.success(), "git {args:?}: {done:?}");
        String::from_utf8(done.stdout).unwrap()
    }

    /// Everything that a refusal must not touch.
    pub(crate) fn picture(&self) -> BTreeMap<String, String> {
        let mut picture = self.bench.workspace.tree();
        for question in [
            &["status", "--porcelain=v2", "--branch", "--untracked-files=all"][..],
            &["stash", "list"],
            &["for-each-ref"],
            &["ls-files", "--stage"],
        ] {
            picture.insert(question.join(" "), self.git(question));
        }
        let index = fs::read(self.bench.workspace.at(".git/index")).unwrap();
        picture.insert(".git/index".to_owned(), format!("{index:?}"));
        picture
    }

    /// The ask of an agent's git, once it is there.
    pub(crate) fn wait_ask(&self, name: &str) -> Value {
        wait_until(&format!("an ask of {name}"), || {
            let asks = self.bench.json(&["answer", "--json"]);
            let asks = asks.as_array().unwrap().clone();
            asks.into_iter().find(|ask| ask["tool"] == "git")
        })
    }

    /// Answers the one ask that waits.
    pub(crate) fn answer(&self, name: &str, words: &[&str]) {
        self.wait_ask(name);
        let done = self.bench.run(&[&["answer", name], words].concat());
        assert_eq!(done.code, Some(0), "{done:#?}");
    }

    /// The files of a commit, and its subject first.
    pub(crate) fn commit(&self, which: &str) -> Vec<String> {
        let told = self.git(&["show", "--format=%s", "--name-only", which]);
        told.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }
}

impl Shell {
    /// Runs a line of shell to its end.
    pub(crate) fn run(&mut self, line: &str) -> Ran {
        self.start(line);
        self.finish()
    }

    /// Starts a line of shell.
    pub(crate) fn start(&mut self, line: &str) {
        self.count += 1;
        fs::write(self.folder.join(format!("{}.sh", self.count)), line).unwrap();
        writeln!(self.orders, "{}", self.count).unwrap();
    }

    /// Waits for the end of what was started.
    pub(crate) fn finish(&mut self) -> Ran {
        let code = self.ends.recv_timeout(PATIENCE).expect("the command ends");
        let read = |end: &str| {
            fs::read_to_string(self.folder.join(format!("{}.{end}", self.count))).unwrap()
        };
        Ran { code: code.parse().ok(), stdout: read("out"), stderr: read("err") }
    }

    /// Runs a line that must succeed.
    #[track_caller]
    pub(crate) fn done(&mut self, line: &str) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.code, Some(0), "{line}: {ran:#?}");
        ran
    }

    /// Runs a line that must be refused, and gives the words.
    #[track_caller]
    pub(crate) fn refused(&mut self, line: &str) -> String {
        let ran = self.run(line);
        assert_eq!(ran.code, Some(1), "{line}: {ran:#?}");
        assert!(ran.stderr.starts_with("NOT RUN ("), "{line}: {ran:#?}");
        assert!(ran.stderr.trim_end().chars().count() <= 700, "{line}: {ran:#?}");
        assert!(ran.stderr.contains("Now, best first: 1)"), "{line}: {ran:#?}");
        ran.stderr
    }
}
