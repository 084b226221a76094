//! The protocol's command line, as far as a scripted agent cares about it.
//!
//! Options of the real program that mean nothing here are accepted and ignored, so that a host
//! starts both alike.

use serde_json::Value;

use crate::model::permission::PermissionMode;

/// Options of the real program that take a value and mean nothing here.
const IGNORED: &[&str] = &[
    "--input-format",
    "--output-format",
    "--permission-prompt-tool",
    "--append-system-prompt",
    "--system-prompt",
    "--mcp-config",
    "--setting-sources",
    "--add-dir",
    "--fallback-model",
    "--effort",
];

/// How the agent was started.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Options {
    /// The conversation to go on with.
    pub(super) resume: Option<String>,
    /// The id of a new conversation.
    pub(super) session_id: Option<String>,
    /// Whether to branch off from `resume`.
    pub(super) fork: bool,
    /// How much needs no question.
    pub(super) mode: PermissionMode,
    /// Whether the mode without any question may be chosen later.
    pub(super) may_bypass: bool,
    /// The model.
    pub(super) model: Option<String>,
    /// Rules for tools that need no question.
    pub(super) allowed: Vec<String>,
    /// Tools it does not get, and rules for what it may not do.
    pub(super) disallowed: Vec<String>,
    /// Calls to the model per prompt.
    pub(super) max_turns: Option<u32>,
    /// US dollars in all.
    pub(super) max_budget: Option<f64>,
    /// Whether pieces of messages are sent.
    pub(super) partial: bool,
    /// Whether prompts are sent back.
    pub(super) replay: bool,
    /// Speed of the clock.
    pub(super) speed: Option<f64>,
}

impl Options {
    /// Reads the arguments behind the script's file.
    pub(super) fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut rest = args.iter().map(String::as_str).peekable();
        while let Some(arg) = rest.next() {
            let (name, glued) = match arg.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(value)),
                _ => (arg, None),
            };
            let mut value = || {
                let value = glued.or_else(|| rest.next_if(|next| !next.starts_with("--")));
                value.map(str::to_owned).ok_or_else(|| format!("`{name}` needs a value"))
            };
            match name {
                "--resume" | "-r" => options.resume = Some(value()?),
                "--session-id" => options.session_id = Some(value()?),
                "--model" => options.model = Some(value()?),
                "--permission-mode" => options.mode = read_mode(&value()?)?,
                "--max-turns" => options.max_turns = Some(read_number(name, &value()?)?),
                "--max-budget-usd" => options.max_budget = Some(read_number(name, &value()?)?),
                "--speed" => options.speed = Some(read_number(name, &value()?)?),
                "--settings" => options.read_settings(&value()?),
                "--fork-session" => options.fork = true,
                "--include-partial-messages" => options.partial = true,
                "--replay-user-messages" => options.replay = true,
                "--allow-dangerously-skip-permissions" => options.may_bypass = true,
                "--dangerously-skip-permissions" => {
                    options.mode = PermissionMode::BypassPermissions;
                }
                "--allowedTools" | "--allowed-tools" => {
                    options.allowed.extend(read_list(glued, &mut rest));
                }
                "--disallowedTools" | "--disallowed-tools" => {
                    options.disallowed.extend(read_list(glued, &mut rest));
                }
                ignored if IGNORED.contains(&ignored) => drop(value()?),
                _ => {}
            }
        }
        options.may_bypass |= options.mode == PermissionMode::BypassPermissions;
        Ok(options)
    }

    /// Takes the permission rules out of a settings text; anything else in there is not ours.
    fn read_settings(&mut self, raw: &str) {
        let Ok(settings) = serde_json::from_str::<Value>(raw) else { return };
        self.allowed.extend(strings(&settings["permissions"]["allow"]));
        self.disallowed.extend(strings(&settings["permissions"]["deny"]));
    }
}

/// The strings of a JSON list.
pub(super) fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Splits `Bash(git *),Edit Write` into its rules; what stands in brackets stays in one piece.
pub(super) fn split_rules(raw: &str) -> Vec<String> {
    let mut rules = vec![String::new()];
    let mut depth = 0_u32;
    for letter in raw.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && (letter == ',' || letter.is_whitespace()) {
            rules.push(String::new());
        } else if let Some(rule) = rules.last_mut() {
            rule.push(letter);
        }
    }
    rules.retain(|rule| !rule.is_empty());
    rules
}

fn read_list<'a>(
    glued: Option<&str>,
    rest: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
) -> Vec<String> {
    if let Some(list) = glued {
        return split_rules(list);
    }
    let mut rules = Vec::new();
    while let Some(list) = rest.next_if(|next| !next.starts_with('-')) {
        rules.extend(split_rules(list));
    }
    rules
}

fn read_mode(raw: &str) -> Result<PermissionMode, String> {
    PermissionMode::parse(raw).ok_or_else(|| format!("there is no permission mode `{raw}`"))
}

fn read_number<T: std::str::FromStr>(name: &str, raw: &str) -> Result<T, String> {
    raw.parse().map_err(|_| format!("`{name}` needs a number, not `{raw}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Options {
        let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Options::parse(&args).unwrap()
    }

    #[test]
    fn the_arguments_of_a_real_start_are_understood() {
        let options = parse(
            "-p --input-format stream-json --output-format stream-json --verbose \
             --include-partial-messages --permission-prompt-tool stdio --permission-mode=acceptEdits \
             --resume=0b1c --fork-session --model sonnet --max-turns 3 --speed=0",
        );
        assert_eq!(options.mode, PermissionMode::AcceptEdits);
        assert_eq!(options.resume.as_deref(), Some("0b1c"));
        assert_eq!(options.model.as_deref(), Some("sonnet"));
        assert_eq!((options.max_turns, options.speed), (Some(3), Some(0.0)));
        assert!(options.partial && options.fork && !options.may_bypass);
    }

    #[test]
    fn rules_in_brackets_stay_in_one_piece() {
        assert_eq!(split_rules("Bash(git log *),Edit Write"), ["Bash(git log *)", "Edit", "Write"]);
        let args = ["--allowedTools", "Bash(wc *)", "Edit", "--verbose"].map(str::to_owned);
        assert_eq!(Options::parse(&args).unwrap().allowed, ["Bash(wc *)", "Edit"]);
    }

    #[test]
    fn a_bad_value_is_said_with_its_option() {
        let error = Options::parse(&["--max-turns=many".to_owned()]).unwrap_err();
        assert_eq!(error, "`--max-turns` needs a number, not `many`");
    }
}
