//! What a command says: results to stdout, everything else to stderr.
//!
//! With `--json` stdout carries JSON and nothing else. Colours are used on a terminal only, and
//! never against NO_COLOR. What agents wrote is made harmless before it reaches a terminal.

use std::io::{self, ErrorKind, Write};

use serde::Serialize;
use serde_json::json;

use super::stage::Stage;
use crate::model::failure::Failure;
use crate::ui::text::harmless;

/// The two ways to the person, and how to speak.
pub(super) struct Say {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    /// Whether stdout carries JSON.
    pub(super) json: bool,
    /// Whether stderr carries failures only.
    pub(super) quiet: bool,
    colours: bool,
    columns: Option<usize>,
    wrote_json: bool,
}

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tint {
    /// A heading.
    Strong,
    /// Good news.
    Good,
    /// Look at it.
    Warn,
    /// Broken.
    Bad,
    /// Matters less.
    Faint,
}

impl Say {
    /// Takes the streams of `stage`.
    pub(super) fn new(stage: &mut Stage, json: bool, quiet: bool) -> Self {
        let colours = stage.out_is_terminal
            && stage.environment.get("NO_COLOR").is_none()
            && stage.environment.get("TERM") != Some("dumb");
        Self {
            out: std::mem::replace(&mut stage.out, Box::new(io::sink())),
            err: std::mem::replace(&mut stage.err, Box::new(io::sink())),
            json,
            quiet,
            colours: colours && !json,
            columns: stage.size.filter(|_| stage.out_is_terminal).map(|(width, _)| width.into()),
            wrote_json: false,
        }
    }

    /// How many cells a line of the terminal has, if stdout is one.
    pub(super) fn columns(&self) -> Option<usize> {
        self.columns
    }

    /// A line of the result.
    pub(super) fn line(&mut self, line: &str) {
        self.text(line);
        self.text("\n");
    }

    /// A piece of the result as it is; it is seen at once.
    pub(super) fn text(&mut self, text: &str) {
        // Who does not read to the end has read enough.
        let _gone = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    /// A result that is no text.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.out.write_all(bytes).and_then(|()| self.out.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }

    /// A JSON document, or one line of many.
    pub(super) fn value<T: Serialize>(&mut self, value: &T) {
        self.wrote_json = true;
        match serde_json::to_string(value) {
            Ok(text) => self.line(&text),
            Err(error) => self.note(&format!("the result cannot be written as JSON: {error}")),
        }
    }

    /// A message that is not the result.
    pub(super) fn note(&mut self, text: &str) {
        if !self.quiet {
            self.complain(text);
        }
    }

    /// A failure.
    pub(super) fn failure(&mut self, failure: &Failure) {
        if self.json && !self.wrote_json {
            self.value(&json!({"error": failure}));
        }
        self.complain(&failure.to_string());
    }

    /// `text` in the colour of its meaning, if there are colours.
    pub(super) fn tint(&self, tint: Tint, text: &str) -> String {
        if !self.colours || text.is_empty() {
            return text.to_owned();
        }
        let code = match tint {
            Tint::Strong => "1",
            Tint::Good => "32",
            Tint::Warn => "33",
            Tint::Bad => "31",
            Tint::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    fn complain(&mut self, text: &str) {
        let text = harmless(text);
        let _gone = writeln!(self.err, "{text}").and_then(|()| self.err.flush());
    }
}
