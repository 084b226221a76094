//! What an agent is told: what happened; whose files are at stake; what to do now.

use super::ask::Stake;
use super::facts::{Dirty, Known, OthersLease, Party};

/// Letters that an agent is told at most.
pub(super) const LETTERS: usize = 700;

/// Letters of a path that are shown.
const PATH_LETTERS: usize = 60;

/// Not known whose.
const NOBODY: &str = "not known whose";

/// The agent's own, on top of something that is not.
const NOT_ALL_OWN: &str = "yours, but not known whose else";

/// A file and who has work in it, for people.
pub(super) fn item(path: &[u8], known: &Known) -> String {
    format!("{} ({})", shown(&String::from_utf8_lossy(path)), whose(known).join(", "))
}

/// A file of the tree that is at stake, in full.
pub(super) fn stake(file: &Dirty) -> Stake {
    let what = String::from_utf8_lossy(&file.path).into_owned();
    Stake { what, whose: whose(&file.known) }
}

/// A lease that is at stake.
pub(super) fn leased(lease: &OthersLease) -> Stake {
    Stake { what: lease.path.clone(), whose: vec![format!("held by {}", lease.owner)] }
}

/// Whether this is said of a file of which it is not known whose it is.
pub(super) fn is_nobody(name: &str) -> bool {
    name == NOBODY || name == NOT_ALL_OWN
}

/// Who has work in a file.
fn whose(known: &Known) -> Vec<String> {
    let mut names: Vec<&str> = known.others.iter().map(String::as_str).collect();
    if let Some(Party::Other(last)) = &known.last
        && !names.contains(&last.as_str())
    {
        names.push(last);
    }
    if let Some(holder) = &known.leased
        && !names.contains(&holder.as_str())
    {
        names.push(holder);
    }
    if names.is_empty() {
        names.push(if known.last == Some(Party::Own) { NOT_ALL_OWN } else { NOBODY });
    }
    names.into_iter().map(str::to_owned).collect()
}

/// A file of the tree, for people.
pub(super) fn dirty(file: &Dirty) -> String {
    item(&file.path, &file.known)
}

/// A lease, for people.
pub(super) fn lease(lease: &OthersLease) -> String {
    format!("{} (held by {})", shown(&lease.path), lease.owner)
}

/// A stake, as short as an agent is told it.
pub(super) fn brief(stake: &Stake) -> String {
    format!("{} ({})", shown(&stake.what), stake.whose.join(", "))
}

/// A path without control characters, its end if it is long.
fn shown(path: &str) -> String {
    let plain: String = path.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    let letters = plain.chars().count();
    if letters <= PATH_LETTERS {
        return plain;
    }
    let end: String = plain.chars().skip(letters - PATH_LETTERS + 1).collect();
    format!("…{end}")
}

/// A text of three parts, of which the list in the middle is cut until all fits.
pub(super) fn told(head: &str, items: &[String], tail: &str) -> String {
    let mut shown = items.len();
    loop {
        let mut list = items[..shown].join(", ");
        match items.len() - shown {
            0 => {}
            more if shown == 0 => list = format!("{more} files"),
            more => list.push_str(&format!(", and {more} more")),
        }
        let text = if items.is_empty() {
            format!("{head}\n{tail}")
        } else {
            format!("{head} {list}.\n{tail}")
        };
        if text.chars().count() <= LETTERS {
            return text;
        }
        if shown == 0 {
            return text.chars().take(LETTERS).collect();
        }
        shown -= 1;
    }
}
