//! Writing the journal: changes, refused proposals, contents.

use rusqlite::params;

use super::{Pen, int};
use crate::history::contents::Contents;
use crate::history::error::Fault;
use crate::history::mask::mask;
use crate::history::record::{ChangeRow, ProposalRow};
use crate::model::change::Image;
use crate::model::lease::Owner;
use crate::model::path::{Hash, WorkPath};

/// A content that is stored again is as good as new, but its row is not written more often than
/// this: it may be large.
const REFRESH_MS: i64 = 30 * 60 * 1000;

impl Pen {
    /// What an owner knows of a file now, or that it knows nothing any more.
    pub(super) fn knows(
        &mut self,
        workspace: &str,
        owner: &Owner,
        path: &WorkPath,
        knows: Option<&(Hash, String)>,
    ) -> Result<(), Fault> {
        let (workspace, owner) = (self.name(workspace)?, self.name(&owner.key())?);
        let path = self.name(path.as_str())?;
        let Some((hash, seen)) = knows else {
            return self.run(
                "DELETE FROM knows WHERE workspace = ?1 AND owner = ?2 AND path = ?3",
                params![workspace, owner, path],
            );
        };
        let content = self.content_number(*hash)?;
        self.run(
            "INSERT INTO knows (workspace, owner, path, content, seen) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET content = excluded.content, seen = excluded.seen",
            params![workspace, owner, path, content, seen],
        )
    }

    pub(super) fn change(&mut self, row: &ChangeRow) -> Result<(), Fault> {
        let change = &row.change;
        let reverts = match change.reverts.as_slice() {
            [] => None,
            ids => Some(serde_json::to_string(ids)?),
        };
        let (before, before_mode) = self.image(change.before)?;
        let (after, after_mode) = self.image(change.after)?;
        let values = params![
            self.name(&row.workspace)?,
            change.at.0,
            self.name(&session_key(&change.owner))?,
            self.name(&change.owner.key())?,
            self.name(&change.agent)?,
            change.turn,
            mask(&change.tool),
            self.name(change.path.as_str())?,
            change.from.as_ref().map(|from| self.name(from.as_str())).transpose()?,
            before,
            before_mode,
            after,
            after_mode,
            change.over.as_ref().map(|over| self.name(&over.key())).transpose()?,
            reverts,
            change.serial.map(int).transpose()?,
        ];
        self.run(
            "INSERT INTO changes (workspace, at, session, owner, agent, turn, tool, path, origin,
                                  before, before_mode, after, after_mode, over, reverts, serial)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
             ON CONFLICT (workspace, serial) WHERE serial IS NOT NULL DO NOTHING",
            values,
        )
    }

    fn image(&mut self, image: Option<Image>) -> Result<(Option<i64>, Option<u32>), Fault> {
        let Some(image) = image else { return Ok((None, None)) };
        Ok((Some(self.content_number(image.hash)?), image.mode))
    }

    pub(super) fn proposal(&mut self, row: &ProposalRow) -> Result<(), Fault> {
        let values = params![
            self.name(&row.workspace)?,
            row.at.0,
            self.name(&session_key(&row.owner))?,
            self.name(&row.owner.key())?,
            self.name(&row.agent)?,
            self.name(row.path.as_str())?,
            mask(&row.tool),
            row.code,
            self.content_number(row.hash)?,
            row.base.map(|base| self.content_number(base)).transpose()?,
        ];
        self.run(
            "INSERT INTO proposal
                 (workspace, at, session, owner, agent, path, tool, code, content, base)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            values,
        )
    }

    pub(super) fn blob(&mut self, hash: Hash, bytes: &[u8]) -> Result<(), Fault> {
        let room = int(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
        self.content(hash, bytes, room, 0)
    }

    /// The file must be there: a row never names one that is not.
    pub(super) fn blob_file(&mut self, hash: Hash, room: u64) -> Result<(), Fault> {
        if !Contents::beside(self.path()).file(hash).is_file() {
            return Err(Fault::Value(format!("the file of the content {hash:?} is gone")));
        }
        self.content(hash, &[], int(room)?, 1)
    }

    /// A content that is about to be named is not pruned before that.
    pub(super) fn fresh(&mut self, hash: Hash) -> Result<(), Fault> {
        self.run(
            "UPDATE blob SET at = CAST(unixepoch('subsec') * 1000 AS INTEGER)
             WHERE content = (SELECT n FROM content WHERE hash = ?1)",
            [hash.as_bytes()],
        )
    }

    fn content(&mut self, hash: Hash, bytes: &[u8], room: i64, form: i64) -> Result<(), Fault> {
        let content = self.content_number(hash)?;
        self.run(
            "INSERT INTO blob (content, at, room, form, bytes)
             VALUES (?1, CAST(unixepoch('subsec') * 1000 AS INTEGER), ?2, ?3, ?4)
             ON CONFLICT (content) DO UPDATE SET at = excluded.at WHERE at < excluded.at - ?5",
            params![content, room, form, bytes, REFRESH_MS],
        )
    }
}

/// The session of an owner and its sub-agents, or the word for those who have none.
pub(in crate::history) fn session_key(owner: &Owner) -> String {
    owner.session().map_or_else(|| owner.key(), |session| session.0.clone())
}
