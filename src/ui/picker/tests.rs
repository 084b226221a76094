//! Keys in, wishes and screens out; a scripted engine gives the answers.
#![allow(clippy::wildcard_enum_match_arm, reason = "a test names what it is about")]

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
    SessionHit { row, open, resumable, obstacle, snippet, more }
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
        tool("Read", json!({"file_path": "src/lex.rs"}), ToolStatus::Done, "a\nb\nc", None),
        tool("Edit", json!({"file_path": "src/lex.rs"}), ToolStatus::Done, "", Some((4, 1))),
        tool("Bash", json!({"command": "cargo test"}), ToolStatus::Failed, "exit code 101", None),
        Body::TurnEnd(TurnEnd {
            is_error: true,
            reason: "max_turns".to_owned(),
            ..TurnEnd::default()
        }),
    ];
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

fn failed(message: &str, hint: &str) -> Reply {
    Reply::Failed(Failure::new(FailureKind::Failed, message).hint(hint))
}

/// A picker, the engine behind it, and what was wished so far.
struct Desk {
    picker: Picker,
    asked: VecDeque<(Command, Tag)>,
    log: Vec<String>,
    stored: Vec<SessionHit>,
    bench: Option<BenchRow>,
    /// Sessions whose full text holds these words, with the snippet and more places.
    texts: Vec<(&'static str, &'static str, &'static str, u32)>,
    /// What resumes and renames are answered with; success without one.
    replies: VecDeque<Reply>,
}

impl Desk {
    fn new(stored: Vec<SessionHit>) -> Self {
        let (picker, wishes) = Picker::new(HOME.to_owned(), false, None);
        let (asked, log, replies) = (VecDeque::new(), Vec::new(), VecDeque::new());
        let mut desk = Self { picker, asked, log, stored, bench: None, texts: Vec::new(), replies };
        desk.picker.set_now(Wall(NOW));
        desk.picker.measure(Rect::new(0, 0, 160, 50));
        desk.note(wishes);
        desk
    }

    fn with_bench(mut self) -> Self {
        self.bench = Some(BenchRow {
            workspace: HOME.to_owned(),
            saved_at: Wall(NOW - 26 * HOUR),
            sessions: ["s1", "s2", "s4"].map(SessionId::from).to_vec(),
            layout: json!(null),
        });
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
            Command::ShowBench => Reply::Bench(self.bench.clone()),
            Command::ReadTranscript { session, .. } => Reply::Transcript(transcript(&session.0)),
            Command::ResumeSession { session, fork, from_history } => {
                let fork = if fork { " fork" } else { "" };
                let anew = if from_history { " from history" } else { "" };
                self.log.push(format!("resume {session}{fork}{anew}"));
                self.replies.pop_front().unwrap_or(Reply::Agent(AgentId(7)))
            }
            Command::ResumeBench => {
                self.log.push("resume bench".to_owned());
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

// --- what is asked, and what becomes of the answers

#[test]
fn at_first_it_asks_for_the_workspace_and_the_bench_and_then_for_a_preview() {
    let mut desk = Desk::new(typical());
    let asked: Vec<_> = desk.asked.iter().map(|(_, tag)| tag.clone()).collect();
    assert_eq!(asked, [Tag::PickerRows(1), Tag::PickerBench]);
    let (command, tag) = desk.asked.pop_front().unwrap();
    let reply = desk.reply(command);
    let wishes = desk.picker.answered(Answered { tag, reply });
    let [Wish::Ask { tag, .. }] = &wishes[..] else { panic!("{wishes:?}") };
    assert_eq!(*tag, Tag::PickerPreview("s1".into()));
}

#[test]
fn a_query_from_the_command_line_filters_at_once_and_searches_the_full_text() {
    let (picker, wishes) = Picker::new(HOME.to_owned(), true, Some("span".to_owned()));
    assert_eq!(picker.query.text(), "span");
    let [_, _, Wish::Ask { command, .. }] = &wishes[..] else { panic!("{wishes:?}") };
    let query = SessionQuery { workspace: None, text: Some("span".to_owned()), limit: TEXT_HITS };
    assert_eq!(**command, Command::ListSessions { query });
}

#[test]
fn while_a_search_is_under_way_only_the_last_query_is_searched_next() {
    let mut desk = Desk::new(typical()).answered();
    desk.type_keys("sp");
    desk.type_keys("a");
    desk.type_keys("n");
    let searched = |desk: &Desk| -> Vec<String> {
        let text = |(command, _): &(Command, Tag)| match command {
            Command::ListSessions { query } => query.text.clone(),
            _ => None,
        };
        desk.asked.iter().filter_map(text).collect()
    };
    assert_eq!(searched(&desk), ["sp"]);
    let at = desk.asked.iter().position(|(_, tag)| matches!(tag, Tag::PickerRows(_))).unwrap();
    let (_, tag) = desk.asked.remove(at).unwrap();
    // The late answer to "sp" is not shown for "span", and "span" is asked now.
    let stale = Reply::Sessions(vec![session("s9", "late", "blue", 1)]);
    let wishes = desk.picker.answered(Answered { tag: tag.clone(), reply: stale.clone() });
    desk.note(wishes);
    assert_eq!(searched(&desk), ["span"]);
    assert!(!desk.titles().iter().any(|title| title.contains("late")));
    assert_eq!(desk.picker.answered(Answered { tag, reply: stale }), []);
    desk.answer();
    assert_eq!(desk.titles(), [">Make the lexer return spans", "Fix span off by one"]);
}

#[test]
fn a_late_preview_is_not_shown_for_another_session() {
    let mut desk = Desk::new(typical()).answered();
    desk.type_keys("<Down><Down>");
    let previews: Vec<_> = desk.asked.iter().map(|(_, tag)| tag.clone()).collect();
    assert_eq!(previews, [Tag::PickerPreview("s2".into())], "one at a time");
    let (command, tag) = desk.asked.pop_front().unwrap();
    let reply = desk.reply(command);
    let wishes = desk.picker.answered(Answered { tag, reply });
    assert!(!desk.screen(160, 50).contains("(s2)"));
    desk.note(wishes);
    desk.answer();
    assert!(desk.screen(160, 50).contains("(s3)"));
}

#[test]
fn answers_that_nobody_waits_for_change_nothing() {
    let mut desk = Desk::new(typical()).answered();
    let before = desk.screen(160, 50);
    let rows = || Reply::Sessions(vec![session("s9", "late", "blue", 1)]);
    for (tag, reply) in [
        (Tag::PickerRows(1), rows()),
        (Tag::PickerRows(99), rows()),
        (Tag::PickerPreview("s1".into()), Reply::Transcript(TranscriptPage::default())),
        (Tag::PickerResume, Reply::Agent(AgentId(1))),
        (Tag::PickerRename("s1".into()), Reply::Done),
        (Tag::Nobody, Reply::Done),
    ] {
        assert_eq!(desk.picker.answered(Answered { tag, reply }), []);
    }
    assert_eq!(desk.screen(160, 50), before);
}

#[test]
fn a_failed_list_is_said_and_keeps_the_rows() {
    let mut desk = Desk::new(typical()).answered();
    desk.type_keys("<C-a>");
    let (_, tag) = desk.asked.pop_front().unwrap();
    let reply = failed("the history cannot be read", "`benchdog doctor` says more");
    desk.picker.answered(Answered { tag, reply });
    assert_eq!(desk.titles().len(), 4);
    assert_eq!(desk.notice(), "✗ the history cannot be read\n  `benchdog doctor` says more");
    assert!(desk.screen(160, 50).contains("this workspace"));
}

#[test]
fn a_list_that_never_came_is_asked_for_again_by_enter() {
    let mut desk = Desk::new(typical());
    let (_, tag) = desk.asked.pop_front().unwrap();
    desk.picker.answered(Answered { tag, reply: failed("the history is locked", "wait") });
    assert!(desk.screen(80, 24).contains("Enter asks again"));
    desk.press("<Enter>");
    assert_eq!(desk.titles().len(), 4);
    assert_eq!(desk.notice(), "");
}

// --- finding

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

// --- resuming

#[test]
fn enter_resumes_the_chosen_session_and_shows_its_agent() {
    let mut desk = Desk::new(typical()).with_bench().answered();
    desk.press("<Down><Enter>");
    assert_eq!(desk.log, ["resume s1", "close", "focus 7"]);
}

#[test]
fn enter_on_the_first_row_resumes_the_whole_bench() {
    let mut desk = Desk::new(typical()).with_bench().answered();
    desk.press("<Enter>");
    assert_eq!(desk.log, ["resume bench", "close", "focus 1"]);
}

#[test]
fn a_bench_that_is_open_as_a_whole_is_not_resumed() {
    let mut stored = typical();
    stored.iter_mut().for_each(|hit| hit.open = true);
    let mut desk = Desk::new(stored).with_bench().answered();
    desk.press("<Enter>");
    assert_eq!(desk.log, Vec::<String>::new());
    assert_eq!(desk.notice(), "every session of the bench is open already");
}

#[test]
fn an_open_session_is_not_resumed_and_the_reason_is_said() {
    let mut desk = Desk::new(typical()).answered();
    let why = "“Update the docs for tokens” is open already: it goes on in its pane";
    desk.press("<Down><Enter>");
    assert_eq!((desk.notice().as_str(), desk.log.len()), (why, 0));
    desk.press("<Up><Down><Tab>");
    assert_eq!(desk.notice(), why);
    assert_eq!(desk.titles()[1], ">Update the docs for tokens");
    desk.press("<C-f>");
    assert_eq!(desk.log, ["resume s2 fork", "close", "focus 7"]);
}

#[test]
fn a_session_with_an_obstacle_begins_anew_only_after_a_yes() {
    let mut desk = Desk::new(typical()).answered();
    desk.press("<Down><Down><Enter>");
    assert!(desk.log.is_empty());
    desk.press("<Esc>");
    assert_eq!(desk.titles().len(), 4);
    desk.press("<Enter>x<Enter>");
    assert_eq!(desk.log, ["resume s3 from history", "close", "focus 7"]);
}

#[test]
fn marked_sessions_are_resumed_one_after_the_other_in_the_order_of_their_marks() {
    let mut desk = Desk::new(typical()).answered();
    desk.press("<End><Tab><Home><Tab>");
    let titles = desk.titles();
    assert_eq!(
        (titles[0].as_str(), titles[3].as_str()),
        ("*Make the lexer return spans", "*Fix span off by one")
    );
    desk.type_keys("<Enter>");
    let resumes = desk.asked.iter().filter(|(_, tag)| *tag == Tag::PickerResume).count();
    assert_eq!(resumes, 1);
    desk.answer();
    assert_eq!(desk.log, ["resume s4", "resume s1", "close", "focus 7"]);
}

#[test]
fn marks_survive_another_query_and_go_by_the_same_key() {
    let mut desk = Desk::new(typical()).answered();
    desk.press("fix<Tab><Esc><Tab><Up>");
    assert_eq!(
        desk.titles(),
        [
            ">*Make the lexer return spans",
            "Update the docs for tokens",
            "Try a table-driven lexer",
            "*Fix span off by one"
        ]
    );
    desk.press("<Tab>");
    assert_eq!(desk.picker.marked, [SessionId::from("s4")]);
}

#[test]
fn a_failed_resume_is_shown_and_takes_nothing_away() {
    let mut desk = Desk::new(typical()).answered();
    desk.replies.push_back(failed("`claude` is not installed", "`benchdog install claude`"));
    desk.press("lexer ret");
    let before = desk.titles();
    desk.press("<Enter>");
    assert_eq!(desk.notice(), "✗ `claude` is not installed\n  `benchdog install claude`");
    assert_eq!(desk.titles(), before);
    assert_eq!(desk.picker.query.text(), "lexer ret");
    // The message stays while the person looks around, and the session can be tried again.
    desk.press("<BS>");
    assert!(!desk.notice().is_empty());
    desk.press("<Enter>");
    assert_eq!(desk.log, ["resume s1", "resume s1", "close", "focus 7"]);
}

#[test]
fn one_failure_of_several_leaves_the_others_running_and_names_itself() {
    let mut desk = Desk::new(typical()).answered();
    desk.replies.push_back(failed("no such conversation", "start anew"));
    desk.press("<Tab><End><Tab><Enter>");
    assert_eq!(desk.log, ["resume s1", "resume s4", "focus 7"]);
    assert_eq!(
        desk.notice(),
        "✗ Make the lexer return spans: no such conversation\n  start anew\n1 agent resumed, 1 not"
    );
    assert_eq!(desk.picker.marked, [SessionId::from("s1")]);
    assert!(desk.screen(160, 50).contains("Fix span off by one  (open here)"));
}

#[test]
fn escape_takes_back_the_resumes_that_have_not_begun() {
    let mut desk = Desk::new(typical()).answered();
    desk.press("<Tab><End><Tab>");
    desk.type_keys("<Enter><Enter><Esc>");
    assert_eq!(desk.notice(), "those not begun stay as they are");
    desk.answer();
    assert_eq!(desk.log, ["resume s1", "close", "focus 7"]);
}

#[test]
fn a_rename_is_shown_once_the_engine_has_it() {
    let mut desk = Desk::new(typical()).answered();
    desk.press("<C-r><C-u>Spans<Home>My <Enter>");
    assert_eq!(desk.log, ["rename s1 to My Spans"]);
    assert_eq!(desk.titles()[0], ">My Spans");
    desk.replies.push_back(failed("the disk is full", "make room"));
    desk.press("<C-r>!<Enter>");
    assert_eq!(desk.titles()[0], ">My Spans");
    assert_eq!(desk.notice(), "✗ the disk is full\n  make room");
    desk.press("<C-r><C-u><Enter>");
    assert_eq!(desk.notice(), "a title has at least one letter");
    desk.press("<Esc><C-r><Enter>");
    assert_eq!(desk.log.len(), 2, "a title that is the same is not sent");
}

// --- what it looks like

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
fn what_agents_wrote_cannot_move_the_cursor_of_the_terminal() {
    let mut evil = session("s1", "a\x1b[2J\u{202e}b\nc", "bl\x07ue", 1);
    (evil.row.branch, evil.resumable) = ("m\tain".to_owned(), false);
    evil.obstacle = Some("gone\x1b[1m".to_owned());
    let mut desk = Desk::new(vec![evil]).answered();
    desk.press("<Enter>");
    let screen = desk.screen(120, 12);
    assert!(!screen.chars().any(|c| c.is_control() && c != '\n'), "{screen}");
}

// --- everything at random

fn any_key() -> impl Strategy<Value = KeyEvent> {
    let codes = prop_oneof![
        8 => prop::char::any().prop_map(KeyCode::Char),
        8 => prop::sample::select(" abcefhjknprsuw!^'$\\?".chars().collect::<Vec<_>>())
            .prop_map(KeyCode::Char),
        6 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Up,
            KeyCode::Down, KeyCode::Left, KeyCode::Right, KeyCode::PageUp, KeyCode::PageDown,
            KeyCode::Home, KeyCode::End, KeyCode::Backspace, KeyCode::Delete, KeyCode::F(1),
        ]),
    ];
    let modifiers = prop_oneof![
        4 => Just(KeyModifiers::NONE),
        3 => Just(KeyModifiers::CONTROL),
        1 => Just(KeyModifiers::SHIFT),
        1 => Just(KeyModifiers::ALT),
    ];
    (codes, modifiers).prop_map(|(code, modifiers)| KeyEvent::new(code, modifiers))
}

#[derive(Debug, Clone)]
enum Deed {
    Key(KeyEvent),
    Paste(String),
    Draw(u16, u16),
    /// Answers the question with this number of those that wait, well or badly.
    Answer(prop::sample::Index, bool),
}

fn any_deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => any_key().prop_map(Deed::Key),
        1 => ".{0,20}".prop_map(Deed::Paste),
        2 => (0u16..130, 0u16..30).prop_map(|(width, height)| Deed::Draw(width, height)),
        6 => (any::<prop::sample::Index>(), any::<bool>())
            .prop_map(|(which, well)| Deed::Answer(which, well)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_order_of_keys_and_answers_breaks_it(
        titles in prop::collection::vec(".{0,30}", 0..12),
        deeds in prop::collection::vec(any_deed(), 0..60),
    ) {
        let mut stored = typical();
        let rows = titles.iter().enumerate();
        stored.extend(rows.map(|(n, title)| session(&format!("r{n}"), title, title, n as i64)));
        let mut desk = Desk::new(stored).with_bench();
        for deed in deeds {
            match deed {
                Deed::Key(key) => {
                    let wishes = desk.picker.key(key);
                    desk.note(wishes);
                }
                Deed::Paste(text) => {
                    let wishes = desk.picker.paste(&text);
                    desk.note(wishes);
                }
                Deed::Draw(width, height) => {
                    desk.draw(width, height);
                }
                Deed::Answer(which, well) if !desk.asked.is_empty() => {
                    let (command, tag) = desk.asked.remove(which.index(desk.asked.len())).unwrap();
                    let reply = if well { desk.reply(command) } else { failed("no", "never") };
                    let wishes = desk.picker.answered(Answered { tag, reply });
                    desk.note(wishes);
                }
                Deed::Answer(..) => {}
            }
            for tag in [Tag::PickerResume, Tag::PickerBench] {
                prop_assert!(desk.asked.iter().filter(|(_, asked)| *asked == tag).count() <= 1);
            }
            let previews = |(_, tag): &&(Command, Tag)| matches!(tag, Tag::PickerPreview(_));
            prop_assert!(desk.asked.iter().filter(previews).count() <= 1);
            let entries = desk.picker.entries();
            prop_assert!(desk.picker.cursor < entries.max(1));
        }
        // However it went, it comes to rest and still shows what is stored.
        desk.answer();
        desk.draw(80, 24);
        prop_assert!(desk.picker.catalog.len() >= 4 || !desk.picker.list.came);
    }
}
