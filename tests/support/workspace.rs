//! A folder to work in, gone after the test.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A temporary workspace.
#[derive(Debug)]
pub(crate) struct Workspace {
    folder: TempDir,
    path: PathBuf,
}

impl Workspace {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Some systems reach their temporary folder through a link; agents name the real one.
        let path = fs::canonicalize(folder.path()).unwrap();
        Self { folder, path }
    }

    /// An empty one with a folder `out` beside it.
    pub(crate) fn with_outside() -> Self {
        let outer = Self::new();
        let path = outer.path.join("ws");
        for folder in [&path, &outer.path.join("out")] {
            fs::create_dir(folder).unwrap();
        }
        Self { path, ..outer }
    }

    /// The folder beside it.
    pub(crate) fn outside(&self) -> PathBuf {
        self.path.with_file_name("out")
    }

    /// One with these files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let workspace = Self::new();
        for (path, content) in files {
            workspace.write(path, content);
        }
        workspace
    }

    /// Makes it a git repository with everything in one commit.
    pub(crate) fn git(self) -> Self {
        for args in [
            &["init", "-q", "-b", "main"][..],
            &["add", "-A"],
            &["commit", "-q", "--allow-empty", "-m", "start"],
        ] {
            let done = Command::new("git")
                .args(["-c", "user.name=test", "-c", "user.email=test@localhost"])
                .args(args)
                .current_dir(&self.path)
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env("GIT_CONFIG_SYSTEM", "/dev/null")
                .output()
                .unwrap();
            assert!(done.status.success(), "git {args:?}: {done:?}");
        }
        self
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The absolute path of a file.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.path.join(path)
    }

    /// Writes a file.
    pub(crate) fn write(&self, path: &str, content: &str) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Reads a file; empty if there is none.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_default()
    }

    /// Whether a file exists.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.at(path).exists()
    }

    /// All files and their contents, `.git` and `target` excepted.
    pub(crate) fn tree(&self) -> BTreeMap<String, String> {
        let mut tree = BTreeMap::new();
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            // What somebody takes away meanwhile is not there.
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(&self.path).unwrap().to_string_lossy().into_owned();
                if path.is_dir() && name != ".git" && name != "target" {
                    folders.push(path);
                } else if path.is_file() {
                    let Ok(content) = fs::read(&path) else { continue };
                    tree.insert(name, String::from_utf8_lossy(&content).into_owned());
                }
            }
        }
        tree
    }
}
