//! Random scripts: whatever happens in whatever order, what the table promises holds; and random
//! edits on random changes: a rebase keeps what both wrote.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::world::{Action, Stage, World, marks, owner, path};
use crate::arbiter::input::{Deed, Edit, Effect, Hand, Input, Seen};
use crate::arbiter::rebase::{Obstacle, rebase};
use crate::arbiter::settings::Settings;
use crate::model::difference::Difference;
use crate::model::id::OpId;
use crate::model::lease::{LeaseState, Owner, RefusalCode};

const OWNERS: [&str; 4] = ["a", "a/x", "b", "c"];
const FILES: [&str; 3] = ["f", "src/g", "src/h"];
const PATTERNS: [&[&str]; 4] = [&["f"], &["src/"], &["f", "src/h"], &["src/*h", "doc/"]];
const TEXT: &str = "one\n.1\n.2\ntwo\n.3\n.4\nthree\n.5\n.6\nfour\n";
const ANCHORS: [&str; 4] = ["one\n", "two\n", "three\n", "four\n"];
const LIMIT: usize = 700;

/// Something that happens. A call is meant by its place among those that are open.
#[derive(Debug, Clone)]
enum Step {
    Read(usize, usize),
    ReadPart(usize, usize),
    Whole(usize, usize, u64),
    Edit(usize, usize, usize, u64),
    Opaque(usize, usize),
    /// A process replaces a file, or adds to it.
    Replace(usize, usize),
    Append(usize, usize),
    /// The bench writes for somebody.
    Bench(usize, usize),
    WaitFor(usize, usize),
    Reserve(usize, usize, u64),
    Release(usize),
    Look(usize),
    Run(usize),
    Finish(usize),
    Ask(usize),
    Answer(usize),
    Withdraw(usize),
    EndTurn(usize),
    Die(usize),
    Outside(usize),
    Found(usize, usize),
    Steal(usize, usize),
    PersonReserves(usize),
    Free(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..OWNERS.len();
    let file = || 0..FILES.len();
    let call = || 0..8_usize;
    let wait = || prop_oneof![Just(0_u64), Just(20_000)];
    prop_oneof![
        4 => (who(), file()).prop_map(|(w, f)| Step::Read(w, f)),
        1 => (who(), file()).prop_map(|(w, f)| Step::ReadPart(w, f)),
        5 => (who(), file(), wait()).prop_map(|(w, f, ms)| Step::Whole(w, f, ms)),
        8 => (who(), file(), 0..ANCHORS.len(), wait())
            .prop_map(|(w, f, at, ms)| Step::Edit(w, f, at, ms)),
        1 => (who(), file()).prop_map(|(w, f)| Step::Opaque(w, f)),
        2 => (who(), file()).prop_map(|(w, f)| Step::Bench(w, f)),
        4 => (who(), file()).prop_map(|(w, f)| Step::Replace(w, f)),
        3 => (who(), file()).prop_map(|(w, f)| Step::Append(w, f)),
        1 => (who(), file()).prop_map(|(w, f)| Step::WaitFor(w, f)),
        1 => (who(), 0..PATTERNS.len(), wait()).prop_map(|(w, p, ms)| Step::Reserve(w, p, ms)),
        1 => who().prop_map(Step::Release),
        8 => call().prop_map(Step::Look),
        8 => call().prop_map(Step::Run),
        8 => call().prop_map(Step::Finish),
        1 => call().prop_map(Step::Ask),
        2 => call().prop_map(Step::Answer),
        1 => call().prop_map(Step::Withdraw),
        2 => who().prop_map(Step::EndTurn),
        1 => who().prop_map(Step::Die),
        1 => file().prop_map(Step::Outside),
        1 => (who(), file()).prop_map(|(w, f)| Step::Found(w, f)),
        1 => (file(), who()).prop_map(|(f, w)| Step::Steal(f, w)),
        1 => (0..PATTERNS.len()).prop_map(Step::PersonReserves),
        1 => file().prop_map(Step::Free),
        3 => prop_oneof![Just(1_000_u64), Just(16_000), Just(61_000)].prop_map(Step::Pass),
    ]
}

/// How far a request is, as far as was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Open,
    Granted,
    Refused,
    Withdrawn,
}

struct Run {
    world: World,
    answers: BTreeMap<OpId, Answer>,
    looked_at: usize,
    marks: u32,
}

impl Run {
    fn new() -> Self {
        let mut world = World::new(Settings::default());
        world.quick = false;
        for file in FILES {
            world.put(file, TEXT);
        }
        let name = "a name that somebody thought about for too long ".repeat(8);
        world.tell(Input::Named { session: "b".into(), name: name.clone(), task: name });
        Self { world, answers: BTreeMap::new(), looked_at: 0, marks: 0 }
    }

    /// Lets it happen, if it can, and looks whether all promises hold.
    fn take(&mut self, step: &Step) {
        let world = &mut self.world;
        let who = |at: &usize| owner(OWNERS[*at]);
        // Which sub-agent began a process is not known.
        let main = |at: &usize| owner(OWNERS[*at].split('/').next().unwrap_or_default());
        let call = |place: &usize, wanted: &[Stage]| {
            let fits = |stage: Stage| match stage {
                Stage::Looking(_) => wanted.contains(&Stage::Looking(None)),
                Stage::Waiting | Stage::Granted | Stage::Ran | Stage::Asked => {
                    wanted.contains(&stage)
                }
            };
            let mut open = world.calls.iter().filter(|(_, call)| fits(call.stage));
            open.nth(*place).or_else(|| open.next()).map(|(op, _)| *op)
        };
        match step {
            Step::Look(at) => {
                let op = call(at, &[Stage::Looking(None)]);
                op.into_iter().for_each(|op| world.inspect(op));
            }
            Step::Run(at) => {
                let op = call(at, &[Stage::Granted]);
                op.into_iter().for_each(|op| world.run(op));
            }
            Step::Finish(at) => {
                let op = call(at, &[Stage::Granted, Stage::Ran]);
                op.into_iter().for_each(|op| world.finish(op));
            }
            Step::Ask(at) => {
                // Nobody asks about a call that a process makes, and nobody takes it back.
                let op = call(at, &[Stage::Granted]).filter(|op| !world.is_shell(*op));
                op.into_iter().for_each(|op| world.ask(op));
            }
            Step::Answer(at) => {
                if let Some(op) = call(at, &[Stage::Asked]) {
                    self.answers.insert(op, Answer::Open);
                    world.answer(op);
                }
            }
            Step::Withdraw(at) => {
                let any = [Stage::Waiting, Stage::Looking(None), Stage::Granted, Stage::Asked];
                if let Some(op) = call(at, &any) {
                    if world.is_shell(op) {
                        world.let_go(op);
                    } else {
                        world.withdraw(op);
                    }
                    self.answers.insert(op, Answer::Withdrawn);
                }
            }
            Step::Read(at, file) => world.read(&who(at), FILES[*file], Seen::Full),
            Step::ReadPart(at, file) => world.read(&who(at), FILES[*file], Seen::Range),
            Step::Whole(at, file, wait_ms) => {
                let text = self.own_text(at, file);
                self.world.call(&who(at), FILES[*file], Action::Whole(text), *wait_ms);
            }
            Step::Opaque(at, file) => {
                let text = self.own_text(at, file);
                self.world.call(&who(at), FILES[*file], Action::Opaque(text), 20_000);
            }
            Step::Replace(at, file) => {
                let action = Action::Shell(Deed::Destroy, self.own_text(at, file));
                self.world.call(&main(at), FILES[*file], action, 0);
            }
            Step::Append(at, file) => {
                let action = Action::Shell(Deed::Alter, self.mark(at));
                self.world.call(&main(at), FILES[*file], action, 0);
            }
            Step::Bench(at, file) => {
                let action = Action::Whole(self.own_text(at, file));
                self.world.call_by(Hand::Bench, &who(at), FILES[*file], action, 20_000);
            }
            Step::Edit(at, file, anchor, wait_ms) => {
                let (old, mark) = (ANCHORS[*anchor].to_owned(), self.mark(at));
                let edits = vec![(old.clone(), format!("{old}{mark}"), false)];
                self.world.call(&who(at), FILES[*file], Action::Edits(edits), *wait_ms);
            }
            Step::WaitFor(at, file) => {
                world.call(&who(at), FILES[*file], Action::Turn, 30_000);
            }
            Step::Reserve(at, patterns, wait_ms) => {
                let patterns = PATTERNS[*patterns].iter().map(|&raw| raw.to_owned()).collect();
                world.reserve(&who(at), patterns, Some(60_000), *wait_ms);
            }
            Step::PersonReserves(patterns) => {
                let patterns = PATTERNS[*patterns].iter().map(|&raw| raw.to_owned()).collect();
                world.reserve(&Owner::User, patterns, Some(60_000), 0);
            }
            Step::Release(at) => world.tell(Input::Release { owner: who(at), paths: Vec::new() }),
            Step::EndTurn(at) => world.end_turn(&who(at)),
            Step::Die(at) => world.die(&who(at)),
            Step::Outside(file) => {
                let text = format!("{}outside\n", world.text(FILES[*file]).unwrap_or(""));
                world.put(FILES[*file], &text);
            }
            Step::Found(at, file) => {
                let disk = world.look(FILES[*file]);
                world.tell(Input::Found { by: who(at), path: path(FILES[*file]), disk });
            }
            Step::Steal(file, at) => {
                world.tell(Input::Steal { path: FILES[*file].to_owned(), to: who(at) });
            }
            Step::Free(file) => world.tell(Input::Free { path: FILES[*file].to_owned() }),
            Step::Pass(ms) => world.pass(*ms),
        }
        self.check();
    }

    fn mark(&mut self, at: &usize) -> String {
        self.marks += 1;
        // Some lines are too long for a refusal, so that it has to be cut.
        let pad = if self.marks.is_multiple_of(5) { "long".repeat(60) } else { String::new() };
        format!("{pad}@{}.{}\n", OWNERS[*at], self.marks)
    }

    fn own_text(&mut self, at: &usize, file: &usize) -> String {
        let mark = self.mark(at);
        format!("{}{mark}", self.world.remembered(&owner(OWNERS[*at]), FILES[*file]))
    }

    fn check(&mut self) {
        let world = &self.world;
        for effect in &world.effects[self.looked_at..] {
            let (op, answer, text) = match effect {
                Effect::Granted { op, note } => (*op, Answer::Granted, note.as_deref()),
                Effect::Refused { op, refusal } => {
                    (*op, Answer::Refused, Some(refusal.text.as_str()))
                }
                Effect::Tell { text, .. } => {
                    assert!(text.chars().count() <= LIMIT, "too long: {text}");
                    continue;
                }
                _ => continue,
            };
            let before = self.answers.insert(op, answer).unwrap_or(Answer::Open);
            assert_eq!(before, Answer::Open, "{op} was answered before {answer:?}");
            assert!(text.is_none_or(|text| text.chars().count() <= LIMIT), "too long: {text:?}");
        }
        self.looked_at = world.effects.len();
        assert_eq!(world.lost, Vec::<String>::new(), "lost");
        assert!(!world.clash, "two writers at once");
        assert!(world.leases_agree(), "the leases are not what was told");
        assert!(world.waiters_have_an_end(), "a waiter without an end");
        for (op, call) in &world.calls {
            if matches!(call.stage, Stage::Looking(_) | Stage::Granted | Stage::Ran) {
                let mut others = world.calls.iter().filter(|(id, _)| id > &op);
                let other = others.find(|(_, other)| call.clashes_with(other));
                assert_eq!(other, None, "two have {}", call.path);
            }
        }
        assert!(!self.has_circle(), "a circle of waiters");
    }

    /// Whether sessions wait for one another by leases that could pass on.
    fn has_circle(&self) -> bool {
        let world = &self.world;
        let clan = |owner: &Owner| owner.session().map(ToString::to_string);
        let waits = world
            .calls
            .values()
            .filter(|call| call.stage == Stage::Waiting && !matches!(call.action, Action::Set));
        let edges: Vec<(String, String)> = waits
            .filter_map(|call| {
                // While it is looked at, a file is another's already; that is told with the grant.
                let mut others = world.calls.values().filter(|other| other.path == call.path);
                if others.any(|other| matches!(other.stage, Stage::Looking(_))) {
                    return None;
                }
                let lease = world.leases.get(&call.path)?;
                let passes = matches!(lease.state, LeaseState::Held | LeaseState::Reserved);
                let runs = lease.until.is_some_and(|until| until > world.now);
                let (from, to) = (clan(&call.owner)?, clan(&lease.owner)?);
                (passes && runs && from != to).then_some((from, to))
            })
            .collect();
        edges.iter().any(|(start, first)| {
            let mut reached = vec![first];
            let mut at = 0;
            while at < reached.len() {
                let from = reached[at];
                let next = edges.iter().filter(|edge| edge.0 == *from).map(|edge| &edge.1);
                let new: Vec<&String> = next.filter(|to| !reached.contains(to)).collect();
                reached.extend(new);
                at += 1;
            }
            reached.contains(&start)
        })
    }

    /// Everything that runs comes to its end.
    fn wind_up(&mut self) {
        for _ in 0..200 {
            let open: Vec<(OpId, Stage)> =
                self.world.calls.iter().map(|(op, call)| (*op, call.stage)).collect();
            if open.is_empty() {
                break;
            }
            for (op, stage) in open {
                match stage {
                    Stage::Looking(_) => self.world.inspect(op),
                    Stage::Granted => self.world.run(op),
                    Stage::Ran => self.world.finish(op),
                    Stage::Asked => {
                        self.world.withdraw(op);
                        self.answers.insert(op, Answer::Withdrawn);
                    }
                    Stage::Waiting => {}
                }
                self.check();
            }
            self.take(&Step::Pass(1_000));
        }
        assert!(self.world.calls.is_empty(), "requests without an end: {:?}", self.world.calls);
        for (op, answer) in &self.answers {
            assert_ne!(*answer, Answer::Open, "{op} has no answer");
            assert!(!self.world.table.is_open(*op), "{op} is still open");
        }
    }
}

/// What a request that does not wait gets.
fn verdict(world: &mut World, who: &Owner, file: &str, action: Action) -> Option<RefusalCode> {
    world.quick = true;
    let from = world.effects.len();
    let op = world.call(who, file, action, 0);
    let answer = world.effects[from..].iter().find_map(|effect| match effect {
        Effect::Granted { op: id, .. } if *id == op => Some(None),
        // A reservation of the file hides the same owner's lease on it in what is stored.
        Effect::Refused { op: id, refusal } if *id == op => Some(Some(match refusal.code {
            RefusalCode::Pinned => RefusalCode::Held,
            code => code,
        })),
        _ => None,
    });
    answer.unwrap_or_else(|| panic!("{op} was not answered"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_promises_hold(
        steps in prop::collection::vec(step(), 1..90),
    ) {
        let mut run = Run::new();
        for step in &steps {
            run.take(step);
        }
        run.wind_up();
    }

    #[test]
    fn a_restored_table_decides_like_the_one_before(
        steps in prop::collection::vec(step(), 1..50),
    ) {
        let mut run = Run::new();
        for step in &steps {
            run.take(step);
        }
        run.wind_up();
        // What changed unnoticed is found by either engine.
        for file in FILES {
            let disk = run.world.look(file);
            run.world.tell(Input::Found { by: Owner::External, path: path(file), disk });
        }
        let mut restored = run.world.clone();
        restored.restart();
        // Who is next is forgotten by a restart, as at the end of everybody's turn.
        for who in OWNERS.map(owner) {
            run.world.end_turn(&who);
        }
        prop_assert!(restored.leases_agree());
        for who in OWNERS.map(owner) {
            for file in FILES {
                let text = format!("{}@next\n", run.world.remembered(&who, file));
                let edits = vec![("two\n".to_owned(), "two\n@next\n".to_owned(), false)];
                for action in [Action::Whole(text), Action::Edits(edits)] {
                    let before = verdict(&mut run.world.clone(), &who, file, action.clone());
                    let after = verdict(&mut restored.clone(), &who, file, action.clone());
                    prop_assert_eq!(before, after, "{} on {}: {:?}", who.key(), file, action);
                }
            }
        }
    }
}

/// What somebody else does to one line.
#[derive(Debug, Clone, Copy)]
enum Other {
    Replace,
    InsertAfter,
    Delete,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_is_rebased_exactly_if_it_is_away_from_the_change(
        count in 1..14_usize,
        theirs in 0..14_usize,
        mine in 0..14_usize,
        other in prop_oneof![Just(Other::Replace), Just(Other::InsertAfter), Just(Other::Delete)],
    ) {
        let (theirs, mine) = (theirs % count, mine % count);
        let lines: Vec<String> = (0..count).map(|at| format!("line {at:02}\n")).collect();
        let mut disk = lines.clone();
        // The lines of the old text that the change touches or is next to.
        let near = match other {
            Other::Replace => {
                disk[theirs] = "their @1\n".to_owned();
                theirs.saturating_sub(1)..theirs + 2
            }
            Other::InsertAfter => {
                disk.insert(theirs + 1, "their @1\n".to_owned());
                theirs..theirs + 2
            }
            Other::Delete => {
                disk.remove(theirs);
                theirs.saturating_sub(1)..theirs + 2
            }
        };
        let (base, disk) = (lines.concat(), disk.concat());
        let edit = Edit { old: lines[mine].clone(), new: "my @2\n".to_owned(), all: false };
        let got = rebase(std::slice::from_ref(&edit), &Difference::of(&base, &disk), &disk);
        let gone = theirs == mine && !matches!(other, Other::InsertAfter);
        if gone {
            prop_assert_eq!(got, Err(Obstacle::Lost));
        } else if near.contains(&mine) {
            prop_assert_eq!(got, Err(Obstacle::Near));
        } else {
            prop_assert_eq!(got, Ok(disk.replacen(&edit.old, &edit.new, 1)));
        }
    }

    #[test]
    fn a_rebased_edit_keeps_what_both_wrote(
        base in prop::collection::vec(0..6_u8, 0..16),
        changes in prop::collection::vec((0..16_usize, 0..3_u8), 0..5),
        anchors in prop::collection::vec((0..16_usize, 1..3_usize, any::<bool>()), 1..4),
    ) {
        // Few different lines, so that anchors are often there twice, or not at all.
        let lines: Vec<String> = base.iter().map(|kind| format!("line {kind}\n")).collect();
        let mut disk = lines.clone();
        for (n, (at, kind)) in changes.iter().enumerate() {
            let at = at % (disk.len() + 1);
            match kind {
                0 => disk.insert(at, format!("@their{n}\n")),
                1 if at < disk.len() && !disk[at].starts_with('@') => {
                    disk[at] = format!("@their{n}\n");
                }
                _ if at < disk.len() && !disk[at].starts_with('@') => {
                    disk.remove(at);
                }
                _ => {}
            }
        }
        let edits: Vec<Edit> = anchors
            .iter()
            .enumerate()
            .filter(|_| !lines.is_empty())
            .map(|(n, (at, length, insert))| {
                let at = at % lines.len();
                let old = lines[at..(at + length).min(lines.len())].concat();
                let kept = if *insert { old.as_str() } else { "" };
                Edit { new: format!("{kept}@mine{n}\n"), old, all: false }
            })
            .collect();
        let (base, disk) = (lines.concat(), disk.concat());
        if let Ok(text) = rebase(&edits, &Difference::of(&base, &disk), &disk) {
            let theirs = marks(&disk);
            let mine = (0..edits.len()).map(|n| format!("@mine{n}"));
            let here = marks(&text);
            prop_assert!(theirs.is_subset(&here), "{text:?} lacks something of {disk:?}");
            for mark in mine {
                prop_assert!(here.contains(&mark), "{text:?} lacks {mark}");
            }
            // Taken back in the other order, the edits leave exactly what was there.
            let back = edits.iter().rev().fold(text.clone(), |text, edit| {
                text.replacen(&edit.new, &edit.old, 1)
            });
            prop_assert_eq!(back, disk);
        }
    }
}
