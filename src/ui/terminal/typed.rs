//! Reading what a terminal sends: keys, pastes, and its answers to questions.
//!
//! Bytes may come in any pieces; what they mean does not depend on how they were cut. Whatever a
//! person typed comes out as the event that the reader of events would have made of it, in order.
//! Reports of the mouse are left out: nobody aims at a screen that has just come.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

/// What ends a paste.
const PASTE_END: &[u8] = b"\x1b[201~";

/// Bytes of a report of the mouse in its oldest form, after its head.
const OLD_MOUSE: usize = 3;

/// What came so far.
#[derive(Debug, Default)]
pub(super) struct Typed {
    /// What was typed, in order.
    pub(super) events: Vec<Event>,
    /// Whether the terminal said which flags its keyboard has.
    pub(super) has_flags: bool,
    /// Whether the terminal named its attributes, which every terminal does.
    pub(super) has_attributes: bool,
    tail: Vec<u8>,
}

/// What the first bytes are, and how many of them.
enum Piece {
    Event(Event),
    Flags,
    Attributes,
    Nothing,
}

impl Typed {
    /// Takes the next bytes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        let tail = std::mem::take(&mut self.tail);
        let mut rest = tail.as_slice();
        while let Some((piece, used)) = first(rest) {
            match piece {
                Piece::Event(event) => self.events.push(event),
                Piece::Flags => self.has_flags = true,
                Piece::Attributes => self.has_attributes = true,
                Piece::Nothing => {}
            }
            rest = &rest[used..];
        }
        self.tail = rest.to_vec();
    }

    /// Whether the last bytes are the beginning of something.
    pub(super) fn is_cut(&self) -> bool {
        !self.tail.is_empty()
    }

    /// Takes what is there for all that comes: a lone Esc, a paste without its end.
    pub(super) fn finish(&mut self) {
        let tail = std::mem::take(&mut self.tail);
        if let Some(text) = tail.strip_prefix(b"\x1b[200~") {
            self.events.push(Event::Paste(String::from_utf8_lossy(text).into_owned()));
            return;
        }
        let mut rest = tail.as_slice();
        if let Some(after) = rest.strip_prefix(b"\x1b") {
            self.events.push(press(KeyCode::Esc, KeyModifiers::NONE));
            rest = after;
        }
        for c in String::from_utf8_lossy(rest).chars().filter(|c| *c != char::REPLACEMENT_CHARACTER)
        {
            self.events.push(character(c, KeyModifiers::NONE));
        }
    }
}

/// The first piece and how many bytes it has; nothing if it is not all there.
fn first(bytes: &[u8]) -> Option<(Piece, usize)> {
    match bytes {
        [] | [0x1b] => None,
        [0x1b, b'[', ..] => sequence(bytes),
        [0x1b, b'O'] => None,
        [0x1b, b'O', last, ..] => {
            let code = arrow(*last).or_else(|| early_function(*last));
            Some((code.map_or(Piece::Nothing, |code| key(code, KeyModifiers::NONE)), 3))
        }
        [0x1b, 0x1b, ..] => Some((key(KeyCode::Esc, KeyModifiers::NONE), 1)),
        [0x1b, rest @ ..] => {
            let (c, used) = letter(rest)?;
            let event = c.map(|c| Piece::Event(character(c, KeyModifiers::ALT)));
            Some((event.unwrap_or(Piece::Nothing), used + 1))
        }
        [..] => {
            let (c, used) = letter(bytes)?;
            let event = c.map(|c| Piece::Event(character(c, KeyModifiers::NONE)));
            Some((event.unwrap_or(Piece::Nothing), used))
        }
    }
}

/// The character at the front and how many bytes it has; bytes that are none are passed over.
fn letter(bytes: &[u8]) -> Option<(Option<char>, usize)> {
    let wide = match bytes.first()? {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    let found = std::str::from_utf8(bytes.get(..wide).unwrap_or(bytes));
    match found {
        Ok(text) => Some((text.chars().next(), wide)),
        Err(error) if error.error_len().is_none() && bytes.len() < wide => None,
        Err(_) => Some((None, 1)),
    }
}

/// A control sequence: `ESC [`, parameters, a last byte.
fn sequence(bytes: &[u8]) -> Option<(Piece, usize)> {
    let body = &bytes[2..];
    if let Some(rest) = body.strip_prefix(b"[") {
        // The console of Linux writes its function keys so.
        let code = rest.first()?.checked_sub(b'A').filter(|place| *place < 5);
        let piece = code
            .map(|place| key(KeyCode::F(place + 1), KeyModifiers::NONE))
            .unwrap_or(Piece::Nothing);
        return Some((piece, 4));
    }
    let end = body.iter().position(|byte| !(0x20..=0x3f).contains(byte))?;
    let (parameters, last, used) = (&body[..end], body[end], end + 3);
    if !(0x40..=0x7e).contains(&last) {
        // Nobody sends that; the next byte begins something else.
        return Some((Piece::Nothing, end + 2));
    }
    if parameters == b"200" && last == b'~' {
        let text = &bytes[used..];
        let end = text.windows(PASTE_END.len()).position(|window| window == PASTE_END)?;
        let paste = Event::Paste(String::from_utf8_lossy(&text[..end]).into_owned());
        return Some((Piece::Event(paste), used + end + PASTE_END.len()));
    }
    if parameters.is_empty() && last == b'M' {
        return (bytes.len() >= used + OLD_MOUSE).then_some((Piece::Nothing, used + OLD_MOUSE));
    }
    let piece = match (parameters.first(), last) {
        (Some(b'?'), b'u') => Piece::Flags,
        (Some(b'?'), b'c') => Piece::Attributes,
        (Some(b'?' | b'<' | b'=' | b'>'), _) => Piece::Nothing,
        (None, b'I') => Piece::Event(Event::FocusGained),
        (None, b'O') => Piece::Event(Event::FocusLost),
        _ => special(parameters, last),
    };
    Some((piece, used))
}

/// A key that has no character, with its modifiers: `ESC [ number ; modifiers last`.
fn special(parameters: &[u8], last: u8) -> Piece {
    let text = std::str::from_utf8(parameters).unwrap_or_default();
    let mut numbers =
        text.split(';').map(|part| part.split(':').next().and_then(|part| part.parse().ok()));
    let number: u32 = numbers.next().flatten().unwrap_or(1);
    let bits = numbers.next().flatten().unwrap_or(1).max(1) - 1;
    let mods = modifiers(bits);
    match last {
        b'~' => numbered(number).map_or(Piece::Nothing, |code| key(code, mods)),
        b'u' => char::from_u32(number).map_or(Piece::Nothing, |c| Piece::Event(character(c, mods))),
        b'Z' => key(KeyCode::BackTab, KeyModifiers::SHIFT),
        last => match arrow(last).or_else(|| early_function(last)) {
            Some(code) => key(code, mods),
            None => Piece::Nothing,
        },
    }
}

fn modifiers(bits: u32) -> KeyModifiers {
    let known = [
        (1, KeyModifiers::SHIFT),
        (2, KeyModifiers::ALT),
        (4, KeyModifiers::CONTROL),
        (8, KeyModifiers::SUPER),
    ];
    known.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, modifier)| *modifier).collect()
}

fn arrow(last: u8) -> Option<KeyCode> {
    Some(match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        _ => return None,
    })
}

/// F1 to F4, which have letters.
fn early_function(last: u8) -> Option<KeyCode> {
    last.checked_sub(b'P').filter(|place| *place < 4).map(|place| KeyCode::F(place + 1))
}

fn numbered(number: u32) -> Option<KeyCode> {
    let function = |first: u32, name: u8| {
        u8::try_from(number - first).ok().map(|place| KeyCode::F(name + place))
    };
    match number {
        1 | 7 => Some(KeyCode::Home),
        2 => Some(KeyCode::Insert),
        3 => Some(KeyCode::Delete),
        4 | 8 => Some(KeyCode::End),
        5 => Some(KeyCode::PageUp),
        6 => Some(KeyCode::PageDown),
        11..=15 => function(11, 1),
        17..=21 => function(17, 6),
        23..=24 => function(23, 11),
        _ => None,
    }
}

fn key(code: KeyCode, mods: KeyModifiers) -> Piece {
    Piece::Event(press(code, mods))
}

fn press(code: KeyCode, mods: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, mods))
}

/// The key that types a character, or that a control character stands for.
fn character(c: char, mods: KeyModifiers) -> Event {
    let control = |base: u8, place: u8| {
        press(KeyCode::Char(char::from(base + place)), mods | KeyModifiers::CONTROL)
    };
    match c {
        '\r' => press(KeyCode::Enter, mods),
        '\t' => press(KeyCode::Tab, mods),
        '\x1b' => press(KeyCode::Esc, mods),
        '\x7f' => press(KeyCode::Backspace, mods),
        '\0' => press(KeyCode::Char(' '), mods | KeyModifiers::CONTROL),
        c @ '\x01'..='\x1a' => control(b'a', c as u8 - 1),
        c @ '\x1c'..='\x1f' => control(b'4', c as u8 - 0x1c),
        c => press(KeyCode::Char(c), mods),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::keymap::Chord;

    fn said(typed: &Typed) -> String {
        let event = |event: &Event| match event {
            Event::Key(key) => Chord::of(*key).to_string(),
            Event::Paste(text) => format!("{text:?}"),
            Event::FocusGained | Event::FocusLost | Event::Mouse(_) | Event::Resize(..) => {
                format!("{event:?}")
            }
        };
        typed.events.iter().map(event).collect::<Vec<_>>().join(" ")
    }

    fn check(bytes: &[u8], expected: &str) {
        let mut whole = Typed::default();
        whole.take(bytes);
        whole.finish();
        assert_eq!(said(&whole), expected, "{bytes:?}");
        let mut cut = Typed::default();
        for byte in bytes {
            cut.take(&[*byte]);
        }
        cut.finish();
        assert_eq!(said(&cut), expected, "{bytes:?}, byte by byte");
    }

    #[test]
    fn every_key_comes_out_as_it_was_pressed() {
        check(b"a\xc3\xa9\r\t\x7f", "a é Enter Tab Backspace");
        check(b"\0\x03\x1f\n", "Ctrl-Space Ctrl-C Ctrl-7 Ctrl-J");
        check(b"\x1b[A\x1b[B\x1b[C\x1b[D", "↑ ↓ → ←");
        check(b"\x1bOA\x1bOD\x1bOP", "↑ ← F1");
        check(b"\x1b[1;5C\x1b[1;2A\x1b[1;3D", "Ctrl-→ Shift-↑ Alt-←");
        check(b"\x1b[H\x1b[F\x1b[3~\x1b[5~\x1b[6;5~", "Home End Del PgUp Ctrl-PgDn");
        check(b"\x1b[15~\x1b[17~\x1b[24~\x1b[[B", "F5 F6 F12 F2");
        check(b"\x1b[Z\x1bx\x1b\r", "Shift-Tab Alt-X Alt-Enter");
        check(b"\x1b[13;2u\x1b[97;5u", "Shift-Enter Ctrl-A");
    }

    #[test]
    fn a_lone_escape_is_the_key() {
        check(b"\x1b", "Esc");
        check(b"a\x1b\x1b", "a Esc Esc");
        check(b"\x1b\x1b[A", "Esc ↑");
    }

    #[test]
    fn a_paste_is_one_piece() {
        check(b"x\x1b[200~one\rtwo\x1b[201~y", "x \"one\\rtwo\" y");
        check(b"\x1b[200~no end", "\"no end\"");
    }

    #[test]
    fn answers_the_mouse_and_rubbish_are_no_keys() {
        check(b"\x1b[?1u\x1b[?62;4c\x1b[<35;10;4Ma\x1b[M !!b\xffc\x1b[I", "a b c FocusGained");
        let mut typed = Typed::default();
        typed.take(b"\x1b[?1u");
        assert!(typed.has_flags && !typed.has_attributes && !typed.is_cut());
        typed.take(b"\x1b[?6");
        assert!(typed.is_cut());
        typed.take(b"2c");
        assert!(typed.has_attributes && !typed.is_cut());
    }

    proptest::proptest! {
        #[test]
        fn no_letter_is_lost_among_rubbish(rubbish: Vec<u8>, cuts in 1usize..7) {
            let mut typed = Typed::default();
            for piece in rubbish.chunks(cuts) {
                typed.take(piece);
            }
            typed.finish();
            let before = typed.events.len();
            typed.take(b"a");
            proptest::prop_assert_eq!(typed.events.len(), before + 1);
        }
    }
}
