//! One step of a script: what it does, and how it takes a refusal.
//!
//! A [`Step`] is complete: whatever a script may leave out has its default here already, and a
//! step with two verbs, or with an argument of another verb, never becomes one.

use serde::Deserialize;
use toml::Spanned;

/// One thing that the agent does.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    /// What.
    pub(super) act: Act,
    /// Whether the person is asked; `None`: as mode and rules say.
    pub(super) ask: Option<bool>,
    /// What to do about a refusal by a hook.
    pub(super) on_refused: OnRefused,
    /// How often a refused step is redone.
    pub(super) retries: u32,
    /// Milliseconds before it is redone.
    pub(super) retry_ms: u64,
    /// Milliseconds before the tool call.
    pub(super) pause_ms: u64,
    /// How the last tool call must have ended.
    pub(super) only_if: Option<Condition>,
}

impl Step {
    /// A step with the defaults of everything but its act.
    pub(super) fn plain(act: Act) -> Self {
        let insists = matches!(act, Act::Mark(_));
        let on_refused = if insists { OnRefused::Retry } else { OnRefused::Tell };
        Self { act, ask: None, on_refused, retries: 20, retry_ms: 400, pause_ms: 0, only_if: None }
    }
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Act {
    /// Says something.
    Text(String),
    /// Thinks something.
    Think(String),
    /// Reads a file.
    Read(String),
    /// Writes a whole file.
    Write { path: String, content: String },
    /// Changes pieces of a file; more than one is a MultiEdit.
    Edit { path: String, edits: Vec<Change> },
    /// Adds lines to the end of a file.
    Append { path: String, content: String },
    /// Adds a unique line to a file.
    Mark(Mark),
    /// Runs a command.
    Bash { command: String, description: Option<String>, background: bool },
    /// Shows its list of things to do.
    Todo(Vec<String>),
    /// Asks the person.
    AskUser { question: String, header: String, options: Vec<String>, multi: bool },
    /// Shows a plan.
    Plan(String),
    /// Has a sub-agent do something.
    Sub { task: String, kind: String, steps: Vec<Step> },
    /// Waits.
    Sleep(u64),
    /// Does steps several times.
    Repeat { times: u32, steps: Vec<Step> },
    /// A call to the model fails.
    ApiError { status: u16, times: u32, recovers: bool },
    /// Sends a line as it is.
    Raw(String),
    /// Ends the process.
    Exit { code: u8, stderr: Option<String> },
}

/// A piece of a file and what takes its place.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// What stands there.
    pub(super) old: String,
    /// What will stand there.
    pub(super) new: String,
    /// Whether every place is meant.
    #[serde(default)]
    pub(super) all: bool,
}

/// How a marker gets into a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mark {
    /// The files to choose from.
    pub(super) paths: Vec<String>,
    /// How to choose.
    pub(super) pick: Pick,
    /// How uneven a `zipf` choice is.
    pub(super) skew: f64,
    /// With which tool.
    pub(super) via: Via,
    /// Where in the file.
    pub(super) at: Spot,
}

/// How to choose one of several files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Pick {
    /// One after the other.
    #[default]
    Next,
    /// Any.
    Random,
    /// The first ones more often.
    Zipf,
}

/// With which tool a marker is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Via {
    /// An anchored edit.
    #[default]
    Edit,
    /// The whole file.
    Write,
    /// One or the other.
    Mixed,
}

/// Where in a file a marker goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Spot {
    /// Behind the last line.
    #[default]
    End,
    /// Behind any line.
    Random,
}

/// What to do about a refusal by a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OnRefused {
    /// Say so and go on.
    #[default]
    Tell,
    /// Go on.
    Skip,
    /// Read again and redo.
    Retry,
    /// Do the rest first, then redo.
    Later,
    /// End the turn.
    Stop,
}

/// How the last tool call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Condition {
    /// Well.
    Ok,
    /// Refused by a hook.
    Refused,
    /// Denied by the person or a rule.
    Denied,
    /// With an error.
    Failed,
    /// A hook told the agent something about it.
    Told,
}

/// A step as it stands in the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawStep {
    text: Option<String>,
    think: Option<String>,
    read: Option<String>,
    write: Option<String>,
    edit: Option<String>,
    append: Option<String>,
    append_marker: Option<OneOrMany>,
    bash: Option<String>,
    todo: Option<Vec<String>>,
    ask_user: Option<String>,
    plan: Option<String>,
    sub: Option<String>,
    sleep_ms: Option<u64>,
    repeat: Option<u32>,
    api_error: Option<u16>,
    raw: Option<String>,
    exit: Option<u8>,

    content: Option<String>,
    old: Option<String>,
    new: Option<String>,
    all: Option<bool>,
    edits: Option<Vec<Change>>,
    pick: Option<Pick>,
    skew: Option<f64>,
    via: Option<Via>,
    at: Option<Spot>,
    description: Option<String>,
    background: Option<bool>,
    options: Option<Vec<String>>,
    header: Option<String>,
    multi: Option<bool>,
    kind: Option<String>,
    #[serde(alias = "steps")]
    step: Option<Vec<Spanned<RawStep>>>,
    times: Option<u32>,
    recovers: Option<bool>,
    stderr: Option<String>,

    ask: Option<bool>,
    on_refused: Option<OnRefused>,
    retries: Option<u32>,
    retry_ms: Option<u64>,
    pause_ms: Option<u64>,
    only_if: Option<Condition>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// What is wrong with a step, and where in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StepError {
    /// Byte offset of the step.
    pub(super) at: usize,
    /// What.
    pub(super) message: String,
}

/// Makes steps of what stands in the file.
/// `asks` is what holds for a step that does not say whether the person is asked.
pub(super) fn read_steps(
    raw: Vec<Spanned<RawStep>>,
    asks: Option<bool>,
) -> Result<Vec<Step>, StepError> {
    raw.into_iter()
        .map(|step| {
            let at = step.span().start;
            step.into_inner().read(asks).map_err(|problem| match problem {
                Problem::Here(message) => StepError { at, message },
                Problem::Deeper(error) => error,
            })
        })
        .collect()
}

enum Problem {
    Here(String),
    Deeper(StepError),
}

impl From<String> for Problem {
    fn from(message: String) -> Self {
        Self::Here(message)
    }
}

impl RawStep {
    fn read(mut self, asks: Option<bool>) -> Result<Step, Problem> {
        let verb = self.verb()?;
        let act = self.take_act(verb, asks)?;
        let mut step = Step::plain(act);
        step.ask = self.ask.take().or(asks);
        step.only_if = self.only_if.take();
        step.on_refused = self.on_refused.take().unwrap_or(step.on_refused);
        step.retries = self.retries.take().unwrap_or(step.retries);
        step.retry_ms = self.retry_ms.take().unwrap_or(step.retry_ms);
        step.pause_ms = self.pause_ms.take().unwrap_or(step.pause_ms);
        match self.leftover() {
            Some(name) => Err(format!("`{name}` is no argument of `{verb}`").into()),
            None => Ok(step),
        }
    }

    /// The one verb of the step.
    fn verb(&self) -> Result<&'static str, String> {
        let verbs = [
            ("text", self.text.is_some()),
            ("think", self.think.is_some()),
            ("read", self.read.is_some()),
            ("write", self.write.is_some()),
            ("edit", self.edit.is_some()),
            ("append", self.append.is_some()),
            ("append_marker", self.append_marker.is_some()),
            ("bash", self.bash.is_some()),
            ("todo", self.todo.is_some()),
            ("ask_user", self.ask_user.is_some()),
            ("plan", self.plan.is_some()),
            ("sub", self.sub.is_some()),
            ("sleep_ms", self.sleep_ms.is_some()),
            ("repeat", self.repeat.is_some()),
            ("api_error", self.api_error.is_some()),
            ("raw", self.raw.is_some()),
            ("exit", self.exit.is_some()),
        ];
        let mut present = verbs.iter().filter(|(_, there)| *there).map(|(name, _)| *name);
        match (present.next(), present.next()) {
            (Some(verb), None) => Ok(verb),
            (Some(one), Some(other)) => {
                Err(format!("a step has one verb, this one has `{one}` and `{other}`"))
            }
            (None, _) => {
                let names: Vec<_> = verbs.iter().map(|(name, _)| *name).collect();
                Err(format!("a step needs one of these verbs: {}", names.join(", ")))
            }
        }
    }

    fn take_act(&mut self, verb: &str, asks: Option<bool>) -> Result<Act, Problem> {
        Ok(match verb {
            "text" => Act::Text(self.text.take().unwrap_or_default()),
            "think" => Act::Think(self.think.take().unwrap_or_default()),
            "read" => Act::Read(self.read.take().unwrap_or_default()),
            "write" => Act::Write {
                path: self.write.take().unwrap_or_default(),
                content: needed(self.content.take(), verb, "content")?,
            },
            "edit" => {
                Act::Edit { path: self.edit.take().unwrap_or_default(), edits: self.take_edits()? }
            }
            "append" => Act::Append {
                path: self.append.take().unwrap_or_default(),
                content: needed(self.content.take(), verb, "content")?,
            },
            "append_marker" => Act::Mark(self.take_mark()?),
            "bash" => Act::Bash {
                command: self.bash.take().unwrap_or_default(),
                description: self.description.take(),
                background: self.background.take().unwrap_or(false),
            },
            "todo" => Act::Todo(self.todo.take().unwrap_or_default()),
            "ask_user" => Act::AskUser {
                question: self.ask_user.take().unwrap_or_default(),
                header: self.header.take().unwrap_or_else(|| "Question".to_owned()),
                options: needed(self.options.take(), verb, "options")?,
                multi: self.multi.take().unwrap_or(false),
            },
            "plan" => Act::Plan(self.plan.take().unwrap_or_default()),
            "sub" => Act::Sub {
                task: self.sub.take().unwrap_or_default(),
                kind: self.kind.take().unwrap_or_else(|| "general-purpose".to_owned()),
                steps: self.take_steps(verb, asks)?,
            },
            "sleep_ms" => Act::Sleep(self.sleep_ms.take().unwrap_or_default()),
            "repeat" => Act::Repeat {
                times: self.repeat.take().unwrap_or_default(),
                steps: self.take_steps(verb, asks)?,
            },
            "api_error" => Act::ApiError {
                status: self.api_error.take().unwrap_or_default(),
                times: self.times.take().unwrap_or(1),
                recovers: self.recovers.take().unwrap_or(true),
            },
            "raw" => Act::Raw(self.raw.take().unwrap_or_default()),
            _ => {
                Act::Exit { code: self.exit.take().unwrap_or_default(), stderr: self.stderr.take() }
            }
        })
    }

    fn take_steps(&mut self, verb: &str, asks: Option<bool>) -> Result<Vec<Step>, Problem> {
        let steps = needed(self.step.take(), verb, "step")?;
        read_steps(steps, asks).map_err(Problem::Deeper)
    }

    fn take_edits(&mut self) -> Result<Vec<Change>, String> {
        match (self.old.take(), self.new.take(), self.edits.take()) {
            (Some(old), Some(new), None) => {
                Ok(vec![Change { old, new, all: self.all.take().unwrap_or(false) }])
            }
            (None, None, Some(edits)) if !edits.is_empty() => Ok(edits),
            _ => Err("`edit` needs `old` and `new`, or a list `edits`".to_owned()),
        }
    }

    fn take_mark(&mut self) -> Result<Mark, String> {
        let paths = match self.append_marker.take() {
            Some(OneOrMany::One(path)) => vec![path],
            Some(OneOrMany::Many(paths)) if !paths.is_empty() => paths,
            _ => return Err("`append_marker` needs at least one file".to_owned()),
        };
        Ok(Mark {
            paths,
            pick: self.pick.take().unwrap_or_default(),
            skew: self.skew.take().unwrap_or(0.8),
            via: self.via.take().unwrap_or_default(),
            at: self.at.take().unwrap_or_default(),
        })
    }

    /// An argument that the verb did not take.
    fn leftover(&self) -> Option<&'static str> {
        let arguments = [
            ("content", self.content.is_some()),
            ("old", self.old.is_some()),
            ("new", self.new.is_some()),
            ("all", self.all.is_some()),
            ("edits", self.edits.is_some()),
            ("pick", self.pick.is_some()),
            ("skew", self.skew.is_some()),
            ("via", self.via.is_some()),
            ("at", self.at.is_some()),
            ("description", self.description.is_some()),
            ("background", self.background.is_some()),
            ("options", self.options.is_some()),
            ("header", self.header.is_some()),
            ("multi", self.multi.is_some()),
            ("kind", self.kind.is_some()),
            ("step", self.step.is_some()),
            ("times", self.times.is_some()),
            ("recovers", self.recovers.is_some()),
            ("stderr", self.stderr.is_some()),
        ];
        arguments.iter().find(|(_, there)| *there).map(|(name, _)| *name)
    }
}

fn needed<T>(value: Option<T>, verb: &str, argument: &str) -> Result<T, String> {
    value.ok_or_else(|| format!("`{verb}` needs `{argument}`"))
}
