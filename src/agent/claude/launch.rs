//! How Claude Code is started: its arguments and its environment.
//!
//! Pure. A value from outside always stands behind a `=`, so that one that begins with a dash
//! is not taken for a flag. What may endanger the person (`IS_SANDBOX`) is never set here.

use crate::agent::Launch;

/// The program that is started if the launch names none.
pub const DEFAULT_PROGRAM: &str = "claude";

/// Variables that would make the process believe that it runs inside another one of its kind.
const REMOVED: [&str; 1] = ["CLAUDECODE"];

/// Variables that each process gets: who started it, and that it says when it is idle again.
const SET: [(&str, &str); 2] =
    [("CLAUDE_CODE_ENTRYPOINT", "benchdog"), ("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "1")];

/// What a process is given to start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables that are set, after those of `unset` are taken away.
    pub set: Vec<(String, String)>,
    /// Variables that are taken away.
    pub unset: Vec<String>,
}

/// The command line for `launch`.
pub fn command_line(launch: &Launch) -> CommandLine {
    let mut words = launch.program.iter().cloned();
    let program = words.next().unwrap_or_else(|| DEFAULT_PROGRAM.to_owned());
    let mut args: Vec<String> = words.collect();
    args.extend(
        [
            "-p",
            "--input-format=stream-json",
            "--output-format=stream-json",
            "--verbose",
            "--include-partial-messages",
            "--permission-prompt-tool=stdio",
        ]
        .map(str::to_owned),
    );
    args.push(format!("--permission-mode={}", launch.mode.as_str()));
    let mut given = |flag: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            args.push(format!("--{flag}={value}"));
        }
    };
    given("model", launch.model.clone());
    given("allowedTools", Some(launch.allowed_tools.join(",")));
    given("disallowedTools", Some(launch.disallowed_tools.join(",")));
    given("max-turns", launch.max_turns.map(|turns| turns.to_string()));
    let budget = launch.max_budget_usd.filter(|usd| usd.is_finite() && *usd > 0.0);
    given("max-budget-usd", budget.map(|usd| usd.to_string()));
    given("resume", launch.resume.clone());
    given("append-system-prompt", launch.system_appendix.clone());
    if launch.fork && launch.resume.as_ref().is_some_and(|id| !id.is_empty()) {
        args.push("--fork-session".to_owned());
    }
    let mut set: Vec<(String, String)> =
        SET.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    set.extend(launch.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    CommandLine { program, args, set, unset: REMOVED.map(str::to_owned).to_vec() }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::model::permission::PermissionMode;

    #[test]
    fn a_bare_launch_starts_the_default_program_with_the_protocol_alone() {
        let line = command_line(&Launch::default());
        assert_eq!(line.program, "claude");
        assert_eq!(
            line.args.join(" "),
            "-p --input-format=stream-json --output-format=stream-json --verbose \
             --include-partial-messages --permission-prompt-tool=stdio --permission-mode=default"
        );
        assert_eq!(line.set[0], ("CLAUDE_CODE_ENTRYPOINT".to_owned(), "benchdog".to_owned()));
        assert!(!line.set.iter().any(|(name, _)| name == "IS_SANDBOX"));
        assert!(line.unset.contains(&"CLAUDECODE".to_owned()));
    }

    #[test]
    fn everything_that_is_wished_becomes_a_flag_with_its_value() {
        let line = command_line(&Launch {
            program: vec!["/opt/claude".into(), "--bare".into()],
            cwd: PathBuf::from("/ws"),
            env: [("A".to_owned(), "b".to_owned())].into(),
            model: Some("--opus".into()),
            mode: PermissionMode::AcceptEdits,
            allowed_tools: vec!["Bash(cargo doc *)".into(), "Read".into()],
            disallowed_tools: vec!["WebFetch".into()],
            max_turns: Some(3),
            max_budget_usd: Some(0.5),
            resume: Some("id-1".into()),
            fork: true,
            system_appendix: Some("two\nlines".into()),
        });
        assert_eq!(line.program, "/opt/claude");
        assert_eq!(line.args[0], "--bare");
        let flags: Vec<&str> = line.args.iter().skip(7).map(String::as_str).collect();
        assert_eq!(
            flags,
            [
                "--permission-mode=acceptEdits",
                "--model=--opus",
                "--allowedTools=Bash(cargo doc *),Read",
                "--disallowedTools=WebFetch",
                "--max-turns=3",
                "--max-budget-usd=0.5",
                "--resume=id-1",
                "--append-system-prompt=two\nlines",
                "--fork-session",
            ]
        );
        assert!(line.set.contains(&("A".to_owned(), "b".to_owned())));
    }

    #[test]
    fn values_that_say_nothing_are_left_out() {
        let line = command_line(&Launch {
            model: Some(String::new()),
            max_budget_usd: Some(f64::NAN),
            fork: true,
            ..Launch::default()
        });
        assert_eq!(line.args.len(), 7);
    }
}
