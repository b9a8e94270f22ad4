//! Where an engine is attached, and the settings it has there. It must never hold what an engine stores.

use crate::namespace::NamespaceId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whether a mount answers for secrets, for logins, or for the system itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountClass {
    Secret,
    Auth,
    System,
}

/// One mounted engine. The record of the kernel's mount table, and what an engine sees of its own mount.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mount {
    /// Stable id; part of the store key of everything the engine keeps.
    pub uuid: String,
    pub namespace: NamespaceId,
    /// Such as `secret/` or `auth/approle/`; ends in a slash.
    pub path: String,
    /// The engine's kind, such as `kv`.
    pub kind: String,
    pub class: MountClass,
    /// Such as `kv_1a2b3c4d`: how policies' templates and identity aliases name this mount.
    pub accessor: String,
    pub description: String,
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    #[serde(default)]
    pub config: MountConfig,
    #[serde(default)]
    pub local: bool,
    #[serde(default)]
    pub seal_wrap: bool,
    pub created_ms: u64,
}

impl Mount {
    /// The version of its kind that it was mounted as, where that was said.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.options.get("version").map(String::as_str)
    }
}

/// What `tune` changes. TTLs in seconds; `None` means the system's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MountConfig {
    pub default_lease_ttl_s: Option<u64>,
    pub max_lease_ttl_s: Option<u64>,
    pub force_no_cache: bool,
    /// `hidden` or `unauth`.
    pub listing_visibility: Option<String>,
    /// For auth mounts: `default-service`, `default-batch`, `service`, `batch`.
    pub token_type: Option<String>,
    pub audit_non_hmac_request_keys: Vec<String>,
    pub audit_non_hmac_response_keys: Vec<String>,
    pub passthrough_request_headers: Vec<String>,
    pub allowed_response_headers: Vec<String>,
}
