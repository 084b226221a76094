//! What holds for any history of edits.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::journal::blame::Blame;
use crate::journal::merge::merge;
use crate::journal::replay::{Tree, replay};

/// One deed of one owner.
#[derive(Debug, Clone)]
struct Deed {
    owner: usize,
    turn: u32,
    file: usize,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    /// At each place some lines go and some come.
    Edit(Vec<(usize, usize, usize)>),
    Delete,
    Rename(usize),
}

const OWNERS: [&str; 3] = ["a", "b", "c"];
const FILES: [&str; 3] = ["f", "g", "h"];

fn deed() -> impl Strategy<Value = Deed> {
    let edit = prop::collection::vec((0..12usize, 0..3usize, 0..3usize), 1..3);
    let what = prop_oneof![
        8 => edit.prop_map(What::Edit),
        1 => Just(What::Delete),
        1 => (0..FILES.len()).prop_map(What::Rename),
    ];
    (0..OWNERS.len(), 1..3u32, 0..FILES.len(), what).prop_map(|(owner, turn, file, what)| Deed {
        owner,
        turn,
        file,
        what,
    })
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    prop::collection::vec(deed(), 1..14)
}

fn pick() -> impl Strategy<Value = Pick> {
    let session = |owner: usize| SessionId::from(OWNERS[owner]);
    prop_oneof![
        (1..14u64).prop_map(|id| Pick::One(ChangeId(id))),
        (0..OWNERS.len(), 1..3u32).prop_map(move |(owner, turn)| Pick::Turn(session(owner), turn)),
        (0..OWNERS.len()).prop_map(move |owner| Pick::Agent(session(owner))),
    ]
}

/// How new lines read.
#[derive(Debug, Clone, Copy)]
enum Ink {
    /// No two alike; each names its change.
    Unique,
    /// Many alike.
    Plain,
}

impl World {
    /// Does a deed, if it is possible.
    fn act(&mut self, deed: &Deed, ink: Ink) {
        let (owner, name) = (OWNERS[deed.owner], FILES[deed.file]);
        let there = self.text(name).map(str::to_owned);
        match (&deed.what, there) {
            (What::Edit(places), there) => {
                let id = self.changes.len() + 1;
                let mut lines: Vec<String> =
                    there.unwrap_or_default().split_inclusive('\n').map(str::to_owned).collect();
                for (n, (at, gone, come)) in places.iter().enumerate() {
                    let at = (*at).min(lines.len());
                    let end = (at + gone).min(lines.len());
                    let new = (0..*come).map(|line| match ink {
                        Ink::Unique => format!("{id} {n}.{line}\n"),
                        Ink::Plain => format!("{}\n", ["{", "}", ""][(at + line) % 3]),
                    });
                    lines.splice(at..end, new);
                }
                self.write(owner, deed.turn, name, Some(&lines.concat()));
            }
            (What::Delete, Some(_)) => {
                self.write(owner, deed.turn, name, None);
            }
            (What::Rename(to), Some(_)) if self.text(FILES[*to]).is_none() => {
                self.rename(owner, deed.turn, name, FILES[*to]);
            }
            (What::Delete | What::Rename(_), _) => {}
        }
    }

    fn after(deeds: &[Deed], ink: Ink) -> Self {
        let mut world = Self::default();
        deeds.iter().for_each(|deed| world.act(deed, ink));
        world
    }

    fn blame(&self, name: &WorkPath) -> Blame {
        // Files change places, so their changes are found from the end.
        let mut own = Vec::new();
        let mut place = name.clone();
        for change in self.changes.iter().rev().filter(|change| {
            let is_mine = change.path == place;
            if is_mine {
                place = change.path_before().clone();
            }
            is_mine
        }) {
            own.push(change);
        }
        let mut blame = Blame::absent();
        own.into_iter().rev().for_each(|change| blame.push(change, &self.find_text()));
        blame
    }
}

/// The number of the change in a unique line.
fn change_of(line: &str) -> ChangeId {
    ChangeId(line.split(' ').next().unwrap().parse().unwrap())
}

fn all_lines(world: &World) -> Vec<String> {
    let texts = world.files.values().flat_map(|file| file.text().unwrap().lines());
    texts.map(str::to_owned).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn the_replay_of_the_journal_is_what_is_on_disk(deeds in deeds(), pick in pick()) {
        let mut world = World::after(&deeds, Ink::Plain);
        world.undo(&pick);
        let mut tree = Tree::new();
        prop_assert_eq!(replay(&mut tree, &world.changes), []);
        prop_assert_eq!(tree, world.images());
    }

    #[test]
    fn a_blame_has_the_lines_of_the_file_and_names_their_writers(deeds in deeds()) {
        let world = World::after(&deeds, Ink::Unique);
        for (name, file) in &world.files {
            let blame = world.blame(name);
            let text = file.text().unwrap();
            prop_assert_eq!(&**blame.text(), text);
            prop_assert_eq!(blame.lines().len(), text.lines().count());
            for (line, origin) in text.lines().zip(blame.lines()) {
                prop_assert_eq!(origin.map(|origin| origin.change), Some(change_of(line)));
            }
            let covered: usize = blame.runs().iter().map(|run| run.lines.len()).sum();
            prop_assert_eq!(covered, text.lines().count());
        }
    }

    #[test]
    fn what_is_done_and_undone_at_once_leaves_no_trace(
        before in deeds(), more in prop::collection::vec(deed(), 1..4),
    ) {
        let mut world = World::after(&before, Ink::Plain);
        let was = world.files.clone();
        for deed in &more {
            // An owner of its own, so that only this is undone.
            let count = world.changes.len();
            world.act(deed, Ink::Plain);
            for change in &mut world.changes[count..] {
                change.owner = agent("z");
            }
        }
        let plan = world.undo(&Pick::Agent(SessionId::from("z")));
        prop_assert_eq!(&plan.conflicts, &[]);
        prop_assert_eq!(world.files, was);
    }

    #[test]
    fn an_undo_takes_its_own_lines_and_no_others(deeds in deeds(), pick in pick()) {
        let mut world = World::after(&deeds, Ink::Unique);
        let picked: HashSet<ChangeId> =
            world.changes.iter().filter(|c| pick.takes(c)).map(|c| c.id).collect();
        let before = all_lines(&world);
        let old = world.files.clone();
        let plan = world.undo(&pick);
        let after = all_lines(&world);
        for line in before.iter().filter(|line| !picked.contains(&change_of(line))) {
            prop_assert!(after.contains(line), "{} of others is gone: {:?}", line, plan);
        }
        for step in &plan.steps {
            let text = step.then.as_ref().map_or("", |file| file.text().unwrap());
            let own = text.lines().find(|line| picked.contains(&change_of(line)));
            prop_assert_eq!(own, None, "something undone is still there");
        }
        for conflict in &plan.conflicts {
            prop_assert_eq!(old.get(&conflict.path), world.files.get(&conflict.path));
        }
    }

    #[test]
    fn an_undo_among_lines_that_look_alike_loses_none_of_others(
        deeds in deeds(), pick in pick(),
    ) {
        let mut world = World::after(&deeds, Ink::Plain);
        let picked: HashSet<ChangeId> =
            world.changes.iter().filter(|c| pick.takes(c)).map(|c| c.id).collect();
        let mut others: HashMap<String, usize> = HashMap::new();
        for (name, file) in &world.files {
            let blame = world.blame(name);
            for (line, origin) in file.text().unwrap().lines().zip(blame.lines()) {
                if !picked.contains(&origin.unwrap().change) {
                    *others.entry(line.to_owned()).or_default() += 1;
                }
            }
        }
        world.undo(&pick);
        let after = all_lines(&world);
        for (line, count) in others {
            let left = after.iter().filter(|other| **other == line).count();
            prop_assert!(left >= count, "{:?}: {} of {}", line, left, count);
        }
    }

    #[test]
    fn a_merge_of_changes_that_lie_apart_has_the_lines_of_both(
        count in 8..40usize, cut in 2..38usize, alike in any::<bool>(),
        edits in prop::collection::vec((any::<bool>(), 0..40usize, 0..3usize, 0..3usize), 1..8),
    ) {
        // Ours change lines above the cut, theirs below it.
        let cut = cut.min(count - 2);
        let names = if alike { 5 } else { count };
        let base: Vec<String> = (0..count).map(|n| format!("{}\n", n % names)).collect();
        let (mut above, mut below) = (base[..cut].to_vec(), base[cut + 1..].to_vec());
        for (n, (mine, at, gone, come)) in edits.iter().enumerate() {
            let (side, mark) = if *mine { (&mut above, 'o') } else { (&mut below, 't') };
            let at = (*at).min(side.len());
            let end = (at + gone).min(side.len());
            side.splice(at..end, (0..*come).map(|line| format!("{mark}{n}.{line}\n")));
        }
        let ours = [above.concat(), base[cut..].concat()].concat();
        let theirs = [base[..=cut].concat(), below.concat()].concat();
        let whole = [above.concat(), base[cut].clone(), below.concat()].concat();
        let merged = merge(&base.concat(), &ours, &theirs);
        if !alike {
            prop_assert_eq!(merged, Ok(whole));
        } else if let Ok(text) = merged {
            // Lines that look alike may make the differences meet; then there is no text.
            for line in whole.lines().filter(|line| line.starts_with(['o', 't'])) {
                prop_assert!(text.lines().any(|other| other == line), "{} is lost", line);
            }
            prop_assert_eq!(text.lines().count(), whole.lines().count());
        }
    }
}
