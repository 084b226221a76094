//! Looks at this machine.
//!
//! Nothing is changed: a folder that is missing is fine if it could be made.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::facts::{Folder, Program};

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks a program for its version. `found` is the program with its first arguments.
pub async fn program(command: &[String], found: Option<&[String]>) -> Program {
    let version = match found {
        Some(found) => Some(version(found).await),
        None => None,
    };
    Program {
        command: command.to_vec(),
        path: found.and_then(|found| found.first()).cloned(),
        version,
    }
}

async fn version(command: &[String]) -> Result<String, String> {
    let (program, arguments) = command.split_first().ok_or("there is no command")?;
    let output = Command::new(program)
        .args(arguments)
        .arg("--version")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, output)
        .await
        .map_err(|_| format!("no version after {} s", PATIENCE.as_secs()))?
        .map_err(|error| error.to_string())?;
    let first = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.lines().find(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
    };
    if output.status.success() {
        return Ok(first(&output.stdout).unwrap_or_else(|| "a version without a name".to_owned()));
    }
    Err(first(&output.stderr).unwrap_or_else(|| output.status.to_string()))
}

/// Whether something can be written below `path`, which may not exist yet.
pub fn folder(name: &'static str, path: &Path) -> Folder {
    let existing = path.ancestors().find(|above| above.exists());
    let obstacle = match existing {
        None => Some("no folder above it exists".to_owned()),
        Some(above) if !above.is_dir() => Some(format!("{} is not a folder", above.display())),
        Some(above) => rustix::fs::access(above, rustix::fs::Access::WRITE_OK)
            .err()
            .map(|errno| format!("{}: {errno}", above.display())),
    };
    Folder { name, path: path.to_owned(), obstacle }
}

/// The bytes that are free where `path` is or will be.
pub fn free(path: &Path) -> Option<(PathBuf, u64)> {
    let above = path.ancestors().find(|above| above.exists())?;
    let found = rustix::fs::statvfs(above).ok()?;
    Some((path.to_owned(), found.f_bavail.saturating_mul(found.f_frsize)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_tells_its_version_or_why_not() {
        let sh = |script: &str| ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        let good = sh("echo; echo 1.2.3");
        let found = program(&["x".to_owned()], Some(&good)).await;
        assert_eq!(found.version, Some(Ok("1.2.3".to_owned())));
        assert_eq!(found.path.as_deref(), Some("/bin/sh"));
        let bad = program(&["x".to_owned()], Some(&sh("echo no node >&2; exit 3"))).await;
        assert_eq!(bad.version, Some(Err("no node".to_owned())));
        let none = program(&["x".to_owned()], None).await;
        assert_eq!((none.path, none.version), (None, None));
    }

    #[test]
    fn a_folder_that_can_be_made_is_fine_and_is_not_made() {
        let dir = tempfile::tempdir().expect("a folder");
        let deep = dir.path().join("a/b/c");
        assert_eq!(folder("data", &deep).obstacle, None);
        assert!(!deep.exists());
        std::fs::write(dir.path().join("file"), "").expect("a file");
        let below = folder("data", &dir.path().join("file/x"));
        assert!(below.obstacle.is_some_and(|why| why.ends_with("is not a folder")));
    }

    #[test]
    fn free_bytes_are_told_for_a_folder_that_is_not_there_yet() {
        let dir = tempfile::tempdir().expect("a folder");
        assert!(free(&dir.path().join("a/b")).is_some_and(|(_, bytes)| bytes > 0));
    }
}
