//! A parsed script: who speaks, and which steps answer which prompt.
//!
//! Parsing says where a mistake stands (line and column), and finds all of its kinds before the
//! first prompt: wrong TOML, unknown words, a bad regular expression, a step with two verbs.

use std::fs;
use std::path::Path;

use regex::Regex;
use serde::Deserialize;
use toml::Spanned;

use super::step::{RawStep, Step, read_steps};

/// Milliseconds between two pieces of text, unless the script says otherwise.
const PACE_MS: u64 = 30;

/// What is wrong with a script, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProgramError {
    /// The file cannot be read.
    #[error(" cannot read the script: {0}")]
    Unreadable(String),
    /// A place in the file is wrong.
    #[error("{line}:{column}: {message}\n  | {excerpt}")]
    Wrong {
        /// From 1.
        line: usize,
        /// From 1, in characters.
        column: usize,
        /// What is wrong there.
        message: String,
        /// The line.
        excerpt: String,
    },
}

impl ProgramError {
    fn at(text: &str, offset: usize, message: &str) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let excerpt = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        Self::Wrong {
            line: before.matches('\n').count() + 1,
            column: before.get(start..).unwrap_or_default().chars().count() + 1,
            message: message.trim_end().replace('\n', " "),
            excerpt: excerpt.to_owned(),
        }
    }
}

/// A script.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// Who speaks.
    pub(super) name: String,
    /// The model's name.
    pub(super) model: String,
    /// Milliseconds between two pieces of text.
    pub(super) pace_ms: u64,
    /// Whether the turns without `on` start over.
    pub(super) cycle: bool,
    turns: Vec<Turn>,
}

#[derive(Debug, Clone)]
struct Turn {
    on: Option<Regex>,
    steps: Vec<Step>,
}

/// What a prompt sets going.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    /// The steps.
    pub(super) steps: Vec<Step>,
    /// The groups of the expression that matched.
    pub(super) groups: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProgram {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    pace_ms: Option<u64>,
    #[serde(default)]
    ask: Option<bool>,
    #[serde(default)]
    cycle: bool,
    #[serde(default)]
    turn: Vec<RawTurn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTurn {
    #[serde(default)]
    on: Option<Spanned<String>>,
    #[serde(default, alias = "steps")]
    step: Vec<Spanned<RawStep>>,
}

impl Program {
    /// Reads a script; its name is the file's unless it says otherwise.
    pub(super) fn load(file: &Path) -> Result<Self, ProgramError> {
        let text = fs::read_to_string(file)
            .map_err(|error| ProgramError::Unreadable(error.to_string()))?;
        let stem = file.file_stem().map_or("script".into(), |stem| stem.to_string_lossy());
        Self::parse(&stem, &text)
    }

    /// Reads the text of a script.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, ProgramError> {
        let raw: RawProgram = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            ProgramError::at(text, offset, error.message())
        })?;
        let mut turns = Vec::new();
        for turn in raw.turn {
            let on = match turn.on {
                None => None,
                Some(on) => Some(Regex::new(on.get_ref()).map_err(|error| {
                    let reason = error.to_string();
                    let reason = reason.lines().last().unwrap_or_default().to_owned();
                    ProgramError::at(text, on.span().start, &format!("bad expression: {reason}"))
                })?),
            };
            let steps = read_steps(turn.step, raw.ask)
                .map_err(|error| ProgramError::at(text, error.at, &error.message))?;
            turns.push(Turn { on, steps });
        }
        Ok(Self {
            name: raw.name.unwrap_or_else(|| name.to_owned()),
            model: raw.model.unwrap_or_else(|| "script".to_owned()),
            pace_ms: raw.pace_ms.unwrap_or(PACE_MS),
            cycle: raw.cycle,
            turns,
        })
    }

    /// What answers `prompt`. `next` counts the turns without `on` that have been used.
    pub(super) fn answer(&self, prompt: &str, next: &mut usize) -> Option<Answer> {
        for turn in &self.turns {
            let Some(found) = turn.on.as_ref().and_then(|on| on.captures(prompt)) else { continue };
            let groups = found
                .iter()
                .map(|group| group.map_or("", |group| group.as_str()).to_owned())
                .collect();
            return Some(Answer { steps: turn.steps.clone(), groups });
        }
        let plain: Vec<_> = self.turns.iter().filter(|turn| turn.on.is_none()).collect();
        let turn = match (plain.get(*next), self.cycle && !plain.is_empty()) {
            (Some(turn), _) => turn,
            (None, true) => plain.get(*next % plain.len())?,
            (None, false) => return None,
        };
        *next += 1;
        Some(Answer { steps: turn.steps.clone(), groups: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::step::{Act, OnRefused};
    use super::*;

    fn error(text: &str) -> String {
        Program::parse("t", text).unwrap_err().to_string()
    }

    fn text_of(program: &Program, prompt: &str, next: &mut usize) -> String {
        match program.answer(prompt, next).map(|answer| answer.steps) {
            Some(steps) => match steps.first().map(|step| &step.act) {
                Some(Act::Text(text)) => text.clone(),
                other => format!("{other:?}"),
            },
            None => "nothing".to_owned(),
        }
    }

    #[test]
    fn turns_answer_by_expression_first_and_in_order_then() {
        let program = Program::parse(
            "t",
            "[[turn]]\nstep = [{ text = 'one' }]\n[[turn]]\non = 'red (\\w+)'\nstep = [{ text = 'r' }]\n\
             [[turn]]\nsteps = [{ text = 'two' }]\n",
        )
        .unwrap();
        let mut next = 0;
        let said: Vec<_> =
            ["go", "red fox", "go", "go"].map(|prompt| text_of(&program, prompt, &mut next)).into();
        assert_eq!(said, ["one", "r", "two", "nothing"]);
        assert_eq!(program.answer("red fox", &mut next).unwrap().groups, ["red fox", "fox"]);
    }

    #[test]
    fn a_cycle_starts_over() {
        let program =
            Program::parse("t", "cycle = true\n[[turn]]\nstep = [{ text = 'a' }]").unwrap();
        let mut next = 0;
        assert_eq!(text_of(&program, "x", &mut next), "a");
        assert_eq!(text_of(&program, "y", &mut next), "a");
    }

    #[test]
    fn nested_steps_are_read_with_their_defaults() {
        let program = Program::parse(
            "t",
            "[[turn]]\n[[turn.step]]\nrepeat = 3\n[[turn.step.step]]\nappend_marker = ['a', 'b']\n\
             pick = 'zipf'\n",
        )
        .unwrap();
        let steps = program.answer("", &mut 0).unwrap().steps;
        let Act::Repeat { times: 3, steps } = &steps[0].act else { panic!("{steps:?}") };
        assert_eq!(steps[0].on_refused, OnRefused::Retry);
    }

    #[test]
    fn mistakes_are_said_with_line_and_column() {
        assert_eq!(
            error(
                "name = 'x'\n[[turn]]\nstep = [\n  { text = 'a' },\n  { read = 'x', bash = 'y' },\n]"
            ),
            "5:3: a step has one verb, this one has `read` and `bash`\n  |   { read = 'x', bash = 'y' },"
        );
        assert_eq!(
            error("[[turn]]\nstep = [{ read = 'x', content = 'y' }]"),
            "2:9: `content` is no argument of `read`\n  | step = [{ read = 'x', content = 'y' }]"
        );
        assert!(
            error("[[turn]]\nstep = [{ raed = 'x' }]").starts_with("2:11: unknown field `raed`")
        );
        assert!(
            error("[[turn]]\non = '(x'\n")
                .starts_with("2:6: bad expression: error: unclosed group")
        );
        assert!(error("name = \n").starts_with("1:"));
        assert!(
            error("[[turn]]\nstep = [{ sub = 'x', step = [{ edit = 'f', old = 'o' }] }]")
                .starts_with("2:30: `edit` needs `old` and `new`")
        );
    }
}
