//! Database plugins, one folder each: how the `database` engine talks to one kind of server.
//!
//! A plugin keeps connection pools and nothing else. It must never log a statement or a password, and never know what a
//! mount, a role of the engine or a record is.

#![forbid(unsafe_code)]

pub mod postgresql;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
