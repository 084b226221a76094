//! A plan in words, for a look before anything is done.

use std::fmt::Write as _;

use super::plan::{Conflict, File, Loss, Plan, Step, Why};
use crate::model::difference::Difference;
use crate::model::lease::Owner;

/// Characters of one file's difference that are shown at most.
const SHOWN: usize = 2_000;

/// Lines of others that are quoted at most.
const QUOTED: usize = 5;

impl Plan {
    /// What it would do, in words. `name` says how an owner is called.
    pub fn show(&self, name: &dyn Fn(&Owner) -> String) -> String {
        if self.is_empty() {
            return "Nothing to do.\n".to_owned();
        }
        let mut text = String::new();
        for step in &self.steps {
            step.show(name, &mut text);
        }
        for conflict in &self.conflicts {
            conflict.show(name, &mut text);
        }
        text
    }
}

impl Why {
    /// Why a file is left alone, in one line.
    pub fn reason(&self) -> String {
        match self {
            Self::Clashes(clashes) => {
                let lines: Vec<String> =
                    clashes.iter().map(|clash| clash.line.to_string()).collect();
                format!("the same lines were changed since (line {})", lines.join(", "))
            }
            Self::OthersLines(lines) => format!("{} lines of others would go", lines.len()),
            Self::NotKept(_) => "what it was is not kept".to_owned(),
            Self::NotText => "it changed since, and it is no text".to_owned(),
            Self::Gone => "it was deleted since".to_owned(),
            Self::Taken(path) => format!("there is another file at {path} now"),
            Self::NotSeen => "it cannot be read".to_owned(),
        }
    }
}

impl Step {
    fn show(&self, name: &dyn Fn(&Owner) -> String, text: &mut String) {
        let verb = match (&self.now, &self.then) {
            (None, Some(_)) => "makes",
            (Some(_), None) => "removes",
            (Some(_), Some(_)) | (None, None) => "changes",
        };
        let _ = write!(text, "{verb} {}", self.path);
        let side = |file: &Option<File>| match file {
            Some(file) => file.text().map(str::to_owned),
            None => Some(String::new()),
        };
        let (Some(now), Some(then)) = (side(&self.now), side(&self.then)) else {
            text.push_str(" (no text)\n");
            return;
        };
        if now == then {
            text.push_str(" (permissions only)\n");
            return;
        }
        let difference = Difference::fine(&now, &then);
        let (came, went) = difference.counts();
        let _ = writeln!(text, " +{came} -{went}{}", lost(&self.losses, name));
        let shown = difference.show(SHOWN);
        text.push_str(&shown.text);
        if !shown.complete {
            text.push_str("…\n");
        }
    }
}

impl Conflict {
    fn show(&self, name: &dyn Fn(&Owner) -> String, text: &mut String) {
        let _ = write!(text, "leaves {} alone: ", self.path);
        match &self.why {
            Why::Clashes(clashes) => {
                text.push_str("the same lines were changed since\n");
                for clash in clashes {
                    let _ = writeln!(text, "@@ line {} @@", clash.line);
                    quote(text, "now    ", &clash.ours);
                    quote(text, "before ", &clash.theirs);
                }
            }
            Why::OthersLines(lines) => {
                text.push_str("lines of others would go\n");
                for (owner, line) in lines.iter().take(QUOTED) {
                    quote(text, &format!("{}: ", named(owner.as_ref(), name)), line);
                }
                if lines.len() > QUOTED {
                    let _ = writeln!(text, "… and {} more", lines.len() - QUOTED);
                }
            }
            why @ (Why::NotKept(_) | Why::NotText | Why::Gone | Why::Taken(_) | Why::NotSeen) => {
                let _ = writeln!(text, "{}", why.reason());
            }
        }
    }
}

/// Whose lines go, as the end of a sentence.
fn lost(losses: &[Loss], name: &dyn Fn(&Owner) -> String) -> String {
    let all: Vec<String> = losses
        .iter()
        .map(|loss| format!("{} of {}", loss.lines, named(loss.owner.as_ref(), name)))
        .collect();
    if all.is_empty() { String::new() } else { format!(" (takes away {})", all.join(", ")) }
}

fn named(owner: Option<&Owner>, name: &dyn Fn(&Owner) -> String) -> String {
    owner.map_or_else(|| "before".to_owned(), name)
}

fn quote(text: &mut String, mark: &str, lines: &str) {
    if lines.is_empty() {
        let _ = writeln!(text, "{mark}(nothing)");
    }
    for line in lines.lines().take(QUOTED) {
        let _ = writeln!(text, "{mark}{line}");
    }
    if lines.lines().count() > QUOTED {
        let _ = writeln!(text, "{mark}…");
    }
}
