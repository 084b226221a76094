//! The lines around the bench: the workspace at the top, tabs, the keys that matter at the bottom.
//!
//! What does not fit is left out from the least important; nothing is ever cut in the middle of a
//! word but the workspace's path. What can be clicked is found by [`Spot`]s.

mod whichkey;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

pub use self::whichkey::WhichKey;
use super::bench::{Bench, mark};
use super::pane::mark_style;
use super::text::{fit, harmless, width};
use super::theme::Theme;
use crate::model::agent::{AgentInfo, GuardLevel};
use crate::model::id::AgentId;

/// Something in a line that can be clicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// An agent's tab.
    Agent(AgentId),
    /// The inbox counter.
    Inbox,
    /// The locks counter.
    Locks,
}

/// Where something can be clicked.
pub type Spot = (Rect, Target);

struct Part {
    rank: u8,
    text: String,
    style: Style,
}

/// Draws the top line.
pub fn draw_top(bench: &Bench, home: &str, area: Rect, buf: &mut Buffer, theme: &Theme) {
    let part = |rank, text: String, style| Part { rank, text, style };
    let mut left = vec![part(0, " benchdog".to_owned(), theme.accent)];
    let mut right = Vec::new();
    if let Some(workspace) = &bench.workspace {
        let root = harmless(&workspace.root).replace('\n', " ");
        let root = match root.strip_prefix(home).filter(|_| !home.is_empty()) {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("~{rest}"),
            _ => root,
        };
        left.push(part(3, short_root(&root), theme.bar));
        if !workspace.branch.is_empty() {
            left.push(part(4, harmless(&workspace.branch).into_owned(), theme.bar));
        }
        let loud = if workspace.guard == GuardLevel::Advisory { theme.bar } else { theme.good };
        right.push(part(6, format!("{} ", workspace.guard.as_str()), loud));
    }
    let mut middle = Vec::new();
    match bench.agents.len() {
        0 => {}
        1 => middle.push(part(5, "1 agent".to_owned(), theme.bar)),
        count => middle.push(part(5, format!("{count} agents"), theme.bar)),
    }
    let needy = bench.needy();
    if needy > 0 {
        let verb = if needy == 1 { "needs" } else { "need" };
        middle.push(part(1, format!("{needy} {verb} you"), theme.warn));
    }
    match bench.leases.len() {
        0 => {}
        1 => middle.push(part(5, "1 file held".to_owned(), theme.bar)),
        count => middle.push(part(5, format!("{count} files held"), theme.bar)),
    }
    let cost: f64 = bench.agents.iter().map(|agent| agent.usage.cost_usd).sum();
    if cost >= 0.005 {
        right.insert(0, part(2, format!("${cost:.2}"), theme.bar));
    }
    let room = usize::from(area.width);
    let groups = [(left, "  "), (middle, " · "), (right, "   ")];
    let mut groups: Vec<_> = groups.into_iter().collect();
    let wide = |groups: &[(Vec<Part>, &str)]| -> usize {
        let gaps = groups.iter().filter(|(parts, _)| !parts.is_empty()).count().saturating_sub(1);
        groups.iter().map(|(parts, gap)| group_width(parts, gap)).sum::<usize>() + 2 * gaps
    };
    while wide(&groups) > room {
        let worst = groups.iter().flat_map(|(parts, _)| parts).map(|part| part.rank).max();
        let Some(worst) = worst.filter(|worst| *worst > 0) else {
            break;
        };
        groups.iter_mut().for_each(|(parts, _)| parts.retain(|part| part.rank != worst));
    }
    let widths: Vec<_> = groups.iter().map(|(parts, gap)| group_width(parts, gap)).collect();
    // The middle group is centred if both sides leave it there, else it follows the left one.
    let middle = (room.saturating_sub(widths[1]) / 2).max(widths[0] + 2);
    let middle = middle.min(room.saturating_sub(widths[2] + widths[1] + 2)).max(widths[0] + 2);
    let starts = [0, middle, room.saturating_sub(widths[2])];
    for ((parts, gap), start) in groups.iter().zip(starts) {
        let mut x = start;
        for (index, part) in parts.iter().enumerate() {
            x += if index == 0 { 0 } else { width(gap) };
            if index > 0 && gap.trim() == "·" {
                put(buf, area, x - width(gap), gap, theme.dim);
            }
            put(buf, area, x, &part.text, part.style);
            x += width(&part.text);
        }
    }
}

fn group_width(parts: &[Part], gap: &str) -> usize {
    let texts: usize = parts.iter().map(|part| width(&part.text)).sum();
    texts + width(gap) * parts.len().saturating_sub(1)
}

fn put(buf: &mut Buffer, area: Rect, at: usize, text: &str, style: Style) {
    let room = usize::from(area.width).saturating_sub(at);
    if let Ok(at) = u16::try_from(at)
        && room > 0
    {
        buf.set_stringn(area.x + at, area.y, text, room, style);
    }
}

/// The last two parts of a long path.
fn short_root(root: &str) -> String {
    if width(root) <= 30 {
        return root.to_owned();
    }
    let mut parts: Vec<&str> = root.rsplit('/').take(2).collect();
    parts.reverse();
    fit(&format!("…/{}", parts.join("/")), 30)
}

/// Cells of a tab besides its name, and of the shortest tab: a mark and a letter.
const TAB: (usize, usize) = (5, 4);

/// Where the tabs of the agents go in a line. If they do not all fit, all but the focused one become
/// shorter; if even that does not help, those around the focused one are there.
pub fn tabs(agents: &[AgentInfo], focused: Option<AgentId>, area: Rect) -> Vec<Spot> {
    let room = usize::from(area.width);
    let here = agents.iter().position(|agent| Some(agent.id) == focused).unwrap_or(0);
    let mut wide: Vec<_> = agents.iter().map(|agent| width(&agent.name) + TAB.0).collect();
    let all: usize = wide.iter().sum();
    if all > room {
        let mine = wide.get(here).copied().unwrap_or(0);
        let others = agents.len().saturating_sub(1).max(1);
        let each = (room.saturating_sub(mine) / others).max(TAB.1);
        for (index, wide) in wide.iter_mut().enumerate() {
            *wide = if index == here { mine.min(room) } else { (*wide).min(each) };
        }
    }
    let mut first = 0;
    while first < here && wide[first..=here].iter().sum::<usize>() > room {
        first += 1;
    }
    let mut spots = Vec::new();
    let mut x = area.x;
    for (agent, wide) in agents.iter().zip(wide).skip(first) {
        let wide = u16::try_from(wide).unwrap_or(u16::MAX);
        if wide > area.right().saturating_sub(x) {
            break;
        }
        spots.push((Rect { x, y: area.y, width: wide, height: 1 }, Target::Agent(agent.id)));
        x += wide;
    }
    spots
}

/// Draws the tabs where [`tabs`] put them.
pub fn draw_tabs(
    agents: &[AgentInfo],
    focused: Option<AgentId>,
    spots: &[Spot],
    buf: &mut Buffer,
    theme: &Theme,
) {
    for (rect, target) in spots {
        let Some(agent) = agents.iter().find(|agent| *target == Target::Agent(agent.id)) else {
            continue;
        };
        let here = Some(agent.id) == focused;
        let wide = usize::from(rect.width);
        let name = harmless(&agent.name);
        let (open, close) = if here { ("[", "]") } else { (" ", " ") };
        let (gap, name) = if wide < TAB.0 + 2 && wide < width(&name) + TAB.0 {
            ("", name.chars().take(wide.saturating_sub(3)).collect())
        } else {
            (" ", fit(&name, wide.saturating_sub(TAB.0)))
        };
        let dim = if here { theme.accent } else { theme.dim };
        let name_style = if here { theme.agent(agent.id.0) } else { theme.bar };
        let mut x = rect.x;
        for (text, style) in [
            (open, dim),
            (mark(agent.state), mark_style(agent.state, theme)),
            (gap, dim),
            (&name, name_style),
            (close, dim),
        ] {
            let left = usize::from(rect.right().saturating_sub(x));
            x = buf.set_stringn(x, rect.y, text, left, style).0;
        }
    }
}

/// What the bottom line says.
pub struct Bottom<'a> {
    /// Who has the keys.
    pub mode: &'a str,
    /// The keys that matter now, the most important first.
    pub keys: &'a [(String, String)],
    /// What the engine said.
    pub bench: &'a Bench,
    /// The colours.
    pub theme: &'a Theme,
}

/// Where the counters of the bottom line are.
pub fn counters(bench: &Bench, area: Rect) -> Vec<Spot> {
    let mut end = area.right();
    let mut spots = Vec::new();
    for (text, target) in counter_texts(bench).into_iter().rev() {
        let wide = u16::try_from(width(&text)).unwrap_or(0);
        let Some(x) = end.checked_sub(wide + 1).filter(|x| *x > area.x + area.width / 2) else {
            break;
        };
        spots.push((Rect { x, y: area.y, width: wide, height: 1 }, target));
        end = x.saturating_sub(2);
    }
    spots
}

fn counter_texts(bench: &Bench) -> Vec<(String, Target)> {
    let mut texts = Vec::new();
    if !bench.asks.is_empty() {
        texts.push((format!("inbox {}", bench.asks.len()), Target::Inbox));
    }
    if !bench.leases.is_empty() {
        texts.push((format!("locks {}", bench.leases.len()), Target::Locks));
    }
    texts
}

impl Bottom<'_> {
    /// Draws the bottom line.
    pub fn draw(&self, area: Rect, buf: &mut Buffer) {
        let theme = self.theme;
        let room = usize::from(area.width);
        let x = buf.set_stringn(area.x, area.y, format!(" {} ", self.mode), room, theme.accent).0;
        let spots = counters(self.bench, area);
        let texts = counter_texts(self.bench);
        for (rect, target) in &spots {
            let Some((text, _)) = texts.iter().find(|(_, other)| other == target) else {
                continue;
            };
            let style = if *target == Target::Inbox { theme.warn } else { theme.bar };
            buf.set_string(rect.x, rect.y, text, style);
        }
        let end = spots.iter().map(|(rect, _)| rect.x).min().unwrap_or(area.right());
        let left = end.saturating_sub(x + 2);
        if left > 0 {
            let keys = Rect { x: x + 1, y: area.y, width: left, height: 1 };
            super::layer::hints(keys, buf, self.keys, theme);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::sample;

    fn top(bench: &Bench, wide: u16) -> String {
        let area = Rect { x: 0, y: 0, width: wide, height: 1 };
        let mut buf = Buffer::empty(area);
        draw_top(bench, "/home/me", area, &mut buf, &Theme::plain());
        (0..wide).map(|x| buf[(x, 0)].symbol().to_owned()).collect::<String>().trim_end().to_owned()
    }

    #[test]
    fn the_top_line_drops_what_matters_least() {
        let mut bench = sample::bench();
        bench.leases.insert("a".into(), sample::lease("a", 1, "blue"));
        assert_eq!(
            top(&bench, 100),
            " benchdog  ~/src/parser  main*  3 agents · 1 needs you · 1 file held               $1.84   advisory"
        );
        assert_eq!(top(&bench, 60), " benchdog  ~/src/parser  main*  1 needs you            $1.84");
        assert_eq!(top(&bench, 30), " benchdog  1 needs you   $1.84");
        assert_eq!(top(&bench, 8), " benchdo");
    }

    #[test]
    fn tabs_keep_the_focused_agent_in_view() {
        let agents: Vec<_> = (1..=8).map(|number| sample::info(number, "a-long-name")).collect();
        let area = Rect { x: 0, y: 0, width: 40, height: 1 };
        let spots = tabs(&agents, Some(AgentId(8)), area);
        assert_eq!(spots.last().map(|spot| spot.1), Some(Target::Agent(AgentId(8))));
        assert!(spots.iter().all(|(rect, _)| rect.right() <= 40));
        let mut buf = Buffer::empty(area);
        draw_tabs(&agents, Some(AgentId(8)), &spots, &mut buf, &Theme::plain());
        let line: String = (0..40).map(|x| buf[(x, 0)].symbol()).collect();
        assert_eq!(line.trim_end(), " ○a  ○a  ○a  ○a  ○a  ○a [○ a-long-name]");
    }
}
