//! Keys that are in several regions: one id and one material, and in each region a key of its own name, description, tags,
//! aliases and state. What regions are is the dialect's; here they are words. It must never decide who may ask in which.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most regions of one key; each change of what they share writes a record in each.
pub const KEY_REGIONS_MAX: usize = 32;

/// Where a key of several regions stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRegions {
    /// Its own.
    pub region: String,
    /// That of the key which changes what all share.
    pub primary: String,
    /// Names of all keys of the set by their regions, this one's included.
    pub members: BTreeMap<String, String>,
}

impl KeyRegions {
    #[must_use]
    pub fn is_primary(&self) -> bool {
        self.region == self.primary
    }

    /// Names of the other keys of the set.
    #[must_use]
    pub fn others(&self) -> Vec<String> {
        let others = self.members.iter().filter(|(region, _)| **region != self.region);
        others.map(|(_, name)| name.clone()).collect()
    }
}

/// A key's counterpart in another region.
#[derive(Clone, Debug)]
pub struct NewReplica {
    pub region: String,
    pub description: String,
    pub tags: BTreeMap<String, String>,
    pub attributes: BTreeMap<String, String>,
    pub document: Option<super::NewDocument>,
}
