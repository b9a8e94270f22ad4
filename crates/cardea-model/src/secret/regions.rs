//! Secrets that are in some regions and not in others. What regions are is the dialect's; here they are words. A replica is
//! the same record, seen from another region: it must never hold anything of its own but the key that its owner named.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most regions that a secret is replicated to.
pub const SECRET_REPLICAS_MAX: usize = 32;

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRegions {
    /// Where it was made, and is changed.
    pub primary: String,
    /// Where it can be read as well.
    #[serde(default)]
    pub replicas: BTreeMap<String, SecretReplica>,
}

/// A region that a secret is replicated to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretReplica {
    /// The key that its owner named for it; kept and shown, as the secret's own.
    pub key_id: Option<String>,
}

/// A place from which a secret is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecretPlace {
    /// It can be read and changed.
    Home,
    /// It can be read.
    Replica,
    /// It is not there.
    Nowhere,
}

impl SecretRegions {
    #[must_use]
    pub fn place(&self, region: &str) -> SecretPlace {
        match (self.primary == region, self.replicas.contains_key(region)) {
            (true, _) => SecretPlace::Home,
            (false, true) => SecretPlace::Replica,
            (false, false) => SecretPlace::Nowhere,
        }
    }
}
