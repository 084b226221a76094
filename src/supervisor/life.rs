//! One agent from its first start to its end, over any number of processes.
//!
//! [`Life`] is a plain value that is told what happened and answers with what should be done.
//! These always hold after a call:
//!
//! - **The state is a function of what is open.** No event is needed to leave a state but the end
//!   of what caused it, and the end of the process ends everything that it had open.
//! - **A prompt goes out only to an agent that is free**, one at a time; those that wait survive
//!   every crash and restart.
//! - **Only the person starts a dead agent again.** A later restart with backoff belongs into
//!   [`Life::update`] where an unexpected exit is handled, with its delays in [`Limits`].
//!
//! Events of a former process must not come here: whoever calls filters them by their run.

use crate::model::agent::AgentState;
use crate::model::time::Mono;

/// How long an agent may take for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Milliseconds from the start of the process to its first answer.
    pub start_ms: u64,
    /// Milliseconds from the wish to stop to the use of force. Longer than the driver's own way
    /// from politeness to force, so that this is the net below it.
    pub stop_ms: u64,
    /// Milliseconds from the use of force to giving up.
    pub kill_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { start_ms: 60_000, stop_ms: 15_000, kill_ms: 5_000 }
    }
}

/// What happened to an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Its process was started.
    Started,
    /// Its process answers.
    Ready,
    /// A prompt waits to be sent.
    PromptQueued,
    /// The person took a waiting prompt back.
    PromptTaken,
    /// A turn began.
    TurnBegan,
    /// A turn ended.
    TurnEnded {
        /// What went wrong, if it ended badly.
        error: Option<String>,
    },
    /// It asks the person.
    AskOpened,
    /// An ask was answered or withdrawn.
    AskClosed,
    /// A write waits for a file.
    WaitBegan,
    /// A write has its file, or was refused.
    WaitEnded,
    /// A sub-agent or command runs beyond its turn.
    BackgroundBegan,
    /// A sub-agent or command that ran beyond its turn ended.
    BackgroundEnded,
    /// Its process is gone, or could not be started.
    Exited {
        /// Whether that is in order although nobody wanted it here (it ended by itself, well).
        expected: bool,
        /// What a person should read about an end that is not in order.
        trouble: String,
    },
    /// The person has seen its last answer.
    Seen,
    /// The person wants it to end. Wanted twice, it is ended by force.
    StopWanted,
    /// The person wants it to start: for the first time, again, or anew.
    RestartWanted,
    /// Time has passed.
    Tick,
}

/// What should be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start the process.
    Start,
    /// Ask the process to end.
    Stop,
    /// End the process and its children by force.
    Kill,
    /// Send the prompt that has waited longest.
    SendNext,
    /// It fares like this now.
    Changed(AgentState),
    /// Send a [`Event::Tick`] at this moment. An earlier wish of this kind needs none any more.
    WakeAt(Mono),
}

/// The life of one agent.
#[derive(Debug, Clone)]
pub struct Life {
    limits: Limits,
    phase: Phase,
    prompts: usize,
    turn: Turn,
    asks: usize,
    waits: usize,
    background: usize,
    unseen: bool,
    failed: bool,
    trouble: Option<String>,
    resting_since: Option<Mono>,
}

/// Where its process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It was never wanted to start.
    New,
    /// It does not answer yet.
    Starting { until: Mono },
    /// It did not answer in time; it still may.
    Late,
    /// It answers.
    Running,
    /// It is asked to end; `answered` says whether it ever answered.
    Stopping { answered: bool, force: Force, then_start: bool },
    /// It is gone.
    Gone,
}

/// How far the wish to stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Force {
    /// It is given time until then.
    At(Mono),
    /// It was used; it should show until then.
    Used(Mono),
    /// It did not help.
    InVain,
}

/// Where the conversation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// Nobody speaks.
    None,
    /// A prompt is on its way.
    Sent,
    /// The agent works.
    Under,
}

impl Life {
    /// An agent that was not started yet; [`Event::RestartWanted`] starts it.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            phase: Phase::New,
            prompts: 0,
            turn: Turn::None,
            asks: 0,
            waits: 0,
            background: 0,
            unseen: false,
            failed: false,
            trouble: None,
            resting_since: None,
        }
    }

    /// How it fares.
    pub fn state(&self) -> AgentState {
        let starting = match self.phase {
            Phase::Gone => return AgentState::Dead,
            Phase::New | Phase::Starting { .. } => true,
            Phase::Stopping { answered, .. } => !answered && !self.failed,
            Phase::Late | Phase::Running => false,
        };
        if starting {
            AgentState::Starting
        } else if self.asks > 0 {
            AgentState::NeedsYou
        } else if self.waits > 0 {
            AgentState::WaitingForFile
        } else if self.turn != Turn::None {
            AgentState::Working
        } else if self.failed {
            AgentState::Error
        } else if self.unseen {
            AgentState::Finished
        } else {
            AgentState::Idle
        }
    }

    /// Why it is in error or dead, for a person.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// How many prompts wait.
    pub fn prompts(&self) -> usize {
        self.prompts
    }

    /// Since when nothing at all goes on in it. An agent that is quiet because a sub-agent or a
    /// background command runs, an ask is open or a file is awaited does not rest.
    pub fn resting_since(&self) -> Option<Mono> {
        self.resting_since
    }

    /// Takes in what happened at `now` and says what should be done.
    pub fn update(&mut self, now: Mono, event: Event) -> Vec<Effect> {
        let before = self.state();
        let mut effects = Vec::new();
        match event {
            Event::Started => self.started(now, &mut effects),
            Event::Ready => self.ready(),
            Event::PromptQueued => self.prompts = self.prompts.saturating_add(1),
            Event::PromptTaken => self.prompts = self.prompts.saturating_sub(1),
            Event::TurnBegan => {
                self.ready();
                if self.lives() {
                    (self.turn, self.unseen, self.failed) = (Turn::Under, false, false);
                    self.trouble = None;
                }
            }
            Event::TurnEnded { error } => {
                if self.lives() {
                    (self.turn, self.unseen) = (Turn::None, true);
                    (self.failed, self.trouble) = (error.is_some(), error);
                }
            }
            Event::AskOpened => self.asks = self.opened(self.asks),
            Event::AskClosed => self.asks = self.asks.saturating_sub(1),
            Event::WaitBegan => self.waits = self.opened(self.waits),
            Event::WaitEnded => self.waits = self.waits.saturating_sub(1),
            Event::BackgroundBegan => self.background = self.opened(self.background),
            Event::BackgroundEnded => self.background = self.background.saturating_sub(1),
            Event::Exited { expected, trouble } => {
                self.exited(now, expected, trouble, &mut effects);
            }
            Event::Seen => self.unseen = false,
            Event::StopWanted => self.stop(now, StopThen::StayDown, &mut effects),
            Event::RestartWanted => self.restart(now, &mut effects),
            Event::Tick => self.tick(now, &mut effects),
        }
        if self.prompts > 0 && self.is_free() {
            self.prompts -= 1;
            self.turn = Turn::Sent;
            effects.push(Effect::SendNext);
        }
        self.note_rest(now);
        let after = self.state();
        if after != before {
            effects.push(Effect::Changed(after));
        }
        effects
    }

    fn started(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        if matches!(self.phase, Phase::New | Phase::Starting { .. }) {
            self.begin(now, effects);
        }
    }

    /// Gives a process that starts now its time.
    fn begin(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        let until = now.after(self.limits.start_ms);
        self.phase = Phase::Starting { until };
        (self.failed, self.trouble) = (false, None);
        effects.push(Effect::WakeAt(until));
    }

    fn ready(&mut self) {
        match &mut self.phase {
            Phase::Starting { .. } => self.phase = Phase::Running,
            Phase::Late => {
                self.phase = Phase::Running;
                (self.failed, self.trouble) = (false, None);
            }
            Phase::Stopping { answered, .. } => *answered = true,
            Phase::New | Phase::Running | Phase::Gone => {}
        }
    }

    /// Whether the person wants it to end.
    pub fn stop_wanted(&self) -> bool {
        matches!(self.phase, Phase::Stopping { .. })
    }

    /// Whether a turn is under way, or its prompt is on the way.
    pub fn in_turn(&self) -> bool {
        self.turn != Turn::None
    }

    /// Whether there is a process that can have anything open.
    pub fn lives(&self) -> bool {
        !matches!(self.phase, Phase::New | Phase::Gone)
    }

    /// Whether it was never wanted to start.
    pub fn is_new(&self) -> bool {
        self.phase == Phase::New
    }

    fn opened(&self, count: usize) -> usize {
        if self.lives() { count.saturating_add(1) } else { 0 }
    }

    /// Whether a prompt would begin a turn at once.
    fn is_free(&self) -> bool {
        self.phase == Phase::Running && self.turn == Turn::None
    }

    fn exited(&mut self, now: Mono, expected: bool, trouble: String, effects: &mut Vec<Effect>) {
        let (wanted, then_start) = match self.phase {
            Phase::Stopping { then_start, .. } => (true, then_start),
            Phase::Starting { .. } | Phase::Late | Phase::Running => (false, false),
            Phase::New | Phase::Gone => return,
        };
        self.phase = Phase::Gone;
        self.turn = Turn::None;
        (self.asks, self.waits, self.background) = (0, 0, 0);
        (self.failed, self.trouble) = (false, (!expected && !wanted).then_some(trouble));
        if then_start {
            effects.push(Effect::Start);
            self.begin(now, effects);
        }
    }

    fn stop(&mut self, now: Mono, then: StopThen, effects: &mut Vec<Effect>) {
        let then_start = then == StopThen::Start;
        match self.phase {
            Phase::Starting { .. } | Phase::Late | Phase::Running => {
                let until = now.after(self.limits.stop_ms);
                let answered = self.phase == Phase::Running;
                self.phase = Phase::Stopping { answered, force: Force::At(until), then_start };
                effects.extend([Effect::Stop, Effect::WakeAt(until)]);
            }
            Phase::Stopping { answered, mut force, .. } => {
                // The same wish twice is impatience; another one is only a change of mind.
                if !then_start && !matches!(force, Force::Used(_)) {
                    force = self.kill(now, effects);
                }
                self.phase = Phase::Stopping { answered, force, then_start };
            }
            Phase::New | Phase::Gone => {}
        }
    }

    fn kill(&self, now: Mono, effects: &mut Vec<Effect>) -> Force {
        let until = now.after(self.limits.kill_ms);
        effects.extend([Effect::Kill, Effect::WakeAt(until)]);
        Force::Used(until)
    }

    fn restart(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        match self.phase {
            Phase::New | Phase::Gone => {
                effects.push(Effect::Start);
                self.begin(now, effects);
            }
            Phase::Starting { .. } => {}
            Phase::Late | Phase::Running | Phase::Stopping { .. } => {
                self.stop(now, StopThen::Start, effects);
            }
        }
    }

    fn tick(&mut self, now: Mono, effects: &mut Vec<Effect>) {
        match self.phase {
            Phase::Starting { until } if until <= now => {
                self.phase = Phase::Late;
                self.failed = true;
                let seconds = self.limits.start_ms / 1_000;
                self.trouble = Some(format!("it has not answered for {seconds} s since its start"));
            }
            Phase::Stopping { answered, force, then_start } => {
                let force = match force {
                    Force::At(until) if until <= now => self.kill(now, effects),
                    Force::Used(until) if until <= now => {
                        self.failed = true;
                        self.trouble = Some("its process does not end, even by force".to_owned());
                        Force::InVain
                    }
                    Force::At(_) | Force::Used(_) | Force::InVain => force,
                };
                self.phase = Phase::Stopping { answered, force, then_start };
            }
            Phase::New | Phase::Starting { .. } | Phase::Late | Phase::Running | Phase::Gone => {}
        }
    }

    fn note_rest(&mut self, now: Mono) {
        let busy = self.turn != Turn::None || self.asks + self.waits + self.background > 0;
        if self.phase != Phase::Running || busy {
            self.resting_since = None;
        } else if self.resting_since.is_none() {
            self.resting_since = Some(now);
        }
    }
}

/// What comes after the end of a process that is asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StopThen {
    StayDown,
    Start,
}

#[cfg(test)]
mod tests;
