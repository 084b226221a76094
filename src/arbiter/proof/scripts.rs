//! Each rule as a little script: what happens on the left, what is answered on the right.
//!
//! `a`, `b`, ... are agents, `a/x` is a sub-agent of `a`, `user` is the person and `editor` a
//! program outside. Tools run at once when they are granted unless the script says `slowly`.

mod contents;
mod leases;
mod news;
mod reservations;
mod touches;
mod waits;

use super::world::{Action, Stage, World, owner, path};
use crate::arbiter::input::{Deed, Effect, Input, Seen};
use crate::arbiter::settings::Settings;
use crate::model::id::OpId;
use crate::model::lease::{LeaseState, Owner};

/// Grants, refusals, waits and what owners are told.
fn check(script: &str, expected: &str) {
    let world = run(script);
    let got: Vec<String> = world.1.iter().filter_map(|effect| answer(&world.0, effect)).collect();
    assert_eq!(got.join("\n"), trimmed(expected), "after: {script}");
}

/// How leases move.
fn check_moves(script: &str, expected: &str) {
    let world = run(script);
    let moves = world.1.iter().filter_map(|effect| match effect {
        Effect::Moved { path, lease: Some(lease) } => {
            let state = format!("{:?}", lease.state).to_lowercase();
            let queue: Vec<String> = lease.queue.iter().map(Owner::key).collect();
            let queue =
                if queue.is_empty() { String::new() } else { format!(" < {}", queue.join(" ")) };
            let behind = lease.behind.as_ref().map(|pin| format!(" before {}", pin.owner.key()));
            let behind = behind.unwrap_or_default();
            Some(format!("{path}: {} {state}{behind}{queue}", lease.owner.key()))
        }
        Effect::Moved { path, lease: None } => Some(format!("{path}: free")),
        _ => None,
    });
    assert_eq!(moves.collect::<Vec<_>>().join("\n"), trimmed(expected), "after: {script}");
}

/// What owners know and who changed what.
fn check_knowledge(script: &str, expected: &str) {
    let world = run(script);
    let lines = world.1.iter().filter_map(|effect| match effect {
        Effect::Knows { owner, path, observation } => {
            let seen = observation.map_or("nothing".to_owned(), |o| format!("{:?}", o.seen));
            Some(format!("{} knows {path}: {seen}", owner.key()))
        }
        Effect::Changed { path, owner, over, after, .. } => {
            let over = over.as_ref().map_or(String::new(), |over| format!(" over {}", over.key()));
            let did = if after.is_some() { "changed" } else { "deleted" };
            Some(format!("{} {did} {path}{over}", owner.key()))
        }
        _ => None,
    });
    assert_eq!(lines.collect::<Vec<_>>().join("\n"), trimmed(expected), "after: {script}");
}

fn trimmed(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn answer(names: &[(OpId, String)], effect: &Effect) -> Option<String> {
    let who = |op: &OpId| {
        names.iter().find(|(id, _)| id == op).map_or_else(|| format!("{op}"), |(_, n)| n.clone())
    };
    match effect {
        Effect::Granted { op, note } => {
            let note = if note.is_some() { " with a note" } else { "" };
            Some(format!("{} may{note}", who(op)))
        }
        Effect::Refused { op, refusal } => Some(format!("{} may not: {}", who(op), refusal.code)),
        Effect::Waiting { op, path, holder, place } => {
            Some(format!("{} waits for {} on {path} at {place}", who(op), holder.key()))
        }
        Effect::Tell { owner, text, .. } => {
            let head: Vec<&str> = text.split(' ').take(4).collect();
            Some(format!("tell {}: {}", owner.key(), head.join(" ")))
        }
        Effect::Inspect { .. }
        | Effect::LookAfter { .. }
        | Effect::Lapsed { .. }
        | Effect::Moved { .. }
        | Effect::Knows { .. }
        | Effect::Changed { .. }
        | Effect::WakeAt(_) => None,
    }
}

const TEXT: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n";

/// Runs a script; returns the names of its calls and all effects.
fn run(script: &str) -> (Vec<(OpId, String)>, Vec<Effect>) {
    let mut world = World::new(Settings::default());
    let mut names: Vec<(OpId, String)> = Vec::new();
    for at in ["f", "g", "src/x", "src/y"] {
        world.put(at, TEXT);
    }
    for step in script.split([';', '\n']).map(str::trim).filter(|step| !step.is_empty()) {
        let (step, slow) = match step.strip_suffix(" slowly") {
            Some(step) => (step, true),
            None => (step, false),
        };
        let words: Vec<&str> = step.split(' ').collect();
        let who = owner(words[0]);
        let last = names.iter().rev().find(|(_, name)| name == words[0]).map(|(op, _)| *op);
        let first = names.len();
        match words[1..] {
            ["reads", at] => world.read(&who, at, Seen::Full),
            ["reads", "part", "of", at] => world.read(&who, at, Seen::Range),
            ["writes", at, text] => {
                let op = world.call(&who, at, Action::Whole(lines(text)), 20_000);
                names.push((op, words[0].into()));
            }
            ["edits", at, old, new] => {
                let edits = vec![(lines(old), lines(new), false)];
                let op = world.call(&who, at, Action::Edits(edits), 20_000);
                names.push((op, words[0].into()));
            }
            ["tries", at, old, new] => {
                let edits = vec![(lines(old), lines(new), false)];
                let op = world.call(&who, at, Action::Edits(edits), 0);
                names.push((op, words[0].into()));
            }
            ["formats", at, text] => {
                let op = world.call(&who, at, Action::Opaque(lines(text)), 20_000);
                names.push((op, words[0].into()));
            }
            ["shells", at, text] => {
                let op = world.call(&who, at, Action::Shell(Deed::Destroy, lines(text)), 0);
                names.push((op, words[0].into()));
            }
            ["moves", at] => {
                let op = world.call(&who, at, Action::Shell(Deed::MoveFolder, String::new()), 0);
                names.push((op, words[0].into()));
            }
            ["creates", at] => {
                let op = world.call(&who, at, Action::Shell(Deed::Appear, lines("x")), 0);
                names.push((op, words[0].into()));
            }
            ["pokes", at, text] => {
                let op = world.call(&who, at, Action::Shell(Deed::Overwrite, lines(text)), 0);
                names.push((op, words[0].into()));
            }
            ["appends", at, text] => {
                let op = world.call(&who, at, Action::Shell(Deed::Alter, lines(text)), 0);
                names.push((op, words[0].into()));
            }
            ["waits", "for", at] => {
                let op = world.call(&who, at, Action::Turn, 60_000);
                names.push((op, words[0].into()));
            }
            ["reserves", patterns] => {
                let patterns = patterns.split(',').map(str::to_owned).collect();
                let for_ms = (who != Owner::User).then_some(600_000);
                let op = world.reserve(&who, patterns, for_ms, 30_000);
                names.push((op, words[0].into()));
            }
            ["takes", "the", "tree"] => {
                let op = world.take_tree(&who, 10_000);
                names.push((op, words[0].into()));
            }
            ["asks"] => world.ask(last.unwrap()),
            ["is", "allowed"] => world.answer(last.unwrap()),
            ["is", "denied"] => world.withdraw(last.unwrap()),
            ["is", "done"] => {
                world.run(last.unwrap());
                world.finish(last.unwrap());
            }
            ["carries", "out", at] => world.carry_out(&who, last.unwrap(), at),
            ["lets", "go"] => world.let_go(last.unwrap()),
            ["is", "written"] => world.run(names.last().unwrap().0),
            ["fails"] => world.fail(last.unwrap()),
            ["is", "over"] => world.finish(last.unwrap()),
            ["is", "done", "with", at] => world.tell(Input::Done { owner: who, path: path(at) }),
            ["ends", "turn"] => world.end_turn(&who),
            ["runs", "and", "dies"] => {
                world.run(last.unwrap());
                world.die(&who);
            }
            ["dies"] => world.die(&who),
            ["releases"] => world.tell(Input::Release { owner: who, paths: vec![] }),
            ["releases", at] => {
                world.tell(Input::Release { owner: who, paths: vec![at.to_owned()] });
            }
            ["steals", at, "for", to] => {
                world.tell(Input::Steal { path: at.into(), to: owner(to) });
            }
            ["frees", at] => world.tell(Input::Free { path: at.into() }),
            ["changes", at, old, new] => {
                let text = world.text(at).unwrap().replace(&lines(old), &lines(new));
                world.put(at, &text);
            }
            ["removes", at] => {
                world.disk.remove(at);
            }
            ["is", "found", "in", at] => {
                let disk = world.look(at);
                world.tell(Input::Found { by: who, path: path(at), disk });
            }
            ["pass"] => world.pass(words[0].parse::<u64>().unwrap() * 1_000),
            _ => panic!("the script says {step:?}"),
        }
        if !slow && let Some((op, _)) = names.get(first) {
            let op = *op;
            if world.calls.get(&op).is_some_and(|call| call.stage == Stage::Granted) {
                world.run(op);
                world.finish(op);
            }
        }
        world.check();
    }
    (names, world.effects)
}

fn lines(text: &str) -> String {
    text.replace('|', "\n").replace('_', "")
}
