//! May it? The rules, one for each kind of deed.

use super::ask::Stake;
use super::deed::{Commits, Content, Deed, Reach, Stages, Way};
use super::facts::{Asker, Dirty, Known, Party, Scene, Tree};
use super::line::Line;
use super::words::{brief, dirty, item, lease, leased, stake, told};

/// What becomes of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It runs as it is.
    Run,
    /// It runs for these files only.
    Narrow {
        /// The files, below the workspace.
        paths: Vec<Vec<u8>>,
        /// What the agent is told about those that were left out.
        left_out: Option<String>,
    },
    /// It runs only with the person's word.
    Ask(Question),
    /// It does not run, and nothing is touched.
    Refuse(String),
}

/// What the person is to be asked about a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Why it is asked.
    pub why: String,
    /// What is at stake, as far as it has an owner.
    pub stakes: Vec<Stake>,
    /// What the agent is told where the person cannot be asked.
    pub refusal: String,
}

/// Where to turn when nothing else helps.
const PERSON: &str = "ask the person, who can run it";

/// What is no way round.
const NO_WAY_ROUND: &str = "Another git, a copy or a script is no way round: others lose work.";

/// Decides about a command line.
pub fn decide(line: &Line, scene: &Scene) -> Decision {
    if scene.asker == Asker::Person || scene.tree == Tree::Elsewhere {
        return Decision::Run;
    }
    let unclear = scene.other_index || scene.tree == Tree::Crossed;
    match &line.deed {
        Deed::Reads | Deed::ChangesRefs => Decision::Run,
        Deed::Stages(_) if scene.other_index => Decision::Run,
        Deed::Stages(_)
        | Deed::Commits(_)
        | Deed::ChangesPaths(_)
        | Deed::ChangesTree(_)
        | Deed::Unknown
            if unclear =>
        {
            foreign(line)
        }
        Deed::Stages(stages) => stage(line, stages, scene),
        Deed::Commits(commits) => commit(line, commits, scene),
        Deed::ChangesPaths(_) | Deed::WritesFile(_) => paths(line, scene),
        Deed::ChangesTree(reach) => tree(line, *reach, scene),
        Deed::NeedsPerson(why) => needs_person(line, why, scene),
        Deed::Unknown => tree(line, Reach::Everything, scene),
    }
}

/// What an agent is told when nobody can say whose files are at stake.
pub fn not_asked(line: &Line, why: &str) -> String {
    let head = format!(
        "NOT RUN (nobody to ask): `{}` may touch the work of others, and benchdog cannot be asked \
         whose files are at stake ({why}). Nothing was touched.",
        line.name()
    );
    let tail = format!(
        "Now, best first: 1) try again in a moment; 2) go on with commands that only read (status, \
         log, diff, show); 3) {PERSON}."
    );
    told(&head, &[], &tail)
}

/// The index or the work tree is not the one that benchdog knows.
fn foreign(line: &Line) -> Decision {
    let head = format!(
        "NOT RUN (unclear): `{}` names another index or work tree for the repository of this \
         workspace, so it cannot be told whose work it would change. Nothing was touched.",
        line.name()
    );
    let tail = format!(
        "Now, best first: 1) run it without GIT_INDEX_FILE, --work-tree and the like; 2) work in a \
         clone of your own outside the workspace; 3) {PERSON}."
    );
    Decision::Refuse(told(&head, &[], &tail))
}

fn needs_person(line: &Line, why: &str, scene: &Scene) -> Decision {
    let head = format!(
        "NOT RUN (needs the person): `{}` removes what may be anybody's: {why}. Nothing was \
         touched.",
        line.name()
    );
    let tail = format!("Now, best first: 1) go on without it; 2) {PERSON}.\n{NO_WAY_ROUND}");
    let refusal = told(&head, &[], &tail);
    let why = format!("it removes what may be anybody's: {why}");
    Decision::Ask(Question { why, stakes: at_stake(Reach::Everything, scene), refusal })
}

/// What a command that reaches so far may destroy of others.
fn at_stake(reach: Reach, scene: &Scene) -> Vec<Stake> {
    // What nobody is known to have changed is what the merge or the like itself has made of it.
    let reached = |file: &&Dirty| match reach {
        Reach::Everything => true,
        Reach::Untracked => !file.tracked,
        Reach::Begun => !file.known.others.is_empty() || file.known.leased.is_some(),
    };
    let files = scene.dirty.iter().filter(reached).filter(|file| file.is_at_stake());
    let mut stakes: Vec<Stake> = files.map(stake).collect();
    let listed = |path: &str| {
        scene.dirty.iter().any(|file| file.is_at_stake() && file.path == path.as_bytes())
    };
    stakes.extend(scene.leases.iter().filter(|held| !listed(&held.path)).map(leased));
    stakes
}

/// A verb that may change any file.
fn tree(line: &Line, reach: Reach, scene: &Scene) -> Decision {
    let stakes = at_stake(reach, scene);
    if stakes.is_empty() {
        return Decision::Run;
    }
    let what = if line.deed == Deed::Unknown {
        "may change any file (it is not known what it does)"
    } else {
        "may change any file"
    };
    let head = format!(
        "NOT RUN (others' work): `{}` {what}, and others have uncommitted work in this tree. \
         Nothing was touched. At stake:",
        line.name()
    );
    let hint = match line.verb.as_str() {
        "checkout" => "if you mean files, say `git checkout -- FILE`",
        "stash" | "reset" | "clean" => "undo your own files by name: `git checkout -- FILE`",
        "apply" | "am" | "cherry-pick" | "revert" => "make the change with your edit tools",
        _ => "go on without it",
    };
    let tail = format!(
        "Now, best first: 1) {hint}; 2) ask these owners with send_message to commit, then try \
         again; 3) {PERSON}.\n{NO_WAY_ROUND}"
    );
    let items: Vec<String> = stakes.iter().map(brief).collect();
    let why = format!("it {what}, and others have uncommitted work in this tree");
    Decision::Ask(Question { why, stakes, refusal: told(&head, &items, &tail) })
}

/// A verb that changes the files that it names: all of them or none.
fn paths(line: &Line, scene: &Scene) -> Decision {
    let at_stake = |file: &&Dirty| file.matched && file.is_at_stake();
    let mut items: Vec<String> = scene.dirty.iter().filter(at_stake).map(dirty).collect();
    let listed =
        |path: &str| scene.dirty.iter().any(|file| at_stake(&file) && file.path == path.as_bytes());
    items.extend(scene.leases.iter().filter(|held| !listed(&held.path)).map(lease));
    if items.is_empty() {
        return Decision::Run;
    }
    let head = format!(
        "NOT RUN (others' work): `{}` would change files that hold uncommitted work of others. \
         Nothing was touched, your files neither. At stake:",
        line.name()
    );
    let tail = format!(
        "Now, best first: 1) name only files that you alone changed (what this very shell command \
         wrote is known to be yours once it is over); 2) ask the owner with send_message; \
         3) {PERSON}.\n{NO_WAY_ROUND}"
    );
    Decision::Refuse(told(&head, &items, &tail))
}

/// Whether a file goes along: the agent's own do, and those of nobody if it says their very name.
fn goes_along(file: &Dirty) -> bool {
    file.is_own() || (file.named && file.is_nobodys())
}

fn stage(line: &Line, stages: &Stages, scene: &Scene) -> Decision {
    let meant = |file: &&Dirty| {
        file.matched
            && (file.tracked || stages.scope.takes_new())
            && (stages.way == Way::In || file.staged)
    };
    let (own, others): (Vec<&Dirty>, Vec<&Dirty>) =
        scene.dirty.iter().filter(meant).partition(|file| goes_along(file));
    match (own.is_empty(), others.is_empty()) {
        // Whatever is wrong with it, git says it better.
        (_, true) => Decision::Run,
        (true, false) => Decision::Refuse(none_own(line, &others)),
        (false, false) => narrow(own, &others),
    }
}

fn commit(line: &Line, commits: &Commits, scene: &Scene) -> Decision {
    let meant = |file: &&Dirty| {
        file.tracked
            && match commits.what {
                Content::Staged => file.staged,
                Content::Tracked => true,
                Content::Only(_) => file.matched,
                Content::Also(_) => file.matched || file.staged,
            }
    };
    let (own, others): (Vec<&Dirty>, Vec<&Dirty>) =
        scene.dirty.iter().filter(meant).partition(|file| goes_along(file));
    if scene.unfinished {
        return finish(line, &others);
    }
    if commits.amend {
        let theirs: Vec<String> = scene.amended.iter().filter_map(amends_other).collect();
        if !theirs.is_empty() {
            return Decision::Refuse(amends(line, &theirs));
        }
    }
    if own.is_empty() && !others.is_empty() && !commits.amend {
        return Decision::Refuse(none_own(line, &others));
    }
    narrow(own, &others)
}

/// A file of the last commit that somebody else changed last.
fn amends_other((path, known): &(Vec<u8>, Known)) -> Option<String> {
    matches!(known.last, Some(Party::Other(_))).then(|| item(path, known))
}

fn amends(line: &Line, theirs: &[String]) -> String {
    let head = format!(
        "NOT RUN (others' commit): `{}` would rewrite the last commit, which is not yours alone. \
         Nothing was touched. In it:",
        line.name()
    );
    let tail = format!(
        "Now, best first: 1) make a commit of its own, without --amend; 2) ask the owner with \
         send_message; 3) {PERSON}."
    );
    told(&head, theirs, &tail)
}

/// The commit that ends a merge takes the whole index, so it is all or nothing.
fn finish(line: &Line, others: &[&Dirty]) -> Decision {
    let known: Vec<String> =
        others.iter().filter(|file| !file.is_nobodys()).map(|file| dirty(file)).collect();
    if known.is_empty() {
        return Decision::Run;
    }
    let head = format!(
        "NOT RUN (others' work): `{}` would end a merge, rebase or the like, and with it commit \
         files of others. Nothing was touched. At stake:",
        line.name()
    );
    let tail = format!(
        "Now, best first: 1) ask the owner with send_message to commit or unstage; 2) {PERSON}."
    );
    Decision::Refuse(told(&head, &known, &tail))
}

fn narrow(own: Vec<&Dirty>, others: &[&Dirty]) -> Decision {
    let items: Vec<String> = others.iter().map(|file| dirty(file)).collect();
    let left_out = (!items.is_empty()).then(|| {
        let head = "benchdog: narrowed to your own files. Left out, and as they were:";
        let tail = "Their owners commit them. A file of nobody's that belongs to your change goes \
                    along if you name it.";
        told(head, &items, tail)
    });
    let paths = own.into_iter().map(|file| file.path.clone()).collect();
    Decision::Narrow { paths, left_out }
}

fn none_own(line: &Line, others: &[&Dirty]) -> String {
    let items: Vec<String> = others.iter().map(|file| dirty(file)).collect();
    let head = format!(
        "NOT RUN (nothing of yours): none of the files that `{}` means is yours. Nothing was \
         touched. Whose they are:",
        line.name()
    );
    let tail = format!(
        "Now, best first: 1) name your own files; 2) if one of nobody's belongs to your change, \
         name it (`git add -- FILE`, `git commit -- FILE`); 3) leave the others to their owners, \
         or {PERSON}."
    );
    told(&head, &items, &tail)
}

#[cfg(test)]
mod tests {
    use super::super::facts::OthersLease;
    use super::*;

    /// `path state owner`: state of `s` staged, `u` untracked, `m` matched, `n` named; owner of
    /// `me`, `green`, `me+green`, `me?` (and somebody unknown), `me!green` (held by), `?`.
    fn file(row: &str) -> Dirty {
        let words: Vec<&str> = row.split(' ').collect();
        let [path, state, owner] = words[..] else { panic!("{row}") };
        let (owner, leased) = match owner.split_once('!') {
            Some((owner, holder)) => (owner, Some(holder.to_owned())),
            None => (owner, None),
        };
        let complete = !owner.ends_with('?');
        let names: Vec<&str> =
            owner.trim_end_matches('?').split('+').filter(|name| !name.is_empty()).collect();
        let last = names.first().map(|name| match *name {
            "me" => Party::Own,
            other => Party::Other(other.to_owned()),
        });
        let others = names.iter().filter(|name| **name != "me").map(|name| (*name).to_owned());
        Dirty {
            path: path.as_bytes().to_vec(),
            tracked: !state.contains('u'),
            staged: state.contains('s'),
            matched: state.contains('m') || state.contains('n'),
            named: state.contains('n'),
            known: Known { last, others: others.collect(), complete, leased },
        }
    }

    fn scene(rows: &[&str]) -> Scene {
        Scene {
            asker: Asker::Agent,
            tree: Tree::Shared,
            dirty: rows.iter().map(|row| file(row)).collect(),
            amended: Vec::new(),
            leases: Vec::new(),
            unfinished: false,
            other_index: false,
        }
    }

    fn line(line: &str) -> Line {
        Line::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    /// The decision in short: the files that go along, and whether others are left out.
    fn short(decision: Decision) -> String {
        match decision {
            Decision::Run => "run".to_owned(),
            Decision::Narrow { paths, left_out } => {
                let paths: Vec<_> =
                    paths.iter().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
                let rest = left_out.map_or("", |_| " (others left out)");
                format!("only {}{rest}", paths.join(" "))
            }
            Decision::Ask(Question { why, stakes, refusal }) => {
                let names: Vec<&str> = stakes.iter().map(|stake| stake.what.as_str()).collect();
                assert!(!why.is_empty());
                format!("ask: {} {}", reason(&refusal), names.join(" ")).trim_end().to_owned()
            }
            Decision::Refuse(text) => format!("no: {}", reason(&text)),
        }
    }

    /// The word for why an agent is told no.
    fn reason(text: &str) -> &str {
        assert!(text.chars().count() <= 700, "{text}");
        assert!(text.contains("Now, best first: 1)"), "{text}");
        assert!(text.contains("the person"), "{text}");
        text.strip_prefix("NOT RUN (").and_then(|rest| rest.split_once(')')).unwrap().0
    }

    #[track_caller]
    fn check(words: &str, rows: &[&str], expected: &str) {
        assert_eq!(short(decide(&line(words), &scene(rows))), expected, "{words} with {rows:?}");
    }

    #[test]
    fn the_whole_tree_may_change_when_nobody_else_has_work_in_it() {
        for words in ["reset --hard", "switch x", "stash", "merge x", "whatever"] {
            check(words, &[], "run");
            check(words, &["a m me", "n um me"], "run");
            for row in
                ["a m green", "a m me+green", "a m green+me", "a m me?", "a m ?", "n u green"]
            {
                let path = row.split(' ').next().unwrap();
                check(words, &["b m me", row], &format!("ask: others' work {path}"));
            }
            check(words, &["a m me!green"], "ask: others' work a");
        }
        check("clean -fd", &["a m green"], "run");
        check("clean -fd", &["n u green", "a m green"], "ask: others' work n");
        check("merge --abort", &["a sm ?", "b sm me?"], "run");
        check("merge --abort", &["a sm ?", "b - green"], "ask: others' work b");
        check("stash drop", &[], "ask: needs the person");
        check("clean -fdx", &["n u green", "b m me"], "ask: needs the person n");
        check("status", &["a m green"], "run");
        check("fetch", &["a m green"], "run");
    }

    #[test]
    fn paths_are_changed_all_or_none() {
        for words in ["checkout -- x", "rm x", "mv x y", "restore x", "diff --output=x"] {
            check(words, &["a m me", "b - green", "c - ?"], "run");
            check(words, &["a m me", "b m green"], "no: others' work");
            check(words, &["a n me?"], "no: others' work");
            check(words, &["a n ?"], "no: others' work");
        }
        let mut held = scene(&[]);
        held.leases.push(OthersLease { path: "src/".to_owned(), owner: "green".to_owned() });
        assert_eq!(short(decide(&line("rm x"), &held)), "no: others' work");
        assert_eq!(short(decide(&line("switch x"), &held)), "ask: others' work src/");
        assert_eq!(short(decide(&line("commit -am x"), &held)), "only ");
    }

    #[test]
    fn staging_takes_the_own_files() {
        check("add .", &["a m me", "n um me"], "run");
        check("add .", &["a m me", "b m green", "c m ?"], "only a (others left out)");
        check("add .", &["b m green"], "no: nothing of yours");
        check("add .", &["c m ?"], "no: nothing of yours");
        check("add c", &["c n ?"], "run");
        check("add b", &["b n green"], "no: nothing of yours");
        check("add .", &["a m me+green", "b m green+me"], "only a (others left out)");
        check("add .", &["a m me!green", "c m me"], "only c (others left out)");
        check("add -u", &["a m me", "n um green"], "run");
        check("add .", &[], "run");
        check("reset", &["a ms me", "b m green"], "run");
        check("reset", &["a ms me", "b ms green"], "only a (others left out)");
    }

    #[test]
    fn commits_take_the_own_files() {
        check("commit", &["a s me", "b s green", "c - me"], "only a (others left out)");
        check("commit", &["a s me"], "only a");
        check("commit", &["b s green"], "no: nothing of yours");
        check("commit", &["b - green"], "only ");
        check("commit -a", &["a - me", "b - green", "n u me"], "only a (others left out)");
        check("commit x", &["a m me", "b - green", "d s me"], "only a");
        check("commit -i x", &["a m me", "d s me", "b s green"], "only a d (others left out)");
        check("commit c", &["c n ?"], "only c");
        check("commit -a", &["c - ?"], "no: nothing of yours");
        check("commit --amend", &["b s green"], "only  (others left out)");
        let mut last = scene(&["a s me"]);
        last.amended.push((b"a".to_vec(), file("a - me").known));
        assert_eq!(short(decide(&line("commit --amend"), &last)), "only a");
        last.amended.push((b"b".to_vec(), file("b - green").known));
        assert_eq!(short(decide(&line("commit --amend"), &last)), "no: others' commit");
        assert_eq!(short(decide(&line("commit"), &last)), "only a");
        let mut merge = scene(&["a s me", "c s ?"]);
        merge.unfinished = true;
        assert_eq!(short(decide(&line("commit"), &merge)), "run");
        merge.dirty.push(file("b s green"));
        assert_eq!(short(decide(&line("commit"), &merge)), "no: others' work");
    }

    #[test]
    fn another_index_or_tree_is_not_understood_and_the_person_may_everything() {
        let rows = ["b m green"];
        for words in ["commit -am x", "reset --hard", "checkout -- b", "whatever"] {
            let mut other = scene(&rows);
            other.other_index = true;
            assert_eq!(short(decide(&line(words), &other)), "no: unclear", "{words}");
            let crossed = Scene { tree: Tree::Crossed, ..scene(&[]) };
            assert_eq!(short(decide(&line(words), &crossed)), "no: unclear", "{words}");
            let elsewhere = Scene { tree: Tree::Elsewhere, ..scene(&rows) };
            assert_eq!(decide(&line(words), &elsewhere), Decision::Run, "{words}");
            let person = Scene { asker: Asker::Person, ..other };
            assert_eq!(decide(&line(words), &person), Decision::Run, "{words}");
        }
    }

    #[test]
    fn a_refusal_names_as_many_files_as_fit_and_what_to_do() {
        let rows: Vec<String> =
            (0..80).map(|n| format!("some/long/folder/of/a/project/file-{n}.rs m green")).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let asked = |words: &str, rows: &[&str]| {
            let decision = decide(&line(words), &scene(rows));
            let Decision::Ask(question) = decision else { panic!("{decision:?}") };
            question
        };
        let Question { refusal: text, stakes, .. } = asked("stash", &rows);
        assert_eq!(stakes.len(), rows.len(), "the person is shown all of them");
        assert!((500..=700).contains(&text.chars().count()), "{text}");
        assert!(text.contains(" more."), "{text}");
        let few = asked("reset --hard", &["a.rs m green", "b.rs m ?", "c m me"]);
        let expected = "NOT RUN (others' work): `git reset` may change any file, and others have \
            uncommitted work in this tree. Nothing was touched. At stake: a.rs (green), b.rs (not \
            known whose).\nNow, best first: 1) undo your own files by name: `git checkout -- \
            FILE`; 2) ask these owners with send_message to commit, then try again; 3) ask the \
            person, who can run it.\nAnother git, a copy or a script is no way round: others lose \
            work.";
        assert_eq!(few.refusal, expected);
        let text = asked("stash", &["a\u{1b}[2J\nb m green"]).refusal;
        assert!(text.contains("a?[2J?b (green)"), "{text}");
        let long = "x".repeat(3000);
        let text = not_asked(&line(&long), &long);
        assert!(text.chars().count() <= 700);
    }
}
