//! What becomes of conversations: cleared, stopped, gone on with.

use super::*;
use crate::model::transcript::{Body, Level};

fn bodies(bench: &Bench, agent: AgentId) -> Vec<Body> {
    let items = bench.state.agents[&agent].fold.items().0;
    items.into_iter().map(|item| item.body).collect()
}

#[test]
fn a_cleared_conversation_says_that_a_new_one_begins_and_nothing_of_a_turn() {
    let mut bench = Bench::working(&["blue"]);
    bench.turn_ends(BLUE);
    assert_eq!(bodies(&bench, BLUE).len(), 2, "a prompt and the end of its turn");
    let former = bench.state.agents[&BLUE].row.id.clone();
    bench.command(Command::Send { agent: BLUE, text: "/clear".to_owned() });
    let (run, now) = (bench.runs[&BLUE], Now { mono: Mono(0), wall: Wall(0) });
    let reset = Input::Said(Said { agent: BLUE, run, report: Report::SessionReset });
    let effects = bench.state.update(now, reset);
    let told = effects.iter().any(|effect| {
        matches!(effect, Effect::Publish(Event::ItemChanged { item, .. })
            if matches!(item.body, Body::Notice { .. }))
    });
    assert!(told, "front ends are told of it");
    effects.into_iter().for_each(|effect| {
        for input in bench.perform(effect) {
            bench.feed(input);
        }
    });
    bench.turn_ends(BLUE);
    assert_ne!(bench.state.agents[&BLUE].row.id, former);
    let text = "a new conversation begins; the former one is in the history".to_owned();
    assert_eq!(bodies(&bench, BLUE), [Body::Notice { level: Level::Info, text }]);
    bench.command(Command::Send { agent: BLUE, text: "go on".to_owned() });
    bench.turn_ends(BLUE);
    assert_eq!(bodies(&bench, BLUE).len(), 3, "a prompt and the end of its turn again");
}
