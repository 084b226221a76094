//! What programs notice of the guard when nobody stands in their way: nothing.

use std::sync::Arc;

use crate::field::{Field, Others};
use crate::kernel::{as_ordinary_user, kernel_asks};

const SAME: &str = include_str!("same.py");

/// Results that differ on purpose: line, without, with.
const DIFFERENT: &[(&str, &str)] = &[];

fn results(guarded: bool) -> Vec<String> {
    let field = Field::new();
    std::fs::write(field.out().join("same.py"), SAME).unwrap();
    let script = "exec python3 $OUT/same.py";
    let others = Arc::new(Others::default());
    let ended = if guarded { field.guarded(script, &others) } else { field.bare(script) };
    if guarded {
        others.all_ended();
    }
    let base = field.root().parent().unwrap().to_str().unwrap().to_owned();
    ended.text.lines().map(|line| line.replace(&base, "BASE")).collect()
}

#[test]
fn every_call_gives_the_same_result() {
    if !kernel_asks() {
        return;
    }
    let (bare, guarded) = (results(false), results(true));
    let mut wrong = vec![];
    for index in 0..bare.len().max(guarded.len()) {
        let line = |lines: &[String]| lines.get(index).cloned().unwrap_or_default();
        let (bare, guarded) = (line(&bare), line(&guarded));
        let meant = DIFFERENT.contains(&(bare.as_str(), guarded.as_str()));
        if bare != guarded && !meant {
            wrong.push(format!("without: {bare}\nwith:    {guarded}"));
        }
    }
    println!("{} results compared", bare.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(bare.len() > 240, "{}", bare.join("\n"));
}

#[test]
fn it_is_the_same_for_an_ordinary_user() {
    as_ordinary_user("same::every_call_gives_the_same_result");
}
