//! `install`: a program that benchdog can use, in the person's own data folder.

use std::fs;
use std::process::{Command, Stdio};

use super::args::Installable;
use super::{DONE, Desk};
use crate::config::folders::{Folders, private_folder};
use crate::config::program::{CLAUDE_PACKAGE, CLAUDE_VERSION, installed_claude, on_path};
use crate::model::failure::{Failure, FailureKind};

/// Lines of npm's complaints that are passed on.
const COMPLAINTS: usize = 12;

/// Installs a program.
pub(super) fn install(desk: &mut Desk<'_>, program: Installable) -> Result<u8, Failure> {
    let Installable::Claude = program;
    let folders = Folders::find(&desk.stage.environment)?;
    let search = desk.stage.environment.get("PATH").unwrap_or_default();
    let Some(npm) = on_path("npm", search) else {
        return Err(Failure::new(FailureKind::AgentStart, "npm is not installed")
            .hint("install node, or install Claude Code in another way and set `claude.command`"));
    };
    let folder = folders.programs().join("claude");
    private_folder(&folder)?;
    // npm looks for a project above the folder; this one is its own.
    let project = folder.join("package.json");
    if !project.exists() {
        fs::write(&project, "{\"private\":true}\n").map_err(|error| {
            let message = format!("{} cannot be written", project.display());
            Failure::new(FailureKind::Failed, message).cause(error)
        })?;
    }
    let package = format!("{CLAUDE_PACKAGE}@{CLAUDE_VERSION}");
    desk.say.note(&format!("npm installs {package} into {}", folder.display()));
    let output = Command::new(npm)
        .args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"])
        .arg(&folder)
        .arg(&package)
        .current_dir(&folder)
        .env("PATH", search)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            Failure::new(FailureKind::AgentStart, "npm does not start").cause(error)
        })?;
    let path = installed_claude(&folders);
    if !output.status.success() || !path.exists() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = complaint.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(COMPLAINTS)..].join("\n  ");
        let why = if last.is_empty() { output.status.to_string() } else { last };
        return Err(Failure::new(
            FailureKind::AgentStart,
            format!("{package} could not be installed"),
        )
        .cause(why));
    }
    if desk.say.json {
        desk.say.value(&serde_json::json!({"path": path, "version": CLAUDE_VERSION}));
    } else {
        desk.say.line(&path.display().to_string());
        desk.say.note("`benchdog doctor --ping` tries it");
    }
    Ok(DONE)
}
