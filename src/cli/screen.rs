//! What the screen is told by the settings and the command line.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::built_in::script_program;
use super::parts::Opening;
use super::setup::Setup;
use crate::model::failure::{Failure, FailureKind};
use crate::model::transcript::Level;
use crate::ui::action::Context;
use crate::ui::app::{Bell, Options, Start};
use crate::ui::dialog::Preset;
use crate::ui::keymap::Keymap;
use crate::ui::terminal::Mouse;
use crate::ui::theme::Theme;

/// The person's own keys, beside the settings.
const KEYMAP: &str = "keymap.toml";

/// How the screen is to be.
pub(super) fn options(
    setup: &Setup,
    opening: &Opening,
    attached: bool,
) -> Result<Options, Failure> {
    let place = &setup.place;
    let own = std::fs::read_to_string(place.folders.config.join(KEYMAP)).unwrap_or_default();
    let (mut keymap, problems) = Keymap::load(&own);
    let mut greeting: Vec<_> =
        problems.iter().map(|problem| (Level::Warn, format!("{KEYMAP}: {problem}"))).collect();
    let (ui, agent) = (&setup.settings.ui, &setup.settings.agent);
    if let Err(why) = keymap.set_prefix(&ui.prefix) {
        greeting.push((Level::Warn, format!("the prefix `{}`: {why}", ui.prefix)));
    }
    let plain = place.environment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    let name = if plain { "plain" } else { ui.theme.as_str() };
    let theme = Theme::by_name(name).ok_or_else(|| {
        Failure::new(FailureKind::Config, format!("the theme `{name}` does not exist"))
            .hint(format!("the themes are {}", Theme::NAMES.join(", ")))
    })?;
    Ok(Options {
        theme,
        keymap,
        workspace: place.workspace.display().to_string(),
        start: match opening {
            Opening::Picker { query, all } => {
                Start::Picker { all: *all, query: Some(query.clone()).filter(|q| !q.is_empty()) }
            }
            Opening::Bench(_) | Opening::Agent(_) => Start::Bench,
        },
        attached,
        home: place.environment.get("HOME").unwrap_or_default().to_owned(),
        bell: if setup.settings.notify.bell { Bell::Rings } else { Bell::Mute },
        mouse: if ui.mouse { Mouse::Ours } else { Mouse::Theirs },
        preset: Preset {
            backend: agent.backend,
            model: agent.model.clone(),
            mode: agent.permission_mode,
            script: script_program()?,
        },
        greeting,
    })
}

/// The layout of a bench file in the words of the screen.
pub(super) fn layout(bench: &Value) -> Option<Value> {
    match bench {
        Value::String(name) => Some(json!({ "arrangement": name })),
        Value::Object(fields) => fields.get("tree").map(|tree| json!({ "root": part(tree, None) })),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

/// A pane or a split, with its share of the room.
fn part(tree: &Value, share: Option<&Value>) -> Value {
    let mut drawn = match tree.get("split").and_then(Value::as_str) {
        None => json!({ "agent": tree }),
        Some(direction) => {
            let list = |key: &str| tree.get(key).and_then(Value::as_array).cloned();
            let (parts, shares) =
                (list("parts").unwrap_or_default(), list("shares").unwrap_or_default());
            let parts = parts.iter().enumerate().map(|(n, tree)| part(tree, shares.get(n)));
            let side = if direction == "columns" { "right" } else { "below" };
            json!({ side: parts.collect::<Vec<_>>() })
        }
    };
    if let (Some(share), Some(fields)) = (share, drawn.as_object_mut()) {
        fields.insert("weight".to_owned(), share.clone());
    }
    drawn
}

/// The table of keys, for people.
pub(super) fn key_table() -> String {
    let keymap = Keymap::default();
    let mut table = String::new();
    for place in Context::ALL {
        let bindings = keymap.of(place);
        if bindings.is_empty() {
            continue;
        }
        // Writing into a string cannot fail.
        let _ = writeln!(table, "{}", place.title());
        for binding in bindings {
            let keys = keymap.spell(place, &binding.keys);
            let _ = writeln!(table, "  {keys:<24} {}", binding.action.what());
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_of_a_bench_file_keeps_its_splits_and_shares() {
        assert_eq!(layout(&json!("main-left")), Some(json!({ "arrangement": "main-left" })));
        let tree = json!({ "tree": { "split": "columns", "shares": [2, 1], "parts": [
            "blue", { "split": "rows", "parts": ["red", "green"] }] } });
        let below = json!({ "below": [{ "agent": "red" }, { "agent": "green" }], "weight": 1 });
        let right = json!([{ "agent": "blue", "weight": 2 }, below]);
        assert_eq!(layout(&tree), Some(json!({ "root": { "right": right } })));
    }

    #[test]
    fn the_table_of_keys_names_the_prefix_and_what_quits() {
        let table = key_table();
        assert!(table.contains("Ctrl-Space n"), "{table}");
        assert!(table.to_lowercase().contains("quit"), "{table}");
    }
}
