//! Model checking of the real table: every order of reads, requests, looks, writes, ends,
//! time-outs, questions to the person, deaths, restarts and writes from outside, within bounds.
//!
//! The rules are then broken one by one; a check that does not notice proves nothing.

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::sealed::Sealed;
use super::world::{Action, Stage, World, marks, owner};
use crate::arbiter::input::{Deed, Effect, Hand, Seen};
use crate::arbiter::settings::{Mutant, Settings};
use crate::model::id::OpId;
use crate::model::lease::{Owner, RefusalCode};

const FILE: &str = "f";
const TEXT: &str = "anchor0\n.1\n.2\n.3\nanchor1\n.4\n.5\n.6\nanchor2\n";

/// The bounds of one check.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    agents: u8,
    writes: u8,
    ticks: u8,
    asks: u8,
    outside: u8,
    deaths: u8,
    restarts: u8,
    whole: bool,
    edits: bool,
    /// Processes write as well, past the tools.
    shell: bool,
    /// Lines so long that no refusal can show them.
    long: bool,
    /// Who carries the writes out.
    hand: Hand,
    mutant: Mutant,
}

const NONE: Bounds = Bounds {
    agents: 2,
    writes: 1,
    ticks: 0,
    asks: 0,
    outside: 0,
    deaths: 0,
    restarts: 0,
    whole: true,
    edits: true,
    shell: false,
    long: false,
    hand: Hand::Owner,
    mutant: Mutant::None,
};

type State = Sealed<More>;

#[derive(Debug, Clone, Hash)]
struct More {
    left: Left,
    /// What happened at least once, to see that the check looked at something.
    saw: Saw,
}

/// What may still happen.
#[derive(Debug, Clone, Hash)]
struct Left {
    writes: Vec<u8>,
    ticks: u8,
    asks: u8,
    outside: u8,
    deaths: u8,
    restarts: u8,
    /// Agents whose process is dead.
    dead: Vec<u8>,
    /// Agents whose process outlived an engine.
    orphans: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Hash, Default)]
struct Saw {
    rebase: bool,
    stale: bool,
    turn: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Read(u8),
    Whole(u8),
    Edit(u8),
    /// A process replaces the file by what its agent takes it for and a line, or adds the line.
    Replace(u8),
    Append(u8),
    Look(OpId),
    Run(OpId),
    Finish(OpId),
    Ask(OpId),
    Answer(OpId),
    EndTurn(u8),
    ToNextWake,
    LongTime,
    Die(u8),
    Outside,
    Restart,
}

fn agent(at: u8) -> Owner {
    owner(&format!("{at}"))
}

/// How everything begins.
fn begin(bounds: &Bounds) -> State {
    let settings = Settings {
        // One time to hold, whatever the pace, keeps the pace out of the state.
        hold_min_ms: 20_000,
        hold_max_ms: 20_000,
        ..Settings::broken(bounds.mutant)
    };
    let mut world = World::new(settings);
    world.quick = false;
    world.put(FILE, TEXT);
    let left = Left {
        writes: vec![bounds.writes; usize::from(bounds.agents)],
        ticks: bounds.ticks,
        asks: bounds.asks,
        outside: bounds.outside,
        deaths: bounds.deaths,
        restarts: bounds.restarts,
        dead: Vec::new(),
        orphans: Vec::new(),
    };
    // Numbers are given in one order, so that equal states are equal.
    for at in 0..bounds.agents {
        world.table.owners.who(&agent(at));
    }
    world.table.owners.who(&Owner::External);
    Sealed::new(world, More { left, saw: Saw::default() })
}

fn call_of(world: &World, at: u8) -> Option<OpId> {
    let owner = agent(at);
    world.calls.iter().find(|(_, call)| call.owner == owner).map(|(op, _)| *op)
}

impl Saw {
    fn note(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Granted { note: Some(_), .. } => self.rebase = true,
                Effect::Refused { refusal, .. } if refusal.code == RefusalCode::Stale => {
                    self.stale = true;
                }
                Effect::Tell { text, .. } if text.contains("passed to") => self.turn = true,
                _ => {}
            }
        }
    }
}

impl Model for Bounds {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![begin(self)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        let (world, left) = (&state.world, &state.more.left);
        for at in 0..self.agents {
            if left.dead.contains(&at) {
                // What the bench carries out goes on without its owner.
                let op = call_of(world, at).map(|op| (op, world.calls[&op].stage));
                steps.extend(op.and_then(|(op, stage)| match stage {
                    Stage::Granted => Some(Step::Run(op)),
                    Stage::Ran => Some(Step::Finish(op)),
                    Stage::Waiting | Stage::Looking(_) | Stage::Asked => None,
                }));
                continue;
            }
            if left.deaths > 0 || left.orphans.contains(&at) {
                steps.push(Step::Die(at));
            }
            let Some(op) = call_of(world, at) else {
                if left.orphans.contains(&at) {
                    continue;
                }
                if world.leases.values().any(|lease| lease.owner == agent(at)) {
                    steps.push(Step::EndTurn(at));
                }
                if left.writes[usize::from(at)] > 0 {
                    if world.remembered(&agent(at), FILE) != world.text(FILE).unwrap_or("") {
                        steps.push(Step::Read(at));
                    }
                    if self.whole {
                        steps.push(Step::Whole(at));
                    }
                    if self.edits {
                        steps.push(Step::Edit(at));
                    }
                    if self.shell {
                        steps.extend([Step::Replace(at), Step::Append(at)]);
                    }
                }
                continue;
            };
            let orphan = left.orphans.contains(&at);
            match world.calls[&op].stage {
                Stage::Waiting => {}
                Stage::Looking(_) => steps.push(Step::Look(op)),
                Stage::Granted => {
                    steps.push(Step::Run(op));
                    if !orphan {
                        steps.push(Step::EndTurn(at));
                    }
                    let shell = matches!(world.calls[&op].action, Action::Shell(..));
                    if left.asks > 0 && !orphan && !shell {
                        steps.push(Step::Ask(op));
                    }
                }
                Stage::Ran if !orphan => steps.push(Step::Finish(op)),
                Stage::Ran => {}
                Stage::Asked => steps.push(Step::Answer(op)),
            }
        }
        if left.ticks > 0 {
            if world.table.next_wake().is_some() {
                steps.push(Step::ToNextWake);
            }
            steps.push(Step::LongTime);
        }
        if left.outside > 0 {
            steps.push(Step::Outside);
        }
        if left.restarts > 0 {
            steps.push(Step::Restart);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let Sealed { mut world, mut more, .. } = last.clone();
        let left = &mut more.left;
        let pad = if self.long { "x".repeat(170) } else { String::new() };
        let line = |at: u8, left: &mut Left| {
            let seq = &mut left.writes[usize::from(at)];
            *seq -= 1;
            format!("{pad}@{at}.{seq}\n")
        };
        match step {
            Step::Read(at) => world.read(&agent(at), FILE, Seen::Full),
            Step::Whole(at) => {
                let text = format!("{}{}", world.remembered(&agent(at), FILE), line(at, left));
                world.call_by(self.hand, &agent(at), FILE, Action::Whole(text), 20_000);
            }
            Step::Edit(at) => {
                let anchor = format!("anchor{at}\n");
                let edits = vec![(anchor.clone(), format!("{anchor}{}", line(at, left)), false)];
                world.call_by(self.hand, &agent(at), FILE, Action::Edits(edits), 20_000);
            }
            Step::Replace(at) => {
                let text = format!("{}{}", world.remembered(&agent(at), FILE), line(at, left));
                world.call(&agent(at), FILE, Action::Shell(Deed::Destroy, text), 0);
            }
            Step::Append(at) => {
                let action = Action::Shell(Deed::Alter, line(at, left));
                world.call(&agent(at), FILE, action, 0);
            }
            Step::Look(op) => world.inspect(op),
            Step::Run(op) => world.run(op),
            Step::Finish(op) => world.finish(op),
            Step::Ask(op) => {
                left.asks -= 1;
                world.ask(op);
            }
            Step::Answer(op) => world.answer(op),
            Step::EndTurn(at) => world.end_turn(&agent(at)),
            Step::ToNextWake => {
                left.ticks -= 1;
                let wake = world.table.next_wake().unwrap_or(world.now);
                world.pass(wake.since(world.now));
            }
            Step::LongTime => {
                left.ticks -= 1;
                world.pass(61_000);
            }
            Step::Die(at) => {
                left.deaths = left.deaths.saturating_sub(1);
                left.dead.push(at);
                left.dead.sort_unstable();
                if left.orphans.contains(&at) {
                    left.orphans.retain(|orphan| *orphan != at);
                    world.bury(&agent(at));
                }
                world.die(&agent(at));
            }
            Step::Outside => {
                left.outside -= 1;
                let text = format!("{}outside\n", world.text(FILE).unwrap_or(""));
                world.put(FILE, &text);
            }
            Step::Restart => {
                left.restarts -= 1;
                world.restart();
                for at in 0..self.agents {
                    world.table.owners.who(&agent(at));
                }
                for at in 0..self.agents {
                    // A process without a call is seen to be dead at once and begins anew.
                    if world.calls.values().any(|call| call.owner == agent(at)) {
                        left.orphans.push(at);
                    } else if !left.dead.contains(&at) {
                        world.die(&agent(at));
                    }
                }
            }
        }
        more.saw.note(&world.effects);
        Some(Sealed::new(world, more))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("no lost update", |_, state: &State| state.world.lost.is_empty()),
            Property::always("one writer", |_, state: &State| !state.world.clash),
            Property::always("no forgotten waiter", |_, state: &State| {
                state.world.waiters_have_an_end()
            }),
            Property::always("told is true", |_, state: &State| state.world.leases_agree()),
        ];
        if self.mutant == Mutant::None {
            properties.push(Property::sometimes(
                "all is written",
                |bounds: &Self, state: &State| {
                    let here = marks(state.world.text(FILE).unwrap_or(""));
                    here.len() == usize::from(bounds.agents * bounds.writes)
                },
            ));
            if self.edits && !self.long {
                properties.push(Property::sometimes("a rebase", |_, state: &State| {
                    state.more.saw.rebase
                }));
            }
            if self.whole {
                properties.push(Property::sometimes("a stale write", |_, state: &State| {
                    state.more.saw.stale
                }));
            }
            if self.ticks > 0 {
                properties.push(Property::sometimes("a turn passes", |_, state: &State| {
                    state.more.saw.turn
                }));
            }
        }
        properties
    }
}

/// Looks at every state within the bounds.
fn holds(bounds: Bounds) {
    let checker = bounds.checker().threads(2).spawn_bfs().join();
    println!("{} states, {} deep, {bounds:?}", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
}

/// Breaks a rule and expects that a property breaks with it.
fn is_caught(bounds: Bounds, property: &'static str) {
    let wanted = HasDiscoveries::AnyOf([property].into());
    let checker = bounds.checker().threads(2).finish_when(wanted).spawn_bfs().join();
    let found = checker.discovery(property);
    println!("{} states, {bounds:?}", checker.unique_state_count());
    let path = found.unwrap_or_else(|| panic!("{property}: not noticed under {bounds:?}"));
    println!("{:?}", path.into_actions());
}

#[test]
fn two_agents_lose_nothing_under_time_outs_and_questions() {
    holds(Bounds { writes: 2, ticks: 1, ..NONE });
    holds(Bounds { ticks: 2, asks: 2, ..NONE });
}

#[test]
fn nothing_is_lost_to_restarts_deaths_and_outside_writers() {
    holds(Bounds { ticks: 1, outside: 1, deaths: 1, restarts: 1, ..NONE });
}

#[test]
fn what_the_bench_writes_outlives_its_owner() {
    holds(Bounds { deaths: 1, hand: Hand::Bench, ..NONE });
}

#[test]
fn three_agents_lose_nothing() {
    holds(Bounds { agents: 3, ticks: 1, ..NONE });
}

#[test]
fn nothing_is_lost_to_processes() {
    holds(Bounds { shell: true, edits: false, writes: 2, ..NONE });
    holds(Bounds { shell: true, ticks: 1, asks: 1, deaths: 1, ..NONE });
    holds(Bounds { shell: true, whole: false, restarts: 1, ..NONE });
}

#[test]
fn nothing_is_lost_when_no_refusal_can_show_the_change() {
    holds(Bounds { writes: 2, long: true, ..NONE });
}

#[test]
fn each_broken_rule_is_noticed() {
    let lost = "no lost update";
    is_caught(Bounds { mutant: Mutant::NoContentCheck, ..NONE }, lost);
    is_caught(Bounds { mutant: Mutant::NoLease, ..NONE }, lost);
    is_caught(Bounds { mutant: Mutant::NoLease, ..NONE }, "one writer");
    is_caught(Bounds { mutant: Mutant::TimeoutBreaksInflight, ticks: 2, ..NONE }, lost);
    is_caught(Bounds { mutant: Mutant::EndBreaksInflight, ..NONE }, lost);
    let bench = Bounds { deaths: 1, hand: Hand::Bench, ..NONE };
    is_caught(Bounds { mutant: Mutant::EndBreaksInflight, ..bench }, lost);
    let restart = Bounds { mutant: Mutant::RestartForgetsInflight, restarts: 1, ..NONE };
    is_caught(restart, lost);
    let long = Bounds { writes: 2, long: true, ..NONE };
    is_caught(Bounds { mutant: Mutant::RebaseCountsAsSeen, ..long }, lost);
    is_caught(Bounds { mutant: Mutant::CutRefusalCountsAsSeen, ..long }, lost);
    is_caught(Bounds { mutant: Mutant::ForgottenWaiter, ..NONE }, "no forgotten waiter");
    let shell = Bounds { shell: true, ..NONE };
    is_caught(Bounds { mutant: Mutant::TouchesAreBlind, ..shell }, lost);
    is_caught(Bounds { mutant: Mutant::TouchEndsWithItsCall, ..shell }, lost);
    is_caught(Bounds { mutant: Mutant::NoLease, ..shell }, lost);
}
