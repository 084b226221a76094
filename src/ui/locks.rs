//! The locks view: who holds which file since when, who waits, and which writes were refused.

mod view;

use ratatui::layout::Rect;

use super::action::{Context, FieldAction, ListAction, LocksAction};
use super::bench::Bench;
use super::field::Field;
use super::keymap::Chord;
use super::layer::frame;
use super::rows::Rows;
use super::wish::{Tag, Wish};
use crate::engine::command::Command;
use crate::engine::event::RefusedAttempt;
use crate::model::id::AgentId;
use crate::model::lease::LeaseInfo;
use crate::model::transcript::Level;

/// A line that is typed in the view.
#[derive(Debug, Clone)]
enum Entry {
    Filter,
    Pin(Box<Field>),
}

/// A row of the view.
#[derive(Debug, Clone, Copy)]
enum Row<'a> {
    Lease(&'a LeaseInfo),
    Refused(&'a RefusedAttempt),
}

/// The locks view.
#[derive(Debug, Clone, Default)]
pub struct Locks {
    rows: Rows,
    filter: Field,
    entry: Option<Entry>,
}

impl Locks {
    /// The place whose keys apply.
    pub fn place(&self) -> Context {
        if self.entry.is_some() { Context::Field } else { Context::Locks }
    }

    /// Moves, leaves, or goes to the owner's pane.
    pub fn act_list(&mut self, action: ListAction, bench: &Bench) -> Vec<Wish> {
        let rows = self.shown(bench);
        self.rows.act(action, rows.len());
        match action {
            ListAction::Close => vec![Wish::Close],
            ListAction::Choose => match rows.get(self.rows.at()).map(|row| owner(*row, bench)) {
                Some(Some(agent)) => vec![Wish::Close, Wish::Focus(agent)],
                Some(None) => vec![tell("that is nobody with a pane")],
                None => Vec::new(),
            },
            ListAction::Up
            | ListAction::Down
            | ListAction::PageUp
            | ListAction::PageDown
            | ListAction::First
            | ListAction::Last => Vec::new(),
        }
    }

    /// Works on the chosen row.
    pub fn act(&mut self, action: LocksAction, bench: &Bench) -> Vec<Wish> {
        let rows = self.shown(bench);
        let row = rows.get(self.rows.at()).copied();
        let path = row.map(|row| match row {
            Row::Lease(lease) => lease.path.clone(),
            Row::Refused(attempt) => attempt.path.clone(),
        });
        match (action, path) {
            (LocksAction::Filter, _) => self.entry = Some(Entry::Filter),
            (LocksAction::Pin, path) => {
                self.entry = Some(Entry::Pin(Box::new(Field::offering(&path.unwrap_or_default()))));
            }
            (LocksAction::Steal, Some(path)) => return ask(Command::Steal { path, to: None }),
            (LocksAction::Release, Some(path)) => return ask(Command::Release { path }),
            (LocksAction::Message, Some(_)) => {
                return match row.and_then(|row| owner(row, bench)) {
                    Some(agent) => vec![Wish::Close, Wish::Write(agent)],
                    None => vec![tell("that is nobody to write to")],
                };
            }
            (LocksAction::Steal | LocksAction::Release | LocksAction::Message, None) => {}
        }
        Vec::new()
    }

    /// Ends the line that is typed.
    pub fn act_field(&mut self, action: FieldAction) -> Vec<Wish> {
        match (action, self.entry.take()) {
            (FieldAction::Cancel, Some(Entry::Filter)) => self.filter = Field::default(),
            (FieldAction::Accept, Some(Entry::Pin(field))) => {
                let patterns: Vec<_> = field.text().split_whitespace().map(str::to_owned).collect();
                if patterns.is_empty() {
                    return vec![tell("nothing to pin")];
                }
                return ask(Command::Pin { patterns, reason: String::new(), to: None });
            }
            (FieldAction::Cancel | FieldAction::Accept, _) => {}
        }
        Vec::new()
    }

    /// Types into the line.
    pub fn key(&mut self, chord: Chord) {
        match &mut self.entry {
            Some(Entry::Filter) => {
                self.filter.key(chord);
                self.rows.go(0);
            }
            Some(Entry::Pin(field)) => {
                field.key(chord);
            }
            None => {}
        }
    }

    /// Pastes into the line.
    pub fn paste(&mut self, text: &str) {
        match &mut self.entry {
            Some(Entry::Filter) => self.filter.paste(text),
            Some(Entry::Pin(field)) => field.paste(text),
            None => {}
        }
    }

    /// Moves by rows of the mouse wheel.
    pub fn wheel(&mut self, rows: i32, bench: &Bench) {
        let count = self.shown(bench).len();
        self.rows.wheel(rows, count);
    }

    /// Learns the size of the screen.
    pub fn measure(&mut self, screen: Rect, bench: &Bench) {
        let count = self.shown(bench).len();
        let height = frame::inner(screen).height.saturating_sub(4);
        self.rows.measure(count, height);
    }

    /// The rows that match the filter: leases by path, then refused writes, the newest first.
    fn shown<'a>(&self, bench: &'a Bench) -> Vec<Row<'a>> {
        let wanted = self.filter.text().to_lowercase();
        let matches = |text: String| {
            let text = text.to_lowercase();
            wanted.split_whitespace().all(|word| text.contains(word))
        };
        let leases = bench
            .leases
            .values()
            .filter(|lease| matches(format!("{} {}", lease.path, lease.owner_name)))
            .map(Row::Lease);
        let refused = bench
            .refused
            .iter()
            .rev()
            .filter(|attempt| matches(format!("{} {}", attempt.path, attempt.who)))
            .map(Row::Refused);
        leases.chain(refused).collect()
    }
}

/// The agent behind a row: the owner of a lease, whoever was refused.
fn owner(row: Row<'_>, bench: &Bench) -> Option<AgentId> {
    let found = match row {
        Row::Lease(lease) => {
            let session = lease.owner.session()?;
            bench.agents.iter().find(|agent| agent.session_id == *session)
        }
        Row::Refused(attempt) => bench.agents.iter().find(|agent| agent.name == attempt.who),
    };
    found.map(|agent| agent.id)
}

fn ask(command: Command) -> Vec<Wish> {
    vec![Wish::Ask { command: Box::new(command), tag: Tag::Nobody }]
}

fn tell(text: &str) -> Wish {
    Wish::Tell(Level::Info, text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::sample;

    fn bench() -> Bench {
        let mut bench = sample::bench();
        bench.leases.insert("src/lex.rs".into(), sample::lease("src/lex.rs", 1, "blue"));
        bench.leases.insert("docs/a.md".into(), sample::lease("docs/a.md", 9, "gone"));
        bench.refused.push_back(sample::refused("src/lex.rs", "red", "blue"));
        bench
    }

    #[test]
    fn keys_work_on_the_chosen_row() {
        let bench = bench();
        let mut locks = Locks::default();
        locks.rows.go(1);
        let steal = locks.act(LocksAction::Steal, &bench);
        assert_eq!(steal, ask(Command::Steal { path: "src/lex.rs".into(), to: None }));
        let message = locks.act(LocksAction::Message, &bench);
        assert_eq!(message, [Wish::Close, Wish::Write(AgentId(1))]);
        locks.rows.go(2);
        let jump = locks.act_list(ListAction::Choose, &bench);
        assert_eq!(jump, [Wish::Close, Wish::Focus(AgentId(2))]);
        locks.rows.go(0);
        let nobody = locks.act_list(ListAction::Choose, &bench);
        assert_eq!(nobody, [tell("that is nobody with a pane")]);
    }

    #[test]
    fn pinning_asks_for_patterns_and_filtering_narrows_the_list() {
        let bench = bench();
        let mut locks = Locks::default();
        locks.act(LocksAction::Pin, &bench);
        assert_eq!(locks.place(), Context::Field);
        locks.key(Chord::parse("space").unwrap());
        locks.paste("src/");
        let pinned = locks.act_field(FieldAction::Accept);
        let patterns = vec!["docs/a.md".to_owned(), "src/".to_owned()];
        assert_eq!(pinned, ask(Command::Pin { patterns, reason: String::new(), to: None }));
        locks.act(LocksAction::Filter, &bench);
        locks.paste("LEX");
        locks.act_field(FieldAction::Accept);
        assert_eq!(locks.shown(&bench).len(), 2);
        assert_eq!(locks.place(), Context::Locks);
    }
}
