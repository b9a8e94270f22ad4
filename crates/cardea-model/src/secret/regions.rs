//! Secrets that are in some regions and not in others. What regions are is the dialect's; here they are words. A replica is
//! the same record, seen from another region: it must never hold anything of its own but the key that its owner named.
//!
//! Two secrets of one name, each in its own region, are two paths: that of the second one names its region behind a `%`
//! ([`regional_path`]). It must never be a way around what is said of the path without it.

use crate::error::Error;
use crate::path::CanonicalPath;
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
    /// Another secret has that name there: this one is not in that region.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub taken: bool,
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
        match (self.primary == region, self.replicas.get(region).is_some_and(|replica| !replica.taken)) {
            (true, _) => SecretPlace::Home,
            (false, true) => SecretPlace::Replica,
            (false, false) => SecretPlace::Nowhere,
        }
    }
}

/// Between a path and the region that is named behind it. Names of dialects with regions cannot hold it.
const REGION_MARK: char = '%';

/// Whether a word is one that a region can have: `eu-central-1`.
#[must_use]
pub fn is_region(word: &str) -> bool {
    let Some((words, number)) = word.rsplit_once('-') else { return false };
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    words.split('-').all(is_word) && !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
}

/// The path of a secret of one region, where the path without it is that of another secret: `prod/db%us-east-1`.
///
/// # Errors
/// A word that no region has; a path that becomes too long.
pub fn regional_path(path: &CanonicalPath, region: &str) -> Result<CanonicalPath, Error> {
    if !is_region(region) || path.is_folder() {
        return Err(Error::invalid("the region is none that a path can name"));
    }
    CanonicalPath::parse(&format!("{path}{REGION_MARK}{region}"))
}

/// The path without the region, and the region, of a path that names one. It holds for what stands before the path as well.
#[must_use]
pub fn split_regional(path: &str) -> Option<(&str, &str)> {
    let (path, region) = path.rsplit_once(REGION_MARK)?;
    (is_region(region) && !path.is_empty() && !path.ends_with('/')).then_some((path, region))
}
