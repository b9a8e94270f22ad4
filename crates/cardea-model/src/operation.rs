//! Everything the system can be asked, independent of a wire. It must never name HTTP, a dialect or an engine.

use crate::path::CanonicalPath;
use crate::payload::Payload;
use crate::rotation::RotationStrategy;
use crate::secret::{Secret, SecretCursor, SecretReplica, SecretValue};
use crate::words;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a path-shaped request does, before the route says what that means.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    Read,
    List,
    /// Create or update; which of the two, the engine's existence check says.
    Write,
    Patch,
    Delete,
}

/// What policies speak of. Vault's capabilities, without `sudo` and `deny`, which are not things one does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Create,
    Read,
    Update,
    Patch,
    Delete,
    List,
}

impl Action {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::List => "list",
        }
    }
}

/// Operations on secrets that dialects share; a dialect whose requests are operations carries one of these.
#[derive(Debug)]
pub enum SecretOp {
    /// `Read` and `Write` are what every dialect has.
    Read {
        path: CanonicalPath,
        version: VersionRef,
    },
    Write {
        path: CanonicalPath,
        payload: Payload,
        check_version: Option<u64>,
    },
    /// Anything else about one secret.
    One {
        secret: SecretRef,
        act: SecretAct,
    },
    /// Facts of many secrets. Whoever may not read the metadata of one is not shown it.
    List(SecretQuery),
    /// Values of several secrets. Each is judged like a read of its own.
    ReadMany(ManySecrets),
    /// A random password; nothing is kept.
    Password(PasswordWish),
    /// Whether a text could be the resource policy of some secret; nothing is kept.
    CheckPolicy {
        text: String,
    },
}

impl SecretOp {
    /// The path inside its mount, if the operation is about one secret.
    #[must_use]
    pub fn path(&self) -> Option<&CanonicalPath> {
        match self {
            Self::Read { path, .. } | Self::Write { path, .. } => Some(path),
            Self::One { secret, .. } => Some(&secret.path),
            Self::List(_) | Self::ReadMany(_) | Self::Password(_) | Self::CheckPolicy { .. } => None,
        }
    }
}

/// Which secret is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretRef {
    pub path: CanonicalPath,
    /// If given, only the secret with this [`crate::secret::Secret::short_id`] is meant: not an earlier or later one of that
    /// name.
    pub short_id: Option<String>,
    /// The region that asks, where the owner gave secrets regions.
    pub region: Option<String>,
}

/// What is done to one secret.
#[derive(Debug)]
pub enum SecretAct {
    Read {
        /// `Current` where the request names neither a stage nor a version.
        version: VersionRef,
    },
    /// Everything but payloads.
    Describe,
    /// The same, for the sake of its versions.
    Versions,
    Create(NewSecret),
    Put(NewVersion),
    Update(SecretUpdate),
    /// Puts a stage label on a version, takes it from one, or both. Versions are named by their ids.
    MoveStage {
        stage: String,
        from: Option<String>,
        to: Option<String>,
    },
    /// After a window in which it can be brought back, in seconds; or at once, and then also what is not there.
    Delete {
        recovery_s: Option<u64>,
    },
    Restore,
    /// Decides how it rotates as far as the wish says so, and begins a change if it says that.
    Rotate(RotateWish),
    /// Holds its schedule, and takes a change back that is on its way.
    CancelRotation,
    Tag {
        set: BTreeMap<String, String>,
        remove: Vec<String>,
    },
    /// Makes it readable in these regions, too.
    Replicate(Replicas),
    RemoveReplicas(Vec<String>),
    /// Makes a replica a secret of its own.
    Detach,
    /// About its resource policy.
    Policy(PolicyAct),
}

/// What is done about the resource policy of a secret: a document of AWS's form, which decides beside Vault's policies.
#[derive(Debug)]
pub enum PolicyAct {
    Read,
    /// Whether there is one.
    List,
    Put(NewPolicy),
    Delete,
    /// What would become of putting it.
    Check(NewPolicy),
}

/// A resource policy to be.
#[derive(Debug)]
pub struct NewPolicy {
    /// Kept byte for byte.
    pub text: String,
    /// What stands before the secret's name in the ARN by which the policy knows it; `None` leaves that as it is.
    pub arn_front: Option<String>,
    /// Refuses one that lets everybody in.
    pub not_public: bool,
}

/// A secret to be, with or without a first version.
#[derive(Debug)]
pub struct NewSecret {
    pub value: Option<SecretValue>,
    /// The client's token: the version's id.
    pub version_id: String,
    pub description: String,
    pub key_id: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// Regions that it is replicated to from the first moment on.
    pub replicas: Replicas,
}

/// Regions that a secret shall be in as well.
#[derive(Debug, Default)]
pub struct Replicas {
    pub regions: BTreeMap<String, SecretReplica>,
    /// Whether a secret that has the name there gives way.
    pub force: bool,
}

/// When a secret rotates.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RotationSchedule {
    /// Seconds from one rotation to the next.
    Every(u64),
    /// See [`crate::cron::Cron`].
    Cron(String),
}

/// A rotation that is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RotateWish {
    /// The client's token: the id of the version to be. The same token changes nothing twice.
    pub token: String,
    /// A rotator and a strategy; `None` takes those that were decided before.
    pub rotator: Option<(String, RotationStrategy)>,
    /// `None` leaves the schedule as it is.
    pub schedule: Option<RotationSchedule>,
    /// Seconds in which a rotation may begin; goes with a schedule.
    pub window_s: Option<u64>,
    /// Whether a change begins now.
    pub begin: bool,
}

/// A version to be.
#[derive(Debug)]
pub struct NewVersion {
    pub value: SecretValue,
    /// The client's token: the version's id. The same token with the same content changes nothing.
    pub version_id: String,
    /// Labels to put on it; empty for that of the current version.
    pub stages: Vec<String>,
}

/// A change of a secret; `None` leaves a part as it is.
#[derive(Debug)]
pub struct SecretUpdate {
    pub description: Option<String>,
    pub key_id: Option<String>,
    /// A new current version.
    pub value: Option<SecretValue>,
    /// The client's token: the id of that version. The same token with the same content makes none.
    pub version_id: String,
}

/// Which secrets to list.
#[derive(Clone, Debug, Default)]
pub struct SecretQuery {
    /// All of them must hold.
    pub filters: Vec<SecretFilter>,
    /// Whether those marked for deletion are shown as well.
    pub with_deleted: bool,
    pub order: SecretOrder,
    pub descending: bool,
    pub after: SecretCursor,
    /// Most secrets on one page.
    pub limit: usize,
    /// The region that asks, where the owner gave secrets regions: those of others are left out.
    pub region: Option<String>,
}

/// In which order secrets are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SecretOrder {
    #[default]
    Name,
    Created,
    Changed,
}

/// A condition on the facts of a secret: one of `any_of` holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SecretFilter {
    pub field: FilterField,
    pub any_of: Vec<FilterText>,
    /// The region that secrets without one are at home in, to whoever asks.
    pub home: String,
}

/// A text that is looked for, or that must not be there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilterText {
    pub text: String,
    pub negated: bool,
}

/// Where a filter looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FilterField {
    /// How the name begins.
    Name,
    /// Words, each the beginning of one of the description, whatever the case.
    Description,
    /// How the name of a tag begins.
    TagKey,
    /// How the value of a tag begins.
    TagValue,
    /// Words, each the beginning of one in name, description or tags, whatever the case.
    All,
    /// How the region begins in which it is at home.
    PrimaryRegion,
    /// What no secret here has.
    Nothing,
}

impl SecretFilter {
    /// Whether a secret, known by `name` in the dialect that asks, meets the condition.
    #[must_use]
    pub fn holds(&self, secret: &Secret, name: &str) -> bool {
        self.any_of.iter().any(|wanted| self.field.has(secret, name, &self.home, &wanted.text) != wanted.negated)
    }
}

impl FilterField {
    fn has(self, secret: &Secret, name: &str, home: &str, text: &str) -> bool {
        match self {
            Self::Name => name.starts_with(text),
            Self::Description => words::begin(text, &[secret.description.as_str()]),
            Self::TagKey => secret.metadata.keys().any(|key| key.starts_with(text)),
            Self::TagValue => secret.metadata.values().any(|value| value.starts_with(text)),
            Self::All => {
                let tags = secret.metadata.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
                let texts: Vec<&str> = [name, secret.description.as_str()].into_iter().chain(tags).collect();
                words::begin(text, &texts)
            }
            Self::PrimaryRegion => {
                secret.regions.as_ref().map_or(home, |regions| regions.primary.as_str()).starts_with(text)
            }
            Self::Nothing => false,
        }
    }
}

/// Which secrets to read at once.
#[derive(Debug)]
pub enum ManySecrets {
    /// These, each with the words by which the request called it.
    Named(Vec<(String, SecretRef)>),
    /// The current versions of those that a list would show.
    Matching(SecretQuery),
}

/// What a random password is made of.
#[derive(Clone, Debug)]
pub struct PasswordWish {
    /// In characters.
    pub length: usize,
    /// Kinds of characters, such as all digits; each without what must not occur.
    pub kinds: Vec<String>,
    /// Whether every kind must occur.
    pub each: bool,
}

/// Which version of a secret is meant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum VersionRef {
    Current,
    Number(u64),
    /// A stage label, such as `AWSCURRENT`.
    Stage(String),
    /// A version's id or the client's token that made it.
    Id(String),
    /// The version with this id, if it carries this label.
    IdAt {
        id: String,
        stage: String,
    },
}
