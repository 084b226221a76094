//! The loop of the screen: terminal and engine in, frames out.
//!
//! - A key is answered by a frame at once; what agents write by at most one frame in 16 ms, and by
//!   one in 33 ms while it is not the focused pane.
//! - Without a change there is no frame, and without a deadline no wake-up.
//! - The engine is never waited for: commands queue here, and while too many do, keys wait in the
//!   terminal.

mod suspend;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use ratatui::layout::Rect;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use self::suspend::suspend;
use super::app::{App, Effect, Input, Redraw};
pub use super::app::{Exit, Options, Start};
use super::terminal::{Probe, Screen, probe, tell_of_keys};
use crate::engine::event::ToEngine;
use crate::engine::link::Link;
use crate::model::failure::{Failure, FailureKind};
use crate::model::time::{Mono, Now, Wall};
use crate::model::transcript::Level;

/// Messages of the engine that are taken in before the next look at the keys.
const MESSAGES: usize = 256;

/// Events of the terminal that are taken in before the next frame.
const EVENTS: usize = 64;

/// Commands that wait here for the engine; beyond that keys wait in the terminal.
const OUTGOING: usize = 256;

/// The time between two frames.
const FRAME: Duration = Duration::from_millis(16);

/// The time between two frames for what nobody looks at closely.
const LAZY_FRAME: Duration = Duration::from_millis(33);

/// How long the terminal has to say which keyboard it has.
const PROBE: Duration = Duration::from_millis(120);

/// How long to wait for a panic to be told, at a time.
const PANIC: Duration = Duration::from_millis(20);

/// How long the last commands may take to reach the engine.
const FAREWELL: Duration = Duration::from_millis(500);

/// Runs the screen until the person leaves it. The terminal is as before when this returns.
pub async fn run(link: Link, options: Options) -> Result<Exit, Failure> {
    let broken = |error: io::Error| {
        Failure::new(FailureKind::Failed, "the terminal cannot be used")
            .hint("run benchdog in a terminal; `benchdog serve` needs none")
            .cause(error)
    };
    let screen = Screen::enter(options.mouse).map_err(broken)?;
    Driver::new(link, options, screen).map_err(broken)?.run().await.map_err(broken)
}

enum Keyboard {
    Asking(JoinHandle<io::Result<Probe>>),
    Open(EventStream),
}

enum Woken {
    Probed(Probe),
    Terminal(Option<io::Result<Event>>),
    Engine(Option<Box<crate::engine::event::ToClient>>),
    Room,
    Deadline,
    Hangup,
    Stop,
}

struct Driver {
    link: Link,
    app: App,
    screen: Screen,
    keyboard: Keyboard,
    outgoing: VecDeque<ToEngine>,
    start: Instant,
    drawn: Instant,
    frame: Option<Instant>,
    hangup: [Signal; 3],
    stop: Signal,
    go_on: Signal,
}

impl Driver {
    fn new(link: Link, options: Options, mut screen: Screen) -> io::Result<Self> {
        let start = Instant::now();
        let (mut app, mut effects) = App::new(now(start), options);
        // The first frame comes before anything is known and before the keyboard is asked.
        effects.extend(draw(&mut app, &mut screen, now(start))?);
        Ok(Self {
            link,
            app,
            screen,
            keyboard: Keyboard::Asking(tokio::task::spawn_blocking(|| probe(PROBE))),
            outgoing: effects.into_iter().filter_map(message_of).collect(),
            start,
            drawn: start,
            frame: None,
            hangup: [
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
                signal(SignalKind::interrupt())?,
            ],
            stop: signal(suspend::stop_signal())?,
            go_on: signal(suspend::go_on_signal())?,
        })
    }

    async fn run(mut self) -> io::Result<Exit> {
        loop {
            let left = match self.next().await {
                Woken::Probed(probe) => self.probed(probe).await?,
                Woken::Terminal(Some(Ok(event))) => self.terminal(event).await?,
                Woken::Terminal(Some(Err(_)) | None) | Woken::Hangup => Some(Exit::Hangup),
                Woken::Engine(Some(message)) => self.engine(message).await?,
                Woken::Engine(None) => Some(Exit::EngineGone),
                Woken::Room => None,
                Woken::Deadline => self.tick().await?,
                Woken::Stop => {
                    suspend(&mut self.screen, None, &mut self.go_on).await?;
                    self.input(Input::Resize).await?
                }
            };
            if let Some(exit) = left {
                return Ok(self.leave(exit).await);
            }
            self.schedule();
            if self.frame.is_some_and(|at| at <= Instant::now()) {
                self.draw()?;
            }
        }
    }

    /// Waits for whatever comes first.
    async fn next(&mut self) -> Woken {
        let wake = self.app.wakes_at().map(|at| self.start + Duration::from_millis(at.0));
        let deadline = [self.frame, wake].into_iter().flatten().min();
        let [terminate, hangup, interrupt] = &mut self.hangup;
        let keyboard = &mut self.keyboard;
        tokio::select! {
            biased;
            _ = terminate.recv() => Woken::Hangup,
            _ = hangup.recv() => Woken::Hangup,
            _ = interrupt.recv() => Woken::Hangup,
            _ = self.stop.recv() => Woken::Stop,
            woken = async {
                match keyboard {
                    Keyboard::Asking(answer) => {
                        Woken::Probed(answer.await.ok().and_then(Result::ok).unwrap_or_default())
                    }
                    Keyboard::Open(events) => Woken::Terminal(events.next().await),
                }
            }, if self.outgoing.len() < OUTGOING => woken,
            room = self.link.commands.reserve(), if !self.outgoing.is_empty() => {
                // A closed channel means that the engine is gone, which the events say too.
                if let (Ok(room), Some(message)) = (room, self.outgoing.pop_front()) {
                    room.send(message);
                }
                Woken::Room
            }
            () = sleep_until(deadline.unwrap_or(self.start)), if deadline.is_some() => {
                Woken::Deadline
            }
            message = self.link.events.recv() => Woken::Engine(message.map(Box::new)),
        }
    }

    /// The terminal said which keyboard it has: from now on its events are read.
    async fn probed(&mut self, probe: Probe) -> io::Result<Option<Exit>> {
        self.keyboard = Keyboard::Open(EventStream::new());
        if probe.clear_keys {
            self.screen.use_clear_keys()?;
        }
        // What was typed meanwhile came by the older protocol.
        for event in probe.typed {
            if let Some(exit) = self.input(input_of(event)).await? {
                return Ok(Some(exit));
            }
        }
        if probe.clear_keys {
            self.input(Input::ClearKeys).await?;
        }
        // Nobody was told if the terminal changed its size meanwhile.
        self.input(Input::Resize).await
    }

    /// Takes in an event of the terminal and those that came with it.
    async fn terminal(&mut self, event: Event) -> io::Result<Option<Exit>> {
        let mut next = Some(event);
        for _ in 0..EVENTS {
            let Some(event) = next.take() else {
                break;
            };
            if let Some(exit) = self.input(input_of(event)).await? {
                return Ok(Some(exit));
            }
            if let Keyboard::Open(events) = &mut self.keyboard {
                next = at_hand(events).await;
            }
        }
        if let Some(event) = next {
            return Box::pin(self.terminal(event)).await;
        }
        // A terminal that cannot be asked has gone, which its events say too.
        let _ = tell_of_keys();
        Ok(None)
    }

    /// Takes in a message of the engine and those that came with it.
    async fn engine(
        &mut self,
        message: Box<crate::engine::event::ToClient>,
    ) -> io::Result<Option<Exit>> {
        let mut next = Some(message);
        for count in 1..=MESSAGES {
            let Some(message) = next.take() else {
                break;
            };
            if let Some(exit) = self.input(Input::Message(message)).await? {
                return Ok(Some(exit));
            }
            if count < MESSAGES {
                next = self.link.events.try_recv().map(Box::new);
            }
        }
        Ok(None)
    }

    async fn tick(&mut self) -> io::Result<Option<Exit>> {
        let due = self.app.wakes_at().is_some_and(|at| at <= now(self.start).mono);
        if due { self.input(Input::Tick).await } else { Ok(None) }
    }

    /// Gives an input to the app and does what it wants.
    async fn input(&mut self, input: Input) -> io::Result<Option<Exit>> {
        let effects = self.app.update(now(self.start), input);
        self.perform(effects).await
    }

    async fn perform(&mut self, effects: Vec<Effect>) -> io::Result<Option<Exit>> {
        let mut left = None;
        for effect in effects {
            match effect {
                Effect::Send(message) => self.outgoing.push_back(*message),
                Effect::Copy(text) => self.screen.copy(&text)?,
                Effect::Bell => self.screen.bell()?,
                Effect::Redraw => self.screen.forget()?,
                Effect::Suspend if suspend::has_shell() => {
                    let stop = Some(&mut self.stop);
                    suspend(&mut self.screen, stop, &mut self.go_on).await?;
                    self.app.update(now(self.start), Input::Resize);
                }
                Effect::Suspend => {
                    self.app.tell(Level::Info, "there is no shell to go back to");
                }
                Effect::Leave(exit) => left = Some(exit),
            }
        }
        Ok(left)
    }

    /// Decides when the next frame is due.
    fn schedule(&mut self) {
        let at = match self.app.take_redraw() {
            Redraw::No => return,
            Redraw::Lazy => (self.drawn + LAZY_FRAME).max(Instant::now()),
            Redraw::Soon => (self.drawn + FRAME).max(Instant::now()),
            Redraw::Now => Instant::now(),
        };
        self.frame = Some(self.frame.map_or(at, |frame| frame.min(at)));
    }

    fn draw(&mut self) -> io::Result<()> {
        if !self.screen.is_ours() {
            // A panic elsewhere gave the terminal back; what it says must not be drawn over.
            if !self.screen.was_panic_said() {
                self.frame = Some(Instant::now() + PANIC);
                return Ok(());
            }
            self.screen.take_back()?;
            let text = "a part of benchdog failed; what it said is behind this screen";
            self.app.tell(Level::Error, text);
        }
        let effects = draw(&mut self.app, &mut self.screen, now(self.start))?;
        self.outgoing.extend(effects.into_iter().filter_map(message_of));
        self.frame = None;
        self.drawn = Instant::now();
        Ok(())
    }

    /// Gives the terminal back, then the engine what it was still to get.
    async fn leave(self, exit: Exit) -> Exit {
        let Self { link, screen, outgoing, .. } = self;
        drop(screen);
        let farewell = async {
            for message in outgoing {
                if link.commands.send(message).await.is_err() {
                    break;
                }
            }
        };
        // An engine that does not listen for so long will not miss the rest.
        let _ = timeout(FAREWELL, farewell).await;
        exit
    }
}

/// The next event of the terminal if it is there already. The stream must not be asked on behalf of
/// anybody but this task: it wakes only the first who asked.
async fn at_hand(events: &mut EventStream) -> Option<Event> {
    poll_fn(|context| match events.poll_next_unpin(context) {
        Poll::Ready(event) => Poll::Ready(event.and_then(Result::ok)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Measures and draws one frame; says what measuring wants.
fn draw(app: &mut App, screen: &mut Screen, now: Now) -> io::Result<Vec<Effect>> {
    let size = screen.size()?;
    let area = Rect { x: 0, y: 0, width: size.width, height: size.height };
    let effects = app.measure(now, area);
    app.take_redraw();
    screen.draw(|frame| app.draw(frame))?;
    Ok(effects)
}

fn input_of(event: Event) -> Input {
    match event {
        Event::Key(key) => Input::Key(key),
        Event::Paste(text) => Input::Paste(text),
        Event::Mouse(mouse) => Input::Mouse(mouse),
        Event::Resize(_, _) => Input::Resize,
        Event::FocusGained => Input::Focus(true),
        Event::FocusLost => Input::Focus(false),
    }
}

fn message_of(effect: Effect) -> Option<ToEngine> {
    match effect {
        Effect::Send(message) => Some(*message),
        Effect::Copy(_) | Effect::Bell | Effect::Redraw | Effect::Suspend | Effect::Leave(_) => {
            None
        }
    }
}

/// The moment, on both clocks.
fn now(start: Instant) -> Now {
    let mono = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    Now { mono: Mono(mono), wall: Wall(i64::try_from(wall).unwrap_or(i64::MAX)) }
}
