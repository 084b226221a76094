//! Scenarios of this part of the screen: what is done to it, and what is seen then.

mod cost;
mod random;
mod window;

use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::widgets::Widget;
use serde_json::{Value, json};

use super::*;
use crate::model::lease::{Refusal, RefusalCode};
use crate::model::time::Wall;
use crate::model::transcript::{
    Body, Hunk, Level, Speaker, TodoState, ToolCall, ToolResult, ToolStatus, TurnEnd,
};
use crate::ui::text::cluster_cells;

fn item(id: u64, body: Body) -> Item {
    Item { id: ItemId(id), at: Wall(0), parent: None, sub: None, open: false, body }
}

fn text(id: u64, text: &str) -> Item {
    item(id, Body::Text { text: text.to_owned() })
}

fn prompt(id: u64, text: &str) -> Item {
    item(id, Body::Prompt { text: text.to_owned(), from: Speaker::Person })
}

fn tool(id: u64, name: &str, input: Value, status: ToolStatus, output: &str) -> Item {
    let result = ToolResult { text: output.to_owned(), ..ToolResult::default() };
    let running = matches!(
        status,
        ToolStatus::Announced
            | ToolStatus::Running
            | ToolStatus::Asking
            | ToolStatus::Waiting { .. }
    );
    item(
        id,
        Body::Tool(ToolCall {
            call: format!("call{id}").as_str().into(),
            name: name.to_owned(),
            input,
            status,
            result: (!running).then_some(result),
            took_ms: None,
        }),
    )
}

fn below(parent: u64, mut item: Item) -> Item {
    item.parent = Some(format!("call{parent}").as_str().into());
    item.sub = Some("sub".into());
    item
}

fn with(mut item: Item, change: impl FnOnce(&mut ToolCall)) -> Item {
    if let Body::Tool(call) = &mut item.body {
        change(call);
    }
    item
}

fn todo(text: &str, state: TodoState) -> TodoEntry {
    TodoEntry { text: text.to_owned(), state }
}

fn loaded(items: Vec<Item>) -> Transcript {
    let mut transcript = Transcript::new();
    transcript.set_root("/ws");
    transcript.apply(Change::Reset { items, more_before: false });
    transcript
}

fn drawn(transcript: &mut Transcript, width: u16, height: u16) -> Buffer {
    let theme = Theme::night();
    let area = Rect::new(0, 0, width, height);
    transcript.measure(area.as_size(), &theme);
    let mut buffer = Buffer::empty(area);
    TranscriptView { transcript, theme: &theme, focused: true }.render(area, &mut buffer);
    buffer
}

fn lines(buffer: &Buffer) -> Vec<String> {
    let line = |y| {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..buffer.area.width {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let symbol = buffer[(x, y)].symbol();
            skip = cluster_cells(symbol).saturating_sub(1);
            line.push_str(symbol);
        }
        line.trim_end().to_owned()
    };
    (0..buffer.area.height).map(line).collect()
}

fn shown(transcript: &mut Transcript, width: u16, height: u16) -> Vec<String> {
    lines(&drawn(transcript, width, height))
}

/// One of everything.
fn rich() -> Vec<Item> {
    let done = ToolStatus::Done;
    let edit = json!({"file_path": "/ws/src/lex.rs", "old_string": "a", "new_string": "b"});
    let hunk = Hunk {
        old_start: 40,
        old_lines: 3,
        new_start: 40,
        new_lines: 4,
        lines: [
            " pub struct Token {",
            "-    kind: Sort,",
            "+    kind: Kind,",
            "+    span: Span,",
            " }",
        ]
        .map(str::to_owned)
        .to_vec(),
    };
    let refusal = Refusal {
        code: RefusalCode::Held,
        path: None,
        holder: Some("blue".to_owned()),
        text:
            "Not written. blue holds src/lex.rs since 00:12 (last write 8 s ago) and you are 1st \
               in line. Go on with something else, or wait for it."
                .to_owned(),
    };
    let answer = "## Plan\nThe **lexer** returns `Span`s; see [the book](https://doc.rs/lex).\n\n\
                  1. token type\n2. thread it through:\n   - `Lexer::next`\n   - *tests*\n\n\
                  - [x] done\n- [ ] open\n\n\
                  | what | where | lines |\n|---|---|--:|\n| kind | src/lex.rs | 12 |\n| 漢字 | src/漢.rs | 104 |\n\n\
                  > a quote\n\n```rust\nfn next(&mut self) -> Token {\n    todo!()\n}\n```\n\n---\nDone 🙂.";
    vec![
        prompt(1, "Make the lexer return spans\nand keep the old constructor"),
        item(2, Body::Thinking { text: "**Where are tokens made?**\nIn lex.rs.".to_owned() }),
        text(3, answer),
        tool(
            4,
            "Read",
            json!({"file_path": "/ws/src/lex.rs"}),
            done.clone(),
            "     1→a\n     2→b\n",
        ),
        with(tool(5, "Edit", edit.clone(), done.clone(), "ok"), |call| {
            call.result = Some(ToolResult {
                text: "ok".to_owned(),
                hunks: vec![hunk],
                changed: Some((2, 1)),
            });
        }),
        with(
            tool(
                6,
                "Bash",
                json!({"command": "cargo test lexer"}),
                done.clone(),
                "\x1b[32mok\x1b[0m\n",
            ),
            |call| call.took_ms = Some(3_100),
        ),
        with(
            tool(
                7,
                "Bash",
                json!({"command": "cargo clippy"}),
                ToolStatus::Failed,
                "Exit code 101\nwarning: unused\nerror: could not compile",
            ),
            |call| call.took_ms = Some(12_000),
        ),
        tool(8, "Edit", edit.clone(), ToolStatus::Refused(refusal), ""),
        tool(
            9,
            "Grep",
            json!({"pattern": "fn next", "path": "/ws/src"}),
            done.clone(),
            "Found 3 files\na\nb\nc",
        ),
        tool(10, "mcp__bench__who_has", json!({"path": "src/a.rs"}), done.clone(), "red"),
        tool(
            11,
            "Agent",
            json!({"description": "update the docs", "prompt": "do"}),
            ToolStatus::Running,
            "",
        ),
        below(11, item(12, Body::Prompt { text: "do".to_owned(), from: Speaker::Parent })),
        below(11, tool(13, "Read", json!({"file_path": "/ws/docs/a.md"}), done.clone(), "1\tx\n")),
        below(
            11,
            tool(
                14,
                "Edit",
                json!({"file_path": "/ws/docs/a.md"}),
                ToolStatus::Waiting { holder: "red".to_owned() },
                "",
            ),
        ),
        item(15, Body::Todo { entries: vec![todo("token type", TodoState::Done)] }),
        item(
            16,
            Body::Notice {
                level: Level::Warn,
                text: "src/gen.rs changed under a lease of red".to_owned(),
            },
        ),
        item(17, Body::Raw { line: "{\"type\":\"mystery\",\"x\":1}".to_owned() }),
        item(
            18,
            Body::Todo {
                entries: vec![
                    todo("token type", TodoState::Done),
                    todo("lexer", TodoState::Doing),
                    todo("parser", TodoState::Open),
                ],
            },
        ),
        item(
            19,
            Body::TurnEnd(TurnEnd {
                reason: "completed".to_owned(),
                duration_ms: 84_000,
                cost_usd: 0.31,
                ..TurnEnd::default()
            }),
        ),
        prompt(20, "go on"),
        tool(21, "Bash", json!({"command": "cargo doc --no-deps"}), ToolStatus::Asking, ""),
        item(
            22,
            Body::TurnEnd(TurnEnd {
                is_error: true,
                reason: "api_error".to_owned(),
                message: Some("API Error: 529 overloaded".to_owned()),
                duration_ms: 2_000,
                cost_usd: 0.35,
                ..TurnEnd::default()
            }),
        ),
    ]
}

#[test]
fn the_rich_transcript_at_three_sizes() {
    for (width, height) in [(40, 12), (80, 24), (160, 50)] {
        let mut transcript = loaded(rich());
        let mut screens = vec![shown(&mut transcript, width, height).join("\n")];
        for _ in 0..20 {
            let top = transcript.visible.first().map(|shown| shown.slice);
            if top.is_some_and(|slice| slice.key.item == ItemId(1) && slice.skip == 0) {
                break;
            }
            transcript.page_up();
            screens.push(shown(&mut transcript, width, height).join("\n"));
        }
        screens.reverse();
        let rule = format!("\n{}\n", "=".repeat(usize::from(width)));
        insta::assert_snapshot!(format!("rich_{width}x{height}"), screens.join(&rule));
    }
}

#[test]
fn the_rich_transcript_unfolded() {
    let mut transcript = loaded(rich());
    transcript.unfold_all();
    insta::assert_snapshot!(shown(&mut transcript, 72, 90).join("\n"));
}

#[test]
fn what_stands_out_has_a_style() {
    let mut transcript = loaded(rich());
    transcript.measure(Size::new(60, 30), &Theme::night());
    transcript.select_prev();
    transcript.search("lexer");
    let buffer = drawn(&mut transcript, 60, 14);
    let reversed: Vec<u16> =
        (0..14).filter(|y| buffer[(0, *y)].modifier.contains(Modifier::REVERSED)).collect();
    assert_eq!(reversed.len(), 1);
    assert!(lines(&buffer)[usize::from(reversed[0])].starts_with("◆ Bash"));
    let matched = Theme::night().matched.fg;
    let letters: String = (0..14)
        .flat_map(|y| (0..60).map(move |x| (x, y)))
        .map(|at| &buffer[at])
        .filter(|cell| Some(cell.fg) == matched && cell.modifier.contains(Modifier::BOLD))
        .map(|cell| cell.symbol())
        .collect();
    assert_eq!(letters, "lexer");
}

fn numbered(count: u64) -> Vec<Item> {
    (1..=count).map(|id| text(id, &format!("item {id}"))).collect()
}

#[test]
fn a_child_finds_its_parent_whenever_that_comes() {
    let parent = || tool(2, "Agent", json!({"description": "sub"}), ToolStatus::Done, "");
    let child = || below(2, tool(5, "Bash", json!({"command": "ls"}), ToolStatus::Done, ""));
    let other = || text(4, "meanwhile");
    let expected = ["▾ Agent  sub   1 step", "│ ▾ Bash  ls", "", "meanwhile"];
    let mut in_order = loaded(vec![parent(), other(), child()]);
    in_order.unfold_all();
    assert_eq!(shown(&mut in_order, 21, 4), expected);
    let mut late = Transcript::new();
    late.apply(Change::Reset { items: vec![other(), child()], more_before: true });
    late.unfold_all();
    assert_eq!(shown(&mut late, 21, 3), ["meanwhile", "│", "│ ▾ Bash  ls"]);
    late.fold_all();
    late.apply(Change::Older { items: vec![parent()], more_before: false });
    assert_eq!(shown(&mut late, 21, 3), ["▸ Agent  sub   1 step", "", "meanwhile"]);
    // A call that names itself or a younger one as its parent does no harm.
    late.apply(Change::Item(below(9, tool(9, "Bash", json!({}), ToolStatus::Done, ""))));
    assert_eq!(shown(&mut late, 21, 6)[4], "│ ▸ Bash");
}

#[test]
fn folding_keeps_the_line_where_it_is() {
    let mut transcript = loaded(rich());
    shown(&mut transcript, 60, 30);
    let row_of = |transcript: &mut Transcript| {
        let selected = transcript.selected();
        (0..30).find(|row| transcript.item_at(*row) == selected)
    };
    for _ in 0..6 {
        assert!(transcript.select_prev());
    }
    shown(&mut transcript, 60, 30);
    let before = row_of(&mut transcript);
    assert!(before.is_some());
    for _ in 0..4 {
        assert!(transcript.toggle_fold());
        shown(&mut transcript, 60, 30);
        assert_eq!(row_of(&mut transcript), before);
    }
}

#[test]
fn the_selection_walks_over_what_can_be_folded_and_comes_into_view() {
    let mut transcript = loaded(rich());
    shown(&mut transcript, 60, 8);
    let mut walked = Vec::new();
    while walked.len() < 50 && transcript.select_prev() {
        shown(&mut transcript, 60, 8);
        let selected = transcript.selected();
        assert!((0..8).any(|row| transcript.item_at(row) == selected));
        walked.push(selected.map_or(0, |id| id.0));
    }
    assert_eq!(walked, [21, 18, 17, 15, 11, 10, 9, 8, 7, 6, 5, 4, 2]);
    transcript.select(ItemId(11));
    transcript.toggle_fold();
    assert!(transcript.select_next());
    assert_eq!(transcript.selected(), Some(ItemId(13)));
    // Folding the parent moves the selection out of what is hidden.
    transcript.fold_all();
    assert!(transcript.select_prev());
    assert_eq!(transcript.selected(), Some(ItemId(10)));
}

#[test]
fn the_selected_item_can_be_copied() {
    let mut transcript = loaded(rich());
    assert!(transcript.copy_selected().expect("the last words").starts_with("## Plan"));
    transcript.select(ItemId(5));
    let diff = transcript.copy_selected().expect("a diff");
    assert!(diff.starts_with("@@ -40,3 +40,4 @@\n pub struct Token {\n-    kind"), "{diff}");
    transcript.select(ItemId(6));
    assert_eq!(transcript.copy_selected().expect("output"), "\x1b[32mok\x1b[0m\n");
    transcript.select(ItemId(21));
    assert_eq!(transcript.copy_selected().expect("a command"), "cargo doc --no-deps");
}

#[test]
fn prompts_can_be_jumped_to() {
    let mut items = Vec::new();
    for turn in 0..5 {
        items.push(prompt(turn * 10 + 1, &format!("question {turn}")));
        items.push(text(turn * 10 + 2, &"answer\n".repeat(10)));
    }
    let mut transcript = loaded(items);
    let mut top = |jump: fn(&mut Transcript)| {
        jump(&mut transcript);
        shown(&mut transcript, 30, 5)[0].clone()
    };
    top(|_| ());
    assert_eq!(top(Transcript::prev_prompt), "› question 4");
    assert_eq!(top(Transcript::prev_prompt), "› question 3");
    assert_eq!(top(|transcript| transcript.scroll(2)), "answer");
    assert_eq!(top(Transcript::prev_prompt), "› question 3");
    assert_eq!(top(Transcript::next_prompt), "› question 4");
    top(Transcript::next_prompt);
    assert!(transcript.at_end());
}

#[test]
fn matches_are_counted_and_visited_even_where_they_are_folded() {
    let mut transcript = loaded(rich());
    shown(&mut transcript, 60, 12);
    assert_eq!(transcript.search("span:"), 1);
    assert!(transcript.prev_match());
    assert!(shown(&mut transcript, 60, 12).iter().any(|line| line.contains("span: Span")));
    assert!(!transcript.prev_match());
    assert_eq!(transcript.search("Span"), 2);
    assert_eq!(transcript.search("no such thing"), 0);
    assert!(!transcript.next_match());
    transcript.to_start();
    shown(&mut transcript, 60, 12);
    assert!(transcript.search("lexer") > 3);
    let mut jumps = 0;
    while jumps < 50 && transcript.next_match() {
        jumps += 1;
        let selected = shown(&mut transcript, 60, 12).join("\n").to_lowercase();
        assert!(selected.contains("lexer"), "{selected}");
    }
    assert!(jumps >= 4, "{jumps}");
}

#[test]
fn the_latest_list_of_things_to_do_is_known() {
    let mut transcript = loaded(rich());
    let texts = |transcript: &Transcript| {
        let todo = transcript.latest_todo().map(<[TodoEntry]>::to_vec).unwrap_or_default();
        todo.into_iter().map(|entry| entry.text).collect::<Vec<_>>()
    };
    assert_eq!(texts(&transcript), ["token type", "lexer", "parser"]);
    let input = json!({"todos": [{"content": "one", "status": "in_progress"}, {"content": "two"}]});
    transcript.apply(Change::Item(tool(30, "TodoWrite", input, ToolStatus::Done, "ok")));
    assert_eq!(texts(&transcript), ["one", "two"]);
    // The pane shows the list in full; the item says how far it is.
    assert_eq!(shown(&mut transcript, 40, 1), ["▸ Todo  0/2 done  one"]);
    let screen = shown(&mut transcript, 40, 60).join("\n");
    assert!(screen.contains("▸ Todo  1/3 done  lexer"), "{screen}");
    // A sub-agent's list is its own.
    let theirs = Body::Todo { entries: vec![todo("theirs", TodoState::Open)] };
    transcript.apply(Change::Item(below(11, item(31, theirs))));
    assert_eq!(texts(&transcript), ["one", "two"]);
}

#[test]
fn a_long_prompt_shows_its_beginning() {
    let long = (1..=40).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\n");
    let mut transcript = loaded(vec![prompt(1, &long)]);
    let lines = shown(&mut transcript, 30, 20);
    assert_eq!(lines[11], "  line 12");
    assert_eq!(lines[12], "  … 28 more lines");
    transcript.select_prev();
    transcript.toggle_fold();
    assert_eq!(shown(&mut transcript, 30, 50)[39], "  line 40");
}

#[test]
fn a_thought_under_way_shows_its_last_rows_and_then_its_first() {
    let mut thought = item(1, Body::Thinking { text: "first\nsecond\nthird".to_owned() });
    thought.open = true;
    let mut transcript = loaded(vec![thought.clone()]);
    assert_eq!(shown(&mut transcript, 20, 4), ["◌ first", "  second", "  third", ""]);
    transcript.apply(Change::Append { item: ItemId(1), text: "\nfourth\nfifth".to_owned() });
    assert_eq!(shown(&mut transcript, 20, 4), ["◌ second", "  third", "  fourth", "  fifth"]);
    thought.open = false;
    transcript.apply(Change::Item(thought));
    assert_eq!(shown(&mut transcript, 20, 4), ["▸ first", "", "", ""]);
    transcript.select_prev();
    transcript.toggle_fold();
    assert_eq!(shown(&mut transcript, 20, 4), ["▾ first", "  second", "  third", ""]);
}

#[test]
fn an_answered_question_marks_what_was_chosen_and_says_it_once() {
    let option =
        |label: &str, description: &str| json!({"label": label, "description": description});
    let input = json!({"questions": [
        {
            "question": "Which database?",
            "options": [option("SQLite", "one file"), option("Postgres", "a server")],
        },
        {
            "question": "Which platforms?",
            "multiSelect": true,
            "options": [option("Linux", ""), option("macOS", ""), option("Windows", "")],
        },
    ]});
    let told = "Your questions have been answered: \"Which database?\"=\"Postgres\", \
                \"Which platforms?\"=\"Linux, Windows, and my toaster\". You can now continue \
                with these answers in mind.";
    let asked = tool(1, "AskUserQuestion", input.clone(), ToolStatus::Asking, "");
    let answered = tool(2, "AskUserQuestion", input.clone(), ToolStatus::Done, told);
    let refused = tool(3, "AskUserQuestion", input, ToolStatus::Failed, "not now");
    for (width, height) in [(40, 40), (80, 40)] {
        let mut transcript = loaded(vec![asked.clone(), answered.clone(), refused.clone()]);
        let name = format!("questions_{width}");
        insta::assert_snapshot!(name, shown(&mut transcript, width, height).join("\n"));
    }
}

#[test]
fn a_call_that_the_person_denied_says_so_in_their_words() {
    let denied = |id, told: &str| {
        let input = json!({"command": "cargo test"});
        tool(id, "Bash", input, ToolStatus::Failed, told)
    };
    let mut transcript = loaded(vec![
        denied(1, "The person does not want this. Ask what to do instead."),
        denied(2, "The person does not want this: use nextest"),
    ]);
    let expected = [
        "✗ Bash  cargo test           you said no",
        "✗ Bash  cargo test           you said no",
        "  use nextest",
    ];
    assert_eq!(shown(&mut transcript, 40, 3), expected);
}
