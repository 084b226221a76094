//! Model checking of deadlocks: three agents, three files, each may hold one and want another.
//!
//! The judge does not look at the table's own graph: it follows what the effects told, who waits
//! for whom by a lease that could pass on, and finds no circle. No time passes, so nothing is
//! solved by waiting.

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::sealed::Sealed;
use super::world::{Action, Stage, World, owner};
use crate::arbiter::settings::{Mutant, Settings};
use crate::model::id::OpId;
use crate::model::lease::{LeaseState, Owner};

const FILES: [&str; 3] = ["f", "g", "h"];

#[derive(Debug, Clone, Copy)]
struct Circles {
    agents: u8,
    writes: u8,
    mutant: Mutant,
}

/// With the writes that each agent has left.
type State = Sealed<Vec<u8>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Want(u8, u8),
    Done(OpId),
}

fn agent(at: u8) -> Owner {
    owner(&format!("{at}"))
}

impl State {
    /// Whom an agent waits for by a lease that could pass on.
    fn waits_for(&self, owner: &Owner) -> Option<Owner> {
        let waits = |stage: Stage| matches!(stage, Stage::Waiting);
        let call =
            self.world.calls.values().find(|call| call.owner == *owner && waits(call.stage))?;
        let lease = self.world.leases.get(&call.path)?;
        (lease.state != LeaseState::Inflight).then(|| lease.owner.clone())
    }

    fn has_circle(&self, agents: u8) -> bool {
        (0..agents).any(|at| {
            let start = agent(at);
            let mut next = self.waits_for(&start);
            for _ in 0..agents {
                match next {
                    Some(owner) if owner == start => return true,
                    Some(owner) => next = self.waits_for(&owner),
                    None => return false,
                }
            }
            false
        })
    }
}

impl Model for Circles {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let mut world = World::new(Settings::broken(self.mutant));
        for at in FILES {
            world.put(at, "text\n");
            world.table.file(&super::world::path(at));
        }
        for at in 0..self.agents {
            world.table.owners.who(&agent(at));
        }
        let writes = vec![self.writes; usize::from(self.agents)];
        vec![Sealed::new(world, writes)]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        for at in 0..self.agents {
            let call = state.world.calls.iter().find(|(_, call)| call.owner == agent(at));
            match call {
                Some((op, call)) if call.stage == Stage::Granted => steps.push(Step::Done(*op)),
                Some(_) => {}
                None if state.more[usize::from(at)] > 0 => {
                    steps.extend((0..3).map(|file| Step::Want(at, file)));
                }
                None => {}
            }
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let Sealed { mut world, more: mut writes, .. } = last.clone();
        match step {
            Step::Want(at, file) => {
                writes[usize::from(at)] -= 1;
                let edits = vec![("text".to_owned(), "text".to_owned() + "+", false)];
                let path = FILES[usize::from(file)];
                world.call(&agent(at), path, Action::Edits(edits), 20_000);
            }
            Step::Done(op) => {
                world.run(op);
                world.finish(op);
            }
        }
        Some(Sealed::new(world, writes))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("no circle", |model: &Self, state: &State| {
                !state.has_circle(model.agents)
            }),
            Property::always("no forgotten waiter", |_, state: &State| {
                state.world.waiters_have_an_end()
            }),
        ];
        if self.mutant == Mutant::None {
            properties.push(Property::sometimes(
                "all is written",
                |model: &Self, state: &State| {
                    let written: usize =
                        FILES.iter().filter_map(|at| state.world.text(at)).map(str::len).sum();
                    written == 3 * 5 + usize::from(model.agents * model.writes)
                },
            ));
        }
        properties
    }
}

/// Looks at every state within the bounds.
fn holds(circles: Circles) {
    let checker = circles.checker().threads(2).spawn_bfs().join();
    println!("{} states, {} deep", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
}

#[test]
fn two_agents_never_wait_for_each_other() {
    holds(Circles { agents: 2, writes: 3, mutant: Mutant::None });
}

#[test]
fn three_agents_never_wait_in_a_circle() {
    holds(Circles { agents: 3, writes: 2, mutant: Mutant::None });
}

#[test]
fn without_the_check_for_circles_one_is_found() {
    let checker = Circles { agents: 3, writes: 2, mutant: Mutant::NoDeadlockCheck }
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyOf(["no circle"].into()))
        .spawn_bfs()
        .join();
    assert!(checker.discovery("no circle").is_some(), "no circle was found");
}
