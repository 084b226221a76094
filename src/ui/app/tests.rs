//! Scenarios of this part of the screen: what is done to it, and what is seen then.

mod asks;
mod changes;
mod panes;
mod prompts;
mod random;

use std::cell::RefCell;
use std::num::NonZeroU16;
use std::rc::Rc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEventKind};
use proptest::prelude::*;
use ratatui::backend::CrosstermBackend;
use ratatui::{Terminal, TerminalOptions, Viewport};

use super::*;
use crate::engine::command::Reply;
use crate::engine::event::Event;
use crate::model::agent::{Backend, QueuedPrompt};
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::{AskId, ItemId};
use crate::model::permission::{Ask, AskAnswer, AskOutcome, PermissionMode};
use crate::model::report::ModelInfo;
use crate::model::time::Wall;
use crate::model::transcript::Body;
use crate::ui::action::Context;
use crate::ui::sample;

/// An app on a screen, driven by keys as text, with what it asked of the engine.
struct Stage {
    app: App,
    terminal: Glass,
    mono: u64,
    seq: u64,
    sent: Vec<ToEngine>,
    other: Vec<Effect>,
}

impl Stage {
    fn blank(width: u16, height: u16, options: Options) -> Self {
        let now = Now { mono: Mono(0), wall: Wall(sample::WALL) };
        let (app, effects) = App::new(now, options);
        let terminal = Glass::new(width, height);
        let (sent, other) = (Vec::new(), Vec::new());
        let mut stage = Self { app, terminal, mono: 0, seq: 1, sent, other };
        stage.keep(effects);
        stage.draw();
        stage
    }

    fn new(width: u16, height: u16, agents: usize) -> Self {
        let home = "/home/me".to_owned();
        let mut stage = Self::blank(width, height, Options { home, ..Options::default() });
        stage.message(ToClient::Snapshot(Box::new(sample::snapshot(agents))));
        stage.sent.clear();
        stage
    }

    fn now(&self) -> Now {
        Now { mono: Mono(self.mono), wall: Wall(sample::WALL) }
    }

    fn input(&mut self, input: Input) {
        let effects = self.app.update(self.now(), input);
        self.keep(effects);
        self.draw();
    }

    fn keep(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if let Effect::Send(message) = effect {
                self.sent.push(*message);
            } else {
                self.other.push(effect);
            }
        }
    }

    /// Draws what changed, and everything on a new screen: both have to be the same.
    fn draw(&mut self) {
        let area = self.terminal.area;
        let effects = self.app.measure(self.now(), area);
        self.keep(effects);
        self.terminal.draw(&self.app);
        let mut fresh = Glass::new(area.width, area.height);
        fresh.draw(&self.app);
        let (one, other) = (self.terminal.seen(), fresh.seen());
        let differ: Vec<_> = one.iter().zip(&other).filter(|(one, other)| one != other).collect();
        assert!(differ.is_empty(), "{differ:?}");
    }

    fn message(&mut self, message: ToClient) {
        self.input(Input::Message(Box::new(message)));
    }

    fn event(&mut self, event: Event) {
        self.seq += 1;
        self.message(ToClient::Event { seq: self.seq, event });
    }

    fn ask(&mut self, ask: Ask) {
        self.event(Event::AskOpened { ask: Box::new(ask) });
    }

    /// Changes the row of an agent.
    fn agent(&mut self, number: u32, change: impl FnOnce(&mut crate::model::agent::AgentInfo)) {
        let mut info = self.app.bench.agent(AgentId(number)).unwrap().clone();
        change(&mut info);
        self.event(Event::AgentChanged { agent: Box::new(info) });
    }

    /// Presses keys: chords separated by spaces.
    fn keys(&mut self, keys: &str) -> &mut Self {
        for raw in keys.split_whitespace() {
            let chord = Chord::parse(raw).unwrap();
            self.input(Input::Key(KeyEvent::new(chord.code(), chord.mods())));
        }
        self
    }

    /// Presses keys behind the prefix.
    fn command(&mut self, keys: &str) -> &mut Self {
        self.keys(&format!("ctrl+space {keys}"))
    }

    fn write(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.input(Input::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
        }
        self
    }

    /// Lets time pass, with the wake-ups that the app asked for.
    fn wait(&mut self, ms: u64) -> &mut Self {
        let until = self.mono + ms;
        while let Some(at) = self.app.wakes_at().filter(|at| at.0 <= until) {
            assert!(at.0 >= self.mono, "the past cannot be waited for");
            self.mono = at.0;
            self.input(Input::Tick);
            assert_ne!(self.app.wakes_at(), Some(at), "a wake-up happens once");
        }
        self.mono = until;
        self
    }

    fn reply(&mut self, reply: Reply) {
        let id = self.sent.last().unwrap().id;
        self.message(ToClient::Reply { id, reply });
    }

    /// What was asked of the engine since the last look.
    fn sent(&mut self) -> Vec<Command> {
        self.sent.drain(..).map(|message| message.command).collect()
    }

    fn answered(&mut self) -> Option<AskAnswer> {
        let Command::AnswerAsk { answer, .. } = self.sent().pop()? else { return None };
        Some(answer)
    }

    fn focus(&self) -> u32 {
        self.app.layout.focused_agent().map_or(0, |agent| agent.0)
    }

    fn place(&self) -> Option<Context> {
        self.app.place()
    }

    fn screen(&self) -> String {
        let area = self.terminal.area;
        let rows = self.terminal.emulator.screen().rows(0, area.width);
        rows.map(|row| row.trim_end().to_owned() + "\n").collect()
    }
}

/// A terminal: an independent emulator behind the bytes that are written to it.
struct Glass {
    terminal: Terminal<CrosstermBackend<Wire>>,
    wire: Wire,
    emulator: vt100::Parser,
    area: Rect,
}

#[derive(Clone, Default)]
struct Wire(Rc<RefCell<Vec<u8>>>);

impl std::io::Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Glass {
    fn new(width: u16, height: u16) -> Self {
        let area = Rect { x: 0, y: 0, width, height };
        let wire = Wire::default();
        let backend = CrosstermBackend::new(wire.clone());
        let viewport = Viewport::Fixed(area);
        let terminal = Terminal::with_options(backend, TerminalOptions { viewport }).unwrap();
        let size = |cells| NonZeroU16::new(cells).unwrap();
        let emulator = vt100::Parser::new(size(height), size(width), 0);
        Self { terminal, wire, emulator, area }
    }

    /// What is to be seen: each cell with its look, and the cursor.
    fn seen(&self) -> Vec<String> {
        let screen = self.emulator.screen();
        let look = |y: u16, x: u16| {
            let cell = screen.cell(y, x)?;
            let text = if cell.contents().is_empty() { " " } else { cell.contents() };
            let ground = (cell.bgcolor(), cell.inverse(), cell.underline());
            // Where a wide character gives way to a block cursor, terminals differ in what its
            // second half looks like; it is blank in each of them.
            let left = x.checked_sub(1).and_then(|x| screen.cell(y, x));
            let halved =
                left.is_some_and(|left| left.inverse() && left.contents().trim().is_empty());
            if text == " " && halved {
                return Some(format!("{x},{y} blank"));
            }
            if text == " " {
                return Some(format!("{x},{y} {ground:?}"));
            }
            let ink = (cell.fgcolor(), cell.bold(), cell.dim(), cell.is_wide());
            Some(format!("{x},{y} {text} {ground:?} {ink:?}"))
        };
        let rows = (0..self.area.height).flat_map(|y| (0..self.area.width).map(move |x| (y, x)));
        let cursor = if screen.hide_cursor() { None } else { Some(screen.cursor_position()) };
        rows.filter_map(|(y, x)| look(y, x)).chain([format!("{cursor:?}")]).collect()
    }

    fn draw(&mut self, app: &App) {
        self.terminal.draw(|frame| app.draw(frame)).unwrap();
        let bytes = std::mem::take(&mut *self.wire.0.borrow_mut());
        self.emulator.process(&bytes);
    }
}

const SIZES: [(u16, u16); 3] = [(40, 12), (80, 24), (160, 50)];

/// A snapshot of the screen at each size.
fn picture(name: &str, agents: usize, prepare: impl Fn(&mut Stage)) {
    for (width, height) in SIZES {
        let mut stage = Stage::new(width, height, agents);
        prepare(&mut stage);
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), stage.screen());
    }
}

#[test]
fn the_bench_with_one_three_and_eight_agents() {
    for count in [0, 1, 3, 8] {
        picture(&format!("bench_{count}"), count, |_| {});
    }
}

#[test]
fn a_permission_ask_with_a_command_and_with_an_edit() {
    picture("ask_bash", 1, |stage| {
        stage.ask(sample::bash(1, 1));
        stage.wait(2_000);
    });
    picture("ask_edit_reason", 1, |stage| {
        stage.ask(sample::edit(1, 1));
        stage.wait(2_000).keys("r").write("use a Range");
    });
    picture("ask_behind_a_draft", 2, |stage| {
        stage.write("and keep the old constructor");
        stage.ask(sample::edit(1, 1));
        stage.ask(sample::bash(2, 1));
        stage.wait(2_000);
    });
}

#[test]
fn questions_and_a_plan() {
    picture("questions", 1, |stage| {
        stage.ask(sample::questions(1, 1));
        stage.wait(2_000).keys("1 space down");
    });
    picture("plan", 1, |stage| {
        stage.ask(sample::plan(1, 1));
        stage.wait(2_000);
    });
}

fn with_locks(stage: &mut Stage) {
    for path in ["src/lex.rs", "docs/tokens.md"] {
        let lease = Some(sample::lease(path, 1, "blue"));
        stage.event(Event::LeaseMoved { path: path.into(), lease });
    }
    let attempt = sample::refused("src/lex.rs", "red", "blue");
    stage.event(Event::WriteRefused { attempt });
}

#[test]
fn the_views_over_the_bench() {
    picture("locks", 3, |stage| {
        with_locks(stage);
        stage.command("l").keys("down");
    });
    picture("locks_pin", 3, |stage| {
        with_locks(stage);
        stage.command("l").keys("p");
    });
    picture("inbox", 3, |stage| {
        stage.ask(sample::bash(1, 2));
        stage.ask(sample::edit(2, 1));
        stage.command("i").keys("down").wait(400);
    });
    picture("dialog", 3, |stage| {
        stage.command("n").write("blue").keys("enter");
    });
    picture("dialog_preset", 3, |stage| {
        stage.app.options.preset = Preset {
            backend: Backend::Script,
            model: "opus".into(),
            mode: PermissionMode::AcceptEdits,
            script: Vec::new(),
        };
        stage.command("n");
    });
    picture("help", 3, |stage| {
        stage.command("?");
    });
    picture("help_filtered", 3, |stage| {
        stage.keys("f1").write("split");
    });
    picture("which_key", 3, |stage| {
        stage.keys("ctrl+space");
    });
    picture("agents", 3, |stage| {
        stage.command("g").write("re");
    });
    picture("quit", 3, |stage| {
        stage.command("q");
    });
}

#[test]
fn a_pane_with_everything_at_once() {
    picture("busy", 2, |stage| {
        with_locks(stage);
        stage.agent(1, |info| {
            info.activity = Some("retry 2 of 10 in 4 s".into());
            info.background = vec!["cargo watch".into()];
            let queued = |id, text: &str| QueuedPrompt { id, text: text.to_owned() };
            info.queue = vec![queued(1, "then the parser"), queued(2, "and the docs")];
        });
        stage.agent(2, |info| {
            info.state = AgentState::Dead;
            info.trouble = Some("claude ended with code 1\nno credentials".into());
        });
        stage.input(Input::Paste("x\n".repeat(1_204)));
        stage.app.tell(Level::Error, "the answer did not arrive\ntry again");
        stage.wait(1);
        stage.input(Input::Tick);
    });
}

#[test]
fn the_first_frame_needs_no_engine() {
    let mut stage = Stage::blank(80, 24, Options::default());
    assert!(stage.screen().contains("starting …"), "{}", stage.screen());
    assert_eq!(stage.sent(), [Command::Subscribe]);
}

#[test]
fn a_new_agent_gets_a_pane_and_the_keys() {
    let mut stage = Stage::new(160, 50, 1);
    stage.command("n").write("gold").keys("shift+tab").write("begin").keys("enter");
    let sent = stage.sent.last().unwrap().command.clone();
    let Command::StartAgent { spec } = sent else { panic!("{sent:?}") };
    assert_eq!((spec.name.as_str(), spec.prompt.as_deref()), ("gold", Some("begin")));
    stage.reply(Reply::Agent(AgentId(9)));
    let info = Box::new(sample::info(9, "gold"));
    stage.event(Event::AgentChanged { agent: info });
    assert_eq!(stage.focus(), 9);
    stage.write("hello");
    assert!(stage.screen().contains("> hello"), "{}", stage.screen());
}

#[test]
fn modes_models_and_ends_of_agents() {
    let mut stage = Stage::new(80, 24, 1);
    stage.agent(1, |info| {
        let model = |value: &str| ModelInfo { value: value.into(), name: value.into() };
        info.models = [model("sonnet"), model("opus")].into();
    });
    let agent = AgentId(1);
    stage.keys("shift+tab");
    assert_eq!(stage.sent(), [Command::SetMode { agent, mode: PermissionMode::AcceptEdits }]);
    stage.command("m").write("op").keys("enter");
    assert_eq!(stage.sent(), [Command::SetModel { agent, model: "opus".into() }]);
    stage.command("S");
    assert_eq!(stage.sent(), []);
    stage.keys("n").command("S").keys("y");
    assert_eq!(stage.sent(), [Command::StopAgent { agent }]);
    stage.command("X").keys("y");
    assert_eq!(stage.sent(), [Command::RemoveAgent { agent }]);
    stage.event(Event::AgentRemoved { agent });
    assert!(stage.screen().contains("new agent"));
}

#[test]
fn quitting_asks_only_while_somebody_works() {
    let mut stage = Stage::new(80, 24, 3);
    stage.command("q");
    let screen = stage.screen();
    assert!(screen.contains("2 agents are working; quit stops them"), "{screen}");
    stage.keys("n");
    assert_eq!(stage.other, []);
    stage.command("q").keys("y");
    assert_eq!(stage.other, [Effect::Leave(Exit::Quit)]);
    assert_eq!(stage.sent().last(), Some(&Command::Shutdown));
    let mut idle = Stage::new(80, 24, 0);
    idle.keys("q");
    assert_eq!(idle.other, [Effect::Leave(Exit::Quit)]);
}

#[test]
fn only_an_attached_screen_detaches() {
    let mut stage = Stage::new(80, 24, 1);
    stage.command("d");
    assert_eq!(stage.other, []);
    let options = Options { attached: true, ..Options::default() };
    let mut attached = Stage::blank(80, 24, options);
    attached.keys("ctrl+space d");
    assert_eq!(attached.other, [Effect::Leave(Exit::Detached)]);
    assert_eq!(attached.sent(), [Command::Subscribe]);
}

#[test]
fn the_layout_is_saved_a_moment_after_it_changed() {
    let mut stage = Stage::new(160, 50, 3);
    stage.command("right").command("L").keys("L L").wait(700);
    assert_eq!(stage.sent(), []);
    stage.wait(200);
    let sent = stage.sent();
    let [Command::SaveLayout { layout }] = sent.as_slice() else { panic!("{sent:?}") };
    let again = Layout::load(Some(layout), &stage.app.bench.agents);
    assert_eq!(again.slots(), stage.app.layout.slots());
    assert_eq!(again.focus(), stage.app.layout.focus());
    stage.wait(60_000);
    assert_eq!(stage.sent(), [], "an unchanged layout is not saved again");
}

#[test]
fn a_new_snapshot_keeps_drafts_and_focus() {
    let mut stage = Stage::new(160, 50, 3);
    stage.command("2").write("draft");
    let mut snapshot = sample::snapshot(2);
    snapshot.seq = 50;
    stage.message(ToClient::Snapshot(Box::new(snapshot)));
    assert_eq!(stage.focus(), 2);
    let screen = stage.screen();
    assert!(screen.contains("> draft") && !screen.contains("gray"), "{screen}");
}

#[test]
fn older_items_are_asked_for_once_and_put_in_front() {
    let mut stage = Stage::blank(80, 24, Options::default());
    let mut snapshot = sample::snapshot(1);
    snapshot.agents[0].more_before = true;
    let long = "a line\n\n".repeat(200);
    snapshot.agents[0].items = vec![sample::item(100, Body::Text { text: long })];
    stage.message(ToClient::Snapshot(Box::new(snapshot)));
    stage.sent.clear();
    stage.keys("ctrl+home").wait(1);
    stage.input(Input::Tick);
    let sent = stage.sent.last().unwrap().command.clone();
    let Command::ReadTranscript { before, .. } = sent else { panic!("{sent:?}") };
    assert_eq!(before, Some(ItemId(100)));
    stage.input(Input::Tick);
    assert_eq!(stage.sent.len(), 1);
    let page = crate::model::session::TranscriptPage {
        items: vec![sample::item(1, Body::Text { text: "the very first".into() })],
        more_before: false,
    };
    stage.reply(Reply::Transcript(page));
    stage.keys("ctrl+home");
    assert!(stage.screen().contains("the very first"));
}

#[test]
fn the_mouse_gives_the_focus_and_scrolls_what_is_under_it() {
    let mut stage = Stage::new(160, 50, 3);
    let mouse = |kind, column, row| {
        Input::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
    };
    stage.input(mouse(MouseEventKind::Down(MouseButton::Left), 150, 40));
    assert_eq!(stage.focus(), 3);
    stage.app.take_redraw();
    stage.input(mouse(MouseEventKind::Moved, 10, 10));
    assert_eq!(stage.app.take_redraw(), Redraw::No, "moving the mouse draws nothing");
    stage.ask(sample::bash(1, 1));
    let row = 49;
    let x = stage.screen().lines().nth(49).unwrap().find("inbox").unwrap();
    let x = u16::try_from(x).unwrap();
    stage.input(mouse(MouseEventKind::Down(MouseButton::Left), x, row));
    assert!(matches!(stage.app.layers.last(), Some(Layer::Inbox(_))));
}

#[test]
fn what_nobody_sees_draws_nothing() {
    let mut stage = Stage::new(80, 24, 3);
    stage.wait(10_000);
    stage.app.take_redraw();
    let append =
        |agent| Event::TextAppended { agent: AgentId(agent), item: ItemId(2), text: "more".into() };
    stage.event(append(2));
    assert_eq!(stage.app.take_redraw(), Redraw::No);
    stage.event(append(1));
    assert_eq!(stage.app.take_redraw(), Redraw::Soon);
}

#[test]
fn an_idle_screen_asks_for_no_wake_up() {
    let mut stage = Stage::new(160, 50, 8);
    stage.wait(60_000);
    assert_eq!(stage.app.wakes_at(), None);
}

#[test]
fn unknown_sequences_are_said_and_the_prefix_twice_cancels() {
    let mut stage = Stage::new(80, 24, 1);
    stage.command("w");
    assert!(stage.screen().contains("Ctrl-Space w is bound to nothing"));
    stage.keys("ctrl+space ctrl+space").write("n");
    assert!(stage.screen().contains("> n"));
}

#[test]
fn a_picker_can_be_first() {
    let start = Start::Picker { all: true, query: Some("lexer".into()) };
    let mut stage = Stage::blank(80, 24, Options { start, ..Options::default() });
    let sent = stage.sent();
    assert_eq!(sent[0], Command::Subscribe);
    assert!(sent.iter().any(|command| matches!(command, Command::ListSessions { .. })), "{sent:?}");
    assert!(stage.screen().contains("lexer"), "{}", stage.screen());
}
