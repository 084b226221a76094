//! The end of a turn: how it went, what the session has cost, how full the context is.

use super::{Decoder, Phase};
use crate::agent::claude::wire::Outcome;
use crate::model::report::Report;
use crate::model::transcript::TurnEnd;
use crate::model::usage::Tokens;

/// What errors begin with that tell only the CLI's makers something.
const DIAGNOSTIC: &str = "[ede_diagnostic]";

impl Decoder {
    /// Takes a `result` frame. Before the process has answered, it is the reason why it never will.
    pub(super) fn result(&mut self, frame: &Outcome) -> Vec<Report> {
        let message = message(frame);
        if self.phase == Phase::Starting && frame.is_error {
            let why = message.unwrap_or_else(|| "it does not say why".to_owned());
            return self.doom(why);
        }
        let mut reports = Vec::new();
        self.calm(&mut reports);
        if !matches!(self.phase, Phase::Doomed(_)) {
            self.phase = Phase::Idle;
        }
        let reason = match &frame.terminal_reason {
            Some(reason) => reason.clone(),
            None if frame.subtype == "success" && !frame.is_error => "completed".to_owned(),
            None => frame.subtype.clone(),
        };
        let marked = std::mem::take(&mut self.interrupted);
        let interrupted = match &frame.terminal_reason {
            Some(reason) => reason.starts_with("aborted"),
            // Older CLIs do not say how a turn ended.
            None => frame.is_error && marked,
        };
        let mut tokens = Tokens::default();
        for used in frame.model_usage.values() {
            tokens.input = tokens.input.saturating_add(used.input.0);
            tokens.output = tokens.output.saturating_add(used.output.0);
            tokens.cache_read = tokens.cache_read.saturating_add(used.cache_read.0);
            tokens.cache_write = tokens.cache_write.saturating_add(used.cache_write.0);
        }
        let cost = frame.total_cost_usd;
        let end = TurnEnd {
            is_error: frame.is_error,
            interrupted,
            reason,
            message: message.filter(|_| !interrupted),
            duration_ms: frame.duration_ms.0,
            model_calls: frame.num_turns.small(),
            cost_usd: if cost.is_finite() { cost.max(0.0) } else { 0.0 },
        };
        reports.push(Report::TurnEnded { end, tokens, context: self.context(frame) });
        reports
    }

    /// The context window of the main conversation's model, and how much of it is filled.
    fn context(&self, frame: &Outcome) -> Option<(u64, u64)> {
        let used = &frame.model_usage;
        let alone = if used.len() == 1 { used.values().next() } else { None };
        let window = used.get(&self.model).or(alone)?.window.0;
        let (_, filled) = self.filled.as_ref()?;
        (window > 0).then_some((window, *filled))
    }
}

/// What the frame says about an error, for people.
fn message(frame: &Outcome) -> Option<String> {
    if !frame.is_error {
        return None;
    }
    let errors: Vec<&str> = frame
        .errors
        .0
        .iter()
        .map(|error| error.trim())
        .filter(|error| !error.is_empty() && !error.starts_with(DIAGNOSTIC))
        .collect();
    let text = if errors.is_empty() { frame.result.trim().to_owned() } else { errors.join("; ") };
    (!text.is_empty()).then_some(text)
}
