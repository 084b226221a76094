//! The one table of settings: what each may be, and what a project may do with it.
//!
//! Default values are not here but in `assets/config.toml`; a test holds that both name the same
//! settings.

use toml::Value;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// One setting.
#[derive(Debug, PartialEq)]
pub struct Key {
    /// Its dotted name, such as `ui.theme`.
    pub path: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What a project's file may do with it.
    pub trust: Trust,
}

/// What a setting may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// A whole number within bounds, both included.
    Whole(i64, i64),
    /// A number that is not negative.
    Amount,
    /// Any text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A list of texts.
    List,
    /// A program and its arguments: a list that is not empty.
    Program,
    /// What is logged: a level, or levels for modules.
    Filter,
}

/// What a project's file may do with a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Set it.
    Free,
    /// Make it stricter.
    Narrow(Narrow),
    /// Nothing: it is the person's.
    Person,
}

/// What "stricter" means for a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Narrow {
    /// A permission mode that allows less.
    Mode,
    /// Fewer entries.
    Fewer,
    /// More entries.
    More,
    /// A lower number, where 0 stands for "no limit".
    Lower,
}

/// What a filter of the log looks like.
pub const FILTER: &str = "error, warn, info, debug or trace, also per module \
                          (`info,benchdog::engine=debug`)";

/// Permission modes from the strictest to the one that allows everything.
pub const MODES: &[&str] =
    &["plan", "dontAsk", "default", "acceptEdits", "auto", "bypassPermissions"];

/// All settings, in the order of the file of defaults.
pub const KEYS: &[Key] = &[
    key("ui.prefix", Kind::Text, Trust::Person),
    key("ui.theme", Kind::Word(&["night", "day", "plain"]), Trust::Person),
    key("ui.mouse", Kind::Flag, Trust::Person),
    key("notify.bell", Kind::Flag, Trust::Person),
    key("agent.backend", Kind::Word(&["claude", "script"]), Trust::Free),
    key("agent.model", Kind::Text, Trust::Free),
    key("agent.permission_mode", Kind::Word(MODES), Trust::Narrow(Narrow::Mode)),
    key("agent.allowed_tools", Kind::List, Trust::Narrow(Narrow::Fewer)),
    key("agent.disallowed_tools", Kind::List, Trust::Narrow(Narrow::More)),
    key("agent.guard", Kind::Word(&["auto", "require", "off"]), Trust::Person),
    key("claude.command", Kind::Program, Trust::Person),
    key("limits.agents", Kind::Whole(1, 256), Trust::Narrow(Narrow::Lower)),
    key("limits.max_turns", Kind::Whole(0, 100_000), Trust::Narrow(Narrow::Lower)),
    key("limits.max_budget_usd", Kind::Amount, Trust::Narrow(Narrow::Lower)),
    key("arbiter.wait_seconds", Kind::Whole(0, 60), Trust::Free),
    key("arbiter.git_ask_seconds", Kind::Whole(1, 3600), Trust::Free),
    key("arbiter.held_min_seconds", Kind::Whole(1, 600), Trust::Free),
    key("arbiter.held_max_seconds", Kind::Whole(1, 3600), Trust::Free),
    key("arbiter.reserve_seconds", Kind::Whole(1, 3600), Trust::Free),
    key("arbiter.protected", Kind::List, Trust::Narrow(Narrow::More)),
    key("arbiter.enabled", Kind::Flag, Trust::Person),
    key("history.path", Kind::Text, Trust::Person),
    key("history.queue_mib", Kind::Whole(1, 4096), Trust::Person),
    key("journal.keep_days", Kind::Whole(1, 3650), Trust::Person),
    key("journal.keep_mib", Kind::Whole(1, 1024 * 1024), Trust::Person),
    key("log.level", Kind::Filter, Trust::Person),
];

const fn key(path: &'static str, kind: Kind, trust: Trust) -> Key {
    Key { path, kind, trust }
}

impl Key {
    /// The setting of this dotted name.
    pub fn find(path: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.path == path)
    }

    /// Whether safety hangs on it: a value that cannot be read is then no reason to go on with a
    /// wider one.
    pub fn guards(&self) -> bool {
        matches!(self.trust, Trust::Narrow(_))
    }

    /// The environment variable that sets it, such as `BENCHDOG_UI_THEME`.
    pub fn variable(&self) -> String {
        format!("BENCHDOG_{}", self.path.replace('.', "_").to_uppercase())
    }

    /// Accepts `value` in its one form, or says what it must be.
    pub fn accept(&self, value: &Value) -> Result<Value, String> {
        let accepted = match (self.kind, value) {
            (Kind::Flag, Value::Boolean(_)) | (Kind::Text, Value::String(_)) => Some(value.clone()),
            (Kind::Filter, Value::String(filter)) => is_filter(filter).then(|| value.clone()),
            (Kind::Whole(least, most), Value::Integer(number)) => {
                (least..=most).contains(number).then(|| value.clone())
            }
            (Kind::Amount, Value::Integer(number)) => {
                u32::try_from(*number).ok().map(|number| Value::Float(f64::from(number)))
            }
            (Kind::Amount, Value::Float(number)) => {
                (number.is_finite() && *number >= 0.0).then(|| value.clone())
            }
            (Kind::Word(words), Value::String(word)) => {
                words.contains(&word.as_str()).then(|| value.clone())
            }
            (Kind::List, Value::Array(items)) => texts(items).map(|_| value.clone()),
            (Kind::Program, Value::Array(items)) => texts(items)
                .filter(|items| items.first().is_some_and(|program| !program.is_empty()))
                .map(|_| value.clone()),
            _ => None,
        };
        accepted.ok_or_else(|| format!("`{}` must be {}, not {value}", self.path, self.wants()))
    }

    /// Reads the value of an environment variable or a flag, which is not written as TOML.
    pub fn read(&self, raw: &str) -> Result<Value, String> {
        let value = match self.kind {
            Kind::Text | Kind::Filter | Kind::Word(_) => Value::String(raw.to_owned()),
            Kind::Flag => match raw {
                "1" | "true" | "yes" | "on" => Value::Boolean(true),
                "0" | "false" | "no" | "off" => Value::Boolean(false),
                _ => Value::String(raw.to_owned()),
            },
            Kind::Whole(..) | Kind::Amount => raw
                .parse()
                .map(Value::Integer)
                .or_else(|_| raw.parse().map(Value::Float))
                .unwrap_or_else(|_| Value::String(raw.to_owned())),
            Kind::List | Kind::Program => match raw.starts_with('[') {
                true => toml::from_str::<toml::Table>(&format!("list = {raw}"))
                    .ok()
                    .and_then(|mut table| table.remove("list"))
                    .unwrap_or_else(|| Value::String(raw.to_owned())),
                false => Value::Array(vec![Value::String(raw.to_owned())]),
            },
        };
        self.accept(&value)
    }

    /// What a value must be, in words.
    fn wants(&self) -> String {
        match self.kind {
            Kind::Flag => "true or false".to_owned(),
            Kind::Whole(least, most) => format!("a whole number from {least} to {most}"),
            Kind::Amount => "a number, 0 or more".to_owned(),
            Kind::Text => "a text in quotes".to_owned(),
            Kind::Word(words) => format!("one of {}", words.join(", ")),
            Kind::List => "a list of texts".to_owned(),
            Kind::Program => "a list of texts, the program first".to_owned(),
            Kind::Filter => FILTER.to_owned(),
        }
    }
}

/// Whether `text` says what is to be logged. A word alone is a level or names a module of ours;
/// any other is a slip, which would log nothing.
pub fn is_filter(text: &str) -> bool {
    let told = |part: &str| {
        let alone = !part.contains(['=', '[', ':']);
        !part.is_empty()
            && (!alone || part.parse::<LevelFilter>().is_ok() || part.starts_with("benchdog"))
    };
    text.split(',').all(|part| told(part.trim())) && EnvFilter::try_new(text).is_ok()
}

/// The items of a list, if all of them are texts.
fn texts(items: &[Value]) -> Option<Vec<&str>> {
    items.iter().map(Value::as_str).collect()
}

/// The known name that `wrong` was probably meant to be.
pub fn nearest(wrong: &str) -> Option<&'static str> {
    let names: Vec<&str> = KEYS.iter().map(|key| key.path).collect();
    let best = similar::get_close_matches(wrong, &names, 1, 0.6).into_iter().next()?;
    Key::find(best).map(|key| key.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::agent::Backend;
    use crate::model::permission::PermissionMode;

    fn read(path: &str, raw: &str) -> Result<Value, String> {
        Key::find(path).expect("a setting").read(raw)
    }

    #[test]
    fn a_variable_is_read_by_the_kind_of_its_setting() {
        assert_eq!(read("ui.mouse", "off"), Ok(Value::Boolean(false)));
        assert_eq!(read("limits.agents", "3"), Ok(Value::Integer(3)));
        assert_eq!(read("limits.max_budget_usd", "2"), Ok(Value::Float(2.0)));
        let list = |items: &[&str]| Value::from(items.to_vec());
        assert_eq!(read("claude.command", "/opt/claude"), Ok(list(&["/opt/claude"])));
        assert_eq!(
            read("agent.allowed_tools", "['Read', 'Bash(ls *)']"),
            Ok(list(&["Read", "Bash(ls *)"]))
        );
    }

    #[test]
    fn a_bad_value_says_what_is_wanted() {
        let cases = [
            ("ui.mouse", "perhaps", "`ui.mouse` must be true or false, not \"perhaps\""),
            ("limits.agents", "0", "`limits.agents` must be a whole number from 1 to 256, not 0"),
            ("ui.theme", "neon", "`ui.theme` must be one of night, day, plain, not \"neon\""),
            (
                "limits.max_budget_usd",
                "-1",
                "`limits.max_budget_usd` must be a number, 0 or more, not -1",
            ),
            (
                "claude.command",
                "[]",
                "`claude.command` must be a list of texts, the program first, not []",
            ),
        ];
        for (path, raw, message) in cases {
            assert_eq!(read(path, raw), Err(message.to_owned()));
        }
    }

    #[test]
    fn a_filter_of_the_log_is_one_that_logs() {
        for good in
            ["info", "off", "DEBUG", "info,benchdog::engine=debug", "benchdog=trace", "benchdog"]
        {
            assert!(is_filter(good), "{good}");
        }
        for bad in ["loud", "info,loud", "", "benchdog=loud", "a=b=c"] {
            assert!(!is_filter(bad), "{bad}");
        }
    }

    #[test]
    fn modes_and_back_ends_are_those_of_the_model() {
        let mut modes = PermissionMode::ALL.map(PermissionMode::as_str);
        let mut known = MODES.to_vec();
        modes.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, modes);
        for driver in [Backend::Claude, Backend::Script] {
            assert!(read("agent.backend", driver.as_str()).is_ok());
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        assert_eq!(nearest("ui.teme"), Some("ui.theme"));
        assert_eq!(nearest("agent.permision_mode"), Some("agent.permission_mode"));
        assert_eq!(nearest("zzz"), None);
    }
}
