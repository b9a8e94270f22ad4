//! The rotation of a secret (DESIGN section 8): what its owner decided, and how far a change has come. Values only; it must
//! never hold a credential: those are versions of the secret.

use crate::consumer::Ack;
use crate::cron::Cron;
use crate::error::Error;
use crate::retirement::{RetireRule, Retired, Retiring};
use crate::time::{Timestamp, TtlSeconds};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is added to a user's name for the second of two alternating users.
pub const CLONE_SUFFIX: &str = "_clone";
/// Longest name of a rotated user, in bytes: with [`CLONE_SUFFIX`] it is what PostgreSQL keeps of a name (63).
pub const ROTATED_USER_BYTES_MAX: usize = 57;
/// Longest name of whom keys belong to, in bytes: the longest address of mail (RFC 5321) is one.
pub const KEY_OWNER_BYTES_MAX: usize = 254;

/// What the owner of a secret decided.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RotationSettings {
    /// Who changes the credential at its source: path of a mount and a name in it, such as `database/orders`.
    pub rotator: String,
    /// The one user whose password is rotated. A secret that comes to name another one is not rotated.
    pub username: String,
    pub strategy: RotationStrategy,
    /// Seconds from one rotation to the next. Without it and `cron`, it rotates on demand alone.
    pub every_s: Option<u64>,
    /// Times at which a rotation may begin; see [`Cron`]. Never beside `every_s`.
    #[serde(default)]
    pub cron: Option<String>,
    /// Seconds from such a time in which it may begin; what was missed waits for the next time. `None` is without end.
    #[serde(default)]
    pub window_s: Option<u64>,
    /// When an old credential is turned off. Without a rule it lives until the next rotation.
    #[serde(default)]
    pub retire: Option<RetireRule>,
}

impl RotationSettings {
    /// The mount and the name in it; nothing if the reference has no such form.
    #[must_use]
    pub fn rotator_parts(&self) -> Option<(&str, &str)> {
        let (mount, name) = self.rotator.rsplit_once('/')?;
        (!mount.is_empty() && !name.is_empty()).then_some((mount, name))
    }

    /// When the schedule wants the next one to begin.
    #[must_use]
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        match (&self.cron, self.every_s) {
            (Some(cron), _) => Cron::parse(cron).ok()?.next_after(now),
            (None, every_s) => every_s.map(|seconds| now.plus(TtlSeconds(seconds))),
        }
    }

    /// The name by which policies know the use of a rotator for one user.
    ///
    /// # Errors
    /// A reference without a mount or a name.
    pub fn policy_name(&self) -> Result<String, Error> {
        let (mount, name) = self
            .rotator_parts()
            .ok_or_else(|| Error::invalid("field `rotator` is the path of a mount, a slash and a name in it"))?;
        Ok(format!("{mount}/rotate/{name}/{}", self.username))
    }

    /// The second of two alternating users.
    #[must_use]
    pub fn clone_name(&self) -> String {
        format!("{}{CLONE_SUFFIX}", self.username)
    }

    /// Longest name that it may be about, in bytes.
    #[must_use]
    pub fn username_bytes_max(&self) -> usize {
        match self.strategy {
            RotationStrategy::NewKey => KEY_OWNER_BYTES_MAX,
            _ => ROTATED_USER_BYTES_MAX,
        }
    }

    /// Whether a version may be about this user.
    #[must_use]
    pub fn is_about(&self, username: &str) -> bool {
        username == self.username
            || (self.strategy == RotationStrategy::AlternatingUsers && username == self.clone_name())
    }
}

/// Whose password changes, and who changes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RotationStrategy {
    /// One user, who changes its own password. The source holds one password: between its change and the moment at which
    /// the new version is current, only the pending version opens it.
    SingleUser,
    /// One user, whose password the rotator's own user changes; the same gap.
    SingleUserByRotator,
    /// Two users in turn, changed by the rotator's own user: the current version opens the source at every moment.
    AlternatingUsers,
    /// A key that the source makes, beside those that it made before: the current version opens it at every moment.
    NewKey,
}

impl RotationStrategy {
    pub const ALL: &[Self] = &[Self::SingleUser, Self::SingleUserByRotator, Self::AlternatingUsers, Self::NewKey];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SingleUser => "single-user",
            Self::SingleUserByRotator => "single-user-by-rotator",
            Self::AlternatingUsers => "alternating-users",
            Self::NewKey => "new-key",
        }
    }

    /// # Errors
    /// Any other word.
    pub fn parse(word: &str) -> Result<Self, Error> {
        let found = Self::ALL.iter().copied().find(|one| one.as_str() == word);
        found.ok_or_else(|| {
            Error::invalid("field `strategy` is not single-user, single-user-by-rotator, alternating-users or new-key")
        })
    }
}

/// What has to be done next. Each step is durable before it is done, and may be done again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RotationStep {
    /// Make the new value: a version that is pending. The source hears nothing.
    Create,
    /// Let the source make the new value, for the token of the change: then it is a version that is pending.
    Make,
    /// Make the new value the source's.
    Set,
    /// Log in with the new value; then it becomes the current one.
    Test,
    /// Make the current value the source's again, and drop the pending one.
    Undo,
    /// The new version is current: wait for the owner's bar, then turn the old credential off at the source.
    Retire,
    /// Turn off what the source has made for the secret and readers get: its owner said so. No change follows.
    Revoke,
}

impl RotationStep {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Make => "make",
            Self::Set => "set",
            Self::Test => "test",
            Self::Undo => "undo",
            Self::Retire => "retire",
            Self::Revoke => "revoke",
        }
    }
}

/// Why a step failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RotationFailureClass {
    /// The source did not answer, or not whether it did it: the same value is tried again.
    SourceDown,
    /// The source does not take this value: another one is made.
    ValueRefused,
    /// The source, or Cardea's own rule, does not let the rotator do it: its owner has to act.
    RotatorRefused,
}

impl RotationFailureClass {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SourceDown => "source-down",
            Self::ValueRefused => "value-refused",
            Self::RotatorRefused => "rotator-refused",
        }
    }

    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::SourceDown, Self::ValueRefused, Self::RotatorRefused].into_iter().find(|one| one.as_str() == word)
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RotationFailure {
    pub class: RotationFailureClass,
    /// Words for the owner; no value stands in them.
    pub words: String,
    pub at: Timestamp,
}

/// One change on its way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RotationRun {
    /// Id of the new version: the client request token of the four-step contract. What is done for one token can be done
    /// again.
    pub token: String,
    pub step: RotationStep,
    /// The version that was current when it began, and the one that shall be; 0 before it is made.
    pub from: u64,
    pub to: u64,
    /// When it began; where the source makes the value, when it was first to be asked for this token.
    pub begun: Timestamp,
    /// Tries of the present step that failed.
    pub attempts: u32,
    /// Values that the source refused.
    pub refused_values: u32,
    /// Whether the new version is one of before, and nothing was made for this change.
    #[serde(default)]
    pub back: bool,
    /// Whether the old credential is turned off as soon as the new one is current.
    #[serde(default)]
    pub emergency: bool,
    /// How far the end of the old credential is, from the step `retire` on.
    #[serde(default)]
    pub retiring: Option<Retiring>,
}

impl RotationRun {
    /// Whether the source has been, or may have been, told to turn the old credential off.
    #[must_use]
    pub fn is_turning_off(&self) -> bool {
        self.retiring.as_ref().is_some_and(|retiring| retiring.decided.is_some())
    }
}

/// The rotation of one secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rotation {
    /// Of the secret that it was decided for: a later one of that name is another.
    pub secret_id: String,
    pub settings: RotationSettings,
    #[serde(default)]
    pub paused: bool,
    #[serde(default)]
    pub run: Option<RotationRun>,
    #[serde(default)]
    pub last_rotated: Option<Timestamp>,
    #[serde(default)]
    pub last_failure: Option<RotationFailure>,
    /// When the schedule wants the next one to begin.
    #[serde(default)]
    pub next: Option<Timestamp>,
    /// Where it stands in the index of what is to be done.
    #[serde(default)]
    pub due: Option<Timestamp>,
    /// Versions that are kept and whose credential was turned off, or may have been: no way leads back to them.
    #[serde(default)]
    pub retired: BTreeSet<u64>,
    /// The last one of them.
    #[serde(default)]
    pub last_retired: Option<Retired>,
    /// The last acknowledgement of each consumer.
    #[serde(default)]
    pub acks: BTreeMap<String, Ack>,
}
