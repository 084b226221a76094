//! The screen as a value: input in, effects out, drawn on demand.
//!
//! - [`App::update`] takes one input and says what is to be done outside; it cannot fail, and it
//!   knows the time only from its argument.
//! - A turn is `update`, `measure`, `draw`; drawing changes nothing, and drawing anew gives the same
//!   picture as drawing what changed.
//! - A key goes to one place: the layer on top, else the focused pane.

mod act;
mod draw;
mod keys;
mod mouse;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crossterm::event::{KeyEvent, MouseEvent};
use ratatui::layout::Rect;
use serde_json::Value;

use self::mouse::Grip;
use super::bench::Bench;
use super::dialog::Preset;
use super::keymap::{Chord, Keymap};
use super::layer::{Layer, Scene};
use super::layout::{Layout, Slot};
use super::notice::Notices;
use super::pane::Pane;
use super::picker::Picker;
use super::status::Spot;
use super::terminal::Mouse;
use super::theme::Theme;
use super::wish::{Tag, Wish};
use crate::engine::command::Command;
use crate::engine::event::{ToClient, ToEngine};
use crate::model::agent::AgentState;
use crate::model::id::AgentId;
use crate::model::time::{Mono, Now};
use crate::model::transcript::Level;

/// How long a changed layout waits to be saved, in milliseconds, so that a row of changes is one.
const SAVE_MS: u64 = 800;

/// How long a key that may be repeated goes on without the prefix, in milliseconds.
const REPEAT_MS: u64 = 700;

/// Questions whose answers are awaited at most; an engine that owes more has forgotten them.
const AWAITED: usize = 512;

/// How the screen is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// The colours.
    pub theme: Theme,
    /// The keys.
    pub keymap: Keymap,
    /// The root of the workspace.
    pub workspace: String,
    /// What is on the screen first.
    pub start: Start,
    /// Whether the engine lives on without this screen, so that it can be detached.
    pub attached: bool,
    /// The person's home folder, which is shown as `~`; empty if unknown.
    pub home: String,
    /// Whether the terminal's bell rings when an agent needs the person and they look elsewhere.
    pub bell: Bell,
    /// Whether the mouse is the screen's or the terminal's.
    pub mouse: Mouse,
    /// What a new agent is like at first.
    pub preset: Preset,
    /// What the person should read first, such as problems of the settings.
    pub greeting: Vec<(Level, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            theme: Theme::night(),
            keymap: Keymap::default(),
            workspace: String::new(),
            start: Start::Bench,
            attached: false,
            home: String::new(),
            bell: Bell::Rings,
            mouse: Mouse::Ours,
            preset: Preset::default(),
            greeting: Vec::new(),
        }
    }
}

/// Whether the bell calls the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bell {
    /// It does.
    Rings,
    /// Never.
    Mute,
}

/// What is on the screen first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Start {
    /// The bench.
    #[default]
    Bench,
    /// The picker of stored sessions.
    Picker {
        /// Over all workspaces.
        all: bool,
        /// What to look for.
        query: Option<String>,
    },
}

/// Why the screen was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The person wants everything ended; the engine was told so.
    Quit,
    /// The person detached; the engine goes on.
    Detached,
    /// The engine is gone.
    EngineGone,
    /// The terminal is gone, or a signal ended the program.
    Hangup,
}

/// Something that reaches the screen.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A key.
    Key(KeyEvent),
    /// A pasted text, in one piece.
    Paste(String),
    /// The mouse.
    Mouse(MouseEvent),
    /// Another size.
    Resize,
    /// Whether the terminal has the focus.
    Focus(bool),
    /// The engine.
    Message(Box<ToClient>),
    /// Time has passed.
    Tick,
    /// The terminal tells Esc from Alt.
    ClearKeys,
}

/// What is to be done outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask the engine.
    Send(Box<ToEngine>),
    /// Put a text on the clipboard.
    Copy(String),
    /// Ring the terminal's bell.
    Bell,
    /// Draw everything anew.
    Redraw,
    /// Give the terminal back to the shell until the person returns.
    Suspend,
    /// Leave the screen.
    Leave(Exit),
}

/// How soon the picture has to follow a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Redraw {
    /// Nothing changed on the screen.
    #[default]
    No,
    /// Something changed where nobody looks closely.
    Lazy,
    /// Within one frame.
    Soon,
    /// At once: the person did something.
    Now,
}

/// What is where on the screen.
#[derive(Debug, Clone, Default)]
struct Chrome {
    screen: Rect,
    top: Rect,
    bench: Rect,
    bottom: Rect,
    panes: Vec<(Slot, Rect)>,
    framed: bool,
    tabs: Option<Vec<Spot>>,
}

/// The screen.
pub struct App {
    pub(super) options: Options,
    pub(super) bench: Bench,
    pub(super) seq: u64,
    pub(super) ready: bool,
    pub(super) panes: BTreeMap<AgentId, Pane>,
    pub(super) layout: Layout,
    pub(super) layers: Vec<Layer>,
    notices: Notices,
    pending: Vec<Chord>,
    /// Until when a key may be repeated without the prefix.
    repeating: Option<Mono>,
    /// What the mouse has hold of.
    grip: Option<Grip>,
    clear_keys: bool,
    pub(super) in_front: bool,
    seen: BTreeSet<AgentId>,
    /// Whose pane the person was in last.
    visited: Option<AgentId>,
    pub(super) awaited: VecDeque<(u64, Tag)>,
    next_id: u64,
    save_at: Option<Mono>,
    pub(super) saved: Option<Value>,
    pub(super) effects: Vec<Effect>,
    pub(super) redraw: Redraw,
    chrome: Chrome,
    now: Now,
}

impl App {
    /// A screen that knows nothing yet, and what it asks first.
    pub fn new(now: Now, options: Options) -> (Self, Vec<Effect>) {
        let mut app = Self {
            options,
            bench: Bench::default(),
            seq: 0,
            ready: false,
            panes: BTreeMap::new(),
            layout: Layout::default(),
            layers: Vec::new(),
            notices: Notices::default(),
            pending: Vec::new(),
            repeating: None,
            grip: None,
            clear_keys: false,
            in_front: true,
            seen: BTreeSet::new(),
            visited: None,
            awaited: VecDeque::new(),
            next_id: 1,
            save_at: None,
            saved: None,
            effects: Vec::new(),
            redraw: Redraw::Now,
            chrome: Chrome::default(),
            now,
        };
        app.send(Command::Subscribe, Tag::Nobody);
        for (level, text) in std::mem::take(&mut app.options.greeting) {
            app.notices.say(now.mono, level, &text);
        }
        if let Start::Picker { all, query } = app.options.start.clone() {
            app.open_picker(all, query);
        }
        let effects = std::mem::take(&mut app.effects);
        (app, effects)
    }

    /// Takes one input and says what is to be done.
    pub fn update(&mut self, now: Now, input: Input) -> Vec<Effect> {
        self.now = now;
        if let Some(pane) = self.focused_pane() {
            pane.settle(now.mono);
        }
        match input {
            Input::Key(event) => self.key(event),
            Input::Paste(text) => self.paste(&text),
            Input::Mouse(event) => self.mouse(event),
            Input::Resize => self.redraw = Redraw::Now,
            Input::Focus(in_front) => self.in_front = in_front,
            Input::Message(message) => self.message(*message),
            Input::Tick => self.tick(),
            Input::ClearKeys => self.clear_keys = true,
        }
        self.follow_focus();
        self.mark_seen();
        std::mem::take(&mut self.effects)
    }

    /// How soon the picture has to follow; asking takes it as drawn.
    pub fn take_redraw(&mut self) -> Redraw {
        std::mem::take(&mut self.redraw)
    }

    /// When something on the screen changes by itself, if ever.
    pub fn wakes_at(&self) -> Option<Mono> {
        let now = self.now.mono;
        let pane = |slot: &Slot| match slot {
            Slot::Agent(agent) => self.panes.get(agent).and_then(|pane| pane.wakes_at(now)),
            Slot::Empty(_) => None,
        };
        let covered = !self.layers.is_empty();
        let panes = self.chrome.panes.iter().filter(|_| !covered);
        let layer = self.layers.last().and_then(|layer| layer.wakes_at(now, &self.bench));
        panes
            .filter_map(|(slot, _)| pane(slot))
            .chain(layer)
            .chain(self.notices.wakes_at())
            .chain(self.save_at)
            .chain(self.repeating)
            .min()
    }

    /// Something was said outside of the engine.
    pub fn tell(&mut self, level: Level, text: &str) {
        self.notices.say(self.now.mono, level, text);
        self.redraw = self.redraw.max(Redraw::Soon);
    }

    fn tick(&mut self) {
        self.redraw = self.redraw.max(Redraw::Soon);
        self.repeating = self.repeating.filter(|until| *until > self.now.mono);
        if self.save_at.is_some_and(|at| at <= self.now.mono) {
            self.save_layout();
        }
    }

    fn paste(&mut self, text: &str) {
        self.redraw = Redraw::Now;
        self.pending.clear();
        if let Some(layer) = self.layers.last_mut() {
            let wishes = layer.paste(text);
            self.grant(wishes);
            return;
        }
        let now = self.now.mono;
        match self.focused_pane() {
            Some(pane) => pane.paste(now, text),
            None => self.tell(Level::Info, "there is no prompt to paste into"),
        }
    }

    /// Does what a part of the screen wants.
    pub(super) fn grant(&mut self, wishes: Vec<Wish>) {
        for wish in wishes {
            match wish {
                Wish::Close => {
                    self.layers.pop();
                }
                Wish::Ask { command, tag } => self.send(*command, tag),
                Wish::Tell(level, text) => self.tell(level, &text),
                Wish::Copy(text) => {
                    self.effects.push(Effect::Copy(text));
                    self.tell(Level::Info, "copied");
                }
                Wish::Focus(agent) => self.show(agent),
                Wish::Answer(agent) => {
                    self.show(agent);
                    if let Some(pane) = self.panes.get_mut(&agent) {
                        pane.answer();
                    }
                }
                Wish::Write(agent) => {
                    self.show(agent);
                    if let Some(pane) = self.panes.get_mut(&agent) {
                        pane.write();
                    }
                }
                Wish::Quit => self.leave(),
            }
        }
    }

    pub(super) fn show(&mut self, agent: AgentId) {
        // A reply may overtake the event that makes the agent known; the event finds the pane then.
        self.layout.show(agent);
        self.panes.entry(agent).or_insert_with(|| Pane::new(agent, self.bench.root()));
        self.layout_changed();
    }

    pub(super) fn send(&mut self, command: Command, tag: Tag) {
        let id = self.next_id;
        self.next_id += 1;
        if tag != Tag::Nobody {
            self.awaited.push_back((id, tag));
            if self.awaited.len() > AWAITED {
                self.awaited.pop_front();
            }
        }
        self.effects.push(Effect::Send(Box::new(ToEngine { id, command })));
    }

    fn leave(&mut self) {
        if self.save_at.is_some() {
            self.save_layout();
        }
        self.send(Command::Shutdown, Tag::Nobody);
        self.effects.push(Effect::Leave(Exit::Quit));
    }

    pub(super) fn layout_changed(&mut self) {
        self.redraw = self.redraw.max(Redraw::Soon);
        self.save_at.get_or_insert(self.now.mono.after(SAVE_MS));
    }

    fn save_layout(&mut self) {
        self.save_at = None;
        if !self.ready {
            return;
        }
        let layout = self.layout.save(&self.bench.agents);
        if self.saved.as_ref() != Some(&layout) {
            self.saved = Some(layout.clone());
            self.send(Command::SaveLayout { layout }, Tag::Nobody);
        }
    }

    fn open(&mut self, layer: Layer) {
        self.layers.retain(|open| !open.is_like(&layer));
        self.layers.push(layer);
    }

    fn open_picker(&mut self, all: bool, query: Option<String>) {
        let root = match self.bench.root() {
            "" => self.options.workspace.clone(),
            root => root.to_owned(),
        };
        let (picker, wishes) = Picker::new(root, all, query);
        self.open(Layer::Picker(Box::new(picker)));
        self.grant(wishes);
    }

    /// Who comes to a pane may be about to type a prompt: an ask that waits there takes the keys only
    /// after a moment, unless the person came to answer it.
    fn follow_focus(&mut self) {
        let focus = self.layout.focused_agent();
        if focus == self.visited {
            return;
        }
        let left = std::mem::replace(&mut self.visited, focus);
        if let Some(pane) = left.and_then(|agent| self.panes.get_mut(&agent)) {
            pane.leave();
        }
        let now = self.now.mono;
        if let Some(pane) = self.focused_pane() {
            pane.enter(now);
        }
    }

    /// Tells the engine that the person has seen the answer of the agent in front of them.
    fn mark_seen(&mut self) {
        let Some(agent) = self.layout.focused_agent().filter(|_| self.layers.is_empty()) else {
            return;
        };
        let finished =
            self.bench.agent(agent).is_some_and(|info| info.state == AgentState::Finished);
        if !finished {
            self.seen.remove(&agent);
        } else if self.in_front && self.seen.insert(agent) {
            self.send(Command::MarkSeen { agent }, Tag::Nobody);
        }
    }

    fn focused_pane(&mut self) -> Option<&mut Pane> {
        self.panes.get_mut(&self.layout.focused_agent()?)
    }

    /// The layer on top, with what it may look at.
    fn top_layer(&mut self) -> Option<(&mut Layer, Scene<'_>)> {
        let scene = Scene {
            bench: &self.bench,
            keymap: &self.options.keymap,
            theme: &self.options.theme,
            now: self.now,
        };
        Some((self.layers.last_mut()?, scene))
    }

    /// Whether an agent's pane is on the screen.
    pub(super) fn is_on_screen(&self, agent: AgentId) -> bool {
        self.chrome.panes.iter().any(|(slot, _)| *slot == Slot::Agent(agent))
    }

    fn scene(&self) -> Scene<'_> {
        Scene {
            bench: &self.bench,
            keymap: &self.options.keymap,
            theme: &self.options.theme,
            now: self.now,
        }
    }
}

#[cfg(test)]
mod tests;
