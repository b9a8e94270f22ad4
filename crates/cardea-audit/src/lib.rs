//! The rule-book of the log: record types, Merkle tree, checkpoints, verify, search.
//!
//! Everything here is a pure function of bytes that the caller passes in. It must never open a file, read a clock, draw
//! randomness or become async, so that an auditor's laptop judges a log by the same code that wrote it.

#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod class; // what a field may show: public, identifying, sensitive
pub mod hash; // SHA-256, and the keyed hash that hides and still finds a value
pub mod log_time; // instants as the log spells them
pub mod merkle; // the tree over the records, and its proofs
pub mod position; // where a record stands in the log
pub mod record; // one record a request // a signed statement of size and root

pub use class::{Identifying, Public, Sensitive};
pub use hash::{AuditHasher, Hash};
pub use log_time::LogTime;
pub use position::Position;
pub use record::{OpenRecord, Record};
