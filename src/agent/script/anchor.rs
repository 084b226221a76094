//! Where an added line is anchored: a piece of text that stands in the file exactly once.

/// The anchor at the end of `text` and what takes its place to add `lines` there; `None` if the
/// text has no piece that stands in it once.
pub(super) fn at_end(text: &str, lines: &str) -> Option<(String, String)> {
    let lines = lines.trim_end_matches('\n');
    let starts = line_starts(text);
    let anchor = starts
        .iter()
        .rev()
        .map(|start| &text[*start..])
        .find(|tail| !tail.trim().is_empty() && text.matches(tail).count() == 1)?;
    let new = match anchor.ends_with('\n') {
        true => format!("{anchor}{lines}\n"),
        false => format!("{anchor}\n{lines}"),
    };
    Some((anchor.to_owned(), new))
}

/// The anchor behind line `at` (counted round) and what takes its place to add `line` there.
pub(super) fn behind(text: &str, at: usize, line: &str) -> Option<(String, String)> {
    let starts = line_starts(text);
    if starts.len() < 2 {
        return at_end(text, line);
    }
    let at = at % starts.len();
    let end = starts.get(at + 1).copied().unwrap_or(text.len());
    let anchor = starts[..=at].iter().rev().map(|start| &text[*start..end]).find(|piece| {
        piece.ends_with('\n') && !piece.trim().is_empty() && text.matches(piece).count() == 1
    });
    match anchor {
        Some(anchor) => Some((anchor.to_owned(), format!("{anchor}{line}\n"))),
        None => at_end(text, line),
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        starts.push(start);
        start += line.len();
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_anchor_if_it_is_unique() {
        assert_eq!(at_end("a\nb\n", "c"), Some(("b\n".into(), "b\nc\n".into())));
        assert_eq!(at_end("a\nb", "c\n"), Some(("b".into(), "b\nc".into())));
        assert_eq!(at_end("b\nx\nb\n", "c"), Some(("x\nb\n".into(), "x\nb\nc\n".into())));
        assert_eq!(at_end("", "c"), None);
        assert_eq!(at_end("\n\n", "c"), None);
    }

    #[test]
    fn a_line_in_the_middle_grows_upwards_until_it_is_unique() {
        assert_eq!(behind("a\n}\nb\n}\n", 1, "x"), Some(("a\n}\n".into(), "a\n}\nx\n".into())));
        assert_eq!(behind("a\nb\n", 2, "x"), Some(("a\n".into(), "a\nx\n".into())));
        assert_eq!(behind("a\n", 7, "x"), Some(("a\n".into(), "a\nx\n".into())));
    }

    #[test]
    fn an_anchor_stands_in_the_text_once() {
        for text in ["a\na\na\n", "}\n}\nx\n}\n", "a\n\n\nb\n\n"] {
            for at in 0..5 {
                let (old, new) = behind(text, at, "m").unwrap();
                assert_eq!(text.matches(&old).count(), 1, "{text:?} {at}");
                assert!(new.contains("m"));
            }
        }
    }
}
