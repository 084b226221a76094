//! Big pastes: a mark in the text, the content beside it.

/// A paste of more lines becomes a mark.
const LINES: usize = 20;

/// A paste of more bytes becomes a mark.
const BYTES: usize = 2 * 1024;

/// The contents behind the marks of one prompt.
#[derive(Debug, Clone, Default)]
pub(super) struct Pastes {
    kept: Vec<(String, String)>,
}

impl Pastes {
    /// What to write for a paste: itself, or a mark if it is big.
    pub(super) fn fold(&mut self, text: &str) -> String {
        let clean = clean(text);
        let lines = clean.lines().count();
        if lines <= LINES && clean.len() <= BYTES {
            return clean;
        }
        let what = if lines > 1 {
            format!("{} lines", thousands(lines))
        } else {
            format!("{} KB", thousands(clean.len().div_ceil(1024)))
        };
        let mut mark = format!("[pasted {what}]");
        let mut number = 2;
        while self.kept.iter().any(|(other, _)| *other == mark) {
            mark = format!("[pasted {what} #{number}]");
            number += 1;
        }
        self.kept.push((mark.clone(), clean));
        mark
    }

    /// The text with the contents in place of their marks.
    pub(super) fn expand(&self, text: &str) -> String {
        let mut whole = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((at, (mark, content))) = self
            .kept
            .iter()
            .filter_map(|kept| Some((rest.find(&kept.0)?, kept)))
            .min_by_key(|(at, _)| *at)
        {
            whole.push_str(&rest[..at]);
            whole.push_str(content);
            rest = &rest[at + mark.len()..];
        }
        whole + rest
    }

    /// The mark that `text` ends with.
    pub(super) fn mark_at_end(&self, text: &str) -> Option<&str> {
        self.kept.iter().map(|(mark, _)| mark.as_str()).find(|mark| text.ends_with(mark))
    }

    /// Drops all contents.
    pub(super) fn forget(&mut self) {
        self.kept.clear();
    }
}

/// The text without what a terminal would act on; all line ends become `\n`.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                clean.push('\n');
            }
            '\n' | '\t' => clean.push(c),
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    clean
}

fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
