//! What a key can do, by the place that has the keys.
//!
//! Each place ([`Context`]) has its own closed set of actions, so that a place handles all of its
//! own and none of the others'. Actions of the bench work in every place. The names are those of
//! the keymap file; the sentences are those of the help.

macro_rules! actions {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal, $what:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = $what] $variant,)*
        }

        impl $name {
            /// All of them, in the order of the help.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in the keymap file.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// What it does, in a few words.
            pub fn what(self) -> &'static str {
                match self { $(Self::$variant => $what,)* }
            }
        }
    };
}

actions! {
    /// Actions of the bench as a whole; they work everywhere.
    BenchAction {
        NewAgent = "new-agent", "new agent";
        Agents = "agents", "go to an agent";
        NextAsk = "next-ask", "next that needs you";
        Inbox = "inbox", "all that needs you";
        Locks = "locks", "files held";
        Changes = "changes", "changes of files";
        Resume = "resume", "resume a session";
        Help = "help", "help";
        Read = "read", "read the transcript";
        Zoom = "zoom", "zoom";
        SplitRight = "split-right", "split right";
        SplitBelow = "split-below", "split below";
        ClosePane = "close-pane", "close the pane";
        FocusLeft = "focus-left", "pane to the left";
        FocusDown = "focus-down", "pane below";
        FocusUp = "focus-up", "pane above";
        FocusRight = "focus-right", "pane to the right";
        FocusNext = "focus-next", "next pane";
        FocusPrevious = "focus-previous", "previous pane";
        Pane1 = "pane-1", "pane 1";
        Pane2 = "pane-2", "pane 2";
        Pane3 = "pane-3", "pane 3";
        Pane4 = "pane-4", "pane 4";
        Pane5 = "pane-5", "pane 5";
        Pane6 = "pane-6", "pane 6";
        Pane7 = "pane-7", "pane 7";
        Pane8 = "pane-8", "pane 8";
        Pane9 = "pane-9", "pane 9";
        ResizeLeft = "resize-left", "move the border left";
        ResizeDown = "resize-down", "move the border down";
        ResizeUp = "resize-up", "move the border up";
        ResizeRight = "resize-right", "move the border right";
        SwapLeft = "swap-left", "swap left";
        SwapDown = "swap-down", "swap down";
        SwapUp = "swap-up", "swap up";
        SwapRight = "swap-right", "swap right";
        SwapNext = "swap-next", "swap with the next";
        SwapPrevious = "swap-previous", "swap with the previous";
        NextLayout = "next-layout", "next layout";
        LayoutEven = "layout-even", "even layout";
        LayoutMainLeft = "layout-main-left", "main pane left";
        LayoutMainTop = "layout-main-top", "main pane on top";
        Interrupt = "interrupt", "interrupt the agent";
        CycleMode = "cycle-mode", "next permission mode";
        Model = "model", "another model";
        Unqueue = "unqueue", "take a prompt back";
        Todo = "todo", "fold the to-do list";
        StopAgent = "stop-agent", "stop the agent";
        RestartAgent = "restart-agent", "restart the agent";
        RemoveAgent = "remove-agent", "remove the agent";
        Redraw = "redraw", "draw the screen anew";
        Suspend = "suspend", "suspend benchdog";
        Detach = "detach", "detach";
        Quit = "quit", "quit";
    }
}

actions! {
    /// Actions of the prompt editor.
    PromptAction {
        Send = "send", "send";
        Newline = "newline", "new line";
        Complete = "complete", "complete a command, or go to the question";
        Escape = "escape", "interrupt; twice: clear";
        Clear = "clear", "clear, or interrupt";
        Up = "up", "line up, or the prompt before";
        Down = "down", "line down, or the prompt after";
        Left = "left", "left";
        Right = "right", "right";
        WordLeft = "word-left", "a word to the left";
        WordRight = "word-right", "a word to the right";
        LineStart = "line-start", "start of the line";
        LineEnd = "line-end", "end of the line";
        DeleteBack = "delete-back", "delete before the cursor";
        DeleteNext = "delete-next", "delete under the cursor";
        DeleteWord = "delete-word", "delete the word before";
        DeleteToStart = "delete-to-start", "delete to the start of the line";
        DeleteToEnd = "delete-to-end", "delete to the end of the line";
        Undo = "undo", "undo";
        Redo = "redo", "redo";
        ScrollUp = "scroll-up", "scroll up";
        ScrollDown = "scroll-down", "scroll down";
        PageUp = "page-up", "page up";
        PageDown = "page-down", "page down";
        ToStart = "to-start", "start of the transcript";
        ToEnd = "to-end", "newest line";
        PreviousPrompt = "previous-prompt", "scroll to the prompt before";
        NextPrompt = "next-prompt", "scroll to the prompt after";
    }
}

actions! {
    /// Actions while the transcript has the keys.
    ReadAction {
        Up = "up", "entry before";
        Down = "down", "entry after";
        Toggle = "toggle", "fold or unfold";
        Copy = "copy", "copy the entry";
        PageUp = "page-up", "page up";
        PageDown = "page-down", "page down";
        ToStart = "to-start", "start";
        ToEnd = "to-end", "newest line";
        PreviousPrompt = "previous-prompt", "prompt before";
        NextPrompt = "next-prompt", "prompt after";
        Search = "search", "look for words";
        NextMatch = "next-match", "next match";
        PreviousMatch = "previous-match", "match before";
        Leave = "leave", "back to the prompt";
    }
}

actions! {
    /// Actions of a permission ask and of a plan.
    AskAction {
        AllowOnce = "allow-once", "allow once";
        AllowAlways = "allow-always", "allow always, by the rule that is shown";
        Reason = "deny-with-reason", "deny and say why";
        Deny = "deny", "deny";
        DenyStop = "deny-and-interrupt", "deny and interrupt";
        NextRule = "next-rule", "show the next suggested rule";
        Up = "up", "scroll up";
        Down = "down", "scroll down";
        PageUp = "page-up", "page up";
        PageDown = "page-down", "page down";
        Leave = "leave", "back to the prompt";
    }
}

actions! {
    /// Actions of questions with options.
    QuestionAction {
        Up = "up", "option above";
        Down = "down", "option below";
        Choose = "choose", "take it and go on";
        Toggle = "toggle", "mark or unmark";
        Own = "own-words", "answer in your own words";
        Next = "next-question", "next question";
        Previous = "previous-question", "previous question";
        Pick1 = "pick-1", "option 1";
        Pick2 = "pick-2", "option 2";
        Pick3 = "pick-3", "option 3";
        Pick4 = "pick-4", "option 4";
        Pick5 = "pick-5", "option 5";
        Pick6 = "pick-6", "option 6";
        Pick7 = "pick-7", "option 7";
        Pick8 = "pick-8", "option 8";
        Pick9 = "pick-9", "option 9";
        Reason = "deny-with-reason", "do not answer and say why";
        Leave = "leave", "back to the prompt";
    }
}

actions! {
    /// Actions of a line that is being typed.
    FieldAction {
        Accept = "accept", "done";
        Cancel = "cancel", "never mind";
    }
}

actions! {
    /// Actions of every list.
    ListAction {
        Up = "up", "up";
        Down = "down", "down";
        PageUp = "page-up", "page up";
        PageDown = "page-down", "page down";
        First = "first", "first";
        Last = "last", "last";
        Choose = "choose", "take it";
        Close = "close", "close";
    }
}

actions! {
    /// Actions of the inbox, besides those of a list.
    InboxAction {
        AllowOnce = "allow-once", "allow once";
        AllowAlways = "allow-always", "allow always";
        Deny = "deny", "deny";
    }
}

actions! {
    /// Actions of the locks view, besides those of a list.
    LocksAction {
        Steal = "steal", "take the file";
        Release = "release", "free the file";
        Pin = "pin", "reserve files for yourself";
        Message = "message-owner", "write to the owner";
        Filter = "filter", "filter";
    }
}

actions! {
    /// Actions of the changes view, besides those of a list.
    ChangesAction {
        Undo = "undo", "undo the change";
        UndoTurn = "undo-turn", "undo the agent's turn";
        UndoAgent = "undo-agent", "undo all of the agent";
        Restore = "restore", "bring back what it overwrote";
        Blame = "blame", "who wrote which line";
        NextList = "next-list", "all, what is lost, rejected writes";
        Filter = "filter", "filter";
        Refresh = "refresh", "look again";
    }
}

actions! {
    /// Actions of a form.
    FormAction {
        Next = "next", "next field";
        Previous = "previous", "previous field";
        Left = "left", "choice before";
        Right = "right", "choice after";
        Newline = "newline", "new line";
        Start = "start", "start";
        Cancel = "cancel", "never mind";
    }
}

actions! {
    /// Answers to "are you sure".
    ConfirmAction {
        Yes = "yes", "yes";
        No = "no", "no";
    }
}

/// Anything that a key can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Of the bench.
    Bench(BenchAction),
    /// Of the prompt.
    Prompt(PromptAction),
    /// Of the transcript.
    Read(ReadAction),
    /// Of a permission ask or a plan.
    Ask(AskAction),
    /// Of questions.
    Questions(QuestionAction),
    /// Of a line that is typed.
    Field(FieldAction),
    /// Of a list.
    List(ListAction),
    /// Of the inbox.
    Inbox(InboxAction),
    /// Of the locks view.
    Locks(LocksAction),
    /// Of the changes view.
    Changes(ChangesAction),
    /// Of a form.
    Form(FormAction),
    /// Of a confirmation.
    Confirm(ConfirmAction),
}

impl Action {
    /// The name in the keymap file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bench(action) => action.name(),
            Self::Prompt(action) => action.name(),
            Self::Read(action) => action.name(),
            Self::Ask(action) => action.name(),
            Self::Questions(action) => action.name(),
            Self::Field(action) => action.name(),
            Self::List(action) => action.name(),
            Self::Inbox(action) => action.name(),
            Self::Locks(action) => action.name(),
            Self::Changes(action) => action.name(),
            Self::Form(action) => action.name(),
            Self::Confirm(action) => action.name(),
        }
    }

    /// What it does, in a few words.
    pub fn what(self) -> &'static str {
        match self {
            Self::Bench(action) => action.what(),
            Self::Prompt(action) => action.what(),
            Self::Read(action) => action.what(),
            Self::Ask(action) => action.what(),
            Self::Questions(action) => action.what(),
            Self::Field(action) => action.what(),
            Self::List(action) => action.what(),
            Self::Inbox(action) => action.what(),
            Self::Locks(action) => action.what(),
            Self::Changes(action) => action.what(),
            Self::Form(action) => action.what(),
            Self::Confirm(action) => action.what(),
        }
    }
}

/// A place that can have the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Context {
    /// After the prefix.
    Command,
    /// Everywhere, without the prefix.
    Global,
    /// The prompt editor.
    Prompt,
    /// The transcript.
    Read,
    /// A permission ask or a plan.
    Ask,
    /// Questions with options.
    Questions,
    /// A line that is typed.
    Field,
    /// The inbox.
    Inbox,
    /// The locks view.
    Locks,
    /// The changes view.
    Changes,
    /// A list that a typed word filters.
    Menu,
    /// A form.
    Form,
    /// A confirmation.
    Confirm,
}

impl Context {
    /// All of them, in the order of the help.
    pub const ALL: [Self; 13] = [
        Self::Command,
        Self::Global,
        Self::Prompt,
        Self::Read,
        Self::Ask,
        Self::Questions,
        Self::Inbox,
        Self::Locks,
        Self::Changes,
        Self::Menu,
        Self::Form,
        Self::Field,
        Self::Confirm,
    ];

    /// The name of its table in the keymap file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Global => "global",
            Self::Prompt => "prompt",
            Self::Read => "read",
            Self::Ask => "ask",
            Self::Questions => "questions",
            Self::Field => "field",
            Self::Inbox => "inbox",
            Self::Locks => "locks",
            Self::Changes => "changes",
            Self::Menu => "menu",
            Self::Form => "form",
            Self::Confirm => "confirm",
        }
    }

    /// The heading in the help.
    pub fn title(self) -> &'static str {
        match self {
            Self::Command => "After the prefix",
            Self::Global => "Everywhere",
            Self::Prompt => "Prompt",
            Self::Read => "Transcript",
            Self::Ask => "Permission or plan",
            Self::Questions => "Questions",
            Self::Field => "A line you type",
            Self::Inbox => "Inbox",
            Self::Locks => "Locks",
            Self::Changes => "Changes",
            Self::Menu => "Lists and help",
            Self::Form => "New agent",
            Self::Confirm => "Are you sure",
        }
    }

    /// The actions that belong here, those of the bench left out.
    pub fn own(self) -> Vec<Action> {
        let list = || ListAction::ALL.iter().copied().map(Action::List);
        match self {
            Self::Command => BenchAction::ALL.iter().copied().map(Action::Bench).collect(),
            Self::Global => Vec::new(),
            Self::Prompt => PromptAction::ALL.iter().copied().map(Action::Prompt).collect(),
            Self::Read => ReadAction::ALL.iter().copied().map(Action::Read).collect(),
            Self::Ask => AskAction::ALL.iter().copied().map(Action::Ask).collect(),
            Self::Questions => QuestionAction::ALL.iter().copied().map(Action::Questions).collect(),
            Self::Field => FieldAction::ALL.iter().copied().map(Action::Field).collect(),
            Self::Inbox => {
                InboxAction::ALL.iter().copied().map(Action::Inbox).chain(list()).collect()
            }
            Self::Locks => {
                LocksAction::ALL.iter().copied().map(Action::Locks).chain(list()).collect()
            }
            Self::Changes => {
                ChangesAction::ALL.iter().copied().map(Action::Changes).chain(list()).collect()
            }
            Self::Menu => list().collect(),
            Self::Form => FormAction::ALL.iter().copied().map(Action::Form).collect(),
            Self::Confirm => ConfirmAction::ALL.iter().copied().map(Action::Confirm).collect(),
        }
    }

    /// The action of this name that can be bound here.
    pub fn action(self, name: &str) -> Option<Action> {
        self.own().into_iter().find(|action| action.name() == name).or_else(|| {
            BenchAction::ALL
                .iter()
                .find(|action| action.name() == name)
                .map(|&action| Action::Bench(action))
        })
    }
}

impl BenchAction {
    /// The number of the pane that a `pane-N` action means.
    pub fn pane_number(self) -> Option<usize> {
        let all = Self::ALL;
        let first = all.iter().position(|&action| action == Self::Pane1)?;
        let here = all.iter().position(|&action| action == self)?;
        (first..first + 9).contains(&here).then(|| here - first + 1)
    }

    /// Whether it swaps with the pane in a direction.
    pub fn swaps_by_direction(self) -> bool {
        matches!(self, Self::SwapLeft | Self::SwapDown | Self::SwapUp | Self::SwapRight)
    }

    /// Whether it may be repeated without the prefix.
    pub fn repeats(self) -> bool {
        matches!(self, Self::ResizeLeft | Self::ResizeDown | Self::ResizeUp | Self::ResizeRight)
    }
}

impl QuestionAction {
    /// The number of the option that a `pick-N` action means, from 0.
    pub fn option(self) -> Option<usize> {
        let all = Self::ALL;
        let first = all.iter().position(|&action| action == Self::Pick1)?;
        let here = all.iter().position(|&action| action == self)?;
        (first..first + 9).contains(&here).then(|| here - first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_and_unique_in_their_place() {
        for context in Context::ALL {
            let mut names: Vec<_> = context.own().into_iter().map(Action::name).collect();
            assert!(names.iter().all(|name| {
                name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            }));
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{}", context.name());
        }
    }

    #[test]
    fn numbered_actions_know_their_number() {
        assert_eq!(BenchAction::Pane1.pane_number(), Some(1));
        assert_eq!(BenchAction::Pane9.pane_number(), Some(9));
        assert_eq!(BenchAction::Zoom.pane_number(), None);
        assert_eq!(BenchAction::ResizeLeft.pane_number(), None);
        assert_eq!(QuestionAction::Pick3.option(), Some(2));
        assert_eq!(QuestionAction::Reason.option(), None);
    }
}
