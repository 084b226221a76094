//! The real agent, Claude Code, pinned: found, or installed once per checkout.
//!
//! It talks to the scripted API on the loopback device only: a home of its own, a key that is
//! none, and everything off that would ask the network for something else.

use std::env::consts::{ARCH, OS};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::workspace::Workspace;

/// The version that the tests are written against.
pub(crate) const VERSION: &str = "2.1.329";

/// The real program. Without npm there is none: the test says so and passes, but not where `CI`
/// is set, where all tests must run.
pub(crate) fn find() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| match install() {
        Ok(program) => Some(program),
        Err(problem) if std::env::var_os("CI").is_some() => panic!("no real agent: {problem}"),
        Err(problem) => {
            eprintln!("\n*** SKIPPED: the tests with the real Claude Code CLI. {problem} ***\n");
            None
        }
    });
    found.as_deref()
}

/// Finds the program in the checkout, or has npm put it there.
fn install() -> Result<PathBuf, String> {
    if let Some(given) = std::env::var_os("BENCHDOG_TEST_CLAUDE") {
        let given = PathBuf::from(given);
        return given
            .exists()
            .then_some(given)
            .ok_or_else(|| "BENCHDOG_TEST_CLAUDE is no file".into());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".agents").join(VERSION);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    // Test processes run side by side; one installs, the others wait.
    let lock = File::create(folder.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| format!("cannot lock {}: {error}", folder.display()))?;
    if let Some(program) = installed(&folder) {
        return Ok(program);
    }
    let arguments = ["install", "--prefix", ".", "--no-audit", "--no-fund", "--loglevel=error"];
    let done = Command::new("npm")
        .args(arguments)
        .arg(format!("@anthropic-ai/claude-code@{VERSION}"))
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("npm does not run: {error}"))?;
    if !done.status.success() {
        let errors = String::from_utf8_lossy(&done.stderr);
        return Err(format!("npm cannot install it: {}", errors.trim()));
    }
    installed(&folder).ok_or_else(|| format!("npm installed nothing for {OS} on {ARCH}"))
}

fn installed(folder: &Path) -> Option<PathBuf> {
    let os = if OS == "macos" { "darwin" } else { OS };
    let arch = match ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    let scope = folder.join("node_modules/@anthropic-ai");
    ["", "-musl"]
        .into_iter()
        .map(|libc| scope.join(format!("claude-code-{os}-{arch}{libc}/claude")))
        .find(|program| program.exists())
}

/// The environment of the real program: complete, nothing is inherited.
pub(crate) fn environment(home: &Path, api: &str) -> Vec<(String, String)> {
    let home = home.to_string_lossy().into_owned();
    let path = std::env::var("PATH").unwrap_or_default();
    [
        ("PATH", path),
        ("HOME", home.clone()),
        ("TMPDIR", home.clone()),
        ("CLAUDE_CODE_TMPDIR", home.clone()),
        ("CLAUDE_CONFIG_DIR", format!("{home}/.claude")),
        ("LANG", "C.UTF-8".to_owned()),
        ("SHELL", "/bin/sh".to_owned()),
        ("ANTHROPIC_BASE_URL", api.to_owned()),
        ("ANTHROPIC_API_KEY", "sk-ant-test-0000000000000000000000".to_owned()),
        ("NO_PROXY", "127.0.0.1,localhost".to_owned()),
        ("DISABLE_AUTOUPDATER", "1".to_owned()),
        ("DISABLE_TELEMETRY", "1".to_owned()),
        ("DISABLE_ERROR_REPORTING", "1".to_owned()),
        ("DISABLE_BUG_COMMAND", "1".to_owned()),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1".to_owned()),
        ("CLAUDE_CODE_DISABLE_FEEDBACK_SURVEY", "1".to_owned()),
        ("IS_SANDBOX", "1".to_owned()),
        ("GIT_CONFIG_GLOBAL", "/dev/null".to_owned()),
        ("GIT_CONFIG_SYSTEM", "/dev/null".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// The real program as a subprocess of a host, not started.
pub(crate) fn command(program: &Path, workspace: &Workspace, home: &Path, api: &str) -> Command {
    let mut command = Command::new(program);
    command
        .args(["-p", "--input-format", "stream-json", "--output-format", "stream-json"])
        .args(["--verbose", "--include-partial-messages", "--permission-prompt-tool", "stdio"])
        .current_dir(workspace.path())
        .env_clear()
        .envs(environment(home, api));
    command
}
