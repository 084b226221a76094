//! Small words of the picker: ages, counts, money, marks.
//!
//! Everything that comes from an agent or a file goes through [`one_line`] before it is drawn.

use crate::model::time::Wall;
use crate::ui::text;

/// How long ago `then` was, in at most six cells.
pub(super) fn age(now: Wall, then: Wall) -> String {
    let seconds = now.0.saturating_sub(then.0).max(0) / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match days {
        0 if minutes == 0 => "now".to_owned(),
        0 if hours == 0 => format!("{minutes} min"),
        0 => format!("{hours} h"),
        1..=20 => format!("{days} d"),
        21..=69 => format!("{} w", days / 7),
        70..=729 => format!("{} mo", days / 30),
        _ => format!("{} y", days / 365),
    }
}

/// The same with a word behind it, for sentences.
pub(super) fn ago(now: Wall, then: Wall) -> String {
    match age(now, then) {
        now if now == "now" => "just now".to_owned(),
        age => format!("{age} ago"),
    }
}

/// A moment on the calendar.
pub(super) fn moment(at: Wall) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map(|moment| moment.strftime("%Y-%m-%d %H:%M UTC").to_string())
        .unwrap_or_default()
}

/// `10431` as `10,431`.
pub(super) fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 agent`, `3 agents`.
pub(super) fn some(n: usize, what: &str) -> String {
    format!("{} {what}{}", count(n), if n == 1 { "" } else { "s" })
}

/// US dollars; cents as long as they matter.
pub(super) fn money(dollars: f64) -> String {
    if dollars.abs() < 1_000.0 { format!("${dollars:.2}") } else { format!("${dollars:.0}") }
}

/// `raw` as one harmless line of at most `longest` characters.
pub(super) fn one_line(raw: &str, longest: usize) -> String {
    let start: String = raw.trim_start().chars().take(longest).collect();
    let clean = text::harmless(&start);
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The mark of a state that was stored as a word, and whether the session is open.
///
/// A closed one does nothing, whatever it did last: only how it ended is worth a mark.
pub(super) fn state_mark(word: &str, open: bool) -> &'static str {
    match word {
        "finished" => "✓",
        "error" => "✗",
        "starting" if open => "◌",
        "working" if open => "●",
        "needs_you" if open => "◆",
        "waiting_for_file" if open => "◷",
        "dead" if open => "†",
        _ => "○",
    }
}

/// The last part of a path.
pub(super) fn last_part(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_stay_short_and_never_negative() {
        let days = |n: i64| n * 86_400_000;
        let cases = [
            (-5, "now"),
            (59_000, "now"),
            (60_000, "1 min"),
            (3_599_000, "59 min"),
            (7_200_000, "2 h"),
            (days(1), "1 d"),
            (days(21), "3 w"),
            (days(100), "3 mo"),
            (days(800), "2 y"),
        ];
        for (passed, expected) in cases {
            assert_eq!(age(Wall(days(9_000) + passed), Wall(days(9_000))), expected);
        }
    }

    #[test]
    fn counts_have_groups_of_three_digits() {
        for (n, expected) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(n), expected);
        }
    }

    #[test]
    fn a_text_of_many_lines_becomes_one_harmless_line() {
        assert_eq!(one_line("\n a\tb\r\n\n c\x1b[1m", 99), "a b c␛[1m");
        assert_eq!(one_line("abcdef", 3), "abc");
    }
}
