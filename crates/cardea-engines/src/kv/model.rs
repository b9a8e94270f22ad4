//! What a mount of `kv` stores. Every record has its version tag; nothing here may mix a payload into a record that is
//! cached, listed or shown.
//!
//! | kind | name | what |
//! |---|---|---|
//! | `secret` | path of the secret | [`Pointer`]: states of all versions, settings, labels |
//! | `payload` | `<secret id>/<version, 20 digits>` | [`StoredPayload`]: one immutable JSON text |
//! | `config` | `kv` | [`Config`]: settings of the mount |
//! | `doomed` | `<purge time in ms, 20 digits>/<path>` | [`Doomed`]: secrets marked for deletion, by the end of their window |
//! | `rotation` | path of the secret | [`RotationRecord`]: how its credential changes at its source, and how far it has come |
//! | `rotation-due` | `<time in ms, 20 digits>/<path>` | [`RotationDue`]: rotations by when something is to be done |
//! | `policy` | secret id | [`StoredPolicy`]: the resource policy of a secret, byte for byte |
//! | `purge` | `<secret id>/<from, 20 digits>-<to, 20 digits>` | [`Purge`]: payloads that nothing points at any more |

use cardea_model::rotation::Rotation;
use cardea_model::secret::Secret;
use cardea_model::{Error, Payload, Timestamp};
use cardea_policy::iam::{Document, DocumentKind};
use cardea_sdk::posture::PostureLimits;
use cardea_sdk::purge::Purges;
use cardea_storage::record::{Record, Wiped};
use cardea_storage::view::View;
use cardea_storage::{json_record, name_record};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Name of the one [`Config`] record of a mount.
pub const CONFIG_NAME: &str = "kv";
/// Payloads that a later write removes from a purge.
const PAYLOADS_PURGED_MAX: u64 = 16;

/// The pointer record of a secret, under its path.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pointer(pub Secret);

json_record!(Pointer, "secret", 1, cached);

/// One payload, exactly as it was written.
pub struct StoredPayload(pub Payload);

/// First byte of a stored payload; the JSON text follows as it came.
const PAYLOAD_FORM: u8 = 1;

impl StoredPayload {
    /// The record's name. Numbers are padded, so that names sort as versions do.
    #[must_use]
    pub fn name(secret_id: &str, version: u64) -> String {
        format!("{secret_id}/{version:020}")
    }
}

impl Record for StoredPayload {
    const KIND: &'static str = "payload";

    fn encode(&self) -> Result<Wiped, Error> {
        let text = self.0.text();
        let mut out = Wiped::new(Vec::with_capacity(1 + text.len()));
        out.push(PAYLOAD_FORM);
        out.extend_from_slice(text.as_bytes());
        Ok(out)
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let broken = || Error::internal("a payload record does not parse");
        match bytes.split_first() {
            Some((&PAYLOAD_FORM, text)) => {
                let text = std::str::from_utf8(text).map_err(|_| broken())?;
                Ok(Self(Payload::kept(text.to_owned())))
            }
            _ => Err(Error::internal("a payload record has a form that this release does not know")),
        }
    }
}

/// The resource policy of a secret, under its id: an earlier or later secret of the same name has none of it.
pub struct StoredPolicy {
    pub text: String,
    /// `None` if this release cannot read what was kept.
    pub document: Option<Arc<Document>>,
}

/// First byte of a stored policy; the text follows as it came.
const POLICY_FORM: u8 = 1;

impl StoredPolicy {
    #[must_use]
    pub fn new(text: String) -> Self {
        let document = Document::parse(&text, DocumentKind::Secret).ok().map(Arc::new);
        Self { text, document }
    }
}

impl Record for StoredPolicy {
    const KIND: &'static str = "policy";
    // Read once, asked for every request.
    const CACHED: bool = true;

    fn encode(&self) -> Result<Wiped, Error> {
        let mut out = Wiped::new(Vec::with_capacity(1 + self.text.len()));
        out.push(POLICY_FORM);
        out.extend_from_slice(self.text.as_bytes());
        Ok(out)
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let text = match bytes.split_first() {
            Some((&POLICY_FORM, text)) => std::str::from_utf8(text).ok(),
            _ => None,
        };
        text.map(|text| Self::new(text.to_owned())).ok_or_else(|| Error::internal("a policy record does not parse"))
    }
}

/// The rotation of a secret, under its path.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RotationRecord(pub Rotation);

json_record!(RotationRecord, "rotation", 1);

/// A rotation with something to be done. The name says all.
#[derive(Serialize, Deserialize)]
pub struct RotationDue {}

json_record!(RotationDue, "rotation-due", 1);

impl RotationDue {
    #[must_use]
    pub fn name(due: Timestamp, path: &str) -> String {
        format!("{:020}/{path}", due.0)
    }
}

/// What the owner of a mount wants of its secrets, by their kinds; under the name `limits`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoredLimits(pub PostureLimits);

json_record!(StoredLimits, "posture", 1);

/// Settings of the mount, for secrets that have none of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Versions kept of each secret; `None` is the built-in default.
    pub max_versions: Option<u64>,
    /// Whether every write has to name the version that it replaces.
    pub cas_required: bool,
    pub delete_after: DeleteAfter,
}

json_record!(Config, "config", 1, cached);

/// After which time versions of a mount delete themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeleteAfter {
    /// The mount has no opinion: each secret's own setting holds.
    #[default]
    Unset,
    /// Never, whatever a secret says.
    Never,
    /// Seconds; the smaller of this and the secret's own holds.
    Seconds(u64),
}

/// A secret whose recovery window will be over. The name says all; the pointer says whether it still holds.
pub struct Doomed;

impl Doomed {
    #[must_use]
    pub fn name(purge_at: Timestamp, path: &str) -> String {
        format!("{:020}/{path}", purge_at.0)
    }

    /// When, and which path.
    #[must_use]
    pub fn parse(name: &str) -> Option<(Timestamp, &str)> {
        let (purge_at, path) = name.split_once('/')?;
        Some((Timestamp(purge_at.parse().ok()?), path))
    }
}

name_record!(Doomed, "doomed");

/// Payloads of versions that no pointer knows any more, to be removed by later writes. Removing what is already gone changes
/// nothing, and version numbers of one secret id are never used again.
#[derive(Default)]
pub struct Purge;

name_record!(Purge, "purge");

impl Purges for Purge {
    const AT_ONCE_MAX: u64 = PAYLOADS_PURGED_MAX;

    fn remove(state: &mut View<'_>, secret_id: &str, number: u64) {
        state.delete::<StoredPayload>(&StoredPayload::name(secret_id, number));
    }
}
