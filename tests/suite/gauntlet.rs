//! The gauntlet of the whole product: ways in which one agent can overwrite what another one wrote.
//!
//! Blue has written a line. Red does something, by the built program, against a real engine. Each
//! row says what is expected in words, and what was seen; the same is done where nothing is guarded
//! and nothing arbitrated, and must change the file there, or the row proves nothing.
//!
//! `cargo test --test suite gauntlet -- --nocapture` prints the tables. `ROW=name` runs one row.

mod field;
mod git;
mod programs;
mod scenes;
mod tools;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::guard::kernel_asks;
use field::{Field, as_ordinary_user, has, loudly};

/// Rows that must prove something here.
const AT_LEAST: usize = 55;

/// Workers that do rows at the same time.
const WORKERS: usize = 4;

/// What a way does to a text that its doer may not have seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// It takes the place of the text, or the name away.
    Destroys,
    /// It writes the whole text anew, made of the one before.
    Rewrites,
    /// It takes all of the text elsewhere.
    Moves,
    /// It adds to the text.
    Keeps,
    /// It is git, and may destroy what is not committed, whoever has seen it: that needs the person's
    /// word.
    Asks,
}

/// One way, as a script for `bash`. `$F` is the file, `$ABS` its full path, `$OUT` a folder
/// outside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) script: &'static str,
    pub(crate) harm: Harm,
    /// Done by the person before anything else.
    pub(crate) prepare: &'static str,
    /// Programs without which it proves nothing.
    pub(crate) needs: &'static [&'static str],
    /// The file, what it holds, and the piece of it that blue changes.
    pub(crate) file: &'static str,
    pub(crate) text: &'static str,
    pub(crate) piece: &'static str,
    /// What blue puts in its place; it contains [`BLUES`].
    pub(crate) blues: &'static str,
}

/// What stands in each line of blue's.
pub(crate) const BLUES: &str = "blue's line";
const TEXT: &str = "// first\n// second\n// third\nfn  main( ) { }\n";

pub(crate) const fn way(name: &'static str, script: &'static str) -> Way {
    Way {
        name,
        script,
        harm: Harm::Destroys,
        prepare: "",
        needs: &[],
        file: "src/f.txt",
        text: TEXT,
        piece: "// second\n",
        blues: "// second\n// blue's line\n",
    }
}

impl Way {
    pub(crate) const fn keeps(self) -> Self {
        Self { harm: Harm::Keeps, ..self }
    }

    pub(crate) const fn rewrites(self) -> Self {
        Self { harm: Harm::Rewrites, ..self }
    }

    pub(crate) const fn asks(self) -> Self {
        Self { harm: Harm::Asks, ..self }
    }

    pub(crate) const fn moves(self) -> Self {
        Self { harm: Harm::Moves, ..self }
    }

    pub(crate) const fn after(self, prepare: &'static str) -> Self {
        Self { prepare, ..self }
    }

    pub(crate) const fn needs(self, needs: &'static [&'static str]) -> Self {
        Self { needs, ..self }
    }
}

/// Whether blue's line and whether anything else of the file is still there.
struct Left {
    kept: bool,
    changed: bool,
    told: String,
}

/// One situation in which red goes a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Situation {
    /// Blue's line is new to red.
    Unread,
    /// Blue has reserved the file.
    Pinned,
    /// Red has been shown the file since.
    Seen,
}

impl Situation {
    /// The folder of a row in this situation.
    fn folder(self, number: usize) -> String {
        format!("r{number}-{self:?}").to_lowercase()
    }
}

/// Makes the folders of all rows that can be gone here.
fn prepare(field: &Field, ways: &[&Way], situations: &[Situation]) {
    for (number, way) in ways.iter().enumerate() {
        if way.needs.iter().all(|program| has(program)) {
            situations.iter().for_each(|one| field.prepare(&one.folder(number), way));
        }
    }
}

fn go(field: &Field, way: &Way, number: usize, situation: Situation) -> Left {
    let folder = situation.folder(number);
    let (blue, red) = (format!("blue-{folder}"), format!("red-{folder}"));
    let path = format!("{folder}/{}", way.file);
    let code = field.edit(&blue, &path, way.piece, way.blues);
    assert_eq!(code, "OK", "{}: blue's own edit", way.name);
    match situation {
        Situation::Unread => {}
        Situation::Pinned => assert_eq!(field.reserve(&blue, &path), "OK", "{}", way.name),
        Situation::Seen => assert_eq!(field.read(&red, &path), "OK", "{}", way.name),
    }
    let before = field.text(&path);
    let ran = field.shell(&red, &folder, way.file, way.script);
    let after = field.text(&path);
    let kept = after.contains(BLUES);
    Left { kept, changed: before != after, told: ran }
}

/// What is expected, what was seen, and what is wrong with it, of one way.
fn judge(on: &Field, off: &Field, way: &Way, number: usize) -> Row {
    let mut row = Row { name: way.name.to_owned(), ..Row::default() };
    if let Some(missing) = way.needs.iter().find(|program| !has(program)) {
        row.skipped = Some(format!("there is no {missing}"));
        return row;
    }
    let bare = go(off, way, number, Situation::Unread);
    if !bare.changed {
        row.skipped = Some(format!("it changes nothing here: {}", bare.told.trim()));
        return row;
    }
    row.bare = if bare.kept { "changed" } else { "lost" };
    if matches!(way.harm, Harm::Destroys | Harm::Asks) && bare.kept {
        row.wrong.push("it does not lose anything where nothing is guarded".to_owned());
    }
    let mut check = |situation: Situation, expected: &'static str, is: &dyn Fn(&Left) -> bool| {
        let left = go(on, way, number, situation);
        let code = code_of(&left.told);
        let seen = match (code, left.changed, left.kept) {
            (Some(code), false, _) => format!("refused ({code})"),
            (Some(code), true, true) => format!("refused ({code}), kept"),
            (Some(code), true, false) => format!("refused ({code}), LOST"),
            (None, true, true) => "done, both kept".to_owned(),
            (None, true, false) => "done, blue's gone".to_owned(),
            (None, false, _) => "nothing done".to_owned(),
        };
        if !is(&left) {
            row.wrong.push(format!("{situation:?}: expected {expected}: {seen}: {}", left.told));
        }
        row.seen.push(seen);
    };
    let refused = |word: &'static str| {
        move |left: &Left| code_of(&left.told) == Some(word) && left.kept && !left.changed
    };
    // Some of what git keeps for itself is for nobody else, whoever has seen the file.
    let done =
        |left: &Left| left.changed && code_of(&left.told).is_none_or(|code| code == "outside");
    match way.harm {
        Harm::Destroys | Harm::Rewrites | Harm::Moves => {
            check(Situation::Unread, "refused (unread)", &refused("unread"));
            check(Situation::Pinned, "refused (pinned)", &refused("pinned"));
            check(Situation::Seen, "allowed because seen", &done);
        }
        Harm::Asks => {
            let refused = |left: &Left| code_of(&left.told).is_some() && left.kept && !left.changed;
            for situation in [Situation::Unread, Situation::Pinned, Situation::Seen] {
                check(situation, "refused as a whole", &refused);
            }
        }
        Harm::Keeps => {
            check(Situation::Unread, "both kept", &|left| done(left) && left.kept);
            check(Situation::Pinned, "refused (pinned)", &refused("pinned"));
            check(Situation::Seen, "both kept", &|left| done(left) && left.kept);
        }
    }
    row
}

/// The first refusal in what a command was told.
fn code_of(told: &str) -> Option<&str> {
    let refusals = ["NOT WRITTEN (", "NOT RUN ("];
    let first = refusals.iter().filter_map(|refusal| told.split_once(refusal)).next()?;
    first.1.split(')').next()
}

/// One row of the table.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) seen: Vec<String>,
    pub(crate) bare: &'static str,
    pub(crate) wrong: Vec<String>,
    pub(crate) known: Option<String>,
    pub(crate) skipped: Option<String>,
}

/// Prints the rows and panics if one is not as expected.
fn conclude(title: &str, rows: &[Row], at_least: usize) {
    let mut text = format!("\n{title}\n");
    for row in rows {
        let seen = match &row.skipped {
            Some(why) => format!("SKIPPED: {why}"),
            None => row.seen.join(" | "),
        };
        let known = row.known.as_ref().map(|why| format!("  KNOWN: {why}")).unwrap_or_default();
        let mark = if row.wrong.is_empty() { ' ' } else { '!' };
        text += &format!("{mark} {:<34} {seen}  [bare: {}]{known}\n", row.name, row.bare);
    }
    let skipped = rows.iter().filter(|row| row.skipped.is_some()).count();
    let known = rows.iter().filter(|row| row.known.is_some()).count();
    let proving = rows.len() - skipped;
    eprintln!("{text}{proving} rows prove something, {known} known gaps, {skipped} skipped");
    if skipped > 0 {
        loudly(&format!("{skipped} rows of the gauntlet: a program is missing"));
    }
    let wrong: BTreeMap<&str, &Vec<String>> = rows
        .iter()
        .filter(|row| !row.wrong.is_empty())
        .map(|row| (row.name.as_str(), &row.wrong))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        proving >= at_least || std::env::var_os("ROW").is_some(),
        "only {proving} rows prove something"
    );
}

/// Does all rows of `total`, several at the same time, in the order of their numbers.
fn rows_of(total: usize, row: impl Fn(usize) -> Row + Sync) -> Vec<Row> {
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= total {
                        return;
                    }
                    let done = row(number);
                    rows.lock().unwrap().insert(number, done);
                }
            });
        }
    });
    rows.into_inner().unwrap().into_values().collect()
}

/// Whether somebody asks for this row.
fn wanted(name: &str) -> bool {
    std::env::var("ROW").map_or(true, |only| name == only)
}

#[test]
fn no_program_of_one_agent_destroys_what_another_one_wrote() {
    if !kernel_asks() {
        return;
    }
    let begun = std::time::Instant::now();
    let ways: Vec<&Way> = programs::PROGRAMS.iter().chain(git::VERBS).collect();
    let ways: Vec<&Way> = ways.into_iter().filter(|way| wanted(way.name)).collect();
    let all = [Situation::Unread, Situation::Pinned, Situation::Seen];
    let on = Field::guarded(&|field| prepare(field, &ways, &all));
    let off = Field::bare(&|field| prepare(field, &ways, &all[..1]));
    let rows = rows_of(ways.len(), |number| judge(&on, &off, ways[number], number));
    let title = format!(
        "Programs: blue's line is unread | reserved | seen ({:.1} s)",
        begun.elapsed().as_secs_f64()
    );
    conclude(&title, &rows, AT_LEAST);
}

#[test]
fn no_program_of_an_ordinary_user_does_so_either() {
    as_ordinary_user("gauntlet::no_program_of_one_agent_destroys_what_another_one_wrote");
}

#[test]
fn no_tool_call_of_one_agent_destroys_what_another_one_wrote() {
    if !kernel_asks() {
        return;
    }
    let plays: Vec<_> = tools::PLAYS.iter().filter(|play| wanted(play.name)).collect();
    let prepare = |field: &Field| {
        (0..plays.len()).for_each(|number| field.prepare(&tools::folder(number), &way("", "")));
    };
    let (on, off) = (Field::guarded(&prepare), Field::bare(&prepare));
    let rows = rows_of(plays.len(), |number| tools::judge(&on, &off, plays[number], number));
    conclude("Tools: what each step said", &rows, plays.len());
}

#[test]
fn no_tool_call_of_an_ordinary_user_does_so_either() {
    as_ordinary_user("gauntlet::no_tool_call_of_one_agent_destroys_what_another_one_wrote");
}

#[test]
fn no_moment_is_right_to_destroy_what_another_one_wrote() {
    if !kernel_asks() {
        return;
    }
    let all: Vec<_> = scenes::SCENES.iter().filter(|(name, _)| wanted(name)).collect();
    let on = Field::guarded(&|field| {
        (0..all.len()).for_each(|number| field.prepare(&scenes::folder(number), &way("", "")));
    });
    let rows = rows_of(all.len(), |number| {
        let (name, scene) = all[number];
        let mut row = Row { name: (*name).to_owned(), bare: "-", ..Row::default() };
        match scene(&on, number) {
            Ok(seen) => row.seen.push(seen),
            Err(why) => row.skipped = Some(why),
        }
        row
    });
    conclude("Moments", &rows, all.len().saturating_sub(2));
}

#[test]
fn no_moment_of_an_ordinary_user_is_right_either() {
    as_ordinary_user("gauntlet::no_moment_is_right_to_destroy_what_another_one_wrote");
}
