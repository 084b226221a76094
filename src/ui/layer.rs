//! What lies over the bench: one stack of views, the last one has the keys.
//!
//! A layer changes only itself; what else it wants it says as a [`Wish`].

pub mod frame;

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::Widget;

pub use self::frame::hints;
use super::action::{Action, Context};
use super::bench::Bench;
use super::changes::Changes;
use super::confirm::Confirm;
use super::dialog::{Dialog, DialogView};
use super::help::Help;
use super::inbox::Inbox;
use super::keymap::{Chord, Keymap};
use super::locks::Locks;
use super::menu::Menu;
use super::picker::{Picker, PickerView};
use super::theme::Theme;
use super::wish::{Answered, Tag, Wish};
use crate::engine::command::Reply;
use crate::model::time::{Mono, Now};

/// A view over the bench.
pub enum Layer {
    /// All that waits for the person.
    Inbox(Box<Inbox>),
    /// Who holds which file.
    Locks(Box<Locks>),
    /// Who changed which file.
    Changes(Box<Changes>),
    /// Something to choose from.
    Menu(Menu),
    /// All keys.
    Help(Help),
    /// A new agent.
    Dialog(Box<Dialog>),
    /// Are you sure?
    Confirm(Confirm),
    /// Stored sessions.
    Picker(Box<Picker>),
}

/// What a layer may look at.
pub struct Scene<'a> {
    /// What the engine said.
    pub bench: &'a Bench,
    /// The keys.
    pub keymap: &'a Keymap,
    /// The colours.
    pub theme: &'a Theme,
    /// The moment.
    pub now: Now,
}

impl Layer {
    /// The place whose keys apply; `None` if the layer reads keys by itself.
    pub fn place(&self) -> Option<Context> {
        match self {
            Self::Inbox(_) => Some(Context::Inbox),
            Self::Locks(locks) => Some(locks.place()),
            Self::Changes(changes) => Some(changes.place()),
            Self::Menu(_) | Self::Help(_) => Some(Context::Menu),
            Self::Dialog(_) => Some(Context::Form),
            Self::Confirm(_) => Some(Context::Confirm),
            Self::Picker(_) => None,
        }
    }

    /// Its name in the bottom line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Inbox(_) => "INBOX",
            Self::Locks(_) => "LOCKS",
            Self::Changes(_) => "CHANGES",
            Self::Menu(_) => "CHOOSE",
            Self::Help(_) => "HELP",
            Self::Dialog(_) => "NEW AGENT",
            Self::Confirm(_) => "SURE?",
            Self::Picker(_) => "RESUME",
        }
    }

    /// Whether both are the same kind of view.
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Does what a bound key means here; actions of other places mean nothing.
    pub fn act(&mut self, action: Action, scene: &Scene<'_>) -> Vec<Wish> {
        match (self, action) {
            (Self::Inbox(inbox), Action::List(action)) => inbox.act_list(action, scene.bench),
            (Self::Inbox(inbox), Action::Inbox(action)) => {
                inbox.act(action, scene.bench, scene.now.mono)
            }
            (Self::Locks(locks), Action::List(action)) => locks.act_list(action, scene.bench),
            (Self::Locks(locks), Action::Locks(action)) => locks.act(action, scene.bench),
            (Self::Locks(locks), Action::Field(action)) => locks.act_field(action),
            (Self::Changes(changes), Action::List(action)) => changes.act_list(action),
            (Self::Changes(changes), Action::Changes(action)) => changes.act(action),
            (Self::Changes(changes), Action::Field(action)) => changes.act_field(action),
            (Self::Menu(menu), Action::List(action)) => menu.act(action),
            (Self::Help(help), Action::List(action)) => help.act(action, scene.keymap),
            (Self::Dialog(dialog), Action::Form(action)) => dialog.act(action),
            (Self::Confirm(confirm), Action::Confirm(action)) => confirm.act(action),
            _ => Vec::new(),
        }
    }

    /// Takes a key that is bound to nothing here.
    pub fn key(&mut self, chord: Chord, event: KeyEvent) -> Vec<Wish> {
        match self {
            Self::Inbox(_) | Self::Confirm(_) => {}
            Self::Locks(locks) => locks.key(chord),
            Self::Changes(changes) => return changes.key(chord),
            Self::Menu(menu) => menu.key(chord),
            Self::Help(help) => help.key(chord),
            Self::Dialog(dialog) => dialog.key(chord),
            Self::Picker(picker) => return picker.key(event),
        }
        Vec::new()
    }

    /// Takes a pasted text.
    pub fn paste(&mut self, text: &str) -> Vec<Wish> {
        match self {
            Self::Inbox(_) | Self::Confirm(_) => {}
            Self::Locks(locks) => locks.paste(text),
            Self::Changes(changes) => return changes.paste(text),
            Self::Menu(menu) => menu.paste(text),
            Self::Help(help) => help.paste(text),
            Self::Dialog(dialog) => dialog.paste(text),
            Self::Picker(picker) => return picker.paste(text),
        }
        Vec::new()
    }

    /// Takes a turn of the mouse wheel.
    pub fn wheel(&mut self, rows: i32, scene: &Scene<'_>) {
        match self {
            Self::Inbox(inbox) => inbox.wheel(rows, scene.bench),
            Self::Locks(locks) => locks.wheel(rows, scene.bench),
            Self::Changes(changes) => changes.wheel(rows),
            Self::Menu(menu) => menu.wheel(rows),
            Self::Help(help) => help.wheel(rows, scene.keymap),
            Self::Dialog(_) | Self::Confirm(_) | Self::Picker(_) => {}
        }
    }

    /// Whether it waits for the answer to a question with this tag.
    pub fn awaits(&self, tag: &Tag) -> bool {
        match tag {
            Tag::PickerRows(_)
            | Tag::PickerPreview(_)
            | Tag::PickerBench
            | Tag::PickerResume
            | Tag::PickerRename(_) => matches!(self, Self::Picker(_)),
            Tag::Changes(_) => matches!(self, Self::Changes(_)),
            Tag::NewAgent => matches!(self, Self::Dialog(_)),
            Tag::Nobody | Tag::Older(_) | Tag::Answer(_) | Tag::Prompt(..) => false,
        }
    }

    /// Takes an answer.
    pub fn answered(&mut self, tag: Tag, reply: Reply) -> Vec<Wish> {
        match self {
            Self::Picker(picker) => picker.answered(Answered { tag, reply }),
            Self::Dialog(dialog) => dialog.answered(reply),
            Self::Changes(changes) => {
                if let Tag::Changes(asked) = tag {
                    return changes.answered(asked, reply);
                }
                Vec::new()
            }
            Self::Inbox(_) | Self::Locks(_) | Self::Menu(_) | Self::Help(_) | Self::Confirm(_) => {
                Vec::new()
            }
        }
    }

    /// Learns the size of the screen.
    pub fn measure(&mut self, screen: Rect, scene: &Scene<'_>) {
        match self {
            Self::Inbox(inbox) => inbox.measure(screen, scene),
            Self::Locks(locks) => locks.measure(screen, scene.bench),
            Self::Changes(changes) => changes.measure(screen, scene),
            Self::Menu(menu) => menu.measure(screen),
            Self::Help(help) => help.measure(screen, scene.keymap),
            Self::Dialog(dialog) => dialog.measure(screen),
            Self::Confirm(_) => {}
            Self::Picker(picker) => {
                picker.set_now(scene.now.wall);
                picker.measure(screen);
            }
        }
    }

    /// Draws it.
    pub fn draw(&self, screen: Rect, buf: &mut Buffer, scene: &Scene<'_>) {
        match self {
            Self::Inbox(inbox) => inbox.draw(screen, buf, scene),
            Self::Locks(locks) => locks.draw(screen, buf, scene),
            Self::Changes(changes) => changes.draw(screen, buf, scene),
            Self::Menu(menu) => menu.draw(screen, buf, scene.theme),
            Self::Help(help) => help.draw(screen, buf, scene),
            Self::Dialog(dialog) => {
                let keys = form_keys(scene.keymap);
                DialogView { dialog, keys: &keys, theme: scene.theme }.render(screen, buf);
            }
            Self::Confirm(confirm) => confirm.draw(screen, buf, scene),
            Self::Picker(picker) => {
                frame::clear(screen, buf);
                PickerView { picker, theme: scene.theme }.render(screen, buf);
            }
        }
    }

    /// Where the cursor is, if something is typed here.
    pub fn cursor(&self, screen: Rect) -> Option<Position> {
        match self {
            Self::Locks(locks) => locks.cursor_in(screen),
            Self::Changes(changes) => changes.cursor_in(screen),
            Self::Menu(menu) => menu.cursor_in(screen),
            Self::Help(help) => help.cursor_in(screen),
            Self::Dialog(dialog) => dialog.cursor_in(screen),
            Self::Inbox(_) | Self::Confirm(_) | Self::Picker(_) => None,
        }
    }

    /// Whether nothing of the bench is seen below it.
    pub fn covers(&self) -> bool {
        matches!(self, Self::Picker(_) | Self::Locks(_) | Self::Changes(_))
    }

    /// When it will look different by itself. Ages in the locks view grow by the second.
    pub fn wakes_at(&self, now: Mono, bench: &Bench) -> Option<Mono> {
        match self {
            Self::Inbox(inbox) => inbox.wakes_at(now),
            Self::Locks(_) => (!bench.leases.is_empty()).then(|| now.after(1_000)),
            Self::Changes(_) | Self::Picker(_) => None,
            Self::Menu(_) | Self::Help(_) | Self::Dialog(_) | Self::Confirm(_) => None,
        }
    }
}

fn form_keys(keymap: &Keymap) -> Vec<(String, String)> {
    use super::action::FormAction;
    [
        (FormAction::Start, "start"),
        (FormAction::Next, "next field"),
        (FormAction::Newline, "new line"),
        (FormAction::Cancel, "never mind"),
    ]
    .into_iter()
    .filter_map(|(action, label)| {
        Some((keymap.key(Context::Form, Action::Form(action))?, label.to_owned()))
    })
    .collect()
}
