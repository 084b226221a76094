//! Any input in any order.

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Key(KeyCode, bool, bool),
    Prefixed(char),
    Resize(u16, u16),
    Wait(u64),
    Ask(u64, u32),
    Close(u64),
    Agent(u32),
    Remove(u32),
    Mouse(u16, u16, u8),
    Paste(String),
    Text(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let code = prop_oneof![
        8 => prop::char::range(' ', '~').prop_map(KeyCode::Char),
        1 => prop::sample::select(vec!['漢', 'é', '\u{301}', '🦀']).prop_map(KeyCode::Char),
        6 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Backspace,
            KeyCode::Up, KeyCode::Down, KeyCode::Left, KeyCode::Right, KeyCode::Home, KeyCode::End,
            KeyCode::PageUp, KeyCode::PageDown, KeyCode::F(1), KeyCode::Delete,
        ]),
    ];
    prop_oneof![
        8 => (code, any::<bool>(), prop::bool::weighted(0.1))
            .prop_map(|(code, control, alt)| Step::Key(code, control, alt)),
        5 => prop::char::range('!', '~').prop_map(Step::Prefixed),
        2 => (1u16..170, 1u16..60).prop_map(|(width, height)| Step::Resize(width, height)),
        2 => (0u64..2_000).prop_map(Step::Wait),
        2 => (1u64..6, 1u32..5).prop_map(|(ask, agent)| Step::Ask(ask, agent)),
        1 => (1u64..6).prop_map(Step::Close),
        1 => (1u32..6).prop_map(Step::Agent),
        1 => (1u32..6).prop_map(Step::Remove),
        2 => (0u16..170, 0u16..60, 0u8..3).prop_map(|(x, y, kind)| Step::Mouse(x, y, kind)),
        1 => "[a-z\\n漢\t]{0,60}".prop_map(Step::Paste),
        1 => (1u32..6).prop_map(Step::Text),
    ]
}

impl Stage {
    fn step(&mut self, step: Step) {
        match step {
            Step::Key(code, control, alt) => {
                let mut mods = KeyModifiers::NONE;
                mods.set(KeyModifiers::CONTROL, control && matches!(code, KeyCode::Char(_)));
                mods.set(KeyModifiers::ALT, alt);
                self.input(Input::Key(KeyEvent::new(code, mods)));
            }
            Step::Prefixed(c) => {
                self.keys("ctrl+space");
                self.input(Input::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
            }
            Step::Resize(width, height) => {
                self.terminal = Glass::new(width, height);
                self.input(Input::Resize);
            }
            Step::Wait(ms) => {
                self.wait(ms);
            }
            Step::Ask(number, agent) => self.ask(match number {
                1 => sample::questions(number, agent),
                2 => sample::plan(number, agent),
                3 => sample::edit(number, agent),
                _ => sample::bash(number, agent),
            }),
            Step::Close(ask) => {
                self.event(Event::AskClosed { ask: AskId(ask), outcome: AskOutcome::Withdrawn });
            }
            Step::Agent(number) => {
                let info = Box::new(sample::info(number, "someone-with-a-name"));
                self.event(Event::AgentChanged { agent: info });
            }
            Step::Remove(number) => self.event(Event::AgentRemoved { agent: AgentId(number) }),
            Step::Mouse(column, row, kind) => {
                let kind = match kind {
                    0 => MouseEventKind::ScrollUp,
                    1 => MouseEventKind::ScrollDown,
                    _ => MouseEventKind::Down(MouseButton::Left),
                };
                let modifiers = KeyModifiers::NONE;
                self.input(Input::Mouse(MouseEvent { kind, column, row, modifiers }));
            }
            Step::Paste(text) => self.input(Input::Paste(text)),
            Step::Text(number) => {
                let item = Box::new(sample::item(7, Body::Text { text: "words ".repeat(40) }));
                self.event(Event::ItemChanged { agent: AgentId(number), item });
            }
        }
    }
}

#[test]
fn a_box_over_wide_characters_is_drawn_the_same_anew() {
    let mut stage = Stage::new(80, 24, 2);
    let steps = [
        Step::Resize(88, 36),
        Step::Prefixed('o'),
        Step::Paste("漢".to_owned()),
        Step::Prefixed('{'),
        Step::Prefixed('n'),
        Step::Agent(3),
    ];
    for step in steps {
        stage.step(step);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn no_input_breaks_the_screen_and_drawing_anew_is_the_same(
        steps in prop::collection::vec(step(), 1..60),
        count in 0usize..5,
    ) {
        let mut stage = Stage::new(80, 24, count);
        for step in steps {
            stage.step(step);
        }
    }
}
