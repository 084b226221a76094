//! The terminal: entered as a whole, left as a whole.
//!
//! Whatever ends the screen (a value that is dropped, a panic, a signal, a suspension), the terminal
//! is as it was before: raw mode, alternate screen, mouse, paste and focus reports, keyboard
//! protocol, cursor. Each frame is one synchronized update, so nobody sees half of it.

mod probe;
mod typed;
mod unread;

use std::io::{self, BufWriter, Stdout, Write, stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::cursor::{SetCursorStyle, Show};
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
    EnableFocusChange, EnableMouseCapture, KeyboardEnhancementFlags, PopKeyboardEnhancementFlags,
    PushKeyboardEnhancementFlags,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Rect, Size};
use ratatui::{Frame, Terminal};

pub use self::probe::{Probe, probe};
pub use self::unread::tell_of_keys;

/// Bytes of a frame that are collected before they are written.
const FRAME: usize = 256 * 1024;

/// Whether the terminal is ours now.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Whether the newer keyboard protocol is on.
static CLEAR_KEYS: AtomicBool = AtomicBool::new(false);

/// Whether a panic has been reported since.
static SAID: AtomicBool = AtomicBool::new(false);

static HOOK: Once = Once::new();

/// Whose the mouse is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mouse {
    /// The screen's: it gives the focus, folds and scrolls.
    Ours,
    /// The terminal's: it selects text as usual.
    Theirs,
}

/// The terminal while it is ours; dropping it gives it back.
pub struct Screen {
    mouse: Mouse,
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    clear_keys: bool,
}

impl Screen {
    /// Takes the terminal.
    pub fn enter(mouse: Mouse) -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                restore();
                before(info);
                SAID.store(true, Ordering::SeqCst);
            }));
        });
        take(mouse)?;
        let backend = CrosstermBackend::new(BufWriter::with_capacity(FRAME, stdout()));
        match Terminal::new(backend) {
            Ok(terminal) => Ok(Self { mouse, terminal, clear_keys: false }),
            Err(error) => {
                restore();
                Err(error)
            }
        }
    }

    /// Its size now.
    pub fn size(&self) -> io::Result<Size> {
        self.terminal.size()
    }

    /// Draws a frame, as one update.
    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        let drawn = self.terminal.draw(draw).map(|_| ());
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        Write::flush(self.terminal.backend_mut())?;
        drawn
    }

    /// Makes the next frame draw everything.
    pub fn forget(&mut self) -> io::Result<()> {
        // `Terminal::clear` would ask the terminal for its cursor, whose answer the reader of events
        // takes.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect { x: 0, y: 0, width: size.width, height: size.height })
    }

    /// Whether the terminal is ours, or a panic somewhere gave it back.
    pub fn is_ours(&self) -> bool {
        ENTERED.load(Ordering::SeqCst)
    }

    /// Whether the panic that gave the terminal back has said all it has to say.
    pub fn was_panic_said(&self) -> bool {
        SAID.swap(false, Ordering::SeqCst)
    }

    /// Turns on the newer keyboard protocol, which tells Esc from Alt.
    pub fn use_clear_keys(&mut self) -> io::Result<()> {
        self.clear_keys = true;
        push_keys()
    }

    /// Puts a text on the clipboard by the terminal, which works over SSH too.
    pub fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), CopyToClipboard::to_clipboard_from(text))
    }

    /// Rings the bell.
    pub fn bell(&mut self) -> io::Result<()> {
        self.terminal.backend_mut().write_all(b"\x07")?;
        Write::flush(self.terminal.backend_mut())
    }

    /// Gives the terminal back for a while.
    pub fn lend(&mut self) {
        restore();
    }

    /// Takes the terminal again.
    pub fn take_back(&mut self) -> io::Result<()> {
        take(self.mouse)?;
        if self.clear_keys {
            push_keys()?;
        }
        self.forget()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn take(mouse: Mouse) -> io::Result<()> {
    enable_raw_mode()?;
    ENTERED.store(true, Ordering::SeqCst);
    let entered = execute!(
        stdout(),
        EnterAlternateScreen,
        EnableBracketedPaste,
        EnableFocusChange,
        SetCursorStyle::SteadyBar
    )
    .and_then(|()| match mouse {
        Mouse::Ours => execute!(stdout(), EnableMouseCapture),
        Mouse::Theirs => Ok(()),
    });
    if entered.is_err() {
        restore();
    }
    entered
}

fn push_keys() -> io::Result<()> {
    CLEAR_KEYS.store(true, Ordering::SeqCst);
    let flags = KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES;
    execute!(stdout(), PushKeyboardEnhancementFlags(flags))
}

/// Gives the terminal back if it is ours. What fails here has nowhere to be said.
pub fn restore() {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = stdout();
    let _ = execute!(out, EndSynchronizedUpdate);
    if CLEAR_KEYS.swap(false, Ordering::SeqCst) {
        let _ = execute!(out, PopKeyboardEnhancementFlags);
    }
    let _ = execute!(
        out,
        SetCursorStyle::DefaultUserShape,
        DisableMouseCapture,
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Show
    );
    let _ = disable_raw_mode();
}
