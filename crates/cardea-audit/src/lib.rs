//! The rule-book of the log: record types, Merkle tree, checkpoints, verify, search.
//!
//! Everything here is a pure function of bytes that the caller passes in. It must never open a file, read a clock, draw
//! randomness or become async, so that an auditor's laptop judges a log by the same code that wrote it.
//!
//! Read in this order: `class` (what a field may show), `record` (one record a request), `merkle` (the tree over the records),
//! `checkpoint` (a signed statement of its size and root), `export` (the file that leaves the house), `verify` (whether it
//! holds, and if not, where), `search` (who did what), `vault_format` (the same as users of Vault read it).

#![forbid(unsafe_code)]

pub mod checkpoint;
pub mod class;
pub mod export;
pub mod hash;
pub mod log_time;
pub mod merkle;
pub mod position;
pub mod record;
pub mod search;
pub mod vault_format;
pub mod verify;

pub use class::{Identifying, Public, Sensitive};
pub use hash::{AuditHasher, Hash};
pub use log_time::LogTime;
pub use position::Position;
pub use record::{OpenRecord, Record};
