//! Markers: unique lines by which an independent checker finds lost updates.
//!
//! A marker goes into the agent's own log only after the agent was told that it is in the file.
//! The log is all that the checker believes.

use std::fs::OpenOptions;
use std::io::Write;

use serde_json::{Value, json};
use uuid::Uuid;

use super::anchor;
use super::halt::Halt;
use super::message::Who;
use super::perform::text_of;
use super::session::Session;
use super::step::{Mark, Pick, Spot, Step, Via};
use super::tool::{End, Outcome};

/// Chance, repeatable from a seed.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// Without a seed every process throws differently.
    pub(super) fn new(name: &str, seed: Option<u64>) -> Self {
        let start = match seed {
            None => u64::from_le_bytes(first_eight(Uuid::new_v4().as_bytes())),
            Some(seed) => u64::from_le_bytes(first_eight(
                blake3::hash(format!("{name}:{seed}").as_bytes()).as_bytes(),
            )),
        };
        Self(start)
    }

    /// The next number (splitmix64).
    pub(super) fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        (self.throw() % limit.max(1) as u64) as usize
    }

    /// A number below `limit`; small ones come more often, the more so the higher `skew`.
    fn zipf(&mut self, limit: usize, skew: f64) -> usize {
        let weights: Vec<_> = (1..=limit).map(|rank| (rank as f64).powf(-skew)).collect();
        let mut left = self.throw() as f64 / u64::MAX as f64 * weights.iter().sum::<f64>();
        for (at, weight) in weights.iter().enumerate() {
            left -= weight;
            if left <= 0.0 {
                return at;
            }
        }
        limit.saturating_sub(1)
    }
}

fn first_eight(bytes: &[u8]) -> [u8; 8] {
    let mut eight = [0; 8];
    for (to, from) in eight.iter_mut().zip(bytes) {
        *to = *from;
    }
    eight
}

impl Session<'_> {
    /// Reads a file and adds a marker to it.
    pub(super) fn mark(&mut self, mark: &Mark, step: &Step, who: &Who) -> Result<Outcome, Halt> {
        let number = self.memory.markers;
        let at = match mark.pick {
            Pick::Next => (number % mark.paths.len().max(1) as u64) as usize,
            Pick::Random => self.dice.below(mark.paths.len()),
            Pick::Zipf => self.dice.zipf(mark.paths.len(), mark.skew),
        };
        let path = self.path(mark.paths.get(at).map_or("", String::as_str));
        let seen = text_of(&self.read(who, &path)?);
        self.pause(step.pause_ms)?;
        let line = format!("@{}:{number}:{:08x}", self.name, self.dice.throw() as u32);
        let edits = match mark.via {
            Via::Edit => true,
            Via::Write => false,
            Via::Mixed => self.dice.below(2) == 0,
        };
        let anchored = match mark.at {
            _ if !edits => None,
            Spot::End => anchor::at_end(&seen, &line),
            Spot::Random => {
                let at = self.dice.below(seen.len().max(1));
                anchor::behind(&seen, at, &line)
            }
        };
        let (tool, input) = match anchored {
            Some((old, new)) => (
                "Edit",
                json!({ "file_path": path, "old_string": old, "new_string": new,
                                 "replace_all": false }),
            ),
            None => {
                let gap = if seen.is_empty() || seen.ends_with('\n') { "" } else { "\n" };
                ("Write", json!({ "file_path": path, "content": format!("{seen}{gap}{line}\n") }))
            }
        };
        let outcome = self.use_tool(who, tool, input, step.ask)?;
        let word = match outcome.end {
            End::Done => "acknowledged",
            End::Refused => "refused",
            End::Denied => "denied",
            End::Failed => "failed",
        };
        let mut entry = json!({ "marker": line, "path": path, "tool": tool, "end": word });
        if outcome.end != End::Done {
            entry["text"] = json!(outcome.text);
        }
        self.log(&entry);
        if outcome.end == End::Done {
            self.memory.markers += 1;
        }
        Ok(outcome)
    }

    /// Adds a line to the agent's own log.
    fn log(&mut self, entry: &Value) {
        let Some(file) = &self.place.log else { return };
        let line = format!("{entry}\n");
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        if let Err(error) = written {
            self.out.complain(&format!("cannot write the log: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_chance_repeatable() {
        let throws = |name: &str| {
            let mut dice = Dice::new(name, Some(7));
            [dice.throw(), dice.throw()]
        };
        assert_eq!(throws("blue"), throws("blue"));
        assert_ne!(throws("blue"), throws("red"));
    }

    #[test]
    fn zipf_prefers_the_first_ones() {
        let mut dice = Dice::new("x", Some(1));
        let mut counts = [0; 10];
        for _ in 0..10_000 {
            counts[dice.zipf(10, 0.8)] += 1;
        }
        assert!(counts[0] > 3 * counts[9] && counts[9] > 0, "{counts:?}");
    }
}
