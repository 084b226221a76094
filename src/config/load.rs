//! Finds the layers of settings on disk and in the environment, and merges them.
//!
//! A file that is not there is an empty layer. One that cannot be read is a fatal problem: it
//! could have said something that safety hangs on.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::environment::Environment;
use super::file::{Parsed, parse, single};
use super::folders::Folders;
use super::merge::{Merged, Voice};
use super::problem::{Gravity, Origin, Problem};
use super::schema::{FILTER, KEYS, is_filter};
use super::settings::Settings;
use crate::model::agent::{ENGINE_MARK, RUN_MARK};
use crate::model::failure::{Failure, FailureKind};

/// The defaults, with a comment for each.
pub const DEFAULTS: &str = include_str!("../../assets/config.toml");

/// The project's file below the root of the workspace.
pub const PROJECT_FILE: &str = ".benchdog/config.toml";

/// The variable that says what is logged, before the setting.
pub const LOG: &str = "BENCHDOG_LOG";

/// The largest settings file that is read.
const FILE_BYTES: u64 = 1024 * 1024;

/// Where the layers come from.
#[derive(Debug, Clone, Copy)]
pub struct Layers<'a> {
    /// The person's folders.
    pub folders: &'a Folders,
    /// The root of the workspace, if one is open.
    pub workspace: Option<&'a Path>,
    /// The environment.
    pub environment: &'a Environment,
    /// `ui.theme=day` and the like, in the order of the command line.
    pub flags: &'a [String],
}

/// The settings that hold, and what is wrong with what was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Each value with its origin.
    pub merged: Merged,
    /// What is wrong; nothing fatal if the start goes on.
    pub problems: Vec<Problem>,
}

impl Loaded {
    /// The first problem with which nothing may start.
    pub fn fatal(&self) -> Option<&Problem> {
        self.problems.iter().find(|problem| problem.gravity == Gravity::Fatal)
    }
}

/// Reads and merges all layers. Fails only if the defaults themselves are broken.
pub fn load(layers: &Layers<'_>) -> Result<Loaded, Failure> {
    let mut merged = Merged::default();
    let mut problems = Vec::new();
    merged.add(parse(DEFAULTS, "defaults"), Voice::Person, &mut problems);
    merged.forget_origins();
    merged.add(read(&layers.folders.settings_file()), Voice::Person, &mut problems);
    let project = layers.workspace.map(project_file);
    if let Some(file) = &project {
        merged.add(read(file), Voice::Project, &mut problems);
    }
    merged.add(of_environment(layers.environment), Voice::Person, &mut problems);
    merged.add(of_flags(layers.flags), Voice::Person, &mut problems);
    let mut settings = Settings::deserialize(merged.table()).map_err(|error| {
        Failure::new(FailureKind::Internal, "the settings do not fit together").cause(error)
    })?;
    // What the project narrows holds for agents that are wished with a mode of their own, too.
    let narrowed = merged.get("agent.permission_mode").is_some_and(|(_, origin)| {
        matches!(origin, Origin::File { file, .. }
            if project.is_some_and(|project| *file == project.display().to_string()))
    });
    settings.ceiling = narrowed.then_some(settings.agent.permission_mode);
    check_bounds(&settings, &merged, &mut problems);
    Ok(Loaded { settings, merged, problems })
}

/// The project's file of a workspace.
pub fn project_file(workspace: &Path) -> PathBuf {
    workspace.join(PROJECT_FILE)
}

fn read(path: &Path) -> Parsed {
    let file = path.display().to_string();
    let broken = |why: String| Parsed {
        entries: Vec::new(),
        problems: vec![Problem::fatal(Origin::File { file: file.clone(), spot: None }, why)],
    };
    let opened = match fs::File::open(path) {
        Ok(opened) => opened,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Parsed::default();
        }
        Err(error) => return broken(format!("cannot be read: {error}")),
    };
    let mut text = String::new();
    match opened.take(FILE_BYTES + 1).read_to_string(&mut text) {
        Ok(_) if text.len() as u64 > FILE_BYTES => broken("is larger than 1 MiB".to_owned()),
        Ok(_) => parse(&text, &file),
        Err(error) => broken(format!("cannot be read: {error}")),
    }
}

fn of_environment(environment: &Environment) -> Parsed {
    let mut parsed = Parsed::default();
    for (name, value) in environment.iter() {
        let origin = Origin::Variable(name.to_owned());
        if let Some(key) = KEYS.iter().find(|key| key.variable() == name) {
            match single(key.path, value, origin) {
                Ok(entry) => parsed.entries.push(entry),
                Err(problem) => parsed.problems.push(problem),
            }
        } else if name == LOG {
            if !is_filter(value) {
                let message = format!("`{value}` is no filter of the log: it must be {FILTER}");
                parsed.problems.push(Problem::ignored(origin, message));
            }
        } else if in_a_section(name) {
            let message = "there is no setting of this name";
            parsed.problems.push(Problem::ignored(origin, message));
        }
    }
    parsed
}

/// Whether a variable looks like a setting: `BENCHDOG_`, a section, a name. Others with our prefix
/// (`BENCHDOG_HOME`) mean something else, and so do the marks that agents' processes carry.
fn in_a_section(name: &str) -> bool {
    if [RUN_MARK, ENGINE_MARK].contains(&name) {
        return false;
    }
    KEYS.iter().any(|key| {
        let section = key.path.split('.').next().unwrap_or_default().to_uppercase();
        name.strip_prefix("BENCHDOG_")
            .and_then(|rest| rest.strip_prefix(&section))
            .is_some_and(|rest| rest.starts_with('_'))
    })
}

fn of_flags(flags: &[String]) -> Parsed {
    let mut parsed = Parsed::default();
    for flag in flags {
        let read = match flag.split_once('=') {
            Some((path, value)) => single(path.trim(), value.trim(), Origin::Flag),
            None => {
                let message = format!("`{flag}` is not of the form SETTING=VALUE");
                Err(Problem::fatal(Origin::Flag, message))
            }
        };
        match read {
            Ok(entry) => parsed.entries.push(entry),
            // The person is right there and meant it: nothing is left out in silence.
            Err(problem) => {
                parsed.problems.push(Problem { gravity: Gravity::Fatal, ..problem });
            }
        }
    }
    parsed
}

fn check_bounds(settings: &Settings, merged: &Merged, problems: &mut Vec<Problem>) {
    let arbiter = &settings.arbiter;
    if arbiter.held_min_seconds > arbiter.held_max_seconds {
        let origin = merged
            .get("arbiter.held_min_seconds")
            .map_or(Origin::Default, |(_, origin)| origin.clone());
        let message = "`arbiter.held_min_seconds` is more than `arbiter.held_max_seconds`";
        problems.push(Problem::fatal(origin, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::agent::AgentSpec;
    use crate::model::permission::PermissionMode;

    /// A home and a workspace with these two files, and the settings that come out.
    fn loaded(person: &str, project: &str, variables: &[(&str, &str)], flags: &[&str]) -> Loaded {
        let dir = tempfile::tempdir().expect("a folder");
        let folders = Folders::below(&dir.path().join("home"));
        let workspace = dir.path().join("work");
        fs::create_dir_all(&folders.config).expect("a folder");
        fs::create_dir_all(workspace.join(".benchdog")).expect("a folder");
        fs::write(folders.settings_file(), person).expect("a file");
        fs::write(project_file(&workspace), project).expect("a file");
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        load(&Layers {
            folders: &folders,
            workspace: Some(&workspace),
            environment: &variables.iter().copied().collect(),
            flags: &flags,
        })
        .expect("settings")
    }

    #[test]
    fn each_setting_has_its_default_in_the_file_of_defaults() {
        let parsed = parse(DEFAULTS, "defaults");
        assert_eq!(parsed.problems, []);
        let named: Vec<&str> = parsed.entries.iter().map(|entry| entry.key.path).collect();
        let wanted: Vec<&str> = KEYS.iter().map(|key| key.path).collect();
        for path in &wanted {
            assert!(named.contains(path), "{path} has no default");
        }
        assert_eq!(named.len(), wanted.len());
        assert_eq!(loaded("", "", &[], &[]).problems, []);
    }

    #[test]
    fn later_layers_win() {
        let person = "arbiter.wait_seconds = 1\nagent.model = \"a\"\nui.theme = \"day\"";
        let project = "arbiter.wait_seconds = 2\nagent.model = \"b\"";
        let variables = [("BENCHDOG_ARBITER_WAIT_SECONDS", "3"), ("BENCHDOG_HOME", "/x")];
        let loaded = loaded(person, project, &variables, &["ui.theme=plain"]);
        assert_eq!(loaded.problems, []);
        assert_eq!(loaded.settings.arbiter.wait_seconds, 3);
        assert_eq!(loaded.settings.agent.model, "b");
        assert_eq!(loaded.settings.ui.theme, "plain");
        let origin = |path| loaded.merged.get(path).map(|(_, origin)| origin.to_string());
        assert_eq!(
            origin("arbiter.wait_seconds").as_deref(),
            Some("environment BENCHDOG_ARBITER_WAIT_SECONDS")
        );
        assert_eq!(origin("ui.theme").as_deref(), Some("--set"));
        assert_eq!(origin("ui.mouse").as_deref(), Some("default"));
        assert!(origin("agent.model").is_some_and(|at| at.ends_with(".benchdog/config.toml:2:15")));
    }

    #[test]
    fn what_only_the_person_may_set_is_left_alone_by_a_project() {
        let loaded = loaded("", "[claude]\ncommand = [\"./x\"]\n", &[], &[]);
        assert_eq!(loaded.settings.claude.command, ["claude"]);
        assert_eq!(loaded.fatal(), None);
        let [problem] = &loaded.problems[..] else { panic!("{:?}", loaded.problems) };
        assert!(
            problem.to_string().contains("config.toml:2:11: a project cannot set `claude.command`"),
            "{problem}"
        );
    }

    #[test]
    fn a_broken_file_stops_the_start_whoever_wrote_it() {
        for (person, project) in [("ui = [", ""), ("", "limits.agents = \"many\"")] {
            assert!(loaded(person, project, &[], &[]).fatal().is_some(), "{person}{project}");
        }
    }

    #[test]
    fn a_misspelt_variable_or_flag_is_said() {
        let loaded =
            loaded("", "", &[("BENCHDOG_UI_TEME", "day")], &["ui.mouse=maybe", "ui.mouse"]);
        let messages: Vec<String> = loaded.problems.iter().map(Problem::to_string).collect();
        assert_eq!(
            messages,
            [
                "environment BENCHDOG_UI_TEME: there is no setting of this name",
                "--set: `ui.mouse` must be true or false, not \"maybe\"",
                "--set: `ui.mouse` is not of the form SETTING=VALUE",
            ]
        );
        assert!(loaded.fatal().is_some());
    }

    #[test]
    fn the_marks_of_an_agents_shell_are_no_settings() {
        let marks = [(RUN_MARK, "5f2c"), (ENGINE_MARK, "17-99"), ("BENCHDOG_AGENT_RUNS", "1")];
        let problems = loaded("", "", &marks, &[]).problems;
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert!(problem.to_string().contains("BENCHDOG_AGENT_RUNS"), "{problem}");
    }

    #[test]
    fn a_filter_of_the_log_that_logs_nothing_is_said() {
        let loaded = loaded("log.level = 'loud'", "", &[(LOG, "louder")], &[]);
        let messages: Vec<String> = loaded.problems.iter().map(Problem::to_string).collect();
        let [level, variable] = &messages[..] else { panic!("{messages:?}") };
        assert!(level.contains("`log.level` must be error, warn,"), "{level}");
        assert!(variable.starts_with("environment BENCHDOG_LOG: `louder` is no"), "{variable}");
        assert_eq!(loaded.settings.log.level, "info");
        assert_eq!(loaded.fatal(), None);
    }

    #[test]
    fn bounds_that_cross_are_said() {
        let loaded = loaded("arbiter.held_min_seconds = 90", "", &[], &[]);
        let problem = loaded.fatal().expect("a problem");
        assert!(problem.message.contains("held_min_seconds"), "{problem}");
    }

    #[test]
    fn a_project_narrows_agents_that_are_wished_with_a_mode_too() {
        use PermissionMode::{AcceptEdits, BypassPermissions, Default, DontAsk, Plan};
        let project = "agent.permission_mode = \"plan\"";
        let own = "agent.permission_mode = \"acceptEdits\"";
        let over = "agent.permission_mode=default";
        for (person, project, flags, wish, mode) in [
            ("", "", &[][..], BypassPermissions, BypassPermissions),
            (own, "", &[], BypassPermissions, BypassPermissions),
            ("", project, &[], BypassPermissions, Plan),
            (own, project, &[], AcceptEdits, Plan),
            ("", "agent.permission_mode = \"dontAsk\"", &[], Plan, Plan),
            ("", "agent.permission_mode = \"dontAsk\"", &[], Default, DontAsk),
            // Who overrules the project by name means it.
            ("", project, &[over], AcceptEdits, AcceptEdits),
        ] {
            let settings = loaded(person, project, &[], flags).settings;
            let wish = AgentSpec { permission_mode: wish, ..AgentSpec::default() };
            let got = settings.complete(wish.clone()).permission_mode;
            assert_eq!(got, mode, "{person} {project} {flags:?} {wish:?}");
        }
    }

    #[test]
    fn a_new_agent_stays_within_the_limits() {
        let loaded = loaded(
            "limits.max_turns = 5\nagent.model = \"m\"\nagent.disallowed_tools = [\"Bash\"]",
            "",
            &[],
            &[],
        );
        let spec = loaded.settings.complete(AgentSpec {
            max_turns: Some(9),
            model: Some("own".to_owned()),
            ..Default::default()
        });
        assert_eq!((spec.max_turns, spec.model.as_deref()), (Some(5), Some("own")));
        assert_eq!(spec.disallowed_tools, ["Bash"]);
        assert_eq!(loaded.settings.new_agent().model.as_deref(), Some("m"));
    }
}
