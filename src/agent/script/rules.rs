//! Permission rules and modes: which tool call runs, which is denied, which asks the person.
//!
//! A deny rule wins over everything. What no rule and no mode decides is asked.

use std::path::Path;

use serde_json::{Value, json};

use crate::model::permission::PermissionMode;

/// Tools that change files; a rule for `Edit` covers all of them.
const EDITORS: &[&str] = &["Edit", "Write", "MultiEdit", "NotebookEdit"];

/// Commands that change nothing.
const READERS: &[&str] = &["ls", "cat", "head", "tail", "wc", "pwd", "grep", "echo", "true"];

/// Commands that `acceptEdits` allows.
const SIMPLE_CHANGES: &[&str] = &["touch", "mkdir", "mv", "cp", "rm", "sed"];

/// What is to happen with a tool call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// It runs; by this source of the protocol.
    Run(&'static str),
    /// The person decides.
    Ask,
    /// It does not run, and the model reads this.
    Deny(String),
}

/// The rules of a session.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Rules {
    /// What runs without a question.
    pub(super) allow: Vec<String>,
    /// What never runs.
    pub(super) deny: Vec<String>,
    /// What never runs until the host says otherwise.
    pub(super) pushed: Vec<String>,
}

impl Rules {
    /// Whether the agent has no such tool.
    pub(super) fn lacks(&self, tool: &str) -> bool {
        self.deny.iter().any(|rule| rule == tool)
    }

    /// Decides by rules and mode.
    pub(super) fn decide(
        &self,
        mode: PermissionMode,
        cwd: &Path,
        tool: &str,
        input: &Value,
    ) -> Decision {
        let hit = |rule: &String| matches_rule(rule, cwd, tool, input);
        if self.deny.iter().chain(&self.pushed).any(hit) {
            return Decision::Deny(match EDITORS.contains(&tool) {
                true => "File is in a directory that is denied by your permission settings.".into(),
                false => format!("Permission to use {tool} has been denied."),
            });
        }
        let changes = EDITORS.contains(&tool) || tool == "Bash";
        if !changes || mode == PermissionMode::BypassPermissions || mode == PermissionMode::Auto {
            return Decision::Run("mode");
        }
        if self.allow.iter().any(hit) || (tool == "Bash" && only_runs(input, READERS)) {
            return Decision::Run("rule");
        }
        match mode {
            PermissionMode::AcceptEdits
                if EDITORS.contains(&tool) || only_runs(input, SIMPLE_CHANGES) =>
            {
                Decision::Run("mode")
            }
            PermissionMode::DontAsk => Decision::Deny(format!(
                "Permission to use {tool} has been denied because the session never asks."
            )),
            PermissionMode::Default
            | PermissionMode::AcceptEdits
            | PermissionMode::Plan
            | PermissionMode::Auto
            | PermissionMode::BypassPermissions => Decision::Ask,
        }
    }

    /// Takes over what the person allowed for good; the mode that goes with it, if any.
    pub(super) fn learn(&mut self, updates: &Value) -> Option<PermissionMode> {
        let mut mode = None;
        for update in updates.as_array().into_iter().flatten() {
            match update["type"].as_str() {
                Some("addRules") => {
                    let list = match update["behavior"].as_str() {
                        Some("deny") => &mut self.deny,
                        _ => &mut self.allow,
                    };
                    for rule in update["rules"].as_array().into_iter().flatten() {
                        let tool = rule["toolName"].as_str().unwrap_or_default();
                        list.push(match rule["ruleContent"].as_str() {
                            Some(content) => format!("{tool}({content})"),
                            None => tool.to_owned(),
                        });
                    }
                }
                Some("setMode") => mode = update["mode"].as_str().and_then(PermissionMode::parse),
                _ => {}
            }
        }
        mode
    }
}

/// What "always" would allow, as the protocol suggests it.
pub(super) fn suggestions(tool: &str, input: &Value) -> Value {
    if tool != "Bash" {
        return json!([{ "type": "setMode", "mode": "acceptEdits", "destination": "session" }]);
    }
    let command = input["command"].as_str().unwrap_or_default();
    let words: Vec<_> = command.split_whitespace().take(2).collect();
    let content = if command.split_whitespace().count() > 2 {
        format!("{} *", words.join(" "))
    } else {
        words.join(" ")
    };
    json!([{ "type": "addRules", "behavior": "allow", "destination": "localSettings",
             "rules": [{ "toolName": "Bash", "ruleContent": content }] }])
}

fn matches_rule(rule: &str, cwd: &Path, tool: &str, input: &Value) -> bool {
    let (name, content) = match rule.split_once('(') {
        Some((name, rest)) => (name, rest.strip_suffix(')')),
        None => (rule, None),
    };
    let covers = name == tool || (name == "Edit" && EDITORS.contains(&tool));
    match (covers, content) {
        (false, _) => false,
        (true, None | Some("*" | "**")) => true,
        (true, Some(pattern)) if tool == "Bash" => matches_command(pattern, input),
        (true, Some(pattern)) => matches_path(pattern, cwd, input),
    }
}

fn matches_command(pattern: &str, input: &Value) -> bool {
    let command = input["command"].as_str().unwrap_or_default().trim();
    let prefix = pattern.strip_suffix(":*").or_else(|| pattern.strip_suffix(" *"));
    match prefix {
        Some(prefix) => command == prefix || command.starts_with(&format!("{prefix} ")),
        None => command == pattern,
    }
}

fn matches_path(pattern: &str, cwd: &Path, input: &Value) -> bool {
    let path = input["file_path"].as_str().unwrap_or_default();
    let pattern = match pattern.strip_prefix("//") {
        Some(absolute) => format!("/{absolute}"),
        None => cwd.join(pattern.trim_start_matches("./")).to_string_lossy().into_owned(),
    };
    globset::Glob::new(&pattern).is_ok_and(|glob| glob.compile_matcher().is_match(path))
}

/// Whether a command is one of these, with nothing clever around it.
fn only_runs(input: &Value, names: &[&str]) -> bool {
    let command = input["command"].as_str().unwrap_or_default();
    let clever = command.contains(['>', '<', '|', ';', '&', '`', '$', '\n']);
    !clever && command.split_whitespace().next().is_some_and(|name| names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(rules: &Rules, mode: &str, tool: &str, subject: &str) -> Decision {
        let input = match tool {
            "Bash" => json!({ "command": subject }),
            _ => json!({ "file_path": subject }),
        };
        rules.decide(PermissionMode::parse(mode).unwrap(), Path::new("/ws"), tool, &input)
    }

    #[test]
    fn the_mode_says_what_needs_a_question() {
        let none = Rules::default();
        for (mode, tool, subject, expected) in [
            ("default", "Write", "/ws/a", Decision::Ask),
            ("default", "Read", "/ws/a", Decision::Run("mode")),
            ("default", "Bash", "cargo test", Decision::Ask),
            ("default", "Bash", "wc -l a", Decision::Run("rule")),
            ("default", "Bash", "echo a > b", Decision::Ask),
            ("acceptEdits", "Edit", "/ws/a", Decision::Run("mode")),
            ("acceptEdits", "Bash", "touch a", Decision::Run("mode")),
            ("acceptEdits", "Bash", "cargo test", Decision::Ask),
            ("plan", "Write", "/ws/a", Decision::Ask),
            ("bypassPermissions", "Bash", "rm -rf x", Decision::Run("mode")),
        ] {
            assert_eq!(decide(&none, mode, tool, subject), expected, "{mode} {tool} {subject}");
        }
        assert!(matches!(decide(&none, "dontAsk", "Write", "/ws/a"), Decision::Deny(_)));
    }

    #[test]
    fn a_deny_rule_wins_over_everything() {
        let rules = Rules {
            allow: vec!["Edit".into(), "Bash(git *)".into()],
            pushed: vec!["Edit(//ws/locked/**)".into(), "Edit(one.txt)".into()],
            ..Rules::default()
        };
        assert_eq!(decide(&rules, "default", "Write", "/ws/free"), Decision::Run("rule"));
        assert_eq!(decide(&rules, "default", "Bash", "git status"), Decision::Run("rule"));
        assert_eq!(decide(&rules, "default", "Bash", "gitx"), Decision::Ask);
        for path in ["/ws/locked/deep/a", "/ws/one.txt"] {
            let decision = decide(&rules, "bypassPermissions", "Write", path);
            assert!(matches!(decision, Decision::Deny(_)), "{path}");
        }
    }

    #[test]
    fn what_was_allowed_for_good_needs_no_second_question() {
        let mut rules = Rules::default();
        let input = json!({ "command": "cargo doc --no-deps" });
        let suggested = suggestions("Bash", &input);
        assert_eq!(suggested[0]["rules"][0]["ruleContent"], "cargo doc *");
        assert_eq!(rules.learn(&suggested), None);
        assert_eq!(decide(&rules, "default", "Bash", "cargo doc --open"), Decision::Run("rule"));
        let mode = rules.learn(&suggestions("Write", &json!({})));
        assert_eq!(mode, Some(PermissionMode::AcceptEdits));
    }
}
