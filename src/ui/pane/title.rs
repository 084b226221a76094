//! The title of a pane: state, name, model, mode, context, money, guard, files.
//!
//! Every part has a rank; what does not fit is left out by rank, so that the state and the name
//! stay to the last.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::model::agent::{AgentInfo, AgentState, GuardLevel};
use crate::model::permission::PermissionMode;
use crate::ui::bench::mark;
use crate::ui::text::{fit, harmless, width};
use crate::ui::theme::Theme;

/// Cells of a path in a title at most.
const PATH: usize = 32;

struct Part {
    rank: u8,
    before: &'static str,
    text: String,
    style: Style,
}

/// The title of an agent's pane, at most `room` cells wide.
pub(super) fn title(info: &AgentInfo, room: usize, focused: bool, theme: &Theme) -> Line<'static> {
    let plain = if focused { theme.text } else { theme.dim };
    let mut parts = vec![
        Part {
            rank: 0,
            before: "",
            text: mark(info.state).to_owned(),
            style: mark_style(info.state, theme),
        },
        Part {
            rank: 0,
            before: " ",
            text: harmless(&info.name).into_owned(),
            style: theme.agent(info.id.0),
        },
    ];
    let mut add = |rank, before, text: String, style| {
        parts.push(Part { rank, before, text: harmless(&text).into_owned(), style });
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
        add(7, " ─ ", format!("${:.2}", info.usage.cost_usd), plain);
    }
    match info.guard {
        GuardLevel::Advisory => add(8, " ─ ", info.guard.as_str().to_owned(), plain),
        GuardLevel::Enforced | GuardLevel::EnforcedBind => {
            add(9, " ─ ", info.guard.as_str().to_owned(), plain);
        }
    }
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
    let wide = |parts: &[Part]| -> usize {
        parts.iter().map(|part| width(part.before) + width(&part.text)).sum()
    };
    while wide(&parts) > room {
        let last = parts.iter().map(|part| part.rank).max().unwrap_or(0);
        if last == 0 {
            break;
        }
        parts.retain(|part| part.rank != last);
    }
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
            (50, "○ blue  opus-4-1 · default ── 41% ─ src/lex.rs +1"),
            (40, "○ blue  opus-4-1 · default ── 41%"),
            (20, "○ blue · default"),
            (10, "○ blue"),
            (4, "○ b…"),
        ] {
            assert_eq!(shown(&info, room), expected);
        }
        let (path, holder) = ("src/lex.rs".into(), "red".into());
        info.waits_for = Some(Wait { path, holder, place: 1 });
        assert_eq!(shown(&info, 40), "○ blue ─ waits for src/lex.rs (red)");
    }
}
