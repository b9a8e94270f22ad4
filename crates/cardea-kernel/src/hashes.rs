//! Keyed hashes: how tokens, accessors and values in the log are known without being kept. One key a purpose, all of
//! them the cluster's; nothing here may return what it was given.

use cardea_audit::hash::AuditHasher;
use cardea_barrier::{ClusterSecret, Keyring};
use cardea_crypto::mac::{MacKey, hex};
use std::sync::Arc;

/// The hashes of an unsealed server.
#[derive(Clone)]
pub struct Hashes {
    token: MacKey,
    lookup: MacKey,
    pub audit: Arc<AuditHasher>,
}

impl Hashes {
    #[must_use]
    pub fn new(keyring: &Keyring) -> Self {
        Self {
            token: MacKey::new(&*keyring.secret(ClusterSecret::TokenHash)),
            lookup: MacKey::new(&*keyring.secret(ClusterSecret::LookupHash)),
            audit: Arc::new(AuditHasher::new(MacKey::new(&*keyring.secret(ClusterSecret::AuditHash)))),
        }
    }

    /// The id under which a token's record is kept: HMAC-SHA256, 64 hex digits.
    #[must_use]
    pub fn token_id(&self, token: &str) -> String {
        hex(&self.token.sign(&[b"token\0", token.as_bytes()]))
    }

    /// The id under which an accessor is kept.
    #[must_use]
    pub fn accessor_id(&self, accessor: &str) -> String {
        hex(&self.token.sign(&[b"accessor\0", accessor.as_bytes()]))
    }

    /// A lookup hash for an engine's purpose.
    #[must_use]
    pub fn lookup(&self, purpose: &str, value: &[u8]) -> String {
        hex(&self.lookup.sign(&[&(purpose.len() as u64).to_be_bytes(), purpose.as_bytes(), value]))
    }
}
