//! Keys: what they are, what they can be asked and what they answer, whatever the dialect. It must never hold key
//! material, and never name a wire: an algorithm has one name here, and each dialect has its own table of spellings.

mod blob; // ciphertexts that say what sealed them
mod context; // encryption contexts as authenticated data
mod fault; // why a key does not do something
mod grant; // uses of a key that are lent to one caller
mod last_use; // what a key did last
mod operation; // what keys can be asked, and what they answer
mod regions; // keys that are in several regions

pub use blob::SealedBlob;
pub use context::{CONTEXT_BYTES_MAX, EncryptionContext, authenticated, of_authenticated};
pub use fault::KeyFault;
pub use grant::{Grant, GrantConstraint, GrantOperation, GrantToken, NewGrant, is_grant_id};
pub use last_use::{KeyLastUse, KeyUse};
pub use operation::{ImportTerms, ImportWhich, ImportedMaterial, KeyAlias, KeyAnswer, KeyOp, KeyPart, KeyUsed};
pub use regions::{KEY_REGIONS_MAX, KeyRegions, NewReplica};

use crate::error::Error;
use crate::path::CanonicalPath;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a key computes with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyAlgorithm {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha20Poly1305,
    Rsa2048,
    Rsa3072,
    Rsa4096,
    EcP256,
    EcP384,
    EcP521,
    EcP256k1,
    Ed25519,
    /// A MAC key that may be used with any hash.
    Hmac,
    HmacSha224,
    HmacSha256,
    HmacSha384,
    HmacSha512,
    MlDsa44,
    MlDsa65,
    MlDsa87,
    MlKem512,
    MlKem768,
    MlKem1024,
}

/// What a key is for. Some dialects let a key have all usages that its algorithm has, others one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyUsage {
    Encrypt,
    Sign,
    Mac,
    Agree,
    Encapsulate,
}

/// Families of algorithms that share their forms and operations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyFamily {
    Aead,
    Rsa,
    Ec,
    Ed25519,
    Hmac,
    MlDsa,
    MlKem,
}

impl KeyAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 22] = [
        Self::Aes128Gcm,
        Self::Aes256Gcm,
        Self::ChaCha20Poly1305,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        Self::EcP256,
        Self::EcP384,
        Self::EcP521,
        Self::EcP256k1,
        Self::Ed25519,
        Self::Hmac,
        Self::HmacSha224,
        Self::HmacSha256,
        Self::HmacSha384,
        Self::HmacSha512,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
        Self::MlKem512,
        Self::MlKem768,
        Self::MlKem1024,
    ];

    #[must_use]
    pub fn family(self) -> KeyFamily {
        match self {
            Self::Aes128Gcm | Self::Aes256Gcm | Self::ChaCha20Poly1305 => KeyFamily::Aead,
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => KeyFamily::Rsa,
            Self::EcP256 | Self::EcP384 | Self::EcP521 | Self::EcP256k1 => KeyFamily::Ec,
            Self::Ed25519 => KeyFamily::Ed25519,
            Self::Hmac | Self::HmacSha224 | Self::HmacSha256 | Self::HmacSha384 | Self::HmacSha512 => KeyFamily::Hmac,
            Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => KeyFamily::MlDsa,
            Self::MlKem512 | Self::MlKem768 | Self::MlKem1024 => KeyFamily::MlKem,
        }
    }

    /// Everything that a key of this algorithm can be for.
    #[must_use]
    pub fn usages(self) -> &'static [KeyUsage] {
        match self.family() {
            KeyFamily::Aead => &[KeyUsage::Encrypt],
            KeyFamily::Rsa => &[KeyUsage::Encrypt, KeyUsage::Sign],
            // The library agrees on NIST's curves alone.
            KeyFamily::Ec if self == Self::EcP256k1 => &[KeyUsage::Sign],
            KeyFamily::Ec => &[KeyUsage::Sign, KeyUsage::Agree],
            KeyFamily::Ed25519 | KeyFamily::MlDsa => &[KeyUsage::Sign],
            KeyFamily::Hmac => &[KeyUsage::Mac],
            KeyFamily::MlKem => &[KeyUsage::Encapsulate],
        }
    }

    /// Whether there is a public half.
    #[must_use]
    pub fn is_asymmetric(self) -> bool {
        !matches!(self.family(), KeyFamily::Aead | KeyFamily::Hmac)
    }

    /// Length of a symmetric key in bytes, where it is fixed: of an AEAD key, and of the MAC keys that name their hash.
    #[must_use]
    pub fn symmetric_bytes(self) -> Option<usize> {
        match self {
            Self::Aes128Gcm => Some(16),
            Self::Aes256Gcm | Self::ChaCha20Poly1305 => Some(32),
            Self::HmacSha224 => Some(28),
            Self::HmacSha256 => Some(32),
            Self::HmacSha384 => Some(48),
            Self::HmacSha512 => Some(64),
            _ => None,
        }
    }

    /// The one hash that a MAC key is for, if it names one.
    #[must_use]
    pub fn mac_hash(self) -> Option<HashAlgorithm> {
        match self {
            Self::HmacSha224 => Some(HashAlgorithm::Sha224),
            Self::HmacSha256 => Some(HashAlgorithm::Sha256),
            Self::HmacSha384 => Some(HashAlgorithm::Sha384),
            Self::HmacSha512 => Some(HashAlgorithm::Sha512),
            _ => None,
        }
    }
}

/// A hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HashAlgorithm {
    /// For OAEP alone, where its weakness does not matter: never signs and never authenticates here.
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha3_256,
    Sha3_384,
    Sha3_512,
}

impl HashAlgorithm {
    #[must_use]
    pub fn digest_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 | Self::Sha3_256 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 => 64,
        }
    }
}

/// How a message becomes a signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SigningScheme {
    /// The salt is as long as the digest.
    RsaPss(HashAlgorithm),
    /// What signers with the longest possible salt made; nothing is signed so here.
    RsaPssMaxSalt(HashAlgorithm),
    RsaPkcs1(HashAlgorithm),
    /// The signature is an ASN.1 sequence.
    Ecdsa(HashAlgorithm),
    /// The signature is the two numbers side by side, as in JWS and IEEE P1363.
    EcdsaFixed(HashAlgorithm),
    Ed25519,
    /// Ed25519ph (RFC 8032): the message goes in as its SHA-512 digest, which the scheme makes itself.
    Ed25519Ph,
    MlDsa,
}

impl SigningScheme {
    /// The hash, where the scheme has one of its own to choose.
    #[must_use]
    pub fn hash(self) -> Option<HashAlgorithm> {
        match self {
            Self::RsaPss(hash)
            | Self::RsaPssMaxSalt(hash)
            | Self::RsaPkcs1(hash)
            | Self::Ecdsa(hash)
            | Self::EcdsaFixed(hash) => Some(hash),
            Self::Ed25519 | Self::Ed25519Ph | Self::MlDsa => None,
        }
    }
}

/// What is signed: a message, or its digest that somebody else made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ToSign<'a> {
    Message(&'a [u8]),
    Digest(&'a [u8]),
}

/// Where the material came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyOrigin {
    #[default]
    Generated,
    Imported,
}

/// Whether a key may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyState {
    #[default]
    Enabled,
    Disabled,
    /// It will be deleted at this time, unless somebody cancels.
    PendingDeletion(Timestamp),
    /// It will be deleted so long after the last of its replicas is gone.
    PendingReplicaDeletion {
        window_s: u64,
    },
    /// It waits for material that its owner brings.
    PendingImport,
    /// Out of sight until it is restored.
    SoftDeleted,
}

/// One version of a key; its material is a record of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyVersion {
    pub number: u64,
    /// Stable id, in the form of a UUID.
    pub id: String,
    pub created: Timestamp,
    #[serde(default)]
    pub origin: KeyOrigin,
    /// Whether only the public half is here.
    #[serde(default)]
    pub public_only: bool,
    /// From then on imported material is not there, whoever removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Whether imported material is away: its owner took it, or its time has come. The same can be imported again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub absent: bool,
    /// What its owner says of imported material.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// What made it the newest, if a rotation did and it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated: Option<RotationCause>,
}

/// Why a key was rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationCause {
    /// Its period was over, or its newest version had made as much as one may.
    Due,
    /// Somebody asked.
    Asked,
}

impl KeyVersion {
    /// Whether its material may be used at `now`.
    #[must_use]
    pub fn is_there(&self, now: Timestamp) -> bool {
        !self.absent && self.expires.is_none_or(|at| at > now)
    }
}

/// Settings that owners change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KeySettings {
    /// Every use has a context, and every context a key of its own.
    pub derived: bool,
    /// Equal plaintexts under equal contexts give equal ciphertexts.
    pub convergent: bool,
    /// Material may leave, never again to be taken back.
    pub exportable: bool,
    pub plaintext_backup: bool,
    pub deletion_allowed: bool,
    /// Whether an imported key may get versions that are generated here.
    pub imported_rotation: bool,
    /// 0 is never.
    pub auto_rotate_s: u64,
    /// Versions below this decrypt, verify and export no more; at least 1.
    pub min_decryption: u64,
    /// Versions below this encrypt and sign no more; 0 is "the latest unless the caller names another".
    pub min_encryption: u64,
    /// Length of generated material in bytes, where the algorithm leaves it open; 0 is its default.
    pub material_bytes: u64,
}

/// A key: everything but its material. The pointer record of every key, whatever dialect made it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Key {
    /// Stable id, in the form of a UUID; a key that is deleted and made again has another. The keys of a set have one, in the
    /// form `mrk-` and 32 hexadecimal digits.
    pub id: String,
    /// Its name inside its mount: what policies and most dialects call it.
    pub name: String,
    pub algorithm: KeyAlgorithm,
    pub usages: Vec<KeyUsage>,
    #[serde(default)]
    pub origin: KeyOrigin,
    pub created: Timestamp,
    #[serde(default)]
    pub state: KeyState,
    #[serde(default)]
    pub settings: KeySettings,
    /// Number of the newest version; 0 before there is one.
    pub latest: u64,
    /// Versions below this are gone for good; 0 if none ever went.
    #[serde(default)]
    pub oldest: u64,
    /// Ascending by number.
    pub versions: Vec<KeyVersion>,
    /// Imported material that the next rotation makes the newest version.
    #[serde(default)]
    pub pending: Option<KeyVersion>,
    /// Its place in a set of keys of several regions, if it is of one.
    #[serde(default)]
    pub regions: Option<KeyRegions>,
    /// Since when its last use is kept; `None` for a key that is older than that.
    #[serde(default)]
    pub uses_kept_from: Option<Timestamp>,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// What single dialects keep beside it (a policy, a region, say), under names that begin with the dialect's.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Attachments::is_none")]
    pub attached: Attachments,
}

/// What decides about a key beside policies. It stands in records of its own; this says whether there are any to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attachments {
    pub document: bool,
    pub grants: bool,
    /// The key's ARN, as whoever attached something last knew it.
    pub arn: String,
    /// Under which their records stand; no other key ever has it.
    pub place: String,
}

impl Attachments {
    #[must_use]
    pub fn is_none(&self) -> bool {
        !self.document && !self.grants
    }
}

impl Key {
    #[must_use]
    pub fn version(&self, number: u64) -> Option<&KeyVersion> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// Whether the clock alone has changed something of it: imported material has come to its end.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.versions.iter().chain(&self.pending).any(|version| !version.absent && !version.is_there(now))
            || (matches!(self.state, KeyState::Enabled | KeyState::Disabled) && self.lacks_material())
    }

    /// What it is by the clock: without all its material it waits for what is missing.
    pub fn settle(&mut self, now: Timestamp) {
        for version in self.versions.iter_mut().chain(&mut self.pending) {
            version.absent |= !version.is_there(now);
        }
        if matches!(self.state, KeyState::Enabled | KeyState::Disabled) && self.lacks_material() {
            self.state = KeyState::PendingImport;
        }
    }

    /// Whether a version has no material.
    #[must_use]
    pub fn lacks_material(&self) -> bool {
        self.versions.iter().any(|version| version.absent)
    }

    #[must_use]
    pub fn allows(&self, usage: KeyUsage) -> bool {
        self.usages.contains(&usage)
    }

    /// When it will rotate by itself.
    #[must_use]
    pub fn next_rotation(&self) -> Option<Timestamp> {
        let period_s = Some(self.settings.auto_rotate_s).filter(|period_s| *period_s > 0)?;
        let newest = self.version(self.latest)?;
        Some(newest.created.plus(crate::TtlSeconds(period_s)))
    }
}

/// Which key is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyRef {
    Name(String),
    /// Its stable id. The kernel asks the engine for the name before policies are asked.
    Id(String),
    /// A second name. One that nobody set is the name of a key itself.
    Alias(String),
    /// The id of a set of keys: the one in this region is meant.
    RegionalId {
        id: String,
        region: String,
    },
    /// A second name as it is known in this region.
    RegionalAlias {
        alias: String,
        region: String,
    },
}

impl KeyRef {
    /// What was said, whatever it is.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Name(text) | Self::Id(text) | Self::Alias(text) => text,
            Self::RegionalId { id, .. } => id,
            Self::RegionalAlias { alias, .. } => alias,
        }
    }

    /// The alias, if it is one.
    #[must_use]
    pub fn alias(&self) -> Option<&str> {
        match self {
            Self::Alias(alias) | Self::RegionalAlias { alias, .. } => Some(alias),
            Self::Name(_) | Self::Id(_) | Self::RegionalId { .. } => None,
        }
    }
}

/// What a new key shall be.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub algorithm: KeyAlgorithm,
    /// Empty is everything that the algorithm allows.
    pub usages: Vec<KeyUsage>,
    pub settings: KeySettings,
    pub description: String,
    pub tags: BTreeMap<String, String>,
    pub attributes: BTreeMap<String, String>,
    /// Without material: it will be imported.
    pub without_material: bool,
    /// The region of the first key of a set, which others can follow.
    pub region: Option<String>,
    pub document: Option<NewDocument>,
}

/// A policy document to be attached.
#[derive(Clone, Debug)]
pub struct NewDocument {
    /// Kept byte for byte.
    pub text: String,
    /// What stands before the key's id in the ARN that the document knows it by; empty leaves the ARN as it was.
    pub arn_front: String,
    /// Does not ask whether the caller could replace it again.
    pub bypass: bool,
}

/// A change of what is known about a key; `None` leaves a thing as it is.
#[derive(Clone, Debug, Default)]
pub struct KeyChange {
    pub description: Option<String>,
    pub enabled: Option<bool>,
    pub auto_rotate_s: Option<u64>,
    /// Refuses keys with a public half, as [`KeyOp::Rotate`] does.
    pub symmetric_only: bool,
    /// `None` inside removes a tag.
    pub tags: BTreeMap<String, Option<String>>,
    /// `None` inside removes an attribute.
    pub attributes: BTreeMap<String, Option<String>>,
}

/// The name of a key: one segment of a path, as every dialect can say it.
///
/// # Errors
/// Empty, more than one segment, or over 256 bytes.
pub fn check_key_name(name: &str) -> Result<(), Error> {
    let path = CanonicalPath::parse(name)?;
    if path.as_str().contains('/') || name.len() > KEY_NAME_BYTES_MAX {
        return Err(Error::invalid("the name of a key has a slash or is too long"));
    }
    Ok(())
}

/// Most tags of a key: AWS's.
pub const KEY_TAGS_MAX: usize = 50;
/// Longest name of a key, in bytes: AWS's longest alias.
pub const KEY_NAME_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests;
