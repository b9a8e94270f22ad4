//! The stored secret and its versions (DESIGN section 5). The pointer record holds the states of all versions; each
//! payload is one immutable record of its own, keyed by the secret's id and the version's number.
//! Nothing here may hold a payload beside the answer that carries one out.

mod regions; // secrets that are in some regions

pub use regions::{
    SECRET_REPLICAS_MAX, SecretPlace, SecretRegions, SecretReplica, is_region, regional_path, split_regional,
};

use crate::error::{Cause, Error};
use crate::path::CanonicalPath;
use crate::payload::Payload;
use crate::rotation::Rotation;
use crate::secret_bytes::SecretText;
use crate::time::Timestamp;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashSet};
use std::fmt;

/// The stage label of the version that a plain read serves. It follows every write, through whatever door it came.
pub const STAGE_CURRENT: &str = "AWSCURRENT";
/// The stage label of the version that was current before.
pub const STAGE_PREVIOUS: &str = "AWSPREVIOUS";
/// The stage label of a version that is being prepared. Dialects without stages do not see such a version.
pub const STAGE_PENDING: &str = "AWSPENDING";
/// Letters and digits of a [`Secret::short_id`].
pub const SHORT_ID_CHARS: usize = 6;

/// The pointer record of a secret. Members that say nothing are not stored: the record is written again with every version,
/// and holds the states of all of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Secret {
    /// Stable random id; survives every change of path.
    pub id: String,
    /// The id of the secret whose replica it was: what ends its ARN follows from that, and stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once: Option<String>,
    pub path: String,
    pub created: Timestamp,
    pub updated: Timestamp,
    /// Number of the version that a plain read serves; 0 if none was ever written.
    pub current: u64,
    /// Highest number that a version ever had, if it is not the current one's: a version can be prepared, or a step taken back.
    #[serde(default)]
    pub newest: u64,
    /// Oldest version whose state is still kept; 0 if none.
    pub oldest: u64,
    /// One map for tags, labels and custom metadata.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// What the secret is for, in its owner's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The key that its owner named for it. Kept and shown; the barrier's own keys seal every secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Whether it was written through a dialect that names versions by stage labels: its labelled versions are kept
    /// whatever their age, and the others longer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub staged: bool,
    /// The ARN by which its resource policy knows it; absent where none is attached. The policy is a record of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_arn: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub settings: SecretSettings,
    /// Where it is; `None` for a secret that is in every region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regions: Option<SecretRegions>,
    /// Stage labels, each pointing at a version (`AWSCURRENT`, `AWSPREVIOUS`, aliases).
    #[serde(default)]
    pub stages: BTreeMap<String, u64>,
    /// Client request tokens that are not the id of the version they made: a repeated call finds its first answer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tokens: BTreeMap<String, u64>,
    /// Soft deletion of the whole secret, with the time when it may be purged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Deletion>,
    /// In ascending order of number.
    pub versions: Vec<Version>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Settings of one secret; `None` takes the mount's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Stable id: a UUID, or the client's token that made it.
    pub id: String,
    pub created: Timestamp,
    /// Display name or entity id of who wrote it.
    pub creator: String,
    /// A mark of who that was, which nobody can choose; the same caller has another on another secret. Empty where it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub maker: String,
    pub state: VersionState,
    /// When it was, or will be, deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub content: ContentForm,
    /// The rotator whose change made it; absent where somebody wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotator: Option<String>,
    /// Whether it was only prepared so far: it never was the current one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prepared: bool,
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
    /// Highest number that a version ever had; the next one is higher by one.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.newest.max(self.current)
    }

    /// Labels of one version, in the order of their names.
    #[must_use]
    pub fn stages_of(&self, number: u64) -> Vec<String> {
        self.stages.iter().filter(|(_, at)| **at == number).map(|(stage, _)| stage.clone()).collect()
    }

    /// Whether its recovery window is over: it is as if it had never been.
    #[must_use]
    pub fn is_past(&self, now: Timestamp) -> bool {
        self.deleted.as_ref().is_some_and(|deletion| deletion.purge_at <= now)
    }

    /// Letters and digits that follow from the stable id: they tell this secret from an earlier one of the same name.
    #[must_use]
    pub fn short_id(&self) -> String {
        short_id(self.once.as_ref().unwrap_or(&self.id))
    }

    /// The name that dialects with names of their own know it by; its path where there is none. What a path says of a region
    /// is no part of it.
    #[must_use]
    pub fn name(&self) -> String {
        let path = match (&self.regions, split_regional(&self.path)) {
            (Some(_), Some((path, _))) => path,
            _ => self.path.as_str(),
        };
        name_of_path(path).unwrap_or_else(|| self.path.clone())
    }

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

/// See [`Secret::short_id`]. The id is random, so that any even spreading of it will do (this is FNV-1a, 64 bits).
#[must_use]
pub fn short_id(id: &str) -> String {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut left = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut out = String::with_capacity(SHORT_ID_CHARS);
    for _ in 0..SHORT_ID_CHARS {
        out.push(char::from(ALPHABET[(left % 62) as usize]));
        left /= 62;
    }
    out
}

/// The path under which a foreign name is kept: the name itself where it is canonical; where it is not, each segment that
/// could not stand (empty, `.`, `..`) has a `%` before it. Names may not hold a `%` themselves, so that two names never
/// meet in one path.
///
/// # Errors
/// A name with a `%`, with characters that cannot be printed, or too long.
pub fn path_of_name(name: &str) -> Result<CanonicalPath, Error> {
    if name.contains('%') {
        return Err(Error::invalid("the name has a character that names cannot have"));
    }
    let mut path = String::with_capacity(name.len() + 4);
    for (at, segment) in name.split('/').enumerate() {
        if at > 0 {
            path.push('/');
        }
        if matches!(segment, "" | "." | "..") {
            path.push('%');
        }
        path.push_str(segment);
    }
    CanonicalPath::parse(&path)
}

/// The name that [`path_of_name`] made this path of; `None` for a path that no name makes.
#[must_use]
pub fn name_of_path(path: &str) -> Option<String> {
    let mut name = String::with_capacity(path.len());
    for (at, segment) in path.split('/').enumerate() {
        if at > 0 {
            name.push('/');
        }
        match segment {
            "%" | "%." | "%.." => name.push_str(&segment[1..]),
            "" | "." | ".." => return None,
            other if other.contains('%') => return None,
            other => name.push_str(other),
        }
    }
    Some(name)
}

/// What one version holds: the payload, and what it is.
#[derive(Debug)]
pub struct SecretValue {
    pub content: ContentForm,
    pub payload: Payload,
}

impl SecretValue {
    /// A JSON object as it is, or a JSON text.
    ///
    /// # Errors
    /// Any other JSON.
    pub fn of_json(payload: Payload) -> Result<Self, Error> {
        match payload.text().trim_start().as_bytes().first() {
            Some(b'{') => Ok(Self { content: ContentForm::Object, payload }),
            Some(b'"') => Ok(Self { content: ContentForm::Text, payload }),
            _ => Err(Error::invalid("payload of a secret is an object or a text")),
        }
    }

    /// A text, byte for byte. One that is a JSON object of texts with distinct names is kept as that object, which is what
    /// dialects whose secrets are maps show of it; its own bytes stay as they are.
    ///
    /// # Errors
    /// Internal, if it cannot be written as JSON.
    pub fn of_text(text: &str) -> Result<Self, Error> {
        if is_flat_map(text) {
            return Ok(Self { content: ContentForm::Object, payload: Payload::parse(text.to_owned())? });
        }
        Ok(Self { content: ContentForm::Text, payload: Payload::of(text)? })
    }

    /// Bytes, in the standard alphabet of base64 with padding.
    ///
    /// # Errors
    /// Internal, if it cannot be written as JSON.
    pub fn of_base64(encoded: &str) -> Result<Self, Error> {
        Ok(Self { content: ContentForm::Bytes, payload: Payload::of(encoded)? })
    }
}

/// Whether a text is a JSON object whose members all are texts, each name once. Values are looked at, and not copied.
fn is_flat_map(text: &str) -> bool {
    struct FlatMap(bool);
    impl<'de> Deserialize<'de> for FlatMap {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Members;
            impl<'de> Visitor<'de> for Members {
                type Value = FlatMap;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("an object of texts")
                }
                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FlatMap, A::Error> {
                    let mut names = HashSet::new();
                    let mut flat = true;
                    while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                        flat &= names.insert(name) && value.get().starts_with('"');
                    }
                    Ok(FlatMap(flat))
                }
            }
            deserializer.deserialize_map(Members)
        }
    }
    text.trim_start().starts_with('{') && serde_json::from_str::<FlatMap>(text).is_ok_and(|map| map.0)
}

/// Why an operation on a secret is refused, where several reasons share a cause and a dialect tells them apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecretFault {
    /// There is one of that name already.
    Exists,
    /// It is deleted and can still be brought back; until then its name is taken.
    MarkedForDeletion,
    /// It has no such version, or that version's payload is gone.
    NoVersion,
    /// The client's token has made a version with other content, or may not be used again.
    TokenTaken,
    /// The version that was named does not carry the label that was named.
    StageNotOnVersion,
    /// The label is on a version that the request does not name.
    StageElsewhere,
    /// The current label can be moved, and not taken away.
    CurrentStays,
    TooManyStages,
    TooManyTags,
    /// An order other than by name needs all of them at once.
    TooManyToSort,
    /// No character is left to make a password of, or too few places for each kind.
    PasswordImpossible,
    /// It is changed where it was made, and not where it is replicated to.
    Replica,
    /// Its replicas are to go first.
    HasReplicas,
    /// A secret is not replicated to where it is at home.
    OwnRegion,
    /// It is not replicated to there.
    NotReplicated,
    /// The values that a replica would take with it do not fit one change.
    TooMuchToDetach,
    /// The dialect has no regions to replicate to.
    NoRegions,
    TooManyReplicas,
    /// The resource policy says something that cannot be honoured, or nothing that can be read.
    PolicyMalformed,
    /// The resource policy lets everybody in, and the request does not want that.
    PolicyPublic,
    /// By the resource policy its author could not replace it.
    PolicyLocksOut,
}

impl SecretFault {
    const ALL: &[Self] = &[
        Self::Exists,
        Self::MarkedForDeletion,
        Self::NoVersion,
        Self::TokenTaken,
        Self::StageNotOnVersion,
        Self::StageElsewhere,
        Self::CurrentStays,
        Self::TooManyStages,
        Self::TooManyTags,
        Self::TooManyToSort,
        Self::PasswordImpossible,
        Self::Replica,
        Self::HasReplicas,
        Self::OwnRegion,
        Self::NotReplicated,
        Self::TooMuchToDetach,
        Self::NoRegions,
        Self::TooManyReplicas,
        Self::PolicyMalformed,
        Self::PolicyPublic,
        Self::PolicyLocksOut,
    ];

    #[must_use]
    pub fn cause(self) -> Cause {
        match self {
            Self::Exists | Self::TokenTaken => Cause::Conflict,
            Self::NoVersion => Cause::NotFound,
            Self::TooManyStages
            | Self::TooManyTags
            | Self::TooManyToSort
            | Self::TooManyReplicas
            | Self::TooMuchToDetach => Cause::TooLarge,
            Self::MarkedForDeletion
            | Self::StageNotOnVersion
            | Self::StageElsewhere
            | Self::CurrentStays
            | Self::PasswordImpossible
            | Self::Replica
            | Self::HasReplicas
            | Self::OwnRegion
            | Self::NotReplicated
            | Self::NoRegions
            | Self::PolicyMalformed
            | Self::PolicyPublic
            | Self::PolicyLocksOut => Cause::Invalid,
        }
    }

    /// The fault of a resource policy, and the reason: words that hold nothing of the policy.
    #[must_use]
    pub fn malformed_policy(reason: &str) -> Error {
        let fault = Self::PolicyMalformed;
        Error::new(fault.cause(), format!("{}: {reason}", fault.words()))
    }

    /// The reason behind [`Self::PolicyMalformed`].
    #[must_use]
    pub fn reason_of_malformed_policy(error: &Error) -> Option<&str> {
        error.client.strip_prefix(Self::PolicyMalformed.words())?.strip_prefix(": ")
    }

    fn words(self) -> &'static str {
        match self {
            Self::Exists => "a secret of this name exists already",
            Self::MarkedForDeletion => {
                "the secret is marked for deletion: it must be restored or removed for good first"
            }
            Self::NoVersion => "the secret has no such version",
            Self::TokenTaken => "the request's token has made a version with another content",
            Self::StageNotOnVersion => "the version does not carry this stage label",
            Self::StageElsewhere => "the stage label is on another version, which the request must name",
            Self::CurrentStays => "the stage label of the current version can be moved, but not taken away",
            Self::TooManyStages => "the secret has too many stage labels",
            Self::TooManyTags => "the secret has too many tags",
            Self::TooManyToSort => "there are too many secrets for this order: list them by name",
            Self::PasswordImpossible => "no password can be made of what is left",
            Self::Replica => "a replica is changed in the region of its primary secret",
            Self::HasReplicas => "the secret is replicated to other regions: it must be removed from there first",
            Self::OwnRegion => "a secret is not replicated to its own region",
            Self::NotReplicated => "the secret is not replicated to this region",
            Self::TooMuchToDetach => "the labelled versions are more than one change can copy: take labels away first",
            Self::NoRegions => "there are no regions to replicate to",
            Self::TooManyReplicas => "the secret has too many replicas",
            Self::PolicyMalformed => "the resource policy cannot be kept",
            Self::PolicyPublic => "the resource policy lets everybody in",
            Self::PolicyLocksOut => "by the resource policy its author could not replace it",
        }
    }

    /// The fault that an error is, if it is one.
    #[must_use]
    pub fn of(error: &Error) -> Option<Self> {
        if Self::reason_of_malformed_policy(error).is_some() {
            return Some(Self::PolicyMalformed);
        }
        Self::ALL.iter().copied().find(|fault| fault.cause() == error.cause && fault.words() == error.client)
    }
}

impl From<SecretFault> for Error {
    fn from(fault: SecretFault) -> Self {
        Self::new(fault.cause(), fault.words())
    }
}

/// What is known of a secret without any payload, and the version that a change made or found.
#[derive(Debug)]
pub struct SecretFacts {
    pub secret: Secret,
    pub version: Option<u64>,
    /// How it rotates; only where that was asked for.
    pub rotation: Option<Box<Rotation>>,
    /// The text of its resource policy; only where that was asked for.
    pub policy: Option<String>,
    /// Regions that the change put it into, or took it out of; for the log.
    pub moved: Vec<String>,
}

/// Where a list of secrets goes on. It names nothing that the caller was not shown: what was passed over is a count, or a place
/// that only the keeper of the secrets can read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SecretCursor {
    /// Path of the last secret that was shown; empty before the first.
    pub after: String,
    /// Names after it that were looked at and not shown.
    pub skip: u64,
    /// Its instant, where the order is by one; milliseconds since 1970.
    pub at_ms: u64,
    /// A sealed place, in letters, digits, `-` and `_`; empty for none. It counts instead of the others.
    pub place: String,
}

/// One page of secrets.
#[derive(Debug, Default)]
pub struct SecretPage {
    pub secrets: Vec<Secret>,
    pub next: Option<SecretCursor>,
}

/// The values of several secrets, each with its own fate.
#[derive(Debug, Default)]
pub struct SecretBatch {
    pub values: Vec<SecretAnswer>,
    /// As asked, and why not.
    pub refused: Vec<(String, Error)>,
    pub next: Option<SecretCursor>,
}

/// Typed answers beside that about one version.
#[derive(Debug)]
pub enum SecretReport {
    Facts(Box<SecretFacts>),
    Page(SecretPage),
    Batch(SecretBatch),
    Password(SecretText),
    /// What is to be said against a resource policy; nothing, if it would be kept.
    PolicyCheck(Vec<PolicyFinding>),
}

/// What a check of a resource policy found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyFinding {
    pub fault: SecretFault,
    /// Words that hold nothing of the policy.
    pub reason: String,
}

impl SecretReport {
    /// Paths of the secrets whose values it carries: the log says of each that it was read.
    #[must_use]
    pub fn values_of(&self) -> Vec<&str> {
        match self {
            Self::Batch(batch) => batch.values.iter().map(|value| value.path.as_str()).collect(),
            Self::Facts(_) | Self::Page(_) | Self::Password(_) | Self::PolicyCheck(_) => Vec::new(),
        }
    }

    /// Regions that a change put a secret into, or took it out of.
    #[must_use]
    pub fn moved(&self) -> &[String] {
        match self {
            Self::Facts(facts) => &facts.moved,
            Self::Batch(_) | Self::Page(_) | Self::Password(_) | Self::PolicyCheck(_) => &[],
        }
    }

    /// The ids of those secrets, and the versions whose values it carries.
    #[must_use]
    pub fn versions_of(&self) -> Vec<(&str, u64)> {
        match self {
            Self::Batch(batch) => {
                let read = batch.values.iter().filter(|value| value.payload.is_some());
                read.map(|value| (value.secret_id.as_str(), value.version.number)).collect()
            }
            Self::Facts(_) | Self::Page(_) | Self::Password(_) | Self::PolicyCheck(_) => Vec::new(),
        }
    }
}

/// A typed answer about one version of a secret.
#[derive(Debug)]
pub struct SecretAnswer {
    pub secret_id: String,
    /// See [`Secret::short_id`].
    pub short_id: String,
    pub path: String,
    pub version: Version,
    pub stages: Vec<String>,
    pub metadata: BTreeMap<String, String>,
    /// Absent after a write, or when the version is gone.
    pub payload: Option<Payload>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As an earlier release stored it: every member, whatever it says.
    const WHOLE: &str = r#"{"id":"i","path":"p","created":1,"updated":2,"current":1,"newest":0,"oldest":1,"metadata":{},
        "description":"","key_id":null,"staged":false,"settings":{"max_versions":null,"cas_required":false,
        "delete_after_s":null},"regions":null,"stages":{"AWSCURRENT":1},"tokens":{},"deleted":null,"versions":[{"number":1,
        "id":"v","created":2,"creator":"c","state":"enabled","deletion":null,"content":"object","rotator":null,
        "prepared":false}]}"#;

    #[test]
    fn what_says_nothing_is_not_stored() {
        let secret: Secret = serde_json::from_str(WHOLE).unwrap();
        let stored = serde_json::to_string(&secret).unwrap();
        let expected = r#"{"id":"i","path":"p","created":1,"updated":2,"current":1,"newest":0,"oldest":1,"stages":{"AWSCURRENT":1},"versions":[{"number":1,"id":"v","created":2,"creator":"c","state":"enabled"}]}"#;
        assert_eq!(stored, expected);
    }

    #[test]
    fn what_says_something_is_stored() {
        let mut secret: Secret = serde_json::from_str(WHOLE).unwrap();
        secret.description = "d".to_owned();
        secret.staged = true;
        secret.settings.cas_required = true;
        secret.tokens.insert("t".to_owned(), 1);
        secret.deleted = Some(Deletion { at: Timestamp(3), purge_at: Timestamp(4) });
        secret.versions[0].content = ContentForm::Bytes;
        secret.versions[0].deletion = Some(Timestamp(5));
        secret.versions[0].rotator = Some("r".to_owned());
        secret.versions[0].prepared = true;
        let stored = serde_json::to_string(&secret).unwrap();
        let read: Secret = serde_json::from_str(&stored).unwrap();
        assert_eq!(format!("{read:?}"), format!("{secret:?}"));
    }
}
