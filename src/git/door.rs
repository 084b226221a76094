//! A git that did not come through the shim, met where it takes the index: nothing is touched yet.
//!
//! Nobody has asked on its behalf whose work is at stake, and there is no time to find out. So
//! what only reads goes on, and what may change files, the index or a commit has to come through
//! the shim. Other programs stage by themselves; each file that they change is asked about.

use super::deed::Deed;
use super::line::Line;

/// Whether a process may go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passage {
    /// It may.
    Allow,
    /// It may not; this is to be told to its agent.
    Refuse(String),
}

/// Decides about the process with this command line, its words ended by zero bytes.
pub fn at_the_door(command_line: &[u8]) -> Passage {
    let mut words = command_line
        .strip_suffix(b"\0")
        .unwrap_or(command_line)
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy);
    let program = words.next().unwrap_or_default();
    let Some(first) = verb_of(program.rsplit('/').next().unwrap_or_default()) else {
        return Passage::Allow;
    };
    let first = first.map(str::to_owned).into_iter();
    let line = Line::parse(&first.chain(words.map(|word| word.into_owned())).collect::<Vec<_>>());
    match &line.deed {
        Deed::Reads | Deed::ChangesRefs | Deed::WritesFile(_) => Passage::Allow,
        Deed::Stages(_)
        | Deed::Commits(_)
        | Deed::ChangesPaths(_)
        | Deed::ChangesTree(_)
        | Deed::NeedsPerson(_)
        | Deed::Unknown => Passage::Refuse(format!(
            "NOT RUN (not asked): `{}` by {program} may touch work of others, and nobody was \
             asked. Nothing was touched.\nNow, best first: 1) run plain `git`, the first one on \
             your PATH: it asks, and takes along only what is yours; 2) ask the person, who can run \
             it.",
            line.name()
        )),
    }
}

/// The verb in a program's name (`git-add`), nothing for `git` itself; none if it is not git.
fn verb_of(program: &str) -> Option<Option<&str>> {
    match program {
        "git" | "git.exe" => Some(None),
        _ => program.strip_prefix("git-").map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_touch_work_of_others_has_to_come_through_the_shim() {
        let passes = |words: &[&str]| {
            let line: String = words.iter().map(|word| format!("{word}\0")).collect();
            at_the_door(line.as_bytes()) == Passage::Allow
        };
        for words in [
            &["git", "status"][..],
            &["/usr/bin/git", "-C", "sub", "diff", "--stat"],
            &["git", "branch", "new"],
            &["cargo", "build"],
            &["node", "git.js", "checkout"],
        ] {
            assert!(passes(words), "{words:?}");
        }
        for words in [
            &["git", "checkout", "."][..],
            &["/usr/bin/git", "stash"],
            &["git", "-c", "alias.x=!rm -rf .", "x"],
            &["/usr/lib/git-core/git-read-tree", "-u", "-m", "HEAD"],
            &["git", "commit", "-am", "all"],
            &["git", "add", "-A"],
            &["git", "unheard-of"],
        ] {
            assert!(!passes(words), "{words:?}");
        }
    }
}
