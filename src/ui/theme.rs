//! Colours by what they mean.

use ratatui::style::{Color, Modifier, Style};

/// The styles of one theme. A part of the screen asks for a meaning, never for a colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    /// Ordinary text.
    pub text: Style,
    /// What matters less: folded tools, hints, thinking.
    pub dim: Style,
    /// The one accent: what is selected or has the keys.
    pub accent: Style,
    /// Borders of panes without the focus.
    pub border: Style,
    /// The border of the focused pane.
    pub border_focused: Style,
    /// What the person wrote.
    pub prompt: Style,
    /// Headings of markdown.
    pub heading: Style,
    /// Code of markdown.
    pub code: Style,
    /// Good news.
    pub good: Style,
    /// Look at it.
    pub warn: Style,
    /// Broken or refused.
    pub bad: Style,
    /// Lines that a diff adds.
    pub added: Style,
    /// Lines that a diff removes.
    pub removed: Style,
    /// Line numbers and hunk heads of a diff.
    pub gutter: Style,
    /// The row under the cursor of a list.
    pub selected: Style,
    /// The letters that a search matched.
    pub matched: Style,
    /// The top and the bottom line.
    pub bar: Style,
    /// Colours of agents, in the order of their numbers.
    pub agents: [Color; 8],
}

impl Theme {
    /// The names of the built-in themes.
    pub const NAMES: [&'static str; 3] = ["night", "day", "plain"];

    /// The built-in theme of this name.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "night" => Some(Self::night()),
            "day" => Some(Self::day()),
            "plain" => Some(Self::plain()),
            _ => None,
        }
    }

    /// For dark terminals; 16 colours only, so that it follows the terminal's own palette.
    pub fn night() -> Self {
        let base = Style::new();
        Self {
            text: base,
            dim: base.fg(Color::DarkGray),
            accent: base.fg(Color::Cyan),
            border: base.fg(Color::DarkGray),
            border_focused: base.fg(Color::Gray),
            prompt: base.add_modifier(Modifier::BOLD),
            heading: base.add_modifier(Modifier::BOLD),
            code: base.fg(Color::LightYellow),
            good: base.fg(Color::Green),
            warn: base.fg(Color::Yellow),
            bad: base.fg(Color::Red),
            added: base.fg(Color::Green),
            removed: base.fg(Color::Red),
            gutter: base.fg(Color::DarkGray),
            selected: base.add_modifier(Modifier::REVERSED),
            matched: base.fg(Color::Yellow).add_modifier(Modifier::BOLD),
            bar: base.fg(Color::Gray),
            agents: [
                Color::LightBlue,
                Color::LightRed,
                Color::LightGreen,
                Color::LightMagenta,
                Color::LightYellow,
                Color::LightCyan,
                Color::Blue,
                Color::Magenta,
            ],
        }
    }

    /// For light terminals.
    pub fn day() -> Self {
        let base = Style::new();
        Self {
            dim: base.fg(Color::Gray).add_modifier(Modifier::DIM),
            accent: base.fg(Color::Blue),
            border: base.fg(Color::Gray),
            border_focused: base.fg(Color::Black),
            code: base.fg(Color::Magenta),
            matched: base.fg(Color::Blue).add_modifier(Modifier::BOLD),
            bar: base.fg(Color::DarkGray),
            gutter: base.fg(Color::Gray),
            agents: [
                Color::Blue,
                Color::Red,
                Color::Green,
                Color::Magenta,
                Color::Yellow,
                Color::Cyan,
                Color::DarkGray,
                Color::Black,
            ],
            ..Self::night()
        }
    }

    /// Without any colour (`NO_COLOR`): bold, dim, underlined and reversed only.
    pub fn plain() -> Self {
        let base = Style::new();
        let (dim, bold) = (base.add_modifier(Modifier::DIM), base.add_modifier(Modifier::BOLD));
        Self {
            text: base,
            dim,
            accent: bold,
            border: dim,
            border_focused: base,
            prompt: bold,
            heading: bold,
            code: base,
            good: base,
            warn: bold,
            bad: bold.add_modifier(Modifier::UNDERLINED),
            added: base,
            removed: dim,
            gutter: dim,
            selected: base.add_modifier(Modifier::REVERSED),
            matched: base.add_modifier(Modifier::UNDERLINED),
            bar: base,
            agents: [Color::Reset; 8],
        }
    }

    /// The colour of an agent by its number.
    pub fn agent(&self, number: u32) -> Style {
        let index = number.saturating_sub(1) as usize % self.agents.len();
        Style::new().fg(self.agents[index]).add_modifier(Modifier::BOLD)
    }
}
