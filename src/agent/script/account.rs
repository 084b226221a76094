//! What a session would have cost: tokens per model, and their price.
//!
//! The figures are made up from the length of the texts, but they behave as real ones do: totals
//! only grow, they go on after a resume, and a cleared conversation starts at zero.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Tokens of a model's context, as reported.
pub(super) const CONTEXT_WINDOW: u64 = 200_000;

/// Letters per token.
const LETTERS_PER_TOKEN: usize = 4;

/// US dollars per million tokens: fresh input, output, cached input.
const PRICE: [f64; 3] = [2.0, 10.0, 0.2];

/// A count of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Count {
    /// Fresh input.
    pub(super) input: u64,
    /// Output.
    pub(super) output: u64,
    /// Input that was there before.
    pub(super) cached: u64,
}

impl Count {
    /// Adds `other`.
    pub(super) fn add(&mut self, other: Self) {
        self.input += other.input;
        self.output += other.output;
        self.cached += other.cached;
    }

    /// The protocol's `usage`.
    pub(super) fn usage(self) -> Value {
        json!({
            "input_tokens": self.input,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": self.cached,
            "output_tokens": self.output,
            "service_tier": "standard",
        })
    }

    fn dollars(self) -> f64 {
        let parts = [self.input, self.output, self.cached];
        parts.iter().zip(PRICE).map(|(tokens, price)| *tokens as f64 * price / 1e6).sum()
    }
}

/// All that a session has used.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Account {
    by_model: BTreeMap<String, Count>,
    /// Tokens in the context now.
    pub(super) context: u64,
}

impl Account {
    /// Puts tokens into the context; a full one is cut down, as by a compaction.
    pub(super) fn fill(&mut self, tokens: u64) {
        self.context += tokens;
        if self.context > CONTEXT_WINDOW / 5 * 4 {
            self.context = CONTEXT_WINDOW / 5;
        }
    }

    /// Books what a call to `model` used.
    pub(super) fn book(&mut self, model: &str, count: Count) {
        self.by_model.entry(model.to_owned()).or_default().add(count);
    }

    /// US dollars so far.
    pub(super) fn dollars(&self) -> f64 {
        self.by_model.values().map(|count| count.dollars()).sum()
    }

    /// The protocol's `modelUsage`.
    pub(super) fn model_usage(&self) -> Value {
        let models = self.by_model.iter().map(|(model, count)| {
            let usage = json!({
                "inputTokens": count.input,
                "outputTokens": count.output,
                "cacheReadInputTokens": count.cached,
                "cacheCreationInputTokens": 0,
                "webSearchRequests": 0,
                "costUSD": count.dollars(),
                "contextWindow": CONTEXT_WINDOW,
                "maxOutputTokens": 32_000,
            });
            (model.clone(), usage)
        });
        Value::Object(models.collect())
    }

    /// A line per model, for `/cost`.
    pub(super) fn table(&self) -> String {
        let mut text = format!("Estimated cost:        ${:.4}\nUsage by model:", self.dollars());
        for (model, count) in &self.by_model {
            text.push_str(&format!(
                "\n     {model}:  {} input, {} output, {} cache read (${:.4})",
                count.input,
                count.output,
                count.cached,
                count.dollars()
            ));
        }
        text
    }
}

/// How many tokens a text makes.
pub(super) fn tokens_of(text: &str) -> u64 {
    (text.len() / LETTERS_PER_TOKEN + 1) as u64
}
