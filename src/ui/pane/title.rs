//! The title of a pane: state, name, model, mode, context, money, guard, files.
//!
//! Every part has a rank; what does not fit is left out by rank. The mark of the state, and the word
//! that writes are watched only and not stopped, are never left out: the one says what the agent
//! needs, the other what may happen to files. Where it is narrow that word is `adv`.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::model::agent::{AgentInfo, AgentState, GuardLevel};
use crate::model::permission::PermissionMode;
use crate::ui::bench::mark;
use crate::ui::text::{fit, harmless, width};
use crate::ui::theme::Theme;

/// Cells of a path in a title at most.
const PATH: usize = 32;

/// `advisory` where there is no room for it.
const SHORT_ADVISORY: &str = "adv";

/// The rank of what stays.
const STAYS: u8 = 0;

/// The rank at which a long word becomes its short form, which stays.
const SHORTENED: u8 = 7;

struct Part {
    rank: u8,
    /// What it becomes instead of being left out.
    short: Option<&'static str>,
    before: &'static str,
    text: String,
    style: Style,
}

/// The title of an agent's pane, at most `room` cells wide.
pub(super) fn title(info: &AgentInfo, room: usize, focused: bool, theme: &Theme) -> Line<'static> {
    let plain = if focused { theme.text } else { theme.dim };
    let mut parts = vec![
        Part {
            rank: STAYS,
            short: None,
            before: "",
            text: mark(info.state).to_owned(),
            style: mark_style(info.state, theme),
        },
        Part {
            rank: STAYS,
            short: None,
            before: " ",
            text: harmless(&info.name).into_owned(),
            style: theme.agent(info.id.0),
        },
    ];
    let mut add = |rank, before, text: String, style| {
        let text = harmless(&text).into_owned();
        let short = (rank == SHORTENED).then_some(SHORT_ADVISORY);
        parts.push(Part { rank, short, before, text, style });
    };
    let mut gap = "  ";
    if let Some(model) = &info.model {
        add(4, "  ", short_model(model).to_owned(), plain);
        gap = " · ";
    }
    let mode = info.permission_mode;
    let loud = matches!(mode, PermissionMode::BypassPermissions | PermissionMode::DontAsk);
    add(3, gap, mode.as_str().to_owned(), if loud { theme.warn } else { plain });
    if let Some(percent) = info.usage.context_percent {
        let style = if percent >= 80 { theme.warn } else { plain };
        add(5, " ── ", format!("{percent}%"), style);
    }
    if info.usage.cost_usd >= 0.005 {
        add(8, " ─ ", format!("${:.2}", info.usage.cost_usd), plain);
    }
    let rank = if info.guard == GuardLevel::Advisory { SHORTENED } else { 9 };
    add(rank, " ─ ", info.guard.as_str().to_owned(), plain);
    if let Some(wait) = &info.waits_for {
        let text = format!("waits for {} ({})", short_path(&wait.path), wait.holder);
        add(1, " ─ ", text, theme.warn);
    } else if let Some(first) = info.holds.first() {
        let more = match info.holds.len() {
            1 => String::new(),
            count => format!(" +{}", count - 1),
        };
        add(6, " ─ ", format!("{}{more}", short_path(first)), plain);
    }
    line(parts, room)
}

fn line(mut parts: Vec<Part>, room: usize) -> Line<'static> {
    while wide(&parts) > room {
        let last = parts.iter().map(|part| part.rank).max().unwrap_or(STAYS);
        if last == STAYS {
            break;
        }
        for part in parts.iter_mut().filter(|part| part.rank == last) {
            if let Some(short) = part.short {
                (part.rank, part.text) = (STAYS, short.to_owned());
            }
        }
        parts.retain(|part| part.rank != last);
    }
    squeeze(&mut parts, room);
    let mut left = room;
    let mut spans = Vec::new();
    for part in parts {
        let text = fit(&part.text, left.saturating_sub(width(part.before)));
        left = left.saturating_sub(width(part.before) + width(&text));
        spans.push(Span::raw(part.before));
        spans.push(Span::styled(text, part.style));
    }
    Line::from(spans)
}

fn wide(parts: &[Part]) -> usize {
    parts.iter().map(|part| width(part.before) + width(&part.text)).sum()
}

/// Makes room for what stays: the gaps first, then the name.
fn squeeze(parts: &mut Vec<Part>, room: usize) {
    if wide(parts) <= room {
        return;
    }
    for part in parts.iter_mut().skip(1) {
        part.before = " ";
    }
    let over = wide(parts).saturating_sub(room);
    let Some(name) = parts.get_mut(1).filter(|_| over > 0) else {
        return;
    };
    let left = width(&name.text).saturating_sub(over);
    name.text = fit(&name.text, left);
    if left == 0 && parts.len() > 2 {
        parts.remove(1);
    }
}

/// The style of a state's mark.
pub fn mark_style(state: AgentState, theme: &Theme) -> Style {
    match state {
        AgentState::NeedsYou | AgentState::WaitingForFile => theme.warn,
        AgentState::Error | AgentState::Dead => theme.bad,
        AgentState::Finished => theme.good,
        AgentState::Working => theme.accent,
        AgentState::Idle | AgentState::Starting => theme.dim,
    }
}

/// A model's name without what all of them share: `claude-opus-4-1-20250805` is `opus-4-1`.
fn short_model(model: &str) -> &str {
    let short = model.strip_prefix("claude-").unwrap_or(model);
    match short.rsplit_once('-') {
        Some((name, date)) if date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => short,
    }
}

/// The end of a path, which says the most.
fn short_path(path: &str) -> String {
    if width(path) <= PATH {
        return path.to_owned();
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    format!("…/{}", fit(name, PATH - 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::agent::Wait;
    use crate::ui::sample;

    fn shown(info: &AgentInfo, room: usize) -> String {
        title(info, room, true, &Theme::plain()).to_string()
    }

    #[test]
    fn what_does_not_fit_goes_by_rank_and_the_name_stays() {
        let mut info = sample::info(1, "blue");
        info.model = Some("claude-opus-4-1-20250805".into());
        info.holds = vec!["src/lex.rs".into(), "src/a.rs".into()];
        info.usage.context_percent = Some(41);
        info.usage.cost_usd = 0.424;
        for (room, expected) in [
            (80, "○ blue  opus-4-1 · default ── 41% ─ $0.42 ─ advisory ─ src/lex.rs +1"),
            (62, "○ blue  opus-4-1 · default ── 41% ─ advisory ─ src/lex.rs +1"),
            (56, "○ blue  opus-4-1 · default ── 41% ─ adv ─ src/lex.rs +1"),
            (40, "○ blue  opus-4-1 · default ── 41% ─ adv"),
            (24, "○ blue · default ─ adv"),
            (12, "○ blue ─ adv"),
            (10, "○ blue adv"),
            (9, "○ bl… adv"),
            (5, "○ adv"),
        ] {
            assert_eq!(shown(&info, room), expected);
        }
        let (path, holder) = ("src/lex.rs".into(), "red".into());
        info.waits_for = Some(Wait { path, holder, place: 1 });
        assert_eq!(shown(&info, 41), "○ blue ─ adv ─ waits for src/lex.rs (red)");
        info.guard = GuardLevel::Enforced;
        assert_eq!(shown(&info, 10), "○ blue");
        assert_eq!(shown(&info, 4), "○ b…");
    }
}
