//! Systems where the kernel cannot ask before a write. The same names are here, and
//! [`probe`](probe::probe) says that nothing is enforced; nobody can get a fence or a supervisor.

/// See the module of this name on Linux.
pub mod ground {
    use std::io;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    /// The tree that agents share.
    #[derive(Debug)]
    pub struct Workspace {
        root: PathBuf,
    }

    impl Workspace {
        /// The workspace at `root`. Nothing can be protected here.
        pub fn open(root: &Path, _protected: &[PathBuf]) -> io::Result<Arc<Self>> {
            Ok(Arc::new(Self { root: root.canonicalize()? }))
        }

        /// Where it is.
        pub fn root(&self) -> &Path {
            &self.root
        }

        /// None are told apart here.
        pub fn free_paths(&self) -> Vec<PathBuf> {
            Vec::new()
        }

        /// Everything is written freely here.
        pub fn free(&self, _path: &Path) -> io::Result<()> {
            Ok(())
        }
    }
}

/// See the module of this name on Linux.
pub mod fence {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::process::Command;
    use std::sync::Arc;
    use std::time::Duration;

    use super::ground::Workspace;
    use super::supervisor::Supervisor;
    use crate::guard::request::Arbitrate;
    use crate::guard::{FenceError, Reason};

    /// Never there.
    #[derive(Debug)]
    pub enum Fence {}

    /// Never there.
    #[derive(Debug)]
    pub enum Gate {}

    /// Starts a process.
    pub fn start<T>(start: impl FnOnce() -> T) -> T {
        start()
    }

    /// Always says that this system cannot.
    pub fn prepare(_workspace: &Arc<Workspace>) -> Result<(Fence, Gate), FenceError> {
        Err(Reason::System.into())
    }

    impl Fence {
        /// Always says that this system cannot.
        pub fn through(_workspace: &Workspace, _sender: OwnedFd) -> Result<Self, FenceError> {
            Err(Reason::System.into())
        }

        /// Never called.
        pub fn around(self, _command: &mut Command) {
            match self {}
        }

        /// Never called.
        pub fn enter(&self) -> io::Result<()> {
            match *self {}
        }
    }

    impl Gate {
        /// Always says that this system cannot.
        pub fn through(
            _workspace: &Arc<Workspace>,
            _receiver: OwnedFd,
        ) -> Result<Self, FenceError> {
            Err(Reason::System.into())
        }

        /// Never called.
        #[must_use]
        pub fn longest_park(self, _limit: Duration) -> Self {
            self
        }

        /// Never called.
        pub fn supervise(
            self,
            _name: &str,
            _arbiter: Arc<dyn Arbitrate>,
        ) -> Result<Supervisor, FenceError> {
            match self {}
        }
    }
}

/// See the module of this name on Linux.
pub mod supervisor {
    use std::time::Duration;

    /// The longest that a call is parked.
    pub const LONGEST_PARK: Duration = Duration::from_secs(5);

    /// Never there.
    #[derive(Debug)]
    pub enum Supervisor {}

    impl Supervisor {
        /// Never called.
        pub fn wake(&self) {
            match *self {}
        }

        /// Never called.
        pub fn cancel_parks(&self) {
            match *self {}
        }

        /// Never called.
        pub fn parked(&self) -> usize {
            match *self {}
        }

        /// Never called.
        pub fn is_running(&self) -> bool {
            match *self {}
        }

        /// Never called.
        pub fn wait(&self) {
            match *self {}
        }
    }
}

/// See the module of this name on Linux.
pub mod probe {
    use std::path::Path;

    use crate::guard::{Level, Reason};

    /// Says that nothing is enforced.
    pub fn probe(_scratch: &Path) -> Level {
        Level::Advisory(Reason::System)
    }
}

/// See the module of this name on Linux.
pub mod writers {
    use std::io;
    use std::os::fd::AsFd;
    use std::path::Path;

    /// Whether a file has writers.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum Writers {
        /// Nobody can write it without opening it anew.
        None,
        /// Somebody can.
        Some,
        /// It cannot be told.
        Unknown,
    }

    /// Cannot tell.
    pub fn at(_path: &Path) -> io::Result<Writers> {
        Ok(Writers::Unknown)
    }

    /// Cannot tell.
    pub fn of(_file: impl AsFd) -> io::Result<Writers> {
        Ok(Writers::Unknown)
    }
}
