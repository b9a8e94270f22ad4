//! Which tenant a record belongs to. Records, keys, caches and lookups by id carry it from the first day.
//! It must never be taken from a name that was not resolved.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The stable id of a namespace. Only the root namespace serves at present.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NamespaceId(String);

impl NamespaceId {
    /// The namespace that always exists; clients know it as `root` with an empty path.
    #[must_use]
    pub fn root() -> Self {
        Self("root".to_owned())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NamespaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
