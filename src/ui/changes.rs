//! The changes view: who changed which file, what a change did, who wrote which line; and the way
//! back.
//!
//! Nothing is taken back unseen: an undo or a restore shows its plan first, and only then asks to be
//! carried out.

mod page;
mod view;

use ratatui::layout::Rect;

use self::page::{Content, Page};
use super::action::{ChangesAction, Context, FieldAction, ListAction};
use super::bench::Bench;
use super::field::Field;
use super::keymap::Chord;
use super::layer::Scene;
use super::rows::Rows;
use super::wish::{Tag, Wish};
use crate::engine::command::{Command, Reply};
use crate::model::failure::Failure;
use crate::model::id::ChangeId;
use crate::model::lease::Owner;
use crate::model::path::WorkPath;
use crate::model::review::{
    Answer, ChangeLine, Compared, Moment, Outcome, Question, RejectedLine, Revised, Revision,
    Wanted,
};
use crate::model::transcript::Level;

/// Changes that are listed at most.
const LISTED: usize = 500;

/// What the view asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The list with this number.
    List(u64),
    /// What a row did.
    Difference(Key),
    /// Who wrote which line of a file.
    Blame,
    /// What a revision would do.
    Plan(Revision),
    /// The revision itself.
    Revise,
}

/// Which row is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A change.
    Change(ChangeId),
    /// A refused write.
    Rejected(i64),
}

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    All,
    Lost,
    Rejected,
}

/// A row of the view.
#[derive(Debug, Clone)]
enum Entry {
    Change(Box<ChangeLine>),
    Rejected(RejectedLine),
}

/// The changes view.
#[derive(Debug)]
pub struct Changes {
    listed: Listed,
    /// The number of the last list that was asked for.
    number: u64,
    /// Whether it has come.
    loaded: bool,
    entries: Vec<Entry>,
    more: bool,
    rows: Rows,
    filter: Field,
    typing: bool,
    /// What the row under the cursor did.
    preview: Option<(Key, Page)>,
    /// What is shown instead of the list.
    open: Option<Page>,
    /// The plan that is shown, to be carried out.
    plan: Option<Revision>,
}

impl Changes {
    /// The view, and what it asks first.
    pub fn new() -> (Self, Vec<Wish>) {
        let mut changes = Self {
            listed: Listed::All,
            number: 0,
            loaded: false,
            entries: Vec::new(),
            more: false,
            rows: Rows::default(),
            filter: Field::default(),
            typing: false,
            preview: None,
            open: None,
            plan: None,
        };
        let wishes = changes.refresh();
        (changes, wishes)
    }

    /// The place whose keys apply.
    pub fn place(&self) -> Context {
        if self.typing { Context::Field } else { Context::Changes }
    }

    /// Asks for the list anew: something may have changed. While one is on its way, that will do.
    pub fn outdated(&mut self) -> Vec<Wish> {
        if self.loaded { self.refresh() } else { Vec::new() }
    }

    /// Moves, opens or leaves.
    pub fn act_list(&mut self, action: ListAction) -> Vec<Wish> {
        if let Some(page) = &mut self.open {
            match action {
                ListAction::Close => self.shut(),
                ListAction::Choose => return self.carry_out(),
                ListAction::Up
                | ListAction::Down
                | ListAction::PageUp
                | ListAction::PageDown
                | ListAction::First
                | ListAction::Last => page.scroll(action),
            }
            return Vec::new();
        }
        let count = self.shown().len();
        self.rows.act(action, count);
        match action {
            ListAction::Close => vec![Wish::Close],
            ListAction::Choose => {
                self.open = self.preview.as_ref().map(|(_, page)| page.clone());
                Vec::new()
            }
            ListAction::Up
            | ListAction::Down
            | ListAction::PageUp
            | ListAction::PageDown
            | ListAction::First
            | ListAction::Last => self.look(),
        }
    }

    /// Works on the chosen row.
    pub fn act(&mut self, action: ChangesAction) -> Vec<Wish> {
        match action {
            ChangesAction::Filter => {
                self.shut();
                self.typing = true;
                return Vec::new();
            }
            ChangesAction::Refresh => return self.refresh(),
            ChangesAction::NextList => {
                self.listed = match self.listed {
                    Listed::All => Listed::Lost,
                    Listed::Lost => Listed::Rejected,
                    Listed::Rejected => Listed::All,
                };
                self.shut();
                self.entries.clear();
                self.rows.go(0);
                return self.refresh();
            }
            ChangesAction::Blame
            | ChangesAction::Undo
            | ChangesAction::UndoTurn
            | ChangesAction::UndoAgent
            | ChangesAction::Restore => {}
        }
        let Some(entry) = self.chosen() else { return Vec::new() };
        match action {
            ChangesAction::Blame => {
                let path = entry.path().clone();
                ask(Question::Blame(path), Asked::Blame)
            }
            ChangesAction::Undo | ChangesAction::UndoTurn | ChangesAction::UndoAgent => {
                match undo(action, entry) {
                    Ok(revision) => plan(revision),
                    Err(why) => vec![tell(why)],
                }
            }
            ChangesAction::Restore => plan(restore(entry)),
            ChangesAction::Filter | ChangesAction::Refresh | ChangesAction::NextList => Vec::new(),
        }
    }

    /// Ends the line that is typed.
    pub fn act_field(&mut self, action: FieldAction) -> Vec<Wish> {
        self.typing = false;
        match action {
            FieldAction::Cancel => self.filter = Field::default(),
            FieldAction::Accept => {}
        }
        self.look()
    }

    /// Types into the line.
    pub fn key(&mut self, chord: Chord) -> Vec<Wish> {
        if !self.typing {
            return Vec::new();
        }
        self.filter.key(chord);
        self.rows.go(0);
        self.look()
    }

    /// Pastes into the line.
    pub fn paste(&mut self, text: &str) -> Vec<Wish> {
        if !self.typing {
            return Vec::new();
        }
        self.filter.paste(text);
        self.rows.go(0);
        self.look()
    }

    /// Moves by rows of the mouse wheel.
    pub fn wheel(&mut self, rows: i32) {
        match &mut self.open {
            Some(page) => page.wheel(rows),
            None => {
                let count = self.shown().len();
                self.rows.wheel(rows, count);
            }
        }
    }

    /// Takes an answer.
    pub fn answered(&mut self, asked: Asked, reply: Reply) -> Vec<Wish> {
        let answer = match answer(reply) {
            Ok(answer) => answer,
            Err(failure) => {
                if let Asked::List(_) = asked {
                    self.loaded = true;
                }
                let hint = failure.hint.map(|hint| format!("\n{hint}")).unwrap_or_default();
                return vec![Wish::Tell(Level::Error, failure.message + &hint)];
            }
        };
        match (asked, answer) {
            (Asked::List(number), answer) if number == self.number => self.listed_now(answer),
            (Asked::Difference(key), Answer::Difference(difference)) => {
                if self.chosen().is_some_and(|entry| entry.key() == key) {
                    self.preview = Some((key, Page::of(Content::Difference(difference))));
                }
                Vec::new()
            }
            (Asked::Blame, Answer::Blame(blame)) => {
                self.plan = None;
                self.open = Some(Page::of(Content::Blame(blame)));
                Vec::new()
            }
            (Asked::Plan(revision), Answer::Revised(revised)) => {
                self.plan = revised.counts().0.gt(&0).then_some(revision);
                self.open = Some(Page::of(Content::Plan(revised)));
                Vec::new()
            }
            (Asked::Revise, Answer::Revised(revised)) => {
                self.shut();
                let mut wishes = vec![carried_out(&revised)];
                wishes.extend(self.refresh());
                wishes
            }
            _ => Vec::new(),
        }
    }

    /// Learns the size of the screen.
    pub fn measure(&mut self, screen: Rect, scene: &Scene<'_>) {
        let areas = view::areas(screen);
        let count = self.shown().len();
        self.rows.measure(count, areas.list.height);
        if let Some(page) = &mut self.open {
            page.measure(areas.page, scene);
        }
        if let (Some((_, page)), Some(area)) = (&mut self.preview, areas.preview) {
            page.measure(area, scene);
        }
    }

    fn refresh(&mut self) -> Vec<Wish> {
        self.number += 1;
        self.loaded = false;
        let wanted =
            Wanted { lost: self.listed == Listed::Lost, limit: LISTED, ..Wanted::default() };
        let question = match self.listed {
            Listed::All | Listed::Lost => Question::Changes(wanted),
            Listed::Rejected => Question::Rejected(wanted),
        };
        ask(question, Asked::List(self.number))
    }

    /// Takes in a list; the cursor stays at its row.
    fn listed_now(&mut self, answer: Answer) -> Vec<Wish> {
        let here = self.chosen().map(Entry::key).filter(|_| self.rows.at() > 0);
        self.loaded = true;
        match answer {
            Answer::Changes(page) => {
                self.more = page.more;
                let changes = page.changes.into_iter();
                self.entries = changes.map(|line| Entry::Change(Box::new(line))).collect();
            }
            Answer::Rejected(lines) => {
                self.more = false;
                self.entries = lines.into_iter().map(Entry::Rejected).collect();
            }
            Answer::Difference(_) | Answer::Blame(_) | Answer::Revised(_) => {}
        }
        let at = self.shown().iter().position(|entry| Some(entry.key()) == here);
        self.rows.go(at.unwrap_or(0));
        self.look()
    }

    /// Asks what the row under the cursor did, unless that is known.
    fn look(&mut self) -> Vec<Wish> {
        let Some(key) = self.chosen().map(Entry::key) else {
            self.preview = None;
            return Vec::new();
        };
        if self.preview.as_ref().is_some_and(|(known, _)| *known == key) {
            return Vec::new();
        }
        self.preview = None;
        let compared = match key {
            Key::Change(id) => Compared::Change(id),
            Key::Rejected(number) => Compared::Rejected(number),
        };
        ask(Question::Difference(compared), Asked::Difference(key))
    }

    fn carry_out(&mut self) -> Vec<Wish> {
        let Some(revision) = self.plan.take() else {
            self.shut();
            return Vec::new();
        };
        let command = Box::new(Command::Revise { revision });
        vec![Wish::Ask { command, tag: Tag::Changes(Asked::Revise) }]
    }

    fn shut(&mut self) {
        self.open = None;
        self.plan = None;
    }

    /// The rows that match the filter.
    fn shown(&self) -> Vec<&Entry> {
        let wanted = self.filter.text().to_lowercase();
        let matches = |entry: &&Entry| {
            let text = format!("{} {}", entry.path(), entry.agent()).to_lowercase();
            wanted.split_whitespace().all(|word| text.contains(word))
        };
        self.entries.iter().filter(matches).collect()
    }

    fn chosen(&self) -> Option<&Entry> {
        self.shown().get(self.rows.at()).copied()
    }
}

impl Entry {
    fn key(&self) -> Key {
        match self {
            Self::Change(line) => Key::Change(line.change.id),
            Self::Rejected(line) => Key::Rejected(line.number),
        }
    }

    fn path(&self) -> &WorkPath {
        match self {
            Self::Change(line) => &line.change.path,
            Self::Rejected(line) => &line.path,
        }
    }

    fn agent(&self) -> &str {
        match self {
            Self::Change(line) => &line.change.agent,
            Self::Rejected(line) => &line.agent,
        }
    }
}

/// The undo that a key means at a row.
fn undo(action: ChangesAction, entry: &Entry) -> Result<Revision, &'static str> {
    let Entry::Change(line) = entry else {
        return Err("it was not written, so there is nothing to undo");
    };
    let change = &line.change;
    if action == ChangesAction::Undo {
        return Ok(Revision::UndoChange(change.id));
    }
    let Owner::Session(session, _) = &change.owner else {
        return Err("that is no agent; its changes are undone one by one");
    };
    // Several sessions may have its name, and this one is meant.
    let agent = session.to_string();
    match (action, change.turn) {
        (ChangesAction::UndoTurn, None) => Err("it was not in a turn"),
        (ChangesAction::UndoTurn, turn) => Ok(Revision::UndoAgent { agent, turn }),
        _ => Ok(Revision::UndoAgent { agent, turn: None }),
    }
}

/// What bringing something back means at a row.
fn restore(entry: &Entry) -> Revision {
    match entry {
        Entry::Change(line) => {
            let (path, id) = (line.change.path.clone(), line.change.id);
            Revision::Restore { path, moment: Moment::Before(id) }
        }
        Entry::Rejected(line) => Revision::Accept { rejected: line.number, path: None },
    }
}

fn plan(revision: Revision) -> Vec<Wish> {
    ask(Question::Plan(revision.clone()), Asked::Plan(revision))
}

fn ask(question: Question, asked: Asked) -> Vec<Wish> {
    let command = Box::new(Command::AskJournal { question });
    vec![Wish::Ask { command, tag: Tag::Changes(asked) }]
}

fn answer(reply: Reply) -> Result<Answer, Failure> {
    if let Reply::Reviewed(answer) = reply {
        return Ok(answer);
    }
    if let Reply::Failed(failure) = reply {
        return Err(failure);
    }
    let odd = "the engine gave an answer that does not fit";
    Err(Failure::new(crate::model::failure::FailureKind::Internal, odd))
}

/// How a revision went, in a sentence.
fn carried_out(revised: &Revised) -> Wish {
    let (done, alone) = revised.counts();
    let why = revised.files.iter().find_map(|file| match &file.outcome {
        Outcome::LeftAlone(why) => Some(format!("{}: {why}", file.path)),
        Outcome::Planned | Outcome::Done => None,
    });
    match why {
        None => tell(&format!("done: {}", super::text::counted(done, "file"))),
        Some(why) => {
            let text = format!("{done} done, {alone} left alone: {why}");
            Wish::Tell(Level::Warn, text)
        }
    }
}

fn tell(text: &str) -> Wish {
    Wish::Tell(Level::Info, text.to_owned())
}

impl Changes {
    /// The agents of the bench give the colours.
    fn agent_style(
        theme: &super::theme::Theme,
        bench: &Bench,
        name: &str,
    ) -> ratatui::style::Style {
        let main = name.split('/').next().unwrap_or_default();
        let agent = bench.agents.iter().find(|agent| agent.name == main);
        agent.map_or(theme.text, |agent| theme.agent(agent.id.0))
    }
}
