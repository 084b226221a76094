//! One key with its modifiers, as written in the keymap file and as it comes from the terminal.
//!
//! Terminals say the same key in several ways; equal keys are equal chords here: a capital letter
//! carries no Shift, Shift+Tab is `BackTab` without Shift, and Ctrl+@ is Ctrl+Space.

use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key with its modifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    mods: KeyModifiers,
}

/// Keys that have a name in the file: the name, the code, and how the help shows it.
const NAMED: [(&str, KeyCode, &str); 15] = [
    ("enter", KeyCode::Enter, "Enter"),
    ("esc", KeyCode::Esc, "Esc"),
    ("tab", KeyCode::Tab, "Tab"),
    ("space", KeyCode::Char(' '), "Space"),
    ("backspace", KeyCode::Backspace, "Backspace"),
    ("delete", KeyCode::Delete, "Del"),
    ("insert", KeyCode::Insert, "Ins"),
    ("up", KeyCode::Up, "↑"),
    ("down", KeyCode::Down, "↓"),
    ("left", KeyCode::Left, "←"),
    ("right", KeyCode::Right, "→"),
    ("home", KeyCode::Home, "Home"),
    ("end", KeyCode::End, "End"),
    ("pageup", KeyCode::PageUp, "PgUp"),
    ("pagedown", KeyCode::PageDown, "PgDn"),
];

impl Chord {
    /// A key without modifiers.
    pub fn plain(code: KeyCode) -> Self {
        Self::new(code, KeyModifiers::NONE)
    }

    /// A key with modifiers, in its one form.
    pub fn new(code: KeyCode, mods: KeyModifiers) -> Self {
        let mods = mods & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let no_shift = mods - KeyModifiers::SHIFT;
        if code == KeyCode::BackTab {
            return Self { code, mods: no_shift };
        }
        if code == KeyCode::Tab && mods.contains(KeyModifiers::SHIFT) {
            return Self { code: KeyCode::BackTab, mods: no_shift };
        }
        let KeyCode::Char(c) = code else {
            return Self { code, mods };
        };
        if c == '@' && mods.contains(KeyModifiers::CONTROL) {
            return Self { code: KeyCode::Char(' '), mods: no_shift };
        }
        let c = if mods.contains(KeyModifiers::SHIFT) { upper(c) } else { c };
        Self { code: KeyCode::Char(c), mods: no_shift }
    }

    /// The chord of a key event.
    pub fn of(event: KeyEvent) -> Self {
        Self::new(event.code, event.modifiers)
    }

    /// Reads `ctrl+w`, `alt+enter`, `shift+tab`, `G`, `f1`, `+`.
    pub fn parse(raw: &str) -> Result<Self, String> {
        let mut mods = KeyModifiers::NONE;
        let mut rest = raw;
        while let Some((word, after)) =
            rest.split_once('+').filter(|(word, after)| !word.is_empty() && !after.is_empty())
        {
            mods |= match word.to_ascii_lowercase().as_str() {
                "ctrl" | "control" | "c" => KeyModifiers::CONTROL,
                "alt" | "meta" | "a" | "m" => KeyModifiers::ALT,
                "shift" | "s" => KeyModifiers::SHIFT,
                _ => return Err(format!("`{word}` is not a modifier: ctrl, alt or shift")),
            };
            rest = after;
        }
        let lower = rest.to_ascii_lowercase();
        let named = NAMED.iter().find(|(name, _, _)| *name == lower).map(|(_, code, _)| *code);
        let mut chars = rest.chars();
        let code = match (named, chars.next(), chars.next()) {
            (Some(code), _, _) => code,
            (None, Some(c), None) => KeyCode::Char(c),
            _ => lower
                .strip_prefix('f')
                .and_then(|number| number.parse().ok())
                .filter(|number| (1..=24).contains(number))
                .map(KeyCode::F)
                .ok_or_else(|| format!("`{raw}` is not a key"))?,
        };
        Ok(Self::new(code, mods))
    }

    /// Reads chords separated by spaces.
    pub fn parse_sequence(raw: &str) -> Result<Vec<Self>, String> {
        let chords = raw.split_whitespace().map(Self::parse).collect::<Result<Vec<_>, _>>()?;
        if chords.is_empty() { Err("a key is missing".to_owned()) } else { Ok(chords) }
    }

    /// The key without its modifiers.
    pub fn code(self) -> KeyCode {
        self.code
    }

    /// The modifiers.
    pub fn mods(self) -> KeyModifiers {
        self.mods
    }

    /// The character that it types, if it types one.
    pub fn typed(self) -> Option<char> {
        match (self.code, self.mods) {
            (KeyCode::Char(c), KeyModifiers::NONE) => Some(c),
            _ => None,
        }
    }

    /// The character behind an Alt, if it is Alt with a character and nothing else. Terminals
    /// without the newer protocol send Esc and a fast next key as the same bytes.
    pub fn behind_alt(self) -> Option<char> {
        match (self.code, self.mods) {
            (KeyCode::Char(c), KeyModifiers::ALT) => Some(c),
            _ => None,
        }
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, word) in [
            (KeyModifiers::CONTROL, "Ctrl-"),
            (KeyModifiers::ALT, "Alt-"),
            (KeyModifiers::SHIFT, "Shift-"),
        ] {
            if self.mods.contains(bit) {
                f.write_str(word)?;
            }
        }
        if let Some((_, _, shown)) = NAMED.iter().find(|(_, code, _)| *code == self.code) {
            return f.write_str(shown);
        }
        if self.code == KeyCode::BackTab {
            return f.write_str("Shift-Tab");
        }
        if let KeyCode::Char(c) = self.code {
            let c = if self.mods.is_empty() { c } else { upper(c) };
            return write!(f, "{c}");
        }
        if let KeyCode::F(number) = self.code {
            return write!(f, "F{number}");
        }
        write!(f, "{:?}", self.code)
    }
}

fn upper(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_key_are_one_chord() {
        let pairs = [
            ("ctrl+@", KeyCode::Char(' '), KeyModifiers::CONTROL),
            ("ctrl+space", KeyCode::Char(' '), KeyModifiers::CONTROL),
            ("shift+tab", KeyCode::BackTab, KeyModifiers::SHIFT),
            ("A", KeyCode::Char('A'), KeyModifiers::SHIFT),
            ("shift+a", KeyCode::Char('A'), KeyModifiers::NONE),
            ("+", KeyCode::Char('+'), KeyModifiers::NONE),
            ("ctrl++", KeyCode::Char('+'), KeyModifiers::CONTROL),
            ("f12", KeyCode::F(12), KeyModifiers::NONE),
            ("alt+enter", KeyCode::Enter, KeyModifiers::ALT),
        ];
        for (raw, code, mods) in pairs {
            assert_eq!(Chord::parse(raw), Ok(Chord::of(KeyEvent::new(code, mods))), "{raw}");
        }
    }

    #[test]
    fn what_is_no_key_is_said_in_words() {
        assert_eq!(
            Chord::parse("hyper+a"),
            Err("`hyper` is not a modifier: ctrl, alt or shift".into())
        );
        assert_eq!(Chord::parse("f99"), Err("`f99` is not a key".into()));
        assert_eq!(Chord::parse_sequence("  "), Err("a key is missing".into()));
    }

    #[test]
    fn a_chord_is_shown_as_people_write_it() {
        for (raw, shown) in [
            ("ctrl+space", "Ctrl-Space"),
            ("alt+enter", "Alt-Enter"),
            ("shift+tab", "Shift-Tab"),
            ("ctrl+w", "Ctrl-W"),
            ("G", "G"),
        ] {
            assert_eq!(Chord::parse(raw).unwrap().to_string(), shown);
        }
    }
}
