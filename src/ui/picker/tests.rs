//! Keys in, wishes and screens out; a scripted engine gives the answers.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it is about")]

mod asking;
mod random;
mod resuming;
mod said;

use std::collections::VecDeque;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use insta::assert_snapshot;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::widgets::Widget;
use serde_json::json;

use super::*;
use crate::engine::command::Reply;
use crate::model::agent::{AgentSpec, Backend};
use crate::model::failure::FailureKind;
use crate::model::id::{AgentId, CallId, ItemId};
use crate::model::session::{SessionQuery, SessionRow, TranscriptPage};
use crate::model::transcript::{Body, Item, Speaker, ToolCall, ToolResult, ToolStatus, TurnEnd};
use crate::model::usage::Usage;
use crate::ui::theme::Theme;

const HOME: &str = "/home/ann/src/parser";
const NOW: i64 = 1_795_197_840_000;
const HOUR: i64 = 3_600_000;

fn session(id: &str, title: &str, agent: &str, hours: i64) -> SessionHit {
    let row = SessionRow {
        id: id.into(),
        backend_session_id: Some(format!("back-{id}")),
        title: title.to_owned(),
        workspace: HOME.to_owned(),
        cwd: HOME.to_owned(),
        branch: "main".to_owned(),
        spec: AgentSpec { model: Some("sonnet".to_owned()), ..AgentSpec::default() },
        backend: Backend::Claude,
        agent: agent.to_owned(),
        started_at: Wall(NOW - (hours + 1) * HOUR),
        updated_at: Wall(NOW - hours * HOUR),
        turns: 14,
        messages: 120,
        usage: Usage { cost_usd: 0.92, ..Usage::default() },
        last_state: "finished".to_owned(),
        forked_from: None,
    };
    let (open, resumable, obstacle, snippet, more) = (false, true, None, None, 0);
    SessionHit { row, open, resumable, obstacle, elsewhere: None, snippet, more }
}

/// Five sessions: an ordinary one, an open one, one without its folder, one on a branch, and one
/// of another workspace.
fn typical() -> Vec<SessionHit> {
    let mut open = session("s2", "Update the docs for tokens", "red", 2);
    (open.open, open.row.last_state, open.row.turns) = (true, "idle".to_owned(), 6);
    open.row.usage.cost_usd = 0.21;
    let mut gone = session("s3", "Try a table-driven lexer", "teal", 30);
    (gone.resumable, gone.row.last_state) = (false, "dead".to_owned());
    gone.obstacle = Some("the folder /home/ann/src/old is gone".to_owned());
    let mut branch = session("s4", "Fix span off by one", "blue", 3 * 24);
    (branch.row.branch, branch.row.turns) = ("fix/span".to_owned(), 3);
    branch.row.usage.cost_usd = 10.1;
    let mut other = session("s5", "漢字 in identifiers", "amber", 24 * 100);
    other.row.workspace = "/home/ann/src/other".to_owned();
    vec![session("s1", "Make the lexer return spans", "blue", 2), open, gone, branch, other]
}

fn bench(hours: i64, sessions: &[&str]) -> BenchRow {
    BenchRow {
        workspace: HOME.to_owned(),
        begun: Wall(NOW - (hours + 1) * HOUR),
        saved_at: Wall(NOW - hours * HOUR),
        sessions: sessions.iter().map(|id| SessionId::from(*id)).collect(),
        layout: json!(null),
    }
}

/// A transcript of these items.
fn page(bodies: impl IntoIterator<Item = Body>) -> TranscriptPage {
    let item = |(id, body)| Item {
        id: ItemId(id),
        at: Wall(NOW),
        parent: None,
        sub: None,
        open: false,
        body,
    };
    TranscriptPage { items: (1..).zip(bodies).map(item).collect(), more_before: true }
}

fn transcript(session: &str) -> TranscriptPage {
    let tool = |name: &str, input, status, text: &str, changed| {
        let (text, hunks) = (text.to_owned(), Vec::new());
        Body::Tool(ToolCall {
            call: CallId::from("c"),
            name: name.to_owned(),
            input,
            status,
            result: Some(ToolResult { text, hunks, changed }),
            took_ms: None,
        })
    };
    let prompt = format!("Make the lexer return spans ({session})");
    let bodies = [
        Body::Prompt { text: prompt, from: Speaker::Person },
        Body::Thinking { text: "hm".to_owned() },
        Body::Text {
            text: "I'll start with the token type, then thread the span through.\nNow.".to_owned(),
        },
        tool(
            "Read",
            json!({"file_path": format!("{HOME}/src/lex.rs")}),
            ToolStatus::Done,
            "a\nb\nc",
            None,
        ),
        tool(
            "Edit",
            json!({"file_path": format!("{HOME}/src/lex.rs")}),
            ToolStatus::Done,
            "",
            Some((4, 1)),
        ),
        tool("Bash", json!({"command": "cargo test"}), ToolStatus::Failed, "exit code 101", None),
        Body::TurnEnd(TurnEnd {
            is_error: true,
            reason: "max_turns".to_owned(),
            ..TurnEnd::default()
        }),
    ];
    page(bodies)
}

fn failed(message: &str, hint: &str) -> Reply {
    Reply::Failed(Failure::new(FailureKind::Failed, message).hint(hint))
}

/// A picker, the engine behind it, and what was wished so far.
struct Desk {
    picker: Picker,
    asked: VecDeque<(Command, Tag)>,
    log: Vec<String>,
    stored: Vec<SessionHit>,
    benches: Vec<BenchRow>,
    /// Sessions whose full text holds these words, with the snippet and more places.
    texts: Vec<(&'static str, &'static str, &'static str, u32)>,
    /// What was said in each session; a short conversation without one.
    said: Option<Vec<Body>>,
    /// What resumes and renames are answered with; success without one.
    replies: VecDeque<Reply>,
}

impl Desk {
    fn new(stored: Vec<SessionHit>) -> Self {
        let (picker, wishes) = Picker::new(HOME.to_owned(), false, None);
        let (asked, log, replies) = (VecDeque::new(), Vec::new(), VecDeque::new());
        let (benches, texts, said) = (Vec::new(), Vec::new(), None);
        let mut desk = Self { picker, asked, log, stored, benches, texts, said, replies };
        desk.picker.set_now(Wall(NOW));
        desk.picker.measure(Rect::new(0, 0, 160, 50));
        desk.note(wishes);
        desk
    }

    fn with_bench(mut self) -> Self {
        self.benches.push(bench(26, &["s1", "s2", "s4"]));
        self
    }

    /// Answers everything that is asked.
    fn answered(mut self) -> Self {
        self.answer();
        self
    }

    fn note(&mut self, wishes: Vec<Wish>) {
        for wish in wishes {
            match wish {
                Wish::Ask { command, tag } => self.asked.push_back((*command, tag)),
                Wish::Close => self.log.push("close".to_owned()),
                Wish::Focus(agent) => self.log.push(format!("focus {agent}")),
                other => self.log.push(format!("{other:?}")),
            }
        }
    }

    fn answer(&mut self) {
        while let Some((command, tag)) = self.asked.pop_front() {
            let reply = self.reply(command);
            let wishes = self.picker.answered(Answered { tag, reply });
            self.note(wishes);
        }
    }

    fn reply(&mut self, command: Command) -> Reply {
        match command {
            Command::ListSessions { query } => {
                let here = |hit: &&SessionHit| {
                    query.workspace.as_ref().is_none_or(|root| *root == hit.row.workspace)
                };
                let Some(words) = query.text else {
                    return Reply::Sessions(self.stored.iter().filter(here).cloned().collect());
                };
                let find = |(with, id, snippet, more): &(&str, &str, &str, u32)| {
                    let found = self.stored.iter().filter(here).find(|hit| hit.row.id.0 == *id)?;
                    let snippet = Some((*snippet).to_owned());
                    (*with == words).then(|| SessionHit { snippet, more: *more, ..found.clone() })
                };
                Reply::Sessions(self.texts.iter().filter_map(find).collect())
            }
            Command::ShowBenches => Reply::Benches(self.benches.clone()),
            Command::ReadTranscript { session, .. } => Reply::Transcript(match &self.said {
                Some(bodies) => page(bodies.clone()),
                None => transcript(&session.0),
            }),
            Command::ResumeSession { session, fork, from_history } => {
                let fork = if fork { " fork" } else { "" };
                let anew = if from_history { " from history" } else { "" };
                self.log.push(format!("resume {session}{fork}{anew}"));
                self.replies.pop_front().unwrap_or(Reply::Agent(AgentId(7)))
            }
            Command::ResumeBench { begun } => {
                let hours = begun.map_or(0, |begun| (NOW - begun.0) / HOUR - 1);
                self.log.push(format!("resume the bench of {hours} h ago"));
                let agents = vec![AgentId(1), AgentId(2)];
                let failures = Vec::new();
                self.replies.pop_front().unwrap_or(Reply::Resumed { agents, failures })
            }
            Command::RenameSession { session, title } => {
                self.log.push(format!("rename {session} to {title}"));
                self.replies.pop_front().unwrap_or(Reply::Done)
            }
            other => panic!("the picker asked {other:?}"),
        }
    }

    /// Presses keys without answering anything in between.
    fn type_keys(&mut self, keys: &str) {
        for key in parse(keys) {
            let wishes = self.picker.key(key);
            self.note(wishes);
        }
    }

    /// Presses keys; every question is answered at once.
    fn press(&mut self, keys: &str) {
        for key in parse(keys) {
            let wishes = self.picker.key(key);
            self.note(wishes);
            self.answer();
        }
    }

    fn draw(&mut self, width: u16, height: u16) -> Buffer {
        let area = Rect::new(0, 0, width, height);
        self.picker.measure(area);
        let mut buffer = Buffer::empty(area);
        let theme = Theme::night();
        PickerView { picker: &self.picker, theme: &theme }.render(area, &mut buffer);
        buffer
    }

    fn screen(&mut self, width: u16, height: u16) -> String {
        let buffer = self.draw(width, height);
        let row = |y| {
            let mut line = String::new();
            let mut x = 0;
            while x < width {
                let symbol = buffer[(x, y)].symbol();
                line.push_str(symbol);
                x += u16::try_from(text::width(symbol).max(1)).unwrap();
            }
            line.trim_end().to_owned()
        };
        (0..height).map(row).collect::<Vec<_>>().join("\n")
    }

    /// The titles of the list, top to bottom, the chosen one with `>` and marked ones with `*`.
    fn titles(&mut self) -> Vec<String> {
        let title = |place| {
            let pointer = if place == self.picker.cursor { ">" } else { "" };
            match self.picker.entry(place) {
                Some(Entry::Session(number)) => {
                    let id = &self.picker.catalog.row(number).unwrap().row.id;
                    let mark = if self.picker.marked.contains(id) { "*" } else { "" };
                    format!("{pointer}{mark}{}", self.picker.catalog.title(id))
                }
                _ => format!("{pointer}bench"),
            }
        };
        (0..self.picker.entries()).map(title).collect()
    }

    fn notice(&self) -> String {
        self.picker.notice.as_ref().map_or_else(String::new, |notice| notice.lines.join("\n"))
    }
}

/// Reads `abc<Down><C-a>` as keys.
fn parse(keys: &str) -> Vec<KeyEvent> {
    let mut parsed = Vec::new();
    let mut rest = keys;
    while let Some(c) = rest.chars().next() {
        let name = rest.strip_prefix('<').and_then(|tail| tail.split_once('>'));
        let Some((name, tail)) = name else {
            parsed.push(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
            rest = &rest[c.len_utf8()..];
            continue;
        };
        rest = tail;
        let (modifiers, name) = match name.split_once('-') {
            Some(("C", name)) => (KeyModifiers::CONTROL, name),
            Some(("S", name)) => (KeyModifiers::SHIFT, name),
            _ => (KeyModifiers::NONE, name),
        };
        let code = match name {
            "Enter" => KeyCode::Enter,
            "Esc" => KeyCode::Esc,
            "Tab" if modifiers == KeyModifiers::SHIFT => KeyCode::BackTab,
            "Tab" => KeyCode::Tab,
            "Up" => KeyCode::Up,
            "Down" => KeyCode::Down,
            "Left" => KeyCode::Left,
            "PgUp" => KeyCode::PageUp,
            "PgDn" => KeyCode::PageDown,
            "Home" => KeyCode::Home,
            "End" => KeyCode::End,
            "BS" => KeyCode::Backspace,
            "Space" => KeyCode::Char(' '),
            one => KeyCode::Char(one.chars().next().unwrap()),
        };
        parsed.push(KeyEvent::new(code, modifiers));
    }
    parsed
}

fn many(count: usize) -> Vec<SessionHit> {
    const VERBS: [&str; 5] = ["Fix", "Refactor", "Explain", "Document", "Test"];
    const THINGS: [&str; 7] =
        ["the lexer", "span arithmetic", "token docs", "the parser", "errors", "CI", "the cache"];
    let row = |n: usize| {
        let title = format!("{} {} #{n}", VERBS[n % 5], THINGS[n / 5 % 7]);
        session(&format!("m{n}"), &title, ["blue", "red"][n % 2], n as i64)
    };
    (0..count).map(row).collect()
}

#[test]
fn the_bench_stands_first_and_goes_when_something_is_looked_for() {
    let mut desk = Desk::new(typical()).with_bench().answered();
    assert_eq!(desk.titles()[0], ">bench");
    desk.press("fix");
    assert_eq!(desk.titles(), [">Fix span off by one"]);
    desk.press("<Esc>whole bench");
    assert_eq!(desk.titles(), [">bench"]);
    // Letters that happen to be in its words do not put it below Enter.
    desk.press("<Esc>the");
    assert_eq!(desk.titles()[0], ">Make the lexer return spans");
}

#[test]
fn the_best_match_stands_first_and_the_newest_among_equals() {
    let stored = vec![
        session("a", "parse the old format", "blue", 9),
        session("b", "spare me", "blue", 1),
        session("c", "parse the new format", "blue", 3),
    ];
    let mut desk = Desk::new(stored).answered();
    desk.press("pars");
    let expected = [">parse the new format", "parse the old format"];
    assert_eq!(desk.titles()[..2], expected);
    desk.press("<C-s><C-s>");
    assert_eq!(desk.notice(), "sorted: oldest first");
    assert_eq!(desk.titles()[0], ">parse the old format");
}

#[test]
fn sorting_walks_through_every_order_and_keeps_the_chosen_session() {
    let mut desk = Desk::new(typical()).answered();
    desk.press("<Down>");
    let mut firsts = Vec::new();
    for _ in 0..5 {
        desk.press("<C-s>");
        let titles = desk.titles();
        assert!(titles.contains(&">Update the docs for tokens".to_owned()));
        firsts.push(format!("{}: {}", desk.notice(), titles[0]));
    }
    assert_eq!(
        firsts,
        [
            "sorted: oldest first: Fix span off by one",
            "sorted: dearest first: Fix span off by one",
            "sorted: most turns first: Make the lexer return spans",
            "sorted: by title: Fix span off by one",
            "sorted: newest first: Make the lexer return spans",
        ]
    );
}

#[test]
fn full_text_hits_come_below_and_do_not_move_the_cursor() {
    let mut desk = Desk::new(typical()).answered();
    desk.texts = vec![
        ("span", "s1", "the lexer returns ‹spans›", 0),
        ("span", "s3", "…lexer now returns ‹spans› for…", 2),
    ];
    desk.type_keys("span<Down>");
    assert_eq!(desk.titles(), ["Make the lexer return spans", ">Fix span off by one"]);
    desk.answer();
    let expected =
        ["Make the lexer return spans", ">Fix span off by one", "Try a table-driven lexer"];
    assert_eq!(desk.titles(), expected);
    desk.press(" !table");
    assert_eq!(desk.titles(), [">Make the lexer return spans", "Fix span off by one"]);
}

#[test]
fn a_full_text_hit_that_the_list_did_not_have_is_counted_too() {
    let mut desk = Desk::new(typical()).answered();
    desk.stored.push(session("s6", "Something new", "blue", 0));
    desk.texts = vec![("zebra", "s6", "a ‹zebra›", 0)];
    desk.press("zebra");
    assert_eq!(desk.titles(), [">Something new"]);
    assert!(desk.screen(160, 50).contains("1 of 5"));
}

#[test]
fn all_workspaces_are_one_key_away_and_found_by_their_name() {
    let mut desk = Desk::new(typical()).answered();
    assert!(desk.screen(160, 50).contains("this workspace"));
    desk.press("<C-a>");
    assert_eq!(desk.titles().len(), 5);
    desk.press("other$");
    assert_eq!(desk.titles(), [">漢字 in identifiers"]);
    assert!(desk.screen(160, 12).contains("other main"));
    desk.press("<C-a>");
    assert_eq!(desk.titles(), Vec::<String>::new());
    assert!(desk.screen(160, 50).contains("0 of 4"));
}

#[test]
fn escape_clears_the_query_and_then_closes() {
    let mut desk = Desk::new(typical()).answered();
    desk.press("lexer<Esc>");
    assert_eq!(desk.titles().len(), 4);
    assert!(desk.log.is_empty());
    desk.press("<Esc>");
    assert_eq!(desk.log, ["close"]);
}

#[test]
fn a_paste_of_many_lines_is_one_query() {
    let mut desk = Desk::new(typical()).answered();
    let wishes = desk.picker.paste("fix\nspan\r\n");
    desk.note(wishes);
    assert_eq!(desk.titles(), [">Fix span off by one"]);
}

#[test]
fn the_letters_that_matched_stand_out() {
    let mut desk = Desk::new(typical()).answered();
    desk.press("'span<Down>");
    let buffer = desk.draw(80, 24);
    let theme = Theme::night();
    let lit: String = (0..80)
        .map(|x| &buffer[(x, 1)])
        .filter(|cell| cell.style().fg == theme.matched.fg)
        .map(ratatui::buffer::Cell::symbol)
        .collect();
    assert_eq!(lit, "span");
}

#[test]
fn an_empty_history_says_so() {
    let mut desk = Desk::new(Vec::new());
    assert!(desk.screen(80, 24).contains("looking …"));
    desk.answer();
    assert_snapshot!("empty_40x12", desk.screen(40, 12));
    assert_snapshot!("empty_80x24", desk.screen(80, 24));
}

#[test]
fn a_typical_history_at_three_sizes() {
    let mut desk = Desk::new(typical()).with_bench().answered();
    desk.press("<Down>");
    assert_snapshot!("typical_40x12", desk.screen(40, 12));
    assert_snapshot!("typical_80x24", desk.screen(80, 24));
    assert_snapshot!("typical_160x50", desk.screen(160, 50));
    desk.press("<Up>");
    assert_snapshot!("bench_120x14", desk.screen(120, 14));
}

#[test]
fn the_preview_goes_below_or_over_the_list_where_there_is_no_room_beside_it() {
    let mut desk = Desk::new(typical()).answered();
    desk.screen(80, 24);
    desk.press("<Space>");
    assert_snapshot!("preview_80x24", desk.screen(80, 24));
    assert_snapshot!("preview_40x12", desk.screen(40, 12));
    desk.press("<S-Up>");
    assert!(desk.screen(40, 12).contains("↓ 1 line"));
    desk.press("<Space>");
    assert!(desk.screen(40, 12).contains("  ✓ Fix span"));
}

#[test]
fn ten_thousand_sessions_with_a_filter() {
    let mut stored = many(10_431);
    stored[3].snippet = Some("never shown".to_owned());
    let mut desk = Desk::new(stored).answered();
    desk.press("fix lexer 5$");
    assert_snapshot!("many_40x12", desk.screen(40, 12));
    assert_snapshot!("many_80x24", desk.screen(80, 24));
    desk.press("<End>");
    assert_snapshot!("many_end_160x50", desk.screen(160, 50));
}

#[test]
fn full_text_hits_with_their_words() {
    let mut desk = Desk::new(typical()).answered();
    desk.texts = vec![
        ("lexer", "s1", "not shown, the title matches", 0),
        ("lexer", "s4", "…the ‹lexer›\nnow returns spans for every token, also for…", 2),
        ("lexer", "s2", "docs of the ‹lexer›", 0),
    ];
    desk.press("lexer<Down><Down>");
    assert_snapshot!("full_text_40x12", desk.screen(40, 12));
    assert_snapshot!("full_text_80x24", desk.screen(80, 24));
    assert_snapshot!("full_text_160x20", desk.screen(160, 20));
}

#[test]
fn an_obstacle_is_confirmed_in_view_of_the_reason() {
    let mut desk = Desk::new(typical()).answered();
    desk.press("<Down><Down><Enter>");
    assert_snapshot!("obstacle_40x12", desk.screen(40, 12));
    assert_snapshot!("obstacle_80x24", desk.screen(80, 24));
    assert_snapshot!("obstacle_160x20", desk.screen(160, 20));
}

#[test]
fn a_rename_happens_in_its_row_and_marks_are_visible() {
    let mut desk = Desk::new(typical()).answered();
    desk.press("<Tab><End><Tab><C-r> again");
    assert_snapshot!("rename_40x12", desk.screen(40, 12));
    assert_snapshot!("rename_80x24", desk.screen(80, 24));
}

#[test]
fn a_failure_of_one_of_two_is_readable_at_every_size() {
    let mut desk = Desk::new(typical()).answered();
    let hint = "Ctrl-R gives it another name, or start it anew with Enter";
    desk.replies
        .push_back(failed("no conversation with this id is left in the CLI's folder", hint));
    desk.press("<Tab><End><Tab><Enter>");
    assert_snapshot!("failure_40x12", desk.screen(40, 12));
    assert_snapshot!("failure_80x24", desk.screen(80, 24));
}

#[test]
fn the_keys_are_a_question_mark_away() {
    let mut desk = Desk::new(typical()).answered();
    desk.press("?");
    assert_snapshot!("keys_80x24", desk.screen(80, 24));
    desk.press("x");
    assert_eq!((desk.picker.query.text(), &desk.picker.mode), ("", &Mode::Choose));
    desk.press("a?");
    assert_eq!(desk.picker.query.text(), "a?");
}

#[test]
fn a_new_bench_of_one_agent_leaves_the_earlier_ones_to_choose() {
    let mut desk = Desk::new(typical());
    let benches = [bench(1, &["s1"]), bench(26, &["s1", "s2", "s4"]), bench(99, &["s3"])];
    desk.benches.extend(benches);
    let mut desk = desk.answered();
    assert_eq!(desk.titles()[..3], [">bench", "bench", "Make the lexer return spans"]);
    desk.press("<Down>");
    assert_snapshot!("benches_40x12", desk.screen(40, 12));
    assert_snapshot!("benches_160x14", desk.screen(160, 14));
    desk.press("<Enter>");
    assert_eq!(desk.log, ["resume the bench of 26 h ago", "close", "focus 1"]);
}
