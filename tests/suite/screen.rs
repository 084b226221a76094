//! The screen from outside: the built binary in a terminal, read by an emulator that shares no
//! code with its drawing.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::bench_process::{Bench, PROGRAM};
use crate::support::engine::{agent, serve, serve_with, shut_down, spawn, wait_state, wait_until};
use crate::support::terminal::Screen;

/// Small, usual, large.
const SIZES: [(u16, u16); 3] = [(40, 12), (80, 24), (160, 50)];

/// An agent that answers, asks and works on.
const TALKER: &str = "
[[turn]]
on = '^ask$'
step = [{ bash = 'echo hi > asked.txt', ask = true }, { text = 'It is done.' }]
[[turn]]
on = '^slow$'
step = [{ text = 'I begin.' }, { sleep_ms = 100000000 }]
[[turn]]
on = '.*'
step = [{ text = 'I say ${prompt}.' }]
";

/// A bench with one such agent, on the screen.
fn open(bench: &Bench, cols: u16, rows: u16) -> Screen {
    let script = bench.script("talker", TALKER);
    let file = format!(
        "[[agent]]\nname = 'blue'\nbackend = 'script'\ncommand = ['{PROGRAM}', 'agent-script', '{}']\n",
        script.display()
    );
    let file = bench.script("bench", &file);
    let mut screen = Screen::open(bench, &["--bench", file.to_str().unwrap()], cols, rows);
    screen.wait_text("blue");
    screen.wait_text("INPUT");
    screen
}

/// Presses a key again until it is heard: an ask that has just appeared does not take keys yet,
/// for they may have been meant for something else.
fn press_until(screen: &mut Screen, keys: &str, what: &str, done: impl Fn(&str) -> bool) {
    wait_until(what, || {
        if done(&screen.text()) {
            return Some(());
        }
        screen.send_keys(keys);
        screen.drain(Duration::from_millis(400));
        None
    });
}

/// Leaves by the keys and looks at what is left of the terminal.
fn quit(mut screen: Screen) {
    // Who works would have to be asked about.
    screen.wait_gone("●");
    screen.send_keys("<c-space>q");
    wait_left(&mut screen, Some(0));
}

fn wait_left(screen: &mut Screen, code: Option<i32>) {
    let left = screen.wait_exit();
    assert_restored(screen);
    assert_eq!(left, code, "{}", screen.text());
}

#[track_caller]
fn assert_restored(screen: &Screen) {
    let seen = screen.screen();
    assert!(!seen.alternate_screen(), "the other screen is still there:\n{}", screen.text());
    assert!(!seen.hide_cursor(), "the cursor is still hidden:\n{}", screen.text());
    assert!(!seen.bracketed_paste(), "pastes are still bracketed");
    assert_eq!(seen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
}

#[test]
fn at_every_size_a_prompt_is_answered_and_an_ask_allowed() {
    for (cols, rows) in SIZES {
        let bench = Bench::new();
        let mut screen = open(&bench, cols, rows);
        screen.send_keys("good day<enter>");
        screen.wait_text("I say good day.");
        screen.send_keys("ask<enter>");
        screen.wait_text("ANSWER");
        screen.wait_text("asked.txt");
        assert!(!bench.workspace.has("asked.txt"), "it was not allowed yet");
        press_until(&mut screen, "a", "the work", |text| text.contains("It is done."));
        assert_eq!(bench.workspace.read("asked.txt"), "hi\n", "{cols}x{rows}");
        quit(screen);
    }
}

#[test]
fn dialogs_open_by_their_keys_and_close_by_escape() {
    for (cols, rows) in SIZES {
        let bench = Bench::new();
        let mut screen = open(&bench, cols, rows);
        for (key, mark) in [("n", "NEW AGENT"), ("l", "LOCKS"), ("?", "HELP")] {
            screen.send_keys(&format!("<c-space>{key}"));
            // A picture may come in two pieces: the old one must be gone as well.
            screen.wait_for(mark, |seen| {
                seen.contents().contains(mark) && !seen.contents().contains("INPUT")
            });
            screen.send_keys("<esc>");
            screen.wait_text("INPUT");
            screen.wait_gone(mark);
        }
        screen.send_keys("<c-space>r");
        screen.wait_gone("INPUT");
        screen.send_keys("<esc>");
        screen.wait_text("INPUT");
        quit(screen);
    }
}

#[test]
fn the_demo_opens_three_panes_that_work() {
    for (cols, rows) in SIZES {
        let bench = Bench::new();
        let mut screen = Screen::open(&bench, &["demo"], cols, rows);
        for name in ["blue", "red", "green"] {
            screen.wait_text(name);
        }
        // Red asks to run the tests, and is told not to; in the end all have done their work.
        screen.wait_text("◆ red");
        screen.send_keys("<c-space>a");
        screen.wait_text("cargo test");
        screen.wait_text("ANSWER");
        press_until(&mut screen, "n", "the denial", |text| !text.contains("needs you"));
        screen.wait_for("the end of all work", |seen| {
            let text = seen.contents();
            ["blue", "red", "green"].iter().all(|name| {
                text.contains(&format!("✓ {name}")) || text.contains(&format!("○ {name}"))
            })
        });
        quit(screen);
    }
}

#[test]
fn the_mouse_and_the_bell_are_as_the_settings_say() {
    for (mouse, mode) in
        [("true", vt100::MouseProtocolMode::AnyMotion), ("false", vt100::MouseProtocolMode::None)]
    {
        let bench = Bench::new();
        let setting = format!("ui.mouse={mouse}");
        let mut screen = Screen::open(&bench, &["--set", &setting], 80, 24);
        screen.wait_text("new agent");
        assert_eq!(screen.screen().mouse_protocol_mode(), mode, "{setting}");
        screen.send_keys("q");
        wait_left(&mut screen, Some(0));
    }
    for (bell, rings) in [("true", 1), ("false", 0)] {
        let bench = Bench::new();
        let script = bench.script("talker", TALKER);
        let engine = serve(&bench, &[]);
        spawn(&bench, "blue", &script, "hello");
        let setting = format!("notify.bell={bell}");
        let mut screen = Screen::open(&bench, &["attach", "--set", &setting], 80, 24);
        screen.wait_text("I say hello.");
        screen.send_keys("x");
        screen.wait_text("> x");
        // Its keys are read now, and the terminal says that the person looks elsewhere.
        screen.send_keys("<bs><esc>[O");
        assert_eq!(bench.run(&["send", "blue", "ask"]).code, Some(0));
        // The ask has the keys, so it has come.
        screen.wait_text("ANSWER");
        assert_eq!(screen.bells(), rings, "{setting}");
        drop(screen);
        shut_down(&bench, engine);
    }
}

#[test]
fn a_new_agent_is_started_from_the_dialog() {
    let bench = Bench::new();
    let mut screen = Screen::open(&bench, &["--set", "agent.backend=script"], 80, 24);
    screen.wait_text("new agent");
    screen.send_keys("<c-space>n");
    screen.wait_text("NEW AGENT");
    let script = bench.script("talker", TALKER);
    screen.send_keys(&format!("<c-u>lime<tab><tab>{}<enter>", script.display()));
    screen.wait_gone("NEW AGENT");
    screen.wait_text("lime");
    screen.send_keys("hello lime<enter>");
    screen.wait_text("I say hello lime.");
    quit(screen);
}

#[test]
fn the_picker_lists_former_sessions_and_enter_goes_on_with_one() {
    let bench = Bench::new();
    let mut screen = open(&bench, 80, 24);
    screen.send_keys("remember the milk<enter>");
    screen.wait_text("I say remember the milk.");
    quit(screen);
    for (cols, rows) in SIZES {
        let mut screen = Screen::open(&bench, &["resume"], cols, rows);
        screen.wait_text("remember");
        // The whole bench comes first; the session itself is below.
        screen.send_keys("milk");
        screen.wait_text("milk");
        screen.send_keys("<enter>");
        screen.wait_text("INPUT");
        screen.wait_text("I say remember the milk.");
        screen.send_keys(&format!("more {cols}<enter>"));
        screen.wait_text(&format!("I say more {cols}."));
        quit(screen);
    }
    let mut screen = Screen::open(&bench, &["resume", "--last"], 80, 24);
    screen.wait_text("I say more 160.");
    screen.send_keys("again<enter>");
    screen.wait_text("I say again.");
    quit(screen);
    let rows = bench.json(&["sessions", "--json"]);
    assert_eq!(rows.as_array().unwrap().len(), 1, "one session all along: {rows:#}");
}

#[test]
fn a_bench_outlives_a_later_one_of_a_single_agent() {
    let bench = Bench::new();
    let script = bench.script("talker", TALKER);
    for names in [&["blue", "red"][..], &["lime"]] {
        let engine = serve(&bench, &[]);
        for name in names {
            spawn(&bench, name, &script, &format!("{name} was here"));
            wait_state(&bench, name, "finished");
        }
        if names.len() == 1 {
            assert_eq!(bench.run(&["stop", "lime"]).code, Some(0));
            wait_state(&bench, "lime", "dead");
            // The list reads what is stored, a moment after it happened.
            wait_until("lime is listed as stopped", || {
                let sessions = bench.run(&["sessions"]).stdout;
                let lime = sessions.lines().find(|line| line.contains("lime"))?.to_owned();
                (lime.contains("stopped") && !lime.contains("open")).then_some(())
            });
        }
        shut_down(&bench, engine);
    }
    let mut screen = Screen::open(&bench, &["resume"], 80, 24);
    screen.wait_text("the whole bench as it was");
    screen.wait_text("an earlier bench");
    screen.send_keys("<down><enter>");
    screen.wait_text("blue was here");
    screen.wait_for("both agents", |seen| {
        let text = seen.contents();
        let both = text.contains("blue") && text.contains("red");
        both && !text.contains("lime") && !text.contains('◌')
    });
    quit(screen);
    let mut screen = Screen::open(&bench, &["resume"], 80, 24);
    screen.wait_text("the whole bench as it was");
    screen.wait_text("2 agents");
    // It has come back, so it is there once; the bench of one agent is but a session.
    assert!(!screen.text().contains("an earlier bench"), "{}", screen.text());
    drop(screen);
}

#[test]
fn a_screen_attaches_to_a_running_engine_and_leaves_it_running() {
    let bench = Bench::new();
    let engine = serve(&bench, &[]);
    let script = bench.script("talker", TALKER);
    spawn(&bench, "blue", &script, "hello");
    let mut screen = Screen::open(&bench, &["attach"], 80, 24);
    screen.wait_text("I say hello.");
    screen.send_keys("from the screen<enter>");
    screen.wait_text("I say from the screen.");
    assert_eq!(bench.run(&["send", "blue", "from outside"]).code, Some(0));
    screen.wait_text("I say from outside.");
    screen.send_keys("<c-space>d");
    wait_left(&mut screen, Some(0));
    // Its turn is over and was seen.
    assert_eq!(agent(&bench, "blue")["state"], "idle");
    shut_down(&bench, engine);
}

#[test]
fn a_screen_whose_engine_is_killed_says_so_and_gives_the_terminal_back() {
    let bench = Bench::new();
    let mut engine = serve(&bench, &[]);
    spawn(&bench, "blue", &bench.script("talker", TALKER), "hello");
    let mut screen = Screen::open(&bench, &["attach"], 80, 24);
    screen.wait_text("I say hello.");
    engine.signal(Signal::KILL);
    engine.wait_exit();
    let code = screen.wait_exit();
    assert_restored(&screen);
    assert_eq!(code, Some(7), "{}", screen.text());
    assert!(screen.text().contains("the engine is gone"), "{}", screen.text());
}

#[test]
fn a_screen_that_is_asked_to_end_gives_the_terminal_back() {
    for signal in [Signal::TERM, Signal::HUP] {
        let bench = Bench::new();
        let mut screen = open(&bench, 80, 24);
        let pid = rustix::process::Pid::from_raw(screen.pid().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        screen.wait_exit();
        assert_restored(&screen);
        let rows = bench.json(&["sessions", "--json"]);
        assert_eq!(rows[0]["open"], false, "{rows:#}");
    }
}

#[test]
fn keys_typed_in_a_storm_of_sizes_arrive_and_the_picture_is_right() {
    let bench = Bench::new();
    let mut screen = open(&bench, 80, 24);
    screen.send_keys("before the storm<enter>");
    screen.wait_text("I say before the storm.");
    for number in 0..200_u16 {
        screen.resize(1 + number * 37 % 200, 1 + number * 17 % 60);
    }
    // The keys come with the size, not after the picture of it.
    for round in 0..10 {
        for (cols, rows) in SIZES {
            screen.resize(cols, rows);
            screen.send_keys(&format!("{round} at {cols}<enter>"));
            screen.wait_text(&format!("I say {round} at {cols}."));
            screen.wait_for("a picture of this size", |seen| {
                let last = seen.rows(0, cols).nth(usize::from(rows) - 1);
                last.is_some_and(|row| row.starts_with(" INPUT"))
            });
        }
    }
    quit(screen);
}

#[test]
fn keys_beyond_what_is_read_at_once_arrive_without_another_key() {
    let bench = Bench::new();
    let mut screen = open(&bench, 80, 24);
    // More than a kilobyte in one piece, not as a paste.
    screen.send_keys(&format!("{}end<enter>", "word ".repeat(300)));
    screen.wait_text("word end.");
    quit(screen);
}

#[test]
fn an_idle_screen_draws_nothing() {
    let bench = Bench::new();
    let engine = serve_with(&bench, &[], &[]);
    let script = bench.script("talker", TALKER);
    for name in ["blue", "red", "green"] {
        spawn(&bench, name, &script, "hello");
        wait_state(&bench, name, "finished");
    }
    let mut screen = Screen::open(&bench, &["attach"], 160, 50);
    screen.wait_text("I say hello.");
    // It settles, then the window: until other programs have gone to the engine and back.
    wait_until("a quiet screen", || (screen.drain(Duration::from_millis(300)) == 0).then_some(()));
    let before = screen.received;
    for _ in 0..20 {
        bench.json(&["agents", "--json"]);
        screen.drain(Duration::from_millis(25));
    }
    assert_eq!(screen.received - before, 0, "an idle screen draws:\n{}", screen.text());
    // A letter that no name of a folder has.
    screen.send_keys("ß");
    screen.wait_for("the letter", |seen| seen.contents().contains("ß"));
    assert!(screen.received > before, "the count counts");
    drop(screen);
    shut_down(&bench, engine);
}
