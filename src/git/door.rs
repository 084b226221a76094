//! The door `.git/index.lock`: may the process that wants it have it, by its command line?
//!
//! Here comes whoever did not take the shim: another git, or a program with a git library. What
//! the shim would narrow is refused, for a process that runs cannot be told to do less.

use super::deed::Deed;
use super::facts::Scene;
use super::line::Line;
use super::verdict::{Decision, decide};

/// Whether a process may have the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passage {
    /// It may.
    Allow,
    /// It may not; this is to be told to its agent.
    Refuse(String),
}

/// Decides about the process with this command line, its words ended by zero bytes.
///
/// `scene` is what the engine knows without asking git. A pattern of the command line is not
/// looked into: what it may match counts as matched, unless it is the plain name of a file.
pub fn at_the_door(command_line: &[u8], scene: &Scene) -> Passage {
    let mut words = command_line
        .strip_suffix(b"\0")
        .unwrap_or(command_line)
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy);
    let program = words.next().unwrap_or_default();
    let Some(first) = verb_of(program.rsplit('/').next().unwrap_or_default()) else {
        // It stages by itself; each file that it changes is asked about.
        return Passage::Allow;
    };
    let first = first.map(str::to_owned).into_iter();
    let line = Line::parse(&first.chain(words.map(|word| word.into_owned())).collect::<Vec<_>>());
    let mut scene = scene.clone();
    match &line.deed {
        Deed::ChangesPaths(paths) => {
            let target = paths.target.iter().cloned();
            mark(&mut scene, &paths.patterns.iter().cloned().chain(target).collect::<Vec<_>>());
        }
        Deed::Stages(stages) => mark(&mut scene, stages.scope.patterns()),
        Deed::Commits(commits) => mark(&mut scene, commits.what.patterns()),
        Deed::WritesFile(_) | Deed::Reads => return Passage::Allow,
        Deed::ChangesTree(_) | Deed::ChangesRefs | Deed::NeedsPerson(_) | Deed::Unknown => {}
    }
    match decide(&line, &scene) {
        Decision::Run | Decision::Narrow { paths: _, left_out: None } => Passage::Allow,
        Decision::Narrow { paths: _, left_out: Some(text) } => Passage::Refuse(narrowed(&text)),
        Decision::Refuse(text) => Passage::Refuse(text),
    }
}

/// The verb in a program's name (`git-add`), nothing for `git` itself; none if it is not git.
fn verb_of(program: &str) -> Option<Option<&str>> {
    match program {
        "git" | "git.exe" => Some(None),
        _ => program.strip_prefix("git-").map(Some),
    }
}

/// Marks what the patterns may match.
fn mark(scene: &mut Scene, patterns: &[String]) {
    for file in &mut scene.dirty {
        let path = String::from_utf8_lossy(&file.path);
        file.matched = patterns.is_empty() || patterns.iter().any(|one| may_match(one, &path));
        file.named = patterns.iter().any(|one| path == one.as_str());
    }
    scene.leases.retain(|lease| {
        patterns.is_empty() || patterns.iter().any(|one| may_match(one, &lease.path))
    });
}

/// Whether a pattern may match a path or lead below or above it. It may be relative to any folder.
fn may_match(pattern: &str, path: &str) -> bool {
    let plain = pattern.trim_start_matches("./").trim_end_matches('/');
    let magic = plain.is_empty() || plain.contains(['*', '?', '[', '\\', ':']);
    if magic || plain == "." || plain.split('/').any(|part| part == "..") {
        return true;
    }
    let plain = plain.trim_start_matches('/');
    let path = path.trim_end_matches('/');
    let covers = |whole: &str, part: &str| format!("/{whole}/").contains(&format!("/{part}/"));
    // A glob of a lease reaches as far as its plain beginning says.
    let stem = path.split(['*', '?', '[']).next().unwrap_or_default();
    covers(path, plain)
        || covers(plain, path)
        || (stem != path && covers(plain, stem.trim_end_matches('/')))
        || stem.is_empty()
}

/// A sentence for one who could not be narrowed.
fn narrowed(text: &str) -> String {
    let list = text.lines().next().unwrap_or_default();
    let list = list.split_once(": ").map_or(list, |(_, rest)| rest);
    let list = list.split_once("as they were: ").map_or(list, |(_, rest)| rest);
    let text = format!(
        "NOT RUN (others' work): this git would take files of others into the index or a commit. \
         Nothing was touched. At stake: {list}\nNow, best first: 1) run plain `git`, which narrows \
         it to your own files; 2) name only your own files."
    );
    text.chars().take(super::words::LETTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::super::facts::{Asker, Dirty, Known, OthersLease, Party, Tree};
    use super::*;

    fn scene() -> Scene {
        let file = |path: &str, last: Party| Dirty {
            path: path.as_bytes().to_vec(),
            tracked: true,
            staged: true,
            matched: false,
            named: false,
            known: Known {
                others: match &last {
                    Party::Own => Vec::new(),
                    Party::Other(name) => vec![name.clone()],
                },
                last: Some(last),
                complete: true,
                leased: None,
            },
        };
        Scene {
            asker: Asker::Agent,
            tree: Tree::Shared,
            dirty: vec![
                file("src/a.rs", Party::Own),
                file("src/b.rs", Party::Other("green".to_owned())),
            ],
            amended: Vec::new(),
            leases: Vec::new(),
            unfinished: false,
            other_index: false,
        }
    }

    fn passes(line: &str, scene: &Scene) -> bool {
        let bytes: Vec<u8> =
            line.split(' ').flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
        match at_the_door(&bytes, scene) {
            Passage::Allow => true,
            Passage::Refuse(text) => {
                assert!(text.starts_with("NOT RUN (") && text.chars().count() <= 700, "{text}");
                assert!(text.contains("Now, best first: 1)"), "{text}");
                false
            }
        }
    }

    #[test]
    fn another_git_is_held_to_the_same_rules_and_libraries_may_stage() {
        let scene = scene();
        for line in [
            "/usr/bin/git status",
            "git add src/a.rs",
            "git commit -m x src/a.rs",
            "git checkout -- a.rs",
            "git update-index --refresh",
            "cargo build",
            "node x.js reset --hard",
            "gitk",
            "",
            "/usr/lib/git-core/git-status",
        ] {
            assert!(passes(line, &scene), "{line}");
        }
        for line in [
            "/usr/bin/git stash",
            "git -C .. reset --hard",
            "git checkout -- .",
            "git checkout -- src",
            "git checkout -- b.rs",
            "git checkout -- ../src/b.rs",
            "git checkout -- *.rs",
            "git rm -f /w/src/b.rs",
            "git mv a.rs b.rs",
            "git add -A",
            "git commit -am x",
            "git commit -m x",
            "git unheard-of",
            "/usr/lib/git-core/git-reset --hard",
            "git-checkout -- b.rs",
        ] {
            assert!(!passes(line, &scene), "{line}");
        }
        let own = Scene { dirty: scene.dirty[..1].to_vec(), ..scene };
        for line in ["git stash", "git add -A", "git commit -am x", "git unheard-of"] {
            assert!(passes(line, &own), "{line}");
        }
        let held = OthersLease { path: "src/**/*.c".to_owned(), owner: "green".to_owned() };
        let held = Scene { leases: vec![held], ..own };
        assert!(!passes("git checkout -- src", &held));
        assert!(!passes("git checkout -- src/x/y.c", &held));
        assert!(passes("git checkout -- doc", &held));
    }

    #[test]
    fn who_was_not_narrowed_is_told_whose_files_they_are() {
        let Passage::Refuse(text) = at_the_door(b"git\0commit\0-am\0x\0", &scene()) else {
            panic!()
        };
        assert!(text.contains("At stake: src/b.rs (green)."), "{text}");
    }
}
