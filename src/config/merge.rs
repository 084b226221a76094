//! Puts the layers of settings on top of one another.
//!
//! Pure. A project's layer only ever makes the values below it stricter; what would not is
//! refused by name and has no effect. The layers of the person (file, environment, flags) set
//! what they like.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::file::{Entry, Parsed};
use super::problem::{Origin, Problem};
use super::schema::{KEYS, Key, MODES, Narrow, Trust};

/// Who speaks in a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Voice {
    /// The person, or benchdog's own defaults.
    Person,
    /// A file that came with the project.
    Project,
}

/// The values that hold, and where each comes from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Merged {
    values: BTreeMap<&'static str, (Value, Origin)>,
}

impl Merged {
    /// The value of the setting `path` and where it was written.
    pub fn get(&self, path: &str) -> Option<(&Value, &Origin)> {
        self.values.get(path).map(|(value, origin)| (value, origin))
    }

    /// All values in the order of the table of settings.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Key, &Value, &Origin)> {
        KEYS.iter().filter_map(|key| self.get(key.path).map(|(value, origin)| (key, value, origin)))
    }

    /// The values as one table with a table for each section.
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        for (key, value, _) in self.iter() {
            let (section, name) = key.path.split_once('.').unwrap_or(("", key.path));
            let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(section) = section {
                section.insert(name.to_owned(), value.clone());
            }
        }
        table
    }

    /// Puts a layer on top, and adds to `problems` what it may not do.
    pub fn add(&mut self, layer: Parsed, voice: Voice, problems: &mut Vec<Problem>) {
        problems.extend(layer.problems);
        for entry in layer.entries {
            match voice {
                Voice::Person => self.put(entry),
                Voice::Project => self.narrow(entry, problems),
            }
        }
    }

    /// Takes everything that is there as the defaults.
    pub fn forget_origins(&mut self) {
        for (_, origin) in self.values.values_mut() {
            *origin = Origin::Default;
        }
    }

    fn put(&mut self, entry: Entry) {
        self.values.insert(entry.key.path, (entry.value, entry.origin));
    }

    fn narrow(&mut self, entry: Entry, problems: &mut Vec<Problem>) {
        let rule = match entry.key.trust {
            Trust::Free => return self.put(entry),
            Trust::Person => {
                let message = format!("a project cannot set `{}`", entry.key.path);
                let problem = Problem::ignored(entry.origin, message);
                problems.push(problem.hint("it is taken from your own config.toml only"));
                return;
            }
            Trust::Narrow(rule) => rule,
        };
        let Some((now, _)) = self.values.get(entry.key.path) else {
            return self.put(entry);
        };
        let (value, refused) = narrower(rule, now, &entry.value);
        if let Some(refused) = refused {
            let message = format!("a project cannot set `{}` to {refused}", entry.key.path);
            problems.push(Problem::ignored(entry.origin.clone(), message).hint(why(rule)));
        }
        if let Some(value) = value {
            self.put(Entry { value, ..entry });
        }
    }
}

/// The value that holds from now on (`None`: the one that was there), and what is refused of it.
fn narrower(rule: Narrow, now: &Value, wish: &Value) -> (Option<Value>, Option<String>) {
    match rule {
        Narrow::Mode => {
            let rank = |value: &Value| MODES.iter().position(|mode| Some(*mode) == value.as_str());
            keep_if(rank(wish) <= rank(now), wish)
        }
        Narrow::Lower => {
            let limit = |value: &Value| match value.as_float().or(value.as_integer().map(as_f64)) {
                Some(limit) if limit > 0.0 => limit,
                _ => f64::INFINITY,
            };
            keep_if(limit(wish) <= limit(now), wish)
        }
        Narrow::Fewer => {
            let known = |item: &&Value| items(now).contains(item);
            let (kept, refused): (Vec<&Value>, Vec<&Value>) = items(wish).iter().partition(known);
            let refused = (!refused.is_empty()).then(|| list(refused).to_string());
            (Some(list(kept)), refused)
        }
        Narrow::More => {
            let added = items(wish).iter().filter(|item| !items(now).contains(item));
            (Some(list(items(now).iter().chain(added))), None)
        }
    }
}

fn keep_if(narrower: bool, wish: &Value) -> (Option<Value>, Option<String>) {
    if narrower { (Some(wish.clone()), None) } else { (None, Some(wish.to_string())) }
}

fn why(rule: Narrow) -> &'static str {
    match rule {
        Narrow::Mode => "it may only choose a mode that allows less than yours",
        Narrow::Lower => "it may only lower your limit",
        Narrow::Fewer => "it may only take away from your list",
        Narrow::More => "it may only add to your list",
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn list<'a>(items: impl IntoIterator<Item = &'a Value>) -> Value {
    Value::Array(items.into_iter().cloned().collect())
}

/// Limits are small; what does not fit into 32 bits is as good as the largest.
fn as_f64(number: i64) -> f64 {
    f64::from(i32::try_from(number).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::file::parse;
    use super::*;

    /// The value of `path` after a person's and a project's file, and the problems.
    fn check(person: &str, project: &str, path: &str) -> (String, Vec<String>) {
        let mut merged = Merged::default();
        let mut problems = Vec::new();
        let layers = [
            (include_str!("../../assets/config.toml"), "defaults", Voice::Person),
            (person, "person", Voice::Person),
            (project, "project", Voice::Project),
        ];
        for (text, file, voice) in layers {
            merged.add(parse(text, file), voice, &mut problems);
        }
        let (value, _) = merged.get(path).expect("a value");
        (value.to_string(), problems.iter().map(|problem| problem.message.clone()).collect())
    }

    #[test]
    fn a_project_may_be_stricter() {
        for (person, project, path, value) in [
            ("", "agent.permission_mode = \"plan\"", "agent.permission_mode", "\"plan\""),
            ("", "agent.permission_mode = \"dontAsk\"", "agent.permission_mode", "\"dontAsk\""),
            ("", "limits.max_turns = 5", "limits.max_turns", "5"),
            ("limits.max_turns = 9", "limits.max_turns = 5", "limits.max_turns", "5"),
            ("", "limits.max_budget_usd = 1.5", "limits.max_budget_usd", "1.5"),
            ("", "agent.disallowed_tools = [\"Bash\"]", "agent.disallowed_tools", "[\"Bash\"]"),
            (
                "agent.allowed_tools = [\"Read\", \"Bash\"]",
                "agent.allowed_tools = [\"Read\"]",
                "agent.allowed_tools",
                "[\"Read\"]",
            ),
            ("", "agent.model = \"haiku\"", "agent.model", "\"haiku\""),
        ] {
            assert_eq!(check(person, project, path), (value.to_owned(), vec![]), "{project}");
        }
    }

    #[test]
    fn a_project_is_never_less_strict() {
        for (person, project, path, value) in [
            ("", "agent.permission_mode = \"acceptEdits\"", "agent.permission_mode", "\"default\""),
            (
                "agent.permission_mode = \"plan\"",
                "agent.permission_mode = \"default\"",
                "agent.permission_mode",
                "\"plan\"",
            ),
            ("", "limits.agents = 32", "limits.agents", "16"),
            ("limits.max_turns = 9", "limits.max_turns = 0", "limits.max_turns", "9"),
            ("", "agent.allowed_tools = [\"Bash\"]", "agent.allowed_tools", "[]"),
            ("", "claude.command = [\"./evil\"]", "claude.command", "[\"claude\"]"),
            ("", "arbiter.enabled = false", "arbiter.enabled", "true"),
            ("", "history.path = \"/tmp/x\"", "history.path", "\"\""),
        ] {
            let (holds, problems) = check(person, project, path);
            assert_eq!(holds, value, "{project}");
            assert_eq!(problems.len(), 1, "{project}: {problems:?}");
            assert!(problems[0].contains(path), "{problems:?}");
        }
    }

    #[test]
    fn a_project_adds_to_what_is_protected_and_takes_nothing_away() {
        let (holds, problems) =
            check("", "arbiter.protected = [\"secrets/\"]", "arbiter.protected");
        assert_eq!(
            holds,
            "[\".git/hooks/\", \".claude/\", \".mcp.json\", \".benchdog/\", \"secrets/\"]"
        );
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn of_a_list_the_allowed_part_is_kept() {
        let (holds, problems) = check(
            "agent.allowed_tools = [\"Read\"]",
            "agent.allowed_tools = [\"Read\", \"Bash\"]",
            "agent.allowed_tools",
        );
        assert_eq!(holds, "[\"Read\"]");
        assert_eq!(problems, ["a project cannot set `agent.allowed_tools` to [\"Bash\"]"]);
    }
}
