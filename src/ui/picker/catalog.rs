//! The sessions that the picker knows, ready to be filtered and put in order.
//!
//! Rows keep their number as long as the catalog is not replaced. What is computed for all of them
//! (search texts, ranks) is computed once per list and order, never per key.

use std::collections::HashMap;

use super::filter::{Filter, Haystack};
use super::words;
use crate::model::id::SessionId;
use crate::model::session::SessionHit;

/// Characters of a title that count; a first prompt can be a whole document.
pub(super) const TITLE: usize = 200;

/// In which order rows stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// What matches best, newest first among equals.
    Best,
    Newest,
    Oldest,
    Cost,
    Turns,
    Title,
}

impl Order {
    /// The next one; without a query the best is the newest and comes only once.
    pub(super) fn next(self, query_is_empty: bool) -> Self {
        match self {
            Self::Best if query_is_empty => Self::Oldest,
            Self::Best => Self::Newest,
            Self::Newest => Self::Oldest,
            Self::Oldest => Self::Cost,
            Self::Cost => Self::Turns,
            Self::Turns => Self::Title,
            Self::Title => Self::Best,
        }
    }

    /// How people call it.
    pub(super) fn name(self, query_is_empty: bool) -> &'static str {
        match self {
            Self::Best if query_is_empty => "newest first",
            Self::Best => "best match first",
            Self::Newest => "newest first",
            Self::Oldest => "oldest first",
            Self::Cost => "dearest first",
            Self::Turns => "most turns first",
            Self::Title => "by title",
        }
    }
}

/// All sessions of the scope.
#[derive(Debug, Clone, Default)]
pub(super) struct Catalog {
    rows: Vec<SessionHit>,
    haystacks: Vec<Haystack>,
    numbers: HashMap<SessionId, u32>,
    /// The place of each row in the order that was asked for last.
    ranks: Vec<u32>,
    ranked_by: Option<Order>,
}

impl Catalog {
    /// Takes the rows of a list. Those of other workspaces than `home` are also found by its name.
    pub(super) fn new(rows: Vec<SessionHit>, home: &str) -> Self {
        let mut catalog = Self { numbers: HashMap::with_capacity(rows.len()), ..Self::default() };
        rows.into_iter().for_each(|row| catalog.add(row, home));
        catalog
    }

    /// Takes one more row, unless it is known.
    pub(super) fn add(&mut self, row: SessionHit, home: &str) {
        let Ok(number) = u32::try_from(self.rows.len()) else { return };
        if self.numbers.contains_key(&row.row.id) {
            return;
        }
        self.numbers.insert(row.row.id.clone(), number);
        self.haystacks.push(haystack(&row, home));
        self.rows.push(row);
        self.ranked_by = None;
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn row(&self, number: u32) -> Option<&SessionHit> {
        self.rows.get(number as usize)
    }

    pub(super) fn haystack(&self, number: u32) -> Option<&Haystack> {
        self.haystacks.get(number as usize)
    }

    pub(super) fn number(&self, session: &SessionId) -> Option<u32> {
        self.numbers.get(session).copied()
    }

    pub(super) fn get(&self, session: &SessionId) -> Option<&SessionHit> {
        self.number(session).and_then(|number| self.row(number))
    }

    /// The title as it is shown and searched.
    pub(super) fn title(&self, session: &SessionId) -> &str {
        self.number(session).and_then(|number| self.haystack(number)).map_or("", |row| row.field(0))
    }

    /// Gives a session another title.
    pub(super) fn rename(&mut self, session: &SessionId, title: &str, home: &str) {
        self.change(session, |row| title.clone_into(&mut row.row.title));
        if let Some(number) = self.number(session)
            && let Some(row) = self.rows.get(number as usize)
            && let Some(place) = self.haystacks.get_mut(number as usize)
        {
            *place = haystack(row, home);
            self.ranked_by = None;
        }
    }

    /// Notes that a session is open from now on.
    pub(super) fn opened(&mut self, session: &SessionId) {
        self.change(session, |row| row.open = true);
    }

    fn change(&mut self, session: &SessionId, change: impl FnOnce(&mut SessionHit)) {
        if let Some(number) = self.number(session)
            && let Some(row) = self.rows.get_mut(number as usize)
        {
            change(row);
        }
    }

    /// The rows that pass the filter, in order.
    pub(super) fn find(&mut self, filter: &mut Filter, order: Order) -> Vec<u32> {
        self.rank(order);
        let rank = |row: u32| self.ranks.get(row as usize).copied().unwrap_or(u32::MAX);
        let mut found = filter.run(&self.haystacks);
        if order == Order::Best {
            found.sort_unstable_by_key(|(score, row)| (u16::MAX - score, rank(*row)));
        } else {
            found.sort_unstable_by_key(|(_, row)| rank(*row));
        }
        found.into_iter().map(|(_, row)| row).collect()
    }

    fn rank(&mut self, order: Order) {
        if self.ranked_by == Some(order) {
            return;
        }
        let rows = &self.rows;
        let row = |number: &u32| &rows[*number as usize].row;
        let newest = |number: &u32| std::cmp::Reverse(row(number).updated_at);
        let mut numbers: Vec<u32> = (0..).take(rows.len()).collect();
        match order {
            Order::Best | Order::Newest => numbers.sort_by_key(newest),
            Order::Oldest => numbers.sort_by_key(|number| row(number).updated_at),
            Order::Cost => numbers.sort_by(|a, b| {
                let (dear, cheap) = (row(b).usage.cost_usd, row(a).usage.cost_usd);
                dear.total_cmp(&cheap).then_with(|| newest(a).cmp(&newest(b)))
            }),
            Order::Turns => {
                numbers
                    .sort_by_key(|number| (std::cmp::Reverse(row(number).turns), newest(number)));
            }
            Order::Title => {
                let titles = &self.haystacks;
                numbers.sort_by_cached_key(|number| {
                    (titles[*number as usize].field(0).to_lowercase(), newest(number))
                });
            }
        }
        self.ranks = vec![0; rows.len()];
        for (rank, number) in (0..).zip(numbers) {
            self.ranks[number as usize] = rank;
        }
        self.ranked_by = Some(order);
    }
}

fn haystack(row: &SessionHit, home: &str) -> Haystack {
    let row = &row.row;
    let title = words::one_line(&row.title, TITLE);
    let title = if title.is_empty() { "(no title)" } else { title.as_str() };
    let place = if row.workspace == home { "" } else { words::last_part(&row.workspace) };
    let short = |raw| words::one_line(raw, 60);
    Haystack::new([title, &short(&row.agent), &short(&row.branch), &short(place)])
}
