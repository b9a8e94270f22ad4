//! Who uses a secret, as far as the log and the consumers themselves tell. Values only; it must never hold what was read.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Consumers that may acknowledge versions of one secret: each is kept with its rotation.
pub const ACKS_MAX: usize = 256;

/// The one name by which a caller is a consumer: its entity, or its display name where it has none.
#[must_use]
pub fn consumer_of<'a>(entity: Option<&'a str>, display_name: &'a str) -> &'a str {
    entity.filter(|id| !id.is_empty()).unwrap_or(display_name)
}

/// A consumer said that a version works for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ack {
    pub name: String,
    pub version: u64,
    pub at: Timestamp,
}

/// What the log tells of who read one secret.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SecretReaders {
    /// What was read before is not known; `None` while nothing of the log was looked at.
    pub since: Option<Timestamp>,
    /// Whether the log was read to its end, and no reader left out.
    pub complete: bool,
    pub last_read: Option<Timestamp>,
    pub consumers: Vec<ConsumerReads>,
}

/// What one consumer read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerReads {
    /// See [`consumer_of`].
    pub consumer: String,
    pub name: String,
    /// The last read of each of a few versions.
    pub reads: Vec<VersionRead>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VersionRead {
    pub version: u64,
    pub at: Timestamp,
}
