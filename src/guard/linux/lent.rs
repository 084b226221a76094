//! Files that we open for a caller and that nobody else may have open when it goes on.
//!
//! A fork copies all our descriptors, and the child has them until it becomes another program. So
//! none of these files is open while we start a process, and none is opened.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// Read by those who have such a file open, written by those who fork.
static FORKS: RwLock<()> = RwLock::new(());

/// As long as this lives, nobody forks.
#[derive(Debug)]
pub(super) struct Lent {
    _nobody_forks: RwLockReadGuard<'static, ()>,
}

/// To be called before such a file is opened; the result must outlive it.
pub(super) fn lend() -> Lent {
    Lent { _nobody_forks: FORKS.read().unwrap_or_else(PoisonError::into_inner) }
}

/// Forks while nothing is lent.
pub(super) fn fork<T>(start: impl FnOnce() -> T) -> T {
    let _nothing_is_lent = FORKS.write().unwrap_or_else(PoisonError::into_inner);
    start()
}
