//! Which rows the list has, and where the cursor is in it.
//!
//! What passes by its title stands first, in order; below it, what only the full text found. Rows
//! are numbers of the catalog: nothing is copied, and nothing is formatted here.

use std::collections::BTreeSet;

use super::{BENCH_TITLE, Entry, Hold, Picker, preview, words};
use crate::model::id::SessionId;
use crate::model::session::SessionHit;

impl Picker {
    /// Filters again and finds the cursor's place.
    pub(super) fn refresh(&mut self, hold: Hold) {
        let before = if hold == Hold::Row && self.moved { self.chosen_key() } else { None };
        for hit in &self.text.hits {
            if self.list.came {
                self.catalog.add(hit.clone(), &self.home);
            }
        }
        self.found = self.catalog.find(&mut self.filter, self.order);
        self.by_title = self.found.len();
        self.add_text_hits();
        self.letters.clear();
        self.cursor = before.and_then(|key| self.place_of(&key)).unwrap_or(match hold {
            Hold::Row if self.moved => self.cursor.min(self.entries().saturating_sub(1)),
            Hold::Row | Hold::Top => 0,
        });
        if self.cursor == 0 {
            self.first = 0;
        }
    }

    /// What the full text has for the query as it is now; late answers are for another one.
    pub(super) fn text_hits(&self) -> &[SessionHit] {
        if self.text.words == self.filter.words() { &self.text.hits } else { &[] }
    }

    fn add_text_hits(&mut self) {
        let mut shown: BTreeSet<u32> = self.found.iter().copied().collect();
        let numbers = self.text_hits().iter().filter_map(|hit| self.catalog.number(&hit.row.id));
        let below: Vec<u32> = numbers.filter(|number| shown.insert(*number)).collect();
        for number in below {
            if let Some(haystack) = self.catalog.haystack(number)
                && !self.filter.forbids(haystack)
            {
                self.found.push(number);
            }
        }
    }

    /// Whether the bench stands above the sessions: without a query, or if it is meant by it. A
    /// few letters are not enough, or Enter would resume everything by mistake.
    fn bench_shows(&self) -> bool {
        let words = self.query.text().trim().to_lowercase();
        let meant =
            words.len() > 2 && ["whole bench", "bench"].iter().any(|name| name.starts_with(&words));
        self.bench.is_some() && (words.is_empty() || meant)
    }

    /// How many rows the list has.
    pub(super) fn entries(&self) -> usize {
        usize::from(self.bench_shows()) + self.found.len()
    }

    pub(super) fn entry(&self, place: usize) -> Option<Entry> {
        match (self.bench_shows(), place) {
            (true, 0) => Some(Entry::Bench),
            (true, place) => self.found.get(place - 1).map(|number| Entry::Session(*number)),
            (false, place) => self.found.get(place).map(|number| Entry::Session(*number)),
        }
    }

    pub(super) fn chosen(&self) -> Option<Entry> {
        self.entry(self.cursor)
    }

    /// What the cursor is on, in a way that survives another list: `None` inside is the bench.
    fn chosen_key(&self) -> Option<Option<SessionId>> {
        match self.chosen()? {
            Entry::Bench => Some(None),
            Entry::Session(number) => self.catalog.row(number).map(|hit| Some(hit.row.id.clone())),
        }
    }

    fn place_of(&self, key: &Option<SessionId>) -> Option<usize> {
        let Some(session) = key else { return self.bench_shows().then_some(0) };
        let number = self.catalog.number(session)?;
        let place = self.found.iter().position(|found| *found == number)?;
        Some(place + usize::from(self.bench_shows()))
    }

    /// Lines that a row takes: those of the full text show what was found below their title.
    pub(super) fn lines_of(&self, place: usize) -> usize {
        let by_text = place >= self.by_title + usize::from(self.bench_shows());
        1 + usize::from(by_text)
    }

    /// The first row of a screen of `height` lines whose last row is `last`.
    pub(super) fn first_that_shows(&self, last: usize, height: usize) -> usize {
        let (mut first, mut lines) = (last, self.lines_of(last));
        while first > 0 && lines + self.lines_of(first - 1) <= height {
            first -= 1;
            lines += self.lines_of(first);
        }
        first
    }

    /// What the full text says about a session, if it says anything.
    pub(super) fn text_hit(&self, number: u32) -> Option<&SessionHit> {
        let id = &self.catalog.row(number)?.row.id;
        self.text_hits().iter().find(|hit| hit.row.id == *id)
    }

    /// The lines above the words of the preview.
    pub(super) fn facts(&self, room: usize) -> Vec<preview::Toned> {
        match (self.chosen(), &self.bench) {
            (Some(Entry::Session(number)), _) => {
                let Some(hit) = self.catalog.row(number) else { return Vec::new() };
                let title = self.catalog.haystack(number).map_or("", |row| row.field(0));
                let mut facts = preview::facts(hit, title, self.now, room);
                if let Some(snippet) = self.text_hit(number).and_then(|hit| hit.snippet.as_ref()) {
                    let found = words::one_line(snippet, 400);
                    facts.push((preview::Tone::Warn, format!("full text: {found}")));
                }
                facts
            }
            (Some(Entry::Bench), Some(bench)) => {
                let tone = preview::Tone::Text;
                let session = |id| (tone, format!("⧉ {}", self.bench_member(id)));
                std::iter::once((preview::Tone::Title, BENCH_TITLE.to_owned()))
                    .chain(bench.sessions.iter().map(session))
                    .take(room)
                    .collect()
            }
            (Some(Entry::Bench) | None, _) => Vec::new(),
        }
    }

    fn bench_member(&self, session: &SessionId) -> String {
        match self.catalog.get(session) {
            Some(hit) => format!("{}  {}", hit.row.agent, self.catalog.title(session)),
            None => format!("session {session}"),
        }
    }
}
