//! The new-agent dialog: what an agent is to be, checked before it is asked for.
//!
//! It stays open until the engine has started the agent, so nothing that was typed is lost when
//! that fails.

mod view;

pub use self::view::DialogView;
use super::action::{FormAction, PromptAction};
use super::field::Field;
use super::keymap::Chord;
use super::prompt::Prompt;
use super::wish::{Tag, Wish};
use crate::engine::command::{Command, Reply};
use crate::model::agent::{AgentSpec, Backend};
use crate::model::permission::PermissionMode;
use crate::ui::bench::Bench;

/// Characters of an agent's name at most.
const NAME: usize = 24;

/// Names that mean somebody else.
const TAKEN: [&str; 4] = ["user", "you", "external", "bench"];

/// A row of the dialog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    Name,
    Backend,
    Program,
    Model,
    Mode,
    Allowed,
    Disallowed,
    Prompt,
}

impl Entry {
    const ALL: [Self; 8] = [
        Self::Name,
        Self::Backend,
        Self::Program,
        Self::Model,
        Self::Mode,
        Self::Allowed,
        Self::Disallowed,
        Self::Prompt,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Backend => "back end",
            Self::Program => "script",
            Self::Model => "model",
            Self::Mode => "mode",
            Self::Allowed => "allowed tools",
            Self::Disallowed => "forbidden tools",
            Self::Prompt => "first prompt",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Name => "empty: one is chosen",
            Self::Backend => "← → another one",
            Self::Program => "a file for the built-in demo agent",
            Self::Model => "empty: the back end's own; ← → known ones",
            Self::Mode => "← → how much it may do without asking",
            Self::Allowed => "no question for these: Read, Bash(cargo test:*)",
            Self::Disallowed => "never these",
            Self::Prompt => "what it begins with; may be empty",
        }
    }
}

/// What a new agent is like until the person says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preset {
    /// Which driver.
    pub backend: Backend,
    /// The model; empty: the back end's own.
    pub model: String,
    /// How much it may do without asking.
    pub mode: PermissionMode,
    /// What comes before the script's file in the command of a demo agent.
    pub script: Vec<String>,
}

impl Default for Preset {
    fn default() -> Self {
        Self {
            backend: Backend::Claude,
            model: String::new(),
            mode: PermissionMode::Default,
            script: Vec::new(),
        }
    }
}

/// The dialog.
#[derive(Debug, Clone)]
pub struct Dialog {
    at: Entry,
    name: Field,
    backend: Backend,
    program: Field,
    model: Field,
    models: Vec<String>,
    mode: PermissionMode,
    allowed: Field,
    disallowed: Field,
    prompt: Prompt,
    wrong: Option<(Option<Entry>, String)>,
    names: Vec<String>,
    script: Vec<String>,
    waiting: bool,
}

impl Dialog {
    /// A dialog with nothing but the preset; it offers the models that the bench's agents know.
    pub fn new(bench: &Bench, preset: &Preset) -> Self {
        let mut models: Vec<String> = ["sonnet", "opus", "haiku"].map(str::to_owned).to_vec();
        let known = bench.agents.iter().flat_map(|agent| agent.models.iter());
        let preset_model = Some(&preset.model).filter(|model| !model.is_empty());
        for model in known.map(|model| &model.value).chain(preset_model) {
            if !models.contains(model) {
                models.push(model.clone());
            }
        }
        Self {
            at: Entry::Name,
            name: Field::default(),
            backend: preset.backend,
            program: Field::default(),
            model: Field::new(&preset.model),
            models,
            mode: preset.mode,
            allowed: Field::default(),
            disallowed: Field::default(),
            prompt: Prompt::new(),
            wrong: None,
            names: bench.agents.iter().map(|agent| agent.name.clone()).collect(),
            script: preset.script.clone(),
            waiting: false,
        }
    }

    /// Does what an action means.
    pub fn act(&mut self, action: FormAction) -> Vec<Wish> {
        match action {
            FormAction::Next => self.go(1),
            FormAction::Previous => self.go(-1),
            FormAction::Left => self.turn(-1),
            FormAction::Right => self.turn(1),
            FormAction::Newline if self.at == Entry::Prompt => {
                self.prompt.edit(PromptAction::Newline);
            }
            FormAction::Newline => self.go(1),
            FormAction::Cancel => return vec![Wish::Close],
            FormAction::Start if self.waiting => {}
            FormAction::Start => return self.start(),
        }
        Vec::new()
    }

    /// Takes a key that is bound to nothing.
    pub fn key(&mut self, chord: Chord) {
        if let Some(field) = self.field() {
            field.key(chord);
            self.wrong = None;
            return;
        }
        if self.at != Entry::Prompt {
            return;
        }
        if let Some(c) = chord.typed() {
            self.prompt.type_char(c);
        } else if let Some(action) = editing(chord) {
            self.prompt.edit(action);
        }
    }

    /// Takes a pasted text.
    pub fn paste(&mut self, text: &str) {
        if let Some(field) = self.field() {
            field.paste(text);
        } else if self.at == Entry::Prompt {
            self.prompt.paste(text);
        }
    }

    /// The engine answered.
    pub fn answered(&mut self, reply: Reply) -> Vec<Wish> {
        self.waiting = false;
        match reply {
            Reply::Agent(agent) => vec![Wish::Close, Wish::Write(agent)],
            Reply::Failed(failure) => {
                let hint = failure.hint.map(|hint| format!(" — {hint}")).unwrap_or_default();
                self.wrong = Some((None, failure.message + &hint));
                Vec::new()
            }
            Reply::Done
            | Reply::Resumed { .. }
            | Reply::Tool(_)
            | Reply::Exec { .. }
            | Reply::GitFacts(_)
            | Reply::GitTree(_)
            | Reply::Agents(_)
            | Reply::Locks(_)
            | Reply::Asks(_)
            | Reply::Sessions(_)
            | Reply::Benches(_)
            | Reply::Reviewed(_)
            | Reply::Transcript(_) => vec![Wish::Close],
        }
    }

    fn entries(&self) -> impl Iterator<Item = Entry> + use<> {
        let script = self.backend == Backend::Script;
        Entry::ALL.into_iter().filter(move |entry| script || *entry != Entry::Program)
    }

    fn go(&mut self, step: isize) {
        let entries: Vec<_> = self.entries().collect();
        let here = entries.iter().position(|entry| *entry == self.at).unwrap_or(0);
        let count = entries.len() as isize;
        let there = (here as isize + step).rem_euclid(count) as usize;
        self.at = entries.get(there).copied().unwrap_or(Entry::Name);
    }

    fn turn(&mut self, step: isize) {
        let key = if step > 0 { "right" } else { "left" };
        match self.at {
            Entry::Backend => {
                self.backend = match self.backend {
                    Backend::Claude => Backend::Script,
                    Backend::Script => Backend::Claude,
                };
            }
            Entry::Mode => {
                let all = PermissionMode::ALL;
                self.mode =
                    all[turned(all.iter().position(|mode| *mode == self.mode), step, all.len())];
            }
            Entry::Model
                if self.models.iter().any(|model| model == self.model.text())
                    || self.model.is_empty() =>
            {
                let here = self.models.iter().position(|model| model == self.model.text());
                let there = turned(here, step, self.models.len());
                self.model = Field::new(self.models.get(there).map_or("", String::as_str));
            }
            Entry::Prompt => {
                let action = if step > 0 { PromptAction::Right } else { PromptAction::Left };
                self.prompt.edit(action);
            }
            Entry::Name | Entry::Program | Entry::Model | Entry::Allowed | Entry::Disallowed => {
                if let (Some(field), Ok(chord)) = (self.field(), Chord::parse(key)) {
                    field.key(chord);
                }
            }
        }
    }

    fn field(&mut self) -> Option<&mut Field> {
        match self.at {
            Entry::Name => Some(&mut self.name),
            Entry::Program => Some(&mut self.program),
            Entry::Model => Some(&mut self.model),
            Entry::Allowed => Some(&mut self.allowed),
            Entry::Disallowed => Some(&mut self.disallowed),
            Entry::Backend | Entry::Mode | Entry::Prompt => None,
        }
    }

    fn start(&mut self) -> Vec<Wish> {
        match self.spec() {
            Ok(spec) => {
                self.waiting = true;
                self.wrong = None;
                vec![Wish::Ask {
                    command: Box::new(Command::StartAgent { spec }),
                    tag: Tag::NewAgent,
                }]
            }
            Err((entry, message)) => {
                self.at = entry;
                self.wrong = Some((Some(entry), message));
                Vec::new()
            }
        }
    }

    fn spec(&mut self) -> Result<AgentSpec, (Entry, String)> {
        let name = self.name.text().trim();
        check_name(name, &self.names).map_err(|message| (Entry::Name, message))?;
        let program = self.program.text().trim();
        let script = self.backend == Backend::Script;
        if script && program.is_empty() {
            return Err((Entry::Program, "the demo agent needs a script file".to_owned()));
        }
        let model = self.model.text().trim();
        if model.contains(char::is_whitespace) {
            return Err((Entry::Model, format!("`{model}` is not the name of a model")));
        }
        let allowed = tools(self.allowed.text()).map_err(|message| (Entry::Allowed, message))?;
        let disallowed =
            tools(self.disallowed.text()).map_err(|message| (Entry::Disallowed, message))?;
        let name = name.to_owned();
        let model = (!model.is_empty()).then(|| model.to_owned());
        let prompt = Some(self.prompt.expanded()).filter(|text| !text.trim().is_empty());
        let mut command = Vec::new();
        if script {
            command.clone_from(&self.script);
            command.push(program.to_owned());
        }
        Ok(AgentSpec {
            name,
            backend: self.backend,
            command,
            prompt,
            model,
            permission_mode: self.mode,
            allowed_tools: allowed,
            disallowed_tools: disallowed,
            ..AgentSpec::default()
        })
    }
}

fn turned(here: Option<usize>, step: isize, count: usize) -> usize {
    match here {
        Some(here) => (here as isize + step).rem_euclid(count.max(1) as isize) as usize,
        None => 0,
    }
}

fn editing(chord: Chord) -> Option<PromptAction> {
    use crossterm::event::KeyCode;
    [
        (KeyCode::Backspace, PromptAction::DeleteBack),
        (KeyCode::Delete, PromptAction::DeleteNext),
        (KeyCode::Home, PromptAction::LineStart),
        (KeyCode::End, PromptAction::LineEnd),
    ]
    .into_iter()
    .find(|(code, _)| Chord::plain(*code) == chord)
    .map(|(_, action)| action)
}

fn check_name(name: &str, names: &[String]) -> Result<(), String> {
    if name.is_empty() {
        return Ok(());
    }
    let letters = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    if !name.chars().all(letters) {
        return Err("a name has letters, digits, - and _ only".to_owned());
    }
    if name.chars().count() > NAME {
        return Err(format!("a name has at most {NAME} characters"));
    }
    if TAKEN.contains(&name) {
        return Err(format!("`{name}` means somebody else here"));
    }
    if names.iter().any(|other| other == name) {
        return Err(format!("`{name}` is on the bench already"));
    }
    Ok(())
}

/// Reads rules separated by commas; commas inside parentheses belong to a rule.
fn tools(raw: &str) -> Result<Vec<String>, String> {
    let (mut rules, mut rule, mut depth) = (Vec::new(), String::new(), 0usize);
    for c in raw.chars() {
        match c {
            '(' => depth += 1,
            ')' => {
                depth = depth.checked_sub(1).ok_or("a `)` has no `(` before it".to_owned())?;
            }
            ',' if depth == 0 => {
                rules.push(std::mem::take(&mut rule));
                continue;
            }
            _ => {}
        }
        rule.push(c);
    }
    if depth > 0 {
        return Err("a `(` has no `)` behind it".to_owned());
    }
    rules.push(rule);
    let rules = rules.iter().map(|rule| rule.trim().to_owned()).filter(|rule| !rule.is_empty());
    Ok(rules.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::failure::{Failure, FailureKind};
    use crate::model::id::AgentId;
    use crate::ui::sample;

    fn dialog(fill: impl Fn(&mut Dialog)) -> Dialog {
        let bench = Bench { agents: vec![sample::info(1, "blue")], ..Bench::default() };
        let preset = Preset { script: vec!["demo".into()], ..Preset::default() };
        let mut dialog = Dialog::new(&bench, &preset);
        fill(&mut dialog);
        dialog
    }

    fn wrong(fill: impl Fn(&mut Dialog)) -> String {
        let mut dialog = dialog(fill);
        assert_eq!(dialog.act(FormAction::Start), []);
        dialog.wrong.map(|(_, message)| message).unwrap_or_default()
    }

    #[test]
    fn what_is_wrong_is_said_before_anything_is_started() {
        assert_eq!(wrong(|d| d.name.paste("blue")), "`blue` is on the bench already");
        assert_eq!(wrong(|d| d.name.paste("a b")), "a name has letters, digits, - and _ only");
        assert_eq!(wrong(|d| d.name.paste("user")), "`user` means somebody else here");
        assert_eq!(wrong(|d| d.model.paste("so nnet")), "`so nnet` is not the name of a model");
        assert_eq!(wrong(|d| d.allowed.paste("Bash(a")), "a `(` has no `)` behind it");
        assert_eq!(wrong(|d| d.backend = Backend::Script), "the demo agent needs a script file");
    }

    #[test]
    fn a_filled_dialog_asks_for_an_agent_and_keeps_its_words_when_that_fails() {
        let mut dialog = dialog(|dialog| {
            dialog.name.paste("red");
            dialog.allowed.paste("Read, Bash(cargo test, x), ");
            dialog.prompt.paste("go\non");
            dialog.mode = PermissionMode::Plan;
        });
        let spec = AgentSpec {
            name: "red".into(),
            prompt: Some("go\non".into()),
            permission_mode: PermissionMode::Plan,
            allowed_tools: vec!["Read".into(), "Bash(cargo test, x)".into()],
            ..AgentSpec::default()
        };
        let command = Box::new(Command::StartAgent { spec });
        let wish = Wish::Ask { command, tag: Tag::NewAgent };
        assert_eq!(dialog.act(FormAction::Start), std::slice::from_ref(&wish));
        assert_eq!(dialog.act(FormAction::Start), [], "it is asked for only once");
        let failure = Failure::new(FailureKind::AgentStart, "claude is not installed");
        assert_eq!(dialog.answered(Reply::Failed(failure)), []);
        assert_eq!(dialog.act(FormAction::Start), [wish]);
        let done = dialog.answered(Reply::Agent(AgentId(7)));
        assert_eq!(done, [Wish::Close, Wish::Write(AgentId(7))]);
    }
}
