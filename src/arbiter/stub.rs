use super::*;
use crate::model::id::*;
use crate::model::lease::*;
use crate::model::path::*;
use crate::model::time::*;
#[derive(Debug)]
pub struct Table;
impl Table {
    pub fn decide(&mut self, _now: Mono, _input: Input) -> Vec<Effect> {
        Vec::new()
    }
    pub fn leases(&self) -> std::vec::IntoIter<(&str, &Lease)> {
        Vec::new().into_iter()
    }
    pub fn lease_of(&self, _p: &str) -> Option<&Lease> {
        None
    }
    pub fn covering(&self, _p: &WorkPath) -> Option<&Lease> {
        None
    }
    pub fn last_writer(&self, _p: &WorkPath) -> Option<&Owner> {
        None
    }
    pub fn changed_since_seen(&self, _o: &Owner, _p: &WorkPath) -> bool {
        false
    }
    pub fn next_wake(&self) -> Option<Mono> {
        None
    }
    pub fn x(_: SessionId) {}
}
