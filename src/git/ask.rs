//! The person's word about a command that may change the whole tree: what is asked, and what the
//! agent is told when the answer is no.
//!
//! - **The word covers what was listed.** What came to be at stake while the person was thinking is
//!   not meant by their yes.
//! - **Silence is a no**, and so is a person who cannot be asked.

use serde::{Deserialize, Serialize};

use super::facts::FileQuestion;
use super::words::{is_nobody, told};
use crate::model::permission::PermissionMode;

/// Letters of a command line that are shown.
const LINE_LETTERS: usize = 400;

/// What an agent can always do after a no.
const OTHER_WAYS: &str = "Now, best first: 1) go on without it, or undo your own files by name \
    (`git checkout -- FILE`); 2) ask the owners with send_message to commit; 3) tell the person \
    what you need it for.\nAnother git, a copy or a script is no way round: others lose work.";

/// A file or lease that a command may destroy, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stake {
    /// The file, or the pattern of the lease.
    pub what: String,
    /// Whose, each by name; else that it is not known whose.
    pub whose: Vec<String>,
}

/// What the person is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// The command line.
    pub line: String,
    /// The command in short: `git` and the verb.
    pub name: String,
    /// Why it is asked.
    pub why: String,
    /// What is at stake.
    pub stakes: Vec<Stake>,
    /// What the agent is told where the person cannot be asked.
    pub refusal: String,
}

/// What the agents' git asks of the engine, step by step, over one connection. The tree is its own
/// from the first [`Word::Go`] until the connection ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Ask the person; then, hold the tree.
    Ask(Wish),
    /// Keep what these files hold, which git may destroy.
    Keep(Vec<FileQuestion>),
    /// git runs as this process.
    Began(u32),
    /// git has ended.
    Ended,
}

/// The engine's answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// It is done; go on.
    Go,
    /// It is refused, and the agent is to be told this.
    No(String),
}

/// The words of a command line, as a shell would read them.
pub fn command_line(words: &[String]) -> String {
    let mut line = "git".to_owned();
    for word in words {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@^~,+%".contains(c);
        line.push(' ');
        if !word.is_empty() && word.chars().all(plain) {
            line.push_str(word);
        } else {
            line.push_str(&format!("'{}'", word.replace('\'', "'\\''")));
        }
    }
    line.chars().map(|c| if c.is_control() { '?' } else { c }).take(LINE_LETTERS).collect()
}

/// Whether somebody can be asked: not where nobody looks, and not in the mode that never asks. The
/// mode that allows everything speaks of the agent's own work only, so there it is asked as well.
pub fn can_be_asked(mode: PermissionMode, attended: bool) -> bool {
    match mode {
        PermissionMode::DontAsk => false,
        PermissionMode::Default
        | PermissionMode::AcceptEdits
        | PermissionMode::Plan
        | PermissionMode::Auto
        | PermissionMode::BypassPermissions => attended,
    }
}

/// What is at stake now and was not when the person was asked.
pub fn unlisted<'a>(asked: &[Stake], now: &'a [Stake]) -> Vec<&'a Stake> {
    let listed = |stake: &&Stake| {
        asked.iter().filter(|known| known.what == stake.what).any(|known| {
            // That somebody lets go of a file is no news.
            stake.whose.iter().all(|name| known.whose.contains(name) || is_nobody(name))
        })
    };
    now.iter().filter(|stake| !listed(stake)).collect()
}

/// The person said no.
pub fn denied(name: &str, reason: &str) -> String {
    let reason = reason.trim();
    let said =
        if reason.is_empty() { String::new() } else { format!(" The person says: {reason}") };
    // What does not fit is the reason's end, and never what to do now.
    let head: String = format!(
        "NOT RUN (denied): the person does not want `{name}` here. Nothing was touched.{said}"
    )
    .chars()
    .take(380)
    .collect();
    told(&head, &[], OTHER_WAYS)
}

/// The person did not answer.
pub fn unanswered(name: &str, seconds: u64) -> String {
    let head = format!(
        "NOT RUN (no answer): the person was asked whether `{name}` may run and has not answered \
         for {seconds} s. The ask is withdrawn; a yes that comes now has no effect. Nothing was \
         touched."
    );
    told(&head, &[], OTHER_WAYS)
}

/// The ask ended otherwise than by an answer.
pub fn withdrawn(name: &str) -> String {
    let head = format!(
        "NOT RUN (withdrawn): nobody is asked about `{name}` any more. Nothing was \
                        touched."
    );
    told(&head, &[], OTHER_WAYS)
}

/// Something else came to be at stake since the person was asked.
pub fn changed(name: &str, news: &[&Stake]) -> String {
    let head = format!(
        "NOT RUN (changed): the person allowed `{name}`, but meanwhile more came to be at stake, \
         which they have not seen. Nothing was touched. New:"
    );
    let items: Vec<String> = news.iter().map(ToString::to_string).collect();
    let tail = "Now, best first: 1) run the same command again: the person is asked about all of \
                it; 2) go on without it.";
    told(&head, &items, tail)
}

/// Somebody else has what the command needs.
pub fn in_the_way(name: &str, what: &str) -> String {
    let head = format!(
        "NOT RUN (held): `{name}` needs the whole tree for itself, and {what}. Nothing was touched."
    );
    let tail = "Now, best first: 1) go on with something else and try again later; 2) ask the \
                holder with send_message; 3) tell the person, who can release it.";
    told(&head, &[], tail)
}

/// What is at stake cannot be kept.
pub fn not_kept(name: &str, why: &str) -> String {
    let head = format!(
        "NOT RUN (not kept): `{name}` may destroy what cannot be kept first: {why}. Nothing was \
         touched."
    );
    let tail = "Now, best first: 1) go on without it; 2) tell the person, who can move that \
                elsewhere, or run it outside benchdog.";
    told(&head, &[], tail)
}

/// What somebody is told whose uncommitted work went, or was changed, with the person's word.
pub fn told_owner(who: &str, line: &str, files: &[String]) -> String {
    let line: String = line.chars().take(120).collect();
    let head = format!(
        "The person let {who} run `{line}` over the whole tree. These files hold your uncommitted \
         work no more as you left it:"
    );
    let tail = "It is all kept. Read them again before you write; if your work is still wanted, \
                redo it, or ask the person for `benchdog restore FILE`.";
    told(&head, files, tail)
}

impl std::fmt::Display for Stake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.what, self.whose.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stake(what: &str, whose: &str) -> Stake {
        let whose = whose.split(", ").map(str::to_owned).collect();
        Stake { what: what.to_owned(), whose }
    }

    #[test]
    fn a_command_line_is_shown_as_a_shell_reads_it() {
        let line = |words: &[&str]| {
            command_line(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(line(&["reset", "--hard", "HEAD~1"]), "git reset --hard HEAD~1");
        assert_eq!(line(&["-C", "a b", "stash", "-m", ""]), "git -C 'a b' stash -m ''");
        assert_eq!(line(&["x", "it's\n;"]), "git x 'it'\\''s?;'");
        assert!(line(&["x"; 900]).chars().count() <= LINE_LETTERS);
    }

    #[test]
    fn nobody_is_asked_where_nobody_looks_or_in_the_mode_that_never_asks() {
        for mode in PermissionMode::ALL {
            assert!(!can_be_asked(mode, false), "{mode:?}");
            assert_eq!(can_be_asked(mode, true), mode != PermissionMode::DontAsk, "{mode:?}");
        }
    }

    #[test]
    fn a_yes_covers_what_was_listed_and_for_whom() {
        let asked = [stake("a", "green"), stake("b", "green")];
        assert!(unlisted(&asked, &asked[..1]).is_empty());
        let fewer = [stake("a", "not known whose")];
        assert!(unlisted(&asked, &fewer).is_empty());
        let now = [stake("a", "green, red"), stake("b", "green"), stake("c", "red")];
        let news: Vec<&str> = unlisted(&asked, &now).iter().map(|new| new.what.as_str()).collect();
        assert_eq!(news, ["a", "c"]);
    }

    #[test]
    fn each_no_says_that_nothing_was_touched_and_what_to_do_now() {
        let long = "because ".repeat(200);
        let all = [
            denied("git stash", "not now"),
            denied("git stash", ""),
            denied("git stash", &long),
            unanswered("git stash", 100),
            withdrawn("git stash"),
            changed("git stash", &[&stake("c", "red"), &stake(&long, "red")]),
            in_the_way("git stash", &long),
            not_kept("git stash", &long),
        ];
        for text in all {
            assert!(text.starts_with("NOT RUN ("), "{text}");
            assert!(text.chars().count() <= 700, "{text}");
        }
        for text in [denied("git stash", &long), unanswered("git x", 9), withdrawn("git x")] {
            assert!(text.contains("Now, best first: 1)"), "{text}");
        }
        assert!(denied("git stash", "not now").contains("The person says: not now"));
    }
}
