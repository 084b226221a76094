//! The filter of the picker: words as fzf reads them, over the fields of many rows at once.
//!
//! `fuzzy 'exact ^start end$ ^whole$ !not`; capitals count if the word has any. `^`, `$` and both
//! speak of one field (title, agent, branch, workspace), the rest of all of them. The matching
//! library appears in this file only.

use std::collections::BTreeSet;

use frizbee::{Config, Matcher, Matching, Pattern, SortStrategy};

/// What a row is searched by: its fields in one text, divided by tabs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Haystack {
    text: String,
    starts: [usize; 4],
}

impl Haystack {
    /// Joins fields that hold no tab.
    pub(super) fn new(fields: [&str; 4]) -> Self {
        let mut text = String::with_capacity(fields.iter().map(|field| field.len() + 1).sum());
        let starts = fields.map(|field| {
            let start = text.len();
            text.push_str(field);
            text.push('\t');
            start
        });
        text.pop();
        Self { text, starts }
    }

    /// The field with this number.
    pub(super) fn field(&self, number: usize) -> &str {
        let end = self.starts.get(number + 1).map_or(self.text.len(), |next| next - 1);
        self.starts.get(number).and_then(|start| self.text.get(*start..end)).unwrap_or_default()
    }

    /// Where the field with this number begins.
    pub(super) fn start(&self, number: usize) -> usize {
        self.starts.get(number).copied().unwrap_or(self.text.len())
    }
}

impl AsRef<str> for Haystack {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// A query, ready to run.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    free: Option<Matcher>,
    refused: Option<Matcher>,
    anchored: Vec<Anchored>,
    words: Vec<String>,
}

/// A word that has its place at the start or the end of a field.
#[derive(Debug, Clone)]
struct Anchored {
    needle: String,
    place: Place,
    negated: bool,
    exact_case: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    End,
    Whole,
}

impl Filter {
    /// Reads a query. Every text is one; what has no meaning as an operator is a letter.
    pub(super) fn new(query: &str) -> Self {
        let config = Config { sort: SortStrategy::IndexAsc, ..Config::default() };
        let (mut free, mut anchored, mut words) = (Vec::new(), Vec::new(), Vec::new());
        for pattern in Pattern::parse_query(query) {
            if !pattern.negated {
                words.push(pattern.needle.clone());
            }
            let place = match pattern.config.matching {
                Some(Matching::Prefix) => Place::Start,
                Some(Matching::Suffix) => Place::End,
                Some(Matching::Exact) => Place::Whole,
                Some(Matching::Fuzzy | Matching::Substring) | None => {
                    free.push(pattern);
                    continue;
                }
            };
            let exact_case = pattern.needle.chars().any(char::is_uppercase);
            let negated = pattern.negated;
            anchored.push(Anchored { needle: pattern.needle, place, negated, exact_case });
        }
        let refused: Vec<Pattern> = free.iter().filter(|one| one.negated).cloned().collect();
        let matcher = |patterns: &[Pattern]| {
            (!patterns.is_empty()).then(|| Matcher::from_patterns(patterns, &config))
        };
        Self { free: matcher(&free), refused: matcher(&refused), anchored, words }
    }

    /// The words that are wanted, without operators, for a search in full text.
    pub(super) fn words(&self) -> String {
        self.words.join(" ")
    }

    /// The rows that pass with their scores, in the order of `rows`.
    pub(super) fn run(&mut self, rows: &[Haystack]) -> Vec<(u16, u32)> {
        let anchored = &self.anchored;
        let passes = |row: u32| {
            rows.get(row as usize).is_some_and(|row| anchored.iter().all(|one| one.passes(row)))
        };
        match &mut self.free {
            Some(matcher) => matcher
                .match_list(rows)
                .into_iter()
                .map(|hit| (hit.score, hit.index))
                .filter(|(_, row)| anchored.is_empty() || passes(*row))
                .collect(),
            None => (0..).take(rows.len()).filter(|row| passes(*row)).map(|row| (0, row)).collect(),
        }
    }

    /// Whether the query forbids this row (`!word`), whatever else speaks for it.
    pub(super) fn forbids(&mut self, row: &Haystack) -> bool {
        let anchored = self.anchored.iter().any(|one| one.negated && !one.passes(row));
        anchored || self.refused.as_mut().is_some_and(|not| not.match_one(row, 0).is_none())
    }

    /// Where the letters are that made `row` pass, as offsets into its text.
    pub(super) fn letters(&mut self, row: &Haystack) -> BTreeSet<usize> {
        let mut letters = BTreeSet::new();
        if let Some(hit) = self.free.as_mut().and_then(|free| free.match_one_indices(row, 0)) {
            let offsets = hit.indices.iter().map(|offset| *offset as usize);
            letters.extend(offsets.filter(|offset| row.text.is_char_boundary(*offset)));
        }
        for one in self.anchored.iter().filter(|one| !one.negated) {
            letters.extend(one.letters(row));
        }
        letters
    }
}

impl Anchored {
    fn passes(&self, row: &Haystack) -> bool {
        (0..row.starts.len()).any(|field| self.fits(row.field(field))) != self.negated
    }

    fn fits(&self, field: &str) -> bool {
        let compare = |field: &str, needle: &str| match self.place {
            Place::Start => field.starts_with(needle),
            Place::End => field.ends_with(needle),
            Place::Whole => field == needle,
        };
        if self.exact_case {
            compare(field, &self.needle)
        } else {
            compare(&field.to_lowercase(), &self.needle.to_lowercase())
        }
    }

    fn letters(&self, row: &Haystack) -> Vec<usize> {
        let Some(number) = (0..row.starts.len()).find(|field| self.fits(row.field(*field))) else {
            return Vec::new();
        };
        let (field, start) = (row.field(number), row.start(number));
        let count = self.needle.chars().count();
        let offsets = field.char_indices().map(|(offset, _)| start + offset);
        match self.place {
            Place::Start | Place::Whole => offsets.take(count).collect(),
            Place::End => {
                let skipped = field.chars().count().saturating_sub(count);
                offsets.skip(skipped).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [[&str; 4]; 4] = [
        ["Fix span off by one", "blue", "fix/span", ""],
        ["Make the lexer return spans", "blue", "main", ""],
        ["Update the docs for tokens", "red", "main", ""],
        ["Überprüfe die Größe", "teal", "fix-größe", "parser"],
    ];

    fn check(query: &str, expected: &[u32]) {
        let rows: Vec<Haystack> = ROWS.into_iter().map(Haystack::new).collect();
        let found: Vec<u32> = Filter::new(query).run(&rows).iter().map(|(_, row)| *row).collect();
        assert_eq!(found, expected, "{query}");
    }

    #[test]
    fn operators_are_those_of_fzf_and_anchors_hold_per_field() {
        check("", &[0, 1, 2, 3]);
        check("fxspn", &[0]);
        check("'span", &[0, 1]);
        check("'span !off", &[1]);
        check("^fix", &[0, 3]);
        check("one$", &[0]);
        check("main$", &[1, 2]);
        check("^main$ !^upd", &[1]);
        check("^blue$ main", &[1]);
        check("!^blue$", &[2, 3]);
        check("Fix", &[0]);
        check("größe", &[3]);
        check("^über", &[3]);
        check("parser$", &[3]);
        check("nothing at all", &[]);
        check("! ^ $ '", &[0, 1, 2, 3]);
    }

    fn lit(query: &str, row: usize) -> String {
        let row = Haystack::new(ROWS[row]);
        let letters = Filter::new(query).letters(&row);
        let shown = |(at, c)| if letters.contains(&at) { c } else { '.' };
        row.as_ref().char_indices().map(shown).collect()
    }

    #[test]
    fn the_letters_that_matched_are_known() {
        assert_eq!(lit("'span ^blue", 0), "....span............blue..........");
        assert_eq!(lit("fxone", 0).replace('.', ""), "Fxone");
        assert_eq!(lit("größe$", 3).replace('.', ""), "Größe");
        assert_eq!(lit("prüf", 3).replace('.', ""), "prüf");
    }

    #[test]
    fn full_text_gets_the_words_and_not_the_operators() {
        assert_eq!(Filter::new("'lexer !docs ^fix span$").words(), "lexer fix span");
        assert_eq!(Filter::new("!docs").words(), "");
    }

    #[test]
    fn a_refused_word_forbids_and_a_missing_one_does_not() {
        let row = Haystack::new(ROWS[0]);
        let forbids = |query| Filter::new(query).forbids(&row);
        assert!(forbids("zzz !off"));
        assert!(forbids("!^blue$"));
        assert!(!forbids("zzz !docs !^red$"));
    }
}
