//! Reads the text of a settings file into settings and problems.
//!
//! Pure. A file that is not TOML gives one fatal problem and no setting; anything else that is
//! wrong is named with its place, and the rest of the file counts.

use std::ops::Range;

use toml::de::DeTable;
use toml::{Table, Value};

use super::problem::{Origin, Problem, Spot};
use super::schema::{KEYS, Key, nearest};

/// One setting as somebody wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Which setting.
    pub key: &'static Key,
    /// Its value, accepted by the setting.
    pub value: Value,
    /// Where it was written.
    pub origin: Origin,
}

/// What a text or a set of variables says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parsed {
    /// The settings, in the order of the text.
    pub entries: Vec<Entry>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Reads `text`, which people know as `file`.
pub fn parse(text: &str, file: &str) -> Parsed {
    let mut reader = Reader { text, file, parsed: Parsed::default() };
    // One pass knows the places, the other the values: the values of the first are still raw.
    match (DeTable::parse(text), toml::from_str::<Table>(text)) {
        (Ok(places), Ok(values)) => reader.table("", places.get_ref(), &values),
        (Err(error), _) | (_, Err(error)) => {
            let origin = reader.origin(error.span());
            let message = format!("this is not TOML: {}", error.message().replace('\n', ", "));
            reader.parsed.problems.push(Problem::fatal(origin, message));
        }
    }
    let mut parsed = reader.parsed;
    parsed.entries.sort_by_key(|entry| entry.origin.spot());
    parsed.problems.sort_by_key(|problem| problem.origin.spot());
    parsed
}

/// Accepts `raw`, a value that is not written as TOML, for the setting `path`.
pub fn single(path: &str, raw: &str, origin: Origin) -> Result<Entry, Problem> {
    let Some(key) = Key::find(path) else {
        return Err(unknown(path, origin));
    };
    match key.read(raw) {
        Ok(value) => Ok(Entry { key, value, origin }),
        Err(message) => Err(rejected(key, origin, message)),
    }
}

struct Reader<'a> {
    text: &'a str,
    file: &'a str,
    parsed: Parsed,
}

impl Reader<'_> {
    fn table(&mut self, prefix: &str, places: &DeTable<'_>, values: &Table) {
        for (name, place) in places {
            let path = match prefix {
                "" => name.get_ref().to_string(),
                _ => format!("{prefix}.{}", name.get_ref()),
            };
            let Some(value) = values.get(name.get_ref().as_ref()) else {
                continue;
            };
            if let Some(key) = Key::find(&path) {
                let origin = self.origin(Some(place.span()));
                match key.accept(value) {
                    Ok(value) => self.parsed.entries.push(Entry { key, value, origin }),
                    Err(message) => self.parsed.problems.push(rejected(key, origin, message)),
                }
                continue;
            }
            let origin = self.origin(Some(name.span()));
            let is_section = KEYS
                .iter()
                .any(|key| key.path.strip_prefix(&path).is_some_and(|rest| rest.starts_with('.')));
            match (is_section, place.get_ref().as_table(), value) {
                (true, Some(places), Value::Table(values)) => self.table(&path, places, values),
                (true, _, _) => {
                    let message = format!("`{path}` is a section, written as [{path}]");
                    self.parsed.problems.push(Problem::ignored(origin, message));
                }
                (false, _, _) => self.parsed.problems.push(unknown(&path, origin)),
            }
        }
    }

    fn origin(&self, span: Option<Range<usize>>) -> Origin {
        let spot = span.map(|span| Spot::of(self.text, span.start));
        Origin::File { file: self.file.to_owned(), spot }
    }
}

fn unknown(path: &str, origin: Origin) -> Problem {
    let problem = Problem::ignored(origin, format!("there is no setting `{path}`"));
    match nearest(path) {
        Some(meant) => problem.hint(format!("perhaps `{meant}` is meant")),
        None => problem.hint("`benchdog config show` lists the settings"),
    }
}

fn rejected(key: &Key, origin: Origin, message: String) -> Problem {
    if key.guards() {
        Problem::fatal(origin, message).hint("safety hangs on this setting, so nothing starts")
    } else {
        Problem::ignored(origin, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a text says, one line for each setting and each problem.
    fn told(text: &str) -> String {
        let parsed = parse(text, "c.toml");
        let entries = parsed
            .entries
            .iter()
            .map(|entry| format!("{} {} = {}", entry.origin, entry.key.path, entry.value));
        let problems =
            parsed.problems.iter().map(|problem| format!("{:?} {problem}", problem.gravity));
        entries.chain(problems).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn settings_come_with_their_places() {
        assert_eq!(
            told("[ui]\ntheme = \"day\"\n[limits]\nagents =   4\n"),
            "c.toml:2:9 ui.theme = \"day\"\nc.toml:4:12 limits.agents = 4"
        );
        assert_eq!(told("ui.mouse = false"), "c.toml:1:12 ui.mouse = false");
    }

    #[test]
    fn an_unknown_name_is_named_and_the_rest_counts() {
        assert_eq!(
            told("[ui]\nteme = \"day\"\nmouse = true\n[zebra]\na = 1\n"),
            "c.toml:3:9 ui.mouse = true\n\
             Ignored c.toml:2:1: there is no setting `ui.teme`\n  perhaps `ui.theme` is meant\n\
             Ignored c.toml:4:2: there is no setting `zebra`\n  `benchdog config show` lists the settings"
        );
    }

    #[test]
    fn a_bad_value_stops_the_start_only_where_safety_hangs_on_it() {
        assert_eq!(
            told("ui.mouse = 1"),
            "Ignored c.toml:1:12: `ui.mouse` must be true or false, not 1"
        );
        assert_eq!(
            told("limits.agents = 0"),
            "Fatal c.toml:1:17: `limits.agents` must be a whole number from 1 to 256, not 0\n  \
             safety hangs on this setting, so nothing starts"
        );
    }

    #[test]
    fn a_text_that_is_not_toml_is_fatal_with_its_place() {
        let parsed = parse("[ui]\ntheme = night\n", "c.toml");
        assert_eq!(parsed.entries, []);
        let [problem] = &parsed.problems[..] else { panic!("{:?}", parsed.problems) };
        assert_eq!(problem.gravity, super::super::problem::Gravity::Fatal);
        assert!(problem.to_string().starts_with("c.toml:2:9: this is not TOML: "), "{problem}");
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_file_is_read_or_refused(at in 0_usize..4000, put in "\\PC{0,4}") {
            let whole = include_str!("../../assets/config.toml");
            let at = whole.floor_char_boundary(at.min(whole.len()));
            let end = whole.ceil_char_boundary((at + put.len()).min(whole.len()));
            let damaged = format!("{}{put}{}", &whole[..at], &whole[end..]);
            let parsed = parse(&damaged, "c.toml");
            proptest::prop_assert!(!parsed.entries.is_empty() || !parsed.problems.is_empty());
        }
    }

    #[test]
    fn a_section_that_is_no_table_is_said() {
        assert_eq!(told("ui = 3"), "Ignored c.toml:1:1: `ui` is a section, written as [ui]");
    }
}
