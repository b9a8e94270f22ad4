//! SHA-256, and the keyed hash that hides a value and still finds it. It must never keep or return what it hashed.

use crate::class::Sensitive;
use cardea_crypto::mac::{self, MacKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;

/// Length of SHA-256's output.
pub const HASH_BYTES: usize = 32;

/// A SHA-256 value. In text it is 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; HASH_BYTES]);

impl Hash {
    /// Hashes the concatenated parts.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        Self(mac::sha256(parts))
    }

    /// Reads 64 lower-case hex digits; one value has one spelling, so that text can be compared byte for byte.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 2 * HASH_BYTES || text.bytes().any(|b| b.is_ascii_uppercase()) {
            return None;
        }
        let mut bytes = [0; HASH_BYTES];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 2 * HASH_BYTES];
        hex::encode_to_slice(self.0, &mut digits).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_hex(&text).ok_or_else(|| D::Error::custom("value is not a lower-case SHA-256"))
    }
}

/// Turns values into [`Sensitive`] fields under the log's key. `sys/audit-hash` asks the same function.
pub struct AuditHasher {
    key: MacKey,
}

impl AuditHasher {
    /// From the log's hash key.
    #[must_use]
    pub fn new(key: MacKey) -> Self {
        Self { key }
    }

    /// The keyed hash of bytes.
    #[must_use]
    pub fn hash(&self, value: &[u8]) -> Sensitive {
        Sensitive::from_mac(self.key.sign(&[value]))
    }

    /// The keyed hash of text, by its UTF-8 bytes.
    #[must_use]
    pub fn text(&self, value: &str) -> Sensitive {
        self.hash(value.as_bytes())
    }
}

impl fmt::Debug for AuditHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditHasher(key not shown)")
    }
}
