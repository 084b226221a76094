//! Scenarios of this part of the screen: what is done to it, and what is seen then.

use proptest::prelude::*;

use super::*;
use crate::ui::text::cells;

fn shown(text: &str, width: usize) -> Vec<String> {
    let theme = Theme::night();
    let look = Look { theme: &theme, base: theme.text };
    rows(text, width, look).iter().map(|row| row.to_string().trim_end().to_owned()).collect()
}

fn check(text: &str, width: usize, expected: &str) {
    let expected: Vec<&str> = expected.lines().collect();
    assert_eq!(shown(text, width), expected, "{text:?} at {width}");
}

#[test]
fn blank_lines_stand_where_the_source_has_them() {
    check("# Head\ntext\n\nmore\n- a\n- b\n\nend", 20, "Head\ntext\n\nmore\n• a\n• b\n\nend");
    check("one\ntwo", 20, "one\ntwo");
}

#[test]
fn lists_nest_and_hang() {
    check(
        "- first point here\n  - inner\n    1. deep\n- [x] done\n- [ ] open",
        12,
        "• first\n  point here\n  – inner\n    1. deep\n☑ done\n☐ open",
    );
    check("9. nine\n10. ten is longer", 10, "9. nine\n10. ten is\n    longer");
    check("1. a\n\n2. b", 20, "1. a\n\n2. b");
    check("-\n- b", 20, "•\n• b");
}

#[test]
fn code_keeps_its_blanks_and_has_its_language_above() {
    check(
        "so:\n```rust\nfn f() {\n    g();\n\n}\n```\nthen",
        40,
        "so:\n  rust\n  fn f() {\n      g();\n\n  }\nthen",
    );
    check("- a\n  ```sh\n  ls\n  ```", 40, "• a\n    sh\n    ls");
    check("   ```\n   a\n     b\n   ```", 40, "  a\n    b");
    check("```\nabcdefgh\n```", 5, "abcde\nfgh");
}

#[test]
fn quotes_have_a_bar_on_every_row() {
    check("> a quote of words\n>\n> more", 12, "▎ a quote of\n▎ words\n▎\n▎ more");
}

#[test]
fn a_link_shows_its_address_once() {
    check("[docs](https://d.rs) and <https://e.rs>", 60, "docs https://d.rs and https://e.rs");
    check("![pic](a.png)", 60, "pic a.png");
}

#[test]
fn tables_align_shrink_and_turn_into_lists() {
    let table = "| name | n |\n|:--|--:|\n| alpha | 1 |\n| b | 100 |";
    check(table, 40, "name     n\n─────  ───\nalpha    1\nb      100");
    let wide = "| a | b |\n|--|--|\n| one two three | four five six |";
    check(wide, 18, "a         b\n────────  ────────\none two   four\nthree     five six");
    check(wide, 8, "a: one\ntwo\nthree\nb: four\nfive six");
}

#[test]
fn emphasis_and_inline_code_have_their_styles() {
    let theme = Theme::night();
    let all = rows("*a* **b** `c` ~~d~~", 40, Look { theme: &theme, base: theme.text });
    let styles: Vec<_> = all[0].spans.iter().step_by(2).map(|span| span.style).collect();
    insta::assert_debug_snapshot!(styles);
}

#[test]
fn nothing_that_moves_the_cursor_gets_through() {
    let text = "a\x1b[31mb\x07 `c\x1b]0;t\x07d`\n\n```\x1b[1m\nx\x1b[2Jy\ttab\n```\n\n| a\x1b[1m |\n|--|\n| \x08 |";
    for row in shown(text, 40) {
        assert!(!row.contains(char::is_control), "{row:?}");
    }
    check("a\x1b[31mb", 40, "ab");
}

proptest! {
    #[test]
    fn any_text_fits_any_width(
        text in r"(\PC|a b|\n|\n\n|- |1\. |> |```|\| |\|--\||# |\*|`|\[x\]\(y\)|漢|🙂|\x1b\[|\t){0,40}",
        width in 2usize..50,
    ) {
        for row in shown(&text, width) {
            prop_assert!(cells(&row) <= width, "{row:?} at {width}");
        }
    }

    #[test]
    fn pieces_give_the_rows_of_the_whole(
        text in r"(a b|\n|\n\n|- |1\. |> |```|\| |\|--\||# |\*|`){0,40}",
        cut in 0usize..100,
    ) {
        let theme = Theme::night();
        let look = Look { theme: &theme, base: theme.text };
        let mut document = Document::default();
        document.update(&text[..text.floor_char_boundary(cut)]);
        document.update(&text);
        let mut pieces = Vec::new();
        for part in document.segments() {
            if part.blank_before && !pieces.is_empty() {
                pieces.push(Row::default());
            }
            pieces.extend(segment(&text, part, 20, look));
        }
        prop_assert_eq!(pieces, rows(&text, 20, look));
    }
}
