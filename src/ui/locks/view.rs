//! Drawing the locks view.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::{Entry, Locks, Row};
use crate::model::lease::{LeaseInfo, LeaseState, PERSON};
use crate::model::time::Wall;
use crate::ui::action::{Action, Context, ListAction, LocksAction};
use crate::ui::age::age;
use crate::ui::bench::Bench;
use crate::ui::layer::{Scene, frame, hints};
use crate::ui::table::{Cell, Columns, Plan};
use crate::ui::text::{fit, harmless, width};

impl Locks {
    /// Draws it.
    pub fn draw(&self, screen: Rect, buf: &mut Buffer, scene: &Scene<'_>) {
        let (theme, bench) = (scene.theme, scene.bench);
        let title =
            format!("locks · {} held · {} refused", bench.leases.len(), bench.refused.len());
        let inner = frame::draw(screen, buf, &title, theme);
        if inner.height < 4 {
            return;
        }
        let rows = self.shown(bench);
        let columns = Columns::of(usize::from(inner.width), &PLANS);
        columns.draw_head(HEADS, inner, buf, theme);
        let list = Rect { y: inner.y + 1, height: inner.height - 4, ..inner };
        if rows.is_empty() {
            let text = if self.filter.is_empty() { "no file is held" } else { "nothing matches" };
            buf.set_stringn(list.x, list.y, text, usize::from(list.width), theme.dim);
        }
        for (row, y) in self.rows.visible(rows.len()).zip(list.top()..list.bottom()) {
            let Some(content) = rows.get(row) else {
                continue;
            };
            let here = row == self.rows.at();
            let cells = match content {
                Row::Lease(lease) => lease_cells(lease, bench, scene),
                Row::Refused(attempt) => vec![
                    (attempt.path.clone(), theme.dim),
                    (attempt.who.clone(), theme.dim),
                    (format!("✗ refused {}", attempt.code), theme.bad),
                    (age(scene.now.wall, attempt.at), theme.dim),
                    (String::new(), theme.dim),
                    (
                        attempt
                            .holder
                            .as_ref()
                            .map(|holder| if holder == PERSON { "you" } else { holder.as_str() })
                            .map(|holder| format!("{holder} stood in the way"))
                            .unwrap_or_default(),
                        theme.dim,
                    ),
                ],
            };
            columns.draw(&cells, Rect { y, height: 1, ..list }, here, buf, theme);
        }
        let detail = Rect { y: inner.bottom() - 2, height: 1, ..inner };
        let room = usize::from(detail.width);
        if let Some(Row::Lease(lease)) = rows.get(self.rows.at()) {
            let text = harmless(&detail_of(lease)).replace('\n', " ");
            buf.set_stringn(detail.x, detail.y, fit(&text, room), room, theme.dim);
        }
        let last = Rect { y: inner.bottom() - 1, ..detail };
        if let Some((label, field)) = self.line() {
            buf.set_stringn(last.x, last.y, label, room, theme.accent);
            field.draw(behind(last, label), buf, theme.text);
        } else {
            hints(last, buf, &keys(scene), theme);
        }
    }

    /// Where the cursor is.
    pub fn cursor_in(&self, screen: Rect) -> Option<Position> {
        self.entry.as_ref()?;
        let inner = frame::inner(screen);
        if inner.height < 4 {
            return None;
        }
        let (label, field) = self.line()?;
        let place = behind(Rect { y: inner.bottom() - 1, height: 1, ..inner }, label);
        field.draw(place, &mut Buffer::empty(place), Style::new())
    }

    /// The line that is typed, or the filter that is in force.
    fn line(&self) -> Option<(&'static str, &crate::ui::field::Field)> {
        match &self.entry {
            Some(Entry::Pin(field)) => Some(("reserve for yourself: ", field)),
            Some(Entry::Filter) => Some(("/", &self.filter)),
            None if !self.filter.is_empty() => Some(("/", &self.filter)),
            None => None,
        }
    }
}

const HEADS: [&str; 6] = ["path", "owner", "state", "since", "until", "waiting"];

/// What is least needed goes first: `until`, who waits, `since`.
const PLANS: [Plan<6>; 4] = [
    (100, [0, 14, 18, 8, 8, 24]),
    (70, [0, 10, 16, 7, 0, 16]),
    (50, [0, 8, 16, 7, 0, 0]),
    (0, [0, 6, 10, 0, 0, 0]),
];

fn lease_cells(lease: &LeaseInfo, bench: &Bench, scene: &Scene<'_>) -> Vec<Cell> {
    let theme = scene.theme;
    let agent = lease
        .owner
        .session()
        .and_then(|session| bench.agents.iter().find(|agent| agent.session_id == *session));
    let owner = agent.map_or(theme.text, |agent| theme.agent(agent.id.0));
    let (state, style) = match lease.state {
        LeaseState::Inflight => ("● writing now", theme.accent),
        LeaseState::Held => ("○ held", theme.text),
        LeaseState::Reserved => ("◌ reserved", theme.text),
        LeaseState::Pinned => ("◆ pinned", theme.warn),
    };
    let until = lease.until.map(|until| ahead(scene.now.wall, until)).unwrap_or_default();
    vec![
        (lease.path.clone(), theme.text),
        (lease.owner_name.clone(), owner),
        (state.to_owned(), style),
        (age(scene.now.wall, lease.since), theme.text),
        (until, theme.text),
        (lease.queue.join(", "), theme.warn),
    ]
}

fn detail_of(lease: &LeaseInfo) -> String {
    let mut parts = Vec::new();
    if !lease.reason.is_empty() {
        parts.push(lease.reason.clone());
    }
    if !lease.queue.is_empty() {
        parts.push(format!("waiting: {}", lease.queue.join(", ")));
    }
    parts.join(" · ")
}

/// How long until `then`.
fn ahead(now: Wall, then: Wall) -> String {
    if then.0 <= now.0 { "now".to_owned() } else { age(then, now) }
}

fn keys(scene: &Scene<'_>) -> Vec<(String, String)> {
    let key = |action| scene.keymap.key(Context::Locks, action);
    [
        (key(Action::List(ListAction::Choose)), "go to the owner"),
        (key(Action::Locks(LocksAction::Steal)), "steal"),
        (key(Action::Locks(LocksAction::Release)), "release"),
        (key(Action::Locks(LocksAction::Pin)), "pin"),
        (key(Action::Locks(LocksAction::Message)), "message"),
        (key(Action::Locks(LocksAction::Filter)), "filter"),
        (key(Action::List(ListAction::Close)), "close"),
    ]
    .into_iter()
    .filter_map(|(key, label)| Some((key?, label.to_owned())))
    .collect()
}

fn behind(row: Rect, label: &str) -> Rect {
    let used = u16::try_from(width(label)).unwrap_or(0).min(row.width);
    Rect { x: row.x + used, width: row.width - used, ..row }
}
