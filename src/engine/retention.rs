//! Lets the history forget what the settings do not keep: once after the start, then once a day.
//!
//! Nobody waits for it. It begins when the screen has long been there, works in short slices with
//! rests in between, and what it cannot do now it does the next day.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::identity;
use crate::config::settings::Settings;
use crate::history::record::Record;
use crate::history::{Keep, Store, StoreError};
use crate::model::path::Hash;
use crate::model::time::Wall;

/// The start is for the front ends: what they load, and their first frames.
const FIRST: Duration = Duration::from_secs(15);

const EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// What is kept, and when it is seen to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retention {
    keep: Keep,
    first: Duration,
    every: Duration,
}

impl Retention {
    /// What the settings say.
    pub(super) fn of(settings: &Settings) -> Self {
        let (age, bytes) = (settings.journal.age(), settings.journal.bytes());
        Self { keep: Keep { age, bytes }, first: FIRST, every: EVERY }
    }

    /// Prunes for as long as the history is open. What `early` tells is kept in case a change will
    /// name it.
    pub(super) async fn hold(self, store: Arc<Store>, early: impl Fn() -> Vec<Hash> + Send) {
        sleep(self.first).await;
        loop {
            let fresh = early().into_iter().map(|hash| Record::Fresh { hash }).collect();
            let spared = store.queue(fresh).await;
            let pruned = match spared {
                Ok(()) => prune(&store, self.keep, identity::wall()).await,
                Err(error) => Err(error),
            };
            match pruned {
                Ok(()) => {}
                Err(StoreError::Closed) => return,
                Err(error) => tracing::warn!(%error, "what is too old is not forgotten yet"),
            }
            sleep(self.every).await;
        }
    }
}

async fn prune(store: &Store, keep: Keep, now: Wall) -> Result<(), StoreError> {
    let pruned = store.prune_journal(keep, now).await?;
    // Lines are there for looking into what happened, and that is worth as long as undoing it.
    let age = i64::try_from(keep.age.as_millis()).unwrap_or(i64::MAX);
    let lines = store.prune_lines(Wall(now.0.saturating_sub(age))).await?;
    tracing::info!(?pruned, lines, "what is too old is forgotten");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::boot::{Boot, assemble};
    use crate::engine::command::Command;
    use crate::engine::event::ToEngine;
    use crate::engine::run::Engine;
    use crate::history::Reader;
    use crate::history::read::{ChangeQuery, Scope};
    use crate::history::record::ChangeRow;
    use crate::model::change::Change;
    use crate::model::lease::Owner;
    use crate::model::path::WorkPath;
    use crate::model::report::Way;

    const DAY: i64 = 24 * 60 * 60 * 1000;

    fn change(name: &str, days_ago: i64) -> Record {
        let at = Wall(identity::wall().0 - days_ago * DAY);
        let path = WorkPath::parse(name).unwrap();
        let change = Change::of(path, Owner::External, None, Some(Hash::of(b"x").into()));
        let change = Change { at, ..change };
        Record::Change(Box::new(ChangeRow { workspace: "/w".to_owned(), change }))
    }

    fn line(days_ago: i64) -> Record {
        let at = Wall(identity::wall().0 - days_ago * DAY);
        Record::Line { session: "s".into(), at, way: Way::Out, line: "{}".to_owned() }
    }

    fn changes(reader: &Reader) -> Vec<String> {
        let query = ChangeQuery { scope: Scope::All, before: None, limit: 99 };
        let page = reader.changes("/w", &query).unwrap();
        page.changes.iter().map(|change| change.path.to_string()).collect()
    }

    async fn until(mut done: impl FnMut() -> bool) {
        while !done() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_is_too_old_is_forgotten_at_the_start_and_again_later() {
        let home = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&home.path().join("history.db")).unwrap());
        store.queue(vec![change("old", 9), change("new", 2), line(9), line(2)]).await.unwrap();
        store.flush().await.unwrap();
        let keep = Keep { age: Duration::from_secs(5 * 24 * 60 * 60), bytes: u64::MAX };
        let every = Duration::from_millis(1);
        let retention = Retention { keep, first: Duration::ZERO, every };
        let upkeep = tokio::spawn(retention.hold(Arc::clone(&store), Vec::new));
        let changes = || changes(&store.reader().unwrap());
        let lines = || store.reader().unwrap().lines(&"s".into(), 0, 9).unwrap().len();
        until(|| changes() == ["new"] && lines() == 1).await;
        store.queue(vec![change("late", 6)]).await.unwrap();
        store.flush().await.unwrap();
        until(|| changes() == ["new"]).await;
        store.close().unwrap();
        upkeep.await.unwrap();
    }

    #[tokio::test]
    async fn an_engine_has_it_done_while_it_runs() {
        let home = tempfile::tempdir().unwrap();
        let history = home.path().join("history.db");
        let store = Store::open(&history).unwrap();
        store.queue(vec![change("old", 9), change("new", 2)]).await.unwrap();
        store.close().unwrap();
        let mut parts = assemble(Boot::new(home.path(), &history)).unwrap();
        assert!(parts.retention.is_none(), "without settings nothing is forgotten");
        let keep = Keep { age: Duration::from_secs(5 * 24 * 60 * 60), bytes: u64::MAX };
        let every = Duration::from_millis(1);
        parts.retention = Some(Retention { keep, first: Duration::ZERO, every });
        let mut engine = Engine::start(parts);
        until(|| changes(&Reader::open(&history).unwrap()) == ["new"]).await;
        let link = engine.connector().connect();
        let command = Command::Shutdown;
        link.commands.send(ToEngine { id: 1, command }).await.unwrap();
        engine.ended().await.unwrap();
    }
}
