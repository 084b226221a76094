//! The unix socket that carries a front end's link to an engine in another process.
