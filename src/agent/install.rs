//! Claude Code's program: finding it, and installing it when the person asks.
//!
//! Nothing is ever installed unasked. What is installed stands in the data folder alone, in a
//! version that this driver was tested with.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io, thread};

use crate::model::failure::{Failure, FailureKind};

/// The version that is installed.
pub const PINNED: &str = "2.1.329";

/// The package that is installed.
const PACKAGE: &str = "@anthropic-ai/claude-code";

/// The folder that Claude Code is installed into.
pub fn claude_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("claude")
}

/// Looks for Claude Code: in the folders of `path_env` (the value of `PATH`), then in the data
/// folder. A program that the settings name goes before both, and is not looked for.
pub fn find_claude(data_dir: &Path, path_env: Option<&OsStr>) -> Option<PathBuf> {
    let folders = path_env.map(|path| std::env::split_paths(path).collect::<Vec<_>>());
    let on_path = folders
        .unwrap_or_default()
        .into_iter()
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("claude"))
        .find(|program| is_program(program));
    on_path.or_else(|| installed(&claude_folder(data_dir)))
}

/// Installs Claude Code into the data folder by npm, whose words go to `out`, and says where the
/// program is.
pub fn install_claude(data_dir: &Path, out: &mut dyn Write) -> Result<PathBuf, Failure> {
    install_with(OsStr::new("npm"), data_dir, out)
}

fn install_with(npm: &OsStr, data_dir: &Path, out: &mut dyn Write) -> Result<PathBuf, Failure> {
    let folder = claude_folder(data_dir);
    fs::create_dir_all(&folder).map_err(|error| {
        let message = format!("the folder `{}` cannot be made", folder.display());
        Failure::new(FailureKind::Failed, message).cause(error)
    })?;
    let mut child = Command::new(npm)
        .args(["install", "--no-audit", "--no-fund", "--prefix"])
        .arg(&folder)
        .arg(format!("{PACKAGE}@{PINNED}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| npm_missing(&error))?;
    let errors = child.stderr.take().map(|stderr| thread::spawn(move || last_lines(stderr)));
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            // If nobody reads what npm says, it still installs.
            drop(writeln!(out, "{}", String::from_utf8_lossy(&line)));
        }
    }
    let complaints = errors.and_then(|errors| errors.join().ok()).unwrap_or_default();
    drop(write!(out, "{complaints}"));
    let status = child.wait().map_err(|error| {
        Failure::new(FailureKind::Failed, "npm does not end properly").cause(error)
    })?;
    if !status.success() {
        return Err(Failure::new(FailureKind::Failed, format!("npm does not install {PACKAGE}"))
            .hint("npm says above what is wrong; `benchdog doctor` shows what is installed")
            .cause(complaints.trim_end().lines().last().unwrap_or("no reason given")));
    }
    installed(&folder).ok_or_else(|| {
        let message = format!("npm has installed {PACKAGE} without a program for this system");
        Failure::new(FailureKind::Failed, message)
            .hint("install Claude Code by other means, so that `claude` is found on the PATH")
    })
}

fn npm_missing(error: &io::Error) -> Failure {
    let failure = if error.kind() == io::ErrorKind::NotFound {
        Failure::new(FailureKind::Failed, "npm is not installed")
    } else {
        Failure::new(FailureKind::Failed, "npm does not start")
    };
    failure
        .hint("install Node.js, or Claude Code by other means, so that `claude` is on the PATH")
        .cause(error)
}

/// What a stream says, the last 64 KiB of it.
fn last_lines(mut stream: impl Read) -> String {
    const KEPT: usize = 64 << 10;
    let mut kept = Vec::new();
    let mut chunk = [0; 8 << 10];
    while let Ok(count @ 1..) = stream.read(&mut chunk) {
        kept.extend_from_slice(&chunk[..count]);
        if kept.len() > 2 * KEPT {
            kept.drain(..kept.len() - KEPT);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// The program in a folder that npm installed into: the native one of this system's package, else
/// what npm links.
fn installed(folder: &Path) -> Option<PathBuf> {
    let modules = folder.join("node_modules");
    let mut native: Vec<PathBuf> = fs::read_dir(modules.join("@anthropic-ai"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            name.starts_with("claude-code-")
        })
        .map(|path| path.join("claude"))
        .collect();
    native.sort();
    native.push(modules.join(".bin/claude"));
    native.into_iter().find(|program| is_program(program))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn program(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_path_goes_before_the_data_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (bin, data) = (dir.path().join("bin"), dir.path().join("data"));
        assert_eq!(find_claude(&data, Some(bin.as_os_str())), None);
        let native = data.join("claude/node_modules/@anthropic-ai/claude-code-linux-x64/claude");
        program(&native, "");
        assert_eq!(find_claude(&data, Some(bin.as_os_str())), Some(native.clone()));
        assert_eq!(find_claude(&data, None), Some(native));
        fs::create_dir_all(&bin).unwrap();
        fs::write(bin.join("claude"), "not executable").unwrap();
        assert_ne!(find_claude(&data, Some(bin.as_os_str())), Some(bin.join("claude")));
        program(&bin.join("claude"), "");
        assert_eq!(find_claude(&data, Some(bin.as_os_str())), Some(bin.join("claude")));
    }

    #[test]
    fn the_link_of_npm_serves_when_there_is_no_native_program() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("claude/node_modules/.bin/claude");
        program(&link, "");
        assert_eq!(find_claude(dir.path(), None), Some(link));
    }

    #[test]
    fn npm_is_asked_for_the_pinned_version_and_its_words_are_passed_on() {
        let dir = tempfile::tempdir().unwrap();
        let npm = dir.path().join("npm");
        let script = r#"#!/bin/sh
echo "asked: $*"; echo "a warning" >&2
mkdir -p "$5/node_modules/.bin"; : > "$5/node_modules/.bin/claude"; chmod +x "$5/node_modules/.bin/claude"
"#;
        program(&npm, script);
        let mut out = Vec::new();
        let found = install_with(npm.as_os_str(), dir.path(), &mut out).unwrap();
        assert_eq!(found, dir.path().join("claude/node_modules/.bin/claude"));
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("@anthropic-ai/claude-code@2.1.329"), "{out}");
        assert!(out.contains("a warning"));
    }

    #[test]
    fn a_missing_or_failing_npm_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("nothing");
        let mut out = Vec::new();
        let failure = install_with(missing.as_os_str(), dir.path(), &mut out).unwrap_err();
        assert_eq!(failure.message, "npm is not installed");
        assert!(failure.hint.unwrap().contains("Node.js"));
        let npm = dir.path().join("npm");
        program(&npm, "#!/bin/sh\necho 'code ENOSPC' >&2; exit 3\n");
        let failure = install_with(npm.as_os_str(), dir.path(), &mut out).unwrap_err();
        assert_eq!(failure.cause.as_deref(), Some("code ENOSPC"));
    }
}
