//! Sentences for the person at the bottom of the screen.
//!
//! The last one is shown for a while; the more it matters, the longer. One that matters more is not
//! pushed away by one that matters less.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::text::{harmless, width};
use super::theme::Theme;
use super::wrap;
use crate::model::time::Mono;
use crate::model::transcript::Level;

/// Lines of a notice at most.
const LINES: usize = 4;

/// How long a notice stays whatever the person does, in milliseconds.
const READ_MS: u64 = 2_000;

/// The sentence on the screen.
#[derive(Debug, Clone, Default)]
pub struct Notices {
    shown: Option<(Level, String, Mono)>,
    said: Mono,
}

impl Notices {
    /// Says something.
    pub fn say(&mut self, now: Mono, level: Level, text: &str) {
        self.expire(now);
        if self.shown.as_ref().is_some_and(|(shown, _, _)| *shown > level) {
            return;
        }
        let ms = match level {
            Level::Info => 5_000,
            Level::Warn => 10_000,
            Level::Error => 20_000,
        };
        self.said = now;
        self.shown = Some((level, harmless(text).into_owned(), now.after(ms)));
    }

    /// Takes away what has been there long enough; says whether it did.
    pub fn expire(&mut self, now: Mono) -> bool {
        let old = self.shown.as_ref().is_some_and(|(_, _, until)| *until <= now);
        if old {
            self.shown = None;
        }
        old
    }

    /// The person goes on: what could be read by now goes away.
    pub fn go_on(&mut self, now: Mono) {
        if now.since(self.said) >= READ_MS {
            self.shown = None;
        }
    }

    /// When the sentence goes away.
    pub fn wakes_at(&self) -> Option<Mono> {
        self.shown.as_ref().map(|(_, _, until)| *until)
    }

    /// Draws the sentence upwards from the last line of `area`.
    pub fn draw(&self, area: Rect, buf: &mut Buffer, theme: &Theme) {
        let Some((level, text, _)) = &self.shown else {
            return;
        };
        let room = usize::from(area.width.saturating_sub(4)).max(1);
        let mut rows = Vec::new();
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            rows.extend(wrap::rows(line, room).into_iter().map(|row| &line[row]));
        }
        rows.truncate(LINES.min(usize::from(area.height / 5).max(1)));
        let (sign, style) = match level {
            Level::Info => ("·", theme.text),
            Level::Warn => ("!", theme.warn),
            Level::Error => ("✗", theme.bad),
        };
        let top = area.bottom() - u16::try_from(rows.len()).unwrap_or(0);
        for (index, (row, y)) in rows.iter().zip(top..area.bottom()).enumerate() {
            let blank = " ".repeat(usize::from(area.width));
            buf.set_stringn(area.x, y, blank, usize::from(area.width), theme.text);
            let sign = if index == 0 { sign } else { " " };
            buf.set_stringn(area.x + 1, y, sign, width(sign), style);
            buf.set_stringn(area.x + 3, y, row, room, style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_outlives_what_matters_less() {
        let mut notices = Notices::default();
        notices.say(Mono(0), Level::Error, "broken");
        notices.say(Mono(10), Level::Info, "by the way");
        assert_eq!(notices.shown.as_ref().map(|shown| shown.1.as_str()), Some("broken"));
        assert!(!notices.expire(Mono(19_999)));
        assert!(notices.expire(Mono(20_000)));
        notices.say(Mono(20_001), Level::Info, "by the way");
        assert_eq!(notices.wakes_at(), Some(Mono(25_001)));
    }
}
