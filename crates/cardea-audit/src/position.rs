//! Where a record stands in the log of one node. It must never be computed from a record's content.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The number of a record in its node's log, counted from 0. The store assigns it inside the commit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u64);

impl Position {
    /// The position after this one; saturates, since no log reaches the end of 64 bits.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
