//! An ask as the person answers it: what it is about, the keys, the answer.
//!
//! - No key answers an ask before it has been on the screen for [`ARM_MS`], so nothing is answered
//!   by a key that was meant for what was there before.
//! - An ask that was answered takes no more keys; it goes away when the engine says so, and can be
//!   answered again if the engine says that the answer failed.

mod body;
mod questions;
mod view;

use self::body::{BodyLine, Kind};
use self::questions::Questions;
pub use self::view::{AskView, Focus};
use super::action::{Action, AskAction, Context, FieldAction, InboxAction, QuestionAction};
use super::field::Field;
use super::keymap::{Chord, Keymap};
use super::text::{fit, harmless, width};
use super::wish::{Tag, Wish};
use super::wrap;
use crate::engine::command::Command;
use crate::model::id::AskId;
use crate::model::permission::{Ask, AskAnswer, AskKind};
use crate::model::time::Mono;
use crate::model::transcript::Level;

/// How long an ask is on the screen before a key can answer it, in milliseconds.
pub const ARM_MS: u64 = 300;

/// A panel with fewer rows shows its most important keys only.
const LOW: u16 = 10;

/// Where an ask is shown, which decides what can be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// In its pane: everything.
    Pane,
    /// In the inbox: permissions can be answered, for the rest there is the pane.
    Inbox,
}

/// What a line that is being typed is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Reason { interrupt: bool },
    OwnWords,
}

/// An ask on the screen.
#[derive(Debug, Clone)]
pub struct AskPanel {
    ask: Ask,
    body: Vec<BodyLine>,
    rows: Vec<(Kind, String)>,
    hints: Vec<Vec<(String, String)>>,
    top: usize,
    seen: usize,
    rule: usize,
    entry: Option<(Purpose, Field)>,
    questions: Questions,
    shown_at: Option<Mono>,
    answered: bool,
}

impl AskPanel {
    /// The panel of an ask; paths below `root` are shown relative to it.
    pub fn new(ask: &Ask, root: &str) -> Self {
        let questions = match &ask.kind {
            AskKind::Questions(questions) => Questions::new(questions),
            AskKind::Permission | AskKind::Plan(_) => Questions::new(&[]),
        };
        Self {
            ask: ask.clone(),
            body: body::of(ask, root),
            rows: Vec::new(),
            hints: Vec::new(),
            top: 0,
            seen: 0,
            rule: 0,
            entry: None,
            questions,
            shown_at: None,
            answered: false,
        }
    }

    /// Which ask it is.
    pub fn id(&self) -> AskId {
        self.ask.id
    }

    /// Whether keys may answer it now.
    pub fn is_armed(&self, now: Mono) -> bool {
        !self.answered && self.shown_at.is_some_and(|since| now.since(since) >= ARM_MS)
    }

    /// When keys may answer it, if it is on the screen and they may not yet.
    pub fn arms_at(&self, now: Mono) -> Option<Mono> {
        let at = self.shown_at?.after(ARM_MS);
        (!self.answered && now < at).then_some(at)
    }

    /// What to say of a key that came before it may be answered.
    pub fn not_yet(&self) -> Vec<Wish> {
        if self.answered {
            return Vec::new();
        }
        vec![Wish::Tell(Level::Info, "just appeared: press again".to_owned())]
    }

    /// It left the screen: it has to be looked at anew.
    pub fn hide(&mut self) {
        self.shown_at = None;
    }

    /// The answer did not arrive.
    pub fn answer_failed(&mut self) {
        self.answered = false;
    }

    /// Whose keys apply.
    pub fn place(&self) -> Context {
        match (&self.entry, &self.ask.kind) {
            (Some(_), _) => Context::Field,
            (None, AskKind::Questions(_)) => Context::Questions,
            (None, AskKind::Permission | AskKind::Plan(_)) => Context::Ask,
        }
    }

    /// Takes a key that is bound to nothing; only a line that is typed has a use for it.
    pub fn key(&mut self, chord: Chord) {
        if let Some((_, field)) = &mut self.entry {
            field.key(chord);
        }
    }

    /// Takes a pasted text; says whether it had a use for it.
    pub fn paste(&mut self, text: &str) -> bool {
        if let Some((_, field)) = &mut self.entry {
            field.paste(text);
        }
        self.entry.is_some()
    }

    /// Answers a permission or a plan, or scrolls. Leaving is the pane's.
    pub fn act(&mut self, action: AskAction) -> Vec<Wish> {
        let page = isize::try_from(self.seen).unwrap_or(1).max(1);
        match action {
            AskAction::AllowOnce => self.answer(AskAnswer::AllowOnce { input: None }),
            AskAction::AllowAlways if self.ask.suggestions.is_empty() => {
                let text = "no rule is suggested here; it can only be allowed once".to_owned();
                vec![Wish::Tell(Level::Info, text)]
            }
            AskAction::AllowAlways => {
                self.answer(AskAnswer::AllowAlways { suggestion: self.suggestion() })
            }
            AskAction::Deny => self.deny("", false),
            AskAction::Reason => {
                self.entry = Some((Purpose::Reason { interrupt: false }, Field::default()));
                Vec::new()
            }
            AskAction::DenyStop => {
                self.entry = Some((Purpose::Reason { interrupt: true }, Field::default()));
                Vec::new()
            }
            AskAction::NextRule => {
                let choices = self.rules();
                self.rule = if choices == 0 { 0 } else { (self.rule + 1) % choices };
                Vec::new()
            }
            AskAction::Up => self.scroll(-1),
            AskAction::Down => self.scroll(1),
            AskAction::PageUp => self.scroll(-page),
            AskAction::PageDown => self.scroll(page),
            AskAction::Leave => Vec::new(),
        }
    }

    /// Works on questions. Leaving is the pane's.
    pub fn act_question(&mut self, action: QuestionAction) -> Vec<Wish> {
        if action == QuestionAction::Reason {
            self.entry = Some((Purpose::Reason { interrupt: false }, Field::default()));
            return Vec::new();
        }
        let own = action == QuestionAction::Choose && self.questions.is_at_own_words();
        if own || action == QuestionAction::Own {
            return self.begin_own_words();
        }
        match self.questions.act(action) {
            Some(answers) => self.answer(AskAnswer::Answers(answers)),
            None => Vec::new(),
        }
    }

    /// Ends a line that was typed.
    pub fn act_field(&mut self, action: FieldAction) -> Vec<Wish> {
        let Some((purpose, field)) = self.entry.take() else {
            return Vec::new();
        };
        match (action, purpose) {
            (FieldAction::Cancel, _) => Vec::new(),
            (FieldAction::Accept, Purpose::Reason { interrupt }) => {
                self.deny(field.text().trim(), interrupt)
            }
            (FieldAction::Accept, Purpose::OwnWords) => {
                match self.questions.own_words(field.text().trim()) {
                    Some(answers) => self.answer(AskAnswer::Answers(answers)),
                    None => Vec::new(),
                }
            }
        }
    }

    /// Moves the content by rows.
    pub fn scroll(&mut self, rows: isize) -> Vec<Wish> {
        let last = self.rows.len().saturating_sub(self.seen);
        self.top = self.top.saturating_add_signed(rows).min(last);
        Vec::new()
    }

    /// Learns its width and says how many rows it wants, at most `most`, with its border. From the
    /// first call on it counts as being on the screen.
    pub fn measure(
        &mut self,
        now: Mono,
        stand: Stand,
        (room, most): (u16, u16),
        keymap: &Keymap,
    ) -> u16 {
        self.shown_at.get_or_insert(now);
        let room = usize::from(room.saturating_sub(4)).max(8);
        self.rows = self.content(room);
        self.hints = self.lay_hints(stand, room, keymap);
        self.hints.truncate(if most < LOW { 1 } else { 3 });
        let around = 2 + self.hints.len() + usize::from(self.entry.is_some());
        let wanted = u16::try_from(self.rows.len() + around).unwrap_or(u16::MAX);
        let height = wanted.min(most);
        self.seen = usize::from(height).saturating_sub(around);
        self.top = self.top.min(self.rows.len().saturating_sub(self.seen));
        if let Some(at) = self.questions.cursor_row() {
            let first = self.rows.len() - self.questions.rows().min(self.rows.len());
            let at = first + at;
            self.top = self.top.clamp((at + 1).saturating_sub(self.seen), at);
        }
        height
    }

    fn content(&self, room: usize) -> Vec<(Kind, String)> {
        let mut rows = Vec::new();
        for line in &self.body {
            for range in wrap::rows(&line.text, room) {
                rows.push((line.kind, line.text[range].to_owned()));
            }
        }
        rows.extend(self.questions.lines(room));
        rows
    }

    /// How many choices "always" has: each suggestion, and all of them if there are several.
    fn rules(&self) -> usize {
        let count = self.ask.suggestions.len();
        if count > 1 { count + 1 } else { count }
    }

    fn suggestion(&self) -> Option<usize> {
        let count = self.ask.suggestions.len();
        let first = if count > 1 { self.rule.checked_sub(1) } else { Some(0) };
        first.filter(|rule| *rule < count)
    }

    fn rule_label(&self) -> String {
        match self.suggestion().and_then(|rule| self.ask.suggestions.get(rule)) {
            Some(suggestion) => harmless(&suggestion.label).into_owned(),
            None => format!("all {} rules", self.ask.suggestions.len()),
        }
    }

    fn lay_hints(&self, stand: Stand, room: usize, keymap: &Keymap) -> Vec<Vec<(String, String)>> {
        let plan = matches!(self.ask.kind, AskKind::Plan(_));
        let ask = |action, label: &str| (Context::Ask, Action::Ask(action), label.to_owned());
        let question =
            |action, label: &str| (Context::Questions, Action::Questions(action), label.to_owned());
        let field = |action, label: &str| (Context::Field, Action::Field(action), label.to_owned());
        let inbox = |action, label: &str| (Context::Inbox, Action::Inbox(action), label.to_owned());
        let always = fit(&format!("always {}", self.rule_label()), room.saturating_sub(4));
        let has_rule = !self.ask.suggestions.is_empty();
        let wanted = match (stand, self.place()) {
            (Stand::Inbox, Context::Ask) if !plan => {
                let mut wanted = vec![inbox(InboxAction::AllowOnce, "once")];
                if has_rule {
                    wanted.push(inbox(InboxAction::AllowAlways, &always));
                }
                wanted.push(inbox(InboxAction::Deny, "deny"));
                wanted
            }
            (Stand::Inbox, _) => Vec::new(),
            (Stand::Pane, Context::Field) => {
                vec![field(FieldAction::Accept, "send"), field(FieldAction::Cancel, "back")]
            }
            (Stand::Pane, Context::Questions) => {
                let mut wanted = vec![question(QuestionAction::Choose, "choose")];
                if self.questions.is_multi() {
                    wanted.push(question(QuestionAction::Toggle, "mark"));
                }
                wanted.push(question(QuestionAction::Own, "own words"));
                if self.questions.count() > 1 {
                    wanted.push(question(QuestionAction::Next, "next question"));
                }
                wanted.push(question(QuestionAction::Reason, "refuse"));
                wanted
            }
            (Stand::Pane, _) => {
                let (once, deny) =
                    if plan { ("approve", "keep planning") } else { ("once", "deny") };
                let mut wanted = vec![ask(AskAction::AllowOnce, once)];
                if has_rule {
                    wanted.push(ask(AskAction::AllowAlways, &always));
                }
                if self.rules() > 1 {
                    wanted.push(ask(AskAction::NextRule, "other rule"));
                }
                wanted.push(ask(AskAction::Deny, deny));
                wanted.push(ask(AskAction::Reason, "and say why"));
                wanted
            }
        };
        let mut rows: Vec<Vec<(String, String)>> = vec![Vec::new()];
        let mut used = 0;
        for (place, action, label) in wanted {
            let Some(key) = keymap.key(place, action) else {
                continue;
            };
            let wide = width(&key) + width(&label) + 4;
            if used > 0 && used + wide > room + 3 {
                rows.push(Vec::new());
                used = 0;
            }
            used += wide;
            if let Some(row) = rows.last_mut() {
                row.push((key, label));
            }
        }
        rows
    }

    fn begin_own_words(&mut self) -> Vec<Wish> {
        self.entry = Some((Purpose::OwnWords, Field::new(self.questions.words())));
        Vec::new()
    }

    fn deny(&mut self, reason: &str, interrupt: bool) -> Vec<Wish> {
        self.answer(AskAnswer::Deny { reason: reason.to_owned(), interrupt })
    }

    fn answer(&mut self, answer: AskAnswer) -> Vec<Wish> {
        self.answered = true;
        let command = Box::new(Command::AnswerAsk { ask: self.ask.id, answer });
        vec![Wish::Ask { command, tag: Tag::Answer(self.ask.id) }]
    }
}

/// What an ask is about, in one line: `Bash  cargo doc`.
pub fn headline(ask: &Ask, root: &str) -> String {
    body::headline(ask, root)
}

#[cfg(test)]
mod tests;
