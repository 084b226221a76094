//! Which key does what: the built-in file, the person's own over it, and the look-up.
//!
//! A keymap is always usable: what is wrong in the person's file is left out and said with its
//! line. A key sequence is never both an action and the beginning of a longer one.

mod chord;

use std::collections::BTreeMap;
use std::fmt;

use toml::de::{DeTable, DeValue};

pub use self::chord::Chord;
use super::action::{Action, Context};

/// The built-in keys.
pub const BUILT_IN: &str = include_str!("../../assets/keymap.toml");

/// All keys of all places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keymap {
    prefix: Chord,
    bindings: BTreeMap<Context, Vec<Binding>>,
}

/// A key sequence and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The keys, one after the other.
    pub keys: Vec<Chord>,
    /// What they do.
    pub action: Action,
}

/// What keys mean that were pressed so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// This.
    Action(Action),
    /// More keys are needed.
    More,
    /// Nothing.
    Nothing,
}

/// Something in a keymap file that was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl Default for Keymap {
    fn default() -> Self {
        Self::load("").0
    }
}

impl Keymap {
    /// The built-in keys with the person's own file over them.
    pub fn load(own: &str) -> (Self, Vec<Problem>) {
        let mut keymap = Self {
            prefix: Chord::plain(crossterm::event::KeyCode::Null),
            bindings: BTreeMap::new(),
        };
        let mut problems = keymap.merge(BUILT_IN);
        problems.extend(keymap.merge(own));
        (keymap, problems)
    }

    /// Another prefix.
    pub fn set_prefix(&mut self, raw: &str) -> Result<(), String> {
        self.prefix = Chord::parse(raw)?;
        Ok(())
    }

    /// The key that begins a command.
    pub fn prefix(&self) -> Chord {
        self.prefix
    }

    /// What `keys` mean in the first of these places that knows them.
    pub fn find(&self, places: &[Context], keys: &[Chord]) -> Found {
        let mut more = false;
        for place in places {
            for binding in self.of(*place) {
                if binding.keys == keys {
                    return Found::Action(binding.action);
                }
                more |= binding.keys.len() > keys.len() && binding.keys.starts_with(keys);
            }
        }
        if more { Found::More } else { Found::Nothing }
    }

    /// The bindings of a place, in the order of the files.
    pub fn of(&self, place: Context) -> &[Binding] {
        self.bindings.get(&place).map_or(&[], Vec::as_slice)
    }

    /// The first key of an action in a place, as people write it; with the prefix if need be.
    pub fn key(&self, place: Context, action: Action) -> Option<String> {
        let binding = self.of(place).iter().find(|binding| binding.action == action)?;
        Some(self.spell(place, &binding.keys))
    }

    /// A key sequence as people write it.
    pub fn spell(&self, place: Context, keys: &[Chord]) -> String {
        let prefix = (place == Context::Command).then(|| self.prefix.to_string());
        let keys = keys.iter().map(Chord::to_string);
        prefix.into_iter().chain(keys).collect::<Vec<_>>().join(" ")
    }

    fn merge(&mut self, file: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let line = |at: usize| 1 + file.bytes().take(at).filter(|&byte| byte == b'\n').count();
        let document = match DeTable::parse(file) {
            Ok(document) => document,
            Err(error) => {
                let line = line(error.span().map_or(0, |span| span.start));
                let message = error.message().trim().to_owned();
                return vec![Problem { line, message }];
            }
        };
        for (name, value) in document.get_ref() {
            let (at, name) = (line(name.span().start), name.get_ref().as_ref());
            let wrong = if let DeValue::Table(table) = value.get_ref() {
                let place = Context::ALL.into_iter().find(|place| place.name() == name);
                let mut rows: Vec<_> = table.iter().collect();
                rows.sort_by_key(|(keys, _)| keys.span().start);
                for (keys, action) in rows.into_iter().filter(|_| place.is_some()) {
                    let bound = match (place, action.get_ref().as_str()) {
                        (Some(place), Some(action)) => self.bind(place, keys.get_ref(), action),
                        _ => Err(format!("`{}` wants the name of an action", keys.get_ref())),
                    };
                    let at = line(keys.span().start);
                    problems.extend(bound.err().map(|message| Problem { line: at, message }));
                }
                let places = || Context::ALL.map(Context::name).join(", ");
                place.is_none().then(|| format!("`{name}` is not a place for keys: {}", places()))
            } else if name == "prefix" {
                value.get_ref().as_str().map_or(Some("`prefix` wants a key".to_owned()), |raw| {
                    self.set_prefix(raw).err()
                })
            } else {
                Some(format!("`{name}` is not a setting; `prefix` is the only one"))
            };
            problems.extend(wrong.map(|message| Problem { line: at, message }));
        }
        problems.sort_by_key(|problem| problem.line);
        problems
    }

    fn bind(&mut self, place: Context, keys: &str, action: &str) -> Result<(), String> {
        let chords = Chord::parse_sequence(keys)?;
        let bindings = self.bindings.entry(place).or_default();
        if action == "none" {
            bindings.retain(|binding| binding.keys != chords);
            return Ok(());
        }
        let Some(action) = place.action(action) else {
            return Err(format!("`{action}` is not an action of `{}`", place.name()));
        };
        bindings.retain(|binding| binding.keys != chords);
        let clash = bindings
            .iter()
            .find(|binding| binding.keys.starts_with(&chords) || chords.starts_with(&binding.keys));
        if let Some(clash) = clash {
            let name = clash.action.name();
            return Err(format!(
                "`{keys}` overlaps with the keys of `{name}`; unbind those with \"none\" first"
            ));
        }
        bindings.push(Binding { keys: chords, action });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::action::BenchAction;

    fn keys(raw: &str) -> Vec<Chord> {
        Chord::parse_sequence(raw).unwrap()
    }

    #[test]
    fn the_built_in_file_is_right_and_binds_every_action() {
        let (keymap, problems) = Keymap::load("");
        assert_eq!(problems, []);
        assert_eq!(keymap.prefix().to_string(), "Ctrl-Space");
        for place in Context::ALL {
            for action in place.own() {
                let bound = keymap.key(place, action).is_some();
                assert!(bound, "{} has no key in [{}]", action.name(), place.name());
            }
        }
    }

    #[test]
    fn own_keys_replace_add_and_unbind() {
        let (keymap, problems) = Keymap::load(
            "prefix = \"ctrl+b\"\n[command]\nz = \"none\"\nv = \"zoom\"\n[prompt]\n\"ctrl+x v\" = \"split-right\"\n",
        );
        assert_eq!(problems, []);
        assert_eq!(keymap.prefix().to_string(), "Ctrl-B");
        let find = |place, raw: &str| keymap.find(&[place], &keys(raw));
        let zoom = Found::Action(Action::Bench(BenchAction::Zoom));
        assert_eq!(find(Context::Command, "z"), Found::Nothing);
        assert_eq!(find(Context::Command, "v"), zoom);
        assert_eq!(find(Context::Prompt, "ctrl+x"), Found::More);
        let split = Found::Action(Action::Bench(BenchAction::SplitRight));
        assert_eq!(find(Context::Prompt, "ctrl+x v"), split);
        assert_eq!(find(Context::Prompt, "ctrl+x w"), Found::Nothing);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_the_rest_counts() {
        let own = "prefix = \"hyper+x\"\n\n[command]\nv = \"zom\"\nz = \"help\"\n[promt]\nx = \"send\"\n[prompt]\n\"enter x\" = \"send\"\n";
        let (keymap, problems) = Keymap::load(own);
        let said: Vec<_> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(said.len(), 4, "{said:?}");
        for expected in [
            "line 1: `hyper` is not a modifier: ctrl, alt or shift",
            "line 4: `zom` is not an action of `command`",
            "line 9: `enter x` overlaps with the keys of `send`; unbind those with \"none\" first",
        ] {
            assert!(said.iter().any(|line| line == expected), "{expected}: {said:?}");
        }
        assert!(said.iter().any(|line| line.starts_with("line 6: `promt` is not a place")));
        let help = Found::Action(Action::Bench(BenchAction::Help));
        assert_eq!(keymap.find(&[Context::Command], &keys("z")), help);
    }

    #[test]
    fn a_file_that_is_no_toml_is_said_with_its_line() {
        let (keymap, problems) = Keymap::load("[command]\nv = \n");
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].line, 2);
        assert_eq!(keymap, Keymap::default());
    }
}
