//! Races: what a call is about changes while it is being answered.
//!
//! The attacker is this program again, behind the guard. Each race must have had both outcomes, a
//! write of the free file and a refusal, or it was no race; and the held file must be as before.

use std::sync::Arc;

use crate::field::{Field, HELD, ORIGINAL, Others};
use crate::kernel::{as_ordinary_user, kernel_asks};
use crate::support::attacker::{
    BARE_PART, BARE_ROUNDS, Counts, RACES, attack, environment, prepare, while_links_change,
};

/// Not a test unless the test below starts it: the attacker.
#[test]
fn attacker() {
    attack();
}

fn race(attack: &str, tries: usize, guarded: bool) -> (String, String, String) {
    let field = Field::new();
    let root = field.root();
    prepare(attack, &root, &field.out());
    let before = field.fingerprint();
    let others = Arc::new(Others::default());
    others.hold(&root, HELD);
    let test = std::env::current_exe().unwrap();
    let test = test.to_str().unwrap();
    let named = environment(attack, tries, guarded);
    let named: String = named.iter().map(|(name, value)| format!("{name}='{value}' ")).collect();
    let script = format!("{named} exec {test} --exact races::attacker --nocapture");
    let ended = while_links_change(attack, &field.out(), || {
        if guarded { field.guarded(&script, &others) } else { field.bare(&script) }
    });
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    (ended.text, before, field.fingerprint())
}

#[test]
fn nothing_that_changes_meanwhile_opens_the_door() {
    if !kernel_asks() {
        return;
    }
    let only = std::env::var("WAY").ok();
    for (attack, tries) in RACES.iter().filter(|(n, _)| only.as_ref().is_none_or(|o| o == n)) {
        // On a busy machine all tries may fall between two changes.
        let proves = (0..BARE_ROUNDS).any(|_| {
            let (_, before, after) = race(attack, tries / BARE_PART, false);
            before != after
        });
        assert!(proves, "{attack} proves nothing");
        let (text, before, after) = race(attack, *tries, true);
        let counts = Counts::read(&text);
        println!("{attack}, {tries} tries: {counts:?}");
        assert_eq!(before, after, "{attack}: {text}");
        assert!(before.contains(&format!("{:?}", ORIGINAL.as_bytes())));
        counts.assert_a_race(attack);
    }
}

#[test]
fn it_is_the_same_for_an_ordinary_user() {
    as_ordinary_user("races::nothing_that_changes_meanwhile_opens_the_door");
}
