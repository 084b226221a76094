//! Which files a git over the whole tree may destroy: what is uncommitted, in submodules and other
//! repositories below too, and what git ignores where the command reaches that.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Survey, question};
use crate::cli::git::real::Git;
use crate::git::{Content, FileQuestion, Line};
use crate::model::failure::{Failure, FailureKind};

/// Files beyond this are not listed: so many are kept by nobody.
const MOST: usize = 100_000;

impl Survey {
    /// The files that have to be kept before the command may run.
    pub(in crate::cli::git) fn to_keep(
        &self,
        git: &Git,
        line: &Line,
    ) -> Result<Vec<FileQuestion>, Failure> {
        let mut listed = Vec::new();
        for file in &self.files {
            let full = self.top.join(std::ffi::OsStr::from_bytes(&file.path));
            match &file.question {
                Some(question) if !full.is_dir() => listed.push(question.clone()),
                Some(_) | None => self.list(&full, &mut listed)?,
            }
        }
        if line.reaches_ignored() {
            for full in self.ignored(git)? {
                self.list(&full, &mut listed)?;
            }
        }
        Ok(listed)
    }

    /// What git ignores: files, and folders as a whole.
    fn ignored(&self, git: &Git) -> Result<Vec<PathBuf>, Failure> {
        let mut command = self.ask(git);
        command.args(["ls-files", "-z", "--full-name", "--others", "--ignored"]);
        command.args(["--exclude-standard", "--directory"]).current_dir(&self.top);
        let rows = git.output(&mut command)?;
        let paths = rows.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        Ok(paths.map(|path| self.top.join(std::ffi::OsStr::from_bytes(path))).collect())
    }

    /// Lists a file, or all files below a folder. What git itself keeps is none of them.
    fn list(&self, full: &Path, listed: &mut Vec<FileQuestion>) -> Result<(), Failure> {
        let broken = |error: io::Error| {
            let text = format!("{} cannot be looked at", full.display());
            Failure::new(FailureKind::Failed, text).cause(error)
        };
        let meta = match fs::symlink_metadata(full) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(broken(error)),
        };
        if meta.is_dir() {
            for entry in fs::read_dir(full).map_err(broken)? {
                let entry = entry.map_err(broken)?;
                if entry.file_name() != ".git" {
                    self.list(&entry.path(), listed)?;
                }
            }
            return Ok(());
        }
        if !(meta.is_file() || meta.is_symlink()) {
            return Ok(());
        }
        let asked = question(&self.root, full, Content::Absent, Content::Unknown);
        let asked = asked.filter(|_| listed.len() < MOST).ok_or_else(|| {
            let why = if listed.len() < MOST {
                "lies outside the workspace, or has a name that is no text"
            } else {
                "is one of more files than can be kept"
            };
            Failure::new(FailureKind::Failed, format!("{} {why}", full.display()))
        })?;
        listed.push(asked);
        Ok(())
    }
}
