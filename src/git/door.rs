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
