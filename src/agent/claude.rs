use super::*;
use crate::model::failure::Failure;
#[derive(Debug)]
pub struct Driver;
impl Driver {
    pub fn pid(&self) -> Option<u32> {
        None
    }
    pub fn try_order(&self, _o: Order) -> Result<(), Failure> {
        Ok(())
    }
}
pub async fn start(
    _l: Launch,
    _a: AgentId,
    _r: u64,
    _s: tokio::sync::mpsc::Sender<Said>,
) -> Result<Driver, Failure> {
    Ok(Driver)
}
