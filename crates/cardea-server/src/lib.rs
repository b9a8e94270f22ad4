//! The assembly: listeners, TLS, configuration, registry, telemetry. The only crate that knows all.
//!
//! Start with [`assembly`]: from a configuration to a running server. [`command`] is `cardea server` around it: signals,
//! hardening, the log. It must never decide who may do what, and never interpret what an engine or a dialect says.

#![forbid(unsafe_code)]

pub mod assembly; // from a configuration to a running server, and to its end
pub mod config; // what the owner wrote
pub mod listener; // sockets, TLS, HTTP
pub mod witness; // how far the log had grown, outside the store
mod command; // `cardea server`
mod development; // `-dev`
mod development_tls; // certificates of a day
mod faults; // none on purpose
mod fetch; // documents from outside for extensions that ask
mod flags; // the command line
mod hardening; // core dumps, locked memory, open files
mod registry; // the one list of parts
mod workers; // whether anybody works
pub mod telemetry; // the server's own log

pub use assembly::{Running, Surroundings, start, start_in};
pub use command::command;
pub use config::{Config, ListenerConfig, SealConfig, StorageConfig};
pub use faults::NoFaults;

#[cfg(test)]
mod testing;

use std::fmt;

/// Why a server did not start: one clear line without any value of a configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StartError(String);

impl StartError {
    pub(crate) fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}
