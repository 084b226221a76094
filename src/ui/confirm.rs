//! "Are you sure", before something that cannot be taken back.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::action::{Action, ConfirmAction, Context};
use super::layer::{Scene, frame, hints};
use super::text::width;
use super::wish::Wish;
use super::wrap;

/// A question with yes and no.
#[derive(Debug, Clone)]
pub struct Confirm {
    question: String,
    verb: String,
    wishes: Vec<Wish>,
}

impl Confirm {
    /// Asks `question`; yes is called `verb` and wants `wishes`.
    pub fn new(question: String, verb: &str, wishes: Vec<Wish>) -> Self {
        Self { question, verb: verb.to_owned(), wishes }
    }

    /// Takes the answer.
    pub fn act(&mut self, action: ConfirmAction) -> Vec<Wish> {
        match action {
            ConfirmAction::Yes => {
                let mut wishes = vec![Wish::Close];
                wishes.append(&mut self.wishes);
                wishes
            }
            ConfirmAction::No => vec![Wish::Close],
        }
    }

    /// Draws it in the middle of the screen.
    pub fn draw(&self, screen: Rect, buf: &mut Buffer, scene: &Scene<'_>) {
        let wide = u16::try_from(width(&self.question)).unwrap_or(u16::MAX).saturating_add(4);
        let room = usize::from(wide.clamp(30, 70).min(screen.width).saturating_sub(4)).max(1);
        let rows: Vec<_> = wrap::rows(&self.question, room);
        let count = u16::try_from(rows.len()).unwrap_or(1);
        let area = frame::middle(screen, wide.clamp(30, 70), count + 4);
        let inner = frame::draw(area, buf, "sure?", scene.theme);
        for (row, y) in rows.into_iter().zip(inner.top()..inner.bottom()) {
            buf.set_stringn(inner.x, y, &self.question[row], room, scene.theme.text);
        }
        let key = |action| scene.keymap.key(Context::Confirm, Action::Confirm(action));
        let keys: Vec<_> = [
            (key(ConfirmAction::Yes), self.verb.clone()),
            (key(ConfirmAction::No), "never mind".to_owned()),
        ]
        .into_iter()
        .filter_map(|(key, label)| Some((key?, label)))
        .collect();
        if inner.height > 1 {
            let last = Rect { y: inner.bottom() - 1, height: 1, ..inner };
            hints(last, buf, &keys, scene.theme);
        }
    }
}
