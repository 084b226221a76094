//! Reservations on purpose: which files they cover, and which of them overlap.
//!
//! Whether a file is covered costs one look-up per folder above it, and one match per glob.
//! Whether two patterns overlap is exact for files and folders; for globs it errs on the side of
//! "yes".

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobMatcher};

use super::input::TREE;
use super::owners::Who;
use crate::model::path::WorkPath;
use crate::model::time::Mono;

const META: [char; 7] = ['*', '?', '[', ']', '{', '}', '\\'];

/// What a reservation covers.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    /// One file.
    File(WorkPath),
    /// Everything below a folder; ends with `/`.
    Folder(String),
    /// Everything that matches.
    Glob(String, GlobMatcher),
    /// Everything.
    Tree,
}

impl Pattern {
    /// Reads `src/a.rs`, `src/`, `src/**`, `src/*.rs`, `**`. The error is for a person.
    pub(super) fn parse(raw: &str) -> Result<Self, String> {
        let raw = raw.trim();
        let mut bare = raw.strip_prefix("./").unwrap_or(raw);
        while let Some(short) = bare.strip_suffix("/**").or_else(|| bare.strip_suffix("//")) {
            bare = &bare[..=short.len()];
        }
        if matches!(bare, "**" | "**/" | "**/*" | "*" | "*/" | "." | "./") || raw == "./" {
            return Ok(Self::Tree);
        }
        if bare.contains(META) {
            let inside = !bare.starts_with('/') && bare.split('/').all(|part| part != "..");
            if !inside {
                return Err("it leaves the workspace".to_owned());
            }
            let glob = GlobBuilder::new(bare)
                .literal_separator(true)
                .build()
                .map_err(|error| error.kind().to_string())?;
            return Ok(Self::Glob(bare.to_owned(), glob.compile_matcher()));
        }
        let outside = || "it is empty or leaves the workspace".to_owned();
        match bare.strip_suffix('/') {
            Some(folder) => WorkPath::parse(folder)
                .map(|folder| Self::Folder(format!("{folder}/")))
                .ok_or_else(outside),
            None => WorkPath::parse(bare).map(Self::File).ok_or_else(outside),
        }
    }

    /// The pattern as it is listed.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::File(path) => path.as_str(),
            Self::Folder(folder) => folder,
            Self::Glob(glob, _) => glob,
            Self::Tree => TREE,
        }
    }

    pub(super) fn covers(&self, path: &WorkPath) -> bool {
        match self {
            Self::File(file) => file == path,
            Self::Folder(folder) => path.as_str().starts_with(folder.as_str()),
            Self::Glob(_, glob) => glob.is_match(path.as_str()),
            Self::Tree => true,
        }
    }

    /// Whether it may cover something in a folder, or the folder itself.
    pub(super) fn reaches_into(&self, folder: &WorkPath) -> bool {
        self.covers(folder) || self.overlaps(&Self::Folder(format!("{folder}/")))
    }

    /// Whether some file may be covered by both.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(file), pattern) | (pattern, Self::File(file)) => pattern.covers(file),
            (Self::Tree, _) | (_, Self::Tree) => true,
            (Self::Folder(a), Self::Folder(b)) => {
                a.starts_with(b.as_str()) || b.starts_with(a.as_str())
            }
            (Self::Folder(folder), Self::Glob(glob, _))
            | (Self::Glob(glob, _), Self::Folder(folder)) => {
                let head = literal_head(glob);
                head.starts_with(folder.as_str()) || folder.starts_with(head)
            }
            (Self::Glob(a, _), Self::Glob(b, _)) => {
                let (head_a, head_b) = (literal_head(a), literal_head(b));
                let (tail_a, tail_b) = (literal_tail(a), literal_tail(b));
                (head_a.starts_with(head_b) || head_b.starts_with(head_a))
                    && (tail_a.ends_with(tail_b) || tail_b.ends_with(tail_a))
            }
        }
    }

    /// Whether it covers everything, or everything of a kind.
    pub(super) fn is_everywhere(&self) -> bool {
        match self {
            Self::Tree => true,
            Self::Glob(glob, _) => glob.starts_with("**"),
            Self::File(_) | Self::Folder(_) => false,
        }
    }
}

/// What each match of a glob begins with.
fn literal_head(glob: &str) -> &str {
    &glob[..glob.find(META).unwrap_or(glob.len())]
}

/// What each match of a glob ends with.
fn literal_tail(glob: &str) -> &str {
    glob.rfind(META).map_or(glob, |at| &glob[at + 1..])
}

/// One reservation.
#[derive(Debug, Clone)]
pub(super) struct Pin {
    pub(super) pattern: Pattern,
    pub(super) who: Who,
    pub(super) since: Mono,
    /// Until when; `None`: no end.
    pub(super) until: Option<Mono>,
    /// How long it lasts from each activity of its owner.
    pub(super) for_ms: Option<u64>,
    pub(super) reason: String,
}

/// All reservations.
#[derive(Debug, Clone, Default)]
pub(super) struct Pins {
    by_pattern: BTreeMap<String, Pin>,
    /// Those that have to be matched one by one.
    globs: Vec<String>,
}

impl Pins {
    pub(super) fn get(&self, pattern: &str) -> Option<&Pin> {
        self.by_pattern.get(pattern)
    }

    pub(super) fn get_mut(&mut self, pattern: &str) -> Option<&mut Pin> {
        self.by_pattern.get_mut(pattern)
    }

    pub(super) fn insert(&mut self, pin: Pin) {
        let pattern = pin.pattern.as_str().to_owned();
        if self.by_pattern.insert(pattern.clone(), pin).is_none()
            && matches!(
                self.by_pattern.get(&pattern).map(|pin| &pin.pattern),
                Some(Pattern::Glob(..) | Pattern::Tree)
            )
        {
            self.globs.push(pattern);
        }
    }

    pub(super) fn remove(&mut self, pattern: &str) -> Option<Pin> {
        self.globs.retain(|glob| glob != pattern);
        self.by_pattern.remove(pattern)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Pin)> {
        self.by_pattern.iter().map(|(pattern, pin)| (pattern.as_str(), pin))
    }

    /// The patterns that these owners have reserved.
    pub(super) fn of(&self, owners: &[Who]) -> Vec<String> {
        let theirs = self.by_pattern.iter().filter(|(_, pin)| owners.contains(&pin.who));
        theirs.map(|(pattern, _)| pattern.clone()).collect()
    }

    /// The reservations that cover a file, the narrowest kind first.
    pub(super) fn covering<'a>(
        &'a self,
        path: &'a WorkPath,
    ) -> impl Iterator<Item = (&'a str, &'a Pin)> {
        let text = if self.by_pattern.is_empty() { "" } else { path.as_str() };
        let folders = text.match_indices('/').map(|(at, _)| &text[..=at]);
        let named = std::iter::once(text)
            .chain(folders)
            .filter_map(|key| self.by_pattern.get_key_value(key))
            .map(|(pattern, pin)| (pattern.as_str(), pin));
        let matched = self
            .globs
            .iter()
            .filter_map(|glob| self.by_pattern.get_key_value(glob))
            .filter(|(_, pin)| pin.pattern.covers(path))
            .map(|(pattern, pin)| (pattern.as_str(), pin));
        named.chain(matched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(raw: &str) -> Pattern {
        Pattern::parse(raw).unwrap_or_else(|why| panic!("{raw}: {why}"))
    }

    #[test]
    fn patterns_cover_what_they_say() {
        for (raw, path, expected) in [
            ("src/a.rs", "src/a.rs", true),
            ("src/a.rs", "src/a.rs.bak", false),
            ("src/", "src/x/y.rs", true),
            ("src/", "src2/y.rs", false),
            ("src/**", "src/x/y.rs", true),
            ("src/*.rs", "src/y.rs", true),
            ("src/*.rs", "src/x/y.rs", false),
            ("**/*.md", "a/b.md", true),
            ("./src/", "src/y", true),
            ("**", "anything", true),
        ] {
            let path = WorkPath::parse(path).expect("a good path");
            assert_eq!(pattern(raw).covers(&path), expected, "{raw} {path}");
        }
        assert_eq!(pattern("src/**").as_str(), "src/");
        assert!(pattern("**").is_everywhere() && pattern("**/*.rs").is_everywhere());
        assert!(!pattern("src/**/*.rs").is_everywhere());
    }

    #[test]
    fn patterns_that_leave_the_workspace_are_turned_away() {
        for raw in ["", "/etc/", "../x", "a/../b", "/a/*.rs", "../*", "src/[a"] {
            assert!(Pattern::parse(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn overlaps_are_found_from_both_sides() {
        for (a, b, expected) in [
            ("src/", "src/x/", true),
            ("src/", "doc/", false),
            ("src/a.rs", "src/", true),
            ("src/*.rs", "src/a.rs", true),
            ("src/*.rs", "src/*.md", false),
            ("src/*.rs", "src/x*", true),
            ("src/*.rs", "src/", true),
            ("src/x/*.rs", "doc/", false),
            ("**", "src/", true),
        ] {
            assert_eq!(pattern(a).overlaps(&pattern(b)), expected, "{a} {b}");
            assert_eq!(pattern(b).overlaps(&pattern(a)), expected, "{b} {a}");
        }
    }

    #[test]
    fn the_reservations_over_a_file_are_found() {
        let mut pins = Pins::default();
        for raw in ["src/", "src/x/", "src/x/a.rs", "src/**/*.rs", "doc/"] {
            pins.insert(Pin {
                pattern: pattern(raw),
                who: Who(0),
                since: Mono(0),
                until: None,
                for_ms: None,
                reason: String::new(),
            });
        }
        let path = WorkPath::parse("src/x/a.rs").expect("a good path");
        let found: Vec<&str> = pins.covering(&path).map(|(pattern, _)| pattern).collect();
        assert_eq!(found, ["src/x/a.rs", "src/", "src/x/", "src/**/*.rs"]);
        pins.remove("src/**/*.rs");
        assert_eq!(pins.covering(&path).count(), 3);
    }
}
