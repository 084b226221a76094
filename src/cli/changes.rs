//! `changes`, `diff`, `blame`: what became of the files. Nothing is changed by asking.
//!
//! A running engine is asked, since it knows the last moment; without one the history is read.

use super::args::Changes;
use super::rows;
use super::say::{Say, Tint};
use super::table::{Table, ago};
use super::{DONE, Desk, small_runtime};
use crate::engine::command::{Command, Reply};
use crate::model::change::ChangeKind;
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::ChangeId;
use crate::model::path::WorkPath;
use crate::model::review::{
    Answer, BlameRun, ChangeLine, Compared, FileBlame, FileDifference, Question, Wanted,
};
use crate::ui::text::{harmless, width};

/// Lists changes, or writes that were refused.
pub(super) fn list(desk: &mut Desk<'_>, args: Changes) -> Result<u8, Failure> {
    let path = args.path.as_deref().map(|raw| work_path(desk, raw)).transpose()?.flatten();
    let wanted = Wanted {
        path,
        agent: args.agent,
        turn: args.turn,
        lost: args.lost,
        before: None,
        limit: args.limit,
    };
    if args.rejected {
        return rejected(desk, wanted);
    }
    let Answer::Changes(page) = ask(desk, &Question::Changes(wanted))? else {
        return Err(odd());
    };
    if desk.say.json {
        desk.say.value(&page.changes.iter().map(rows::change).collect::<Vec<_>>());
        return Ok(DONE);
    }
    let now = (desk.stage.clock)();
    let mut table =
        Table::new(&[">ID", "WHEN", "WHO", ">TURN", "OP", ">LINES", "PATH", "OVER", "WITH"]);
    for line in &page.changes {
        let change = &line.change;
        table.row(&[
            change.id.to_string(),
            ago(now.0 - change.at.0),
            change.agent.clone(),
            change.turn.map(|turn| turn.to_string()).unwrap_or_default(),
            op(line),
            counted(line.lines),
            change.path.to_string(),
            line.over.clone().unwrap_or_default(),
            change.tool.clone(),
        ]);
    }
    table.print(desk.say, "there are no such changes");
    if page.more {
        desk.say.note("there are older ones; --limit 0 lists them all");
    }
    Ok(DONE)
}

fn rejected(desk: &mut Desk<'_>, wanted: Wanted) -> Result<u8, Failure> {
    let Answer::Rejected(lines) = ask(desk, &Question::Rejected(wanted))? else {
        return Err(odd());
    };
    if desk.say.json {
        desk.say.value(&lines.iter().map(rows::rejected).collect::<Vec<_>>());
        return Ok(DONE);
    }
    let now = (desk.stage.clock)();
    let mut table = Table::new(&[">N", "WHEN", "WHO", "WHY", ">LINES", "PATH", "WITH"]);
    for line in &lines {
        table.row(&[
            line.number.to_string(),
            ago(now.0 - line.at.0),
            line.agent.clone(),
            line.code.clone(),
            counted(line.lines),
            line.path.to_string(),
            line.tool.clone(),
        ]);
    }
    table.print(desk.say, "no rejected write is kept");
    Ok(DONE)
}

/// Shows a difference.
pub(super) fn diff(
    desk: &mut Desk<'_>,
    what: &str,
    (from, to): (Option<u64>, Option<u64>),
    rejected: bool,
) -> Result<u8, Failure> {
    let number: Option<u64> = what.parse().ok();
    let compared = match number {
        Some(number) if rejected => Compared::Rejected(i64::try_from(number).unwrap_or(i64::MAX)),
        None if rejected => {
            let text = format!("`{what}` is no number of a rejected write");
            return Err(Failure::new(FailureKind::Usage, text)
                .hint("`benchdog changes --rejected` lists them"));
        }
        Some(number) if from.is_none() && to.is_none() => Compared::Change(ChangeId(number)),
        Some(_) | None => Compared::File {
            path: file(desk, what)?,
            from: from.map(ChangeId),
            to: to.map(ChangeId),
        },
    };
    let Answer::Difference(difference) = ask(desk, &Question::Difference(compared))? else {
        return Err(odd());
    };
    if desk.say.json {
        desk.say.value(&difference);
    } else {
        show(&difference, desk.say);
    }
    Ok(DONE)
}

fn show(difference: &FileDifference, say: &mut Say) {
    let path = harmless(difference.path.as_str());
    for (sign, label) in [("---", &difference.from), ("+++", &difference.to)] {
        let line = say.tint(Tint::Strong, &format!("{sign} {path}\t({label})"));
        say.line(&line);
    }
    if let Some((old, new)) = difference.modes {
        say.line(&format!("old mode {old:o}"));
        say.line(&format!("new mode {new:o}"));
    }
    for hunk in &difference.hunks {
        let (old, new) = ((hunk.old_start, hunk.old_lines), (hunk.new_start, hunk.new_lines));
        let head = format!("@@ -{},{} +{},{} @@", old.0, old.1, new.0, new.1);
        let head = say.tint(Tint::Faint, &head);
        say.line(&head);
        for line in &hunk.lines {
            let line = harmless(line);
            let line = match line.as_bytes().first() {
                Some(b'+') => say.tint(Tint::Good, &line),
                Some(b'-') => say.tint(Tint::Bad, &line),
                Some(_) | None => line.to_string(),
            };
            say.line(&line);
        }
    }
    if let Some(note) = &difference.note {
        say.note(note);
    }
}

/// Tells who wrote each line.
pub(super) fn blame(desk: &mut Desk<'_>, path: &str) -> Result<u8, Failure> {
    let path = file(desk, path)?;
    let Answer::Blame(blame) = ask(desk, &Question::Blame(path))? else { return Err(odd()) };
    if desk.say.json {
        desk.say.value(&blame);
        return Ok(DONE);
    }
    let now = (desk.stage.clock)().0;
    let heads: Vec<[String; 3]> = blame.runs.iter().map(|run| head(run, now)).collect();
    let mut widths = [0; 3];
    for (wide, column) in widths.iter_mut().zip(0..) {
        *wide = heads.iter().map(|head: &[String; 3]| width(&head[column])).max().unwrap_or(0);
    }
    lines(&blame, &heads, widths, desk.say);
    Ok(DONE)
}

/// Change, name and age of a stretch of lines.
fn head(run: &BlameRun, now: i64) -> [String; 3] {
    match &run.origin {
        Some(origin) => [
            origin.change.to_string(),
            harmless(&origin.agent).into_owned(),
            ago(now - origin.at.0),
        ],
        None => ["-".to_owned(), "before".to_owned(), String::new()],
    }
}

fn lines(blame: &FileBlame, heads: &[[String; 3]], widths: [usize; 3], say: &mut Say) {
    let digits = blame.lines.len().to_string().len();
    for (run, head) in blame.runs.iter().zip(heads) {
        let mut cells = String::new();
        for (cell, wide) in head.iter().zip(widths) {
            cells.push_str(cell);
            cells.push_str(&" ".repeat(wide.saturating_sub(width(cell)) + 1));
        }
        let cells = say.tint(Tint::Faint, &cells);
        let first = run.first.saturating_sub(1);
        let here = blame.lines.iter().enumerate().skip(first).take(run.count);
        for (number, line) in here {
            say.line(&format!("{cells}{:>digits$} {}", number + 1, harmless(line)));
        }
    }
}

/// Asks the engine that runs here, or the history if none does.
pub(super) fn ask(desk: &mut Desk<'_>, question: &Question) -> Result<Answer, Failure> {
    let place = desk.place()?;
    let asked = question.clone();
    let answer = small_runtime()?.block_on(async {
        let mut client = place.client().await?;
        client.request(Command::AskJournal { question: asked }).await
    });
    match answer {
        Ok(Reply::Reviewed(answer)) => Ok(answer),
        Ok(_) => Err(odd()),
        Err(failure) if failure.kind == FailureKind::Unreachable => {
            let setup = desk.setup()?;
            desk.parts.history(&setup)?.review(&setup.place.workspace, question)
        }
        Err(failure) => Err(failure),
    }
}

/// The file that is meant; relative paths start at the folder where the command was given.
pub(super) fn file(desk: &Desk<'_>, raw: &str) -> Result<WorkPath, Failure> {
    work_path(desk, raw)?.ok_or_else(|| {
        Failure::new(FailureKind::Usage, format!("`{raw}` is the workspace, not a file in it"))
            .hint("name a file")
    })
}

/// The path that is meant inside the workspace; `None`: the workspace itself.
fn work_path(desk: &Desk<'_>, raw: &str) -> Result<Option<WorkPath>, Failure> {
    let place = desk.place()?;
    let root = &place.workspace;
    // The file may be gone, so links are followed in the folder only.
    let here = desk.stage.folder.canonicalize().unwrap_or_else(|_| desk.stage.folder.clone());
    let base = if here.starts_with(root) { here.as_path() } else { root.as_path() };
    let below = within(root, base, raw).ok_or_else(|| {
        let text = format!("{raw} lies outside the workspace {}", root.display());
        Failure::new(FailureKind::Usage, text).hint("`--workspace DIR` says where a command works")
    })?;
    Ok(WorkPath::parse(&below))
}

/// `raw`, seen from `base`, below `root`; without `.` and `..`.
fn within(root: &std::path::Path, base: &std::path::Path, raw: &str) -> Option<String> {
    use std::path::Component;
    let mut full = std::path::PathBuf::new();
    for part in base.join(raw).components() {
        match part {
            Component::ParentDir => {
                full.pop();
            }
            Component::CurDir => {}
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => full.push(part),
        }
    }
    full.strip_prefix(root).ok()?.to_str().map(str::to_owned)
}

fn op(line: &ChangeLine) -> String {
    let op = match (line.change.only_modes(), line.change.kind()) {
        (Some((old, new)), _) => format!("mode {:o} to {:o}", old & 0o7777, new & 0o7777),
        (None, ChangeKind::Created) => "made".to_owned(),
        (None, ChangeKind::Edited) => "changed".to_owned(),
        (None, ChangeKind::Deleted) => "deleted".to_owned(),
        (None, ChangeKind::Renamed) => "renamed".to_owned(),
    };
    match line.undone_by {
        Some(by) => format!("{op}, undone by {by}"),
        None if !line.change.reverts.is_empty() => {
            let ids: Vec<String> = line.change.reverts.iter().map(ToString::to_string).collect();
            format!("{op}, undoes {}", ids.join(" "))
        }
        None => op,
    }
}

fn counted(lines: Option<(usize, usize)>) -> String {
    lines.map_or_else(String::new, |(added, removed)| format!("+{added} −{removed}"))
}

pub(super) fn odd() -> Failure {
    Failure::new(FailureKind::Internal, "the engine gave an answer that does not fit")
}
