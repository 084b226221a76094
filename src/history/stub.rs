use super::record::*;
use crate::model::failure::Failure;
use crate::model::id::*;
use crate::model::path::*;
use crate::model::session::*;
use std::path::Path;
#[derive(Debug, Clone)]
pub struct Store;
impl Store {
    pub async fn queue(&self, _r: Vec<Record>) {}
    pub fn blocking_queue(&self, _r: Vec<Record>) {}
    pub fn queue_now(&self, _r: Vec<Record>, _d: Box<dyn FnOnce(Result<(), Failure>) + Send>) {}
    pub fn close(self) -> Result<(), Failure> {
        Ok(())
    }
    pub fn open_session(&self, _r: OpenRow, _a: impl Fn(u32, u64) -> bool) -> Result<(), Failure> {
        Ok(())
    }
    pub fn rename_session(&self, _s: &SessionId, _t: &str) -> Result<(), Failure> {
        Ok(())
    }
}
#[derive(Debug)]
pub struct Reader;
impl Reader {
    pub fn open(_p: &Path) -> Result<Self, Failure> {
        Ok(Self)
    }
    pub fn blob(&self, _h: Hash) -> Result<Option<Vec<u8>>, Failure> {
        Ok(None)
    }
    pub fn sessions(
        &self,
        _q: &SessionQuery,
        _a: impl Fn(u32, u64) -> bool,
    ) -> Result<Vec<SessionHit>, Failure> {
        Ok(vec![])
    }
    pub fn bench(&self, _w: &str) -> Result<Option<BenchRow>, Failure> {
        Ok(None)
    }
    pub fn session(&self, _s: &SessionId) -> Result<Option<SessionRow>, Failure> {
        Ok(None)
    }
    pub fn page(
        &self,
        _s: &SessionId,
        _b: Option<ItemId>,
        _l: usize,
    ) -> Result<TranscriptPage, Failure> {
        Ok(TranscriptPage::default())
    }
    pub fn max_item(&self, _s: &SessionId) -> Result<u64, Failure> {
        Ok(0)
    }
}
impl Store {
    pub fn open(_p: &Path) -> Result<Self, Failure> {
        Ok(Self)
    }
    pub fn reader(&self) -> Result<Reader, Failure> {
        Ok(Reader)
    }
}
pub struct Obs {
    pub owner: crate::model::lease::Owner,
    pub path: WorkPath,
    pub hash: Hash,
    pub seen: String,
}
impl Reader {
    pub fn leases(&self, _w: &str) -> Result<Vec<LeaseRow>, Failure> {
        Ok(vec![])
    }
    pub fn observations(&self, _w: &str) -> Result<Vec<Obs>, Failure> {
        Ok(vec![])
    }
}
