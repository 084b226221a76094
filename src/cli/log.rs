//! The log: a file in the state folder, never the terminal.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use super::args::Common;
use super::stage::Stage;
use crate::config::folders::Folders;
use crate::config::load::{LOG, Layers, load};
use crate::config::schema::is_filter;

/// Lines that may wait for the disk; more are dropped, so that logging never holds anybody up.
const LINES: usize = 16 * 1024;

/// A log that is larger than this becomes `benchdog.log.1` at the next start.
const FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Begins to log. What was logged is on disk once the guard is dropped. A log that cannot be
/// written is no reason not to work.
pub(super) fn start(stage: &Stage, common: &Common) -> Option<WorkerGuard> {
    if !stage.log {
        return None;
    }
    let folders = Folders::find(&stage.environment).ok()?;
    let (file, guard) = open(&folders.log_file())?;
    tracing_subscriber::fmt()
        .with_env_filter(filter(stage, common, &folders))
        .with_writer(file)
        .with_ansi(false)
        .try_init()
        .ok()?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), pid = std::process::id(), "start");
    Some(guard)
}

fn open(path: &Path) -> Option<(NonBlocking, WorkerGuard)> {
    let folder = path.parent()?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).ok()?;
    if fs::metadata(path).is_ok_and(|found| found.len() > FILE_BYTES) {
        fs::rename(path, path.with_extension("log.1")).ok()?;
    }
    let file = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path).ok()?;
    file.set_permissions(fs::Permissions::from_mode(0o600)).ok()?;
    Some(NonBlockingBuilder::default().buffered_lines_limit(LINES).lossy(true).finish(file))
}

/// `-v` first, then BENCHDOG_LOG, then the setting.
fn filter(stage: &Stage, common: &Common, folders: &Folders) -> EnvFilter {
    let own = |level: &str| format!("info,benchdog={level}");
    let wish = match (common.verbose, stage.environment.get(LOG)) {
        (0, Some(wish)) => wish.to_owned(),
        (0, None) => {
            let layers = Layers {
                folders,
                workspace: None,
                environment: &stage.environment,
                flags: &common.set,
            };
            load(&layers).map_or_else(|_| own("info"), |loaded| loaded.settings.log.level)
        }
        (1, _) => own("debug"),
        (_, _) => own("trace"),
    };
    // What is wrong with it is said with the settings.
    let wish = Some(wish).filter(|wish| is_filter(wish)).unwrap_or_else(|| own("info"));
    EnvFilter::new(wish)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_large_log_makes_room_and_a_log_is_private() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("state/benchdog.log");
        let (mut file, guard) = open(&path).expect("a log");
        file.write_all(b"line\n").expect("it is taken");
        drop(guard);
        assert_eq!(fs::read_to_string(&path).expect("a log"), "line\n");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode();
        assert_eq!(mode(&path) & 0o777, 0o600);
        assert_eq!(mode(&dir.path().join("state")) & 0o777, 0o700);
        let grown = fs::OpenOptions::new().write(true).open(&path).expect("a log");
        grown.set_len(FILE_BYTES + 1).expect("it grows");
        drop(open(&path).expect("a log"));
        assert!(dir.path().join("state/benchdog.log.1").exists());
        assert_eq!(fs::metadata(&path).expect("a log").len(), 0);
    }
}
