//! What the picker asks the engine, and what becomes of the answers.
//!
//! Every question has at most one successor waiting: while one is under way no other of its kind
//! leaves, and the answer to it starts the next one if that is still wanted.

use super::catalog::Catalog;
use super::resume::{Goal, How, Step};
use super::{Entry, Hold, Picker, Scope, TEXT_HITS, TextSearch, ask, preview, words};
use crate::engine::command::{Command, Reply};
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::SessionId;
use crate::model::session::{SessionHit, SessionQuery};
use crate::model::transcript::Level;
use crate::ui::wish::{Tag, Wish};

impl Picker {
    pub(super) fn ask_list(&mut self, scope: Scope) -> Wish {
        self.list.number += 1;
        self.list.asked = Some((self.list.number, scope));
        let query = SessionQuery { workspace: self.workspace(scope), text: None, limit: 0 };
        ask(Command::ListSessions { query }, Tag::PickerRows(self.list.number))
    }

    fn workspace(&self, scope: Scope) -> Option<String> {
        match scope {
            Scope::Workspace => Some(self.home.clone()),
            Scope::All => None,
        }
    }

    /// Asks for the full text of the query, unless that is known or another question is under way.
    pub(super) fn ask_text(&mut self) -> Option<Wish> {
        let words = self.filter.words();
        if self.text.asked.is_some() || words == self.text.words {
            return None;
        }
        if words.chars().count() < 2 {
            self.text = TextSearch { words, ..TextSearch::default() };
            return None;
        }
        self.list.number += 1;
        self.text.asked = Some((self.list.number, words.clone()));
        let query = SessionQuery {
            workspace: self.workspace(self.list.scope),
            text: Some(words),
            limit: TEXT_HITS,
        };
        Some(ask(Command::ListSessions { query }, Tag::PickerRows(self.list.number)))
    }

    /// Asks for the words of the chosen session, unless another question is under way.
    pub(super) fn ask_preview(&mut self) -> Option<Wish> {
        let chosen = match self.chosen() {
            Some(Entry::Session(number)) => self.catalog.row(number).map(|hit| hit.row.id.clone()),
            Some(Entry::Bench(_)) | None => None,
        };
        self.preview.choose(chosen);
        if self.preview_asked.is_some() || self.preview_wanted == Some(false) {
            return None;
        }
        let session = self.preview.wants()?.clone();
        self.preview_asked = Some(session.clone());
        let tag = Tag::PickerPreview(session.clone());
        Some(ask(Command::ReadTranscript { session, before: None, limit: preview::ITEMS }, tag))
    }

    pub(super) fn rows_came(&mut self, number: u64, reply: Reply) -> Vec<Wish> {
        if let Some((asked, scope)) = self.list.asked
            && asked == number
        {
            self.list.asked = None;
            if let Reply::Sessions(rows) = reply {
                self.list_came(rows, scope);
            } else {
                self.tell_failure(&failure_of(reply));
            }
        } else if let Some((_, words)) = self.text.asked.take_if(|(asked, _)| *asked == number) {
            (self.text.words, self.text.hits) = (words, Vec::new());
            if let Reply::Sessions(hits) = reply {
                self.text.hits = hits;
            } else {
                self.tell_failure(&failure_of(reply));
            }
            self.refresh(Hold::Row);
        } else {
            return Vec::new();
        }
        let text = self.ask_text();
        text.into_iter().chain(self.ask_preview()).collect()
    }

    fn list_came(&mut self, rows: Vec<SessionHit>, scope: Scope) {
        self.catalog = Catalog::new(rows, &self.home);
        if self.list.scope != scope {
            // Hits of the other scope say nothing about this one; an answer under way neither.
            self.text = TextSearch::default();
        }
        (self.list.scope, self.list.came) = (scope, true);
        let catalog = &self.catalog;
        self.marked.retain(|session| catalog.number(session).is_some());
        self.refresh(Hold::Row);
    }

    pub(super) fn preview_came(&mut self, session: &SessionId, reply: Reply) -> Vec<Wish> {
        if self.preview_asked.take_if(|asked| asked == session).is_none() {
            return Vec::new();
        }
        let root = self.catalog.get(session).map_or("", |hit| &hit.row.workspace);
        if let Reply::Transcript(page) = reply {
            self.preview.take(session, root, Ok(&page));
        } else {
            self.preview.take(session, root, Err(failure_of(reply).to_string()));
        }
        self.ask_preview().into_iter().collect()
    }

    pub(super) fn bench_came(&mut self, reply: Reply) -> Vec<Wish> {
        if let Reply::Benches(mut benches) = reply {
            // An earlier bench of one agent says no more than its session, which is in the list.
            let mut least = 1;
            benches.retain(|bench| {
                let keeps = bench.sessions.len() >= least;
                least = if keeps { 2 } else { least };
                keeps
            });
            self.benches = benches;
        } else {
            self.tell_failure(&failure_of(reply));
        }
        self.refresh(Hold::Row);
        self.ask_preview().into_iter().collect()
    }

    pub(super) fn resume_came(&mut self, reply: Reply) -> Vec<Wish> {
        let Some(resuming) = &mut self.resuming else { return Vec::new() };
        if let (Goal::Session { session, how, .. }, Reply::Agent(_)) = (resuming.current(), &reply)
        {
            self.marked.retain(|marked| marked != session);
            if *how == How::On {
                self.catalog.opened(session);
            }
        }
        let (agents, failures, total) = match resuming.answered(reply) {
            Step::Next(wish) => return vec![wish],
            Step::Over { agents, failures, total } => (agents, failures, total),
        };
        self.resuming = None;
        if failures.is_empty() {
            return std::iter::once(Wish::Close)
                .chain(agents.first().map(|agent| Wish::Focus(*agent)))
                .collect();
        }
        let alone = total == 1 && agents.is_empty();
        let mut lines = Vec::new();
        for (name, failure) in &failures {
            let name = if alone || name.is_empty() { String::new() } else { format!("{name}: ") };
            lines.push(format!("✗ {name}{}", failure.message));
            lines.extend(failure.hint.iter().map(|hint| format!("  {hint}")));
        }
        if !agents.is_empty() {
            let (running, not) = (agents.len(), failures.len());
            lines.push(format!("{} resumed, {not} not", words::some(running, "agent")));
        }
        self.tell(Level::Error, &lines);
        agents.first().map(|agent| Wish::Focus(*agent)).into_iter().collect()
    }

    pub(super) fn rename_came(&mut self, session: &SessionId, reply: Reply) -> Vec<Wish> {
        let Some(place) = self.renames.iter().position(|(renamed, _)| renamed == session) else {
            return Vec::new();
        };
        let (_, title) = self.renames.remove(place);
        if reply == Reply::Done {
            self.catalog.rename(session, &title, &self.home);
            self.refresh(Hold::Row);
        } else {
            self.tell_failure(&failure_of(reply));
        }
        Vec::new()
    }
}

/// What to make of an answer of another kind than the expected one.
fn failure_of(reply: Reply) -> Failure {
    if let Reply::Failed(failure) = reply {
        return failure;
    }
    Failure::new(FailureKind::Internal, "the engine gave an answer that does not fit")
}
