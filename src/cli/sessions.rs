//! `sessions`, `search`, `show`: what the history remembers. No engine is needed.

use super::answer::gist;
use super::args::Listing;
use super::parts::Stored;
use super::say::{Say, Tint};
use super::table::{Table, ago, dollars};
use super::{DONE, Desk, rows};
use crate::model::failure::{Failure, FailureKind};
use crate::model::session::{SessionHit, SessionQuery};
use crate::model::transcript::{Body, Item, Level, TodoState, ToolCall, ToolStatus};
use crate::ui::text::harmless;

/// Characters of an id's end that tables show. Its beginning is the time and much the same in all.
const SHORT_ID: usize = 8;

/// Characters of an id that must be given at least.
const LEAST_ID: usize = 4;

/// Lists sessions, those with `words` in them if there are any.
pub(super) fn list(
    desk: &mut Desk<'_>,
    listing: &Listing,
    words: Option<String>,
) -> Result<u8, Failure> {
    let setup = desk.setup()?;
    let here = setup.place.workspace.display().to_string();
    let searched = words.is_some();
    let query = SessionQuery {
        workspace: (!listing.all).then_some(here),
        text: words,
        limit: listing.limit,
    };
    let hits = desk.parts.history(&setup)?.sessions(&query)?;
    if desk.say.json {
        desk.say.value(&hits.iter().map(rows::session).collect::<Vec<_>>());
        return Ok(DONE);
    }
    let now = (desk.stage.clock)();
    let mut headings = vec!["ID", "AGENT", "STATE", "CHANGED", ">TURNS", ">COST", "BRANCH"];
    headings.extend(listing.all.then_some("WORKSPACE"));
    headings.push("TITLE");
    headings.extend(searched.then_some("FOUND"));
    let mut table = Table::new(&headings);
    for hit in &hits {
        let row = &hit.row;
        let mut cells = vec![
            short(&row.id.0).to_owned(),
            row.agent.clone(),
            state(hit).to_owned(),
            ago(now.0 - row.updated_at.0),
            row.turns.to_string(),
            dollars(row.usage.cost_usd),
            row.branch.clone(),
        ];
        cells.extend(listing.all.then(|| row.workspace.clone()));
        cells.push(row.title.clone());
        cells.extend(searched.then(|| hit.snippet.clone().unwrap_or_default()));
        table.row(&cells);
    }
    let nothing = match listing.all {
        true => "there are no such sessions",
        false => "there are no such sessions here; --all looks in every workspace",
    };
    table.print(desk.say, nothing);
    Ok(DONE)
}

/// Prints a session.
pub(super) fn show(desk: &mut Desk<'_>, id: &str, limit: usize) -> Result<u8, Failure> {
    let setup = desk.setup()?;
    let stored = desk.parts.history(&setup)?;
    let hit = match find(stored.as_ref(), id)? {
        Found::One(hit) => hit,
        Found::None => {
            return Err(Failure::new(FailureKind::Usage, format!("there is no session `{id}`"))
                .hint("`benchdog sessions --all` lists them"));
        }
        Found::Many(count) => {
            let message = format!("`{id}` could be {count} sessions");
            return Err(Failure::new(FailureKind::Usage, message).hint("give more of its id"));
        }
    };
    let page = stored.transcript(&hit.row.id, None, limit)?;
    if desk.say.json {
        desk.say.value(&serde_json::json!({
            "session": rows::session(&hit),
            "items": page.items,
            "more_before": page.more_before,
        }));
        return Ok(DONE);
    }
    let title = desk.say.tint(Tint::Strong, &harmless(&hit.row.title));
    desk.say.line(&title);
    if page.more_before {
        desk.say.line("…");
    }
    for item in &page.items {
        print(item, desk.say);
    }
    Ok(DONE)
}

/// What an id that somebody typed leads to.
pub(super) enum Found {
    /// To no session.
    None,
    /// To this one.
    One(Box<SessionHit>),
    /// To so many.
    Many(usize),
}

/// The session whose id is `id`, or begins or ends with it.
pub(super) fn find(stored: &dyn Stored, id: &str) -> Result<Found, Failure> {
    let looks_like_one =
        id.len() >= LEAST_ID && id.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if !looks_like_one {
        return Ok(Found::None);
    }
    let mut hits = stored.sessions(&SessionQuery::default())?;
    if let Some(at) = hits.iter().position(|hit| hit.row.id.0 == id) {
        return Ok(Found::One(Box::new(hits.swap_remove(at))));
    }
    hits.retain(|hit| hit.row.id.0.starts_with(id) || hit.row.id.0.ends_with(id));
    Ok(match (hits.pop(), hits.len()) {
        (None, _) => Found::None,
        (Some(hit), 0) => Found::One(Box::new(hit)),
        (Some(_), more) => Found::Many(more + 1),
    })
}

/// The end of an id, as tables show it.
fn short(id: &str) -> &str {
    id.get(id.len().saturating_sub(SHORT_ID)..).unwrap_or(id)
}

fn state(hit: &SessionHit) -> &'static str {
    match (hit.open, hit.resumable) {
        // Its pane is still there and can start it anew, but nothing runs.
        (true, _) if hit.row.last_state == "dead" => "stopped",
        (true, _) => "open",
        (false, true) => "can go on",
        (false, false) => "stored",
    }
}

/// A tool call in one line: `▸ Edit  src/a.rs  +4 −1`.
pub(super) fn tool_line(call: &ToolCall) -> String {
    let mark = match &call.status {
        ToolStatus::Failed | ToolStatus::Refused(_) => '✗',
        ToolStatus::Announced
        | ToolStatus::Waiting { .. }
        | ToolStatus::Asking
        | ToolStatus::Running
        | ToolStatus::Done => '▸',
    };
    let changed = call.result.as_ref().and_then(|result| result.changed);
    let end = match (&call.status, changed) {
        (ToolStatus::Refused(refusal), _) => match &refusal.holder {
            Some(holder) => format!("not written: {holder} ({})", refusal.code),
            None => format!("not written ({})", refusal.code),
        },
        (ToolStatus::Failed, _) => {
            let text = call.result.as_ref().map_or("", |result| result.text.as_str());
            text.lines().next().unwrap_or_default().to_owned()
        }
        (_, Some((added, removed))) => format!("+{added} −{removed}"),
        (_, None) => String::new(),
    };
    let gist = gist(&call.input);
    [mark.to_string() + " " + &call.name, gist, end]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("  ")
}

fn print(item: &Item, say: &mut Say) {
    let indent = if item.parent.is_some() { "  " } else { "" };
    let (tint, text) = match &item.body {
        Body::Prompt { text, .. } => (Some(Tint::Strong), format!("\n› {text}\n")),
        Body::Text { text } => (None, text.clone()),
        Body::Thinking { text } => (Some(Tint::Faint), text.clone()),
        Body::Tool(call) => match call.status {
            ToolStatus::Failed | ToolStatus::Refused(_) => (Some(Tint::Bad), tool_line(call)),
            ToolStatus::Announced
            | ToolStatus::Waiting { .. }
            | ToolStatus::Asking
            | ToolStatus::Running
            | ToolStatus::Done => (Some(Tint::Faint), tool_line(call)),
        },
        Body::Todo { entries } => {
            let entries: Vec<String> = entries
                .iter()
                .map(|entry| {
                    let mark = match entry.state {
                        TodoState::Open => '☐',
                        TodoState::Doing => '◐',
                        TodoState::Done => '☑',
                    };
                    format!("{mark} {}", entry.text)
                })
                .collect();
            (None, entries.join("  "))
        }
        Body::Notice { level, text } => match level {
            Level::Info => (Some(Tint::Faint), text.clone()),
            Level::Warn => (Some(Tint::Warn), text.clone()),
            Level::Error => (Some(Tint::Bad), text.clone()),
        },
        Body::TurnEnd(end) if end.is_error => {
            let message = end.message.as_deref().unwrap_or(&end.reason);
            (Some(Tint::Bad), format!("✗ {message}"))
        }
        Body::TurnEnd(end) => {
            let seconds = end.duration_ms / 1000;
            (Some(Tint::Faint), format!("— {seconds} s, {}", dollars(end.cost_usd)))
        }
        Body::Raw { line } => (Some(Tint::Faint), line.clone()),
    };
    for line in harmless(&text).lines() {
        let line = tint.map_or_else(|| line.to_owned(), |tint| say.tint(tint, line));
        say.line(&format!("{indent}{line}"));
    }
}
