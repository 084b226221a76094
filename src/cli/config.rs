//! `config`: settings, where they are, what is wrong with them.

use serde_json::{Map, Value, json};

use super::args::ConfigAction;
use super::say::Tint;
use super::table::Table;
use super::{DONE, Desk};
use crate::config::load::project_file;
use crate::config::problem::{Gravity, Origin};
use crate::model::failure::{Failure, FailureKind};

/// Shows settings, files or problems.
pub(super) fn config(desk: &mut Desk<'_>, action: ConfigAction) -> Result<u8, Failure> {
    match action {
        ConfigAction::Show => show(desk),
        ConfigAction::Path => path(&desk.place()?, desk),
        ConfigAction::Check => check(desk),
    }
}

fn show(desk: &mut Desk<'_>) -> Result<u8, Failure> {
    let loaded = desk.place()?.load(&desk.common)?;
    if desk.say.json {
        let rows: Map<String, Value> = loaded
            .merged
            .iter()
            .map(|(key, value, origin)| {
                let row = json!({"value": value, "from": origin.to_string()});
                (key.path.to_owned(), row)
            })
            .collect();
        desk.say.value(&rows);
        return Ok(DONE);
    }
    let mut table = Table::new(&["SETTING", "VALUE", "FROM"]);
    for (key, value, origin) in loaded.merged.iter() {
        let from = match origin {
            Origin::Default => String::new(),
            Origin::File { .. } | Origin::Variable(_) | Origin::Flag => origin.to_string(),
        };
        table.row(&[key.path.to_owned(), value.to_string(), from]);
    }
    table.print(desk.say, "there are no settings");
    for problem in &loaded.problems {
        desk.say.note(&problem.to_string());
    }
    Ok(DONE)
}

fn path(place: &super::setup::Place, desk: &mut Desk<'_>) -> Result<u8, Failure> {
    let folders = &place.folders;
    let loaded = place.load(&desk.common)?;
    let rows = [
        ("settings", folders.settings_file()),
        ("project", project_file(&place.workspace)),
        ("history", loaded.settings.history.database(folders)),
        ("log", folders.log_file()),
        ("programs", folders.programs()),
        ("cache", folders.cache.clone()),
        ("socket", place.socket()),
        ("lock", folders.lock_file(&place.workspace)),
    ];
    if desk.say.json {
        let rows: Map<String, Value> =
            rows.into_iter().map(|(name, path)| (name.to_owned(), json!(path))).collect();
        desk.say.value(&rows);
        return Ok(DONE);
    }
    let mut table = Table::new(&["WHAT", "WHERE", ""]);
    for (name, path) in rows {
        let there = if path.exists() { "" } else { "(not there)" };
        table.row(&[name.to_owned(), path.display().to_string(), there.to_owned()]);
    }
    table.print(desk.say, "");
    Ok(DONE)
}

fn check(desk: &mut Desk<'_>) -> Result<u8, Failure> {
    let loaded = desk.place()?.load(&desk.common)?;
    let problems = &loaded.problems;
    if desk.say.json {
        let rows: Vec<Value> = problems
            .iter()
            .map(|problem| {
                json!({
                    "at": problem.origin.to_string(),
                    "fatal": problem.gravity == Gravity::Fatal,
                    "message": problem.message,
                    "hint": problem.hint,
                })
            })
            .collect();
        desk.say.value(&json!({"ok": problems.is_empty(), "problems": rows}));
    } else {
        for problem in problems {
            let (tint, word) = match problem.gravity {
                Gravity::Ignored => (Tint::Warn, "ignored"),
                Gravity::Fatal => (Tint::Bad, "fatal"),
            };
            let word = desk.say.tint(tint, word);
            desk.say.line(&format!("{word}: {problem}"));
        }
        if problems.is_empty() {
            desk.say.line("the settings are in order");
        }
    }
    Ok(if problems.is_empty() { DONE } else { FailureKind::Config.exit_code() })
}
