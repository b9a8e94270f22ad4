//! Everything the system can be asked, independent of a wire. It must never name HTTP, a dialect or an engine.

use crate::path::CanonicalPath;
use crate::payload::Payload;
use serde::Serialize;

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

/// Operations on a secret that two dialects share; a dialect whose requests are operations carries one of these.
#[derive(Debug)]
pub enum SecretOp {
    Read { path: CanonicalPath, version: VersionRef },
    Write { path: CanonicalPath, payload: Payload, check_version: Option<u64> },
}

impl SecretOp {
    /// The path of the secret inside its mount.
    #[must_use]
    pub fn path(&self) -> &CanonicalPath {
        match self {
            Self::Read { path, .. } | Self::Write { path, .. } => path,
        }
    }
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
}
