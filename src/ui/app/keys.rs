//! Where a key goes: sequences first, then the keys of the place, then the place itself.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{App, REPEAT_MS, Redraw};
use crate::model::transcript::Level;
use crate::ui::action::{Action, Context};
use crate::ui::keymap::{Chord, Found};

impl App {
    /// Takes a key.
    pub(super) fn key(&mut self, event: KeyEvent) {
        if event.kind == KeyEventKind::Release {
            return;
        }
        self.redraw = Redraw::Now;
        self.notices.go_on(self.now.mono);
        let chord = Chord::of(event);
        let prefix = self.options.keymap.prefix();
        let repeating = self.repeating.take().is_some_and(|until| until > self.now.mono);
        if repeating && self.pending.is_empty() {
            let found = self.options.keymap.find(&[Context::Command], &[chord]);
            if let Found::Action(Action::Bench(action)) = found
                && action.repeats()
            {
                self.repeating = Some(self.now.mono.after(REPEAT_MS));
                self.act_bench(action);
                return;
            }
        }
        if chord == prefix && self.pending == [prefix] {
            self.pending.clear();
            return;
        }
        self.pending.push(chord);
        self.resolve(event);
    }

    /// Does what the keys so far mean, or waits for more of them.
    fn resolve(&mut self, event: KeyEvent) {
        let keymap = &self.options.keymap;
        let prefixed = self.pending.first() == Some(&keymap.prefix());
        let found = if prefixed {
            match &self.pending[1..] {
                [] => Found::More,
                keys => keymap.find(&[Context::Command], keys),
            }
        } else {
            keymap.find(&self.places(), &self.pending)
        };
        match found {
            Found::More => {}
            Found::Action(action) => {
                self.pending.clear();
                let repeats = matches!(action, Action::Bench(action) if action.repeats());
                self.repeating = (prefixed && repeats).then(|| self.now.mono.after(REPEAT_MS));
                self.act(action);
            }
            Found::Nothing => {
                let keys = std::mem::take(&mut self.pending);
                match keys.as_slice() {
                    [chord] => self.unbound(*chord, event),
                    [.., last] if *last == Chord::plain(KeyCode::Esc) => {}
                    _ => {
                        let spelled: Vec<_> = keys.iter().map(Chord::to_string).collect();
                        let text = format!("{} is bound to nothing", spelled.join(" "));
                        self.tell(Level::Info, &text);
                    }
                }
            }
        }
    }

    /// The places whose keys apply, the first one first.
    fn places(&self) -> Vec<Context> {
        let Some(layer) = self.layers.last() else {
            return match self.place() {
                // Nothing can be typed into an empty pane, so commands need no prefix there.
                None => vec![Context::Global, Context::Command],
                Some(place) => vec![place, Context::Global],
            };
        };
        layer.place().into_iter().chain([Context::Global]).collect()
    }

    /// The place in the focused pane that has the keys.
    pub(super) fn place(&self) -> Option<Context> {
        Some(self.panes.get(&self.layout.focused_agent()?)?.place())
    }

    /// What follows the keys pressed so far.
    pub(super) fn following(&self) -> Option<(Context, &[Chord])> {
        let first = self.pending.first()?;
        if *first == self.options.keymap.prefix() {
            return Some((Context::Command, &self.pending[1..]));
        }
        let place = self.places().into_iter().find(|place| {
            let bindings = self.options.keymap.of(*place);
            bindings.iter().any(|binding| binding.keys.starts_with(&self.pending))
        })?;
        Some((place, &self.pending))
    }

    /// Gives a key that is bound to nothing to the place that has the keys.
    fn unbound(&mut self, chord: Chord, event: KeyEvent) {
        let raw = self.layers.last().is_some_and(|layer| layer.place().is_none());
        if let Some(c) = chord.behind_alt().filter(|_| !self.clear_keys && !raw) {
            // Without the newer protocol, Esc and a fast next key arrive as Alt with that key.
            self.key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
            self.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
            return;
        }
        if let Some((layer, _)) = self.top_layer() {
            let wishes = layer.key(chord, event);
            self.grant(wishes);
            return;
        }
        let now = self.now.mono;
        if let Some(pane) = self.focused_pane() {
            pane.key(now, chord);
        }
    }

    /// Does an action where the keys are.
    fn act(&mut self, action: Action) {
        if let Action::Bench(action) = action {
            self.act_bench(action);
            return;
        }
        if let Some((layer, scene)) = self.top_layer() {
            let wishes = layer.act(action, &scene);
            self.grant(wishes);
            return;
        }
        let now = self.now.mono;
        let Some(agent) = self.layout.focused_agent() else {
            return;
        };
        let (Some(pane), Some(info)) = (self.panes.get_mut(&agent), self.bench.agent(agent)) else {
            return;
        };
        let wishes = match action {
            Action::Prompt(action) => pane.act(now, action, info),
            Action::Read(action) => pane.act_read(action),
            Action::Ask(action) => pane.act_ask(now, action),
            Action::Questions(action) => pane.act_question(now, action),
            Action::Field(action) => pane.act_field(action),
            Action::Bench(_)
            | Action::List(_)
            | Action::Inbox(_)
            | Action::Locks(_)
            | Action::Changes(_)
            | Action::Form(_)
            | Action::Confirm(_) => Vec::new(),
        };
        self.grant(wishes);
    }
}
