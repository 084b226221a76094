//! Writing the journal: changes, refused proposals, contents.

use rusqlite::params;

use super::{Pen, int};
use crate::history::contents::Contents;
use crate::history::error::Fault;
use crate::history::mask::mask;
use crate::history::record::{ChangeRow, ProposalRow};
use crate::model::change::Image;
use crate::model::lease::Owner;
use crate::model::path::Hash;

/// A content that is stored again is as good as new, but its row is not written more often than
/// this: it may be large.
const REFRESH_MS: i64 = 30 * 60 * 1000;

impl Pen {
    pub(super) fn change(&self, row: &ChangeRow) -> Result<(), Fault> {
        let change = &row.change;
        let reverts = match change.reverts.as_slice() {
            [] => None,
            ids => Some(serde_json::to_string(ids)?),
        };
        let hash = |image: Option<Image>| image.map(|image| image.hash.to_hex());
        self.run(
            "INSERT INTO changes (workspace, at, session, owner, agent, turn, tool, path, origin,
                                  before, before_mode, after, after_mode, over, reverts, serial)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
             ON CONFLICT (workspace, serial) WHERE serial IS NOT NULL DO NOTHING",
            params![
                row.workspace,
                change.at.0,
                session_key(&change.owner),
                change.owner.key(),
                change.agent,
                change.turn,
                mask(&change.tool),
                change.path.as_str(),
                change.from.as_ref().map(|from| from.as_str()),
                hash(change.before),
                change.before.and_then(|image| image.mode),
                hash(change.after),
                change.after.and_then(|image| image.mode),
                change.over.as_ref().map(Owner::key),
                reverts,
                change.serial.map(int).transpose()?,
            ],
        )
    }

    pub(super) fn proposal(&self, row: &ProposalRow) -> Result<(), Fault> {
        self.run(
            "INSERT INTO proposal (workspace, at, session, owner, agent, path, tool, code, hash, base)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                row.workspace,
                row.at.0,
                session_key(&row.owner),
                row.owner.key(),
                row.agent,
                row.path.as_str(),
                mask(&row.tool),
                row.code,
                row.hash.to_hex(),
                row.base.map(Hash::to_hex),
            ],
        )
    }

    pub(super) fn blob(&self, hash: Hash, bytes: &[u8]) -> Result<(), Fault> {
        let room = int(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
        self.content(hash, bytes, room, 0)
    }

    /// The file must be there: a row never names one that is not.
    pub(super) fn blob_file(&self, hash: Hash, room: u64) -> Result<(), Fault> {
        if !Contents::beside(self.path()).file(hash).is_file() {
            return Err(Fault::Value(format!("the file of the content {hash:?} is gone")));
        }
        self.content(hash, &[], int(room)?, 1)
    }

    fn content(&self, hash: Hash, bytes: &[u8], room: i64, form: i64) -> Result<(), Fault> {
        self.run(
            "INSERT INTO blob (hash, bytes, at, room, form)
             VALUES (?1, ?2, CAST(unixepoch('subsec') * 1000 AS INTEGER), ?3, ?4)
             ON CONFLICT (hash) DO UPDATE SET at = excluded.at WHERE at < excluded.at - ?5",
            params![hash.to_hex(), bytes, room, form, REFRESH_MS],
        )
    }
}

/// The session of an owner and its sub-agents, or the word for those who have none.
pub(in crate::history) fn session_key(owner: &Owner) -> String {
    owner.session().map_or_else(|| owner.key(), |session| session.0.clone())
}
