//! Where a scripted agent runs: its folder, its clock, its dice, its own log.
//!
//! Everything that comes from the process around it is read here once; the rest of the agent
//! never asks the environment.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use super::options::Options;

/// What the process around the agent decides.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    /// The folder that it works in.
    pub(super) cwd: PathBuf,
    /// Where sessions are remembered.
    pub(super) state: PathBuf,
    /// Its own log of markers.
    pub(super) log: Option<PathBuf>,
    /// Another name than the script's.
    pub(super) name: Option<String>,
    /// 0: no pauses; 2: twice as fast.
    pub(super) speed: f64,
    /// Makes picks and nonces repeatable.
    pub(super) seed: Option<u64>,
    /// The program that starts a command in a session of its own (see [`super::SHELL`]).
    pub(super) launcher: Option<PathBuf>,
    /// Whether the host wants to hear of every change between idle and running.
    pub(super) tells_state: bool,
}

impl Place {
    /// Reads the environment of this process.
    pub(super) fn of_process(options: &Options) -> Result<Self, String> {
        let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let number = |name: &str| match text(name) {
            None => Ok(None),
            Some(raw) => match raw.parse::<f64>() {
                Ok(value) if value.is_finite() && value >= 0.0 => Ok(Some(value)),
                _ => Err(format!("{name} needs a number from 0 up, not `{raw}`")),
            },
        };
        let cwd = env::current_dir().map_err(|error| format!("there is no folder: {error}"))?;
        let speed = match options.speed {
            Some(speed) => speed,
            None => number("BENCHDOG_SCRIPT_SPEED")?.unwrap_or(1.0),
        };
        Ok(Self {
            cwd,
            state: text("BENCHDOG_SCRIPT_STATE")
                .map_or_else(|| env::temp_dir().join("benchdog-script"), PathBuf::from),
            log: text("BENCHDOG_SCRIPT_LOG").map(PathBuf::from),
            name: text("BENCHDOG_SCRIPT_NAME"),
            speed,
            seed: number("BENCHDOG_SCRIPT_SEED")?.map(|seed| seed as u64),
            launcher: env::current_exe().ok(),
            tells_state: text("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS").is_some()
                || text("CLAUDE_CODE_SDK_READS_SESSION_STATE").is_some(),
        })
    }

    /// How long a pause of `ms` lasts on this clock.
    pub(super) fn pause(&self, ms: u64) -> Duration {
        if self.speed <= 0.0 {
            return Duration::ZERO;
        }
        Duration::from_secs_f64((ms as f64 / 1000.0 / self.speed).min(86_400.0))
    }
}
