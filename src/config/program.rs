//! Finds the program of a back end: on PATH, else where `benchdog install` puts it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::folders::Folders;

/// The version of the Claude Code CLI that `benchdog install claude` installs.
pub const CLAUDE_VERSION: &str = "2.1.329";

/// The package that has it.
pub const CLAUDE_PACKAGE: &str = "@anthropic-ai/claude-code";

/// Where the person's own installation of Claude Code is.
pub fn installed_claude(folders: &Folders) -> PathBuf {
    folders.programs().join("claude/node_modules/.bin/claude")
}

/// `command` with its program found, or `None` if there is no such program. A name with a slash
/// is taken as it is; `claude` is also looked for where it was installed by benchdog.
pub fn find(command: &[String], search: &str, folders: &Folders) -> Option<Vec<String>> {
    let (program, arguments) = command.split_first()?;
    let found = if program.contains('/') {
        Some(PathBuf::from(program)).filter(|path| is_program(path))
    } else {
        on_path(program, search).or_else(|| {
            Some(installed_claude(folders)).filter(|path| program == "claude" && is_program(path))
        })
    }?;
    let mut whole = vec![found.to_str()?.to_owned()];
    whole.extend_from_slice(arguments);
    Some(whole)
}

/// The first program of this name in the folders of `search`, which are separated by colons.
pub fn on_path(name: &str, search: &str) -> Option<PathBuf> {
    std::env::split_paths(search)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn program(path: &Path) {
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, "#!/bin/sh\n").expect("a file");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a program");
    }

    #[test]
    fn a_program_is_found_on_path_first_and_then_where_it_was_installed() {
        let dir = tempfile::tempdir().expect("a folder");
        let folders = Folders::below(dir.path());
        let bin = dir.path().join("bin");
        let search = bin.display().to_string();
        let command = ["claude".to_owned(), "-x".to_owned()];
        assert_eq!(find(&command, &search, &folders), None);
        program(&installed_claude(&folders));
        let own = installed_claude(&folders).display().to_string();
        assert_eq!(find(&command, &search, &folders), Some(vec![own, "-x".to_owned()]));
        program(&bin.join("claude"));
        let first = bin.join("claude").display().to_string();
        assert_eq!(find(&command, &search, &folders), Some(vec![first, "-x".to_owned()]));
    }

    #[test]
    fn a_file_that_cannot_be_run_is_no_program() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("tool"), "").expect("a file");
        assert_eq!(on_path("tool", &dir.path().display().to_string()), None);
        program(&dir.path().join("tool"));
        assert!(on_path("tool", &dir.path().display().to_string()).is_some());
        // A relative folder on PATH is where the agent works; nothing is taken from there.
        assert_eq!(on_path("tool", "."), None);
    }
}
