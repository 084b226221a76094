//! The wording of what owners are told, and of what the person reads of it.

use super::{run, trimmed};
use crate::arbiter::input::Effect;

fn check(script: &str, expected: &str) {
    let told = run(script).1.into_iter().filter_map(|effect| match effect {
        Effect::Tell { owner, text, shown } => Some(format!("{}: {text}\n{shown}", owner.key())),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>().join("\n"), trimmed(expected), "after: {script}");
}

#[test]
fn who_takes_a_file_reads_what_they_did_and_its_owner_what_to_do() {
    check(
        "a edits f two 2; user steals f for user",
        "a: The person has taken f over from you. What you wrote stays. Leave it alone until it is free, and read it again then.
         you took f over from a",
    );
    check(
        "a edits f two 2 slowly; user steals f for b; a is done",
        "a: The person has given f from you to \"b\" as soon as the write under way is done. What you wrote stays. Go on with something else, and read it again before you change it.
         you gave f from a to b, once a is done
         b: The person has reserved f for you. Read what is there before you write.
         you gave f to b",
    );
}

#[test]
fn a_folder_that_is_given_away_is_no_lease_that_ran_out() {
    check(
        "a edits src/x two 2; user steals src/ for b",
        "a: The person has given src/x from you to \"b\". What you wrote stays. Go on with something else, and read it again before you change it.
         you gave src/x from a to b
         b: The person has reserved src/ for you. Read what is there before you write.
         you gave src/ to b",
    );
}

#[test]
fn who_frees_a_file_or_ends_a_reservation_reads_whose_it_was() {
    check(
        "a edits f two 2; user frees f",
        "a: The person has released f: others may write it now. What you wrote stays; read it again before you change it.
         you released f, which a had",
    );
    check(
        "a reserves src/; user frees src/",
        "a: The person has ended your reservation of src/: others may write there now.
         you ended a's reservation of src/",
    );
}

#[test]
fn what_happens_by_itself_names_whom_it_happened_to() {
    check(
        "a edits f two 2; b edits f six 6; 600 pass",
        "a: f has passed to \"b\": your lease on it had run out. Nothing of yours was undone; read it again before you replace lines there.
         f passed to b: a's lease had run out",
    );
    check(
        "a reserves f; 1300 pass",
        "a: Your reservation of f has run out.
         a's reservation of f has run out",
    );
}
