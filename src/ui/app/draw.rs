//! Measuring and drawing the whole screen.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use super::{App, Chrome, Effect};
use crate::model::time::Now;
use crate::ui::action::{
    Action, AskAction, BenchAction, Context, FieldAction, ListAction, PromptAction, QuestionAction,
    ReadAction,
};
use crate::ui::layer::Layer;
use crate::ui::layout::Slot;
use crate::ui::pane::{Around, EmptyView, PaneView};
use crate::ui::status::{Bottom, WhichKey, draw_tabs, draw_top, tabs};
use crate::ui::text::width;

/// Screens with fewer rows give the top line up for the tabs.
const TALL: u16 = 16;

/// A lone pane has a border on screens of this size.
const ROOMY: (u16, u16) = (60, 16);

impl App {
    /// Decides what is where on a screen of this size. Belongs before every [`App::draw`].
    pub fn measure(&mut self, now: Now, screen: Rect) -> Vec<Effect> {
        self.now = now;
        self.notices.expire(now.mono);
        self.chrome = self.arrange(screen);
        let covered = !self.layers.is_empty();
        let mut wishes = Vec::new();
        let on_screen: Vec<_> = self.chrome.panes.clone();
        for (agent, pane) in &mut self.panes {
            let slot = Slot::Agent(*agent);
            let place = on_screen.iter().find(|(other, _)| *other == slot);
            let (Some((_, area)), Some(info)) = (place, self.bench.agent(*agent)) else {
                pane.hide();
                continue;
            };
            let around = Around {
                now: now.mono,
                info,
                focused: self.layout.focus() == Some(slot),
                framed: self.chrome.framed,
                keymap: &self.options.keymap,
                theme: &self.options.theme,
            };
            pane.measure(*area, &around);
            wishes.extend(pane.wants(info));
            if covered {
                pane.hide();
            }
        }
        let body = self.body();
        if let Some((layer, scene)) = self.top_layer() {
            let area = if matches!(layer, Layer::Picker(_)) { screen } else { body };
            layer.measure(area, &scene);
        }
        self.grant(wishes);
        std::mem::take(&mut self.effects)
    }

    fn arrange(&mut self, screen: Rect) -> Chrome {
        let line = |y: u16| Rect { y, height: 1, ..screen };
        let has_bottom = screen.height >= 4;
        let bottom = if has_bottom { line(screen.bottom() - 1) } else { Rect::ZERO };
        let high = screen.height - u16::from(has_bottom);
        let bench = |top: u16| Rect { y: screen.y + top, height: high - top, ..screen };
        let wanted = u16::from(high >= 5);
        self.layout.fit(bench(wanted));
        let mut places = self.layout.places(bench(wanted));
        let mut top = wanted;
        if places.tabs && screen.height < TALL {
            top = 0;
            places = self.layout.places(bench(0));
        }
        let lone = places.panes.len() < 2;
        let framed = !lone || (screen.width >= ROOMY.0 && screen.height >= ROOMY.1);
        let tabs = places.tabs.then(|| {
            let place = Rect { height: 1, ..bench(top) };
            tabs(&self.bench.agents, self.layout.focused_agent(), place)
        });
        Chrome {
            screen,
            top: if top > 0 { line(screen.y) } else { Rect::ZERO },
            bench: bench(top),
            bottom,
            panes: places.panes,
            framed,
            tabs,
        }
    }

    /// The screen between the top and the bottom line.
    fn body(&self) -> Rect {
        let chrome = &self.chrome;
        Rect { height: chrome.screen.height - chrome.bottom.height, ..chrome.screen }
    }

    /// Draws the screen as it was measured.
    pub fn draw(&self, frame: &mut Frame<'_>) {
        let (screen, theme) = (self.chrome.screen, &self.options.theme);
        // The terminal may have changed its size since; the next turn measures anew.
        if screen.is_empty() || screen != frame.area() {
            return;
        }
        let buf = frame.buffer_mut();
        draw_top(&self.bench, &self.options.home, self.chrome.top, buf, theme);
        if let Some(spots) = &self.chrome.tabs {
            draw_tabs(&self.bench.agents, self.layout.focused_agent(), spots, buf, theme);
        }
        let ask_key = self
            .options
            .keymap
            .key(Context::Prompt, Action::Prompt(PromptAction::Complete))
            .unwrap_or_default();
        let mut cursor = None;
        for (slot, area) in &self.chrome.panes {
            let focused = self.layout.focus() == Some(*slot) && self.layers.is_empty();
            let known = match slot {
                Slot::Agent(agent) => self.panes.get(agent).zip(self.bench.agent(*agent)),
                Slot::Empty(_) => None,
            };
            let Some((pane, info)) = known else {
                let starting = matches!(slot, Slot::Agent(_));
                self.draw_empty(*area, focused, starting, buf);
                continue;
            };
            let now = self.now.mono;
            let view = PaneView { pane, info, focused, ask_key: &ask_key, theme, now };
            cursor = if focused { view.cursor() } else { cursor };
            view.render(*area, buf);
        }
        if self.chrome.panes.is_empty() {
            self.draw_empty(self.chrome.bench, self.layers.is_empty(), !self.ready, buf);
        }
        self.draw_bottom(buf);
        if let Some(layer) = self.layers.last() {
            let body = if matches!(layer, Layer::Picker(_)) { screen } else { self.body() };
            layer.draw(body, buf, &self.scene());
            cursor = layer.cursor(body);
        }
        let above = Rect { height: screen.height - self.chrome.bottom.height, ..screen };
        if let Some((place, keys)) = self.following() {
            let which = WhichKey::of(&self.options.keymap, place, keys);
            let height = which.height(screen).min(above.height);
            which.draw(Rect { y: above.bottom() - height, height, ..above }, buf, theme);
        } else {
            self.notices.draw(screen, buf, theme);
        }
        if let Some(cursor) = cursor.filter(|cursor| screen.contains(*cursor)) {
            frame.set_cursor_position(cursor);
        }
    }

    fn draw_empty(&self, area: Rect, focused: bool, starting: bool, buf: &mut Buffer) {
        let key = |action: BenchAction| {
            let bindings = self.options.keymap.of(Context::Command);
            let binding = bindings.iter().find(|known| known.action == Action::Bench(action))?;
            let keys: Vec<_> = binding.keys.iter().map(ToString::to_string).collect();
            Some(format!("{}  {}", keys.join(" "), action.what()))
        };
        let mut lines = Vec::new();
        if starting {
            lines.push("starting …".to_owned());
        } else {
            let mut actions = vec![BenchAction::NewAgent, BenchAction::Resume];
            if !self.bench.agents.is_empty() {
                actions.push(BenchAction::Agents);
            }
            actions.extend([BenchAction::Help, BenchAction::Quit]);
            lines.extend(actions.into_iter().filter_map(key));
        }
        let framed = self.chrome.framed && !self.chrome.panes.is_empty();
        EmptyView { lines: &lines, focused, framed, theme: &self.options.theme }.render(area, buf);
    }

    /// The keys that may be repeated now.
    fn repeated(&self) -> String {
        let bindings = self.options.keymap.of(Context::Command);
        let of = |action: &BenchAction| {
            let binding = bindings.iter().find(|known| known.action == Action::Bench(*action))?;
            binding.keys.last().map(ToString::to_string)
        };
        let repeated = BenchAction::ALL.iter().filter(|action| action.repeats());
        repeated.filter_map(of).collect::<Vec<_>>().join(" ")
    }

    fn draw_bottom(&self, buf: &mut Buffer) {
        let keymap = &self.options.keymap;
        let key = |place: Context, action: Action, label: &str| {
            Some((keymap.key(place, action)?, label.to_owned()))
        };
        let prefix = (keymap.prefix().to_string(), "command".to_owned());
        let pending = !self.pending.is_empty();
        let place = self.layers.last().map_or_else(|| self.place(), Layer::place);
        let layer = self.layers.last().map(Layer::name);
        let mode = match (pending, layer, place) {
            (true, _, _) => "COMMAND",
            (false, Some(name), _) => name,
            (false, None, None) => "BENCH",
            (false, None, Some(place)) => match place {
                Context::Read => "READ",
                Context::Ask | Context::Questions => "ANSWER",
                Context::Command
                | Context::Global
                | Context::Prompt
                | Context::Field
                | Context::Inbox
                | Context::Locks
                | Context::Changes
                | Context::Menu
                | Context::Form
                | Context::Confirm => "INPUT",
            },
        };
        let prompt = |action, label| key(Context::Prompt, Action::Prompt(action), label);
        let keys: Vec<Option<(String, String)>> = match place {
            _ if pending => vec![
                Some(("Esc".to_owned(), "never mind".to_owned())),
                key(Context::Global, Action::Bench(BenchAction::Help), "all keys"),
            ],
            _ if self.repeating.is_some() => {
                vec![Some((self.repeated(), "again, without the prefix".to_owned()))]
            }
            Some(Context::Prompt) => vec![
                prompt(PromptAction::Send, "send"),
                prompt(PromptAction::Newline, "newline"),
                prompt(PromptAction::Escape, "interrupt"),
                Some(prefix),
            ],
            Some(Context::Ask) => vec![
                key(Context::Ask, Action::Ask(AskAction::Leave), "prompt"),
                key(Context::Ask, Action::Ask(AskAction::Down), "scroll"),
                Some(prefix),
            ],
            Some(Context::Questions) => vec![
                key(Context::Questions, Action::Questions(QuestionAction::Leave), "prompt"),
                Some(prefix),
            ],
            Some(Context::Read) => vec![
                key(Context::Read, Action::Read(ReadAction::Toggle), "fold"),
                key(Context::Read, Action::Read(ReadAction::Copy), "copy"),
                key(Context::Read, Action::Read(ReadAction::Leave), "prompt"),
                Some(prefix),
            ],
            Some(Context::Field) => vec![
                key(Context::Field, Action::Field(FieldAction::Accept), "done"),
                key(Context::Field, Action::Field(FieldAction::Cancel), "never mind"),
            ],
            Some(Context::Menu) if matches!(self.layers.last(), Some(Layer::Help(_))) => {
                vec![key(Context::Menu, Action::List(ListAction::Close), "close")]
            }
            Some(Context::Menu) => vec![
                key(Context::Menu, Action::List(ListAction::Choose), "choose"),
                key(Context::Menu, Action::List(ListAction::Close), "close"),
            ],
            Some(
                Context::Command
                | Context::Global
                | Context::Inbox
                | Context::Locks
                | Context::Changes
                | Context::Form
                | Context::Confirm,
            )
            | None => vec![Some(prefix)],
        };
        let keys: Vec<_> = keys.into_iter().flatten().collect();
        let bottom = Bottom { mode, keys: &keys, bench: &self.bench, theme: &self.options.theme };
        if width(mode) > 0 && !self.chrome.bottom.is_empty() {
            bottom.draw(self.chrome.bottom, buf);
        }
    }
}
