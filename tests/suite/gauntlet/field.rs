//! Where the gauntlet is run: an engine, a folder outside, and those who act there.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};

use super::Way;
use crate::support::bench_process::{Bench, COPY, PROGRAM, Running};
use crate::support::engine::{serve, shut_down};
use crate::support::guard::kernel_asks;

/// Nobody, in every system.
const ORDINARY: u32 = 65534;

/// An engine and its workspace.
pub(crate) struct Field {
    pub(crate) bench: Bench,
    engine: Mutex<Option<Running>>,
}

impl Field {
    /// With the guard and the arbiter. Writes wait briefly, so that a refusal comes soon. What
    /// `prepare` makes is there before anybody comes, and so new to nobody.
    pub(crate) fn guarded(prepare: &dyn Fn(&Self)) -> Self {
        Self::with(&["--set", "arbiter.wait_seconds=1"], prepare)
    }

    /// Where nothing is guarded and nothing arbitrated.
    pub(crate) fn bare(prepare: &dyn Fn(&Self)) -> Self {
        Self::with(&["--set", "agent.guard=off", "--set", "arbiter.enabled=false"], prepare)
    }

    fn with(settings: &[&str], prepare: &dyn Fn(&Self)) -> Self {
        let bench = Bench::new();
        fs::create_dir(bench.at_home("out")).unwrap();
        let field = Self { bench, engine: Mutex::default() };
        prepare(&field);
        *field.engine.lock().unwrap() = Some(serve(&field.bench, settings));
        field
    }

    /// Makes the folder of a row, as the person.
    pub(crate) fn prepare(&self, folder: &str, way: &Way) {
        self.bench.workspace.write(&format!("{folder}/src/mine.txt"), "mine\n");
        self.bench.workspace.write(&format!("{folder}/mine.txt"), "mine\n");
        self.bench.workspace.write(&format!("{folder}/{}", way.file), way.text);
        fs::create_dir_all(self.out(folder)).unwrap();
        if way.prepare.is_empty() {
            return;
        }
        let done = self.command(folder, way.file, way.prepare).output().unwrap();
        assert!(done.status.success(), "{}: {done:?}", way.name);
    }

    /// A folder outside the workspace, for one row.
    fn out(&self, folder: &str) -> std::path::PathBuf {
        self.bench.at_home("out").join(folder)
    }

    /// A script without the guard: the person, or a preparation.
    pub(crate) fn command(&self, folder: &str, file: &str, script: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-c", script]).current_dir(self.bench.workspace.at(folder));
        command.env_clear().envs(self.bench.environment()).envs(self.names(folder, file));
        command.stdin(Stdio::null());
        command
    }

    fn names(&self, folder: &str, file: &str) -> [(&'static str, String); 8] {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let rustup = std::env::var("RUSTUP_HOME")
            .unwrap_or_else(|_| format!("{}/.rustup", std::env::var("HOME").unwrap_or_default()));
        let author = "test".to_owned();
        let address = "test@localhost".to_owned();
        [
            ("F", file.to_owned()),
            ("ABS", text(&self.bench.workspace.at(folder).join(file))),
            ("OUT", text(&self.out(folder))),
            ("RUSTUP_HOME", rustup),
            ("GIT_AUTHOR_NAME", author.clone()),
            ("GIT_COMMITTER_NAME", author),
            ("GIT_AUTHOR_EMAIL", address.clone()),
            ("GIT_COMMITTER_EMAIL", address),
        ]
    }

    /// The arguments for a script of `name`, behind the guard if there is one.
    fn words(&self, name: &str, folder: &str, file: &str, script: &str) -> Vec<String> {
        let mut words: Vec<String> =
            ["exec", "--as", name, "--", "env"].map(str::to_owned).to_vec();
        let names = self.names(folder, file);
        words.extend(names.into_iter().map(|(name, value)| format!("{name}={value}")));
        let script = format!("cd {folder} && {{ {script}\n}}");
        words.extend(["bash", "-c", &script].map(str::to_owned));
        words
    }

    /// Runs a script as a process of `name`, and says all that came out.
    pub(crate) fn shell(&self, name: &str, folder: &str, file: &str, script: &str) -> String {
        let words = self.words(name, folder, file, script);
        let ran = self.bench.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        format!("{}{}", ran.stdout, ran.stderr)
    }

    /// Starts a script as a process of `name`.
    pub(crate) fn start(&self, name: &str, folder: &str, file: &str, script: &str) -> Running {
        let words = self.words(name, folder, file, script);
        self.bench.start(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Uses a tool: its code, and all that it said.
    pub(crate) fn tool(&self, name: &str, tool: &str, input: &Value) -> (String, Value) {
        let ran = self.bench.run(&["call", "--as", name, tool, &input.to_string()]);
        let result: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| json!({}));
        match (result["code"].as_str(), result["ok"].as_bool()) {
            (Some(code), _) => (code.to_owned(), result),
            (None, Some(true)) => ("OK".to_owned(), result),
            (None, _) => ("FAILED".to_owned(), json!({ "text": ran.stderr })),
        }
    }

    pub(crate) fn read(&self, name: &str, path: &str) -> String {
        self.tool(name, "read_file", &json!({ "path": path })).0
    }

    pub(crate) fn edit(&self, name: &str, path: &str, old: &str, new: &str) -> String {
        self.tool(name, "edit_file", &json!({ "path": path, "old": old, "new": new })).0
    }

    pub(crate) fn write(&self, name: &str, path: &str, content: &str) -> String {
        self.tool(name, "write_file", &json!({ "path": path, "content": content })).0
    }

    pub(crate) fn reserve(&self, name: &str, path: &str) -> String {
        let input = json!({ "paths": [path], "mode": "write", "reason": "mine", "minutes": 5 });
        self.tool(name, "reserve_files", &input).0
    }

    /// What stands in a file; what kind of thing it is, if it is none.
    pub(crate) fn text(&self, path: &str) -> String {
        let full = self.bench.workspace.at(path);
        match fs::symlink_metadata(&full) {
            Ok(meta) if meta.is_symlink() => "a link".to_owned(),
            Ok(_) => String::from_utf8_lossy(&fs::read(full).unwrap_or_default()).into_owned(),
            Err(_) => "nothing".to_owned(),
        }
    }

    /// Whether words stand in any file of a folder, or in one that was moved out of it.
    pub(crate) fn is_anywhere(&self, folder: &str, words: &str) -> bool {
        let tree = self.bench.workspace.tree();
        let mut within = tree.iter().filter(|(path, _)| path.starts_with(&format!("{folder}/")));
        within.any(|(_, text)| text.contains(words))
    }
}

impl Drop for Field {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.get_mut().unwrap().take()
            && !std::thread::panicking()
        {
            shut_down(&self.bench, engine);
        }
    }
}

/// Whether a program is there.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Says what is left out, also where the output of tests that pass is kept back.
pub(crate) fn loudly(skipped: &str) {
    let _ = writeln!(std::io::stderr(), "\n*** SKIPPED: {skipped} ***\n");
}

/// Runs one test again as a user without rights, if this one has them.
pub(crate) fn as_ordinary_user(test: &str) {
    if !kernel_asks() || !rustix::process::geteuid().is_root() {
        return;
    }
    // The build folder may be closed to others.
    let folder = tempfile::Builder::new().prefix("gauntlet-").tempdir().unwrap();
    let open = || fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.path(), open()).unwrap();
    let place = |name: &str, from: &Path| {
        let copy = folder.path().join(name);
        // Large, and on the same file system as a rule.
        fs::hard_link(from, &copy).or_else(|_| fs::copy(from, &copy).map(drop)).unwrap();
        copy
    };
    let tests = place("tests", &std::env::current_exe().unwrap());
    let program = place("benchdog", Path::new(PROGRAM));
    let status = Command::new(tests)
        .args(["--exact", test, "--nocapture"])
        .current_dir("/")
        .env("HOME", "/nonexistent")
        .env(COPY, program)
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .gid(ORDINARY)
        .uid(ORDINARY)
        .status()
        .unwrap();
    assert!(status.success());
}
