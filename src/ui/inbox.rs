//! The inbox: every ask of every agent in one list, the chosen one in full.
//!
//! Permissions can be answered here; questions and plans lead to their pane. As everywhere, an ask
//! has to be on the screen for a moment before a key answers it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::Widget;

use super::action::{Action, AskAction, Context, InboxAction, ListAction};
use super::age::age;
use super::ask::{AskPanel, AskView, Focus, Stand, headline};
use super::bench::Bench;
use super::layer::{Scene, frame, hints};
use super::rows::Rows;
use super::text::{fit, harmless, width};
use super::wish::Wish;
use crate::model::id::AskId;
use crate::model::permission::{Ask, AskKind};
use crate::model::time::Mono;

/// The inbox view.
#[derive(Debug, Clone, Default)]
pub struct Inbox {
    rows: Rows,
    panel: Option<AskPanel>,
    panel_height: u16,
}

impl Inbox {
    /// Moves, leaves, or goes to the pane of the chosen ask.
    pub fn act_list(&mut self, action: ListAction, bench: &Bench) -> Vec<Wish> {
        self.rows.act(action, bench.asks.len());
        match action {
            ListAction::Close => vec![Wish::Close],
            ListAction::Choose => match bench.asks.get(self.rows.at()) {
                Some(ask) => vec![Wish::Close, Wish::Answer(ask.agent)],
                None => vec![Wish::Close],
            },
            ListAction::Up
            | ListAction::Down
            | ListAction::PageUp
            | ListAction::PageDown
            | ListAction::First
            | ListAction::Last => Vec::new(),
        }
    }

    /// Answers the chosen ask.
    pub fn act(&mut self, action: InboxAction, bench: &Bench, now: Mono) -> Vec<Wish> {
        let Some(ask) = bench.asks.get(self.rows.at()) else {
            return Vec::new();
        };
        let Some(panel) = self.panel.as_mut().filter(|panel| panel.id() == ask.id) else {
            return Vec::new();
        };
        if !panel.is_armed(now) {
            return panel.not_yet();
        }
        if ask.kind != AskKind::Permission {
            return vec![Wish::Close, Wish::Answer(ask.agent)];
        }
        panel.act(match action {
            InboxAction::AllowOnce => AskAction::AllowOnce,
            InboxAction::AllowAlways => AskAction::AllowAlways,
            InboxAction::Deny => AskAction::Deny,
        })
    }

    /// The answer to an ask did not arrive.
    pub fn answer_failed(&mut self, ask: AskId) {
        if let Some(panel) = self.panel.as_mut().filter(|panel| panel.id() == ask) {
            panel.answer_failed();
        }
    }

    /// When it will look different by itself.
    pub fn wakes_at(&self, now: Mono) -> Option<Mono> {
        self.panel.as_ref().and_then(|panel| panel.arms_at(now))
    }

    /// Moves by rows of the mouse wheel.
    pub fn wheel(&mut self, rows: i32, bench: &Bench) {
        self.rows.wheel(rows, bench.asks.len());
    }

    /// Learns the size of the screen and takes up the chosen ask.
    pub fn measure(&mut self, screen: Rect, scene: &Scene<'_>) {
        let inner = frame::inner(area(screen));
        let asks = &scene.bench.asks;
        let list = list_height(inner, asks.len());
        self.rows.measure(asks.len(), list);
        let chosen = asks.get(self.rows.at());
        if self.panel.as_ref().map(AskPanel::id) != chosen.map(|ask| ask.id) {
            self.panel = chosen.map(|ask| AskPanel::new(ask, scene.bench.root()));
        }
        let room = inner.height.saturating_sub(list + 2);
        let now = scene.now.mono;
        self.panel_height = match &mut self.panel {
            Some(panel) if room >= 4 => {
                panel.measure(now, Stand::Inbox, (inner.width, room), scene.keymap)
            }
            Some(_) | None => 0,
        };
    }

    /// Draws it.
    pub fn draw(&self, screen: Rect, buf: &mut Buffer, scene: &Scene<'_>) {
        let (theme, bench) = (scene.theme, scene.bench);
        let title = match bench.asks.len() {
            0 => "inbox".to_owned(),
            count => format!("inbox · {count}"),
        };
        let inner = frame::draw(area(screen), buf, &title, theme);
        if inner.is_empty() {
            return;
        }
        if bench.asks.is_empty() {
            let text = "nobody needs you";
            buf.set_stringn(inner.x, inner.y, text, usize::from(inner.width), theme.dim);
        }
        let list = list_height(inner, bench.asks.len());
        let visible = self.rows.visible(bench.asks.len());
        for (row, y) in visible.zip(inner.top()..inner.top() + list) {
            let Some(ask) = bench.asks.get(row) else {
                continue;
            };
            row_line(ask, row == self.rows.at(), Rect { y, height: 1, ..inner }, buf, scene);
        }
        if let Some(panel) = self.panel.as_ref().filter(|_| self.panel_height > 0) {
            let place = Rect { y: inner.y + list + 1, height: self.panel_height, ..inner };
            let view = AskView { panel, behind: 0, focus: Focus::Here, theme, now: scene.now.mono };
            view.render(place, buf);
        }
        let key = |action| scene.keymap.key(Context::Inbox, Action::List(action));
        let keys: Vec<_> =
            [(key(ListAction::Choose), "go to the pane"), (key(ListAction::Close), "close")]
                .into_iter()
                .filter_map(|(key, label)| Some((key?, label.to_owned())))
                .collect();
        hints(Rect { y: inner.bottom() - 1, height: 1, ..inner }, buf, &keys, theme);
    }
}

fn row_line(ask: &Ask, here: bool, area: Rect, buf: &mut Buffer, scene: &Scene<'_>) {
    let (theme, room) = (scene.theme, usize::from(area.width));
    let name = scene.bench.agent(ask.agent).map_or("?", |agent| &agent.name);
    let sign = if here { "▌ " } else { "  " };
    let x = buf.set_stringn(area.x, area.y, sign, room, theme.accent).0;
    let name = harmless(name);
    let left = usize::from(area.right().saturating_sub(x));
    let x = buf.set_stringn(x, area.y, format!("{name}  "), left, theme.agent(ask.agent.0)).0;
    let since = age(scene.now.wall, ask.at);
    let left = usize::from(area.right().saturating_sub(x));
    let about = fit(&headline(ask, scene.bench.root()), left.saturating_sub(width(&since) + 2));
    buf.set_stringn(x, area.y, about, left, if here { theme.text } else { theme.dim });
    let wide = u16::try_from(width(&since)).unwrap_or(0);
    if wide < area.width {
        buf.set_string(area.right() - wide, area.y, since, theme.dim);
    }
}

fn area(screen: Rect) -> Rect {
    frame::middle(screen, 110, screen.height)
}

fn list_height(inner: Rect, count: usize) -> u16 {
    let most = (inner.height / 3).max(1);
    u16::try_from(count).unwrap_or(u16::MAX).clamp(1, most)
}
