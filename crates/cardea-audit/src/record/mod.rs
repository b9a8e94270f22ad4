//! One record a request, and the records of what happens without one. Every field has a class by its type; the order of the
//! fields is the order of the bytes, so equal records are equal bytes. A record must never hold a secret: no field can.
//!
//! The kernel opens a record with the decision ([`OpenRecord`]) and completes it with the outcome. Only a complete
//! [`Record`] can be encoded, so that nothing half-known is ever written.

use crate::class::{Identifying, Public, Sensitive};
use crate::log_time::LogTime;
use serde::{Deserialize, Serialize};

mod bounds;
mod open;
mod params;

pub(crate) use bounds::sensitive_fields;
pub use bounds::{RECORD_BYTES_MAX, RecordError};
pub use open::OpenRecord;
pub use params::{PARAMS_MAX, Params, Segment, push_index, push_segment, split_name};

/// The version of the record's form. A reader refuses what is newer than it knows.
pub const RECORD_VERSION: u16 = 1;

/// What a record tells of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A request with its outcome.
    Request,
    /// What is about to be done to an external source; written before it is done.
    Intent,
    /// How an intent ended.
    Outcome,
    /// What the server did by itself: expiry, rotation, start, seal, trimming of the log.
    Event,
}

/// What the caller does, in the words that users of Vault's log search for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    Create,
    Read,
    Update,
    Patch,
    Delete,
    List,
    Help,
}

impl Operation {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Help => "help",
        }
    }

    /// Reads the word. `None` for any other.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        use Operation::{Create, Delete, Help, List, Patch, Read, Update};
        [Create, Read, Update, Patch, Delete, List, Help].into_iter().find(|operation| operation.as_str() == word)
    }
}

impl From<cardea_model::Action> for Operation {
    fn from(action: cardea_model::Action) -> Self {
        use cardea_model::Action;
        match action {
            Action::Create => Self::Create,
            Action::Read => Self::Read,
            Action::Update => Self::Update,
            Action::Patch => Self::Patch,
            Action::Delete => Self::Delete,
            Action::List => Self::List,
        }
    }
}

/// The namespace the request was for. The root namespace has the path "".
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Namespace {
    pub id: Public<String>,
    pub path: Public<String>,
}

/// The mount that served the request.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Mount {
    /// With its slash at the end: `secret/`.
    pub path: Public<String>,
    #[serde(rename = "type")]
    pub type_name: Public<String>,
    pub accessor: Public<String>,
    /// `secret`, `auth` or `system`.
    pub class: Public<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_version: Option<Public<String>>,
}

/// What the path stands for, when the engine knows it by a stable id.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Resource {
    pub kind: Public<String>,
    pub id: Identifying<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Public<u64>>,
}

/// The handle of a token: always as keyed hash, in clear only where the owner of the log asked for it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Accessor {
    pub hash: Sensitive,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear: Option<Identifying<String>>,
}

/// Facts of a token: of the caller's, or of one just issued. Times to live in seconds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Actor {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<Identifying<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_id: Option<Identifying<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accessor: Option<Accessor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_hash: Option<Sensitive>,
    /// `service` or `batch`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<Public<String>>,
    /// All policies that held, token's and identity's together.
    pub policies: Public<Vec<String>>,
    pub token_policies: Public<Vec<String>>,
    pub identity_policies: Public<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_ttl_s: Option<Public<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_issue_time: Option<Public<LogTime>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewable: Option<Public<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphan: Option<Public<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_uses: Option<Public<u64>>,
    /// What the auth method noted on the token (role name and the like).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<Param>,
}

/// Where the request came from.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Source {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Identifying<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<Public<u16>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

/// How the connection was protected.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Tls {
    pub version: Public<String>,
    pub cipher: Public<String>,
    /// The key exchange group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Public<String>>,
    /// SHA-256 of the client's certificate, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate_sha256: Option<Identifying<String>>,
    /// The certificate's serial number, in decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate_serial: Option<Identifying<String>>,
}

/// The value of a parameter or header. In clear only where the route declares the field public.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldValue {
    Clear(Public<String>),
    Number(Public<i64>),
    Flag(Public<bool>),
    Hashed(Sensitive),
}

/// A named value. The name of a nested one is its path from the outside in; [`push_segment`] says how it is spelled.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Param {
    pub name: Public<String>,
    pub value: FieldValue,
}

/// A policy that granted the request.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Grant {
    /// The policy's name.
    pub name: Public<String>,
    /// The path pattern in it that decided.
    pub pattern: Public<String>,
}

/// Allowed or not, and why.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Decision {
    pub allowed: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Public<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granting: Vec<Grant>,
}

/// How it ended, in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    Denied,
    Error,
}

/// How it ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    pub status: Status,
    /// The cause of error, from the fixed list of causes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Public<String>>,
    /// The words the client got. From a fixed set of texts: no input value is in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_class: Option<Public<String>>,
    /// Detail that only the log has. No input value either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Public<String>>,
}

impl Outcome {
    #[must_use]
    pub fn ok() -> Self {
        Self { status: Status::Ok, cause: None, message_class: None, detail: None }
    }

    /// A refusal, with the words the client got.
    #[must_use]
    pub fn denied(message_class: &str) -> Self {
        let cause = Some("denied".into());
        Self { status: Status::Denied, cause, message_class: Some(message_class.into()), detail: None }
    }

    /// A failure, with its cause and the words the client got.
    #[must_use]
    pub fn error(cause: &str, message_class: &str) -> Self {
        Self {
            status: Status::Error,
            cause: Some(cause.into()),
            message_class: Some(message_class.into()),
            detail: None,
        }
    }

    #[must_use]
    pub fn with_detail(mut self, detail: &str) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// A wrapping token that was issued instead of the answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IssuedWrap {
    pub accessor: Accessor,
    pub token_hash: Sensitive,
    pub ttl_s: Public<u64>,
    pub creation_path: Public<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_time: Option<Public<LogTime>>,
    /// The accessor of the token inside, when a login was wrapped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrapped_accessor: Option<Accessor>,
}

/// What was given out: shapes and hashes, never values.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Response {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Param>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_id: Option<Identifying<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_ttl_s: Option<Public<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewable: Option<Public<bool>>,
    /// The name of the issued credential at its source (a database user, a certificate's serial), never its secret part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_id: Option<Identifying<String>>,
    /// The token that a login or a token request issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<Box<Actor>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrap: Option<Box<IssuedWrap>>,
}

/// What the server did by itself.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Event {
    /// A stable name: `lease.expired`, `kek.rotated`, `log.trimmed`.
    pub what: Public<String>,
    /// What it was done to: a lease id, a role, a range of positions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Identifying<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Public<String>>,
}

/// One record for many equal refusals of a source without a credential.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Repeated {
    pub count: Public<u64>,
    pub since: Public<LogTime>,
}

/// A field that did not fit, and how much of it is missing.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cut {
    pub field: Public<String>,
    /// Bytes of a text, entries of a list; all cuts of the same field together.
    pub left_off: Public<u64>,
}

/// One record. Made by [`OpenRecord`] or read back by [`Record::decode`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    pub v: u16,
    pub kind: Kind,
    pub time: LogTime,
    pub request_id: Identifying<String>,
    pub node: Public<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Public<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// The canonical path, from the namespace's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Identifying<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Resource>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount: Option<Mount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Param>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Param>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrap_ttl_s: Option<Public<u64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeated: Option<Repeated>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<Cut>,
}

impl Record {
    /// The record as one line of JSON without a line break, in at most [`RECORD_BYTES_MAX`] bytes. What does not fit is cut
    /// and named in `cut`.
    ///
    /// # Errors
    /// The record does not fit even when cut to the narrowest bounds, which no sequence of builder calls can reach.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        bounds::encode(self)
    }

    /// Reads what [`Self::encode`] wrote. Unknown fields are passed over: a later version may add some.
    ///
    /// # Errors
    /// Too long, not JSON of this form, or of a newer version.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        bounds::decode(bytes)
    }

    /// Whether the record tells of a refusal.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        self.decision.as_ref().is_some_and(|decision| !decision.allowed)
            || self.outcome.as_ref().is_some_and(|outcome| outcome.status == Status::Denied)
    }
}

#[cfg(test)]
pub(crate) mod tests;
