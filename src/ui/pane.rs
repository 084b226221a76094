//! One agent's pane: transcript, things to do, ask, notes, prompt.
//!
//! - A pane keeps its draft, its place in the transcript and its history whatever happens around it.
//! - The ask gets the keys by itself only while nothing is being written; else the person gives them
//!   to it.
//! - `measure` decides what is where; `draw` only draws that.

mod notes;
mod queue;
mod title;
mod todo;
mod view;

use ratatui::layout::{Rect, Size};

use self::notes::Note;
pub use self::title::mark_style;
pub use self::view::{EmptyView, PaneView};
use super::action::{AskAction, Context, FieldAction, PromptAction, QuestionAction, ReadAction};
use super::ask::{AskPanel, Stand};
use super::field::Field;
use super::keymap::{Chord, Keymap};
use super::prompt::{Edit, Prompt};
use super::theme::Theme;
use super::transcript::{Change, Transcript};
use super::wish::{Tag, Wish};
use crate::engine::command::Command;
use crate::model::agent::AgentInfo;
use crate::model::id::{AgentId, AskId, ItemId};
use crate::model::permission::Ask;
use crate::model::time::Mono;
use crate::model::transcript::{Body, Item, Level, Speaker};
use crate::ui::bench::is_busy;

/// How long a second Esc belongs to the first, in milliseconds.
const TWICE_MS: u64 = 1_000;

/// How long nothing has to be written before an ask takes the keys by itself, in milliseconds.
const QUIET_MS: u64 = 1_000;

/// Items of a transcript that are asked for at once.
const OLDER: usize = 200;

/// Who has the keys in a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keys {
    /// The prompt.
    #[default]
    Prompt,
    /// The ask.
    Ask,
    /// The transcript.
    Read,
}

/// Words that the person looks for in the transcript.
#[derive(Debug, Clone)]
struct Search {
    field: Field,
    found: usize,
    typing: bool,
}

/// Where the parts of a pane are; empty ones are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Parts {
    area: Rect,
    framed: bool,
    transcript: Rect,
    todo: Rect,
    ask: Rect,
    notes: Rect,
    rule: Rect,
    prompt: Rect,
}

/// What a pane needs to know to measure itself.
pub struct Around<'a> {
    /// The moment.
    pub now: Mono,
    /// The agent.
    pub info: &'a AgentInfo,
    /// Whether it has the focus of the bench.
    pub focused: bool,
    /// Whether it has a border around it; else just a line above.
    pub framed: bool,
    /// The keys.
    pub keymap: &'a Keymap,
    /// The colours.
    pub theme: &'a Theme,
}

/// The pane of an agent.
pub struct Pane {
    agent: AgentId,
    transcript: Transcript,
    prompt: Prompt,
    ask: Option<AskPanel>,
    asks_behind: usize,
    declined: Option<AskId>,
    keys: Keys,
    todo_folded: bool,
    notes: Vec<Note>,
    parts: Parts,
    search: Option<Search>,
    escaped: Option<Mono>,
    typed: Option<Mono>,
}

impl Pane {
    /// A pane without a transcript yet.
    pub fn new(agent: AgentId, root: &str) -> Self {
        let mut transcript = Transcript::new();
        transcript.set_root(root);
        Self {
            agent,
            transcript,
            prompt: Prompt::new(),
            ask: None,
            asks_behind: 0,
            declined: None,
            keys: Keys::Prompt,
            todo_folded: false,
            notes: Vec::new(),
            parts: Parts::default(),
            search: None,
            escaped: None,
            typed: None,
        }
    }

    /// Paths below `root` are shown relative to it.
    pub fn set_root(&mut self, root: &str) {
        self.transcript.set_root(root);
    }

    /// Another transcript.
    pub fn reset(&mut self, items: Vec<Item>, more_before: bool) {
        for item in &items {
            if let Body::Prompt { text, from: Speaker::Person } = &item.body {
                self.prompt.remember(text);
            }
        }
        self.transcript.apply(Change::Reset { items, more_before });
    }

    /// An item is new, or is this now.
    pub fn item(&mut self, item: Item) {
        self.transcript.apply(Change::Item(item));
    }

    /// The text of an item has grown.
    pub fn append(&mut self, item: ItemId, text: String) {
        self.transcript.apply(Change::Append { item, text });
    }

    /// Older items came. None are none: nothing more is asked for.
    pub fn older(&mut self, items: Vec<Item>, more_before: bool) {
        let more_before = more_before && !items.is_empty();
        self.transcript.apply(Change::Older { items, more_before });
    }

    /// What has to be asked of the engine so that the person can scroll on.
    pub fn wants(&mut self, info: &AgentInfo) -> Option<Wish> {
        if !self.transcript.wants_older() {
            return None;
        }
        self.transcript.asked_older();
        let (session, before) = (info.session_id.clone(), self.transcript.first_id());
        let command = Box::new(Command::ReadTranscript { session, before, limit: OLDER });
        Some(Wish::Ask { command, tag: Tag::Older(self.agent) })
    }

    /// The asks of the agent are these now, oldest first.
    pub fn set_asks<'a>(&mut self, asks: impl Iterator<Item = &'a Ask>, root: &str) {
        let mut asks = asks.peekable();
        let same = asks.peek().map(|ask| ask.id) == self.ask.as_ref().map(AskPanel::id);
        let first = asks.next();
        self.asks_behind = asks.count();
        if !same {
            self.ask = first.map(|ask| AskPanel::new(ask, root));
        }
        if self.ask.is_none() && self.keys == Keys::Ask {
            self.keys = Keys::Prompt;
        }
    }

    /// The answer to an ask did not arrive.
    pub fn answer_failed(&mut self, ask: AskId) {
        if let Some(panel) = self.ask.as_mut().filter(|panel| panel.id() == ask) {
            panel.answer_failed();
        }
    }

    /// It is not on the screen.
    pub fn hide(&mut self) {
        if let Some(ask) = &mut self.ask {
            ask.hide();
        }
    }

    /// Who has the keys.
    pub fn keys(&self) -> Keys {
        self.keys
    }

    /// Gives the keys to the transcript.
    pub fn read(&mut self) {
        self.keys = Keys::Read;
    }

    /// Gives the keys to the ask, if there is one.
    pub fn answer(&mut self) {
        if self.ask.is_some() {
            self.keys = Keys::Ask;
        }
    }

    /// Gives the keys to the prompt.
    pub fn write(&mut self) {
        self.keys = Keys::Prompt;
    }

    /// Folds or unfolds the list of things to do.
    pub fn toggle_todo(&mut self) {
        self.todo_folded = !self.todo_folded;
    }

    /// The focus came here: what is typed at once is meant for the prompt.
    pub fn enter(&mut self, now: Mono) {
        self.typed = Some(now);
    }

    /// The focus went elsewhere. An ask has to win the keys anew, but a line begun for it keeps them.
    pub fn leave(&mut self) {
        if self.keys == Keys::Ask && self.place() != Context::Field {
            self.keys = Keys::Prompt;
        }
    }

    /// Gives the keys to the ask by itself if it is time.
    pub fn settle(&mut self, now: Mono) {
        let quiet = self.typed.is_none_or(|at| now.since(at) >= QUIET_MS);
        let armed = self
            .ask
            .as_ref()
            .is_some_and(|ask| ask.is_armed(now) && self.declined != Some(ask.id()));
        if self.keys == Keys::Prompt && armed && quiet && self.prompt.is_empty() {
            self.keys = Keys::Ask;
        }
    }

    /// When it will look different by itself.
    pub fn wakes_at(&self, now: Mono) -> Option<Mono> {
        let ask = self.ask.as_ref()?;
        let quiet = self.typed.map(|at| at.after(QUIET_MS)).filter(|at| *at > now);
        let waiting =
            self.keys == Keys::Prompt && self.prompt.is_empty() && self.declined != Some(ask.id());
        let quiet = quiet.filter(|_| waiting);
        [ask.arms_at(now), quiet].into_iter().flatten().min()
    }

    /// The place whose keys apply.
    pub fn place(&self) -> Context {
        match (self.keys, &self.ask) {
            (Keys::Ask, Some(ask)) => ask.place(),
            (Keys::Read, _) if self.is_searching() => Context::Field,
            (Keys::Read, _) => Context::Read,
            (Keys::Prompt | Keys::Ask, _) => Context::Prompt,
        }
    }

    /// Takes a key that is bound to nothing.
    pub fn key(&mut self, now: Mono, chord: Chord) {
        match (self.keys, &mut self.ask) {
            (Keys::Ask, Some(ask)) if ask.place() == Context::Field => ask.key(chord),
            (Keys::Prompt | Keys::Ask, _) => {
                if let Some(c) = chord.typed() {
                    // A letter that answers nothing begins a prompt; the rest of the word must not
                    // answer anything either.
                    if self.keys == Keys::Ask {
                        self.leave_ask();
                    }
                    self.typed = Some(now);
                    self.prompt.type_char(c);
                }
            }
            (Keys::Read, _) => self.type_search(|field| {
                field.key(chord);
            }),
        }
    }

    /// Takes a pasted text.
    pub fn paste(&mut self, now: Mono, text: &str) {
        if self.keys == Keys::Read && self.is_searching() {
            self.type_search(|field| field.paste(text));
            return;
        }
        if self.keys == Keys::Ask && self.ask.as_mut().is_some_and(|ask| ask.paste(text)) {
            return;
        }
        self.keys = Keys::Prompt;
        self.typed = Some(now);
        self.prompt.paste(text);
    }

    /// Works on the prompt, or scrolls.
    pub fn act(&mut self, now: Mono, action: PromptAction, info: &AgentInfo) -> Vec<Wish> {
        let escaped = self.escaped.take().is_some_and(|at| now.since(at) <= TWICE_MS);
        match action {
            PromptAction::Escape => return self.escape(now, info, escaped),
            PromptAction::Clear if !self.prompt.is_empty() => self.prompt.clear(),
            PromptAction::Clear if is_busy(info.state) => return vec![self.interrupt()],
            PromptAction::Clear => {
                let text = "nothing to clear; quitting is a command of its own".to_owned();
                return vec![Wish::Tell(Level::Info, text)];
            }
            PromptAction::Complete => {
                if !self.prompt.complete(&info.commands) {
                    self.answer();
                }
            }
            PromptAction::ScrollUp => self.transcript.scroll(-1),
            PromptAction::ScrollDown => self.transcript.scroll(1),
            PromptAction::PageUp => self.transcript.page_up(),
            PromptAction::PageDown => self.transcript.page_down(),
            PromptAction::ToStart => self.transcript.to_start(),
            PromptAction::ToEnd => self.transcript.to_end(),
            PromptAction::PreviousPrompt => self.transcript.prev_prompt(),
            PromptAction::NextPrompt => self.transcript.next_prompt(),
            PromptAction::Up if self.prompt.is_empty() && !info.queue.is_empty() => {
                return self.take_back(info);
            }
            PromptAction::Send
            | PromptAction::Newline
            | PromptAction::Up
            | PromptAction::Down
            | PromptAction::Left
            | PromptAction::Right
            | PromptAction::WordLeft
            | PromptAction::WordRight
            | PromptAction::LineStart
            | PromptAction::LineEnd
            | PromptAction::DeleteBack
            | PromptAction::DeleteNext
            | PromptAction::DeleteWord
            | PromptAction::DeleteToStart
            | PromptAction::DeleteToEnd
            | PromptAction::Undo
            | PromptAction::Redo => {
                self.typed = Some(now);
                if let Edit::Send(text) = self.prompt.edit(action) {
                    self.transcript.to_end();
                    let tag = Tag::Prompt(self.agent, text.clone());
                    let command = Box::new(Command::Send { agent: self.agent, text });
                    return vec![Wish::Ask { command, tag }];
                }
            }
        }
        Vec::new()
    }

    /// Works on the transcript.
    pub fn act_read(&mut self, action: ReadAction) -> Vec<Wish> {
        match action {
            ReadAction::Up => {
                if !self.transcript.select_prev() {
                    self.transcript.scroll(-1);
                }
            }
            ReadAction::Down => {
                if !self.transcript.select_next() {
                    self.transcript.scroll(1);
                }
            }
            ReadAction::Toggle => {
                self.transcript.toggle_fold();
            }
            ReadAction::Search => {
                self.search = Some(Search { field: Field::default(), found: 0, typing: true });
            }
            ReadAction::NextMatch => {
                self.transcript.next_match();
            }
            ReadAction::PreviousMatch => {
                self.transcript.prev_match();
            }
            ReadAction::Copy => {
                return self.transcript.copy_selected().map(Wish::Copy).into_iter().collect();
            }
            ReadAction::PageUp => self.transcript.page_up(),
            ReadAction::PageDown => self.transcript.page_down(),
            ReadAction::ToStart => self.transcript.to_start(),
            ReadAction::ToEnd => self.transcript.to_end(),
            ReadAction::PreviousPrompt => self.transcript.prev_prompt(),
            ReadAction::NextPrompt => self.transcript.next_prompt(),
            ReadAction::Leave => {
                self.end_search();
                self.transcript.select_none();
                self.keys = Keys::Prompt;
            }
        }
        Vec::new()
    }

    /// Answers the ask. Before it may be answered, only leaving and scrolling do anything.
    pub fn act_ask(&mut self, now: Mono, action: AskAction) -> Vec<Wish> {
        let Some(ask) = &mut self.ask else {
            return Vec::new();
        };
        let harmless = matches!(
            action,
            AskAction::Up | AskAction::Down | AskAction::PageUp | AskAction::PageDown
        );
        if action == AskAction::Leave {
            return self.leave_ask();
        }
        if harmless || ask.is_armed(now) { ask.act(action) } else { ask.not_yet() }
    }

    /// Works on questions, under the same rule.
    pub fn act_question(&mut self, now: Mono, action: QuestionAction) -> Vec<Wish> {
        let Some(ask) = &mut self.ask else {
            return Vec::new();
        };
        if action == QuestionAction::Leave {
            return self.leave_ask();
        }
        if ask.is_armed(now) { ask.act_question(action) } else { ask.not_yet() }
    }

    /// Ends the line that is typed: the words to look for, or those for the ask.
    pub fn act_field(&mut self, action: FieldAction) -> Vec<Wish> {
        if self.keys == Keys::Read {
            match (action, &mut self.search) {
                (FieldAction::Accept, Some(search)) if search.found > 0 => search.typing = false,
                (FieldAction::Accept | FieldAction::Cancel, _) => self.end_search(),
            }
            return Vec::new();
        }
        self.ask.as_mut().map(|ask| ask.act_field(action)).unwrap_or_default()
    }

    /// Scrolls what is under the mouse.
    pub fn wheel(&mut self, row: u16, rows: i32) {
        let in_ask = (self.parts.ask.top()..self.parts.ask.bottom()).contains(&row);
        match &mut self.ask {
            Some(ask) if in_ask => {
                ask.scroll(rows as isize);
            }
            _ => self.transcript.scroll(rows),
        }
    }

    /// Gives the keys to what was clicked.
    pub fn click(&mut self, row: u16) {
        let inside = |part: Rect| (part.top()..part.bottom()).contains(&row);
        if inside(self.parts.ask) {
            self.answer();
        } else if inside(self.parts.prompt) {
            self.leave_ask();
        } else if inside(self.parts.transcript)
            && let Some(item) = self.transcript.item_at(row - self.parts.transcript.y)
        {
            self.transcript.select(item);
            self.transcript.toggle_fold();
            if self.keys != Keys::Read {
                self.transcript.select_none();
            }
        }
    }

    /// Breaks the turn off.
    pub fn interrupt(&self) -> Wish {
        let command = Box::new(Command::Interrupt { agent: self.agent });
        Wish::Ask { command, tag: Tag::Nobody }
    }

    /// Learns its area and decides what is where.
    pub fn measure(&mut self, area: Rect, around: &Around<'_>) {
        let inner = inner(area, around.framed);
        let margin = u16::from(inner.width > 40);
        let text =
            Rect { x: inner.x + margin, width: inner.width.saturating_sub(2 * margin), ..inner };
        let most = (inner.height / 3).max(1);
        let prompt = self.prompt.measure(text.width.saturating_sub(2), most).min(inner.height);
        let rule = u16::from(inner.height >= 6);
        let mut left = inner.height.saturating_sub(prompt + rule);

        self.notes = notes::of(around, &self.prompt);
        self.notes.extend(self.search.as_ref().map(notes::search));
        let notes = u16::try_from(self.notes.len()).unwrap_or(0).min(left / 3);
        left -= notes;
        let ask = self.measure_ask(around, inner.width, left);
        left -= ask;
        let todo = self
            .transcript
            .latest_todo()
            .map_or(0, |entries| todo::rows(entries, self.todo_folded, left, text.width));
        left -= todo;
        self.transcript.measure(Size { width: text.width, height: left }, around.theme);

        let mut y = inner.y;
        let mut take = |from: Rect, height: u16| {
            let part = Rect { y, height, ..from };
            y += height;
            part
        };
        self.parts = Parts {
            area,
            framed: around.framed,
            transcript: take(text, left),
            todo: take(text, todo),
            ask: take(inner, ask),
            notes: take(text, notes),
            rule: take(inner, rule),
            prompt: take(text, prompt),
        };
        if around.focused {
            self.settle(around.now);
        }
    }

    fn measure_ask(&mut self, around: &Around<'_>, width: u16, left: u16) -> u16 {
        let Some(ask) = &mut self.ask else {
            return 0;
        };
        let most = if left < 12 { left.saturating_sub(1) } else { left * 3 / 4 };
        if most < 4 || width < 12 {
            ask.hide();
            return 0;
        }
        ask.measure(around.now, Stand::Pane, (width, most), around.keymap)
    }

    fn is_searching(&self) -> bool {
        self.search.as_ref().is_some_and(|search| search.typing)
    }

    fn type_search(&mut self, change: impl FnOnce(&mut Field)) {
        if let Some(search) = self.search.as_mut().filter(|search| search.typing) {
            change(&mut search.field);
            search.found = self.transcript.search(search.field.text());
        }
    }

    fn end_search(&mut self) {
        self.search = None;
        self.transcript.search("");
    }

    fn leave_ask(&mut self) -> Vec<Wish> {
        self.declined = self.ask.as_ref().map(AskPanel::id);
        self.keys = Keys::Prompt;
        Vec::new()
    }

    fn escape(&mut self, now: Mono, info: &AgentInfo, again: bool) -> Vec<Wish> {
        if again && !self.prompt.is_empty() {
            self.prompt.clear();
            return Vec::new();
        }
        self.escaped = Some(now);
        if is_busy(info.state) {
            return vec![self.interrupt()];
        }
        if self.prompt.is_empty() {
            return Vec::new();
        }
        vec![Wish::Tell(Level::Info, "Esc again clears the prompt".to_owned())]
    }
}

/// The area inside the border, or below the title.
fn inner(area: Rect, framed: bool) -> Rect {
    if framed {
        Rect {
            x: area.x + 1.min(area.width),
            y: area.y + 1.min(area.height),
            width: area.width.saturating_sub(2),
            height: area.height.saturating_sub(2),
        }
    } else {
        Rect { y: area.y + 1.min(area.height), height: area.height.saturating_sub(1), ..area }
    }
}
