//! Whether those who were refused had anybody in their way.
//!
//! What the engine has recorded of a refusal names who was in the way; whether that is so, the
//! accounts of the writers tell. A refusal for a lease needs that the one who is named was at the
//! file shortly before, one for unread text that somebody wrote after the last look.

use std::collections::BTreeMap;

use benchdog::history::Reader;
use benchdog::history::record::DecisionRow;
use benchdog::model::lease::Owner;
use serde_json::Value;

use crate::support::bench_process::Bench;

/// A file stays somebody's no longer than this after the last write, with the settings of the run
/// and on a machine that does much at once.
const KEPT_MS: u64 = 3_000;

/// The engine looks at its clock before it takes what was decided beside it.
const CLOCKS_MS: u64 = 1_000;

/// More decisions than a round can have.
const ALL: usize = 100_000;

/// A try of a writer, by its own account.
#[derive(Debug, Clone)]
pub(super) struct Try {
    writer: usize,
    path: String,
    pub(super) end: String,
    pub(super) why: String,
    /// When it began to look at the file for the last time before, or to write it; 0: never.
    looked: u64,
    from: u64,
    to: u64,
}

impl Try {
    /// All tries of a writer, in its order.
    pub(super) fn all(writer: usize, log: &str) -> Vec<Self> {
        let tries = log.lines().map(|line| {
            let entry: Value = serde_json::from_str(line).unwrap();
            let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            let time = |name: &str| entry[name].as_u64().unwrap();
            let (path, end, why) = (text("path"), text("end"), text("why"));
            let (looked, from, to) = (time("looked"), time("from"), time("to"));
            Self { writer, path, end, why, looked, from, to }
        });
        tries.collect()
    }
}

/// What the refusals of a round were.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    /// How many there were by what the engine says of them; `silent`: it has said nothing.
    pub(super) codes: BTreeMap<String, usize>,
    /// Those without a reason, and what the engine says of them.
    pub(super) unfounded: Vec<(Try, String)>,
}

impl Judgement {
    /// Judges all refusals of a round.
    pub(super) fn of(bench: &Bench, round: &str, tries: &[Try]) -> Self {
        let mut recorded = recorded(bench, round);
        let mut by_path: BTreeMap<&str, Vec<&Try>> = BTreeMap::new();
        for tried in tries {
            by_path.entry(&tried.path).or_default().push(tried);
        }
        let mut judgement = Self::default();
        for refused in tries.iter().filter(|tried| tried.end == "refused") {
            let mine = recorded.entry(refused.writer).or_default();
            // Its refusals stand there in its order.
            let row = mine.iter().position(|row| {
                let at = u64::try_from(row.at.0).unwrap();
                row.path == refused.path && at + CLOCKS_MS >= refused.from
            });
            let row = row.map(|at| mine.drain(..=at).next_back().unwrap());
            // A tool may have said itself what is recorded nowhere.
            let text = row.map_or_else(|| refused.why.clone(), |row| row.text);
            let code = text.split(['(', ')']).nth(1).unwrap_or("silent").to_owned();
            *judgement.codes.entry(code.clone()).or_default() += 1;
            if !has_reason(refused, &code, &text, &by_path[&*refused.path]) {
                judgement.unfounded.push((refused.clone(), text));
            }
        }
        judgement
    }

    /// Takes in those of another round.
    pub(super) fn add(&mut self, other: Self) {
        for (code, count) in other.codes {
            *self.codes.entry(code).or_default() += count;
        }
        self.unfounded.extend(other.unfounded);
    }
}

/// The refusals that the engine has recorded, by writer, oldest first.
fn recorded(bench: &Bench, round: &str) -> BTreeMap<usize, Vec<DecisionRow>> {
    // Whoever asks for changes has all stored that was said before.
    bench.json(&["changes", "--json", "--limit", "1"]);
    let reader = Reader::open(&bench.history()).unwrap();
    let mut found: BTreeMap<usize, Vec<DecisionRow>> = BTreeMap::new();
    let rows = reader.decisions(bench.workspace.path().to_str().unwrap(), ALL).unwrap();
    for row in rows.into_iter().rev() {
        if row.code != "OK"
            && row.path.starts_with(&format!("{round}/"))
            && let Some(writer) = number_of(&row.owner)
        {
            found.entry(writer).or_default().push(row);
        }
    }
    found
}

/// Which writer it is.
fn number_of(owner: &Owner) -> Option<usize> {
    owner.session()?.as_str().strip_prefix("call:w")?.parse().ok()
}

fn has_reason(refused: &Try, code: &str, text: &str, tries: &[&Try]) -> bool {
    let mut others = tries.iter().filter(|other| other.writer != refused.writer);
    let named = text.split('"').nth(1).and_then(|name| name.strip_prefix('w')?.parse().ok());
    let is_named = |other: &Try| named.is_none_or(|named: usize| named == other.writer);
    match code {
        "held" | "deadlock" | "timeout" => {
            named.is_some()
                && others.any(|other| {
                    is_named(other)
                        && other.from <= refused.to
                        && other.to + KEPT_MS >= refused.from
                })
        }
        "stale" | "unread" => others.any(|other| {
            is_named(other)
                && other.end == "acknowledged"
                && other.from <= refused.to
                && other.to >= refused.looked
        }),
        _ => false,
    }
}
