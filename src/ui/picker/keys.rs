//! The keys of the picker: those of fzf, and those of `claude --resume` where they differ.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::filter::Filter;
use super::line::{Edited, Line};
use super::resume::{Goal, How, Resuming};
use super::{Entry, Hold, Mode, Picker, Scope, ask, preview};
use crate::engine::command::Command;
use crate::model::id::SessionId;
use crate::model::transcript::Level;
use crate::ui::wish::{Tag, Wish};

/// The keys and what they do, for the help.
pub const KEYS: &[(&str, &str)] = &[
    ("letters", "filter: fuzzy 'exact ^start end$ !not"),
    ("Enter", "resume it, or all that are marked"),
    ("Up Down", "move; Ctrl-P Ctrl-N and Ctrl-K Ctrl-J too"),
    ("PgUp PgDn Home End", "move far"),
    ("Tab Shift-Tab", "mark and go down, up"),
    ("Space Ctrl-/", "preview; Space with an empty query"),
    ("Shift-Up Shift-Down", "scroll the preview; with PgUp PgDn too"),
    ("Ctrl-F", "resume in a fork, the original stays"),
    ("Ctrl-R", "rename"),
    ("Ctrl-S", "sort: newest, oldest, cost, turns, title"),
    ("Ctrl-A", "this workspace, or all"),
    ("Ctrl-U Ctrl-W", "clear the query, its last word"),
    ("Esc", "clear the query, then close"),
    ("?", "these keys, with an empty query"),
];

impl Picker {
    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> Vec<Wish> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        if self.notice.as_ref().is_some_and(|notice| !notice.stays) {
            self.notice = None;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(key.code, KeyCode::Char('c' | 'g')) {
            return self.close();
        }
        match &self.mode {
            Mode::Choose => self.choose_key(key),
            Mode::Rename { .. } => self.rename_key(key),
            Mode::Confirm { session } => {
                let session = session.clone();
                self.confirm_key(key, &session)
            }
            Mode::Help => {
                self.mode = Mode::Choose;
                Vec::new()
            }
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other keys edit the query")]
    fn choose_key(&mut self, key: KeyEvent) -> Vec<Wish> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let shift = key.modifiers.contains(KeyModifiers::SHIFT);
        let page = isize::try_from(self.screen.list.height.max(2) - 1).unwrap_or(1);
        let far = isize::MAX;
        match key.code {
            KeyCode::Esc => self.escape(),
            KeyCode::Enter => self.accept(),
            KeyCode::Tab if !shift => self.mark(1),
            KeyCode::Tab | KeyCode::BackTab => self.mark(-1),
            KeyCode::Up if shift => self.scroll(1),
            KeyCode::Down if shift => self.scroll(-1),
            KeyCode::PageUp if shift => self.scroll(self.preview.page()),
            KeyCode::PageDown if shift => self.scroll(-self.preview.page()),
            KeyCode::Up => self.step(-1),
            KeyCode::Down => self.step(1),
            KeyCode::PageUp => self.step(-page),
            KeyCode::PageDown => self.step(page),
            KeyCode::Home => self.step(-far),
            KeyCode::End => self.step(far),
            KeyCode::Char('p' | 'k') if control => self.step(-1),
            KeyCode::Char('n' | 'j') if control => self.step(1),
            KeyCode::Char(' ') if self.query.is_empty() => self.toggle_preview(),
            // Terminals say Ctrl-/ in three ways. Ctrl-Space is the prefix, which never comes here.
            KeyCode::Char('/' | '7' | '_') if control => self.toggle_preview(),
            KeyCode::Char('?') if self.query.is_empty() => {
                self.mode = Mode::Help;
                Vec::new()
            }
            KeyCode::Char('f') if control => self.fork(),
            KeyCode::Char('r') if control => self.rename(),
            KeyCode::Char('s') if control => {
                self.order = self.order.next(self.query.is_empty());
                self.refresh(Hold::Row);
                let order = self.order.name(self.query.is_empty());
                self.tell(Level::Info, &[format!("sorted: {order}")]);
                self.ask_preview().into_iter().collect()
            }
            KeyCode::Char('a') if control => {
                let scope = self.list.asked.map_or(self.list.scope, |(_, scope)| scope);
                vec![self.ask_list(match scope {
                    Scope::Workspace => Scope::All,
                    Scope::All => Scope::Workspace,
                })]
            }
            _ => match self.query.key(key) {
                Edited::Text => self.query_changed(),
                Edited::Nothing | Edited::NotMine => Vec::new(),
            },
        }
    }

    /// Filters by the query as it is now.
    pub(super) fn query_changed(&mut self) -> Vec<Wish> {
        self.filter = Filter::new(self.query.text());
        self.moved = false;
        self.refresh(Hold::Top);
        self.ask_text().into_iter().chain(self.ask_preview()).collect()
    }

    fn step(&mut self, by: isize) -> Vec<Wish> {
        let last = self.entries().saturating_sub(1);
        self.cursor = self.cursor.saturating_add_signed(by).min(last);
        self.moved = true;
        self.ask_preview().into_iter().collect()
    }

    fn scroll(&mut self, lines: isize) -> Vec<Wish> {
        self.preview.scroll(lines);
        Vec::new()
    }

    fn toggle_preview(&mut self) -> Vec<Wish> {
        self.preview_wanted = Some(self.screen.preview.is_none());
        self.ask_preview().into_iter().collect()
    }

    fn escape(&mut self) -> Vec<Wish> {
        self.notice = None;
        if let Some(resuming) = &mut self.resuming
            && resuming.stop() > 0
        {
            self.tell(Level::Info, &["those not begun stay as they are".to_owned()]);
            return Vec::new();
        }
        if self.query.is_empty() {
            return self.close();
        }
        self.query.clear();
        self.query_changed()
    }

    /// Closes; what runs already is brought to the front.
    fn close(&self) -> Vec<Wish> {
        let running = self.resuming.as_ref().and_then(Resuming::first_agent);
        std::iter::once(Wish::Close).chain(running.map(Wish::Focus)).collect()
    }

    fn warn(&mut self, text: String) -> Vec<Wish> {
        self.tell(Level::Warn, &[text]);
        Vec::new()
    }

    /// Marks the row under the cursor, or takes its mark away, and goes on.
    fn mark(&mut self, by: isize) -> Vec<Wish> {
        let Some(Entry::Session(number)) = self.chosen() else {
            return self.warn("only sessions can be marked".to_owned());
        };
        let Some(hit) = self.catalog.row(number) else { return Vec::new() };
        let session = hit.row.id.clone();
        if let Some(place) = self.marked.iter().position(|marked| *marked == session) {
            self.marked.remove(place);
        } else if hit.open {
            return self.warn(self.why_open(&session));
        } else if !hit.resumable {
            return self.warn(format!("Enter on it alone: {}", preview::obstacle(hit)));
        } else {
            self.marked.push(session);
        }
        self.step(by)
    }

    fn why_open(&self, session: &SessionId) -> String {
        format!("“{}” is open already: it goes on in its pane", self.catalog.title(session))
    }

    fn goal(&self, session: &SessionId, how: How) -> Goal {
        let title = self.catalog.title(session).to_owned();
        Goal::Session { session: session.clone(), title, how }
    }

    fn accept(&mut self) -> Vec<Wish> {
        if !self.marked.is_empty() {
            let goals = self.marked.iter().map(|session| self.goal(session, How::On)).collect();
            return self.begin(goals);
        }
        match self.chosen() {
            Some(Entry::Bench(place)) => {
                let Some(bench) = self.benches.get(place) else { return Vec::new() };
                let open = |id| self.catalog.get(id).is_some_and(|hit| hit.open);
                if bench.sessions.iter().all(open) {
                    return self.warn("every session of the bench is open already".to_owned());
                }
                self.begin(vec![Goal::Bench { begun: bench.begun }])
            }
            Some(Entry::Session(number)) => self.accept_session(number, How::On),
            None if !self.list.came && self.list.asked.is_none() => {
                self.notice = None;
                vec![self.ask_list(self.list.scope)]
            }
            None => Vec::new(),
        }
    }

    fn accept_session(&mut self, number: u32, how: How) -> Vec<Wish> {
        let Some(hit) = self.catalog.row(number) else { return Vec::new() };
        let session = hit.row.id.clone();
        if hit.open && how == How::On {
            return self.warn(self.why_open(&session));
        }
        if let Some(command) = &hit.elsewhere {
            // Nothing of it can be had here, not even from the history: its files are not here.
            let lines = [format!("✗ {}", preview::obstacle(hit)), format!("  `{command}`")];
            self.tell(Level::Warn, &lines);
            return Vec::new();
        }
        if !hit.resumable && !hit.open {
            self.notice = None;
            self.mode = Mode::Confirm { session };
            return Vec::new();
        }
        self.begin(vec![self.goal(&session, how)])
    }

    fn fork(&mut self) -> Vec<Wish> {
        match self.chosen() {
            Some(Entry::Session(number)) => self.accept_session(number, How::Fork),
            Some(Entry::Bench(_)) => self.warn("only a session can be forked".to_owned()),
            None => Vec::new(),
        }
    }

    fn begin(&mut self, goals: Vec<Goal>) -> Vec<Wish> {
        if let Some(resuming) = &self.resuming {
            let busy = format!("{} is being resumed", resuming.current().name());
            return self.warn(busy);
        }
        self.notice = None;
        let Some((resuming, wish)) = Resuming::begin(goals) else { return Vec::new() };
        self.resuming = Some(resuming);
        vec![wish]
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other keys mean nothing here")]
    fn confirm_key(&mut self, key: KeyEvent, session: &SessionId) -> Vec<Wish> {
        match key.code {
            KeyCode::Enter | KeyCode::Char('y') => {
                self.mode = Mode::Choose;
                self.begin(vec![self.goal(session, How::FromHistory)])
            }
            KeyCode::Esc | KeyCode::Char('n') => {
                self.mode = Mode::Choose;
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn rename(&mut self) -> Vec<Wish> {
        let Some(Entry::Session(number)) = self.chosen() else {
            return self.warn("only sessions have a title".to_owned());
        };
        let Some(hit) = self.catalog.row(number) else { return Vec::new() };
        let session = hit.row.id.clone();
        let title = Line::new(self.catalog.title(&session));
        self.mode = Mode::Rename { session, title };
        Vec::new()
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the other keys edit the title")]
    fn rename_key(&mut self, key: KeyEvent) -> Vec<Wish> {
        let Mode::Rename { session, title } = &mut self.mode else { return Vec::new() };
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Esc => self.mode = Mode::Choose,
            KeyCode::Enter => {
                let (session, text) = (session.clone(), title.text().trim().to_owned());
                if text.is_empty() {
                    return self.warn("a title has at least one letter".to_owned());
                }
                self.mode = Mode::Choose;
                if text != self.catalog.title(&session) {
                    self.renames.push((session.clone(), text.clone()));
                    let tag = Tag::PickerRename(session.clone());
                    return vec![ask(Command::RenameSession { session, title: text }, tag)];
                }
            }
            KeyCode::Home => title.home(),
            KeyCode::End => title.end(),
            KeyCode::Char('a') if control => title.home(),
            KeyCode::Char('e') if control => title.end(),
            _ => {
                title.key(key);
            }
        }
        Vec::new()
    }
}
