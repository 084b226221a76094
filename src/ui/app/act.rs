//! Actions of the bench: panes, agents, views.

use ratatui::layout::Rect;

use super::{App, Effect, Exit, Redraw};
use crate::engine::command::Command;
use crate::model::agent::{AgentInfo, AgentState};
use crate::model::permission::PermissionMode;
use crate::model::transcript::Level;
use crate::ui::action::{Action, BenchAction, Context};
use crate::ui::bench::{is_busy, mark, words};
use crate::ui::changes::Changes;
use crate::ui::confirm::Confirm;
use crate::ui::dialog::Dialog;
use crate::ui::help::Help;
use crate::ui::layer::Layer;
use crate::ui::layout::{Arrangement, Axis, Direction, Layout};
use crate::ui::menu::{Choice, Menu};
use crate::ui::wish::{Tag, Wish};

impl App {
    /// Does an action of the bench.
    pub(super) fn act_bench(&mut self, action: BenchAction) {
        self.redraw = Redraw::Now;
        match action {
            BenchAction::NewAgent => {
                let dialog = Dialog::new(&self.bench, &self.options.preset);
                self.open(Layer::Dialog(Box::new(dialog)));
            }
            BenchAction::Agents => self.open_agents(),
            BenchAction::NextAsk => self.next_ask(),
            BenchAction::Inbox => self.open(Layer::Inbox(Box::default())),
            BenchAction::Locks => self.open(Layer::Locks(Box::default())),
            BenchAction::Changes => {
                let (changes, wishes) = Changes::new();
                self.open(Layer::Changes(Box::new(changes)));
                self.grant(wishes);
            }
            BenchAction::Resume => self.open_picker(false, None),
            BenchAction::Help => self.open(Layer::Help(Help::default())),
            BenchAction::Read => {
                if let Some(pane) = self.focused_pane() {
                    pane.read();
                }
            }
            BenchAction::Todo => {
                if let Some(pane) = self.focused_pane() {
                    pane.toggle_todo();
                }
            }
            BenchAction::Zoom => self.zoom(),
            BenchAction::SplitRight => self.lay(|layout, _| layout.split(Axis::Right)),
            BenchAction::SplitBelow => self.lay(|layout, _| layout.split(Axis::Below)),
            BenchAction::ClosePane => self.close_pane(),
            BenchAction::FocusLeft => self.look(Direction::Left),
            BenchAction::FocusDown => self.look(Direction::Down),
            BenchAction::FocusUp => self.look(Direction::Up),
            BenchAction::FocusRight => self.look(Direction::Right),
            BenchAction::FocusNext => self.lay(|layout, _| layout.focus_by(1)),
            BenchAction::FocusPrevious => self.lay(|layout, _| layout.focus_by(-1)),
            BenchAction::Pane1
            | BenchAction::Pane2
            | BenchAction::Pane3
            | BenchAction::Pane4
            | BenchAction::Pane5
            | BenchAction::Pane6
            | BenchAction::Pane7
            | BenchAction::Pane8
            | BenchAction::Pane9 => {
                let number = action.pane_number().unwrap_or(1);
                self.lay(|layout, _| layout.focus_number(number));
            }
            BenchAction::ResizeLeft => self.push_border(Direction::Left),
            BenchAction::ResizeDown => self.push_border(Direction::Down),
            BenchAction::ResizeUp => self.push_border(Direction::Up),
            BenchAction::ResizeRight => self.push_border(Direction::Right),
            BenchAction::SwapLeft => self.exchange(Direction::Left),
            BenchAction::SwapDown => self.exchange(Direction::Down),
            BenchAction::SwapUp => self.exchange(Direction::Up),
            BenchAction::SwapRight => self.exchange(Direction::Right),
            BenchAction::SwapNext => self.lay(|layout, _| layout.swap_by(1)),
            BenchAction::SwapPrevious => self.lay(|layout, _| layout.swap_by(-1)),
            BenchAction::NextLayout => {
                self.lay(|layout, _| layout.next_arrangement());
                let text = format!("layout: {}", self.layout.arrangement().as_str());
                self.tell(Level::Info, &text);
            }
            BenchAction::LayoutEven => self.lay(|layout, _| layout.arrange(Arrangement::Even)),
            BenchAction::LayoutMainLeft => {
                self.lay(|layout, _| layout.arrange(Arrangement::MainLeft));
            }
            BenchAction::LayoutMainTop => {
                self.lay(|layout, _| layout.arrange(Arrangement::MainTop));
            }
            BenchAction::Interrupt => self.with_agent(|app, info| {
                app.send(Command::Interrupt { agent: info.id }, Tag::Nobody);
            }),
            BenchAction::CycleMode => self.with_agent(|app, info| {
                let mode = next_mode(info.permission_mode);
                app.send(Command::SetMode { agent: info.id, mode }, Tag::Nobody);
            }),
            BenchAction::Model => self.with_agent(Self::open_models),
            BenchAction::Unqueue => self.with_agent(|app, info| {
                let wishes = app.focused_pane().map(|pane| pane.take_back(info));
                app.grant(wishes.unwrap_or_default());
            }),
            BenchAction::StopAgent => self.with_agent(|app, info| {
                app.end("stopping", "stop it", info, Command::StopAgent { agent: info.id });
            }),
            BenchAction::RestartAgent => self.with_agent(|app, info| {
                app.end("restarting", "restart it", info, Command::RestartAgent { agent: info.id });
            }),
            BenchAction::RemoveAgent => self.with_agent(|app, info| {
                let question = format!(
                    "remove {} from the bench? its session stays in the history",
                    info.name
                );
                let wishes = vec![ask(Command::RemoveAgent { agent: info.id })];
                app.open(Layer::Confirm(Confirm::new(question, "remove it", wishes)));
            }),
            BenchAction::Redraw => self.effects.push(Effect::Redraw),
            BenchAction::Suspend => self.effects.push(Effect::Suspend),
            BenchAction::Detach if self.options.attached => {
                if self.save_at.is_some() {
                    self.save_layout();
                }
                self.effects.push(Effect::Leave(Exit::Detached));
            }
            BenchAction::Detach => {
                let text = "the agents live in this program; there is nothing to detach from";
                self.tell(Level::Info, text);
            }
            BenchAction::Quit => self.quit(),
        }
    }

    /// Changes the layout. Panes are moved on the bench, so what lies over it goes.
    fn lay(&mut self, change: impl FnOnce(&mut Layout, Rect)) {
        self.layers.clear();
        change(&mut self.layout, self.chrome.bench);
        self.layout_changed();
    }

    fn look(&mut self, direction: Direction) {
        self.lay(|layout, area| layout.focus_towards(direction, area));
    }

    fn exchange(&mut self, direction: Direction) {
        self.lay(|layout, area| layout.swap_towards(direction, area));
    }

    fn push_border(&mut self, direction: Direction) {
        if self.is_alone() {
            self.tell(Level::Info, "one pane fills the screen; there is no border to move");
            return;
        }
        self.lay(|layout, area| layout.resize(direction, area));
    }

    fn zoom(&mut self) {
        if self.is_alone() && !self.layout.is_zoomed() {
            let next = self.after_prefix(BenchAction::NextLayout);
            let text = format!("only one pane fits here in this layout; {next} is the next one");
            self.tell(Level::Info, &text);
            return;
        }
        self.lay(|layout, _| layout.toggle_zoom());
    }

    /// Whether one of several panes is on the screen.
    fn is_alone(&self) -> bool {
        self.chrome.tabs.is_some()
    }

    /// How an action of the bench is typed.
    fn after_prefix(&self, action: BenchAction) -> String {
        let key = self.options.keymap.key(Context::Command, Action::Bench(action));
        key.unwrap_or_else(|| action.name().to_owned())
    }

    fn close_pane(&mut self) {
        let left = self.layout.focused_agent().and_then(|agent| self.bench.agent(agent));
        let back = self.after_prefix(BenchAction::Agents);
        let text =
            left.map(|info| format!("{} goes on without a pane; {back} brings it back", info.name));
        self.lay(|layout, _| layout.close_focused());
        if let Some(text) = text {
            self.tell(Level::Info, &text);
        }
    }

    /// Does something with the agent that has the focus.
    fn with_agent(&mut self, act: impl FnOnce(&mut Self, &AgentInfo)) {
        let focused = self.layout.focused_agent();
        match focused.and_then(|agent| self.bench.agent(agent)).cloned() {
            Some(info) => act(self, &info),
            None => self.tell(Level::Info, "no agent has the focus"),
        }
    }

    /// Ends an agent's process, after a question if that breaks something off.
    fn end(&mut self, doing: &str, verb: &str, info: &AgentInfo, command: Command) {
        if !is_busy(info.state) {
            self.send(command, Tag::Nobody);
            return;
        }
        let question =
            format!("{} is {}; {doing} it breaks that off", info.name, words(info.state));
        self.open(Layer::Confirm(Confirm::new(question, verb, vec![ask(command)])));
    }

    fn open_agents(&mut self) {
        let choice = |info: &AgentInfo| Choice {
            text: format!("{} {}", mark(info.state), info.name),
            detail: format!("{}  {}", words(info.state), info.title),
            wishes: vec![Wish::Focus(info.id)],
        };
        let choices: Vec<_> = self.bench.agents.iter().map(choice).collect();
        if choices.is_empty() {
            self.tell(Level::Info, "there is no agent yet");
            return;
        }
        self.open(Layer::Menu(Menu::new("agents", choices)));
    }

    fn open_models(&mut self, info: &AgentInfo) {
        if info.models.is_empty() {
            self.tell(Level::Info, &format!("{} has not said which models there are", info.name));
            return;
        }
        let agent = info.id;
        let choices = info.models.iter().map(|model| {
            let command = Box::new(Command::SetModel { agent, model: model.value.clone() });
            let here = info.model.as_ref() == Some(&model.value);
            Choice {
                text: model.value.clone(),
                detail: if here { format!("{}  in use", model.name) } else { model.name.clone() },
                wishes: vec![Wish::Ask { command, tag: Tag::Nobody }],
            }
        });
        let title = format!("model of {}", info.name);
        self.open(Layer::Menu(Menu::new(&title, choices.collect())));
    }

    /// To the next agent that needs the person: asks first, then trouble, then answers not seen.
    fn next_ask(&mut self) {
        let wanted = |state: AgentState| {
            self.bench.agents.iter().filter(move |info| info.state == state).map(|info| info.id)
        };
        let mut all: Vec<_> = self.bench.asks.iter().map(|ask| ask.agent).collect();
        all.extend(wanted(AgentState::NeedsYou));
        all.extend(wanted(AgentState::Error));
        all.extend(wanted(AgentState::Finished));
        let mut unique = Vec::new();
        for agent in all {
            if !unique.contains(&agent) {
                unique.push(agent);
            }
        }
        let here = unique.iter().position(|agent| Some(*agent) == self.layout.focused_agent());
        let next = here.map_or(0, |here| (here + 1) % unique.len());
        match unique.get(next) {
            Some(agent) => {
                self.layers.clear();
                self.grant(vec![Wish::Answer(*agent)]);
            }
            None => self.tell(Level::Info, "nobody needs you"),
        }
    }

    fn quit(&mut self) {
        let busy = self.bench.busy();
        let (noun, verb) = if busy == 1 { ("agent", "is") } else { ("agents", "are") };
        let question = match (busy, self.options.attached) {
            (0, false) => {
                self.leave();
                return;
            }
            (0, true) => "quitting ends the engine; detaching leaves it running".to_owned(),
            (_, false) => format!("{busy} {noun} {verb} working; quit stops them"),
            (_, true) => format!(
                "{busy} {noun} {verb} working; quit stops them, detaching leaves them at it"
            ),
        };
        self.open(Layer::Confirm(Confirm::new(question, "quit", vec![Wish::Quit])));
    }
}

fn ask(command: Command) -> Wish {
    Wish::Ask { command: Box::new(command), tag: Tag::Nobody }
}

/// The next mode of the key. The modes that never ask are not among them: they are chosen with care,
/// when an agent is started.
fn next_mode(mode: PermissionMode) -> PermissionMode {
    match mode {
        PermissionMode::Default => PermissionMode::AcceptEdits,
        PermissionMode::AcceptEdits => PermissionMode::Plan,
        PermissionMode::Plan
        | PermissionMode::Auto
        | PermissionMode::DontAsk
        | PermissionMode::BypassPermissions => PermissionMode::Default,
    }
}
