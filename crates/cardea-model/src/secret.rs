//! The stored secret and its versions (DESIGN section 5). The pointer record holds the states of all versions; each
//! payload is one immutable record of its own, keyed by the secret's id and the version's number.
//! Nothing here may hold a payload beside the answer that carries one out.

use crate::payload::Payload;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The pointer record of a secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Secret {
    /// Stable random id; survives every change of path.
    pub id: String,
    pub path: String,
    pub created: Timestamp,
    pub updated: Timestamp,
    /// Number of the version that a plain read serves; 0 if none was ever written.
    pub current: u64,
    /// Oldest version whose state is still kept; 0 if none.
    pub oldest: u64,
    /// One map for tags, labels and custom metadata.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    #[serde(default)]
    pub settings: SecretSettings,
    /// Stage labels, each pointing at a version (`AWSCURRENT`, `AWSPREVIOUS`, aliases).
    #[serde(default)]
    pub stages: BTreeMap<String, u64>,
    /// Client request tokens, each with the version it made: a repeated call finds its first answer.
    #[serde(default)]
    pub tokens: BTreeMap<String, u64>,
    /// Soft deletion of the whole secret, with the time when it may be purged.
    #[serde(default)]
    pub deleted: Option<Deletion>,
    /// In ascending order of number.
    pub versions: Vec<Version>,
}

/// Settings of one secret; `None` takes the mount's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretSettings {
    pub max_versions: Option<u64>,
    pub cas_required: bool,
    /// Seconds after which a version deletes itself.
    pub delete_after_s: Option<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Deletion {
    pub at: Timestamp,
    pub purge_at: Timestamp,
}

/// The state of one version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Version {
    pub number: u64,
    /// Stable id, in the form of a UUID.
    pub id: String,
    pub created: Timestamp,
    /// Display name or entity id of who wrote it.
    pub creator: String,
    pub state: VersionState,
    /// When it was, or will be, deleted.
    #[serde(default)]
    pub deletion: Option<Timestamp>,
    #[serde(default)]
    pub content: ContentForm,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VersionState {
    Enabled,
    Disabled,
    /// Can be brought back.
    Deleted,
    /// The payload is gone for good.
    Destroyed,
}

/// What a payload is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentForm {
    #[default]
    Object,
    Text,
    Bytes,
}

impl Secret {
    #[must_use]
    pub fn version(&self, number: u64) -> Option<&Version> {
        self.versions.iter().find(|version| version.number == number)
    }

    pub fn version_mut(&mut self, number: u64) -> Option<&mut Version> {
        self.versions.iter_mut().find(|version| version.number == number)
    }
}

impl Version {
    /// Whether its payload may be served at `now`.
    #[must_use]
    pub fn is_readable(&self, now: Timestamp) -> bool {
        self.state == VersionState::Enabled && self.deletion.is_none_or(|at| at > now)
    }
}

/// A typed answer about one version of a secret.
#[derive(Debug)]
pub struct SecretAnswer {
    pub secret_id: String,
    pub path: String,
    pub version: Version,
    pub stages: Vec<String>,
    pub metadata: BTreeMap<String, String>,
    /// Absent after a write, or when the version is gone.
    pub payload: Option<Payload>,
}
