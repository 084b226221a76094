//! Drawing the changes view.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::{Changes, Entry, Listed};
use crate::model::change::ChangeKind;
use crate::model::review::ChangeLine;
use crate::ui::action::{Action, ChangesAction, Context, ListAction};
use crate::ui::age::age;
use crate::ui::layer::{Scene, frame, hints};
use crate::ui::table::{Cell, Columns, Plan};
use crate::ui::text::{counted, fit, harmless};
use crate::ui::theme::Theme;

/// From this width on the difference has its place at the right.
const WIDE: u16 = 100;

/// From this height on it has its place below.
const HIGH: u16 = 16;

/// Where the parts of the view are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Areas {
    head: Rect,
    pub(super) list: Rect,
    /// The line between the two.
    rule: Rect,
    pub(super) preview: Option<Rect>,
    /// What is read instead of the list.
    pub(super) page: Rect,
    last: Rect,
}

pub(super) fn areas(screen: Rect) -> Areas {
    let inner = frame::inner(screen);
    let last = Rect { y: inner.bottom().saturating_sub(1), height: inner.height.min(1), ..inner };
    let page = Rect { height: inner.height.saturating_sub(1), ..inner };
    let mut areas = Areas {
        head: Rect { height: page.height.min(1), ..page },
        list: page,
        rule: Rect { height: 0, ..page },
        preview: None,
        page,
        last,
    };
    let mut room = page;
    if page.width >= WIDE {
        let left = page.width / 2;
        room.width = left - 2;
        let right = Rect { x: page.x + left + 1, width: page.width - left - 1, ..page };
        areas.rule = Rect { x: page.x + left - 1, width: 1, ..page };
        areas.preview = Some(right);
    } else if page.height >= HIGH {
        room.height = page.height / 2;
        let y = page.y + room.height;
        areas.rule = Rect { y, height: 1, ..page };
        areas.preview = Some(Rect { y: y + 1, height: page.bottom() - y - 1, ..page });
    }
    areas.head = Rect { height: room.height.min(1), ..room };
    areas.list =
        Rect { y: room.y + areas.head.height, height: room.height.saturating_sub(1), ..room };
    areas
}

impl Changes {
    /// Draws it.
    pub fn draw(&self, screen: Rect, buf: &mut Buffer, scene: &Scene<'_>) {
        let theme = scene.theme;
        let title = self.open.as_ref().map_or_else(|| self.title(), super::Page::title);
        let room = usize::from(screen.width.saturating_sub(6));
        let inner = frame::draw(screen, buf, &fit(&harmless(&title), room), theme);
        if inner.height < 3 {
            return;
        }
        let areas = areas(screen);
        match &self.open {
            Some(page) => page.draw(areas.page, buf),
            None => self.draw_list(areas, buf, scene),
        }
        if self.typing || (self.open.is_none() && !self.filter.is_empty()) {
            buf.set_stringn(areas.last.x, areas.last.y, "/", 1, theme.accent);
            self.filter.draw(behind(areas.last), buf, theme.text);
        } else {
            hints(areas.last, buf, &self.keys(scene), theme);
        }
    }

    /// Where the cursor is.
    pub fn cursor_in(&self, screen: Rect) -> Option<Position> {
        let place = behind(areas(screen).last);
        if !self.typing || place.is_empty() {
            return None;
        }
        self.filter.draw(place, &mut Buffer::empty(place), Style::new())
    }

    fn title(&self) -> String {
        let more = if self.more { "the last " } else { "" };
        let count = self.entries.len();
        match self.listed {
            Listed::All => format!("changes · {more}{count}"),
            Listed::Lost => format!("changes · {more}{count} that took something away"),
            Listed::Rejected => format!("rejected writes · {count}"),
        }
    }

    fn draw_list(&self, areas: Areas, buf: &mut Buffer, scene: &Scene<'_>) {
        let theme = scene.theme;
        let columns = Columns::of(usize::from(areas.list.width), &PLANS);
        columns.draw_head(HEADS, areas.head, buf, theme);
        let rows = self.shown();
        if rows.is_empty() {
            let text = match (self.loaded, self.filter.is_empty(), self.listed) {
                (false, ..) => "…",
                (true, false, _) => "nothing matches",
                (true, true, Listed::All) => "no file was changed yet",
                (true, true, Listed::Lost) => "nothing is missing",
                (true, true, Listed::Rejected) => "no write was rejected",
            };
            let room = usize::from(areas.list.width);
            buf.set_stringn(areas.list.x, areas.list.y, text, room, theme.dim);
        }
        let lines = areas.list.top()..areas.list.bottom();
        for (row, y) in self.rows.visible(rows.len()).zip(lines) {
            let Some(entry) = rows.get(row) else { continue };
            let area = Rect { y, height: 1, ..areas.list };
            columns.draw(&cells(entry, scene), area, row == self.rows.at(), buf, theme);
        }
        let Some(area) = areas.preview else { return };
        let symbol = if areas.rule.width == 1 { "│" } else { "─" };
        for position in areas.rule.positions() {
            buf.set_string(position.x, position.y, symbol, theme.border);
        }
        match (&self.preview, rows.get(self.rows.at())) {
            (Some((key, page)), Some(entry)) if *key == entry.key() => page.draw(area, buf),
            _ => {}
        }
    }

    fn keys(&self, scene: &Scene<'_>) -> Vec<(String, String)> {
        use ChangesAction as Do;
        let own = Action::Changes;
        let (choose, close) = (Action::List(ListAction::Choose), Action::List(ListAction::Close));
        let restores = match self.chosen() {
            Some(Entry::Rejected(_)) => "write it after all",
            Some(Entry::Change(_)) | None => "bring back",
        };
        let is_change = matches!(self.chosen(), Some(Entry::Change(_)));
        let undo = is_change.then_some((own(Do::Undo), "undo"));
        let turn = is_change.then_some((own(Do::UndoTurn), "undo turn"));
        let agent = is_change.then_some((own(Do::UndoAgent), "undo agent"));
        let back = Some((own(Do::Restore), restores));
        let blame = Some((own(Do::Blame), "blame"));
        let keys: Vec<Option<(Action, &str)>> = match (&self.open, &self.plan) {
            (Some(_), Some(_)) => vec![Some((choose, "do it")), Some((close, "never mind"))],
            (Some(page), None) => {
                vec![Some((close, "back")), undo, back, blame.filter(|_| !page.is_blame())]
            }
            (None, _) => vec![
                Some((choose, "read")),
                undo,
                back,
                blame,
                turn,
                agent,
                Some((own(Do::NextList), "lost, rejected")),
                Some((own(Do::Filter), "filter")),
                Some((close, "close")),
            ],
        };
        keys.into_iter()
            .flatten()
            .filter_map(|(action, label)| {
                Some((scene.keymap.key(Context::Changes, action)?, label.to_owned()))
            })
            .collect()
    }
}

const HEADS: [&str; 6] = ["path", "who", "what", "lines", "age", "over"];

/// What is least needed goes first: over whom, what, age.
const PLANS: [Plan<6>; 4] = [
    (90, [0, 14, 16, 11, 7, 14]),
    (66, [0, 9, 13, 9, 6, 8]),
    (48, [0, 8, 8, 8, 6, 0]),
    (0, [0, 7, 0, 8, 0, 0]),
];

fn cells(entry: &Entry, scene: &Scene<'_>) -> Vec<Cell> {
    let theme = scene.theme;
    let who = |name: &str| (name.to_owned(), Changes::agent_style(theme, scene.bench, name));
    let lines = |lines: Option<(usize, usize)>| {
        lines.map_or_else(String::new, |(came, went)| format!("+{came} −{went}"))
    };
    match entry {
        Entry::Change(line) => {
            let change = &line.change;
            let (what, style) = deed(line, theme);
            let text = if line.undone_by.is_some() { theme.dim } else { theme.text };
            vec![
                (change.path.to_string(), text),
                who(&change.agent),
                (what, style),
                (lines(line.lines), text),
                (age(scene.now.wall, change.at), theme.dim),
                (line.over.clone().unwrap_or_default(), theme.warn),
            ]
        }
        Entry::Rejected(line) => vec![
            (line.path.to_string(), theme.text),
            who(&line.agent),
            (format!("✗ {}", line.code.to_lowercase()), theme.bad),
            (lines(line.lines), theme.text),
            (age(scene.now.wall, line.at), theme.dim),
            (String::new(), theme.dim),
        ],
    }
}

/// What a change did to its file, in a word or two.
fn deed(line: &ChangeLine, theme: &Theme) -> Cell {
    if let Some(by) = line.undone_by {
        return (format!("undone (#{by})"), theme.dim);
    }
    match line.change.reverts.as_slice() {
        [] => {}
        [one] => return (format!("undoes #{one}"), theme.accent),
        several => return (format!("undoes {}", counted(several.len(), "change")), theme.accent),
    }
    if let Some((old, new)) = line.change.only_modes() {
        return (format!("mode {:o} to {:o}", old & 0o7777, new & 0o7777), theme.text);
    }
    match line.change.kind() {
        ChangeKind::Created => ("made".to_owned(), theme.good),
        ChangeKind::Edited => ("changed".to_owned(), theme.text),
        ChangeKind::Deleted => ("deleted".to_owned(), theme.bad),
        ChangeKind::Renamed => ("renamed".to_owned(), theme.text),
    }
}

fn behind(row: Rect) -> Rect {
    let used = row.width.min(1);
    Rect { x: row.x + used, width: row.width - used, ..row }
}
