//! `undo`, `restore`: takes changes back, through the engine that runs here.
//!
//! A dry run only asks, so it needs no engine. Files that are left alone make the exit code that
//! of something stale: somebody has to look.

use super::args::{Restore, Undo};
use super::changes::{ask, file, odd};
use super::say::Tint;
use super::{DONE, Desk, small_runtime};
use crate::engine::command::{Command, Reply};
use crate::model::failure::{Failure, FailureKind};
use crate::model::id::ChangeId;
use crate::model::review::{Answer, Moment, Outcome, Question, Revised, Revision};
use crate::ui::text::harmless;

/// Takes changes back.
pub(super) fn undo(desk: &mut Desk<'_>, args: Undo) -> Result<u8, Failure> {
    let revision = match (args.change, args.agent) {
        (Some(change), _) => Revision::UndoChange(ChangeId(change)),
        (None, Some(agent)) => Revision::UndoAgent { agent, turn: args.turn },
        (None, None) => {
            return Err(Failure::new(FailureKind::Usage, "undo wants a change or an agent")
                .hint("`benchdog changes` lists them"));
        }
    };
    revise(desk, revision, args.dry_run)
}

/// Brings back what was.
pub(super) fn restore(desk: &mut Desk<'_>, args: &Restore) -> Result<u8, Failure> {
    let path = args.path.as_deref().map(|raw| file(desk, raw)).transpose()?;
    let revision = match (args.rejected, path) {
        (Some(rejected), path) => Revision::Accept { rejected, path },
        (None, Some(path)) => {
            let moment = match (args.change, args.at) {
                (Some(change), _) => Moment::Before(ChangeId(change)),
                (None, Some(change)) => Moment::After(ChangeId(change)),
                (None, None) => Moment::Last,
            };
            Revision::Restore { path, moment }
        }
        (None, None) => {
            return Err(Failure::new(FailureKind::Usage, "restore wants a file")
                .hint("`benchdog changes --lost` lists what may be missed"));
        }
    };
    revise(desk, revision, args.dry_run)
}

fn revise(desk: &mut Desk<'_>, revision: Revision, dry_run: bool) -> Result<u8, Failure> {
    let answer = if dry_run {
        ask(desk, &Question::Plan(revision))?
    } else {
        let place = desk.place()?;
        let reply = small_runtime()?.block_on(async {
            place.client().await?.request(Command::Revise { revision }).await
        })?;
        let Reply::Reviewed(answer) = reply else { return Err(odd()) };
        answer
    };
    let Answer::Revised(revised) = answer else { return Err(odd()) };
    if desk.say.json {
        desk.say.value(&revised);
    } else if dry_run {
        for line in harmless(&revised.text).lines() {
            let line = tinted(desk, line);
            desk.say.line(&line);
        }
    } else {
        tell(desk, &revised);
    }
    let (_, alone) = revised.counts();
    Ok(if alone == 0 { DONE } else { FailureKind::Stale.exit_code() })
}

fn tinted(desk: &Desk<'_>, line: &str) -> String {
    match line.as_bytes().first() {
        Some(b'+') => desk.say.tint(Tint::Good, line),
        Some(b'-') => desk.say.tint(Tint::Bad, line),
        Some(b'@') => desk.say.tint(Tint::Faint, line),
        Some(_) | None => line.to_owned(),
    }
}

fn tell(desk: &mut Desk<'_>, revised: &Revised) {
    if revised.files.is_empty() {
        desk.say.note("nothing to do: it is so already");
    }
    for file in &revised.files {
        let path = harmless(file.path.as_str());
        match &file.outcome {
            Outcome::Done => desk.say.line(&format!("{path} is done")),
            Outcome::Planned => desk.say.line(&format!("{path} is not done yet")),
            Outcome::LeftAlone(why) => {
                let line = format!("{path} is left alone: {}", harmless(why));
                let line = desk.say.tint(Tint::Warn, &line);
                desk.say.line(&line);
            }
        }
    }
}
