//! Breaks styled text into rows of the screen.
//!
//! No row is wider than asked for: a character wider than a whole row becomes a sign. No other text
//! but blanks at a break is lost, and the work is proportional to the text, however long its words
//! are.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;

use super::{cells, cluster_cells};

/// One row of the screen.
pub type Row = Line<'static>;

/// A prefix that leaves less room than this is dropped if it would take half of the row.
const ROOM: usize = 4;
/// Stands for a character that is wider than a row.
const TOO_WIDE: &str = "�";

/// Where a row may be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// Between words, and within one that is longer than a row.
    Words,
    /// Behind any character: blanks mean something, as in code.
    Anywhere,
}

/// Text in runs of one style each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Runs {
    runs: Vec<(Style, String)>,
}

impl Runs {
    /// Adds `text` at the end.
    pub fn push(&mut self, text: &str, style: Style) {
        match self.runs.last_mut() {
            Some((last, run)) if *last == style => run.push_str(text),
            Some(_) | None if text.is_empty() => {}
            Some(_) | None => self.runs.push((style, text.to_owned())),
        }
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// How many cells it takes in one row.
    pub fn cells(&self) -> usize {
        self.runs.iter().map(|(_, run)| cells(run)).sum()
    }

    /// The runs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Style)> {
        self.runs.iter().map(|(style, run)| (run.as_str(), *style))
    }

    /// Takes the text away as one row.
    pub fn take(&mut self) -> Row {
        Line::from(self.drain().collect::<Vec<_>>())
    }

    fn drain(&mut self) -> impl Iterator<Item = Span<'static>> {
        self.runs.drain(..).map(|(style, run)| Span::styled(run, style))
    }
}

/// Collects text and breaks it.
#[derive(Debug)]
pub struct Wrap {
    breaks: Break,
    room: usize,
    first: Vec<Span<'static>>,
    rest: Vec<Span<'static>>,
    rows: Vec<Row>,
    line: Runs,
    line_cells: usize,
    blanks: usize,
    blanks_style: Style,
    word: Runs,
    word_cells: usize,
    /// Whether a row of the present line of text was already broken off: blanks at its start are
    /// then blanks of a break.
    broken: bool,
}

impl Wrap {
    /// Rows of at most `width` cells.
    pub fn new(width: usize, breaks: Break) -> Self {
        Self {
            breaks,
            room: width.max(1),
            first: Vec::new(),
            rest: Vec::new(),
            rows: Vec::new(),
            line: Runs::default(),
            line_cells: 0,
            blanks: 0,
            blanks_style: Style::new(),
            word: Runs::default(),
            word_cells: 0,
            broken: false,
        }
    }

    /// Puts `first` in front of the first row and `rest` in front of the others; both are equally
    /// wide. A prefix for which there is no room is left out.
    #[must_use]
    pub fn prefixed(mut self, first: Vec<Span<'static>>, rest: Vec<Span<'static>>) -> Self {
        let taken = |spans: &[Span<'_>]| spans.iter().map(|span| cells(&span.content)).sum();
        let taken = usize::max(taken(&first), taken(&rest));
        if taken + ROOM <= self.room || taken * 2 < self.room {
            self.room -= taken;
            (self.first, self.rest) = (first, rest);
        }
        self
    }

    /// Adds text; a newline ends a row.
    pub fn push(&mut self, text: &str, style: Style) {
        let mut lines = text.split('\n');
        if let Some(line) = lines.next() {
            self.feed(line, style);
        }
        for line in lines {
            self.newline();
            self.feed(line, style);
        }
    }

    /// Ends the row, even an empty one.
    pub fn newline(&mut self) {
        self.place_word();
        self.emit();
        self.broken = false;
    }

    /// The rows, with what is left as the last one; none if there was no text at all.
    pub fn finish(mut self) -> Vec<Row> {
        self.place_word();
        if self.line_cells > 0 || (self.broken && !self.line.is_empty()) {
            self.emit();
        }
        self.rows
    }

    fn feed(&mut self, text: &str, style: Style) {
        match self.breaks {
            Break::Anywhere => self.cut(text, style),
            Break::Words if text.is_ascii() => {
                for piece in text.split_inclusive(' ') {
                    let word = piece.strip_suffix(' ').unwrap_or(piece);
                    self.grow_word_ascii(word, style);
                    if word.len() < piece.len() {
                        self.blank(style);
                    }
                }
            }
            Break::Words => {
                for cluster in text.graphemes(true) {
                    let (cluster, wide) = self.fitting(cluster);
                    match wide {
                        0 => {}
                        1 if cluster == " " => self.blank(style),
                        1 => self.grow_word(cluster, 1, style),
                        // Scripts without blanks: a break is allowed around each character.
                        wide => {
                            self.place_word();
                            self.grow_word(cluster, wide, style);
                            self.place_word();
                        }
                    }
                }
            }
        }
    }

    /// A cluster that fits a row, and how many cells it takes.
    fn fitting<'a>(&self, cluster: &'a str) -> (&'a str, usize) {
        match cluster_cells(cluster) {
            wide if wide > self.room => (TOO_WIDE, 1),
            wide => (cluster, wide),
        }
    }

    /// Fills rows to the brim.
    fn cut(&mut self, mut text: &str, style: Style) {
        if text.is_ascii() {
            while self.line_cells + text.len() > self.room {
                let (now, later) = text.split_at(self.room.saturating_sub(self.line_cells));
                self.line.push(now, style);
                self.break_off();
                text = later;
            }
            self.line.push(text, style);
            self.line_cells += text.len();
            return;
        }
        for cluster in text.graphemes(true) {
            let (cluster, wide) = self.fitting(cluster);
            if self.line_cells + wide > self.room && self.line_cells > 0 {
                self.break_off();
            }
            if wide > 0 {
                self.line.push(cluster, style);
                self.line_cells += wide;
            }
        }
    }

    fn blank(&mut self, style: Style) {
        self.place_word();
        self.blanks += 1;
        self.blanks_style = style;
    }

    fn grow_word_ascii(&mut self, mut text: &str, style: Style) {
        while self.word_cells + text.len() > self.room {
            let (now, later) = text.split_at(self.room.saturating_sub(self.word_cells));
            self.word.push(now, style);
            self.word_cells += now.len();
            self.place_word();
            text = later;
        }
        self.word.push(text, style);
        self.word_cells += text.len();
    }

    fn grow_word(&mut self, cluster: &str, wide: usize, style: Style) {
        if self.word_cells + wide > self.room {
            self.place_word();
        }
        self.word.push(cluster, style);
        self.word_cells += wide;
    }

    /// Puts the word behind the blanks before it, or on a row of its own.
    fn place_word(&mut self) {
        if self.word_cells == 0 {
            return;
        }
        let kept = if self.line_cells == 0 && self.broken { 0 } else { self.blanks };
        if self.line_cells + kept + self.word_cells <= self.room {
            self.line.push(&" ".repeat(kept), self.blanks_style);
            self.line_cells += kept;
        } else if self.line_cells > 0 {
            self.break_off();
        }
        self.blanks = 0;
        for (style, run) in self.word.runs.drain(..) {
            self.line.push(&run, style);
        }
        self.line_cells += std::mem::take(&mut self.word_cells);
    }

    fn break_off(&mut self) {
        self.emit();
        self.broken = true;
    }

    fn emit(&mut self) {
        let prefix = if self.rows.is_empty() { &self.first } else { &self.rest };
        let mut spans = prefix.clone();
        spans.extend(self.line.drain());
        self.rows.push(Line::from(spans));
        self.line_cells = 0;
        self.blanks = 0;
    }
}

/// Plain text of one style in rows of at most `width` cells.
pub fn wrapped(text: &str, style: Style, width: usize, breaks: Break) -> Vec<Row> {
    let mut wrap = Wrap::new(width, breaks);
    wrap.push(text, style);
    wrap.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, width: usize, expected: &[&str]) {
        let rows = wrapped(text, Style::new(), width, Break::Words);
        assert_eq!(rows.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{text:?}");
    }

    #[test]
    fn words_stay_whole_where_they_can() {
        check("the quick brown fox", 10, &["the quick", "brown fox"]);
        check("a  b", 10, &["a  b"]);
        check("exactly ten", 7, &["exactly", "ten"]);
        check("", 5, &[]);
        check("a\n\nb", 5, &["a", "", "b"]);
    }

    #[test]
    fn a_word_longer_than_a_row_is_cut() {
        check("abcdefgh", 3, &["abc", "def", "gh"]);
        check("x abcdefgh y", 4, &["x", "abcd", "efgh", "y"]);
        check("ééééé", 2, &["éé", "éé", "é"]);
    }

    #[test]
    fn leading_blanks_are_kept_and_blanks_at_a_break_are_not() {
        check("  indented text", 10, &["  indented", "text"]);
        check("one    two", 5, &["one", "two"]);
    }

    #[test]
    fn scripts_without_blanks_break_between_characters() {
        check("漢字漢字漢", 5, &["漢字", "漢字", "漢"]);
        check("漢", 1, &["�"]);
        check("ab漢字", 4, &["ab漢", "字"]);
    }

    #[test]
    fn a_word_of_two_styles_is_one_word() {
        let mut wrap = Wrap::new(6, Break::Words);
        wrap.push("abc de", Style::new());
        wrap.push("fg", Style::new().bold());
        let rows = wrap.finish();
        assert_eq!(rows.iter().map(ToString::to_string).collect::<Vec<_>>(), ["abc", "defg"]);
        assert_eq!(rows[1].spans.len(), 2);
    }

    #[test]
    fn a_prefix_without_room_is_left_out() {
        let rows = |width| {
            let mut wrap = Wrap::new(width, Break::Words)
                .prefixed(vec![Span::raw("- ")], vec![Span::raw("  ")]);
            wrap.push("ab cd", Style::new());
            wrap.finish().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(rows(5), ["- ab", "  cd"]);
        assert_eq!(rows(2), ["ab", "cd"]);
    }

    proptest! {
        #[test]
        fn no_row_is_too_wide_and_no_text_is_lost(
            text in r"([a-z é漢🙂\u{200b}]|e\u{301}){0,60}",
            width in 2usize..20,
            anywhere: bool,
        ) {
            let breaks = if anywhere { Break::Anywhere } else { Break::Words };
            let rows = wrapped(&text, Style::new(), width, breaks);
            let visible = |text: &str| {
                text.graphemes(true)
                    .filter(|cluster| cluster_cells(cluster) > 0 && *cluster != " ")
                    .collect::<String>()
            };
            for row in &rows {
                prop_assert!(cells(&row.to_string()) <= width, "{row:?}");
            }
            let all = rows.iter().map(ToString::to_string).collect::<String>();
            prop_assert_eq!(visible(&all), visible(&text));
        }
    }
}
