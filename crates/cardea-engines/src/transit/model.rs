//! What a mount of `transit` stores. Every record has its version tag; material stands in records of its own, so that
//! nothing that is listed or shown can carry any.
//!
//! | kind | name | what |
//! |---|---|---|
//! | `key` | name of the key | [`KeyRecord`]: id, settings, states of all versions |
//! | `key-material` | `<key id>/<version, 20 digits>` | [`Material`]: one immutable version, and its MAC key |
//! | `key-id` | id of a key | [`KeyName`]: its name |
//! | `key-alias` | alias | [`KeyName`]: the name that it stands for |
//! | `key-uses` | `<key id>/<version, 20 digits>` | [`Uses`]: blocks of uses that processes have reserved |
//! | `key-import` | id of a key | [`ImportRecord`]: the wrapping key that its material is awaited under |
//! | `key-purge` | `<key id>/<from, 20 digits>-<to, 20 digits>` | [`Purge`]: material that nothing points at any more |
//! | `key-ending` | `<when, 20 digits of ms>-<key id>/<version, 20 digits>` | [`Ending`]: imported material that goes by itself |
//! | `key-proof` | `<key id>/<version, 20 digits>` | [`Proof`]: what imported material that is gone is known by |
//! | `key-last-use` | name of the key | [`LastUse`]: when it was used last, to the hour |
//! | `key-doomed` | `<when, 20 digits of ms>-<key id>` | [`Doomed`]: a key whose deletion is scheduled |
//! | `key-document` | place of a key's attachments | [`StoredDocument`]: the policy document that is attached to it |
//! | `key-grants` | `<place>/<hash of the grantee>` | [`GrantsOf`]: the grants of one grantee |
//! | `key-grant` | `<place>/<grant id>` | [`GrantPointer`]: whose grants it stands among |
//! | `key-retirable` | `<hash of the retiring>/<place>/<grant id>` | [`Retirable`]: which grants somebody may retire |
//! | `key-grant-purge` | place of a key that is gone | [`GrantPurge`]: its grants are to be removed |
//! | `config` | `keys` | [`Config`]: settings of the mount |

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cardea_crypto::keys::KeyMaterial;
use cardea_model::key::{Grant, Key, KeyAlgorithm, KeyLastUse};
use cardea_model::{Error, SecretText, Timestamp};
use cardea_policy::iam::{Document, DocumentKind};
use cardea_sdk::purge::Purges;
use cardea_storage::record::{Record, Wiped, decode_json, encode_json};
use cardea_storage::view::View;
use cardea_storage::{json_record, name_record};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Name of the one [`Config`] record of a mount.
pub const CONFIG_NAME: &str = "keys";
/// Material that a later change removes from a purge.
const PURGED_MAX: u64 = 8;
/// Name of the material that unwraps what is imported; no id of a key looks like this.
pub const WRAPPING_NAME: &str = "wrapping-key";

/// The pointer record of a key, under its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyRecord(pub Key);

json_record!(KeyRecord, "key", 1, cached);

/// A name that an id stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyName {
    pub name: String,
}

json_record!(KeyName, "key-id", 1, cached);

/// A name that an alias stands for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AliasRecord {
    pub name: String,
}

json_record!(AliasRecord, "key-alias", 1, cached);

/// The name of a key whose deletion is scheduled, under the time when it comes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Doomed {
    pub name: String,
}

json_record!(Doomed, "key-doomed", 1);

impl Doomed {
    /// The record's name: those that come first sort first.
    #[must_use]
    pub fn name(at: Timestamp, key_id: &str) -> String {
        format!("{:020}-{key_id}", at.0)
    }

    /// The time in a record's name.
    #[must_use]
    pub fn time(name: &str) -> Option<Timestamp> {
        name.split_once('-')?.0.parse().ok().map(Timestamp)
    }
}

/// The name of a key of which one version's imported material goes by itself, under the time when it does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ending {
    pub name: String,
}

json_record!(Ending, "key-ending", 1);

impl Ending {
    /// The record's name: those that come first sort first.
    #[must_use]
    pub fn name(at: Timestamp, key_id: &str, version: u64) -> String {
        format!("{:020}-{}", at.0, Material::name(key_id, version))
    }

    /// The time and the version in a record's name.
    #[must_use]
    pub fn parse(name: &str) -> Option<(Timestamp, u64)> {
        let (at, rest) = name.split_once('-')?;
        let (_, version) = rest.rsplit_once('/')?;
        Some((Timestamp(at.parse().ok()?), version.parse().ok()?))
    }
}

/// What tells imported material that is gone from any other: a MAC of it under the id of its version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Proof {
    pub mac: String,
}

json_record!(Proof, "key-proof", 1);

/// What a key did last.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LastUse(pub KeyLastUse);

json_record!(LastUse, "key-last-use", 1, cached);

/// How many uses of one version processes have reserved, and the newest reservations.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Uses {
    pub reserved: u64,
    /// Random marks, by which a process finds out which of its reservations were committed; newest last.
    pub claims: Vec<String>,
}

json_record!(Uses, "key-uses", 1);

/// The wrapping key that one key's material is awaited under.
#[derive(Serialize, Deserialize)]
pub struct ImportRecord {
    pub wrapping: StoredMaterial,
    /// Hash of the token that belongs to it.
    pub token_hash: String,
    pub expires: Timestamp,
}

json_record!(ImportRecord, "key-import", 1);

/// The policy document of a key, byte for byte.
pub struct StoredDocument {
    pub text: String,
    /// `None` for one that this release cannot read: nobody knows what it denies.
    pub parsed: Option<Arc<Document>>,
}

const DOCUMENT_FORM: u8 = 1;

impl StoredDocument {
    #[must_use]
    pub fn of(text: String) -> Self {
        let parsed = Document::parse(&text, DocumentKind::Key).ok().map(Arc::new);
        Self { text, parsed }
    }
}

impl Record for StoredDocument {
    const KIND: &'static str = "key-document";
    const CACHED: bool = true;

    fn encode(&self) -> Result<Wiped, Error> {
        let mut out = Wiped::new(vec![DOCUMENT_FORM]);
        out.extend_from_slice(self.text.as_bytes());
        Ok(out)
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let broken = || Error::internal("a policy document has a form that this release does not know");
        let text = bytes.strip_prefix(&[DOCUMENT_FORM]).ok_or_else(broken)?;
        String::from_utf8(text.to_vec()).map(Self::of).map_err(|_| broken())
    }
}

/// The grants of one grantee on one key.
#[derive(Default, Serialize, Deserialize)]
pub struct GrantsOf {
    pub grants: Vec<StoredGrant>,
}

json_record!(GrantsOf, "key-grants", 1, cached);

/// A grant, and what its tokens are proven by.
#[derive(Serialize, Deserialize)]
pub struct StoredGrant {
    pub grant: Grant,
    #[serde(with = "cardea_model::secret_bytes::stored")]
    pub secret: SecretText,
}

/// Whose grants a grant stands among, and who may retire it: hashes of ARNs.
#[derive(Serialize, Deserialize)]
pub struct GrantPointer {
    pub grantee: String,
    #[serde(default)]
    pub retiring: Option<String>,
}

json_record!(GrantPointer, "key-grant", 1, cached);

/// A grant that somebody may retire.
#[derive(Serialize, Deserialize)]
pub struct Retirable {
    /// Of its key.
    pub name: String,
}

json_record!(Retirable, "key-retirable", 1);

/// A key that is gone and had grants. The name says all.
#[derive(Serialize, Deserialize)]
pub struct GrantPurge {}

json_record!(GrantPurge, "key-grant-purge", 1);

/// Settings of the mount.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Whether encrypting with a key that does not exist is refused instead of creating it.
    pub disable_upsert: bool,
}

json_record!(Config, "config", 1, cached);

/// One version of a key, ready for use. Decoded copies stay in memory until the server is sealed: parsing an RSA key
/// costs as much as using it.
pub struct Material {
    pub key: KeyMaterial,
    /// The MAC key that every version has beside it; a key that is a MAC key itself has none.
    pub mac: Option<KeyMaterial>,
}

impl Material {
    /// The record's name. Numbers are padded, so that names sort as versions do.
    #[must_use]
    pub fn name(key_id: &str, version: u64) -> String {
        format!("{key_id}/{version:020}")
    }
}

/// The form in which it is stored, sealed by the barrier.
#[derive(Serialize, Deserialize)]
pub struct StoredMaterial {
    pub algorithm: KeyAlgorithm,
    #[serde(with = "cardea_model::secret_bytes::stored")]
    pub key: SecretText,
    #[serde(with = "cardea_model::secret_bytes::stored_option", default)]
    pub mac: Option<SecretText>,
}

const MATERIAL_FORM: u8 = 1;

impl Material {
    #[must_use]
    pub fn to_stored(&self) -> StoredMaterial {
        let text = |key: &KeyMaterial| SecretText::new(BASE64.encode(key.to_stored().expose()));
        StoredMaterial { algorithm: self.key.algorithm(), key: text(&self.key), mac: self.mac.as_ref().map(text) }
    }

    /// # Errors
    /// Bytes that are no such material.
    pub fn from_stored(stored: &StoredMaterial) -> Result<Self, Error> {
        let read = |algorithm, text: &SecretText| {
            let broken = || Error::internal("key material does not parse");
            let bytes = Zeroizing::new(BASE64.decode(text.expose()).map_err(|_| broken())?);
            KeyMaterial::from_stored(algorithm, &bytes).map_err(|_| broken())
        };
        let mac = stored.mac.as_ref().map(|text| read(KeyAlgorithm::Hmac, text)).transpose()?;
        Ok(Self { key: read(stored.algorithm, &stored.key)?, mac })
    }
}

impl Record for Material {
    const KIND: &'static str = "key-material";
    const CACHED: bool = true;

    fn encode(&self) -> Result<Wiped, Error> {
        encode_json(MATERIAL_FORM, &self.to_stored())
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        Self::from_stored(&decode_json(MATERIAL_FORM, Self::KIND, bytes)?)
    }
}

/// Material of versions that no pointer knows any more, to be removed by later changes.
#[derive(Default)]
pub struct Purge;

name_record!(Purge, "key-purge");

impl Purges for Purge {
    const AT_ONCE_MAX: u64 = PURGED_MAX;

    fn remove(state: &mut View<'_>, key_id: &str, number: u64) {
        let name = Material::name(key_id, number);
        state.delete::<Material>(&name);
        state.delete::<Proof>(&name);
        state.delete::<Uses>(&name);
    }
}
