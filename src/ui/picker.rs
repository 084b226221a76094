//! The resume picker: every stored session, found by a few letters, and on again with Enter.
//!
//! - **Nothing blocks a key.** Titles are filtered in memory while the engine looks through
//!   everything that was said; what it finds is added *below*, so no row moves under the cursor.
//! - **A late answer is not shown for another question.** Lists carry a number, previews their
//!   session; what nobody waits for any more is dropped. One search and one preview are under way
//!   at a time: the next one leaves when the last is answered.
//! - **A failure takes nothing away.** Query, marks and rows stay as they are, and the message says
//!   what to do.
//! - **Only what is on the screen is formatted.**
//!
//! It asks by [`Wish`]es and is pure: the app gives it keys, answers, its size and the time.

mod answers;
mod catalog;
mod filter;
mod keys;
mod line;
mod preview;
mod resume;
mod row;
mod rows;
mod view;
mod words;

use std::collections::{BTreeSet, HashMap};

use ratatui::layout::Rect;

pub use keys::KEYS;
pub use view::PickerView;

use catalog::{Catalog, Order};
use filter::Filter;
use line::Line;
use preview::Preview;
use resume::Resuming;
use view::Screen;

use crate::engine::command::Command;
use crate::model::failure::Failure;
use crate::model::id::SessionId;
use crate::model::session::{BenchRow, SessionHit};
use crate::model::time::Wall;
use crate::model::transcript::Level;
use crate::ui::text;
use crate::ui::wish::{Answered, Tag, Wish};

/// Sessions that a search in full text brings at most; if it brings so many, the count says `+`.
pub const TEXT_HITS: usize = 200;

/// The resume picker.
#[derive(Debug)]
pub struct Picker {
    home: String,
    now: Wall,
    query: Line,
    filter: Filter,
    order: Order,
    catalog: Catalog,
    /// The benches that can go on as a whole, the last one first.
    benches: Vec<BenchRow>,
    list: Lists,
    text: TextSearch,
    /// Rows that pass, those of the full text last.
    found: Vec<u32>,
    /// How many of `found` pass by their titles.
    by_title: usize,
    cursor: usize,
    first: usize,
    /// Whether the person has moved the cursor; until then it stays on top.
    moved: bool,
    marked: Vec<SessionId>,
    mode: Mode,
    notice: Option<Notice>,
    resuming: Option<Resuming>,
    preview: Preview,
    preview_asked: Option<SessionId>,
    /// New titles that the engine has not confirmed.
    renames: Vec<(SessionId, String)>,
    /// Whether the person wants the preview; `None`: if there is room at the right.
    preview_wanted: Option<bool>,
    letters: HashMap<u32, BTreeSet<usize>>,
    screen: Screen,
}

/// What keys mean now.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mode {
    /// They filter and choose.
    Choose,
    /// They write a new title.
    Rename { session: SessionId, title: Line },
    /// They answer whether a session begins anew from the stored history.
    Confirm { session: SessionId },
    /// The table of keys is shown.
    Help,
}

/// Whose sessions are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Workspace,
    All,
}

/// The lists of sessions that were asked for.
#[derive(Debug)]
struct Lists {
    /// Whose sessions are on the screen.
    scope: Scope,
    /// Number of the last question of any kind.
    number: u64,
    /// The list under way.
    asked: Option<(u64, Scope)>,
    /// Whether any list came yet.
    came: bool,
}

/// The search in everything that was said.
#[derive(Debug, Default)]
struct TextSearch {
    /// The question under way, and the words it is about.
    asked: Option<(u64, String)>,
    /// The words that `hits` are about.
    words: String,
    hits: Vec<SessionHit>,
}

/// Something to be read above the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Notice {
    level: Level,
    lines: Vec<String>,
    /// Whether it stays until the person acts on it.
    stays: bool,
}

/// What a row of the list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    /// A bench by its place among those that can go on.
    Bench(usize),
    /// A session by its number in the catalog.
    Session(u32),
}

/// Where the cursor is after the rows changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// On the first row.
    Top,
    /// On the row where it was, wherever that is now.
    Row,
}

impl Picker {
    /// A picker over the sessions of one workspace (or `all`), and its first questions.
    pub fn new(workspace_root: String, all: bool, query: Option<String>) -> (Self, Vec<Wish>) {
        let query = query.map(|query| Line::new(&query)).unwrap_or_default();
        let filter = Filter::new(query.text());
        let scope = if all { Scope::All } else { Scope::Workspace };
        let mut picker = Self {
            home: workspace_root,
            now: Wall::default(),
            query,
            filter,
            order: Order::Best,
            catalog: Catalog::default(),
            benches: Vec::new(),
            list: Lists { scope, number: 0, asked: None, came: false },
            text: TextSearch::default(),
            found: Vec::new(),
            by_title: 0,
            cursor: 0,
            first: 0,
            moved: false,
            marked: Vec::new(),
            mode: Mode::Choose,
            notice: None,
            resuming: None,
            preview: Preview::new(),
            preview_asked: None,
            renames: Vec::new(),
            preview_wanted: None,
            letters: HashMap::new(),
            screen: Screen::default(),
        };
        let mut wishes = vec![picker.ask_list(scope), ask(Command::ShowBenches, Tag::PickerBench)];
        wishes.extend(picker.ask_text());
        (picker, wishes)
    }

    /// Tells it the time, for the ages.
    pub fn set_now(&mut self, now: Wall) {
        self.now = now;
    }

    /// Takes a paste in one piece; it goes where letters would go.
    pub fn paste(&mut self, text: &str) -> Vec<Wish> {
        match &mut self.mode {
            Mode::Rename { title, .. } => title.insert(text),
            Mode::Choose => {
                self.query.insert(text);
                return self.query_changed();
            }
            Mode::Confirm { .. } | Mode::Help => {}
        }
        Vec::new()
    }

    /// Takes an answer; one that nobody waits for is dropped.
    pub fn answered(&mut self, answered: Answered) -> Vec<Wish> {
        let Answered { tag, reply } = answered;
        match tag {
            Tag::PickerRows(number) => self.rows_came(number, reply),
            Tag::PickerPreview(session) => self.preview_came(&session, reply),
            Tag::PickerBench => self.bench_came(reply),
            Tag::PickerResume => self.resume_came(reply),
            Tag::PickerRename(session) => self.rename_came(&session, reply),
            Tag::Nobody
            | Tag::Changes(_)
            | Tag::Older(_)
            | Tag::NewAgent
            | Tag::Answer(_)
            | Tag::Prompt(..) => Vec::new(),
        }
    }

    /// Learns its size before it is drawn: scrolls, wraps the preview, finds the matched letters.
    pub fn measure(&mut self, area: Rect) {
        self.screen = self.arrange(area);
        let height = usize::from(self.screen.list.height);
        self.cursor = self.cursor.min(self.entries().saturating_sub(1));
        self.first = self.first.min(self.cursor).max(self.first_that_shows(self.cursor, height));
        // No empty lines at the end as long as rows are above.
        self.first =
            self.first.min(self.first_that_shows(self.entries().saturating_sub(1), height));
        for place in self.first..self.entries().min(self.first + height) {
            if let Some(Entry::Session(number)) = self.entry(place)
                && !self.letters.contains_key(&number)
                && let Some(haystack) = self.catalog.haystack(number)
            {
                self.letters.insert(number, self.filter.letters(haystack));
            }
        }
        if let Some(area) = self.screen.preview {
            let facts = self.facts(usize::from(area.height)).len() + 1;
            let height = usize::from(area.height).saturating_sub(facts);
            self.preview.measure(usize::from(area.width), height);
        }
    }

    fn tell(&mut self, level: Level, lines: &[String]) {
        let each = lines.iter().flat_map(|line| line.lines()).take(NOTICE);
        let lines = each.map(|line| text::harmless(line).into_owned()).collect();
        self.notice = Some(Notice { level, lines, stays: level == Level::Error });
    }

    fn tell_failure(&mut self, failure: &Failure) {
        let mut lines = vec![format!("✗ {}", failure.message)];
        lines.extend(failure.hint.iter().map(|hint| format!("  {hint}")));
        self.tell(Level::Error, &lines);
    }
}

/// Lines of a message that are kept.
const NOTICE: usize = 12;

/// How a bench is called in its row.
fn bench_title(place: usize) -> &'static str {
    if place == 0 { "the whole bench as it was" } else { "an earlier bench" }
}

fn ask(command: Command, tag: Tag) -> Wish {
    Wish::Ask { command: Box::new(command), tag }
}

#[cfg(test)]
mod tests;
