//! Judges the facts: one row for each thing that matters, with what to do about it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::facts::{Facts, Folder, Pong, Program, Terminal, Workspace};
use crate::model::agent::GuardLevel;

/// Columns and rows below which the screen is hard to use.
const SMALL_SCREEN: (u16, u16) = (40, 12);

/// Free bytes below which the history may soon stop.
const LITTLE_DISK: u64 = 1024 * 1024 * 1024;

/// Free bytes below which nothing should be started.
const NO_DISK: u64 = 64 * 1024 * 1024;

/// How much a row matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// It is as it should be.
    Fine,
    /// Good to know.
    Info,
    /// Something works less well.
    Warn,
    /// benchdog cannot do its work.
    Error,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// How much it matters.
    pub level: Weight,
    /// What was found.
    pub found: String,
    /// What to do; empty if nothing.
    pub hint: String,
}

/// All rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Whether benchdog can do its work here.
    pub ok: bool,
    /// The rows.
    pub checks: Vec<Check>,
}

/// Judges `facts`.
pub fn judge(facts: &Facts) -> Diagnosis {
    let mut checks = vec![system(&facts.system), agent(&facts.agent)];
    checks.extend(facts.ping.as_ref().map(ping));
    checks.extend([git(&facts.git), terminal(&facts.terminal), colours(&facts.terminal)]);
    checks.push(folders(&facts.folders));
    checks.push(settings(&facts.settings));
    checks.push(socket(&facts.socket, facts.socket_limit));
    checks.extend(facts.database.as_ref().map(database));
    checks.extend(facts.disk.as_ref().map(|(path, free)| disk(path, *free)));
    checks.push(guard(&facts.guard));
    checks.extend(facts.workspace.as_ref().map(workspace));
    Diagnosis { ok: checks.iter().all(|check| check.level != Weight::Error), checks }
}

fn row(name: &str, level: Weight, found: impl Into<String>, hint: impl Into<String>) -> Check {
    Check {
        name: name.to_owned(),
        ok: matches!(level, Weight::Fine | Weight::Info),
        level,
        found: found.into(),
        hint: hint.into(),
    }
}

fn fine(name: &str, found: impl Into<String>) -> Check {
    row(name, Weight::Fine, found, "")
}

fn system(system: &str) -> Check {
    match system {
        "linux" | "macos" => fine("system", system),
        _ => row("system", Weight::Error, system, "benchdog is made for Linux and macOS"),
    }
}

fn agent(agent: &Program) -> Check {
    let name = "agent";
    let wanted = agent.command.first().map_or("", String::as_str);
    let Some(path) = &agent.path else {
        return row(
            name,
            Weight::Error,
            format!("`{wanted}` is not installed"),
            "`benchdog install claude` installs it, or set `claude.command` in config.toml; \
             `benchdog demo` needs none",
        );
    };
    match &agent.version {
        Some(Ok(version)) => fine(name, format!("{version} at {path}")),
        Some(Err(error)) => row(
            name,
            Weight::Error,
            format!("{path} does not start: {error}"),
            "run it by hand with --version to see what it lacks",
        ),
        None => fine(name, path),
    }
}

fn ping(ping: &Result<Pong, String>) -> Check {
    let name = "ping";
    match ping {
        Ok(pong) if pong.gate_fails_closed => {
            fine(name, format!("the agent answers after {} ms", pong.took.as_millis()))
        }
        Ok(pong) => row(
            name,
            Weight::Warn,
            format!(
                "the agent answers after {} ms, but a gate that breaks lets its tool run",
                pong.took.as_millis()
            ),
            "a newer Claude Code blocks the tool then: `benchdog install claude`",
        ),
        Err(error) => row(
            name,
            Weight::Error,
            format!("the agent does not answer: {error}"),
            "run it by hand and log in; benchdog.log has the details",
        ),
    }
}

fn git(git: &Program) -> Check {
    match (&git.path, &git.version) {
        (Some(_), Some(Ok(version))) => fine("git", version),
        (Some(path), Some(Err(error))) => row(
            "git",
            Weight::Warn,
            format!("{path} does not start: {error}"),
            "branches are not shown without git",
        ),
        (Some(path), None) => fine("git", path),
        (None, _) => row(
            "git",
            Weight::Warn,
            "not installed",
            "install git: without it the workspace is the current folder and branches are not shown",
        ),
    }
}

fn terminal(terminal: &Terminal) -> Check {
    let name = "terminal";
    let term = terminal.term.as_deref().unwrap_or("no TERM");
    if !terminal.present {
        let hint = "the screen needs a terminal; `run`, `serve` and the commands do not";
        return row(name, Weight::Info, "this is no terminal", hint);
    }
    if matches!(term, "dumb" | "no TERM") {
        return row(name, Weight::Error, term, "the screen needs a terminal that can place text");
    }
    let size = match terminal.size {
        Some((columns, rows)) => format!("{columns}x{rows}"),
        None => "size unknown".to_owned(),
    };
    let found = format!("{term}, {size}");
    if let Some((columns, rows)) = terminal.size
        && (columns < SMALL_SCREEN.0 || rows < SMALL_SCREEN.1)
    {
        return row(name, Weight::Warn, found, "from 80x24 on there is room for panes");
    }
    if !terminal.utf8 {
        let hint = "set LANG to a UTF-8 locale, else marks and borders may be garbled";
        return row(name, Weight::Warn, format!("{found}, no UTF-8 locale"), hint);
    }
    fine(name, found)
}

fn colours(terminal: &Terminal) -> Check {
    let term = terminal.term.as_deref().unwrap_or_default();
    let found = if terminal.no_color {
        "none, as NO_COLOR wishes"
    } else if matches!(terminal.color_term.as_deref(), Some("truecolor" | "24bit")) {
        "all"
    } else if term.contains("256color") {
        "256"
    } else {
        "16"
    };
    fine("colours", found)
}

fn folders(folders: &[Folder]) -> Check {
    let broken: Vec<String> = folders
        .iter()
        .filter_map(|folder| {
            let obstacle = folder.obstacle.as_ref()?;
            Some(format!("{} {}: {obstacle}", folder.name, folder.path.display()))
        })
        .collect();
    if broken.is_empty() {
        let all = folders.iter().map(|folder| folder.name).collect::<Vec<_>>().join(", ");
        return fine("folders", format!("{all} can be written"));
    }
    let hint = "make them writable, or set BENCHDOG_HOME to a folder for everything of benchdog";
    row("folders", Weight::Error, broken.join("; "), hint)
}

fn settings(problems: &[(bool, String)]) -> Check {
    let hint = "`benchdog config check` tells all of them";
    match problems {
        [] => fine("settings", "in order"),
        [first, rest @ ..] => {
            let fatal = problems.iter().any(|(fatal, _)| *fatal);
            let level = if fatal { Weight::Error } else { Weight::Warn };
            let more = match rest.len() {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            row("settings", level, format!("{}{more}", first.1), hint)
        }
    }
}

fn socket(path: &Path, limit: usize) -> Check {
    let length = path.as_os_str().len();
    let found = format!("{} ({length} of {limit} bytes)", path.display());
    if length > limit {
        return row("socket", Weight::Error, found, "set BENCHDOG_HOME to a shorter path");
    }
    fine("socket", found)
}

fn database(database: &Result<String, String>) -> Check {
    match database {
        Ok(found) => fine("history", found),
        Err(error) => {
            let hint = "move the database away to begin a new one; nothing in it is deleted";
            row("history", Weight::Error, error, hint)
        }
    }
}

fn disk(path: &Path, free: u64) -> Check {
    let found = format!("{} MiB free at {}", free >> 20, path.display());
    let hint = "make room: agents stop when their history cannot be written";
    if free < NO_DISK {
        row("disk", Weight::Error, found, hint)
    } else if free < LITTLE_DISK {
        row("disk", Weight::Warn, found, hint)
    } else {
        fine("disk", format!("{} GiB free at {}", free >> 30, path.display()))
    }
}

fn guard(guard: &Result<(), String>) -> Check {
    match guard {
        Ok(()) => fine("guard", GuardLevel::Enforced.as_str()),
        Err(why) => row(
            "guard",
            Weight::Warn,
            format!("{}: {why}", GuardLevel::Advisory.as_str()),
            "edit tools are gated; writes by shell and git are found and shown, not prevented",
        ),
    }
}

fn workspace(workspace: &Workspace) -> Check {
    let kind = if workspace.is_repository { "a repository" } else { "no repository" };
    let engine = match workspace.engine {
        Some(pid) => format!("its engine is process {pid}"),
        None => "no engine runs".to_owned(),
    };
    row("workspace", Weight::Info, format!("{}, {kind}, {engine}", workspace.root.display()), "")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sound() -> Facts {
        let program = |name: &str, version: &str| Program {
            command: vec![name.to_owned()],
            path: Some(format!("/bin/{name}")),
            version: Some(Ok(version.to_owned())),
        };
        Facts {
            system: "linux".to_owned(),
            agent: program("claude", "2.1.329 (Claude Code)"),
            git: program("git", "git version 2.47.0"),
            ping: None,
            terminal: Terminal {
                present: true,
                term: Some("xterm-256color".to_owned()),
                color_term: None,
                no_color: false,
                size: Some((160, 50)),
                utf8: true,
            },
            folders: vec![Folder { name: "data", path: "/d".into(), obstacle: None }],
            settings: vec![],
            socket: "/run/x.sock".into(),
            socket_limit: 103,
            database: Some(Ok("12 sessions, schema 1".to_owned())),
            disk: Some(("/d".into(), 5 << 30)),
            guard: Err("there is no Landlock".to_owned()),
            workspace: Some(Workspace { root: "/w".into(), is_repository: true, engine: None }),
        }
    }

    #[test]
    fn a_sound_machine_is_ok_and_the_missing_guard_is_said() {
        let diagnosis = judge(&sound());
        assert!(diagnosis.ok);
        let not_ok: Vec<&str> =
            diagnosis.checks.iter().filter(|row| !row.ok).map(|row| row.name.as_str()).collect();
        assert_eq!(not_ok, ["guard"]);
        let names: Vec<&str> = diagnosis.checks.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "system",
                "agent",
                "git",
                "terminal",
                "colours",
                "folders",
                "settings",
                "socket",
                "history",
                "disk",
                "guard",
                "workspace",
            ]
        );
    }

    /// A row's name, a change of the facts, and what the row says then.
    type Case = (&'static str, fn(&mut Facts), &'static str);

    /// Changes one fact and tells the row that is not fine because of it.
    fn check(name: &str, change: impl Fn(&mut Facts)) -> (bool, Weight, String) {
        let mut facts = sound();
        change(&mut facts);
        let diagnosis = judge(&facts);
        let row = diagnosis.checks.iter().find(|row| row.name == name).expect("a row");
        assert!(row.level == Weight::Fine || !row.hint.is_empty(), "what to do is said: {row:?}");
        (diagnosis.ok, row.level, row.found.clone())
    }

    #[test]
    fn what_stops_the_work_is_an_error() {
        let cases: [Case; 8] = [
            ("system", |facts| facts.system = "windows".to_owned(), "windows"),
            ("agent", |facts| facts.agent.path = None, "`claude` is not installed"),
            (
                "agent",
                |facts| facts.agent.version = Some(Err("no node".to_owned())),
                "/bin/claude does not start: no node",
            ),
            (
                "ping",
                |facts| facts.ping = Some(Err("not logged in".to_owned())),
                "the agent does not answer: not logged in",
            ),
            (
                "folders",
                |facts| facts.folders[0].obstacle = Some("read-only".to_owned()),
                "data /d: read-only",
            ),
            (
                "settings",
                |facts| facts.settings = vec![(false, "a".to_owned()), (true, "b".to_owned())],
                "a (and 1 more)",
            ),
            (
                "history",
                |facts| facts.database = Some(Err("it is newer".to_owned())),
                "it is newer",
            ),
            ("disk", |facts| facts.disk = Some(("/d".into(), 1 << 20)), "1 MiB free at /d"),
        ];
        for (name, change, found) in cases {
            assert_eq!(check(name, change), (false, Weight::Error, found.to_owned()));
        }
    }

    #[test]
    fn what_only_works_less_well_is_a_warning() {
        let cases: [Case; 5] = [
            ("git", |facts| facts.git.path = None, "not installed"),
            ("terminal", |facts| facts.terminal.size = Some((39, 12)), "xterm-256color, 39x12"),
            (
                "terminal",
                |facts| facts.terminal.utf8 = false,
                "xterm-256color, 160x50, no UTF-8 locale",
            ),
            ("settings", |facts| facts.settings = vec![(false, "x".to_owned())], "x"),
            (
                "ping",
                |facts| {
                    let took = Duration::from_millis(400);
                    let pong = Pong { version: None, gate_fails_closed: false, took };
                    facts.ping = Some(Ok(pong));
                },
                "the agent answers after 400 ms, but a gate that breaks lets its tool run",
            ),
        ];
        for (name, change, found) in cases {
            assert_eq!(check(name, change), (true, Weight::Warn, found.to_owned()));
        }
    }

    #[test]
    fn a_pipe_is_no_reason_to_complain() {
        let (ok, level, _) = check("terminal", |facts| facts.terminal = Terminal::default());
        assert_eq!((ok, level), (true, Weight::Info));
    }
}
