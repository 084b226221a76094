//! Which rows the list has, and where the cursor is in it.
//!
//! What passes by its title stands first, in order; below it, what only the full text found. Rows
//! are numbers of the catalog: nothing is copied, and nothing is formatted here.

use std::collections::BTreeSet;

use super::{Entry, Hold, Picker, bench_title, preview, words};
use crate::model::id::SessionId;
use crate::model::session::SessionHit;
use crate::model::time::Wall;

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

    /// How many benches stand above the sessions: all without a query, or if they are meant by it.
    /// A few letters are not enough, or Enter would resume everything by mistake.
    fn benches_shown(&self) -> usize {
        let words = self.query.text().trim().to_lowercase();
        let meant =
            words.len() > 2 && ["whole bench", "bench"].iter().any(|name| name.starts_with(&words));
        if words.is_empty() || meant { self.benches.len() } else { 0 }
    }

    /// How many rows the list has.
    pub(super) fn entries(&self) -> usize {
        self.benches_shown() + self.found.len()
    }

    pub(super) fn entry(&self, place: usize) -> Option<Entry> {
        match place.checked_sub(self.benches_shown()) {
            None => Some(Entry::Bench(place)),
            Some(place) => self.found.get(place).map(|number| Entry::Session(*number)),
        }
    }

    pub(super) fn chosen(&self) -> Option<Entry> {
        self.entry(self.cursor)
    }

    /// What the cursor is on, in a way that survives another list.
    fn chosen_key(&self) -> Option<Result<SessionId, Wall>> {
        match self.chosen()? {
            Entry::Bench(place) => self.benches.get(place).map(|bench| Err(bench.begun)),
            Entry::Session(number) => self.catalog.row(number).map(|hit| Ok(hit.row.id.clone())),
        }
    }

    fn place_of(&self, key: &Result<SessionId, Wall>) -> Option<usize> {
        let shown = self.benches_shown();
        let session = match key {
            Ok(session) => session,
            Err(begun) => {
                return self.benches.iter().take(shown).position(|bench| bench.begun == *begun);
            }
        };
        let number = self.catalog.number(session)?;
        let place = self.found.iter().position(|found| *found == number)?;
        Some(place + shown)
    }

    /// Lines that a row takes: those of the full text show what was found below their title.
    pub(super) fn lines_of(&self, place: usize) -> usize {
        let by_text = place >= self.by_title + self.benches_shown();
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
        match self.chosen() {
            Some(Entry::Session(number)) => {
                let Some(hit) = self.catalog.row(number) else { return Vec::new() };
                let title = self.catalog.haystack(number).map_or("", |row| row.field(0));
                let mut facts = preview::facts(hit, title, self.now, room);
                if let Some(snippet) = self.text_hit(number).and_then(|hit| hit.snippet.as_ref()) {
                    let found = words::one_line(snippet, 400);
                    facts.push((preview::Tone::Warn, format!("full text: {found}")));
                }
                facts
            }
            Some(Entry::Bench(place)) => {
                let tone = preview::Tone::Text;
                let session = |id| (tone, format!("⧉ {}", self.bench_member(id)));
                let sessions = self.benches.get(place).map(|bench| bench.sessions.iter());
                std::iter::once((preview::Tone::Title, bench_title(place).to_owned()))
                    .chain(sessions.into_iter().flatten().map(session))
                    .take(room)
                    .collect()
            }
            None => Vec::new(),
        }
    }

    fn bench_member(&self, session: &SessionId) -> String {
        match self.catalog.get(session) {
            Some(hit) => format!("{}  {}", hit.row.agent, self.catalog.title(session)),
            None => format!("session {session}"),
        }
    }
}
