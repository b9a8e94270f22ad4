//! Everything the system can answer. An `Answer` exists only after its outcome is durable in the log; dialects render
//! it and may add nothing to it.

use crate::error::Error;
use crate::identity::TokenKind;
use crate::key::KeyAnswer;
use crate::mount::MountClass;
use crate::payload::Payload;
use crate::request::RequestId;
use crate::secret::{SecretAnswer, SecretReport};
use crate::secret_bytes::{SecretBytes, SecretText};
use std::collections::BTreeMap;

/// How a route's answer is put on the Vault wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Envelope {
    /// Eight keys around `data`.
    Standard,
    /// The same, with every key of `data` repeated at the top (what old clients of `sys/` read).
    Flattened,
    /// The object alone.
    Bare,
    /// Bytes with their own content type and status.
    Raw,
}

/// The content of an answer.
#[derive(Debug, Default)]
pub enum Body {
    /// Nothing to say; 204 on an HTTP wire.
    #[default]
    Empty,
    /// A JSON object.
    Object(Payload),
    /// A typed answer that each dialect shapes for itself.
    Secret(Box<SecretAnswer>),
    /// A typed answer about secrets, for dialects whose requests are operations.
    Secrets(Box<SecretReport>),
    /// A typed answer about a key, for dialects whose requests are operations.
    Key(Box<KeyAnswer>),
    /// A JSON object about something that is gone: 404 that still carries data (a deleted version of a secret).
    Gone(Payload),
    /// A JSON object about several things of which some failed, under the status that says so.
    Partial { status: u16, payload: Payload },
    /// Bytes as they are.
    Raw { status: u16, content_type: &'static str, bytes: SecretBytes },
}

/// A released answer.
#[derive(Debug)]
pub struct Answer {
    pub request_id: RequestId,
    pub envelope: Envelope,
    pub body: Body,
    /// Status that the route wants for success instead of 200 or 204.
    pub status: Option<u16>,
    pub lease: Option<LeaseFacts>,
    pub auth: Option<AuthGrant>,
    pub wrap: Option<WrapFacts>,
    pub warnings: Vec<String>,
    /// Whether the caller showed a good credential, or has got one by this answer; never on a wire.
    pub caller_known: bool,
    pub mount_kind: String,
    pub mount_class: MountClass,
}

/// The lease part of an answer.
#[derive(Clone, Debug)]
pub struct LeaseFacts {
    pub id: String,
    pub renewable: bool,
    pub ttl_s: u64,
}

/// A token that was just made, or its facts.
#[derive(Debug)]
pub struct AuthGrant {
    pub client_token: SecretText,
    pub accessor: String,
    pub policies: Vec<String>,
    pub token_policies: Vec<String>,
    pub identity_policies: Vec<String>,
    pub metadata: BTreeMap<String, String>,
    pub ttl_s: u64,
    pub renewable: bool,
    pub entity_id: String,
    pub kind: TokenKind,
    pub orphan: bool,
    pub num_uses: u64,
}

/// What stands in place of a wrapped answer.
#[derive(Debug)]
pub struct WrapFacts {
    pub token: SecretText,
    pub accessor: String,
    pub ttl_s: u64,
    /// RFC 3339.
    pub creation_time: String,
    pub creation_path: String,
    pub wrapped_accessor: Option<String>,
}

/// A request that was refused; the refusal is already in the log, or needs no record.
#[derive(Debug)]
pub struct Refusal {
    pub request_id: Option<RequestId>,
    pub error: Error,
    pub warnings: Vec<String>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self { request_id: None, error, warnings: Vec::new() }
    }
}
